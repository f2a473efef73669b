// roostd's process: everything that is made once from the configuration, and one thread for each
// shard.
//
// Create opens listeners, resolves stores, loads certificates and asks the kernel what it can do,
// and says what is wrong and what to do about it. Run blocks until RequestStop (async-signal-safe).
#ifndef ROOST_CORE_SHARD_SERVER_H_
#define ROOST_CORE_SHARD_SERVER_H_

#include <atomic>
#include <condition_variable>
#include <latch>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/config/config.h"
#include "core/io/uring_io.h"
#include "core/shard/shard.h"

namespace roost {

class Server {
 public:
  static std::unique_ptr<Server> Create(const Config& config, std::string* error);
  ~Server();

  // Starts the threads; returns when all have ended.
  void Run();
  void RequestStop() { stopping_.store(true, std::memory_order_relaxed); }
  bool stopping() const { return stopping_.load(std::memory_order_relaxed); }

  // Figures of all shards, each taken by its own thread within kTickNs or so. Any thread; empty
  // once stopped.
  std::vector<ShardFigures> Figures();

  // Takes what may be switched while running from a configuration that was loaded without errors.
  // Any thread. False: it differs in more, which needs a restart.
  bool Reload(const Config& config);

  // "2 shards, direct descriptors: …": for the log.
  const std::string& description() const { return description_; }
  const std::vector<std::string>& bound() const { return bound_; }

 private:
  static constexpr uint64_t kTickNs = 100 * kNsPerMs;  // how soon a shard sees a stop or a question

  explicit Server(const Config& config) : config_(config), wanted_(config) {}
  bool OpenListeners(std::string* error);
  bool LoadTls(std::string* error);
  bool ResolveStores(std::string* error);
  void RunShard(uint32_t index);

  const Config config_;
  std::unique_ptr<const Router> router_;
  ShardCommon common_;
  std::unique_ptr<UringSet> ios_;
  std::vector<std::vector<ListenerDescriptor>> listeners_;  // by shard
  std::vector<std::string> bound_;
  std::string description_;
  std::atomic<bool> stopping_{false};

  std::unique_ptr<std::latch>
      all_bound_;  // a ring takes no socket from another before its thread has bound it
  std::mutex mutex_;
  std::condition_variable answered_;
  std::atomic<uint64_t> asked_{0};
  std::vector<uint64_t> seen_;
  std::vector<ShardFigures> figures_;
  Config wanted_;  // config_ with the switches as they are now
  std::shared_ptr<const ParkingSwitches> switches_;
  std::atomic<uint64_t> switched_{0};
  uint32_t running_ = 0;
};

}  // namespace roost

#endif  // ROOST_CORE_SHARD_SERVER_H_
