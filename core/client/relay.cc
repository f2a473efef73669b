#include "core/client/relay.h"

#include <algorithm>
#include <utility>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/client/awake.h"
#include "core/store/told_capabilities.h"
#include "proto/ascii.h"
#include "proto/check.h"

namespace roost {
namespace {

constexpr std::string_view kUnasked =
    "[CLIENTBUG] The mail store does not offer to take such a literal unasked";

// Not offered, and numbers are what feeds and mapped commands speak in.
bool EnablesUidOnly(const Command& command) {
  EnableArgs args;
  if (!ParseEnable(command, &args)) return false;
  return std::any_of(args.names.begin(), args.names.end(),
                     [](std::string_view name) { return EqualsIgnoreCase(name, "UIDONLY"); });
}

}  // namespace

Relay::Relay(Client& client, std::unique_ptr<Session> session, CapabilitySet capabilities)
    : Talk(client),
      session_(std::move(session)),
      capabilities_(std::move(capabilities)),
      retry_(client.services().loop) {
  session_->set_sink(*this);
  client.stream().SetSecret(false);
  active_ns_ = client.services().loop.now_ns();
  ArmQuiet(0);
}

Relay::~Relay() { OnEnd(); }

void Relay::OnEnd() {
  retry_.Cancel();
  Loop& loop = client_.services().loop;
  if (parking_ != nullptr) {
    parking_->Abandon();
    loop.Retire(std::move(parking_));
  }
  EndSession(std::move(session_));
}

// Input waits: for `+`, for an own answer's turn, or because too much is unanswered (anything,
// while numbers are mapped); that holds up the next command, not the rest of this one, which the
// store waits for. In IDLE it is DONE, which waits for nothing.
bool Relay::Held() const {
  if (session_ == nullptr || state_ == State::kEnding) return true;
  if (state_ != State::kRelaying) return false;
  const auto most = static_cast<size_t>(client_.services().config.limits.commands_in_progress);
  const auto buffer = static_cast<size_t>(client_.services().config.limits.relay_buffer);
  const bool too_many =
      session_->state().unanswered() >= most || (mapped_ != nullptr && !session_->state().idle());
  return awaits_plus_ || local_ready_ || (too_many && client_.framer().AtMessageStart()) ||
         session_->unsent() > buffer;
}

// Not in IDLE: as long as that lasts more news come. Nor within a command that is forwarded: its
// end is answered by the store, which may wait for it.
bool Relay::MustReadFirst() {
  const bool forwards = route_ == Route::kForward && !client_.framer().AtMessageStart();
  return state_ == State::kRelaying && !forwards && client_.MustReadFirst();
}

void Relay::OnInput() {
  active_ns_ = client_.services().loop.now_ns();
  if (state_ == State::kQuietParking) {
    // It speaks: settle the session first.
    if (parking_ != nullptr && !client_.stream().input().empty()) parking_->Cancel();
    return;
  }
  while (!client_.closed() && &client_.talk() == this && !Held()) {
    if (MustReadFirst()) return;
    const Piece piece = client_.NextPiece();
    if (piece.kind == Piece::Kind::kNeedMore) break;
    const size_t size = piece.bytes.size();
    TakePiece(piece);
    if (client_.closed()) return;
    client_.stream().Consume(size);
  }
  if (!client_.closed() && &client_.talk() == this) client_.stream().SetReading(!Held());
}

void Relay::Begin(const Piece& piece) { TakePiece(piece); }

void Relay::TakePiece(const Piece& piece) {
  if (state_ != State::kRelaying) return IdleLine(piece.bytes);
  const bool keep = command_.size() + piece.bytes.size() <= kKeptCommandBytes;
  if (piece.begins_message) {
    command_.clear();
    command_.append(piece.bytes);
    if (quiet_over_) ArmQuiet(0);
    BeginCommand(piece);
  } else {
    if (keep && !mailbox_is_prefix_) command_.append(piece.bytes);
    if (!keep) mailbox_is_prefix_ = true;
    if (route_ == Route::kForward) {
      // Too late to refuse the command.
      if (!Carries(piece)) return client_.Bye(kUnasked);
      session_->ForwardMore(piece.bytes);
    }
  }
  if (piece.literal.present && !piece.literal.non_sync) {
    if (route_ == Route::kForward) {
      if (Answered()) return CancelCommand();
      awaits_plus_ = true;  // until `+`, or a tagged answer that refuses it
    } else if ((route_ == Route::kLocal || route_ == Route::kMapped) &&
               piece.literal.size <= kKeptCommandBytes / 8 &&
               session_->Settled()) {  // else it would fall into what is being relayed
      client_.Write("+ OK\r\n");
    } else {
      client_.framer().CancelLiteral();
      return EndCommand();
    }
  }
  if (!piece.ends_message) return;
  // Only now a command is in progress (RFC 3501, 5.5).
  if (!withheld_.empty() && !Answered()) {
    const Command command = ParseCommand(command_);
    if (TakesWithheld(command) && !ForbidsWithheld(command)) TellWithheld();
  }
  EndCommand();
}

// The store has answered the command under way before its end: it is not in progress any more.
bool Relay::Answered() const {
  const auto& sent = session_->state().in_flight();
  return route_ == Route::kForward && (sent.empty() || sent.back().tag != forwarded_tag_);
}

// It was answered, and the literal that it announced is not asked for: what follows is another one.
void Relay::CancelCommand() {
  client_.framer().CancelLiteral();
  command_.clear();
}

Relay::Route Relay::RouteOf(const Command& command, const Piece& piece) const {
  switch (command.kind) {
    case CommandKind::kMalformed:
    case CommandKind::kNotify:
    case CommandKind::kCompress:
      return Route::kRefuse;
    case CommandKind::kId:
    case CommandKind::kCapability:
    case CommandKind::kIdle:
      return Route::kLocal;
    case CommandKind::kEnable:
      if (EnablesUidOnly(command)) return Route::kRefuse;
      break;
    case CommandKind::kUnknown:
      // Stores differ in whether they take the bytes of an unknown command's literal, or run them
      // as commands.
      return piece.literal.present ? Route::kRefuse : Route::kForward;
    default:
      if (NeverAfterLogin(command)) return Route::kRefuse;
      break;
  }
  // One that the store does not offer may be unknown to it.
  const bool unasked = piece.literal.present && piece.literal.non_sync;
  const bool known = !unasked || IsOffered(command, session_->state().capabilities());
  return known ? Route::kForward : Route::kRefuse;
}

// What the store does not take without being asked must not be sent so: it would run the bytes as
// commands.
bool Relay::Carries(const Piece& piece) {
  const LiteralMark& literal = piece.literal;
  if (!literal.present) return true;
  const CapabilitySet& capabilities = session_->state().capabilities();
  const bool offered = literals_.NextIsOffered(piece.bytes, literal, capabilities);
  if (!literal.non_sync) return true;
  if (!offered) return false;
  return capabilities.Has("LITERAL+") || (capabilities.Has("LITERAL-") && literal.size <= 4096);
}

void Relay::BeginCommand(const Piece& piece) {
  mailbox_is_prefix_ = false;
  const Command command = ParseCommand(command_);
  route_ = RouteOf(command, piece);
  literals_ = LiteralsOf(command);
  if (!Carries(piece)) route_ = Route::kRefuse;
  if (ForbidsWithheld(command) && route_ != Route::kRefuse) route_ = Route::kExpungeIssued;
  if (!withheld_expunge_ && TakesWithheld(command)) TellWithheld();
  if (route_ == Route::kForward && mapped_ != nullptr) route_ = RouteMapped(command);
  if (route_ == Route::kForward) ForwardFirst(command, piece);
}

void Relay::ForwardFirst(const Command& command, const Piece& piece) {
  SentCommand sent;
  sent.tag = command.tag;
  sent.kind = command.kind;
  sent.condstore = SwitchesOnCondstore(command);
  if (Selects(command.kind)) {
    SelectArgs args;
    if (ParseSelect(command, &args)) {
      sent.mailbox = std::move(args.mailbox);
    } else {
      Pin(command.kind);  // also a name that comes as literal: rare enough to keep its session
    }
  }
  forwarded_tag_ = sent.tag;
  session_->Forward(std::move(sent), piece.bytes);
}

void Relay::EndCommand() {
  if (route_ == Route::kForward) {
    const Command command = ParseCommand(command_);
    if (mailbox_is_prefix_ || !IsStateless(command)) {
      // A body is no state: APPEND's message was left out of what is kept.
      if (command.kind != CommandKind::kAppend) Pin(command.kind);
    }
    // Perhaps by what came behind a literal, which nobody had seen when it was sent.
    if (SwitchesOnCondstore(command)) session_->NoteCondstore(command.tag);
    if (mapped_ != nullptr && !Answered()) ForwardedMapped(command);
    command_.clear();
    return;
  }
  local_ = std::exchange(command_, {});
  local_ready_ = true;
  RunLocal();
}

void Relay::Pin(CommandKind kind) {
  if (std::exchange(pinned_, true) || !client_.services().trace.on()) return;
  client_.services().clients.Follow(client_.cell(), "pinned", {{"command", CommandName(kind)}});
}

void Relay::RunLocal() {
  if (!local_ready_ || session_ == nullptr) return;
  if (!session_->Settled()) {
    if (untagged_bad_) ArmForBad();
    return;
  }
  local_ready_ = false;
  ExecuteLocal(std::exchange(local_, {}));
}

// Some commands are answered by an untagged BAD alone: then what waits behind one would wait for
// ever.
void Relay::ArmForBad() {
  if (retry_.armed()) return;  // news must not put it off
  retry_.SetIn(SecondsToNs(kBadSeconds), [this] {
    const bool mapping = mapped_ != nullptr && session_ != nullptr && !session_->state().idle();
    if (!local_ready_ && !mapping) return;
    client_.Bye("[UNAVAILABLE] The mail store did not answer a command");
  });
}

void Relay::ExecuteLocal(const std::string& text) {
  const Command command = ParseCommand(text);
  if (route_ == Route::kMapped) return RunMapped(command);
  if (route_ != Route::kLocal) TellKnown();
  if (route_ == Route::kExpungeIssued) return client_.Answer(command.tag, kExpungeIssued);
  if (route_ == Route::kRefuse) {
    // NO would say that the mailbox is not selected any more (RFC 3501, 6.3.1).
    return client_.Answer(command.tag,
                          Selects(command.kind) ? "BAD Not possible here" : RefusalOf(command));
  }
  switch (command.kind) {
    case CommandKind::kCapability:
      TellOwed();
      return client_.AnswerCapability(command.tag, capabilities_.ToString());
    case CommandKind::kId:
      TellOwed();
      return client_.AnswerId(command);
    case CommandKind::kIdle:
      if (!command.args.empty()) return client_.Answer(command.tag, "BAD IDLE takes no arguments");
      if (!MayIdle()) return client_.Answer(command.tag, "NO [CANNOT] The mail store has no IDLE");
      TellOwed();
      return StartIdle(command.tag);
    default:
      return client_.Answer(command.tag, "BAD Malformed command");
  }
}

void Relay::IdleLine(std::string_view line) { EndIdle(IsDoneLine(line)); }

void Relay::OnStoreData(Session& session, const Piece& piece, const Response* first) {
  if (client_.closed()) return;
  active_ns_ = client_.services().loop.now_ns();
  if (first != nullptr && first->kind == ResponseKind::kContinuation) {
    if (!awaits_plus_) {
      return client_.Bye("[UNAVAILABLE] The mail store broke the protocol");
    }
    awaits_plus_ = false;
    client_.ResumeInput();
  }
  if (parking_ != nullptr && first != nullptr) parking_->NoteNews(piece, *first);
  // In order: what comes behind something withheld is withheld as well.
  const bool answer = first != nullptr && (first->kind == ResponseKind::kContinuation ||
                                           first->kind == ResponseKind::kTagged);
  if (state_ == State::kQuietParking || (!withheld_.empty() && !answer)) {
    Withhold(piece, first);
    if (local_ready_ && !client_.closed()) CheckSettled();
    return;
  }
  if (mapped_ != nullptr && first != nullptr) TellOwedBefore(*first);
  if (mapped_ != nullptr) {
    if (!RelayThroughMap(piece, first)) return;
  } else {
    std::string line;
    const bool rewritten = first != nullptr && RewriteCapabilities(piece, *first, &line);
    client_.Write(rewritten ? line : piece.bytes);
  }
  const auto buffer = static_cast<size_t>(client_.services().config.limits.relay_buffer);
  // While it parks, few lines come, and answers of ours must not wait for a slow client.
  if (client_.stream().unsent() > buffer && !store_paused_ && state_ != State::kParking) {
    store_paused_ = true;
    session.PauseReading();
  }
  if (first != nullptr && first->kind == ResponseKind::kBad && state_ == State::kRelaying &&
      !session.state().idle()) {
    untagged_bad_ = true;
    if (mapped_ != nullptr) ArmForBad();
  }
  if (local_ready_) CheckSettled();
}

// The piece that is being delivered counts as relayed only after this call: look again then.
void Relay::CheckSettled() {
  client_.services().loop.Post(
      [this, &client = client_, index = client_.index(), generation = client_.cell().generation] {
        if (!client.services().clients.IsLive(index, generation)) return;
        if (client.cell().awake() != &client || &client.talk() != this) return;
        RunLocal();
        if (!Leaves()) OnInput();
      });
}

// A list of capabilities on its way to the client says what Roost carries.
bool Relay::RewriteCapabilities(const Piece& piece, const Response& first, std::string* line) {
  if (!piece.ends_message) return false;
  const bool untagged = first.kind == ResponseKind::kCapability;
  if (!untagged && !first.CodeIs("CAPABILITY")) return false;
  if ((untagged ? first.rest : first.code_args).empty()) return false;
  const std::string_view old = untagged ? first.rest : first.code_args;
  capabilities_ = ToldCapabilities(CapabilitySet::Parse(old), client_.services().config);
  line->assign(piece.bytes);
  line->replace(static_cast<size_t>(old.data() - piece.bytes.data()), old.size(),
                capabilities_.ToString());
  return true;
}

void Relay::OnAnswered(Session& session, const SentCommand& command, const Response&) {
  if (client_.services().trace.on() && Selects(command.kind) && !client_.closed()) {
    client_.services().clients.Follow(
        client_.cell(), "selected",
        {{"mailbox", command.mailbox}, {"good", session.state().selected() != nullptr}});
  }
  if (awaits_plus_ && command.tag == forwarded_tag_) {
    awaits_plus_ = false;  // refused instead of `+`
    CancelCommand();
  }
  if (session.state().idle()) {  // no untagged BAD was all the answer that one of them gets
    untagged_bad_ = false;
    retry_.Cancel();
  }
  CheckSettled();
}

void Relay::OnDrained() {
  if (!store_paused_ || session_ == nullptr) return;
  const auto buffer = static_cast<size_t>(client_.services().config.limits.relay_buffer);
  if (client_.stream().unsent() > buffer / 2) return;
  store_paused_ = false;
  session_->ResumeReading();
}

void Relay::OnSessionDrained(Session&) {
  if (!client_.closed() && !client_.stream().reading()) client_.ResumeInput();
}

void Relay::OnSessionLost(Session& session, SessionLoss loss, const std::string& text) {
  if (!session.saw_logout() && !client_.closed()) {
    Log(LogLevel::kInfo, "session_lost",
        {{"session", client_.cell().connection_id.Text()},
         {"store", session.target().config->name},
         {"user", client_.services().clients.LoginOf(client_.cell())},
         {"reason", text}});
    if (client_.services().trace.on()) {
      client_.services().clients.Follow(client_.cell(), "session_lost", {{"reason", text}});
    }
  }
  const bool half = !session.Settled() && !session.AtResponseStart();
  if (parking_ != nullptr) {
    parking_->Abandon();
    client_.services().loop.Retire(std::move(parking_));
  }
  client_.services().loop.Retire(std::move(session_));
  if (client_.closed()) return;
  // Half a response was relayed: the client must not take it for whole.
  if (half) return client_.Abort();
  // The store's own BYE has been relayed already, and so has the answer to LOGOUT.
  if (loss == SessionLoss::kBye || session.saw_logout()) return client_.Close();
  client_.Bye("[UNAVAILABLE] The connection to the mail store was lost");
}

}  // namespace roost
