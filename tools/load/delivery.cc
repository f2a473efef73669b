#include "tools/load/delivery.h"

#include <utility>

#include "proto/imap/response.h"
#include "proto/imap/tokens.h"
#include "proto/imap/writer.h"

namespace roost::load {

size_t DeliveryDialogue::Receive(std::string_view input) {
  size_t used = 0;
  while (!over_) {
    const std::string_view rest = input.substr(used);
    const size_t lf = rest.find('\n');
    if (lf == std::string_view::npos) {
      if (rest.size() <= kMaxLineBytes) return used;
      Break("an endless line", rest);
      break;
    }
    used += lf + 1;
    Line(WithoutLineEnd(rest.substr(0, lf + 1)));
  }
  return input.size();
}

void DeliveryDialogue::Break(std::string_view what, std::string_view line) {
  over_ = true;
  host_->OnBroken(std::string(what) + ": " + std::string(line.substr(0, 200)));
}

void LmtpDialogue::Deliver(std::string_view user, std::string message) {
  user_ = user;
  message_ = std::move(message);
  Command("MAIL FROM:<roost-load@localhost>", Phase::kMail);
}

// Of an answer of several lines ("250-...") only the last counts.
void LmtpDialogue::Line(std::string_view line) {
  if (line.size() < 3 || line[0] < '2' || line[0] > '5') return Break("no LMTP", line);
  if (line.size() > 3 && line[3] == '-') return;
  if (phase_ == Phase::kReady) return Break("an answer to nothing", line);
  if (line[0] == '2' || (line[0] == '3' && phase_ == Phase::kData)) return Accepted();
  if (phase_ == Phase::kGreeting || phase_ == Phase::kHello || phase_ == Phase::kReset) {
    return Break("no service", line);
  }
  Command("RSET", Phase::kReset);
  host_->OnRefused(line);
}

void LmtpDialogue::Accepted() {
  switch (phase_) {
    case Phase::kGreeting:
      return Command("LHLO localhost", Phase::kHello);
    case Phase::kMail:
      // A recipient without a domain is not an address, but what every LMTP server takes.
      return Command("RCPT TO:<" + user_ + ">", Phase::kRecipient);
    case Phase::kRecipient:
      return Command("DATA", Phase::kData);
    case Phase::kData:
      phase_ = Phase::kMessage;
      host_->Send(std::exchange(message_, {}) + ".\r\n");
      return host_->OnSent();
    case Phase::kMessage:
      host_->OnAccepted();
      [[fallthrough]];
    case Phase::kHello:
    case Phase::kReset:
      phase_ = Phase::kReady;
      return host_->OnReady();
    case Phase::kReady:
      return;
  }
}

void LmtpDialogue::Command(std::string_view text, Phase next) {
  phase_ = next;
  host_->Send(std::string(text) + "\r\n");
}

void AppendDialogue::Deliver(std::string_view, std::string message) {
  message_ = std::move(message);
  phase_ = Phase::kAppend;
  host_->Send("d2 APPEND INBOX {" + std::to_string(message_.size()) + "}\r\n");
}

void AppendDialogue::Line(std::string_view line) {
  const Response response = ParseResponse(line);
  if (phase_ == Phase::kGreeting) {
    if (response.kind != ResponseKind::kOk) return Break("no greeting", line);
    return LogIn();
  }
  switch (response.kind) {
    case ResponseKind::kBye:
    case ResponseKind::kMalformed:
      return Break("no service", line);
    case ResponseKind::kContinuation:
      if (phase_ != Phase::kAppend) return Break("wants more of nothing", line);
      phase_ = Phase::kLiteral;
      host_->Send(std::exchange(message_, {}) + "\r\n");
      return host_->OnSent();
    case ResponseKind::kTagged:
      return Answered(response.status == Status::kOk, line);
    default:
      return;
  }
}

void AppendDialogue::LogIn() {
  if (!CanBeQuoted(user_) || !CanBeQuoted(password_)) {
    return Break("user and password must be strings that can be quoted", user_);
  }
  std::string login = "d1 LOGIN ";
  AppendQuoted(&login, user_);
  login += ' ';
  AppendQuoted(&login, password_);
  phase_ = Phase::kLogin;
  host_->Send(login + "\r\n");
}

void AppendDialogue::Answered(bool ok, std::string_view line) {
  if (phase_ == Phase::kLogin) {
    if (!ok) return Break("login refused", line);
    phase_ = Phase::kReady;
    return host_->OnReady();
  }
  if (phase_ != Phase::kAppend && phase_ != Phase::kLiteral) {
    return Break("an answer to nothing", line);
  }
  const bool accepted = ok && phase_ == Phase::kLiteral;
  phase_ = Phase::kEnded;
  over_ = true;
  host_->Send("d3 LOGOUT\r\n");
  if (accepted) {
    host_->OnAccepted();
  } else {
    host_->OnRefused(line);
  }
}

bool CanBeQuoted(std::string_view value) {
  const StringForm form = AstringFormOf(value);
  return form == StringForm::kAtom || form == StringForm::kQuoted;
}

std::string MakeMessage(std::string_view user, uint64_t number) {
  std::string message = "From: roost-load <roost-load@localhost>\r\nTo: ";
  message.append(user).append("\r\nSubject: Message ").append(std::to_string(number));
  message.append("\r\n\r\nThis is message ").append(std::to_string(number));
  return message.append(" of a load test.\r\n");
}

}  // namespace roost::load
