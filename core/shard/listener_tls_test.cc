#include "core/shard/listener_tls.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "core/base/clock.h"
#include "proto/tls/self_signed.h"
#include "proto/tls/ticket_key_text.h"

namespace roost {
namespace {

class ListenerTlsTest : public ::testing::Test {
 protected:
  ListenerTlsTest() {
    EXPECT_NE(mkdtemp(directory_.data()), nullptr);
    const PemPair pem = MakeSelfSigned({"mail.example.org"});
    config_.certificates = {{Write("chain", pem.cert_pem), Write("key", pem.key_pem)}};
    config_.listeners.resize(1);
    config_.listeners[0].tls = ListenerConfig::Tls::kImplicit;
    config_.tls.ticket_rotation_s = 100;
  }
  ~ListenerTlsTest() override { std::filesystem::remove_all(directory_); }

  std::string Write(const std::string& name, std::string_view text) {
    std::ofstream(directory_ + "/" + name) << text;
    return directory_ + "/" + name;
  }
  void WriteKeys(const TicketKeys& keys) {
    config_.tls.ticket_key_file = Write("tickets", FormatTicketKeys(keys));
  }
  void Load(uint64_t second) {
    ListenerTls::Context built;
    std::string error;
    ASSERT_TRUE(tls_.Build(config_, &built, &error)) << error;
    tls_.Take(std::move(built), config_.tls, SecondsToNs(second));
  }
  bool Tend(uint64_t second) { return tls_.Tend(config_.tls, SecondsToNs(second)); }
  const TicketKeys& keys() { return tls_.context()->ticket_keys(); }

  std::string directory_ = "/tmp/roost-listener-tls-XXXXXX";
  Config config_;
  ListenerTls tls_;
};

TEST_F(ListenerTlsTest, IsNoneWhereNoListenerHasIt) {
  config_.listeners[0].tls = ListenerConfig::Tls::kNone;
  config_.certificates.clear();
  Load(0);
  EXPECT_EQ(tls_.context(), nullptr);
  EXPECT_FALSE(Tend(1000));
}

TEST_F(ListenerTlsTest, RotatesItsOwnKeysWhenTheirTimeHasCome) {
  Load(1000);
  const ListenerTls::Context first = tls_.context();
  EXPECT_FALSE(Tend(1099));
  EXPECT_TRUE(Tend(1100));
  EXPECT_NE(tls_.context(), first);
  EXPECT_EQ(keys().previous, first->ticket_keys().current);
  EXPECT_FALSE(Tend(1199));
  EXPECT_TRUE(Tend(1200));
}

TEST_F(ListenerTlsTest, RotatesNothingThatIsNotInUseOrIsNotToChange) {
  config_.tls.tickets = false;
  Load(1000);
  EXPECT_FALSE(Tend(5000));
  config_.tls.tickets = true;
  config_.tls.ticket_rotation_s = 0;
  EXPECT_FALSE(Tend(5000));
}

TEST_F(ListenerTlsTest, KeepsItsKeysAndTheirTimeWithOtherCertificates) {
  Load(1000);
  const ListenerTls::Context first = tls_.context();
  Load(1050);
  EXPECT_NE(tls_.context(), first);
  EXPECT_EQ(keys().current, first->ticket_keys().current);
  EXPECT_TRUE(Tend(1100));
}

TEST_F(ListenerTlsTest, LooksAtTheFileOfKeysWhenTheirTimeHasCome) {
  const TicketKeys before = TicketKeys::Random(), after = TicketKeys::Random();
  WriteKeys(before);
  Load(1000);
  EXPECT_EQ(keys().current, before.current);
  EXPECT_FALSE(Tend(1100)) << "the same";
  WriteKeys(after);
  EXPECT_FALSE(Tend(1199));
  EXPECT_TRUE(Tend(1200));
  EXPECT_EQ(keys().current, after.current);
  Load(1250);  // which reads it
  EXPECT_FALSE(Tend(1300));
}

TEST_F(ListenerTlsTest, StaysAsItIsWhenTheKeysAreWrongOrGone) {
  const TicketKeys keys_of_file = TicketKeys::Random();
  WriteKeys(keys_of_file);
  Load(1000);
  Write("tickets", "current AAAA\n");
  EXPECT_FALSE(Tend(1100));
  std::filesystem::remove(config_.tls.ticket_key_file);
  EXPECT_FALSE(Tend(1200));
  EXPECT_EQ(keys().current, keys_of_file.current);
  ListenerTls::Context built;
  std::string error;
  EXPECT_FALSE(tls_.Build(config_, &built, &error));
  EXPECT_EQ(built, nullptr);
  EXPECT_EQ(error,
            config_.tls.ticket_key_file +
                ": cannot be read; roostd must be permitted to, as the user that it runs as");
}

}  // namespace
}  // namespace roost
