// What a client's command is, and what it may do to a session: pure functions of its bytes.
//
// What it is not: it keeps no state, answers nothing and judges no syntax beyond what it needs. A
// command that it cannot read whole is classified by the cautious answer, stated at each function.
//
// Place: framer pieces of one command, concatenated with their small literals ("whole"), come in
// here. A command with a large literal is given as the prefix that ends behind the literal's
// announcement.
#ifndef ROOST_PROTO_IMAP_COMMAND_H_
#define ROOST_PROTO_IMAP_COMMAND_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/imap/enabled.h"
#include "proto/imap/tokens.h"

namespace roost {

// The commands of RFC 3501 and 9051 and of the extensions in use. UID forms share the kind; see
// Command::uid.
enum class CommandKind : uint8_t {
  kMalformed,  // no valid tag, or no command behind it
  kUnknown,    // well formed, but none of these
  kCapability,
  kNoop,
  kLogout,
  kStartTls,
  kAuthenticate,
  kLogin,
  kEnable,
  kSelect,
  kExamine,
  kCreate,
  kDelete,
  kRename,
  kSubscribe,
  kUnsubscribe,
  kList,
  kLsub,
  kXlist,
  kRlist,
  kRlsub,
  kStatus,
  kAppend,
  kIdle,
  kNamespace,
  kCheck,
  kClose,
  kUnselect,
  kExpunge,
  kSearch,
  kSort,
  kThread,
  kFetch,
  kStore,
  kCopy,
  kMove,
  kReplace,
  kId,
  kGetQuota,
  kGetQuotaRoot,
  kSetQuota,
  kGetAcl,
  kSetAcl,
  kDeleteAcl,
  kListRights,
  kMyRights,
  kGetMetadata,
  kSetMetadata,
  kGetAnnotation,
  kSetAnnotation,
  kCompress,
  kNotify,
  kUnauthenticate,
  kProxyAuth,
  kLanguage,
  kComparator,
  kEsearch,
  kCancelUpdate,
  kUrlFetch,
  kGenUrl,
  kResetKey,
  kConvert,
  kConversions,
  kGetJmapAccess,
};
inline constexpr size_t kCommandKinds = static_cast<size_t>(CommandKind::kGetJmapAccess) + 1;

struct Command {
  CommandKind kind = CommandKind::kMalformed;
  bool uid = false;  // "UID FETCH …"
  bool complete =
      false;  // the command's last line end was there; false: a prefix up to a large literal
  std::string_view tag;   // empty when not valid (then kMalformed)
  std::string_view name;  // the verb as it was sent, without "UID "
  std::string_view args;  // behind the verb and one SP, without the line's end
};

inline constexpr size_t kMaxTagBytes = 1000;

// RFC 3501: any ASTRING-CHAR except "+", at least one, at most kMaxTagBytes.
bool IsValidTag(std::string_view tag);

Command ParseCommand(std::string_view whole);

// "FETCH", "UID SEARCH" is not: the name of a kind, in capitals; "?" for kUnknown and kMalformed.
std::string_view CommandName(CommandKind kind);

// DONE in any case, ended by CRLF or LF (RFC 2177).
bool IsDoneLine(std::string_view line);

// ---- Classification ----

// The command leaves nothing behind in a session that is not tracked anyway (selected mailbox and
// mode, ENABLEd set, CONDSTORE, ID). A whitelist: anything else pins the client to its session. Not
// on it: SEARCH, SORT and ESEARCH with RETURN options other than MIN MAX ALL COUNT PARTIAL
// RELEVANCY (SAVE, UPDATE, CONTEXT keep state in the session; RFC 5182, 5267), any use of the saved
// result "$", SELECT with parameters other than CONDSTORE and QRESYNC, LANGUAGE, COMPARATOR,
// NOTIFY, URLAUTH's commands, unknown commands, and what is not readable whole. ENABLE is on it:
// what became of it is told by `* ENABLED` (EnabledSet::unknown() pins).
bool IsStateless(const Command& command);

// Its arguments or its answer use message sequence numbers, so it must run in the view of the
// client exactly: FETCH, STORE, SEARCH, SORT, THREAD, COPY, MOVE, REPLACE, and UID
// SEARCH/SORT/THREAD with numbers among the keys. (FETCH answers to UID FETCH carry numbers too,
// but of messages that the session itself announces.) Cautious answer: true.
bool UsesSequenceNumbers(const Command& command);

// EXPUNGE must not be sent while it is in progress: FETCH, STORE, SEARCH, SORT, THREAD by number
// (RFC 3501 7.4.1), and UID SEARCH/SORT/THREAD with numbers among the keys (RFC 9051 7.5.1).
// Cautious answer: true.
bool ForbidsExpunge(const Command& command);

// A "CONDSTORE enabling command" (RFC 7162 3.1), ENABLE excepted, which is tracked by its answer:
// FETCH with MODSEQ or CHANGEDSINCE, STORE UNCHANGEDSINCE, SEARCH/SORT/THREAD with MODSEQ, STATUS
// (HIGHESTMODSEQ) also within LIST RETURN, SELECT/EXAMINE (CONDSTORE) or (QRESYNC …). Cautious
// answer: true when the word occurs.
bool SwitchesOnCondstore(const Command& command);

// Must never reach a store on a session that is logged in, advertised or not: LOGIN, AUTHENTICATE,
// UNAUTHENTICATE, PROXYAUTH, STARTTLS, COMPRESS.
bool NeverAfterLogin(const Command& command);

// What a SEARCH-like command holds, as far as it was understood.
struct SearchTraits {
  bool whole = false;         // every key was understood; else the others are cautious guesses
  bool numbers = false;       // a sequence set is among its keys
  bool modseq = false;        // a MODSEQ key
  bool saved_result = false;  // "$" among its keys
  bool keeps_state = false;   // RETURN (SAVE | UPDATE | CONTEXT | unknown)
  bool returns = false;       // has RETURN: answered by ESEARCH
  std::string_view keys;      // the search program itself
};
// For kSearch, kSort, kThread, kEsearch, with or without UID. `sets`, if given, gets the sequence
// sets among the keys (not those behind UID), in order, as views into the command.
SearchTraits AnalyzeSearch(const Command& command, std::vector<std::string_view>* sets = nullptr);

// ---- Typed arguments ----

// Each expects a complete command of its kind and returns false on any syntax error, with *out
// unspecified.

struct LoginArgs {
  std::string user;
  std::string password;
};
bool ParseLogin(const Command& command, LoginArgs* out);

struct AuthenticateArgs {
  std::string_view mechanism;               // as sent; compare ignoring case
  std::optional<std::string_view> initial;  // SASL-IR (RFC 4959), still base64; "" when sent as "="
};
bool ParseAuthenticate(const Command& command, AuthenticateArgs* out);

// RFC 7162 3.2.5: the parameters of QRESYNC, sets unparsed.
struct QresyncArgs {
  uint32_t uid_validity = 0;
  uint64_t modseq = 0;
  std::string_view known_uids;       // empty when not given
  std::string_view known_sequences;  // of the seq-match data; empty when not given
  std::string_view known_sequence_uids;
};

struct SelectArgs {
  std::string mailbox;               // decoded, INBOX normalized
  std::string_view mailbox_as_sent;  // with its quotes or literal
  bool condstore = false;
  bool unknown_parameters = false;  // others than CONDSTORE and QRESYNC
  std::optional<QresyncArgs> qresync;
  std::string_view parameters;  // inside the parentheses, verbatim; empty when none
};
// SELECT and EXAMINE.
bool ParseSelect(const Command& command, SelectArgs* out);

struct EnableArgs {
  EnabledSet known;                     // with unknown() set when any name is not known
  std::vector<std::string_view> names;  // as sent, in order
};
bool ParseEnable(const Command& command, EnableArgs* out);

// RFC 2971: ID NIL gives no fields. Bounded to 30 fields, names to 30 bytes, values to 1024.
struct IdField {
  std::string name;
  std::optional<std::string> value;
};
bool ParseId(const Command& command, std::vector<IdField>* out);

}  // namespace roost

#endif  // ROOST_PROTO_IMAP_COMMAND_H_
