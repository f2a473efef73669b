// What a session hears, by NOTIFY, of mailboxes that it has not selected (RFC 5465): STATUS when
// messages come, go or change, LIST when names or subscriptions do.
//
// What it is not: it decides nothing about when something may be told. It collects; the session
// takes.
//
//   mailbox or account changes -> changed() -> the session, when it may: TakeNews -> STATUS, LIST
//
// What was told of a mailbox is kept beside it, and compared with the mailbox itself: what happens
// while nothing may be told is summed up. The selected mailbox is passed over; the session calls
// Settle when it leaves it with all of it told.
//
// Lifetime: the account outlives it. Thread rule: one thread. Memory: about 150 bytes for each of
// at most kMaxWatched mailboxes, and kMaxLineBytes.
#ifndef ROOST_TOOLS_STORE_OTHER_MAILBOXES_H_
#define ROOST_TOOLS_STORE_OTHER_MAILBOXES_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tools/store/account.h"
#include "tools/store/notify.h"

namespace roost::embedded {

class OtherMailboxes final : public AccountWatcher {
 public:
  // More than these are too many to follow, and then nothing is: NOTIFICATIONOVERFLOW.
  static constexpr size_t kMaxWatched = 1000;
  static constexpr size_t kMaxLineBytes = 64 * 1024;

  // changed: something can be taken now. Not called by TakeNews.
  OtherMailboxes(Account* account, std::vector<NotifyGroup> groups, std::function<void()> changed);
  ~OtherMailboxes();
  OtherMailboxes(const OtherMailboxes&) = delete;
  OtherMailboxes& operator=(const OtherMailboxes&) = delete;

  // There was more than can be told. It tells nothing any more.
  bool overflowed() const { return overflowed_; }

  // For the session that takes it: what it has selected, and whether it has CONDSTORE on.
  struct Reader {
    const Mailbox* selected;
    bool condstore;
  };
  // Appends what is new since the last time.
  void TakeNews(std::string* out, Reader reader);
  // Appends STATUS of all of them. condstore_offered: with HIGHESTMODSEQ where FlagChange is told.
  void AppendStatus(std::string* out, Reader reader, bool condstore_offered);

  // The session's client knows all of this mailbox.
  void Settle(const Mailbox& mailbox);
  // The session's client brought this message there itself. If it knew all else, it knows all.
  void NoteOwnArrival(const Mailbox& mailbox, Uid uid);

  void OnNamesChanged(const NamesChange& change, const AccountWatcher* cause) override;

 private:
  struct Watched;

  bool Covers(const NotifyGroup& group, const std::string& name) const;
  NotifyEvents EventsOf(const std::string& name) const;
  // Begins to watch what has come under the groups, ends what has not any more. settle: of what is
  // new all is known.
  void Watch(bool settle);
  void AppendNames(const NamesChange& change);
  void AppendList(const std::string& name, std::string_view old_name);
  Watched* Find(const Mailbox& mailbox);

  Account* const account_;
  std::vector<NotifyGroup> groups_;  // names canonical and sorted
  const std::function<void()> changed_;
  std::vector<std::unique_ptr<Watched>> watched_;  // by name
  std::string lines_;                              // LIST, to be taken
  bool overflowed_ = false;
};

// A session's, since its first NOTIFY.
struct NotifyState {
  NotifyRequest wanted;
  std::vector<Uid> own_arrivals;           // in the selected mailbox, not announced yet
  std::unique_ptr<OtherMailboxes> others;  // null: nothing of them is wanted
};

}  // namespace roost::embedded

#endif  // ROOST_TOOLS_STORE_OTHER_MAILBOXES_H_
