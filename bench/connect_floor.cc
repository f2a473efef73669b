// What a TLS connection's beginning costs a server that is nothing but its parts: the handshake in
// memory, and beside it a bare accept, receive, send, receive, send of the same bytes over TCP.
//
//   connect_floor [CONNECTIONS]      JSON: microseconds of CPU for each, the median of batches
//
// Plain blocking calls in one thread, client and server by turns on whole batches, so that the
// server always finds what it waits for: no poll, no wake-up, no switch. Only the server's turns
// are counted, by the thread's own clock.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "bench/server_handshake.h"
#include "proto/check.h"

namespace roost::bench {
namespace {

constexpr size_t kBatch = 64;
// Sealed, and sent with the server's last flight as roostd does.
constexpr std::string_view kGreeting =
    "* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID IDLE AUTH=PLAIN] Roost ready.\r\n";
constexpr size_t kRecordBytes = 5 + 1 + 16;

struct Costs {
  double handshake_us = 0, exchange_us = 0;
  Flights flights;
};

double Microseconds(ThreadClock::duration total, size_t of) {
  return std::chrono::duration<double, std::micro>(total).count() / static_cast<double>(of);
}

double Median(std::vector<double> values) {
  ROOST_CHECK(!values.empty());
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

// One server socket and the clients that come to it, a batch at a time.
class Exchange {
 public:
  explicit Exchange(const Flights& flights) : flights_(flights), buffer_(1 << 16, 'x') {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address_;
    ROOST_CHECK(bind(listener_, Address(), length) == 0);
    ROOST_CHECK(listen(listener_, 2 * kBatch) == 0);
    ROOST_CHECK(getsockname(listener_, Address(), &length) == 0);
  }
  ~Exchange() { close(listener_); }

  // The time of the server's part of a batch of connections.
  ThreadClock::duration Run() {
    std::vector<int> clients, accepted;
    for (size_t i = 0; i < kBatch; ++i) {
      clients.push_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      ROOST_CHECK(connect(clients.back(), Address(), sizeof address_) == 0);
      Send(clients.back(), flights_[0]);
    }
    auto start = ThreadClock::now();
    for (size_t i = 0; i < kBatch; ++i) {
      accepted.push_back(accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC));
      ROOST_CHECK(accepted.back() >= 0);
    }
    Answer(accepted, 0);
    ThreadClock::duration spent = ThreadClock::now() - start;
    for (const int client : clients) {
      Receive(client, flights_[1]);
      Send(client, flights_[2]);
    }
    start = ThreadClock::now();
    Answer(accepted, 2);
    spent += ThreadClock::now() - start;
    for (const int client : clients) {
      Receive(client, flights_[3]);
      const linger reset{.l_onoff = 1, .l_linger = 0};  // leaves no TIME_WAIT
      setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
      close(client);
    }
    for (const int socket : accepted) close(socket);
    return spent;
  }

 private:
  sockaddr* Address() { return reinterpret_cast<sockaddr*>(&address_); }

  // Receives this flight and sends the next on each.
  void Answer(const std::vector<int>& sockets, size_t flight) {
    for (const int socket : sockets) {
      Receive(socket, flights_[flight]);
      Send(socket, flights_[flight + 1]);
    }
  }
  void Receive(int socket, size_t bytes) {
    while (bytes > 0) {
      const ssize_t n = recv(socket, buffer_.data(), std::min(bytes, buffer_.size()), 0);
      ROOST_CHECK(n > 0);
      bytes -= static_cast<size_t>(n);
    }
  }
  void Send(int socket, size_t bytes) {
    ROOST_CHECK(send(socket, buffer_.data(), bytes, MSG_NOSIGNAL) == static_cast<ssize_t>(bytes));
  }

  const Flights flights_;
  std::string buffer_;
  int listener_ = -1;
  sockaddr_in address_{};
};

Costs Measure(const TlsServerContext& context, bool resume, size_t connections) {
  ResumingClient client(ResumingClient::Version::kTls13, resume);
  Costs costs;
  Connect(context, client);  // brings the ticket
  Connect(context, client, &costs.flights);
  ROOST_CHECK(client.resumed() == resume);
  ROOST_CHECK(costs.flights.size() == 4);
  costs.flights.back() += kGreeting.size() + kRecordBytes;
  Exchange exchange(costs.flights);
  exchange.Run();
  std::vector<double> handshakes, exchanges;
  for (size_t done = 0; done < connections; done += kBatch) {
    ThreadClock::duration spent{};
    for (size_t i = 0; i < kBatch; ++i) spent += Connect(context, client);
    handshakes.push_back(Microseconds(spent, kBatch));
    exchanges.push_back(Microseconds(exchange.Run(), kBatch));
  }
  costs.handshake_us = Median(std::move(handshakes));
  costs.exchange_us = Median(std::move(exchanges));
  return costs;
}

void Print(const char* name, const Costs& costs, const char* end) {
  std::printf("\"%s\": {\"handshake_us\": %.2f, \"exchange_us\": %.2f, \"flights\": [", name,
              costs.handshake_us, costs.exchange_us);
  for (size_t i = 0; i < costs.flights.size(); ++i) {
    std::printf("%s%zu", i == 0 ? "" : ", ", costs.flights[i]);
  }
  std::printf("]}%s", end);
}

int Main(int argc, char** argv) {
  size_t connections = 2000;
  if (argc == 2) {
    const std::string_view text = argv[1];
    const auto [end, problem] = std::from_chars(text.begin(), text.end(), connections);
    if (problem != std::errc() || end != text.end() || connections == 0) argc = 0;
  }
  if (argc != 1 && argc != 2) {
    std::fprintf(stderr, "usage: connect_floor [CONNECTIONS]\n");
    return 2;
  }
  const auto context = MakeServerContext(TestKey::kEcdsaP256);
  std::printf("{");
  Print("full", Measure(*context, false, connections), ", ");
  Print("resumed", Measure(*context, true, connections), "}\n");
  return 0;
}

}  // namespace
}  // namespace roost::bench

int main(int argc, char** argv) { return roost::bench::Main(argc, argv); }
