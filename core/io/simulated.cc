#include "core/io/simulated.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/base/check.h"
#include "core/io/listener.h"
#include "core/io/simulated_io.h"

namespace roost {
namespace {

// When nothing else is set: Linux gives up an unanswered connect, and
// unacknowledged data, after about this.
constexpr uint64_t kConnectTimeoutNs = SecondsToNs(127);
constexpr int kDataTimeoutMs = 924'000;
// Any moment will do, but not 0: code must not take the start for "never".
constexpr uint64_t kStartNs = SecondsToNs(1);

bool Serves(const Address& listener, const Address& to) {
  if (listener == to) return true;
  if (listener.port != to.port || !listener.IsAny()) return false;
  return listener.family == to.family || listener.family == 6;
}

SimConnection::Side& SideOf(const SimEnd& end) { return end.connection->sides[end.side]; }
SimEnd OtherEnd(const SimEnd& end) { return {end.connection, 1 - end.side}; }

// As Linux does it: see KeepaliveSeconds. With a user timeout the second probe may be one too many,
// and none is counted.
uint64_t KeepaliveNs(const SimConnection::Side& side) {
  const auto idle = static_cast<uint64_t>(side.keepalive_s);
  const auto interval = static_cast<uint64_t>(KeepaliveIntervalSeconds(side.keepalive_s));
  const auto user_timeout_ms = static_cast<uint64_t>(side.user_timeout_ms);
  uint64_t probes = 1;
  while (user_timeout_ms != 0 ? (idle + probes * interval) * 1000 < user_timeout_ms
                              : probes < kKeepaliveProbes) {
    ++probes;
  }
  return SecondsToNs(idle + probes * interval);
}

}  // namespace

SimOptions SimOptions::Calm() {
  SimOptions options;
  options.min_latency_ns = options.max_latency_ns = 50 * kNsPerUs;
  options.fragment = options.dry = options.reorder = options.reset_destroys_unread = 0;
  return options;
}

SimNetwork::SimNetwork(uint64_t seed, const SimOptions& options)
    : rng_(seed), options_(options), now_ns_(kStartNs) {}

// What a silent connection holds back holds the connection.
SimNetwork::~SimNetwork() {
  for (const auto& silenced : silenced_) {
    if (const auto connection = silenced.lock()) connection->held.clear();
  }
}

Io* SimNetwork::AddIo(uint32_t set_id) { return AddIo(set_id, options_.limits); }

Io* SimNetwork::AddIo(uint32_t set_id, const IoLimits& limits) {
  if (sets_.size() <= set_id) sets_.resize(set_id + 1);
  const auto number = static_cast<uint32_t>(sets_[set_id].size());
  ios_.push_back(std::make_unique<SimIo>(this, set_id, number, limits));
  sets_[set_id].push_back(ios_.back().get());
  return ios_.back().get();
}

ListenerDescriptor SimNetwork::MakeListener(const Address& address, const ListenOptions& options) {
  ListenerDescriptor descriptor;
  descriptor.fd = kSimFirstDescriptor + static_cast<int>(listen_options_.size());
  descriptor.bound = address;
  if (address.port == 0) descriptor.bound.port = next_port_++;
  listen_options_.push_back(options);
  return descriptor;
}

void SimNetwork::Schedule(uint64_t delay_ns, std::function<void()> action) {
  events_.push({DeadlineAfter(now_ns_, delay_ns), sequence_++, std::move(action)});
}

void SimNetwork::AdvanceTo(uint64_t ns) {
  while (!events_.empty() && events_.top().at_ns <= ns) {
    Event event = std::move(const_cast<Event&>(events_.top()));
    events_.pop();
    now_ns_ = std::max(now_ns_, event.at_ns);
    event.action();
  }
  now_ns_ = std::max(now_ns_, ns);
}

uint64_t SimNetwork::NextEventNs() const { return events_.empty() ? kNever : events_.top().at_ns; }

uint64_t SimNetwork::NextDeadlineNs() const {
  uint64_t earliest = kNever;
  for (const auto& io : ios_) {
    // Whoever does not run any more waits for nothing.
    if (!io->dead_ && io->last_run_ns_ == now_ns_) {
      earliest = std::min(earliest, io->deadline_ns_);
    }
  }
  return earliest;
}

// --- connecting ---

void SimNetwork::Open(SimIo* io, SocketId socket, const Address& to,
                      const ConnectOptions& options) {
  const bool bound = options.source.family != 0;
  if (bound && options.source.family != to.family) return Refuse(io, socket, 0, EAFNOSUPPORT);
  Schedule(Latency(), [=, this] { Arrive(io, socket, to, options); });
}

void SimNetwork::Refuse(SimIo* io, SocketId socket, uint64_t delay_ns, int error) {
  Schedule(delay_ns, [=] { io->OnConnectFailed(socket, error); });
}

bool SimNetwork::IsUnreachable(const Address& address) const {
  return std::find(unreachable_.begin(), unreachable_.end(), address) != unreachable_.end();
}

// The SYN is at the machine that `to` names.
void SimNetwork::Arrive(SimIo* io, SocketId socket, const Address& to,
                        const ConnectOptions& options) {
  if (IsUnreachable(to)) return Refuse(io, socket, kConnectTimeoutNs, ETIMEDOUT);
  if (rng_.Chance(options_.connect_failure)) {
    static constexpr int kErrors[] = {ECONNREFUSED, EHOSTUNREACH, ETIMEDOUT};
    const int error = kErrors[rng_.Below(std::size(kErrors))];
    return Refuse(io, socket, error == ETIMEDOUT ? kConnectTimeoutNs : Latency(), error);
  }
  std::vector<std::shared_ptr<SimListener>> serving;
  for (const auto& listener : listeners_) {
    const bool listens = !listener->closed && !listener->full;
    if (listens && Serves(listener->address, to)) serving.push_back(listener);
  }
  if (serving.empty()) return Refuse(io, socket, Latency(), ECONNREFUSED);
  const auto& listener = serving[rng_.Below(serving.size())];
  if (listener->backlog.size() >= static_cast<size_t>(listener->options.backlog)) {
    // The SYN is dropped and comes again.
    return Schedule(kNsPerSecond, [=, this] { Arrive(io, socket, to, options); });
  }
  if (!io->IsOpen(socket)) return;  // aborted meanwhile

  auto connection = std::make_shared<SimConnection>();
  SimConnection::Side& client = connection->sides[0];
  SimConnection::Side& server = connection->sides[1];
  client.address = options.source;
  if (client.address.family == 0) {
    client.address.family = to.family;
    client.address.bytes[to.family == 6 ? 15 : 3] = 1;
    if (to.family == 4) client.address.bytes[0] = 127;
  }
  if (client.address.port == 0) client.address.port = next_port_++;
  client.user_timeout_ms = options.user_timeout_ms;
  server.address = to;
  server.user_timeout_ms = listener->options.user_timeout_ms;
  server.keepalive_s = listener->options.keepalive_s;
  listener->backlog.push_back({connection, 1});
  listener->io->OnBacklog(listener);
  Deliver({connection, 1}, [io, socket, connection] { io->OnConnected(socket, {connection, 0}); });
}

// --- bytes ---

void SimNetwork::Notify(const SimEnd& end) {
  SimConnection::Side& side = SideOf(end);
  if (side.io != nullptr) side.io->OnWire(side.socket);
}

void SimNetwork::Deliver(const SimEnd& from, std::function<void()> action) {
  SimConnection::Side& side = SideOf(from);
  side.last_arrival_ns = std::max(side.last_arrival_ns, now_ns_ + Latency());
  Schedule(side.last_arrival_ns - now_ns_,
           [connection = from.connection, action = std::move(action)]() mutable {
             if (connection->silent) {
               connection->held.push_back(std::move(action));
             } else {
               action();
             }
           });
}

void SimNetwork::Transmit(const SimEnd& from, std::string bytes) {
  SideOf(from).on_the_way += static_cast<uint32_t>(bytes.size());
  if (from.connection->silent) ArmTimeout(from);
  Deliver(from, [this, from, bytes = std::move(bytes)] {
    SideOf(from).on_the_way -= static_cast<uint32_t>(bytes.size());
    SimConnection::Side& to = SideOf(OtherEnd(from));
    if (to.error != 0) return;
    if (to.ended) return SendReset(OtherEnd(from));
    ROOST_CHECK(to.inbox.Append(bytes));
    Notify(OtherEnd(from));
  });
}

void SimNetwork::SendFin(const SimEnd& from) {
  if (std::exchange(SideOf(from).fin_sent, true)) return;
  Deliver(from, [from] {
    SideOf(OtherEnd(from)).fin_arrived = true;
    Notify(OtherEnd(from));
  });
}

void SimNetwork::SendReset(const SimEnd& from) {
  Deliver(from, [this, from] { Fail(OtherEnd(from), ECONNRESET); });
}

void SimNetwork::Fail(const SimEnd& end, int error) {
  SimConnection::Side& side = SideOf(end);
  if (side.error != 0) return;
  side.error = error;
  if (rng_.Chance(options_.reset_destroys_unread)) side.inbox.Clear();
  Notify(end);
}

// The reader took bytes: the other side hears of it a little later.
void SimNetwork::WindowOpened(const SimEnd& reader) {
  Schedule(Latency(), [reader] { Notify(OtherEnd(reader)); });
}

// --- faults ---

void SimNetwork::CutConnection(Io* io, SocketId socket) {
  SimIo::Socket* found = static_cast<SimIo*>(io)->Find(socket);
  if (found == nullptr || found->end.connection == nullptr) return;
  const SimEnd end = found->end;
  Schedule(Latency(), [this, end] { Fail(end, ECONNRESET); });
  Schedule(Latency(), [this, end] { Fail(OtherEnd(end), ECONNRESET); });
}

void SimNetwork::Silence(Io* io, SocketId socket, bool silent) {
  SimIo::Socket* found = static_cast<SimIo*>(io)->Find(socket);
  if (found == nullptr || found->end.connection == nullptr) return;
  const auto connection = found->end.connection;
  if (connection->silent == silent) return;
  connection->silent = silent;
  ++connection->silences;
  if (!silent) {
    // One event, so that nothing sent from now on gets in between.
    Schedule(0, [held = std::exchange(connection->held, {})] {
      for (const auto& action : held) action();
    });
    return;
  }
  silenced_.push_back(connection);
  for (int side = 0; side < 2; ++side) {
    const SimEnd end{connection, side};
    if (SideOf(end).on_the_way != 0) ArmTimeout(end);
    if (SideOf(end).keepalive_s == 0) continue;
    Schedule(KeepaliveNs(SideOf(end)), [this, end, silences = connection->silences] {
      if (end.connection->silences == silences) Fail(end, ETIMEDOUT);
    });
  }
}

// Bytes are on their way into silence: the sender's kernel gives up at some time.
void SimNetwork::ArmTimeout(const SimEnd& end) {
  const int set_ms = SideOf(end).user_timeout_ms;
  const auto after_ms = static_cast<uint64_t>(set_ms != 0 ? set_ms : kDataTimeoutMs);
  Schedule(MsToNs(after_ms), [this, end, silences = end.connection->silences] {
    if (end.connection->silences == silences) Fail(end, ETIMEDOUT);
  });
}

void SimNetwork::SetUnreachable(const Address& address, bool unreachable) {
  std::erase(unreachable_, address);
  if (unreachable) unreachable_.push_back(address);
}

void SimNetwork::Crash(Io* io) { static_cast<SimIo*>(io)->Die(); }

// --- runner ---

bool SimRunner::Step() {
  ++steps_;
  int done = 0;
  for (const auto& turn : turns_) done += turn();
  if (done != 0) return true;
  const uint64_t next = std::min(network_->NextEventNs(), network_->NextDeadlineNs());
  if (next == kNever) return false;
  // Whoever does not want to wait gets another turn, but not an eternity at one instant.
  network_->AdvanceTo(std::max(next, network_->NowNs() + kNsPerUs));
  return true;
}

bool SimRunner::RunUntil(const std::function<bool()>& done, uint64_t max_ns, uint64_t max_steps) {
  const uint64_t end_ns = DeadlineAfter(network_->NowNs(), max_ns);
  for (uint64_t step = 0; step < max_steps; ++step) {
    if (done()) return true;
    if (network_->NowNs() > end_ns || !Step()) return done();
  }
  return done();
}

void SimRunner::RunFor(uint64_t ns) {
  const uint64_t end_ns = network_->NowNs() + ns;
  while (network_->NowNs() < end_ns) {
    int done = 0;
    for (const auto& turn : turns_) done += turn();
    ++steps_;
    if (done != 0) continue;
    const uint64_t next = std::min(network_->NextEventNs(), network_->NextDeadlineNs());
    network_->AdvanceTo(std::min(end_ns, std::max(next, network_->NowNs() + kNsPerUs)));
  }
}

}  // namespace roost
