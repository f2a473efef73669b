#include "core/sim/wire.h"

namespace roost {

void Agenda::At(uint64_t ns, std::function<void()> action) {
  actions_.emplace(std::pair(ns, ++sequence_), std::move(action));
}

int Agenda::RunDue(uint64_t now_ns) {
  int done = 0;
  while (!actions_.empty() && actions_.begin()->first.first <= now_ns) {
    std::function<void()> action = std::move(actions_.begin()->second);
    actions_.erase(actions_.begin());
    action();
    ++done;
  }
  return done;
}

Wires::Wires(Io& io) : io_(io) { io_.SetHandler(this); }

void Wires::In(uint64_t delay_ns, const std::shared_ptr<int>& life, std::function<void()> action) {
  agenda_.At(now_ns() + delay_ns, [life = std::weak_ptr<int>(life), action = std::move(action)] {
    if (!life.expired()) action();
  });
}

int Wires::Turn() {
  const int done = io_.RunOnce(agenda_.NextNs());
  return done + agenda_.RunDue(now_ns());
}

Wire* Wires::Find(Owner owner) {
  auto it = wires_.find(owner);
  return it == wires_.end() ? nullptr : it->second;
}

void Wires::OnAccept(uint64_t, SocketId socket, const Address& peer) {
  if (accept_) return accept_(socket, peer);
  io_.Abort(socket);
}

void Wires::OnConnect(Owner owner, SocketId, int error) {
  Wire* wire = Find(owner);
  if (wire == nullptr || !wire->open()) return;
  if (error != 0) return wire->Ended(error);
  wire->connected_ = true;
  wire->owner_.OnWireConnected();
  wire = Find(owner);
  if (wire == nullptr || !wire->open()) return;
  wire->Flush();
  wire->Arm();
}

void Wires::OnReceive(Owner owner, SocketId, std::span<uint8_t> data, int error) {
  Wire* wire = Find(owner);
  if (wire == nullptr || !wire->open()) return;
  if (error != 0 || data.empty()) return wire->Ended(error);
  wire->input.append(reinterpret_cast<const char*>(data.data()), data.size());
  wire->owner_.OnWireInput();
  wire = Find(owner);
  if (wire != nullptr) wire->Arm();
}

void Wires::OnSent(Owner owner, SocketId, int error) {
  Wire* wire = Find(owner);
  if (wire == nullptr || !wire->open()) return;
  if (error != 0) return wire->Ended(error);
  wire->Flush();
}

Wire::Wire(Wires& wires, WireOwner& owner)
    : wires_(wires), owner_(owner), number_(wires.next_owner_++) {
  wires_.wires_.emplace(number_, this);
}

Wire::~Wire() {
  Abort();
  wires_.wires_.erase(number_);
}

void Wire::Connect(const Address& to) {
  out_.clear();  // of a connection before
  socket_ = wires_.io_.Connect(to, {}, number_);
  connected_ = false;
}

void Wire::Open(SocketId socket) {
  socket_ = socket;
  connected_ = true;
  wires_.io_.SetOwner(socket_, number_);
  Arm();
}

void Wire::Arm() {
  if (!open() || !connected_ || !reading_ || wires_.io_.ReceivePending(socket_)) return;
  wires_.io_.Receive(socket_, BufferGroup::kLarge);
}

void Wire::SetReading(bool reading) {
  reading_ = reading;
  Arm();
}

void Wire::Write(std::string_view bytes) {
  if (!open()) return;
  out_.append(bytes);
  Flush();
}

void Wire::Flush() {
  if (!connected_ || out_.empty() || wires_.io_.SendPending(socket_)) return;
  wires_.io_.Send(socket_, std::exchange(out_, {}));
}

void Wire::Close() {
  if (!open()) return;
  wires_.io_.Close(std::exchange(socket_, {}), std::exchange(out_, {}));
}

void Wire::Abort() {
  if (!open()) return;
  wires_.io_.Abort(std::exchange(socket_, {}));
}

// After an error of Connect the socket is gone already; a stale id does no harm.
void Wire::Ended(int error) {
  wires_.io_.Abort(std::exchange(socket_, {}));
  owner_.OnWireClosed(error);
}

}  // namespace roost
