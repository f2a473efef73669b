#include "core/client/entering.h"

#include <algorithm>
#include <utility>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/client/sasl_credentials.h"
#include "core/store/told_capabilities.h"
#include "proto/net/proxy_header.h"

namespace roost {
namespace {

constexpr std::string_view kContinue = "+ OK\r\n";
constexpr std::string_view kBehindStartTls = "Nothing may follow STARTTLS before its answer";
constexpr std::string_view kNeedsTls = "NO [PRIVACYREQUIRED] Log in over TLS only";

Address FromProxy(const ProxyEndpoint& endpoint) {
  Address address;
  address.family = endpoint.family;
  address.port = endpoint.port;
  std::copy(endpoint.bytes.begin(), endpoint.bytes.end(), address.bytes);
  return Unmapped(address);
}

}  // namespace

Entering::Entering(Client& client)
    : Talk(client), since_ns_(client.services().loop.now_ns()), delay_(client.services().loop) {
  client.ResetFramer(static_cast<size_t>(client.services().config.limits.max_line_before_login));
}

Entering::~Entering() {
  LetGo();
  Cleanse(&command_);
}

bool Entering::LoggingIn() const {
  return state_ == State::kMoving || state_ == State::kDelayed || state_ == State::kLookingUp ||
         state_ == State::kLoggingIn;
}

void Entering::OnEnd() {
  // Not where nothing went wrong but the connection ended meanwhile.
  if (handshaking_ && !client_.stream().error().empty()) HandshakeFailed(client_.stream().error());
  if (LoggingIn()) {
    Audit(LoginResult::kAbandoned, session_ == nullptr ? "" : session_->target().config->name,
          "the connection ended before the answer");
  }
  LetGo();
}

// The cell is free for another client from here on: an answer to the login must find nobody.
void Entering::LetGo() {
  delay_.Cancel();
  lookup_.reset();
  ProxyHeaderOver();
  EndSession(std::move(session_));
}

const ListenerConfig& Entering::listener() const {
  return client_.services().config.listeners[client_.cell().listener];
}

bool Entering::MayLogIn() const {
  return client_.stream().secure() || listener().allow_plaintext_login;
}

void Entering::Armed() {
  const TimeoutsConfig& t = client_.services().config.timeouts;
  const bool handshake = client_.stream().phase() == Stream::Phase::kHandshaking ||
                         state_ == State::kProxy || state_ == State::kAwaitingTls;
  uint64_t end_ns = since_ns_ + SecondsToNs(static_cast<uint64_t>(t.login_s));
  if (handshake) {
    const uint64_t from_ns = std::max(since_ns_, tls_since_ns_);
    end_ns = std::min(end_ns, from_ns + SecondsToNs(static_cast<uint64_t>(t.handshake_s)));
  }
  client_.services().clients.SetTimer(client_.index(), end_ns);
}

void Entering::OnTimer() {
  const bool waits = state_ == State::kAwaitingTls;
  const bool handshake = handshaking_ || waits;
  client_.services().stats.Hit(handshake ? ClientLimit::kHandshakeTime : ClientLimit::kLoginTime);
  if (handshake) HandshakeFailed(waits ? "too many others were in progress" : "it took too long");
  client_.Bye("Autologout; not logged in in time");
}

void Entering::Begin(SocketId socket) {
  client_.stream().Open(socket);
  if (AwaitsProxy()) {
    state_ = State::kProxy;
    ++client_.services().awaiting_proxy_header;
    return Armed();
  }
  if (Admit()) Start();
}

// Nobody else could say so without being believed.
bool Entering::AwaitsProxy() const {
  const std::vector<Network>& from = listener().proxy_from;
  const Address& peer = client_.cell().peer;
  return std::any_of(from.begin(), from.end(), [&](const Network& n) { return n.Contains(peer); });
}

// False: it has not come whole, or the connection is over.
bool Entering::TakeProxyHeader() {
  const ProxyParse parsed = ParseProxyHeader(client_.stream().input());
  if (parsed.verdict == ProxyParse::Verdict::kNeedMore) return false;
  if (parsed.verdict == ProxyParse::Verdict::kError) {
    ++client_.services().stats.bad_proxy_headers;
    Log(LogLevel::kWarning, "bad_proxy_header",
        {{"address", client_.cell().peer.HostString()},
         {"session", client_.cell().connection_id.Text()},
         {"reason", parsed.error}});
    client_.Abort();
    return false;
  }
  client_.stream().Consume(parsed.consumed);
  ProxyHeaderOver();
  if (!parsed.header.local) {
    client_.cell().peer = FromProxy(parsed.header.source);
    if (!Admit()) return false;
  }
  Start();
  return client_.stream().phase() == Stream::Phase::kPlain;
}

void Entering::ProxyHeaderOver() {
  if (state_ != State::kProxy) return;
  state_ = State::kTalking;
  --client_.services().awaiting_proxy_header;
}

// Counts it where it comes from. False: there are too many already, and it was told so.
bool Entering::Admit() {
  Services& services = client_.services();
  ClientCell& cell = client_.cell();
  const auto limit = static_cast<uint32_t>(services.config.limits.max_clients_per_address);
  cell.counted = limit != 0 && services.addresses.Enter(cell.peer, limit);
  if (limit == 0 || cell.counted) return true;
  ++services.stats.refused_by_address;
  Log(LogLevel::kInfo, "refused_by_address",
      {{"address", cell.peer.HostString()}, {"session", cell.connection_id.Text()}});
  const bool clear = listener().tls != ListenerConfig::Tls::kImplicit;
  clear ? client_.Bye("[UNAVAILABLE] Too many connections from your address") : client_.Close();
  return false;
}

void Entering::Start() {
  if (listener().tls == ListenerConfig::Tls::kImplicit) {
    BeginTls();
  } else {
    Greet();
  }
  Armed();
}

void Entering::BeginTls() {
  handshaking_ = true;
  client_.stream().StartTls(client_.services().tls);
}

void Entering::HandshakeFailed(std::string_view reason) {
  Log(LogLevel::kInfo, "handshake_failed",
      {{"address", client_.cell().peer.HostString()},
       {"session", client_.cell().connection_id.Text()},
       {"reason", reason}});
}

void Entering::OnSecure() {
  handshaking_ = false;
  Armed();
  if (listener().tls == ListenerConfig::Tls::kImplicit) Greet();
}

const std::string& Entering::Capabilities() const {
  Services& services = client_.services();
  const bool may_start_tls = listener().tls == ListenerConfig::Tls::kStartTls &&
                             !client_.stream().secure() && services.tls != nullptr;
  std::string& text = services.capability_texts[(may_start_tls ? 2 : 0) + (MayLogIn() ? 1 : 0)];
  if (text.empty()) text = MakeCapabilities(may_start_tls).ToString();
  return text;
}

CapabilitySet Entering::MakeCapabilities(bool may_start_tls) const {
  const Services& services = client_.services();
  CapabilitySet set;
  const bool configured = !services.config.capabilities_before_login.empty();
  if (configured) {
    for (const std::string& name : services.config.capabilities_before_login) set.Add(name);
  } else {
    // Also where nothing is known of the stores, or they have neither in common.
    if (!services.shared_capabilities.Has("IMAP4rev2")) set.Add("IMAP4rev1");
    const CapabilitySet shared = ToldCapabilities(services.shared_capabilities, services.config);
    shared.ForEach([&](std::string_view name) { set.Add(name); });
    // What is answered here does not depend on the store.
    set.Remove("LITERAL-");
    for (std::string_view own : {"SASL-IR", "LITERAL+", "ID", "ENABLE"}) set.Add(own);
  }
  if (may_start_tls) set.Add("STARTTLS");
  if (!MayLogIn()) {
    set.RemovePrefix("AUTH=");
    set.Add("LOGINDISABLED");
    return set;
  }
  if (configured) return set;
  set.Add("AUTH=PLAIN");
  set.Add("AUTH=LOGIN");
  for (std::string_view token : {"AUTH=OAUTHBEARER", "AUTH=XOAUTH2"}) {
    if (TakesTokens() && services.shared_capabilities.Has(token)) set.Add(token);
  }
  return set;
}

void Entering::Greet() {
  client_.Write("* OK [CAPABILITY " + Capabilities() + "] " + client_.services().config.greeting +
                "\r\n");
}

void Entering::OnInput() {
  if (state_ == State::kProxy && !TakeProxyHeader()) return;
  if (state_ == State::kAwaitingTls) {
    // Or nothing has come: input is resumed after the answer to what was before STARTTLS.
    if (!client_.stream().input().empty()) client_.Bye(kBehindStartTls);
    return;
  }
  while (!client_.closed() && (state_ == State::kTalking || state_ == State::kSasl)) {
    if (client_.MustReadFirst()) return;
    const Piece piece = client_.NextPiece();
    if (piece.kind == Piece::Kind::kNeedMore) {
      // Only now: a connection with a receive outstanding could not move.
      if (!client_.closed() && !client_.stream().reading()) client_.stream().SetReading(true);
      return;
    }
    const size_t size = piece.bytes.size();
    const bool whole = TakePiece(piece);
    if (client_.closed()) return;
    client_.stream().Consume(size);
    if (!whole) continue;
    std::string text = std::exchange(command_, {});
    Cleanse(&command_);  // a short one lay in the string itself
    if (state_ == State::kSasl) {
      SaslLine(text);
    } else {
      Execute(text);
    }
    Cleanse(&text);
  }
}

// Adds to the command under way; true when it is whole.
bool Entering::TakePiece(const Piece& piece) {
  AppendSecret(&command_, piece.bytes);
  if (piece.literal.present && !TakeLiteralMark(piece)) return false;
  return piece.ends_message;
}

bool Entering::TakeLiteralMark(const Piece& piece) {
  const LimitsConfig& limits = client_.services().config.limits;
  const bool fits = piece.literal.size <= static_cast<uint64_t>(limits.max_literal_before_login) &&
                    command_.size() < static_cast<size_t>(limits.max_line);
  if (fits) {
    if (!piece.literal.non_sync) client_.Write(kContinue);
    return true;
  }
  const Command command = ParseCommand(command_);
  client_.Answer(command.tag, "BAD [TOOBIG] The literal is too long here");
  client_.services().stats.Hit(ClientLimit::kLine);
  client_.Bye("Too long a literal before login");
  return false;
}

void Entering::BadCommand(std::string_view tag, std::string_view text) {
  client_.Answer(tag, text);
  if (++bad_commands_ >= client_.services().config.limits.bad_commands_before_login) {
    client_.services().stats.Hit(ClientLimit::kBadCommands);
    client_.Bye("Too many bad commands");
  }
}

void Entering::Execute(const std::string& text) {
  const Command command = ParseCommand(text);
  switch (command.kind) {
    case CommandKind::kCapability:
      return client_.AnswerCapability(command.tag, Capabilities());
    case CommandKind::kNoop:
      return client_.Answer(command.tag, "OK NOOP completed.");
    case CommandKind::kId:
      return client_.AnswerId(command);
    case CommandKind::kLogout:
      return client_.AnswerLogout(command.tag);
    case CommandKind::kStartTls:
      return StartTls(command);
    case CommandKind::kLogin:
      return Login(command);
    case CommandKind::kAuthenticate:
      return Authenticate(command);
    default:
      return BadCommand(command.tag, "BAD Unknown command, or not possible before login");
  }
}

// Waits for its turn rather than being refused: clients have no use for a NO to STARTTLS, and would
// come again at once or tell their people of a broken server.
void Entering::StartTls(const Command& command) {
  if (listener().tls != ListenerConfig::Tls::kStartTls || client_.stream().secure()) {
    return BadCommand(command.tag, "BAD STARTTLS is not possible here");
  }
  // Bytes behind STARTTLS came in clear: whoever sent them, they are not executed.
  if (!client_.stream().input().empty()) return client_.Bye(kBehindStartTls);
  tag_ = command.tag;
  state_ = State::kAwaitingTls;
  tls_since_ns_ = client_.services().loop.now_ns();
  client_.stream().SetReading(true);  // it is not behind a login that was refused
  client_.services().awaiting_tls.push_back(
      Handle(Clients::kOwnerKind, client_.index(), client_.cell().generation));
  Armed();
}

void Entering::OnTurnForTls() {
  if (state_ != State::kAwaitingTls) return;
  state_ = State::kTalking;
  tls_since_ns_ = client_.services().loop.now_ns();
  client_.Answer(tag_, "OK Begin TLS negotiation now.");
  client_.SetId({});
  BeginTls();
  Armed();
}

void Entering::Login(const Command& command) {
  tag_ = command.tag;
  if (!MayLogIn()) {
    credentials_ = {};
    return LoginFailed(LoginResult::kNotAllowed, kNeedsTls, "", WithoutStatus(kNeedsTls));
  }
  LoginArgs args;
  if (!ParseLogin(command, &args))
    return BadCommand(command.tag, "BAD LOGIN needs a name and a password");
  Credentials credentials;
  credentials.kind = Credentials::Kind::kPassword;
  credentials.user = std::move(args.user);
  credentials.secret = std::move(args.password);
  Proceed(std::move(credentials));
}

void Entering::Authenticate(const Command& command) {
  AuthenticateArgs args;
  const bool parsed = ParseAuthenticate(command, &args);
  mechanism_ = parsed ? ParseSaslMechanism(args.mechanism) : SaslMechanism::kUnknown;
  if (!MayLogIn()) {
    credentials_ = {};
    credentials_.mechanism = mechanism_;
    tag_ = command.tag;
    return LoginFailed(LoginResult::kNotAllowed, kNeedsTls, "", WithoutStatus(kNeedsTls));
  }
  if (!parsed) return BadCommand(command.tag, "BAD AUTHENTICATE needs a mechanism");
  const bool token =
      mechanism_ == SaslMechanism::kOAuthBearer || mechanism_ == SaslMechanism::kXOAuth2;
  const bool offered =
      !token || (TakesTokens() && client_.services().shared_capabilities.Has(
                                      "AUTH=" + std::string(SaslMechanismName(mechanism_))));
  if (mechanism_ == SaslMechanism::kUnknown || !offered) {
    return client_.Answer(command.tag, "NO [CANNOT] Unsupported authentication mechanism");
  }
  tag_ = command.tag;
  sasl_user_.clear();
  state_ = State::kSasl;
  if (args.initial) {
    std::string line(*args.initial == "=" ? std::string_view() : *args.initial);
    SaslLine(line);
    Cleanse(&line);
    return;
  }
  client_.Write(mechanism_ == SaslMechanism::kLogin
                    ? "+ " + std::string(kLoginUserChallenge) + "\r\n"
                    : "+ \r\n");
  client_.framer().ExpectRawLine();
}

void Entering::SaslLine(std::string_view line) {
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  std::string message;
  if (line == "*" || !Base64Decode(line, &message)) {
    Cleanse(&message);  // what could be read of it
    state_ = State::kTalking;
    return BadCommand(tag_, line == "*" ? "BAD Authentication cancelled" : "BAD Invalid base64");
  }
  if (mechanism_ == SaslMechanism::kLogin && sasl_user_.empty()) {
    if (!IsValidLoginAnswer(message)) {
      state_ = State::kTalking;
      return BadCommand(tag_, "BAD Invalid user name");
    }
    sasl_user_ = std::move(message);
    client_.Write("+ " + std::string(kLoginPasswordChallenge) + "\r\n");
    client_.framer().ExpectRawLine();
    return;
  }
  state_ = State::kTalking;
  SaslMessage(std::move(message));
}

void Entering::SaslMessage(std::string message) {
  Credentials credentials;
  const bool good = TakeSasl(mechanism_, message, sasl_user_, &credentials);
  Cleanse(&message);
  if (!good) return BadCommand(tag_, "BAD Invalid authentication message");
  static constexpr std::string_view kForeign =
      "NO [AUTHORIZATIONFAILED] Acting for another user is not possible here";
  // RFC 7628, 3.1 lets the token alone say it, which only the store can read: no route.
  static constexpr std::string_view kNameless = "NO [CANNOT] A login must name its user";
  const bool foreign = !credentials.authzid.empty();
  if (foreign || credentials.user.empty()) {
    credentials_ = std::move(credentials);
    const std::string_view answer = foreign ? kForeign : kNameless;
    return LoginFailed(LoginResult::kNotAllowed, answer, "", WithoutStatus(answer));
  }
  Proceed(std::move(credentials));
}

}  // namespace roost
