// The control socket: a Unix socket on which roostctl asks a running roostd.
//
// One request per connection: a line, answered by one JSON document and the end of the connection.
// Only root and the user that roostd runs as are answered (SO_PEERCRED). Blocking, on a thread for
// each connection; it asks the shards in slices. Bounds: kMostAtOnce connections, more wait; one
// line of 1200 bytes, two seconds for it and for each part of the answer.
#ifndef ROOST_CORE_ADMIN_CONTROL_H_
#define ROOST_CORE_ADMIN_CONTROL_H_

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "core/admin/rows.h"
#include "core/shard/server.h"

namespace roost {

// A line of roostctl: `status`, `clients LIMIT [USER]`, `feeds LIMIT [USER]`, `backends`, `reload`,
// `drain`, `drain SECONDS`, `kick USER`, `trace USER`, `store-drain SECONDS NAME [ADDRESS]` (`-`
// for the seconds: as usual), `store-undrain NAME [ADDRESS]`.
struct ControlRequest {
  enum class Kind : uint8_t {
    kUnknown,
    kStatus,
    kRows,
    kBackends,
    kReload,
    kDrain,
    kStore,
    kKick,
    kTrace
  };
  Kind kind = Kind::kUnknown;
  std::optional<uint64_t> seconds;  // kDrain; none: as configured
  RowsRequest rows;                 // kRows
  Server::StoreOrder store;         // kStore
  std::string user;                 // kKick, kTrace: the login name, all that is behind the blank
};
ControlRequest ParseControlRequest(std::string_view line);

// The answer to "status": which Roost this is, totals, one entry for each shard; without any, an
// error.
std::string StatusJson(const std::vector<ShardFigures>& shards);

// The answer to "reload": `refusal` says why not, empty when it was done; `needs_restart` which
// keys were left as they were; `file` is that of the configuration.
std::string ReloadJson(const std::string& refusal, const std::string& needs_restart,
                       const std::string& file);

std::string DrainJson(uint64_t over_s);
std::string KickJson(uint64_t clients);
// `refusal` says why not, empty when it was done: then `done` counts. Of an address that is drained
// it says whether users find another one, `elsewhere`, or the `whole` store is; when something is
// wanted again, what is `still_drained`.
std::string StoreJson(const Server::StoreOrder& order, const Server::StoreDrained& done,
                      const std::string& refusal);

class ControlSocket {
 public:
  static constexpr size_t kMostAtOnce = 8;

  // May say it in parts. Called on several threads at once; must end soon when `say` fails, and
  // when the socket is to be closed.
  using Answer = std::function<void(const std::string& request, const Say& say)>;

  // Null with *error when the path cannot be bound. A socket file left by a dead process is
  // replaced; a live one, or a file that is no socket, is not.
  static std::unique_ptr<ControlSocket> Open(const std::string& path, Answer answer,
                                             std::string* error);
  ~ControlSocket();

 private:
  ControlSocket(int fd, std::string path, Answer answer);
  void Serve();
  void ServeOne(int connection) const;

  const int fd_;
  const std::string path_;
  const Answer answer_;
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

}  // namespace roost

#endif  // ROOST_CORE_ADMIN_CONTROL_H_
