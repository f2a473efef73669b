#include "core/client/sasl_credentials.h"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace roost {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::string_view kXOAuth2Message =
    "user=ann\x01"
    "auth=Bearer t\x01\x01";
constexpr std::string_view kBearerMessage =
    "n,a=ann,\x01"
    "auth=Bearer t\x01\x01";
constexpr std::string_view kNamelessMessage =
    "n,,\x01"
    "auth=Bearer t\x01\x01";

struct Case {
  SaslMechanism mechanism;
  std::string_view message;
  bool good;
  Credentials::Kind kind = Credentials::Kind::kNone;
  std::string_view user = "";
  std::string_view authzid = "";
  std::string_view secret = "";
};

TEST(SaslCredentials, AreThoseOfTheMessage) {
  using enum SaslMechanism;
  constexpr auto kPassword = Credentials::Kind::kPassword;
  constexpr auto kToken = Credentials::Kind::kToken;
  const Case cases[] = {
      {kPlain, "\0ann\0pw"sv, true, kPassword, "ann", "", "pw"},
      {kPlain, "ann\0ann\0pw"sv, true, kPassword, "ann", "", "pw"},
      {kPlain, "bob\0ann\0pw"sv, true, kPassword, "ann", "bob", "pw"},
      {kPlain, "ann\0pw"sv, false},
      {kLogin, "pw", true, kPassword, "first", "", "pw"},
      {kLogin, "p\0w"sv, false},
      {kLogin, "", false},
      // Whole: it is what the store gets.
      {kXOAuth2, kXOAuth2Message, true, kToken, "ann", "", kXOAuth2Message},
      {kXOAuth2, kBearerMessage, false},
      {kOAuthBearer, kBearerMessage, true, kToken, "ann", "", kBearerMessage},
      {kOAuthBearer, kNamelessMessage, true, kToken, "", "", kNamelessMessage},
      {kOAuthBearer, kXOAuth2Message, false},
      {kUnknown, "\0ann\0pw"sv, false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(SaslMechanismName(c.mechanism)) + " " + std::string(c.message));
    Credentials got;
    ASSERT_EQ(TakeSasl(c.mechanism, c.message, "first", &got), c.good);
    if (!c.good) continue;
    EXPECT_EQ(got.mechanism, c.mechanism);
    EXPECT_EQ(got.kind, c.kind);
    EXPECT_EQ(got.user, c.user);
    EXPECT_EQ(got.authzid, c.authzid);
    EXPECT_EQ(got.secret, c.secret);
  }
}

}  // namespace
}  // namespace roost
