// What a person is told while a run goes on.
//
// What it is not: no clock and no terminal; text in a fixed order: phase, what it waits for, rate,
// how long that takes yet. The rate is that of the last seconds.
#ifndef ROOST_TOOLS_LOAD_PROGRESS_H_
#define ROOST_TOOLS_LOAD_PROGRESS_H_

#include <cstdint>
#include <deque>
#include <string>
#include <utility>

namespace roost::load {

enum class RunPhase : uint8_t { kRamp, kSettle, kStorm, kDeliver, kEvents, kHold };
const char* NameOf(RunPhase phase);

// Numbers of all threads together.
struct ProgressState {
  RunPhase phase = RunPhase::kRamp;
  double seconds = 0;  // since the run began
  uint64_t idle = 0, clients = 0;
  uint64_t deliveries = 0, ordered = 0;
  uint64_t received = 0, expected = 0;
};

class ProgressLine {
 public:
  static constexpr double kWindowSeconds = 3;

  // Without the end of a line. Called with growing times.
  std::string Tell(const ProgressState& state);

 private:
  // What the phase counts, and how far that goes.
  static std::pair<uint64_t, uint64_t> Counted(const ProgressState& state);
  double Rate(const ProgressState& state, uint64_t count);

  RunPhase phase_ = RunPhase::kRamp;
  std::deque<std::pair<double, uint64_t>> counts_;  // of this phase, over time
};

}  // namespace roost::load

#endif  // ROOST_TOOLS_LOAD_PROGRESS_H_
