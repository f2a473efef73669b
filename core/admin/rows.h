// What roostctl asks for by name: clients, feeds, backends.
//
// Blocking, on the control socket's thread; shards are asked in slices (core/shard/listing.h) and
// rows are passed on as they come, so that memory does not grow with their number.
#ifndef ROOST_CORE_ADMIN_ROWS_H_
#define ROOST_CORE_ADMIN_ROWS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/shard/figures.h"
#include "core/shard/listing.h"
#include "core/store/store_resolver.h"

namespace roost {

class Server;

// Takes a part of an answer. False: nobody listens any more.
using Say = std::function<bool(std::string_view)>;

// "clients LIMIT", "feeds LIMIT USER": so many rows at most, 0 for all; of that login alone.
struct RowsRequest {
  Listing::What what = Listing::What::kClients;
  uint64_t limit = 0;
  std::string user;  // empty: of all; otherwise all that is behind the second blank
};
// False: it is none.
bool ParseRowsRequest(std::string_view line, RowsRequest* request);

// One for each shard, posted.
std::vector<std::shared_ptr<Listing>> PostListings(Server& server, const RowsRequest& request);

// {"clients": [{...}, ...], "end": "all"}; "limit" where there are more, "failed" where a shard did
// not answer. `parts`: the listings of the shards, posted already.
void SayRows(const RowsRequest& request, const std::vector<std::shared_ptr<Listing>>& parts,
             const Say& say);

// {"backends": [{...}, ...], "end": "all"}: for each store its addresses by what is known of them,
// and its sessions in all shards.
std::string BackendsJson(const std::vector<ShardFigures>& shards,
                         const std::vector<std::string>& stores,
                         const StoreResolver::Addresses& addresses);

}  // namespace roost

#endif  // ROOST_CORE_ADMIN_ROWS_H_
