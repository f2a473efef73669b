// What one session believes of its selected mailbox: which UID each message sequence number stands
// for.
//
// What it is not: it holds no flags and decides nothing. Bytes of responses come through
// proto/imap/response.h.
//
//   1 … known().size()                    numbers whose UIDs are known and committed
//   … + the resolved part of the tail     learned by FETCH (UID), not yet committed: the owner
//   takes them in order … size()                              announced by EXISTS, UID not known
//   yet
//
// The tail is what makes it exact under interleaving: EXISTS announces messages before their UIDs
// are known, and EXPUNGE may hit one of them and shift the others.
//
// Bounds: a UidSet's (8 MiB); past it a call returns not ok, and the view is no longer to be
// trusted (ok() is false from then on). UIDs learned out of order are remembered up to
// kMaxScattered; more of them stay unknown.
//
// Invariants
//  1. known() < resolved < scattered UIDs, each strictly ascending with the number.
//  2. A UID learned for number n leaves room for the unknown messages on either side of it.
//  3. horizon() never goes back.
#ifndef ROOST_PROTO_IMAP_MAILBOX_VIEW_H_
#define ROOST_PROTO_IMAP_MAILBOX_VIEW_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "proto/imap/uid_set.h"

namespace roost {

class MailboxView {
 public:
  static constexpr size_t kMaxScattered = 16384;

  MailboxView();
  // A view just listed: all UIDs are known.
  explicit MailboxView(UidSet known);
  MailboxView(const MailboxView& other);
  MailboxView(MailboxView&& other) noexcept;
  MailboxView& operator=(MailboxView other) noexcept;
  ~MailboxView();

  // `* n EXISTS`. False when the mailbox would shrink, which EXISTS never does.
  bool Exists(uint32_t n);

  struct Expunged {
    bool ok = false;         // false: there is no message n
    uint32_t uid = 0;        // 0: its UID was not known
    bool was_known = false;  // it was in known(): others may have been told of it
  };
  // `* n EXPUNGE`.
  Expunged Expunge(uint32_t n);

  struct VanishedResult {
    // False: a UID was named that may or may not be one of the messages whose UID is not known. The
    // view must be listed again; ok() is false.
    bool exact = false;
    UidSet removed;  // of known()
    uint32_t removed_from_tail = 0;
  };
  // `* VANISHED set`, not (EARLIER). UIDs that are not in the view are ignored.
  VanishedResult Vanished(const UidSet& uids);

  // `* n FETCH (… UID uid …)`. False when it contradicts what is known: no message n, another UID,
  // wrong order.
  bool FetchedUid(uint32_t n, uint32_t uid);

  // Messages of unknown UID.
  uint32_t tail_unknown() const;
  // Messages announced but not committed, of known and unknown UID.
  uint32_t tail_size() const { return size_ - known_.size(); }
  // Moves the part of the tail that is resolved from its beginning on to known() and returns it.
  UidSet CommitTail();

  uint32_t size() const { return size_; }
  const UidSet& known() const { return known_; }
  // No call has failed.
  bool ok() const { return ok_; }

  // [UIDNEXT n]: every message that is announced so far has a UID below n, and no later one has.
  // In the answer to SELECT it may come before EXISTS: call this at the tagged OK.
  void NoteUidNext(uint64_t uid_next);
  // Every UID below is decided: in known(), or not in the mailbox any more (and never again).
  // 2^32 at most, when there can be no more.
  uint64_t horizon() const { return uint64_t{decided_} + 1; }

  // 0: no such message, or its UID is not known.
  uint32_t UidOf(uint32_t n) const;
  // 0: no message is known to have it.
  uint32_t NumberOf(uint32_t uid) const;

  size_t memory_bytes() const;

 private:
  struct Tail;

  bool Fail();
  Tail& tail();
  void AdvanceHorizon();
  bool NamesUnknown(const UidSet& uids) const;
  uint32_t VanishFromTail(const UidSet& uids);

  UidSet known_;
  std::unique_ptr<Tail> tail_;  // null while nothing is in it but a count
  uint32_t size_ = 0;
  uint32_t decided_ = 0;  // horizon() - 1
  bool ok_ = true;
};

}  // namespace roost

#endif  // ROOST_PROTO_IMAP_MAILBOX_VIEW_H_
