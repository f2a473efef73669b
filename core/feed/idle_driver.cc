#include "core/feed/idle_driver.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "core/feed/render.h"
#include "proto/check.h"
#include "proto/imap/writer.h"

namespace roost {

namespace {

// What SEARCH calls it; empty: it has no word for it.
std::string SearchKeyOf(std::string_view flag) {
  std::string key;
  for (const char* name : {"\\Answered", "\\Deleted", "\\Draft", "\\Flagged", "\\Seen"}) {
    if (SameFlag(flag, name)) key = name + 1;
  }
  for (char& c : key) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (key.empty() && !flag.empty() && flag.front() != '\\') key.append("KEYWORD ").append(flag);
  return key;
}

}  // namespace

IdleDriver::IdleDriver(Loop& loop, std::unique_ptr<Session> session, DriverListener& listener,
                       uint64_t check_ns, uint64_t poll_ns)
    : loop_(loop),
      session_(std::move(session)),
      listener_(listener),
      check_ns_(check_ns),
      poll_ns_(poll_ns),
      polling_(!session_->state().capabilities().Has("IDLE") && poll_ns != 0),
      check_(loop) {
  ROOST_CHECK(session_ != nullptr && session_->view() != nullptr);
  session_->set_sink(*this);
}

IdleDriver::~IdleDriver() {
  if (session_ == nullptr) return;
  session_->Close();
  loop_.Retire(std::move(session_));
}

void IdleDriver::Start() {
  TellArrived();  // what came between the listing and now
  SendIdle();
  ArmCheck();
}

void IdleDriver::SendIdle() {
  idling_ = false;
  if (polling_) return RestSoon();
  session_->RunIdle();
}

// All is answered, or will be: then there is nothing more to wait for.
void IdleDriver::RestSoon() {
  if (rest_posted_) return;
  rest_posted_ = true;
  loop_.Post([this, life = std::weak_ptr<int>(life_)] {
    if (life.expired()) return;
    rest_posted_ = false;
    if (session_ != nullptr && session_->Settled() && phase_ != Phase::kIdle) Idling();
  });
}

void IdleDriver::Idling() {
  idling_ = true;
  if (phase_ == Phase::kStopping) return EndIdle();
  phase_ = Phase::kIdle;
  Kick();
}

void IdleDriver::EndIdle() {
  if (polling_) {
    if (phase_ == Phase::kStopping) HandBack();
    return;
  }
  ++dones_;
  session_->EndIdle();
}

void IdleDriver::IdleEnded(const Response& response) {
  const bool ours = dones_ > 0;
  if (ours) --dones_;
  if (phase_ == Phase::kStopping && session_->state().idle()) return HandBack();
  if (response.status != Status::kOk) {
    if (poll_ns_ != 0 && !ours && !idling_) {  // it offers IDLE and refuses it
      polling_ = true;
      ArmCheck();
      return RestSoon();
    }
    return Lost(SessionLoss::kProtocol, "the store refused IDLE: " + std::string(response.text));
  }
  if (ours) return;  // the next IDLE is on its way already
  // Ended by the store without DONE: legal, and no reason to stop.
  if (phase_ != Phase::kStopping) phase_ = Phase::kStarting;
  SendIdle();
}

// To whoever asked for it by Stop.
void IdleDriver::HandBack() {
  if (flags_from_ != 0) return FetchNew();  // whoever is told no more by it would miss them
  phase_ = Phase::kStopped;
  check_.Cancel();
  TellArrived();
  listener_.OnDriverBatchEnd();
  auto stopped = std::exchange(stopped_, nullptr);
  EndSearch(false);
  for (Waiter& w : std::exchange(waiting_, {})) w.done(false);
  for (Waiter& w : std::exchange(flushing_, {})) w.done(false);
  stopped(std::move(session_));
}

void IdleDriver::Kick() {
  if (phase_ != Phase::kIdle) return;
  TellArrived();  // a FETCH of its flags may have named a new message meanwhile
  FinishFlush();  // or what it waited for has vanished
  if (phase_ != Phase::kIdle) return;
  const bool search = search_ != nullptr && !search_->running && flushing_.empty();
  const bool news = session_->view()->tail_unknown() != 0 || flags_from_ != 0;
  if (news || !waiting_.empty() || search) Cycle();
}

void IdleDriver::Cycle() {
  phase_ = Phase::kBusy;
  EndIdle();
  const bool free = session_->view()->tail_unknown() == 0 && flags_from_ == 0 && waiting_.empty();
  if (search_ == nullptr || search_->running || !free) return Ask();
  search_->running = true;
  // Keywords are searched for by name. FLAGS at SELECT names all there are, and later ones before a
  // FETCH shows them; but what arrived since may have one that was not named yet.
  search_->covered = session_->view()->known();
  const uint64_t next = session_->state().selected()->uid_next_at_select;
  if (next <= UidSet::kMaxUid) {
    search_->covered.RemoveRange(static_cast<uint32_t>(std::max<uint64_t>(next, 1)),
                                 UidSet::kMaxUid);
  }
  SearchNext();
}

// What is wanted, in one write with the IDLE that follows.
void IdleDriver::Ask() {
  if (!waiting_.empty() && flushing_.empty()) {
    flushing_ = std::exchange(waiting_, {});
    noop_answered_ = false;
    AskModseq();
    session_->Run(CommandKind::kNoop, "NOOP", [this](const Response& r) { NoopAnswered(r); });
  }
  if (session_->view()->tail_unknown() != 0 || flags_from_ != 0) FetchNew();
  SendIdle();
}

// Behind DONE only UIDs name messages surely. `n:*` beyond the end returns the last message, which
// is known.
void IdleDriver::FetchNew() {
  uint64_t from = uint64_t{session_->view()->known().Last()} + 1;
  if (flags_from_ != 0) from = std::min(from, flags_from_);
  std::string fetch = "UID FETCH ";
  AppendNumber(&fetch, from);
  fetch += ":* (UID";
  fetching_flags_ = std::exchange(flags_from_, 0) != 0;
  if (fetching_flags_) fetch += modseqs() ? " FLAGS MODSEQ" : " FLAGS";
  fetch += ")";
  const uint32_t unknown = session_->view()->tail_unknown();
  session_->Run(CommandKind::kFetch, fetch, [this, unknown, from](const Response& response) {
    const bool refused = fetching_flags_ && response.status != Status::kOk;
    if (refused) flags_from_ = flags_from_ == 0 ? from : std::min(flags_from_, from);
    const bool fruitful = !refused && (unknown == 0 || session_->view()->tail_unknown() < unknown);
    fruitless_ = fruitful ? 0 : fruitless_ + 1;
    if (fruitless_ >= kMaxFruitless) {
      return Lost(SessionLoss::kProtocol, "the store announced messages and does not show them");
    }
    fetching_flags_ = false;
    TellArrived();
    FinishFlush();
    if (phase_ == Phase::kStopping && session_->state().idle()) return HandBack();
    if (polling_) RestSoon();
  });
}

// Whether clients may be there who are told flags with their MODSEQ only. Not every store adds it
// to an answer unasked.
bool IdleDriver::modseqs() const {
  return session_->state().enabled().condstore() && !session_->state().selected()->no_modseq;
}

// STATUS tells a MODSEQ that the NOOP behind it brings this session to. Only where the session
// speaks of MODSEQ anyway: it would from then on.
void IdleDriver::AskModseq() {
  modseq_ = 0;
  if (!std::exchange(modseq_wanted_, false)) return;
  const std::string& mailbox = session_->state().selected()->name;
  if (!modseqs() || AstringFormOf(mailbox) == StringForm::kLiteral) return;
  std::string status = "STATUS ";
  AppendAstring(&status, mailbox, LiteralStyle::kNonSync);
  status += " (HIGHESTMODSEQ)";
  auto heard = std::make_shared<uint64_t>(0);
  session_->Run(
      CommandKind::kStatus, status,
      [this, heard](const Response& response) {
        // Only if it is answered before the NOOP.
        if (response.status == Status::kOk && !noop_answered_) modseq_ = *heard;
      },
      [heard](const Piece& piece, const Response* first) {
        if (first == nullptr || first->kind != ResponseKind::kStatus) return first == nullptr;
        StatusInfo info;
        if (piece.ends_message && ParseStatus(first->rest, &info)) {
          *heard = info.highest_modseq.value_or(0);
        }
        return true;
      });
}

void IdleDriver::LearnFlags(uint32_t from, const std::vector<std::string>& flags, Learned learned) {
  ROOST_CHECK(search_ == nullptr);
  auto search = std::make_unique<Search>();
  search->from = from;
  for (const std::string& flag : flags) {
    std::string key = SearchKeyOf(flag);
    if (!key.empty()) search->keys.emplace_back(flag, std::move(key));
  }
  search->learned = std::move(learned);
  search_ = std::move(search);
  if (stopping() || search_->keys.size() > kMostSearches) return EndSearch(false);
  loop_.Post([this, life = std::weak_ptr<int>(life_)] {
    if (!life.expired()) Kick();
  });
}

// One after the other: answers without a tag would not tell which they are of.
void IdleDriver::SearchNext() {
  if (!waiting_.empty() || phase_ != Phase::kBusy) {  // somebody is in more of a hurry
    return AbortSearch();
  }
  if (search_->found.size() == search_->keys.size()) {
    // What was found has been told once a flush is over that begins now.
    waiting_.push_back({[this](bool ok) { EndSearch(ok); }, loop_.now_ns()});
    return Ask();
  }
  const bool esearch =
      session_->state().capabilities().Has("ESEARCH") || session_->state().enabled().rev2();
  std::string command = esearch ? "UID SEARCH RETURN (ALL) UID " : "UID SEARCH UID ";
  AppendNumber(&command, search_->from);
  command.append(":* ").append(search_->keys[search_->found.size()].second);
  search_->uids.Clear();
  search_->listed = false;
  search_->parser = std::make_unique<SearchListParser>(&search_->uids);
  session_->Run(
      CommandKind::kSearch, command,
      [this](const Response& response) {
        if (search_ == nullptr) return;
        if (response.status != Status::kOk || !search_->listed) return AbortSearch();
        search_->found.emplace_back(search_->keys[search_->found.size()].first,
                                    std::move(search_->uids));
        SearchNext();
      },
      [this](const Piece& piece, const Response* first) { return SearchPiece(piece, first); });
}

bool IdleDriver::SearchPiece(const Piece& piece, const Response* first) {
  if (first != nullptr && first->kind != ResponseKind::kSearch &&
      first->kind != ResponseKind::kEsearch) {
    return false;
  }
  if (search_ == nullptr || search_->parser == nullptr) return true;
  search_->parser->Feed(piece.bytes);
  if (!piece.ends_message) return true;
  search_->listed = search_->parser->Finish() && !search_->listed;
  return true;
}

void IdleDriver::AbortSearch() {
  EndSearch(false);
  if (phase_ != Phase::kStopped) Ask();
}

void IdleDriver::EndSearch(bool ok) {
  std::unique_ptr<Search> search = std::move(search_);
  if (search != nullptr) search->learned(ok, search->covered, search->found);
}

void IdleDriver::NoopAnswered(const Response& response) {
  if (response.status != Status::kOk) {
    return Lost(SessionLoss::kProtocol, "the store refused NOOP");
  }
  noop_answered_ = true;
  FinishFlush();
  if (polling_) RestSoon();
}

void IdleDriver::TellArrived() {
  UidSet arrived = session_->mutable_view()->CommitTail();
  if (arrived.empty()) return;
  listener_.OnDriverArrived(arrived);
  for (const EarlyFlags& early : std::exchange(early_flags_, {})) {
    if (session_->view()->known().Contains(early.uid)) {
      listener_.OnDriverFlags(early.uid, early.flags, early.modseq);
    } else if (early.uid > session_->view()->known().Last()) {
      early_flags_.push_back(early);
    }
  }
  BatchSoon();
}

void IdleDriver::FinishFlush() {
  if (flushing_.empty() || !noop_answered_) return;
  TellArrived();
  // UIDs and flags that are asked for in the next cycle, or are being fetched.
  if (session_->view()->tail_size() != 0 || flags_from_ != 0 || fetching_flags_) return;
  if (modseq_ != 0) listener_.OnDriverConfirmed(std::exchange(modseq_, 0));
  listener_.OnDriverBatchEnd();
  std::vector<Waiter> done = std::exchange(flushing_, {});
  for (const Waiter& w : done) flushed_ns_ = std::max(flushed_ns_, w.asked_ns);
  std::weak_ptr<int> life = life_;
  for (Waiter& w : done) {
    w.done(true);
    if (life.expired()) return;
  }
}

void IdleDriver::Flush(std::function<void(bool)> done) {
  if (phase_ == Phase::kStopping || phase_ == Phase::kStopped) return done(false);
  waiting_.push_back({std::move(done), loop_.now_ns()});
  // Whoever asks in the same turn shares one flush.
  loop_.Post([this, life = std::weak_ptr<int>(life_)] {
    if (!life.expired()) Kick();
  });
}

void IdleDriver::Stop(std::function<void(std::unique_ptr<Session>)> done) {
  ROOST_CHECK(!stopped_);
  if (phase_ == Phase::kStopped) return done(nullptr);
  stopped_ = std::move(done);
  const bool idle = phase_ == Phase::kIdle;
  phase_ = Phase::kStopping;
  if (idle && polling_) return RestSoon();
  if (idle) EndIdle();  // else at the next `+`
}

void IdleDriver::BatchSoon() {
  if (batch_posted_) return;
  batch_posted_ = true;
  loop_.Post([this, life = std::weak_ptr<int>(life_)] {
    if (life.expired()) return;
    batch_posted_ = false;
    listener_.OnDriverBatchEnd();
  });
}

void IdleDriver::OnStoreData(Session& session, const Piece& piece, const Response* first) {
  if (first == nullptr) return;
  if (!session.view()->ok()) {
    return Lost(SessionLoss::kProtocol, "the store contradicts itself about message numbers");
  }
  switch (first->kind) {
    case ResponseKind::kExists:
      Kick();
      break;
    case ResponseKind::kExpunge:
      if (session.last_expunged().was_known) {
        UidSet uids;
        uids.Insert(session.last_expunged().uid);
        listener_.OnDriverExpunged(uids);
        BatchSoon();
      }
      break;
    case ResponseKind::kVanished:
      if (first->earlier) break;
      if (!session.last_vanished().exact) {
        return Lost(SessionLoss::kProtocol, "VANISHED named messages that are not known");
      }
      if (!session.last_vanished().removed.empty()) {
        listener_.OnDriverExpunged(session.last_vanished().removed);
        BatchSoon();
      }
      break;
    case ResponseKind::kFetch: {
      const FetchInfo info = ParseFetch(first->rest);
      if (first->number == 0 || first->number > session.view()->size() ||
          (piece.ends_message && !info.whole)) {
        return Lost(SessionLoss::kProtocol, "the store sent a FETCH response that cannot be");
      }
      if (!info.flags) break;
      const uint32_t uid = session.view()->UidOf(first->number);
      if (uid == 0) {
        // Asked for together with its UID or, if that is being asked for already, behind it.
        if (flags_from_ == 0) flags_from_ = uint64_t{session.view()->known().Last()} + 1;
        break;
      }
      // Told behind its arrival: a client may know the message from a session of its own.
      if (!session.view()->known().Contains(uid)) {
        if (early_flags_.size() >= kMostEarlyFlags) {
          return Lost(SessionLoss::kProtocol, "the store tells flags of messages and not these");
        }
        early_flags_.push_back({uid, info.modseq.value_or(0), std::string(*info.flags)});
        break;
      }
      listener_.OnDriverFlags(uid, *info.flags, info.modseq.value_or(0));
      BatchSoon();
      break;
    }
    case ResponseKind::kFlags:
      if (piece.ends_message) listener_.OnDriverLine(piece.bytes);
      BatchSoon();
      break;
    case ResponseKind::kOk:
    case ResponseKind::kNo:
    case ResponseKind::kBad:
      // PERMANENTFLAGS depend on how the mailbox was opened: told when a client has a session
      // again.
      if (first->CodeIs("ALERT")) {
        if (piece.ends_message) listener_.OnDriverLine(piece.bytes);
        BatchSoon();
      }
      break;
    case ResponseKind::kOther:
      // An extension's response begins with a letter; anything else is noise, and what else was
      // lost is not known.
      if (first->name.empty() || !std::isalpha(static_cast<unsigned char>(first->name.front()))) {
        return Lost(SessionLoss::kProtocol, "the store sent a line that is no response");
      }
      break;
    default:
      break;
  }
}

void IdleDriver::ArmCheck() {
  const uint64_t period = polling_ ? poll_ns_ : check_ns_;
  if (period == 0) return;
  // Spread: thousands of drivers of one store must not check in one moment.
  uint8_t random[2];
  loop_.io().Random(random);
  const uint64_t spread = period / 8 / 65536 * (random[0] | random[1] << 8);
  check_.SetIn(period - spread, [this] {
    modseq_wanted_ = true;
    if (polling_) listener_.OnDriverPolls();
    Flush([](bool) {});
    ArmCheck();
  });
}

void IdleDriver::OnSessionLost(Session&, SessionLoss loss, const std::string& text) {
  Lost(loss, text);
}

void IdleDriver::Lost(SessionLoss loss, const std::string& text) {
  if (phase_ == Phase::kStopped) return;
  const bool stopping = phase_ == Phase::kStopping;
  phase_ = Phase::kStopped;
  check_.Cancel();
  if (session_ != nullptr) {
    session_->Close();
    loop_.Retire(std::move(session_));
  }
  auto stopped = std::exchange(stopped_, nullptr);
  EndSearch(false);
  auto waiting = std::exchange(waiting_, {});
  auto flushing = std::exchange(flushing_, {});
  std::weak_ptr<int> life = life_;
  for (Waiter& w : flushing) w.done(false);
  for (Waiter& w : waiting) w.done(false);
  if (stopping) return stopped(nullptr);
  if (!life.expired()) listener_.OnDriverLost(loss, text);
}

}  // namespace roost
