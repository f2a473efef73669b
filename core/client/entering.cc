#include "core/client/entering.h"

#include <algorithm>
#include <utility>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/client/relay.h"
#include "core/store/opener.h"
#include "proto/imap/sasl.h"
#include "proto/imap/writer.h"
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

// Nobody has another one, and no login carries it: the store is not to be asked.
bool IsSaneSecret(std::string_view secret) {
  return !secret.empty() && secret.find('\0') == secret.npos;
}

}  // namespace

bool Entering::IsSaneName(std::string_view user, const StoreConfig& store) {
  if (user.empty() || user.size() > kMostNameBytes) return false;
  for (char c : user) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
  }
  return MayLogInLater(store, user);
}

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

// A login that has begun is answered, and counted: whoever asks late is no exception. All that it
// waits for ends within that.
void Entering::GiveTime() {
  const auto login_s = static_cast<uint64_t>(client_.services().config.timeouts.login_s);
  client_.services().clients.SetTimer(client_.index(),
                                      client_.services().loop.now_ns() + SecondsToNs(login_s));
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
    CapabilitySet shared = services.shared_capabilities;
    StripUncarried(&shared);
    shared.RemovePrefix("AUTH=");
    shared.ForEach([&](std::string_view name) { set.Add(name); });
    // What is answered here does not depend on the store.
    set.Remove("LITERAL-");
    for (std::string_view own : {"SASL-IR", "LITERAL+", "ID", "ENABLE"}) set.Add(own);
    if (services.config.parking.poll_s != 0) set.Add("IDLE");  // else only where the store has it
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
  credentials.mechanism = mechanism_;
  bool good = false;
  SaslPlain plain;
  SaslToken token;
  switch (mechanism_) {
    case SaslMechanism::kPlain:
      good = ParseSaslPlain(message, &plain);
      credentials.kind = Credentials::Kind::kPassword;
      credentials.user = plain.authcid;
      credentials.authzid = plain.authzid == plain.authcid ? "" : plain.authzid;
      credentials.secret = std::move(plain.password);
      break;
    case SaslMechanism::kLogin:
      good = IsValidLoginAnswer(message);
      credentials.kind = Credentials::Kind::kPassword;
      credentials.user = sasl_user_;
      credentials.secret = message;
      break;
    case SaslMechanism::kXOAuth2:
    case SaslMechanism::kOAuthBearer:
      good = mechanism_ == SaslMechanism::kXOAuth2 ? ParseXOAuth2(message, &token)
                                                   : ParseOAuthBearer(message, &token);
      credentials.kind = Credentials::Kind::kToken;
      credentials.user = token.user;
      credentials.secret = message;
      Cleanse(&token.token);
      break;
    default:
      break;
  }
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

// The name is known: the connection goes to the shard that owns it, before its session is opened.
void Entering::Proceed(Credentials credentials) {
  static constexpr std::string_view kFull =
      "NO [LIMIT] Too many connections; please try again later";
  credentials_ = std::move(credentials);
  client_.stream().SetReading(false);
  GiveTime();
  Mover& mover = client_.services().mover;
  target_shard_ = mover.ShardOf(credentials_.user);
  if (target_shard_ == mover.ThisShard()) return CheckLogin();
  if (!mover.HasRoom(target_shard_)) {
    client_.services().stats.Hit(ClientLimit::kDescriptors);
    return LoginFailed(LoginResult::kUnavailable, kFull, "", "the shard of its user is full");
  }
  state_ = State::kMoving;
  MoveWhenDrained();
}

void Entering::OnDrained() {
  if (state_ == State::kMoving) MoveWhenDrained();
}

void Entering::MoveWhenDrained() {
  // In the next tasks, so that no receive is outstanding: we may be inside one's delivery.
  if (client_.stream().unsent() != 0) return;
  client_.services().loop.Post([this, &services = client_.services(), index = client_.index(),
                                generation = client_.cell().generation] {
    if (!services.clients.IsLive(index, generation) || client_.closed()) return;
    if (state_ != State::kMoving || client_.stream().unsent() != 0) return;
    if (client_.stream().waiting_for_receive()) {
      return client_.Bye("[UNAVAILABLE] Please connect again");
    }
    state_ = State::kOver;
    auto moving = std::make_unique<MovingClient>();
    moving->connection = client_.stream().Detach();
    moving->peer = client_.cell().peer;
    moving->listener = client_.cell().listener;
    moving->since_ns = since_ns_;
    moving->failed_logins = failed_logins_;
    moving->counted = client_.cell().counted;
    client_.cell().counted = false;
    moving->credit = services.clients.CreditToGo();
    moving->connection_id = client_.cell().connection_id;
    moving->tag = tag_;
    moving->credentials = std::move(credentials_);
    moving->id = client_.id();
    ++services.stats.moved_out;
    client_.Leave();
    services.clients.Remove(index);
    services.mover.Move(target_shard_, std::move(moving));
  });
}

void Entering::Continue(std::unique_ptr<MovingClient> moved) {
  since_ns_ = moved->since_ns;
  failed_logins_ = moved->failed_logins;
  tag_ = moved->tag;
  credentials_ = std::move(moved->credentials);
  client_.SetId(std::move(moved->id));
  client_.stream().SetReading(false);
  client_.stream().Open(std::move(moved->connection));
  CheckLogin();
}

uint64_t Entering::NowSeconds() const { return NsToSeconds(client_.services().loop.now_ns()); }

// Who guesses, waits: before anybody is asked, so that no answer can be had sooner by hanging up.
void Entering::CheckLogin() {
  Services& services = client_.services();
  attempt_ = {};
  GiveTime();
  // Whoever has the right password must not be logged out over it.
  const int most_s =
      std::min(services.config.limits.failed_login_delay_s, services.config.timeouts.login_s / 2);
  const uint64_t delay_s =
      services.addresses.DelayS(client_.cell().peer, NowSeconds(), static_cast<uint64_t>(most_s));
  if (delay_s == 0) return ChooseStore();
  ++services.stats.delayed_logins;
  state_ = State::kDelayed;
  delay_.SetIn(SecondsToNs(delay_s), [this] {
    GiveTime();
    ChooseStore();
  });
}

void Entering::ChooseStore() {
  Services& services = client_.services();
  if (!IsSaneSecret(credentials_.secret)) {
    return LoginRefused(kRefused, "", "the password is empty or holds a NUL");
  }
  if (services.router->service() != nullptr) return LookUp();
  const std::optional<StoreIndex> store = services.RouteOf(credentials_.user);
  if (!store || !IsSaneName(credentials_.user, *services.dialers[*store]->target().config)) {
    return LoginRefused(kRefused, "", store ? kBadName : "no store for this user");
  }
  attempt_.route = services.router->Route(credentials_.user);
  attempt_.store = *store;
  const Dialer& dialer = *services.dialers[*store];
  if (dialer.drained()) return Unroutable(dialer.target().config->name, kStoreDrained);
  attempt_.address = dialer.AddressOf(Dialer::HashOf(credentials_.user), dialer.address());
  OpenSession();
}

// The reason is the operator's business.
void Entering::Unroutable(std::string_view store, std::string_view reason) {
  LoginFailed(LoginResult::kUnavailable, kUnavailable, store, reason);
}

void Entering::OpenSession() {
  state_ = State::kLoggingIn;
  GiveTime();
  Dialer& dialer = *client_.services().dialers[attempt_.store];
  session_ = dialer.Open(credentials_, client_.session_client(), attempt_.address,
                         Dialer::Urgency::kClient, *this);
}

// Before the answer to the login: an ALERT.
void Entering::OnStoreData(Session&, const Piece& piece, const Response* first) {
  if (!IsAlert(piece, first)) return;
  client_.Write(piece.bytes);
  attempt_.alerts += piece.bytes;
}

// Whether the store's OK shows that this is the user, and not only somebody who says so.
bool Entering::IsProven(const StoreConfig& store) const {
  return credentials_.ProvesName() || attempt_.verified ||
         (store.trust_token_names && store.login != StoreConfig::Login::kClient);
}

// A name that is only claimed must take no place of those who own it.
std::string Entering::NameToCount(bool proven) const {
  if (proven) return credentials_.user;
  const uint64_t hash = SipHash24(client_.services().hash_key, credentials_.secret);
  return credentials_.user + '\0' + std::to_string(hash);
}

void Entering::OnSessionReady(Session& session) {
  Services& services = client_.services();
  const StoreConfig& store = *session.target().config;
  const bool proven = IsProven(store);
  counted_as_ = NameToCount(proven);
  if (!services.clients.AdmitLogin(client_.index(), counted_as_)) return TooManyOfUser();
  services.addresses.LoginSucceeded(client_.cell().peer, NowSeconds());
  ClientCell& cell = client_.cell();
  CapabilitySet offered = session.state().capabilities();
  if (proven) {
    const uint64_t hash = SipHash24(services.hash_key, credentials_.secret);
    Dialer& dialer = *services.dialers[session.target().index];
    cell.user =
        services.users.Enter(services.config, dialer, credentials_, hash, session.address());
    cell.user->NoteLoginOf(session);
    cell.user->NoteCapabilities(offered);
    cell.user->HearsAnew(attempt_.alerts);  // not again when it wakes
  }
  StripUncarried(&offered);
  offered.RemovePrefix("AUTH=");
  Audit(LoginResult::kOk, store.name, "");
  state_ = State::kOver;
  std::string_view text = session.login_answer();
  text.remove_prefix(std::min<size_t>(text.size(), 3));  // "OK "
  client_.Answer(tag_, "OK [CAPABILITY " + offered.ToString() + "] " + std::string(text));
  services.clients.SetTimer(client_.index(), kNever);
  cell.phase = ClientPhase::kAttached;
  auto relay = std::make_unique<Relay>(client_, std::move(session_), std::move(offered));
  if (!proven) relay->set_login(credentials_.user, counted_as_);
  client_.ResetFramer(static_cast<size_t>(services.config.limits.max_line));
  client_.Become(std::move(relay));
  services.clients.partings().EndIfRerouted(client_.index(), attempt_.route);
  client_.stream().SetReading(true);
  client_.ResumeInput();
}

// Said only to one who has the right password.
void Entering::TooManyOfUser() {
  const std::string& store = session_->target().config->name;
  EndSession(std::move(session_));
  ++client_.services().stats.refused_by_user;
  LoginFailed(LoginResult::kNotAllowed, "NO [LIMIT] Too many connections of this user", store,
              "limits.max_clients_per_user");
}

void Entering::OnSessionLost(Session& session, SessionLoss loss, const std::string& text) {
  Dialer& dialer = *client_.services().dialers[session.target().index];
  if (loss == SessionLoss::kUnreachable) {
    const Dialer::UserHash user = Dialer::HashOf(credentials_.user);
    // The dialer may have sent it elsewhere than it was to go: each address is chosen once.
    attempt_.tried.push_back(attempt_.address);
    attempt_.tried.push_back(session.address());
    dialer.NoteUnreachable(user, session.address());
    if (const std::optional<size_t> another = dialer.Another(user, attempt_.tried)) {
      client_.services().loop.Retire(std::move(session_));
      attempt_.address = *another;
      return OpenSession();
    }
  }
  const std::string& store = session.target().config->name;
  if (loss == SessionLoss::kRefused) {
    const std::string& answer = session.login_answer();  // lives until the turn ends
    client_.services().loop.Retire(std::move(session_));
    // The client has shown who it is: this is the operator's affair.
    if (credentials_.IsProxy()) {
      return Unroutable(store, "the store refused the master user: " + answer);
    }
    if (attempt_.verified) {
      return Unroutable(store, "the store refused what the look-up service accepted: " + answer);
    }
    const std::string_view reason = WithoutStatus(answer);
    if (RefusedForGood(answer)) return LoginRefused(answer, store, reason);
    return LoginFailed(LoginResult::kUnavailable, answer, store, reason);
  }
  client_.services().loop.Retire(std::move(session_));
  if (loss == SessionLoss::kNoPlace) {
    return LoginFailed(LoginResult::kUnavailable,
                       "NO [LIMIT] Too many sessions; please try again later", store, text);
  }
  // The reason is the operator's business.
  LoginFailed(LoginResult::kUnavailable, kUnavailable, store, text);
}

// Wrong credentials, as far as can be told.
void Entering::LoginRefused(std::string_view answer, std::string_view store,
                            std::string_view reason) {
  client_.services().addresses.LoginFailed(client_.cell().peer, NowSeconds());
  LoginFailed(LoginResult::kRefused, answer, store, reason);
}

void Entering::LoginFailed(LoginResult result, std::string_view answer, std::string_view store,
                           std::string_view reason) {
  Cleanse(&credentials_.secret);
  Audit(result, store, reason);
  state_ = State::kTalking;
  Armed();
  client_.Answer(tag_, answer);
  if (++failed_logins_ >= client_.services().config.limits.failed_logins) {
    client_.services().stats.Hit(ClientLimit::kFailedLogins);
    return client_.Bye("Too many failed logins");
  }
  client_.ResumeInput();
}

void Entering::Audit(LoginResult result, std::string_view store, std::string_view reason) {
  const ClientCell& cell = client_.cell();
  Services& services = client_.services();
  const LoginAudit audit = {.result = result,
                            .reason = reason,
                            .user = credentials_.user,
                            .method = LoginMethodName(credentials_),
                            .store = store,
                            .peer = cell.peer,
                            .listener = services.listener_addresses.at(cell.listener),
                            .suite = client_.stream().suite(),
                            .connection_id = cell.connection_id};
  ++services.stats.Logins(result);
  LogLogin(audit);
  if (!services.trace.on()) return;
  FollowLogin(audit, (services.loop.now_ns() - since_ns_) / kNsPerMs, services.trace);
}

void Entering::LogLost(Services& services, const MovingClient& moved, LoginResult result) {
  ++services.stats.Logins(result);
  LogLogin({.result = result,
            .reason = "the connection did not arrive at the shard of its user",
            .user = moved.credentials.user,
            .method = LoginMethodName(moved.credentials),
            .store = "",
            .peer = moved.peer,
            .listener = services.listener_addresses.at(moved.listener),
            .suite = moved.connection.tls.suite,
            .connection_id = moved.connection_id});
}

}  // namespace roost
