#include "core/route/route.h"

#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <map>

#include <gtest/gtest.h>

namespace roost {
namespace {

Config WithStores(std::initializer_list<const char*> names, RouteConfig::Kind kind) {
  Config config;
  for (const char* name : names) {
    config.stores.emplace_back();
    config.stores.back().name = name;
  }
  config.route.kind = kind;
  config.route.map_file = "users.map";
  return config;
}

Config MapConfig() { return WithStores({"a", "b", "c"}, RouteConfig::Kind::kMap); }
Config HashConfig() { return WithStores({"a", "b", "c", "d"}, RouteConfig::Kind::kHash); }

std::unique_ptr<const Router> MapRouter(std::string_view map, const Config& config = MapConfig()) {
  std::vector<ConfigError> errors;
  auto router = Router::BuildFromText(config, map, &errors);
  for (const ConfigError& error : errors) ADD_FAILURE() << error.ToString();
  return router;
}

std::string MapErrors(std::string_view map, const Config& config = MapConfig()) {
  std::vector<ConfigError> errors;
  auto router = Router::BuildFromText(config, map, &errors);
  EXPECT_EQ(router == nullptr, !errors.empty());
  std::string text;
  for (const ConfigError& error : errors) text += error.ToString() + "\n";
  return text;
}

std::unique_ptr<const Router> HashRouter(const Config& config) {
  std::vector<ConfigError> errors;
  return Router::Build(config, &errors);
}

std::string User(int i) { return "user" + std::to_string(i) + "@example.org"; }

constexpr int kUsers = 20'000;

// How many users are routed to another store, by name.
int Moved(const Config& before, const Config& after) {
  auto old_router = HashRouter(before), new_router = HashRouter(after);
  int moved = 0;
  for (int i = 0; i < kUsers; ++i) {
    const std::string& from = before.stores[*old_router->Route(User(i))].name;
    const std::string& to = after.stores[*new_router->Route(User(i))].name;
    moved += from != to;
  }
  return moved;
}

std::map<std::string, int> Shares(const Config& config) {
  auto router = HashRouter(config);
  std::map<std::string, int> shares;
  for (int i = 0; i < kUsers; ++i) ++shares[config.stores[*router->Route(User(i))].name];
  return shares;
}

// Five standard deviations of a binomial count.
double Margin(double share) { return 5 * std::sqrt(kUsers * share * (1 - share)); }

TEST(StaticRoute, SendsEverybodyToTheNamedStore) {
  Config config = WithStores({"a", "b"}, RouteConfig::Kind::kStatic);
  config.route.store = "b";
  std::vector<ConfigError> errors;
  auto router = Router::Build(config, &errors);
  EXPECT_EQ(router->Route("anybody"), 1u);
  EXPECT_EQ(router->Route(""), 1u);
}

TEST(StaticRoute, NeedsNoNameWhereThereIsOneStore) {
  std::vector<ConfigError> errors;
  auto router = Router::Build(WithStores({"a"}, RouteConfig::Kind::kStatic), &errors);
  EXPECT_EQ(router->Route("anybody"), 0u);
}

TEST(MapRoute, FindsUsersThenDomainsThenTheDefault) {
  auto router = MapRouter(
      "# users\n"
      "\n"
      "alice a\n"
      "\tbob@example.org \t b   # Bob moved\r\n"
      "@example.org c\n"
      "@EXAMPLE.net b#close\n"
      "* a");
  EXPECT_EQ(router->Route("alice"), 0u);
  EXPECT_EQ(router->Route("bob@example.org"), 1u);
  EXPECT_EQ(router->Route("carol@example.org"), 2u);
  EXPECT_EQ(router->Route("carol@example.NET"), 1u);
  EXPECT_EQ(router->Route("nobody"), 0u);
}

TEST(MapRoute, RefusesUsersItDoesNotNameWithoutADefault) {
  auto router = MapRouter("alice a\n");
  EXPECT_EQ(router->Route("bob"), std::nullopt);
  EXPECT_EQ(router->Route("bob@example.org"), std::nullopt);
  EXPECT_EQ(router->Route(""), std::nullopt);
  EXPECT_EQ(router->Route("@"), std::nullopt);
}

TEST(MapRoute, TakesTheDefaultOfTheConfiguration) {
  Config config = MapConfig();
  config.route.default_store = "c";
  EXPECT_EQ(MapRouter("", config)->Route("bob"), 2u);
}

TEST(MapRoute, ComparesUsersByteByByte) {
  auto router = MapRouter("alice a\n");
  EXPECT_EQ(router->Route("Alice"), std::nullopt);
  EXPECT_EQ(router->Route("alice "), std::nullopt);
}

TEST(MapRoute, TakesTheDomainBehindTheLastAt) {
  auto router = MapRouter("@example.org a\n@b@example.org b\n");
  EXPECT_EQ(router->Route("\"a@b\"@example.org"), 0u);
}

TEST(MapRoute, TakesQuotedNamesLiterally) {
  auto router = MapRouter("\"two words\" a\n\"q\\\"\\\\\" b\n\"#\" c\n\"*\" b\n\"@x\" c\n");
  EXPECT_EQ(router->Route("two words"), 0u);
  EXPECT_EQ(router->Route("q\"\\"), 1u);
  EXPECT_EQ(router->Route("#"), 2u);
  EXPECT_EQ(router->Route("*"), 1u);
  EXPECT_EQ(router->Route("@x"), 2u);
  EXPECT_EQ(router->Route("y@x"), std::nullopt) << "a user, not a domain";
}

TEST(MapRoute, TellsEveryWrongLine) {
  EXPECT_EQ(MapErrors("alice\n"
                      "alice z\n"
                      "bob a b\n"
                      "bob a\n"
                      "bob b\n"
                      "\"open a\n"
                      "\"q\"a\n"
                      "@ a\n"
                      "\"\" a\n"
                      "x\001 a\n"),
            "users.map:1: the store is missing; write 'user store', '@domain store' or '* store'\n"
            "users.map:2: there is no store 'z'; one of: a, b, c\n"
            "users.map:3: there is more than a name and a store; "
            "write 'user store', '@domain store' or '* store'\n"
            "users.map:5: 'bob' is named twice; keep one line\n"
            "users.map:6: the closing quote is missing; "
            "write 'user store', '@domain store' or '* store'\n"
            "users.map:7: a blank must follow the quote; "
            "write 'user store', '@domain store' or '* store'\n"
            "users.map:8: the name is empty; write 'user store', '@domain store' or '* store'\n"
            "users.map:9: the name is empty; write 'user store', '@domain store' or '* store'\n"
            "users.map:10: there is a control character; "
            "write 'user store', '@domain store' or '* store'\n");
  EXPECT_NE(MapErrors(std::string(1025, 'x') + "\n"), "");
  EXPECT_NE(MapErrors("* a\n* b\n"), "");
  EXPECT_NE(MapErrors("@X a\n@x b\n"), "");
}

TEST(MapRoute, HasOneDefaultOnly) {
  Config config = MapConfig();
  config.route.default_store = "c";
  EXPECT_EQ(MapErrors("alice a\n* a\nbob b\n", config),
            "users.map:2: '*' stands beside route.default_store; keep one of them\n");
}

TEST(MapRoute, ReadsTheFile) {
  std::string name = "/tmp/roost-route-" + std::string(6, 'X');  // as mkstemp wants it
  int fd = mkstemp(name.data());
  std::string text = "alice b\n";
  ASSERT_EQ(write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  close(fd);
  Config config = MapConfig();
  config.route.map_file = name;
  std::vector<ConfigError> errors;
  EXPECT_EQ(Router::Build(config, &errors)->Route("alice"), 1u);
  unlink(name.c_str());
  EXPECT_EQ(Router::Build(config, &errors), nullptr);
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].ToString(),
            name + ": cannot be read: No such file or directory; correct route.map_file");
}

TEST(HashRoute, SpreadsUsersEvenly) {
  for (const auto& [store, users] : Shares(HashConfig())) {
    EXPECT_NEAR(users, kUsers / 4.0, Margin(0.25)) << store;
  }
}

TEST(HashRoute, SpreadsUsersByWeight) {
  Config config = HashConfig();
  config.stores[1].weight = 5;
  std::map<std::string, int> shares = Shares(config);
  EXPECT_NEAR(shares["b"], kUsers * 5 / 8.0, Margin(5 / 8.0));
  EXPECT_NEAR(shares["a"], kUsers / 8.0, Margin(1 / 8.0));
}

TEST(HashRoute, AnAddedStoreTakesOnlyItsShare) {
  Config before = HashConfig();
  Config after = WithStores({"new", "a", "b", "c", "d"}, RouteConfig::Kind::kHash);
  EXPECT_NEAR(Moved(before, after), kUsers / 5.0, Margin(0.2));
  EXPECT_EQ(Shares(after)["new"], Moved(before, after)) << "nobody moves between the old ones";
}

TEST(HashRoute, ARemovedStoreGivesUpOnlyItsUsers) {
  Config before = HashConfig();
  Config after = WithStores({"a", "c", "d"}, RouteConfig::Kind::kHash);
  EXPECT_EQ(Moved(before, after), Shares(before)["b"]);
}

TEST(HashRoute, AChangedWeightMovesOnlyTheDifference) {
  Config before = HashConfig(), after = HashConfig();
  after.stores[0].weight = 2;
  EXPECT_EQ(Moved(before, after), Shares(after)["a"] - Shares(before)["a"]);
}

TEST(HashRoute, TheOrderOfStoresDoesNotMatter) {
  EXPECT_EQ(Moved(HashConfig(), WithStores({"d", "c", "b", "a"}, RouteConfig::Kind::kHash)), 0);
}

TEST(HashRoute, UsesOnlyTheNamedStores) {
  Config config = HashConfig();
  config.route.stores = {"d", "b"};
  std::map<std::string, int> shares = Shares(config);
  EXPECT_EQ(shares.size(), 2u);
  EXPECT_EQ(shares["b"] + shares["d"], kUsers);
}

TEST(HashRoute, GoesRoundStoresThatAreDrainedAsIfTheyWereNotThere) {
  const auto router = HashRouter(HashConfig());
  const auto without = HashRouter(WithStores({"a", "c", "d"}, RouteConfig::Kind::kHash));
  const std::vector<bool> drained = {false, true, false, false};
  for (int i = 0; i < kUsers; ++i) {
    const std::string user = "user" + std::to_string(i);
    const StoreIndex store = *router->RouteAround(user, drained);
    EXPECT_EQ(store, *without->Route(user) == 0 ? 0u : *without->Route(user) + 1) << user;
    EXPECT_EQ(*router->RouteAround(user, {}), *router->Route(user));
    EXPECT_EQ(*router->RouteAround(user, std::vector<bool>(4, true)), *router->Route(user));
  }
}

TEST(StaticRoute, IsWhatItIsWhereTheStoreIsDrained) {
  std::vector<ConfigError> errors;
  const auto router =
      Router::BuildFromText(WithStores({"a", "b"}, RouteConfig::Kind::kStatic), "", &errors);
  ASSERT_NE(router, nullptr);
  EXPECT_EQ(router->RouteAround("ann", {true, false}), router->Route("ann"));
}

// Users must find their mail after an upgrade: these values may never change.
TEST(HashRoute, IsTheSameInEveryVersion) {
  auto router = HashRouter(HashConfig());
  std::string routed;
  for (int i = 0; i < 32; ++i) {
    routed += HashConfig().stores[*router->Route("user" + std::to_string(i))].name;
  }
  EXPECT_EQ(routed, "dbdbdbbdcaadadbcaacbababdaacdbaa");
}

}  // namespace
}  // namespace roost
