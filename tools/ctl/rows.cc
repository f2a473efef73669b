#include "tools/ctl/rows.h"

#include <algorithm>
#include <cstdint>

#include "tools/ctl/json_reader.h"

namespace roost {
namespace {

// Characters, as far as that can be told from bytes of UTF-8.
size_t Width(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

bool ReadValue(JsonReader& reader, RowsAnswer::Value* value) {
  if (reader.AtString()) {
    if (!reader.String(&value->text)) return false;
    value->text = ForTerminal(value->text);
    return true;
  }
  if (reader.AtNumber()) {
    uint64_t number = 0;
    value->number = true;
    if (!reader.Number(&number)) return false;
    value->text = std::to_string(number);
    return true;
  }
  bool flag = false;
  if (!reader.Bool(&flag)) return false;
  value->text = flag ? "yes" : "";
  return true;
}

bool ReadRow(JsonReader& reader, RowsAnswer::Row* row) {
  if (!reader.Char('{')) return false;
  do {
    RowsAnswer::Value value;
    if (!reader.String(&value.name) || !reader.Char(':') || !ReadValue(reader, &value)) {
      return false;
    }
    row->push_back(std::move(value));
  } while (reader.Char(','));
  return reader.Char('}');
}

bool ReadRows(JsonReader& reader, std::vector<RowsAnswer::Row>* rows) {
  if (!reader.Char('[')) return false;
  if (reader.Char(']')) return true;
  do {
    if (!ReadRow(reader, &rows->emplace_back())) return false;
  } while (reader.Char(','));
  return reader.Char(']');
}

bool ReadAnswer(JsonReader reader, std::string_view what, RowsAnswer* answer) {
  return reader.Char('{') && reader.Name(what) && ReadRows(reader, &answer->rows) &&
         reader.Char(',') && reader.Name("end") && reader.String(&answer->end) &&
         reader.Char('}') && reader.AtEnd();
}

// In its column; `last` ones are not followed by blanks.
std::string Cell(const std::string& text, size_t width, bool right, bool last) {
  const std::string space(width - std::min(width, Width(text)), ' ');
  if (right) return space + text;
  return last ? text : text + space;
}

}  // namespace

std::string ForTerminal(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const bool c1 = c == 0xc2 && i + 1 < text.size() &&
                    static_cast<unsigned char>(text[i + 1]) < 0xa0;  // U+0080 to U+009F
    if (c < ' ' || c == 0x7f || c1) {
      out += '?';
      if (c1) ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool ParseRow(std::string_view json, RowsAnswer::Row* row) {
  JsonReader reader(json);
  return ReadRow(reader, row) && reader.AtEnd();
}

bool ParseRowsAnswer(std::string_view json, std::string_view what, RowsAnswer* answer,
                     std::string* error) {
  *answer = {};
  if (ReadAnswer(JsonReader(json), what, answer)) return true;
  JsonReader reader(json);
  std::string text;
  if (reader.Char('{') && reader.Name("error") && reader.String(&text)) {
    *error = text;
  } else {
    *error = "the answer is not one that this program understands; --json prints it as it is";
  }
  return false;
}

std::string EndProblem(std::string_view end) {
  RowsAnswer none;
  std::string error;
  if (end.starts_with("{\"error\"") && !ParseRowsAnswer(end, "", &none, &error)) return error;
  if (end.ends_with('\n')) end.remove_suffix(1);
  // No text within a row looks so, as its quotes are escaped.
  if (end.ends_with("], \"end\": \"all\"}") || end.ends_with("], \"end\": \"limit\"}")) return {};
  if (end.ends_with("], \"end\": \"failed\"}")) return "not all shards have answered";
  return kCutOff;
}

std::string RowsTable(const RowsAnswer& answer) {
  if (answer.rows.empty()) return {};
  const RowsAnswer::Row& names = answer.rows.front();
  std::vector<size_t> widths;
  for (const RowsAnswer::Value& value : names) widths.push_back(Width(value.name));
  for (const RowsAnswer::Row& row : answer.rows) {
    for (size_t i = 0; i < std::min(row.size(), widths.size()); ++i) {
      widths[i] = std::max(widths[i], Width(row[i].text));
    }
  }
  std::string table;
  const auto line = [&](const RowsAnswer::Row& row, bool of_names) {
    const size_t columns = std::min(row.size(), widths.size());
    for (size_t i = 0; i < columns; ++i) {
      if (i != 0) table += "  ";
      const std::string& text = of_names ? row[i].name : row[i].text;
      table += Cell(text, widths[i], row[i].number, i + 1 == columns);
    }
    table += '\n';
  };
  line(names, true);
  for (const RowsAnswer::Row& row : answer.rows) line(row, false);
  return table;
}

}  // namespace roost
