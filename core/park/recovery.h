// Finds a new driver for a feed whose session was lost: later and later, with jitter, as long as
// anybody subscribes.
//
//   kPausing -> kOpening -> kListing -> kFlags -> adopted
//   any failure -> kPausing (twice as long)
//
// So is the first pause, where the driver that the recovery before has found was lost young: within
// reconnect_max_ms.
//
// Subscribers stay connected and hear nothing meanwhile; afterwards the difference is logged as
// ordinary events: messages by comparing lists, flags by CHANGEDSINCE the confirmed MODSEQ, or by
// comparing all of them with their hashes where the store has no CONDSTORE. Where nothing true can
// be told (another UIDVALIDITY, UIDNEXT or HIGHESTMODSEQ gone back for good, mailbox gone,
// credentials refused) the feed dies and its subscribers get BYE.
#ifndef ROOST_CORE_PARK_RECOVERY_H_
#define ROOST_CORE_PARK_RECOVERY_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "core/feed/feed.h"
#include "core/park/lister.h"
#include "core/store/opener.h"

namespace roost {

class Feeds;

class Recovery final : public Retirable, private SessionSink {
 public:
  Recovery(Loop& loop, const Config& config, Feeds& feeds, Feed& feed);
  ~Recovery() override;
  // `moves`: the feed gave its session up, which is no reason to worry.
  void Start(bool moves);
  // Tries soon if it pauses, and not because of doubt about what the store says.
  void Hurry();

 private:
  // Sessions that are behind so often are not so by delay.
  static constexpr int kMaxBehind = 5;
  // Nor do stores fail to ENABLE so often what they offer.
  static constexpr int kMaxUnable = 5;
  // Of flags that changed while the store was away; each message counts about 100.
  static constexpr size_t kMostFlagBytes = size_t{256} << 20;

  void OnStoreData(Session& session, const Piece& piece, const Response* first) override;
  void OnSessionLost(Session& session, SessionLoss loss, const std::string& text) override;

  uint64_t FirstPauseMs() const;
  uint64_t Longer(uint64_t pause_ms) const;
  void Pause(std::string_view reason, bool moves = false);
  void Wait();
  void Open();
  void Opened(Opener::Result result);
  void ListNow();
  void ListRest();
  void Listed(bool ok);
  void FetchFlags();
  void Fetched(const Piece& piece, const Response& fetch);
  void RestListed(bool ok);
  void Adopt();
  void Behind();
  void NotEnabled(std::string_view reason);
  void DropSession();

  Loop& loop_;
  const Config& config_;
  Feeds& feeds_;
  Feed& feed_;
  uint64_t pause_ms_;
  int behind_ = 0;
  int unable_ = 0;  // times that CONDSTORE was not enabled
  bool needs_condstore_ = true;
  std::unique_ptr<Opener> opener_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<Lister> lister_;
  std::map<uint32_t, FlagChange> flags_;  // by UID: those that clients were not told
  uint32_t flags_asked_to_ = 0;           // the last UID known when they were asked for
  bool unreadable_ = false;               // one of the answers was
  size_t flag_bytes_ = 0;                 // of flags_, about
  Alarm alarm_;
};

}  // namespace roost

#endif  // ROOST_CORE_PARK_RECOVERY_H_
