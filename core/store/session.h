// One backend connection to a store, authenticated as one user.
//
// What it is: connecting, TLS, greeting, login; then a command channel for Roost's own (hidden)
// commands and for the relayed ones of a client, with the store's stream cut into pieces and handed
// to whoever owns the session at the moment: a client's relay, a feed's driver, a park or wake
// under way, or the user's pool. What it is not: it decides nothing about views, parking or
// sharing.
//
//   kConnecting -> kHandshaking -> kGreeting -> (kStartTls -> kHandshaking) -> kCapability
//        -> kId -> kLogin -> kCapabilityAfter -> kReady
//   any -> kLost (final)
//
// Place: store -> Stream -> Session -> SessionSink; hidden commands' answers are eaten on the way.
//
// Lifetime: owned by its sink (unique_ptr handed around), retired through the Loop, never destroyed
// in a callback. After OnSessionLost or EndSession it says nothing more. Thread rule: its shard.
// Bounds: one receive buffer plus one line. Memory: a feed's session idles for days. What it needs
// only while something is under way (Work) is given back between two bursts of news.
//
// Invariants
//  1. A hidden command runs only while no client's command is unanswered, so tags never meet (RFC
//  3501, 2.2.1).
//  2. A tagged answer or `+` that nobody awaits ends the session.
//  3. With a view, the view's size is what the store announced, at every point of the stream.
//  4. An ALERT in an answer that is eaten, or before the login is over, goes to the sink as an
//  untagged line (RFC 3501, 7.1: people must be shown it); the same one once.
#ifndef ROOST_CORE_STORE_SESSION_H_
#define ROOST_CORE_STORE_SESSION_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/connection_id.h"
#include "core/base/credits.h"
#include "core/config/config.h"
#include "core/store/credentials.h"
#include "core/store/session_state.h"
#include "core/store/store_resolver.h"
#include "core/stream/loop.h"
#include "proto/imap/framer.h"
#include "proto/imap/mailbox_view.h"
#include "proto/imap/response.h"

namespace roost {

class SessionPlace;
class Session;

// Why a session was lost, by whose doing.
enum class SessionLoss : uint8_t {
  kNoPlace,      // never tried: the store has all the sessions or logins it may have (dialer.h)
  kUnreachable,  // no connection, TLS or greeting
  // The store said NO or BAD to the login, or no login can carry it; see login_answer.
  kRefused,
  kBye,       // the store said BYE
  kClosed,    // the connection ended; or none could be made for lack of something here
  kProtocol,  // the store broke the protocol
  kTimeout,   // no answer in time
};
inline constexpr size_t kSessionLosses = 7;

class SessionSink {
 public:
  virtual ~SessionSink() = default;
  // Logged in.
  virtual void OnSessionReady(Session& session) { (void)session; }
  // A piece of the store's stream that is not the answer to a hidden command. `first` is set for
  // the first piece of a response and lives as long as the call. State and view of the session
  // include it already.
  virtual void OnStoreData(Session& session, const Piece& piece, const Response* first) = 0;
  // A client's command was answered; called before OnStoreData gets the line.
  virtual void OnAnswered(Session& session, const SentCommand& command, const Response& response) {
    (void)session, (void)command, (void)response;
  }
  // RunIdle: the store's `+`, and the tagged answer.
  virtual void OnIdleStarted(Session& session) { (void)session; }
  virtual void OnIdleEnded(Session& session, const Response& response) {
    (void)session, (void)response;
  }
  virtual void OnSessionDrained(Session& session) { (void)session; }
  // Once; `text` for people. The session is still owned by the sink and must be retired by it.
  virtual void OnSessionLost(Session& session, SessionLoss loss, const std::string& text) = 0;
};

// What an operator says of a store. Constant; a reload puts another one in its place.
struct StoreSettings {
  std::shared_ptr<const StoreConfig> config;
  std::shared_ptr<const TlsClientContext> tls;  // null: none
};

// What dialers of one store share, those of all shards.
struct LoginCredits {
  Credits logins;                     // in progress
  Credits recoveries;                 // those of feeds among them
  std::atomic<uint64_t> waiting{0};   // users with clients that wait for their turn
  std::atomic<uint64_t> answered{0};  // logins of clients that had one, well or not
};

// What all sessions to one store share, in one shard.
struct StoreTarget : StoreSettings {
  static constexpr uint16_t kNoMaster = UINT16_MAX;
  StoreIndex index = 0;
  std::vector<StoreAddress> addresses;
  std::shared_ptr<LoginCredits> credits = std::make_shared<LoginCredits>();  // copies share it
  uint16_t masters = 0;  // counts those who have logged in for users, one after another
};

// For one that outlives whoever is given it.
inline std::shared_ptr<const StoreConfig> Borrowed(const StoreConfig& config) {
  return {std::shared_ptr<const StoreConfig>(), &config};
}

// Who the session is opened for.
struct SessionClient {
  Address peer;   // the client's address; family 0: nobody in particular
  Address local;  // where it connected to
  std::vector<std::pair<std::string, std::string>> id;  // its own ID fields, cleaned
  ConnectionId connection_id;
};

class Session final : public Retirable, private StreamOwner {
 public:
  enum class Phase : uint8_t {
    kConnecting,
    kHandshaking,
    kGreeting,
    kStartTls,
    kCapability,
    kId,
    kLogin,
    kCapabilityAfter,
    kReady,
    kLost,
  };
  // First piece of a response, or nullptr for the pieces that follow. True: eaten.
  using Untagged = std::function<bool(const Piece& piece, const Response* first)>;
  using Done = std::function<void(const Response& response)>;

  Session(Loop& loop, const StoreTarget& target, SessionSink& sink);
  ~Session() override;

  // Connects to the store's address number `attempt` (modulo) and logs in. Once.
  void Start(const Credentials& credentials, const SessionClient& client, size_t attempt);

  // Kept until the session is lost or closed.
  void set_place(std::unique_ptr<SessionPlace> place);
  // In place of Start: it is lost.
  void NoPlace();

  // The new one gets everything from here on, also what the one before did not want to read yet.
  void set_sink(SessionSink& sink) {
    sink_ = &sink;
    ResumeReading();
  }

  // ---- After OnSessionReady ----

  // Sends a hidden command: `text` without tag and CRLF. `done` gets the tagged answer (never
  // called if the session is lost first). `untagged` sees what arrives while it is the oldest
  // unanswered. Precondition: no client's command is unanswered.
  void Run(CommandKind kind, std::string_view text, Done done, Untagged untagged = {});
  void RunSelect(std::string_view mailbox, bool examine, Done done);
  // IDLE as a hidden command; the sink hears of its beginning and its end. EndIdle writes DONE;
  // precondition: OnIdleStarted was called.
  void RunIdle();
  void EndIdle();

  // Lists the selected mailbox's UIDs, so that view() is exact from then on: NOOP and UID SEARCH,
  // checked against EXISTS, repeated, by number as the last resort. `done(true)`: view() is there.
  void List(std::function<void(bool)> done);
  // Null until listed, and after another mailbox was selected.
  const MailboxView* view() const { return view_ ? &*view_ : nullptr; }
  MailboxView* mutable_view() { return view_ ? &*view_ : nullptr; }
  void DropView() { view_.reset(); }
  // What the response that is being delivered removed from the view. Valid inside OnStoreData only.
  const MailboxView::Expunged& last_expunged() const;
  const MailboxView::VanishedResult& last_vanished() const;
  // Every UID of the selected mailbox below is decided in view(). 0 without one.
  uint64_t horizon() const;

  // Relays the beginning of a client's command (and registers it), or more bytes of it.
  void Forward(SentCommand command, std::string_view bytes);
  void ForwardMore(std::string_view bytes);
  // What was forwarded under this tag, now whole, switches on CONDSTORE when it is answered well.
  void NoteCondstore(std::string_view tag) { state_.NoteCondstore(tag); }

  // Backpressure towards the store.
  void PauseReading();
  void ResumeReading();
  size_t unsent() const { return stream_.unsent(); }

  const SessionState& state() const { return state_; }
  // Nothing in flight and no response half received.
  bool Settled() const { return state_.idle() && AtResponseStart(); }
  bool AtResponseStart() const;
  // A client's LOGOUT was sent: the end that follows is wanted.
  bool saw_logout() const { return saw_logout_; }
  Phase phase() const { return phase_; }
  bool ready() const { return phase_ == Phase::kReady; }
  const StoreTarget& target() const { return target_; }
  // Index into target().addresses, and that one's generation then: where they are not the same
  // now, it is at another address.
  size_t address() const { return address_; }
  uint16_t address_generation() const { return address_generation_; }
  // Opened by a master user rather than with the user's own credentials; by which: as
  // target().masters was then, or kNoMaster for one who was another's predecessor already.
  bool as_proxy() const { return as_proxy_; }
  // Somebody had use for it since it came with a client's own login.
  bool asked_for() const { return asked_for_; }
  void set_asked_for() { asked_for_ = true; }
  uint16_t master() const { return master_; }
  // kRefused, inside OnSessionLost: the store's words, "NO [AUTHENTICATIONFAILED] …". Inside
  // OnSessionReady: the tagged OK.
  const std::string& login_answer() const;
  // Monotonic time of the last byte from the store.
  uint64_t last_heard_ns() const { return last_heard_ns_; }
  // It and what it owns, but for the heap of view(); as the allocator counts. What is shared by
  // many is not in it, nor is what only a login or a listing takes.
  size_t memory_bytes() const;

 private:
  struct Hidden {
    uint32_t number = 0;  // of its tag
    Done done;
    Untagged untagged;
    bool awaits_plus = false;  // IDLE's
  };
  struct Listing;
  struct Login;
  struct Work;  // session_work.h

  friend void EndSession(std::unique_ptr<Session> session);
  void Close();
  void OnConnected(Stream& stream) override;
  void OnInput(Stream& stream) override;
  void OnSecure(Stream& stream) override;
  void OnDrained(Stream& stream) override;
  void OnEnd(Stream& stream, StreamEnd end) override;

  void ProcessInput();
  void HandlePiece(const Piece& piece);
  void HandleReady(const Piece& piece, const Response* first);
  void HandleTagged(const Piece& piece, const Response& response);
  void Continued(const Piece& piece);
  bool OfferToHidden(const Piece& piece, const Response* first);
  void UpdateView(const Response& response);
  void RunHidden(SentCommand command, std::string_view text, Hidden hidden);
  void SetDeadline();
  void TellAlert(std::string_view text);

  // session_login.cc
  void HandleLoginPhase(const Piece& piece, const Response& response);
  void Greeted(const Response& response);
  void AfterCapability();
  void SendId();
  void SendLogin();
  void SendLoginParts();
  void WipeLogin();
  void LoginContinuation();
  void LoginAnswered(const Response& response);
  void LoggedIn();
  void Secured();
  std::string SaslMessage() const;
  void Authenticate(std::string_view mechanism);
  void CannotBeCarried();
  void AskCapability(Phase phase);

  // session_list.cc
  void ListStep();
  void ListAll();
  void ListByNumber();
  bool ListedPiece(const Piece& piece, const Response* first);
  void ListEnd(bool ok);
  void Lose(SessionLoss loss, std::string text);
  void Expect(uint64_t seconds, const char* what);
  void Overdue(uint64_t timeout_ns);
  std::string NextTag();
  static std::string TagOf(uint32_t number);
  Work& work();
  void Rest();

  Loop& loop_;
  const StoreTarget& target_;
  SessionSink* sink_;
  Stream stream_;
  SessionState state_;
  std::optional<MailboxView> view_;
  std::unique_ptr<Work> work_;
  std::unique_ptr<SessionPlace> place_;
  uint64_t last_heard_ns_ = 0;
  uint32_t tag_number_ = 0;
  uint32_t last_alert_ = 0;  // a hash
  uint16_t address_ = 0;
  Phase phase_ = Phase::kConnecting;
  bool in_input_ : 1 = false;
  bool paused_ : 1 = false;
  bool idling_ : 1 = false;  // IDLE's `+` has come and DONE has not been sent
  bool secured_ : 1 = false;
  bool saw_logout_ : 1 = false;
  bool as_proxy_ : 1 = false;
  bool asked_for_ : 1 = false;
  uint16_t master_ = 0;
  uint16_t address_generation_ = 0;
};

static_assert(sizeof(Session) <= 256, "one for each feed, for days");

// Orderly when nothing is in flight (LOGOUT), else at once. Nothing is said to the sink. It is
// freed when the turn is over. Null is fine.
void EndSession(std::unique_ptr<Session> session);

}  // namespace roost

#endif  // ROOST_CORE_STORE_SESSION_H_
