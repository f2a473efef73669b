#include "core/sim/imap_text.h"

#include <algorithm>
#include <set>
#include <utility>

#include "proto/ascii.h"

namespace roost {
namespace {

// "… {12+}" -> 12.
std::optional<size_t> LiteralAt(std::string_view line, bool* sync) {
  if (line.size() < 3 || line.back() != '}') return std::nullopt;
  const size_t open = line.rfind('{');
  if (open == line.npos) return std::nullopt;
  std::string_view digits = line.substr(open + 1, line.size() - open - 2);
  *sync = true;
  if (!digits.empty() && digits.back() == '+') {
    *sync = false;
    digits.remove_suffix(1);
  }
  if (digits.empty() || digits.size() > 9) return std::nullopt;
  if (!std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return std::nullopt;
  }
  return static_cast<size_t>(ToNumber(digits));
}

}  // namespace

std::optional<std::string> MessageReader::Next(std::string* input,
                                               const TakesLiteral& takes_literal) {
  for (;;) {
    if (literal_left_ != 0) {
      const size_t take = std::min(literal_left_, input->size());
      message_.append(*input, 0, take);
      input->erase(0, take);
      literal_left_ -= take;
      if (literal_left_ != 0) return std::nullopt;
    }
    const size_t end = input->find("\r\n");
    if (end == input->npos) return std::nullopt;
    message_.append(*input, 0, end);
    input->erase(0, end + 2);
    bool sync = false;
    const std::optional<size_t> literal = LiteralAt(message_, &sync);
    if (!literal || (takes_literal && !takes_literal(message_))) {
      return std::exchange(message_, {});
    }
    message_ += "\r\n";
    literal_left_ = *literal;
    continuation_wanted_ = sync;
  }
}

bool MessageReader::TakeContinuationWanted() { return std::exchange(continuation_wanted_, false); }

bool TextToken::Is(std::string_view word) const {
  return kind == Kind::kAtom && SameWord(text, word);
}

std::vector<TextToken> Tokenize(std::string_view text) {
  std::vector<TextToken> tokens;
  size_t i = 0;
  while (i < text.size()) {
    const char c = text[i];
    if (c == ' ' || c == '\r' || c == '\n') {
      ++i;
    } else if (c == '(' || c == ')') {
      tokens.push_back({c == '(' ? TextToken::Kind::kOpen : TextToken::Kind::kClose, {}});
      ++i;
    } else if (c == '"') {
      TextToken token{TextToken::Kind::kString, {}};
      for (++i; i < text.size() && text[i] != '"'; ++i) {
        if (text[i] == '\\' && i + 1 < text.size()) ++i;
        token.text += text[i];
      }
      ++i;
      tokens.push_back(std::move(token));
    } else if (c == '{') {
      const size_t close = text.find("}\r\n", i);
      if (close == text.npos) break;
      const size_t size = static_cast<size_t>(ToNumber(text.substr(i + 1, close - i - 1)));
      tokens.push_back({TextToken::Kind::kString, std::string(text.substr(close + 3, size))});
      i = close + 3 + size;
    } else {
      TextToken token;
      int brackets = 0;
      for (; i < text.size(); ++i) {
        const char d = text[i];
        if (d == '[') ++brackets;
        if (d == ']') --brackets;
        if (brackets <= 0 && (d == ' ' || d == '(' || d == ')' || d == '\r')) break;
        token.text += d;
      }
      tokens.push_back(std::move(token));
    }
  }
  return tokens;
}

bool SameWord(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return ToUpperAscii(x) == ToUpperAscii(y); });
}

std::string Upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = ToUpperAscii(c);
  return out;
}

uint64_t ToNumber(std::string_view text) {
  uint64_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') break;
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  return value;
}

std::vector<uint32_t> ExpandSet(std::string_view set, uint32_t star) {
  std::set<uint32_t> numbers;
  auto value = [star](std::string_view text) {
    return text == "*" ? star : static_cast<uint32_t>(ToNumber(text));
  };
  while (!set.empty()) {
    const size_t comma = set.find(',');
    const std::string_view part = set.substr(0, comma);
    const size_t colon = part.find(':');
    uint32_t first = value(part.substr(0, colon));
    uint32_t last = colon == part.npos ? first : value(part.substr(colon + 1));
    if (first > last) std::swap(first, last);
    for (uint32_t n = std::max(first, 1u); n <= std::min(last, star); ++n) numbers.insert(n);
    if (comma == set.npos) break;
    set.remove_prefix(comma + 1);
  }
  return {numbers.begin(), numbers.end()};
}

std::string CompressSet(const std::vector<uint32_t>& numbers) {
  std::string out;
  for (size_t i = 0; i < numbers.size();) {
    size_t j = i;
    while (j + 1 < numbers.size() && numbers[j + 1] == numbers[j] + 1) ++j;
    if (!out.empty()) out += ',';
    out += std::to_string(numbers[i]);
    if (j != i) out += ':' + std::to_string(numbers[j]);
    i = j + 1;
  }
  return out;
}

namespace {
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
}  // namespace

std::string ToBase64(std::string_view bytes) {
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j) {
      group = group << 8 | (i + j < bytes.size() ? static_cast<uint8_t>(bytes[i + j]) : 0u);
    }
    for (size_t j = 0; j < 4; ++j) {
      out += i + j <= bytes.size() ? kBase64[group >> (18 - 6 * j) & 63] : '=';
    }
  }
  return out;
}

std::string FromBase64(std::string_view text) {
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    const size_t value = kBase64.find(c);
    if (value == kBase64.npos) break;
    bits = bits << 6 | static_cast<uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>(bits >> count & 0xff);
    }
  }
  return out;
}

}  // namespace roost
