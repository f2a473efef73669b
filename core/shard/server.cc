#include "core/shard/server.h"

#include <algorithm>
#include <utility>

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
    figures_.resize(common_.shards);
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
    uint64_t switched = 0;
    while (!stopping()) {
      shard.Turn(io.NowNs() + kTickNs);
      if (switched_.load(std::memory_order_relaxed) != switched) {
        std::lock_guard lock(mutex_);
        switched = switched_.load(std::memory_order_relaxed);
        shard.SetSwitches(switches_);
      }
      const uint64_t asked = asked_.load(std::memory_order_relaxed);
      if (asked == seen_[index]) continue;
      ShardFigures figures = shard.Figures();
      std::lock_guard lock(mutex_);
      figures_[index] = figures;
      seen_[index] = asked;
      answered_.notify_all();
    }
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

bool Server::Reload(const Config& config) {
  std::lock_guard lock(mutex_);
  const bool whole = TakeSwitches(config, &wanted_);
  switches_ = std::make_shared<ParkingSwitches>(wanted_);
  switched_.fetch_add(1, std::memory_order_relaxed);
  return whole;
}

std::vector<ShardFigures> Server::Figures() {
  std::unique_lock lock(mutex_);
  const uint64_t asked = asked_.fetch_add(1) + 1;
  answered_.wait(lock, [&] {
    return running_ < common_.shards ||
           std::all_of(seen_.begin(), seen_.end(), [&](uint64_t seen) { return seen >= asked; });
  });
  if (running_ < common_.shards) return {};
  return figures_;
}

}  // namespace roost
