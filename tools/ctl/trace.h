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

}  // namespace roost

#endif  // ROOST_TOOLS_CTL_TRACE_H_
