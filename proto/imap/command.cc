#include "proto/imap/command.h"

#include <algorithm>
#include <array>
#include <iterator>

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
  std::transform(verb.begin(), verb.end(), upper.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
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

bool ContainsIgnoreCase(std::string_view text, std::string_view word) {
  for (size_t i = 0; i + word.size() <= text.size(); ++i) {
    if (EqualsIgnoreCase(text.substr(i, word.size()), word)) return true;
  }
  return false;
}

enum class Verdict : uint8_t { kNo, kYes, kUnsure };

bool IsSearchLike(CommandKind kind) {
  return kind == CommandKind::kSearch || kind == CommandKind::kSort ||
         kind == CommandKind::kThread || kind == CommandKind::kEsearch;
}

// ---- Search programs -------------------------------------------------------------------------

enum class KeyArgs : uint8_t { kNone, kAstring, kTwoAstrings, kWord, kNumber, kSet, kModseq };

struct SearchKey {
  std::string_view name;
  KeyArgs args;
};

// RFC 3501, 9051, 5032 (YOUNGER, OLDER), 5466 (FILTER), 6203 (FUZZY), 7162 (MODSEQ), 8474
// (EMAILID), 8514 (SAVEDATE). NOT, OR and FUZZY are followed by keys, which are read as all others
// are.
constexpr SearchKey kSearchKeys[] = {
    {"ALL", KeyArgs::kNone},           {"ANSWERED", KeyArgs::kNone},
    {"DELETED", KeyArgs::kNone},       {"DRAFT", KeyArgs::kNone},
    {"FLAGGED", KeyArgs::kNone},       {"NEW", KeyArgs::kNone},
    {"OLD", KeyArgs::kNone},           {"RECENT", KeyArgs::kNone},
    {"SEEN", KeyArgs::kNone},          {"UNANSWERED", KeyArgs::kNone},
    {"UNDELETED", KeyArgs::kNone},     {"UNDRAFT", KeyArgs::kNone},
    {"UNFLAGGED", KeyArgs::kNone},     {"UNSEEN", KeyArgs::kNone},
    {"NOT", KeyArgs::kNone},           {"OR", KeyArgs::kNone},
    {"FUZZY", KeyArgs::kNone},         {"SAVEDATESUPPORTED", KeyArgs::kNone},
    {"BCC", KeyArgs::kAstring},        {"BODY", KeyArgs::kAstring},
    {"CC", KeyArgs::kAstring},         {"FROM", KeyArgs::kAstring},
    {"SUBJECT", KeyArgs::kAstring},    {"TEXT", KeyArgs::kAstring},
    {"TO", KeyArgs::kAstring},         {"KEYWORD", KeyArgs::kWord},
    {"UNKEYWORD", KeyArgs::kWord},     {"BEFORE", KeyArgs::kAstring},
    {"ON", KeyArgs::kAstring},         {"SINCE", KeyArgs::kAstring},
    {"SENTBEFORE", KeyArgs::kAstring}, {"SENTON", KeyArgs::kAstring},
    {"SENTSINCE", KeyArgs::kAstring},  {"SAVEDBEFORE", KeyArgs::kAstring},
    {"SAVEDON", KeyArgs::kAstring},    {"SAVEDSINCE", KeyArgs::kAstring},
    {"LARGER", KeyArgs::kNumber},      {"SMALLER", KeyArgs::kNumber},
    {"OLDER", KeyArgs::kNumber},       {"YOUNGER", KeyArgs::kNumber},
    {"HEADER", KeyArgs::kTwoAstrings}, {"UID", KeyArgs::kSet},
    {"MODSEQ", KeyArgs::kModseq},      {"FILTER", KeyArgs::kWord},
    {"EMAILID", KeyArgs::kAstring},    {"THREADID", KeyArgs::kAstring},
    {"X-GM-RAW", KeyArgs::kAstring},   {"X-GM-LABELS", KeyArgs::kAstring},
    {"X-GM-MSGID", KeyArgs::kNumber},  {"X-GM-THRID", KeyArgs::kNumber},
};

const SearchKey* FindSearchKey(std::string_view name) {
  for (const SearchKey& key : kSearchKeys) {
    if (EqualsIgnoreCase(key.name, name)) return &key;
  }
  return nullptr;
}

bool ReadModseqKey(TokenCursor* cursor) {
  uint64_t modseq = 0;
  StringToken entry;
  std::string_view type;
  if (!cursor->Space()) return false;
  if (cursor->Number64(&modseq)) return true;
  return cursor->String(&entry) && cursor->Space() && cursor->Atom(&type) && cursor->Space() &&
         cursor->Number64(&modseq);
}

bool ReadKeyArgs(KeyArgs args, TokenCursor* cursor, SearchTraits* traits) {
  StringToken string;
  std::string_view word;
  uint64_t number = 0;
  bool saved = false;
  switch (args) {
    case KeyArgs::kNone:
      return true;
    case KeyArgs::kAstring:
      return cursor->Space() && cursor->Astring(&string);
    case KeyArgs::kTwoAstrings:
      return cursor->Space() && cursor->Astring(&string) && cursor->Space() &&
             cursor->Astring(&string);
    case KeyArgs::kWord:
      return cursor->Space() && cursor->Flag(&word);
    case KeyArgs::kNumber:
      return cursor->Space() && cursor->Number64(&number);
    case KeyArgs::kSet:
      if (!cursor->Space() || !cursor->SequenceSet(&word, &saved)) return false;
      traits->saved_result |= saved;
      return true;
    case KeyArgs::kModseq:
      traits->modseq = true;
      return ReadModseqKey(cursor);
  }
  return false;
}

// One key without its place in parentheses.
bool ReadSearchKey(TokenCursor* cursor, SearchTraits* traits) {
  std::string_view word;
  bool saved = false;
  if (cursor->SequenceSet(&word, &saved)) {
    (saved ? traits->saved_result : traits->numbers) = true;
    return true;
  }
  if (!cursor->Atom(&word)) return false;
  const SearchKey* key = FindSearchKey(word);
  return key != nullptr && ReadKeyArgs(key->args, cursor, traits);
}

bool ReadSearchKeys(TokenCursor* cursor, SearchTraits* traits) {
  int depth = 0;
  while (true) {
    while (cursor->Char('(')) ++depth;
    if (!ReadSearchKey(cursor, traits)) return false;
    while (cursor->Char(')')) {
      if (--depth < 0) return false;
    }
    if (cursor->AtEnd()) return depth == 0;
    if (!cursor->Space()) return false;
  }
}

// "RETURN (MIN PARTIAL 1:500) ": what is not known to be harmless keeps state.
bool ReadReturnOptions(TokenCursor* cursor, SearchTraits* traits) {
  std::string_view inner;
  if (!cursor->Space() || !cursor->List(&inner) || !cursor->Space()) return false;
  traits->returns = true;
  TokenCursor options(inner);
  while (!options.AtEnd()) {
    std::string_view option, range;
    if (!options.Atom(&option)) return false;
    bool harmless = false;
    for (std::string_view known : {"MIN", "MAX", "ALL", "COUNT", "RELEVANCY"}) {
      harmless = harmless || EqualsIgnoreCase(option, known);
    }
    if (EqualsIgnoreCase(option, "PARTIAL")) {
      harmless = options.Space() && options.Loose(&range);
    }
    if (!harmless) {
      traits->keeps_state = true;
      // SAVE and UPDATE have no argument; what others have is not known.
      if (!EqualsIgnoreCase(option, "SAVE") && !EqualsIgnoreCase(option, "UPDATE")) return false;
    }
    if (!options.AtEnd() && !options.Space()) return false;
  }
  return true;
}

// What stands before the keys.
bool ReadSearchPreface(CommandKind kind, TokenCursor* cursor, SearchTraits* traits) {
  std::string_view inner, algorithm;
  StringToken charset;
  if (kind == CommandKind::kEsearch && cursor->Keyword("IN")) {
    if (!cursor->Space() || !cursor->List(&inner) || !cursor->Space()) return false;
  }
  if (cursor->Keyword("RETURN") && !ReadReturnOptions(cursor, traits)) return false;
  if (kind == CommandKind::kSort) {
    return cursor->List(&inner) && cursor->Space() && cursor->Astring(&charset) && cursor->Space();
  }
  if (kind == CommandKind::kThread) {
    return cursor->Atom(&algorithm) && cursor->Space() && cursor->Astring(&charset) &&
           cursor->Space();
  }
  if (cursor->Keyword("CHARSET")) {
    return cursor->Space() && cursor->Astring(&charset) && cursor->Space();
  }
  return true;
}

// ---- CONDSTORE ---------------------------------------------------------------------------------

bool ListHasWord(std::string_view inner, std::string_view wanted, bool* well_formed) {
  TokenCursor cursor(inner);
  bool found = false;
  *well_formed = true;
  while (!cursor.AtEnd()) {
    std::string_view value;
    if (!cursor.Value(&value)) {
      *well_formed = false;
      break;
    }
    found = found || EqualsIgnoreCase(value, wanted);
    if (!cursor.AtEnd() && !cursor.Space()) *well_formed = false;
    if (!*well_formed) break;
  }
  return found;
}

Verdict FetchSwitches(std::string_view args) {
  TokenCursor cursor(args);
  std::string_view set, items, modifiers;
  bool saved = false;
  bool items_read = true;
  bool modifiers_read = true;
  if (!cursor.SequenceSet(&set, &saved) || !cursor.Space()) return Verdict::kUnsure;
  bool list = cursor.Peek() == '(';
  if (list ? !cursor.List(&items) : !cursor.FetchItem(&items)) return Verdict::kUnsure;
  bool modseq =
      list ? ListHasWord(items, "MODSEQ", &items_read) : EqualsIgnoreCase(items, "MODSEQ");
  if (cursor.Space()) {
    if (!cursor.List(&modifiers)) return Verdict::kUnsure;
    modseq = ListHasWord(modifiers, "CHANGEDSINCE", &modifiers_read) || modseq;
  }
  if (!cursor.AtEnd() || !items_read || !modifiers_read) return Verdict::kUnsure;
  return modseq ? Verdict::kYes : Verdict::kNo;
}

Verdict StoreSwitches(std::string_view args) {
  TokenCursor cursor(args);
  std::string_view set, modifiers;
  bool saved = false;
  bool read = true;
  if (!cursor.SequenceSet(&set, &saved) || !cursor.Space()) return Verdict::kUnsure;
  if (cursor.Peek() != '(') return Verdict::kNo;
  if (!cursor.List(&modifiers)) return Verdict::kUnsure;
  bool found = ListHasWord(modifiers, "UNCHANGEDSINCE", &read);
  if (!read) return Verdict::kUnsure;
  return found ? Verdict::kYes : Verdict::kNo;
}

Verdict StatusSwitches(std::string_view args) {
  TokenCursor cursor(args);
  StringToken mailbox;
  std::string_view items;
  bool read = true;
  if (!cursor.Astring(&mailbox) || !cursor.Space() || !cursor.List(&items) || !cursor.AtEnd()) {
    return Verdict::kUnsure;
  }
  bool found = ListHasWord(items, "HIGHESTMODSEQ", &read);
  if (!read) return Verdict::kUnsure;
  return found ? Verdict::kYes : Verdict::kNo;
}

// RFC 5258, 5819: LIST [(selection)] reference pattern|(patterns) [RETURN (… STATUS (…) …)]
Verdict ListSwitches(std::string_view args) {
  TokenCursor cursor(args);
  std::string_view inner, option;
  StringToken token;
  if (cursor.List(&inner) && !cursor.Space()) return Verdict::kUnsure;
  if (!cursor.Astring(&token) || !cursor.Space()) return Verdict::kUnsure;
  if (!cursor.ListMailbox(&token) && !cursor.List(&inner)) return Verdict::kUnsure;
  if (cursor.AtEnd()) return Verdict::kNo;
  if (!cursor.Space() || !cursor.Keyword("RETURN") || !cursor.Space() || !cursor.List(&inner)) {
    return Verdict::kUnsure;
  }
  TokenCursor options(inner);
  bool found = false;
  while (!options.AtEnd()) {
    if (!options.Value(&option)) return Verdict::kUnsure;
    if (EqualsIgnoreCase(option, "STATUS")) {
      bool read = false;
      std::string_view items;
      if (!options.Space() || !options.List(&items)) return Verdict::kUnsure;
      found = ListHasWord(items, "HIGHESTMODSEQ", &read) || found;
      if (!read) return Verdict::kUnsure;
    }
    if (!options.AtEnd() && !options.Space()) return Verdict::kUnsure;
  }
  return found ? Verdict::kYes : Verdict::kNo;
}

Verdict SelectSwitches(const Command& command) {
  SelectArgs args;
  if (!ParseSelect(command, &args)) return Verdict::kUnsure;
  return args.condstore || args.qresync ? Verdict::kYes : Verdict::kNo;
}

Verdict SearchSwitches(const Command& command) {
  SearchTraits traits = AnalyzeSearch(command);
  if (!traits.whole) return Verdict::kUnsure;
  return traits.modseq ? Verdict::kYes : Verdict::kNo;
}

// kUnsure only when a word that could mean it occurs.
Verdict Switches(const Command& command) {
  Verdict verdict = Verdict::kNo;
  switch (command.kind) {
    case CommandKind::kFetch:
      verdict = FetchSwitches(command.args);
      break;
    case CommandKind::kStore:
      verdict = StoreSwitches(command.args);
      break;
    case CommandKind::kStatus:
      verdict = StatusSwitches(command.args);
      break;
    case CommandKind::kList:
    case CommandKind::kXlist:
      verdict = ListSwitches(command.args);
      break;
    case CommandKind::kSelect:
    case CommandKind::kExamine:
      verdict = SelectSwitches(command);
      break;
    default:
      if (IsSearchLike(command.kind)) verdict = SearchSwitches(command);
      break;
  }
  if (verdict != Verdict::kUnsure) return verdict;
  for (std::string_view word : {"MODSEQ", "CHANGEDSINCE", "CONDSTORE", "QRESYNC"}) {
    if (ContainsIgnoreCase(command.args, word)) return Verdict::kUnsure;
  }
  return Verdict::kNo;
}

bool UsesSavedResult(const Command& command) { return command.args.starts_with('$'); }

bool NumbersAmongKeys(const Command& command) {
  return IsSearchLike(command.kind) && AnalyzeSearch(command).numbers;
}

// ---- SELECT's parameters
// -------------------------------------------------------------------------

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

SearchTraits AnalyzeSearch(const Command& command) {
  SearchTraits traits;
  TokenCursor cursor(command.args);
  if (command.complete && ReadSearchPreface(command.kind, &cursor, &traits)) {
    traits.keys = cursor.Rest();
    traits.whole = ReadSearchKeys(&cursor, &traits);
  }
  if (!traits.whole) {
    traits.numbers = true;
    traits.keeps_state = true;
    traits.modseq = traits.modseq || ContainsIgnoreCase(command.args, "MODSEQ");
    traits.saved_result = traits.saved_result || command.args.find('$') != command.args.npos;
  }
  return traits;
}

bool IsStateless(const Command& command) {
  switch (command.kind) {
    case CommandKind::kCapability:
    case CommandKind::kNoop:
    case CommandKind::kLogout:
    case CommandKind::kEnable:
    case CommandKind::kCreate:
    case CommandKind::kDelete:
    case CommandKind::kRename:
    case CommandKind::kSubscribe:
    case CommandKind::kUnsubscribe:
    case CommandKind::kLsub:
    case CommandKind::kRlist:
    case CommandKind::kRlsub:
    case CommandKind::kAppend:
    case CommandKind::kIdle:
    case CommandKind::kNamespace:
    case CommandKind::kCheck:
    case CommandKind::kClose:
    case CommandKind::kUnselect:
    case CommandKind::kId:
    case CommandKind::kGetQuota:
    case CommandKind::kGetQuotaRoot:
    case CommandKind::kSetQuota:
    case CommandKind::kGetAcl:
    case CommandKind::kSetAcl:
    case CommandKind::kDeleteAcl:
    case CommandKind::kListRights:
    case CommandKind::kMyRights:
    case CommandKind::kGetMetadata:
    case CommandKind::kSetMetadata:
    case CommandKind::kGetAnnotation:
    case CommandKind::kSetAnnotation:
    case CommandKind::kGetJmapAccess:
      return true;
    case CommandKind::kList:
    case CommandKind::kXlist:
    case CommandKind::kStatus:
      return Switches(command) != Verdict::kUnsure;
    case CommandKind::kFetch:
    case CommandKind::kStore:
      return !UsesSavedResult(command) && Switches(command) != Verdict::kUnsure;
    case CommandKind::kCopy:
    case CommandKind::kMove:
    case CommandKind::kExpunge:
    case CommandKind::kReplace:
      return !UsesSavedResult(command);
    case CommandKind::kSelect:
    case CommandKind::kExamine: {
      SelectArgs args;
      return ParseSelect(command, &args) && !args.unknown_parameters;
    }
    case CommandKind::kSearch:
    case CommandKind::kSort:
    case CommandKind::kThread:
    case CommandKind::kEsearch: {
      SearchTraits traits = AnalyzeSearch(command);
      return traits.whole && !traits.keeps_state && !traits.saved_result;
    }
    case CommandKind::kMalformed:
    case CommandKind::kUnknown:
    case CommandKind::kStartTls:
    case CommandKind::kAuthenticate:
    case CommandKind::kLogin:
    case CommandKind::kCompress:
    case CommandKind::kNotify:
    case CommandKind::kUnauthenticate:
    case CommandKind::kProxyAuth:
    case CommandKind::kLanguage:
    case CommandKind::kComparator:
    case CommandKind::kCancelUpdate:
    case CommandKind::kUrlFetch:
    case CommandKind::kGenUrl:
    case CommandKind::kResetKey:
    case CommandKind::kConvert:
    case CommandKind::kConversions:
      return false;
  }
  return false;
}

bool UsesSequenceNumbers(const Command& command) {
  switch (command.kind) {
    case CommandKind::kFetch:
    case CommandKind::kStore:
    case CommandKind::kCopy:
    case CommandKind::kMove:
    case CommandKind::kReplace:
      return !command.uid;
    case CommandKind::kSearch:
    case CommandKind::kSort:
    case CommandKind::kThread:
      return !command.uid || NumbersAmongKeys(command);
    case CommandKind::kEsearch:
      return NumbersAmongKeys(command);
    case CommandKind::kMalformed:
    case CommandKind::kUnknown:
      return true;
    default:
      return false;
  }
}

bool ForbidsExpunge(const Command& command) {
  switch (command.kind) {
    case CommandKind::kFetch:
    case CommandKind::kStore:
      return !command.uid;
    case CommandKind::kSearch:
    case CommandKind::kSort:
    case CommandKind::kThread:
      return !command.uid || NumbersAmongKeys(command);
    case CommandKind::kEsearch:
      return NumbersAmongKeys(command);
    case CommandKind::kMalformed:
    case CommandKind::kUnknown:
      return true;
    default:
      return false;
  }
}

bool SwitchesOnCondstore(const Command& command) { return Switches(command) != Verdict::kNo; }

bool NeverAfterLogin(const Command& command) {
  switch (command.kind) {
    case CommandKind::kLogin:
    case CommandKind::kAuthenticate:
    case CommandKind::kUnauthenticate:
    case CommandKind::kProxyAuth:
    case CommandKind::kStartTls:
    case CommandKind::kCompress:
      return true;
    default:
      return false;
  }
}

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

bool ParseMailboxArg(const Command& command, std::string* mailbox) {
  TokenCursor cursor(command.args);
  std::string_view set;
  bool saved = false;
  switch (command.kind) {
    case CommandKind::kCopy:
    case CommandKind::kMove:
    case CommandKind::kReplace:
      if (!cursor.SequenceSet(&set, &saved) || !cursor.Space()) return false;
      break;
    default:
      break;
  }
  return cursor.Mailbox(mailbox);
}

}  // namespace roost
