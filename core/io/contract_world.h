// What contract_test.cc runs in: some Ios that can reach each other, simulated or real, and parties
// that record what they are told. Test code only.
#ifndef ROOST_CORE_IO_CONTRACT_WORLD_H_
#define ROOST_CORE_IO_CONTRACT_WORLD_H_

#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "core/io/io.h"

namespace roost {

enum class WorldKind { kSimulated, kUringOrdinary, kUringDirect };
std::ostream& operator<<(std::ostream& out, WorldKind kind);

// An Io's handler that writes everything down and checks what must hold always.
class Party final : public IoHandler {
 public:
  struct Log {
    std::string received;
    bool fin = false;
    int receive_error = 0;
    int receives = 0;  // calls of OnReceive
    int readables = 0;
    int sents = 0;
    int send_error = 0;
    int connects = 0;
    int connect_error = 0;
    bool over() const { return fin || receive_error != 0; }
  };
  struct Accepted {
    uint64_t listener;
    SocketId socket;
    Address peer;
  };
  struct Moved {
    uint64_t token;
    SocketId socket;
    int error;
  };

  explicit Party(Io* io);

  Io& io() { return *io_; }
  Log& log(SocketId socket) { return logs_[Key(socket)]; }
  SocketId Connect(const Address& to, const ConnectOptions& options = {});
  // Sets the owner that Party expects to be told.
  void Adopt(SocketId socket) { io_->SetOwner(socket, Key(socket)); }

  std::vector<Accepted> accepted;
  std::vector<Moved> moved;
  int bells = 0;
  // After connect, accept and every receive with data a Receive from this group is asked for.
  bool reads_on = true;
  BufferGroup group = BufferGroup::kSmall;
  // Called after the event was written down.
  std::function<void(SocketId)> on_accept, on_connect, on_receive, on_readable, on_sent;
  std::function<void(uint64_t, SocketId)> on_moved;
  std::function<void()> on_bell;

 private:
  static uint64_t Key(SocketId socket) { return uint64_t{socket.index} << 32 | socket.generation; }
  Log& Checked(Owner owner, SocketId socket);
  void ReadOn(SocketId socket);

  void OnAccept(uint64_t listener, SocketId socket, const Address& peer) override;
  void OnConnect(Owner owner, SocketId socket, int error) override;
  void OnReceive(Owner owner, SocketId socket, std::span<uint8_t> data, int error) override;
  void OnReadable(Owner owner, SocketId socket) override;
  void OnSent(Owner owner, SocketId socket, int error) override;
  void OnMoved(uint64_t token, SocketId socket, int error) override;
  void OnBell() override;

  Io* io_;
  std::map<uint64_t, Log> logs_;
};

class World {
 public:
  // `ios` Ios of one set, each with a Party. Null: the test was skipped or has failed.
  static std::unique_ptr<World> Create(WorldKind kind, uint32_t ios, const IoLimits& limits);
  virtual ~World() = default;

  Party& operator[](size_t number) { return *parties_[number]; }
  // Makes a listener and gives it to a party. Returns its address.
  Address Listen(size_t party, uint64_t listener, const Address& address,
                 const ListenOptions& options = {});
  // Connects `client` to `server` through a listener of its own; both ids. For
  // tests of something else.
  struct Pair {
    SocketId client;
    SocketId server;
  };
  Pair Join(size_t client, size_t server, const ListenOptions& options = {},
            const ConnectOptions& connect = {});

  virtual ListenerDescriptor MakeListener(const Address& address, const ListenOptions& options) = 0;
  // Turns until done() holds (then true) or it takes too long.
  virtual bool Until(const std::function<bool()>& done) = 0;
  // Lets everything that is on its way arrive.
  virtual void Settle() = 0;

 protected:
  std::vector<std::unique_ptr<Party>> parties_;
};

// So little of everything that every shortage happens.
IoLimits Scarce();
ListenOptions TinyBuffers();
// 127.0.0.1 and [::1], port 0.
Address LoopbackV4();
Address LoopbackV6();
// Bytes that are nowhere the same: whatever is lost, doubled or swapped is seen.
std::string Pattern(size_t size, uint64_t seed = 1);

}  // namespace roost

#endif  // ROOST_CORE_IO_CONTRACT_WORLD_H_
