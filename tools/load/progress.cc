#include "tools/load/progress.h"

#include <cmath>
#include <cstdio>

namespace roost::load {

const char* NameOf(RunPhase phase) {
  switch (phase) {
    case RunPhase::kRamp:
      return "ramp";
    case RunPhase::kSettle:
      return "settle";
    case RunPhase::kStorm:
      return "storm";
    case RunPhase::kDeliver:
      return "deliver";
    case RunPhase::kEvents:
      return "events";
    case RunPhase::kHold:
      return "hold";
  }
  return "";
}

std::pair<uint64_t, uint64_t> ProgressLine::Counted(const ProgressState& state) {
  switch (state.phase) {
    case RunPhase::kRamp:
    case RunPhase::kStorm:
      return {state.idle, state.clients};
    case RunPhase::kDeliver:
      return {state.deliveries, state.ordered};
    case RunPhase::kEvents:
      return {state.received, state.expected};
    case RunPhase::kSettle:
    case RunPhase::kHold:
      break;
  }
  return {0, 0};
}

double ProgressLine::Rate(const ProgressState& state, uint64_t count) {
  if (state.phase != phase_) counts_.clear();
  phase_ = state.phase;
  counts_.emplace_back(state.seconds, count);
  while (counts_.size() > 2 && counts_[1].first <= state.seconds - kWindowSeconds) {
    counts_.pop_front();
  }
  const auto& [since, before] = counts_.front();
  if (state.seconds <= since || count <= before) return 0;
  return static_cast<double>(count - before) / (state.seconds - since);
}

std::string ProgressLine::Tell(const ProgressState& state) {
  const auto [count, end] = Counted(state);
  const double rate = Rate(state, count);
  char text[256];
  std::snprintf(text, sizeof text,
                "%4.0f s  %-7s  %llu of %llu idle, %llu of %llu messages, %llu of %llu events",
                state.seconds, NameOf(state.phase), static_cast<unsigned long long>(state.idle),
                static_cast<unsigned long long>(state.clients),
                static_cast<unsigned long long>(state.deliveries),
                static_cast<unsigned long long>(state.ordered),
                static_cast<unsigned long long>(state.received),
                static_cast<unsigned long long>(state.expected));
  std::string line = text;
  if (rate <= 0) return line;
  std::snprintf(text, sizeof text, ", %.0f/s", rate);
  line += text;
  if (end <= count) return line;
  std::snprintf(text, sizeof text, ", %.0f s left",
                std::ceil(static_cast<double>(end - count) / rate));
  return line + text;
}

}  // namespace roost::load
