#include "core/io/probe.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <utility>

#include "core/base/clock.h"
#include "core/io/io.h"
#include "core/io/listener.h"
#include "core/io/sockaddr.h"
#include "core/io/uring.h"

namespace roost {
namespace {

// What a kernel lacks it says at once; what it has may take a while on a machine that starts much
// else in that moment.
constexpr uint64_t kPatienceNs = 10 * kNsPerSecond;
constexpr uint64_t kLookNs = 50 * kNsPerMs;
constexpr uint32_t kBufferBytes = 256;

std::string ReadWord(const char* path) {
  std::ifstream file(path);
  std::string word;
  file >> word;
  return word;
}

// The field of /proc/self/status, without its name.
std::string OwnStatus(const std::string& field) {
  std::ifstream file("/proc/self/status");
  std::string name, value;
  while (file >> name) {
    std::getline(file, value);
    if (name == field + ":") return value.substr(value.find_first_not_of(" \t"));
  }
  return "";
}

uint64_t Now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return SecondsToNs(static_cast<uint64_t>(now.tv_sec)) + static_cast<uint64_t>(now.tv_nsec);
}

class Prober {
 public:
  explicit Prober(ProbeResult* result) : result_(result) {}
  ~Prober() {
    if (listener_ >= 0) close(listener_);
    if (client_ >= 0) close(client_);
    if (accepted_ >= 0) close(accepted_);
  }

  bool Rings() {
    int error = 0;
    std::string step;
    Uring::Options options;
    options.queue_entries = 16;
    options.completion_entries = 64;
    ring_ = Uring::Create(options, &error, &step);
    if (ring_ != nullptr) other_ = Uring::Create(options, &error, &step);
    if (other_ != nullptr) error = ring_->Enable();
    if (error == 0) error = other_->Enable();
    if (!Note("ring for one thread with deferred work", error == 0, error, false)) {
      result_->message = DescribeUringError(error, step);
      return false;
    }
    return true;
  }

  // Ordinary descriptors: what every shard does.
  void Ordinary() {
    error_ = 0;
    int error = ring_->AddBufferGroup(4, kBufferBytes);
    Note("rings of provided buffers", error == 0, error, false);
    if (error != 0 || !OpenLoopback()) return;
    ring_->Accept(listener_, false, Tag());
    const bool connected = ConnectClient();
    accepted_ = Await().result;
    Note("accept", connected && accepted_ >= 0, error_, false);
    if (accepted_ < 0) return;
    Exchange({accepted_, false}, false);
    other_->Wake(ring_->fd(), Tag(), Uring::kIgnored);
    other_->Turn(0);
    Note("messages between rings", Await().user_data == tag_, error_, false);
    ring_->Close({std::exchange(accepted_, -1), false}, Tag());
    Note("close", Await().result == 0, error_, false);
  }

  void Direct() {
    int error = 0;
    std::string step;
    Uring::Options options;
    options.queue_entries = 16;
    options.completion_entries = 64;
    options.direct_slots = 8;
    ring_ = Uring::Create(options, &error, &step);
    if (ring_ != nullptr) other_ = Uring::Create(options, &error, &step);
    if (ring_ != nullptr && other_ != nullptr) error = ring_->AddBufferGroup(4, kBufferBytes);
    if (error == 0) error = ring_->Enable();
    if (error == 0) error = other_->Enable();
    Note("table of direct descriptors", error == 0, error, true);
    if (error != 0) return;

    ring_->Accept(listener_, true, Tag());
    const bool connected = ConnectClient();
    const Completion accept = Await();
    Note("accept to a direct descriptor", connected && accept.result >= 0, error_, true);
    if (accept.result < 0) return;
    const RingDescriptor socket{accept.result, true};
    PeerName(socket);
    Exchange(socket, true);
    const int one = 1;
    ring_->SetIntOption(socket, IPPROTO_TCP, TCP_NODELAY, &one, Tag());
    Note("socket options on a direct descriptor", Await().result == 0, error_, true);
    Install();
    Move(socket);
    ring_->ExportDescriptor(socket.number, Tag());
    const Completion exported = Await();
    // Take-over is all that wants it: its absence forbids nothing.
    result_->features.push_back(
        {"export of a direct descriptor", exported.result >= 0, true, error_});
    if (exported.result >= 0) close(exported.result);
  }

 private:
  bool Note(const char* name, bool present, int error, bool direct) {
    result_->features.push_back({name, present, direct, present ? 0 : error});
    (direct ? direct_ : usable_) &= present;
    result_->usable = usable_;
    result_->direct = usable_ && direct_ && direct;
    return present;
  }

  uint64_t Tag() { return ++tag_; }

  // The next completion; result -ETIME when none comes. error_ becomes its error.
  Completion Await() {
    Completion completion;
    const uint64_t end_ns = Now() + kPatienceNs;
    while (!ring_->Next(&completion)) {
      if (Now() >= end_ns) {
        completion = {};
        completion.result = -ETIME;
        break;
      }
      ring_->Turn(kLookNs);
      other_->Turn(0);
    }
    error_ = completion.result < 0 ? -completion.result : 0;
    return completion;
  }

  bool OpenLoopback() {
    Address loopback;
    Address::Parse("127.0.0.1:0", &loopback);
    std::string error;
    const ListenerDescriptor descriptor = OpenListener(loopback, {}, &error);
    if (descriptor.fd < 0) {
      loopback = {};
      Address::Parse("[::1]:0", &loopback);
      const ListenerDescriptor v6 = OpenListener(loopback, {}, &error);
      listener_ = v6.fd;
      address_ = v6.bound;
    } else {
      listener_ = descriptor.fd;
      address_ = descriptor.bound;
    }
    return Note("loopback sockets", listener_ >= 0, errno, false);
  }

  bool ConnectClient() {
    if (client_ >= 0) close(client_);
    ring_->Turn(0);
    client_ = OpenConnectSocket(address_, {});
    sockaddr_storage storage;
    const socklen_t length = ToSockaddr(address_, &storage);
    return client_ >= 0 && connect(client_, reinterpret_cast<sockaddr*>(&storage), length) == 0;
  }

  // Poll, receive, send, cancel and shutdown on a fresh connection.
  void Exchange(RingDescriptor socket, bool direct) {
    ring_->Poll(socket, true, false, Tag());
    ring_->Turn(0);
    ring_->Cancel(tag_, Uring::kIgnored);
    Note("cancel", Await().result == -ECANCELED, error_, direct);

    ring_->Poll(socket, true, false, Tag());
    ring_->Turn(0);
    const bool said = write(client_, "ping", 4) == 4;
    Note("poll", said && Await().result > 0, error_, direct);

    ring_->Receive(socket, 0, false, Tag());
    const Completion received = Await();
    const bool right = received.result == 4 && received.has_buffer &&
                       std::memcmp(ring_->Buffer(0, received.buffer, 4).data(), "ping", 4) == 0;
    if (received.has_buffer) ring_->ReturnBuffer(0, received.buffer);
    Note("receive into a provided buffer", right, error_, direct);

    static constexpr uint8_t kPong[] = {'p', 'o', 'n', 'g'};
    ring_->Send(socket, kPong, Tag());
    const bool sent = Await().result == 4;
    char answer[4] = {};
    Note("send", sent && read(client_, answer, 4) == 4 && std::memcmp(answer, kPong, 4) == 0,
         error_, direct);

    ring_->Receive(socket, 0, true, Tag());
    ring_->Turn(0);
    const bool said_more = write(client_, "rest", 4) == 4;
    const Completion waited = Await();
    if (waited.has_buffer) ring_->ReturnBuffer(0, waited.buffer);
    Note("receive that waits first", said_more && waited.result == 4, error_, direct);

    ring_->Shutdown(socket, SHUT_WR, Tag());
    const bool shut = Await().result == 0;
    Note("shutdown", shut && read(client_, answer, 1) == 0, error_, direct);

    const bool noise = write(client_, "noise", 5) == 5;
    ring_->Discard(socket, Tag());
    Note("receive that discards", noise && Await().result == 5, error_, direct);
  }

  void PeerName(RingDescriptor socket) {
    sockaddr_storage peer{};
    sockaddr_storage own{};
    socklen_t length = sizeof(own);
    getsockname(client_, reinterpret_cast<sockaddr*>(&own), &length);
    ring_->PeerName(socket, &peer, SockaddrLength(own.ss_family), Tag());
    Await();
    Note("peer address of a direct descriptor", FromSockaddr(peer) == FromSockaddr(own), error_,
         true);
  }

  void Install() {
    const int fd = OpenConnectSocket(address_, {});
    int32_t slot = fd;
    ring_->Install(&slot, Tag());
    const bool installed = Await().result == 1;
    close(fd);
    Note("direct descriptor from an ordinary one", installed, error_, true);
    if (!installed) return;
    sockaddr_storage storage;
    const socklen_t length = ToSockaddr(address_, &storage);
    ring_->Connect({slot, true}, reinterpret_cast<sockaddr*>(&storage), length, Tag());
    Note("connect of a direct descriptor", Await().result == 0, error_, true);
    ring_->Close({slot, true}, Tag());
    Note("close of a direct descriptor", Await().result == 0, error_, true);
  }

  // Copies the slot into the other ring, whose table is empty: it must come out
  // as slot 0, and be alive.
  void Move(RingDescriptor socket) {
    ring_->SendDescriptor(other_->fd(), socket.number, Tag());
    const Completion moved = Await();
    Note("move of a direct descriptor to another ring", moved.result >= 0, error_, true);
    if (moved.result < 0) return;
    std::swap(ring_, other_);
    ring_->Poll({moved.result, true}, false, true, Tag());
    Note("use of a moved descriptor", Await().result > 0, error_, true);
    std::swap(ring_, other_);
  }

  ProbeResult* result_;
  std::unique_ptr<Uring> ring_;
  std::unique_ptr<Uring> other_;
  Address address_;
  int listener_ = -1;
  int client_ = -1;
  int accepted_ = -1;
  int error_ = 0;
  uint64_t tag_ = 0;
  bool usable_ = true;
  bool direct_ = true;
};

std::string Missing(const ProbeResult& result, bool direct) {
  std::string text;
  for (const auto& feature : result.features) {
    if (feature.present || feature.direct != direct) continue;
    if (!text.empty()) text += ", ";
    text += feature.name;
    if (feature.error != 0) text += std::string(" (") + std::strerror(feature.error) + ")";
  }
  return text;
}

}  // namespace

ProbeResult ProbeUring() {
  ProbeResult result;
  Prober prober(&result);
  if (!prober.Rings()) {
    result.direct_message = result.message;
    return result;
  }
  prober.Ordinary();
  if (!result.usable) {
    result.message = "io_uring of this kernel lacks: " + Missing(result, false) +
                     "; Linux 6.1 or newer has all that is needed";
    result.direct_message = result.message;
    return result;
  }
  result.message = "io_uring has all that is needed";
  prober.Direct();
  result.direct_message =
      result.direct ? "io_uring has all that direct descriptors need"
                    : "no direct descriptors, io_uring of this kernel lacks for them: " +
                          Missing(result, true) + "; Linux 6.7 or newer has all that is needed";
  return result;
}

std::string DescribeUringError(int error, const std::string& step) {
  std::string text = (step.empty() ? "io_uring" : step) + ": " + std::strerror(error) + ": ";
  const std::string disabled = ReadWord("/proc/sys/kernel/io_uring_disabled");
  switch (error) {
    case ENOSYS:
      return text +
             "this kernel has no io_uring (Linux 6.1 or newer built with CONFIG_IO_URING is "
             "needed), or a container profile hides it";
    case EPERM:
    case EACCES:
      if (disabled == "2") {
        return text +
               "io_uring is switched off on this machine; allow it with "
               "sysctl kernel.io_uring_disabled=0";
      }
      if (disabled == "1") {
        return text +
               "io_uring is reserved to privileged processes and one group; allow it with "
               "sysctl kernel.io_uring_disabled=0, or run in the group of "
               "kernel.io_uring_group";
      }
      if (OwnStatus("Seccomp") == "2") {
        return text +
               "a seccomp filter forbids it, as the default profiles of container engines "
               "do; use a profile that allows io_uring_setup, io_uring_enter and "
               "io_uring_register";
      }
      return text + "a security policy (SELinux, AppArmor) forbids io_uring to this process";
    case EINVAL:
      return text + "this kernel's io_uring is too old; Linux 6.1 or newer is needed";
    case ENOMEM:
      return text + "no memory that may be locked; raise RLIMIT_MEMLOCK (ulimit -l, LimitMEMLOCK=)";
    case EMFILE:
      return text +
             "out of file descriptors; raise RLIMIT_NOFILE (ulimit -n, LimitNOFILE=) or "
             "lower the number of sockets per shard";
    case ENFILE:
      return text + "the machine is out of file descriptors; raise fs.file-max";
    default:
      text.resize(text.size() - 2);
      return text;
  }
}

}  // namespace roost
