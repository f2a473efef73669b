#include "proto/imap/sasl.h"

#include <random>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace roost {
namespace {

using std::string_view_literals::operator""sv;

TEST(Base64, GoesThereAndBack) {
  std::mt19937 random(3);
  for (int round = 0; round < 500; ++round) {
    std::string bytes;
    for (int i = random() % 100; i > 0; --i) bytes.push_back(static_cast<char>(random()));
    std::string decoded;
    ASSERT_TRUE(Base64Decode(Base64Encode(bytes), &decoded));
    ASSERT_EQ(decoded, bytes);
  }
  EXPECT_EQ(Base64Encode(""), "");
  EXPECT_EQ(Base64Encode("f"), "Zg==");
  EXPECT_EQ(Base64Encode("fo"), "Zm8=");
  EXPECT_EQ(Base64Encode("foo"), "Zm9v");
  EXPECT_EQ(kLoginUserChallenge, Base64Encode("Username:"));
  EXPECT_EQ(kLoginPasswordChallenge, Base64Encode("Password:"));
}

TEST(Base64, IsStrict) {
  std::string out;
  for (std::string_view bad :
       {"Zg", "Zg=", "Zg===", "Z===", "====", "=", "Zh==", "Zm9=", "Zg==Zg==", "Zm 9", "Zm9v\r\n",
        "Zm9\n", "Z-_v", "Zm9v\xff\xff\xff\xff", "Zg=A", "Z=9v"}) {
    EXPECT_FALSE(Base64Decode(bad, &out)) << bad;
  }
  EXPECT_TRUE(Base64Decode(Base64Encode(std::string(kMaxSaslToken, 'x')), &out));
  EXPECT_FALSE(Base64Decode(Base64Encode(std::string(kMaxSaslToken + 1, 'x')), &out));
}

TEST(SaslPlain, HasThreeFields) {
  SaslPlain plain;
  ASSERT_TRUE(ParseSaslPlain("for\0user\0pass word"sv, &plain));
  EXPECT_EQ(plain.authzid, "for");
  EXPECT_EQ(plain.authcid, "user");
  EXPECT_EQ(plain.password, "pass word");
  ASSERT_TRUE(ParseSaslPlain("\0u\0p"sv, &plain));
  EXPECT_EQ(plain.authzid, "");
  for (std::string_view bad : {""sv, "user"sv, "\0user"sv, "\0\0pw"sv, "\0user\0"sv, "\0\0"sv,
                               "\0u\0p\0"sv, "a\0u\0p\0q"sv}) {
    EXPECT_FALSE(ParseSaslPlain(bad, &plain)) << bad;
  }
  EXPECT_FALSE(ParseSaslPlain("\0u\0"sv.data() + std::string(kMaxSaslToken, 'x'), &plain));
}

TEST(SaslPlain, IsWrittenAsItIsRead) {
  std::string message;
  SaslPlain plain;
  ASSERT_TRUE(FormatSaslPlain("u", "master", "secret", &message));
  EXPECT_EQ(message, "u\0master\0secret"sv);
  ASSERT_TRUE(ParseSaslPlain(message, &plain));
  EXPECT_EQ(plain.authzid, "u");
  EXPECT_FALSE(FormatSaslPlain("u\0x"sv, "m", "s", &message));
  EXPECT_FALSE(FormatSaslPlain("u", "m\0"sv, "s", &message));
  EXPECT_FALSE(FormatSaslPlain("u", "m", "s\0"sv, &message));
  EXPECT_FALSE(FormatSaslPlain("u", "", "s", &message));
  EXPECT_FALSE(FormatSaslPlain("u", "m", "", &message));
}

TEST(SaslLogin, AnswersHaveNoNul) {
  EXPECT_TRUE(IsValidLoginAnswer("user"));
  EXPECT_FALSE(IsValidLoginAnswer(""));
  EXPECT_FALSE(IsValidLoginAnswer("us\0er"sv));
  EXPECT_FALSE(IsValidLoginAnswer(std::string(kMaxSaslToken + 1, 'x')));
}

TEST(XOAuth2, NamesAUserAndAToken) {
  SaslToken token;
  ASSERT_TRUE(
      ParseXOAuth2("user=me@example.com\x01"
                   "auth=Bearer ya29.vF9\x01\x01",
                   &token));
  EXPECT_EQ(token.user, "me@example.com");
  EXPECT_EQ(token.token, "ya29.vF9");
  for (std::string_view bad : {""sv, "user="sv,
                               "user=\x01"
                               "auth=Bearer x\x01\x01"sv,
                               "user=a\x01"
                               "auth=Bearer x\x01"sv,
                               "user=a\x01"
                               "auth=Bearer x"sv,
                               "user=a\x01"
                               "auth=Bearer \x01\x01"sv,
                               "user=a\x01"
                               "auth=Basic x\x01\x01"sv,
                               "user=a\x01"
                               "auth=Bearer x\x01\x01y"sv,
                               "user=a\x01host=b\x01"
                               "auth=Bearer x\x01\x01"sv,
                               "user=a\0b\x01"
                               "auth=Bearer x\x01\x01"sv}) {
    EXPECT_FALSE(ParseXOAuth2(bad, &token)) << bad;
  }
}

TEST(OAuthBearer, ReadsTheGs2Header) {
  SaslToken token;
  ASSERT_TRUE(
      ParseOAuthBearer("n,a=user@example.com,\x01host=server.example.com\x01port=143\x01"
                       "auth=Bearer vF9dft4qmT=\x01\x01",
                       &token));
  EXPECT_EQ(token.user, "user@example.com");
  EXPECT_EQ(token.token, "vF9dft4qmT=");
  ASSERT_TRUE(
      ParseOAuthBearer("y,,\x01"
                       "auth=bearer x\x01\x01",
                       &token));
  EXPECT_EQ(token.user, "");
  ASSERT_TRUE(
      ParseOAuthBearer("n,a=a=2Cb=3d=3Dc,\x01"
                       "auth=Bearer x\x01\x01",
                       &token));
  EXPECT_EQ(token.user, "a,b==c");
  for (std::string_view bad : {""sv, "\x01"sv, "n"sv, "n,"sv, "n,,"sv, "n,,\x01"sv, "n,,\x01\x01"sv,
                               "p=tls-unique,,\x01"
                               "auth=Bearer x\x01\x01"sv,
                               "n,b=x,\x01"
                               "auth=Bearer x\x01\x01"sv,
                               "n,a=,\x01"
                               "auth=Bearer x\x01\x01"sv,
                               "n,a==2,\x01"
                               "auth=Bearer x\x01\x01"sv,
                               "n,a=x,auth=Bearer x\x01\x01"sv,
                               "n,,\x01"
                               "auth=Bearer x\x01"sv,
                               "n,,\x01"
                               "auth=Bearer x\x01\x01z"sv,
                               "n,,\x01"
                               "auth=Bearer x\x01"
                               "auth=Bearer y\x01\x01"sv,
                               "n,,\x01=x\x01"
                               "auth=Bearer x\x01\x01"sv,
                               "n,,\x01nothing\x01"
                               "auth=Bearer x\x01\x01"sv,
                               "n,a=x\0,\x01"
                               "auth=Bearer x\x01\x01"sv}) {
    EXPECT_FALSE(ParseOAuthBearer(bad, &token)) << bad;
  }
}

TEST(Sasl, EveryPrefixIsRefused) {
  std::string_view plain = "for\0user\0p"sv,
                   bearer =
                       "n,a=u,\x01"
                       "auth=Bearer x\x01\x01"sv,
                   xoauth =
                       "user=u\x01"
                       "auth=Bearer x\x01\x01"sv;
  SaslPlain out;
  SaslToken token;
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_FALSE(ParseSaslPlain(plain.substr(0, i), &out));
  for (size_t i = 0; i < bearer.size(); ++i) {
    EXPECT_FALSE(ParseOAuthBearer(bearer.substr(0, i), &token));
  }
  for (size_t i = 0; i < xoauth.size(); ++i)
    EXPECT_FALSE(ParseXOAuth2(xoauth.substr(0, i), &token));
}

TEST(SaslMechanism, NamesIgnoreCase) {
  EXPECT_EQ(ParseSaslMechanism("plain"), SaslMechanism::kPlain);
  EXPECT_EQ(ParseSaslMechanism("OAuthBearer"), SaslMechanism::kOAuthBearer);
  EXPECT_EQ(ParseSaslMechanism("GSSAPI"), SaslMechanism::kUnknown);
  EXPECT_EQ(SaslMechanismName(SaslMechanism::kXOAuth2), "XOAUTH2");
}

}  // namespace
}  // namespace roost
