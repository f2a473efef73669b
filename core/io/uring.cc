#include "core/io/uring.h"

#include <liburing.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <deque>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/slab.h"  // for the sanitizer's macros

namespace roost {
namespace {

// From newer kernel headers than the library was built with.
constexpr uint32_t kSocketGetOption = 2;   // SOCKET_URING_OP_GETSOCKOPT
constexpr uint32_t kSocketSetOption = 3;   // SOCKET_URING_OP_SETSOCKOPT
constexpr uint8_t kOpFixedFdInstall = 54;  // IORING_OP_FIXED_FD_INSTALL
constexpr uint32_t kPageBytes = 4096;
constexpr uint32_t kDiscardBytes = 1 << 20;

void Poison([[maybe_unused]] const void* memory, [[maybe_unused]] size_t size) {
#ifdef ROOST_SLAB_POISONS
  ASAN_POISON_MEMORY_REGION(memory, size);
#endif
}

void Unpoison([[maybe_unused]] const void* memory, [[maybe_unused]] size_t size) {
#ifdef ROOST_SLAB_POISONS
  ASAN_UNPOISON_MEMORY_REGION(memory, size);
#endif
}

// Pages of our own: a group's memory is touched only when used, and never part of a core dump.
struct Pages {
  uint8_t* data = nullptr;
  size_t size = 0;

  bool Map(size_t bytes) {
    size = (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return false;
    madvise(memory, size, MADV_DONTDUMP);
    data = static_cast<uint8_t*>(memory);
    return true;
  }
  void Unmap() {
    if (data == nullptr) return;
    Unpoison(data, size);
    munmap(data, size);
    data = nullptr;
  }
};

// How many buffers a group offers at first and at least, and how many turns
// without want halve the offer.
constexpr uint32_t kLeastOffer = 8;
constexpr uint32_t kCalmTurns = 1024;

// A group's buffers. `spare` are those that are neither offered nor filled and not yet
// returned; the lowest is offered first, so that what lies above is memory that was never
// touched, or is given back.
struct BufferGroupMemory {
  Pages ring;  // shared with the kernel
  Pages bytes;
  uint32_t count = 0;
  uint32_t size = 0;
  uint32_t wanted = 0;   // how many should be offered
  uint32_t offered = 0;  // how many are
  uint32_t touched = 0;  // buffers from this one on have no memory
  uint32_t calm_turns = 0;
  uint64_t grown_at = UINT64_MAX;  // the turn in which `wanted` was doubled
  std::vector<uint64_t> spare;     // a bit per buffer

  io_uring_buf_ring* buf_ring() { return reinterpret_cast<io_uring_buf_ring*>(ring.data); }
  uint8_t* at(uint32_t buffer) { return bytes.data + size_t{size} * buffer; }

  void Offer() {
    int added = 0;
    for (size_t word = 0; word < spare.size() && offered < wanted; ++word) {
      while (spare[word] != 0 && offered < wanted) {
        const auto buffer =
            static_cast<uint32_t>(word * 64) + static_cast<uint32_t>(std::countr_zero(spare[word]));
        spare[word] &= spare[word] - 1;
        io_uring_buf_ring_add(buf_ring(), at(buffer), size, static_cast<uint16_t>(buffer),
                              io_uring_buf_ring_mask(count), added);
        touched = std::max(touched, buffer + 1);
        ++offered;
        ++added;
      }
    }
    if (added != 0) io_uring_buf_ring_advance(buf_ring(), added);
  }

  void Return(uint16_t buffer) {
    spare[buffer / 64] |= uint64_t{1} << (buffer % 64);
    --offered;
    Offer();
  }

  // After a while without want: offer less, and give back what lies above all that is in use.
  void Calm() {
    if (++calm_turns < kCalmTurns) return;
    calm_turns = 0;
    wanted = std::max(wanted / 2, std::min(kLeastOffer, count));
    uint32_t used = touched;
    while (used > 0 && (spare[(used - 1) / 64] >> ((used - 1) % 64) & 1) != 0) --used;
    const size_t begin = (size_t{used} * size + kPageBytes - 1) / kPageBytes * kPageBytes;
    const size_t end = size_t{touched} * size;
    if (begin < end) madvise(bytes.data + begin, end - begin, MADV_DONTNEED);
    touched = used;
  }
};

}  // namespace

struct Uring::Impl {
  io_uring ring{};
  std::vector<BufferGroupMemory> groups;
  // Requests that the submission queue had no place for, not even after submitting it.
  std::deque<io_uring_sqe> backlog;
  uint64_t submissions = 0;
  bool overflowing = false;
  uint64_t overflows = 0;

  io_uring_sqe* FreeEntry() {
    io_uring_sqe* entry = io_uring_get_sqe(&ring);
    if (entry == nullptr) {
      ++submissions;
      io_uring_submit(&ring);
      entry = io_uring_get_sqe(&ring);
    }
    return entry;
  }

  void Queue(const io_uring_sqe& request) {
    io_uring_sqe* entry = backlog.empty() ? FreeEntry() : nullptr;
    if (entry == nullptr) {
      backlog.push_back(request);
    } else {
      *entry = request;
    }
  }

  // The kernel keeps what does not fit and hands it over later; it is worth knowing that it had to.
  void NoteOverflow() {
    const bool now = io_uring_cq_has_overflow(&ring);
    if (now && !overflowing) ++overflows;
    overflowing = now;
  }

  void QueueBacklog() {
    while (!backlog.empty()) {
      io_uring_sqe* entry = FreeEntry();
      if (entry == nullptr) return;
      *entry = backlog.front();
      backlog.pop_front();
    }
  }
};

namespace {

io_uring_sqe Request(uint8_t opcode, uint64_t user_data) {
  io_uring_sqe request{};
  request.opcode = opcode;
  request.fd = -1;
  request.user_data = user_data;
  return request;
}

io_uring_sqe Request(uint8_t opcode, RingDescriptor socket, uint64_t user_data) {
  io_uring_sqe request = Request(opcode, user_data);
  request.fd = socket.number;
  request.flags = socket.direct ? IOSQE_FIXED_FILE : 0;
  return request;
}

uint64_t Pointer(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

}  // namespace

Uring::Uring(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

std::unique_ptr<Uring> Uring::Create(const Options& options, int* error, std::string* step) {
  auto impl = std::make_unique<Impl>();
  io_uring_params params{};
  // CLAMP: what is too large for this kernel becomes as large as it allows.
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED |
                 IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL;
  params.cq_entries = std::bit_ceil(std::max(options.completion_entries, 2u));
  const uint32_t entries =
      std::min(std::bit_ceil(std::max(options.queue_entries, 1u)), params.cq_entries);
  int result = io_uring_queue_init_params(entries, &impl->ring, &params);
  if (result < 0) {
    *error = -result;
    *step = "io_uring_setup";
    return nullptr;
  }
  std::unique_ptr<Uring> uring(new Uring(std::move(impl)));
  if (options.direct_slots != 0) {
    result = io_uring_register_files_sparse(&uring->impl_->ring, options.direct_slots);
    if (result < 0) {
      *error = -result;
      *step = "registering a table of " + std::to_string(options.direct_slots) + " descriptors";
      return nullptr;
    }
  }
  return uring;
}

Uring::~Uring() {
  io_uring_queue_exit(&impl_->ring);
  for (BufferGroupMemory& group : impl_->groups) {
    group.ring.Unmap();
    group.bytes.Unmap();
  }
}

int Uring::fd() const { return impl_->ring.ring_fd; }

uint64_t Uring::submissions() const { return impl_->submissions; }

uint64_t Uring::overflows() const { return impl_->overflows; }

// --- buffers ---

int Uring::AddBufferGroup(uint32_t count, uint32_t size) {
  BufferGroupMemory group;
  group.count = std::bit_ceil(std::max(count, 1u));
  group.size = size;
  if (!group.ring.Map(group.count * sizeof(io_uring_buf)) ||
      !group.bytes.Map(size_t{group.count} * size)) {
    group.ring.Unmap();
    return ENOMEM;
  }
  io_uring_buf_reg registration{};
  registration.ring_addr = Pointer(group.ring.data);
  registration.ring_entries = group.count;
  registration.bgid = static_cast<uint16_t>(impl_->groups.size());
  const int result = io_uring_register_buf_ring(&impl_->ring, &registration, 0);
  if (result < 0) {
    group.ring.Unmap();
    group.bytes.Unmap();
    return -result;
  }
  io_uring_buf_ring_init(group.buf_ring());
  group.wanted = std::min(kLeastOffer, group.count);
  group.spare.resize((group.count + 63) / 64);
  for (uint32_t i = 0; i < group.count; ++i) group.spare[i / 64] |= uint64_t{1} << (i % 64);
  Poison(group.bytes.data, group.bytes.size);
  group.Offer();
  impl_->groups.push_back(std::move(group));
  return 0;
}

uint32_t Uring::BufferCount(uint16_t group) const { return impl_->groups[group].count; }

std::span<uint8_t> Uring::Buffer(uint16_t group, uint16_t buffer, size_t size) {
  BufferGroupMemory& memory = impl_->groups[group];
  ROOST_CHECK(buffer < memory.count && size <= memory.size);
  Unpoison(memory.at(buffer), size);
  return {memory.at(buffer), size};
}

void Uring::ReturnBuffer(uint16_t group, uint16_t buffer) {
  BufferGroupMemory& memory = impl_->groups[group];
  ROOST_CHECK(buffer < memory.count);
  Poison(memory.at(buffer), memory.size);
  memory.Return(buffer);
}

void Uring::NoteDry(uint16_t group) {
  BufferGroupMemory& memory = impl_->groups[group];
  memory.calm_turns = 0;
  if (std::exchange(memory.grown_at, impl_->submissions) == impl_->submissions) return;
  memory.wanted = std::min(memory.wanted * 2, memory.count);
  memory.Offer();
}

size_t Uring::BufferMemory() const {
  size_t total = 0;
  for (const BufferGroupMemory& group : impl_->groups) {
    total += size_t{group.touched} * group.size;
  }
  return total;
}

// --- requests ---

void Uring::Accept(int listener, bool direct, uint64_t user_data) {
  io_uring_sqe request = Request(IORING_OP_ACCEPT, {listener, false}, user_data);
  if (direct) {
    request.file_index = IORING_FILE_INDEX_ALLOC;
  } else {
    request.accept_flags = SOCK_CLOEXEC;
  }
  impl_->Queue(request);
}

void Uring::Connect(RingDescriptor socket, const sockaddr* to, socklen_t length,
                    uint64_t user_data) {
  io_uring_sqe request = Request(IORING_OP_CONNECT, socket, user_data);
  request.addr = Pointer(to);
  request.off = length;
  impl_->Queue(request);
}

void Uring::Receive(RingDescriptor socket, uint16_t group, bool wait_first, uint64_t user_data) {
  io_uring_sqe request = Request(IORING_OP_RECV, socket, user_data);
  request.flags |= IOSQE_BUFFER_SELECT;
  request.buf_group = group;
  if (wait_first) request.ioprio |= IORING_RECVSEND_POLL_FIRST;
  impl_->Queue(request);
}

void Uring::Discard(RingDescriptor socket, uint64_t user_data) {
  io_uring_sqe request = Request(IORING_OP_RECV, socket, user_data);
  request.len = kDiscardBytes;
  request.msg_flags = MSG_TRUNC;  // TCP: the bytes are dropped, no buffer is looked at
  impl_->Queue(request);
}

void Uring::Send(RingDescriptor socket, std::span<const uint8_t> bytes, uint64_t user_data) {
  io_uring_sqe request = Request(IORING_OP_SEND, socket, user_data);
  request.addr = Pointer(bytes.data());
  request.len = static_cast<uint32_t>(std::min<size_t>(bytes.size(), 1u << 30));
  request.msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL;
  impl_->Queue(request);
}

void Uring::Poll(RingDescriptor socket, bool readable, bool writable, uint64_t user_data) {
  io_uring_sqe request = Request(IORING_OP_POLL_ADD, socket, user_data);
  uint32_t events = (readable ? POLLIN | POLLRDHUP : 0) | (writable ? POLLOUT : 0);
  if constexpr (std::endian::native == std::endian::big) events = events << 16 | events >> 16;
  request.poll32_events = events;
  impl_->Queue(request);
}

void Uring::Shutdown(RingDescriptor socket, int how, uint64_t user_data) {
  io_uring_sqe request = Request(IORING_OP_SHUTDOWN, socket, user_data);
  request.len = static_cast<uint32_t>(how);
  impl_->Queue(request);
}

void Uring::Cancel(uint64_t cancelled, uint64_t user_data, bool all) {
  io_uring_sqe request = Request(IORING_OP_ASYNC_CANCEL, user_data);
  if (all) request.cancel_flags = IORING_ASYNC_CANCEL_ALL;
  request.addr = cancelled;
  impl_->Queue(request);
}

void Uring::Close(RingDescriptor socket, uint64_t user_data) {
  io_uring_sqe request = Request(IORING_OP_CLOSE, user_data);
  if (socket.direct) {
    request.fd = 0;
    request.file_index = static_cast<uint32_t>(socket.number) + 1;
  } else {
    request.fd = socket.number;
  }
  impl_->Queue(request);
}

void Uring::Install(int32_t* fd, uint64_t user_data) {
  io_uring_sqe request = Request(IORING_OP_FILES_UPDATE, user_data);
  request.addr = Pointer(fd);
  request.len = 1;
  request.off = IORING_FILE_INDEX_ALLOC;
  impl_->Queue(request);
}

namespace {

io_uring_sqe SocketCommand(uint32_t command, RingDescriptor socket, int level, int name,
                           const void* value, socklen_t length, uint64_t user_data) {
  io_uring_sqe request = Request(IORING_OP_URING_CMD, socket, user_data);
  request.cmd_op = command;
  const uint32_t option[2] = {static_cast<uint32_t>(level), static_cast<uint32_t>(name)};
  std::memcpy(&request.addr, option, sizeof(option));
  request.file_index = length;
  request.addr3 = Pointer(value);
  return request;
}

}  // namespace

void Uring::PeerName(RingDescriptor socket, sockaddr_storage* out, socklen_t length,
                     uint64_t user_data) {
  constexpr int kPeerName = 28;  // SO_PEERNAME
  impl_->Queue(
      SocketCommand(kSocketGetOption, socket, SOL_SOCKET, kPeerName, out, length, user_data));
}

void Uring::SetIntOption(RingDescriptor socket, int level, int name, const int* value,
                         uint64_t user_data) {
  impl_->Queue(
      SocketCommand(kSocketSetOption, socket, level, name, value, sizeof(*value), user_data));
}

void Uring::SendDescriptor(int ring_fd, int32_t slot, uint64_t user_data) {
  io_uring_sqe request = Request(IORING_OP_MSG_RING, {ring_fd, false}, user_data);
  request.addr = IORING_MSG_SEND_FD;
  request.addr3 = static_cast<uint64_t>(slot);
  request.file_index = IORING_FILE_INDEX_ALLOC;
  // Without a completion over there it cannot overflow over there, and the slot is told here.
  request.msg_ring_flags = IORING_MSG_RING_CQE_SKIP;
  impl_->Queue(request);
}

void Uring::Wake(int ring_fd, uint64_t message, uint64_t user_data) {
  io_uring_sqe request = Request(IORING_OP_MSG_RING, {ring_fd, false}, user_data);
  request.addr = IORING_MSG_DATA;
  request.off = message;
  request.flags |= IOSQE_CQE_SKIP_SUCCESS;
  impl_->Queue(request);
}

void Uring::ExportDescriptor(int32_t slot, uint64_t user_data) {
  impl_->Queue(Request(kOpFixedFdInstall, {slot, true}, user_data));
}

// --- turns ---

int Uring::Enable() {
  // The library's shared object does not export io_uring_enable_rings.
  if (syscall(__NR_io_uring_register, fd(), IORING_REGISTER_ENABLE_RINGS, nullptr, 0) != 0) {
    return errno;
  }
  // Saves a look-up of the ring in every call; without it everything works as well.
  io_uring_register_ring_fd(&impl_->ring);
  return 0;
}

void Uring::Turn(uint64_t timeout_ns) {
  impl_->QueueBacklog();
  for (BufferGroupMemory& group : impl_->groups) group.Calm();
  ++impl_->submissions;
  impl_->NoteOverflow();
  if (timeout_ns == 0 || !impl_->backlog.empty()) {
    io_uring_submit_and_get_events(&impl_->ring);
    impl_->NoteOverflow();
    return;
  }
  __kernel_timespec timeout{};
  timeout.tv_sec = static_cast<int64_t>(timeout_ns / kNsPerSecond);
  timeout.tv_nsec = static_cast<int64_t>(timeout_ns % kNsPerSecond);
  io_uring_cqe* first = nullptr;
  io_uring_submit_and_wait_timeout(&impl_->ring, &first, 1,
                                   timeout_ns == kNever ? nullptr : &timeout, nullptr);
  impl_->NoteOverflow();
}

bool Uring::Next(Completion* completion) {
  while (true) {
    io_uring_cqe* entry = nullptr;
    if (io_uring_peek_cqe(&impl_->ring, &entry) != 0 || entry == nullptr) return false;
    completion->user_data = entry->user_data;
    completion->result = entry->res;
    completion->has_buffer = (entry->flags & IORING_CQE_F_BUFFER) != 0;
    completion->nonempty = (entry->flags & IORING_CQE_F_SOCK_NONEMPTY) != 0;
    completion->buffer = static_cast<uint16_t>(entry->flags >> IORING_CQE_BUFFER_SHIFT);
    io_uring_cqe_seen(&impl_->ring, entry);
    if (completion->user_data != kIgnored) return true;
  }
}

void Uring::CancelAll() {
  io_uring_submit(&impl_->ring);
  io_uring_sync_cancel_reg everything{};
  everything.fd = -1;
  everything.flags = IORING_ASYNC_CANCEL_ANY;
  everything.timeout.tv_sec = 1;
  io_uring_register_sync_cancel(&impl_->ring, &everything);
}

}  // namespace roost
