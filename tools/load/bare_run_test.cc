#include "tools/load/bare_run.h"

#include <gtest/gtest.h>

#include "tools/load/result.h"

namespace roost::load {
namespace {

// All idle with `kernel` bytes more than before.
Result RunOf(Options::Bare bare, uint64_t kernel) {
  Result result;
  result.established = 10;
  result.bare = bare;
  result.watched.kernel[static_cast<size_t>(Moment::kBefore)] = KernelUse{.bytes = 1000};
  result.watched.kernel[static_cast<size_t>(Moment::kSteady)] = KernelUse{.bytes = 1000 + kernel};
  return result;
}

TEST(BareRun, HalfOfAPairIsTakenOffInOtherRuns) {
  const Result bare = RunOf(Options::Bare::kPoll, 10 * 5000);
  std::string error;
  const std::optional<double> end = ParseBareRun(ResultJson(bare), &error);
  ASSERT_TRUE(end) << error;
  EXPECT_EQ(*end, 2500);

  Result armed = RunOf(Options::Bare::kReceive, 10 * 5600);
  EXPECT_EQ(KernelBytesPerConnection(armed), std::nullopt);
  armed.kernel_bytes_per_end = end;
  EXPECT_EQ(KernelBytesPerConnection(armed), 3100);

  Result loaded = RunOf(Options::Bare::kNone, 10 * 6000);
  EXPECT_EQ(KernelBytesPerConnection(loaded), std::nullopt);
  loaded.kernel_bytes_per_end = end;
  EXPECT_EQ(KernelBytesPerConnection(loaded), 3500);
}

TEST(BareRun, WhatIsNoneIsRefused) {
  for (const std::string& text :
       {std::string(""), std::string("[1]"), std::string("{\"bare\": {}}"),
        std::string("{\"bare\": {\"kernel_bytes_per_end\": null}}"),
        std::string("{\"bare\": {\"kernel_bytes_per_end\": \"12 apples\"}}"),
        std::string("{\"bare\": "), ResultJson(RunOf(Options::Bare::kNone, 5))}) {
    std::string error;
    EXPECT_FALSE(ParseBareRun(text, &error)) << text;
    EXPECT_NE(error, "") << text;
  }
}

}  // namespace
}  // namespace roost::load
