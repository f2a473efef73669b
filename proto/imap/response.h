// What a store's response is: pure functions of the first text piece of a response.
//
// What it is not: a reader of bodies. Only the responses that change a client's or session's state
// are taken apart; all else is kOther and passes as it is. A first piece that ends at a literal or
// was cut (overlong line) is fine: what is there is parsed, and the typed parsers tell whether they
// saw everything.
//
// All views point into the text given and live as long as it.
#ifndef ROOST_PROTO_IMAP_RESPONSE_H_
#define ROOST_PROTO_IMAP_RESPONSE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proto/imap/uid_set.h"

namespace roost {

enum class ResponseKind : uint8_t {
  kMalformed,     // neither `* …`, `+ …` nor `tag OK|NO|BAD …`
  kTagged,        // see Response::status
  kContinuation,  // `+ …`
  kOk,
  kNo,
  kBad,
  kBye,
  kPreauth,  // untagged status
  kCapability,
  kEnabled,
  kExists,
  kRecent,
  kExpunge,
  kFetch,
  kVanished,
  kSearch,
  kEsearch,
  kSort,
  kThread,
  kFlags,
  kList,
  kLsub,
  kStatus,
  kId,
  kNamespace,
  kOther,  // well formed, not one of these; Response::name and, if it had one, number
};

enum class Status : uint8_t { kOk, kNo, kBad };

struct Response {
  ResponseKind kind = ResponseKind::kMalformed;
  Status status = Status::kOk;  // kTagged
  bool earlier = false;         // kVanished: `VANISHED (EARLIER)`
  bool has_number = false;      // `* 5 EXISTS`
  uint32_t number = 0;
  std::string_view tag;        // kTagged
  std::string_view name;       // the keyword as sent: "FETCH", "OK"
  std::string_view code;       // inside [ ], e.g. "UIDVALIDITY 12"; empty when none
  std::string_view code_name;  // "UIDVALIDITY"
  std::string_view code_args;  // "12"
  std::string_view text;       // status and `+`: what people read
  std::string_view rest;       // others: behind the keyword and one SP, without the line's end

  bool CodeIs(std::string_view wanted) const;
};

Response ParseResponse(std::string_view first_line);

// The state-bearing items of `* n FETCH (…)`. `rest` is Response::rest, or all pieces of the
// response concatenated.
struct FetchInfo {
  bool whole = false;        // parsed up to the closing parenthesis
  bool other_items = false;  // has items besides these three
  std::optional<uint32_t> uid;
  std::optional<std::string_view> flags;  // inside of the list: "\Seen $x"
  std::optional<uint64_t> modseq;
};
FetchInfo ParseFetch(std::string_view rest);

enum class SetParse : uint8_t { kOk, kMalformed, kTooLarge };

// Adds a uid-set "1:5,9" to *set. No `*`, no zero. On kTooLarge *set holds a part.
SetParse ParseUidSet(std::string_view text, UidSet* set);

// `* ESEARCH (TAG "a") UID ALL 1:5,9 COUNT 7 MODSEQ 3` (RFC 4731, RFC 9051 7.3.4).
struct EsearchInfo {
  bool whole = false;  // every item was understood up to the end
  bool uid = false;
  bool other_items = false;
  std::string_view tag;  // without quotes; empty when none
  std::string_view all;  // unparsed set; empty when there is none (nothing found)
  std::optional<uint32_t> min, max, count;
  std::optional<uint64_t> modseq;
};
EsearchInfo ParseEsearch(std::string_view rest);

// `* STATUS name (MESSAGES 3 …)`: what a poller needs. The name is decoded and normalized.
struct StatusInfo {
  std::string mailbox;
  std::optional<uint32_t> messages, uid_next, uid_validity, unseen, recent;
  std::optional<uint64_t> highest_modseq;
};
bool ParseStatus(std::string_view rest, StatusInfo* info);

// Reads the numbers of one `* SEARCH 1 2 3 (MODSEQ 9)`, `* ESEARCH (TAG "a") UID ALL 1:5,9` or
// `* VANISHED (EARLIER) 1:5,9` line
// of any length as its kText pieces come (cut anywhere), into a UidSet. Whether the numbers are
// UIDs, the caller knows (and for ESEARCH uid() tells).
class SearchListParser {
 public:
  // *set must outlive the parser; it is added to.
  explicit SearchListParser(UidSet* set) : set_(set) {}

  // The line from its "*" on, cut anywhere. False once it is malformed or too large: the rest is
  // ignored.
  bool Feed(std::string_view text);
  // The line is over: true if it was a well-formed list. Feed sees the CRLF too, so call it after
  // ends_line.
  bool Finish();

  SetParse state() const { return state_; }
  bool esearch() const { return kind_ == Kind::kEsearch; }
  bool vanished() const { return kind_ == Kind::kVanished; }
  // VANISHED (EARLIER).
  bool earlier() const { return earlier_; }
  bool uid() const { return uid_; }
  // Numbers that were listed, duplicates counted: for the comparison with EXISTS use the set's
  // size.
  uint64_t listed() const { return listed_; }
  // ESEARCH's tag, without quotes, as far as it is shorter than 1000 bytes.
  const std::string& tag() const { return tag_; }

 private:
  enum class Kind : uint8_t { kSearch, kEsearch, kVanished };
  enum class Where : uint8_t {
    kKeyword,     // "* SEARCH"
    kList,        // numbers of SEARCH
    kListModseq,  // "(MODSEQ 9"
    kVanished,    // behind VANISHED
    kItems,       // between the items of ESEARCH, or in an item's name
    kCorrelator,  // "(TAG "a""
    kSet,         // behind ALL, or the one of VANISHED
    kValue,       // behind any other item
    kLineEnd,
    kDone,
  };
  bool Byte(char c);
  bool KeywordByte(char c);
  bool ListByte(char c);
  bool VanishedByte(char c);
  bool ItemByte(char c);
  bool InQuotes(char c);
  bool CorrelatorByte(char c);
  bool SetByte(char c);
  bool ValueByte(char c);
  bool EndOfLine(char c);
  bool Digit(char c);
  bool EndElement();
  bool Fail(SetParse why);

  UidSet* set_;
  std::string tag_;
  std::string word_;  // a keyword being read; bounded
  uint64_t listed_ = 0;
  uint64_t number_ = 0;
  uint32_t range_first_ = 0;
  int depth_ = 0;  // of parentheses in an ESEARCH value that is skipped
  Where where_ = Where::kKeyword;
  Kind kind_ = Kind::kSearch;
  SetParse state_ = SetParse::kOk;
  bool in_number_ = false;
  bool in_range_ = false;
  bool in_quotes_ = false;
  bool escaped_ = false;
  bool earlier_ = false;
  bool uid_ = false;
};

}  // namespace roost

#endif  // ROOST_PROTO_IMAP_RESPONSE_H_
