#include "core/sim/model_client.h"

#include <algorithm>
#include <utility>

#include "core/sim/model_store.h"

namespace roost {
namespace {

// A session is not handed from one client in IDLE to another one in so short a time.
constexpr uint64_t kSameMomentNs = 20 * kNsPerMs;
// Who takes nothing for so long may be cut off: a BYE would wait behind what it does not take.
constexpr uint64_t kDeafNs = 29 * kNsPerSecond;
// What was said so long ago has arrived, unless somebody does not read.
constexpr uint64_t kOnItsWayNs = kNsPerSecond;
// What one session was told, another one, or the feed, has heard of by then.
constexpr uint64_t kKnownNs = 3 * kNsPerSecond;

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

}  // namespace

ModelClient::ModelClient(ClientWorld& world, uint64_t number, uint64_t seed, std::string user,
                         std::vector<std::string> mailboxes, const Habits& habits)
    : world_(world),
      number_(number),
      rng_(seed),
      user_(std::move(user)),
      mailboxes_(std::move(mailboxes)),
      habits_(habits),
      wire_(world.wires, *this) {
  Watch();
}

ModelClient::~ModelClient() = default;

void ModelClient::Wrong(const std::string& text) {
  world_.violations.Add(world_.wires.now_ns(), user_, name(), text);
  world_.transcript.Add(world_.wires.now_ns(), user_, name(), "!! " + text);
}

std::string ModelClient::Describe() const {
  std::string text = name() + " of " + user_;
  text += wire_.open() ? idling_ ? ", idling" : quiet_ ? ", quiet" : ", connected" : ", away";
  if (!sent_.empty()) text += ", waits for " + sent_.front().tag + " " + sent_.front().name;
  if (!belief_.mailbox.empty()) {
    text += ", " + belief_.mailbox + " with " + std::to_string(belief_.size());
  }
  return text;
}

// Looks after answers that never come.
void ModelClient::Watch() {
  world_.wires.In(5 * kNsPerSecond, life_, [this] {
    const bool idles = !sent_.empty() && sent_.front().name == "IDLE" && idling_;
    const uint64_t patience = heard_untagged_bad_ ? world_.bad_patience_ns : world_.patience_ns;
    if (!sent_.empty() && !idles && wire_.open() &&
        sent_.front().sent_ns + patience < world_.wires.now_ns()) {
      // A store that hangs keeps its client waiting, with us as without.
      if (!world_.store.InTrouble(user_) && wire_.reading()) {
        Wrong("no answer to " + sent_.front().tag + " " + sent_.front().name);
      }
      sent_.front().sent_ns = world_.wires.now_ns();
    }
    Watch();
  });
}

void ModelClient::OnWireInput() {
  const uint64_t connection = connection_;
  while (connection == connection_ && wire_.open()) {
    std::optional<std::string> text = reader_.Next(&wire_.input);
    if (!text) break;
    Hear(*text);
  }
}

void ModelClient::OnWireClosed(int) {
  world_.transcript.Add(world_.wires.now_ns(), user_, name(), "connection closed");
  // Also behind a LOGOUT (RFC 3501, 6.1.3).
  const bool wanted = heard_bye_;
  // After BYE nothing is missing; without it only a response that was cut in two excuses.
  const bool half = !reader_.AtStart() || !wire_.input.empty();
  if (half) ++world_.counts.half_responses;
  // Who is told to go and does not read it is cut off soon; everybody else is given some patience.
  const uint64_t patience_ns = world_.ends || world_.logins_age ? kNsPerSecond / 2 : kDeafNs;
  const uint64_t now_ns = world_.wires.now_ns();
  const bool deaf =
      deaf_until_ns_ - deaf_from_ns_ >= patience_ns && now_ns < deaf_until_ns_ + kNsPerSecond;
  if (!wanted && !deaf && stage_ != Stage::kAway && !world_.store.InTrouble(user_)) {
    Wrong("the connection was closed without BYE");
  }
  if (!wanted) ++world_.counts.lost;
  Forget();
  Reconnect();
}

// The connection is over, and with it all that was believed.
void ModelClient::Forget() {
  ++connection_;
  wire_.Abort();
  wire_.SetReading(true);
  wire_.input.clear();
  reader_ = MessageReader();
  sent_.clear();
  belief_.Clear();
  stage_ = Stage::kAway;
  quiet_ = heard_untagged_bad_ = asked_for_everything_ = false;
  idling_ = pinned_ = heard_bye_ = said_logout_ = next_planned_ = false;
  enabled_condstore_ = enabled_qresync_ = false;
  capabilities_.clear();
  refused_logins_ = 0;
}

void ModelClient::Hear(const std::string& text) {
  world_.transcript.Add(world_.wires.now_ns(), user_, name() + " <", text);
  // What a store says that is out of its mind, it says to its own client alone.
  if (world_.faults && text.find("GARBAGE") != std::string::npos) return;
  // But for the answer to its LOGOUT, and an ALERT that came in it.
  const bool farewell =
      said_logout_ && (!StartsWith(text, "* ") || text.find(" [ALERT] ") != text.npos);
  if (heard_bye_ && !farewell) {
    return Wrong("told something behind its BYE: " + text);
  }
  if (StartsWith(text, "* ")) return HearUntagged(text);
  if (StartsWith(text, "+")) return HearContinuation();
  HearTagged(text);
}

void ModelClient::HearContinuation() {
  if (sent_.empty()) return Wrong("a continuation that nobody awaits");
  Sent& sent = sent_.front();
  if (!sent.rest.empty()) return Put(std::exchange(sent.rest, {}));
  if (sent.name == "IDLE" && !idling_) {
    idling_ = true;
    ++world_.counts.idles;
    return EndIdle();
  }
  Wrong("a continuation that nobody awaits");
}

void ModelClient::HearTagged(const std::string& text) {
  const size_t space = text.find(' ');
  const std::string tag = text.substr(0, space);
  if (sent_.empty() || sent_.front().tag != tag) {
    const bool known =
        std::any_of(sent_.begin(), sent_.end(), [&](const Sent& s) { return s.tag == tag; });
    Wrong(known ? "answers out of order: " + text : "an answer that nobody awaits: " + text);
    if (!known) return;
    while (sent_.front().tag != tag) sent_.pop_front();
  }
  Sent sent = std::move(sent_.front());
  sent_.pop_front();
  answered_ns_ = world_.wires.now_ns();
  if (sent.name == "IDLE") idling_ = false;
  if (sent.name == "LOGOUT" && !heard_bye_) Wrong("LOGOUT was answered without BYE: " + text);
  const std::string status = text.substr(std::min(text.size(), space + 1));
  const bool ok = StartsWith(status, "OK");
  HearStatus(Tokenize(status.substr(0, 200)));
  if (sent.name == "SELECT" || sent.name == "EXAMINE") {
    belief_.selecting = false;
    if (!ok) belief_.Clear();
  }
  if (!ok && !sent.may_fail && !MayBeRefused(sent, status)) {
    Wrong("refused: " + sent.name + ": " + text);
  }
  if (ok) CheckDone(sent);
  if (StartsWith(status, "NO [UNAVAILABLE]") && asked_for_everything_) Verify();  // again
  HearCodes(sent, status);
  sent.modseq = std::min(sent.modseq, sent.modseq_stated);
  if (StartsWith(status, "OK [HIGHESTMODSEQ ")) sent.modseq = ToNumber(status.substr(18));
  if (status.find("[MODIFIED") == std::string::npos) CheckModseq(sent);
  const std::string wrong = belief_.CheckPermanentFlags();
  if (!wrong.empty()) Wrong(wrong);
  if (sent.done) sent.done(ok, status);
  if (wire_.open() && stage_ == Stage::kReady && sent_.empty()) Next();
}

// Whether it is no fault of ours that a command was answered NO.
bool ModelClient::MayBeRefused(const Sent& sent, std::string_view status) {
  const auto is = [status](std::string_view code) {
    return StartsWith(status, "NO [" + std::string(code) + "]");
  };
  if (is("READ-ONLY")) return !belief_.may_write();
  if (is("EXPUNGEISSUED")) {
    ++world_.counts.expunge_issued;
    return sent.uses_numbers;
  }
  // Servers that stay apart longer than a wake can wait for them.
  if (is("UNAVAILABLE") && world_.store.traits().replicas > 0) {
    ++world_.counts.unavailable;
    return true;
  }
  if (!world_.faults) return false;
  if (is("UNAVAILABLE") || is("LIMIT") || is("INUSE") || is("SERVERBUG")) {
    ++world_.counts.unavailable;
    return true;
  }
  if (is("AUTHENTICATIONFAILED")) {
    return password_version_ != world_.store.PasswordVersion(user_);
  }
  return is("NONEXISTENT") || is("TRYCREATE") || is("OVERQUOTA");
}

// What a tagged answer names must be what the command named.
void ModelClient::HearCodes(const Sent& sent, const std::string& status) {
  const std::vector<TextToken> tokens = Tokenize(status.substr(0, 4000));
  if (tokens.size() < 2) return;
  const std::string& code = tokens[1].text;
  const bool modified = StartsWith(code, "[MODIFIED ");
  if (!modified && !StartsWith(code, "[COPYUID ")) return;
  const std::vector<TextToken> parts = Tokenize(code.substr(1, code.size() - 2));
  const std::vector<uint32_t>& asked = modified ? sent.asked : sent.copied;
  if (asked.empty() || parts.size() < (modified ? 2 : 4)) return;
  ++(modified ? world_.counts.modified_checked : world_.counts.copies_checked);
  for (uint32_t n : ExpandSet(parts[modified ? 1 : 2].text, 0xfffffff)) {
    if (std::find(asked.begin(), asked.end(), n) == asked.end()) {
      Wrong(sent.name + " did not name " + std::to_string(n) + ": " + status);
    }
  }
}

// Why a connection may be ended.
// Before it selected the mailbox: its answer may have been read late, and what others know of it
// may come late.
uint64_t ModelClient::AboutSelectedNs() const {
  return selected_ns_ - std::min(selected_ns_, SecondsToNs(30));
}

// A drain, or the end of a login's time, waits for the answer to a command that was under way then.
bool ModelClient::CutsShort() const {
  const uint64_t now_ns = world_.wires.now_ns();
  if (stage_ != Stage::kReady || sent_.empty() || sent_.front().name == "IDLE") return false;
  if (sent_.front().tag[0] == 'h') return false;  // perhaps only half of it has been said
  const bool was_deaf = now_ns < deaf_until_ns_ + kOnItsWayNs;
  // Between two commands is a good moment, also when the next one was said already.
  const uint64_t turn_ns = std::max(sent_.front().sent_ns, answered_ns_);
  return !was_deaf && now_ns > turn_ns + kOnItsWayNs;
}

bool ModelClient::IsDue(std::string_view bye) const {
  const auto says = [bye](std::string_view words) { return bye.find(words) != bye.npos; };
  const ModelStore& store = world_.store;
  if (says("Too much has changed") || says("Too far behind")) return world_.small_log;
  if (says("shutting down") || says("by the administrator") || says("store is going down")) {
    return world_.ends;
  }
  if (says("Logged in for too long")) return world_.logins_age;
  // Its mailbox looks otherwise by now, or a SELECT that was refused has left it without one.
  if (says("takes a session of your own")) {
    return world_.by_master && (world_.faults || store.traits().read_only_sometimes);
  }
  if (says("did not answer a command")) return heard_untagged_bad_;
  // It guesses passwords at times, or they change.
  if (says("Too many failed logins")) return refused_logins_ >= 2;
  if (!world_.faults) return false;
  if (says("connection to the mail store was lost") || says("This session ends") ||
      says("mail store broke the protocol") || says("The mailbox was replaced.")) {
    return store.InTrouble(user_);
  }
  // Who joined others before they were found out goes with them.
  if (says("went back in time")) {
    const std::string& of = belief_.selecting ? left_mailbox_ : belief_.mailbox;
    return store.DisturbedSince(user_, of, 0);
  }
  if (says("mailbox was replaced") || says("cannot be opened")) {
    return store.DisturbedSince(user_, belief_.mailbox, AboutSelectedNs()) ||
           (belief_.selecting && store.DisturbedSince(user_, left_mailbox_, left_ns_));
  }
  if (says("no longer accepts this login")) {
    return password_version_ != store.PasswordVersion(user_);
  }
  return false;
}

// No MODSEQ above that of an expunge which was known and is not told: who asked from there on would
// never hear of it (RFC 7162, 3.2). A store that is not strict itself proves nothing.
void ModelClient::CheckModseq(const Sent& sent) {
  const StoreTraits& traits = world_.store.traits();
  // Nor does one that tells of flags between commands, where it cannot tell of expunges, or whose
  // replicas know of flags, and so of their MODSEQ, before they know of expunges.
  const bool strict =
      traits.strict_modseq && !traits.unsolicited && (traits.replicas == 0 || traits.flags_lag);
  if (sent.modseq == 0 || belief_.selecting || !strict) return;
  const auto truth = world_.store.FindByValidity(user_, belief_.uid_validity);
  if (truth == nullptr || truth->name() != belief_.mailbox) return;
  // Of a mailbox that was put back, numbers from before mean nothing; it waits for its BYE.
  if (world_.store.DisturbedSince(user_, belief_.mailbox, AboutSelectedNs())) return;
  ++world_.counts.modseqs_checked;
  const uint64_t known_ns = kKnownNs + (traits.replicas > 0 ? traits.max_lag_ns : 0);
  for (const auto& [modseq, uid] : truth->expunged()) {
    const uint64_t told_ns = truth->ToldGoneNs(uid);
    const bool known = told_ns != kNever && told_ns + known_ns < sent.sent_ns;
    if (!known || modseq > sent.modseq || !belief_.Has(uid)) continue;
    return Wrong(sent.name + " told MODSEQ " + std::to_string(sent.modseq) + " and not that UID " +
                 std::to_string(uid) + " is gone since " + std::to_string(modseq));
  }
}

// What an answered FETCH must have told.
void ModelClient::CheckDone(const Sent& sent) {
  for (uint32_t n : sent.numbers) {
    if (n > belief_.size() || belief_.entries[n - 1].uid == 0 || !belief_.entries[n - 1].flags) {
      return Wrong(sent.name + " was answered without message " + std::to_string(n));
    }
  }
  for (uint32_t uid : sent.uids) {
    for (const Belief::Entry& entry : belief_.entries) {
      if (entry.uid == uid && !entry.flags) {
        return Wrong(sent.name + " was answered without UID " + std::to_string(uid));
      }
    }
  }
}

void ModelClient::HearUntagged(const std::string& text) {
  std::vector<TextToken> tokens = Tokenize(std::string_view(text).substr(2));
  if (tokens.empty()) return Wrong("an empty response: " + text);
  const TextToken first = tokens.front();
  tokens.erase(tokens.begin());
  if (!first.text.empty() && first.text.find_first_not_of("0123456789") == std::string::npos) {
    return HearNumber(static_cast<uint32_t>(ToNumber(first.text)), tokens);
  }
  if (first.Is("OK") && StartsWith(text, "* OK Still here")) {
    ++world_.counts.beats;
    if (!idling_ && (sent_.empty() || quiet_)) Wrong("a heartbeat without IDLE");
  }
  if (first.Is("BYE")) {
    heard_bye_ = true;
    ++world_.counts.byes;
    if (!said_logout_ && !IsDue(text)) Wrong("goodbye without a reason: " + text);
    const bool waits =
        text.find("shutting down") != text.npos || text.find("Logged in for too long") != text.npos;
    if (waits && CutsShort()) {
      Wrong("goodbye before the answer to " + sent_.front().tag + " " + sent_.front().name);
    }
    if (text.find("no longer accepts this login") != text.npos) {
      ++world_.counts.logins_ended;
      if (belief_.mailbox.empty()) ++world_.counts.logins_ended_unselected;
    }
  } else if (first.Is("OK") || first.Is("NO") || first.Is("BAD")) {
    if (stage_ == Stage::kGreeting) {
      stage_ = Stage::kEntering;
      return Enter();
    }
    if (text.find(" [ALERT] ") <= 5) {
      ++world_.counts.alerts_told;
      if (sent_.empty()) Wrong("an ALERT with no command in progress");
    }
    // By itself where the answer that follows has another code.
    if (StartsWith(text, "* OK [HIGHESTMODSEQ ") && !sent_.empty() && !belief_.selecting) {
      sent_.front().modseq = ToNumber(text.substr(20));
    }
    tokens.insert(tokens.begin(), first);
    HearStatus(tokens);
    if (first.Is("BAD")) HearUntaggedBad();
    if (StartsWith(text, "* OK [HIGHESTMODSEQ ") && !sent_.empty()) {
      uint64_t& stated = sent_.front().modseq_stated;
      stated = std::min(stated, ToNumber(text.substr(20)));
    }
    if (StartsWith(text, "* OK [COPYUID ") && !sent_.empty())
      HearCodes(sent_.front(), text.substr(2));
  } else if (first.Is("CAPABILITY")) {
    capabilities_.clear();
    for (const TextToken& token : tokens) capabilities_.insert(Upper(token.text));
  } else if (first.Is("FLAGS")) {
    belief_.Keywords(tokens);
  } else if (first.Is("ENABLED")) {
    if (!Asked("ENABLE")) Wrong("ENABLED that nobody asked for");
    for (const TextToken& token : tokens) {
      if (token.Is("CONDSTORE")) enabled_condstore_ = true;
      if (token.Is("QRESYNC")) enabled_condstore_ = enabled_qresync_ = true;
    }
  } else if (first.Is("VANISHED")) {
    if (!enabled_qresync_) return Wrong("VANISHED without QRESYNC");
    if (!tokens.empty() && tokens[0].kind == TextToken::Kind::kOpen) return;  // (EARLIER)
    if (belief_.selecting || !MayHearExpunge("VANISHED")) return;
    ++world_.counts.vanished_told;
    NoteOvertaken();
    const std::string wrong = belief_.Vanished(tokens.empty() ? "" : tokens[0].text);
    if (!wrong.empty()) Wrong(wrong);
  } else if (first.Is("SEARCH") || first.Is("ESEARCH") || first.Is("SORT") || first.Is("THREAD")) {
    tokens.insert(tokens.begin(), first);
    HearList(tokens);
  } else if (!first.Is("LIST") && !first.Is("STATUS") && !first.Is("ID")) {
    Wrong("what is this: " + text.substr(0, 100));
  } else if (!Asked(first.text)) {
    Wrong("untagged data that nobody asked for: " + text.substr(0, 100));
  }
}

bool ModelClient::Asked(std::string_view name) const {
  return std::any_of(sent_.begin(), sent_.end(),
                     [&](const Sent& s) { return SameWord(s.name.substr(0, name.size()), name); });
}

// Some stores answer so alone what they do not know.
void ModelClient::HearUntaggedBad() {
  if (sent_.empty() || !sent_.front().may_be_untagged) return;
  ++world_.counts.untagged_bads;
  heard_untagged_bad_ = true;
  const Sent sent = std::move(sent_.front());
  sent_.pop_front();
  if (sent.done) sent.done(false, "BAD");
  if (wire_.open() && stage_ == Stage::kReady && sent_.empty()) Next();
}

// [UIDVALIDITY 3] and the like.
void ModelClient::HearStatus(const std::vector<TextToken>& tokens) {
  if (tokens.size() < 2) return;
  const std::string& code = tokens[1].text;
  if (code == "[READ-ONLY]" && !belief_.selecting) ++world_.counts.read_only_told;
  belief_.Code(code);
  if (StartsWith(code, "[CAPABILITY ")) {
    capabilities_.clear();
    for (const TextToken& token : Tokenize(code.substr(12, code.size() - 13))) {
      capabilities_.insert(Upper(token.text));
    }
  }
}

bool ModelClient::MayHearExpunge(const char* what) {
  if (belief_.mailbox.empty()) {
    Wrong(std::string(what) + " with nothing selected");
    return false;
  }
  if (sent_.empty()) {
    Wrong(std::string(what) + " with no command in progress");
    return false;
  }
  if (sent_.front().forbids_expunge) {
    Wrong(std::string(what) + " during " + sent_.front().name);
    return false;
  }
  return true;
}

void ModelClient::HearNumber(uint32_t n, const std::vector<TextToken>& tokens) {
  if (tokens.empty()) return Wrong("a number and nothing");
  if (tokens[0].Is("RECENT")) return;
  if (belief_.mailbox.empty()) return Wrong(tokens[0].text + " with nothing selected");
  std::string wrong;
  if (tokens[0].Is("EXISTS")) {
    ++world_.counts.exists_told;
    NoteOvertaken();
    wrong = belief_.Exists(n);
  } else if (tokens[0].Is("EXPUNGE")) {
    if (belief_.selecting || !MayHearExpunge("EXPUNGE")) return;
    if (enabled_qresync_ && !belief_.no_modseq) Wrong("EXPUNGE to a client with QRESYNC");
    ++world_.counts.expunges_told;
    NoteOvertaken();
    wrong = belief_.Expunge(n);
  } else if (tokens[0].Is("FETCH")) {
    return HearFetch(n, tokens);
  } else {
    wrong = "what is this: " + tokens[0].text;
  }
  if (!wrong.empty()) Wrong(wrong);
}

void ModelClient::HearFetch(uint32_t n, const std::vector<TextToken>& tokens) {
  if (belief_.selecting) return;  // of the mailbox before
  Belief::Fetched fetched;
  std::vector<TextToken> items(tokens.begin() + 1, tokens.end());
  const std::string wrong = belief_.Fetch(n, items, &fetched);
  if (!wrong.empty()) return Wrong(wrong);
  if (fetched.flags) ++world_.counts.flags_told;
  if (fetched.recent && idling_) HearRecent(n);
  if (fetched.modseq != 0 && !sent_.empty())
    sent_.front().modseq = std::max(sent_.front().modseq, fetched.modseq);
  if (fetched.modseq != 0 && !enabled_condstore_) Wrong("MODSEQ to a client without CONDSTORE");
  // What it asked for itself need not have it.
  const bool asked = !sent_.empty() && sent_.front().name.find("FETCH") != std::string::npos;
  if (enabled_condstore_ && can("CONDSTORE") && !belief_.no_modseq && fetched.flags &&
      fetched.modseq == 0 && !asked) {
    Wrong("FLAGS without MODSEQ to a client with CONDSTORE");
  }
  if (enabled_qresync_ && !belief_.no_modseq && fetched.flags && !fetched.uid)
    Wrong("FLAGS without UID to a client with QRESYNC");
  if (fetched.body) {
    ++world_.counts.bodies;
    const std::string other = belief_.CheckBody(user_, n, *fetched.body);
    if (!other.empty()) Wrong(other);
  }
}

// Only one session sees a message as \Recent (RFC 3501, 2.3.2), so only one client is told. Those
// that EXAMINE leave it so for others, and servers that are apart know it each on its own.
void ModelClient::HearRecent(uint32_t n) {
  const uint32_t uid = belief_.entries[n - 1].uid;
  if (uid == 0 || belief_.examine || world_.store.traits().replicas > 0) return;
  const uint64_t now = world_.wires.now_ns();
  auto& told = world_.recent_told[{user_, belief_.mailbox, belief_.uid_validity, uid}];
  if (told.client != number_ && told.at_ns != 0 && now - told.at_ns < kSameMomentNs) {
    Wrong("UID " + std::to_string(uid) + " is \\Recent, as client " + std::to_string(told.client) +
          " was told in the same moment");
  }
  told = {number_, now};
}

void ModelClient::NoteOvertaken() {
  for (Sent& sent : sent_) sent.overtaken = true;
}

// SEARCH, ESEARCH, SORT or THREAD.
void ModelClient::HearList(const std::vector<TextToken>& tokens) {
  const std::string name = tokens[0].Is("ESEARCH") ? "SEARCH" : Upper(tokens[0].text);
  if (sent_.empty() || sent_.front().name.find(name) == std::string::npos) {
    return Wrong("a list that nobody asked for");
  }
  std::vector<uint32_t> found;
  for (size_t i = 1; i < tokens.size(); ++i) {
    if (!tokens[0].Is("ESEARCH")) {
      if (tokens[i].kind == TextToken::Kind::kAtom)
        found.push_back(static_cast<uint32_t>(ToNumber(tokens[i].text)));
    } else if (tokens[i].Is("ALL") && i + 1 < tokens.size()) {
      found = ExpandSet(tokens[i + 1].text, 0xfffffff);
    }
  }
  HearNumbers(found, tokens);
}

void ModelClient::HearNumbers(const std::vector<uint32_t>& found,
                              const std::vector<TextToken>& tokens) {
  const Sent& sent = sent_.front();
  if (sent.list == Sent::List::kAny) return;
  if (sent.list == Sent::List::kAllUids && sent.overtaken) {
    Send("UID SEARCH", "ALL", {.list = Sent::List::kAllUids});
    return;
  }
  if (sent.list == Sent::List::kAllUids) {
    const std::string wrong = belief_.Listed(found);
    if (!wrong.empty()) Wrong(wrong);
    return;
  }
  ++world_.counts.searches_checked;
  const auto asked = [&sent](uint32_t n) {
    return std::find(sent.asked.begin(), sent.asked.end(), n) != sent.asked.end();
  };
  for (uint32_t n : found) {
    bool right = true;
    if (sent.list == Sent::List::kNumbersOfUids) {
      right = n > 0 && n <= belief_.size() && asked(belief_.entries[n - 1].uid);
    } else {
      right = asked(n);  // UIDs that the numbers had, or the numbers themselves
    }
    if (!right) {
      std::string list;
      for (const TextToken& token : tokens) list += " " + token.text;
      return Wrong(sent.name + " found " + std::to_string(n) +
                   ", which it was not asked for:" + list);
    }
  }
}

// ---- what it says ----

void ModelClient::Put(std::string_view bytes) {
  world_.transcript.Add(world_.wires.now_ns(), user_, name() + " >", bytes);
  wire_.Write(bytes);
}

ModelClient::Sent& ModelClient::Send(std::string name, const std::string& arguments, Sent sent) {
  sent.tag = "a" + std::to_string(number_) + "." + std::to_string(++tag_number_);
  sent.name = std::move(name);
  sent.sent_ns = world_.wires.now_ns();
  ++world_.counts.commands;
  std::string line = sent.tag + " " + sent.name;
  if (!arguments.empty()) line += " " + arguments;
  sent_.push_back(std::move(sent));
  Put(line + "\r\n");
  return sent_.back();
}

void ModelClient::Later(double seconds, std::function<void()> action) {
  world_.wires.In(static_cast<uint64_t>(seconds * static_cast<double>(kNsPerSecond)), life_,
                  [this, connection = connection_, action = std::move(action)] {
                    if (connection == connection_) action();
                  });
}

}  // namespace roost
