#include "core/sim/simulation.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

namespace roost {
namespace {

constexpr uint32_t kShardSet = 0, kStoreSet = 1, kClientSet = 2;
// What takes longest: a driver's check finds a store that hangs (540 s), clients that keep their
// session try to park up to 120 s apart, and all of it may happen once more on the way.
constexpr uint64_t kFarSeconds = 2000;
// A store tells late, a client without news is told after a flush at most: all in all.
constexpr uint64_t kQuietNs = 6 * kNsPerSecond;
constexpr uint64_t kLookEveryNs = kNsPerSecond / 20;
constexpr uint64_t kLogoutSeconds = 200;
constexpr int kSmallLog = 100;
constexpr size_t kMostLines = 20'000;  // of a transcript

Address MakeAddress(const char* text) {
  Address address;
  Address::Parse(text, &address);
  return address;
}

}  // namespace

Simulation::Simulation(const Scenario& scenario, bool keep_transcript)
    : scenario_(scenario),
      rng_(scenario.seed * 7 + 3),
      end_rng_(scenario.seed * 13 + 1),
      drain_rng_(scenario.seed * 17 + 5),
      network_(scenario.seed, scenario.network),
      runner_(&network_),
      store_wires_(*network_.AddIo(kStoreSet)),
      client_wires_(*network_.AddIo(kClientSet)),
      store_(store_wires_, scenario.seed * 5 + 2, scenario.traits, transcript_, violations_),
      store_address_(MakeAddress("127.0.0.2:143")),
      roost_address_(MakeAddress("127.0.0.1:143")),
      config_(scenario.config) {
  if (keep_transcript) transcript_.Enable();
  store_.Listen(network_.MakeListener(store_address_));
  for (const Scenario::MailboxPlan& plan : scenario_.mailboxes) {
    store_.AddMailbox(plan.user, plan.name);
    for (uint32_t i = 0; i < plan.messages; ++i)
      store_.DeliverTo(*store_.Find(plan.user, plan.name));
  }
  store_.counts() = {};
  if (!scenario_.direct) MakeShards();
  MakeClients();
  runner_.Add([this] {
    const int done = store_wires_.Turn();
    store_.Sweep();
    return done;
  });
  runner_.Add([this] { return client_wires_.Turn(); });
}

Simulation::~Simulation() {
  clients_.clear();
  shards_.clear();
}

void Simulation::MakeShards() {
  config_.listeners[0].address = roost_address_;
  config_.stores[0].addresses = {{"127.0.0.2", 143}};
  config_.shards = static_cast<int>(scenario_.shards);
  std::vector<ConfigError> errors;
  router_ = Router::Build(config_, &errors);
  common_.config = &config_;
  common_.router = router_;
  StoreTarget target;
  target.config = Borrowed(config_.stores[0]);
  target.addresses = {{store_address_, ""}};
  common_.targets = {target};
  common_.hash_key = {scenario_.seed, scenario_.seed + 1};
  common_.shards = scenario_.shards;
  const ListenerDescriptor listener = network_.MakeListener(roost_address_);
  for (uint32_t i = 0; i < scenario_.shards; ++i) {
    shards_.push_back(std::make_unique<Shard>(i, common_, *network_.AddIo(kShardSet)));
    shards_.back()->Start({listener});
    runner_.Add([shard = shards_.back().get()] { return shard->Turn(kNever); });
  }
}

void Simulation::MakeClients() {
  const Config& config = scenario_.config;
  const bool small_log = config.parking.log_entries_max < kSmallLog;
  world_ = std::make_unique<ClientWorld>(
      ClientWorld{.wires = client_wires_,
                  .server = scenario_.direct ? store_address_ : roost_address_,
                  .transcript = transcript_,
                  .violations = violations_,
                  .counts = client_counts_,
                  .store = store_,
                  .direct = scenario_.direct,
                  .faults = scenario_.faults,
                  .small_log = small_log,
                  .ends = scenario_.ends_per_s > 0,
                  .logins_age = config.limits.max_login_age_s > 0,
                  .by_master = config.stores[0].login != StoreConfig::Login::kClient});
  uint64_t number = 0;
  for (const Scenario::ClientPlan& plan : scenario_.clients) {
    ++number;
    clients_.push_back(std::make_unique<ModelClient>(*world_, number, rng_.Next(), plan.user,
                                                     plan.mailboxes, plan.habits));
    clients_.back()->Start();
  }
}

void Simulation::Wrong(const std::string& user, const std::string& who, const std::string& text) {
  violations_.Add(network_.NowNs(), user, who, text);
  transcript_.Add(network_.NowNs(), user, who, "!! " + text);
}

template <typename Done>
bool Simulation::RunUntil(uint64_t seconds, Done done) {
  bool came = false;
  runner_.RunUntil([&] { return failed() || (came = done()); }, SecondsToNs(seconds));
  return came && !failed();
}

void Simulation::RunFor(double seconds) {
  const uint64_t end = network_.NowNs() + static_cast<uint64_t>(seconds * kNsPerSecond);
  // In slices, so that a failure ends it and time without events passes.
  while (network_.NowNs() < end && !failed()) {
    runner_.RunFor(std::min<uint64_t>(end - network_.NowNs(), kNsPerSecond / 4));
  }
}

// ---- Busy ----

void Simulation::PlanChange() {
  const double seconds = static_cast<double>(rng_.Below(2000)) / 1000 / scenario_.changes_per_s;
  store_wires_.In(static_cast<uint64_t>(seconds * kNsPerSecond), life_, [this] {
    if (!changing_) return;
    ChangeSomething();
    PlanChange();
  });
}

void Simulation::PlanFault() {
  if (scenario_.faults_per_s <= 0) return;
  const double seconds = static_cast<double>(rng_.Below(2000)) / 1000 / scenario_.faults_per_s;
  store_wires_.In(static_cast<uint64_t>(seconds * kNsPerSecond), life_, [this] {
    if (!busy_) return;
    BreakSomething();
    PlanFault();
  });
}

// Clients are sent away, as a drain or an operator does it.
void Simulation::PlanEnd() {
  if (scenario_.ends_per_s <= 0) return;
  const double seconds = static_cast<double>(end_rng_.Below(2000)) / 1000 / scenario_.ends_per_s;
  store_wires_.In(static_cast<uint64_t>(seconds * kNsPerSecond), life_, [this] {
    if (!busy_) return;
    if (end_rng_.Chance(0.8)) {
      Shard& shard = *shards_[end_rng_.Below(shards_.size())];
      shard.client_table().partings().Drain(1 + end_rng_.Chance(0.3));
    } else {
      const std::string& user = scenario_.clients[end_rng_.Below(scenario_.clients.size())].user;
      for (const auto& shard : shards_) {
        for (uint32_t place = 0; place != kNoIndex;) shard->KickSome(user, &place);
      }
    }
    PlanEnd();
  });
}

// One of the two places of the store is emptied, and next time the other; both lead to the store.
void Simulation::PlanStoreDrain() {
  if (scenario_.ends_per_s <= 0) return;
  store_wires_.In(drain_rng_.Between(1, 40) * kNsPerSecond, life_, [this] {
    if (!busy_) return;
    drained_place_ = 1 - drained_place_;
    std::vector<StoreAddress> places = {{store_address_, "one"}, {store_address_, "two"}};
    places[drained_place_].drained = true;
    const StoreDrainPlan plan{DrainPlan::Make(network_.NowNs(), drain_rng_.Between(1, 20), 0)};
    for (const auto& shard : shards_) {
      shard->SetStoreAddresses({places});
      shard->DrainStores({plan});
    }
    PlanStoreDrain();
  });
}

void Simulation::ChangeSomething() {
  const Scenario::MailboxPlan& plan = scenario_.mailboxes[rng_.Below(scenario_.mailboxes.size())];
  const std::shared_ptr<ModelMailbox> mailbox = store_.Find(plan.user, plan.name);
  if (mailbox == nullptr) return;
  if (rng_.Chance(0.03)) store_.ToggleReadOnly(*mailbox);
  // Often several at once, as filters and other clients do.
  for (uint64_t more = 1 + (rng_.Chance(0.3) ? rng_.Below(4) : 0); more > 0; --more) {
    const uint64_t what = rng_.Below(10);
    if (what < 4) store_.DeliverTo(*mailbox);
    if (what >= 4 && what < 7) store_.ExpungeFrom(*mailbox);
    if (what >= 7) store_.ReflagIn(*mailbox);
  }
}

void Simulation::BreakSomething() {
  const Scenario::MailboxPlan& plan = scenario_.mailboxes[rng_.Below(scenario_.mailboxes.size())];
  const StoreFault fault = scenario_.fault_kinds[rng_.Below(scenario_.fault_kinds.size())];
  store_.Break(fault, plan.user, plan.name);
}

void Simulation::Busy() {
  busy_ = changing_ = true;
  PlanChange();
  PlanFault();
  PlanEnd();
  PlanStoreDrain();
  RunFor(static_cast<double>(scenario_.busy_s));
  busy_ = changing_ = false;
  config_.stores[0].max_sessions_per_user = 0;  // everybody may ask for everything now
  config_.limits.max_login_age_s = 0;           // and stay
  store_.EndFaults();
}

// ---- Quiet ----

// One session for each mailbox that somebody watches, and one for each client that is bound to its
// own. A client that is quiet may be either: what it is owed cannot always be owed by a log. So may
// one whose mailbox was renamed while its name went to another one, and one that knows of no rights
// to compare a master user's with.
std::pair<size_t, size_t> Simulation::SessionsWanted() const {
  const bool by_password = scenario_.config.stores[0].login == StoreConfig::Login::kClient;
  std::set<std::tuple<std::string, std::string, uint32_t>> watched, surely;
  size_t own = 0, quiet = 0;
  for (const auto& client : clients_) {
    const Belief& belief = client->belief();
    const bool bound = client->pinned() || belief.uid_not_sticky;
    const bool rests = client->settles_quiet() || !client->has_idle();
    const auto mailbox_now = store_.Find(client->user(), belief.mailbox);
    const bool renamed =
        mailbox_now != nullptr && mailbox_now->uid_validity() != belief.uid_validity;
    const bool unseen = !by_password && (belief.mailbox.empty() || belief.examine);
    own += bound ? 1 : 0;
    quiet += !bound && (rests || renamed || unseen) ? 1 : 0;
    if (bound || renamed || belief.mailbox.empty()) continue;
    const std::tuple mailbox(client->user(), belief.mailbox,
                             by_password ? client->password_version() : 0);
    watched.insert(mailbox);
    if (!rests) surely.insert(mailbox);
  }
  // A mailbox that turned read-only may have looked as if the master user had other rights.
  const bool in_doubt = !by_password && scenario_.traits.read_only_sometimes;
  const size_t most = in_doubt ? clients_.size() : surely.size() + own + quiet;
  const size_t auditing = scenario_.config.parking.audit_s == 0 ? 0 : shards_.size();
  return {watched.size() + own, std::max(most, watched.size() + own) + auditing};
}

std::string Simulation::Unrest() const {
  for (const auto& client : clients_) {
    if (!client->settled()) return client->Describe() + " is not settled";
  }
  for (const auto& shard : shards_) {
    if (shard->recovering() != 0) return std::to_string(shard->recovering()) + " feeds recover";
  }
  std::string text = store_.Unrest();
  if (!text.empty() || scenario_.direct) return text;
  const auto [least, most] = SessionsWanted();
  const size_t open = store_.sessions_open();
  if (least <= open && open <= most) return {};
  text = std::to_string(open) + " sessions where " + std::to_string(least) + " to " +
         std::to_string(most) + " are wanted:";
  std::set<std::string> users;
  for (const auto& client : clients_) {
    if (users.insert(client->user()).second)
      text += " " + client->user() + ":" + store_.Describe(client->user());
  }
  return text;
}

bool Simulation::AwaitQuiet(const char* when) {
  uint64_t quiet_since = kNever;
  std::string unrest;
  uint64_t looked_ns = 0;
  const bool quiet = RunUntil(kFarSeconds, [&] {
    const uint64_t now = network_.NowNs();
    if (now < looked_ns + kLookEveryNs) return false;
    looked_ns = now;
    unrest = Unrest();
    if (!unrest.empty()) quiet_since = kNever;
    if (unrest.empty() && quiet_since == kNever) quiet_since = now;
    return quiet_since != kNever && now - quiet_since >= kQuietNs;
  });
  if (!quiet && !failed()) Wrong("", "runner", std::string("no quiet ") + when + ": " + unrest);
  return quiet;
}

void Simulation::Compare(const char* when, bool whole) {
  for (const auto& client : clients_) {
    if (failed()) return;
    const Belief& belief = client->belief();
    if (!client->settled()) {
      Wrong(client->user(), client->name(), std::string("is not settled ") + when);
      return;
    }
    if (belief.mailbox.empty()) continue;
    std::shared_ptr<ModelMailbox> truth = store_.Find(client->user(), belief.mailbox);
    // One that has another name by now goes on for whoever selected it before.
    if (truth == nullptr || truth->uid_validity() != belief.uid_validity) {
      truth = store_.FindByValidity(client->user(), belief.uid_validity);
    }
    std::string wrong =
        truth == nullptr || truth->replaced() ? "is gone" : belief.CompareWith(*truth);
    if (wrong.empty() && whole && client->asked_for_everything() && belief.unknown_uids() != 0)
      wrong = "has not learned every UID";
    ++client_counts_.compared;
    if (!wrong.empty())
      Wrong(client->user(), client->name(), belief.mailbox + " " + when + ": " + wrong);
  }
}

void Simulation::AskAll() {
  for (const auto& client : clients_) client->Ask();
  RunFor(0.1);
}

void Simulation::ChangeWhileIdle() {
  store_.Thaw();
  changing_ = true;
  PlanChange();
  for (int i = 0; i < 5; ++i) ChangeSomething();
  RunFor(12);
  changing_ = false;
}

void Simulation::VerifyAll() {
  if (failed()) return;
  for (const auto& client : clients_) client->Verify();
  RunFor(0.5);
}

void Simulation::FinishAll() {
  if (failed()) return;
  for (const auto& client : clients_) client->Finish();
  const bool finished = RunUntil(kLogoutSeconds, [this] {
    return std::all_of(clients_.begin(), clients_.end(),
                       [](const auto& c) { return c->finished(); });
  });
  if (failed()) return;
  if (!finished) {
    for (const auto& client : clients_) {
      if (!client->finished())
        return Wrong(client->user(), client->name(), "cannot log out: " + client->Describe());
    }
  }
  RunFor(20);
  // For so long a user is remembered to whom a master user seemed to have other rights.
  if (world_->by_master && scenario_.traits.read_only_sometimes) RunFor(3600);
  if (store_.sessions_open() != 0) {
    Wrong("", "store", std::to_string(store_.sessions_open()) + " sessions when nobody is left");
  }
  for (const auto& shard : shards_) {
    const ShardFigures f = shard->Figures();
    if (f.clients != 0 || f.users != 0 || f.feeds.feeds != 0 || f.feeds.recovering != 0) {
      Wrong("", "shard",
            "has " + std::to_string(f.clients) + " clients, " + std::to_string(f.users) +
                " users, " + std::to_string(f.feeds.feeds) + " feeds, " +
                std::to_string(f.feeds.recovering) + " recoveries when nobody is left");
    }
  }
}

void Simulation::JudgeAudits() {
  if (failed()) return;
  for (const auto& shard : shards_) {
    const uint64_t mismatches = shard->Figures().feeds.audit_mismatches;
    if (mismatches != 0)
      Wrong("", "shard", std::to_string(mismatches) + " audits found another view");
  }
}

SimResult Simulation::Run() {
  Busy();
  for (const auto& client : clients_) client->Settle();
  if (AwaitQuiet("when faults are over")) AskAll();
  if (!failed() && AwaitQuiet("when faults are over")) Compare("when all is quiet", false);
  if (!failed()) ChangeWhileIdle();
  if (!failed() && AwaitQuiet("after changes in IDLE")) AskAll();
  if (!failed() && AwaitQuiet("after changes in IDLE")) Compare("after changes in IDLE", false);
  VerifyAll();
  if (!failed() && AwaitQuiet("after asking for everything")) {
    Compare("after asking for everything", true);
  }
  FinishAll();
  JudgeAudits();
  SimResult result;
  result.violations = violations_.all();
  result.counts = Count();
  result.digest = transcript_.digest();
  result.simulated_s = NsToSeconds(network_.NowNs());
  result.steps = runner_.steps();
  if (transcript_.enabled() && failed()) {
    result.transcript = transcript_.Of(violations_.all().front().user, kMostLines);
  }
  return result;
}

SimCounts Simulation::Count() {
  SimCounts c;
  const StoreCounts& s = store_.counts();
  c["store sessions"] = s.sessions;
  c["store commands"] = s.commands;
  c["store late expunges"] = s.late_expunges;
  c["store late arrivals"] = s.late_arrivals;
  c["store late flags"] = s.late_flags;
  c["store unseen messages"] = s.unseen_messages;
  c["store number probes"] = s.probes;
  c["store replica sessions"] = s.replica_sessions;
  c["store stale selects"] = s.stale_selects;
  c["store alerts"] = s.alerts;
  c["store overtaken lists"] = s.overtaken_lists;
  c["changes delivered"] = s.delivered;
  c["changes expunged"] = s.expunged;
  c["changes reflagged"] = s.reflagged;
  c["store lowered modseqs"] = s.lowered_modseqs;
  c["store notified"] = s.notified;
  c["faults refused notifies"] = s.refused_notifies;
  c["faults notification overflows"] = s.notify_overflows;
  c["store untagged bads"] = s.untagged_bads;
  c["store skipped literals"] = s.skipped_literals;
  c["store selects without modseq"] = s.no_modseq_selects;
  c["store read-only or back"] = s.read_only;
  c["faults cuts"] = s.cuts;
  c["faults aimed cuts"] = s.aimed_cuts;
  c["faults half bodies"] = s.half_bodies;
  c["faults byes"] = s.byes;
  c["faults hangs"] = s.hangs;
  c["faults garbage"] = s.garbage;
  c["faults restarts"] = s.restarts;
  c["faults long restarts"] = s.long_restarts;
  c["faults refused logins"] = s.limits;
  c["faults refused selects"] = s.refused_selects;
  c["faults changed passwords"] = s.passwords;
  c["faults replaced mailboxes"] = s.replaced;
  c["faults deleted mailboxes"] = s.deleted;
  c["faults renamed mailboxes"] = s.renamed;
  c["faults mailboxes gone back"] = s.went_back;
  const ClientCounts& k = client_counts_;
  c["client connections"] = k.connections;
  c["client commands"] = k.commands;
  c["client idles"] = k.idles;
  c["client byes"] = k.byes;
  c["client lost"] = k.lost;
  c["client alerts told"] = k.alerts_told;
  c["client logins ended"] = k.logins_ended;
  c["client logins ended, unselected"] = k.logins_ended_unselected;
  c["client expunge issued"] = k.expunge_issued;
  c["client unavailable"] = k.unavailable;
  c["client told expunge"] = k.expunges_told;
  c["client told vanished"] = k.vanished_told;
  c["client told exists"] = k.exists_told;
  c["client told flags"] = k.flags_told;
  c["client bodies"] = k.bodies;
  c["client heartbeats"] = k.beats;
  c["client times of silence"] = k.quiet;
  c["client times of silence, unselected"] = k.quiet_unselected;
  c["client numbers after silence"] = k.number_commands;
  c["client searches checked"] = k.searches_checked;
  c["client copies checked"] = k.copies_checked;
  c["client modified checked"] = k.modified_checked;
  c["client modseqs checked"] = k.modseqs_checked;
  c["client told read-only"] = k.read_only_told;
  c["client untagged bads"] = k.untagged_bads;
  c["client half responses"] = k.half_responses;
  c["client views compared"] = k.compared;
  for (const auto& shard : shards_) {
    const ShardFigures f = shard->Figures();
    c["roost adopted"] += f.feeds.adopted;
    c["roost raised"] += f.feeds.raised;
    c["roost joined"] += f.feeds.joined;
    c["roost handed over"] += f.feeds.handed_over;
    c["roost woken"] += f.feeds.woken;
    c["roost recovered"] += f.feeds.recovered;
    c["roost refused wakes"] += f.feeds.refused_wakes;
    c["roost drained"] += f.client_stats.drained;
    c["roost kicked"] += f.client_stats.kicked;
    c["roost displaced"] += f.client_stats.displaced;
    c["roost left addresses"] += f.feeds.moved;
    c["roost aged"] += f.client_stats.aged;
    c["roost logins"] += f.client_stats.Logins(LoginResult::kOk);
    c["roost parked"] += f.client_stats.parked;
    c["roost sessions refused"] += f.sessions.refused;
    c["roost quiet parks"] += f.client_stats.quiet_parks;
    c["roost kept idle"] += f.client_stats.kept_idle;
    c["roost mapped commands"] += f.client_stats.mapped_commands;
    c["roost events sent"] += f.client_stats.events_sent;
    c["roost flags learned"] += f.feeds.flags_learned;
    c["roost audits"] += f.feeds.audits;
    c["roost audits of another mailbox"] += f.feeds.audits_replaced;
    c["roost audits unavailable"] += f.feeds.audits_unavailable;
    c["roost audit mismatches"] += f.feeds.audit_mismatches;
    c["roost polls"] += f.feeds.polls;
    c["roost laggards coalesced"] += f.client_stats.laggards_coalesced;
    c["roost laggards dropped"] += f.client_stats.laggards_dropped;
    c["roost moved"] += f.client_stats.moved_in;
  }
  return c;
}

SimResult RunSeed(uint64_t seed, bool keep_transcript, const Scenario::Options& options) {
  Simulation simulation(Scenario::FromSeed(seed, options), keep_transcript);
  return simulation.Run();
}

void AddCounts(const SimCounts& from, SimCounts* to) {
  for (const auto& [name, value] : from) (*to)[name] += value;
}

std::string DescribeCounts(const SimCounts& counts) {
  std::string text;
  for (const auto& [name, value] : counts) {
    std::string line = "  " + name;
    line.resize(std::max<size_t>(line.size(), 40), ' ');
    text += line + " " + std::to_string(value) + "\n";
  }
  return text;
}

}  // namespace roost
