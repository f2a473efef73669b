// Gives a parked client a session whose view is exactly the one it has, told the difference first.
//
//   nothing selected:           pooled or new session --------------------------------> attached
//   sole subscriber, MayServe:  the feed's own: stop its driver, tell the log's rest --> attached
//   else:  pooled or new session, SELECT as the client had it -> equal by proof, or listed
//          -> the feed flushes -> compare with the frozen view; flags from the log ----> attached
//   any: refused (NO, the client stays parked, told nothing) or ended (BYE with the reason)
//
// The client's cursor is frozen while it runs: nothing is sent to it, and the feed's log keeps what
// it is owed. Expunges that the waiting command does not allow to be told, or whose telling would
// change what its numbers mean, are handed on as owed; all else is told.
//
// One use; the client's command waits and is sent once or refused, never both.
#ifndef ROOST_CORE_PARK_WAKING_H_
#define ROOST_CORE_PARK_WAKING_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/base/life.h"
#include "core/feed/difference.h"
#include "core/park/feeds.h"
#include "core/park/lister.h"
#include "core/park/may_serve.h"
#include "core/store/opener.h"

namespace roost {

// Expunges that the session knows of and its client was not told of.
struct OwedExpunges {
  UidSet numbers;      // in the client's numbering, which counts them
  UidSet uids;         // theirs
  uint32_t count = 0;  // messages of the session, all of them told of
  bool no_modseq = false;
  uint64_t modseq_before = 1;  // every one of the expunges has a higher one

  bool empty() const { return numbers.empty(); }
};

class Waking final : public Retirable, private SessionSink {
 public:
  struct Wish {
    ClientMailbox client;
    SessionClient peer;
    Feed* feed = nullptr;  // null: nothing selected
    uint64_t cursor = 0;
    bool read_only_told = false;
    uint8_t rights = 0;            // RightsOf the mailbox as it was told of it
    bool leaves_mailbox = false;   // what waits selects another one
    bool own_rights = false;       // by a session of its own login, not by a master user's
    uint32_t permanent_flags = 0;  // HashOfFlags of the PERMANENTFLAGS that it was told
    // The waiting command's numbers mean what the client thinks (whatever forbids EXPUNGE to be
    // told uses numbers): expunges are not told before it but owed.
    bool uses_numbers = false;
    // It is not whole yet: no command is in progress that would allow expunges to be told (RFC
    // 3501, 5.5), so they are owed.
    bool incomplete = false;
  };
  enum class Outcome : uint8_t {
    kAttached,
    kExpungeIssued,  // too large a set would be owed
    kUnavailable,
    kTooFarBehind,  // more than is told at once would be owed
    kEnded,
  };
  struct Result {
    Outcome outcome = Outcome::kUnavailable;
    std::unique_ptr<Session> session;  // kAttached: settled
    std::string tell;                  // kAttached: before the command goes
    OwedExpunges owed;                 // kAttached: to be told as soon as it is allowed
    std::string text;                  // kEnded, kUnavailable: for people; kEnded with its code
  };
  using Done = std::function<void(Result)>;

  Waking(Loop& loop, Feeds& feeds, User& user, Wish wish, Done done);
  ~Waking() override;
  void Start();
  // The client is gone: nothing more is done or said. Retire it then.
  void Abandon();

 private:
  static constexpr int kMaxTries = 5;
  static constexpr int kMaxBehind = 5;  // 6 s in all
  static constexpr int kMaxWaits = 50;  // 10 s for a feed without driver
  static constexpr uint64_t kRetryMs = 200;
  static constexpr size_t kMostNewsBytes = size_t{16} << 20;
  static constexpr size_t kMostAlertBytes = 16 * 1024;
  // A store that says nothing at all holds a client up no longer, whatever is being waited for.
  static constexpr uint64_t kMostSeconds = 30;

  void NoteFlags(const Response& fetch);
  void OnStoreData(Session& session, const Piece& piece, const Response* first) override;
  void OnSessionLost(Session& session, SessionLoss loss, const std::string& text) override;

  void TakeDriver();
  void DriverStopped(std::unique_ptr<Session> session);
  void ReturnDriver();
  void OweFromDriver();
  bool Fits(const Session& session) const;
  bool MayAct();
  void OpenSession();
  void Opened(Opener::Result result);
  void Equalize();
  bool EqualByProof() const;
  void ListSession();
  void FlushFeed();
  void Flushed(bool ok);
  void Compared();
  bool IsTooMuch(const Difference& d) const;
  // `owes`: the session has told flags, and may know of expunges that are older.
  bool TellDifference(const UidSet& now, const Difference& difference, bool owes);
  void TellSelected(std::string* tell) const;
  void TellKnownModseq(bool owes, std::string* tell) const;
  void Again();
  void TryAnother();
  void OpenLater();
  void AwaitDriver();
  void Finish(Outcome outcome, std::string text);

  Loop& loop_;
  Feeds& feeds_;
  User& user_;
  Wish wish_;
  Done done_;
  FeedHold hold_;
  int tries_ = 0;
  int waits_ = 0;
  int behind_ = 0;        // sessions whose SELECT showed less than the client was told
  bool another_ = false;  // a session of ours stayed behind the client: this one is the last
  bool proven_ = false;   // the session's view is the client's frozen one
  std::optional<UidSet> frozen_;  // the client's view, where it was asked for while proven
  // Flags that the session told since the feed was asked to flush; by UID.
  std::map<uint32_t, FlagChange> news_;
  size_t news_bytes_ = 0;  // told for them, about
  std::string tell_;
  std::string alerts_;  // to be told before
  OwedExpunges owed_;
  std::unique_ptr<Opener> opener_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<Lister> lister_;
  Life life_;
  Alarm retry_;
  Alarm deadline_;
  const uint64_t since_ns_;
};

}  // namespace roost

#endif  // ROOST_CORE_PARK_WAKING_H_
