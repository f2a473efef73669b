#include "core/client/partings.h"

#include <algorithm>
#include <utility>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/client/client.h"
#include "core/client/clients.h"
#include "core/client/services.h"

namespace roost {
namespace {

constexpr std::string_view kDrained = "[UNAVAILABLE] Server shutting down; please connect again";
constexpr std::string_view kKicked = "[UNAVAILABLE] Disconnected by the administrator";
constexpr std::string_view kRerouted =
    "[UNAVAILABLE] Your mailboxes are on another server now; please connect again";
constexpr std::string_view kDisplaced =
    "[UNAVAILABLE] The mail store is going down; please connect again";
constexpr std::string_view kShed =
    "[UNAVAILABLE] The server is short of memory; please connect again later";
constexpr std::string_view kAged = "[UNAVAILABLE] Logged in for too long; please connect again";

}  // namespace

std::string_view Partings::TextFor(const ClientCell& c) {
  if (c.kicked) return kKicked;
  if (c.drained) return kDrained;
  switch (c.parting) {
    case Parting::kAged:
      return kAged;
    case Parting::kRerouted:
      return kRerouted;
    case Parting::kDisplaced:
      return kDisplaced;
    case Parting::kNone:
      break;
  }
  return {};
}

bool Partings::Work() {
  const bool ages = SweepAges();
  const bool sheds = SweepShed();
  return SweepRoutes() || ages || sheds;
}

uint64_t Partings::NextDeadlineNs() const {
  if (reroute_place_ != kNoIndex || shed_pass_ != ShedPass::kOver) return loop_.now_ns();
  uint64_t next = kicked_.empty() ? kNever : kicked_.front().at_ns;
  if (config_.limits.max_login_age_s != 0) next = std::min(next, age_sweep_.next_ns());
  return next;
}

void Partings::Removed(const ClientCell& c) {
  if (c.drained) --drained_;
}

uint32_t Partings::staying() const { return clients_.size() - drained_; }

void Partings::Drain(uint32_t count) {
  for (count = std::min(count, staying()); count > 0;) {
    const bool more = clients_.VisitSome(&drained_up_to_, 1, [&](uint32_t index) {
      ClientCell& c = clients_.cell(index);
      if (c.drained) return;
      c.drained = true;
      --count;
      ++drained_;
      ++services_->stats.drained;
      clients_.End(index, kDrained);
    });
    if (!more) drained_up_to_ = 0;
  }
}

uint32_t Partings::KickSome(std::string_view login, uint32_t* place) {
  const uint64_t end = loop_.now_ns() + SecondsToNs(kKickSeconds);
  uint32_t kicked = 0;
  clients_.VisitSome(place, kVisitsPerTurn, [&](uint32_t index) {
    ClientCell& c = clients_.cell(index);
    if (clients_.LoginOf(c) != login) return;
    c.kicked = true;
    ++kicked;
    ++services_->stats.kicked;
    kicked_.push_back({index, c.generation, end});
    clients_.End(index, kKicked);
  });
  return kicked;
}

void Partings::EndKicked() {
  while (!kicked_.empty() && kicked_.front().at_ns <= loop_.now_ns()) {
    const Kicked next = kicked_.front();
    kicked_.pop_front();
    if (clients_.IsLive(next.index, next.generation)) clients_.Bye(next.index, kKicked);
  }
}

void Partings::Displace(uint32_t index, bool now) {
  ClientCell& c = clients_.cell(index);
  const bool told = c.leaves();  // or will be
  if (c.parting != Parting::kDisplaced) ++services_->stats.displaced;
  c.parting = Parting::kDisplaced;
  if (now) return clients_.Bye(index, kDisplaced);
  if (!told) clients_.End(index, kDisplaced);
}

// A part of looking for logins that are too old. True: more of it waits.
bool Partings::SweepAges() {
  const auto most_s = static_cast<uint32_t>(config_.limits.max_login_age_s);
  if (most_s == 0) return false;
  const uint64_t now = loop_.now_ns();
  if (!age_sweep_.under_way()) {
    if (now < age_sweep_.next_ns()) return false;
    age_sweep_.Begin(now, most_s, clients_.size());
  }
  return clients_.VisitSome(age_sweep_.place(), AgeSweep::kVisitsPerTurn, [&](uint32_t index) {
    ClientCell& c = clients_.cell(index);
    if (c.phase == ClientPhase::kEntering || c.leaves()) return;
    if (LoginTime::AgeS(c.login_s, now) < LongestAgeS(most_s, c.connection_id)) return;
    if (!age_sweep_.Take()) return;
    c.parting = Parting::kAged;
    ++services_->stats.aged;
    clients_.End(index, kAged);
  });
}

void Partings::Shed(uint32_t count) {
  if (shed_pass_ != ShedPass::kOver) return;
  shed_pass_ = ShedPass::kQuiet;
  shed_place_ = 0;
  shed_left_ = count;
}

bool Partings::MayShed(const ClientCell& c) const {
  if (c.phase == ClientPhase::kParked) return shed_pass_ == ShedPass::kParked;
  const bool busy = c.awake() != nullptr && c.awake()->talk().Busy();
  return shed_pass_ == (busy ? ShedPass::kBusy : ShedPass::kQuiet);
}

// A part of sending clients away as memory has run out. True: more of it waits.
bool Partings::SweepShed() {
  for (uint32_t i = 0; i < kVisitsPerTurn && shed_pass_ != ShedPass::kOver; ++i) {
    const bool more = shed_left_ != 0 && clients_.VisitSome(&shed_place_, 1, [&](uint32_t index) {
      if (!MayShed(clients_.cell(index))) return;
      --shed_left_;
      ++services_->stats.shed;
      services_->stats.Hit(ClientLimit::kMemory);
      clients_.Bye(index, kShed);
    });
    if (more) continue;
    shed_pass_ =
        shed_left_ == 0 ? ShedPass::kOver : static_cast<ShedPass>(static_cast<int>(shed_pass_) + 1);
    shed_place_ = 0;
  }
  return shed_pass_ != ShedPass::kOver;
}

void Partings::Reroute(std::shared_ptr<const Router> before) {
  replaced_.push_back(std::move(before));
  RerouteDeferred();
}

void Partings::RerouteDeferred() {
  reroute_place_ = 0;
  rerouted_before_ = services_->stats.rerouted;
}

void Partings::EndIfRerouted(uint32_t index, std::optional<StoreIndex> before) {
  ClientCell& c = clients_.cell(index);
  if (c.phase == ClientPhase::kEntering || c.leaves()) return;
  if (services_->router->service() != nullptr) return;  // nobody is asked without need
  if (services_->router->Route(clients_.LoginOf(c)) == before) return;
  c.route_changed = true;
  EndRerouted(index);
}

// A user whom the routes do not know any more stays: a map that was cut short must not send
// everybody away. Whose store is drained stays until that ends it, or until the store is wanted
// again.
void Partings::EndRerouted(uint32_t index) {
  ClientCell& c = clients_.cell(index);
  if (!c.route_changed || c.leaves() || services_->router->service() != nullptr) return;
  const std::optional<StoreIndex> at = clients_.StoreOf(c),
                                  belongs = services_->RouteOf(clients_.LoginOf(c));
  if (at && services_->dialers[*at]->drained()) return;
  c.route_changed = false;
  if (!at || !belongs || *at == *belongs) return;
  c.parting = Parting::kRerouted;
  ++services_->stats.rerouted;
  clients_.SetByeTimer(index);
}

// A part of looking for those. True: more of it waits.
bool Partings::SweepRoutes() {
  if (reroute_place_ == kNoIndex) return false;
  const bool more = clients_.VisitSome(&reroute_place_, kVisitsPerTurn, [&](uint32_t index) {
    EndRerouted(index);
    const ClientCell& c = clients_.cell(index);
    for (const auto& router : replaced_) EndIfRerouted(index, router->Route(clients_.LoginOf(c)));
  });
  if (more) return true;
  replaced_.clear();
  const uint64_t clients = services_->stats.rerouted - rerouted_before_;
  if (clients != 0) Log(LogLevel::kInfo, "clients_rerouted", {{"clients", clients}});
  return false;
}

}  // namespace roost
