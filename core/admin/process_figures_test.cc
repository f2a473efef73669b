#include "core/admin/process_figures.h"

#include <ctime>

#include <gtest/gtest.h>

namespace roost {
namespace {

TEST(ProcessFigures, SayWhenThisProcessBeganAndWhatItTook) {
  const ProcessFigures first = ReadProcessFigures();
  const auto now = static_cast<double>(std::time(nullptr));
  EXPECT_LE(first.start_seconds, now + 1);
  EXPECT_GT(first.start_seconds, now - 3600);
  EXPECT_GT(first.resident_bytes, uint64_t{1} << 20);
  volatile double spin = 1;
  while (ReadProcessFigures().cpu_seconds < first.cpu_seconds + 0.02) spin = spin * 1.0001;
  EXPECT_EQ(ReadProcessFigures().start_seconds, first.start_seconds);
}

}  // namespace
}  // namespace roost
