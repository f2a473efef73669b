// Writes JSON: names, values and what stands between them.
//
// What it is not: no reader, no numbers that JSON has none for (they become null), and nothing
// checks that lists have no names. Text that is not ASCII may be no UTF-8 and becomes "?".
#ifndef ROOST_TOOLS_LOAD_JSON_H_
#define ROOST_TOOLS_LOAD_JSON_H_

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace roost::load {

class JsonWriter {
 public:
  // Begins with the outermost object, which Take ends.
  JsonWriter() : out_("{") {}

  // name: empty in lists.
  void Open(std::string_view name);
  void OpenList(std::string_view name);
  void Close();

  void Real(std::string_view name, double value, int digits = 1);
  void Real(std::string_view name, const std::optional<double>& value, int digits = 1);
  void Text(std::string_view name, std::string_view value);
  void Bool(std::string_view name, bool value) { Raw(name, value ? "true" : "false"); }
  void Null(std::string_view name) { Raw(name, "null"); }
  template <std::integral Integer>
  void Number(std::string_view name, Integer value) {
    Raw(name, std::to_string(value));
  }
  template <std::integral Integer>
  void Number(std::string_view name, const std::optional<Integer>& value) {
    value ? Number(name, *value) : Null(name);
  }

  // The whole text; the writer is of no more use.
  std::string Take();

 private:
  void Begin(std::string_view name);
  void Raw(std::string_view name, std::string_view value);

  std::string out_;
  std::string ends_ = "}";  // of what is open, innermost last
  bool first_ = true;       // nothing yet in what is open
};

}  // namespace roost::load

#endif  // ROOST_TOOLS_LOAD_JSON_H_
