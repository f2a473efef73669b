// The routes in use, and how others take their place while roostd runs.
//
// What it is: builds routers off the shards' threads, sees when the map file has changed, and keeps
// routers that were replaced until no shard has them: a large map must not be freed on a shard.
// What it is not: it gives nobody the new ones; whoever calls it does.
//
// All or nothing: what cannot be read or is wrong changes nothing. A file that changed is read once
// it has been the same for kSettleNs, so that one being written is not taken for a short one; and
// once only while it stays wrong.
//
// Thread rule: one thread at a time.
#ifndef ROOST_CORE_SHARD_ROUTES_H_
#define ROOST_CORE_SHARD_ROUTES_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/route/route.h"

namespace roost {

class Routes {
 public:
  static constexpr uint64_t kSettleNs = SecondsToNs(1);

  // Those of a configuration, not in use yet. Null with *error.
  struct Built {
    std::shared_ptr<const Router> router;
    explicit operator bool() const { return router != nullptr; }

   private:
    friend class Routes;
    struct Stamp {
      uint64_t device = 0, inode = 0, size = 0;
      int64_t changed_ns = 0;
      friend bool operator==(const Stamp&, const Stamp&) = default;
    };
    static Stamp StampOf(const std::string& path);
    std::string map_file;  // empty: none
    Stamp stamp;           // of the map file, before it was read
  };
  static Built Build(const Config& config, std::string* error);

  void Take(Built built);
  const std::shared_ptr<const Router>& router() const { return in_use_.router; }

  // To be called now and then. True: the map file was read anew, and router() is another one.
  // `config`: with the route that was taken last.
  bool Tend(const Config& config, uint64_t now_ns);
  size_t replaced() const { return replaced_.size(); }

 private:
  Built in_use_;
  Built::Stamp seen_;  // of the map file, when it was looked at last
  uint64_t seen_ns_ = 0;
  std::vector<std::shared_ptr<const Router>> replaced_;
};

}  // namespace roost

#endif  // ROOST_CORE_SHARD_ROUTES_H_
