// What all of Roost sees of the outside world: sockets, a clock, a bell between shards.
//
// What it is not: it knows no TLS, no IMAP, no client. It is the seam at which the same code runs
// on io_uring (uring_io.h), on an epoll reactor later, and in a deterministic simulation
// (simulated.h). contract_test.cc runs against every implementation.
//
// Thread rule: an Io belongs to one thread, which created it or called Bind(). Everything is called
// from there, the other Ios of its set are reached by their number only, through Move and RingBell.
//
// Shape of use: one request of each sort per socket at a time (receive | wait-readable, send).
// Requests complete by exactly one call of the IoHandler, never from inside the call that made
// them, always from RunOnce. After Close or Abort the owner never hears of that socket again and
// its SocketId is stale at once; the implementation finishes the teardown by itself and frees
// nothing that the kernel still holds.
//
// Invariants
//  1. A stale SocketId (generation differs) does nothing in any call and is never delivered.
//  2. At most one receive-or-wait and one send are outstanding per socket (CHECKed: more is a bug).
//  3. Bytes arrive in order, each once. A receive that loses to a close may drop bytes; none is
//  lost
//     to a move, which requires that no receive is outstanding.
//  4. The bytes given to Send leave in order and whole, or the send fails and the connection is of
//     no more use.
//  5. Idle sockets own no buffer: a receive picks one only when data is there, and OnReceive's span
//     is given back when the call returns.
//  6. Work per RunOnce is bounded (IoLimits::events_per_turn).
#ifndef ROOST_CORE_IO_IO_H_
#define ROOST_CORE_IO_IO_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace roost {

// A socket of one Io. Zero generation: none.
struct SocketId {
  uint32_t index = 0;
  uint32_t generation = 0;
  explicit operator bool() const { return generation != 0; }
  friend bool operator==(const SocketId&, const SocketId&) = default;
};

// Who is told of a socket's events: opaque to Io, chosen by its user (kind, slot and
// generation of an object).
using Owner = uint64_t;

// An IP address and port, or nothing.
struct Address {
  uint8_t family = 0;  // 0 none, 4 or 6
  uint16_t port = 0;   // host order
  uint8_t bytes[16] = {};

  // "127.0.0.1:143", "[::1]:993"; "-" when none.
  std::string ToString() const;
  // The address alone, as ID and PROXY fields want it.
  std::string HostString() const;
  // Whatever is bound to it takes connections to any address of the host; true of none as well.
  bool IsAny() const;
  // Parses a literal "127.0.0.1:143", "[::1]:993", ":993" (any IPv6, which takes IPv4 too) or
  // "*:993". No look-ups.
  static bool Parse(std::string_view text, Address* out);
  friend bool operator==(const Address&, const Address&) = default;
};

// Connections that may wait to be accepted, by one listener; the kernel cuts it to
// net.core.somaxconn.
constexpr int kLongestBacklog = 65535;

struct ListenOptions {
  int backlog = kLongestBacklog;
  bool reuse_port = true;  // one listener per shard on one address
  bool v6_only = false;
  int user_timeout_ms = 0;  // TCP_USER_TIMEOUT, inherited by accepted sockets; 0 = kernel's default
  int keepalive_s = 0;      // SO_KEEPALIVE idle time; 0 = off
  int send_buffer = 0;      // SO_SNDBUF; 0 = kernel's default
  int receive_buffer = 0;
};

struct ConnectOptions {
  Address source;  // family 0: the kernel chooses (IP_BIND_ADDRESS_NO_PORT is set otherwise)
  int user_timeout_ms = 0;
  bool reset_on_close = false;  // SO_LINGER {1,0}: leaves no TIME_WAIT; load generators only
  // Close leaves the end to the peer, which ends the connection by our last words: who ends it
  // first holds ports for a minute.
  bool peer_ends = false;
};

// A listening socket that may be made before shards exist or privileges are dropped, on any thread.
// Ordinary descriptor; an Io takes it over in Listen(descriptor). -1: none.
struct ListenerDescriptor {
  int fd = -1;
  Address bound;
  int backlog = kLongestBacklog;
};

// Which buffers a receive picks from: two groups, so that one upload cannot starve
// everyone (see IoLimits).
enum class BufferGroup : uint8_t { kSmall, kLarge };

// All calls come from RunOnce. `error` is 0 or a positive errno.
class IoHandler {
 public:
  virtual ~IoHandler() = default;
  // A connection came in on the listener that was opened with `listener`. Adopt it
  // with SetOwner or close it.
  virtual void OnAccept(uint64_t listener, SocketId socket, const Address& peer) = 0;
  // After an error the socket is gone: its id is stale already, nothing is to be closed.
  virtual void OnConnect(Owner owner, SocketId socket, int error) = 0;
  // Completion of Receive. data is mutable (opened in place) and valid during the call only.
  // Empty data and error 0: the peer has closed its side (FIN).
  virtual void OnReceive(Owner owner, SocketId socket, std::span<uint8_t> data, int error) = 0;
  // Completion of WaitReadable: a Receive would find data, FIN or an error.
  virtual void OnReadable(Owner owner, SocketId socket) = 0;
  // Completion of Send: everything left (error 0) or the connection is of no more use.
  virtual void OnSent(Owner owner, SocketId socket, int error) = 0;
  // A socket moved here from another shard with `token` (see Io::Move). No owner is set yet.
  virtual void OnMoved(uint64_t token, SocketId socket, int error) = 0;
  // Somebody rang this shard's bell since the last call (any number of times: one call).
  virtual void OnBell() = 0;
};

// Heeds nothing: for an Io all of whose sockets are somebody's who is told directly, or that has
// none.
class DeafIoHandler : public IoHandler {
 public:
  void OnAccept(uint64_t, SocketId, const Address&) override {}
  void OnConnect(Owner, SocketId, int) override {}
  void OnReceive(Owner, SocketId, std::span<uint8_t>, int) override {}
  void OnReadable(Owner, SocketId) override {}
  void OnSent(Owner, SocketId, int) override {}
  void OnMoved(uint64_t, SocketId, int) override {}
  void OnBell() override {}
};

struct IoStats {
  uint64_t sockets_open = 0;
  uint64_t sockets_closing = 0;  // closed by their owner, kernel not finished
  uint64_t max_sockets = 0;      // places, no more than there are descriptors for
  uint64_t listeners_full = 0;   // now, as there is no room; see Io::Listen
  uint64_t times_full = 0;       // that there was none
  uint64_t reset_when_full = 0;  // connections that waited to be accepted then
  uint64_t accepted = 0, connected = 0;
  uint64_t received_bytes = 0, sent_bytes = 0;
  // Of these, on sockets that Connect opened, moved ones included.
  uint64_t connected_received_bytes = 0, connected_sent_bytes = 0;
  uint64_t buffers_dry = 0;      // receives that had to wait for a buffer
  uint64_t buffer_bytes = 0;     // memory of receive buffers, in use or used lately
  uint64_t queue_overflows = 0;  // completion queue overflows seen
  uint64_t short_sends = 0, blocked_sends = 0;
  uint64_t turns = 0;
};

// Connections that a turn of an Io lets in, for each listener.
constexpr int kAcceptsAtOnce = 64;

class Io {
 public:
  virtual ~Io() = default;

  // Events go to this handler; set once before the first RunOnce.
  virtual void SetHandler(IoHandler* handler) = 0;

  // Monotonic nanoseconds, constant during one turn (read when completions were collected).
  virtual uint64_t NowNs() const = 0;
  // The same as it is at this moment: for measuring what a turn does.
  virtual uint64_t ReadClockNs() const { return NowNs(); }
  // Wall clock, seconds since 1970.
  virtual int64_t WallSeconds() const = 0;
  // Random bytes fit for keys in real implementations; seeded in simulation.
  virtual void Random(std::span<uint8_t> out) = 0;

  // Starts accepting. `listener` comes back in OnAccept. Returns 0 or errno.
  // When 95 % of the places for sockets are taken, or descriptors have run out, none of its
  // listeners listens any more, so that nobody waits where there is no room. Connections that were
  // not accepted yet are reset; new ones go to other Ios that listen on the address, and are
  // refused where there are none. They listen again when 90 % are taken, or when there are
  // descriptors.
  virtual int Listen(ListenerDescriptor descriptor, uint64_t listener) = 0;
  // Stops accepting on it for now (pending connections stay in the backlog) / goes on. It comes too
  // late for those that the kernel was asked for already: kAcceptsAtOnce of this turn and as many
  // of the next.
  virtual void PauseAccept(uint64_t listener) = 0;
  virtual void ResumeAccept(uint64_t listener) = 0;
  // Stops accepting for good and closes the listener of this shard.
  virtual void CloseListener(uint64_t listener) = 0;

  // Opens a connection; OnConnect tells. Returns an id at once (never none
  // unless out of slots: {0,0}).
  virtual SocketId Connect(const Address& to, const ConnectOptions& options, Owner owner) = 0;

  virtual void SetOwner(SocketId socket, Owner owner) = 0;
  virtual bool IsOpen(SocketId socket) const = 0;

  // One receive of at most one buffer (kSmall: IoLimits::small_buffer bytes).
  virtual void Receive(SocketId socket, BufferGroup group) = 0;
  // One shot: tells when a Receive would find something. Costs the kernel
  // less than a pending Receive.
  virtual void WaitReadable(SocketId socket) = 0;
  // Withdraws an outstanding WaitReadable or Receive. The completion of a Receive may
  // still come (with its bytes), even after another Receive or WaitReadable was asked
  // for, which it then satisfies or precedes: the owner must be ready for it. Otherwise
  // nothing comes. Returns at once.
  virtual void CancelReceive(SocketId socket) = 0;
  virtual bool ReceivePending(SocketId socket) const = 0;

  // Takes the bytes; sends all of them (partial sends and a full socket are
  // handled inside). One at a time.
  virtual void Send(SocketId socket, std::string&& bytes) = 0;
  // The same; the bytes are wiped once they have left, or cannot.
  virtual void SendSecret(SocketId socket, std::string&& bytes) = 0;
  virtual bool SendPending(SocketId socket) const = 0;

  // Graceful: what Send has taken and then `last_words` leave, then shutdown(WR), but for a socket
  // whose peer_ends. Input is read away until FIN, for IoLimits::linger_ms at most, so that no RST
  // destroys the last words; then closed. A peer that takes nothing is aborted after
  // IoLimits::drain_ms; a socket that is still connecting at once.
  virtual void Close(SocketId socket, std::string&& last_words = {}) = 0;
  // At once, unsent bytes are dropped.
  virtual void Abort(SocketId socket) = 0;

  // Hands the socket to shard `target` of the same set, whose handler gets OnMoved(token).
  // Precondition: no send and no Receive is outstanding, not even one that was withdrawn (it may
  // carry bytes); a WaitReadable is withdrawn here. Stale here at once. If the target cannot take
  // it the connection is closed and OnMoved(token, {}, error) is called there all the same, so that
  // what waits for it is released.
  virtual void Move(SocketId socket, uint32_t target, uint64_t token) = 0;
  // Makes OnBell be called on shard `target`.
  virtual void RingBell(uint32_t target) = 0;

  // One turn: submits what is queued, waits until an event or deadline_ns (NowNs scale; 0: do not
  // wait; UINT64_MAX: no deadline), then calls the handler for at most IoLimits::events_per_turn
  // events. Returns the number of events handled.
  virtual int RunOnce(uint64_t deadline_ns) = 0;

  virtual const IoStats& stats() const = 0;
};

// Bounds of one Io. Relations: small_buffer >= 5 + 2^11 would be too small for a TLS record, so
// fragments are put together by the stream above; the groups only bound memory.
struct IoLimits {
  uint32_t queue_entries = 1024;  // submission queue
  uint32_t completion_entries =
      8192;  // completion queue: the worst burst (a store's death ends all its sessions)
  uint32_t max_sockets = 16384;  // slots, all kinds together
  uint32_t small_buffers = 256, small_buffer = 2048;
  uint32_t large_buffers = 64, large_buffer = 64 * 1024;
  uint32_t events_per_turn = 512;
  uint32_t linger_ms = 1000;   // how long a closed socket's input is read away
  uint32_t drain_ms = 30'000;  // how long a closed socket may take to send what it was given
};

enum class DescriptorMode : uint8_t { kAuto, kOrdinary, kDirect };

}  // namespace roost

#endif  // ROOST_CORE_IO_IO_H_
