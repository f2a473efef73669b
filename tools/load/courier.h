// One connection that delivers messages to the store.
//
// By LMTP it takes message after message for any user; by APPEND it logs in as one user, for one
// message. Lifetime: owned by the Deliveries; leaves by Deliveries::OnCourierEnded, which retires
// it. Thread rule: the shard's thread. Bounds: one message at a time, kPatienceSeconds for each
// step.
#ifndef ROOST_TOOLS_LOAD_COURIER_H_
#define ROOST_TOOLS_LOAD_COURIER_H_

#include <memory>
#include <string_view>

#include "core/stream/loop.h"
#include "core/stream/stream.h"
#include "tools/load/delivery.h"
#include "tools/load/load_shard.h"

namespace roost::load {

class Courier final : public Retirable, private StreamOwner, private DeliveryHost {
 public:
  static constexpr uint64_t kPatienceSeconds = 30;

  explicit Courier(LoadShard& shard);

  // Connects, to deliver to this user first. May end it at once.
  void Open(LoadUser* user);
  // LMTP: nothing to do. Then Assign may be called.
  bool free() const { return ready_ && user_ == nullptr; }
  void Assign(LoadUser* user);
  // Ends it; the shard is not told.
  void Leave();

  // Its place in the shard's list.
  size_t index = 0;

 private:
  void OnConnected(Stream&) override {}
  void OnInput(Stream& stream) override;
  void OnEnd(Stream& stream, StreamEnd end) override;

  void Send(std::string_view bytes) override { stream_.Write(bytes); }
  void OnReady() override;
  void OnSent() override;
  void OnAccepted() override;
  void OnRefused(std::string_view reason) override;
  void OnBroken(std::string_view reason) override;

  void Start();
  void Expect();
  void Answered(bool accepted);
  void End();

  LoadShard& shard_;
  Stream stream_;
  std::unique_ptr<DeliveryDialogue> dialogue_;
  Alarm alarm_;
  LoadUser* user_ = nullptr;  // whose message is on its way
  bool ready_ = false;
  bool sent_ = false;
  bool was_ready_ = false;
  bool broken_ = false;
  bool ended_ = false;
};

}  // namespace roost::load

#endif  // ROOST_TOOLS_LOAD_COURIER_H_
