// Checks of several keys together: what each alone allows and the whole does not.

#include <algorithm>
#include <iterator>
#include <set>
#include <string>
#include <thread>

#include "core/config/report.h"
#include "core/io/listener.h"

namespace roost::config_detail {
namespace {

bool IsLoopback(const HostPort& address) {
  return address.host == "localhost" || address.host == "::1" || address.host.starts_with("127.");
}

void CheckListeners(LoadedConfig* loaded) {
  const Config& config = loaded->config;
  std::set<std::string> addresses;
  for (size_t i = 0; i < config.listeners.size(); ++i) {
    const ListenerConfig& listener = config.listeners[i];
    std::string address = listener.address.ToString();
    // Port 0 is another one each time.
    if (listener.address.port != 0 && !addresses.insert(address).second) {
      AddError(loaded, KeyOf("listeners", i, "address"), address + " is listened on twice",
               "remove one");
    }
    bool tls = listener.tls != ListenerConfig::Tls::kNone;
    if (tls && config.certificates.empty()) {
      AddError(loaded, KeyOf("listeners", i, "tls"), "needs a certificate",
               "add one under certificates, or set tls: none");
    }
    if (!tls && !listener.allow_plaintext_login) {
      AddError(loaded, KeyOf("listeners", i, "tls"), "without TLS nobody could log in",
               "set allow_plaintext_login: true if passwords may cross this network in clear");
    }
    if (listener.tls == ListenerConfig::Tls::kImplicit && listener.allow_plaintext_login) {
      AddError(loaded, KeyOf("listeners", i, "allow_plaintext_login"),
               "has no effect with tls: implicit", "remove it");
    }
  }
}

// Whether a connection to the one might be one to the other.
bool Overlap(const Address& a, const Address& b) {
  if (a.port == 0 || a.port != b.port) return false;
  return a == b || a.IsAny() || b.IsAny();
}

// What operators may see is not for clients.
void CheckAdmin(LoadedConfig* loaded) {
  const Address& admin = loaded->config.admin.address;
  if (admin.family == 0) return;
  for (const ListenerConfig& listener : loaded->config.listeners) {
    if (!Overlap(admin, listener.address)) continue;
    AddError(loaded, "admin.address", admin.ToString() + " is where clients connect",
             "choose another port, on an address that only operators reach");
  }
}

void CheckMaster(LoadedConfig* loaded, const StoreConfig& store, size_t i) {
  bool proxy = store.login != StoreConfig::Login::kClient;
  bool inline_password = !store.master_password.empty();
  bool file_password = !store.master_password_file.empty();
  if (!proxy && (!store.master_user.empty() || inline_password || file_password)) {
    AddError(loaded, KeyOf("stores", i, "master_user"), "a master user needs a proxy login",
             "set login: proxy-authzid or proxy-separator, or remove the master_ keys");
    return;
  }
  if (!proxy) return;
  if (store.master_user.empty()) {
    AddError(loaded, KeyOf("stores", i, "master_user"), "is missing",
             "a proxy login needs the master user's name");
  }
  if (!inline_password && !file_password) {
    AddError(loaded, KeyOf("stores", i, "master_password_file"), "is missing",
             "a proxy login needs the master user's password, here or in master_password");
  }
  if (inline_password && file_password) {
    AddError(loaded, KeyOf("stores", i, "master_password"), "is given twice",
             "keep it in master_password_file");
  }
  if (store.login == StoreConfig::Login::kProxySeparator &&
      store.master_user.find(store.master_separator) != std::string::npos) {
    AddError(loaded, KeyOf("stores", i, "master_user"), "contains the master_separator",
             "use another separator or login: proxy-authzid");
  }
}

void CheckStoreTls(LoadedConfig* loaded, const StoreConfig& store, size_t i) {
  bool tls = store.tls != StoreConfig::Tls::kNone;
  if (!tls && !store.ca_file.empty()) {
    AddError(loaded, KeyOf("stores", i, "ca_file"), "has no effect with tls: none",
             "set tls: starttls or implicit");
  }
  if (!tls && !store.server_name.empty()) {
    AddError(loaded, KeyOf("stores", i, "server_name"), "has no effect with tls: none",
             "set tls: starttls or implicit");
  }
  if (tls && !store.verify && !store.ca_file.empty()) {
    AddError(loaded, KeyOf("stores", i, "ca_file"), "has no effect with verify: false",
             "remove verify: false");
  }
  if (tls && !store.verify) {
    AddWarning(loaded, KeyOf("stores", i, "verify"), "anybody between could read along",
               "give ca_file the store's own certificate instead");
  }
  if (!tls && !std::all_of(store.addresses.begin(), store.addresses.end(), IsLoopback)) {
    AddWarning(loaded, KeyOf("stores", i, "tls"), "passwords go to the store in clear",
               "set tls: starttls or implicit unless that network is trusted");
  }
}

// Users are spread over the shards: on one without a place nobody could log in.
void CheckSessions(LoadedConfig* loaded, const StoreConfig& store, size_t i) {
  const uint32_t shards = ShardsOf(loaded->config);
  if (store.max_sessions == 0 || static_cast<uint32_t>(store.max_sessions) >= shards) return;
  AddError(loaded, KeyOf("stores", i, "max_sessions"),
           "is less than one for each of the " + std::to_string(shards) + " shards",
           "raise it, or lower shards");
}

void CheckStores(LoadedConfig* loaded) {
  std::set<std::string> names;
  for (size_t i = 0; i < loaded->config.stores.size(); ++i) {
    const StoreConfig& store = loaded->config.stores[i];
    if (!names.insert(store.name).second) {
      AddError(loaded, KeyOf("stores", i, "name"), "is the name of another store too",
               "give each store a name of its own");
    }
    if (store.name.find_first_of(" \t#\"") != std::string::npos) {
      AddError(loaded, KeyOf("stores", i, "name"), "contains a blank, '#' or a quote",
               "use letters, digits and dashes");
    }
    CheckMaster(loaded, store, i);
    CheckStoreTls(loaded, store, i);
    CheckSessions(loaded, store, i);
  }
}

void CheckStoreName(LoadedConfig* loaded, const std::string& key, const std::string& name) {
  std::string known;
  for (const StoreConfig& store : loaded->config.stores) {
    if (store.name == name) return;
    known += (known.empty() ? "" : ", ") + store.name;
  }
  AddError(loaded, key, "there is no store '" + name + "'", "one of: " + known);
}

void RefuseUnlessEmpty(LoadedConfig* loaded, const char* key, bool empty, const char* kind) {
  if (empty) return;
  AddError(loaded, key, std::string("has an effect with kind: ") + kind + " only", "remove it");
}

void CheckRoute(LoadedConfig* loaded) {
  const RouteConfig& route = loaded->config.route;
  bool is_static = route.kind == RouteConfig::Kind::kStatic;
  bool is_map = route.kind == RouteConfig::Kind::kMap;
  bool is_hash = route.kind == RouteConfig::Kind::kHash;
  if (!is_static) RefuseUnlessEmpty(loaded, "route.store", route.store.empty(), "static");
  if (!is_hash) RefuseUnlessEmpty(loaded, "route.stores", route.stores.empty(), "hash");
  if (!is_map) RefuseUnlessEmpty(loaded, "route.map_file", route.map_file.empty(), "map");
  if (!is_map) RefuseUnlessEmpty(loaded, "route.default_store", route.default_store.empty(), "map");
  if (is_static && route.store.empty() && loaded->config.stores.size() > 1) {
    AddError(loaded, "route.store", "is missing", "name the store, there are several");
  }
  if (is_map && route.map_file.empty()) {
    AddError(loaded, "route.map_file", "is missing", "kind: map needs a file");
  }
  if (!route.store.empty()) CheckStoreName(loaded, "route.store", route.store);
  if (!route.default_store.empty()) {
    CheckStoreName(loaded, "route.default_store", route.default_store);
  }
  std::set<std::string> seen;
  for (size_t i = 0; i < route.stores.size(); ++i) {
    CheckStoreName(loaded, KeyOf("route.stores", i, ""), route.stores[i]);
    if (!seen.insert(route.stores[i]).second) {
      AddError(loaded, KeyOf("route.stores", i, ""), "is named twice",
               "for a larger share give the store a weight");
    }
  }
}

void CheckLookup(LoadedConfig* loaded) {
  const LookupConfig& lookup = loaded->config.lookup;
  const bool wanted = loaded->config.route.kind == RouteConfig::Kind::kHttp;
  if (!wanted) RefuseUnlessEmpty(loaded, "lookup.servers", lookup.servers.empty(), "http");
  if (!wanted) RefuseUnlessEmpty(loaded, "lookup.header_file", lookup.header_file.empty(), "http");
  if (wanted && lookup.servers.empty()) {
    AddError(loaded, "lookup.servers", "is missing", "kind: http needs a service to ask");
  }
  if (lookup.servers.size() > kMostLookupServers) {
    AddError(loaded, "lookup.servers", "has too many entries",
             "at most " + std::to_string(kMostLookupServers) + "; a login cannot wait for more");
  }
  const bool visible = std::all_of(lookup.path.begin(), lookup.path.end(),
                                   [](char c) { return c > ' ' && c <= '~'; });
  if (!lookup.path.starts_with('/') || !visible) {
    AddError(loaded, "lookup.path", "is not the path of a URL",
             "begin it with '/', and write blanks and what is not ASCII as %20");
  }
  if (lookup.verifies && !lookup.send_password) {
    AddError(loaded, "lookup.send_password", "is needed by a service that verifies",
             "remove it, or verifies: true");
  }
  if (lookup.send_password &&
      !std::all_of(lookup.servers.begin(), lookup.servers.end(), IsLoopback)) {
    AddWarning(loaded, "lookup.servers", "passwords go to the service in clear",
               "set send_password: false unless that network is trusted");
  }
}

// An IMAP atom without the characters that end a response code (RFC 3501, section 9).
bool IsCapability(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return c > 0x20 && c < 0x7f && std::string_view("(){%*\"\\]").find(c) == std::string_view::npos;
  });
}

void CheckPreLogin(LoadedConfig* loaded) {
  const Config& config = loaded->config;
  if (config.greeting.empty() || config.greeting.front() == '[') {
    AddError(loaded, "greeting", "must not be empty nor begin with '['",
             "a response code would be read into it");
  }
  if (config.greeting.size() > 500)
    AddError(loaded, "greeting", "is too long", "at most 500 bytes");
  bool has_imap = config.capabilities_before_login.empty();
  for (size_t i = 0; i < config.capabilities_before_login.size(); ++i) {
    const std::string& capability = config.capabilities_before_login[i];
    has_imap = has_imap || capability == "IMAP4rev1" || capability == "IMAP4rev2";
    if (!IsCapability(capability)) {
      AddError(loaded, KeyOf("capabilities_before_login", i, ""), "is not a capability",
               "one word each, such as SASL-IR");
    }
  }
  if (!has_imap) {
    AddError(loaded, "capabilities_before_login", "IMAP4rev1 is not among them",
             "clients do not go on without it");
  }
}

void CheckTickets(LoadedConfig* loaded) {
  const TlsConfig& tls = loaded->config.tls;
  if (tls.tickets || tls.ticket_key_file.empty()) return;
  AddError(loaded, "tls.ticket_key_file", "has no effect with tickets: false",
           "remove one of them");
}

// Linux would end a silent client at the first probe that is lost.
void CheckKeepalive(LoadedConfig* loaded) {
  const TimeoutsConfig& t = loaded->config.timeouts;
  const int least_s = KeepaliveSeconds(t.tcp_keepalive_s);
  if (t.tcp_keepalive_s == 0 || t.tcp_user_timeout_s == 0 || t.tcp_user_timeout_s >= least_s)
    return;
  AddWarning(loaded, "timeouts.tcp_user_timeout_s",
             "is so short that one lost probe of tcp_keepalive_s ends a silent client",
             "raise it to " + std::to_string(least_s) + ", or lower tcp_keepalive_s");
}

void CheckNumbers(LoadedConfig* loaded) {
  const Config& config = loaded->config;
  if (config.timeouts.handshake_s > config.timeouts.login_s) {
    AddError(loaded, "timeouts.handshake_s", "is longer than login_s, which includes it",
             "lower it or raise login_s");
  }
  if (config.parking.reconnect_min_ms > config.parking.reconnect_max_ms) {
    AddError(loaded, "parking.reconnect_min_ms", "is longer than reconnect_max_ms",
             "lower it or raise reconnect_max_ms");
  }
  if (config.limits.max_line_before_login > config.limits.max_line) {
    AddError(loaded, "limits.max_line_before_login", "is larger than max_line",
             "lower it or raise max_line");
  }
  if (config.limits.max_line > config.limits.relay_buffer) {
    AddError(loaded, "limits.relay_buffer", "is smaller than max_line, which must fit in",
             "raise it or lower max_line");
  }
}

}  // namespace

void CheckRelations(LoadedConfig* loaded) {
  CheckListeners(loaded);
  CheckAdmin(loaded);
  CheckStores(loaded);
  CheckRoute(loaded);
  CheckLookup(loaded);
  CheckPreLogin(loaded);
  CheckNumbers(loaded);
  CheckKeepalive(loaded);
  CheckTickets(loaded);
}

bool RouteFits(const Config& config) {
  LoadedConfig whole;
  whole.config = config;
  CheckRoute(&whole);
  CheckLookup(&whole);
  return whole.ok();
}

}  // namespace roost::config_detail

namespace roost {

uint32_t ShardsOf(const Config& config) {
  if (config.shards > 0) return static_cast<uint32_t>(config.shards);
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace roost
