// Runs the simulation over seeds: see tools/sim.
//
//   sim_run [--seeds N] [--first S] [--verbose] [--direct]
//
// Ends with 1 when a seed failed; what went wrong is printed, with --verbose also what was said
// before.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "core/sim/simulation.h"

namespace {

constexpr uint64_t kMostFailures = 20;

struct Options {
  uint64_t seeds = 300;
  uint64_t first = 0;
  bool verbose = false;
  bool direct = false;
};

bool Parse(int argc, char** argv, Options* options) {
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const bool has_value = i + 1 < argc;
    if (argument == "--seeds" && has_value) {
      options->seeds = std::strtoull(argv[++i], nullptr, 10);
    } else if (argument == "--first" && has_value) {
      options->first = std::strtoull(argv[++i], nullptr, 10);
    } else if (argument == "--verbose") {
      options->verbose = true;
    } else if (argument == "--direct") {
      options->direct = true;
    } else {
      std::fprintf(stderr, "usage: sim_run [--seeds N] [--first S] [--verbose] [--direct]\n");
      return false;
    }
  }
  return true;
}

void PrintFailure(uint64_t seed, const Options& options, const roost::SimResult& result) {
  std::printf("FAILED %s\n", roost::Scenario::FromSeed(seed, options.direct).ToString().c_str());
  for (const roost::Violation& v : result.violations) {
    std::printf("  at %.4f s, %s%s%s: %s\n", static_cast<double>(v.now_ns) / roost::kNsPerSecond,
                v.who.c_str(), v.user.empty() ? "" : " of ", v.user.c_str(), v.text.c_str());
  }
  if (!options.verbose) return;
  // The same run once more, written down.
  const roost::SimResult again = roost::RunSeed(seed, true, options.direct);
  if (again.digest != result.digest) std::printf("  (the second run was another one!)\n");
  std::printf("%s", again.transcript.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!Parse(argc, argv, &options)) return 2;
  const auto start = std::chrono::steady_clock::now();
  roost::SimCounts counts;
  uint64_t failures = 0, simulated_s = 0, seeds = 0;
  for (; seeds < options.seeds && failures < kMostFailures; ++seeds) {
    const uint64_t seed = options.first + seeds;
    if (options.verbose) std::fprintf(stderr, "seed %llu\n", static_cast<unsigned long long>(seed));
    const roost::SimResult result = roost::RunSeed(seed, false, options.direct);
    roost::AddCounts(result.counts, &counts);
    simulated_s += result.simulated_s;
    if (result.ok()) continue;
    ++failures;
    PrintFailure(seed, options, result);
    std::fflush(stdout);
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::printf("%llu seeds, %llu failed; %llu s simulated in %.1f s\n%s",
              static_cast<unsigned long long>(seeds), static_cast<unsigned long long>(failures),
              static_cast<unsigned long long>(simulated_s), took.count(),
              roost::DescribeCounts(counts).c_str());
  return failures == 0 ? 0 : 1;
}
