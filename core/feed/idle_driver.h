// Hears of a mailbox's changes on one session by IDLE (RFC 2177), with NOTIFY (RFC 5465) where that
// is wanted, or by polling where the store has no IDLE or refuses it, and can be made to catch up.
//
// What it is: the owner of a feed's session. It turns what the store says into canonical news,
// learns the UIDs of new messages, and flushes (DONE, NOOP, IDLE in one write) when somebody needs
// the present state. What it is not: it keeps no log and knows no client.
//
//   kStarting --'+'--> kIdle --wants something--> kBusy (DONE, commands, IDLE written)
//                      kIdle <--------------'+'-- kBusy
//   any --the store ends IDLE--> kStarting
//   any --Stop--> kStopping --IDLE answered--> kStopped
//   any --session lost--> kStopped
//
// Memory: 128 bytes beside its session while nobody wants anything.
//
// While it polls there is no DONE and no IDLE: kIdle is when all commands are answered.
//
// With NOTIFY a new message's UID comes with its EXISTS, so that nobody has to ask for it; all else
// is as it was, and where a UID does not come it is asked for. IDLE stays: there are stores that
// push the last change with both only.
//
// Invariants
//  1. The session has an exact view from the start on; news are resolved in that view.
//  2. A message is told when its UID is known; one that vanished before is never told.
//  3. A flush is done only when a NOOP written after it was asked for is answered and every message
//     announced until then has been told. DONE alone flushes nothing.
#ifndef ROOST_CORE_FEED_IDLE_DRIVER_H_
#define ROOST_CORE_FEED_IDLE_DRIVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/life.h"
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
  // Every change up to this MODSEQ has been told.
  virtual void OnDriverConfirmed(uint64_t modseq) = 0;
  // Every message below this UID has been told, or is gone.
  virtual void OnDriverDecided(uint64_t below) = 0;
  // The store is asked for news because it tells none by itself.
  virtual void OnDriverPolls() {}
  // The store does not do NOTIFY for this user, or no more.
  virtual void OnDriverNotifyRefused(std::string_view text) { (void)text; }
  // Everything that came in one go has been told: time to tell the subscribers.
  virtual void OnDriverBatchEnd() = 0;
  // Once; the driver is of no more use and waits to be retired.
  virtual void OnDriverLost(SessionLoss loss, const std::string& text) = 0;
};

class IdleDriver final : public Retirable, private SessionSink {
 public:
  static constexpr int kMaxFruitless = 5;
  // More flags than that are not searched for.
  static constexpr size_t kMostSearches = 40;
  enum class Phase : uint8_t { kStarting, kIdle, kBusy, kStopping, kStopped };

  // Which messages have which flag.
  using FlagsFound = std::vector<std::pair<std::string, UidSet>>;
  // `covered`: the messages that were looked through.
  using Learned = std::function<void(bool ok, const UidSet& covered, const FlagsFound& found)>;

  // `session` is settled, selected, and has a view. check_ns: prove that the store is alive this
  // often; poll_ns: ask so often where there is no IDLE, 0: never do without. To the millisecond.
  IdleDriver(Loop& loop, std::unique_ptr<Session> session, DriverListener& listener,
             uint64_t check_ns, uint64_t poll_ns);
  ~IdleDriver() override;

  void Start();
  // `done(true)`: everything the store had to say when Flush was called has been told to the
  // listener. false: the driver was lost or stopped before.
  void Flush(std::function<void(bool)> done);
  // The same, and what UIDNEXT the store has has been told as well, where it says so.
  void FlushToUidNext(std::function<void(bool)> done);
  // Monotonic time at which the last flush that is done was asked for; 0: never.
  uint64_t flushed_ns() const { return flushed_ns_; }

  // Finds out which messages from UID `from` on have which of `flags`, when nobody else wants
  // anything; then flushes, so that what it found has been told. Not ok: somebody came first, the
  // store refused, or the driver was lost or stopped.
  //
  // By SEARCH, not by FETCH: a store may take what it answers to FETCH for told, and the change
  // would be lost; and a FETCH response could be either an answer or news. Precondition: none is
  // under way.
  void LearnFlags(uint32_t from, const std::vector<std::string>& flags, Learned learned);

  // From Start, or the next flush, on the session hears by NOTIFY, if its store has that: it can be
  // nobody else's then (SessionState::notifies).
  void PreferNotify();

  // Ends IDLE and gives the session back, settled; null if it was lost or abandoned meanwhile. What
  // it said until then has been told. Flushes in waiting fail.
  void Stop(std::function<void(std::unique_ptr<Session>)> done);
  // The listener has no more use for it, perhaps in the middle of a call to it: whoever waits hears
  // so. Retire it then.
  void Abandon();

  const Session& session() const { return *session_; }
  size_t memory_bytes() const;  // as the allocator counts; without its session
  Phase phase() const { return phase_; }
  bool stopping() const { return phase_ >= Phase::kStopping; }
  bool polling() const { return polling_; }
  bool notified() const { return notify_ == Notify::kOn; }

 private:
  enum class Notify : uint8_t { kNo, kWanted, kAsked, kOn, kRefused };
  struct Waiter {
    std::function<void(bool)> done;
    uint64_t asked_ns;
  };
  // LearnFlags under way: one SEARCH after the other.
  struct Search {
    uint32_t from = 1;
    std::vector<std::pair<std::string, std::string>> keys;  // flag, search key
    bool running = false;
    UidSet covered;
    FlagsFound found;
    UidSet uids;  // of the SEARCH under way
    std::unique_ptr<SearchListParser> parser;
    bool listed = false;  // its answer has come and was whole
    Learned learned;
  };

  void OnStoreData(Session& session, const Piece& piece, const Response* first) override;
  void OnIdleStarted(Session&) override { Idling(); }
  void OnIdleEnded(Session&, const Response& response) override { IdleEnded(response); }
  void OnSessionLost(Session& session, SessionLoss loss, const std::string& text) override;

  void SendIdle();
  void Idling();
  void EndIdle();
  void IdleEnded(const Response& response);
  void Kick();
  void KickSoon();
  void Cycle();
  void SetNotify();
  void Ask();
  void FetchNew();
  bool modseqs() const;
  void AskStatus();
  void NoopAnswered(const Response& response);
  void SearchNext();
  bool SearchPiece(const Piece& piece, const Response* first);
  void AbortSearch();
  void EndSearch(bool ok);
  void RestSoon();
  void HandBack();
  void FailWaiters();
  void TellArrived();
  uint32_t OwedFlags();
  void FinishFlush();
  void BatchSoon();
  void ArmCheck();
  void Lost(SessionLoss loss, const std::string& text);

  // Of messages that were not told yet.
  struct EarlyFlags {
    uint32_t uid;
    uint64_t modseq;
    std::string flags;
  };
  static constexpr size_t kMostEarlyFlags = 4096;
  // What is wanted or under way; null while nothing is.
  struct Work {
    bool modseq_wanted = false;    // with the next flush
    bool uid_next_wanted = false;  // likewise
    bool fetching_flags = false;
    // Of the flush under way: STATUS was answered with them; 0: not.
    uint64_t modseq = 0;
    uint32_t uid_next = 0;
    // Of the tail, from its beginning on: announced before the NOOP of the flush was answered. More
    // than there are if some of them vanished.
    uint32_t awaited = 0;
    uint32_t awaited_flags = 0;  // FETCHes of flags that were owed then, and still are
    // Flags of a message came when its UID was not known: they are asked for, from this UID on. 0:
    // none.
    uint64_t flags_from = 0;
    std::vector<EarlyFlags> early_flags;
    std::vector<Waiter> waiting;   // for the next flush
    std::vector<Waiter> flushing;  // for the one under way
    std::unique_ptr<Search> search;
    std::function<void(std::unique_ptr<Session>)> stopped;
    bool empty() const {
      return !modseq_wanted && !uid_next_wanted && !fetching_flags && modseq == 0 &&
             uid_next == 0 && awaited == 0 && awaited_flags == 0 && flags_from == 0 &&
             early_flags.empty() && waiting.empty() && flushing.empty() && search == nullptr &&
             stopped == nullptr;
    }
  };
  Work& work() {
    if (work_ == nullptr) work_ = std::make_unique<Work>();
    return *work_;
  }
  void Tidy();
  Loop& loop() const { return check_.loop(); }

  std::unique_ptr<Session> session_;
  DriverListener& listener_;
  std::unique_ptr<Work> work_;
  uint64_t flushed_ns_ = 0;
  Life life_;
  Alarm check_;
  const uint32_t check_ms_;
  const uint32_t poll_ms_;
  uint16_t dones_ = 0;     // DONEs written whose IDLE is not answered yet
  uint8_t fruitless_ = 0;  // fetches in a row that brought no UID of a new message
  Phase phase_ = Phase::kStarting;
  Notify notify_ = Notify::kNo;
  bool polling_ : 1;
  bool batch_posted_ : 1 = false;
  bool kick_posted_ : 1 = false;
  bool idling_ : 1 = false;  // `+` has come for the IDLE under way
  bool rest_posted_ : 1 = false;
  bool noop_answered_ : 1 = false;  // of the last flush; STATUS may be answered when that is over
};

static_assert(sizeof(IdleDriver) <= 128, "one for each feed");

}  // namespace roost

#endif  // ROOST_CORE_FEED_IDLE_DRIVER_H_
