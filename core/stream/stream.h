// A connected socket with or without TLS on it: plaintext in and out for whoever owns it.
//
// What it is: the one place where a socket's bytes and the record layer meet, for everything that
// is awake: clients that are not parked, sessions to stores, the embedded store's and the load
// generator's connections. What it is not: it knows no IMAP and has no deadlines; a parked client
// has no Stream (its socket and TlsState lie in its cell).
//
//   kUnopened --Open--> kPlain --StartTls--> kHandshaking --> kSecure
//             --Open, with its TlsState--> kSecure
//             --Connect--> kConnecting --> kPlain
//   any --Close, Abort, Detach, peer--> kEnded (final)
//
// Place: Io -> Stream -> framer of the owner, and back.
//
// Lifetime: a Stream is a member of its owner and must not be destroyed inside one of its own
// callbacks (owners are retired at the end of the turn). Destroying one that still has its socket
// aborts the connection. Thread rule: that of its StreamSet. Memory: buffers exist while bytes wait
// in them; a resting stream (SetResting) that is quiet is nothing but this object and, with TLS,
// its TlsState. Input is bounded by its owner (who reads or calls SetReading(false)) plus one
// receive buffer; output by its owner, who watches unsent().
//
// Invariants
//  1. Plaintext leaves in the order of Write; sealed bytes are never sealed again; one send is in
//  flight at most.
//  2. OnEnd comes at most once, after all input that arrived before the end, and nothing follows
//  it.
//  3. Nothing is delivered after Close, Abort or Detach.
#ifndef ROOST_CORE_STREAM_STREAM_H_
#define ROOST_CORE_STREAM_STREAM_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/handle.h"
#include "core/io/io.h"
#include "proto/tls/handshake.h"
#include "proto/tls/record_layer.h"
#include "proto/tls/tls_state.h"

namespace roost {

class Stream;
class StreamSet;

// How a connection ended, seen from here.
enum class StreamEnd : uint8_t {
  kClosed,     // the peer said so: close_notify, or FIN where there is no TLS
  kTruncated,  // FIN without close_notify: nothing half received may be executed
  kBroken,     // the socket failed (reset, timed out)
  kTlsFailed,  // handshake or record refused; Stream::error() says why
};

// How a handshake ended.
enum class HandshakeEnd : uint8_t {
  kFull,
  kResumed,
  kPeer,      // the peer sent garbage, broke the protocol or refused us by an alert
  kMismatch,  // no version, suite or protocol in common
  kTrust,     // the store's certificate was not accepted
  kOurs,      // no memory, bad key
  kGone,      // the peer went away
  kGivenUp,   // closed from here: it took too long, or everything ends
};
inline constexpr size_t kHandshakeEnds = 8;

// Whom the peer takes us for.
enum class TlsSide : uint8_t { kServer, kClient };

class StreamOwner {
 public:
  virtual ~StreamOwner() = default;
  // The connection that Connect asked for stands. A failure comes as OnEnd(kBroken).
  virtual void OnConnected(Stream& stream) { (void)stream; }
  // input() has grown. Consume what can be used.
  virtual void OnInput(Stream& stream) = 0;
  // The handshake that StartTls began is done.
  virtual void OnSecure(Stream& stream) { (void)stream; }
  // A send has completed; unsent() may have fallen.
  virtual void OnDrained(Stream& stream) { (void)stream; }
  virtual void OnEnd(Stream& stream, StreamEnd end) = 0;
};

class Stream {
 public:
  enum class Phase : uint8_t { kUnopened, kConnecting, kPlain, kHandshaking, kSecure, kEnded };

  // What travels when a connection leaves this Stream: to a cell (parking) or to another shard.
  struct Detached {
    SocketId socket;
    TlsState tls{};          // suite kNone: no TLS
    std::string ciphertext;  // received, not opened yet
    std::string plaintext;   // opened, not consumed yet
  };

  Stream(StreamSet& set, StreamOwner& owner);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Opens a connection; OnConnected or OnEnd tells.
  void Connect(const Address& to, const ConnectOptions& options);
  // Takes a connected socket (its owner at the Io is set here) and starts to read.
  void Open(SocketId socket);
  // The same for a connection that was detached; input that it brought is delivered by
  // DeliverPending.
  void Open(Detached&& connection);
  // Calls OnInput for plaintext (and opens ciphertext) that Open brought along. May call OnEnd.
  void DeliverPending();

  void StartTls(const TlsServerContext& context);
  // Keeps the context until the handshake is over, so that another may take its place meanwhile.
  // Input that was not consumed belongs to the handshake: what may have come in clear must have
  // been refused before.
  void StartTls(std::shared_ptr<const TlsServerContext> context);
  void StartTls(const TlsClientContext& context, std::string_view server_name);

  std::string_view input() const {
    return work_ == nullptr ? std::string_view()
                            : std::string_view(work_->input).substr(work_->consumed);
  }
  void Consume(size_t bytes);

  // Backpressure: with false nothing more is received (what was on its way still comes, once).
  void SetReading(bool reading);
  bool reading() const { return reading_; }
  // The next wait for input is a poll rather than a receive: for connections about to be parked.
  void SetQuiet(bool quiet) { quiet_ = quiet; }

  // Nothing is expected for long: whatever is not in use is given back, and again whenever that is
  // so; input is waited for with a poll, as with SetQuiet, unless something is about to be sent:
  // that is answered. Costs an allocation and a poll for each burst, and with TLS two key
  // schedules.
  void SetResting(bool resting);

  // Whether buffers are wiped when they are freed: so from the start, until nobody logs in here any
  // more.
  void SetSecret(bool secret);

  // Appends; leaves at the end of the turn in as few records as possible. Ignored once ended.
  void Write(std::string_view bytes);
  // Bytes written that the kernel has not taken yet.
  size_t unsent() const {
    return work_ == nullptr ? 0 : work_->out.size() + work_->sealed.size() + work_->in_flight;
  }
  // Sends now what Write collected, if no send is in flight. Called by the StreamSet at the end of
  // the turn.
  void Flush();

  // Orderly: all that was written leaves, then close_notify and FIN.
  void Close();
  // At once. For connections to a store that died in the middle of something: no close_notify.
  void Abort();

  // True when nothing is unsent, unopened or unconsumed.
  bool Quiet() const;
  bool waiting_for_receive() const { return receive_armed_; }
  // Gives the connection away. Precondition: unsent() == 0. A WaitReadable may be outstanding. A
  // receive is withdrawn; its bytes may still come, and whoever has the socket then must take them.
  Detached Detach();

  Phase phase() const { return phase_; }
  bool secure() const { return phase_ == Phase::kSecure; }
  // kNone: in clear, or not secure yet. Stays when it has ended.
  TlsSuite suite() const { return tls_ != nullptr ? tls_->suite : TlsSuite::kNone; }
  SocketId socket() const { return socket_; }
  // On the heap, as the allocator counts; a Handshake's own allocations are not in it.
  size_t memory_bytes() const;
  // Null before the handshake is done, and once the stream has rested.
  const HandshakeInfo* handshake_info() const {
    return work_ == nullptr ? nullptr : work_->info.get();
  }
  // Why it ended, where that is known.
  const std::string& error() const { return work_ == nullptr ? kNoError : work_->error; }

 private:
  friend class StreamSet;
  // What only a connection needs on which something is under way.
  struct Work {
    std::string input;      // plaintext not consumed
    size_t consumed = 0;    // of input
    std::string cipher_in;  // partial record, or handshake bytes waiting for their turn
    std::string out;        // plaintext not sealed
    std::string sealed;     // ciphertext not given to the Io
    size_t in_flight = 0;
    RecordContext context;
    std::unique_ptr<Handshake> handshake;
    std::shared_ptr<const TlsServerContext> kept;  // by the handshake
    TlsSide side = TlsSide::kServer;               // of the handshake
    bool answered = false;                         // bytes of our handshake are on their way
    std::unique_ptr<HandshakeInfo> info;
    std::string error;
  };

  Work& work() {
    if (work_ == nullptr) work_ = std::make_unique<Work>();
    return *work_;
  }
  bool HasCipherIn() const { return work_ != nullptr && !work_->cipher_in.empty(); }
  void Tidy();
  TlsState& tls();
  void OnConnect(int error);
  void OnReceive(std::span<uint8_t> data, int error);
  void OnReadable();
  void OnSent(int error);
  // Returns what it cost, of kHandshakeStepsPerTurn.
  int AdvanceHandshake();
  void QueueHandshake();
  void HandshakeAdvanced(Handshake::Status status);
  void StartHandshake(std::unique_ptr<Handshake> handshake, TlsSide side);
  void HandshakeOver(HandshakeEnd end);
  void OpenPending();
  void OpenRecords(std::span<uint8_t> data);
  void Fail(StreamEnd end, uint8_t alert);
  void End(StreamEnd end);
  void Deliver();
  void Arm();
  void Dirty();
  void CountRecord();
  RecordContext* context();
  void Append(std::string& buffer, std::string_view bytes);
  void Release(std::string& buffer);

  inline static const std::string kNoError;

  StreamSet& set_;
  StreamOwner& owner_;
  SocketId socket_;
  uint32_t slot_ = 0;  // in the StreamSet
  Phase phase_ = Phase::kUnopened;
  bool reading_ = true;
  bool quiet_ = false;
  bool secret_ = true;
  bool receive_armed_ = false;  // a receive rather than a poll is outstanding
  bool bulk_ = false;           // much came with the last receive
  bool dirty_ = false;          // on the set's list for this turn
  bool queued_handshake_ = false;
  bool peer_done_ = false;  // close_notify has been read
  bool resting_ = false;
  uint8_t records_ = 0;  // opened or sealed; contexts are kept only for connections that stream
  std::unique_ptr<Work> work_;
  std::unique_ptr<TlsState> tls_;  // null: no TLS
};

struct StreamStats {
  uint64_t handshakes_done = 0, handshakes_resumed = 0, handshakes_failed = 0;
  uint64_t handshakes_in_progress = 0;
  // By TlsSide and HandshakeEnd.
  std::array<std::array<uint64_t, kHandshakeEnds>, 2> handshakes{};
};

// All streams of one Io: finds them by Owner, ends the turn for them, spreads handshakes over
// turns.
class StreamSet {
 public:
  static constexpr uint8_t kOwnerKind = 1;          // Handle::kind of the Owner
  static constexpr int kHandshakeStepsPerTurn = 8;  // about 1 ms of work; one with an RSA key

  explicit StreamSet(Io& io) : io_(io) {}

  Io& io() { return io_; }
  static bool Owns(Owner owner) { return Handle::FromBits(owner).kind() == kOwnerKind; }
  // Called by the IoHandler for owners of this kind. Stale ones do nothing.
  void OnConnect(Owner owner, int error);
  void OnReceive(Owner owner, std::span<uint8_t> data, int error);
  void OnReadable(Owner owner);
  void OnSent(Owner owner, int error);
  // Works on waiting handshakes. True: more of that waits, so the next turn must not sleep.
  bool AdvanceHandshakes();
  // Sends what was written in this turn.
  void FlushAll();
  bool unflushed() const { return !dirty_.empty(); }

  const StreamStats& stats() const { return stats_; }

 private:
  friend class Stream;
  uint32_t Add(Stream* stream);
  void Remove(uint32_t slot);
  Owner OwnerOf(uint32_t slot) const;
  Stream* Find(Owner owner);

  struct Slot {
    Stream* stream = nullptr;
    uint32_t generation = 1;
  };
  Io& io_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  std::vector<Owner> dirty_;
  std::vector<Owner> handshakes_;  // have bytes to work on, in order of arrival
  StreamStats stats_;
};

}  // namespace roost

#endif  // ROOST_CORE_STREAM_STREAM_H_
