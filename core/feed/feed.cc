#include "core/feed/feed.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "core/base/clock.h"
#include "core/base/heap_size.h"
#include "core/feed/difference.h"
#include "core/feed/render.h"
#include "proto/check.h"
#include "proto/imap/extensions.h"
#include "proto/imap/tokens.h"

namespace roost {

namespace {

std::atomic<uint64_t> next_id{1};

// After a session was adopted flags are learned somewhere between.
constexpr uint64_t kSoonestLearnNs = 1 * kNsPerSecond;
constexpr uint64_t kLatestLearnNs = 30 * kNsPerSecond;

// "(\\Seen $x)" -> "\\Seen $x"
std::string_view Inside(std::string_view list) {
  if (list.size() < 2 || list.front() != '(' || list.back() != ')') return {};
  return list.substr(1, list.size() - 2);
}

std::vector<std::string_view> NamesIn(std::string_view list) {
  std::vector<std::string_view> names;
  for (std::string_view rest = Inside(list); !rest.empty();) {
    const size_t end = std::min(rest.find(' '), rest.size());
    if (end != 0) names.push_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return names;
}

// The names of `list` and behind them those that only `more` has. One that is gone from a mailbox
// may still be in FLAGS; one that a message has must be (RFC 3501, 7.2.6).
std::string JoinedFlags(const std::string& list, const std::string& more) {
  const std::vector<std::string_view> known = NamesIn(list);
  std::string joined(Inside(list));
  for (std::string_view name : NamesIn(more)) {
    const auto same = [name](std::string_view k) { return EqualsIgnoreCase(k, name); };
    if (std::any_of(known.begin(), known.end(), same)) continue;
    if (!joined.empty()) joined += ' ';
    joined += name;
  }
  return "(" + joined + ")";
}

}  // namespace

Feed::Feed(Loop& loop, const Config& config, FeedHost& host, User& user, SharedText mailbox)
    : loop_(loop),
      config_(config),
      host_(host),
      user_(user),
      id_(next_id.fetch_add(1, std::memory_order_relaxed)),
      mailbox_(std::move(mailbox)),
      log_(static_cast<uint32_t>(config.parking.log_entries_max)) {}

// The driver goes at once: it would speak to us in the next turn. Nobody destroys a feed from
// within one of the driver's calls.
Feed::~Feed() = default;

void Feed::Describe(const SelectedMailbox& selected) {
  uid_validity_ = selected.uid_validity;
  mailbox_id_ = selected.mailbox_id;
  no_modseq_ = selected.no_modseq;
}

Feed::Adoption Feed::Adopt(std::unique_ptr<Session>& session, uint32_t told) {
  if (state_ == State::kDead) return Adoption::kOtherMailbox;
  ROOST_CHECK(driver_ == nullptr && session->Settled());
  ROOST_CHECK(session->view() != nullptr && session->view()->tail_size() == 0);
  const SelectedMailbox& selected = *session->state().selected();
  const UidSet& listed = session->view()->known();
  if (state_ == State::kNew) {
    view_ = listed;
    flags_ = selected.flags;
    horizon_ = session->horizon();
    confirmed_modseq_ = selected.highest_modseq;
    if (told < view_.size()) {
      const uint32_t first = *view_.At(told + 1);
      view_.RemoveRange(first, UidSet::kMaxUid);
      horizon_ = first;
      OnDriverArrived(UidSet::Difference(listed, view_));
      horizon_ = std::max(horizon_, session->horizon());
    }
  } else {
    const bool same = selected.uid_validity == uid_validity_ &&
                      (mailbox_id_.empty() || selected.mailbox_id == mailbox_id_);
    if (!same) return Adoption::kOtherMailbox;
    if (IsTooLarge(listed)) {
      KillAsTooLarge();
      return Adoption::kOtherMailbox;
    }
    const Difference d = Compare(view_, horizon_, listed, session->horizon());
    if (d.destination_behind) return Adoption::kBehind;
    if (!d.gone.empty()) OnDriverExpunged(d.gone);
    if (!d.came.empty()) OnDriverArrived(d.came);
    if (state_ == State::kDead) return Adoption::kOtherMailbox;
    horizon_ = std::max(horizon_, session->horizon());
    // New keywords are announced before they appear. The session may be behind the one before and
    // lack some that are.
    const std::string flags = JoinedFlags(flags_, selected.flags);
    if (!selected.flags.empty() && flags != flags_) OnDriverLine("* FLAGS " + flags + "\r\n");
  }
  Describe(selected);
  // Its last answer says that expunges are owed which are older than flags that it has told.
  if (selected.answered_modseq != 0) NoteFlagsUnflushed();
  state_ = State::kLive;
  const uint64_t check = SecondsToNs(static_cast<uint64_t>(config_.parking.driver_check_s));
  const uint64_t poll = SecondsToNs(static_cast<uint64_t>(config_.parking.poll_s));
  driver_.reset(new IdleDriver(loop_, std::move(session), *this, check, poll));
  if (subscriber_count > 1) ExpectMany();
  driver_->Start();
  if (NeedsFlagHashes()) {
    LearnFlagsIn(kSoonestLearnNs, kLatestLearnNs);
  } else {
    hashing_.reset();
  }
  return Adoption::kAdopted;
}

// ---- Flags where there is no MODSEQ ----

// A recovery cannot ask for what has changed since.
bool Feed::NeedsFlagHashes() const {
  const CapabilitySet& can = user_.capabilities();
  const bool condstore =
      IsOffered(CommandKind::kEnable, can) && (can.Has("CONDSTORE") || can.Has("QRESYNC"));
  return !condstore || no_modseq_ || confirmed_modseq_ == 0;
}

// Spread, so that thousands of feeds do not search in one moment.
void Feed::LearnFlagsIn(uint64_t least_ns, uint64_t most_ns) {
  if (hashing_ == nullptr) hashing_ = std::make_unique<FlagHashing>(loop_);
  hashing_->learn.SetIn(least_ns + loop_.PartOf(most_ns - least_ns), [this] { LearnFlags(); });
}

void Feed::LearnFlags() {
  if (!live() || !NeedsFlagHashes()) return;
  const uint32_t unknown = hashing_->hashes.FirstUnknown(view_.size());
  const uint64_t again = SecondsToNs(static_cast<uint64_t>(config_.parking.driver_check_s));
  if (unknown == 0) return LearnFlagsIn(again / 2, again);
  std::vector<std::string> flags;
  for (std::string_view name : NamesIn(flags_)) flags.emplace_back(name);
  driver_->LearnFlags(
      view_.At(unknown).value_or(1), flags,
      [this, again](bool ok, const UidSet& covered, const IdleDriver::FlagsFound& found) {
        if (!ok) return LearnFlagsIn(again / 8, again / 4);
        if (hashing_ == nullptr) return;
        hashing_->hashes.Learn(view_, covered, found);
        host_.OnFeedLearned(*this);
        LearnFlagsIn(again / 2, again);
      });
}

bool Feed::KnowsFlags(uint32_t uid, std::string_view flags) const {
  return hashing_ != nullptr && hashing_->hashes.At(view_.PositionOf(uid)) == FlagHashes::Of(flags);
}

void Feed::NoteFlags(uint32_t uid, std::string_view flags) {
  NoteFlagsAt(view_.PositionOf(uid), flags);
}

// A change that is not noted would leave a hash that is wrong: then none is kept.
void Feed::NoteFlagsAt(uint32_t position, std::string_view flags) {
  if (!NeedsFlagHashes()) return hashing_.reset();
  if (hashing_ == nullptr) hashing_ = std::make_unique<FlagHashing>(loop_);
  hashing_->hashes.Set(position, FlagHashes::Of(flags));
}

void Feed::OnDriverConfirmed(uint64_t modseq) {
  confirmed_modseq_ = std::max(confirmed_modseq_, modseq);
}

void Feed::Flush(std::function<void(bool)> done) {
  if (driver_ == nullptr) return done(false);
  driver_->Flush(std::move(done));
}

void Feed::FlushToUidNext(std::function<void(bool)> done) {
  if (driver_ == nullptr) return done(false);
  driver_->FlushToUidNext(std::move(done));
}

void Feed::ExpectMany() {
  if (driver_ != nullptr && user_.may_notify()) driver_->PreferNotify();
}

void Feed::StopDriver(std::function<void(std::unique_ptr<Session>)> done) {
  if (driver_ == nullptr || driver_->stopping()) return done(nullptr);
  driver_->Stop([this, done = std::move(done)](std::unique_ptr<Session> session) {
    loop_.Retire(std::move(driver_));
    if (state_ == State::kLive) state_ = State::kDriverless;
    done(std::move(session));
  });
}

Feed::Bytes Feed::memory() const {
  Bytes bytes;
  bytes.feed = HeapSize(this) + HeapSize(hashing_);
  if (hashing_ != nullptr) bytes.feed += hashing_->hashes.memory();
  bytes.views = view_.memory_bytes();
  bytes.log = log_bytes_;
  if (driver_ == nullptr || driver_->stopping()) return bytes;
  bytes.feed += driver_->memory_bytes();
  bytes.session = driver_->session().memory_bytes();
  if (const MailboxView* view = driver_->session().view()) bytes.views += view->memory_bytes();
  return bytes;
}

Feed::Driver Feed::driver() const {
  if (driver_ == nullptr) return Driver::kNone;
  if (driver_->polling()) return Driver::kPolling;
  return driver_->notified() ? Driver::kNotify : Driver::kIdle;
}

bool Feed::Serves(EnabledSet enabled) const {
  if (driver_ == nullptr) return false;
  return !enabled.condstore() || no_modseq_ || driver_->session().state().enabled().condstore();
}

void Feed::Kill(const std::string& reason) {
  if (state_ == State::kDead) return;
  state_ = State::kDead;
  death_ = reason;
  if (hashing_ != nullptr) hashing_->learn.Cancel();
  IdleDriver* driver = driver_.get();
  loop_.Retire(std::move(driver_));
  host_.OnFeedDead(*this, reason);
  if (driver != nullptr) driver->Abandon();  // who joins waits for it, and need not be a subscriber
}

// Before view() takes up what is about to be logged: until then it is the result of the log.
void Feed::MakeRoom() {
  if (LogFull()) host_.OnFeedLogFull(*this);
}

void Feed::Log(FeedEvent event) {
  host_.OnFeedLogged(event);
  log_bytes_ += event.memory();
  const uint64_t seq = log_.Append(std::move(event));
  ROOST_CHECK(seq != 0);
}

// What the log holds and the view together stay below what a set of UIDs can hold, so that the view
// of every cursor can be had.
size_t Feed::MostLogBytes() const {
  const size_t room = (UidSet::kMaxBytes - std::min(UidSet::kMaxBytes, view_.memory_bytes())) / 2;
  return std::min(room, static_cast<size_t>(config_.parking.log_bytes_max));
}

bool Feed::LogFull() const {
  return log_.full() || (!log_.empty() && log_bytes_ >= MostLogBytes());
}

bool Feed::LogHasRoom() const {
  return log_.empty() || (log_.size() <= uint64_t{log_.max_entries()} * 3 / 4 &&
                          log_bytes_ <= MostLogBytes() / 4 * 3);
}

void Feed::TrimLog(uint64_t below) {
  log_.ForEach(0, below, [this](uint64_t, const FeedEvent& e) { log_bytes_ -= e.memory(); });
  log_.TrimBelow(below);
}

void Feed::NotePlace(uint64_t place) {
  if (places_ == nullptr) places_ = std::make_unique<std::multiset<uint64_t>>();
  places_->insert(place);
}

void Feed::ForgetPlace(uint64_t place) {
  places_->erase(places_->find(place));
  if (places_->empty()) places_.reset();
}

void Feed::CoalesceLog(std::vector<uint64_t> cursors) {
  if (places_ != nullptr) cursors.insert(cursors.end(), places_->begin(), places_->end());
  // Whom the log does not reach back to lists anew.
  std::erase_if(cursors, [this](uint64_t cursor) { return cursor < log_.first_seq(); });
  std::sort(cursors.begin(), cursors.end());
  cursors.erase(std::unique(cursors.begin(), cursors.end()), cursors.end());
  if (cursors.empty()) return TrimLog(head());
  TrimLog(cursors.front());
  if (log_.empty()) return;
  log_bytes_ = 0;
  auto rewritten = Coalesce(log_.TakeAll(), cursors, view_);
  if (!rewritten) return log_.TrimBelow(head());
  for (const FeedLog::Numbered& n : *rewritten) log_bytes_ += n.entry.memory();
  log_.PutBack(std::move(*rewritten));
}

void Feed::OnDriverExpunged(const UidSet& uids) {
  FeedEvent event;
  event.kind = FeedEvent::Kind::kExpunge;
  event.uids = UidSet::Intersection(uids, view_);
  if (event.uids.empty()) return;
  MakeRoom();
  event.numbers = NumbersOf(event.uids, view_);
  if (hashing_ != nullptr) hashing_->hashes.Remove(event.numbers);
  view_.RemoveSet(event.uids);
  event.number = view_.size();
  event.modseq = confirmed_modseq_;  // they were there then
  Log(std::move(event));
}

void Feed::OnDriverArrived(const UidSet& uids) {
  FeedEvent event;
  event.kind = FeedEvent::Kind::kExists;
  // Below the horizon nothing arrives: it was there and is gone, and the driver is behind in that.
  event.uids = uids;
  event.uids.RemoveRange(1, static_cast<uint32_t>(horizon_ - 1));
  if (event.uids.empty()) return;
  MakeRoom();
  if (!view_.InsertSet(event.uids)) return KillAsTooLarge();
  horizon_ = std::max(horizon_, uint64_t{view_.Last()} + 1);
  event.number = view_.size();
  Log(std::move(event));
}

void Feed::OnDriverFlags(uint32_t uid, std::string_view flags, uint64_t modseq) {
  FeedEvent event;
  event.kind = FeedEvent::Kind::kFlags;
  const uint32_t number = view_.PositionOf(uid);
  if (number == 0) return;
  event.uids.Insert(uid);
  event.numbers.Insert(number);
  event.modseq = modseq;
  event.text = CanonicalFlags(flags);
  flags_ns_ = loop_.now_ns();
  NoteFlagsAt(number, flags);
  MakeRoom();
  Log(std::move(event));
}

void Feed::LogFlags(const std::vector<FlagChange>& changes) {
  if (!changes.empty()) flags_ns_ = loop_.now_ns();
  for (FeedEvent& event : GroupFlags(changes, view_)) {
    event.uids.ForEach([&](uint32_t uid) { NoteFlags(uid, event.text); });
    MakeRoom();
    Log(std::move(event));
  }
}

void Feed::OnDriverLine(std::string_view line) {
  if (line.size() > 16 * 1024) return;
  const Response response = ParseResponse(line);
  if (response.kind == ResponseKind::kFlags) flags_ = response.rest;
  FeedEvent event;
  event.text = line;
  MakeRoom();
  Log(std::move(event));
}

void Feed::OnDriverBatchEnd() {
  if (IsTooLarge(view_)) return KillAsTooLarge();
  host_.OnFeedNews(*this);
}

void Feed::KillAsTooLarge() {
  Kill("[UNAVAILABLE] The mailbox has become too large to be watched");
}

void Feed::OnDriverLost(SessionLoss, const std::string& text) {
  if (hashing_ != nullptr) hashing_->learn.Cancel();
  loop_.Retire(std::move(driver_));
  if (state_ != State::kLive) return;
  state_ = State::kDriverless;
  host_.OnFeedDriverLost(*this, text);
}

UidSet Feed::ViewAt(uint64_t cursor) const {
  ROOST_CHECK(cursor >= log_.first_seq() && cursor <= log_.next_seq());
  UidSet view = view_;
  log_.ForEachBack(cursor, [&](uint64_t, const FeedEvent& event) {
    if (event.kind == FeedEvent::Kind::kExists) view.RemoveSet(event.uids);
    if (event.kind == FeedEvent::Kind::kExpunge) view.InsertSet(event.uids);
  });
  return view;
}

uint32_t Feed::CountAt(uint64_t cursor) const {
  uint32_t count = view_.size();
  log_.ForEachBack(cursor, [&](uint64_t, const FeedEvent& event) {
    if (event.kind == FeedEvent::Kind::kExists) count -= event.uids.size();
    if (event.kind == FeedEvent::Kind::kExpunge) count += event.uids.size();
  });
  return count;
}

uint64_t Feed::HorizonAt(uint64_t cursor) const {
  // The first arrival that it has not been told of is where its knowledge ends.
  uint64_t horizon = horizon_;
  log_.ForEachBack(cursor, [&](uint64_t, const FeedEvent& event) {
    if (event.kind == FeedEvent::Kind::kExists) horizon = event.uids.First();
  });
  return horizon;
}

bool Feed::ExpungesBetween(uint64_t from, uint64_t to) const {
  bool any = false;
  log_.ForEach(from, to, [&](uint64_t, const FeedEvent& event) {
    any = any || event.kind == FeedEvent::Kind::kExpunge;
  });
  return any;
}

bool Feed::FlagsSince(uint64_t from) const {
  bool any = false;
  log_.ForEach(from, head(), [&](uint64_t, const FeedEvent& event) {
    any = any || event.kind == FeedEvent::Kind::kFlags;
  });
  return any;
}

bool Feed::ArrivedSince(uint64_t from, const UidSet& uids) const {
  bool any = false;
  log_.ForEach(from, head(), [&](uint64_t, const FeedEvent& event) {
    if (event.kind != FeedEvent::Kind::kExists) return;
    any = any || !UidSet::Intersection(event.uids, uids).empty();
  });
  return any;
}

uint64_t Feed::ModseqBeforeExpunges(uint64_t from) const {
  uint64_t modseq = confirmed_modseq_;
  log_.ForEach(from, head(), [&](uint64_t, const FeedEvent& event) {
    if (event.kind == FeedEvent::Kind::kExpunge) modseq = std::min(modseq, event.modseq);
  });
  return modseq;
}

void Feed::Render(uint64_t from, uint64_t to, EnabledSet enabled, std::string* out) const {
  log_.ForEach(from, to, [&](uint64_t, const FeedEvent& event) {
    RenderEvent(event, enabled, no_modseq_, out);
  });
}

size_t Feed::RenderedAtMost(uint64_t from, uint64_t to, EnabledSet enabled) const {
  size_t bytes = 0;
  log_.ForEach(from, to, [&](uint64_t, const FeedEvent& event) {
    bytes += roost::RenderedAtMost(event, enabled, no_modseq_);
  });
  return bytes;
}

void Feed::RenderFlagsSince(uint64_t from, const UidSet& view, EnabledSet enabled,
                            std::string* out) const {
  log_.ForEach(from, head(), [&](uint64_t, const FeedEvent& event) {
    if (event.kind == FeedEvent::Kind::kLine) *out += event.text;
    if (event.kind != FeedEvent::Kind::kFlags) return;
    event.ForEachFlagged([&](uint32_t uid, uint64_t modseq) {
      const uint32_t number = view.PositionOf(uid);
      if (number != 0) RenderFlags(number, uid, modseq, event.text, enabled, no_modseq_, out);
    });
  });
}

bool Feed::FlagsWithoutModseqSince(uint64_t from) const {
  bool found = false;
  log_.ForEach(from, head(), [&](uint64_t, const FeedEvent& event) {
    if (event.kind != FeedEvent::Kind::kFlags) return;
    event.ForEachFlagged([&](uint32_t, uint64_t modseq) { found = found || modseq == 0; });
  });
  return found;
}

}  // namespace roost
