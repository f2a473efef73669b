#include "core/store/dialer.h"

#include <algorithm>
#include <utility>

#include "core/base/clock.h"
#include "core/base/hash.h"

namespace roost {
namespace {

constexpr size_t kPruneEvery = 64;

}  // namespace

Dialer::UserHash Dialer::HashOf(const std::string& user) {
  return user.empty() ? 0 : std::max<UserHash>(1, SipHash13({}, user) >> 24);
}

Dialer::PlaceRef::PlaceRef(SessionPlace& of, Session& its)
    : place(&of), session(&its), life(of.life_.watch()) {}

SessionPlace::SessionPlace(Dialer& dialer, Dialer::Urgency urgency, Dialer::UserHash user)
    : dialer_(dialer), dialer_life_(dialer.life_.watch()), user_(user), urgency_(urgency) {}

SessionPlace::~SessionPlace() {
  if (state_ == State::kWaiting || dialer_life_.expired()) return;
  const bool logged_in = state_ == State::kOpen;
  EndLogin();
  dialer_.Closed(user_, address_, logged_in);
}

void SessionPlace::LoginOver() {
  if (dialer_life_.expired()) return;
  Answered();
  EndLogin();
  dialer_.LoggedIn(user_, address_);
}

void SessionPlace::NoteLoss(SessionLoss loss) {
  if (dialer_life_.expired()) return;
  ++dialer_.lost_[static_cast<size_t>(loss)];
  if (loss == SessionLoss::kRefused) Answered();
}

void SessionPlace::Answered() {
  const bool counts = state_ == State::kLoggingIn && urgency_ == Dialer::Urgency::kClient;
  if (counts) ++dialer_.target_.credits->answered;
}

// However it ended.
void SessionPlace::EndLogin() {
  if (state_ != State::kLoggingIn) return;
  state_ = State::kOpen;
  dialer_.LoginOver(urgency_);
}

Dialer::Dialer(Loop& loop, StoreTarget target, uint32_t shards, uint32_t shard)
    : loop_(loop),
      target_(std::move(target)),
      shards_(shards),
      shard_(shard),
      logins_share_(target_.credits->logins, shard, [&loop](uint32_t s) { loop.io().RingBell(s); }),
      recoveries_share_(target_.credits->recoveries, shard,
                        [&loop](uint32_t s) { loop.io().RingBell(s); }),
      expiry_(loop) {}

Dialer::~Dialer() { target_.credits->waiting -= reported_; }

void Dialer::ReportWaiting() {
  // Users, as they are served in turn: whoever comes waits for no more than one login of each, and
  // not at all for those that have all the sessions they may have.
  const uint64_t waiting = std::min(clients_.turns.size(), clients_.size);
  target_.credits->waiting += waiting - reported_;  // less of them: modulo 2^64
  reported_ = waiting;
}

Dialer::Wait Dialer::LoginWait() {
  const uint64_t waiting = target_.credits->waiting;
  const uint64_t answered = target_.credits->answered;
  if (waiting == 0) {
    measured_from_ns_ = answered_per_s_ = 0;
    return Wait::kShort;
  }
  const uint64_t now = loop_.now_ns();
  const uint64_t passed = now - measured_from_ns_;
  if (passed >= kMeasureNs) {
    const bool lately = passed < 2 * kMeasureNs;
    answered_per_s_ = lately ? (answered - answered_then_) * kNsPerSecond / passed : 0;
    measured_from_ns_ = now;
    answered_then_ = answered;
  }
  if (answered_per_s_ == 0) return Wait::kUnknown;
  const auto longest_s = static_cast<uint64_t>(target_.config->queue_s);
  return waiting > answered_per_s_ * longest_s / 2 ? Wait::kLong : Wait::kShort;
}

void Dialer::Follow(const std::vector<StoreAddress>& addresses) {
  if (addresses.empty()) return;
  target_.addresses = addresses;
  address_ = ServingFrom(target_.addresses, address_ % addresses.size());
}

void Dialer::NoteUnreachable(UserHash user, size_t address) {
  if (address == address_) address_ = ServingFrom(target_.addresses, address + 1);
  const auto open = open_of_user_.find(user);
  if (open == open_of_user_.end() || open->second.home != address) return;
  // Of those that log in there now none may come to be open. Where nobody checks, nothing else
  // would ever tell that the address is down.
  const bool stays = open->second.at_home != 0 && target_.config->check_s != 0;
  if (!stays) SetHome(user, &open->second, address_);
}

size_t Dialer::AddressOf(UserHash user, size_t address) const {
  const auto open = open_of_user_.find(user);
  if (open != open_of_user_.end() && Serves(open->second.home)) return open->second.home;
  const size_t place = address % target_.addresses.size();
  const StoreAddress& at = target_.addresses[place];
  // Sessions that are to go to one that is gone all go to the same one instead.
  const bool leaves =
      at.gone ? open == open_of_user_.end() : (at.down || at.drained) && !HasSessionAt(user, place);
  return leaves ? address_ : address;
}

bool Dialer::HasSessionAt(UserHash user, size_t address) const {
  auto it = open_of_user_.find(user);
  if (it == open_of_user_.end()) return false;
  const OpenOfUser& open = it->second;
  return address == open.home ? open.at_home != 0 : away_.contains(KeyOf(user, address));
}

std::optional<size_t> Dialer::Another(UserHash user, const std::vector<size_t>& tried) const {
  const bool checked = target_.config->check_s != 0;
  if (checked && Serves(tried.back()) && HasSessionAt(user, tried.back())) return {};
  const std::vector<StoreAddress>& all = target_.addresses;
  std::optional<size_t> best;
  const auto consider = [&](size_t at) {
    if (all[at].gone || std::find(tried.begin(), tried.end(), at) != tried.end()) return;
    if (!best || ComesAfter(all[*best], all[at])) best = at;
  };
  consider(address_);
  for (size_t i = 1; i < all.size(); ++i) consider((tried.back() + i) % all.size());
  return best;
}

void Dialer::Configure(const StoreSettings& settings) {
  const StoreConfig& old = *target_.config;
  const StoreConfig& now = *settings.config;
  if (now.master_user != old.master_user || now.master_separator != old.master_separator) {
    if (++target_.masters == StoreTarget::kNoMaster) target_.masters = 0;
  }
  static_cast<StoreSettings&>(target_) = settings;
  // There may be more places now, also for users who had all they might have.
  for (Queue* queue : {&clients_, &recoveries_}) {
    for (auto& [user, line] : queue->lines) queue->GiveTurn(user, &line);
  }
  Later();
}

CapabilitySet Dialer::Shared(const CapabilitySet& set) {
  for (const CapabilitySet& known : offered_) {
    if (known.ToString() == set.ToString()) return known;
  }
  if (offered_.size() >= kMostOffered) offered_.erase(offered_.begin());
  offered_.push_back(set);
  return set;
}

DialerStats& DialerStats::operator+=(const DialerStats& other) {
  opened += other.opened, refused += other.refused;
  waiting += other.waiting, logging_in += other.logging_in, open += other.open;
  leaving += other.leaving;
  for (size_t i = 0; i < kSessionLosses; ++i) lost[i] += other.lost[i];
  return *this;
}

DialerStats Dialer::stats() const {
  DialerStats s;
  s.opened = opened_;
  s.refused = refused_;
  s.lost = lost_;
  s.waiting = clients_.size + recoveries_.size;
  s.logging_in = logins();
  s.open = open_ - s.logging_in;
  return s;
}

uint64_t Dialer::MostLogins() const {
  const int most = target_.config->max_logins_in_progress;
  return most == 0 ? UINT64_MAX : static_cast<uint64_t>(most);
}

uint64_t Dialer::ShareOfSessions() const {
  const auto most = static_cast<uint64_t>(target_.config->max_sessions);
  if (most == 0) return UINT64_MAX;
  // The first ones have what is left, so that all together have `most`. Fewer than shards can be
  // only until a restart (ConfigRelations), for which nobody is to wait.
  const uint64_t share = most / shards_ + (shard_ < most % shards_ ? 1 : 0);
  return std::max<uint64_t>(1, share);
}

// All of a user's sessions are opened here, so the bound is exact.
bool Dialer::UserFull(UserHash user) const {
  const int most = target_.config->max_sessions_per_user;
  if (most == 0 || user == 0) return false;
  auto it = open_of_user_.find(user);
  return it != open_of_user_.end() && it->second.all >= static_cast<uint64_t>(most);
}

uint64_t& Dialer::LoginsOf(Urgency urgency) {
  switch (urgency) {
    case Urgency::kClient:
      return client_logins_;
    case Urgency::kRecovery:
      return recovery_logins_;
    case Urgency::kSpare:
      break;
  }
  return spare_logins_;
}

std::unique_ptr<Session> Dialer::Open(const Credentials& credentials, const SessionClient& client,
                                      size_t attempt, Urgency urgency, SessionSink& sink) {
  if (urgency == Urgency::kSpare) return OpenSpare(credentials, client, attempt, sink);
  auto session = std::make_unique<Session>(loop_, target_, sink);
  ++opened_;
  Queue& queue = urgency == Urgency::kClient ? clients_ : recoveries_;
  const auto most = static_cast<size_t>(target_.config->queue_max);
  if (queue.size >= most) {  // of those who left, too
    for (auto& [whose, line] : queue.lines) Prune(&line, &queue);
  }
  const UserHash user = HashOf(credentials.user);
  if (queue.size >= most && !PushOutNewest(queue, user)) {
    ++refused_;
    session->NoPlace();
    return session;
  }
  auto place = std::make_unique<SessionPlace>(*this, urgency, user);
  Line& line = queue.lines[user];
  line.user = credentials.user;
  if (line.waiting.size() % kPruneEvery == kPruneEvery - 1) Prune(&line, &queue);
  queue.GiveTurn(user, &line);
  const uint64_t until =
      loop_.now_ns() + SecondsToNs(static_cast<uint64_t>(target_.config->queue_s));
  line.waiting.push_back({PlaceRef(*place, *session), credentials, client, attempt, until});
  ++queue.size;
  session->set_place(std::move(place));
  Later();
  ArmExpiry();
  return session;
}

std::unique_ptr<Session> Dialer::OpenSpare(const Credentials& credentials,
                                           const SessionClient& client, size_t attempt,
                                           SessionSink& sink) {
  auto session = std::make_unique<Session>(loop_, target_, sink);
  const UserHash user = HashOf(credentials.user);
  const bool room = clients_.size + recoveries_.size == 0 && open_ < ShareOfSessions() &&
                    !UserFull(user) && logins_share_.TryReserve(logins() + 1, MostLogins());
  if (!room) {
    session->NoPlace();
    return session;
  }
  ++opened_;
  auto place = std::make_unique<SessionPlace>(*this, Urgency::kSpare, user);
  const PlaceRef ref(*place, *session);
  std::erase_if(spares_, [](const PlaceRef& spare) { return spare.get() == nullptr; });
  spares_.push_back(ref);
  session->set_place(std::move(place));
  Start({ref, credentials, client, attempt, 0});
  return session;
}

bool Dialer::EndSpare(const std::function<bool(const SessionPlace&)>& matches) {
  for (const PlaceRef& spare : spares_) {
    SessionPlace* place = spare.get();
    if (place == nullptr || !matches(*place)) continue;
    spare.session->NoPlace();
    return true;
  }
  return false;
}

// Makes room in a full queue: the newest of the longest line goes, so that no user fills the queue
// for all. False: the line of `user` itself is as long.
bool Dialer::PushOutNewest(Queue& queue, UserHash user) {
  Line* longest = nullptr;
  for (auto& [name, line] : queue.lines) {
    if (longest == nullptr || line.waiting.size() > longest->waiting.size()) longest = &line;
  }
  auto own = queue.lines.find(user);
  const size_t own_size = own == queue.lines.end() ? 0 : own->second.waiting.size();
  if (longest == nullptr || longest->waiting.size() <= own_size + 1) return false;
  const PlaceRef ref = longest->waiting.back().place;
  longest->waiting.pop_back();
  --queue.size;
  ++refused_;
  if (ref.get() != nullptr) ref.session->NoPlace();
  return true;
}

// Credentials of those who left need not stay.
void Dialer::Prune(Line* line, Queue* queue) {
  queue->size -=
      std::erase_if(line->waiting, [](const Waiting& w) { return w.place.get() == nullptr; });
}

// Not at once: this may run inside a session that is being torn down.
void Dialer::Later() {
  if (std::exchange(posted_, true)) return;
  loop_.Post([this] {
    posted_ = false;
    Next();
  });
}

void Dialer::Next() {
  const uint64_t most = MostLogins();
  const uint64_t most_recoveries = std::max<uint64_t>(1, most / 2);
  logins_share_.BeginRound(logins(), most);
  recoveries_share_.BeginRound(recovery_logins_, most_recoveries);
  bool held_up = false;
  const auto start_one = [&](Queue& queue) {
    const bool recovers = &queue == &recoveries_;
    if (queue.turns.empty()) return false;
    if (recovers && !recoveries_share_.Reserve(recovery_logins_ + 1, most_recoveries)) return false;
    held_up = !logins_share_.Reserve(logins() + 1, most);
    if (held_up || !StartOne(queue)) return false;
    clients_in_a_row_ = recovers ? 0 : std::min(clients_in_a_row_ + 1, kClientsInARow);
    return true;
  };
  const auto start_next = [&] {
    if (clients_in_a_row_ == kClientsInARow && start_one(recoveries_)) return true;
    return (!held_up && start_one(clients_)) || (!held_up && start_one(recoveries_));
  };
  while (start_next()) {
  }
  logins_share_.EndRound(logins(), most);
  recoveries_share_.EndRound(recovery_logins_, most_recoveries);
  ReportWaiting();
  if (!held_up) return;
  EndSpare([](const SessionPlace& p) { return p.state_ == SessionPlace::State::kLoggingIn; });
}

bool Dialer::StartOne(Queue& queue) {
  while (!queue.turns.empty()) {
    if (open_ >= ShareOfSessions()) {
      const bool ended = EndSpare([](const SessionPlace&) { return true; });
      if (!ended && reclaim_) reclaim_({});
      return false;
    }
    const UserHash user = queue.turns.front();
    queue.turns.pop_front();
    auto it = queue.lines.find(user);
    Line& line = it->second;
    line.has_turn = false;
    Prune(&line, &queue);
    if (line.waiting.empty()) {
      queue.lines.erase(it);
      continue;
    }
    if (UserFull(user)) {  // its turn comes when one of its sessions is closed or unused
      const bool ended = EndSpare([&](const SessionPlace& p) { return p.user_ == user; });
      if (!ended && reclaim_) reclaim_(line.user);
      continue;
    }
    Waiting waiting = std::move(line.waiting.front());
    line.waiting.pop_front();
    --queue.size;
    line.waiting.empty() ? void(queue.lines.erase(it)) : queue.GiveTurn(user, &line);
    Start(waiting);
    return true;
  }
  return false;
}

void Dialer::Start(const Waiting& waiting) {
  SessionPlace* place = waiting.place.get();
  if (place == nullptr) return;
  place->state_ = SessionPlace::State::kLoggingIn;
  ++LoginsOf(place->urgency_);
  ++open_;
  OpenOfUser& open = open_of_user_[place->user_];
  // Another session may have logged in while this one waited.
  const bool joins = open.at_home != 0 && Serves(open.home);
  const size_t address = joins ? open.home : UsableFrom(target_.addresses, waiting.attempt);
  if (open.at_home == 0) SetHome(place->user_, &open, address);
  place->address_ = address & 0xffff;
  const uint64_t sessions = ++open.all;
  if (trace_ != nullptr && trace_->on()) {
    trace_->Say(place->user_, "session_opening", waiting.client.connection_id,
                {{"store", target_.config->name}, {"sessions", sessions}});
  }
  waiting.place.session->Start(waiting.credentials, waiting.client, address);
}

void Dialer::LoginOver(Urgency urgency) {
  --LoginsOf(urgency);
  Later();
}

void Dialer::SetHome(UserHash user, OpenOfUser* open, size_t address) {
  if (open->home == address) return;
  if (open->at_home != 0) away_[KeyOf(user, open->home)] = open->at_home;
  const auto there = away_.extract(KeyOf(user, address));
  open->home = address & 0xffff;
  open->at_home = there.empty() ? 0 : there.mapped();
}

void Dialer::LoggedIn(UserHash user, size_t address) {
  OpenOfUser& open = open_of_user_.find(user)->second;
  const bool moves = open.at_home == 0 || (!Wants(open.home) && Wants(address));
  if (moves) SetHome(user, &open, address);
  if (address == open.home) {
    ++open.at_home;
  } else {
    ++away_[KeyOf(user, address)];
  }
}

void Dialer::Closed(UserHash user, size_t address, bool logged_in) {
  --open_;
  auto it = open_of_user_.find(user);
  OpenOfUser& open = it->second;
  if (logged_in && address == open.home) {
    --open.at_home;
  } else if (auto away = away_.find(KeyOf(user, address)); logged_in && --away->second == 0) {
    away_.erase(away);
  }
  for (size_t i = 0; open.at_home == 0 && !away_.empty() && i < target_.addresses.size(); ++i) {
    if (HasSessionAt(user, i)) SetHome(user, &open, i);
  }
  const uint64_t sessions = --open.all;
  if (sessions == 0) open_of_user_.erase(it);
  if (trace_ != nullptr && trace_->on()) {
    trace_->Say(user, "session_closed", {},
                {{"store", target_.config->name}, {"sessions", sessions}});
  }
  GiveTurnTo(user);
  Later();
}

void Dialer::GiveTurnTo(UserHash user) {
  for (Queue* queue : {&clients_, &recoveries_}) {
    auto line = queue->lines.find(user);
    if (line != queue->lines.end()) queue->GiveTurn(user, &line->second);
  }
}

// Whoever is held up has it reclaimed.
void Dialer::OnUnused(const std::string& user) {
  if (clients_.size + recoveries_.size == 0) return;
  GiveTurnTo(HashOf(user));
  Later();
}

void Dialer::ExpireLines(Queue* queue, uint64_t now) {
  for (auto it = queue->lines.begin(); it != queue->lines.end();) {
    std::deque<Waiting>& waiting = it->second.waiting;
    while (!waiting.empty() && waiting.front().until_ns <= now) {
      const PlaceRef ref = waiting.front().place;
      waiting.pop_front();
      --queue->size;
      if (ref.get() == nullptr) continue;
      ++refused_;
      ref.session->NoPlace();
    }
    const bool over = waiting.empty() && !it->second.has_turn;
    it = over ? queue->lines.erase(it) : std::next(it);
  }
}

void Dialer::ArmExpiry() {
  if (expiry_.armed() || clients_.size + recoveries_.size == 0) return;
  // Somebody may wait a second too long: nobody minds.
  expiry_.SetIn(SecondsToNs(1), [this] {
    ExpireLines(&clients_, loop_.now_ns());
    ExpireLines(&recoveries_, loop_.now_ns());
    ReportWaiting();
    ArmExpiry();
  });
}

}  // namespace roost
