// Rng: a seeded pseudo-random generator (xoshiro256**, seeded through splitmix64).
//
// For simulation, jitter and spreading: the same seed gives the same numbers on every platform. Not
// for keys, nonces or anything an attacker must not guess; those come from Io::Random.
#ifndef ROOST_CORE_BASE_RNG_H_
#define ROOST_CORE_BASE_RNG_H_

#include <bit>
#include <cstdint>
#include <span>

namespace roost {

// One step of splitmix64: turns any sequence of numbers, even 0, 1, 2, into well mixed ones.
constexpr uint64_t SplitMix64(uint64_t* state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

class Rng {
 public:
  using result_type = uint64_t;

  explicit Rng(uint64_t seed) {
    for (uint64_t& word : state_) word = SplitMix64(&seed);
  }

  uint64_t Next() {
    const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  // Uniform in [0, bound); 0 for bound 0.
  uint64_t Below(uint64_t bound) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(Next()) * bound) >> 64);
  }

  // Uniform in [low, high], both included. Precondition: low <= high.
  uint64_t Between(uint64_t low, uint64_t high) {
    const uint64_t width = high - low;
    return width == UINT64_MAX ? Next() : low + Below(width + 1);
  }

  // True with probability p; never for p <= 0, always for p >= 1.
  bool Chance(double p) { return static_cast<double>(Next() >> 11) * 0x1.0p-53 < p; }

  void Fill(std::span<uint8_t> out) {
    uint64_t word = 0;
    for (size_t i = 0; i < out.size(); ++i) {
      if (i % 8 == 0) word = Next();
      out[i] = static_cast<uint8_t>(word >> (8 * (i % 8)));
    }
  }

  // An independent stream, for a part whose number of draws must not change what others draw.
  Rng Fork() { return Rng(Next()); }

  // UniformRandomBitGenerator, for std::shuffle.
  uint64_t operator()() { return Next(); }
  static constexpr uint64_t min() { return 0; }
  static constexpr uint64_t max() { return UINT64_MAX; }

 private:
  uint64_t state_[4];
};

}  // namespace roost

#endif  // ROOST_CORE_BASE_RNG_H_
