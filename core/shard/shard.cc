#include "core/shard/shard.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/base/log.h"
#include "core/client/client.h"
#include "core/client/entering.h"
#include "core/park/audit.h"
#include "core/shard/survey.h"

namespace roost {
namespace {

constexpr std::string_view kStopping = "[UNAVAILABLE] Server shutting down";
// Kept sessions that are closed in one turn.
constexpr size_t kClosedPerTurn = 64;
// While newcomers wait for those who log in.
constexpr uint64_t kLookAgainNs = MsToNs(100);
// With so many of its places taken a shard takes nobody from others: the rest is for those on their
// way, and for sessions.
constexpr uint64_t kCrowdedPercent = 98;

}  // namespace

Shard::Shard(uint32_t index, ShardCommon& common, Io& io, const Config* own)
    : index_(index),
      common_(common),
      config_(own != nullptr ? *own : *common.config),
      loop_(io, *this),
      dialers_(MakeDialers(loop_, common, index)),
      lookups_(loop_),
      users_(loop_),
      clients_(loop_, config_, common.clients),
      feeds_(loop_, config_, clients_),
      services_{.loop = loop_,
                .config = config_,
                .router = common.router,
                .lookups = lookups_,
                .hash_key = common.hash_key,
                .dialers = dialers_,
                .users = users_,
                .feeds = feeds_,
                .clients = clients_,
                .mover = *this,
                .stats = stats_,
                .addresses = *common.addresses,
                .tls = common.tls,
                .switches = std::make_shared<ParkingSwitches>(config_),
                .connection_ids = ConnectionIds(common.connection_seed, index, common.shards)},
      drains_(clients_, feeds_, dialers_),
      probe_(loop_, dialers_,
             [this](const CapabilitySet& shared) {
               services_.shared_capabilities = shared;
               services_.capability_texts = {};
             }),
      handshakes_(common.handshakes, index, [&io](uint32_t shard) { io.RingBell(shard); }) {
  clients_.set_services(&services_);
  for (auto& dialer : dialers_) {
    dialer->set_trace(&services_.trace);
    dialer->set_reclaim([this, store = dialer->target().index](const std::string& login) {
      users_.CloseUnused(store, login);
    });
  }
  users_.set_on_ends([this](User& user) {
    clients_.EndAllOf(user);
    if (user.credentials_refused()) feeds_.EndAllOf(user);
  });
  loop_.set_work([this] {
    const bool drains = StepDrain();
    const bool empties = drains_.Step(loop_.now_ns());
    const bool closes =
        memory_level_ != MemoryLevel::kPlenty && users_.CloseSomeUnused(kClosedPerTurn);
    return clients_.Work() || drains || empties || closes;
  });
}

std::vector<std::unique_ptr<Dialer>> Shard::MakeDialers(Loop& loop, const ShardCommon& common,
                                                        uint32_t index) {
  std::vector<std::unique_ptr<Dialer>> dialers;
  for (const StoreTarget& target : common.targets) {
    dialers.push_back(std::make_unique<Dialer>(loop, target, common.shards, index));
  }
  return dialers;
}

Shard::~Shard() {
  for (auto& dialer : dialers_) dialer->set_trace(nullptr);  // goes before them
  clients_.RemoveAll();
  loop_.FreeRetired();  // they hold feeds, users and places at dialers, which go before the loop
}

void Shard::SetSwitches(std::shared_ptr<const ParkingSwitches> switches) {
  services_.switches = std::move(switches);
  feeds_.auditor().SetPeriod(services_.switches->audit_s());
}

void Shard::SetRouter(std::shared_ptr<const Router> router) {
  std::shared_ptr<const Router> before = std::exchange(services_.router, std::move(router));
  services_.capability_texts = {};  // what is offered may depend on who verifies
  if (before != services_.router) clients_.partings().Reroute(std::move(before));
}

void Shard::SetStores(const std::vector<StoreSettings>& stores) {
  for (auto& dialer : dialers_) dialer->Configure(stores.at(dialer->target().index));
}

void Shard::SetStoreAddresses(const StoreResolver::Addresses& addresses) {
  for (auto& dialer : dialers_) dialer->Follow(addresses.at(dialer->target().index));
}

void Shard::CheckStores(StoreChecks::Judged judged) {
  checks_ = std::make_unique<StoreChecks>(loop_, dialers_, std::move(judged));
  checks_->Start();
}

void Shard::Start(const std::vector<ListenerDescriptor>& listeners) {
  listeners_ = listeners;
  for (const ListenerDescriptor& l : listeners_) services_.listener_addresses.push_back(l.bound);
  SetSwitches(services_.switches);
  probe_.Start();
  for (size_t i = 0; i < listeners_.size(); ++i) loop_.io().Listen(listeners_[i], i);
}

int Shard::Turn(uint64_t deadline_ns) {
  const uint64_t look = logins_pile_up_ ? loop_.now_ns() + kLookAgainNs : kNever;
  const uint64_t own = std::min({clients_.NextDeadlineNs(), NextDrainNs(), drains_.NextNs(), look});
  const int done = loop_.Turn(std::min(deadline_ns, own));
  PaceAccepts();
  NoteRoom();
  return done;
}

// Where its sockets are many: no new ones from outside (Io::Listen), then none from other shards.
void Shard::NoteRoom() {
  const IoStats& io = loop_.io().stats();
  const bool crowded =
      (io.sockets_open + io.sockets_closing) * 100 >= io.max_sockets * kCrowdedPercent;
  std::atomic<bool>& told = common_.crowded[index_];
  if (told.load(std::memory_order_relaxed) != crowded) told = crowded;
  if (times_full_ != io.times_full) {
    stats_.limits[static_cast<size_t>(ClientLimit::kDescriptors)] += io.times_full - times_full_;
    times_full_ = io.times_full;
    Log(LogLevel::kWarning, "shard_full",
        {{"shard", index_},
         {"sockets", io.sockets_open + io.sockets_closing},
         {"reset", io.reset_when_full - reset_when_full_}});
    reset_when_full_ = io.reset_when_full;
    full_ = true;
  }
  if (!full_ || io.listeners_full != 0) return;
  full_ = false;
  if (listeners_.empty()) return;  // closed while they were full
  Log(LogLevel::kInfo, "shard_has_room", {{"shard", index_}});
}

// In progress, those with stores included.
uint64_t Shard::Handshakes() const {
  return loop_.streams().stats().handshakes_in_progress + services_.awaiting_proxy_header;
}

// Whoever came now would wait for its login too long, wherever it belongs. It is not known where:
// so as long as one store has no queue, nobody is held up for the others; and one that answers no
// logins holds up nobody.
bool Shard::LoginsPileUp() {
  bool pile_up = false;
  for (auto& dialer : dialers_) {
    const Dialer::Wait wait = dialer->LoginWait();
    if (wait == Dialer::Wait::kShort) return false;
    pile_up = pile_up || wait == Dialer::Wait::kLong;
  }
  return pile_up;
}

// Whose turn for a handshake has come. A storm of connections becomes a queue instead of a
// collapse: in the kernel's backlog, and here for those that it had been asked for.
// There it waits for the stores as well, but for those who said STARTTLS and were greeted: a login
// that is refused as it waited too long comes again, and costs another handshake.
void Shard::PaceAccepts() {
  logins_pile_up_ = LoginsPileUp();
  const auto most = static_cast<uint64_t>(config_.limits.max_handshakes_in_progress);
  handshakes_.BeginRound(Handshakes(), most);
  std::deque<Handle>& waiting = services_.awaiting_tls;  // have waited longer
  while (!waiting.empty() && handshakes_.Reserve(Handshakes() + 1, most)) {
    const Handle next = waiting.front();
    waiting.pop_front();
    if (!clients_.IsLive(next.index(), next.generation())) continue;
    if (Client* client = clients_.cell(next.index()).awake()) client->talk().OnTurnForTls();
  }
  while (!arrivals_.empty() && !logins_pile_up_ && handshakes_.Reserve(Handshakes() + 1, most)) {
    const Arrival arrival = arrivals_.front();
    arrivals_.pop_front();
    Begin(arrival);
  }
  // Nothing is taken for those who may come, but whoever is held up hears when one may.
  const bool room =
      arrivals_.empty() && !logins_pile_up_ &&
      (handshakes_.MayHaveMore(Handshakes(), most) || handshakes_.Reserve(Handshakes() + 1, most));
  handshakes_.EndRound(Handshakes(), most);
  if (room == accepting_) return;
  accepting_ = room;
  if (!room) stats_.Hit(logins_pile_up_ ? ClientLimit::kLogins : ClientLimit::kHandshakes);
  for (size_t i = 0; i < listeners_.size(); ++i) {
    room ? loop_.io().ResumeAccept(i) : loop_.io().PauseAccept(i);
  }
}

void Shard::OnAccept(uint64_t listener, SocketId socket, const Address& peer) {
  ++stats_.accepted;
  arrivals_.push_back({socket, peer, static_cast<uint8_t>(listener)});
  PaceAccepts();
}

void Shard::Refuse(const Arrival& arrival, ClientLimit limit, std::string_view text) {
  ++stats_.refused;
  stats_.Hit(limit);
  const bool clear = config_.listeners[arrival.listener].tls != ListenerConfig::Tls::kImplicit;
  loop_.io().Close(arrival.socket,
                   clear ? "* BYE [UNAVAILABLE] " + std::string(text) + "\r\n" : "");
}

void Shard::Begin(const Arrival& arrival) {
  if (memory_level_ >= MemoryLevel::kFull) {
    return Refuse(arrival, ClientLimit::kMemory, "Short of memory; please connect again later");
  }
  const auto& [socket, peer, listener] = arrival;
  const auto most = static_cast<uint64_t>(config_.limits.max_clients);
  Credit credit = Credit::Take(common_.clients, most == 0 ? UINT64_MAX : most);
  const uint32_t index = credit ? clients_.Add(peer, listener, std::move(credit)) : kNoIndex;
  if (index == kNoIndex) return Refuse(arrival, ClientLimit::kClients, "Too many connections");
  clients_.cell(index).connection_id = services_.connection_ids.Next();
  Enter(index).Begin(socket);
}

// The client of a cell that has just been added.
Entering& Shard::Enter(uint32_t index) {
  auto* client = new Client(services_, index);  // owned by its cell
  clients_.cell(index).Wake(client);
  auto entering = std::make_unique<Entering>(*client);
  Entering& talk = *entering;
  client->Become(std::move(entering));
  return talk;
}

void Shard::OnMoved(uint64_t token, SocketId socket, int error) {
  std::unique_ptr<MovingClient> moved = common_.moves.Take(token);
  if (moved == nullptr || error != 0) {
    if (socket) loop_.io().Abort(socket);
    if (moved == nullptr) return;
    Entering::LogLost(services_, *moved, LoginResult::kAbandoned);
    if (moved->counted) common_.addresses->Leave(moved->peer);
    return;
  }
  const uint32_t index = clients_.Add(moved->peer, moved->listener, std::move(moved->credit));
  if (index == kNoIndex) {
    ++stats_.refused;
    Entering::LogLost(services_, *moved, LoginResult::kUnavailable);
    if (moved->counted) common_.addresses->Leave(moved->peer);
    return loop_.io().Abort(socket);
  }
  clients_.cell(index).counted = moved->counted;
  clients_.cell(index).connection_id = moved->connection_id;
  ++stats_.moved_in;
  moved->connection.socket = socket;
  Enter(index).Continue(std::move(moved));
}

void Shard::Move(uint32_t shard, std::unique_ptr<MovingClient> client) {
  const SocketId socket = client->connection.socket;
  const uint64_t token = common_.moves.Put(std::move(client));
  loop_.io().Move(socket, shard, token);
}

uint32_t Shard::ShardOf(std::string_view user) const {
  return static_cast<uint32_t>(SipHash13(common_.hash_key, user) % common_.shards);
}

void Shard::OnReceive(Owner owner, SocketId, std::span<uint8_t> data, int error) {
  if (Clients::Owns(owner)) clients_.OnReceive(owner, data, error);
}

void Shard::OnReadable(Owner owner, SocketId) {
  if (Clients::Owns(owner)) clients_.OnReadable(owner);
}

void Shard::OnSent(Owner owner, SocketId, int error) {
  if (Clients::Owns(owner)) clients_.OnSent(owner, error);
}

void Shard::OnBell() {
  for (auto& dialer : dialers_) dialer->OnBell();
}

void Shard::CloseListeners() {
  for (const Arrival& arrival : arrivals_) loop_.io().Close(arrival.socket, "");
  arrivals_.clear();
  for (size_t i = 0; i < listeners_.size(); ++i) loop_.io().CloseListener(i);
  listeners_.clear();
}

void Shard::Drain(const DrainPlan& plan) {
  // Heard again with other orders: its pace goes on.
  if (plan_ && plan_->accepting_ns == plan.accepting_ns && plan_->end_ns == plan.end_ns) return;
  uint8_t seed[8];
  loop_.io().Random(seed);
  plan_ = plan;
  pace_.emplace(plan, std::accumulate(seed, seed + sizeof seed, uint64_t{0},
                                      [](uint64_t all, uint8_t byte) { return all << 8 | byte; }));
}

uint64_t Shard::NextDrainNs() const {
  if (!plan_) return kNever;
  if (!listeners_.empty()) return plan_->accepting_ns;
  if (clients_.size() == 0) return kNever;
  return std::min(plan_->end_ns, clients_.partings().staying() != 0 ? pace_->NextNs() : kNever);
}

// True: more of it waits.
bool Shard::StepDrain() {
  const uint64_t now = loop_.now_ns();
  if (!plan_ || now < plan_->accepting_ns) return false;
  CloseListeners();
  if (now >= plan_->end_ns) {
    clients_.ByeAll(kStopping);
    return false;
  }
  const uint32_t due = pace_->Take(now, clients_.partings().staying());
  clients_.partings().Drain(due);
  return due == DrainPace::kPerTurn;
}

void Shard::Shed() {
  clients_.partings().Shed(std::max(clients_.size() / 100 * kShedPercent, uint32_t{1}));
}

void Shard::Stop(std::string_view reason) {
  CloseListeners();
  feeds_.auditor().SetPeriod(0);
  clients_.ByeAll(reason);
}

ShardFigures Shard::Figures() {
  Survey survey;
  while (!survey.Step(*this)) {
  }
  return survey.figures();
}

void Shard::AddSums(ShardFigures* figures) const {
  ShardFigures& f = *figures;
  f.clients = clients_.size();
  f.users = users_.size();
  f.draining = plan_ ? 1 : 0;
  f.listeners = listeners_.size();
  for (const auto& dialer : dialers_) {
    f.stores.push_back(dialer->stats());
    f.stores.back().leaving = drains_.leaving(dialer->target().index);
    f.sessions += f.stores.back();
  }
  f.feeds = feeds_.stats();
  f.feeds.feeds = feeds_.all().size();
  f.feeds.recovering = feeds_.recovering();
  f.client_stats = stats_;
  f.lookups = lookups_.stats();
  f.streams = loop_.streams().stats();
  f.io = loop_.io().stats();
  f.memory.cells = clients_.cell_stats().mapped_bytes;
  f.memory.users = users_.memory_bytes();
  f.memory.feeds += feeds_.all().memory_bytes();
}

}  // namespace roost
