#include "core/store/session.h"

#include <algorithm>
#include <utility>

#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/base/heap_size.h"
#include "core/store/dialer.h"
#include "core/store/session_work.h"
#include "core/stream/shortage.h"
#include "proto/ascii.h"
#include "proto/check.h"
#include "proto/imap/writer.h"

namespace roost {
namespace {

// Of a response's line: a SEARCH that lists some million messages fits.
constexpr size_t kMaxLineBytes = size_t{32} << 20;

// So many timeouts an answer may take of which some comes within each.
constexpr uint64_t kMostTimeouts = 10;

// Responses whose text is for people, and short, but for some codes.
bool IsStatus(ResponseKind kind) { return kind <= ResponseKind::kPreauth; }
static_assert(ResponseKind::kTagged < ResponseKind::kPreauth &&
              ResponseKind::kPreauth < ResponseKind::kCapability);

// Of messages, as many as the command was about. The code may be cut, and is none yet then.
bool HasCodeThatLists(const Response& status) {
  std::string_view code = status.code_name;
  if (code.empty() && status.text.starts_with('[')) {
    code = status.text.substr(1, status.text.find(' ') - 1);
  }
  return EqualsIgnoreCase(code, "COPYUID") || EqualsIgnoreCase(code, "APPENDUID") ||
         EqualsIgnoreCase(code, "MODIFIED");
}

// It passes in parts, unread, to the client whose command it answers.
bool MayBeLong(const Session& session, const Response& status) {
  const SessionState& state = session.state();
  const bool relayed = session.ready() && !state.idle() && !state.in_flight().front().hidden;
  return relayed && HasCodeThatLists(status);
}

}  // namespace

Session::Session(Loop& loop, const StoreTarget& target, SessionSink& sink)
    : loop_(loop),
      target_(target),
      sink_(&sink),
      stream_(loop.streams(), *this),
      work_(std::make_unique<Work>(loop)) {}

Session::~Session() { WipeLogin(); }

const MailboxView::Expunged& Session::last_expunged() const { return work_->last_expunged; }

const MailboxView::VanishedResult& Session::last_vanished() const { return work_->last_vanished; }

bool Session::AtResponseStart() const { return work_ == nullptr || work_->framer.AtMessageStart(); }

const std::string& Session::login_answer() const { return work_->login_answer; }

void Session::set_place(std::unique_ptr<SessionPlace> place) { place_ = std::move(place); }

void Session::NoPlace() {
  Lose(SessionLoss::kNoPlace, "the store has all the sessions it may have");
}

void Session::OnInput(Stream&) {
  last_heard_ns_ = loop_.now_ns();
  ProcessInput();
}

void Session::OnDrained(Stream&) {
  if (phase_ == Phase::kReady) sink_->OnSessionDrained(*this);
}

void Session::OnEnd(Stream&, StreamEnd end) {
  if (phase_ == Phase::kLost) return;
  // What had come before and was not read yet, since whoever has the session wanted no more for
  // now: a receive or two.
  do {
    paused_ = false;
    ProcessInput();
  } while (paused_);
  const bool early = phase_ < Phase::kLogin;
  const bool ours = IsShortage(stream_.error());  // the store was not even asked
  std::string text = early ? "cannot reach the store" : "the store closed the connection";
  if (!stream_.error().empty()) text.append(": ").append(stream_.error());
  (void)end;
  Lose(early && !ours ? SessionLoss::kUnreachable : SessionLoss::kClosed, std::move(text));
}

void Session::Lose(SessionLoss loss, std::string text) {
  if (phase_ == Phase::kLost) return;
  phase_ = Phase::kLost;
  work().deadline.Cancel();
  WipeLogin();
  work().listing.reset();
  if (place_ != nullptr) place_->NoteLoss(loss);
  place_.reset();
  stream_.Abort();
  // Not from within whoever made us find out: the sink may be in the middle of a call to us.
  loop_.Post([this, loss, text = std::move(text)] {
    if (sink_ != nullptr) sink_->OnSessionLost(*this, loss, text);
  });
}

void Session::Close() {
  if (phase_ == Phase::kLost) {
    sink_ = nullptr;
    return;
  }
  const bool polite = phase_ == Phase::kReady && state_.idle();
  phase_ = Phase::kLost;
  sink_ = nullptr;
  if (work_ != nullptr) {
    work_->deadline.Cancel();
    work_->listing.reset();
  }
  place_.reset();
  if (polite) stream_.Write(NextTag() + " LOGOUT\r\n");
  polite ? stream_.Close() : stream_.Abort();
}

void EndSession(std::unique_ptr<Session> session) {
  if (session == nullptr) return;
  session->Close();
  Loop& loop = session->loop_;
  loop.Retire(std::move(session));
}

std::string Session::TagOf(uint32_t number) {
  std::string tag = "R";
  AppendNumber(&tag, number);
  return tag;
}

std::string Session::NextTag() { return TagOf(++tag_number_); }

Session::Work& Session::work() {
  if (work_ != nullptr) return *work_;
  work_ = std::make_unique<Work>(loop_);
  if (idling_) {  // the IDLE that Rest put away
    SentCommand idle;
    idle.tag = TagOf(tag_number_);
    idle.kind = CommandKind::kIdle;
    idle.hidden = true;
    state_.Unfold(std::move(idle));
    work_->hidden.emplace_back().number = tag_number_;
  }
  return *work_;
}

// Gives back what only a session needs on which something is under way, if nothing is. Of an IDLE
// in progress nothing needs to be remembered: it is the last command that was sent.
void Session::Rest() {
  if (work_ == nullptr || phase_ != Phase::kReady || in_input_) return;
  const Work& w = *work_;
  const bool in_idle = idling_ && w.hidden.size() == 1 && w.hidden.front().number == tag_number_;
  const bool quiet =
      !w.eating && w.listing == nullptr && w.framer.AtMessageStart() && stream_.input().empty();
  if (!quiet || !(w.hidden.empty() || in_idle)) return;
  work_.reset();
  if (!in_idle) return;
  state_.Fold();
  stream_.SetResting(true);
}

void Session::PauseReading() {
  paused_ = true;
  stream_.SetReading(false);
}

void Session::ResumeReading() {
  if (!paused_) return;
  paused_ = false;
  loop_.Post([this] {
    if (phase_ == Phase::kLost || paused_) return;
    ProcessInput();
    if (phase_ != Phase::kLost && !paused_) stream_.SetReading(true);
  });
}

void Session::ProcessInput() {
  if (in_input_ || stream_.input().empty()) return;
  in_input_ = true;
  Framer& framer = work().framer;
  while (phase_ != Phase::kLost && !paused_) {
    const Piece piece = framer.Next(stream_.input());
    if (piece.kind == Piece::Kind::kNeedMore) break;
    if (piece.kind == Piece::Kind::kError) {
      Lose(SessionLoss::kProtocol, std::string("the store sent garbage: ") + piece.error);
      break;
    }
    const size_t size = piece.bytes.size();
    HandlePiece(piece);
    stream_.Consume(size);
  }
  in_input_ = false;
  Rest();
}

void Session::HandlePiece(const Piece& piece) {
  std::optional<Response> parsed;
  if (piece.begins_message) parsed = ParseResponse(piece.bytes);
  const Response* first = parsed ? &*parsed : nullptr;
  if (first != nullptr && first->kind == ResponseKind::kMalformed) {
    std::string text = "the store sent a malformed line: ";
    AppendText(&text, piece.bytes, 80);
    return Lose(phase_ < Phase::kLogin ? SessionLoss::kUnreachable : SessionLoss::kProtocol,
                std::move(text));
  }
  work_->line_bytes =
      piece.begins_message || piece.kind == Piece::Kind::kLiteral ? 0 : work_->line_bytes;
  work_->line_bytes += piece.bytes.size();
  const bool status = first != nullptr && IsStatus(first->kind);
  const bool endless = piece.kind == Piece::Kind::kText && !piece.ends_line &&
                       (work_->line_bytes > kMaxLineBytes || (status && !MayBeLong(*this, *first)));
  if (endless) return Lose(SessionLoss::kProtocol, "the store sent an endless line");
  if (phase_ == Phase::kReady) return HandleReady(piece, first);
  if (first != nullptr) HandleLoginPhase(piece, *first);
}

void Session::HandleReady(const Piece& piece, const Response* first) {
  if (first == nullptr) {
    if (work_->eating) {
      OfferToHidden(piece, nullptr);
      if (piece.ends_message) {
        work_->eating = false;
        work_->eater = nullptr;
      }
      return;
    }
    sink_->OnStoreData(*this, piece, nullptr);
    return;
  }
  if (first->kind == ResponseKind::kTagged) return HandleTagged(piece, *first);
  const bool own = !work_->hidden.empty();
  if (first->kind == ResponseKind::kContinuation && (own || state_.idle())) {
    return Continued(piece);
  }
  if (first->kind == ResponseKind::kVanished && !piece.ends_message) {
    // The rest of so long a line is not read: which messages are gone is not known.
    Response unread = *first;
    unread.rest = {};
    state_.Seen(unread);
    UpdateView(unread);
  } else {
    state_.Seen(*first);
    UpdateView(*first);
  }
  if (own && OfferToHidden(piece, first)) {
    work_->eating = !piece.ends_message;
    return;
  }
  sink_->OnStoreData(*this, piece, first);
  if (first->kind == ResponseKind::kBye && phase_ != Phase::kLost) {
    if (!saw_logout_) Lose(SessionLoss::kBye, "the store said BYE: " + std::string(first->text));
  }
}

void Session::HandleTagged(const Piece& piece, const Response& response) {
  std::optional<SentCommand> ended = state_.Seen(response);
  if (!ended) {
    return Lose(SessionLoss::kProtocol, "the store answered a command that nobody sent");
  }
  if (Selects(ended->kind) || !state_.selected()) view_.reset();
  if (Selects(ended->kind) && place_ != nullptr) place_->Share(&state_);
  if (ended->kind == CommandKind::kLogout && response.status != Status::kOk) saw_logout_ = false;
  if (!ended->hidden) {
    sink_->OnAnswered(*this, *ended, response);
    if (phase_ != Phase::kLost) sink_->OnStoreData(*this, piece, &response);
    return;
  }
  auto it = std::find_if(work_->hidden.begin(), work_->hidden.end(),
                         [&](const Hidden& h) { return TagOf(h.number) == ended->tag; });
  ROOST_CHECK(it != work_->hidden.end());
  Hidden hidden = std::move(*it);
  work_->hidden.erase(it);
  if (ended->kind == CommandKind::kIdle) {
    idling_ = false;
    stream_.SetResting(false);
  }
  work_->eating = !piece.ends_message;
  SetDeadline();
  if (response.CodeIs("ALERT")) TellAlert(response.text);
  if (phase_ == Phase::kLost) return;
  if (ended->kind == CommandKind::kIdle) return sink_->OnIdleEnded(*this, response);
  if (hidden.done) hidden.done(response);
}

// Some stores repeat theirs with each answer.
void Session::TellAlert(std::string_view text) {
  const auto hash = static_cast<uint32_t>(SipHash13({}, text));
  if (std::exchange(last_alert_, hash) == hash) return;
  const std::string line = "* OK [ALERT] " + std::string(text) + "\r\n";
  Piece piece;
  piece.kind = Piece::Kind::kText;
  piece.begins_message = piece.ends_message = piece.ends_line = true;
  piece.bytes = line;
  const Response response = ParseResponse(line);
  sink_->OnStoreData(*this, piece, &response);
}

// `+` for an IDLE of ours.
void Session::Continued(const Piece& piece) {
  auto it = std::find_if(work_->hidden.begin(), work_->hidden.end(),
                         [](const Hidden& h) { return h.awaits_plus; });
  if (it == work_->hidden.end()) {
    return Lose(SessionLoss::kProtocol, "the store sent a continuation that nobody awaits");
  }
  it->awaits_plus = false;
  idling_ = true;
  work_->eating = !piece.ends_message;
  SetDeadline();
  sink_->OnIdleStarted(*this);
}

// To each that is unanswered, in order: stores may work on pipelined commands in another one (RFC
// 3501, 5.5).
bool Session::OfferToHidden(const Piece& piece, const Response* first) {
  if (first == nullptr && work_->eater != nullptr) return work_->eater(piece, nullptr);
  for (const Hidden& hidden : work_->hidden) {
    if (first == nullptr || !hidden.untagged || !hidden.untagged(piece, first)) continue;
    work_->eater = piece.ends_message ? nullptr : hidden.untagged;
    return true;
  }
  return first == nullptr;
}

// Applies what the store announced to the view, and remembers what that removed.
void Session::UpdateView(const Response& response) {
  work_->last_expunged = {};
  work_->last_vanished = {};
  if (work_->listing != nullptr &&
      (response.kind == ResponseKind::kExists || response.kind == ResponseKind::kExpunge ||
       (response.kind == ResponseKind::kVanished && !response.earlier))) {
    work_->listing->clean = false;
  }
  if (!view_) return;
  if (!state_.idle() && Selects(state_.in_flight().front().kind)) return;
  switch (response.kind) {
    case ResponseKind::kExists:
      view_->Exists(response.number);
      break;
    case ResponseKind::kExpunge:
      work_->last_expunged = view_->Expunge(response.number);
      break;
    case ResponseKind::kVanished:
      if (!response.earlier) {
        UidSet gone;
        if (ParseUidSet(response.rest, &gone) != SetParse::kOk) {
          view_->FetchedUid(0, 0);  // no such message: the view is not to be trusted any more
        } else {
          work_->last_vanished = view_->Vanished(gone);
          // Only the view knows which of the UIDs named were messages of the mailbox, if it does.
          if (work_->last_vanished.exact) state_.CorrectExists(view_->size());
        }
      }
      break;
    case ResponseKind::kFetch: {
      const FetchInfo info = ParseFetch(response.rest);
      if (info.uid) view_->FetchedUid(response.number, *info.uid);
      break;
    }
    default:
      break;
  }
}

uint64_t Session::horizon() const {
  if (!view_ || !state_.selected()) return 0;
  return std::max(view_->horizon(), state_.selected()->uid_next);
}

void Session::RunHidden(SentCommand command, std::string_view text, Hidden hidden) {
  if (phase_ != Phase::kReady) return;
  work();
  const auto& in_flight = state_.in_flight();
  ROOST_CHECK(in_flight.empty() || in_flight.back().hidden);
  command.tag = NextTag();
  command.hidden = true;
  hidden.number = tag_number_;
  std::string line = command.tag;
  line.append(" ").append(text).append("\r\n");
  stream_.Write(line);
  state_.Sent(std::move(command));
  work_->hidden.push_back(std::move(hidden));
  SetDeadline();
}

void Session::SetDeadline() {
  if (phase_ != Phase::kReady) return;
  const bool resting = work_->hidden.empty() || (work_->hidden.size() == 1 && idling_);
  if (resting) return work_->deadline.Cancel();
  Expect(static_cast<uint64_t>(target_.config->command_timeout_s), "an answer");
}

void Session::Expect(uint64_t seconds, const char* what) {
  work().awaited = what;
  work().awaited_since_ns = loop_.now_ns();
  const uint64_t timeout_ns = SecondsToNs(seconds);
  work().deadline.SetIn(timeout_ns, [this, timeout_ns] { Overdue(timeout_ns); });
}

// A long answer takes its time: more of it may be coming all the while. Of a short one nothing is.
void Session::Overdue(uint64_t timeout_ns) {
  const bool early = phase_ < Phase::kReady;
  const uint64_t end_ns =
      std::min(last_heard_ns_ + timeout_ns, work().awaited_since_ns + timeout_ns * kMostTimeouts);
  const CommandKind kind = state_.idle() ? CommandKind::kNoop : state_.in_flight().front().kind;
  const bool is_long = kind == CommandKind::kFetch || kind == CommandKind::kSearch || Selects(kind);
  if (!early && is_long && end_ns > loop_.now_ns()) {
    return work().deadline.Set(end_ns, [this, timeout_ns] { Overdue(timeout_ns); });
  }
  Lose(early ? SessionLoss::kUnreachable : SessionLoss::kTimeout,
       std::string("the store let us wait too long for ") + work().awaited);
}

void Session::Run(CommandKind kind, std::string_view text, Done done, Untagged untagged) {
  SentCommand command;
  command.kind = kind;
  Hidden hidden;
  hidden.done = std::move(done);
  hidden.untagged = std::move(untagged);
  RunHidden(std::move(command), text, std::move(hidden));
}

void Session::RunSelect(std::string_view mailbox, bool examine, Done done) {
  SentCommand command;
  command.kind = examine ? CommandKind::kExamine : CommandKind::kSelect;
  command.mailbox = mailbox;
  if (!state_.CarriesName(mailbox)) {
    return Lose(SessionLoss::kProtocol,
                "the mailbox name needs a literal; the store has no LITERAL+");
  }
  std::string text = examine ? "EXAMINE " : "SELECT ";
  AppendAstring(&text, mailbox, LiteralStyle::kNonSync);
  Hidden hidden;
  hidden.done = std::move(done);
  // All that a SELECT says is its own: nobody else is told of it, but for what people must see.
  hidden.untagged = [](const Piece&, const Response* first) {
    return first == nullptr || !first->CodeIs("ALERT");
  };
  RunHidden(std::move(command), text, std::move(hidden));
}

void Session::RunIdle() {
  SentCommand command;
  command.kind = CommandKind::kIdle;
  Hidden hidden;
  hidden.awaits_plus = true;
  RunHidden(std::move(command), "IDLE", std::move(hidden));
}

void Session::EndIdle() {
  ROOST_CHECK(idling_ || phase_ != Phase::kReady);
  if (phase_ == Phase::kReady) work();
  idling_ = false;
  stream_.Write("DONE\r\n");
  SetDeadline();
}

void Session::Forward(SentCommand command, std::string_view bytes) {
  ROOST_DCHECK(!idling_ && (work_ == nullptr || work_->hidden.empty()));
  if (command.kind == CommandKind::kLogout) saw_logout_ = true;
  state_.Sent(std::move(command));
  stream_.Write(bytes);
}

void Session::ForwardMore(std::string_view bytes) { stream_.Write(bytes); }

size_t Session::memory_bytes() const {
  size_t bytes = HeapSize(this) + HeapSize(work_) + HeapSize(place_);
  if (work_ != nullptr) {
    bytes += work_->hidden.size() * (sizeof(Hidden) + 2 * sizeof(void*));
  }
  return bytes + stream_.memory_bytes() + state_.memory_bytes();
}

}  // namespace roost
