// One thread's loop: an Io, its streams, its timers, and the end of each turn.
//
// What it is: the frame in which shards of roostd, of the embedded store and of the load generator
// run. What it is not: it knows no client; what does not belong to a Stream goes on to the handler
// it was given.
//
// A turn: events of the Io -> timers -> handshakes -> posted tasks -> what was written leaves ->
// the retired are freed.
//
// Lifetime rule for everything with callbacks: an object is never destroyed inside one of its own
// calls. It is handed to Retire and freed when the turn is over; until then it must stay silent.
// Thread rule: one thread. Bounds: timers and handshakes per turn are limited; tasks are run until
// none is left, so a task must not post itself again (that is what an Alarm is for).
#ifndef ROOST_CORE_STREAM_LOOP_H_
#define ROOST_CORE_STREAM_LOOP_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "core/base/timer_wheel.h"
#include "core/io/io.h"
#include "core/stream/stream.h"

namespace roost {

// Base of what Retire takes.
class Retirable {
 public:
  virtual ~Retirable() = default;
};

class Loop final : public IoHandler {
 public:
  static constexpr int kTimersPerTurn = 4096;

  // `next` hears of accepted and moved sockets, of the bell, and of sockets whose owner is no
  // Stream.
  Loop(Io& io, IoHandler& next);
  ~Loop() override;

  Io& io() { return io_; }
  const Io& io() const { return io_; }
  StreamSet& streams() { return streams_; }
  const StreamSet& streams() const { return streams_; }
  uint64_t now_ns() const { return io_.NowNs(); }
  // By chance, from 0 to nearly `ns`, in 65,536 steps: what many do must not come in one moment.
  uint64_t PartOf(uint64_t ns);

  // Frees `object` at the end of the turn. Null is fine.
  void Retire(std::unique_ptr<Retirable> object);
  // Frees them now: for whoever goes before the loop and is known to them. Not within a turn.
  void FreeRetired();
  // Runs `task` later in this turn (or in the next one, when called from outside a turn).
  void Post(std::function<void()> task);

  // Work of the host that belongs into every turn, before what was written leaves. It returns true
  // when more of it waits, so that the next turn must not sleep.
  void set_work(std::function<bool()> work) { work_ = std::move(work); }

  // Returns the number of things done; sleeps until deadline_ns at most when there is nothing to
  // do.
  int Turn(uint64_t deadline_ns);
  // The nearest timer, for whoever drives several loops by hand.
  uint64_t NextDeadlineNs() const;

 private:
  friend class Alarm;

  void OnAccept(uint64_t listener, SocketId socket, const Address& peer) override;
  void OnConnect(Owner owner, SocketId socket, int error) override;
  void OnReceive(Owner owner, SocketId socket, std::span<uint8_t> data, int error) override;
  void OnReadable(Owner owner, SocketId socket) override;
  void OnSent(Owner owner, SocketId socket, int error) override;
  void OnMoved(uint64_t token, SocketId socket, int error) override;
  void OnBell() override;

  static constexpr int kMaxRounds = 4;  // tasks, work and flushing may cause each other

  int RunTasks();
  int EndTurn();

  Io& io_;
  IoHandler& next_;
  StreamSet streams_;
  Timers timers_;
  bool work_waits_ = false;
  std::function<bool()> work_;
  std::vector<std::function<void()>> tasks_;
  std::vector<std::unique_ptr<Retirable>> retired_;
};

// A deadline with something to do. A member of whoever waits; its end cancels.
class Alarm {
 public:
  explicit Alarm(Loop& loop) : loop_(loop) {}
  ~Alarm() { Cancel(); }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  // Replaces what was set before. `action` runs once, with the alarm no longer set.
  void Set(uint64_t at_ns, std::function<void()> action);
  void SetIn(uint64_t delay_ns, std::function<void()> action) {
    Set(loop_.now_ns() + delay_ns, std::move(action));
  }
  void Cancel();
  bool armed() const { return id_ != 0; }
  Loop& loop() const { return loop_; }

 private:
  friend class Loop;
  void Fire();

  Loop& loop_;
  TimerId id_ = 0;
  std::function<void()> action_;
};

}  // namespace roost

#endif  // ROOST_CORE_STREAM_LOOP_H_
