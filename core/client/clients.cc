#include "core/client/clients.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/base/clock.h"
#include "core/client/awake.h"
#include "core/client/client.h"
#include "core/client/login_age.h"
#include "core/feed/render.h"
#include "proto/check.h"
#include "proto/tls/record_layer.h"

namespace roost {
namespace {

// An awake client with more than this unsent is told of events when it has drained.
constexpr size_t kMaxUnsentForNews = 64 * 1024;
// A client whose command waits for a session is not idle: its deadlines are looked at again later.
constexpr uint64_t kWakingCheckSeconds = 60;
// So soon again whoever is to be ended and has a command in progress is looked at.
constexpr uint64_t kBusySeconds = 1;

}  // namespace

void ClientCell::Watch(Feed& feed) {
  ROOST_CHECK(&feed.user() == user());
  watching = true;
  of.feed = &feed;
}

void ClientCell::Unwatch() {
  User* const owner = user();
  watching = false;
  of.user = owner;
}

User* ClientCell::user() const { return watching ? &of.feed->user() : of.user; }

Clients::Clients(Loop& loop, const Config& config, Credits& all)
    : loop_(loop),
      config_(config),
      all_(all),
      partings_(*this, loop, config),
      timers_(loop.now_ns()) {}

Clients::~Clients() { RemoveAll(); }

void Clients::set_services(Services* services) {
  services_ = services;
  partings_.set_services(services);
}

void Clients::RemoveAll() {
  std::vector<uint32_t> all;
  cells_.ForEach([&](uint32_t index, ClientCell&) { all.push_back(index); });
  for (uint32_t index : all) Remove(index);
}

Owner Clients::OwnerOf(uint32_t index) {
  return Handle(kOwnerKind, index, cells_[index].generation).bits();
}

uint32_t Clients::Find(Owner owner) {
  const Handle handle = Handle::FromBits(owner);
  return cells_.Find(handle.index(), handle.generation()) != nullptr ? handle.index() : kNoIndex;
}

uint32_t Clients::Add(const Address& peer, uint8_t listener, Credit credit) {
  auto ref = cells_.New();
  if (!ref) return kNoIndex;
  credit.Keep();
  ref->generation = ref.generation;
  ref->peer = peer;
  ref->listener = listener;
  ref->heard_s = static_cast<uint32_t>(NsToSeconds(loop_.now_ns()));
  return ref.index;
}

void Clients::Remove(uint32_t index) {
  ClientCell& c = cells_[index];
  if (following() && c.connection_id) Follow(c, "disconnected");
  timers_.Cancel(links(), index);
  partings_.Removed(c);
  if (c.counted) services_->addresses.Leave(c.peer);
  if (c.counted_of_user) of_users_.Leave(services_->hash_key, CountedAs(c));
  Unsubscribe(index);
  if (c.awake() != nullptr) {
    loop_.Retire(std::unique_ptr<Retirable>(c.awake()));
  } else if (c.socket()) {
    loop_.io().Abort(c.socket());
  }
  Wipe(c.tls);
  ids_.Drop(c.id);
  User* user = c.user();
  cells_.Free(index);
  all_.GiveBack();
  if (services_ != nullptr) ++services_->stats.closed;
  if (user != nullptr) user->Unref();
}

void Clients::Subscribe(uint32_t index) {
  ClientCell& c = cells_[index];
  c.phase = ClientPhase::kParked;
  if (c.feed() != nullptr) {
    c.feed()->subscribers.PushBack(subscriber_links(), index);
    ++c.feed()->subscriber_count;
  }
  SetParkedTimer(index);
}

void Clients::Unsubscribe(uint32_t index) {
  ClientCell& c = cells_[index];
  Feed* feed = c.feed();
  c.Unwatch();
  if (feed == nullptr || !c.subscribers.linked()) return;
  feed->subscribers.Remove(subscriber_links(), index);
  --feed->subscriber_count;
  if (services_ != nullptr) services_->feeds.DropIfUnused(feed);
}

// Subscribers of one feed at one cursor and of one class are told the same bytes. Null: too many.
const std::string* Clients::Rendered(const Feed& feed, uint64_t cursor, EnabledSet enabled) {
  if (rendered_feed_ != feed.id() || rendered_from_ != cursor || rendered_to_ != feed.head() ||
      rendered_for_ != enabled) {
    rendered_.clear();
    rendered_fits_ = feed.RenderedAtMost(cursor, feed.head(), enabled) <= kMostOwedBytes;
    if (rendered_fits_) feed.Render(cursor, feed.head(), enabled, &rendered_);
    rendered_feed_ = feed.id();
    rendered_from_ = cursor;
    rendered_to_ = feed.head();
    rendered_for_ = enabled;
  }
  return rendered_fits_ ? &rendered_ : nullptr;
}

bool Clients::IsOwedTooMuch(uint32_t index) const {
  const ClientCell& c = cells_[index];
  if (c.feed() == nullptr) return false;
  return c.feed()->RenderedAtMost(c.cursor, c.feed()->head(), c.enabled) > kMostOwedBytes;
}

std::optional<std::string_view> Clients::TakeOwed(uint32_t index) {
  ClientCell& c = cells_[index];
  if (c.feed() == nullptr || c.cursor == c.feed()->head()) return std::string_view();
  const std::string* owed = Rendered(*c.feed(), c.cursor, c.enabled);
  if (owed == nullptr) return std::nullopt;
  c.cursor = c.feed()->head();
  return *owed;
}

void Clients::LetGo(uint32_t index) {
  ++services_->stats.laggards_dropped;
  services_->stats.Hit(ClientLimit::kLog);
  Bye(index, "[UNAVAILABLE] Too far behind with this mailbox; please connect again");
}

void Clients::CatchUp(uint32_t index) {
  ClientCell& c = cells_[index];
  if (c.phase != ClientPhase::kParked || !c.idling || c.waking || c.feed() == nullptr) return;
  if (c.cursor == c.feed()->head()) return;
  const uint64_t owed_from = c.cursor;
  if (c.awake() != nullptr) {
    if (c.awake()->stream().unsent() > kMaxUnsentForNews) return;  // OnDrained comes back to it
  } else if (loop_.io().SendPending(c.socket())) {
    return;  // OnSent comes back to it
  }
  const std::optional<std::string_view> owed = TakeOwed(index);
  if (!owed) return LetGo(index);
  if (c.awake() != nullptr) {
    c.awake()->Write(*owed);
  } else if (!SendAsleep(c, *owed)) {
    return Remove(index);
  }
  ++services_->stats.events_sent;
  if (following()) {
    Follow(c, "told", {{"mailbox", c.feed()->mailbox()}, {"events", c.cursor - owed_from}});
  }
  SetParkedTimer(index);
}

// False: the write side is used up, and the client can only go.
bool Clients::SendAsleep(ClientCell& c, std::string_view plaintext) {
  if (plaintext.empty()) return true;
  if (c.tls.suite == TlsSuite::kNone) {
    loop_.io().Send(c.socket(), std::string(plaintext));
    return true;
  }
  std::string sealed;
  if (!Seal(c.tls, plaintext, &sealed)) return false;
  loop_.io().Send(c.socket(), std::move(sealed));
  return true;
}

void Clients::OnNews(Feed& feed) {
  std::vector<Handle> told;
  feed.subscribers.ForEach(subscriber_links(), [&](uint32_t index) {
    ClientCell& c = cells_[index];
    if (!c.idling || c.queued || c.cursor == feed.head()) return;
    c.queued = true;
    told.push_back(Handle(kOwnerKind, index, c.generation));
  });
  news_.Push(std::move(told), loop_.now_ns());
  if (feed.subscriber_count == 0) Trim(feed);
}

bool Clients::Work() {
  Feed* told = nullptr;  // of the event whose turn it is
  for (int budget = kSendsPerTurn; budget > 0 && !news_.empty();) {
    const News::Next next = news_.Take();
    if (cells_.Find(next.cell.index(), next.cell.generation()) != nullptr) {
      ClientCell& c = cells_[next.cell.index()];
      c.queued = false;
      if (c.feed() != nullptr) told = c.feed();
      CatchUp(next.cell.index());
      --budget;
    }
    // Trimming looks at all subscribers: of a crowd once, at its end.
    if (next.ends_event && told != nullptr) Trim(*told);
    if (next.ends_row) told = nullptr;
    if (next.ends_event) {
      services_->stats.fan_out.Add(loop_.io().ReadClockNs() - next.heard_ns);
    }
  }
  partings_.EndKicked();
  beats_left_ = kBeatsPerTurn;
  timers_.Advance(links(), loop_.now_ns(), kTimersPerTurn, [this](uint32_t index) { Fire(index); });
  const bool beats = SweepBeats();
  return partings_.Work() || beats || !news_.empty();
}

uint64_t Clients::NextDeadlineNs() const {
  if (beat_place_ != kNoIndex) return loop_.now_ns();
  return std::min(timers_.NextDeadlineNs(), partings_.NextDeadlineNs());
}

void Clients::Trim(Feed& feed) {
  // Whoever joins, wakes or recovers has noted a place in the log.
  if (feed.holds != 0 || feed.log().empty()) return;
  uint64_t low = feed.head();
  feed.subscribers.ForEach(subscriber_links(),
                           [&](uint32_t index) { low = std::min(low, cells_[index].cursor); });
  feed.TrimLog(low);
}

void Clients::OnLogFull(Feed& feed) {
  ++feed.holds;
  Coalesce(feed);
  while (!feed.LogHasRoom()) {
    // Too many cursors, or too much owed: those furthest behind go.
    uint64_t keep = feed.log().SeqAtPlace(feed.log().size() / 2);
    if (keep <= feed.log().first_seq()) keep = feed.head();
    std::vector<uint32_t> laggards;
    feed.subscribers.ForEach(subscriber_links(), [&](uint32_t index) {
      if (cells_[index].cursor < keep) laggards.push_back(index);
    });
    for (uint32_t index : laggards) LetGo(index);
    feed.TrimLog(keep);
    Coalesce(feed);
  }
  // Whom the log no longer reaches can be told nothing true.
  std::vector<uint32_t> lost;
  feed.subscribers.ForEach(subscriber_links(), [&](uint32_t index) {
    if (cells_[index].cursor < feed.log().first_seq()) lost.push_back(index);
  });
  for (uint32_t index : lost) LetGo(index);
  --feed.holds;
  services_->feeds.DropIfUnused(&feed);  // retired: it lives until the turn is over
}

bool Clients::HaveCondstore(Feed& feed) {
  bool any = false;
  feed.subscribers.ForEach(subscriber_links(),
                           [&](uint32_t index) { any = any || cells_[index].enabled.condstore(); });
  return any;
}

void Clients::Coalesce(Feed& feed) {
  const uint64_t before = feed.log().size();
  std::vector<uint64_t> cursors;
  uint64_t behind = 0;
  feed.subscribers.ForEach(subscriber_links(), [&](uint32_t index) {
    cursors.push_back(cells_[index].cursor);
    if (cells_[index].cursor < feed.head()) ++behind;
  });
  feed.CoalesceLog(std::move(cursors));
  if (feed.log().size() < before) services_->stats.laggards_coalesced += behind;
}

void Clients::OnDead(Feed& feed, const std::string& reason) {
  std::vector<uint32_t> all;
  feed.subscribers.ForEach(subscriber_links(), [&](uint32_t index) { all.push_back(index); });
  const bool spread = config_.timeouts.bye_spread_s != 0;
  for (uint32_t index : all) {
    const bool waits = spread && cells_[index].awake() == nullptr;
    waits ? SetParkedTimer(index) : Bye(index, reason);
  }
}

// Of a store's death thousands of feeds die: their clients must not come back in one moment.
void Clients::SetByeTimer(uint32_t index) {
  const uint64_t spread = SecondsToNs(static_cast<uint64_t>(config_.timeouts.bye_spread_s));
  SetTimer(index, loop_.now_ns() + loop_.PartOf(spread));
}

std::string_view Clients::EndOf(const ClientCell& c) const {
  if (c.feed() != nullptr && c.feed()->dead()) return c.feed()->death();
  if (c.user() != nullptr && c.user()->credentials_refused()) return kLoginRefused;
  if (c.waking) return {};
  // It could only be lent a session that has not its rights.
  const bool parked = c.phase == ClientPhase::kParked && c.user() != nullptr;
  if (parked && !c.user()->may_share()) return kOwnSessionNeeded;
  return Partings::TextFor(c);
}

void Clients::EndAllOf(const User& user) {
  std::vector<uint32_t> waking;
  cells_.ForEach([&](uint32_t index, ClientCell& c) {
    if (c.user() != &user || EndOf(c).empty()) return;
    c.waking ? waking.push_back(index) : SetByeTimer(index);
  });
  for (uint32_t index : waking) Bye(index, std::string(EndOf(cells_[index])));
}

void Clients::Bye(uint32_t index, std::string_view text) {
  ClientCell& c = cells_[index];
  if (c.awake() != nullptr) return c.awake()->Bye(text);
  ByeAsleep(index, text);
}

void Clients::ByeAsleep(uint32_t index, std::string_view text) {
  ClientCell& c = cells_[index];
  if (following()) Follow(c, "bye", {{"text", text}});
  std::string line = "* BYE ";
  line.append(text).append("\r\n");
  std::string last;
  if (c.tls.suite == TlsSuite::kNone) {
    last = std::move(line);
  } else {
    Seal(c.tls, line, &last);
    SealCloseNotify(c.tls, &last);
  }
  loop_.io().Close(c.TakeSocket(), std::move(last));
  Remove(index);
}

void Clients::ByeAll(std::string_view text) {
  std::vector<uint32_t> all;
  cells_.ForEach([&](uint32_t index, ClientCell&) { all.push_back(index); });
  for (uint32_t index : all) Bye(index, text);
}

void Clients::End(uint32_t index, std::string_view text) {
  const ClientCell& c = cells_[index];
  if (c.awake() == nullptr || !c.awake()->talk().Busy()) return Bye(index, text);
  SetTimer(index, loop_.now_ns() + SecondsToNs(kBusySeconds));
}

std::string_view Clients::LoginOf(const ClientCell& c) const {
  if (c.user() != nullptr) return c.user()->login();
  return c.awake() != nullptr ? c.awake()->talk().login() : std::string_view();
}

std::optional<StoreIndex> Clients::StoreOf(const ClientCell& c) const {
  if (c.user() != nullptr) return c.user()->dialer().target().index;
  const Session* session = c.awake() != nullptr ? c.awake()->talk().session() : nullptr;
  if (session == nullptr) return {};
  return session->target().index;
}

bool Clients::following() const { return services_ != nullptr && services_->trace.on(); }

void Clients::Follow(const ClientCell& c, std::string_view event, LogFields fields) const {
  services_->trace.Say(LoginOf(c), event, c.connection_id, fields);
}

std::string_view Clients::CountedAs(const ClientCell& c) const {
  if (c.user() != nullptr) return c.user()->login();
  return c.awake() != nullptr ? c.awake()->talk().counted_as() : std::string_view();
}

bool Clients::AdmitLogin(uint32_t index, std::string_view counted_as) {
  ClientCell& c = cells_[index];
  const auto most = static_cast<uint32_t>(config_.limits.max_clients_per_user);
  c.counted_of_user = most != 0 && of_users_.Enter(services_->hash_key, counted_as, most);
  if (most != 0 && !c.counted_of_user) return false;
  c.login_s = LoginTime::Of(loop_.now_ns()) & (LoginTime::kWrapSeconds - 1);
  return true;
}

void Clients::Wake(uint32_t index, std::span<const uint8_t> received) {
  auto client = std::make_unique<Client>(*services_, index);
  Client* awake = client.release();  // owned by the cell until it sleeps or is removed
  awake->Become(std::make_unique<Awake>(*awake));
  awake->OpenFromCell(received);
}

void Clients::OnReadable(Owner owner) {
  const uint32_t index = Find(owner);
  if (index == kNoIndex || cells_[index].awake() != nullptr) return;
  Wake(index);
}

// A sleeping client has only a poll outstanding, but a receive that was withdrawn when it fell
// asleep may still bring its bytes.
void Clients::OnReceive(Owner owner, std::span<uint8_t> data, int error) {
  const uint32_t index = Find(owner);
  if (index == kNoIndex || cells_[index].awake() != nullptr) return;
  error != 0 ? Remove(index) : Wake(index, data);
}

void Clients::OnSent(Owner owner, int error) {
  const uint32_t index = Find(owner);
  if (index == kNoIndex) return;
  if (error != 0) return Remove(index);
  ClientCell& c = cells_[index];
  if (c.awake() == nullptr) CatchUp(index);
}

void Clients::SetTimer(uint32_t index, uint64_t at_ns) { timers_.Arm(links(), index, at_ns); }

// In IDLE: the next heartbeat, at instants that clients of one user and address share, so that a
// radio wakes once. Else the autologout.
void Clients::SetParkedTimer(uint32_t index) {
  const ClientCell& c = cells_[index];
  const uint64_t now = loop_.now_ns();
  if (!EndOf(c).empty()) return SetByeTimer(index);
  if (!c.idling) {
    const auto limit = static_cast<uint64_t>(config_.timeouts.autologout_s);
    return SetTimer(index, SecondsToNs(c.heard_s + limit));
  }
  const uint64_t period = SecondsToNs(static_cast<uint64_t>(config_.timeouts.heartbeat_s));
  if (period == 0) return SetTimer(index, kNever);
  std::string_view address(reinterpret_cast<const char*>(c.peer.bytes), sizeof c.peer.bytes);
  const HashKey key{c.user()->spread(), services_->hash_key.k1};
  const uint64_t offset = SipHash13(key, address) % (period / kBeatsApartNs) * kBeatsApartNs;
  const uint64_t earliest = now + period / 2;
  const uint64_t beats = (earliest + period - offset) / period;
  SetTimer(index, beats * period + offset);
}

// After a change of heartbeat_s: whoever sleeps by the old one would never hear of it. True: more
// of it waits.
bool Clients::SweepBeats() {
  if (heartbeat_s_ != config_.timeouts.heartbeat_s) {
    heartbeat_s_ = config_.timeouts.heartbeat_s;
    beat_place_ = 0;
  }
  if (beat_place_ == kNoIndex) return false;
  return VisitSome(&beat_place_, Partings::kVisitsPerTurn, [this](uint32_t index) {
    const ClientCell& c = cells_[index];
    if (!EndOf(c).empty()) return;  // its timer is for that
    if (c.phase == ClientPhase::kParked && c.idling && !c.waking) SetParkedTimer(index);
    if (c.phase == ClientPhase::kAttached && c.awake() != nullptr)
      c.awake()->talk().OnBeatChanged();
  });
}

void Clients::Fire(uint32_t index) {
  ClientCell& c = cells_[index];
  // Whatever ends the client ends its cell, and perhaps the memory around it.
  if (c.phase == ClientPhase::kEntering) {
    if (c.awake() == nullptr) return;
    return c.awake()->talk().OnTimer();
  }
  if (const std::string_view end = EndOf(c); !end.empty()) return End(index, std::string(end));
  if (c.phase == ClientPhase::kAttached) {
    if (c.awake() != nullptr) c.awake()->talk().OnTimer();
    return;
  }
  const uint64_t now = loop_.now_ns();
  if (c.waking) return SetTimer(index, now + SecondsToNs(kWakingCheckSeconds));
  if (!c.idling) {
    const auto limit = static_cast<uint64_t>(config_.timeouts.autologout_s);
    if (now >= SecondsToNs(c.heard_s + limit)) {
      services_->stats.Hit(ClientLimit::kIdleTime);
      return Bye(index, "Autologout; idle for too long");
    }
    return SetParkedTimer(index);
  }
  if (config_.timeouts.heartbeat_s == 0) return SetParkedTimer(index);  // it was to be ended
  if (--beats_left_ < 0) return SetTimer(index, now);                   // in the next tick
  if (c.awake() != nullptr) {
    if (c.awake()->stream().unsent() == 0) c.awake()->Write(kBeat);
  } else if (!loop_.io().SendPending(c.socket())) {
    if (!SendAsleep(c, kBeat)) return Remove(index);
  }
  ++services_->stats.heartbeats;
  SetParkedTimer(index);
}

}  // namespace roost
