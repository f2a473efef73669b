#include "proto/net/http_response.h"

#include <algorithm>

#include "proto/ascii.h"

namespace roost {
namespace {

using Verdict = HttpResponse::Verdict;

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return text;
}

bool IsToken(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    const bool alphanumeric =
        (ToLowerAscii(c) >= 'a' && ToLowerAscii(c) <= 'z') || (c >= '0' && c <= '9');
    return alphanumeric ||
           (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
  });
}

bool IsText(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x20 && byte != 0x7f) || c == '\t';
  });
}

// The next line without its end. False: it has not come whole.
bool TakeLine(std::string_view* rest, std::string_view* line) {
  const size_t end = rest->find('\n');
  if (end == rest->npos) return false;
  *line = rest->substr(0, end);
  rest->remove_prefix(end + 1);
  if (line->ends_with('\r')) line->remove_suffix(1);
  return true;
}

bool ParseField(std::string_view line, HttpField* field) {
  const size_t colon = line.find(':');
  if (colon == line.npos) return false;
  field->name = line.substr(0, colon);
  field->value = Trimmed(line.substr(colon + 1));
  return IsToken(field->name) && IsText(field->value);
}

// "HTTP/1.1 200 OK"; the words may be missing.
bool ParseStatusLine(std::string_view line, HttpResponse* response) {
  if (!line.starts_with("HTTP/1.0 ") && !line.starts_with("HTTP/1.1 ")) return false;
  const std::string_view code = line.substr(9, 3);
  uint64_t status = 0;
  if (code.size() != 3 || !ParseDecimal(code, 599, &status) || status < 100) return false;
  if (line.size() > 12 && line[12] != ' ') return false;
  if (!IsText(line)) return false;
  response->status = static_cast<int>(status);
  response->stays_open = line[7] == '1';
  return true;
}

bool HasWord(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    if (EqualsIgnoreCase(Trimmed(list.substr(0, comma)), word)) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

// False: the fields contradict each other, or one is none.
bool ParseFraming(HttpResponse* response) {
  bool has_length = false, is_coded = false, closes = false;
  std::string_view rest = response->fields, line;
  while (TakeLine(&rest, &line)) {
    HttpField field;
    if (!ParseField(line, &field)) return false;
    if (field.Is("Content-Length")) {
      uint64_t length = 0;
      if (!ParseDecimal(field.value, UINT64_MAX, &length)) return false;
      if (has_length && length != response->length) return false;
      has_length = true;
      response->length = length;
    } else if (field.Is("Transfer-Encoding")) {
      is_coded = true;
    } else if (field.Is("Connection")) {
      if (HasWord(field.value, "keep-alive")) response->stays_open = true;
      if (HasWord(field.value, "close")) closes = true;
    }
  }
  if (has_length && is_coded) return false;
  const bool bare = response->status < 200 || response->status == 204 || response->status == 304;
  if (bare) response->length = 0;
  // Chunks, or all up to the end of the connection: where it ends is not looked for.
  if (closes || (!bare && !has_length)) response->stays_open = false;
  return true;
}

HttpResponse Only(Verdict verdict) {
  HttpResponse response;
  response.verdict = verdict;
  return response;
}

}  // namespace

bool HttpField::Is(std::string_view other) const { return EqualsIgnoreCase(name, other); }

HttpResponse ParseHttpResponse(std::string_view received) {
  const std::string_view head = received.substr(0, kMaxHttpResponseHead);
  std::string_view rest = head, line;
  HttpResponse response;
  if (!TakeLine(&rest, &line)) {
    return Only(head.size() < kMaxHttpResponseHead ? Verdict::kNeedMore : Verdict::kTooLong);
  }
  if (!ParseStatusLine(line, &response)) return Only(Verdict::kMalformed);
  const std::string_view fields = rest;
  while (true) {
    const size_t before = head.size() - rest.size();
    if (!TakeLine(&rest, &line)) {
      return Only(head.size() < kMaxHttpResponseHead ? Verdict::kNeedMore : Verdict::kTooLong);
    }
    if (!line.empty()) continue;
    response.fields = fields.substr(0, before - (head.size() - fields.size()));
    break;
  }
  response.size = head.size() - rest.size();
  if (!ParseFraming(&response)) return Only(Verdict::kMalformed);
  response.verdict = Verdict::kHead;
  return response;
}

bool TakeHttpField(std::string_view* fields, HttpField* field) {
  std::string_view line;
  return TakeLine(fields, &line) && ParseField(line, field);
}

}  // namespace roost
