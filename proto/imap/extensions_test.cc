#include "proto/imap/extensions.h"

#include <string>

#include <gtest/gtest.h>

namespace roost {
namespace {

TEST(Extensions, AreKnownToAStoreThatOffersThem) {
  const auto offered = [](std::string_view line, std::string_view capabilities) {
    return IsOffered(ParseCommand(std::string(line) + "\r\n"), CapabilitySet::Parse(capabilities));
  };
  EXPECT_TRUE(offered("a CREATE x", ""));
  EXPECT_TRUE(offered("a UID COPY 1 x", ""));
  EXPECT_TRUE(offered("a SETMETADATA x (y z)", "METADATA-SERVER"));
  EXPECT_TRUE(offered("a UID THREAD REFS UTF-8 ALL", "THREAD=REFS"));
  EXPECT_TRUE(offered("a GETQUOTA x", "QUOTA=RES-STORAGE"));
  EXPECT_TRUE(offered("a MOVE 1 x", "IMAP4rev2"));
  EXPECT_TRUE(offered("a UID EXPUNGE 1", "UIDPLUS"));
  EXPECT_FALSE(offered("a SETMETADATA x (y z)", "IMAP4rev2 ACL"));
  EXPECT_FALSE(offered("a SORT (DATE) UTF-8 ALL", "THREAD=REFS"));
  EXPECT_FALSE(offered("a MOVE 1 x", "IMAP4rev1"));
  EXPECT_FALSE(offered("a UID EXPUNGE 1", "IMAP4rev1"));
  EXPECT_FALSE(offered("a XFROB", "XFROB"));
}

}  // namespace
}  // namespace roost
