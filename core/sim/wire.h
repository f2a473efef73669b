// What the models stand on: plain connections and a list of things to do later, over a SimNetwork's
// Io.
//
// What it is not: it shares no code with core/stream, so that a mistake there is not made twice. No
// TLS, no bounds: the models are trusted, what they talk to is not.
//
// Lifetime: Wires outlives its Wire objects; a Wire may be destroyed anywhere but inside its own
// callbacks.
#ifndef ROOST_CORE_SIM_WIRE_H_
#define ROOST_CORE_SIM_WIRE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/clock.h"
#include "core/io/io.h"

namespace roost {

// Things to do at a time. Actions of one instant run in the order in which they were asked for.
class Agenda {
 public:
  void At(uint64_t ns, std::function<void()> action);
  uint64_t NextNs() const { return actions_.empty() ? kNever : actions_.begin()->first.first; }
  // Returns how many were run.
  int RunDue(uint64_t now_ns);

 private:
  uint64_t sequence_ = 0;
  std::map<std::pair<uint64_t, uint64_t>, std::function<void()>> actions_;
};

class Wire;

class WireOwner {
 public:
  virtual ~WireOwner() = default;
  virtual void OnWireConnected() {}
  // wire.input has grown.
  virtual void OnWireInput() = 0;
  // The other side closed, or the connection broke (or never stood). Once; the wire is closed then.
  virtual void OnWireClosed(int error) = 0;
};

// All wires of one Io.
class Wires final : private IoHandler {
 public:
  using Accept = std::function<void(SocketId socket, const Address& peer)>;

  explicit Wires(Io& io);

  Io& io() { return io_; }
  Agenda& agenda() { return agenda_; }
  uint64_t now_ns() const { return io_.NowNs(); }
  void set_accept(Accept accept) { accept_ = std::move(accept); }
  // Runs `action` after `delay_ns`, unless `life` has ended by then.
  void In(uint64_t delay_ns, const std::shared_ptr<int>& life, std::function<void()> action);

  // What is due; returns how much that was. A participant of SimRunner.
  int Turn();

 private:
  friend class Wire;
  void OnAccept(uint64_t listener, SocketId socket, const Address& peer) override;
  void OnConnect(Owner owner, SocketId socket, int error) override;
  void OnReceive(Owner owner, SocketId socket, std::span<uint8_t> data, int error) override;
  void OnReadable(Owner, SocketId) override {}
  void OnSent(Owner owner, SocketId socket, int error) override;
  void OnMoved(uint64_t, SocketId, int) override {}
  void OnBell() override {}
  Wire* Find(Owner owner);

  Io& io_;
  Agenda agenda_;
  Accept accept_;
  Owner next_owner_ = 1;
  std::map<Owner, Wire*> wires_;
};

class Wire {
 public:
  Wire(Wires& wires, WireOwner& owner);
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  void Connect(const Address& to);
  void Open(SocketId socket);
  // Leaves as soon as the network takes it.
  void Write(std::string_view bytes);
  void SetReading(bool reading);
  // Orderly, what was written leaves first / at once.
  void Close();
  void Abort();
  bool open() const { return static_cast<bool>(socket_); }
  bool connected() const { return connected_; }
  bool reading() const { return reading_; }
  SocketId socket() const { return socket_; }

  std::string input;  // received and not yet taken by the owner

 private:
  friend class Wires;
  void Arm();
  void Flush();
  void Ended(int error);

  Wires& wires_;
  WireOwner& owner_;
  const Owner number_;
  SocketId socket_;
  bool connected_ = false;
  bool reading_ = true;
  std::string out_;
};

}  // namespace roost

#endif  // ROOST_CORE_SIM_WIRE_H_
