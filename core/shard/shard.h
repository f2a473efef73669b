// One shard: one thread's worth of clients, sessions and feeds on one Io. Shares nothing with
// others.
//
// What it is: the place where the parts meet: accepts, gives each connection its cell, owns
// dialers, users, feeds, clients. What it is not: it makes no thread and no Io (server.h for
// roostd, core/sim for the simulation).
//
// A client enters on the shard that accepted it and moves to the one that owns its user as soon as
// the login name is known: a keyed hash of the name as presented. Everything of one user therefore
// lives on one thread.
//
// Thread rule: constructed anywhere; Start and Turn on the thread of the Io. Work per turn is
// bounded by its parts.
#ifndef ROOST_CORE_SHARD_SHARD_H_
#define ROOST_CORE_SHARD_SHARD_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/client/clients.h"
#include "core/client/services.h"
#include "core/shard/capability_probe.h"
#include "core/shard/drain.h"
#include "core/shard/figures.h"
#include "core/shard/memory_level.h"
#include "core/shard/moves.h"
#include "core/shard/store_drains.h"
#include "core/store/store_checks.h"
#include "core/store/store_resolver.h"

namespace roost {

class Entering;

// What all shards share; constant, but for Moves, which locks, and for credits and AddressLimits,
// which do not.
struct ShardCommon {
  const Config* config = nullptr;
  std::shared_ptr<const Router> router;
  std::vector<StoreTarget> targets;             // by StoreIndex, resolved
  std::shared_ptr<const TlsServerContext> tls;  // null when no listener has TLS
  HashKey hash_key;
  uint32_t shards = 1;
  uint64_t connection_seed = 0;  // of ConnectionIds
  Credits clients;               // one for each, on its way between two shards as well
  Credits handshakes;            // in progress
  Moves moves;
  // By shard: it can take nobody from another. As it was when its last turn ended.
  std::array<std::atomic<bool>, Credits::kMostShards> crowded{};
  // A key of its own where clients may choose their addresses.
  std::unique_ptr<AddressLimits> addresses = std::make_unique<AddressLimits>(HashKey{1, 2}, 1);
};

class Shard final : private IoHandler, private Mover {
 public:
  // own: read in place of common.config, where something of it may change while the shard runs.
  Shard(uint32_t index, ShardCommon& common, Io& io, const Config* own = nullptr);
  ~Shard() override;

  // Starts to accept on `listeners`, in the order of Config::listeners.
  void Start(const std::vector<ListenerDescriptor>& listeners);
  // Sleeps until there is work or until deadline_ns at most. Returns the number of things done.
  int Turn(uint64_t deadline_ns);

  // Stops to accept and says BYE to every client. Done when clients() is 0 and a few turns have
  // passed.
  void Stop(std::string_view reason);
  uint32_t clients() const { return clients_.size(); }
  uint64_t now_ns() const { return loop_.now_ns(); }
  void SetSwitches(std::shared_ptr<const ParkingSwitches> switches);
  // For sessions to come; by StoreIndex.
  void SetStores(const std::vector<StoreSettings>& stores);
  // Where sessions to come find their stores.
  void SetStoreAddresses(const StoreResolver::Addresses& addresses);
  // Whoever is at an address that is drained leaves it, as planned for its store.
  void DrainStores(StoreDrains::Plans plans) { drains_.Set(std::move(plans), loop_.now_ns()); }
  // From now on the stores' addresses are checked here, for all shards.
  void CheckStores(StoreChecks::Judged judged);
  // For handshakes to come.
  void SetTls(std::shared_ptr<const TlsServerContext> tls) { services_.tls = std::move(tls); }
  // For logins to come; clients whose user belongs to another store now must come again. Whoever
  // sets it keeps the one before until no shard has it: it may be large.
  void SetRouter(std::shared_ptr<const Router> router);
  // Stops to accept and tells clients BYE by and by, each between two commands if it can be waited
  // for. A later plan takes the place of an earlier one.
  void Drain(const DrainPlan& plan);
  // Accepts nobody any more, and nobody is left.
  bool drained() const { return plan_ && listeners_.empty() && clients_.size() == 0; }
  // BYE to all clients of a user, in slices (partings.h). None where the user is another shard's.
  uint32_t KickSome(std::string_view login, uint32_t* place) {
    return clients_.partings().KickSome(login, place);
  }
  // From kSparing on sessions that are kept are closed, from kFull on nobody new is taken.
  void SetMemoryLevel(MemoryLevel level) { memory_level_ = level; }
  // Sends kShedPercent of the clients away: to be called each second of kShedding.
  void Shed();
  // Feeds in search of a session.
  uint64_t recovering() const { return feeds_.recovering(); }
  // All at once, however much there is to count: where nobody waits (see survey.h).
  ShardFigures Figures();
  // Of Figures what needs no walk.
  void AddSums(ShardFigures* figures) const;

  const Config& config() const { return config_; }
  const Dialer& dialer(StoreIndex store) const { return *dialers_[store]; }
  Feeds& feeds() { return feeds_; }
  Clients& client_table() { return clients_; }
  Trace& trace() { return services_.trace; }

 private:
  // Accepted, and not begun yet: nothing is read, and nothing kept but this.
  struct Arrival {
    SocketId socket;
    Address peer;
    uint8_t listener;
  };

  void OnAccept(uint64_t listener, SocketId socket, const Address& peer) override;
  void OnConnect(Owner, SocketId, int) override {}
  void OnReceive(Owner owner, SocketId socket, std::span<uint8_t> data, int error) override;
  void OnReadable(Owner owner, SocketId socket) override;
  void OnSent(Owner owner, SocketId socket, int error) override;
  void OnMoved(uint64_t token, SocketId socket, int error) override;
  void OnBell() override;

  uint32_t ShardOf(std::string_view user) const override;
  uint32_t ThisShard() const override { return index_; }
  bool HasRoom(uint32_t shard) const override { return !common_.crowded[shard]; }
  void Move(uint32_t shard, std::unique_ptr<MovingClient> client) override;

  static std::vector<std::unique_ptr<Dialer>> MakeDialers(Loop& loop, const ShardCommon& common,
                                                          uint32_t index);
  uint64_t Handshakes() const;
  bool LoginsPileUp();
  void PaceAccepts();
  void NoteRoom();
  void Begin(const Arrival& arrival);
  Entering& Enter(uint32_t index);
  void Refuse(const Arrival& arrival, ClientLimit limit, std::string_view text);
  void CloseListeners();
  bool StepDrain();
  uint64_t NextDrainNs() const;

  const uint32_t index_;
  ShardCommon& common_;
  const Config& config_;
  Loop loop_;
  std::vector<std::unique_ptr<Dialer>> dialers_;  // by StoreIndex
  Lookups lookups_;
  UserTable users_;
  Clients clients_;
  Feeds feeds_;
  ClientStats stats_;
  Services services_;
  StoreDrains drains_;
  CapabilityProbe probe_;
  std::unique_ptr<StoreChecks> checks_;  // null: another shard's
  std::vector<ListenerDescriptor> listeners_;
  bool accepting_ = true;
  bool logins_pile_up_ = false;
  uint64_t times_full_ = 0, reset_when_full_ = 0;  // of its listeners, as told in the log
  bool full_ = false;                              // likewise
  MemoryLevel memory_level_ = MemoryLevel::kPlenty;
  CreditShare handshakes_;
  std::deque<Arrival> arrivals_;  // in the order in which they came
  std::optional<DrainPlan> plan_;
  std::optional<DrainPace> pace_;
};

}  // namespace roost

#endif  // ROOST_CORE_SHARD_SHARD_H_
