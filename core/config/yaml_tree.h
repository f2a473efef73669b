// A YAML text as a tree of plain values with their lines.
//
// What it is not: it knows no keys. It is the only door to yaml-cpp: its exceptions, its guesses at
// encodings and its habit of stopping silently at what it does not understand stay behind it.
// Anchors and aliases are refused, so the tree is never larger than the text.
//
// Pure; the tree owns all that it shows.

#ifndef ROOST_CORE_CONFIG_YAML_TREE_H_
#define ROOST_CORE_CONFIG_YAML_TREE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace roost::config_detail {

struct YamlNode {
  enum class Kind : uint8_t { kNull, kScalar, kSequence, kMap };
  Kind kind = Kind::kNull;
  int line = 0;                 // from 1
  std::string scalar;           // kScalar
  std::vector<YamlNode> items;  // kSequence: the items; kMap: key, value, key, value, ...
};

struct YamlProblem {
  int line = 0;      // from 1; 0: the text as a whole
  std::string what;  // empty: none
  std::string advice;
};

// Reads the one document of a text of at most 1 MiB. `tree` is whole only when there is no problem.
YamlProblem ParseYaml(std::string_view yaml, YamlNode* tree);

}  // namespace roost::config_detail

#endif  // ROOST_CORE_CONFIG_YAML_TREE_H_
