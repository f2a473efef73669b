#include "tools/ctl/status.h"

#include <gtest/gtest.h>

namespace roost {
namespace {

constexpr std::string_view kTwoShards =
    "{\"total\": {\"clients\": 5, \"parked\": 4}, \"shards\": "
    "[{\"clients\": 3, \"parked\": 3}, {\"clients\": 2, \"parked\": 1}]}\n";

TEST(Status, IsATableWithAColumnForEachShard) {
  StatusAnswer answer;
  std::string error;
  ASSERT_TRUE(ParseStatusAnswer(kTwoShards, &answer, &error)) << error;
  EXPECT_EQ(StatusTable(answer),
            "             total    shard 0    shard 1\n"
            "clients          5          3          2\n"
            "parked           4          3          1\n");
}

TEST(Status, WithoutShardsIsTheTotalAlone) {
  StatusAnswer answer;
  std::string error;
  ASSERT_TRUE(ParseStatusAnswer("{\"total\": {}, \"shards\": []}", &answer, &error)) << error;
  EXPECT_EQ(StatusTable(answer), "      total\n");
}

// Of a roostd of before versions were told the above is all.
TEST(Status, SaysWhichRoostdItIs) {
  StatusAnswer answer;
  std::string error;
  ASSERT_TRUE(ParseStatusAnswer(
      "{\"version\": \"1.2.3\", \"total\": {\"clients\": 5}, \"shards\": []}", &answer, &error))
      << error;
  EXPECT_EQ(StatusTable(answer), "roostd 1.2.3\n\n             total\nclients          5\n");
  EXPECT_FALSE(
      ParseStatusAnswer("{\"version\": 1, \"total\": {}, \"shards\": []}", &answer, &error));
}

TEST(Status, TellsWhatEachKindOfThingTakes) {
  StatusAnswer answer;
  std::string error;
  ASSERT_TRUE(ParseStatusAnswer(
      "{\"total\": {\"clients\": 4, \"users\": 2, \"feeds\": 0, \"bytes_cells\": 1030, "
      "\"bytes_users\": 256, \"bytes_feeds\": 0, \"bytes_sessions\": 0, \"bytes_views\": 0, "
      "\"bytes_logs\": 0}, \"shards\": []}",
      &answer, &error))
      << error;
  EXPECT_EQ(MemoryTable(answer).substr(0, 153),
            "                       bytes in all           each\n"
            "cells of clients               1030            257\n"
            "users                           256            128\n");
  EXPECT_NE(MemoryTable(answer).find("feeds                             0              -\n"),
            std::string::npos);
}

TEST(Status, SaysNothingOfMemoryThatIsNotTold) {
  StatusAnswer answer;
  std::string error;
  ASSERT_TRUE(ParseStatusAnswer(kTwoShards, &answer, &error)) << error;
  EXPECT_EQ(MemoryTable(answer), "");
}

TEST(Status, AnErrorIsHandedOn) {
  StatusAnswer answer;
  std::string error;
  EXPECT_FALSE(ParseStatusAnswer("{\"error\": \"unknown request\"}\n", &answer, &error));
  EXPECT_EQ(error, "unknown request");
}

TEST(Status, CutAnywhereIsRefused) {
  StatusAnswer answer;
  std::string error;
  const std::string_view whole = kTwoShards.substr(0, kTwoShards.size() - 1);
  for (size_t n = 0; n < whole.size(); ++n) {
    EXPECT_FALSE(ParseStatusAnswer(whole.substr(0, n), &answer, &error)) << n;
    EXPECT_NE(error.find("not one that this program understands"), std::string::npos);
  }
}

}  // namespace
}  // namespace roost
