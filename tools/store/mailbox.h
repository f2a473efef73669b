// One mailbox of the embedded store: messages, their flags and modification sequences, and who
// watches.
//
// What it is not: it speaks no IMAP, does no I/O and reads no clock. It decides nothing about what
// a session may be told; it keeps the truth, and sessions compare what they were told with it.
//
// On the data's way: a session or the LMTP receiver changes the mailbox -> the mailbox puts itself
// on its registry's dirty list, once -> at the end of the turn every watcher is told, once.
//
// Lifetime: shared by the account and by the sessions that have it selected, so it outlives a
// DELETE or RENAME. Thread rule: one thread. Memory: about 50 bytes a message beside its body
// (shared between copies), 4 for the view; at most kMaxVanished expunged UIDs are remembered.
//
// Invariants
//  1. messages() is sorted by UID, UIDs are below uid_next(), and view() lists exactly its UIDs.
//  2. A UID is given once. UIDVALIDITY never changes.
//  3. highest_modseq() only grows; every change of a message, every arrival and every expunge takes
//  a new one.
//  4. A view that somebody else holds is never changed: the mailbox copies it first.
#ifndef ROOST_TOOLS_STORE_MAILBOX_H_
#define ROOST_TOOLS_STORE_MAILBOX_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// A namespace of its own: Session and Mailbox mean other things in core/.
namespace roost::embedded {

using Uid = uint32_t;
using ModSeq = uint64_t;

// The UIDs of a mailbox in order: position + 1 is the message sequence number.
using View = std::vector<Uid>;

enum SystemFlag : uint8_t {
  kAnswered = 1 << 0,
  kFlagged = 1 << 1,
  kDeleted = 1 << 2,
  kSeen = 1 << 3,
  kDraft = 1 << 4,
};

// Flags of a message; keywords are bits in the order of Mailbox::keywords().
struct Flags {
  uint8_t system = 0;
  uint64_t keywords = 0;
  friend bool operator==(const Flags&, const Flags&) = default;
};

// The bytes of a message, shared by all copies of it.
using Body = std::shared_ptr<const std::string>;

struct Message {
  Uid uid = 0;
  Flags flags;
  ModSeq modseq = 0;
  int64_t internal_date = 0;  // seconds since 1970
  Body body;
};

class Mailbox;

// Told after a turn in which the mailbox changed. May look at the mailbox, must not change it.
class MailboxWatcher {
 public:
  virtual ~MailboxWatcher() = default;
  virtual void OnMailboxChanged() = 0;
  // The mailbox was deleted: the watcher must stop using it (it may still read).
  virtual void OnMailboxDeleted() = 0;

 private:
  friend class Mailbox;
  uint32_t watcher_index_ = 0;
};

// The mailboxes that changed since they were last asked for.
class DirtyList {
 public:
  void Add(std::weak_ptr<Mailbox> mailbox) { mailboxes_.push_back(std::move(mailbox)); }
  std::vector<std::weak_ptr<Mailbox>> Take() { return std::exchange(mailboxes_, {}); }
  bool empty() const { return mailboxes_.empty(); }

 private:
  std::vector<std::weak_ptr<Mailbox>> mailboxes_;
};

class Mailbox : public std::enable_shared_from_this<Mailbox> {
 public:
  static constexpr size_t kMaxKeywords = 64;  // bits in Flags::keywords
  static constexpr size_t kMaxVanished =
      1 << 16;  // older expunges are answered by "every UID that is not there"

  // dirty must outlive the mailbox.
  Mailbox(uint32_t uid_validity, DirtyList* dirty);

  uint32_t uid_validity() const { return uid_validity_; }
  Uid uid_next() const { return uid_next_; }
  ModSeq highest_modseq() const { return highest_modseq_; }
  // The modseq of the latest change of flags (arrivals and expunges do not count).
  ModSeq flags_changed_at() const { return flags_changed_at_; }
  size_t size() const { return messages_.size(); }
  // Messages without \Seen. Linear in messages.
  size_t CountUnseen() const;
  std::span<const Message> messages() const { return messages_; }
  std::shared_ptr<const View> view() const { return view_; }

  // nullptr when there is no such message (any more). Valid until the next change of membership.
  const Message* Find(Uid uid) const;
  // The first message with a UID of at least uid, as an index into messages().
  size_t LowerBound(Uid uid) const;

  // Position of a keyword (compared without case), added if `add` and there is room.
  std::optional<size_t> Keyword(std::string_view name, bool add);
  const std::vector<std::string>& keywords() const { return keywords_; }

  // Delivers a message and returns its UID.
  Uid Append(Body body, Flags flags, int64_t internal_date);
  // Begins with what another one had. Nothing was ever here; messages keep invariants 1 and 3.
  void Restore(std::vector<Message> messages, Uid uid_next, ModSeq highest_modseq);
  // Sets the flags of a message. No change, no modseq. Returns whether anything changed.
  bool SetFlags(Uid uid, Flags flags);
  // Removes messages; unknown UIDs are ignored. uids is sorted. Returns how many went.
  size_t Expunge(std::span<const Uid> uids);

  // UIDs expunged after `since`, sorted, below uid_next(). May name more than were ever known (RFC
  // 7162, 3.2.5.2) when the expunge is older than what is remembered.
  std::vector<Uid> VanishedSince(ModSeq since) const;
  // The modseq of the first expunge after `since`; nothing when there was none.
  std::optional<ModSeq> FirstExpungeAfter(ModSeq since) const;

  // \Recent: the first session that asks gets the UIDs [result, uid_next()); nobody else will.
  Uid ClaimRecent() { return std::exchange(first_recent_, uid_next_); }
  Uid first_recent() const { return first_recent_; }

  void AddWatcher(MailboxWatcher* watcher);
  void RemoveWatcher(MailboxWatcher* watcher);
  size_t watcher_count() const { return watchers_.size(); }

  // Tells every watcher of what happened since the last time; called by the owner of the dirty
  // list.
  void NotifyWatchers();
  // Tells every watcher that this mailbox is gone; they remove themselves.
  void NotifyDeleted();

  // Aborts when an invariant above does not hold. Linear in messages.
  void CheckInvariants() const;

 private:
  void Changed();
  View* MutableView();

  const uint32_t uid_validity_;
  DirtyList* const dirty_;

  Uid uid_next_ = 1;
  Uid first_recent_ = 1;
  bool dirty_listed_ = false;
  ModSeq highest_modseq_ = 1;
  ModSeq flags_changed_at_ = 0;
  std::vector<Message> messages_;
  std::shared_ptr<View> view_;
  std::vector<std::string> keywords_;
  struct Vanished {
    ModSeq modseq;
    Uid uid;
  };
  std::vector<Vanished> vanished_;     // ascending modseq
  ModSeq vanished_complete_from_ = 0;  // every expunge after this modseq is in vanished_
  std::vector<MailboxWatcher*> watchers_;
};

}  // namespace roost::embedded

#endif  // ROOST_TOOLS_STORE_MAILBOX_H_
