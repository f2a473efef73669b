#include "tools/load/options.h"

#include <gtest/gtest.h>

#include "core/base/version.h"
#include "tools/load/result.h"

namespace roost::load {
namespace {

std::string ErrorOf(const std::vector<std::string>& arguments, Options* options) {
  std::string error;
  return ParseOptions(arguments, options, &error) ? "" : error;
}

TEST(Options, LoopbackIsAllowedAndAnyOtherTargetMustBeAskedFor) {
  for (const char* address : {"127.0.0.1:993", "127.9.9.9:993", "[::1]:993"}) {
    Options options;
    EXPECT_EQ(ErrorOf({"--server", address}, &options), "");
  }
  for (const char* address : {"192.0.2.1:993", "[2001:db8::1]:993", "[::]:993", "0.0.0.0:993"}) {
    Options options;
    EXPECT_NE(ErrorOf({"--server", address}, &options).find("--i-may-load-this-host"),
              std::string::npos);
    EXPECT_EQ(ErrorOf({"--server", address, "--i-may-load-this-host"}, &options), "");
  }
  Options options;
  EXPECT_NE(ErrorOf({"--server=127.0.0.1:993", "--lmtp=192.0.2.1:24"}, &options), "");
}

TEST(Options, MailNeedsAStore) {
  Options options;
  EXPECT_NE(ErrorOf({"--server=127.0.0.1:993", "--deliver=5"}, &options), "");
}

TEST(Options, MailIsForThoseWhoWatchInbox) {
  for (const char* mail : {"--deliver=5", "--deliver-on-line"}) {
    const auto with = [](std::vector<std::string> more) {
      Options options;
      more.insert(more.end(), {"--server=127.0.0.1:993", "--lmtp=127.0.0.1:24"});
      return ErrorOf(more, &options);
    };
    EXPECT_NE(with({"--mailbox=Work", mail}).find("--mailbox Work"), std::string::npos);
    EXPECT_EQ(with({"--mailbox=inbox", mail}), "");
    EXPECT_EQ(with({"--mailbox=Work"}), "");
  }
}

TEST(Options, MistakesAreNamed) {
  for (const auto& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"--server=localhost:993"},
                                             {"--server=127.0.0.1:0"},
                                             {"--server=127.0.0.1:993", "--clients=-1"},
                                             {"--server=127.0.0.1:993", "--clients=1x"},
                                             {"--server=127.0.0.1:993", "--threads=0"},
                                             {"--server=127.0.0.1:993", "--tls=maybe"},
                                             {"--server=127.0.0.1:993", "--colour=red"},
                                             {"--server=127.0.0.1:993", "--clients"}}) {
    Options options;
    EXPECT_NE(ErrorOf(arguments, &options), "");
  }
}

TEST(Options, ClientsAreDividedIntoUsers) {
  Options options;
  ASSERT_EQ(ErrorOf({"--server=127.0.0.1:993", "--clients=10", "--clients-per-user=4",
                     "--users=u%d@x", "--rate=50/s", "--threads=8"},
                    &options),
            "");
  EXPECT_EQ(UserCount(options), 3u);
  EXPECT_EQ(UserName(options, 2), "u3@x");
  EXPECT_EQ(options.rate, 50u);
  EXPECT_EQ(options.threads, 3u);
}

TEST(Options, ANameWithoutANumberIsOneUser) {
  Options options;
  ASSERT_EQ(ErrorOf({"--server=127.0.0.1:993", "--clients=10", "--users=demo"}, &options), "");
  EXPECT_EQ(UserCount(options), 1u);
  EXPECT_EQ(UserName(options, 0), "demo");
}

TEST(Options, AMixHasItsPartsInEachHundredClients) {
  Options options;
  ASSERT_EQ(ErrorOf({"--server=127.0.0.1:993", "--mix=idle=80,poll=10,fetch=5,slow=3,reconnect=2"},
                    &options),
            "");
  for (uint32_t first : {0u, 100u, 12'300u}) {
    std::array<uint32_t, kHabits> count{};
    for (uint32_t i = 0; i < 100; ++i) {
      ++count[static_cast<size_t>(HabitOf(options, first + i))];
    }
    EXPECT_EQ(count, options.mix);
  }
  EXPECT_GE(options.wait_s, options.poll_s);
  EXPECT_GT(options.retries, 0u);
  for (const char* mix : {"--mix=idle=80", "--mix=idle=80,poll=21", "--mix=sleep=100", "--mix=idle",
                          "--mix=", "--mix=idle=1e2"}) {
    EXPECT_NE(ErrorOf({"--server=127.0.0.1:993", mix}, &options), "") << mix;
  }
}

TEST(Options, AShareOfTheClientsResumesAndOfEachHabitToo) {
  Options options;
  ASSERT_EQ(ErrorOf({"--server=127.0.0.1:993", "--resume=30", "--mix=idle=50,fetch=50"}, &options),
            "");
  int resuming = 0, resuming_idlers = 0;
  for (uint32_t i = 0; i < 10'000; ++i) {
    resuming += Resumes(options, i);
    resuming_idlers += Resumes(options, i) && HabitOf(options, i) == Habit::kIdle;
  }
  EXPECT_EQ(resuming, 3000);
  EXPECT_NEAR(resuming_idlers, 1500, 300);
  EXPECT_NE(ErrorOf({"--server=127.0.0.1:993", "--resume=30", "--tls=none"}, &options), "");
}

TEST(Options, AMistakeNamesItsOption) {
  Options options;
  EXPECT_EQ(ErrorOf({"--server=127.0.0.1:993", "--clients", "many"}, &options),
            "--clients: \"many\" is not a number from 0 to 4000000");
}

TEST(Options, WhereClientsReturnAFailedTryIsRepeated) {
  for (const char* returning : {"--storms=1", "--return-lost", "--mix=idle=90,reconnect=10"}) {
    Options options;
    ASSERT_EQ(ErrorOf({"--server=127.0.0.1:993", returning}, &options), "");
    EXPECT_GT(options.retries, 0u) << returning;
    ASSERT_EQ(ErrorOf({"--server=127.0.0.1:993", returning, "--retries=7"}, &options), "");
    EXPECT_EQ(options.retries, 7u) << returning;
  }
  Options options;
  ASSERT_EQ(ErrorOf({"--server=127.0.0.1:993"}, &options), "");
  EXPECT_EQ(options.retries, 0u);
}

TEST(Options, SwitchesStandAlone) {
  EXPECT_TRUE(IsSwitch("--progress"));
  EXPECT_FALSE(IsSwitch("--clients"));
  EXPECT_FALSE(IsSwitch("--nonsense"));
}

TEST(Options, AreShownWithoutPasswordsHoweverTheyWereGiven) {
  EXPECT_EQ(WithoutSecrets({"--users", "password", "--password", "my = secret", "--show",
                            "--store-password=--secret=1", "--server=127.0.0.1:993"}),
            (std::vector<std::string>{"--users=password", "--password=...", "--show",
                                      "--store-password=...", "--server=127.0.0.1:993"}));
}

TEST(Options, SourcesAreSpreadOnLoopbackOnly) {
  Options options;
  ASSERT_EQ(ErrorOf({"--server=127.0.0.1:993"}, &options), "");
  EXPECT_EQ(SourceOf(options, 0).ToString(), "127.10.0.1:0");
  EXPECT_EQ(SourceOf(options, kClientsPerSource * 251).ToString(), "127.10.1.2:0");
  ASSERT_EQ(ErrorOf({"--server=[::1]:993"}, &options), "");
  EXPECT_EQ(SourceOf(options, 0).family, 0);
}

TEST(Options, SourcesThatAreNamedHaveTheirTurns) {
  Options options;
  ASSERT_EQ(
      ErrorOf({"--server=127.0.0.1:993", "--source=127.0.0.7", "--source=127.0.0.8"}, &options),
      "");
  EXPECT_EQ(SourceOf(options, 4).ToString(), "127.0.0.7:0");
  EXPECT_EQ(SourceOf(options, 5).ToString(), "127.0.0.8:0");
  const auto error_of = [](const char* server, const char* source) {
    Options fresh;
    return ErrorOf({server, source}, &fresh);
  };
  EXPECT_EQ(error_of("--server=[::1]:993", "--source=::1"), "");
  EXPECT_EQ(error_of("--server=[::1]:993", "--source=127.0.0.7"),
            "from 127.0.0.7 nobody can connect to [::1]:993");
  EXPECT_EQ(error_of("--server=127.0.0.1:993", "--source=here"),
            "--source: \"here\" is not an address like 192.0.2.7 or 2001:db8::7");
}

TEST(Result, ProblemsOfAnyKindAreNoGoodResult) {
  EXPECT_TRUE(Result().Good());
  EXPECT_FALSE(Result{.failed = 1}.Good());
  EXPECT_FALSE((Result{.established = 9, .asked = 10}.Good()));  // interrupted on the way
  EXPECT_FALSE(Result{.dropped = 1}.Good());
  EXPECT_FALSE(Result{.not_returned = 1}.Good());
  EXPECT_FALSE((Result{.unfinished_storms_s = {1}}.Good()));
  EXPECT_FALSE(Result{.refused = 1}.Good());
  EXPECT_FALSE(Result{.expected = 1}.Good());
  EXPECT_FALSE(Result{.duplicated = 1}.Good());
  EXPECT_FALSE(Result{.unexpected = 1}.Good());
  EXPECT_FALSE(Result{.delivery_failed = 1}.Good());
}

TEST(Result, ErrorsAreCountedAndBounded) {
  Result result;
  for (size_t i = 0; i < 2 * Result::kMaxErrors; ++i) result.NoteError(std::to_string(i));
  result.NoteError("0");
  EXPECT_EQ(result.errors.size(), Result::kMaxErrors + 1);
  EXPECT_EQ(result.errors["0"], 2u);
  EXPECT_EQ(result.errors["other errors"], Result::kMaxErrors);
}

TEST(Result, IsToldAsATableAndAsJson) {
  Result result{.established = 5,
                .expected = 5,
                .received = 4,
                .delivered = 1,
                .started = "2038-01-19T03:14:08Z",
                .arguments = {"--clients=6", "--show"},
                .asked = 6};
  for (int i = 0; i < 4; ++i) result.told.Record(2'000'000);
  result.NoteError("he said \"no\"\xff");
  EXPECT_NE(ResultTable(result).find("5 expected, 4 received, 1 lost, 0 doubled"),
            std::string::npos);
  const std::string json = ResultJson(result);
  for (const char* part :
       {"\", \"started\": \"2038-01-19T03:14:08Z\", \"arguments\": [\"--clients=6\", "
        "\"--show\"]}",
        "\"connections\": {\"asked\": 6, \"established\": 5, \"failed\": 0",
        "\"handshakes_per_s\": 0.0",
        "\"events\": {\"expected\": 5, \"received\": 4, \"lost\": 1, \"duplicated\": 0",
        "\"latency_us\": {\"count\": 4, \"p50\": 2000.0, ", "\"max\": 2000.0}",
        "{\"text\": \"he said \\\"no\\\"?\", \"count\": 1}"}) {
    EXPECT_NE(json.find(part), std::string::npos) << part << " in " << json;
  }
  EXPECT_TRUE(json.starts_with("{\"run\": {\"version\": \"" + std::string(kVersion) + "\""))
      << json;
  const std::string html = ResultHtml(result);
  EXPECT_NE(html.find("roost-load --clients=6 --show\n"), std::string::npos) << html;
  EXPECT_NE(html.find("2038-01-19T03:14:08Z"), std::string::npos) << html;
}

}  // namespace
}  // namespace roost::load
