#include "proto/tls/sealed_secret.h"

#include <gtest/gtest.h>

namespace roost {
namespace {

TEST(SealedSecret, GivesBackWhatWasSealed) {
  const SealedSecret sealed("correct horse");
  EXPECT_EQ(sealed.Open(), "correct horse");
  const SealedSecret copy = sealed;  // NOLINT(performance-unnecessary-copy-initialization)
  EXPECT_EQ(copy.Open(), "correct horse");
}

TEST(SealedSecret, KeepsNothingOfNothing) {
  EXPECT_TRUE(SealedSecret("").empty());
  EXPECT_EQ(SealedSecret().Open(), "");
}

TEST(SealedSecret, DoesNotShowTheSecret) {
  const SealedSecret sealed("correct horse battery staple");
  const std::string_view memory(reinterpret_cast<const char*>(&sealed), sizeof sealed);
  EXPECT_EQ(memory.find("correct"), std::string_view::npos);
}

}  // namespace
}  // namespace roost
