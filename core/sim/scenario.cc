#include "core/sim/scenario.h"

#include <algorithm>

namespace roost {
namespace {

StoreTraits RandomTraits(Rng& rng) {
  StoreTraits t;
  t.esearch = rng.Chance(0.7);
  t.enable = rng.Chance(0.85);
  t.condstore = rng.Chance(0.8);
  t.qresync = t.condstore && t.enable && rng.Chance(0.8);
  t.unselect = rng.Chance(0.8);
  t.literal_plus = rng.Chance(0.8);
  t.sasl_ir = rng.Chance(0.7);
  t.uidplus = rng.Chance(0.8);
  t.move = rng.Chance(0.7);
  t.id = rng.Chance(0.8);
  t.idle = rng.Chance(0.92);
  t.refuses_idle = t.idle && rng.Chance(0.05);
  t.sort = rng.Chance(0.6);
  t.recent = rng.Chance(0.7);
  t.unsolicited = rng.Chance(0.2);
  t.check_flushes = rng.Chance(0.5);
  t.untagged_bad = rng.Chance(0.2);
  t.skips_literals = rng.Chance(0.3);
  t.copyuid = rng.Chance(0.8);
  t.strict_modseq = rng.Chance(0.6);
  t.modseq_unasked = rng.Chance(0.6);
  t.no_modseq = rng.Chance(0.15) ? 0.5 : 0;
  t.uid_not_sticky = rng.Chance(0.05) ? 0.5 : 0;
  t.read_only_sometimes = rng.Chance(0.25);
  static constexpr double kShares[] = {0, 0.3, 0.7, 1};
  t.uid_in_news = kShares[rng.Below(4)];
  t.early_news = kShares[rng.Below(4)];
  static constexpr uint64_t kDelaysMs[] = {0, 100, 500, 2000, 2000};
  t.max_delay_ns = MsToNs(kDelaysMs[rng.Below(5)]);
  static constexpr uint64_t kWorkMs[] = {1, 20, 200};
  t.max_work_ns = MsToNs(kWorkMs[rng.Below(3)]);
  return t;
}

ModelClient::Habits RandomHabits(Rng& rng) {
  ModelClient::Habits h;
  static constexpr ClientClass kClasses[] = {ClientClass::kPlain, ClientClass::kPlain,
                                             ClientClass::kCondstore, ClientClass::kQresync};
  h.client_class = kClasses[rng.Below(4)];
  static constexpr double kIdle[] = {0.1, 0.4, 0.7, 0.95};
  h.idle = kIdle[rng.Below(4)];
  static constexpr double kLongest[] = {2, 20, 60};
  h.longest_idle_s = kLongest[rng.Below(3)];
  static constexpr double kPause[] = {0.2, 2, 10};
  h.longest_pause_s = kPause[rng.Below(3)];
  static constexpr double kQuiet[] = {0, 0, 0.1, 0.5};
  h.quiet = kQuiet[rng.Below(4)];
  static constexpr double kLongestQuiet[] = {1, 20, 240};
  h.longest_quiet_s = kLongestQuiet[rng.Below(3)];
  h.settles_quiet = rng.Chance(0.25);
  h.slow = rng.Chance(0.2) ? 0.5 : 0;
  h.examine = rng.Chance(0.3) ? 0.5 : 0;
  h.leave = rng.Chance(0.3) ? 0.1 : 0.01;
  h.odd = rng.Chance(0.5) ? 0.15 : 0;
  h.pin = rng.Chance(0.1) ? 0.05 : 0;
  h.lists_by_fetch = rng.Chance(0.3);
  h.writes = rng.Chance(0.6);
  return h;
}

Config MakeConfig(Rng& rng, bool faults) {
  Config config;
  ListenerConfig listener;
  listener.tls = ListenerConfig::Tls::kNone;
  listener.allow_plaintext_login = true;
  config.listeners.push_back(listener);
  StoreConfig store;
  store.name = "model";
  store.login = static_cast<StoreConfig::Login>(rng.Below(3));
  store.master_user = ModelStore::kMaster;
  store.master_password = ModelStore::kMasterPassword;
  store.connect_timeout_s = 5;
  store.command_timeout_s = 20;
  store.max_logins_in_progress = rng.Chance(0.3) ? 2 : 32;
  config.stores.push_back(store);
  config.timeouts.heartbeat_s = 30;
  ParkingConfig& p = config.parking;
  p.driver_check_s = rng.Chance(0.5) ? 20 : 540;
  static constexpr int kAgesMs[] = {0, 200, 1000};
  p.flush_max_age_ms = kAgesMs[rng.Below(3)];
  static constexpr int kKeepS[] = {0, 2, 10};
  p.pool_keep_s = kKeepS[rng.Below(3)];
  p.pool_per_user = rng.Chance(0.2) ? 0 : 2;
  p.poll_s = 5;
  p.reconnect_max_ms = 4000;
  static constexpr int kQuietS[] = {0, 1, 3, 30};
  p.quiet_park_s = kQuietS[rng.Below(4)];
  if (faults && rng.Chance(0.2)) {  // never enough sessions
    p.quiet_park_s = 1;
    config.stores[0].max_sessions_per_user = static_cast<int>(rng.Between(2, 5));
    config.stores[0].queue_s = 3;
  }
  if (rng.Chance(0.2)) p.log_entries_max = 6;
  return config;
}

}  // namespace

Scenario Scenario::FromSeed(uint64_t seed, const Options& options) {
  Scenario s;
  s.seed = seed;
  s.direct = options.direct;
  Rng rng(seed * 2 + 1);
  s.faults = seed % 2 == 1;
  s.shards = static_cast<uint32_t>(rng.Between(1, 3));
  s.busy_s = rng.Between(20, 120);
  static constexpr double kChanges[] = {0.2, 1, 4};
  s.changes_per_s = kChanges[rng.Below(3)];
  if (s.faults) {
    s.faults_per_s = rng.Chance(0.5) ? 0.05 : 0.3;
    // One alone, or each with even chances.
    const bool alone = rng.Chance(0.3);
    const uint64_t one = rng.Below(kStoreFaults);
    for (uint64_t i = 0; i < kStoreFaults; ++i) {
      if (alone ? i == one : i == one || rng.Chance(0.5))
        s.fault_kinds.push_back(static_cast<StoreFault>(i));
    }
  }
  if (rng.Chance(0.5)) s.network = SimOptions::Calm();
  if (rng.Chance(0.2)) s.network.socket_buffer = 4096;
  s.traits = RandomTraits(rng);
  // The model client has no other way to wait; behind Roost it meets none of it.
  if (options.direct) s.traits.refuses_idle = false;
  // Drawn apart, so that the rest of a run does not depend on it.
  if (options.replicas || Rng(seed * 3 + 7).Chance(0.15)) {
    s.traits.replicas = 0.5;
    s.traits.flags_lag = options.flags_lag;
  }
  if (Rng(seed * 5 + 11).Chance(0.3)) s.traits.overtaken_lists = 0.5;
  if (Rng(seed * 7 + 5).Chance(0.2)) s.traits.alerts = 0.1;
  Rng notify(seed * 13 + 17);
  if (!options.direct && notify.Chance(0.35)) {
    s.traits.notify = true;
    s.traits.refuses_notify = notify.Chance(0.1);
    static constexpr double kOdds[] = {0, 0, 0.3, 1};
    s.traits.notify_forgets = kOdds[notify.Below(3)];
    s.traits.notify_lags = kOdds[notify.Below(4)];
    if (s.faults && notify.Chance(0.3)) s.traits.notify_overflows = 0.02;
  }
  Rng ends(seed * 11 + 13);
  if (!options.direct && ends.Chance(0.25)) s.ends_per_s = ends.Chance(0.5) ? 0.05 : 0.3;
  s.config = MakeConfig(rng, s.faults);
  s.config.stores[0].notify = s.traits.notify && notify.Chance(0.9);
  Rng audits(seed * 5 + 11);  // apart as well
  s.config.parking.audit_s = audits.Chance(0.3) ? static_cast<int>(audits.Between(1, 15)) : 0;
  if (s.ends_per_s > 0 && ends.Chance(0.5)) {
    s.config.limits.max_login_age_s = static_cast<int>(ends.Between(5, 30));
  }
  const uint64_t users = rng.Chance(0.6) ? 1 : rng.Between(2, 4);
  for (uint64_t u = 0; u < users; ++u) {
    const std::string user = "u" + std::to_string(u);
    std::vector<std::string> mailboxes = {"INBOX", "Archive", "Lists"};
    mailboxes.resize(rng.Between(1, 3));
    for (const std::string& name : mailboxes) {
      const uint64_t most = rng.Chance(0.2) ? 0 : rng.Chance(0.1) ? 300 : 20;
      s.mailboxes.push_back({user, name, static_cast<uint32_t>(rng.Below(most + 1))});
    }
    const uint64_t clients = rng.Chance(0.25)  ? 1
                             : rng.Chance(0.8) ? rng.Between(2, 5)
                                               : rng.Between(6, 12);
    for (uint64_t c = 0; c < clients; ++c) {
      std::vector<std::string> own = mailboxes;
      // Mostly they meet in one mailbox.
      if (rng.Chance(0.6)) own.resize(1);
      s.clients.push_back({user, std::move(own), RandomHabits(rng)});
    }
  }
  return s;
}

std::string Scenario::ToString() const {
  std::string text = "seed " + std::to_string(seed) + ": " + std::to_string(clients.size()) +
                     " clients, " + std::to_string(mailboxes.size()) + " mailboxes, " +
                     std::to_string(shards) + " shards, " + std::to_string(busy_s) + " s";
  static constexpr const char* kLogins[] = {"client", "authzid", "separator"};
  text += std::string(", login ") + kLogins[static_cast<int>(config.stores[0].login)];
  text += faults ? ", faults" : ", no faults";
  for (StoreFault fault : fault_kinds) text += " " + std::to_string(static_cast<int>(fault));
  if (!traits.esearch) text += ", no ESEARCH";
  if (!traits.enable) text += ", no ENABLE";
  if (!traits.condstore) text += ", no CONDSTORE";
  if (!traits.qresync) text += ", no QRESYNC";
  if (!traits.unselect) text += ", no UNSELECT";
  if (traits.refuses_idle) text += ", refuses IDLE";
  if (!traits.idle) text += ", no IDLE";
  if (config.stores[0].notify) text += ", NOTIFY";
  if (traits.no_modseq > 0) text += ", some NOMODSEQ";
  if (traits.read_only_sometimes) text += ", read-only at times";
  if (config.parking.audit_s != 0) {
    text += ", audits each " + std::to_string(config.parking.audit_s) + " s";
  }
  if (traits.unsolicited) text += ", unsolicited";
  if (ends_per_s > 0) text += ", clients ended";
  if (config.limits.max_login_age_s > 0) {
    text += ", logins end after " + std::to_string(config.limits.max_login_age_s) + " s";
  }
  if (traits.replicas > 0) text += traits.flags_lag ? ", replicas" : ", replicas but for flags";
  text += ", late by " + std::to_string(NsToMs(traits.max_delay_ns)) + " ms";
  return text;
}

}  // namespace roost
