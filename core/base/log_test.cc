#include "core/base/log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/base/log_limit.h"
#include "core/base/reopened_log.h"

namespace roost {
namespace {

constexpr std::string_view kTime = "2026-01-31T12:00:00.123Z";

std::string Text(LogFields fields) {
  return FormatLogLine(LogFormat::kText, kTime, LogLevel::kInfo, "it", fields).substr(kTime.size());
}

TEST(Log, IsALineOfText) {
  EXPECT_EQ(FormatLogLine(LogFormat::kText, kTime, LogLevel::kWarning, "session_lost",
                          {{"store", "main"}, {"tries", 3u}, {"pooled", false}}),
            "2026-01-31T12:00:00.123Z warning session_lost store=main tries=3 pooled=false");
}

TEST(Log, IsALineOfJsonWithNumbersAsNumbers) {
  EXPECT_EQ(FormatLogLine(LogFormat::kJson, kTime, LogLevel::kWarning, "session_lost",
                          {{"store", "a \"b\""}, {"tries", 3u}, {"pooled", false}}),
            R"({"time": "2026-01-31T12:00:00.123Z", "level": "warning", "event": "session_lost", )"
            R"("store": "a \"b\"", "tries": 3, "pooled": false})");
}

TEST(Log, QuotesWhatIsNotPlain) {
  EXPECT_EQ(Text({{"store", "main"}, {"reason", "two words"}, {"empty", ""}, {"eq", "a=b"}}),
            " info it store=main reason=\"two words\" empty=\"\" eq=\"a=b\"");
}

TEST(Log, MakesControlCharactersHarmless) {
  EXPECT_EQ(Text({{"text", "a\r\nb\"c\\\x7f"}}), R"( info it text="a\u000d\u000ab\"c\\\u007f")");
  EXPECT_EQ(Text({{"text", "\xc2\x9b"}}), R"( info it text="\u009b")");  // CSI of some terminals
  EXPECT_EQ(Text({{"text", "\xff"}}), " info it text=\"\xef\xbf\xbd\"");
}

TEST(Log, NobodyCanPutAFieldIntoAValue) {
  EXPECT_EQ(Text({{"user", "x\" result=\"ok"}}), R"( info it user="x\" result=\"ok")");
  EXPECT_EQ(Text({{"user", "x result=ok"}}), R"( info it user="x result=ok")");
}

TEST(Log, CutsLongValuesBetweenTwoCharacters) {
  EXPECT_EQ(Text({{"x", std::string(1000, 'y')}}).size(), kMaxLogText + 11);
  std::string wide = "a";
  for (int i = 0; i < 300; ++i) wide += "\xc3\xa9";
  EXPECT_EQ(Text({{"x", wide}}).find("\xef\xbf\xbd"), std::string::npos);
}

TEST(Log, KnowsWhatIsEnabled) {
  SetLogLevel(LogLevel::kWarning);
  EXPECT_TRUE(LogEnabled(LogLevel::kError));
  EXPECT_FALSE(LogEnabled(LogLevel::kInfo));
  SetLogLevel(LogLevel::kInfo);
}

TEST(LogLimit, HoldsOneEventBackAndNotAnother) {
  LogLimit limit;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limit.Admit("flood", 7, 3));
  EXPECT_FALSE(limit.Admit("flood", 7, 3));
  EXPECT_TRUE(limit.Admit("rare", 7, 3));
  EXPECT_TRUE(limit.Admit("flood", 8, 3));
}

TEST(LogLimit, SaysOnceHowManyWereLeftOutWhenTheSecondIsOver) {
  LogLimit limit;
  for (int i = 0; i < 10; ++i) limit.Admit("a", 7, 3);
  for (int i = 0; i < 5; ++i) limit.Admit("b", 7, 3);
  EXPECT_TRUE(limit.Take(7).empty());
  const std::vector<LogLimit::LeftOut> left_out = limit.Take(8);
  ASSERT_EQ(left_out.size(), 2u);
  EXPECT_EQ(left_out[0].event, "a");
  EXPECT_EQ(left_out[0].lines, 7u);
  EXPECT_EQ(left_out[1].lines, 2u);
  EXPECT_TRUE(limit.Take(9).empty());
}

TEST(LogLimit, CountsWhatIsLeftOutWhileAFloodGoesOn) {
  LogLimit limit;
  uint64_t written = 0, told = 0;
  for (int64_t second = 1; second <= 4; ++second) {
    for (int i = 0; i < 10; ++i) {
      for (const auto& left_out : limit.Take(second)) told += left_out.lines;
      if (limit.Admit("a", second, 4)) ++written;
    }
  }
  for (const auto& left_out : limit.Take(5)) told += left_out.lines;
  EXPECT_EQ(written, 16u);
  EXPECT_EQ(told, 24u);
}

// Real clock: a flood may lie in two seconds, not in three.
TEST(Log, WritesAFloodToItsFileUpToTheBoundAndThenTheCount) {
  std::string path = ::testing::TempDir() + "/roost-log-XXXXXX";
  const int fd = mkstemp(path.data());
  ASSERT_GE(fd, 0);
  close(fd);
  std::string error;
  LogOptions options;
  options.file = path;
  ASSERT_TRUE(OpenLog(options, &error)) << error;
  constexpr int kMany = 1000;
  for (int i = 0; i < kMany; ++i) Log(LogLevel::kInfo, "flood", {{"i", static_cast<unsigned>(i)}});
  int written = 0, left_out = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (written + left_out < kMany && std::chrono::steady_clock::now() < end) {
    TendLog();
    std::ifstream file(path);
    written = left_out = 0;
    for (std::string line; std::getline(file, line);) {
      if (line.find(" info flood ") != line.npos) ++written;
      const size_t at = line.find(" warning log_flood of=flood left_out=");
      if (at != line.npos) left_out += std::stoi(line.substr(line.rfind('=') + 1));
    }
  }
  EXPECT_EQ(written + left_out, kMany);
  EXPECT_LE(written, 3 * static_cast<int>(LogRate::kOrdinary));
  OpenLog({}, &error);
  unlink(path.c_str());
}

std::vector<std::string> LinesOf(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

class LogFile {
 public:
  LogFile() { close(mkstemp(path_.data())); }
  ~LogFile() {
    std::string error;
    OpenLog({}, &error);
    unlink(path_.c_str());
  }
  void Open() {
    LogOptions options;
    options.file = path_;
    std::string error;
    ASSERT_TRUE(OpenLog(options, &error)) << error;
  }
  // How many lines of `event` are said to have been left out, as soon as any are.
  int AwaitLeftOut(const std::string& event) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (std::chrono::steady_clock::now() < end) {
      TendLog();
      for (const std::string& line : Lines()) {
        if (line.find(" warning log_flood of=" + event + " left_out=") == line.npos) continue;
        return std::stoi(line.substr(line.rfind('=') + 1));
      }
    }
    return 0;
  }
  std::vector<std::string> Lines() const { return LinesOf(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_ = ::testing::TempDir() + "/roost-log-XXXXXX";
};

TEST(Log, CountsWhatAFullDiskHasCost) {
  LogFile later;
  LogOptions full;
  full.file = "/dev/full";
  std::string error;
  ASSERT_TRUE(OpenLog(full, &error)) << error;
  for (int i = 0; i < 10; ++i) Log(LogLevel::kInfo, "lost", {}, LogRate::kAudit);
  later.Open();
  EXPECT_EQ(later.AwaitLeftOut("lost"), 10);
}

TEST(Log, EndsALineThatFoundRoomForHalfOfIt) {
  LogFile file;
  file.Open();
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{150, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string text(100, 'x');
  for (int i = 0; i < 3; ++i) Log(LogLevel::kInfo, "torn", {{"text", text}}, LogRate::kAudit);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  Log(LogLevel::kInfo, "whole", {{"text", text}});
  const std::vector<std::string> lines = file.Lines();
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_NE(lines[2].find(" info whole text=" + text), std::string::npos);
  EXPECT_EQ(lines[2].find("20"), 0u) << "glued to what was there: " << lines[2];
  EXPECT_EQ(file.AwaitLeftOut("torn"), 2);
}

TEST(Log, GoesToANewFileWhenTheOldOneWasMovedAwayAndThatIsTaken) {
  LogFile file;
  file.Open();
  Log(LogLevel::kInfo, "first");
  std::string error;
  {
    ReopenedLog same;
    ASSERT_TRUE(same.Open(&error)) << error;
    same.Take();
  }
  const std::string moved = file.path() + ".1";
  ASSERT_EQ(rename(file.path().c_str(), moved.c_str()), 0);
  {
    ReopenedLog given_up;
    ASSERT_TRUE(given_up.Open(&error)) << error;
    Log(LogLevel::kInfo, "second");
  }
  Log(LogLevel::kInfo, "third");
  EXPECT_EQ(LinesOf(moved).size(), 3u);
  EXPECT_EQ(file.Lines().size(), 0u);
  ReopenedLog taken;
  ASSERT_TRUE(taken.Open(&error)) << error;
  taken.Take();
  Log(LogLevel::kInfo, "fourth");
  EXPECT_EQ(LinesOf(moved).size(), 3u);
  ASSERT_EQ(file.Lines().size(), 1u);
  EXPECT_NE(file.Lines()[0].find(" info fourth"), std::string::npos);
  unlink(moved.c_str());
}

TEST(Log, StaysInTheOldFileWhenThereCanBeNoNewOne) {
  LogFile file;
  file.Open();
  const std::string moved = file.path() + ".1";
  ASSERT_EQ(rename(file.path().c_str(), moved.c_str()), 0);
  ASSERT_EQ(mkdir(file.path().c_str(), 0700), 0);
  std::string error;
  ReopenedLog log;
  EXPECT_FALSE(log.Open(&error));
  EXPECT_EQ(error, "log.file: cannot open " + file.path() + ": Is a directory");
  log.Take();  // nothing
  Log(LogLevel::kInfo, "still");
  EXPECT_EQ(LinesOf(moved).size(), 1u);
  rmdir(file.path().c_str());
  unlink(moved.c_str());
}

TEST(Log, ThatIsNoFileIsNotReopened) {
  LogOptions device;
  device.file = "/dev/null";
  std::string error;
  ASSERT_TRUE(OpenLog(device, &error)) << error;
  ReopenedLog log;
  EXPECT_TRUE(log.Open(&error));
  log.Take();
  OpenLog({}, &error);
  ReopenedLog standard_error;
  EXPECT_TRUE(standard_error.Open(&error));
  standard_error.Take();
}

// Whoever reads the log may stand still: shards do not.
TEST(Log, LeavesOutWhatAPipeHasNoRoomForAndSaysHowMuch) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_NONBLOCK), 0);
  LogOptions options;
  options.file = "/proc/self/fd/" + std::to_string(ends[1]);  // opened anew: it would block
  std::string error;
  ASSERT_TRUE(OpenLog(options, &error)) << error;
  ASSERT_GE(fcntl(ends[0], F_SETPIPE_SZ, 8192), 0);
  constexpr int kMany = 1000;
  const std::string text(200, 'x');
  for (int i = 0; i < kMany; ++i) Log(LogLevel::kInfo, "told", {{"text", text}}, LogRate::kAudit);
  int written = 0, left_out = 0;
  std::string read_so_far;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (written + left_out < kMany && std::chrono::steady_clock::now() < end) {
    char buffer[4096];
    for (ssize_t n = 0; (n = read(ends[0], buffer, sizeof buffer)) > 0;) {
      read_so_far.append(buffer, static_cast<size_t>(n));
    }
    TendLog();
    std::istringstream lines(read_so_far);
    written = left_out = 0;
    for (std::string line; std::getline(lines, line);) {
      if (line.find(" info told text=" + text) != line.npos) ++written;
      const size_t at = line.find(" warning log_flood of=told left_out=");
      if (at != line.npos) left_out += std::stoi(line.substr(line.rfind('=') + 1));
    }
  }
  EXPECT_EQ(written + left_out, kMany);
  EXPECT_GT(written, 10);
  EXPECT_LT(written, 100);
  OpenLog({}, &error);
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace roost
