#include "proto/tls/ticket_key_text.h"

#include <algorithm>
#include <cstring>

#include <openssl/base64.h>
#include <openssl/mem.h>

namespace roost {
namespace {

struct Role {
  std::string_view name;
  TicketKey TicketKeys::*key;
};
constexpr Role kRoles[] = {{"next", &TicketKeys::next},
                           {"current", &TicketKeys::current},
                           {"previous", &TicketKeys::previous}};

bool IsSet(const TicketKey& key) {
  return std::any_of(key.begin(), key.end(), [](uint8_t b) { return b != 0; });
}

bool SameName(const TicketKey& a, const TicketKey& b) {
  return IsSet(a) && std::equal(a.begin(), a.begin() + 16, b.begin());
}

bool DecodeKey(std::string_view text, TicketKey* key) {
  uint8_t bytes[std::tuple_size_v<TicketKey> + 2];
  size_t size = 0;
  const bool good =
      text.size() == 64 &&
      EVP_DecodeBase64(bytes, &size, sizeof bytes, reinterpret_cast<const uint8_t*>(text.data()),
                       text.size()) == 1 &&
      size == key->size();
  if (good) std::memcpy(key->data(), bytes, key->size());
  OPENSSL_cleanse(bytes, sizeof bytes);
  return good && IsSet(*key);
}

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  text.remove_prefix(std::min(text.find_first_not_of(kBlank), text.size()));
  return text.substr(0, text.find_last_not_of(kBlank) + 1);
}

// What is wrong with the line; empty: nothing.
std::string_view TakeLine(std::string_view line, TicketKeys* keys) {
  line = Trimmed(line);
  if (line.empty() || line.front() == '#') return {};
  const size_t blank = line.find_first_of(" \t");
  const std::string_view name = line.substr(0, blank);
  const auto* role = std::find_if(std::begin(kRoles), std::end(kRoles),
                                  [&](const Role& r) { return r.name == name; });
  if (role == std::end(kRoles)) return "begins with none of next, current and previous";
  if (IsSet(keys->*role->key)) return "gives a key that a line before has given";
  const std::string_view value = blank == line.npos ? "" : Trimmed(line.substr(blank));
  if (!DecodeKey(value, &(keys->*role->key))) return "does not hold 48 bytes in base64";
  return {};
}

}  // namespace

bool ParseTicketKeys(std::string_view text, TicketKeys* keys, std::string* error) {
  TicketKeys parsed;
  bool good = text.size() <= kMaxTicketKeyText;
  if (!good) *error = "is too long for a file of ticket keys";
  for (int number = 1; good && !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view problem = TakeLine(text.substr(0, end), &parsed);
    text.remove_prefix(std::min(end + 1, text.size()));
    good = problem.empty();
    if (!good) *error = "line " + std::to_string(number) + ": " + std::string(problem);
  }
  if (good && !IsSet(parsed.current)) {
    good = false;
    *error = "no line gives the current key";
  }
  if (good && (SameName(parsed.current, parsed.next) || SameName(parsed.current, parsed.previous) ||
               SameName(parsed.next, parsed.previous))) {
    good = false;
    *error = "two keys have the same first 16 bytes, which are their name";
  }
  if (good) *keys = parsed;
  OPENSSL_cleanse(&parsed, sizeof parsed);
  return good;
}

std::string FormatTicketKeys(const TicketKeys& keys) {
  std::string text;
  for (const Role& role : kRoles) {
    const TicketKey& key = keys.*role.key;
    if (!IsSet(key)) continue;
    uint8_t encoded[65];
    EVP_EncodeBlock(encoded, key.data(), key.size());
    text.append(role.name).append(" ").append(reinterpret_cast<const char*>(encoded), 64) += '\n';
    OPENSSL_cleanse(encoded, sizeof encoded);
  }
  return text;
}

TicketKeys Rotated(const TicketKeys& keys) {
  TicketKeys rotated = TicketKeys::Random();
  if (IsSet(keys.next)) rotated.current = keys.next;
  rotated.previous = keys.current;
  return rotated;
}

}  // namespace roost
