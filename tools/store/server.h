// All of the embedded store: its listeners and one shard for each thread.
//
// The calling thread of Run is the first shard's; the others are threads of their own, which block
// all signals, so that SIGTERM, SIGINT and SIGUSR1 interrupt the first shard's wait.
#ifndef ROOST_TOOLS_STORE_SERVER_H_
#define ROOST_TOOLS_STORE_SERVER_H_

#include <barrier>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/io/listener.h"
#include "core/io/uring_io.h"
#include "tools/store/options.h"
#include "tools/store/shard.h"

namespace roost::embedded {

class Server {
 public:
  explicit Server(CommandLine command_line) : command_line_(std::move(command_line)) {}
  ~Server();

  // Catches signals, so that one sent to whoever listens ends it well; opens rings and listeners.
  // False: *error says what and what to do about it.
  bool Start(std::string* error);
  // "ready imap 127.0.0.1:1143 lmtp 127.0.0.1:2424"
  std::string ReadyLine() const;
  // Serves until a signal ends it.
  void Run();

 private:
  void RunShard(uint32_t number, std::barrier<>& all_stopped);
  void Preload(ShardGroup& group);
  void PrintReport(Shard& shard);

  CommandLine command_line_;
  std::unique_ptr<UringSet> ios_;
  std::vector<std::vector<ListenerDescriptor>> listeners_;  // by shard, then by listener
  std::vector<std::unique_ptr<Shard>> shards_;
  ShardGroup group_;
};

}  // namespace roost::embedded

#endif  // ROOST_TOOLS_STORE_SERVER_H_
