#include "core/admin/rows.h"

#include <gtest/gtest.h>

#include "core/testing/scripted_world.h"

namespace roost {
namespace {

using What = Listing::What;

TEST(RowsRequest, HasALimitAndPerhapsAUser) {
  RowsRequest r;
  ASSERT_TRUE(ParseRowsRequest("clients 1000", &r));
  EXPECT_EQ(r.what, What::kClients);
  EXPECT_EQ(r.limit, 1000u);
  EXPECT_EQ(r.user, "");
  ASSERT_TRUE(ParseRowsRequest("feeds 0 ann smith ", &r));
  EXPECT_EQ(r.what, What::kFeeds);
  EXPECT_EQ(r.limit, 0u);
  EXPECT_EQ(r.user, "ann smith ");
}

TEST(RowsRequest, IsNothingElse) {
  RowsRequest r;
  for (const char* line :
       {"", "clients", "feeds", "clients ", "clients x", "clients -1", "clients 1x", "clients 1 ",
        "Clients 1", "backends 1", "clients 99999999999999999999"}) {
    EXPECT_FALSE(ParseRowsRequest(line, &r)) << line;
  }
}

class SayRowsTest : public ::testing::Test {
 protected:
  SayRowsTest() {
    for (int i = 0; i < 3; ++i) world_.Connect();
  }
  // Two shards, both the same.
  std::string Say(uint64_t limit, const Say& say) {
    std::vector<std::shared_ptr<Listing>> parts;
    for (uint32_t i = 0; i < 2; ++i) {
      parts.push_back(std::make_shared<Listing>(What::kClients, i, ""));
      while (parts.back()->Step(world_.shard()) == ShardJob::Progress::kMore) {
      }
      if (drop_ == i) parts.back()->Drop();
    }
    SayRows({What::kClients, limit, ""}, parts, say);
    return said_;
  }
  std::string Say(uint64_t limit) {
    return Say(limit, [this](std::string_view text) {
      said_ += text;
      return true;
    });
  }
  static size_t Rows(const std::string& said) {
    size_t rows = 0;
    for (size_t at = said.find("{\"user\""); at != said.npos; at = said.find("{\"user\"", at + 1)) {
      ++rows;
    }
    return rows;
  }

  ScriptedWorld world_;
  std::string said_;
  uint32_t drop_ = UINT32_MAX;
};

TEST_F(SayRowsTest, TellsThoseOfAllShards) {
  const std::string said = Say(0);
  EXPECT_EQ(Rows(said), 6u);
  EXPECT_EQ(said.substr(0, 22), "{\"clients\": [\n{\"user\":");
  EXPECT_NE(said.find("},\n{"), said.npos);
  EXPECT_TRUE(said.ends_with("}\n], \"end\": \"all\"}\n"));
}

TEST_F(SayRowsTest, EndsAtTheLimitAndSaysSoIfThereAreMore) {
  const std::string said = Say(4);
  EXPECT_EQ(Rows(said), 4u);
  EXPECT_TRUE(said.ends_with("\"end\": \"limit\"}\n"));
  said_.clear();
  EXPECT_TRUE(Say(6).ends_with("\"end\": \"all\"}\n"));
  EXPECT_EQ(Rows(said_), 6u);
}

TEST_F(SayRowsTest, SaysSoWhenAShardDoesNotAnswer) {
  drop_ = 1;
  EXPECT_TRUE(Say(0).ends_with("\"end\": \"failed\"}\n"));
}

TEST_F(SayRowsTest, StopsWhenNobodyListens) {
  int parts = 0;
  Say(0, [&](std::string_view) { return ++parts < 2; });
  EXPECT_EQ(parts, 2);
}

TEST(BackendsJson, HasALineForEachStore) {
  ShardFigures a, b;
  a.stores.resize(2);
  b.stores.resize(2);
  a.stores[1].open = 3, b.stores[1].open = 4;
  a.stores[1].leaving = 1, b.stores[1].leaving = 2;
  b.stores[0].lost[static_cast<size_t>(SessionLoss::kTimeout)] = 5;
  StoreResolver::Addresses addresses(2);
  for (const char* text :
       {"10.0.0.1:143", "10.0.0.2:143", "10.0.0.3:143", "10.0.0.4:143", "10.0.0.5:143"}) {
    addresses[1].emplace_back();
    ASSERT_TRUE(Address::Parse(text, &addresses[1].back().address));
  }
  addresses[1][0].drained = true;
  addresses[1][1].down = true;
  addresses[1][2].gone = addresses[1][2].down = true;
  addresses[1][4].gone = addresses[1][4].drained = true;
  EXPECT_EQ(BackendsJson({a, b}, {"main", "ot\"her"}, addresses),
            "{\"backends\": [\n"
            "{\"store\": \"main\", \"up\": \"\", \"down\": \"\", \"drained\": \"\", "
            "\"leaving\": 0, \"open\": 0, \"logging_in\": 0, "
            "\"waiting\": 0, \"opened\": 0, "
            "\"refused\": 0, \"lost_no_place\": 0, \"lost_unreachable\": 0, \"lost_refused\": 0, "
            "\"lost_bye\": 0, \"lost_closed\": 0, \"lost_protocol\": 0, \"lost_timeout\": 5},\n"
            "{\"store\": \"ot\\\"her\", \"up\": \"10.0.0.1:143 10.0.0.4:143\", "
            "\"down\": \"10.0.0.2:143\", \"drained\": \"10.0.0.1:143 10.0.0.5:143\", "
            "\"leaving\": 3, \"open\": 7, \"logging_in\": 0, \"waiting\": 0, "
            "\"opened\": 0, \"refused\": 0, \"lost_no_place\": 0, \"lost_unreachable\": 0, "
            "\"lost_refused\": 0, \"lost_bye\": 0, \"lost_closed\": 0, \"lost_protocol\": 0, "
            "\"lost_timeout\": 0}\n], \"end\": \"all\"}\n");
  EXPECT_EQ(BackendsJson({}, {}, {}), "{\"backends\": [], \"end\": \"failed\"}\n");
}

}  // namespace
}  // namespace roost
