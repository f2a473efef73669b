// Every key of the configuration, once: its name, its member, its range and its reason.
//
// Visit(visitor, struct) calls for each member, in the order in which the reference shows them,
//     visitor.Field(key, member, Spec)     for a value or a list of values
//     visitor.Section(key, member, why)    for a struct
//     visitor.List(key, member, why, required)  for a list of structs
// A reload takes all of them but those with `restart`, see reload.cc; the reference says which.
// The loader, the printer and the reference are visitors; so a key cannot be in one and not in
// another. What concerns several keys together is checked in relations.cc.

#ifndef ROOST_CORE_CONFIG_SCHEMA_H_
#define ROOST_CORE_CONFIG_SCHEMA_H_

#include "core/config/config.h"
#include "core/config/value.h"

namespace roost::config_detail {

inline constexpr int kDay = 86'400;  // seconds
// An Io gives up a socket that takes nothing after this time.
inline constexpr int kMostStopSeconds = static_cast<int>(IoLimits{}.drain_ms / 1000);

template <class V>
void Visit(V& v, ListenerConfig& c) {
  v.Field("address", c.address,
          {.why = "Where clients connect. `*:993` and `[::]:993` take IPv4 and IPv6, `0.0.0.0:993` "
                  "IPv4 alone. Port 0: "
                  "the kernel chooses, the log tells.",
           .required = true,
           .restart = true});
  v.Field("tls", c.tls,
          {.why = "`implicit` from the first byte, `starttls` on request.", .restart = true});
  v.Field(
      "allow_plaintext_login", c.allow_plaintext_login,
      {.why = "Lets passwords cross the network in clear. Otherwise LOGIN before TLS is refused "
              "with PRIVACYREQUIRED.",
       .restart = true});
  v.Field("proxy_from", c.proxy_from,
          {.why = "Networks of balancers. A connection from there must begin with a PROXY header, "
                  "version 1 or 2, and counts as its client's; from elsewhere none is taken.",
           .restart = true});
}

template <class V>
void Visit(V& v, CertificateConfig& c) {
  v.Field("chain_file", c.chain_file,
          {.why = "PEM, the server's certificate first, then the intermediate ones.",
           .required = true,
           .form = Form::kPath});
  v.Field("key_file", c.key_file,
          {.why = "PEM private key. ECDSA P-256 costs a tenth of what RSA does.",
           .required = true,
           .form = Form::kPath});
}

template <class V>
void Visit(V& v, TlsConfig& c) {
  v.Field("minimum_version", c.minimum_version, {.why = "Oldest version spoken with clients."});
  v.Field("tickets", c.tickets,
          {.why = "Session tickets: returning clients skip the certificate's signature."});
  v.Field("ticket_key_file", c.ticket_key_file,
          {.why = "Keys that several roostd share, so that each resumes the sessions of all: lines "
                  "of `next`, `current` and `previous` with 48 bytes in base64 each, as `roostctl "
                  "ticket-keys FILE` makes and rotates them. Empty: random keys, known to this "
                  "process alone.",
           .form = Form::kPath});
  v.Field("ticket_rotation_s", c.ticket_rotation_s,
          {.why = "So often the keys are rotated, or `ticket_key_file` is read again; it must be "
                  "rotated less than half as often. 0: never.",
           .minimum = 10,
           .maximum = 7 * kDay,
           .zero_too = true});
}

template <class V>
void Visit(V& v, StoreConfig& c) {
  v.Field("name", c.name,
          {.why = "By which the route and the log call it.", .required = true, .restart = true});
  v.Field("addresses", c.addresses,
          {.why = "Literals or names. Several are the same store.", .required = true});
  v.Field("resolve_s", c.resolve_s,
          {.why = "So often names are resolved again; new sessions go where they lead then. 0: at "
                  "start-up only, and when `addresses` are others on reload.",
           .minimum = 1,
           .maximum = kDay,
           .zero_too = true});
  v.Field(
      "check_s", c.check_s,
      {.why = "So often each address is tried, to the greeting; one that has failed three times "
              "in a row gets no logins until it answers, unless all of the store's have "
              "failed. 0: never.",
       .minimum = 1,
       .maximum = 3600,
       .zero_too = true});
  v.Field("tls", c.tls, {.why = "Between Roost and the store."});
  v.Field("ca_file", c.ca_file,
          {.why = "PEM; only these authorities may have signed the store's certificate. Empty: the "
                  "system's.",
           .form = Form::kPath});
  v.Field("verify", c.verify,
          {.why = "Check the store's certificate and name. Without it TLS hides nothing from an "
                  "active attacker."});
  v.Field("server_name", c.server_name,
          {.why = "The name expected in the certificate. Empty: the host of the address."});
  v.Field("login", c.login,
          {.why = "How Roost opens further sessions for a user whom the store has accepted: with "
                  "the client's credentials, or as a master user by SASL PLAIN's authzid or by "
                  "`user*master`.",
           .restart = true});
  v.Field("master_user", c.master_user, {.why = "For the proxy logins."});
  v.Field("master_password", c.master_password,
          {.why = "Better kept in a file of its own.", .form = Form::kSecret});
  v.Field("master_password_file", c.master_password_file,
          {.why = "Its first line is the password.", .form = Form::kPath});
  v.Field("master_separator", c.master_separator,
          {.why = "Between user and master user with `proxy-separator`; user names that contain it "
                  "are not proxied."});
  v.Field("send_proxy_v2", c.send_proxy_v2,
          {.why = "Announce the client's address by the PROXY protocol, version 2. The store must "
                  "expect it."});
  v.Field("send_id_originating_ip", c.send_id_originating_ip,
          {.why = "Announce the client's address by ID x-originating-ip, and the session id of "
                  "Roost's log by x-session-id, where the store offers ID. Dovecot heeds them "
                  "from `login_trusted_networks`."});
  v.Field("trust_token_names", c.trust_token_names,
          {.why = "The store checks that the user name given beside an OAuth token is the token's; "
                  "otherwise such clients share nothing."});
  v.Field(
      "max_logins_in_progress", c.max_logins_in_progress,
      {.why =
           "Logins cost a store a password hash each; all shards together; more wait in a queue.",
       .minimum = 1,
       .maximum = 100'000});
  v.Field("max_sessions", c.max_sessions,
          {.why = "Sessions open at once. Each shard has an equal part of them, at least one; more "
                  "wait; 0: no bound.",
           .minimum = 1,
           .maximum = 10'000'000,
           .zero_too = true});
  v.Field("max_sessions_per_user", c.max_sessions_per_user,
          {.why = "Of one login, the feeds' included; below the store's own limit; 0: no bound.",
           .minimum = 2,
           .maximum = 100'000,
           .zero_too = true});
  v.Field("queue_s", c.queue_s,
          {.why = "Whoever waited so long for a session is refused; clients wait no longer.",
           .minimum = 1,
           .maximum = 600});
  v.Field("queue_max", c.queue_max,
          {.why = "Waiting at once in each shard; the newest are refused.",
           .minimum = 1,
           .maximum = 10'000'000});
  v.Field("connect_timeout_s", c.connect_timeout_s,
          {.why = "Connection, TLS and greeting together.", .minimum = 1, .maximum = 300});
  v.Field(
      "command_timeout_s", c.command_timeout_s,
      {.why =
           "An answer to one of Roost's own commands; past it the session is given up. While more "
           "of an answer to SELECT, SEARCH or FETCH comes, ten times as long.",
       .minimum = 1,
       .maximum = 3600});
  v.Field("source_addresses", c.source_addresses,
          {.why = "Connect from one of these, chosen at random among those of the family of the "
                  "store's address (none: the kernel chooses). One address pair has about 28,000 "
                  "ports.",
           .form = Form::kHostOnly});
  v.Field("parking", c.parking,
          {.why = "Whether idle clients of its users may go without a session of their own."});
  v.Field(
      "notify", c.notify,
      {.why = "Mailboxes that several clients watch are heard of by NOTIFY (RFC 5465), where the "
              "store has it: an event takes one command less and comes sooner. Not for Dovecot, "
              "which hibernates no such session."});
  v.Field("weight", c.weight,
          {.why = "Share of the users where the route is `hash`.", .minimum = 1, .maximum = 1000});
}

template <class V>
void Visit(V& v, RouteConfig& c) {
  v.Field(
      "kind", c.kind,
      {.why =
           "One store for all, a file of users and domains, a hash over stores, or what a service "
           "answers (see `lookup`)."});
  v.Field("store", c.store, {.why = "With `static`. Empty: the only store."});
  v.Field("stores", c.stores, {.why = "With `hash`. Empty: all stores."});
  v.Field("map_file", c.map_file,
          {.why = "With `map`: lines of `user store`, `@domain store` or `* store`. Read again a "
                  "second after it was changed; one that is wrong changes nothing.",
           .form = Form::kPath});
  v.Field("default_store", c.default_store,
          {.why = "With `map`: for users it does not name. Empty: their login is refused."});
}

template <class V>
void Visit(V& v, LookupConfig& c) {
  v.Field("servers", c.servers,
          {.why = "Addresses that speak HTTP, resolved at start-up and on reload. The first is "
                  "asked; while it fails, the next."});
  v.Field("path", c.path, {.why = "What is asked for: the URL behind the host."});
  v.Field("header_file", c.header_file,
          {.why = "Lines of `Name: value` that are sent along, such as a key that the service "
                  "wants to see.",
           .form = Form::kPath});
  v.Field("verifies", c.verifies,
          {.why = "The service's OK is enough: a session is opened with the password that it "
                  "answers, else by the store's master user, else with the client's password. "
                  "Without, the store checks the client's own password as with any route, and the "
                  "service may give no other."});
  v.Field("send_password", c.send_password,
          {.why = "Whether the service is told the client's password; one that `verifies` is."});
  v.Field("timeout_s", c.timeout_s,
          {.why = "Connection and answer of one server; past it the next is asked.",
           .minimum = 1,
           .maximum = 60});
  v.Field("max_in_progress", c.max_in_progress,
          {.why = "Questions at once in each shard, each on a connection of its own; more wait.",
           .minimum = 1,
           .maximum = 10'000});
  v.Field("queue_s", c.queue_s,
          {.why = "Whoever waited so long for a place is refused.", .minimum = 1, .maximum = 600});
  v.Field("queue_max", c.queue_max,
          {.why = "Waiting at once in each shard; more are refused.",
           .minimum = 1,
           .maximum = 10'000'000});
}

template <class V>
void Visit(V& v, TimeoutsConfig& c) {
  v.Field(
      "handshake_s", c.handshake_s,
      {.why = "From the connection to the end of the TLS handshake; with STARTTLS, from the answer "
              "to it, for which a client waits no longer than that either.",
       .minimum = 1,
       .maximum = 300});
  v.Field("login_s", c.login_s,
          {.why = "From the connection to a successful login, the handshake included.",
           .minimum = 1,
           .maximum = 3600});
  v.Field("autologout_s", c.autologout_s,
          {.why = "Silence after which a client is logged out; RFC 3501 asks for 30 minutes at "
                  "least.",
           .minimum = 1800,
           .maximum = 7 * kDay});
  v.Field("heartbeat_s", c.heartbeat_s,
          {.why = "`* OK Still here` to clients in IDLE, so that NATs and balancers remember them. "
                  "Must be shorter than their idle time (AWS NLB 350, Azure 240); 0: none.",
           .minimum = 10,
           .maximum = 1740,
           .zero_too = true});
  v.Field(
      "tcp_user_timeout_s", c.tcp_user_timeout_s,
      {.why = "Sent but unacknowledged for so long: the client is gone; 0: the kernel's own. At "
              "least 1.4 times `tcp_keepalive_s`: Linux lets one lost probe end a silent client "
              "whose silence is longer than this. A phone without coverage meanwhile stays.",
       .minimum = 5,
       .maximum = 3600,
       .zero_too = true,
       .restart = true});
  v.Field("tcp_keepalive_s", c.tcp_keepalive_s,
          {.why = "Silence before keepalive probes, for clients that may be told nothing; the "
                  "client is gone when four were not answered, a tenth of it apart. 0: none.",
           .minimum = 30,
           .maximum = 7200,
           .zero_too = true,
           .restart = true});
  v.Field("bye_spread_s", c.bye_spread_s,
          {.why = "When a mailbox or a login is no longer what it was, parked clients are told BYE "
                  "within this time, spread, so that not all of them come back in one moment; 0: "
                  "at once.",
           .maximum = 600});
  v.Field("stop_s", c.stop_s,
          {.why = "Longest time that clients have for taking the good-bye when roostd stops, which "
                  "it does once all have it; then they are cut off.",
           .minimum = 1,
           .maximum = kMostStopSeconds});
}

template <class V>
void Visit(V& v, ParkingConfig& c) {
  v.Field("enabled", c.enabled,
          {.why = "Without it every client keeps its own session: a plain proxy."});
  v.Field("except_users", c.except_users, {.why = "Logins whose clients keep their own sessions."});
  v.Field("except_clients", c.except_clients, {.why = "So do clients whose name in ID begins so."});
  v.Field("quiet_park_s", c.quiet_park_s,
          {.why = "A client that says nothing for so long parks although it is not in IDLE, and is "
                  "told what it missed at its next command; 0: it keeps its session.",
           .minimum = 1,
           .maximum = 7 * kDay,
           .zero_too = true});
  v.Field(
      "driver_check_s", c.driver_check_s,
      {.why = "A silent feed proves its session alive so often; below the store's own autologout.",
       .minimum = 10,
       .maximum = 1740});
  v.Field("poll_s", c.poll_s,
          {.why = "A store without IDLE, or that refuses it, is asked so often for each feed; 0: "
                  "its clients keep their own sessions, and have no IDLE.",
           .minimum = 5,
           .maximum = 1740,
           .zero_too = true});
  v.Field("flush_max_age_ms", c.flush_max_age_ms,
          {.why = "A parked client's NOOP is answered without asking the store within this time.",
           .maximum = 60'000});
  v.Field("pool_keep_s", c.pool_keep_s,
          {.why = "How long a session nobody uses waits for the next wake; 0: not at all.",
           .maximum = 600});
  v.Field("pool_per_user", c.pool_per_user,
          {.why = "Sessions of one user waiting so; of all together 16 in a shard that came with a "
                  "login, and of those that a client has woken on one for 32 users.",
           .maximum = 100});
  v.Field("log_entries_max", c.log_entries_max,
          {.why = "Events a feed keeps for clients that lag behind; past it what they are owed is "
                  "summed up, and if that does not help those furthest behind are told BYE.",
           .minimum = 16,
           .maximum = 1'000'000});
  v.Field("log_bytes_max", c.log_bytes_max,
          {.why = "Bytes of the same.", .minimum = 65'536, .maximum = 1 << 30});
  v.Field("view_bytes_max", c.view_bytes_max,
          {.why = "A mailbox whose list of UIDs takes more is not shared, nor one of more than "
                  "4,194,304 messages.",
           .minimum = 4096,
           .maximum = 1 << 30});
  v.Field("reconnect_min_ms", c.reconnect_min_ms,
          {.why = "First pause before a feed's lost session is opened anew; it doubles.",
           .minimum = 10,
           .maximum = 600'000});
  v.Field("reconnect_max_ms", c.reconnect_max_ms,
          {.why = "Longest such pause.", .minimum = 10, .maximum = 3'600'000});
  v.Field("audit_s", c.audit_s,
          {.why = "So often each shard compares what one feed believes with a fresh list of its "
                  "mailbox; 0: never.",
           .minimum = 1,
           .maximum = kDay,
           .zero_too = true});
}

template <class V>
void Visit(V& v, DrainConfig& c) {
  v.Field("over_s", c.over_s,
          {.why = "`roostctl drain` tells clients BYE spread over this time, unless it is given "
                  "another.",
           .minimum = 1,
           .maximum = kDay});
  v.Field("on_stop_s", c.on_stop_s,
          {.why = "SIGTERM and SIGINT do so over this time; a second one stops at once. With "
                  "timeouts.stop_s below whatever kills roostd then (systemd's TimeoutStopSec, "
                  "Kubernetes' terminationGracePeriodSeconds); 0: everybody is told at once.",
           .minimum = 1,
           .maximum = kDay,
           .zero_too = true});
  v.Field("accept_s", c.accept_s,
          {.why = "So long new clients are still taken when a drain begins, at most half of its "
                  "time: balancers must notice first that roostd is not ready.",
           .maximum = 600});
}

template <class V>
void Visit(V& v, LimitsConfig& c) {
  v.Field("max_clients", c.max_clients,
          {.why = "Connections of clients, all shards together; 0: what descriptors allow.",
           .minimum = 1,
           .maximum = 100'000'000,
           .zero_too = true});
  v.Field(
      "max_clients_per_address", c.max_clients_per_address,
      {.why = "Of one IPv4 address or one /64 of IPv6, all shards together; mobile carriers have "
              "thousands of clients behind one; 0: no bound.",
       .minimum = 1,
       .maximum = 100'000'000,
       .zero_too = true});
  v.Field(
      "max_clients_per_user", c.max_clients_per_user,
      {.why = "Of one login name; one more is told `NO [LIMIT]`, once the store has accepted its "
              "login; 0: no bound.",
       .minimum = 1,
       .maximum = 10'000'000,
       .zero_too = true});
  v.Field(
      "max_login_age_s", c.max_login_age_s,
      {.why = "Whoever has been logged in for so long, or up to a tenth less, is told BYE between "
              "two commands and must log in again, parked or not; 0: no bound.",
       .minimum = 10,
       .maximum = 90 * kDay,
       .zero_too = true});
  v.Field("max_memory_mib", c.max_memory_mib,
          {.why = "Memory of the process, in MiB, without the kernel's for sockets. From 85 % on "
                  "nothing is kept for later, from 90 % nobody new is taken, at 100 % clients are "
                  "told BYE, some each second; 0: no bound.",
           .minimum = 1,
           .maximum = 100'000'000,
           .zero_too = true});
  v.Field("max_handshakes_in_progress", c.max_handshakes_in_progress,
          {.why = "Each takes about 8 KB; all shards together; more connections, and more who say "
                  "STARTTLS, wait their turn.",
           .minimum = 1,
           .maximum = 1'000'000});
  v.Field("max_line", c.max_line,
          {.why = "Bytes of a command, its literals apart.", .minimum = 1024, .maximum = 1 << 20});
  v.Field("max_line_before_login", c.max_line_before_login,
          {.why = "The same before login; OAuth tokens are the longest.",
           .minimum = 512,
           .maximum = 1 << 20});
  v.Field("max_literal_before_login", c.max_literal_before_login,
          {.why = "Bytes of a literal in LOGIN.", .minimum = 64, .maximum = 1 << 20});
  v.Field("bad_commands_before_login", c.bad_commands_before_login,
          {.why = "So many commands nobody understands close the connection.",
           .minimum = 1,
           .maximum = 1000});
  v.Field("failed_logins", c.failed_logins,
          {.why = "So many refused logins close the connection.", .minimum = 1, .maximum = 1000});
  v.Field(
      "failed_login_delay_s", c.failed_login_delay_s,
      {.why = "Longest wait before a login is checked, where many from the same address (or /64) "
              "were refused: after four it is 1, 2, 4, ... seconds; each minute one is "
              "forgotten; never more than half of timeouts.login_s; 0: none.",
       .maximum = 60});
  v.Field("commands_in_progress", c.commands_in_progress,
          {.why = "Pipelined commands without an answer; the client is not read past it.",
           .minimum = 1,
           .maximum = 10'000});
  v.Field("relay_buffer", c.relay_buffer,
          {.why = "Bytes buffered for a client in each direction before the sender is slowed.",
           .minimum = 16'384,
           .maximum = 1 << 24});
}

template <class V>
void Visit(V& v, AdminConfig& c) {
  v.Field(
      "address", c.address,
      {.why = "Where `/metrics`, `/healthz` and `/readyz` are shown, without TLS and to anybody: "
              "an address that only operators reach, as `127.0.0.1:9090`. Empty: nowhere.",
       .restart = true});
}

template <class V>
void Visit(V& v, LogConfig& c) {
  v.Field("level", c.level,
          {.why = "The least important lines that are written. Logins are `info`."});
  v.Field("format", c.format,
          {.why = "`text`: time, level, event, then `name=value`. `json`: an object in each line.",
           .restart = true});
  v.Field("file", c.file,
          {.why = "Empty: standard error. Once it was moved away, a reload makes it anew.",
           .form = Form::kPath,
           .restart = true});
}

template <class V>
void Visit(V& v, Config& c) {
  v.List("listeners", c.listeners, "Where clients connect.", true);
  v.List("certificates", c.certificates,
         "Chosen by the name the client asks for (SNI); the first is used where none fits.", false);
  v.Section("tls", c.tls, "TLS with clients.");
  v.List("stores", c.stores, "The IMAP servers behind. Another one, or one less, needs a restart.",
         true);
  v.Section("route", c.route, "Which user belongs to which store.");
  v.Section("lookup", c.lookup,
            "With `kind: http`: a service that is asked at each login, in the protocol of nginx's "
            "`auth_http`.");
  v.Field("shards", c.shards,
          {.why = "Threads; 0: one per core.",
           .minimum = 1,
           .maximum = 1024,
           .zero_too = true,
           .restart = true});
  v.Field("descriptors", c.descriptors,
          {.why = "`direct` keeps sockets in tables of io_uring, beyond the limit of open files; "
                  "`auto` uses them where the kernel can.",
           .restart = true});
  v.Field("greeting", c.greeting, {.why = "Text after `* OK [CAPABILITY ...]`."});
  v.Field("capabilities_before_login", c.capabilities_before_login,
          {.why = "What is advertised before login. Empty: what the reachable stores share."});
  v.Section("timeouts", c.timeouts, "");
  v.Section("parking", c.parking, "Idle clients without a session of their own.");
  v.Section("drain", c.drain, "Going without a storm of clients that come back elsewhere.");
  v.Section("limits", c.limits, "");
  v.Section("log", c.log, "");
  v.Section("admin", c.admin, "What the machinery around may ask.");
  v.Field("control_socket", c.control_socket,
          {.why = "Path of the socket for the control command. Empty: none.",
           .form = Form::kPath,
           .restart = true});
  v.Field(
      "user", c.user,
      {.why = "Account to run as once the listeners are open. Empty: the one it was started by.",
       .restart = true});
  v.Field("dumpable", c.dumpable,
          {.why = "Allow core dumps, debuggers and memory statistics; they show secrets.",
           .restart = true});
}

}  // namespace roost::config_detail

#endif  // ROOST_CORE_CONFIG_SCHEMA_H_
