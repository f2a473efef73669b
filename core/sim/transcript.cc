#include "core/sim/transcript.h"

#include <algorithm>
#include <cstdio>
#include <functional>

#include "core/base/clock.h"

namespace roost {
namespace {
constexpr size_t kMaxTextBytes = 240;
}  // namespace

void Transcript::Add(uint64_t now_ns, std::string_view user, std::string_view who,
                     std::string_view text) {
  digest_ = digest_ * 1'000'003 + std::hash<std::string_view>()(text) + now_ns;
  if (!enabled_) return;
  char time[40];
  std::snprintf(time, sizeof time, "%10.4f ", static_cast<double>(now_ns) / kNsPerSecond);
  std::string line = time;
  line.append(who).append(" ");
  for (char c : text.substr(0, kMaxTextBytes)) {
    if (c == '\r') continue;
    c == '\n' ? line.append("|") : line.append(1, c);
  }
  if (text.size() > kMaxTextBytes) line += " …";
  entries_.push_back({now_ns, std::string(user), std::move(line)});
}

std::string Transcript::Of(std::string_view user, size_t most) const {
  std::vector<const Entry*> chosen;
  for (const Entry& entry : entries_) {
    if (user.empty() || entry.user.empty() || entry.user == user) chosen.push_back(&entry);
  }
  std::string out;
  const size_t first = chosen.size() - std::min(chosen.size(), most);
  for (size_t i = first; i < chosen.size(); ++i) out.append(chosen[i]->line).append("\n");
  return out;
}

}  // namespace roost
