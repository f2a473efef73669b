// What IMAP's bytes cost: cutting a stream into pieces, understanding a command or a response, and
// the sets of UIDs that views are made of.

#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>

#include <benchmark/benchmark.h>

#include "proto/check.h"
#include "proto/imap/command.h"
#include "proto/imap/framer.h"
#include "proto/imap/response.h"
#include "proto/imap/uid_set.h"

namespace roost {
namespace {

size_t CountPieces(Framer& framer, std::string_view stream) {
  size_t pieces = 0;
  while (!stream.empty()) {
    const Piece piece = framer.Next(stream);
    ROOST_CHECK(piece.kind == Piece::Kind::kText || piece.kind == Piece::Kind::kLiteral);
    stream.remove_prefix(piece.bytes.size());
    ++pieces;
  }
  return pieces;
}

// The answer to FETCH 1:100 (UID FLAGS): many short lines.
void FrameShortResponses(benchmark::State& state) {
  std::string stream;
  for (int n = 1; n <= 100; ++n) {
    stream += "* " + std::to_string(n) + " FETCH (UID " + std::to_string(n * 7) +
              " FLAGS (\\Seen $Forwarded))\r\n";
  }
  for (auto _ : state) {
    Framer framer(Direction::kResponses);
    benchmark::DoNotOptimize(CountPieces(framer, stream));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(stream.size()));
}
BENCHMARK(FrameShortResponses);

// A message of 1 MiB on its way, in reads of 16 KiB.
void FrameLiteral(benchmark::State& state) {
  constexpr size_t kBody = 1 << 20;
  constexpr size_t kRead = 16384;
  const std::string stream =
      "* 1 FETCH (BODY[] {" + std::to_string(kBody) + "}\r\n" + std::string(kBody, 'x') + ")\r\n";
  for (auto _ : state) {
    Framer framer(Direction::kResponses);
    for (size_t at = 0; at < stream.size(); at += kRead) {
      benchmark::DoNotOptimize(CountPieces(framer, std::string_view(stream).substr(at, kRead)));
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(stream.size()));
}
BENCHMARK(FrameLiteral);

// Commands and responses that come byte by byte.
void FrameByteByByte(benchmark::State& state) {
  const bool commands = state.range(0) != 0;
  const std::string_view line = commands ? "a123 UID STORE 12:40 +FLAGS.SILENT (\\Seen)\r\n"
                                         : "* 12 FETCH (UID 512 FLAGS (\\Seen $Forwarded))\r\n";
  for (auto _ : state) {
    Framer framer(commands ? Direction::kCommands : Direction::kResponses);
    for (size_t have = 1; have <= line.size(); ++have) {
      benchmark::DoNotOptimize(framer.Next(line.substr(0, have)));
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(line.size()));
}
BENCHMARK(FrameByteByByte)->ArgName("commands")->Arg(0)->Arg(1);

void ParseCommands(benchmark::State& state) {
  constexpr std::string_view kLines[] = {
      "a1 IDLE\r\n", "a2 UID FETCH 1:* (FLAGS)\r\n", "a3 SELECT \"INBOX\"\r\n",
      "a4 UID STORE 12 +FLAGS.SILENT (\\Seen)\r\n", "a5 NOOP\r\n"};
  size_t next = 0;
  for (auto _ : state) {
    const Command command = ParseCommand(kLines[next++ % std::size(kLines)]);
    benchmark::DoNotOptimize(IsStateless(command));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(ParseCommands);

void ParseResponses(benchmark::State& state) {
  constexpr std::string_view kLines[] = {
      "* 172 EXISTS\r\n", "* 12 FETCH (UID 512 FLAGS (\\Seen))\r\n", "* 44 EXPUNGE\r\n",
      "* OK Still here\r\n", "a4 OK [MODIFIED 7] done\r\n"};
  size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(ParseResponse(kLines[next++ % std::size(kLines)]));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(ParseResponses);

// A view of n messages; every fourth UID is gone.
UidSet MakeView(int64_t n) {
  UidSet view;
  for (uint32_t uid = 1; view.size() < static_cast<uint32_t>(n); ++uid) {
    if (uid % 4 != 0) view.Insert(uid);
  }
  return view;
}

void NumberOfUid(benchmark::State& state) {
  const UidSet view = MakeView(state.range(0));
  uint32_t uid = 1;
  for (auto _ : state) {
    benchmark::DoNotOptimize(view.PositionOf(uid));
    uid = (uid * 1664525 + 1013904223) % view.Last();
  }
  state.counters["bytes"] = static_cast<double>(view.memory_bytes());
}
BENCHMARK(NumberOfUid)->Arg(10)->Arg(1000)->Arg(1'000'000);

void DifferenceOfSets(benchmark::State& state) {
  const UidSet a = MakeView(state.range(0));
  UidSet b = a;
  b.Remove(a.Last());
  for (auto _ : state) benchmark::DoNotOptimize(UidSet::Difference(a, b).size());
}
BENCHMARK(DifferenceOfSets)->Arg(10)->Arg(1000)->Arg(1'000'000);

void ReadListing(benchmark::State& state) {
  std::string line = "* ESEARCH (TAG \"a\") UID ALL ";
  for (int64_t i = 1; i <= state.range(0); ++i) {
    line += std::to_string(i * 4) + ":" + std::to_string(i * 4 + 2) + ",";
  }
  line.back() = '\r';
  line += '\n';
  for (auto _ : state) {
    UidSet set;
    SearchListParser parser(&set);
    ROOST_CHECK(parser.Feed(line) && parser.Finish());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(line.size()));
}
BENCHMARK(ReadListing)->Arg(100)->Arg(10'000);

}  // namespace
}  // namespace roost
