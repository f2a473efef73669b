#include "core/config/yaml_tree.h"

#include <exception>
#include <sstream>
#include <utility>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

namespace roost::config_detail {
namespace {

constexpr size_t kMaxYaml = 1 << 20;  // bytes

// The length of the UTF-8 sequence (RFC 3629) at the start of `text`, 0 if there is none.
size_t Utf8Length(std::string_view text) {
  auto at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned char first = at(0);
  size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (first > 0xf4 || length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
  }
  bool overlong = (first == 0xe0 && at(1) < 0xa0) || (first == 0xf0 && at(1) < 0x90);
  bool surrogate = first == 0xed && at(1) >= 0xa0;
  bool too_high = first == 0xf4 && at(1) >= 0x90;
  return overlong || surrogate || too_high ? 0 : length;
}

// The line of the first byte that is not text, 0 if all of it is.
int LineThatIsNoText(std::string_view yaml) {
  int line = 1;
  while (!yaml.empty()) {
    unsigned char c = static_cast<unsigned char>(yaml.front());
    bool control = (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
    size_t length = Utf8Length(yaml);
    if (control || length == 0) return line;
    if (c == '\n') ++line;
    yaml.remove_prefix(length);
  }
  return 0;
}

int LineOf(const YAML::Mark& mark) { return mark.is_null() ? 0 : mark.line + 1; }

// Builds the tree from the parser's events.
class Builder : public YAML::EventHandler {
 public:
  explicit Builder(YamlNode* root) : root_(root) {}

  int alias_line() const { return alias_line_; }
  int document_line() const { return document_line_; }

  void OnDocumentStart(const YAML::Mark& mark) override { document_line_ = LineOf(mark); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { Add(YamlNode::Kind::kNull, mark); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    if (alias_line_ == 0) alias_line_ = LineOf(mark);
    Add(YamlNode::Kind::kNull, mark);
  }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                const std::string& value) override {
    Add(YamlNode::Kind::kScalar, mark)->scalar = value;
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    open_.push_back(Add(YamlNode::Kind::kSequence, mark));
  }
  void OnSequenceEnd() override { open_.pop_back(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    open_.push_back(Add(YamlNode::Kind::kMap, mark));
  }
  void OnMapEnd() override { open_.pop_back(); }

 private:
  // The pointers in open_ stay valid: only the innermost open node gets new items, and those that
  // are open stand in vectors that do not grow meanwhile.
  YamlNode* Add(YamlNode::Kind kind, const YAML::Mark& mark) {
    YamlNode* node = root_;
    if (!open_.empty()) node = &open_.back()->items.emplace_back();
    node->kind = kind;
    node->line = LineOf(mark);
    return node;
  }

  YamlNode* const root_;
  std::vector<YamlNode*> open_;
  int alias_line_ = 0;
  int document_line_ = 0;
};

YamlProblem Parse(std::string_view yaml, YamlNode* tree) {
  std::istringstream stream{std::string(yaml)};
  YAML::Parser parser(stream);
  Builder builder(tree);
  if (!parser.HandleNextDocument(builder)) return {0, "is empty", "begin with the one in README"};
  if (builder.alias_line() > 0) {
    return {builder.alias_line(), "uses an alias (*)", "write the values out"};
  }
  // The parser calls the rest that it does not understand another document, again and again.
  YamlNode ignored;
  Builder rest(&ignored);
  if (!parser.HandleNextDocument(rest)) return {};
  return {rest.document_line(), "goes on after the end of the configuration",
          "look for a stray comma, bracket or '---' in this line or before"};
}

}  // namespace

YamlProblem ParseYaml(std::string_view yaml, YamlNode* tree) {
  if (yaml.size() > kMaxYaml) return {0, "is larger than 1 MiB", "is it the right file?"};
  if (int line = LineThatIsNoText(yaml); line > 0) {
    return {line, "holds a byte that is not text in UTF-8", "is it the right file?"};
  }
  try {
    return Parse(yaml, tree);
  } catch (const YAML::Exception& e) {
    return {LineOf(e.mark), "is not YAML: " + e.msg, "look at the line and the one before"};
  } catch (const std::exception& e) {
    return {0, "cannot be read as YAML: " + std::string(e.what()), ""};
  }
}

}  // namespace roost::config_detail
