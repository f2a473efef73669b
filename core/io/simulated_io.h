// SimIo: the Io of a SimNetwork. For simulated.cc and simulated_io.cc only; all others see Io.
//
// A socket is readable when its end of the connection holds bytes, a FIN or an error.
// Whoever wants to know gets an entry in the ready list; RunOnce works the list off, a
// seeded one of its entries first.
#ifndef ROOST_CORE_IO_SIMULATED_IO_H_
#define ROOST_CORE_IO_SIMULATED_IO_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "core/base/byte_buffer.h"
#include "core/base/slab.h"
#include "core/io/simulated.h"

namespace roost {

// Descriptors of simulated listeners count from here.
inline constexpr int kSimFirstDescriptor = 1000;

struct SimConnection {
  struct Side {
    // Where it is now: null while in a backlog, on a move, or after its socket has ended.
    SimIo* io = nullptr;
    SocketId socket;
    Address address;  // its own
    ByteBuffer inbox;
    bool fin_arrived = false;
    bool fin_sent = false;
    bool ended = false;  // nobody will ever read here: what arrives is answered by a reset
    int error = 0;
    uint64_t last_arrival_ns = 0;  // of what it sent: keeps the order
    uint32_t on_the_way = 0;       // bytes it sent that have not arrived
    int user_timeout_ms = 0;
    int keepalive_s = 0;

    bool readable() const { return !inbox.empty() || fin_arrived || error != 0; }
  };
  Side sides[2];
  bool silent = false;
  uint64_t silences = 0;                    // counts changes, so that old timeouts know they are
  std::vector<std::function<void()>> held;  // what would have arrived while silent, in order
};

struct SimListener {
  SimIo* io = nullptr;
  uint64_t id = 0;
  Address address;
  ListenOptions options;
  bool paused = false;
  bool closed = false;
  bool full = false;    // does not listen, for want of room
  bool queued = false;  // an entry of the ready list names it
  std::deque<SimEnd> backlog;
};

class SimIo final : public Io {
 public:
  SimIo(SimNetwork* network, uint32_t set_id, uint32_t number, const IoLimits& limits);

  void SetHandler(IoHandler* handler) override { handler_ = handler; }
  uint64_t NowNs() const override { return network_->NowNs(); }
  int64_t WallSeconds() const override;
  void Random(std::span<uint8_t> out) override { network_->rng().Fill(out); }

  int Listen(ListenerDescriptor descriptor, uint64_t id) override;
  void PauseAccept(uint64_t id) override;
  void ResumeAccept(uint64_t id) override;
  void CloseListener(uint64_t id) override;

  SocketId Connect(const Address& to, const ConnectOptions& options, Owner owner) override;
  void SetOwner(SocketId id, Owner owner) override;
  bool IsOpen(SocketId id) const override;
  void Receive(SocketId id, BufferGroup group) override;
  void WaitReadable(SocketId id) override;
  void CancelReceive(SocketId id) override;
  bool ReceivePending(SocketId id) const override;
  void Send(SocketId id, std::string&& bytes) override;
  void SendSecret(SocketId id, std::string&& bytes) override { Send(id, std::move(bytes)); }
  bool SendPending(SocketId id) const override;
  void Close(SocketId id, std::string&& last_words) override;
  void Abort(SocketId id) override;
  void Move(SocketId id, uint32_t target, uint64_t token) override;
  void RingBell(uint32_t target) override;
  int RunOnce(uint64_t deadline_ns) override;
  const IoStats& stats() const override { return stats_; }

 private:
  friend class SimNetwork;

  // Accepting stops when this much of the slots is taken: the rest is for moves and backend
  // connections.
  static constexpr uint64_t kAcceptPercent = 95;

  enum class Life : uint8_t { kConnecting, kOpen, kDraining, kLingering };
  enum class Read : uint8_t { kNone, kSmall, kLarge, kWait };
  // kTelling: all is on the wire, or the connection broke; the owner is not told yet.
  enum class Sending : uint8_t { kNo, kPumping, kTelling };

  struct Socket {
    uint32_t generation = 0;
    Life life = Life::kConnecting;
    Read wanted = Read::kNone;
    // A Receive that was cancelled and whose completion may come all the same, until late_until_ns.
    Read late = Read::kNone;
    bool queued = false;  // a kRead entry of the ready list names it
    Sending sending = Sending::kNo;
    bool reset_on_close = false;
    bool peer_ends = false;  // ConnectOptions
    Owner owner = 0;
    uint64_t late_until_ns = 0;
    SimEnd end;
    std::string out;
    size_t out_at = 0;
    std::string last;
  };

  struct Ready {
    enum class Kind : uint8_t { kAccept, kConnected, kRead, kSent, kMoved, kBell };
    Kind kind = Kind::kBell;
    SocketId socket = {};
    int error = 0;
    uint64_t token = 0;
    std::shared_ptr<SimListener> listener = {};
  };

  // Null when stale for the owner: gone, or closed by it.
  Socket* FindLive(SocketId socket) const;
  // Null when gone.
  Socket* Find(SocketId socket) const { return sockets_.Find(socket.index, socket.generation); }
  static SimConnection::Side& SideOf(const Socket& socket) {
    return socket.end.connection->sides[socket.end.side];
  }
  std::shared_ptr<SimListener> FindListener(uint64_t id) const;
  uint64_t AcceptBound() const { return uint64_t{limits_.max_sockets} * kAcceptPercent / 100; }
  void BeFull();
  void ResetBacklog(SimListener& listener);
  void SlotFreed();

  // Called by the network.
  void OnConnected(SocketId id, SimEnd end);
  void OnConnectFailed(SocketId id, int error);
  void OnWire(SocketId id);
  void OnBacklog(const std::shared_ptr<SimListener>& listener);
  void QueueAccept(const std::shared_ptr<SimListener>& listener);
  void OnArrival(const SimEnd& end, uint64_t token);
  void OnRung();
  void Die();

  SocketId Place(SimEnd end);
  void Want(SocketId id, Read read);
  void QueueRead(SocketId id, Socket& socket);
  void Pump(SocketId id);
  void AllSent(SocketId id, Socket& socket);
  void Linger(SocketId id, Socket& socket);
  void Finish(SocketId id, bool reset);

  void Handle(const Ready& ready);
  void HandleAccept(const Ready& ready);
  void HandleRead(const Ready& ready);
  void GiveBytes(SocketId id, Socket& socket, Read group);

  SimNetwork* const network_;
  const uint32_t set_id_;
  const uint32_t number_;
  const IoLimits limits_;
  IoHandler* handler_ = nullptr;
  bool dead_ = false;
  bool bell_queued_ = false;
  // What RunOnce was given, and when.
  uint64_t deadline_ns_ = kNever;
  uint64_t last_run_ns_ = 0;
  mutable Slab<Socket> sockets_;
  std::deque<Ready> ready_;
  std::vector<std::shared_ptr<SimListener>> listeners_;
  IoStats stats_;
};

}  // namespace roost

#endif  // ROOST_CORE_IO_SIMULATED_IO_H_
