// Any bytes have a verdict; more bytes never change one that was given, nor the path.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "proto/check.h"
#include "proto/net/http_request.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using roost::HttpRequest;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const HttpRequest last = roost::ParseHttpRequest(all);
  bool given = false;
  for (size_t n = 0; n <= size; ++n) {
    const HttpRequest now = roost::ParseHttpRequest(all.substr(0, n));
    if (now.verdict == HttpRequest::Verdict::kNeedMore) {
      ROOST_CHECK(!given);
      continue;
    }
    given = true;
    ROOST_CHECK(now.verdict == last.verdict && now.path == last.path);
    ROOST_CHECK(now.path.empty() || now.path.front() == '/');
  }
  return 0;
}
