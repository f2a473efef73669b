#include "tools/load/arrivals.h"

#include <algorithm>

namespace roost::load {
namespace {

constexpr uint32_t kMostDoublings = 20;

}  // namespace

uint64_t RetryPolicy::Delay(uint32_t client, uint32_t tries) const {
  uint64_t delay = first_ns;
  for (uint32_t i = 1; i < std::min(tries, kMostDoublings) && delay < longest_ns; ++i) delay *= 2;
  delay = std::min(delay, longest_ns);
  // Neighbours, and the tries of one client, are spread.
  const uint32_t mixed = (client + tries * 7919) * 2654435761u;
  const double share = static_cast<double>(mixed) / 4294967296.0;
  return delay - static_cast<uint64_t>(static_cast<double>(delay) / 2 * share);
}

bool Arrivals::Next(uint64_t now_ns, Visit* visit) {
  if (!due_.empty() && due_.top().at_ns <= now_ns) {
    *visit = due_.top().visit;
    due_.pop();
    return true;
  }
  if (begun_ == clients_.size() || !pace_.Due(now_ns)) return false;
  *visit = {.client = clients_[begun_++]};
  visit->first_ns = pace_.next_ns();
  pace_.Take(now_ns);
  return true;
}

size_t Arrivals::Forget() {
  const size_t forgotten = clients_.size() - begun_;
  clients_.resize(begun_);
  return forgotten;
}

void Arrivals::Return(uint32_t client, Visit::Why why, uint64_t at_ns) {
  due_.push({at_ns, {.client = client, .why = why, .first_ns = at_ns}});
}

bool Arrivals::Retry(const Visit& visit, uint64_t now_ns) {
  if (visit.tries >= policy_.most) return false;
  Visit again = visit;
  ++again.tries;
  due_.push({now_ns + policy_.Delay(visit.client, again.tries), again});
  return true;
}

}  // namespace roost::load
