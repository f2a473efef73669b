#include "tools/store/other_mailboxes.h"

#include <algorithm>
#include <utility>

#include "proto/imap/writer.h"

namespace roost::embedded {

// What the session's client knows of one mailbox.
struct OtherMailboxes::Watched final : MailboxWatcher {
  Watched(OtherMailboxes* of, std::string called, std::shared_ptr<Mailbox> which)
      : owner(of), name(std::move(called)), mailbox(std::move(which)) {
    mailbox->AddWatcher(this);
  }
  ~Watched() override { mailbox->RemoveWatcher(this); }
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;

  void OnMailboxChanged() override { owner->changed_(); }
  // The account tells of it as well, with the name.
  void OnMailboxDeleted() override {}

  void Settle() {
    told = true;
    uid_next = mailbox->uid_next();
    messages = mailbox->size();
    SettleFlags();
  }

  void SettleFlags() {
    modseq = mailbox->highest_modseq();
    if (flags) unseen = mailbox->CountUnseen();
  }

  bool HasNews(bool condstore) {
    if (!told || uid_next != mailbox->uid_next() || messages != mailbox->size()) return true;
    if (!flags || mailbox->flags_changed_at() <= modseq) return false;
    // Without CONDSTORE there is only UNSEEN to tell of flags by (RFC 5465, 5.1).
    if (condstore || unseen != mailbox->CountUnseen()) return true;
    modseq = mailbox->highest_modseq();
    return false;
  }

  void AppendStatus(std::string* out, bool with_unseen, bool with_modseq) const {
    out->append("* STATUS ");
    AppendAstring(out, name, LiteralStyle::kSync);
    out->append(" (MESSAGES ").append(std::to_string(mailbox->size()));
    out->append(" UIDNEXT ").append(std::to_string(mailbox->uid_next()));
    out->append(" UIDVALIDITY ").append(std::to_string(mailbox->uid_validity()));
    if (with_unseen) out->append(" UNSEEN ").append(std::to_string(mailbox->CountUnseen()));
    if (with_modseq) {
      out->append(" HIGHESTMODSEQ ").append(std::to_string(mailbox->highest_modseq()));
    }
    out->append(")\r\n");
  }

  OtherMailboxes* const owner;
  const std::string name;
  const std::shared_ptr<Mailbox> mailbox;
  bool flags = false;  // FlagChange is told as well
  bool told = false;   // else the client knows nothing, and the rest is not valid
  Uid uid_next = 0;
  size_t messages = 0;
  ModSeq modseq = 0;  // changes of flags up to here are told
  size_t unseen = 0;  // where flags are told
};

OtherMailboxes::OtherMailboxes(Account* account, std::vector<NotifyGroup> groups,
                               std::function<void()> changed)
    : account_(account), groups_(std::move(groups)), changed_(std::move(changed)) {
  for (NotifyGroup& group : groups_) {
    for (std::string& name : group.names) name = Account::Canonical(name);
    std::sort(group.names.begin(), group.names.end());
  }
  account_->AddWatcher(this);
  Watch(true);
}

OtherMailboxes::~OtherMailboxes() { account_->RemoveWatcher(this); }

bool OtherMailboxes::Covers(const NotifyGroup& group, const std::string& name) const {
  auto named = [&group](std::string_view one) {
    return std::binary_search(group.names.begin(), group.names.end(), one);
  };
  switch (group.mailboxes) {
    case NotifyGroup::Mailboxes::kInboxes:
      return name == kInbox;  // mail is delivered nowhere else
    case NotifyGroup::Mailboxes::kPersonal:
      return true;
    case NotifyGroup::Mailboxes::kSubscribed:
      return account_->IsSubscribed(name);
    case NotifyGroup::Mailboxes::kNamed:
      return named(name);
    case NotifyGroup::Mailboxes::kSubtree:
      for (size_t end = name.size(); end != std::string::npos && end != 0;
           end = name.rfind(kHierarchySeparator, end - 1)) {
        if (named(std::string_view(name).substr(0, end))) return true;
      }
      return false;
  }
  return false;
}

NotifyEvents OtherMailboxes::EventsOf(const std::string& name) const {
  NotifyEvents events;
  for (const NotifyGroup& group : groups_) {
    if (!Covers(group, name)) continue;
    events.messages |= group.events.messages;
    events.flags |= group.events.flags;
    events.names |= group.events.names;
    events.subscriptions |= group.events.subscriptions;
  }
  return events;
}

void OtherMailboxes::Watch(bool settle) {
  std::vector<std::unique_ptr<Watched>> before = std::exchange(watched_, {});
  auto next = before.begin();
  for (const auto& [name, mailbox] : account_->mailboxes()) {
    const NotifyEvents events = EventsOf(name);
    if (!events.messages) continue;
    while (next != before.end() && (*next)->name < name) ++next;
    const bool known = next != before.end() && (*next)->name == name && (*next)->mailbox == mailbox;
    if (!known && watched_.size() == kMaxWatched) {
      overflowed_ = true;
      return;
    }
    watched_.push_back(known ? std::move(*next++) : std::make_unique<Watched>(this, name, mailbox));
    Watched& watched = *watched_.back();
    if (std::exchange(watched.flags, events.flags) != events.flags) watched.SettleFlags();
    if (!known && settle) watched.Settle();
  }
}

OtherMailboxes::Watched* OtherMailboxes::Find(const Mailbox& mailbox) {
  for (const auto& watched : watched_) {
    if (watched->mailbox.get() == &mailbox) return watched.get();
  }
  return nullptr;
}

void OtherMailboxes::Settle(const Mailbox& mailbox) {
  if (Watched* watched = Find(mailbox)) watched->Settle();
}

void OtherMailboxes::NoteOwnArrival(const Mailbox& mailbox, Uid uid) {
  Watched* watched = Find(mailbox);
  if (watched == nullptr || !watched->told) return;
  if (watched->uid_next != uid || watched->messages + 1 != mailbox.size()) return;
  watched->uid_next = uid + 1;
  ++watched->messages;
  if ((mailbox.Find(uid)->flags.system & kSeen) == 0) ++watched->unseen;
}

void OtherMailboxes::TakeNews(std::string* out, Reader reader) {
  if (overflowed_) return;
  out->append(std::exchange(lines_, {}));
  for (const auto& watched : watched_) {
    if (watched->mailbox.get() == reader.selected || !watched->HasNews(reader.condstore)) continue;
    const bool with_unseen =
        watched->flags && (!watched->told || watched->unseen != watched->mailbox->CountUnseen());
    watched->AppendStatus(out, with_unseen, reader.condstore);
    watched->Settle();
  }
}

void OtherMailboxes::AppendStatus(std::string* out, Reader reader, bool condstore_offered) {
  for (const auto& watched : watched_) {
    if (watched->mailbox.get() == reader.selected) continue;
    watched->AppendStatus(out, watched->flags,
                          reader.condstore || (condstore_offered && watched->flags));
    watched->Settle();
  }
}

void OtherMailboxes::OnNamesChanged(const NamesChange& change, const AccountWatcher* cause) {
  if (overflowed_) return;
  const bool own = cause == this;
  if (!own) AppendNames(change);
  Watch(own);
  if (lines_.size() > kMaxLineBytes) overflowed_ = true;
  if (!own || overflowed_) changed_();
}

void OtherMailboxes::AppendNames(const NamesChange& change) {
  for (const std::string& name : change.touched) {
    if (EventsOf(name).names) AppendList(name, {});
  }
  if (!change.renamed_to.empty()) {
    if (EventsOf(change.renamed_to).names) {
      AppendList(change.renamed_to, change.renamed_from);
    } else if (change.renamed_from != kInbox && EventsOf(change.renamed_from).names) {
      AppendList(change.renamed_from, {});
    }
  }
  if (change.subscription.empty()) return;
  for (const NotifyGroup& group : groups_) {
    // What was subscribed a moment ago counts among the subscribed.
    const bool covered = group.mailboxes == NotifyGroup::Mailboxes::kSubscribed ||
                         Covers(group, change.subscription);
    if (!covered || !group.events.subscriptions) continue;
    AppendList(change.subscription, {});
    break;
  }
}

void OtherMailboxes::AppendList(const std::string& name, std::string_view old_name) {
  lines_.append("* LIST (");
  const bool children = account_->HasChildren(name);
  if (account_->Find(name) == nullptr) {
    lines_.append(children ? "\\NonExistent \\HasChildren" : "\\NonExistent");
  } else {
    lines_.append(children ? "\\HasChildren" : "\\HasNoChildren");
  }
  if (account_->IsSubscribed(name)) lines_.append(" \\Subscribed");
  lines_.append(") \"/\" ");
  AppendAstring(&lines_, name, LiteralStyle::kSync);
  if (!old_name.empty()) {
    lines_.append(" (\"OLDNAME\" (");
    AppendAstring(&lines_, old_name, LiteralStyle::kSync);
    lines_.append("))");
  }
  lines_.append("\r\n");
}

}  // namespace roost::embedded
