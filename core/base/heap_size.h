// What an allocation really takes: the size class that the allocator rounded it up to.
#ifndef ROOST_CORE_BASE_HEAP_SIZE_H_
#define ROOST_CORE_BASE_HEAP_SIZE_H_

#include <malloc.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace roost {

// `p` is the beginning of an allocation, or null.
inline size_t HeapSize(const void* p) { return malloc_usable_size(const_cast<void*>(p)); }

template <typename T>
size_t HeapSize(const std::unique_ptr<T>& p) {
  return HeapSize(static_cast<const void*>(p.get()));
}

// What lies outside of the object itself.
inline size_t HeapSize(const std::string& s) {
  const void* object = &s;
  const void* end = &s + 1;
  return s.data() >= object && s.data() < end ? 0 : HeapSize(static_cast<const void*>(s.data()));
}

template <typename T>
size_t HeapSize(const std::vector<T>& v) {
  return v.capacity() == 0 ? 0 : HeapSize(static_cast<const void*>(v.data()));
}

}  // namespace roost

#endif  // ROOST_CORE_BASE_HEAP_SIZE_H_
