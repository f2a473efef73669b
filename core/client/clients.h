// All clients of a shard: their cells, their timers, and the way of an event to those that are
// parked.
//
// What it is: the slab, the subscription lists, fan-out, heartbeats. An event is rendered once for
// each class and cursor in use, then sealed and sent for each subscriber; at most kSendsPerTurn of
// them in one turn, by turns (news.h): an event for a crowd holds others of the shard up for some
// turns at most. What it is not: it reads nothing from clients; a cell that becomes readable gets a
// Client (client.h). Who must go, and when, is said by Partings (partings.h).
//
// Invariants
//  1. A parked client in IDLE is told the log in order, all or nothing: its cursor moves when the
//  bytes are sealed.
//  2. While a send of it is under way, or its cursor is frozen (waking), nothing is sent; it is
//  caught up afterwards.
//  3. A client that is not in IDLE is told nothing.
#ifndef ROOST_CORE_CLIENT_CLIENTS_H_
#define ROOST_CORE_CLIENT_CLIENTS_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.h"
#include "core/base/credits.h"
#include "core/base/handle.h"
#include "core/base/log.h"
#include "core/base/slab.h"
#include "core/base/timer_wheel.h"
#include "core/client/cell.h"
#include "core/client/client_ids.h"
#include "core/client/news.h"
#include "core/client/partings.h"
#include "core/client/user_limit.h"
#include "core/park/feeds.h"
#include "core/route/route.h"
#include "core/stream/loop.h"

namespace roost {

struct Services;

class Clients final : public Subscribers {
 public:
  static constexpr uint8_t kOwnerKind = 2;
  // A send takes about 10 us, and what leads to an event's sends takes three turns.
  static constexpr int kSendsPerTurn = 64;
  static_assert(kSendsPerTurn > int{News::kInARow});
  static constexpr int kTimersPerTurn = 1024;
  // Heartbeats fall on multiples of it: one that goes out with others costs less. Each is a send;
  // of so many as one turn may not have some come a tick later.
  static constexpr int kBeatsPerTurn = 128;
  static constexpr std::string_view kBeat = "* OK Still here\r\n";
  static constexpr uint64_t kBeatsApartNs = 100 * kNsPerMs;

  // `all`: how many there are in all shards; each that is here has one of it.
  Clients(Loop& loop, const Config& config, Credits& all);
  ~Clients() override;
  void set_services(Services* services);

  // kNoIndex when full.
  uint32_t Add(const Address& peer, uint8_t listener, Credit credit);
  // For one that goes to another shard, before it is removed here.
  Credit CreditToGo() { return Credit::TakeAnyway(all_); }
  ClientCell& cell(uint32_t index) { return cells_[index]; }
  // Unsubscribes, lets go of the user, frees the cell and retires its Client. The connection is
  // closed already, or the cell's own is closed here.
  void Remove(uint32_t index);
  uint32_t size() const { return cells_.size(); }
  SlabStats cell_stats() const { return cells_.stats(); }
  ClientIds& ids() { return ids_; }
  Partings& partings() { return partings_; }
  const Partings& partings() const { return partings_; }
  bool IsLive(uint32_t index, uint32_t generation) {
    return cells_.Find(index, generation) != nullptr;
  }

  // Parked with `feed` (null: nothing selected) and cursor set in the cell.
  void Subscribe(uint32_t index);
  void Unsubscribe(uint32_t index);
  // Tells an idling client what it is owed, as far as it can be sent now.
  void CatchUp(uint32_t index);
  // What a client is owed, rendered; its cursor moves: the caller sends it. Valid until somebody
  // else is told. None: it is owed more than is sent at once, and must be let go.
  std::optional<std::string_view> TakeOwed(uint32_t index);
  bool IsOwedTooMuch(uint32_t index) const;
  // Of a client that is too far behind its feed: BYE.
  void LetGo(uint32_t index);

  // Deadlines: one per client, for whatever it waits for in its phase.
  void SetTimer(uint32_t index, uint64_t at_ns);
  void SetParkedTimer(uint32_t index);
  // For one that is to be ended: at a moment of its own, so that not all come back in one.
  void SetByeTimer(uint32_t index);
  // Why the client can only be told BYE; empty: it need not. Valid until the turn ends.
  std::string_view EndOf(const ClientCell& cell) const;
  // The store refuses what the user's clients hold: all are ended, those who wait for a session at
  // once. Or a master user has other rights than the user: those who are parked are, but for who
  // waits for a session.
  void EndAllOf(const User& user);

  // Part of a turn: continues fan-out and fires timers. True: more waits.
  bool Work();
  uint64_t NextDeadlineNs() const;

  // From the Io, for owners of our kind.
  static bool Owns(Owner owner) { return Handle::FromBits(owner).kind() == kOwnerKind; }
  void OnReadable(Owner owner);
  void OnReceive(Owner owner, std::span<uint8_t> data, int error);
  void OnSent(Owner owner, int error);
  Owner OwnerOf(uint32_t index);

  // `* BYE text`, and no more.
  void Bye(uint32_t index, std::string_view text);
  // The same as soon as nothing is under way; if that is later, with the text of EndOf.
  void End(uint32_t index, std::string_view text);
  // Without a word; before the loop ends.
  void RemoveAll();
  // `* BYE text` to everybody, and no more.
  void ByeAll(std::string_view text);

  // It has logged in, and counts under this name. False: the name has all the clients that it may
  // have.
  bool AdmitLogin(uint32_t index, std::string_view counted_as);

  // What happened to it, for those who follow its user. Fields are worth making only when
  // following().
  bool following() const;
  void Follow(const ClientCell& cell, std::string_view event, LogFields fields = {}) const;

  // The name that it logged in with, or is about to; empty before.
  std::string_view LoginOf(const ClientCell& cell) const;
  // Where it is logged in.
  std::optional<StoreIndex> StoreOf(const ClientCell& cell) const;

  // A slice of a walk over all of them: visit(index) for `most` of them, from *place on, which is
  // where the next slice goes on. False: that was all, and *place is kNoIndex. What is visited may
  // be removed.
  template <typename Visit>
  bool VisitSome(uint32_t* place, uint32_t most, Visit&& visit) {
    for (; most > 0; --most) {
      const uint32_t index = cells_.NextLive(*place);
      *place = index == kNoIndex ? kNoIndex : index + 1;
      if (index == kNoIndex) return false;
      visit(index);
    }
    return true;
  }
  template <typename Fn>
  void ForEach(Fn&& fn) {
    cells_.ForEach(std::forward<Fn>(fn));
  }

 private:
  std::string_view CountedAs(const ClientCell& cell) const;
  void OnNews(Feed& feed) override;
  void OnLogFull(Feed& feed) override;
  void OnDead(Feed& feed, const std::string& reason) override;
  void OnReleased(Feed& feed) override { Trim(feed); }
  bool HaveCondstore(Feed& feed) override;

  uint32_t Find(Owner owner);
  void Wake(uint32_t index, std::span<const uint8_t> received = {});
  bool SendAsleep(ClientCell& cell, std::string_view plaintext);
  void ByeAsleep(uint32_t index, std::string_view text);
  bool SweepBeats();
  void Fire(uint32_t index);
  void Trim(Feed& feed);
  void Coalesce(Feed& feed);
  const std::string* Rendered(const Feed& feed, uint64_t cursor, EnabledSet enabled);
  auto links() {
    return [this](uint32_t index) -> TimerLinks& { return cells_[index].timer; };
  }
  auto subscriber_links() {
    return [this](uint32_t index) -> ListLinks& { return cells_[index].subscribers; };
  }

  Loop& loop_;
  const Config& config_;
  Credits& all_;
  Services* services_ = nullptr;
  Slab<ClientCell> cells_;
  ClientIds ids_;
  UserLimit of_users_;
  Partings partings_;
  int beats_left_ = kBeatsPerTurn;
  int heartbeat_s_ = 0;             // that timers were set by
  uint32_t beat_place_ = kNoIndex;  // where the walk to set them anew goes on; none: it is over
  TimerWheel timers_;
  News news_;
  // The last rendering: subscribers of one feed mostly share it.
  uint64_t rendered_feed_ = 0;  // Feed::id
  uint64_t rendered_from_ = 0, rendered_to_ = 0;
  EnabledSet rendered_for_;
  std::string rendered_;
  bool rendered_fits_ = true;  // else it was too much, and is empty
};

}  // namespace roost

#endif  // ROOST_CORE_CLIENT_CLIENTS_H_
