// What roostd answers to "status", read and made into a table for people.
//
// Pure. Reads exactly the shape that roostd writes, {"version": text, "total": {name: number, ...},
// "shards": [{...}, ...]}, whatever the names: a newer roostd may tell more than this program
// knows. An older one, which runs until it is restarted, tells no version.
#ifndef ROOST_TOOLS_CTL_STATUS_H_
#define ROOST_TOOLS_CTL_STATUS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace roost {

// In the order in which they were told.
using StatusFigures = std::vector<std::pair<std::string, uint64_t>>;

struct StatusAnswer {
  std::string version;  // empty: not told
  StatusFigures total;
  std::vector<StatusFigures> shards;
};

// False: not of that shape. {"error": "text"} gives false and that text in *error.
bool ParseStatusAnswer(std::string_view json, StatusAnswer* answer, std::string* error);

// Null: it was not told.
const uint64_t* FindFigure(const StatusFigures& figures, std::string_view name);

// The version, then one line for each figure: name, total, and one column for each shard, as long
// as there are at most kMaxShardColumns.
inline constexpr size_t kMaxShardColumns = 8;
std::string StatusTable(const StatusAnswer& answer);

// What of each kind takes how many bytes, in all and each; empty when roostd does not tell.
std::string MemoryTable(const StatusAnswer& answer);

}  // namespace roost

#endif  // ROOST_TOOLS_CTL_STATUS_H_
