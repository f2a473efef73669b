// A parked client that is awake: it has just been parked, said something, or is owed more than it
// could be sent.
//
//   kListening --DONE, NOOP, CHECK, CAPABILITY, ID, LOGOUT, IDLE--> answered here --> kListening
//              --quiet--> asleep
//              --NOOP, CHECK, events may be out of date--> kFlushing --> kListening
//              --anything else--> kWaking --> Relay (attached)  |  refused --> kListening  |  BYE
//
// What it is: the way of a parked client's bytes, which costs the store nothing unless it wants to
// act. What it is not: the way of an event (clients.h). While it waits, input is held; the command
// is sent once or refused, never both.
#ifndef ROOST_CORE_CLIENT_AWAKE_H_
#define ROOST_CORE_CLIENT_AWAKE_H_

#include <memory>
#include <string>
#include <string_view>

#include "core/base/life.h"
#include "core/client/client.h"
#include "core/park/waking.h"

namespace roost {

class Awake final : public Talk {
 public:
  explicit Awake(Client& client);
  ~Awake() override;
  // The client is in IDLE under this tag; too long a one for the cell keeps the client awake.
  void SetIdleTag(std::string_view tag);

  void OnInput() override;
  void OnDrained() override;
  void OnEnd() override;
  bool Busy() const override { return state_ != State::kListening; }

 private:
  enum class State : uint8_t { kListening, kFlushing, kWaking };

  void TakePiece(const Piece& piece);
  void Swallow(const Piece& piece);
  void IdleLine(std::string_view line);
  void Execute(const Command& command, const Piece& piece);
  void StartIdle(std::string_view tag);
  void Noop(const Command& command);
  void NoopDone(bool heard);
  std::string Completed(std::string_view name, bool heard) const;
  void WakeFor(const Command& command, const Piece& piece);
  void Woken(Waking::Result result);
  void Attach(Waking::Result result);
  void RefuseWaiting(std::string_view answer);
  // False: that is too much, and it has been sent away.
  bool TellOwed();
  void TrySleep();
  std::string_view idle_tag();

  State state_ = State::kListening;
  bool swallowing_ = false;  // the rest of a refused command
  bool sleeping_posted_ = false;
  std::string long_tag_;
  std::string tag_;      // of the command that waits
  std::string name_;     // NOOP or CHECK
  std::string waiting_;  // first piece of the command that waits for a session, consumed already
  Piece waiting_piece_;  // its marks; bytes are waiting_'s
  std::unique_ptr<Waking> waking_;
  Life life_;
};

}  // namespace roost

#endif  // ROOST_CORE_CLIENT_AWAKE_H_
