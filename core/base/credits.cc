#include "core/base/credits.h"

#include <algorithm>

#include "core/base/check.h"

namespace roost {

bool Credits::Take(uint64_t most) {
  uint64_t taken = taken_;
  while (taken < most) {
    if (taken_.compare_exchange_weak(taken, taken + 1)) return true;
  }
  return false;
}

CreditShare::CreditShare(Credits& of, uint32_t shard, Ring ring)
    : of_(of), shard_(shard), ring_(std::move(ring)) {
  ROOST_CHECK(shard < Credits::kMostShards);
  uint32_t shards = of_.shards_;
  while (shards <= shard && !of_.shards_.compare_exchange_weak(shards, shard + 1)) {
  }
}

CreditShare::~CreditShare() {
  wants_ = false;
  EndRound(0, UINT64_MAX);
}

void CreditShare::BeginRound(uint64_t used, uint64_t most) {
  wants_ = false;
  Hold(used, most);
}

bool CreditShare::Reserve(uint64_t wanted, uint64_t most) {
  wants_ = false;
  while (held_ < wanted) {
    if (TakeGrant() || of_.Take(most)) {
      ++held_;
      continue;
    }
    const Credits::State now = state();
    if (now == Credits::State::kGranted) continue;  // just now
    wants_ = true;
    if (now == Credits::State::kWaits) return false;
    ++of_.waiting_;
    state() = Credits::State::kWaits;
    // Whoever gives one back from here on sees that we wait. Who did before that:
    if (!of_.Take(most)) return false;
    ++held_;
    wants_ = false;
    StopWaiting();
  }
  return true;
}

void CreditShare::EndRound(uint64_t used, uint64_t most) {
  if (!wants_) {
    StopWaiting();
    if (TakeGrant()) ++held_;
  }
  Hold(used, most);
}

bool CreditShare::TryReserve(uint64_t wanted, uint64_t most) {
  while (held_ < wanted) {
    if (of_.waiting_ != 0 || !of_.Take(most)) return false;
    ++held_;
  }
  return true;
}

bool CreditShare::MayHaveMore(uint64_t used, uint64_t most) const {
  return held_ > used || state() == Credits::State::kGranted || of_.taken_ < most;
}

void CreditShare::Hold(uint64_t used, uint64_t most) {
  for (; held_ > used; --held_) GiveOne(most);
  for (; held_ < used; ++held_) of_.TakeAnyway();
}

bool CreditShare::TakeGrant() {
  if (state() != Credits::State::kGranted) return false;
  state() = Credits::State::kIdle;
  return true;
}

// A grant may have come first.
void CreditShare::StopWaiting() {
  Credits::State waits = Credits::State::kWaits;
  if (state() != waits) return;
  if (state().compare_exchange_strong(waits, Credits::State::kIdle)) --of_.waiting_;
}

void CreditShare::GiveOne(uint64_t most) {
  while (of_.taken_ > most || !HandOn()) {
    of_.GiveBack();
    // A shard may have begun to wait meanwhile, when none was free.
    if (of_.waiting_ == 0 || !of_.Take(most)) return;
  }
}

// False: no shard waits.
bool CreditShare::HandOn() {
  if (of_.waiting_ == 0) return false;
  const uint32_t shards = of_.shards_;
  const uint32_t first = of_.next_;
  for (uint32_t i = 0; i < shards; ++i) {
    const uint32_t shard = (first + i) % shards;
    std::atomic<Credits::State>& theirs = of_.states_[shard];
    Credits::State waits = Credits::State::kWaits;
    if (theirs != waits || !theirs.compare_exchange_strong(waits, Credits::State::kGranted)) {
      continue;
    }
    --of_.waiting_;
    of_.next_ = shard + 1;
    ring_(shard);
    return true;
  }
  return false;
}

}  // namespace roost
