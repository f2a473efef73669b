// A listing of the selected mailbox under way (Session::List). Internal to core/store.
#ifndef ROOST_CORE_STORE_SESSION_LISTING_H_
#define ROOST_CORE_STORE_SESSION_LISTING_H_

#include <functional>
#include <map>
#include <memory>

#include "core/store/session.h"

namespace roost {

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

}  // namespace roost

#endif  // ROOST_CORE_STORE_SESSION_LISTING_H_
