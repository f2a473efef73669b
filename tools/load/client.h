// One load client: a Stream with a Dialogue on it, and the clock readings between.
//
// Lifetime: owned by its shard; leaves by LoadShard::OnClientEnded, which retires it. Thread rule:
// the shard's thread. Memory while idle: this object (about 0.8 KB) and no buffers.
#ifndef ROOST_TOOLS_LOAD_CLIENT_H_
#define ROOST_TOOLS_LOAD_CLIENT_H_

#include <cstdint>
#include <string_view>

#include "core/stream/loop.h"
#include "core/stream/stream.h"
#include "tools/load/dialogue.h"
#include "tools/load/load_shard.h"

namespace roost::load {

class Client final : public Retirable, private StreamOwner, private DialogueHost {
 public:
  Client(LoadShard& shard, LoadUser* user, uint32_t number);

  // May end it at once.
  void Open();
  // Says goodbye; the shard is not told.
  void Leave();

  LoadUser& user() { return user_; }
  // Its place in the shard's list.
  size_t index = 0;

 private:
  void OnConnected(Stream& stream) override;
  void OnInput(Stream& stream) override;
  void OnSecure(Stream& stream) override;
  void OnEnd(Stream& stream, StreamEnd end) override;

  void Send(std::string_view bytes) override { stream_.Write(bytes); }
  void StartTls() override { start_tls_ = true; }
  void OnLoggedIn() override;
  void OnIdle() override;
  void OnExists(int64_t growth) override;
  void OnTold(std::string_view line) override;
  void OnFailed(std::string_view reason) override;

  void Handshake();
  // It waits from now on.
  void Settle();
  void Told();
  void Expect();
  void End();
  uint64_t now() const { return shard_.loop().now_ns(); }

  LoadShard& shard_;
  LoadUser& user_;
  const uint32_t number_;
  bool start_tls_ = false;
  bool idled_ = false;
  bool failed_ = false;
  bool ended_ = false;
  uint32_t told_ = 0;  // of the messages delivered to the user, how many this client knows of
  uint64_t began_ns_ = 0;
  uint64_t step_ns_ = 0;  // when the step that is measured now began
  Stream stream_;
  Dialogue dialogue_;
  Alarm alarm_;  // until IDLE: it has failed; then: IDLE again
};

}  // namespace roost::load

#endif  // ROOST_TOOLS_LOAD_CLIENT_H_
