// Overwrites memory so that the compiler cannot leave it out: for secrets and for freed slab cells.
// It protects against core dumps and over-reads later on, not against code in the process.
#ifndef ROOST_CORE_BASE_CLEANSE_H_
#define ROOST_CORE_BASE_CLEANSE_H_

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace roost {

inline void Cleanse(void* data, size_t size) {
  if (size == 0) return;
  std::memset(data, 0, size);
  __asm__ __volatile__("" : : "r"(data) : "memory");
}

// Wipes the whole capacity: what an earlier, longer value left behind as well.
inline void Cleanse(std::string* text) {
  text->resize(text->capacity());
  Cleanse(text->data(), text->size());
  text->clear();
}

// Wipes what an earlier, longer value left behind the end of this one.
inline void CleanseSpare(std::string* text) {
  const size_t size = text->size();
  text->resize(text->capacity());
  Cleanse(text->data() + size, text->size() - size);
  text->resize(size);
}

// Appends to a secret: a buffer that becomes too small is wiped before it is freed.
inline void AppendSecret(std::string* text, std::string_view more) {
  if (text->capacity() - text->size() < more.size()) {
    std::string grown;
    grown.reserve(std::max(2 * text->capacity(), text->size() + more.size()));
    grown.append(*text);
    Cleanse(text);
    text->swap(grown);
  }
  text->append(more);
}

}  // namespace roost

#endif  // ROOST_CORE_BASE_CLEANSE_H_
