// The feeds of a shard: found by user and mailbox, walked in turn.
//
// What it is: the owner of the feeds. What it is not: it decides nothing about their lives
// (feeds.h). About 12 bytes for each feed beside the feed, which holds its links.
//
// Invariants
//  1. Of one user and mailbox there is one feed at most.
//  2. Feeds are walked in the order in which they came, but for those that were moved to the back:
//     the same in every run.
#ifndef ROOST_CORE_PARK_FEED_TABLE_H_
#define ROOST_CORE_PARK_FEED_TABLE_H_

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_set.h>

#include "core/feed/feed.h"

namespace roost {

class FeedTable;

// Visits all feeds of a table in slices, whatever is added, moved or taken in between: those that
// stay are visited, and those that were moved to the back meanwhile perhaps twice. Ends before its
// table does.
class FeedWalk {
 public:
  explicit FeedWalk(FeedTable& table);
  ~FeedWalk();
  FeedWalk(const FeedWalk&) = delete;
  FeedWalk& operator=(const FeedWalk&) = delete;

  // Null: that was all.
  Feed* Next();

 private:
  friend class FeedTable;
  FeedTable& table_;
  Feed* next_;
  size_t left_;  // visits: an end, however many come meanwhile
};

class FeedTable {
 public:
  FeedTable() = default;
  ~FeedTable() { Clear(); }
  FeedTable(const FeedTable&) = delete;
  FeedTable& operator=(const FeedTable&) = delete;

  // Null: there is none.
  Feed* Find(const User& user, std::string_view mailbox) const;
  // At the back. Precondition: there is none of that user and mailbox.
  Feed* Add(std::unique_ptr<Feed> feed);
  // Takes it out; null when it is not here.
  std::unique_ptr<Feed> Take(Feed& feed);
  void Clear();

  size_t size() const { return feeds_.size(); }
  // Of the table alone.
  size_t memory_bytes() const;
  Feed* front() const { return front_; }  // null: empty
  void MoveToBack(Feed& feed);
  // fn(Feed&), in order. It must not add or take feeds.
  template <typename Fn>
  void ForEach(Fn&& fn) const {
    for (Feed* feed = front_; feed != nullptr; feed = feed->next) fn(*feed);
  }

 private:
  friend class FeedWalk;
  struct Key {
    const User* user;
    std::string_view mailbox;
    friend bool operator==(const Key&, const Key&) = default;
  };
  static Key KeyOf(const Feed& feed) { return {&feed.user(), feed.mailbox()}; }
  struct Hash {
    using is_transparent = void;
    size_t operator()(const Key& key) const;
    size_t operator()(const std::unique_ptr<Feed>& feed) const { return (*this)(KeyOf(*feed)); }
  };
  struct Equal {
    using is_transparent = void;
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return AsKey(a) == AsKey(b);
    }
    static const Key& AsKey(const Key& key) { return key; }
    static Key AsKey(const std::unique_ptr<Feed>& feed) { return KeyOf(*feed); }
  };

  void Link(Feed& feed);
  void Unlink(Feed& feed);

  absl::flat_hash_set<std::unique_ptr<Feed>, Hash, Equal> feeds_;
  Feed* front_ = nullptr;
  Feed* back_ = nullptr;
  std::vector<FeedWalk*> walks_;  // under way; few
};

}  // namespace roost

#endif  // ROOST_CORE_PARK_FEED_TABLE_H_
