// Reads any bytes as a PROXY header: the verdict on a prefix must agree with the verdict on the
// whole, and what was read can be written again.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proto/check.h"
#include "proto/net/proxy_header.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace roost;  // NOLINT: a fuzz target's only function
  std::string_view input(reinterpret_cast<const char*>(data), size);
  ProxyParse whole = ParseProxyHeader(input);
  for (size_t prefix = 0; prefix < size && prefix < 300; ++prefix) {
    ProxyParse parse = ParseProxyHeader(input.substr(0, prefix));
    if (parse.verdict == ProxyParse::Verdict::kNeedMore) continue;
    ROOST_CHECK(parse.verdict == whole.verdict && parse.consumed == whole.consumed);
    break;
  }
  if (whole.verdict != ProxyParse::Verdict::kComplete) return 0;
  ROOST_CHECK(whole.consumed <= size);
  std::string written;
  AppendProxyV2(&written, whole.header);
  ProxyParse again = ParseProxyHeader(written);
  ROOST_CHECK(again.verdict == ProxyParse::Verdict::kComplete);
  ROOST_CHECK(again.consumed == written.size());
  ROOST_CHECK(again.header.local == whole.header.local);
  ROOST_CHECK(again.header.source == whole.header.source);
  ROOST_CHECK(again.header.destination == whole.header.destination);
  return 0;
}
