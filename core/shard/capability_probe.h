// Asks the stores what they offer before login, so that clients can be told before theirs is known.
//
// A short session without login to each store, at start and now and then; what all that have
// answered share counts.
#ifndef ROOST_CORE_SHARD_CAPABILITY_PROBE_H_
#define ROOST_CORE_SHARD_CAPABILITY_PROBE_H_

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/store/dialer.h"

namespace roost {

class CapabilityProbe final : private SessionSink {
 public:
  using Shared = std::function<void(const CapabilitySet&)>;

  CapabilityProbe(Loop& loop, std::vector<std::unique_ptr<Dialer>>& dialers, Shared shared);
  ~CapabilityProbe() override;
  void Start() { Ask(); }

 private:
  static constexpr uint64_t kRetrySeconds = 5;  // while a store has never answered
  static constexpr uint64_t kRefreshSeconds = 300;

  void OnSessionReady(Session& session) override;
  void OnStoreData(Session&, const Piece&, const Response*) override {}
  void OnSessionLost(Session& session, SessionLoss loss, const std::string& text) override;
  void Ask();
  void Drop(Session& session);

  std::vector<std::unique_ptr<Dialer>>& dialers_;
  Shared shared_;
  std::vector<std::optional<CapabilitySet>> known_;
  std::vector<std::unique_ptr<Session>> sessions_;
  Alarm alarm_;
};

}  // namespace roost

#endif  // ROOST_CORE_SHARD_CAPABILITY_PROBE_H_
