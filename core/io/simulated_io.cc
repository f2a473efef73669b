#include "core/io/simulated_io.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "core/base/check.h"

namespace roost {
namespace {

constexpr int64_t kWallStart = 1'700'000'000;
// Most of a send that travels as one segment.
constexpr size_t kSegment = 16 * 1024;

}  // namespace

SimIo::SimIo(SimNetwork* network, uint32_t set_id, uint32_t number, const IoLimits& limits)
    : network_(network),
      set_id_(set_id),
      number_(number),
      limits_(limits),
      sockets_(limits.max_sockets) {
  stats_.max_sockets = limits.max_sockets;
}

int64_t SimIo::WallSeconds() const {
  return kWallStart + static_cast<int64_t>(NsToSeconds(NowNs()));
}

SimIo::Socket* SimIo::FindLive(SocketId socket) const {
  Socket* found = Find(socket);
  return found != nullptr && found->life <= Life::kOpen ? found : nullptr;
}

// --- listeners ---

std::shared_ptr<SimListener> SimIo::FindListener(uint64_t id) const {
  for (const auto& listener : listeners_) {
    if (listener->id == id) return listener;
  }
  return nullptr;
}

int SimIo::Listen(ListenerDescriptor descriptor, uint64_t id) {
  if (descriptor.fd < 0) return EBADF;
  if (FindListener(id) != nullptr) return EEXIST;
  auto listener = std::make_shared<SimListener>();
  listener->io = this;
  listener->id = id;
  listener->address = descriptor.bound;
  listener->options =
      network_->listen_options_.at(static_cast<size_t>(descriptor.fd - kSimFirstDescriptor));
  listeners_.push_back(listener);
  network_->listeners_.push_back(listener);
  return 0;
}

void SimIo::PauseAccept(uint64_t id) {
  if (const auto listener = FindListener(id)) listener->paused = true;
}

void SimIo::ResumeAccept(uint64_t id) {
  const auto listener = FindListener(id);
  if (listener == nullptr) return;
  listener->paused = false;
  OnBacklog(listener);
}

void SimIo::CloseListener(uint64_t id) {
  const auto listener = FindListener(id);
  if (listener == nullptr) return;
  listener->closed = true;
  if (std::exchange(listener->full, false)) --stats_.listeners_full;
  std::erase(listeners_, listener);
  std::erase(network_->listeners_, listener);
  ResetBacklog(*listener);
}

void SimIo::ResetBacklog(SimListener& listener) {
  for (const SimEnd& end : std::exchange(listener.backlog, {})) {
    end.connection->sides[end.side].ended = true;
    network_->SendReset(end);
  }
}

void SimIo::BeFull() {
  const uint64_t before = stats_.listeners_full;
  for (const auto& listener : listeners_) {
    if (std::exchange(listener->full, true)) continue;
    ++stats_.listeners_full;
    stats_.reset_when_full += listener->backlog.size();
    ResetBacklog(*listener);
  }
  if (before == 0 && stats_.listeners_full != 0) ++stats_.times_full;
}

void SimIo::SlotFreed() {
  const bool room = sockets_.size() < AcceptBound() - AcceptBound() / 20;
  for (const auto& listener : listeners_) {
    if (!listener->full || !room) continue;
    listener->full = false;
    --stats_.listeners_full;
  }
}

void SimIo::OnBacklog(const std::shared_ptr<SimListener>& listener) {
  if (!listener->paused) QueueAccept(listener);
}

void SimIo::QueueAccept(const std::shared_ptr<SimListener>& listener) {
  if (listener->queued || listener->closed || listener->backlog.empty()) return;
  listener->queued = true;
  ready_.push_back({.kind = Ready::Kind::kAccept, .listener = listener});
}

void SimIo::HandleAccept(const Ready& ready) {
  const auto& listener = ready.listener;
  listener->queued = false;
  if (listener->closed || listener->backlog.empty()) return;
  if (sockets_.size() >= AcceptBound()) return BeFull();
  // A pause can come too late for a connection, and for those behind it.
  if (listener->paused && !network_->rng().Chance(0.5)) return;
  const SimEnd end = listener->backlog.front();
  listener->backlog.pop_front();
  QueueAccept(listener);
  const Address peer = end.connection->sides[1 - end.side].address;
  const SocketId id = Place(end);
  ++stats_.accepted;
  handler_->OnAccept(listener->id, id, peer);
}

// --- sockets ---

// Precondition: there is a free slot.
SocketId SimIo::Place(SimEnd end) {
  const auto ref = sockets_.New();
  ROOST_CHECK(ref);
  const SocketId id{ref.index, ref.generation};
  SimConnection::Side& side = end.connection->sides[end.side];
  side.io = this;
  side.socket = id;
  ref->life = Life::kOpen;
  ref->end = std::move(end);
  ++stats_.sockets_open;
  if (sockets_.size() >= AcceptBound()) BeFull();
  return id;
}

SocketId SimIo::Connect(const Address& to, const ConnectOptions& options, Owner owner) {
  const auto ref = sockets_.New();
  if (!ref) return {};
  ref->owner = owner;
  ref->reset_on_close = options.reset_on_close;
  ref->peer_ends = options.peer_ends;
  ++stats_.sockets_open;
  if (sockets_.size() >= AcceptBound()) BeFull();
  const SocketId id{ref.index, ref.generation};
  network_->Open(this, id, to, options);
  return id;
}

void SimIo::OnConnected(SocketId id, SimEnd end) {
  Socket* socket = Find(id);
  SimConnection::Side& side = end.connection->sides[end.side];
  if (socket == nullptr) {  // aborted while the answer was on its way
    side.ended = true;
    network_->SendReset(end);
    return;
  }
  side.io = this;
  side.socket = id;
  socket->end = std::move(end);
  ready_.push_back({.kind = Ready::Kind::kConnected, .socket = id});
}

void SimIo::OnConnectFailed(SocketId id, int error) {
  if (Find(id) == nullptr) return;
  ready_.push_back({.kind = Ready::Kind::kConnected, .socket = id, .error = error});
}

void SimIo::SetOwner(SocketId id, Owner owner) {
  if (Socket* socket = FindLive(id)) socket->owner = owner;
}

bool SimIo::IsOpen(SocketId id) const { return FindLive(id) != nullptr; }

// Something changed at the socket's end of the wire: bytes, FIN, an error, or room to send.
void SimIo::OnWire(SocketId id) {
  Socket* socket = Find(id);
  if (socket == nullptr) return;
  SimConnection::Side& side = SideOf(*socket);
  if (socket->life == Life::kLingering) {
    if (!side.inbox.empty()) {
      side.inbox.Clear();
      network_->WindowOpened(socket->end);
    }
    if (side.fin_arrived || side.error != 0) Finish(id, false);
    return;
  }
  QueueRead(id, *socket);
  if (socket->sending == Sending::kPumping) Pump(id);
}

// --- receiving ---

void SimIo::Want(SocketId id, Read read) {
  Socket* socket = FindLive(id);
  if (socket == nullptr) return;
  ROOST_CHECK(socket->life == Life::kOpen);
  ROOST_CHECK(socket->wanted == Read::kNone);
  socket->wanted = read;
  QueueRead(id, *socket);
}

void SimIo::Receive(SocketId id, BufferGroup group) {
  Want(id, group == BufferGroup::kSmall ? Read::kSmall : Read::kLarge);
}

void SimIo::WaitReadable(SocketId id) { Want(id, Read::kWait); }

void SimIo::CancelReceive(SocketId id) {
  Socket* socket = FindLive(id);
  if (socket == nullptr || socket->wanted == Read::kNone) return;
  const Read withdrawn = std::exchange(socket->wanted, Read::kNone);
  if (withdrawn == Read::kWait || !network_->rng().Chance(0.5)) return;
  socket->late = withdrawn;
  socket->late_until_ns = NowNs() + network_->Latency();
}

bool SimIo::ReceivePending(SocketId id) const {
  const Socket* socket = FindLive(id);
  return socket != nullptr && socket->wanted != Read::kNone;
}

void SimIo::QueueRead(SocketId id, Socket& socket) {
  const bool listens = socket.wanted != Read::kNone || socket.late != Read::kNone;
  if (socket.queued || !listens || socket.life != Life::kOpen || !SideOf(socket).readable()) return;
  socket.queued = true;
  ready_.push_back({.kind = Ready::Kind::kRead, .socket = id});
}

void SimIo::HandleRead(const Ready& ready) {
  Socket* socket = FindLive(ready.socket);
  if (socket == nullptr || !socket->queued) return;
  socket->queued = false;
  if (!SideOf(*socket).readable()) return;
  const Read late = std::exchange(socket->late, Read::kNone);
  if (late != Read::kNone && NowNs() <= socket->late_until_ns) {
    if (socket->wanted != Read::kWait) socket->wanted = Read::kNone;
    GiveBytes(ready.socket, *socket, late);
    if (Socket* again = FindLive(ready.socket)) QueueRead(ready.socket, *again);
    return;
  }
  if (socket->wanted == Read::kNone) return;
  if (socket->wanted == Read::kWait) {
    socket->wanted = Read::kNone;
    handler_->OnReadable(socket->owner, ready.socket);
    return;
  }
  if (network_->rng().Chance(network_->options_.dry)) {
    ++stats_.buffers_dry;
    network_->Schedule(network_->Latency(), [this, id = ready.socket] {
      if (Socket* dry = FindLive(id)) QueueRead(id, *dry);
    });
    return;
  }
  GiveBytes(ready.socket, *socket, std::exchange(socket->wanted, Read::kNone));
}

void SimIo::GiveBytes(SocketId id, Socket& socket, Read group) {
  SimConnection::Side& side = SideOf(socket);
  if (side.inbox.empty()) {
    handler_->OnReceive(socket.owner, id, {}, side.error);
    return;
  }
  Rng& rng = network_->rng();
  const size_t buffer = group == Read::kSmall ? limits_.small_buffer : limits_.large_buffer;
  size_t count = std::min(side.inbox.size(), buffer);
  if (rng.Chance(network_->options_.fragment)) {
    count = std::min<size_t>(count, rng.Between(1, network_->options_.fragment_max));
  }
  // A buffer of exactly that size, gone after the call: a sanitizer sees
  // whoever reads past or later.
  const std::unique_ptr<uint8_t[]> bytes(new uint8_t[count]);
  std::copy_n(side.inbox.span().data(), count, bytes.get());
  side.inbox.Consume(count);
  network_->WindowOpened(socket.end);
  stats_.received_bytes += count;
  if (socket.end.side == 0) stats_.connected_received_bytes += count;
  handler_->OnReceive(socket.owner, id, {bytes.get(), count}, 0);
}

// --- sending ---

void SimIo::Send(SocketId id, std::string&& bytes) {
  Socket* socket = FindLive(id);
  if (socket == nullptr) return;
  ROOST_CHECK(socket->life == Life::kOpen);
  ROOST_CHECK(socket->sending == Sending::kNo);
  socket->out = std::move(bytes);
  socket->out_at = 0;
  socket->sending = Sending::kPumping;
  Pump(id);
}

bool SimIo::SendPending(SocketId id) const {
  const Socket* socket = FindLive(id);
  return socket != nullptr && socket->sending != Sending::kNo;
}

// Puts as much on the wire as it takes.
void SimIo::Pump(SocketId id) {
  Socket* socket = Find(id);
  const SimConnection& connection = *socket->end.connection;
  const SimConnection::Side& own = connection.sides[socket->end.side];
  const SimConnection::Side& other = connection.sides[1 - socket->end.side];
  if (own.error != 0) return AllSent(id, *socket);
  bool blocked = false;
  while (socket->out_at < socket->out.size()) {
    const size_t used = own.on_the_way + other.inbox.size();
    const size_t room =
        network_->options_.socket_buffer - std::min<size_t>(used, network_->options_.socket_buffer);
    size_t count = std::min({room, kSegment, socket->out.size() - socket->out_at});
    if (count == 0) {
      blocked = true;
      break;
    }
    if (network_->rng().Chance(network_->options_.fragment)) {
      count = std::min<size_t>(count, network_->rng().Between(1, network_->options_.fragment_max));
    }
    network_->Transmit(socket->end, socket->out.substr(socket->out_at, count));
    socket->out_at += count;
    stats_.sent_bytes += count;
    if (socket->end.side == 0) stats_.connected_sent_bytes += count;
  }
  if (blocked) {
    ++stats_.blocked_sends;
    if (socket->out_at != 0) ++stats_.short_sends;
    return;
  }
  AllSent(id, *socket);
}

// All is on the wire, or the connection is broken.
void SimIo::AllSent(SocketId id, Socket& socket) {
  socket.sending = Sending::kNo;
  socket.out = std::string();
  const int error = SideOf(socket).error;
  if (socket.life == Life::kOpen) {
    socket.sending = Sending::kTelling;
    ready_.push_back({.kind = Ready::Kind::kSent, .socket = id, .error = error});
    return;
  }
  if (error != 0) return Finish(id, false);
  if (!socket.last.empty()) {
    socket.out = std::exchange(socket.last, {});
    socket.out_at = 0;
    socket.sending = Sending::kPumping;
    return Pump(id);
  }
  Linger(id, socket);
}

// --- ending ---

void SimIo::Close(SocketId id, std::string&& last_words) {
  Socket* socket = FindLive(id);
  if (socket == nullptr) return;
  if (socket->life == Life::kConnecting) return Abort(id);
  --stats_.sockets_open;
  ++stats_.sockets_closing;
  socket->life = Life::kDraining;
  socket->wanted = Read::kNone;
  socket->last = std::move(last_words);
  network_->Schedule(MsToNs(limits_.drain_ms), [this, id] {
    const Socket* slow = Find(id);
    if (slow != nullptr && slow->life == Life::kDraining) Finish(id, true);
  });
  if (socket->sending != Sending::kPumping) AllSent(id, *socket);
}

void SimIo::Linger(SocketId id, Socket& socket) {
  socket.life = Life::kLingering;
  if (!socket.peer_ends) network_->SendFin(socket.end);
  network_->Schedule(MsToNs(limits_.linger_ms), [this, id] {
    if (Find(id) != nullptr) Finish(id, false);
  });
  OnWire(id);
}

void SimIo::Abort(SocketId id) {
  Socket* socket = FindLive(id);
  if (socket == nullptr) return;
  --stats_.sockets_open;
  ++stats_.sockets_closing;
  Finish(id, socket->reset_on_close);
}

// The socket ends here, as a kernel ends it: unread bytes become a reset at the other side.
void SimIo::Finish(SocketId id, bool reset) {
  Socket* socket = Find(id);
  const SimEnd end = socket->end;
  if (end.connection != nullptr) {
    SimConnection::Side& side = end.connection->sides[end.side];
    reset = reset || !side.inbox.empty();
    side.io = nullptr;
    side.ended = true;
    side.inbox.Clear();
    if (side.error == 0) reset ? network_->SendReset(end) : network_->SendFin(end);
  }
  --stats_.sockets_closing;
  sockets_.Free(id.index);
  SlotFreed();
}

void SimIo::Die() {
  dead_ = true;
  while (!listeners_.empty()) CloseListener(listeners_.front()->id);
  sockets_.ForEach([this](uint32_t index, Socket& socket) {
    const SocketId id{index, socket.generation};
    if (socket.life <= Life::kOpen) {
      Abort(id);
    } else {
      Finish(id, true);
    }
  });
  ready_.clear();
}

// --- between Ios ---

void SimIo::Move(SocketId id, uint32_t target, uint64_t token) {
  Socket* socket = FindLive(id);
  if (socket == nullptr) return;
  ROOST_CHECK(socket->life == Life::kOpen && socket->sending == Sending::kNo);
  ROOST_CHECK(socket->wanted == Read::kNone || socket->wanted == Read::kWait);
  ROOST_CHECK(socket->late == Read::kNone || NowNs() > socket->late_until_ns);
  SimIo* destination = network_->sets_.at(set_id_).at(target);
  SimEnd end = socket->end;
  end.connection->sides[end.side].io = nullptr;
  --stats_.sockets_open;
  sockets_.Free(id.index);
  SlotFreed();
  network_->Schedule(network_->Latency(),
                     [destination, end, token] { destination->OnArrival(end, token); });
}

void SimIo::OnArrival(const SimEnd& end, uint64_t token) {
  Ready ready{.kind = Ready::Kind::kMoved, .token = token};
  if (dead_ || sockets_.full()) {
    SimConnection::Side& side = end.connection->sides[end.side];
    side.ended = true;
    network_->SendReset(end);
    ready.error = ENFILE;
  } else {
    ready.socket = Place(end);
  }
  if (!dead_) ready_.push_back(std::move(ready));
}

void SimIo::RingBell(uint32_t target) {
  SimIo* destination = network_->sets_.at(set_id_).at(target);
  network_->Schedule(network_->Latency(), [destination] { destination->OnRung(); });
}

void SimIo::OnRung() {
  if (dead_ || std::exchange(bell_queued_, true)) return;
  ready_.push_back({.kind = Ready::Kind::kBell});
}

// --- turns ---

int SimIo::RunOnce(uint64_t deadline_ns) {
  ROOST_CHECK(!dead_ && handler_ != nullptr);
  network_->Settle();
  deadline_ns_ = deadline_ns;
  last_run_ns_ = NowNs();
  ++stats_.turns;
  const size_t count = std::min<size_t>(ready_.size(), limits_.events_per_turn);
  for (size_t i = 0; i < count && !dead_; ++i) {
    if (network_->rng().Chance(network_->options_.reorder)) {
      std::swap(ready_.front(), ready_[network_->rng().Below(ready_.size())]);
    }
    const Ready ready = std::move(ready_.front());
    ready_.pop_front();
    Handle(ready);
  }
  return static_cast<int>(count);
}

void SimIo::Handle(const Ready& ready) {
  switch (ready.kind) {
    case Ready::Kind::kAccept:
      return HandleAccept(ready);
    case Ready::Kind::kRead:
      return HandleRead(ready);
    case Ready::Kind::kMoved:
      return handler_->OnMoved(ready.token, ready.socket, ready.error);
    case Ready::Kind::kBell:
      bell_queued_ = false;
      return handler_->OnBell();
    case Ready::Kind::kSent:
      if (Socket* socket = FindLive(ready.socket)) {
        socket->sending = Sending::kNo;
        handler_->OnSent(socket->owner, ready.socket, ready.error);
      }
      return;
    case Ready::Kind::kConnected: {
      Socket* socket = FindLive(ready.socket);
      if (socket == nullptr) return;
      const Owner owner = socket->owner;
      if (ready.error != 0) {
        Abort(ready.socket);
      } else {
        socket->life = Life::kOpen;
        ++stats_.connected;
      }
      return handler_->OnConnect(owner, ready.socket, ready.error);
    }
  }
}

}  // namespace roost
