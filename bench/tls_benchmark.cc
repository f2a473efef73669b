// What TLS costs: a record to an idle client, bulk relay, and a handshake in each form.
//
// Handshakes run client and server on one core in memory, so the server's own part is less than
// half of the time shown.

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include <benchmark/benchmark.h>

#include "proto/check.h"
#include "proto/tls/handshake.h"
#include "proto/tls/key_schedule.h"
#include "proto/tls/record_layer.h"
#include "proto/tls/self_signed.h"
#include "proto/tls/tls_context.h"
#include "proto/tls/tls_state.h"

namespace roost {
namespace {

// Both ends of a connection that is established.
struct Ends {
  TlsState server{};
  TlsState client{};
};

// The secrets' values do not matter to the time taken, only that they agree.
Ends MakeEnds(TlsSuite suite) {
  Ends ends;
  ends.server.suite = ends.client.suite = suite;
  ends.client.is_client = 1;
  for (size_t i = 0; i < sizeof(ends.server.read_secret); ++i) {
    ends.server.read_secret[i] = ends.client.write_secret[i] = static_cast<uint8_t>(i);
    ends.server.write_secret[i] = ends.client.read_secret[i] = static_cast<uint8_t>(100 + i);
  }
  return ends;
}

enum Contexts : int64_t { kFromSecret, kReadyContext };

void Seal(benchmark::State& state) {
  Ends ends = MakeEnds(static_cast<TlsSuite>(state.range(0)));
  const std::string plaintext(static_cast<size_t>(state.range(1)), 'x');
  RecordContext context;
  std::string out;
  for (auto _ : state) {
    out.clear();
    ROOST_CHECK(
        Seal(ends.server, plaintext, &out, state.range(2) == kReadyContext ? &context : nullptr));
    benchmark::DoNotOptimize(out.data());
  }
  state.SetBytesProcessed(state.iterations() * state.range(1));
}

void Open(benchmark::State& state) {
  Ends ends = MakeEnds(static_cast<TlsSuite>(state.range(0)));
  std::string sealed;
  ROOST_CHECK(Seal(ends.server, std::string(static_cast<size_t>(state.range(1)), 'x'), &sealed));
  RecordContext context;
  const TlsState before = ends.client;
  for (auto _ : state) {
    std::string record = sealed;  // it is opened in place
    ends.client = before;
    const OpenResult result =
        Open(ends.client, {reinterpret_cast<uint8_t*>(record.data()), record.size()}, nullptr,
             state.range(2) == kReadyContext ? &context : nullptr);
    ROOST_CHECK(result.status == OpenResult::kData);
  }
  state.SetBytesProcessed(state.iterations() * state.range(1));
}

void RecordArguments(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"suite", "bytes", "ready"});
  for (const int64_t suite : {1, 2, 3, 4, 5, 6}) {
    benchmark->Args({suite, 30, kFromSecret});
    benchmark->Args({suite, 30, kReadyContext});
  }
  benchmark->Args({1, 16384, kReadyContext});
  benchmark->Args({3, 16384, kReadyContext});
}

BENCHMARK(Seal)->Apply(RecordArguments);
BENCHMARK(Open)->Apply(RecordArguments);

// What an idle client's record pays before anything is sealed.
void DeriveKey(benchmark::State& state) {
  const auto suite = static_cast<TlsSuite>(state.range(0));
  const Ends ends = MakeEnds(suite);
  for (auto _ : state) {
    TrafficKey key;
    DeriveTrafficKey(suite, ends.server.write_secret, &key);
    benchmark::DoNotOptimize(key);
  }
}
BENCHMARK(DeriveKey)->ArgName("suite")->DenseRange(1, 3);

// Carries bytes both ways until both ends are done.
void Shake(Handshake& client, Handshake& server) {
  client.Advance(std::string_view());
  while (client.status() == Handshake::Status::kNeedMore ||
         server.status() == Handshake::Status::kNeedMore) {
    server.Advance(client.TakeOutput());
    client.Advance(server.TakeOutput());
  }
  ROOST_CHECK(client.status() == Handshake::Status::kDone);
  ROOST_CHECK(server.status() == Handshake::Status::kDone);
}

void FullHandshake(benchmark::State& state) {
  const PemPair pair = MakeSelfSigned({"localhost"});
  std::string error;
  const auto server_context =
      TlsServerContext::Create({.certificates = {{.chain_pem = pair.cert_pem,
                                                  .chain_file = {},
                                                  .key_pem = pair.key_pem,
                                                  .key_file = {}}},
                                .ticket_keys = {}},
                               &error);
  const auto client_context = TlsClientContext::Create(
      {.verify = true, .ca_pem = pair.cert_pem, .ca_file = {}, .system_ca_file = {}}, &error);
  ROOST_CHECK(server_context != nullptr && client_context != nullptr);
  for (auto _ : state) {
    const auto client = Handshake::Client(*client_context, "localhost");
    const auto server = Handshake::Server(*server_context);
    Shake(*client, *server);
    std::string leftover;
    TlsState keys = server->TakeState(&leftover);
    Wipe(keys);
  }
}

BENCHMARK(FullHandshake)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace roost
