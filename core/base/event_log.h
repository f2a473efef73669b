// EventLog<Entry>: a bounded log of numbered entries, appended at the head, trimmed at the tail.
//
// Readers keep a cursor (the number of the next entry they want) and are not known to the log.
// Numbers start at 1 and never repeat; 0 means "none". Entries live in small blocks: an empty log
// owns no block, and references from At stay valid until the entry is trimmed. One thread.
#ifndef ROOST_CORE_BASE_EVENT_LOG_H_
#define ROOST_CORE_BASE_EVENT_LOG_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "core/base/check.h"

namespace roost {

template <typename Entry, uint32_t kBlockEntries = 16>
class EventLog {
 public:
  explicit EventLog(uint32_t max_entries) : max_entries_(max_entries) {}
  ~EventLog() { TrimBelow(next_); }
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  // Number of the oldest entry kept; equals next_seq() when empty.
  uint64_t first_seq() const { return first_; }
  // Number the next Append will give.
  uint64_t next_seq() const { return next_; }
  bool empty() const { return first_ == next_; }
  uint64_t size() const { return next_ - first_; }
  bool full() const { return size() >= max_entries_; }
  bool Contains(uint64_t seq) const { return seq >= first_ && seq < next_; }
  // Heap bytes owned, entries' own allocations not counted.
  size_t memory() const {
    return blocks_.size() * sizeof(Block) + blocks_.capacity() * sizeof(blocks_[0]);
  }

  // Returns the entry's number, or 0 when the log is full (trim or coalesce, then append again).
  [[nodiscard]] uint64_t Append(Entry entry) {
    if (full()) return 0;
    const uint64_t position = offset_ + size();
    if (position == blocks_.size() * kBlockEntries) blocks_.push_back(std::make_unique<Block>());
    new (Slot(position)) Entry(std::move(entry));
    return next_++;
  }

  // Precondition: Contains(seq).
  Entry& At(uint64_t seq) {
    ROOST_CHECK(Contains(seq));
    return *std::launder(static_cast<Entry*>(Slot(offset_ + (seq - first_))));
  }
  const Entry& At(uint64_t seq) const { return const_cast<EventLog*>(this)->At(seq); }

  // Drops every entry whose number is below `seq`; clamped to next_seq().
  void TrimBelow(uint64_t seq) {
    if (seq > next_) seq = next_;
    while (first_ < seq) {
      At(first_).~Entry();
      ++first_;
      ++offset_;
    }
    if (empty()) {
      std::vector<std::unique_ptr<Block>>().swap(blocks_);
      offset_ = 0;
      return;
    }
    const uint64_t unused = offset_ / kBlockEntries;
    blocks_.erase(blocks_.begin(), blocks_.begin() + static_cast<std::ptrdiff_t>(unused));
    offset_ -= unused * kBlockEntries;
  }

 private:
  struct Block {
    alignas(Entry) unsigned char bytes[sizeof(Entry) * kBlockEntries];
  };

  void* Slot(uint64_t position) {
    return blocks_[position / kBlockEntries]->bytes + sizeof(Entry) * (position % kBlockEntries);
  }

  std::vector<std::unique_ptr<Block>> blocks_;
  uint64_t first_ = 1;
  uint64_t next_ = 1;
  uint64_t offset_ = 0;  // position of first_ in the first block
  uint32_t max_entries_;
};

}  // namespace roost

#endif  // ROOST_CORE_BASE_EVENT_LOG_H_
