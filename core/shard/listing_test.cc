#include "core/shard/listing.h"

#include <gtest/gtest.h>

#include "core/testing/scripted_world.h"

namespace roost {
namespace {

using Rows = std::vector<std::string>;
using What = Listing::What;

bool Has(const std::string& row, std::string_view part) { return row.find(part) != row.npos; }

// To its end, as far as the shard is asked.
Rows All(ScriptedWorld& world, What what, const std::string& user = "") {
  Listing listing(what, 3, user);
  while (listing.Step(world.shard()) == ShardJob::Progress::kMore) {
  }
  Rows rows, over;
  if (listing.Take(&rows, 0) == Listing::Taken::kSome) {
    EXPECT_EQ(listing.Take(&over, 0), Listing::Taken::kOver);
  }
  return rows;
}

TEST(Listing, TellsOfClientsWhoseTheyAreAndWhatTheyDo) {
  ScriptedWorld world;
  const size_t parked = world.LogInAndPark({1, 2});
  world.LogIn("bob");
  world.Connect();
  world.Pass(2);
  const Rows rows = All(world, What::kClients);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_TRUE(Has(rows[0], "{\"user\": \"ann\", \"address\": \"")) << rows[0];
  EXPECT_TRUE(Has(rows[0],
                  "\"state\": \"parked\", \"idling\": true, \"waking\": false, "
                  "\"asleep\": true, "))
      << rows[0];
  EXPECT_TRUE(Has(rows[0], "\"owed\": 0, ")) << rows[0];
  EXPECT_TRUE(Has(rows[0], "\"shard\": 3, \"mailbox\": \"INBOX\"}")) << rows[0];
  EXPECT_TRUE(Has(rows[1], "{\"user\": \"bob\"")) << rows[1];
  EXPECT_TRUE(Has(rows[1], "\"state\": \"attached\"")) << rows[1];
  EXPECT_TRUE(Has(rows[1], "\"mailbox\": \"\"}")) << rows[1];
  EXPECT_TRUE(Has(rows[2], "{\"user\": \"\"")) << rows[2];
  EXPECT_TRUE(Has(rows[2], "\"state\": \"entering\"")) << rows[2];
  world.EndIdle(parked);
  world.Tell(0, "* 1 EXPUNGE");
  world.Pass(1);
  const Rows later = All(world, What::kClients, "ann");
  ASSERT_EQ(later.size(), 1u);
  EXPECT_TRUE(Has(later[0], "\"idling\": false")) << later[0];
  EXPECT_TRUE(Has(later[0], "\"owed\": 1, ")) << later[0];
}

TEST(Listing, TellsOfFeedsHowTheyHearAndForWhom) {
  ScriptedWorld world;
  world.LogInAndPark({1, 2});
  world.LogInAndJoin({1, 2});
  const Rows rows = All(world, What::kFeeds);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_TRUE(Has(rows[0],
                  "{\"user\": \"ann\", \"driver\": \"idle\", \"recovering\": false, "
                  "\"clients\": 2, \"messages\": 2, \"log_events\": 0, "))
      << rows[0];
  EXPECT_TRUE(Has(rows[0], "\"mailbox\": \"INBOX\"}")) << rows[0];
  EXPECT_EQ(All(world, What::kFeeds, "ann").size(), 1u);
}

TEST(Listing, OfOneUserHasNoOther) {
  ScriptedWorld world;
  world.LogInAndPark({1});
  world.Connect();
  EXPECT_EQ(All(world, What::kClients).size(), 2u);
  EXPECT_EQ(All(world, What::kClients, "ann").size(), 1u);
  for (const char* other : {"Ann", "an", "anna", "ann ", "bob"}) {
    EXPECT_TRUE(All(world, What::kClients, other).empty()) << other;
    EXPECT_TRUE(All(world, What::kFeeds, other).empty()) << other;
  }
}

TEST(Listing, GoesOnInSlicesAndWaitsForWhoeverTakes) {
  ScriptedWorld world;
  constexpr uint32_t kClients = 3 * Listing::kVisitsPerStep;
  for (uint32_t i = 0; i < kClients; ++i) world.Connect();
  Listing listing(What::kClients, 0, "");
  EXPECT_EQ(listing.Step(world.shard()), ShardJob::Progress::kMore);
  EXPECT_EQ(listing.Step(world.shard()), ShardJob::Progress::kWaits);
  EXPECT_EQ(listing.Step(world.shard()), ShardJob::Progress::kWaits);
  Rows rows;
  EXPECT_EQ(listing.Take(&rows, 0), Listing::Taken::kSome);
  size_t seen = rows.size();
  EXPECT_EQ(seen, Listing::kVisitsPerStep);
  while (seen < kClients) {
    listing.Step(world.shard());
    if (listing.Take(&rows, 0) == Listing::Taken::kSome) seen += rows.size();
  }
  EXPECT_EQ(listing.Step(world.shard()), ShardJob::Progress::kDone);
  EXPECT_EQ(listing.Take(&rows, 0), Listing::Taken::kOver);
}

TEST(Listing, EndsWhenNoMoreIsWantedOrTheShardEnds) {
  ScriptedWorld world;
  world.LogInAndPark({1});
  Listing unwanted(What::kFeeds, 0, "");
  unwanted.Cancel();
  EXPECT_EQ(unwanted.Step(world.shard()), ShardJob::Progress::kDone);
  Listing dropped(What::kFeeds, 0, "");
  dropped.Drop();
  Rows rows;
  EXPECT_EQ(dropped.Take(&rows, UINT32_MAX), Listing::Taken::kFailed);
  Listing nobody(What::kFeeds, 0, "");
  EXPECT_EQ(nobody.Take(&rows, 1), Listing::Taken::kFailed) << "no answer in time";
}

}  // namespace
}  // namespace roost
