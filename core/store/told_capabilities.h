// What clients are told that they can do, of what a store offers.
#ifndef ROOST_CORE_STORE_TOLD_CAPABILITIES_H_
#define ROOST_CORE_STORE_TOLD_CAPABILITIES_H_

#include "core/config/config.h"
#include "proto/imap/capability.h"

namespace roost {

// Less what Roost cannot carry and how to log in; with IDLE where the store is polled for those who
// use it. For clients only: it does not say what the store can do.
inline CapabilitySet ToldCapabilities(CapabilitySet offered, const Config& config) {
  StripUncarried(&offered);
  offered.RemovePrefix("AUTH=");
  if (config.parking.poll_s != 0) offered.Add("IDLE");
  return offered;
}

}  // namespace roost

#endif  // ROOST_CORE_STORE_TOLD_CAPABILITIES_H_
