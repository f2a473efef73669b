#include "core/park/feed_table.h"

#include <cstdint>
#include <utility>

#include "core/base/hash.h"
#include "proto/check.h"

namespace roost {

size_t FeedTable::Hash::operator()(const Key& key) const {
  // Of mailboxes that a store has selected.
  return SipHash13({reinterpret_cast<uintptr_t>(key.user), 0}, key.mailbox);
}

Feed* FeedTable::Find(const User& user, std::string_view mailbox) const {
  auto it = feeds_.find(Key{&user, mailbox});
  return it == feeds_.end() ? nullptr : it->get();
}

Feed* FeedTable::Add(std::unique_ptr<Feed> feed) {
  auto [it, fresh] = feeds_.insert(std::move(feed));
  ROOST_CHECK(fresh);
  Link(**it);
  return it->get();
}

std::unique_ptr<Feed> FeedTable::Take(Feed& feed) {
  auto it = feeds_.find(KeyOf(feed));
  if (it == feeds_.end() || it->get() != &feed) return nullptr;
  Unlink(feed);
  return std::move(feeds_.extract(it).value());
}

void FeedTable::Clear() {
  while (front_ != nullptr) Take(*front_);
}

size_t FeedTable::memory_bytes() const {
  return feeds_.capacity() * (sizeof(std::unique_ptr<Feed>) + 1);  // a slot, its control byte
}

void FeedTable::MoveToBack(Feed& feed) {
  if (&feed == back_) return;  // a walk that would go there next still does
  Unlink(feed);
  Link(feed);
}

void FeedTable::Link(Feed& feed) {
  feed.previous = back_;
  feed.next = nullptr;
  (back_ == nullptr ? front_ : back_->next) = &feed;
  back_ = &feed;
}

void FeedTable::Unlink(Feed& feed) {
  for (FeedWalk* walk : walks_) {
    if (walk->next_ == &feed) walk->next_ = feed.next;
  }
  (feed.previous == nullptr ? front_ : feed.previous->next) = feed.next;
  (feed.next == nullptr ? back_ : feed.next->previous) = feed.previous;
  feed.next = feed.previous = nullptr;
}

FeedWalk::FeedWalk(FeedTable& table)
    : table_(table), next_(table.front()), left_(2 * table.size()) {
  table_.walks_.push_back(this);
}

FeedWalk::~FeedWalk() { std::erase(table_.walks_, this); }

Feed* FeedWalk::Next() {
  if (next_ == nullptr || left_ == 0) return nullptr;
  --left_;
  return std::exchange(next_, next_->next);
}

}  // namespace roost
