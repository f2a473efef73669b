// Looks now and then whether a feed believes what its store says: a sample of one feed at a time.
//
// What it is: the check upon everything that keeps views, made for production, where no test can
// know the truth. What it is not: on any client's way. It holds no feed, so that nobody's wake or
// hand-over meets it; its session is a spare one (dialer.h), which gives way to whoever wants one;
// and a driver does for it what it does for a NOOP.
//
//   kResting --audit_s--> kOpening -> kListing -> kFlushing --equal--> kResting (agrees)
//                            ^                        | not, or another mailbox
//                            +------- kPausing <------+ --the same kMostLooks times--> (differs)
//   any --no session, feed or driver lost--> kResting (no verdict)
//
// A look opens a session of its own by EXAMINE and lists it, then the feed flushes, then the two
// are compared: the destination is synced last. What one look finds proves nothing. Mail comes and
// goes between list and flush, and the store shows one session's changes to another up to two
// seconds late, or later, where a server of several is behind. UIDs only ever go from unknown to
// present to gone, though: a message that is in each list and was missing in the feed after each
// flush before (or the other way about), over all of the looks, is explained by no delay of that
// length. What horizons forbid to be told, and what they would allow, is judged alike: both sides
// have had their time.
//
// Compared are UIDs, and UIDVALIDITY and MAILBOXID. Flags are not: a feed of a store with MODSEQ
// keeps none to compare with, and asking for all of them would cost a store more than a sample may.
//
// What differs for good is logged, counted, and the feed looks for a new session (Feeds::Recheck):
// the recovery tells clients the difference, or says BYE where nothing true can be told.
//
// Lifetime: the Auditor is Feeds'; an Audit is its own and ends when its feed is dropped. Bounds:
// one audit at a time on a shard, kMostLooks sessions one after the other, kMostSeconds.
#ifndef ROOST_CORE_PARK_AUDIT_H_
#define ROOST_CORE_PARK_AUDIT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/base/life.h"
#include "core/feed/feed.h"
#include "core/park/lister.h"
#include "core/store/opener.h"

namespace roost {

class Feeds;

// Of one feed. One use.
class Audit final : public Retirable, private SessionSink {
 public:
  enum class Verdict : uint8_t {
    kAgrees,
    kDiffers,
    kOtherMailbox,  // the name means another mailbox now, or none; the feed's session did not say
    kUnavailable,   // there was no session, or no driver, to the end of it
  };
  struct Result {
    Verdict verdict = Verdict::kUnavailable;
    uint32_t missing = 0;  // kDiffers: messages that the store has and the feed does not
    uint32_t extra = 0;    // kDiffers: the other way about
  };
  using Done = std::function<void(Result)>;

  Audit(Loop& loop, Feed& feed, Done done);
  ~Audit() override;
  void Start();
  // The feed goes: nothing more is done or said. Retire it then.
  void Abandon();
  Feed& feed() { return feed_; }

 private:
  // Five looks, 2.5 s apart: five times what a store may take to tell.
  static constexpr int kMostLooks = 5;
  static constexpr uint64_t kPauseMs = 2500;
  static constexpr uint64_t kMostSeconds = 120;
  enum class Finding : uint8_t { kEqual, kDifferent, kOtherMailbox };

  void OnStoreData(Session&, const Piece&, const Response*) override {}
  void OnSessionLost(Session& session, SessionLoss loss, const std::string& text) override;

  void Look();
  void Opened(Opener::Result result);
  void Listed(bool ok);
  void Flushed(bool ok);
  void CompareWith(const UidSet& listed);
  void Found(Finding finding);
  void DropSession();
  void Finish(Verdict verdict);

  Loop& loop_;
  Feed& feed_;
  Done done_;                          // null once it is over
  Finding finding_ = Finding::kEqual;  // of the last look
  int looks_ = 0;                      // in a row that found so
  // kDifferent: at each of them.
  UidSet missing_;
  UidSet extra_;
  std::unique_ptr<Opener> opener_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<Lister> lister_;
  Life life_;
  Alarm pause_;
  Alarm deadline_;
};

// Whose turn it is: the feeds of a shard one after the other, in the order of their table: the
// first is next, and goes to the back.
class Auditor {
 public:
  Auditor(Loop& loop, Feeds& feeds);
  ~Auditor();

  // Between two audits; 0: no more of them. One under way goes on.
  void SetPeriod(uint64_t seconds);
  // It is no longer among the feeds.
  void Remove(Feed& feed);

 private:
  // A driver that has just spoken is about to say more.
  static constexpr uint64_t kQuietNs = 2'000'000'000;
  // Of feeds that cannot be audited at the moment, at one time.
  static constexpr size_t kMostPassedOver = 64;

  void Arm();
  void AuditNext();
  Feed* NextFeed();
  bool MayBeAudited(const Feed& feed) const;
  void Over(const Audit::Result& result);

  Loop& loop_;
  Feeds& feeds_;
  uint64_t period_ns_ = 0;
  std::unique_ptr<Audit> audit_;
  Alarm alarm_;
};

}  // namespace roost

#endif  // ROOST_CORE_PARK_AUDIT_H_
