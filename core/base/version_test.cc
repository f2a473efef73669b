#include "core/base/version.h"

#include <cstdio>
#include <string>

#include <gtest/gtest.h>

namespace roost {
namespace {

TEST(VersionLine, SaysWhichProgramOfWhichRoostAndWhatItWasBuiltWith) {
  int major = -1, minor = -1, patch = -1, api = -1;
  const std::string version(kVersion), boringssl(kBoringSslApi);
  EXPECT_EQ(std::sscanf(version.c_str(), "%d.%d.%d", &major, &minor, &patch), 3) << version;
  EXPECT_EQ(version,
            std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch));
  EXPECT_EQ(std::sscanf(boringssl.c_str(), "%d", &api), 1) << boringssl;
  EXPECT_EQ(boringssl, std::to_string(api));
  EXPECT_NE(kCompiler.find_first_of("123456789"), kCompiler.npos) << kCompiler;
  EXPECT_EQ(VersionLine("roostd"), "roostd " + version + " (" + std::string(kCompiler) +
                                       ", BoringSSL API " + boringssl + ")\n");
}

}  // namespace
}  // namespace roost
