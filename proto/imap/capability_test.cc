#include "proto/imap/capability.h"

#include <string>

#include <gtest/gtest.h>

#include "proto/imap/enabled.h"

namespace roost {
namespace {

TEST(CapabilitySet, SharesItsTextWithCopiesUntilOneIsChanged) {
  const CapabilitySet set = CapabilitySet::Parse("IMAP4rev1 IDLE");
  CapabilitySet copy = set;
  EXPECT_EQ(&copy.ToString(), &set.ToString());
  copy.Add("NAMESPACE");
  EXPECT_EQ(copy.ToString(), "IMAP4rev1 IDLE NAMESPACE");
  EXPECT_EQ(set.ToString(), "IMAP4rev1 IDLE");
}

TEST(CapabilitySet, KeepsOrderAndDropsRepeats) {
  CapabilitySet set = CapabilitySet::Parse("IMAP4rev1  IDLE imap4REV1 AUTH=PLAIN \r\n");
  EXPECT_EQ(set.ToString(), "IMAP4rev1 IDLE AUTH=PLAIN");
  EXPECT_EQ(set.size(), 3u);
  EXPECT_TRUE(set.Has("idle"));
  EXPECT_FALSE(set.Has("IDL"));
  EXPECT_FALSE(set.Has(""));
  EXPECT_TRUE(set.HasPrefix("auth="));
  set.Add("idle");
  set.Add("ID");
  set.Add("not one");
  set.Add("");
  set.Add("x]");
  set.Remove("IMAP4REV1");
  EXPECT_EQ(set.ToString(), "IDLE AUTH=PLAIN ID");
  set.RemovePrefix("AUTH=");
  EXPECT_EQ(set.ToString(), "IDLE ID");
  EXPECT_TRUE(CapabilitySet::Parse("").empty());
  EXPECT_EQ(CapabilitySet().size(), 0u);
}

TEST(CapabilitySet, IntersectsAndCompares) {
  CapabilitySet set = CapabilitySet::Parse("A B C");
  set.Intersect(CapabilitySet::Parse("c x b"));
  EXPECT_EQ(set.ToString(), "B C");
  EXPECT_EQ(set, CapabilitySet::Parse("C B"));
  EXPECT_FALSE(set == CapabilitySet::Parse("C"));
  EXPECT_FALSE(set == CapabilitySet::Parse("C D"));
}

TEST(CapabilitySet, IsBounded) {
  std::string text;
  for (int i = 0; i < 10000; ++i) text += "CAP" + std::to_string(i) + " ";
  EXPECT_LE(CapabilitySet::Parse(text).ToString().size(), CapabilitySet::kMaxBytes);
}

TEST(CapabilitySet, WhatCannotBeCarriedIsStripped) {
  CapabilitySet set = CapabilitySet::Parse(
      "IMAP4rev1 SASL-IR LOGIN-REFERRALS MAILBOX-REFERRALS ID ENABLE IDLE NAMESPACE QUOTA STARTTLS "
      "LOGINDISABLED AUTH=PLAIN AUTH=login AUTH=DIGEST-MD5 AUTH=XOAUTH2 AUTH=OAUTHBEARER "
      "AUTH=GSSAPI "
      "NOTIFY compress=DEFLATE UNAUTHENTICATE UIDONLY CONTEXT=SEARCH CONTEXT=SORT URLAUTH "
      "URLAUTH=BINARY URL-PARTIAL PROXYAUTH CONDSTORE QRESYNC LITERAL+ ESEARCH SEARCHRES");
  StripUncarried(&set);
  EXPECT_EQ(set.ToString(),
            "IMAP4rev1 SASL-IR ID ENABLE IDLE NAMESPACE QUOTA AUTH=PLAIN AUTH=login AUTH=XOAUTH2 "
            "AUTH=OAUTHBEARER CONDSTORE QRESYNC LITERAL+ ESEARCH SEARCHRES");
}

TEST(EnabledSet, IsExact) {
  EnabledSet set = EnabledSet::Parse(" condstore  UTF8=ACCEPT\r\n");
  EXPECT_TRUE(set.condstore());
  EXPECT_TRUE(set.utf8());
  EXPECT_FALSE(set.qresync());
  EXPECT_EQ(set.Names(), "CONDSTORE UTF8=ACCEPT");
  EXPECT_EQ(set, EnabledSet::Parse("UTF8=ACCEPT CONDSTORE"));
  EXPECT_FALSE(set == EnabledSet::Parse("CONDSTORE"));
  EXPECT_TRUE(EnabledSet().empty());
  EXPECT_TRUE(EnabledSet::Parse("\r\n").empty());
  EXPECT_EQ(EnabledSet().Names(), "");
}

TEST(EnabledSet, QresyncBringsCondstore) {
  EnabledSet set = EnabledSet::Parse("QRESYNC");
  EXPECT_TRUE(set.condstore());
  EXPECT_EQ(set.Names(), "QRESYNC");
  EXPECT_EQ(set, EnabledSet::Parse("CONDSTORE QRESYNC"));
  EXPECT_TRUE(EnabledSet::FromBits(EnabledSet::kQresync).condstore());
  EXPECT_TRUE(set.Contains(EnabledSet::Parse("CONDSTORE")));
  EXPECT_FALSE(EnabledSet::Parse("CONDSTORE").Contains(set));
}

TEST(EnabledSet, UnknownOnesAreRemembered) {
  EnabledSet set = EnabledSet::Parse("X-FOO IMAP4rev2");
  EXPECT_TRUE(set.unknown());
  EXPECT_TRUE(set.rev2());
  EXPECT_EQ(set.Names(), "IMAP4REV2");
  for (const char* name : {"UIDONLY", "METADATA", "METADATA-SERVER"}) {
    EXPECT_TRUE(EnabledSet::Parse(name).unknown());
  }
  EXPECT_EQ(EnabledSet::FromBits(set.bits()), set);
}

}  // namespace
}  // namespace roost
