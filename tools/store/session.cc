#include "tools/store/session.h"

#include "proto/check.h"
#include "tools/store/fetch_job.h"
#include "tools/store/other_mailboxes.h"

namespace roost::embedded {
namespace {

// Phases in which a command is allowed.
enum : uint8_t { kBeforeLogin = 1, kLoggedIn = 2, kInMailbox = 4, kAny = 7, kAfterLogin = 6 };

uint8_t PhaseBit(Session::Phase phase) {
  switch (phase) {
    case Session::Phase::kNotAuthenticated:
      return kBeforeLogin;
    case Session::Phase::kAuthenticated:
      return kLoggedIn;
    case Session::Phase::kSelected:
      return kInMailbox;
    case Session::Phase::kEnded:
      return 0;
  }
  return 0;
}

// APPEND is the one command that brings a message.
bool BringsMessage(std::string_view command) {
  const size_t space = command.find(' ');
  return space != std::string_view::npos &&
         StartsWithIgnoreCase(command.substr(space + 1), "APPEND ");
}

}  // namespace

struct Session::CommandSpec {
  CommandKind kind;
  uint8_t phases;
  Feature feature;
  void (Session::*run)(const Command&);
  bool has_uid_form = false;
};

const Session::CommandSpec* Session::FindSpec(CommandKind kind) {
  using K = CommandKind;
  using F = Feature;
  static constexpr CommandSpec kSpecs[] = {
      {K::kCapability, kAny, F::kNone, &Session::Capability},
      {K::kNoop, kAny, F::kNone, &Session::Check},
      {K::kLogout, kAny, F::kNone, &Session::Logout},
      {K::kId, kAny, F::kId, &Session::Id},
      {K::kStartTls, kBeforeLogin, F::kNone, &Session::StartTls},
      {K::kLogin, kBeforeLogin, F::kNone, &Session::Login},
      {K::kAuthenticate, kBeforeLogin, F::kNone, &Session::Authenticate},
      {K::kEnable, kLoggedIn, F::kEnable, &Session::Enable},
      {K::kSelect, kAfterLogin, F::kNone, &Session::Select},
      {K::kExamine, kAfterLogin, F::kNone, &Session::Examine},
      {K::kCreate, kAfterLogin, F::kNone, &Session::Create},
      {K::kDelete, kAfterLogin, F::kNone, &Session::Delete},
      {K::kRename, kAfterLogin, F::kNone, &Session::Rename},
      {K::kSubscribe, kAfterLogin, F::kNone, &Session::Subscribe},
      {K::kUnsubscribe, kAfterLogin, F::kNone, &Session::Unsubscribe},
      {K::kList, kAfterLogin, F::kNone, &Session::List},
      {K::kLsub, kAfterLogin, F::kNone, &Session::Lsub},
      {K::kNamespace, kAfterLogin, F::kNamespace, &Session::Namespace},
      {K::kStatus, kAfterLogin, F::kNone, &Session::StatusCommand},
      {K::kAppend, kAfterLogin, F::kNone, &Session::Append},
      {K::kIdle, kAfterLogin, F::kIdle, &Session::Idle},
      {K::kNotify, kAfterLogin, F::kNotify, &Session::Notify},
      {K::kCheck, kInMailbox, F::kNone, &Session::Check},
      {K::kClose, kInMailbox, F::kNone, &Session::CloseCommand},
      {K::kUnselect, kInMailbox, F::kUnselect, &Session::Unselect},
      {K::kExpunge, kInMailbox, F::kNone, &Session::Expunge, true},
      {K::kSearch, kInMailbox, F::kNone, &Session::Search, true},
      {K::kFetch, kInMailbox, F::kNone, &Session::Fetch, true},
      {K::kStore, kInMailbox, F::kNone, &Session::Store, true},
      {K::kCopy, kInMailbox, F::kNone, &Session::Copy, true},
      {K::kMove, kInMailbox, F::kMove, &Session::Move, true},
  };
  for (const CommandSpec& spec : kSpecs) {
    if (spec.kind == kind) return &spec;
  }
  return nullptr;
}

Session::Session(Registry* registry, const SessionOptions* options, SessionHost* host,
                 bool offer_starttls)
    : registry_(registry),
      options_(options),
      host_(host),
      offer_starttls_(offer_starttls),
      framer_(Direction::kCommands, {.max_line = kMaxCommandBytes}) {
  registry_->counts().Connected();
}

Session::~Session() {
  Deselect();
  --registry_->counts().open;
  --(account_ != nullptr ? account_->counts().open : registry_->counts().logging_in);
}

void Session::Out(std::string_view text) { host_->Write(text); }

void Session::Greet() {
  Out("* OK [CAPABILITY " + options_->features.Capabilities(false, offer_starttls_) + "] " +
      options_->name + " ready: in memory, for tests and demonstrations only\r\n");
}

bool Session::Blocked() const {
  return phase_ == Phase::kEnded || waiting_for_tls_ || job_ != nullptr ||
         host_->Unsent() > kOutputHighWater;
}

size_t Session::Receive(std::string_view input) {
  size_t used = 0;
  while (!Blocked()) {
    const Piece piece = framer_.Next(input.substr(used));
    if (piece.kind == Piece::Kind::kNeedMore) break;
    if (piece.kind == Piece::Kind::kError) {
      Out(std::string("* BAD ") + piece.error + "\r\n");
      End("Cannot follow this");
      break;
    }
    used += piece.bytes.size();
    Take(piece);
    // Bytes behind STARTTLS were never protected: they are not executed later as if they had been.
    if (waiting_for_tls_ && used < input.size()) End("Plaintext behind STARTTLS");
  }
  return used;
}

void Session::Resume() {
  if (phase_ == Phase::kEnded || host_->Unsent() > kOutputHighWater) return;
  if (job_ != nullptr) GoOnFetching();
  PushNews();
}

void Session::Take(const Piece& piece) {
  if (piece.begins_message && piece.ends_message) {
    Execute(piece.bytes);
    return;
  }
  command_.append(piece.bytes);
  if (piece.literal.present && !AcceptLiteral(piece.literal)) return;
  if (piece.ends_message) {
    const std::string whole = std::move(command_);
    command_ = std::string();
    Execute(whole);
  }
}

// Asks for a literal's bytes, or refuses the command.
bool Session::AcceptLiteral(const LiteralMark& literal) {
  uint64_t limit =
      phase_ == Phase::kNotAuthenticated ? kMaxCommandBytesBeforeLogin : kMaxCommandBytes;
  if (phase_ != Phase::kNotAuthenticated && BringsMessage(command_)) {
    limit += options_->max_message_bytes;
  }
  const bool refused_kind =
      literal.binary || (literal.non_sync && !options_->features.Has(Feature::kLiteralPlus));
  if (!refused_kind && literal.size <= limit && command_.size() + literal.size <= limit) {
    if (!literal.non_sync) Out("+ Go on\r\n");
    return true;
  }
  if (literal.non_sync) {
    // Its bytes are on their way and are not a command.
    End(refused_kind ? "LITERAL+ is not offered" : "Literal too large");
    return false;
  }
  const size_t space = command_.find(' ');
  tag_ = command_.substr(0, space);
  if (!IsValidTag(tag_)) tag_ = "*";
  tells_ = Tells::kNothing;
  framer_.CancelLiteral();
  command_ = std::string();
  refused_kind ? Bad("literal8 is not offered") : No("[TOOBIG] Literal too large");
  return false;
}

void Session::Execute(std::string_view whole) {
  switch (next_line_) {
    case Line::kDone:
      Done(whole);
      return;
    case Line::kSaslResponse:
      SaslResponse(WithoutLineEnd(whole));
      return;
    case Line::kCommand:
      Run(ParseCommand(whole));
      return;
  }
}

void Session::Run(const Command& command) {
  tells_ = phase_ == Phase::kSelected ? Tells::kEverything : Tells::kNothing;
  if (command.tag.empty()) {
    Out("* BAD A command begins with a tag\r\n");
    if (phase_ == Phase::kNotAuthenticated && ++bad_commands_ >= kMaxBadCommandsBeforeLogin) {
      End("Too many bad commands");
    }
    return;
  }
  tag_ = command.tag;
  const CommandSpec* spec = FindSpec(command.kind);
  if (spec == nullptr || !options_->features.Has(spec->feature) ||
      (command.uid && !spec->has_uid_form)) {
    Bad("Unknown command");
    return;
  }
  ++registry_
        ->command_counts()[(command.uid ? "UID " : "") + std::string(CommandName(command.kind))];
  if ((spec->phases & PhaseBit(phase_)) == 0) {
    Bad("Not now");
    return;
  }
  const bool may_hold_numbers = command.kind == CommandKind::kSearch ||
                                (!command.uid && (command.kind == CommandKind::kFetch ||
                                                  command.kind == CommandKind::kStore));
  if (may_hold_numbers && phase_ == Phase::kSelected) tells_ = Tells::kAllButExpunges;
  (this->*spec->run)(command);
}

void Session::Finish(Status status, std::string_view text) {
  if (phase_ == Phase::kEnded) return;
  Tell(tells_);
  if (notify_ != nullptr) TellOthers();
  std::string line;
  std::string withheld;
  if (tells_ != Tells::kNothing) withheld = WithheldModSeq();
  if (!withheld.empty() && (status != Status::kOk || text.starts_with('['))) {
    line.append("* OK ").append(withheld).append("An expunge is yet to be told\r\n");
    withheld.clear();
  }
  line.append(tag_);
  line.append(status == Status::kOk ? " OK " : status == Status::kNo ? " NO " : " BAD ");
  line.append(withheld).append(text).append("\r\n");
  Out(line);
  if (status == Status::kBad && phase_ == Phase::kNotAuthenticated &&
      ++bad_commands_ >= kMaxBadCommandsBeforeLogin) {
    End("Too many bad commands");
  }
  if (tag_.capacity() > std::string().capacity()) tag_ = std::string();
  if (notify_ != nullptr) PushNews();
}

void Session::End(std::string_view reason) {
  if (phase_ == Phase::kEnded) return;
  Out("* BYE " + std::string(reason) + "\r\n");
  Deselect();
  job_.reset();
  phase_ = Phase::kEnded;
  host_->Close();
}

bool Session::NoWhenReadOnly() {
  if (read_only_) No("[READ-ONLY] The mailbox was opened with EXAMINE");
  return read_only_;
}

void Session::OnMailboxChanged() { PushNews(); }

void Session::OnMailboxDeleted() { End("The mailbox was deleted"); }

}  // namespace roost::embedded
