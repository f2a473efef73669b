// The way of a session from connect to logged in. See the drawing in session.h.
#include <algorithm>
#include <iterator>
#include <utility>

#include "core/base/clock.h"
#include "core/store/dialer.h"
#include "core/store/session.h"
#include "core/store/session_work.h"
#include "proto/check.h"
#include "proto/imap/sasl.h"
#include "proto/imap/writer.h"
#include "proto/net/proxy_header.h"

namespace roost {
namespace {

void ToEndpoint(const Address& address, ProxyEndpoint* endpoint) {
  endpoint->family = address.family;
  endpoint->port = address.port;
  std::copy(std::begin(address.bytes), std::end(address.bytes), std::begin(endpoint->bytes));
}

std::string ProxyHeaderFor(const SessionClient& client) {
  ProxyHeader header;
  header.local = client.peer.family == 0;
  ToEndpoint(client.peer, &header.source);
  if (client.local.family == client.peer.family) {
    ToEndpoint(client.local, &header.destination);
  } else {  // both must be of one family: any address, as that of the listener
    header.destination.family = client.peer.family;
    header.destination.port = client.local.port;
  }
  std::string out;
  AppendProxyV2(&out, header);
  return out;
}

// One of the store's family; there is none: the kernel chooses. Each has ports for some 28,000
// sessions to one address of the store: all are used alike.
Address SourceTowards(const Address& store, const std::vector<Address>& sources, Io& io) {
  std::vector<Address> fit;
  std::copy_if(sources.begin(), sources.end(), std::back_inserter(fit),
               [&](const Address& source) { return source.family == store.family; });
  if (fit.empty()) return {};
  uint8_t random[2];
  io.Random(random);
  return fit[static_cast<size_t>(random[0] | random[1] << 8) % fit.size()];
}

}  // namespace

void Session::Start(const Credentials& credentials, const SessionClient& client, size_t attempt) {
  ROOST_CHECK(phase_ == Phase::kConnecting && !target_.addresses.empty());
  work_->login = std::make_unique<Login>();
  work_->login->store = target_;
  work_->login->credentials = credentials;
  work_->login->client = client;
  const StoreConfig& config = *target_.config;
  as_proxy_ = credentials.IsProxy();
  // Who waited for a turn may come with those of the master user before.
  const bool todays =
      credentials.master == config.master_user && credentials.separator == config.master_separator;
  master_ = todays ? target_.masters : StoreTarget::kNoMaster;
  address_ = static_cast<uint16_t>(UsableFrom(target_.addresses, attempt));
  const StoreAddress& store = target_.addresses[address_];
  address_generation_ = store.generation;
  work_->login->server_name = config.server_name.empty() ? store.name : config.server_name;
  ConnectOptions options;
  options.peer_ends = true;  // by LOGOUT
  options.source = SourceTowards(store.address, config.source_addresses, loop_.io());
  Expect(static_cast<uint64_t>(config.connect_timeout_s), "a connection");
  stream_.Connect(store.address, options);
}

void Session::OnConnected(Stream&) {
  if (work_->login->store.config->send_proxy_v2) {
    stream_.Write(ProxyHeaderFor(work_->login->client));
  }
  if (work_->login->store.config->tls == StoreConfig::Tls::kImplicit) {
    phase_ = Phase::kHandshaking;
    stream_.StartTls(*work_->login->store.tls, work_->login->server_name);
  } else {
    phase_ = Phase::kGreeting;
    Expect(static_cast<uint64_t>(work_->login->store.config->connect_timeout_s), "a greeting");
  }
}

void Session::OnSecure(Stream&) { Secured(); }

void Session::Secured() {
  secured_ = true;
  if (work_->login->store.config->tls == StoreConfig::Tls::kImplicit) {
    phase_ = Phase::kGreeting;
  } else {
    // What was said in clear, by whoever is on the way, counts no longer (RFC 3501, 6.2.1).
    work_->login->ForgetAlerts();
    work_->login->capabilities_known = false;
    state_.set_capabilities({});
    AskCapability(Phase::kCapability);
  }
  Expect(static_cast<uint64_t>(work_->login->store.config->connect_timeout_s), "a greeting");
}

void Session::AskCapability(Phase phase) {
  phase_ = phase;
  work_->login->tag = NextTag();
  stream_.Write(work_->login->tag + " CAPABILITY\r\n");
}

void Session::HandleLoginPhase(const Piece& piece, const Response& response) {
  if (phase_ == Phase::kHandshaking) {
    // Said in clear, by whoever is on the way (RFC 3501, 6.2.1).
    return Lose(SessionLoss::kUnreachable, "the store sent plaintext instead of a TLS handshake");
  }
  if (response.kind == ResponseKind::kCapability || response.CodeIs("CAPABILITY")) {
    state_.set_capabilities(CapabilitySet::Parse(
        response.kind == ResponseKind::kCapability ? response.rest : response.code_args));
    work_->login->capabilities_known = true;
  }
  if (response.kind == ResponseKind::kBye) {
    const bool early = phase_ < Phase::kLogin;
    return Lose(early ? SessionLoss::kUnreachable : SessionLoss::kBye,
                "the store said BYE: " + std::string(response.text));
  }
  const bool refusal = response.kind == ResponseKind::kTagged && response.status != Status::kOk;
  if (response.CodeIs("ALERT") && !refusal) work_->login->KeepAlert(response.text);
  if (phase_ == Phase::kGreeting) return Greeted(response);
  if (response.kind == ResponseKind::kContinuation) {
    if (phase_ == Phase::kLogin) return LoginContinuation();
    return Lose(SessionLoss::kUnreachable, "the store sent a continuation that nobody awaits");
  }
  if (response.kind != ResponseKind::kTagged) return;
  if (response.tag != work_->login->tag) {
    return Lose(SessionLoss::kUnreachable, "the store answered a command that nobody sent");
  }
  const bool ok = response.status == Status::kOk;
  switch (phase_) {
    case Phase::kStartTls:
      if (!ok) return Lose(SessionLoss::kUnreachable, "the store refused STARTTLS");
      if (stream_.input().size() > piece.bytes.size()) {
        return Lose(SessionLoss::kUnreachable,
                    "the store sent plaintext behind its answer to STARTTLS");
      }
      phase_ = Phase::kHandshaking;
      // The rest of this line must be consumed first, and nothing of it may reach the handshake.
      loop_.Post([this] {
        if (phase_ != Phase::kHandshaking) return;
        if (!stream_.input().empty()) {
          return Lose(SessionLoss::kUnreachable,
                      "the store sent plaintext behind its answer to STARTTLS");
        }
        stream_.StartTls(*work_->login->store.tls, work_->login->server_name);
      });
      return;
    case Phase::kCapability:
      if (!ok) return Lose(SessionLoss::kUnreachable, "the store refused CAPABILITY");
      return AfterCapability();
    case Phase::kId:
      return SendLogin();  // an ID refused is no reason to stop
    case Phase::kLogin:
      return LoginAnswered(response);
    case Phase::kCapabilityAfter:
      return LoggedIn();
    default:
      return;
  }
}

void Session::Greeted(const Response& response) {
  if (response.kind == ResponseKind::kPreauth) {
    return Lose(SessionLoss::kUnreachable,
                "the store greeted with PREAUTH: users would share its login");
  }
  if (response.kind != ResponseKind::kOk) {
    return Lose(SessionLoss::kUnreachable, "the store did not greet with OK");
  }
  if (work_->login->store.config->tls == StoreConfig::Tls::kStartTls && !secured_) {
    phase_ = Phase::kStartTls;
    work_->login->tag = NextTag();
    stream_.Write(work_->login->tag + " STARTTLS\r\n");
    return;
  }
  work_->login->capabilities_known ? AfterCapability() : AskCapability(Phase::kCapability);
}

void Session::AfterCapability() {
  if (work_->login->credentials.kind == Credentials::Kind::kNone)
    return LoggedIn();  // only asked what it can do
  const bool wants_id =
      work_->login->store.config->send_id_originating_ip || !work_->login->client.id.empty();
  const bool sends_id = wants_id && state_.capabilities().Has("ID");
  sends_id ? SendId() : SendLogin();
}

void Session::SendId() {
  phase_ = Phase::kId;
  work_->login->tag = NextTag();
  std::string line = work_->login->tag + " ID (";
  auto field = [&line](std::string_view name, std::string_view value) {
    if (line.back() != '(') line += ' ';
    AppendQuoted(&line, name);
    line += ' ';
    AppendQuoted(&line, value);
  };
  if (work_->login->client.id.empty()) field("name", "Roost");
  for (const auto& [name, value] : work_->login->client.id) {
    if (AstringFormOf(name) <= StringForm::kQuoted && AstringFormOf(value) <= StringForm::kQuoted) {
      field(name, value);
    }
  }
  if (work_->login->store.config->send_id_originating_ip && work_->login->client.peer.family != 0) {
    field("x-originating-ip", work_->login->client.peer.HostString());
    field("x-originating-port", std::to_string(work_->login->client.peer.port));
    if (!work_->login->client.local.IsAny()) {
      field("x-connected-ip", work_->login->client.local.HostString());
      field("x-connected-port", std::to_string(work_->login->client.local.port));
    }
    if (work_->login->client.connection_id) {
      field("x-session-id", work_->login->client.connection_id.Text());
    }
  }
  line += ")\r\n";
  stream_.Write(line);
}

// The SASL message, not yet base64. Empty: the credentials cannot be carried by one.
std::string Session::SaslMessage() const {
  const Credentials& own = work_->login->credentials;
  if (own.kind == Credentials::Kind::kToken) return own.secret;
  std::string message;
  const bool carried = own.kind == Credentials::Kind::kProxyAuthzid
                           ? FormatSaslPlain(own.user, own.master, own.secret, &message)
                           : FormatSaslPlain(own.authzid, own.user, own.secret, &message);
  if (!carried) Cleanse(&message);
  return message;
}

// No store takes them, whatever its address: refused, and not tried again.
void Session::CannotBeCarried() {
  work_->login_answer =
      "NO [AUTHENTICATIONFAILED] The name or password cannot be carried by a login";
  Lose(SessionLoss::kRefused, work_->login_answer);
}

void Session::Authenticate(std::string_view mechanism) {
  const CapabilitySet& can = state_.capabilities();
  if (!can.Has("AUTH=" + std::string(mechanism))) {
    return Lose(SessionLoss::kUnreachable, "the store does not offer AUTH=" +
                                               std::string(mechanism) + ", which this login needs");
  }
  std::string message = SaslMessage();
  if (message.empty()) return CannotBeCarried();
  std::string encoded = Base64Encode(message);
  Cleanse(&message);
  std::string line = work_->login->tag;
  // For the whole of it: growing would leave a copy behind.
  line.reserve(line.size() + mechanism.size() + encoded.size() + 32);
  line.append(" AUTHENTICATE ").append(mechanism);
  if (can.Has("SASL-IR")) {
    line.append(" ").append(encoded);
  } else {
    AppendSecret(&encoded, "\r\n");
    work_->login->parts.push_back(encoded);
  }
  Cleanse(&encoded);
  line.append("\r\n");
  stream_.Write(line);
  Cleanse(&line);
}

void Session::SendLogin() {
  phase_ = Phase::kLogin;
  work_->login->tag = NextTag();
  Expect(static_cast<uint64_t>(work_->login->store.config->command_timeout_s),
         "the answer to the login");
  const CapabilitySet& can = state_.capabilities();
  const Credentials& own = work_->login->credentials;
  if (own.kind == Credentials::Kind::kToken) return Authenticate(SaslMechanismName(own.mechanism));
  const bool sasl =
      own.kind == Credentials::Kind::kProxyAuthzid ||
      (own.kind == Credentials::Kind::kPassword && (can.Has("AUTH=PLAIN") || !own.authzid.empty()));
  if (sasl) return Authenticate("PLAIN");
  if (can.Has("LOGINDISABLED")) {
    return Lose(SessionLoss::kUnreachable,
                "the store offers neither AUTH=PLAIN nor LOGIN (LOGINDISABLED)");
  }
  std::string user = own.user;
  if (own.kind == Credentials::Kind::kProxySeparator) {
    user += own.separator;
    user += own.master;
  }
  const bool non_sync = can.Has("LITERAL+") || can.Has("LITERAL-");
  std::string line = work_->login->tag + " LOGIN";
  for (std::string_view argument : {std::string_view(user), std::string_view(own.secret)}) {
    const StringForm form = AstringFormOf(argument);
    if (form == StringForm::kImpossible) return CannotBeCarried();
    // With each byte escaped, or as a literal: growing would leave a copy behind.
    line.reserve(line.size() + 2 * argument.size() + 32);
    line += ' ';
    if (form == StringForm::kLiteral && !non_sync) {
      line.append("{").append(std::to_string(argument.size())).append("}\r\n");
      work_->login->parts.push_back(std::exchange(line, std::string(argument)));
    } else {
      AppendAstring(&line, argument, LiteralStyle::kNonSync);
    }
  }
  AppendSecret(&line, "\r\n");
  work_->login->parts.push_back(line);
  Cleanse(&line);
  SendLoginParts();
}

void Session::SendLoginParts() {
  stream_.Write(work_->login->parts.front());
  Cleanse(&work_->login->parts.front());
  work_->login->parts.pop_front();
}

void Session::WipeLogin() {
  if (work_ == nullptr || work_->login == nullptr) return;
  for (std::string& part : work_->login->parts) Cleanse(&part);
  work_->login->parts.clear();
  Cleanse(&work_->login->credentials.secret);
}

void Session::LoginContinuation() {
  if (!work_->login->parts.empty()) return SendLoginParts();
  // OAuth's error challenge: an empty answer lets the store say NO (RFC 7628, 3.2.3: ^A).
  if (work_->login->credentials.kind == Credentials::Kind::kToken) {
    stream_.Write(work_->login->credentials.mechanism == SaslMechanism::kOAuthBearer ? "AQ==\r\n"
                                                                                     : "\r\n");
    return;
  }
  Lose(SessionLoss::kProtocol, "the store sent a continuation that nobody awaits");
}

void Session::LoginAnswered(const Response& response) {
  work_->login_answer = response.status == Status::kOk   ? "OK"
                        : response.status == Status::kNo ? "NO"
                                                         : "BAD";
  work_->login_answer += ' ';
  // An ALERT is told by itself: the client's own answer has another code.
  const bool told =
      response.CodeIs("CAPABILITY") || (response.CodeIs("ALERT") && response.status == Status::kOk);
  if (!response.code.empty() && !told) {
    work_->login_answer.append("[").append(response.code).append("] ");
  }
  AppendText(&work_->login_answer, response.text);
  if (response.status != Status::kOk) {
    return Lose(SessionLoss::kRefused, work_->login_answer);
  }
  if (!response.CodeIs("CAPABILITY")) return AskCapability(Phase::kCapabilityAfter);
  LoggedIn();
}

void Session::LoggedIn() {
  phase_ = Phase::kReady;
  work_->deadline.Cancel();
  if (place_ != nullptr) place_->LoginOver();
  WipeLogin();
  const std::vector<std::string> alerts = std::move(work_->login->alerts);
  work_->login.reset();
  stream_.SetSecret(false);
  state_.set_capabilities(place_ != nullptr ? place_->Shared(state_.capabilities())
                                            : state_.capabilities());
  for (const std::string& alert : alerts) TellAlert(alert);
  if (phase_ == Phase::kLost) return;
  sink_->OnSessionReady(*this);
  work_->login_answer = {};
}

}  // namespace roost
