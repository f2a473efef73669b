#include "core/feed/flag_hashes.h"

#include <algorithm>

#include "core/base/hash.h"
#include "proto/ascii.h"

namespace roost {
namespace {

// Of no flags at all.
constexpr uint32_t kNone = 0x9e3779b9;

uint32_t HashOfFlag(std::string_view flag) {
  const std::string lower = ToLowerAscii(flag);
  return lower == "\\recent" ? 0 : static_cast<uint32_t>(SipHash13({}, lower));
}

uint32_t NotZero(uint32_t hash) { return hash == 0 ? 1 : hash; }

// `fn(position)` for the messages of `view` that are in `some`, by merging the two, up to position
// `most`.
template <typename Fn>
void ForEachPosition(const UidSet& view, const UidSet& some, uint32_t most, Fn&& fn) {
  UidSet::Reader views(view), wanted(some);
  UidRange in_view, range;
  bool more = wanted.Next(&range);
  uint32_t before = 0;  // messages of the view below its range under way
  while (more && before < most && views.Next(&in_view)) {
    while (more && range.first <= in_view.last) {
      const uint64_t begin = std::max(in_view.first, range.first);
      const uint64_t end = std::min(in_view.last, range.last);
      for (uint64_t uid = begin; uid <= end; ++uid) {
        const uint64_t position = before + (uid - in_view.first) + 1;
        if (position > most) return;
        fn(static_cast<uint32_t>(position));
      }
      if (range.last > in_view.last) break;
      more = wanted.Next(&range);
    }
    before += in_view.last - in_view.first + 1;
  }
}

}  // namespace

uint32_t FlagHashes::Of(std::string_view flags) {
  uint32_t hash = kNone;
  while (!flags.empty()) {
    const size_t end = std::min(flags.find(' '), flags.size());
    if (end != 0) hash ^= HashOfFlag(flags.substr(0, end));
    flags.remove_prefix(std::min(end + 1, flags.size()));
  }
  return NotZero(hash);
}

void FlagHashes::Set(uint32_t position, uint32_t hash) {
  if (position == 0 || position > kMost) return;
  if (position > hashes_.size()) hashes_.resize(position);
  hashes_[position - 1] = hash;
}

void FlagHashes::Remove(const UidSet& numbers) {
  if (numbers.empty() || numbers.First() > hashes_.size()) return;
  uint32_t kept = numbers.First() - 1;   // and what is below stays where it is
  uint32_t next = numbers.First();       // the first position behind the removed ones so far
  auto keep_until = [&](uint32_t end) {  // positions [next, end)
    for (; next < end && next <= hashes_.size(); ++next) hashes_[kept++] = hashes_[next - 1];
  };
  numbers.ForEachRange([&](uint32_t first, uint32_t last) {
    keep_until(first);
    next = std::max(next, last == UidSet::kMaxUid ? last : last + 1);
  });
  keep_until(UidSet::kMaxUid);
  hashes_.resize(kept);
}

uint32_t FlagHashes::FirstUnknown(uint32_t count) const {
  const uint32_t most = std::min(count, kMost);
  const auto known = std::min<size_t>(most, hashes_.size());
  const auto end = hashes_.begin() + static_cast<std::ptrdiff_t>(known);
  const auto at = std::find(hashes_.begin(), end, 0u);
  if (at != end) return static_cast<uint32_t>(at - hashes_.begin()) + 1;
  return known < most ? static_cast<uint32_t>(known) + 1 : 0;
}

void FlagHashes::Learn(const UidSet& view, const UidSet& covered,
                       const std::vector<std::pair<std::string, UidSet>>& found) {
  const uint32_t most = std::min(view.size(), kMost);
  std::vector<uint32_t> learned(most);
  ForEachPosition(view, covered, most, [&](uint32_t position) {
    if (At(position) == 0) learned[position - 1] = kNone;
  });
  std::vector<bool> chosen(most);
  for (size_t i = 0; i < most; ++i) chosen[i] = learned[i] != 0;
  for (const auto& [flag, uids] : found) {
    const uint32_t hash = HashOfFlag(flag);
    ForEachPosition(view, uids, most, [&](uint32_t position) { learned[position - 1] ^= hash; });
  }
  for (uint32_t i = 0; i < most; ++i) {
    if (chosen[i]) Set(i + 1, NotZero(learned[i]));
  }
}

}  // namespace roost
