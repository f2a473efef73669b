#include "core/base/log.h"

#include <gtest/gtest.h>

namespace roost {
namespace {

TEST(Log, QuotesWhatIsNotPlain) {
  EXPECT_EQ(FormatLogFields({{"store", "main"}, {"reason", "two words"}, {"empty", ""}}),
            " store=main reason=\"two words\" empty=\"\"");
}

TEST(Log, MakesControlCharactersHarmless) {
  EXPECT_EQ(FormatLogFields({{"text", "a\r\nb\"c\\"}}), " text=\"a??b\\\"c\\\\\"");
}

TEST(Log, CutsLongValues) {
  EXPECT_EQ(FormatLogFields({{"x", std::string(1000, 'y')}}).size(), 400u + 5);
}

TEST(Log, KnowsWhatIsEnabled) {
  SetLogLevel(LogLevel::kWarning);
  EXPECT_TRUE(LogEnabled(LogLevel::kError));
  EXPECT_FALSE(LogEnabled(LogLevel::kInfo));
  SetLogLevel(LogLevel::kInfo);
}

}  // namespace
}  // namespace roost
