#include "tools/ctl/top.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <string_view>

namespace roost {
namespace {

struct Column {
  const char* figure;
  const char* title;
  const char* key;  // of JSON
  enum class Kind : uint8_t { kNow, kRate, kKilobyteRate } kind;
};
constexpr Column kColumns[] = {
    {"clients", "clients", "clients", Column::Kind::kNow},
    {"attached", "attached", "attached", Column::Kind::kNow},
    {"parked", "parked", "parked", Column::Kind::kNow},
    {"feeds", "feeds", "feeds", Column::Kind::kNow},
    {"logins", "logins/s", "logins_per_s", Column::Kind::kRate},
    {"refused_logins", "refused/s", "refused_logins_per_s", Column::Kind::kRate},
    {"parks", "parks/s", "parks_per_s", Column::Kind::kRate},
    {"wakes", "wakes/s", "wakes_per_s", Column::Kind::kRate},
    {"events_sent", "events/s", "events_per_s", Column::Kind::kRate},
    {"heartbeats", "beats/s", "heartbeats_per_s", Column::Kind::kRate},
    {"received_bytes", "in KB/s", "received_kb_per_s", Column::Kind::kKilobyteRate},
    {"sent_bytes", "out KB/s", "sent_kb_per_s", Column::Kind::kKilobyteRate},
};
constexpr size_t kName = 9;
constexpr size_t kWidth = 10;

std::string Padded(std::string_view text) {
  return std::string(kWidth - std::min(kWidth, text.size()), ' ').append(text);
}

// Empty: roostd does not tell.
std::string ValueOf(const Column& column, const StatusFigures& before, const StatusFigures& after,
                    double seconds) {
  const uint64_t* now = FindFigure(after, column.figure);
  const uint64_t* then = FindFigure(before, column.figure);
  if (now == nullptr || then == nullptr) return {};
  if (column.kind == Column::Kind::kNow) return std::to_string(*now);
  double rate = static_cast<double>(*now - std::min(*now, *then)) / seconds;
  if (column.kind == Column::Kind::kKilobyteRate) rate /= 1000;
  char text[40];
  std::snprintf(text, sizeof text, "%.1f", rate);
  return text;
}

std::string Line(const std::string& name, const StatusFigures& before, const StatusFigures& after,
                 double seconds) {
  std::string line = name + std::string(kName - std::min(kName, name.size()), ' ');
  for (const Column& column : kColumns) {
    const std::string value = ValueOf(column, before, after, seconds);
    line += Padded(value.empty() ? "-" : value);
  }
  return line + '\n';
}

std::string Object(const StatusFigures& before, const StatusFigures& after, double seconds) {
  std::string object = "{";
  for (const Column& column : kColumns) {
    const std::string value = ValueOf(column, before, after, seconds);
    if (value.empty()) continue;
    if (object.size() > 1) object += ", ";
    object.append("\"").append(column.key).append("\": ").append(value);
  }
  return object + '}';
}

size_t ShardsOf(const TopSpan& span) {
  return std::min(span.before.shards.size(), span.after.shards.size());
}

}  // namespace

std::string TopTable(const TopSpan& span) {
  std::string table(kName, ' ');
  for (const Column& column : kColumns) table += Padded(column.title);
  table += '\n' + Line("total", span.before.total, span.after.total, span.seconds);
  for (size_t i = 0; i < ShardsOf(span); ++i) {
    table += Line("shard " + std::to_string(i), span.before.shards[i], span.after.shards[i],
                  span.seconds);
  }
  return table;
}

std::string TopJson(const TopSpan& span) {
  char seconds[40];
  std::snprintf(seconds, sizeof seconds, "%.3f", span.seconds);
  std::string json = std::string("{\"seconds\": ") + seconds +
                     ", \"total\": " + Object(span.before.total, span.after.total, span.seconds) +
                     ", \"shards\": [";
  for (size_t i = 0; i < ShardsOf(span); ++i) {
    if (i != 0) json += ", ";
    json += Object(span.before.shards[i], span.after.shards[i], span.seconds);
  }
  return json + "]}\n";
}

}  // namespace roost
