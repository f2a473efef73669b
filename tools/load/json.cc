#include "tools/load/json.h"

#include <cmath>
#include <cstdio>
#include <utility>

namespace roost::load {
namespace {

void AppendText(std::string* out, std::string_view text) {
  *out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') *out += '\\';
    const auto byte = static_cast<unsigned char>(c);
    *out += byte < ' ' || byte > '~' ? '?' : c;
  }
  *out += '"';
}

}  // namespace

void JsonWriter::Begin(std::string_view name) {
  if (!std::exchange(first_, false)) out_ += ends_.size() == 1 ? ",\n " : ", ";
  if (name.empty()) return;
  AppendText(&out_, name);
  out_ += ": ";
}

void JsonWriter::Open(std::string_view name) {
  Begin(name);
  out_ += '{';
  ends_ += '}';
  first_ = true;
}

void JsonWriter::OpenList(std::string_view name) {
  Begin(name);
  out_ += '[';
  ends_ += ']';
  first_ = true;
}

void JsonWriter::Close() {
  out_ += ends_.back();
  ends_.pop_back();
  first_ = false;
}

void JsonWriter::Raw(std::string_view name, std::string_view value) {
  Begin(name);
  out_ += value;
}

void JsonWriter::Real(std::string_view name, double value, int digits) {
  if (!std::isfinite(value)) return Null(name);
  char text[400];  // the longest double has 309 digits before the point
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  Raw(name, text);
}

void JsonWriter::Real(std::string_view name, const std::optional<double>& value, int digits) {
  value ? Real(name, *value, digits) : Null(name);
}

void JsonWriter::Text(std::string_view name, std::string_view value) {
  std::string text;
  AppendText(&text, value);
  Raw(name, text);
}

std::string JsonWriter::Take() {
  while (!ends_.empty()) Close();
  return std::exchange(out_, {}) + "\n";
}

}  // namespace roost::load
