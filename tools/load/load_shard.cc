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

}  // namespace

double PartOf(uint32_t rate, const Options& options) {
  return static_cast<double>(rate) / options.threads;
}

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
      loop_(io, *this),
      deliveries_(*this) {
  for (uint32_t user = number; user < UserCount(*options); user += options->threads) {
    deliveries_.AddUser(UserName(*options, user));
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
    loop_.Turn(std::min(loop_.now_ns() + kTickNs, deliveries_.NextDueNs()));
  }
  Finish();
}

void LoadShard::Tick() {
  OpenClients();
  deliveries_.Work();
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
    clients_.push_back(std::make_unique<Client>(*this, deliveries_.user(user), number));
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

void LoadShard::Finish() {
  for (const auto& client : clients_) client->Leave();
  deliveries_.Leave();
  const uint64_t end = loop_.now_ns() + kGoodbyeNs;
  do {
    loop_.Turn(loop_.now_ns() + kTickNs);
  } while (loop_.now_ns() < end && io_.stats().sockets_closing > 0);
  clients_.clear();
}

}  // namespace roost::load
