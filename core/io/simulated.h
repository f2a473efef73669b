// SimNetwork: a network, a clock and any number of Ios on them, all in one
// thread and decided by a seed.
//
// The same seed and the same calls give the same run, byte for byte. What the real world does
// rarely the simulation does often: segments cut to single bytes, full socket buffers, receives
// that find no buffer, cancels that come too late, accepts after a pause, resets that destroy
// unread bytes. It models one network without loss: bytes of one direction arrive in order, each
// once, or the connection ends.
//
// Time stands still while code runs; RunOnce never waits but handles what is due and remembers its
// deadline. SimRunner moves the clock when nobody has anything left to do.
//
// Lifetime: the network owns its Ios; handlers outlive them or are taken off by Crash. One thread.
#ifndef ROOST_CORE_IO_SIMULATED_H_
#define ROOST_CORE_IO_SIMULATED_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/base/rng.h"
#include "core/io/io.h"

namespace roost {

struct SimOptions {
  // One way, drawn for each segment, bell and move.
  uint64_t min_latency_ns = 20 * kNsPerUs;
  uint64_t max_latency_ns = 500 * kNsPerUs;
  // With this probability a segment or a receive is cut to 1 … fragment_max bytes.
  double fragment = 0.05;
  uint32_t fragment_max = 16;
  // What one direction holds, on its way and unread together; past it a sender is blocked.
  uint32_t socket_buffer = 128 * 1024;
  // With this probability a receive has to wait for a buffer.
  double dry = 0.02;
  // With this probability an event of a turn is handled before an older one.
  double reorder = 0.1;
  // With this probability Connect fails: refused, timed out or unreachable.
  double connect_failure = 0;
  // With this probability a reset also destroys what had arrived and was not read yet.
  double reset_destroys_unread = 0.5;
  IoLimits limits;

  // A network that is quick and always does the same: for tests of something else.
  static SimOptions Calm();
};

class SimIo;
struct SimConnection;
struct SimListener;

// One end of a connection.
struct SimEnd {
  std::shared_ptr<SimConnection> connection;
  int side = 0;  // 0: that of whoever asked for it by Connect
};

class SimNetwork {
 public:
  explicit SimNetwork(uint64_t seed, const SimOptions& options = {});
  ~SimNetwork();
  SimNetwork(const SimNetwork&) = delete;
  SimNetwork& operator=(const SimNetwork&) = delete;

  // Ios of one set reach each other by Move and RingBell, numbered from 0
  // in the order of this call.
  Io* AddIo(uint32_t set_id = 0);
  Io* AddIo(uint32_t set_id, const IoLimits& limits);

  // Port 0: one is chosen. Several Ios may Listen on copies of the result (a seeded one gets each
  // connection). Nobody can connect before an Io listens.
  ListenerDescriptor MakeListener(const Address& address, const ListenOptions& options = {});

  uint64_t NowNs() const { return now_ns_; }
  // Handles what is due up to then, in order. Time never goes back.
  void AdvanceTo(uint64_t ns);
  // The next thing on the wire; kNever: none.
  uint64_t NextEventNs() const;
  // The earliest deadline that a RunOnce was given at this instant; 0:
  // somebody does not want to wait.
  uint64_t NextDeadlineNs() const;

  Rng& rng() { return rng_; }

  // Faults on demand. Each takes the Io and the id of either end.
  // Both ends get ECONNRESET.
  void CutConnection(Io* io, SocketId socket);
  // Nothing arrives any more in either direction (nor is it lost: it arrives when this is taken
  // back). TCP_USER_TIMEOUT and keepalive end such a connection, when set.
  void Silence(Io* io, SocketId socket, bool silent = true);
  // New connections to that address time out.
  void SetUnreachable(const Address& address, bool unreachable);
  // The process behind an Io dies: its sockets and listeners are closed by the kernel, its handler
  // hears of nothing more. The Io must not be used again.
  void Crash(Io* io);

 private:
  friend class SimIo;

  struct Event {
    uint64_t at_ns;
    uint64_t sequence;
    std::function<void()> action;
    bool operator>(const Event& other) const {
      return at_ns != other.at_ns ? at_ns > other.at_ns : sequence > other.sequence;
    }
  };

  void Schedule(uint64_t delay_ns, std::function<void()> action);
  uint64_t Latency() { return rng_.Between(options_.min_latency_ns, options_.max_latency_ns); }
  // Handles what is due now.
  void Settle() { AdvanceTo(now_ns_); }

  void Open(SimIo* io, SocketId socket, const Address& to, const ConnectOptions& options);
  void Arrive(SimIo* io, SocketId socket, const Address& to, const ConnectOptions& options);
  void Refuse(SimIo* io, SocketId socket, uint64_t delay_ns, int error);
  bool IsUnreachable(const Address& address) const;

  // What an end does to the other.
  void Transmit(const SimEnd& from, std::string bytes);
  void SendFin(const SimEnd& from);
  void SendReset(const SimEnd& from);
  void WindowOpened(const SimEnd& reader);
  // Lets `action` happen at the other end, behind all that was sent before.
  void Deliver(const SimEnd& from, std::function<void()> action);
  void Fail(const SimEnd& end, int error);
  void ArmTimeout(const SimEnd& end);
  static void Notify(const SimEnd& end);

  Rng rng_;
  const SimOptions options_;
  uint64_t now_ns_;
  uint64_t sequence_ = 0;
  uint16_t next_port_ = 20'000;
  std::priority_queue<Event, std::vector<Event>, std::greater<Event>> events_;
  std::vector<std::vector<SimIo*>> sets_;
  std::vector<std::unique_ptr<SimIo>> ios_;
  std::vector<std::shared_ptr<SimListener>> listeners_;
  std::vector<ListenOptions> listen_options_;  // by descriptor
  std::vector<Address> unreachable_;
  std::vector<std::weak_ptr<SimConnection>> silenced_;  // that ever were
};

// Runs participants in turns and moves the clock when none has anything to do.
class SimRunner {
 public:
  explicit SimRunner(SimNetwork* network) : network_(network) {}

  // `turn` does what is due and returns how many things it did. Typically: one
  // RunOnce, or a Loop's Turn.
  void Add(std::function<int()> turn) { turns_.push_back(std::move(turn)); }

  // One round. False when nothing happened and nothing ever will: all are waiting for each other.
  bool Step();
  // Until done() is true (then true), the network is silent for good, or a limit is reached.
  bool RunUntil(const std::function<bool()>& done, uint64_t max_ns = SecondsToNs(600),
                uint64_t max_steps = 5'000'000);
  // Lets simulated time pass.
  void RunFor(uint64_t ns);

  uint64_t steps() const { return steps_; }

 private:
  SimNetwork* network_;
  std::vector<std::function<int()>> turns_;
  uint64_t steps_ = 0;
};

}  // namespace roost

#endif  // ROOST_CORE_IO_SIMULATED_H_
