// A client that is not logged in: greeting, CAPABILITY, ID, STARTTLS, LOGIN, AUTHENTICATE, answered
// here.
//
//   kProxy --header of a balancer--> kTalking
//   kTalking --LOGIN or AUTHENTICATE read--> kMoving (to the owner's shard)
//                                         |  kLoggingIn --store's OK--> Relay
//                                            kLoggingIn --store's NO--> kTalking
//   kSasl: the next line answers a challenge
//   kAwaitingTls: said STARTTLS, and is answered when its handshake may begin
//   kDelayed: before kLoggingIn, where many logins from this address were refused
//   kLookingUp: before kLoggingIn, where the route is looked up; then kDelayed, if the service
//               wants to be asked again or the refusal to be told later
//   kOver: logged in, or gone to the owner's shard; what is left does nothing
//
// The client's own credentials are always checked by the store, on a session opened for it; or, if
// the operator says so, by the look-up service, whose answer then says what the session is opened
// with. What the service says of another name is believed only of a service that verifies, or where
// the store takes that name with the client's own password. Nothing is executed that came in clear
// before STARTTLS; LOGIN without TLS is refused unless the listener allows it (RFC 3501, 6.2; RFC
// 8314). Bounds: line, literal, bad commands and failed logins, each by configuration; the deadline
// is the cell's timer.
#ifndef ROOST_CORE_CLIENT_ENTERING_H_
#define ROOST_CORE_CLIENT_ENTERING_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/client/client.h"
#include "core/client/login_audit.h"

namespace roost {

class Entering final : public Talk, private SessionSink {
 public:
  explicit Entering(Client& client);
  ~Entering() override;

  // A new connection: TLS or greeting.
  void Begin(SocketId socket);
  // A connection that came from another shard, with credentials to be checked.
  void Continue(std::unique_ptr<MovingClient> moved);

  void OnInput() override;
  void OnSecure() override;
  void OnDrained() override;
  void OnTimer() override;
  void OnTurnForTls() override;
  void OnEnd() override;
  // Of a login whose connection did not arrive at the shard that owns its user.
  static void LogLost(Services& services, const MovingClient& moved, LoginResult result);
  std::string_view login() const override { return credentials_.user; }
  std::string_view counted_as() const override { return counted_as_; }
  // What TLS is to begin on must not begin with a word of ours.
  bool MayInterject() const override { return state_ != State::kProxy; }

 private:
  enum class State : uint8_t {
    kProxy,
    kTalking,
    kSasl,
    kAwaitingTls,
    kMoving,
    kDelayed,
    kLookingUp,
    kLoggingIn,
    kOver,
  };

  // As a wrong password, so that nobody learns who exists.
  static constexpr std::string_view kRefused = "NO [AUTHENTICATIONFAILED] Authentication failed.";
  static constexpr std::string_view kUnavailable =
      "NO [UNAVAILABLE] The mail store cannot be reached now; please try again later";
  static constexpr std::string_view kStoreDrained = "the store is drained";
  static constexpr std::string_view kBadName = "the name is not one for this store";
  static constexpr size_t kMostNameBytes = 1000;

  // What is known of the login under way beside its credentials.
  struct Attempt {
    std::optional<StoreIndex> route;  // where the user belongs, which drained stores do not change
    StoreIndex store = 0;
    size_t address = 0;         // of the store
    std::vector<size_t> tried;  // addresses, this one the last
    bool verified = false;      // by the look-up service: credentials_ are what it says
    std::string alerts;         // told already
  };

  const ListenerConfig& listener() const;
  bool MayLogIn() const;
  bool LoggingIn() const;
  void LetGo();
  void Armed();
  bool AwaitsProxy() const;
  bool TakeProxyHeader();
  void ProxyHeaderOver();
  bool Admit();
  void Start();
  void BeginTls();
  void HandshakeFailed(std::string_view reason);
  const std::string& Capabilities() const;
  CapabilitySet MakeCapabilities(bool may_start_tls) const;
  void Greet();
  bool TakePiece(const Piece& piece);
  bool TakeLiteralMark(const Piece& piece);
  void BadCommand(std::string_view tag, std::string_view text);
  void Execute(const std::string& text);
  void StartTls(const Command& command);
  void Login(const Command& command);
  void Authenticate(const Command& command);
  void SaslLine(std::string_view line);
  void SaslMessage(std::string message);

  // entering_login.cc
  void OnSessionReady(Session& session) override;
  void OnStoreData(Session& session, const Piece& piece, const Response* first) override;
  void OnSessionLost(Session& session, SessionLoss loss, const std::string& text) override;
  // Not one that a master login or a log line could be confused by.
  static bool IsSaneName(std::string_view user, const StoreConfig& store);
  void GiveTime();
  void Proceed(Credentials credentials);
  void MoveWhenDrained();
  uint64_t NowSeconds() const;
  void CheckLogin();
  void ChooseStore();
  void Unroutable(std::string_view store, std::string_view reason);
  void OpenSession();
  bool IsProven(const StoreConfig& store) const;
  std::string NameToCount(bool proven) const;
  void TooManyOfUser();
  void LoginRefused(std::string_view answer, std::string_view store, std::string_view reason);
  void LoginFailed(LoginResult result, std::string_view answer, std::string_view store,
                   std::string_view reason);
  void Audit(LoginResult result, std::string_view store, std::string_view reason);

  // entering_lookup.cc
  bool TakesTokens() const;
  void LookUp();
  void LookedUp(LookupResult result, bool verifies);
  void TellRefusal(const std::string& text);
  void TakeRoute(LookupResult result);

  State state_ = State::kTalking;
  SaslMechanism mechanism_ = SaslMechanism::kUnknown;
  std::string sasl_user_;  // LOGIN mechanism: the first answer
  std::string command_;    // pieces of the command under way, small literals included
  std::string tag_;        // of the LOGIN or AUTHENTICATE under way
  Credentials credentials_;
  bool handshaking_ = false;  // TLS has begun, and is not done
  int bad_commands_ = 0;
  int failed_logins_ = 0;
  Attempt attempt_;
  std::string counted_as_;
  std::unique_ptr<Lookup> lookup_;
  uint64_t since_ns_ = 0;
  uint64_t tls_since_ns_ = 0;  // STARTTLS: it was said, or answered; 0: neither
  uint32_t target_shard_ = 0;
  std::unique_ptr<Session> session_;
  Alarm delay_;
};

}  // namespace roost

#endif  // ROOST_CORE_CLIENT_ENTERING_H_
