// What Prometheus is shown: every metric once, with its name, labels and meaning.
//
// Pure: figures in, text out (Prometheus text exposition, version 0.0.4, by its client library).
// Labels have few values: names and addresses of stores as far as configuration and DNS name them,
// all others known beforehand; never a user, a mailbox or a client's address.
#ifndef ROOST_CORE_ADMIN_METRICS_H_
#define ROOST_CORE_ADMIN_METRICS_H_

#include <string>
#include <vector>

#include "core/admin/process_figures.h"
#include "core/shard/figures.h"
#include "core/store/store_resolver.h"

namespace roost {

struct MetricsInput {
  std::vector<ShardFigures> shards;
  std::vector<std::string> stores;     // names, by StoreIndex
  StoreResolver::Addresses addresses;  // of the stores
  ProcessFigures process;
  bool ready = false;
};

inline constexpr char kMetricsContentType[] = "text/plain; version=0.0.4; charset=utf-8";

std::string MetricsText(const MetricsInput& input);

// The table of all metrics as Markdown, for README and `roostd --metrics-reference`.
std::string MetricsReference();

}  // namespace roost

#endif  // ROOST_CORE_ADMIN_METRICS_H_
