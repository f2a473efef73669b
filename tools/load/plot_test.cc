#include "tools/load/plot.h"

#include <gtest/gtest.h>

#include "tools/load/result.h"

namespace roost::load {
namespace {

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(Plot, DrawsEachLineOverMarkedAxes) {
  const std::string svg = PlotSvg("Title", {.label = "s"}, {.label = "n"},
                                  {{"one", {{0, 0}, {10, 100}}}, {"two", {{0, 50}, {10, 50}}}});
  EXPECT_EQ(Count(svg, "<polyline"), 2u);
  // The first from the lower left corner to the upper right one.
  EXPECT_NE(svg.find("points=\"80.0,250.0 740.0,30.0 \""), std::string::npos) << svg;
  EXPECT_NE(svg.find("points=\"80.0,140.0 740.0,140.0 \""), std::string::npos) << svg;
  for (const char* label : {">Title<", ">one<", ">two<", ">s<", ">n<", ">10<", ">100<"}) {
    EXPECT_NE(svg.find(label), std::string::npos) << label;
  }
}

TEST(Plot, LogarithmicAxesLeaveOutWhatTheyCannotShow) {
  const Axis log{.label = "ms", .scale = Axis::Scale::kLogarithmic};
  const std::string svg = PlotSvg("", log, log, {{"", {{0, 1}, {1, 1}, {100, 100}, {5, -1}}}});
  EXPECT_NE(svg.find("points=\"80.0,250.0 740.0,30.0 \""), std::string::npos) << svg;
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
}

TEST(Plot, NothingToDrawIsNothing) {
  EXPECT_EQ(PlotSvg("t", {}, {}, {}), "");
  EXPECT_EQ(PlotSvg("t", {}, {}, {{"empty", {}}}), "");
  const std::string one = PlotSvg("t", {}, {}, {{"a point", {{0, 0}}}});
  EXPECT_EQ(one.find("nan"), std::string::npos);
}

TEST(ResultHtml, IsOnePageThatFetchesNothingAndRunsNothingOfStrangers) {
  Result result{.established = 5, .expected = 5, .received = 5, .delivered = 1};
  for (int i = 1; i <= 5; ++i) result.told.Record(static_cast<uint64_t>(i) * 1'000'000);
  result.NoteError("<script>alert(1)</script>");
  for (int i = 0; i < 10; ++i) result.series.Add({.seconds = i * 1.0, .idle = 5});
  result.arguments = {"--server", "\"<x>\""};
  const std::string html = ResultHtml(result);
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_EQ(html.find("src="), std::string::npos);
  EXPECT_EQ(html.find("href="), std::string::npos);
  EXPECT_EQ(html.find("@import"), std::string::npos);
  EXPECT_EQ(Count(html, "<svg"), 3u);  // latency, connections, events; nobody came in
  EXPECT_NE(html.find("5 expected, 5 received"), std::string::npos);
  EXPECT_NE(html.find("&lt;script&gt;"), std::string::npos);
  EXPECT_EQ(Count(html, "<pre>"), Count(html, "</pre>"));
}

}  // namespace
}  // namespace roost::load
