// Several sessions change one mailbox at random. Each has a model client beside it that believes
// only what it is told, and is asked after every answer whether that can be true.
#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tools/store/test_client.h"
#include "tools/store/text.h"

namespace roost::embedded {
namespace {

constexpr Uid kUnknown = 0;

// Which dialect a client speaks.
enum class Dialect { kPlain, kCondstore, kQresync };
// When it hears of what others do, but for the answers to its commands.
enum class Hears { kInIdle, kAlways, kAlwaysButExpunges };

// What a client believes of the mailbox, from nothing but the store's lines.
class ModelClient {
 public:
  ModelClient(TestStore& store, Dialect dialect, Hears hears)
      : client_(store), dialect_(dialect), hears_(hears) {
    client_.LogIn();
    if (dialect == Dialect::kCondstore) client_.Ok("ENABLE CONDSTORE");
    if (dialect == Dialect::kQresync) client_.Ok("ENABLE QRESYNC");
    const std::string events = " (MessageNew (FLAGS) MessageExpunge FlagChange))";
    if (hears == Hears::kAlways) client_.Ok("NOTIFY SET (SELECTED" + events);
    Command("SELECT INBOX");
    if (hears == Hears::kAlwaysButExpunges) Command("NOTIFY SET (SELECTED-DELAYED" + events);
    LearnUids();
  }

  struct Entry {
    Uid uid = kUnknown;
    std::string flags = "?";
  };

  const std::vector<Entry>& entries() const { return entries_; }
  Dialect dialect() const { return dialect_; }

  // A later session of the same client: it knows what `before` knew, and asks what happened since
  // (RFC 7162, 3.2.5).
  ModelClient(TestStore& store, const ModelClient& before)
      : client_(store), dialect_(Dialect::kQresync), hears_(Hears::kInIdle) {
    client_.LogIn();
    client_.Ok("ENABLE QRESYNC");
    std::map<Uid, std::string> known;
    for (const Entry& entry : before.entries_) known.emplace(entry.uid, entry.flags);
    const std::string output =
        client_.Ok("SELECT INBOX (QRESYNC (100 " + std::to_string(before.modseq_) + "))");
    for (const std::string& line : Lines(output)) {
      if (line.starts_with("* VANISHED (EARLIER) ")) {
        SequenceSet gone;
        EXPECT_TRUE(SequenceSet::Parse(std::string_view(line).substr(21), &gone));
        gone.Resolve(0);
        std::erase_if(known, [&](const auto& entry) { return gone.Contains(entry.first); });
      } else if (Has(line, " FETCH (")) {
        const auto uid = static_cast<Uid>(std::stoul(line.substr(line.find("UID ") + 4)));
        known[uid] = WithoutRecent(Item(line, "FLAGS ", '(', ')'));
      }
    }
    for (const auto& [uid, flags] : known) entries_.push_back({uid, flags});
  }

  // Runs a command, believes its answer, and checks that expunges come only where they may.
  std::string Command(const std::string& command) {
    const bool forbids = command.starts_with("FETCH") || command.starts_with("STORE") ||
                         command.starts_with("SEARCH");
    const std::string output = client_.Run(command);
    EXPECT_TRUE(Has(output, "t OK") || Has(output, "t NO")) << command << "\n" << output;
    Believe(output, !forbids);
    return output;
  }
  void Idle() {
    Believe(client_.Idle(), true);
    idling_ = true;
  }
  void Done() {
    idling_ = false;
    const std::string output = client_.Done();
    EXPECT_TRUE(output.starts_with("t OK Idle ended\r\n")) << output;
    Believe(output, false);
  }
  bool idling() const { return idling_; }
  void EndOfTurn() {
    const std::string news = client_.Take();
    EXPECT_TRUE(idling_ || hears_ != Hears::kInIdle || news.empty())
        << "told without a command in progress: " << news;
    Believe(news, idling_ || hears_ == Hears::kAlways);
    if (hears_ != Hears::kInIdle) {
      EXPECT_EQ(FirstUnknown(), entries_.size()) << "a message without its UID: " << news;
    }
  }
  // As clients do after EXISTS: asks what the new ones are.
  void LearnUids() {
    const size_t first = FirstUnknown();
    if (first == entries_.size()) return;
    Command("FETCH " + std::to_string(first + 1) + ":* (UID FLAGS)");
  }
  size_t FirstUnknown() const {
    return static_cast<size_t>(
        std::find_if(entries_.begin(), entries_.end(),
                     [](const Entry& entry) { return entry.uid == kUnknown; }) -
        entries_.begin());
  }
  void ApplyOwnFlags(Uid uid, const std::string& flags) {
    for (Entry& entry : entries_) {
      if (entry.uid == uid) entry.flags = flags;
    }
  }

 private:
  static std::string Item(std::string_view line, std::string_view name, char open, char close) {
    const size_t at = line.find(name);
    if (at == std::string_view::npos) return {};
    const size_t begin = at + name.size();
    if (line[begin] != open) return {};
    return std::string(line.substr(begin, line.find(close, begin) - begin + 1));
  }

  void Believe(const std::string& output, bool may_expunge) {
    uint64_t fetched_modseq = 0;
    bool told_highest = false;
    bool answered = false;
    for (const std::string& line : Lines(output)) {
      SCOPED_TRACE(line);
      if (line.starts_with("t ")) {
        told_highest |= BelieveCode(line);
        may_expunge = hears_ == Hears::kAlways;
        answered = true;
        continue;
      }
      if (!line.starts_with("* ")) continue;
      EXPECT_TRUE(!answered || hears_ != Hears::kInIdle) << "told behind the answer";
      const std::string_view rest = std::string_view(line).substr(2);
      const size_t space = rest.find(' ');
      const auto number = ParseDigits(rest.substr(0, space));
      if (rest.starts_with("VANISHED ") && !rest.starts_with("VANISHED (")) {
        EXPECT_TRUE(may_expunge);
        EXPECT_EQ(dialect_, Dialect::kQresync);
        BelieveVanished(rest.substr(9));
      } else if (rest.starts_with("OK [")) {
        told_highest |= BelieveCode(line);
      } else if (number && rest.substr(space + 1) == "EXPUNGE") {
        EXPECT_TRUE(may_expunge);
        EXPECT_NE(dialect_, Dialect::kQresync);
        ASSERT_GE(*number, 1u);
        ASSERT_LE(*number, entries_.size());
        entries_.erase(entries_.begin() + static_cast<ptrdiff_t>(*number) - 1);
      } else if (number && rest.substr(space + 1) == "EXISTS") {
        ASSERT_GE(*number, entries_.size()) << "EXISTS shrank";
        entries_.resize(*number);
      } else if (number && rest.substr(space + 1).starts_with("FETCH (")) {
        BelieveFetch(*number, line);
        const std::string modseq = Item(line, "MODSEQ ", '(', ')');
        if (!modseq.empty()) {
          fetched_modseq = std::max<uint64_t>(fetched_modseq, std::stoull(modseq.substr(1)));
        }
      }
    }
    // A client takes the highest MODSEQ it saw for all there is, unless it is told otherwise.
    if (!told_highest) modseq_ = std::max(modseq_, fetched_modseq);
  }

  void BelieveFetch(uint64_t number, const std::string& line) {
    ASSERT_GE(number, 1u);
    ASSERT_LE(number, entries_.size()) << "flags before the EXISTS that announces the message";
    Entry& entry = entries_[number - 1];
    const size_t at = line.find("UID ");
    if (at != std::string::npos) {
      const Uid uid = static_cast<Uid>(std::stoul(line.substr(at + 4)));
      EXPECT_TRUE(entry.uid == kUnknown || entry.uid == uid)
          << "a number means another message: " << entry.uid;
      entry.uid = uid;
      for (size_t i = 0; i + 1 < number; ++i) {
        EXPECT_LT(entries_[i].uid, uid) << "UIDs must ascend";
      }
    } else if (dialect_ == Dialect::kQresync) {
      ADD_FAILURE() << "QRESYNC wants the UID in every FETCH";
    }
    const std::string flags = Item(line, "FLAGS ", '(', ')');
    if (!flags.empty()) entry.flags = WithoutRecent(flags);
    if (flags.empty() && at == std::string::npos && dialect_ != Dialect::kPlain) {
      EXPECT_HAS(line, "MODSEQ");
    }
  }

  void BelieveVanished(std::string_view set_text) {
    SequenceSet set;
    ASSERT_TRUE(SequenceSet::Parse(set_text, &set));
    set.Resolve(0);
    for (const auto& [first, last] : set.ranges()) {
      for (Uid uid = first; uid <= last; ++uid) Vanish(uid);
    }
  }

  // One that went before its UID was asked for is the unknown one between its neighbours.
  void Vanish(Uid uid) {
    auto gone = std::find_if(entries_.begin(), entries_.end(),
                             [uid](const Entry& entry) { return entry.uid == uid; });
    if (gone == entries_.end()) {
      auto above = std::find_if(entries_.begin(), entries_.end(),
                                [uid](const Entry& entry) { return entry.uid > uid; });
      ASSERT_TRUE(above != entries_.begin() && std::prev(above)->uid == kUnknown)
          << "VANISHED names a message that was never there";
      gone = std::prev(above);
    }
    entries_.erase(gone);
  }

  bool BelieveCode(const std::string& line) {
    const size_t at = line.find("[HIGHESTMODSEQ ");
    if (at == std::string::npos) return false;
    modseq_ = std::stoull(line.substr(at + 15));
    return true;
  }

  static std::string WithoutRecent(std::string flags) {
    for (const std::string_view name : {" \\Recent", "\\Recent ", "\\Recent"}) {
      const size_t at = flags.find(name);
      if (at != std::string::npos) flags.erase(at, name.size());
    }
    return flags;
  }

  TestClient client_;
  const Dialect dialect_;
  const Hears hears_;
  bool idling_ = false;
  uint64_t modseq_ = 0;
  std::vector<Entry> entries_;
};

// Hears of the mailbox by STATUS, without having it selected.
class ModelListener {
 public:
  ModelListener(TestStore& store, Dialect dialect) : client_(store), dialect_(dialect) {
    client_.LogIn();
    if (dialect == Dialect::kCondstore) client_.Ok("ENABLE CONDSTORE");
    Believe(client_.Ok("NOTIFY SET STATUS (INBOXES (MessageNew MessageExpunge FlagChange))"));
  }

  void EndOfTurn(const Mailbox& inbox) {
    Believe(client_.Take());
    EXPECT_EQ(known_["MESSAGES"], inbox.size());
    EXPECT_EQ(known_["UIDNEXT"], inbox.uid_next());
    EXPECT_EQ(known_["UNSEEN"], inbox.CountUnseen());
    if (dialect_ == Dialect::kCondstore) {
      EXPECT_EQ(known_["HIGHESTMODSEQ"], inbox.highest_modseq());
    }
  }

 private:
  void Believe(const std::string& output) {
    constexpr std::string_view kBegin = "* STATUS INBOX (";
    for (const std::string& line : Lines(output)) {
      if (!line.starts_with(kBegin)) continue;
      std::istringstream items(line.substr(kBegin.size()));
      std::string name;
      uint64_t value = 0;
      while (items >> name >> value) known_[name] = value;
    }
  }

  TestClient client_;
  const Dialect dialect_;
  std::map<std::string, uint64_t> known_;
};

class RandomSessions : public testing::TestWithParam<int> {
 protected:
  RandomSessions() : random_(static_cast<unsigned>(GetParam())) {
    for (int i = 0; i < 5; ++i) store_.Deliver();
    const std::pair<Dialect, Hears> kinds[] = {
        {Dialect::kPlain, Hears::kInIdle},
        {Dialect::kPlain, Hears::kInIdle},
        {Dialect::kCondstore, Hears::kInIdle},
        {Dialect::kQresync, Hears::kInIdle},
        {Dialect::kQresync, Hears::kInIdle},
        {Dialect::kPlain, Hears::kAlways},
        {Dialect::kPlain, Hears::kAlwaysButExpunges},
        {Dialect::kQresync, Hears::kAlways},
        {Dialect::kQresync, Hears::kAlwaysButExpunges},
    };
    for (const auto& [dialect, hears] : kinds) {
      clients_.push_back(std::make_unique<ModelClient>(store_, dialect, hears));
    }
    for (const Dialect dialect : {Dialect::kPlain, Dialect::kCondstore}) {
      listeners_.push_back(std::make_unique<ModelListener>(store_, dialect));
    }
  }

  size_t Below(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }

  std::string Number(const ModelClient& client) {
    return std::to_string(1 + Below(client.entries().size()));
  }
  std::string KnownUid(const ModelClient& client) {
    const Uid uid = client.entries()[Below(client.entries().size())].uid;
    return std::to_string(uid == kUnknown ? 1 : uid);
  }
  std::string SomeFlags() {
    static const char* const kFlagLists[] = {"(\\Seen)",  "(\\Flagged $A)", "(\\Deleted)",
                                             "(\\Draft)", "($B)",           "(\\Seen \\Deleted)"};
    return kFlagLists[Below(std::size(kFlagLists))];
  }

  void Act(ModelClient& client) {
    if (client.idling()) {
      if (Below(3) == 0) client.Done();
      return;
    }
    if (client.entries().empty()) {
      client.Command(Below(2) == 0 ? "NOOP" : "APPEND INBOX {3+}\r\nnew");
      client.LearnUids();
      return;
    }
    switch (Below(14)) {
      case 0:
      case 1:
        client.Command("APPEND INBOX (\\Seen) {3+}\r\nnew");
        break;
      case 2:
        client.Command("STORE " + Number(client) + " +FLAGS " + SomeFlags());
        break;
      case 3:
        client.Command("UID STORE " + KnownUid(client) + " -FLAGS " + SomeFlags());
        break;
      case 4:
        StoreSilently(client);
        break;
      case 5:
        client.Command("EXPUNGE");
        break;
      case 6:
        client.Command("FETCH " + Number(client) + ":" + Number(client) + " (UID FLAGS)");
        break;
      case 7:
        client.Command("UID FETCH " + KnownUid(client) + " (UID FLAGS BODY[])");
        break;
      case 8:
        client.Command("SEARCH " + Number(client) + " UNSEEN");
        break;
      case 9:
        client.Command("COPY " + Number(client) + " INBOX");
        break;
      case 10:
        client.Command("UID MOVE " + KnownUid(client) + " INBOX");
        break;
      case 11:
        client.Idle();
        return;
      case 12:
        client.Command("UID SEARCH ALL");
        break;
      default:
        client.Command("NOOP");
        break;
    }
    client.LearnUids();
  }

  // A client that stores silently believes that its wish came true, unless it is told otherwise.
  void StoreSilently(ModelClient& client) {
    const Uid uid = client.entries()[Below(client.entries().size())].uid;
    if (uid == kUnknown) return;
    client.ApplyOwnFlags(uid, "(\\Seen)");
    client.Command("UID STORE " + std::to_string(uid) + " FLAGS.SILENT (\\Seen)");
  }

  std::string TrueFlags(const Message& message) {
    std::string text = "(";
    const Mailbox& inbox = store_.inbox();
    const std::pair<uint8_t, const char*> names[] = {{kAnswered, "\\Answered"},
                                                     {kFlagged, "\\Flagged"},
                                                     {kDeleted, "\\Deleted"},
                                                     {kSeen, "\\Seen"},
                                                     {kDraft, "\\Draft"}};
    for (const auto& [bit, name] : names) {
      if ((message.flags.system & bit) != 0) text.append(text.size() > 1 ? " " : "").append(name);
    }
    for (size_t i = 0; i < inbox.keywords().size(); ++i) {
      if ((message.flags.keywords >> i & 1) != 0) {
        text.append(text.size() > 1 ? " " : "").append(inbox.keywords()[i]);
      }
    }
    return text + ")";
  }

  void ExpectTruth(ModelClient& client) {
    if (client.idling()) client.Done();
    client.Command("NOOP");
    client.LearnUids();
    ExpectTrue(client);
  }

  void ExpectTrue(const ModelClient& client) {
    const auto messages = store_.inbox().messages();
    ASSERT_EQ(client.entries().size(), messages.size());
    for (size_t i = 0; i < messages.size(); ++i) {
      EXPECT_EQ(client.entries()[i].uid, messages[i].uid);
      EXPECT_EQ(client.entries()[i].flags, TrueFlags(messages[i])) << "UID " << messages[i].uid;
    }
  }

  std::mt19937 random_;
  TestStore store_;
  std::vector<std::unique_ptr<ModelClient>> clients_;
  std::vector<std::unique_ptr<ModelListener>> listeners_;
};

TEST_P(RandomSessions, NobodyIsToldAWrongNumberAndAllLearnTheTruth) {
  for (int step = 0; step < 300 && !HasFailure(); ++step) {
    Act(*clients_[Below(clients_.size())]);
    if (Below(4) == 0) store_.Deliver();
    if (Below(3) == 0) {
      store_.registry.NotifyDirty();
      for (auto& client : clients_) client->EndOfTurn();
      for (auto& listener : listeners_) listener->EndOfTurn(store_.inbox());
    }
    if (step % 50 == 49) {
      for (auto& client : clients_) ExpectTruth(*client);
    }
    store_.inbox().CheckInvariants();
  }
}

TEST_P(RandomSessions, WhoComesBackWithQresyncLearnsTheTruth) {
  for (int step = 0; step < 300 && !HasFailure(); ++step) {
    ModelClient& client = *clients_[Below(clients_.size())];
    Act(client);
    if (Below(4) == 0) store_.Deliver();
    if (client.dialect() == Dialect::kPlain || client.idling()) continue;
    // Whoever leaves before asking for the UID of a message has to look for itself later.
    if (client.FirstUnknown() != client.entries().size()) continue;
    SCOPED_TRACE(step);
    ExpectTrue(ModelClient(store_, client));
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomSessions, testing::Range(1, 41));

}  // namespace
}  // namespace roost::embedded
