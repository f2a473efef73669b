// ModelClient: what it does, and when.
#include <algorithm>
#include <utility>

#include "core/sim/model_client.h"
#include "core/sim/model_store.h"

namespace roost {

void ModelClient::Start() {
  Later(static_cast<double>(rng_.Below(4000)) / 1000, [this] { Connect(); });
}

void ModelClient::Settle() {
  settling_ = true;
  if (stage_ == Stage::kReady && sent_.empty()) Next();
}

bool ModelClient::settled() const {
  return wire_.open() && idling_ && sent_.size() == 1 && sent_.front().name == "IDLE";
}

void ModelClient::Verify() {
  verify_ = true;
  if (settled()) SayDone("DONE");
}

void ModelClient::Finish() {
  finishing_ = true;
  if (!wire_.open()) return;
  if (idling_) {
    SayDone("DONE");
  } else if (sent_.empty() && stage_ == Stage::kReady) {
    Next();
  }
}

// ---- Coming in
// -----------------------------------------------------------------------------------

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
  const std::string password = wrong ? "guess" : ModelStore::PasswordOf(user_);
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
  belief_.BeginSelect(mailbox, examine);
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
    Send("UID SEARCH", can("ESEARCH") && rng_.Chance(0.5) ? "RETURN (ALL) ALL" : "ALL",
         std::move(sent));
    sent = {};
  }
  if (rng_.Chance(0.9)) Send("UID FETCH", "1:* (FLAGS)", std::move(sent));
}

// ---- Going on
// ------------------------------------------------------------------------------------

void ModelClient::Next() {
  if (next_planned_ || !sent_.empty() || stage_ != Stage::kReady) return;
  next_planned_ = true;
  double pause = 0.02;
  if (!settling_ && rng_.Chance(0.5)) {
    pause = habits_.longest_pause_s * static_cast<double>(rng_.Below(1000)) / 1000;
  }
  Later(pause, [this] {
    next_planned_ = false;
    if (sent_.empty() && stage_ == Stage::kReady && wire_.open()) Act();
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
    verified_ = true;
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
  if (belief_.mailbox.empty()) return !verified_ && rng_.Chance(0.7) ? SelectSome() : Idle();
  if (settling_ || rng_.Chance(habits_.idle)) return Idle();
  if (rng_.Chance(habits_.leave)) return Leave();
  if (rng_.Chance(habits_.odd)) return Odd();
  if (rng_.Chance(habits_.pin)) return PinItself();
  if (belief_.unknown_uids() != 0 && rng_.Chance(0.5)) return LearnNew();
  if (habits_.writes && rng_.Chance(0.35)) return StoreSome();
  ReadSome();
}

void ModelClient::Idle() { Send("IDLE", ""); }

// Its answer is awaited from now on.
void ModelClient::SayDone(std::string_view word) {
  idling_ = false;
  sent_.front().sent_ns = world_.wires.now_ns();
  Put(std::string(word) + "\r\n");
}

// In IDLE from now on: when and how it will end.
void ModelClient::EndIdle() {
  if (settling_) {
    if (verify_ || finishing_) SayDone("DONE");
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
      if (sent_.back().name == "LIST") sent_.back().may_fail = true;
      return;
    case 6:
      if (belief_.size() != 0 && rng_.Chance(0.3)) {
        Send("SEARCH", "1:" + std::to_string(belief_.size()) + " UNSEEN",
             {.forbids_expunge = true, .uses_numbers = true});
        return;
      }
      Send("UID SEARCH", "ALL");
      return;
    default:
      return FetchByNumber();
  }
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
      Send("EXPUNGE", "", {.may_fail = belief_.examine});
      return;
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
  sent.may_fail = belief_.examine;
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
  const bool move = can("MOVE") && !belief_.examine && rng_.Chance(0.4);
  Send(move ? "MOVE" : "COPY",
       CompressSet(numbers) + " " + mailboxes_[rng_.Below(mailboxes_.size())],
       {.uses_numbers = true});
}

void ModelClient::Odd() {
  switch (rng_.Below(6)) {
    case 0:
      return HalfWritten();
    case 1: {  // reads nothing for a while
      wire_.SetReading(false);
      Later(static_cast<double>(rng_.Below(8000)) / 1000, [this] { wire_.SetReading(true); });
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
    default:
      // Refused: whether its literal is read is the store's secret.
      Send("FROBNICATE", "{5}", {.may_fail = true, .rest = "hello\r\n"});
      return;
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
  sent.may_fail = true;
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
