// One run: shards of the real code between model clients and a model store, on a simulated network.
//
//   busy: clients act, others change mailboxes, things break -> faults over, all settle -> quiet
//   -> compared -> changes while all are settled -> quiet -> compared
//   -> everybody asks for everything -> quiet -> compared -> all log out -> nothing is left
//
// Quiet is a condition and no time: every client settled, no feed in search of a session, the store
// with nothing left to tell and with the sessions that are needed, for a while without a break.
//
// What is judged: every line that a client hears (model_client.h), what each believes when all is
// quiet, and how many sessions the store has then: one for each mailbox that is watched.
#ifndef ROOST_CORE_SIM_SIMULATION_H_
#define ROOST_CORE_SIM_SIMULATION_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/shard/shard.h"
#include "core/sim/model_client.h"
#include "core/sim/model_store.h"
#include "core/sim/scenario.h"

namespace roost {

using SimCounts = std::map<std::string, uint64_t>;

struct SimResult {
  std::vector<Violation> violations;
  SimCounts counts;
  uint64_t digest = 0;
  uint64_t simulated_s = 0;
  uint64_t steps = 0;
  std::string transcript;  // of the first violation's user, when asked for
  bool ok() const { return violations.empty(); }
};

class Simulation {
 public:
  Simulation(const Scenario& scenario, bool keep_transcript);
  ~Simulation();
  SimResult Run();

 private:
  void MakeShards();
  void MakeClients();
  bool failed() const { return violations_.count() != 0; }

  void Busy();
  void PlanChange();
  void PlanFault();
  void PlanEnd();
  void PlanStoreDrain();
  void ChangeSomething();
  void BreakSomething();
  // All settled, nothing on its way, for a while; faults are over. False: not so by the far limit.
  bool AwaitQuiet(const char* when);
  // What keeps it from being quiet; empty: nothing.
  std::string Unrest() const;
  void Compare(const char* when, bool whole);
  void ChangeWhileIdle();
  // Quiet clients are told nothing before they ask.
  void AskAll();
  void VerifyAll();
  void FinishAll();
  // Views that an audit found to differ, whatever clients were told.
  void JudgeAudits();
  // At least, at most.
  std::pair<size_t, size_t> SessionsWanted() const;
  // True when `done` came true in time.
  template <typename Done>
  bool RunUntil(uint64_t seconds, Done done);
  void RunFor(double seconds);
  void Wrong(const std::string& user, const std::string& who, const std::string& text);
  SimCounts Count();

  const Scenario scenario_;
  Rng rng_;
  Rng end_rng_, drain_rng_;  // their own, so that other draws do not depend on them
  Transcript transcript_;
  Violations violations_;
  SimNetwork network_;
  SimRunner runner_;
  Wires store_wires_;
  Wires client_wires_;
  ModelStore store_;
  Address store_address_;
  Address roost_address_;
  Config config_;
  std::shared_ptr<const Router> router_;
  ShardCommon common_;
  std::vector<std::unique_ptr<Shard>> shards_;
  ClientCounts client_counts_;
  std::unique_ptr<ClientWorld> world_;
  std::vector<std::unique_ptr<ModelClient>> clients_;
  size_t drained_place_ = 1;
  bool busy_ = false;
  bool changing_ = false;
  std::shared_ptr<int> life_ = std::make_shared<int>(0);
};

// The run of one seed.
SimResult RunSeed(uint64_t seed, bool keep_transcript = false,
                  const Scenario::Options& options = {});

void AddCounts(const SimCounts& from, SimCounts* to);
// "name value" lines.
std::string DescribeCounts(const SimCounts& counts);

}  // namespace roost

#endif  // ROOST_CORE_SIM_SIMULATION_H_
