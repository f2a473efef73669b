#include "core/route/lookups.h"

#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/testing/scripted_service.h"

namespace roost {
namespace {

using Kind = LookupResult::Kind;

const std::vector<std::string> kGood = {"Auth-Status: OK", "Auth-Server: 192.0.2.1",
                                        "Auth-Port: 143"};

class LookupsTest : public ::testing::Test {
 protected:
  LookupsTest() {
    config_.route.kind = RouteConfig::Kind::kHttp;
    config_.lookup.servers = {{"127.0.0.3", 80}};
    runner_.Add([this] { return loop_.Turn(kNever); });
  }
  ~LookupsTest() override { asked_.clear(); }

  // Both servers, the first one first.
  void UseBoth() { config_.lookup.servers = {{"127.0.0.3", 80}, {"127.0.0.4", 80}}; }

  // The number of its result.
  size_t Ask(const std::string& user = "ann") {
    std::vector<ConfigError> errors;
    std::shared_ptr<const Router> router = Router::Build(config_, &errors);
    EXPECT_NE(router, nullptr);
    LookupQuestion question;
    question.user = user;
    question.password = "secret";
    question.client_ip = "198.51.100.7";
    question.within_ns = within_ns_;
    const size_t number = results_.size();
    results_.emplace_back();
    asked_.push_back(lookups_.Ask(router, std::move(question), [this, number](LookupResult r) {
      EXPECT_FALSE(results_[number]) << "told twice";
      results_[number] = std::move(r);
      asked_[number].reset();
    }));
    EXPECT_FALSE(results_[number]) << "told from within the question";
    return number;
  }
  bool Answered(size_t number, double seconds = 5) {
    return runner_.RunUntil([&] { return results_[number].has_value(); },
                            static_cast<uint64_t>(seconds * kNsPerSecond));
  }
  // Asks, and waits for the result.
  const LookupResult& Result(const std::string& user = "ann") {
    const size_t number = Ask(user);
    EXPECT_TRUE(Answered(number, 100));
    if (!results_[number]) results_[number].emplace();
    return *results_[number];
  }
  void Pass(double seconds) { runner_.RunFor(static_cast<uint64_t>(seconds * kNsPerSecond)); }

  SimNetwork network_{1, SimOptions::Calm()};
  SimRunner runner_{&network_};
  DeafIoHandler deaf_;
  Loop loop_{*network_.AddIo(0), deaf_};
  Lookups lookups_{loop_};
  ScriptedService first_{network_, runner_, 1, "127.0.0.3:80"};
  ScriptedService second_{network_, runner_, 2, "127.0.0.4:80"};
  Config config_;
  uint64_t within_ns_ = kNever;
  std::vector<std::optional<LookupResult>> results_;
  std::vector<std::unique_ptr<Lookup>> asked_;
};

TEST_F(LookupsTest, TellWhatTheServiceAnswers) {
  config_.lookup.path = "/auth";
  first_.AnswerFields({kGood[0], kGood[1], kGood[2], "Auth-User: bob", "Auth-Pass: other"});
  const LookupResult& result = Result("ann b");
  EXPECT_EQ(result.kind, Kind::kOk);
  EXPECT_EQ(result.store.ToString(), "192.0.2.1:143");
  EXPECT_EQ(result.user, "bob");
  EXPECT_EQ(result.password, "other");
  ASSERT_EQ(first_.requests().size(), 1u);
  EXPECT_TRUE(first_.requests()[0].starts_with("GET /auth HTTP/1.1\r\nHost: 127.0.0.3:80\r\n"));
  EXPECT_EQ(first_.Field(0, "Auth-User"), "ann%20b");
  EXPECT_EQ(first_.Field(0, "Auth-Pass"), "secret");
  EXPECT_EQ(first_.Field(0, "Client-IP"), "198.51.100.7");
}

TEST_F(LookupsTest, KeepThePasswordWhereItIsNotToBeSent) {
  config_.lookup.send_password = false;
  first_.AnswerFields(kGood);
  EXPECT_EQ(Result().kind, Kind::kOk);
  EXPECT_EQ(first_.Field(0, "Auth-Pass"), "");
  EXPECT_EQ(first_.requests()[0].find("secret"), std::string::npos);
}

TEST_F(LookupsTest, TellOfRefusalsAndWaits) {
  first_.AnswerFields({"Auth-Status: Invalid login", "Auth-Wait: 3"});
  const LookupResult& refused = Result();
  EXPECT_EQ(refused.kind, Kind::kRefused);
  EXPECT_EQ(refused.text, "Invalid login");
  EXPECT_EQ(refused.wait_s, 3u);
  first_.AnswerFields({"Auth-Status: WAIT", "Auth-Wait: 2"});
  const LookupResult& wait = Result();
  EXPECT_EQ(wait.kind, Kind::kWait);
  EXPECT_EQ(wait.wait_s, 2u);
}

TEST_F(LookupsTest, TakeAnIpAddressInEveryWayAndNoName) {
  for (const auto& [server, store] :
       std::vector<std::pair<std::string, std::string>>{{"192.0.2.1", "192.0.2.1:143"},
                                                        {"2001:db8::1", "[2001:db8::1]:143"},
                                                        {"[2001:db8::1]", "[2001:db8::1]:143"},
                                                        {"::ffff:192.0.2.1", "192.0.2.1:143"}}) {
    first_.AnswerFields({"Auth-Status: OK", "Auth-Server: " + server, "Auth-Port: 143"});
    EXPECT_EQ(Result().store.ToString(), store) << server;
  }
  for (const char* server : {"mail.example.org", "*", "[", "192.0.2", "192.0.2.1:99", "unix:/a"}) {
    first_.AnswerFields(
        {"Auth-Status: OK", std::string("Auth-Server: ") + server, "Auth-Port: 143"});
    EXPECT_EQ(Result().kind, Kind::kUnavailable) << server;
  }
}

TEST_F(LookupsTest, GiveUpWhenTheAnswerIsOfNoUseAnyMoreAndSaySo) {
  UseBoth();
  config_.lookup.timeout_s = 4;
  within_ns_ = SecondsToNs(7);  // the first is given up for the second, the second for good
  first_.Answer("");
  second_.Answer("");
  const size_t number = Ask();
  EXPECT_FALSE(Answered(number, 6.5));
  EXPECT_EQ(lookups_.stats().failures, 1u);
  ASSERT_TRUE(Answered(number, 1));
  EXPECT_EQ(results_[number]->kind, Kind::kUnavailable);
  EXPECT_NE(results_[number]->text.find("127.0.0.4:80: the login cannot wait any longer"),
            std::string::npos)
      << results_[number]->text;
  EXPECT_EQ(lookups_.stats().failures, 2u);
  EXPECT_EQ(lookups_.stats().results[static_cast<size_t>(Kind::kUnavailable)], 1u);
  EXPECT_EQ(lookups_.stats().asking, 0u);
}

// What it was: a server that answers was avoided for the time that a login had waited for a place.
TEST_F(LookupsTest, BlameNoServerThatHadNoTimeToAnswer) {
  UseBoth();
  config_.lookup.max_in_progress = 1;
  config_.lookup.timeout_s = 10;
  config_.lookup.queue_s = 60;
  within_ns_ = SecondsToNs(6);
  const size_t ahead = Ask("a");
  const size_t number = Ask("b");
  Pass(5.5);
  const std::string no = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nAuth-Status: no\r\n\r\n";
  first_.Say(0, no);
  EXPECT_TRUE(Answered(ahead, 0.1));
  ASSERT_TRUE(Answered(number, 1));
  EXPECT_EQ(first_.Field(1, "Auth-User"), "b");
  EXPECT_EQ(results_[number]->kind, Kind::kUnavailable);
  EXPECT_EQ(results_[number]->text, "the login has waited too long for a place");
  EXPECT_EQ(lookups_.stats().failures, 0u);
  first_.Answer(no);
  EXPECT_EQ(Result("c").kind, Kind::kRefused);
  EXPECT_EQ(first_.Field(2, "Auth-User"), "c") << "it is not avoided";
}

TEST_F(LookupsTest, UseOneConnectionForManyQuestionsInTurn) {
  first_.Answer("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nAuth-Status: no\r\n\r\nbody");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Result().kind, Kind::kRefused);
  EXPECT_EQ(first_.connections(), 1u);
  Pass(3.5);
  EXPECT_EQ(Result().kind, Kind::kRefused);
  EXPECT_EQ(first_.connections(), 1u);
  Pass(10);
  EXPECT_EQ(first_.open(), 0u);
  EXPECT_EQ(Result().kind, Kind::kRefused);
  EXPECT_EQ(first_.connections(), 2u);
}

TEST_F(LookupsTest, UseANewConnectionWhereTheEndOfAnAnswerIsNotKnown) {
  for (const char* head : {"HTTP/1.0 200 OK\r\n", "HTTP/1.1 200 OK\r\n",
                           "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n",
                           "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n"}) {
    const size_t before = first_.connections();
    first_.Answer(std::string(head) + "Auth-Status: no\r\n\r\n");
    EXPECT_EQ(Result().kind, Kind::kRefused);
    EXPECT_EQ(Result().kind, Kind::kRefused);
    EXPECT_EQ(first_.connections(), before + 2) << head;
  }
}

TEST_F(LookupsTest, AskAgainWhereAKeptConnectionIsClosedUnderTheQuestion) {
  UseBoth();
  first_.AnswerFields(kGood);
  EXPECT_EQ(Result().kind, Kind::kOk);
  first_.Answer("", true);  // it takes the question, and closes
  const size_t number = Ask();
  EXPECT_TRUE(runner_.RunUntil([&] { return first_.requests().size() == 2; }));
  first_.AnswerFields(kGood);
  EXPECT_TRUE(Answered(number));
  EXPECT_EQ(results_[number]->kind, Kind::kOk);
  EXPECT_EQ(first_.requests().size(), 3u);
  EXPECT_EQ(first_.connections(), 2u);
  EXPECT_EQ(second_.requests().size(), 0u);
  EXPECT_EQ(lookups_.stats().failures, 0u);
}

// Or the rest of one answer would be taken for that about somebody else.
TEST_F(LookupsTest, LeaveAConnectionOnWhichMoreComesThanWasAskedFor) {
  const std::string no = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nAuth-Status: no\r\n\r\n";
  const std::string wait = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nAuth-Status: WAIT\r\n\r\n";
  first_.Answer(no + wait);
  EXPECT_EQ(Result().kind, Kind::kRefused);
  EXPECT_EQ(Result().kind, Kind::kRefused);
  EXPECT_EQ(first_.connections(), 2u);
  first_.Answer(no);
  EXPECT_EQ(Result().kind, Kind::kRefused);
  first_.Say(2, wait);
  Pass(0.1);
  EXPECT_EQ(first_.open(), 0u);
  EXPECT_EQ(Result().kind, Kind::kRefused);
  EXPECT_EQ(first_.connections(), 4u);
}

TEST_F(LookupsTest, ReadOneThatComesInPieces) {
  const size_t number = Ask();
  EXPECT_TRUE(runner_.RunUntil([&] { return first_.requests().size() == 1; }));
  for (const char c :
       std::string("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\nAuth-Status: no\n")) {
    first_.Say(0, std::string(1, c));
    Pass(0.01);
    EXPECT_FALSE(results_[number]);
  }
  first_.Say(0, "\n");
  EXPECT_TRUE(Answered(number));
  EXPECT_EQ(results_[number]->kind, Kind::kRefused);
}

TEST_F(LookupsTest, GoToTheNextServerWhereOneHasNoAnswer) {
  UseBoth();
  second_.AnswerFields(kGood);
  const std::string good = kGood[0] + "\r\n" + kGood[1] + "\r\n" + kGood[2] + "\r\n\r\n";
  const std::vector<std::string> bad = {
      "SSH-2.0\r\n",
      "HTTP/1.1 200 OK\r\n\r\n",
      "HTTP/1.1 503 Down\r\n" + good,
      "HTTP/1.1 101 Switching\r\n\r\n",
      "HTTP/1.1 200 OK\r\nX: " + std::string(9000, 'x'),
      "HTTP/1.1 200 OK\r\nAuth-Status: OK\r\nAuth-Status: OK\r\n\r\n"};
  for (size_t i = 0; i < bad.size(); ++i) {
    first_.Answer(bad[i]);
    EXPECT_EQ(Result().kind, Kind::kOk) << bad[i];
    EXPECT_EQ(first_.requests().size(), i + 1);
    EXPECT_EQ(second_.requests().size(), i + 1);
    Pass(11);  // until it is believed in again
  }
  first_.Answer("", true);
  EXPECT_EQ(Result().kind, Kind::kOk);
  EXPECT_EQ(lookups_.stats().failures, bad.size() + 1);
}

TEST_F(LookupsTest, AskAServerThatFailedLastForAWhile) {
  UseBoth();
  first_.Answer("", true);
  second_.AnswerFields(kGood);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Result().kind, Kind::kOk);
  EXPECT_EQ(first_.requests().size(), 1u);
  second_.Answer("", true);
  first_.AnswerFields(kGood);
  second_.CloseAll();
  Pass(0.1);
  EXPECT_EQ(Result().kind, Kind::kOk) << "better than nobody";
  EXPECT_EQ(first_.requests().size(), 2u);
  Pass(11);
  EXPECT_EQ(Result().kind, Kind::kOk);
  EXPECT_EQ(first_.requests().size(), 3u);
}

TEST_F(LookupsTest, AskAServerThatFailedOnceWhetherItIsBack) {
  UseBoth();
  first_.Answer("", true);
  second_.AnswerFields(kGood);
  EXPECT_EQ(Result().kind, Kind::kOk);
  first_.Answer("");  // takes questions, and says nothing
  Pass(11);
  const size_t patient = Ask();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Result().kind, Kind::kOk);
  EXPECT_EQ(first_.requests().size(), 2u);  // the others have not waited for it
  EXPECT_TRUE(Answered(patient, 60));
  EXPECT_EQ(results_[patient]->kind, Kind::kOk);
  first_.AnswerFields(kGood);
  Pass(11);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Result().kind, Kind::kOk);
  EXPECT_EQ(first_.requests().size(), 5u);
}

// Servers say so when nobody has asked for a while, perhaps just as somebody does.
TEST_F(LookupsTest, AskAgainWhereAKeptConnectionTimesOutUnderTheQuestion) {
  UseBoth();
  first_.AnswerFields(kGood);
  EXPECT_EQ(Result().kind, Kind::kOk);
  first_.Answer("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n", true);
  const size_t number = Ask();
  EXPECT_TRUE(runner_.RunUntil([&] { return first_.requests().size() == 2; }));
  first_.AnswerFields(kGood);
  EXPECT_TRUE(Answered(number));
  EXPECT_EQ(results_[number]->kind, Kind::kOk);
  EXPECT_EQ(second_.requests().size(), 0u);
  EXPECT_EQ(lookups_.stats().failures, 0u);
}

TEST_F(LookupsTest, WaitForASlowServerAndNotForever) {
  config_.lookup.timeout_s = 5;
  const size_t slow = Ask();
  Pass(4.5);
  EXPECT_FALSE(results_[slow]);
  first_.Say(0, "HTTP/1.1 200 OK\r\nAuth-Status: no\r\n\r\n");
  EXPECT_TRUE(Answered(slow));
  const size_t dead = Ask();
  Pass(4.5);
  first_.Say(1, "HTTP/1.1 200 OK\r\nAuth-Status: no\r\n");  // byte by byte does not help
  EXPECT_FALSE(results_[dead]);
  EXPECT_TRUE(Answered(dead, 1));
  EXPECT_EQ(results_[dead]->kind, Kind::kUnavailable);
  EXPECT_EQ(results_[dead]->text, "127.0.0.3:80: it did not answer in time");
}

TEST_F(LookupsTest, SayWhyWhereNobodyCanBeReached) {
  config_.lookup.servers = {{"127.0.0.5", 80}};
  const LookupResult& refused = Result();
  EXPECT_EQ(refused.kind, Kind::kUnavailable);
  EXPECT_EQ(refused.text, "127.0.0.5:80: Connection refused");
  EXPECT_EQ(Result().kind, Kind::kUnavailable) << "it is tried again nevertheless";
  EXPECT_EQ(lookups_.stats().connections, 2u);
}

TEST_F(LookupsTest, SayOfEachServerWhyItHadNoAnswer) {
  UseBoth();
  first_.Answer("garbage\r\n");
  second_.Answer("HTTP/1.1 200 OK\r\n\r\n");
  EXPECT_EQ(Result().text,
            "127.0.0.3:80: it did not answer in HTTP; 127.0.0.4:80: there is no Auth-Status");
}

TEST_F(LookupsTest, AskSoManyAtOnceAndTheOthersInTheOrderInWhichTheyCame) {
  config_.lookup.max_in_progress = 2;
  for (const char* user : {"a", "b", "c", "d"}) Ask(user);
  Pass(1);
  EXPECT_EQ(first_.requests().size(), 2u);
  EXPECT_EQ(lookups_.stats().asking, 2u);
  EXPECT_EQ(lookups_.stats().waiting, 2u);
  const std::string no = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nAuth-Status: no\r\n\r\n";
  first_.Say(1, no);
  Pass(1);
  ASSERT_EQ(first_.requests().size(), 3u);
  EXPECT_EQ(first_.Field(2, "Auth-User"), "c");
  for (const size_t request : {0, 2}) first_.Say(request, no);
  Pass(0.1);
  first_.Say(3, no);
  for (size_t i = 0; i < 4; ++i) EXPECT_TRUE(Answered(i));
  EXPECT_EQ(first_.connections(), 2u);
  EXPECT_EQ(lookups_.stats().asking, 0u);
}

TEST_F(LookupsTest, RefuseWhoWouldWaitTooLongOrIsOneTooMany) {
  config_.lookup.max_in_progress = 1;
  config_.lookup.queue_max = 2;
  config_.lookup.queue_s = 3;
  config_.lookup.timeout_s = 60;
  Ask();
  Pass(0.1);
  const size_t second = Ask(), third = Ask(), fourth = Ask();
  EXPECT_TRUE(Answered(fourth, 0.1));
  EXPECT_EQ(results_[fourth]->text, "too many logins wait to be looked up");
  Pass(2.8);
  EXPECT_FALSE(results_[second]);
  for (const size_t waiting : {second, third}) {
    EXPECT_TRUE(Answered(waiting, 0.5));
    EXPECT_EQ(results_[waiting]->text, "too many logins are being looked up");
  }
  EXPECT_EQ(lookups_.stats().results[static_cast<size_t>(Kind::kUnavailable)], 3u);
}

TEST_F(LookupsTest, ForgetWhoNoLongerAsks) {
  config_.lookup.max_in_progress = 1;
  Ask("a");
  Ask("b");
  Ask("c");
  Pass(0.1);
  asked_[1].reset();  // waits
  asked_[0].reset();  // is being asked about
  Pass(0.1);
  ASSERT_EQ(first_.requests().size(), 2u);
  EXPECT_EQ(first_.Field(1, "Auth-User"), "c");
  EXPECT_EQ(first_.open(), 1u);
  asked_[2].reset();
  Pass(60);
  EXPECT_EQ(lookups_.stats().asking + lookups_.stats().waiting, 0u);
  EXPECT_FALSE(results_[0] || results_[1] || results_[2]);
}

std::string HeaderErrors(std::string_view text) {
  std::vector<ConfigError> errors;
  ParseLookupHeaders(text, "f", &errors);
  std::string all;
  for (const ConfigError& error : errors) all += error.ToString() + "\n";
  return all;
}

TEST(LookupHeaders, AreSentAsTheyAreInTheFile) {
  std::vector<ConfigError> errors;
  EXPECT_EQ(ParseLookupHeaders("# a key\nX-Auth-Key:  k e y \r\n\nX-B: 1", "f", &errors),
            "X-Auth-Key: k e y\r\nX-B: 1\r\n");
  EXPECT_TRUE(errors.empty());
}

TEST(LookupHeaders, CannotSayWhatIsNotTheOperatorsToSay) {
  EXPECT_EQ(HeaderErrors("X: 1\nno header\n"), "f:2: is not a header; write 'Name: value'\n");
  for (const char* name : {"auth-user", "Auth-Status", "HOST", "Content-Length", "Connection",
                           "Transfer-Encoding", "Client-IP"}) {
    EXPECT_EQ(HeaderErrors(std::string(name) + ": 1\n"),
              "f:1: " + std::string(name) + " is roostd's own to say; remove the line\n");
  }
  EXPECT_NE(HeaderErrors("a: \x01\n"), "");
}

TEST(LookupService, CannotBeMadeWithoutItsServersOrHeaders) {
  Config config;
  config.route.kind = RouteConfig::Kind::kHttp;
  config.lookup.servers = {{std::string(64, 'x'), 80}};
  std::vector<ConfigError> errors;
  EXPECT_EQ(Router::Build(config, &errors), nullptr);
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_NE(errors[0].ToString().find("cannot resolve"), std::string::npos);
  errors.clear();
  config.lookup.servers = {{"127.0.0.3", 80}};
  config.lookup.header_file = "/nonexistent/headers";
  EXPECT_EQ(Router::Build(config, &errors), nullptr);
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].ToString(),
            "/nonexistent/headers: cannot be read: No such file or directory; "
            "correct lookup.header_file");
}

}  // namespace
}  // namespace roost
