#include "tools/load/ticket_fetcher.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "core/io/sockaddr.h"

namespace roost::load {
namespace {

constexpr timeval kPatience{.tv_sec = 10, .tv_usec = 0};
constexpr size_t kMostInClear = 65536;  // greeting and answer to STARTTLS

// A blocking connection. Every call is false, or empty, once it has failed.
class Connection {
 public:
  explicit Connection(const Address& to) {
    sockaddr_storage address{};
    const socklen_t length = ToSockaddr(to, &address);
    fd_ = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    Note(fd_ >= 0);
    if (!ok_) return;
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
    Note(connect(fd_, reinterpret_cast<const sockaddr*>(&address), length) == 0);
  }
  ~Connection() {
    if (fd_ >= 0) close(fd_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool Send(std::string_view bytes) {
    while (ok_ && !bytes.empty()) {
      const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      Note(n > 0);
      if (ok_) bytes.remove_prefix(static_cast<size_t>(n));
    }
    return ok_;
  }
  std::string Receive() {
    if (!ok_) return {};
    char buffer[4096];
    errno = 0;  // an end is no error
    const ssize_t n = recv(fd_, buffer, sizeof buffer, 0);
    Note(n > 0);
    return std::string(buffer, ok_ ? static_cast<size_t>(n) : 0);
  }
  // Of the call that failed.
  std::string Problem() const {
    if (error_ == EAGAIN) return "it said nothing more";
    return error_ == 0 ? "it closed the connection" : std::strerror(error_);
  }

 private:
  void Note(bool ok) {
    ok_ = ok;
    if (!ok) error_ = errno;
  }

  int fd_ = -1;
  bool ok_ = false;
  int error_ = 0;
};

// Until a line that begins so is whole.
bool AwaitLine(Connection* connection, std::string_view begin) {
  std::string text = "\n";
  while (text.size() < kMostInClear) {
    const std::string more = connection->Receive();
    if (more.empty()) return false;
    text += more;
    const size_t line = text.find("\n" + std::string(begin));
    if (line != std::string::npos && text.find('\n', line + 1) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

std::shared_ptr<const TlsTicket> FetchTicket(const Options& options, TlsClientOptions tls,
                                             std::string* error) {
  tls.tickets = true;
  const auto context = TlsClientContext::Create(tls, error);
  if (context == nullptr) return nullptr;
  const std::string before = "--resume: no ticket from " + options.server.ToString() + ": ";
  Connection connection(options.server);
  if (options.tls == Options::Tls::kStartTls &&
      !(AwaitLine(&connection, "* ") && connection.Send("t STARTTLS\r\n") &&
        AwaitLine(&connection, "t OK"))) {
    *error = before + "STARTTLS: " + connection.Problem();
    return nullptr;
  }
  TicketTaker taker(*context, ServerName(options));
  TicketTaker::Status status = taker.Advance({});
  while (status == TicketTaker::Status::kNeedMore) {
    if (!connection.Send(taker.TakeOutput())) break;
    const std::string bytes = connection.Receive();
    if (bytes.empty()) break;
    status = taker.Advance(bytes);
  }
  if (status == TicketTaker::Status::kDone) return taker.TakeTicket();
  *error = before + (status == TicketTaker::Status::kFailed ? taker.error() : connection.Problem());
  return nullptr;
}

}  // namespace roost::load
