#include "core/shard/figures.h"

namespace roost {
namespace {

uint64_t& Logins(ShardFigures& f, LoginResult result) { return f.client_stats.Logins(result); }

constexpr FigureName kFigures[] = {
    {"clients", [](ShardFigures& f) -> uint64_t& { return f.clients; }},
    {"entering", [](ShardFigures& f) -> uint64_t& { return f.entering; }},
    {"attached", [](ShardFigures& f) -> uint64_t& { return f.attached; }},
    {"parked", [](ShardFigures& f) -> uint64_t& { return f.parked; }},
    {"asleep", [](ShardFigures& f) -> uint64_t& { return f.asleep; }},
    {"idling", [](ShardFigures& f) -> uint64_t& { return f.idling; }},
    {"users", [](ShardFigures& f) -> uint64_t& { return f.users; }},
    {"listeners", [](ShardFigures& f) -> uint64_t& { return f.listeners; }},
    {"draining", [](ShardFigures& f) -> uint64_t& { return f.draining; }},
    {"sessions_open", [](ShardFigures& f) -> uint64_t& { return f.sessions.open; }},
    {"sessions_logging_in", [](ShardFigures& f) -> uint64_t& { return f.sessions.logging_in; }},
    {"sessions_waiting", [](ShardFigures& f) -> uint64_t& { return f.sessions.waiting; }},
    {"sessions_opened", [](ShardFigures& f) -> uint64_t& { return f.sessions.opened; }},
    {"sessions_refused", [](ShardFigures& f) -> uint64_t& { return f.sessions.refused; }},
    {"feeds", [](ShardFigures& f) -> uint64_t& { return f.feeds.feeds; }},
    {"feeds_recovering", [](ShardFigures& f) -> uint64_t& { return f.feeds.recovering; }},
    {"feeds_idling", [](ShardFigures& f) -> uint64_t& { return f.feeds_idling; }},
    {"feeds_notified", [](ShardFigures& f) -> uint64_t& { return f.feeds_notified; }},
    {"feeds_polling", [](ShardFigures& f) -> uint64_t& { return f.feeds_polling; }},
    {"feeds_without", [](ShardFigures& f) -> uint64_t& { return f.feeds_without; }},
    {"log_events", [](ShardFigures& f) -> uint64_t& { return f.log_events; }},
    {"adopted", [](ShardFigures& f) -> uint64_t& { return f.feeds.adopted; }},
    {"raised", [](ShardFigures& f) -> uint64_t& { return f.feeds.raised; }},
    {"joined", [](ShardFigures& f) -> uint64_t& { return f.feeds.joined; }},
    {"handed_over", [](ShardFigures& f) -> uint64_t& { return f.feeds.handed_over; }},
    {"woken", [](ShardFigures& f) -> uint64_t& { return f.feeds.woken; }},
    {"refused_wakes", [](ShardFigures& f) -> uint64_t& { return f.feeds.refused_wakes; }},
    {"feeds_moved", [](ShardFigures& f) -> uint64_t& { return f.feeds.moved; }},
    {"recovered", [](ShardFigures& f) -> uint64_t& { return f.feeds.recovered; }},
    {"audits", [](ShardFigures& f) -> uint64_t& { return f.feeds.audits; }},
    {"audit_mismatches", [](ShardFigures& f) -> uint64_t& { return f.feeds.audit_mismatches; }},
    {"audits_replaced", [](ShardFigures& f) -> uint64_t& { return f.feeds.audits_replaced; }},
    {"audits_unavailable", [](ShardFigures& f) -> uint64_t& { return f.feeds.audits_unavailable; }},
    {"polls", [](ShardFigures& f) -> uint64_t& { return f.feeds.polls; }},
    {"flags_learned", [](ShardFigures& f) -> uint64_t& { return f.feeds.flags_learned; }},
    {"accepted", [](ShardFigures& f) -> uint64_t& { return f.client_stats.accepted; }},
    {"refused", [](ShardFigures& f) -> uint64_t& { return f.client_stats.refused; }},
    {"closed", [](ShardFigures& f) -> uint64_t& { return f.client_stats.closed; }},
    {"moved_in", [](ShardFigures& f) -> uint64_t& { return f.client_stats.moved_in; }},
    {"moved_out", [](ShardFigures& f) -> uint64_t& { return f.client_stats.moved_out; }},
    {"logins", [](ShardFigures& f) -> uint64_t& { return Logins(f, LoginResult::kOk); }},
    {"refused_logins",
     [](ShardFigures& f) -> uint64_t& { return Logins(f, LoginResult::kRefused); }},
    {"unavailable_logins",
     [](ShardFigures& f) -> uint64_t& { return Logins(f, LoginResult::kUnavailable); }},
    {"not_allowed_logins",
     [](ShardFigures& f) -> uint64_t& { return Logins(f, LoginResult::kNotAllowed); }},
    {"abandoned_logins",
     [](ShardFigures& f) -> uint64_t& { return Logins(f, LoginResult::kAbandoned); }},
    {"parks", [](ShardFigures& f) -> uint64_t& { return f.client_stats.parked; }},
    {"quiet_parks", [](ShardFigures& f) -> uint64_t& { return f.client_stats.quiet_parks; }},
    {"wakes", [](ShardFigures& f) -> uint64_t& { return f.client_stats.woken; }},
    {"kept_idle", [](ShardFigures& f) -> uint64_t& { return f.client_stats.kept_idle; }},
    {"mapped_commands",
     [](ShardFigures& f) -> uint64_t& { return f.client_stats.mapped_commands; }},
    {"events_sent", [](ShardFigures& f) -> uint64_t& { return f.client_stats.events_sent; }},
    {"refused_by_address",
     [](ShardFigures& f) -> uint64_t& { return f.client_stats.refused_by_address; }},
    {"refused_by_user",
     [](ShardFigures& f) -> uint64_t& { return f.client_stats.refused_by_user; }},
    {"delayed_logins", [](ShardFigures& f) -> uint64_t& { return f.client_stats.delayed_logins; }},
    {"bad_proxy_headers",
     [](ShardFigures& f) -> uint64_t& { return f.client_stats.bad_proxy_headers; }},
    {"drained", [](ShardFigures& f) -> uint64_t& { return f.client_stats.drained; }},
    {"kicked", [](ShardFigures& f) -> uint64_t& { return f.client_stats.kicked; }},
    {"displaced", [](ShardFigures& f) -> uint64_t& { return f.client_stats.displaced; }},
    {"aged", [](ShardFigures& f) -> uint64_t& { return f.client_stats.aged; }},
    {"rerouted", [](ShardFigures& f) -> uint64_t& { return f.client_stats.rerouted; }},
    {"shed", [](ShardFigures& f) -> uint64_t& { return f.client_stats.shed; }},
    {"heartbeats", [](ShardFigures& f) -> uint64_t& { return f.client_stats.heartbeats; }},
    {"laggards_coalesced",
     [](ShardFigures& f) -> uint64_t& { return f.client_stats.laggards_coalesced; }},
    {"laggards_dropped",
     [](ShardFigures& f) -> uint64_t& { return f.client_stats.laggards_dropped; }},
    {"handshakes_done", [](ShardFigures& f) -> uint64_t& { return f.streams.handshakes_done; }},
    {"handshakes_resumed",
     [](ShardFigures& f) -> uint64_t& { return f.streams.handshakes_resumed; }},
    {"handshakes_failed", [](ShardFigures& f) -> uint64_t& { return f.streams.handshakes_failed; }},
    {"handshakes_in_progress",
     [](ShardFigures& f) -> uint64_t& { return f.streams.handshakes_in_progress; }},
    {"sockets_open", [](ShardFigures& f) -> uint64_t& { return f.io.sockets_open; }},
    {"sockets_closing", [](ShardFigures& f) -> uint64_t& { return f.io.sockets_closing; }},
    {"buffers_dry", [](ShardFigures& f) -> uint64_t& { return f.io.buffers_dry; }},
    {"queue_overflows", [](ShardFigures& f) -> uint64_t& { return f.io.queue_overflows; }},
    {"received_bytes", [](ShardFigures& f) -> uint64_t& { return f.io.received_bytes; }},
    {"sent_bytes", [](ShardFigures& f) -> uint64_t& { return f.io.sent_bytes; }},
    {"bytes_cells", [](ShardFigures& f) -> uint64_t& { return f.memory.cells; }},
    {"bytes_users", [](ShardFigures& f) -> uint64_t& { return f.memory.users; }},
    {"bytes_feeds", [](ShardFigures& f) -> uint64_t& { return f.memory.feeds; }},
    {"bytes_sessions", [](ShardFigures& f) -> uint64_t& { return f.memory.sessions; }},
    {"bytes_views", [](ShardFigures& f) -> uint64_t& { return f.memory.views; }},
    {"bytes_logs", [](ShardFigures& f) -> uint64_t& { return f.memory.logs; }},
};

template <size_t n>
void AddAll(const std::array<uint64_t, n>& from, std::array<uint64_t, n>* to) {
  for (size_t i = 0; i < n; ++i) (*to)[i] += from[i];
}

}  // namespace

std::span<const FigureName> FigureNames() { return kFigures; }

ShardFigures& ShardFigures::operator+=(const ShardFigures& other) {
  ShardFigures from = other;  // the table tells of what may be written
  for (const FigureName& figure : kFigures) figure.of(*this) += figure.of(from);
  AddAll(from.sessions.lost, &sessions.lost);
  if (stores.size() < from.stores.size()) stores.resize(from.stores.size());
  for (size_t i = 0; i < from.stores.size(); ++i) stores[i] += from.stores[i];
  AddAll(from.feeds.events, &feeds.events);
  feeds.wakes += from.feeds.wakes;
  lookups += from.lookups;
  client_stats.fan_out += from.client_stats.fan_out;
  AddAll(from.client_stats.woken_by, &client_stats.woken_by);
  AddAll(from.client_stats.limits, &client_stats.limits);
  for (size_t side = 0; side < streams.handshakes.size(); ++side) {
    AddAll(from.streams.handshakes[side], &streams.handshakes[side]);
  }
  io.connected_received_bytes += from.io.connected_received_bytes;
  io.connected_sent_bytes += from.io.connected_sent_bytes;
  io.buffer_bytes += from.io.buffer_bytes, io.turns += from.io.turns;
  io.max_sockets += from.io.max_sockets, io.listeners_full += from.io.listeners_full;
  io.times_full += from.io.times_full, io.reset_when_full += from.io.reset_when_full;
  io.blocked_sends += from.io.blocked_sends;
  return *this;
}

}  // namespace roost
