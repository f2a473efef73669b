#include "core/client/address_limits.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>

#include "proto/check.h"

namespace roost {
namespace {

constexpr uint64_t kFailureWidth = 1 << 14;
constexpr auto kRelaxed = std::memory_order_relaxed;

template <typename T>
T* Zeroed(uint64_t count) {
  auto* memory = static_cast<T*>(std::calloc(count, sizeof(T)));
  ROOST_CHECK(memory != nullptr);
  return memory;
}

// What is left of `entry` at `now_s`, as an entry of that second.
uint64_t Decayed(uint64_t entry, uint64_t now_s) {
  const uint64_t failures = entry & UINT32_MAX, since_s = entry >> 32;
  const uint64_t forgotten = now_s < since_s ? 0 : (now_s - since_s) / AddressLimits::kForgetS;
  if (forgotten >= failures) return now_s << 32;
  return (since_s + forgotten * AddressLimits::kForgetS) << 32 | (failures - forgotten);
}

template <typename Change>
void Update(uint64_t& entry, uint64_t now_s, Change change) {
  std::atomic_ref<uint64_t> place(entry);
  uint64_t old = place.load(kRelaxed);
  uint64_t wanted = 0;
  do {
    const uint64_t now = Decayed(old, now_s);
    wanted = (now & ~uint64_t{UINT32_MAX}) | change(now & UINT32_MAX);
  } while (!place.compare_exchange_weak(old, wanted, kRelaxed));
}

}  // namespace

AddressLimits::AddressLimits(const HashKey& key, uint32_t shards)
    : key_(key),
      width_(uint64_t{kClientsOfAShard} * std::bit_ceil(std::min(shards, kMostShards))),
      clients_(Zeroed<uint32_t>(2 * width_)),
      failures_(Zeroed<uint64_t>(2 * kFailureWidth)) {}

// Of the network: whoever has one address of a /64 has them all.
uint64_t AddressLimits::HashOf(const Address& peer) const {
  static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const bool mapped = peer.family == 6 && std::memcmp(peer.bytes, kMapped, sizeof kMapped) == 0;
  const bool four = peer.family == 4 || mapped;
  char network[9] = {four ? '4' : '6'};
  std::memcpy(network + 1, mapped ? peer.bytes + 12 : peer.bytes, four ? 4 : 8);
  return SipHash13(key_, std::string_view(network, sizeof network));
}

AddressLimits::Places AddressLimits::ClientPlaces(const Address& peer) const {
  const uint64_t hash = HashOf(peer);
  return {hash & (width_ - 1), width_ + (hash >> 32 & (width_ - 1))};
}

AddressLimits::Places AddressLimits::FailurePlaces(const Address& peer) const {
  const uint64_t hash = HashOf(peer);
  return {hash & (kFailureWidth - 1), kFailureWidth + (hash >> 32 & (kFailureWidth - 1))};
}

bool AddressLimits::Enter(const Address& peer, uint32_t limit) {
  const auto [first, second] = ClientPlaces(peer);
  std::atomic_ref<uint32_t> a(clients_[first]), b(clients_[second]);
  const uint32_t count = std::min(a.fetch_add(1, kRelaxed), b.fetch_add(1, kRelaxed));
  if (count < limit) return true;
  a.fetch_sub(1, kRelaxed);
  b.fetch_sub(1, kRelaxed);
  return false;
}

void AddressLimits::Leave(const Address& peer) {
  const auto [first, second] = ClientPlaces(peer);
  std::atomic_ref<uint32_t>(clients_[first]).fetch_sub(1, kRelaxed);
  std::atomic_ref<uint32_t>(clients_[second]).fetch_sub(1, kRelaxed);
}

uint32_t AddressLimits::Count(const Address& peer) const {
  const auto [first, second] = ClientPlaces(peer);
  return std::min(std::atomic_ref<uint32_t>(clients_[first]).load(kRelaxed),
                  std::atomic_ref<uint32_t>(clients_[second]).load(kRelaxed));
}

void AddressLimits::LoginFailed(const Address& peer, uint64_t now_s) {
  const auto [first, second] = FailurePlaces(peer);
  for (const uint64_t place : {first, second}) {
    Update(failures_[place], now_s,
           [](uint64_t n) { return std::min<uint64_t>(n + 1, kMostFailures); });
  }
}

void AddressLimits::LoginSucceeded(const Address& peer, uint64_t now_s) {
  const auto [first, second] = FailurePlaces(peer);
  for (const uint64_t place : {first, second}) {
    const uint64_t entry = std::atomic_ref<uint64_t>(failures_[place]).load(kRelaxed);
    if ((entry & UINT32_MAX) == 0) continue;  // as a rule: nothing is written
    Update(failures_[place], now_s, [](uint64_t n) { return n / 2; });
  }
}

uint64_t AddressLimits::DelayS(const Address& peer, uint64_t now_s, uint64_t most_s) const {
  const auto [first, second] = FailurePlaces(peer);
  uint64_t failures = kMostFailures;
  for (const uint64_t place : {first, second}) {
    const uint64_t entry = std::atomic_ref<uint64_t>(failures_[place]).load(kRelaxed);
    failures = std::min(failures, Decayed(entry, now_s) & UINT32_MAX);
  }
  if (failures <= kFreeFailures) return 0;
  return std::min(most_s, uint64_t{1} << (failures - kFreeFailures - 1));
}

}  // namespace roost
