#include "core/park/parking.h"

#include <algorithm>
#include <utility>

#include "core/base/clock.h"
#include "core/feed/difference.h"
#include "core/feed/render.h"

namespace roost {

Parking::Parking(Loop& loop, const Config& config, Feeds& feeds, User& user,
                 std::unique_ptr<Session>& session, Done done)
    : loop_(loop),
      feeds_(feeds),
      user_(user),
      session_(session),
      done_(std::move(done)),
      most_bytes_(
          std::min(static_cast<size_t>(config.parking.view_bytes_max), Feed::kMostViewBytes)),
      retry_(loop) {}

Parking::~Parking() {
  Abandon();
  if (lister_ != nullptr) loop_.Retire(std::move(lister_));
}

void Parking::NoteNews(const Response& response) {
  heard_ = heard_ || response.kind == ResponseKind::kFetch || response.kind == ResponseKind::kFlags;
}

void Parking::Abandon() {
  retry_.Cancel();
  if (std::exchange(done_, nullptr) == nullptr) return;
  // Cut short in the middle of taking over: nobody else would find the feed a driver.
  if (adopting_ && feed_ != nullptr) feeds_.Recover(*feed_);
}

std::function<void(bool)> Parking::Guarded(void (Parking::*method)(bool)) {
  return [this, method, life = std::weak_ptr<int>(life_)](bool ok) {
    if (!life.expired() && done_) (this->*method)(ok);
  };
}

void Parking::Start() { List(); }

// Whether to stop here, because the client goes on or the session is gone.
bool Parking::Gone() {
  if (!done_) return true;
  if (!cancelled_) return false;
  Keep(false);
  return true;
}

void Parking::Cancel() {
  cancelled_ = true;
  retry_.Cancel();
  // Commands of ours that are unanswered end first; their callbacks lead to Gone.
  if (session_ == nullptr || session_->state().idle()) Keep(false);
}

void Parking::List() {
  if (Gone()) return;
  if (++tries_ > kMaxTries) return Keep(true);
  feed_ = feeds_.Find(user_, session_->state().selected()->name);
  if (feed_ != nullptr) {
    hold_ = FeedHold(feeds_, *feed_);
    const SelectedMailbox& m = *session_->state().selected();
    const bool same =
        feed_->uid_validity() == m.uid_validity && (feed_->mailbox_id() == m.mailbox_id);
    if (!same) {
      // The name means another mailbox now, while the old one's IDLE stays silent.
      feeds_.Recheck(*feed_);
      return Keep(true);
    }
    mark_ = feed_->head();
    hold_.Note(mark_);
  }
  if (lister_ != nullptr) loop_.Retire(std::move(lister_));
  lister_ = std::make_unique<Lister>(*session_);
  lister_->Start(Guarded(&Parking::Listed));
}

void Parking::Listed(bool ok) {
  if (Gone()) return;
  if (!ok) return Keep(false);
  if (session_->view()->memory_bytes() > most_bytes_) return Keep(false);
  Feed* feed = feeds_.Find(user_, session_->state().selected()->name);
  if (feed != feed_) return List();  // it came or went while we listed: its head was not noted
  if (feed_ == nullptr) {
    feed_ = feeds_.Create(user_, session_->state().selected()->name);
    hold_ = FeedHold(feeds_, *feed_);
    return Adopt();
  }
  const bool free = feed_->state() == Feed::State::kDriverless && !feeds_.recovering(*feed_);
  if (adopting_ && free) {
    // Flags that only this client was told of: recovery finds them for the others.
    return heard_ ? Keep(true) : Adopt();
  }
  if (feed_->live() && feed_->Serves(session_->state().enabled())) return Join();
  Raise();
}

void Parking::Join() {
  if (Gone()) return;
  feed_->Flush(Guarded(&Parking::Flushed));
}

void Parking::Flushed(bool ok) {
  if (Gone()) return;
  if (!ok) return TryLater([this] { List(); });
  const MailboxView* view = session_->view();
  if (view == nullptr || !view->ok()) return List();
  // The log was cut since: flags that the feed heard before this session was listed could be
  // missed.
  if (mark_ < feed_->log().first_seq()) return List();
  if (view->tail_size() != 0) {
    // Told to the client since; known below before anything is compared.
    lister_ = std::make_unique<Lister>(*session_);
    return lister_->Complete([this, life = std::weak_ptr<int>(life_)](bool done) {
      if (life.expired() || !done_ || Gone()) return;
      done ? Join() : Keep(false);
    });
  }
  const Difference d = Compare(view->known(), session_->horizon(), feed_->view(), feed_->horizon());
  if (d.destination_behind) {
    if (++tries_ > kMaxTries) return Keep(true);
    return TryLater([this] { Join(); });
  }
  const SessionState& state = session_->state();
  const EnabledSet enabled = state.enabled();
  Result result;
  if (!d.gone.empty()) {
    RenderExpunges(d.gone, d.numbers, enabled, feed_->no_modseq(), &result.tell);
  }
  if (!d.came.empty()) RenderExists(d.count, &result.tell);
  if (state.selected()->flags != feed_->flags() && !feed_->flags().empty()) {
    result.tell += "* FLAGS " + feed_->flags() + "\r\n";
  }
  // Flags that the feed heard of since: the session may have been listed before them.
  feed_->RenderFlagsSince(mark_, feed_->view(), enabled, &result.tell);
  ++feeds_.stats().joined;
  result.parked = true;
  result.feed = feed_;
  result.cursor = feed_->head();
  result.count = d.count;
  Finish(std::move(result));
}

// The feed has no driver, or one that does not hear what this class must be told: this session
// takes over.
void Parking::Raise() {
  if (feeds_.recovering(*feed_)) return Keep(true);  // somebody is at it
  if (feed_->state() == Feed::State::kDead || feed_->state() == Feed::State::kNew)
    return Keep(true);
  // Somebody takes over in this moment.
  if (feed_->state() == Feed::State::kDriverless) return Keep(true);
  heard_ = false;
  feed_->Flush(Guarded(&Parking::TakeOver));
}

// The old driver has just flushed: what this session heard before, the feed has as well.
void Parking::TakeOver(bool flushed) {
  if (Gone()) return;
  if (!flushed) return TryLater([this] { List(); });
  if (!feed_->live() || feed_->Serves(session_->state().enabled())) return List();
  adopting_ = true;
  feed_->StopDriver([this, life = std::weak_ptr<int>(life_), feed = feed_, feeds = &feeds_,
                     user = &user_](std::unique_ptr<Session> old) {
    feed->TellNews();
    if (old != nullptr) user->Release(std::move(old));
    if (life.expired() || !done_) return feeds->Recover(*feed);
    if (cancelled_) feeds->Recover(*feed);
    List();
  });
}

void Parking::Adopt() {
  const uint32_t count = session_->view()->size();
  const bool first = feed_->state() == Feed::State::kNew;
  switch (feed_->Adopt(session_)) {
    case Feed::Adoption::kBehind:
      return TryLater([this] { List(); });
    case Feed::Adoption::kOtherMailbox:
      feeds_.Recover(*feed_);
      return Keep(true);
    case Feed::Adoption::kAdopted:
      break;
  }
  ++feeds_.stats().adopted;
  Result result;
  result.parked = true;
  result.took_session = true;
  result.feed = feed_;
  result.cursor = feed_->head();
  result.count = count;
  Feed* feed = feed_;
  FeedHold hold(feeds_, *feed);
  Finish(std::move(result));
  if (!first) feed->TellNews();
}

void Parking::TryLater(std::function<void()> action) {
  retry_.SetIn(MsToNs(kRetryMs), std::move(action));
}

void Parking::Keep(bool try_again) {
  if (adopting_ && feed_ != nullptr) feeds_.Recover(*feed_);  // nobody else would
  Result result;
  result.try_again = try_again;
  Finish(std::move(result));
}

void Parking::Finish(Result result) {
  retry_.Cancel();
  Done done = std::exchange(done_, nullptr);
  FeedHold hold = std::move(hold_);
  if (done) done(std::move(result));
}

}  // namespace roost
