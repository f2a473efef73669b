// One user of one store, as long as any client is connected: how to log in again, and sessions kept
// for a moment.
//
// What it is: what all clients of one proven login name share besides feeds. What it is not: it
// holds no feed (see core/feed) and proves no name. A user is the exact bytes of the name that the
// store accepted, plus the store, plus, in client mode, the credential: nothing crosses from one
// user to another.
//
// Lifetime: refcounted by its clients and feeds through the UserTable. Thread rule: the shard that
// owns the name. Bounds: pool_per_user sessions for pool_keep_s each, and of all users
// kKeptAtLeast or one for kUsersOfOneKept.
#ifndef ROOST_CORE_STORE_USER_H_
#define ROOST_CORE_STORE_USER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_set.h>

#include "core/config/config.h"
#include "core/store/dialer.h"
#include "core/store/session.h"
#include "proto/tls/sealed_secret.h"

namespace roost {

// How later sessions of a user log in.
Credentials LaterCredentials(const StoreConfig& config, const Credentials& own);
// Not where the name contains what separates it from the master user's: it would be another one's.
bool MayLogInLater(const StoreConfig& config, std::string_view login);

// NO or BAD to a login that more tries will not mend (RFC 5530): not UNAVAILABLE, LIMIT, INUSE,
// SERVERBUG, CONTACTADMIN.
bool RefusedForGood(std::string_view login_answer);
// A store's or our own "NO [CODE] text", as a reason. A view into it.
std::string_view WithoutStatus(std::string_view answer);

class User;

// All users of a shard, by key.
class UserTable {
 public:
  explicit UserTable(Loop& loop) : loop_(loop), expires_(loop), forgets_(loop) {}
  // Finds or makes the user and takes a reference. `own` has just been accepted by the store.
  User* Enter(const Config& config, Dialer& dialer, const Credentials& own,
              uint64_t credential_hash, size_t address);
  size_t size() const { return users_.size(); }
  // Closes the kept session that would go next, of this login or, when it is empty, of any.
  void CloseUnused(StoreIndex store, const std::string& login);
  // Closes kept sessions of anybody, so many at most. True: there are more.
  bool CloseSomeUnused(size_t most);
  // All users and the table, as the allocator counts; without the sessions that they keep. A sum
  // that is kept.
  size_t memory_bytes() const;
  // Told in a task of its own, once, when User::credentials_refused() has come to be, and whoever
  // holds them must go; or the end of User::may_share(), and whoever is parked must. At the call
  // they still are.
  void set_on_ends(std::function<void(User&)> told) { on_ends_ = std::move(told); }

 private:
  friend class User;
  // Who a user is: see User.
  struct Key {
    StoreIndex store = 0;
    uint64_t credential = 0;
    std::string_view login;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(const Key& key) const;
    size_t operator()(const std::unique_ptr<User>& user) const;
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const std::unique_ptr<User>& a, const std::unique_ptr<User>& b) const;
    bool operator()(const std::unique_ptr<User>& a, const Key& b) const;
    bool operator()(const Key& a, const std::unique_ptr<User>& b) const { return (*this)(b, a); }
  };

  struct Kept {
    User* user;
    std::unique_ptr<Session> session;
    uint64_t until_ns;
  };

  // When many come at once each leaves the session it came with: stores would have them all on top
  // of those of the feeds. A few of these are kept; of those that a client has woken on, one for so
  // many users.
  static constexpr size_t kUsersOfOneKept = 32;
  static constexpr size_t kKeptAtLeast = 16;

  // So long is remembered that a master user has other rights than the user, though the last of its
  // clients goes because of it. A store may have been repaired since.
  static constexpr uint64_t kRememberSeconds = 3600;
  struct Remembered {
    User* user;  // referred to
    uint64_t until_ns;
  };

  void Drop(User& user);
  bool MayKeep(const Session& session) const;
  void Keep(User& user, std::unique_ptr<Session> session);
  void Expire();
  void TellEnds(User& user);
  void Remember(User& user);
  void Forget();
  Loop& loop_;
  const Config* config_ = nullptr;  // the same for all users
  std::function<void(User&)> on_ends_;
  // Of all users, in the order in which they go. Before users_: a user that goes takes out its own.
  std::list<Kept> kept_;
  Alarm expires_;
  absl::flat_hash_set<std::unique_ptr<User>, Hash, Equal> users_;
  size_t bytes_ = 0;                   // of users_
  std::deque<Remembered> remembered_;  // in order of time
  Alarm forgets_;
};

class User final : public SessionSink, public Retirable {
 public:
  // `credential_hash`: 0 unless its sessions are only for holders of the same credential.
  User(Dialer& dialer, UserTable& table, const Credentials& own, uint64_t credential_hash,
       size_t address);
  ~User() override;

  const std::string& login() const { return login_; }
  // Differs between users: spreads what would otherwise fall into one instant.
  uint64_t spread() const;
  Dialer& dialer() { return dialer_; }
  const StoreConfig& store() const { return *dialer_.target().config; }

  // What the store offers this user, as clients are told (less what Roost cannot carry).
  const CapabilitySet& capabilities() const { return capabilities_; }
  void NoteCapabilities(const CapabilitySet& offered);

  // A later session of this user, logging in. All of them go to the address of the first while any
  // is open.
  std::unique_ptr<Session> Open(const SessionClient& client, Dialer::Urgency urgency,
                                SessionSink& sink);
  void NoteUnreachable(size_t address);
  // Later sessions go elsewhere when nobody is to be where they went, and those that are kept at an
  // address where nobody is to be are closed; others that are open are for others to end.
  void LeaveDrained();

  // The first mailbox that is selected on a session of a master user, for a client who was told of
  // it by a session of its own login, shows whether that sees it as the user does (mode,
  // PERMANENTFLAGS). If not, clients of this user keep their own sessions from then on, and those
  // who are parked are ended. Another master user is judged anew. `client`: whose wake it was, for
  // the log.
  void JudgeProxy(const Session& session, bool same, ConnectionId client);
  bool may_share() const { return proxy_ != Proxy::kOther || judged_ != dialer_.target().masters; }
  // A client's own login came by a master user, where a look-up service gave it no other: what such
  // sessions may do, the user may.
  void NoteLoginOf(const Session& session);
  // Clients of the user may act with it: it has no rights but the user's own, as far as is known.
  bool MayLend(const Session& session) const;
  // A client that acts with this session can be lent another later, though it has been told of no
  // rights that those of a master user could be compared with.
  bool LendsUncompared(const Session& session) const;

  // The store's last word on the login of this user's later sessions was a refusal for good:
  // nobody tries again without need.
  bool login_refused() const { return login_refused_; }
  // And what it refuses is what the clients hold, not a master's: no session is opened or kept any
  // more, and all of them are ended (RFC 5530 has the answers that are no refusal of that kind). A
  // client that presents the same and is accepted undoes it for those who are still there.
  bool credentials_refused() const {
    return login_refused_ && own_ != nullptr && own_->login.kind == Credentials::Kind::kPassword;
  }
  // What the store said, Session::login_answer; and for the log who needed the session, none where
  // it was a feed.
  void NoteLoginRefused(std::string_view answer, ConnectionId client);
  void NoteLoginTaken() { login_refused_ = false; }
  // Its feeds may have the store notify them (RFC 5465): the operator wants it, and the store has
  // not refused it to this user.
  bool may_notify() const { return store().notify && !notify_refused_; }
  void NoteNotifyRefused(std::string_view text);
  // What the store had to say to people when a session was opened: other than the last time?
  bool HearsAnew(std::string_view alerts);

  // Keeps a settled session that it MayLend for the next wake, or closes it. Its sink becomes this.
  void Release(std::unique_ptr<Session> session);
  // A kept session with exactly this set enabled, or null.
  std::unique_ptr<Session> Take(EnabledSet enabled, SessionSink& sink);

  // As the allocator counts, without the sessions that it keeps: always the same.
  size_t memory_bytes() const;

  // One for each client and each feed; without any the user is forgotten.
  void Ref() { ++references_; }
  void Unref() {
    if (--references_ == 0) table_.Drop(*this);
  }

 private:
  friend class UserTable;
  // What a master user's sessions may, beside the user's own.
  enum class Proxy : uint8_t {
    kUnjudged,
    kGiven,  // not compared: clients log in by it
    kSame,
    kOther,
  };
  using Pool = std::vector<std::list<UserTable::Kept>::iterator>;
  // The clients' own credentials, where later sessions log in with those.
  struct OwnLogin {
    uint64_t hash = 0;
    Credentials login;    // without its secret
    SealedSecret secret;  // login's
  };

  void OnStoreData(Session&, const Piece&, const Response*) override {}
  void OnSessionLost(Session& session, SessionLoss loss, const std::string& text) override;
  size_t pooled() const { return pool_ == nullptr ? 0 : pool_->size(); }
  const Session& kept(size_t place) const { return *(*pool_)[place]->session; }
  void Judged(uint16_t master, Proxy proxy);
  std::unique_ptr<Session> TakeAt(size_t place);
  void CloseAt(size_t place);
  UserTable::Key key() const;

  Dialer& dialer_;
  UserTable& table_;
  const std::string login_;
  std::unique_ptr<OwnLogin> own_;  // null: a master user logs in
  CapabilitySet capabilities_;
  std::unique_ptr<Pool> pool_;  // null: none is kept
  uint32_t references_ = 0;
  uint32_t address_ = 0;  // of the store; another only when nobody is to go there, or can
  Proxy proxy_ = Proxy::kUnjudged;
  bool login_refused_ : 1 = false;
  bool notify_refused_ : 1 = false;
  uint16_t judged_ = 0;       // Session::master() of the one whom proxy_ is about
  uint32_t last_alerts_ = 0;  // a hash
};

static_assert(sizeof(User) <= 112, "one for each user who is connected");

}  // namespace roost

#endif  // ROOST_CORE_STORE_USER_H_
