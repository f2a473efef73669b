#include "core/client/client_ids.h"

#include <gtest/gtest.h>

namespace roost {
namespace {

TEST(ClientIds, KeepsEqualRecordsOnce) {
  ClientIds ids;
  const uint32_t a = ids.Keep({{"name", "Phone"}, {"version", "1"}});
  const uint32_t b = ids.Keep({{"name", "Phone"}, {"version", "1"}});
  const uint32_t c = ids.Keep({{"name", "Tablet"}});
  EXPECT_EQ(a, b);
  EXPECT_NE(a, c);
  EXPECT_EQ(ids.size(), 2u);
  EXPECT_EQ(NameIn(ids.Get(a)), "Phone");
}

TEST(ClientIds, ForgetsARecordWithItsLastReference) {
  ClientIds ids;
  const uint32_t a = ids.Keep({{"name", "Phone"}});
  ids.Keep({{"name", "Phone"}});
  ids.Drop(a);
  EXPECT_EQ(NameIn(ids.Get(a)), "Phone");
  ids.Drop(a);
  EXPECT_EQ(ids.size(), 0u);
  EXPECT_EQ(ids.Keep({{"NAME", "Tablet"}}), a);  // its place is used again
  EXPECT_EQ(NameIn(ids.Get(a)), "Tablet");
}

TEST(ClientIds, HasNoRecordForNothing) {
  ClientIds ids;
  EXPECT_EQ(ids.Keep({}), 0u);
  EXPECT_TRUE(ids.Get(0).empty());
  EXPECT_EQ(NameIn(ids.Get(0)), "");
  ids.Drop(0);
}

}  // namespace
}  // namespace roost
