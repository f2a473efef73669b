// roostd's process: everything that is made once from the configuration, and one thread for each
// shard.
//
// Create opens listeners, resolves stores, loads certificates and asks the kernel what it can do,
// and says what is wrong and what to do about it. Run blocks until RequestStop, or until a drain
// has told the last client BYE:
//
//   serves --Drain, RequestEnd--> drains, still accepting --drain.accept_s--> clients are told BYE
//          --nobody left--> stops
//   any --RequestStop--> stops: whoever is left is told BYE at once
#ifndef ROOST_CORE_SHARD_SERVER_H_
#define ROOST_CORE_SHARD_SERVER_H_

#include <atomic>
#include <functional>
#include <latch>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/config/config.h"
#include "core/io/uring_io.h"
#include "core/shard/asking.h"
#include "core/shard/jobs.h"
#include "core/shard/listener_tls.h"
#include "core/shard/memory_watch.h"
#include "core/shard/routes.h"
#include "core/shard/shard.h"

namespace roost {

class Server {
 public:
  // Descriptors: clients and sessions. Where they are direct each shard has a table for them, of
  // this size or of RLIMIT_NOFILE's, where the kernel needs 8 bytes for each place; where they are
  // ordinary the shards have equal parts of RLIMIT_NOFILE.
  static constexpr uint32_t kMostSocketsOfAShard = 1 << 18;
  static_assert(kMostSocketsOfAShard <= AddressLimits::kClientsOfAShard);

  static std::unique_ptr<Server> Create(const Config& config, std::string* error);
  ~Server();

  // Starts the threads; returns when all have ended.
  void Run();
  // These two are async-signal-safe.
  void RequestStop() { stopping_.store(true, std::memory_order_relaxed); }
  // Drains over drain.on_stop_s, or stops where that is 0; asked again, it stops at once.
  void RequestEnd();
  bool stopping() const { return stopping_.load(std::memory_order_relaxed); }

  // Tells all clients BYE, spread over so many seconds, and ends. Any thread; asked again, the new
  // time counts.
  void Drain(uint64_t over_s);
  // About to go, whether clients know it or not: nobody should be sent here any more.
  bool draining() const {
    return stopping() || ends_asked_.load(std::memory_order_relaxed) != 0 ||
           drains_.load(std::memory_order_relaxed) != 0;
  }
  uint64_t drain_over_s() const;
  // BYE to all clients of a user, by login name; returns how many. Any thread.
  uint64_t Kick(const std::string& login);

  // Nobody new is to go to the store, or to one of its addresses; those who are there leave, spread
  // over so many seconds (store_drains.h). Or they may come again. Until the end of the process.
  // Why not; empty: done. Any thread.
  struct StoreOrder {
    std::string store;
    std::string address;  // empty: all
    bool drain = true;
    uint64_t over_s = 0;
  };
  // What is so once it is done.
  struct StoreDrained {
    bool whole = false;      // the store, wherever its names lead
    bool elsewhere = false;  // an address of it answers and is not drained
    std::string addresses;   // those that are drained, with blanks between them
  };
  std::string DrainStore(const StoreOrder& order, StoreDrained* done);

  // Has a shard do it. Any thread. Dropped unless the shard runs.
  void Post(uint32_t shard, const std::shared_ptr<ShardJob>& job) { jobs_[shard].Post(job); }
  // Runs `question` once on the thread of each shard, each within kTickNs or so; returns when all
  // have. False when one does not run or ends before; some may be running it yet, so it must own
  // what it refers to. Any thread but theirs.
  using Question = std::function<void(uint32_t index, Shard& shard)>;
  bool Ask(Question question);
  // The same in slices: again in the next turn until it says true.
  using Slice = Asking::Slice;
  bool AskInSlices(Slice slice);
  uint32_t shards() const { return common_.shards; }
  std::vector<std::string> StoreNames() const;  // by StoreIndex
  // Where they are, and what is known of each address. Any thread.
  std::shared_ptr<const StoreResolver::Addresses> StoreAddresses();
  // Figures of all shards, each taken by its own thread in slices, within kTickNs or so. Any
  // thread; empty unless all run.
  std::vector<ShardFigures> Figures();
  // For how long the shard that has been silent longest has not ended a turn; with nothing to do it
  // does every kTickNs. Any thread. 0 unless it serves.
  uint64_t SilentNs() const;
  // Why no more clients should be sent here; empty: they are welcome. Any thread.
  std::string NotReady() const;

  // Takes what may be changed while running (TakeReloadable) from a configuration that was loaded
  // without errors, and reads certificates, keys, ticket keys, the authorities of stores and the
  // map of users anew. All or nothing: kRefused, with *told, when one of these cannot be used.
  // kInPart: it differs in more, which needs a restart; *told names the keys. All that run have
  // taken it when it returns. Any thread but theirs.
  enum class Reloaded : uint8_t { kWhole, kInPart, kRefused };
  Reloaded Reload(const Config& config, std::string* told);
  // Rotates ticket keys when their time has come, or reads them again; reads the map of users again
  // when it has changed; once a second looks at the memory that the process has, also while a
  // reload takes its time. To be called now and then while it runs, from any thread.
  void Tend();

  // "2 shards, direct descriptors: …": for the log.
  const std::string& description() const { return description_; }
  const std::vector<std::string>& bound() const { return bound_; }

 private:
  static constexpr uint64_t kTickNs = 100 * kNsPerMs;  // how soon a shard sees a stop or a question
  static constexpr uint64_t kWaitNs = 2 * kNsPerMs;    // while an asker must take something first
  static constexpr uint64_t kGiveBackNs = SecondsToNs(5);  // how often a shard's GiveBackKept
  static constexpr uint64_t kAnswerNs = SecondsToNs(3);

  using Stores = std::vector<StoreSettings>;  // by StoreIndex

  explicit Server(const Config& config);
  bool OpenListeners(std::string* error);
  static std::shared_ptr<const Stores> MakeStores(const Config& config, std::string* error);
  bool ResolveStores(std::string* error);
  void RunShard(uint32_t index);
  void ServeShard(uint32_t index, Shard& shard);
  void Turn(uint32_t index, Shard& shard);
  std::shared_ptr<Asking> AskAll(Slice slice, Asking::Dropped dropped = {});
  std::shared_ptr<Asking> Order();
  void TakeOrders(uint32_t index, Shard& shard);
  Reloaded TakeConfig(const Config& config, std::string* told);
  bool TendTls();
  bool TendResolver();
  bool TendRoutes();
  void TendMemory();
  void BeginEnd();

  const Config config_;
  ShardCommon common_;
  std::unique_ptr<UringSet> ios_;
  std::vector<std::vector<ListenerDescriptor>> listeners_;  // by shard
  std::vector<std::string> bound_;
  std::string description_;
  std::atomic<bool> stopping_{false};
  std::atomic<uint32_t> ends_asked_{0};  // by signals
  std::atomic<int> drain_on_stop_s_;
  std::atomic<uint32_t> drains_{0};
  std::atomic<uint32_t> gone_{0};  // shards that are drained

  std::unique_ptr<std::latch>
      all_bound_;  // a ring takes no socket from another before its thread has bound it
  std::unique_ptr<ShardJobs[]> jobs_;                   // by shard
  std::unique_ptr<std::atomic<uint64_t>[]> turned_ns_;  // by shard: end of its last turn, or 0
  std::atomic<uint32_t> serving_{0};                    // shards
  std::mutex renewing_;       // whoever changes the switches, TLS or routes; taken before mutex_
  Routes routes_;             // under renewing_
  ListenerTls listener_tls_;  // under renewing_
  std::unique_ptr<StoreResolver> resolver_;  // under renewing_
  mutable std::mutex mutex_;                 // what follows; never held for long, as shards take it
  Config wanted_;  // config_ with what was reloaded; changed under renewing_ as well
  std::shared_ptr<const Stores> stores_;
  std::shared_ptr<const ParkingSwitches> switches_;
  std::shared_ptr<const StoreResolver::Addresses> store_addresses_;
  StoreDrains::Plans store_plans_;
  std::vector<StoreVerdict> verdicts_;  // of checks, not taken by a Tend yet
  std::shared_ptr<const Router> router_;
  ListenerTls::Context tls_;
  std::mutex looking_;  // at the memory; taken before mutex_
  std::atomic<MemoryLevel> memory_level_{MemoryLevel::kPlenty};  // changed under looking_
  MemoryWatch memory_;                                           // under looking_
  std::vector<std::unique_ptr<Config>> shard_configs_;  // each its own shard's, without passwords
  std::optional<DrainPlan> plan_;
};

}  // namespace roost

#endif  // ROOST_CORE_SHARD_SERVER_H_
