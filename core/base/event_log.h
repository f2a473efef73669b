// EventLog<Entry>: a bounded log of numbered entries, appended at the head, trimmed at the tail.
//
// Readers keep a cursor (the number from which on they want entries) and are not known to the log.
// Numbers start at 1, ascend and never repeat; 0 means "none". They need not be dense: whoever
// rewrites the log to make it smaller (TakeAll, PutBack) leaves numbers out, and every cursor stays
// valid. So entries are walked with ForEach, never by counting up.
//
// Entries live in small blocks: an empty log owns nothing, and references stay valid until the
// entry is trimmed or taken. One thread.
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
  struct Numbered {
    uint64_t seq;
    Entry entry;
  };

  explicit EventLog(uint32_t max_entries) : max_entries_(max_entries) {}
  ~EventLog() { Clear(); }
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  // The log reaches back to here: a reader whose cursor is lower may have missed something.
  uint64_t first_seq() const { return first_; }
  // Number the next Append will give.
  uint64_t next_seq() const { return next_; }
  bool empty() const { return size() == 0; }
  uint64_t size() const { return body_ == nullptr ? 0 : body_->size; }
  bool full() const { return size() >= max_entries_; }
  uint32_t max_entries() const { return max_entries_; }
  bool Contains(uint64_t seq) const {
    const uint64_t i = IndexOf(seq);
    return i < size() && Item(i).seq == seq;
  }
  // Heap bytes owned, entries' own allocations not counted.
  size_t memory() const {
    if (body_ == nullptr) return 0;
    return sizeof(Body) + body_->blocks.size() * sizeof(Block) +
           body_->blocks.capacity() * sizeof(body_->blocks[0]);
  }

  // Returns the entry's number, or 0 when the log is full (trim or rewrite, then append again).
  [[nodiscard]] uint64_t Append(Entry entry) {
    if (full()) return 0;
    Push(Numbered{next_, std::move(entry)});
    return next_++;
  }

  // Precondition: Contains(seq).
  const Entry& At(uint64_t seq) const {
    ROOST_CHECK(Contains(seq));
    return Item(IndexOf(seq)).entry;
  }

  // `fn(seq, entry)` for the entries with from <= number < to, in ascending order.
  template <typename Fn>
  void ForEach(uint64_t from, uint64_t to, Fn&& fn) const {
    for (uint64_t i = IndexOf(from); i < size() && Item(i).seq < to; ++i) {
      fn(Item(i).seq, Item(i).entry);
    }
  }
  // The same in descending order, from the head down to `from`.
  template <typename Fn>
  void ForEachBack(uint64_t from, Fn&& fn) const {
    for (uint64_t i = size(); i > 0 && Item(i - 1).seq >= from; --i) {
      fn(Item(i - 1).seq, Item(i - 1).entry);
    }
  }
  // The number of the entry at a place counted from the tail. Precondition: place < size().
  uint64_t SeqAtPlace(uint64_t place) const { return Item(place).seq; }

  // Drops every entry whose number is below `seq`; clamped to next_seq().
  void TrimBelow(uint64_t seq) {
    if (seq > next_) seq = next_;
    if (seq <= first_) return;
    first_ = seq;
    while (!empty() && Item(0).seq < seq) {
      MutableItem(0).~Numbered();
      ++body_->offset;
      --body_->size;
    }
    if (empty()) return Clear();
    const uint64_t unused = body_->offset / kBlockEntries;
    body_->blocks.erase(body_->blocks.begin(),
                        body_->blocks.begin() + static_cast<std::ptrdiff_t>(unused));
    body_->offset -= unused * kBlockEntries;
  }

  // Rewriting: what TakeAll gave comes back by PutBack, fewer and other perhaps. Precondition of
  // PutBack: the log is empty; numbers ascend, from first_seq() to below next_seq(); no more than
  // were taken.
  std::vector<Numbered> TakeAll() {
    std::vector<Numbered> all;
    all.reserve(size());
    for (uint64_t i = 0; i < size(); ++i) all.push_back(std::move(MutableItem(i)));
    Clear();
    return all;
  }
  void PutBack(std::vector<Numbered> entries) {
    ROOST_CHECK(empty() && entries.size() <= max_entries_);
    uint64_t least = first_;
    for (Numbered& n : entries) {
      ROOST_CHECK(n.seq >= least && n.seq < next_);
      least = n.seq + 1;
      Push(std::move(n));
    }
  }

 private:
  struct Block {
    alignas(Numbered) unsigned char bytes[sizeof(Numbered) * kBlockEntries];
  };

  // Exists while there are entries.
  struct Body {
    std::vector<std::unique_ptr<Block>> blocks;
    uint64_t size = 0;
    uint64_t offset = 0;  // position of the first entry in the first block
  };

  void Push(Numbered item) {
    if (body_ == nullptr) body_ = std::make_unique<Body>();
    const uint64_t position = body_->offset + body_->size;
    if (position == body_->blocks.size() * kBlockEntries) {
      body_->blocks.push_back(std::make_unique<Block>());
    }
    new (Slot(position)) Numbered(std::move(item));
    ++body_->size;
  }
  void Clear() {
    for (uint64_t i = 0; i < size(); ++i) MutableItem(i).~Numbered();
    body_.reset();
  }

  // Place of the first entry whose number is `seq` or above; size() when there is none.
  uint64_t IndexOf(uint64_t seq) const {
    uint64_t low = 0, high = size();
    while (low < high) {
      const uint64_t middle = low + (high - low) / 2;
      if (Item(middle).seq < seq) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
  Numbered& MutableItem(uint64_t i) const {
    return *std::launder(static_cast<Numbered*>(Slot(body_->offset + i)));
  }
  const Numbered& Item(uint64_t i) const { return MutableItem(i); }
  void* Slot(uint64_t position) const {
    return body_->blocks[position / kBlockEntries]->bytes +
           sizeof(Numbered) * (position % kBlockEntries);
  }

  std::unique_ptr<Body> body_;
  uint64_t first_ = 1;
  uint64_t next_ = 1;
  uint32_t max_entries_;
};

}  // namespace roost

#endif  // ROOST_CORE_BASE_EVENT_LOG_H_
