// What a handshake costs the server: only the time inside our own calls is counted, not the
// client's, from accept to the TlsState. handshakes/s is of one core that does nothing else.

#include <chrono>

#include <benchmark/benchmark.h>

#include "bench/server_handshake.h"

namespace roost::bench {
namespace {

using Version = ResumingClient::Version;

void ServerHandshake(benchmark::State& state, Version version, TestKey key, bool resume) {
  const auto context = MakeServerContext(key);
  ResumingClient client(version, resume);
  Connect(*context, client);
  for (auto _ : state) {
    const ThreadClock::duration spent = Connect(*context, client);
    state.SetIterationTime(std::chrono::duration<double>(spent).count());
    ROOST_CHECK(client.done() && client.resumed() == resume);
  }
  state.SetItemsProcessed(state.iterations());
}

void Configure(benchmark::internal::Benchmark* benchmark) {
  benchmark->UseManualTime()->Unit(benchmark::kMicrosecond);
}

BENCHMARK_CAPTURE(ServerHandshake, tls13_p256, Version::kTls13, TestKey::kEcdsaP256, false)
    ->Apply(Configure);
BENCHMARK_CAPTURE(ServerHandshake, tls13_resumed, Version::kTls13, TestKey::kEcdsaP256, true)
    ->Apply(Configure);
BENCHMARK_CAPTURE(ServerHandshake, tls13_rsa2048, Version::kTls13, TestKey::kRsa2048, false)
    ->Apply(Configure);
BENCHMARK_CAPTURE(ServerHandshake, tls12_p256, Version::kTls12, TestKey::kEcdsaP256, false)
    ->Apply(Configure);
BENCHMARK_CAPTURE(ServerHandshake, tls12_resumed, Version::kTls12, TestKey::kEcdsaP256, true)
    ->Apply(Configure);

}  // namespace
}  // namespace roost::bench
