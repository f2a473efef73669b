// What a command may do to a session: the classification half of proto/imap/command.h.
#include "proto/imap/command.h"

namespace roost {
namespace {

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

// ---- Search programs ----

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
bool ReadSearchKey(TokenCursor* cursor, SearchTraits* traits, std::vector<std::string_view>* sets) {
  std::string_view word;
  bool saved = false;
  if (cursor->SequenceSet(&word, &saved)) {
    (saved ? traits->saved_result : traits->numbers) = true;
    if (!saved && sets != nullptr) sets->push_back(word);
    return true;
  }
  if (!cursor->Atom(&word)) return false;
  const SearchKey* key = FindSearchKey(word);
  return key != nullptr && ReadKeyArgs(key->args, cursor, traits);
}

bool ReadSearchKeys(TokenCursor* cursor, SearchTraits* traits,
                    std::vector<std::string_view>* sets) {
  int depth = 0;
  while (true) {
    while (cursor->Char('(')) ++depth;
    if (!ReadSearchKey(cursor, traits, sets)) return false;
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

// ---- CONDSTORE ----

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

}  // namespace

SearchTraits AnalyzeSearch(const Command& command, std::vector<std::string_view>* sets) {
  SearchTraits traits;
  TokenCursor cursor(command.args);
  if (command.complete && ReadSearchPreface(command.kind, &cursor, &traits)) {
    traits.keys = cursor.Rest();
    traits.whole = ReadSearchKeys(&cursor, &traits, sets);
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
    // Their numbers are read when they come. RFC 3501 7.4.1 (9051 7.5.1) names FETCH, STORE and
    // SEARCH only, and MOVE and REPLACE tell expunges themselves (RFC 6851 3.3, 8508 3.4).
    case CommandKind::kCopy:
    case CommandKind::kMove:
    case CommandKind::kReplace:
      return false;
    default:
      return UsesSequenceNumbers(command);
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

}  // namespace roost
