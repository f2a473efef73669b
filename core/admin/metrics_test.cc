#include "core/admin/metrics.h"

#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/base/version.h"

namespace roost {
namespace {

// Each line of the text: comments by their name, samples by name and labels.
struct Exposed {
  explicit Exposed(const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string first, kind, name, rest;
      words >> first;
      if (first == "#") {
        words >> kind >> name;
        std::getline(words, rest);
        if (kind == "TYPE") names.push_back(name);
        (kind == "TYPE" ? types : helps)[name] = rest.substr(rest.empty() ? 0 : 1);
        continue;
      }
      const size_t end = line.rfind(' ');
      EXPECT_TRUE(samples.emplace(line.substr(0, end), std::stod(line.substr(end))).second) << line;
    }
  }
  std::vector<std::string> names;  // in order
  std::map<std::string, std::string> types, helps;
  std::map<std::string, double> samples;
};

// Every number another one.
MetricsInput Input() {
  MetricsInput input;
  input.stores = {"main", "other"};
  uint64_t n = 1000;
  for (int shard = 0; shard < 2; ++shard) {
    ShardFigures f;
    for (const FigureName& figure : FigureNames()) figure.of(f) = n++;
    // What is part of something else is not more.
    f.client_stats.parked += 1000;
    f.feeds.adopted += 1000;
    f.feeds.audits += 10'000;
    f.stores.resize(2);
    f.stores[0].open = n++;
    f.stores[1].lost[static_cast<size_t>(SessionLoss::kBye)] = n++;
    f.client_stats.Hit(ClientLimit::kLog);
    f.client_stats.fan_out.Add(15 * kNsPerUs);
    f.client_stats.fan_out.Add(SecondsToNs(1000));
    f.client_stats.woken_by[static_cast<size_t>(CommandKind::kFetch)] = 3;
    f.client_stats.woken_by[static_cast<size_t>(CommandKind::kUnknown)] = 2;
    f.feeds.events[static_cast<size_t>(FeedEvent::Kind::kFlags)] = 5;
    f.io.connected_received_bytes = 10 + shard;
    f.io.connected_sent_bytes = 20 + shard;
    f.streams.handshakes[0][static_cast<size_t>(HandshakeEnd::kResumed)] = 7;
    f.streams.handshakes[1][static_cast<size_t>(HandshakeEnd::kTrust)] = 9;
    input.shards.push_back(f);
  }
  return input;
}

TEST(Metrics, AreWhatTheFiguresSay) {
  const MetricsInput input = Input();
  const ShardFigures& first = input.shards[0];
  const ShardFigures& second = input.shards[1];
  const Exposed shown(MetricsText(input));
  const auto at = [&](const std::string& sample) {
    const auto it = shown.samples.find(sample);
    return it == shown.samples.end() ? -1 : it->second;
  };
  EXPECT_EQ(at("roost_build_info{version=\"" + std::string(kVersion) + "\",compiler=\"" +
               std::string(kCompiler) + "\",boringssl=\"" + std::string(kBoringSslApi) + "\"}"),
            1);
  EXPECT_EQ(at("roost_clients{state=\"parked\"}"), first.parked + second.parked);
  EXPECT_EQ(at("roost_shard_clients{shard=\"1\"}"), second.clients);
  EXPECT_EQ(at("roost_sessions{store=\"main\",state=\"open\"}"),
            first.stores[0].open + second.stores[0].open);
  EXPECT_EQ(at("roost_sessions{store=\"other\",state=\"open\"}"), 0);
  EXPECT_EQ(at("roost_sessions_lost_total{store=\"other\",reason=\"bye\"}"),
            first.stores[1].lost[3] + second.stores[1].lost[3]);
  EXPECT_EQ(at("roost_limit_hits_total{limit=\"log\"}"), 2);
  EXPECT_EQ(at("roost_wakes_total{command=\"fetch\"}"), 6);
  EXPECT_EQ(at("roost_wakes_total{command=\"other\"}"), 4);
  EXPECT_EQ(at("roost_feed_events_total{kind=\"flags\"}"), 10);
  EXPECT_EQ(at("roost_tls_handshakes_total{peer=\"client\",kind=\"resumed\"}"), 14);
  EXPECT_EQ(at("roost_tls_handshake_failures_total{peer=\"store\",reason=\"trust\"}"), 18);
  EXPECT_EQ(at("roost_tls_handshake_failures_total{peer=\"store\",reason=\"full\"}"), -1);
  EXPECT_EQ(at("roost_received_bytes_total{peer=\"store\"}"), 21);
  EXPECT_EQ(at("roost_received_bytes_total{peer=\"client\"}"),
            first.io.received_bytes + second.io.received_bytes - 21);
  EXPECT_EQ(at("roost_sent_bytes_total{peer=\"store\"}"), 41);
  EXPECT_EQ(at("roost_sent_bytes_total{peer=\"client\"}"),
            first.io.sent_bytes + second.io.sent_bytes - 41);
  EXPECT_EQ(at("roost_memory_bytes{kind=\"logs\"}"), first.memory.logs + second.memory.logs);
  for (const auto& [name, value] : shown.samples) EXPECT_GE(value, 0) << name;
}

// Two names may lead to one address; a sample given twice is no exposition.
TEST(Metrics, ShowEachAddressOfAStoreOnce) {
  MetricsInput input = Input();
  input.addresses.resize(2);
  for (const char* text : {"10.0.0.1:143", "10.0.0.2:143", "10.0.0.1:143", "10.0.0.3:143"}) {
    input.addresses[1].emplace_back();
    ASSERT_TRUE(Address::Parse(text, &input.addresses[1].back().address));
  }
  input.addresses[1][1].down = input.addresses[1][2].down = input.addresses[1][3].gone = true;
  const Exposed shown(MetricsText(input));
  EXPECT_EQ(shown.samples.at("roost_store_address_up{store=\"other\",address=\"10.0.0.1:143\"}"),
            1);
  EXPECT_EQ(shown.samples.at("roost_store_address_up{store=\"other\",address=\"10.0.0.2:143\"}"),
            0);
  EXPECT_EQ(shown.samples.count("roost_store_address_up{store=\"other\",address=\"10.0.0.3:143\"}"),
            0u);
}

TEST(Metrics, AreExactForLargeNumbers) {
  MetricsInput input;
  input.shards.resize(1);
  input.shards[0].io.received_bytes = 9'007'199'254'740'991;  // what a double holds
  EXPECT_EQ(Exposed(MetricsText(input)).samples.at("roost_received_bytes_total{peer=\"client\"}"),
            9'007'199'254'740'991.0);
}

TEST(Metrics, HistogramsAreCumulative) {
  const Exposed shown(MetricsText(Input()));
  EXPECT_EQ(shown.samples.at("roost_fan_out_seconds_bucket{le=\"1e-05\"}"), 0);
  EXPECT_EQ(shown.samples.at("roost_fan_out_seconds_bucket{le=\"2e-05\"}"), 2);
  EXPECT_EQ(shown.samples.at("roost_fan_out_seconds_bucket{le=\"+Inf\"}"), 4);
  EXPECT_EQ(shown.samples.at("roost_fan_out_seconds_count"), 4);
  EXPECT_NEAR(shown.samples.at("roost_fan_out_seconds_sum"), 2000.00003, 1e-6);
}

TEST(Metrics, FollowTheConventions) {
  const Exposed shown(MetricsText(Input()));
  const std::set<std::string> unique(shown.names.begin(), shown.names.end());
  EXPECT_EQ(unique.size(), shown.names.size());
  for (const std::string& name : shown.names) {
    EXPECT_TRUE(name.starts_with("roost_") || name.starts_with("process_")) << name;
    EXPECT_EQ(name.ends_with("_total"), shown.types.at(name) == "counter") << name;
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), name.npos) << name;
    EXPECT_TRUE(shown.helps.at(name).ends_with('.')) << name;
  }
}

TEST(Metrics, HaveTheLabelsThatTheReferenceNames) {
  const Exposed shown(MetricsText(Input()));
  const std::string reference = MetricsReference();
  for (const auto& [sample, value] : shown.samples) {
    const size_t brace = sample.find('{');
    if (brace == sample.npos || sample.find("_bucket{") != sample.npos) continue;
    const size_t row = reference.find("| `" + sample.substr(0, brace) + "` |");
    ASSERT_NE(row, reference.npos) << sample;
    const std::string line = reference.substr(row, reference.find('\n', row) - row);
    for (size_t at = brace; at != sample.npos && sample[at] != '}';) {
      const size_t end = sample.find('=', at);
      const std::string label = sample.substr(at + 1, end - at - 1);
      const size_t close = sample.find('"', end + 2);
      const std::string text = sample.substr(end + 2, close - end - 2);
      EXPECT_NE(line.find(label), line.npos) << sample;
      const bool open = label == "store" || label == "shard" || label == "command" ||
                        sample.starts_with("roost_build_info");
      EXPECT_TRUE(open || line.find(text) != line.npos) << sample;
      at = close + 1;
    }
  }
}

TEST(MetricsReference, HasEveryMetricOnce) {
  const Exposed shown(MetricsText(Input()));
  std::vector<std::string> rows;
  std::istringstream lines(MetricsReference());
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("| `")) rows.push_back(line.substr(3, line.find('`', 3) - 3));
  }
  EXPECT_EQ(rows, shown.names);
}

// The README ends its chapter on metrics with exactly what `roostd --metrics-reference` prints.
TEST(MetricsReference, StandsInTheReadme) {
  std::ifstream file("README.md");  // tests run in the root of the source tree
  if (!file) GTEST_SKIP() << "no README.md in the working directory";
  std::stringstream readme;
  readme << file.rdbuf();
  EXPECT_NE(readme.str().find("\n\n" + MetricsReference() + "\n"), std::string::npos)
      << "replace the table in README.md by the output of roostd --metrics-reference";
}

TEST(ProcessFigures, AreThoseOfThisProcess) {
  const ProcessFigures before = ReadProcessFigures();
  EXPECT_GT(before.resident_bytes, 1u << 20);
  EXPECT_GT(before.start_seconds, 1.6e9);
  const std::vector<char> held(32 << 20, 'x');
  const ProcessFigures after = ReadProcessFigures();
  EXPECT_GE(after.resident_bytes, before.resident_bytes + held.size() / 2);
  EXPECT_EQ(after.start_seconds, before.start_seconds);
  EXPECT_GE(after.cpu_seconds, before.cpu_seconds);
}

}  // namespace
}  // namespace roost
