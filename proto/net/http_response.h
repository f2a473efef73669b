// The head of an HTTP/1.x response, as far as a client of small services needs it (RFC 9112).
//
// Pure: bytes in, verdict out. Nothing is kept: the result names parts of the input. Lines may end
// in LF alone, as small services write them. What two readers could take for two things is
// malformed: folded lines, blanks before a colon, control characters, lengths that differ.
#ifndef ROOST_PROTO_NET_HTTP_RESPONSE_H_
#define ROOST_PROTO_NET_HTTP_RESPONSE_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace roost {

inline constexpr size_t kMaxHttpResponseHead = 8192;  // bytes, the empty line included

struct HttpField {
  std::string_view name;
  std::string_view value;  // without blanks around it

  // In any case of letters.
  bool Is(std::string_view other) const;
};

struct HttpResponse {
  enum class Verdict : uint8_t {
    kNeedMore,
    kHead,  // it is whole
    kMalformed,
    kTooLong,
  };
  Verdict verdict = Verdict::kNeedMore;
  // The rest: kHead.
  int status = 0;           // 100 to 599
  size_t size = 0;          // of the head, the empty line included
  std::string_view fields;  // all lines, for TakeHttpField
  bool stays_open = false;  // another request may follow on this connection, behind the body
  uint64_t length = 0;      // of the body, where it stays open
};

// `received`: all that came so far.
HttpResponse ParseHttpResponse(std::string_view received);

// The next of HttpResponse::fields. False: there is none.
bool TakeHttpField(std::string_view* fields, HttpField* field);

}  // namespace roost

#endif  // ROOST_PROTO_NET_HTTP_RESPONSE_H_
