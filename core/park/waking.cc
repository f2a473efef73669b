#include "core/park/waking.h"

#include <algorithm>
#include <utility>

#include "core/base/clock.h"
#include "core/feed/render.h"

namespace roost {
namespace {

// The feed has heard of some that the session, listed before, still has as well.
bool OwesExpunges(const UidSet& session, const Feed& feed) {
  const UidSet more = UidSet::Difference(session, feed.view());
  return !more.empty() && more.First() < feed.horizon();
}

}  // namespace

Waking::Waking(Loop& loop, Feeds& feeds, User& user, Wish wish, Done done)
    : loop_(loop),
      feeds_(feeds),
      user_(user),
      wish_(std::move(wish)),
      done_(std::move(done)),
      retry_(loop),
      deadline_(loop),
      since_ns_(loop.now_ns()) {
  if (wish_.feed != nullptr) {
    hold_ = FeedHold(feeds_, *wish_.feed);
    hold_.Note(wish_.cursor);
  }
}

Waking::~Waking() {
  if (lister_ != nullptr) loop_.Retire(std::move(lister_));
  EndSession(std::move(session_));
}

void Waking::Abandon() {
  retry_.Cancel();
  deadline_.Cancel();
  done_ = nullptr;
}

void Waking::Start() {
  deadline_.SetIn(SecondsToNs(kMostSeconds),
                  [this] { Finish(Outcome::kUnavailable, "the store does not answer"); });
  Feed* feed = wish_.feed;
  // Only we hold it and only we subscribe: nobody loses the driver but us.
  const bool sole =
      feed != nullptr && feed->live() && feed->subscriber_count == 1 && feed->holds == 1;
  if (sole && Fits(*feed->session())) return TakeDriver();
  OpenSession();
}

bool Waking::Fits(const Session& session) const {
  return MayServe(session.state(), wish_.client) && user_.MayLend(session);
}

void Waking::TakeDriver() {
  wish_.feed->StopDriver([this, life = life_.watch(), feed = wish_.feed,
                          feeds = &feeds_](std::unique_ptr<Session> session) {
    if (life.expired() || !done_) {
      // The client left meanwhile. Others may have come, so the session goes back to work.
      const MailboxView* view = session != nullptr ? session->view() : nullptr;
      const bool exact = view != nullptr && view->ok() && view->tail_size() == 0;
      if (exact && feed->Adopt(session) == Feed::Adoption::kAdopted) return;
      if (session != nullptr) feed->user().Release(std::move(session));
      return feeds->Recover(*feed);
    }
    DriverStopped(std::move(session));
  });
}

void Waking::DriverStopped(std::unique_ptr<Session> session) {
  Feed& feed = *wish_.feed;
  if (session == nullptr || session->view() == nullptr || !session->view()->ok()) {
    if (session != nullptr) user_.Release(std::move(session));
    feeds_.Recover(feed);
    return OpenSession();
  }
  session_ = std::move(session);
  session_->set_sink(*this);
  const bool alone = feed.subscriber_count == 1 && feed.holds == 1;
  // The feed keeps its own view: it leaves out what its driver, if that was behind, tells anew.
  const bool equal =
      session_->view()->known() == feed.view() && session_->horizon() >= feed.horizon();
  // Somebody joins in this moment, numbers mean other messages there, or the driver's last commands
  // have made it unfit.
  if (!alone || !equal || !Fits(*session_)) {
    ReturnDriver();
    return OpenSession();
  }
  const uint64_t head = feed.head();
  const bool owe = wish_.uses_numbers || wish_.incomplete;
  if (owe && feed.ExpungesBetween(wish_.cursor, head)) return OweFromDriver();
  if (IsTooMuch({})) {
    ReturnDriver();
    return Finish(Outcome::kTooFarBehind, {});
  }
  feed.Render(wish_.cursor, head, wish_.client.enabled, &tell_);
  TellSelected(&tell_);
  TellKnownModseq(feed.FlagsSince(wish_.cursor), &tell_);
  if (session_->state().selected()->exists > feed.view().size()) {
    RenderExists(session_->state().selected()->exists, &tell_);  // announced, UID not asked for yet
  }
  ++feeds_.stats().handed_over;
  Finish(Outcome::kAttached, {});
}

// The feed goes on as it was.
void Waking::ReturnDriver() {
  Feed& feed = *wish_.feed;
  if (session_->view()->tail_size() == 0 && feed.Adopt(session_) == Feed::Adoption::kAdopted)
    return;
  user_.Release(std::move(session_));
  feeds_.Recover(feed);
}

// An expunge fell between the client's DONE and its command by number.
void Waking::OweFromDriver() {
  Feed& feed = *wish_.feed;
  const UidSet& now = session_->view()->known();
  const Difference d =
      Compare(feed.ViewAt(wish_.cursor), feed.HorizonAt(wish_.cursor), now, session_->horizon());
  if (d.destination_behind) {
    ReturnDriver();
    return OpenSession();
  }
  const bool too_much = IsTooMuch(d);
  if (too_much || !TellDifference(now, d, feed.FlagsSince(wish_.cursor))) {
    ReturnDriver();
    return Finish(too_much ? Outcome::kTooFarBehind : Outcome::kExpungeIssued, {});
  }
  ++feeds_.stats().handed_over;
  Finish(Outcome::kAttached, {});
}

void Waking::OpenSession() {
  Opener::Wish wish;
  wish.enabled = wish_.client.enabled;
  wish.mailbox = wish_.client.mailbox;
  wish.examine = wish_.client.examine;
  wish.fresh = another_ || behind_ > 0;
  wish.client = wish_.peer;
  opener_ = std::make_unique<Opener>(loop_, user_, std::move(wish),
                                     [this](Opener::Result r) { Opened(std::move(r)); });
  opener_->Start();
}

void Waking::Opened(Opener::Result result) {
  if (!done_) {
    if (result.session != nullptr) user_.Release(std::move(result.session));
    return;
  }
  switch (result.failure) {
    case Opener::Failure::kNone:
      break;
    case Opener::Failure::kCredentials:
      return Finish(Outcome::kEnded, std::string(kLoginRefused));
    case Opener::Failure::kMailbox: {
      std::string text = "[NONEXISTENT] The selected mailbox cannot be opened: ";
      text += result.text;
      if (wish_.feed != nullptr) feeds_.Recheck(*wish_.feed);  // its driver need not hear of it
      return Finish(Outcome::kEnded, std::move(text));
    }
    default:
      return Finish(Outcome::kUnavailable, result.text);
  }
  session_ = std::move(result.session);
  session_->set_sink(*this);
  if (wish_.feed != nullptr && !result.alerts.empty()) {
    wish_.feed->TellLines(result.alerts);
    if (!done_) return;  // its client was too far behind to be told one thing more
  }
  if (wish_.feed == nullptr) {
    if (!MayAct()) return;
    alerts_ = std::move(result.alerts);
    ++feeds_.stats().woken;
    return Finish(Outcome::kAttached, {});
  }
  const SelectedMailbox& m = *session_->state().selected();
  if (!MayServe(session_->state(), wish_.client) || !MayBeWatched(m)) {
    feeds_.Recheck(*wish_.feed);  // the others' driver may be silent for ever
    return Finish(Outcome::kEnded,
                  "[UNAVAILABLE] The mailbox was replaced; please select it again");
  }
  // UIDNEXT only grows, and moves with a SELECT.
  if (m.uid_next != 0 && m.uid_next < wish_.feed->HorizonAt(wish_.cursor)) return OpenLater();
  if (MayAct()) Equalize();
}

// Else it has rights that are not the client's, or may have.
bool Waking::MayAct() {
  if (session_->as_proxy() && wish_.own_rights) {
    const bool same = RightsOf(*session_->state().selected()) == wish_.rights;
    user_.JudgeProxy(*session_, same, wish_.peer.connection_id);
  }
  if (user_.MayLend(*session_)) return true;
  if (session_->master() == user_.dialer().target().masters) {
    Finish(Outcome::kEnded, std::string(kOwnSessionNeeded));
  } else {  // it waited to log in, and the master user is another one by now
    EndSession(std::move(session_));
    retry_.SetIn(MsToNs(kRetryMs), [this] { OpenSession(); });
  }
  return false;
}

// A session just selected with the same UIDVALIDITY, with the UIDNEXT that is where the client's
// knowledge ends, and with as many messages: what it has is below that, and below it messages only
// go. Flushed sees to it that neither of the two lacks an expunge that the other has.
bool Waking::EqualByProof() const {
  const SelectedMailbox& m = *session_->state().selected();
  return m.uid_next != 0 && m.uid_next == wish_.feed->HorizonAt(wish_.cursor) &&
         m.exists == wish_.feed->CountAt(wish_.cursor);
}

void Waking::Equalize() {
  proven_ = EqualByProof();
  proven_ ? FlushFeed() : ListSession();
}

void Waking::ListSession() {
  proven_ = false;
  frozen_.reset();
  if (lister_ != nullptr) loop_.Retire(std::move(lister_));
  lister_ = std::make_unique<Lister>(*session_);
  lister_->Start([this, life = life_.watch()](bool ok) {
    if (life.expired() || !done_) return;
    ok ? FlushFeed()
       : Finish(Outcome::kUnavailable, "the store's list of messages does not add up");
  });
}

void Waking::FlushFeed() {
  news_.clear();  // what was told before, the feed hears of by its flush
  news_bytes_ = 0;
  wish_.feed->Flush([this, life = life_.watch()](bool ok) {
    if (!life.expired() && done_) Flushed(ok);
  });
}

void Waking::Again() {
  if (++tries_ > kMaxTries) return TryAnother();
  retry_.SetIn(MsToNs(kRetryMs), [this] {
    if (session_ != nullptr) ListSession();
  });
}

// One that stays behind what the client was told may be with a server that is. It is nobody's next.
void Waking::TryAnother() {
  EndSession(std::move(session_));
  if (another_) return Finish(Outcome::kUnavailable, "the store's sessions do not agree yet");
  another_ = true;
  tries_ = 0;
  OpenSession();
}

// The session's server is behind, or the mailbox was put back to what it was once.
void Waking::OpenLater() {
  EndSession(std::move(session_));
  if (++behind_ >= kMaxBehind) {
    feeds_.Recheck(*wish_.feed);  // if it was put back the driver may be silent for ever
    return Finish(Outcome::kUnavailable, "the store's sessions do not agree yet");
  }
  retry_.SetIn(MsToNs(kRetryMs << behind_), [this] { OpenSession(); });
}

// The feed is finding a new driver. Meanwhile our session is at hand and hears what comes.
void Waking::AwaitDriver() {
  if (++waits_ > kMaxWaits) return Finish(Outcome::kUnavailable, "the mailbox has no driver yet");
  if (waits_ == 1) feeds_.Hurry(*wish_.feed);
  retry_.SetIn(MsToNs(kRetryMs), [this] {
    if (session_ != nullptr) FlushFeed();
  });
}

void Waking::Flushed(bool ok) {
  if (session_ == nullptr) return;
  if (!ok) return AwaitDriver();
  // Expunges need not be told in their order: the session may be without another one than the
  // client, and still have as many messages.
  if (proven_ && wish_.feed->ExpungesBetween(wish_.cursor, wish_.feed->head())) {
    return ListSession();
  }
  if (!proven_) {
    const MailboxView* view = session_->view();
    if (view == nullptr || !view->ok() || view->tail_size() != 0) return ListSession();
  }
  Compared();
}

// PERMANENTFLAGS and READ-ONLY, where this session's differ from what the client was told.
void Waking::TellSelected(std::string* tell) const {
  const SelectedMailbox& m = *session_->state().selected();
  if (HashOfFlags(m.permanent_flags) != wish_.permanent_flags && !m.permanent_flags.empty()) {
    *tell += "* OK [PERMANENTFLAGS " + m.permanent_flags.str() + "] Flags permitted.\r\n";
  }
  if (m.read_only != wish_.read_only_told && !wish_.client.examine) {
    *tell += m.read_only ? "* OK [READ-ONLY] The mailbox is read-only now.\r\n"
                         : "* OK [READ-WRITE] The mailbox can be written again.\r\n";
  }
}

void Waking::Compared() {
  Feed& feed = *wish_.feed;
  const UidSet frozen = feed.ViewAt(wish_.cursor);
  Difference d;
  if (!proven_) {
    d = Compare(frozen, feed.HorizonAt(wish_.cursor), session_->view()->known(),
                session_->horizon());
    if (d.destination_behind) return Again();
  }
  if (IsTooMuch(d)) return Finish(Outcome::kTooFarBehind, {});
  if (!TellDifference(proven_ ? frozen : session_->view()->known(), d, false)) {
    return Finish(Outcome::kExpungeIssued, {});
  }
  ++feeds_.stats().woken;
  Finish(Outcome::kAttached, {});
}

// More than is told at once, or owed.
bool Waking::IsTooMuch(const Difference& d) const {
  const Feed& feed = *wish_.feed;
  const EnabledSet enabled = wish_.client.enabled;
  return ExpungesAtMost(d.gone, d.numbers, enabled, feed.no_modseq()) > kMostOwedBytes ||
         feed.RenderedAtMost(wish_.cursor, feed.head(), enabled) > kMostOwedBytes;
}

// `now`: the session's messages of known UID. False: what would be owed is too large.
bool Waking::TellDifference(const UidSet& now, const Difference& d, bool owes) {
  Feed& feed = *wish_.feed;
  const EnabledSet enabled = wish_.client.enabled;
  const uint32_t count = proven_ ? now.size() : session_->view()->size();
  std::string tell;
  // What the client believes once it was told this.
  UidSet told = now;
  if (!d.gone.empty() && (wish_.uses_numbers || wish_.incomplete)) {
    OwedExpunges owed;
    owed.no_modseq = feed.no_modseq();
    owed.modseq_before = std::max(uint64_t{1}, feed.ModseqBeforeExpunges(wish_.cursor));
    if (!told.InsertSet(d.gone)) return false;
    owed.numbers = d.numbers;
    owed.uids = d.gone;
    owed.count = count;
    owed_ = std::move(owed);
  } else if (!d.gone.empty()) {
    RenderExpunges(d.gone, d.numbers, enabled, feed.no_modseq(), &tell);
  }
  const uint32_t all = count + owed_.numbers.size();
  if (!d.came.empty() || count > now.size()) RenderExists(all, &tell);
  TellSelected(&tell);
  // Expunges and arrivals may be younger than our SELECT: the session will tell those itself.
  feed.RenderFlagsSince(wish_.cursor, told, enabled, &tell);
  // The last word on keywords is the session's, which speaks from now on.
  const std::string& flags = session_->state().selected()->flags;
  if (flags != feed.flags() && !flags.empty()) tell += "* FLAGS " + flags + "\r\n";
  for (const auto& [uid, news] : news_) {
    const uint32_t number = told.PositionOf(uid);
    if (number == 0) continue;
    RenderFlags(number, uid, news.modseq, news.flags, enabled, feed.no_modseq(), &tell);
  }
  TellKnownModseq(owes || OwesExpunges(now, feed), &tell);
  tell_ = std::move(tell);
  return true;
}

// The session will tell expunges, but perhaps only behind the command that waits, and flags that
// are younger are told now (RFC 7162, 3.2). Of those that it `owes`, or that the answer to its last
// command spoke of, which was ours. Before a SELECT it would be taken for one of the next mailbox
// where nothing says that this one is closed.
void Waking::TellKnownModseq(bool owes, std::string* tell) const {
  const Feed& feed = *wish_.feed;
  const EnabledSet enabled = wish_.client.enabled;
  const uint64_t answered = session_->state().selected()->answered_modseq;
  const bool heeded = !wish_.leaves_mailbox || enabled.qresync() || enabled.rev2();
  if (!heeded || !enabled.condstore() || feed.no_modseq() || (!owes && answered == 0)) return;
  uint64_t known = std::max(uint64_t{1}, feed.ModseqBeforeExpunges(wish_.cursor));
  if (answered != 0) known = std::min(known, answered);
  *tell += "* OK [HIGHESTMODSEQ " + std::to_string(known) + "] Not all expunges are told yet\r\n";
}

// Flags that the session tells meanwhile it tells nobody again, and the feed may not have heard of
// them by the end of its flush.
void Waking::NoteFlags(const Response& fetch) {
  const FetchInfo info = ParseFetch(fetch.rest);
  if (!info.flags) return;
  const MailboxView* view = session_->view();
  uint32_t uid = 0;
  if (view != nullptr) {
    uid = view->UidOf(fetch.number);
  } else if (proven_) {
    if (!frozen_) frozen_ = wish_.feed->ViewAt(wish_.cursor);
    uid = frozen_->At(fetch.number).value_or(0);
  }
  if (uid == 0) return;
  news_bytes_ += sizeof(*news_.begin()) + info.flags->size();
  if (news_bytes_ > kMostNewsBytes) {
    return Finish(Outcome::kUnavailable, "too much changes in the mailbox just now");
  }
  news_[uid] = {uid, info.modseq.value_or(0), CanonicalFlags(*info.flags)};
}

void Waking::OnStoreData(Session&, const Piece& piece, const Response* first) {
  if (IsAlert(piece, first) && alerts_.size() < kMostAlertBytes) alerts_ += piece.bytes;
  if (!done_ || first == nullptr || wish_.feed == nullptr) return;
  if (first->kind == ResponseKind::kFetch) return NoteFlags(*first);
  // Counts do not add up any more.
  if (first->kind == ResponseKind::kExists || first->kind == ResponseKind::kExpunge ||
      first->kind == ResponseKind::kVanished) {
    proven_ = false;  // then Flushed finds no view and lists
  }
}

void Waking::OnSessionLost(Session&, SessionLoss, const std::string& text) {
  retry_.Cancel();
  Finish(Outcome::kUnavailable, text);
}

void Waking::Finish(Outcome outcome, std::string text) {
  if (!done_) return;
  retry_.Cancel();
  deadline_.Cancel();
  Result result;
  result.outcome = outcome;
  result.text = std::move(text);
  if (session_ != nullptr && outcome == Outcome::kAttached) {
    session_->DropView();
    result.session = std::move(session_);
    // What all sessions hear, the feed's log has told already.
    result.tell = tell_.find(alerts_) == tell_.npos ? alerts_ + tell_ : std::move(tell_);
    result.owed = std::move(owed_);
  } else if (session_ != nullptr) {
    user_.Release(std::move(session_));
  }
  if (outcome == Outcome::kAttached) {
    feeds_.stats().wakes.Add(loop_.now_ns() - since_ns_);
  } else {
    ++feeds_.stats().refused_wakes;
  }
  Done done = std::exchange(done_, nullptr);
  FeedHold hold = std::move(hold_);
  done(std::move(result));
}

}  // namespace roost
