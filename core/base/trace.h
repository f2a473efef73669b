// What happens to the clients of one user, told line by line to whoever follows it.
//
// What it is: the way from a shard to an operator's terminal. What it is not: the log; nothing is
// told unless somebody follows, and then of that user alone (of sessions: of who has the same hash
// of 48 bits, which nobody has by chance). No secret and no content of a message is ever told;
// names of mailboxes are.
//
//   Client, Clients, Dialer -> Trace::Say (the shard) -> TraceFollower (both) -> Take (who follows)
//
// Cost: one look at a vector's size where nobody follows. Bounds: kMostLines wait for a follower,
// then lines are left out and counted.
#ifndef ROOST_CORE_BASE_TRACE_H_
#define ROOST_CORE_BASE_TRACE_H_

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/log.h"

namespace roost {

// Any thread.
class TraceFollower {
 public:
  static constexpr size_t kMostLines = 1000;

  // login_hash: as the shards' sessions are counted by.
  TraceFollower(std::string login, uint64_t login_hash)
      : login_(std::move(login)), login_hash_(login_hash) {}
  const std::string& login() const { return login_; }
  uint64_t login_hash() const { return login_hash_; }

  void Tell(std::string line);
  // Waits for lines, wait_ns at most. *left_out: how many were lost before the first of them that
  // is told next time.
  std::vector<std::string> Take(uint64_t wait_ns, uint64_t* left_out);

 private:
  const std::string login_;
  const uint64_t login_hash_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;
  uint64_t left_out_ = 0;
};

// Those who follow somebody, in one shard. Its thread.
class Trace {
 public:
  bool on() const { return !followers_.empty(); }
  void Add(std::shared_ptr<TraceFollower> follower) { followers_.push_back(std::move(follower)); }
  void Remove(const TraceFollower& follower) {
    std::erase_if(followers_, [&](const auto& f) { return f.get() == &follower; });
  }

  // session: whose connection it is about; none: nobody's in particular.
  void Say(std::string_view login, std::string_view event, ConnectionId session, LogFields fields);
  // Of whom the name is not at hand.
  void Say(uint64_t login_hash, std::string_view event, ConnectionId session, LogFields fields);

 private:
  std::vector<std::shared_ptr<TraceFollower>> followers_;
};

}  // namespace roost

#endif  // ROOST_CORE_BASE_TRACE_H_
