#include "core/base/version.h"

#include <regex>

#include <gtest/gtest.h>

namespace roost {
namespace {

TEST(VersionLine, SaysWhichProgramOfWhichRoostAndWhatItWasBuiltWith) {
  const std::string line = VersionLine("roostd");
  EXPECT_TRUE(std::regex_match(
      line, std::regex(R"(roostd \d+\.\d+\.\d+ \(.*\d+\.\d+\.\d+.*, BoringSSL API \d+\)\n)")))
      << line;
  EXPECT_EQ(line.find(kVersion), std::string("roostd ").size());
}

}  // namespace
}  // namespace roost
