// What changed in the mailbox, told to the session's client: EXPUNGE or VANISHED, EXISTS, RECENT,
// FLAGS, FETCH.
#include <algorithm>

#include "proto/check.h"
#include "proto/imap/writer.h"
#include "tools/store/flags.h"
#include "tools/store/session.h"

namespace roost::embedded {

void Session::Tell(Tells tells) { TellWanted(tells, WantsMessages(), WantsFlags()); }

void Session::TellWanted(Tells tells, bool messages, bool flags) {
  if (phase_ != Phase::kSelected || tells == Tells::kNothing || !messages) return;
  const Uid last_known = view_->empty() ? 0 : view_->back();
  if (notify_ != nullptr) TellKeywords();  // arrivals may be told with their flags
  while (TellMembership(tells == Tells::kEverything, true)) {
    if (host_->Unsent() > kOutputHighWater) break;  // Resume goes on
  }
  TellKeywords();
  if (flags) TellFlags(last_known);
}

void Session::TellOwnExpunge() {
  if (WantsMessages()) return Tell(tells_);
  TellMembership(true, false);
}

bool Session::TellMembership(bool expunges, bool arrivals) {
  const std::shared_ptr<const View> now = mailbox_->view();
  if (now == view_) {
    expunges_told_ = mailbox_->highest_modseq();
    return false;
  }
  std::vector<Uid> gone;
  std::set_difference(view_->begin(), view_->end(), now->begin(), now->end(),
                      std::back_inserter(gone));
  // While an expunge is owed the client goes on counting what is gone.
  const bool owed = !gone.empty() && !expunges;
  if (!owed) {
    if (!gone.empty()) TellExpunges(gone);
    expunges_told_ = mailbox_->highest_modseq();
  }
  const size_t kept = view_->size() - gone.size();
  const std::span<const Uid> unknown = std::span(*now).subspan(kept);
  const std::span<const Uid> stay =
      owed ? std::span<const Uid>(*view_) : std::span<const Uid>(*now).first(kept);
  size_t told = arrivals ? unknown.size() : 0;
  std::string fetches;
  if (told != 0) {
    ClaimRecent();
    if (notify_ != nullptr) told = AppendArrivals(&fetches, unknown, stay.size());
  }
  if (!owed && told == unknown.size()) {
    view_ = now;
  } else if (!owed || told != 0) {
    auto own = std::make_shared<View>(stay.begin(), stay.end());
    own->insert(own->end(), unknown.begin(), unknown.begin() + static_cast<ptrdiff_t>(told));
    view_ = std::move(own);
  }
  if (told == 0) return false;
  std::string out;
  out.append("* ").append(std::to_string(view_->size())).append(" EXISTS\r\n").append(fetches);
  out.append("* ").append(std::to_string(CountRecent())).append(" RECENT\r\n");
  Out(out);
  return told < unknown.size();
}

void Session::TellExpunges(const std::vector<Uid>& gone) {
  std::string out;
  if (qresync_) {
    out.append("* VANISHED ").append(FormatSet(gone)).append("\r\n");
  } else {
    // From the highest down, so that no number moves before it is named.
    for (auto uid = gone.rbegin(); uid != gone.rend(); ++uid) {
      out.append("* ").append(std::to_string(NumberOf(*uid))).append(" EXPUNGE\r\n");
    }
  }
  Out(out);
}

void Session::TellKeywords() {
  if (keywords_told_ == mailbox_->keywords().size()) return;
  keywords_told_ = static_cast<uint8_t>(mailbox_->keywords().size());
  Out(FlagsLine() + PermanentFlags());
}

void Session::TellFlags(Uid last_known) {
  if (mailbox_->flags_changed_at() > flags_told_) {
    std::string out;
    for (const Message& message : mailbox_->messages()) {
      if (message.uid > last_known)
        break;  // just announced: the client has not asked for its flags yet
      if (message.modseq <= flags_told_) continue;
      const bool known =
          std::any_of(own_changes_.begin(), own_changes_.end(), [&message](const auto& own) {
            return own.first == message.uid && own.second == message.modseq;
          });
      if (!known) AppendFlagNews(&out, NumberOf(message.uid), message, true, false);
    }
    if (!out.empty()) Out(out);
  }
  flags_told_ = mailbox_->highest_modseq();
  own_changes_ = {};
}

void Session::AppendFlagNews(std::string* out, uint32_t number, const Message& message,
                             bool with_flags, bool by_uid) {
  out->append("* ").append(std::to_string(number)).append(" FETCH (");
  // QRESYNC wants the UID in all of them (RFC 7162, 3.2.4), NOTIFY too (RFC 5465, 5.1); it helps
  // whoever knows CONDSTORE.
  std::string_view separator;
  if (by_uid || condstore_ || notify_ != nullptr) {
    out->append("UID ").append(std::to_string(message.uid));
    separator = " ";
  }
  if (with_flags) {
    out->append(separator).append("FLAGS ");
    AppendFlagList(out, message);
    separator = " ";
  }
  if (condstore_) {
    out->append(separator).append("MODSEQ (").append(std::to_string(message.modseq)).append(")");
  }
  out->append(")\r\n");
}

void Session::AppendFlagList(std::string* out, const Message& message) const {
  FormatFlags(out, message.flags, mailbox_->keywords(), IsRecent(message.uid));
}

std::string Session::FlagsLine() const {
  std::string out = "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft";
  for (const std::string& keyword : mailbox_->keywords()) out.append(" ").append(keyword);
  return out.append(")\r\n");
}

std::string Session::PermanentFlags() const {
  if (read_only_) return "* OK [PERMANENTFLAGS ()] Nothing can be changed\r\n";
  std::string out = "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft";
  for (const std::string& keyword : mailbox_->keywords()) out.append(" ").append(keyword);
  if (mailbox_->keywords().size() < Mailbox::kMaxKeywords) out.append(" \\*");
  return out.append(")] Kept as long as the store runs\r\n");
}

// The first command that shows interest in modification sequences (RFC 7162, 3.1).
void Session::EnableCondstore() {
  if (condstore_) return;
  condstore_ = true;
  if (phase_ != Phase::kSelected) return;
  // Only what has been told counts: flags changed since are told, with MODSEQ, before the tagged
  // answer.
  const ModSeq told = std::min(flags_told_, expunges_told_);
  Out("* OK [HIGHESTMODSEQ " + std::to_string(told) + "] From here on\r\n");
}

std::string Session::WithheldModSeq() const {
  if (phase_ != Phase::kSelected || !condstore_ || view_ == mailbox_->view()) return {};
  const std::optional<ModSeq> first = mailbox_->FirstExpungeAfter(expunges_told_);
  return first ? "[HIGHESTMODSEQ " + std::to_string(*first - 1) + "] " : std::string();
}

void Session::NoteOwnChange(const Message& message) {
  // Who is not told of flags may be told of its own when that ends: they are not kept so long.
  if (WantsFlags()) own_changes_.emplace_back(message.uid, message.modseq);
}

bool Session::IsRecent(Uid uid) const {
  return std::any_of(recent_.begin(), recent_.end(),
                     [uid](const auto& range) { return uid >= range.first && uid < range.second; });
}

size_t Session::CountRecent() const {
  size_t count = 0;
  for (const auto& [first, last] : recent_) {
    count += static_cast<size_t>(std::lower_bound(view_->begin(), view_->end(), last) -
                                 std::lower_bound(view_->begin(), view_->end(), first));
  }
  return count;
}

void Session::ClaimRecent() {
  // EXAMINE must not take \Recent from others (RFC 3501, 6.3.2): it only looks.
  const Uid first = read_only_ ? mailbox_->first_recent() : mailbox_->ClaimRecent();
  const Uid end = mailbox_->uid_next();
  if (read_only_) recent_.clear();
  if (first == end) return;
  if (!recent_.empty() && recent_.back().second == first) {
    recent_.back().second = end;
  } else {
    recent_.emplace_back(first, end);
  }
}

uint32_t Session::NumberOf(Uid uid) const {
  const auto it = std::lower_bound(view_->begin(), view_->end(), uid);
  if (it == view_->end() || *it != uid) return 0;
  return static_cast<uint32_t>(it - view_->begin()) + 1;
}

bool Session::ResolveNumbers(SequenceSet set, bool uid, std::vector<uint32_t>* numbers) {
  const auto count = static_cast<uint32_t>(view_->size());
  if (!uid) {
    set.Resolve(count);
    if (set.max() > count || count == 0) {
      Bad("No such message number");
      return false;
    }
    for (const auto& [first, last] : set.ranges()) {
      for (uint32_t number = first; number <= last; ++number) numbers->push_back(number);
    }
    return true;
  }
  set.Resolve(view_->empty() ? 0 : view_->back());
  for (const auto& [first, last] : set.ranges()) {
    auto it = std::lower_bound(view_->begin(), view_->end(), first);
    for (; it != view_->end() && *it <= last; ++it) {
      numbers->push_back(static_cast<uint32_t>(it - view_->begin()) + 1);
    }
  }
  return true;
}

}  // namespace roost::embedded
