// APPEND, STORE, COPY, MOVE, EXPUNGE and their UID forms.
#include <algorithm>

#include "proto/imap/writer.h"
#include "tools/store/flags.h"
#include "tools/store/mail_date.h"
#include "tools/store/session.h"

namespace roost::embedded {
namespace {

// What STORE does to the flags of a message.
enum class StoreMode : uint8_t { kReplace, kAdd, kRemove };

struct StoreArgs {
  SequenceSet set;
  std::optional<uint64_t> unchanged_since;
  StoreMode mode = StoreMode::kReplace;
  bool silent = false;
};

bool ReadStoreItem(TokenCursor* cursor, StoreArgs* args) {
  if (cursor->Char('+')) {
    args->mode = StoreMode::kAdd;
  } else if (cursor->Char('-')) {
    args->mode = StoreMode::kRemove;
  }
  if (cursor->Keyword("FLAGS.SILENT")) {
    args->silent = true;
    return true;
  }
  return cursor->Keyword("FLAGS");
}

bool ReadStore(TokenCursor* cursor, StoreArgs* args) {
  std::string_view set;
  if (!cursor->SequenceSet(&set) || !SequenceSet::Parse(set, &args->set) || !cursor->Space()) {
    return false;
  }
  if (cursor->Char('(')) {
    uint64_t modseq = 0;
    if (!cursor->Keyword("UNCHANGEDSINCE") || !cursor->Space() || !cursor->Number64(&modseq) ||
        !cursor->Char(')') || !cursor->Space()) {
      return false;
    }
    args->unchanged_since = modseq;
  }
  return ReadStoreItem(cursor, args) && cursor->Space();
}

Flags Changed(Flags before, Flags by, StoreMode mode) {
  switch (mode) {
    case StoreMode::kReplace:
      return by;
    case StoreMode::kAdd:
      return {.system = static_cast<uint8_t>(before.system | by.system),
              .keywords = before.keywords | by.keywords};
    case StoreMode::kRemove:
      return {.system = static_cast<uint8_t>(before.system & ~by.system),
              .keywords = before.keywords & ~by.keywords};
  }
  return before;
}

}  // namespace

// Flags in a list, or bare where STORE allows that. The names are checked, not yet looked up.
bool Session::ReadFlags(TokenCursor* cursor, bool list_required, std::vector<std::string>* names) {
  const bool list = cursor->Char('(');
  if (!list && list_required) return false;
  std::string_view flag;
  if (list && cursor->Char(')')) return true;
  do {
    const bool system = cursor->Peek() == '\\';
    if (!(system ? cursor->Flag(&flag) : cursor->Atom(&flag))) return false;
    if (system && SystemFlagOf(flag) == 0 && !EqualsIgnoreCase(flag, "\\Recent")) return false;
    names->emplace_back(flag);
  } while (cursor->Space());
  return !list || cursor->Char(')');
}

// Nothing when the mailbox has no room for a keyword.
std::optional<Flags> Session::MakeFlags(Mailbox* mailbox, const std::vector<std::string>& names) {
  Flags flags;
  for (const std::string& name : names) {
    if (name.starts_with('\\')) {
      flags.system |= SystemFlagOf(name);
      continue;
    }
    const std::optional<size_t> keyword = mailbox->Keyword(name, true);
    if (!keyword) return std::nullopt;
    flags.keywords |= uint64_t{1} << *keyword;
  }
  return flags;
}

void Session::Append(const Command& command) {
  TokenCursor cursor(command.args);
  std::string name;
  std::vector<std::string> flag_names;
  int64_t date = host_->WallSeconds();
  bool good = cursor.Mailbox(&name) && cursor.Space();
  if (good && cursor.Peek() == '(') good = ReadFlags(&cursor, true, &flag_names) && cursor.Space();
  if (good && cursor.Peek() == '"') {
    StringToken text;
    good = cursor.String(&text) && cursor.Space();
    const std::optional<int64_t> parsed = good ? ParseDateTime(text.ToString()) : std::nullopt;
    if (!parsed) return Bad("Not a date and time");
    date = *parsed;
  }
  StringToken message;
  if (!good || cursor.Peek() != '{' || !cursor.String(&message) || !cursor.AtEnd()) {
    return Bad("APPEND wants a mailbox and a message");
  }
  if (message.raw.empty()) return No("[CANNOT] The message is empty");
  const std::shared_ptr<Mailbox> mailbox = account_->Find(name);
  if (mailbox == nullptr) return No("[TRYCREATE] No such mailbox");
  const std::optional<Flags> flags = MakeFlags(mailbox.get(), flag_names);
  if (!flags) return No("[LIMIT] Too many keywords");
  const Uid uid = mailbox->Append(std::make_shared<const std::string>(message.raw), *flags, date);
  NoteOwnArrival(*mailbox, uid);
  std::string code;
  if (options_->features.Has(Feature::kUidPlus)) {
    code =
        "[APPENDUID " + std::to_string(mailbox->uid_validity()) + " " + std::to_string(uid) + "] ";
  }
  Ok(code + "Appended");
}

void Session::Store(const Command& command) {
  TokenCursor cursor(command.args);
  StoreArgs args;
  std::vector<std::string> names;
  if (!ReadStore(&cursor, &args) || !ReadFlags(&cursor, false, &names) || !cursor.AtEnd()) {
    return Bad("STORE wants messages, an item and flags");
  }
  if (args.unchanged_since) {
    if (!options_->features.Has(Feature::kCondstore)) return Bad("CONDSTORE is not offered");
    EnableCondstore();
  }
  std::vector<uint32_t> numbers;
  if (!ResolveNumbers(args.set, command.uid, &numbers)) return;
  if (NoWhenReadOnly()) return;
  const std::optional<Flags> flags = MakeFlags(mailbox_.get(), names);
  if (!flags) return No("[LIMIT] Too many keywords");
  TellKeywords();

  std::vector<uint32_t> modified;
  bool missed = false;
  std::string out;
  for (const uint32_t number : numbers) {
    const Message* message = mailbox_->Find(UidAt(number));
    if (message == nullptr) {
      missed = true;
      continue;
    }
    if (args.unchanged_since && message->modseq > *args.unchanged_since) {
      modified.push_back(command.uid ? message->uid : number);
      continue;
    }
    const bool was_told = message->modseq <= flags_told_;
    const bool changed =
        mailbox_->SetFlags(message->uid, Changed(message->flags, *flags, args.mode));
    // A silent change on top of one by somebody else that is not told yet must not hide that one.
    const bool silent = args.silent && (was_told || !changed);
    if (!silent || condstore_) AppendFlagNews(&out, number, *message, !silent, command.uid);
    if (changed) NoteOwnChange(*message);
  }
  Out(out);
  if (!modified.empty()) {
    const std::string code = "[MODIFIED " + FormatSet(modified) + "] ";
    return missed && !command.uid ? No(code + "Some had changed or are gone")
                                  : Ok(code + "Some had changed");
  }
  if (missed && !command.uid) return No("[EXPUNGEISSUED] Some of them are gone");
  Ok("Stored");
}

void Session::Copy(const Command& command) { CopyOrMove(command, false); }
void Session::Move(const Command& command) { CopyOrMove(command, true); }

void Session::CopyOrMove(const Command& command, bool move) {
  TokenCursor cursor(command.args);
  std::string_view set_text;
  SequenceSet set;
  std::string name;
  if (!cursor.SequenceSet(&set_text) || !SequenceSet::Parse(set_text, &set) || !cursor.Space() ||
      !cursor.Mailbox(&name) || !cursor.AtEnd()) {
    return Bad("It wants messages and a mailbox");
  }
  std::vector<uint32_t> numbers;
  if (!ResolveNumbers(set, command.uid, &numbers)) return;
  if (move && NoWhenReadOnly()) return;
  const std::shared_ptr<Mailbox> target = account_->Find(name);
  if (target == nullptr) return No("[TRYCREATE] No such mailbox");

  // All or nothing (RFC 3501, 6.4.7). Copies may go to where they come from: look first, then
  // change.
  std::vector<Message> messages;
  for (const uint32_t number : numbers) {
    const Message* message = mailbox_->Find(UidAt(number));
    if (message != nullptr) {
      messages.push_back(*message);
    } else if (!command.uid) {
      return No("[EXPUNGEISSUED] Some of them are gone");
    }
  }
  if (messages.empty()) return Ok("Nothing to do");
  std::vector<Uid> from;
  std::vector<Uid> to;
  for (const Message& message : messages) {
    Flags flags{.system = message.flags.system, .keywords = 0};
    for (size_t i = 0; i < mailbox_->keywords().size(); ++i) {
      if ((message.flags.keywords >> i & 1) == 0) continue;
      // A keyword that the target has no room for is lost, as \Recent is.
      const std::optional<size_t> keyword =
          target->Keyword(std::string(mailbox_->keywords()[i]), true);
      if (keyword) flags.keywords |= uint64_t{1} << *keyword;
    }
    from.push_back(message.uid);
    to.push_back(target->Append(message.body, flags, message.internal_date));
    NoteOwnArrival(*target, to.back());
  }
  std::string code;
  if (options_->features.Has(Feature::kUidPlus)) {
    code = "[COPYUID " + std::to_string(target->uid_validity()) + " " + FormatSet(from) + " " +
           FormatSet(to) + "] ";
  }
  if (!move) return Ok(code + "Copied");
  // COPYUID goes first, so that the client knows where they went when it is told that they are gone
  // (RFC 6851, 4.3).
  if (!code.empty()) Out("* OK " + code + "Moved\r\n");
  mailbox_->Expunge(from);
  TellOwnExpunge();
  if (!condstore_) return Ok("Moved");
  Ok("[HIGHESTMODSEQ " + std::to_string(expunges_told_) + "] Moved");
}

bool Session::ExpungeDeleted(const SequenceSet* among) {
  std::vector<Uid> uids;
  for (const Message& message : mailbox_->messages()) {
    if ((message.flags.system & kDeleted) == 0) continue;
    if (among != nullptr && !among->Contains(message.uid)) continue;
    uids.push_back(message.uid);
  }
  return mailbox_->Expunge(uids) > 0;
}

void Session::Expunge(const Command& command) {
  SequenceSet set;
  if (command.uid) {
    TokenCursor cursor(command.args);
    std::string_view text;
    if (!options_->features.Has(Feature::kUidPlus)) return Bad("UIDPLUS is not offered");
    if (!cursor.SequenceSet(&text) || !SequenceSet::Parse(text, &set) || !cursor.AtEnd()) {
      return Bad("UID EXPUNGE wants UIDs");
    }
    set.Resolve(view_->empty() ? 0 : view_->back());
  } else if (!command.args.empty()) {
    return Bad("EXPUNGE has no arguments");
  }
  if (NoWhenReadOnly()) return;
  const bool any = ExpungeDeleted(command.uid ? &set : nullptr);
  TellOwnExpunge();
  if (!any || !condstore_) return Ok("Expunged");
  // RFC 7162, 3.2.7: all of it has been told by now.
  Ok("[HIGHESTMODSEQ " + std::to_string(mailbox_->highest_modseq()) + "] Expunged");
}

}  // namespace roost::embedded
