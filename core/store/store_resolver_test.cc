#include "core/store/store_resolver.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "core/base/clock.h"

namespace roost {
namespace {

Address At(const std::string& text) {
  Address address;
  EXPECT_TRUE(Address::Parse(text, &address)) << text;
  return address;
}

std::vector<StoreAddress> All(const std::vector<std::string>& texts) {
  std::vector<StoreAddress> all;
  all.reserve(texts.size());
  for (const std::string& text : texts) all.push_back({At(text), "imap.example.org"});
  return all;
}

TEST(FollowedAddresses, KeepTheirPlaces) {
  auto known = All({"10.0.0.1:143", "10.0.0.2:143", "10.0.0.3:143"});
  EXPECT_FALSE(Follow(&known, All({"10.0.0.3:143", "10.0.0.1:143", "10.0.0.2:143"})));
  EXPECT_EQ(known, All({"10.0.0.1:143", "10.0.0.2:143", "10.0.0.3:143"}));
  EXPECT_TRUE(Follow(&known, All({"10.0.0.9:143", "10.0.0.3:143", "10.0.0.1:143"})));
  auto expected = All({"10.0.0.1:143", "10.0.0.9:143", "10.0.0.3:143"});
  expected[1].generation = 1;
  EXPECT_EQ(known, expected);
  EXPECT_TRUE(Follow(&known, All({"10.0.0.3:143"})));
  expected[0].gone = expected[1].gone = true;
  EXPECT_EQ(known, expected);
  for (size_t i = 0; i < 7; ++i) {
    EXPECT_EQ(UsableFrom(known, i), 2u);
    EXPECT_EQ(ServingFrom(known, i), 2u);
  }
  EXPECT_FALSE(Follow(&known, All({"10.0.0.3:143"})));
  EXPECT_TRUE(
      Follow(&known, All({"10.0.0.4:143", "10.0.0.9:143", "10.0.0.3:143", "10.0.0.5:143"})));
  expected = All({"10.0.0.4:143", "10.0.0.9:143", "10.0.0.3:143", "10.0.0.5:143"});
  expected[0].generation = expected[1].generation = 1;
  EXPECT_EQ(known, expected) << "the second has come back";
  EXPECT_EQ(UsableFrom(known, 1), 1u);
  EXPECT_EQ(UsableFrom(known, 4), 0u);
}

TEST(FollowedAddresses, ThatAreDownGetNobodyNewUnlessAllAre) {
  auto known = All({"10.0.0.1:143", "10.0.0.2:143", "10.0.0.3:143"});
  known[0].down = true;
  known[1].gone = true;
  EXPECT_EQ(ServingFrom(known, 0), 2u);
  EXPECT_EQ(UsableFrom(known, 0), 0u) << "who is there may stay";
  EXPECT_EQ(UsableFrom(known, 1), 2u);
  known[2].down = true;
  EXPECT_EQ(ServingFrom(known, 0), 0u);
  EXPECT_EQ(ServingFrom(known, 1), 2u);
}

TEST(FollowedAddresses, ThatAreDrainedGetNobodyNewWhileAnotherIsThere) {
  auto known = All({"10.0.0.1:143", "10.0.0.2:143", "10.0.0.3:143"});
  known[0].drained = true;
  EXPECT_EQ(ServingFrom(known, 0), 1u);
  known[1].down = known[2].down = true;
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(ServingFrom(known, i), 0u) << "it answers";
  known[0].down = true;
  EXPECT_EQ(ServingFrom(known, 0), 1u) << "where users are wanted, should it come back";
  known[1].drained = known[2].drained = true;
  EXPECT_EQ(ServingFrom(known, 2), 2u);
  known[1].down = false;
  EXPECT_EQ(ServingFrom(known, 2), 1u);
}

TEST(FollowedAddresses, StayDownUntilTheyAreGone) {
  auto known = All({"10.0.0.1:143", "10.0.0.2:143"});
  known[0].down = true;
  EXPECT_FALSE(Follow(&known, All({"10.0.0.2:143", "10.0.0.1:143"})));
  EXPECT_TRUE(known[0].down);
  EXPECT_TRUE(Follow(&known, All({"10.0.0.2:143"})));
  EXPECT_TRUE(Follow(&known, All({"10.0.0.2:143", "10.0.0.1:143"})));
  EXPECT_EQ(known, All({"10.0.0.1:143", "10.0.0.2:143"})) << "nothing is known of it now";
}

// What names lead to, said by the test; asked by other threads.
class Book {
 public:
  void Set(const std::string& name, std::vector<std::string> addresses) {
    std::lock_guard lock(mutex_);
    pages_[name] = std::move(addresses);
  }
  StoreResolver::Resolve resolve() {
    return [this](const HostPort& wanted, std::vector<Address>* out, std::string* problem) {
      std::lock_guard lock(mutex_);
      ++asked_;
      for (const std::string& text : pages_[wanted.host]) out->push_back(At(text));
      if (out->empty()) *problem = "nobody knows " + wanted.host;
      return !out->empty();
    };
  }
  int asked() {
    std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::vector<std::string>> pages_;
  int asked_ = 0;
};

class StoreResolverTest : public ::testing::Test {
 protected:
  static StoreConfig Store(const std::string& host, int resolve_s) {
    StoreConfig store;
    store.name = "store";
    store.addresses = {{host, 143}};
    store.resolve_s = resolve_s;
    return store;
  }
  // One look-up at that time, to its end; true: something changed.
  bool LookUp(StoreResolver* names, double at_s, int questions = 1) {
    const int before = book_.asked();
    const auto now = static_cast<uint64_t>(at_s * kNsPerSecond);
    bool changed = names->Tend(now);
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (names->looking_up() && std::chrono::steady_clock::now() < end) {
      std::this_thread::yield();
      changed = names->Tend(now) || changed;
    }
    EXPECT_EQ(book_.asked(), before + questions);
    EXPECT_FALSE(names->looking_up());
    return changed;
  }

  Book book_;
};

TEST_F(StoreResolverTest, AreFollowedThoughAnotherNameOfTheStoreIsNotKnownAnyMore) {
  StoreConfig store = Store("a.example.org", 30);
  store.addresses = {{"a.example.org", 143}, {"b.example.org", 143}};
  book_.Set("a.example.org", {"10.0.0.1:143"});
  book_.Set("b.example.org", {"10.0.0.2:143"});
  StoreResolver names({store}, book_.resolve());
  std::string error;
  ASSERT_TRUE(names.Start(0, &error)) << error;
  book_.Set("a.example.org", {});
  book_.Set("b.example.org", {"10.0.0.3:143"});
  EXPECT_TRUE(LookUp(&names, 30, 2));
  std::vector<std::string> known;
  for (const StoreAddress& one : names.addresses()[0]) {
    if (!one.gone) known.push_back(one.name + " " + one.address.ToString());
  }
  EXPECT_EQ(known,
            (std::vector<std::string>{"a.example.org 10.0.0.1:143", "b.example.org 10.0.0.3:143"}));
  book_.Set("b.example.org", {});
  EXPECT_FALSE(LookUp(&names, 60, 2)) << "they keep what they had";
}

TEST_F(StoreResolverTest, AreLookedUpAtTheStartAndAgainWhenItIsTime) {
  book_.Set("imap.example.org", {"10.0.0.1:143", "10.0.0.2:143"});
  StoreResolver names({Store("imap.example.org", 30)}, book_.resolve());
  std::string error;
  ASSERT_TRUE(names.Start(0, &error)) << error;
  EXPECT_EQ(names.addresses()[0], All({"10.0.0.1:143", "10.0.0.2:143"}));
  EXPECT_FALSE(names.Tend(SecondsToNs(29)));
  EXPECT_EQ(book_.asked(), 1);
  book_.Set("imap.example.org", {"10.0.0.2:143", "10.0.0.3:143"});
  EXPECT_TRUE(LookUp(&names, 30));
  auto now = All({"10.0.0.3:143", "10.0.0.2:143"});
  now[0].generation = 1;
  EXPECT_EQ(names.addresses()[0], now);
  EXPECT_FALSE(names.Tend(SecondsToNs(59)));
  EXPECT_EQ(book_.asked(), 2);
}

TEST_F(StoreResolverTest, KeepWhatTheyHadWhileTheyCannotBeResolved) {
  book_.Set("imap.example.org", {"10.0.0.1:143"});
  StoreResolver names({Store("imap.example.org", 10)}, book_.resolve());
  std::string error;
  ASSERT_TRUE(names.Start(0, &error)) << error;
  book_.Set("imap.example.org", {});
  EXPECT_FALSE(LookUp(&names, 10));
  EXPECT_EQ(names.addresses()[0], All({"10.0.0.1:143"}));
  book_.Set("imap.example.org", {"10.0.0.2:143"});
  EXPECT_TRUE(LookUp(&names, 21));
  auto now = All({"10.0.0.2:143"});
  now[0].generation = 1;
  EXPECT_EQ(names.addresses()[0], now);
}

TEST_F(StoreResolverTest, AreRefusedAtTheStartWhenNobodyKnowsThem) {
  StoreResolver names({Store("imap.example.net", 10)}, book_.resolve());
  std::string error;
  EXPECT_FALSE(names.Start(0, &error));
  EXPECT_EQ(error, "store store: imap.example.net:143: nobody knows imap.example.net");
}

TEST_F(StoreResolverTest, TakeVerdictsOnAddressesThatAreThere) {
  book_.Set("imap.example.org", {"10.0.0.1:143", "10.0.0.2:143"});
  StoreResolver names({Store("imap.example.org", 0)}, book_.resolve());
  std::string error;
  ASSERT_TRUE(names.Start(0, &error)) << error;
  StoreVerdict verdict{0, names.addresses()[0][1], "nobody is there"};
  verdict.address.down = true;
  EXPECT_TRUE(names.Note(verdict));
  EXPECT_FALSE(names.Note(verdict));
  EXPECT_FALSE(names.addresses()[0][0].down);
  EXPECT_TRUE(names.addresses()[0][1].down);
  verdict.address.down = false;
  EXPECT_TRUE(names.Note(verdict));
  EXPECT_FALSE(names.addresses()[0][1].down);
  verdict.address = {At("10.0.0.9:143"), "imap.example.org"};
  verdict.address.down = true;
  EXPECT_FALSE(names.Note(verdict));
}

TEST_F(StoreResolverTest, AreChangedAllOrNothing) {
  book_.Set("imap.example.org", {"10.0.0.1:143", "10.0.0.2:143"});
  book_.Set("10.0.0.5", {"10.0.0.5:143"});
  StoreResolver names({Store("imap.example.org", 30), Store("10.0.0.5", 30)}, book_.resolve());
  std::string error;
  ASSERT_TRUE(names.Start(0, &error)) << error;
  const StoreResolver::Addresses before = names.addresses();
  book_.Set("10.0.0.6", {"10.0.0.6:143"});
  EXPECT_FALSE(names.Change({Store("10.0.0.6", 30), Store("imap.example.net", 30)}, 1, &error));
  EXPECT_EQ(error, "store store: imap.example.net:143: nobody knows imap.example.net");
  EXPECT_EQ(names.addresses(), before);
  EXPECT_TRUE(LookUp(&names, 30) || names.addresses() == before);  // followed as it was
  EXPECT_TRUE(
      names.Change({Store("10.0.0.6", 30), Store("10.0.0.5", 30)}, SecondsToNs(40), &error));
  StoreAddress now{At("10.0.0.6:143"), "10.0.0.6"}, gone = before[0][1];
  gone.gone = true;
  now.generation = 1;
  EXPECT_EQ(names.addresses()[0], (std::vector<StoreAddress>{now, gone}));
  EXPECT_EQ(names.addresses()[1], before[1]);
  const int asked = book_.asked();
  EXPECT_FALSE(names.Tend(SecondsToNs(1000)));  // no name is left
  EXPECT_EQ(book_.asked(), asked);
}

TEST_F(StoreResolverTest, AreNotAskedForByAChangeThatLeavesThemAsTheyAre) {
  book_.Set("imap.example.org", {"10.0.0.1:143"});
  StoreResolver names({Store("imap.example.org", 300)}, book_.resolve());
  std::string error;
  ASSERT_TRUE(names.Start(0, &error)) << error;
  book_.Set("imap.example.org", {});
  EXPECT_TRUE(names.Change({Store("imap.example.org", 300)}, 1, &error));
  EXPECT_TRUE(names.Change({Store("imap.example.org", 10)}, 1, &error));
  EXPECT_EQ(book_.asked(), 1);
  book_.Set("imap.example.org", {"10.0.0.2:143"});
  EXPECT_TRUE(LookUp(&names, 11));  // the new period
}

TEST_F(StoreResolverTest, AreDrainedOneByOneOrAllWhateverTheirNamesLeadTo) {
  book_.Set("imap.example.org", {"10.0.0.1:143", "10.0.0.2:143"});
  StoreResolver names({Store("imap.example.org", 10)}, book_.resolve());
  std::string error;
  ASSERT_TRUE(names.Start(0, &error)) << error;
  const auto drained = [&] {
    std::string all;
    for (const StoreAddress& one : names.addresses()[0]) {
      if (!one.gone) all += one.drained ? 'd' : '.';
    }
    return all;
  };
  const Address second = At("10.0.0.2:143"), other = At("10.0.0.9:143");
  EXPECT_FALSE(names.Drain(0, &other, true));
  EXPECT_FALSE(names.drained(0));
  EXPECT_TRUE(names.Drain(0, &second, true));
  EXPECT_TRUE(names.drained(0));
  EXPECT_EQ(drained(), ".d");
  book_.Set("imap.example.org", {"10.0.0.1:143", "10.0.0.3:143"});
  EXPECT_TRUE(LookUp(&names, 10));
  EXPECT_EQ(drained(), "..");
  book_.Set("imap.example.org", {"10.0.0.1:143", "10.0.0.2:143"});
  EXPECT_TRUE(LookUp(&names, 20));
  EXPECT_EQ(drained(), ".d") << "it has come back";
  EXPECT_TRUE(names.Drain(0, nullptr, true));
  EXPECT_EQ(drained(), "dd");
  book_.Set("imap.example.org", {"10.0.0.3:143", "10.0.0.2:143"});
  EXPECT_TRUE(LookUp(&names, 30));
  EXPECT_EQ(drained(), "dd");
  const Address third = At("10.0.0.3:143");
  EXPECT_TRUE(names.Drain(0, &third, false));
  EXPECT_EQ(drained(), "d.");
  EXPECT_TRUE(names.Drain(0, &second, false));
  EXPECT_FALSE(names.drained(0));
  EXPECT_EQ(drained(), "..");
}

class DrainedAddresses : public StoreResolverTest {
 protected:
  void SetUp() override {
    Lead({"10.0.0.1:143", "10.0.0.2:143", "10.0.0.3:143"});
    std::string error;
    ASSERT_TRUE(names_.Start(0, &error)) << error;
  }
  void Lead(std::vector<std::string> addresses) {
    book_.Set("imap.example.org", std::move(addresses));
  }
  bool LeadTo(std::vector<std::string> addresses) {
    Lead(std::move(addresses));
    now_s_ += 10;
    return LookUp(&names_, now_s_);
  }
  bool Drain(int number, bool drained = true) {
    const Address address = At("10.0.0." + std::to_string(number) + ":143");
    return names_.Drain(0, &address, drained);
  }
  // Of those that are there, by their last numbers.
  std::string drained() {
    std::string all;
    for (const StoreAddress& one : names_.addresses()[0]) {
      if (!one.gone && one.drained) all += one.address.HostString().back();
    }
    std::sort(all.begin(), all.end());
    return all;
  }

  StoreResolver names_{{Store("imap.example.org", 10)}, book_.resolve()};
  double now_s_ = 0;
};

TEST_F(DrainedAddresses, StaySoWhateverIsOrderedWhileNoNameLeadsToThem) {
  ASSERT_TRUE(Drain(1));
  EXPECT_TRUE(LeadTo({"10.0.0.2:143", "10.0.0.3:143"}));
  EXPECT_TRUE(Drain(2));
  EXPECT_TRUE(Drain(2, false));
  EXPECT_TRUE(Drain(3));
  EXPECT_EQ(drained(), "3");
  EXPECT_TRUE(LeadTo({"10.0.0.1:143", "10.0.0.2:143", "10.0.0.3:143"}));
  EXPECT_EQ(drained(), "13");
}

// What it was: refused, while its sessions were still there.
TEST_F(DrainedAddresses, MayBeThoseToWhichNoNameLeadsAnyMore) {
  EXPECT_TRUE(LeadTo({"10.0.0.2:143", "10.0.0.3:143"}));
  EXPECT_TRUE(Drain(1));
  const StoreAddress& first = names_.addresses()[0][0];
  EXPECT_EQ(first.address, At("10.0.0.1:143"));
  EXPECT_TRUE(first.gone && first.drained);
  EXPECT_TRUE(LeadTo({"10.0.0.2:143", "10.0.0.3:143", "10.0.0.4:143"}));
  EXPECT_TRUE(names_.addresses()[0][0].drained) << "it keeps its place";
  EXPECT_TRUE(LeadTo({"10.0.0.1:143", "10.0.0.2:143", "10.0.0.3:143"}));
  EXPECT_EQ(drained(), "1");
  EXPECT_FALSE(Drain(9));
}

TEST_F(DrainedAddresses, KeepTheirPlacesForThoseWhoAreStillThere) {
  ASSERT_TRUE(Drain(1));
  EXPECT_TRUE(LeadTo({"10.0.0.3:143", "10.0.0.4:143"}));
  const StoreAddress& first = names_.addresses()[0][0];
  EXPECT_EQ(first.address, At("10.0.0.1:143"));
  EXPECT_TRUE(first.gone && first.drained);
  EXPECT_EQ(names_.addresses()[0].size(), 3u) << "the second's place is free";
  ASSERT_TRUE(Drain(1, false));
  EXPECT_TRUE(LeadTo({"10.0.0.3:143", "10.0.0.4:143", "10.0.0.5:143"}));
  EXPECT_EQ(names_.addresses()[0].size(), 3u);
}

TEST_F(DrainedAddresses, KeepNoPlacesForAllThatEverWereOfADrainedStore) {
  ASSERT_TRUE(names_.Drain(0, nullptr, true));
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(LeadTo({"10.0.0.1" + std::to_string(i) + ":143"}));
  }
  EXPECT_LE(names_.addresses()[0].size(), 4u);
}

TEST_F(DrainedAddresses, LeaveADrainedStoreAsItIs) {
  ASSERT_TRUE(names_.Drain(0, nullptr, true));
  EXPECT_TRUE(Drain(1));
  EXPECT_TRUE(names_.whole_drained(0));
  EXPECT_TRUE(LeadTo({"10.0.0.1:143", "10.0.0.4:143"}));
  EXPECT_EQ(drained(), "14");
  ASSERT_TRUE(names_.Drain(0, nullptr, false));
  EXPECT_EQ(drained(), "");
  EXPECT_FALSE(names_.drained(0));
}

TEST_F(DrainedAddresses, AreTheOthersWhenOneOfADrainedStoreIsWantedBack) {
  ASSERT_TRUE(names_.Drain(0, nullptr, true));
  EXPECT_TRUE(Drain(2, false));
  EXPECT_FALSE(names_.whole_drained(0));
  EXPECT_EQ(drained(), "13");
  EXPECT_TRUE(LeadTo({"10.0.0.1:143", "10.0.0.2:143", "10.0.0.4:143"}));
  EXPECT_EQ(drained(), "1");
}

TEST_F(DrainedAddresses, AreWantedBackThoughNoNameLeadsToThem) {
  ASSERT_TRUE(Drain(1));
  EXPECT_TRUE(LeadTo({"10.0.0.2:143"}));
  EXPECT_TRUE(Drain(1, false));
  EXPECT_FALSE(names_.drained(0));
  EXPECT_FALSE(Drain(1, false)) << "nobody knows it any more";
  EXPECT_TRUE(LeadTo({"10.0.0.1:143", "10.0.0.2:143"}));
  EXPECT_EQ(drained(), "");
}

TEST_F(StoreResolverTest, AreNotAskedForAgainWhereThereIsNoneOrNobodyWantsIt) {
  book_.Set("10.0.0.1", {"10.0.0.1:143"});
  book_.Set("imap.example.org", {"10.0.0.2:143"});
  StoreResolver names({Store("10.0.0.1", 10), Store("imap.example.org", 0)}, book_.resolve());
  std::string error;
  ASSERT_TRUE(names.Start(0, &error)) << error;
  EXPECT_FALSE(names.Tend(SecondsToNs(1000)));
  EXPECT_EQ(book_.asked(), 2);
}

}  // namespace
}  // namespace roost
