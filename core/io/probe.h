// ProbeUring: what this kernel lets this process do with io_uring, found out
// by doing each thing once.
//
// Blocking, over loopback sockets of its own, a few milliseconds; for start-up. It goes by no
// version number: distributions backport and container profiles forbid.
#ifndef ROOST_CORE_IO_PROBE_H_
#define ROOST_CORE_IO_PROBE_H_

#include <string>
#include <vector>

namespace roost {

struct ProbeResult {
  struct Feature {
    const char* name;
    bool present = false;
    bool direct = false;  // needed for direct descriptors only
    int error = 0;        // why not; 0: it did something else than it should
  };

  // Everything is there that ordinary descriptors need.
  bool usable = false;
  // And everything that direct descriptors need.
  bool direct = false;
  std::vector<Feature> features;
  // What is missing and how to allow it; or that all is well.
  std::string message;
  // Why direct descriptors can be used, or not.
  std::string direct_message;
};

ProbeResult ProbeUring();

// What an error of `step` means and what to do about it. Looks at sysctl, seccomp state and limits.
std::string DescribeUringError(int error, const std::string& step);

}  // namespace roost

#endif  // ROOST_CORE_IO_PROBE_H_
