// SELECT, EXAMINE, CLOSE, UNSELECT, CHECK, NOOP, IDLE.
#include <algorithm>

#include "tools/store/fetch_job.h"
#include "tools/store/session.h"

namespace roost::embedded {

void Session::Select(const Command& command) { Open(command, false); }
void Session::Examine(const Command& command) { Open(command, true); }

void Session::Open(const Command& command, bool read_only) {
  SelectArgs args;
  const bool parsed = ParseSelect(command, &args) && !args.unknown_parameters;
  const FeatureSet& features = options_->features;
  if (!parsed || (args.condstore && !features.Has(Feature::kCondstore)) ||
      (args.qresync && !qresync_)) {
    // QRESYNC wants its ENABLE first (RFC 7162, 3.2.5).
    Bad("SELECT wants a mailbox and parameters that are offered and enabled");
    return;
  }
  // Whatever comes of it, the present mailbox is closed (RFC 3501, 6.3.1).
  if (phase_ == Phase::kSelected) {
    Deselect();
    Out("* OK [CLOSED] The previous mailbox\r\n");
  }
  tells_ = Tells::kNothing;
  mailbox_ = account_->Find(args.mailbox);
  if (mailbox_ == nullptr) {
    No("[NONEXISTENT] No such mailbox");
    return;
  }
  phase_ = Phase::kSelected;
  read_only_ = read_only;
  condstore_ |= args.condstore;
  mailbox_->AddWatcher(this);
  ++registry_->counts().selected;
  ++account_->counts().selected;
  view_ = mailbox_->view();
  flags_told_ = expunges_told_ = mailbox_->highest_modseq();
  keywords_told_ = static_cast<uint8_t>(mailbox_->keywords().size());
  ClaimRecent();

  std::string out = FlagsLine() + PermanentFlags();
  auto line = [&out](std::string_view before, uint64_t number, std::string_view after) {
    out.append("* ").append(before).append(std::to_string(number)).append(after).append("\r\n");
  };
  line("", view_->size(), " EXISTS");
  line("", CountRecent(), " RECENT");
  const auto messages = mailbox_->messages();
  const auto unseen = std::find_if(messages.begin(), messages.end(), [](const Message& message) {
    return (message.flags.system & kSeen) == 0;
  });
  if (unseen != messages.end()) {
    line("OK [UNSEEN ", static_cast<uint64_t>(unseen - messages.begin()) + 1, "] First unseen");
  }
  line("OK [UIDVALIDITY ", mailbox_->uid_validity(), "] Unlike any before");
  line("OK [UIDNEXT ", mailbox_->uid_next(), "] Predicted");
  if (features.Has(Feature::kCondstore)) {
    line("OK [HIGHESTMODSEQ ", mailbox_->highest_modseq(), "] Of all");
  }
  Out(out);
  if (args.qresync) SendQresync(*args.qresync);
  Ok(read_only ? "[READ-ONLY] Examined" : "[READ-WRITE] Selected");
}

// RFC 7162, 3.2.5: what happened since the client was last here. The seq-match data could only
// shorten the list.
void Session::SendQresync(const QresyncArgs& args) {
  if (args.uid_validity != mailbox_->uid_validity()) return;
  SequenceSet known;
  const bool restricted = !args.known_uids.empty() && SequenceSet::Parse(args.known_uids, &known);
  known.Resolve(mailbox_->uid_next() - 1);
  std::vector<Uid> vanished = mailbox_->VanishedSince(args.modseq);
  if (restricted) std::erase_if(vanished, [&](Uid uid) { return !known.Contains(uid); });
  std::string out;
  if (!vanished.empty())
    out.append("* VANISHED (EARLIER) ").append(FormatSet(vanished)).append("\r\n");
  uint32_t number = 0;
  for (const Message& message : mailbox_->messages()) {
    ++number;
    if (message.modseq <= args.modseq) continue;
    if (restricted && !known.Contains(message.uid)) continue;
    AppendFlagNews(&out, number, message, true, false);
  }
  Out(out);
}

void Session::Deselect() {
  if (idling_) {
    idling_ = false;
    --registry_->counts().idling;
    --account_->counts().idling;
  }
  if (phase_ != Phase::kSelected) return;
  NoteLeaving();
  mailbox_->RemoveWatcher(this);
  mailbox_.reset();
  view_.reset();
  own_changes_ = {};
  recent_ = {};
  job_.reset();
  phase_ = Phase::kAuthenticated;
  --registry_->counts().selected;
  --account_->counts().selected;
}

void Session::CloseCommand(const Command& command) {
  if (!command.args.empty()) {
    Bad("CLOSE has no arguments");
    return;
  }
  if (!read_only_) ExpungeDeleted(nullptr);
  Deselect();
  Ok("Closed");
}

void Session::Unselect(const Command& command) {
  if (!command.args.empty()) {
    Bad("UNSELECT has no arguments");
    return;
  }
  Deselect();
  Ok("Unselected");
}

void Session::Check(const Command& command) {
  if (!command.args.empty()) {
    Bad("It has no arguments");
    return;
  }
  Ok("Done");
}

void Session::Idle(const Command& command) {
  if (!command.args.empty()) {
    Bad("IDLE has no arguments");
    return;
  }
  Out("+ idling\r\n");
  framer_.ExpectRawLine();
  next_line_ = Line::kDone;
  idling_ = true;
  ++registry_->counts().idling;
  ++account_->counts().idling;
  Tell(tells_);
  if (notify_ != nullptr) TellOthers();
}

void Session::Done(std::string_view line) {
  next_line_ = Line::kCommand;
  idling_ = false;
  --registry_->counts().idling;
  --account_->counts().idling;
  // Nothing is flushed by DONE alone: what IDLE has not told yet waits for the next command.
  tells_ = Tells::kNothing;
  IsDoneLine(line) ? Ok("Idle ended") : Bad("Expected DONE");
}

}  // namespace roost::embedded
