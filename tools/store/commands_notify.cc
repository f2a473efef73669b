// NOTIFY, and what is told because of it (RFC 5465).
#include <algorithm>

#include "tools/store/notify.h"
#include "tools/store/session.h"

namespace roost::embedded {

bool Session::NotifyWantsMessages() const {
  return notify_->wanted.selected != SelectedNews::kNever;
}

bool Session::NotifyWantsFlags() const { return notify_->wanted.selected_events.flags; }

void Session::Notify(const Command& command) {
  NotifyRequest wanted;
  switch (ParseNotify(command.args, &wanted)) {
    case NotifyVerdict::kGood:
      break;
    case NotifyVerdict::kMalformed:
      return Bad("NOTIFY wants NONE, or SET and events that go together");
    case NotifyVerdict::kUnsupported:
      return No("[BADEVENT (MessageNew MessageExpunge FlagChange)] Only these can be told");
  }
  if (!wanted.others.empty()) {
    return No("[NOTIFICATIONOVERFLOW] Only of the selected mailbox");
  }
  if (wanted.arrivals && wanted.arrivals->has_modseq) {
    if (!options_->features.Has(Feature::kCondstore)) return Bad("CONDSTORE is not offered");
    EnableCondstore();
  }
  const bool set = wanted.set;
  const bool messages_before = WantsMessages();
  const bool flags_before = WantsFlags();
  if (notify_ == nullptr) notify_ = std::make_unique<NotifyState>();
  notify_->wanted = std::move(wanted);
  // SET implies a NOOP (3.1): what has come together is told, also what is not wanted any more.
  if (set) TellWanted(tells_, messages_before || WantsMessages(), flags_before || WantsFlags());
  Ok("Done");
}

void Session::PushNews() {
  if (phase_ != Phase::kSelected || !AwaitsNews() || host_->Unsent() > kOutputHighWater) return;
  if (notify_ == nullptr || idling_ || notify_->wanted.selected != SelectedNews::kDelayed) {
    return Tell(Tells::kEverything);
  }
  const std::shared_ptr<const View> view_before = view_;
  const bool flags = WantsFlags() && mailbox_->flags_changed_at() > flags_told_;
  Tell(Tells::kAllButExpunges);
  if (view_ == view_before && !flags) return;
  const std::string withheld = WithheldModSeq();
  if (!withheld.empty()) Out("* OK " + withheld + "An expunge is yet to be told\r\n");
}

void Session::NoteOwnArrival(const Mailbox& mailbox, Uid uid) {
  if (notify_ == nullptr || &mailbox != mailbox_.get() || !notify_->wanted.arrivals) return;
  notify_->own_arrivals.push_back(uid);
}

void Session::ForgetOwnArrivals() {
  if (notify_ != nullptr) notify_->own_arrivals = {};
}

size_t Session::AppendArrivals(std::string* out, std::span<const Uid> uids, size_t before) {
  if (!notify_->wanted.arrivals) return uids.size();
  const FetchItems& wanted = *notify_->wanted.arrivals;
  std::vector<Uid>& own = notify_->own_arrivals;
  size_t told = 0;
  while (told < uids.size() && out->size() <= kOutputHighWater) {
    const Message* message = mailbox_->Find(uids[told++]);
    if (std::erase(own, message->uid) != 0) continue;
    // MODSEQ goes with all that is told unasked (RFC 7162, 3.1).
    AppendFetch(out, static_cast<uint32_t>(before + told), *message, wanted,
                {.uid = true, .flags = false, .modseq = condstore_ && !wanted.has_modseq});
  }
  return told;
}

}  // namespace roost::embedded
