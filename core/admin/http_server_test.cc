#include "core/admin/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/io/listener.h"

namespace roost {
namespace {

class HttpServerTest : public ::testing::Test {
 protected:
  explicit HttpServerTest(uint64_t most_ns = SecondsToNs(60)) {
    Address address;
    EXPECT_TRUE(Address::Parse("127.0.0.1:0", &address));
    ListenOptions options;
    options.reuse_port = false;
    std::string error;
    const ListenerDescriptor listener = OpenListener(address, options, &error);
    EXPECT_GE(listener.fd, 0) << error;
    port_ = listener.bound.port;
    server_ = std::make_unique<HttpServer>(
        listener, [this](std::string_view path) { return Page(path); }, most_ns);
  }

  HttpAnswer Page(std::string_view path) const {
    if (path == "/large") return {200, std::string(kLarge, 'x')};
    if (path == "/gone") return {503, "not now\n"};
    return {200, "page " + std::string(path) + "\n"};
  }

  class Client {
   public:
    explicit Client(uint16_t port) {
      sockaddr_in name{};
      name.sin_family = AF_INET;
      name.sin_port = htons(port);
      name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      const timeval limit{20, 0};
      setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
      EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
    }
    Client(const Client&) = delete;
    ~Client() { close(fd_); }
    void Say(std::string_view text) {
      EXPECT_EQ(send(fd_, text.data(), text.size(), MSG_NOSIGNAL),
                static_cast<ssize_t>(text.size()));
    }
    // To the end of the connection.
    std::string Hear() {
      std::string heard;
      char buffer[16384];
      for (ssize_t n; (n = read(fd_, buffer, sizeof buffer)) > 0;) {
        heard.append(buffer, static_cast<size_t>(n));
      }
      return heard;
    }

   private:
    const int fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  };

  std::string Ask(std::string_view request) {
    Client client(port_);
    client.Say(request);
    return client.Hear();
  }

  static constexpr size_t kLarge = size_t{8} << 20;  // more than a socket takes at once
  uint16_t port_ = 0;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, AnswersWithThePageAndCloses) {
  EXPECT_EQ(Ask("GET /metrics?x HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            "HTTP/1.1 200 OK\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
            "Content-Length: 14\r\n"
            "Cache-Control: no-store\r\n"
            "X-Content-Type-Options: nosniff\r\n"
            "Connection: close\r\n\r\n"
            "page /metrics\n");
  EXPECT_EQ(Ask("GET /gone HTTP/1.1\r\n\r\n").substr(0, 34),
            "HTTP/1.1 503 Service Unavailable\r\n");
}

TEST_F(HttpServerTest, AnswersHeadWithoutABody) {
  const std::string answer = Ask("HEAD /a HTTP/1.1\r\n\r\n");
  EXPECT_NE(answer.find("Content-Length: 8\r\n"), answer.npos);
  EXPECT_TRUE(answer.ends_with("\r\n\r\n"));
}

TEST_F(HttpServerTest, TakesARequestByteByByte) {
  Client client(port_);
  for (const char c : std::string("GET /b HTTP/1.1\r\n\r\n")) client.Say({&c, 1});
  EXPECT_TRUE(client.Hear().ends_with("page /b\n"));
}

TEST_F(HttpServerTest, RefusesWhatItDoesNotDo) {
  EXPECT_EQ(Ask("POST /a HTTP/1.1\r\n\r\n").substr(0, 12), "HTTP/1.1 405");
  EXPECT_EQ(Ask("A1 CAPABILITY\r\n\r\n").substr(0, 12), "HTTP/1.1 400");
  EXPECT_EQ(Ask("GET / HTTP/1.1\r\nX: " + std::string(9000, 'x')).substr(0, 12), "HTTP/1.1 431");
}

TEST_F(HttpServerTest, DeliversALargePageWhole) {
  const std::string answer = Ask("GET /large HTTP/1.1\r\n\r\n");
  const size_t head = answer.find("\r\n\r\n") + 4;
  EXPECT_EQ(answer.size() - head, kLarge);
}

TEST_F(HttpServerTest, LetsTheOldestGoWhenAnotherComes) {
  std::vector<std::unique_ptr<Client>> silent;
  for (size_t i = 0; i < HttpServer::kMostConnections; ++i) {
    silent.push_back(std::make_unique<Client>(port_));
    silent.back()->Say("GET ");
  }
  EXPECT_TRUE(Ask("GET /probe HTTP/1.1\r\n\r\n").ends_with("page /probe\n"));
  EXPECT_EQ(silent.front()->Hear(), "");  // though its time was not over
  silent.back()->Say("/last HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(silent.back()->Hear().ends_with("page /last\n"));
}

TEST_F(HttpServerTest, EndsWithConnectionsOpen) {
  Client client(port_);
  client.Say("GET / HT");
  server_.reset();
  EXPECT_EQ(client.Hear(), "");
}

class HastyHttpServerTest : public HttpServerTest {
 protected:
  HastyHttpServerTest() : HttpServerTest(MsToNs(50)) {}
};

TEST_F(HastyHttpServerTest, ClosesOnWhoTakesTooLong) {
  Client client(port_);
  client.Say("GET /slow HTTP/1.1\r\n");
  EXPECT_EQ(client.Hear(), "");
}

}  // namespace
}  // namespace roost
