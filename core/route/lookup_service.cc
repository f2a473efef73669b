#include "core/route/lookup_service.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "core/config/resolve.h"
#include "core/config/secret_file.h"
#include "proto/net/http_response.h"

namespace roost {
namespace {

constexpr size_t kMaxHeaderFile = 4096;  // bytes

// What roostd says itself, or what would change where the request ends.
bool IsOurs(const HttpField& field) {
  for (std::string_view own : {"Host", "Connection", "Content-Length", "Transfer-Encoding",
                               "Client-IP", "Expect", "Upgrade"}) {
    if (field.Is(own)) return true;
  }
  return field.name.size() >= 5 && HttpField{field.name.substr(0, 5), {}}.Is("Auth-");
}

bool ReadHeaders(const std::string& path, std::string* headers, std::vector<ConfigError>* errors) {
  if (path.empty()) return true;
  std::string text;
  const bool read = ReadSecretFile(path, kMaxHeaderFile + 1, &text);
  const size_t before = errors->size();
  if (!read) {
    errors->push_back({path, 0, "", std::string("cannot be read: ") + std::strerror(errno),
                       "correct lookup.header_file"});
  } else if (text.size() > kMaxHeaderFile) {
    errors->push_back({path, 0, "", "is larger than 4096 bytes", "is it the right file?"});
  } else {
    *headers = ParseLookupHeaders(text, path, errors);
  }
  Cleanse(&text);
  return errors->size() == before;
}

}  // namespace

std::string ParseLookupHeaders(std::string_view text, const std::string& file_name,
                               std::vector<ConfigError>* errors) {
  std::string headers;
  headers.reserve(2 * text.size() + 2);  // never moved: it is a secret
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    std::string whole;
    whole.reserve(line.size() + 1);
    whole.append(line).append("\n");
    std::string_view rest = whole;
    HttpField field;
    if (!TakeHttpField(&rest, &field)) {
      errors->push_back({file_name, number, "", "is not a header", "write 'Name: value'"});
    } else if (IsOurs(field)) {
      errors->push_back({file_name, number, "", std::string(field.name) + " is roostd's own to say",
                         "remove the line"});
    } else {
      headers.append(field.name).append(": ").append(field.value).append("\r\n");
    }
    Cleanse(&whole);
  }
  return headers;
}

std::unique_ptr<const LookupService> MakeLookupService(const Config& config,
                                                       std::vector<ConfigError>* errors) {
  auto service = std::make_unique<LookupService>();
  service->config = config.lookup;
  // Of each server so many addresses that all together can be tried for one login; see Lookups.
  const size_t most = 2 * kMostLookupServers / std::max<size_t>(1, config.lookup.servers.size());
  for (const HostPort& server : config.lookup.servers) {
    std::vector<Address> found;
    std::string problem;
    if (!ResolveHostPort(server, &found, &problem)) {
      errors->push_back({"lookup.servers", 0, server.ToString(), problem, "correct the name"});
      return nullptr;
    }
    if (found.size() > most) found.resize(most);
    for (const Address& address : found) service->servers.push_back({address, server.ToString()});
  }
  if (!ReadHeaders(config.lookup.header_file, &service->headers, errors)) return nullptr;
  return service;
}

}  // namespace roost
