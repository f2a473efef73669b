// What one run is made of, all of it from one number.
#ifndef ROOST_CORE_SIM_SCENARIO_H_
#define ROOST_CORE_SIM_SCENARIO_H_

#include <cstdint>
#include <string>
#include <vector>

#include "core/config/config.h"
#include "core/io/simulated.h"
#include "core/sim/model_client.h"
#include "core/sim/model_store.h"

namespace roost {

struct Scenario {
  struct ClientPlan {
    std::string user;
    std::vector<std::string> mailboxes;
    ModelClient::Habits habits;
  };
  struct MailboxPlan {
    std::string user;
    std::string name;
    uint32_t messages = 0;
  };

  // How a run differs from what its seed says.
  struct Options {
    bool direct = false;     // clients talk to the store itself: what the models make of each other
    bool replicas = false;   // the store has a replica that is behind, in each run
    bool flags_lag = false;  // and behind with flags as well
  };

  // Seeds from 0 on.
  static Scenario FromSeed(uint64_t seed, const Options& options);

  // One line, for the log.
  std::string ToString() const;

  uint64_t seed = 0;
  bool direct = false;
  bool faults = false;
  uint32_t shards = 1;
  uint64_t busy_s = 60;      // how long clients act
  double changes_per_s = 1;  // by sessions past us, in all mailboxes together
  double faults_per_s = 0;
  std::vector<StoreFault> fault_kinds;
  double ends_per_s = 0;  // clients that are drained, or users that are kicked
  SimOptions network;
  StoreTraits traits;
  Config config;
  std::vector<MailboxPlan> mailboxes;
  std::vector<ClientPlan> clients;
};

}  // namespace roost

#endif  // ROOST_CORE_SIM_SCENARIO_H_
