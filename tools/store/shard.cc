#include "tools/store/shard.h"

#include <algorithm>
#include <utility>

#include "core/base/hash.h"
#include "proto/check.h"
#include "tools/store/connection.h"

namespace roost::embedded {
namespace {

// "alice+lists@example.com": alice
std::string_view LocalUser(std::string_view address) {
  address = address.substr(0, address.rfind('@'));
  return address.substr(0, address.find('+'));
}

}  // namespace

Shard::Shard(Io& io, uint32_t number, const ShardGroup* group, const ServerOptions* options,
             uint32_t uid_validity)
    : number_(number),
      group_(group),
      options_(options),
      registry_(&options->credentials, uid_validity),
      loop_(io, *this),
      notify_(loop_) {}

Shard::~Shard() = default;

int Shard::Listen(ListenerDescriptor descriptor, size_t index) {
  return loop_.io().Listen(descriptor, index);
}

void Shard::Stop() {
  for (size_t i = 0; i < options_->listeners.size(); ++i) loop_.io().CloseListener(i);
  for (Slot& slot : slots_) {
    if (slot.connection != nullptr) slot.connection->Stop();
  }
}

void Shard::OnAccept(uint64_t listener, SocketId socket, const Address&) {
  const ListenerSpec& spec = options_->listeners[listener];
  Add(Connection::Make(*this, spec.protocol, spec.tls))->Open(socket);
}

Connection* Shard::Add(std::unique_ptr<Connection> connection) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const uint32_t index = free_slots_.back();
  free_slots_.pop_back();
  Slot& slot = slots_[index];
  slot.connection = std::move(connection);
  slot.connection->handle = Handle(kOwnerKind, index, slot.generation);
  return slot.connection.get();
}

void Shard::Remove(Connection* connection) {
  const uint32_t index = connection->handle.index();
  Slot& slot = slots_[index];
  ROOST_CHECK(slot.connection.get() == connection);
  loop_.Retire(std::move(slot.connection));
  if (++slot.generation == 0) slot.generation = 1;
  free_slots_.push_back(index);
}

void Shard::OnReadable(Owner owner, SocketId) {
  const Handle handle = Handle::FromBits(owner);
  Slot& slot = slots_[handle.index()];
  if (slot.generation == handle.generation()) slot.connection->OnReadable();
}

// A receive that was withdrawn when the connection fell asleep may still bring bytes. Of FIN and
// errors the wait that goes on tells.
void Shard::OnReceive(Owner owner, SocketId, std::span<uint8_t> data, int) {
  const Handle handle = Handle::FromBits(owner);
  Slot& slot = slots_[handle.index()];
  if (slot.generation == handle.generation() && !data.empty()) slot.connection->OnReceived(data);
}

void Shard::NoteChanges() {
  if (registry_.dirty()->empty()) return;
  if (options_->notify_delay_ns == 0) {
    if (std::exchange(notify_posted_, true)) return;
    loop_.Post([this] {
      notify_posted_ = false;
      registry_.NotifyDirty();
    });
  } else if (!notify_.armed()) {
    notify_.SetIn(options_->notify_delay_ns, [this] { registry_.NotifyDirty(); });
  }
}

Shard& Shard::OwnerOf(std::string_view user) const {
  return *(*group_)[std::hash<std::string_view>()(user) % group_->size()];
}

void Shard::Post(Shard& target, std::function<void(Shard&)> task) {
  if (&target == this) {
    loop_.Post([this, task = std::move(task)] { task(*this); });
    return;
  }
  bool ring;
  {
    const std::lock_guard<std::mutex> lock(target.inbox_mutex_);
    ring = target.inbox_.empty();
    target.inbox_.push_back(std::move(task));
  }
  if (ring) loop_.io().RingBell(target.number_);
}

void Shard::OnBell() {
  std::vector<std::function<void(Shard&)>> tasks;
  {
    const std::lock_guard<std::mutex> lock(inbox_mutex_);
    tasks.swap(inbox_);
  }
  for (const auto& task : tasks) task(*this);
  NoteChanges();
}

bool Shard::Accepts(std::string_view address) const {
  return !LocalUser(address).empty() &&
         (registry_.UserExists(address) || registry_.UserExists(LocalUser(address)));
}

void Shard::Deliver(const std::string& address, Body body, int64_t internal_date) {
  // Only the shard of a name knows whether it is in use.
  Post(OwnerOf(address), [address, body, internal_date](Shard& whole) {
    if (whole.registry_.Knows(address)) return whole.DeliverHere(address, body, internal_date);
    whole.Post(whole.OwnerOf(LocalUser(address)), [address, body, internal_date](Shard& local) {
      local.DeliverHere(LocalUser(address), body, internal_date);
    });
  });
}

void Shard::DeliverHere(std::string_view user, Body body, int64_t internal_date) {
  registry_.Get(user)->Find(kInbox)->Append(std::move(body), Flags{}, internal_date);
  NoteChanges();
}

void Shard::MoveConnection(Stream::Detached connection, const std::string& user, std::string tag) {
  Shard& target = OwnerOf(user);
  const SocketId socket = connection.socket;
  const uint64_t token = uint64_t{number_} << 48 | next_parcel_++;
  {
    const std::lock_guard<std::mutex> lock(target.inbox_mutex_);
    target.parcels_.emplace(token, Parcel{std::move(connection), user, std::move(tag)});
  }
  loop_.io().Move(socket, target.number_, token);
}

void Shard::OnMoved(uint64_t token, SocketId socket, int error) {
  std::unordered_map<uint64_t, Parcel>::node_type node;
  {
    const std::lock_guard<std::mutex> lock(inbox_mutex_);
    node = parcels_.extract(token);
  }
  ROOST_CHECK(!node.empty());
  Parcel& parcel = node.mapped();
  if (error == 0) {
    parcel.connection.socket = socket;
    auto connection = std::make_unique<ImapConnection>(*this, TlsUse::kNone);
    ImapConnection* arrived = connection.get();
    Add(std::move(connection));
    arrived->Adopt(std::move(parcel.connection), parcel.user, parcel.tag);
  }
  Wipe(parcel.connection.tls);
}

void Shard::CollectReport(std::function<void(const Report&)> done) {
  struct Collection {
    Report report;
    size_t missing;
    std::function<void(const Report&)> done;
  };
  auto collection = std::make_shared<Collection>();
  collection->missing = group_->size();
  collection->done = std::move(done);
  for (Shard* shard : *group_) {
    Post(*shard, [collection, home = this](Shard& here) {
      auto part = std::make_shared<Report>();
      here.registry_.Collect(part.get());
      here.Post(*home, [collection, part](Shard&) {
        collection->report.Add(*part);
        if (--collection->missing == 0) collection->done(collection->report);
      });
    });
  }
}

}  // namespace roost::embedded
