#include "proto/imap/number_map.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "proto/imap/tokens.h"
#include "proto/imap/writer.h"

namespace roost {
namespace {

constexpr uint32_t kMaxNumber = std::numeric_limits<uint32_t>::max();
// "4294967295:4294967295"; what is longer is no element of a set.
constexpr size_t kMaxElement = 21;
// No item of ESEARCH that matters has a longer name.
constexpr size_t kMaxName = 16;
// Literals that are taken without being asked for where not all are (LITERAL-).
constexpr size_t kSmallLiteral = 4096;

uint32_t AddCapped(uint32_t a, uint32_t b) { return b > kMaxNumber - a ? kMaxNumber : a + b; }

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

void AppendRange(std::string* out, uint32_t first, uint32_t last) {
  AppendNumber(out, first);
  if (last == first) return;
  *out += ':';
  AppendNumber(out, last);
}

// One string in a form that needs no `+` of the store.
bool AppendCarried(const StringToken& token, LiteralsTaken literals, std::string* out) {
  if (token.form != StringToken::Form::kLiteral || token.binary) return false;
  const bool taken = literals == LiteralsTaken::kAll ||
                     (literals == LiteralsTaken::kSmall && token.raw.size() <= kSmallLiteral);
  if (taken) {
    AppendLiteral(out, token.raw, LiteralStyle::kNonSync);
    return true;
  }
  const StringForm form = AstringFormOf(token.raw);
  if (form != StringForm::kAtom && form != StringForm::kQuoted) return false;
  AppendQuoted(out, token.raw);
  return true;
}

// Text that was parsed before, with its literals in a form that can be carried.
bool AppendText(std::string_view text, LiteralsTaken literals, std::string* out) {
  TokenCursor cursor(text);
  while (cursor.position() < text.size()) {
    const size_t from = cursor.position();
    const char c = cursor.Peek();
    const bool string = c == '"' || c == '{' || c == '~';
    StringToken token;
    if (!string || !cursor.String(&token)) {
      // No line ends outside of literals: what follows would be another command.
      if (c == '\r' || c == '\n' || c == '\0') return false;
      out->push_back(c);
      cursor.SeekTo(from + 1);
    } else if (token.form == StringToken::Form::kQuoted) {
      *out += cursor.Since(from);
    } else if ((out->back() != ' ' && out->back() != '(') || !AppendCarried(token, literals, out)) {
      return false;  // also where no string may begin: stores differ in what they take it for
    }
  }
  return true;
}

// FETCH set items [(CHANGEDSINCE n)]
bool ReadFetchRest(TokenCursor* cursor) {
  std::string_view items, modifiers;
  uint64_t modseq = 0;
  if (cursor->Peek() == '(' ? !cursor->List(&items) : !cursor->FetchItem(&items)) return false;
  if (cursor->AtEnd()) return true;
  if (!cursor->Space() || !cursor->List(&modifiers) || !cursor->AtEnd()) return false;
  TokenCursor inner(modifiers);
  return inner.Keyword("CHANGEDSINCE") && inner.Space() && inner.Number64(&modseq) && inner.AtEnd();
}

// STORE set [(UNCHANGEDSINCE n)] [+-]FLAGS[.SILENT] (flags) | flags
bool ReadStoreRest(TokenCursor* cursor) {
  std::string_view modifiers, item, flags, flag;
  uint64_t modseq = 0;
  if (cursor->Peek() == '(') {
    if (!cursor->List(&modifiers) || !cursor->Space()) return false;
    TokenCursor inner(modifiers);
    const bool known = inner.Keyword("UNCHANGEDSINCE") && inner.Space() &&
                       inner.Number64(&modseq) && inner.AtEnd();
    if (!known) return false;
  }
  if (!cursor->Atom(&item) || !cursor->Space()) return false;
  if (item.starts_with('+') || item.starts_with('-')) item.remove_prefix(1);
  if (!EqualsIgnoreCase(item, "FLAGS") && !EqualsIgnoreCase(item, "FLAGS.SILENT")) return false;
  const bool list = cursor->Peek() == '(';
  if (list && !cursor->List(&flags)) return false;
  TokenCursor inner(list ? flags : cursor->Rest());
  while (!inner.AtEnd()) {
    if (!inner.Flag(&flag)) return false;
    if (!inner.AtEnd() && !inner.Space()) return false;
  }
  return !list || cursor->AtEnd();
}

bool ReadMailboxRest(TokenCursor* cursor) {
  StringToken mailbox;
  return cursor->Astring(&mailbox) && cursor->AtEnd();
}

// Commands whose only numbers are their first argument.
Rewriting RewriteBySet(const NumberMap& map, const Command& command, uint32_t client_count,
                       LiteralsTaken literals, std::string* out) {
  TokenCursor cursor(command.args);
  std::string_view set;
  if (!cursor.SequenceSet(&set) || !cursor.Space()) return Rewriting::kNotUnderstood;
  const std::string_view rest = cursor.Rest();
  const bool known = command.kind == CommandKind::kFetch   ? ReadFetchRest(&cursor)
                     : command.kind == CommandKind::kStore ? ReadStoreRest(&cursor)
                                                           : ReadMailboxRest(&cursor);
  if (!known) return Rewriting::kNotUnderstood;
  const NumberMap::Mapped mapped = map.AppendForSession(set, client_count, out);
  if (mapped == NumberMap::Mapped::kMalformed) return Rewriting::kNotUnderstood;
  if (mapped == NumberMap::Mapped::kEmpty) return Rewriting::kEmpty;
  *out += ' ';
  if (!AppendText(rest, literals, out)) return Rewriting::kNotUnderstood;
  return mapped == NumberMap::Mapped::kReduced ? Rewriting::kReduced : Rewriting::kWhole;
}

Rewriting RewriteSearch(const NumberMap& map, const Command& command, uint32_t client_count,
                        LiteralsTaken literals, std::string* out) {
  std::vector<std::string_view> sets;
  const SearchTraits traits = AnalyzeSearch(command, &sets);
  if (!traits.whole || traits.keeps_state || traits.saved_result) return Rewriting::kNotUnderstood;
  std::string_view rest = command.args;
  for (std::string_view set : sets) {
    const auto at = static_cast<size_t>(set.data() - rest.data());
    if (!AppendText(rest.substr(0, at), literals, out)) return Rewriting::kNotUnderstood;
    const NumberMap::Mapped mapped = map.AppendForSession(set, client_count, out);
    if (mapped == NumberMap::Mapped::kMalformed) return Rewriting::kNotUnderstood;
    // One search-key in the grammar, wherever one may stand: behind NOT and OR as well.
    if (mapped == NumberMap::Mapped::kEmpty) *out += "NOT ALL";
    rest.remove_prefix(at + set.size());
  }
  return AppendText(rest, literals, out) ? Rewriting::kWhole : Rewriting::kNotUnderstood;
}

Rewriting RewriteArgs(const NumberMap& map, const Command& command, uint32_t client_count,
                      LiteralsTaken literals, std::string* out) {
  switch (command.kind) {
    case CommandKind::kFetch:
    case CommandKind::kStore:
    case CommandKind::kCopy:
    case CommandKind::kMove:
      if (command.uid) return Rewriting::kNotUnderstood;
      return RewriteBySet(map, command, client_count, literals, out);
    case CommandKind::kSearch:
    case CommandKind::kSort:
    case CommandKind::kThread:
      return RewriteSearch(map, command, client_count, literals, out);
    default:
      return Rewriting::kNotUnderstood;
  }
}

}  // namespace

// ---- The map ----

uint32_t NumberMap::ToSession(uint32_t client) const {
  return gone_.Contains(client) ? 0 : client - gone_.CountBelow(client);
}

uint32_t NumberMap::ToClient(uint32_t session) const {
  // The first number up to which `session` messages are there.
  uint32_t low = session;
  uint32_t high = AddCapped(session, gone_.size());
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (middle - gone_.CountIn(1, middle) >= session) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

uint32_t NumberMap::CountForClient(uint32_t session) const {
  return AddCapped(session, gone_.size());
}

NumberMap::Mapped NumberMap::AppendForSession(std::string_view set, uint32_t client_count,
                                              std::string* out) const {
  const size_t before = out->size();
  SequenceSetReader reader(set);
  SequenceRange range;
  bool reduced = false;
  while (reader.Next(&range)) {
    // With "*" the last message is named, whatever number stands at the other end.
    const uint32_t first = range.star ? std::min(range.first, client_count) : range.first;
    const uint32_t last = range.star ? client_count : range.last;
    if (first == 0) return out->resize(before), Mapped::kMalformed;  // "*" where nothing is
    const uint32_t gone = gone_.CountIn(first, last);
    reduced = reduced || gone != 0;
    if (last - first + 1 == gone) continue;
    if (out->size() != before) *out += ',';
    // Those in between are neighbours in the session.
    const uint32_t mapped = first - gone_.CountBelow(first);
    AppendRange(out, mapped, mapped + (last - first - gone));
  }
  if (reader.malformed() || set.empty()) return out->resize(before), Mapped::kMalformed;
  if (out->size() == before) return Mapped::kEmpty;
  return reduced ? Mapped::kReduced : Mapped::kWhole;
}

void NumberMap::AppendForClient(uint32_t first, uint32_t last, std::string* out) const {
  uint32_t from = ToClient(first);
  const uint32_t to = ToClient(last);
  const char* comma = "";
  UidSet::Reader reader(gone_, from);
  UidRange gone;
  while (reader.Next(&gone) && gone.first < to) {
    if (gone.first > from) {
      *out += comma;
      AppendRange(out, from, gone.first - 1);
      comma = ",";
    }
    from = gone.last + 1;
  }
  *out += comma;
  AppendRange(out, from, to);
}

bool NumberMap::AppendForClient(std::string_view set, std::string* out) const {
  const size_t before = out->size();
  SequenceSetReader reader(set);
  SequenceRange range;
  while (reader.Next(&range) && !range.star) {
    if (out->size() != before) *out += ',';
    AppendForClient(range.first, range.last, out);
  }
  if (!reader.malformed() && !range.star && out->size() != before) return true;
  out->resize(before);
  return false;
}

// ---- Commands ----

Rewriting RewriteCommand(const NumberMap& map, const Command& command, uint32_t client_count,
                         LiteralsTaken literals, std::string* out) {
  if (!command.complete || !IsStateless(command)) return Rewriting::kNotUnderstood;
  const size_t before = out->size();
  *out += command.tag;
  *out += command.uid ? " UID " : " ";
  *out += command.name;
  *out += ' ';
  const Rewriting result = RewriteArgs(map, command, client_count, literals, out);
  if (result == Rewriting::kWhole || result == Rewriting::kReduced) {
    *out += "\r\n";
  } else {
    out->resize(before);
  }
  return result;
}

// ---- Responses ----

void ResponseRewriter::Begin(std::string_view bytes, const Response& response, bool by_number,
                             std::string* out) {
  mode_ = Mode::kPass;
  switch (response.kind) {
    case ResponseKind::kFetch:
    case ResponseKind::kExpunge:
    case ResponseKind::kExists: {
      const bool count = response.kind == ResponseKind::kExists;
      *out += "* ";
      AppendNumber(out,
                   count ? map_.CountForClient(response.number) : map_.ToClient(response.number));
      *out += ' ';
      *out += bytes.substr(static_cast<size_t>(response.name.data() - bytes.data()));
      return;
    }
    case ResponseKind::kTagged:
    case ResponseKind::kOk:
    case ResponseKind::kNo: {
      if (!by_number || !response.CodeIs("MODIFIED") || response.code_args.empty()) break;
      const auto at = static_cast<size_t>(response.code_args.data() - bytes.data());
      *out += bytes.substr(0, at);
      if (!map_.AppendForClient(response.code_args, out)) *out += response.code_args;
      *out += bytes.substr(at + response.code_args.size());
      return;
    }
    case ResponseKind::kSearch:
    case ResponseKind::kSort:
      mode_ = Mode::kNumbers;
      break;
    case ResponseKind::kThread:
      mode_ = Mode::kTree;
      break;
    case ResponseKind::kEsearch:
      mode_ = Mode::kItems;
      break;
    default:
      break;
  }
  if (!by_number || response.rest.empty()) mode_ = Mode::kPass;
  if (mode_ == Mode::kPass) return Pass(bytes, out);
  expect_ = Expect::kName;
  quoted_ = escaped_ = in_item_ = in_range_ = false;
  depth_ = 0;
  name_.clear();
  element_.clear();
  const auto at = static_cast<size_t>(response.rest.data() - bytes.data());
  *out += bytes.substr(0, at);
  More(bytes.substr(at), out);
}

void ResponseRewriter::Pass(std::string_view bytes, std::string* out) {
  mode_ = Mode::kPass;
  *out += bytes;
}

void ResponseRewriter::More(std::string_view bytes, std::string* out) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (mode_ == Mode::kPass) {
      *out += bytes.substr(i);
      return;
    }
    Byte(bytes[i], out);
  }
}

bool ResponseRewriter::TakesElement(char c) const {
  if (mode_ != Mode::kItems) return IsDigit(c);
  const bool set =
      expect_ == Expect::kSet || (expect_ == Expect::kPartial && depth_ == 1 && !in_range_);
  return set && (IsDigit(c) || c == ':');
}

void ResponseRewriter::Byte(char c, std::string* out) {
  if (!quoted_ && TakesElement(c)) {
    element_ += c;
    in_item_ = true;
    if (element_.size() > kMaxElement) {  // no number at all
      mode_ = Mode::kPass;
      *out += std::exchange(element_, {});
    }
    return;
  }
  Flush(out);
  *out += c;
  if (mode_ == Mode::kItems) return ItemByte(c);
  if (mode_ == Mode::kNumbers && c == '(') mode_ = Mode::kPass;  // (MODSEQ n)
}

void ResponseRewriter::ItemByte(char c) {
  if (quoted_) {
    if (!escaped_ && c == '"') quoted_ = false;
    escaped_ = !escaped_ && c == '\\';
    return;
  }
  if (c == ' ' && depth_ == 0) return EndOfItem();
  if (c == ' ') in_range_ = false;
  in_item_ = true;
  if (c == '"') quoted_ = true;
  if (c == '(' && ++depth_ == 1) in_range_ = true;
  if (c == ')' && depth_ > 0) --depth_;
  if (expect_ == Expect::kName && depth_ == 0 && name_.size() < kMaxName && c != ')') name_ += c;
}

void ResponseRewriter::EndOfItem() {
  if (!std::exchange(in_item_, false)) return;
  const std::string name = std::exchange(name_, {});
  if (expect_ != Expect::kName) {
    expect_ = Expect::kName;
  } else if (name.empty()) {
    // The correlator: (TAG "a").
  } else if (EqualsIgnoreCase(name, "UID")) {
    mode_ = Mode::kPass;  // UIDs all of them
  } else if (EqualsIgnoreCase(name, "MIN") || EqualsIgnoreCase(name, "MAX") ||
             EqualsIgnoreCase(name, "ALL")) {
    expect_ = Expect::kSet;
  } else {
    expect_ = EqualsIgnoreCase(name, "PARTIAL") ? Expect::kPartial : Expect::kValue;
  }
}

void ResponseRewriter::Flush(std::string* out) {
  if (element_.empty()) return;
  if (!map_.AppendForClient(element_, out)) *out += element_;
  element_.clear();
}

}  // namespace roost
