#include "core/park/feeds.h"

#include <vector>

#include "core/park/audit.h"
#include "core/park/recovery.h"
#include "proto/check.h"

namespace roost {

Feeds::Feeds(Loop& loop, const Config& config, Subscribers& subscribers)
    : loop_(loop),
      config_(config),
      subscribers_(subscribers),
      auditor_(std::make_unique<Auditor>(loop, *this)) {}

Feeds::~Feeds() {
  closing_ = true;  // holds within what goes now must not drop it again
  auditor_.reset();
  recoveries_.clear();
  dying_.clear();
  feeds_.Clear();
}

Feed* Feeds::Find(const User& user, std::string_view mailbox) { return feeds_.Find(user, mailbox); }

Feed* Feeds::Create(User& user, const SharedText& mailbox) {
  Feed* created = feeds_.Add(std::make_unique<Feed>(loop_, config_, *this, user, mailbox));
  user.Ref();
  return created;
}

void Feeds::DropIfUnused(Feed* feed) {
  if (closing_ || feed->holds != 0) return;
  if (feed->subscriber_count != 0) return subscribers_.OnReleased(*feed);
  User& user = feed->user();
  if (auto dying = dying_.find(feed); dying != dying_.end()) {
    loop_.Retire(std::move(dying->second));
    dying_.erase(dying);
    return user.Unref();
  }
  std::unique_ptr<Feed> unused = feeds_.Take(*feed);
  if (unused == nullptr) return;
  if (auto recovery = recoveries_.find(feed); recovery != recoveries_.end()) {
    loop_.Retire(std::move(recovery->second));
    recoveries_.erase(recovery);
  }
  auditor_->Remove(*feed);
  loop_.Retire(std::move(unused));
  user.Unref();
}

void Feeds::Move(Feed& feed) {
  ++stats_.moved;
  Recheck(feed, true);
}

void Feeds::Recheck(Feed& feed, bool moves) {
  feed.StopDriver([this, &feed, moves, hold = std::make_shared<FeedHold>(*this, feed)](
                      std::unique_ptr<Session> session) {
    const bool gives_up = moves && session != nullptr;  // else it was lost meanwhile
    EndSession(std::move(session));
    Recover(feed, gives_up);
  });
}

void Feeds::EndAllOf(const User& user) {
  std::vector<Feed*> all;
  feeds_.ForEach([&](Feed& feed) {
    if (&feed.user() == &user) all.push_back(&feed);
  });
  for (Feed* feed : all) {
    feed->StopDriver([this, feed, hold = std::make_shared<FeedHold>(*this, *feed)](
                         std::unique_ptr<Session> session) {
      EndSession(std::move(session));
      // Else somebody else has stopped the driver. Its subscribers go all the same, in their time.
      if (feed->state() != Feed::State::kDriverless) return;
      feed->user().credentials_refused() ? feed->Kill(std::string(kLoginRefused)) : Recover(*feed);
    });
  }
}

void Feeds::OnFeedDriverLost(Feed& feed, const std::string&) { Recover(feed); }

void Feeds::Recover(Feed& feed, bool moves) {
  if (feed.state() != Feed::State::kDriverless || recovering(feed)) return;
  // One that was dropped lives until the turn ends, and its driver may still be heard of.
  if (Find(feed.user(), feed.mailbox()) != &feed) return;
  auto recovery = std::make_unique<Recovery>(loop_, config_, *this, feed);
  Recovery* started = recovery.get();
  recoveries_.emplace(&feed, std::move(recovery));
  started->Start(moves);
}

void Feeds::Hurry(Feed& feed) {
  if (auto it = recoveries_.find(&feed); it != recoveries_.end()) it->second->Hurry();
}

void Feeds::RecoveryOver(Feed& feed) {
  auto it = recoveries_.find(&feed);
  if (it == recoveries_.end()) return;
  loop_.Retire(std::move(it->second));
  recoveries_.erase(it);
}

void Feeds::OnFeedDead(Feed& feed, const std::string& reason) {
  RecoveryOver(feed);
  ++feed.holds;
  subscribers_.OnDead(feed, reason);
  --feed.holds;
  // The name is free for another feed.
  if (std::unique_ptr<Feed> dead = feeds_.Take(feed)) {
    auditor_->Remove(feed);
    dying_.emplace(&feed, std::move(dead));
  }
  DropIfUnused(&feed);
}

}  // namespace roost
