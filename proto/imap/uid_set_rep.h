// How a UidSet lies in memory. Private to uid_set*.cc.
#ifndef ROOST_PROTO_IMAP_UID_SET_REP_H_
#define ROOST_PROTO_IMAP_UID_SET_REP_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>

#include "proto/check.h"
#include "proto/imap/uid_set.h"

namespace roost {
namespace uid_set_internal {

// ---- Encoding of one run ----
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

inline size_t VarintBytes(uint32_t value) {
  size_t bytes = 1;
  while (value >= 0x80) {
    value >>= 7;
    ++bytes;
  }
  return bytes;
}

inline uint8_t* PutVarint(uint8_t* out, uint32_t value) {
  while (value >= 0x80) {
    *out++ = static_cast<uint8_t>(value | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<uint8_t>(value);
  return out;
}

inline const uint8_t* GetVarint(const uint8_t* in, uint32_t* value) {
  uint32_t result = 0;
  for (int shift = 0;; shift += 7) {
    uint8_t byte = *in++;
    result |= static_cast<uint32_t>(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  *value = result;
  return in;
}

inline size_t RunBytes(uint32_t gap, uint32_t length) {
  return 1 + (gap >= kEscape ? VarintBytes(gap - kEscape) : 0) +
         (length >= kEscape ? VarintBytes(length - kEscape) : 0);
}

inline uint8_t* PutRun(uint8_t* out, uint32_t gap, uint32_t length) {
  *out++ = static_cast<uint8_t>(std::min(gap, kEscape) << 4 | std::min(length, kEscape));
  if (gap >= kEscape) out = PutVarint(out, gap - kEscape);
  if (length >= kEscape) out = PutVarint(out, length - kEscape);
  return out;
}

inline const uint8_t* GetRun(const uint8_t* in, uint32_t* gap, uint32_t* length) {
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
inline size_t HeapBytes(size_t requested) { return (requested + 8 + 15) / 16 * 16; }

}  // namespace uid_set_internal

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
  size_t heap() const { return uid_set_internal::HeapBytes(BytesFor(capacity)) + data_bytes; }

  static Rep* Grow(Rep* rep, uint32_t capacity);
  void FreeData(uint32_t begin, uint32_t end);
  void Reserve(Block* block, size_t bytes);
  // The index of the first block whose last is >= uid; size if there is none.
  uint32_t FindLast(uint32_t uid);
  uint32_t Below(uint32_t block);
  // Adds the runs of the first and the last of blocks [begin, end): what lies between is replaced
  // as a whole. Returns how many members all of them have.
  uint32_t TakeEnds(uint32_t begin, uint32_t end, RunList* runs);
};

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
      data = uid_set_internal::GetRun(data, &gap, &length);
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
    return uid_set_internal::RunBytes(gap, runs_[i].last - runs_[i].first);
  }
  size_t Bytes() const {
    size_t bytes = 0;
    for (size_t i = 0; i < size_; ++i) bytes += BytesOf(i, i == 0);
    return bytes;
  }

 private:
  // Two blocks that are edited, a neighbour to join with, and what a split adds.
  Run runs_[3 * uid_set_internal::kMaxBlockBytes + 2];
  size_t size_ = 0;
};

}  // namespace roost

#endif  // ROOST_PROTO_IMAP_UID_SET_REP_H_
