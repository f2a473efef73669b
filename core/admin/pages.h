// What the admin HTTP listener shows: /metrics, /healthz, /readyz.
//
// Any thread; asks the shards through Server. No secret and no name of a user is on any page.
#ifndef ROOST_CORE_ADMIN_PAGES_H_
#define ROOST_CORE_ADMIN_PAGES_H_

#include <functional>
#include <string_view>

#include "core/admin/http_server.h"
#include "core/admin/metrics.h"

namespace roost {

class Server;

struct PageSources {
  // All of them may be called on any thread.
  std::function<MetricsInput()> metrics;   // without shards: they do not answer
  std::function<uint64_t()> silent_ns;     // see Server::SilentNs
  std::function<std::string()> not_ready;  // see Server::NotReady
};

PageSources PagesOf(Server& server);

// A shard that has been silent for so long is not alive: turns take milliseconds.
inline constexpr uint64_t kMostSilentNs = SecondsToNs(10);

HttpAnswer AnswerPage(const PageSources& sources, std::string_view path);

}  // namespace roost

#endif  // ROOST_CORE_ADMIN_PAGES_H_
