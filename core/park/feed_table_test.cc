#include "core/park/feed_table.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "core/io/simulated.h"

namespace roost {
namespace {

class Nobody final : public FeedHost, public DeafIoHandler {
  void OnFeedNews(Feed&) override {}
  void OnFeedLogFull(Feed&) override {}
  void OnFeedDriverLost(Feed&, const std::string&) override {}
  void OnFeedDead(Feed&, const std::string&) override {}
};

class FeedTableTest : public ::testing::Test {
 protected:
  FeedTableTest() {
    ann_ = Enter("ann");
    bob_ = Enter("bob");
  }
  StoreTarget Target() {
    config_.stores.resize(1);
    StoreTarget target;
    target.config = Borrowed(config_.stores[0]);
    return target;
  }
  User* Enter(const std::string& name) {
    Credentials own;
    own.user = name;
    return users_.Enter(config_, dialer_, own, 0, 0);
  }
  std::unique_ptr<Feed> Make(User* user, const std::string& mailbox) {
    return std::make_unique<Feed>(loop_, config_, host_, *user, mailbox);
  }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    table_.ForEach([&](const Feed& f) { names.push_back(f.user().login() + "/" + f.mailbox()); });
    return names;
  }

  Config config_;
  Nobody host_;
  SimNetwork network_{1};
  Loop loop_{*network_.AddIo(0), host_};
  Dialer dialer_{loop_, Target()};
  UserTable users_{loop_};
  User* ann_;
  User* bob_;
  FeedTable table_;
};

using Strings = std::vector<std::string>;

TEST_F(FeedTableTest, FindsByUserAndMailbox) {
  Feed* inbox = table_.Add(Make(ann_, "INBOX"));
  Feed* other = table_.Add(Make(bob_, "INBOX"));
  EXPECT_NE(inbox, other);
  EXPECT_EQ(table_.Find(*ann_, "INBOX"), inbox);
  EXPECT_EQ(table_.Find(*bob_, "INBOX"), other);
  EXPECT_EQ(table_.Find(*ann_, "Sent"), nullptr);
}

TEST_F(FeedTableTest, IsWalkedInTheOrderOfComingUntilOneGoesToTheBack) {
  for (int i = 0; i < 100; ++i) table_.Add(Make(ann_, std::to_string(i)));
  for (int i = 0; i < 98; ++i) table_.Take(*table_.Find(*ann_, std::to_string(i)));
  table_.Add(Make(bob_, "INBOX"));
  EXPECT_EQ(Names(), (Strings{"ann/98", "ann/99", "bob/INBOX"}));
  table_.MoveToBack(*table_.front());
  EXPECT_EQ(Names(), (Strings{"ann/99", "bob/INBOX", "ann/98"}));
  table_.MoveToBack(*table_.Find(*ann_, "98"));
  EXPECT_EQ(Names(), (Strings{"ann/99", "bob/INBOX", "ann/98"}));
}

TEST_F(FeedTableTest, IsWalkedInSlicesWhateverHappensInBetween) {
  for (const char* name : {"a", "b", "c", "d", "e"}) table_.Add(Make(ann_, name));
  const auto feed = [&](const char* name) { return table_.Find(*ann_, name); };
  FeedWalk walk(table_);
  EXPECT_EQ(walk.Next(), feed("a"));
  table_.Take(*feed("b"));        // the next
  table_.Take(*feed("a"));        // the last
  table_.MoveToBack(*feed("c"));  // the next again
  EXPECT_EQ(walk.Next(), feed("d"));
  table_.Add(Make(ann_, "f"));
  std::vector<Feed*> rest;
  while (Feed* next = walk.Next()) rest.push_back(next);
  EXPECT_EQ(rest, (std::vector<Feed*>{feed("e"), feed("c"), feed("f")}));
  table_.Clear();
  EXPECT_EQ(walk.Next(), nullptr);
}

TEST_F(FeedTableTest, EndsAWalkHoweverManyCome) {
  table_.Add(Make(ann_, "0"));
  FeedWalk walk(table_);
  FeedWalk other(table_);
  int visits = 0;
  while (walk.Next() != nullptr && visits < 1000) {
    table_.Add(Make(ann_, std::to_string(++visits)));
  }
  EXPECT_LT(visits, 10);
  EXPECT_EQ(other.Next(), table_.Find(*ann_, "0"));  // each for itself
}

TEST_F(FeedTableTest, GivesOutOnlyTheVeryFeedThatItHas) {
  Feed* first = table_.Add(Make(ann_, "INBOX"));
  const std::unique_ptr<Feed> taken = table_.Take(*first);
  EXPECT_EQ(taken.get(), first);
  EXPECT_EQ(table_.size(), 0u);
  Feed* second = table_.Add(Make(ann_, "INBOX"));
  EXPECT_EQ(table_.Take(*taken), nullptr);  // the name is another's now
  EXPECT_EQ(table_.Find(*ann_, "INBOX"), second);
}

}  // namespace
}  // namespace roost
