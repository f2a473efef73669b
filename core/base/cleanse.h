// Overwrites memory so that the compiler cannot leave it out: for secrets and for freed slab cells.
// It protects against core dumps and over-reads later on, not against code in the process.
#ifndef ROOST_CORE_BASE_CLEANSE_H_
#define ROOST_CORE_BASE_CLEANSE_H_

#include <cstddef>
#include <cstring>
#include <string>

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

}  // namespace roost

#endif  // ROOST_CORE_BASE_CLEANSE_H_
