// Handle: the name of an object in one of a shard's slabs, small enough for any 64-bit field.
//
// Layout: kind 8 bits | index 24 bits | generation 32 bits. A handle does not keep its object
// alive; Slab::Find(index, generation) answers null once the object is gone. What the kinds mean is
// decided by the user (core/client, core/store, …); kind 0 with generation 0 is "none".
#ifndef ROOST_CORE_BASE_HANDLE_H_
#define ROOST_CORE_BASE_HANDLE_H_

#include <cstdint>

namespace roost {

// "No cell", in lists, timers and slabs.
inline constexpr uint32_t kNoIndex = UINT32_MAX;
// Most cells one slab can have: 24 bits of index in a Handle.
inline constexpr uint32_t kMaxSlabCells = 1u << 24;

class Handle {
 public:
  constexpr Handle() = default;
  constexpr Handle(uint8_t kind, uint32_t index, uint32_t generation)
      : bits_(uint64_t{kind} << 56 | uint64_t{index & (kMaxSlabCells - 1)} << 32 | generation) {}

  static constexpr Handle FromBits(uint64_t bits) {
    Handle handle;
    handle.bits_ = bits;
    return handle;
  }

  constexpr uint64_t bits() const { return bits_; }
  constexpr uint8_t kind() const { return static_cast<uint8_t>(bits_ >> 56); }
  constexpr uint32_t index() const {
    return static_cast<uint32_t>(bits_ >> 32) & (kMaxSlabCells - 1);
  }
  constexpr uint32_t generation() const { return static_cast<uint32_t>(bits_); }
  constexpr explicit operator bool() const { return generation() != 0; }

  friend constexpr bool operator==(Handle, Handle) = default;
  friend constexpr auto operator<=>(Handle, Handle) = default;

 private:
  uint64_t bits_ = 0;
};

static_assert(sizeof(Handle) == 8);

}  // namespace roost

#endif  // ROOST_CORE_BASE_HANDLE_H_
