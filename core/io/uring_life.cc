// How a socket of our own making begins, how one changes its ring, and the
// one way in which all end.
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "core/base/check.h"
#include "core/base/cleanse.h"
#include "core/io/listener.h"
#include "core/io/sockaddr.h"
#include "core/io/uring_io.h"

namespace roost {
namespace {

// Cancels take effect at once, or in the turn that follows.
constexpr uint64_t kStopPatienceMs = 5000;

}  // namespace

SocketId UringIo::Place(int32_t number, Life life) {
  const auto ref = sockets_.New();
  if (!ref) return {};
  ref->number = number;
  ref->life = life;
  ++stats_.sockets_open;
  if (AtAcceptBound()) BeFull();
  return {ref.index, ref.generation};
}

// --- connecting ---

SocketId UringIo::Connect(const Address& to, const ConnectOptions& options, Owner owner) {
  const SocketId id = Place(-1, Life::kConnecting);
  if (!id) return {};
  Socket* socket = Find(id);
  const auto side = sides_.New();
  ROOST_CHECK(side);
  socket->owner = owner;
  socket->connected = true;
  socket->peer_ends = options.peer_ends;
  socket->side = side.index;
  side->length = ToSockaddr(to, &side->address);
  // An ordinary socket first, because its options are set by ordinary calls.
  const int fd = OpenConnectSocket(to, options);
  if (fd < 0) {
    side->error = -fd;
    failed_.push_back(id);
  } else if (direct_) {
    side->fd = side->slot = fd;
    ring_->Install(&side->slot, Request(Op::kInstall, id, socket));
  } else {
    socket->number = fd;
    StartConnect(id, socket);
  }
  return id;
}

void UringIo::StartConnect(SocketId id, Socket* socket) {
  const Side& side = sides_[socket->side];
  ring_->Connect(Descriptor(*socket), reinterpret_cast<const sockaddr*>(&side.address), side.length,
                 Request(Op::kConnect, id, socket));
}

void UringIo::HandleInstall(SocketId id, const Completion& completion) {
  Socket* socket = Find(id);
  Side& side = sides_[socket->side];
  close(std::exchange(side.fd, -1));
  if (completion.result == 1) socket->number = side.slot;
  if (socket->life != Life::kConnecting) return;
  if (completion.result == 1) return StartConnect(id, socket);
  HandleConnect(id, completion.result < 0 ? -completion.result : EMFILE);
}

void UringIo::HandleConnect(SocketId id, int error) {
  Socket* socket = Find(id);
  if (socket->life != Life::kConnecting) return;
  FreeSide(socket);
  if (error == 0) {
    socket->life = Life::kOpen;
    ++stats_.connected;
  } else {
    Stop(id, socket);
  }
  handler_->OnConnect(socket->owner, id, error);
}

// --- moving ---

void UringIo::Move(SocketId id, uint32_t target, uint64_t token) {
  ROOST_CHECK(target < set_->size());
  Socket* socket = FindLive(id);
  if (socket == nullptr) return;
  ROOST_CHECK(socket->life == Life::kOpen && socket->outgoing == kNoIndex);
  ROOST_CHECK(socket->wanted == Read::kNone || socket->wanted == Read::kWait);
  ROOST_CHECK(socket->armed == Armed::kNone || socket->armed == Armed::kPoll);
  const auto side = sides_.New();
  ROOST_CHECK(side);
  side->target = target;
  side->token = token;
  socket->side = side.index;
  socket->wanted = Read::kNone;
  Leave(socket, Life::kMoving);
  if (socket->armed == Armed::kPoll && !socket->cancelling) DisarmRead(id, socket);
  Advance(id);
}

void UringIo::HandOver(SocketId id, Socket* socket) {
  const Side& side = sides_[socket->side];
  if (direct_ && side.target != number_) {
    ring_->SendDescriptor(set_->at(side.target).ring_->fd(), socket->number,
                          Request(Op::kSendDescriptor, id, socket));
    return;
  }
  Deliver(side.target, {side.token, std::exchange(socket->number, -1), 0, socket->connected});
  socket->life = Life::kStopping;
  Advance(id);
}

// The copy over there is made, or refused. Ours is closed either way, without a shutdown: that
// would end the connection for both.
void UringIo::HandleSendDescriptor(SocketId id, const Completion& completion) {
  Socket* socket = Find(id);
  const Side& side = sides_[socket->side];
  const bool failed = completion.result < 0;
  Deliver(side.target, {side.token, failed ? -1 : completion.result,
                        failed ? -completion.result : 0, socket->connected});
  socket->life = Life::kStopping;
}

void UringIo::Deliver(uint32_t target, const Arrival& arrival) {
  UringIo& other = set_->at(target);
  {
    const std::lock_guard lock(other.shared_.mutex);
    other.shared_.inbox.push_back(arrival);
  }
  Signal(target, kInboxSignal);
}

// --- ending ---

// The owner's id becomes stale.
void UringIo::Leave(Socket* socket, Life life) {
  --stats_.sockets_open;
  ++stats_.sockets_closing;
  socket->life = life;
}

void UringIo::ArmTimer(SocketId id, Socket* socket, uint64_t after_ms) {
  timers_.Cancel(&socket->timer);
  const Handle handle(static_cast<uint8_t>(Op::kSocketTimer), id.index, id.generation);
  socket->timer = timers_.Arm(now_ns_ + MsToNs(after_ms), handle.bits());
}

void UringIo::Close(SocketId id, std::string&& last_words) {
  Socket* socket = FindLive(id);
  if (socket == nullptr) return;
  if (socket->life == Life::kConnecting) return Abort(id);
  Leave(socket, Life::kDraining);
  socket->wanted = Read::kNone;
  socket->dry = false;
  ArmTimer(id, socket, limits_.drain_ms);
  if (socket->outgoing != kNoIndex) {
    outgoing_[socket->outgoing].last = std::move(last_words);
  } else if (last_words.empty()) {
    Linger(id, socket);
  } else {
    const auto outgoing = outgoing_.New();
    ROOST_CHECK(outgoing);
    outgoing->bytes = std::move(last_words);
    socket->outgoing = outgoing.index;
    StartSend(id, socket);
  }
  Advance(id);
}

// Everything is sent: what the peer still says is read away, so that it sees our
// last words before a reset.
void UringIo::Linger(SocketId id, Socket* socket) {
  if (socket->peer_done) return Stop(id, socket);  // nothing is unread: close says it all
  socket->life = Life::kLingering;
  ArmTimer(id, socket, limits_.linger_ms);
  // The ring hands a shutdown to a worker thread: an ordinary call is
  // cheaper where there can be one.
  if (socket->peer_ends) {
    // It knows by the last words that it may.
  } else if (direct_) {
    ring_->Shutdown(Descriptor(*socket), SHUT_WR, Request(Op::kShutdown, id, socket));
  } else {
    shutdown(socket->number, SHUT_WR);
  }
  if (socket->armed == Armed::kNone) ArmDiscard(id, socket);
}

void UringIo::Abort(SocketId id) {
  Socket* socket = FindLive(id);
  if (socket == nullptr) return;
  Stop(id, socket);
  Advance(id);
}

// Ends what is in flight. Closing a descriptor that requests hold would not close the connection:
// first all of them have to be gone.
void UringIo::Stop(SocketId id, Socket* socket) {
  if (socket->life == Life::kStopping || socket->life == Life::kClosing) return;
  const bool connecting = socket->life == Life::kConnecting;
  if (socket->life <= Life::kOpen) {
    Leave(socket, Life::kStopping);
  } else {
    socket->life = Life::kStopping;
  }
  socket->wanted = Read::kNone;
  socket->dry = false;
  timers_.Cancel(&socket->timer);
  if (socket->in_flight == 0 || socket->number < 0) return;
  const auto cancel = [&](Op op) {
    const Handle cancelled(static_cast<uint8_t>(op), id.index, id.generation);
    ring_->Cancel(cancelled.bits(), Request(Op::kCancelOut, id, socket));
  };
  if (socket->armed != Armed::kNone && !socket->cancelling) DisarmRead(id, socket);
  if (socket->polling_out) cancel(Op::kPollOut);
  if (connecting) cancel(Op::kConnect);
  ArmTimer(id, socket, kStopPatienceMs);
}

// Requests that outlived their cancel, which nobody has seen yet: a shutdown ends
// whatever waits for the peer.
void UringIo::Insist(SocketId id, Socket* socket) {
  if (socket->in_flight == 0 || socket->number < 0) return;
  ring_->Shutdown(Descriptor(*socket), SHUT_RDWR, Request(Op::kShutdown, id, socket));
}

void UringIo::Advance(SocketId id) {
  Socket* socket = Find(id);
  if (socket == nullptr || socket->in_flight != 0) return;
  if (socket->life == Life::kMoving) return HandOver(id, socket);
  if (socket->life != Life::kStopping && socket->life != Life::kClosing) return;
  if (socket->number < 0) return FreeCell(id, socket);
  socket->life = Life::kClosing;
  ring_->Close(Descriptor(*socket), Request(Op::kClose, id, socket));
}

void UringIo::FreeCell(SocketId id, Socket* socket) {
  timers_.Cancel(&socket->timer);
  FreeSide(socket);
  FreeOutgoing(socket);
  --stats_.sockets_closing;
  sockets_.Free(id.index);
  SlotFreed();
}

void UringIo::FreeSide(Socket* socket) {
  if (socket->side == kNoIndex) return;
  Side& side = sides_[socket->side];
  if (side.fd >= 0) close(side.fd);
  sides_.Free(std::exchange(socket->side, kNoIndex));
}

void UringIo::FreeOutgoing(Socket* socket) {
  if (socket->outgoing == kNoIndex) return;
  Outgoing& outgoing = outgoing_[socket->outgoing];
  if (outgoing.secret) Cleanse(&outgoing.bytes);
  outgoing_.Free(std::exchange(socket->outgoing, kNoIndex));
}

// Closes what never became a socket here.
void UringIo::CloseNumber(int32_t number) {
  ring_->Close({number, direct_}, Handle(static_cast<uint8_t>(Op::kForget), 0, 1).bits());
}

}  // namespace roost
