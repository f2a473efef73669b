// Relay: what becomes of commands and responses while expunges are owed.
#include <memory>
#include <utility>

#include "core/client/relay.h"

namespace roost {

void Relay::Owe(OwedExpunges owed) { mapped_ = std::make_unique<RelayMapped>(std::move(owed)); }

// Expunges are owed: what is done with a command that would be forwarded otherwise.
Relay::Route Relay::RouteMapped(const Command& command) const {
  switch (RelayMapped::WayOf(command)) {
    case RelayMapped::Way::kTell:
    case RelayMapped::Way::kHold:
      return Route::kForward;
    case RelayMapped::Way::kRewrite:
      return Route::kMapped;
    case RelayMapped::Way::kRefuse:
      break;
  }
  return Route::kExpungeIssued;
}

// All of a command was forwarded while expunges are owed.
void Relay::ForwardedMapped(const Command& command) {
  if (RelayMapped::WayOf(command) == RelayMapped::Way::kHold) return mapped_->Hold(command);
  TellOwed();
}

// Sent once, or refused.
void Relay::RunMapped(const Command& command) {
  const CapabilitySet& capabilities = session_->state().capabilities();
  const LiteralsTaken literals = capabilities.Has("LITERAL+")   ? LiteralsTaken::kAll
                                 : capabilities.Has("LITERAL-") ? LiteralsTaken::kSmall
                                                                : LiteralsTaken::kNone;
  std::string line;
  const Rewriting result =
      mailbox_is_prefix_ ? Rewriting::kNotUnderstood
                         : mapped_->Rewrite(command, literals, session_->state().enabled(), &line);
  const bool goes = result == Rewriting::kWhole || result == Rewriting::kReduced;
  if (goes) {
    SentCommand sent;
    sent.tag = command.tag;
    sent.kind = command.kind;
    sent.condstore = SwitchesOnCondstore(command);
    session_->Forward(std::move(sent), line);
    ++client_.services().stats.mapped_commands;
  }
  // COPY and MOVE are by number, and allow to be told.
  if (!ForbidsExpunge(command)) TellOwed();
  if (goes) return;
  TellKnown();
  client_.Answer(command.tag, kExpungeIssued);
}

// False: the client had to go.
bool Relay::RelayThroughMap(const Piece& piece, const Response* first) {
  std::string mapped;
  if (!mapped_->Map(piece, first, session_->state().enabled(), &mapped)) {
    client_.Bye("[UNAVAILABLE] The mail store told of an expunge when it must not");
    return false;
  }
  if (mapped_->over()) mapped_.reset();
  if (first != nullptr) RewriteCapabilities(piece, *first, &mapped);
  client_.Write(mapped);
  return true;
}

// The next response must not come before what is owed.
void Relay::TellOwedBefore(const Response& first) {
  if (mapped_->TellsBefore(first, session_->state().enabled())) mapped_->TellSoon();
  if (mapped_->due()) TellOwed();
}

// A command is refused here, and what was told with it may have been younger than what is owed.
void Relay::TellKnown() {
  if (mapped_ == nullptr) return;
  std::string line;
  mapped_->TellKnown(session_->state().enabled(), &line);
  client_.Write(line);
}

// A command that allows it is in progress.
void Relay::TellOwed() {
  if (mapped_ == nullptr) return;
  if (!mapped_->due() && !session_->AtResponseStart()) return mapped_->TellSoon();
  std::string tell;
  mapped_->Tell(session_->state().enabled(), &tell);
  mapped_.reset();
  client_.Write(tell);
}

}  // namespace roost
