// A listener that only accepts and holds the sockets: the floor that others are compared with.
//
// What it is not: no protocol; what is sent to it stays unread. On each accepted socket it waits as
// the clients do (a poll), so that both ends of a pair cost the kernel the same and half of a pair
// is one end; or with a receive armed.
//
// Lifetime: from Start to its end, which stops the threads. Thread rule: made and destroyed on one
// thread; it runs some of its own, each with an io_uring and a listener on the one address.
#ifndef ROOST_TOOLS_LOAD_BARE_SERVER_H_
#define ROOST_TOOLS_LOAD_BARE_SERVER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/io/uring_io.h"
#include "tools/load/options.h"

namespace roost::load {

class BareServer {
 public:
  // For so many sockets, on a port of 127.0.0.1 that the kernel chooses. Null when it cannot;
  // *error says why.
  static std::unique_ptr<BareServer> Start(Options::Bare wait, uint32_t sockets, uint32_t threads,
                                           std::string* error);
  ~BareServer();

  const Address& address() const { return address_; }

 private:
  class Holder;  // one thread

  BareServer();
  bool Listen(Options::Bare wait, std::string* error);

  Address address_;
  std::unique_ptr<UringSet> ios_;
  std::vector<std::unique_ptr<Holder>> holders_;
};

}  // namespace roost::load

#endif  // ROOST_TOOLS_LOAD_BARE_SERVER_H_
