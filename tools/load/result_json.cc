#include "core/base/version.h"
#include "tools/load/json.h"
#include "tools/load/result.h"

namespace roost::load {
namespace {

struct Percentile {
  const char* name;
  double share;
};
constexpr Percentile kPercentiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};

void Run(JsonWriter* json, const Result& r) {
  json->Open("run");
  json->Text("version", kVersion);
  json->Text("started", r.started);
  json->OpenList("arguments");
  for (const std::string& argument : r.arguments) json->Text("", argument);
  json->Close();
  json->Close();
}

void Latency(JsonWriter* json, const char* name, const Histogram& histogram) {
  if (histogram.count() == 0) return json->Null(name);
  const auto us = [](uint64_t ns) { return static_cast<double>(ns) / 1e3; };
  json->Open(name);
  json->Number("count", histogram.count());
  for (const auto& [percentile, share] : kPercentiles) {
    json->Real(percentile, us(histogram.Percentile(share)));
  }
  json->Real("max", us(histogram.max()));
  json->Close();
}

void Memory(JsonWriter* json, const Result& r, const WatchedProcess& process) {
  const auto pss = [&process](Moment moment) {
    return process.At(moment) ? process.At(moment)->pss_bytes : std::nullopt;
  };
  // What the machine's kernel needs is not one process's of several.
  const bool alone = r.watched.processes.size() == 1;
  json->Open("memory");
  json->Number("pss_before_bytes", pss(Moment::kBefore));
  json->Number("pss_bytes", pss(Moment::kSteady));
  json->Number("pss_end_bytes", pss(Moment::kEnd));
  json->Number("peak_rss_bytes", process.peak_rss_bytes);
  json->Real("pss_bytes_per_connection", process.PssPerConnection(r.established));
  const std::optional<double> kernel = alone ? KernelBytesPerConnection(r) : std::nullopt;
  json->Real("kernel_bytes_per_connection", kernel);
  if (kernel) {
    json->Real("kernel_uncertainty_bytes", KernelUncertainty(r));
    json->Text("kernel_method", KernelMethod(r));
  }
  json->Close();
}

void Cpu(JsonWriter* json, const WatchedProcess& process) {
  const auto add = [json](const char* user, const char* system,
                          const std::optional<ProcessUse>& spent) {
    json->Real(user, spent ? std::optional(spent->user_s) : std::nullopt, 2);
    json->Real(system, spent ? std::optional(spent->system_s) : std::nullopt, 2);
  };
  json->Open("cpu");
  add("user_s", "system_s", process.Spent(Moment::kBefore, Moment::kEnd));
  add("ramp_user_s", "ramp_system_s", process.Spent(Moment::kBefore, Moment::kSteady));
  json->Close();
}

void Watching(JsonWriter* json, const Result& r) {
  if (r.bare != Options::Bare::kNone) {
    json->Open("bare");
    json->Text("wait", r.bare == Options::Bare::kPoll ? "poll" : "receive");
    json->Real("kernel_bytes_per_pair", r.watched.KernelPerConnection(r.established));
    const std::optional<BareRun> end = ClientsEnd(r);
    json->Real("kernel_bytes_per_end",
               end ? std::optional(end->kernel_bytes_per_end) : std::nullopt);
    json->Real("kernel_uncertainty_bytes",
               end ? std::optional(end->kernel_uncertainty_bytes) : std::nullopt);
    json->Number("clients", end ? std::optional(end->clients) : std::nullopt);
    json->Close();
  }
  if (r.watched.KernelPerConnection(r.established)) {
    json->Open("machine");
    json->Real("kernel_bytes_per_connection_with_client",
               r.watched.KernelPerConnection(r.established));
    json->Real("kernel_bytes_per_connection", KernelBytesPerConnection(r));
    json->Real("kernel_uncertainty_bytes", KernelUncertainty(r));
    json->Text("kernel_method", KernelMethod(r));
    json->Close();
  }
  if (r.watched.processes.empty()) return;
  json->OpenList("watched");
  for (const WatchedProcess& process : r.watched.processes) {
    json->Open("");
    json->Number("pid", process.pid);
    json->Text("name", process.name);
    Memory(json, r, process);
    Cpu(json, process);
    process.note.empty() ? json->Null("note") : json->Text("note", process.note);
    json->Close();
  }
  json->Close();
  if (r.watched.processes.size() != 1) return;
  Memory(json, r, r.watched.processes.front());
  Cpu(json, r.watched.processes.front());
}

void Storms(JsonWriter* json, const char* name, const std::vector<double>& storms_s) {
  json->OpenList(name);
  for (const double seconds : storms_s) json->Real("", seconds, 3);
  json->Close();
}

// [seconds, idle, messages so far, events so far]
void OverTime(JsonWriter* json, const Series& series) {
  json->OpenList("series");
  for (const Point& point : series.points()) {
    json->OpenList("");
    json->Real("", point.seconds, 2);
    json->Number("", point.idle);
    json->Number("", point.delivered);
    json->Number("", point.received);
    json->Close();
  }
  json->Close();
}

}  // namespace

std::string ResultJson(const Result& r) {
  JsonWriter json;
  Run(&json, r);
  json.Open("connections");
  json.Number("asked", r.asked);
  json.Number("established", r.established);
  json.Number("failed", r.failed);
  json.Number("dropped", r.dropped);
  json.Close();
  json.Number("handshakes", r.handshakes);
  json.Number("handshakes_resumed", r.resumption.count());
  json.Real("handshakes_per_s", r.HandshakesPerSecond());
  json.Open("deliveries");
  json.Number("accepted", r.delivered);
  json.Number("failed", r.delivery_failed);
  json.Close();
  json.Open("events");
  json.Number("expected", r.expected);
  json.Number("received", r.received);
  json.Number("lost", r.lost());
  json.Number("duplicated", r.duplicated);
  json.Number("unexpected", r.unexpected);
  json.Number("excused", r.excused);
  json.Close();
  Latency(&json, "latency_us", r.told);
  Latency(&json, "latency_since_due_us", r.told_since_due);
  Latency(&json, "latency_after_ack_us", r.told_after_ack);
  Latency(&json, "latency_of_last_us", r.told_last);
  Latency(&json, "lateness_us", r.lateness);
  Latency(&json, "delivery_us", r.delivery);
  Latency(&json, "connect_us", r.connect);
  Latency(&json, "handshake_us", r.handshake);
  Latency(&json, "resumption_us", r.resumption);
  Latency(&json, "login_us", r.login);
  Latency(&json, "enter_us", r.enter);
  Latency(&json, "told_by_poll_us", r.told_by_poll);
  Latency(&json, "told_slowly_us", r.told_slowly);
  Latency(&json, "wake_us", r.wake);
  Latency(&json, "poll_us", r.poll);
  json.Number("re_idled", r.re_idled);
  json.Number("refused", r.refused);
  json.Open("arrivals");
  Latency(&json, "first_try_to_idle_us", r.come);
  json.Close();
  json.Open("returns");
  json.Number("idle_again", r.returned);
  json.Number("failed", r.not_returned);
  json.Number("retries", r.retries);
  Latency(&json, "first_try_to_idle_us", r.back);
  Storms(&json, "storms_s", r.storms_s);
  Storms(&json, "unfinished_storms_s", r.unfinished_storms_s);
  json.Close();
  Watching(&json, r);
  json.Real("seconds", r.seconds, 3);
  json.Bool("interrupted", r.interrupted);
  const Host& host = r.watched.host;
  json.Open("host");
  json.Text("kernel", host.kernel);
  json.Text("cpu", host.cpu);
  json.Number("cores", host.cores);
  json.Real("load_average", host.load, 2);
  json.Close();
  OverTime(&json, r.series);
  json.OpenList("errors");
  for (const auto& [text, count] : r.errors) {
    json.Open("");
    json.Text("text", text);
    json.Number("count", count);
    json.Close();
  }
  return json.Take();
}

}  // namespace roost::load
