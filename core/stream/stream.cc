#include "core/stream/stream.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/base/cleanse.h"
#include "core/base/heap_size.h"
#include "core/stream/shortage.h"
#include "proto/check.h"

namespace roost {
namespace {

// A context costs about 700 bytes a direction and saves most of a microsecond a record: worth it
// from here on.
constexpr uint8_t kRecordsBeforeContext = 4;
// A receive that brings so much is followed by one into a large buffer. Those who only talk share
// few and small ones.
constexpr size_t kBulkBytes = 2048;
// Input that was consumed is moved down when it exceeds this, so that the buffer does not creep.
constexpr size_t kCompactBytes = 4096;
// With more unsent the peer's requests are answered by what is said next: who asks and does not
// read would fill our memory.
constexpr size_t kMostUnsentBeforeReplies = 4096;
// Received of a handshake that was not answered, before its turn: twice what a ClientHello with
// post-quantum shares takes.
constexpr size_t kMostUnanswered = 4096;
constexpr std::string_view kGoneInHandshake = "the peer went away during the TLS handshake";

std::span<uint8_t> Bytes(std::string& s) {
  return {reinterpret_cast<uint8_t*>(s.data()), s.size()};
}

HandshakeEnd EndOf(Handshake::Fault fault) {
  switch (fault) {
    case Handshake::Fault::kMismatch:
      return HandshakeEnd::kMismatch;
    case Handshake::Fault::kTrust:
      return HandshakeEnd::kTrust;
    case Handshake::Fault::kOurs:
      return HandshakeEnd::kOurs;
    case Handshake::Fault::kNone:
    case Handshake::Fault::kPeer:
      break;
  }
  return HandshakeEnd::kPeer;
}

std::string_view Text(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

Stream::Stream(StreamSet& set, StreamOwner& owner) : set_(set), owner_(owner) {
  slot_ = set_.Add(this);
}

Stream::~Stream() {
  if (phase_ != Phase::kEnded && phase_ != Phase::kUnopened) Abort();
  if (tls_ != nullptr) Wipe(*tls_);
  if (secret_ && work_ != nullptr) {
    Release(work_->input);
    Release(work_->out);
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
    const std::string_view shortage = ShortageText(error);
    work().error = shortage.empty() ? std::strerror(error) : shortage;
    return End(StreamEnd::kBroken);
  }
  phase_ = Phase::kPlain;
  owner_.OnConnected(*this);
  Arm();
}

// Of the input only what was consumed: the rest stays where it is, there may be views of it.
void Stream::SetSecret(bool secret) {
  if (secret_ && !secret && work_ != nullptr) Cleanse(work_->input.data(), work_->consumed);
  secret_ = secret;
}

// To what may hold a password.
void Stream::Append(std::string& buffer, std::string_view bytes) {
  secret_ ? AppendSecret(&buffer, bytes) : void(buffer.append(bytes));
}

void Stream::Release(std::string& buffer) {
  if (secret_) Cleanse(&buffer);
  std::string().swap(buffer);
}

TlsState& Stream::tls() {
  if (tls_ == nullptr) tls_ = std::make_unique<TlsState>();
  return *tls_;
}

void Stream::SetResting(bool resting) {
  resting_ = resting;
  Tidy();
}

// Gives back what is not in use, if the stream rests.
void Stream::Tidy() {
  if (!resting_ || work_ == nullptr || !Quiet()) return;
  work_.reset();
  records_ = 0;
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
  phase_ = Phase::kPlain;
  if (connection.tls.suite != TlsSuite::kNone) {
    tls() = connection.tls;
    phase_ = Phase::kSecure;
  }
  Wipe(connection.tls);
  if (!connection.plaintext.empty()) work().input = std::move(connection.plaintext);
  if (!connection.ciphertext.empty()) work().cipher_in = std::move(connection.ciphertext);
  set_.io().SetOwner(socket_, set_.OwnerOf(slot_));
  Arm();
}

void Stream::DeliverPending() {
  if (HasCipherIn() && phase_ == Phase::kSecure) {
    return OpenPending();
  }
  if (!input().empty() && phase_ != Phase::kEnded) owner_.OnInput(*this);
}

void Stream::StartTls(const TlsServerContext& context) {
  StartHandshake(Handshake::Server(context), TlsSide::kServer);
}

void Stream::StartTls(std::shared_ptr<const TlsServerContext> context) {
  StartHandshake(Handshake::Server(*context), TlsSide::kServer);
  Work& w = work();
  w.kept = std::move(context);
  const std::string_view early = input();
  if (early.empty()) return;
  w.cipher_in.append(early);
  Consume(early.size());
  QueueHandshake();
}

void Stream::StartTls(const TlsClientContext& context, std::string_view server_name) {
  StartHandshake(Handshake::Client(context, server_name), TlsSide::kClient);
  AdvanceHandshake();  // the ClientHello
}

void Stream::StartHandshake(std::unique_ptr<Handshake> handshake, TlsSide side) {
  ROOST_CHECK(phase_ == Phase::kPlain);
  Work& w = work();
  w.sealed += w.out;  // what was said in clear (the answer to STARTTLS) goes out in clear
  Release(w.out);
  Dirty();
  phase_ = Phase::kHandshaking;
  w.handshake = std::move(handshake);
  w.side = side;
  ++set_.stats_.handshakes_in_progress;
}

void Stream::Consume(size_t bytes) {
  if (work_ == nullptr) {  // ended, or nothing to consume
    ROOST_DCHECK(bytes == 0);
    return;
  }
  Work& w = *work_;
  w.consumed += bytes;
  ROOST_DCHECK(w.consumed <= w.input.size());
  if (w.consumed == w.input.size()) {
    w.consumed = 0;
    Release(w.input);
    Tidy();
  } else if (w.consumed > kCompactBytes) {
    w.input.erase(0, w.consumed);
    w.consumed = 0;
    if (secret_) CleanseSpare(&w.input);
  }
}

void Stream::SetReading(bool reading) {
  reading_ = reading;
  if (reading) Arm();
}

void Stream::Arm() {
  if (phase_ == Phase::kEnded || phase_ <= Phase::kConnecting || !reading_) return;
  if (set_.io().ReceivePending(socket_)) return;
  // What is about to be sent will be answered.
  if ((quiet_ || (resting_ && unsent() == 0)) && !HasCipherIn()) {
    set_.io().WaitReadable(socket_);
  } else {
    receive_armed_ = true;
    set_.io().Receive(socket_, bulk_ ? BufferGroup::kLarge : BufferGroup::kSmall);
  }
}

void Stream::CountRecord() {
  if (records_ <= kRecordsBeforeContext) ++records_;
}

RecordContext* Stream::context() {
  CountRecord();
  return records_ > kRecordsBeforeContext ? &work().context : nullptr;
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
      CountRecord();
      Append(work().input, Text(data));
      if (secret_) Cleanse(data.data(), data.size());  // the Io's buffer is used again
      Deliver();
      break;
    case Phase::kHandshaking:
      work().cipher_in.append(Text(data));
      QueueHandshake();
      // Who leaves before it has an answer can have no use for one: its turn need not come. Who has
      // one may send the last that the handshake needs and its end together.
      if (!work_->answered && work_->cipher_in.size() < kMostUnanswered) break;
      return;  // armed again when these have been worked on
    case Phase::kSecure:
      if (!HasCipherIn()) {
        OpenRecords(data);
      } else {
        work_->cipher_in.append(Text(data));
        OpenPending();
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

void Stream::QueueHandshake() {
  work().error = kGoneInHandshake;  // unless more comes of it
  if (std::exchange(queued_handshake_, true)) return;
  set_.handshakes_.push_back(set_.OwnerOf(slot_));
}

int Stream::AdvanceHandshake() {
  queued_handshake_ = false;
  if (phase_ != Phase::kHandshaking) return 0;
  Handshake& handshake = *work().handshake;
  const Handshake::Status status = handshake.Advance(std::string_view(work().cipher_in));
  const int cost = handshake.IsRsa() ? StreamSet::kHandshakeStepsPerTurn : 1;
  HandshakeAdvanced(status);
  return cost;
}

void Stream::HandshakeAdvanced(Handshake::Status status) {
  Work& w = work();
  Release(w.cipher_in);
  const std::string output = w.handshake->TakeOutput();
  w.answered = w.answered || !output.empty();
  w.sealed += output;
  Dirty();
  if (status == Handshake::Status::kNeedMore) return Arm();
  if (status == Handshake::Status::kFailed) {
    HandshakeOver(EndOf(w.handshake->fault()));
    w.error = w.handshake->error();
    w.handshake.reset();
    w.kept.reset();
    set_.io().Close(socket_, std::exchange(w.sealed, {}));
    socket_ = {};
    phase_ = Phase::kEnded;
    owner_.OnEnd(*this, StreamEnd::kTlsFailed);
    return;
  }
  w.info = std::make_unique<HandshakeInfo>(w.handshake->info());
  HandshakeOver(w.info->resumed ? HandshakeEnd::kResumed : HandshakeEnd::kFull);
  std::string leftover;
  tls() = w.handshake->TakeState(&leftover);
  w.handshake.reset();
  w.kept.reset();
  phase_ = Phase::kSecure;
  owner_.OnSecure(*this);
  if (phase_ == Phase::kSecure && !leftover.empty()) OpenRecords(Bytes(leftover));
  Arm();
}

void Stream::HandshakeOver(HandshakeEnd end) {
  StreamStats& stats = set_.stats_;
  --stats.handshakes_in_progress;
  ++stats.handshakes[static_cast<size_t>(work().side)][static_cast<size_t>(end)];
  const bool done = end == HandshakeEnd::kFull || end == HandshakeEnd::kResumed;
  ++(done ? stats.handshakes_done : stats.handshakes_failed);
  if (end == HandshakeEnd::kResumed) ++stats.handshakes_resumed;
  if (end != HandshakeEnd::kGone) work().error.clear();
}

void Stream::OpenPending() {
  std::string pending = std::exchange(work_->cipher_in, {});
  OpenRecords(Bytes(pending));
}

void Stream::OpenRecords(std::span<uint8_t> data) {
  bool fresh = false;
  bool closed = false;
  while (!closed) {
    std::string reply;
    const bool replies = unsent() <= kMostUnsentBeforeReplies;
    OpenResult r = roost::Open(*tls_, data, replies ? &reply : nullptr, context());
    if (r.reply) {
      work().sealed += reply;
      Dirty();
    }
    if (r.status == OpenResult::kNeedMore) break;
    if (r.status == OpenResult::kError) {
      if (fresh) Deliver();
      if (phase_ == Phase::kEnded) return;
      work().error = r.received_alert ? "the peer sent a fatal alert" : "a record was refused";
      return Fail(StreamEnd::kTlsFailed, r.received_alert ? 0 : r.alert);
    }
    if (r.status == OpenResult::kData) {
      Append(work().input, Text(r.plaintext));
      // It was opened in place, in a buffer that others get next.
      if (secret_) Cleanse(r.plaintext.data(), r.plaintext.size());
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
  if (!data.empty()) work().cipher_in.append(Text(data));
  if (fresh) return Deliver();
  Tidy();
}

void Stream::Fail(StreamEnd end, uint8_t alert) {
  Work& w = work();
  if (alert != 0) SealAlert(*tls_, alert, &w.sealed);
  SocketId socket = std::exchange(socket_, {});
  phase_ = Phase::kEnded;
  set_.io().Close(socket, std::exchange(w.sealed, {}));
  owner_.OnEnd(*this, end);
}

// The peer is gone or has said goodbye. An orderly end is answered in kind, with what was still to
// be said.
void Stream::End(StreamEnd end) {
  if (phase_ == Phase::kHandshaking) {
    HandshakeOver(HandshakeEnd::kGone);
    // Who connects to us and says nothing, as balancers do to see whether we are there, has had
    // none.
    if (work().side == TlsSide::kClient) work().error = kGoneInHandshake;
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
  Append(work().out, bytes);
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
  if (work_ == nullptr) return;
  Work& w = *work_;
  if (!w.out.empty() && phase_ == Phase::kSecure) {
    if (!Seal(*tls_, w.out, &w.sealed, context())) {
      w.error = "the TLS write side is used up";
      return End(StreamEnd::kBroken);
    }
    Release(w.out);
  } else if (!w.out.empty() && phase_ == Phase::kPlain) {
    w.sealed.append(w.out);
    Release(w.out);
  }
  if (w.sealed.empty()) return;
  w.in_flight = w.sealed.size();
  std::string bytes = std::exchange(w.sealed, {});
  if (secret_ && phase_ == Phase::kPlain) {
    Cleanse(&w.sealed);  // a short one lay in the string itself
    set_.io().SendSecret(socket_, std::move(bytes));
  } else {
    set_.io().Send(socket_, std::move(bytes));
  }
}

void Stream::OnSent(int error) {
  if (phase_ == Phase::kEnded) return;
  if (work_ != nullptr) work_->in_flight = 0;
  if (error != 0) return End(StreamEnd::kBroken);
  if (unsent() != 0) Flush();
  if (phase_ != Phase::kEnded) owner_.OnDrained(*this);
  Tidy();
}

void Stream::Close() {
  if (phase_ == Phase::kEnded || phase_ == Phase::kUnopened) return;
  Work& w = work();
  if (phase_ == Phase::kSecure) {
    Seal(*tls_, w.out, &w.sealed);
    SealCloseNotify(*tls_, &w.sealed);
  } else if (phase_ == Phase::kPlain || phase_ == Phase::kConnecting) {
    w.sealed.append(w.out);
  } else {
    HandshakeOver(HandshakeEnd::kGivenUp);
  }
  Release(w.out);
  SocketId socket = std::exchange(socket_, {});
  phase_ = Phase::kEnded;
  set_.io().Close(socket, std::exchange(w.sealed, {}));
}

void Stream::Abort() {
  if (phase_ == Phase::kEnded || phase_ == Phase::kUnopened) return;
  if (phase_ == Phase::kHandshaking) HandshakeOver(HandshakeEnd::kGivenUp);
  SocketId socket = std::exchange(socket_, {});
  phase_ = Phase::kEnded;
  set_.io().Abort(socket);
}

bool Stream::Quiet() const {
  bool settled = phase_ == Phase::kPlain || phase_ == Phase::kSecure;
  return settled && unsent() == 0 && !HasCipherIn() && input().empty();
}

size_t Stream::memory_bytes() const {
  size_t bytes = HeapSize(tls_);
  if (work_ == nullptr) return bytes;
  bytes += HeapSize(work_) + HeapSize(work_->input) + HeapSize(work_->cipher_in) +
           HeapSize(work_->out) + HeapSize(work_->sealed) + HeapSize(work_->error);
  return bytes + HeapSize(work_->handshake) + HeapSize(work_->info);
}

Stream::Detached Stream::Detach() {
  ROOST_CHECK(phase_ == Phase::kPlain || phase_ == Phase::kSecure);
  ROOST_CHECK(unsent() == 0);
  if (std::exchange(receive_armed_, false)) set_.io().CancelReceive(socket_);
  Detached d;
  d.socket = std::exchange(socket_, {});
  if (tls_ != nullptr) {
    d.tls = *tls_;
    Wipe(*tls_);
  }
  if (work_ != nullptr) d.ciphertext = std::move(work_->cipher_in);
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
  size_t steps = 0;
  for (int left = kHandshakeStepsPerTurn; left > 0 && steps < handshakes_.size(); ++steps) {
    if (Stream* s = Find(handshakes_[steps])) left -= s->AdvanceHandshake();
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
