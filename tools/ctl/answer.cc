#include "tools/ctl/answer.h"

#include "tools/ctl/rows.h"

namespace roost {
namespace {

// Empty: there is none of that name.
std::string Field(const RowsAnswer::Row& row, std::string_view name) {
  for (const RowsAnswer::Value& value : row) {
    if (value.name == name) return value.text;
  }
  return {};
}

std::string OfReload(const RowsAnswer::Row& row) {
  const std::string left = Field(row, "needs_restart");
  const std::string read = "read anew: " + Field(row, "file") + " and all files that it names";
  return left.empty() ? read : read + "; left as they were, they need a restart: " + left;
}

std::string OfStore(const RowsAnswer::Row& row) {
  const std::string address = Field(row, "address");
  const std::string place = address.empty() ? "store " + Field(row, "store")
                                            : address + " of store " + Field(row, "store");
  if (Field(row, "draining").empty()) {
    const std::string still = Field(row, "still_drained");
    return place + " is drained no more: it takes users again" +
           (still.empty() ? "" : "; still drained: " + still);
  }
  const std::string within = " within " + Field(row, "over_s") + " s";
  std::string fate = ": its clients are told BYE" + within;
  const bool whole = address.empty() || !Field(row, "whole").empty();
  if (!whole && !Field(row, "elsewhere").empty()) {
    fate = ": its users go elsewhere" + within;
  } else if (!whole) {
    fate = ", but no other address of the store takes users now: its own stay until one does";
  } else if (!address.empty()) {
    fate = ", as all of the store is: its clients are told BYE" + within;
  }
  return place + " is drained" + fate + "; roostctl backends shows how many are left";
}

std::string OfKick(const RowsAnswer::Row& row, std::string_view user) {
  const std::string count = Field(row, "kicked");
  const std::string of = " of " + ForTerminal(user);
  if (count == "0") return "there is no client" + of;
  return (count == "1" ? "1 client" : count + " clients") + of + (count == "1" ? " is" : " are") +
         " told BYE";
}

bool IsOrder(std::string_view request) {
  return request == "reload\n" || request.starts_with("store-") || request.starts_with("drain") ||
         request.starts_with("kick ");
}

}  // namespace

int AnswerSeconds(std::string_view request) {
  const bool may_take_long = request == "reload\n" || request.starts_with("store-");
  return may_take_long ? 300 : 10;
}

std::string NoAnswer(std::string_view request) {
  std::string said = "no answer within " + std::to_string(AnswerSeconds(request)) + " seconds";
  if (IsOrder(request)) said += "; roostd may do it all the same, and its log says so then";
  return said;
}

bool AnswerSentence(std::string_view command, std::string_view subject, std::string_view json,
                    std::string* sentence) {
  RowsAnswer::Row row;
  const bool read = ParseRow(json, &row);
  const std::string_view done = command == "reload"  ? "reloaded"
                                : command == "drain" ? "draining"
                                : command == "kick"  ? "kicked"
                                                     : "store";
  if (!read || row.front().name != done) {
    const std::string reason = read ? Field(row, "error") : "";
    *sentence = command == "reload" ? "nothing was changed: " : "";
    *sentence += !reason.empty() ? reason : "the answer is not one that this program understands";
    return false;
  }
  if (command == "reload") {
    *sentence = OfReload(row);
  } else if (command == "drain") {
    *sentence = "roostd is drained: all clients are told BYE within " + Field(row, "over_s") +
                " s, then it ends";
  } else if (command == "kick") {
    *sentence = OfKick(row, subject);
  } else {
    *sentence = OfStore(row);
  }
  return true;
}

}  // namespace roost
