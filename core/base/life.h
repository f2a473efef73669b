// Life: lets others find out whether an object is still there.
//
// What it is: a member of an object that hands out Watches; a Watch is expired once the Life is
// gone. For tasks that were posted and callbacks that may outlive whoever asked for them. What it
// is not: it keeps nothing alive.
//
// Memory: 8 bytes; 16 more while anybody watches. One thread. Not copied, not moved.
#ifndef ROOST_CORE_BASE_LIFE_H_
#define ROOST_CORE_BASE_LIFE_H_

#include <cstdint>
#include <utility>

namespace roost {

class Life {
  struct Block {
    Life* owner;  // null: it is gone
    uint32_t watches;
  };

 public:
  class Watch {
   public:
    Watch() = default;  // of nothing: expired
    Watch(const Watch& other) : block_(other.block_) {
      if (block_ != nullptr) ++block_->watches;
    }
    Watch(Watch&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
    Watch& operator=(Watch other) noexcept {
      std::swap(block_, other.block_);
      return *this;
    }
    ~Watch() {
      if (block_ != nullptr) Drop(block_);
    }

    bool expired() const { return block_ == nullptr || block_->owner == nullptr; }

   private:
    friend class Life;
    explicit Watch(Block* block) : block_(block) { ++block_->watches; }
    // Not inlined: compilers lose count of the watches and warn of a use after the last.
    [[gnu::noinline]] static void Drop(Block* block) {
      if (--block->watches != 0) return;
      if (block->owner != nullptr) block->owner->block_ = nullptr;
      delete block;
    }
    Block* block_ = nullptr;
  };

  Life() = default;
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;
  ~Life() {
    if (block_ != nullptr) block_->owner = nullptr;
  }

  Watch watch() {
    if (block_ == nullptr) block_ = new Block{this, 0};
    return Watch(block_);
  }

 private:
  Block* block_ = nullptr;  // freed with the last Watch
};

static_assert(sizeof(Life) == 8);

}  // namespace roost

#endif  // ROOST_CORE_BASE_LIFE_H_
