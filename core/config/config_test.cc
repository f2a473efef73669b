#include "core/config/config.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include <gtest/gtest.h>

#include "core/config/resolve.h"
#include "core/config/schema.h"

namespace roost {
namespace {

constexpr char kSmallest[] = R"(
listeners:
  - address: "[::]:993"
certificates:
  - chain_file: /etc/roost/chain.pem
    key_file: key.pem
stores:
  - name: main
    addresses: ["127.0.0.1:143"]
)";

LoadedConfig Load(std::string_view yaml) { return LoadConfig(yaml, "/etc/roost/roost.yaml"); }

// All errors, one a line, without the file's name.
std::string Errors(std::string_view yaml) {
  std::string text;
  for (const ConfigError& error : LoadConfig(yaml, "f").errors) text += error.ToString() + "\n";
  return text;
}

std::string ErrorsAfterSmallest(const std::string& more) { return Errors(kSmallest + more); }

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    path_ = "/tmp/roost-config-" + std::string(6, 'X');  // as mkdtemp wants it
    if (mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~TemporaryDirectory() {
    for (const std::string& file : files_) unlink(file.c_str());
    rmdir(path_.c_str());
  }
  std::string Write(const std::string& name, const std::string& text, mode_t mode = 0600) {
    std::string file = path_ + "/" + name;
    std::ofstream(file) << text;
    chmod(file.c_str(), mode);
    files_.push_back(file);
    return file;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::vector<std::string> files_;
};

TEST(Config, SmallestOneLoadsWithDefaults) {
  LoadedConfig loaded = Load(kSmallest);
  ASSERT_TRUE(loaded.ok()) << loaded.Describe();
  const Config& config = loaded.config;
  ASSERT_EQ(config.listeners.size(), 1u);
  EXPECT_EQ(config.listeners[0].address.port, 993);
  EXPECT_EQ(config.listeners[0].address.family, 6);
  EXPECT_EQ(config.listeners[0].tls, ListenerConfig::Tls::kImplicit);
  ASSERT_EQ(config.stores.size(), 1u);
  EXPECT_EQ(config.stores[0].addresses[0], (HostPort{"127.0.0.1", 143}));
  EXPECT_EQ(config.stores[0].login, StoreConfig::Login::kClient);
  EXPECT_EQ(config.timeouts.autologout_s, 1800);
  EXPECT_EQ(config.limits.max_line, 65536);
  EXPECT_TRUE(config.parking.enabled);
  EXPECT_TRUE(loaded.warnings.empty()) << loaded.Describe();
}

TEST(Config, RelativeFileNamesAreJoinedWithTheFilesDirectory) {
  LoadedConfig loaded = Load(kSmallest);
  EXPECT_EQ(loaded.config.certificates[0].chain_file, "/etc/roost/chain.pem");
  EXPECT_EQ(loaded.config.certificates[0].key_file, "/etc/roost/key.pem");
  loaded = LoadConfig(kSmallest, "roost.yaml");
  EXPECT_EQ(loaded.config.certificates[0].key_file, "key.pem");
}

TEST(Config, EveryKeyCanBeGiven) {
  LoadedConfig loaded = Load(R"(
listeners:
  - {address: "127.0.0.1:1143", tls: none, allow_plaintext_login: yes}
  - {address: "[::1]:1143", tls: starttls}
certificates: [{chain_file: a, key_file: b}]
tls: {minimum_version: 1.3, tickets: off}
stores:
  - name: a
    addresses: [store.example.org:993, "[2001:db8::1]:993"]
    tls: implicit
    ca_file: ca.pem
    server_name: store.example.org
    login: proxy-separator
    master_user: roost
    master_password: "secret: #1"
    master_separator: "%"
    send_proxy_v2: true
    send_id_originating_ip: false
    trust_token_names: true
    max_logins_in_progress: 2
    connect_timeout_s: 3
    command_timeout_s: 4
    source_addresses: [127.0.0.2, "::1"]
    weight: 7
  - name: b
    addresses: localhost:143
route: {kind: hash, stores: [a, b]}
shards: 3
descriptors: direct
greeting: Hello.
capabilities_before_login: [IMAP4rev1, SASL-IR]
timeouts: {handshake_s: 5, login_s: 6, autologout_s: 3600, heartbeat_s: 0, tcp_user_timeout_s: 7,
           tcp_keepalive_s: 60, stop_s: 8}
parking: {enabled: false, driver_check_s: 10, flush_max_age_ms: 0, pool_keep_s: 0,
          pool_per_user: 0, log_entries_max: 16, view_bytes_max: 4096, reconnect_min_ms: 10,
          reconnect_max_ms: 20}
limits: {max_clients: 1, max_handshakes_in_progress: 3, max_line: 1024,
         max_line_before_login: 512, max_literal_before_login: 64, bad_commands_before_login: 1,
         failed_logins: 2, commands_in_progress: 3, relay_buffer: 16384}
log: {level: debug, format: json, file: log}
control_socket: sock
user: nobody
dumpable: true
)");
  ASSERT_TRUE(loaded.ok()) << loaded.Describe();
  const Config& config = loaded.config;
  const StoreConfig& store = config.stores[0];
  EXPECT_EQ(config.listeners[0].tls, ListenerConfig::Tls::kNone);
  EXPECT_TRUE(config.listeners[0].allow_plaintext_login);
  EXPECT_EQ(config.tls.minimum_version, TlsConfig::Version::k13);
  EXPECT_EQ(store.addresses[1], (HostPort{"2001:db8::1", 993}));
  EXPECT_EQ(store.tls, StoreConfig::Tls::kImplicit);
  EXPECT_EQ(store.login, StoreConfig::Login::kProxySeparator);
  EXPECT_EQ(store.master_password, "secret: #1");
  EXPECT_EQ(store.master_separator, '%');
  ASSERT_EQ(store.source_addresses.size(), 2u);
  EXPECT_EQ(store.source_addresses[0].HostString(), "127.0.0.2");
  EXPECT_EQ(config.stores[1].addresses[0], (HostPort{"localhost", 143}));
  EXPECT_EQ(config.route.kind, RouteConfig::Kind::kHash);
  EXPECT_EQ(config.descriptors, DescriptorMode::kDirect);
  EXPECT_EQ(config.timeouts.heartbeat_s, 0);
  EXPECT_EQ(config.log.level, LogConfig::Level::kDebug);
  EXPECT_EQ(config.log.format, LogConfig::Format::kJson);
  EXPECT_TRUE(config.dumpable);
}

TEST(Config, AnErrorNamesFileLineKeyProblemAndRemedy) {
  EXPECT_EQ(ErrorsAfterSmallest("timeouts:\n  heartbeat_s: 9\n"),
            "f:11: timeouts.heartbeat_s: 9 is out of range; "
            "expected: whole number, 0 or 10 to 1740\n");
}

TEST(Config, AllErrorsAreToldInOrderOfTheirLines) {
  EXPECT_EQ(Errors("listeners:\n"
                   "  - address: 127.0.0.1\n"
                   "    tls: implict\n"
                   "shards: many\n"),
            "f: stores: is missing; add it: at least one entry\n"
            "f:2: listeners[0].address: '127.0.0.1' is not an IP address with a port; "
            "expected: address:port\n"
            "f:3: listeners[0].tls: 'implict' is not one of its values (did you mean implicit?); "
            "expected: implicit, starttls or none\n"
            "f:4: shards: 'many' is not a whole number; expected: whole number, 0 or 1 to 1024\n");
}

TEST(Config, UnknownKeysAreErrorsWithTheOneProbablyMeant) {
  EXPECT_EQ(ErrorsAfterSmallest("timeouts:\n  heartbeats_s: 60\n"),
            "f:11: timeouts.heartbeats_s: is not a key; did you mean heartbeat_s?\n");
  EXPECT_EQ(ErrorsAfterSmallest("lisetners: []\n"),
            "f:10: lisetners: is not a key; did you mean listeners?\n");
}

TEST(Config, UnknownKeysThatBelongElsewhereAreShownTheirPlace) {
  EXPECT_EQ(ErrorsAfterSmallest("heartbeat_s: 60\n"),
            "f:10: heartbeat_s: is not a key; it belongs under timeouts\n");
  EXPECT_EQ(ErrorsAfterSmallest("log:\n  shards: 1\n"),
            "f:11: log.shards: is not a key; it belongs at the top, outside of log\n");
}

TEST(Config, UnknownKeysNearNothingPointToTheReference) {
  EXPECT_EQ(ErrorsAfterSmallest("colour: blue\n"),
            "f:10: colour: is not a key; remove it; roostd --config-reference lists all keys\n");
}

TEST(Config, AKeyGivenTwiceIsAnError) {
  EXPECT_EQ(ErrorsAfterSmallest("shards: 1\nshards: 2\n"),
            "f:11: shards: is given twice; keep one\n");
}

TEST(Config, ARequiredKeyIsMissedAtItsSection) {
  EXPECT_EQ(Errors("listeners: [{address: '127.0.0.1:1', tls: none, allow_plaintext_login: on}]\n"
                   "stores:\n"
                   "  - addresses: [a:1]\n"),
            "f:3: stores[0].name: is missing; add it: text\n");
}

TEST(Config, EmptySectionsAreAsGoodAsNone) {
  EXPECT_EQ(ErrorsAfterSmallest("timeouts:\nparking: {}\ncapabilities_before_login:\n"), "");
}

TEST(Config, AKeyWithoutValueIsAnError) {
  EXPECT_EQ(ErrorsAfterSmallest("shards:\n"),
            "f:10: shards: has no value; expected: whole number, 0 or 1 to 1024; or remove it\n");
}

TEST(Config, TheWrongShapeIsAnError) {
  EXPECT_EQ(ErrorsAfterSmallest("shards: [1]\n"),
            "f:10: shards: is not a single value; expected: whole number, 0 or 1 to 1024\n");
  EXPECT_EQ(ErrorsAfterSmallest("timeouts: [1]\n"),
            "f:10: timeouts: is not made of 'key: value' lines; see the configuration reference\n");
  EXPECT_EQ(ErrorsAfterSmallest("route: static\n"),
            "f:10: route: is not made of 'key: value' lines; see the configuration reference\n");
  EXPECT_EQ(Errors("listeners: here\nstores: {a: b}\n"),
            "f:1: listeners: is not a list; begin each entry with '- ' on a line of its own\n"
            "f:2: stores: is not a list; begin each entry with '- ' on a line of its own\n");
}

TEST(Config, WhatIsNotYamlIsAnErrorWithItsLine) {
  std::string errors = Errors("a: b\nc: [\n");
  EXPECT_TRUE(errors.starts_with("f:3: is not YAML: ")) << errors;
  EXPECT_TRUE(Errors("").starts_with("f: is empty")) << Errors("");
  EXPECT_TRUE(Errors("a: 1\n---\nb: 2\n").starts_with("f:2: goes on after the end"));
  EXPECT_EQ(Errors("a: &x 1\nb: *x\n"), "f:2: uses an alias (*); write the values out\n");
  EXPECT_TRUE(Errors(std::string(2 << 20, ' ')).starts_with("f: is larger than 1 MiB"));
  EXPECT_FALSE(Errors(std::string(100'000, '[')).empty());
  EXPECT_FALSE(Errors(std::string("a: \0b\n", 6)).empty());
}

TEST(Config, WhatIsNotUtf8IsAnErrorWithItsLine) {
  for (std::string wrong :
       {std::string("a\0b", 3), std::string(",i\1\xed\0\0\0sten", 11),
        std::string("\xff\xfe"
                    "a\0",
                    4),
        std::string("\xc0\x80"), std::string("\xed\xa0\x80"), std::string("\xf4\x90\x80\x80"),
        std::string("\xe2\x82"), std::string("\x80"), std::string("\x1b[m")}) {
    EXPECT_EQ(Errors("#\n" + wrong + "\n"),
              "f:2: holds a byte that is not text in UTF-8; is it the right file?\n");
  }
  EXPECT_EQ(ErrorsAfterSmallest("greeting: \"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\x93\"\n"), "");
}

// A comma at the start kept the YAML library busy for ever.
TEST(Config, AStrayCommaIsAnError) {
  EXPECT_TRUE(Errors(",listeners: []\n").starts_with("f:1: goes on after the end"));
  EXPECT_NE(ErrorsAfterSmallest(",shards: 1\n"), "");
  EXPECT_NE(ErrorsAfterSmallest("]\nshards: 1\n"), "");
  EXPECT_NE(ErrorsAfterSmallest("shards: 1\n}\n"), "");
}

TEST(Config, ErrorsAreBounded) {
  std::string many;
  for (int i = 0; i < 500; ++i) many += "unknown" + std::to_string(i) + ": 1\n";
  EXPECT_EQ(Load(kSmallest + many).errors.size(), 100u);
}

TEST(Config, ControlCharactersOfAFileAreNotRepeated) {
  for (char c : Errors("\"\\e[31m\": 1\nshards: \"\\e\"\n")) EXPECT_NE(c, '\x1b');
}

TEST(Config, TextMayNotHoldControlCharacters) {
  EXPECT_EQ(ErrorsAfterSmallest("greeting: \"a\\r\\n* BYE\"\n"),
            "f:10: greeting: contains a control character; expected: text\n");
}

TEST(Config, NumbersAreCheckedAtBothEnds) {
  EXPECT_EQ(ErrorsAfterSmallest("timeouts: {autologout_s: 1800, heartbeat_s: 1740}\n"), "");
  EXPECT_NE(ErrorsAfterSmallest("timeouts: {autologout_s: 1799}\n"), "");
  EXPECT_NE(ErrorsAfterSmallest("timeouts: {heartbeat_s: 1741}\n"), "");
  EXPECT_NE(ErrorsAfterSmallest("timeouts: {heartbeat_s: -1}\n"), "");
  EXPECT_NE(ErrorsAfterSmallest("shards: 99999999999999999999\n"), "");
  EXPECT_NE(ErrorsAfterSmallest("shards: 1.5\n"), "");
  EXPECT_NE(ErrorsAfterSmallest("shards: 0x10\n"), "");
}

TEST(ConfigRelations, TlsNeedsACertificate) {
  EXPECT_EQ(Errors("listeners: [{address: '127.0.0.1:1'}]\n"
                   "stores: [{name: a, addresses: ['127.0.0.1:2']}]\n"),
            "f:1: listeners[0].tls: needs a certificate; "
            "add one under certificates, or set tls: none\n");
}

TEST(ConfigRelations, AListenerWithoutTlsMustAllowPlaintextLogin) {
  EXPECT_NE(Errors("listeners: [{address: '127.0.0.1:1', tls: none}]\n"
                   "stores: [{name: a, addresses: ['127.0.0.1:2']}]\n")
                .find("without TLS nobody could log in"),
            std::string::npos);
}

TEST(ConfigRelations, WhatOperatorsMaySeeIsNotForClients) {
  const auto errors = [](const std::string& listener, const std::string& admin) {
    return Errors("listeners: [{address: '" + listener +
                  "', tls: none, allow_plaintext_login: on}]\n"
                  "stores: [{name: a, addresses: ['127.0.0.1:2']}]\n"
                  "admin: {address: '" +
                  admin + "'}\n");
  };
  EXPECT_NE(errors("127.0.0.1:1", "127.0.0.1:1")
                .find("f:3: admin.address: 127.0.0.1:1 is where clients connect"),
            std::string::npos);
  EXPECT_NE(errors("[::]:1", "127.0.0.1:1"), "") << "which takes IPv4 as well";
  EXPECT_NE(errors("192.0.2.1:1", "*:1"), "");
  EXPECT_EQ(errors("192.0.2.1:1", "127.0.0.1:1"), "");
  EXPECT_EQ(errors("*:1", "127.0.0.1:9090"), "");
  EXPECT_EQ(errors("*:0", "127.0.0.1:0"), "") << "another one each time";
  EXPECT_EQ(errors("*:1", ""), "");
}

TEST(ConfigRelations, AnAddressIsListenedOnOnce) {
  EXPECT_NE(Errors("listeners:\n"
                   "- {address: '127.0.0.1:1', tls: none, allow_plaintext_login: on}\n"
                   "- {address: '127.0.0.1:1', tls: none, allow_plaintext_login: on}\n"
                   "stores: [{name: a, addresses: ['127.0.0.1:2']}]\n")
                .find("f:3: listeners[1].address: 127.0.0.1:1 is listened on twice"),
            std::string::npos);
}

TEST(ConfigRelations, TheKernelMayChooseThePortsOfSeveralListeners) {
  EXPECT_EQ(Errors("listeners:\n"
                   "- {address: '127.0.0.1:0', tls: none, allow_plaintext_login: on}\n"
                   "- {address: '127.0.0.1:0', tls: none, allow_plaintext_login: on}\n"
                   "stores: [{name: a, addresses: ['127.0.0.1:2']}]\n"),
            "");
}

TEST(ConfigRelations, AProxyLoginNeedsAMasterUser) {
  EXPECT_EQ(ErrorsAfterSmallest("    login: proxy-authzid\n"),
            "f:8: stores[0].master_user: is missing; a proxy login needs the master user's name\n"
            "f:8: stores[0].master_password_file: is missing; a proxy login needs the master "
            "user's password, here or in master_password\n");
  EXPECT_EQ(ErrorsAfterSmallest("    login: proxy-authzid\n    master_user: m\n"
                                "    master_password: p\n"),
            "");
  EXPECT_NE(ErrorsAfterSmallest("    master_user: m\n"), "");
  EXPECT_NE(ErrorsAfterSmallest("    login: proxy-authzid\n    master_user: m\n"
                                "    master_password: p\n    master_password_file: p\n"),
            "");
  EXPECT_NE(ErrorsAfterSmallest("    login: proxy-separator\n    master_user: m*m\n"
                                "    master_password: p\n"),
            "");
}

TEST(ConfigRelations, TlsSettingsOfAStoreNeedTls) {
  EXPECT_NE(ErrorsAfterSmallest("    ca_file: ca.pem\n"), "");
  EXPECT_NE(ErrorsAfterSmallest("    server_name: a\n"), "");
  EXPECT_EQ(ErrorsAfterSmallest("    ca_file: ca.pem\n    tls: starttls\n"), "");
  EXPECT_NE(ErrorsAfterSmallest("    ca_file: ca.pem\n    tls: starttls\n    verify: off\n"), "");
}

TEST(ConfigRelations, PasswordsInClearToAStoreFarAwayAreWarnedOf) {
  LoadedConfig loaded = Load(
      "listeners: [{address: '127.0.0.1:1', tls: none, allow_plaintext_login: on}]\n"
      "stores: [{name: a, addresses: ['192.0.2.1:143']}]\n");
  ASSERT_TRUE(loaded.ok()) << loaded.Describe();
  ASSERT_EQ(loaded.warnings.size(), 1u);
  EXPECT_EQ(loaded.warnings[0].key, "stores[0].tls");
}

// Once the defaults themselves were so.
TEST(ConfigRelations, AUserTimeoutThatMakesOneLostProbeTheEndIsWarnedOf) {
  const auto warnings = [](const std::string& timeouts) {
    std::string keys;
    for (const ConfigError& w : Load(kSmallest + ("timeouts: {" + timeouts + "}\n")).warnings) {
      keys += w.key + " ";
    }
    return keys;
  };
  EXPECT_EQ(warnings("tcp_user_timeout_s: 419"), "timeouts.tcp_user_timeout_s ");
  EXPECT_EQ(warnings("tcp_keepalive_s: 301"), "timeouts.tcp_user_timeout_s ");
  EXPECT_EQ(warnings("tcp_user_timeout_s: 60, tcp_keepalive_s: 300"),
            "timeouts.tcp_user_timeout_s ");
  EXPECT_EQ(warnings("tcp_user_timeout_s: 0"), "");
  EXPECT_EQ(warnings("tcp_user_timeout_s: 60, tcp_keepalive_s: 0"), "");
  EXPECT_EQ(warnings("tcp_user_timeout_s: 42, tcp_keepalive_s: 30"), "");
}

TEST(ConfigRelations, EachShardMayHaveASession) {
  const auto errors = [](const std::string& shards) {
    return ErrorsAfterSmallest("    max_sessions: 3\nshards: " + shards + "\n");
  };
  EXPECT_EQ(errors("3"), "");
  EXPECT_EQ(errors("4"),
            "f:10: stores[0].max_sessions: is less than one for each of the 4 shards; raise it, or "
            "lower shards\n");
  Config config;
  EXPECT_EQ(ShardsOf(config), std::max(1u, std::thread::hardware_concurrency()));
}

TEST(ConfigRelations, TheRouteNamesStoresThatExist) {
  EXPECT_EQ(ErrorsAfterSmallest("route: {store: mian}\n"),
            "f:10: route.store: there is no store 'mian'; one of: main\n");
  EXPECT_EQ(ErrorsAfterSmallest("route: {store: main}\n"), "");
  EXPECT_NE(ErrorsAfterSmallest("route: {kind: hash, stores: [main, main]}\n"), "");
  EXPECT_NE(ErrorsAfterSmallest("route: {kind: map}\n"), "");
  EXPECT_NE(ErrorsAfterSmallest("route: {kind: hash, store: main}\n"), "");
  EXPECT_NE(ErrorsAfterSmallest("route: {map_file: x}\n"), "");
  EXPECT_EQ(ErrorsAfterSmallest("route: {kind: map, map_file: x, default_store: main}\n"), "");
}

TEST(ConfigRelations, ARouteThatIsLookedUpHasAServiceToAsk) {
  const std::string http = "route: {kind: http}\n";
  EXPECT_EQ(ErrorsAfterSmallest(http),
            "f: lookup.servers: is missing; kind: http needs a service to ask\n");
  EXPECT_EQ(ErrorsAfterSmallest(http + "lookup: {servers: localhost:80}\n"), "");
  EXPECT_EQ(ErrorsAfterSmallest("lookup: {servers: localhost:80}\n"),
            "f:10: lookup.servers: has an effect with kind: http only; remove it\n");
  const auto errors = [&](const std::string& more) {
    return ErrorsAfterSmallest(http + "lookup: {servers: localhost:80, " + more + "}\n");
  };
  EXPECT_EQ(errors("path: '/a%20b?c'"), "");
  for (const char* path : {"path: ''", "path: a", "path: '/a b'", "path: \"/a\\n\""}) {
    EXPECT_NE(errors(path), "") << path;
  }
  EXPECT_EQ(errors("send_password: false"), "");
  EXPECT_NE(errors("send_password: false, verifies: true").find("lookup.send_password"),
            std::string::npos);
  std::string many = "a:1";
  for (size_t i = 0; i < kMostLookupServers; ++i) many += ", a:1";
  EXPECT_NE(ErrorsAfterSmallest(http + "lookup: {servers: [" + many + "]}\n"), "");
}

TEST(ConfigRelations, SeveralStoresNeedARoute) {
  EXPECT_EQ(ErrorsAfterSmallest("  - name: other\n    addresses: [127.0.0.1:144]\n"),
            "f: route.store: is missing; name the store, there are several\n");
  EXPECT_NE(ErrorsAfterSmallest("  - name: main\n    addresses: [127.0.0.1:144]\n")
                .find("is the name of another store too"),
            std::string::npos);
}

TEST(ConfigRelations, CapabilitiesAreSingleWordsAndHoldImap) {
  EXPECT_EQ(ErrorsAfterSmallest("capabilities_before_login: [IMAP4rev1, AUTH=PLAIN]\n"), "");
  EXPECT_NE(ErrorsAfterSmallest("capabilities_before_login: [AUTH=PLAIN]\n"), "");
  EXPECT_NE(ErrorsAfterSmallest("capabilities_before_login: ['IMAP4rev1 ID']\n"), "");
  EXPECT_NE(ErrorsAfterSmallest("capabilities_before_login: ['IMAP4rev1', 'X]']\n"), "");
}

TEST(ConfigRelations, TheGreetingIsNoResponseCode) {
  EXPECT_NE(ErrorsAfterSmallest("greeting: '[ALERT] x'\n"), "");
}

TEST(ConfigRelations, PairsOfNumbersFitTogether) {
  EXPECT_NE(ErrorsAfterSmallest("timeouts: {handshake_s: 100}\n"), "");
  EXPECT_NE(ErrorsAfterSmallest("parking: {reconnect_min_ms: 60000}\n"), "");
  EXPECT_NE(ErrorsAfterSmallest("limits: {max_line: 4096}\n"), "");
  EXPECT_NE(ErrorsAfterSmallest("limits: {relay_buffer: 16384}\n"), "");
}

TEST(HostPort, IsAHostAndAPort) {
  HostPort host_port;
  EXPECT_TRUE(HostPort::Parse("imap.example.org:993", &host_port));
  EXPECT_EQ(host_port, (HostPort{"imap.example.org", 993}));
  EXPECT_TRUE(HostPort::Parse("[::1]:143", &host_port));
  EXPECT_EQ(host_port.ToString(), "[::1]:143");
  for (const char* wrong : {"", ":", "a", "a:", ":1", "a:0", "a:65536", "a:1x", "::1:143", "[]:1",
                            "[::1:1", "[a]:1", "a b:1", "[::1]", "a:-1"}) {
    EXPECT_FALSE(HostPort::Parse(wrong, &host_port)) << wrong;
  }
}

TEST(Resolve, LiteralsNeedNoLookUp) {
  std::vector<Address> addresses;
  std::string problem;
  ASSERT_TRUE(ResolveHostPort({"127.0.0.1", 143}, &addresses, &problem)) << problem;
  ASSERT_TRUE(ResolveHostPort({"::1", 143}, &addresses, &problem)) << problem;
  ASSERT_EQ(addresses.size(), 2u);
  EXPECT_EQ(addresses[0].ToString(), "127.0.0.1:143");
  EXPECT_EQ(addresses[1].ToString(), "[::1]:143");
  EXPECT_FALSE(ResolveHostPort({"a..b", 143}, &addresses, &problem));
  EXPECT_NE(problem.find("a..b"), std::string::npos);
}

class ConfigFiles : public testing::Test {
 protected:
  std::string Config(const std::string& more = "") {
    return directory_.Write("roost.yaml",
                            "listeners: [{address: '127.0.0.1:1'}]\n"
                            "certificates: [{chain_file: chain.pem, key_file: key.pem}]\n"
                            "stores:\n"
                            "- name: a\n"
                            "  addresses: ['127.0.0.1:2']\n" +
                                more);
  }
  void WriteCertificates() {
    directory_.Write("chain.pem", "-----BEGIN CERTIFICATE-----\n");
    directory_.Write("key.pem", "-----BEGIN EC PRIVATE KEY-----\n");
  }
  TemporaryDirectory directory_;
};

TEST_F(ConfigFiles, AreFoundBesideTheConfiguration) {
  WriteCertificates();
  LoadedConfig loaded = LoadConfigFile(Config());
  EXPECT_TRUE(loaded.ok()) << loaded.Describe();
  EXPECT_TRUE(loaded.warnings.empty()) << loaded.Describe();
}

TEST_F(ConfigFiles, ThatAreMissingAreErrorsWithTheLineOfTheirKey) {
  LoadedConfig loaded =
      LoadConfigFile(Config("  ca_file: ca.pem\n  tls: starttls\n"
                            "log: {file: nowhere/log}\n"
                            "control_socket: /nonexistent/socket\n"
                            "user: nobody-of-that-name\n"));
  ASSERT_EQ(loaded.errors.size(), 6u) << loaded.Describe();
  EXPECT_EQ(loaded.errors[0].line, 2);
  EXPECT_EQ(loaded.errors[2].ToString(),
            directory_.path() + "/roost.yaml:6: stores[0].ca_file: cannot read " +
                directory_.path() +
                "/ca.pem: No such file or directory; "
                "put the certificates of the authorities there or correct the name");
}

TEST_F(ConfigFiles, ThatHoldSomethingElseAreErrors) {
  directory_.Write("chain.pem", "-----BEGIN EC PRIVATE KEY-----\n");
  directory_.Write("key.pem", "-----BEGIN CERTIFICATE-----\n");
  LoadedConfig loaded = LoadConfigFile(Config());
  ASSERT_EQ(loaded.errors.size(), 2u) << loaded.Describe();
  EXPECT_NE(loaded.errors[0].problem.find("holds no certificate"), std::string::npos);
  EXPECT_NE(loaded.errors[1].problem.find("holds no private key"), std::string::npos);
}

TEST_F(ConfigFiles, AKeyThatEverybodyCanReadIsWarnedOf) {
  directory_.Write("chain.pem", "-----BEGIN CERTIFICATE-----\n");
  directory_.Write("key.pem", "-----BEGIN PRIVATE KEY-----\n", 0644);
  LoadedConfig loaded = LoadConfigFile(Config());
  EXPECT_TRUE(loaded.ok());
  ASSERT_EQ(loaded.warnings.size(), 1u);
  EXPECT_EQ(loaded.warnings[0].key, "certificates[0].key_file");
}

TEST_F(ConfigFiles, TheFirstLineOfThePasswordFileIsThePassword) {
  WriteCertificates();
  directory_.Write("password", " with blanks \r\nsecond line\n");
  std::string file =
      Config("  login: proxy-authzid\n  master_user: m\n  master_password_file: password\n");
  LoadedConfig loaded = LoadConfigFile(file);
  ASSERT_TRUE(loaded.ok()) << loaded.Describe();
  EXPECT_EQ(loaded.config.stores[0].master_password, " with blanks ");
  EXPECT_EQ(PrintConfig(loaded.config).find("with blanks"), std::string::npos);
  directory_.Write("password", "\n");
  EXPECT_FALSE(LoadConfigFile(file).ok());
}

TEST_F(ConfigFiles, TheConfigurationItselfMustBeThere) {
  LoadedConfig loaded = LoadConfigFile("/nonexistent/roost.yaml");
  ASSERT_EQ(loaded.errors.size(), 1u);
  EXPECT_EQ(loaded.errors[0].ToString(),
            "/nonexistent/roost.yaml: cannot be read: No such file or directory; "
            "correct the name");
  EXPECT_FALSE(LoadConfigFile(directory_.path()).ok()) << "a directory";
}

// Every key of the schema, as "section.key".
struct Keys {
  std::vector<std::string> all;
  std::string section;
  template <class T>
  void Field(std::string_view key, T&, const config_detail::Spec& spec) {
    all.push_back(section + std::string(key));
    EXPECT_FALSE(spec.why.empty()) << key << " has no reason";
    EXPECT_TRUE(spec.why.ends_with('.')) << key;
  }
  template <class T>
  void Section(std::string_view key, T& member, std::string_view) {
    section = std::string(key) + ".";
    config_detail::Visit(*this, member);
    section.clear();
  }
  template <class T>
  void List(std::string_view key, std::vector<T>&, std::string_view why, bool) {
    T element;
    Section(key, element, why);
  }
};

TEST(ConfigReference, HasEveryKeyWithAReason) {
  Config config;
  Keys keys;
  config_detail::Visit(keys, config);
  std::string reference = PrintConfigReference();
  for (const std::string& key : keys.all) {
    std::string name = key.substr(key.find('.') + 1);
    EXPECT_NE(reference.find("| `" + name + "` |"), std::string::npos) << key;
  }
}

// The README ends its configuration chapter with exactly what `roostd --config-reference` prints.
TEST(ConfigReference, StandsInTheReadme) {
  std::ifstream file("README.md");  // tests run in the root of the source tree
  if (!file) GTEST_SKIP() << "no README.md in the working directory";
  std::stringstream readme;
  readme << file.rdbuf();
  EXPECT_NE(readme.str().find(PrintConfigReference()), std::string::npos)
      << "replace the tables in README.md by the output of roostd --config-reference";
}

TEST(Config, PrintedOneLoadsToTheSame) {
  LoadedConfig loaded = Load(std::string(kSmallest) + "greeting: 'quotes \" and \\ here'\n");
  ASSERT_TRUE(loaded.ok()) << loaded.Describe();
  std::string printed = PrintConfig(loaded.config);
  LoadedConfig again = Load(printed);
  ASSERT_TRUE(again.ok()) << again.Describe() << printed;
  EXPECT_EQ(PrintConfig(again.config), printed);
  EXPECT_EQ(again.config.greeting, loaded.config.greeting);
}

}  // namespace
}  // namespace roost
