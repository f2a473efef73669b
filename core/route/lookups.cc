#include "core/route/lookups.h"

#include <algorithm>
#include <optional>

#include "core/base/log.h"
#include "core/config/network.h"
#include "proto/check.h"
#include "proto/net/http_response.h"

namespace roost {
namespace {

constexpr int kRequestTimeout = 408;

static_assert(2 * kMostLookupServers <= 32, "Lookup::tried_ has a bit for each");

LookupResult Unavailable(std::string reason) {
  LookupResult result;
  result.text = std::move(reason);
  return result;
}

// "192.0.2.1" or an IPv6 address, in brackets or not. A name is none.
bool ParseServer(std::string_view host, uint16_t port, Address* out) {
  const bool bare = host.find(':') != host.npos && host.front() != '[';
  const std::string text = bare ? "[" + std::string(host) + "]" : std::string(host);
  if (host == "*" || !Address::Parse(text + ":" + std::to_string(port), out)) return false;
  *out = Unmapped(*out);
  return true;
}

// Nothing: `problem` says why it is no answer.
std::optional<LookupResult> ResultOf(const HttpResponse& response, std::string* problem) {
  const AuthHttpAnswer answer = ParseAuthHttpAnswer(response);
  LookupResult result;
  switch (answer.verdict) {
    case AuthHttpAnswer::Verdict::kMalformed:
      *problem = answer.problem;
      return std::nullopt;
    case AuthHttpAnswer::Verdict::kRefused:
      result.kind = LookupResult::Kind::kRefused;
      result.text = answer.text;
      break;
    case AuthHttpAnswer::Verdict::kWait:
      result.kind = LookupResult::Kind::kWait;
      break;
    case AuthHttpAnswer::Verdict::kOk:
      result.kind = LookupResult::Kind::kOk;
      result.user = answer.user;
      result.password = answer.password;
      if (!ParseServer(answer.server, answer.port, &result.store)) {
        *problem = "Auth-Server is not an IP address: " + std::string(answer.server.substr(0, 60));
        return std::nullopt;
      }
      break;
  }
  result.wait_s = answer.wait_s;
  return result;
}

}  // namespace

LookupStats& LookupStats::operator+=(const LookupStats& other) {
  for (size_t i = 0; i < kLookupResults; ++i) results[i] += other.results[i];
  failures += other.failures, connections += other.connections;
  waiting += other.waiting, asking += other.asking;
  time += other.time;
  return *this;
}

// One connection to a server of the service.
//
//   kConnecting --> kAsking --the head of an answer--> kSkipping --its body--> kIdle --> kAsking
//                                                      any --> kOver (final, retired)
class Lookups::Connection final : public Retirable, private StreamOwner {
 public:
  Connection(Lookups& lookups, const LookupServer& server)
      : lookups_(lookups),
        server_(server),
        stream_(lookups.loop_.streams(), *this),
        deadline_(lookups.loop_) {}

  const LookupServer& server() const { return server_; }
  bool idle() const { return state_ == State::kIdle; }
  // Or about to be, when what it still says has been read away.
  bool kept() const { return idle() || (state_ == State::kSkipping && lookup_ == nullptr); }

  void Begin(Lookup& lookup) {
    lookup_ = &lookup;
    lookup.connection_ = this;
    const auto seconds = static_cast<uint64_t>(lookup.service().config.timeout_s);
    deadline_.SetIn(SecondsToNs(seconds), [this] { Fail("it did not answer in time"); });
    reused_ = state_ == State::kIdle;
    if (reused_) return Send();
    stream_.Connect(server_.address, {});
  }

  // Nobody waits for the answer any more.
  void Forget() {
    lookup_ = nullptr;
    Over();
  }

 private:
  enum class State : uint8_t { kConnecting, kAsking, kSkipping, kIdle, kOver };

  void OnConnected(Stream&) override { Send(); }

  void Send() {
    state_ = State::kAsking;
    const LookupService& service = lookup_->service();
    const LookupQuestion& question = lookup_->question_;
    AuthHttpRequest request;
    request.path = service.config.path;
    request.host = server_.host;
    request.headers = service.headers;
    request.method = question.method;
    request.user = question.user;
    if (service.config.send_password) request.password = question.password;
    request.client_ip = question.client_ip;
    request.attempt = question.attempt;
    request.tls_version = question.tls_version;
    request.tls_cipher = question.tls_cipher;
    std::string text = FormatAuthHttpRequest(request);
    stream_.Write(text);
    Cleanse(&text);
  }

  void OnInput(Stream&) override {
    if (state_ == State::kAsking) return TakeHead();
    if (state_ == State::kSkipping) return Skip();
    Over();  // nobody asked
  }

  void TakeHead() {
    HttpResponse response;
    do {
      response = ParseHttpResponse(stream_.input());
      if (response.verdict == HttpResponse::Verdict::kNeedMore) return;
      if (response.verdict == HttpResponse::Verdict::kTooLong) {
        return Fail("the head of its answer is too long");
      }
      if (response.verdict == HttpResponse::Verdict::kMalformed) {
        return Fail("it did not answer in HTTP");
      }
      if (response.status == 101) return Fail("it switched protocols");
      if (response.status < 200) stream_.Consume(response.size);
    } while (response.status < 200);
    // Said to nobody in particular, before the question came.
    if (reused_ && response.status == kRequestTimeout) return GoneStale();
    if (response.status >= 500) {
      return Fail("it answered with status " + std::to_string(response.status));
    }
    std::string problem;
    std::optional<LookupResult> result = ResultOf(response, &problem);
    if (!result) return Fail(problem);
    stream_.Consume(response.size);
    lookups_.Answered(server_.address);
    Lookup& lookup = *std::exchange(lookup_, nullptr);
    lookup.connection_ = nullptr;
    state_ = State::kSkipping;
    skip_ = response.length;
    const bool keep = response.stays_open && skip_ <= kMostBody && lookups_.MayKeep(*this);
    keep ? Skip() : Over();
    lookups_.Finish(lookup, std::move(*result));
  }

  void Skip() {
    const size_t size = std::min<uint64_t>(skip_, stream_.input().size());
    stream_.Consume(size);
    skip_ -= size;
    if (skip_ != 0) return;
    if (!stream_.input().empty()) return Over();
    state_ = State::kIdle;
    deadline_.SetIn(kKeepNs, [this] { Over(); });
  }

  void OnEnd(Stream&, StreamEnd) override {
    if (state_ != State::kConnecting && state_ != State::kAsking) return Over();
    if (reused_ && stream_.input().empty()) return GoneStale();
    const bool connected = state_ == State::kAsking;
    const std::string error = stream_.error();
    Fail(connected       ? "it closed the connection before it had answered"
         : error.empty() ? "it cannot be reached"
                         : error);
  }

  void GoneStale() {
    Lookup& lookup = *std::exchange(lookup_, nullptr);
    Over();
    lookups_.Stale(lookup);
  }

  void Fail(const std::string& problem) {
    Lookup* lookup = std::exchange(lookup_, nullptr);
    const LookupServer server = server_;
    Over();
    if (lookup != nullptr) lookups_.Failed(*lookup, server, problem);
  }

  void Over() {
    if (state_ == State::kOver) return;
    state_ = State::kOver;
    deadline_.Cancel();
    stream_.Abort();
    lookups_.Drop(*this);
  }

  Lookups& lookups_;
  const LookupServer server_;
  Stream stream_;
  Alarm deadline_;
  State state_ = State::kConnecting;
  Lookup* lookup_ = nullptr;  // kConnecting, kAsking
  bool reused_ = false;
  uint64_t skip_ = 0;  // bytes of the body still to come
};

Lookup::Lookup(Lookups& lookups, std::shared_ptr<const Router> router, LookupQuestion question,
               Lookups::Done done)
    : lookups_(lookups),
      router_(std::move(router)),
      question_(std::move(question)),
      done_(std::move(done)),
      since_ns_(lookups.loop_.now_ns()),
      deadline_(lookups.loop_) {}

Lookup::~Lookup() { lookups_.Cancel(*this); }

Lookups::Lookups(Loop& loop) : loop_(loop) {}

Lookups::~Lookups() {
  for (auto& connection : connections_) loop_.Retire(std::move(connection));
}

LookupStats Lookups::stats() const {
  LookupStats stats = stats_;
  stats.waiting = queue_.size();
  stats.asking = asking_;
  return stats;
}

std::unique_ptr<Lookup> Lookups::Ask(std::shared_ptr<const Router> router, LookupQuestion question,
                                     Done done) {
  ROOST_CHECK(router->service() != nullptr);
  std::unique_ptr<Lookup> lookup(
      new Lookup(*this, std::move(router), std::move(question), std::move(done)));
  const LookupConfig& config = lookup->service().config;
  const bool full = queue_.size() >= static_cast<size_t>(config.queue_max);
  lookup->place_ = queue_.insert(queue_.end(), lookup.get());
  if (full) {
    loop_.Post([this, asked = lookup.get(), life = lookup->life_.watch()] {
      if (!life.expired()) Finish(*asked, Unavailable("too many logins wait to be looked up"));
    });
    return lookup;
  }
  const uint64_t wait_ns = SecondsToNs(static_cast<uint64_t>(config.queue_s));
  lookup->deadline_.SetIn(std::min(wait_ns, lookup->question_.within_ns),
                          [this, asked = lookup.get()] {
                            Finish(*asked, Unavailable("too many logins are being looked up"));
                          });
  Later();
  return lookup;
}

// Not at once: this may run inside a connection or whoever asks.
void Lookups::Later() {
  if (std::exchange(posted_, true)) return;
  loop_.Post([this, life = life_.watch()] {
    if (life.expired()) return;
    posted_ = false;
    Next();
  });
}

void Lookups::Next() {
  while (!queue_.empty()) {
    Lookup& lookup = *queue_.front();
    most_kept_ = static_cast<size_t>(lookup.service().config.max_in_progress);
    if (asking_ >= most_kept_) return;
    queue_.pop_front();
    lookup.deadline_.Cancel();
    lookup.state_ = Lookup::State::kAsking;
    ++asking_;
    if (lookup.question_.within_ns != kNever) {
      const uint64_t end_ns = lookup.since_ns_ + lookup.question_.within_ns;
      lookup.deadline_.SetIn(end_ns - std::min(end_ns, loop_.now_ns()),
                             [this, asked = &lookup] { GiveUp(*asked); });
    }
    Start(lookup);
  }
}

void Lookups::Start(Lookup& lookup) {
  lookup.server_ = Pick(lookup);
  lookup.tried_ |= 1u << lookup.server_;
  lookup.asked_ns_ = loop_.now_ns();
  const auto timeout_s = static_cast<uint64_t>(lookup.service().config.timeout_s);
  TryAgain(lookup.service().servers[lookup.server_].address, SecondsToNs(timeout_s));
  Connect(lookup.service().servers[lookup.server_], false).Begin(lookup);
}

// One that is kept, unless it must be fresh.
Lookups::Connection& Lookups::Connect(const LookupServer& server, bool fresh) {
  for (auto& connection : connections_) {
    if (!fresh && connection->idle() && connection->server() == server) return *connection;
  }
  ++stats_.connections;
  return *connections_.emplace_back(std::make_unique<Connection>(*this, server));
}

// Precondition: one was not tried yet.
size_t Lookups::Pick(const Lookup& lookup) const {
  const std::vector<LookupServer>& servers = lookup.service().servers;
  std::optional<size_t> best;
  for (size_t i = 0; i < servers.size(); ++i) {
    if ((lookup.tried_ & 1u << i) != 0) continue;
    if (!best || AvoidedUntil(servers[i].address) < AvoidedUntil(servers[*best].address)) best = i;
  }
  ROOST_CHECK(best);
  return *best;
}

// 0: it is not.
uint64_t Lookups::AvoidedUntil(const Address& address) const {
  for (const auto& [server, until] : avoided_) {
    if (server == address && until > loop_.now_ns()) return until;
  }
  return 0;
}

void Lookups::Avoid(const Address& address) {
  std::erase_if(avoided_, [&](const auto& entry) {
    return entry.first == address || entry.second + kAvoidNs <= loop_.now_ns();
  });
  avoided_.emplace_back(address, loop_.now_ns() + kAvoidNs);
}

// One whose time has come is asked by one look-up first: the others wait for what it finds.
void Lookups::TryAgain(const Address& address, uint64_t within_ns) {
  for (auto& [server, until] : avoided_) {
    if (server == address && until <= loop_.now_ns()) until = loop_.now_ns() + within_ns;
  }
}

void Lookups::Answered(const Address& address) {
  std::erase_if(avoided_, [&](const auto& entry) { return entry.first == address; });
}

void Lookups::NoteFailure(Lookup& lookup, const LookupServer& server, const std::string& problem) {
  if (!lookup.problems_.empty()) lookup.problems_ += "; ";
  lookup.problems_ += server.host + ": " + problem;
  ++stats_.failures;
  Avoid(server.address);
  Log(LogLevel::kWarning, "lookup_failed",
      {{"server", server.host}, {"session", lookup.question_.session.Text()}, {"reason", problem}});
}

// Whoever is asked now has not answered: a failure only if it had time to. The login may have spent
// its own on waiting for a place here, or on servers before.
void Lookups::GiveUp(Lookup& lookup) {
  const auto timeout_s = static_cast<uint64_t>(lookup.service().config.timeout_s);
  if (loop_.now_ns() - lookup.asked_ns_ >= SecondsToNs(timeout_s) / 2) {
    NoteFailure(lookup, lookup.service().servers[lookup.server_],
                "the login cannot wait any longer");
  } else if (lookup.problems_.empty()) {
    lookup.problems_ = "the login has waited too long for a place";
  }
  Finish(lookup, Unavailable(lookup.problems_));
}

void Lookups::Failed(Lookup& lookup, const LookupServer& server, const std::string& problem) {
  lookup.connection_ = nullptr;
  NoteFailure(lookup, server, problem);
  const uint32_t all = static_cast<uint32_t>((uint64_t{1} << lookup.service().servers.size()) - 1);
  if (lookup.tried_ != all) return Start(lookup);
  Finish(lookup, Unavailable(lookup.problems_));
}

void Lookups::Stale(Lookup& lookup) {
  lookup.connection_ = nullptr;
  Connect(lookup.service().servers[lookup.server_], true).Begin(lookup);
}

void Lookups::Finish(Lookup& lookup, LookupResult result) {
  const Done done = std::move(lookup.done_);
  ++stats_.results[static_cast<size_t>(result.kind)];
  stats_.time.Add(loop_.now_ns() - lookup.since_ns_);
  Cancel(lookup);
  done(std::move(result));
}

// Nothing is heard of it any more.
void Lookups::Cancel(Lookup& lookup) {
  const Lookup::State state = std::exchange(lookup.state_, Lookup::State::kOver);
  lookup.deadline_.Cancel();
  if (state == Lookup::State::kWaiting) queue_.erase(lookup.place_);
  if (state != Lookup::State::kAsking) return;
  --asking_;
  if (Connection* connection = std::exchange(lookup.connection_, nullptr)) connection->Forget();
  Later();
}

bool Lookups::MayKeep(const Connection& one) const {
  const auto kept = std::count_if(
      connections_.begin(), connections_.end(),
      [&one](const auto& connection) { return connection.get() != &one && connection->kept(); });
  return static_cast<size_t>(kept) < most_kept_;
}

void Lookups::Drop(Connection& connection) {
  const auto it = std::find_if(connections_.begin(), connections_.end(),
                               [&](const auto& c) { return c.get() == &connection; });
  if (it == connections_.end()) return;
  loop_.Retire(std::move(*it));
  connections_.erase(it);
}

}  // namespace roost
