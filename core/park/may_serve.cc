#include "core/park/may_serve.h"

#include "core/base/hash.h"

namespace roost {

bool MayServe(const SessionState& session, const ClientMailbox& client) {
  if (session.uncertain() || session.enabled() != client.enabled || client.enabled.unknown()) {
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

bool MayBeWatched(const SelectedMailbox& selected) {
  return selected.uid_validity != 0 && !selected.uid_not_sticky && !selected.out_of_step;
}

}  // namespace roost
