// Relay: what IDLE leads to.
#include <algorithm>
#include <utility>

#include "core/base/clock.h"
#include "core/client/awake.h"
#include "core/client/relay.h"
#include "proto/imap/extensions.h"

namespace roost {

// Else nothing would bring news: told that it is in IDLE the client would wait for ever.
bool Relay::MayIdle() const {
  return IsOffered(CommandKind::kIdle, session_->state().capabilities()) ||
         client_.services().config.parking.poll_s != 0;
}

void Relay::StartIdle(std::string_view tag) {
  idle_refused_ = false;  // a refusal may have been a passing one
  retry_.Cancel();        // all is answered: nothing that waited for an answer is left
  idle_tag_ = tag;
  client_.Write("+ idling\r\n");
  client_.framer().ExpectRawLine();
  client_.stream().SetQuiet(true);  // it will be silent for long
  check_ns_ = kNever;
  ArmIdleTimer();
  StartParking();
}

// Until DONE, or until it is parked, the cell's timer is for these.
void Relay::ArmIdleTimer() {
  Clients& clients = client_.services().clients;
  if (!EndOf().empty()) return clients.SetByeTimer(client_.index());
  const auto beat_s = static_cast<uint64_t>(client_.services().config.timeouts.heartbeat_s);
  const uint64_t beat_ns = beat_s == 0 ? kNever : active_ns_ + SecondsToNs(beat_s);
  clients.SetTimer(client_.index(), std::min(beat_ns, check_ns_));
}

void Relay::OnIdleTimer() {
  Services& services = client_.services();
  const uint64_t now = services.loop.now_ns();
  const uint64_t beat = SecondsToNs(static_cast<uint64_t>(services.config.timeouts.heartbeat_s));
  if (beat != 0 && now - active_ns_ >= beat) {
    active_ns_ = now;
    if (MayInterject() && client_.stream().unsent() == 0) {
      client_.Write(Clients::kBeat);
      ++services.stats.heartbeats;
    }
  }
  if (now >= check_ns_) {
    // What it says while the client is slow waits, its answer too.
    store_paused_ ? SetCheck() : EndOwnIdle();
  }
  ArmIdleTimer();
}

// Its connection may have died without a word; then nobody would ever tell the client of mail.
// Spread: thousands of sessions of one store must not be asked in one moment.
void Relay::SetCheck() {
  Services& services = client_.services();
  const uint64_t period =
      SecondsToNs(static_cast<uint64_t>(services.config.parking.driver_check_s));
  check_ns_ = services.loop.now_ns() + period - services.loop.PartOf(period / 8);
}

// A session of a master user can be compared with what this one has told its client. EXAMINE shows
// nobody's rights.
bool Relay::KnowsOwnRights(const Session& session) {
  const auto& selected = session.state().selected();
  return selected && !selected->examine && !session.as_proxy();
}

Relay::Kept Relay::WhyKept() const {
  const Services& services = client_.services();
  const SessionState& state = session_->state();
  const User* user = client_.cell().user();
  if (user == nullptr) return Kept::kNameNotProven;
  if (pinned_) return Kept::kPinned;
  if (!user->may_share()) return Kept::kProxySeesOtherwise;
  if (user->credentials_refused()) return Kept::kCredentialsRefused;
  if (mapped_ != nullptr) return Kept::kExpungesOwed;  // its view is not the session's
  const StoreIndex store = session_->target().index;
  if (!services.switches->Allow(store, user->login(), NameIn(client_.id()))) {
    return Kept::kSwitchedOff;
  }
  if (state.condstore_uncertain()) return Kept::kCondstoreRefused;
  if (state.uncertain()) return Kept::kSelectAnsweredBad;
  if (state.enabled().unknown()) return Kept::kUnknownExtension;
  if (!MayIdle()) return Kept::kStoreWithoutIdle;
  if (!state.enabled().empty() && !IsOffered(CommandKind::kEnable, state.capabilities())) {
    return Kept::kStoreWithoutEnable;
  }
  if (state.selected() && !MayBeWatched(*state.selected())) return Kept::kUidsNotKept;
  if (state.selected() && !NameIsCommon(state)) return Kept::kNameNotCommon;
  const bool parks = KnowsOwnRights(*session_) || user->LendsUncompared(*session_);
  return parks ? Kept::kNot : Kept::kProxyNotCompared;
}

std::string_view Relay::KeptName(Kept why) {
  switch (why) {
    case Kept::kNot:
      break;
    case Kept::kNameNotProven:
      return "name_not_proven";
    case Kept::kPinned:
      return "pinned";
    case Kept::kProxySeesOtherwise:
      return "proxy_sees_otherwise";
    case Kept::kCredentialsRefused:
      return "credentials_refused";
    case Kept::kExpungesOwed:
      return "expunges_owed";
    case Kept::kSwitchedOff:
      return "switched_off";
    case Kept::kSelectAnsweredBad:
      return "select_answered_bad";
    case Kept::kCondstoreRefused:
      return "condstore_refused";
    case Kept::kUnknownExtension:
      return "unknown_extension";
    case Kept::kStoreWithoutIdle:
      return "store_without_idle";
    case Kept::kStoreWithoutEnable:
      return "store_without_enable";
    case Kept::kUidsNotKept:
      return "uids_not_kept";
    case Kept::kNameNotCommon:
      return "name_not_common";
    case Kept::kProxyNotCompared:
      return "proxy_not_compared";
    case Kept::kOtherMailbox:
      return "other_mailbox";
    case Kept::kNotNow:
      return "not_now";
    case Kept::kNotComparable:
      return "not_comparable";
  }
  return "";
}

void Relay::StartParking() {
  if (const Kept why = WhyKept(); why != Kept::kNot) return StartOwnIdle(why);
  if (!session_->state().selected()) return ParkUnselected();
  state_ = State::kParking;
  store_paused_ = false;
  session_->ResumeReading();
  StartParkingAs(Parking::Mode::kIdle);
}

void Relay::StartParkingAs(Parking::Mode mode) {
  Services& services = client_.services();
  parking_ = std::make_unique<Parking>(services.loop, services.config, services.feeds,
                                       *client_.cell().user(), session_, mode,
                                       [this](const Parking::Result& r) { ParkingDone(r); });
  parking_->set_may_recheck(rechecked_for_ != session_->state().selected()->uid_validity);
  parking_->Start();
}

void Relay::ParkingDone(const Parking::Result& result) {
  client_.services().loop.Retire(std::move(parking_));
  if (client_.closed()) return;
  // Nobody looks after its unknown UIDs any more; the next attempt lists anew.
  if (session_ != nullptr) session_->DropView();
  if (result.other_mailbox) rechecked_for_ = session_->state().selected()->uid_validity;
  if (state_ == State::kQuietParking) return QuietParkingDone(result);
  if (state_ == State::kEnding) {
    // The client went on before: it keeps its session. A session that went to the feed is the
    // feed's, though.
    if (!result.took_session) return IdleEnded();
  }
  if (result.parked) return Park(result);
  if (result.try_again) {
    // Where the store has no IDLE, nothing but the next attempt brings news.
    const auto poll_ms = static_cast<uint64_t>(client_.services().config.parking.poll_s) * 1000;
    const uint64_t wait_ms =
        OwnIdlePolls() && poll_ms != 0 ? std::min(retry_ms_, poll_ms) : retry_ms_;
    retry_.SetIn(MsToNs(wait_ms), [this] { Retry(); });
    retry_ms_ = std::min(retry_ms_ * 2, kLastRetryMs);
  }
  StartOwnIdle(result.other_mailbox ? Kept::kOtherMailbox
               : result.try_again   ? Kept::kNotNow
                                    : Kept::kNotComparable);
}

void Relay::ParkUnselected() {
  Parking::Result result;
  result.parked = true;
  Park(result);
}

// From here on the client owns no session. Its talk goes on as Awake, until it is quiet.
void Relay::Park(const Parking::Result& result) {
  Services& services = client_.services();
  ClientCell& cell = client_.cell();
  client_.Write(result.tell);
  const Session& session = result.took_session ? *result.feed->session() : *session_;
  const SessionState& state = session.state();
  cell.enabled = state.enabled();
  cell.own_rights = KnowsOwnRights(session);
  if (const auto& selected = state.selected()) {
    cell.examine = selected->examine;
    cell.read_only = selected->read_only;
    cell.rights = RightsOf(*selected);
    cell.permanent_flags = HashOfFlags(selected->permanent_flags);
  }
  const bool ended = state_ == State::kEnding;
  const std::string answer = ended ? IdleAnswer(state) : "";
  if (!result.took_session) cell.user()->Release(std::move(session_));
  if (result.feed != nullptr) cell.Watch(*result.feed);
  cell.cursor = result.cursor;
  const bool idling = !ended && state_ != State::kQuietParking;
  cell.idling = idling;
  services.clients.Subscribe(client_.index());
  ++services.stats.parked;
  if (!idling && !ended) ++services.stats.quiet_parks;
  if (services.trace.on()) {
    const std::string_view mailbox =
        cell.feed() == nullptr ? std::string_view() : cell.feed()->mailbox();
    services.clients.Follow(cell, "parked",
                            {{"mailbox", mailbox},
                             {"cause", ended || idling ? "idle" : "quiet"},
                             {"drives", result.took_session}});
  }
  if (ended) client_.Answer(idle_tag_, answer);
  auto awake = std::make_unique<Awake>(client_);
  if (idling) awake->SetIdleTag(idle_tag_);
  client_.Become(std::move(awake));
  client_.stream().SetReading(true);
  client_.ResumeInput();
}

bool Relay::OwnIdlePolls() const {
  return idle_refused_ || !IsOffered(CommandKind::kIdle, session_->state().capabilities());
}

// The session idles for this client alone, as a hidden command; its news are relayed.
void Relay::StartOwnIdle(Kept why) {
  ++client_.services().stats.kept_idle;
  if (client_.services().trace.on()) {
    client_.services().clients.Follow(client_.cell(), "idles_on_its_own_session",
                                      {{"reason", KeptName(why)}});
  }
  state_ = State::kOwnIdle;
  may_park_later_ = why == Kept::kNotNow || why == Kept::kOtherMailbox;
  own_idle_started_ = false;
  if (OwnIdlePolls()) return PollLater();
  session_->RunIdle();
}

void Relay::Retry() {
  if (state_ != State::kOwnIdle) return;
  if (!own_idle_started_) return session_->state().idle() ? StartParking() : void();
  // What it says while the client is slow waits, its answer too.
  if (store_paused_) return retry_.SetIn(MsToNs(kLastRetryMs), [this] { Retry(); });
  EndOwnIdle();
}

// Its answer starts parking anew, or IDLE; where none comes the session is lost.
void Relay::EndOwnIdle() {
  check_ns_ = kNever;
  own_idle_started_ = false;
  session_->EndIdle();
  state_ = State::kParking;
}

void Relay::OnIdleStarted(Session&) {
  if (state_ == State::kEnding) return session_->EndIdle();
  own_idle_started_ = true;
  SetCheck();
  ArmIdleTimer();
}

void Relay::OnIdleEnded(Session&, const Response& response) {
  own_idle_started_ = false;
  check_ns_ = kNever;
  if (state_ == State::kEnding) return IdleEnded();
  state_ = State::kOwnIdle;
  // Refused: as if the store had none. Asking again would never end.
  idle_refused_ = response.status != Status::kOk;
  if (idle_refused_) return PollLater();
  may_park_later_ ? StartParking() : session_->RunIdle();
}

// Without IDLE of the store the client hears what a NOOP brings now and then, or an attempt to
// park.
void Relay::PollLater() {
  const int period_s = client_.services().config.parking.poll_s;
  if (retry_.armed()) return;
  if (period_s == 0) return client_.Bye("[UNAVAILABLE] The mail store refuses IDLE");
  retry_.SetIn(SecondsToNs(static_cast<uint64_t>(period_s)), [this] {
    if (state_ != State::kOwnIdle || !session_->state().idle()) return;
    session_->Run(CommandKind::kNoop, "NOOP", [this](const Response&) {
      state_ == State::kEnding ? IdleEnded() : PollLater();
    });
  });
}

void Relay::EndIdle(bool properly) {
  idle_by_done_ = properly;
  const State was = std::exchange(state_, State::kEnding);
  retry_.Cancel();
  if (was == State::kParking && parking_ != nullptr) return parking_->Cancel();
  if (was == State::kParking) return;  // IDLE is being ended for a retry: its answer goes on
  if (session_->state().idle()) return IdleEnded();  // the store has no IDLE
  if (own_idle_started_) {
    own_idle_started_ = false;
    session_->EndIdle();
  }
}

void Relay::IdleEnded() {
  if (!session_->AtResponseStart()) {
    // News of the store are half relayed: our answer must not fall into them.
    return retry_.SetIn(MsToNs(kHalfRelayedMs), [this] { IdleEnded(); });
  }
  state_ = State::kRelaying;
  retry_ms_ = kFirstRetryMs;
  client_.stream().SetQuiet(false);
  ArmQuiet(0);
  client_.Answer(idle_tag_, IdleAnswer(session_->state()));
  client_.ResumeInput();
}

// What was relayed meanwhile came with answers to commands of ours: what the last of them said of
// expunges that are still to be told is for the client.
std::string Relay::IdleAnswer(const SessionState& state) const {
  if (!idle_by_done_) return "BAD Expected DONE.";
  std::string answer = "OK ";
  const auto& selected = state.selected();
  if (state.enabled().condstore() && selected && selected->answered_modseq != 0) {
    answer += "[HIGHESTMODSEQ " + std::to_string(selected->answered_modseq) + "] ";
  }
  return answer + "Idle completed.";
}

}  // namespace roost
