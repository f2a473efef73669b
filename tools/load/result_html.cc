#include <string>
#include <utility>
#include <vector>

#include "core/base/version.h"
#include "tools/load/plot.h"
#include "tools/load/result.h"

namespace roost::load {
namespace {

// The shares at which a distribution is drawn: denser towards its end, where it matters.
std::vector<double> Shares() {
  std::vector<double> shares;
  for (double left = 1; left > 1e-5; left /= 1.1) shares.push_back(1 - left);
  shares.push_back(1);
  return shares;
}

// Above each time the part of all that took longer: what lies far to the right is rare, and its
// height says how rare.
void AddDistribution(std::vector<Line>* lines, const char* name, const Histogram& histogram) {
  if (histogram.count() == 0) return;
  Line line{.name = name, .points = {}};
  const double finest = 1 / static_cast<double>(histogram.count());
  for (const double share : Shares()) {
    if (1 - share < finest && share < 1) continue;
    const auto ms = static_cast<double>(histogram.Percentile(share)) / 1e6;
    line.points.emplace_back(ms, share < 1 ? 1 - share : finest);
  }
  lines->push_back(std::move(line));
}

std::string Distribution(const char* title, const std::vector<Line>& lines) {
  return PlotSvg(title, {.label = "milliseconds", .scale = Axis::Scale::kLogarithmic},
                 {.label = "part that took longer", .scale = Axis::Scale::kLogarithmic}, lines);
}

std::string Latencies(const Result& r) {
  std::vector<Line> told, entering;
  AddDistribution(&told, "message to EXISTS", r.told);
  AddDistribution(&told, "due to EXISTS", r.told_since_due);
  AddDistribution(&told, "polling", r.told_by_poll);
  AddDistribution(&told, "slow readers", r.told_slowly);
  AddDistribution(&entering, "handshake", r.handshake);
  AddDistribution(&entering, "resumed", r.resumption);
  AddDistribution(&entering, "connect to idle", r.enter);
  AddDistribution(&entering, "due to idle", r.come);
  AddDistribution(&entering, "return to idle", r.back);
  return Distribution("Notification latency", told) + Distribution("Coming in", entering);
}

std::string OverTime(const Series& series) {
  Line idle{.name = "idle clients", .points = {}};
  Line delivered{.name = "messages/s", .points = {}}, received{.name = "events/s", .points = {}};
  const Point* before = nullptr;
  for (const Point& point : series.points()) {
    idle.points.emplace_back(point.seconds, static_cast<double>(point.idle));
    if (before != nullptr && point.seconds > before->seconds) {
      const double seconds = point.seconds - before->seconds;
      const auto rate = [seconds](uint64_t from, uint64_t to) {
        return to < from ? 0 : static_cast<double>(to - from) / seconds;
      };
      delivered.points.emplace_back(point.seconds, rate(before->delivered, point.delivered));
      received.points.emplace_back(point.seconds, rate(before->received, point.received));
    }
    before = &point;
  }
  const Axis time{.label = "seconds"};
  return PlotSvg("Connections", time, {.label = "clients"}, {idle}) +
         PlotSvg("Messages and events", time, {.label = "a second"}, {delivered, received});
}

}  // namespace

std::string ResultHtml(const Result& r) {
  std::string run = "roost-load";
  for (const std::string& argument : r.arguments) run += ' ' + argument;
  run.append("\n\nversion ").append(kVersion).append(", started ").append(r.started);
  return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
         "<title>roost-load</title>\n<style>\n"
         "body{font:15px sans-serif;max-width:800px;margin:2em auto;padding:0 1em;color:#222}\n"
         "pre{overflow-x:auto;background:#f4f4f4;padding:1em}\n"
         "svg{width:100%;margin:1em 0;font-size:12px}\n"
         "polyline{stroke-width:1.5}.rule{stroke:#ddd}\n"
         "</style></head><body>\n<h1>roost-load</h1>\n<pre>" +
         EscapeHtml(run) + "</pre>\n<pre>" + EscapeHtml(ResultTable(r)) + "</pre>\n" +
         Latencies(r) + OverTime(r.series) + "<details><summary>JSON</summary>\n<pre>" +
         EscapeHtml(ResultJson(r)) + "</pre></details>\n</body></html>\n";
}

}  // namespace roost::load
