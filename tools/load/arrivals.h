// Who is to connect, and when: first at the ramp's rate, later each time that a client returns.
//
// What it is not: no clock and no sockets; times are given. A visit is one client's way from its
// first try to IDLE, retries included. Its first try is due when it is due, not when somebody had
// the time for it, so that waiting is never left out. Without a rate all are due in the beginning.
//
// Retry policy: after the n-th failed try a client waits first * 2^(n-1), at most longest, less a
// part of up to a half that depends on its number, and gives up after most retries.
#ifndef ROOST_TOOLS_LOAD_ARRIVALS_H_
#define ROOST_TOOLS_LOAD_ARRIVALS_H_

#include <cstddef>
#include <cstdint>
#include <queue>
#include <vector>

#include "tools/load/pace.h"

namespace roost::load {

struct RetryPolicy {
  uint64_t first_ns = 0, longest_ns = 0;
  uint32_t most = 0;  // 0: a failed try is final

  // tries: failed ones, at least 1.
  uint64_t Delay(uint32_t client, uint32_t tries) const;
};

struct Visit {
  enum class Why : uint8_t { kFirst, kHabit, kStorm, kLost };
  uint32_t client = 0;  // its number in all threads together
  Why why = Why::kFirst;
  uint32_t tries = 0;     // that have failed
  uint64_t first_ns = 0;  // when the first try was due
};

class Arrivals {
 public:
  Arrivals(double rate, const RetryPolicy& policy) : pace_(rate), policy_(policy) {}

  // Before Begin. They come in this order.
  void Add(uint32_t client) { clients_.push_back(client); }
  void Begin(uint64_t now_ns) { pace_.Begin(now_ns); }

  // False: nobody is due.
  bool Next(uint64_t now_ns, Visit* visit);
  // Those who were never due before shall not come any more. Returns how many.
  size_t Forget();

  // A client that was here comes again.
  void Return(uint32_t client, Visit::Why why, uint64_t at_ns);
  // After a try that failed. False: that was the last.
  bool Retry(const Visit& visit, uint64_t now_ns);

 private:
  struct Due {
    uint64_t at_ns;
    Visit visit;
    bool operator<(const Due& other) const { return at_ns > other.at_ns; }  // the earliest on top
  };

  Pace pace_;
  const RetryPolicy policy_;
  std::vector<uint32_t> clients_;
  size_t begun_ = 0;  // of clients_
  std::priority_queue<Due> due_;
};

}  // namespace roost::load

#endif  // ROOST_TOOLS_LOAD_ARRIVALS_H_
