#include "tools/load/runner.h"

#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>
#include <utility>

#include "core/base/clock.h"
#include "tools/load/bare_run.h"
#include "tools/load/files.h"
#include "tools/load/ticket_fetcher.h"

namespace roost::load {
namespace {

std::atomic<bool> g_interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free);

constexpr int kTickMs = 20;
// Of progress: on a terminal, and in a file.
constexpr uint64_t kBetweenLooksNs = kNsPerSecond / 5;
constexpr uint64_t kBetweenLinesNs = 10 * kNsPerSecond;
// Sockets of a thread that are no clients: deliveries, and what is being closed.
constexpr uint32_t kSpareSockets = 256;

uint64_t NowNs() {
  return static_cast<uint64_t>(
      std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
}

void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

Point PointOf(const ProgressState& state) {
  return {.seconds = state.seconds,
          .idle = state.idle,
          .delivered = state.deliveries,
          .received = state.received};
}

}  // namespace

Runner::Runner(const Options& options) : options_(options), terminal_(isatty(STDERR_FILENO) != 0) {}

std::unique_ptr<Runner> Runner::Create(const Options& options, std::string* error) {
  RaiseDescriptorLimit();
  std::unique_ptr<Runner> runner(new Runner(options));
  if (!runner->Prepare(error)) return nullptr;
  const Options& o = runner->options_;
  const uint32_t users_each = (UserCount(o) + o.threads - 1) / o.threads;
  UringSet::Options io;
  io.count = o.threads;
  io.limits.max_sockets = std::min(users_each * o.clients_per_user, o.clients) + kSpareSockets;
  runner->ios_ = UringSet::Create(io, error);
  if (runner->ios_ == nullptr) return nullptr;
  const TlsContexts tls{.full = runner->tls_.get(), .resuming = runner->resuming_tls_.get()};
  for (uint32_t i = 0; i < o.threads; ++i) {
    runner->shards_.push_back(
        std::make_unique<LoadShard>(runner->ios_->at(i), &o, tls, i, io.limits.max_sockets));
  }
  return runner;
}

bool Runner::Prepare(std::string* error) {
  for (const int pid : options_.watch_pids) {
    if (!watch_.Add(pid, error)) return false;
  }
  const std::string& file = options_.bare_run_file;
  if (!file.empty()) {
    std::string text;
    if (!ReadFile(file, &text, error)) return false;
    bare_run_ = ParseBareRun(text, error);
    if (!bare_run_) {
      *error = file + ": " + *error;
      return false;
    }
  }
  if (options_.bare != Options::Bare::kNone) {
    bare_server_ = BareServer::Start(options_.bare, options_.clients, options_.threads, error);
    if (bare_server_ == nullptr) return false;
    options_.server = bare_server_->address();
  }
  return PrepareTls(error);
}

bool Runner::PrepareTls(std::string* error) {
  if (options_.tls == Options::Tls::kNone) return true;
  TlsClientOptions tls;
  tls.verify = !options_.ca_file.empty();
  tls.ca_file = options_.ca_file;
  tls_ = TlsClientContext::Create(tls, error);
  if (tls_ == nullptr || options_.resume == 0) return tls_ != nullptr;
  tls.ticket = FetchTicket(options_, tls, error);
  if (tls.ticket == nullptr) return false;
  resuming_tls_ = TlsClientContext::Create(tls, error);
  return resuming_tls_ != nullptr;
}

void Runner::Look(Moment moment) {
  if (options_.watch_pids.empty() && bare_server_ == nullptr) return;
  if (moment == Moment::kSteady) {
    Enter(RunPhase::kSettle);
    Await(SecondsToNs(options_.settle_s), [] { return false; });
  }
  watch_.Take(moment);
}

template <typename Integer>
uint64_t Runner::Sum(std::atomic<Integer> Progress::*member) const {
  uint64_t sum = 0;
  for (const auto& shard : shards_) {
    sum += (shard->progress.*member).load(std::memory_order_relaxed);
  }
  return sum;
}

void Runner::Interrupt() { g_interrupted = true; }

Result Runner::Run() {
  watch_.LookAtHost();
  Look(Moment::kBefore);
  // Signals are for this thread.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  std::vector<std::thread> threads;
  threads.reserve(shards_.size());
  for (const auto& shard : shards_) threads.emplace_back([&shard] { shard->Run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);

  began_ns_ = NowNs();
  Ramp();
  Look(Moment::kSteady);
  for (uint32_t i = 0; i < options_.storms && !g_interrupted; ++i) Storm();
  // What was asked for last is left out when somebody wants it to end.
  if (options_.deliver > 0 && !g_interrupted) Deliver();
  if (options_.deliver_on_line && !g_interrupted) DeliverOnLine();
  if (ordered_ > 0) AwaitEvents();
  Enter(RunPhase::kHold);
  Await(SecondsToNs(options_.hold_s), [] { return false; });
  Look(Moment::kEnd);
  series_.End(PointOf(State()));
  if (terminal_ && shown_ns_ != 0) std::fputs("\r\033[K", stderr);

  for (const auto& shard : shards_) shard->orders.stop = true;
  for (std::thread& thread : threads) thread.join();
  Result result;
  for (const auto& shard : shards_) result.Add(shard->result());
  result.interrupted = g_interrupted;
  result.seconds = static_cast<double>(NowNs() - began_ns_) / static_cast<double>(kNsPerSecond);
  result.asked = options_.clients;
  result.return_lost = options_.return_lost;
  result.storms_s = storms_s_;
  result.unfinished_storms_s = unfinished_storms_s_;
  result.series = series_;
  result.bare = options_.bare;
  result.watched = watch_.watched();
  result.bare_run = bare_run_;
  if (ramp_limit_hit_ && result.never_begun > 0) {
    result.failed += result.never_begun;
    result.errors["client: not begun within --ramp-limit"] += result.never_begun;
  }
  shards_.clear();
  return result;
}

void Runner::Ramp() {
  const auto settled = [this] { return Sum(&Progress::settled) >= options_.clients; };
  if (!Await(SecondsToNs(options_.ramp_limit_s), settled) && !g_interrupted) {
    ramp_limit_hit_ = true;
    for (const auto& shard : shards_) shard->orders.end_ramp = true;
    // Those on their way have their own timeouts.
    Await(kNever, settled);
  }
  once_idle_ = Sum(&Progress::idle);
  std::printf("%llu of %u clients are idle\n", static_cast<unsigned long long>(once_idle_),
              options_.clients);
  std::fflush(stdout);
}

void Runner::Storm() {
  Enter(RunPhase::kStorm);
  const uint64_t began_ns = NowNs();
  const uint64_t given_up = Sum(&Progress::given_up);
  uint64_t begun = 0;
  for (const auto& shard : shards_) begun += shard->orders.storms.fetch_add(1) + 1;
  const bool over = Await(SecondsToNs(options_.ramp_limit_s), [this, begun] {
    return Sum(&Progress::storms) >= begun && Sum(&Progress::away) == 0;
  });
  const auto took_ns = static_cast<double>(NowNs() - began_ns);
  const bool all_idle = over && Sum(&Progress::given_up) == given_up;
  (all_idle ? storms_s_ : unfinished_storms_s_)
      .push_back(took_ns / static_cast<double>(kNsPerSecond));
}

void Runner::Order(uint64_t messages) {
  for (; messages > 0; --messages) {
    shards_[ordered_++ % shards_.size()]->orders.deliver.fetch_add(1);
  }
}

void Runner::Deliver() {
  Enter(RunPhase::kDeliver);
  Order(options_.deliver);
  Await(kNever, [this] { return Sum(&Progress::deliveries_done) >= ordered_; });
}

void Runner::DeliverOnLine() {
  Enter(RunPhase::kDeliver);
  pollfd input{STDIN_FILENO, POLLIN, 0};
  char buffer[4096];
  while (!g_interrupted) {
    NoteProgress();
    if (poll(&input, 1, kTickMs) <= 0) continue;
    const ssize_t n = read(STDIN_FILENO, buffer, sizeof buffer);
    if (n <= 0) return;
    Order(static_cast<uint64_t>(std::count(buffer, buffer + n, '\n')));
  }
}

void Runner::AwaitEvents() {
  // The answers to deliveries may still be under way; how long they may take, couriers know.
  Await(kNever, [this] { return Sum(&Progress::deliveries_done) >= ordered_; });
  Enter(RunPhase::kEvents);
  Await(SecondsToNs(options_.wait_s),
        [this] { return Sum(&Progress::received) >= Sum(&Progress::expected); });
  std::printf("%llu of %llu events have come\n",
              static_cast<unsigned long long>(Sum(&Progress::received)),
              static_cast<unsigned long long>(Sum(&Progress::expected)));
  std::fflush(stdout);
}

bool Runner::Await(uint64_t limit_ns, const std::function<bool()>& done) {
  const uint64_t end_ns = DeadlineAfter(NowNs(), limit_ns);
  while (!g_interrupted) {
    if (done()) return true;
    if (NowNs() >= end_ns) return false;
    NoteProgress();
    poll(nullptr, 0, kTickMs);
  }
  return false;
}

void Runner::Enter(RunPhase phase) {
  phase_ = phase;
  NoteProgress();
}

ProgressState Runner::State() const {
  ProgressState state;
  state.phase = phase_;
  state.seconds = static_cast<double>(NowNs() - began_ns_) / static_cast<double>(kNsPerSecond);
  state.idle = Sum(&Progress::idle);
  state.clients = options_.clients;
  state.deliveries = Sum(&Progress::deliveries_done);
  state.ordered = ordered_;
  state.received = Sum(&Progress::received);
  state.expected = Sum(&Progress::expected);
  return state;
}

void Runner::NoteProgress() {
  const ProgressState state = State();
  if (options_.return_lost && phase_ != RunPhase::kRamp && phase_ != RunPhase::kStorm) {
    NoteLost(state.idle);
  }
  series_.Add(PointOf(state));
  ShowProgress(state);
}

void Runner::NoteLost(uint64_t idle) {
  const uint64_t now = NowNs();
  if (idle < once_idle_ && lost_ns_ == 0) lost_ns_ = now;
  if (idle < once_idle_ || lost_ns_ == 0) return;
  const auto took_ns = static_cast<double>(now - std::exchange(lost_ns_, 0));
  storms_s_.push_back(took_ns / static_cast<double>(kNsPerSecond));
  std::printf("%llu of %u clients are idle again, %.2f s after the first was lost\n",
              static_cast<unsigned long long>(idle), options_.clients, storms_s_.back());
  std::fflush(stdout);
}

void Runner::ShowProgress(const ProgressState& state) {
  if (options_.show || (!terminal_ && !options_.progress)) return;
  const uint64_t now = NowNs();
  if (now < shown_ns_ + (terminal_ ? kBetweenLooksNs : kBetweenLinesNs)) return;
  shown_ns_ = now;
  const std::string line = line_.Tell(state);
  std::fprintf(stderr, terminal_ ? "\r%s\033[K\r" : "%s\n", line.c_str());
}

}  // namespace roost::load
