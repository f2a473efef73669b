#include "tools/load/result.h"

#include <algorithm>
#include <cstdio>

namespace roost::load {
namespace {

constexpr double kNsPerMicrosecond = 1e3;
constexpr double kNsPerMillisecond = 1e6;

struct Percentile {
  const char* name;
  double share;
};
constexpr Percentile kPercentiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};

std::string Fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string JsonString(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    const auto byte = static_cast<unsigned char>(c);
    out += byte < ' ' || byte > '~' ? '?' : c;  // what is not ASCII may be no UTF-8
  }
  return out + '"';
}

std::string JsonLatency(const Histogram& histogram) {
  if (histogram.count() == 0) return "null";
  std::string out = "{\"count\": " + std::to_string(histogram.count());
  for (const auto& [name, share] : kPercentiles) {
    out += std::string(", \"") + name +
           "\": " + Fixed(static_cast<double>(histogram.Percentile(share)) / kNsPerMicrosecond, 1);
  }
  return out + ", \"max\": " + Fixed(static_cast<double>(histogram.max()) / kNsPerMicrosecond, 1) +
         "}";
}

void TableRow(std::string* out, const char* name, const Histogram& histogram) {
  if (histogram.count() == 0) return;
  char line[160];
  const auto ms = [](uint64_t ns) { return static_cast<double>(ns) / kNsPerMillisecond; };
  std::snprintf(line, sizeof line, "  %-26s %10.2f %10.2f %10.2f %10.2f %10.2f\n", name,
                ms(histogram.Percentile(0.5)), ms(histogram.Percentile(0.9)),
                ms(histogram.Percentile(0.99)), ms(histogram.Percentile(0.999)),
                ms(histogram.max()));
  *out += line;
}

}  // namespace

double Result::HandshakesPerSecond() const {
  if (handshakes == 0 || last_secure_ns <= first_connect_ns) return 0;
  return static_cast<double>(handshakes) * 1e9 /
         static_cast<double>(last_secure_ns - first_connect_ns);
}

bool Result::Good() const {
  return failed == 0 && dropped == 0 && lost() == 0 && duplicated == 0 && unexpected == 0 &&
         delivery_failed == 0;
}

void Result::NoteError(const std::string& text) {
  const bool room = errors.size() < kMaxErrors || errors.contains(text);
  ++errors[room ? text : "other errors"];
}

void Result::Add(const Result& other) {
  established += other.established, failed += other.failed, dropped += other.dropped;
  never_begun += other.never_begun;
  handshakes += other.handshakes;
  first_connect_ns = std::min(first_connect_ns, other.first_connect_ns);
  last_secure_ns = std::max(last_secure_ns, other.last_secure_ns);
  expected += other.expected, received += other.received;
  duplicated += other.duplicated, unexpected += other.unexpected;
  delivered += other.delivered, delivery_failed += other.delivery_failed;
  connect.Add(other.connect), handshake.Add(other.handshake);
  login.Add(other.login), enter.Add(other.enter);
  delivery.Add(other.delivery), told.Add(other.told), told_after_ack.Add(other.told_after_ack);
  for (const auto& [text, count] : other.errors) errors[text] += count;
}

std::string ResultTable(const Result& r) {
  std::string out;
  const auto number = [](uint64_t value) { return std::to_string(value); };
  if (r.interrupted) out += "interrupted; events still under way count as lost\n";
  out += "connections  " + number(r.established) + " idle, " + number(r.failed) + " failed, " +
         number(r.dropped) + " lost later\n";
  if (r.handshakes > 0) {
    out += "handshakes   " + number(r.handshakes) + ", " + Fixed(r.HandshakesPerSecond(), 0) +
           " a second\n";
  }
  if (r.delivered + r.delivery_failed > 0) {
    out += "messages     " + number(r.delivered) + " delivered, " + number(r.delivery_failed) +
           " failed\n";
    out += "events       " + number(r.expected) + " expected, " + number(r.received) +
           " received, " + number(r.lost()) + " lost, " + number(r.duplicated) + " doubled, " +
           number(r.unexpected) + " of nothing\n";
  }
  if (r.connect.count() > 0) {
    out += "milliseconds                        p50        p90        p99       p999        max\n";
  }
  TableRow(&out, "connect", r.connect);
  TableRow(&out, "handshake", r.handshake);
  TableRow(&out, "login", r.login);
  TableRow(&out, "connect to idle", r.enter);
  TableRow(&out, "message to store's answer", r.delivery);
  TableRow(&out, "message to EXISTS", r.told);
  TableRow(&out, "store's answer to EXISTS", r.told_after_ack);
  for (const auto& [text, count] : r.errors) out += "error (" + number(count) + "x) " + text + "\n";
  return out;
}

std::string ResultJson(const Result& r) {
  std::string out = "{\"connections\": {\"established\": " + std::to_string(r.established);
  const auto add = [&out](const char* name, uint64_t value) {
    out += std::string(", \"") + name + "\": " + std::to_string(value);
  };
  add("failed", r.failed);
  add("dropped", r.dropped);
  out += "},\n \"handshakes\": " + std::to_string(r.handshakes);
  out += ", \"handshakes_per_s\": " + Fixed(r.HandshakesPerSecond(), 1);
  out += ",\n \"deliveries\": {\"accepted\": " + std::to_string(r.delivered);
  add("failed", r.delivery_failed);
  out += "},\n \"events\": {\"expected\": " + std::to_string(r.expected);
  add("received", r.received);
  add("lost", r.lost());
  add("duplicated", r.duplicated);
  add("unexpected", r.unexpected);
  out += "},\n \"latency_us\": " + JsonLatency(r.told);
  out += ",\n \"latency_after_ack_us\": " + JsonLatency(r.told_after_ack);
  out += ",\n \"delivery_us\": " + JsonLatency(r.delivery);
  out += ",\n \"connect_us\": " + JsonLatency(r.connect);
  out += ",\n \"handshake_us\": " + JsonLatency(r.handshake);
  out += ",\n \"login_us\": " + JsonLatency(r.login);
  out += ",\n \"enter_us\": " + JsonLatency(r.enter);
  out += ",\n \"seconds\": " + Fixed(r.seconds, 3);
  out += std::string(",\n \"interrupted\": ") + (r.interrupted ? "true" : "false");
  out += ",\n \"errors\": [";
  bool first = true;
  for (const auto& [text, count] : r.errors) {
    out += first ? "" : ", ";
    first = false;
    out += "{\"text\": " + JsonString(text) + ", \"count\": " + std::to_string(count) + "}";
  }
  return out + "]}\n";
}

}  // namespace roost::load
