// The configuration written out: as YAML with every key, and as the reference of keys.

#include <type_traits>

#include "core/config/config.h"
#include "core/config/schema.h"
#include "core/config/value.h"

namespace roost {
namespace {

using config_detail::Form;
using config_detail::FormatValue;
using config_detail::RangeName;
using config_detail::Spec;
using config_detail::TypeName;
using config_detail::Visit;

// A double-quoted YAML scalar; numbers, booleans and enums need no quotes.
std::string Quote(std::string_view text) {
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

template <class T>
std::string YamlScalar(const T& value, const Spec& spec) {
  std::string text = FormatValue(value, spec);
  constexpr bool bare = std::is_same_v<T, int> || std::is_same_v<T, bool>;
  return bare ? text : Quote(text);
}

// A visitor of schema.h that writes YAML.
class Printer {
 public:
  std::string text;

  template <class T>
  void Field(std::string_view key, T& member, const Spec& spec) {
    if constexpr (std::is_same_v<T, std::string>) {
      if (spec.form == Form::kSecret) {
        Line("# " + std::string(key) + (member.empty() ? ": not given" : ": given, not shown"));
        return;
      }
    }
    Line(std::string(key) + ": " + YamlScalar(member, spec));
  }

  template <class T>
  void Field(std::string_view key, std::vector<T>& member, const Spec& spec) {
    std::string list;
    for (const T& value : member) list += (list.empty() ? "" : ", ") + YamlScalar(value, spec);
    Line(std::string(key) + ": [" + list + "]");
  }

  template <class T>
  void Section(std::string_view key, T& member, std::string_view) {
    Line(std::string(key) + ":");
    Indented(member);
  }

  template <class T>
  void List(std::string_view key, std::vector<T>& member, std::string_view, bool) {
    Line(std::string(key) + (member.empty() ? ": []" : ":"));
    for (T& element : member) {
      Line("  -");
      indent_ += 2;
      Indented(element);
      indent_ -= 2;
    }
  }

 private:
  template <class T>
  void Indented(T& member) {
    indent_ += 2;
    Visit(*this, member);
    indent_ -= 2;
  }

  void Line(const std::string& line) {
    text.append(indent_, ' ');
    text += line + "\n";
  }

  size_t indent_ = 0;
};

// A visitor of schema.h that writes Markdown: one table per section, the top-level keys first.
class Reference {
 public:
  std::string top, sections;

  template <class T>
  void Field(std::string_view key, T& member, const Spec& spec) {
    Row(key, TypeName(&member, spec), spec.required ? "required" : Shown(member, spec), spec);
  }

  template <class T>
  void Field(std::string_view key, std::vector<T>&, const Spec& spec) {
    std::string type = "list of " + TypeName(static_cast<T*>(nullptr), spec);
    Row(key, type, spec.required ? "required" : "empty", spec);
  }

  template <class T>
  void Section(std::string_view key, T& member, std::string_view why) {
    Begin("`" + std::string(key) + "`", why);
    Visit(*this, member);
    inside_ = false;
  }

  template <class T>
  void List(std::string_view key, std::vector<T>&, std::string_view why, bool required) {
    Begin("`" + std::string(key) + "`, a list" + (required ? ", required" : ""), why);
    T element;
    Visit(*this, element);
    inside_ = false;
  }

  static constexpr std::string_view kHead =
      "| key | type | default | meaning |\n| --- | --- | --- | --- |\n";

 private:
  template <class T>
  std::string Shown(const T& member, const Spec& spec) {
    std::string value = FormatValue(member, spec);
    return value.empty() ? "empty" : "`" + value + "`";
  }

  void Begin(const std::string& title, std::string_view why) {
    sections += "\n**" + title + "**";
    if (!why.empty()) sections += ": " + std::string(why);
    sections += "\n\n" + std::string(kHead);
    inside_ = true;
  }

  void Row(std::string_view key, std::string type, const std::string& value, const Spec& spec) {
    if (std::string range = RangeName(spec); !range.empty()) type = range;
    std::string& out = inside_ ? sections : top;
    out += "| `" + std::string(key) + "` | " + type + " | " + value + " | " +
           std::string(spec.why) + (spec.restart ? " Needs a restart." : "") + " |\n";
  }

  bool inside_ = false;
};

}  // namespace

std::string PrintConfig(const Config& config) {
  Config copy = config;  // visitors take references they may write to
  Printer printer;
  Visit(printer, copy);
  return printer.text;
}

std::string PrintConfigReference() {
  Config config;
  Reference reference;
  Visit(reference, config);
  return std::string(Reference::kHead) + reference.top + reference.sections;
}

}  // namespace roost
