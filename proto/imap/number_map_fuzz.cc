// Rewrites any bytes as a command and as a response. What is rewritten must be the same command but
// for its numbers, and must not depend on where a response is cut; with nothing gone, and no `*`,
// nothing changes.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proto/check.h"
#include "proto/imap/command.h"
#include "proto/imap/framer.h"
#include "proto/imap/number_map.h"
#include "proto/imap/response.h"

namespace roost {
namespace {

// One command, and the framer of a store says so too.
void CheckOneCommand(std::string_view text) {
  Framer framer(Direction::kCommands, {.max_line = size_t{1} << 24});
  while (!text.empty()) {
    const Piece piece = framer.Next(text);
    ROOST_CHECK(piece.kind == Piece::Kind::kText || piece.kind == Piece::Kind::kLiteral);
    ROOST_CHECK(!piece.literal.present || piece.literal.non_sync);
    text.remove_prefix(piece.bytes.size());
    ROOST_CHECK(piece.ends_message == text.empty());
  }
  ROOST_CHECK(framer.AtMessageStart());
}

void CheckCommand(const NumberMap& map, std::string_view text, uint32_t count,
                  LiteralsTaken literals) {
  const Command command = ParseCommand(text);
  std::string out;
  const Rewriting result = RewriteCommand(map, command, count, literals, &out);
  if (result != Rewriting::kWhole && result != Rewriting::kReduced) {
    ROOST_CHECK(out.empty());
    return;
  }
  CheckOneCommand(out);
  const Command again = ParseCommand(out);
  ROOST_CHECK(again.complete && again.kind == command.kind && again.uid == command.uid);
  ROOST_CHECK(again.tag == command.tag && IsStateless(again));
  ROOST_CHECK(!ForbidsExpunge(again) || ForbidsExpunge(command));
  // With nothing gone it stays what it is.
  std::string same;
  ROOST_CHECK(RewriteCommand(NumberMap(), again, count, LiteralsTaken::kAll, &same) ==
              Rewriting::kWhole);
  std::string twice;
  ROOST_CHECK(RewriteCommand(NumberMap(), ParseCommand(same), count, LiteralsTaken::kAll, &twice) ==
              Rewriting::kWhole);
  ROOST_CHECK(same == twice);
}

std::string Respond(const NumberMap& map, std::string_view text, bool by_number, size_t head,
                    size_t step) {
  std::string out;
  ResponseRewriter rewriter(map);
  const std::string_view first = text.substr(0, head);
  rewriter.Begin(first, ParseResponse(text.substr(0, head)), by_number, &out);
  for (size_t i = head; i < text.size(); i += step) rewriter.More(text.substr(i, step), &out);
  return out;
}

void CheckResponse(const NumberMap& map, std::string_view text, size_t step) {
  const size_t line = std::min(text.find('\n'), text.size() - 1) + 1;
  const Response response = ParseResponse(text.substr(0, line));
  if (response.kind == ResponseKind::kMalformed) return;
  for (bool by_number : {false, true}) {
    const std::string whole = Respond(map, text, by_number, line, text.size());
    ROOST_CHECK(Respond(map, text, by_number, line, step) == whole);
    // Of a list the first piece may be as short as its name.
    const bool list =
        response.kind == ResponseKind::kSearch || response.kind == ResponseKind::kEsearch ||
        response.kind == ResponseKind::kSort || response.kind == ResponseKind::kThread;
    if (list && !response.rest.empty()) {
      const auto head = static_cast<size_t>(response.rest.data() - text.data()) + 1;
      ROOST_CHECK(Respond(map, text, by_number, head, step) == whole);
    }
    if (response.kind != ResponseKind::kSearch) continue;
    // As many numbers as before.
    ROOST_CHECK(std::count(whole.begin(), whole.end(), ' ') ==
                std::count(text.begin(), text.end(), ' '));
  }
}

}  // namespace
}  // namespace roost

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace roost;  // NOLINT: a fuzz target's only function
  if (size < 6) return 0;
  UidSet gone;
  const uint32_t bits =
      data[0] | static_cast<uint32_t>(data[1]) << 8 | static_cast<uint32_t>(data[2]) << 16;
  for (uint32_t n = 1; n <= 24; ++n) {
    if ((bits >> (n - 1) & 1) != 0) gone.Insert(n);
  }
  const NumberMap map(gone);
  const uint32_t count = std::max<uint32_t>(data[3] % 64, gone.Last());
  const auto literals = static_cast<LiteralsTaken>(data[4] % 3);
  const size_t step = 1 + data[5] % 16;
  const std::string_view text(reinterpret_cast<const char*>(data + 6), size - 6);
  for (uint32_t n = 1; n <= count; ++n) {
    const uint32_t session = map.ToSession(n);
    ROOST_CHECK(session == 0 ? gone.Contains(n) : map.ToClient(session) == n);
  }
  CheckCommand(map, text, count, literals);
  if (!text.empty()) CheckResponse(map, text, step);
  return 0;
}
