#include "tools/ctl/options.h"

#include <map>
#include <set>

#include <gtest/gtest.h>

namespace roost {
namespace {

OptionsVerdict Parse(std::vector<std::string_view> arguments, Options* options,
                     std::string* error) {
  return ParseOptions(arguments, options, error);
}

// Empty: it is good.
std::string Wrong(std::vector<std::string_view> arguments) {
  Options options;
  std::string error;
  const OptionsVerdict verdict = Parse(std::move(arguments), &options, &error);
  EXPECT_EQ(verdict == OptionsVerdict::kRun, error.empty()) << error;
  EXPECT_NE(verdict, OptionsVerdict::kHelp);
  return error;
}

// Each command in its shortest form, with the options that it has.
const std::map<std::vector<std::string_view>, std::set<std::string_view>> kCommands = {
    {{"status"}, {"--json", "--socket"}},
    {{"clients"}, {"--json", "--socket", "--user", "--limit"}},
    {{"feeds"}, {"--json", "--socket", "--user", "--limit"}},
    {{"backends"}, {"--json", "--socket"}},
    {{"top"}, {"--json", "--socket", "--every", "--once"}},
    {{"drain"}, {"--json", "--socket", "--over", "--wait"}},
    {{"store", "drain", "main"}, {"--json", "--socket", "--over"}},
    {{"store", "undrain", "main"}, {"--json", "--socket"}},
    {{"kick", "ann"}, {"--json", "--socket"}},
    {{"trace", "ann"}, {"--json", "--socket"}},
    {{"reload"}, {"--json", "--socket"}},
    {{"ticket-keys", "file"}, {}},
};

TEST(Options, AreThoseOfTheCommandAndNoOther) {
  const std::vector<std::vector<std::string_view>> all = {
      {"--json"},        {"--wait"},       {"--once"},      {"--socket", "s"},
      {"--user", "ann"}, {"--limit", "3"}, {"--over", "3"}, {"--every", "3"}};
  for (const auto& [command, known] : kCommands) {
    EXPECT_EQ(Wrong(command), "") << command[0];
    for (const std::vector<std::string_view>& option : all) {
      std::vector<std::string_view> before = option;
      before.insert(before.end(), command.begin(), command.end());
      std::vector<std::string_view> after = command;
      after.insert(after.end(), option.begin(), option.end());
      for (const auto& line : {before, after}) {
        const std::string wrong = Wrong(line);
        EXPECT_EQ(wrong.empty(), known.contains(option[0])) << command[0] << " " << option[0];
        if (wrong.empty()) continue;
        EXPECT_NE(wrong.find(std::string(" has no ").append(option[0])), wrong.npos) << wrong;
        EXPECT_NE(wrong.find("\nusage: roostctl "), wrong.npos) << wrong;
      }
    }
  }
}

TEST(Options, ThatAreNotThereAreRefusedWithTheUsageOfTheCommand) {
  EXPECT_EQ(Wrong({"kick", "ann", "--limit", "3"}),
            "kick has no --limit\nusage: roostctl kick USER [--json] [--socket PATH]");
  EXPECT_EQ(Wrong({"backends", "--user", "x"}),
            "backends has no --user\nusage: roostctl backends [--json] [--socket PATH]");
  EXPECT_EQ(Wrong({"ticket-keys", "f", "--json"}),
            "ticket-keys has no --json\nusage: roostctl ticket-keys FILE");
  EXPECT_EQ(Wrong({"status", "--nonsense"}),
            "--nonsense is not understood\nusage: roostctl status [--json] [--socket PATH]");
  EXPECT_EQ(Wrong({"status", "-j"}).substr(0, 20), "-j is not understood");
  EXPECT_EQ(Wrong({"status", "--json=yes"}).substr(0, 28), "--json=yes is not understood");
}

TEST(Options, WithoutACommandThatThereIsSayWhatIsWrong) {
  EXPECT_EQ(Wrong({}), "a command is missing; try --help");
  EXPECT_EQ(Wrong({"stat", "--json"}), "there is no command stat; try --help");
}

TEST(Options, HaveValuesThatMakeSense) {
  EXPECT_EQ(Wrong({"clients", "--limit", "many"}).substr(0, 22), "--limit needs a number");
  for (const std::vector<std::string_view>& line :
       std::vector<std::vector<std::string_view>>{{"clients", "--limit"},
                                                  {"clients", "--limit="},
                                                  {"clients", "--limit", "-1"},
                                                  {"top", "--every=0"},
                                                  {"top", "--every", "00"},
                                                  {"top", "--every=12345"},
                                                  {"clients", "--user="},
                                                  {"clients", "--user", "a\nb"},
                                                  {"drain", "--over", "3 x"},
                                                  {"drain", "--over"},
                                                  {"drain", "--over", "3\nx"},
                                                  {"status", "--socket="}}) {
    EXPECT_NE(Wrong(line), "") << line.back();
  }
}

TEST(Options, AreTakenAsTheyAre) {
  Options o;
  std::string error;
  ASSERT_EQ(Parse({"--socket", "s", "clients", "--user=a b", "--limit", "0", "--json"}, &o, &error),
            OptionsVerdict::kRun);
  EXPECT_EQ(o.path, "s");
  EXPECT_EQ(o.command, "clients");
  EXPECT_EQ(o.user, "a b");
  EXPECT_EQ(o.limit, "0");
  EXPECT_TRUE(o.json);
  ASSERT_EQ(Parse({"store", "drain", "m", "[::1]:143", "--over=5"}, &o, &error),
            OptionsVerdict::kRun);
  EXPECT_EQ(o.command, "store drain");
  EXPECT_EQ(o.words, (std::vector<std::string>{"m", "[::1]:143"}));
  EXPECT_EQ(o.over, "5");
  EXPECT_FALSE(o.json);
  EXPECT_EQ(o.path, "/run/roost/control");
  EXPECT_EQ(Parse({"kick", "--help"}, &o, &error), OptionsVerdict::kHelp);
  EXPECT_EQ(Parse({"-h"}, &o, &error), OptionsVerdict::kHelp);
  EXPECT_EQ(Parse({"--version"}, &o, &error), OptionsVerdict::kVersion);
}

TEST(Words, AreAsManyAsTheCommandWants) {
  for (const std::vector<std::string_view>& line :
       std::vector<std::vector<std::string_view>>{{},
                                                  {"dance"},
                                                  {"status", "x"},
                                                  {"kick"},
                                                  {"kick", ""},
                                                  {"kick", "ann", "bob"},
                                                  {"kick", "ann\nreload"},
                                                  {"trace"},
                                                  {"ticket-keys"},
                                                  {"store"},
                                                  {"store", "drain"},
                                                  {"store", "empty", "main"},
                                                  {"store", "drain", "main", "a", "b"},
                                                  {"store", "drain", "main 5"},
                                                  {"store", "undrain", "main", ""}}) {
    EXPECT_NE(Wrong(line), "") << (line.empty() ? "" : line.back());
  }
}

TEST(Words, MayLookLikeOptionsBehindTwoDashes) {
  Options o;
  std::string error;
  EXPECT_NE(Wrong({"kick", "--json=ann"}), "");
  ASSERT_EQ(Parse({"kick", "--", "--json"}, &o, &error), OptionsVerdict::kRun);
  EXPECT_EQ(o.words, std::vector<std::string>{"--json"});
  EXPECT_FALSE(o.json);
  for (const std::string_view user : {"--help", "-h", "--version"}) {
    EXPECT_EQ(Parse({"kick", "--", user}, &o, &error), OptionsVerdict::kRun) << user;
  }
}

}  // namespace
}  // namespace roost
