#include <algorithm>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "core/config/config.h"
#include "core/config/schema.h"

namespace roost {
namespace {

using config_detail::EnumNames;
using config_detail::Form;
using config_detail::Spec;
using config_detail::Visit;

Config Running() {
  Config config;
  config.listeners.resize(2);
  config.certificates.resize(2);
  config.stores.resize(2);
  config.stores[0].name = "a";
  config.stores[1].name = "b";
  return config;
}

// ---- Other values of each type ----

void Change(std::string* value, const Spec&) { *value += 'x'; }
void Change(bool* value, const Spec&) { *value = !*value; }
void Change(char* value, const Spec&) { ++*value; }
void Change(int* value, const Spec& spec) {
  *value = static_cast<int>(*value == spec.maximum ? spec.minimum : spec.maximum);
}
void Change(Address* value, const Spec&) {
  value->family = 4;
  ++value->bytes[0];
}
void Change(HostPort* value, const Spec&) { value->host += 'x'; }
void Change(Network* value, const Spec&) { ASSERT_TRUE(Network::Parse("192.0.2.0/24", value)); }
template <class E>
requires std::is_enum_v<E>
void Change(E* value, const Spec&) {
  const auto names = EnumNames(E{});
  const auto is_other = [value](const auto& name) {
    return name.value != static_cast<int>(*value);
  };
  *value = static_cast<E>(std::find_if(names.begin(), names.end(), is_other)->value);
}
template <class T>
void Change(std::vector<T>* value, const Spec& spec) {
  Change(&value->emplace_back(), spec);
}

// A visitor of schema.h that changes the value of one key, by its number.
class Changer {
 public:
  explicit Changer(size_t wanted) : wanted_(wanted) {}

  template <class T>
  void Field(std::string_view key, T& member, const Spec& spec) {
    if (number_++ != wanted_) return;
    this->key = prefix_ + std::string(key);
    restart = spec.restart;
    secret = spec.form == Form::kSecret;
    Change(&member, spec);
  }
  template <class T>
  void Section(std::string_view key, T& member, std::string_view) {
    prefix_ = std::string(key) + ".";
    Visit(*this, member);
    prefix_.clear();
  }
  // In its last element.
  template <class T>
  void List(std::string_view key, std::vector<T>& member, std::string_view, bool) {
    ASSERT_EQ(member.size(), 2u);
    prefix_ = std::string(key) + "[1].";
    Visit(*this, member[1]);
    prefix_.clear();
  }

  std::string key;  // empty: there are fewer
  bool restart = false, secret = false;

 private:
  const size_t wanted_;
  size_t number_ = 0;
  std::string prefix_;
};

TEST(Reload, TakesEveryKeyButThoseThatTheReferenceSaysNeedARestart) {
  size_t taken = 0, left = 0;
  for (size_t number = 0;; ++number) {
    Config wanted = Running();
    Changer changer(number);
    Visit(changer, wanted);
    if (changer.key.empty()) break;
    SCOPED_TRACE(changer.key);
    if (!changer.secret) {
      EXPECT_NE(PrintConfig(wanted), PrintConfig(Running()));
    }
    Config running = Running();
    const std::vector<std::string> needs_restart = TakeReloadable(wanted, &running);
    if (changer.restart) {
      ++left;
      EXPECT_EQ(needs_restart, std::vector<std::string>{changer.key});
      EXPECT_EQ(PrintConfig(running), PrintConfig(Running()));
    } else {
      ++taken;
      EXPECT_TRUE(needs_restart.empty());
      EXPECT_EQ(PrintConfig(running), PrintConfig(wanted));
    }
    EXPECT_EQ(running.stores[1].master_password, wanted.stores[1].master_password);
  }
  EXPECT_GT(taken, 80u);
  EXPECT_GT(left, 10u);
}

TEST(Reload, FindsStoresByNameAndLeavesThoseThatOnlyOneSideHas) {
  Config wanted = Running();
  wanted.stores[0].name = "new";
  wanted.stores[1].weight = 9;
  wanted.stores.erase(wanted.stores.begin());
  wanted.stores.push_back(StoreConfig());
  wanted.stores[1].name = "c";
  wanted.stores.push_back(StoreConfig());
  Config running = Running();
  running.stores[0].weight = 7;
  EXPECT_EQ(TakeReloadable(wanted, &running), std::vector<std::string>{"stores"});
  ASSERT_EQ(running.stores.size(), 2u);
  EXPECT_EQ(running.stores[0].name, "a");
  EXPECT_EQ(running.stores[0].weight, 7);
  EXPECT_EQ(running.stores[1].name, "b");
  EXPECT_EQ(running.stores[1].weight, 9);
}

// What it was: refused with all the rest, since "there is no store 'c'", which stood in the file.
TEST(Reload, LeavesARouteThatFitsTheStoresOfTheFileOnly) {
  Config running = Running();
  running.route.store = "a";
  Config wanted = running;
  wanted.stores.push_back(wanted.stores[0]);
  wanted.stores[2].name = "c";
  wanted.route.store = "c";
  wanted.greeting = "Hello.";
  const std::vector<std::string> left = {"stores", "route.store"};
  EXPECT_EQ(TakeReloadable(wanted, &running), left);
  EXPECT_EQ(running.route.store, "a");
  EXPECT_EQ(running.greeting, "Hello.");
}

TEST(Reload, LeavesTheLookupTogetherWithTheRoute) {
  Config running = Running();
  running.route.kind = RouteConfig::Kind::kHttp;
  running.lookup.servers = {{"127.0.0.1", 80}};
  Config wanted = Running();
  wanted.stores.pop_back();  // then none need be named
  const std::vector<std::string> left = {"stores", "route.kind", "lookup.servers"};
  EXPECT_EQ(TakeReloadable(wanted, &running), left);
  EXPECT_EQ(running.lookup.servers.size(), 1u);
}

TEST(Reload, KeepsTheMasterUserTogetherWithTheKindOfLogin) {
  Config running = Running();
  StoreConfig& store = running.stores[0];
  store.login = StoreConfig::Login::kProxyAuthzid;
  store.master_user = "roost";
  store.master_password = "secret";
  Config wanted = Running();
  wanted.stores[0].queue_s = 3;
  const std::vector<std::string> left = {"stores[0].login", "stores[0].master_user"};
  EXPECT_EQ(TakeReloadable(wanted, &running), left);
  EXPECT_EQ(running.stores[0].master_user, "roost");
}

TEST(Reload, NamesEachKeyThatIsLeftAndAListOfAnotherLengthOnce) {
  Config wanted = Running();
  wanted.shards = 3;
  wanted.listeners.pop_back();
  wanted.log.level = LogConfig::Level::kDebug;
  wanted.log.format = LogConfig::Format::kJson;
  wanted.certificates.clear();
  Config running = Running();
  const std::vector<std::string> left = {"listeners", "shards", "log.format"};
  EXPECT_EQ(TakeReloadable(wanted, &running), left);
  EXPECT_TRUE(running.certificates.empty());
}

}  // namespace
}  // namespace roost
