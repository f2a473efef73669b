// An attached client: its commands go to its session, the session's responses to it, byte for byte.
//
// What it is: the relay, which reads along just enough to know what is in progress, what is
// selected and which class the client is of (the session's state says so), and which turns IDLE
// into parking. What it is not: it answers nothing that the store can answer, except what must not
// reach a store (see RefusalOf) and ID and CAPABILITY, which Roost speaks for.
//
//   kRelaying --IDLE, all answered--> kParking --parked--> Awake (talk over)
//                                     kParking --kept--> kOwnIdle (for this client alone)
//   kOwnIdle --the next try, or a look whether the store is there--> kParking
//   kParking, kOwnIdle --DONE--> kEnding --hidden commands answered--> kRelaying
//   kRelaying --silent for quiet_park_s, all answered--> kQuietParking --parked--> Awake
//                                                        kQuietParking --kept--> kRelaying
//
// A client that woke with expunges owed to it is relayed through RelayMapped until they are told.
//
// Invariants
//  1. A command line is forwarded whole or not at all; literals stream. Bytes of `{n}` wait for the
//  store's `+`.
//  2. Own answers are written only when every forwarded command is answered and no response is half
//  relayed.
//  3. Hidden commands run only in kParking, kOwnIdle, kEnding, kQuietParking: no client command is
//  unanswered then.
//  4. A client that used a command outside the whitelist of stateless ones is pinned: it never
//  parks.
//  5. While expunges are owed one command is in flight at a time, and the client does not park.
#ifndef ROOST_CORE_CLIENT_RELAY_H_
#define ROOST_CORE_CLIENT_RELAY_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "core/client/client.h"
#include "core/client/relay_mapped.h"
#include "core/park/parking.h"
#include "proto/imap/extensions.h"

namespace roost {

class Relay final : public Talk, private SessionSink {
 public:
  // `capabilities`: what the client is told that the session can do.
  Relay(Client& client, std::unique_ptr<Session> session, CapabilitySet capabilities);
  ~Relay() override;

  // Of a client that shares nothing, and therefore has no user.
  void set_login(std::string login, std::string counted_as) {
    login_ = std::move(login);
    counted_as_ = std::move(counted_as);
  }
  // Before Begin: the client counts messages that the session does not.
  void Owe(OwedExpunges owed);
  // Takes over from Awake with the first piece of a command that waited for the session; its bytes
  // are consumed.
  void Begin(const Piece& piece);

  void OnInput() override;
  void OnDrained() override;
  void OnTimer() override;
  void OnBeatChanged() override;
  void OnEnd() override;
  std::string_view login() const override { return login_; }
  std::string_view counted_as() const override { return counted_as_; }
  const Session* session() const override { return session_.get(); }
  bool Busy() const override;
  bool EndIsSaid() const override;
  bool MayInterject() const override { return session_ == nullptr || session_->AtResponseStart(); }

 private:
  enum class State : uint8_t { kRelaying, kParking, kOwnIdle, kEnding, kQuietParking };
  // What is done with the command under way.
  enum class Route : uint8_t {
    kForward,
    kLocal,
    kRefuse,
    kMapped,         // collected whole, its numbers rewritten, forwarded
    kExpungeIssued,  // refused, because its numbers cannot be rewritten
  };

  // Why a client stays on its own session, as KeptName says it.
  enum class Kept : uint8_t {
    kNot,
    kNameNotProven,
    kPinned,
    kProxySeesOtherwise,
    kCredentialsRefused,
    kExpungesOwed,
    kSwitchedOff,
    kSelectAnsweredBad,
    kCondstoreRefused,
    kUnknownExtension,
    kStoreWithoutIdle,
    kStoreWithoutEnable,
    kUidsNotKept,
    kNameNotCommon,
    kProxyNotCompared,
    // It may park, but that came to nothing.
    kOtherMailbox,
    kNotNow,
    kNotComparable,
  };

  static constexpr uint64_t kBadSeconds = 10;
  static constexpr uint64_t kHalfRelayedMs = 20;
  static constexpr size_t kKeptCommandBytes = 64 * 1024;
  static constexpr uint64_t kFirstRetryMs = 2000, kLastRetryMs = 120'000;

  void OnStoreData(Session& session, const Piece& piece, const Response* first) override;
  void OnAnswered(Session& session, const SentCommand& command, const Response& response) override;
  void OnIdleStarted(Session& session) override;
  void OnIdleEnded(Session& session, const Response& response) override;
  void OnSessionDrained(Session& session) override;
  void OnSessionLost(Session& session, SessionLoss loss, const std::string& text) override;

  bool Held() const;
  bool MustReadFirst();
  void TakePiece(const Piece& piece);
  void BeginCommand(const Piece& piece);
  void ForwardFirst(const Command& command, const Piece& piece);
  Route RouteOf(const Command& command, const Piece& piece) const;
  bool Carries(const Piece& piece);
  bool Answered() const;
  void CancelCommand();
  void EndCommand();
  void RunLocal();
  void ExecuteLocal(const std::string& text);
  void IdleLine(std::string_view line);
  bool RewriteCapabilities(const Piece& piece, const Response& first, std::string* line);
  void CheckSettled();
  void ArmForBad();
  void Pin(CommandKind kind);

  // relay_owed.cc
  Route RouteMapped(const Command& command) const;
  void ForwardedMapped(const Command& command);
  void RunMapped(const Command& command);
  void TellOwedBefore(const Response& first);
  void TellOwed();
  void TellKnown();
  bool RelayThroughMap(const Piece& piece, const Response* first);

  // relay_idle.cc
  bool MayIdle() const;
  void StartIdle(std::string_view tag);
  static bool KnowsOwnRights(const Session& session);
  Kept WhyKept() const;
  static std::string_view KeptName(Kept why);
  void StartParking();
  void StartParkingAs(Parking::Mode mode);
  void ParkingDone(const Parking::Result& result);
  void Park(const Parking::Result& result);
  void ParkUnselected();
  void StartOwnIdle(Kept why);
  void Retry();
  void ArmIdleTimer();
  void OnIdleTimer();
  void SetCheck();
  void EndOwnIdle();
  bool OwnIdlePolls() const;
  void PollLater();
  void EndIdle(bool properly);
  void IdleEnded();
  std::string IdleAnswer(const SessionState& state) const;

  // relay_quiet.cc
  void ArmQuiet(uint64_t in_ns);
  bool NothingUnderWay() const;
  bool Quiet() const;
  std::string_view EndOf();
  bool Leaves();
  void StartQuietParking();
  void QuietParkingDone(const Parking::Result& result);
  void Withhold(const Piece& piece, const Response* first);
  bool ForbidsWithheld(const Command& command) const;
  bool TakesWithheld(const Command& command) const;
  void TellWithheld();

  std::string login_, counted_as_;
  std::unique_ptr<Session> session_;
  CapabilitySet capabilities_;
  State state_ = State::kRelaying;
  Route route_ = Route::kForward;
  bool pinned_ = false;
  bool mailbox_is_prefix_ = false;
  bool awaits_plus_ = false;   // a `{n}` was forwarded; its bytes wait for `+`
  bool untagged_bad_ = false;  // seen while commands were unanswered
  bool local_ready_ = false;   // an own answer waits until the session is settled
  bool store_paused_ = false;
  bool own_idle_started_ = false;
  bool idle_by_done_ = false;  // IDLE is being ended by DONE, not by something else
  bool idle_refused_ = false;  // by the store, that offers it; in this IDLE of the client
  bool quiet_over_ = false;    // this silence cannot be parked; the next command begins another
  bool withheld_expunge_ = false;
  std::string command_;        // text and small literals of the command under way
  LiteralsOf literals_;        // of the command under way
  std::string forwarded_tag_;  // of the command under way
  std::string local_;          // command that is answered here
  std::string idle_tag_;
  uint32_t rechecked_for_ = 0;  // UIDVALIDITY; the feed of its name was seen to be of another one
  uint64_t retry_ms_ = kFirstRetryMs;
  uint64_t active_ns_ = 0;       // when either side said something last
  uint64_t check_ns_ = 0;        // kOwnIdle: when the session is to prove that it is there
  bool may_park_later_ = false;  // kOwnIdle: what keeps it from parking may pass by itself
  // What the session said while the client was quiet, told at its next command. In kQuietParking
  // no command of it is in progress, so EXPUNGE must not be told at once.
  std::string withheld_;
  std::unique_ptr<Parking> parking_;
  std::unique_ptr<RelayMapped> mapped_;  // null: nothing is owed
  Alarm retry_;
};

}  // namespace roost

#endif  // ROOST_CORE_CLIENT_RELAY_H_
