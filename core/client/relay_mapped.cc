#include "core/client/relay_mapped.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/feed/render.h"
#include "proto/imap/writer.h"

namespace roost {
namespace {

uint64_t ParseNumber(std::string_view text) {
  uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::string HighestModseqCode(uint64_t modseq) {
  std::string code = "[HIGHESTMODSEQ ";
  AppendNumber(&code, modseq);
  return code + "] ";
}

// The mailbox is selected no more. After BAD to a SELECT nobody knows, so the numbers stay.
bool Deselects(CommandKind kind, Status status) {
  if (Selects(kind)) return status != Status::kBad;
  return (kind == CommandKind::kClose || kind == CommandKind::kUnselect) && status == Status::kOk;
}

}  // namespace

RelayMapped::RelayMapped(OwedExpunges owed)
    : uids_(std::move(owed.uids)),
      no_modseq_(owed.no_modseq),
      modseq_before_(owed.modseq_before),
      count_(owed.count),
      map_(std::move(owed.numbers)),
      rewriter_(map_) {}

RelayMapped::Way RelayMapped::WayOf(const Command& command) {
  switch (command.kind) {
    case CommandKind::kSelect:
    case CommandKind::kExamine:
    case CommandKind::kClose:
    case CommandKind::kUnselect:
    case CommandKind::kLogout:
      return Way::kHold;
    case CommandKind::kFetch:
    case CommandKind::kStore:
    case CommandKind::kCopy:
    case CommandKind::kMove:
    case CommandKind::kSearch:
    case CommandKind::kSort:
    case CommandKind::kThread:
      // A search that is not whole yet: its numbers may be still to come.
      return UsesSequenceNumbers(command) ? Way::kRewrite : Way::kTell;
    default:
      return UsesSequenceNumbers(command) ? Way::kRefuse : Way::kTell;
  }
}

void RelayMapped::Hold(const Command& command) {
  running_ = Selects(command.kind) ? Running::kSelecting : Running::kHeld;
  held_ = command.kind;
  reduced_ = closed_ = false;
}

// A search whose numbers are all gone is none by number any more, so that the store may tell of
// expunges before its answer, by UID, when the client may not be told. One that proved to have none
// when it was whole has nothing to lose, and what is owed is told with it.
bool RelayMapped::LosesNumbers(const Command& command, EnabledSet enabled,
                               std::string_view rewritten) const {
  return command.uid && TellsByUid(enabled) && UsesSequenceNumbers(command) &&
         !UsesSequenceNumbers(ParseCommand(rewritten));
}

Rewriting RelayMapped::Rewrite(const Command& command, LiteralsTaken literals, EnabledSet enabled,
                               std::string* out) {
  const size_t before = out->size();
  Rewriting result = RewriteCommand(map_, command, map_.CountForClient(count_), literals, out);
  // All or nothing (RFC 3501, 6.4.7).
  const bool copies = command.kind == CommandKind::kCopy || command.kind == CommandKind::kMove;
  const bool all_or_nothing = copies && result == Rewriting::kReduced;
  if (all_or_nothing || (result == Rewriting::kWhole &&
                         LosesNumbers(command, enabled, std::string_view(*out).substr(before)))) {
    out->resize(before);
    result = Rewriting::kEmpty;
  }
  if (result == Rewriting::kWhole || result == Rewriting::kReduced) {
    running_ = command.uid ? Running::kByUid : Running::kByNumber;
    reduced_ = result == Rewriting::kReduced;
  }
  return result;
}

bool RelayMapped::Map(const Piece& piece, const Response* first, EnabledSet enabled,
                      std::string* out) {
  if (first != nullptr) return MapFirst(piece, *first, enabled, out);
  if (!eating_) rewriter_.More(piece.bytes, out);
  if (piece.ends_message) eating_ = false;
  return true;
}

bool RelayMapped::MapFirst(const Piece& piece, const Response& first, EnabledSet enabled,
                           std::string* out) {
  // A status in parts: the numbers in its code are not all here.
  if (!piece.ends_message && !first.text.empty()) return false;
  if (running_ == Running::kSelecting) {
    // Where [CLOSED] is announced what comes before is of the mailbox before; else nobody can tell
    // (RFC 7162, 3.2.11; RFC 9051, 7.1).
    const bool fails = first.kind == ResponseKind::kTagged && first.status != Status::kOk;
    // The last word of this mailbox. Behind anything else it would be taken for one of the next.
    if (!closed_ && (first.CodeIs("CLOSED") || fails)) TellKnown(enabled, out);
    closed_ = closed_ || first.CodeIs("CLOSED") || !(enabled.qresync() || enabled.rev2());
    if (closed_ && first.kind != ResponseKind::kTagged) {
      rewriter_.Pass(piece.bytes, out);
      return true;
    }
  }
  switch (first.kind) {
    case ResponseKind::kTagged:
      MapTagged(piece.bytes, first, enabled, out);
      over_ = (running_ == Running::kHeld || running_ == Running::kSelecting) &&
              Deselects(held_, first.status);
      running_ = Running::kNothing;
      reduced_ = false;
      return true;
    case ResponseKind::kOk:
      if (!first.CodeIs("HIGHESTMODSEQ")) break;
      if (const uint64_t stated = ParseNumber(first.code_args); stated != 0) {
        stated_modseq_ = std::min(stated_modseq_, stated);
      }
      eating_ = !piece.ends_message;  // that it knows of all up to there is not so
      return true;
    case ResponseKind::kExpunge:
    case ResponseKind::kVanished:
      if (first.earlier) break;
      eating_ = !piece.ends_message;
      return Expunged(first, enabled);
    case ResponseKind::kExists:
      count_ = first.number;
      break;
    default:
      break;
  }
  rewriter_.Begin(piece.bytes, first, running_ == Running::kByNumber, out);
  return true;
}

// At a time when the client may not be told.
bool RelayMapped::Expunged(const Response& first, EnabledSet enabled) {
  // By UID it would have to be told, and which it was is not known here.
  if (first.kind == ResponseKind::kVanished || TellsByUid(enabled)) return false;
  if (first.number > count_ || !map_.AddGone(first.number)) return false;
  --count_;
  return true;
}

void RelayMapped::MapTagged(std::string_view line, const Response& response, EnabledSet enabled,
                            std::string* out) {
  const bool ok = response.status == Status::kOk;
  // At kNothing it refuses a command of which only the beginning was sent.
  const bool ours = running_ != Running::kNothing && running_ != Running::kSelecting;
  if (ours && ok && response.CodeIs("ALERT")) {
    // By itself, since the answer may need another code, or be another one.
    out->append("* OK [ALERT] ").append(response.text).append("\r\n");
    const std::string rest =
        std::string(response.tag) + " OK " + std::string(response.text) + "\r\n";
    return MapTagged(rest, ParseResponse(rest), enabled, out);
  }
  bool plain = ours && ok && response.code.empty();
  if (running_ != Running::kSelecting && TellsModseq(enabled)) {
    const bool highest = response.CodeIs("HIGHESTMODSEQ");
    if (highest) stated_modseq_ = std::min(stated_modseq_, ParseNumber(response.code_args));
    if (!reduced_ && ok && (highest || plain)) {
      out->append(response.tag).append(" OK ").append(HighestModseqCode(TakeKnown()));
      out->append(response.text).append("\r\n");
      return;
    }
    TellKnown(enabled, out);
    plain = plain || (ours && ok && highest);
  }
  if (plain && reduced_) {
    out->append(response.tag).append(" ").append(kExpungeIssued).append("\r\n");
    return;
  }
  rewriter_.Begin(line, response, running_ == Running::kByNumber, out);
}

uint64_t RelayMapped::TakeKnown() {
  return std::min(modseq_before_, std::exchange(stated_modseq_, UINT64_MAX));
}

void RelayMapped::TellKnown(EnabledSet enabled, std::string* out) {
  if (!TellsModseq(enabled)) return;
  out->append("* OK ").append(HighestModseqCode(TakeKnown()));
  out->append("Not all expunges are told yet\r\n");
}

void RelayMapped::Tell(EnabledSet enabled, std::string* out) const {
  RenderExpunges(uids_, map_.gone(), enabled, no_modseq_, out);
}

}  // namespace roost
