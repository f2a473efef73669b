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
#include <vector>

#include "core/base/rng.h"
#include "core/sim/model_mailbox.h"
#include "core/sim/transcript.h"
#include "core/sim/violations.h"
#include "core/sim/wire.h"

namespace roost {

class ModelSession;

// What a store can do and how contrary it is. Chosen by the seed.
struct StoreTraits {
  bool esearch = true, enable = true, condstore = true, qresync = true, unselect = true;
  bool literal_plus = true, sasl_ir = true, uidplus = true, move = true, id = true;
  bool recent = true;        // has \Recent
  bool unsolicited = false;  // tells EXISTS and FETCH outside of commands as well
  double uid_in_news = 0.5;  // FETCH that nobody asked for names the UID, where it need not
  double early_news = 0.5;   // news come before a command's own data, rather than behind it
  uint64_t max_delay_ns = 2 * kNsPerSecond;  // how late a session hears of others' changes
  uint64_t max_work_ns = 20 * kNsPerMs;      // until a command is executed
};

struct StoreCounts {
  uint64_t sessions = 0, logins = 0, refused_logins = 0, commands = 0;
  uint64_t delivered = 0, expunged = 0, reflagged = 0;  // by "another session"
  uint64_t late_expunges = 0, late_flags = 0, late_arrivals = 0, unseen_messages = 0;
  uint64_t cuts = 0, byes = 0, restarts = 0, replaced = 0, limits = 0;
  uint64_t probes = 0;  // STOREs by number that named the UID they meant
};

class ModelStore {
 public:
  ModelStore(Wires& wires, uint64_t seed, const StoreTraits& traits, Transcript& transcript,
             Violations& violations);
  ~ModelStore();

  // Accepts on `descriptor` from now on.
  void Listen(const ListenerDescriptor& descriptor);

  static std::string PasswordOf(std::string_view user);
  static constexpr std::string_view kMaster = "master", kMasterPassword = "keys-to-all";

  void AddMailbox(const std::string& user, const std::string& name);
  // Null: there is none.
  std::shared_ptr<ModelMailbox> Find(std::string_view user, std::string_view name) const;
  std::vector<std::string> MailboxesOf(std::string_view user) const;

  // ---- What other sessions do, and what goes wrong ----------------------------------------------
  void DeliverTo(ModelMailbox& mailbox);
  void ExpungeFrom(ModelMailbox& mailbox);
  void ReflagIn(ModelMailbox& mailbox);
  void CutSession();  // a random one
  void ByeSession();
  void Restart(uint64_t away_ns);
  void RefuseLogins(uint64_t for_ns);
  void ReplaceMailbox(std::string_view user, std::string_view name);

  // ---- What it sees
  // ------------------------------------------------------------------------------
  size_t sessions_open() const;  // logged in
  size_t sessions_of(std::string_view user) const;
  size_t idling() const;
  std::string Describe(std::string_view user) const;
  // What it has still to do or to tell by itself; empty: nothing.
  std::string Unrest() const;
  StoreCounts& counts() { return counts_; }

  // ---- For its sessions
  // --------------------------------------------------------------------------
  Wires& wires() { return wires_; }
  Rng& rng() { return rng_; }
  const StoreTraits& traits() const { return traits_; }
  Transcript& transcript() { return transcript_; }
  // Empty: refused.
  std::string LogIn(std::string_view authzid, std::string_view user,
                    std::string_view password) const;
  bool refuses_logins() const { return refuses_until_ns_ > wires_.now_ns(); }
  void Report(const std::string& user, const std::string& who, const std::string& text);
  std::string CapabilityText(bool logged_in) const;
  // A flag or a keyword that somebody might set.
  std::string RandomFlag();
  // Called after each turn.
  void Sweep();

 private:
  ModelSession* RandomSession();

  Wires& wires_;
  Rng rng_;
  const StoreTraits traits_;
  Transcript& transcript_;
  Violations& violations_;
  ListenerDescriptor listener_;
  bool listening_ = false;
  uint64_t refuses_until_ns_ = 0;
  uint32_t next_validity_ = 100;
  uint64_t next_session_ = 1;
  std::map<std::pair<std::string, std::string>, std::shared_ptr<ModelMailbox>> mailboxes_;
  std::vector<std::unique_ptr<ModelSession>> sessions_;
  StoreCounts counts_;
  std::shared_ptr<int> life_ = std::make_shared<int>(0);
};

}  // namespace roost

#endif  // ROOST_CORE_SIM_MODEL_STORE_H_
