// All of a load run: its threads, and the order of things.
//
//   look --> ramp (all clients idle or failed) --> settle, look --> storms --> deliver --> wait
//        for events --> hold --> look --> stop, sum up
//
// The calling thread only gives orders, reads standard input and prints. A signal that calls
// Interrupt ends whatever goes on; the result is what was measured until then.
#ifndef ROOST_TOOLS_LOAD_RUNNER_H_
#define ROOST_TOOLS_LOAD_RUNNER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/io/uring_io.h"
#include "tools/load/bare_server.h"
#include "tools/load/load_shard.h"
#include "tools/load/progress.h"
#include "tools/load/series.h"
#include "tools/load/watch.h"

namespace roost::load {

class Runner {
 public:
  // Null when the kernel or a limit forbids it; *error says what.
  static std::unique_ptr<Runner> Create(const Options& options, std::string* error);

  Result Run();

  // Safe in a signal handler.
  static void Interrupt();

 private:
  explicit Runner(const Options& options);

  bool Prepare(std::string* error);
  bool PrepareTls(std::string* error);
  void Look(Moment moment);
  void Ramp();
  void Storm();
  void Deliver();
  void DeliverOnLine();
  void AwaitEvents();
  // Until `done` or the time is up or it is interrupted. True: done.
  bool Await(uint64_t limit_ns, const std::function<bool()>& done);
  void Enter(RunPhase phase);
  ProgressState State() const;
  // Keeps what is to be drawn and shows what is to be seen.
  void NoteProgress();
  // A storm that the server made.
  void NoteLost(uint64_t idle);
  void ShowProgress(const ProgressState& state);
  template <typename Integer>
  uint64_t Sum(std::atomic<Integer> Progress::*member) const;
  void Order(uint64_t messages);

  Options options_;  // constant once it runs
  Watch watch_;
  std::optional<BareRun> bare_run_;
  std::unique_ptr<BareServer> bare_server_;
  std::unique_ptr<TlsClientContext> tls_, resuming_tls_;
  std::unique_ptr<UringSet> ios_;
  std::vector<std::unique_ptr<LoadShard>> shards_;
  bool ramp_limit_hit_ = false;
  std::vector<double> storms_s_, unfinished_storms_s_;
  uint64_t once_idle_ = 0;  // after the ramp
  uint64_t lost_ns_ = 0;    // since when somebody is missing; 0: nobody is
  uint64_t ordered_ = 0;
  const bool terminal_;
  RunPhase phase_ = RunPhase::kRamp;
  uint64_t began_ns_ = 0;
  uint64_t shown_ns_ = 0;
  ProgressLine line_;
  Series series_;
};

}  // namespace roost::load

#endif  // ROOST_TOOLS_LOAD_RUNNER_H_
