// The questions a UidSet answers, and its algebra.
#include <algorithm>

#include "proto/check.h"
#include "proto/imap/uid_set.h"
#include "proto/imap/uid_set_rep.h"

namespace roost {

using namespace uid_set_internal;  // NOLINT: the other half of this file

namespace {

uint64_t Mix(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9u;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace

// True when `uid` is in the set; *below: how many are below it, in either case.
bool UidSet::Locate(uint32_t uid, uint32_t* below) const {
  *below = 0;
  if (count_ == 0 || uid < first_) return false;
  if (uid > last_) {
    *below = count_;
    return false;
  }
  if (rep_ == nullptr) {
    *below = uid - first_;
    return true;
  }
  uint32_t index = rep_->FindLast(uid);
  const Block& block = rep_->blocks()[index];
  uint32_t count = rep_->Below(index);
  const uint8_t* in = block.data;
  uint64_t next = block.first;
  for (bool begins = true;; begins = false) {
    uint32_t gap = 0, length = 0;
    in = GetRun(in, &gap, &length);
    uint64_t first = begins ? next : next + gap + 1;
    if (uid <= first + length) {
      bool found = uid >= first;
      *below = count + (found ? static_cast<uint32_t>(uid - first) : 0);
      return found;
    }
    count += length + 1;
    next = first + length + 1;
  }
}

uint32_t UidSet::CountBelow(uint32_t uid) const {
  uint32_t below = 0;
  Locate(uid, &below);
  return below;
}

bool UidSet::Contains(uint32_t uid) const {
  uint32_t below = 0;
  return Locate(uid, &below);
}

uint32_t UidSet::PositionOf(uint32_t uid) const {
  uint32_t below = 0;
  return Locate(uid, &below) ? below + 1 : 0;
}

uint32_t UidSet::CountIn(uint32_t first, uint32_t last) const {
  if (first > last || count_ == 0 || first > last_) return 0;
  if (first == last) return Contains(first) ? 1 : 0;
  uint32_t up_to = last >= last_ ? count_ : CountBelow(last + 1);
  return up_to - CountBelow(first);
}

std::optional<uint32_t> UidSet::At(uint32_t position) const {
  if (position == 0 || position > count_) return std::nullopt;
  if (rep_ == nullptr) return first_ + (position - 1);
  uint32_t before = position - 1;  // members in front of the one wanted
  rep_->Below(0);
  // Within what is counted already by bisection, beyond it step by step (and counted from then on).
  Block* blocks = rep_->blocks();
  Block* found = std::upper_bound(blocks, blocks + rep_->valid_below, before,
                                  [](uint32_t key, const Block& b) { return key < b.below; });
  uint32_t index = static_cast<uint32_t>(found - blocks) - 1;
  while (before >= rep_->Below(index) + blocks[index].count) ++index;

  uint32_t left = before - blocks[index].below;
  const uint8_t* in = blocks[index].data;
  uint64_t next = blocks[index].first;
  for (bool begins = true;; begins = false) {
    uint32_t gap = 0, length = 0;
    in = GetRun(in, &gap, &length);
    uint64_t first = begins ? next : next + gap + 1;
    if (left <= length) return static_cast<uint32_t>(first + left);
    left -= length + 1;
    next = first + length + 1;
  }
}

UidSet::Reader::Reader(const UidSet& set, uint32_t from) : set_(set), from_(from) {
  if (set.rep_ != nullptr) block_ = set.rep_->FindLast(from);
}

bool UidSet::Reader::Raw(UidRange* range) {
  if (set_.rep_ == nullptr) {
    if (set_.count_ == 0 || block_ != 0) return false;
    block_ = 1;
    *range = {set_.first_, set_.last_};
    return true;
  }
  if (block_ >= set_.rep_->size) return false;
  const Block& block = set_.rep_->blocks()[block_];
  uint32_t gap = 0, length = 0;
  const uint8_t* in = GetRun(block.data + offset_, &gap, &length);
  range->first = offset_ == 0 ? block.first : previous_last_ + gap + 2;
  range->last = range->first + length;
  previous_last_ = range->last;
  offset_ = static_cast<size_t>(in - block.data);
  if (offset_ == block.bytes) {
    ++block_;
    offset_ = 0;
  }
  return true;
}

bool UidSet::Reader::Next(UidRange* range) {
  do {
    if (!Raw(range)) return false;
  } while (range->last < from_);
  range->first = std::max(range->first, from_);
  return true;
}

UidSet UidSet::Difference(const UidSet& a, const UidSet& b) {
  UidSet result;
  auto add = [&result](uint32_t first, uint32_t last) {
    if (result.count_ == 0) {
      result.InsertRange(first, last);
    } else {
      result.Append(first, last);
    }
  };
  Reader reader_b(b);
  UidRange out;
  bool more = reader_b.Next(&out);
  a.ForEachRange([&](uint32_t first, uint32_t last) {
    uint64_t next = first;
    while (more && out.last < next) more = reader_b.Next(&out);
    while (more && out.first <= last) {
      if (out.first > next) add(static_cast<uint32_t>(next), out.first - 1);
      next = uint64_t{out.last} + 1;
      if (next > last) break;
      more = reader_b.Next(&out);
    }
    if (next <= last) add(static_cast<uint32_t>(next), last);
  });
  return result;
}

UidSet UidSet::Intersection(const UidSet& a, const UidSet& b) {
  // The one with less to read leads; the other is searched.
  const UidSet& lead = a.memory_bytes() <= b.memory_bytes() ? a : b;
  const UidSet& other = &lead == &a ? b : a;
  UidSet result;
  lead.ForEachRange([&](uint32_t first, uint32_t last) {
    if (!other.Intersects(first, last)) return;
    Reader reader(other, first);
    UidRange range;
    while (reader.Next(&range) && range.first <= last) {
      uint32_t end = std::min(range.last, last);
      if (result.count_ == 0) {
        result.InsertRange(range.first, end);
      } else {
        result.Append(range.first, end);
      }
    }
  });
  return result;
}

bool operator==(const UidSet& a, const UidSet& b) {
  if (a.count_ != b.count_ || a.first_ != b.first_ || a.last_ != b.last_) return false;
  UidSet::Reader reader_a(a), reader_b(b);
  UidRange range_a, range_b;
  while (reader_a.Next(&range_a)) {
    if (!reader_b.Next(&range_b) || range_a != range_b) return false;
  }
  return true;
}

uint64_t UidSet::Hash() const {
  uint64_t hash = 0;
  ForEachRange([&hash](uint32_t first, uint32_t last) {
    hash += Mix((uint64_t{first} << 32 | last) + 0x9e3779b97f4a7c15u);
  });
  return hash;
}

size_t UidSet::memory_bytes() const { return rep_ == nullptr ? 0 : rep_->heap(); }

void UidSet::CheckInvariants() const {
  if (rep_ == nullptr) {
    ROOST_CHECK(count_ == 0 ? first_ == 0 && last_ == 0 : last_ - first_ + 1 == count_);
    return;
  }
  ROOST_CHECK(rep_->size > 0 && rep_->size <= rep_->capacity);
  ROOST_CHECK(rep_->valid_below <= rep_->size);
  uint64_t count = 0, previous = 0;
  size_t data_bytes = 0;
  for (uint32_t i = 0; i < rep_->size; ++i) {
    const Block& block = rep_->blocks()[i];
    ROOST_CHECK(block.bytes > 0 && block.bytes <= block.capacity);
    ROOST_CHECK(block.capacity <= kMaxBlockBytes);
    if (i < rep_->valid_below) ROOST_CHECK(block.below == count);
    data_bytes += HeapBytes(block.capacity);
    RunList runs;
    runs.AddBlock(block.data, block.bytes, block.first);
    ROOST_CHECK(runs.Bytes() == block.bytes);
    uint64_t in_block = 0;
    for (size_t r = 0; r < runs.size(); ++r) {
      ROOST_CHECK(runs[r].first <= runs[r].last);
      ROOST_CHECK(runs[r].first > previous + 1 || previous == 0);
      previous = runs[r].last;
      in_block += previous - runs[r].first + 1;
    }
    ROOST_CHECK(in_block == block.count && previous == block.last);
    count += in_block;
    if (i + 1 == rep_->size) {
      size_t tail = runs.BytesOf(runs.size() - 1, runs.size() == 1);
      ROOST_CHECK(rep_->tail_offset + tail == block.bytes);
    }
  }
  ROOST_CHECK(count == count_ && first_ == rep_->blocks()[0].first && last_ == previous);
  ROOST_CHECK(data_bytes == rep_->data_bytes);
  ROOST_CHECK(count_ != last_ - first_ + 1);
}

}  // namespace roost
