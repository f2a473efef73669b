#include "core/store/opener.h"

#include <utility>

#include "proto/imap/extensions.h"

namespace roost {

Opener::Opener(Loop& loop, User& user, Wish wish, Done done)
    : loop_(loop), user_(user), wish_(std::move(wish)), doubt_(loop), done_(std::move(done)) {}

Opener::~Opener() { EndSession(std::move(session_)); }

void Opener::Start() {
  if (!wish_.fresh) session_ = user_.Take(wish_.enabled, *this);
  pooled_ = session_ != nullptr;
  if (!pooled_) return OpenNew();
  doubt_.SetIn(SecondsToNs(kDoubtSeconds), [this] { Doubt(); });
  Select();
}

void Opener::Doubt() {
  const uint64_t end_ns = session_->last_heard_ns() + SecondsToNs(kDoubtSeconds);
  if (end_ns > loop_.now_ns()) return doubt_.Set(end_ns, [this] { Doubt(); });
  pooled_ = false;
  EndSession(std::move(session_));
  OpenNew();
}

void Opener::OpenNew() {
  doubt_.Cancel();
  if (user_.credentials_refused()) {
    return FinishLater(Failure::kCredentials, "the store has refused this login before");
  }
  if (!MayLogInLater(user_.store(), user_.login())) {  // since the last reload
    return FinishLater(Failure::kCredentials, "the name contains the separator of master users");
  }
  session_ = user_.Open(wish_.client, wish_.urgency, *this);
}

void Opener::OnStoreData(Session&, const Piece& piece, const Response* first) {
  if (IsAlert(piece, first) && alerts_.size() < kMostAlertBytes) alerts_ += piece.bytes;
}

void Opener::OnSessionReady(Session& session) {
  user_.NoteLoginTaken();
  user_.NoteCapabilities(session.state().capabilities());
  if (wish_.enabled == session.state().enabled()) return Select();
  if (!IsOffered(CommandKind::kEnable, session.state().capabilities())) {
    return Finish(Failure::kClass, "the store no longer offers ENABLE");
  }
  session.Run(CommandKind::kEnable, "ENABLE " + wish_.enabled.Names(),
              [this](const Response&) { Enabled(); });
}

void Opener::Enabled() {
  if (session_->state().enabled() != wish_.enabled) {
    return Finish(Failure::kClass, "the store would not enable what this connection has");
  }
  Select();
}

void Opener::Select() {
  if (wish_.mailbox.empty()) {
    if (!session_->state().selected()) {
      return FinishLater(Failure::kNone, {});
    }
    // Never CLOSE: it deletes mail. Without UNSELECT only a new session has nothing selected.
    if (!IsOffered(CommandKind::kUnselect, session_->state().capabilities())) {
      EndSession(std::move(session_));
      return OpenNew();
    }
    session_->Run(CommandKind::kUnselect, "UNSELECT", [this](const Response& r) {
      r.status == Status::kOk ? Finish(Failure::kNone, {})
                              : Finish(Failure::kUnavailable, "the store refused UNSELECT");
    });
    return;
  }
  session_->RunSelect(wish_.mailbox, wish_.examine, [this](const Response& response) {
    if (response.status == Status::kOk) return Finish(Failure::kNone, {});
    const bool passing = response.CodeIs("UNAVAILABLE") || response.CodeIs("INUSE") ||
                         response.CodeIs("SERVERBUG") || response.CodeIs("LIMIT");
    Finish(passing ? Failure::kUnavailable : Failure::kMailbox, std::string(response.text));
  });
}

void Opener::OnSessionLost(Session& session, SessionLoss loss, const std::string& text) {
  if (loss == SessionLoss::kUnreachable) user_.NoteUnreachable(session.address());
  if (std::exchange(pooled_, false)) {  // it may have been dead for long
    loop_.Retire(std::move(session_));
    return OpenNew();
  }
  const bool refused = loss == SessionLoss::kRefused && RefusedForGood(session.login_answer());
  if (refused) user_.NoteLoginRefused(session.login_answer(), wish_.client.connection_id);
  loop_.Retire(std::move(session_));
  Finish(refused ? Failure::kCredentials : Failure::kUnavailable, text);
}

void Opener::FinishLater(Failure failure, std::string text) {
  loop_.Post([this, failure, text = std::move(text), life = life_.watch()] {
    if (!life.expired()) Finish(failure, text);
  });
}

void Opener::Finish(Failure failure, std::string text) {
  doubt_.Cancel();
  Result result;
  result.failure = failure;
  result.text = std::move(text);
  if (failure == Failure::kNone) {
    result.session = std::move(session_);
    if (user_.HearsAnew(alerts_)) result.alerts = std::move(alerts_);
  } else {
    EndSession(std::move(session_));
  }
  Done done = std::move(done_);
  done_ = nullptr;
  if (done) done(std::move(result));
}

}  // namespace roost
