// Asks the look-up service: a bounded client of HTTP/1.1 over the shard's own loop, which it never
// holds up.
//
//   kWaiting --a place is free--> kAsking --answered--> (done)
//   kWaiting --queue_s over, or the queue full--> (done: kUnavailable)
//   kAsking --no connection, no answer in timeout_s, garbage, 5xx--> the next server;
//           after the last (done: kUnavailable)
//   kAsking --within_ns over--> (done: kUnavailable);
//           a failure of the server that is asked only if it had half of timeout_s for it
//
// One question at a time goes over a connection; connections are kept for a moment for the next. A
// question that finds a kept one closed before any answer goes out once more on a new one: that
// says nothing about the server. Servers are asked in the order of the configuration; one that has
// failed comes last for kAvoidNs. A question is asked at most once of each address.
//
// What it is not: it decides nothing by the answer, and caches none.
//
// Secrets: questions and answers hold passwords; they are wiped when freed and never logged.
//
// Lifetime: Lookups outlives its Lookup objects; one that is destroyed is not heard of again.
// Thread rule: its shard. Bounds: max_in_progress, queue_max and queue_s of the configuration;
// kMaxHttpResponseHead of an answer, whose body is read away up to kMostBody or not at all.
#ifndef ROOST_CORE_ROUTE_LOOKUPS_H_
#define ROOST_CORE_ROUTE_LOOKUPS_H_

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/cleanse.h"
#include "core/base/clock.h"
#include "core/base/connection_id.h"
#include "core/base/histogram.h"
#include "core/base/life.h"
#include "core/route/lookup_service.h"
#include "core/route/route.h"
#include "core/stream/loop.h"
#include "proto/net/auth_http.h"

namespace roost {

struct LookupQuestion {
  std::string user;
  std::string password;
  std::string client_ip;
  std::string_view method = "plain";  // this and the next two: constants
  std::string_view tls_version;       // empty: no TLS
  std::string_view tls_cipher;
  uint32_t attempt = 1;
  ConnectionId session;         // of the client, for the log: the service is not told
  uint64_t within_ns = kNever;  // later an answer is of no use: queue and servers together

  LookupQuestion() = default;
  LookupQuestion(LookupQuestion&&) = default;
  LookupQuestion& operator=(LookupQuestion&&) = default;
  ~LookupQuestion() { Cleanse(&password); }
};

struct LookupResult {
  enum class Kind : uint8_t {
    kOk,
    kRefused,      // text: the service's words for the client
    kWait,         // ask again after wait_s
    kUnavailable,  // text: the reason, for the operator
  };
  Kind kind = Kind::kUnavailable;
  std::string text;
  Address store;         // kOk
  std::string user;      // kOk: in place of the one asked about; empty: none
  std::string password;  // likewise
  uint32_t wait_s = 0;   // kRefused: before it is told

  LookupResult() = default;
  LookupResult(LookupResult&&) = default;
  LookupResult& operator=(LookupResult&&) = default;
  ~LookupResult() { Cleanse(&password); }
};
inline constexpr size_t kLookupResults = 4;

struct LookupStats {
  uint64_t results[kLookupResults] = {};  // by LookupResult::Kind
  uint64_t failures = 0;                  // of one server each
  uint64_t connections = 0;               // opened
  uint64_t waiting = 0, asking = 0;       // now
  Histogram time;                         // from the question to the result

  LookupStats& operator+=(const LookupStats& other);
};

// A question that is not answered yet.
class Lookup;

class Lookups {
 public:
  using Done = std::function<void(LookupResult result)>;
  static constexpr uint64_t kAvoidNs = SecondsToNs(10);
  // Shorter than servers keep a silent connection: five seconds is usual.
  static constexpr uint64_t kKeepNs = SecondsToNs(4);
  static constexpr uint64_t kMostBody = 65'536;  // bytes read away so that a connection can be kept

  explicit Lookups(Loop& loop);
  ~Lookups();

  // Precondition: router->service() is there. `done` is called once, never from within this call,
  // and may destroy the Lookup.
  std::unique_ptr<Lookup> Ask(std::shared_ptr<const Router> router, LookupQuestion question,
                              Done done);
  LookupStats stats() const;

 private:
  friend class Lookup;
  class Connection;
  using Queue = std::list<Lookup*>;

  void Later();
  void Next();
  void Start(Lookup& lookup);
  Connection& Connect(const LookupServer& server, bool fresh);
  size_t Pick(const Lookup& lookup) const;
  void Failed(Lookup& lookup, const LookupServer& server, const std::string& problem);
  void GiveUp(Lookup& lookup);
  void NoteFailure(Lookup& lookup, const LookupServer& server, const std::string& problem);
  void Stale(Lookup& lookup);
  void Finish(Lookup& lookup, LookupResult result);
  void Cancel(Lookup& lookup);
  void Drop(Connection& connection);
  bool MayKeep(const Connection& one) const;
  uint64_t AvoidedUntil(const Address& address) const;
  void Avoid(const Address& address);
  void TryAgain(const Address& address, uint64_t within_ns);
  void Answered(const Address& address);

  Loop& loop_;
  Queue queue_;
  size_t asking_ = 0;
  size_t most_kept_ = 0;  // as many as may be asked at once
  std::list<std::unique_ptr<Connection>> connections_;
  std::vector<std::pair<Address, uint64_t>> avoided_;  // servers that failed, until when
  LookupStats stats_;
  bool posted_ = false;
  Life life_;
};

class Lookup {
 public:
  ~Lookup();
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;

 private:
  friend class Lookups;
  friend class Lookups::Connection;
  enum class State : uint8_t { kWaiting, kAsking, kOver };

  Lookup(Lookups& lookups, std::shared_ptr<const Router> router, LookupQuestion question,
         Lookups::Done done);
  const LookupService& service() const { return *router_->service(); }

  Lookups& lookups_;
  const std::shared_ptr<const Router> router_;
  LookupQuestion question_;
  Lookups::Done done_;
  State state_ = State::kWaiting;
  uint64_t since_ns_;
  uint32_t tried_ = 0;                         // bit i: the service's server i
  size_t server_ = 0;                          // that is asked
  uint64_t asked_ns_ = 0;                      // it, first
  std::string problems_;                       // of the servers tried
  Alarm deadline_;                             // of the wait, then of the whole
  Lookups::Queue::iterator place_;             // kWaiting
  Lookups::Connection* connection_ = nullptr;  // kAsking
  Life life_;
};

}  // namespace roost

#endif  // ROOST_CORE_ROUTE_LOOKUPS_H_
