#include "core/park/recovery.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/feed/render.h"
#include "core/park/feeds.h"
#include "core/park/may_serve.h"
#include "proto/imap/extensions.h"

namespace roost {
namespace {

constexpr std::string_view kDoesNotAddUp = "the list of messages does not add up";

}  // namespace

Recovery::Recovery(Loop& loop, const Config& config, Feeds& feeds, Feed& feed)
    : loop_(loop),
      config_(config),
      feeds_(feeds),
      feed_(feed),
      pause_ms_(FirstPauseMs()),
      alarm_(loop) {}

Recovery::~Recovery() { DropSession(); }

// Drivers that are lost as soon as they are found would else cost a login each moment, for ever.
uint64_t Recovery::FirstPauseMs() const {
  const auto least = static_cast<uint64_t>(config_.parking.reconnect_min_ms);
  const auto most = static_cast<uint64_t>(config_.parking.reconnect_max_ms);
  const bool young = loop_.now_ns() - feed_.recovered_ns() < MsToNs(most);
  return young ? std::clamp(feed_.next_pause_ms(), least, most) : least;
}

uint64_t Recovery::Longer(uint64_t pause_ms) const {
  return std::min<uint64_t>(pause_ms * 2, static_cast<uint64_t>(config_.parking.reconnect_max_ms));
}

void Recovery::DropSession() {
  if (lister_ != nullptr) loop_.Retire(std::move(lister_));
  opener_.reset();
  EndSession(std::move(session_));
}

void Recovery::Start(bool moves) {
  feed_.set_next_pause_ms(Longer(pause_ms_));
  Pause(moves ? "its address is drained" : "the session was lost", moves);
}

// The first pause is short, since often only one session was cut; the spread keeps thousands of
// feeds apart.
void Recovery::Pause(std::string_view reason, bool moves) {
  Log(moves ? LogLevel::kInfo : LogLevel::kWarning, "feed_without_session",
      {{"store", feed_.user().store().name},
       {"user", feed_.user().login()},
       {"reason", reason},
       {"next_try_ms", pause_ms_}});
  DropSession();
  Wait();
}

void Recovery::Wait() {
  const uint64_t pause_ns = MsToNs(pause_ms_);
  alarm_.SetIn(pause_ns / 2 + loop_.PartOf(pause_ns), [this] { Open(); });
  pause_ms_ = Longer(pause_ms_);
}

// Who hurries has waited for a login of its own, so there are no more of these than twice as many.
void Recovery::Hurry() {
  const auto least = static_cast<uint64_t>(config_.parking.reconnect_min_ms);
  const bool soon = pause_ms_ <= Longer(least);
  if (!alarm_.armed() || soon || behind_ != 0 || unable_ != 0) return;
  pause_ms_ = least;
  Wait();
}

void Recovery::Open() {
  Opener::Wish wish;
  // With MODSEQ the driver serves clients of every class, and the next recovery finds flags at
  // once.
  const CapabilitySet& can = feed_.user().capabilities();
  const bool offered =
      IsOffered(CommandKind::kEnable, can) && (can.Has("CONDSTORE") || can.Has("QRESYNC"));
  if (offered && needs_condstore_) wish.enabled.Add(EnabledSet::kCondstore);
  wish.mailbox = feed_.mailbox();
  wish.examine = true;  // so as not to eat \Recent
  wish.fresh = true;
  wish.urgency = Dialer::Urgency::kRecovery;
  opener_ = std::make_unique<Opener>(loop_, feed_.user(), std::move(wish),
                                     [this](Opener::Result r) { Opened(std::move(r)); });
  opener_->Start();
}

void Recovery::Opened(Opener::Result result) {
  switch (result.failure) {
    case Opener::Failure::kNone:
      break;
    case Opener::Failure::kCredentials:
      return feed_.Kill(std::string(kLoginRefused));
    case Opener::Failure::kMailbox:
      return feed_.Kill("[NONEXISTENT] The selected mailbox cannot be opened any more");
    case Opener::Failure::kClass:
      return NotEnabled(result.text);
    default:
      return Pause(result.text);
  }
  session_ = std::move(result.session);
  session_->set_sink(*this);
  const bool condstore = session_->state().enabled().condstore();
  if (!condstore && feeds_.subscribers_.HaveCondstore(feed_)) {
    return NotEnabled("the store no longer offers CONDSTORE");
  }
  const FeedHold hold(feeds_, feed_);
  if (!result.alerts.empty()) feed_.TellLines(result.alerts);
  const SelectedMailbox& m = *session_->state().selected();
  if (m.uid_validity != feed_.uid_validity() || !MayBeWatched(m) ||
      m.mailbox_id != feed_.mailbox_id()) {
    return feed_.Kill("[UNAVAILABLE] The mailbox was replaced; please select it again");
  }
  // Numbers that only ever grow: a session that is behind its store catches up, a mailbox that was
  // put back does not.
  const bool back = (m.uid_next != 0 && m.uid_next < feed_.horizon()) ||
                    (m.highest_modseq != 0 && m.highest_modseq < feed_.confirmed_modseq());
  if (back) return Behind();
  ListNow();
}

void Recovery::Behind() {
  if (++behind_ >= kMaxBehind) {
    return feed_.Kill("[UNAVAILABLE] The mailbox went back in time; please select it again");
  }
  Pause("the session is behind what clients were told");
}

// Who has no CONDSTORE is served without. The others would wait for news in vain.
void Recovery::NotEnabled(std::string_view reason) {
  needs_condstore_ = feeds_.subscribers_.HaveCondstore(feed_);
  if (needs_condstore_ && ++unable_ >= kMaxUnable) {
    return feed_.Kill("[UNAVAILABLE] The mail store tells no MODSEQ; please connect again");
  }
  Pause(reason);
}

void Recovery::ListNow() {
  if (lister_ != nullptr) loop_.Retire(std::move(lister_));
  lister_ = std::make_unique<Lister>(*session_);
  lister_->Start([this](bool ok) { Listed(ok); });
}

// Messages that came since, whose flags are their readers' to fetch. Where mail keeps coming in
// there may be some again and again.
void Recovery::ListRest() {
  loop_.Retire(std::move(lister_));
  lister_ = std::make_unique<Lister>(*session_);
  lister_->Complete([this](bool ok) { RestListed(ok); });
}

// What clients know and this session came to only now has flags that were not asked for.
void Recovery::RestListed(bool ok) {
  if (!ok) return Pause(kDoesNotAddUp);
  const uint64_t first = uint64_t{flags_asked_to_} + 1;
  const uint64_t end = feed_.horizon();
  const UidSet& known = session_->view()->known();
  const bool owed =
      first < end && known.Intersects(static_cast<uint32_t>(first), static_cast<uint32_t>(end - 1));
  owed ? FetchFlags() : Adopt();
}

void Recovery::Listed(bool ok) {
  if (!ok) return Pause(kDoesNotAddUp);
  if (Feed::IsTooLarge(session_->view()->known())) return feed_.KillAsTooLarge();
  FetchFlags();
}

void Recovery::FetchFlags() {
  flags_.clear();
  flag_bytes_ = 0;
  unreadable_ = false;
  flags_asked_to_ = session_->view()->known().Last();
  const bool condstore =
      session_->state().enabled().condstore() && !session_->state().selected()->no_modseq;
  std::string fetch = "UID FETCH 1:* (FLAGS)";
  if (condstore && feed_.confirmed_modseq() != 0) {
    fetch += " (CHANGEDSINCE " + std::to_string(feed_.confirmed_modseq()) + ")";
  } else if (condstore) {
    // What clients with CONDSTORE are told must carry MODSEQ, which CHANGEDSINCE brings unasked.
    fetch = "UID FETCH 1:* (FLAGS MODSEQ)";
  }
  if (session_->state().selected()->exists == 0) return Adopt();
  session_->Run(
      CommandKind::kFetch, fetch,
      [this](const Response& response) {
        response.status == Status::kOk ? Adopt() : Pause("FETCH of flags was refused");
      },
      [this](const Piece& piece, const Response* first) {
        if (first == nullptr || first->kind != ResponseKind::kFetch) return false;
        Fetched(piece, *first);
        return true;
      });
}

// Of several for one message the last counts. A change that happens meanwhile may come by number
// alone.
void Recovery::Fetched(const Piece& piece, const Response& fetch) {
  const FetchInfo info = ParseFetch(fetch.rest);
  const MailboxView* view = session_->view();
  if (!info.whole && piece.ends_message) unreadable_ = true;
  if (view == nullptr || !info.flags) return;
  const uint32_t uid = view->UidOf(fetch.number);
  if (uid == 0) return;
  if (auto it = flags_.find(uid); it != flags_.end()) {
    flag_bytes_ -= sizeof *it + it->second.flags.size();
    flags_.erase(it);
  }
  // Without MODSEQ: what clients were told already is no change.
  if (feed_.KnowsFlags(uid, *info.flags)) return;
  flag_bytes_ += sizeof(*flags_.begin()) + info.flags->size();
  if (flag_bytes_ > kMostFlagBytes) return;  // see Adopt
  flags_[uid] = {uid, info.modseq.value_or(0), CanonicalFlags(*info.flags)};
}

void Recovery::Adopt() {
  if (feed_.state() != Feed::State::kDriverless) return feeds_.RecoveryOver(feed_);
  // What came while flags were fetched must be known too.
  const MailboxView* view = session_->view();
  if (view == nullptr || !view->ok() || unreadable_) return Pause("the store contradicts itself");
  if (view->tail_size() != 0) return ListRest();
  if (flag_bytes_ > kMostFlagBytes) {
    return feed_.Kill("[UNAVAILABLE] Too much has changed; please select the mailbox again");
  }
  const uint64_t told_below = feed_.horizon();
  // Without CONDSTORE the next recovery has nothing to ask since: flags are known by their hashes.
  const bool condstore = session_->state().enabled().condstore();
  const uint64_t modseq = condstore ? session_->state().selected()->highest_modseq : 0;
  if (!condstore) feed_.set_confirmed_modseq(0);
  switch (feed_.Adopt(session_)) {
    case Feed::Adoption::kBehind:
      return Behind();
    case Feed::Adoption::kOtherMailbox:
      return feed_.Kill("[UNAVAILABLE] The mailbox was replaced; please select it again");
    case Feed::Adoption::kAdopted:
      break;
  }
  feed_.set_confirmed_modseq(modseq);
  feed_.set_recovered_ns(loop_.now_ns());
  std::vector<FlagChange> changes;
  for (auto& [uid, change] : flags_) {
    if (uid >= told_below) {
      feed_.NoteFlags(uid, change.flags);  // the clients' to fetch
    } else {
      changes.push_back(std::move(change));
    }
  }
  feed_.LogFlags(changes);
  ++feeds_.stats().recovered;
  feed_.TellNews();
  feeds_.RecoveryOver(feed_);
}

void Recovery::OnStoreData(Session&, const Piece& piece, const Response* first) {
  // Behind the FETCH of flags; what came before it that one has told as well.
  if (first != nullptr && first->kind == ResponseKind::kFetch) return Fetched(piece, *first);
  if (!IsAlert(piece, first)) return;
  const FeedHold hold(feeds_, feed_);
  feed_.TellLines(piece.bytes);
}

void Recovery::OnSessionLost(Session&, SessionLoss, const std::string& text) { Pause(text); }

}  // namespace roost
