// Collecting what is wrong with a configuration. Internal to core/config.

#ifndef ROOST_CORE_CONFIG_REPORT_H_
#define ROOST_CORE_CONFIG_REPORT_H_

#include <string>
#include <string_view>

#include "core/config/config.h"

namespace roost::config_detail {

inline constexpr size_t kMaxErrors = 100;  // what anybody reads

// Adds an error (or warning) about a key. Its line is where the key stands, else where the nearest
// key around it does.
void AddError(LoadedConfig* loaded, const std::string& key, std::string problem,
              std::string advice);
void AddWarning(LoadedConfig* loaded, const std::string& key, std::string problem,
                std::string advice);

// "stores[2].tls"
std::string KeyOf(std::string_view list, size_t index, std::string_view key);

// What concerns several keys together (invariants 1 and 3 to 5 of Config).
void CheckRelations(LoadedConfig* loaded);

// Of one that was put together of two: whether its route fits its stores and its look-up.
bool RouteFits(const Config& config);

// Puts errors and warnings in the order of their lines.
void SortByLine(LoadedConfig* loaded);

}  // namespace roost::config_detail

#endif  // ROOST_CORE_CONFIG_REPORT_H_
