// A handshake in memory with a client that may resume, and how long the server's part of it took.
//
// What is counted: the thread's own time inside the server's calls, from the connection to the
// TlsState; not the client's. For benchmarks. Thread rule: one thread.
#ifndef ROOST_BENCH_SERVER_HANDSHAKE_H_
#define ROOST_BENCH_SERVER_HANDSHAKE_H_

#include <time.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "proto/check.h"
#include "proto/tls/handshake.h"
#include "proto/tls/resuming_client.h"
#include "proto/tls/test_certs.h"
#include "proto/tls/tls_context.h"

namespace roost::bench {

// The thread's own time, so that other work on the machine does not count.
struct ThreadClock {
  using duration = std::chrono::nanoseconds;
  static duration now() {
    timespec t = {};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
  }
};

inline std::unique_ptr<TlsServerContext> MakeServerContext(TestKey key) {
  const PemPair pair = TestCa().Issue({"localhost"}, {.key = key});
  TlsServerOptions options;
  options.certificates.push_back({.chain_pem = pair.cert_pem, .key_pem = pair.key_pem});
  std::string error;
  auto context = TlsServerContext::Create(options, &error);
  ROOST_CHECK(context != nullptr);
  return context;
}

// Bytes of each flight, in turns: the client's first, the server's answer, …
using Flights = std::vector<size_t>;

// One connection's handshake; returns the time that the server took.
inline ThreadClock::duration Connect(const TlsServerContext& context, ResumingClient& client,
                                     Flights* flights = nullptr) {
  const auto note = [flights](const std::string& bytes) {
    if (flights != nullptr) flights->push_back(bytes.size());
  };
  std::string to_server = client.Start();
  ThreadClock::duration spent{};
  std::unique_ptr<Handshake> server;
  auto start = ThreadClock::now();
  server = Handshake::Server(context);
  while (true) {
    const Handshake::Status status = server->Advance(to_server);
    const std::string to_client = server->TakeOutput();
    if (status == Handshake::Status::kDone) {
      std::string leftover;
      TlsState state = server->TakeState(&leftover);
      server.reset();
      spent += ThreadClock::now() - start;
      note(to_server), note(to_client);
      client.Feed(to_client);  // the ticket
      Wipe(state);
      return spent;
    }
    ROOST_CHECK(status == Handshake::Status::kNeedMore);
    spent += ThreadClock::now() - start;
    note(to_server), note(to_client);
    to_server = client.Feed(to_client);
    start = ThreadClock::now();
  }
}

}  // namespace roost::bench

#endif  // ROOST_BENCH_SERVER_HANDSHAKE_H_
