// Connections between shards: what travels beside a socket that moves.
//
// The socket itself goes by Io::Move with a token; what belongs to it waits here under that token
// until the target hears of the socket. A lock is taken for each move (one per login) and by
// nothing on the way of an event.
#ifndef ROOST_CORE_SHARD_MOVES_H_
#define ROOST_CORE_SHARD_MOVES_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "core/client/services.h"

namespace roost {

class Moves {
 public:
  // Any thread. The token is unique while the move is under way.
  uint64_t Put(std::unique_ptr<MovingClient> client);
  // Null if there is none.
  std::unique_ptr<MovingClient> Take(uint64_t token);
  bool empty();

 private:
  std::mutex mutex_;
  uint64_t next_ = 1;
  std::unordered_map<uint64_t, std::unique_ptr<MovingClient>> waiting_;
};

}  // namespace roost

#endif  // ROOST_CORE_SHARD_MOVES_H_
