#include "core/io/uring_io.h"

#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/base/check.h"
#include "core/io/probe.h"

namespace roost {
namespace {

uint64_t ReadMonotonicNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return SecondsToNs(static_cast<uint64_t>(now.tv_sec)) + static_cast<uint64_t>(now.tv_nsec);
}

// Of the process; a ring's table of direct ones may be no longer either.
uint32_t DescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  return static_cast<uint32_t>(std::min<rlim_t>(limit.rlim_cur, kMaxSlabCells - 1));
}

// Ordinary descriptors are the process's: each Io has an equal part of what others leave.
uint32_t PlacesWithOrdinary(const UringSet::Options& options) {
  const uint32_t limit = DescriptorLimit();
  const uint32_t others = std::min(limit, options.others + options.count);  // each ring is one
  return std::max<uint32_t>(1, (limit - others) / options.count);
}

}  // namespace

// --- the set ---

std::unique_ptr<UringSet> UringSet::Create(const Options& options, std::string* error) {
  const ProbeResult probe = ProbeUring();
  if (!probe.usable) {
    *error = probe.message;
    return nullptr;
  }
  if (options.mode == DescriptorMode::kDirect && !probe.direct) {
    *error = probe.direct_message;
    return nullptr;
  }
  std::unique_ptr<UringSet> set(new UringSet());
  const bool direct = options.mode != DescriptorMode::kOrdinary && probe.direct;
  set->mode_ = direct ? DescriptorMode::kDirect : DescriptorMode::kOrdinary;
  set->mode_reason_ = options.mode == DescriptorMode::kAuto ? probe.direct_message : "configured";

  IoLimits limits = options.limits;
  limits.max_sockets =
      std::min(limits.max_sockets, direct ? DescriptorLimit() : PlacesWithOrdinary(options));
  for (uint32_t number = 0; number < options.count; ++number) {
    Uring::Options ring_options;
    ring_options.queue_entries = limits.queue_entries;
    ring_options.completion_entries = limits.completion_entries;
    ring_options.direct_slots = direct ? limits.max_sockets : 0;
    int failed = 0;
    std::string step;
    auto ring = Uring::Create(ring_options, &failed, &step);
    if (ring != nullptr) {
      step = "registering receive buffers";
      failed = ring->AddBufferGroup(limits.small_buffers, limits.small_buffer);
      if (failed == 0) failed = ring->AddBufferGroup(limits.large_buffers, limits.large_buffer);
    }
    if (failed != 0) {
      *error = "cannot make ring " + std::to_string(number + 1) + " of " +
               std::to_string(options.count) + ": " + DescribeUringError(failed, step);
      return nullptr;
    }
    set->ios_.emplace_back(
        new UringIo(set.get(), number, options.count, limits, direct, std::move(ring)));
  }
  return set;
}

UringSet::~UringSet() = default;

// --- one of it ---

UringIo::UringIo(UringSet* set, uint32_t number, uint32_t count, const IoLimits& limits,
                 bool direct, std::unique_ptr<Uring> ring)
    : set_(set),
      number_(number),
      limits_(limits),
      direct_(direct),
      ring_(std::move(ring)),
      woken_(count),
      now_ns_(ReadMonotonicNs()),
      sockets_(limits.max_sockets),
      timers_(now_ns_) {
  stats_.max_sockets = limits.max_sockets;
}

UringIo::~UringIo() {
  ring_->CancelAll();
  if (!direct_) {
    sockets_.ForEach([](uint32_t, Socket& socket) {
      if (socket.number >= 0) close(socket.number);
    });
    for (const Arrival& arrival : shared_.inbox) {
      if (arrival.number >= 0) close(arrival.number);
    }
    for (const Arrival& arrival : arrivals_) {
      if (arrival.number >= 0) close(arrival.number);
    }
  }
  sides_.ForEach([](uint32_t, Side& side) {
    if (side.fd >= 0) close(side.fd);
  });
  // What waits on a listener keeps it until the kernel has taken the ring apart, perhaps when this
  // process is gone: nobody must be taken in by it any more.
  listeners_.ForEach([](uint32_t, Listener& listener) {
    shutdown(listener.fd, SHUT_RDWR);
    close(listener.fd);
  });
  ring_.reset();  // before the memory that its requests name
}

void UringIo::Bind() {
  const int error = ring_->Enable();
  ROOST_CHECK(error == 0);
  ReadClock();
}

uint64_t UringIo::ReadClockNs() const { return ReadMonotonicNs(); }

void UringIo::ReadClock() { now_ns_ = std::max(now_ns_, ReadMonotonicNs()); }

int64_t UringIo::WallSeconds() const {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec;
}

void UringIo::Random(std::span<uint8_t> out) {
  while (!out.empty()) {
    const ssize_t got = getrandom(out.data(), out.size(), 0);
    if (got < 0) {
      ROOST_CHECK(errno == EINTR);
      continue;
    }
    out = out.subspan(static_cast<size_t>(got));
  }
}

const IoStats& UringIo::stats() const {
  stats_.queue_overflows = ring_->overflows();
  stats_.buffer_bytes = ring_->BufferMemory();
  return stats_;
}

// --- turns ---

int UringIo::RunOnce(uint64_t deadline_ns) {
  ROOST_CHECK(handler_ != nullptr);
  ++stats_.turns;
  ArmDry();
  const bool work_waits = !failed_.empty() || !arrivals_.empty() || !dry_[0].empty() ||
                          !dry_[1].empty() || shared_.signals.load(std::memory_order_acquire) != 0;
  uint64_t timeout_ns = 0;
  if (!work_waits && deadline_ns != 0) {
    const uint64_t wake_ns = std::min(deadline_ns, timers_.NextDeadlineNs());
    const uint64_t now_ns = ReadMonotonicNs();
    timeout_ns = wake_ns == kNever ? kNever : wake_ns - std::min(wake_ns, now_ns);
  }
  ring_->Turn(timeout_ns);
  ReadClock();

  const int budget = static_cast<int>(limits_.events_per_turn);
  int done = 0;
  Completion completion;
  while (done < budget && ring_->Next(&completion)) {
    Dispatch(completion);
    ++done;
  }
  done += timers_.Advance(now_ns_, budget, [this](uint64_t owner) { OnTimer(owner); });
  for (; !failed_.empty() && done < budget; ++done) {
    const SocketId id = failed_.front();
    failed_.pop_front();
    Socket* socket = FindLive(id);
    if (socket == nullptr) continue;
    HandleConnect(id, sides_[socket->side].error);
    Advance(id);
  }
  const uint32_t signals = shared_.signals.exchange(0, std::memory_order_acq_rel);
  if ((signals & kInboxSignal) != 0) {
    const std::lock_guard lock(shared_.mutex);
    arrivals_.insert(arrivals_.end(), shared_.inbox.begin(), shared_.inbox.end());
    shared_.inbox.clear();
  }
  done += TakeArrivals(std::max(1, budget - done));
  if ((signals & kBellSignal) != 0) {
    handler_->OnBell();
    ++done;
  }
  return done;
}

void UringIo::Dispatch(const Completion& completion) {
  const Handle handle = Handle::FromBits(completion.user_data);
  const Op op = static_cast<Op>(handle.kind());
  switch (op) {
    case Op::kAccept:
    case Op::kCancelAccept:
      return HandleAccept(handle, completion);
    case Op::kWakeFailed:
      // Not enabled yet (-EBADFD): its first turn looks at the flags. Out of memory may pass.
      if (completion.result == -ENOMEM || completion.result == -EAGAIN ||
          completion.result == -EOVERFLOW) {
        Wake(handle.index());
      }
      return;
    case Op::kWake:
    case Op::kForget:
    case Op::kNone:
    case Op::kSocketTimer:
    case Op::kListenerTimer:
      return;
    default:
      return HandleSocket(op, {handle.index(), handle.generation()}, completion);
  }
}

void UringIo::HandleSocket(Op op, SocketId id, const Completion& completion) {
  Socket* socket = Find(id);
  // Cells live until their last completion.
  ROOST_CHECK(socket != nullptr && socket->in_flight > 0);
  --socket->in_flight;
  switch (op) {
    case Op::kReceive:
      HandleReceive(id, completion);
      break;
    case Op::kPollIn:
      HandlePollIn(id, completion);
      break;
    case Op::kDiscard:
      HandleDiscard(id, completion);
      break;
    case Op::kSend:
      HandleSend(id, completion);
      break;
    case Op::kPollOut:
      HandlePollOut(id);
      break;
    case Op::kPeerName:
      HandlePeerName(id, completion);
      break;
    case Op::kInstall:
      HandleInstall(id, completion);
      break;
    case Op::kConnect:
      HandleConnect(id, -completion.result);
      break;
    case Op::kSendDescriptor:
      HandleSendDescriptor(id, completion);
      break;
    case Op::kClose:
      socket->number = -1;
      break;
    default:  // shutdown, cancel: only counted
      break;
  }
  Advance(id);
}

void UringIo::OnTimer(uint64_t owner) {
  const Handle handle = Handle::FromBits(owner);
  if (static_cast<Op>(handle.kind()) == Op::kListenerTimer) return OnListenerTimer();
  const SocketId id{handle.index(), handle.generation()};
  Socket* socket = Find(id);
  if (socket == nullptr) return;
  socket->timer = 0;
  if (socket->life == Life::kStopping) return Insist(id, socket);
  Stop(id, socket);  // it drained or lingered long enough
  Advance(id);
}

// --- between rings ---

void UringIo::Signal(uint32_t target, uint32_t signal) {
  set_->at(target).shared_.signals.fetch_or(signal, std::memory_order_acq_rel);
  if (target != number_) Wake(target);
}

// One message is enough as long as it has not left. That another shard woke the target does not
// count: its message may not have left either.
void UringIo::Wake(uint32_t target) {
  const uint64_t stamp = ring_->submissions() + 1;
  if (std::exchange(woken_[target], stamp) == stamp) return;
  ring_->Wake(set_->at(target).ring_->fd(), Handle(static_cast<uint8_t>(Op::kWake), 0, 1).bits(),
              Handle(static_cast<uint8_t>(Op::kWakeFailed), target, 1).bits());
}

void UringIo::RingBell(uint32_t target) {
  ROOST_CHECK(target < set_->size());
  Signal(target, kBellSignal);
}

int UringIo::TakeArrivals(int budget) {
  int done = 0;
  for (; !arrivals_.empty() && done < budget; ++done) {
    Arrival arrival = arrivals_.front();
    arrivals_.pop_front();
    SocketId id;
    if (arrival.error == 0) {
      id = Place(arrival.number, Life::kOpen);
      if (!id) {
        CloseNumber(arrival.number);
        arrival.error = ENFILE;
      } else {
        Find(id)->connected = arrival.connected;
      }
    }
    handler_->OnMoved(arrival.token, id, arrival.error);
  }
  return done;
}

}  // namespace roost
