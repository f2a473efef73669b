// All feeds of a shard: found by user and mailbox, recovered when their driver is lost, dropped
// when nobody needs them.
//
// What it is not: it tells no client; news go on to the Subscribers.
#ifndef ROOST_CORE_PARK_FEEDS_H_
#define ROOST_CORE_PARK_FEEDS_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/histogram.h"
#include "core/feed/feed.h"
#include "core/park/feed_table.h"

namespace roost {

class Auditor;
class Recovery;

// Who tells the clients (core/client/clients.h).
class Subscribers {
 public:
  virtual ~Subscribers() = default;
  virtual void OnNews(Feed& feed) = 0;
  // Lets go of the subscribers that keep the log from shrinking, and trims it.
  virtual void OnLogFull(Feed& feed) = 0;
  // Tells them; those it does not tell at once stay subscribed until they are told.
  virtual void OnDead(Feed& feed, const std::string& reason) = 0;
  // Nobody holds the feed any more: its log may be cut to what subscribers still need.
  virtual void OnReleased(Feed& feed) = 0;
  // Some subscriber must be told MODSEQ.
  virtual bool HaveCondstore(Feed& feed) = 0;
};

struct FeedStats {
  uint64_t feeds = 0, recovering = 0;  // there are; Shard::AddSums fills them in
  uint64_t moved = 0;                  // left an address that is drained
  uint64_t adopted = 0, raised = 0, joined = 0, handed_over = 0, woken = 0, recovered = 0,
           refused_wakes = 0;
  // With a verdict; those that found another view, or another mailbox; those that came to no end.
  uint64_t audits = 0, audit_mismatches = 0, audits_replaced = 0, audits_unavailable = 0;
  uint64_t polls = 0;          // NOOPs to stores that tell no news by themselves
  uint64_t flags_learned = 0;  // feeds without MODSEQ whose flags were found out
  std::array<uint64_t, FeedEvent::kKinds> events{};  // logged, by FeedEvent::Kind
  // From a command that waits for a session to its having one.
  Histogram wakes;
};

inline constexpr std::string_view kLoginRefused =
    "[UNAVAILABLE] The mail store no longer accepts this login";
inline constexpr std::string_view kOwnSessionNeeded =
    "[UNAVAILABLE] This takes a session of your own; please connect again";

class Feeds final : public FeedHost {
 public:
  Feeds(Loop& loop, const Config& config, Subscribers& subscribers);
  ~Feeds() override;

  // Null when nobody watches it.
  Feed* Find(const User& user, std::string_view mailbox);
  // Precondition: there is none.
  Feed* Create(User& user, const SharedText& mailbox);
  // Retires the feed if it has no subscribers and no holds. Call after either has fallen.
  void DropIfUnused(Feed* feed);
  // Doubt about the feed's session or identity: drops its driver and lets recovery look anew.
  void Recheck(Feed& feed) { Recheck(feed, false); }
  // The same because the session's address is drained.
  void Move(Feed& feed);
  // The store refuses what the user's clients hold (User::credentials_refused): no feed of it goes
  // on.
  void EndAllOf(const User& user);
  // A recovery is under way: nobody else may adopt.
  bool recovering(const Feed& feed) const { return recoveries_.count(&feed) != 0; }
  size_t recovering() const { return recoveries_.size(); }  // so many feeds
  // Makes sure that a feed without driver gets one. `moves`: it gave up the one it had.
  void Recover(Feed& feed, bool moves = false);
  // The store is there, as a session shows: a recovery that pauses has no reason to wait for long.
  void Hurry(Feed& feed);

  FeedTable& all() { return feeds_; }
  const FeedTable& all() const { return feeds_; }
  FeedStats& stats() { return stats_; }
  const FeedStats& stats() const { return stats_; }
  Auditor& auditor() { return *auditor_; }

 private:
  friend class Recovery;
  void OnFeedNews(Feed& feed) override { subscribers_.OnNews(feed); }
  void OnFeedLogged(const FeedEvent& event) override {
    ++stats_.events[static_cast<size_t>(event.kind)];
  }
  void OnFeedLogFull(Feed& feed) override { subscribers_.OnLogFull(feed); }
  void OnFeedDriverLost(Feed& feed, const std::string& text) override;
  void OnFeedDead(Feed& feed, const std::string& reason) override;
  void OnFeedPolls(Feed&) override { ++stats_.polls; }
  void OnFeedLearned(Feed&) override { ++stats_.flags_learned; }
  void Recheck(Feed& feed, bool moves);
  void RecoveryOver(Feed& feed);

  Loop& loop_;
  const Config& config_;
  Subscribers& subscribers_;
  FeedTable feeds_;
  std::map<const Feed*, std::unique_ptr<Feed>> dying_;  // dead, and not all clients have been told
  std::map<const Feed*, std::unique_ptr<Recovery>> recoveries_;
  FeedStats stats_;
  bool closing_ = false;
  std::unique_ptr<Auditor> auditor_;
};

// Keeps a feed from being dropped while somebody joins, wakes or recovers.
class FeedHold {
 public:
  FeedHold() = default;
  FeedHold(Feeds& feeds, Feed& feed) : feeds_(&feeds), feed_(&feed) { ++feed.holds; }
  FeedHold(FeedHold&& other) noexcept
      : feeds_(std::exchange(other.feeds_, nullptr)),
        feed_(std::exchange(other.feed_, nullptr)),
        place_(std::exchange(other.place_, 0)) {}
  FeedHold& operator=(FeedHold&& other) noexcept {
    std::swap(feeds_, other.feeds_);
    std::swap(feed_, other.feed_);
    std::swap(place_, other.place_);
    return *this;
  }
  ~FeedHold() { Release(); }
  void Release() {
    if (feed_ == nullptr) return;
    Forget();
    Feed* feed = std::exchange(feed_, nullptr);
    --feed->holds;
    feeds_->DropIfUnused(feed);
  }

  // The log is to be read from there: what it tells from there stays exact when it is coalesced. It
  // may be cut all the same (first_seq).
  void Note(uint64_t place) {
    Forget();
    place_ = place;
    feed_->NotePlace(place);
  }

 private:
  void Forget() {
    if (place_ == 0) return;
    feed_->ForgetPlace(std::exchange(place_, 0));
  }
  Feeds* feeds_ = nullptr;
  Feed* feed_ = nullptr;
  uint64_t place_ = 0;
};

}  // namespace roost

#endif  // ROOST_CORE_PARK_FEEDS_H_
