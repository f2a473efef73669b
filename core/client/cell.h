// What remains of a client while it is parked: one fixed cell, no heap behind it.
//
// What it is: everything that must be remembered of an idle connection: its TLS state, its place in
// a feed's log, the tag of its IDLE. What it is not: it has no buffer and no code; while bytes of
// the client are being handled, a Client (client.h) stands beside the cell and holds the
// connection, and `tls` is wiped here.
//
//   kEntering --login--> kAttached --Parking--> kParked --Waking--> kAttached
//   any --closed--> freed
//
// Lifetime: from accept to close, in the slab of the shard that owns the client. Thread rule: that
// shard.
#ifndef ROOST_CORE_CLIENT_CELL_H_
#define ROOST_CORE_CLIENT_CELL_H_

#include <cstdint>
#include <string_view>

#include "core/base/connection_id.h"
#include "core/base/list.h"
#include "core/base/timer_wheel.h"
#include "core/io/io.h"
#include "proto/imap/enabled.h"
#include "proto/tls/tls_state.h"

namespace roost {

class Client;
class Feed;
class User;

enum class ClientPhase : uint8_t {
  kEntering,  // handshake, pre-auth, login under way
  kAttached,  // owns a session
  kParked,    // owns none
};

// Why a client is to come again, beside drains of roostd and kicks.
enum class Parting : uint8_t {
  kNone,
  kAged,       // logged in for too long
  kRerouted,   // its user belongs to another store now
  kDisplaced,  // its store is drained
};

struct ClientCell {
  static constexpr uint8_t kMaxTag = 23;

  uint32_t generation = 0;
  ClientPhase phase : 2 = ClientPhase::kEntering;
  bool asleep : 1 = false;
  bool watching : 1 = false;
  bool route_changed : 1 = false;  // and it was not told, as its store was drained
  bool own_rights : 1 = false;     // `rights`: by a session of its own login, not a master user's
  EnabledSet enabled;              // class
  bool idling : 1 = false;         // kParked: in IDLE
  bool examine : 1 = false;
  bool read_only : 1 = false;  // was told so
  bool queued : 1 = false;     // on the list of those with news to be told
  bool waking : 1 = false;     // cursor frozen
  bool drained : 1 = false;    // its turn to go has come
  bool kicked : 1 = false;     // told to go by the operator
  bool counted : 1 = false;    // with its address, in AddressLimits
  uint8_t rights = 0;          // RightsOf the mailbox as it was told of it
  uint8_t tag_bytes : 5 = 0;
  bool counted_of_user : 1 = false;  // in UserLimit
  Parting parting : 2 = Parting::kNone;
  char tag[kMaxTag] = {};  // of the IDLE
  uint32_t listener : 8 = 0;
  uint32_t login_s : 24 = 0;  // LoginTime
  uint32_t heard_s = 0;       // when it said something last (monotonic)
  uint64_t cursor = 0;        // next event of the feed's log to be told
  union Watched {
    User* user = nullptr;
    Feed* feed;  // watching: it knows the user
  } of;
  union Holder {
    explicit Holder(Client* c = nullptr) : client(c) {}
    explicit Holder(SocketId s) : socket(s) {}
    Client* client;
    SocketId socket;  // asleep
  } held_by;
  ListLinks subscribers;  // of the feed
  TimerLinks timer;
  uint32_t permanent_flags = 0;  // HashOfFlags of the PERMANENTFLAGS that it was told
  uint32_t id = 0;               // what it said by ID, in Clients::ids
  Address peer;
  ConnectionId connection_id;  // goes with the client from shard to shard
  TlsState tls{};

  // What is selected; kParked only.
  Feed* feed() const { return watching ? of.feed : nullptr; }
  void Watch(Feed& feed);  // precondition: its user's
  void Unwatch();
  // Null until it has logged in; a reference to it is the cell's.
  User* user() const;
  void SetUser(User* proven) { of.user = proven; }  // precondition: it had none
  // Who holds the connection; null while asleep, when it is the cell that does.
  Client* awake() const { return asleep ? nullptr : held_by.client; }
  SocketId socket() const { return asleep ? held_by.socket : SocketId(); }
  void Wake(Client* client) {
    asleep = false;
    held_by = Holder(client);
  }
  void Sleep(SocketId socket) {
    asleep = true;
    held_by = Holder(socket);
  }
  // Nobody holds it from then on.
  SocketId TakeSocket() {
    const SocketId taken = socket();
    Wake(nullptr);
    return taken;
  }

  // Is to be told BYE as soon as nothing is under way.
  bool leaves() const { return drained || kicked || parting != Parting::kNone; }
  std::string_view idle_tag() const { return {tag, tag_bytes}; }
};

static_assert(sizeof(ClientCell) <= 240, "exists a million times");
static_assert(ClientCell::kMaxTag < 32);

}  // namespace roost

#endif  // ROOST_CORE_CLIENT_CELL_H_
