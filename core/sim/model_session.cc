#include "core/sim/model_session.h"

#include <algorithm>
#include <utility>

namespace roost {
namespace {

bool IsKnown(std::string_view command) {
  const std::vector<TextToken> tokens = Tokenize(command);
  if (tokens.size() < 2) return false;
  static constexpr std::string_view kCommands[] = {
      "UID",   "LOGIN", "AUTHENTICATE", "SELECT", "EXAMINE", "APPEND", "STATUS", "SEARCH", "FETCH",
      "STORE", "COPY",  "MOVE",         "SORT",   "THREAD",  "ID",     "ENABLE", "CREATE", "LIST"};
  return std::any_of(std::begin(kCommands), std::end(kCommands),
                     [&](std::string_view name) { return tokens[1].Is(name); });
}

}  // namespace

ModelSession::ModelSession(ModelStore& store, uint64_t number, SocketId socket)
    : store_(store), rng_(store.rng().Fork()), number_(number), wire_(store.wires(), *this) {
  wire_.Open(socket);
  Say("* OK [CAPABILITY " + store_.CapabilityText(false) + "] Model store ready.");
}

ModelSession::~ModelSession() { Deselect(); }

void ModelSession::Say(const std::string& line) {
  if (dead()) return;
  store_.transcript().Add(store_.wires().now_ns(), user_,
                          "  store " + std::to_string(number_) + " >", line);
  wire_.Write(line + "\r\n");
}

void ModelSession::Answer(std::string_view status_and_text) {
  const bool free = status_and_text.substr(0, 3) == "OK " && status_and_text.substr(3, 1) != "[";
  const std::string alert = free ? store_.SomeAlert() : std::string();
  Say(tag_ + " " + (alert.empty() ? std::string(status_and_text) : "OK " + alert));
}

void ModelSession::SayAlert() {
  const std::string alert = store_.SomeAlert();
  if (!alert.empty()) Say((rng_.Chance(0.5) ? "* OK " : "* NO ") + alert);
}

// Below which MODSEQ all was told; where `code` is said already, in a line of its own.
void ModelSession::AnswerDone(std::string_view code) {
  uint64_t below = kNever;
  if (mailbox_ != nullptr && tells_modseq() && store_.traits().strict_modseq) {
    for (const auto& [modseq, uid] : truth_->expunged()) {
      if (FindSeen(uid) != nullptr) below = std::min(below, modseq);
    }
  }
  const std::string answer = "OK " + std::string(code) + "Done.";
  if (below == kNever) return Answer(answer);
  ++store_.counts().lowered_modseqs;
  const std::string known = "OK [HIGHESTMODSEQ " + std::to_string(below - 1) + "] ";
  if (code.empty()) return Answer(known + "Done.");
  Say("* " + known + "Highest told.");
  Answer(answer);
}

void ModelSession::Bye(std::string_view reason) {
  store_.NoteTrouble(user_, SecondsToNs(60));
  Say("* BYE " + std::string(reason));
  Deselect();
  wire_.Close();
}

void ModelSession::Cut() {
  store_.NoteTrouble(user_, SecondsToNs(60));
  store_.transcript().Add(store_.wires().now_ns(), user_, "  store " + std::to_string(number_),
                          "is cut");
  Deselect();
  wire_.Abort();
}

void ModelSession::Hang(uint64_t for_ns) {
  if (hangs_) return;
  hangs_ = true;
  store_.transcript().Add(store_.wires().now_ns(), user_, "  store " + std::to_string(number_),
                          "hangs");
  store_.NoteTrouble(user_, for_ns + SecondsToNs(60));
  store_.wires().In(for_ns, life_, [this] {
    if (!dead()) Cut();
  });
}

void ModelSession::Garbage() {
  store_.NoteTrouble(user_, SecondsToNs(60));
  Say(rng_.Chance(0.5) ? "%GARBAGE% \x01\x02 noise" : "* (GARBAGE\x7f");
}

void ModelSession::OnWireClosed(int) { Deselect(); }

bool ModelSession::HasNews() const {
  if (!idling_ || mailbox_ == nullptr || hangs_ || deaf_) return false;
  const auto seen = [this](const auto& news) { return FindSeen(news.first) != nullptr; };
  return mailbox_->replaced() || !arrivals_.empty() ||
         std::any_of(expunges_.begin(), expunges_.end(), seen) ||
         std::any_of(reflagged_.begin(), reflagged_.end(), seen);
}

void ModelSession::OnWireInput() {
  const auto takes = [this](std::string_view text) {
    if (!store_.traits().skips_literals || user_.empty() || IsKnown(text)) return true;
    ++store_.counts().skipped_literals;
    return false;
  };
  while (std::optional<std::string> command = reader_.Next(&wire_.input, takes)) {
    commands_.push_back(std::move(*command));
  }
  if (reader_.TakeContinuationWanted()) Say("+ go ahead");
  Work();
}

// Executes one command after the other, each after a while.
void ModelSession::Work() {
  if (working_ || commands_.empty() || dead() || hangs_) return;
  working_ = true;
  store_.wires().In(rng_.Below(store_.traits().max_work_ns), life_, [this] {
    working_ = false;
    if (dead() || hangs_ || commands_.empty()) return;
    const std::string command = std::move(commands_.front());
    commands_.pop_front();
    Execute(command);
    Work();
  });
}

void ModelSession::Execute(const std::string& text) {
  const bool secret = user_.empty() && !awaits_sasl_ && text.find("LOGIN") != text.npos;
  store_.transcript().Add(store_.wires().now_ns(), user_,
                          "  store " + std::to_string(number_) + " <", secret ? "(login)" : text);
  ++store_.counts().commands;
  if (awaits_sasl_) {
    awaits_sasl_ = false;
    return SaslPlain(FromBase64(text));
  }
  if (idling_) {
    if (store_.TakeAimedCut("DONE")) return Cut();
    idling_ = false;
    return SameWord(text, "DONE") ? AnswerDone() : Answer("BAD Expected DONE.");
  }
  Tokens tokens = Tokenize(text);
  if (tokens.size() < 2) return Say("* BAD Cannot read that.");
  tag_ = tokens[0].text;
  store_.NoteTag(user_, tag_);
  std::string name = Upper(tokens[1].text);
  tokens.erase(tokens.begin(), tokens.begin() + 2);
  uid_command_ = name == "UID" && !tokens.empty();
  if (uid_command_) {
    name = Upper(tokens[0].text);
    tokens.erase(tokens.begin());
  }
  const bool breaks = store_.TakeAimedCut(name);
  if (breaks && rng_.Chance(0.5)) return Cut();
  ExecuteNamed(name, tokens);
  if (!breaks || dead()) return;
  // What was answered is still heard.
  store_.NoteTrouble(user_, SecondsToNs(60));
  Deselect();
  wire_.Close();
}

void ModelSession::ExecuteNamed(const std::string& name, const Tokens& tokens) {
  if (name == "CAPABILITY") {
    Say("* CAPABILITY " + store_.CapabilityText(!user_.empty()));
    return Answer("OK Done.");
  }
  if (name == "ID") {
    Say("* ID (\"name\" \"model\")");
    return Answer("OK Done.");
  }
  if (name == "LOGOUT") {
    Say("* BYE Logging out.");
    Answer("OK Done.");
    Deselect();
    return wire_.Close();
  }
  if (!user_.empty()) return ExecuteLoggedIn(name, tokens);
  if (name == "LOGIN") return Login(tokens);
  if (name == "AUTHENTICATE") return Authenticate(tokens);
  if (name == "NOOP") return Answer("OK Done.");
  Answer("BAD Log in first.");
}

void ModelSession::UnknownCommand() {
  if (!store_.traits().untagged_bad) return Answer("BAD No such command.");
  ++store_.counts().untagged_bads;
  Say("* BAD No such command.");
}

void ModelSession::ExecuteLoggedIn(const std::string& name, const Tokens& tokens) {
  if (name == "ENABLE" && store_.traits().enable) return Enable(tokens);
  if (name == "NOTIFY" && store_.traits().notify) return Notify(tokens);
  if (name == "SELECT" || name == "EXAMINE") return Select(tokens, name == "EXAMINE");
  if (name == "APPEND") return Append(tokens);
  if (name == "STATUS") return Status(tokens);
  if (name == "LIST") return List();
  if (name == "NOOP" || (name == "CHECK" && mailbox_ != nullptr)) {
    const bool all = name == "NOOP" || store_.traits().check_flushes;
    Tell(all, true);
    return AnswerDone();
  }
  if (name == "IDLE" && store_.traits().refuses_idle) return Answer("NO Not now.");
  if (name == "IDLE" && store_.traits().idle) {
    Say("+ idling");
    idling_ = true;
    return Tell(false, true);
  }
  if (mailbox_ == nullptr) return UnknownCommand();
  ExecuteSelected(name, tokens);
}

void ModelSession::ExecuteSelected(const std::string& name, const Tokens& tokens) {
  if (name == "UNSELECT" && store_.traits().unselect) {
    Deselect();
    return Answer("OK Done.");
  }
  if (name == "CLOSE") {
    if (!read_only_) {
      CatchUp();
      for (const Seen& seen : view_) {
        const ModelMessage* m = mailbox_->Find(seen.uid);
        if (m != nullptr && m->flags.count("\\Deleted") != 0) ExpungeTruly(seen.uid);
      }
    }
    Deselect();
    return Answer("OK Done.");
  }
  if (name == "SEARCH") return Search(tokens);
  if (name == "FETCH") return Fetch(tokens);
  if (name == "STORE") return Store(tokens);
  if (name == "COPY") return CopyOrMove(tokens, false);
  if (name == "MOVE" && store_.traits().move) return CopyOrMove(tokens, true);
  if (name == "EXPUNGE") return Expunge(tokens);
  if (name == "SORT" && store_.traits().sort) return Sort(tokens);
  if (name == "THREAD" && store_.traits().sort) return Thread(tokens);
  UnknownCommand();
}

// ---- Logging in ----

void ModelSession::Login(const Tokens& tokens) {
  if (tokens.size() != 2) return Answer("BAD LOGIN needs two arguments.");
  std::string user = tokens[0].text;
  std::string authzid;
  const size_t star = user.find('*');
  if (star != user.npos) {
    authzid = user.substr(0, star);
    user = user.substr(star + 1);
  }
  LoggedIn(store_.LogIn(authzid, user, tokens[1].text));
}

void ModelSession::Authenticate(const Tokens& tokens) {
  if (tokens.empty() || !SameWord(tokens[0].text, "PLAIN"))
    return Answer("NO [CANNOT] Only PLAIN.");
  if (tokens.size() == 2) return SaslPlain(FromBase64(tokens[1].text));
  awaits_sasl_ = true;
  Say("+ ");
}

void ModelSession::SaslPlain(std::string_view message) {
  const size_t first = message.find('\0');
  const size_t second = first == message.npos ? first : message.find('\0', first + 1);
  if (second == message.npos) return Answer("BAD Cannot read that.");
  LoggedIn(store_.LogIn(message.substr(0, first), message.substr(first + 1, second - first - 1),
                        message.substr(second + 1)));
}

void ModelSession::LoggedIn(const std::string& user) {
  if (store_.refuses_logins()) {
    ++store_.counts().limits;
    static constexpr std::string_view kAnswers[] = {"NO [LIMIT] Too many connections.",
                                                    "NO [UNAVAILABLE] Not now.", "NO [INUSE] Busy.",
                                                    "NO [SERVERBUG] Internal error."};
    return Answer(kAnswers[rng_.Below(std::size(kAnswers))]);
  }
  if (user.empty()) {
    ++store_.counts().refused_logins;
    return Answer("NO [AUTHENTICATIONFAILED] Authentication failed.");
  }
  user_ = user;
  ++store_.counts().logins;
  SayAlert();
  if (store_.traits().replicas > 0 && rng_.Chance(store_.traits().replicas)) {
    on_replica_ = true;
    ++store_.counts().replica_sessions;
  }
  Answer(rng_.Chance(0.5) ? "OK Logged in."
                          : "OK [CAPABILITY " + store_.CapabilityText(true) + "] Logged in.");
}

// ---- Selecting ----

void ModelSession::Enable(const Tokens& tokens) {
  if (mailbox_ != nullptr) return Answer("BAD Not when a mailbox is selected.");
  std::string enabled;
  for (const TextToken& token : tokens) {
    if (token.Is("CONDSTORE") && store_.traits().condstore) {
      condstore_ = true;
      enabled += " CONDSTORE";
    } else if (token.Is("QRESYNC") && store_.traits().qresync) {
      condstore_ = qresync_ = true;
      enabled += " QRESYNC";
    }
  }
  Say("* ENABLED" + enabled);
  Answer("OK Done.");
}

// The one form that is asked of it: news of the selected mailbox, at any time.
void ModelSession::Notify(const Tokens& tokens) {
  const auto names = [&](std::string_view name) {
    return std::any_of(tokens.begin(), tokens.end(),
                       [&](const TextToken& t) { return t.Is(name); });
  };
  if (!names("SET") || !names("SELECTED") || !names("MessageNew") || !names("UID") ||
      !names("MessageExpunge") || !names("FlagChange")) {
    return Answer("BAD Not that way.");
  }
  if (store_.traits().refuses_notify) {
    ++store_.counts().refused_notifies;
    return Answer("NO [NOTIFICATIONOVERFLOW] Too much to ask.");
  }
  if (rng_.Chance(0.5)) Tell(false, true);
  notify_ = true;
  AnswerDone();
}

void ModelSession::Deselect() {
  if (mailbox_ != nullptr) mailbox_->Detach(this);
  mailbox_.reset();
  truth_.reset();
  view_.clear();
  arrivals_.clear();
  expunges_.clear();
  reflagged_.clear();
  told_keywords_.clear();
  idling_ = false;
}

void ModelSession::Select(const Tokens& tokens, bool examine) {
  const bool closed = mailbox_ != nullptr && qresync_;
  Deselect();
  if (closed) Say("* OK [CLOSED] Previous mailbox closed.");
  if (tokens.empty()) return Answer("BAD Which mailbox?");
  bool condstore = false;
  uint64_t since = 0;
  for (size_t i = 1; i < tokens.size(); ++i) {
    if (tokens[i].Is("CONDSTORE")) condstore = true;
    if (tokens[i].Is("QRESYNC") && i + 3 < tokens.size()) {
      if (!qresync_) return Answer("BAD ENABLE QRESYNC first.");
      since = ToNumber(tokens[i + 3].text);
    }
  }
  if (store_.refuses_selects()) {
    ++store_.counts().refused_selects;
    return Answer(rng_.Chance(0.5) ? "NO [UNAVAILABLE] Not now." : "NO [INUSE] Locked.");
  }
  truth_ = store_.Find(user_, tokens[0].text);
  if (truth_ == nullptr) return Answer("NO [NONEXISTENT] No such mailbox.");
  mailbox_ = truth_;
  if (on_replica_) {
    const ModelReplica& replica = store_.ReplicaOf(truth_);
    mailbox_ = replica.copy();
    store_.counts().stale_selects += replica.behind() ? 1 : 0;
  }
  mailbox_->Attach(this);
  examine_ = examine;
  read_only_ = examine || truth_->read_only();
  if (condstore && store_.traits().condstore) condstore_ = true;
  size_t recent = 0;
  for (const ModelMessage& m : mailbox_->messages()) {
    Seen seen{m.uid, m.modseq, m.size, m.recent && store_.traits().recent, m.flags};
    if (seen.recent && !examine) TakeRecent(m.uid);
    recent += seen.recent ? 1 : 0;
    view_.push_back(std::move(seen));
  }
  told_keywords_ = mailbox_->keywords();
  SayKeywords();
  Say("* " + std::to_string(view_.size()) + " EXISTS");
  Say("* " + std::to_string(recent) + " RECENT");
  Say("* OK [UIDVALIDITY " + std::to_string(mailbox_->uid_validity()) + "] Validity.");
  Say("* OK [UIDNEXT " + std::to_string(mailbox_->uid_next()) + "] Next.");
  if (mailbox_->traits().uid_not_sticky) Say("* NO [UIDNOTSTICKY] UIDs are not kept.");
  if (store_.traits().condstore && mailbox_->traits().no_modseq) {
    ++store_.counts().no_modseq_selects;
    Say("* OK [NOMODSEQ] No mod-sequences.");
  } else if (store_.traits().condstore) {
    Say("* OK [HIGHESTMODSEQ " + std::to_string(mailbox_->highest_modseq()) + "] Highest.");
  }
  if (since != 0 && tells_modseq()) SayChangesSince(since);
  SayAlert();
  Answer(read_only_ ? "OK [READ-ONLY] Selected." : "OK [READ-WRITE] Selected.");
}

void ModelSession::SayChangesSince(uint64_t modseq) {
  std::vector<uint32_t> gone;
  for (const auto& [when, uid] : mailbox_->expunged()) {
    if (when > modseq) gone.push_back(uid);
  }
  std::sort(gone.begin(), gone.end());
  if (!gone.empty()) Say("* VANISHED (EARLIER) " + CompressSet(gone));
  for (size_t i = 0; i < view_.size(); ++i) {
    if (view_[i].modseq > modseq) SayFetchFlags(i, true);
  }
}

void ModelSession::SayKeywords() {
  std::string flags = "\\Answered \\Flagged \\Deleted \\Seen \\Draft";
  for (const std::string& keyword : told_keywords_) flags += " " + keyword;
  Say("* FLAGS (" + flags + ")");
  Say("* OK [PERMANENTFLAGS (" + (read_only_ ? std::string() : flags + " \\*") + ")] Permitted.");
}

// ---- Changing ----

void ModelSession::CatchUp() {
  if (on_replica_) store_.ReplicaOf(truth_).CatchUp();
}

void ModelSession::SetFlags(uint32_t uid, ModelFlags flags) {
  truth_->SetFlags(uid, std::move(flags));
  CatchUp();
}

void ModelSession::ExpungeTruly(uint32_t uid) {
  truth_->Expunge(uid);
  CatchUp();
}

void ModelSession::TakeRecent(uint32_t uid) {
  mailbox_->TakeRecent(uid);
  truth_->TakeRecent(uid);
}

// ---- News ----

uint64_t ModelSession::DueAfterDelay() {
  const uint64_t max = store_.traits().max_delay_ns;
  // Often at once, sometimes as late as can be.
  const uint64_t delay = rng_.Chance(0.3) ? 0 : rng_.Below(max + 1);
  return store_.wires().now_ns() + delay;
}

void ModelSession::NewsAt(uint64_t due_ns) {
  store_.wires().In(due_ns - store_.wires().now_ns(), life_, [this] {
    if (dead() || hangs_ || mailbox_ == nullptr) return;
    if (idling_ || notify_) return Tell(false, true);
    if (store_.traits().unsolicited && commands_.empty()) Tell(false, false);
  });
}

void ModelSession::OnArrived(uint32_t uid) {
  Arrival arrival{DueAfterDelay(), {}};
  if (!arrivals_.empty()) arrival.due_ns = std::max(arrival.due_ns, arrivals_.back().due_ns);
  arrival.message.uid = uid;
  Refresh(&arrival.message);
  NewsAt(arrival.due_ns);
  arrivals_.push_back(std::move(arrival));
}

void ModelSession::OnExpunged(uint32_t uid) {
  const uint64_t due = DueAfterDelay();
  expunges_[uid] = due;
  NewsAt(due);
}

void ModelSession::OnReflagged(uint32_t uid) {
  const uint64_t due = DueAfterDelay();
  auto [it, fresh] = reflagged_.emplace(uid, due);
  if (!fresh) it->second = std::min(it->second, due);
  NewsAt(due);
}

void ModelSession::OnReplaced() {
  store_.wires().In(rng_.Below(store_.traits().max_delay_ns + 1), life_,
                    [this, old = mailbox_.get()] {
                      if (!dead() && !hangs_ && mailbox_.get() == old)
                        Bye("The mailbox was replaced.");
                    });
}

const ModelSession::Seen* ModelSession::FindSeen(uint32_t uid) const {
  auto it = std::lower_bound(view_.begin(), view_.end(), uid,
                             [](const Seen& s, uint32_t u) { return s.uid < u; });
  return it != view_.end() && it->uid == uid ? &*it : nullptr;
}

ModelSession::Seen* ModelSession::FindSeen(uint32_t uid) {
  return const_cast<Seen*>(std::as_const(*this).FindSeen(uid));
}

void ModelSession::Refresh(Seen* seen) {
  const ModelMessage* m = mailbox_->Find(seen->uid);
  if (m == nullptr) return;  // what was known of it stays
  seen->flags = m->flags;
  seen->modseq = m->modseq;
  seen->size = m->size;
}

void ModelSession::EarlyNews(bool expunges) {
  if (rng_.Chance(store_.traits().early_news)) Tell(false, expunges);
}

// Tells what is due, or everything; expunges only if they may be told now.
void ModelSession::Tell(bool all, bool expunges) {
  if (mailbox_ == nullptr || deaf_) return;
  if (notify_ && rng_.Chance(store_.traits().notify_overflows)) {
    deaf_ = true;
    ++store_.counts().notify_overflows;
    store_.NoteTrouble(user_, SecondsToNs(60));
    return Say("* OK [NOTIFICATIONOVERFLOW] Too much happens.");
  }
  expunges = expunges || notify_;
  const uint64_t now = all ? kNever : store_.wires().now_ns();
  int order[] = {0, 1, 2};
  std::shuffle(std::begin(order), std::end(order), rng_);
  for (int kind : order) {
    if (kind == 0 && expunges) TellExpunges(now);
    if (kind == 1) TellArrivals(now);
    if (kind == 2) TellFlags(now);
  }
  // An arrival may have been of a message that is gone, and flags wait for nobody.
  if (all && expunges) TellExpunges(now);
  if (all) TellFlags(now);
}

void ModelSession::TellExpunges(uint64_t now_ns) {
  std::vector<uint32_t> gone;
  for (const auto& [uid, due] : expunges_) {
    if (due <= now_ns && FindSeen(uid) != nullptr) gone.push_back(uid);
  }
  for (uint32_t uid : gone) expunges_.erase(uid);
  store_.counts().late_expunges += gone.size();
  SayExpunged(gone);
}

void ModelSession::SayExpunged(const std::vector<uint32_t>& uids) {
  if (uids.empty()) return;
  std::vector<uint32_t> order = uids;
  if (tells_vanished()) {
    Say("* VANISHED " + CompressSet(order));
  } else {
    std::shuffle(order.begin(), order.end(), rng_);
  }
  for (uint32_t uid : order) {
    const size_t index = static_cast<size_t>(FindSeen(uid) - view_.data());
    view_.erase(view_.begin() + static_cast<std::ptrdiff_t>(index));
    reflagged_.erase(uid);
    truth_->NoteToldGone(uid, store_.wires().now_ns());
    if (!tells_vanished()) Say("* " + std::to_string(index + 1) + " EXPUNGE");
  }
}

void ModelSession::TellArrivals(uint64_t now_ns) {
  const size_t before = view_.size();
  size_t recent = 0;
  while (!arrivals_.empty() && arrivals_.front().due_ns <= now_ns) {
    Seen seen = std::move(arrivals_.front().message);
    arrivals_.pop_front();
    if (mailbox_->Find(seen.uid) == nullptr && rng_.Chance(0.5)) {
      // It came and went before this session looked.
      ++store_.counts().unseen_messages;
      expunges_.erase(seen.uid);
      continue;
    }
    if (expunges_.count(seen.uid) != 0) NewsAt(expunges_[seen.uid] = DueAfterDelay());
    Refresh(&seen);
    reflagged_.erase(seen.uid);
    if (store_.traits().recent) {
      const ModelMessage* m = mailbox_->Find(seen.uid);
      seen.recent = m != nullptr && m->recent;
      if (seen.recent && !examine_) TakeRecent(seen.uid);
      recent += seen.recent ? 1 : 0;
    }
    view_.push_back(std::move(seen));
  }
  if (view_.size() == before) return;
  store_.counts().late_arrivals += view_.size() - before;
  Say("* " + std::to_string(view_.size()) + " EXISTS");
  if (recent != 0) Say("* " + std::to_string(recent) + " RECENT");
  if (!notify_) return;
  for (size_t i = before; i < view_.size(); ++i) {
    const uint32_t uid = view_[i].uid;
    if (rng_.Chance(store_.traits().notify_forgets)) continue;
    if (!rng_.Chance(store_.traits().notify_lags)) {
      ShowArrived(uid);
      continue;
    }
    store_.wires().In(rng_.Below(50 * kNsPerMs), life_, [this, uid] {
      if (!dead() && !hangs_ && !deaf_ && mailbox_ != nullptr) ShowArrived(uid);
    });
  }
}

// By its number as it is by now.
void ModelSession::ShowArrived(uint32_t uid) {
  const Seen* seen = FindSeen(uid);
  if (seen == nullptr) return;
  ++store_.counts().notified;
  Say("* " + std::to_string(seen - view_.data() + 1) + " FETCH (UID " + std::to_string(uid) + ")");
}

void ModelSession::TellFlags(uint64_t now_ns) {
  std::vector<uint32_t> uids;
  for (const auto& [uid, due] : reflagged_) {
    if (due <= now_ns && FindSeen(uid) != nullptr) uids.push_back(uid);
  }
  if (rng_.Chance(0.5)) std::shuffle(uids.begin(), uids.end(), rng_);
  for (uint32_t uid : uids) {
    reflagged_.erase(uid);
    Seen* seen = FindSeen(uid);
    Refresh(seen);
    ++store_.counts().late_flags;
    SayFetchFlags(static_cast<size_t>(seen - view_.data()), false);
  }
}

std::string ModelSession::FlagsOf(const Seen& seen) const {
  std::string text = FlagText(seen.flags);
  if (seen.recent) text += text.empty() ? "\\Recent" : " \\Recent";
  return text;
}

void ModelSession::SayFetchFlags(size_t index, bool asked) {
  const Seen& seen = view_[index];
  bool news = false;
  for (const std::string& flag : seen.flags) {
    if (flag.front() != '\\') news |= told_keywords_.insert(flag).second;
  }
  if (news) SayKeywords();
  std::string line = "* " + std::to_string(index + 1) + " FETCH (";
  const bool with_uid =
      qresync_ || (asked && uid_command_) || rng_.Chance(store_.traits().uid_in_news);
  if (with_uid) line += "UID " + std::to_string(seen.uid) + " ";
  if (tells_modseq()) line += "MODSEQ (" + std::to_string(seen.modseq) + ") ";
  Say(line + "FLAGS (" + FlagsOf(seen) + "))");
}

}  // namespace roost
