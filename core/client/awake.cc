#include "core/client/awake.h"

#include <algorithm>
#include <utility>

#include "core/base/clock.h"
#include "core/client/relay.h"

namespace roost {

Awake::Awake(Client& client) : Talk(client) {
  client.stream().SetQuiet(true);
  if (client.cell().idling && client.framer().AtMessageStart()) client.framer().ExpectRawLine();
}

Awake::~Awake() { OnEnd(); }

void Awake::OnEnd() {
  if (waking_ == nullptr) return;
  waking_->Abandon();
  client_.services().loop.Retire(std::move(waking_));
}

void Awake::SetIdleTag(std::string_view tag) {
  ClientCell& cell = client_.cell();
  cell.idling = true;
  cell.tag_bytes = 0;
  long_tag_.clear();
  if (tag.size() <= ClientCell::kMaxTag) {
    cell.tag_bytes = static_cast<uint8_t>(tag.size()) & 31;
    std::copy(tag.begin(), tag.end(), cell.tag);
  } else {
    long_tag_ = tag;
  }
}

std::string_view Awake::idle_tag() {
  return long_tag_.empty() ? client_.cell().idle_tag() : std::string_view(long_tag_);
}

void Awake::OnInput() {
  // Its BYE would have come a little later.
  const std::string end(client_.services().clients.EndOf(client_.cell()));
  if (!end.empty() && !(Busy() && client_.cell().leaves())) return client_.Bye(end);
  while (!client_.closed() && &client_.talk() == this && state_ == State::kListening) {
    // DONE does not wait behind news: as long as it is in IDLE more of them come.
    if (!client_.cell().idling && client_.MustReadFirst()) return;
    const Piece piece = client_.NextPiece();
    if (piece.kind == Piece::Kind::kNeedMore) break;
    const size_t size = piece.bytes.size();
    TakePiece(piece);
    if (client_.closed()) return;
    client_.stream().Consume(size);
  }
  if (client_.closed() || &client_.talk() != this) return;
  client_.stream().SetReading(state_ == State::kListening);
  TrySleep();
}

void Awake::OnDrained() {
  client_.services().clients.CatchUp(client_.index());
  TrySleep();
}

// Quiet for good: what is left of the client is its cell.
void Awake::TrySleep() {
  if (sleeping_posted_) return;
  sleeping_posted_ = true;
  // At the end of the turn, when what was written has left if it could.
  client_.services().loop.Post([this, life = life_.watch()] {
    if (life.expired()) return;
    sleeping_posted_ = false;
    if (client_.closed() || &client_.talk() != this) return;
    if (state_ != State::kListening || !long_tag_.empty() || swallowing_ || !client_.MaySleep())
      return;
    client_.SleepIntoCell();
    client_.services().clients.CatchUp(client_.index());
    client_.services().loop.Retire(std::unique_ptr<Retirable>(&client_));
  });
}

void Awake::TakePiece(const Piece& piece) {
  if (swallowing_) return Swallow(piece);
  if (client_.cell().idling) return IdleLine(piece.bytes);
  const std::string text(piece.bytes);
  Execute(ParseCommand(text), piece);
}

void Awake::Swallow(const Piece& piece) {
  if (piece.literal.present && !piece.literal.non_sync) {
    client_.framer().CancelLiteral();
    swallowing_ = false;
  }
  if (piece.ends_message) swallowing_ = false;
}

bool Awake::TellOwed() {
  Clients& clients = client_.services().clients;
  const std::optional<std::string_view> owed = clients.TakeOwed(client_.index());
  owed ? client_.Write(*owed) : clients.LetGo(client_.index());
  return owed.has_value();
}

void Awake::IdleLine(std::string_view line) {
  ClientCell& cell = client_.cell();
  // Still in IDLE until the answer: what is known by now is told.
  if (!TellOwed()) return;
  const bool heard = cell.feed() == nullptr || cell.feed()->FlushedSinceFlags();
  client_.Answer(idle_tag(), IsDoneLine(line) ? Completed("Idle", heard) : "BAD Expected DONE.");
  cell.idling = false;
  long_tag_.clear();
  client_.services().clients.SetParkedTimer(client_.index());
}

// Not heard: expunges that are older than the flags last told of may be untold. Whoever has
// CONDSTORE is told from where on it must ask (RFC 7162, 3.2).
std::string Awake::Completed(std::string_view name, bool heard) const {
  const ClientCell& cell = client_.cell();
  std::string answer = "OK ";
  if (cell.feed() != nullptr && !heard && cell.enabled.condstore() && !cell.feed()->no_modseq()) {
    const uint64_t known = std::max(uint64_t{1}, cell.feed()->confirmed_modseq());
    answer += "[HIGHESTMODSEQ " + std::to_string(known) + "] ";
  }
  return answer.append(name).append(" completed.");
}

void Awake::StartIdle(std::string_view tag) {
  SetIdleTag(tag);
  client_.framer().ExpectRawLine();
  client_.Write("+ idling\r\n");
  if (!TellOwed()) return;
  client_.services().clients.SetParkedTimer(client_.index());
}

void Awake::Execute(const Command& command, const Piece& piece) {
  const bool plain = !piece.literal.present && piece.ends_message;
  switch (command.kind) {
    case CommandKind::kIdle:
      if (!plain || !command.args.empty()) break;
      return StartIdle(command.tag);
    case CommandKind::kNoop:
    case CommandKind::kCheck:
      if (!plain || !command.args.empty()) break;
      return Noop(command);
    case CommandKind::kCapability:
      if (!plain) break;
      return client_.AnswerCapability(command.tag,
                                      client_.cell().user()->capabilities().ToString());
    case CommandKind::kId:
      if (!plain) break;
      return client_.AnswerId(command);
    case CommandKind::kLogout:
      if (!plain) break;
      return client_.AnswerLogout(command.tag);
    default:
      break;
  }
  WakeFor(command, piece);
}

void Awake::Noop(const Command& command) {
  ClientCell& cell = client_.cell();
  tag_ = command.tag;
  name_ = CommandName(command.kind);
  Feed* feed = cell.feed();
  const Services& services = client_.services();
  const uint64_t age = MsToNs(static_cast<uint64_t>(services.config.parking.flush_max_age_ms));
  // While the store is away: with what is known.
  const bool fresh =
      feed == nullptr || !feed->live() || feed->flushed_ns() + age > services.loop.now_ns();
  if (fresh) return NoopDone(feed == nullptr || feed->FlushedSinceFlags());
  state_ = State::kFlushing;
  feed->Flush([this, life = life_.watch()](bool flushed) {
    if (life.expired() || client_.closed() || &client_.talk() != this) return;
    state_ = State::kListening;
    const Feed* feed = client_.cell().feed();
    NoopDone(flushed && (feed == nullptr || feed->FlushedSinceFlags()));
    client_.ResumeInput();
  });
}

void Awake::NoopDone(bool heard) {
  if (!TellOwed()) return;
  client_.Answer(tag_, Completed(name_, heard));
  if (client_.cell().phase == ClientPhase::kParked) {
    client_.services().clients.SetParkedTimer(client_.index());
  }
}

void Awake::WakeFor(const Command& command, const Piece& piece) {
  Services& services = client_.services();
  ClientCell& cell = client_.cell();
  const bool never = command.kind == CommandKind::kMalformed || NeverAfterLogin(command) ||
                     command.kind == CommandKind::kNotify ||
                     (command.kind == CommandKind::kUnknown && piece.literal.present);
  tag_ = command.tag;
  waiting_piece_ = piece;
  if (never) return RefuseWaiting(RefusalOf(command));
  if (services.clients.IsOwedTooMuch(client_.index())) {
    return services.clients.LetGo(client_.index());
  }
  state_ = State::kWaking;
  waiting_ = piece.bytes;
  cell.waking = true;
  Waking::Wish wish;
  wish.client.enabled = cell.enabled;
  wish.peer = client_.session_client();
  wish.feed = cell.feed();
  wish.cursor = cell.cursor;
  wish.read_only_told = cell.read_only;
  wish.rights = cell.rights;
  wish.own_rights = cell.own_rights && cell.feed() != nullptr;
  wish.permanent_flags = cell.permanent_flags;
  wish.uses_numbers = UsesSequenceNumbers(command);
  wish.incomplete = !piece.ends_message;
  wish.leaves_mailbox = Selects(command.kind);
  if (cell.feed() != nullptr) {
    wish.client.mailbox = cell.feed()->mailbox();
    wish.client.uid_validity = cell.feed()->uid_validity();
    wish.client.mailbox_id = cell.feed()->mailbox_id();
    wish.client.examine = cell.examine;
  }
  waking_ = std::make_unique<Waking>(services.loop, services.feeds, *cell.user(), std::move(wish),
                                     [this](Waking::Result r) { Woken(std::move(r)); });
  waking_->Start();
}

void Awake::Woken(Waking::Result result) {
  Services& services = client_.services();
  services.loop.Retire(std::move(waking_));
  if (client_.closed()) return EndSession(std::move(result.session));
  client_.cell().waking = false;
  switch (result.outcome) {
    case Waking::Outcome::kAttached:
      return Attach(std::move(result));
    case Waking::Outcome::kExpungeIssued:
    case Waking::Outcome::kUnavailable:
      // A SELECT that is refused leaves nothing selected (RFC 3501, 6.3.1).
      if (Selects(ParseCommand(waiting_).kind)) services.clients.Unsubscribe(client_.index());
      RefuseWaiting(
          result.outcome == Waking::Outcome::kExpungeIssued
              ? kExpungeIssued
              : "NO [UNAVAILABLE] The mail store cannot be reached now; please try again");
      break;
    case Waking::Outcome::kTooFarBehind:
      return services.clients.LetGo(client_.index());
    case Waking::Outcome::kEnded:
      return client_.Bye(result.text);
  }
  state_ = State::kListening;
  client_.ResumeInput();
}

// `tag NO …` in place of sending the command; what else comes of it is swallowed.
void Awake::RefuseWaiting(std::string_view answer) {
  if (client_.services().trace.on()) {
    const std::string_view said =
        waiting_.empty() ? waiting_piece_.bytes : std::string_view(waiting_);
    client_.services().clients.Follow(
        client_.cell(), "refused",
        {{"command", CommandName(ParseCommand(said).kind)}, {"answer", answer}});
  }
  client_.Answer(tag_, answer);
  waiting_.clear();
  if (waiting_piece_.literal.present && !waiting_piece_.literal.non_sync) {
    client_.framer().CancelLiteral();
  } else {
    swallowing_ = !waiting_piece_.ends_message;
  }
}

void Awake::Attach(Waking::Result result) {
  Services& services = client_.services();
  ClientCell& cell = client_.cell();
  client_.Write(result.tell);
  services.clients.Unsubscribe(client_.index());
  services.clients.SetTimer(client_.index(), kNever);
  cell.phase = ClientPhase::kAttached;
  ++services.stats.woken;
  const CommandKind kind = ParseCommand(waiting_).kind;
  ++services.stats.woken_by[static_cast<size_t>(kind)];
  if (services.trace.on()) {
    services.clients.Follow(cell, "woken", {{"command", CommandName(kind)}});
  }
  client_.stream().SetQuiet(false);
  auto relay =
      std::make_unique<Relay>(client_, std::move(result.session), cell.user()->capabilities());
  if (!result.owed.empty()) relay->Owe(std::move(result.owed));
  Relay* talk = relay.get();
  Piece first = waiting_piece_;
  const std::string bytes = std::move(waiting_);
  first.bytes = bytes;
  client_.Become(std::move(relay));
  talk->Begin(first);
  if (client_.closed()) return;
  client_.stream().SetReading(true);
  client_.ResumeInput();
}

}  // namespace roost
