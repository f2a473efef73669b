#include "core/shard/server.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "core/base/log.h"
#include "core/config/resolve.h"
#include "core/io/listener.h"

namespace roost {

std::unique_ptr<Server> Server::Create(const Config& config, std::string* error) {
  std::unique_ptr<Server> server(new Server(config));
  ShardCommon& common = server->common_;
  common.config = &server->config_;
  std::vector<ConfigError> errors;
  server->router_ = Router::Build(server->config_, &errors);
  if (server->router_ == nullptr) {
    *error = errors.empty() ? "the routes cannot be built" : errors.front().ToString();
    return nullptr;
  }
  common.router = server->router_.get();
  common.shards = config.shards > 0 ? static_cast<uint32_t>(config.shards)
                                    : std::max(1u, std::thread::hardware_concurrency());
  if (!server->LoadTls(error) || !server->ResolveStores(error)) return nullptr;
  UringSet::Options options;
  options.count = common.shards;
  options.mode = config.descriptors;
  server->ios_ = UringSet::Create(options, error);
  if (server->ios_ == nullptr) return nullptr;
  server->ios_->at(0).Random(
      {reinterpret_cast<uint8_t*>(&common.hash_key), sizeof common.hash_key});
  if (!server->OpenListeners(error)) return nullptr;
  const bool direct = server->ios_->mode() == DescriptorMode::kDirect;
  server->description_ = std::to_string(common.shards) + " shards on io_uring with " +
                         (direct ? "direct" : "ordinary") +
                         " descriptors: " + server->ios_->mode_reason();
  return server;
}

Server::~Server() {
  for (auto& shard : listeners_) {
    for (ListenerDescriptor& listener : shard) CloseListenerDescriptor(&listener);
  }
}

bool Server::LoadTls(std::string* error) {
  const bool wanted =
      std::any_of(config_.listeners.begin(), config_.listeners.end(),
                  [](const ListenerConfig& l) { return l.tls != ListenerConfig::Tls::kNone; });
  if (!wanted) return true;
  TlsServerOptions options;
  options.tls13_only = config_.tls.minimum_version == TlsConfig::Version::k13;
  options.tickets = config_.tls.tickets;
  for (const CertificateConfig& certificate : config_.certificates) {
    TlsCertificate c;
    c.chain_file = certificate.chain_file;
    c.key_file = certificate.key_file;
    options.certificates.push_back(std::move(c));
  }
  common_.tls = TlsServerContext::Create(options, error);
  return common_.tls != nullptr;
}

bool Server::ResolveStores(std::string* error) {
  for (size_t i = 0; i < config_.stores.size(); ++i) {
    const StoreConfig& store = config_.stores[i];
    StoreTarget target;
    target.index = static_cast<StoreIndex>(i);
    target.config = &store;
    for (const HostPort& address : store.addresses) {
      std::vector<Address> found;
      std::string problem;
      if (!ResolveHostPort(address, &found, &problem)) {
        *error = "store " + store.name + ": " + address.ToString() + ": " + problem;
        return false;
      }
      target.addresses.insert(target.addresses.end(), found.begin(), found.end());
    }
    if (store.tls != StoreConfig::Tls::kNone) {
      TlsClientOptions options;
      options.verify = store.verify;
      options.ca_file = store.ca_file;
      target.tls = TlsClientContext::Create(options, error);
      if (target.tls == nullptr) {
        *error = "store " + store.name + ": " + *error;
        return false;
      }
    }
    common_.targets.push_back(std::move(target));
  }
  return true;
}

bool Server::OpenListeners(std::string* error) {
  listeners_.resize(common_.shards);
  for (const ListenerConfig& listener : config_.listeners) {
    ListenOptions options;
    options.user_timeout_ms = config_.timeouts.tcp_user_timeout_s * 1000;
    options.keepalive_s = config_.timeouts.tcp_keepalive_s;
    Address address = listener.address;
    for (auto& shard : listeners_) {
      ListenerDescriptor descriptor = OpenListener(address, options, error);
      if (descriptor.fd < 0) return false;
      address = descriptor.bound;  // port 0: the first one's for all
      shard.push_back(descriptor);
    }
    bound_.push_back(address.ToString());
  }
  return true;
}

void Server::Run() {
  {
    std::lock_guard lock(mutex_);  // somebody may ask for figures already
    seen_.resize(common_.shards);
    running_ = common_.shards;
  }
  all_bound_ = std::make_unique<std::latch>(common_.shards);
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < common_.shards; ++i) threads.emplace_back([this, i] { RunShard(i); });
  for (std::thread& thread : threads) thread.join();
}

void Server::RunShard(uint32_t index) {
  UringIo& io = ios_->at(index);
  io.Bind();
  all_bound_->arrive_and_wait();
  {
    Shard shard(index, common_, io);
    shard.Start(std::exchange(listeners_[index], {}));
    ServeShard(index, shard, io);
    shard.Stop("[UNAVAILABLE] Server shutting down");
    // The last words leave; whoever does not take them in time is cut off.
    const uint64_t end =
        io.NowNs() + SecondsToNs(static_cast<uint64_t>(std::min(config_.timeouts.stop_s, 5)));
    while (io.NowNs() < end && io.stats().sockets_closing != 0) shard.Turn(io.NowNs() + kTickNs);
  }
  std::lock_guard lock(mutex_);
  --running_;
  answered_.notify_all();
}

void Server::ServeShard(uint32_t index, Shard& shard, UringIo& io) {
  uint64_t orders = 0;
  bool gone = false;
  while (!stopping()) {
    shard.Turn(io.NowNs() + kTickNs);
    if (ends_asked_.load(std::memory_order_relaxed) != 0) BeginEnd();
    TakeOrders(shard, &orders);
    AnswerQuestion(index, shard);
    if (shard.drained() != gone) {
      gone = !gone;
      gone ? ++gone_ : --gone_;
    }
    // One on its way between two of them is told BYE by the one that it comes to.
    if (gone && gone_ == common_.shards && common_.moves.empty()) RequestStop();
  }
}

void Server::TakeOrders(Shard& shard, uint64_t* taken) {
  if (orders_.load(std::memory_order_relaxed) == *taken) return;
  std::lock_guard lock(mutex_);
  *taken = orders_.load(std::memory_order_relaxed);
  if (switches_ != nullptr) shard.SetSwitches(switches_);
  if (plan_) shard.Drain(*plan_);
}

void Server::AnswerQuestion(uint32_t index, Shard& shard) {
  const uint64_t asked = asked_.load(std::memory_order_relaxed);
  if (asked == seen_[index]) return;
  std::shared_ptr<const std::function<void(uint32_t, Shard&)>> question;
  {
    std::lock_guard lock(mutex_);
    question = question_;
  }
  (*question)(index, shard);
  std::lock_guard lock(mutex_);
  seen_[index] = asked;
  answered_.notify_all();
}

void Server::RequestEnd() {
  const bool again = ends_asked_.fetch_add(1, std::memory_order_relaxed) != 0;
  if (again || config_.drain.on_stop_s == 0) RequestStop();
}

// What a signal could only ask for.
void Server::BeginEnd() {
  static constexpr uint32_t kBegun = 1u << 30;
  if (ends_asked_.load(std::memory_order_relaxed) >= kBegun) return;
  if (ends_asked_.fetch_or(kBegun, std::memory_order_relaxed) < kBegun) {
    Drain(static_cast<uint64_t>(config_.drain.on_stop_s));
  }
}

void Server::Drain(uint64_t over_s) {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);  // as the Ios do
  const uint64_t now_ns =
      SecondsToNs(static_cast<uint64_t>(now.tv_sec)) + static_cast<uint64_t>(now.tv_nsec);
  const auto accepting_s = static_cast<uint64_t>(config_.drain.accept_s);
  Log(LogLevel::kInfo, "drain", {{"over_s", std::to_string(over_s)}});
  std::lock_guard lock(mutex_);
  plan_ = DrainPlan::Make(now_ns, over_s, accepting_s);
  drains_.fetch_add(1, std::memory_order_relaxed);
  orders_.fetch_add(1, std::memory_order_relaxed);
}

uint64_t Server::Kick(const std::string& login) {
  const auto kicked = std::make_shared<std::atomic<uint64_t>>(0);
  Ask([kicked, login](uint32_t, Shard& shard) { *kicked += shard.Kick(login); });
  Log(LogLevel::kInfo, "kick", {{"user", login}, {"clients", std::to_string(*kicked)}});
  return *kicked;
}

bool Server::Ask(std::function<void(uint32_t index, Shard& shard)> question) {
  std::lock_guard asking(asking_);
  std::unique_lock lock(mutex_);
  question_ = std::make_shared<const std::function<void(uint32_t, Shard&)>>(std::move(question));
  const uint64_t asked = asked_.fetch_add(1) + 1;
  answered_.wait(lock, [&] {
    return running_ < common_.shards ||
           std::all_of(seen_.begin(), seen_.end(), [&](uint64_t seen) { return seen >= asked; });
  });
  return running_ == common_.shards;
}

bool Server::Reload(const Config& config) {
  std::lock_guard lock(mutex_);
  const bool whole = TakeSwitches(config, &wanted_);
  switches_ = std::make_shared<ParkingSwitches>(wanted_);
  orders_.fetch_add(1, std::memory_order_relaxed);
  return whole;
}

std::vector<ShardFigures> Server::Figures() {
  const auto figures = std::make_shared<std::vector<ShardFigures>>(common_.shards);
  const bool whole =
      Ask([figures](uint32_t index, Shard& shard) { (*figures)[index] = shard.Figures(); });
  return whole ? *figures : std::vector<ShardFigures>();
}

}  // namespace roost
