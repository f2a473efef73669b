#include "tools/ctl/json_reader.h"

#include <algorithm>
#include <charconv>

namespace roost {

void JsonReader::SkipSpace() {
  rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size()));
}

bool JsonReader::Char(char wanted) {
  SkipSpace();
  if (rest_.empty() || rest_.front() != wanted) return false;
  rest_.remove_prefix(1);
  return true;
}

bool JsonReader::String(std::string* out) {
  out->clear();
  if (!Char('"')) return false;
  for (;;) {
    const size_t end = rest_.find_first_of("\"\\");
    if (end == std::string_view::npos) return false;
    out->append(rest_.substr(0, end));
    const bool over = rest_[end] == '"';
    rest_.remove_prefix(end + 1);
    if (over) return true;
    if (!Escape(out)) return false;
  }
}

bool JsonReader::Escape(std::string* out) {
  if (rest_.empty()) return false;
  const char kind = rest_.front();
  rest_.remove_prefix(1);
  if (kind == '"' || kind == '\\') {
    *out += kind;
    return true;
  }
  if (kind != 'u' || rest_.size() < 4) return false;
  unsigned code = 0;
  const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + 4, code, 16);
  if (error != std::errc() || end != rest_.data() + 4 || code > 0xff) return false;
  rest_.remove_prefix(4);
  if (code < 0x80) {
    *out += static_cast<char>(code);
  } else {  // in UTF-8
    *out += static_cast<char>(0xc0 | code >> 6);
    *out += static_cast<char>(0x80 | (code & 0x3f));
  }
  return true;
}

bool JsonReader::Number(uint64_t* out) {
  SkipSpace();
  const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), *out);
  if (error != std::errc()) return false;
  rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
  return true;
}

bool JsonReader::Bool(bool* out) {
  SkipSpace();
  for (const std::string_view word : {"true", "false"}) {
    if (!rest_.starts_with(word)) continue;
    *out = word == "true";
    rest_.remove_prefix(word.size());
    return true;
  }
  return false;
}

bool JsonReader::Name(std::string_view wanted) {
  std::string name;
  return String(&name) && name == wanted && Char(':');
}

bool JsonReader::AtEnd() {
  SkipSpace();
  return rest_.empty();
}

bool JsonReader::AtString() {
  SkipSpace();
  return !rest_.empty() && rest_.front() == '"';
}

bool JsonReader::AtNumber() {
  SkipSpace();
  return !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9';
}

}  // namespace roost
