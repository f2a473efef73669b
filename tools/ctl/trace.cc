#include "tools/ctl/trace.h"

#include "tools/ctl/json_reader.h"
#include "tools/ctl/rows.h"

namespace roost {
namespace {

bool IsPlain(std::string_view text) {
  return !text.empty() && text.find_first_of(" =\"\\") == text.npos;
}

}  // namespace

std::string TraceLine(std::string_view json) {
  RowsAnswer::Row row;
  if (!ParseRow(json, &row)) return ForTerminal(json);
  std::string line;
  for (const RowsAnswer::Value& value : row) {
    if (!line.empty()) line += ' ';
    const bool bare = value.name == "time" || value.name == "event";
    if (!bare) line.append(value.name).append("=");
    if (bare || value.number || IsPlain(value.text)) {
      line += value.text;
    } else {
      line.append("\"").append(value.text).append("\"");
    }
  }
  return line;
}

}  // namespace roost
