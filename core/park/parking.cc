#include "core/park/parking.h"

#include <algorithm>
#include <utility>

#include "core/base/clock.h"
#include "core/feed/difference.h"
#include "core/feed/render.h"

namespace roost {

Parking::Parking(Loop& loop, const Config& config, Feeds& feeds, User& user,
                 std::unique_ptr<Session>& session, Mode mode, Done done)
    : loop_(loop),
      feeds_(feeds),
      user_(user),
      session_(session),
      mode_(mode),
      done_(std::move(done)),
      most_owed_flags_(
          std::min(kMaxOwedFlags, static_cast<size_t>(config.parking.log_entries_max) / 2)),
      most_bytes_(
          std::min(static_cast<size_t>(config.parking.view_bytes_max), Feed::kMostViewBytes)),
      retry_(loop) {}

Parking::~Parking() {
  Abandon();
  if (lister_ != nullptr) loop_.Retire(std::move(lister_));
}

void Parking::NoteNews(const Piece& piece, const Response& response) {
  heard_ = heard_ || response.kind == ResponseKind::kFetch || response.kind == ResponseKind::kFlags;
  if (mode_ == Mode::kQuiet) NoteWithheld(piece, response);
}

// As long as nothing is expunged, the client's numbers are the session's.
void Parking::NoteWithheld(const Piece& piece, const Response& response) {
  switch (response.kind) {
    case ResponseKind::kExists:
    case ResponseKind::kRecent:
      return;
    case ResponseKind::kOk:
      if (response.code_name.empty()) return;
      break;
    case ResponseKind::kFetch: {
      const FetchInfo info = ParseFetch(response.rest);
      if (!piece.ends_message || !info.flags || info.other_items) break;
      // Flags of a message that it does not know of are its to fetch.
      if (response.number > told_) return;
      if (owed_flags_.size() >= most_owed_flags_ || info.flags->size() > kMaxOwedBytes) break;
      owed_flags_.push_back(
          {response.number, info.modseq.value_or(0), CanonicalFlags(*info.flags)});
      return;
    }
    default:
      break;
  }
  unowable_ = true;
}

// What a quiet client believes. Precondition: the session is listed and nothing was expunged.
UidSet Parking::ToldView() const {
  UidSet told = session_->view()->known();
  const std::optional<uint32_t> next = told.At(told_ + 1);
  if (next) told.RemoveRange(*next, UidSet::kMaxUid);
  return told;
}

// Whether the list holds what the client knew of, and which of it that is can be told.
// Precondition: as for ToldView. A count in doubt is at most too low: it is right where nothing
// more is listed.
bool Parking::FitsTold() const {
  const uint32_t listed = session_->view()->size();
  return told_in_doubt_ ? listed == told_ : listed >= told_;
}

void Parking::Abandon() {
  retry_.Cancel();
  if (std::exchange(done_, nullptr) == nullptr) return;
  // Cut short in the middle of taking over: nobody else would find the feed a driver.
  if (adopting_ && feed_ != nullptr) feeds_.Recover(*feed_);
}

std::function<void(bool)> Parking::Guarded(void (Parking::*method)(bool)) {
  return [this, method, life = life_.watch()](bool ok) {
    if (!life.expired() && done_) (this->*method)(ok);
  };
}

void Parking::Start() {
  told_ = session_->state().selected()->exists;
  told_in_doubt_ = session_->state().selected()->exists_doubtful;
  List();
}

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
  if (lister_ != nullptr) lister_->GiveUp();
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
      if (may_recheck_) {
        feeds_.Recheck(*feed_);
        return KeepOfAnotherMailbox();
      }
      // It is so still. Where there is no IDLE nothing but this brings news meanwhile.
      return session_->Run(CommandKind::kNoop, "NOOP",
                           [this, life = life_.watch()](const Response&) {
                             if (!life.expired() && !Gone()) KeepOfAnotherMailbox();
                           });
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
  if (!ok || unowable_) return Keep(false);
  if (session_->view()->memory_bytes() > most_bytes_ ||
      session_->view()->size() > Feed::kMostMessages) {
    return Keep(false);
  }
  if (mode_ == Mode::kQuiet && !FitsTold()) return Keep(false);
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
  feed_->ExpectMany();
  heard_ = false;
  feed_->Flush(Guarded(&Parking::Flushed));
}

void Parking::Flushed(bool ok) {
  if (Gone()) return;
  if (!ok) {
    heard_ = true;  // perhaps, since a flush that did not fail
    return TryLater([this] { List(); });
  }
  const MailboxView* view = session_->view();
  if (view == nullptr || !view->ok()) return List();
  // The log was cut since: flags that the feed heard before this session was listed could be
  // missed.
  if (mark_ < feed_->log().first_seq()) return List();
  if (view->tail_size() != 0) {
    // Told to the client since; known below before anything is compared.
    lister_ = std::make_unique<Lister>(*session_);
    return lister_->Complete([this, life = life_.watch()](bool done) {
      if (life.expired() || !done_ || Gone()) return;
      done ? Join() : Keep(false);
    });
  }
  // What it knew before the feed did may have changed in between, and neither has said so.
  if (feed_->ArrivedSince(mark_, view->known())) return List();
  if (mode_ == Mode::kQuiet) return JoinQuietly();
  const Difference d = Compare(view->known(), session_->horizon(), feed_->view(), feed_->horizon());
  if (d.destination_behind) {
    if (++tries_ > kMaxTries) return Keep(true);
    return TryLater([this] { Join(); });
  }
  if (AwaitsUidNext()) return;
  const SessionState& state = session_->state();
  const EnabledSet enabled = state.enabled();
  // This class is told flags with their MODSEQ only; at the next list's NOOP the session tells them
  // itself.
  if (enabled.condstore() && !feed_->no_modseq() && feed_->FlagsWithoutModseqSince(mark_)) {
    return List();
  }
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
  // An expunge that is older than what its own session pushed may be untold to the driver still.
  if (heard_) feed_->NoteFlagsUnflushed();
  ++feeds_.stats().joined;
  result.parked = true;
  result.feed = feed_;
  result.cursor = feed_->head();
  Finish(std::move(result));
}

// The session knows of UIDs that the feed may yet announce. Either messages came and went before
// the driver heard of them, and UIDNEXT says so; or the driver's server is behind, or the mailbox
// was put back: the client would be told again of what it knows to be gone.
bool Parking::AwaitsUidNext() {
  if (feed_->horizon() >= session_->horizon()) return false;
  std::exchange(asked_uid_next_, true) ? Keep(true)
                                       : feed_->FlushToUidNext(Guarded(&Parking::Flushed));
  return true;
}

// The client is owed the log from the place on where the feed's view was the client's own. What the
// session has told of flags the feed may have logged before that place.
void Parking::JoinQuietly() {
  if (unowable_ || !owed_flags_.empty()) return Keep(false);
  if (AwaitsUidNext()) return;
  if (session_->state().selected()->flags != feed_->flags()) return Keep(false);
  const UidSet told = ToldView();
  UidSet view = feed_->ViewAt(mark_);
  uint64_t place = mark_;
  bool found = view == told;
  feed_->log().ForEach(mark_, feed_->head(), [&](uint64_t seq, const FeedEvent& event) {
    if (found || place == 0) return;
    const bool counts =
        event.kind == FeedEvent::Kind::kExists || event.kind == FeedEvent::Kind::kExpunge;
    place = counts ? seq + 1 : 0;  // flags and lines it would not be told of
    if (event.kind == FeedEvent::Kind::kExists) view.InsertSet(event.uids);
    if (event.kind == FeedEvent::Kind::kExpunge) view.RemoveSet(event.uids);
    found = counts && view == told;
  });
  if (!found) return Keep(false);
  // Its class is told flags with their MODSEQ only: what was logged before the driver was raised
  // has none.
  const bool modseqs = session_->state().enabled().condstore() && !feed_->no_modseq();
  if (modseqs && feed_->FlagsWithoutModseqSince(place)) return Keep(true);
  ++feeds_.stats().joined;
  Result result;
  result.parked = true;
  result.feed = feed_;
  result.cursor = place;
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
  feed_->StopDriver([this, life = life_.watch(), feed = feed_, feeds = &feeds_,
                     user = &user_](std::unique_ptr<Session> old) {
    feed->TellNews();
    if (old != nullptr) user->Release(std::move(old));
    if (life.expired() || !done_) return feeds->Recover(*feed);
    if (cancelled_) feeds->Recover(*feed);
    List();
  });
}

void Parking::Adopt() {
  const bool quiet = mode_ == Mode::kQuiet;
  const uint32_t count = quiet ? told_ : session_->view()->size();
  const bool first = feed_->state() == Feed::State::kNew;
  // Others have logged already what this client has not been told: the log cannot owe it.
  const bool equal = owed_flags_.empty() && session_->view()->size() == told_;
  if (quiet && (unowable_ || (!first && !equal))) return Keep(false);
  const std::string flags = session_->state().selected()->flags;
  if (quiet && !first && flags != feed_->flags()) return Keep(false);
  const uint64_t start = feed_->head();
  if (quiet && first) hold_.Note(start);
  switch (feed_->Adopt(session_, count)) {
    case Feed::Adoption::kBehind:
      return TryLater([this] { List(); });
    case Feed::Adoption::kOtherMailbox:
      feeds_.Recover(*feed_);
      return Keep(true);
    case Feed::Adoption::kAdopted:
      break;
  }
  if (heard_) feed_->NoteFlagsUnflushed();
  ++feeds_.stats().adopted;
  if (!first) ++feeds_.stats().raised;
  Result result;
  result.parked = true;
  result.took_session = true;
  result.feed = feed_;
  result.cursor = quiet && first ? start : feed_->head();
  // The feed may know of keywords that the session does not.
  if (!quiet && flags != feed_->flags()) result.tell = "* FLAGS " + feed_->flags() + "\r\n";
  for (FlagChange& f : owed_flags_) f.uid = feed_->view().At(f.uid).value_or(0);
  feed_->LogFlags(owed_flags_);
  Feed* feed = feed_;
  FeedHold hold(feeds_, *feed);
  Finish(std::move(result));
  if (!first) feed->TellNews();
}

void Parking::TryLater(std::function<void()> action) {
  retry_.SetIn(MsToNs(kRetryMs), std::move(action));
}

void Parking::Keep(bool try_again) {
  Result result;
  result.try_again = try_again;
  Kept(std::move(result));
}

void Parking::KeepOfAnotherMailbox() {
  Result result;
  result.try_again = result.other_mailbox = true;
  Kept(std::move(result));
}

void Parking::Kept(Result result) {
  if (adopting_ && feed_ != nullptr) feeds_.Recover(*feed_);  // nobody else would
  Finish(std::move(result));
}

void Parking::Finish(Result result) {
  retry_.Cancel();
  Done done = std::exchange(done_, nullptr);
  FeedHold hold = std::move(hold_);
  if (done) done(std::move(result));
}

}  // namespace roost
