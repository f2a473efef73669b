#include "proto/imap/uid_set.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <utility>

#include "proto/check.h"

namespace roost {
namespace {

// ---- Encoding of one run ---------------------------------------------------------------------
//
// One byte: gap code in the high, length code in the low four bits; a code of 15 says that a varint
// with what is above 15 follows (gap's first). Length code: length - 1. Gap code: unlisted UIDs
// since the run before, less one (there is always one), and 0 for the first run of a block, which
// begins at the block's `first`.

constexpr uint32_t kEscape = 15;
constexpr size_t kMaxRunBytes = 11;
// New runs go into a block up to this size; the last run may grow in place beyond it.
constexpr size_t kFillBytes = 240;
constexpr size_t kMaxBlockBytes = 256;
static_assert(kFillBytes + kMaxRunBytes <= kMaxBlockBytes);
// A block that shrank below this looks for a neighbour to join.
constexpr size_t kSmallBytes = 64;
constexpr size_t kJoinedBytes = 192;

size_t VarintBytes(uint32_t value) {
  size_t bytes = 1;
  while (value >= 0x80) {
    value >>= 7;
    ++bytes;
  }
  return bytes;
}

uint8_t* PutVarint(uint8_t* out, uint32_t value) {
  while (value >= 0x80) {
    *out++ = static_cast<uint8_t>(value | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<uint8_t>(value);
  return out;
}

const uint8_t* GetVarint(const uint8_t* in, uint32_t* value) {
  uint32_t result = 0;
  for (int shift = 0;; shift += 7) {
    uint8_t byte = *in++;
    result |= static_cast<uint32_t>(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  *value = result;
  return in;
}

size_t RunBytes(uint32_t gap, uint32_t length) {
  return 1 + (gap >= kEscape ? VarintBytes(gap - kEscape) : 0) +
         (length >= kEscape ? VarintBytes(length - kEscape) : 0);
}

uint8_t* PutRun(uint8_t* out, uint32_t gap, uint32_t length) {
  *out++ = static_cast<uint8_t>(std::min(gap, kEscape) << 4 | std::min(length, kEscape));
  if (gap >= kEscape) out = PutVarint(out, gap - kEscape);
  if (length >= kEscape) out = PutVarint(out, length - kEscape);
  return out;
}

const uint8_t* GetRun(const uint8_t* in, uint32_t* gap, uint32_t* length) {
  uint8_t byte = *in++;
  uint32_t value = 0;
  *gap = byte >> 4;
  *length = byte & 15;
  if (*gap == kEscape) {
    in = GetVarint(in, &value);
    *gap += value;
  }
  if (*length == kEscape) {
    in = GetVarint(in, &value);
    *length += value;
  }
  return in;
}

// What the allocator spends on a request.
size_t HeapBytes(size_t requested) { return (requested + 8 + 15) / 16 * 16; }

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

uint64_t Mix(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9u;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace

struct UidSet::Block {
  uint8_t* data;
  uint32_t first;
  uint32_t last;
  uint32_t count;
  uint32_t below;  // members in the blocks before; see Rep::valid_below
  uint16_t bytes;
  uint16_t capacity;
};

// One allocation: this, then the blocks.
struct UidSet::Rep {
  uint32_t size;
  uint32_t capacity;
  uint32_t valid_below;  // blocks [0, valid_below) have a current `below`
  uint32_t tail_offset;  // of the last run in the last block
  size_t data_bytes;     // heap spent on blocks' data

  Block* blocks() { return reinterpret_cast<Block*>(this + 1); }
  Block& back() { return blocks()[size - 1]; }

  static size_t BytesFor(uint32_t capacity) { return sizeof(Rep) + capacity * sizeof(Block); }
  size_t heap() const { return HeapBytes(BytesFor(capacity)) + data_bytes; }

  static Rep* Grow(Rep* rep, uint32_t capacity);
  void FreeData(uint32_t begin, uint32_t end);
  void Reserve(Block* block, size_t bytes);
  // The index of the first block whose last is >= uid; size if there is none.
  uint32_t FindLast(uint32_t uid);
  uint32_t Below(uint32_t block);
};

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

// The runs of one or two blocks while they are edited. Bounded: a run takes a byte at least.
class UidSet::RunList {
 public:
  struct Run {
    uint32_t first;
    uint32_t last;
  };

  RunList() {}  // leaves the runs as they are: 6 KiB that are not worth clearing

  void Add(uint32_t first, uint32_t last) {
    ROOST_CHECK(size_ < std::size(runs_));
    runs_[size_++] = {first, last};
  }
  // The runs of a block's data.
  void AddBlock(const uint8_t* data, size_t bytes, uint32_t block_first) {
    uint64_t next = block_first;
    const uint8_t* end = data + bytes;
    for (bool begins = true; data < end; begins = false) {
      uint32_t gap = 0, length = 0;
      data = GetRun(data, &gap, &length);
      uint64_t first = begins ? next : next + gap + 1;
      Add(static_cast<uint32_t>(first), static_cast<uint32_t>(first + length));
      next = first + length + 1;
    }
  }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const Run& operator[](size_t i) const { return runs_[i]; }
  void Clear() { size_ = 0; }

  // Bytes to encode run i when it is the first of a block, or not.
  size_t BytesOf(size_t i, bool first) const {
    uint32_t gap = first ? 0 : runs_[i].first - runs_[i - 1].last - 2;
    return RunBytes(gap, runs_[i].last - runs_[i].first);
  }
  size_t Bytes() const {
    size_t bytes = 0;
    for (size_t i = 0; i < size_; ++i) bytes += BytesOf(i, i == 0);
    return bytes;
  }

 private:
  // Two blocks that are edited, a neighbour to join with, and what a split adds.
  Run runs_[3 * kMaxBlockBytes + 2];
  size_t size_ = 0;
};

// ---- Construction ------------------------------------------------------------------------------

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

// ---- Changes
// -------------------------------------------------------------------------------------

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
  uint32_t before = 0;
  for (uint32_t i = begin; i < end; ++i) before += rep_->blocks()[i].count;
  const Block& low = rep_->blocks()[begin];
  old.AddBlock(low.data, low.bytes, low.first);
  if (end - begin > 1) {
    const Block& high = rep_->blocks()[end - 1];
    old.AddBlock(high.data, high.bytes, high.first);
  }
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
  uint32_t before = 0;
  for (uint32_t i = begin; i < end; ++i) before += rep_->blocks()[i].count;
  const Block& low = rep_->blocks()[begin];
  old.AddBlock(low.data, low.bytes, low.first);
  if (end - begin > 1) {
    const Block& high = rep_->blocks()[end - 1];
    old.AddBlock(high.data, high.bytes, high.first);
  }
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

// ---- Questions
// -----------------------------------------------------------------------------------

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
