#include "proto/imap/mailbox_view.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace roost {

// Offsets count from 1 at the first message behind known().
struct MailboxView::Tail {
  struct Scattered {
    uint32_t offset;
    uint32_t uid;
  };

  UidSet resolved;                   // the first resolved.size() messages of the tail
  std::vector<Scattered> scattered;  // others whose UID is known, by offset
  // NoteUidNext: the first `noted` messages of the tail have UIDs below noted_uid_next, the others
  // not. When none of them is left in the tail, the horizon moves there.
  uint32_t noted = 0;
  uint64_t noted_uid_next = 0;

  // The first entry at or behind `offset`.
  std::vector<Scattered>::iterator FindOffset(uint32_t offset) {
    return std::lower_bound(scattered.begin(), scattered.end(), offset,
                            [](const Scattered& s, uint32_t key) { return s.offset < key; });
  }
  // Message `offset` is gone.
  void CloseGap(uint32_t offset) {
    for (auto it = FindOffset(offset); it != scattered.end(); ++it) --it->offset;
    if (offset <= noted) --noted;
  }
  // Scattered messages that follow the resolved ones join them.
  bool Promote() {
    auto it = scattered.begin();
    bool all = true;
    while (all && it != scattered.end() && it->offset == resolved.size() + 1) {
      all = resolved.Insert(it->uid);
      ++it;
    }
    scattered.erase(scattered.begin(), it);
    return all;
  }
};

MailboxView::MailboxView() = default;

MailboxView::MailboxView(UidSet known) : known_(std::move(known)), size_(known_.size()) {
  AdvanceHorizon();
}

MailboxView::MailboxView(const MailboxView& other)
    : known_(other.known_),
      tail_(other.tail_ ? std::make_unique<Tail>(*other.tail_) : nullptr),
      size_(other.size_),
      decided_(other.decided_),
      ok_(other.ok_) {}

MailboxView::MailboxView(MailboxView&& other) noexcept = default;

MailboxView& MailboxView::operator=(MailboxView other) noexcept {
  known_ = std::move(other.known_);
  tail_ = std::move(other.tail_);
  size_ = other.size_;
  decided_ = other.decided_;
  ok_ = other.ok_;
  return *this;
}

MailboxView::~MailboxView() = default;

bool MailboxView::Fail() {
  ok_ = false;
  return false;
}

MailboxView::Tail& MailboxView::tail() {
  if (tail_ == nullptr) tail_ = std::make_unique<Tail>();
  return *tail_;
}

// Takes the tail's decided part into account, and lets go of what holds nothing.
void MailboxView::AdvanceHorizon() {
  if (!known_.empty()) decided_ = std::max(decided_, known_.Last());
  if (tail_ == nullptr) return;
  if (tail_->noted == 0) {
    const uint64_t noted = std::exchange(tail_->noted_uid_next, 0u);
    if (noted > horizon()) decided_ = static_cast<uint32_t>(noted - 1);
    if (tail_->resolved.empty() && tail_->scattered.empty()) tail_.reset();
  }
}

bool MailboxView::Exists(uint32_t n) {
  if (n < size_) return Fail();
  size_ = n;
  return true;
}

MailboxView::Expunged MailboxView::Expunge(uint32_t n) {
  Expunged result;
  if (n == 0 || n > size_) {
    Fail();
    return result;
  }
  result.ok = true;
  --size_;
  if (n <= known_.size()) {
    result.uid = *known_.At(n);
    result.was_known = true;
    known_.Remove(result.uid);
    if (known_.over_limit()) result.ok = Fail();
    return result;
  }
  if (tail_ == nullptr) return result;
  uint32_t offset = n - known_.size();
  if (offset <= tail_->resolved.size()) {
    result.uid = *tail_->resolved.At(offset);
    tail_->resolved.Remove(result.uid);
    if (tail_->resolved.over_limit()) result.ok = Fail();
  } else if (auto it = tail_->FindOffset(offset);
             it != tail_->scattered.end() && it->offset == offset) {
    result.uid = it->uid;
    tail_->scattered.erase(it);
  }
  tail_->CloseGap(offset);
  if (!tail_->Promote()) result.ok = Fail();
  AdvanceHorizon();
  return result;
}

// A UID of `uids` may be one of the messages whose UID is not known.
bool MailboxView::NamesUnknown(const UidSet& uids) const {
  uint32_t tail_size = size_ - known_.size();
  uint64_t low = horizon();  // the lowest UID an unknown message may have
  uint32_t offset = 0;       // of the last message before it
  if (tail_ != nullptr) {
    if (!tail_->resolved.empty())
      low = std::max<uint64_t>(low, uint64_t{tail_->resolved.Last()} + 1);
    offset = tail_->resolved.size();
    for (const Tail::Scattered& known : tail_->scattered) {
      bool gap = known.offset > offset + 1;
      if (gap && low < known.uid && uids.Intersects(static_cast<uint32_t>(low), known.uid - 1)) {
        return true;
      }
      low = uint64_t{known.uid} + 1;
      offset = known.offset;
    }
  }
  return offset < tail_size && low <= UidSet::kMaxUid &&
         uids.Intersects(static_cast<uint32_t>(low), UidSet::kMaxUid);
}

MailboxView::VanishedResult MailboxView::Vanished(const UidSet& uids) {
  VanishedResult result;
  result.exact = !NamesUnknown(uids);
  result.removed = UidSet::Intersection(known_, uids);
  known_.RemoveSet(result.removed);
  size_ -= result.removed.size();
  if (tail_ != nullptr) {
    result.removed_from_tail = VanishFromTail(uids);
    size_ -= result.removed_from_tail;
    AdvanceHorizon();
  }
  if (known_.over_limit()) Fail();
  if (!result.exact) Fail();
  return result;
}

uint32_t MailboxView::VanishFromTail(const UidSet& uids) {
  uint32_t removed = 0;
  // From the end, so that offsets in front stay what they are.
  for (size_t i = tail_->scattered.size(); i-- > 0;) {
    Tail::Scattered gone = tail_->scattered[i];
    if (!uids.Contains(gone.uid)) continue;
    tail_->scattered.erase(tail_->scattered.begin() + static_cast<ptrdiff_t>(i));
    tail_->CloseGap(gone.offset);
    ++removed;
  }
  UidSet gone = UidSet::Intersection(tail_->resolved, uids);
  if (!gone.empty()) {
    uint32_t noted_gone = gone.size();
    if (tail_->noted < tail_->resolved.size()) {
      noted_gone = tail_->noted == 0 ? 0 : gone.CountIn(1, *tail_->resolved.At(tail_->noted));
    }
    tail_->noted -= noted_gone;
    for (Tail::Scattered& behind : tail_->scattered) behind.offset -= gone.size();
    tail_->resolved.RemoveSet(gone);
    removed += gone.size();
  }
  if (tail_->resolved.over_limit() || !tail_->Promote()) Fail();
  return removed;
}

bool MailboxView::FetchedUid(uint32_t n, uint32_t uid) {
  if (n == 0 || n > size_ || uid == 0) return Fail();
  if (n <= known_.size()) return *known_.At(n) == uid || Fail();
  uint32_t offset = n - known_.size();
  Tail& tail = this->tail();
  if (offset <= tail.resolved.size()) return *tail.resolved.At(offset) == uid || Fail();

  auto next = tail.FindOffset(offset);
  if (next != tail.scattered.end() && next->offset == offset) return next->uid == uid || Fail();
  // Room for the messages between it and its neighbours of known UID, and for the horizon.
  uint32_t resolved = tail.resolved.size();
  uint64_t low = horizon() + (offset - resolved - 1);
  if (!tail.resolved.empty()) {
    low = std::max(low, uint64_t{tail.resolved.Last()} + (offset - resolved));
  }
  if (next != tail.scattered.begin()) {
    const Tail::Scattered& before = *(next - 1);
    low = std::max(low, uint64_t{before.uid} + (offset - before.offset));
  }
  uint64_t high = UidSet::kMaxUid;
  if (next != tail.scattered.end()) high = uint64_t{next->uid} - (next->offset - offset);
  if (tail.noted_uid_next != 0) {
    if (offset > tail.noted) {
      low = std::max(low, tail.noted_uid_next + (offset - tail.noted - 1));
    } else if (uint64_t{uid} + (tail.noted - offset) >= tail.noted_uid_next) {
      return Fail();
    }
  }
  if (uid < low || uid > high) return Fail();

  if (offset == resolved + 1) {
    return (tail.resolved.Insert(uid) && tail.Promote()) || Fail();
  }
  if (tail.scattered.size() < kMaxScattered) tail.scattered.insert(next, {offset, uid});
  return true;
}

uint32_t MailboxView::tail_unknown() const {
  uint32_t unknown = size_ - known_.size();
  if (tail_ == nullptr) return unknown;
  return unknown - tail_->resolved.size() - static_cast<uint32_t>(tail_->scattered.size());
}

UidSet MailboxView::CommitTail() {
  if (tail_ == nullptr || tail_->resolved.empty()) return UidSet();
  UidSet news = std::exchange(tail_->resolved, UidSet());
  if (!known_.InsertSet(news)) {
    Fail();
    return UidSet();
  }
  for (Tail::Scattered& behind : tail_->scattered) behind.offset -= news.size();
  tail_->noted -= std::min(tail_->noted, news.size());
  AdvanceHorizon();
  return news;
}

void MailboxView::NoteUidNext(uint64_t uid_next) {
  uid_next = std::min(uid_next, uint64_t{UidSet::kMaxUid} + 1);
  if (uid_next <= horizon()) return;
  if (tail_size() == 0) {
    decided_ = static_cast<uint32_t>(uid_next - 1);
    return;
  }
  if (uid_next < tail().noted_uid_next) return;  // went back: nothing to learn
  tail_->noted = tail_size();
  tail_->noted_uid_next = uid_next;
}

uint32_t MailboxView::UidOf(uint32_t n) const {
  if (n == 0 || n > size_) return 0;
  if (n <= known_.size()) return *known_.At(n);
  if (tail_ == nullptr) return 0;
  uint32_t offset = n - known_.size();
  if (offset <= tail_->resolved.size()) return *tail_->resolved.At(offset);
  auto found = tail_->FindOffset(offset);
  return found != tail_->scattered.end() && found->offset == offset ? found->uid : 0;
}

uint32_t MailboxView::NumberOf(uint32_t uid) const {
  if (uint32_t position = known_.PositionOf(uid)) return position;
  if (tail_ == nullptr) return 0;
  if (uint32_t position = tail_->resolved.PositionOf(uid)) return known_.size() + position;
  for (const Tail::Scattered& known : tail_->scattered) {
    if (known.uid == uid) return known_.size() + known.offset;
  }
  return 0;
}

size_t MailboxView::memory_bytes() const {
  size_t bytes = known_.memory_bytes();
  if (tail_ != nullptr) {
    bytes += sizeof(Tail) + tail_->resolved.memory_bytes() +
             tail_->scattered.capacity() * sizeof(Tail::Scattered);
  }
  return bytes;
}

}  // namespace roost
