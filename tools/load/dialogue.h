// What one load client says to a server and understands of its answers, up to IDLE and in it.
//
// What it is not: no socket, no TLS, no clock. Bytes in, bytes out by DialogueHost. It keeps count
// of messages by EXISTS and EXPUNGE only, so it works against any IMAP server.
//
//   kGreeting --> [kStartTls --> kSecuring] --> kLogin --> kSelect --> kIdleAsked --> kIdling
//                                                                         ^           Refresh |
//                                                                         |              Work |
//                                                   kWorking --answer-->  +-- kDone <---------+
//                                                       ^------- command of Work ---+
//   one that does not idle:      kSelect --> kReady --Work--> kWorking --answer--> kReady
//   any --NO, BAD, BYE, nonsense--> kFailed;   any --LogOut--> kEnded      (both final)
//   NO in kWorking is an answer.
//
// Lifetime: settings and host outlive it. Thread rule: one thread. Bounds: input is consumed as far
// as it is complete; lines longer than the framer's bound come in parts and only the first counts.
#ifndef ROOST_TOOLS_LOAD_DIALOGUE_H_
#define ROOST_TOOLS_LOAD_DIALOGUE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proto/imap/framer.h"
#include "proto/imap/response.h"

namespace roost::load {

struct DialogueSettings {
  bool starttls = false;
  std::string password;
  std::string mailbox = "INBOX";
};

// No call may destroy the dialogue or feed it.
class DialogueHost {
 public:
  virtual ~DialogueHost() = default;
  virtual void Send(std::string_view bytes) = 0;
  // The server agreed: OnSecure is due when the handshake is done. Input is not to be fed until
  // then.
  virtual void StartTls() = 0;
  virtual void OnLoggedIn() = 0;
  // IDLE was answered, or there is nothing to do for one that does not idle. Called again after
  // each Refresh or Work.
  virtual void OnIdle() = 0;
  // Behind SELECT: the mailbox has this many more messages than the client knew of. Zero: the same
  // number was told again, with no EXPUNGE since; negative: it shrank without one.
  virtual void OnExists(int64_t growth) = 0;
  // A message is gone from the mailbox.
  virtual void OnExpunge() = 0;
  // The command of Work was answered, by OK or by NO.
  virtual void OnAnswered(bool ok) = 0;
  // Every line that comes behind the first OnIdle, without its end.
  virtual void OnTold(std::string_view line) = 0;
  // Final. `reason` is one sentence's part, with what the server said.
  virtual void OnFailed(std::string_view reason) = 0;
};

class Dialogue {
 public:
  enum class Phase : uint8_t {
    kGreeting,
    kStartTls,
    kSecuring,
    kLogin,
    kSelect,
    kIdleAsked,
    kIdling,
    kReady,
    kDone,
    kWorking,
    kEnded,
    kFailed
  };

  // user: a string that can be quoted (see AstringFormOf); anything else fails at login.
  Dialogue(const DialogueSettings* settings, std::string user, DialogueHost* host,
           bool idles = true);

  // Returns how many bytes were consumed. The rest is needed again, with more behind it.
  size_t Receive(std::string_view input);
  void OnSecure();
  // Precondition: kIdling. DONE and IDLE again, as clients do before servers lose patience.
  void Refresh();
  // Precondition: kIdling or kReady. DONE if need be, this command, and IDLE again if need be.
  void Work(std::string command);
  // Says goodbye; nothing is heard any more.
  void LogOut();

  Phase phase() const { return phase_; }
  const std::string& user() const { return user_; }
  int64_t messages() const { return messages_; }
  // The UID that the next message will have, or one below it; 0: the server has not told any.
  uint32_t uid_next() const { return uid_next_; }
  // The number of the message whose FETCH last raised uid_next; 0: none has. Messages above it are
  // not fetched yet.
  int64_t newest_fetched() const { return newest_fetched_; }

 private:
  void Line(std::string_view line);
  void Greeting(const Response& response, std::string_view line);
  void Tagged(const Response& response, std::string_view line);
  void Count(const Response& response);
  void NoteUid(const Response& response);
  void LogIn();
  // Selected, nothing in progress.
  void Rest();
  void Command(std::string_view text, Phase next);
  void Fail(std::string_view what, std::string_view line);

  const DialogueSettings* const settings_;
  const std::string user_;
  DialogueHost* const host_;
  const bool idles_;
  Framer framer_{Direction::kResponses};
  Phase phase_ = Phase::kGreeting;
  bool selected_ = false;  // EXISTS is news
  bool rested_ = false;    // lines are shown
  bool expunged_ = false;  // since the last EXISTS
  uint32_t tag_ = 0;       // of the command in progress
  int64_t messages_ = 0;
  uint32_t uid_next_ = 0;
  int64_t newest_fetched_ = 0;
  std::string work_;  // to do behind DONE
};

}  // namespace roost::load

#endif  // ROOST_TOOLS_LOAD_DIALOGUE_H_
