// The mail of one thread's users: when the next message is due, who carries it, and what it makes
// the clients expect.
//
//   ordered --due by its Pace, user free--> Courier --sent--> expected of every idle client
//                                                   --answered--> accepted or failed
//
// Messages of one user are delivered one after the other, so that the n-th growth of the mailbox is
// the n-th message. Lifetime: a member of its shard. Thread rule: the shard's thread. Bounds:
// Options::couriers connections.
#ifndef ROOST_TOOLS_LOAD_DELIVERIES_H_
#define ROOST_TOOLS_LOAD_DELIVERIES_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "tools/load/options.h"
#include "tools/load/pace.h"

namespace roost::load {

class Courier;
class LoadShard;

// One message that was sent to a user. acked_ns is 0 until the store has answered.
struct Delivered {
  uint64_t due_ns = 0;
  uint64_t sent_ns = 0;
  uint64_t acked_ns = 0;
  uint32_t untold = 0;  // clients that are still to be told of it
  // When nobody was any more; 0: never yet. Who comes later may have to be told too.
  uint64_t told_ns = 0;
  bool known = false;   // to somebody: it is in the mailbox
  bool failed = false;  // but is known: nobody must be told of it, and anybody may
};

struct LoadUser {
  std::string name;
  uint32_t idle_clients = 0;
  // In the mailbox before the first delivery; none: nobody looked in time.
  std::optional<int64_t> messages_before = {};
  bool busy = false;                 // a message is on its way
  bool uncertain = false;            // one that was sent was not taken, and may be there
  uint64_t due_ns = 0;               // when that was due
  std::vector<Delivered> delivered;  // in this order: the n-th growth of INBOX
};

class Deliveries {
 public:
  // Enough to be told in, for whoever leaves after it.
  static constexpr uint64_t kPatienceNs = 10 * kNsPerSecond;

  explicit Deliveries(LoadShard& shard);
  ~Deliveries();

  void AddUser(std::string name) { users_.push_back({.name = std::move(name)}); }
  LoadUser* user(size_t number) { return &users_[number]; }

  // A client begins to wait with so many messages in its mailbox. Returns how many of those
  // delivered it knows; it is to be told of the others.
  uint32_t OnListening(LoadUser* user, int64_t messages);
  // A client that knows of so many is told of one more. Null: there is none.
  const Delivered* OnTold(LoadUser* user, uint32_t known);
  // A client that was told of so many leaves and comes back: it is to be told nothing more. What
  // the store took longer than kPatienceNs and heedless_ns ago, it should have been told: lost.
  // heedless_ns: for how long it may not listen while it is idle.
  void OnLeft(LoadUser* user, uint32_t told, uint64_t heedless_ns = 0);

  // Starts what is due.
  void Work();
  // When Work has something to start; kNever when it waits for somebody who will call.
  uint64_t NextDueNs() const;
  // Ends all connections, and sums up.
  void Leave();

  // For couriers. The next message for this courier, if one is due; else null.
  LoadUser* NextFor();
  void OnSent(LoadUser* user);
  void OnAnswered(LoadUser* user, bool accepted, bool sent);
  void OnCourierEnded(Courier* courier, bool was_of_use);

 private:
  Courier* FreeCourier();
  void GiveUp();
  // What may still come; nobody waits for what cannot.
  void ShowExpected();

  LoadShard& shard_;
  Pace pace_;
  std::vector<LoadUser> users_;
  std::vector<std::unique_ptr<Courier>> couriers_;
  uint64_t ordered_ = 0;  // as last seen
  uint64_t started_ = 0;
  size_t next_user_ = 0;
  int useless_couriers_ = 0;  // in a row
  bool waiting_ = false;      // for a courier or a user: one of them will call NextFor or Work
};

}  // namespace roost::load

#endif  // ROOST_TOOLS_LOAD_DELIVERIES_H_
