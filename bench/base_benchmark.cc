// What every event pays: cells, timers, names, and the way from one shard to another.
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>

#include "core/base/hash.h"
#include "core/base/rng.h"
#include "core/base/slab.h"
#include "core/base/timer_wheel.h"
#include "core/io/simulated.h"
#include "core/io/uring_io.h"

namespace roost {
namespace {

struct Cell {
  uint32_t generation;
  TimerLinks timer;
  unsigned char rest[240] = {};
};
static_assert(sizeof(Cell) == 256);

// One cell comes and one goes, in a slab that holds this many.
void SlabNewAndFree(benchmark::State& state) {
  Slab<Cell> slab;
  const auto live = static_cast<uint32_t>(state.range(0));
  for (uint32_t i = 0; i < live; ++i) slab.New();
  Rng rng(1);
  for (auto _ : state) {
    slab.Free(static_cast<uint32_t>(rng.Below(live)));
    benchmark::DoNotOptimize(slab.New());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(SlabNewAndFree)->Arg(1000)->Arg(16'000);

void SlabFind(benchmark::State& state) {
  Slab<Cell> slab;
  std::vector<Handle> handles;
  for (uint32_t i = 0; i < 16'000; ++i) {
    const auto ref = slab.New();
    handles.emplace_back(1, ref.index, ref.generation);
  }
  Rng rng(1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(slab.Find(handles[rng.Below(handles.size())]));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(SlabFind);

// Every client's heartbeat is put off whenever something was said to it.
void TimerRearm(benchmark::State& state) {
  std::vector<TimerLinks> cells(static_cast<size_t>(state.range(0)));
  const auto links = [&](uint32_t i) -> TimerLinks& { return cells[i]; };
  TimerWheel wheel(0);
  Rng rng(1);
  const auto deadline = [&](uint64_t now) {
    return now + SecondsToNs(120) + rng.Below(kNsPerSecond);
  };
  for (uint32_t i = 0; i < cells.size(); ++i) wheel.Arm(links, i, deadline(0));
  for (auto _ : state)
    wheel.Arm(links, static_cast<uint32_t>(rng.Below(cells.size())), deadline(0));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(TimerRearm)->Arg(16'000)->Arg(1'000'000);

// A minute of simulated time, in turns of 10 ms: every timer fires once and is armed again.
void TimerAdvance(benchmark::State& state) {
  std::vector<TimerLinks> cells(static_cast<size_t>(state.range(0)));
  const auto links = [&](uint32_t i) -> TimerLinks& { return cells[i]; };
  TimerWheel wheel(0);
  Rng rng(1);
  for (uint32_t i = 0; i < cells.size(); ++i) wheel.Arm(links, i, rng.Below(MinutesToNs(1)));
  uint64_t now = 0;
  int64_t fired = 0;
  for (auto _ : state) {
    for (int turn = 0; turn < 6000; ++turn) {
      now += 10 * kNsPerMs;
      fired += wheel.Advance(links, now, 1 << 30, [&](uint32_t index) {
        wheel.Arm(links, index, now + MinutesToNs(1));
      });
    }
  }
  state.SetItemsProcessed(fired);
}
BENCHMARK(TimerAdvance)->Arg(16'000)->Unit(benchmark::kMillisecond);

void HashOfAName(benchmark::State& state) {
  const HashKey key{1, 2};
  const std::string name = "somebody@some.domain.example";
  for (auto _ : state) benchmark::DoNotOptimize(SipHash13(key, name));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(HashOfAName);

// Counts bells; the benchmark's own thread waits for them.
struct Listener final : DeafIoHandler {
  void OnBell() override { ++bells; }
  uint64_t bells = 0;
};

// There and back between two shards' threads, both asleep in between.
void BellRoundTrip(benchmark::State& state) {
  UringSet::Options options;
  options.count = 2;
  options.mode = DescriptorMode::kOrdinary;
  std::string why;
  const auto set = UringSet::Create(options, &why);
  if (set == nullptr) {
    state.SkipWithError(why.c_str());
    return;
  }
  std::atomic<bool> stop{false};
  std::thread other([&] {
    UringIo& io = set->at(1);
    Listener listener;
    io.SetHandler(&listener);
    io.Bind();
    while (!stop.load()) {
      const uint64_t before = listener.bells;
      io.RunOnce(kNever);
      if (listener.bells != before) io.RingBell(0);
    }
  });
  UringIo& io = set->at(0);
  Listener listener;
  io.SetHandler(&listener);
  io.Bind();
  for (auto _ : state) {
    const uint64_t before = listener.bells;
    io.RingBell(1);
    while (listener.bells == before) io.RunOnce(kNever);
  }
  stop.store(true);
  io.RingBell(1);
  io.RunOnce(0);
  other.join();
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BellRoundTrip)->UseRealTime();

// What a simulated run costs: echoes per second through the simulated network.
struct Echo final : IoHandler {
  explicit Echo(Io* io) : io(io) { io->SetHandler(this); }
  void OnAccept(uint64_t, SocketId socket, const Address&) override {
    io->Receive(socket, BufferGroup::kSmall);
  }
  void OnConnect(Owner, SocketId socket, int) override {
    io->Receive(socket, BufferGroup::kSmall);
    io->Send(socket, "* OK Still here\r\n");
  }
  void OnReceive(Owner, SocketId socket, std::span<uint8_t> data, int) override {
    ++echoes;
    io->Receive(socket, BufferGroup::kSmall);
    if (!io->SendPending(socket)) io->Send(socket, std::string(data.begin(), data.end()));
  }
  void OnReadable(Owner, SocketId) override {}
  void OnSent(Owner, SocketId, int) override {}
  void OnMoved(uint64_t, SocketId, int) override {}
  void OnBell() override {}
  Io* io;
  int64_t echoes = 0;
};

void SimulatedEchoes(benchmark::State& state) {
  SimNetwork network(1, SimOptions::Calm());
  Echo server(network.AddIo(0)), client(network.AddIo(1));
  Address address;
  Address::Parse("127.0.0.1:143", &address);
  server.io->Listen(network.MakeListener(address), 1);
  for (int i = 0; i < 100; ++i) client.io->Connect(address, {}, 0);
  SimRunner runner(&network);
  runner.Add([&] { return server.io->RunOnce(kNever); });
  runner.Add([&] { return client.io->RunOnce(kNever); });
  for (auto _ : state) runner.Step();
  state.SetItemsProcessed(server.echoes + client.echoes);
}
BENCHMARK(SimulatedEchoes);

}  // namespace
}  // namespace roost
