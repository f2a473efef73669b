#include "tools/load/load_shard.h"

#include <algorithm>
#include <utility>

#include "core/base/clock.h"
#include "tools/load/client.h"
#include "tools/load/take_out.h"

namespace roost::load {
namespace {

constexpr uint64_t kTickNs = 10 * kNsPerMs;
constexpr uint64_t kGoodbyeNs = kNsPerSecond;

RetryPolicy PolicyOf(const Options& options) {
  return {.first_ns = MsToNs(options.retry_ms),
          .longest_ns = SecondsToNs(options.retry_longest_s),
          .most = options.retries};
}

// It idled once and should idle again; one that left by habit may be on its way.
bool Missing(const Visit& visit) {
  switch (visit.why) {
    case Visit::Why::kFirst:
      return false;
    case Visit::Why::kHabit:
      return visit.tries > 0;
    case Visit::Why::kStorm:
    case Visit::Why::kLost:
      return true;
  }
  return false;
}

}  // namespace

double PartOf(uint32_t rate, const Options& options) {
  return static_cast<double>(rate) / options.threads;
}

LoadShard::LoadShard(UringIo& io, const Options* options, const TlsContexts& tls, uint32_t number,
                     uint32_t sockets)
    : io_(io),
      sockets_(sockets),
      options_(options),
      tls_(tls),
      server_name_(ServerName(*options)),
      settings_{.starttls = options->tls == Options::Tls::kStartTls,
                .password = options->password,
                .mailbox = options->mailbox},
      loop_(io, *this),
      deliveries_(*this),
      arrivals_(PartOf(options->rate, *options), PolicyOf(*options)) {
  for (uint32_t user = number; user < UserCount(*options); user += options->threads) {
    deliveries_.AddUser(UserName(*options, user));
    const uint32_t first = user * options->clients_per_user;
    const uint32_t end = std::min(first + options->clients_per_user, options->clients);
    for (uint32_t client = first; client < end; ++client) arrivals_.Add(client);
  }
}

LoadShard::~LoadShard() = default;

void LoadShard::Run() {
  io_.Bind();
  loop_.Turn(0);
  arrivals_.Begin(loop_.now_ns());
  // Within the turn, so that what is written leaves with it.
  loop_.set_work([this] {
    Tick();
    return false;
  });
  while (!orders.stop) {
    loop_.Turn(std::min(loop_.now_ns() + kTickNs, deliveries_.NextDueNs()));
  }
  Finish();
}

void LoadShard::Tick() {
  if (orders.end_ramp) EndRamp();
  if (progress.storms < orders.storms) Storm();
  OpenClients();
  deliveries_.Work();
}

void LoadShard::EndRamp() {
  const size_t forgotten = arrivals_.Forget();
  result_.never_begun += forgotten;
  progress.settled.fetch_add(forgotten, std::memory_order_relaxed);
}

void LoadShard::OpenClients() {
  // Those who were cut off a moment ago still have their sockets.
  const auto room = [this] {
    return io_.stats().sockets_open + io_.stats().sockets_closing + options_->couriers < sockets_;
  };
  Visit visit;
  while (entering_ < options_->entering && room() && arrivals_.Next(loop_.now_ns(), &visit)) {
    const uint32_t user = visit.client / options_->clients_per_user / options_->threads;
    ++entering_;
    clients_.push_back(std::make_unique<Client>(*this, deliveries_.user(user), visit));
    clients_.back()->index = clients_.size() - 1;
    clients_.back()->Open();
  }
}

void LoadShard::OnClientIdle(const Visit& visit) {
  --entering_;
  progress.idle.fetch_add(1, std::memory_order_relaxed);
  if (visit.why == Visit::Why::kFirst) {
    ++result_.established;
    result_.come.Record(loop_.now_ns() - visit.first_ns);
    progress.settled.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  ++result_.returned;
  result_.back.Record(loop_.now_ns() - visit.first_ns);
  if (visit.why == Visit::Why::kStorm) progress.away.fetch_sub(1, std::memory_order_relaxed);
}

void LoadShard::OnClientEnded(Client* client) {
  const Visit visit = client->visit();
  if (client->idle()) {
    ++result_.dropped;
    progress.idle.fetch_sub(1, std::memory_order_relaxed);
    if (options_->return_lost) {
      arrivals_.Return(visit.client, Visit::Why::kLost, loop_.now_ns());
    }
  } else {
    --entering_;
    if (arrivals_.Retry(visit, loop_.now_ns())) {
      ++result_.retries;
    } else if (visit.why == Visit::Why::kFirst) {
      ++result_.failed;
      progress.settled.fetch_add(1, std::memory_order_relaxed);
    } else {
      ++result_.not_returned;
      progress.given_up.fetch_add(1, std::memory_order_relaxed);
      if (visit.why == Visit::Why::kStorm) progress.away.fetch_sub(1, std::memory_order_relaxed);
    }
  }
  loop_.Retire(TakeOut(&clients_, client));
}

void LoadShard::OnClientAway(Client* client, Visit::Why why, uint64_t back_ns) {
  progress.idle.fetch_sub(1, std::memory_order_relaxed);
  arrivals_.Return(client->visit().client, why, back_ns);
  loop_.Retire(TakeOut(&clients_, client));
}

// From the back, because the last one takes the place of one that goes.
void LoadShard::Storm() {
  for (size_t i = clients_.size(); i-- > 0;) {
    if (!clients_[i]->idle()) continue;
    progress.away.fetch_add(1, std::memory_order_relaxed);
    clients_[i]->Drop(Visit::Why::kStorm, loop_.now_ns());
  }
  progress.storms.fetch_add(1);
}

// Of those who are under way or wait for a try.
void LoadShard::CountMissing() {
  const auto count = [this](const Visit& visit) {
    if (!Missing(visit)) return;
    ++result_.not_returned;
    result_.NoteError("client: not back in the end");
  };
  for (const auto& client : clients_) {
    if (!client->idle()) count(client->visit());
  }
  arrivals_.Forget();
  for (Visit visit; arrivals_.Next(kNever, &visit);) count(visit);
}

void LoadShard::Finish() {
  loop_.set_work(nullptr);
  CountMissing();
  for (const auto& client : clients_) client->Leave();
  deliveries_.Leave();
  const uint64_t end = loop_.now_ns() + kGoodbyeNs;
  do {
    loop_.Turn(loop_.now_ns() + kTickNs);
  } while (loop_.now_ns() < end && io_.stats().sockets_closing > 0);
  clients_.clear();
}

}  // namespace roost::load
