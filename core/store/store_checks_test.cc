#include "core/store/store_checks.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "core/io/simulated.h"
#include "core/sim/imap_text.h"
#include "core/sim/wire.h"

namespace roost {
namespace {

// Whoever serves at one address.
class Host {
 public:
  Host(SimNetwork* network, const Address& address) : wires_(*network->AddIo(address.bytes[3])) {
    wires_.set_accept([this](SocketId socket, const Address&) {
      ++visits;
      guests_.push_back(std::make_unique<Guest>(wires_, *this));
      guests_.back()->wire.Open(socket);
      if (!greeting.empty()) guests_.back()->wire.Write(greeting + "\r\n");
    });
    wires_.io().Listen(network->MakeListener(address), 0);
  }
  int Turn() { return wires_.Turn(); }
  size_t guests() const {
    size_t open = 0;
    for (const auto& guest : guests_) open += guest->wire.open() ? 1 : 0;
    return open;
  }

  std::string greeting = "* OK welcome";  // empty: says nothing
  int visits = 0;
  int logins = 0;

 private:
  struct Guest final : WireOwner {
    Guest(Wires& wires, Host& its) : host(its), wire(wires, *this) {}
    void OnWireInput() override {
      while (std::optional<std::string> line = reader.Next(&wire.input)) {
        const std::string tag = line->substr(0, line->find(' '));
        if (line->find("LOGIN") != line->npos) ++host.logins;
        if (line->find("CAPABILITY") != line->npos) wire.Write("* CAPABILITY IMAP4rev1\r\n");
        wire.Write(tag + " OK done\r\n");
      }
    }
    void OnWireClosed(int) override {}
    Host& host;
    Wire wire;
    MessageReader reader;
  };
  Wires wires_;
  std::vector<std::unique_ptr<Guest>> guests_;
};

class StoreChecksTest : public ::testing::Test {
 protected:
  StoreChecksTest() {
    config_.name = "store";
    config_.check_s = 10;
    config_.connect_timeout_s = 4;
    StoreTarget target;
    target.config = Borrowed(config_);
    target.addresses = {At("127.0.0.2:143"), At("127.0.0.3:143")};
    dialers_.push_back(std::make_unique<Dialer>(loop_, target));
    for (const StoreAddress& address : target.addresses) {
      hosts_.push_back(std::make_unique<Host>(&network_, address.address));
      runner_.Add([host = hosts_.back().get()] { return host->Turn(); });
    }
    runner_.Add([this] { return loop_.Turn(kNever); });
    checks_ = std::make_unique<StoreChecks>(loop_, dialers_, [this](const StoreVerdict& verdict) {
      EXPECT_EQ(verdict.store, 0u);
      EXPECT_TRUE(verdict.reason.empty() || fails_(verdict.address)) << verdict.reason;
      verdicts_.push_back(verdict);
    });
    checks_->Start();
  }
  ~StoreChecksTest() override {
    checks_.reset();
    loop_.FreeRetired();
  }
  static StoreAddress At(const char* text) {
    StoreAddress address;
    EXPECT_TRUE(Address::Parse(text, &address.address));
    return address;
  }
  void Pass(double seconds) { runner_.RunFor(static_cast<uint64_t>(seconds * kNsPerSecond)); }
  // How the checks of the first address went, in their order, and forgets them: `-` a failure, `x`
  // one that leaves it down, `+` an answer.
  std::string Story() {
    std::string story;
    for (const StoreVerdict& v : std::exchange(verdicts_, {})) {
      if (!v.address.IsAt(At("127.0.0.2:143"))) continue;
      story += v.reason.empty() ? '+' : v.address.down ? 'x' : '-';
    }
    return story;
  }

  StoreConfig config_;
  SimNetwork network_{1, SimOptions::Calm()};
  SimRunner runner_{&network_};
  DeafIoHandler handler_;
  Loop loop_{*network_.AddIo(0), handler_};
  std::vector<std::unique_ptr<Host>> hosts_;
  std::vector<std::unique_ptr<Dialer>> dialers_;
  // Where a check may fail.
  std::function<bool(const StoreAddress&)> fails_ = [](const StoreAddress& address) {
    return address.IsAt(At("127.0.0.2:143"));
  };
  std::vector<StoreVerdict> verdicts_;
  std::unique_ptr<StoreChecks> checks_;
};

TEST_F(StoreChecksTest, FindAnAddressDownAfterThreeFailuresAndUpAfterOneAnswer) {
  network_.SetUnreachable(At("127.0.0.2:143").address, true);
  Pass(70);
  std::string story = Story();
  EXPECT_EQ(story.substr(0, 4), "--xx");
  network_.SetUnreachable(At("127.0.0.2:143").address, false);
  Pass(31);
  story = Story();
  EXPECT_NE(story.find('+'), story.npos);
  EXPECT_EQ(story.back(), '+');
  EXPECT_EQ(story.find('-'), story.npos);
}

TEST_F(StoreChecksTest, TakeAnAnswerBetweenFailuresForAnEndOfThem) {
  Host& host = *hosts_[0];
  for (int i = 0; i < 4; ++i) {
    host.greeting = "* BYE not now";
    while (host.visits % 3 != 2) Pass(0.5);
    host.greeting = "* OK welcome";
    while (host.visits % 3 != 0) Pass(0.5);
  }
  Pass(0.5);
  EXPECT_EQ(Story(), "--+--+--+--+");
}

TEST_F(StoreChecksTest, WantAGreetingInTime) {
  hosts_[0]->greeting.clear();
  Pass(60);
  EXPECT_EQ(Story().substr(0, 3), "--x");
  EXPECT_LE(hosts_[0]->guests(), 1u);
}

// As sessions do: with PREAUTH all users would be one.
TEST_F(StoreChecksTest, WantToBeGreetedAsSessionsAre) {
  hosts_[0]->greeting = "* PREAUTH welcome";
  Pass(60);
  EXPECT_EQ(Story().substr(0, 3), "--x");
}

TEST_F(StoreChecksTest, AreDoneOnceInTheirTimeAndLeaveNothingBehind) {
  Pass(1005);
  for (const auto& host : hosts_) {
    EXPECT_GE(host->visits, 80);
    EXPECT_LE(host->visits, 115);
    EXPECT_EQ(host->guests(), 0u);
    EXPECT_EQ(host->logins, 0);
  }
  EXPECT_EQ(dialers_[0]->stats().opened, 0u) << "they take no place";
}

TEST_F(StoreChecksTest, AreOfTheAddressesThatAreThere) {
  dialers_[0]->Follow({At("127.0.0.2:143")});
  Pass(2);
  const int visits = hosts_[1]->visits;
  Pass(60);
  EXPECT_EQ(hosts_[1]->visits, visits);
  dialers_[0]->Follow({At("127.0.0.2:143"), At("127.0.0.3:143")});
  Pass(60);
  EXPECT_GT(hosts_[1]->visits, visits);
}

TEST_F(StoreChecksTest, LeaveNobodyDownWhoIsCheckedNoMore) {
  std::vector<StoreAddress> known = dialers_[0]->target().addresses;
  Pass(20);
  Story();
  config_.check_s = 0;
  Pass(2);
  EXPECT_EQ(Story(), "");
  known[0].down = true;
  dialers_[0]->Follow(known);
  Pass(1);
  EXPECT_EQ(Story(), "+");
}

// What it was: its store was down, though nobody had been asked.
TEST_F(StoreChecksTest, LeaveNobodyDownWhereNoConnectionCanBeMade) {
  Pass(20);
  Story();
  while (loop_.io().Connect(At("127.0.0.3:143").address, {}, 0)) {
  }
  Pass(100);
  EXPECT_EQ(Story(), "");
}

// They take all the places there are, longer than their period, and leave none for those behind.
TEST_F(StoreChecksTest, ComeToAllWhereManyNeverAnswer) {
  config_.check_s = 2;
  std::vector<StoreAddress> addresses;
  for (size_t i = 0; i < StoreChecks::kMostAtOnce + 2; ++i) {
    addresses.push_back(At(("127.0.1." + std::to_string(i + 10) + ":143").c_str()));
    hosts_.push_back(std::make_unique<Host>(&network_, addresses.back().address));
    runner_.Add([host = hosts_.back().get()] { return host->Turn(); });
    if (i < StoreChecks::kMostAtOnce) hosts_.back()->greeting.clear();
  }
  fails_ = [&](const StoreAddress& address) { return address.address.bytes[2] == 1; };
  dialers_[0]->Follow(addresses);
  Pass(30);
  const int visits = hosts_.back()->visits;
  Pass(30);
  EXPECT_GT(hosts_.back()->visits, visits + 2);
}

TEST_F(StoreChecksTest, ComeSoonWhenTheirPeriodHasBecomeShorter) {
  config_.check_s = 3600;
  Pass(15);  // the first is under way or over; the next is an hour off
  hosts_[0]->visits = 0;
  auto soon = std::make_shared<StoreConfig>(config_);
  soon->check_s = 10;
  dialers_[0]->Configure({soon, nullptr});
  Pass(11);
  EXPECT_GT(hosts_[0]->visits, 0);
}

struct NoSink final : SessionSink {
  void OnStoreData(Session&, const Piece&, const Response*) override {}
  void OnSessionLost(Session&, SessionLoss, const std::string&) override {}
};

// A dialer that is told of three addresses, at each of which somebody takes all logins.
class Dialers : public ::testing::Test {
 protected:
  Dialers() {
    for (const StoreAddress& address : known_) {
      hosts_.push_back(std::make_unique<Host>(&network_, address.address));
      runner_.Add([host = hosts_.back().get()] { return host->Turn(); });
    }
    runner_.Add([this] { return loop_.Turn(kNever); });
  }
  static StoreTarget Target(const StoreConfig& config) {
    StoreTarget target;
    target.config = Borrowed(config);
    for (const char* text : {"127.0.0.3:143", "127.0.0.4:143", "127.0.0.5:143"}) {
      target.addresses.emplace_back();
      EXPECT_TRUE(Address::Parse(text, &target.addresses.back().address));
    }
    return target;
  }
  // Ann's next session, which would go there and goes where AddressOf says; it has logged in.
  Session& Open(size_t address) {
    Credentials credentials;
    credentials.user = "ann";
    credentials.secret = "secret";
    const size_t at = dialer_.AddressOf(kAnn, address);
    sessions_.push_back(dialer_.Open(credentials, {}, at, Dialer::Urgency::kClient, sink_));
    runner_.RunFor(kNsPerSecond);
    EXPECT_TRUE(sessions_.back()->ready());
    return *sessions_.back();
  }
  void End(const Session& session) {
    for (auto& s : sessions_) {
      if (s.get() == &session) EndSession(std::move(s));
    }
  }

  static inline const Dialer::UserHash kAnn = Dialer::HashOf("ann");
  SimNetwork network_{1, SimOptions::Calm()};
  SimRunner runner_{&network_};
  DeafIoHandler handler_;
  Loop loop_{*network_.AddIo(0), handler_};
  StoreConfig config_;
  NoSink sink_;
  Dialer dialer_{loop_, Target(config_)};
  std::vector<StoreAddress> known_ = dialer_.target().addresses;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::vector<std::unique_ptr<Session>> sessions_;
};

// What it was: one session anywhere kept a user at an address where none of its sessions was.
TEST_F(Dialers, KeepAUserWhereItHasASessionAndNowhereElse) {
  Session& first = Open(0);
  known_[0].drained = true;
  dialer_.Follow(known_);
  Session& second = Open(1);
  known_[1].down = true;
  dialer_.Follow(known_);
  ASSERT_EQ(dialer_.address(), 2u);
  EXPECT_EQ(dialer_.AddressOf(kAnn, 0), 0u);
  EXPECT_EQ(dialer_.AddressOf(kAnn, 1), 1u);
  EXPECT_EQ(dialer_.AddressOf(7, 0), 2u) << "nothing of anybody else is there";
  End(second);
  EXPECT_EQ(dialer_.AddressOf(kAnn, 0), 0u);
  EXPECT_EQ(dialer_.AddressOf(kAnn, 1), 2u) << "none of its sessions is there";
  End(first);
  EXPECT_EQ(dialer_.AddressOf(kAnn, 0), 2u);
}

// What it was: where new users go, and whoever had failed to connect once.
TEST_F(Dialers, SendAUserWhereItsSessionsAre) {
  Session& first = Open(0);
  dialer_.NoteUnreachable(kAnn, 0);
  ASSERT_EQ(dialer_.address(), 1u);
  EXPECT_EQ(dialer_.AddressOf(kAnn, 1), 0u) << "it may be reached again in a moment";
  EXPECT_EQ(dialer_.Another(kAnn, {0}), std::nullopt);
  EXPECT_EQ(dialer_.Another(7, {0}), 1u) << "nothing of anybody else is there";
  known_[0].down = true;  // it was not
  dialer_.Follow(known_);
  EXPECT_EQ(dialer_.Another(kAnn, {0}), 1u);
  EXPECT_EQ(dialer_.AddressOf(kAnn, 1), 1u);
  known_[0].down = false;
  dialer_.Follow(known_);
  EXPECT_EQ(dialer_.AddressOf(kAnn, 1), 0u);
  End(first);
  EXPECT_EQ(dialer_.AddressOf(kAnn, 1), 1u);
}

TEST_F(Dialers, SendAUserElsewhereWhoseSessionsAreWhereNobodyIsToBe) {
  Session& first = Open(0);
  known_[0].drained = true;
  dialer_.Follow(known_);
  ASSERT_EQ(dialer_.address(), 1u);
  Open(1);
  dialer_.NoteUnreachable(7, 1);
  ASSERT_EQ(dialer_.address(), 2u);
  EXPECT_EQ(dialer_.AddressOf(kAnn, 2), 1u) << "to the others of it that went";
  End(first);
  EXPECT_EQ(dialer_.AddressOf(kAnn, 2), 1u);
  known_[0].drained = false;
  dialer_.Follow(known_);
  EXPECT_EQ(dialer_.AddressOf(kAnn, 0), 1u) << "nobody comes back by that";
  known_[1].gone = true;
  dialer_.Follow(known_);
  EXPECT_EQ(dialer_.AddressOf(kAnn, 2), 2u);
  Open(2);
  EXPECT_EQ(dialer_.AddressOf(kAnn, 0), 2u);
}

// Without a check, nothing else would let the user go.
TEST_F(Dialers, SendAUserElsewhereWhereNobodyChecksAndASessionHasFailed) {
  config_.check_s = 0;
  Open(0);
  dialer_.NoteUnreachable(7, 0);
  EXPECT_EQ(dialer_.AddressOf(kAnn, 1), 0u) << "another's";
  dialer_.NoteUnreachable(kAnn, 0);
  EXPECT_EQ(dialer_.AddressOf(kAnn, 0), 1u);
  EXPECT_EQ(dialer_.Another(kAnn, {0}), 1u);
}

// Their turns come one by one, and new users go elsewhere meanwhile.
TEST_F(Dialers, SendLoginsOfAUserToOneAddressThatWaitForTheirTurns) {
  config_.max_logins_in_progress = 1;
  Credentials credentials;
  credentials.user = "ann";
  credentials.secret = "secret";
  for (const size_t at : {0, 1}) {
    sessions_.push_back(dialer_.Open(credentials, {}, at, Dialer::Urgency::kClient, sink_));
  }
  runner_.RunFor(kNsPerSecond);
  ASSERT_TRUE(sessions_[1]->ready());
  EXPECT_EQ(sessions_[1]->address(), sessions_[0]->address());
}

TEST_F(Dialers, SendNewUsersWhereSomebodyAnswers) {
  EXPECT_EQ(dialer_.address(), 0u);
  known_[0].down = true;
  dialer_.Follow(known_);
  EXPECT_EQ(dialer_.address(), 1u);
  EXPECT_EQ(dialer_.AddressOf(7, 0), 1u) << "nothing keeps that user there";
  EXPECT_EQ(dialer_.AddressOf(7, 2), 2u) << "nothing is wrong there";
  dialer_.NoteUnreachable(7, 1);
  EXPECT_EQ(dialer_.address(), 2u);
  dialer_.NoteUnreachable(7, 2);
  EXPECT_EQ(dialer_.address(), 1u) << "not the one that is down";
  known_[1].down = known_[2].down = true;
  dialer_.Follow(known_);
  EXPECT_EQ(dialer_.address(), 1u) << "as without checks";
  dialer_.NoteUnreachable(7, 1);
  EXPECT_EQ(dialer_.address(), 2u);
  dialer_.NoteUnreachable(7, 2);
  EXPECT_EQ(dialer_.address(), 0u);
}

}  // namespace
}  // namespace roost
