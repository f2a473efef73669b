// Which store a user belongs to.
//
// What it is not: it checks no password and knows no session. Its place is between the login name
// becoming known and the first connection to a store.
//
// Four kinds: *static* (one store for all), *map* (a file of users and domains), *hash* (a
// rendezvous hash over stores with weights: a user's store is the one with the highest score, so a
// store that is added takes its share evenly from the others and moves nobody else, and a store
// that is removed gives up only its own users), *http* (a service is asked: lookups.h does that).
//
// The map file, one entry per line:
//     # comment, also behind an entry
//     alice            store-a        a user, exactly as presented at login
//     bob@example.org  store-b
//     @example.org     store-a        everybody of a domain, unless named above or below
//     "two words"      store-b        quotes where the name has blanks, '#' or quotes (\" and \\)
//     *                store-b        everybody else; the same as route.default_store
// Users are compared byte by byte, as everywhere in Roost: another spelling is another user.
// Domains ignore ASCII case, as DNS does. The domain is what follows the last '@'. A name given
// twice is an error. Lines have at most 1,024 bytes.
//
// Lifetime: built once, constant, safe to read from every shard. Memory: the users of the map.

#ifndef ROOST_CORE_ROUTE_ROUTE_H_
#define ROOST_CORE_ROUTE_ROUTE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/config.h"

namespace roost {

struct LookupService;

class Router {
 public:
  // Reads the map file where there is one, resolves look-up servers. Fills `errors` ("users.map:3:
  // ...") and returns null if anything is wrong. The Config need not outlive the Router.
  static std::unique_ptr<const Router> Build(const Config& config,
                                             std::vector<ConfigError>* errors);
  // The same with the map's text at hand: pure, unless the route is looked up.
  static std::unique_ptr<const Router> BuildFromText(const Config& config, std::string_view map,
                                                     std::vector<ConfigError>* errors);
  virtual ~Router() = default;

  // The user's store, or nothing: the user is unknown here and the login must be refused as a wrong
  // password would be, so that nobody learns who exists.
  virtual std::optional<StoreIndex> Route(std::string_view user) const = 0;
  // The same while nobody is to go to these stores, by StoreIndex: where the route is a hash the
  // others share their users. Elsewhere a user's store is what it is.
  virtual std::optional<StoreIndex> RouteAround(std::string_view user,
                                                const std::vector<bool>& drained) const {
    (void)drained;
    return Route(user);
  }
  // Who is to be asked instead: null unless the route is looked up. Route knows nobody then.
  virtual const LookupService* service() const { return nullptr; }
};

// The score of a store for a user: the highest wins. The same on every machine and in every
// version, or users would move. `weight` > 0.
double RendezvousScore(std::string_view user, std::string_view store_name, int weight);

}  // namespace roost

#endif  // ROOST_CORE_ROUTE_ROUTE_H_
