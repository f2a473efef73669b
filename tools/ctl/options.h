// What roostctl is asked to do: its command line, read.
//
// Pure. Each command has options of its own; one that it does not have is refused, lest somebody
// believes that it counted.
#ifndef ROOST_TOOLS_CTL_OPTIONS_H_
#define ROOST_TOOLS_CTL_OPTIONS_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace roost {

struct Options {
  std::string path = "/run/roost/control";
  std::string command;             // "status", ..., "store drain", "store undrain"
  std::vector<std::string> words;  // behind the command: a user, a file, a store and its address
  bool json = false;
  bool wait = false;
  bool once = false;
  std::string user, over;
  std::string limit = "1000";  // digits
  std::string every = "2";     // digits, seconds, above 0
};

enum class OptionsVerdict : uint8_t { kRun, kHelp, kVersion, kWrong };

// `arguments`: those behind the program's name. kWrong with *error: what is wrong and how the
// command is used, lines without the last one's end.
OptionsVerdict ParseOptions(std::span<const std::string_view> arguments, Options* options,
                            std::string* error);

// All commands, for --help.
std::string_view UsageText();

}  // namespace roost

#endif  // ROOST_TOOLS_CTL_OPTIONS_H_
