#include "core/io/contract_world.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <gtest/gtest.h>

#include "core/base/clock.h"
#include "core/base/rng.h"
#include "core/io/listener.h"
#include "core/io/simulated.h"
#include "core/io/uring_io.h"
#include "core/io/uring_testing.h"

namespace roost {
namespace {

constexpr uint64_t kPatienceNs = 20 * kNsPerSecond;

class SimWorld final : public World {
 public:
  SimWorld(uint32_t ios, const IoLimits& limits)
      : network_(20, Options(limits)), runner_(&network_) {
    for (uint32_t i = 0; i < ios; ++i) {
      Io* io = network_.AddIo();
      parties_.push_back(std::make_unique<Party>(io));
      runner_.Add([io] { return io->RunOnce(kNever); });
    }
  }
  ListenerDescriptor MakeListener(const Address& address, const ListenOptions& options) override {
    return network_.MakeListener(address, options);
  }
  bool Until(const std::function<bool()>& done) override {
    return runner_.RunUntil(done, 600 * kNsPerSecond);
  }
  void Settle() override { runner_.RunFor(50 * kNsPerMs); }

 private:
  static SimOptions Options(const IoLimits& limits) {
    SimOptions options;
    options.limits = limits;
    return options;
  }
  SimNetwork network_;
  SimRunner runner_;
};

// All rings on the test's own thread, in turns.
class UringWorld final : public World {
 public:
  explicit UringWorld(std::unique_ptr<UringSet> set) : set_(std::move(set)) {
    for (uint32_t i = 0; i < set_->size(); ++i) {
      set_->at(i).Bind();
      parties_.push_back(std::make_unique<Party>(&set_->at(i)));
    }
  }
  ListenerDescriptor MakeListener(const Address& address, const ListenOptions& options) override {
    std::string error;
    const ListenerDescriptor descriptor = OpenListener(address, options, &error);
    EXPECT_GE(descriptor.fd, 0) << error;
    return descriptor;
  }
  bool Until(const std::function<bool()>& done) override {
    const uint64_t end_ns = set_->at(0).NowNs() + kPatienceNs;
    while (!done()) {
      if (Turn() > end_ns) return done();
    }
    return true;
  }
  void Settle() override {
    const uint64_t end_ns = set_->at(0).NowNs() + 50 * kNsPerMs;
    while (Turn() < end_ns) {
    }
  }

 private:
  uint64_t Turn() {
    int done = 0;
    for (uint32_t i = 0; i < set_->size(); ++i) done += set_->at(i).RunOnce(0);
    // Nothing to do: wait a little, on another ring each time.
    UringIo& io = set_->at(waiter_++ % set_->size());
    if (done == 0) io.RunOnce(io.NowNs() + 200 * kNsPerUs);
    return io.NowNs();
  }
  std::unique_ptr<UringSet> set_;
  uint32_t waiter_ = 0;
};

}  // namespace

std::ostream& operator<<(std::ostream& out, WorldKind kind) {
  switch (kind) {
    case WorldKind::kSimulated:
      return out << "Simulated";
    case WorldKind::kUringOrdinary:
      return out << "UringOrdinary";
    case WorldKind::kUringDirect:
      return out << "UringDirect";
  }
  return out;
}

// --- Party ---

Party::Party(Io* io) : io_(io) { io_->SetHandler(this); }

SocketId Party::Connect(const Address& to, const ConnectOptions& options) {
  // The owner is not known before the id: a placeholder, changed at once.
  const SocketId socket = io_->Connect(to, options, 0);
  if (socket) Adopt(socket);
  return socket;
}

Party::Log& Party::Checked(Owner owner, SocketId socket) {
  EXPECT_EQ(owner, Key(socket));
  EXPECT_TRUE(io_->IsOpen(socket)) << "told of a socket that was closed";
  return log(socket);
}

void Party::ReadOn(SocketId socket) {
  if (reads_on && io_->IsOpen(socket) && !io_->ReceivePending(socket) && !log(socket).over()) {
    io_->Receive(socket, group);
  }
}

void Party::OnAccept(uint64_t listener, SocketId socket, const Address& peer) {
  EXPECT_TRUE(io_->IsOpen(socket));
  accepted.push_back({listener, socket, peer});
  Adopt(socket);
  if (on_accept) on_accept(socket);
  ReadOn(socket);
}

void Party::OnConnect(Owner owner, SocketId socket, int error) {
  EXPECT_EQ(owner, Key(socket));
  EXPECT_EQ(io_->IsOpen(socket), error == 0);
  log(socket).connects++;
  log(socket).connect_error = error;
  if (on_connect) on_connect(socket);
  ReadOn(socket);
}

void Party::OnReceive(Owner owner, SocketId socket, std::span<uint8_t> data, int error) {
  Log& log = Checked(owner, socket);
  EXPECT_FALSE(log.fin) << "bytes or an end after the end";
  EXPECT_TRUE(error == 0 || data.empty());
  ++log.receives;
  log.received.append(reinterpret_cast<const char*>(data.data()), data.size());
  // The span is ours until we return: what is written into it must harm nobody.
  std::fill(data.begin(), data.end(), uint8_t{0xee});
  log.fin = data.empty() && error == 0;
  log.receive_error = error;
  if (on_receive) on_receive(socket);
  ReadOn(socket);
}

void Party::OnReadable(Owner owner, SocketId socket) {
  Checked(owner, socket).readables++;
  if (on_readable) on_readable(socket);
}

void Party::OnSent(Owner owner, SocketId socket, int error) {
  Log& log = Checked(owner, socket);
  EXPECT_FALSE(io_->SendPending(socket));
  ++log.sents;
  log.send_error = error;
  if (on_sent) on_sent(socket);
}

void Party::OnMoved(uint64_t token, SocketId socket, int error) {
  EXPECT_EQ(io_->IsOpen(socket), error == 0);
  moved.push_back({token, socket, error});
  if (error == 0) Adopt(socket);
  if (on_moved) on_moved(token, socket);
}

void Party::OnBell() {
  ++bells;
  if (on_bell) on_bell();
}

// --- World ---

std::unique_ptr<World> World::Create(WorldKind kind, uint32_t ios, const IoLimits& limits) {
  if (kind == WorldKind::kSimulated) return std::make_unique<SimWorld>(ios, limits);
  UringSet::Options options;
  options.count = ios;
  options.limits = limits;
  options.mode =
      kind == WorldKind::kUringDirect ? DescriptorMode::kDirect : DescriptorMode::kOrdinary;
  std::string why;
  auto set = UringSet::Create(options, &why);
  if (set != nullptr) return std::make_unique<UringWorld>(std::move(set));
  SkipOrFail(why, options.mode);
  return nullptr;
}

Address World::Listen(size_t party, uint64_t listener, const Address& address,
                      const ListenOptions& options) {
  const ListenerDescriptor descriptor = MakeListener(address, options);
  EXPECT_EQ(parties_[party]->io().Listen(descriptor, listener), 0);
  return descriptor.bound;
}

World::Pair World::Join(size_t client, size_t server, const ListenOptions& options,
                        const ConnectOptions& connect) {
  static uint64_t next_listener = 1'000'000;
  const uint64_t listener = next_listener++;
  const Address address = Listen(server, listener, LoopbackV4(), options);
  Pair pair;
  pair.client = parties_[client]->Connect(address, connect);
  const auto accepted = [&]() -> const Party::Accepted* {
    for (const auto& one : parties_[server]->accepted) {
      if (one.listener == listener) return &one;
    }
    return nullptr;
  };
  EXPECT_TRUE(Until(
      [&] { return accepted() != nullptr && parties_[client]->log(pair.client).connects == 1; }));
  if (accepted() != nullptr) pair.server = accepted()->socket;
  parties_[server]->io().CloseListener(listener);
  return pair;
}

IoLimits Scarce() {
  IoLimits limits;
  limits.queue_entries = 4;
  limits.completion_entries = 8;
  limits.max_sockets = 256;
  limits.small_buffers = limits.large_buffers = 4;
  limits.small_buffer = 512;
  limits.large_buffer = 4096;
  limits.events_per_turn = 16;
  limits.linger_ms = 200;
  limits.drain_ms = 300;
  return limits;
}

ListenOptions TinyBuffers() {
  ListenOptions options;
  options.send_buffer = 4096;
  options.receive_buffer = 4096;
  return options;
}

Address LoopbackV4() {
  Address address;
  Address::Parse("127.0.0.1:0", &address);
  return address;
}

Address LoopbackV6() {
  Address address;
  Address::Parse("[::1]:0", &address);
  return address;
}

std::string Pattern(size_t size, uint64_t seed) {
  std::string bytes(size, '\0');
  Rng rng(seed);
  rng.Fill({reinterpret_cast<uint8_t*>(bytes.data()), bytes.size()});
  return bytes;
}

}  // namespace roost
