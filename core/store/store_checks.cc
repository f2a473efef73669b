#include "core/store/store_checks.h"

#include <algorithm>
#include <utility>

#include "core/base/clock.h"

namespace roost {

// One address of one store.
class StoreChecks::Place final : public SessionSink {
 public:
  Place(Loop& loop, const StoreTarget& store, const StoreAddress& address, const Judged& judged)
      : loop_(loop), judged_(judged), target_(store) {
    target_.addresses = {address};
  }
  ~Place() override { Drop(); }

  const StoreTarget& target() const { return target_; }
  const StoreAddress& address() const { return target_.addresses.front(); }
  bool checking() const { return session_ != nullptr; }

  void Check(const StoreTarget& store) {
    target_.config = store.config;
    target_.tls = store.tls;
    session_ = std::make_unique<Session>(loop_, target_, *this);
    session_->Start({}, {}, 0);
  }

  uint64_t next_ns = kNever;
  int period_s = 0;  // check_s when that was chosen

 private:
  void OnSessionReady(Session&) override { Judge(true, {}); }
  void OnStoreData(Session&, const Piece&, const Response*) override {}
  void OnSessionLost(Session&, SessionLoss loss, const std::string& text) override {
    if (loss == SessionLoss::kClosed) return Drop();  // it never went out: nobody was asked
    Judge(false, text);
  }

  void Judge(bool answered, const std::string& failure) {
    Drop();
    failures_ = answered ? 0 : std::min(failures_ + 1, kFailuresInARow);
    StoreVerdict verdict{target_.index, address(), failure};
    verdict.address.down = failures_ == kFailuresInARow;
    judged_(verdict);
  }

  void Drop() { EndSession(std::move(session_)); }

  Loop& loop_;
  const Judged& judged_;
  StoreTarget target_;
  std::unique_ptr<Session> session_;  // a check under way
  int failures_ = 0;                  // in a row
};

StoreChecks::StoreChecks(Loop& loop, const std::vector<std::unique_ptr<Dialer>>& dialers,
                         Judged judged)
    : loop_(loop), dialers_(dialers), judged_(std::move(judged)), alarm_(loop) {}

StoreChecks::~StoreChecks() = default;

// Checked no more: nothing is known against it.
void StoreChecks::Forget(StoreIndex store, StoreAddress address) const {
  address.down = false;
  judged_({store, std::move(address), {}});
}

// Spread, so that several roostd that were started together do not all come at once.
uint64_t StoreChecks::NextNs(const StoreConfig& config, bool first) {
  const uint64_t period = SecondsToNs(static_cast<uint64_t>(config.check_s));
  const uint64_t part = loop_.PartOf(period);
  return loop_.now_ns() + (first ? part : period - period / 8 + part / 4);
}

// Those that are new are checked from now on, those that are gone are not any more.
void StoreChecks::FollowAddresses() {
  std::vector<std::unique_ptr<Place>> before = std::exchange(places_, {});
  for (const auto& dialer : dialers_) {
    const StoreTarget& store = dialer->target();
    for (const StoreAddress& address : store.addresses) {
      if (address.gone) continue;
      if (store.config->check_s == 0) {
        if (address.down) Forget(store.index, address);
        continue;
      }
      const auto known = std::find_if(before.begin(), before.end(), [&](const auto& place) {
        return place != nullptr && place->target().index == store.index &&
               place->address().IsAt(address);
      });
      places_.push_back(known != before.end()
                            ? std::move(*known)
                            : std::make_unique<Place>(loop_, store, address, judged_));
      Place& place = *places_.back();
      if (std::exchange(place.period_s, store.config->check_s) == store.config->check_s) continue;
      place.next_ns = std::min(place.next_ns, NextNs(*store.config, true));
    }
  }
}

// Those that have waited longest come first, so that addresses which never answer keep nobody's
// turn.
void StoreChecks::Tick() {
  FollowAddresses();
  size_t room = kMostAtOnce;
  std::vector<Place*> due;
  for (const auto& place : places_) {
    if (place->checking()) {
      --room;
    } else if (place->next_ns <= loop_.now_ns()) {
      due.push_back(place.get());
    }
  }
  room = std::min(room, due.size());
  std::partial_sort(due.begin(), due.begin() + static_cast<ptrdiff_t>(room), due.end(),
                    [](const Place* a, const Place* b) { return a->next_ns < b->next_ns; });
  due.resize(room);
  for (Place* place : due) {
    const StoreTarget& store = dialers_[place->target().index]->target();
    place->next_ns = NextNs(*store.config, false);
    place->Check(store);
  }
  alarm_.SetIn(kTickNs, [this] { Tick(); });
}

}  // namespace roost
