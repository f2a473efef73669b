// What an attached client was not told yet, and the numbers that it uses meanwhile.
//
// A client that woke with a command by number while expunges were owed counts messages that its
// session does not. Until it can be told, its numbers are mapped to the session's and the session's
// to its own, one command at a time.
//
//   kNothing --kRewrite, sent--> kByNumber, kByUid --tagged--> kNothing
//            --kHold, sent-----> kHeld, kSelecting --tagged--> kNothing, or over
//            --kTell, all of it sent--> Tell, over
//
// What it is: the state of that, and what becomes of each response. What it is not: it sends and
// answers nothing (relay_owed.cc does).
//
// Lifetime: from waking until the expunges were told or the mailbox is no longer selected. Whoever
// owns it sends no second command before the first is answered.
#ifndef ROOST_CORE_CLIENT_RELAY_MAPPED_H_
#define ROOST_CORE_CLIENT_RELAY_MAPPED_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "core/park/waking.h"
#include "proto/imap/framer.h"
#include "proto/imap/number_map.h"

namespace roost {

inline constexpr std::string_view kExpungeIssued =
    "NO [EXPUNGEISSUED] Messages were expunged; NOOP tells which";

class RelayMapped {
 public:
  explicit RelayMapped(OwedExpunges owed);
  // The rewriter refers to the map.
  RelayMapped(const RelayMapped&) = delete;
  RelayMapped& operator=(const RelayMapped&) = delete;

  // What a command asks for while expunges are owed.
  enum class Way : uint8_t {
    kTell,     // goes as it is; it allows EXPUNGE: tell as soon as all of it was sent
    kHold,     // goes as it is; while it runs nothing is told, and perhaps never (CLOSE, SELECT)
    kRewrite,  // its numbers must be the session's
    kRefuse,   // by number, and nobody knows how
  };
  static Way WayOf(const Command& command);

  // A command of kHold went, all of it.
  void Hold(const Command& command);
  // A whole command of kRewrite; it goes as *out when the answer is kWhole or kReduced.
  Rewriting Rewrite(const Command& command, LiteralsTaken literals, EnabledSet enabled,
                    std::string* out);
  // Appends what the client gets of a piece of the session's stream; `first` as in SessionSink.
  // False: the numbers can no longer be known.
  bool Map(const Piece& piece, const Response* first, EnabledSet enabled, std::string* out);
  // The mailbox is no longer selected: nothing is owed any more.
  bool over() const { return over_; }

  // Appends, where the client keeps MODSEQs, up to which of them it was told all: from what it was
  // told above that it must not conclude that it knows of what is owed (RFC 7162, 3.2).
  void TellKnown(EnabledSet enabled, std::string* out);
  // Appends the expunges that are owed; then it is over.
  void Tell(EnabledSet enabled, std::string* out) const;
  // They may be told, but not into a response that is half relayed: before the next, then.
  void TellSoon() { due_ = true; }
  bool due() const { return due_; }
  // This response tells of expunges by UID, while a command by UID allows it: what is owed comes
  // before it.
  bool TellsBefore(const Response& first, EnabledSet enabled) const {
    const bool expunge = first.kind == ResponseKind::kExpunge ||
                         (first.kind == ResponseKind::kVanished && !first.earlier);
    return running_ == Running::kByUid && expunge && TellsByUid(enabled);
  }

 private:
  enum class Running : uint8_t { kNothing, kByNumber, kByUid, kHeld, kSelecting };

  bool LosesNumbers(const Command& command, EnabledSet enabled, std::string_view rewritten) const;
  bool MapFirst(const Piece& piece, const Response& first, EnabledSet enabled, std::string* out);
  bool Expunged(const Response& first, EnabledSet enabled);
  void MapTagged(std::string_view line, const Response& response, EnabledSet enabled,
                 std::string* out);
  uint64_t TakeKnown();
  bool TellsByUid(EnabledSet enabled) const { return enabled.qresync() && !no_modseq_; }
  bool TellsModseq(EnabledSet enabled) const { return enabled.condstore() && !no_modseq_; }

  const UidSet uids_;  // of those owed when it began
  const bool no_modseq_;
  const uint64_t modseq_before_;
  // The least that the store said with the command under way: all up to it was told. 2^64-1: none.
  uint64_t stated_modseq_ = UINT64_MAX;
  uint32_t count_;  // messages of the session
  NumberMap map_;
  ResponseRewriter rewriter_;
  Running running_ = Running::kNothing;
  CommandKind held_ = CommandKind::kUnknown;  // kHeld, kSelecting: which
  bool reduced_ = false;                      // the command under way names messages that are gone
  bool closed_ = false;                       // kSelecting: data is of the mailbox to come
  bool eating_ = false;                       // the rest of a response that is not passed on
  bool over_ = false;
  bool due_ = false;
};

}  // namespace roost

#endif  // ROOST_CORE_CLIENT_RELAY_MAPPED_H_
