// roostd: reads its configuration, starts a server, waits for signals.
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "core/admin/control.h"
#include "core/admin/follow.h"
#include "core/admin/http_server.h"
#include "core/admin/metrics.h"
#include "core/admin/pages.h"
#include "core/admin/service_manager.h"
#include "core/base/log.h"
#include "core/base/reopened_log.h"
#include "core/base/version.h"
#include "core/config/config.h"
#include "core/io/listener.h"
#include "core/shard/server.h"

#ifdef ROOST_JEMALLOC
// Read by jemalloc before main. An arena for each CPU: shards may be many more, and each arena has
// pages that are used in part.
extern "C" {
extern const char* malloc_conf;
const char* malloc_conf = "dirty_decay_ms:5000,muzzy_decay_ms:0,narenas_ratio:1";
int mallctl(const char* name, void* old, size_t* old_size, void* now, size_t now_size);
}
#endif

namespace roost {
namespace {

constexpr char kUsage[] =
    "roostd: push connection concentrator for IMAP\n"
    "\n"
    "  roostd --config FILE                 run, until a signal or roostctl drain ends it\n"
    "  roostd --config FILE --check-config  say what is wrong with the configuration, and exit\n"
    "  roostd --config FILE --print-config  print it with all defaults filled in, and exit\n"
    "  roostd --config-reference            print every key as Markdown, and exit\n"
    "  roostd --metrics-reference           print every metric as Markdown, and exit\n"
    "  roostd --version                     print which Roost this is, and exit\n"
    "  roostd --help, -h                    print this, and exit\n"
    "\n"
    "Signals\n"
    "  SIGHUP           read the configuration, and all files that it names, anew\n"
    "  SIGTERM, SIGINT  take nobody any more, tell clients BYE over drain.on_stop_s seconds (0:\n"
    "                   all at once, which it is unless configured) and end; again: at once\n"
    "\n"
    "Exit status\n"
    "  0  ended by a signal or a drain; or printed, or checked and good\n"
    "  1  the configuration is wrong, or it could not start; standard error says why\n"
    "  2  the command line is not understood\n";

std::atomic<Server*> running_server = nullptr;
static_assert(std::atomic<Server*>::is_always_lock_free);

void OnSignal(int) {
  Server* server = running_server;
  if (server == nullptr) _exit(0);  // nobody is served yet
  server->RequestEnd();
}

// From the first moment on: a listener may be seen, and the signal sent, before anything is served.
void CatchSignals() {
  struct sigaction action {};
  action.sa_handler = OnSignal;
  for (const int signal : {SIGTERM, SIGINT}) sigaction(signal, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

// A thread that has become quiet gives no memory back by itself: after a storm a background thread
// does, some seconds later. Not started by malloc_conf, before main: it must not have more rights
// than the others.
void StartGivingBack() {
#ifdef ROOST_JEMALLOC
  bool on = true;
  mallctl("background_thread", nullptr, nullptr, &on, sizeof on);
#endif
}

// As many descriptors as the hard limit allows: every client and session is one.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

bool BecomeUser(const std::string& name, std::string* error) {
  if (name.empty()) return true;
  const passwd* user = getpwnam(name.c_str());
  if (user == nullptr) {
    *error = "user: there is no user " + name + "; create it or change the key";
    return false;
  }
  if (geteuid() == user->pw_uid) return true;
  if (initgroups(name.c_str(), user->pw_gid) != 0 || setgid(user->pw_gid) != 0 ||
      setuid(user->pw_uid) != 0) {
    *error = "user: cannot become " + name + ": " + std::strerror(errno) +
             "; start as root, or leave the key out";
    return false;
  }
  return true;
}

// For whoever has started it; as a line of the log where that is JSON on the same descriptor.
void Announce(const char* event, const char* text, const std::string& what) {
  if (StandardErrorIsJson()) return Log(LogLevel::kInfo, event, {{"what", what}});
  std::fprintf(stderr, "roostd: %s%s\n", text, what.c_str());
}

// Reads the configuration again on SIGHUP or when roostctl asks, and has the server take what may
// be switched while it runs. All or nothing: a file with an error changes nothing.
class Reloader {
 public:
  // SIGHUP must be blocked in every thread.
  Reloader(std::string path, Server& server) : path_(std::move(path)), server_(server) {
    waits_ = std::thread([this] { Wait(); });
    tends_ = std::thread([this] { Tend(); });
  }
  ~Reloader() {
    waits_.join();
    tends_.join();
  }

  struct Outcome {
    std::string refusal;  // empty: taken
    std::string needs_restart;
  };
  const std::string& path() const { return path_; }
  Outcome Reload() {
    std::lock_guard lock(mutex_);
    std::ifstream file(path_);
    std::ostringstream text;
    text << file.rdbuf();
    if (!file) return Refused("cannot read " + path_ + "; it must be readable as this user");
    LoadedConfig loaded = LoadConfig(text.str(), path_);
    if (loaded.ok()) CheckFilesToRead(&loaded);
    if (!loaded.ok()) return Refused(loaded.errors.front().ToString());
    std::string told;
    ReopenedLog log;
    if (!log.Open(&told)) return Refused(told + "; it must be writable as this user");
    const Server::Reloaded done = server_.Reload(loaded.config, &told);
    if (done == Server::Reloaded::kRefused) return Refused(told);
    log.Take();
    Log(LogLevel::kInfo, "reloaded", {{"file", path_}});
    if (done == Server::Reloaded::kInPart) {
      Log(LogLevel::kWarning, "reload_in_part", {{"needs_restart", told}});
    }
    return {"", told};
  }

 private:
  static constexpr long kTickNs = 100'000'000;

  static Outcome Refused(std::string reason) {
    Log(LogLevel::kError, "reload_refused", {{"reason", reason}});
    return {std::move(reason), ""};
  }

  void Wait() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    const timespec tick{0, kTickNs};
    while (!server_.stopping()) {
      if (sigtimedwait(&set, nullptr, &tick) == SIGHUP) Reload();
    }
  }

  // Not held up by a reload.
  void Tend() {
    while (!server_.stopping()) {
      server_.Tend();
      TendLog();
      std::this_thread::sleep_for(std::chrono::nanoseconds(kTickNs));
    }
  }

  const std::string path_;
  Server& server_;
  std::mutex mutex_;
  std::thread waits_, tends_;
};

void AnswerTo(const std::string& text, Server& server, Reloader& reloader, const Say& say) {
  const ControlRequest request = ParseControlRequest(text);
  switch (request.kind) {
    case ControlRequest::Kind::kStatus:
      say(StatusJson(server.Figures()));
      return;
    case ControlRequest::Kind::kRows:
      return SayRows(request.rows, PostListings(server, request.rows), say);
    case ControlRequest::Kind::kBackends:
      say(BackendsJson(server.Figures(), server.StoreNames(), *server.StoreAddresses()));
      return;
    case ControlRequest::Kind::kReload: {
      const Reloader::Outcome outcome = reloader.Reload();
      say(ReloadJson(outcome.refusal, outcome.needs_restart, reloader.path()));
      return;
    }
    case ControlRequest::Kind::kDrain: {
      const uint64_t over_s = request.seconds.value_or(server.drain_over_s());
      server.Drain(over_s);
      say(DrainJson(over_s));
      return;
    }
    case ControlRequest::Kind::kStore: {
      Server::StoreDrained done;
      const std::string refusal = server.DrainStore(request.store, &done);
      say(StoreJson(request.store, done, refusal));
      return;
    }
    case ControlRequest::Kind::kKick:
      say(KickJson(server.Kick(request.user)));
      return;
    case ControlRequest::Kind::kTrace:
      return FollowUser(server, request.user, say);
    case ControlRequest::Kind::kUnknown:
      break;
  }
  say("{\"error\": \"not understood; known: status, clients, feeds, backends, reload, drain, "
      "store-drain, store-undrain, kick, trace\"}\n");
}

int Run(const Config& config, const std::string& path) {
  // Each thread has it from the one that starts it: before the first.
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  StartGivingBack();
  sigset_t hangup;
  sigemptyset(&hangup);
  sigaddset(&hangup, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &hangup, nullptr);
  CatchSignals();
  RaiseDescriptorLimit();
  std::string error;
  LogOptions log;
  log.level = static_cast<LogLevel>(config.log.level);
  log.format = static_cast<LogFormat>(config.log.format);
  log.file = config.log.file;
  if (!OpenLog(log, &error)) {
    std::fprintf(stderr, "roostd: %s\n", error.c_str());
    return 1;
  }
  std::unique_ptr<Server> server = Server::Create(config, &error);
  if (server == nullptr) {
    std::fprintf(stderr, "roostd: %s\n", error.c_str());
    return 1;
  }
  ListenerDescriptor admin;
  if (config.admin.address.family != 0) {
    ListenOptions options;
    options.backlog = 64;
    options.reuse_port = false;
    admin = OpenListener(config.admin.address, options, &error);
    if (admin.fd < 0) {
      std::fprintf(stderr, "roostd: admin.address: %s\n", error.c_str());
      return 1;
    }
  }
  if (!BecomeUser(config.user, &error)) {
    std::fprintf(stderr, "roostd: %s\n", error.c_str());
    return 1;
  }
  prctl(PR_SET_DUMPABLE, config.dumpable ? 1 : 0, 0, 0, 0);
  running_server = server.get();
  Reloader reloader(path, *server);
  std::unique_ptr<ControlSocket> control;
  if (!config.control_socket.empty()) {
    control = ControlSocket::Open(
        config.control_socket,
        [&](const std::string& request, const Say& say) {
          AnswerTo(request, *server, reloader, say);
        },
        &error);
    if (control == nullptr) {
      std::fprintf(stderr, "roostd: %s\n", error.c_str());
      server->RequestStop();
      return 1;
    }
  }
  std::unique_ptr<HttpServer> pages;
  if (admin.fd >= 0) {
    Announce("admin_pages", "admin pages on ", admin.bound.ToString());
    pages = std::make_unique<HttpServer>(
        admin, [sources = PagesOf(*server)](auto path) { return AnswerPage(sources, path); });
  }
  for (const std::string& address : server->bound()) {
    Announce("listening", "listening on ", address);
  }
  const std::string what = "version " + std::string(kVersion) + ", " + server->description();
  Announce("ready", "ready: ", what);
  if (!TellServiceManager("READY=1\nSTATUS=" + what)) {
    Log(LogLevel::kWarning, "service_manager_not_told",
        {{"reason", "NOTIFY_SOCKET is set, but nothing can be sent there"}});
  }
  server->Run();
  running_server = nullptr;  // who asks again need not wait for what is left to do
  Announce("stopped", "stopped", "");
  return 0;
}

int Misunderstood(std::string_view what) {
  std::fprintf(stderr, "roostd: %.*s\n%s", static_cast<int>(what.size()), what.data(), kUsage);
  return 2;
}

int Main(int argc, char** argv) {
  std::string path;
  bool check = false, print = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg == "--config" && i + 1 < argc) {
      path = argv[++i];
    } else if (arg.starts_with("--config=")) {
      path = arg.substr(9);
    } else if (arg == "--check-config") {
      check = true;
    } else if (arg == "--print-config") {
      print = true;
    } else if (arg == "--config-reference") {
      std::fputs(PrintConfigReference().c_str(), stdout);
      return 0;
    } else if (arg == "--metrics-reference") {
      std::fputs(MetricsReference().c_str(), stdout);
      return 0;
    } else if (arg == "--version") {
      std::fputs(VersionLine("roostd").c_str(), stdout);
      return 0;
    } else if (arg == "--help" || arg == "-h") {
      std::fputs(kUsage, stdout);
      return 0;
    } else if (arg == "--config") {
      return Misunderstood("--config needs a file name");
    } else {
      return Misunderstood(std::string(arg) + " is not understood");
    }
  }
  if (path.empty()) return Misunderstood("--config FILE is missing");
  const LoadedConfig loaded = LoadConfigFile(path);
  std::fputs(loaded.Describe().c_str(), stderr);
  if (!loaded.ok()) return 1;
  if (print) std::fputs(PrintConfig(loaded.config).c_str(), stdout);
  if (check) std::fprintf(stderr, "%s: ok\n", path.c_str());
  if (print || check) return 0;
  return Run(loaded.config, path);
}

}  // namespace
}  // namespace roost

int main(int argc, char** argv) { return roost::Main(argc, argv); }
