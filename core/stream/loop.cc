#include "core/stream/loop.h"

#include <algorithm>
#include <utility>

namespace roost {

Loop::Loop(Io& io, IoHandler& next) : io_(io), next_(next), streams_(io), timers_(io.NowNs()) {
  io_.SetHandler(this);
}

Loop::~Loop() {
  tasks_.clear();
  FreeRetired();
}

void Loop::FreeRetired() {
  while (!retired_.empty()) {  // destructors may retire others
    std::vector<std::unique_ptr<Retirable>> retired = std::exchange(retired_, {});
  }
}

uint64_t Loop::PartOf(uint64_t ns) {
  uint8_t random[2];
  io_.Random(random);
  return ns / 65536 * (random[0] | random[1] << 8);
}

void Loop::Retire(std::unique_ptr<Retirable> object) {
  if (object != nullptr) retired_.push_back(std::move(object));
}

void Loop::Post(std::function<void()> task) { tasks_.push_back(std::move(task)); }

uint64_t Loop::NextDeadlineNs() const {
  if (work_waits_ || !tasks_.empty() || streams_.unflushed()) return 0;
  return timers_.NextDeadlineNs();
}

int Loop::RunTasks() {
  int done = 0;
  while (!tasks_.empty()) {
    std::vector<std::function<void()>> tasks = std::exchange(tasks_, {});
    for (auto& task : tasks) {
      task();
      ++done;
    }
  }
  return done;
}

int Loop::EndTurn() {
  int done = 0;
  bool more = false;
  for (int round = 0; round < kMaxRounds; ++round) {
    const int tasks = RunTasks();
    more = work_ && work_();
    done += tasks + RunTasks();
    streams_.FlushAll();
    if (tasks_.empty() && tasks == 0) break;
  }
  work_waits_ = work_waits_ || more || !tasks_.empty() || streams_.unflushed();
  return done + (more ? 1 : 0);
}

int Loop::Turn(uint64_t deadline_ns) {
  int done = io_.RunOnce(std::min(deadline_ns, NextDeadlineNs()));
  done += timers_.Advance(io_.NowNs(), kTimersPerTurn, [](uint64_t owner) {
    reinterpret_cast<Alarm*>(static_cast<uintptr_t>(owner))->Fire();
  });
  work_waits_ = streams_.AdvanceHandshakes();
  done += EndTurn();
  // Destructors may retire others: those live until the next turn's end.
  std::vector<std::unique_ptr<Retirable>> retired = std::exchange(retired_, {});
  done += static_cast<int>(retired.size());
  retired.clear();
  return done;
}

void Loop::OnAccept(uint64_t listener, SocketId socket, const Address& peer) {
  next_.OnAccept(listener, socket, peer);
}

void Loop::OnConnect(Owner owner, SocketId socket, int error) {
  if (StreamSet::Owns(owner)) return streams_.OnConnect(owner, error);
  next_.OnConnect(owner, socket, error);
}

void Loop::OnReceive(Owner owner, SocketId socket, std::span<uint8_t> data, int error) {
  if (StreamSet::Owns(owner)) return streams_.OnReceive(owner, data, error);
  next_.OnReceive(owner, socket, data, error);
}

void Loop::OnReadable(Owner owner, SocketId socket) {
  if (StreamSet::Owns(owner)) return streams_.OnReadable(owner);
  next_.OnReadable(owner, socket);
}

void Loop::OnSent(Owner owner, SocketId socket, int error) {
  if (StreamSet::Owns(owner)) return streams_.OnSent(owner, error);
  next_.OnSent(owner, socket, error);
}

void Loop::OnMoved(uint64_t token, SocketId socket, int error) {
  next_.OnMoved(token, socket, error);
}

void Loop::OnBell() { next_.OnBell(); }

void Alarm::Set(uint64_t at_ns, std::function<void()> action) {
  action_ = std::move(action);
  if (loop_.timers_.Rearm(id_, at_ns)) return;
  id_ = loop_.timers_.Arm(at_ns, static_cast<uint64_t>(reinterpret_cast<uintptr_t>(this)));
}

void Alarm::Cancel() {
  loop_.timers_.Cancel(&id_);
  action_ = nullptr;
}

void Alarm::Fire() {
  id_ = 0;
  std::function<void()> action = std::exchange(action_, nullptr);
  if (action) action();
}

}  // namespace roost
