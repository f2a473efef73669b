#include "core/testing/scripted_world.h"

#include <algorithm>
#include <utility>

#include <gtest/gtest.h>

namespace roost {
namespace {

Address MakeAddress(const char* text) {
  Address address;
  Address::Parse(text, &address);
  return address;
}

}  // namespace

class ScriptedWorld::Peer final : public WireOwner {
 public:
  using OnLine = std::function<bool(Peer&, const std::string&)>;

  Peer(Wires& wires, OnLine on_line)
      : wire(wires, *this), wires_(wires), on_line_(std::move(on_line)) {}

  void Say(std::string_view line) { wire.Write(std::string(line) + "\r\n"); }
  bool stalled() { return wires_.io().SendPending(wire.socket()); }

  Wire wire;
  std::deque<std::string> lines;
  std::string id;  // said before its login
  bool closed = false;

 private:
  void OnWireInput() override {
    while (std::optional<std::string> line = reader_.Next(&wire.input)) {
      if (!on_line_ || !on_line_(*this, *line)) lines.push_back(std::move(*line));
    }
  }
  void OnWireClosed(int) override { closed = true; }

  Wires& wires_;
  MessageReader reader_;
  OnLine on_line_;
};

ScriptedWorld::ScriptedWorld(std::string_view capabilities, uint32_t shards, const IoLimits& limits)
    : capabilities_(capabilities),
      network_(1, SimOptions::Calm()),
      runner_(&network_),
      store_wires_(*network_.AddIo(1)),
      client_wires_(*network_.AddIo(2)) {
  const Address store = MakeAddress("127.0.0.2:143");
  ListenerConfig listener;
  listener.address = MakeAddress("127.0.0.1:143");
  listener.tls = ListenerConfig::Tls::kNone;
  listener.allow_plaintext_login = true;
  config_.listeners = {listener};
  StoreConfig to;
  to.name = "scripted";
  to.addresses = {{"127.0.0.2", 143}};
  to.send_id_originating_ip = false;
  config_.stores = {to};
  config_.timeouts.heartbeat_s = 0;
  config_.timeouts.bye_spread_s = 0;
  config_.limits.failed_login_delay_s = 0;
  config_.parking.pool_keep_s = 0;
  config_.parking.driver_check_s = 3600;
  config_.parking.quiet_park_s = 0;
  config_.parking.audit_s = 0;
  std::vector<ConfigError> errors;
  router_ = Router::Build(config_, &errors);
  common_.config = &config_;
  common_.router = router_;
  StoreTarget target;
  target.config = Borrowed(config_.stores[0]);
  target.addresses = {{store, ""}};
  common_.targets = {target};
  store_wires_.set_accept([this](SocketId socket, const Address&) { Accepted(socket); });
  store_wires_.io().Listen(network_.MakeListener(store), 0);
  common_.shards = shards;
  const ListenerDescriptor listening = network_.MakeListener(listener.address);
  for (uint32_t i = 0; i < shards; ++i) {
    auto shard = std::make_unique<Shard>(i, common_, *network_.AddIo(0, limits));
    shard->Start({listening});
    runner_.Add([one = shard.get()] { return one->Turn(kNever); });
    i == 0 ? void(shard_ = std::move(shard)) : others_.push_back(std::move(shard));
  }
  runner_.Add([this] { return store_wires_.Turn(); });
  runner_.Add([this] { return client_wires_.Turn(); });
  Pass(0.1);  // the store has been asked what it can do
}

void ScriptedWorld::TakeRoute() {
  std::vector<ConfigError> errors;
  router_ = Router::Build(config_, &errors);
  for (const ConfigError& error : errors) ADD_FAILURE() << error.ToString();
  shard_->SetRouter(router_);
}

ScriptedWorld::~ScriptedWorld() {
  others_.clear();
  shard_.reset();
}

uint32_t ScriptedWorld::Kick(std::string_view login) {
  uint32_t kicked = 0;
  for (uint32_t place = 0; place != kNoIndex;) kicked += shard_->KickSome(login, &place);
  return kicked;
}

ShardFigures ScriptedWorld::figures() {
  ShardFigures all = shard_->Figures();
  for (auto& shard : others_) all += shard->Figures();
  return all;
}

std::string ScriptedWorld::UserOf(uint32_t shard, int number) const {
  for (int i = 0;; ++i) {
    std::string name = "user" + std::to_string(number) + "-" + std::to_string(i);
    if (SipHash13(common_.hash_key, name) % common_.shards == shard) return name;
  }
}

void ScriptedWorld::MoveStore() {
  const Address address = MakeAddress("127.0.0.3:143");
  store_wires_.io().CloseListener(0);
  store_wires_.io().Listen(network_.MakeListener(address), 1);
  shard_->SetStoreAddresses({{{address, ""}}});
}

void ScriptedWorld::ReturnStore() {
  store_wires_.io().CloseListener(1);
  store_wires_.io().Listen(network_.MakeListener(MakeAddress("127.0.0.2:143")), 0);
}

void ScriptedWorld::DrainAddress(uint64_t over_s) {
  MoveStore();
  StoreAddress old{MakeAddress("127.0.0.2:143"), ""};
  old.drained = true;
  shard_->SetStoreAddresses({{old, {MakeAddress("127.0.0.3:143"), ""}}});
  shard_->DrainStores({StoreDrainPlan{DrainPlan::Make(network_.NowNs(), over_s, 0)}});
}

void ScriptedWorld::DrainStore(uint64_t over_s, bool whole) {
  StoreAddress all{MakeAddress("127.0.0.2:143"), ""};
  all.drained = true;
  shard_->SetStoreAddresses({{all}});
  shard_->DrainStores({StoreDrainPlan{DrainPlan::Make(network_.NowNs(), over_s, 0), whole}});
}

void ScriptedWorld::UndrainStore() {
  shard_->SetStoreAddresses({{{MakeAddress("127.0.0.2:143"), ""}}});
  shard_->DrainStores({std::nullopt});
}

bool ScriptedWorld::Await(const std::function<bool()>& done, double seconds) {
  return runner_.RunUntil(done, static_cast<uint64_t>(seconds * kNsPerSecond));
}

void ScriptedWorld::FinishesItsCommand(size_t client, size_t session,
                                       const std::function<void()>& ends) {
  Say(client, "f FETCH 1 (BODY.PEEK[])");
  EXPECT_EQ(NextAsked(session), "f FETCH 1 (BODY.PEEK[])");
  Tell(session, "* 1 FETCH (BODY[] {10}");
  ends();
  EXPECT_FALSE(closed(client));
  Tell(session, "12345678");
  Tell(session, ")");
  EXPECT_EQ(Hear(client), "* 1 FETCH (BODY[] {10}\r\n12345678\r\n)");
  HearsNothing(client, 2);
  Tell(session, "f OK done");
  EXPECT_EQ(Hear(client), "f OK done");
}

void ScriptedWorld::Pass(double seconds) {
  runner_.RunFor(static_cast<uint64_t>(seconds * kNsPerSecond));
}

void ScriptedWorld::Accepted(SocketId socket) {
  auto peer = std::make_unique<Peer>(store_wires_, [this](Peer& p, const std::string& line) {
    const bool known = std::find(sessions_.begin(), sessions_.end(), &p) != sessions_.end();
    // Of Roost itself, which has closed its side of the session and waits for the store to.
    if (line.starts_with('R') && line.ends_with(" LOGOUT")) p.wire.Close();
    return !known && TakeLogin(p, line);
  });
  peer->wire.Open(socket);
  peer->Say("* OK [CAPABILITY " + capabilities_ + "] scripted");
  accepted_.push_back(std::move(peer));
}

bool ScriptedWorld::TakeLogin(Peer& peer, const std::string& line) {
  const std::string tag = line.substr(0, line.find(' '));
  if (line.find(" AUTHENTICATE ") == line.npos && line.find(" LOGIN ") == line.npos) {
    if (line.find(" ID ") == tag.size()) peer.id = line.substr(tag.size() + 1);
    peer.Say(tag + " OK done");
    return true;
  }
  if (holds_logins_) {
    held_logins_.emplace_back(&peer, line);
    return true;
  }
  if (!refusal_.empty()) {
    ++logins_refused_;
    peer.Say(tag + " " + refusal_);
    return true;
  }
  sessions_.push_back(&peer);
  logins_.push_back(line.substr(tag.size() + 1));
  ids_.push_back(peer.id);
  if (!alert_.empty()) peer.Say("* OK [ALERT] " + alert_);
  peer.Say(tag + " OK [CAPABILITY " + capabilities_ + "] Logged in");
  return true;
}

void ScriptedWorld::HoldLogins(bool hold) {
  holds_logins_ = hold;
  if (hold) return;
  for (auto& [peer, line] : std::exchange(held_logins_, {})) {
    if (peer->wire.open()) TakeLogin(*peer, line);
  }
}

void ScriptedWorld::CutLogin() {
  held_logins_.front().first->wire.Abort();
  held_logins_.erase(held_logins_.begin());
}

void ScriptedWorld::NobodyAtTheStore(bool nobody) {
  network_.SetUnreachable(MakeAddress("127.0.0.2:143"), nobody);
}

void ScriptedWorld::AnswerLogin() {
  const auto [peer, line] = held_logins_.front();
  held_logins_.erase(held_logins_.begin());
  const bool holds = std::exchange(holds_logins_, false);
  if (peer->wire.open()) TakeLogin(*peer, line);
  holds_logins_ = holds;
}

// ---- Clients ----

size_t ScriptedWorld::Dial() {
  clients_.push_back(std::make_unique<Peer>(client_wires_, nullptr));
  clients_.back()->wire.Connect(config_.listeners[0].address);
  return clients_.size() - 1;
}

size_t ScriptedWorld::Connect() {
  const size_t client = Dial();
  EXPECT_EQ(Hear(client).substr(0, 5), "* OK ");
  return client;
}

void ScriptedWorld::Say(size_t client, std::string_view line) { clients_[client]->Say(line); }

void ScriptedWorld::SayRaw(size_t client, std::string_view bytes) {
  clients_[client]->wire.Write(std::string(bytes));
}

std::string ScriptedWorld::Hear(size_t client) {
  Peer& peer = *clients_[client];
  EXPECT_TRUE(Await([&] { return !peer.lines.empty(); }))
      << "client " << client << " hears nothing";
  if (peer.lines.empty()) return {};
  std::string line = std::move(peer.lines.front());
  peer.lines.pop_front();
  return line;
}

void ScriptedWorld::HearsBeginning(size_t client, std::string_view beginning) {
  const std::string line = Hear(client);
  EXPECT_EQ(line.substr(0, beginning.size()), beginning) << line;
}

void ScriptedWorld::HearsLast(size_t client, std::string_view line) {
  EXPECT_EQ(Hear(client), line);
  Pass(0.1);
  EXPECT_TRUE(closed(client));
  HearsNothing(client, 0.1);
}

std::vector<std::string> ScriptedWorld::HearUntil(size_t client, std::string_view tag) {
  std::vector<std::string> lines;
  do {
    lines.push_back(Hear(client));
  } while (!lines.back().empty() && lines.back().rfind(std::string(tag) + " ", 0) != 0);
  return lines;
}

void ScriptedWorld::HearsNothing(size_t client, double seconds) {
  Pass(seconds);
  const auto& lines = clients_[client]->lines;
  EXPECT_TRUE(lines.empty()) << "client " << client << " hears " << lines.front();
}

bool ScriptedWorld::closed(size_t client) const { return clients_[client]->closed; }

void ScriptedWorld::SetReading(size_t client, bool reading) {
  clients_[client]->wire.SetReading(reading);
}

bool ScriptedWorld::stalled(size_t client) const { return clients_[client]->stalled(); }

// ---- Sessions ----

size_t ScriptedWorld::sessions_open() const {
  return static_cast<size_t>(std::count_if(sessions_.begin(), sessions_.end(), [](const Peer* p) {
    return p->wire.open() && !p->closed;
  }));
}

void ScriptedWorld::AwaitSession(size_t session) {
  ASSERT_TRUE(Await([&] { return sessions_.size() > session; })) << "no session " << session;
}

std::string ScriptedWorld::NextAsked(size_t session) {
  AwaitSession(session);
  if (sessions_.size() <= session) return {};
  Peer& peer = *sessions_[session];
  EXPECT_TRUE(Await([&] { return !peer.lines.empty(); })) << "session " << session << " is idle";
  if (peer.lines.empty()) return {};
  std::string line = std::move(peer.lines.front());
  peer.lines.pop_front();
  return line;
}

std::string ScriptedWorld::Asked(size_t session, std::string_view command) {
  const std::string line = NextAsked(session);
  const size_t space = line.find(' ');
  if (space == line.npos) {
    EXPECT_EQ(line, command);
    return {};
  }
  EXPECT_EQ(line.substr(space + 1), command);
  return line.substr(0, space);
}

void ScriptedWorld::AsksNothing(size_t session, double seconds) {
  Pass(seconds);
  const auto& lines = sessions_[session]->lines;
  EXPECT_TRUE(lines.empty()) << "session " << session << " is asked " << lines.front();
}

void ScriptedWorld::Tell(size_t session, std::string_view line) { sessions_[session]->Say(line); }

void ScriptedWorld::Answer(size_t session, std::string_view command) {
  const std::string tag = Asked(session, command);
  if (!tag.empty()) Tell(session, tag + " OK done");
}

void ScriptedWorld::Cut(size_t session) { sessions_[session]->wire.Abort(); }

void ScriptedWorld::Hang(size_t client) { clients_[client]->wire.Abort(); }

// ---- Common ways ----

size_t ScriptedWorld::LogIn(std::string_view user) {
  const size_t client = Connect();
  const size_t session = sessions_.size();
  Say(client, "l LOGIN " + std::string(user) + " secret");
  EXPECT_EQ(Hear(client).substr(0, 4), "l OK");
  EXPECT_EQ(sessions_.size(), session + 1);
  return client;
}

size_t ScriptedWorld::LogInAndSelect(const Mailbox& mailbox, std::string_view user) {
  const size_t session = sessions_.size();
  const size_t client = LogIn(user);
  Select(client, session, mailbox);
  return client;
}

size_t ScriptedWorld::LogInAndPark(const std::vector<uint32_t>& uids, std::string_view user) {
  const size_t session = sessions_.size();
  const size_t client = LogInAndSelect({.uids = uids}, user);
  ParkFirst(client, session, uids);
  return client;
}

size_t ScriptedWorld::LogInAndJoin(const std::vector<uint32_t>& uids) {
  const size_t session = sessions_.size();
  const size_t client = LogInAndSelect({.uids = uids});
  Join(client, session, 0, uids);
  return client;
}

void ScriptedWorld::Enable(size_t client, size_t session, std::string_view extension) {
  Say(client, "e ENABLE " + std::string(extension));
  AnswerEnable(session, extension);
  HearUntil(client, "e");
}

void ScriptedWorld::AnswerEnable(size_t session, std::string_view extension) {
  const std::string tag = Asked(session, "ENABLE " + std::string(extension));
  Tell(session, "* ENABLED " + std::string(extension));
  Tell(session, tag + " OK done");
}

void ScriptedWorld::StartIdle(size_t client, std::string_view tag) {
  Say(client, std::string(tag) + " IDLE");
  EXPECT_EQ(Hear(client), "+ idling");
}

void ScriptedWorld::EndIdle(size_t client, std::string_view tag) {
  Say(client, "DONE");
  EXPECT_EQ(Hear(client), std::string(tag) + " OK Idle completed.");
}

void ScriptedWorld::SayMailbox(size_t session, const Mailbox& mailbox) {
  const uint32_t last = mailbox.uids.empty() ? 0 : mailbox.uids.back();
  const uint64_t next = mailbox.uid_next != 0 ? mailbox.uid_next : uint64_t{last} + 1;
  Tell(session, "* FLAGS " + mailbox.flags);
  Tell(session, "* " + std::to_string(mailbox.uids.size()) + " EXISTS");
  Tell(session, "* OK [UIDVALIDITY " + std::to_string(mailbox.validity) + "] x");
  if (mailbox.tells_uid_next) Tell(session, "* OK [UIDNEXT " + std::to_string(next) + "] x");
  if (mailbox.modseq != 0) {
    Tell(session, "* OK [HIGHESTMODSEQ " + std::to_string(mailbox.modseq) + "] x");
  }
  Tell(session, "* OK [PERMANENTFLAGS " + mailbox.permanent + "] x");
  if (!mailbox.id.empty()) Tell(session, "* OK [MAILBOXID (" + mailbox.id + ")] x");
}

void ScriptedWorld::Select(size_t client, size_t session, const Mailbox& mailbox) {
  Say(client, "s SELECT INBOX");
  const std::string tag = Asked(session, "SELECT INBOX");
  SayMailbox(session, mailbox);
  Tell(session, tag + (mailbox.read_only ? " OK [READ-ONLY] done" : " OK [READ-WRITE] done"));
  HearUntil(client, "s");
}

void ScriptedWorld::AnswerSelect(size_t session, std::string_view command, const Mailbox& mailbox) {
  const std::string tag = Asked(session, command);
  SayMailbox(session, mailbox);
  const bool examine = command.rfind("EXAMINE", 0) == 0;
  const bool read_only = examine || mailbox.read_only;
  Tell(session, tag + (read_only ? " OK [READ-ONLY] done" : " OK [READ-WRITE] done"));
}

void ScriptedWorld::TellList(size_t session, const std::string& tag, std::string_view uids) {
  Tell(session, "* ESEARCH (TAG \"" + tag + "\") UID ALL " + std::string(uids));
  Tell(session, tag + " OK done");
}

void ScriptedWorld::AnswerList(size_t session, const std::vector<uint32_t>& uids) {
  Answer(session, "NOOP");
  const std::string tag = AskedList(session);
  Tell(session, "* ESEARCH (TAG \"" + tag + "\") UID" +
                    (uids.empty() ? std::string() : " ALL " + CompressSet(uids)));
  Tell(session, tag + " OK done");
}

std::string ScriptedWorld::ParkFirst(size_t client, size_t session,
                                     const std::vector<uint32_t>& uids) {
  StartIdle(client);
  AnswerList(session, uids);
  std::string idle = Asked(session, "IDLE");
  Tell(session, "+ idling");
  Pass(0.1);
  return idle;
}

std::string ScriptedWorld::AnswerFlush(size_t session, const std::vector<std::string>& news) {
  return AnswerStatusFlush(session, "", "", news);
}

std::string ScriptedWorld::AnswerStatusFlush(size_t session, std::string_view items,
                                             std::string_view answers,
                                             const std::vector<std::string>& news) {
  EXPECT_EQ(NextAsked(session), "DONE");
  std::string status;
  if (!items.empty()) status = Asked(session, "STATUS INBOX (" + std::string(items) + ")");
  const std::string noop = Asked(session, "NOOP");
  std::string idle = Asked(session, "IDLE");
  // The IDLE that ends was the command before.
  const std::string& first = status.empty() ? noop : status;
  Tell(session, "R" + std::to_string(ToNumber(std::string_view(first).substr(1)) - 1) + " OK done");
  if (!status.empty()) {
    Tell(session, "* STATUS INBOX (" + std::string(answers) + ")");
    Tell(session, status + " OK done");
  }
  for (const std::string& line : news) Tell(session, line);
  Tell(session, noop + " OK done");
  Tell(session, "+ idling");
  Pass(0.1);
  return idle;
}

void ScriptedWorld::Join(size_t client, size_t session, size_t driver,
                         const std::vector<uint32_t>& uids) {
  StartIdle(client);
  AnswerList(session, uids);
  AnswerFlush(driver);
}

}  // namespace roost
