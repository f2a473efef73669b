#include "core/shard/server.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "core/base/cleanse.h"
#include "core/base/log.h"
#include "core/base/resident.h"
#include "core/config/resolve.h"
#include "core/io/listener.h"
#include "core/shard/survey.h"

namespace roost {
namespace {

// As the Ios do.
uint64_t NowNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return SecondsToNs(static_cast<uint64_t>(now.tv_sec)) + static_cast<uint64_t>(now.tv_nsec);
}

// What shards need not have: Stores have it.
Config WithoutPasswords(Config config) {
  for (StoreConfig& store : config.stores) Cleanse(&store.master_password);
  return config;
}

Server::StoreDrained DrainedOf(const StoreResolver& resolver, size_t store) {
  Server::StoreDrained of{.whole = resolver.whole_drained(store)};
  for (const StoreAddress& one : resolver.addresses()[store]) {
    of.elsewhere = of.elsewhere || (!one.gone && !one.down && !one.drained);
  }
  of.addresses =
      Listed(resolver.addresses()[store], [](const StoreAddress& one) { return one.drained; });
  return of;
}

std::string Joined(const std::vector<std::string>& words) {
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : ", ") + word;
  return all;
}

}  // namespace

Server::Server(const Config& config)
    : config_(config), drain_on_stop_s_(config.drain.on_stop_s), wanted_(config) {}

std::unique_ptr<Server> Server::Create(const Config& config, std::string* error) {
  std::unique_ptr<Server> server(new Server(config));
  ShardCommon& common = server->common_;
  common.config = &server->config_;
  Routes::Built routes = Routes::Build(server->config_, error);
  if (!routes) return nullptr;
  server->routes_.Take(std::move(routes));
  common.router = server->router_ = server->routes_.router();
  common.shards = ShardsOf(config);
  server->jobs_ = std::make_unique<ShardJobs[]>(common.shards);
  server->turned_ns_ = std::make_unique<std::atomic<uint64_t>[]>(common.shards);
  ListenerTls::Context tls;
  if (!server->listener_tls_.Build(config, &tls, error)) return nullptr;
  server->listener_tls_.Take(std::move(tls), config.tls, NowNs());
  server->tls_ = server->listener_tls_.context();
  if (!server->ResolveStores(error)) return nullptr;
  for (uint32_t i = 0; i < common.shards; ++i) {
    server->shard_configs_.push_back(std::make_unique<Config>(WithoutPasswords(server->config_)));
  }
  UringSet::Options options;
  options.count = common.shards;
  options.mode = config.descriptors;
  options.limits.max_sockets = kMostSocketsOfAShard;
  options.others += common.shards * static_cast<uint32_t>(config.listeners.size());
  server->ios_ = UringSet::Create(options, error);
  if (server->ios_ == nullptr) return nullptr;
  server->ios_->at(0).Random(
      {reinterpret_cast<uint8_t*>(&common.hash_key), sizeof common.hash_key});
  server->ios_->at(0).Random(
      {reinterpret_cast<uint8_t*>(&common.connection_seed), sizeof common.connection_seed});
  HashKey addresses;
  server->ios_->at(0).Random({reinterpret_cast<uint8_t*>(&addresses), sizeof addresses});
  common.addresses = std::make_unique<AddressLimits>(addresses, common.shards);
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

// Null with *error.
std::shared_ptr<const Server::Stores> Server::MakeStores(const Config& config, std::string* error) {
  auto stores = std::make_shared<Stores>();
  for (const StoreConfig& store : config.stores) {
    StoreSettings settings;
    settings.config = std::make_shared<const StoreConfig>(store);
    if (store.tls != StoreConfig::Tls::kNone) {
      TlsClientOptions options;
      options.verify = store.verify;
      options.ca_file = store.ca_file;
      settings.tls = TlsClientContext::Create(options, error);
      if (settings.tls == nullptr) {
        *error = "store " + store.name + ": " + *error;
        return nullptr;
      }
    }
    stores->push_back(std::move(settings));
  }
  return stores;
}

bool Server::ResolveStores(std::string* error) {
  resolver_ = std::make_unique<StoreResolver>(config_.stores, ResolveHostPort);
  if (!resolver_->Start(NowNs(), error)) return false;
  stores_ = MakeStores(config_, error);
  if (stores_ == nullptr) return false;
  for (size_t i = 0; i < stores_->size(); ++i) {
    StoreTarget target;
    static_cast<StoreSettings&>(target) = stores_->at(i);
    target.index = static_cast<StoreIndex>(i);
    target.addresses = resolver_->addresses()[i];
    common_.targets.push_back(std::move(target));
  }
  store_addresses_ = std::make_shared<StoreResolver::Addresses>(resolver_->addresses());
  store_plans_.resize(config_.stores.size());
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
  all_bound_ = std::make_unique<std::latch>(common_.shards);
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < common_.shards; ++i) threads.emplace_back([this, i] { RunShard(i); });
  for (std::thread& thread : threads) thread.join();
}

// One turn, and a part of what is asked of the shard.
void Server::Turn(uint32_t index, Shard& shard) {
  const UringIo& io = ios_->at(index);
  const ShardJob::Progress progress = jobs_[index].Step(shard);
  uint64_t deadline = io.NowNs();
  if (progress == ShardJob::Progress::kDone) deadline += kTickNs;
  if (progress == ShardJob::Progress::kWaits) deadline += kWaitNs;
  shard.Turn(deadline);
  turned_ns_[index].store(io.NowNs(), std::memory_order_relaxed);
}

void Server::RunShard(uint32_t index) {
  UringIo& io = ios_->at(index);
  io.Bind();
  all_bound_->arrive_and_wait();
  {
    Shard shard(index, common_, io, shard_configs_[index].get());
    {
      std::lock_guard lock(mutex_);
      shard.SetTls(tls_);
    }
    shard.Start(std::exchange(listeners_[index], {}));
    if (index == 0) {
      shard.CheckStores([this](const StoreVerdict& verdict) {
        std::lock_guard lock(mutex_);
        verdicts_.push_back(verdict);
      });
    }
    turned_ns_[index].store(io.NowNs(), std::memory_order_relaxed);
    jobs_[index].Open();
    TakeOrders(index, shard);  // what was ordered before it could be asked
    if (++serving_ == common_.shards)
      common_.router = nullptr;  // each has it, until there is another
    ServeShard(index, shard);
    shard.Stop("[UNAVAILABLE] Server shutting down");
    // The last words leave; whoever does not take them in time is cut off.
    const uint64_t end =
        io.NowNs() + SecondsToNs(static_cast<uint64_t>(shard_configs_[index]->timeouts.stop_s));
    while (io.NowNs() < end && io.stats().sockets_closing != 0) Turn(index, shard);
    jobs_[index].Close();
  }
}

void Server::ServeShard(uint32_t index, Shard& shard) {
  bool gone = false;
  uint64_t given_back_ns = 0;
  while (!stopping()) {
    Turn(index, shard);
    if (shard.now_ns() >= given_back_ns + kGiveBackNs) {
      given_back_ns = shard.now_ns();
      GiveBackKept();
    }
    if (ends_asked_.load(std::memory_order_relaxed) != 0) BeginEnd();
    if (shard.drained() != gone) {
      gone = !gone;
      gone ? ++gone_ : --gone_;
    }
    // One on its way between two of them is told BYE by the one that it comes to.
    if (gone && gone_ == common_.shards && common_.moves.empty()) RequestStop();
  }
}

void Server::TakeOrders(uint32_t index, Shard& shard) {
  std::lock_guard lock(mutex_);
  *shard_configs_[index] = WithoutPasswords(wanted_);
  const MemoryLevel memory = memory_level_;
  if (memory != MemoryLevel::kPlenty) shard_configs_[index]->parking.pool_keep_s = 0;
  shard.SetMemoryLevel(memory);
  shard.SetStores(*stores_);
  if (switches_ != nullptr) shard.SetSwitches(switches_);
  if (tls_ != nullptr) shard.SetTls(tls_);
  shard.SetRouter(router_);
  shard.SetStoreAddresses(*store_addresses_);
  shard.DrainStores(store_plans_);
  if (plan_) shard.Drain(*plan_);
}

void Server::RequestEnd() {
  const bool again = ends_asked_.fetch_add(1, std::memory_order_relaxed) != 0;
  if (again || drain_on_stop_s_.load(std::memory_order_relaxed) == 0) RequestStop();
}

// What a signal could only ask for.
void Server::BeginEnd() {
  static constexpr uint32_t kBegun = 1u << 30;
  if (ends_asked_.load(std::memory_order_relaxed) >= kBegun) return;
  if (ends_asked_.fetch_or(kBegun, std::memory_order_relaxed) < kBegun) {
    Drain(static_cast<uint64_t>(drain_on_stop_s_.load(std::memory_order_relaxed)));
  }
}

void Server::Drain(uint64_t over_s) {
  Log(LogLevel::kInfo, "drain", {{"over_s", over_s}});
  {
    std::lock_guard lock(mutex_);
    const auto accepting_s = static_cast<uint64_t>(wanted_.drain.accept_s);
    plan_ = DrainPlan::Make(NowNs(), over_s, accepting_s);
  }
  drains_.fetch_add(1, std::memory_order_relaxed);
  Order();
}

uint64_t Server::drain_over_s() const {
  std::lock_guard lock(mutex_);
  return static_cast<uint64_t>(wanted_.drain.over_s);
}

uint64_t Server::Kick(const std::string& login) {
  struct Walk {
    uint32_t place = 0;
    uint64_t kicked = 0;
  };
  const auto walks = std::make_shared<std::vector<Walk>>(common_.shards);
  AskInSlices([walks, login](uint32_t index, Shard& shard) {
    Walk& walk = walks->at(index);
    walk.kicked += shard.KickSome(login, &walk.place);
    return walk.place == kNoIndex;
  });
  uint64_t kicked = 0;
  for (const Walk& walk : *walks) kicked += walk.kicked;
  Log(LogLevel::kInfo, "kick", {{"user", login}, {"clients", kicked}});
  return kicked;
}

std::shared_ptr<Asking> Server::AskAll(Slice slice, Asking::Dropped dropped) {
  auto asking = std::make_shared<Asking>(std::move(slice), common_.shards, std::move(dropped));
  for (uint32_t i = 0; i < common_.shards; ++i) Post(i, Asking::Part(asking, i));
  return asking;
}

bool Server::AskInSlices(Slice slice) { return AskAll(std::move(slice))->Await(); }

bool Server::Ask(Question question) {
  return AskInSlices([question = std::move(question)](uint32_t index, Shard& shard) {
    question(index, shard);
    return true;
  });
}

// Has all shards take what was set under mutex_, which is not held now.
std::shared_ptr<Asking> Server::Order() {
  return AskAll([this](uint32_t index, Shard& shard) {
    TakeOrders(index, shard);
    return true;
  });
}

std::string Server::DrainStore(const StoreOrder& order, StoreDrained* done) {
  const auto& all = config_.stores;
  const auto store = std::find_if(all.begin(), all.end(),
                                  [&](const StoreConfig& one) { return one.name == order.store; });
  if (store == all.end()) return "there is no store " + order.store;
  const auto index = static_cast<size_t>(store - all.begin());
  Address address;
  const bool whole = order.address.empty();
  if (!whole && !Address::Parse(order.address, &address)) {
    return order.address + " is no address and port, like 192.0.2.1:143 or [2001:db8::1]:143";
  }
  {
    std::lock_guard renewing(renewing_);
    if (!resolver_->Drain(index, whole ? nullptr : &address, order.drain)) {
      return "store " + order.store + " has no address " + order.address + " now";
    }
    *done = DrainedOf(*resolver_, index);
    std::lock_guard lock(mutex_);
    store_addresses_ = std::make_shared<StoreResolver::Addresses>(resolver_->addresses());
    std::optional<StoreDrainPlan>& plan = store_plans_[index];
    if (order.drain) plan = StoreDrainPlan{DrainPlan::Make(NowNs(), order.over_s, 0)};
    if (!resolver_->drained(index)) plan.reset();
    if (plan) plan->whole = resolver_->whole_drained(index);
  }
  Log(LogLevel::kInfo, order.drain ? "store_drain" : "store_undrain",
      {{"store", order.store}, {"address", order.address}, {"over_s", order.over_s}});
  Order()->Await();
  return {};
}

Server::Reloaded Server::Reload(const Config& config, std::string* told) {
  const Reloaded done = TakeConfig(config, told);
  // One that has not begun takes it then.
  if (done != Reloaded::kRefused) Order()->Await();
  return done;
}

Server::Reloaded Server::TakeConfig(const Config& config, std::string* told) {
  std::lock_guard renewing(renewing_);
  Config wanted = wanted_;
  const std::vector<std::string> left = TakeReloadable(config, &wanted);
  Routes::Built routes = Routes::Build(wanted, told);
  if (!routes) return Reloaded::kRefused;
  ListenerTls::Context tls;
  if (!listener_tls_.Build(wanted, &tls, told)) return Reloaded::kRefused;
  std::shared_ptr<const Stores> stores = MakeStores(wanted, told);
  if (stores == nullptr) return Reloaded::kRefused;
  if (!resolver_->Change(wanted.stores, NowNs(), told)) return Reloaded::kRefused;
  // From here on nothing is refused.
  *told = Joined(left);
  drain_on_stop_s_ = wanted.drain.on_stop_s;
  SetLogLevel(static_cast<LogLevel>(wanted.log.level));
  routes_.Take(std::move(routes));
  listener_tls_.Take(std::move(tls), wanted.tls, NowNs());
  std::lock_guard lock(mutex_);
  wanted_ = std::move(wanted);
  tls_ = listener_tls_.context();
  router_ = routes_.router();
  stores_ = std::move(stores);
  store_addresses_ = std::make_shared<StoreResolver::Addresses>(resolver_->addresses());
  switches_ = std::make_shared<ParkingSwitches>(wanted_);
  return left.empty() ? Reloaded::kWhole : Reloaded::kInPart;
}

void Server::Tend() {
  TendMemory();
  // A reload may be at work for seconds, on names or on a map: what it changes can wait.
  const std::unique_lock renewing(renewing_, std::try_to_lock);
  if (!renewing) return;
  const bool keys = TendTls();
  const bool routes = TendRoutes();
  const bool addresses = TendResolver();
  if (keys || routes || addresses) Order();
}

void Server::TendMemory() {
  std::lock_guard looking(looking_);
  uint64_t limit = 0;
  {
    std::lock_guard lock(mutex_);
    limit = static_cast<uint64_t>(wanted_.limits.max_memory_mib) << 20;
  }
  const MemoryLevel before = memory_level_;
  const MemoryWatch::Seen seen = memory_.Step(NowNs(), limit, ResidentBytes, GiveBackFreed);
  if (seen.level != before) {
    memory_level_ = seen.level;
    Log(seen.level > before ? LogLevel::kWarning : LogLevel::kInfo, "memory_level",
        {{"level", MemoryLevelName(seen.level)},
         {"used_mib", seen.used >> 20},
         {"max_memory_mib", limit >> 20}});
    Order();
  }
  if (seen.sheds) {
    AskAll([](uint32_t, Shard& shard) {
      shard.Shed();
      return true;
    });
  }
}

// True: there are others now.
bool Server::TendResolver() {
  std::vector<StoreVerdict> verdicts;
  {
    std::lock_guard lock(mutex_);
    verdicts.swap(verdicts_);
  }
  bool changed = resolver_->Tend(NowNs());
  for (const StoreVerdict& verdict : verdicts) changed = resolver_->Note(verdict) || changed;
  if (!changed) return false;
  std::lock_guard lock(mutex_);
  store_addresses_ = std::make_shared<StoreResolver::Addresses>(resolver_->addresses());
  return true;
}

// True: there are others now.
bool Server::TendRoutes() {
  if (!routes_.Tend(wanted_, NowNs())) return false;
  std::lock_guard lock(mutex_);
  router_ = routes_.router();
  return true;
}

// True: it is another one now.
bool Server::TendTls() {
  if (!listener_tls_.Tend(wanted_.tls, NowNs())) return false;
  std::lock_guard lock(mutex_);
  tls_ = listener_tls_.context();
  return true;
}

std::vector<ShardFigures> Server::Figures() {
  const auto surveys = std::make_shared<std::vector<std::optional<Survey>>>(common_.shards);
  for (std::optional<Survey>& survey : *surveys) survey.emplace();
  // One that is not finished must end before its shard does.
  const auto asking =
      AskAll([surveys](uint32_t index, Shard& shard) { return surveys->at(index)->Step(shard); },
             [surveys](uint32_t index) { surveys->at(index).reset(); });
  if (!asking->Await(kAnswerNs)) return {};
  std::vector<ShardFigures> figures;
  for (const std::optional<Survey>& survey : *surveys) figures.push_back(survey->figures());
  return figures;
}

std::vector<std::string> Server::StoreNames() const {
  std::vector<std::string> names;
  for (const StoreConfig& store : config_.stores) names.push_back(store.name);
  return names;
}

std::shared_ptr<const StoreResolver::Addresses> Server::StoreAddresses() {
  std::lock_guard lock(mutex_);
  return store_addresses_;
}

uint64_t Server::SilentNs() const {
  if (serving_ != common_.shards || stopping()) return 0;
  const uint64_t now = NowNs();
  uint64_t oldest = now;
  for (uint32_t i = 0; i < common_.shards; ++i) {
    const uint64_t turned = turned_ns_[i].load(std::memory_order_relaxed);
    oldest = std::min(oldest, turned);
  }
  return now - std::min(now, oldest);
}

std::string Server::NotReady() const {
  if (stopping()) return "stopping";
  if (draining()) return "draining";
  if (serving_ != common_.shards) return "starting";
  if (memory_level_.load() >= MemoryLevel::kFull) return "memory";
  return {};
}

}  // namespace roost
