#include "tools/store/sequence_set.h"

#include <algorithm>

#include "proto/imap/tokens.h"

namespace roost::embedded {
namespace {

constexpr uint32_t kStar = 0;  // no number of a message

}  // namespace

bool SequenceSet::Parse(std::string_view text, SequenceSet* out) {
  SequenceSet set;
  SequenceSetReader reader(text);
  SequenceRange range;
  while (reader.Next(&range)) {
    const bool star_alone = range.star && range.first == SequenceRange::kStar;
    set.ranges_.emplace_back(star_alone ? kStar : range.first, range.star ? kStar : range.last);
  }
  if (reader.malformed() || set.ranges_.empty()) return false;
  *out = std::move(set);
  return true;
}

void SequenceSet::Resolve(uint32_t last) {
  if (last == 0) {
    std::erase_if(ranges_,
                  [](const auto& range) { return range.first == kStar && range.second == kStar; });
  }
  for (auto& [first, second] : ranges_) {
    if (first == kStar) first = last;
    if (second == kStar) second = last;
    if (first > second) std::swap(first, second);
    if (first == 0) first = 1;
  }
  std::erase_if(ranges_, [](const auto& range) { return range.first > range.second; });
  std::sort(ranges_.begin(), ranges_.end());
  size_t kept = 0;
  for (size_t i = 1; i < ranges_.size(); ++i) {
    auto& previous = ranges_[kept];
    if (ranges_[i].first <= previous.second || ranges_[i].first == previous.second + 1) {
      previous.second = std::max(previous.second, ranges_[i].second);
    } else {
      ranges_[++kept] = ranges_[i];
    }
  }
  if (!ranges_.empty()) ranges_.resize(kept + 1);
}

bool SequenceSet::Contains(uint32_t number) const {
  auto after = std::upper_bound(ranges_.begin(), ranges_.end(), number,
                                [](uint32_t value, const std::pair<uint32_t, uint32_t>& range) {
                                  return value < range.first;
                                });
  return after != ranges_.begin() && number <= std::prev(after)->second;
}

std::string FormatSet(std::span<const uint32_t> ascending) {
  std::string text;
  for (size_t i = 0; i < ascending.size();) {
    size_t end = i;
    while (end + 1 < ascending.size() && ascending[end + 1] == ascending[end] + 1) ++end;
    if (!text.empty()) text.push_back(',');
    text += std::to_string(ascending[i]);
    if (end > i) text.append(":").append(std::to_string(ascending[end]));
    i = end + 1;
  }
  return text;
}

}  // namespace roost::embedded
