// A set of message numbers or UIDs as a command names it: "1:3,7,10:*".
//
// What it is not: it knows no mailbox. "*" stays open until Resolve is told what the last number
// is. Bound: as many ranges as the command's text has; resolved ranges are sorted and disjoint.
#ifndef ROOST_TOOLS_STORE_SEQUENCE_SET_H_
#define ROOST_TOOLS_STORE_SEQUENCE_SET_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace roost::embedded {

class SequenceSet {
 public:
  // False when text is not a sequence set (RFC 3501: numbers are not zero).
  static bool Parse(std::string_view text, SequenceSet* out);

  // Puts `last` for "*", sorts and joins. With last 0 (an empty mailbox) what names "*" alone is
  // dropped.
  void Resolve(uint32_t last);

  // The rest: after Resolve.
  bool Contains(uint32_t number) const;
  bool empty() const { return ranges_.empty(); }
  uint32_t max() const { return ranges_.empty() ? 0 : ranges_.back().second; }
  const std::vector<std::pair<uint32_t, uint32_t>>& ranges() const { return ranges_; }

 private:
  std::vector<std::pair<uint32_t, uint32_t>> ranges_;  // 0 is "*" until resolved
};

// "1:3,7" of ascending numbers.
std::string FormatSet(std::span<const uint32_t> ascending);

}  // namespace roost::embedded

#endif  // ROOST_TOOLS_STORE_SEQUENCE_SET_H_
