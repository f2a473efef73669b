// What only a session needs on which something is under way. Internal to core/store.
#ifndef ROOST_CORE_STORE_SESSION_WORK_H_
#define ROOST_CORE_STORE_SESSION_WORK_H_

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/store/session.h"
#include "proto/imap/framer.h"

namespace roost {

// What only the login takes.
struct Session::Login {
  StoreSettings store;  // as they were when it began
  Credentials credentials;
  SessionClient client;
  std::string server_name;
  std::string tag;
  std::list<std::string> parts;  // what follows each `+`; wiped by WipeLogin
  static constexpr size_t kMostAlertBytes = 4096;
  std::vector<std::string> alerts;
  size_t alert_bytes = 0;
  bool capabilities_known = false;

  void KeepAlert(std::string_view text) {
    if (text.size() > kMostAlertBytes - alert_bytes) return;
    alert_bytes += text.size();
    alerts.emplace_back(text);
  }
  void ForgetAlerts() {
    alerts.clear();
    alert_bytes = 0;
  }
};

// A listing of the selected mailbox (Session::List).
struct Session::Listing {
  static constexpr int kTries = 3;  // by SEARCH; then once by number
  // By number each message takes a line of the store and 48 bytes here.
  static constexpr uint32_t kMostByNumber = 1 << 20;

  std::function<void(bool)> done;
  UidSet uids;
  std::unique_ptr<SearchListParser> parser;
  bool clean = false;  // no EXISTS, EXPUNGE, VANISHED since the command before was answered
  bool accepted =
      false;  // the list equals what the store announced; the view follows it from there on
  int tries = 0;
  uint32_t expected = 0;                  // by number: EXISTS when asked
  std::map<uint32_t, uint32_t> numbered;  // by number: sequence number -> UID
};

// Null while a session rests in IDLE.
struct Session::Work {
  explicit Work(Loop& loop) : deadline(loop) {}

  Framer framer{Direction::kResponses};
  bool eating = false;       // the response under way belongs to a hidden command
  size_t line_bytes = 0;     // of the response line under way
  std::list<Hidden> hidden;  // their addresses stay
  Untagged eater;            // takes the rest of the response under way
  MailboxView::Expunged last_expunged;
  MailboxView::VanishedResult last_vanished;
  std::unique_ptr<Listing> listing;
  std::unique_ptr<Login> login;  // null once it is ready
  std::string login_answer;
  const char* awaited = "";
  Alarm deadline;
  uint64_t awaited_since_ns = 0;
};

}  // namespace roost

#endif  // ROOST_CORE_STORE_SESSION_WORK_H_
