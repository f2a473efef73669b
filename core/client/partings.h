// Which clients of a shard must go before they want to, and when: to connect again, as all of them
// do.
//
//   Drain      roostd stops: by and by, as many as the caller says each time
//   Kick       an operator sends a user's clients away
//   Displace   the store, or the address of it, is drained: each as the caller finds it
//   Reroute    the user belongs to another store now: within timeouts.bye_spread_s
//   age        logged in for longer than limits.max_login_age_s: a sweep now and then
//   Shed       memory has run out: those who take most first
//
// What it is: the marks in the cells that say so (ClientCell::leaves), the walks that set them, and
// the words. What it is not: it writes to nobody. Clients tells BYE, at once or as soon as nothing
// is under way, and looks again at whoever has a mark. Only Shed leaves none: it waits for no end
// of a command.
//
// Owned by Clients, which outlives it. Thread rule: its shard. Bounds: kVisitsPerTurn clients of
// each walk in a turn, AgeSweep::kVisitsPerTurn of that for age.
#ifndef ROOST_CORE_CLIENT_PARTINGS_H_
#define ROOST_CORE_CLIENT_PARTINGS_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "core/base/handle.h"
#include "core/client/cell.h"
#include "core/client/login_age.h"
#include "core/config/config.h"
#include "core/route/route.h"
#include "core/stream/loop.h"

namespace roost {

class Clients;
struct Services;

class Partings {
 public:
  static constexpr uint64_t kKickSeconds = 10;
  // Of a walk over all clients, in one turn: a name is looked for on the way of each.
  static constexpr uint32_t kVisitsPerTurn = 128;

  Partings(Clients& clients, Loop& loop, const Config& config)
      : clients_(clients), loop_(loop), config_(config) {}
  void set_services(Services* services) { services_ = services; }

  // What one that leaves is told; empty: it does not.
  static std::string_view TextFor(const ClientCell& cell);

  // The turn of `count` more clients to go has come: parked ones and those not logged in are told
  // BYE at once, others when they have no command in progress.
  void Drain(uint32_t count);
  // Whose turn has not come.
  uint32_t staying() const;

  // The same for all clients of a user, by login name; who is busy for kKickSeconds is told all the
  // same. Returns how many. In slices: from *place on, which is where the next one goes on, and
  // kNoIndex when there is none.
  uint32_t KickSome(std::string_view login, uint32_t* place);
  // Part of a turn: those who were busy for so long.
  void EndKicked();

  // Its store is drained, or the address where its session is: likewise, or, `now`, whatever it
  // does.
  void Displace(uint32_t index, bool now);

  // Memory has run out: `count` clients are told BYE, in some turns: those with a session of their
  // own or not logged in yet, first of these the ones without a command in progress; then parked
  // ones. Nothing while that is still under way from the last call.
  void Shed(uint32_t count);

  // Routes have changed, from `before`. Whose user belongs to another store since is told so within
  // timeouts.bye_spread_s, or between two commands. Not whoever is where a drained store had it go,
  // or at one: routes that lead where they led move nobody, and drains have times of their own.
  void Reroute(std::shared_ptr<const Router> before);
  // The same for one that has just logged in, when its route was `before`.
  void EndIfRerouted(uint32_t index, std::optional<StoreIndex> before);
  // A store that was drained is wanted again: who is still there, and was rerouted meanwhile, is
  // told now.
  void RerouteDeferred();

  // Part of a turn: walks further in search of those who are too old, shed or rerouted. True: more
  // waits.
  bool Work();
  uint64_t NextDeadlineNs() const;
  // It goes, for whatever reason.
  void Removed(const ClientCell& cell);

 private:
  enum class ShedPass : uint8_t { kQuiet, kBusy, kParked, kOver };
  struct Kicked {
    uint32_t index;
    uint32_t generation;
    uint64_t at_ns;
  };

  bool SweepAges();
  bool SweepShed();
  bool MayShed(const ClientCell& cell) const;
  bool SweepRoutes();
  void EndRerouted(uint32_t index);

  Clients& clients_;
  Loop& loop_;
  const Config& config_;
  Services* services_ = nullptr;
  uint32_t drained_ = 0;        // cells that are
  uint32_t drained_up_to_ = 0;  // where the next turn's search begins
  std::deque<Kicked> kicked_;   // who was busy, in order of time
  AgeSweep age_sweep_;
  ShedPass shed_pass_ = ShedPass::kOver;
  uint32_t shed_place_ = 0;                              // where the walk goes on
  uint32_t shed_left_ = 0;                               // still to be told
  uint32_t reroute_place_ = kNoIndex;                    // where the walk goes on; none: it is over
  uint64_t rerouted_before_ = 0;                         // stats.rerouted when it began
  std::vector<std::shared_ptr<const Router>> replaced_;  // while it goes on: routes before
};

}  // namespace roost

#endif  // ROOST_CORE_CLIENT_PARTINGS_H_
