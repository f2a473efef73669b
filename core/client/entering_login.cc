// Entering: a login whose credentials are known: to the shard of its user, to the store, and how it
// ended.
#include <algorithm>
#include <utility>

#include "core/base/clock.h"
#include "core/client/entering.h"
#include "core/client/relay.h"
#include "core/store/opener.h"
#include "core/store/told_capabilities.h"

namespace roost {
namespace {

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

// A login that has begun is answered, and counted: whoever asks late is no exception. All that it
// waits for ends within that.
void Entering::GiveTime() {
  const auto login_s = static_cast<uint64_t>(client_.services().config.timeouts.login_s);
  client_.services().clients.SetTimer(client_.index(),
                                      client_.services().loop.now_ns() + SecondsToNs(login_s));
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
  const CapabilitySet& offered = session.state().capabilities();
  if (proven) {
    const uint64_t hash = SipHash24(services.hash_key, credentials_.secret);
    Dialer& dialer = *services.dialers[session.target().index];
    User* const user =
        services.users.Enter(services.config, dialer, credentials_, hash, session.address());
    cell.SetUser(user);
    user->NoteLoginOf(session);
    user->NoteCapabilities(offered);
    user->HearsAnew(attempt_.alerts);  // not again when it wakes
  }
  CapabilitySet told = ToldCapabilities(offered, services.config);
  Audit(LoginResult::kOk, store.name, "");
  state_ = State::kOver;
  std::string_view text = session.login_answer();
  text.remove_prefix(std::min<size_t>(text.size(), 3));  // "OK "
  client_.Answer(tag_, "OK [CAPABILITY " + told.ToString() + "] " + std::string(text));
  services.clients.SetTimer(client_.index(), kNever);
  cell.phase = ClientPhase::kAttached;
  auto relay = std::make_unique<Relay>(client_, std::move(session_), std::move(told));
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
