#include "core/admin/metrics.h"

#include <array>
#include <cctype>
#include <initializer_list>
#include <map>
#include <string_view>
#include <utility>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "core/base/version.h"

namespace roost {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

using Labels = std::vector<ClientMetric::Label>;

struct Context {
  const MetricsInput& input;
  const ShardFigures total;
};

// Where a metric puts its samples.
class Samples {
 public:
  explicit Samples(MetricFamily* family) : family_(*family) {}

  void Add(double value, Labels labels = {}) {
    ClientMetric& m = family_.metric.emplace_back();
    m.label = std::move(labels);
    (family_.type == MetricType::Counter ? m.counter.value : m.gauge.value) = value;
  }
  void Add(uint64_t value, Labels labels = {}) {
    Add(static_cast<double>(value), std::move(labels));
  }
  void Add(const Histogram& h) {
    ClientMetric& m = family_.metric.emplace_back();
    uint64_t below = 0;
    for (size_t i = 0; i < Histogram::kBounds; ++i) {
      below += h.at(i);
      m.histogram.bucket.push_back(
          {below, static_cast<double>(Histogram::BoundNs(i)) / kNsPerSecond});
    }
    m.histogram.sample_count = h.count();
    m.histogram.sample_sum = static_cast<double>(h.sum_ns()) / kNsPerSecond;
  }
  // One sample for each value of a label.
  void Each(const char* label, std::initializer_list<std::pair<const char*, uint64_t>> values) {
    for (const auto& [name, value] : values) Add(value, {{label, name}});
  }
  template <size_t n>
  void Each(const char* label, const std::array<const char*, n>& names,
            const std::array<uint64_t, n>& values, const Labels& more = {}) {
    for (size_t i = 0; i < n; ++i) {
      Labels labels = more;
      labels.push_back({label, names[i]});
      Add(values[i], std::move(labels));
    }
  }

 private:
  MetricFamily& family_;
};

struct Metric {
  const char* name;
  MetricType type;
  const char* labels;  // for the reference; empty: none
  const char* help;
  void (*collect)(const Context&, Samples&);
};

constexpr MetricType kCounter = MetricType::Counter;
constexpr MetricType kGauge = MetricType::Gauge;
constexpr MetricType kHistogram = MetricType::Histogram;

constexpr std::array<const char*, kClientLimits> kLimits = {
    "clients", "handshakes",   "handshake_time", "login_time",
    "line",    "bad_commands", "failed_logins",  "idle_time",
    "log",     "memory",       "descriptors",    "logins"};
static_assert(static_cast<size_t>(ClientLimit::kLogins) + 1 == kClientLimits);

constexpr std::array<const char*, kSessionLosses> kLosses = {
    "no_place", "unreachable", "refused", "bye", "closed", "protocol", "timeout"};
static_assert(static_cast<size_t>(SessionLoss::kTimeout) + 1 == kSessionLosses);

constexpr std::array<const char*, FeedEvent::kKinds> kEvents = {"expunge", "exists", "flags",
                                                                "line"};
static_assert(static_cast<size_t>(FeedEvent::Kind::kLine) + 1 == FeedEvent::kKinds);

constexpr std::array<const char*, kHandshakeEnds> kHandshakes = {
    "full", "resumed", "peer", "mismatch", "trust", "ours", "gone", "given_up"};
static_assert(static_cast<size_t>(HandshakeEnd::kGivenUp) + 1 == kHandshakeEnds);

constexpr std::array<const char*, 2> kPeers = {"client", "store"};  // by TlsSide
static_assert(static_cast<size_t>(TlsSide::kClient) == 1);

constexpr std::array<const char*, kLookupResults> kLookups = {"ok", "refused", "wait",
                                                              "unavailable"};
static_assert(static_cast<size_t>(LookupResult::Kind::kUnavailable) + 1 == kLookupResults);

std::string CommandLabel(CommandKind kind) {
  if (kind == CommandKind::kMalformed || kind == CommandKind::kUnknown) return "other";
  std::string name(CommandName(kind));
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name;
}

void Wakes(const Context& c, Samples& s) {
  const auto& by = c.total.client_stats.woken_by;
  uint64_t other = 0;
  for (size_t i = 0; i < by.size(); ++i) {
    const std::string label = CommandLabel(static_cast<CommandKind>(i));
    if (label == "other") {
      other += by[i];
    } else if (by[i] != 0) {
      s.Add(by[i], {{"command", label}});
    }
  }
  s.Add(other, {{"command", "other"}});
}

void Handshakes(const Context& c, Samples& s, bool failed) {
  for (size_t peer = 0; peer < kPeers.size(); ++peer) {
    for (size_t end = 0; end < kHandshakeEnds; ++end) {
      const bool done = end <= static_cast<size_t>(HandshakeEnd::kResumed);
      if (done == failed) continue;
      s.Add(c.total.streams.handshakes[peer][end],
            {{"peer", kPeers[peer]}, {failed ? "reason" : "kind", kHandshakes[end]}});
    }
  }
}

// fn(name of the store, its figures)
template <typename Fn>
void ForEachStore(const Context& c, Fn&& fn) {
  static const DialerStats kNothing;
  for (size_t i = 0; i < c.input.stores.size(); ++i) {
    fn(c.input.stores[i], i < c.total.stores.size() ? c.total.stores[i] : kNothing);
  }
}

void Sessions(const Context& c, Samples& s) {
  ForEachStore(c, [&s](const std::string& store, const DialerStats& d) {
    s.Add(d.open, {{"store", store}, {"state", "open"}});
    s.Add(d.logging_in, {{"store", store}, {"state", "logging_in"}});
    s.Add(d.waiting, {{"store", store}, {"state", "waiting"}});
  });
}

void StoreAddresses(const Context& c, Samples& s) {
  for (size_t i = 0; i < c.input.stores.size() && i < c.input.addresses.size(); ++i) {
    std::map<std::string, bool> up;  // several names may lead to one
    for (const StoreAddress& one : c.input.addresses[i]) {
      if (!one.gone) up[one.address.ToString()] |= !one.down;
    }
    for (const auto& [address, is_up] : up) {
      s.Add(uint64_t{is_up}, {{"store", c.input.stores[i]}, {"address", address}});
    }
  }
}

void Audits(const Context& c, Samples& s) {
  const FeedStats& f = c.total.feeds;
  s.Each("result", {{"equal", f.audits - f.audit_mismatches - f.audits_replaced},
                    {"mismatch", f.audit_mismatches},
                    {"replaced", f.audits_replaced},
                    {"unavailable", f.audits_unavailable}});
}

// Clients connect to us, we to all others.
void Bytes(uint64_t all, uint64_t connected, Samples& s) {
  s.Each("peer", {{"client", all - connected}, {"store", connected}});
}

void Memory(const Context& c, Samples& s) {
  const MemoryFigures& m = c.total.memory;
  s.Each("kind", {{"cells", m.cells},
                  {"users", m.users},
                  {"feeds", m.feeds},
                  {"sessions", m.sessions},
                  {"views", m.views},
                  {"logs", m.logs}});
}

constexpr Metric kMetrics[] = {
    {"roost_build_info", kGauge, "version, compiler, boringssl",
     "Always 1: which Roost this is, what compiled it, and which API version its BoringSSL has.",
     [](const Context&, Samples& s) {
       s.Add(uint64_t{1}, {{"version", std::string(kVersion)},
                           {"compiler", std::string(kCompiler)},
                           {"boringssl", std::string(kBoringSslApi)}});
     }},
    {"roost_ready", kGauge, "", "1 while clients are welcome; what /readyz tells.",
     [](const Context& c, Samples& s) { s.Add(uint64_t{c.input.ready}); }},
    {"roost_shards", kGauge, "", "Threads that serve.",
     [](const Context& c, Samples& s) { s.Add(uint64_t{c.input.shards.size()}); }},

    {"roost_clients", kGauge, "state: entering, attached, parked",
     "Connections: not logged in yet, with a session of their own, without one.",
     [](const Context& c, Samples& s) {
       s.Each("state", {{"entering", c.total.entering},
                        {"attached", c.total.attached},
                        {"parked", c.total.parked}});
     }},
    {"roost_clients_asleep", kGauge, "", "Of those parked, the ones that are a cell and no more.",
     [](const Context& c, Samples& s) { s.Add(c.total.asleep); }},
    {"roost_clients_idling", kGauge, "", "Of those parked, the ones in IDLE.",
     [](const Context& c, Samples& s) { s.Add(c.total.idling); }},
    {"roost_shard_clients", kGauge, "shard: a number", "Connections of each thread.",
     [](const Context& c, Samples& s) {
       for (size_t i = 0; i < c.input.shards.size(); ++i) {
         s.Add(c.input.shards[i].clients, {{"shard", std::to_string(i)}});
       }
     }},
    {"roost_users", kGauge, "", "Login names with a client.",
     [](const Context& c, Samples& s) { s.Add(c.total.users); }},
    {"roost_connections_accepted_total", kCounter, "", "Connections that clients opened.",
     [](const Context& c, Samples& s) { s.Add(c.total.client_stats.accepted); }},
    {"roost_connections_refused_total", kCounter, "", "Of these, the ones that found no room.",
     [](const Context& c, Samples& s) { s.Add(c.total.client_stats.refused); }},
    {"roost_connections_closed_total", kCounter, "",
     "Clients that left, by themselves or not; a move to another shard is one too.",
     [](const Context& c, Samples& s) { s.Add(c.total.client_stats.closed); }},
    {"roost_sent_away_total", kCounter, "cause: drain, kick, store, age, route, memory",
     "Of these, the ones whose turn came in a drain, those of a user who was kicked, those of a "
     "store that is drained, those logged in for too long, those whose user belongs to another "
     "store since routes changed, and those sent away when memory ran out.",
     [](const Context& c, Samples& s) {
       const ClientStats& t = c.total.client_stats;
       s.Each("cause", {{"drain", t.drained},
                        {"kick", t.kicked},
                        {"store", t.displaced},
                        {"age", t.aged},
                        {"route", t.rerouted},
                        {"memory", t.shed}});
     }},
    {"roost_connections_moved_total", kCounter, "", "Clients that came to the shard of their user.",
     [](const Context& c, Samples& s) { s.Add(c.total.client_stats.moved_in); }},
    {"roost_logins_total", kCounter, "result: ok, refused, unavailable, not-allowed, abandoned",
     "Logins of clients by their result, as in the log.",
     [](const Context& c, Samples& s) {
       const auto& logins = c.total.client_stats.logins;
       for (size_t i = 0; i < kLoginResults; ++i) {
         const auto result = static_cast<LoginResult>(i);
         s.Add(logins[i], {{"result", std::string(LoginResultName(result))}});
       }
     }},
    {"roost_lookups_total", kCounter, "result: ok, refused, wait, unavailable",
     "Logins that a look-up service was asked about, by its answer; unavailable: no server had "
     "one.",
     [](const Context& c, Samples& s) {
       const auto& results = c.total.lookups.results;
       for (size_t i = 0; i < kLookupResults; ++i) s.Add(results[i], {{"result", kLookups[i]}});
     }},
    {"roost_lookups", kGauge, "state: waiting, asking", "Such questions, now.",
     [](const Context& c, Samples& s) {
       s.Each("state", {{"waiting", c.total.lookups.waiting}, {"asking", c.total.lookups.asking}});
     }},
    {"roost_lookup_seconds", kHistogram, "", "How long they took, the wait for a place included.",
     [](const Context& c, Samples& s) { s.Add(c.total.lookups.time); }},
    {"roost_lookup_failures_total", kCounter, "",
     "Times that one of its servers gave no answer in time, or one that is none.",
     [](const Context& c, Samples& s) { s.Add(c.total.lookups.failures); }},
    {"roost_lookup_connections_total", kCounter, "",
     "Connections to its servers; far fewer than look-ups where these keep them open.",
     [](const Context& c, Samples& s) { s.Add(c.total.lookups.connections); }},
    {"roost_limit_hits_total", kCounter,
     "limit: clients, handshakes, handshake_time, login_time, line, bad_commands, failed_logins, "
     "idle_time, log, memory, descriptors, logins, address, user, login_delay, proxy_header",
     "Clients refused, kept waiting or ended by a limit; of handshakes and logins, times that "
     "no handshake could begin for a while, the latter as too many waited for their store; of "
     "descriptors, times that a listener took no more, and logins refused as "
     "the shard of their user was full.",
     [](const Context& c, Samples& s) {
       const ClientStats& t = c.total.client_stats;
       s.Each("limit", kLimits, t.limits);
       s.Each("limit", {{"address", t.refused_by_address},
                        {"user", t.refused_by_user},
                        {"login_delay", t.delayed_logins},
                        {"proxy_header", t.bad_proxy_headers}});
     }},

    {"roost_parks_total", kCounter, "cause: idle, quiet",
     "Clients that let go of their session, by IDLE or by silence.",
     [](const Context& c, Samples& s) {
       const ClientStats& t = c.total.client_stats;
       s.Each("cause", {{"idle", t.parked - t.quiet_parks}, {"quiet", t.quiet_parks}});
     }},
    {"roost_park_feeds_total", kCounter, "how: first, raised, joined",
     "How they met their feed: as its first, as one whose session hears more, as another one.",
     [](const Context& c, Samples& s) {
       const FeedStats& f = c.total.feeds;
       s.Each("how", {{"first", f.adopted - f.raised}, {"raised", f.raised}, {"joined", f.joined}});
     }},
    {"roost_kept_idle_total", kCounter, "", "Times that IDLE was passed on to an own session.",
     [](const Context& c, Samples& s) { s.Add(c.total.client_stats.kept_idle); }},
    {"roost_wakes_total", kCounter, "command: as in IMAP, in small letters; other",
     "Parked clients that got a session again, by the command that needed it.", Wakes},
    {"roost_wake_sessions_total", kCounter, "from: feed, store, none",
     "Where the session came from; none: the command was refused or the client ended.",
     [](const Context& c, Samples& s) {
       const FeedStats& f = c.total.feeds;
       s.Each("from", {{"feed", f.handed_over}, {"store", f.woken}, {"none", f.refused_wakes}});
     }},
    {"roost_wake_seconds", kHistogram, "", "How long the command waited for it.",
     [](const Context& c, Samples& s) { s.Add(c.total.feeds.wakes); }},
    {"roost_mapped_commands_total", kCounter, "",
     "Commands whose message numbers were translated, as expunges were still owed.",
     [](const Context& c, Samples& s) { s.Add(c.total.client_stats.mapped_commands); }},

    {"roost_feeds", kGauge, "driver: idle, notify, polling, none",
     "Mailboxes watched, by how they hear; none: without a session just now.",
     [](const Context& c, Samples& s) {
       s.Each("driver", {{"idle", c.total.feeds_idling},
                         {"notify", c.total.feeds_notified},
                         {"polling", c.total.feeds_polling},
                         {"none", c.total.feeds_without}});
     }},
    {"roost_feeds_recovering", kGauge, "", "Of these, the ones in search of a session.",
     [](const Context& c, Samples& s) { s.Add(c.total.feeds.recovering); }},
    {"roost_feeds_recovered_total", kCounter, "", "Times that one was found.",
     [](const Context& c, Samples& s) { s.Add(c.total.feeds.recovered); }},
    {"roost_feed_polls_total", kCounter, "", "Questions to stores that tell no news by themselves.",
     [](const Context& c, Samples& s) { s.Add(c.total.feeds.polls); }},
    {"roost_feed_flags_learned_total", kCounter, "",
     "Times that a feed without MODSEQ found out all flags.",
     [](const Context& c, Samples& s) { s.Add(c.total.feeds.flags_learned); }},
    {"roost_feed_events_total", kCounter, "kind: expunge, exists, flags, line", "What feeds heard.",
     [](const Context& c, Samples& s) { s.Each("kind", kEvents, c.total.feeds.events); }},
    {"roost_feed_log_events", kGauge, "", "Events kept for clients that have not been told.",
     [](const Context& c, Samples& s) { s.Add(c.total.log_events); }},
    {"roost_notifications_total", kCounter, "", "Times that a client in IDLE was told something.",
     [](const Context& c, Samples& s) { s.Add(c.total.client_stats.events_sent); }},
    {"roost_fan_out_seconds", kHistogram, "",
     "From a feed's hearing of something to its last idle client's bytes given to the kernel.",
     [](const Context& c, Samples& s) { s.Add(c.total.client_stats.fan_out); }},
    {"roost_laggards_total", kCounter, "fate: coalesced, dropped",
     "Clients so far behind that what they are owed was summed up, or that were told BYE.",
     [](const Context& c, Samples& s) {
       const ClientStats& t = c.total.client_stats;
       s.Each("fate", {{"coalesced", t.laggards_coalesced}, {"dropped", t.laggards_dropped}});
     }},
    {"roost_heartbeats_total", kCounter, "", "Times that a client in IDLE was told `Still here`.",
     [](const Context& c, Samples& s) { s.Add(c.total.client_stats.heartbeats); }},
    {"roost_audits_total", kCounter, "result: equal, mismatch, replaced, unavailable",
     "Comparisons of a feed with its mailbox; a mismatch is never right.", Audits},

    {"roost_sessions", kGauge, "store, state: open, logging_in, waiting",
     "Connections to a store; those waiting have no place yet.", Sessions},
    {"roost_sessions_opened_total", kCounter, "store", "Sessions asked for.",
     [](const Context& c, Samples& s) {
       ForEachStore(c, [&s](const std::string& store, const DialerStats& d) {
         s.Add(d.opened, {{"store", store}});
       });
     }},
    {"roost_sessions_refused_total", kCounter, "store",
     "Of these, the ones that had no place in time or found the queue full.",
     [](const Context& c, Samples& s) {
       ForEachStore(c, [&s](const std::string& store, const DialerStats& d) {
         s.Add(d.refused, {{"store", store}});
       });
     }},
    {"roost_sessions_lost_total", kCounter,
     "store, reason: no_place, unreachable, refused, bye, closed, protocol, timeout",
     "Sessions that did not end by Roost's own wish; closed are also those for which Roost had no "
     "descriptor.",
     [](const Context& c, Samples& s) {
       ForEachStore(c, [&s](const std::string& store, const DialerStats& d) {
         s.Each("reason", kLosses, d.lost, {{"store", store}});
       });
     }},

    {"roost_store_address_up", kGauge, "store, address",
     "0: checks have found nobody who serves there, and logins go to another address of the "
     "store, if it has one.",
     StoreAddresses},

    {"roost_tls_handshakes_total", kCounter, "peer: client, store; kind: full, resumed",
     "TLS handshakes that succeeded.",
     [](const Context& c, Samples& s) { Handshakes(c, s, false); }},
    {"roost_tls_handshake_failures_total", kCounter,
     "peer: client, store; reason: peer, mismatch, trust, ours, gone, given_up",
     "Those that did not: the peer broke the protocol or refused, nothing in common, a certificate "
     "not accepted, a fault here, the peer left, closed from here.",
     [](const Context& c, Samples& s) { Handshakes(c, s, true); }},
    {"roost_tls_handshakes_in_progress", kGauge, "", "TLS handshakes now.",
     [](const Context& c, Samples& s) { s.Add(c.total.streams.handshakes_in_progress); }},

    {"roost_sockets", kGauge, "state: open, closing", "Of clients and sessions.",
     [](const Context& c, Samples& s) {
       s.Each("state",
              {{"open", c.total.io.sockets_open}, {"closing", c.total.io.sockets_closing}});
     }},
    {"roost_received_bytes_total", kCounter, "peer: client, store",
     "From clients, and from stores and look-up services, as on the wire.",
     [](const Context& c, Samples& s) {
       Bytes(c.total.io.received_bytes, c.total.io.connected_received_bytes, s);
     }},
    {"roost_sent_bytes_total", kCounter, "peer: client, store",
     "To clients, and to stores and look-up services, as on the wire.",
     [](const Context& c, Samples& s) {
       Bytes(c.total.io.sent_bytes, c.total.io.connected_sent_bytes, s);
     }},
    {"roost_blocked_sends_total", kCounter, "", "Sends that had to wait for a full socket.",
     [](const Context& c, Samples& s) { s.Add(c.total.io.blocked_sends); }},
    {"roost_receive_buffer_bytes", kGauge, "", "Memory of the rings' receive buffers.",
     [](const Context& c, Samples& s) { s.Add(c.total.io.buffer_bytes); }},
    {"roost_receive_buffers_dry_total", kCounter, "", "Receives that had to wait for a buffer.",
     [](const Context& c, Samples& s) { s.Add(c.total.io.buffers_dry); }},
    {"roost_completion_queue_overflows_total", kCounter, "",
     "Times that a ring told more than its queue could hold.",
     [](const Context& c, Samples& s) { s.Add(c.total.io.queue_overflows); }},
    {"roost_turns_total", kCounter, "", "Rounds of the shards' loops.",
     [](const Context& c, Samples& s) { s.Add(c.total.io.turns); }},

    {"roost_memory_bytes", kGauge, "kind: cells, users, feeds, sessions, views, logs",
     "What is kept for parked clients, as the allocator counts; sessions, views and logs are those "
     "of feeds.",
     Memory},
    {"roost_heap_allocated_bytes", kGauge, "", "What the allocator has given out.",
     [](const Context& c, Samples& s) { s.Add(c.input.process.heap_allocated_bytes); }},
    {"roost_heap_resident_bytes", kGauge, "", "What the allocator holds in memory for that.",
     [](const Context& c, Samples& s) { s.Add(c.input.process.heap_resident_bytes); }},
    {"process_resident_memory_bytes", kGauge, "", "The process, without its sockets.",
     [](const Context& c, Samples& s) { s.Add(c.input.process.resident_bytes); }},
    {"process_cpu_seconds_total", kCounter, "", "User and system time.",
     [](const Context& c, Samples& s) { s.Add(c.input.process.cpu_seconds); }},
    {"process_start_time_seconds", kGauge, "", "Since 1970.",
     [](const Context& c, Samples& s) { s.Add(c.input.process.start_seconds); }},
};

ShardFigures Sum(const std::vector<ShardFigures>& shards) {
  ShardFigures total;
  for (const ShardFigures& f : shards) total += f;
  return total;
}

const char* TypeName(MetricType type) {
  if (type == kCounter) return "counter";
  return type == kHistogram ? "histogram" : "gauge";
}

}  // namespace

std::string MetricsText(const MetricsInput& input) {
  const Context context{input, Sum(input.shards)};
  std::vector<MetricFamily> families;
  for (const Metric& metric : kMetrics) {
    MetricFamily& family = families.emplace_back();
    family.name = metric.name;
    family.help = metric.help;
    family.type = metric.type;
    Samples samples(&family);
    metric.collect(context, samples);
  }
  return prometheus::TextSerializer().Serialize(families);
}

std::string MetricsReference() {
  std::string table = "| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n";
  for (const Metric& m : kMetrics) {
    table.append("| `").append(m.name).append("` | ").append(TypeName(m.type)).append(" | ");
    table.append(m.labels).append(*m.labels == 0 ? "| " : " | ").append(m.help).append(" |\n");
  }
  return table;
}

}  // namespace roost
