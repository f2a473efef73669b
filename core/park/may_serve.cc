#include "core/park/may_serve.h"

#include <algorithm>
#include <iterator>

#include "core/base/hash.h"

namespace roost {

bool MayServe(const SessionState& session, const ClientMailbox& client) {
  if (session.uncertain() || session.notifies() || session.enabled() != client.enabled ||
      client.enabled.unknown()) {
    return false;
  }
  if (client.mailbox.empty()) return !session.selected();
  if (!session.selected()) return false;
  const SelectedMailbox& m = *session.selected();
  return m.name == client.mailbox && m.examine == client.examine &&
         m.uid_validity == client.uid_validity && m.mailbox_id == client.mailbox_id &&
         !m.out_of_step;
}

uint32_t HashOfFlags(std::string_view flags) { return static_cast<uint32_t>(SipHash13({}, flags)); }

uint8_t RightsOf(const SelectedMailbox& selected) {
  static constexpr std::string_view kFlags[] = {"\\Answered", "\\Flagged", "\\Deleted",
                                                "\\Seen",     "\\Draft",   "\\*"};
  uint8_t rights = selected.read_only ? 1 : 0;
  std::string_view rest = selected.permanent_flags;
  while (!rest.empty()) {
    const size_t begin = rest.find_first_not_of("() ");
    if (begin == rest.npos) break;
    const size_t end = std::min(rest.find_first_of("() ", begin), rest.size());
    const std::string_view word = rest.substr(begin, end - begin);
    rest.remove_prefix(end);
    for (size_t i = 0; i < std::size(kFlags); ++i) {
      const bool same = std::equal(word.begin(), word.end(), kFlags[i].begin(), kFlags[i].end(),
                                   [](char a, char b) { return (a | 32) == (b | 32); });
      if (same) rights |= static_cast<uint8_t>(2u << i);
    }
  }
  return rights;
}

bool MayBeWatched(const SelectedMailbox& selected) {
  return selected.uid_validity != 0 && !selected.uid_not_sticky && !selected.out_of_step;
}

bool NameIsCommon(const SessionState& session) {
  const std::string& name = session.selected()->name;
  const bool otherwise = std::any_of(
      name.begin(), name.end(), [](char c) { return c == '&' || static_cast<uint8_t>(c) >= 0x80; });
  if (otherwise && (session.enabled().rev2() || session.enabled().utf8())) return false;
  return session.CarriesName(name);
}

}  // namespace roost
