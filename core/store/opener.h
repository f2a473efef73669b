// Brings a session of a user to where a client or a feed wants it: the set enabled, a mailbox
// selected.
//
// What it is: one that is kept (user.h), or a new one where none is or that one turns out to be
// dead; ENABLE, then SELECT, EXAMINE or UNSELECT. What it is not: it compares no views and is no
// queue; sessions wait for their places in the Dialer.
//
//   kept --UNSELECT or SELECT--> (done)        new --logged in, ENABLE, SELECT--> (done)
//    |                                          ^ |
//    +--lost, or the store has no UNSELECT------+ +--lost, refused--> (failed)
//
// Lifetime: one use; a member of whoever waits, whom it tells once. Thread rule: the user's shard.
// Bounds: one session, kMostAlertBytes of alerts.
#ifndef ROOST_CORE_STORE_OPENER_H_
#define ROOST_CORE_STORE_OPENER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/base/life.h"
#include "core/store/dialer.h"
#include "core/store/session.h"
#include "core/store/user.h"

namespace roost {

class Opener final : private SessionSink {
 public:
  struct Wish {
    EnabledSet enabled;
    std::string mailbox;  // empty: none is selected
    bool examine = false;
    bool fresh = false;  // not from the pool
    Dialer::Urgency urgency = Dialer::Urgency::kClient;
    SessionClient client;
  };
  enum class Failure : uint8_t {
    kNone,
    kUnavailable,  // unreachable, out of places, lost on the way: later perhaps
    kCredentials,  // the store refuses the login for good
    kMailbox,      // SELECT was answered NO: `text` has the store's words
    kClass,        // the store would not enable what the client has
  };
  struct Result {
    Failure failure = Failure::kNone;
    std::unique_ptr<Session> session;  // selected and settled when kNone
    std::string text;
    // kNone: untagged lines that the user's people must be shown, and were not the last time.
    std::string alerts;
  };
  using Done = std::function<void(Result)>;

  Opener(Loop& loop, User& user, Wish wish, Done done);
  ~Opener() override;
  void Start();

 private:
  void OnSessionReady(Session& session) override;
  void OnStoreData(Session& session, const Piece& piece, const Response* first) override;
  void OnSessionLost(Session& session, SessionLoss loss, const std::string& text) override;
  static constexpr size_t kMostAlertBytes = 4096;
  // A session that was kept may have died without a word, and whoever waits does not wait for the
  // store's command_timeout_s. One that only stands on a lock is no other to look at.
  static constexpr uint64_t kDoubtSeconds = 10;

  void Doubt();
  void OpenNew();
  void FinishLater(Failure failure, std::string text);
  void Enabled();
  void Select();
  void Finish(Failure failure, std::string text);

  Loop& loop_;
  User& user_;
  Wish wish_;
  bool pooled_ = false;  // session_ was kept, not opened for this
  Alarm doubt_;          // it says nothing
  Done done_;
  std::unique_ptr<Session> session_;
  std::string alerts_;
  Life life_;  // for a posted task: still there?
};

// A line that people must be shown (RFC 3501, 7.1).
inline bool IsAlert(const Piece& piece, const Response* first) {
  return first != nullptr && piece.ends_message && first->CodeIs("ALERT");
}

}  // namespace roost

#endif  // ROOST_CORE_STORE_OPENER_H_
