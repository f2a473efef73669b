// Hears of a mailbox's changes on one session by IDLE (RFC 2177), and can be made to catch up.
//
// What it is: the owner of a feed's session. It turns what the store says into canonical news,
// learns the UIDs of new messages, and flushes (DONE, NOOP, IDLE in one write) when somebody needs
// the present state. What it is not: it keeps no log and knows no client.
//
//   kStarting --'+'--> kIdle --wants something--> kBusy (DONE, commands, IDLE written) --'+'-->
//   kIdle any --Stop--> kStopping --IDLE answered--> kStopped         any --session lost-->
//   kStopped
//
// Invariants
//  1. The session has an exact view from the start on; news are resolved in that view.
//  2. A message is told when its UID is known; one that vanished before is never told.
//  3. A flush is done only when a NOOP written after it was asked for is answered and every message
//  announced
//     until then has been told. DONE alone flushes nothing.
#ifndef ROOST_CORE_FEED_IDLE_DRIVER_H_
#define ROOST_CORE_FEED_IDLE_DRIVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/store/session.h"
#include "proto/imap/uid_set.h"

namespace roost {

class DriverListener {
 public:
  virtual ~DriverListener() = default;
  virtual void OnDriverExpunged(const UidSet& uids) = 0;
  virtual void OnDriverArrived(const UidSet& uids) = 0;
  virtual void OnDriverFlags(uint32_t uid, std::string_view flags, uint64_t modseq) = 0;
  // An untagged line for every subscriber, with its CRLF.
  virtual void OnDriverLine(std::string_view line) = 0;
  // Everything that came in one go has been told: time to tell the subscribers.
  virtual void OnDriverBatchEnd() = 0;
  // Once; the driver is of no more use and waits to be retired.
  virtual void OnDriverLost(SessionLoss loss, const std::string& text) = 0;
};

class IdleDriver final : public Retirable, private SessionSink {
 public:
  static constexpr int kMaxFruitless = 5;
  enum class Phase : uint8_t { kStarting, kIdle, kBusy, kStopping, kStopped };

  // `session` is settled, selected, and has a view. check_ns: prove that the store is alive this
  // often.
  IdleDriver(Loop& loop, std::unique_ptr<Session> session, DriverListener& listener,
             uint64_t check_ns);
  ~IdleDriver() override;

  void Start();
  // `done(true)`: everything the store had to say when Flush was called has been told to the
  // listener. false: the driver was lost or stopped before.
  void Flush(std::function<void(bool)> done);
  // Monotonic time at which the last flush that is done was asked for; 0: never.
  uint64_t flushed_ns() const { return flushed_ns_; }

  // Ends IDLE and gives the session back, settled; null if it was lost meanwhile. What it said
  // until then has been told. Flushes in waiting fail.
  void Stop(std::function<void(std::unique_ptr<Session>)> done);

  const Session& session() const { return *session_; }
  Phase phase() const { return phase_; }
  bool stopping() const { return phase_ >= Phase::kStopping; }

 private:
  struct Waiter {
    std::function<void(bool)> done;
    uint64_t asked_ns;
  };

  void OnStoreData(Session& session, const Piece& piece, const Response* first) override;
  void OnSessionLost(Session& session, SessionLoss loss, const std::string& text) override;

  void SendIdle();
  void Idling();
  void EndIdle();
  void IdleEnded(const Response& response);
  void Kick();
  void Cycle();
  void NoopAnswered(const Response& response);
  void TellArrived();
  void FinishFlush();
  void BatchSoon();
  void ArmCheck();
  void Lost(SessionLoss loss, const std::string& text);

  Loop& loop_;
  std::unique_ptr<Session> session_;
  DriverListener& listener_;
  const uint64_t check_ns_;
  Phase phase_ = Phase::kStarting;
  int dones_ = 0;      // DONEs written whose IDLE is not answered yet
  int fruitless_ = 0;  // fetches in a row that brought no UID of a new message
  bool batch_posted_ = false;
  bool noop_answered_ = false;  // of the flush under way
  uint64_t flushed_ns_ = 0;
  std::vector<Waiter> waiting_;   // for the next flush
  std::vector<Waiter> flushing_;  // for the one under way
  std::function<void(std::unique_ptr<Session>)> stopped_;
  std::shared_ptr<int> life_ = std::make_shared<int>(0);
  Alarm check_;
};

}  // namespace roost

#endif  // ROOST_CORE_FEED_IDLE_DRIVER_H_
