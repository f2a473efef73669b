// For tests: a session without a network, spoken to line by line.
#ifndef ROOST_TOOLS_STORE_TEST_CLIENT_H_
#define ROOST_TOOLS_STORE_TEST_CLIENT_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tools/store/session.h"

namespace roost::embedded {

struct TestHost : SessionHost {
  void Write(std::string_view bytes) override {
    output.append(bytes);
    if (hold_output) unsent += bytes.size();
  }
  size_t Unsent() const override { return unsent; }
  void StartTls() override { tls_started = true; }
  void Close() override { closed = true; }
  int64_t WallSeconds() const override { return 1700000000; }  // 14 Nov 2023, 22:13:20

  std::string output;
  size_t unsent = 0;
  bool hold_output = false;
  bool tls_started = false;
  bool closed = false;
};

// The store that the sessions of a test share.
struct TestStore {
  explicit TestStore(Credentials allowed = {})
      : credentials(std::move(allowed)), registry(&credentials, 100) {}
  std::string Report() {
    embedded::Report report;
    registry.Collect(&report);
    return report.ToText();
  }
  Mailbox& inbox(std::string_view user = "alice") { return *registry.Get(user)->Find("INBOX"); }
  Uid Deliver(std::string_view text = "Subject: hello\r\n\r\nHi\r\n",
              std::string_view user = "alice") {
    return inbox(user).Append(std::make_shared<const std::string>(text), {}, 1700000000);
  }

  SessionOptions options;
  const Credentials credentials;
  Registry registry;
};

class TestClient {
 public:
  explicit TestClient(TestStore& store, bool offer_starttls = false)
      : store_(store), session_(&store.registry, &store.options, &host_, offer_starttls) {
    session_.Greet();
    greeting_ = Take();
  }

  // What the session says to these bytes. What it does not take yet is kept, as a connection would.
  std::string Raw(std::string_view bytes) {
    pending_.append(bytes);
    pending_.erase(0, session_.Receive(pending_));
    return Take();
  }
  // Every command has the tag "t".
  std::string Run(std::string_view command) { return Raw("t " + std::string(command) + "\r\n"); }
  // As Run, and the answer must be OK.
  std::string Ok(std::string_view command) {
    const std::string output = Run(command);
    EXPECT_NE(output.find("t OK"), std::string::npos) << command << "\n" << output;
    return output;
  }
  void LogIn(std::string_view user = "alice") { Ok("LOGIN " + std::string(user) + " secret"); }
  void Open(std::string_view how = "SELECT INBOX") {
    LogIn();
    Ok(how);
  }
  std::string Idle() { return Run("IDLE"); }
  std::string Done() { return Raw("DONE\r\n"); }

  // What was written meanwhile.
  std::string Take() { return std::exchange(host_.output, {}); }
  // The end of a turn: everybody is told.
  std::string TakeNews() {
    store_.registry.NotifyDirty();
    return Take();
  }

  const std::string& greeting() const { return greeting_; }
  TestHost& host() { return host_; }
  Session& session() { return session_; }
  size_t pending() const { return pending_.size(); }

 private:
  TestStore& store_;
  TestHost host_;
  Session session_;
  std::string greeting_;
  std::string pending_;
};

inline std::vector<std::string> Lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = text.find("\r\n");
    lines.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 2);
  }
  return lines;
}

inline bool Has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

#define EXPECT_HAS(text, part) \
  EXPECT_TRUE(::roost::embedded::Has((text), (part))) << "missing: " << (part) << "\nin: " << (text)
#define EXPECT_LACKS(text, part)                       \
  EXPECT_FALSE(::roost::embedded::Has((text), (part))) \
      << "unwanted: " << (part) << "\nin: " << (text)

}  // namespace roost::embedded

#endif  // ROOST_TOOLS_STORE_TEST_CLIENT_H_
