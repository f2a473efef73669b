#include "tools/load/scenario.h"

#include <gtest/gtest.h>

#include "tools/load/options.h"

namespace roost::load {
namespace {

using Arguments = std::vector<std::string>;

TEST(Scenario, SaysWhatCouldStandOnTheCommandLine) {
  Arguments arguments;
  std::string error;
  ASSERT_TRUE(
      ParseScenario("# comment\nclients: 500\nrate: 50/s\nusers: u%d\nprogress: true\n"
                    "show: false\nmix: {idle: 90, poll: 10}\nwatch-pid: [7, 8]\n",
                    &arguments, &error))
      << error;
  EXPECT_EQ(arguments, (Arguments{"--clients=500", "--rate=50/s", "--users=u%d", "--progress",
                                  "--mix=idle=90,poll=10", "--watch-pid=7", "--watch-pid=8"}));
  arguments.push_back("--server=127.0.0.1:993");
  Options options;
  ASSERT_TRUE(ParseOptions(arguments, &options, &error)) << error;
  EXPECT_EQ(options.clients, 500u);
  EXPECT_EQ(options.mix[1], 10u);
  EXPECT_EQ(options.watch_pids, (std::vector<int>{7, 8}));
}

TEST(Scenario, AnEmptyOneIsAMistake) {
  Arguments arguments;
  std::string error;
  EXPECT_FALSE(ParseScenario("# nothing yet\n", &arguments, &error));
  EXPECT_NE(error, "");
}

TEST(Scenario, MistakesAreNamedWithTheirLine) {
  for (const char* yaml :
       {"clients: 1\nmix: [[1]]\n", "clients: 1\nprogress: 5\n", "clients: 1\nscenario: x.yaml\n",
        "clients: 1\nhelp: true\n", "clients: 1\ni-may-load-this-host: true\n"}) {
    Arguments arguments;
    std::string error;
    EXPECT_FALSE(ParseScenario(yaml, &arguments, &error)) << yaml;
    EXPECT_TRUE(error.starts_with("line 2: ")) << error;
  }
  Arguments arguments{"--scenario", "/nowhere/idle.yaml"};
  std::string error;
  EXPECT_FALSE(ExpandScenarios(&arguments, &error));
  EXPECT_NE(error.find("/nowhere/idle.yaml"), std::string::npos);
}

}  // namespace
}  // namespace roost::load
