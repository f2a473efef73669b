// What a load run measured, and how it is told: a table for people (result_table.cc), JSON for
// programs (result_json.cc).
//
// Pure values. Each thread fills one; Add sums them up when the threads have ended. Durations are
// in nanoseconds here and in microseconds where they are printed.
#ifndef ROOST_TOOLS_LOAD_RESULT_H_
#define ROOST_TOOLS_LOAD_RESULT_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tools/load/bare_run.h"
#include "tools/load/histogram.h"
#include "tools/load/options.h"
#include "tools/load/series.h"
#include "tools/load/watch.h"

namespace roost::load {

struct Result {
  static constexpr size_t kMaxErrors = 20;  // different ones; more are "other errors"

  // Connections: asked for = established + failed + never begun.
  uint64_t established = 0;  // reached IDLE
  uint64_t failed = 0;       // did not
  uint64_t dropped = 0;      // did, and were lost before the end
  uint64_t never_begun = 0;
  // Visits after the first: by habit, in a storm, or after being dropped. Not returned: the last
  // retry failed, or it should have been back when the run ended.
  uint64_t returned = 0, not_returned = 0;
  uint64_t retries = 0;     // of any visit
  uint64_t re_idled = 0;    // times that an idle client said DONE and IDLE again for its own sake
  uint64_t refused = 0;     // commands of idle clients that were answered by NO
  uint64_t handshakes = 0;  // TLS
  // Of those, the first arrivals': from the first one's connecting to the last one's end. What
  // comes later comes with pauses between.
  uint64_t first_handshakes = 0, first_connect_ns = UINT64_MAX, last_secure_ns = 0;

  // One event: one idle client to be told of one message.
  uint64_t expected = 0, received = 0;
  uint64_t excused = 0;     // not expected any more: the client left before it had to be told
  uint64_t missed = 0;      // expected and never to come: the client left long after
  uint64_t duplicated = 0;  // told again with nothing new, or a number that shrank by itself
  // Told of more messages than were delivered, of one not there or gone, or on coming back of a
  // number that does not fit.
  uint64_t unexpected = 0;

  uint64_t delivered = 0, delivery_failed = 0;

  Histogram connect, login, enter;  // enter: from connect to IDLE
  Histogram handshake, resumption;  // full ones, and from a session ticket
  Histogram delivery;               // from the message's last byte to the store's answer
  Histogram told;            // from the message's last byte to EXISTS, of those who always listen
  Histogram told_last;       // from the message's last byte to the last client's EXISTS
  Histogram told_by_poll;    // of those who ask now and then
  Histogram told_slowly;     // of those who read now and then
  Histogram wake;            // from DONE to the FETCH behind it, answered with the message
  Histogram poll;            // from NOOP to its OK
  Histogram come;            // from when a client's very first try was due to IDLE
  Histogram back;            // from when the first try of a return was due to IDLE
  Histogram told_since_due;  // from when the message was due to EXISTS
  Histogram lateness;        // from when the message was due to its last byte
  Histogram told_after_ack;  // from the store's answer to EXISTS; 0 if before

  std::map<std::string, uint64_t> errors;

  // Not summed up.
  std::string started;                 // RFC 3339, in UTC
  std::vector<std::string> arguments;  // with those of scenarios, without secrets
  uint64_t asked = 0;                  // clients
  bool interrupted = false;
  double seconds = 0;
  bool return_lost = false;                 // being dropped is part of the load
  std::vector<double> storms_s;             // each from the order to everybody being idle again
  std::vector<double> unfinished_storms_s;  // some never were, or were not waited for any longer
  Series series;
  Options::Bare bare = Options::Bare::kNone;
  Watched watched;                  // empty: nobody asked
  std::optional<BareRun> bare_run;  // another than this one, for what a client's own end costs

  uint64_t lost() const { return expected > received ? expected - received : 0; }
  // Of first arrivals.
  double HandshakesPerSecond() const;
  // All went as it must.
  bool Good() const;

  void NoteError(const std::string& text);
  void Add(const Result& other);
};

// What a client's own end costs the kernel: of a bare run with a poll at both ends, this one or
// another.
std::optional<BareRun> ClientsEnd(const Result& result);
// What a connection costs the kernel beside the client's own end; none when that is not known.
std::optional<double> KernelBytesPerConnection(const Result& result);
// Of that, both measurements' together; without another run this one's.
std::optional<double> KernelUncertainty(const Result& result);
// How it was found, and what to mind.
std::string KernelMethod(const Result& result);

std::string ResultTable(const Result& result);
std::string ResultJson(const Result& result);
// Self-contained: plots are inline, nothing is fetched.
std::string ResultHtml(const Result& result);

}  // namespace roost::load

#endif  // ROOST_TOOLS_LOAD_RESULT_H_
