// Uring: one io_uring and its provided buffers. The only code that knows liburing is in uring.cc.
//
// Not here: sockets, generations, who is told. Callers put a number (user_data) into each
// request and get it back with the result; uring_io.h makes sockets out of that, probe.h
// asks what the kernel can do.
//
// A request is queued, not submitted: Turn submits all of them at once and waits. When the
// submission queue is full it is submitted early. Memory named by a request (Send, Connect,
// Install, PeerName) must stay where it is until its completion.
//
// Thread rule: created anywhere, disabled; buffers and slots may be added then. From Enable on
// everything happens on the thread that called it, and only messages from other rings come in.
// Destroyed on that thread or after it ended.
#ifndef ROOST_CORE_IO_URING_H_
#define ROOST_CORE_IO_URING_H_

#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace roost {

// A socket as the ring names it: an ordinary descriptor, or a slot of the ring's own table.
struct RingDescriptor {
  int32_t number = -1;
  bool direct = false;
};

struct Completion {
  uint64_t user_data = 0;
  int32_t result = 0;  // or -errno
  bool has_buffer = false;
  bool nonempty = false;  // the socket held more than this receive took
  uint16_t buffer = 0;
};

class Uring {
 public:
  // In user_data: completions of such requests are dropped inside.
  static constexpr uint64_t kIgnored = 0;

  struct Options {
    uint32_t queue_entries = 256;
    uint32_t completion_entries = 1024;
    uint32_t direct_slots = 0;  // size of the table; 0: none
  };

  // Null with *error (an errno) and *step (what failed) set.
  static std::unique_ptr<Uring> Create(const Options& options, int* error, std::string* step);
  ~Uring();
  Uring(const Uring&) = delete;
  Uring& operator=(const Uring&) = delete;

  int fd() const;

  // Returns 0 or errno. A group's number is its place in the order of these calls, from 0; `count`
  // is rounded up to a power of two.
  // Only a few of them are offered to the kernel, the lowest, and more as soon as these were too
  // few: memory that a burst needed is given back some time after it.
  int AddBufferGroup(uint32_t count, uint32_t size);
  uint32_t BufferCount(uint16_t group) const;
  std::span<uint8_t> Buffer(uint16_t group, uint16_t buffer, size_t size);
  // A receive found none (-ENOBUFS): more are offered from now on.
  void NoteDry(uint16_t group);
  // Bytes of buffers that are in use or were lately.
  size_t BufferMemory() const;
  // The kernel may fill it again: whoever still looks at it is caught by AddressSanitizer.
  void ReturnBuffer(uint16_t group, uint16_t buffer);

  // Binds the ring to the calling thread. Returns 0 or errno.
  int Enable();

  // Requests. The result of each is that of the system call of its name, unless told otherwise.
  // One connection, to an ordinary descriptor, or to a free slot (result: the slot; -ENFILE: none).
  void Accept(int listener, bool direct, uint64_t user_data);
  void Connect(RingDescriptor socket, const sockaddr* to, socklen_t length, uint64_t user_data);
  // Into a buffer of the group, picked when bytes are there; -ENOBUFS when it is empty then.
  // wait_first: nothing is expected, so do not try before something comes.
  void Receive(RingDescriptor socket, uint16_t group, bool wait_first, uint64_t user_data);
  // Reads up to 1 MiB and throws it away, without memory for it.
  void Discard(RingDescriptor socket, uint64_t user_data);
  // Never waits: -EAGAIN when the socket is full.
  void Send(RingDescriptor socket, std::span<const uint8_t> bytes, uint64_t user_data);
  // One shot.
  void Poll(RingDescriptor socket, bool readable, bool writable, uint64_t user_data);
  void Shutdown(RingDescriptor socket, int how, uint64_t user_data);
  // Ends a request by its number, or all that have it. They still complete, with -ECANCELED
  // or as if nothing had been.
  void Cancel(uint64_t cancelled, uint64_t user_data, bool all = false);
  void Close(RingDescriptor socket, uint64_t user_data);
  // Copies ordinary descriptor *fd into a free slot and writes the slot into *fd. Result: 1.
  void Install(int32_t* fd, uint64_t user_data);
  void PeerName(RingDescriptor socket, sockaddr_storage* out, socklen_t length, uint64_t user_data);
  void SetIntOption(RingDescriptor socket, int level, int name, const int* value,
                    uint64_t user_data);
  // Copies a slot into a free slot of another ring's table, which is not told. Result: the slot
  // there. -EBADFD: that ring is not enabled.
  void SendDescriptor(int ring_fd, int32_t slot, uint64_t user_data);
  // Puts a completion with `message` as its user_data into another ring. Completes
  // here only if that fails.
  void Wake(int ring_fd, uint64_t message, uint64_t user_data);
  // Copies a slot to an ordinary descriptor: for take-over.
  void ExportDescriptor(int32_t slot, uint64_t user_data);

  // Submits; then waits for a completion, or until timeout_ns have passed (0: not
  // at all, kNever: no limit).
  void Turn(uint64_t timeout_ns);
  // The next completion. Its place in the queue is free at once.
  bool Next(Completion* completion);
  // Waits for all requests to be gone, cancelling them: after this the
  // kernel holds nothing of ours.
  void CancelAll();

  // Grows whenever what is queued may have been submitted.
  uint64_t submissions() const;
  // How often the completion queue was found to have overflowed; nothing was lost by it.
  uint64_t overflows() const;

 private:
  struct Impl;
  explicit Uring(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace roost

#endif  // ROOST_CORE_IO_URING_H_
