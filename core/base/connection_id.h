// ConnectionId: the name of one client's connection, for people who look for it in several logs.
//
// 64 bits, shown as 13 characters. Never twice in one process, whichever shard gives it; two
// processes give the same one no sooner than two random numbers meet. It is no secret and no key:
// whoever knows one may compute others.
#ifndef ROOST_CORE_BASE_CONNECTION_ID_H_
#define ROOST_CORE_BASE_CONNECTION_ID_H_

#include <cstdint>
#include <string>

namespace roost {

struct ConnectionId {
  static constexpr size_t kTextBytes = 13;

  uint64_t bits = 0;  // 0: none

  explicit operator bool() const { return bits != 0; }
  friend bool operator==(ConnectionId, ConnectionId) = default;
  // Letters a to z and digits 2 to 7 (RFC 4648, section 6, in lower case). Empty when none.
  std::string Text() const {
    if (bits == 0) return {};
    static constexpr char kDigits[] = "abcdefghijklmnopqrstuvwxyz234567";
    std::string text(kTextBytes, ' ');
    for (size_t i = 0; i < kTextBytes; ++i) text[i] = kDigits[bits >> (60 - 5 * i) & 31];
    return text;
  }
};

// Those of one shard. One thread.
class ConnectionIds {
 public:
  // seed: random, the same for all shards of the process.
  ConnectionIds(uint64_t seed, uint32_t shard, uint32_t shards)
      : next_(seed + shard), step_(shards) {}

  ConnectionId Next() {
    ConnectionId id;
    while (!id) {  // one number of all gives 0
      id.bits = Mixed(next_);
      next_ += step_;
    }
    return id;
  }

 private:
  // One to one (the last steps of SplitMix64), so that ids differ as the numbers do.
  static uint64_t Mixed(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  uint64_t next_;
  uint64_t step_;
};

}  // namespace roost

#endif  // ROOST_CORE_BASE_CONNECTION_ID_H_
