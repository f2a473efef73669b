// The service that tells which store a user belongs to, where a map or a hash cannot: what there is
// to know of it before it is asked.
//
// What it is not: a connection (lookups.h), nor the protocol (proto/net/auth_http.h).
//
// Lifetime: part of a Router; built once, constant, safe to read from every shard.
#ifndef ROOST_CORE_ROUTE_LOOKUP_SERVICE_H_
#define ROOST_CORE_ROUTE_LOOKUP_SERVICE_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/cleanse.h"
#include "core/config/config.h"

namespace roost {

struct LookupServer {
  Address address;
  std::string host;  // as configured: "lookup.example.org:8080"
  friend bool operator==(const LookupServer&, const LookupServer&) = default;
};

struct LookupService {
  LookupConfig config;
  std::vector<LookupServer> servers;  // in the order of the configuration; at least one
  std::string headers;                // whole lines, each with CRLF; secret

  ~LookupService() { Cleanse(&headers); }
};

// Resolves the servers, which may block, and reads the header file. Null, with errors.
std::unique_ptr<const LookupService> MakeLookupService(const Config& config,
                                                       std::vector<ConfigError>* errors);

// The lines of `text` as they are sent: comments and empty lines left out. Fills `errors` with
// lines that are none, or that are not the operator's to say. Pure.
std::string ParseLookupHeaders(std::string_view text, const std::string& file_name,
                               std::vector<ConfigError>* errors);

}  // namespace roost

#endif  // ROOST_CORE_ROUTE_LOOKUP_SERVICE_H_
