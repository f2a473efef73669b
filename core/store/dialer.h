// Opens sessions: a queue and a cap of logins in progress for each store, so that a restarted store
// is not trampled.
//
// What it is not: it knows no user and retries nothing. Logins cost a store far more than
// handshakes cost Roost (password hashes), so half of the places are kept for clients: recovery of
// feeds takes at most the other half.
//
// Lifetime: outlives its sessions. A session that is retired while it waits or logs in gives its
// place back.
#ifndef ROOST_CORE_STORE_DIALER_H_
#define ROOST_CORE_STORE_DIALER_H_

#include <deque>
#include <memory>
#include <vector>

#include "core/store/session.h"

namespace roost {

class Dialer {
 public:
  enum class Urgency : uint8_t { kClient, kRecovery };

  Dialer(Loop& loop, const StoreTarget& target) : loop_(loop), target_(target) {}

  // The session starts now or when its turn comes; `sink` hears how it went.
  std::unique_ptr<Session> Open(const Credentials& credentials, const SessionClient& client,
                                size_t attempt, Urgency urgency, SessionSink& sink);

  const StoreTarget& target() const { return target_; }
  // Which of the store's addresses new users go to: the first that was not found unreachable last.
  size_t address() const { return address_; }
  void NoteUnreachable(size_t address) {
    if (address == address_ && !target_.addresses.empty()) {
      address_ = (address + 1) % target_.addresses.size();
    }
  }
  int in_progress() const { return clients_ + recoveries_; }
  size_t waiting() const { return waiting_clients_.size() + waiting_recoveries_.size(); }
  uint64_t opened() const { return opened_; }

 private:
  friend class LoginPlace;
  static constexpr size_t kPruneEvery = 64;
  struct Waiting {
    std::weak_ptr<LoginPlace> place;
    Credentials credentials;
    SessionClient client;
    size_t attempt;
  };
  void Next();
  bool StartOne(std::deque<Waiting>& queue, Urgency urgency);

  Loop& loop_;
  const StoreTarget& target_;
  int clients_ = 0;
  int recoveries_ = 0;
  uint64_t opened_ = 0;
  size_t address_ = 0;
  std::deque<Waiting> waiting_clients_;
  std::deque<Waiting> waiting_recoveries_;
  std::shared_ptr<int> life_ = std::make_shared<int>(0);  // for places that outlive their dialer
};

// A place among the logins in progress, or in the queue for one. Held by the session until it is
// logged in or lost.
class LoginPlace {
 public:
  LoginPlace(Dialer& dialer, Session& session, Dialer::Urgency urgency)
      : dialer_(dialer), dialer_life_(dialer.life_), session_(session), urgency_(urgency) {}
  ~LoginPlace();

 private:
  friend class Dialer;
  Dialer& dialer_;
  std::weak_ptr<int> dialer_life_;
  Session& session_;
  Dialer::Urgency urgency_;
  bool started_ = false;
};

}  // namespace roost

#endif  // ROOST_CORE_STORE_DIALER_H_
