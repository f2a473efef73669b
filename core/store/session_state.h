// What one backend session has selected, enabled and in flight, read off the commands sent and the
// responses seen.
//
// What it is: pure bookkeeping, the same for commands that a client sent and for Roost's own. What
// it is not: it sends nothing and holds no UIDs (see Session::view for those).
//
// State changes at the answer, never at the command (RFC 3501, 6.3.1): while a SELECT is the oldest
// unanswered command, what the store says is about the mailbox to come; on OK that becomes current,
// on NO nothing is selected.
//
// Invariants
//  1. in_flight() is in the order of sending; a tagged response ends the oldest command with that
//  tag.
//  2. selected() is what the store's last answered SELECT, EXAMINE, CLOSE or UNSELECT made it.
//  3. exists() is what the store announced last, less what it expunged since.
#ifndef ROOST_CORE_STORE_SESSION_STATE_H_
#define ROOST_CORE_STORE_SESSION_STATE_H_

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/shared_text.h"
#include "proto/imap/capability.h"
#include "proto/imap/command.h"
#include "proto/imap/enabled.h"
#include "proto/imap/response.h"

namespace roost {

// A selected mailbox as the store described it. Its texts are mostly those of others as well: see
// SessionState::Share.
struct SelectedMailbox {
  SharedText name;             // decoded, INBOX normalized
  SharedText flags;            // "(\Seen …)" of `* FLAGS`
  SharedText permanent_flags;  // of [PERMANENTFLAGS]
  SharedText mailbox_id;       // RFC 8474
  // 0: not given; a lower bound: raised by growth of EXISTS and UIDs seen since. 2^32 at most.
  uint64_t uid_next = 0;
  // Of SELECT alone; 0: none. Later ones may speak of changes that the session was not told yet.
  uint64_t highest_modseq = 0;
  // Of the last tagged answer; 0: it had none. While the session has expunges to tell, whoever was
  // told of flags must not take their MODSEQ for what it knows, but this one (RFC 7162, 3.2).
  uint64_t answered_modseq = 0;
  uint32_t uid_validity = 0;  // 0: the store gave none
  uint32_t exists = 0;
  uint32_t uid_next_at_select = 0;  // as SELECT gave it, 2^32 - 1 at most; 0: not given
  bool examine : 1 = false;         // opened by EXAMINE
  bool read_only : 1 = false;       // [READ-ONLY], also after SELECT
  bool uid_not_sticky : 1 = false;
  bool no_modseq : 1 = false;
  bool out_of_step : 1 = false;  // counts contradicted themselves: never park on it
  // Less than there are, perhaps: VANISHED may name UIDs that were no messages (RFC 7162, 3.2.10).
  bool exists_doubtful : 1 = false;
};

static_assert(sizeof(SelectedMailbox) <= 80, "one for each session");

struct SentCommand {
  std::string tag;
  CommandKind kind = CommandKind::kUnknown;
  std::string mailbox;     // SELECT, EXAMINE
  bool hidden = false;     // Roost's own: its answer is eaten
  bool condstore = false;  // a CONDSTORE enabling command (RFC 7162, 3.1)
};

class SessionState {
 public:
  void Sent(SentCommand command);
  // The last that was sent under this tag, if it is unanswered, is a CONDSTORE enabling one.
  void NoteCondstore(std::string_view tag);
  // A complete or first text piece's response. For kTagged returns the command that it ends;
  // nothing if no command has that tag (then the store broke the protocol).
  std::optional<SentCommand> Seen(const Response& response);

  // Whoever keeps the UIDs knows better than the arithmetic of VANISHED how many are left.
  void CorrectExists(uint32_t exists) {
    if (!selected_) return;
    selected_->exists = exists;
    selected_->exists_doubtful = false;
  }

  // Precondition: not folded.
  const std::list<SentCommand>& in_flight() const { return in_flight_; }
  size_t unanswered() const { return folded_ ? 1 : in_flight_.size(); }
  bool idle() const { return unanswered() == 0; }

  // The one command in flight is known to the caller well enough to be put back by Unfold: it takes
  // nothing here meanwhile. Precondition of all that concerns commands and responses: not folded.
  void Fold() {
    in_flight_.clear();
    folded_ = true;
  }
  void Unfold(SentCommand command) {
    folded_ = false;
    in_flight_.push_back(std::move(command));
  }

  // On the heap, as the allocator counts.
  size_t memory_bytes() const;

  // Has the texts of the selected mailbox in common with others who have the same.
  void Share(TextPool* pool);

  // NOTIFY was sent: what the session is told depends on it for good, since some stores tell
  // nothing at all after NOTIFY NONE. It may drive a feed and be nothing else.
  bool notifies() const { return notifies_; }
  // Null: none.
  const std::unique_ptr<SelectedMailbox>& selected() const { return selected_; }
  EnabledSet enabled() const { return enabled_; }
  // The store answered so that what is selected cannot be told (BAD to a SELECT), or the class:
  // never park on this session.
  bool uncertain() const { return uncertain_ || condstore_uncertain(); }
  // A command that switches CONDSTORE on was refused, which some stores do with it switched on.
  bool condstore_uncertain() const { return condstore_refused_ && !enabled_.condstore(); }
  const CapabilitySet& capabilities() const { return capabilities_; }
  // A SELECT of ours can have this name: none that is a literal which waits for `+`.
  bool CarriesName(std::string_view mailbox) const;
  void set_capabilities(CapabilitySet capabilities) { capabilities_ = std::move(capabilities); }

 private:
  // The mailbox that unsolicited data is about right now.
  SelectedMailbox* Current();
  void SeenCode(const Response& response);
  void SeenFetch(const Response& response);
  void SeenTagged(const SentCommand& command, const Response& response);

  std::list<SentCommand> in_flight_;  // takes nothing while empty
  std::unique_ptr<SelectedMailbox> selected_;
  std::unique_ptr<SelectedMailbox> pending_;  // of the SELECT that is the oldest in flight
  CapabilitySet capabilities_;
  EnabledSet enabled_;
  bool uncertain_ = false;
  bool condstore_refused_ = false;
  bool folded_ = false;
  bool notifies_ = false;
};

// SELECT or EXAMINE.
inline bool Selects(CommandKind kind) {
  return kind == CommandKind::kSelect || kind == CommandKind::kExamine;
}

}  // namespace roost

#endif  // ROOST_CORE_STORE_SESSION_STATE_H_
