// SEARCH and UID SEARCH (RFC 3501, 6.4.4; RFC 4731 for RETURN; RFC 7162, 3.1.5 for MODSEQ).
#include <algorithm>
#include <memory>

#include "proto/imap/writer.h"
#include "tools/store/flags.h"
#include "tools/store/mail_date.h"
#include "tools/store/mime.h"
#include "tools/store/session.h"
#include "tools/store/text.h"

namespace roost::embedded {
namespace {

// Nested NOT, OR and parentheses.
constexpr int kMaxSearchDepth = 50;

struct Key {
  enum class Kind : uint8_t {
    kAll,
    kAnd,
    kOr,
    kNot,
    kNumbers,
    kUids,
    kFlag,
    kKeyword,
    kRecent,
    kNew,
    kBefore,
    kOn,
    kSince,
    kSentBefore,
    kSentOn,
    kSentSince,
    kLarger,
    kSmaller,
    kHeader,
    kBody,
    kText,
    kModSeq,
  };
  Kind kind = Kind::kAll;
  uint8_t flag = 0;
  int64_t number = 0;  // a day, a size or a modseq
  std::string name;    // keyword or header field
  std::string text;
  SequenceSet set;
  std::vector<Key> keys;
};

struct SearchTraitsFound {
  bool numbers = false;
  bool modseq = false;
};

struct Word {
  std::string_view name;
  Key::Kind kind;
  std::string_view field = {};
};

constexpr Word kDateKeys[] = {
    {"BEFORE", Key::Kind::kBefore}, {"ON", Key::Kind::kOn},
    {"SINCE", Key::Kind::kSince},   {"SENTBEFORE", Key::Kind::kSentBefore},
    {"SENTON", Key::Kind::kSentOn}, {"SENTSINCE", Key::Kind::kSentSince},
};
constexpr Word kSizeKeys[] = {{"LARGER", Key::Kind::kLarger}, {"SMALLER", Key::Kind::kSmaller}};
constexpr Word kTextKeys[] = {
    {"BCC", Key::Kind::kHeader, "Bcc"},   {"CC", Key::Kind::kHeader, "Cc"},
    {"FROM", Key::Kind::kHeader, "From"}, {"SUBJECT", Key::Kind::kHeader, "Subject"},
    {"TO", Key::Kind::kHeader, "To"},     {"BODY", Key::Kind::kBody},
    {"TEXT", Key::Kind::kText},
};

struct FlagWord {
  std::string_view name;
  uint8_t flag;
};
constexpr FlagWord kFlagKeys[] = {
    {"ANSWERED", kAnswered}, {"DELETED", kDeleted}, {"DRAFT", kDraft},
    {"FLAGGED", kFlagged},   {"SEEN", kSeen},
};

class KeyParser {
 public:
  KeyParser(TokenCursor* cursor, SearchTraitsFound* traits) : cursor_(cursor), traits_(traits) {}

  // One or more keys up to the end or a closing parenthesis.
  bool All(Key* out, int depth) {
    out->kind = Key::Kind::kAnd;
    do {
      if (!One(&out->keys.emplace_back(), depth)) return false;
    } while (cursor_->Space());
    return true;
  }

 private:
  bool One(Key* out, int depth) {
    if (depth > kMaxSearchDepth) return false;
    if (cursor_->Char('(')) return All(out, depth + 1) && cursor_->Char(')');
    std::string_view set;
    if (cursor_->SequenceSet(&set)) {
      out->kind = Key::Kind::kNumbers;
      traits_->numbers = true;
      return SequenceSet::Parse(set, &out->set);
    }
    return Flagged(out) || Combined(out, depth) || Dated(out) || Sized(out) || Textual(out) ||
           Other(out);
  }

  bool Flagged(Key* out) {
    for (const FlagWord& word : kFlagKeys) {
      const std::string negated = "UN" + std::string(word.name);
      const bool plain = cursor_->Keyword(word.name);
      if (!plain && !cursor_->Keyword(negated)) continue;
      Key key;
      key.kind = Key::Kind::kFlag;
      key.flag = word.flag;
      SetMaybeNegated(out, std::move(key), !plain);
      return true;
    }
    return false;
  }

  bool Combined(Key* out, int depth) {
    if (cursor_->Keyword("NOT")) {
      out->kind = Key::Kind::kNot;
      return cursor_->Space() && One(&out->keys.emplace_back(), depth + 1);
    }
    if (!cursor_->Keyword("OR")) return false;
    out->kind = Key::Kind::kOr;
    return cursor_->Space() && One(&out->keys.emplace_back(), depth + 1) && cursor_->Space() &&
           One(&out->keys.emplace_back(), depth + 1);
  }

  bool Dated(Key* out) {
    for (const Word& word : kDateKeys) {
      if (!cursor_->Keyword(word.name)) continue;
      StringToken text;
      if (!cursor_->Space() || !cursor_->Astring(&text)) return false;
      const std::optional<int64_t> day = ParseDate(text.ToString());
      if (!day) return false;
      out->kind = word.kind;
      out->number = *day;
      return true;
    }
    return false;
  }

  bool Sized(Key* out) {
    for (const Word& word : kSizeKeys) {
      if (!cursor_->Keyword(word.name)) continue;
      uint32_t size = 0;
      if (!cursor_->Space() || !cursor_->Number(&size)) return false;
      out->kind = word.kind;
      out->number = size;
      return true;
    }
    return false;
  }

  bool Textual(Key* out) {
    for (const Word& word : kTextKeys) {
      if (!cursor_->Keyword(word.name)) continue;
      out->kind = word.kind;
      out->name = word.field;
      return cursor_->Space() && ReadString(&out->text);
    }
    if (!cursor_->Keyword("HEADER")) return false;
    out->kind = Key::Kind::kHeader;
    return cursor_->Space() && ReadString(&out->name) && cursor_->Space() && ReadString(&out->text);
  }

  bool Other(Key* out) {
    if (cursor_->Keyword("ALL")) return true;
    if (cursor_->Keyword("RECENT")) return Set(out, Key::Kind::kRecent);
    if (cursor_->Keyword("NEW")) return Set(out, Key::Kind::kNew);
    if (cursor_->Keyword("OLD")) {
      Key key;
      key.kind = Key::Kind::kRecent;
      SetMaybeNegated(out, std::move(key), true);
      return true;
    }
    const bool keyword = cursor_->Keyword("KEYWORD");
    if (keyword || cursor_->Keyword("UNKEYWORD")) {
      Key key;
      key.kind = Key::Kind::kKeyword;
      std::string_view name;
      if (!cursor_->Space() || !cursor_->Atom(&name)) return false;
      key.name = name;
      SetMaybeNegated(out, std::move(key), !keyword);
      return true;
    }
    if (cursor_->Keyword("UID")) {
      std::string_view set;
      out->kind = Key::Kind::kUids;
      return cursor_->Space() && cursor_->SequenceSet(&set) && SequenceSet::Parse(set, &out->set);
    }
    if (cursor_->Keyword("MODSEQ")) return ModSeqKey(out);
    return false;
  }

  // MODSEQ ["/flags/\\Seen" all] 5: this store has one modseq for a message, whatever the entry.
  bool ModSeqKey(Key* out) {
    uint64_t modseq = 0;
    if (!cursor_->Space()) return false;
    StringToken entry;
    if (cursor_->Peek() == '"') {
      if (!cursor_->String(&entry) || !cursor_->Space()) return false;
      if (!cursor_->Keyword("PRIV") && !cursor_->Keyword("SHARED") && !cursor_->Keyword("ALL")) {
        return false;
      }
      if (!cursor_->Space()) return false;
    }
    if (!cursor_->Number64(&modseq)) return false;
    out->kind = Key::Kind::kModSeq;
    out->number = static_cast<int64_t>(modseq);
    traits_->modseq = true;
    return true;
  }

  bool ReadString(std::string* out) {
    StringToken token;
    if (!cursor_->Astring(&token)) return false;
    *out = token.ToString();
    return true;
  }

  static bool Set(Key* out, Key::Kind kind) {
    out->kind = kind;
    return true;
  }

  static void SetMaybeNegated(Key* out, Key&& key, bool negated) {
    if (!negated) {
      *out = std::move(key);
      return;
    }
    out->kind = Key::Kind::kNot;
    out->keys.push_back(std::move(key));
  }

  TokenCursor* const cursor_;
  SearchTraitsFound* const traits_;
};

// What a message is looked at with.
struct Candidate {
  uint32_t number;
  bool recent;
  const Message& message;
  const Mailbox& mailbox;
};

int64_t SentDay(const Message& message) {
  const std::optional<std::string> field = FieldValue(HeaderOf(*message.body), "Date");
  const std::optional<int64_t> day = field ? DayOfDateField(*field) : std::nullopt;
  return day.value_or(DayOfTime(message.internal_date));
}

bool HasHeader(const Message& message, const Key& key) {
  bool found = false;
  ForEachField(HeaderOf(*message.body), [&](std::string_view name, std::string_view lines) {
    if (found || !EqualsIgnoreCase(name, key.name)) return;
    std::string value(lines.substr(lines.find(':') + 1));
    std::erase_if(value, [](char c) { return c == '\r' || c == '\n'; });
    found = ContainsIgnoreCase(value, key.text);
  });
  return found;
}

bool HasKeyword(const Candidate& candidate, std::string_view name) {
  const std::vector<std::string>& keywords = candidate.mailbox.keywords();
  for (size_t i = 0; i < keywords.size(); ++i) {
    if (EqualsIgnoreCase(keywords[i], name)) {
      return (candidate.message.flags.keywords >> i & 1) != 0;
    }
  }
  return false;
}

bool Matches(const Key& key, const Candidate& candidate) {
  const Message& message = candidate.message;
  auto matches = [&candidate](const Key& inner) { return Matches(inner, candidate); };
  switch (key.kind) {
    case Key::Kind::kAll:
      return true;
    case Key::Kind::kAnd:
      return std::all_of(key.keys.begin(), key.keys.end(), matches);
    case Key::Kind::kOr:
      return std::any_of(key.keys.begin(), key.keys.end(), matches);
    case Key::Kind::kNot:
      return !matches(key.keys.front());
    case Key::Kind::kNumbers:
      return key.set.Contains(candidate.number);
    case Key::Kind::kUids:
      return key.set.Contains(message.uid);
    case Key::Kind::kFlag:
      return (message.flags.system & key.flag) != 0;
    case Key::Kind::kKeyword:
      return HasKeyword(candidate, key.name);
    case Key::Kind::kRecent:
      return candidate.recent;
    case Key::Kind::kNew:
      return candidate.recent && (message.flags.system & kSeen) == 0;
    case Key::Kind::kBefore:
      return DayOfTime(message.internal_date) < key.number;
    case Key::Kind::kOn:
      return DayOfTime(message.internal_date) == key.number;
    case Key::Kind::kSince:
      return DayOfTime(message.internal_date) >= key.number;
    case Key::Kind::kSentBefore:
      return SentDay(message) < key.number;
    case Key::Kind::kSentOn:
      return SentDay(message) == key.number;
    case Key::Kind::kSentSince:
      return SentDay(message) >= key.number;
    case Key::Kind::kLarger:
      return message.body->size() > static_cast<uint64_t>(key.number);
    case Key::Kind::kSmaller:
      return message.body->size() < static_cast<uint64_t>(key.number);
    case Key::Kind::kHeader:
      return HasHeader(message, key);
    case Key::Kind::kBody:
      return ContainsIgnoreCase(
          std::string_view(*message.body).substr(HeaderOf(*message.body).size()), key.text);
    case Key::Kind::kText:
      return ContainsIgnoreCase(*message.body, key.text);
    case Key::Kind::kModSeq:
      return message.modseq >= static_cast<uint64_t>(key.number);
  }
  return false;
}

// Puts numbers for the "*"s.
void ResolveSets(Key* key, uint32_t count, Uid last_uid) {
  if (key->kind == Key::Kind::kNumbers) key->set.Resolve(count);
  if (key->kind == Key::Kind::kUids) key->set.Resolve(last_uid);
  for (Key& inner : key->keys) ResolveSets(&inner, count, last_uid);
}

// The highest message number named; more than there are is a mistake of the client.
uint32_t HighestNumber(const Key& key) {
  uint32_t highest = key.kind == Key::Kind::kNumbers ? key.set.max() : 0;
  for (const Key& inner : key.keys) highest = std::max(highest, HighestNumber(inner));
  return highest;
}

struct ReturnOptions {
  bool given = false, min = false, max = false, all = false, count = false;
};

// "RETURN (MIN COUNT) "
bool ReadReturn(TokenCursor* cursor, ReturnOptions* options) {
  std::string_view inner;
  options->given = true;
  if (!cursor->Space() || !cursor->List(&inner) || !cursor->Space()) return false;
  TokenCursor list(inner);
  while (!list.AtEnd()) {
    if (list.Keyword("MIN")) {
      options->min = true;
    } else if (list.Keyword("MAX")) {
      options->max = true;
    } else if (list.Keyword("ALL")) {
      options->all = true;
    } else if (list.Keyword("COUNT")) {
      options->count = true;
    } else {
      return false;
    }
    list.Space();
  }
  if (!options->min && !options->max && !options->count) options->all = true;
  return true;
}

struct Found {
  std::vector<uint32_t> numbers;  // or UIDs, ascending
  std::vector<ModSeq> modseqs;    // of the same messages
};

// The modseq that goes with a result: of the messages it names (RFC 4731, 3.2).
ModSeq ResultModSeq(const Found& found, const ReturnOptions& options) {
  const bool only_ends =
      options.given && !options.all && !options.count && (options.min || options.max);
  if (only_ends) {
    ModSeq modseq = 0;
    if (options.min) modseq = found.modseqs.front();
    if (options.max) modseq = std::max(modseq, found.modseqs.back());
    return modseq;
  }
  return *std::max_element(found.modseqs.begin(), found.modseqs.end());
}

}  // namespace

void Session::Search(const Command& command) {
  TokenCursor cursor(command.args);
  ReturnOptions options;
  if (options_->features.Has(Feature::kEsearch) && cursor.Keyword("RETURN") &&
      !ReadReturn(&cursor, &options)) {
    return Bad("Unknown RETURN option");
  }
  if (cursor.Keyword("CHARSET")) {
    StringToken charset;
    if (!cursor.Space() || !cursor.Astring(&charset) || !cursor.Space()) {
      return Bad("CHARSET wants a name");
    }
    const std::string name = charset.ToString();
    if (!EqualsIgnoreCase(name, "UTF-8") && !EqualsIgnoreCase(name, "US-ASCII")) {
      return No("[BADCHARSET (US-ASCII UTF-8)] Unknown character set");
    }
  }
  Key key;
  SearchTraitsFound traits;
  if (!KeyParser(&cursor, &traits).All(&key, 0) || !cursor.AtEnd())
    return Bad("Unknown search key");
  if (traits.modseq && !options_->features.Has(Feature::kCondstore)) {
    return Bad("CONDSTORE is not offered");
  }
  const auto count = static_cast<uint32_t>(view_->size());
  ResolveSets(&key, count, view_->empty() ? 0 : view_->back());
  if (HighestNumber(key) > count) return Bad("No such message number");
  // Without numbers on either side expunges may be told (RFC 9051, 7.5.1).
  if (command.uid && !traits.numbers) tells_ = Tells::kEverything;
  if (traits.modseq) EnableCondstore();

  Found found;
  uint32_t number = 0;
  for (const Uid uid : *view_) {
    ++number;
    const Message* message = mailbox_->Find(uid);
    if (message == nullptr) continue;
    if (!Matches(key, {number, IsRecent(uid), *message, *mailbox_})) continue;
    found.numbers.push_back(command.uid ? uid : number);
    found.modseqs.push_back(message->modseq);
  }
  std::string out;
  if (options.given) {
    out = "* ESEARCH (TAG ";
    AppendQuoted(&out, tag_);
    out += ")";
    if (command.uid) out += " UID";
    if (!found.numbers.empty()) {
      if (options.min) out += " MIN " + std::to_string(found.numbers.front());
      if (options.max) out += " MAX " + std::to_string(found.numbers.back());
      if (options.all) out += " ALL " + FormatSet(found.numbers);
    }
    if (options.count) out += " COUNT " + std::to_string(found.numbers.size());
  } else {
    out = "* SEARCH";
    for (const uint32_t value : found.numbers) out += " " + std::to_string(value);
  }
  if (traits.modseq && !found.numbers.empty()) {
    const std::string modseq = std::to_string(ResultModSeq(found, options));
    out += options.given ? " MODSEQ " + modseq : " (MODSEQ " + modseq + ")";
  }
  Out(out + "\r\n");
  Ok("Searched");
}

}  // namespace roost::embedded
