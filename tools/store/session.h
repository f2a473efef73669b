// One IMAP session of the embedded store: bytes in, bytes out, and a view of the selected mailbox.
//
// What it is not: no socket, no TLS, no clock (SessionHost lends them). It is a store for
// demonstrations, tests and load tests, and says so in its greeting and in ID.
//
//   kNotAuthenticated --LOGIN, AUTHENTICATE--> kAuthenticated <--SELECT, CLOSE--> kSelected
//   any --LOGOUT, error--> kEnded (final)
//
// What a session was told: `view_` is the list of UIDs that its client counts by. A message
// sequence number is a position in it and in nothing else. The mailbox moves on by itself; Tell()
// makes the difference known, at the end of commands and during IDLE, and only then does view_
// change (RFC 3501, 7.4.1). Who uses NOTIFY is told between commands as well, and what it asked for
// (RFC 5465).
//
// Lifetime: the host outlives the session, the registry outlives both. Thread rule: one thread.
// Memory: about 300 bytes while quiet. view_ is shared with the mailbox and with other sessions
// unless this session is owed an expunge. A command is held whole: kMaxCommandBytes, APPEND
// SessionOptions::max_message_bytes more.
//
// Invariants
//  1. view_ loses a UID only together with EXPUNGE or VANISHED, never during FETCH, STORE or SEARCH
//  by number.
//  2. Nothing is sent outside of a command in progress (IDLE is one), but the BYE of a deleted
//  mailbox and what NOTIFY asked for.
//  3. Flags are told only for UIDs in view_, after the EXISTS that announced them.
//  4. With CONDSTORE on: no tagged answer leaves a client believing a HIGHESTMODSEQ above an
//  expunge it was not told.
#ifndef ROOST_TOOLS_STORE_SESSION_H_
#define ROOST_TOOLS_STORE_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/imap/command.h"
#include "proto/imap/framer.h"
#include "proto/imap/tokens.h"
#include "tools/store/account.h"
#include "tools/store/features.h"
#include "tools/store/mailbox.h"
#include "tools/store/sequence_set.h"

namespace roost::embedded {

// Shared by all sessions; constant.
struct SessionOptions {
  FeatureSet features;
  uint64_t max_message_bytes = 64 << 20;
  std::string name = "roost-store";
};

// What a session needs of the world. No call may destroy the session or feed it.
class SessionHost {
 public:
  virtual ~SessionHost() = default;
  virtual void Write(std::string_view bytes) = 0;
  // Bytes written that have not left yet.
  virtual size_t Unsent() const = 0;
  // STARTTLS was answered: what comes next is a handshake. OnSecure follows when it is done.
  virtual void StartTls() = 0;
  // The session has ended: close when what was written has left.
  virtual void Close() = 0;
  virtual int64_t WallSeconds() const = 0;
  // The user is known. True: the session goes on elsewhere, with the user's mailboxes (see Adopt),
  // and this one is over.
  virtual bool MoveToOwner(const std::string& user) {
    (void)user;
    return false;
  }
};

struct FetchItems;
struct FetchJob;
struct NotifyState;

class Session final : public MailboxWatcher {
 public:
  enum class Phase : uint8_t { kNotAuthenticated, kAuthenticated, kSelected, kEnded };

  static constexpr size_t kMaxCommandBytes = 64 * 1024;
  static constexpr size_t kMaxCommandBytesBeforeLogin = 16 * 1024;
  // FETCH pauses above this, so that a slow reader does not make the store hold a mailbox for it.
  static constexpr size_t kOutputHighWater = 256 * 1024;
  static constexpr int kMaxBadCommandsBeforeLogin = 3;

  // offer_starttls: the listener can do TLS and does not yet.
  Session(Registry* registry, const SessionOptions* options, SessionHost* host,
          bool offer_starttls);
  ~Session() override;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void Greet();
  // Instead of Greet: goes on where another session ended with MoveToOwner, answering its LOGIN.
  void Adopt(const std::string& user, std::string_view tag);
  // Takes what it can of the bytes received and not consumed so far; returns how many it consumed.
  // Less than all: the rest is needed again, with more behind it or after Resume.
  size_t Receive(std::string_view input);
  // Goes on with what waited for output to leave. The host calls Receive again afterwards.
  void Resume();
  // True while input must wait: output is full, a handshake is due, or it is over.
  bool Blocked() const;
  void OnSecure() { waiting_for_tls_ = offer_starttls_ = false; }

  // The store ends.
  void Shutdown() { End("The store is shutting down"); }

  void OnMailboxChanged() override;
  void OnMailboxDeleted() override;

  Phase phase() const { return phase_; }
  bool idling() const { return idling_; }
  // Nothing is in progress, and news are told as they come: in IDLE, or between commands by NOTIFY.
  bool AwaitsNews() const {
    return idling_ || (notify_ != nullptr && job_ == nullptr && command_.empty());
  }
  // Of the command in progress.
  const std::string& tag() const { return tag_; }

 private:
  enum class Status : uint8_t { kOk, kNo, kBad };
  enum class Tells : uint8_t { kNothing, kAllButExpunges, kEverything };
  // What the next line is.
  enum class Line : uint8_t { kCommand, kSaslResponse, kDone };

  struct CommandSpec;
  static const CommandSpec* FindSpec(CommandKind kind);

  // -- session.cc
  void Take(const Piece& piece);
  bool AcceptLiteral(const LiteralMark& literal);
  void Execute(std::string_view whole);
  void Run(const Command& command);
  void End(std::string_view reason);
  void Out(std::string_view text);
  // The tagged answer, after everything that the command allows to be told. Text may begin with a
  // [CODE].
  void Finish(Status status, std::string_view text);
  void Ok(std::string_view text) { Finish(Status::kOk, text); }
  void No(std::string_view text) { Finish(Status::kNo, text); }
  void Bad(std::string_view text) { Finish(Status::kBad, text); }
  bool NoWhenReadOnly();

  // -- updates.cc
  void Tell(Tells tells);
  // messages: arrivals and expunges. flags: changes of flags.
  void TellWanted(Tells tells, bool messages, bool flags);
  // True: not all arrivals were told, since output is full.
  bool TellMembership(bool expunges, bool arrivals);
  // The answer of EXPUNGE and MOVE, whatever NOTIFY wants.
  void TellOwnExpunge();
  void TellExpunges(const std::vector<Uid>& gone);
  void TellFlags(Uid last_known);
  void TellKeywords();
  void AppendFlagList(std::string* out, const Message& message) const;
  // "(UID n FLAGS (…) MODSEQ (n))", as unasked news of a message have it.
  // by_uid: for a UID command, which wants the UID in its responses (RFC 3501, 6.4.8).
  void AppendFlagNews(std::string* out, uint32_t number, const Message& message, bool with_flags,
                      bool by_uid);
  std::string FlagsLine() const;
  std::string PermanentFlags() const;
  void EnableCondstore();
  // "[HIGHESTMODSEQ n] " while an expunge is owed: what was told of later changes must not be taken
  // for all of them. Else empty.
  std::string WithheldModSeq() const;
  // Of a flag that this session changed, when its client has been told already.
  void NoteOwnChange(const Message& message);
  bool IsRecent(Uid uid) const;
  size_t CountRecent() const;
  void ClaimRecent();

  // Number of a UID in view_; 0 when the client does not know it.
  uint32_t NumberOf(Uid uid) const;
  // Numbers (1-based positions in view_) that a set of numbers or UIDs means. False: answered with
  // BAD.
  bool ResolveNumbers(SequenceSet set, bool uid, std::vector<uint32_t>* numbers);
  Uid UidAt(uint32_t number) const { return (*view_)[number - 1]; }

  // -- commands_auth.cc
  void Capability(const Command& command);
  void Id(const Command& command);
  void Logout(const Command& command);
  void StartTls(const Command& command);
  void Login(const Command& command);
  void Authenticate(const Command& command);
  void SaslResponse(std::string_view line);
  void TryPlain(std::string_view base64);
  void LogIn(std::string_view authorize_as, std::string_view login, std::string_view password);
  void FinishLogin(const std::string& user);
  void Enable(const Command& command);

  // -- commands_mailbox.cc
  void List(const Command& command);
  void ListMailboxes(std::string_view reference, const std::vector<std::string>& patterns,
                     uint32_t options, std::string_view status_items);
  void Lsub(const Command& command);
  void Namespace(const Command& command);
  void Create(const Command& command);
  void Delete(const Command& command);
  void Rename(const Command& command);
  void Subscribe(const Command& command);
  void Unsubscribe(const Command& command);
  void StatusCommand(const Command& command);
  bool AppendStatus(std::string* out, std::string_view name, const Mailbox& mailbox,
                    std::string_view items);
  void FinishMailbox(MailboxError error, std::string_view done);

  // -- commands_notify.cc
  void Notify(const Command& command);
  bool WantsMessages() const { return notify_ == nullptr || NotifyWantsMessages(); }
  bool WantsFlags() const { return notify_ == nullptr || NotifyWantsFlags(); }
  bool NotifyWantsMessages() const;
  bool NotifyWantsFlags() const;
  // Of mailboxes that are not selected, for who uses NOTIFY.
  void TellOthers();
  // Tells what may be told without a command that asks for it, if anything.
  void PushNews();
  // Who caused what this session does to names.
  const AccountWatcher* WatchesNames() const;
  // A message that this session's client brought into `mailbox`: it is not told what is in it.
  void NoteOwnArrival(const Mailbox& mailbox, Uid uid);
  // The selected mailbox is about to be another.
  void NoteLeaving();
  // FETCH of the messages `uids`, new to the client, as NOTIFY asked for it; `before` are known.
  // Stops when that has become much. Returns of how many messages it is, at least one.
  size_t AppendArrivals(std::string* out, std::span<const Uid> uids, size_t before);

  // -- commands_select.cc
  void Select(const Command& command);
  void Examine(const Command& command);
  void Open(const Command& command, bool read_only);
  void SendQresync(const QresyncArgs& args);
  void CloseCommand(const Command& command);
  void Unselect(const Command& command);
  void Deselect();
  void Check(const Command& command);
  void Idle(const Command& command);
  void Done(std::string_view line);

  // -- commands_message.cc
  void Append(const Command& command);
  void Store(const Command& command);
  void Copy(const Command& command);
  void Move(const Command& command);
  void CopyOrMove(const Command& command, bool move);
  void Expunge(const Command& command);
  // Expunges messages that are \Deleted and, when given, in `among`. True when any went.
  bool ExpungeDeleted(const SequenceSet* among);
  bool ReadFlags(TokenCursor* cursor, bool list_required, std::vector<std::string>* names);
  std::optional<Flags> MakeFlags(Mailbox* mailbox, const std::vector<std::string>& names);

  // -- fetch.cc
  void Fetch(const Command& command);
  void GoOnFetching();
  void FetchOne(FetchJob* job, uint32_t number);
  // What goes first, asked for or not.
  struct FetchUnasked {
    bool uid;
    bool flags;
    bool modseq;
  };
  void AppendFetch(std::string* out, uint32_t number, const Message& message,
                   const FetchItems& wanted, FetchUnasked unasked);
  void SendVanishedSince(const SequenceSet& uids, ModSeq since);

  // -- search.cc
  void Search(const Command& command);

  Registry* const registry_;
  const SessionOptions* const options_;
  SessionHost* const host_;
  Account* account_ = nullptr;

  Phase phase_ = Phase::kNotAuthenticated;
  Line next_line_ = Line::kCommand;
  Tells tells_ = Tells::kNothing;  // of the command in progress, before its tagged answer
  bool offer_starttls_ : 1;
  bool waiting_for_tls_ : 1 = false;
  bool idling_ : 1 = false;
  bool read_only_ : 1 = false;
  bool condstore_ : 1 = false;  // by whatever way (RFC 7162, 3.1)
  bool qresync_ : 1 = false;
  uint8_t bad_commands_ = 0;
  uint8_t keywords_told_ = 0;

  // The selected mailbox and what its client knows of it.
  std::shared_ptr<Mailbox> mailbox_;
  std::shared_ptr<const View> view_;
  ModSeq flags_told_ = 0;     // changes of flags up to here are told, but for own_changes_
  ModSeq expunges_told_ = 0;  // expunges up to here are told
  std::vector<std::pair<Uid, ModSeq>> own_changes_;  // flags whose present state the client knows
  std::vector<std::pair<Uid, Uid>> recent_;          // [first, last) are \Recent here

  Framer framer_;
  std::string command_;  // pieces of a command that came in several
  std::string tag_;
  std::unique_ptr<FetchJob> job_;
  std::unique_ptr<NotifyState> notify_;  // since the first NOTIFY
};

}  // namespace roost::embedded

#endif  // ROOST_TOOLS_STORE_SESSION_H_
