#include "tools/load/scenario.h"

#include <algorithm>
#include <optional>

#include "core/config/yaml_tree.h"
#include "tools/load/files.h"
#include "tools/load/options.h"

namespace roost::load {
namespace {

using config_detail::YamlNode;

constexpr std::string_view kFlag = "--scenario";
// Whom to load is said by a person, not by a file; and files do not call each other.
constexpr std::string_view kNotInFiles[] = {"scenario", "i-may-load-this-host", "help", "version"};

// "idle=80,poll=20"; none: it is nothing that an option takes.
std::optional<std::string> TextOf(const YamlNode& value) {
  if (value.kind == YamlNode::Kind::kScalar) return value.scalar;
  if (value.kind != YamlNode::Kind::kMap) return std::nullopt;
  std::string text;
  for (size_t i = 0; i + 1 < value.items.size(); i += 2) {
    if (value.items[i + 1].kind != YamlNode::Kind::kScalar) return std::nullopt;
    if (i > 0) text += ',';
    text += value.items[i].scalar + "=" + value.items[i + 1].scalar;
  }
  return text;
}

bool Add(const YamlNode& key, const YamlNode& value, std::vector<std::string>* arguments) {
  const std::string flag = "--" + key.scalar;
  if (IsSwitch(flag)) {
    if (value.scalar == "true") arguments->push_back(flag);
    return value.scalar == "true" || value.scalar == "false";
  }
  if (value.kind == YamlNode::Kind::kSequence) {
    return std::all_of(value.items.begin(), value.items.end(), [&](const YamlNode& item) {
      return item.kind == YamlNode::Kind::kScalar && Add(key, item, arguments);
    });
  }
  const std::optional<std::string> text = TextOf(value);
  if (text) arguments->push_back(flag + "=" + *text);
  return text.has_value();
}

}  // namespace

bool ParseScenario(std::string_view yaml, std::vector<std::string>* arguments, std::string* error) {
  YamlNode tree;
  const config_detail::YamlProblem problem = config_detail::ParseYaml(yaml, &tree);
  const auto fail = [error](int line, const std::string& what) {
    *error = "line " + std::to_string(line) + ": " + what;
    return false;
  };
  if (!problem.what.empty()) return fail(problem.line, problem.what);
  if (tree.kind != YamlNode::Kind::kMap) return fail(tree.line, "not a list of `option: value`");
  for (size_t i = 0; i + 1 < tree.items.size(); i += 2) {
    const YamlNode& key = tree.items[i];
    for (const std::string_view name : kNotInFiles) {
      if (key.scalar == name) return fail(key.line, key.scalar + " is not for files");
    }
    if (!Add(key, tree.items[i + 1], arguments)) {
      return fail(key.line, key.scalar + " cannot have this value");
    }
  }
  return true;
}

bool ExpandScenarios(std::vector<std::string>* arguments, std::string* error) {
  std::vector<std::string> from_files, rest;
  for (size_t i = 0; i < arguments->size(); ++i) {
    const std::string& argument = (*arguments)[i];
    std::string file;
    if (argument.starts_with(std::string(kFlag) + "=")) {
      file = argument.substr(kFlag.size() + 1);
    } else if (argument == kFlag && i + 1 < arguments->size()) {
      file = (*arguments)[++i];
    } else {
      rest.push_back(argument);
      continue;
    }
    std::string yaml;
    if (!ReadFile(file, &yaml, error)) return false;
    if (!ParseScenario(yaml, &from_files, error)) {
      *error = file + ": " + *error;
      return false;
    }
  }
  from_files.insert(from_files.end(), rest.begin(), rest.end());
  *arguments = std::move(from_files);
  return true;
}

}  // namespace roost::load
