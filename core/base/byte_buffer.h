// ByteBuffer: bytes that wait to be used, appended at the end, consumed from the
// front, always contiguous.
//
// It holds no memory while empty, so an idle connection may own one. Bounded by `limit`. With
// kSecret whatever it held is wiped when it is consumed to the end, grown or freed. Views and spans
// are valid until the next call that changes the buffer. One thread; movable, not copyable.
#ifndef ROOST_CORE_BASE_BYTE_BUFFER_H_
#define ROOST_CORE_BASE_BYTE_BUFFER_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

#include "core/base/check.h"
#include "core/base/cleanse.h"

namespace roost {

class ByteBuffer {
 public:
  enum class Content : uint8_t { kPlain, kSecret };

  // Most bytes held at a time. The default only guards against arithmetic: set a real one.
  static constexpr uint32_t kNoLimit = 1u << 30;

  explicit ByteBuffer(uint32_t limit = kNoLimit, Content content = Content::kPlain)
      : limit_(std::min(limit, kNoLimit)), content_(content) {}
  ~ByteBuffer() { Release(); }
  ByteBuffer(ByteBuffer&& other) noexcept { Take(&other); }
  ByteBuffer& operator=(ByteBuffer&& other) noexcept {
    if (this != &other) {
      Release();
      Take(&other);
    }
    return *this;
  }

  bool empty() const { return begin_ == end_; }
  size_t size() const { return end_ - begin_; }
  size_t limit() const { return limit_; }
  size_t room() const { return limit_ - size(); }  // how much Append would still take
  size_t memory() const { return capacity_; }      // bytes owned

  std::string_view view() const { return {reinterpret_cast<const char*>(data_) + begin_, size()}; }
  std::span<uint8_t> span() { return {data_ + begin_, size()}; }
  std::span<const uint8_t> span() const { return {data_ + begin_, size()}; }

  // False, and nothing is taken, if the limit would be passed.
  [[nodiscard]] bool Append(std::string_view bytes) {
    if (bytes.size() > room()) return false;
    if (bytes.empty()) return true;
    Reserve(bytes.size());
    std::memcpy(data_ + end_, bytes.data(), bytes.size());
    end_ += static_cast<uint32_t>(bytes.size());
    return true;
  }
  [[nodiscard]] bool Append(std::span<const uint8_t> bytes) {
    return Append(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }

  // Precondition: count <= size(). Memory is given back when nothing is left.
  void Consume(size_t count) {
    ROOST_CHECK(count <= size());
    begin_ += static_cast<uint32_t>(count);
    if (empty()) Release();
  }

  void Clear() { Release(); }

 private:
  static constexpr uint32_t kFirstCapacity = 128;

  // Makes room for `more` bytes behind end_: by moving to the front when half
  // is free, else by growing.
  void Reserve(size_t more) {
    if (capacity_ - end_ >= more) return;
    const uint32_t used = end_ - begin_;
    if (capacity_ - used >= more && begin_ >= used) {
      std::memcpy(data_, data_ + begin_, used);
    } else {
      uint32_t grown = std::max(capacity_, kFirstCapacity);
      while (grown - used < more) grown *= 2;
      uint8_t* fresh = new uint8_t[grown];
      if (used != 0) std::memcpy(fresh, data_ + begin_, used);
      Release();
      data_ = fresh;
      capacity_ = grown;
    }
    begin_ = 0;
    end_ = used;
  }

  void Release() {
    if (data_ != nullptr) {
      if (content_ == Content::kSecret) Cleanse(data_, capacity_);
      delete[] data_;
    }
    data_ = nullptr;
    begin_ = end_ = capacity_ = 0;
  }

  void Take(ByteBuffer* other) {
    data_ = std::exchange(other->data_, nullptr);
    begin_ = std::exchange(other->begin_, 0);
    end_ = std::exchange(other->end_, 0);
    capacity_ = std::exchange(other->capacity_, 0);
    limit_ = other->limit_;
    content_ = other->content_;
  }

  uint8_t* data_ = nullptr;
  uint32_t begin_ = 0;
  uint32_t end_ = 0;
  uint32_t capacity_ = 0;
  uint32_t limit_ = kNoLimit;
  Content content_ = Content::kPlain;
};

static_assert(sizeof(ByteBuffer) == 32);

}  // namespace roost

#endif  // ROOST_CORE_BASE_BYTE_BUFFER_H_
