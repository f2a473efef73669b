#include "core/shard/store_drains.h"

#include <algorithm>
#include <utility>

#include "core/base/hash.h"
#include "core/client/client.h"

namespace roost {
namespace {

// All clients of a user in the same moment, users spread over the time for it.
uint64_t TurnOf(const DrainPlan& plan, uint64_t hash) {
  return plan.accepting_ns + (plan.told_ns - plan.accepting_ns) / 65536 * (hash & 0xffff);
}

}  // namespace

void StoreDrains::Set(Plans plans, uint64_t now_ns) {
  const Plans before = std::exchange(plans_, std::move(plans));
  walking_ = false;
  next_ns_ = now_ns;
  for (size_t i = 0; i < leaving_.size(); ++i) {
    const bool planned = i < plans_.size() && plans_[i];
    const bool drained = planned && plans_[i]->whole;
    const bool wanted_again = dialers_[i]->drained() && !drained;
    dialers_[i]->set_drained(drained);
    if (wanted_again) clients_.partings().RerouteDeferred();
    if (!planned) {
      leaving_[i] = {};
    } else if (i >= before.size() || before[i] != plans_[i]) {
      leaving_[i].found = clients_.size();
    }
  }
}

bool StoreDrains::Wanted() const {
  return std::any_of(plans_.begin(), plans_.end(),
                     [](const auto& plan) { return plan.has_value(); });
}

uint64_t StoreDrains::NextNs() const {
  if (!Wanted()) return kNever;
  return walking_ ? 0 : next_ns_;
}

bool StoreDrains::Step(uint64_t now_ns) {
  if (!Wanted() || (!walking_ && now_ns < next_ns_)) return false;
  if (!std::exchange(walking_, true)) {
    place_ = 0;
    for (Leaving& of_store : leaving_) of_store.counted = 0;
  }
  const bool more =
      clients_.VisitSome(&place_, kVisitsPerTurn, [&](uint32_t index) { Visit(index, now_ns); });
  if (!more) EndWalk(now_ns);
  return more;
}

// When one of the plans' times comes, and now and then. After the end there are those only who were
// on their way in when it began.
void StoreDrains::EndWalk(uint64_t now_ns) {
  walking_ = false;
  const bool late = std::all_of(plans_.begin(), plans_.end(),
                                [&](const auto& plan) { return !plan || plan->end_ns < now_ns; });
  uint64_t left = 0;
  for (Leaving& of_store : leaving_) {
    of_store.found = of_store.counted;
    left += of_store.found;
  }
  next_ns_ = now_ns + (late && left == 0 ? kLatePeriodNs : kPeriodNs);
  for (const auto& plan : plans_) {
    if (!plan) continue;
    for (const uint64_t at : {plan->told_ns, plan->end_ns}) {
      if (at > now_ns) next_ns_ = std::min(next_ns_, at);
    }
  }
}

void StoreDrains::Visit(uint32_t index, uint64_t now_ns) {
  const ClientCell& c = clients_.cell(index);
  if (c.phase == ClientPhase::kEntering) return;
  const Session* own = c.awake() != nullptr ? c.awake()->talk().session() : nullptr;
  if (c.user() == nullptr && own == nullptr) return;  // it ends just now
  const Dialer& dialer = c.user() != nullptr ? c.user()->dialer() : *dialers_[own->target().index];
  const StoreIndex store = dialer.target().index;
  if (!plans_[store]) return;
  const StoreDrainPlan& plan = *plans_[store];
  const uint64_t hash =
      c.user() != nullptr ? c.user()->spread() : SipHash13({}, clients_.LoginOf(c));
  const bool due = now_ns >= TurnOf(plan, hash);
  if (plan.whole) {
    ++leaving_[store].counted;
    if (due) clients_.partings().Displace(index, now_ns >= plan.end_ns);
    return;
  }
  const bool elsewhere = dialer.serves();
  if (due && elsewhere && c.user() != nullptr) c.user()->LeaveDrained();
  Feed* feed = c.phase == ClientPhase::kParked ? c.feed() : nullptr;
  const Session* session = own != nullptr ? own : feed != nullptr ? feed->session() : nullptr;
  if (session == nullptr || !dialer.Drains(*session)) return;
  ++leaving_[store].counted;
  if (!elsewhere) return;
  if (session != own) {
    if (!due || feed->stopping()) return;
    feeds_.Move(*feed);
  } else if (now_ns >= plan.told_ns) {
    clients_.partings().Displace(index, now_ns >= plan.end_ns);
  }
}

}  // namespace roost
