// How a message gets into a mailbox, past the server under load: by LMTP or by APPEND.
//
// What it is not: no socket, no clock, no queue. Bytes in, bytes out by DeliveryHost. One message
// at a time; Lmtp serves any number of them one after the other, Append is for one and then over.
//
//   Lmtp:   kGreeting --> kHello --> kReady --Deliver--> kMail --> kRecipient --> kData
//                                      ^                                           |
//                                      +---- [kReset, refused] <---- kMessage <----+
//   Append: kGreeting --> kLogin --> kReady --Deliver--> kAppend --> kLiteral --> kEnded
//
// Lifetime: the host outlives it. Thread rule: one thread. Bounds: kMaxLineBytes of input.
#ifndef ROOST_TOOLS_LOAD_DELIVERY_H_
#define ROOST_TOOLS_LOAD_DELIVERY_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace roost::load {

// No call may destroy the dialogue or feed it. Deliver may be called from OnReady.
class DeliveryHost {
 public:
  virtual ~DeliveryHost() = default;
  virtual void Send(std::string_view bytes) = 0;
  // The next message may be delivered.
  virtual void OnReady() = 0;
  // All of the message was sent: from now on somebody may be told of it.
  virtual void OnSent() = 0;
  virtual void OnAccepted() = 0;
  // This message was not taken; others may be.
  virtual void OnRefused(std::string_view reason) = 0;
  // Final: the connection is of no more use.
  virtual void OnBroken(std::string_view reason) = 0;
};

class DeliveryDialogue {
 public:
  static constexpr size_t kMaxLineBytes = 8192;

  explicit DeliveryDialogue(DeliveryHost* host) : host_(host) {}
  virtual ~DeliveryDialogue() = default;

  // Returns how many bytes were consumed. The rest is needed again, with more behind it.
  size_t Receive(std::string_view input);
  // Precondition: OnReady was called, and Deliver not since. Lines of `message` end with CRLF and
  // do not begin with a dot.
  virtual void Deliver(std::string_view user, std::string message) = 0;

 protected:
  virtual void Line(std::string_view line) = 0;
  void Break(std::string_view what, std::string_view line);

  DeliveryHost* const host_;
  bool over_ = false;
};

class LmtpDialogue final : public DeliveryDialogue {
 public:
  using DeliveryDialogue::DeliveryDialogue;
  void Deliver(std::string_view user, std::string message) override;

 private:
  enum class Phase : uint8_t {
    kGreeting,
    kHello,
    kReady,
    kMail,
    kRecipient,
    kData,
    kMessage,
    kReset
  };
  void Line(std::string_view line) override;
  void Accepted();
  void Command(std::string_view text, Phase next);

  Phase phase_ = Phase::kGreeting;
  std::string user_;
  std::string message_;
};

class AppendDialogue final : public DeliveryDialogue {
 public:
  AppendDialogue(DeliveryHost* host, std::string user, std::string password)
      : DeliveryDialogue(host), user_(std::move(user)), password_(std::move(password)) {}
  void Deliver(std::string_view user, std::string message) override;

 private:
  enum class Phase : uint8_t { kGreeting, kLogin, kReady, kAppend, kLiteral, kEnded };
  void Line(std::string_view line) override;
  void LogIn();
  void Answered(bool ok, std::string_view line);

  Phase phase_ = Phase::kGreeting;
  const std::string user_;
  const std::string password_;
  std::string message_;
};

// Neither a literal nor impossible: see AppendQuoted.
bool CanBeQuoted(std::string_view value);

// A small message whose subject says which it is.
std::string MakeMessage(std::string_view user, uint64_t number);

}  // namespace roost::load

#endif  // ROOST_TOOLS_LOAD_DELIVERY_H_
