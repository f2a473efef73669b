#include "core/store/user.h"

#include <algorithm>
#include <utility>

#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/base/log.h"

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

bool RefusedForGood(std::string_view login_answer) {
  // The response is views into the line, which must outlive it.
  const std::string line = "x " + std::string(login_answer) + "\r\n";
  const Response r = ParseResponse(line);
  for (std::string_view code : {"UNAVAILABLE", "LIMIT", "INUSE", "SERVERBUG", "CONTACTADMIN"}) {
    if (r.CodeIs(code)) return false;
  }
  return true;
}

User* UserTable::Enter(const Config& config, Dialer& dialer, const Credentials& own,
                       uint64_t credential_hash, size_t address) {
  std::string key = std::to_string(dialer.target().index);
  // In client mode sessions go only to holders of the same credential.
  if (dialer.target().config->login == StoreConfig::Login::kClient) {
    key += ':' + std::to_string(credential_hash);
  }
  key.append(" ").append(own.user);
  auto it = users_.find(key);
  if (it == users_.end()) {
    auto user = std::make_unique<User>(loop_, config, dialer, *this, key, own, address);
    it = users_.emplace(key, std::move(user)).first;
  }
  it->second->Ref();
  if (dialer.target().config->login == StoreConfig::Login::kClient) it->second->NoteLoginTaken();
  return it->second.get();
}

// Not at once: the refusal is found out in the middle of what it ends.
void UserTable::TellRefused(User& user) {
  user.Ref();
  loop_.Post([this, &user] {
    if (user.credentials_refused() && on_refused_) on_refused_(user);
    user.Unref();
  });
}

void UserTable::Drop(User& user) {
  auto it = users_.find(user.key());
  if (it == users_.end()) return;
  loop_.Retire(std::move(it->second));
  users_.erase(it);
}

User::User(Loop& loop, const Config& config, Dialer& dialer, UserTable& table, std::string key,
           const Credentials& own, size_t address)
    : loop_(loop),
      config_(config),
      dialer_(dialer),
      table_(table),
      key_(std::move(key)),
      spread_(SipHash13({}, key_)),
      login_(own.user),
      later_(LaterCredentials(*dialer.target().config, own)),
      secret_(later_.secret),
      address_(address),
      expiry_(loop) {
  CleanseString(later_.secret);
}

void User::NoteUnreachable(size_t address) {
  dialer_.NoteUnreachable(address);
  if (address == address_) address_ = dialer_.address();
}

void UserTable::CloseUnused(StoreIndex store, const std::string& login) {
  for (auto& [key, user] : pooling_) {
    if (user->dialer().target().index != store) continue;
    if (login.empty() || user->login() == login) return user->CloseUnused();
  }
}

User::~User() {
  // The same user may be there again already.
  auto own = table_.pooling_.find(key_);
  if (own != table_.pooling_.end() && own->second == this) table_.pooling_.erase(own);
  for (Pooled& p : pool_) {
    p.session->Close();
    loop_.Retire(std::move(p.session));
  }
}

void User::JudgeProxy(bool same) {
  if (proxy_ != Proxy::kUnjudged) return;
  proxy_ = same ? Proxy::kSame : Proxy::kOther;
  if (same) return;
  Log(LogLevel::kWarning, "proxy_sees_otherwise",
      {{"store", store().name},
       {"user", login_},
       {"reason",
        "the master user has other rights to a mailbox than the user; its clients keep "
        "their own sessions"}});
}

void User::NoteLoginRefused() {
  if (std::exchange(login_refused_, true)) return;
  const bool own = credentials_refused();
  Log(LogLevel::kWarning, own ? "login_refused" : "proxy_login_refused",
      {{"store", store().name}, {"user", login_}});
  if (!own) return;
  while (!pool_.empty()) CloseUnused();
  table_.TellRefused(*this);
}

bool User::HearsAnew(std::string_view alerts) {
  if (alerts.empty()) return false;
  const auto hash = static_cast<uint32_t>(SipHash13({}, alerts));
  return std::exchange(last_alerts_, hash) != hash;
}

void User::NoteCapabilities(const CapabilitySet& offered) {
  capabilities_ = offered;
  StripUncarried(&capabilities_);
  capabilities_.RemovePrefix("AUTH=");
  capabilities_ = dialer_.Shared(capabilities_);
}

std::unique_ptr<Session> User::Open(const SessionClient& client, Dialer::Urgency urgency,
                                    SessionSink& sink) {
  Credentials credentials = later_;  // wiped at its end, and by the session once it is logged in
  credentials.secret = secret_.Open();
  return dialer_.Open(credentials, client, address_, urgency, sink);
}

void User::Release(std::unique_ptr<Session> session) {
  const auto most = static_cast<size_t>(std::max(0, config_.parking.pool_per_user));
  const bool fit = session->ready() && session->Settled() && !session->state().uncertain() &&
                   !session->state().enabled().unknown() && !credentials_refused();
  if (!fit || pool_.size() >= most || config_.parking.pool_keep_s == 0) {
    session->Close();
    loop_.Retire(std::move(session));
    return;
  }
  session->set_sink(*this);
  session->DropView();
  const uint64_t keep = SecondsToNs(static_cast<uint64_t>(config_.parking.pool_keep_s));
  pool_.push_back({std::move(session), loop_.now_ns() + keep});
  if (!expiry_.armed()) expiry_.SetIn(keep, [this] { Expire(); });
  NotePool();
}

void User::NotePool() {
  if (pool_.empty()) {
    table_.pooling_.erase(key_);
  } else {
    table_.pooling_[key_] = this;
  }
}

void User::CloseUnused() {
  if (pool_.empty()) return;
  pool_.front().session->Close();
  loop_.Retire(std::move(pool_.front().session));
  pool_.erase(pool_.begin());
  NotePool();
}

std::unique_ptr<Session> User::Take(EnabledSet enabled, SessionSink& sink) {
  for (auto it = pool_.begin(); it != pool_.end(); ++it) {
    const Session& kept = *it->session;
    if (!kept.ready() || kept.state().enabled() != enabled || !kept.Settled()) continue;
    std::unique_ptr<Session> session = std::move(it->session);
    pool_.erase(it);
    NotePool();
    session->set_sink(sink);
    return session;
  }
  return nullptr;
}

void User::OnSessionLost(Session& session, SessionLoss, const std::string&) {
  auto it = std::find_if(pool_.begin(), pool_.end(),
                         [&](const Pooled& p) { return p.session.get() == &session; });
  if (it == pool_.end()) return;
  loop_.Retire(std::move(it->session));
  pool_.erase(it);
  NotePool();
}

void User::Expire() {
  const uint64_t now = loop_.now_ns();
  uint64_t next = kNever;
  for (auto it = pool_.begin(); it != pool_.end();) {
    if (it->until_ns > now) {
      next = std::min(next, it->until_ns);
      ++it;
      continue;
    }
    it->session->Close();
    loop_.Retire(std::move(it->session));
    it = pool_.erase(it);
  }
  if (next != kNever) expiry_.Set(next, [this] { Expire(); });
  NotePool();
}

Opener::Opener(Loop& loop, User& user, Wish wish, Done done)
    : loop_(loop), user_(user), wish_(std::move(wish)), done_(std::move(done)) {}

Opener::~Opener() {
  if (session_ == nullptr) return;
  session_->Close();
  loop_.Retire(std::move(session_));
}

void Opener::Start() {
  if (!wish_.fresh) session_ = user_.Take(wish_.enabled, *this);
  pooled_ = session_ != nullptr;
  pooled_ ? Select() : OpenNew();
}

void Opener::OpenNew() {
  if (user_.credentials_refused()) {
    return FinishLater(Failure::kCredentials, "the store has refused this login before");
  }
  session_ = user_.Open(wish_.client, wish_.urgency, *this);
}

void Opener::OnStoreData(Session&, const Piece& piece, const Response* first) {
  if (IsAlert(piece, first) && alerts_.size() < kMostAlertBytes) alerts_ += piece.bytes;
}

void Opener::OnSessionReady(Session& session) {
  user_.NoteLoginTaken();
  user_.NoteCapabilities(session.state().capabilities());
  if (wish_.enabled == session.state().enabled()) return Select();
  if (!session.state().capabilities().Has("ENABLE")) {
    return Finish(Failure::kClass, "the store no longer offers ENABLE");
  }
  session.Run(CommandKind::kEnable, "ENABLE " + wish_.enabled.Names(),
              [this](const Response&) { Enabled(); });
}

void Opener::Enabled() {
  if (session_->state().enabled() != wish_.enabled) {
    return Finish(Failure::kClass, "the store would not enable what this connection has");
  }
  Select();
}

void Opener::Select() {
  if (wish_.mailbox.empty()) {
    if (!session_->state().selected()) {
      return FinishLater(Failure::kNone, {});
    }
    // Never CLOSE: it deletes mail. Without UNSELECT only a new session has nothing selected.
    if (!session_->state().capabilities().Has("UNSELECT")) {
      session_->Close();
      loop_.Retire(std::move(session_));
      return OpenNew();
    }
    session_->Run(CommandKind::kUnselect, "UNSELECT", [this](const Response& r) {
      r.status == Status::kOk ? Finish(Failure::kNone, {})
                              : Finish(Failure::kUnavailable, "the store refused UNSELECT");
    });
    return;
  }
  session_->RunSelect(wish_.mailbox, wish_.examine, [this](const Response& response) {
    if (response.status == Status::kOk) return Finish(Failure::kNone, {});
    const bool passing = response.CodeIs("UNAVAILABLE") || response.CodeIs("INUSE") ||
                         response.CodeIs("SERVERBUG") || response.CodeIs("LIMIT");
    Finish(passing ? Failure::kUnavailable : Failure::kMailbox, std::string(response.text));
  });
}

void Opener::OnSessionLost(Session& session, SessionLoss loss, const std::string& text) {
  if (loss == SessionLoss::kUnreachable) user_.NoteUnreachable(session.address());
  if (std::exchange(pooled_, false)) {  // it may have been dead for long
    loop_.Retire(std::move(session_));
    return OpenNew();
  }
  const bool refused = loss == SessionLoss::kRefused && RefusedForGood(session.login_answer());
  if (refused) user_.NoteLoginRefused();
  loop_.Retire(std::move(session_));
  Finish(refused ? Failure::kCredentials : Failure::kUnavailable, text);
}

void Opener::FinishLater(Failure failure, std::string text) {
  loop_.Post([this, failure, text = std::move(text), life = std::weak_ptr<int>(life_)] {
    if (!life.expired()) Finish(failure, text);
  });
}

void Opener::Finish(Failure failure, std::string text) {
  Result result;
  result.failure = failure;
  result.text = std::move(text);
  if (failure == Failure::kNone) {
    result.session = std::move(session_);
    if (user_.HearsAnew(alerts_)) result.alerts = std::move(alerts_);
  } else if (session_ != nullptr) {
    session_->Close();
    loop_.Retire(std::move(session_));
  }
  Done done = std::move(done_);
  done_ = nullptr;
  if (done) done(std::move(result));
}

}  // namespace roost
