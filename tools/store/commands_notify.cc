// NOTIFY, and what is told because of it (RFC 5465).
#include <algorithm>

#include "tools/store/other_mailboxes.h"
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
      return No(
          "[BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange)] "
          "Only these can be told");
  }
  const bool condstore_offered = options_->features.Has(Feature::kCondstore);
  const bool wants_modseq = wanted.arrivals && wanted.arrivals->has_modseq;
  if (wants_modseq && !condstore_offered) return Bad("CONDSTORE is not offered");
  std::unique_ptr<OtherMailboxes> others;
  if (!wanted.others.empty()) {
    others = std::make_unique<OtherMailboxes>(account_, std::move(wanted.others),
                                              [this] { PushNews(); });
    if (others->overflowed()) return No("[NOTIFICATIONOVERFLOW] Too many mailboxes");
  }
  if (wants_modseq) EnableCondstore();
  const bool set = wanted.set;
  const bool messages_before = WantsMessages();
  const bool flags_before = WantsFlags();
  if (set && notify_ != nullptr) TellOthers();  // what the new ones take for known
  if (notify_ == nullptr) notify_ = std::make_unique<NotifyState>();
  notify_->wanted = std::move(wanted);
  notify_->others = std::move(others);
  // SET implies a NOOP (3.1): what has come together is told, also what is not wanted any more.
  if (set) TellWanted(tells_, messages_before || WantsMessages(), flags_before || WantsFlags());
  if (notify_->wanted.status && notify_->others != nullptr) {
    std::string out;
    notify_->others->AppendStatus(&out, {mailbox_.get(), condstore_}, condstore_offered);
    Out(out);
  }
  Ok("Done");
}

void Session::TellOthers() {
  if (notify_->others == nullptr || phase_ == Phase::kEnded) return;
  OtherMailboxes& others = *notify_->others;
  std::string out;
  if (others.overflowed()) {
    if (!notify_->wanted.set) return;
    // As after NOTIFY NONE (5.8). The others stay until the next NOTIFY: this may be their call.
    notify_->wanted = {};
    out = "* OK [NOTIFICATIONOVERFLOW] There is more than can be told\r\n";
  } else {
    others.TakeNews(&out, {mailbox_.get(), condstore_});
  }
  if (!out.empty()) Out(out);
}

const AccountWatcher* Session::WatchesNames() const {
  return notify_ == nullptr ? nullptr : notify_->others.get();
}

void Session::PushNews() {
  if (!AwaitsNews() || host_->Unsent() > kOutputHighWater) return;
  if (notify_ != nullptr) TellOthers();
  if (phase_ != Phase::kSelected) return;
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
  if (notify_ == nullptr) return;
  if (&mailbox == mailbox_.get()) {
    if (notify_->wanted.arrivals) notify_->own_arrivals.push_back(uid);
  } else if (notify_->others != nullptr) {
    notify_->others->NoteOwnArrival(mailbox, uid);
  }
}

void Session::NoteLeaving() {
  if (notify_ == nullptr) return;
  notify_->own_arrivals = {};
  const bool told_all = view_ == mailbox_->view() && flags_told_ >= mailbox_->flags_changed_at();
  if (told_all && notify_->others != nullptr) notify_->others->Settle(*mailbox_);
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
