#include "core/store/user.h"

#include <algorithm>
#include <utility>

#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/base/heap_size.h"
#include "core/base/log.h"
#include "core/store/told_capabilities.h"

namespace roost {

Credentials LaterCredentials(const StoreConfig& config, const Credentials& own) {
  if (config.login == StoreConfig::Login::kClient) return own;
  Credentials later;
  later.kind = config.login == StoreConfig::Login::kProxyAuthzid
                   ? Credentials::Kind::kProxyAuthzid
                   : Credentials::Kind::kProxySeparator;
  later.user = own.user;
  later.master = config.master_user;
  later.separator = config.master_separator;
  later.secret = config.master_password;
  return later;
}

bool MayLogInLater(const StoreConfig& config, std::string_view login) {
  return config.login != StoreConfig::Login::kProxySeparator ||
         login.find(config.master_separator) == login.npos;
}

bool RefusedForGood(std::string_view login_answer) {
  // The response is views into the line, which must outlive it.
  const std::string line = "x " + std::string(login_answer) + "\r\n";
  const Response r = ParseResponse(line);
  if (r.status != Status::kNo) return false;
  if (r.code_name.empty()) return true;  // stores from before RFC 5530 say no more
  for (std::string_view code : {"AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED"}) {
    if (r.CodeIs(code)) return true;
  }
  return false;  // ALERT as well: limits and maintenance are told so
}

std::string_view WithoutStatus(std::string_view answer) {
  const size_t blank = answer.find(' ');
  return blank == answer.npos ? answer : answer.substr(blank + 1);
}

User* UserTable::Enter(const Config& config, Dialer& dialer, const Credentials& own,
                       uint64_t credential_hash, size_t address) {
  // In client mode sessions go only to holders of the same credential.
  const bool client = dialer.target().config->login == StoreConfig::Login::kClient;
  config_ = &config;
  const Key key{dialer.target().index, client ? credential_hash : 0, own.user};
  auto it = users_.find(key);
  if (it == users_.end()) {
    it = users_.insert(std::make_unique<User>(dialer, *this, own, key.credential, address)).first;
    bytes_ += (*it)->memory_bytes();
  }
  (*it)->Ref();
  if (client) (*it)->NoteLoginTaken();
  return it->get();
}

// Not at once: it is found out in the middle of what it ends.
void UserTable::TellEnds(User& user) {
  user.Ref();
  loop_.Post([this, &user] {
    if ((user.credentials_refused() || !user.may_share()) && on_ends_) on_ends_(user);
    user.Unref();
  });
}

void UserTable::Remember(User& user) {
  user.Ref();
  remembered_.push_back({&user, loop_.now_ns() + SecondsToNs(kRememberSeconds)});
  if (!forgets_.armed()) forgets_.Set(remembered_.front().until_ns, [this] { Forget(); });
}

void UserTable::Forget() {
  const uint64_t now = loop_.now_ns();
  while (!remembered_.empty() && remembered_.front().until_ns <= now) {
    User* user = remembered_.front().user;
    remembered_.pop_front();
    user->Unref();
  }
  if (!remembered_.empty()) forgets_.Set(remembered_.front().until_ns, [this] { Forget(); });
}

void UserTable::Drop(User& user) {
  auto it = users_.find(user.key());
  if (it == users_.end() || it->get() != &user) return;
  bytes_ -= user.memory_bytes();
  loop_.Retire(std::move(users_.extract(it).value()));
}

size_t UserTable::memory_bytes() const {
  // A slot and its control byte.
  return bytes_ + users_.capacity() * (sizeof(std::unique_ptr<User>) + 1);
}

size_t UserTable::Hash::operator()(const Key& key) const {
  // Of names that a store has accepted.
  return SipHash13({key.store, key.credential}, key.login);
}

size_t UserTable::Hash::operator()(const std::unique_ptr<User>& user) const {
  return (*this)(user->key());
}

bool UserTable::Equal::operator()(const std::unique_ptr<User>& a,
                                  const std::unique_ptr<User>& b) const {
  return a->key() == b->key();
}

bool UserTable::Equal::operator()(const std::unique_ptr<User>& a, const Key& b) const {
  return a->key() == b;
}

User::User(Dialer& dialer, UserTable& table, const Credentials& own, uint64_t credential_hash,
           size_t address)
    : dialer_(dialer), table_(table), login_(own.user), address_(static_cast<uint32_t>(address)) {
  if (store().login != StoreConfig::Login::kClient) return;
  own_ = std::make_unique<OwnLogin>();
  own_->hash = credential_hash;
  own_->login = own;
  own_->secret = SealedSecret(own.secret);
  Cleanse(&own_->login.secret);
}

UserTable::Key User::key() const {
  return {dialer_.target().index, own_ == nullptr ? 0 : own_->hash, login_};
}

size_t User::memory_bytes() const {
  const size_t bytes = HeapSize(this) + HeapSize(login_) + HeapSize(own_);
  if (own_ == nullptr) return bytes;
  const Credentials& c = own_->login;
  return bytes + HeapSize(c.user) + HeapSize(c.authzid) + HeapSize(c.secret) + HeapSize(c.master) +
         own_->secret.memory_bytes();
}

uint64_t User::spread() const { return UserTable::Hash()(key()); }

void User::NoteUnreachable(size_t address) {
  dialer_.NoteUnreachable(Dialer::HashOf(login_), address);
  const auto& all = dialer_.target().addresses;
  if (address == address_ || all[address_ % all.size()].gone)
    address_ = static_cast<uint32_t>(dialer_.address());
}

void User::LeaveDrained() {
  if (!dialer_.Wants(address_)) address_ = static_cast<uint32_t>(dialer_.address());
  for (size_t i = pooled(); i-- > 0;) {
    if (!dialer_.Wants(kept(i))) CloseAt(i);
  }
}

void UserTable::CloseUnused(StoreIndex store, const std::string& login) {
  for (const Kept& kept : kept_) {
    if (kept.user->dialer().target().index != store) continue;
    if (login.empty() || kept.user->login() == login) return kept.user->CloseAt(0);
  }
}

bool UserTable::CloseSomeUnused(size_t most) {
  for (; most > 0 && !kept_.empty(); --most) kept_.front().user->CloseAt(0);
  return !kept_.empty();
}

// Where a reload has made the time shorter some go later, with those before them.
void UserTable::Expire() {
  const uint64_t now = loop_.now_ns();
  while (!kept_.empty() && kept_.front().until_ns <= now) kept_.front().user->CloseAt(0);
  if (!kept_.empty()) expires_.Set(kept_.front().until_ns, [this] { Expire(); });
}

bool UserTable::MayKeep(const Session& session) const {
  if (config_->parking.pool_keep_s == 0) return false;
  return session.asked_for() || kept_.size() < kKeptAtLeast;
}

void UserTable::Keep(User& user, std::unique_ptr<Session> session) {
  const uint64_t keep = SecondsToNs(static_cast<uint64_t>(config_->parking.pool_keep_s));
  if (user.pool_ == nullptr) user.pool_ = std::make_unique<User::Pool>();
  user.pool_->push_back(
      kept_.insert(kept_.end(), {&user, std::move(session), loop_.now_ns() + keep}));
  const size_t most = std::max(kKeptAtLeast, users_.size() / kUsersOfOneKept);
  if (kept_.size() > most) kept_.front().user->CloseAt(0);
  if (!expires_.armed()) expires_.Set(kept_.front().until_ns, [this] { Expire(); });
}

User::~User() {
  while (pooled() != 0) CloseAt(0);
}

void User::JudgeProxy(const Session& session, bool same, ConnectionId client) {
  const uint16_t master = dialer_.target().masters;
  const bool judged = proxy_ > Proxy::kGiven && judged_ == master;
  if (judged || session.master() != master) return;
  Judged(master, same ? Proxy::kSame : Proxy::kOther);
  if (same) return;
  Log(LogLevel::kWarning, "proxy_sees_otherwise",
      {{"session", client.Text()},
       {"store", store().name},
       {"user", login_},
       {"reason",
        "the master user has other rights to a mailbox than the user; its clients keep "
        "their own sessions"}});
  table_.Remember(*this);
  table_.TellEnds(*this);
}

void User::NoteLoginOf(const Session& session) {
  const uint16_t master = dialer_.target().masters;
  const bool known = proxy_ != Proxy::kUnjudged && judged_ == master;
  if (!session.as_proxy() || session.master() != master || known) return;
  Judged(master, Proxy::kGiven);
}

// What is known of the master user before is known no more, and its sessions are nobody's next.
void User::Judged(uint16_t master, Proxy proxy) {
  judged_ = master;
  proxy_ = proxy;
  for (size_t i = pooled(); i-- > 0;) {
    if (!MayLend(kept(i))) CloseAt(i);
  }
}

bool User::MayLend(const Session& session) const {
  if (!session.as_proxy()) return true;
  return (proxy_ == Proxy::kGiven || proxy_ == Proxy::kSame) && judged_ == session.master();
}

bool User::LendsUncompared(const Session& session) const {
  if (own_ != nullptr) return true;
  if (judged_ != dialer_.target().masters) return false;
  return proxy_ == Proxy::kSame || (proxy_ == Proxy::kGiven && session.as_proxy());
}

void User::NoteNotifyRefused(std::string_view text) {
  if (notify_refused_) return;
  notify_refused_ = true;
  Log(LogLevel::kWarning, "notify_refused",
      {{"store", store().name}, {"user", login_}, {"reason", text}});
}

void User::NoteLoginRefused(std::string_view answer, ConnectionId client) {
  if (login_refused_) return;
  login_refused_ = true;
  const bool own = credentials_refused();
  Log(LogLevel::kWarning, own ? "login_refused" : "proxy_login_refused",
      {{"session", client.Text()},
       {"store", store().name},
       {"user", login_},
       {"reason", WithoutStatus(answer)}});
  if (!own) return;
  while (pooled() != 0) CloseAt(0);
  table_.TellEnds(*this);
}

bool User::HearsAnew(std::string_view alerts) {
  if (alerts.empty()) return false;
  const auto hash = static_cast<uint32_t>(SipHash13({}, alerts));
  return std::exchange(last_alerts_, hash) != hash;
}

void User::NoteCapabilities(const CapabilitySet& offered) {
  capabilities_ = dialer_.Shared(ToldCapabilities(offered, *table_.config_));
}

std::unique_ptr<Session> User::Open(const SessionClient& client, Dialer::Urgency urgency,
                                    SessionSink& sink) {
  Credentials credentials;  // wiped at its end, and by the session once it is logged in
  if (own_ != nullptr) {
    credentials = own_->login;
    credentials.secret = own_->secret.Open();
  } else {
    credentials.user = login_;
    credentials = LaterCredentials(store(), credentials);
  }
  address_ = static_cast<uint32_t>(dialer_.AddressOf(Dialer::HashOf(login_), address_));
  std::unique_ptr<Session> session = dialer_.Open(credentials, client, address_, urgency, sink);
  session->set_asked_for();
  return session;
}

void User::Release(std::unique_ptr<Session> session) {
  const auto most = static_cast<size_t>(std::max(0, table_.config_->parking.pool_per_user));
  const bool fit = session->ready() && session->Settled() && !session->state().uncertain() &&
                   !session->state().notifies() && !session->state().enabled().unknown() &&
                   !credentials_refused() && MayLend(*session) && dialer_.Wants(*session);
  if (!fit || pooled() >= most || !table_.MayKeep(*session)) {
    return EndSession(std::move(session));
  }
  session->set_sink(*this);
  session->DropView();
  table_.Keep(*this, std::move(session));
  dialer_.OnUnused(login_);
}

std::unique_ptr<Session> User::TakeAt(size_t place) {
  const auto entry = (*pool_)[place];
  std::unique_ptr<Session> session = std::move(entry->session);
  table_.kept_.erase(entry);
  pool_->erase(pool_->begin() + static_cast<ptrdiff_t>(place));
  if (pool_->empty()) pool_.reset();
  return session;
}

void User::CloseAt(size_t place) { EndSession(TakeAt(place)); }

std::unique_ptr<Session> User::Take(EnabledSet enabled, SessionSink& sink) {
  for (size_t i = 0; i < pooled(); ++i) {
    const Session& session = kept(i);
    if (!session.ready() || session.state().enabled() != enabled || !session.Settled()) continue;
    std::unique_ptr<Session> taken = TakeAt(i);
    taken->set_sink(sink);
    taken->set_asked_for();
    return taken;
  }
  return nullptr;
}

void User::OnSessionLost(Session& session, SessionLoss, const std::string&) {
  for (size_t i = 0; i < pooled(); ++i) {
    if (&kept(i) != &session) continue;
    table_.loop_.Retire(TakeAt(i));
    return;
  }
}

}  // namespace roost
