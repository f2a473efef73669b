#include "core/shard/capability_probe.h"

#include <algorithm>
#include <utility>

#include "core/base/clock.h"

namespace roost {

CapabilityProbe::CapabilityProbe(Loop& loop, std::vector<std::unique_ptr<Dialer>>& dialers,
                                 Shared shared)
    : dialers_(dialers), shared_(std::move(shared)), known_(dialers.size()), alarm_(loop) {}

CapabilityProbe::~CapabilityProbe() {
  for (auto& session : sessions_) EndSession(std::move(session));
}

void CapabilityProbe::Ask() {
  for (auto& dialer : dialers_) {
    sessions_.push_back(dialer->Open({}, {}, dialer->address(), Dialer::Urgency::kRecovery, *this));
  }
  const bool all =
      std::all_of(known_.begin(), known_.end(), [](const auto& k) { return k.has_value(); });
  alarm_.SetIn(SecondsToNs(all ? kRefreshSeconds : kRetrySeconds), [this] { Ask(); });
}

void CapabilityProbe::OnSessionReady(Session& session) {
  known_[session.target().index] = session.state().capabilities();
  std::optional<CapabilitySet> shared;
  for (const auto& known : known_) {
    if (!known) continue;
    if (!shared) {
      shared = *known;
    } else {
      shared->Intersect(*known);
    }
  }
  shared_(*shared);
  Drop(session);
}

void CapabilityProbe::OnSessionLost(Session& session, SessionLoss, const std::string&) {
  Drop(session);
}

void CapabilityProbe::Drop(Session& session) {
  auto it = std::find_if(sessions_.begin(), sessions_.end(),
                         [&](const auto& s) { return s.get() == &session; });
  if (it == sessions_.end()) return;
  EndSession(std::move(*it));
  sessions_.erase(it);
}

}  // namespace roost
