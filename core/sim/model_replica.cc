#include "core/sim/model_replica.h"

#include <algorithm>
#include <utility>

namespace roost {

ModelReplica::ModelReplica(Wires& wires, std::shared_ptr<ModelMailbox> truth, Rng rng,
                           uint64_t max_lag_ns, bool flags_lag)
    : wires_(wires),
      truth_(std::move(truth)),
      copy_(truth_->Copy()),
      rng_(rng),
      max_lag_ns_(max_lag_ns),
      flags_lag_(flags_lag) {
  truth_->Attach(this);
}

ModelReplica::~ModelReplica() { truth_->Detach(this); }

void ModelReplica::OnArrived(uint32_t uid) { Later(MailboxChange::Kind::kArrived, uid); }

void ModelReplica::OnExpunged(uint32_t uid) { Later(MailboxChange::Kind::kExpunged, uid); }

void ModelReplica::OnReflagged(uint32_t uid) {
  if (flags_lag_) return Later(MailboxChange::Kind::kReflagged, uid);
  if (copy_->Find(uid) != nullptr) {
    return copy_->Apply(truth_->ChangeOf(MailboxChange::Kind::kReflagged, uid));
  }
  for (Pending& pending : pending_) {
    if (pending.change.kind == MailboxChange::Kind::kArrived && pending.change.message.uid == uid)
      pending.change = truth_->ChangeOf(MailboxChange::Kind::kArrived, uid);
  }
}

void ModelReplica::Later(MailboxChange::Kind kind, uint32_t uid) {
  uint64_t due_ns = wires_.now_ns() + rng_.Below(max_lag_ns_ + 1);
  if (!pending_.empty()) due_ns = std::max(due_ns, pending_.back().due_ns);
  pending_.push_back({due_ns, truth_->ChangeOf(kind, uid)});
  wires_.In(due_ns - wires_.now_ns(), life_, [this] { ApplyUntil(wires_.now_ns()); });
}

void ModelReplica::ApplyUntil(uint64_t now_ns) {
  while (!pending_.empty() && pending_.front().due_ns <= now_ns) {
    const MailboxChange change = std::move(pending_.front().change);
    pending_.pop_front();
    copy_->Apply(change);
  }
}

}  // namespace roost
