// Lines of what roostd answers to "trace", made fit for a terminal.
//
// Pure.
#ifndef ROOST_TOOLS_CTL_TRACE_H_
#define ROOST_TOOLS_CTL_TRACE_H_

#include <string>
#include <string_view>

namespace roost {

// {"time": "T", "event": "parked", "mailbox": "My mail", ...} as "T parked mailbox="My mail" ...";
// what is not of that shape as it is, less what would move the cursor.
std::string TraceLine(std::string_view json);

// The answer as it comes, until one of both sides ends it.
class TraceAnswer {
 public:
  explicit TraceAnswer(bool json) : json_(json) {}

  // What is to be printed, now that these bytes have come.
  std::string Take(std::string_view bytes);

  // No more comes. `silent`: roostd has not closed the connection, but said nothing for as long as
  // an answer may take. *sentence: why. False: roostd did not say that it ends, or never answered.
  bool Ended(bool silent, std::string* sentence) const;

 private:
  const bool json_;
  bool begun_ = false;
  bool ending_ = false;
  std::string error_;  // why it is refused
  std::string part_;   // of a line
};

}  // namespace roost

#endif  // ROOST_TOOLS_CTL_TRACE_H_
