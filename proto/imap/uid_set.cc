#include "proto/imap/uid_set.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <utility>

#include "proto/check.h"
#include "proto/imap/uid_set_rep.h"

namespace roost {

using namespace uid_set_internal;  // NOLINT: the other half of this file

namespace {

void* AllocateOrDie(void* old, size_t bytes) {
  void* memory = std::realloc(old, bytes);
  ROOST_CHECK(memory != nullptr);
  return memory;
}

uint16_t CapacityFor(size_t bytes) {
  size_t capacity = 16;
  while (capacity < bytes) capacity *= 2;
  return static_cast<uint16_t>(capacity);
}

}  // namespace

UidSet::Rep* UidSet::Rep::Grow(Rep* rep, uint32_t capacity) {
  bool fresh = rep == nullptr;
  rep = static_cast<Rep*>(AllocateOrDie(rep, BytesFor(capacity)));
  if (fresh) *rep = Rep{};
  rep->capacity = capacity;
  return rep;
}

void UidSet::Rep::FreeData(uint32_t begin, uint32_t end) {
  for (uint32_t i = begin; i < end; ++i) {
    data_bytes -= HeapBytes(blocks()[i].capacity);
    std::free(blocks()[i].data);
  }
}

void UidSet::Rep::Reserve(Block* block, size_t bytes) {
  if (block->capacity >= bytes) return;
  uint16_t capacity = CapacityFor(bytes);
  block->data = static_cast<uint8_t*>(AllocateOrDie(block->data, capacity));
  if (block->capacity != 0) data_bytes -= HeapBytes(block->capacity);
  data_bytes += HeapBytes(capacity);
  block->capacity = capacity;
}

uint32_t UidSet::Rep::FindLast(uint32_t uid) {
  Block* found =
      std::lower_bound(blocks(), blocks() + size, uid,
                       [](const Block& block, uint32_t key) { return block.last < key; });
  return static_cast<uint32_t>(found - blocks());
}

uint32_t UidSet::Rep::Below(uint32_t block) {
  if (valid_below == 0) {
    blocks()[0].below = 0;
    valid_below = 1;
  }
  for (; valid_below <= block; ++valid_below) {
    const Block& before = blocks()[valid_below - 1];
    blocks()[valid_below].below = before.below + before.count;
  }
  return blocks()[block].below;
}

// ---- Construction ----

UidSet::UidSet(std::initializer_list<UidRange> ranges) {
  for (const UidRange& range : ranges) InsertRange(range.first, range.last);
}

UidSet::UidSet(const UidSet& other)
    : first_(other.first_), last_(other.last_), count_(other.count_) {
  if (other.rep_ == nullptr) return;
  uint32_t size = other.rep_->size;
  rep_ = Rep::Grow(nullptr, size);
  rep_->size = size;
  rep_->valid_below = other.rep_->valid_below;
  rep_->tail_offset = other.rep_->tail_offset;
  for (uint32_t i = 0; i < size; ++i) {
    const Block& from = other.rep_->blocks()[i];
    Block& to = rep_->blocks()[i];
    to = from;
    to.data = nullptr;
    to.capacity = 0;
    rep_->Reserve(&to, from.bytes);
    std::memcpy(to.data, from.data, from.bytes);
  }
}

UidSet::UidSet(UidSet&& other) noexcept
    : first_(std::exchange(other.first_, 0)),
      last_(std::exchange(other.last_, 0)),
      count_(std::exchange(other.count_, 0)),
      rep_(std::exchange(other.rep_, nullptr)) {}

UidSet& UidSet::operator=(const UidSet& other) {
  if (this != &other) *this = UidSet(other);
  return *this;
}

UidSet& UidSet::operator=(UidSet&& other) noexcept {
  std::swap(first_, other.first_);
  std::swap(last_, other.last_);
  std::swap(count_, other.count_);
  std::swap(rep_, other.rep_);
  return *this;
}

UidSet::~UidSet() { Clear(); }

void UidSet::Clear() {
  if (rep_ != nullptr) {
    rep_->FreeData(0, rep_->size);
    std::free(rep_);
  }
  rep_ = nullptr;
  first_ = last_ = count_ = 0;
}

// From the one plain range to a block that holds it.
void UidSet::MakeRep() {
  rep_ = Rep::Grow(nullptr, 1);
  Block& block = rep_->blocks()[0];
  block = Block{nullptr, first_, last_, count_, 0, 0, 0};
  rep_->size = 1;
  rep_->Reserve(&block, kMaxRunBytes);
  block.bytes = static_cast<uint16_t>(PutRun(block.data, 0, last_ - first_) - block.data);
}

// ---- Changes ----

// Adds [first, last] where first > last_ and something is in the set.
bool UidSet::Append(uint32_t first, uint32_t last) {
  uint32_t added = last - first + 1;
  if (rep_ == nullptr) {
    if (first == last_ + 1) {
      last_ = last;
      count_ += added;
      return true;
    }
    MakeRep();
  }
  Block* block = &rep_->back();
  if (first == last_ + 1) {
    uint32_t gap = 0, length = 0;
    GetRun(block->data + rep_->tail_offset, &gap, &length);
    rep_->Reserve(block, rep_->tail_offset + RunBytes(gap, length + added));
    uint8_t* end = PutRun(block->data + rep_->tail_offset, gap, length + added);
    block->bytes = static_cast<uint16_t>(end - block->data);
  } else {
    uint32_t gap = first - last_ - 2;
    size_t bytes = block->bytes + RunBytes(gap, added - 1);
    if (bytes > kFillBytes) {
      if (rep_->size == rep_->capacity) {
        rep_ = Rep::Grow(rep_, rep_->capacity + std::max(4u, rep_->capacity / 8));
      }
      block = &rep_->blocks()[rep_->size++];
      *block = Block{nullptr, first, first, 0, 0, 0, 0};
      gap = 0;
      bytes = RunBytes(0, added - 1);
    }
    rep_->Reserve(block, bytes);
    rep_->tail_offset = block->bytes;
    PutRun(block->data + block->bytes, gap, added - 1);
    block->bytes = static_cast<uint16_t>(bytes);
  }
  block->last = last;
  block->count += added;
  last_ = last;
  count_ += added;
  return true;
}

// Puts the blocks that encode `runs` in place of the blocks [begin, end).
void UidSet::Splice(uint32_t begin, uint32_t end, const RunList& runs) {
  size_t total = runs.Bytes();
  size_t parts = (total + kFillBytes - 1) / kFillBytes;
  // Two more at most: a part ends before the run that would overfill it.
  size_t target = parts <= 1 ? kFillBytes : total / parts + 1;
  struct Part {
    size_t begin, end, bytes;
  };
  Part made[8];
  size_t made_size = 0;
  for (size_t i = 0; i < runs.size();) {
    ROOST_CHECK(made_size < std::size(made));
    Part part{i, i + 1, runs.BytesOf(i, true)};
    for (; part.end < runs.size(); ++part.end) {
      size_t more = runs.BytesOf(part.end, false);
      if (part.bytes + more > kFillBytes || (parts > 1 && part.bytes >= target)) break;
      part.bytes += more;
    }
    made[made_size++] = part;
    i = part.end;
  }

  uint32_t size = static_cast<uint32_t>(rep_->size - (end - begin) + made_size);
  rep_->FreeData(begin, end);
  if (size > rep_->capacity) rep_ = Rep::Grow(rep_, size + std::min(size / 8, 256u));
  Block* blocks = rep_->blocks();
  std::memmove(blocks + begin + made_size, blocks + end, (rep_->size - end) * sizeof(Block));
  for (size_t p = 0; p < made_size; ++p) {
    Block& block = blocks[begin + p];
    block = Block{nullptr, runs[made[p].begin].first, runs[made[p].end - 1].last, 0, 0, 0, 0};
    rep_->Reserve(&block, made[p].bytes);
    uint8_t* out = block.data;
    for (size_t i = made[p].begin; i < made[p].end; ++i) {
      uint32_t gap = i == made[p].begin ? 0 : runs[i].first - runs[i - 1].last - 2;
      block.count += runs[i].last - runs[i].first + 1;
      if (begin + p + 1 == size) rep_->tail_offset = static_cast<uint32_t>(out - block.data);
      out = PutRun(out, gap, runs[i].last - runs[i].first);
    }
    block.bytes = static_cast<uint16_t>(out - block.data);
  }
  rep_->size = size;
  rep_->valid_below = std::min(rep_->valid_below, begin);
  // The last block went away and the one before is the last now.
  if (made_size == 0 && begin == size && size > 0) FindTail();
  Refresh();
}

void UidSet::FindTail() {
  const Block& block = rep_->back();
  const uint8_t* in = block.data;
  while (in < block.data + block.bytes) {
    uint32_t gap = 0, length = 0;
    rep_->tail_offset = static_cast<uint32_t>(in - block.data);
    in = GetRun(in, &gap, &length);
  }
}

// After the blocks changed: the sums, and back to the plain form where that is enough.
void UidSet::Refresh() {
  if (rep_->size == 0) {
    Clear();
    return;
  }
  uint32_t first = rep_->blocks()[0].first;
  uint32_t last = rep_->back().last;
  if (last - first + 1 == count_) {
    uint32_t count = count_;
    Clear();
    count_ = count;
  } else if (rep_->capacity > 8 && rep_->size < rep_->capacity / 4) {
    rep_ = Rep::Grow(rep_, rep_->size * 2);
  }
  first_ = first;
  last_ = last;
}

bool UidSet::InsertRange(uint32_t first, uint32_t last) {
  if (first == 0 || first > last) return false;
  if (count_ == 0) {
    first_ = first;
    last_ = last;
    count_ = last - first + 1;
    return true;
  }
  uint32_t have = first > last_ ? 0 : CountIn(first, last);
  if (have == last - first + 1) return true;
  if (memory_bytes() >= kMaxBytes) return false;
  if (first > last_) return Append(first, last);
  if (rep_ == nullptr) {
    // Touching the plain range keeps it plain.
    if (uint64_t{last} + 1 >= first_) {
      first_ = std::min(first_, first);
      last_ = std::max(last_, last);
      count_ = last_ - first_ + 1;
      return true;
    }
    MakeRep();
  }
  InsertIntoBlocks(first, last);
  return true;
}

uint32_t UidSet::Rep::TakeEnds(uint32_t begin, uint32_t end, RunList* runs) {
  uint32_t count = 0;
  for (uint32_t i = begin; i < end; ++i) count += blocks()[i].count;
  const Block& low = blocks()[begin];
  runs->AddBlock(low.data, low.bytes, low.first);
  if (end - begin > 1) {
    const Block& high = blocks()[end - 1];
    runs->AddBlock(high.data, high.bytes, high.first);
  }
  return count;
}

void UidSet::InsertIntoBlocks(uint32_t first, uint32_t last) {
  // Blocks that hold a run which [first, last] overlaps or touches are [begin, end).
  uint32_t begin = rep_->FindLast(first - 1 == 0 ? 1 : first - 1);
  uint32_t end = last == kMaxUid ? rep_->size : rep_->FindLast(last + 1);
  if (end < rep_->size && rep_->blocks()[end].first <= uint64_t{last} + 1) ++end;
  // Between two blocks: into the one that follows, else into the last.
  if (begin == end) {
    if (begin == rep_->size) --begin;
    end = begin + 1;
  }

  RunList old, runs;
  UidRange merged{first, last};
  const uint32_t before = rep_->TakeEnds(begin, end, &old);
  bool placed = false;
  for (size_t i = 0; i < old.size(); ++i) {
    const RunList::Run& run = old[i];
    if (uint64_t{run.last} + 1 < merged.first) {
      runs.Add(run.first, run.last);
    } else if (run.first > uint64_t{merged.last} + 1) {
      if (!placed) runs.Add(merged.first, merged.last);
      placed = true;
      runs.Add(run.first, run.last);
    } else {
      merged.first = std::min(merged.first, run.first);
      merged.last = std::max(merged.last, run.last);
    }
  }
  if (!placed) runs.Add(merged.first, merged.last);
  uint32_t after = 0;
  for (size_t i = 0; i < runs.size(); ++i) after += runs[i].last - runs[i].first + 1;
  count_ += after - before;
  Splice(begin, end, runs);
}

uint32_t UidSet::RemoveRange(uint32_t first, uint32_t last) {
  if (first == 0 || first > last || count_ == 0) return 0;
  uint32_t removed = CountIn(first, last);
  if (removed == 0) return 0;
  if (removed == count_) {
    Clear();
    return removed;
  }
  if (rep_ == nullptr) {
    // From an end: stays plain.
    if (first <= first_ || last >= last_) {
      (first <= first_ ? first_ : last_) = first <= first_ ? last + 1 : first - 1;
      count_ -= removed;
      return removed;
    }
    MakeRep();
  }
  RemoveFromBlocks(first, last);
  return removed;
}

void UidSet::RemoveFromBlocks(uint32_t first, uint32_t last) {
  uint32_t begin = rep_->FindLast(first);
  uint32_t end = rep_->FindLast(last);
  if (end < rep_->size && rep_->blocks()[end].first <= last) ++end;

  RunList old, runs;
  const uint32_t before = rep_->TakeEnds(begin, end, &old);
  uint32_t after = 0;
  auto keep = [&](uint32_t from, uint32_t to) {
    runs.Add(from, to);
    after += to - from + 1;
  };
  for (size_t i = 0; i < old.size(); ++i) {
    const RunList::Run& run = old[i];
    if (run.first < first) keep(run.first, std::min(run.last, first - 1));
    if (run.last > last) keep(std::max(run.first, last + 1), run.last);
  }
  count_ -= before - after;

  // What became small joins the block that follows, or the one before.
  size_t bytes = runs.Bytes();
  if (bytes < kSmallBytes && end < rep_->size &&
      bytes + rep_->blocks()[end].bytes <= kJoinedBytes) {
    const Block& next = rep_->blocks()[end++];
    runs.AddBlock(next.data, next.bytes, next.first);
  } else if (bytes < kSmallBytes && begin > 0 &&
             bytes + rep_->blocks()[begin - 1].bytes <= kJoinedBytes) {
    const Block& previous = rep_->blocks()[--begin];
    old.Clear();
    old.AddBlock(previous.data, previous.bytes, previous.first);
    for (size_t i = 0; i < runs.size(); ++i) old.Add(runs[i].first, runs[i].last);
    Splice(begin, end, old);
    return;
  }
  Splice(begin, end, runs);
}

bool UidSet::InsertSet(const UidSet& other) {
  if (this == &other) return true;
  bool all = true;
  Reader reader(other);
  UidRange range;
  while (all && reader.Next(&range)) all = InsertRange(range.first, range.last);
  return all;
}

uint32_t UidSet::RemoveSet(const UidSet& other) {
  uint32_t before = count_;
  if (this == &other) {
    Clear();
    return before;
  }
  Reader reader(other);
  UidRange range;
  while (!empty() && reader.Next(&range)) RemoveRange(range.first, range.last);
  return before - count_;
}

}  // namespace roost
