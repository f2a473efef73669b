#include "tools/load/deliveries.h"

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
// saw first, or be told to it later. Nobody else changes the mailbox: a number that does not fit
// is wrong, but where it is not known what became of a message. The count begins anew here.
uint32_t Deliveries::OnListening(LoadUser* user, int64_t messages) {
  const auto delivered = static_cast<int64_t>(user->delivered.size());
  if (!user->messages_before && delivered == 0) user->messages_before = messages;
  int64_t known = messages - user->messages_before.value_or(messages - delivered);
  if (known < 0 || known > delivered) {
    if (!user->uncertain) {
      ++shard_.measured().unexpected;
      shard_.measured().NoteError("client: more or fewer messages than there can be");
    }
    user->messages_before = messages - delivered;
    known = delivered;
  }
  ++user->idle_clients;
  if (known > 0) user->delivered[static_cast<size_t>(known - 1)].known = true;
  for (auto i = static_cast<size_t>(known); i < user->delivered.size(); ++i) {
    if (user->delivered[i].failed) continue;
    ++user->delivered[i].untold;
    ++shard_.measured().expected;
  }
  ShowExpected();
  return static_cast<uint32_t>(known);
}

const Delivered* Deliveries::OnTold(LoadUser* user, uint32_t known) {
  Result& result = shard_.measured();
  if (known >= user->delivered.size()) {
    ++result.unexpected;
    return nullptr;
  }
  Delivered& message = user->delivered[known];
  message.known = true;
  ++result.received;
  if (message.failed) {
    ++result.expected;
    ShowExpected();
  } else if (--message.untold == 0) {
    message.told_ns = shard_.loop().now_ns();
  }
  shard_.progress.received.store(result.received, std::memory_order_relaxed);
  return &message;
}

void Deliveries::OnLeft(LoadUser* user, uint32_t told, uint64_t heedless_ns) {
  --user->idle_clients;
  Result& result = shard_.measured();
  const uint64_t now = shard_.loop().now_ns();
  for (size_t i = told; i < user->delivered.size(); ++i) {
    Delivered& message = user->delivered[i];
    if (message.failed) continue;
    --message.untold;
    if (message.acked_ns != 0 && now - message.acked_ns > kPatienceNs + heedless_ns) {
      ++result.missed;
    } else {
      --result.expected;
      ++result.excused;
    }
  }
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
  if (!accepted) ++result.delivery_failed;
  if (!sent) return;
  Delivered& message = user->delivered.back();
  if (accepted) {
    ++result.delivered;
    message.acked_ns = shard_.loop().now_ns();
    result.delivery.Record(message.acked_ns - message.sent_ns);
    return;
  }
  // Nobody must be told of it any more. It is there if somebody knows of it; if not, and somebody
  // is told later, that shows as an event of nothing.
  result.expected -= std::exchange(message.untold, 0);
  message.failed = user->uncertain = true;
  if (!message.known) user->delivered.pop_back();
  ShowExpected();
}

void Deliveries::ShowExpected() {
  const Result& result = shard_.measured();
  shard_.progress.expected.store(result.expected - result.missed, std::memory_order_relaxed);
}

void Deliveries::OnCourierEnded(Courier* courier, bool was_of_use) {
  waiting_ = false;
  useless_couriers_ = was_of_use ? 0 : useless_couriers_ + 1;
  shard_.loop().Retire(TakeOut(&couriers_, courier));
}

void Deliveries::Leave() {
  for (const auto& courier : couriers_) courier->Leave();
  for (const LoadUser& user : users_) {
    for (const Delivered& message : user.delivered) {
      if (message.untold > 0 || message.told_ns == 0) continue;
      shard_.measured().told_last.Record(message.told_ns - message.sent_ns);
    }
  }
}

}  // namespace roost::load
