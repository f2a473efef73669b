#include "core/feed/idle_driver.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "proto/check.h"
#include "proto/imap/writer.h"

namespace roost {

IdleDriver::IdleDriver(Loop& loop, std::unique_ptr<Session> session, DriverListener& listener,
                       uint64_t check_ns)
    : loop_(loop),
      session_(std::move(session)),
      listener_(listener),
      check_ns_(check_ns),
      check_(loop) {
  ROOST_CHECK(session_ != nullptr && session_->view() != nullptr);
  session_->set_sink(*this);
}

IdleDriver::~IdleDriver() {
  if (session_ == nullptr) return;
  session_->Close();
  loop_.Retire(std::move(session_));
}

void IdleDriver::Start() {
  TellArrived();  // what came between the listing and now
  SendIdle();
  ArmCheck();
}

void IdleDriver::SendIdle() {
  session_->RunIdle([this] { Idling(); }, [this](const Response& r) { IdleEnded(r); });
}

void IdleDriver::Idling() {
  if (phase_ == Phase::kStopping) return EndIdle();
  phase_ = Phase::kIdle;
  Kick();
}

void IdleDriver::EndIdle() {
  ++dones_;
  session_->EndIdle();
}

void IdleDriver::IdleEnded(const Response& response) {
  const bool ours = dones_ > 0;
  if (ours) --dones_;
  if (phase_ == Phase::kStopping && session_->state().idle()) {
    phase_ = Phase::kStopped;
    check_.Cancel();
    TellArrived();
    listener_.OnDriverBatchEnd();
    auto stopped = std::exchange(stopped_, nullptr);
    for (Waiter& w : std::exchange(waiting_, {})) w.done(false);
    for (Waiter& w : std::exchange(flushing_, {})) w.done(false);
    return stopped(std::move(session_));
  }
  if (response.status != Status::kOk) {
    return Lost(SessionLoss::kProtocol, "the store refused IDLE: " + std::string(response.text));
  }
  if (ours) return;  // the next IDLE is on its way already
  // Ended by the store without DONE: legal, and no reason to stop.
  if (phase_ != Phase::kStopping) phase_ = Phase::kStarting;
  SendIdle();
}

void IdleDriver::Kick() {
  if (phase_ != Phase::kIdle) return;
  TellArrived();  // a FETCH of its flags may have named a new message meanwhile
  FinishFlush();  // or what it waited for has vanished
  if (phase_ != Phase::kIdle) return;
  if (session_->view()->tail_unknown() != 0 || !waiting_.empty()) Cycle();
}

void IdleDriver::Cycle() {
  phase_ = Phase::kBusy;
  EndIdle();
  if (!waiting_.empty() && flushing_.empty()) {
    flushing_ = std::exchange(waiting_, {});
    noop_answered_ = false;
    session_->Run(CommandKind::kNoop, "NOOP", [this](const Response& r) { NoopAnswered(r); });
  }
  if (session_->view()->tail_unknown() != 0) {
    // Behind DONE only UIDs name messages surely. `n:*` beyond the end returns the last message,
    // which is known.
    std::string fetch = "UID FETCH ";
    AppendNumber(&fetch, uint64_t{session_->view()->known().Last()} + 1);
    fetch += ":* (UID)";
    const uint32_t unknown = session_->view()->tail_unknown();
    session_->Run(CommandKind::kFetch, fetch, [this, unknown](const Response&) {
      fruitless_ = session_->view()->tail_unknown() < unknown ? 0 : fruitless_ + 1;
      if (fruitless_ >= kMaxFruitless) {
        return Lost(SessionLoss::kProtocol, "the store announced messages and does not show them");
      }
      TellArrived();
      FinishFlush();
    });
  }
  SendIdle();
}

void IdleDriver::NoopAnswered(const Response& response) {
  if (response.status != Status::kOk) {
    return Lost(SessionLoss::kProtocol, "the store refused NOOP");
  }
  noop_answered_ = true;
  FinishFlush();
}

void IdleDriver::TellArrived() {
  UidSet arrived = session_->mutable_view()->CommitTail();
  if (arrived.empty()) return;
  listener_.OnDriverArrived(arrived);
  BatchSoon();
}

void IdleDriver::FinishFlush() {
  if (flushing_.empty() || !noop_answered_) return;
  TellArrived();
  if (session_->view()->tail_size() != 0) return;  // their UIDs are asked for in the next cycle
  listener_.OnDriverBatchEnd();
  std::vector<Waiter> done = std::exchange(flushing_, {});
  for (const Waiter& w : done) flushed_ns_ = std::max(flushed_ns_, w.asked_ns);
  std::weak_ptr<int> life = life_;
  for (Waiter& w : done) {
    w.done(true);
    if (life.expired()) return;
  }
}

void IdleDriver::Flush(std::function<void(bool)> done) {
  if (phase_ == Phase::kStopping || phase_ == Phase::kStopped) return done(false);
  waiting_.push_back({std::move(done), loop_.now_ns()});
  // Whoever asks in the same turn shares one flush.
  loop_.Post([this, life = std::weak_ptr<int>(life_)] {
    if (!life.expired()) Kick();
  });
}

void IdleDriver::Stop(std::function<void(std::unique_ptr<Session>)> done) {
  ROOST_CHECK(!stopped_);
  if (phase_ == Phase::kStopped) return done(nullptr);
  stopped_ = std::move(done);
  const bool idle = phase_ == Phase::kIdle;
  phase_ = Phase::kStopping;
  if (idle) EndIdle();  // else at the next `+`
}

void IdleDriver::BatchSoon() {
  if (batch_posted_) return;
  batch_posted_ = true;
  loop_.Post([this, life = std::weak_ptr<int>(life_)] {
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
      Kick();
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
      // Flags of a message that was not told yet are the client's to fetch.
      if (uid == 0 || !session.view()->known().Contains(uid)) break;
      listener_.OnDriverFlags(uid, *info.flags, info.modseq.value_or(0));
      BatchSoon();
      break;
    }
    case ResponseKind::kFlags:
      if (piece.ends_message) listener_.OnDriverLine(piece.bytes);
      BatchSoon();
      break;
    case ResponseKind::kOk:
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
  if (check_ns_ == 0) return;
  // Spread: thousands of drivers of one store must not check in one moment.
  uint8_t random[2];
  loop_.io().Random(random);
  const uint64_t spread = check_ns_ / 8 / 65536 * (random[0] | random[1] << 8);
  check_.SetIn(check_ns_ - spread, [this] {
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
  if (session_ != nullptr) {
    session_->Close();
    loop_.Retire(std::move(session_));
  }
  auto stopped = std::exchange(stopped_, nullptr);
  auto waiting = std::exchange(waiting_, {});
  auto flushing = std::exchange(flushing_, {});
  std::weak_ptr<int> life = life_;
  for (Waiter& w : flushing) w.done(false);
  for (Waiter& w : waiting) w.done(false);
  if (stopping) return stopped(nullptr);
  if (!life.expired()) listener_.OnDriverLost(loss, text);
}

}  // namespace roost
