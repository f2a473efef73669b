// Users, their mailboxes, and who may log in.
//
// What it is not: no protocol, no I/O. Nothing is ever written to disk: this is a store for
// demonstrations, tests and load tests, and everything in it is gone when the process ends.
//
// Lifetime: the registry outlives every session; accounts live as long as the registry.
// Thread rule: one thread.
// Bounds: kMaxMailboxes a user; message bytes are bounded by the caller.
//
// Invariants
//  1. Every account has INBOX, under exactly that name; only INBOX ignores case.
//  2. A UIDVALIDITY is never given twice by one registry, so a name that comes back has a new one;
//  that of a restored INBOX is for its owner to choose.
#ifndef ROOST_TOOLS_STORE_ACCOUNT_H_
#define ROOST_TOOLS_STORE_ACCOUNT_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tools/store/inbox_state.h"
#include "tools/store/mailbox.h"

namespace roost::embedded {

inline constexpr char kHierarchySeparator = '/';
inline constexpr std::string_view kInbox = "INBOX";

// How many sessions there are, in all or of one user.
struct SessionCounts {
  uint32_t open = 0;                             // of a user: logged in; in all: connected
  uint32_t logging_in = 0, most_logging_in = 0;  // connected and not logged in: now, and ever
  uint32_t selected = 0;
  uint32_t idling = 0;
  uint64_t logins = 0;  // so far

  void Connected() {
    ++open;
    most_logging_in = std::max(most_logging_in, ++logging_in);
  }
  // most_logging_in becomes a bound: not all need have had theirs in one moment.
  void Add(const SessionCounts& other) {
    open += other.open;
    logging_in += other.logging_in;
    most_logging_in += other.most_logging_in;
    selected += other.selected;
    idling += other.idling;
    logins += other.logins;
  }
};

enum class MailboxError : uint8_t {
  kNone,
  kNonexistent,
  kAlreadyExists,
  kInvalidName,
  kInbox,
  kLimit
};

// What became of the names in an account.
struct NamesChange {
  std::vector<std::string> touched;      // made or gone, or right above such a one; each once
  std::string renamed_from, renamed_to;  // with all that is below; else empty
  std::string subscription;              // subscribed or unsubscribed; else empty
};

// Told at once of what becomes of names. May look at the account, must not change it.
class AccountWatcher {
 public:
  // cause: the watcher on whose behalf it was done, or null.
  virtual void OnNamesChanged(const NamesChange& change, const AccountWatcher* cause) = 0;

 protected:
  ~AccountWatcher() = default;
};

class Account {
 public:
  static constexpr size_t kMaxMailboxes = 4096;
  static constexpr size_t kMaxNameBytes = 512;

  Account(std::string name, class Registry* registry);

  const std::string& name() const { return name_; }

  // nullptr when there is none. "inbox" in any case is INBOX.
  std::shared_ptr<Mailbox> Find(std::string_view mailbox) const;
  // All of them, sorted by name.
  const std::map<std::string, std::shared_ptr<Mailbox>, std::less<>>& mailboxes() const {
    return mailboxes_;
  }
  bool HasChildren(std::string_view mailbox) const;

  // In place of an INBOX that nobody has seen yet. `bodies` makes the text of a message.
  void RestoreInbox(const InboxState& state, int64_t internal_date,
                    const std::function<Body(Uid)>& bodies);
  // Of all that follow watchers are told, `cause` with them.
  MailboxError Create(std::string_view mailbox, const AccountWatcher* cause = nullptr);
  // Sessions that have it selected are told (MailboxWatcher::OnMailboxDeleted).
  MailboxError Delete(std::string_view mailbox, const AccountWatcher* cause = nullptr);
  // With everything below it. Renaming INBOX moves its messages and leaves it empty (RFC
  // 3501, 6.3.5).
  MailboxError Rename(std::string_view from, std::string_view to,
                      const AccountWatcher* cause = nullptr);

  void Subscribe(std::string_view mailbox, const AccountWatcher* cause = nullptr);
  void Unsubscribe(std::string_view mailbox, const AccountWatcher* cause = nullptr);
  const std::set<std::string, std::less<>>& subscriptions() const { return subscriptions_; }
  bool IsSubscribed(std::string_view mailbox) const;

  void AddWatcher(AccountWatcher* watcher) { watchers_.push_back(watcher); }
  void RemoveWatcher(AccountWatcher* watcher) { std::erase(watchers_, watcher); }

  SessionCounts& counts() { return counts_; }

  // INBOX for any spelling of it, the name itself otherwise.
  static std::string Canonical(std::string_view mailbox);

 private:
  std::shared_ptr<Mailbox> NewMailbox();
  // Appends what was made, from the top down, to *made.
  MailboxError Make(std::string_view mailbox, std::vector<std::string>* made);
  void MoveInbox(std::string_view to);
  MailboxError Move(const std::string& source, const std::string& target,
                    std::vector<std::string>* made);
  void TellWatchers(const NamesChange& change, const AccountWatcher* cause);

  const std::string name_;
  Registry* const registry_;
  std::map<std::string, std::shared_ptr<Mailbox>, std::less<>> mailboxes_;
  std::set<std::string, std::less<>> subscriptions_;
  std::vector<AccountWatcher*> watchers_;
  SessionCounts counts_;
};

// Who may log in. By default anybody, by any password.
struct Credentials {
  std::optional<std::string> password;  // of every user not in users
  // When not empty only these users exist.
  std::unordered_map<std::string, std::string> users;
  std::string master_user;  // may log in as anybody: PLAIN authzid, or "user*master"
  std::string master_password;
};

// What the control connection tells: for tests and people.
struct Report {
  SessionCounts counts;
  std::map<std::string, SessionCounts, std::less<>> users;
  std::map<std::string, uint64_t, std::less<>> commands;
  std::string last_id;

  // Lines: "sessions 3", "user alice sessions 1 selected 1 idling 1 logins 1", "command FETCH 12".
  std::string ToText() const;
  void Add(const Report& other);
};

// The users of one shard.
class Registry {
 public:
  // uid_validity: the first to be given. A wall clock makes a restarted store's mailboxes new ones.
  // credentials must outlive the registry.
  explicit Registry(const Credentials* credentials, uint32_t uid_validity = 1)
      : credentials_(credentials), next_uid_validity_(uid_validity) {}

  // The user who is logged in by this, or nothing when it is refused. authorize_as is empty or SASL
  // PLAIN's authzid; login may be "user*master".
  std::optional<std::string> Verify(std::string_view authorize_as, std::string_view login,
                                    std::string_view password) const;

  // Whether there may be such a user.
  bool UserExists(std::string_view user) const;
  // Whether an account by this very name was configured or used before.
  bool Knows(std::string_view user) const;
  // Made at first sight. Valid as long as the registry.
  Account* Get(std::string_view user);

  DirtyList* dirty() { return &dirty_; }
  SessionCounts& counts() { return counts_; }
  std::map<std::string, uint64_t, std::less<>>& command_counts() { return command_counts_; }
  // What the latest ID command said, for tests: "name=Roost x-originating-ip=…".
  void set_last_id(std::string text) { last_id_ = std::move(text); }
  uint32_t NextUidValidity() { return next_uid_validity_++; }

  // Tells the watchers of everything that changed since the last call.
  void NotifyDirty();

  // Adds what there is to count here.
  void Collect(Report* report) const;

 private:
  const Credentials* const credentials_;
  uint32_t next_uid_validity_;
  DirtyList dirty_;
  std::unordered_map<std::string, std::unique_ptr<Account>> accounts_;
  SessionCounts counts_;
  std::map<std::string, uint64_t, std::less<>> command_counts_;
  std::string last_id_;
};

}  // namespace roost::embedded

#endif  // ROOST_TOOLS_STORE_ACCOUNT_H_
