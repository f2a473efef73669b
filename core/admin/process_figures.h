// What the operating system and the allocator say of this process. Blocking, for a moment; any
// thread.
#ifndef ROOST_CORE_ADMIN_PROCESS_FIGURES_H_
#define ROOST_CORE_ADMIN_PROCESS_FIGURES_H_

#include <cstdint>

namespace roost {

// 0: not told.
struct ProcessFigures {
  uint64_t resident_bytes = 0;
  uint64_t heap_allocated_bytes = 0;  // by the allocator to us
  uint64_t heap_resident_bytes = 0;   // by the system to the allocator, and in memory
  double cpu_seconds = 0;             // user and system
  double start_seconds = 0;           // since 1970; when this process read its figures first
};

ProcessFigures ReadProcessFigures();

}  // namespace roost

#endif  // ROOST_CORE_ADMIN_PROCESS_FIGURES_H_
