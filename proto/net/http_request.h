// The head of an HTTP/1.x request, as far as a server of a few pages needs it (RFC 9112).
//
// Pure: bytes in, verdict out; header fields are skipped unread, bodies are not expected. Nothing
// is kept: the result names parts of the input.
#ifndef ROOST_PROTO_NET_HTTP_REQUEST_H_
#define ROOST_PROTO_NET_HTTP_REQUEST_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace roost {

inline constexpr size_t kMaxHttpHead = 8192;  // bytes, the empty line included

struct HttpRequest {
  enum class Verdict : uint8_t {
    kNeedMore,
    kGet,
    kHead,
    kOtherMethod,
    kMalformed,
    kTooLong,
  };
  Verdict verdict = Verdict::kNeedMore;
  std::string_view path;  // kGet, kHead: "/metrics", without a query; in the input
};

// `received`: all that came so far.
HttpRequest ParseHttpRequest(std::string_view received);

}  // namespace roost

#endif  // ROOST_PROTO_NET_HTTP_REQUEST_H_
