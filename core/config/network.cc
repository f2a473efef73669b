#include "core/config/network.h"

#include <algorithm>
#include <charconv>

namespace roost {
namespace {

constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

int Width(const Address& address) { return address.family == 4 ? 32 : 128; }

bool Bit(const Address& address, int place) {
  return (address.bytes[place / 8] >> (7 - place % 8) & 1) != 0;
}

}  // namespace

Address Unmapped(const Address& address) {
  if (address.family != 6 || !std::equal(kMapped, kMapped + 12, address.bytes)) return address;
  Address four;
  four.family = 4;
  four.port = address.port;
  std::copy(address.bytes + 12, address.bytes + 16, four.bytes);
  return four;
}

bool Network::Contains(const Address& any_peer) const {
  const Address peer = Unmapped(any_peer);
  if (peer.family != address.family) return false;
  const int whole = bits / 8;
  if (!std::equal(address.bytes, address.bytes + whole, peer.bytes)) return false;
  for (int place = whole * 8; place < bits; ++place) {
    if (Bit(address, place) != Bit(peer, place)) return false;
  }
  return true;
}

std::string Network::ToString() const { return address.HostString() + "/" + std::to_string(bits); }

bool Network::Parse(std::string_view text, Network* out) {
  const size_t slash = text.find('/');
  const std::string host(text.substr(0, slash));
  if (host.empty() || host == "*") return false;
  Network network;
  const bool six = host.find(':') != host.npos;
  if (!Address::Parse(six ? "[" + host + "]:0" : host + ":0", &network.address)) return false;
  network.bits = Width(network.address);
  if (slash != std::string_view::npos) {
    const std::string_view bits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(bits.data(), bits.data() + bits.size(), network.bits);
    if (error != std::errc() || end != bits.data() + bits.size()) return false;
    if (network.bits < 0 || network.bits > Width(network.address)) return false;
  }
  for (int place = network.bits; place < Width(network.address); ++place) {
    if (Bit(network.address, place)) return false;
  }
  *out = network;
  return true;
}

}  // namespace roost
