#include "core/stream/stream.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/base/cleanse.h"
#include "proto/check.h"

namespace roost {
namespace {

// A context costs about 700 bytes a direction and saves most of a microsecond a record: worth it
// from here on.
constexpr uint32_t kRecordsBeforeContext = 4;
// A receive that brings so much is followed by one into a large buffer. Those who only talk share
// few and small ones.
constexpr size_t kBulkBytes = 2048;
// Input that was consumed is moved down when it exceeds this, so that the buffer does not creep.
constexpr size_t kCompactBytes = 4096;

std::span<uint8_t> Bytes(std::string& s) {
  return {reinterpret_cast<uint8_t*>(s.data()), s.size()};
}

void Append(std::string& to, std::span<const uint8_t> bytes) {
  to.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace

Stream::Stream(StreamSet& set, StreamOwner& owner) : set_(set), owner_(owner) {
  slot_ = set_.Add(this);
}

Stream::~Stream() {
  if (phase_ != Phase::kEnded && phase_ != Phase::kUnopened) Abort();
  Wipe(tls_);
  if (secret_) {
    Release(input_);
    Release(out_);
  }
  set_.Remove(slot_);
}

void Stream::Connect(const Address& to, const ConnectOptions& options) {
  ROOST_CHECK(phase_ == Phase::kUnopened);
  phase_ = Phase::kConnecting;
  socket_ = set_.io().Connect(to, options, set_.OwnerOf(slot_));
  if (!socket_) OnConnect(EMFILE);
}

void Stream::OnConnect(int error) {
  if (phase_ != Phase::kConnecting) return;
  if (error != 0) {
    error_ = error == EMFILE ? "out of descriptors" : std::strerror(error);
    return End(StreamEnd::kBroken);
  }
  phase_ = Phase::kPlain;
  owner_.OnConnected(*this);
  Arm();
}

void Stream::Release(std::string& buffer) {
  if (secret_) Cleanse(buffer.data(), buffer.size());
  std::string().swap(buffer);
}

void Stream::Open(SocketId socket) {
  ROOST_CHECK(phase_ == Phase::kUnopened);
  socket_ = socket;
  phase_ = Phase::kPlain;
  set_.io().SetOwner(socket_, set_.OwnerOf(slot_));
  Arm();
}

void Stream::Open(Detached&& connection) {
  ROOST_CHECK(phase_ == Phase::kUnopened);
  socket_ = connection.socket;
  tls_ = connection.tls;
  Wipe(connection.tls);
  phase_ = tls_.suite == TlsSuite::kNone ? Phase::kPlain : Phase::kSecure;
  input_ = std::move(connection.plaintext);
  cipher_in_ = std::move(connection.ciphertext);
  set_.io().SetOwner(socket_, set_.OwnerOf(slot_));
  Arm();
}

void Stream::DeliverPending() {
  if (!cipher_in_.empty() && phase_ == Phase::kSecure) {
    std::string pending = std::exchange(cipher_in_, {});
    OpenRecords(Bytes(pending));
    return;
  }
  if (!input().empty() && phase_ != Phase::kEnded) owner_.OnInput(*this);
}

void Stream::StartTls(const TlsServerContext& context) {
  StartHandshake(Handshake::Server(context));
}

void Stream::StartTls(const TlsClientContext& context, std::string_view server_name) {
  StartHandshake(Handshake::Client(context, server_name));
  AdvanceHandshake();  // the ClientHello
}

void Stream::StartHandshake(std::unique_ptr<Handshake> handshake) {
  ROOST_CHECK(phase_ == Phase::kPlain);
  sealed_ += out_;  // what was said in clear (the answer to STARTTLS) goes out in clear
  Release(out_);
  Dirty();
  phase_ = Phase::kHandshaking;
  handshake_ = std::move(handshake);
  ++set_.stats_.handshakes_in_progress;
}

void Stream::Consume(size_t bytes) {
  consumed_ += bytes;
  ROOST_DCHECK(consumed_ <= input_.size());
  if (consumed_ == input_.size()) {
    consumed_ = 0;
    Release(input_);
  } else if (consumed_ > kCompactBytes) {
    input_.erase(0, consumed_);
    consumed_ = 0;
  }
}

void Stream::SetReading(bool reading) {
  reading_ = reading;
  if (reading) Arm();
}

void Stream::Arm() {
  if (phase_ == Phase::kEnded || phase_ <= Phase::kConnecting || !reading_) return;
  if (set_.io().ReceivePending(socket_)) return;
  if (quiet_ && cipher_in_.empty()) {
    set_.io().WaitReadable(socket_);
  } else {
    receive_armed_ = true;
    set_.io().Receive(socket_, bulk_ ? BufferGroup::kLarge : BufferGroup::kSmall);
  }
}

RecordContext* Stream::context() {
  return ++records_ > kRecordsBeforeContext ? &context_ : nullptr;
}

void Stream::OnReadable() {
  if (phase_ == Phase::kEnded || !reading_) return;
  receive_armed_ = true;
  set_.io().Receive(socket_, BufferGroup::kSmall);
}

void Stream::OnReceive(std::span<uint8_t> data, int error) {
  receive_armed_ = false;
  if (phase_ == Phase::kEnded) return;
  if (error != 0) return End(StreamEnd::kBroken);
  if (data.empty()) {
    bool orderly = phase_ == Phase::kPlain || peer_done_;
    return End(orderly ? StreamEnd::kClosed : StreamEnd::kTruncated);
  }
  bulk_ = data.size() >= kBulkBytes && phase_ != Phase::kHandshaking;
  switch (phase_) {
    case Phase::kPlain:
      ++records_;
      Append(input_, data);
      Deliver();
      break;
    case Phase::kHandshaking:
      Append(cipher_in_, data);
      if (!queued_handshake_) {
        queued_handshake_ = true;
        set_.handshakes_.push_back(set_.OwnerOf(slot_));
      }
      return;  // armed again when these have been worked on
    case Phase::kSecure:
      if (cipher_in_.empty()) {
        OpenRecords(data);
      } else {
        Append(cipher_in_, data);
        std::string pending = std::exchange(cipher_in_, {});
        OpenRecords(Bytes(pending));
      }
      break;
    default:
      return;
  }
  Arm();
}

void Stream::Deliver() {
  if (phase_ != Phase::kEnded) owner_.OnInput(*this);
}

void Stream::AdvanceHandshake() {
  queued_handshake_ = false;
  if (phase_ != Phase::kHandshaking) return;
  Handshake::Status status = handshake_->Advance(std::string_view(cipher_in_));
  Release(cipher_in_);
  sealed_ += handshake_->TakeOutput();
  Dirty();
  if (status == Handshake::Status::kNeedMore) return Arm();
  --set_.stats_.handshakes_in_progress;
  if (status == Handshake::Status::kFailed) {
    ++set_.stats_.handshakes_failed;
    error_ = handshake_->error();
    handshake_.reset();
    set_.io().Close(socket_, std::move(sealed_));
    sealed_.clear();
    socket_ = {};
    phase_ = Phase::kEnded;
    owner_.OnEnd(*this, StreamEnd::kTlsFailed);
    return;
  }
  ++set_.stats_.handshakes_done;
  info_ = std::make_unique<HandshakeInfo>(handshake_->info());
  if (info_->resumed) ++set_.stats_.handshakes_resumed;
  std::string leftover;
  tls_ = handshake_->TakeState(&leftover);
  handshake_.reset();
  phase_ = Phase::kSecure;
  owner_.OnSecure(*this);
  if (phase_ == Phase::kSecure && !leftover.empty()) OpenRecords(Bytes(leftover));
  Arm();
}

void Stream::OpenRecords(std::span<uint8_t> data) {
  bool fresh = false;
  bool closed = false;
  while (!closed) {
    std::string reply;
    OpenResult r = roost::Open(tls_, data, &reply, context());
    if (r.reply) {
      sealed_ += reply;
      Dirty();
    }
    if (r.status == OpenResult::kNeedMore) break;
    if (r.status == OpenResult::kError) {
      if (fresh) Deliver();
      if (phase_ == Phase::kEnded) return;
      error_ = r.received_alert ? "the peer sent a fatal alert" : "a record was refused";
      return Fail(StreamEnd::kTlsFailed, r.received_alert ? 0 : r.alert);
    }
    if (r.status == OpenResult::kData) {
      Append(input_, r.plaintext);
      fresh = true;
    }
    closed = r.status == OpenResult::kCloseNotify;
    data = data.subspan(r.consumed);
  }
  if (closed) {
    peer_done_ = true;
    if (fresh) Deliver();
    if (phase_ != Phase::kEnded) End(StreamEnd::kClosed);
    return;
  }
  Append(cipher_in_, data);
  if (fresh) Deliver();
}

void Stream::Fail(StreamEnd end, uint8_t alert) {
  if (alert != 0) SealAlert(tls_, alert, &sealed_);
  SocketId socket = std::exchange(socket_, {});
  phase_ = Phase::kEnded;
  set_.io().Close(socket, std::move(sealed_));
  sealed_.clear();
  owner_.OnEnd(*this, end);
}

// The peer is gone or has said goodbye. An orderly end is answered in kind, with what was still to
// be said.
void Stream::End(StreamEnd end) {
  if (phase_ == Phase::kHandshaking) {
    --set_.stats_.handshakes_in_progress;
    ++set_.stats_.handshakes_failed;
    error_ = "the peer went away during the TLS handshake";
  }
  if (end == StreamEnd::kClosed) {
    Close();  // says goodbye in kind
  } else {
    SocketId socket = std::exchange(socket_, {});
    phase_ = Phase::kEnded;
    if (socket) set_.io().Abort(socket);
  }
  owner_.OnEnd(*this, end);
}

void Stream::Write(std::string_view bytes) {
  if (phase_ == Phase::kEnded || bytes.empty()) return;
  out_.append(bytes);
  Dirty();
}

void Stream::Dirty() {
  if (dirty_) return;
  dirty_ = true;
  set_.dirty_.push_back(set_.OwnerOf(slot_));
}

void Stream::Flush() {
  if (phase_ == Phase::kEnded || phase_ <= Phase::kConnecting) return;
  if (set_.io().SendPending(socket_)) return;
  if (!out_.empty() && phase_ == Phase::kSecure) {
    if (!Seal(tls_, out_, &sealed_, context())) {
      error_ = "the TLS write side is used up";
      return End(StreamEnd::kBroken);
    }
    Release(out_);
  } else if (!out_.empty() && phase_ == Phase::kPlain) {
    sealed_.append(out_);
    Release(out_);
  }
  if (sealed_.empty()) return;
  in_flight_ = sealed_.size();
  set_.io().Send(socket_, std::move(sealed_));
  sealed_ = std::string();
}

void Stream::OnSent(int error) {
  if (phase_ == Phase::kEnded) return;
  in_flight_ = 0;
  if (error != 0) return End(StreamEnd::kBroken);
  if (!out_.empty() || !sealed_.empty()) Flush();
  if (phase_ != Phase::kEnded) owner_.OnDrained(*this);
}

void Stream::Close() {
  if (phase_ == Phase::kEnded || phase_ == Phase::kUnopened) return;
  if (phase_ == Phase::kSecure) {
    Seal(tls_, out_, &sealed_);
    SealCloseNotify(tls_, &sealed_);
  } else if (phase_ == Phase::kPlain || phase_ == Phase::kConnecting) {
    sealed_.append(out_);
  } else {
    --set_.stats_.handshakes_in_progress;
    ++set_.stats_.handshakes_failed;
  }
  Release(out_);
  SocketId socket = std::exchange(socket_, {});
  phase_ = Phase::kEnded;
  set_.io().Close(socket, std::move(sealed_));
  sealed_ = std::string();
}

void Stream::Abort() {
  if (phase_ == Phase::kEnded || phase_ == Phase::kUnopened) return;
  if (phase_ == Phase::kHandshaking) {
    --set_.stats_.handshakes_in_progress;
    ++set_.stats_.handshakes_failed;
  }
  SocketId socket = std::exchange(socket_, {});
  phase_ = Phase::kEnded;
  set_.io().Abort(socket);
}

bool Stream::Quiet() const {
  bool settled = phase_ == Phase::kPlain || phase_ == Phase::kSecure;
  return settled && unsent() == 0 && cipher_in_.empty() && input().empty();
}

Stream::Detached Stream::Detach() {
  ROOST_CHECK(phase_ == Phase::kPlain || phase_ == Phase::kSecure);
  ROOST_CHECK(unsent() == 0);
  if (std::exchange(receive_armed_, false)) set_.io().CancelReceive(socket_);
  Detached d;
  d.socket = std::exchange(socket_, {});
  d.tls = tls_;
  Wipe(tls_);
  d.ciphertext = std::move(cipher_in_);
  d.plaintext = std::string(input());
  phase_ = Phase::kEnded;
  return d;
}

uint32_t StreamSet::Add(Stream* stream) {
  uint32_t slot;
  if (free_.empty()) {
    slot = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  slots_[slot].stream = stream;
  return slot;
}

void StreamSet::Remove(uint32_t slot) {
  slots_[slot].stream = nullptr;
  if (++slots_[slot].generation == 0) slots_[slot].generation = 1;
  free_.push_back(slot);
}

Owner StreamSet::OwnerOf(uint32_t slot) const {
  return Handle(kOwnerKind, slot, slots_[slot].generation).bits();
}

Stream* StreamSet::Find(Owner owner) {
  const Handle handle = Handle::FromBits(owner);
  if (handle.index() >= slots_.size()) return nullptr;
  const Slot& slot = slots_[handle.index()];
  return slot.generation == handle.generation() ? slot.stream : nullptr;
}

void StreamSet::OnConnect(Owner owner, int error) {
  if (Stream* s = Find(owner)) s->OnConnect(error);
}

void StreamSet::OnReceive(Owner owner, std::span<uint8_t> data, int error) {
  if (Stream* s = Find(owner)) s->OnReceive(data, error);
}

void StreamSet::OnReadable(Owner owner) {
  if (Stream* s = Find(owner)) s->OnReadable();
}

void StreamSet::OnSent(Owner owner, int error) {
  if (Stream* s = Find(owner)) s->OnSent(error);
}

bool StreamSet::AdvanceHandshakes() {
  size_t steps = std::min<size_t>(handshakes_.size(), kHandshakeStepsPerTurn);
  for (size_t i = 0; i < steps; ++i) {
    if (Stream* s = Find(handshakes_[i])) s->AdvanceHandshake();
  }
  handshakes_.erase(handshakes_.begin(), handshakes_.begin() + static_cast<ptrdiff_t>(steps));
  return !handshakes_.empty();
}

void StreamSet::FlushAll() {
  while (!dirty_.empty()) {
    std::vector<Owner> dirty = std::exchange(dirty_, {});
    for (Owner owner : dirty) {
      if (Stream* s = Find(owner)) {
        s->dirty_ = false;
        s->Flush();
      }
    }
  }
}

}  // namespace roost
