// Writes JSON (RFC 8259), member by member.
//
// What it is not: it reads none, and nests nothing by itself. Text from outside is made valid:
// control characters are escaped, what is no UTF-8 becomes U+FFFD.
#ifndef ROOST_CORE_BASE_JSON_H_
#define ROOST_CORE_BASE_JSON_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace roost {

// With its quotes.
void AppendJsonText(std::string_view text, std::string* out);

// Appends to `out`, which outlives it. End must be called.
class JsonObject {
 public:
  explicit JsonObject(std::string* out) : out_(out) { *out_ += '{'; }
  void Number(const char* name, uint64_t value) { Key(name) += std::to_string(value); }
  void Text(const char* name, std::string_view value) { AppendJsonText(value, &Key(name)); }
  void Bool(const char* name, bool value) { Key(name) += value ? "true" : "false"; }
  // The value is for the caller to append.
  std::string& Key(const char* name) {
    if (!first_) *out_ += ", ";
    first_ = false;
    return out_->append("\"").append(name).append("\": ");
  }
  void End() { *out_ += '}'; }

 private:
  std::string* out_;
  bool first_ = true;
};

}  // namespace roost

#endif  // ROOST_CORE_BASE_JSON_H_
