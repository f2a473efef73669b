#include "tools/load/result.h"

#include <algorithm>

namespace roost::load {
namespace {

// So many times as many clients in one of two runs that are compared.
constexpr uint64_t kMuch = 2;

}  // namespace

double Result::HandshakesPerSecond() const {
  if (first_handshakes == 0 || last_secure_ns <= first_connect_ns) return 0;
  return static_cast<double>(first_handshakes) * 1e9 /
         static_cast<double>(last_secure_ns - first_connect_ns);
}

bool Result::Good() const {
  return established + failed >= asked && failed == 0 && (dropped == 0 || return_lost) &&
         not_returned == 0 && unfinished_storms_s.empty() && lost() == 0 && duplicated == 0 &&
         unexpected == 0 && delivery_failed == 0 && refused == 0;
}

void Result::NoteError(const std::string& text) {
  const bool room = errors.size() < kMaxErrors || errors.contains(text);
  ++errors[room ? text : "other errors"];
}

void Result::Add(const Result& other) {
  established += other.established, failed += other.failed, dropped += other.dropped;
  never_begun += other.never_begun;
  returned += other.returned, not_returned += other.not_returned;
  retries += other.retries, refused += other.refused, re_idled += other.re_idled;
  handshakes += other.handshakes, first_handshakes += other.first_handshakes;
  first_connect_ns = std::min(first_connect_ns, other.first_connect_ns);
  last_secure_ns = std::max(last_secure_ns, other.last_secure_ns);
  expected += other.expected, received += other.received;
  excused += other.excused, missed += other.missed;
  duplicated += other.duplicated, unexpected += other.unexpected;
  delivered += other.delivered, delivery_failed += other.delivery_failed;
  resumption.Add(other.resumption);
  connect.Add(other.connect), handshake.Add(other.handshake);
  login.Add(other.login), enter.Add(other.enter);
  delivery.Add(other.delivery), lateness.Add(other.lateness);
  told.Add(other.told), told_since_due.Add(other.told_since_due);
  told_after_ack.Add(other.told_after_ack), told_last.Add(other.told_last);
  told_by_poll.Add(other.told_by_poll), told_slowly.Add(other.told_slowly);
  wake.Add(other.wake), poll.Add(other.poll);
  come.Add(other.come), back.Add(other.back);
  for (const auto& [text, count] : other.errors) errors[text] += count;
}

std::optional<BareRun> ClientsEnd(const Result& result) {
  if (result.bare != Options::Bare::kPoll) return result.bare_run;
  const std::optional<double> pair = result.watched.KernelPerConnection(result.established);
  const std::optional<double> uncertainty = result.watched.KernelUncertainty(result.established);
  if (!pair || !uncertainty) return std::nullopt;
  return BareRun{.kernel_bytes_per_end = *pair / 2,
                 .kernel_uncertainty_bytes = *uncertainty / 2,
                 .clients = result.established};
}

std::optional<double> KernelBytesPerConnection(const Result& result) {
  const std::optional<double> both = result.watched.KernelPerConnection(result.established);
  const std::optional<BareRun> end = ClientsEnd(result);
  if (!both || !end) return std::nullopt;
  return *both - end->kernel_bytes_per_end;
}

std::optional<double> KernelUncertainty(const Result& result) {
  std::optional<double> both = result.watched.KernelUncertainty(result.established);
  if (both && result.bare != Options::Bare::kPoll && result.bare_run) {
    *both += result.bare_run->kernel_uncertainty_bytes;
  }
  return both;
}

std::string KernelMethod(const Result& result) {
  std::string method =
      "growth of the whole machine's Slab and TCP buffers from before the clients to all idle, "
      "divided by them, less the client's own end: half of a pair of sockets in a bare run with "
      "a poll at both ends";
  const uint64_t here = result.established;
  const uint64_t there = result.bare_run ? result.bare_run->clients : here;
  if (std::max(here, there) > kMuch * std::min(here, there)) {
    method += "; that run had " + std::to_string(there) + " clients and this one " +
              std::to_string(here) + ": what does not grow with them weighs differently in each";
  }
  return method;
}

}  // namespace roost::load
