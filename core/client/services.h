// What the phases of a client need of their shard. Plain references, constant after the shard was
// built.
#ifndef ROOST_CORE_CLIENT_SERVICES_H_
#define ROOST_CORE_CLIENT_SERVICES_H_

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/cleanse.h"
#include "core/base/connection_id.h"
#include "core/base/credits.h"
#include "core/base/handle.h"
#include "core/base/hash.h"
#include "core/base/histogram.h"
#include "core/base/trace.h"
#include "core/client/address_limits.h"
#include "core/client/client_ids.h"
#include "core/client/login_audit.h"
#include "core/client/parking_switches.h"
#include "core/config/config.h"
#include "core/park/feeds.h"
#include "core/route/lookups.h"
#include "core/route/route.h"
#include "core/store/dialer.h"
#include "core/store/user.h"
#include "core/stream/loop.h"
#include "proto/imap/command.h"
#include "proto/tls/tls_context.h"

namespace roost {

class Clients;

// What a client, or all of them together, ran into.
enum class ClientLimit : uint8_t {
  kClients,     // limits.max_clients: refused
  kHandshakes,  // limits.max_handshakes_in_progress: no handshake began for a while
  kHandshakeTime,
  kLoginTime,
  kLine,  // a line or literal too long
  kBadCommands,
  kFailedLogins,
  kIdleTime,     // autologout
  kLog,          // too far behind its feed
  kMemory,       // limits.max_memory_mib: refused, or sent away
  kDescriptors,  // a listener was full; or a login was refused as the shard of its user is
  kLogins,       // nobody was let in as too many waited for their store
};
inline constexpr size_t kClientLimits = 12;

struct ClientStats {
  void Hit(ClientLimit limit) { ++limits[static_cast<size_t>(limit)]; }
  uint64_t& Logins(LoginResult result) { return logins[static_cast<size_t>(result)]; }
  uint64_t Logins(LoginResult result) const { return logins[static_cast<size_t>(result)]; }

  uint64_t accepted = 0, closed = 0, refused = 0, moved_in = 0, moved_out = 0;
  uint64_t parked = 0, woken = 0, kept_idle = 0, quiet_parks = 0, mapped_commands = 0;
  uint64_t events_sent = 0, heartbeats = 0, laggards_coalesced = 0, laggards_dropped = 0;
  uint64_t drained = 0, kicked = 0, displaced = 0, aged = 0, rerouted = 0, shed = 0;
  uint64_t refused_by_address = 0, refused_by_user = 0, delayed_logins = 0, bad_proxy_headers = 0;
  // From the turn in which a feed heard something to its last subscriber's bytes having been handed
  // to the ring. Those whose socket is full are not waited for.
  Histogram fan_out;
  std::array<uint64_t, kLoginResults> logins{};    // by LoginResult
  std::array<uint64_t, kCommandKinds> woken_by{};  // attached again, by CommandKind
  std::array<uint64_t, kClientLimits> limits{};    // by ClientLimit
};

// A client on its way to the shard that owns its user: all that it is.
struct MovingClient {
  Stream::Detached connection;
  Address peer;
  uint8_t listener = 0;
  uint64_t since_ns = 0;
  int failed_logins = 0;
  bool counted = false;  // with its address
  Credit credit;         // of limits.max_clients
  ConnectionId connection_id;
  std::string tag;  // of the LOGIN or AUTHENTICATE to be answered
  Credentials credentials;
  IdFields id;

  // Wherever the way ends, none of its secrets stays behind.
  ~MovingClient() {
    Wipe(connection.tls);
    Cleanse(&connection.plaintext);
  }
};

class Mover {
 public:
  virtual ~Mover() = default;
  virtual uint32_t ShardOf(std::string_view user) const = 0;
  virtual uint32_t ThisShard() const = 0;
  // For one more client, as far as is known here.
  virtual bool HasRoom(uint32_t shard) const = 0;
  virtual void Move(uint32_t shard, std::unique_ptr<MovingClient> client) = 0;
};

struct Services {
  // Where a login of this user goes, while some stores are drained; see Router.
  std::optional<StoreIndex> RouteOf(std::string_view user) const {
    std::vector<bool> drained;
    for (const auto& dialer : dialers) drained.push_back(dialer->drained());
    return router->RouteAround(user, drained);
  }

  Loop& loop;
  const Config& config;
  std::shared_ptr<const Router> router;  // for logins to come
  Lookups& lookups;
  HashKey hash_key;                               // of this process
  std::vector<std::unique_ptr<Dialer>>& dialers;  // by StoreIndex
  UserTable& users;
  Feeds& feeds;
  Clients& clients;
  Mover& mover;
  ClientStats& stats;
  AddressLimits& addresses;                     // of all shards
  std::shared_ptr<const TlsServerContext> tls;  // null: no listener has TLS
  // What all stores share, as far as they have been asked; for clients that are not logged in.
  CapabilitySet shared_capabilities;
  // What is said of it, by kind of connection (Entering::Capabilities); empty until it is wanted.
  std::array<std::string, 4> capability_texts{};
  std::vector<Address> listener_addresses{};  // as bound, in the order of Config::listeners
  std::shared_ptr<const ParkingSwitches> switches{};
  // Connections that a balancer has not announced yet; a handshake may begin with the next byte.
  uint64_t awaiting_proxy_header = 0;
  // Cells whose clients said STARTTLS and have no answer yet: each handshake waits for its turn, so
  // that they count like those that begin with the connection. In the order in which they asked;
  // who has left is in it until its turn.
  std::deque<Handle> awaiting_tls{};
  ConnectionIds connection_ids{0, 0, 1};
  Trace trace{};
};

}  // namespace roost

#endif  // ROOST_CORE_CLIENT_SERVICES_H_
