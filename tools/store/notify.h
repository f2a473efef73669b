// What a client asks for by NOTIFY (RFC 5465).
//
// Pure: the command's text in, values out. It knows no mailbox and tells nobody anything: that is
// the session's part. Bound: as much as the command's text holds.
#ifndef ROOST_TOOLS_STORE_NOTIFY_H_
#define ROOST_TOOLS_STORE_NOTIFY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/store/fetch_job.h"

namespace roost::embedded {

// When the events of the selected mailbox are told (RFC 5465, 6.1).
enum class SelectedNews : uint8_t {
  kNever,      // not even in IDLE
  kDelayed,    // at any time, but expunges only where a command allows them
  kImmediate,  // at any time
};

// messages: MessageNew and MessageExpunge, which only go together; flags needs them.
struct NotifyEvents {
  bool messages = false;
  bool flags = false;
  bool names = false;
  bool subscriptions = false;

  bool any() const { return messages || flags || names || subscriptions; }
};

// Events of mailboxes that are not selected.
struct NotifyGroup {
  enum class Mailboxes : uint8_t { kInboxes, kPersonal, kSubscribed, kSubtree, kNamed };
  Mailboxes mailboxes = Mailboxes::kPersonal;
  std::vector<std::string> names;  // kSubtree, kNamed
  NotifyEvents events;
};

struct NotifyRequest {
  bool set = false;  // else NONE, and all below is as here
  bool status = false;
  SelectedNews selected = SelectedNews::kNever;
  NotifyEvents selected_events;
  std::optional<FetchItems> arrivals;  // told of messages that are new in the selected mailbox
  std::vector<NotifyGroup> others;     // those that ask for any event
};

enum class NotifyVerdict : uint8_t {
  kGood,
  kMalformed,    // BAD: the syntax, or events that do not go together
  kUnsupported,  // NO [BADEVENT …]
};

// args: what follows the command's name. *out is unspecified unless the verdict is kGood.
NotifyVerdict ParseNotify(std::string_view args, NotifyRequest* out);

}  // namespace roost::embedded

#endif  // ROOST_TOOLS_STORE_NOTIFY_H_
