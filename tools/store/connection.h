// A socket of the embedded store with the session that speaks on it.
//
// What it is: the wiring between a Stream and one of Session, LmtpSession or the control protocol:
// bytes in, bytes out, TLS when the listener or STARTTLS wants it, and backpressure (a session that
// is blocked is not read from).
//
//   awake: a Stream --IDLE, all sent--> asleep: a socket and its TLS secrets --input, news--> awake
//
// Lifetime: owned by its shard; leaves by Shard::Remove, which retires it to the end of the turn.
// Thread rule: the shard's thread.
// Memory: 0.7 KB awake, 0.4 KB asleep (0.5 KB with TLS), and buffers only while bytes wait in them.
#ifndef ROOST_TOOLS_STORE_CONNECTION_H_
#define ROOST_TOOLS_STORE_CONNECTION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/base/handle.h"
#include "core/stream/loop.h"
#include "core/stream/stream.h"
#include "tools/store/session.h"
#include "tools/store/shard.h"

namespace roost::embedded {

class Connection : public Retirable, public StreamOwner, protected SessionHost {
 public:
  // tls: what the listener is for.
  static std::unique_ptr<Connection> Make(Shard& shard, Protocol protocol, TlsUse tls);
  Connection(Shard& shard, TlsUse tls);
  ~Connection() override;

  // Takes an accepted socket.
  void Open(SocketId socket);

  // The store ends: last words, then goodbye.
  void Stop();
  // There is input, or an end of it, while asleep.
  void OnReadable() { Wake(); }
  // Bytes came while it slept.
  void OnReceived(std::span<const uint8_t> data);

  // Names it in the shard.
  Handle handle;

 protected:
  // Takes what it can of the input; returns how much.
  virtual size_t Feed(std::string_view input) = 0;
  virtual void Greet() = 0;
  virtual void SayGoodbye() {}
  virtual void Secured() {}
  virtual void Drained() {}
  virtual bool Blocked() const { return false; }
  // Nothing is expected soon: waiting for input should cost as little as it can.
  virtual bool Quiet() const { return false; }
  // Whether the session waits to go on in another shard, and how it goes there.
  virtual bool WantsToMove() const { return false; }
  virtual void Move(Stream::Detached&& connection) { (void)connection; }

  void Write(std::string_view bytes) override;
  size_t Unsent() const override { return stream_ == nullptr ? 0 : stream_->unsent(); }
  void StartTls() override { start_tls_ = true; }
  void Close() override;
  int64_t WallSeconds() const override { return shard_.loop().io().WallSeconds(); }

  void Pump();

  Shard& shard_;
  std::unique_ptr<Stream> stream_;  // null: asleep

 private:
  void OnInput(Stream& stream) override;
  void OnSecure(Stream& stream) override;
  void OnDrained(Stream& stream) override;
  void OnEnd(Stream& stream, StreamEnd end) override;
  void TryMove();
  void Finish();
  void SleepSoon();
  void Sleep();
  void Wake(std::span<const uint8_t> received = {});

  // While asleep; no secrets: no TLS.
  SocketId socket_;
  std::unique_ptr<TlsState> secrets_;

  const TlsUse tls_;
  bool start_tls_ = false;
  bool closing_ = false;
  bool pumping_ = false;
};

class ImapConnection final : public Connection {
 public:
  ImapConnection(Shard& shard, TlsUse tls);

  // Instead of Open: a connection that another shard has logged in.
  void Adopt(Stream::Detached connection, const std::string& user, std::string_view tag);

 private:
  size_t Feed(std::string_view input) override { return session_.Receive(input); }
  void Greet() override { session_.Greet(); }
  void SayGoodbye() override { session_.Shutdown(); }
  void Secured() override { session_.OnSecure(); }
  void Drained() override { session_.Resume(); }
  bool Blocked() const override { return session_.Blocked(); }
  bool Quiet() const override { return session_.AwaitsNews(); }
  bool WantsToMove() const override { return moving_user_ != nullptr; }
  void Move(Stream::Detached&& connection) override;
  bool MoveToOwner(const std::string& user) override;

  Session session_;
  std::unique_ptr<const std::string> moving_user_;
};

}  // namespace roost::embedded

#endif  // ROOST_TOOLS_STORE_CONNECTION_H_
