// One watched mailbox of one user: its view, its log of events, its driver, its subscribers.
//
// What it is: the source of truth for every client parked on the mailbox. A subscriber is a cursor
// into the log; the view at a cursor is what that client believes. What it is not: it knows no
// client and no TLS; who subscribes and how they are told is the FeedHost's business, how sessions
// are opened the recovery's (core/park).
//
//   kNew --Adopt--> kLive --driver lost, StopDriver--> kDriverless --Adopt--> kLive
//   any --Kill--> kDead (final)
//
// Place: IdleDriver -> Feed (canonical, logged) -> FeedHost (rendered once for each class, sealed,
// sent).
//
// Lifetime: owned by the shard's FeedTable as long as there is a subscriber or somebody is joining
// or waking (FeedHold). Bounds: the view by view_bytes_max and kMostMessages, the log by
// log_entries_max and log_bytes_max: what laggards are owed is coalesced (coalesce.h), and where
// that does not help the host must let the furthest behind go.
//
// Invariants
//  1. view() is the result of all logged events; each event's numbers are those of the view at its
//  place in the log.
//  2. Every UID below horizon() is decided in view(); horizon() never goes back.
//  3. view() is the feed's own; the driver's numbers are resolved in the driver's view only.
//  4. Coalescing changes nothing for a subscriber's cursor nor for a place that a hold has noted.
//     Anywhere else in the log it may: nobody keeps a number of it in another way.
#ifndef ROOST_CORE_FEED_FEED_H_
#define ROOST_CORE_FEED_FEED_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/base/list.h"
#include "core/base/shared_text.h"
#include "core/feed/coalesce.h"
#include "core/feed/event.h"
#include "core/feed/flag_hashes.h"
#include "core/feed/idle_driver.h"
#include "core/store/user.h"

namespace roost {

class Feed;

class FeedHost {
 public:
  virtual ~FeedHost() = default;
  // The log has grown: tell the subscribers that may be told.
  virtual void OnFeedNews(Feed& feed) = 0;
  // Something was logged; nobody is to be told yet.
  virtual void OnFeedLogged(const FeedEvent& event) { (void)event; }
  // The log is full: coalesce it for the cursors of all subscribers (CoalesceLog); while that does
  // not help let go of laggards (TrimLog).
  virtual void OnFeedLogFull(Feed& feed) = 0;
  // The driver was lost: find another (core/park/recovery.h).
  virtual void OnFeedDriverLost(Feed& feed, const std::string& text) = 0;
  // The store is asked for news because it tells none by itself.
  virtual void OnFeedPolls(Feed& feed) { (void)feed; }
  // The flags of all messages are known by their hashes.
  virtual void OnFeedLearned(Feed& feed) { (void)feed; }
  // Nothing true can be told any more: every subscriber gets BYE with the reason.
  virtual void OnFeedDead(Feed& feed, const std::string& reason) = 0;
};

class Feed final : public Retirable, private DriverListener {
 public:
  enum class State : uint8_t { kNew, kLive, kDriverless, kDead };
  enum class Adoption : uint8_t {
    kAdopted,
    kBehind,        // the session has not heard what the feed has: let it catch up and list again
    kOtherMailbox,  // another UIDVALIDITY, or UIDs went back: not the mailbox that was watched; or
                    // nothing is watched any more, as the feed is dead
  };

  // A larger view is not shared; one that grows beyond by more than an eighth is the feed's end.
  static constexpr size_t kMostViewBytes = UidSet::kMaxBytes / 4 * 3;
  // The same by count: one range of a few bytes may stand for billions, and clients are told of
  // each.
  static constexpr uint32_t kMostMessages = uint32_t{1} << 22;
  // Whether it has outgrown that.
  static bool IsTooLarge(const UidSet& view) {
    return view.size() > kMostMessages + kMostMessages / 8 ||
           view.memory_bytes() > kMostViewBytes + kMostViewBytes / 8;
  }

  Feed(Loop& loop, const Config& config, FeedHost& host, User& user, SharedText mailbox);
  ~Feed() override;

  // Makes a listed, settled session the driver: compared with the view, differences logged, then
  // IDLE. The one way for first park, raise of class and recovery. On kAdopted the session is
  // taken, else it is left. For a new feed, messages beyond the first `told` are logged as
  // arrivals: the first client is owed them.
  Adoption Adopt(std::unique_ptr<Session>& session, uint32_t told = UINT32_MAX);

  // See IdleDriver::Flush. false at once without a driver.
  void Flush(std::function<void(bool)> done);
  // The same, and horizon() is what the store's UIDNEXT allows. Costs a STATUS.
  void FlushToUidNext(std::function<void(bool)> done);
  // Another client is about to subscribe. Where the store may notify, the driver has it do so from
  // its next flush on: no single client could be given its session now.
  void ExpectMany();
  uint64_t flushed_ns() const { return driver_ ? driver_->flushed_ns() : 0; }
  // Nothing older than the flags that were logged can still be untold: a flush was asked for since.
  // Stores tell flags with their MODSEQ before expunges of a lower one.
  bool FlushedSinceFlags() const { return live() && flushed_ns() >= flags_ns_; }
  // A client was told flags by a session of its own, which no flush is known to cover.
  void NoteFlagsUnflushed() { flags_ns_ = loop_.now_ns(); }
  // Takes the session out, idle no more, everything it said logged. Null when it was lost, or at
  // once when somebody else is about to get it.
  void StopDriver(std::function<void(std::unique_ptr<Session>)> done);

  // Flag changes found by recovery rather than told by the driver; of several for one message the
  // last counts.
  void LogFlags(const std::vector<FlagChange>& changes);
  // Whether clients were told just these flags of the message, or nothing else since they asked.
  // False also when that is not known.
  bool KnowsFlags(uint32_t uid, std::string_view flags) const;
  // Flags of a message that are the clients' to fetch.
  void NoteFlags(uint32_t uid, std::string_view flags);
  void Kill(const std::string& reason);
  // What is to become its view IsTooLarge.
  void KillAsTooLarge();
  // Tells the host of what was logged outside of the driver's batches.
  void TellNews() { host_.OnFeedNews(*this); }
  // Untagged lines for every subscriber, that its driver did not hear. Those who lag may be let go.
  void TellLines(std::string_view lines) {
    OnDriverLine(lines);
    TellNews();
  }

  // Never given to another feed of this process: addresses are reused, and so are numbers in logs.
  uint64_t id() const { return id_; }
  State state() const { return state_; }
  bool dead() const { return state_ == State::kDead; }
  // kDead: what its clients are told with BYE.
  const std::string& death() const { return death_; }
  bool live() const { return state_ == State::kLive; }
  // The driver's session has what clients of this class must be told (MODSEQ).
  bool Serves(EnabledSet enabled) const;
  // By what its driver hears; kNone without one.
  enum class Driver : uint8_t { kNone, kIdle, kNotify, kPolling };
  Driver driver() const;
  // As the allocator counts.
  struct Bytes {
    size_t feed = 0;     // with its driver and hashes of flags
    size_t session = 0;  // of the driver
    size_t views = 0;    // heap of the feed's and the session's
    size_t log = 0;
  };
  Bytes memory() const;
  // StopDriver is under way.
  bool stopping() const { return driver_ && driver_->stopping(); }
  // Null without a driver.
  const Session* session() const { return driver_ ? &driver_->session() : nullptr; }

  User& user() { return user_; }
  const User& user() const { return user_; }
  const std::string& mailbox() const { return mailbox_; }
  uint32_t uid_validity() const { return uid_validity_; }
  const std::string& mailbox_id() const { return mailbox_id_; }
  bool no_modseq() const { return no_modseq_; }
  // What a recovery asks changes since: everything up to it has been logged. Moves with a SELECT,
  // and with a flush that began after the store spoke of it; never with FETCH lines.
  uint64_t confirmed_modseq() const { return confirmed_modseq_; }
  void set_confirmed_modseq(uint64_t modseq) { confirmed_modseq_ = modseq; }
  const std::string& flags() const { return flags_; }
  // When a recovery last found it a driver. 0: none has.
  uint64_t recovered_ns() const { return recovered_ns_; }
  void set_recovered_ns(uint64_t now_ns) { recovered_ns_ = now_ns; }
  // The first of the next recovery, if the driver that this one finds is lost young. 0: there was
  // no recovery.
  uint64_t next_pause_ms() const { return next_pause_ms_; }
  void set_next_pause_ms(uint64_t ms) { next_pause_ms_ = static_cast<uint32_t>(ms); }

  const UidSet& view() const { return view_; }
  uint64_t horizon() const { return horizon_; }
  uint64_t head() const { return log_.next_seq(); }
  const FeedLog& log() const { return log_; }
  void TrimLog(uint64_t below);
  // Makes the log smaller: `cursors` (in any order) and the places that holds have noted are told
  // the same by less. Nobody else may have a place in the log.
  void CoalesceLog(std::vector<uint64_t> cursors);
  // Nothing more can be logged.
  bool LogFull() const;
  // Room for a while; else coalescing would have to be repeated soon.
  bool LogHasRoom() const;
  // What a subscriber whose cursor is there believes. Precondition: the log still reaches back to
  // it.
  UidSet ViewAt(uint64_t cursor) const;
  uint32_t CountAt(uint64_t cursor) const;
  // Highest UID that it may know of, plus one.
  uint64_t HorizonAt(uint64_t cursor) const;
  bool ExpungesBetween(uint64_t from, uint64_t to) const;
  // Flags are among what was logged since.
  bool FlagsSince(uint64_t from) const;
  // Some of `uids` were logged as arrivals since. Of flags that changed before, the driver said
  // nothing: it did not know the message.
  bool ArrivedSince(uint64_t from, const UidSet& uids) const;
  // Every expunge that is logged from there on, or not logged yet, has a higher MODSEQ. 0: not
  // known.
  uint64_t ModseqBeforeExpunges(uint64_t from) const;
  // Appends what a client of this class is told for [from, to).
  void Render(uint64_t from, uint64_t to, EnabledSet enabled, std::string* out) const;
  // No fewer bytes than that appends.
  size_t RenderedAtMost(uint64_t from, uint64_t to, EnabledSet enabled) const;
  // The lines and flags alone that were logged since `from`, in the numbers of `view`; messages
  // that it lacks are left out.
  void RenderFlagsSince(uint64_t from, const UidSet& view, EnabledSet enabled,
                        std::string* out) const;
  // Flags were logged since `from` whose MODSEQ a driver without CONDSTORE was not told.
  bool FlagsWithoutModseqSince(uint64_t from) const;

  // Subscribers, linked through the cells of whoever hosts them.
  IndexList subscribers;
  uint32_t subscriber_count = 0;
  // Joins, wakes and recoveries under way, which need the feed to stay.
  uint32_t holds = 0;
  // Where in the log some of them want to read from.
  void NotePlace(uint64_t place);
  void ForgetPlace(uint64_t place);
  // Among all feeds of the shard (core/park/feed_table.h).
  Feed* next = nullptr;
  Feed* previous = nullptr;

 private:
  void OnDriverExpunged(const UidSet& uids) override;
  void OnDriverArrived(const UidSet& uids) override;
  void OnDriverFlags(uint32_t uid, std::string_view flags, uint64_t modseq) override;
  void OnDriverLine(std::string_view line) override;
  void OnDriverConfirmed(uint64_t modseq) override;
  void OnDriverDecided(uint64_t below) override { horizon_ = std::max(horizon_, below); }
  void OnDriverPolls() override { host_.OnFeedPolls(*this); }
  void OnDriverNotifyRefused(std::string_view text) override { user_.NoteNotifyRefused(text); }
  void OnDriverBatchEnd() override;
  void OnDriverLost(SessionLoss loss, const std::string& text) override;

  // What clients were told of flags, where there is no MODSEQ.
  struct FlagHashing {
    explicit FlagHashing(Loop& loop) : learn(loop) {}
    FlagHashes hashes;
    Alarm learn;
  };

  size_t MostLogBytes() const;
  void MakeRoom();
  void Log(FeedEvent event);
  void Describe(const SelectedMailbox& selected);
  bool NeedsFlagHashes() const;
  void LearnFlagsIn(uint64_t least_ns, uint64_t most_ns);
  void LearnFlags();
  void NoteFlagsAt(uint32_t position, std::string_view flags);

  Loop& loop_;
  const Config& config_;
  FeedHost& host_;
  User& user_;
  const uint64_t id_;
  const SharedText mailbox_;
  SharedText death_;
  SharedText mailbox_id_;
  SharedText flags_;
  uint64_t horizon_ = 1;
  uint64_t confirmed_modseq_ = 0;
  uint64_t flags_ns_ = 0;  // when flags were told last
  UidSet view_;
  std::unique_ptr<FlagHashing> hashing_;             // null where MODSEQ serves
  std::unique_ptr<std::multiset<uint64_t>> places_;  // null: none
  FeedLog log_;
  size_t log_bytes_ = 0;  // of log_'s entries
  std::unique_ptr<IdleDriver> driver_;
  uint32_t uid_validity_ = 0;
  State state_ = State::kNew;
  bool no_modseq_ = false;
  uint64_t recovered_ns_ = 0;
  uint32_t next_pause_ms_ = 0;
};

static_assert(sizeof(Feed) <= 256, "one for each mailbox that is watched");

}  // namespace roost

#endif  // ROOST_CORE_FEED_FEED_H_
