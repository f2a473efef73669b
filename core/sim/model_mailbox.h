// One mailbox as it really is: the truth that every client's belief is compared with.
//
// What it is not: it knows no session's view. Whoever wants to hear of changes attaches; what it
// makes of them, and when, is its own business.
#ifndef ROOST_CORE_SIM_MODEL_MAILBOX_H_
#define ROOST_CORE_SIM_MODEL_MAILBOX_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace roost {

using ModelFlags = std::set<std::string>;

struct ModelMessage {
  uint32_t uid = 0;
  uint64_t modseq = 0;
  uint32_t size = 0;
  bool recent = true;  // no session has been told of it as \Recent
  ModelFlags flags;
};

// What happened to a message, for who learns of it later: what it is from then on, and the
// mailbox's MODSEQ.
struct MailboxChange {
  enum class Kind : uint8_t { kArrived, kExpunged, kReflagged };
  Kind kind = Kind::kArrived;
  ModelMessage message;  // kExpunged: its UID only
  uint64_t modseq = 0;
};

class MailboxObserver {
 public:
  virtual ~MailboxObserver() = default;
  virtual void OnArrived(uint32_t uid) = 0;
  virtual void OnExpunged(uint32_t uid) = 0;
  virtual void OnReflagged(uint32_t uid) = 0;
  // It is gone, or another one has the name now; nothing will ever happen here again.
  virtual void OnReplaced() = 0;
};

class ModelMailbox {
 public:
  struct Traits {
    bool no_modseq = false;
    bool uid_not_sticky = false;
  };

  ModelMailbox(std::string user, std::string name, uint32_t uid_validity, uint32_t uid_next,
               const Traits& traits);
  // As a backup from some time ago has it: messages and numbers of then, under the old UIDVALIDITY.
  // Null: it was never any different.
  std::shared_ptr<ModelMailbox> AsBefore(uint64_t modseq) const;

  // The same, observed by nobody.
  std::shared_ptr<ModelMailbox> Copy() const;

  const std::string& user() const { return user_; }
  // The one it was made with.
  const std::string& name() const { return name_; }
  const Traits& traits() const { return traits_; }
  uint32_t uid_validity() const { return uid_validity_; }
  uint32_t uid_next() const { return uid_next_; }
  uint64_t highest_modseq() const { return highest_modseq_; }
  // Ascending by UID.
  const std::vector<ModelMessage>& messages() const { return messages_; }
  // Keywords that any message ever had.
  const std::set<std::string>& keywords() const { return keywords_; }
  // (modseq, UID) of each expunge.
  const std::vector<std::pair<uint64_t, uint32_t>>& expunged() const { return expunged_; }

  const ModelMessage* Find(uint32_t uid) const;
  uint32_t Deliver(ModelFlags flags, uint32_t size);
  bool Expunge(uint32_t uid);
  // False: nothing changed, or there is no such message.
  bool SetFlags(uint32_t uid, ModelFlags flags);
  // What happened last, to this message.
  MailboxChange ChangeOf(MailboxChange::Kind kind, uint32_t uid) const;
  // What happened to the mailbox that this is a copy of.
  void Apply(const MailboxChange& change);
  // True once: the caller is the one session that sees it as \Recent.
  bool TakeRecent(uint32_t uid);
  void Replace();
  bool replaced() const { return replaced_; }
  // When a session was first told that it is gone; kNever: none was.
  uint64_t ToldGoneNs(uint32_t uid) const;
  void NoteToldGone(uint32_t uid, uint64_t now_ns) { told_gone_ns_.emplace(uid, now_ns); }
  // As SELECT will find it from now on; who has it selected goes on as before.
  void set_read_only(bool read_only) { read_only_ = read_only; }
  bool read_only() const { return read_only_; }
  // Nothing is delivered, so that numbers that went back stay back.
  void set_frozen(bool frozen) { frozen_ = frozen; }
  bool frozen() const { return frozen_; }

  void Attach(MailboxObserver* observer) { observers_.push_back(observer); }
  void Detach(MailboxObserver* observer) { std::erase(observers_, observer); }
  size_t attached() const { return observers_.size(); }

 private:
  ModelMessage* FindMutable(uint32_t uid);
  void LearnKeywords(const ModelFlags& flags);

  const std::string user_;
  const std::string name_;
  const uint32_t uid_validity_;
  const Traits traits_;
  bool read_only_ = false, frozen_ = false;
  uint32_t uid_next_;
  uint64_t highest_modseq_ = 1;
  bool replaced_ = false;
  std::vector<ModelMessage> messages_;
  std::set<std::string> keywords_;
  std::vector<std::pair<uint64_t, uint32_t>> expunged_;
  std::map<uint32_t, uint64_t> told_gone_ns_;
  std::vector<MailboxObserver*> observers_;
};

// What a message says, which names whose it is: "user=u0 mailbox=INBOX validity=3 uid=17\r\n…".
std::string ModelBody(std::string_view user, std::string_view mailbox, uint32_t uid_validity,
                      uint32_t uid, uint32_t size);

// "\Seen $x"
std::string FlagText(const ModelFlags& flags);

}  // namespace roost

#endif  // ROOST_CORE_SIM_MODEL_MAILBOX_H_
