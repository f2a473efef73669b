#include "tools/load/bare_run.h"

#include <charconv>

#include "core/config/yaml_tree.h"

namespace roost::load {
namespace {

using config_detail::YamlNode;

const YamlNode* Find(const YamlNode& map, std::string_view key) {
  if (map.kind != YamlNode::Kind::kMap) return nullptr;
  for (size_t i = 0; i + 1 < map.items.size(); i += 2) {
    if (map.items[i].scalar == key) return &map.items[i + 1];
  }
  return nullptr;
}

}  // namespace

std::optional<double> ParseBareRun(std::string_view json, std::string* error) {
  YamlNode tree;
  const config_detail::YamlProblem problem = config_detail::ParseYaml(json, &tree);
  if (!problem.what.empty()) {
    *error = "line " + std::to_string(problem.line) + ": " + problem.what;
    return std::nullopt;
  }
  const YamlNode* bare = Find(tree, "bare");
  const YamlNode* end = bare == nullptr ? nullptr : Find(*bare, "kernel_bytes_per_end");
  double bytes = 0;
  if (end != nullptr && end->kind == YamlNode::Kind::kScalar) {
    const char* last = end->scalar.data() + end->scalar.size();
    const auto [rest, wrong] = std::from_chars(end->scalar.data(), last, bytes);
    if (wrong == std::errc() && rest == last) return bytes;
  }
  *error = "no bare.kernel_bytes_per_end: it must be the --json of a run with --bare poll";
  return std::nullopt;
}

}  // namespace roost::load
