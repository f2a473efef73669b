// Opens sessions: places and a fair queue for each store, so that a restarted store is not trampled
// and no user starves another.
//
//   kWaiting --turn--> kLoggingIn --logged in--> kOpen --lost, closed--> (gone)
//   kWaiting --queue_s over, or pushed out--> the session is lost (kNoPlace)
//
// Three bounds are kept here: logins in progress (they cost a store far more than handshakes cost
// Roost: password hashes), together with the dialers of the other shards, by credits; sessions open
// in all, of which this shard has an equal part; sessions open of one user. Those who wait are
// served shard by shard, and in each user by user, in turn. Half of the logins are kept for
// clients: recovery of feeds takes at most the other half. It has one login behind kClientsInARow
// of clients where these keep coming, for else those who are parked would stay deaf. The queue is
// bounded in length (the newest of the longest line are refused) and in time (nobody waits longer
// than clients would).
//
// A spare session is one that nobody waits for. It is opened at once or not at all, only while
// nobody else waits for anything, and it gives way: whoever is held up in its shard by a bound ends
// it (the session is lost, kNoPlace).
//
// What it is not: it knows no user beyond the login name and retries nothing.
//
// Lifetime: outlives its sessions. A session that is retired while it waits or logs in gives its
// place back. Thread rule: its shard.
#ifndef ROOST_CORE_STORE_DIALER_H_
#define ROOST_CORE_STORE_DIALER_H_

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "core/base/clock.h"
#include "core/base/credits.h"
#include "core/base/life.h"
#include "core/base/trace.h"
#include "core/store/session.h"

namespace roost {

struct DialerStats {
  uint64_t opened = 0;                             // sessions asked for
  uint64_t refused = 0;                            // had no place in time, or found the queue full
  uint64_t waiting = 0, logging_in = 0, open = 0;  // now
  uint64_t leaving = 0;  // clients that are still to leave what is drained of the store
  // By SessionLoss, of those that had a place or waited for one.
  std::array<uint64_t, kSessionLosses> lost{};

  DialerStats& operator+=(const DialerStats& other);
};

class Dialer {
 public:
  // The hash of a login name: exact names would cost more than all else that is kept for an open
  // session. Who collides shares bounds, a line and an address, and nothing else. 40 bits; 0:
  // nobody.
  using UserHash = uint64_t;
  static UserHash HashOf(const std::string& user);
  enum class Urgency : uint8_t { kClient, kRecovery, kSpare };

  // `shards`: so many dialers share the store's bounds, this is the one of `shard`.
  Dialer(Loop& loop, StoreTarget target, uint32_t shards = 1, uint32_t shard = 0);
  ~Dialer();

  // The session starts now or when its turn comes; `sink` hears how it went.
  std::unique_ptr<Session> Open(const Credentials& credentials, const SessionClient& client,
                                size_t attempt, Urgency urgency, SessionSink& sink);

  // Asked when a bound on open sessions holds somebody up: close a session that nobody uses, of
  // this user, or of anybody when `user` is empty. One that comes to be unused only later is told
  // of by OnUnused.
  using Reclaim = std::function<void(const std::string& user)>;
  void set_reclaim(Reclaim reclaim) { reclaim_ = std::move(reclaim); }
  void OnUnused(const std::string& user);
  // Who is told of sessions that open and close; outlives this. Null: nobody.
  void set_trace(Trace* trace) { trace_ = trace; }

  // How long a client of another user would wait now for its turn to log in, by the users of all
  // shards that wait, and by how many logins the store has answered in the last kMeasureNs. kLong:
  // for more than half of queue_s. kUnknown: some wait, and nothing is known of it; perhaps the
  // store answers nobody.
  enum class Wait : uint8_t { kUnknown, kShort, kLong };
  static constexpr uint64_t kMeasureNs = kNsPerSecond;
  Wait LoginWait();

  // The bell of its shard was rung: there may be a credit for those who wait.
  void OnBell() { Later(); }

  const StoreTarget& target() const { return target_; }
  // For sessions to come; logins in progress go on as they began.
  void Configure(const StoreSettings& settings);
  // For sessions to come; those open, and what their users know of an address, stay as they are.
  // The places are those of StoreResolver::addresses.
  void Follow(const std::vector<StoreAddress>& addresses);
  // Which of the store's addresses new users go to: the first that was not found unreachable last,
  // neither by checks nor by a session.
  size_t address() const { return address_; }
  // By a session of this user.
  void NoteUnreachable(UserHash user, size_t address);
  // Where the next session of a user goes who would go to `address`. With its others, wherever
  // those are, as long as nothing is wrong there: one address may lag behind another, and what a
  // feed hears at one is not told to who has looked at the other. Else to `address` unless
  // something is wrong with that; and even so while any of its sessions is there: it may have
  // others elsewhere, as at one that is drained.
  size_t AddressOf(UserHash user, size_t address) const;
  // Another one to try than these, of which the last could not be reached by the user, and at least
  // one is: the one for new users, else the next behind the last, of those that come before others
  // (ComesAfter). None: all were tried; or sessions of the user are open at the last. Where nobody
  // serves any more they end soon, or checks find it out; then it may go elsewhere.
  std::optional<size_t> Another(UserHash user, const std::vector<size_t>& tried) const;
  // Sessions may be there for long.
  bool Wants(size_t address) const {
    const StoreAddress& at = target_.addresses[address % target_.addresses.size()];
    return !at.gone && !at.drained;
  }
  // This one may be kept for long.
  bool Wants(const Session& session) const { return Wants(session.address()) && HasPlace(session); }
  // Its address is drained, whether names lead there or not. At one that they lead to no more, and
  // that is not drained, it may stay until it ends.
  bool Drains(const Session& session) const {
    return target_.addresses[session.address()].drained && HasPlace(session);
  }
  // New users find an address that answers and where they are wanted.
  bool serves() const { return Serves(address_); }
  // The operator wants nobody at the store, wherever its names lead. That of all addresses that
  // there are each is drained is not the same: names may lead elsewhere in a moment.
  bool drained() const { return drained_; }
  void set_drained(bool drained) { drained_ = drained; }
  DialerStats stats() const;

  // The same set, sharing its text with others that were asked for: a store offers thousands of
  // sessions the same.
  CapabilitySet Shared(const CapabilitySet& set);

 private:
  friend class SessionPlace;

  // The place of its address is not another's by now.
  bool HasPlace(const Session& session) const {
    return target_.addresses[session.address()].generation == session.address_generation();
  }

  // A session that has a place, which it may give back meanwhile.
  struct PlaceRef {
    PlaceRef(SessionPlace& of, Session& its);
    SessionPlace* get() const { return life.expired() ? nullptr : place; }
    SessionPlace* place;
    Session* session;  // there as long as its place is
    Life::Watch life;
  };
  struct Waiting {
    PlaceRef place;
    Credentials credentials;
    SessionClient client;
    size_t attempt = 0;
    uint64_t until_ns = 0;
  };
  // Those who wait with one urgency: one line for each user, the first of each in turn.
  struct Line {
    std::string user;
    std::deque<Waiting> waiting;
    bool has_turn = false;  // not while its user has all the sessions it may have
  };
  struct Queue {
    std::map<UserHash, Line> lines;
    std::deque<UserHash> turns;
    size_t size = 0;
    void GiveTurn(UserHash user, Line* line) {
      if (!std::exchange(line->has_turn, true)) turns.push_back(user);
    }
  };

  uint64_t MostLogins() const;
  uint64_t ShareOfSessions() const;
  uint64_t logins() const { return client_logins_ + recovery_logins_ + spare_logins_; }
  uint64_t& LoginsOf(Urgency urgency);
  bool UserFull(UserHash user) const;
  void Next();
  bool StartOne(Queue& queue);
  void GiveTurnTo(UserHash user);
  void Start(const Waiting& waiting);
  std::unique_ptr<Session> OpenSpare(const Credentials& credentials, const SessionClient& client,
                                     size_t attempt, SessionSink& sink);
  // Ends one spare session that `matches`. False: there is none.
  bool EndSpare(const std::function<bool(const SessionPlace&)>& matches);
  void LoginOver(Urgency urgency);
  void ReportWaiting();
  // Sessions of one user, and where those are that have logged in.
  struct OpenOfUser {
    uint64_t all : 24 = 0;
    uint64_t at_home : 24 = 0;  // logged in
    uint64_t home : 16 = 0;     // an address; without any there, the one of the next that may be
  };
  static_assert(sizeof(OpenOfUser) == 8, "one for each user with a session");
  static uint64_t KeyOf(UserHash user, size_t address) { return user << 16 | address; }
  void SetHome(UserHash user, OpenOfUser* open, size_t address);
  void LoggedIn(UserHash user, size_t address);
  void Closed(UserHash user, size_t address, bool logged_in);
  bool HasSessionAt(UserHash user, size_t address) const;
  bool Serves(size_t address) const {
    return Wants(address) && !target_.addresses[address % target_.addresses.size()].down;
  }
  bool PushOutNewest(Queue& queue, UserHash user);
  void Prune(Line* line, Queue* queue);
  void ExpireLines(Queue* queue, uint64_t now);
  void ArmExpiry();
  void Later();

  Loop& loop_;
  StoreTarget target_;
  const uint32_t shards_, shard_;
  CreditShare logins_share_, recoveries_share_;
  uint64_t reported_ = 0;          // of this, in LoginCredits::waiting
  uint64_t measured_from_ns_ = 0;  // 0: nobody waited
  uint64_t answered_then_ = 0, answered_per_s_ = 0;
  uint64_t client_logins_ = 0, recovery_logins_ = 0, spare_logins_ = 0;
  uint64_t open_ = 0;  // logins in progress included
  absl::flat_hash_map<UserHash, OpenOfUser> open_of_user_;
  absl::flat_hash_map<uint64_t, uint32_t> away_;  // by KeyOf: sessions logged in elsewhere
  uint64_t opened_ = 0, refused_ = 0;
  std::array<uint64_t, kSessionLosses> lost_{};
  size_t address_ = 0;
  bool drained_ = false;
  static constexpr uint32_t kClientsInARow = 3;
  static constexpr size_t kMostOffered = 16;
  std::vector<CapabilitySet> offered_;
  TextPool texts_;  // likewise: names and flags of mailboxes
  Queue clients_;
  Queue recoveries_;
  std::vector<PlaceRef> spares_;
  Reclaim reclaim_;
  Trace* trace_ = nullptr;
  bool posted_ = false;
  uint32_t clients_in_a_row_ = 0;  // began to log in, up to kClientsInARow
  Alarm expiry_;
  Life life_;  // for places that outlive their dialer
};

// A session's place: in the queue, among the logins in progress, among the open ones. Held by the
// session until it is lost or closed.
class SessionPlace {
 public:
  SessionPlace(Dialer& dialer, Dialer::Urgency urgency, Dialer::UserHash user);
  ~SessionPlace();
  // The store has answered the login, and taken it.
  void LoginOver();
  void NoteLoss(SessionLoss loss);
  // See Dialer::Shared.
  CapabilitySet Shared(const CapabilitySet& set) const {
    return dialer_life_.expired() ? set : dialer_.Shared(set);
  }
  void Share(SessionState* state) const {
    if (!dialer_life_.expired()) state->Share(&dialer_.texts_);
  }

 private:
  friend class Dialer;
  enum class State : uint8_t { kWaiting, kLoggingIn, kOpen };
  void Answered();
  void EndLogin();

  Dialer& dialer_;
  const Life::Watch dialer_life_;
  Life life_;
  const uint64_t user_ : 40;  // Dialer::UserHash
  uint64_t address_ : 16 = 0;
  const Dialer::Urgency urgency_ : 4;
  State state_ : 4 = State::kWaiting;
};

static_assert(sizeof(SessionPlace) <= 32, "one for each session");

}  // namespace roost

#endif  // ROOST_CORE_STORE_DIALER_H_
