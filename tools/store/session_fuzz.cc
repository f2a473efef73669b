// Any bytes may come from a client. Whatever they are: the mailbox stays sound, the answer does not
// depend on how they were cut into pieces, and the output is lines. Another session hears of all of
// it by NOTIFY.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proto/check.h"
#include "tools/store/session.h"

namespace roost::embedded {
namespace {

struct FuzzHost : SessionHost {
  void Write(std::string_view bytes) override { output.append(bytes); }
  size_t Unsent() const override { return 0; }
  void StartTls() override {}
  void Close() override {}
  int64_t WallSeconds() const override { return 1700000000; }

  std::string output;
};

std::string Answer(std::string_view input, size_t piece) {
  const Credentials credentials;
  SessionOptions options;
  options.max_message_bytes = 10'000;
  Registry registry(&credentials, 100);
  Mailbox& inbox = *registry.Get("u")->Find(kInbox);
  const Body body = std::make_shared<const std::string>(
      "Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ny\r\n--b--\r\n");
  for (int i = 0; i < 3; ++i) inbox.Append(body, Flags{}, 1700000000);
  FuzzHost host;
  Session session(&registry, &options, &host, false);
  FuzzHost listening;
  Session listener(&registry, &options, &listening, false);
  // EXAMINE: it takes no \Recent from the other.
  listener.Receive(
      "a LOGIN u p\r\nb EXAMINE INBOX\r\n"
      "c NOTIFY SET (SELECTED-DELAYED (MessageNew (FLAGS BODY.PEEK[1]) MessageExpunge FlagChange)) "
      "(PERSONAL (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange))\r\n");
  ROOST_CHECK(listening.output.ends_with("c OK Done\r\n"));
  std::string pending;
  while (!input.empty() && host.output.size() < (1 << 20)) {
    pending.append(input.substr(0, piece));
    input.remove_prefix(std::min(piece, input.size()));
    pending.erase(0, session.Receive(pending));
    registry.NotifyDirty();
    inbox.CheckInvariants();
    if (listening.output.size() > (1 << 20)) listening.output.clear();
  }
  ROOST_CHECK(listening.output.empty() || listening.output.ends_with("\r\n"));
  return host.output;
}

}  // namespace
}  // namespace roost::embedded

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using roost::embedded::Answer;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string whole = Answer(input, input.size() + 1);
  ROOST_CHECK(whole == Answer(input, 7));
  ROOST_CHECK(whole.empty() || whole.ends_with("\r\n"));
  return 0;
}
