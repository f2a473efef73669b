// Message numbers of a client that has not been told of some expunges yet, and those of its
// session, which has: pure.
//
//   client   1 2 3 4 5 6     messages 2 and 5 are gone, the client still counts them
//   session  1   2 3   4     what the store calls them
//
// What it is: the map; the rewriting of commands (client to session) and of responses (session to
// client). What it is not: it tells nobody of the expunges and decides nothing about when they may
// be told. A command that it does not understand whole is not rewritten, never guessed at.
//
// Numbers beyond the last message stay beyond it on the other side.
#ifndef ROOST_PROTO_IMAP_NUMBER_MAP_H_
#define ROOST_PROTO_IMAP_NUMBER_MAP_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "proto/imap/command.h"
#include "proto/imap/response.h"
#include "proto/imap/uid_set.h"

namespace roost {

class NumberMap {
 public:
  NumberMap() = default;
  // `gone`: the client's numbers of the messages that it still counts.
  explicit NumberMap(UidSet gone) : gone_(std::move(gone)) {}

  bool empty() const { return gone_.empty(); }
  const UidSet& gone() const { return gone_; }

  // 0: the message is gone.
  uint32_t ToSession(uint32_t client) const;
  // 0 for 0, which is no number.
  uint32_t ToClient(uint32_t session) const;
  // How many messages the client counts while the session has `session`.
  uint32_t CountForClient(uint32_t session) const;
  // The session has expunged its message `session`, and the client is not told either. False: the
  // set is full.
  bool AddGone(uint32_t session) { return gone_.Insert(ToClient(session)); }

  enum class Mapped : uint8_t {
    kWhole,      // every message that was named is there
    kReduced,    // some are gone
    kEmpty,      // all are; nothing was appended
    kMalformed,  // no sequence set; nothing was appended
  };
  // A command's sequence set in the session's numbers; "*" is message `client_count`.
  Mapped AppendForSession(std::string_view set, uint32_t client_count, std::string* out) const;
  // The session's messages first to last in the client's numbers, those gone in between left out.
  void AppendForClient(uint32_t first, uint32_t last, std::string* out) const;
  // A sequence set of a response. False, and nothing appended, when it is malformed.
  bool AppendForClient(std::string_view set, std::string* out) const;

 private:
  UidSet gone_;
};

// ---- Commands ----

// Which literals the session takes without being asked for them (RFC 7888). Others become quoted
// strings where they can.
enum class LiteralsTaken : uint8_t { kNone, kSmall, kAll };

enum class Rewriting : uint8_t {
  kWhole,
  kReduced,        // some of the messages named are gone; the rest is in *out
  kEmpty,          // all of them are
  kNotUnderstood,  // not known whole, or not to be carried
};

// FETCH, STORE, COPY, MOVE, SEARCH, SORT and THREAD by number, and UID SEARCH, SORT and THREAD,
// in the session's numbers. Among search keys a set of which nothing is left becomes `NOT ALL`, and
// the answer is never kReduced or kEmpty. Appends to *out, with the line's end, for the first two
// answers only.
Rewriting RewriteCommand(const NumberMap& map, const Command& command, uint32_t client_count,
                         LiteralsTaken literals, std::string* out);

// ---- Responses ----

// Rewrites one response after the other, each as it comes in pieces, cut anywhere. The map must not
// change within a response.
class ResponseRewriter {
 public:
  explicit ResponseRewriter(const NumberMap& map) : map_(map) {}

  // The first piece. `by_number`: the command that is answered is by number, so that lists of
  // messages (SEARCH, ESEARCH without UID, SORT, THREAD, MODIFIED) hold numbers rather than UIDs.
  void Begin(std::string_view bytes, const Response& response, bool by_number, std::string* out);
  void More(std::string_view bytes, std::string* out);
  // The first piece of a response that is to be left as it is.
  void Pass(std::string_view bytes, std::string* out);

 private:
  enum class Mode : uint8_t {
    kPass,     // as it is
    kNumbers,  // SEARCH, SORT: numbers up to a parenthesis
    kTree,     // THREAD: every number
    kItems,    // ESEARCH: by the names of its items
  };
  enum class Expect : uint8_t { kName, kValue, kSet, kPartial };

  void Byte(char c, std::string* out);
  void ItemByte(char c);
  void EndOfItem();
  bool TakesElement(char c) const;
  void Flush(std::string* out);

  const NumberMap& map_;
  Mode mode_ = Mode::kPass;
  Expect expect_ = Expect::kName;
  bool quoted_ = false;
  bool escaped_ = false;
  bool in_item_ = false;   // a name or value of ESEARCH has begun
  bool in_range_ = false;  // PARTIAL's first part: places in the result, not messages
  int depth_ = 0;
  std::string name_;     // of the item under way, bounded
  std::string element_;  // "12" or "3:7" under way, bounded
};

}  // namespace roost

#endif  // ROOST_PROTO_IMAP_NUMBER_MAP_H_
