#include "tools/store/connection.h"

#include <utility>

#include "proto/check.h"
#include "proto/imap/tokens.h"
#include "tools/store/lmtp.h"

namespace roost::embedded {
namespace {

class LmtpConnection final : public Connection {
 public:
  LmtpConnection(Shard& shard, TlsUse tls)
      : Connection(shard, tls), session_(&shard, &shard.options().session, this) {}

 private:
  size_t Feed(std::string_view input) override { return session_.Receive(input); }
  void Greet() override { session_.Greet(); }

  LmtpSession session_;
};

// One word a line in; lines out, an empty one behind each answer. For tests and operators of tests.
class ControlConnection final : public Connection {
 public:
  using Connection::Connection;

 private:
  static constexpr size_t kMaxLineBytes = 200;

  void Greet() override {}
  bool Blocked() const override { return *waiting_; }

  size_t Feed(std::string_view input) override {
    size_t used = 0;
    while (!*waiting_) {
      const std::string_view rest = input.substr(used);
      const size_t lf = rest.find('\n');
      if (lf == std::string_view::npos) {
        if (rest.size() > kMaxLineBytes) Close();
        break;
      }
      used += lf + 1;
      Command(WithoutLineEnd(rest.substr(0, lf + 1)));
    }
    return used;
  }

  void Command(std::string_view word) {
    if (word == "quit") return Close();
    if (word != "counts") return Write("unknown: use counts or quit\n\n");
    // The answer may come when this connection is gone.
    *waiting_ = true;
    shard_.CollectReport([this, waiting = std::weak_ptr<bool>(waiting_)](const Report& report) {
      if (waiting.expired()) return;
      *waiting_ = false;
      Write(report.ToText() + "\n");
      Pump();
    });
  }

  std::shared_ptr<bool> waiting_ = std::make_shared<bool>(false);
};

}  // namespace

std::unique_ptr<Connection> Connection::Make(Shard& shard, Protocol protocol, TlsUse tls) {
  switch (protocol) {
    case Protocol::kImap:
      return std::make_unique<ImapConnection>(shard, tls);
    case Protocol::kLmtp:
      return std::make_unique<LmtpConnection>(shard, tls);
    case Protocol::kControl:
      return std::make_unique<ControlConnection>(shard, tls);
  }
  return nullptr;
}

Connection::Connection(Shard& shard, TlsUse tls)
    : shard_(shard), stream_(std::make_unique<Stream>(shard.loop().streams(), *this)), tls_(tls) {}

Connection::~Connection() {
  if (secrets_ != nullptr) Wipe(*secrets_);
  if (stream_ == nullptr) shard_.loop().io().Abort(socket_);
}

void Connection::Open(SocketId socket) {
  stream_->Open(socket);
  if (tls_ == TlsUse::kImplicit) {
    stream_->StartTls(*shard_.options().tls);
  } else {
    Greet();
  }
}

void Connection::OnInput(Stream&) { Pump(); }

void Connection::OnSecure(Stream&) {
  if (tls_ == TlsUse::kImplicit) Greet();
  Secured();
}

void Connection::OnDrained(Stream&) {
  Drained();
  Pump();
  SleepSoon();
}

void Connection::OnEnd(Stream&, StreamEnd) { shard_.Remove(this); }

void Connection::Write(std::string_view bytes) {
  if (stream_ == nullptr) Wake();
  stream_->Write(bytes);
}

// Not inside of the stream's own call.
void Connection::SleepSoon() {
  if (!Quiet() || !stream_->Quiet()) return;
  shard_.loop().Post([this] { Sleep(); });
}

void Connection::Sleep() {
  if (stream_ == nullptr || closing_ || !Quiet() || !stream_->Quiet()) return;
  Stream::Detached connection = stream_->Detach();
  stream_.reset();
  socket_ = connection.socket;
  if (connection.tls.suite != TlsSuite::kNone) {
    secrets_ = std::make_unique<TlsState>(connection.tls);
    Wipe(connection.tls);
  }
  Io& io = shard_.loop().io();
  io.SetOwner(socket_, handle.bits());
  if (!io.ReceivePending(socket_)) io.WaitReadable(socket_);
}

void Connection::OnReceived(std::span<const uint8_t> data) {
  Wake(data);
  stream_->DeliverPending();
}

void Connection::Wake(std::span<const uint8_t> received) {
  Stream::Detached connection;
  connection.socket = std::exchange(socket_, {});
  if (secrets_ != nullptr) {
    connection.tls = *secrets_;
    Wipe(*secrets_);
    secrets_.reset();
  }
  std::string& early =
      connection.tls.suite == TlsSuite::kNone ? connection.plaintext : connection.ciphertext;
  early.assign(received.begin(), received.end());
  stream_ = std::make_unique<Stream>(shard_.loop().streams(), *this);
  stream_->Open(std::move(connection));
}

void Connection::Stop() {
  if (stream_ == nullptr) Wake();
  SayGoodbye();
  if (!closing_) Close();
}

// A session may end while it is fed, or by what another one does.
void Connection::Close() {
  if (std::exchange(closing_, true)) return;
  if (!pumping_) Finish();
}

void Connection::Finish() {
  if (stream_ == nullptr) Wake();
  stream_->Close();
  shard_.Remove(this);
}

void Connection::Pump() {
  if (closing_ || stream_->phase() == Stream::Phase::kHandshaking) return;
  pumping_ = true;
  stream_->Consume(Feed(stream_->input()));
  pumping_ = false;
  shard_.NoteChanges();
  if (closing_) return Finish();
  stream_->SetQuiet(Quiet());
  stream_->SetReading(!Blocked() || start_tls_);
  if (std::exchange(start_tls_, false)) stream_->StartTls(*shard_.options().tls);
  if (WantsToMove()) TryMove();
}

// A connection moves when all that it was told has left; nothing is read meanwhile.
void Connection::TryMove() {
  if (stream_->unsent() != 0) return;
  Move(stream_->Detach());
  shard_.Remove(this);
}

ImapConnection::ImapConnection(Shard& shard, TlsUse tls)
    : Connection(shard, tls),
      session_(&shard.registry(), &shard.options().session, this, tls == TlsUse::kStartTls) {}

bool ImapConnection::MoveToOwner(const std::string& user) {
  if (&shard_.OwnerOf(user) == &shard_) return false;
  moving_user_ = std::make_unique<const std::string>(user);
  return true;
}

void ImapConnection::Move(Stream::Detached&& connection) {
  shard_.MoveConnection(std::move(connection), *moving_user_, session_.tag());
}

void ImapConnection::Adopt(Stream::Detached connection, const std::string& user,
                           std::string_view tag) {
  stream_->Open(std::move(connection));
  session_.Adopt(user, tag);
  stream_->DeliverPending();
}

}  // namespace roost::embedded
