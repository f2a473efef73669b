#include "tools/load/load_shard.h"

#include <algorithm>
#include <utility>

#include "core/base/clock.h"
#include "proto/check.h"
#include "tools/load/client.h"
#include "tools/load/courier.h"

namespace roost::load {
namespace {

constexpr uint64_t kTickNs = 10 * kNsPerMs;
// What could not be delivered in time is made good at this pace at most, not in one burst.
constexpr uint64_t kMostDeliveryDebtNs = 100 * kNsPerMs;
// So many connections to the store in a row that came to nothing: it is not there.
constexpr int kMostUselessCouriers = 3;
constexpr uint64_t kGoodbyeNs = kNsPerSecond;

template <typename Object>
std::unique_ptr<Object> TakeOut(std::vector<std::unique_ptr<Object>>* from, Object* object) {
  const size_t index = object->index;
  ROOST_CHECK(index < from->size() && (*from)[index].get() == object);
  std::unique_ptr<Object> taken = std::move((*from)[index]);
  if (index + 1 != from->size()) {
    (*from)[index] = std::move(from->back());
    (*from)[index]->index = index;
  }
  from->pop_back();
  return taken;
}

// A thread's part of a rate that is meant for all.
double PartOf(uint32_t rate, const Options& options) {
  return static_cast<double>(rate) / options.threads;
}

}  // namespace

LoadShard::LoadShard(UringIo& io, const Options* options, const TlsClientContext* tls,
                     uint32_t number)
    : io_(io),
      options_(options),
      tls_(tls),
      server_name_(options->server_name.empty() ? options->server.HostString()
                                                : options->server_name),
      settings_{.starttls = options->tls == Options::Tls::kStartTls,
                .password = options->password,
                .mailbox = options->mailbox},
      loop_(io, *this) {
  for (uint32_t user = number; user < UserCount(*options); user += options->threads) {
    users_.push_back({.name = UserName(*options, user)});
    const uint32_t first = user * options->clients_per_user;
    const uint32_t end = std::min(first + options->clients_per_user, options->clients);
    for (uint32_t client = first; client < end; ++client) numbers_.push_back(client);
  }
}

LoadShard::~LoadShard() = default;

void LoadShard::Run() {
  io_.Bind();
  loop_.Turn(0);
  began_ns_ = loop_.now_ns();
  while (!orders.stop) {
    Tick();
    loop_.Turn(loop_.now_ns() + kTickNs);
  }
  Finish();
}

void LoadShard::Tick() {
  OpenClients();
  StartDeliveries();
}

void LoadShard::OpenClients() {
  size_t begun = result_.established + result_.failed + entering_;
  if (begun >= numbers_.size()) return;
  if (orders.end_ramp) {
    progress.settled.fetch_add(numbers_.size() - begun, std::memory_order_relaxed);
    result_.never_begun = numbers_.size() - begun;
    numbers_.resize(begun);
    return;
  }
  size_t due = numbers_.size();
  if (options_->rate > 0) {
    const double seconds = static_cast<double>(loop_.now_ns() - began_ns_) / kNsPerSecond;
    due = std::min(due, static_cast<size_t>(seconds * PartOf(options_->rate, *options_)) + 1);
  }
  while (begun < due && entering_ < options_->entering) {
    const uint32_t number = numbers_[begun++];
    const uint32_t user = number / options_->clients_per_user / options_->threads;
    ++entering_;
    clients_.push_back(std::make_unique<Client>(*this, &users_[user], number));
    clients_.back()->index = clients_.size() - 1;
    clients_.back()->Open();
  }
}

void LoadShard::OnClientIdle() {
  --entering_;
  ++result_.established;
  progress.idle.fetch_add(1, std::memory_order_relaxed);
  progress.settled.fetch_add(1, std::memory_order_relaxed);
}

void LoadShard::OnClientEnded(Client* client, bool was_idle) {
  if (was_idle) {
    ++result_.dropped;
    progress.idle.fetch_sub(1, std::memory_order_relaxed);
  } else {
    --entering_;
    ++result_.failed;
    progress.settled.fetch_add(1, std::memory_order_relaxed);
  }
  loop_.Retire(TakeOut(&clients_, client));
}

// Messages of one user are delivered one after the other, so that the n-th growth is the n-th.
LoadUser* LoadShard::NextFor() {
  if (deliveries_started_ >= orders.deliver) return nullptr;
  const uint64_t now = loop_.now_ns();
  if (now < next_delivery_ns_) return nullptr;
  for (size_t tried = 0; tried < users_.size(); ++tried) {
    LoadUser& user = users_[next_user_];
    next_user_ = (next_user_ + 1) % users_.size();
    if (user.busy) continue;
    user.busy = true;
    ++deliveries_started_;
    if (options_->deliver_rate > 0) {
      const auto pause = static_cast<uint64_t>(static_cast<double>(kNsPerSecond) /
                                               PartOf(options_->deliver_rate, *options_));
      const uint64_t earliest = now < kMostDeliveryDebtNs ? 0 : now - kMostDeliveryDebtNs;
      next_delivery_ns_ = std::max(next_delivery_ns_, earliest) + pause;
    }
    return &user;
  }
  return nullptr;
}

void LoadShard::StartDeliveries() {
  while (deliveries_started_ < orders.deliver) {
    if (useless_couriers_ >= kMostUselessCouriers) {
      const uint64_t left = orders.deliver - deliveries_started_;
      deliveries_started_ += left;
      result_.delivery_failed += left;
      progress.deliveries_done.fetch_add(left, std::memory_order_relaxed);
      return;
    }
    const size_t most = options_->lmtp ? 1 : kMostAppends;
    if (couriers_.size() >= most && !couriers_.front()->free()) return;
    LoadUser* user = NextFor();
    if (user == nullptr) return;
    if (couriers_.size() < most) {
      couriers_.push_back(std::make_unique<Courier>(*this));
      couriers_.back()->index = couriers_.size() - 1;
      couriers_.back()->Open(user);
    } else {
      couriers_.front()->Assign(user);
    }
  }
}

void LoadShard::OnSent(LoadUser* user) {
  user->delivered.push_back({.sent_ns = loop_.now_ns()});
  result_.expected += user->idle_clients;
  progress.expected.store(result_.expected, std::memory_order_relaxed);
}

void LoadShard::OnAnswered(LoadUser* user, bool accepted, bool sent) {
  user->busy = false;
  progress.deliveries_done.fetch_add(1, std::memory_order_relaxed);
  if (accepted) {
    ++result_.delivered;
    Delivered& message = user->delivered.back();
    message.acked_ns = loop_.now_ns();
    result_.delivery.Record(message.acked_ns - message.sent_ns);
    return;
  }
  ++result_.delivery_failed;
  if (!sent) return;
  // Nobody must be told of it. If somebody was, it shows as an event of nothing.
  user->delivered.pop_back();
  result_.expected -= std::min<uint64_t>(result_.expected, user->idle_clients);
  progress.expected.store(result_.expected, std::memory_order_relaxed);
}

void LoadShard::OnCourierEnded(Courier* courier, bool was_of_use) {
  useless_couriers_ = was_of_use ? 0 : useless_couriers_ + 1;
  loop_.Retire(TakeOut(&couriers_, courier));
}

void LoadShard::Finish() {
  for (const auto& client : clients_) client->Leave();
  for (const auto& courier : couriers_) courier->Leave();
  const uint64_t end = loop_.now_ns() + kGoodbyeNs;
  do {
    loop_.Turn(loop_.now_ns() + kTickNs);
  } while (loop_.now_ns() < end && io_.stats().sockets_closing > 0);
  clients_.clear();
  couriers_.clear();
}

}  // namespace roost::load
