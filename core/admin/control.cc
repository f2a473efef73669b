#include "core/admin/control.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <list>
#include <system_error>
#include <thread>
#include <utility>

#include "core/base/json.h"
#include "core/base/version.h"

namespace roost {
namespace {

constexpr int kTickMs = 200;
constexpr int kFullTickMs = 10;
constexpr std::chrono::milliseconds kWithoutDescriptors{100};
constexpr int kRequestMs = 2000;
constexpr size_t kMaxRequest = 1200;  // a user's name has 1000 bytes at most

bool FillAddress(const std::string& path, sockaddr_un* address) {
  *address = {};
  address->sun_family = AF_UNIX;
  if (path.size() >= sizeof address->sun_path) return false;
  std::memcpy(address->sun_path, path.data(), path.size());
  return true;
}

bool SomebodyListens(const sockaddr_un& address) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const bool alive = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return alive;
}

// What is no socket is somebody's file, and not ours to remove.
bool IsOtherFile(const std::string& path) {
  struct stat found {};
  return lstat(path.c_str(), &found) == 0 && !S_ISSOCK(found.st_mode);
}

constexpr uint64_t kMostSeconds = 7 * 86'400;
// Of a store's drain, unless said: most of its users are at another address, or a while without
// mail, whatever the pace.
constexpr uint64_t kStoreDrainSeconds = 60;

bool ParseSeconds(std::string_view text, uint64_t* seconds) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *seconds);
  return error == std::errc() && end == text.data() + text.size() && *seconds > 0 &&
         *seconds <= kMostSeconds;
}

// Up to the next blank.
std::string_view TakeWord(std::string_view* text) {
  const std::string_view word = text->substr(0, text->find(' '));
  text->remove_prefix(std::min(word.size() + 1, text->size()));
  return word;
}

// False: it is none.
bool ParseStoreOrder(std::string_view line, Server::StoreOrder* order) {
  const std::string_view what = TakeWord(&line);
  order->drain = what == "store-drain";
  if (!order->drain && what != "store-undrain") return false;
  if (order->drain) {
    const std::string_view seconds = TakeWord(&line);
    order->over_s = kStoreDrainSeconds;
    if (seconds != "-" && !ParseSeconds(seconds, &order->over_s)) return false;
  }
  order->store = TakeWord(&line);
  order->address = TakeWord(&line);
  return !order->store.empty() && line.empty();
}

void AppendFigures(ShardFigures f, std::string* out) {
  JsonObject o(out);
  for (const FigureName& figure : FigureNames()) o.Number(figure.name, figure.of(f));
  o.End();
}

std::string ErrorJson(const std::string& text) {
  std::string out;
  JsonObject o(&out);
  o.Text("error", text);
  o.End();
  return out + "\n";
}

}  // namespace

std::string StatusJson(const std::vector<ShardFigures>& shards) {
  if (shards.empty()) {
    return "{\"error\": \"the shards do not answer; roostd is starting, ending or held up\"}\n";
  }
  ShardFigures total;
  for (const ShardFigures& f : shards) total += f;
  std::string out = "{\"version\": \"" + std::string(kVersion) + "\", \"total\": ";
  AppendFigures(total, &out);
  out += ", \"shards\": [";
  for (size_t i = 0; i < shards.size(); ++i) {
    if (i != 0) out += ", ";
    AppendFigures(shards[i], &out);
  }
  out += "]}\n";
  return out;
}

ControlRequest ParseControlRequest(std::string_view line) {
  using Kind = ControlRequest::Kind;
  const size_t blank = line.find(' ');
  const std::string_view word = line.substr(0, blank);
  const std::string_view rest = blank == line.npos ? "" : line.substr(blank + 1);
  ControlRequest request;
  if (line == "status") request.kind = Kind::kStatus;
  if (line == "backends") request.kind = Kind::kBackends;
  if (ParseRowsRequest(line, &request.rows)) request.kind = Kind::kRows;
  if (ParseStoreOrder(line, &request.store)) request.kind = Kind::kStore;
  if (line == "reload") request.kind = Kind::kReload;
  if (line == "drain") request.kind = Kind::kDrain;
  if (word == "drain" && !rest.empty()) {
    uint64_t seconds = 0;
    if (!ParseSeconds(rest, &seconds)) return request;
    request.kind = Kind::kDrain;
    request.seconds = seconds;
  }
  if ((word == "kick" || word == "trace") && !rest.empty()) {
    request.kind = word == "kick" ? Kind::kKick : Kind::kTrace;
    request.user = rest;
  }
  return request;
}

std::string DrainJson(uint64_t over_s) {
  return "{\"draining\": true, \"over_s\": " + std::to_string(over_s) + "}\n";
}

std::string KickJson(uint64_t clients) { return "{\"kicked\": " + std::to_string(clients) + "}\n"; }

std::string ReloadJson(const std::string& refusal, const std::string& needs_restart,
                       const std::string& file) {
  std::string out;
  JsonObject o(&out);
  if (refusal.empty()) {
    o.Bool("reloaded", true);
    o.Text("needs_restart", needs_restart);
    o.Text("file", file);
  } else {
    o.Text("error", refusal);
  }
  o.End();
  return out + "\n";
}

std::string StoreJson(const Server::StoreOrder& order, const Server::StoreDrained& done,
                      const std::string& refusal) {
  if (!refusal.empty()) return ErrorJson(refusal);
  std::string out;
  JsonObject o(&out);
  o.Text("store", order.store);
  if (!order.address.empty()) o.Text("address", order.address);
  o.Bool("draining", order.drain);
  if (order.drain) o.Number("over_s", order.over_s);
  if (order.drain && !order.address.empty()) {
    o.Bool("whole", done.whole);
    o.Bool("elsewhere", done.elsewhere);
  }
  if (!order.drain) o.Text("still_drained", done.addresses);
  o.End();
  return out + "\n";
}

std::unique_ptr<ControlSocket> ControlSocket::Open(const std::string& path, Answer answer,
                                                   std::string* error) {
  sockaddr_un address;
  if (!FillAddress(path, &address)) {
    *error = "control_socket: " + path + " is too long a path; choose a shorter one";
    return nullptr;
  }
  if (IsOtherFile(path)) {
    *error = "control_socket: " + path + " exists and is no socket; choose another path";
    return nullptr;
  }
  if (SomebodyListens(address)) {
    *error =
        "control_socket: another process answers on " + path + "; stop it or choose another path";
    return nullptr;
  }
  unlink(path.c_str());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const mode_t old = umask(0177);
  const bool bound = fd >= 0 &&
                     bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                     listen(fd, 16) == 0;
  umask(old);
  if (!bound) {
    *error = "control_socket: cannot listen on " + path + ": " + std::strerror(errno) +
             "; its directory must exist and be writable";
    if (fd >= 0) close(fd);
    return nullptr;
  }
  return std::unique_ptr<ControlSocket>(new ControlSocket(fd, path, std::move(answer)));
}

ControlSocket::ControlSocket(int fd, std::string path, Answer answer)
    : fd_(fd), path_(std::move(path)), answer_(std::move(answer)), thread_([this] { Serve(); }) {}

ControlSocket::~ControlSocket() {
  ending_ = true;
  thread_.join();
  close(fd_);
  unlink(path_.c_str());
}

void ControlSocket::Serve() {
  struct Talk {
    std::atomic<bool> over{false};
    std::thread thread;
  };
  std::list<Talk> talks;
  while (!ending_) {
    talks.remove_if([](Talk& talk) {
      if (!talk.over) return false;
      talk.thread.join();
      return true;
    });
    const bool full = talks.size() >= kMostAtOnce;
    pollfd waiting{full ? -1 : fd_, POLLIN, 0};
    if (poll(&waiting, 1, full ? kFullTickMs : kTickMs) <= 0) continue;
    const int connection = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0 && (errno == EMFILE || errno == ENFILE)) {
      std::this_thread::sleep_for(kWithoutDescriptors);  // poll would return at once
    }
    if (connection < 0) continue;
    Talk& talk = talks.emplace_back();
    try {
      talk.thread = std::thread([this, &talk, connection] {
        ServeOne(connection);
        close(connection);
        talk.over = true;
      });
    } catch (const std::system_error&) {  // no more threads for now: nobody else suffers from it
      close(connection);
      talks.pop_back();
    }
  }
  for (Talk& talk : talks) talk.thread.join();
}

void ControlSocket::ServeOne(int connection) const {
  ucred peer{};
  socklen_t size = sizeof peer;
  const bool known = getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
  if (!known || (peer.uid != 0 && peer.uid != geteuid())) return;
  const timeval limit{kRequestMs / 1000, 0};
  setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  std::string request;
  char buffer[kMaxRequest];
  size_t end = std::string::npos;
  while (end == std::string::npos) {
    const ssize_t n = read(connection, buffer, sizeof buffer);
    if (n <= 0) return;
    request.append(buffer, static_cast<size_t>(n));
    end = request.find('\n');
    if (std::min(end, request.size()) > kMaxRequest) return;
  }
  request.resize(end);
  answer_(request, [connection](std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = send(connection, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      text.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  });
}

}  // namespace roost
