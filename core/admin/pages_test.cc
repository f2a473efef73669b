#include "core/admin/pages.h"

#include <gtest/gtest.h>

namespace roost {
namespace {

class PagesTest : public ::testing::Test {
 protected:
  HttpAnswer Ask(std::string_view path) {
    PageSources sources;
    sources.metrics = [this] { return metrics_; };
    sources.silent_ns = [this] { return silent_ns_; };
    sources.not_ready = [this] { return not_ready_; };
    return AnswerPage(sources, path);
  }
  MetricsInput metrics_;
  uint64_t silent_ns_ = 0;
  std::string not_ready_;
};

TEST_F(PagesTest, HealthIsThatNoShardIsSilent) {
  silent_ns_ = kMostSilentNs - 1;
  EXPECT_EQ(Ask("/healthz").status, 200);
  silent_ns_ = SecondsToNs(61);
  EXPECT_EQ(Ask("/healthz").status, 503);
  EXPECT_EQ(Ask("/healthz").body, "a shard has not answered for 61 seconds\n");
}

TEST_F(PagesTest, ReadinessSaysWhyNot) {
  EXPECT_EQ(Ask("/readyz").status, 200);
  not_ready_ = "draining";
  EXPECT_EQ(Ask("/readyz").status, 503);
  EXPECT_EQ(Ask("/readyz").body, "draining\n");
  EXPECT_EQ(Ask("/healthz").status, 200) << "it is alive all the same";
}

TEST_F(PagesTest, MetricsAreThoseOfTheShards) {
  EXPECT_EQ(Ask("/metrics").status, 503) << "no figures are not zeros";
  metrics_.shards.resize(2);
  const HttpAnswer answer = Ask("/metrics");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_NE(answer.body.find("\nroost_shards 2\n"), answer.body.npos);
}

TEST_F(PagesTest, ThereAreNoOthers) {
  for (const char* path : {"/", "/metrics/", "/healthz2", "/../metrics"}) {
    EXPECT_EQ(Ask(path).status, 404) << path;
  }
}

}  // namespace
}  // namespace roost
