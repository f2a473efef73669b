// When each of many things that come at a rate is due.
//
// What it is not: no clock and no queue. The schedule does not wait for anybody: what is done late
// was due when it was due, so a latency that is counted from that moment leaves out no waiting. A
// rate of 0 has no schedule: everything is due when somebody is there to do it.
#ifndef ROOST_TOOLS_LOAD_PACE_H_
#define ROOST_TOOLS_LOAD_PACE_H_

#include <algorithm>
#include <cstdint>

#include "core/base/clock.h"

namespace roost::load {

class Pace {
 public:
  explicit Pace(double per_second)
      : pause_ns_(per_second > 0 ? static_cast<double>(kNsPerSecond) / per_second : 0) {}

  // There is something to do again after there was nothing: the next is due now, or as the rate
  // says after the one before.
  void Begin(uint64_t now_ns) {
    begin_ns_ = std::max(now_ns, next_ns());
    taken_ = 0;
  }
  uint64_t next_ns() const {
    return begin_ns_ + static_cast<uint64_t>(pause_ns_ * static_cast<double>(taken_));
  }
  bool Due(uint64_t now_ns) const { return pause_ns_ == 0 || now_ns >= next_ns(); }
  // Precondition: Due. When it was due.
  uint64_t Take(uint64_t now_ns) {
    if (pause_ns_ == 0) return now_ns;
    const uint64_t due_ns = next_ns();
    ++taken_;
    return due_ns;
  }

 private:
  const double pause_ns_;
  uint64_t begin_ns_ = 0;
  uint64_t taken_ = 0;
};

}  // namespace roost::load

#endif  // ROOST_TOOLS_LOAD_PACE_H_
