// Units of time and their conversions. No clock is read here: time comes from Io::NowNs and
// Io::WallSeconds, so that the simulation can be its master.
#ifndef ROOST_CORE_BASE_CLOCK_H_
#define ROOST_CORE_BASE_CLOCK_H_

#include <cstdint>

namespace roost {

inline constexpr uint64_t kNsPerUs = 1'000;
inline constexpr uint64_t kNsPerMs = 1'000'000;
inline constexpr uint64_t kNsPerSecond = 1'000'000'000;
inline constexpr uint64_t kMsPerSecond = 1'000;

// A deadline that never comes, as Io::RunOnce and NextDeadlineNs use it.
inline constexpr uint64_t kNever = UINT64_MAX;

constexpr uint64_t MsToNs(uint64_t ms) { return ms * kNsPerMs; }
constexpr uint64_t SecondsToNs(uint64_t seconds) { return seconds * kNsPerSecond; }
constexpr uint64_t MinutesToNs(uint64_t minutes) { return SecondsToNs(minutes * 60); }
constexpr uint64_t NsToMs(uint64_t ns) { return ns / kNsPerMs; }
constexpr uint64_t NsToSeconds(uint64_t ns) { return ns / kNsPerSecond; }

// now + delay, kNever when that does not fit.
constexpr uint64_t DeadlineAfter(uint64_t now_ns, uint64_t delay_ns) {
  return delay_ns > kNever - now_ns ? kNever : now_ns + delay_ns;
}

}  // namespace roost

#endif  // ROOST_CORE_BASE_CLOCK_H_
