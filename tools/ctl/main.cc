// roostctl: asks a running roostd on its control socket.
//
// Blocking; a connection for each request, some of which are made again and again. AnswerSeconds
// bound each wait. Exit status 0 answered, 1 not, or not whole, 2 wrong usage.
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
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

#include "core/base/version.h"
#include "tools/ctl/answer.h"
#include "tools/ctl/options.h"
#include "tools/ctl/rows.h"
#include "tools/ctl/status.h"
#include "tools/ctl/ticket_keys.h"
#include "tools/ctl/top.h"
#include "tools/ctl/trace.h"

namespace roost {
namespace {

constexpr size_t kMaxAnswer = 64 << 20;

int Complain(const std::string& what) {
  std::fprintf(stderr, "roostctl: %s\n", what.c_str());
  return 1;
}

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
    case EAGAIN:
      return "nobody takes connections on " + path + "; roostd is busy with others";
    default:
      return "cannot connect to " + path + ": " + std::strerror(error);
  }
}

// For what is asked once there. Negative: the errno that says why not.
int Connect(const std::string& path, std::string_view request, std::string* error) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    *error = path + " is too long for the path of a socket";
    return -ENAMETOOLONG;
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    *error = std::string("no socket: ") + std::strerror(errno);
    return -errno;
  }
  const timeval limit{AnswerSeconds(request), 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  const int why = errno;
  *error = WhyNotConnected(path, why);
  close(fd);
  return -why;
}

// The answer goes to *answer; if it is `passed_on`, to standard output, and *answer has its end.
bool Ask(int fd, std::string_view request, bool passed_on, std::string* answer,
         std::string* error) {
  // roostd closes at once on whoever may not ask; what it says then is nothing.
  const bool sent = send(fd, request.data(), request.size(), MSG_NOSIGNAL) >= 0;
  char buffer[16384];
  ssize_t n = 0;
  size_t size = 0;
  while (sent && (n = read(fd, buffer, sizeof buffer)) > 0) {
    const auto got = static_cast<size_t>(n);
    size += got;
    answer->append(buffer, got);
    if (passed_on) {
      std::fwrite(buffer, 1, got, stdout);
      answer->erase(0, answer->size() - std::min(answer->size(), kAnswerEnd));
    } else if (size > kMaxAnswer) {
      *error = "the answer is too long for a table; use --json or a smaller --limit";
      return false;
    }
  }
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
    *error = NoAnswer(request);
    return false;
  }
  if (size != 0) return true;
  *error = kClosedUnanswered;
  return false;
}

// A pidfd of who listens there. Negative where there is none: it is in another pid namespace, or
// this is not allowed.
int ProcessOf(int connection) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return -1;
  return static_cast<int>(syscall(SYS_pidfd_open, peer.pid, 0));
}

// *process, where it is wanted, is ProcessOf who has answered.
bool AskOnce(const std::string& path, std::string_view request, std::string* answer,
             bool passed_on = false, int* process = nullptr) {
  std::string error;
  const int fd = Connect(path, request, &error);
  if (fd >= 0 && process != nullptr) *process = ProcessOf(fd);
  const bool answered = fd >= 0 && Ask(fd, request, passed_on, answer, &error);
  if (fd >= 0) close(fd);
  if (!answered) Complain(error);
  return answered;
}

// Until roostd or the reader of ours ends.
int Trace(const std::string& path, const std::string& user, bool json) {
  std::string sentence;
  const std::string request = "trace " + user + "\n";
  const int fd = Connect(path, request, &sentence);
  if (fd < 0) return Complain(sentence);
  TraceAnswer answer(json);
  char buffer[16384];
  ssize_t n = 0;
  bool read_by_somebody = true;
  // roostd closes at once on whoever may not ask; what it says then is nothing.
  const bool sent = send(fd, request.data(), request.size(), MSG_NOSIGNAL) >= 0;
  while (sent && read_by_somebody && (n = read(fd, buffer, sizeof buffer)) > 0) {
    std::fputs(answer.Take({buffer, static_cast<size_t>(n)}).c_str(), stdout);
    read_by_somebody = std::fflush(stdout) == 0;
  }
  const bool silent = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  close(fd);
  if (!read_by_somebody) return 1;
  const bool ended = answer.Ended(silent, &sentence);
  Complain(sentence);
  return ended ? 0 : 1;
}

// Has roostd do it.
int Order(const Options& options, const std::string& request, int* process = nullptr) {
  std::string answer, sentence;
  if (!AskOnce(options.path, request, &answer, /*passed_on=*/false, process)) return 1;
  const std::string subject = options.words.empty() ? "" : options.words.front();
  if (!AnswerSentence(options.command, subject, answer, &sentence)) return Complain(sentence);
  std::fputs((options.json ? answer : sentence + "\n").c_str(), stdout);
  std::fflush(stdout);
  return 0;
}

int TicketKeysIn(const std::string& file) {
  std::string error;
  return RotateTicketKeyFile(file, &error) ? 0 : Complain(error);
}

// Its socket closes before it has ended: whoever would start another one must wait for the process.
int AwaitEnd(int process) {
  pollfd ended{process, POLLIN, 0};
  while (poll(&ended, 1, -1) < 0 && errno == EINTR) {
  }
  return ended.revents != 0 ? 0 : Complain("cannot wait for roostd to end");
}

// Where the process cannot be had: until nobody listens there.
int AwaitSilence(const std::string& path) {
  constexpr useconds_t kPauseUs = 200'000;
  for (;;) {
    std::string error;
    const int fd = Connect(path, "", &error);
    if (fd == -ENOENT || fd == -ECONNREFUSED) return 0;
    if (fd < 0 && fd != -EAGAIN) return Complain(error);  // it may be there or not
    if (fd >= 0) close(fd);
    usleep(kPauseUs);
  }
}

int Drain(const Options& options) {
  int process = -1;
  const int status =
      Order(options, options.over.empty() ? "drain\n" : "drain " + options.over + "\n", &process);
  if (status != 0 || !options.wait) return status;
  return process >= 0 ? AwaitEnd(process) : AwaitSilence(options.path);
}

int Store(const Options& options) {
  std::string request = "store-undrain";
  if (options.command == "store drain") {
    request = "store-drain " + (options.over.empty() ? "-" : options.over);
  }
  for (const std::string& word : options.words) request += " " + word;
  return Order(options, request + "\n");
}

int Status(const std::string& path, bool json) {
  std::string error, answer;
  if (!AskOnce(path, "status\n", &answer)) return 1;
  StatusAnswer status;
  const bool refused = answer.starts_with("{\"error\"");
  if ((!json || refused) && !ParseStatusAnswer(answer, &status, &error)) return Complain(error);
  if (json) {
    std::fputs(answer.c_str(), stdout);
    return answer.ends_with("}\n") ? 0 : Complain(kCutOff);
  }
  const std::string memory = MemoryTable(status);
  std::fputs((StatusTable(status) + (memory.empty() ? "" : "\n" + memory)).c_str(), stdout);
  return 0;
}

bool AskStatus(const std::string& path, StatusAnswer* status,
               std::chrono::steady_clock::time_point* when) {
  std::string error, answer;
  if (!AskOnce(path, "status\n", &answer)) return false;
  *when = std::chrono::steady_clock::now();
  if (ParseStatusAnswer(answer, status, &error)) return true;
  Complain(error);
  return false;
}

int Top(const Options& options) {
  constexpr char kClear[] = "\x1b[H\x1b[2J";
  const int every_s = std::atoi(options.every.c_str());
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

std::string RowsRequest(const Options& options) {
  if (options.command == "backends") return "backends\n";
  std::string request = options.command + " " + options.limit;
  if (!options.user.empty()) request += " " + options.user;
  return request + "\n";
}

int Rows(const Options& options) {
  std::string error, answer;
  if (!AskOnce(options.path, RowsRequest(options), &answer, options.json)) return 1;
  std::string problem = EndProblem(answer);
  RowsAnswer rows;
  if (!options.json && ParseRowsAnswer(answer, options.command, &rows, &error)) {
    std::fputs(RowsTable(rows).c_str(), stdout);
    if (rows.end == "limit") Complain("there are more; --limit 0 shows all");
  } else if (problem.empty()) {
    problem = error;
  }
  return problem.empty() ? 0 : Complain(problem);
}

int Run(const Options& o) {
  const std::string& command = o.command;
  if (command == "ticket-keys") return TicketKeysIn(o.words.front());
  if (command == "status") return Status(o.path, o.json);
  if (command == "top") return Top(o);
  if (command == "reload") return Order(o, "reload\n");
  if (command == "drain") return Drain(o);
  if (command.starts_with("store ")) return Store(o);
  if (command == "kick") return Order(o, "kick " + o.words.front() + "\n");
  if (command == "trace") return Trace(o.path, o.words.front(), o.json);
  return Rows(o);
}

int Main(int argc, char** argv) {
  const std::vector<std::string_view> arguments(argv + std::min(argc, 1), argv + argc);
  Options options;
  std::string error;
  switch (ParseOptions(arguments, &options, &error)) {
    case OptionsVerdict::kHelp:
      std::fputs(std::string(UsageText()).c_str(), stdout);
      return 0;
    case OptionsVerdict::kVersion:
      std::fputs(VersionLine("roostctl").c_str(), stdout);
      return 0;
    case OptionsVerdict::kWrong:
      Complain(error);
      return 2;
    case OptionsVerdict::kRun:
      break;
  }
  return Run(options);
}

// A disk that is full must not leave half an answer with status 0.
int Finished(int status) {
  const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  return written || status != 0 ? status : Complain("standard output could not be written");
}

}  // namespace
}  // namespace roost

int main(int argc, char** argv) { return roost::Finished(roost::Main(argc, argv)); }
