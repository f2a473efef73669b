#include "proto/imap/command.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "proto/imap/framer.h"

namespace roost {
namespace {

struct NamedKind {
  std::string_view name;
  CommandKind kind;
};

// Sorted by name, for bisection.
constexpr NamedKind kNames[] = {
    {"APPEND", CommandKind::kAppend},
    {"AUTHENTICATE", CommandKind::kAuthenticate},
    {"CANCELUPDATE", CommandKind::kCancelUpdate},
    {"CAPABILITY", CommandKind::kCapability},
    {"CHECK", CommandKind::kCheck},
    {"CLOSE", CommandKind::kClose},
    {"COMPARATOR", CommandKind::kComparator},
    {"COMPRESS", CommandKind::kCompress},
    {"CONVERSIONS", CommandKind::kConversions},
    {"CONVERT", CommandKind::kConvert},
    {"COPY", CommandKind::kCopy},
    {"CREATE", CommandKind::kCreate},
    {"DELETE", CommandKind::kDelete},
    {"DELETEACL", CommandKind::kDeleteAcl},
    {"ENABLE", CommandKind::kEnable},
    {"ESEARCH", CommandKind::kEsearch},
    {"EXAMINE", CommandKind::kExamine},
    {"EXPUNGE", CommandKind::kExpunge},
    {"FETCH", CommandKind::kFetch},
    {"GENURLAUTH", CommandKind::kGenUrl},
    {"GETACL", CommandKind::kGetAcl},
    {"GETANNOTATION", CommandKind::kGetAnnotation},
    {"GETJMAPACCESS", CommandKind::kGetJmapAccess},
    {"GETMETADATA", CommandKind::kGetMetadata},
    {"GETQUOTA", CommandKind::kGetQuota},
    {"GETQUOTAROOT", CommandKind::kGetQuotaRoot},
    {"ID", CommandKind::kId},
    {"IDLE", CommandKind::kIdle},
    {"LANGUAGE", CommandKind::kLanguage},
    {"LIST", CommandKind::kList},
    {"LISTRIGHTS", CommandKind::kListRights},
    {"LOGIN", CommandKind::kLogin},
    {"LOGOUT", CommandKind::kLogout},
    {"LSUB", CommandKind::kLsub},
    {"MOVE", CommandKind::kMove},
    {"MYRIGHTS", CommandKind::kMyRights},
    {"NAMESPACE", CommandKind::kNamespace},
    {"NOOP", CommandKind::kNoop},
    {"NOTIFY", CommandKind::kNotify},
    {"PROXYAUTH", CommandKind::kProxyAuth},
    {"RENAME", CommandKind::kRename},
    {"REPLACE", CommandKind::kReplace},
    {"RESETKEY", CommandKind::kResetKey},
    {"RLIST", CommandKind::kRlist},
    {"RLSUB", CommandKind::kRlsub},
    {"SEARCH", CommandKind::kSearch},
    {"SELECT", CommandKind::kSelect},
    {"SETACL", CommandKind::kSetAcl},
    {"SETANNOTATION", CommandKind::kSetAnnotation},
    {"SETMETADATA", CommandKind::kSetMetadata},
    {"SETQUOTA", CommandKind::kSetQuota},
    {"SORT", CommandKind::kSort},
    {"STARTTLS", CommandKind::kStartTls},
    {"STATUS", CommandKind::kStatus},
    {"STORE", CommandKind::kStore},
    {"SUBSCRIBE", CommandKind::kSubscribe},
    {"THREAD", CommandKind::kThread},
    {"UNAUTHENTICATE", CommandKind::kUnauthenticate},
    {"UNSELECT", CommandKind::kUnselect},
    {"UNSUBSCRIBE", CommandKind::kUnsubscribe},
    {"URLFETCH", CommandKind::kUrlFetch},
    {"XLIST", CommandKind::kXlist},
};
static_assert(std::is_sorted(std::begin(kNames), std::end(kNames),
                             [](const NamedKind& a, const NamedKind& b) {
                               return a.name < b.name;
                             }));

CommandKind FindKind(std::string_view verb) {
  std::array<char, 16> upper;
  if (verb.size() > upper.size()) return CommandKind::kUnknown;
  std::transform(verb.begin(), verb.end(), upper.begin(), [](char c) { return ToUpperAscii(c); });
  std::string_view name(upper.data(), verb.size());
  const NamedKind* found = std::lower_bound(
      std::begin(kNames), std::end(kNames), name,
      [](const NamedKind& entry, std::string_view key) { return entry.name < key; });
  if (found == std::end(kNames) || found->name != name) return CommandKind::kUnknown;
  return found->kind;
}

bool HasUidForm(CommandKind kind) {
  switch (kind) {
    case CommandKind::kCopy:
    case CommandKind::kExpunge:
    case CommandKind::kFetch:
    case CommandKind::kMove:
    case CommandKind::kReplace:
    case CommandKind::kSearch:
    case CommandKind::kSort:
    case CommandKind::kStore:
    case CommandKind::kThread:
      return true;
    default:
      return false;
  }
}

// The last line end of the command is there: no literal is announced by it.
bool IsComplete(std::string_view whole) {
  if (whole.empty() || whole.back() != '\n') return false;
  std::string_view text = WithoutLineEnd(whole);
  if (text.empty() || text.back() != '}') return true;
  Framer framer(Direction::kCommands, {.max_line = size_t{1} << 30});
  while (!whole.empty()) {
    Piece piece = framer.Next(whole);
    if (piece.bytes.empty()) return false;
    whole.remove_prefix(piece.bytes.size());
  }
  return framer.AtMessageStart();
}

bool ReadQresync(TokenCursor* cursor, QresyncArgs* out) {
  std::string_view inner, pair;
  if (!cursor->List(&inner)) return false;
  TokenCursor args(inner);
  if (!args.Number(&out->uid_validity) || out->uid_validity == 0) return false;
  if (!args.Space() || !args.Number64(&out->modseq) || out->modseq == 0) return false;
  if (args.AtEnd()) return true;
  if (!args.Space()) return false;
  if (args.SequenceSet(&out->known_uids)) {
    if (args.AtEnd()) return true;
    if (!args.Space()) return false;
  }
  if (!args.List(&pair) || !args.AtEnd()) return false;
  TokenCursor match(pair);
  return match.SequenceSet(&out->known_sequences) && match.Space() &&
         match.SequenceSet(&out->known_sequence_uids) && match.AtEnd();
}

bool ReadSelectParameters(std::string_view inner, SelectArgs* out) {
  TokenCursor cursor(inner);
  while (!cursor.AtEnd()) {
    std::string_view name, value;
    if (!cursor.Atom(&name)) return false;
    if (EqualsIgnoreCase(name, "CONDSTORE")) {
      out->condstore = true;
    } else if (EqualsIgnoreCase(name, "QRESYNC")) {
      QresyncArgs qresync;
      if (!cursor.Space() || !ReadQresync(&cursor, &qresync)) return false;
      out->qresync = qresync;
    } else {
      out->unknown_parameters = true;
      size_t here = cursor.position();
      if (cursor.Space() && !cursor.List(&value)) cursor.SeekTo(here);
    }
    if (!cursor.AtEnd() && !cursor.Space()) return false;
  }
  return true;
}

}  // namespace

bool IsValidTag(std::string_view tag) {
  if (tag.empty() || tag.size() > kMaxTagBytes) return false;
  return std::all_of(tag.begin(), tag.end(), [](char c) { return IsAstringChar(c) && c != '+'; });
}

Command ParseCommand(std::string_view whole) {
  Command command;
  command.complete = IsComplete(whole);
  std::string_view text = command.complete ? WithoutLineEnd(whole) : whole;
  size_t tag_end = text.find_first_of(" \r\n");
  std::string_view tag = text.substr(0, tag_end);
  if (!IsValidTag(tag)) return command;
  command.tag = tag;
  if (tag_end == text.npos || text[tag_end] != ' ') return command;

  TokenCursor cursor(text);
  cursor.SeekTo(tag_end + 1);
  std::string_view verb;
  if (!cursor.Atom(&verb)) return command;
  if (EqualsIgnoreCase(verb, "UID") && cursor.Space()) {
    if (!cursor.Atom(&verb)) return command;
    command.uid = true;
  }
  bool arguments = cursor.Space();
  if (!arguments && !cursor.AtEnd()) return command;
  command.name = verb;
  command.args = cursor.Rest();
  if (!arguments) command.args = {};
  command.kind = FindKind(verb);
  if (command.uid && !HasUidForm(command.kind)) command.kind = CommandKind::kUnknown;
  return command;
}

std::string_view CommandName(CommandKind kind) {
  for (const NamedKind& entry : kNames) {
    if (entry.kind == kind) return entry.name;
  }
  return "?";
}

bool IsDoneLine(std::string_view line) {
  return line.ends_with('\n') && EqualsIgnoreCase(WithoutLineEnd(line), "DONE");
}

// ---- Typed arguments ----

bool ParseLogin(const Command& command, LoginArgs* out) {
  TokenCursor cursor(command.args);
  StringToken user, password;
  if (!command.complete || !cursor.Astring(&user) || !cursor.Space() ||
      !cursor.Astring(&password) || !cursor.AtEnd()) {
    return false;
  }
  out->user = user.ToString();
  out->password = password.ToString();
  return true;
}

bool ParseAuthenticate(const Command& command, AuthenticateArgs* out) {
  TokenCursor cursor(command.args);
  if (!command.complete || !cursor.Atom(&out->mechanism)) return false;
  out->initial.reset();
  if (cursor.AtEnd()) return true;
  if (!cursor.Space()) return false;
  std::string_view initial = cursor.Rest();
  if (initial.empty() || initial.find(' ') != initial.npos) return false;
  out->initial = initial == "=" ? std::string_view() : initial;
  return true;
}

bool ParseSelect(const Command& command, SelectArgs* out) {
  TokenCursor cursor(command.args);
  *out = SelectArgs{};
  if (!command.complete || !cursor.Mailbox(&out->mailbox)) return false;
  out->mailbox_as_sent = cursor.Since(0);
  if (cursor.AtEnd()) return true;
  if (!cursor.Space() || !cursor.List(&out->parameters) || !cursor.AtEnd()) return false;
  return ReadSelectParameters(out->parameters, out);
}

bool ParseEnable(const Command& command, EnableArgs* out) {
  TokenCursor cursor(command.args);
  *out = EnableArgs{};
  if (!command.complete) return false;
  do {
    std::string_view name;
    if (!cursor.Atom(&name)) return false;
    out->names.push_back(name);
  } while (cursor.Space());
  out->known = EnabledSet::Parse(command.args);
  return cursor.AtEnd();
}

bool ParseId(const Command& command, std::vector<IdField>* out) {
  constexpr size_t kMaxFields = 30;
  constexpr size_t kMaxName = 30;
  constexpr size_t kMaxValue = 1024;
  TokenCursor cursor(command.args);
  out->clear();
  if (!command.complete) return false;
  if (cursor.Keyword("NIL")) return cursor.AtEnd();
  std::string_view inner;
  if (!cursor.List(&inner) || !cursor.AtEnd()) return false;
  TokenCursor fields(inner);
  while (!fields.AtEnd()) {
    StringToken name, value;
    if (!fields.String(&name) || !fields.Space() || !fields.Nstring(&value)) return false;
    if (!fields.AtEnd() && !fields.Space()) return false;
    if (out->size() == kMaxFields || name.raw.size() > kMaxName || value.raw.size() > kMaxValue) {
      return false;
    }
    IdField field{name.ToString(), std::nullopt};
    if (!value.nil()) field.value = value.ToString();
    out->push_back(std::move(field));
  }
  return true;
}

}  // namespace roost
