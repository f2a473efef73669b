// What an event of a mailbox costs: logged once, rendered once for each class of clients, sealed
// for each client; and the comparison by which clients join and wake.
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "core/feed/coalesce.h"
#include "core/feed/difference.h"
#include "core/feed/render.h"
#include "proto/check.h"
#include "proto/tls/record_layer.h"
#include "proto/tls/tls_state.h"

namespace roost {
namespace {

UidSet Range(uint32_t first, uint32_t last) {
  UidSet set;
  ROOST_CHECK(set.InsertRange(first, last));
  return set;
}

FeedEvent Arrival(uint32_t uid) {
  FeedEvent event;
  event.kind = FeedEvent::Kind::kExists;
  event.number = uid;
  event.uids.Insert(uid);
  return event;
}

FeedEvent Departure(uint32_t uid) {
  FeedEvent event;
  event.kind = FeedEvent::Kind::kExpunge;
  event.number = uid;
  event.uids.Insert(uid);
  event.numbers.Insert(uid);
  return event;
}

FeedEvent Reflagging(uint32_t uid) {
  FeedEvent event;
  event.kind = FeedEvent::Kind::kFlags;
  event.uids.Insert(uid);
  event.numbers.Insert(uid);
  event.text = "\\Seen $Forwarded";
  event.modseq = 1000 + uid;
  return event;
}

// One event told to this many idle clients: an idle client keeps its secret and no context.
void FanOut(benchmark::State& state) {
  std::vector<TlsState> clients(static_cast<size_t>(state.range(0)));
  for (size_t i = 0; i < clients.size(); ++i) {
    clients[i].suite = static_cast<TlsSuite>(1);
    clients[i].write_secret[0] = static_cast<uint8_t>(i);
  }
  FeedLog log(1024);
  uint32_t uid = 1;
  std::string text;
  std::string record;
  for (auto _ : state) {
    const uint64_t seq = log.Append(Arrival(uid++));
    text.clear();
    RenderEvent(log.At(seq), EnabledSet(), false, &text);
    for (TlsState& client : clients) {
      record.clear();
      ROOST_CHECK(Seal(client, text, &record));
      benchmark::DoNotOptimize(record.data());
    }
    log.TrimBelow(log.next_seq());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(FanOut)->ArgName("clients")->Arg(1)->Arg(4)->Arg(32)->Arg(1000);

void RenderFor(benchmark::State& state, EnabledSet enabled) {
  const FeedEvent events[] = {Arrival(1000), Departure(500), Reflagging(700)};
  std::string text;
  for (auto _ : state) {
    text.clear();
    for (const FeedEvent& event : events) RenderEvent(event, enabled, false, &text);
    benchmark::DoNotOptimize(text.data());
  }
  state.SetItemsProcessed(state.iterations() * 3);
}
BENCHMARK_CAPTURE(RenderFor, plain, EnabledSet());
BENCHMARK_CAPTURE(RenderFor, condstore, EnabledSet::Parse("CONDSTORE"));
BENCHMARK_CAPTURE(RenderFor, qresync, EnabledSet::Parse("QRESYNC"));

// A log that is full, with this many readers spread over it, is made smaller.
void CoalesceLog(benchmark::State& state) {
  constexpr uint32_t kEntries = 1024;
  const auto readers = static_cast<uint64_t>(state.range(0));
  const UidSet view = Range(1, kEntries);
  for (auto _ : state) {
    state.PauseTiming();
    std::vector<FeedLog::Numbered> entries;
    for (uint32_t i = 1; i <= kEntries; ++i) entries.push_back({i, Reflagging(1 + i % 100)});
    std::vector<uint64_t> cursors;
    for (uint64_t i = 0; i < readers; ++i) cursors.push_back(1 + i * kEntries / readers);
    state.ResumeTiming();
    benchmark::DoNotOptimize(Coalesce(std::move(entries), cursors, view));
  }
  state.SetItemsProcessed(state.iterations() * kEntries);
}
BENCHMARK(CoalesceLog)->ArgName("readers")->Arg(1)->Arg(32)->Unit(benchmark::kMicrosecond);

// What joining and waking compare: one message gone, one new, among this many.
void CompareViews(benchmark::State& state) {
  const auto n = static_cast<uint32_t>(state.range(0));
  const UidSet client = Range(1, n);
  UidSet destination = Range(1, n + 1);
  destination.Remove(n / 2 + 1);
  for (auto _ : state) benchmark::DoNotOptimize(Compare(client, n + 1, destination, n + 2));
}
BENCHMARK(CompareViews)->ArgName("messages")->Arg(10)->Arg(1000)->Arg(1'000'000);

// The same where every second UID is gone, so that nothing lies in ranges.
void CompareScatteredViews(benchmark::State& state) {
  const auto n = static_cast<uint32_t>(state.range(0));
  UidSet client;
  for (uint32_t uid = 2; client.size() < n; uid += 2) client.Insert(uid);
  UidSet destination = client;
  destination.Remove(n);
  for (auto _ : state) benchmark::DoNotOptimize(Compare(client, 2 * n + 1, destination, 2 * n + 1));
}
BENCHMARK(CompareScatteredViews)->ArgName("messages")->Arg(10)->Arg(1000)->Arg(1'000'000);

}  // namespace
}  // namespace roost
