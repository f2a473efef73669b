// What other runs need of a bare run, and how it is read from its result.
//
// Pure. The text is what ResultJson wrote; JSON is YAML.
#ifndef ROOST_TOOLS_LOAD_BARE_RUN_H_
#define ROOST_TOOLS_LOAD_BARE_RUN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace roost::load {

struct BareRun {
  double kernel_bytes_per_end = 0;      // half of what a pair of sockets costs the kernel
  double kernel_uncertainty_bytes = 0;  // of that
  uint64_t clients = 0;
};

// Its fields under `bare`; none: *error says why.
std::optional<BareRun> ParseBareRun(std::string_view json, std::string* error);

}  // namespace roost::load

#endif  // ROOST_TOOLS_LOAD_BARE_RUN_H_
