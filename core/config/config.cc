#include "core/config/config.h"

#include <algorithm>
#include <utility>

#include "core/config/report.h"
#include "core/config/schema.h"
#include "core/config/value.h"
#include "core/config/yaml_tree.h"

namespace roost {
namespace {

using config_detail::AddError;
using config_detail::Form;
using config_detail::ParseValue;
using config_detail::RangeName;
using config_detail::Spec;
using config_detail::TypeName;
using config_detail::Visit;
using config_detail::YamlNode;

// Collects key names only, to tell where an unknown key belongs.
class KeyCollector {
 public:
  template <class T>
  void Field(std::string_view key, T&, const Spec&) {
    keys.emplace_back(section_, key);
  }
  template <class T>
  void Section(std::string_view key, T& member, std::string_view) {
    Inside(key, member);
  }
  template <class T>
  void List(std::string_view key, std::vector<T>&, std::string_view, bool) {
    T element;
    Inside(key, element);
  }
  std::vector<std::pair<std::string, std::string>> keys;  // section, key

 private:
  template <class T>
  void Inside(std::string_view key, T& member) {
    keys.emplace_back(section_, key);
    std::string outer = std::exchange(section_, std::string(key));
    Visit(*this, member);
    section_ = outer;
  }
  std::string section_;
};

std::string JoinPath(std::string_view prefix, std::string_view key) {
  std::string path(prefix);
  if (!path.empty()) path += '.';
  return path += key;
}

// Reads one YAML mapping into one struct: a visitor of schema.h.
class Loader {
 public:
  Loader(LoadedConfig* loaded, std::string prefix, std::string section)
      : loaded_(loaded), prefix_(std::move(prefix)), section_(std::move(section)) {}

  template <class T>
  void Load(const YamlNode& node, T& target) {
    if (!TakeEntries(node)) return;
    Visit(*this, target);
    ReportUnknown();
  }

  template <class T>
  void Field(std::string_view key, T& member, const Spec& spec) {
    const YamlNode* node = Take(key);
    if (node == nullptr) {
      if (spec.required) Missing(key, TypeName(&member, spec));
      return;
    }
    Scalar(JoinPath(prefix_, key), *node, &member, spec);
  }

  template <class T>
  void Field(std::string_view key, std::vector<T>& member, const Spec& spec) {
    std::string path = JoinPath(prefix_, key);
    const YamlNode* node = Take(key);
    if (node != nullptr &&
        node->kind == YamlNode::Kind::kScalar) {  // a list of one may be written as one
      member.resize(1);
      Scalar(path, *node, &member[0], spec);
    } else if (node != nullptr && node->kind == YamlNode::Kind::kSequence) {
      LoadScalars(path, *node, &member, spec);
    } else if (node != nullptr && node->kind != YamlNode::Kind::kNull) {
      AddError(loaded_, path, "is not a list",
               "write [value, value] or one '- value' per line: " +
                   TypeName(static_cast<T*>(nullptr), spec));
      return;
    }
    if (spec.required && member.empty()) Missing(key, TypeName(static_cast<T*>(nullptr), spec));
  }

  template <class T>
  void Section(std::string_view key, T& member, std::string_view) {
    const YamlNode* node = Take(key);
    Loader inner(loaded_, JoinPath(prefix_, key), std::string(key));
    inner.Load(node == nullptr ? YamlNode() : *node, member);
  }

  template <class T>
  void List(std::string_view key, std::vector<T>& member, std::string_view, bool required) {
    std::string path = JoinPath(prefix_, key);
    const YamlNode* node = Take(key);
    if (node != nullptr && node->kind == YamlNode::Kind::kSequence) {
      LoadStructs(path, std::string(key), *node, &member);
    } else if (node != nullptr && node->kind != YamlNode::Kind::kNull) {
      AddError(loaded_, path, "is not a list", "begin each entry with '- ' on a line of its own");
      return;
    }
    if (required && member.empty()) Missing(key, "at least one entry");
  }

 private:
  struct Entry {
    std::string key;
    const YamlNode* value = nullptr;
    int line = 0;
    bool taken = false;
  };

  // Whether there is a mapping, be it an empty one.
  bool TakeEntries(const YamlNode& node) {
    if (node.kind == YamlNode::Kind::kNull) return true;
    if (node.kind != YamlNode::Kind::kMap) {
      AddError(loaded_, prefix_, "is not made of 'key: value' lines",
               "see the configuration reference");
      return false;
    }
    if (node.items.size() > 2 * kMaxEntries) {
      AddError(loaded_, prefix_, "has more keys than there are", "is it the right file?");
      return false;
    }
    for (size_t i = 0; i + 1 < node.items.size(); i += 2) {
      AddEntry(node.items[i], node.items[i + 1]);
    }
    return true;
  }

  void AddEntry(const YamlNode& key, const YamlNode& value) {
    if (key.kind != YamlNode::Kind::kScalar) {
      return Report(key.line, prefix_, "has a key that is not text", "remove it");
    }
    auto is_same = [&](const Entry& other) { return other.key == key.scalar; };
    if (std::any_of(entries_.begin(), entries_.end(), is_same)) {
      return Report(key.line, JoinPath(prefix_, Shown(key.scalar)), "is given twice", "keep one");
    }
    entries_.push_back({key.scalar, &value, key.line, false});
  }

  const YamlNode* Take(std::string_view key) {
    known_.emplace_back(key);
    for (Entry& entry : entries_) {
      if (entry.key != key) continue;
      entry.taken = true;
      loaded_->lines[JoinPath(prefix_, key)] = entry.line;
      return entry.value;
    }
    return nullptr;
  }

  template <class T>
  void Scalar(const std::string& path, const YamlNode& node, T* member, const Spec& spec) {
    std::string wanted = "expected: " + TypeName(static_cast<T*>(nullptr), spec);
    if (std::string range = RangeName(spec); !range.empty()) wanted += ", " + range;
    if (node.kind == YamlNode::Kind::kNull)
      return AddError(loaded_, path, "has no value", wanted + "; or remove it");
    if (node.kind != YamlNode::Kind::kScalar)
      return AddError(loaded_, path, "is not a single value", wanted);
    T value{};
    std::string problem = ParseValue(node.scalar, spec, &value);
    if (!problem.empty()) return AddError(loaded_, path, problem, wanted);
    if constexpr (std::is_same_v<T, std::string>) {
      if (spec.required && value.empty()) return AddError(loaded_, path, "is empty", wanted);
      if (spec.form == Form::kPath) value = Resolve(value);
    }
    *member = std::move(value);
  }

  template <class T>
  void LoadScalars(const std::string& path, const YamlNode& list, std::vector<T>* member,
                   const Spec& spec) {
    for (size_t i = 0; i < list.items.size() && !Full(); ++i) {
      std::string key = config_detail::KeyOf(path, i, "");
      loaded_->lines[key] = list.items[i].line;
      member->emplace_back();
      Scalar(key, list.items[i], &member->back(), spec);
    }
  }

  template <class T>
  void LoadStructs(const std::string& path, const std::string& section, const YamlNode& list,
                   std::vector<T>* member) {
    for (size_t i = 0; i < list.items.size() && !Full(); ++i) {
      std::string key = config_detail::KeyOf(path, i, "");
      loaded_->lines[key] = list.items[i].line;
      member->emplace_back();
      Loader(loaded_, key, section).Load(list.items[i], member->back());
    }
  }

  std::string Resolve(const std::string& path) const {
    size_t slash = loaded_->file.rfind('/');
    if (path.empty() || path.front() == '/' || slash == std::string::npos) return path;
    return loaded_->file.substr(0, slash + 1) + path;
  }

  void Missing(std::string_view key, const std::string& wanted) {
    AddError(loaded_, JoinPath(prefix_, key), "is missing", "add it: " + wanted);
  }

  void ReportUnknown() {
    for (const Entry& entry : entries_) {
      if (entry.taken) continue;
      Report(entry.line, JoinPath(prefix_, Shown(entry.key)), "is not a key", Advise(entry.key));
    }
  }

  std::string Advise(const std::string& key) const {
    std::string near(config_detail::Nearest(key, known_));
    if (!near.empty() && near.substr(0, 3) == key.substr(0, 3)) return "did you mean " + near + "?";
    Config config;
    KeyCollector collector;
    Visit(collector, config);
    for (const auto& [section, name] : collector.keys) {
      if (name != key || section == section_) continue;
      return section.empty() ? "it belongs at the top, outside of " + section_
                             : "it belongs under " + section;
    }
    if (!near.empty()) return "did you mean " + near + "?";
    return "remove it; roostd --config-reference lists all keys";
  }

  void Report(int line, const std::string& key, std::string problem, std::string advice) {
    if (Full()) return;
    loaded_->errors.push_back({loaded_->file, line, key, std::move(problem), std::move(advice)});
  }

  bool Full() const { return loaded_->errors.size() >= config_detail::kMaxErrors; }

  // A key as it may be shown: what a file holds is not sent to a terminal as it is.
  static std::string Shown(const std::string& key) {
    std::string shown;
    for (unsigned char c : key.substr(0, 60)) shown += c < 0x20 || c == 0x7f ? '?' : char(c);
    return key.size() > 60 ? shown + "..." : shown;
  }

  static constexpr size_t kMaxEntries = 1000;  // of one mapping; bounds the search for doubles

  LoadedConfig* const loaded_;
  const std::string prefix_;   // "stores[0]"
  const std::string section_;  // "stores"
  std::vector<Entry> entries_;
  std::vector<std::string> known_;
};

}  // namespace

LoadedConfig LoadConfig(std::string_view yaml, std::string_view file_name) {
  LoadedConfig loaded;
  loaded.file = file_name;
  YamlNode tree;
  config_detail::YamlProblem problem = config_detail::ParseYaml(yaml, &tree);
  if (!problem.what.empty()) {
    loaded.errors.push_back({loaded.file, problem.line, "", problem.what, problem.advice});
    return loaded;
  }
  Loader(&loaded, "", "").Load(tree, loaded.config);
  if (loaded.ok()) config_detail::CheckRelations(&loaded);
  config_detail::SortByLine(&loaded);
  return loaded;
}

}  // namespace roost
