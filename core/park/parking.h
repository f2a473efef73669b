// Parks a client on its own session: the session becomes the feed's, or the client joins a feed.
//
//   list -> no feed: adopt ---------------------------------------------------------> parked
//        -> live feed that serves the class: it flushes (syncs last) -> compare, tell -> parked
//        -> live feed of a lower class: it flushes, its driver stops
//           -> list again (this session syncs last)
//           -> adopt, differences logged for the others ----------------------------> parked
//   any -> kept: the client keeps its session (pinned in fact, for now)
//   any --Cancel--> kept, when settled
//
// What it is not: it owns neither client nor session until the end. While it runs, news of the
// session are relayed to the client by the session's sink, as in any IDLE; the client's view is the
// session's all along.
//
// A client in IDLE is told every difference on the way. A quiet one (not in IDLE) may be told
// nothing until it speaks, so its view stays the one that it had at the start: what the session
// says meanwhile is withheld by its sink, and the client parks only where the feed's log can owe
// it exactly that. An EXPUNGE that comes before the list names no UID and ends the attempt.
//
// One use. Its owner must cancel it when the session is lost. Rules: join notes the log's head
// before it lists; the destination syncs last; a difference that the horizons forbid is never told,
// but flushed and compared again.
#ifndef ROOST_CORE_PARK_PARKING_H_
#define ROOST_CORE_PARK_PARKING_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/life.h"
#include "core/feed/event.h"
#include "core/park/feeds.h"
#include "core/park/lister.h"
#include "core/park/may_serve.h"

namespace roost {

class Parking final : public Retirable {
 public:
  struct Result {
    bool parked = false;     // else the client keeps its session, settled
    bool try_again = false;  // kept for a passing reason
    // Kept because the feed of its mailbox's name watches another one, and has been looked at
    // again.
    bool other_mailbox = false;
    Feed* feed = nullptr;  // held until the callback returns
    uint64_t cursor = 0;
    std::string tell;           // to the client, before anything else
    bool took_session = false;  // it drives the feed now, else it is the caller's to release
  };
  using Done = std::function<void(Result)>;
  enum class Mode : uint8_t {
    kIdle,   // the client is in IDLE
    kQuiet,  // no command of it is in progress
  };

  // *session stays the caller's unless taken; it is selected, settled and MayBeWatched.
  Parking(Loop& loop, const Config& config, Feeds& feeds, User& user,
          std::unique_ptr<Session>& session, Mode mode, Done done);
  ~Parking() override;
  // False: that was tried for the mailbox already (Result::other_mailbox).
  void set_may_recheck(bool may) { may_recheck_ = may; }
  void Start();
  // The client wants to go on: Done comes, not parked, as soon as the session is settled (perhaps
  // at once).
  void Cancel();
  // The session said this, which its client was told (kIdle) or is owed (kQuiet).
  void NoteNews(const Piece& piece, const Response& response);
  // The client or its session is gone: nothing more is done or said. Retire it then.
  void Abandon();

 private:
  static constexpr int kMaxTries = 4;
  // A new log holds them all.
  static constexpr size_t kMaxOwedFlags = 128, kMaxOwedBytes = 256;
  static constexpr uint64_t kRetryMs =
      150;  // stores show one session's change to another within half a second

  void List();
  void Listed(bool ok);
  void Join();
  void Flushed(bool ok);
  void Raise();
  void TakeOver(bool flushed);
  void Adopt();
  void JoinQuietly();
  bool AwaitsUidNext();
  UidSet ToldView() const;
  bool FitsTold() const;
  void NoteWithheld(const Piece& piece, const Response& response);
  void Keep(bool try_again);
  void KeepOfAnotherMailbox();
  void Kept(Result result);
  void Finish(Result result);
  bool Gone();
  void TryLater(std::function<void()> action);
  std::function<void(bool)> Guarded(void (Parking::*method)(bool));

  Loop& loop_;
  Feeds& feeds_;
  User& user_;
  std::unique_ptr<Session>& session_;
  const Mode mode_;
  Done done_;
  const size_t most_owed_flags_;
  const size_t most_bytes_;  // of a view that is shared
  Feed* feed_ = nullptr;
  FeedHold hold_;
  uint64_t mark_ = 0;      // the feed's log head before this session was listed
  bool adopting_ = false;  // the next list is for adoption by an existing feed
  bool heard_ = false;     // the session told flags since the feed was asked to flush
  // kQuiet: what the client is owed.
  uint32_t told_ = 0;                   // messages it knew of at the start
  bool told_in_doubt_ = false;          // more than those, perhaps (exists_doubtful)
  bool unowable_ = false;               // something that no log entry could stand for
  std::vector<FlagChange> owed_flags_;  // uid: the number, until all are known
  bool cancelled_ = false;
  bool may_recheck_ = true;
  bool asked_uid_next_ = false;
  int tries_ = 0;
  std::unique_ptr<Lister> lister_;
  Life life_;
  Alarm retry_;
};

}  // namespace roost

#endif  // ROOST_CORE_PARK_PARKING_H_
