#include "core/admin/pages.h"

#include <string>
#include <utility>

#include "core/shard/server.h"

namespace roost {
namespace {

constexpr int kUnavailable = 503;
constexpr int kNotFound = 404;

HttpAnswer Health(uint64_t silent_ns) {
  if (silent_ns < kMostSilentNs) return {200, "ok\n"};
  return {kUnavailable,
          "a shard has not answered for " + std::to_string(NsToSeconds(silent_ns)) + " seconds\n"};
}

HttpAnswer Readiness(const std::string& not_ready) {
  return not_ready.empty() ? HttpAnswer{200, "ok\n"} : HttpAnswer{kUnavailable, not_ready + "\n"};
}

HttpAnswer Metrics(const MetricsInput& input) {
  if (input.shards.empty()) return {kUnavailable, "the shards do not answer\n"};
  return {200, MetricsText(input), kMetricsContentType};
}

}  // namespace

PageSources PagesOf(Server& server) {
  PageSources sources;
  sources.metrics = [&server] {
    MetricsInput input;
    input.shards = server.Figures();
    input.stores = server.StoreNames();
    input.addresses = *server.StoreAddresses();
    input.process = ReadProcessFigures();
    input.ready = server.NotReady().empty();
    return input;
  };
  sources.silent_ns = [&server] { return server.SilentNs(); };
  sources.not_ready = [&server] { return server.NotReady(); };
  return sources;
}

HttpAnswer AnswerPage(const PageSources& sources, std::string_view path) {
  if (path == "/metrics") return Metrics(sources.metrics());
  if (path == "/healthz") return Health(sources.silent_ns());
  if (path == "/readyz") return Readiness(sources.not_ready());
  return {kNotFound, "there are /metrics, /healthz and /readyz\n"};
}

}  // namespace roost
