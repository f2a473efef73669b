// For tests that got no ring: whether this machine is to blame. Test code only.
#ifndef ROOST_CORE_IO_URING_TESTING_H_
#define ROOST_CORE_IO_URING_TESTING_H_

#include <string>

#include <gtest/gtest.h>

#include "core/io/io.h"
#include "core/io/probe.h"

namespace roost {

// Skips the test where the kernel lets nobody have what `mode` needs. Anywhere else whoever gave
// none has a fault, and the test fails; `why` is what was said.
inline void SkipOrFail(const std::string& why, DescriptorMode mode = DescriptorMode::kAuto) {
  const ProbeResult probe = ProbeUring();
  if (mode == DescriptorMode::kDirect ? probe.direct : probe.usable) FAIL() << why;
  GTEST_SKIP() << "not on this machine: " << why;
}

}  // namespace roost

#endif  // ROOST_CORE_IO_URING_TESTING_H_
