#include "core/feed/feed.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "core/base/clock.h"
#include "core/feed/difference.h"
#include "core/feed/render.h"
#include "proto/check.h"

namespace roost {

namespace {

std::atomic<uint64_t> next_id{1};

}  // namespace

Feed::Feed(Loop& loop, const Config& config, FeedHost& host, User& user, std::string mailbox)
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
  flags_ = selected.flags;
}

Feed::Adoption Feed::Adopt(std::unique_ptr<Session>& session) {
  ROOST_CHECK(driver_ == nullptr && state_ != State::kDead && session->Settled());
  ROOST_CHECK(session->view() != nullptr && session->view()->tail_size() == 0);
  const SelectedMailbox& selected = *session->state().selected();
  const UidSet& listed = session->view()->known();
  if (state_ == State::kNew) {
    view_ = listed;
    horizon_ = session->horizon();
    confirmed_modseq_ = selected.highest_modseq;
  } else {
    const bool same = selected.uid_validity == uid_validity_ &&
                      (mailbox_id_.empty() || selected.mailbox_id == mailbox_id_);
    if (!same) return Adoption::kOtherMailbox;
    const Difference d = Compare(view_, horizon_, listed, session->horizon());
    if (d.destination_behind) return Adoption::kBehind;
    if (!d.gone.empty()) OnDriverExpunged(d.gone);
    if (!d.came.empty()) OnDriverArrived(d.came);
    horizon_ = std::max(horizon_, session->horizon());
    // New keywords are announced before they appear.
    if (selected.flags != flags_ && !selected.flags.empty()) {
      OnDriverLine("* FLAGS " + selected.flags + "\r\n");
    }
  }
  Describe(selected);
  state_ = State::kLive;
  const uint64_t check = SecondsToNs(static_cast<uint64_t>(config_.parking.driver_check_s));
  driver_.reset(new IdleDriver(loop_, std::move(session), *this, check));
  driver_->Start();
  return Adoption::kAdopted;
}

void Feed::Flush(std::function<void(bool)> done) {
  if (driver_ == nullptr) return done(false);
  driver_->Flush(std::move(done));
}

void Feed::StopDriver(std::function<void(std::unique_ptr<Session>)> done) {
  if (driver_ == nullptr || driver_->stopping()) return done(nullptr);
  driver_->Stop([this, done = std::move(done)](std::unique_ptr<Session> session) {
    loop_.Retire(std::move(driver_));
    if (state_ == State::kLive) state_ = State::kDriverless;
    done(std::move(session));
  });
}

bool Feed::Serves(EnabledSet enabled) const {
  if (driver_ == nullptr) return false;
  return !enabled.condstore() || no_modseq_ || driver_->session().state().enabled().condstore();
}

void Feed::Kill(const std::string& reason) {
  if (state_ == State::kDead) return;
  state_ = State::kDead;
  loop_.Retire(std::move(driver_));
  host_.OnFeedDead(*this, reason);
}

void Feed::Log(FeedEvent event) {
  if (log_.full()) host_.OnFeedLogFull(*this);
  const uint64_t seq = log_.Append(std::move(event));
  ROOST_CHECK(seq != 0);
}

void Feed::OnDriverExpunged(const UidSet& uids) {
  FeedEvent event;
  event.kind = FeedEvent::Kind::kExpunge;
  uids.ForEach([&](uint32_t uid) {
    if (view_.Contains(uid)) event.uids.Insert(uid);
  });
  if (event.uids.empty()) return;
  event.numbers = NumbersOf(event.uids, view_);
  view_.RemoveSet(event.uids);
  event.number = view_.size();
  Log(std::move(event));
}

void Feed::OnDriverArrived(const UidSet& uids) {
  FeedEvent event;
  event.kind = FeedEvent::Kind::kExists;
  // Below the horizon nothing arrives: it was there and is gone, and the driver is behind in that.
  uids.ForEach([&](uint32_t uid) {
    if (uid >= horizon_) event.uids.Insert(uid);
  });
  if (event.uids.empty()) return;
  view_.InsertSet(event.uids);
  horizon_ = std::max(horizon_, view_.Last() + 1);
  event.number = view_.size();
  Log(std::move(event));
}

void Feed::OnDriverFlags(uint32_t uid, std::string_view flags, uint64_t modseq) {
  FeedEvent event;
  event.kind = FeedEvent::Kind::kFlags;
  event.number = view_.PositionOf(uid);
  if (event.number == 0) return;
  event.uid = uid;
  event.modseq = modseq;
  event.text = CanonicalFlags(flags);
  Log(std::move(event));
}

void Feed::OnDriverLine(std::string_view line) {
  if (line.size() > 16 * 1024) return;
  const Response response = ParseResponse(line);
  if (response.kind == ResponseKind::kFlags) flags_ = response.rest;
  FeedEvent event;
  event.text = line;
  Log(std::move(event));
}

void Feed::OnDriverBatchEnd() { host_.OnFeedNews(*this); }

void Feed::OnDriverLost(SessionLoss, const std::string& text) {
  loop_.Retire(std::move(driver_));
  if (state_ != State::kLive) return;
  state_ = State::kDriverless;
  host_.OnFeedDriverLost(*this, text);
}

UidSet Feed::ViewAt(uint64_t cursor) const {
  ROOST_CHECK(cursor >= log_.first_seq() && cursor <= log_.next_seq());
  UidSet view = view_;
  for (uint64_t seq = log_.next_seq(); seq > cursor; --seq) {
    const FeedEvent& event = log_.At(seq - 1);
    if (event.kind == FeedEvent::Kind::kExists) view.RemoveSet(event.uids);
    if (event.kind == FeedEvent::Kind::kExpunge) view.InsertSet(event.uids);
  }
  return view;
}

uint32_t Feed::CountAt(uint64_t cursor) const {
  uint32_t count = view_.size();
  for (uint64_t seq = log_.next_seq(); seq > cursor; --seq) {
    const FeedEvent& event = log_.At(seq - 1);
    if (event.kind == FeedEvent::Kind::kExists) count -= event.uids.size();
    if (event.kind == FeedEvent::Kind::kExpunge) count += event.uids.size();
  }
  return count;
}

uint32_t Feed::HorizonAt(uint64_t cursor) const {
  // The first arrival that it has not been told of is where its knowledge ends.
  for (uint64_t seq = cursor; seq < log_.next_seq(); ++seq) {
    const FeedEvent& event = log_.At(seq);
    if (event.kind == FeedEvent::Kind::kExists) return event.uids.First();
  }
  return horizon_;
}

bool Feed::ExpungesBetween(uint64_t from, uint64_t to) const {
  for (uint64_t seq = from; seq < to; ++seq) {
    if (log_.At(seq).kind == FeedEvent::Kind::kExpunge) return true;
  }
  return false;
}

void Feed::Render(uint64_t from, uint64_t to, EnabledSet enabled, std::string* out) const {
  for (uint64_t seq = from; seq < to; ++seq) RenderEvent(log_.At(seq), enabled, no_modseq_, out);
}

}  // namespace roost
