#include "tools/load/dialogue.h"

#include <charconv>
#include <optional>
#include <utility>

#include "proto/imap/tokens.h"
#include "proto/imap/writer.h"
#include "tools/load/delivery.h"

namespace roost::load {
namespace {

std::string TagOf(uint32_t number) { return "a" + std::to_string(number); }

}  // namespace

Dialogue::Dialogue(const DialogueSettings* settings, std::string user, DialogueHost* host,
                   bool idles)
    : settings_(settings), user_(std::move(user)), host_(host), idles_(idles) {}

size_t Dialogue::Receive(std::string_view input) {
  size_t used = 0;
  while (phase_ < Phase::kEnded && phase_ != Phase::kSecuring) {
    const Piece piece = framer_.Next(input.substr(used));
    if (piece.kind == Piece::Kind::kNeedMore) return used;
    if (piece.kind == Piece::Kind::kError) {
      Fail("the server sent nonsense", piece.error);
      break;
    }
    used += piece.bytes.size();
    if (piece.begins_message) Line(WithoutLineEnd(piece.bytes));
  }
  // What follows the answer to STARTTLS in the clear is nobody's; so is what follows the end.
  return input.size();
}

void Dialogue::Line(std::string_view line) {
  const Response response = ParseResponse(line);
  if (rested_) host_->OnTold(line);
  if (phase_ == Phase::kGreeting) return Greeting(response, line);
  switch (response.kind) {
    case ResponseKind::kMalformed:
      return Fail("the server sent nonsense", line);
    case ResponseKind::kBye:
      return Fail("the server said goodbye", line);
    case ResponseKind::kExists:
    case ResponseKind::kExpunge:
      return Count(response);
    case ResponseKind::kOk:
    case ResponseKind::kFetch:
      return NoteUid(response);
    case ResponseKind::kContinuation:
      if (phase_ != Phase::kIdleAsked) return Fail("the server wants more of nothing", line);
      phase_ = Phase::kIdling;
      rested_ = true;
      return host_->OnIdle();
    case ResponseKind::kTagged:
      return Tagged(response, line);
    default:
      return;
  }
}

void Dialogue::Greeting(const Response& response, std::string_view line) {
  if (response.kind != ResponseKind::kOk) return Fail("no greeting", line);
  if (settings_->starttls) return Command("STARTTLS", Phase::kStartTls);
  LogIn();
}

void Dialogue::Tagged(const Response& response, std::string_view line) {
  if (response.tag != TagOf(tag_)) return Fail("an answer to nothing", line);
  const bool ok = response.status == Status::kOk;
  const bool answer = ok || (phase_ == Phase::kWorking && response.status == Status::kNo);
  if (!answer) return Fail("refused", line);
  switch (phase_) {
    case Phase::kStartTls:
      phase_ = Phase::kSecuring;
      return host_->StartTls();
    case Phase::kLogin: {
      host_->OnLoggedIn();
      std::string select = "SELECT ";
      AppendQuoted(&select, settings_->mailbox);
      return Command(select, Phase::kSelect);
    }
    case Phase::kSelect:
      selected_ = true;
      return Rest();
    case Phase::kDone:
      if (work_.empty()) return Rest();
      return Command(std::exchange(work_, {}), Phase::kWorking);
    case Phase::kWorking:
      host_->OnAnswered(ok);
      return Rest();
    default:
      return Fail("IDLE has ended by itself", line);
  }
}

void Dialogue::Count(const Response& response) {
  if (response.kind == ResponseKind::kExpunge) {
    --messages_;
    if (response.number <= newest_fetched_) --newest_fetched_;
    expunged_ = true;
    return host_->OnExpunge();
  }
  const int64_t growth = static_cast<int64_t>(response.number) - messages_;
  messages_ = response.number;
  const bool after_expunge = std::exchange(expunged_, false);
  // Some servers tell the new number behind an EXPUNGE: nothing new, and right.
  if (selected_ && !(growth == 0 && after_expunge)) host_->OnExists(growth);
}

void Dialogue::NoteUid(const Response& response) {
  if (response.kind == ResponseKind::kFetch) {
    const std::optional<uint32_t> uid = ParseFetch(response.rest).uid;
    if (!uid || *uid < uid_next_ || *uid == UINT32_MAX) return;
    uid_next_ = *uid + 1;
    newest_fetched_ = response.number;
  } else if (response.CodeIs("UIDNEXT")) {
    const char* end = response.code_args.data() + response.code_args.size();
    std::from_chars(response.code_args.data(), end, uid_next_);
  }
}

void Dialogue::Rest() {
  if (idles_) return Command("IDLE", Phase::kIdleAsked);
  phase_ = Phase::kReady;
  rested_ = true;
  host_->OnIdle();
}

void Dialogue::OnSecure() {
  if (phase_ == Phase::kSecuring) LogIn();
}

void Dialogue::LogIn() {
  if (!CanBeQuoted(user_) || !CanBeQuoted(settings_->password) ||
      !CanBeQuoted(settings_->mailbox)) {
    return Fail("user, password and mailbox must be strings that can be quoted", user_);
  }
  std::string login = "LOGIN ";
  AppendQuoted(&login, user_);
  login += ' ';
  AppendQuoted(&login, settings_->password);
  Command(login, Phase::kLogin);
}

void Dialogue::Refresh() {
  phase_ = Phase::kDone;
  host_->Send("DONE\r\n");
}

void Dialogue::Work(std::string command) {
  if (phase_ == Phase::kReady) return Command(command, Phase::kWorking);
  work_ = std::move(command);
  Refresh();
}

void Dialogue::LogOut() {
  if (phase_ >= Phase::kEnded) return;
  const Phase before = std::exchange(phase_, Phase::kEnded);
  if (before != Phase::kIdling && before != Phase::kReady) return;
  const std::string logout = TagOf(++tag_) + " LOGOUT\r\n";
  host_->Send(before == Phase::kIdling ? "DONE\r\n" + logout : logout);
}

void Dialogue::Command(std::string_view text, Phase next) {
  phase_ = next;
  host_->Send(TagOf(++tag_) + " " + std::string(text) + "\r\n");
}

void Dialogue::Fail(std::string_view what, std::string_view line) {
  phase_ = Phase::kFailed;
  host_->OnFailed(std::string(what) + ": " + std::string(line.substr(0, 200)));
}

}  // namespace roost::load
