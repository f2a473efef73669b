// One LMTP session: mail comes in and goes to the mailboxes of its recipients (RFC 2033).
//
// What it is not: no relay, no queue, no check of senders. No socket and no clock: bytes in, bytes
// out.
//
//   kGreeting --LHLO--> kReady --MAIL--> kMail --RCPT--> kMail --DATA--> kData --"."--> kReady
//   QUIT: kEnded
//
// Whose mail it is, the sink decides. The message is stored once, whatever the number of
// recipients.
//
// Lifetime: host and sink outlive the session. Thread rule: one thread.
// Bounds: kMaxLineBytes a command, kMaxRecipients, SessionOptions::max_message_bytes.
#ifndef ROOST_TOOLS_STORE_LMTP_H_
#define ROOST_TOOLS_STORE_LMTP_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tools/store/mailbox.h"
#include "tools/store/session.h"

namespace roost::embedded {

// Where mail goes.
class MailSink {
 public:
  virtual ~MailSink() = default;
  virtual bool Accepts(std::string_view address) const = 0;
  // Happens in this turn or soon after: the answer to the sender does not wait for it.
  virtual void Deliver(const std::string& address, Body body, int64_t internal_date) = 0;
};

class LmtpSession {
 public:
  static constexpr size_t kMaxLineBytes = 4096;
  static constexpr size_t kMaxRecipients = 1000;

  LmtpSession(MailSink* sink, const SessionOptions* options, SessionHost* host)
      : sink_(sink), options_(options), host_(host) {}

  void Greet();
  // As Session::Receive: returns how much of the bytes it consumed.
  size_t Receive(std::string_view input);

 private:
  enum class Phase : uint8_t { kGreeting, kReady, kMail, kData, kEnded };

  void Command(std::string_view line);
  void Mail(std::string_view argument);
  void Recipient(std::string_view argument);
  void BeginData();
  // A line of the message, or a piece of a very long one.
  void Data(std::string_view piece, bool begins_line, bool ends_line);
  void Deliver();
  void Reset();
  void Reply(std::string_view text) { host_->Write(std::string(text) + "\r\n"); }

  MailSink* const sink_;
  const SessionOptions* const options_;
  SessionHost* const host_;
  Phase phase_ = Phase::kGreeting;
  bool line_open_ = false;  // in kData: the last piece ended no line
  bool too_big_ = false;
  std::string sender_;
  std::vector<std::string> recipients_;
  std::string message_;
};

// "<user@host> PARAM=…" behind "FROM:" or "TO:". False: no such thing. An empty path is good for a
// sender.
bool ParseSmtpPath(std::string_view argument, std::string_view keyword, std::string* address,
                   std::string_view* parameters);

}  // namespace roost::embedded

#endif  // ROOST_TOOLS_STORE_LMTP_H_
