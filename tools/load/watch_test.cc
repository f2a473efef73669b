#include "tools/load/watch.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace roost::load {
namespace {

TEST(Watch, PssIsTheLineOfThatNameAlone) {
  EXPECT_EQ(
      ParsePss("55-7f [rollup]\nRss: 900 kB\nPss_Dirty: 7 kB\nPss:     12 kB\nPss_Anon: 1 kB\n"),
      12u * 1024);
  EXPECT_EQ(ParsePss("Rss: 900 kB\n"), std::nullopt);
  EXPECT_EQ(ParsePss("Pss: many kB\n"), std::nullopt);
  EXPECT_EQ(ParsePss(""), std::nullopt);
}

TEST(Watch, PeakAndNameOfTheCpuAreFound) {
  EXPECT_EQ(ParsePeak("Name: x\nVmPeak: 99 kB\nVmHWM:\t   12 kB\nVmRSS: 9 kB\n"), 12u * 1024);
  EXPECT_EQ(ParsePeak("Name: kthread\n"), std::nullopt);
  EXPECT_EQ(ParseCpuName("processor\t: 0\nmodel name\t: Fast (R) 9\nprocessor: 1\n"), "Fast (R) 9");
  EXPECT_EQ(ParseCpuName("processor\t: 0\n"), "");
  EXPECT_EQ(ParseCpuName(""), "");
}

TEST(Watch, AProcessMayHaveAnyName) {
  const std::string fields = " S 1 2 3 4 5 6 7 8 9 10 250 50 0 0";
  for (const char* name : {"roostd", "a b", ") 9 9 9 (", ""}) {
    const auto use = ParseCpu("77 (" + std::string(name) + ")" + fields, 100);
    ASSERT_TRUE(use) << name;
    EXPECT_EQ(use->user_s, 2.5) << name;
    EXPECT_EQ(use->system_s, 0.5) << name;
  }
  EXPECT_FALSE(ParseCpu("77 (short) S 1 2 3", 100));
  EXPECT_FALSE(ParseCpu("nonsense", 100));
}

TEST(Watch, TheKernelUsesSmallObjectsAndBuffersOfTcp) {
  const std::string meminfo = "MemTotal: 1000 kB\nSlab:   100 kB\nSReclaimable: 80 kB\n";
  const std::string sockstat =
      "sockets: used 12\nTCP: inuse 1 orphan 0 tw 204 alloc 1 mem 17\nUDP: inuse 0 mem 3\n";
  EXPECT_EQ(ParseKernelBytes(meminfo, sockstat, 4096), 100u * 1024 + 17 * 4096);
  EXPECT_EQ(ParseKernelBytes("MemTotal: 1000 kB\n", sockstat, 4096), std::nullopt);
  EXPECT_EQ(ParseKernelBytes(meminfo, "UDP: inuse 0 mem 3\n", 4096), std::nullopt);
  EXPECT_EQ(ParseKernelBytes(meminfo, "TCP: inuse 1\nUDP: inuse 0 mem 3\n", 4096), std::nullopt);
  EXPECT_EQ(ParseKernelBytes("", "", 4096), std::nullopt);
}

TEST(Watch, GrowthIsDividedByTheConnections) {
  WatchedProcess process;
  EXPECT_EQ(process.PssPerConnection(10), std::nullopt);
  process.use[0] = ProcessUse{.pss_bytes = 5000, .user_s = 1, .system_s = 2};
  process.use[1] = ProcessUse{.pss_bytes = 15'000, .user_s = 4, .system_s = 2.5};
  EXPECT_EQ(process.PssPerConnection(10), 1000.0);
  EXPECT_EQ(process.PssPerConnection(0), std::nullopt);
  EXPECT_EQ(process.Spent(Moment::kBefore, Moment::kSteady)->user_s, 3);
  EXPECT_EQ(process.Spent(Moment::kBefore, Moment::kSteady)->system_s, 0.5);
  EXPECT_FALSE(process.Spent(Moment::kBefore, Moment::kEnd));
  process.use[1]->pss_bytes.reset();
  EXPECT_EQ(process.PssPerConnection(10), std::nullopt);

  Watched watched;
  watched.kernel[0] = KernelUse{.bytes = 100'000, .spread = 300};
  EXPECT_EQ(watched.KernelPerConnection(10), std::nullopt);
  watched.kernel[1] = KernelUse{.bytes = 90'000, .spread = 200};  // others gave more back
  EXPECT_EQ(watched.KernelPerConnection(10), -1000.0);
  EXPECT_EQ(watched.KernelUncertainty(10), 50.0);
}

TEST(Watch, LooksAtThisVeryProcess) {
  Watch watch;
  std::string error;
  ASSERT_TRUE(watch.Add(getpid(), &error)) << error;
  watch.Take(Moment::kBefore);
  const WatchedProcess& process = watch.watched().processes[0];
  EXPECT_FALSE(process.name.empty());
  ASSERT_TRUE(process.At(Moment::kBefore));
  EXPECT_GT(process.At(Moment::kBefore)->pss_bytes.value_or(0), 100'000u) << process.note;
  EXPECT_GE(process.peak_rss_bytes.value_or(0), 100'000u);
  EXPECT_TRUE(watch.watched().kernel[0]);
  watch.LookAtHost();
  EXPECT_FALSE(watch.watched().host.kernel.empty());
  EXPECT_GE(watch.watched().host.cores, 1);
  EXPECT_FALSE(process.At(Moment::kEnd));
}

TEST(Watch, WhatCannotBeReadIsNamedAndTheRestStillTold) {
  std::string directory = "/tmp/roost_watch_" + std::string(6, 'X');
  ASSERT_NE(mkdtemp(directory.data()), nullptr);
  std::filesystem::create_directory(directory + "/7");
  std::ofstream(directory + "/7/comm") << "roostd\n";
  std::ofstream(directory + "/7/stat") << "7 (roostd) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0";
  Watch watch(directory);
  std::string error;
  EXPECT_FALSE(watch.Add(8, &error));
  EXPECT_EQ(error, "cannot watch process 8: there is none");
  ASSERT_TRUE(watch.Add(7, &error));
  watch.Take(Moment::kBefore);
  std::filesystem::remove(directory + "/7/stat");
  watch.Take(Moment::kSteady);
  const WatchedProcess& process = watch.watched().processes[0];
  EXPECT_TRUE(process.At(Moment::kBefore));
  EXPECT_FALSE(process.At(Moment::kBefore)->pss_bytes);
  EXPECT_FALSE(process.At(Moment::kSteady));
  EXPECT_EQ(process.note, "process 7 (roostd) has ended");
  EXPECT_FALSE(watch.watched().kernel[0]);
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace roost::load
