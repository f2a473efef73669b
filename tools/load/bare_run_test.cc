#include "tools/load/bare_run.h"

#include <gtest/gtest.h>

#include "tools/load/result.h"

namespace roost::load {
namespace {

// All idle with `kernel` bytes more than before, which moves by `spread` by itself.
Result RunOf(Options::Bare bare, uint64_t kernel, uint64_t spread = 0) {
  Result result;
  result.established = 10;
  result.bare = bare;
  result.watched.kernel[static_cast<size_t>(Moment::kBefore)] =
      KernelUse{.bytes = 1000, .spread = spread};
  result.watched.kernel[static_cast<size_t>(Moment::kSteady)] = KernelUse{.bytes = 1000 + kernel};
  return result;
}

TEST(BareRun, HalfOfAPairIsTakenOffInOtherRuns) {
  const Result bare = RunOf(Options::Bare::kPoll, 10 * 5000);
  std::string error;
  const std::optional<BareRun> end = ParseBareRun(ResultJson(bare), &error);
  ASSERT_TRUE(end) << error;
  EXPECT_EQ(end->kernel_bytes_per_end, 2500);

  Result armed = RunOf(Options::Bare::kReceive, 10 * 5600);
  EXPECT_EQ(KernelBytesPerConnection(armed), std::nullopt);
  armed.bare_run = end;
  EXPECT_EQ(KernelBytesPerConnection(armed), 3100);

  Result loaded = RunOf(Options::Bare::kNone, 10 * 6000);
  EXPECT_EQ(KernelBytesPerConnection(loaded), std::nullopt);
  loaded.bare_run = end;
  EXPECT_EQ(KernelBytesPerConnection(loaded), 3500);
}

// Once what the figure was taken off from was as good as exact.
TEST(BareRun, ItsUncertaintyComesOnTopAndHowManyItHadIsSaidWhereThatDiffersMuch) {
  std::string error;
  const std::string bare = ResultJson(RunOf(Options::Bare::kPoll, 10 * 5000, 10 * 40));
  Result loaded = RunOf(Options::Bare::kNone, 10 * 6000, 10 * 30);
  loaded.bare_run = ParseBareRun(bare, &error);
  ASSERT_TRUE(loaded.bare_run) << error;
  EXPECT_EQ(loaded.bare_run->clients, 10u);
  EXPECT_NE(ResultJson(loaded).find("\"kernel_uncertainty_bytes\": 50.0"), std::string::npos);
  EXPECT_EQ(ResultJson(loaded).find("that run had"), std::string::npos);
  loaded.established = 21;
  EXPECT_NE(ResultJson(loaded).find("that run had 10 clients and this one 21"), std::string::npos);
}

TEST(BareRun, WhatIsNoneIsRefused) {
  for (const std::string& text :
       {std::string(""), std::string("[1]"), std::string("{\"bare\": {}}"),
        std::string("{\"bare\": {\"kernel_bytes_per_end\": null}}"),
        std::string("{\"bare\": {\"kernel_bytes_per_end\": \"12 apples\"}}"),
        std::string("{\"bare\": {\"kernel_bytes_per_end\": 12}}"), std::string("{\"bare\": "),
        ResultJson(RunOf(Options::Bare::kNone, 5))}) {
    std::string error;
    EXPECT_FALSE(ParseBareRun(text, &error)) << text;
    EXPECT_NE(error, "") << text;
  }
}

}  // namespace
}  // namespace roost::load
