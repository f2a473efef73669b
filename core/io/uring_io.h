// UringIo: the Io of a shard on io_uring. UringSet makes as many as there are shards,
// able to reach each other.
//
// What the kernel is asked for, by sort of request:
//   accept    as many one-shot requests as connections wait, 64 at most; none when 95 % of the
//             slots are taken, where the listener does not even listen
//   receive   one shot, from a provided buffer; it bounds itself, so relaying needs no cancel.
//             Running dry puts the socket into a queue that is worked off, in order of arrival,
//             when buffers are back
//   wait      one-shot poll
//   send      at most one: tried without waiting, then a poll for room, then again
//   move      ordinary descriptors change hands by number; a direct one is copied into the other
//   ring's table
//             without a completion there (it could overflow), its new slot is told through the
//             inbox
//   bell      a flag beside the ring is the truth, the message to the ring only ends its wait
//
// Life of a socket (uring_accept.cc lets it in, uring_socket.cc works it, uring_life.cc ends it):
//
//   accept ─► kNaming ──► kOpen ◄── kConnecting ◄── Connect
//                 │         │ │ └────── Move ─────────► kMoving
//                 │   Close │ │ Abort                      │ no request left: handed over
//                 │         ▼ │                            │
//                 │  kDraining│ everything sent            │
//                 │         ▼ │                            │
//                 │  kLingering FIN, error or time         │
//                 └───────► kStopping ◄────────────────────┘ requests are cancelled
//                               │ none left
//                               ▼
//                           kClosing ─► cell freed
//
// Invariants
//  1. user_data names sort of request, cell and generation; at most one request of a sort is in
//  flight for a
//     cell, and a cell is freed when none is left.
//  2. Only kConnecting and kOpen are known to the owner; ids of all others are stale.
//  3. A request that names memory (send, connect, peer name) names a side cell that lives until it
//  completes.
//
// Threads: Create on any; Bind on the thread that will run the Io; the set is destroyed when all
// these threads have ended, or on the one that ran them all.
#ifndef ROOST_CORE_IO_URING_IO_H_
#define ROOST_CORE_IO_URING_IO_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/base/slab.h"
#include "core/base/timer_wheel.h"
#include "core/io/io.h"
#include "core/io/uring.h"

namespace roost {

class UringIo;

class UringSet {
 public:
  struct Options {
    uint32_t count = 1;
    IoLimits limits;
    DescriptorMode mode = DescriptorMode::kAuto;
    // Ordinary descriptors that no socket of theirs may take: listeners, files, whoever asks how
    // the process is.
    uint32_t others = 64;
  };

  // Null when the kernel or a limit forbids it; *error then says what and how to allow it.
  static std::unique_ptr<UringSet> Create(const Options& options, std::string* error);
  ~UringSet();

  uint32_t size() const { return static_cast<uint32_t>(ios_.size()); }
  UringIo& at(uint32_t number) { return *ios_[number]; }

  // kOrdinary or kDirect, and why.
  DescriptorMode mode() const { return mode_; }
  const std::string& mode_reason() const { return mode_reason_; }

 private:
  UringSet() = default;

  DescriptorMode mode_ = DescriptorMode::kOrdinary;
  std::string mode_reason_;
  std::vector<std::unique_ptr<UringIo>> ios_;
};

class UringIo final : public Io {
 public:
  ~UringIo() override;

  // Makes the calling thread the one that everything below is called from.
  // Before the first RunOnce.
  void Bind();

  void SetHandler(IoHandler* handler) override { handler_ = handler; }
  uint64_t NowNs() const override { return now_ns_; }
  uint64_t ReadClockNs() const override;
  int64_t WallSeconds() const override;
  void Random(std::span<uint8_t> out) override;

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
  void SendSecret(SocketId id, std::string&& bytes) override;
  bool SendPending(SocketId id) const override;
  void Close(SocketId id, std::string&& last_words) override;
  void Abort(SocketId id) override;
  void Move(SocketId id, uint32_t target, uint64_t token) override;
  void RingBell(uint32_t target) override;
  int RunOnce(uint64_t deadline_ns) override;
  const IoStats& stats() const override;

 private:
  friend class UringSet;

  enum class Life : uint8_t {
    kNaming,
    kConnecting,
    kOpen,
    kDraining,
    kLingering,
    kMoving,
    kStopping,
    kClosing,
  };
  // What the owner has asked for and not got.
  enum class Read : uint8_t { kNone, kSmall, kLarge, kWait };
  // What the kernel is asked for.
  enum class Armed : uint8_t { kNone, kSmall, kLarge, kPoll, kDiscard };

  // Sort of request, in the kind of a Handle.
  enum class Op : uint8_t {
    kNone,
    // of a socket
    kReceive,
    kPollIn,
    kDiscard,
    kSend,
    kPollOut,
    kPeerName,
    kInstall,
    kConnect,
    kShutdown,
    kCancelIn,
    kCancelOut,
    kClose,
    kSendDescriptor,
    // of a listener
    kAccept,
    kCancelAccept,
    // between rings
    kWake,        // came in
    kWakeFailed,  // did not go out: the index is the target
    kForget,      // nobody waits for it
    // of a timer
    kSocketTimer,
    kListenerTimer,
  };

  struct Socket {
    uint32_t generation;
    int32_t number = -1;  // descriptor or slot; -1: none yet
    Owner owner = 0;
    Life life = Life::kOpen;
    Read wanted : 4 = Read::kNone;  // shares a byte with `armed`: another makes 40 of 32
    Armed armed : 4 = Armed::kNone;
    uint8_t in_flight = 0;        // requests whose completion has not come
    bool cancelling : 1 = false;  // the armed one was cancelled
    bool dry : 1 = false;         // in the queue for a buffer
    bool expecting : 1 = true;    // more was there after the last receive, or nobody looked yet
    bool polling_out : 1 = false;
    bool peer_done : 1 = false;  // FIN or an error was received: there is nothing to read any more
    bool connected : 1 = false;  // opened by Connect, here or where it came from
    bool peer_ends : 1 = false;  // ConnectOptions
    uint32_t side = kNoIndex;    // in sides_
    uint32_t outgoing = kNoIndex;  // in outgoing_
    TimerId timer = 0;
  };
  static_assert(sizeof(Socket) == 32);  // one for each connection there is

  struct Outgoing {
    std::string bytes;
    size_t sent = 0;
    std::string last;
    bool secret = false;  // bytes
  };

  // What a request of a socket that is coming or going needs beside it.
  struct Side {
    sockaddr_storage address{};
    socklen_t length = 0;
    int32_t fd = -1;    // still ordinary, on its way into a slot
    int32_t slot = -1;  // written by the kernel
    int error = 0;
    uint32_t listener = kNoIndex;  // in listeners_, with generation
    uint32_t listener_generation = 0;
    uint32_t target = 0;
    uint64_t token = 0;
  };

  struct Listener {
    uint64_t id = 0;
    int fd = -1;
    int backlog = 0;
    int family = 0;
    uint8_t asked = 0;  // accept requests in flight
    bool cancelling = false;
    bool paused = false;
    bool listening = true;  // not while slots or descriptors have run out
    bool closing = false;
    uint8_t in_flight = 0;  // requests of any sort
  };

  struct Arrival {
    uint64_t token = 0;
    int32_t number = -1;
    int error = 0;
    bool connected = false;
  };

  // What other threads may touch.
  struct Shared {
    std::atomic<uint32_t> signals{0};
    std::mutex mutex;
    std::vector<Arrival> inbox;  // under mutex
  };
  static constexpr uint32_t kBellSignal = 1;
  static constexpr uint32_t kInboxSignal = 2;

  UringIo(UringSet* set, uint32_t number, uint32_t count, const IoLimits& limits, bool direct,
          std::unique_ptr<Uring> ring);

  // uring_io.cc
  void Dispatch(const Completion& completion);
  void HandleSocket(Op op, SocketId id, const Completion& completion);
  int TakeArrivals(int budget);
  void Signal(uint32_t target, uint32_t signal);
  void Wake(uint32_t target);
  void OnTimer(uint64_t owner);
  void ReadClock();

  // uring_accept.cc
  Listener* FindListener(uint64_t id, uint32_t* index);
  void ArmAccept(uint32_t index);
  void CancelAccept(uint32_t index);
  void HandleAccept(Handle handle, const Completion& completion);
  bool AtAcceptBound() const;
  void BeFull();
  void RetryLater();
  void ListenAgain();
  void OnListenerTimer();
  void SlotFreed();
  void FinishListener(uint32_t index);
  void HandlePeerName(SocketId id, const Completion& completion);
  void Introduce(SocketId id, uint64_t listener, const Address& peer);

  // uring_socket.cc
  Socket* Find(SocketId id) const { return sockets_.Find(id.index, id.generation); }
  Socket* FindLive(SocketId id) const;
  RingDescriptor Descriptor(const Socket& socket) const { return {socket.number, direct_}; }
  uint64_t Request(Op op, SocketId id, Socket* socket);
  SocketId Place(int32_t number, Life life);
  void Want(SocketId id, Read read);
  void ArmRead(SocketId id, Socket* socket);
  void ArmReceive(SocketId id, Socket* socket);
  void ArmDiscard(SocketId id, Socket* socket);
  void DisarmRead(SocketId id, Socket* socket);
  void QueueDry(SocketId id, Socket* socket);
  void ArmDry();
  void HandleReceive(SocketId id, const Completion& completion);
  void Received(SocketId id, Socket* socket, const Completion& completion,
                std::span<uint8_t> bytes);
  void HandlePollIn(SocketId id, const Completion& completion);
  void HandleDiscard(SocketId id, const Completion& completion);
  void StartSend(SocketId id, Socket* socket);
  void WaitForRoom(SocketId id, Socket* socket);
  void HandleSend(SocketId id, const Completion& completion);
  void HandlePollOut(SocketId id);
  void SendEnded(SocketId id, Socket* socket, int error);

  // uring_life.cc
  void StartConnect(SocketId id, Socket* socket);
  void HandleInstall(SocketId id, const Completion& completion);
  void HandleConnect(SocketId id, int error);
  void Leave(Socket* socket, Life life);
  void Linger(SocketId id, Socket* socket);
  void ArmTimer(SocketId id, Socket* socket, uint64_t after_ms);
  void HandOver(SocketId id, Socket* socket);
  void Deliver(uint32_t target, const Arrival& arrival);
  void HandleSendDescriptor(SocketId id, const Completion& completion);
  void Stop(SocketId id, Socket* socket);
  void Insist(SocketId id, Socket* socket);
  // Takes a socket that is moving or ending one step on, if no request of it is left.
  void Advance(SocketId id);
  void FreeCell(SocketId id, Socket* socket);
  void FreeSide(Socket* socket);
  void FreeOutgoing(Socket* socket);
  void CloseNumber(int32_t number);

  // constant
  UringSet* const set_;
  const uint32_t number_;
  const IoLimits limits_;
  const bool direct_;

  // other shards' threads as well
  Shared shared_;

  // this thread only
  std::unique_ptr<Uring> ring_;
  // By target: the ring's submissions() when it was last sent a message, plus 1.
  std::vector<uint64_t> woken_;
  IoHandler* handler_ = nullptr;
  uint64_t now_ns_ = 0;
  mutable Slab<Socket> sockets_;
  Slab<Side> sides_;
  Slab<Outgoing> outgoing_;
  Slab<Listener> listeners_;
  Timers timers_;
  // Sockets whose receive found no buffer, by group, in order of arrival.
  std::deque<SocketId> dry_[2];
  // Connects that failed before any request was made.
  std::deque<SocketId> failed_;
  std::deque<Arrival> arrivals_;
  bool retries_ = false;  // RetryLater's timer is armed; one for all listeners
  mutable IoStats stats_;
};

}  // namespace roost

#endif  // ROOST_CORE_IO_URING_IO_H_
