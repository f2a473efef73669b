#include "tools/store/account.h"

#include <algorithm>
#include <vector>

#include "proto/imap/tokens.h"
#include "tools/store/flags.h"

namespace roost::embedded {
namespace {

// A name that LIST can be asked for and that every client can send back.
bool IsValidName(std::string_view name) {
  if (name.empty() || name.size() > Account::kMaxNameBytes) return false;
  if (name.front() == kHierarchySeparator || name.back() == kHierarchySeparator) return false;
  if (name.find("//") != std::string_view::npos) return false;
  return std::none_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f ||
           c == '*' || c == '%';
  });
}

bool IsBelow(std::string_view name, std::string_view parent) {
  return name.size() > parent.size() + 1 && name.substr(0, parent.size()) == parent &&
         name[parent.size()] == kHierarchySeparator;
}

// What making or removing these touches: them, and what is right above.
std::vector<std::string> Touched(const std::vector<std::string>& names) {
  std::set<std::string> touched(names.begin(), names.end());
  for (const std::string& name : names) {
    const size_t level = name.rfind(kHierarchySeparator);
    if (level != std::string::npos) touched.insert(name.substr(0, level));
  }
  return {touched.begin(), touched.end()};
}

}  // namespace

Account::Account(std::string name, Registry* registry)
    : name_(std::move(name)), registry_(registry) {
  mailboxes_.emplace(kInbox, NewMailbox());
}

std::shared_ptr<Mailbox> Account::NewMailbox() {
  return std::make_shared<Mailbox>(registry_->NextUidValidity(), registry_->dirty());
}

void Account::RestoreInbox(const InboxState& state, int64_t internal_date,
                           const std::function<Body(Uid)>& bodies) {
  auto inbox = std::make_shared<Mailbox>(state.uid_validity, registry_->dirty());
  std::vector<Message> messages;
  for (const InboxState::Entry& entry : state.messages) {
    Flags flags;
    for (const std::string& name : entry.flags) {
      const uint8_t system = SystemFlagOf(name);
      flags.system |= system;
      if (system != 0) continue;
      const std::optional<size_t> keyword = inbox->Keyword(name, true);
      if (keyword) flags.keywords |= uint64_t{1} << *keyword;
    }
    messages.push_back({.uid = entry.uid,
                        .flags = flags,
                        .modseq = entry.modseq,
                        .internal_date = internal_date,
                        .body = bodies(entry.uid)});
  }
  inbox->Restore(std::move(messages), state.uid_next, state.highest_modseq);
  mailboxes_.insert_or_assign(std::string(kInbox), std::move(inbox));
}

std::string Account::Canonical(std::string_view mailbox) {
  if (EqualsIgnoreCase(mailbox, kInbox)) return std::string(kInbox);
  if (mailbox.size() > kInbox.size() && mailbox[kInbox.size()] == kHierarchySeparator &&
      StartsWithIgnoreCase(mailbox, kInbox)) {
    return std::string(kInbox).append(mailbox.substr(kInbox.size()));
  }
  return std::string(mailbox);
}

std::shared_ptr<Mailbox> Account::Find(std::string_view mailbox) const {
  const auto it = mailboxes_.find(Canonical(mailbox));
  return it == mailboxes_.end() ? nullptr : it->second;
}

bool Account::HasChildren(std::string_view mailbox) const {
  const auto it = mailboxes_.lower_bound(std::string(mailbox) + kHierarchySeparator);
  return it != mailboxes_.end() && IsBelow(it->first, mailbox);
}

bool Account::IsSubscribed(std::string_view mailbox) const {
  return subscriptions_.find(mailbox) != subscriptions_.end();
}

MailboxError Account::Create(std::string_view mailbox, const AccountWatcher* cause) {
  std::vector<std::string> made;
  const MailboxError error = Make(mailbox, &made);
  if (error != MailboxError::kNone) return error;
  NamesChange change;
  change.touched = Touched(made);
  TellWatchers(change, cause);
  return error;
}

MailboxError Account::Make(std::string_view mailbox, std::vector<std::string>* made) {
  std::string name = Canonical(mailbox);
  // A trailing separator only announces that children will follow (RFC 3501, 6.3.3).
  if (name.size() > 1 && name.back() == kHierarchySeparator) name.pop_back();
  if (!IsValidName(name)) return MailboxError::kInvalidName;
  if (mailboxes_.contains(name)) return MailboxError::kAlreadyExists;
  const size_t levels =
      1 + static_cast<size_t>(std::count(name.begin(), name.end(), kHierarchySeparator));
  if (mailboxes_.size() + levels > kMaxMailboxes) return MailboxError::kLimit;
  // The levels above come into being as well.
  for (size_t at = name.find(kHierarchySeparator); at != std::string::npos;
       at = name.find(kHierarchySeparator, at + 1)) {
    auto [it, added] = mailboxes_.try_emplace(name.substr(0, at), nullptr);
    if (!added) continue;
    it->second = NewMailbox();
    made->push_back(it->first);
  }
  made->push_back(name);
  mailboxes_.emplace(std::move(name), NewMailbox());
  return MailboxError::kNone;
}

MailboxError Account::Delete(std::string_view mailbox, const AccountWatcher* cause) {
  const std::string name = Canonical(mailbox);
  if (name == kInbox) return MailboxError::kInbox;
  const auto it = mailboxes_.find(name);
  if (it == mailboxes_.end()) return MailboxError::kNonexistent;
  const std::shared_ptr<Mailbox> gone = std::move(it->second);
  mailboxes_.erase(it);
  gone->NotifyDeleted();
  NamesChange change;
  change.touched = Touched({name});
  TellWatchers(change, cause);
  return MailboxError::kNone;
}

void Account::MoveInbox(std::string_view to) {
  const std::shared_ptr<Mailbox> inbox = mailboxes_.find(kInbox)->second;
  const std::shared_ptr<Mailbox> target = mailboxes_.find(to)->second;
  for (const std::string& keyword : inbox->keywords()) target->Keyword(keyword, true);
  for (const Message& message : inbox->messages()) {
    target->Append(message.body, message.flags, message.internal_date);
  }
  const View all = *inbox->view();
  inbox->Expunge(all);
}

MailboxError Account::Rename(std::string_view from, std::string_view to,
                             const AccountWatcher* cause) {
  const std::string source = Canonical(from);
  const std::string target = Canonical(to);
  std::vector<std::string> made;
  const MailboxError error = Move(source, target, &made);
  if (error != MailboxError::kNone) return error;
  made.pop_back();  // the target: it was not made but renamed
  NamesChange change;
  change.touched = Touched(made);
  change.renamed_from = source;
  change.renamed_to = target;
  TellWatchers(change, cause);
  return error;
}

MailboxError Account::Move(const std::string& source, const std::string& target,
                           std::vector<std::string>* made) {
  if (!mailboxes_.contains(source)) return MailboxError::kNonexistent;
  if (mailboxes_.contains(target)) return MailboxError::kAlreadyExists;
  if (!IsValidName(target)) return MailboxError::kInvalidName;
  if (source == kInbox) {
    if (const MailboxError error = Make(target, made); error != MailboxError::kNone) return error;
    MoveInbox(target);
    return MailboxError::kNone;
  }
  if (IsBelow(target, source)) return MailboxError::kInvalidName;
  std::vector<std::pair<std::string, std::string>> moves{{source, target}};
  for (auto it = mailboxes_.lower_bound(source + kHierarchySeparator);
       it != mailboxes_.end() && IsBelow(it->first, source); ++it) {
    moves.emplace_back(it->first, target + it->first.substr(source.size()));
    if (mailboxes_.contains(moves.back().second)) return MailboxError::kAlreadyExists;
    if (!IsValidName(moves.back().second)) return MailboxError::kInvalidName;
  }
  // Make makes the levels above as well; the new, empty mailbox gives way to the renamed one.
  if (const MailboxError error = Make(target, made); error != MailboxError::kNone) return error;
  for (const auto& [old_name, new_name] : moves) {
    auto node = mailboxes_.extract(old_name);
    mailboxes_.insert_or_assign(new_name, std::move(node.mapped()));
  }
  return MailboxError::kNone;
}

void Account::Subscribe(std::string_view mailbox, const AccountWatcher* cause) {
  NamesChange change;
  change.subscription = Canonical(mailbox);
  if (subscriptions_.insert(change.subscription).second) TellWatchers(change, cause);
}

void Account::Unsubscribe(std::string_view mailbox, const AccountWatcher* cause) {
  NamesChange change;
  change.subscription = Canonical(mailbox);
  if (subscriptions_.erase(change.subscription) > 0) TellWatchers(change, cause);
}

void Account::TellWatchers(const NamesChange& change, const AccountWatcher* cause) {
  // None comes or goes meanwhile: sessions that end do so later.
  for (AccountWatcher* watcher : watchers_) watcher->OnNamesChanged(change, cause);
}

std::optional<std::string> Registry::Verify(std::string_view authorize_as, std::string_view login,
                                            std::string_view password) const {
  if (login.empty()) return std::nullopt;
  std::string_view user = login;
  const size_t star = login.find('*');
  if (star != std::string_view::npos && authorize_as.empty()) {
    authorize_as = login.substr(0, star);
    user = login.substr(star + 1);
    if (authorize_as.empty()) return std::nullopt;
  }
  const bool as_other = !authorize_as.empty() && authorize_as != user;
  if (!credentials_->master_user.empty() && user == credentials_->master_user && as_other) {
    if (password != credentials_->master_password || !UserExists(authorize_as)) return std::nullopt;
    return std::string(authorize_as);
  }
  if (as_other) return std::nullopt;
  if (!credentials_->users.empty()) {
    const auto it = credentials_->users.find(std::string(user));
    if (it == credentials_->users.end() || it->second != password) return std::nullopt;
    return std::string(user);
  }
  if (credentials_->password && *credentials_->password != password) return std::nullopt;
  return std::string(user);
}

bool Registry::UserExists(std::string_view user) const {
  return credentials_->users.empty() || credentials_->users.contains(std::string(user));
}

Account* Registry::Get(std::string_view user) {
  auto [it, added] = accounts_.try_emplace(std::string(user));
  if (added) it->second = std::make_unique<Account>(std::string(user), this);
  return it->second.get();
}

bool Registry::Knows(std::string_view user) const {
  const std::string name(user);
  return accounts_.contains(name) || credentials_->users.contains(name);
}

void Registry::NotifyDirty() {
  for (const std::weak_ptr<Mailbox>& dirty : dirty_.Take()) {
    if (const std::shared_ptr<Mailbox> mailbox = dirty.lock()) mailbox->NotifyWatchers();
  }
}

void Registry::Collect(Report* report) const {
  report->counts.Add(counts_);
  for (const auto& [name, account] : accounts_) report->users[name].Add(account->counts());
  for (const auto& [name, count] : command_counts_) report->commands[name] += count;
  if (!last_id_.empty()) report->last_id = last_id_;
}

void Report::Add(const Report& other) {
  counts.Add(other.counts);
  for (const auto& [name, user] : other.users) users[name].Add(user);
  for (const auto& [name, count] : other.commands) commands[name] += count;
  if (!other.last_id.empty()) last_id = other.last_id;
}

std::string Report::ToText() const {
  std::string text;
  auto add = [&text](std::string_view name, uint64_t value, char end) {
    text.append(name).append(" ").append(std::to_string(value)).push_back(end);
  };
  add("sessions", counts.open, '\n');
  add("selected", counts.selected, '\n');
  add("idling", counts.idling, '\n');
  add("logins", counts.logins, '\n');
  add("logging-in", counts.logging_in, '\n');
  add("most-logging-in", counts.most_logging_in, '\n');
  for (const auto& [name, user] : users) {
    text.append("user ").append(name).append(" ");
    add("sessions", user.open, ' ');
    add("selected", user.selected, ' ');
    add("idling", user.idling, ' ');
    add("logins", user.logins, '\n');
  }
  for (const auto& [name, count] : commands) add("command " + name, count, '\n');
  if (!last_id.empty()) text.append("id ").append(last_id).append("\n");
  return text;
}

}  // namespace roost::embedded
