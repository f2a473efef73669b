// Accepting: how many connections are let in, and what is known of them when the owner hears.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/base/check.h"
#include "core/io/sockaddr.h"
#include "core/io/uring_io.h"

namespace roost {
namespace {

// Nobody is let in when this much of the slots is taken: the rest is for moves
// and backend connections.
constexpr uint64_t kAcceptPercent = 95;
// Out of descriptors though not of slots: others hold them. Tried again after this.
constexpr uint64_t kRetryNs = MsToNs(100);

uint32_t AcceptBound(const IoLimits& limits) {
  return std::max<uint32_t>(
      1, static_cast<uint32_t>(uint64_t{limits.max_sockets} * kAcceptPercent / 100));
}

bool ConcernsOneConnection(int error) {
  return error == ECONNABORTED || error == EINTR || error == EAGAIN || error == EPROTO ||
         error == EPERM || error == ETIMEDOUT || error == ENETDOWN || error == EHOSTUNREACH ||
         error == ENETUNREACH;
}

// Of an ordinary sort, which is what runs out first where they are used at all.
bool HasDescriptors() {
  const int one = open("/", O_PATH | O_CLOEXEC);
  if (one < 0) return false;
  close(one);
  return true;
}

// Connections that wait to be accepted.
uint32_t BacklogOf(int fd) {
  tcp_info info{};
  socklen_t length = sizeof(info);
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return 0;
  return info.tcpi_unacked;
}

}  // namespace

UringIo::Listener* UringIo::FindListener(uint64_t id, uint32_t* index) {
  Listener* found = nullptr;
  listeners_.ForEach([&](uint32_t at, Listener& listener) {
    if (listener.id != id || listener.closing) return;
    found = &listener;
    *index = at;
  });
  return found;
}

int UringIo::Listen(ListenerDescriptor descriptor, uint64_t id) {
  uint32_t index = 0;
  if (descriptor.fd < 0) return EBADF;
  if (FindListener(id, &index) != nullptr) return EEXIST;
  const auto ref = listeners_.New();
  if (!ref) return ENOMEM;
  ref->id = id;
  ref->fd = descriptor.fd;
  ref->backlog = descriptor.backlog;
  ref->family = descriptor.bound.family == 6 ? AF_INET6 : AF_INET;
  ArmAccept(ref.index);
  return 0;
}

void UringIo::PauseAccept(uint64_t id) {
  uint32_t index = 0;
  Listener* listener = FindListener(id, &index);
  if (listener == nullptr) return;
  listener->paused = true;
  CancelAccept(index);
}

void UringIo::ResumeAccept(uint64_t id) {
  uint32_t index = 0;
  Listener* listener = FindListener(id, &index);
  if (listener == nullptr) return;
  listener->paused = false;
  ArmAccept(index);
}

void UringIo::CloseListener(uint64_t id) {
  uint32_t index = 0;
  Listener* listener = FindListener(id, &index);
  if (listener == nullptr) return;
  listener->closing = true;
  if (!std::exchange(listener->listening, true)) --stats_.listeners_full;
  CancelAccept(index);
  FinishListener(index);
}

void UringIo::FinishListener(uint32_t index) {
  const Listener& listener = listeners_[index];
  if (!listener.closing || listener.in_flight != 0) return;
  close(listener.fd);
  listeners_.Free(index);
}

void UringIo::CancelAccept(uint32_t index) {
  Listener& listener = listeners_[index];
  if (listener.asked == 0 || listener.cancelling) return;
  listener.cancelling = true;
  ++listener.in_flight;
  const uint32_t generation = listeners_.GenerationOf(index);
  ring_->Cancel(Handle(static_cast<uint8_t>(Op::kAccept), index, generation).bits(),
                Handle(static_cast<uint8_t>(Op::kCancelAccept), index, generation).bits(),
                /*all=*/true);
}

// As many requests as connections wait, all with one handle; where none waits, one that waits for
// the next. No multishot: it brings a whole backlog at once, which may be larger than the table,
// and which nobody could hold back any more.
void UringIo::ArmAccept(uint32_t index) {
  Listener& listener = listeners_[index];
  if (listener.asked != 0 || listener.paused || !listener.listening || listener.closing) return;
  const uint32_t bound = AcceptBound(limits_);
  if (sockets_.size() >= bound) return BeFull();
  const uint32_t room =
      std::min<uint32_t>(kAcceptsAtOnce, bound - static_cast<uint32_t>(sockets_.size()));
  const auto number = static_cast<uint8_t>(std::clamp(BacklogOf(listener.fd), 1U, room));
  listener.asked = number;
  listener.in_flight += number;
  listener.cancelling = false;
  const Handle handle(static_cast<uint8_t>(Op::kAccept), index, listeners_.GenerationOf(index));
  for (int i = 0; i < number; ++i) ring_->Accept(listener.fd, direct_, handle.bits());
}

bool UringIo::AtAcceptBound() const { return sockets_.size() >= AcceptBound(limits_); }

// Connections in the backlogs would wait for nothing, and the kernel would bring more: it takes the
// sockets out of those that share their addresses, and resets what waits there.
void UringIo::BeFull() {
  const uint64_t before = stats_.listeners_full;
  listeners_.ForEach([this](uint32_t at, Listener& listener) {
    if (listener.closing || !std::exchange(listener.listening, false)) return;
    ++stats_.listeners_full;
    stats_.reset_when_full += BacklogOf(listener.fd);
    CancelAccept(at);
    shutdown(listener.fd, SHUT_RDWR);
  });
  if (before == 0 && stats_.listeners_full != 0) ++stats_.times_full;
}

void UringIo::RetryLater() {
  if (retries_) return;
  const Handle timer(static_cast<uint8_t>(Op::kListenerTimer), 0, 0);
  retries_ = timers_.Arm(now_ns_ + kRetryNs, timer.bits()) != 0;
}

void UringIo::OnListenerTimer() {
  retries_ = false;
  if (stats_.listeners_full == 0) return;
  if (!HasDescriptors()) return RetryLater();
  if (!AtAcceptBound()) ListenAgain();
}

void UringIo::ListenAgain() {
  listeners_.ForEach([this](uint32_t, Listener& listener) {
    if (listener.listening || listener.closing) return;
    if (listen(listener.fd, listener.backlog) != 0) return RetryLater();
    listener.listening = true;
    --stats_.listeners_full;
  });
  listeners_.ForEach([this](uint32_t index, Listener&) { ArmAccept(index); });
}

// A cell was freed: listeners that were full go on, with some distance so as not to flap.
void UringIo::SlotFreed() {
  // Whoever ran out of descriptors looks again by its timer: a cell is not always one of them.
  if (stats_.listeners_full == 0 || retries_) return;
  const uint32_t bound = AcceptBound(limits_);
  if (sockets_.size() < bound - bound / 20) ListenAgain();
}

void UringIo::HandleAccept(Handle handle, const Completion& completion) {
  const uint32_t index = handle.index();
  Listener* listener = listeners_.Find(handle);
  ROOST_CHECK(listener != nullptr);
  --listener->in_flight;
  if (static_cast<Op>(handle.kind()) == Op::kCancelAccept) return FinishListener(index);
  --listener->asked;

  const int result = completion.result;
  if (result < 0 && result != -ECANCELED && !listener->cancelling &&
      !ConcernsOneConnection(-result)) {
    BeFull();
    RetryLater();
  }
  if (result >= 0 && listener->closing) CloseNumber(result);
  if (result >= 0 && !listener->closing) {
    const SocketId id = Place(result, direct_ ? Life::kNaming : Life::kOpen);
    if (!id) {
      CloseNumber(result);
    } else if (direct_) {
      Socket* socket = Find(id);
      const auto side = sides_.New();
      ROOST_CHECK(side);
      side->listener = index;
      side->listener_generation = handle.generation();
      side->length = SockaddrLength(listener->family);
      socket->side = side.index;
      ring_->PeerName(Descriptor(*socket), &side->address, side->length,
                      Request(Op::kPeerName, id, socket));
    } else {
      sockaddr_storage address{};
      socklen_t length = sizeof(address);
      // It fails when the peer has reset already: then there is nobody to talk to.
      if (getpeername(result, reinterpret_cast<sockaddr*>(&address), &length) == 0) {
        Introduce(id, listener->id, FromSockaddr(address));
      } else {
        Stop(id, Find(id));
        Advance(id);
      }
    }
  }
  // The handler may have closed the listener.
  listener = listeners_.Find(handle);
  if (listener == nullptr) return;
  ArmAccept(index);
  FinishListener(index);
}

void UringIo::HandlePeerName(SocketId id, const Completion& completion) {
  Socket* socket = Find(id);
  if (socket->life != Life::kNaming) return;
  const Side& side = sides_[socket->side];
  const Listener* listener = listeners_.Find(side.listener, side.listener_generation);
  const Address peer = FromSockaddr(side.address);
  FreeSide(socket);
  if (completion.result < 0 || listener == nullptr || listener->closing) return Stop(id, socket);
  socket->life = Life::kOpen;
  Introduce(id, listener->id, peer);
}

void UringIo::Introduce(SocketId id, uint64_t listener, const Address& peer) {
  ++stats_.accepted;
  handler_->OnAccept(listener, id, peer);
}

}  // namespace roost
