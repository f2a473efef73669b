// What this process has of the machine's memory. Any thread; blocking, for a moment.
#ifndef ROOST_CORE_BASE_RESIDENT_H_
#define ROOST_CORE_BASE_RESIDENT_H_

#include <cstdint>

namespace roost {

// Resident, without the kernel's own for sockets; 0: the system does not tell. Holds a descriptor
// from the first call on.
uint64_t ResidentBytes();

// Has the allocator give what was freed back to the system at once, rather than by and by.
void GiveBackFreed();

}  // namespace roost

#endif  // ROOST_CORE_BASE_RESIDENT_H_
