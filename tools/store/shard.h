// One thread of the embedded store: its loop, its connections and the users that belong to it.
//
// What it is: the IoHandler that accepts, and the owner of all connections of one Io. A user
// belongs to the shard that a hash of the name chooses; a connection moves there when its LOGIN
// succeeds, so no mailbox is ever seen by two threads. What it is not: it knows neither IMAP
// (session.h) nor TLS (core/stream).
//
//   accept -> Connection (any shard) -- LOGIN --> Move -> Connection (the user's shard)
//   LMTP (any shard) -- mail --> Post to the recipient's shard -> mailbox -> sessions are told
//
// Lifetime: options outlive the shards; the group is complete before the first turn.
// Thread rule: all calls on the shard's thread, but Post of another shard.
// Bounds: the Io's (sockets, events a turn); what waits in an inbox is bounded by what one turn of
// the others can produce.
#ifndef ROOST_TOOLS_STORE_SHARD_H_
#define ROOST_TOOLS_STORE_SHARD_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/stream/loop.h"
#include "proto/tls/tls_context.h"
#include "tools/store/account.h"
#include "tools/store/lmtp.h"
#include "tools/store/session.h"

namespace roost::embedded {

enum class Protocol : uint8_t { kImap, kLmtp, kControl };
enum class TlsUse : uint8_t { kNone, kImplicit, kStartTls };

struct ListenerSpec {
  Address address;
  Protocol protocol = Protocol::kImap;
  TlsUse tls = TlsUse::kNone;
};

// Constant while shards run.
struct ServerOptions {
  SessionOptions session;
  Credentials credentials;
  std::vector<ListenerSpec> listeners;
  uint64_t notify_delay_ns = 0;  // how much later sessions that listen hear of a change
  std::unique_ptr<TlsServerContext> tls;
};

class Connection;
class Shard;

// All shards, by number.
using ShardGroup = std::vector<Shard*>;

class Shard final : private IoHandler, public MailSink {
 public:
  // number: of the Io in its set, and of this shard in the group. uid_validity: the first to give.
  Shard(Io& io, uint32_t number, const ShardGroup* group, const ServerOptions* options,
        uint32_t uid_validity);
  ~Shard() override;

  Loop& loop() { return loop_; }
  Registry& registry() { return registry_; }
  const ServerOptions& options() const { return *options_; }

  // Accepts on a listener; `index` is its place in ServerOptions::listeners. Returns 0 or errno.
  int Listen(ListenerDescriptor descriptor, size_t index);

  // Ends all connections; they say goodbye.
  void Stop();

  // Runs `task` on `target`'s thread, soon.
  void Post(Shard& target, std::function<void(Shard&)> task);
  Shard& OwnerOf(std::string_view user) const;
  // Calls `done` here with the counts of all shards.
  void CollectReport(std::function<void(const Report&)> done);

  // MailSink: an address means the user of that very name where there is one, else its local part
  // without "+detail".
  bool Accepts(std::string_view address) const override;
  void Deliver(const std::string& address, Body body, int64_t internal_date) override;

  // For connections.
  // Something may have changed: sessions that listen are told in this turn, or after the delay.
  void NoteChanges();
  void Remove(Connection* connection);
  // Hands a connection that has logged in to the shard of its user.
  void MoveConnection(Stream::Detached connection, const std::string& user, std::string tag);

 private:
  // Handle::kind of connections that sleep (streams have their own).
  static constexpr uint8_t kOwnerKind = StreamSet::kOwnerKind + 1;

  // A connection on its way to another shard.
  struct Parcel {
    Stream::Detached connection;
    std::string user;
    std::string tag;
  };

  void OnAccept(uint64_t listener, SocketId socket, const Address& peer) override;
  void OnConnect(Owner, SocketId, int) override {}
  void OnReceive(Owner owner, SocketId socket, std::span<uint8_t> data, int error) override;
  void OnReadable(Owner owner, SocketId socket) override;
  void OnSent(Owner, SocketId, int) override {}
  void OnMoved(uint64_t token, SocketId socket, int error) override;
  void OnBell() override;

  Connection* Add(std::unique_ptr<Connection> connection);
  void DeliverHere(std::string_view user, Body body, int64_t internal_date);

  const uint32_t number_;
  const ShardGroup* const group_;
  const ServerOptions* const options_;
  Registry registry_;
  Loop loop_;
  Alarm notify_;
  bool notify_posted_ = false;
  struct Slot {
    std::unique_ptr<Connection> connection;
    uint32_t generation = 1;
  };
  std::vector<Slot> slots_;  // by Handle::index
  std::vector<uint32_t> free_slots_;

  // Written by other shards' threads, under the mutex.
  std::mutex inbox_mutex_;
  std::vector<std::function<void(Shard&)>> inbox_;
  std::unordered_map<uint64_t, Parcel> parcels_;
  uint64_t next_parcel_ = 1;  // of those that this shard sends
};

}  // namespace roost::embedded

#endif  // ROOST_TOOLS_STORE_SHARD_H_
