#include "tools/ctl/status.h"

#include <algorithm>

#include "tools/ctl/json_reader.h"

namespace roost {
namespace {

bool ReadFigures(JsonReader& reader, StatusFigures* out) {
  if (!reader.Char('{')) return false;
  if (reader.Char('}')) return true;
  do {
    std::pair<std::string, uint64_t> figure;
    if (!reader.String(&figure.first) || !reader.Char(':') || !reader.Number(&figure.second)) {
      return false;
    }
    out->push_back(std::move(figure));
  } while (reader.Char(','));
  return reader.Char('}');
}

bool ReadShards(JsonReader& reader, std::vector<StatusFigures>* shards) {
  if (!reader.Char('[')) return false;
  if (reader.Char(']')) return true;
  do {
    if (!ReadFigures(reader, &shards->emplace_back())) return false;
  } while (reader.Char(','));
  return reader.Char(']');
}

// Where it is told.
bool ReadVersion(JsonReader* reader, std::string* version) {
  JsonReader behind = *reader;
  if (!behind.Name("version")) return true;
  if (!behind.String(version) || !behind.Char(',')) return false;
  *reader = behind;
  return true;
}

bool ReadStatus(JsonReader reader, StatusAnswer* answer) {
  return reader.Char('{') && ReadVersion(&reader, &answer->version) && reader.Name("total") &&
         ReadFigures(reader, &answer->total) && reader.Char(',') && reader.Name("shards") &&
         ReadShards(reader, &answer->shards) && reader.Char('}') && reader.AtEnd();
}

std::string Padded(const std::string& text, size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

std::string ValueOf(const StatusFigures& figures, const std::string& name) {
  const uint64_t* value = FindFigure(figures, name);
  return value == nullptr ? "-" : std::to_string(*value);
}

}  // namespace

const uint64_t* FindFigure(const StatusFigures& figures, std::string_view name) {
  for (const auto& [known, value] : figures) {
    if (known == name) return &value;
  }
  return nullptr;
}

bool ParseStatusAnswer(std::string_view json, StatusAnswer* answer, std::string* error) {
  *answer = {};
  if (ReadStatus(JsonReader(json), answer)) return true;
  JsonReader reader(json);
  std::string text;
  if (reader.Char('{') && reader.Name("error") && reader.String(&text)) {
    *error = text;
  } else {
    *error = "the answer is not one that this program understands; --json prints it as it is";
  }
  return false;
}

std::string StatusTable(const StatusAnswer& answer) {
  constexpr size_t kColumn = 11;
  size_t name_width = 0;
  for (const auto& [name, value] : answer.total) name_width = std::max(name_width, name.size());
  const size_t shards = answer.shards.size() <= kMaxShardColumns ? answer.shards.size() : 0;
  std::string table = answer.version.empty() ? "" : "roostd " + answer.version + "\n\n";
  table += std::string(name_width, ' ') + Padded("total", kColumn);
  for (size_t i = 0; i < shards; ++i) table += Padded("shard " + std::to_string(i), kColumn);
  table += '\n';
  for (const auto& [name, value] : answer.total) {
    table += name + std::string(name_width - name.size(), ' ');
    table += Padded(std::to_string(value), kColumn);
    for (size_t i = 0; i < shards; ++i) table += Padded(ValueOf(answer.shards[i], name), kColumn);
    table += '\n';
  }
  return table;
}

std::string MemoryTable(const StatusAnswer& answer) {
  struct Row {
    const char* what;
    const char* bytes;
    const char* count;
  };
  static constexpr Row kRows[] = {
      {"cells of clients", "bytes_cells", "clients"},
      {"users", "bytes_users", "users"},
      {"feeds", "bytes_feeds", "feeds"},
      {"sessions of feeds", "bytes_sessions", "feeds"},
      {"views of feeds", "bytes_views", "feeds"},
      {"logs of feeds", "bytes_logs", "feeds"},
  };
  constexpr size_t kName = 20, kColumn = 15;
  std::string table;
  for (const Row& row : kRows) {
    const uint64_t* bytes = FindFigure(answer.total, row.bytes);
    const uint64_t* count = FindFigure(answer.total, row.count);
    if (bytes == nullptr || count == nullptr) return {};
    table += row.what + std::string(kName - std::string_view(row.what).size(), ' ');
    table += Padded(std::to_string(*bytes), kColumn);
    table += Padded(*count == 0 ? "-" : std::to_string(*bytes / *count), kColumn) + '\n';
  }
  return std::string(kName, ' ') + Padded("bytes in all", kColumn) + Padded("each", kColumn) +
         '\n' + table;
}

}  // namespace roost
