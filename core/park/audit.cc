#include "core/park/audit.h"

#include <algorithm>
#include <utility>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/park/feeds.h"
#include "core/park/may_serve.h"

namespace roost {

Audit::Audit(Loop& loop, Feed& feed, Done done)
    : loop_(loop), feed_(feed), done_(std::move(done)), pause_(loop), deadline_(loop) {}

Audit::~Audit() { DropSession(); }

void Audit::DropSession() {
  if (lister_ != nullptr) loop_.Retire(std::move(lister_));
  EndSession(std::move(session_));
}

void Audit::Abandon() {
  done_ = nullptr;
  pause_.Cancel();
  deadline_.Cancel();
}

void Audit::Start() {
  deadline_.SetIn(SecondsToNs(kMostSeconds), [this] { Finish(Verdict::kUnavailable); });
  Look();
}

void Audit::Look() {
  Opener::Wish wish;
  wish.mailbox = feed_.mailbox();
  wish.examine = true;  // so as not to eat \Recent
  wish.fresh = true;    // a kept one is for whoever wakes next
  wish.urgency = Dialer::Urgency::kSpare;
  opener_ =
      std::make_unique<Opener>(loop_, feed_.user(), std::move(wish), [this](Opener::Result r) {
        if (done_) return Opened(std::move(r));
        // Abandoned in this turn: the session is in the middle of its input.
        EndSession(std::move(r.session));
      });
  opener_->Start();
}

void Audit::Opened(Opener::Result result) {
  switch (result.failure) {
    case Opener::Failure::kNone:
      break;
    case Opener::Failure::kMailbox:
      return Found(Finding::kOtherMailbox);
    default:
      return Finish(Verdict::kUnavailable);
  }
  session_ = std::move(result.session);
  session_->set_sink(*this);
  if (!result.alerts.empty()) feed_.TellLines(result.alerts);
  if (!done_) return;  // that was too much for its last subscriber
  const SelectedMailbox& m = *session_->state().selected();
  if (m.uid_validity != feed_.uid_validity() || m.mailbox_id != feed_.mailbox_id() ||
      !MayBeWatched(m)) {
    return Found(Finding::kOtherMailbox);
  }
  lister_ = std::make_unique<Lister>(*session_);
  lister_->Start([this, life = life_.watch()](bool ok) {
    if (!life.expired() && done_) Listed(ok);
  });
}

void Audit::Listed(bool ok) {
  if (!ok) return Finish(Verdict::kUnavailable);
  feed_.Flush([this, life = life_.watch()](bool flushed) {
    if (!life.expired() && done_) Flushed(flushed);
  });
}

void Audit::Flushed(bool ok) {
  const MailboxView* view = session_ != nullptr ? session_->view() : nullptr;
  if (!ok || view == nullptr || !view->ok()) return Finish(Verdict::kUnavailable);
  CompareWith(view->known());
}

void Audit::CompareWith(const UidSet& listed) {
  UidSet missing = UidSet::Difference(listed, feed_.view());
  UidSet extra = UidSet::Difference(feed_.view(), listed);
  const bool again = finding_ == Finding::kDifferent;
  missing_ = again ? UidSet::Intersection(missing_, missing) : std::move(missing);
  extra_ = again ? UidSet::Intersection(extra_, extra) : std::move(extra);
  Found(missing_.empty() && extra_.empty() ? Finding::kEqual : Finding::kDifferent);
}

void Audit::Found(Finding finding) {
  DropSession();
  if (finding == Finding::kEqual) return Finish(Verdict::kAgrees);
  looks_ = finding == finding_ ? looks_ + 1 : 1;
  finding_ = finding;
  if (looks_ < kMostLooks) return pause_.SetIn(MsToNs(kPauseMs), [this] { Look(); });
  Finish(finding == Finding::kDifferent ? Verdict::kDiffers : Verdict::kOtherMailbox);
}

void Audit::OnSessionLost(Session&, SessionLoss, const std::string&) {
  Finish(Verdict::kUnavailable);
}

void Audit::Finish(Verdict verdict) {
  if (!done_) return;
  Done done = std::exchange(done_, nullptr);
  pause_.Cancel();
  deadline_.Cancel();
  Result result;
  result.verdict = verdict;
  if (verdict == Verdict::kDiffers) {
    result.missing = missing_.size();
    result.extra = extra_.size();
  }
  done(result);
}

Auditor::Auditor(Loop& loop, Feeds& feeds) : loop_(loop), feeds_(feeds), alarm_(loop) {}

Auditor::~Auditor() = default;

void Auditor::SetPeriod(uint64_t seconds) {
  if (period_ns_ == SecondsToNs(seconds)) return;
  period_ns_ = SecondsToNs(seconds);
  if (audit_ == nullptr) Arm();
}

void Auditor::Remove(Feed& feed) {
  if (audit_ == nullptr || &audit_->feed() != &feed) return;
  audit_->Abandon();
  Over({});
}

// Spread, so that the shards of many hosts do not all come to one store together.
void Auditor::Arm() {
  alarm_.Cancel();
  if (period_ns_ == 0) return;
  alarm_.SetIn(period_ns_ - loop_.PartOf(period_ns_ / 4), [this] { AuditNext(); });
}

void Auditor::AuditNext() {
  Feed* feed = NextFeed();
  if (feed == nullptr) return Arm();
  audit_ = std::make_unique<Audit>(loop_, *feed, [this](const Audit::Result& r) { Over(r); });
  audit_->Start();
}

Feed* Auditor::NextFeed() {
  FeedTable& feeds = feeds_.all();
  for (size_t more = std::min(feeds.size(), kMostPassedOver); more > 0; --more) {
    Feed* feed = feeds.front();
    feeds.MoveToBack(*feed);
    if (MayBeAudited(*feed)) return feed;
  }
  return nullptr;
}

bool Auditor::MayBeAudited(const Feed& feed) const {
  if (!feed.live() || feed.subscriber_count == 0 || feed.holds != 0) return false;
  if (feed.user().login_refused()) return false;
  return loop_.now_ns() - feed.session()->last_heard_ns() >= kQuietNs;
}

void Auditor::Over(const Audit::Result& result) {
  Feed& feed = audit_->feed();
  loop_.Retire(std::move(audit_));
  Arm();
  FeedStats& stats = feeds_.stats();
  switch (result.verdict) {
    case Audit::Verdict::kAgrees:
      ++stats.audits;
      return;
    case Audit::Verdict::kUnavailable:
      ++stats.audits_unavailable;
      return;
    case Audit::Verdict::kOtherMailbox:
      ++stats.audits;
      ++stats.audits_replaced;
      Log(LogLevel::kWarning, "audit_other_mailbox",
          {{"store", feed.user().store().name},
           {"user", feed.user().login()},
           {"mailbox", feed.mailbox()}});
      return feeds_.Recheck(feed);
    case Audit::Verdict::kDiffers:
      ++stats.audits;
      ++stats.audit_mismatches;
      Log(LogLevel::kError, "audit_mismatch",
          {{"store", feed.user().store().name},
           {"user", feed.user().login()},
           {"mailbox", feed.mailbox()},
           {"messages", feed.view().size()},
           {"missing", result.missing},
           {"extra", result.extra}});
      return feeds_.Recheck(feed);
  }
}

}  // namespace roost
