#include "tools/ctl/trace.h"

#include "tools/ctl/answer.h"
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

std::string TraceAnswer::Take(std::string_view bytes) {
  begun_ = begun_ || !bytes.empty();
  part_.append(bytes);
  std::string out;
  size_t begin = 0;
  for (size_t end; (end = part_.find('\n', begin)) != part_.npos; begin = end + 1) {
    if (end == begin) continue;  // nothing has happened
    const std::string line = part_.substr(begin, end - begin);
    RowsAnswer::Row row;
    const bool read = ParseRow(line, &row);
    if (read && row.front().name == "error") {
      error_ = row.front().text;
      continue;
    }
    ending_ = read && row.size() > 1 && row[1].name == "event" && row[1].text == "ending";
    out += (json_ ? line : TraceLine(line)) + "\n";
  }
  part_.erase(0, begin);
  return out;
}

bool TraceAnswer::Ended(bool silent, std::string* sentence) const {
  if (!error_.empty()) {
    *sentence = error_;
  } else if (ending_) {
    *sentence = "roostd has ended";
  } else if (!begun_) {
    *sentence = silent ? NoAnswer("trace") : kClosedUnanswered;
  } else if (silent) {
    *sentence = "roostd says nothing any more; it is held up";
  } else {
    *sentence =
        "roostd has closed the connection: it has ended without a word, or had waited 2 seconds "
        "for its lines to be read";
  }
  return error_.empty() && ending_;
}

}  // namespace roost
