// tls_echo: a line echo over TLS on loopback, in either role. For interoperability tests only.
//
//   tls_echo server --cert FILE --key FILE [--cert2 FILE --key2 FILE] [--write N] [--read N]
//   tls_echo client --port N --name NAME [--ca FILE | --no-verify] [--write N] [--read N]
//
// The server prints "listening PORT", takes one connection at a time and answers each line with
// "echo: LINE", but for four words: INFO (what was negotiated), UPDATE and UPDATE-REQUEST (we
// change our key), BULK N (N bytes of 'b' and a line end), BYE (close_notify and close). It prints
// how each connection ended. The client prints "connected ..." and passes lines both ways; at the
// end of its input it closes. --write and --read: at most N bytes in each call.
//
// Blocking sockets, bounded by a timeout of ten seconds; the shards do not work like this.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>

#include "proto/tls/handshake.h"
#include "proto/tls/record_layer.h"

namespace roost {
namespace {

constexpr int kTimeoutSeconds = 10;

using Flags = std::map<std::string, std::string>;

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "tls_echo: %s\n", why.c_str());
  std::exit(2);
}

void Say(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

size_t Limit(const Flags& flags, const char* name) {
  const auto found = flags.find(name);
  return found == flags.end() ? 16384 : std::stoul(found->second);
}

std::string Flag(const Flags& flags, const char* name) {
  const auto found = flags.find(name);
  return found == flags.end() ? std::string() : found->second;
}

// One TLS connection on a blocking socket.
class Connection {
 public:
  Connection(int fd, const Flags& flags)
      : fd_(fd), write_limit_(Limit(flags, "write")), read_limit_(Limit(flags, "read")) {
    const int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    const timeval timeout = {kTimeoutSeconds, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  }
  ~Connection() {
    Wipe(state_);
    close(fd_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool Establish(Handshake& handshake) {
    Handshake::Status status = handshake.Advance("");
    for (;;) {
      if (!Send(handshake.TakeOutput())) return End("the peer went away in the handshake");
      if (status == Handshake::Status::kDone) break;
      if (status == Handshake::Status::kFailed) return End("handshake: " + handshake.error());
      std::string bytes;
      if (!Receive(&bytes)) return End("the peer went away in the handshake");
      status = handshake.Advance(bytes);
    }
    state_ = handshake.TakeState(&input_);
    const HandshakeInfo& info = handshake.info();
    info_ = std::string(info.version) + " " + std::string(info.suite) +
            (info.resumed ? " resumed" : " full") + " sni=" + info.sni + " alpn=" + info.alpn;
    return true;
  }

  // Adds received application data to *data; false at the end, which end() then tells.
  bool Read(std::string* data) {
    for (;;) {
      const size_t before = data->size();
      if (!OpenBuffered(data)) return false;
      if (data->size() > before) return true;
      if (!Receive(&input_)) return End("without close_notify");
    }
  }

  // What is already here; false at the end.
  bool OpenBuffered(std::string* data) {
    std::span<uint8_t> in(reinterpret_cast<uint8_t*>(input_.data()), input_.size());
    bool more = true;
    std::string reply;
    while (more) {
      const OpenResult result = Open(state_, in, &reply, &context_);
      in = in.subspan(result.consumed);
      data->append(reinterpret_cast<const char*>(result.plaintext.data()), result.plaintext.size());
      switch (result.status) {
        case OpenResult::kData:
        case OpenResult::kNothing:
          break;
        case OpenResult::kNeedMore:
          more = false;
          break;
        case OpenResult::kCloseNotify:
          return End("close_notify");
        case OpenResult::kError:
          if (!result.received_alert) SealAlert(state_, result.alert, &reply);
          Send(reply);
          return End((result.received_alert ? "received alert " : "sent alert ") +
                     std::to_string(result.alert));
      }
    }
    input_.erase(0, input_.size() - in.size());
    return Send(reply) || End("write failed");
  }

  bool Write(std::string_view text) {
    std::string wire;
    return Seal(state_, text, &wire, &context_) && Send(wire);
  }
  bool KeyUpdate(bool request) {
    std::string wire;
    return SealKeyUpdate(state_, request, &wire, &context_) && Send(wire);
  }
  void Close() {
    std::string wire;
    SealCloseNotify(state_, &wire, &context_);
    Send(wire);
    shutdown(fd_, SHUT_WR);
  }

  int fd() const { return fd_; }
  const std::string& info() const { return info_; }
  const std::string& end() const { return end_; }
  bool End(std::string why) {
    if (end_.empty()) end_ = std::move(why);
    return false;
  }
  bool Receive(std::string* into) {
    char buffer[16384];
    const ssize_t n = recv(fd_, buffer, std::min(read_limit_, sizeof buffer), 0);
    if (n <= 0) return false;
    into->append(buffer, static_cast<size_t>(n));
    return true;
  }
  std::string& input() { return input_; }

 private:
  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = send(fd_, bytes.data(), std::min(write_limit_, bytes.size()), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }

  const int fd_;
  const size_t write_limit_;
  const size_t read_limit_;
  TlsState state_{};
  RecordContext context_;
  std::string input_;
  std::string info_, end_;
};

// False: the line ends the connection.
bool Answer(Connection& connection, const std::string& line) {
  if (line == "BYE") return false;
  if (line == "INFO") return connection.Write("info: " + connection.info() + "\n");
  if (line == "UPDATE") return connection.KeyUpdate(false) && connection.Write("updated\n");
  if (line == "UPDATE-REQUEST") {
    return connection.KeyUpdate(true) && connection.Write("requested\n");
  }
  if (line.rfind("BULK ", 0) == 0) {
    return connection.Write(std::string(std::stoul(line.substr(5)), 'b') + "\n");
  }
  return connection.Write("echo: " + line + "\n");
}

void Serve(const TlsServerContext& context, int fd, const Flags& flags) {
  Connection connection(fd, flags);
  const auto handshake = Handshake::Server(context);
  if (connection.Establish(*handshake)) {
    Say("accepted " + connection.info());
    std::string data;
    for (bool open = true; open;) {
      const bool alive = connection.Read(&data);
      for (size_t end; open && (end = data.find('\n')) != std::string::npos;) {
        std::string line = data.substr(0, end);
        data.erase(0, end + 1);
        if (!line.empty() && line.back() == '\r') line.pop_back();
        if (!Answer(connection, line)) open = connection.End("by us");
      }
      open = open && alive;
    }
    connection.Close();
  }
  Say("ended " + connection.end());
  // Read away what is left, so that closing does not reset what was just sent.
  shutdown(fd, SHUT_WR);
  std::string rest;
  while (rest.size() < (1 << 20) && connection.Receive(&rest)) {
  }
}

int Listen(int* port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(fd, generic, size) != 0 || listen(fd, 16) != 0 || getsockname(fd, generic, &size) != 0) {
    Die(std::string("cannot listen: ") + std::strerror(errno));
  }
  *port = ntohs(address.sin_port);
  return fd;
}

int RunServer(const Flags& flags) {
  TlsServerOptions options;
  options.certificates.push_back(
      {.chain_file = Flag(flags, "cert"), .key_file = Flag(flags, "key")});
  if (flags.count("cert2") != 0) {
    options.certificates.push_back(
        {.chain_file = Flag(flags, "cert2"), .key_file = Flag(flags, "key2")});
  }
  std::string error;
  const auto context = TlsServerContext::Create(options, &error);
  if (!context) Die(error);
  int port = 0;
  const int listener = Listen(&port);
  Say("listening " + std::to_string(port));
  for (;;) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd >= 0) Serve(*context, fd, flags);
  }
}

int Connect(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    Die(std::string("cannot connect: ") + std::strerror(errno));
  }
  return fd;
}

// Passes lines both ways until either side ends.
void Converse(Connection& connection) {
  bool input_open = true;
  std::string data;
  bool alive = connection.OpenBuffered(&data);
  for (;;) {
    std::fwrite(data.data(), 1, data.size(), stdout);
    std::fflush(stdout);
    data.clear();
    if (!alive) return;
    pollfd fds[2] = {{connection.fd(), POLLIN, 0}, {input_open ? 0 : -1, POLLIN, 0}};
    if (poll(fds, 2, kTimeoutSeconds * 1000) <= 0) {
      connection.End("timeout");
      return;
    }
    if (fds[1].revents != 0) {
      char line[4096];
      const ssize_t n = read(0, line, sizeof line);
      if (n > 0) {
        connection.Write({line, static_cast<size_t>(n)});
      } else {
        input_open = false;
        connection.Close();
      }
    }
    if (fds[0].revents != 0) {
      alive = connection.Receive(&connection.input()) ? connection.OpenBuffered(&data)
                                                      : connection.End("without close_notify");
    }
  }
}

int RunClient(const Flags& flags) {
  TlsClientOptions options;
  options.verify = flags.count("no-verify") == 0;
  options.ca_file = Flag(flags, "ca");
  std::string error;
  const auto context = TlsClientContext::Create(options, &error);
  if (!context) Die(error);
  Connection connection(Connect(std::stoi(Flag(flags, "port"))), flags);
  const auto handshake = Handshake::Client(*context, Flag(flags, "name"));
  if (connection.Establish(*handshake)) {
    Say("connected " + connection.info());
    Converse(connection);
  }
  Say("ended " + connection.end());
  return 0;
}

int Main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  Flags flags;
  const std::string role = argc > 1 ? argv[1] : "";
  for (int i = 2; i < argc; ++i) {
    const std::string name = argv[i];
    if (name.rfind("--", 0) != 0) Die("unexpected argument " + name);
    const bool has_value = i + 1 < argc && std::strncmp(argv[i + 1], "--", 2) != 0;
    flags[name.substr(2)] = has_value ? argv[++i] : "";
  }
  if (role == "server") return RunServer(flags);
  if (role == "client") return RunClient(flags);
  Die("say server or client (the head of tls_echo_main.cc has the flags)");
}

}  // namespace
}  // namespace roost

int main(int argc, char** argv) { return roost::Main(argc, argv); }
