// roostctl: asks a running roostd on its control socket.
//
// Blocking, one request; kAnswerSeconds bound it. Exit status 0 answered, 1 not, 2 wrong usage.
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

#include "tools/ctl/status.h"
#include "tools/ctl/ticket_keys.h"

namespace roost {
namespace {

constexpr int kAnswerSeconds = 10;
constexpr size_t kMaxAnswer = 64 << 20;

constexpr char kUsage[] =
    "roostctl: asks a running roostd\n"
    "\n"
    "  roostctl --socket PATH status          figures of all shards, as a table\n"
    "  roostctl --socket PATH status --json   the same as JSON\n"
    "  roostctl --socket PATH drain [--over SECONDS] [--wait]\n"
    "                                         take no clients any more, tell those there are BYE\n"
    "                                         spread over this time (drain.over_s), then end;\n"
    "                                         with --wait, return when it has ended\n"
    "  roostctl --socket PATH kick USER       tell the clients of a user BYE\n"
    "  roostctl --socket PATH reload          read the configuration, certificates and keys anew\n"
    "  roostctl ticket-keys FILE              make, or rotate, a tls.ticket_key_file\n"
    "\n"
    "PATH is what the configuration of roostd says at control_socket. Only root and the user that\n"
    "roostd runs as are answered.\n";

std::string WhyNotConnected(const std::string& path, int error) {
  switch (error) {
    case ENOENT:
      return "there is no socket " + path +
             "; is roostd running, with this path as control_socket in its configuration?";
    case ECONNREFUSED:
      return "nobody listens on " + path + "; roostd is not running";
    case EACCES:
    case EPERM:
      return "not permitted to use " + path + "; run this as root or as the user of roostd";
    case ENOTSOCK:
    case EPROTOTYPE:
      return path + " is not the control socket of a roostd";
    default:
      return "cannot connect to " + path + ": " + std::strerror(error);
  }
}

int Connect(const std::string& path, std::string* error) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    *error = path + " is too long for the path of a socket";
    return -1;
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    *error = std::string("no socket: ") + std::strerror(errno);
    return -1;
  }
  const timeval limit{kAnswerSeconds, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  *error = WhyNotConnected(path, errno);
  close(fd);
  return -1;
}

bool Ask(int fd, std::string_view request, std::string* answer, std::string* error) {
  // roostd closes at once on whoever may not ask; what it says then is nothing.
  const bool sent = send(fd, request.data(), request.size(), MSG_NOSIGNAL) >= 0;
  char buffer[16384];
  ssize_t n = 0;
  while (sent && answer->size() < kMaxAnswer && (n = read(fd, buffer, sizeof buffer)) > 0) {
    answer->append(buffer, static_cast<size_t>(n));
  }
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
    *error = "no answer within " + std::to_string(kAnswerSeconds) + " seconds";
    return false;
  }
  if (!answer->empty()) return true;
  *error = "roostd closed the connection without an answer; run this as root or as its user";
  return false;
}

bool AskOnce(const std::string& path, std::string_view request, std::string* answer) {
  std::string error;
  const int fd = Connect(path, &error);
  const bool answered = fd >= 0 && Ask(fd, request, answer, &error);
  if (fd >= 0) close(fd);
  if (!answered) std::fprintf(stderr, "roostctl: %s\n", error.c_str());
  return answered;
}

int Reload(const std::string& path) {
  std::string answer;
  if (!AskOnce(path, "reload\n", &answer)) return 1;
  if (answer.starts_with("{\"reloaded\"")) return 0;
  std::fprintf(stderr, "roostctl: nothing was changed: %s", answer.c_str());
  return 1;
}

int TicketKeysIn(const std::string& file) {
  std::string error;
  if (RotateTicketKeyFile(file, &error)) return 0;
  std::fprintf(stderr, "roostctl: %s\n", error.c_str());
  return 1;
}

int Kick(const std::string& path, const std::string& user) {
  std::string answer;
  if (!AskOnce(path, "kick " + user + "\n", &answer)) return 1;
  const bool done = answer.starts_with("{\"kicked\"");
  std::fprintf(done ? stdout : stderr, "%s", answer.c_str());
  return done ? 0 : 1;
}

// Until nobody listens there.
void AwaitEnd(const std::string& path) {
  constexpr useconds_t kPauseUs = 200'000;
  std::string error;
  for (int fd = 0; (fd = Connect(path, &error)) >= 0;) {
    close(fd);
    usleep(kPauseUs);
  }
}

int Drain(const std::string& path, const std::string& over, bool wait) {
  std::string answer;
  if (!AskOnce(path, over.empty() ? "drain\n" : "drain " + over + "\n", &answer)) return 1;
  const bool done = answer.starts_with("{\"draining\"");
  std::fprintf(done ? stdout : stderr, "%s", answer.c_str());
  std::fflush(stdout);
  if (done && wait) AwaitEnd(path);
  return done ? 0 : 1;
}

int Status(const std::string& path, bool json) {
  std::string error, answer;
  if (!AskOnce(path, "status\n", &answer)) return 1;
  StatusAnswer status;
  if (!json && !ParseStatusAnswer(answer, &status, &error)) {
    std::fprintf(stderr, "roostctl: %s\n", error.c_str());
    return 1;
  }
  if (json) {
    std::fputs(answer.c_str(), stdout);
    return 0;
  }
  const std::string memory = MemoryTable(status);
  std::fputs((StatusTable(status) + (memory.empty() ? "" : "\n" + memory)).c_str(), stdout);
  return 0;
}

int Main(int argc, char** argv) {
  std::string path, command, user, over, file;
  bool json = false, wait = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--socket" && i + 1 < argc) {
      path = argv[++i];
    } else if (argument.starts_with("--socket=")) {
      path = argument.substr(9);
    } else if (argument == "--over" && i + 1 < argc) {
      over = argv[++i];
    } else if (argument.starts_with("--over=")) {
      over = argument.substr(7);
    } else if (argument == "--wait") {
      wait = true;
    } else if (argument == "--json") {
      json = true;
    } else if (argument == "--help") {
      std::fputs(kUsage, stdout);
      return 0;
    } else if (command.empty() && !argument.starts_with("-")) {
      command = argument;
    } else if (command == "ticket-keys" && file.empty() && !argument.starts_with("-")) {
      file = argument;
    } else if (command == "kick" && user.empty() && argument.find('\n') == argument.npos) {
      user = argument;
    } else {
      std::fprintf(stderr, "roostctl: %s is not understood; try --help\n", argv[i]);
      return 2;
    }
  }
  if (!path.empty() && command == "status") return Status(path, json);
  if (!path.empty() && command == "reload") return Reload(path);
  if (!path.empty() && command == "drain") return Drain(path, over, wait);
  if (command == "ticket-keys" && !file.empty()) return TicketKeysIn(file);
  if (!path.empty() && command == "kick" && !user.empty()) return Kick(path, user);
  std::fputs(kUsage, stderr);
  return 2;
}

}  // namespace
}  // namespace roost

int main(int argc, char** argv) { return roost::Main(argc, argv); }
