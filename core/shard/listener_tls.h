// TLS of the listeners: the certificates and ticket keys in use, and how others take their place
// while roostd runs.
//
// What it is: builds contexts off the shards' threads, and rotates ticket keys when their time has
// come, or reads them again where a file gives them. What it is not: it gives nobody the new one;
// whoever calls it does.
//
// All or nothing: what cannot be read or is wrong changes nothing. Ticket keys that no file gives
// live as long as the process: other certificates keep them.
//
// Thread rule: one thread at a time.
#ifndef ROOST_CORE_SHARD_LISTENER_TLS_H_
#define ROOST_CORE_SHARD_LISTENER_TLS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "core/config/config.h"
#include "proto/tls/tls_context.h"

namespace roost {

class ListenerTls {
 public:
  using Context = std::shared_ptr<const TlsServerContext>;  // null: no listener has TLS

  // That of a configuration, not in use yet. False with *error.
  bool Build(const Config& config, Context* built, std::string* error) const;

  // `config`: that it was built from.
  void Take(Context built, const TlsConfig& config, uint64_t now_ns);
  const Context& context() const { return context_; }

  // To be called now and then. True: ticket keys are others, and context() is another one.
  // `config`: what was taken last.
  bool Tend(const TlsConfig& config, uint64_t now_ns);

 private:
  Context context_;
  uint64_t tickets_since_ns_ = 0;  // their keys were set or looked at
};

}  // namespace roost

#endif  // ROOST_CORE_SHARD_LISTENER_TLS_H_
