// Runs the simulation over seeds: see tools/sim.
//
// Ends with 1 when a seed failed; what went wrong is printed, with --verbose also what was said
// before. A seed that ends the process (a broken invariant, a wild pointer) is named as well.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/sim/simulation.h"

namespace {

constexpr char kUsage[] =
    "usage: sim_run [--seeds N] [--first S] [--jobs J] [--failures F] [--verbose] [--direct]\n"
    "               [--replicas] [--stale-flags]\n";

struct Options {
  uint64_t seeds = 300;
  uint64_t first = 0;
  uint64_t jobs = 1;
  uint64_t failures = 20;  // then it stops
  bool verbose = false;
  roost::Scenario::Options scenario;
};

bool Parse(int argc, char** argv, Options* options) {
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    uint64_t* value = argument == "--seeds"      ? &options->seeds
                      : argument == "--first"    ? &options->first
                      : argument == "--jobs"     ? &options->jobs
                      : argument == "--failures" ? &options->failures
                                                 : nullptr;
    if (value != nullptr && i + 1 < argc) {
      *value = std::strtoull(argv[++i], nullptr, 10);
    } else if (argument == "--verbose") {
      options->verbose = true;
    } else if (argument == "--direct") {
      options->scenario.direct = true;
    } else if (argument == "--replicas") {
      options->scenario.replicas = true;
    } else if (argument == "--stale-flags") {
      options->scenario.replicas = options->scenario.flags_lag = true;
    } else {
      std::fputs(kUsage, stderr);
      return false;
    }
  }
  return options->jobs > 0;
}

// The seed that a thread is at, for when it does not live to tell.
thread_local uint64_t running_seed = 0;

void OnFatal(int signal) {
  char line[80];
  const int size = std::snprintf(line, sizeof line, "FAILED seed %llu: ended by signal %d\n",
                                 static_cast<unsigned long long>(running_seed), signal);
  if (write(STDOUT_FILENO, line, static_cast<size_t>(size)) < 0) _exit(2);
  _exit(1);
}

void PrintFailure(uint64_t seed, const Options& options, const roost::SimResult& result) {
  std::printf("FAILED %s\n", roost::Scenario::FromSeed(seed, options.scenario).ToString().c_str());
  for (const roost::Violation& v : result.violations) {
    std::printf("  at %.4f s, %s%s%s: %s\n", static_cast<double>(v.now_ns) / roost::kNsPerSecond,
                v.who.c_str(), v.user.empty() ? "" : " of ", v.user.c_str(), v.text.c_str());
  }
  if (options.verbose) {
    // The same run once more, written down.
    const roost::SimResult again = roost::RunSeed(seed, true, options.scenario);
    if (again.digest != result.digest) std::printf("  (the second run was another one!)\n");
    std::printf("%s", again.transcript.c_str());
  }
  std::fflush(stdout);
}

// What the workers share.
struct Progress {
  std::atomic<uint64_t> next{0};
  std::mutex mutex;  // for all below
  roost::SimCounts counts;
  std::vector<uint64_t> failed;
  uint64_t seeds = 0, simulated_s = 0;
};

void Work(const Options& options, Progress* progress) {
  for (;;) {
    {
      const std::lock_guard lock(progress->mutex);
      if (progress->failed.size() >= options.failures) return;
    }
    const uint64_t index = progress->next.fetch_add(1);
    if (index >= options.seeds) return;
    const uint64_t seed = options.first + index;
    running_seed = seed;
    const roost::SimResult result = roost::RunSeed(seed, false, options.scenario);
    const std::lock_guard lock(progress->mutex);
    roost::AddCounts(result.counts, &progress->counts);
    ++progress->seeds;
    progress->simulated_s += result.simulated_s;
    if (result.ok()) continue;
    progress->failed.push_back(seed);
    PrintFailure(seed, options, result);
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!Parse(argc, argv, &options)) return 2;
  std::signal(SIGABRT, OnFatal);
  std::signal(SIGSEGV, OnFatal);
  const auto start = std::chrono::steady_clock::now();
  Progress progress;
  std::vector<std::thread> workers;
  for (uint64_t i = 0; i < options.jobs; ++i) workers.emplace_back(Work, options, &progress);
  for (std::thread& worker : workers) worker.join();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::printf("%llu seeds from %llu, %zu failed; %llu s simulated in %.1f s\n%s",
              static_cast<unsigned long long>(progress.seeds),
              static_cast<unsigned long long>(options.first), progress.failed.size(),
              static_cast<unsigned long long>(progress.simulated_s), took.count(),
              roost::DescribeCounts(progress.counts).c_str());
  if (progress.failed.empty()) return 0;
  std::sort(progress.failed.begin(), progress.failed.end());
  std::printf("failing seeds:");
  for (uint64_t seed : progress.failed) {
    std::printf(" %llu", static_cast<unsigned long long>(seed));
  }
  std::printf("\n");
  return 1;
}
