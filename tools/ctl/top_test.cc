#include "tools/ctl/top.h"

#include <gtest/gtest.h>

namespace roost {
namespace {

StatusAnswer Answer(uint64_t clients, uint64_t logins, uint64_t sent_bytes) {
  StatusAnswer answer;
  answer.total = {{"clients", clients}, {"logins", logins}, {"sent_bytes", sent_bytes}};
  answer.shards = {{{"clients", 1}, {"logins", logins / 2}}, {{"clients", clients - 1}}};
  return answer;
}

TEST(Top, HasALineForAllAndOneForEachShard) {
  const StatusAnswer before = Answer(5, 10, 1'000), after = Answer(7, 15, 51'000);
  const std::string dashes =
      "         -         -         -         -         -         -         -";
  EXPECT_EQ(
      TopTable({before, after, 2}),
      "            clients  attached    parked     feeds  logins/s refused/s   parks/s   wakes/s"
      "  events/s   beats/s   in KB/s  out KB/s\n"
      "total             7         -         -         -       2.5" +
          dashes.substr(0, 60) +
          "      25.0\n"
          "shard 0           1         -         -         -       1.0" +
          dashes +
          "\n"
          "shard 1           6         -         -         -         -" +
          dashes + "\n");
}

TEST(Top, IsJsonForPrograms) {
  const StatusAnswer before = Answer(5, 10, 1'000), after = Answer(7, 15, 51'000);
  EXPECT_EQ(TopJson({before, after, 2}),
            "{\"seconds\": 2.000, \"total\": {\"clients\": 7, \"logins_per_s\": 2.5, "
            "\"sent_kb_per_s\": 25.0}, \"shards\": [{\"clients\": 1, \"logins_per_s\": 1.0}, "
            "{\"clients\": 6}]}\n");
}

TEST(Top, ShowsNoRateOfARoostdThatHasBegunAnew) {
  const StatusAnswer before = Answer(5, 10, 1'000), after = Answer(5, 2, 100);
  EXPECT_NE(TopJson({before, after, 1}).find("\"logins_per_s\": 0.0"), std::string::npos);
}

}  // namespace
}  // namespace roost
