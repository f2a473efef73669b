// Receiving and sending on a socket that is open, and what of it goes on while it is being closed.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/base/check.h"
#include "core/base/cleanse.h"
#include "core/io/uring_io.h"

namespace roost {

UringIo::Socket* UringIo::FindLive(SocketId id) const {
  Socket* socket = Find(id);
  if (socket == nullptr) return nullptr;
  return socket->life == Life::kOpen || socket->life == Life::kConnecting ? socket : nullptr;
}

uint64_t UringIo::Request(Op op, SocketId id, Socket* socket) {
  ++socket->in_flight;
  return Handle(static_cast<uint8_t>(op), id.index, id.generation).bits();
}

void UringIo::SetOwner(SocketId id, Owner owner) {
  if (Socket* socket = FindLive(id)) socket->owner = owner;
}

bool UringIo::IsOpen(SocketId id) const { return FindLive(id) != nullptr; }

// --- receiving ---

void UringIo::Receive(SocketId id, BufferGroup group) {
  Want(id, group == BufferGroup::kSmall ? Read::kSmall : Read::kLarge);
}

void UringIo::WaitReadable(SocketId id) { Want(id, Read::kWait); }

void UringIo::Want(SocketId id, Read read) {
  Socket* socket = FindLive(id);
  if (socket == nullptr) return;
  ROOST_CHECK(socket->life == Life::kOpen);
  ROOST_CHECK(socket->wanted == Read::kNone);
  socket->wanted = read;
  // Else something that was withdrawn is still in flight: its completion goes on from here.
  if (socket->armed == Armed::kNone) ArmRead(id, socket);
}

void UringIo::CancelReceive(SocketId id) {
  Socket* socket = FindLive(id);
  if (socket == nullptr || socket->wanted == Read::kNone) return;
  socket->wanted = Read::kNone;
  socket->dry = false;
  if (socket->armed != Armed::kNone && !socket->cancelling) DisarmRead(id, socket);
}

bool UringIo::ReceivePending(SocketId id) const {
  const Socket* socket = FindLive(id);
  return socket != nullptr && socket->wanted != Read::kNone;
}

// Asks the kernel for what is wanted.
void UringIo::ArmRead(SocketId id, Socket* socket) {
  ROOST_DCHECK(socket->armed == Armed::kNone && socket->wanted != Read::kNone);
  if (socket->wanted == Read::kWait) {
    socket->armed = Armed::kPoll;
    ring_->Poll(Descriptor(*socket), true, false, Request(Op::kPollIn, id, socket));
  } else if (dry_[socket->wanted == Read::kLarge].empty()) {
    ArmReceive(id, socket);
  } else {
    QueueDry(id, socket);  // behind those who came first
  }
}

void UringIo::ArmReceive(SocketId id, Socket* socket) {
  const bool large = socket->wanted == Read::kLarge;
  socket->armed = large ? Armed::kLarge : Armed::kSmall;
  ring_->Receive(Descriptor(*socket), large ? 1 : 0, !socket->expecting,
                 Request(Op::kReceive, id, socket));
}

void UringIo::ArmDiscard(SocketId id, Socket* socket) {
  socket->armed = Armed::kDiscard;
  ring_->Discard(Descriptor(*socket), Request(Op::kDiscard, id, socket));
}

void UringIo::DisarmRead(SocketId id, Socket* socket) {
  socket->cancelling = true;
  Op op = Op::kReceive;
  if (socket->armed == Armed::kPoll) op = Op::kPollIn;
  if (socket->armed == Armed::kDiscard) op = Op::kDiscard;
  const Handle cancelled(static_cast<uint8_t>(op), id.index, id.generation);
  ring_->Cancel(cancelled.bits(), Request(Op::kCancelIn, id, socket));
}

void UringIo::QueueDry(SocketId id, Socket* socket) {
  socket->dry = true;
  dry_[socket->wanted == Read::kLarge].push_back(id);
}

// Between turns all buffers but those of unread completions are back: as many receives as there are
// buffers are tried again, the oldest first.
void UringIo::ArmDry() {
  for (uint16_t group = 0; group < 2; ++group) {
    std::deque<SocketId>& queue = dry_[group];
    for (uint32_t room = ring_->BufferCount(group); room > 0 && !queue.empty();) {
      const SocketId id = queue.front();
      queue.pop_front();
      Socket* socket = FindLive(id);
      if (socket == nullptr || !socket->dry) continue;
      socket->dry = false;
      ArmReceive(id, socket);
      --room;
    }
  }
}

void UringIo::HandleReceive(SocketId id, const Completion& completion) {
  Socket* socket = Find(id);
  const uint16_t group = socket->armed == Armed::kLarge ? 1 : 0;
  const size_t size = static_cast<size_t>(std::max(completion.result, 0));
  socket->armed = Armed::kNone;
  socket->cancelling = false;
  if (completion.result == -ENOBUFS) {
    ++stats_.buffers_dry;
    ring_->NoteDry(group);
  }
  std::span<uint8_t> bytes;
  if (completion.has_buffer) bytes = ring_->Buffer(group, completion.buffer, size);
  Received(id, socket, completion, bytes);
  if (completion.has_buffer) ring_->ReturnBuffer(group, completion.buffer);
}

void UringIo::Received(SocketId id, Socket* socket, const Completion& completion,
                       std::span<uint8_t> bytes) {
  const int result = completion.result;
  const bool again = result == -ECANCELED || result == -EINTR || result == -EAGAIN;
  socket->peer_done = result <= 0 && !again && result != -ENOBUFS;
  if (socket->life == Life::kLingering) {
    if (result > 0 || again || result == -ENOBUFS) return ArmDiscard(id, socket);
    return Stop(id, socket);
  }
  if (socket->life != Life::kOpen) return;
  if (again || result == -ENOBUFS) {
    socket->expecting = result == -ENOBUFS;
    if (socket->wanted == Read::kNone) return;
    if (result == -ENOBUFS && socket->wanted != Read::kWait) return QueueDry(id, socket);
    return ArmRead(id, socket);
  }
  socket->expecting = completion.nonempty;
  stats_.received_bytes += bytes.size();
  if (socket->connected) stats_.connected_received_bytes += bytes.size();
  // A withdrawn receive may complete while a wait is asked for: the wait goes on.
  if (socket->wanted == Read::kWait) {
    ArmRead(id, socket);
  } else {
    socket->wanted = Read::kNone;
  }
  handler_->OnReceive(socket->owner, id, bytes, result < 0 ? -result : 0);
}

void UringIo::HandlePollIn(SocketId id, const Completion& completion) {
  Socket* socket = Find(id);
  socket->armed = Armed::kNone;
  socket->cancelling = false;
  if (socket->life == Life::kLingering) return ArmDiscard(id, socket);
  if (socket->life != Life::kOpen || socket->wanted == Read::kNone) return;
  if (completion.result == -ECANCELED || socket->wanted != Read::kWait) {
    return ArmRead(id, socket);
  }
  socket->wanted = Read::kNone;
  socket->expecting = true;
  handler_->OnReadable(socket->owner, id);
}

void UringIo::HandleDiscard(SocketId id, const Completion& completion) {
  Socket* socket = Find(id);
  socket->armed = Armed::kNone;
  socket->cancelling = false;
  if (socket->life != Life::kLingering) return;
  const int result = completion.result;
  if (result > 0 || result == -EINTR || result == -EAGAIN) return ArmDiscard(id, socket);
  Stop(id, socket);
}

// --- sending ---

void UringIo::Send(SocketId id, std::string&& bytes) {
  Socket* socket = FindLive(id);
  if (socket == nullptr) return;
  ROOST_CHECK(socket->life == Life::kOpen);
  ROOST_CHECK(socket->outgoing == kNoIndex);
  const auto outgoing = outgoing_.New();
  ROOST_CHECK(outgoing);
  outgoing->bytes = std::move(bytes);
  socket->outgoing = outgoing.index;
  StartSend(id, socket);
}

void UringIo::SendSecret(SocketId id, std::string&& bytes) {
  Send(id, std::move(bytes));
  const Socket* socket = FindLive(id);
  if (socket != nullptr) outgoing_[socket->outgoing].secret = true;
}

bool UringIo::SendPending(SocketId id) const {
  const Socket* socket = FindLive(id);
  return socket != nullptr && socket->outgoing != kNoIndex;
}

void UringIo::StartSend(SocketId id, Socket* socket) {
  const Outgoing& outgoing = outgoing_[socket->outgoing];
  const auto* bytes = reinterpret_cast<const uint8_t*>(outgoing.bytes.data());
  ring_->Send(Descriptor(*socket), {bytes + outgoing.sent, outgoing.bytes.size() - outgoing.sent},
              Request(Op::kSend, id, socket));
}

void UringIo::WaitForRoom(SocketId id, Socket* socket) {
  ++stats_.blocked_sends;
  socket->polling_out = true;
  ring_->Poll(Descriptor(*socket), false, true, Request(Op::kPollOut, id, socket));
}

void UringIo::HandleSend(SocketId id, const Completion& completion) {
  Socket* socket = Find(id);
  if (socket->life != Life::kOpen && socket->life != Life::kDraining) return;
  const int result = completion.result;
  if (result == -EAGAIN) {
    return WaitForRoom(id, socket);
  }
  if (result == -EINTR) return StartSend(id, socket);
  if (result < 0) return SendEnded(id, socket, -result);
  Outgoing& outgoing = outgoing_[socket->outgoing];
  outgoing.sent += static_cast<size_t>(result);
  stats_.sent_bytes += static_cast<uint64_t>(result);
  if (socket->connected) stats_.connected_sent_bytes += static_cast<uint64_t>(result);
  if (outgoing.sent == outgoing.bytes.size()) return SendEnded(id, socket, 0);
  ++stats_.short_sends;
  WaitForRoom(id, socket);
}

void UringIo::HandlePollOut(SocketId id) {
  Socket* socket = Find(id);
  socket->polling_out = false;
  if (socket->life == Life::kOpen || socket->life == Life::kDraining) StartSend(id, socket);
}

// Everything left, or the connection broke.
void UringIo::SendEnded(SocketId id, Socket* socket, int error) {
  if (socket->life == Life::kOpen) {
    FreeOutgoing(socket);
    return handler_->OnSent(socket->owner, id, error);
  }
  if (error != 0) return Stop(id, socket);
  Outgoing& outgoing = outgoing_[socket->outgoing];
  if (outgoing.last.empty()) {
    FreeOutgoing(socket);
    return Linger(id, socket);
  }
  if (outgoing.secret) Cleanse(&outgoing.bytes);
  outgoing.bytes = std::exchange(outgoing.last, {});
  outgoing.sent = 0;
  StartSend(id, socket);
}

}  // namespace roost
