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

template <typename Number>
bool Read(const YamlNode* map, std::string_view key, Number* to) {
  const YamlNode* found = map == nullptr ? nullptr : Find(*map, key);
  if (found == nullptr || found->kind != YamlNode::Kind::kScalar) return false;
  const char* last = found->scalar.data() + found->scalar.size();
  const auto [rest, wrong] = std::from_chars(found->scalar.data(), last, *to);
  return wrong == std::errc() && rest == last;
}

}  // namespace

std::optional<BareRun> ParseBareRun(std::string_view json, std::string* error) {
  YamlNode tree;
  const config_detail::YamlProblem problem = config_detail::ParseYaml(json, &tree);
  if (!problem.what.empty()) {
    *error = "line " + std::to_string(problem.line) + ": " + problem.what;
    return std::nullopt;
  }
  const YamlNode* bare = Find(tree, "bare");
  BareRun run;
  if (Read(bare, "kernel_bytes_per_end", &run.kernel_bytes_per_end) &&
      Read(bare, "kernel_uncertainty_bytes", &run.kernel_uncertainty_bytes) &&
      Read(bare, "clients", &run.clients)) {
    return run;
  }
  *error =
      "no bare.kernel_bytes_per_end with its uncertainty and clients: it must be the --json of a "
      "run with --bare poll";
  return std::nullopt;
}

}  // namespace roost::load
