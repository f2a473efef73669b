// What only the real ring can show: threads, limits of the kernel, what is left when it goes.
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "core/io/contract_world.h"
#include "core/io/listener.h"
#include "core/io/probe.h"
#include "core/io/uring_io.h"
#include "core/io/uring_testing.h"

namespace roost {
namespace {

constexpr uint64_t kPatienceNs = 20 * kNsPerSecond;

size_t OpenDescriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

std::unique_ptr<UringSet> MakeSet(uint32_t count, DescriptorMode mode, std::string* why) {
  UringSet::Options options;
  options.count = count;
  options.mode = mode;
  return UringSet::Create(options, why);
}

class UringTest : public testing::TestWithParam<DescriptorMode> {
 protected:
  // Null: the test was skipped or has failed.
  static std::unique_ptr<UringSet> Set(uint32_t count) {
    std::string why;
    auto set = MakeSet(count, GetParam(), &why);
    if (set == nullptr) SkipOrFail(why, GetParam());
    return set;
  }
  static std::unique_ptr<World> TwoIos(const IoLimits& limits = {}) {
    const bool direct = GetParam() == DescriptorMode::kDirect;
    return World::Create(direct ? WorldKind::kUringDirect : WorldKind::kUringOrdinary, 2, limits);
  }
};

// The process must not end up with another kernel's limits: done in a child.
int InChild(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Makes io_uring_setup fail with `error`, as the default profiles of container engines do.
bool Forbid(int error) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<uint32_t>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {std::size(filter), filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(ProbeTest, LeavesNothingBehindAndSaysWhatItFound) {
  const size_t before = OpenDescriptors();
  const ProbeResult result = ProbeUring();
  EXPECT_EQ(OpenDescriptors(), before);
  EXPECT_FALSE(result.features.empty());
  EXPECT_FALSE(result.message.empty());
  EXPECT_FALSE(result.direct_message.empty());
  for (const auto& feature : result.features) {
    EXPECT_TRUE(feature.present || feature.direct || !result.usable) << feature.name;
  }
}

TEST(ProbeTest, ASeccompFilterIsNamed) {
  EXPECT_EQ(InChild([] {
              if (!Forbid(EPERM)) return 0;  // no filters here: nothing to show
              const ProbeResult result = ProbeUring();
              std::string error;
              const bool none = MakeSet(1, DescriptorMode::kAuto, &error) == nullptr;
              return !result.usable && none && Contains(result.message, "seccomp") &&
                             Contains(error, "io_uring_setup")
                         ? 0
                         : 1;
            }),
            0);
}

TEST(ProbeTest, AKernelWithoutIoUringIsNamed) {
  EXPECT_EQ(InChild([] {
              if (!Forbid(ENOSYS)) return 0;
              const ProbeResult result = ProbeUring();
              return !result.usable && Contains(result.message, "no io_uring") ? 0 : 1;
            }),
            0);
}

TEST(ProbeTest, EveryErrorComesWithAdvice) {
  for (const int error : {ENOSYS, EPERM, EINVAL, ENOMEM, EMFILE, ENFILE}) {
    EXPECT_GT(DescribeUringError(error, "io_uring_setup").size(), 60u) << error;
  }
  EXPECT_EQ(DescribeUringError(EIO, "step"), "step: Input/output error");
}

// Every move crosses threads. Each shard serves whatever socket comes to it, a few bytes at a time.
struct Shard final : IoHandler {
  Shard(UringSet* set, uint32_t number, uint32_t count)
      : io(set->at(number)), number(number), count(count) {
    io.SetHandler(this);
  }
  void OnAccept(uint64_t, SocketId socket, const Address&) override {
    io.Receive(socket, BufferGroup::kSmall);
  }
  void OnConnect(Owner, SocketId, int) override {}
  void OnReceive(Owner, SocketId socket, std::span<uint8_t> data, int error) override {
    if (error != 0 || data.empty()) return io.Close(socket, {});
    io.Send(socket, std::string(data.begin(), data.end()));
  }
  void OnReadable(Owner, SocketId socket) override { io.Receive(socket, BufferGroup::kSmall); }
  void OnSent(Owner, SocketId socket, int error) override {
    if (error != 0) return io.Abort(socket);
    ++moves;
    io.Move(socket, (number + 1) % count, 42);
    io.RingBell((number + 1) % count);
  }
  void OnMoved(uint64_t token, SocketId socket, int error) override {
    EXPECT_EQ(token, 42u);
    EXPECT_EQ(error, 0);
    io.WaitReadable(socket);
  }
  void OnBell() override { ++bells; }

  UringIo& io;
  const uint32_t number;
  const uint32_t count;  // of those that sockets travel between
  uint64_t moves = 0;
  uint64_t bells = 0;
  std::atomic<bool> stop{false};
};

TEST_P(UringTest, SocketsTravelBetweenThreadsAndEchoEveryByte) {
  auto set = Set(4);
  if (set == nullptr) return;
  constexpr uint32_t kShards = 3;  // the fourth is the client, on this thread
  std::vector<std::unique_ptr<Shard>> shards;
  Address address = LoopbackV4();
  std::string error;
  const ListenerDescriptor descriptor = OpenListener(address, {}, &error);
  ASSERT_GE(descriptor.fd, 0) << error;
  for (uint32_t i = 0; i < kShards; ++i) {
    shards.push_back(std::make_unique<Shard>(set.get(), i, kShards));
  }
  std::vector<std::thread> threads;
  std::atomic<uint32_t> bound{0};
  for (uint32_t i = 0; i < kShards; ++i) {
    threads.emplace_back([&, i] {
      Shard& shard = *shards[i];
      shard.io.Bind();
      if (i == 0) shard.io.Listen(descriptor, 1);
      bound.fetch_add(1);
      while (!shard.stop.load(std::memory_order_acquire)) {
        shard.io.RunOnce(shard.io.NowNs() + 50 * kNsPerMs);
      }
    });
  }
  UringIo& io = set->at(kShards);
  io.Bind();
  while (bound.load() != kShards) std::this_thread::yield();
  Party client(&io);
  constexpr size_t kSockets = 20;
  std::vector<SocketId> sockets;
  for (size_t i = 0; i < kSockets; ++i) sockets.push_back(client.Connect(descriptor.bound));
  // Each answer is followed by the next question, until every socket has heard enough.
  constexpr size_t kEnough = 20'000;
  const auto ask = [&](SocketId socket) {
    const Party::Log& log = client.log(socket);
    const bool answered = log.received.size() == static_cast<size_t>(log.sents) * 200;
    if (answered && log.received.size() < kEnough) io.Send(socket, Pattern(200, socket.index));
  };
  client.on_connect = client.on_receive = client.on_sent = ask;
  const uint64_t end_ns = io.NowNs() + kPatienceNs;
  const auto done = [&] {
    for (const SocketId socket : sockets) {
      if (client.log(socket).received.size() < kEnough) return false;
    }
    return true;
  };
  while (!done() && io.NowNs() < end_ns) io.RunOnce(io.NowNs() + 10 * kNsPerMs);
  EXPECT_TRUE(done());
  for (const SocketId socket : sockets) {
    const std::string piece = Pattern(200, socket.index);
    const std::string& received = client.log(socket).received;
    for (size_t at = 0; at + 200 <= received.size(); at += 200) {
      ASSERT_EQ(received.compare(at, 200, piece), 0);
    }
  }
  for (auto& shard : shards) shard->stop.store(true, std::memory_order_release);
  for (uint32_t i = 0; i < kShards; ++i) io.RingBell(i);
  io.RunOnce(0);
  for (std::thread& thread : threads) thread.join();
  uint64_t moves = 0, bells = 0;
  for (auto& shard : shards) {
    moves += shard->moves;
    bells += shard->bells;
  }
  EXPECT_GE(moves, kSockets * kEnough / 200);
  EXPECT_GT(bells, 0u);
}

TEST_P(UringTest, ABellEndsAnEndlessWait) {
  auto set = Set(2);
  if (set == nullptr) return;
  std::atomic<int> heard{0};
  std::thread sleeper([&] {
    Party party(&set->at(1));
    set->at(1).Bind();
    party.on_bell = [&] { heard.fetch_add(1); };
    while (heard.load() < 100) set->at(1).RunOnce(kNever);
  });
  Party party(&set->at(0));
  set->at(0).Bind();
  // The first may come before the other is bound: it is heard all the same.
  for (int i = 0; i < 100; ++i) {
    const int before = heard.load();
    set->at(0).RingBell(1);
    set->at(0).RunOnce(0);
    while (heard.load() == before) std::this_thread::yield();
  }
  sleeper.join();
}

TEST_P(UringTest, ASetThatEndsInTheMiddleOfEverythingLeavesNoDescriptor) {
  const size_t before = OpenDescriptors();
  for (int round = 0; round < 5; ++round) {
    auto set = Set(2);
    if (set == nullptr) return;
    set->at(0).Bind();
    set->at(1).Bind();
    Party server(&set->at(0)), client(&set->at(1));
    std::string error;
    const ListenerDescriptor descriptor = OpenListener(LoopbackV4(), {}, &error);
    ASSERT_EQ(server.io().Listen(descriptor, 1), 0);
    std::vector<SocketId> sockets;
    sockets.reserve(50);
    for (int i = 0; i < 50; ++i) sockets.push_back(client.Connect(descriptor.bound));
    for (int turn = 0; turn < round * 10; ++turn) {
      server.io().RunOnce(0);
      client.io().RunOnce(0);
      for (const SocketId socket : sockets) {
        if (turn == 5 && client.log(socket).connects == 1 && !client.io().SendPending(socket)) {
          client.io().Send(socket, Pattern(1'000'000));
        }
      }
      if (turn == 12 && server.accepted.size() > 3) {
        server.io().Close(server.accepted[0].socket, Pattern(1'000'000));
        server.io().Abort(server.accepted[1].socket);
      }
    }
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_P(UringTest, NobodyIsTakenInByAListenerWhoseRingIsGone) {
  for (int round = 0; round < 20; ++round) {
    auto set = Set(1);
    if (set == nullptr) return;
    set->at(0).Bind();
    auto server = std::make_unique<Party>(&set->at(0));
    std::string error;
    const ListenerDescriptor listener = OpenListener(LoopbackV4(), {}, &error);
    ASSERT_EQ(server->io().Listen(listener, 1), 0) << error;
    server->io().RunOnce(0);  // the kernel waits for whoever comes
    server.reset();
    set.reset();
    const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(listener.bound.port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_NE(connect(client, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    EXPECT_EQ(errno, ECONNREFUSED);
    close(client);
  }
}

TEST_P(UringTest, AnOverflowingCompletionQueueIsCountedAndLosesNothing) {
  IoLimits limits;
  limits.completion_entries = 8;
  limits.queue_entries = 8;
  auto world = TwoIos(limits);
  if (world == nullptr) return;
  std::vector<World::Pair> pairs;
  pairs.reserve(100);
  for (int i = 0; i < 100; ++i) pairs.push_back(world->Join(1, 0));
  // All sessions of a store die at once.
  for (const auto& pair : pairs) (*world)[1].io().Abort(pair.client);
  ASSERT_TRUE(world->Until([&] {
    for (const auto& pair : pairs) {
      if (!(*world)[0].log(pair.server).over()) return false;
    }
    return true;
  }));
  EXPECT_GT((*world)[0].io().stats().queue_overflows + (*world)[1].io().stats().queue_overflows,
            0u);
}

TEST_P(UringTest, ATurnEndsAtItsDeadline) {
  auto set = Set(1);
  if (set == nullptr) return;
  Party party(&set->at(0));
  UringIo& io = set->at(0);
  io.Bind();
  const uint64_t start_ns = io.NowNs();
  EXPECT_EQ(io.RunOnce(start_ns + 20 * kNsPerMs), 0);
  EXPECT_GE(io.NowNs(), start_ns + 20 * kNsPerMs);
  const uint64_t later_ns = io.NowNs();
  io.RunOnce(0);
  io.RunOnce(1);  // long past
  EXPECT_LT(io.NowNs(), later_ns + kPatienceNs);
}

TEST_P(UringTest, TheBuffersOfABurstAreGivenBack) {
  auto world = TwoIos();
  if (world == nullptr) return;
  Party& server = (*world)[0];
  Party& client = (*world)[1];
  std::vector<World::Pair> pairs;
  pairs.reserve(200);
  for (int i = 0; i < 200; ++i) pairs.push_back(world->Join(1, 0));
  const uint64_t calm = server.io().stats().buffer_bytes;
  const auto heard = [&](size_t bytes) {
    return world->Until([&] {
      for (const auto& pair : pairs) {
        if (server.log(pair.server).received.size() < bytes) return false;
      }
      return true;
    });
  };
  for (const auto& pair : pairs) client.io().Send(pair.client, Pattern(5000));
  ASSERT_TRUE(heard(5000));
  EXPECT_GT(server.io().stats().buffers_dry, 0u);
  EXPECT_GT(server.io().stats().buffer_bytes, calm);
  // What was offered during the burst is used up one by one, and not offered again.
  client.on_sent = [&](SocketId socket) { client.io().Send(socket, "more"); };
  client.io().Send(pairs[0].client, "more");
  EXPECT_TRUE(world->Until([&] { return server.io().stats().buffer_bytes <= calm; }));
}

TEST(UringSetTest, AutomaticModeSaysWhy) {
  std::string why;
  auto set = MakeSet(1, DescriptorMode::kAuto, &why);
  if (set == nullptr) return SkipOrFail(why);
  EXPECT_NE(set->mode(), DescriptorMode::kAuto);
  EXPECT_EQ(set->mode() == DescriptorMode::kDirect, ProbeUring().direct);
  EXPECT_TRUE(Contains(set->mode_reason(), "direct descriptors")) << set->mode_reason();
}

// Else clients would be let in until nothing is left for their sessions, nor for whoever asks how
// the process is.
TEST(UringSetTest, OrdinaryDescriptorsAreSharedAndLeaveSomeForOthers) {
  EXPECT_EQ(InChild([] {
              const rlimit limit{200, 200};
              if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return 1;
              UringSet::Options options;
              options.count = 3;
              options.mode = DescriptorMode::kOrdinary;
              options.others = 20;
              std::string why;
              auto set = UringSet::Create(options, &why);
              if (set == nullptr) return ProbeUring().usable ? 5 : 0;  // or not on this machine
              if (set->at(2).stats().max_sockets != (200 - 20 - 3) / 3) return 2;
              options.others = 500;
              set = UringSet::Create(options, &why);
              if (set == nullptr || set->at(0).stats().max_sockets != 1) return 3;
              options.limits.max_sockets = 7;
              options.others = 20;
              set = UringSet::Create(options, &why);
              return set != nullptr && set->at(0).stats().max_sockets == 7 ? 0 : 4;
            }),
            0);
}

INSTANTIATE_TEST_SUITE_P(Modes, UringTest,
                         testing::Values(DescriptorMode::kOrdinary, DescriptorMode::kDirect),
                         [](const auto& info) {
                           return info.param == DescriptorMode::kDirect ? "Direct" : "Ordinary";
                         });

}  // namespace
}  // namespace roost
