// Open under a peer that does what the input says: records of any type and content, well sealed or
// not, KeyUpdates, garbage. Three readers must agree: at once, in pieces, and with a context.
//
// Input: a byte for suite and role, one for the size of the pieces (0: at once), then steps. The
// low two bits of a step's first byte tell its kind: 0 a sealed record (type, two bytes of length,
// padding, content), 1 bytes as they are (a byte of length, content), 2 a good KeyUpdate (bit 2:
// with request), 3 a record of data (times 72 bytes).

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "proto/check.h"
#include "proto/tls/raw_record.h"
#include "proto/tls/record_layer.h"
#include "proto/tls/record_layer_test_util.h"

namespace roost {
namespace {

class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}
  bool empty() const { return rest_.empty(); }
  uint8_t Byte() {
    if (rest_.empty()) return 0;
    const auto byte = static_cast<uint8_t>(rest_[0]);
    rest_.remove_prefix(1);
    return byte;
  }
  std::string_view Take(size_t n) {
    const std::string_view taken = rest_.substr(0, n);
    rest_.remove_prefix(taken.size());
    return taken;
  }

 private:
  std::string_view rest_;
};

std::string MakeWire(Input& input, TlsState& writer) {
  std::string wire;
  while (!input.empty() && wire.size() < 200000) {
    const uint8_t step = input.Byte();
    switch (step & 3) {
      case 0: {
        const uint8_t type = input.Byte();
        const size_t bytes = size_t{input.Byte()} << 8 | input.Byte();
        const size_t padding = input.Byte();
        wire += SealRaw(writer, type, input.Take(bytes), padding);
        break;
      }
      case 1:
        wire += input.Take(input.Byte());
        break;
      case 2:
        if (!IsTls13(writer)) break;
        wire += SealRaw(writer, 22, KeyUpdateMessage(step >> 2 & 1));
        AdvanceWriteKey(writer);
        break;
      default:
        wire += SealRaw(writer, 23, std::string(size_t{input.Byte()} * 72, 'd'));
    }
  }
  return wire;
}

struct Seen {
  std::string data, reply;
  OpenResult::Status end = OpenResult::kNeedMore;
  uint8_t alert = 0;
};

// Gives the reader `piece` more bytes each time, as a socket would.
Seen Read(TlsState state, const std::string& wire, size_t piece, RecordContext* context) {
  Seen seen;
  std::string buffer;
  for (size_t at = 0; at < wire.size(); at += piece) {
    buffer.append(wire, at, piece);
    std::span<uint8_t> in = Bytes(buffer);
    for (;;) {
      const size_t replied = seen.reply.size();
      const size_t needed = NeededForRecord(state, in);
      ROOST_CHECK(needed <= kMaxRecordBytes);
      const OpenResult result = Open(state, in, &seen.reply, context);
      ROOST_CHECK(result.consumed <= in.size());
      ROOST_CHECK(result.reply == (seen.reply.size() > replied));
      ROOST_CHECK((result.status == OpenResult::kData) == !result.plaintext.empty());
      ROOST_CHECK(result.status != OpenResult::kNeedMore || in.size() < needed);
      seen.data += Text(result.plaintext);
      if (result.status == OpenResult::kError || result.status == OpenResult::kCloseNotify) {
        seen.end = result.status;
        seen.alert = result.alert;
        const OpenResult again = Open(state, in.subspan(result.consumed), &seen.reply, context);
        ROOST_CHECK(again.status == result.status);
        return seen;
      }
      if (result.status == OpenResult::kNeedMore) break;
      in = in.subspan(result.consumed);
    }
    buffer.erase(0, buffer.size() - in.size());
  }
  ROOST_CHECK(Seal(state, "still able to answer", &seen.reply, context));
  return seen;
}

void CheckSame(const Seen& a, const Seen& b) {
  ROOST_CHECK(a.data == b.data && a.reply == b.reply && a.end == b.end && a.alert == b.alert);
}

}  // namespace
}  // namespace roost

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace roost;  // NOLINT: the one function outside
  Input input(data, size);
  const uint8_t head = input.Byte();
  const size_t piece = input.Byte();
  TlsPair pair = MakePair(kAllSuites[(head & 0x7f) % std::size(kAllSuites)]);
  const bool to_client = (head & 0x80) != 0;
  const TlsState reader = to_client ? pair.client : pair.server;
  const std::string wire = MakeWire(input, to_client ? pair.server : pair.client);
  if (wire.empty()) return 0;

  RecordContext context;
  const Seen at_once = Read(reader, wire, wire.size(), nullptr);
  CheckSame(at_once, Read(reader, wire, wire.size(), &context));
  // Small pieces of long input would only take time.
  const size_t least = wire.size() / 400 + 1;
  if (piece > 0) CheckSame(at_once, Read(reader, wire, std::max(piece, least), nullptr));
  return 0;
}
