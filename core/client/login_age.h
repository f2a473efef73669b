// When a login is too old, and how many may be ended for it in one go.
//
// What it is: the rule and the pace; Clients walks its cells by it. What it is not: it ends nobody
// and reads no clock.
//
// Each login has an age of its own, up to a tenth below the longest, so that those who came in one
// moment do not all go in one. When many are too old at once, as after the limit was lowered, a
// sweep ends only so many that all have gone after a twentieth of the longest age.
#ifndef ROOST_CORE_CLIENT_LOGIN_AGE_H_
#define ROOST_CORE_CLIENT_LOGIN_AGE_H_

#include <algorithm>
#include <cstdint>

#include "core/base/clock.h"
#include "core/base/connection_id.h"
#include "core/base/handle.h"

namespace roost {

// Seconds of the monotonic clock, as a cell has room for: a login older than kWrapSeconds (194
// days) seems younger.
struct LoginTime {
  static constexpr uint32_t kWrapSeconds = 1u << 24;

  static uint32_t Of(uint64_t now_ns) {
    return static_cast<uint32_t>(NsToSeconds(now_ns)) % kWrapSeconds;
  }
  static uint32_t AgeS(uint32_t login_s, uint64_t now_ns) {
    return (Of(now_ns) + kWrapSeconds - login_s) % kWrapSeconds;
  }
};

// What this login may come to, in seconds.
inline uint32_t LongestAgeS(uint32_t most_s, ConnectionId id) {
  const uint64_t early = uint64_t{most_s} / 10 * (id.bits & 0xffff) >> 16;
  return most_s - static_cast<uint32_t>(early);
}

// One after another, a period apart, as long as there is a limit.
class AgeSweep {
 public:
  static constexpr uint32_t kVisitsPerTurn = 256;

  // Seconds from one to the next.
  static constexpr uint64_t PeriodS(uint32_t most_s) {
    return std::clamp<uint64_t>(most_s / 400, 1, 60);
  }

  bool under_way() const { return place_ != kNoIndex; }
  uint64_t next_ns() const { return next_ns_; }
  void Begin(uint64_t now_ns, uint32_t most_s, uint32_t clients) {
    place_ = 0;
    const uint64_t period_s = PeriodS(most_s);
    next_ns_ = now_ns + SecondsToNs(period_s);
    const uint64_t within_s = std::max<uint64_t>(1, most_s / 20);
    const uint64_t pace = (clients * period_s + within_s - 1) / within_s;
    // As long as more are too old the pace stays, although fewer and fewer are there.
    pace_ = wanted_more_ ? std::max(pace, pace_) : pace;
    left_ = pace_;
    wanted_more_ = false;
  }
  // Where the walk goes on; kNoIndex: it is over.
  uint32_t* place() { return &place_; }
  // One who is too old. False: not in this sweep.
  bool Take() {
    wanted_more_ = left_ == 0;
    if (wanted_more_) return false;
    --left_;
    return true;
  }

 private:
  uint64_t next_ns_ = 0;
  uint64_t pace_ = 0, left_ = 0;  // in a sweep
  bool wanted_more_ = false;
  uint32_t place_ = kNoIndex;
};

}  // namespace roost

#endif  // ROOST_CORE_CLIENT_LOGIN_AGE_H_
