// roostctl: asks a running roostd on its control socket.
//
// Blocking, one request; kAnswerSeconds bound it. Exit status 0 answered, 1 not, 2 wrong usage.
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tools/ctl/json_reader.h"
#include "tools/ctl/rows.h"
#include "tools/ctl/status.h"
#include "tools/ctl/ticket_keys.h"
#include "tools/ctl/top.h"
#include "tools/ctl/trace.h"

namespace roost {
namespace {

constexpr int kAnswerSeconds = 10;
constexpr size_t kMaxAnswer = 64 << 20;

constexpr char kUsage[] =
    "roostctl: asks a running roostd\n"
    "\n"
    "  roostctl status            figures of all shards, as a table\n"
    "  roostctl status --json     the same as JSON\n"
    "  roostctl clients           who is connected and what they do, a line for each\n"
    "  roostctl feeds             mailboxes that are watched\n"
    "  roostctl backends          sessions of each store\n"
    "      --user NAME   clients and feeds of this login only\n"
    "      --limit N     so many lines at most; 1000 unless said, 0 for all\n"
    "      --json        the same as JSON\n"
    "  roostctl top               what is done each second, by shard, again and again\n"
    "      --every N     so many seconds apart; 2 unless said\n"
    "      --once        once, after that time\n"
    "      --json        a line of JSON each time\n"
    "  roostctl drain [--over SECONDS] [--wait]\n"
    "                             take no clients any more, tell those there are BYE\n"
    "                             spread over this time (drain.over_s), then end;\n"
    "                             with --wait, return when it has ended\n"
    "  roostctl store drain NAME [ADDRESS] [--over SECONDS]\n"
    "                             nobody new at this store, or at this address of it; who\n"
    "                             is there goes, spread over this time (60)\n"
    "  roostctl store undrain NAME [ADDRESS]\n"
    "                             take that back\n"
    "  roostctl kick USER         tell the clients of a user BYE\n"
    "  roostctl trace USER        what happens to the clients of a user, until it is\n"
    "                             interrupted; --json for lines of JSON\n"
    "  roostctl reload            read the configuration, certificates and keys anew\n"
    "  roostctl ticket-keys FILE  make, or rotate, a tls.ticket_key_file\n"
    "\n"
    "  --socket PATH   what the configuration of roostd says at control_socket; "
    "/run/roost/control\n"
    "                  unless said. Only root and the user that roostd runs as are answered.\n";

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

// The answer goes to `answer`, or to standard output where that is null.
bool Ask(int fd, std::string_view request, std::string* answer, std::string* error) {
  // roostd closes at once on whoever may not ask; what it says then is nothing.
  const bool sent = send(fd, request.data(), request.size(), MSG_NOSIGNAL) >= 0;
  char buffer[16384];
  ssize_t n = 0;
  size_t size = 0;
  while (sent && (n = read(fd, buffer, sizeof buffer)) > 0) {
    size += static_cast<size_t>(n);
    if (answer == nullptr) {
      std::fwrite(buffer, 1, static_cast<size_t>(n), stdout);
    } else if (size > kMaxAnswer) {
      *error = "the answer is too long for a table; use --json or a smaller --limit";
      return false;
    } else {
      answer->append(buffer, static_cast<size_t>(n));
    }
  }
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
    *error = "no answer within " + std::to_string(kAnswerSeconds) + " seconds";
    return false;
  }
  if (size != 0) return true;
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

// Until roostd or the reader of ours ends.
int Trace(const std::string& path, const std::string& user, bool json) {
  std::string error;
  const int fd = Connect(path, &error);
  if (fd < 0) {
    std::fprintf(stderr, "roostctl: %s\n", error.c_str());
    return 1;
  }
  const std::string request = "trace " + user + "\n";
  std::string text;
  char buffer[16384];
  ssize_t n = send(fd, request.data(), request.size(), MSG_NOSIGNAL);
  bool refused = true;
  bool read_by_somebody = true;
  while (read_by_somebody && (n = read(fd, buffer, sizeof buffer)) > 0) {
    text.append(buffer, static_cast<size_t>(n));
    size_t begin = 0;
    for (size_t end; (end = text.find('\n', begin)) != text.npos; begin = end + 1) {
      if (end == begin) continue;  // nothing has happened
      const std::string line = text.substr(begin, end - begin);
      refused = line.starts_with("{\"error\"");
      std::fputs(((json ? line : TraceLine(line)) + "\n").c_str(), refused ? stderr : stdout);
    }
    text.erase(0, begin);
    read_by_somebody = std::fflush(stdout) == 0;
  }
  close(fd);
  if (refused) return 1;
  if (read_by_somebody) std::fprintf(stderr, "roostctl: roostd has ended\n");
  return 0;
}

int Reload(const std::string& path) {
  std::string answer;
  if (!AskOnce(path, "reload\n", &answer)) return 1;
  if (!answer.starts_with("{\"reloaded\"")) {
    std::fprintf(stderr, "roostctl: nothing was changed: %s", answer.c_str());
    return 1;
  }
  JsonReader reader(answer);
  bool done = false;
  std::string left;
  const bool read = reader.Char('{') && reader.Name("reloaded") && reader.Bool(&done) &&
                    reader.Char(',') && reader.Name("needs_restart") && reader.String(&left);
  if (read && !left.empty()) {
    std::fprintf(stderr, "roostctl: left as they were, they need a restart: %s\n", left.c_str());
  }
  return 0;
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

// `words`: drain or undrain, the store's name, perhaps an address.
int Store(const std::string& path, const std::vector<std::string>& words, const std::string& over) {
  std::string request = "store-" + words[0];
  if (words[0] == "drain") request += over.empty() ? " -" : " " + over;
  for (size_t i = 1; i < words.size(); ++i) request += " " + words[i];
  std::string answer;
  if (!AskOnce(path, request + "\n", &answer)) return 1;
  const bool done = answer.starts_with("{\"store\"");
  std::fprintf(done ? stdout : stderr, "%s", answer.c_str());
  return done ? 0 : 1;
}

int Status(const std::string& path, bool json) {
  std::string error, answer;
  if (!AskOnce(path, "status\n", &answer)) return 1;
  StatusAnswer status;
  const bool refused = answer.starts_with("{\"error\"");
  if ((!json || refused) && !ParseStatusAnswer(answer, &status, &error)) {
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

struct Options {
  std::string path = "/run/roost/control", command;
  bool json = false;
  bool wait = false;
  bool once = false;
  std::string user, limit, over, every;
  std::string subject;             // behind the command: a user, a file
  std::vector<std::string> words;  // behind `store`
};

bool AskStatus(const std::string& path, StatusAnswer* status,
               std::chrono::steady_clock::time_point* when) {
  std::string error, answer;
  if (!AskOnce(path, "status\n", &answer)) return false;
  *when = std::chrono::steady_clock::now();
  if (ParseStatusAnswer(answer, status, &error)) return true;
  std::fprintf(stderr, "roostctl: %s\n", error.c_str());
  return false;
}

int Top(const Options& options) {
  constexpr char kClear[] = "\x1b[H\x1b[2J";
  const int every_s = options.every.empty() ? 2 : std::atoi(options.every.c_str());
  const bool refresh = !options.json && !options.once && isatty(STDOUT_FILENO) != 0;
  StatusAnswer before, after;
  std::chrono::steady_clock::time_point then, now;
  if (!AskStatus(options.path, &before, &then)) return 1;
  do {
    std::this_thread::sleep_until(then + std::chrono::seconds(every_s));
    if (!AskStatus(options.path, &after, &now)) return 1;
    const TopSpan span{before, after, std::chrono::duration<double>(now - then).count()};
    const std::string text = options.json ? TopJson(span) : TopTable(span);
    if (std::fputs(((refresh ? kClear : "") + text).c_str(), stdout) < 0) return 1;
    if (std::fflush(stdout) != 0) return 1;  // nobody reads any more
    before = after;
    then = now;
  } while (!options.once);
  return 0;
}

// Whether this command may be followed by something.
bool TakesSubject(std::string_view command, std::string_view subject) {
  if (command == "kick" || command == "trace") return subject.find('\n') == subject.npos;
  return command == "ticket-keys" && !subject.starts_with("-");
}

// `drain NAME`, `undrain NAME ADDRESS`.
bool IsStoreOrder(const std::vector<std::string>& words) {
  if (words.size() < 2 || words.size() > 3) return false;
  const auto is_word = [](const std::string& word) {
    return !word.empty() && word.find_first_of(" \n") == word.npos;
  };
  return (words[0] == "drain" || words[0] == "undrain") &&
         std::all_of(words.begin(), words.end(), is_word);
}

std::string RowsRequest(const Options& options) {
  if (options.command == "backends") return "backends\n";
  std::string request = options.command + " " + (options.limit.empty() ? "1000" : options.limit);
  if (!options.user.empty()) request += " " + options.user;
  return request + "\n";
}

int Rows(const Options& options) {
  const std::string request = RowsRequest(options);
  if (options.json) return AskOnce(options.path, request, nullptr) ? 0 : 1;
  std::string error, answer;
  if (!AskOnce(options.path, request, &answer)) return 1;
  RowsAnswer rows;
  if (!ParseRowsAnswer(answer, options.command, &rows, &error)) {
    std::fprintf(stderr, "roostctl: %s\n", error.c_str());
    return 1;
  }
  std::fputs(RowsTable(rows).c_str(), stdout);
  if (rows.end == "limit") std::fprintf(stderr, "roostctl: there are more; --limit 0 shows all\n");
  if (rows.end == "all" || rows.end == "limit") return 0;
  std::fprintf(stderr, "roostctl: not all shards have answered\n");
  return 1;
}

// `--name VALUE` or `--name=VALUE` at argv[*i].
bool TakeValue(const char* name, int argc, char** argv, int* i, std::string* value) {
  std::string_view argument = argv[*i];
  if (!argument.starts_with(name)) return false;
  argument.remove_prefix(std::strlen(name));
  if (argument.starts_with('=')) {
    *value = argument.substr(1);
    return true;
  }
  if (!argument.empty() || *i + 1 >= argc) return false;
  *value = argv[++*i];
  return true;
}

int Usage() {
  std::fputs(kUsage, stderr);
  return 2;
}

int Run(const Options& o) {
  const std::string& command = o.command;
  if (command == "ticket-keys") return o.subject.empty() ? Usage() : TicketKeysIn(o.subject);
  if (o.path.empty()) return Usage();
  if (command == "status") return Status(o.path, o.json);
  if (command == "clients" || command == "feeds" || command == "backends") return Rows(o);
  if (command == "top") return Top(o);
  if (command == "reload") return Reload(o.path);
  if (command == "drain") return Drain(o.path, o.over, o.wait);
  if (command == "store" && IsStoreOrder(o.words)) return Store(o.path, o.words, o.over);
  if (command == "kick" && !o.subject.empty()) return Kick(o.path, o.subject);
  if (command == "trace" && !o.subject.empty()) return Trace(o.path, o.subject, o.json);
  return Usage();
}

int Main(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (TakeValue("--socket", argc, argv, &i, &o.path) ||
        TakeValue("--user", argc, argv, &i, &o.user) ||
        TakeValue("--over", argc, argv, &i, &o.over) ||
        TakeValue("--every", argc, argv, &i, &o.every) ||
        TakeValue("--limit", argc, argv, &i, &o.limit)) {
      continue;
    }
    if (argument == "--json") {
      o.json = true;
    } else if (argument == "--wait") {
      o.wait = true;
    } else if (argument == "--once") {
      o.once = true;
    } else if (argument == "--help") {
      std::fputs(kUsage, stdout);
      return 0;
    } else if (o.command.empty() && !argument.starts_with("-")) {
      o.command = argument;
    } else if (o.command == "store" && !argument.starts_with("-")) {
      o.words.emplace_back(argument);
    } else if (o.subject.empty() && TakesSubject(o.command, argument)) {
      o.subject = argument;
    } else {
      std::fprintf(stderr, "roostctl: %s is not understood; try --help\n", argv[i]);
      return 2;
    }
  }
  if (o.limit.find_first_not_of("0123456789") != o.limit.npos || o.limit.size() > 18 ||
      o.user.find('\n') != o.user.npos) {
    std::fprintf(stderr, "roostctl: --limit needs a number, --user a login name\n");
    return 2;
  }
  if (o.every.find_first_not_of("0123456789") != o.every.npos || o.every.size() > 4 ||
      (!o.every.empty() && o.every.find_first_not_of('0') == o.every.npos)) {
    std::fprintf(stderr, "roostctl: --every needs a number of seconds\n");
    return 2;
  }
  return Run(o);
}

}  // namespace
}  // namespace roost

int main(int argc, char** argv) { return roost::Main(argc, argv); }
