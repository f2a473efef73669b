// Cuts any bytes in both directions, in steps drawn from the input: every promise of the framer's
// header must hold, and the cut of the input must not change what comes out.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proto/check.h"
#include "proto/imap/framer.h"

namespace roost {
namespace {

// What came out, in a form that does not depend on how the input was cut.
std::string Summary(Direction direction, std::string_view stream, size_t step, uint8_t raw_lines) {
  Framer framer(direction, {.max_line = 200});
  std::string summary;
  size_t given = 0, consumed = 0;
  bool open = false;
  while (given < stream.size()) {
    given = std::min(stream.size(), given + step);
    while (true) {
      if (direction == Direction::kCommands && !open && (raw_lines & 1) != 0) {
        framer.ExpectRawLine();
      }
      Piece piece = framer.Next(stream.substr(consumed, given - consumed));
      if (piece.kind == Piece::Kind::kNeedMore) break;
      if (piece.kind == Piece::Kind::kError) return summary + "!" + piece.error;
      ROOST_CHECK(!piece.bytes.empty());
      ROOST_CHECK(piece.bytes.data() == stream.data() + consumed);
      ROOST_CHECK(piece.begins_message == !open);
      ROOST_CHECK(piece.kind == Piece::Kind::kText || framer.literal_left() < stream.size() ||
                  !piece.ends_message);
      if (piece.begins_message) {
        summary += '<';
        raw_lines = static_cast<uint8_t>(raw_lines >> 1);
      }
      open = !piece.ends_message;
      ROOST_CHECK(framer.AtMessageStart() == !open);
      consumed += piece.bytes.size();
      summary += piece.bytes;
      if (piece.literal.present) {
        ROOST_CHECK(piece.ends_line && open && framer.literal_left() == piece.literal.size);
        summary += piece.literal.non_sync ? "[+" : "[";
        summary += std::to_string(piece.literal.size);
        summary += ']';
      }
      if (!open) summary += '>';
      ROOST_CHECK(consumed <= given);
    }
  }
  // What is left is the begin of a line that fits.
  ROOST_CHECK(stream.size() - consumed < 200);
  return summary;
}

}  // namespace
}  // namespace roost

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  size_t step = 1 + data[0] % 64;
  uint8_t raw_lines = data[1];
  std::string_view stream(reinterpret_cast<const char*>(data + 2), size - 2);
  for (roost::Direction direction : {roost::Direction::kCommands, roost::Direction::kResponses}) {
    std::string cut = roost::Summary(direction, stream, step, raw_lines);
    std::string whole = roost::Summary(direction, stream, stream.size() + 1, raw_lines);
    ROOST_CHECK(cut == whole);
  }
  return 0;
}
