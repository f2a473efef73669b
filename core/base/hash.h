// Keyed hashing of names that strangers choose: SipHash-1-3 and SipHash-2-4 (Aumasson, Bernstein).
//
// The key makes it infeasible to choose names that all fall on one shard or into one bucket. Not a
// MAC for the wire. 1-3 for tables and the choice of shard, 2-4 where a wider margin costs nothing.
#ifndef ROOST_CORE_BASE_HASH_H_
#define ROOST_CORE_BASE_HASH_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace roost {

struct HashKey {
  uint64_t k0 = 0;
  uint64_t k1 = 0;
};

namespace hash_internal {

struct SipState {
  uint64_t v0, v1, v2, v3;

  void Round() {
    v0 += v1, v1 = std::rotl(v1, 13), v1 ^= v0, v0 = std::rotl(v0, 32);
    v2 += v3, v3 = std::rotl(v3, 16), v3 ^= v2;
    v0 += v3, v3 = std::rotl(v3, 21), v3 ^= v0;
    v2 += v1, v1 = std::rotl(v1, 17), v1 ^= v2, v2 = std::rotl(v2, 32);
  }
};

// Up to eight bytes as a little-endian number.
inline uint64_t LoadLittleEndian(const char* data, size_t size) {
  uint64_t word = 0;
  for (size_t i = 0; i < size; ++i) word |= uint64_t{static_cast<uint8_t>(data[i])} << (8 * i);
  return word;
}

template <int kCompressRounds, int kFinalRounds>
uint64_t Sip(const HashKey& key, std::string_view data) {
  SipState s{key.k0 ^ 0x736f6d6570736575u, key.k1 ^ 0x646f72616e646f6du,
             key.k0 ^ 0x6c7967656e657261u, key.k1 ^ 0x7465646279746573u};
  const auto compress = [&s](uint64_t word) {
    s.v3 ^= word;
    for (int i = 0; i < kCompressRounds; ++i) s.Round();
    s.v0 ^= word;
  };
  const size_t whole = data.size() & ~size_t{7};
  for (size_t i = 0; i < whole; i += 8) compress(LoadLittleEndian(data.data() + i, 8));
  compress(uint64_t{data.size()} << 56 |
           LoadLittleEndian(data.data() + whole, data.size() - whole));
  s.v2 ^= 0xff;
  for (int i = 0; i < kFinalRounds; ++i) s.Round();
  return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

}  // namespace hash_internal

inline uint64_t SipHash13(const HashKey& key, std::string_view data) {
  return hash_internal::Sip<1, 3>(key, data);
}

inline uint64_t SipHash24(const HashKey& key, std::string_view data) {
  return hash_internal::Sip<2, 4>(key, data);
}

// Hash and equality for maps keyed by std::string that are looked up by std::string_view.
struct KeyedStringHash {
  using is_transparent = void;
  HashKey key;
  size_t operator()(std::string_view text) const { return SipHash13(key, text); }
};

struct StringEqual {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const { return a == b; }
};

}  // namespace roost

#endif  // ROOST_CORE_BASE_HASH_H_
