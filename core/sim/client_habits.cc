// ModelClient: what it does, and when.
#include <algorithm>
#include <utility>

#include "core/sim/model_client.h"
#include "core/sim/model_store.h"

namespace roost {
namespace {

// Below any autologout.
constexpr double kSignOfLifeSeconds = 900;

}  // namespace

void ModelClient::Start() {
  Later(static_cast<double>(rng_.Below(4000)) / 1000, [this] { Connect(); });
}

void ModelClient::Settle() {
  settling_ = true;
  if (idling_ && settles_quiet()) return SayDone("DONE");
  if (stage_ == Stage::kReady && sent_.empty() && !settled()) {
    quiet_ = false;
    Next();
  }
}

bool ModelClient::settled() const {
  if (!wire_.open() || !wire_.reading()) return false;
  if (settles_quiet()) return settling_ && quiet_ && sent_.empty();
  return idling_ && sent_.size() == 1 && sent_.front().name == "IDLE";
}

void ModelClient::Ask() {
  if (!settled() || !quiet_) return;
  quiet_ = false;
  Send("NOOP", "");
}

void ModelClient::Verify() {
  verify_ = true;
  if (!settled()) return;
  if (idling_) return SayDone("DONE");
  quiet_ = false;
  Next();
}

void ModelClient::Finish() {
  finishing_ = true;
  if (!wire_.open()) return;
  if (idling_) {
    SayDone("DONE");
  } else if (sent_.empty() && stage_ == Stage::kReady) {
    quiet_ = false;
    Next();
  }
}

// ---- Coming in ----

void ModelClient::Connect() {
  ++world_.counts.connections;
  stage_ = Stage::kGreeting;
  world_.transcript.Add(world_.wires.now_ns(), user_, name(), "connects");
  wire_.Connect(world_.server);
}

void ModelClient::Reconnect() {
  if (finishing_) return;
  Later(0.1 + static_cast<double>(rng_.Below(3000)) / 1000, [this] {
    if (!finishing_) Connect();
  });
}

void ModelClient::Enter() {
  if (rng_.Chance(0.3)) {
    Send("CAPABILITY", "", {.done = [this](bool, const std::string&) { LogIn(); }});
  } else if (rng_.Chance(0.2)) {
    Send("ID", "(\"name\" \"model client\" \"version\" NIL)",
         {.done = [this](bool, const std::string&) { LogIn(); }});
  } else {
    LogIn();
  }
}

void ModelClient::LogIn() {
  const bool wrong = rng_.Chance(0.03);
  const std::string password = wrong ? "guess" : world_.store.PasswordOf(user_);
  password_version_ = world_.store.PasswordVersion(user_);
  Sent sent;
  sent.may_fail = wrong;
  sent.done = [this](bool ok, const std::string& text) { LoggedIn(ok, text); };
  const std::string plain =
      ToBase64(std::string(1, '\0') + user_ + std::string(1, '\0') + password);
  switch (rng_.Below(5)) {
    case 0:
      Send("LOGIN", user_ + " \"" + password + "\"", std::move(sent));
      break;
    case 1:
      Send("LOGIN", user_ + " {" + std::to_string(password.size()) + "+}\r\n" + password,
           std::move(sent));
      break;
    case 2:
      sent.rest = password + "\r\n";
      Send("login", "\"" + user_ + "\" {" + std::to_string(password.size()) + "}", std::move(sent));
      break;
    case 3:
      Send("AUTHENTICATE", "PLAIN " + plain, std::move(sent));
      break;
    default:
      sent.rest = plain + "\r\n";
      Send("AUTHENTICATE", "PLAIN", std::move(sent));
      break;
  }
}

void ModelClient::LoggedIn(bool ok, const std::string&) {
  if (ok) return AskCapability();
  ++refused_logins_;
  Later(0.5 + static_cast<double>(rng_.Below(2000)) / 1000, [this] {
    if (sent_.empty()) LogIn();
  });
}

void ModelClient::AskCapability() {
  Send("CAPABILITY", "", {.done = [this](bool, const std::string&) { EnableClass(); }});
}

void ModelClient::EnableClass() {
  std::string wanted;
  if (can("ENABLE") && habits_.client_class == ClientClass::kQresync && can("QRESYNC"))
    wanted = "QRESYNC";
  if (can("ENABLE") && habits_.client_class == ClientClass::kCondstore && can("CONDSTORE"))
    wanted = "CONDSTORE";
  if (wanted.empty()) return SelectSome();
  Send("ENABLE", wanted, {.done = [this](bool, const std::string&) { SelectSome(); }});
}

void ModelClient::SelectSome() {
  SelectMailbox(mailboxes_[rng_.Below(mailboxes_.size())], rng_.Chance(habits_.examine));
}

void ModelClient::SelectMailbox(const std::string& mailbox, bool examine) {
  const bool condstore = habits_.client_class == ClientClass::kCondstore && can("CONDSTORE") &&
                         can("ENABLE") && rng_.Chance(0.2);
  left_mailbox_ = belief_.mailbox;
  left_ns_ = selected_ns_;
  belief_.BeginSelect(mailbox, examine);
  selected_ns_ = world_.wires.now_ns();
  Send(examine ? "EXAMINE" : "SELECT", mailbox + (condstore ? " (CONDSTORE)" : ""),
       {.done = [this, condstore](bool ok, const std::string&) {
         stage_ = Stage::kReady;
         if (ok && condstore) enabled_condstore_ = true;
         if (ok) ListAll();
       }});
}

// Learns every UID and, mostly, every flag.
void ModelClient::ListAll() {
  stage_ = Stage::kReady;
  if (belief_.size() == 0) return;
  Sent sent;
  if (habits_.lists_by_fetch) {
    sent.forbids_expunge = sent.uses_numbers = true;
    for (uint32_t n = 1; n <= belief_.size(); ++n) sent.numbers.push_back(n);
    Send("FETCH", "1:* (UID FLAGS)", std::move(sent));
    return;
  }
  if (rng_.Chance(0.7)) {
    sent.list = Sent::List::kAllUids;
    Send("UID SEARCH", can("ESEARCH") && rng_.Chance(0.5) ? "RETURN (ALL) ALL" : "ALL",
         std::move(sent));
    sent = {};
  }
  if (rng_.Chance(0.9)) Send("UID FETCH", "1:* (FLAGS)", std::move(sent));
}

// ---- Going on ----

void ModelClient::Next() {
  if (next_planned_ || quiet_ || !sent_.empty() || stage_ != Stage::kReady) return;
  next_planned_ = true;
  double pause = 0.02;
  if (!settling_ && rng_.Chance(0.5)) {
    pause = habits_.longest_pause_s * static_cast<double>(rng_.Below(1000)) / 1000;
  }
  Later(pause, [this] {
    next_planned_ = false;
    if (sent_.empty() && !quiet_ && stage_ == Stage::kReady && wire_.open()) Act();
  });
}

void ModelClient::Act() {
  if (finishing_) {
    said_logout_ = true;
    Send("LOGOUT", "");
    return;
  }
  if (verify_) {
    verify_ = false;
    verified_ = asked_for_everything_ = true;
    if (belief_.mailbox.empty() || belief_.size() == 0) {
      Send("NOOP", "");
    } else if (rng_.Chance(0.5)) {
      Sent sent;
      sent.forbids_expunge = sent.uses_numbers = true;
      for (uint32_t n = 1; n <= belief_.size(); ++n) sent.numbers.push_back(n);
      Send("FETCH", "1:* (UID FLAGS)", std::move(sent));
    } else {
      Send("UID FETCH", "1:* (FLAGS)");
    }
    return;
  }
  if (belief_.mailbox.empty()) {
    if (!verified_ && rng_.Chance(0.7)) return SelectSome();
    return settling_ || rng_.Chance(0.5) ? Rest() : BeQuiet(habits_.longest_quiet_s);
  }
  if (settling_ || rng_.Chance(habits_.idle)) return Rest();
  if (rng_.Chance(habits_.quiet)) return BeQuiet(habits_.longest_quiet_s);
  if (rng_.Chance(habits_.leave)) return Leave();
  if (rng_.Chance(habits_.odd)) return Odd();
  if (rng_.Chance(habits_.pin)) return PinItself();
  if (belief_.unknown_uids() != 0 && rng_.Chance(0.5)) return LearnNew();
  if (habits_.writes && rng_.Chance(0.35)) return StoreSome();
  ReadSome();
}

void ModelClient::Idle() { Send("IDLE", ""); }

// Waits for news, one way or the other.
void ModelClient::Rest() {
  if (settling_) return settles_quiet() ? BeQuiet(0) : Idle();
  can("IDLE") ? Idle() : BeQuiet(10);
}

// Says nothing for some time; settled: for ever, but for a sign of life now and then.
void ModelClient::BeQuiet(double longest_s) {
  quiet_ = true;
  ++(belief_.mailbox.empty() ? world_.counts.quiet_unselected : world_.counts.quiet);
  const double seconds =
      settling_ ? kSignOfLifeSeconds : longest_s * static_cast<double>(rng_.Below(1000)) / 1000;
  Later(seconds, [this, quiet = ++quiets_] {
    if (!quiet_ || quiet != quiets_ || !sent_.empty()) return;
    quiet_ = false;
    if (settling_) {
      Send("NOOP", "");
    } else {
      rng_.Chance(0.6) ? ActOnNumbers() : Act();
    }
  });
}

// The hardest moment for them: what happened meanwhile is not told yet.
void ModelClient::ActOnNumbers() {
  if (belief_.mailbox.empty() || belief_.size() == 0) return Act();
  ++world_.counts.number_commands;
  switch (rng_.Below(4)) {
    case 0:
      return SearchSome();
    case 1:
      return habits_.writes ? StoreSome() : SearchSome();
    case 2:
      return habits_.writes && rng_.Chance(0.5) ? CopySome() : FetchByNumber();
    default:
      return FetchByNumber();
  }
}

// Its answer is awaited from now on.
void ModelClient::SayDone(std::string_view word) {
  idling_ = false;
  sent_.front().sent_ns = world_.wires.now_ns();
  Put(std::string(word) + "\r\n");
}

// In IDLE from now on: when and how it will end.
void ModelClient::EndIdle() {
  if (settling_) {
    if (verify_ || finishing_ || settles_quiet()) SayDone("DONE");
    return;
  }
  // Mostly short, sometimes as long as it can be.
  double seconds = habits_.longest_idle_s * static_cast<double>(rng_.Below(1000)) / 1000;
  if (rng_.Chance(0.5)) seconds /= 20;
  Later(seconds, [this, tag = sent_.front().tag] {
    if (!idling_ || settling_ || sent_.empty() || sent_.front().tag != tag) return;
    if (rng_.Chance(habits_.leave)) {
      idling_ = false;
      return Leave();
    }
    if (rng_.Chance(habits_.odd * 0.3)) {
      sent_.front().may_fail = true;
      return SayDone("HELLO");
    }
    SayDone(rng_.Chance(0.1) ? "done" : "DONE");
    // Commands without numbers may follow at once.
    switch (rng_.Below(8)) {
      case 0:
        Send("NOOP", "");
        break;
      case 1:
        Idle();
        break;
      case 2:
        if (belief_.last_uid() != 0) FetchByUid();
        break;
      case 3:
        if (!belief_.mailbox.empty()) LearnNew();
        break;
      default:
        break;
    }
  });
}

std::vector<uint32_t> ModelClient::SomeNumbers() {
  std::vector<uint32_t> numbers;
  const uint32_t size = belief_.size();
  if (size == 0) return numbers;
  const auto first = static_cast<uint32_t>(rng_.Between(1, size));
  const auto last = static_cast<uint32_t>(rng_.Between(first, std::min<uint64_t>(size, first + 5)));
  for (uint32_t n = first; n <= last; ++n) {
    if (n == first || rng_.Chance(0.7)) numbers.push_back(n);
  }
  return numbers;
}

std::string ModelClient::RandomFlag() {
  static constexpr std::string_view kFlags[] = {"\\Seen",    "\\Flagged", "\\Answered",
                                                "\\Deleted", "$a",        "$c"};
  return std::string(kFlags[rng_.Below(std::size(kFlags))]);
}

void ModelClient::ReadSome() {
  switch (rng_.Below(9)) {
    case 0:
    case 1:
      Send("NOOP", "");
      return;
    case 2:
      Send("CHECK", "");
      return;
    case 3:
      return FetchByUid();
    case 4:
      Send("STATUS", mailboxes_[rng_.Below(mailboxes_.size())] + " (MESSAGES UIDNEXT)");
      return;
    case 5:
      if (rng_.Chance(0.5)) return SelectSome();
      Send(rng_.Chance(0.5) ? "LIST" : "CAPABILITY", "");
      return;
    case 6:
      if (belief_.size() != 0 && rng_.Chance(0.5)) return SearchSome();
      Send("UID SEARCH", "ALL", {.list = Sent::List::kAllUids});
      return;
    default:
      return FetchByNumber();
  }
}

void ModelClient::SearchSome() {
  Sent sent;
  sent.forbids_expunge = sent.uses_numbers = true;
  const std::vector<uint32_t> numbers = SomeNumbers();
  const std::vector<uint32_t> uids = belief_.UidsOf(numbers);
  if (uids.empty()) return FetchByNumber();
  const bool by_uid = rng_.Chance(0.3);  // the answer, that is
  const uint64_t kind = can("SORT") ? rng_.Below(4) : rng_.Below(2);
  std::string keys = CompressSet(numbers);
  sent.list = by_uid ? Sent::List::kUidsOfNumbers : Sent::List::kSomeNumbers;
  sent.asked = by_uid ? uids : numbers;
  if (!by_uid && rng_.Chance(0.5)) {
    keys = "UID " + CompressSet(uids);
    sent.list = Sent::List::kNumbersOfUids;
    sent.asked = uids;
  }
  if (rng_.Chance(0.2)) keys += rng_.Chance(0.5) ? " UNSEEN" : " NOT DELETED";
  if (kind == 0 && can("ESEARCH")) keys = "RETURN (ALL) " + keys;
  if (kind == 2) keys = "(SIZE) UTF-8 " + keys;
  if (kind == 3) keys = "REFERENCES UTF-8 " + keys;
  const std::string name = kind == 2 ? "SORT" : kind == 3 ? "THREAD" : "SEARCH";
  Send(by_uid ? "UID " + name : name, keys, std::move(sent));
}

// Asks for what cannot be: everything was changed since the first moment.
void ModelClient::StoreUnchanged() {
  Sent sent;
  sent.asked = SomeNumbers();
  sent.forbids_expunge = sent.uses_numbers = true;
  sent.may_fail = !belief_.may_write();
  if (sent.asked.empty()) return LearnNew();
  const std::string set = CompressSet(sent.asked);
  Send("STORE", set + " (UNCHANGEDSINCE 1) +FLAGS (\\Seen)", std::move(sent));
}

void ModelClient::FetchByNumber() {
  for (uint64_t more = 1 + (rng_.Chance(0.2) ? rng_.Below(3) : 0); more > 0; --more) {
    const std::vector<uint32_t> numbers = SomeNumbers();
    if (numbers.empty()) break;
    Sent sent;
    sent.forbids_expunge = sent.uses_numbers = true;
    std::string items = "(UID FLAGS)";
    switch (rng_.Below(5)) {
      case 0:
        items = "(FLAGS)";
        break;
      case 1:
        items = "(UID RFC822.SIZE BODY.PEEK[])";
        break;
      case 2:
        items = "(UID BODY[])";
        break;
      default:
        sent.numbers = numbers;
        break;
    }
    Send("FETCH", CompressSet(numbers) + " " + items, std::move(sent));
  }
  if (sent_.empty()) Send("NOOP", "");
}

void ModelClient::FetchByUid() {
  Sent sent;
  for (const Belief::Entry& entry : belief_.entries) {
    if (entry.uid != 0 && rng_.Chance(0.3)) sent.uids.push_back(entry.uid);
  }
  if (sent.uids.empty()) return LearnNew();
  const std::string set = CompressSet(sent.uids);
  if (rng_.Chance(0.2)) sent.uids.clear();
  const bool flags = !sent.uids.empty();
  Send("UID FETCH", set + (flags ? " (FLAGS)" : " (BODY.PEEK[])"), std::move(sent));
}

void ModelClient::LearnNew() {
  Send("UID FETCH", std::to_string(belief_.last_uid() + 1) + ":* (UID FLAGS)");
}

void ModelClient::StoreSome() {
  switch (rng_.Below(8)) {
    case 0:
      return AppendSome();
    case 1:
      return CopySome();
    case 2:
      Send("EXPUNGE", "", {.may_fail = !belief_.may_write()});
      return;
    case 3:
      if (enabled_condstore_ && !belief_.no_modseq) return StoreUnchanged();
      break;
    default:
      break;
  }
  const std::vector<uint32_t> numbers = SomeNumbers();
  if (numbers.empty()) return AppendSome();
  std::string uids, meant;
  for (uint32_t n : numbers) {
    const uint32_t uid = belief_.entries[n - 1].uid;
    if (uid == 0) return LearnNew();
    uids += (uids.empty() ? "" : ",") + std::to_string(uid);
    meant += (meant.empty() ? "" : ".") + std::to_string(uid);
  }
  static constexpr std::string_view kActions[] = {"+FLAGS", "-FLAGS", "+FLAGS", "FLAGS",
                                                  "+FLAGS.SILENT"};
  const std::string action(kActions[rng_.Below(std::size(kActions))]);
  const bool by_uid = rng_.Chance(0.4);
  Sent sent;
  sent.may_fail = !belief_.may_write();
  sent.forbids_expunge = sent.uses_numbers = !by_uid;
  if (action.find("SILENT") != std::string::npos) {
    sent.done = [this, uids](bool, const std::string&) {
      for (uint32_t uid : ExpandSet(uids, 0xfffffff)) {
        for (Belief::Entry& entry : belief_.entries) {
          if (entry.uid == uid) entry.flags.reset();
        }
      }
    };
  }
  if (by_uid) {
    Send("UID STORE", uids + " " + action + " (" + RandomFlag() + ")", std::move(sent));
  } else {
    Send("STORE", CompressSet(numbers) + " " + action + " (" + RandomFlag() + " $uid" + meant + ")",
         std::move(sent));
  }
}

void ModelClient::AppendSome() {
  const std::string mailbox =
      rng_.Chance(0.6) ? belief_.mailbox : mailboxes_[rng_.Below(mailboxes_.size())];
  const std::string body =
      "Subject: from a client\r\n\r\n" + std::string(rng_.Below(4000), 'x') + "\r\n";
  const std::string size = std::to_string(body.size());
  if (can("LITERAL+") && rng_.Chance(0.5)) {
    Send("APPEND", mailbox + " (\\Seen) {" + size + "+}\r\n" + body);
  } else {
    Send("APPEND", mailbox + " {" + size + "}", {.rest = body + "\r\n"});
  }
}

void ModelClient::CopySome() {
  const std::vector<uint32_t> numbers = SomeNumbers();
  if (numbers.empty()) return AppendSome();
  const bool move = can("MOVE") && belief_.may_write() && rng_.Chance(0.4);
  const std::string to = " " + mailboxes_[rng_.Below(mailboxes_.size())];
  Sent sent;
  sent.copied = belief_.UidsOf(numbers);
  const std::string name = move ? "MOVE" : "COPY";
  if (!sent.copied.empty() && rng_.Chance(0.3)) {
    const std::string uids = CompressSet(sent.copied);
    Send("UID " + name, uids + to, std::move(sent));
    return;
  }
  sent.uses_numbers = true;
  Send(name, CompressSet(numbers) + to, std::move(sent));
}

void ModelClient::ReadNothingFor(double seconds) {
  wire_.SetReading(false);
  deaf_from_ns_ = world_.wires.now_ns();
  deaf_until_ns_ = deaf_from_ns_ + static_cast<uint64_t>(seconds * kNsPerSecond);
  Later(seconds, [this] { wire_.SetReading(true); });
}

void ModelClient::Odd() {
  switch (rng_.Below(8)) {
    case 0:
      return HalfWritten();
    case 1: {  // reads nothing for a while
      const double longest = rng_.Chance(habits_.slow) ? 60 : 8;
      ReadNothingFor(longest * static_cast<double>(rng_.Below(1000)) / 1000);
      if (belief_.last_uid() != 0) {
        Send("UID FETCH", "1:* (BODY.PEEK[])");
      } else {
        Send("NOOP", "");
      }
      return;
    }
    case 2:
      Send("NOOP", "");
      Send("NOOP", "");
      Send("CAPABILITY", "");
      return;
    case 3:
      Send("ID", "NIL");
      return;
    case 4: {
      // CLOSE deletes what is marked, and both leave nothing selected.
      const bool unselect = can("UNSELECT") && rng_.Chance(0.7);
      Send(unselect ? "UNSELECT" : "CLOSE", "", {.done = [this](bool ok, const std::string&) {
             if (ok) belief_.Clear();
           }});
      return;
    }
    case 5: {  // in IDLE, and reads nothing of it
      if (!can("IDLE") || !rng_.Chance(habits_.slow)) return ReadSome();
      Idle();
      const double seconds = 1 + 60 * static_cast<double>(rng_.Below(1000)) / 1000;
      Later(1, [this, seconds] { ReadNothingFor(seconds); });
      return;
    }
    case 6:
      // Refused: whether its literal is read is the store's secret.
      if (!world_.direct && can("LITERAL+") && rng_.Chance(0.5)) {
        Send("FROBNICATE", "{10+}\r\na1 EXPUNGE", {.may_fail = true});
        return;
      }
      Send("FROBNICATE", "{5}", {.may_fail = true, .may_be_untagged = true, .rest = "hello\r\n"});
      return;
    default: {  // a tag and nothing
      Sent sent;
      sent.tag = "t" + std::to_string(++tag_number_);
      sent.name = "nothing";
      sent.may_fail = sent.may_be_untagged = true;
      sent.sent_ns = world_.wires.now_ns();
      sent_.push_back(std::move(sent));
      return Put(sent_.back().tag + "\r\n");
    }
  }
}

// A command that comes in two parts; in between nothing may be answered.
void ModelClient::HalfWritten() {
  Sent sent;
  sent.name = "NOOP";
  sent.tag = "h" + std::to_string(number_) + "." + std::to_string(++tag_number_);
  sent.sent_ns = world_.wires.now_ns();
  const std::string line = sent.tag + " NOOP\r\n";
  const size_t half = 1 + rng_.Below(line.size() - 1);
  sent_.push_back(std::move(sent));
  Put(line.substr(0, half));
  Later(static_cast<double>(rng_.Below(6000)) / 1000,
        [this, rest = line.substr(half)] { Put(rest); });
}

void ModelClient::PinItself() {
  Sent sent;
  sent.may_fail = sent.may_be_untagged = true;
  sent.done = [this](bool ok, const std::string& text) {
    if (ok || text.rfind("BAD", 0) == 0) pinned_ = true;
  };
  if (can("ESEARCH") && rng_.Chance(0.5)) {
    Send("SEARCH", "RETURN (SAVE) ALL", std::move(sent));
  } else {
    Send("XSTRANGE", "", std::move(sent));
  }
}

void ModelClient::Leave() {
  if (sent_.empty() && rng_.Chance(0.4)) {
    said_logout_ = true;
    Send("LOGOUT", "");
    return;
  }
  world_.transcript.Add(world_.wires.now_ns(), user_, name(), "leaves");
  rng_.Chance(0.5) ? wire_.Close() : wire_.Abort();
  Forget();
  Reconnect();
}

}  // namespace roost
