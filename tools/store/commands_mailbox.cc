// LIST, LSUB, NAMESPACE, CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, STATUS.
#include <algorithm>
#include <set>

#include "proto/imap/writer.h"
#include "tools/store/session.h"

namespace roost::embedded {
namespace {

// LIST's wildcards: "*" is anything, "%" anything within one level (RFC 3501, 6.3.8).
bool Matches(std::string_view pattern, std::string_view name) {
  // Position to go back to when what follows the last wildcard does not match.
  size_t star = std::string_view::npos;
  size_t star_name = 0;
  size_t percent = std::string_view::npos;
  size_t percent_name = 0;
  size_t p = 0;
  size_t n = 0;
  for (;;) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      star_name = n;
      percent = std::string_view::npos;
      continue;
    }
    if (p < pattern.size() && pattern[p] == '%') {
      percent = ++p;
      percent_name = n;
      continue;
    }
    if (n == name.size() && p == pattern.size()) return true;
    if (n < name.size() && p < pattern.size() && pattern[p] == name[n]) {
      ++p;
      ++n;
      continue;
    }
    if (percent != std::string_view::npos && percent_name < name.size() &&
        name[percent_name] != kHierarchySeparator) {
      n = ++percent_name;
      p = percent;
    } else if (star != std::string_view::npos && star_name < name.size()) {
      n = ++star_name;
      p = star;
      percent = std::string_view::npos;
    } else {
      return false;
    }
  }
}

// The levels above a name, from the top down.
std::vector<std::string_view> LevelsAbove(std::string_view name) {
  std::vector<std::string_view> levels;
  for (size_t end = name.find(kHierarchySeparator); end != std::string_view::npos;
       end = name.find(kHierarchySeparator, end + 1)) {
    levels.push_back(name.substr(0, end));
  }
  return levels;
}

enum ListOption : uint32_t {
  kSelectSubscribed = 1 << 0,  // only what is subscribed
  kReturnSubscribed = 1 << 1,
  kReturnStatus = 1 << 2,
};

bool ReadMailbox(const Command& command, std::string* mailbox) {
  TokenCursor cursor(command.args);
  return cursor.Mailbox(mailbox) && cursor.AtEnd();
}

void AppendMailbox(std::string* out, std::string_view name) {
  AppendAstring(out, name, LiteralStyle::kSync);
}

// "(SUBSCRIBED REMOTE …)" before the reference.
bool ReadSelectOptions(TokenCursor* cursor, uint32_t* options) {
  std::string_view inner;
  if (!cursor->List(&inner) || !cursor->Space()) return false;
  TokenCursor list(inner);
  while (!list.AtEnd()) {
    if (list.Keyword("SUBSCRIBED")) {
      *options |= kSelectSubscribed | kReturnSubscribed;
    } else if (!list.Keyword("REMOTE")) {
      return false;
    }
    list.Space();
  }
  return true;
}

// "RETURN (SUBSCRIBED CHILDREN STATUS (…))" at the end.
bool ReadReturnOptions(TokenCursor* cursor, uint32_t* options, std::string_view* status_items) {
  std::string_view inner;
  if (!cursor->Keyword("RETURN") || !cursor->Space() || !cursor->List(&inner)) return false;
  TokenCursor list(inner);
  while (!list.AtEnd()) {
    if (list.Keyword("SUBSCRIBED")) {
      *options |= kReturnSubscribed;
    } else if (list.Keyword("STATUS")) {
      *options |= kReturnStatus;
      if (!list.Space() || !list.List(status_items)) return false;
    } else if (!list.Keyword("CHILDREN")) {
      return false;
    }
    list.Space();
  }
  return true;
}

}  // namespace

void Session::List(const Command& command) {
  TokenCursor cursor(command.args);
  uint32_t options = 0;
  std::string_view status_items;
  StringToken reference;
  StringToken pattern;
  std::vector<std::string> patterns;
  bool good = cursor.Peek() != '(' || ReadSelectOptions(&cursor, &options);
  good = good && cursor.Astring(&reference) && cursor.Space();
  if (good && cursor.Char('(')) {
    do {
      good = good && cursor.ListMailbox(&pattern);
      if (good) patterns.push_back(pattern.ToString());
    } while (good && cursor.Space());
    good = good && cursor.Char(')');
  } else if (good) {
    good = cursor.ListMailbox(&pattern);
    if (good) patterns.push_back(pattern.ToString());
  }
  if (good && cursor.Space()) good = ReadReturnOptions(&cursor, &options, &status_items);
  if (!good || !cursor.AtEnd()) {
    Bad("LIST wants a reference and a pattern");
    return;
  }
  if (patterns.size() == 1 && patterns.front().empty()) {
    Out("* LIST (\\Noselect) \"/\" \"\"\r\n");
  } else {
    ListMailboxes(reference.ToString(), patterns, options, status_items);
  }
  Ok("Listed");
}

void Session::ListMailboxes(std::string_view reference, const std::vector<std::string>& patterns,
                            uint32_t options, std::string_view status_items) {
  auto wanted = [&](std::string_view name) {
    return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
      const std::string full = std::string(reference) + pattern;
      return Matches(full, name) || (name == kInbox && EqualsIgnoreCase(full, kInbox));
    });
  };
  // A pattern that ends in "%" asks for levels too (RFC 3501, 6.3.8).
  auto wanted_level = [&](std::string_view level) {
    return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
      return pattern.ends_with('%') && Matches(std::string(reference) + pattern, level);
    });
  };
  std::string out;
  auto line = [&](std::string_view attributes, std::string_view name) {
    out.append("* LIST (").append(attributes);
    if ((options & kReturnSubscribed) != 0 && account_->IsSubscribed(name)) {
      out.append(" \\Subscribed");
    }
    out.append(") \"/\" ");
    AppendMailbox(&out, name);
    out.append("\r\n");
  };
  const bool only_subscribed = (options & kSelectSubscribed) != 0;
  std::set<std::string_view> told;  // of levels that are no mailbox
  for (const auto& [name, mailbox] : account_->mailboxes()) {
    if (only_subscribed && !account_->IsSubscribed(name)) continue;
    for (const std::string_view level : LevelsAbove(name)) {
      if (only_subscribed || account_->Find(level) != nullptr || !wanted_level(level)) continue;
      if (told.insert(level).second) line("\\NonExistent \\HasChildren", level);
    }
    if (!wanted(name)) continue;
    line(account_->HasChildren(name) ? "\\HasChildren" : "\\HasNoChildren", name);
    if ((options & kReturnStatus) != 0) AppendStatus(&out, name, *mailbox, status_items);
  }
  if (only_subscribed) {
    for (const std::string& name : account_->subscriptions()) {
      if (wanted(name) && account_->Find(name) == nullptr) line("\\NonExistent", name);
    }
  }
  Out(out);
}

void Session::Lsub(const Command& command) {
  TokenCursor cursor(command.args);
  StringToken reference;
  StringToken pattern;
  if (!cursor.Astring(&reference) || !cursor.Space() || !cursor.ListMailbox(&pattern) ||
      !cursor.AtEnd()) {
    Bad("LSUB wants a reference and a pattern");
    return;
  }
  const std::string full = reference.ToString() + pattern.ToString();
  std::string out;
  for (const std::string& name : account_->subscriptions()) {
    if (!Matches(full, name)) continue;
    out += "* LSUB () \"/\" ";
    AppendMailbox(&out, name);
    out += "\r\n";
  }
  Out(out);
  Ok("Listed");
}

void Session::Namespace(const Command& command) {
  if (!command.args.empty()) {
    Bad("NAMESPACE has no arguments");
    return;
  }
  Out("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
  Ok("Done");
}

void Session::FinishMailbox(MailboxError error, std::string_view done) {
  switch (error) {
    case MailboxError::kNone:
      return Ok(done);
    case MailboxError::kNonexistent:
      return No("[NONEXISTENT] No such mailbox");
    case MailboxError::kAlreadyExists:
      return No("[ALREADYEXISTS] There is such a mailbox");
    case MailboxError::kInvalidName:
      return No("[CANNOT] Not a name for a mailbox here");
    case MailboxError::kInbox:
      return No("[CANNOT] INBOX stays");
    case MailboxError::kLimit:
      return No("[LIMIT] Too many mailboxes");
  }
}

void Session::Create(const Command& command) {
  TokenCursor cursor(command.args);
  StringToken name;
  if (!cursor.Astring(&name) || !cursor.AtEnd()) return Bad("CREATE wants a mailbox");
  FinishMailbox(account_->Create(name.ToString(), WatchesNames()), "Created");
}

void Session::Delete(const Command& command) {
  std::string name;
  if (!ReadMailbox(command, &name)) return Bad("DELETE wants a mailbox");
  // Our own view of it ends quietly; other sessions are sent away.
  if (phase_ == Phase::kSelected && name != kInbox && account_->Find(name) == mailbox_) {
    Deselect();
    Out("* OK [CLOSED] It is going\r\n");
  }
  FinishMailbox(account_->Delete(name, WatchesNames()), "Deleted");
}

void Session::Rename(const Command& command) {
  TokenCursor cursor(command.args);
  std::string from;
  std::string to;
  if (!cursor.Mailbox(&from) || !cursor.Space() || !cursor.Mailbox(&to) || !cursor.AtEnd()) {
    return Bad("RENAME wants two mailboxes");
  }
  FinishMailbox(account_->Rename(from, to, WatchesNames()), "Renamed");
}

void Session::Subscribe(const Command& command) {
  std::string name;
  if (!ReadMailbox(command, &name)) return Bad("SUBSCRIBE wants a mailbox");
  if (account_->Find(name) == nullptr) return No("[NONEXISTENT] No such mailbox");
  account_->Subscribe(name, WatchesNames());
  Ok("Subscribed");
}

void Session::Unsubscribe(const Command& command) {
  std::string name;
  if (!ReadMailbox(command, &name)) return Bad("UNSUBSCRIBE wants a mailbox");
  account_->Unsubscribe(name, WatchesNames());
  Ok("Unsubscribed");
}

void Session::StatusCommand(const Command& command) {
  TokenCursor cursor(command.args);
  std::string name;
  std::string_view items;
  if (!cursor.Mailbox(&name) || !cursor.Space() || !cursor.List(&items) || !cursor.AtEnd()) {
    return Bad("STATUS wants a mailbox and a list of items");
  }
  const std::shared_ptr<Mailbox> mailbox = account_->Find(name);
  if (mailbox == nullptr) return No("[NONEXISTENT] No such mailbox");
  std::string out;
  if (!AppendStatus(&out, name, *mailbox, items)) return Bad("Unknown item");
  Out(out);
  Ok("Done");
}

bool Session::AppendStatus(std::string* out, std::string_view name, const Mailbox& mailbox,
                           std::string_view items) {
  std::string line = "* STATUS ";
  AppendMailbox(&line, name);
  TokenCursor cursor(items);
  std::string_view separator = " (";
  auto add = [&](std::string_view item, uint64_t value) {
    line.append(separator).append(item).append(" ").append(std::to_string(value));
    separator = " ";
  };
  const auto messages = mailbox.messages();
  while (!cursor.AtEnd()) {
    if (cursor.Keyword("MESSAGES")) {
      add("MESSAGES", messages.size());
    } else if (cursor.Keyword("RECENT")) {
      add("RECENT", messages.size() - mailbox.LowerBound(mailbox.first_recent()));
    } else if (cursor.Keyword("UIDNEXT")) {
      add("UIDNEXT", mailbox.uid_next());
    } else if (cursor.Keyword("UIDVALIDITY")) {
      add("UIDVALIDITY", mailbox.uid_validity());
    } else if (cursor.Keyword("UNSEEN")) {
      add("UNSEEN", mailbox.CountUnseen());
    } else if (options_->features.Has(Feature::kCondstore) && cursor.Keyword("HIGHESTMODSEQ")) {
      EnableCondstore();
      add("HIGHESTMODSEQ", mailbox.highest_modseq());
    } else if (options_->features.Has(Feature::kStatusSize) && cursor.Keyword("SIZE")) {
      uint64_t size = 0;
      for (const Message& message : messages) size += message.body->size();
      add("SIZE", size);
    } else {
      return false;
    }
    if (!cursor.Space() && !cursor.AtEnd()) return false;
  }
  if (separator == " (") return false;
  out->append(line).append(")\r\n");
  return true;
}

}  // namespace roost::embedded
