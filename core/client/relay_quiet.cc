// Relay: a client that says nothing for a while parks although it is not in IDLE.
#include <algorithm>
#include <utility>

#include "core/base/clock.h"
#include "core/client/relay.h"

namespace roost {

void Relay::ArmQuiet(uint64_t in_ns) {
  const auto limit = static_cast<uint64_t>(client_.services().config.parking.quiet_park_s);
  quiet_over_ = false;
  if (!EndOf().empty()) return client_.services().clients.SetByeTimer(client_.index());
  if (limit == 0) return;
  const uint64_t now = client_.services().loop.now_ns();
  client_.services().clients.SetTimer(client_.index(),
                                      now + (in_ns != 0 ? in_ns : SecondsToNs(limit)));
}

void Relay::OnTimer() {
  if (state_ == State::kParking || state_ == State::kOwnIdle) return OnIdleTimer();
  const Services& services = client_.services();
  const uint64_t limit = SecondsToNs(static_cast<uint64_t>(services.config.parking.quiet_park_s));
  if (limit == 0) return;
  const uint64_t silent = services.loop.now_ns() - active_ns_;
  if (silent < limit) return ArmQuiet(limit - silent);
  Quiet() ? StartQuietParking() : ArmQuiet(0);
}

void Relay::OnBeatChanged() {
  if (state_ == State::kParking || state_ == State::kOwnIdle) OnIdleTimer();
}

std::string_view Relay::EndOf() { return client_.services().clients.EndOf(client_.cell()); }

// What the store has begun it may end.
bool Relay::Busy() const {
  if (!MayInterject() || state_ == State::kEnding || EndIsSaid()) return true;
  if (state_ == State::kQuietParking) return !client_.stream().input().empty();
  return state_ == State::kRelaying && !NothingUnderWay();
}

// The store's last words were relayed; its end of the connection follows.
bool Relay::EndIsSaid() const {
  return session_ != nullptr && (session_->saw_logout() || !session_->ready());
}

// Whose turn to go came while it was busy goes between two commands.
bool Relay::Leaves() {
  if (client_.closed() || &client_.talk() != this) return true;
  if (!client_.cell().leaves() || Busy()) return false;
  client_.Bye(std::string(EndOf()));
  return true;
}

// Of commands, in either direction.
bool Relay::NothingUnderWay() const {
  return session_ != nullptr && session_->Settled() && !awaits_plus_ && !local_ready_ &&
         command_.empty() && client_.framer().AtMessageStart() && client_.stream().input().empty();
}

// And everything that was said has arrived.
bool Relay::Quiet() const {
  return state_ == State::kRelaying && NothingUnderWay() && !store_paused_ && withheld_.empty() &&
         client_.stream().unsent() == 0;
}

void Relay::StartQuietParking() {
  if (WhyKept() != Kept::kNot) {
    quiet_over_ = true;
    return;
  }
  state_ = State::kQuietParking;
  if (!session_->state().selected()) return ParkUnselected();
  StartParkingAs(Parking::Mode::kQuiet);
}

void Relay::QuietParkingDone(const Parking::Result& result) {
  if (result.parked) {
    // The feed's log owes it all that was withheld.
    withheld_.clear();
    withheld_expunge_ = false;
    return Park(result);
  }
  state_ = State::kRelaying;
  if (result.try_again && withheld_.empty()) {
    ArmQuiet(MsToNs(retry_ms_));
    retry_ms_ = std::min(retry_ms_ * 2, kLastRetryMs);
  } else {
    quiet_over_ = true;
  }
  client_.ResumeInput();
}

void Relay::Withhold(const Piece& piece, const Response* first) {
  if (first != nullptr && first->kind == ResponseKind::kBye) return client_.Write(piece.bytes);
  if (first != nullptr &&
      (first->kind == ResponseKind::kExpunge || first->kind == ResponseKind::kVanished)) {
    withheld_expunge_ = true;
  }
  std::string line;
  const bool rewritten = first != nullptr && RewriteCapabilities(piece, *first, &line);
  withheld_.append(rewritten ? line : piece.bytes);
  const auto most = static_cast<size_t>(client_.services().config.limits.relay_buffer);
  if (withheld_.size() <= most) return;
  client_.Bye("[UNAVAILABLE] Too much has changed; please select the mailbox again");
}

// What is owed must not be told during this one, whose numbers would mean other messages.
bool Relay::ForbidsWithheld(const Command& command) const {
  return withheld_expunge_ && (UsesSequenceNumbers(command) || ForbidsExpunge(command));
}

// Told with a command that the store answers, or in IDLE: what belongs to it may still be to come,
// and a command that is answered here would end between the two (RFC 7162, 3.2).
bool Relay::TakesWithheld(const Command& command) const {
  return route_ == Route::kForward || route_ == Route::kMapped ||
         (route_ == Route::kLocal && command.kind == CommandKind::kIdle);
}

void Relay::TellWithheld() {
  client_.Write(std::exchange(withheld_, {}));
  withheld_expunge_ = false;
}

}  // namespace roost
