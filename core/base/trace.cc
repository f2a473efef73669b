#include "core/base/trace.h"

#include <chrono>
#include <utility>

namespace roost {

void TraceFollower::Tell(std::string line) {
  std::lock_guard lock(mutex_);
  if (lines_.size() >= kMostLines) {
    ++left_out_;
    return;
  }
  lines_.push_back(std::move(line));
  changed_.notify_all();
}

std::vector<std::string> TraceFollower::Take(uint64_t wait_ns, uint64_t* left_out) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::nanoseconds(wait_ns), [this] { return !lines_.empty(); });
  *left_out = std::exchange(left_out_, 0);
  return std::exchange(lines_, {});
}

void Trace::Say(std::string_view login, std::string_view event, ConnectionId session,
                LogFields fields) {
  std::string line;
  for (const auto& follower : followers_) {
    if (follower->login() != login) continue;
    if (line.empty()) line = FormatTraceLine(event, session, fields);
    follower->Tell(line);
  }
}

void Trace::Say(uint64_t login_hash, std::string_view event, ConnectionId session,
                LogFields fields) {
  std::string line;
  for (const auto& follower : followers_) {
    if (follower->login_hash() != login_hash) continue;
    if (line.empty()) line = FormatTraceLine(event, session, fields);
    follower->Tell(line);
  }
}

}  // namespace roost
