#include <cstdio>

#include "tools/load/result.h"

namespace roost::load {
namespace {

std::string Fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string Number(uint64_t value) { return std::to_string(value); }

std::string Known(const std::optional<double>& value) {
  return value ? Fixed(*value, 0) : std::string("unknown");
}

void TableRow(std::string* out, const char* name, const Histogram& histogram) {
  if (histogram.count() == 0) return;
  char line[160];
  const auto ms = [](uint64_t ns) { return static_cast<double>(ns) / 1e6; };
  std::snprintf(line, sizeof line, "  %-27s %10.2f %10.2f %10.2f %10.2f %10.2f\n", name,
                ms(histogram.Percentile(0.5)), ms(histogram.Percentile(0.9)),
                ms(histogram.Percentile(0.99)), ms(histogram.Percentile(0.999)),
                ms(histogram.max()));
  *out += line;
}

void Latencies(std::string* out, const Result& r) {
  if (r.connect.count() > 0) {
    *out +=
        "milliseconds                         p50        p90        p99       p999        max\n";
  }
  TableRow(out, "connect", r.connect);
  TableRow(out, "handshake", r.handshake);
  TableRow(out, "handshake, resumed", r.resumption);
  TableRow(out, "login", r.login);
  TableRow(out, "connect to idle", r.enter);
  TableRow(out, "due to idle, retries too", r.come);
  TableRow(out, "message due to sent", r.lateness);
  TableRow(out, "message to store's answer", r.delivery);
  TableRow(out, "message to EXISTS", r.told);
  TableRow(out, "message to last EXISTS", r.told_last);
  TableRow(out, "message due to EXISTS", r.told_since_due);
  TableRow(out, "store's answer to EXISTS", r.told_after_ack);
  TableRow(out, "message to EXISTS, polling", r.told_by_poll);
  TableRow(out, "message to EXISTS, slow", r.told_slowly);
  TableRow(out, "DONE to command's answer", r.wake);
  TableRow(out, "NOOP to its answer", r.poll);
  TableRow(out, "return to idle, retries too", r.back);
}

void Costs(std::string* out, const Result& r) {
  for (const WatchedProcess& process : r.watched.processes) {
    *out += "process      " + std::to_string(process.pid) + " (" + process.name +
            "): " + Known(process.PssPerConnection(r.established)) +
            " bytes of memory a connection";
    if (const auto spent = process.Spent(Moment::kBefore, Moment::kEnd)) {
      *out += ", CPU " + Fixed(spent->user_s, 2) + " s user, " + Fixed(spent->system_s, 2) +
              " s system";
    }
    if (process.peak_rss_bytes) *out += ", peak " + Number(*process.peak_rss_bytes / 1024) + " KiB";
    *out += "\n";
    if (!process.note.empty()) *out += "note         " + process.note + "\n";
  }
  const std::optional<double> both = r.watched.KernelPerConnection(r.established);
  if (!both) return;
  *out += "kernel       " + Known(both) + " bytes a connection with both ends, ± " +
          Known(r.watched.KernelUncertainty(r.established)) + "; without the client's end " +
          Known(KernelBytesPerConnection(r)) + ", ± " + Known(KernelUncertainty(r)) + "\n";
}

}  // namespace

std::string ResultTable(const Result& r) {
  std::string out;
  if (r.interrupted) out += "interrupted; events still under way count as lost\n";
  out += "connections  " + Number(r.established) + " idle, " + Number(r.failed) + " failed, " +
         Number(r.dropped) + " lost later";
  const uint64_t known = r.established + r.failed;
  if (r.asked > known) out += ", " + Number(r.asked - known) + " did not get that far";
  out += "\n";
  if (r.returned + r.not_returned + r.retries > 0) {
    out += "returns      " + Number(r.returned) + " idle again, " + Number(r.not_returned) +
           " failed, " + Number(r.retries) + " retries\n";
  }
  for (const double seconds : r.storms_s) {
    out += "storm        all idle again after " + Fixed(seconds, 2) + " s\n";
  }
  for (const double seconds : r.unfinished_storms_s) {
    out += "storm        not all idle again after " + Fixed(seconds, 2) + " s\n";
  }
  if (r.refused > 0) out += "refused      " + Number(r.refused) + " commands\n";
  if (r.handshakes > 0) {
    out += "handshakes   " + Number(r.handshakes) + " (" + Number(r.resumption.count()) +
           " resumed), " + Fixed(r.HandshakesPerSecond(), 0) + " a second at first\n";
  }
  if (r.delivered + r.delivery_failed > 0) {
    out += "messages     " + Number(r.delivered) + " delivered, " + Number(r.delivery_failed) +
           " failed\n";
    out += "events       " + Number(r.expected) + " expected, " + Number(r.received) +
           " received, " + Number(r.lost()) + " lost, " + Number(r.duplicated) + " doubled, " +
           Number(r.unexpected) + " of nothing";
    if (r.excused > 0) out += ", " + Number(r.excused) + " excused";
    out += "\n";
  }
  Latencies(&out, r);
  Costs(&out, r);
  for (const auto& [text, count] : r.errors) out += "error (" + Number(count) + "x) " + text + "\n";
  return out;
}

}  // namespace roost::load
