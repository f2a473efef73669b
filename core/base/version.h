// Which Roost this is, and what it was built with: the same in all of its programs.
#ifndef ROOST_CORE_BASE_VERSION_H_
#define ROOST_CORE_BASE_VERSION_H_

#include <string>
#include <string_view>

namespace roost {

extern const std::string_view kVersion;       // as "0.1.0": that of project() in CMakeLists.txt
extern const std::string_view kCompiler;      // as "GCC 12.2.0"
extern const std::string_view kBoringSslApi;  // as "17": BORINGSSL_API_VERSION of its headers

// What `--version` prints, with the end of the line.
std::string VersionLine(std::string_view program);

}  // namespace roost

#endif  // ROOST_CORE_BASE_VERSION_H_
