#include "tools/store/notify.h"

#include <utility>

#include "proto/imap/tokens.h"

namespace roost::embedded {
namespace {

// One "(mailboxes events)".
struct ParsedGroup {
  SelectedNews selected = SelectedNews::kNever;  // else it is of others
  NotifyGroup other;
  bool message_new = false;
  bool message_expunge = false;
  bool unsupported = false;
  std::optional<FetchItems> arrivals;
};

// "INBOX" or "(INBOX Work)"
bool ReadNames(TokenCursor* cursor, std::vector<std::string>* names) {
  std::string name;
  const bool list = cursor->Char('(');
  do {
    if (!cursor->Mailbox(&name)) return false;
    names->push_back(name);
  } while (list && cursor->Space());
  return !list || cursor->Char(')');
}

bool ReadMailboxes(TokenCursor* cursor, ParsedGroup* group) {
  using Mailboxes = NotifyGroup::Mailboxes;
  std::string_view word;
  if (!cursor->Atom(&word)) return false;
  if (EqualsIgnoreCase(word, "SELECTED")) {
    group->selected = SelectedNews::kImmediate;
  } else if (EqualsIgnoreCase(word, "SELECTED-DELAYED")) {
    group->selected = SelectedNews::kDelayed;
  } else if (EqualsIgnoreCase(word, "INBOXES")) {
    group->other.mailboxes = Mailboxes::kInboxes;
  } else if (EqualsIgnoreCase(word, "PERSONAL")) {
    group->other.mailboxes = Mailboxes::kPersonal;
  } else if (EqualsIgnoreCase(word, "SUBSCRIBED")) {
    group->other.mailboxes = Mailboxes::kSubscribed;
  } else {
    const bool subtree = EqualsIgnoreCase(word, "SUBTREE");
    if (!subtree && !EqualsIgnoreCase(word, "MAILBOXES")) return false;
    group->other.mailboxes = subtree ? Mailboxes::kSubtree : Mailboxes::kNamed;
    return cursor->Space() && ReadNames(cursor, &group->other.names);
  }
  return true;
}

bool ReadEvent(TokenCursor* cursor, ParsedGroup* group) {
  std::string_view event;
  if (!cursor->Atom(&event)) return false;
  NotifyEvents& events = group->other.events;
  if (EqualsIgnoreCase(event, "MESSAGENEW")) {
    group->message_new = true;
    const size_t behind = cursor->position();
    if (!cursor->Space() || cursor->Peek() != '(') {
      cursor->SeekTo(behind);
      return true;
    }
    group->arrivals.emplace();
    return ReadFetchItems(cursor, &*group->arrivals);
  }
  if (EqualsIgnoreCase(event, "MESSAGEEXPUNGE")) {
    group->message_expunge = true;
  } else if (EqualsIgnoreCase(event, "FLAGCHANGE")) {
    events.flags = true;
  } else if (EqualsIgnoreCase(event, "MAILBOXNAME")) {
    events.names = true;
  } else if (EqualsIgnoreCase(event, "SUBSCRIPTIONCHANGE")) {
    events.subscriptions = true;
  } else {
    group->unsupported = true;
  }
  return true;
}

bool ReadEvents(TokenCursor* cursor, ParsedGroup* group) {
  if (cursor->Keyword("NONE")) return true;
  if (!cursor->Char('(')) return false;
  do {
    if (!ReadEvent(cursor, group)) return false;
  } while (cursor->Space());
  return cursor->Char(')');
}

// RFC 5465, 5 and 6.1: which events go together, and with which mailboxes.
bool GoTogether(const ParsedGroup& group) {
  const NotifyEvents& events = group.other.events;
  if (group.message_new != group.message_expunge) return false;
  if (events.flags && !group.message_new) return false;
  if (group.selected == SelectedNews::kNever) return !group.arrivals;
  return !events.names && !events.subscriptions;
}

}  // namespace

NotifyVerdict ParseNotify(std::string_view args, NotifyRequest* out) {
  TokenCursor cursor(args);
  if (cursor.Keyword("NONE")) {
    return cursor.AtEnd() ? NotifyVerdict::kGood : NotifyVerdict::kMalformed;
  }
  if (!cursor.Keyword("SET") || !cursor.Space()) return NotifyVerdict::kMalformed;
  out->set = true;
  out->status = cursor.Keyword("STATUS");
  if (out->status && !cursor.Space()) return NotifyVerdict::kMalformed;
  bool selected_named = false;
  bool go_together = true;
  bool unsupported = false;
  do {
    ParsedGroup group;
    if (!cursor.Char('(') || !ReadMailboxes(&cursor, &group) || !cursor.Space() ||
        !ReadEvents(&cursor, &group) || !cursor.Char(')')) {
      return NotifyVerdict::kMalformed;
    }
    unsupported |= group.unsupported;
    go_together &= GoTogether(group);
    NotifyEvents& events = group.other.events;
    events.messages = group.message_new;
    if (group.selected == SelectedNews::kNever) {
      if (events.any()) out->others.push_back(std::move(group.other));
      continue;
    }
    if (std::exchange(selected_named, true)) return NotifyVerdict::kMalformed;
    if (!events.messages) continue;
    out->selected = group.selected;
    out->selected_events = events;
    out->arrivals = std::move(group.arrivals);
  } while (cursor.Space());
  if (!cursor.AtEnd()) return NotifyVerdict::kMalformed;
  if (unsupported) return NotifyVerdict::kUnsupported;
  return go_together ? NotifyVerdict::kGood : NotifyVerdict::kMalformed;
}

}  // namespace roost::embedded
