// Slab<T>: a shard's objects of one type, in fixed cells that are named by index and generation.
//
// Cells lie in 64 KiB pieces taken straight from the kernel and excluded from core dumps; a cell's
// address never changes. The lowest free index is used first, so that a slab that shrinks becomes
// empty at its end, and empty pieces are given back (one is kept, against thrashing). A freed cell
// is destroyed and overwritten with zeros. One thread.
//
// Invariants
//  1. A generation is never 0 and is given to one cell only (until 2^32 allocations have passed),
//  so a
//     stale index and generation find nothing, even after the piece was given back in between.
//  2. index < max_cells <= kMaxSlabCells; New fails rather than pass that.
//
// If T has a public member `uint32_t generation`, the generation is kept there (a cell whose size
// is pinned then holds all there is); otherwise 4 bytes (and padding) are added. T's constructor
// must leave that member alone or set any value: New sets it afterwards. In use are besides one bit
// per cell and 32 bytes a piece.
#ifndef ROOST_CORE_BASE_SLAB_H_
#define ROOST_CORE_BASE_SLAB_H_

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "core/base/cleanse.h"
#include "core/base/handle.h"

#if defined(__SANITIZE_ADDRESS__)
#define ROOST_SLAB_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ROOST_SLAB_POISONS 1
#endif
#endif
#ifdef ROOST_SLAB_POISONS
#include <sanitizer/asan_interface.h>
#endif

namespace roost {

struct SlabStats {
  uint32_t live = 0;
  uint32_t peak = 0;
  uint32_t max_cells = 0;
  size_t mapped_bytes = 0;
};

template <typename T>
concept HasGeneration = requires(T& t) {
  { t.generation } -> std::same_as<uint32_t&>;
};

template <typename T>
class Slab {
 public:
  static constexpr size_t kPieceBytes = 64 * 1024;

  // What New hands out. False when the slab is full or the kernel has no memory.
  struct Ref {
    uint32_t index = kNoIndex;
    uint32_t generation = 0;
    T* cell = nullptr;
    explicit operator bool() const { return cell != nullptr; }
    T* operator->() const { return cell; }
    T& operator*() const { return *cell; }
  };

  explicit Slab(uint32_t max_cells = kMaxSlabCells - 1) : max_cells_(max_cells) {
    ROOST_CHECK(max_cells < kMaxSlabCells);
  }
  ~Slab() {
    ForEach([this](uint32_t index, T&) { Free(index); });
    for (uint32_t i = 0; i < pieces_.size(); ++i) Unmap(i);
  }
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  template <typename... Args>
  Ref New(Args&&... args) {
    const uint32_t piece_index = PieceWithRoom();
    if (piece_index == kNoIndex) return {};
    Piece& piece = pieces_[piece_index];
    uint32_t word = 0;
    while (~piece.used[word] == 0) ++word;
    const uint32_t bit = static_cast<uint32_t>(std::countr_one(piece.used[word]));
    const uint32_t place = word * 64 + bit;
    const uint32_t index = piece_index * cells_per_piece() + place;
    if (index >= max_cells_) return {};

    void* memory = piece.base + sizeof(Cell) * place;
    Unpoison(memory, sizeof(Cell));
    Cell* cell = new (memory) Cell(std::forward<Args>(args)...);
    cell->SetGeneration(next_generation_);
    piece.used[word] |= uint64_t{1} << bit;
    if (++piece.live == cells_per_piece()) SetRoom(piece_index, false);
    if (spare_ == piece_index) spare_ = kNoIndex;
    if (++stats_.live > stats_.peak) stats_.peak = stats_.live;

    const Ref ref{index, next_generation_, &cell->value()};
    if (++next_generation_ == 0) next_generation_ = 1;
    return ref;
  }

  // Precondition: the cell is live. References to it end here.
  void Free(uint32_t index) {
    ROOST_CHECK(IsLive(index));
    const uint32_t piece_index = index / cells_per_piece();
    const uint32_t place = index % cells_per_piece();
    Piece& piece = pieces_[piece_index];
    Cell* cell = CellAt(index);
    cell->~Cell();
    Cleanse(static_cast<void*>(cell), sizeof(Cell));
    Poison(cell, sizeof(Cell));
    piece.used[place / 64] &= ~(uint64_t{1} << (place % 64));
    SetRoom(piece_index, true);
    --stats_.live;
    if (--piece.live == 0) KeepOneSpare(piece_index);
  }

  // Null when stale.
  T* Find(uint32_t index, uint32_t generation) {
    if (!IsLive(index)) return nullptr;
    Cell* cell = CellAt(index);
    return cell->Generation() == generation ? &cell->value() : nullptr;
  }
  T* Find(Handle handle) { return Find(handle.index(), handle.generation()); }

  // Precondition: the cell is live.
  T& operator[](uint32_t index) {
    ROOST_DCHECK(IsLive(index));
    return CellAt(index)->value();
  }
  const T& operator[](uint32_t index) const { return const_cast<Slab&>(*this)[index]; }

  bool IsLive(uint32_t index) const {
    const uint32_t piece = index / cells_per_piece();
    const uint32_t place = index % cells_per_piece();
    return piece < pieces_.size() && pieces_[piece].base != nullptr &&
           (pieces_[piece].used[place / 64] >> (place % 64) & 1) != 0;
  }

  // Precondition: the cell is live.
  uint32_t GenerationOf(uint32_t index) const {
    ROOST_DCHECK(IsLive(index));
    return CellAt(index)->Generation();
  }

  // Visits live cells in order of index: visit(index, T&). It may free any cell and make new ones
  // (which may be visited or not).
  template <typename Visit>
  void ForEach(Visit&& visit) {
    for (uint32_t i = NextLive(0); i != kNoIndex; i = NextLive(i + 1)) visit(i, (*this)[i]);
  }

  // The first live index at or above `from`; kNoIndex when there is none. For walks in slices.
  uint32_t NextLive(uint32_t from) const {
    for (uint32_t piece = from / cells_per_piece(); piece < pieces_.size(); ++piece) {
      const uint32_t first = piece * cells_per_piece();
      if (pieces_[piece].live == 0) continue;
      for (uint32_t place = from > first ? from - first : 0; place < cells_per_piece();) {
        const uint64_t rest = pieces_[piece].used[place / 64] >> (place % 64);
        if (rest != 0) {
          const uint32_t found = place + static_cast<uint32_t>(std::countr_zero(rest));
          if (found >= cells_per_piece()) break;
          return first + found;
        }
        place = (place / 64 + 1) * 64;
      }
    }
    return kNoIndex;
  }

  uint32_t size() const { return stats_.live; }
  bool full() const { return stats_.live >= max_cells_; }
  SlabStats stats() const {
    SlabStats stats = stats_;
    stats.max_cells = max_cells_;
    return stats;
  }

 private:
  // The value with a generation beside it, or the value alone when it has its own.
  struct PaddedCell {
    template <typename... Args>
    explicit PaddedCell(Args&&... args) : held(std::forward<Args>(args)...) {}
    T held;
    uint32_t own_generation = 0;
    T& value() { return held; }
    uint32_t Generation() const { return own_generation; }
    void SetGeneration(uint32_t generation) { own_generation = generation; }
  };
  struct PlainCell {
    template <typename... Args>
    explicit PlainCell(Args&&... args) : held(std::forward<Args>(args)...) {}
    T held;
    T& value() { return held; }
    uint32_t Generation() const { return held.generation; }
    void SetGeneration(uint32_t generation) { held.generation = generation; }
  };
  using Cell = std::conditional_t<HasGeneration<T>, PlainCell, PaddedCell>;

  struct Piece {
    std::byte* base = nullptr;  // null: given back
    uint32_t live = 0;
    std::unique_ptr<uint64_t[]> used;  // one bit per cell; exists while mapped
  };

  static constexpr uint32_t cells_per_piece() {
    static_assert(sizeof(Cell) <= kPieceBytes && alignof(Cell) <= 4096);
    return static_cast<uint32_t>(kPieceBytes / sizeof(Cell));
  }
  static constexpr uint32_t words_per_piece() { return (cells_per_piece() + 63) / 64; }

  Cell* CellAt(uint32_t index) const {
    std::byte* base = pieces_[index / cells_per_piece()].base;
    return std::launder(reinterpret_cast<Cell*>(base + sizeof(Cell) * (index % cells_per_piece())));
  }

  void SetRoom(uint32_t piece, bool room) {
    const uint64_t bit = uint64_t{1} << (piece % 64);
    room ? room_[piece / 64] |= bit : room_[piece / 64] &= ~bit;
    if (room && piece / 64 < room_hint_) room_hint_ = piece / 64;
  }

  // The lowest piece with a free cell, mapped; kNoIndex when there can be none.
  uint32_t PieceWithRoom() {
    if (full()) return kNoIndex;
    while (room_hint_ < room_.size() && room_[room_hint_] == 0) ++room_hint_;
    uint32_t index = static_cast<uint32_t>(pieces_.size());
    if (room_hint_ < room_.size()) {
      index = room_hint_ * 64 + static_cast<uint32_t>(std::countr_zero(room_[room_hint_]));
    }
    if (index < pieces_.size() && pieces_[index].base != nullptr) return index;
    return Map(index) ? index : kNoIndex;
  }

  bool Map(uint32_t index) {
    void* memory =
        mmap(nullptr, kPieceBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return false;
    madvise(memory, kPieceBytes, MADV_DONTDUMP);
    if (index == pieces_.size()) {
      pieces_.emplace_back();
      if (room_.size() * 64 < pieces_.size()) room_.push_back(0);
      SetRoom(index, true);
    }
    Piece& piece = pieces_[index];
    piece.base = static_cast<std::byte*>(memory);
    piece.used = std::make_unique<uint64_t[]>(words_per_piece());
    // Bits beyond the last cell count as used, so that the search for a free one never finds them.
    for (uint32_t place = cells_per_piece(); place < words_per_piece() * 64; ++place) {
      piece.used[place / 64] |= uint64_t{1} << (place % 64);
    }
    Poison(memory, kPieceBytes);
    stats_.mapped_bytes += kPieceBytes;
    return true;
  }

  void Unmap(uint32_t index) {
    Piece& piece = pieces_[index];
    if (piece.base == nullptr) return;
    Unpoison(piece.base, kPieceBytes);
    munmap(piece.base, kPieceBytes);
    piece.base = nullptr;
    piece.used.reset();
    stats_.mapped_bytes -= kPieceBytes;
  }

  void KeepOneSpare(uint32_t piece) {
    if (spare_ == kNoIndex) {
      spare_ = piece;
      return;
    }
    Unmap(std::max(spare_, piece));
    spare_ = std::min(spare_, piece);
  }

  static void Poison([[maybe_unused]] const void* memory, [[maybe_unused]] size_t size) {
#ifdef ROOST_SLAB_POISONS
    ASAN_POISON_MEMORY_REGION(memory, size);
#endif
  }
  static void Unpoison([[maybe_unused]] const void* memory, [[maybe_unused]] size_t size) {
#ifdef ROOST_SLAB_POISONS
    ASAN_UNPOISON_MEMORY_REGION(memory, size);
#endif
  }

  std::vector<Piece> pieces_;
  std::vector<uint64_t> room_;  // one bit per piece: it has a free cell
  uint32_t room_hint_ = 0;      // no word of room_ below this has a bit
  uint32_t spare_ = kNoIndex;   // the one empty piece that stays mapped
  uint32_t next_generation_ = 1;
  const uint32_t max_cells_;
  SlabStats stats_;
};

}  // namespace roost

#endif  // ROOST_CORE_BASE_SLAB_H_
