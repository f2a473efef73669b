#include "tools/load/bare_server.h"

#include <atomic>
#include <span>
#include <thread>

#include "core/base/clock.h"
#include "core/io/listener.h"

namespace roost::load {
namespace {

constexpr uint32_t kSpareSockets = 64;
constexpr uint64_t kTickNs = 20 * kNsPerMs;
constexpr uint64_t kListener = 1;
constexpr Owner kNobody = 1;

}  // namespace

class BareServer::Holder final : private IoHandler {
 public:
  Holder(UringIo& io, Options::Bare wait, ListenerDescriptor listener)
      : io_(io), wait_(wait), thread_([this, listener] { Run(listener); }) {}
  ~Holder() override {
    stop_ = true;
    thread_.join();
  }

 private:
  void Run(ListenerDescriptor listener) {
    io_.Bind();
    io_.SetHandler(this);
    io_.RunOnce(0);
    if (io_.Listen(listener, kListener) != 0) return;
    while (!stop_) io_.RunOnce(io_.NowNs() + kTickNs);
  }

  void OnAccept(uint64_t, SocketId socket, const Address&) override {
    io_.SetOwner(socket, kNobody);
    if (wait_ == Options::Bare::kReceive) {
      io_.Receive(socket, BufferGroup::kSmall);
    } else {
      io_.WaitReadable(socket);
    }
  }
  // The clients say nothing: it has gone.
  void OnReceive(Owner, SocketId socket, std::span<uint8_t>, int) override { io_.Abort(socket); }
  void OnReadable(Owner, SocketId socket) override { io_.Abort(socket); }
  void OnConnect(Owner, SocketId, int) override {}
  void OnSent(Owner, SocketId, int) override {}
  void OnMoved(uint64_t, SocketId, int) override {}
  void OnBell() override {}

  UringIo& io_;
  const Options::Bare wait_;
  std::atomic<bool> stop_{false};
  std::thread thread_;  // last: it uses the others
};

BareServer::BareServer() = default;
BareServer::~BareServer() { holders_.clear(); }

std::unique_ptr<BareServer> BareServer::Start(Options::Bare wait, uint32_t sockets,
                                              uint32_t threads, std::string* error) {
  std::unique_ptr<BareServer> server(new BareServer);
  UringSet::Options io;
  io.count = threads;
  // The kernel spreads connections by a hash, and above 95 % of its slots an Io accepts nothing.
  const uint32_t each = sockets / threads + 1;
  io.limits.max_sockets = each + each / 5 + kSpareSockets;
  server->ios_ = UringSet::Create(io, error);
  if (server->ios_ == nullptr || !server->Listen(wait, error)) return nullptr;
  return server;
}

bool BareServer::Listen(Options::Bare wait, std::string* error) {
  Address::Parse("127.0.0.1:0", &address_);
  for (uint32_t i = 0; i < ios_->size(); ++i) {
    const ListenerDescriptor listener = OpenListener(address_, ListenOptions{}, error);
    if (listener.fd < 0) return false;
    address_ = listener.bound;
    holders_.push_back(std::make_unique<Holder>(ios_->at(i), wait, listener));
  }
  return true;
}

}  // namespace roost::load
