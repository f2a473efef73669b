// What a handshake costs the server: only the time inside our own calls is counted, not the
// client's, from accept to the TlsState. handshakes/s is of one core that does nothing else.

#include <time.h>

#include <chrono>
#include <memory>
#include <string>

#include <benchmark/benchmark.h>

#include "proto/check.h"
#include "proto/tls/handshake.h"
#include "proto/tls/resuming_client.h"
#include "proto/tls/test_certs.h"
#include "proto/tls/tls_context.h"

namespace roost {
namespace {

// The thread's own time, so that other work on the machine does not count.
struct Clock {
  using duration = std::chrono::nanoseconds;
  static duration now() {
    timespec t = {};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
  }
};
using Version = ResumingClient::Version;

std::unique_ptr<TlsServerContext> MakeContext(TestKey key) {
  const PemPair pair = TestCa().Issue({"localhost"}, {.key = key});
  TlsServerOptions options;
  options.certificates.push_back({.chain_pem = pair.cert_pem, .key_pem = pair.key_pem});
  std::string error;
  auto context = TlsServerContext::Create(options, &error);
  ROOST_CHECK(context != nullptr);
  return context;
}

// One connection's handshake; returns the time the server took.
Clock::duration Connect(const TlsServerContext& context, ResumingClient& client) {
  std::string to_server = client.Start();
  Clock::duration spent{};
  std::unique_ptr<Handshake> server;
  auto start = Clock::now();
  server = Handshake::Server(context);
  while (true) {
    const Handshake::Status status = server->Advance(to_server);
    const std::string to_client = server->TakeOutput();
    if (status == Handshake::Status::kDone) {
      std::string leftover;
      TlsState state = server->TakeState(&leftover);
      server.reset();
      spent += Clock::now() - start;
      client.Feed(to_client);  // the ticket
      Wipe(state);
      return spent;
    }
    ROOST_CHECK(status == Handshake::Status::kNeedMore);
    spent += Clock::now() - start;
    to_server = client.Feed(to_client);
    start = Clock::now();
  }
}

void ServerHandshake(benchmark::State& state, Version version, TestKey key, bool resume) {
  const auto context = MakeContext(key);
  ResumingClient client(version, resume);
  Connect(*context, client);
  for (auto _ : state) {
    const Clock::duration spent = Connect(*context, client);
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
}  // namespace roost
