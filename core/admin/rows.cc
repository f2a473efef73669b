#include "core/admin/rows.h"

#include <charconv>
#include <iterator>
#include <utility>

#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/shard/server.h"

namespace roost {
namespace {

// Longer than a shard sleeps and steps.
constexpr uint64_t kPatienceNs = SecondsToNs(3);

const char* KeyOf(Listing::What what) {
  return what == Listing::What::kClients ? "clients" : "feeds";
}

enum class End : uint8_t { kAll, kLimit, kFailed, kNobodyListens };

// Rows of one shard; *left is what may still be told.
End SayPart(Listing& part, uint64_t* left, bool* first, const Say& say) {
  std::vector<std::string> rows;
  for (;;) {
    switch (part.Take(&rows, kPatienceNs)) {
      case Listing::Taken::kOver:
        return End::kAll;
      case Listing::Taken::kFailed:
        return End::kFailed;
      case Listing::Taken::kSome:
        break;
    }
    std::string text;
    bool more = false;
    for (const std::string& row : rows) {
      more = *left == 0;
      if (more) break;
      --*left;
      text += std::exchange(*first, false) ? "\n" : ",\n";
      text += row;
    }
    if (!say(text)) return End::kNobodyListens;
    if (more) return End::kLimit;
  }
}

}  // namespace

bool ParseRowsRequest(std::string_view line, RowsRequest* request) {
  const size_t blank = line.find(' ');
  const std::string_view word = line.substr(0, blank);
  if (blank == line.npos || (word != "clients" && word != "feeds")) return false;
  request->what = word == "clients" ? Listing::What::kClients : Listing::What::kFeeds;
  line.remove_prefix(blank + 1);
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), request->limit);
  if (error != std::errc()) return false;
  line.remove_prefix(static_cast<size_t>(end - line.data()));
  request->user.clear();
  if (line.empty()) return true;
  if (line.size() == 1 || line.front() != ' ') return false;
  request->user = line.substr(1);
  return true;
}

std::vector<std::shared_ptr<Listing>> PostListings(Server& server, const RowsRequest& request) {
  std::vector<std::shared_ptr<Listing>> parts;
  for (uint32_t i = 0; i < server.shards(); ++i) {
    parts.push_back(std::make_shared<Listing>(request.what, i, request.user));
    server.Post(i, parts.back());
  }
  return parts;
}

void SayRows(const RowsRequest& request, const std::vector<std::shared_ptr<Listing>>& parts,
             const Say& say) {
  End end = End::kAll;
  uint64_t left = request.limit == 0 ? UINT64_MAX : request.limit;
  bool first = true;
  std::string head = "{\"";
  if (!say(head.append(KeyOf(request.what)).append("\": ["))) end = End::kNobodyListens;
  for (const auto& part : parts) {
    if (end == End::kAll) end = SayPart(*part, &left, &first, say);
    part->Cancel();
  }
  if (end == End::kNobodyListens) return;
  const char* name = end == End::kAll ? "all" : end == End::kLimit ? "limit" : "failed";
  say(std::string(first ? "" : "\n") + "], \"end\": \"" + name + "\"}\n");
}

std::string BackendsJson(const std::vector<ShardFigures>& shards,
                         const std::vector<std::string>& stores,
                         const StoreResolver::Addresses& addresses) {
  static constexpr const char* kLost[] = {"lost_no_place", "lost_unreachable", "lost_refused",
                                          "lost_bye",      "lost_closed",      "lost_protocol",
                                          "lost_timeout"};
  static_assert(std::size(kLost) == kSessionLosses);
  ShardFigures total;
  for (const ShardFigures& f : shards) total += f;
  total.stores.resize(stores.size());
  std::string out = "{\"backends\": [";
  for (size_t i = 0; i < stores.size(); ++i) {
    const DialerStats& s = total.stores[i];
    out += i == 0 ? "\n" : ",\n";
    JsonObject o(&out);
    o.Text("store", stores[i]);
    const std::vector<StoreAddress>& places = addresses.at(i);
    o.Text("up", Listed(places, [](const StoreAddress& one) { return !one.gone && !one.down; }));
    o.Text("down", Listed(places, [](const StoreAddress& one) { return !one.gone && one.down; }));
    // Gone ones too: they stay drained, and their sessions where they are, until somebody acts.
    o.Text("drained", Listed(places, [](const StoreAddress& one) { return one.drained; }));
    o.Number("leaving", s.leaving);
    o.Number("open", s.open);
    o.Number("logging_in", s.logging_in);
    o.Number("waiting", s.waiting);
    o.Number("opened", s.opened);
    o.Number("refused", s.refused);
    for (size_t loss = 0; loss < kSessionLosses; ++loss) o.Number(kLost[loss], s.lost[loss]);
    o.End();
  }
  return out + (stores.empty() ? "" : "\n") + "], \"end\": \"" +
         (shards.empty() ? "failed" : "all") + "\"}\n";
}

}  // namespace roost
