#include "core/sim/model_client.h"

#include <algorithm>
#include <utility>

namespace roost {
namespace {

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

// What a client may be told when sessions and stores are lost. Nobody's password ever changes here,
// and no mailbox goes back in time.
bool IsGoodReason(std::string_view bye, const ClientWorld& world) {
  for (std::string_view reason : {"The connection to the mail store was lost", "This session ends",
                                  "mailbox was replaced", "Too many failed logins"}) {
    if (world.faults && bye.find(reason) != bye.npos) return true;
  }
  for (std::string_view reason : {"Too much has changed", "Too far behind"}) {
    if (world.small_log && bye.find(reason) != bye.npos) return true;
  }
  return false;
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
  text += wire_.open() ? idling_ ? ", idling" : ", connected" : ", away";
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
    if (!sent_.empty() && !idles && wire_.open() &&
        sent_.front().sent_ns + world_.patience_ns < world_.wires.now_ns()) {
      Wrong("no answer to " + sent_.front().tag + " " + sent_.front().name);
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
  const bool wanted = heard_bye_ || said_logout_;
  if (!wanted && !world_.faults && stage_ != Stage::kAway)
    Wrong("the connection was closed without BYE");
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
  idling_ = pinned_ = heard_bye_ = said_logout_ = next_planned_ = false;
  enabled_condstore_ = enabled_qresync_ = false;
  capabilities_.clear();
  refused_logins_ = 0;
}

void ModelClient::Hear(const std::string& text) {
  world_.transcript.Add(world_.wires.now_ns(), user_, name() + " <", text);
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
  if (sent.name == "IDLE") idling_ = false;
  const std::string status = text.substr(std::min(text.size(), space + 1));
  const bool ok = StartsWith(status, "OK");
  HearStatus(Tokenize(status.substr(0, 200)));
  if (sent.name == "SELECT" || sent.name == "EXAMINE") {
    belief_.selecting = false;
    if (!ok) belief_.Clear();
  }
  if (!ok && !sent.may_fail) {
    const bool issued = StartsWith(status, "NO [EXPUNGEISSUED]");
    const bool unavailable =
        StartsWith(status, "NO [UNAVAILABLE]") || StartsWith(status, "NO [LIMIT]");
    if (issued) ++world_.counts.expunge_issued;
    if (unavailable) ++world_.counts.unavailable;
    const bool fine = (issued && sent.uses_numbers) || (unavailable && world_.faults);
    if (!fine) Wrong("refused: " + sent.name + ": " + text);
  }
  if (ok) CheckDone(sent);
  if (sent.done) sent.done(ok, status);
  if (wire_.open() && stage_ == Stage::kReady && sent_.empty()) Next();
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
    if (!idling_ && sent_.empty()) Wrong("a heartbeat without IDLE");
  }
  if (first.Is("BYE")) {
    heard_bye_ = true;
    ++world_.counts.byes;
    if (!said_logout_ && !IsGoodReason(text, world_)) {
      Wrong("goodbye without a reason: " + text);
    }
  } else if (first.Is("OK") || first.Is("NO") || first.Is("BAD")) {
    if (stage_ == Stage::kGreeting) {
      stage_ = Stage::kEntering;
      return Enter();
    }
    tokens.insert(tokens.begin(), first);
    HearStatus(tokens);
  } else if (first.Is("CAPABILITY")) {
    capabilities_.clear();
    for (const TextToken& token : tokens) capabilities_.insert(Upper(token.text));
  } else if (first.Is("FLAGS")) {
    belief_.Keywords(tokens);
  } else if (first.Is("ENABLED")) {
    for (const TextToken& token : tokens) {
      if (token.Is("CONDSTORE")) enabled_condstore_ = true;
      if (token.Is("QRESYNC")) enabled_condstore_ = enabled_qresync_ = true;
    }
  } else if (first.Is("VANISHED")) {
    if (!enabled_qresync_) return Wrong("VANISHED without QRESYNC");
    if (!tokens.empty() && tokens[0].kind == TextToken::Kind::kOpen) return;  // (EARLIER)
    if (belief_.selecting || !MayHearExpunge("VANISHED")) return;
    ++world_.counts.vanished_told;
    const std::string wrong = belief_.Vanished(tokens.empty() ? "" : tokens[0].text);
    if (!wrong.empty()) Wrong(wrong);
  } else if (first.Is("SEARCH") || first.Is("ESEARCH")) {
    tokens.insert(tokens.begin(), first);
    HearList(tokens);
  } else if (!first.Is("LIST") && !first.Is("STATUS") && !first.Is("ID")) {
    Wrong("what is this: " + text.substr(0, 100));
  }
}

// [UIDVALIDITY 3] and the like.
void ModelClient::HearStatus(const std::vector<TextToken>& tokens) {
  if (tokens.size() < 2) return;
  const std::string& code = tokens[1].text;
  if (StartsWith(code, "[UIDVALIDITY "))
    belief_.uid_validity = static_cast<uint32_t>(ToNumber(code.substr(13)));
  if (StartsWith(code, "[PERMANENTFLAGS ") && !belief_.selecting) {
    const std::string wrong = belief_.PermanentFlags(code);
    if (!wrong.empty()) Wrong(wrong);
  }
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
    wrong = belief_.Exists(n);
  } else if (tokens[0].Is("EXPUNGE")) {
    if (belief_.selecting || !MayHearExpunge("EXPUNGE")) return;
    if (enabled_qresync_) Wrong("EXPUNGE to a client with QRESYNC");
    ++world_.counts.expunges_told;
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
  if (fetched.modseq && !enabled_condstore_) Wrong("MODSEQ to a client without CONDSTORE");
  if (enabled_condstore_ && can("CONDSTORE") && fetched.flags && !fetched.modseq) {
    Wrong("FLAGS without MODSEQ to a client with CONDSTORE");
  }
  if (enabled_qresync_ && fetched.flags && !fetched.uid)
    Wrong("FLAGS without UID to a client with QRESYNC");
  if (fetched.body) {
    ++world_.counts.bodies;
    const std::string other = belief_.CheckBody(user_, n, *fetched.body);
    if (!other.empty()) Wrong(other);
  }
}

// SEARCH or ESEARCH; only UID SEARCH ALL is believed.
void ModelClient::HearList(const std::vector<TextToken>& tokens) {
  if (sent_.empty() || sent_.front().name.find("SEARCH") == std::string::npos) {
    return Wrong("a list that nobody asked for");
  }
  if (sent_.front().name != "UID SEARCH") return;
  std::vector<uint32_t> uids;
  if (tokens[0].Is("SEARCH")) {
    for (size_t i = 1; i < tokens.size(); ++i)
      uids.push_back(static_cast<uint32_t>(ToNumber(tokens[i].text)));
  } else {
    for (size_t i = 1; i + 1 < tokens.size(); ++i) {
      if (tokens[i].Is("ALL")) uids = ExpandSet(tokens[i + 1].text, 0xfffffff);
    }
  }
  const std::string wrong = belief_.Listed(uids);
  if (!wrong.empty()) Wrong(wrong);
}

// ---- what it says
// --------------------------------------------------------------------------------

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
