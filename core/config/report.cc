#include "core/config/report.h"

#include <algorithm>

namespace roost::config_detail {
namespace {

// "stores[0].tls" -> "stores[0]" -> "stores" -> ""
std::string Around(const std::string& key) {
  size_t dot = key.rfind('.'), bracket = key.rfind('[');
  if (dot != std::string::npos && (bracket == std::string::npos || dot > bracket)) {
    return key.substr(0, dot);
  }
  return bracket == std::string::npos ? "" : key.substr(0, bracket);
}

int LineOf(const LoadedConfig& loaded, std::string key) {
  while (!key.empty()) {
    auto found = loaded.lines.find(key);
    if (found != loaded.lines.end()) return found->second;
    key = Around(key);
  }
  return 0;
}

void Add(LoadedConfig* loaded, std::vector<ConfigError>* list, const std::string& key,
         std::string problem, std::string advice) {
  if (list->size() >= kMaxErrors) return;
  list->push_back({loaded->file, LineOf(*loaded, key), key, std::move(problem), std::move(advice)});
}

}  // namespace

void AddError(LoadedConfig* loaded, const std::string& key, std::string problem,
              std::string advice) {
  Add(loaded, &loaded->errors, key, std::move(problem), std::move(advice));
}

void AddWarning(LoadedConfig* loaded, const std::string& key, std::string problem,
                std::string advice) {
  Add(loaded, &loaded->warnings, key, std::move(problem), std::move(advice));
}

std::string KeyOf(std::string_view list, size_t index, std::string_view key) {
  std::string path(list);
  path += '[';
  path += std::to_string(index);
  path += ']';
  if (!key.empty()) path += '.';
  return path += key;
}

void SortByLine(LoadedConfig* loaded) {
  auto earlier = [](const ConfigError& a, const ConfigError& b) { return a.line < b.line; };
  std::stable_sort(loaded->errors.begin(), loaded->errors.end(), earlier);
  std::stable_sort(loaded->warnings.begin(), loaded->warnings.end(), earlier);
}

}  // namespace roost::config_detail

namespace roost {

std::string ConfigError::ToString() const {
  std::string text = file;
  if (line > 0) text += ":" + std::to_string(line);
  text += ": ";
  if (!key.empty()) text += key + ": ";
  text += problem;
  if (!advice.empty()) text += "; " + advice;
  return text;
}

std::string LoadedConfig::Describe() const {
  std::string text;
  for (const ConfigError& error : errors) text += error.ToString() + "\n";
  for (const ConfigError& warning : warnings) text += "warning: " + warning.ToString() + "\n";
  return text;
}

}  // namespace roost
