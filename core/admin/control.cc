#include "core/admin/control.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

namespace roost {
namespace {

constexpr int kTickMs = 200;
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

class JsonObject {
 public:
  explicit JsonObject(std::string* out) : out_(out) { *out_ += '{'; }
  void Number(const char* name, uint64_t value) { Key(name) += std::to_string(value); }
  std::string& Key(const char* name) {
    if (!first_) *out_ += ", ";
    first_ = false;
    return out_->append("\"").append(name).append("\": ");
  }
  void End() { *out_ += '}'; }

 private:
  std::string* out_;
  bool first_ = true;
};

void AppendFigures(const ShardFigures& f, std::string* out) {
  JsonObject o(out);
  o.Number("clients", f.clients);
  o.Number("entering", f.entering);
  o.Number("attached", f.attached);
  o.Number("parked", f.parked);
  o.Number("asleep", f.asleep);
  o.Number("idling", f.idling);
  o.Number("users", f.users);
  o.Number("listeners", f.listeners);
  o.Number("draining", f.draining);
  o.Number("sessions_open", f.sessions.open);
  o.Number("sessions_logging_in", f.sessions.logging_in);
  o.Number("sessions_waiting", f.sessions.waiting);
  o.Number("sessions_opened", f.sessions.opened);
  o.Number("sessions_refused", f.sessions.refused);
  o.Number("feeds", f.feeds.feeds);
  o.Number("feeds_recovering", f.feeds.recovering);
  o.Number("log_events", f.log_events);
  o.Number("adopted", f.feeds.adopted);
  o.Number("raised", f.feeds.raised);
  o.Number("joined", f.feeds.joined);
  o.Number("handed_over", f.feeds.handed_over);
  o.Number("woken", f.feeds.woken);
  o.Number("refused_wakes", f.feeds.refused_wakes);
  o.Number("recovered", f.feeds.recovered);
  o.Number("audits", f.feeds.audits);
  o.Number("audit_mismatches", f.feeds.audit_mismatches);
  o.Number("audits_replaced", f.feeds.audits_replaced);
  o.Number("audits_unavailable", f.feeds.audits_unavailable);
  o.Number("polls", f.feeds.polls);
  o.Number("flags_learned", f.feeds.flags_learned);
  o.Number("accepted", f.client_stats.accepted);
  o.Number("refused", f.client_stats.refused);
  o.Number("closed", f.client_stats.closed);
  o.Number("moved_in", f.client_stats.moved_in);
  o.Number("moved_out", f.client_stats.moved_out);
  o.Number("logins", f.client_stats.logins);
  o.Number("failed_logins", f.client_stats.failed_logins);
  o.Number("unavailable_logins", f.client_stats.unavailable_logins);
  o.Number("parks", f.client_stats.parked);
  o.Number("quiet_parks", f.client_stats.quiet_parks);
  o.Number("wakes", f.client_stats.woken);
  o.Number("kept_idle", f.client_stats.kept_idle);
  o.Number("mapped_commands", f.client_stats.mapped_commands);
  o.Number("events_sent", f.client_stats.events_sent);
  o.Number("refused_by_address", f.client_stats.refused_by_address);
  o.Number("delayed_logins", f.client_stats.delayed_logins);
  o.Number("bad_proxy_headers", f.client_stats.bad_proxy_headers);
  o.Number("drained", f.client_stats.drained);
  o.Number("kicked", f.client_stats.kicked);
  o.Number("heartbeats", f.client_stats.heartbeats);
  o.Number("laggards_coalesced", f.client_stats.laggards_coalesced);
  o.Number("laggards_dropped", f.client_stats.laggards_dropped);
  o.Number("handshakes_done", f.streams.handshakes_done);
  o.Number("handshakes_resumed", f.streams.handshakes_resumed);
  o.Number("handshakes_failed", f.streams.handshakes_failed);
  o.Number("handshakes_in_progress", f.streams.handshakes_in_progress);
  o.Number("sockets_open", f.io.sockets_open);
  o.Number("sockets_closing", f.io.sockets_closing);
  o.Number("buffers_dry", f.io.buffers_dry);
  o.Number("queue_overflows", f.io.queue_overflows);
  o.Number("bytes_cells", f.memory.cells);
  o.Number("bytes_users", f.memory.users);
  o.Number("bytes_feeds", f.memory.feeds);
  o.Number("bytes_sessions", f.memory.sessions);
  o.Number("bytes_views", f.memory.views);
  o.Number("bytes_logs", f.memory.logs);
  o.End();
}

void Add(const ShardFigures& f, ShardFigures* t) {
  t->clients += f.clients, t->entering += f.entering, t->attached += f.attached;
  t->parked += f.parked, t->asleep += f.asleep, t->idling += f.idling, t->users += f.users;
  t->log_events += f.log_events;
  t->listeners += f.listeners, t->draining += f.draining;
  t->sessions.open += f.sessions.open, t->sessions.logging_in += f.sessions.logging_in;
  t->sessions.waiting += f.sessions.waiting, t->sessions.opened += f.sessions.opened;
  t->sessions.refused += f.sessions.refused;
  t->feeds.feeds += f.feeds.feeds, t->feeds.recovering += f.feeds.recovering;
  t->feeds.adopted += f.feeds.adopted, t->feeds.joined += f.feeds.joined;
  t->feeds.handed_over += f.feeds.handed_over, t->feeds.woken += f.feeds.woken;
  t->feeds.recovered += f.feeds.recovered, t->feeds.refused_wakes += f.feeds.refused_wakes;
  t->feeds.raised += f.feeds.raised, t->feeds.polls += f.feeds.polls;
  t->feeds.flags_learned += f.feeds.flags_learned;
  t->feeds.audits += f.feeds.audits, t->feeds.audit_mismatches += f.feeds.audit_mismatches;
  t->feeds.audits_replaced += f.feeds.audits_replaced;
  t->feeds.audits_unavailable += f.feeds.audits_unavailable;
  const ClientStats& c = f.client_stats;
  ClientStats& s = t->client_stats;
  s.accepted += c.accepted, s.moved_in += c.moved_in, s.moved_out += c.moved_out,
      s.logins += c.logins;
  s.refused += c.refused, s.closed += c.closed, s.woken += c.woken;
  s.failed_logins += c.failed_logins, s.unavailable_logins += c.unavailable_logins;
  s.parked += c.parked, s.quiet_parks += c.quiet_parks, s.kept_idle += c.kept_idle,
      s.mapped_commands += c.mapped_commands, s.events_sent += c.events_sent;
  s.heartbeats += c.heartbeats, s.laggards_dropped += c.laggards_dropped;
  s.laggards_coalesced += c.laggards_coalesced;
  s.drained += c.drained, s.kicked += c.kicked;
  s.refused_by_address += c.refused_by_address, s.delayed_logins += c.delayed_logins;
  s.bad_proxy_headers += c.bad_proxy_headers;
  t->streams.handshakes_done += f.streams.handshakes_done;
  t->streams.handshakes_resumed += f.streams.handshakes_resumed;
  t->streams.handshakes_failed += f.streams.handshakes_failed;
  t->streams.handshakes_in_progress += f.streams.handshakes_in_progress;
  t->io.sockets_open += f.io.sockets_open, t->io.sockets_closing += f.io.sockets_closing;
  t->io.buffers_dry += f.io.buffers_dry, t->io.queue_overflows += f.io.queue_overflows;
  t->memory.cells += f.memory.cells, t->memory.users += f.memory.users;
  t->memory.feeds += f.memory.feeds, t->memory.sessions += f.memory.sessions;
  t->memory.views += f.memory.views, t->memory.logs += f.memory.logs;
}

}  // namespace

std::string StatusJson(const std::vector<ShardFigures>& shards) {
  ShardFigures total;
  for (const ShardFigures& f : shards) Add(f, &total);
  std::string out = "{\"total\": ";
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
  constexpr uint64_t kMostSeconds = 7 * 86'400;
  const size_t blank = line.find(' ');
  const std::string_view word = line.substr(0, blank);
  const std::string_view rest = blank == line.npos ? "" : line.substr(blank + 1);
  ControlRequest request;
  if (line == "status") request.kind = Kind::kStatus;
  if (line == "reload") request.kind = Kind::kReload;
  if (line == "drain") request.kind = Kind::kDrain;
  if (word == "drain" && !rest.empty()) {
    uint64_t seconds = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), seconds);
    if (error != std::errc() || end != rest.data() + rest.size()) return request;
    if (seconds == 0 || seconds > kMostSeconds) return request;
    request.kind = Kind::kDrain;
    request.seconds = seconds;
  }
  if (word == "kick" && !rest.empty()) {
    request.kind = Kind::kKick;
    request.user = rest;
  }
  return request;
}

std::string DrainJson(uint64_t over_s) {
  return "{\"draining\": true, \"over_s\": " + std::to_string(over_s) + "}\n";
}

std::string KickJson(uint64_t clients) { return "{\"kicked\": " + std::to_string(clients) + "}\n"; }

std::string ReloadJson(const std::string& refusal) {
  if (refusal.empty()) return "{\"reloaded\": true}\n";
  std::string out = "{\"error\": \"";
  for (const char c : refusal) {
    if (c == '"' || c == '\\') out += '\\';
    out += c >= ' ' && c <= '~' ? c : ' ';
  }
  return out + "\"}\n";
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
  while (!ending_) {
    pollfd waiting{fd_, POLLIN, 0};
    if (poll(&waiting, 1, kTickMs) <= 0) continue;
    const int connection = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    ServeOne(connection);
    close(connection);
  }
}

void ControlSocket::ServeOne(int connection) {
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
  std::string answer = answer_(request);
  for (size_t sent = 0; sent < answer.size();) {
    const ssize_t n = send(connection, answer.data() + sent, answer.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return;
    sent += static_cast<size_t>(n);
  }
}

}  // namespace roost
