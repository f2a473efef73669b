// A set of message UIDs, ordered, that also answers by position: a mailbox's view in a few bytes.
//
// Representation: empty and one-range sets are 24 bytes and own no heap. Others own an array of
// blocks, each up to 256 bytes of runs (gap and length, one byte for the usual small ones) under a
// header with first, last and count. So lookups by UID search the headers by bisection, lookups by
// position by prefix counts that are kept lazily, and then walk one block. A million messages with
// every second one gone take about 0.6 MB.
//
// Not thread-safe, not even const methods together (the lazily kept prefix). UID 0 does not exist:
// it is never inserted and never found.
//
// Bound: insertion returns false, and changes nothing, when the set holds kMaxBytes or more.
// Removal always works, but may split runs and so grow a little: whoever applies a stranger's
// removals asks over_limit().
#ifndef ROOST_PROTO_IMAP_UID_SET_H_
#define ROOST_PROTO_IMAP_UID_SET_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>

namespace roost {

struct UidRange {
  uint32_t first = 0;
  uint32_t last = 0;  // inclusive
  friend bool operator==(const UidRange&, const UidRange&) = default;
};

class UidSet {
 public:
  static constexpr size_t kMaxBytes = 8 * 1024 * 1024;
  static constexpr uint32_t kMaxUid = 0xffffffff;

  UidSet() = default;
  UidSet(std::initializer_list<UidRange> ranges);
  UidSet(const UidSet& other);
  UidSet(UidSet&& other) noexcept;
  UidSet& operator=(const UidSet& other);
  UidSet& operator=(UidSet&& other) noexcept;
  ~UidSet();

  // True when `uid` (the whole range) is in the set afterwards. Fast for uid > Last().
  bool Insert(uint32_t uid) { return InsertRange(uid, uid); }
  bool InsertRange(uint32_t first, uint32_t last);
  bool InsertSet(const UidSet& other);
  // How many were removed.
  uint32_t Remove(uint32_t uid) { return RemoveRange(uid, uid); }
  uint32_t RemoveRange(uint32_t first, uint32_t last);
  uint32_t RemoveSet(const UidSet& other);
  void Clear();

  bool empty() const { return count_ == 0; }
  // 2^32 - 1 at most, since there is no UID 0.
  uint32_t size() const { return count_; }
  // 0 when empty.
  uint32_t First() const { return first_; }
  uint32_t Last() const { return last_; }
  bool Contains(uint32_t uid) const;

  // The UID at a position; positions count from 1, as message sequence numbers do.
  std::optional<uint32_t> At(uint32_t position) const;
  // The position of `uid`; 0: not in the set.
  uint32_t PositionOf(uint32_t uid) const;
  // How many are below `uid`.
  uint32_t CountBelow(uint32_t uid) const;
  // How many are in [first, last].
  uint32_t CountIn(uint32_t first, uint32_t last) const;
  // Any in [first, last].
  bool Intersects(uint32_t first, uint32_t last) const { return CountIn(first, last) != 0; }

  // Walks over the maximal ranges in ascending order. Any change of the set ends its validity.
  class Reader {
   public:
    // Ranges that hold UIDs >= from; the first is cut to begin there.
    explicit Reader(const UidSet& set, uint32_t from = 1);
    bool Next(UidRange* range);

   private:
    bool Raw(UidRange* range);

    const UidSet& set_;
    uint32_t from_;
    uint32_t previous_last_ = 0;
    size_t block_ = 0;
    size_t offset_ = 0;  // of the next run in the block
  };

  template <typename Fn>
  void ForEachRange(Fn&& fn) const {
    Reader reader(*this);
    UidRange range;
    while (reader.Next(&range)) fn(range.first, range.last);
  }
  template <typename Fn>
  void ForEach(Fn&& fn) const {
    ForEachRange([&](uint32_t first, uint32_t last) {
      for (uint64_t uid = first; uid <= last; ++uid) fn(static_cast<uint32_t>(uid));
    });
  }

  // What is in a and not in b.
  static UidSet Difference(const UidSet& a, const UidSet& b);
  // What is in both. Quick when one of them is small.
  static UidSet Intersection(const UidSet& a, const UidSet& b);
  friend bool operator==(const UidSet& a, const UidSet& b);
  // The same for equal sets, however they came about. Not against malice.
  uint64_t Hash() const;

  // Heap owned by the set, allocator's rounding estimated; the 24 bytes of the object not counted.
  size_t memory_bytes() const;
  bool over_limit() const { return memory_bytes() > kMaxBytes; }
  // For tests: aborts when the representation contradicts itself.
  void CheckInvariants() const;

 private:
  struct Block;
  struct Rep;
  class RunList;

  bool Locate(uint32_t uid, uint32_t* below) const;
  bool Append(uint32_t first, uint32_t last);
  void MakeRep();
  void InsertIntoBlocks(uint32_t first, uint32_t last);
  void RemoveFromBlocks(uint32_t first, uint32_t last);
  void Splice(uint32_t begin, uint32_t end, const RunList& runs);
  void FindTail();
  void Refresh();

  uint32_t first_ = 0;
  uint32_t last_ = 0;
  uint32_t count_ = 0;
  Rep* rep_ = nullptr;  // null: empty, or the one range [first_, last_]
};

static_assert(sizeof(UidSet) == 24);

}  // namespace roost

#endif  // ROOST_PROTO_IMAP_UID_SET_H_
