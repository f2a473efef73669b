#include "core/base/version.h"

namespace roost {

#ifdef __clang__
constexpr std::string_view kCompiler = __VERSION__;
#else
constexpr std::string_view kCompiler = "GCC " __VERSION__;
#endif
constexpr std::string_view kVersion = ROOST_VERSION;
constexpr std::string_view kBoringSslApi = ROOST_BORINGSSL_API;

std::string VersionLine(std::string_view program) {
  std::string line(program);
  line.append(" ").append(kVersion).append(" (").append(kCompiler);
  return line.append(", BoringSSL API ").append(kBoringSslApi).append(")\n");
}

}  // namespace roost
