#include "core/feed/idle_driver.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "core/base/clock.h"
#include "core/base/heap_size.h"
#include "core/feed/render.h"
#include "proto/ascii.h"
#include "proto/check.h"
#include "proto/imap/extensions.h"
#include "proto/imap/writer.h"

namespace roost {

namespace {

// What SEARCH calls it; empty: it has no word for it.
std::string SearchKeyOf(std::string_view flag) {
  std::string key;
  for (const char* name : {"\\Answered", "\\Deleted", "\\Draft", "\\Flagged", "\\Seen"}) {
    if (EqualsIgnoreCase(flag, name)) key = name + 1;
  }
  for (char& c : key) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (key.empty() && !flag.empty() && flag.front() != '\\') key.append("KEYWORD ").append(flag);
  return key;
}

// 49 days at most; not 0 unless that is meant.
uint32_t ToMs(uint64_t ns) {
  const uint64_t ms = ns / kNsPerMs + (ns % kNsPerMs != 0 ? 1 : 0);
  return static_cast<uint32_t>(std::min<uint64_t>(ms, UINT32_MAX));
}

}  // namespace

IdleDriver::IdleDriver(Loop& loop, std::unique_ptr<Session> session, DriverListener& listener,
                       uint64_t check_ns, uint64_t poll_ns)
    : session_(std::move(session)),
      listener_(listener),
      check_(loop),
      check_ms_(ToMs(check_ns)),
      poll_ms_(ToMs(poll_ns)),
      polling_(!IsOffered(CommandKind::kIdle, session_->state().capabilities()) && poll_ns != 0) {
  ROOST_CHECK(session_ != nullptr && session_->view() != nullptr);
  session_->set_sink(*this);
}

IdleDriver::~IdleDriver() { EndSession(std::move(session_)); }

void IdleDriver::Start() {
  TellArrived();  // what came between the listing and now
  if (notify_ == Notify::kWanted) SetNotify();
  SendIdle();
  ArmCheck();
}

void IdleDriver::PreferNotify() {
  if (stopping() || polling_ || notify_ != Notify::kNo) return;
  if (session_->state().capabilities().Has("NOTIFY")) notify_ = Notify::kWanted;
}

void IdleDriver::SetNotify() {
  notify_ = Notify::kAsked;
  session_->Run(CommandKind::kNotify,
                "NOTIFY SET (SELECTED (MessageNew (UID) MessageExpunge FlagChange))",
                [this](const Response& response) {
                  notify_ = response.status == Status::kOk ? Notify::kOn : Notify::kRefused;
                  if (notify_ == Notify::kRefused) listener_.OnDriverNotifyRefused(response.text);
                  if (polling_) RestSoon();  // its IDLE may have been refused meanwhile
                });
}

void IdleDriver::SendIdle() {
  idling_ = false;
  if (polling_) return RestSoon();
  session_->RunIdle();
}

// All is answered, or will be: then there is nothing more to wait for.
void IdleDriver::RestSoon() {
  if (rest_posted_) return;
  rest_posted_ = true;
  loop().Post([this, life = life_.watch()] {
    if (life.expired()) return;
    rest_posted_ = false;
    if (session_ != nullptr && session_->Settled() && phase_ != Phase::kIdle) Idling();
  });
}

void IdleDriver::Idling() {
  idling_ = true;
  if (phase_ == Phase::kStopping) return EndIdle();
  phase_ = Phase::kIdle;
  Kick();
  Tidy();
}

// Gives back what nobody needs while nothing is wanted. Not in the middle of anything.
void IdleDriver::Tidy() {
  if (phase_ == Phase::kIdle && work_ != nullptr && work_->empty()) work_.reset();
}

void IdleDriver::EndIdle() {
  if (polling_) {
    if (phase_ == Phase::kStopping) HandBack();
    return;
  }
  ++dones_;
  session_->EndIdle();
}

void IdleDriver::IdleEnded(const Response& response) {
  const bool ours = dones_ > 0;
  if (ours) --dones_;
  if (phase_ == Phase::kStopping && session_->state().idle()) return HandBack();
  if (response.status != Status::kOk) {
    if (poll_ms_ != 0 && !ours && !idling_) {  // it offers IDLE and refuses it
      polling_ = true;
      ArmCheck();
      return RestSoon();
    }
    return Lost(SessionLoss::kProtocol, "the store refused IDLE: " + std::string(response.text));
  }
  if (ours) return;  // the next IDLE is on its way already
  // Ended by the store without DONE: legal, and no reason to stop.
  if (phase_ != Phase::kStopping) phase_ = Phase::kStarting;
  SendIdle();
}

// To whoever asked for it by Stop.
void IdleDriver::HandBack() {
  if (work().flags_from != 0) return FetchNew();  // whoever is told no more by it would miss them
  phase_ = Phase::kStopped;
  check_.Cancel();
  auto stopped = std::exchange(work().stopped, nullptr);  // before the listener may abandon it
  TellArrived();
  listener_.OnDriverBatchEnd();
  FailWaiters();
  stopped(std::move(session_));
}

void IdleDriver::FailWaiters() {
  EndSearch(false);
  auto waiting = std::exchange(work().waiting, {});
  auto flushing = std::exchange(work().flushing, {});
  for (Waiter& w : flushing) w.done(false);
  for (Waiter& w : waiting) w.done(false);
}

void IdleDriver::Abandon() {
  phase_ = Phase::kStopped;
  check_.Cancel();
  auto stopped = std::exchange(work().stopped, nullptr);
  FailWaiters();
  if (stopped) stopped(nullptr);
}

void IdleDriver::Kick() {
  if (phase_ != Phase::kIdle) return;
  if (work_ == nullptr && session_->view()->tail_size() == 0) return;
  TellArrived();  // a FETCH of its flags may have named a new message meanwhile
  FinishFlush();  // or what it waited for has vanished
  if (phase_ != Phase::kIdle) return;
  if (work_ == nullptr && session_->view()->tail_unknown() == 0) return;
  const bool search =
      work().search != nullptr && !work().search->running && work().flushing.empty();
  const bool news = session_->view()->tail_unknown() != 0 || work().flags_from != 0;
  if (news || !work().waiting.empty() || search) Cycle();
}

void IdleDriver::KickSoon() {
  if (kick_posted_) return;
  kick_posted_ = true;
  loop().Post([this, life = life_.watch()] {
    if (life.expired()) return;
    kick_posted_ = false;
    Kick();
    Tidy();
  });
}

void IdleDriver::Cycle() {
  phase_ = Phase::kBusy;
  EndIdle();
  const bool free =
      session_->view()->tail_unknown() == 0 && work().flags_from == 0 && work().waiting.empty();
  if (work().search == nullptr || work().search->running || !free) return Ask();
  work().search->running = true;
  // Keywords are searched for by name. FLAGS at SELECT names all there are, and later ones before a
  // FETCH shows them; but what arrived since may have one that was not named yet.
  work().search->covered = session_->view()->known();
  const uint32_t next = session_->state().selected()->uid_next_at_select;
  work().search->covered.RemoveRange(std::max<uint32_t>(next, 1), UidSet::kMaxUid);
  SearchNext();
}

// What is wanted, in one write with the IDLE that follows.
void IdleDriver::Ask() {
  if (notify_ == Notify::kWanted && !stopping() && !polling_) SetNotify();
  if (!work().waiting.empty() && work().flushing.empty()) {
    work().flushing = std::exchange(work().waiting, {});
    noop_answered_ = false;
    AskStatus();
    session_->Run(CommandKind::kNoop, "NOOP", [this](const Response& r) { NoopAnswered(r); });
  }
  if (session_->view()->tail_unknown() != 0 || work().flags_from != 0) FetchNew();
  SendIdle();
}

// Behind DONE only UIDs name messages surely. `n:*` beyond the end returns the last message, which
// is known.
void IdleDriver::FetchNew() {
  uint64_t from = uint64_t{session_->view()->known().Last()} + 1;
  if (work().flags_from != 0) from = std::min(from, work().flags_from);
  std::string fetch = "UID FETCH ";
  AppendNumber(&fetch, from);
  fetch += ":* (UID";
  work().fetching_flags = std::exchange(work().flags_from, 0) != 0;
  if (work().fetching_flags) fetch += modseqs() ? " FLAGS MODSEQ" : " FLAGS";
  fetch += ")";
  const uint32_t unknown = session_->view()->tail_unknown();
  const uint32_t last = session_->view()->known().Last();
  session_->Run(CommandKind::kFetch, fetch, [this, unknown, last, from](const Response& response) {
    const bool refused = work().fetching_flags && response.status != Status::kOk;
    if (work().fetching_flags && !refused && work().awaited_flags != 0) --work().awaited_flags;
    if (refused) {
      work().flags_from = work().flags_from == 0 ? from : std::min(work().flags_from, from);
    }
    TellArrived();
    // More may have been announced meanwhile than it named.
    const bool fruitful = !refused && (unknown == 0 || session_->view()->known().Last() > last ||
                                       session_->view()->tail_unknown() < unknown);
    fruitless_ = fruitful ? 0 : fruitless_ + 1;
    if (fruitless_ >= kMaxFruitless) {
      return Lost(SessionLoss::kProtocol, "the store announced messages and does not show them");
    }
    work().fetching_flags = false;
    FinishFlush();
    if (phase_ == Phase::kStopping && session_->state().idle()) return HandBack();
    if (polling_) RestSoon();
  });
}

// Whether clients may be there who are told flags with their MODSEQ only. Not every store adds it
// to an answer unasked.
bool IdleDriver::modseqs() const {
  return session_->state().enabled().condstore() && !session_->state().selected()->no_modseq;
}

// STATUS tells a MODSEQ, and a UIDNEXT, that the NOOP behind it brings this session to. The MODSEQ
// only where the session speaks of it anyway: it would from then on. It asks by name, which may be
// another mailbox's by now: what that one says is not taken for this one's.
void IdleDriver::AskStatus() {
  Work& w = work();
  w.modseq = w.uid_next = 0;
  const bool modseq = std::exchange(w.modseq_wanted, false) && modseqs();
  const bool uid_next = std::exchange(w.uid_next_wanted, false);
  const std::string& mailbox = session_->state().selected()->name;
  if ((!modseq && !uid_next) || AstringFormOf(mailbox) == StringForm::kLiteral) return;
  std::string status = "STATUS ";
  AppendAstring(&status, mailbox, LiteralStyle::kNonSync);
  status += " (UIDVALIDITY";
  if (uid_next) status += " UIDNEXT";
  if (modseq) status += " HIGHESTMODSEQ";
  status += ')';
  auto heard = std::make_shared<StatusInfo>();
  session_->Run(
      CommandKind::kStatus, status,
      [this, heard](const Response& response) {
        // Only if it is answered before the NOOP.
        if (response.status == Status::kOk && !noop_answered_ &&
            heard->uid_validity == session_->state().selected()->uid_validity) {
          work().modseq = heard->highest_modseq.value_or(0);
          work().uid_next = heard->uid_next.value_or(0);
        }
        if (polling_) RestSoon();
      },
      [heard](const Piece& piece, const Response* first) {
        if (first == nullptr || first->kind != ResponseKind::kStatus) return first == nullptr;
        StatusInfo info;
        if (piece.ends_message && ParseStatus(first->rest, &info)) *heard = std::move(info);
        return true;
      });
}

void IdleDriver::LearnFlags(uint32_t from, const std::vector<std::string>& flags, Learned learned) {
  ROOST_CHECK(work().search == nullptr);
  auto search = std::make_unique<Search>();
  search->from = from;
  for (const std::string& flag : flags) {
    std::string key = SearchKeyOf(flag);
    if (!key.empty()) search->keys.emplace_back(flag, std::move(key));
  }
  search->learned = std::move(learned);
  work().search = std::move(search);
  if (stopping() || work().search->keys.size() > kMostSearches) return EndSearch(false);
  KickSoon();
}

// One after the other: answers without a tag would not tell which they are of.
void IdleDriver::SearchNext() {
  if (!work().waiting.empty() || phase_ != Phase::kBusy) {  // somebody is in more of a hurry
    return AbortSearch();
  }
  if (work().search->found.size() == work().search->keys.size()) {
    // What was found has been told once a flush is over that begins now.
    work().waiting.push_back({[this](bool ok) { EndSearch(ok); }, loop().now_ns()});
    return Ask();
  }
  const bool esearch =
      session_->state().capabilities().Has("ESEARCH") || session_->state().enabled().rev2();
  std::string command = esearch ? "UID SEARCH RETURN (ALL) UID " : "UID SEARCH UID ";
  AppendNumber(&command, work().search->from);
  command.append(":* ").append(work().search->keys[work().search->found.size()].second);
  work().search->uids.Clear();
  work().search->listed = false;
  work().search->parser = std::make_unique<SearchListParser>(&work().search->uids);
  session_->Run(
      CommandKind::kSearch, command,
      [this](const Response& response) {
        if (work().search == nullptr) return;
        if (response.status != Status::kOk || !work().search->listed) return AbortSearch();
        work().search->found.emplace_back(work().search->keys[work().search->found.size()].first,
                                          std::move(work().search->uids));
        SearchNext();
      },
      [this](const Piece& piece, const Response* first) { return SearchPiece(piece, first); });
}

bool IdleDriver::SearchPiece(const Piece& piece, const Response* first) {
  if (first != nullptr && first->kind != ResponseKind::kSearch &&
      first->kind != ResponseKind::kEsearch) {
    return false;
  }
  if (work().search == nullptr || work().search->parser == nullptr) return true;
  SearchListParser& parser = *work().search->parser;
  parser.Feed(piece.bytes);
  if (!piece.ends_message) return true;
  // Without the indicator it may be of numbers (RFC 4731, 3.1).
  const bool of_uids = !parser.esearch() || parser.uid() || parser.listed() == 0;
  work().search->listed = parser.Finish() && of_uids && !work().search->listed;
  return true;
}

void IdleDriver::AbortSearch() {
  EndSearch(false);
  if (phase_ != Phase::kStopped) Ask();
}

void IdleDriver::EndSearch(bool ok) {
  std::unique_ptr<Search> search = std::move(work().search);
  if (search != nullptr) search->learned(ok, search->covered, search->found);
}

void IdleDriver::NoopAnswered(const Response& response) {
  if (response.status != Status::kOk) {
    return Lost(SessionLoss::kProtocol, "the store refused NOOP");
  }
  noop_answered_ = true;
  TellArrived();
  work().awaited = session_->view()->tail_size();
  work().awaited_flags = OwedFlags();
  FinishFlush();
  if (polling_) RestSoon();
}

void IdleDriver::TellArrived() {
  UidSet arrived = session_->mutable_view()->CommitTail();
  if (arrived.empty()) return;
  BatchSoon();
  listener_.OnDriverArrived(arrived);
  if (work_ == nullptr) return;
  work().awaited -= std::min<uint32_t>(work().awaited, arrived.size());
  for (const EarlyFlags& early : std::exchange(work().early_flags, {})) {
    if (session_->view()->known().Contains(early.uid)) {
      listener_.OnDriverFlags(early.uid, early.flags, early.modseq);
    } else if (early.uid > session_->view()->known().Last()) {
      work().early_flags.push_back(early);
    }
  }
}

// FETCHes of flags that are to be answered: the one under way and the next.
uint32_t IdleDriver::OwedFlags() { return work().fetching_flags + (work().flags_from != 0); }

void IdleDriver::FinishFlush() {
  if (work_ == nullptr || work().flushing.empty() || !noop_answered_) return;
  TellArrived();
  // UIDs and flags that are asked for in the next cycle, or are being fetched. Those that were
  // announced later are the next flush's: where mail keeps coming in there are always some.
  const uint32_t later = session_->view()->tail_size();
  if (std::min(work().awaited, later) != 0) return;
  if (std::min(work().awaited_flags, OwedFlags()) != 0) return;
  work().awaited = work().awaited_flags = 0;
  if (work().modseq != 0) listener_.OnDriverConfirmed(std::exchange(work().modseq, 0));
  // Of those later ones it tells nothing.
  const uint32_t uid_next = std::exchange(work().uid_next, 0);
  if (uid_next != 0 && later == 0) {
    session_->mutable_view()->NoteUidNext(uid_next);
    listener_.OnDriverDecided(uid_next);
  }
  listener_.OnDriverBatchEnd();
  std::vector<Waiter> done = std::exchange(work().flushing, {});
  for (const Waiter& w : done) flushed_ns_ = std::max(flushed_ns_, w.asked_ns);
  const Life::Watch life = life_.watch();
  for (Waiter& w : done) {
    w.done(true);
    if (life.expired()) return;
  }
}

void IdleDriver::FlushToUidNext(std::function<void(bool)> done) {
  if (!stopping()) work().uid_next_wanted = true;
  Flush(std::move(done));
}

void IdleDriver::Flush(std::function<void(bool)> done) {
  if (phase_ == Phase::kStopping || phase_ == Phase::kStopped) return done(false);
  work().waiting.push_back({std::move(done), loop().now_ns()});
  KickSoon();  // whoever asks in the same turn shares one flush
}

void IdleDriver::Stop(std::function<void(std::unique_ptr<Session>)> done) {
  ROOST_CHECK(!work().stopped);
  if (phase_ == Phase::kStopped) return done(nullptr);
  work().stopped = std::move(done);
  const bool idle = phase_ == Phase::kIdle;
  phase_ = Phase::kStopping;
  if (idle && polling_) return RestSoon();
  if (idle) EndIdle();  // else at the next `+`
}

void IdleDriver::BatchSoon() {
  if (batch_posted_) return;
  batch_posted_ = true;
  loop().Post([this, life = life_.watch()] {
    if (life.expired()) return;
    batch_posted_ = false;
    listener_.OnDriverBatchEnd();
  });
}

void IdleDriver::OnStoreData(Session& session, const Piece& piece, const Response* first) {
  if (first == nullptr) return;
  if (!session.view()->ok()) {
    return Lost(SessionLoss::kProtocol, "the store contradicts itself about message numbers");
  }
  switch (first->kind) {
    case ResponseKind::kExists:
      notified() ? KickSoon() : Kick();  // its UID comes right behind
      break;
    case ResponseKind::kExpunge:
      if (session.last_expunged().was_known) {
        UidSet uids;
        uids.Insert(session.last_expunged().uid);
        listener_.OnDriverExpunged(uids);
        BatchSoon();
      }
      break;
    case ResponseKind::kVanished:
      if (first->earlier) break;
      if (!session.last_vanished().exact) {
        return Lost(SessionLoss::kProtocol, "VANISHED named messages that are not known");
      }
      if (!session.last_vanished().removed.empty()) {
        listener_.OnDriverExpunged(session.last_vanished().removed);
        BatchSoon();
      }
      break;
    case ResponseKind::kFetch: {
      const FetchInfo info = ParseFetch(first->rest);
      if (first->number == 0 || first->number > session.view()->size() ||
          (piece.ends_message && !info.whole)) {
        return Lost(SessionLoss::kProtocol, "the store sent a FETCH response that cannot be");
      }
      if (!info.flags) break;
      const uint32_t uid = session.view()->UidOf(first->number);
      if (uid == 0) {
        // Asked for together with its UID or, if that is being asked for already, behind it.
        if (work().flags_from == 0)
          work().flags_from = uint64_t{session.view()->known().Last()} + 1;
        break;
      }
      // Told behind its arrival: a client may know the message from a session of its own.
      if (!session.view()->known().Contains(uid)) {
        if (work().early_flags.size() >= kMostEarlyFlags) {
          return Lost(SessionLoss::kProtocol, "the store tells flags of messages and not these");
        }
        work().early_flags.push_back({uid, info.modseq.value_or(0), std::string(*info.flags)});
        break;
      }
      listener_.OnDriverFlags(uid, *info.flags, info.modseq.value_or(0));
      BatchSoon();
      break;
    }
    case ResponseKind::kFlags:
      if (piece.ends_message) listener_.OnDriverLine(piece.bytes);
      BatchSoon();
      break;
    case ResponseKind::kOk:
    case ResponseKind::kNo:
    case ResponseKind::kBad:
      // From here on the session tells nothing any more.
      if (session.state().notifies() && first->CodeIs("NOTIFICATIONOVERFLOW")) {
        return Lost(SessionLoss::kProtocol,
                    "the store notifies no more: " + std::string(first->text));
      }
      // PERMANENTFLAGS depend on how the mailbox was opened: told when a client has a session
      // again.
      if (first->CodeIs("ALERT")) {
        if (piece.ends_message) listener_.OnDriverLine(piece.bytes);
        BatchSoon();
      }
      break;
    case ResponseKind::kOther:
      // An extension's response begins with a letter; anything else is noise, and what else was
      // lost is not known.
      if (first->name.empty() || !std::isalpha(static_cast<unsigned char>(first->name.front()))) {
        return Lost(SessionLoss::kProtocol, "the store sent a line that is no response");
      }
      break;
    default:
      break;
  }
}

void IdleDriver::ArmCheck() {
  const uint64_t period = MsToNs(polling_ ? poll_ms_ : check_ms_);
  if (period == 0) return;
  // Spread: thousands of drivers of one store must not check in one moment.
  check_.SetIn(period - loop().PartOf(period / 8), [this] {
    work().modseq_wanted = true;
    if (polling_) listener_.OnDriverPolls();
    Flush([](bool) {});
    ArmCheck();
  });
}

void IdleDriver::OnSessionLost(Session&, SessionLoss loss, const std::string& text) {
  Lost(loss, text);
}

void IdleDriver::Lost(SessionLoss loss, const std::string& text) {
  if (phase_ == Phase::kStopped) return;
  const bool stopping = phase_ == Phase::kStopping;
  phase_ = Phase::kStopped;
  check_.Cancel();
  // The next session would be lost as well.
  if (notify_ == Notify::kAsked || (notified() && loss == SessionLoss::kProtocol)) {
    listener_.OnDriverNotifyRefused(text);
  }
  EndSession(std::move(session_));
  auto stopped = std::exchange(work().stopped, nullptr);
  const Life::Watch life = life_.watch();
  FailWaiters();
  if (stopping) return stopped(nullptr);
  if (!life.expired()) listener_.OnDriverLost(loss, text);
}

size_t IdleDriver::memory_bytes() const {
  size_t bytes = HeapSize(this) + HeapSize(work_);
  if (work_ == nullptr) return bytes;
  bytes += HeapSize(work_->early_flags) + HeapSize(work_->waiting) + HeapSize(work_->flushing);
  return bytes + HeapSize(work_->search);
}

}  // namespace roost
