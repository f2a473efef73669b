#include "core/shard/drain.h"

#include <algorithm>

#include "core/base/clock.h"

namespace roost {
namespace {

// For commands that are in progress when their client's turn comes: a tenth of the time, and no
// more than this.
constexpr uint64_t kMostBusyNs = 30 * kNsPerSecond;

}  // namespace

DrainPlan DrainPlan::Make(uint64_t now_ns, uint64_t over_s, uint64_t accepting_s) {
  DrainPlan plan;
  const uint64_t over_ns = SecondsToNs(over_s);
  plan.accepting_ns = now_ns + std::min(SecondsToNs(accepting_s), over_ns / 2);
  plan.end_ns = now_ns + over_ns;
  plan.told_ns = plan.end_ns - std::min((plan.end_ns - plan.accepting_ns) / 10, kMostBusyNs);
  return plan;
}

DrainPace::DrainPace(const DrainPlan& plan, uint64_t seed)
    : plan_(plan), rng_(seed), next_ns_(plan.accepting_ns) {}

uint32_t DrainPace::Take(uint64_t now_ns, uint32_t left) {
  uint32_t due = 0;
  while (due < left && due < kPerTurn && next_ns_ <= now_ns) {
    ++due;
    if (now_ns >= plan_.told_ns) continue;
    const uint64_t even = (plan_.told_ns - std::min(next_ns_, plan_.told_ns)) / (left - due + 1);
    next_ns_ = std::min(next_ns_ + even / 2 + rng_.Below(even + 1), plan_.told_ns);
  }
  return due;
}

}  // namespace roost
