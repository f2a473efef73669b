// Reads the one figure of a bare run that other runs need.
//
// Pure. The text is what ResultJson wrote; JSON is YAML.
#ifndef ROOST_TOOLS_LOAD_BARE_RUN_H_
#define ROOST_TOOLS_LOAD_BARE_RUN_H_

#include <optional>
#include <string>
#include <string_view>

namespace roost::load {

// bare.kernel_bytes_per_end; none: *error says why.
std::optional<double> ParseBareRun(std::string_view json, std::string* error);

}  // namespace roost::load

#endif  // ROOST_TOOLS_LOAD_BARE_RUN_H_
