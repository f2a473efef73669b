// What an operator may say: plain values, their defaults, and how they are read from YAML.
//
// What it is not: it opens no socket and looks no name up. LoadConfig is pure (text in, values or
// errors out); only LoadConfigFile and CheckConfigFiles touch the file system. yaml-cpp and its
// exceptions stay inside yaml_tree.cc.
//
// The defaults stand here, at the members. Key, type, range and reason of each member stand once,
// in schema.h, from which the loader, PrintConfig and the printed reference all come.
//
// Lifetime: a Config is filled once and constant afterwards; a reload fills another one.
//
// Invariants of a Config that was loaded without errors
//  1. At least one listener and one store; store names are unique and the route names only these.
//  2. Every number is within its range in schema.h, every enum is one of its values.
//  3. A listener with TLS implies a certificate.
//  4. A route that is looked up has a server to ask.
//  5. A store with a proxy login has a master user and, after CheckConfigFiles, a master password.
//  6. File names are absolute, or relative to the directory of the configuration file and then
//     joined with it.

#ifndef ROOST_CORE_CONFIG_CONFIG_H_
#define ROOST_CORE_CONFIG_CONFIG_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/cleanse.h"
#include "core/config/network.h"
#include "core/io/io.h"

namespace roost {

struct ListenerConfig {
  enum class Tls : uint8_t {
    kImplicit,  // TLS from the first byte (port 993)
    kStartTls,  // plain until STARTTLS (port 143)
    kNone,      // never; for loopback and tests
  };
  Address address;
  Tls tls = Tls::kImplicit;
  bool allow_plaintext_login = false;  // LOGIN and AUTHENTICATE without TLS
  std::vector<Network> proxy_from;     // peers that announce their clients by the PROXY protocol
};

// One certificate; the first is used where SNI names none.
struct CertificateConfig {
  std::string chain_file;  // PEM, leaf first
  std::string key_file;    // PEM
};

// What clients may use. Suites are not configured: TLS 1.3 ones and the AEAD ones of TLS 1.2.
struct TlsConfig {
  enum class Version : uint8_t { k12, k13 };
  Version minimum_version = Version::k12;
  bool tickets = true;
  std::string ticket_key_file;        // shared between processes; empty: keys of this one
  int ticket_rotation_s = 12 * 3600;  // 0: never
};

// A host and port as written: a literal or a name. See ResolveHostPort in resolve.h.
struct HostPort {
  std::string host;  // without brackets
  uint16_t port = 0;
  std::string ToString() const;
  // "host:port", "192.0.2.1:143", "[2001:db8::1]:143". No look-ups.
  static bool Parse(std::string_view text, HostPort* out);
  friend bool operator==(const HostPort&, const HostPort&) = default;
};

using StoreIndex = uint32_t;  // position in Config::stores

struct StoreConfig {
  enum class Tls : uint8_t { kNone, kStartTls, kImplicit };
  enum class Login : uint8_t {
    kClient,          // the client's own credentials, sealed in memory while it is connected
    kProxyAuthzid,    // AUTHENTICATE PLAIN: authzid = user, authcid = master_user
    kProxySeparator,  // LOGIN user<master_separator>master_user
  };

  std::string name;
  std::vector<HostPort> addresses;  // several: the same store
  int resolve_s = 30;               // so often names are resolved again; 0: at start-up only
  int check_s = 10;                 // between checks of each address; 0: none
  Tls tls = Tls::kNone;
  std::string ca_file;  // PEM; only these authorities are trusted. Empty: the system's
  bool verify = true;   // certificate and name
  std::string
      server_name;  // for SNI and the name in the certificate. Empty: the host of the address

  Login login = Login::kClient;
  std::string master_user;
  std::string master_password;       // never printed, never logged
  std::string master_password_file;  // its first line is read into master_password
  char master_separator = '*';

  bool send_proxy_v2 = false;
  bool send_id_originating_ip = true;
  bool trust_token_names = false;  // the user name in XOAUTH2/OAUTHBEARER is proven by the store

  int max_logins_in_progress = 32;
  int max_sessions = 0;           // open at once, all shards together; 0: no bound
  int max_sessions_per_user = 0;  // open at once; 0: no bound
  int queue_s = 10;               // longest wait for a place
  int queue_max = 100'000;        // waiting at once, in each shard
  int connect_timeout_s = 10;
  int command_timeout_s = 60;
  std::vector<Address> source_addresses;  // port 0; empty: the kernel chooses
  bool parking = true;                    // its users' idle clients may go without a session
  bool notify = false;                    // feeds that clients share hear by NOTIFY
  int weight = 1;                         // share of users where the route is a hash

  ~StoreConfig() { Cleanse(&master_password); }
};

struct RouteConfig {
  enum class Kind : uint8_t { kStatic, kMap, kHash, kHttp };
  Kind kind = Kind::kStatic;
  std::string store;                // static. Empty: the only store
  std::vector<std::string> stores;  // hash. Empty: all stores
  std::string map_file;             // map; format in core/route/route.h
  std::string default_store;        // map: users it does not name. Empty: they are refused
};

inline constexpr size_t kMostLookupServers = 8;

// The service that is asked where the route is kHttp; see proto/net/auth_http.h.
struct LookupConfig {
  std::vector<HostPort> servers;  // the first that answers is asked
  std::string path = "/";
  std::string header_file;    // lines sent along: "X-Auth-Key: ..."
  bool verifies = false;      // its OK opens the mailbox; else the store checks the login as well
  bool send_password = true;  // as nginx does
  int timeout_s = 5;          // of one server: connection and answer
  int max_in_progress = 32;   // in each shard
  int queue_s = 10;           // longest wait for a place
  int queue_max = 10'000;     // waiting at once, in each shard
};

struct TimeoutsConfig {
  int handshake_s = 10;          // accept, or the answer to STARTTLS, to TLS complete
  int login_s = 60;              // accept to logged in, the handshake included
  int autologout_s = 1800;       // RFC 3501, 5.4: at least 30 minutes
  int heartbeat_s = 120;         // "* OK Still here" to clients in IDLE; 0: none
  int tcp_user_timeout_s = 420;  // all probes fit in: see KeepaliveSeconds
  int tcp_keepalive_s = 300;
  int bye_spread_s = 10;  // when feeds die: their sleeping clients are told so within; 0: at once
  int stop_s = 5;         // from the last BYE until clients that do not take it are cut off
};

struct ParkingConfig {
  bool enabled = true;
  std::vector<std::string> except_users;    // logins that keep their own session
  std::vector<std::string> except_clients;  // beginnings of names in ID, any case
  int quiet_park_s = 30;        // silence after which a client parks without IDLE; 0: never
  int driver_check_s = 540;     // DONE, NOOP, IDLE on a feed's session that has been silent so long
  int poll_s = 60;              // NOOP so often where the store has no IDLE; 0: never parked there
  int flush_max_age_ms = 1000;  // NOOP of a parked client is answered from the log within this age
  int pool_keep_s = 10;         // how long a session nobody uses is kept for the next wake
  int pool_per_user = 2;
  int log_entries_max = 4096;    // events of a feed for laggards; past it they are coalesced
  int log_bytes_max = 4 << 20;   // and bytes
  int view_bytes_max = 8 << 20;  // a mailbox whose UIDs need more is not shared
  int reconnect_min_ms = 250;    // first pause after a feed's session died; doubles, with jitter
  int reconnect_max_ms = 30'000;
  int audit_s = 60;  // between comparisons of a feed's view with a fresh list; 0: none
};

// How roostd goes, when it need not go at once.
struct DrainConfig {
  int over_s = 3600;  // roostctl drain
  int on_stop_s = 0;  // SIGTERM; 0: everybody is told at once
  int accept_s = 5;   // new clients are still taken, so that balancers notice first
};

struct LimitsConfig {
  int max_clients = 0;              // all shards together; 0: what descriptors allow
  int max_clients_per_address = 0;  // an IPv4 address, or a /64 of IPv6; 0: no bound
  int max_clients_per_user = 0;     // of one login name; 0: no bound
  int max_login_age_s = 0;          // then BYE between two commands; 0: no bound
  int max_memory_mib = 0;           // of the process, resident; 0: no bound
  int max_handshakes_in_progress = 2000;
  int max_line = 65'536;                 // bytes of a command line without its literals
  int max_line_before_login = 8'192;     // a token in AUTHENTICATE is the longest of these
  int max_literal_before_login = 8'192;  // bytes
  int bad_commands_before_login = 3;     // then BYE
  int failed_logins = 3;                 // then BYE
  int failed_login_delay_s = 15;         // at most, by address; 0: none
  int commands_in_progress = 64;         // pipelined and unanswered; past it the client is not read
  int relay_buffer = 65'536;             // bytes buffered per client and direction
};

struct AdminConfig {
  Address address;  // family 0: none
};

struct LogConfig {
  enum class Level : uint8_t { kError, kWarning, kInfo, kDebug };
  enum class Format : uint8_t { kText, kJson };
  Level level = Level::kInfo;
  Format format = Format::kText;
  std::string file;  // empty: standard error
};

struct Config {
  std::vector<ListenerConfig> listeners;
  std::vector<CertificateConfig> certificates;
  TlsConfig tls;
  std::vector<StoreConfig> stores;
  RouteConfig route;
  LookupConfig lookup;

  int shards = 0;  // 0: one per core
  DescriptorMode descriptors = DescriptorMode::kAuto;
  std::string greeting = "Roost ready.";
  std::vector<std::string> capabilities_before_login;  // empty: what the reachable stores share
  TimeoutsConfig timeouts;
  ParkingConfig parking;
  DrainConfig drain;
  LimitsConfig limits;
  LogConfig log;
  AdminConfig admin;
  std::string control_socket;  // path; empty: none
  std::string user;            // to run as once the listeners are open; empty: as started
  bool dumpable = false;       // core dumps, debuggers and /proc/<pid>/smaps for other users
};

// One thing that is wrong (or doubtful) and what to do about it.
struct ConfigError {
  std::string file;
  int line = 0;         // from 1; 0: the file as a whole
  std::string key;      // "stores[0].tls"; empty: not about one key
  std::string problem;  // what is wrong
  std::string advice;   // what to do
  // "roost.yaml:12: stores[0].tls: what is wrong; what to do"
  std::string ToString() const;
};

struct LoadedConfig {
  Config config;                      // meaningless unless ok()
  std::vector<ConfigError> errors;    // in order of line, all that were found, at most 100
  std::vector<ConfigError> warnings;  // legal, but probably not meant
  std::string file;
  std::map<std::string, int> lines;  // key as in ConfigError -> line

  bool ok() const { return errors.empty(); }
  // One line each, errors first.
  std::string Describe() const;
};

// Reads YAML text of at most 1 MiB. `file_name` is for messages and for the directory of relative
// file names; it is not opened.
LoadedConfig LoadConfig(std::string_view yaml, std::string_view file_name);

// Adds what only the file system knows: certificates, keys, CAs and the map are readable, the user
// exists, the log's and control socket's directories exist. Reads master_password_file.
void CheckConfigFiles(LoadedConfig* loaded);
// The same without what is only for a start: for a reload, by the account that roostd runs as.
void CheckFilesToRead(LoadedConfig* loaded);

// Reads the file, LoadConfig, then CheckConfigFiles: all that `roostd --check-config` does.
LoadedConfig LoadConfigFile(const std::string& path);

// Copies what a reload may change (all keys but those that the reference says need a restart) from
// one configuration into another, both loaded without errors. Stores are found by name; those that
// only one of the two has stay as they are, and so does the route, with the look-up, where that of
// `from` fits none but its own stores. Returns the keys in which `from` still differs, in order:
// they need a restart. References into *to are of no use afterwards.
std::vector<std::string> TakeReloadable(const Config& from, Config* to);

// So many threads serve: one for each core where none is said.
uint32_t ShardsOf(const Config& config);

// All keys with their values, as YAML that loads to the same Config; passwords are left out.
std::string PrintConfig(const Config& config);

// The table of keys as Markdown, for README and `roostd --config-reference`.
std::string PrintConfigReference();

}  // namespace roost

#endif  // ROOST_CORE_CONFIG_CONFIG_H_
