#include "tools/load/deliveries.h"

#include <algorithm>
#include <utility>

#include "tools/load/courier.h"
#include "tools/load/load_shard.h"
#include "tools/load/take_out.h"

namespace roost::load {
namespace {

// So many connections to the store in a row that came to nothing: it is not there.
constexpr int kMostUselessCouriers = 3;

}  // namespace

Deliveries::Deliveries(LoadShard& shard)
    : shard_(shard), pace_(PartOf(shard.options().deliver_rate, shard.options())) {}

Deliveries::~Deliveries() = default;

// What is delivered while a client is on its way to IDLE may be in the number of messages that it
// saw first, or be told to it later. Nobody else changes the mailbox; if somebody did, the count
// begins anew here.
uint32_t Deliveries::OnListening(LoadUser* user, int64_t messages) {
  const auto delivered = static_cast<int64_t>(user->delivered.size());
  if (!user->messages_before && delivered == 0) user->messages_before = messages;
  int64_t known = messages - user->messages_before.value_or(messages - delivered);
  if (known < 0 || known > delivered) {
    user->messages_before = messages - delivered;
    known = delivered;
  }
  ++user->idle_clients;
  shard_.measured().expected += static_cast<uint64_t>(delivered - known);
  for (int64_t i = known; i < delivered; ++i) ++user->delivered[static_cast<size_t>(i)].untold;
  ShowExpected();
  return static_cast<uint32_t>(known);
}

void Deliveries::OnLeft(LoadUser* user, uint32_t told) {
  --user->idle_clients;
  const size_t delivered = user->delivered.size();
  shard_.measured().expected -= delivered > told ? delivered - told : 0;
  for (size_t i = told; i < delivered; ++i) --user->delivered[i].untold;
  ShowExpected();
}

uint64_t Deliveries::NextDueNs() const {
  return started_ == ordered_ || waiting_ ? kNever : pace_.next_ns();
}

LoadUser* Deliveries::NextFor() {
  const uint64_t now = shard_.loop().now_ns();
  if (started_ >= ordered_ || !pace_.Due(now)) return nullptr;
  for (size_t tried = 0; tried < users_.size(); ++tried) {
    LoadUser& user = users_[next_user_];
    next_user_ = (next_user_ + 1) % users_.size();
    if (user.busy) continue;
    user.busy = true;
    user.due_ns = pace_.Take(now);
    ++started_;
    return &user;
  }
  waiting_ = true;
  return nullptr;
}

Courier* Deliveries::FreeCourier() {
  for (const auto& courier : couriers_) {
    if (courier->free()) return courier.get();
  }
  return nullptr;
}

void Deliveries::Work() {
  const uint64_t orders = shard_.orders.deliver;
  if (started_ == ordered_ && orders > ordered_) pace_.Begin(shard_.loop().now_ns());
  ordered_ = orders;
  waiting_ = false;
  while (started_ < ordered_) {
    if (useless_couriers_ >= kMostUselessCouriers) return GiveUp();
    Courier* courier = FreeCourier();
    if (courier == nullptr && couriers_.size() >= shard_.options().couriers) {
      waiting_ = true;
      return;
    }
    LoadUser* user = NextFor();
    if (user == nullptr) return;
    if (courier != nullptr) {
      courier->Assign(user);
      continue;
    }
    couriers_.push_back(std::make_unique<Courier>(shard_));
    couriers_.back()->index = couriers_.size() - 1;
    couriers_.back()->Open(user);
  }
}

void Deliveries::GiveUp() {
  const uint64_t left = ordered_ - started_;
  started_ += left;
  shard_.measured().delivery_failed += left;
  shard_.progress.deliveries_done.fetch_add(left, std::memory_order_relaxed);
}

void Deliveries::OnSent(LoadUser* user) {
  const uint64_t now = shard_.loop().now_ns();
  user->delivered.push_back({.due_ns = user->due_ns, .sent_ns = now, .untold = user->idle_clients});
  if (shard_.options().deliver_rate > 0) shard_.measured().lateness.Record(now - user->due_ns);
  shard_.measured().expected += user->idle_clients;
  ShowExpected();
}

void Deliveries::OnAnswered(LoadUser* user, bool accepted, bool sent) {
  user->busy = false;
  waiting_ = false;
  shard_.progress.deliveries_done.fetch_add(1, std::memory_order_relaxed);
  Result& result = shard_.measured();
  if (accepted) {
    ++result.delivered;
    Delivered& message = user->delivered.back();
    message.acked_ns = shard_.loop().now_ns();
    result.delivery.Record(message.acked_ns - message.sent_ns);
    return;
  }
  ++result.delivery_failed;
  if (!sent) return;
  // Nobody must be told of it. If somebody was, it shows as an event of nothing.
  user->delivered.pop_back();
  result.expected -= std::min<uint64_t>(result.expected, user->idle_clients);
  ShowExpected();
}

void Deliveries::ShowExpected() {
  shard_.progress.expected.store(shard_.measured().expected, std::memory_order_relaxed);
}

void Deliveries::OnCourierEnded(Courier* courier, bool was_of_use) {
  waiting_ = false;
  useless_couriers_ = was_of_use ? 0 : useless_couriers_ + 1;
  shard_.loop().Retire(TakeOut(&couriers_, courier));
}

void Deliveries::Leave() {
  for (const auto& courier : couriers_) courier->Leave();
}

}  // namespace roost::load
