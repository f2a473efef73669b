// The seeds of the day, and what they must have exercised. tools/sim runs more of them.
//
// ROOST_SIM_SEEDS, set by the build, is how many; ctest runs each part of them by itself.
#include "core/sim/simulation.h"

#include <string>

#include <gtest/gtest.h>

namespace roost {
namespace {

constexpr uint64_t kParts = 4;
constexpr uint64_t kSeedsOfPart = ROOST_SIM_SEEDS / kParts;
// Fewer, as under sanitizers, may miss what is rare.
constexpr uint64_t kSeedsThatMeetEverything = 500;
constexpr uint64_t kDirectSeeds = 60;

std::string Explain(uint64_t seed, const SimResult& result) {
  std::string text = Scenario::FromSeed(seed).ToString();
  for (const Violation& v : result.violations) {
    text += "\n  at " + std::to_string(v.now_ns / kNsPerMs) + " ms, " + v.who + " of " + v.user +
            ": " + v.text;
  }
  return text + "\n  tools/sim --first " + std::to_string(seed) + " --seeds 1 --verbose shows it";
}

void RunSeeds(uint64_t first, uint64_t seeds, SimCounts* counts) {
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    const SimResult result = RunSeed(seed);
    EXPECT_TRUE(result.ok()) << Explain(seed, result);
    AddCounts(result.counts, counts);
  }
}

class SimulationPart : public testing::TestWithParam<uint64_t> {};

TEST_P(SimulationPart, EveryClientIsToldTheTruthAndNothingIsAtZero) {
  SimCounts counts;
  RunSeeds(GetParam() * kSeedsOfPart, kSeedsOfPart, &counts);
  if (kSeedsOfPart < kSeedsThatMeetEverything) return;
  for (const char* name : {"client told expunge",   "client told vanished",
                           "client told exists",    "client told flags",
                           "client bodies",         "client heartbeats",
                           "client byes",           "client expunge issued",
                           "client unavailable",    "client views compared",
                           "faults cuts",           "faults byes",
                           "faults restarts",       "faults replaced mailboxes",
                           "faults refused logins", "roost adopted",
                           "roost joined",          "roost woken",
                           "roost handed over",     "roost recovered",
                           "roost refused wakes",   "roost kept idle",
                           "roost events sent",     "roost moved",
                           "store late expunges",   "store late arrivals",
                           "store late flags",      "store unseen messages",
                           "store number probes"}) {
    EXPECT_GT(counts[name], 0u) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, SimulationPart, testing::Range<uint64_t>(0, kParts));

TEST(Simulation, TheModelsAgreeWithoutUs) {
  for (uint64_t seed = 0; seed < kDirectSeeds; ++seed) {
    const SimResult result = RunSeed(seed, false, true);
    EXPECT_TRUE(result.ok()) << Explain(seed, result);
  }
}

TEST(Simulation, TheSameSeedIsTheSameRun) {
  for (uint64_t seed : {3, 8, 17}) {
    const SimResult once = RunSeed(seed);
    const SimResult twice = RunSeed(seed);
    EXPECT_EQ(once.digest, twice.digest);
    EXPECT_EQ(once.steps, twice.steps);
    EXPECT_EQ(once.counts, twice.counts);
  }
}

// Seeds that once failed. What went wrong is in the history of the file that was changed for them.
TEST(Simulation, SeedsThatOnceFailedDoNot) {
  SimCounts counts;
  for (uint64_t seed : {
           9,     // a recovered driver brought keywords that nobody had announced
           69,    // a SELECT was refused, and its client stayed subscribed
           466,   // a view that nobody looked after set the count of messages wrong
           604,   // PERMANENTFLAGS of EXAMINE were told to a client with SELECT
           749,   // the model missed an answer that it had asked for in that moment
           788,   // the last subscriber was let go for its lag, and its feed stayed with a session
           2889,  // a client was on its way back when all was compared
           3665,  // a feed was still in search of a session then
       }) {
    RunSeeds(seed, 1, &counts);
  }
}

}  // namespace
}  // namespace roost
