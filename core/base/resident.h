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

// Has the allocator take back what the calling thread has freed and it keeps at hand for that
// thread's next needs: after a storm, blocks here and there in pages that nothing else is in.
void GiveBackKept();

}  // namespace roost

#endif  // ROOST_CORE_BASE_RESIDENT_H_
