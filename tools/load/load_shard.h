// One thread of roost-load: its users, their clients, and the mail that is delivered to them.
//
// What it is: the wiring between an Io, Streams and the dialogues. All clients of a user and the
// deliveries to that user are on one thread, so that who must be told of what is known without a
// lock, and all times come from one clock.
//
//   main thread -- orders (atomics) --> Tick --> clients are opened, messages are delivered
//               <-- progress (atomics) --
//
// Thread rule: Run is the thread's body; orders and progress are for all; the result is for others
// when Run has returned. Lifetime: options and context outlive it.
// Bounds: Options::entering handshakes, Options::couriers sessions for delivery.
#ifndef ROOST_TOOLS_LOAD_LOAD_SHARD_H_
#define ROOST_TOOLS_LOAD_LOAD_SHARD_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/io/uring_io.h"
#include "core/stream/loop.h"
#include "proto/tls/tls_context.h"
#include "tools/load/arrivals.h"
#include "tools/load/deliveries.h"
#include "tools/load/dialogue.h"
#include "tools/load/options.h"
#include "tools/load/result.h"

namespace roost::load {

class Client;

// Null where nobody needs it.
struct TlsContexts {
  const TlsClientContext* full = nullptr;
  const TlsClientContext* resuming = nullptr;
};

// Written by the main thread only.
struct Orders {
  std::atomic<bool> end_ramp{false};  // what has not begun never does
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> deliver{0};  // so many in all
  std::atomic<uint32_t> storms{0};   // so many in all: everybody leaves at once and comes back
};

// Written by the shard's thread only.
struct Progress {
  std::atomic<uint64_t> settled{0};  // clients that are idle, have failed or never begin
  std::atomic<uint64_t> idle{0};
  std::atomic<uint32_t> storms{0};  // begun
  std::atomic<uint64_t> away{0};  // in a storm: clients that are not idle again and have not failed
  std::atomic<uint64_t> given_up{0};         // clients that were idle, and whose last retry failed
  std::atomic<uint64_t> deliveries_done{0};  // accepted or failed
  std::atomic<uint64_t> expected{0}, received{0};
};

// A thread's part of a rate that is meant for all.
double PartOf(uint32_t rate, const Options& options);

class LoadShard final : private DeafIoHandler {
 public:
  // number: of `options->threads`; it takes every user whose number leaves that remainder.
  // sockets: how many `io` can have.
  LoadShard(UringIo& io, const Options* options, const TlsContexts& tls, uint32_t number,
            uint32_t sockets);
  ~LoadShard() override;

  void Run();

  Orders orders;
  Progress progress;
  const Result& result() const { return result_; }

  // For clients and couriers.
  Loop& loop() { return loop_; }
  const Options& options() const { return *options_; }
  const TlsClientContext& tls(uint32_t client) const {
    return *(Resumes(*options_, client) ? tls_.resuming : tls_.full);
  }
  const std::string& server_name() const { return server_name_; }
  const DialogueSettings& dialogue_settings() const { return settings_; }
  Result& measured() { return result_; }
  Deliveries& deliveries() { return deliveries_; }
  void OnClientIdle(const Visit& visit);
  // It has failed, or was lost.
  void OnClientEnded(Client* client);
  // It left on purpose.
  void OnClientAway(Client* client, Visit::Why why, uint64_t back_ns);

 private:
  void Tick();
  void OpenClients();
  void EndRamp();
  void Storm();
  void CountMissing();
  void Finish();

  UringIo& io_;
  const uint32_t sockets_;
  const Options* const options_;
  const TlsContexts tls_;
  const std::string server_name_;
  const DialogueSettings settings_;
  Loop loop_;
  Result result_;

  Deliveries deliveries_;
  Arrivals arrivals_;
  std::vector<std::unique_ptr<Client>> clients_;
  uint32_t entering_ = 0;
};

}  // namespace roost::load

#endif  // ROOST_TOOLS_LOAD_LOAD_SHARD_H_
