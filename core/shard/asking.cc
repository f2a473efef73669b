#include "core/shard/asking.h"

#include <chrono>
#include <utility>

namespace roost {

class Asking::Job final : public ShardJob {
 public:
  Job(std::shared_ptr<Asking> all, uint32_t index) : all_(std::move(all)), index_(index) {}
  Progress Step(Shard& shard) override {
    if (!all_->slice_(index_, shard)) return Progress::kMore;
    all_->Ended(true);
    return Progress::kDone;
  }
  void Drop() override {
    if (all_->dropped_) all_->dropped_(index_);
    all_->Ended(false);
  }

 private:
  const std::shared_ptr<Asking> all_;
  const uint32_t index_;
};

Asking::Asking(Slice slice, uint32_t shards, Dropped dropped)
    : slice_(std::move(slice)), dropped_(std::move(dropped)), left_(shards) {}

std::shared_ptr<ShardJob> Asking::Part(std::shared_ptr<Asking> all, uint32_t index) {
  return std::make_shared<Job>(std::move(all), index);
}

void Asking::Ended(bool done) {
  std::lock_guard lock(mutex_);
  --left_;
  all_done_ = all_done_ && done;
  changed_.notify_all();
}

bool Asking::Await(std::optional<uint64_t> wait_ns) {
  std::unique_lock lock(mutex_);
  const auto ended = [this] { return left_ == 0; };
  if (!wait_ns) {
    changed_.wait(lock, ended);
  } else if (!changed_.wait_for(lock, std::chrono::nanoseconds(*wait_ns), ended)) {
    return false;
  }
  return all_done_;
}

}  // namespace roost
