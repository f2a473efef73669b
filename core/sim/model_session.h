// One session of a ModelStore: a view of a mailbox that lags behind the truth, and the commands
// that run in it.
//
// News (expunges, arrivals, flags) are noted when they happen and are due up to max_delay later,
// each on its own. A due one is told in IDLE at once, else with a command's answer, before or
// behind its data, as the RFCs allow: no EXPUNGE without a command, none during FETCH, STORE and
// SEARCH by number. NOOP, CHECK and SELECT catch up wholly before their tagged answer; DONE does
// nothing of the sort.
#ifndef ROOST_CORE_SIM_MODEL_SESSION_H_
#define ROOST_CORE_SIM_MODEL_SESSION_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/sim/imap_text.h"
#include "core/sim/model_replica.h"
#include "core/sim/model_store.h"

namespace roost {

class ModelSession final : public WireOwner, private MailboxObserver {
 public:
  ModelSession(ModelStore& store, uint64_t number, SocketId socket);
  ~ModelSession() override;

  bool dead() const { return !wire_.open(); }
  bool idling() const { return idling_; }
  const std::string& user() const { return user_; }
  const ModelMailbox* selected() const { return mailbox_.get(); }
  uint64_t number() const { return number_; }
  // Something to tell without being asked.
  bool HasNews() const;
  SocketId socket() const { return wire_.socket(); }

  bool hangs() const { return hangs_; }

  void Bye(std::string_view reason);
  void Cut();
  // Neither executes nor tells anything any more; cut after `for_ns`.
  void Hang(uint64_t for_ns);
  // Precondition: idling.
  void Garbage();

 private:
  struct Seen {
    uint32_t uid = 0;
    uint64_t modseq = 0;
    uint32_t size = 0;
    bool recent = false;
    ModelFlags flags;
  };
  struct Arrival {
    uint64_t due_ns;
    Seen message;
  };
  using Tokens = std::vector<TextToken>;

  void OnWireInput() override;
  void OnWireClosed(int error) override;
  void OnArrived(uint32_t uid) override;
  void OnExpunged(uint32_t uid) override;
  void OnReflagged(uint32_t uid) override;
  void OnReplaced() override;

  void Say(const std::string& line);
  void Answer(std::string_view status_and_text);
  void SayAlert();
  // OK, and below which expunge the client's MODSEQs count, if one waits.
  void AnswerDone(std::string_view code = {});
  void Work();
  void Execute(const std::string& text);
  void ExecuteNamed(const std::string& name, const Tokens& tokens);
  void UnknownCommand();
  void ExecuteLoggedIn(const std::string& name, const Tokens& tokens);
  void ExecuteSelected(const std::string& name, const Tokens& tokens);

  // Commands; tokens[0] is the first argument.
  void Login(const Tokens& tokens);
  void Authenticate(const Tokens& tokens);
  void SaslPlain(std::string_view message);
  void LoggedIn(const std::string& user);
  void Enable(const Tokens& tokens);
  void Notify(const Tokens& tokens);
  void Select(const Tokens& tokens, bool examine);
  void SayChangesSince(uint64_t modseq);
  void Deselect();
  void Search(const Tokens& tokens);
  void Fetch(const Tokens& tokens);
  void FetchOne(size_t index, const std::set<std::string>& items);
  void Store(const Tokens& tokens);
  void CopyOrMove(const Tokens& tokens, bool move);
  void Sort(const Tokens& tokens);
  void Thread(const Tokens& tokens);
  // Which of the view the keys from `at` on choose; nothing when they make no sense: answered then.
  std::optional<std::vector<bool>> Choose(const Tokens& tokens, size_t at);
  // Numbers or UIDs of those chosen, as the command wants them.
  std::vector<uint32_t> Found(const std::vector<bool>& chosen) const;
  void Expunge(const Tokens& tokens);
  void Append(const Tokens& tokens);
  void Status(const Tokens& tokens);
  void List();

  // Positions in the view of what a set names; nothing when it names a number that is not there.
  std::vector<size_t> Positions(std::string_view set, bool* valid);

  // What this session changes is true, and its server hears of it at once.
  void CatchUp();
  void SetFlags(uint32_t uid, ModelFlags flags);
  void ExpungeTruly(uint32_t uid);
  void TakeRecent(uint32_t uid);

  // News.
  uint64_t DueAfterDelay();
  void NewsAt(uint64_t due_ns);
  void Tell(bool all, bool expunges);
  void TellExpunges(uint64_t now_ns);
  void TellArrivals(uint64_t now_ns);
  void ShowArrived(uint32_t uid);
  void TellFlags(uint64_t now_ns);
  void EarlyNews(bool expunges);
  void SayExpunged(const std::vector<uint32_t>& uids);
  void SayFetchFlags(size_t index, bool asked);
  void SayKeywords();
  // What this session's server knows of one message, now.
  void Refresh(Seen* seen);
  Seen* FindSeen(uint32_t uid);
  const Seen* FindSeen(uint32_t uid) const;
  std::string FlagsOf(const Seen& seen) const;
  bool tells_modseq() const { return condstore_ && !mailbox_->traits().no_modseq; }
  bool tells_vanished() const { return qresync_ && !mailbox_->traits().no_modseq; }

  ModelStore& store_;
  Rng rng_;
  const uint64_t number_;
  Wire wire_;
  MessageReader reader_;
  std::deque<std::string> commands_;  // received and not executed
  bool working_ = false;
  bool hangs_ = false;
  bool idling_ = false;
  bool notify_ = false;
  bool deaf_ = false;  // told that there are news, and tells none any more
  bool awaits_sasl_ = false;
  std::string tag_;
  bool uid_command_ = false;

  std::string user_;
  bool condstore_ = false, qresync_ = false;
  bool on_replica_ = false;
  std::shared_ptr<ModelMailbox> mailbox_;  // as this session's server has it
  std::shared_ptr<ModelMailbox> truth_;    // the same, or what mailbox_ is a replica of
  bool examine_ = false;                   // by EXAMINE
  bool read_only_ = false;  // nothing may be changed: by EXAMINE, or the mailbox is so
  std::vector<Seen> view_;
  std::set<std::string> told_keywords_;
  std::deque<Arrival> arrivals_;            // ascending by UID and by due time
  std::map<uint32_t, uint64_t> expunges_;   // UID -> due
  std::map<uint32_t, uint64_t> reflagged_;  // UID -> due
  std::shared_ptr<int> life_ = std::make_shared<int>(0);
};

}  // namespace roost

#endif  // ROOST_CORE_SIM_MODEL_SESSION_H_
