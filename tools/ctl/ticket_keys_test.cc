#include "tools/ctl/ticket_keys.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "proto/tls/ticket_key_text.h"

namespace roost {
namespace {

class TicketKeyFileTest : public ::testing::Test {
 protected:
  TicketKeyFileTest() {
    char name[] = "/tmp/roost-ticket-keys-XXXXXX";
    directory_ = mkdtemp(name);
    path_ = directory_ + "/keys";
  }
  ~TicketKeyFileTest() override {
    unlink(path_.c_str());
    rmdir(directory_.c_str());  // nothing else is left there
  }
  void Write(const std::string& text) { std::ofstream(path_) << text; }
  std::string Text() const {
    std::ostringstream text;
    text << std::ifstream(path_).rdbuf();
    return text.str();
  }
  TicketKeys Keys() const {
    TicketKeys keys;
    std::string error;
    EXPECT_TRUE(ParseTicketKeys(Text(), &keys, &error)) << error;
    return keys;
  }
  mode_t Mode() const {
    struct stat found {};
    EXPECT_EQ(stat(path_.c_str(), &found), 0);
    return found.st_mode & 0777;
  }

  std::string directory_, path_, error_;
};

TEST_F(TicketKeyFileTest, IsMadeForItsOwnerAlone) {
  ASSERT_TRUE(RotateTicketKeyFile(path_, &error_)) << error_;
  EXPECT_EQ(Mode(), 0600u);
  EXPECT_NE(Keys().next, TicketKey{});
}

TEST_F(TicketKeyFileTest, IsRotatedAndKeepsItsMode) {
  ASSERT_TRUE(RotateTicketKeyFile(path_, &error_)) << error_;
  chmod(path_.c_str(), 0640);
  const TicketKeys old = Keys();
  ASSERT_TRUE(RotateTicketKeyFile(path_, &error_)) << error_;
  EXPECT_EQ(Keys().current, old.next);
  EXPECT_EQ(Keys().previous, old.current);
  EXPECT_EQ(Mode(), 0640u);
}

TEST_F(TicketKeyFileTest, IsLeftAloneWhenItIsSomethingElse) {
  Write("something else\n");
  EXPECT_FALSE(RotateTicketKeyFile(path_, &error_));
  EXPECT_EQ(error_, path_ + ": line 1: begins with none of next, current and previous");
  EXPECT_EQ(Text(), "something else\n");
}

TEST_F(TicketKeyFileTest, NeedsItsDirectory) {
  EXPECT_FALSE(RotateTicketKeyFile(directory_ + "/none/keys", &error_));
  EXPECT_NE(error_.find("No such file"), error_.npos) << error_;
}

}  // namespace
}  // namespace roost
