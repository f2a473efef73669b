// One shard, or some, between clients and a store that say what a test tells them to: for
// dialogues, word by word.
//
// What it is: shards on a calm simulated network, plain text, no crypto. The store greets, takes
// every login and then waits for the test, but for Roost's LOGOUT, at which it goes. What it is
// not: the simulation (core/sim), where models act by themselves.
//
// Every wait is for a condition in simulated time; what does not come fails the test and is an
// empty string.
#ifndef ROOST_CORE_TESTING_SCRIPTED_WORLD_H_
#define ROOST_CORE_TESTING_SCRIPTED_WORLD_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/io/simulated.h"
#include "core/shard/shard.h"
#include "core/sim/imap_text.h"
#include "core/sim/wire.h"

namespace roost {

class ScriptedWorld {
 public:
  static constexpr std::string_view kCapabilities =
      "IMAP4rev1 IDLE ESEARCH ENABLE CONDSTORE UNSELECT LITERAL+ SASL-IR AUTH=PLAIN";

  explicit ScriptedWorld(std::string_view capabilities = kCapabilities, uint32_t shards = 1,
                         const IoLimits& limits = {});
  ~ScriptedWorld();

  // Of sessions that log in from now on.
  void set_capabilities(std::string_view names) { capabilities_ = names; }

  // ---- Clients, by number ----

  // Connected and greeted.
  size_t Connect();
  // On its way: whatever comes of it.
  size_t Dial();
  void Say(size_t client, std::string_view line);
  // Without the line's end.
  void SayRaw(size_t client, std::string_view bytes);
  // The next line; fails the test when none comes.
  std::string Hear(size_t client);
  // The next line begins so.
  void HearsBeginning(size_t client, std::string_view beginning);
  // Everything up to and including the line that begins with `tag`.
  std::vector<std::string> HearUntil(size_t client, std::string_view tag);
  void HearsNothing(size_t client, double seconds);
  bool closed(size_t client) const;
  // Whether it reads what it is told; what it says goes on its way all the same.
  void SetReading(size_t client, bool reading);
  // Of what it said not all could leave: nobody takes it.
  bool stalled(size_t client) const;
  // This, whole, is the last that it hears; then its connection is over.
  void HearsLast(size_t client, std::string_view line);

  // ---- Sessions of the store, by number, in the order of their logins ----
  size_t sessions_seen() const { return sessions_.size(); }
  size_t sessions_open() const;
  // The line it logged in with, without its tag.
  std::string LoginOf(size_t session) const { return logins_[session]; }
  // The ID it said before it logged in, without its tag; empty: none.
  std::string IdOf(size_t session) const { return ids_[session]; }
  // Waits for session number `session`.
  void AwaitSession(size_t session);
  // The next command must be `command`; returns its tag.
  std::string Asked(size_t session, std::string_view command);
  // The next line as it came.
  std::string NextAsked(size_t session);
  void AsksNothing(size_t session, double seconds);
  void Tell(size_t session, std::string_view line);
  // `Asked`, then `tag OK`.
  void Answer(size_t session, std::string_view command);
  void Cut(size_t session);
  // Takes sessions at another address from now on, where its name leads.
  void MoveStore();
  // At the address before again, and no more at the other, whatever is said of them.
  void ReturnStore();
  // The same with the address before still there, and drained; or nothing but the one address, and
  // that is drained, with its store or by itself: within over_s.
  void DrainAddress(uint64_t over_s);
  void DrainStore(uint64_t over_s, bool whole = true);
  // All may go to the one address again.
  void UndrainStore();
  // The client goes without a word.
  void Hang(size_t client);
  // Logins are refused with this from now on; empty: taken again.
  void RefuseLogins(std::string answer) { refusal_ = std::move(answer); }
  // An ALERT before each login's answer; empty: none.
  void AlertAtLogins(std::string text) { alert_ = std::move(text); }
  size_t logins_refused() const { return logins_refused_; }

  // Logins are not answered, until this is taken back.
  void HoldLogins(bool hold);
  size_t logins_held() const { return held_logins_.size(); }
  // The one that is held for longest; its connection ends.
  void AnswerLogin();
  void CutLogin();
  // Connections to the store that begin meanwhile come to nothing.
  void NobodyAtTheStore(bool nobody);

  // ---- Common ways ----

  // Connects and logs in; the session is the next one.
  size_t LogIn(std::string_view user = "ann");
  struct Mailbox {
    std::vector<uint32_t> uids;
    uint64_t uid_next = 0;  // 0: one more than the last
    uint32_t validity = 7;
    std::string permanent = "(\\Seen \\*)";
    std::string flags = "(\\Seen \\Deleted)";
    uint64_t modseq = 5;     // 0: not told
    bool read_only = false;  // whatever it is opened by
    std::string id = {};     // MAILBOXID; empty: not told
    bool tells_uid_next = true;
  };
  // In the midst of an answer to a FETCH that `client` waits for, `ends` is what should end its
  // connection: it hears the answer to its end first.
  void FinishesItsCommand(size_t client, size_t session, const std::function<void()>& ends);
  // LogIn and Select; with ParkFirst; with Join to a feed that session 0 drives.
  size_t LogInAndSelect(const Mailbox& mailbox, std::string_view user = "ann");
  size_t LogInAndPark(const std::vector<uint32_t>& uids, std::string_view user = "ann");
  size_t LogInAndJoin(const std::vector<uint32_t>& uids);
  // The client ENABLEs it on its session; the session is asked to by Roost itself.
  void Enable(size_t client, size_t session, std::string_view extension);
  void AnswerEnable(size_t session, std::string_view extension);
  // The client's IDLE begins, whatever comes of it, and ends.
  void StartIdle(size_t client, std::string_view tag = "i");
  void EndIdle(size_t client, std::string_view tag = "i");
  // The client SELECTs INBOX on its session.
  void Select(size_t client, size_t session, const Mailbox& mailbox);
  // The session is asked to SELECT or EXAMINE INBOX by Roost itself.
  void AnswerSelect(size_t session, std::string_view command, const Mailbox& mailbox);
  // Asked for a list of all UIDs; returns its tag. The list, and that it is all.
  std::string AskedList(size_t session) { return Asked(session, "UID SEARCH RETURN (ALL) ALL"); }
  void TellList(size_t session, const std::string& tag, std::string_view uids);
  // NOOP and a list of all UIDs.
  void AnswerList(size_t session, const std::vector<uint32_t>& uids);
  // IDLE of a client that is the first to park: its session becomes the feed's. Returns the tag of
  // the driver's IDLE.
  std::string ParkFirst(size_t client, size_t session, const std::vector<uint32_t>& uids);
  // DONE, NOOP, IDLE of a driver; `news` come before NOOP's answer. Returns the new IDLE's tag.
  std::string AnswerFlush(size_t session, const std::vector<std::string>& news = {});
  // The same where STATUS is asked for first; `answers` are what it says of itself, and `items`
  // what it is asked for.
  std::string AnswerStatusFlush(size_t session, std::string_view items, std::string_view answers,
                                const std::vector<std::string>& news = {});
  // IDLE of one that joins: lists its session, flushes the driver.
  void Join(size_t client, size_t session, size_t driver, const std::vector<uint32_t>& uids);

  void Pass(double seconds);
  void Stop(std::string_view reason) { shard_->Stop(reason); }
  void Drain(uint64_t over_s, uint64_t accepting_s) {
    shard_->Drain(DrainPlan::Make(network_.NowNs(), over_s, accepting_s));
  }
  bool drained() const { return shard_->drained(); }
  uint32_t Kick(std::string_view login);
  // Of all shards, or of one.
  ShardFigures figures();
  ShardFigures figures(uint32_t shard) { return of(shard).Figures(); }
  // The first one; what orders it is given here the others are not.
  Shard& shard() { return *shard_; }
  ShardCommon& common() { return common_; }
  // A name of a user of that shard; other numbers, other names.
  std::string UserOf(uint32_t shard, int number) const;
  Config& config() { return config_; }
  // The route of config() counts from now on.
  void TakeRoute();
  SimNetwork& network() { return network_; }
  SimRunner& runner() { return runner_; }
  // The store's settings count as they are in config() now; before the first call, as they become.
  void TakeStores() {
    shard_->SetStores({{std::make_shared<const StoreConfig>(config_.stores[0]), nullptr}});
  }
  // The switches of config() count from now on.
  void TakeSwitches() { shard_->SetSwitches(std::make_shared<ParkingSwitches>(config_)); }

 private:
  class Peer;
  bool Await(const std::function<bool()>& done, double seconds = 5);
  void Accepted(SocketId socket);
  // True: the login took the line.
  bool TakeLogin(Peer& peer, const std::string& line);
  void SayMailbox(size_t session, const Mailbox& mailbox);

  std::string capabilities_;
  std::string refusal_;
  std::string alert_;
  size_t logins_refused_ = 0;
  bool holds_logins_ = false;
  std::vector<std::pair<Peer*, std::string>> held_logins_;
  SimNetwork network_;
  SimRunner runner_;
  Wires store_wires_;
  Wires client_wires_;
  Config config_;
  std::shared_ptr<const Router> router_;
  ShardCommon common_;
  std::vector<std::unique_ptr<Peer>> clients_;
  std::vector<std::unique_ptr<Peer>> accepted_;
  std::vector<Peer*> sessions_;
  std::vector<std::string> logins_;  // of sessions_
  std::vector<std::string> ids_;     // of sessions_
  Shard& of(uint32_t shard) { return shard == 0 ? *shard_ : *others_.at(shard - 1); }

  std::unique_ptr<Shard> shard_;
  std::vector<std::unique_ptr<Shard>> others_;
};

}  // namespace roost

#endif  // ROOST_CORE_TESTING_SCRIPTED_WORLD_H_
