#include "proto/imap/response.h"

#include <utility>

#include "proto/imap/command.h"
#include "proto/imap/tokens.h"

namespace roost {
namespace {

enum class Shape : uint8_t { kPlain, kNumbered, kStatusText };

struct NamedResponse {
  std::string_view name;
  ResponseKind kind;
  Shape shape;
};

// The frequent ones first.
constexpr NamedResponse kResponses[] = {
    {"FETCH", ResponseKind::kFetch, Shape::kNumbered},
    {"OK", ResponseKind::kOk, Shape::kStatusText},
    {"EXISTS", ResponseKind::kExists, Shape::kNumbered},
    {"RECENT", ResponseKind::kRecent, Shape::kNumbered},
    {"EXPUNGE", ResponseKind::kExpunge, Shape::kNumbered},
    {"VANISHED", ResponseKind::kVanished, Shape::kPlain},
    {"FLAGS", ResponseKind::kFlags, Shape::kPlain},
    {"LIST", ResponseKind::kList, Shape::kPlain},
    {"LSUB", ResponseKind::kLsub, Shape::kPlain},
    {"STATUS", ResponseKind::kStatus, Shape::kPlain},
    {"SEARCH", ResponseKind::kSearch, Shape::kPlain},
    {"ESEARCH", ResponseKind::kEsearch, Shape::kPlain},
    {"SORT", ResponseKind::kSort, Shape::kPlain},
    {"THREAD", ResponseKind::kThread, Shape::kPlain},
    {"CAPABILITY", ResponseKind::kCapability, Shape::kPlain},
    {"ENABLED", ResponseKind::kEnabled, Shape::kPlain},
    {"NO", ResponseKind::kNo, Shape::kStatusText},
    {"BAD", ResponseKind::kBad, Shape::kStatusText},
    {"BYE", ResponseKind::kBye, Shape::kStatusText},
    {"PREAUTH", ResponseKind::kPreauth, Shape::kStatusText},
    {"ID", ResponseKind::kId, Shape::kPlain},
    {"NAMESPACE", ResponseKind::kNamespace, Shape::kPlain},
};

const NamedResponse* FindResponse(std::string_view name) {
  for (const NamedResponse& response : kResponses) {
    if (EqualsIgnoreCase(response.name, name)) return &response;
  }
  return nullptr;
}

// The "]" that ends a response code: the first outside of quotes, else the first.
size_t FindCodeEnd(std::string_view text) {
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (quoted && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (text[i] == ']' && !quoted) {
      return i;
    }
  }
  return text.find(']');
}

// resp-text: [ "[" code "]" SP ] text
void ReadText(std::string_view text, Response* response) {
  response->text = text;
  if (!text.starts_with('[')) return;
  size_t end = FindCodeEnd(text);
  if (end == text.npos) return;
  response->code = text.substr(1, end - 1);
  size_t space = response->code.find(' ');
  response->code_name = response->code.substr(0, space);
  if (space != response->code.npos) response->code_args = response->code.substr(space + 1);
  text.remove_prefix(end + 1);
  if (text.starts_with(' ')) text.remove_prefix(1);
  response->text = text;
}

void ReadTagged(std::string_view line, Response* response) {
  size_t space = line.find(' ');
  if (space == line.npos || !IsValidTag(line.substr(0, space))) return;
  std::string_view rest = line.substr(space + 1);
  size_t end = rest.find(' ');
  std::string_view word = rest.substr(0, end);
  const NamedResponse* found = FindResponse(word);
  if (found == nullptr) return;
  switch (found->kind) {
    case ResponseKind::kOk:
      response->status = Status::kOk;
      break;
    case ResponseKind::kNo:
      response->status = Status::kNo;
      break;
    case ResponseKind::kBad:
      response->status = Status::kBad;
      break;
    default:
      return;
  }
  response->kind = ResponseKind::kTagged;
  response->tag = line.substr(0, space);
  response->name = word;
  if (end != rest.npos) ReadText(rest.substr(end + 1), response);
}

void ReadVanished(Response* response) {
  constexpr std::string_view kEarlier = "(EARLIER) ";
  if (!StartsWithIgnoreCase(response->rest, kEarlier)) return;
  response->earlier = true;
  response->rest.remove_prefix(kEarlier.size());
}

void ReadUntagged(std::string_view text, Response* response) {
  TokenCursor cursor(text);
  response->has_number = cursor.Number(&response->number);
  if (response->has_number && !cursor.Space()) return;
  bool number_too_large = !response->has_number && cursor.Peek() >= '0' && cursor.Peek() <= '9';
  if (number_too_large || !cursor.Atom(&response->name)) return;
  if (cursor.Space()) {
    response->rest = cursor.Rest();
  } else if (!cursor.AtEnd()) {
    return;
  }
  const NamedResponse* found = FindResponse(response->name);
  if (found == nullptr) {
    response->kind = ResponseKind::kOther;
    return;
  }
  bool numbered = found->shape == Shape::kNumbered;
  if (numbered != response->has_number) return;
  bool counts = found->kind == ResponseKind::kExists || found->kind == ResponseKind::kRecent;
  if (numbered && !counts && response->number == 0) return;
  response->kind = found->kind;
  if (found->shape == Shape::kStatusText) ReadText(std::exchange(response->rest, {}), response);
  if (found->kind == ResponseKind::kVanished) ReadVanished(response);
}

bool ReadModseq(TokenCursor* cursor, std::optional<uint64_t>* modseq) {
  uint64_t value = 0;
  if (!cursor->Char('(') || !cursor->Number64(&value) || !cursor->Char(')')) return false;
  *modseq = value;
  return true;
}

bool ReadFetchItem(TokenCursor* cursor, FetchInfo* info) {
  std::string_view name, list;
  uint32_t uid = 0;
  if (!cursor->FetchItem(&name) || !cursor->Space()) return false;
  if (EqualsIgnoreCase(name, "UID")) {
    if (!cursor->Number(&uid) || uid == 0) return false;
    info->uid = uid;
    return true;
  }
  if (EqualsIgnoreCase(name, "FLAGS")) {
    if (!cursor->List(&list)) return false;
    info->flags = list;
    return true;
  }
  if (EqualsIgnoreCase(name, "MODSEQ")) return ReadModseq(cursor, &info->modseq);
  info->other_items = true;
  return cursor->Value();
}

bool ReadOptionalNumber(TokenCursor* cursor, std::optional<uint32_t>* out) {
  uint32_t number = 0;
  if (!cursor->Number(&number)) return false;
  *out = number;
  return true;
}

bool ReadOptionalNumber64(TokenCursor* cursor, std::optional<uint64_t>* out) {
  uint64_t number = 0;
  if (!cursor->Number64(&number)) return false;
  *out = number;
  return true;
}

// "(TAG "a")", perhaps with more inside (RFC 7377).
bool ReadCorrelator(std::string_view inner, std::string_view* tag) {
  TokenCursor cursor(inner);
  while (!cursor.AtEnd()) {
    std::string_view name;
    StringToken value;
    if (!cursor.Atom(&name) || !cursor.Space() || !cursor.Astring(&value)) return false;
    if (EqualsIgnoreCase(name, "TAG")) *tag = value.raw;
    if (!cursor.AtEnd() && !cursor.Space()) return false;
  }
  return true;
}

bool ReadEsearchItem(TokenCursor* cursor, EsearchInfo* info) {
  std::string_view name;
  if (!cursor->Atom(&name)) return false;
  if (EqualsIgnoreCase(name, "UID")) {
    info->uid = true;
    return true;
  }
  if (!cursor->Space()) return false;
  if (EqualsIgnoreCase(name, "ALL")) return cursor->SequenceSet(&info->all);
  if (EqualsIgnoreCase(name, "MIN")) return ReadOptionalNumber(cursor, &info->min);
  if (EqualsIgnoreCase(name, "MAX")) return ReadOptionalNumber(cursor, &info->max);
  if (EqualsIgnoreCase(name, "COUNT")) return ReadOptionalNumber(cursor, &info->count);
  if (EqualsIgnoreCase(name, "MODSEQ")) return ReadOptionalNumber64(cursor, &info->modseq);
  info->other_items = true;
  return cursor->Value();
}

}  // namespace

bool Response::CodeIs(std::string_view wanted) const {
  return !code_name.empty() && EqualsIgnoreCase(code_name, wanted);
}

Response ParseResponse(std::string_view first_line) {
  Response response;
  std::string_view line = WithoutLineEnd(first_line);
  if (line.starts_with("* ")) {
    ReadUntagged(line.substr(2), &response);
  } else if (line == "+" || line.starts_with("+ ")) {
    response.kind = ResponseKind::kContinuation;
    response.name = line.substr(0, 1);
    if (line.size() > 2) ReadText(line.substr(2), &response);
  } else {
    ReadTagged(line, &response);
  }
  return response;
}

FetchInfo ParseFetch(std::string_view rest) {
  FetchInfo info;
  TokenCursor cursor(rest);
  if (!cursor.Char('(')) return info;
  while (!cursor.Char(')')) {
    if (!ReadFetchItem(&cursor, &info)) return info;
    cursor.Space();
  }
  info.whole = cursor.AtEnd();
  return info;
}

SetParse ParseUidSet(std::string_view text, UidSet* set) {
  SequenceSetReader reader(text);
  SequenceRange range;
  if (text.empty()) return SetParse::kMalformed;
  while (reader.Next(&range)) {
    if (range.star) return SetParse::kMalformed;
    if (!set->InsertRange(range.first, range.last)) return SetParse::kTooLarge;
  }
  return reader.malformed() ? SetParse::kMalformed : SetParse::kOk;
}

EsearchInfo ParseEsearch(std::string_view rest) {
  EsearchInfo info;
  TokenCursor cursor(rest);
  std::string_view inner;
  if (cursor.List(&inner)) {
    if (!ReadCorrelator(inner, &info.tag)) return info;
    if (!cursor.AtEnd() && !cursor.Space()) return info;
  }
  while (!cursor.AtEnd()) {
    if (!ReadEsearchItem(&cursor, &info)) return info;
    if (!cursor.AtEnd() && !cursor.Space()) return info;
  }
  info.whole = true;
  return info;
}

bool ParseStatus(std::string_view rest, StatusInfo* info) {
  TokenCursor cursor(rest);
  *info = StatusInfo{};
  if (!cursor.Mailbox(&info->mailbox) || !cursor.Space() || !cursor.Char('(')) return false;
  while (!cursor.Char(')')) {
    std::string_view name;
    if (!cursor.Atom(&name) || !cursor.Space()) return false;
    bool read = false;
    if (EqualsIgnoreCase(name, "MESSAGES")) {
      read = ReadOptionalNumber(&cursor, &info->messages);
    } else if (EqualsIgnoreCase(name, "UIDNEXT")) {
      read = ReadOptionalNumber(&cursor, &info->uid_next);
    } else if (EqualsIgnoreCase(name, "UIDVALIDITY")) {
      read = ReadOptionalNumber(&cursor, &info->uid_validity);
    } else if (EqualsIgnoreCase(name, "UNSEEN")) {
      read = ReadOptionalNumber(&cursor, &info->unseen);
    } else if (EqualsIgnoreCase(name, "RECENT")) {
      read = ReadOptionalNumber(&cursor, &info->recent);
    } else if (EqualsIgnoreCase(name, "HIGHESTMODSEQ")) {
      read = ReadOptionalNumber64(&cursor, &info->highest_modseq);
    } else {
      read = cursor.Value();
    }
    if (!read) return false;
    cursor.Space();
  }
  while (cursor.Space()) {
  }
  return cursor.AtEnd();
}

}  // namespace roost
