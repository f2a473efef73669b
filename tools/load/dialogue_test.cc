#include "tools/load/dialogue.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tools/load/delivery.h"
#include "tools/store/lmtp.h"
#include "tools/store/test_client.h"

namespace roost::load {
namespace {

struct Host final : DialogueHost {
  void Send(std::string_view bytes) override { sent.append(bytes); }
  void StartTls() override { ++tls_started; }
  void OnLoggedIn() override { ++logged_in; }
  void OnIdle() override { ++idled; }
  void OnAnswered(bool ok) override { answers.push_back(ok); }
  void OnExists(int64_t growth) override { growths.push_back(growth); }
  void OnExpunge() override { ++expunged; }
  void OnTold(std::string_view line) override { told.emplace_back(line); }
  void OnFailed(std::string_view reason) override { failures.emplace_back(reason); }

  std::string Take() { return std::exchange(sent, {}); }

  std::string sent;
  int tls_started = 0, logged_in = 0, idled = 0, expunged = 0;
  std::vector<int64_t> growths;
  std::vector<bool> answers;
  std::vector<std::string> told, failures;
};

// A dialogue that is fed by hand, in pieces if need be.
struct Talk {
  explicit Talk(bool starttls = false, bool idles = true)
      : settings{.starttls = starttls, .password = "pass word"},
        dialogue(&settings, "al", &host, idles) {}
  void Hear(std::string_view bytes) {
    pending += bytes;
    pending.erase(0, dialogue.Receive(pending));
  }
  // With `count` messages in the mailbox.
  void Idle(int count) {
    Hear("* OK hello\r\na1 OK\r\n* " + std::to_string(count) + " EXISTS\r\na2 OK\r\n+ idling\r\n");
    ASSERT_EQ(dialogue.phase(), Dialogue::Phase::kIdling);
  }

  DialogueSettings settings;
  Host host;
  Dialogue dialogue;
  std::string pending;
};

TEST(Dialogue, LogsInSelectsAndIdles) {
  Talk talk;
  EXPECT_EQ(talk.host.Take(), "");
  talk.Hear("* OK hello\r\n");
  EXPECT_EQ(talk.host.Take(), "a1 LOGIN \"al\" \"pass word\"\r\n");
  talk.Hear("* CAPABILITY IMAP4rev1 IDLE\r\na1 OK in\r\n");
  EXPECT_EQ(talk.host.Take(), "a2 SELECT \"INBOX\"\r\n");
  EXPECT_EQ(talk.host.logged_in, 1);
  talk.Hear("* 3 EXISTS\r\n* 0 RECENT\r\na2 OK [READ-WRITE] done\r\n");
  EXPECT_EQ(talk.host.Take(), "a3 IDLE\r\n");
  EXPECT_EQ(talk.host.idled, 0);
  talk.Hear("+ idling\r\n");
  EXPECT_EQ(talk.host.idled, 1);
  EXPECT_EQ(talk.dialogue.messages(), 3);
  EXPECT_TRUE(talk.host.told.empty());
}

TEST(Dialogue, OneByteAtATimeChangesNothing) {
  Talk talk;
  for (const char c : std::string_view("* OK hello\r\na1 OK\r\n* 3 EXISTS\r\na2 OK\r\n+ x\r\n"
                                       "* 4 EXISTS\r\n* 1 FETCH (BODY {3}\r\na5 )\r\n")) {
    talk.Hear(std::string_view(&c, 1));
  }
  EXPECT_EQ(talk.host.idled, 1);
  EXPECT_EQ(talk.host.growths, (std::vector<int64_t>{1}));
  EXPECT_EQ(talk.host.told.size(), 2u);
  EXPECT_TRUE(talk.host.failures.empty());
}

TEST(Dialogue, WithStartTlsNothingIsHeardUntilItIsSecure) {
  Talk talk(true);
  talk.Hear("* OK hello\r\n");
  EXPECT_EQ(talk.host.Take(), "a1 STARTTLS\r\n");
  talk.Hear("a1 OK begin\r\na2 OK injected\r\n");
  EXPECT_EQ(talk.host.tls_started, 1);
  EXPECT_EQ(talk.host.Take(), "");
  talk.dialogue.OnSecure();
  EXPECT_EQ(talk.host.Take(), "a2 LOGIN \"al\" \"pass word\"\r\n");
  EXPECT_EQ(talk.host.logged_in, 0);
}

TEST(Dialogue, TellsHowManyMessagesAreNew) {
  Talk talk;
  talk.Idle(3);
  talk.Hear("* 4 EXISTS\r\n* 6 EXISTS\r\n");
  EXPECT_EQ(talk.host.growths, (std::vector<int64_t>{1, 2}));
}

TEST(Dialogue, TheSameNumberAgainIsADoubleUnlessAnExpungeCameBetween) {
  Talk talk;
  talk.Idle(3);
  talk.Hear("* 4 EXISTS\r\n* 4 EXISTS\r\n");
  EXPECT_EQ(talk.host.growths, (std::vector<int64_t>{1, 0}));
  talk.Hear("* 1 EXPUNGE\r\n* 3 EXISTS\r\n* 1 EXPUNGE\r\n* 4 EXISTS\r\n* 2 EXISTS\r\n");
  EXPECT_EQ(talk.host.growths, (std::vector<int64_t>{1, 0, 2, -2}));
  EXPECT_EQ(talk.host.expunged, 2);
}

TEST(Dialogue, ArrivalsBetweenTwoIdlesAreToldAsWell) {
  Talk talk;
  talk.Idle(3);
  talk.host.Take();
  talk.dialogue.Refresh();
  EXPECT_EQ(talk.host.Take(), "DONE\r\n");
  talk.Hear("* 4 EXISTS\r\na3 OK done\r\n");
  EXPECT_EQ(talk.host.Take(), "a4 IDLE\r\n");
  talk.Hear("* 5 EXISTS\r\n+ again\r\n");
  EXPECT_EQ(talk.host.idled, 2);
  EXPECT_EQ(talk.host.growths, (std::vector<int64_t>{1, 1}));
}

TEST(Dialogue, WorksBetweenTwoIdles) {
  Talk talk;
  talk.Hear("* OK hello\r\na1 OK\r\n* 3 EXISTS\r\n* OK [UIDNEXT 41] next\r\na2 OK\r\n+ idling\r\n");
  EXPECT_EQ(talk.dialogue.uid_next(), 41u);
  talk.host.Take();
  talk.dialogue.Work("UID FETCH 41:* (FLAGS)");
  EXPECT_EQ(talk.host.Take(), "DONE\r\n");
  talk.Hear("* 4 EXISTS\r\na3 OK idled\r\n");
  EXPECT_EQ(talk.host.Take(), "a4 UID FETCH 41:* (FLAGS)\r\n");
  EXPECT_TRUE(talk.host.answers.empty());
  talk.Hear("* 4 FETCH (UID 41 FLAGS (\\Recent))\r\na4 OK fetched\r\n");
  EXPECT_EQ(talk.host.answers, (std::vector<bool>{true}));
  EXPECT_EQ(talk.dialogue.uid_next(), 42u);
  EXPECT_EQ(talk.dialogue.newest_fetched(), 4);
  EXPECT_EQ(talk.host.Take(), "a5 IDLE\r\n");
  talk.Hear("+ idling\r\n");
  EXPECT_EQ(talk.host.idled, 2);
  EXPECT_EQ(talk.host.growths, (std::vector<int64_t>{1}));
  // A refusal is an answer to work, and to nothing else.
  talk.dialogue.Work("FETCH 9 FLAGS");
  talk.Hear("a5 OK idled\r\na6 NO [EXPUNGEISSUED] gone\r\n+ idling\r\n");
  EXPECT_EQ(talk.host.answers, (std::vector<bool>{true, false}));
  EXPECT_EQ(talk.dialogue.phase(), Dialogue::Phase::kIdling);
  talk.dialogue.Work("NOOP");
  talk.Hear("a7 NO you shall idle\r\n");
  EXPECT_EQ(talk.dialogue.phase(), Dialogue::Phase::kFailed);
}

TEST(Dialogue, OneThatDoesNotIdleHearsOfArrivalsWhenItAsks) {
  Talk talk(false, false);
  talk.Hear("* OK hello\r\na1 OK\r\n* 3 EXISTS\r\na2 OK\r\n");
  EXPECT_EQ(talk.dialogue.phase(), Dialogue::Phase::kReady);
  EXPECT_EQ(talk.host.idled, 1);
  talk.host.Take();
  talk.dialogue.Work("NOOP");
  EXPECT_EQ(talk.host.Take(), "a3 NOOP\r\n");
  talk.Hear("* 5 EXISTS\r\na3 OK\r\n");
  EXPECT_EQ(talk.host.growths, (std::vector<int64_t>{2}));
  EXPECT_EQ(talk.host.idled, 2);
  EXPECT_EQ(talk.host.Take(), "");
  talk.dialogue.LogOut();
  EXPECT_EQ(talk.host.Take(), "a4 LOGOUT\r\n");
}

TEST(Dialogue, WhatTheServerRefusesIsTheReason) {
  Talk talk;
  talk.Hear("* OK hello\r\na1 NO [AUTHENTICATIONFAILED] who are you\r\na2 OK\r\n");
  ASSERT_EQ(talk.host.failures.size(), 1u);
  EXPECT_EQ(talk.host.failures[0], "refused: a1 NO [AUTHENTICATIONFAILED] who are you");
}

TEST(Dialogue, NonsenseByeAndUnaskedAnswersFailOnce) {
  for (const char* bytes :
       {"garbage\r\n", "* BYE tired\r\n", "a9 OK what\r\n", "a3 OK over\r\n", "+ more\r\n"}) {
    Talk talk;
    talk.Idle(1);
    talk.Hear(bytes);
    talk.Hear("* 2 EXISTS\r\n");
    EXPECT_EQ(talk.host.failures.size(), 1u) << bytes;
    EXPECT_TRUE(talk.host.growths.empty()) << bytes;
  }
}

TEST(Dialogue, ANameThatCannotBeQuotedIsNeverSent) {
  DialogueSettings settings;
  Host host;
  Dialogue dialogue(&settings, "a\r\nb", &host);
  dialogue.Receive("* OK hello\r\n");
  EXPECT_EQ(host.sent, "");
  EXPECT_EQ(host.failures.size(), 1u);
}

// ---- against the embedded store's own sessions ----

struct Couriers final : DeliveryHost {
  void Send(std::string_view bytes) override { sent.append(bytes); }
  void OnReady() override {
    ++ready;
    if (dialogue != nullptr && !next.empty()) {
      const std::string user = next.back();
      next.pop_back();
      dialogue->Deliver(user, MakeMessage(user, 1));
    }
  }
  void OnSent() override { ++whole; }
  void OnAccepted() override { ++accepted; }
  void OnRefused(std::string_view reason) override { refusals.emplace_back(reason); }
  void OnBroken(std::string_view reason) override { broken.emplace_back(reason); }

  DeliveryDialogue* dialogue = nullptr;
  std::vector<std::string> next;  // from the back
  std::string sent;
  int ready = 0, whole = 0, accepted = 0;
  std::vector<std::string> refusals, broken;
};

// Carries bytes to and fro until nobody has anything to say.
template <typename Mine, typename Theirs>
void Converse(Mine& mine, std::string* said_by_me, Theirs& theirs, std::string* said_by_them) {
  std::string to_me, to_them;
  do {
    to_me += std::exchange(*said_by_them, {});
    to_me.erase(0, mine.Receive(to_me));
    to_them += std::exchange(*said_by_me, {});
    to_them.erase(0, theirs.Receive(to_them));
  } while (!said_by_them->empty() || !said_by_me->empty());
}

TEST(Dialogue, SpeaksToTheStoreUntilItIsToldOfAMessage) {
  embedded::TestStore store;
  embedded::TestHost store_host;
  embedded::Session session(&store.registry, &store.options, &store_host, false);
  session.Greet();
  Talk talk;
  Converse(talk.dialogue, &talk.host.sent, session, &store_host.output);
  ASSERT_TRUE(talk.host.failures.empty()) << talk.host.failures[0];
  EXPECT_EQ(talk.host.idled, 1);

  embedded::TestHost append_host;
  embedded::Session append_session(&store.registry, &store.options, &append_host, false);
  append_session.Greet();
  Couriers couriers;
  AppendDialogue append(&couriers, "al", "secret");
  couriers.dialogue = &append;
  couriers.next = {"al"};
  Converse(append, &couriers.sent, append_session, &append_host.output);
  ASSERT_TRUE(couriers.broken.empty()) << couriers.broken[0];
  EXPECT_EQ(couriers.accepted, 1);
  EXPECT_EQ(couriers.whole, 1);
  EXPECT_TRUE(append_host.closed);

  store.registry.NotifyDirty();
  Converse(talk.dialogue, &talk.host.sent, session, &store_host.output);
  EXPECT_EQ(talk.host.growths, (std::vector<int64_t>{1}));
  ASSERT_FALSE(talk.host.told.empty());
  EXPECT_EQ(talk.host.told[0], "* 1 EXISTS");

  talk.dialogue.LogOut();
  Converse(talk.dialogue, &talk.host.sent, session, &store_host.output);
  EXPECT_TRUE(store_host.closed);
}

struct Sink final : embedded::MailSink {
  bool Accepts(std::string_view address) const override { return address != "nobody"; }
  void Deliver(const std::string& address, embedded::Body, int64_t) override {
    delivered.push_back(address);
  }
  std::vector<std::string> delivered;
};

TEST(Lmtp, DeliversOneMessageAfterTheOtherAndSkipsRefusedRecipients) {
  Sink sink;
  embedded::SessionOptions options;
  embedded::TestHost store_host;
  embedded::LmtpSession session(&sink, &options, &store_host);
  session.Greet();
  Couriers couriers;
  LmtpDialogue lmtp(&couriers);
  couriers.dialogue = &lmtp;
  couriers.next = {"carol", "nobody", "al"};
  Converse(lmtp, &couriers.sent, session, &store_host.output);
  EXPECT_TRUE(couriers.broken.empty());
  EXPECT_EQ(couriers.refusals.size(), 1u);
  EXPECT_EQ(couriers.accepted, 2);
  EXPECT_EQ(couriers.ready, 4);
  EXPECT_EQ(sink.delivered, (std::vector<std::string>{"al", "carol"}));
}

TEST(Lmtp, NoServiceBreaksTheConnection) {
  for (const char* bytes : {"421 full\r\n", "* OK this is IMAP\r\n", "\r\n"}) {
    Couriers couriers;
    LmtpDialogue lmtp(&couriers);
    lmtp.Receive(bytes);
    EXPECT_EQ(couriers.broken.size(), 1u) << bytes;
  }
}

TEST(Append, ARefusedLoginBreaksARefusedMessageDoesNot) {
  Couriers couriers;
  AppendDialogue login(&couriers, "al", "wrong");
  login.Receive("* OK\r\nd1 NO no\r\n");
  EXPECT_EQ(couriers.broken.size(), 1u);

  Couriers others;
  AppendDialogue append(&others, "al", "right");
  others.dialogue = &append;
  others.next = {"al"};
  append.Receive("* OK\r\nd1 OK\r\nd2 NO [OVERQUOTA] full\r\n");
  EXPECT_TRUE(others.broken.empty());
  EXPECT_EQ(others.refusals, (std::vector<std::string>{"d2 NO [OVERQUOTA] full"}));
  EXPECT_EQ(others.whole, 0);
}

}  // namespace
}  // namespace roost::load
