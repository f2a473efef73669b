// A login whose route a service tells: asking, and what is done by its answer.
#include <algorithm>
#include <utility>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/client/entering.h"
#include "core/route/lookup_service.h"
#include "proto/imap/writer.h"

namespace roost {
namespace {

constexpr std::string_view kLineEnds("\r\n\0", 3);

// As a look-up service is told. A suite of TLS 1.2 has another name with each sort of certificate.
void TellTls(TlsSuite suite, LookupQuestion* question) {
  if (suite == TlsSuite::kNone) return;
  question->tls_version = suite < TlsSuite::kTls12Aes128Gcm ? "TLSv1.3" : "TLSv1.2";
  if (suite == TlsSuite::kTls13Aes128GcmSha256) question->tls_cipher = "TLS_AES_128_GCM_SHA256";
  if (suite == TlsSuite::kTls13Aes256GcmSha384) question->tls_cipher = "TLS_AES_256_GCM_SHA384";
  if (suite == TlsSuite::kTls13ChaCha20Poly1305Sha256) {
    question->tls_cipher = "TLS_CHACHA20_POLY1305_SHA256";
  }
}

// The store one of whose addresses this is, and which.
bool FindStore(const std::vector<std::unique_ptr<Dialer>>& dialers, const Address& wanted,
               StoreIndex* store, size_t* address) {
  for (const auto& dialer : dialers) {
    const std::vector<StoreAddress>& all = dialer->target().addresses;
    for (size_t i = 0; i < all.size(); ++i) {
      if (all[i].gone || Unmapped(all[i].address) != wanted) continue;
      *store = dialer->target().index;
      *address = i;
      return true;
    }
  }
  return false;
}

// "NO [CODE] text": the service's own code, if it gives one.
std::string AsAnswer(const std::string& text) {
  std::string answer = "NO ";
  if (!text.starts_with('[') || text.find(']') == text.npos) answer += "[AUTHENTICATIONFAILED] ";
  AppendText(&answer, text);
  return answer;
}

}  // namespace

// One that verifies would have to be asked with the token, for which the protocol has no place.
bool Entering::TakesTokens() const {
  const LookupService* service = client_.services().router->service();
  return service == nullptr || !service->config.verifies;
}

void Entering::LookUp() {
  Services& services = client_.services();
  // No store would take it, and what the service says back must not end where a client wants.
  const bool token = credentials_.kind == Credentials::Kind::kToken;
  if (!IsSaneName(credentials_.user, {})) return LoginRefused(kRefused, "", kBadName);
  if (!token && credentials_.secret.find_first_of(kLineEnds) != std::string::npos) {
    return LoginRefused(kRefused, "", "a password with a line end is not looked up");
  }
  // Routes have changed since it was offered.
  if (token && !TakesTokens()) {
    return LoginRefused(kRefused, "", "tokens cannot be shown to the look-up service");
  }
  state_ = State::kLookingUp;
  LookupQuestion question;
  question.user = credentials_.user;
  if (!token) question.password = credentials_.secret;
  if (credentials_.mechanism == SaslMechanism::kXOAuth2) question.method = "xoauth2";
  if (credentials_.mechanism == SaslMechanism::kOAuthBearer) question.method = "oauthbearer";
  question.client_ip = client_.cell().peer.HostString();
  question.session = client_.cell().connection_id;
  question.attempt = static_cast<uint32_t>(failed_logins_) + 1;
  TellTls(client_.stream().suite(), &question);
  // Sooner than the client's own time is over.
  question.within_ns =
      SecondsToNs(static_cast<uint64_t>(std::max(1, services.config.timeouts.login_s / 2)));
  const LookupConfig& config = services.router->service()->config;
  lookup_ = services.lookups.Ask(services.router, std::move(question),
                                 [this, verifies = config.verifies](LookupResult result) {
                                   lookup_.reset();
                                   LookedUp(std::move(result), verifies);
                                 });
}

void Entering::LookedUp(LookupResult result, bool verifies) {
  switch (result.kind) {
    case LookupResult::Kind::kUnavailable:
      return Unroutable("", result.text);
    case LookupResult::Kind::kRefused:
    case LookupResult::Kind::kWait:
      break;
    case LookupResult::Kind::kOk:
      attempt_.verified = verifies;
      return TakeRoute(std::move(result));
  }
  // Not beyond the time for a login: the next try must be possible on this connection.
  const int most_s = std::max(1, client_.services().config.timeouts.login_s / 2);
  const uint64_t wait_s = std::min<uint64_t>(result.wait_s, static_cast<uint64_t>(most_s));
  const bool again = result.kind == LookupResult::Kind::kWait;
  if (!again && wait_s == 0) return TellRefusal(result.text);
  state_ = State::kDelayed;
  if (!again) GiveTime();
  delay_.SetIn(SecondsToNs(std::max<uint64_t>(1, wait_s)),
               [this, again, text = result.text] { again ? ChooseStore() : TellRefusal(text); });
}

void Entering::TellRefusal(const std::string& text) {
  const std::string answer = AsAnswer(text);
  const std::string reason = "the look-up service: " + text;
  if (RefusedForGood(answer)) return LoginRefused(answer, "", reason);
  LoginFailed(LoginResult::kUnavailable, answer, "", reason);
}

// What the service says, as far as it may.
void Entering::TakeRoute(LookupResult result) {
  Services& services = client_.services();
  const bool found = FindStore(services.dialers, result.store, &attempt_.store, &attempt_.address);
  if (!found) {
    return Unroutable("", "the look-up service answered " + result.store.ToString() +
                              ", which is no address of a store in the configuration");
  }
  const Dialer& dialer = *services.dialers[attempt_.store];
  const StoreConfig& store = *dialer.target().config;
  if (dialer.drained()) return Unroutable(store.name, kStoreDrained);
  if (!dialer.Wants(attempt_.address)) attempt_.address = dialer.address();  // of the same store
  const bool renamed = !result.user.empty() && result.user != credentials_.user;
  const bool other_password = !result.password.empty() && result.password != credentials_.secret;
  if (!attempt_.verified && other_password) {
    return Unroutable(store.name,
                      "the look-up service answered a password, but lookup.verifies is not set");
  }
  // A store may prove the name in a token, but never that it is the service's.
  if (renamed && credentials_.kind == Credentials::Kind::kToken) {
    return Unroutable(store.name, "the look-up service answered another name than the token's");
  }
  if (renamed) {
    Log(LogLevel::kInfo, "login_renamed",
        {{"session", client_.cell().connection_id.Text()},
         {"user", credentials_.user},
         {"as", result.user}},
        LogRate::kAudit);
    credentials_.user = result.user;
  }
  if (!IsSaneName(credentials_.user, store)) return LoginRefused(kRefused, store.name, kBadName);
  if (other_password) {
    Cleanse(&credentials_.secret);
    credentials_.secret = result.password;
  } else if (attempt_.verified && result.password.empty() &&
             store.login != StoreConfig::Login::kClient) {
    Credentials later = LaterCredentials(store, credentials_);
    later.mechanism = credentials_.mechanism;
    Cleanse(&credentials_.secret);
    credentials_ = std::move(later);
  }
  attempt_.address = dialer.AddressOf(Dialer::HashOf(credentials_.user), attempt_.address);
  OpenSession();
}

}  // namespace roost
