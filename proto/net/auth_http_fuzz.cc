// Any bytes have a verdict, as a response of HTTP and as an answer to a login; more bytes never
// change one that was given.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "proto/check.h"
#include "proto/net/auth_http.h"

namespace {

using roost::AuthHttpAnswer;
using roost::HttpResponse;

void CheckAnswer(const HttpResponse& response) {
  const AuthHttpAnswer answer = roost::ParseAuthHttpAnswer(response);
  switch (answer.verdict) {
    case AuthHttpAnswer::Verdict::kOk:
      ROOST_CHECK(answer.port != 0 && !answer.server.empty() && answer.text.empty());
      return;
    case AuthHttpAnswer::Verdict::kRefused:
      ROOST_CHECK(!answer.text.empty() && answer.server.empty());
      return;
    case AuthHttpAnswer::Verdict::kWait:
      return;
    case AuthHttpAnswer::Verdict::kMalformed:
      ROOST_CHECK(!answer.problem.empty());
      return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const HttpResponse last = roost::ParseHttpResponse(all);
  bool given = false;
  for (size_t n = 0; n <= size; ++n) {
    const HttpResponse now = roost::ParseHttpResponse(all.substr(0, n));
    if (now.verdict == HttpResponse::Verdict::kNeedMore) {
      ROOST_CHECK(!given);
      continue;
    }
    given = true;
    ROOST_CHECK(now.verdict == last.verdict && now.size == last.size && now.size <= n);
    ROOST_CHECK(now.fields == last.fields && now.length == last.length);
    ROOST_CHECK(now.verdict != HttpResponse::Verdict::kHead || now.status >= 100);
  }
  if (last.verdict == HttpResponse::Verdict::kHead) CheckAnswer(last);
  return 0;
}
