#include "proto/net/http_request.h"

#include <algorithm>

namespace roost {
namespace {

using Verdict = HttpRequest::Verdict;

bool IsVisible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

// Up to the next space, which is taken too. Empty: there is none.
std::string_view TakeWord(std::string_view* rest) {
  const size_t end = rest->find(' ');
  if (end == rest->npos) return {};
  const std::string_view word = rest->substr(0, end);
  rest->remove_prefix(end + 1);
  return word;
}

HttpRequest ParseLine(std::string_view line) {
  const std::string_view method = TakeWord(&line);
  const std::string_view target = TakeWord(&line);
  const bool version = line == "HTTP/1.1" || line == "HTTP/1.0";
  if (method.empty() || !IsVisible(method) || !target.starts_with('/') || !IsVisible(target) ||
      !version) {
    return {Verdict::kMalformed, {}};
  }
  const std::string_view path = target.substr(0, target.find('?'));
  if (method == "GET") return {Verdict::kGet, path};
  if (method == "HEAD") return {Verdict::kHead, path};
  return {Verdict::kOtherMethod, {}};
}

}  // namespace

HttpRequest ParseHttpRequest(std::string_view received) {
  const size_t end = received.substr(0, kMaxHttpHead).find("\r\n\r\n");
  if (end == received.npos) {
    return {received.size() < kMaxHttpHead ? Verdict::kNeedMore : Verdict::kTooLong, {}};
  }
  return ParseLine(received.substr(0, received.find("\r\n")));
}

}  // namespace roost
