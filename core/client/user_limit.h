// How many clients are logged in under each name, while there is a limit for it. One thread.
//
// Names are kept as keyed hashes: 12 bytes and some slack for each that is there. All clients of a
// name are on one shard, so the count is exact but for names that a look-up service changes: the
// shard is chosen by the name before. What it is not: it knows no limit and refuses nobody.
#ifndef ROOST_CORE_CLIENT_USER_LIMIT_H_
#define ROOST_CORE_CLIENT_USER_LIMIT_H_

#include <cstdint>
#include <string_view>

#include <absl/container/flat_hash_map.h>

#include "core/base/hash.h"

namespace roost {

class UserLimit {
 public:
  // One more of them, unless there are `most` already.
  bool Enter(const HashKey& key, std::string_view login, uint32_t most) {
    const auto [place, is_new] = clients_.try_emplace(SipHash24(key, login), 0);
    if (place->second >= most) {
      if (is_new) clients_.erase(place);
      return false;
    }
    ++place->second;
    return true;
  }
  // Of one who has entered.
  void Leave(const HashKey& key, std::string_view login) {
    const auto place = clients_.find(SipHash24(key, login));
    if (place != clients_.end() && --place->second == 0) clients_.erase(place);
  }
  size_t names() const { return clients_.size(); }

 private:
  absl::flat_hash_map<uint64_t, uint32_t> clients_;
};

}  // namespace roost

#endif  // ROOST_CORE_CLIENT_USER_LIMIT_H_
