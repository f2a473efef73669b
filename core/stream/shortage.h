// What a connection cannot be made for that is wanted here, not there.
#ifndef ROOST_CORE_STREAM_SHORTAGE_H_
#define ROOST_CORE_STREAM_SHORTAGE_H_

#include <cerrno>
#include <string_view>

namespace roost {

// What there is none of, and what an operator can do. Empty: the error has another cause.
constexpr std::string_view ShortageText(int error) {
  switch (error) {
    case EMFILE:
      return "out of descriptors: raise LimitNOFILE";
    case ENFILE:
      return "the host is out of descriptors: raise fs.file-max";
    case EADDRNOTAVAIL:
      return "no address or port of this host is free towards it: widen "
             "net.ipv4.ip_local_port_range, or add to source_addresses";
    default:
      return {};
  }
}

// It says nothing of whoever was to be connected to: no other would have been reached. Ports are
// used up towards one address alone, as a family may be missing that only some of them have. `text`
// is Stream::error().
constexpr bool IsShortage(std::string_view text) {
  for (const int error : {EMFILE, ENFILE}) {
    if (text == ShortageText(error)) return true;
  }
  return false;
}

}  // namespace roost

#endif  // ROOST_CORE_STREAM_SHORTAGE_H_
