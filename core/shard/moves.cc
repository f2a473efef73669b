#include "core/shard/moves.h"

#include <utility>

namespace roost {

uint64_t Moves::Put(std::unique_ptr<MovingClient> client) {
  std::lock_guard lock(mutex_);
  const uint64_t token = next_++;
  waiting_.emplace(token, std::move(client));
  return token;
}

std::unique_ptr<MovingClient> Moves::Take(uint64_t token) {
  std::lock_guard lock(mutex_);
  auto it = waiting_.find(token);
  if (it == waiting_.end()) return nullptr;
  std::unique_ptr<MovingClient> client = std::move(it->second);
  waiting_.erase(it);
  return client;
}

bool Moves::empty() {
  std::lock_guard lock(mutex_);
  return waiting_.empty();
}

}  // namespace roost
