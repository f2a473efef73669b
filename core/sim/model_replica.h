// Another server's copy of a mailbox, which hears of everything a while later.
//
// What it is: a ModelMailbox that follows the true one, change by change and in order, each up to
// max_lag later. Whoever has the copy selected is behind as a whole: SELECT, NOOP, SEARCH, FETCH
// and STATUS all show the mailbox as it was, so that no flush shows the present. What it is not: a
// place to write to. Changes are made to the true one, and CatchUp brings them here.
//
// With `flags_lag` off, flags are those of now, wherever the message is known already.
//
// Lifetime: its Wires and the true mailbox outlive it.
#ifndef ROOST_CORE_SIM_MODEL_REPLICA_H_
#define ROOST_CORE_SIM_MODEL_REPLICA_H_

#include <cstdint>
#include <deque>
#include <memory>

#include "core/base/rng.h"
#include "core/sim/model_mailbox.h"
#include "core/sim/wire.h"

namespace roost {

class ModelReplica final : private MailboxObserver {
 public:
  // The copy is exact at first.
  ModelReplica(Wires& wires, std::shared_ptr<ModelMailbox> truth, Rng rng, uint64_t max_lag_ns,
               bool flags_lag);
  ~ModelReplica() override;

  const std::shared_ptr<ModelMailbox>& truth() const { return truth_; }
  const std::shared_ptr<ModelMailbox>& copy() const { return copy_; }
  // It hears of all that has happened.
  void CatchUp() { ApplyUntil(kNever); }
  bool behind() const { return !pending_.empty(); }

 private:
  struct Pending {
    uint64_t due_ns;
    MailboxChange change;
  };

  void OnArrived(uint32_t uid) override;
  void OnExpunged(uint32_t uid) override;
  void OnReflagged(uint32_t uid) override;
  void OnReplaced() override { copy_->Replace(); }
  void Later(MailboxChange::Kind kind, uint32_t uid);
  void ApplyUntil(uint64_t now_ns);

  Wires& wires_;
  const std::shared_ptr<ModelMailbox> truth_, copy_;
  Rng rng_;
  const uint64_t max_lag_ns_;
  const bool flags_lag_;
  std::deque<Pending> pending_;  // as they happened, ascending by due time
  std::shared_ptr<int> life_ = std::make_shared<int>(0);
};

}  // namespace roost

#endif  // ROOST_CORE_SIM_MODEL_REPLICA_H_
