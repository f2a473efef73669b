#include "core/shard/routes.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

namespace roost {
namespace {

class RoutesTest : public ::testing::Test {
 protected:
  RoutesTest() {
    EXPECT_NE(mkdtemp(directory_.data()), nullptr);
    config_.stores.resize(2);
    config_.stores[0].name = "a";
    config_.stores[1].name = "b";
    config_.route.kind = RouteConfig::Kind::kMap;
    map_ = directory_ + "/map";
    config_.route.map_file = map_;
    Replace("ann a\n");
    Load();
  }
  ~RoutesTest() override {
    std::remove(map_.c_str());
    EXPECT_EQ(rmdir(directory_.c_str()), 0);
  }

  void Load() {
    std::string error;
    Routes::Built built = Routes::Build(config_, &error);
    ASSERT_TRUE(built) << error;
    routes_.Take(std::move(built));
  }
  // Under the name of the map, in one moment.
  void Replace(const std::string& text) {
    const std::string other = map_ + ".new";
    std::ofstream(other) << text;
    EXPECT_EQ(std::rename(other.c_str(), map_.c_str()), 0);
  }
  bool Tend(double seconds) {
    return routes_.Tend(config_, static_cast<uint64_t>(seconds * kNsPerSecond));
  }
  std::optional<StoreIndex> StoreOf(std::string_view user) { return routes_.router()->Route(user); }

  std::string directory_ = "/tmp/roost-routes-XXXXXX", map_;
  Config config_;
  Routes routes_;
};

TEST_F(RoutesTest, StayWhileTheMapDoes) {
  for (int second = 0; second < 5; ++second) EXPECT_FALSE(Tend(second));
  EXPECT_EQ(StoreOf("ann"), 0u);
}

TEST_F(RoutesTest, AreReadAnewOnceAChangedMapHasSettled) {
  EXPECT_FALSE(Tend(10));
  Replace("ann b\nbob a\n");
  EXPECT_FALSE(Tend(10.1));
  EXPECT_FALSE(Tend(11.0));
  EXPECT_EQ(StoreOf("ann"), 0u);
  EXPECT_TRUE(Tend(11.1));
  EXPECT_EQ(StoreOf("ann"), 1u);
  EXPECT_EQ(StoreOf("bob"), 0u);
  EXPECT_FALSE(Tend(20));
}

TEST_F(RoutesTest, WaitForAMapThatIsBeingWritten) {
  std::ofstream file(map_);
  for (int piece = 0; piece < 10; ++piece) {
    file << "user" << piece << " b\n" << std::flush;
    EXPECT_FALSE(Tend(10 + piece * 0.9));
  }
  EXPECT_EQ(StoreOf("ann"), 0u);
  EXPECT_TRUE(Tend(20));
  EXPECT_EQ(StoreOf("ann"), std::nullopt);
  EXPECT_EQ(StoreOf("user9"), 1u);
}

TEST_F(RoutesTest, StayAsTheyAreWhenTheMapIsWrongOrGone) {
  Replace("ann b\nbob nowhere\n");
  EXPECT_FALSE(Tend(10));
  EXPECT_FALSE(Tend(12));
  EXPECT_EQ(StoreOf("ann"), 0u);
  std::remove(map_.c_str());
  EXPECT_FALSE(Tend(13));
  EXPECT_FALSE(Tend(15));
  EXPECT_EQ(StoreOf("ann"), 0u);
  Replace("ann b\n");
  EXPECT_FALSE(Tend(16));
  EXPECT_TRUE(Tend(18));
  EXPECT_EQ(StoreOf("ann"), 1u);
}

TEST_F(RoutesTest, OfAnotherKindNeedNoMap) {
  config_.route = {};
  config_.route.store = "b";
  Load();
  Replace("ann a\n");
  EXPECT_FALSE(Tend(10));
  EXPECT_FALSE(Tend(12));
  EXPECT_EQ(StoreOf("ann"), 1u);
}

TEST_F(RoutesTest, AreKeptUntilNobodyHasThemAnyMore) {
  const std::shared_ptr<const Router> held = routes_.router();
  Load();
  Load();
  EXPECT_EQ(routes_.replaced(), 2u);
  Tend(10);
  EXPECT_EQ(routes_.replaced(), 1u);
  EXPECT_EQ(held->Route("ann"), 0u);
}

TEST_F(RoutesTest, ThatCannotBeBuiltSayWhy) {
  config_.route.map_file = "/nonexistent/map";
  std::string error;
  EXPECT_FALSE(Routes::Build(config_, &error));
  EXPECT_EQ(error,
            "/nonexistent/map: cannot be read: No such file or directory; correct route.map_file");
}

}  // namespace
}  // namespace roost
