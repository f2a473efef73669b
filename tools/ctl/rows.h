// What roostd answers to "clients", "feeds" and "backends", read and made into a table for people.
//
// Pure. Reads {"what": [{name: text, number, true or false, ...}, ...], "end": "all"} whatever the
// names.
#ifndef ROOST_TOOLS_CTL_ROWS_H_
#define ROOST_TOOLS_CTL_ROWS_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace roost {

struct RowsAnswer {
  struct Value {
    std::string name;
    std::string text;  // fit for a terminal; "yes" and "" for true and false
    bool number = false;
  };
  using Row = std::vector<Value>;  // in the order in which they were told
  std::vector<Row> rows;
  std::string end;  // "all", "limit" or "failed"
};

// False: not of that shape. {"error": "text"} gives false and that text in *error.
bool ParseRowsAnswer(std::string_view json, std::string_view what, RowsAnswer* answer,
                     std::string* error);

// What is wrong with an answer of that shape, by how it ends; empty: it is whole, and of all
// shards. `end`: its last kAnswerEnd bytes, or all of it.
inline constexpr size_t kAnswerEnd = 1024;
inline constexpr char kCutOff[] =
    "the answer is cut off: roostd has ended, or had waited 2 seconds for it to be read";
std::string EndProblem(std::string_view end);

// One {name: text, number, true or false, ...}.
bool ParseRow(std::string_view json, RowsAnswer::Row* row);

// Users name their mailboxes: what would move the cursor is shown as '?'.
std::string ForTerminal(std::string_view text);

// A line of names, then one for each row; numbers to the right. The names are those of the first
// row. Nothing when there is no row.
std::string RowsTable(const RowsAnswer& answer);

}  // namespace roost

#endif  // ROOST_TOOLS_CTL_ROWS_H_
