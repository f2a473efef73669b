#include "core/admin/follow.h"

#include <atomic>
#include <memory>
#include <vector>

#include "core/base/clock.h"
#include "core/base/trace.h"
#include "core/shard/server.h"

namespace roost {
namespace {

std::atomic<int> followers = 0;

void Follow(Server& server, TraceFollower& follower, const Say& say) {
  uint64_t left_out = 0;
  while (!server.stopping()) {
    std::string text;
    for (const std::string& line : follower.Take(SecondsToNs(1), &left_out)) {
      text.append(line).append("\n");
    }
    if (left_out != 0) {
      text.append(FormatTraceLine("left_out", {}, {{"lines", left_out}})).append("\n");
    }
    if (!say(text.empty() ? "\n" : text)) return;
  }
  say(FormatTraceLine("ending", {}, {}) + "\n");
}

}  // namespace

void FollowUser(Server& server, const std::string& login, const Say& say) {
  if (followers.fetch_add(1) >= kMostFollowers) {
    say("{\"error\": \"" + std::to_string(kMostFollowers) + " follow somebody already\"}\n");
  } else {
    const auto follower = std::make_shared<TraceFollower>(login, Dialer::HashOf(login));
    const bool asked =
        server.Ask([follower](uint32_t, Shard& shard) { shard.trace().Add(follower); });
    if (asked && say(FormatTraceLine("following", {}, {{"user", login}}) + "\n")) {
      Follow(server, *follower, say);
    }
    server.Ask([follower](uint32_t, Shard& shard) { shard.trace().Remove(*follower); });
  }
  followers.fetch_sub(1);
}

}  // namespace roost
