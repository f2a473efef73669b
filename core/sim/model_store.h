// An IMAP store as real ones are: correct, and as late and as contrary as the RFCs let it be.
//
// What it is: mailboxes (the truth), sessions that hear of changes each in its own time, and the
// faults that stores have. Written apart from the embedded store and from proto/imap. What it is
// not: quick, or complete.
//
// One seed decides everything. Lifetime: its Wires outlives it.
#ifndef ROOST_CORE_SIM_MODEL_STORE_H_
#define ROOST_CORE_SIM_MODEL_STORE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/rng.h"
#include "core/sim/model_mailbox.h"
#include "core/sim/transcript.h"
#include "core/sim/violations.h"
#include "core/sim/wire.h"

namespace roost {

class ModelReplica;
class ModelSession;

// What a store can do and how contrary it is. Chosen by the seed.
struct StoreTraits {
  bool esearch = true, enable = true, condstore = true, qresync = true, unselect = true;
  bool literal_plus = true, sasl_ir = true, uidplus = true, move = true, id = true;
  bool idle = true, sort = true;
  bool refuses_idle = false;    // offers IDLE and answers it with NO
  bool notify = false;          // has NOTIFY, of the selected mailbox
  bool refuses_notify = false;  // offers it and answers it with NO
  // Of new messages: how many are not shown behind their EXISTS, and how many later than in one go.
  double notify_forgets = 0, notify_lags = 0;
  double notify_overflows = 0;  // how often news come as NOTIFICATIONOVERFLOW, the last word
  bool recent = true;           // has \Recent
  bool unsolicited = false;     // tells EXISTS and FETCH outside of commands as well
  bool check_flushes = true;    // CHECK catches up as NOOP does
  bool untagged_bad = false;    // unknown commands get `* BAD` and no tagged answer
  bool skips_literals = false;  // those of unknown commands are run as commands
  bool copyuid = true;          // with UIDPLUS: names what was copied
  // While an expunge waits, commands end with a HIGHESTMODSEQ below it (RFC 7162, 3.2).
  bool strict_modseq = true;
  bool modseq_unasked = true;        // FETCH of flags is answered with MODSEQ, asked for or not
  double no_modseq = 0;              // how many mailboxes have none
  double uid_not_sticky = 0;         // how many mailboxes forget their UIDs
  bool read_only_sometimes = false;  // mailboxes turn read-only and back, for whoever selects
  double uid_in_news = 0.5;          // FETCH that nobody asked for names the UID, where it need not
  double early_news = 0.5;           // news come before a command's own data, rather than behind it
  double alerts = 0;                 // how often an answer, a login or a SELECT has an ALERT
  double overtaken_lists = 0;        // a list is older than the news that come before it
  uint64_t max_delay_ns = 2 * kNsPerSecond;  // how late a session hears of others' changes
  uint64_t max_work_ns = 20 * kNsPerMs;      // until a command is executed
  // How many sessions are with another server, which is behind as a whole: even SELECT and NOOP
  // show what was up to max_lag ago. Else only messages come and go late there, and flags do not.
  double replicas = 0;
  bool flags_lag = false;
  uint64_t max_lag_ns = 2 * kNsPerSecond;
};

struct StoreCounts {
  uint64_t sessions = 0, logins = 0, refused_logins = 0, commands = 0;
  uint64_t delivered = 0, expunged = 0, reflagged = 0;  // by "another session"
  uint64_t late_expunges = 0, late_flags = 0, late_arrivals = 0, unseen_messages = 0;
  uint64_t cuts = 0, aimed_cuts = 0, half_bodies = 0, byes = 0, hangs = 0, garbage = 0;
  uint64_t restarts = 0, long_restarts = 0, limits = 0, refused_selects = 0, passwords = 0;
  uint64_t replaced = 0, deleted = 0, renamed = 0, went_back = 0, read_only = 0;
  uint64_t lowered_modseqs = 0, untagged_bads = 0, skipped_literals = 0, no_modseq_selects = 0;
  uint64_t replica_sessions = 0, stale_selects = 0, overtaken_lists = 0;
  uint64_t alerts = 0;
  uint64_t notified = 0, refused_notifies = 0, notify_overflows = 0;
  uint64_t probes = 0;  // STOREs by number that named the UID they meant
};

// A store's bad days. Chosen by the seed; each alone or with the others.
enum class StoreFault : uint8_t {
  kCut,           // a session's connection breaks
  kAimedCut,      // the next session that runs a certain command breaks before or behind its answer
  kHalfBody,      // the next session that sends a body breaks in the middle of it
  kBye,           // a session says BYE
  kHang,          // a session goes on to accept and never answers
  kGarbage,       // a session in IDLE says what is no response
  kRestart,       // all sessions break, and for a while, or for minutes, nobody can connect
  kRefuseLogins,  // NO [LIMIT], [UNAVAILABLE], [INUSE] for a while
  kRefuseSelects,  // NO [UNAVAILABLE], [INUSE] for a while
  kPassword,       // a user's password is changed
  kReplace,        // a mailbox gets another UIDVALIDITY
  kDelete,         // a mailbox goes; perhaps one of its name comes later
  kRename,         // as well, but who has it selected goes on as if nothing were
  kGoBack,         // a mailbox is restored from a backup: UIDNEXT and HIGHESTMODSEQ go back
};
constexpr size_t kStoreFaults = 14;

class ModelStore {
 public:
  ModelStore(Wires& wires, uint64_t seed, const StoreTraits& traits, Transcript& transcript,
             Violations& violations);
  ~ModelStore();

  // Accepts on `descriptor` from now on.
  void Listen(const ListenerDescriptor& descriptor);

  std::string PasswordOf(std::string_view user) const;
  // Grows when it is changed.
  uint32_t PasswordVersion(std::string_view user) const;
  static constexpr std::string_view kMaster = "master", kMasterPassword = "keys-to-all";

  void AddMailbox(const std::string& user, const std::string& name);
  // Null: there is none.
  std::shared_ptr<ModelMailbox> Find(std::string_view user, std::string_view name) const;
  // Also one that has another name by now. Of two with one UIDVALIDITY the younger.
  std::shared_ptr<ModelMailbox> FindByValidity(std::string_view user, uint32_t validity) const;
  std::vector<std::string> MailboxesOf(std::string_view user) const;

  // ---- What other sessions do, and what goes wrong ----
  void DeliverTo(ModelMailbox& mailbox);
  void ExpungeFrom(ModelMailbox& mailbox);
  void ReflagIn(ModelMailbox& mailbox);
  void ToggleReadOnly(ModelMailbox& mailbox);
  void Break(StoreFault fault, std::string_view user, std::string_view mailbox);
  // Faults are over: what was to break next does not.
  void EndFaults();
  // What was restored may change again.
  void Thaw();

  // ---- What it sees ----
  size_t sessions_open() const;  // logged in
  size_t sessions_of(std::string_view user) const;
  size_t idling() const;
  std::string Describe(std::string_view user) const;
  // What it has still to do or to tell by itself; empty: nothing.
  std::string Unrest() const;
  StoreCounts& counts() { return counts_; }
  // A session of the user was lost a moment ago, or hangs.
  bool InTrouble(const std::string& user) const;
  // Another mailbox has, or nobody has, this name since.
  bool DisturbedSince(const std::string& user, const std::string& mailbox, uint64_t ns) const;

  // ---- For its sessions ----
  Wires& wires() { return wires_; }
  Rng& rng() { return rng_; }
  const StoreTraits& traits() const { return traits_; }
  Transcript& transcript() { return transcript_; }
  // Empty: refused.
  std::string LogIn(std::string_view authzid, std::string_view user, std::string_view password);
  bool refuses_logins() const { return refuses_until_ns_ > wires_.now_ns(); }
  bool refuses_selects() const { return refuses_selects_until_ns_ > wires_.now_ns(); }
  // This command, or body, is where a session was to break.
  bool TakeAimedCut(std::string_view command);
  bool TakeHalfBody() { return std::exchange(half_body_, false); }
  // The user's clients may hear that a session was lost until then.
  void NoteTrouble(const std::string& user, uint64_t for_ns);
  // A client's tag: each may come once, whatever the session.
  void NoteTag(const std::string& user, const std::string& tag);
  void Report(const std::string& user, const std::string& who, const std::string& text);
  std::string CapabilityText(bool logged_in) const;
  // "[ALERT] …", now and then; mostly empty.
  std::string SomeAlert();
  // A flag or a keyword that somebody might set.
  std::string RandomFlag();
  // The other server's copy of a mailbox.
  ModelReplica& ReplicaOf(const std::shared_ptr<ModelMailbox>& mailbox);
  // Called after each turn.
  void Sweep();

 private:
  void NoteOutdated(std::string_view user, std::string_view password);
  ModelSession* RandomSession();
  ModelSession* RandomIdling();
  void Restart(uint64_t away_ns);
  void Replace(const std::string& user, const std::string& name, std::shared_ptr<ModelMailbox> by);
  void Rename(const std::string& user, const std::string& name);
  void CreateLater(const std::string& user, const std::string& name);
  void GoBack(const std::string& user, const std::string& name);
  std::shared_ptr<ModelMailbox> NewMailbox(const std::string& user, const std::string& name,
                                           uint32_t first_uid);

  Wires& wires_;
  Rng rng_;
  const StoreTraits traits_;
  Transcript& transcript_;
  Violations& violations_;
  ListenerDescriptor listener_;
  bool listening_ = false;
  uint64_t refuses_until_ns_ = 0, refuses_selects_until_ns_ = 0;
  std::string aimed_cut_;  // at this command; empty: none
  bool half_body_ = false;
  uint32_t next_validity_ = 100;
  uint64_t next_session_ = 1;
  std::map<std::pair<std::string, std::string>, std::shared_ptr<ModelMailbox>> mailboxes_;
  std::vector<std::shared_ptr<ModelMailbox>> every_mailbox_;  // in the order of their making
  std::map<std::pair<std::string, std::string>, uint64_t> disturbed_ns_;
  std::map<std::string, uint64_t, std::less<>> trouble_until_ns_;  // "" is everybody's
  std::map<std::string, uint32_t, std::less<>> password_versions_;
  // Of passwords that were right once: the first time, and how often long after.
  struct Refusals {
    uint64_t first_ns = 0;
    int late = 0;
  };
  std::map<std::string, Refusals, std::less<>> refusals_;
  std::set<std::string> tags_;
  Rng replica_rng_;
  std::vector<std::unique_ptr<ModelReplica>> replicas_;
  std::vector<std::unique_ptr<ModelSession>> sessions_;
  StoreCounts counts_;
  std::shared_ptr<int> life_ = std::make_shared<int>(0);
};

}  // namespace roost

#endif  // ROOST_CORE_SIM_MODEL_STORE_H_
