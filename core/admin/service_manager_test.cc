#include "core/admin/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include <gtest/gtest.h>

namespace roost {
namespace {

// A service manager's socket; its name is in the environment while it lives.
class Manager {
 public:
  explicit Manager(std::string name) : name_(std::move(name)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name_.data(), name_.size());
    if (name_[0] == '@') address.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size());
    fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    bound_ = bind(fd_, reinterpret_cast<const sockaddr*>(&address), length) == 0;
    setenv("NOTIFY_SOCKET", name_.c_str(), 1);
  }
  ~Manager() {
    close(fd_);
    unlink(name_.c_str());
    unsetenv("NOTIFY_SOCKET");
  }
  bool bound() const { return bound_; }
  // The datagram that waits, or "".
  std::string Heard() const {
    char buffer[256];
    const ssize_t n = recv(fd_, buffer, sizeof buffer, 0);
    return n < 0 ? "" : std::string(buffer, static_cast<size_t>(n));
  }

 private:
  const std::string name_;
  int fd_ = -1;
  bool bound_ = false;
};

TEST(ServiceManager, IsToldOnASocketInTheFileSystem) {
  const Manager manager(testing::TempDir() + "roost-notify-" + std::to_string(getpid()));
  ASSERT_TRUE(manager.bound());
  EXPECT_TRUE(TellServiceManager("READY=1\nSTATUS=2 shards"));
  EXPECT_EQ(manager.Heard(), "READY=1\nSTATUS=2 shards");
  EXPECT_EQ(manager.Heard(), "");
}

TEST(ServiceManager, IsToldOnASocketOutsideOfTheFileSystem) {
  const Manager manager("@roost-notify-" + std::to_string(getpid()));
  ASSERT_TRUE(manager.bound());
  EXPECT_TRUE(TellServiceManager("READY=1"));
  EXPECT_EQ(manager.Heard(), "READY=1");
}

TEST(ServiceManager, IsNotThereAndNothingHappens) {
  unsetenv("NOTIFY_SOCKET");
  EXPECT_TRUE(TellServiceManager("READY=1"));
}

TEST(ServiceManager, ThatCannotBeToldIsReported) {
  setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
  EXPECT_FALSE(TellServiceManager("READY=1"));
  setenv("NOTIFY_SOCKET", std::string(200, 'x').c_str(), 1);
  EXPECT_FALSE(TellServiceManager("READY=1"));
  unsetenv("NOTIFY_SOCKET");
}

}  // namespace
}  // namespace roost
