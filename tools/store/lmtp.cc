#include "tools/store/lmtp.h"

#include <algorithm>

#include "proto/imap/tokens.h"
#include "tools/store/mail_date.h"
#include "tools/store/text.h"

namespace roost::embedded {
namespace {

// RFC 5321, 4.5.3.1.3.
constexpr size_t kMaxPathBytes = 256;

}  // namespace

bool ParseSmtpPath(std::string_view argument, std::string_view keyword, std::string* address,
                   std::string_view* parameters) {
  if (!StartsWithIgnoreCase(argument, keyword)) return false;
  argument.remove_prefix(keyword.size());
  while (argument.starts_with(' ')) argument.remove_prefix(1);
  if (!argument.starts_with('<')) return false;
  const size_t close = argument.find('>');
  if (close == std::string_view::npos || close > kMaxPathBytes) return false;
  std::string_view path = argument.substr(1, close - 1);
  // A source route is ignored (RFC 5321, appendix C).
  if (path.starts_with('@')) {
    const size_t colon = path.find(':');
    if (colon == std::string_view::npos) return false;
    path.remove_prefix(colon + 1);
  }
  const bool clean = std::none_of(path.begin(), path.end(), [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f;
  });
  if (!clean) return false;
  address->assign(path);
  *parameters = Trim(argument.substr(close + 1));
  return true;
}

void LmtpSession::Greet() {
  Reply("220 " + options_->name + " LMTP: in memory, for tests and demonstrations only");
}

size_t LmtpSession::Receive(std::string_view input) {
  size_t used = 0;
  while (phase_ != Phase::kEnded && used < input.size()) {
    const std::string_view rest = input.substr(used);
    const size_t lf = rest.find('\n');
    const bool whole = lf != std::string_view::npos;
    if (phase_ == Phase::kData) {
      if (!whole && rest.size() < kMaxLineBytes) break;
      // Keep a CR back that may belong to the line's end.
      size_t size = whole ? lf + 1 : rest.size();
      if (!whole && rest.ends_with('\r')) --size;
      const bool begins = !line_open_;
      line_open_ = !whole;
      used += size;
      Data(rest.substr(0, size), begins, whole);
      continue;
    }
    if (!whole && rest.size() < kMaxLineBytes) break;
    if (!whole || lf >= kMaxLineBytes) {
      Reply("500 5.5.2 Line too long");
      phase_ = Phase::kEnded;
      host_->Close();
      break;
    }
    used += lf + 1;
    Command(WithoutLineEnd(rest.substr(0, lf + 1)));
  }
  return phase_ == Phase::kEnded ? input.size() : used;
}

void LmtpSession::Command(std::string_view line) {
  const size_t space = std::min(line.find(' '), line.size());
  const std::string verb = ToUpperAscii(line.substr(0, space));
  const std::string_view argument = Trim(line.substr(space));
  if (verb == "LHLO") {
    Reset();
    phase_ = Phase::kReady;
    Reply("250-" + options_->name + "\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n" +
          "250-8BITMIME\r\n250 SIZE " + std::to_string(options_->max_message_bytes));
  } else if (verb == "HELO" || verb == "EHLO") {
    Reply("500 5.5.1 This is LMTP: LHLO");
  } else if (verb == "NOOP") {
    Reply("250 2.0.0 Here");
  } else if (verb == "RSET") {
    Reset();
    Reply("250 2.0.0 Forgotten");
  } else if (verb == "VRFY") {
    Reply("252 2.5.0 Try and see");
  } else if (verb == "QUIT") {
    Reply("221 2.0.0 Until next time");
    phase_ = Phase::kEnded;
    host_->Close();
  } else if (phase_ == Phase::kGreeting) {
    Reply("503 5.5.1 LHLO first");
  } else if (verb == "MAIL") {
    Mail(argument);
  } else if (verb == "RCPT") {
    Recipient(argument);
  } else if (verb == "DATA") {
    BeginData();
  } else {
    Reply("500 5.5.1 Unknown command");
  }
}

void LmtpSession::Mail(std::string_view argument) {
  std::string_view parameters;
  std::string address;
  if (phase_ != Phase::kReady) {
    Reply("503 5.5.1 One sender at a time");
    return;
  }
  if (!ParseSmtpPath(argument, "FROM:", &address, &parameters)) {
    Reply("501 5.5.4 MAIL FROM:<address>");
    return;
  }
  while (!parameters.empty()) {
    const size_t end = std::min(parameters.find(' '), parameters.size());
    const std::string_view parameter = parameters.substr(0, end);
    parameters = Trim(parameters.substr(end));
    if (!StartsWithIgnoreCase(parameter, "SIZE=")) continue;
    const auto size = ParseDigits(parameter.substr(5));
    if (size && *size > options_->max_message_bytes) {
      Reply("552 5.3.4 Message too big");
      return;
    }
  }
  sender_ = std::move(address);
  phase_ = Phase::kMail;
  Reply("250 2.1.0 Sender noted");
}

void LmtpSession::Recipient(std::string_view argument) {
  std::string address;
  std::string_view parameters;
  if (phase_ != Phase::kMail) {
    Reply("503 5.5.1 MAIL first");
    return;
  }
  if (!ParseSmtpPath(argument, "TO:", &address, &parameters) || address.empty()) {
    Reply("501 5.5.4 RCPT TO:<address>");
    return;
  }
  if (recipients_.size() >= kMaxRecipients) {
    Reply("452 4.5.3 Too many recipients");
    return;
  }
  if (!sink_->Accepts(address)) {
    Reply("550 5.1.1 No such user");
    return;
  }
  recipients_.push_back(std::move(address));
  Reply("250 2.1.5 Recipient noted");
}

void LmtpSession::BeginData() {
  if (phase_ != Phase::kMail) {
    Reply("503 5.5.1 MAIL first");
    return;
  }
  if (recipients_.empty()) {
    Reply("554 5.5.1 No recipients");
    return;
  }
  phase_ = Phase::kData;
  line_open_ = false;
  message_ = "Return-Path: <" + sender_ + ">\r\nReceived: by " + options_->name +
             " (in memory) with LMTP;\r\n\t" + FormatHeaderDate(host_->WallSeconds()) + "\r\n";
  Reply("354 Go on");
}

void LmtpSession::Data(std::string_view piece, bool begins_line, bool ends_line) {
  std::string_view text = ends_line ? WithoutLineEnd(piece) : piece;
  if (begins_line && ends_line && text == ".") {
    Deliver();
    return;
  }
  if (begins_line && text.starts_with('.')) text.remove_prefix(1);
  too_big_ = too_big_ || message_.size() + text.size() > options_->max_message_bytes;
  if (too_big_) return;
  message_.append(text);
  if (ends_line) message_.append("\r\n");
}

// One answer for each recipient that was accepted (RFC 2033, 4.2).
void LmtpSession::Deliver() {
  const Body body = too_big_ ? nullptr : std::make_shared<const std::string>(std::move(message_));
  for (const std::string& address : recipients_) {
    if (body == nullptr) {
      Reply("552 5.3.4 Message too big");
      continue;
    }
    sink_->Deliver(address, body, host_->WallSeconds());
    Reply("250 2.0.0 Delivered");
  }
  Reset();
}

void LmtpSession::Reset() {
  if (phase_ != Phase::kGreeting) phase_ = Phase::kReady;
  too_big_ = false;
  sender_ = std::string();
  recipients_ = {};
  message_ = std::string();
}

}  // namespace roost::embedded
