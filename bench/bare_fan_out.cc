// What telling a mailbox's clients of a message costs a server that is nothing but the loop: for
// each connection seal the line and send it, one after the other.
//
//   bare_fan_out CLIENTS         prints "ready imap ADDR lmtp ADDR"; when the mail has ended, JSON
//
// To roost-load it is an IMAP server with TLS: so many clients log in as whoever they like, select
// and idle, each served to the end before the next; then one connection brings mail by LMTP, and of
// each message all connections of its user are told before it is answered. What it is not: it keeps
// no mail, reads nothing from a client that idles, and looks after nobody.
//
// A connection is a descriptor and its TlsState; a record is sealed from the secret, because ready
// contexts are as dear here as anywhere. Blocking calls in one thread. Only the loop is counted, by
// the thread's own clock.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "bench/server_handshake.h"
#include "proto/check.h"
#include "proto/tls/handshake.h"
#include "proto/tls/record_layer.h"

namespace roost::bench {
namespace {

constexpr int kBacklog = 4096;

struct Idler {
  int socket = -1;
  TlsState tls;
};

struct Mailbox {
  uint64_t messages = 0;
  std::vector<Idler> idlers;
};

struct Listener {
  int socket = -1;
  uint16_t port = 0;
};

Listener Listen() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ROOST_CHECK(bind(socket, generic, length) == 0 && listen(socket, kBacklog) == 0);
  ROOST_CHECK(getsockname(socket, generic, &length) == 0);
  return {socket, ntohs(address.sin_port)};
}

int Accept(const Listener& listener) {
  const int socket = accept4(listener.socket, nullptr, nullptr, SOCK_CLOEXEC);
  const int on = 1;
  if (socket >= 0) setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return socket;
}

bool SendAll(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

bool ReceiveSome(int socket, std::string* into) {
  char buffer[1 << 14];
  const ssize_t n = recv(socket, buffer, sizeof buffer, 0);
  if (n > 0) into->append(buffer, static_cast<size_t>(n));
  return n > 0;
}

// Without its end; nothing: there is no whole line.
std::optional<std::string> TakeLine(std::string* input) {
  const size_t end = input->find("\r\n");
  if (end == std::string::npos) return std::nullopt;
  std::string line = input->substr(0, end);
  input->erase(0, end + 2);
  return line;
}

std::string Word(std::string_view* text) {
  const size_t end = std::min(text->find(' '), text->size());
  std::string word(text->substr(0, end));
  text->remove_prefix(std::min(end + 1, text->size()));
  return word;
}

std::string Unquoted(std::string word) {
  const bool quoted = word.size() >= 2 && word.front() == '"' && word.back() == '"';
  return quoted ? word.substr(1, word.size() - 2) : word;
}

// A client on its way to IDLE.
class Arrival {
 public:
  Arrival(int socket, const TlsServerContext& context)
      : socket_(socket), handshake_(Handshake::Server(context)) {}

  // Serves it until it idles. False: it never will.
  bool Serve() {
    if (!Secure() || !Say("* OK [CAPABILITY IMAP4rev1 IDLE] ready\r\n")) return false;
    while (!idles_) {
      while (const std::optional<std::string> line = TakeLine(&plain_)) {
        if (!Answer(*line)) return false;
      }
      if (!idles_ && (!ReceiveSome(socket_, &cipher_) || !OpenAll())) return false;
    }
    return true;
  }
  const std::string& user() const { return user_; }
  Idler idler() { return {socket_, tls_}; }

 private:
  bool Secure() {
    while (handshake_->status() == Handshake::Status::kNeedMore) {
      std::string input;
      if (!ReceiveSome(socket_, &input)) return false;
      handshake_->Advance(input);
      if (!SendAll(socket_, handshake_->TakeOutput())) return false;
    }
    if (handshake_->status() != Handshake::Status::kDone) return false;
    tls_ = handshake_->TakeState(&cipher_);
    handshake_.reset();
    return OpenAll();
  }

  bool OpenAll() {
    std::string reply;
    while (true) {
      const std::span<uint8_t> bytes(reinterpret_cast<uint8_t*>(cipher_.data()), cipher_.size());
      const OpenResult opened = Open(tls_, bytes, &reply);
      if (opened.status == OpenResult::kNeedMore) return SendAll(socket_, reply);
      if (opened.status == OpenResult::kError) return false;
      plain_.append(opened.plaintext.begin(), opened.plaintext.end());
      cipher_.erase(0, opened.consumed);
    }
  }

  bool Answer(std::string_view line) {
    const std::string tag = Word(&line), command = Word(&line);
    if (command == "LOGIN") user_ = Unquoted(Word(&line));
    if (command == "SELECT") return Say("* 0 EXISTS\r\n" + tag + " OK [READ-WRITE] done\r\n");
    if (command != "IDLE") return Say(tag + " OK done\r\n");
    idles_ = true;
    return Say("+ idling\r\n");
  }

  bool Say(std::string_view text) {
    std::string sealed;
    return Seal(tls_, text, &sealed) && SendAll(socket_, sealed);
  }

  const int socket_;
  std::unique_ptr<Handshake> handshake_;
  TlsState tls_;
  std::string cipher_, plain_, user_;
  bool idles_ = false;
};

class Server {
 public:
  explicit Server(const TlsServerContext& context)
      : context_(context), imap_(Listen()), lmtp_(Listen()) {}

  void Run(size_t clients) {
    std::printf("ready imap 127.0.0.1:%u lmtp 127.0.0.1:%u\n", imap_.port, lmtp_.port);
    std::fflush(stdout);
    for (size_t i = 0; i < clients; ++i) Admit();
    const int carrier = Accept(lmtp_);
    ROOST_CHECK(carrier >= 0);
    TakeMail(carrier);
    const double us = std::chrono::duration<double, std::micro>(spent_).count();
    std::printf("{\"notifications\": %llu, \"cpu_us\": %.3f}\n",
                static_cast<unsigned long long>(notifications_), us);
  }

 private:
  void Admit() {
    const int socket = Accept(imap_);
    ROOST_CHECK(socket >= 0);
    Arrival arrival(socket, context_);
    if (!arrival.Serve()) {
      close(socket);
      return;
    }
    mailboxes_[arrival.user()].idlers.push_back(arrival.idler());
  }

  // The least of LMTP: whatever roost-load says is answered by what it waits for.
  void TakeMail(int carrier) {
    std::string input, user;
    bool message = false;
    SendAll(carrier, "220 localhost LMTP\r\n");
    while (ReceiveSome(carrier, &input)) {
      while (const std::optional<std::string> line = TakeLine(&input)) {
        if (message && *line != ".") continue;
        if (message) FanOut(mailboxes_[user]);
        message = line->starts_with("DATA");
        if (line->starts_with("RCPT TO:<")) user = line->substr(9, line->find('>') - 9);
        if (!SendAll(carrier, message ? "354 go on\r\n" : "250 done\r\n")) return;
      }
    }
  }

  // What is measured.
  void FanOut(Mailbox& mailbox) {
    const auto start = ThreadClock::now();
    const std::string line = "* " + std::to_string(++mailbox.messages) + " EXISTS\r\n";
    std::string sealed;
    for (Idler& idler : mailbox.idlers) {
      sealed.clear();
      ROOST_CHECK(Seal(idler.tls, line, &sealed));
      SendAll(idler.socket, sealed);
    }
    spent_ += ThreadClock::now() - start;
    notifications_ += mailbox.idlers.size();
  }

  const TlsServerContext& context_;
  const Listener imap_, lmtp_;
  std::unordered_map<std::string, Mailbox> mailboxes_;
  ThreadClock::duration spent_{};
  uint64_t notifications_ = 0;
};

int Main(int argc, char** argv) {
  size_t clients = 0;
  const std::string_view text = argc == 2 ? argv[1] : "";
  const auto [end, problem] = std::from_chars(text.begin(), text.end(), clients);
  if (problem != std::errc() || end != text.end()) {
    std::fprintf(stderr, "usage: bare_fan_out CLIENTS\n");
    return 2;
  }
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  const auto context = MakeServerContext(TestKey::kEcdsaP256);
  Server(*context).Run(clients);
  return 0;
}

}  // namespace
}  // namespace roost::bench

int main(int argc, char** argv) { return roost::bench::Main(argc, argv); }
