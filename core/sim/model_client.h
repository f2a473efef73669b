// A mail client as real ones are: a class, habits, and a strict belief in what it is told.
//
// What it is: connects, logs in, selects, lists, then does what its habits say until it is told to
// settle; checks every line for what IMAP does not allow and reports it. What it is not: forgiving.
//
// client_habits.cc holds what it does, this file's .cc what it hears. Lifetime: its Wires outlives
// it.
#ifndef ROOST_CORE_SIM_MODEL_CLIENT_H_
#define ROOST_CORE_SIM_MODEL_CLIENT_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "core/base/rng.h"
#include "core/sim/belief.h"
#include "core/sim/imap_text.h"
#include "core/sim/transcript.h"
#include "core/sim/violations.h"
#include "core/sim/wire.h"

namespace roost {

enum class ClientClass : uint8_t { kPlain, kCondstore, kQresync };

struct ClientCounts {
  uint64_t connections = 0, commands = 0, idles = 0, refused = 0, byes = 0, lost = 0;
  uint64_t expunge_issued = 0, unavailable = 0, expunges_told = 0, exists_told = 0, flags_told = 0;
  uint64_t vanished_told = 0, bodies = 0, beats = 0;
  uint64_t quiet = 0, quiet_unselected = 0;                // times of silence without IDLE
  uint64_t alerts_told = 0;                                // outside of answers
  uint64_t logins_ended = 0, logins_ended_unselected = 0;  // by a refusal of what they had
  uint64_t number_commands = 0;                            // right after IDLE or silence
  uint64_t searches_checked = 0, copies_checked = 0, modified_checked = 0, read_only_told = 0;
  uint64_t untagged_bads = 0, half_responses = 0, modseqs_checked = 0;
  uint64_t compared = 0;  // views that were checked against the truth
};

class ModelStore;

// What all clients of a run share.
struct ClientWorld {
  Wires& wires;
  Address server;
  Transcript& transcript;
  Violations& violations;
  ClientCounts& counts;
  ModelStore& store;        // never for what a client believes, but for what it is due
  bool direct = false;      // no Roost between the two
  bool faults = false;      // connections and sessions may be lost, the store may be away
  bool small_log = false;   // a feed's log may overflow, and laggards be let go
  bool ends = false;        // clients are told to go
  bool logins_age = false;  // so are those logged in for too long
  bool by_master = false;   // sessions are a master user's, who may not serve everybody
  // No answer after so long is a violation.
  uint64_t patience_ns = 100 * kNsPerSecond;
  // Behind an untagged BAD, which is all that some commands are answered by, nobody waits so long.
  uint64_t bad_patience_ns = 15 * kNsPerSecond;
  // Who was told in IDLE that a message (user, mailbox, UIDVALIDITY, UID) is \Recent, and when.
  struct RecentTold {
    uint64_t client = 0, at_ns = 0;
  };
  std::map<std::tuple<std::string, std::string, uint32_t, uint32_t>, RecentTold> recent_told;
};

class ModelClient final : public WireOwner {
 public:
  struct Habits {
    ClientClass client_class = ClientClass::kPlain;
    double idle = 0.4;  // how often it idles rather than acts
    double quiet = 0;   // how often it says nothing for long, without IDLE
    double longest_quiet_s = 60;
    bool settles_quiet = false;  // says nothing in the end, rather than IDLE
    double slow = 0;             // how often it does not read for long
    double longest_idle_s = 40;
    double longest_pause_s = 3;
    double examine = 0.2;  // opens by EXAMINE
    double leave = 0.03;   // disconnects or logs out
    double odd = 0.1;      // half-written commands, slow reading, garbage in IDLE
    double pin = 0;        // uses commands that bind it to its session
    bool lists_by_fetch = false;
    bool writes = true;  // STORE, EXPUNGE, APPEND, COPY
  };

  ModelClient(ClientWorld& world, uint64_t number, uint64_t seed, std::string user,
              std::vector<std::string> mailboxes, const Habits& habits);
  ~ModelClient() override;

  void Start();
  // Ends what it is at, then idles, or is quiet, and stays so.
  void Settle();
  // It is settled: in IDLE, or quiet with everything answered.
  bool settled() const;
  // From settled and quiet: NOOP, and quiet again. It was not told anything before.
  void Ask();
  // From settled: DONE, and asks for everything again, which must be what it believes; then settles
  // again.
  void Verify();
  // LOGOUT, for good.
  void Finish();
  bool finished() const { return finishing_ && !wire_.open(); }

  // It has asked for everything since it connected.
  bool asked_for_everything() const { return asked_for_everything_; }

  const Belief& belief() const { return belief_; }
  const std::string& user() const { return user_; }
  uint64_t number() const { return number_; }
  std::string name() const { return "client " + std::to_string(number_); }
  // Bound to its own session until it connects anew.
  bool pinned() const { return pinned_; }
  // Quiet without IDLE, when settled.
  bool settles_quiet() const { return habits_.settles_quiet || !can("IDLE"); }
  bool has_idle() const { return can("IDLE"); }
  uint32_t password_version() const { return password_version_; }
  std::string Describe() const;

 private:
  struct Sent {
    std::string tag;
    std::string name;              // "UID FETCH"
    bool forbids_expunge = false;  // by number
    bool uses_numbers = false;
    bool may_fail = false;         // NO or BAD are fine
    bool may_be_untagged = false;  // answered by `* BAD` alone, perhaps
    uint64_t sent_ns = 0;
    uint64_t modseq = 0;              // the highest that was told meanwhile
    uint64_t modseq_stated = kNever;  // the least that the store said it has told of all up to
    std::string rest;                 // goes out after `+`
    std::vector<uint32_t> numbers;    // FETCH by number: what must be answered
    std::vector<uint32_t> uids;       // UID FETCH: what must be known afterwards, if still there
    // What the list that answers a SEARCH, SORT or THREAD names.
    enum class List : uint8_t { kAny, kAllUids, kNumbersOfUids, kUidsOfNumbers, kSomeNumbers };
    List list = List::kAny;
    bool overtaken = false;        // messages came or went since it was sent: a list may be older
    std::vector<uint32_t> asked;   // UIDs or numbers, as `list` says
    std::vector<uint32_t> copied;  // UIDs that COPY or MOVE named, if all are known
    std::function<void(bool ok, const std::string& text)> done;
  };
  enum class Stage : uint8_t { kAway, kGreeting, kEntering, kReady };

  // ---- what it hears (model_client.cc) ----
  void OnWireConnected() override {}
  void OnWireInput() override;
  void OnWireClosed(int error) override;
  void Hear(const std::string& text);
  void HearTagged(const std::string& text);
  void HearUntagged(const std::string& text);
  void HearNumber(uint32_t n, const std::vector<TextToken>& tokens);
  void HearFetch(uint32_t n, const std::vector<TextToken>& tokens);
  void HearRecent(uint32_t n);
  void NoteOvertaken();
  void HearStatus(const std::vector<TextToken>& tokens);
  void HearList(const std::vector<TextToken>& tokens);
  void HearNumbers(const std::vector<uint32_t>& found, const std::vector<TextToken>& tokens);
  void HearCodes(const Sent& sent, const std::string& status);
  void HearUntaggedBad();
  bool MayBeRefused(const Sent& sent, std::string_view status);
  uint64_t AboutSelectedNs() const;
  bool IsDue(std::string_view bye) const;
  bool CutsShort() const;
  bool Asked(std::string_view name) const;
  void HearContinuation();
  void CheckDone(const Sent& sent);
  void CheckModseq(const Sent& sent);
  bool MayHearExpunge(const char* what);
  void Wrong(const std::string& text);
  void Forget();
  void Watch();

  // ---- what it says ----
  Sent& Send(std::string name, const std::string& arguments, Sent sent);
  Sent& Send(std::string name, const std::string& arguments) {
    return Send(std::move(name), arguments, Sent());
  }
  void Put(std::string_view bytes);
  // In a while, if the connection is still the same.
  void Later(double seconds, std::function<void()> action);

  // ---- what it does (client_habits.cc) ----
  void Connect();
  void Reconnect();
  void Enter();
  void LogIn();
  void LoggedIn(bool ok, const std::string& text);
  void AskCapability();
  void EnableClass();
  void SelectSome();
  void SelectMailbox(const std::string& mailbox, bool examine);
  void ListAll();
  void Next();
  void Act();
  void Idle();
  void BeQuiet(double longest_s);
  void Rest();
  void ActOnNumbers();
  void SearchSome();
  void StoreUnchanged();
  void EndIdle();
  void SayDone(std::string_view word);
  void ReadSome();
  void ReadNothingFor(double seconds);
  void FetchByNumber();
  void FetchByUid();
  void LearnNew();
  void StoreSome();
  void AppendSome();
  void CopySome();
  void Odd();
  void HalfWritten();
  void PinItself();
  void Leave();
  std::vector<uint32_t> SomeNumbers();
  std::string RandomFlag();
  bool can(std::string_view capability) const {
    return capabilities_.count(std::string(capability)) != 0;
  }

  ClientWorld& world_;
  const uint64_t number_;
  Rng rng_;
  const std::string user_;
  const std::vector<std::string> mailboxes_;
  const Habits habits_;

  Wire wire_;
  MessageReader reader_;
  Stage stage_ = Stage::kAway;
  uint64_t connection_ = 0;  // counts them, so that what was planned for an old one is not done
  uint64_t tag_number_ = 0;
  std::deque<Sent> sent_;
  bool quiet_ = false;  // says nothing, without IDLE
  uint64_t quiets_ = 0;
  // When SELECT was sent, and for as long as it is not answered: what was selected before.
  uint64_t selected_ns_ = 0, left_ns_ = 0;
  uint64_t deaf_from_ns_ = 0, deaf_until_ns_ = 0;  // read nothing, the last time
  uint64_t answered_ns_ = 0;                       // a command, the last time
  std::string left_mailbox_;
  uint32_t password_version_ = 0;
  bool heard_untagged_bad_ = false;
  bool idling_ = false;  // `+` of IDLE was heard, DONE not said
  bool verify_ = false;
  bool verified_ = false;
  bool asked_for_everything_ = false;
  bool settling_ = false;
  bool finishing_ = false;
  bool pinned_ = false;
  bool heard_bye_ = false;
  bool said_logout_ = false;
  bool enabled_condstore_ = false;
  bool enabled_qresync_ = false;
  bool next_planned_ = false;
  int refused_logins_ = 0;
  std::set<std::string> capabilities_;
  Belief belief_;
  std::shared_ptr<int> life_ = std::make_shared<int>(0);
};

}  // namespace roost

#endif  // ROOST_CORE_SIM_MODEL_CLIENT_H_
