// SharedText: a text that never changes and that many hold, in 8 bytes each.
//
// What it is: a counted reference to one std::string; copies share it. A TextPool makes those share
// who came by the same text on their own: thousands of sessions are told the same names and flags.
// What it is not: a string to work with. The empty text holds nothing.
//
// Thread rule: references may be copied and dropped on any thread; a TextPool belongs to one.
// Bounds: a TextPool remembers kMost texts of kMostBytes each; others are simply not shared.
#ifndef ROOST_CORE_BASE_SHARED_TEXT_H_
#define ROOST_CORE_BASE_SHARED_TEXT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace roost {

class SharedText {
 public:
  SharedText() = default;
  SharedText(std::string_view text)  // NOLINT: a text is a text
      : held_(text.empty() ? nullptr : new Held(text)) {}
  SharedText(const std::string& text) : SharedText(std::string_view(text)) {}  // NOLINT
  SharedText(const char* text) : SharedText(std::string_view(text)) {}         // NOLINT
  SharedText(const SharedText& other) : held_(other.held_) {
    if (held_ != nullptr) held_->references.fetch_add(1, std::memory_order_relaxed);
  }
  SharedText(SharedText&& other) noexcept : held_(std::exchange(other.held_, nullptr)) {}
  SharedText& operator=(SharedText other) noexcept {
    std::swap(held_, other.held_);
    return *this;
  }
  ~SharedText() {
    if (held_ != nullptr && held_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      delete held_;
    }
  }

  bool empty() const { return held_ == nullptr; }
  // Valid as long as any reference to the same text is held.
  const std::string& str() const { return held_ == nullptr ? kNothing : held_->text; }
  operator const std::string&() const { return str(); }  // NOLINT: a text is a text
  operator std::string_view() const { return str(); }    // NOLINT

  friend bool operator==(const SharedText& a, const SharedText& b) {
    return a.held_ == b.held_ || a.str() == b.str();
  }
  friend bool operator==(const SharedText& a, std::string_view b) { return a.str() == b; }
  friend bool operator==(const SharedText& a, const std::string& b) { return a.str() == b; }
  friend bool operator==(const SharedText& a, const char* b) { return a.str() == b; }

  // Nobody else holds it.
  bool unique() const {
    return held_ != nullptr && held_->references.load(std::memory_order_acquire) == 1;
  }

 private:
  struct Held {
    explicit Held(std::string_view t) : text(t) {}
    std::atomic<uint32_t> references{1};
    const std::string text;
  };
  inline static const std::string kNothing;

  Held* held_ = nullptr;
};

static_assert(sizeof(SharedText) == 8);

class TextPool {
 public:
  static constexpr size_t kMost = 1024;
  static constexpr size_t kMostBytes = 512;

  // The same text, shared with all who asked for it.
  void Share(SharedText* text) {
    if (text->empty() || text->str().size() > kMostBytes) return;
    auto known = texts_.find(*text);
    if (known == texts_.end()) {
      if (texts_.size() >= kMost) {
        std::erase_if(texts_, [](const SharedText& t) { return t.unique(); });
      }
      if (texts_.size() < kMost) texts_.insert(*text);
      return;
    }
    *text = *known;
  }
  size_t size() const { return texts_.size(); }

 private:
  struct Hash {
    size_t operator()(const SharedText& text) const {
      return std::hash<std::string_view>()(text.str());
    }
  };

  std::unordered_set<SharedText, Hash> texts_;
};

}  // namespace roost

#endif  // ROOST_CORE_BASE_SHARED_TEXT_H_
