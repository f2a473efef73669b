#include "core/shard/server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "core/io/uring_testing.h"
#include "core/testing/client_socket.h"

namespace roost {
namespace {

// A port that nobody listens on; the kernel chooses it.
Config Plain() {
  Config config;
  config.shards = 2;
  ListenerConfig listener;
  Address::Parse("127.0.0.1:0", &listener.address);
  listener.tls = ListenerConfig::Tls::kNone;
  config.listeners = {listener};
  StoreConfig store;
  store.name = "nowhere";
  store.addresses = {{"127.0.0.1", 1}};
  config.stores = {store};
  return config;
}

using Reloaded = Server::Reloaded;

std::string ErrorOf(const Config& config) {
  std::string error;
  EXPECT_EQ(Server::Create(config, &error), nullptr);
  return error;
}

void ExpectSays(const std::string& error, std::string_view part) {
  EXPECT_NE(error.find(part), error.npos) << error;
}

class ServerTest : public testing::Test {
 protected:
  ~ServerTest() override {
    if (!thread_.joinable()) return;
    server_->RequestStop();
    thread_.join();
  }

  // False: the test was skipped or has failed.
  bool Start(const Config& config) {
    std::string why;
    server_ = Server::Create(config, &why);
    if (server_ == nullptr) SkipOrFail(why, config.descriptors);
    return server_ != nullptr;
  }
  // And its shards take clients, until the test ends.
  bool Serve(const Config& config) {
    if (!Start(config)) return false;
    thread_ = std::thread([this] { server_->Run(); });
    EXPECT_TRUE(Awaits([this] { return server_->NotReady().empty(); }));
    return true;
  }
  // Goes on with what is done now and then until it is so.
  bool Tended(const std::string& not_ready) {
    return Awaits([&] {
      server_->Tend();
      return server_->NotReady() == not_ready;
    });
  }

  std::unique_ptr<Server> server_;
  std::thread thread_;  // where it serves
};

TEST(ServerErrors, NameTheCertificateFileThatCannotBeUsed) {
  Config config = Plain();
  config.listeners[0].tls = ListenerConfig::Tls::kImplicit;
  config.certificates = {{"/nonexistent/chain.pem", "/nonexistent/key.pem"}};
  ExpectSays(ErrorOf(config), "/nonexistent/chain.pem");
  ExpectSays(ErrorOf(config), "No such file");
}

TEST(ServerErrors, NameTheStoreThatCannotBeResolved) {
  Config config = Plain();
  const std::string host(64, 'x');  // a label has 63 at most: nobody is asked
  config.stores[0].addresses = {{"127.0.0.1", 143}, {host, 143}};
  const std::string error = ErrorOf(config);
  ExpectSays(error, "store nowhere");
  ExpectSays(error, "cannot resolve " + host);
}

TEST(ServerErrors, NameTheStoreWhoseAuthoritiesCannotBeRead) {
  Config config = Plain();
  config.stores[0].tls = StoreConfig::Tls::kImplicit;
  config.stores[0].ca_file = "/nonexistent/ca.pem";
  const std::string error = ErrorOf(config);
  ExpectSays(error, "store nowhere");
  ExpectSays(error, "/nonexistent/ca.pem");
}

TEST_F(ServerTest, SaysWhatToDoAboutAPortInUse) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
  ASSERT_EQ(listen(fd, 1), 0);
  socklen_t size = sizeof name;
  ASSERT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size), 0);
  Config config = Plain();
  if (!Start(config)) return;
  config.listeners[0].address.port = ntohs(name.sin_port);
  const std::string error = ErrorOf(config);
  ExpectSays(error, "cannot listen on 127.0.0.1:" + std::to_string(ntohs(name.sin_port)));
  ExpectSays(error, "stop it or choose another port");
  close(fd);
}

TEST_F(ServerTest, ServesOnOnePortWithAllShardsUntilItIsToldToStop) {
  if (!Start(Plain())) return;
  EXPECT_EQ(server_->description().substr(0, 8), "2 shards");
  ASSERT_EQ(server_->bound().size(), 1u);
  EXPECT_TRUE(server_->Figures().empty());  // nothing runs yet
  EXPECT_EQ(server_->NotReady(), "starting");
  thread_ = std::thread([this] { server_->Run(); });
  std::vector<std::unique_ptr<ClientSocket>> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<ClientSocket>(server_->bound()[0]));
    EXPECT_EQ(clients.back()->Line().substr(0, 5), "* OK ");
  }
  // They may all have come to one shard while the other still begins.
  EXPECT_TRUE(Awaits([&] { return server_->NotReady().empty(); }));
  const std::vector<ShardFigures> figures = server_->Figures();
  EXPECT_EQ(figures.size(), 2u);
  uint64_t total = 0;
  for (const ShardFigures& f : figures) total += f.clients;
  EXPECT_EQ(total, 8u);
  EXPECT_EQ(server_->NotReady(), "");
  EXPECT_LT(server_->SilentNs(), SecondsToNs(5));
  EXPECT_FALSE(server_->stopping());
  server_->RequestStop();
  EXPECT_EQ(server_->NotReady(), "stopping");
  for (const auto& client : clients) {
    EXPECT_EQ(client->Line(), "* BYE [UNAVAILABLE] Server shutting down\r\n");
    EXPECT_EQ(client->Line(), "");
  }
  thread_.join();
  EXPECT_TRUE(server_->Figures().empty());
}

TEST_F(ServerTest, TakesWhatMayChangeWhileItRunsAndSaysWhenThereIsMore) {
  if (!Start(Plain())) return;
  Config config = Plain();
  std::string error;
  EXPECT_EQ(server_->Reload(config, &error), Reloaded::kWhole);
  config.parking.enabled = false;
  config.parking.except_users = {"ann"};
  config.limits.max_clients = 7;
  EXPECT_EQ(server_->Reload(config, &error), Reloaded::kWhole);
  EXPECT_EQ(error, "");
  config.shards = 3;
  config.log.format = LogConfig::Format::kJson;
  EXPECT_EQ(server_->Reload(config, &error), Reloaded::kInPart);
  EXPECT_EQ(error, "shards, log.format");
  config.shards = Plain().shards;
  config.log.format = Plain().log.format;
  config.parking.enabled = true;
  EXPECT_EQ(server_->Reload(config, &error), Reloaded::kWhole);  // what was refused was not kept
  EXPECT_EQ(error, "");
}

// What each shard has of it, by PrintConfig, and the password of the first store.
std::vector<std::string> Known(Server* server) {
  const auto known = std::make_shared<std::vector<std::string>>(server->shards());
  EXPECT_TRUE(server->Ask([known](uint32_t index, Shard& shard) {
    Config config = shard.config();
    config.stores[0] = *shard.dialer(0).target().config;
    known->at(index) = PrintConfig(config) + config.stores[0].master_password;
  }));
  return *known;
}

// What it was: cut off after five seconds, whatever stop_s said.
TEST_F(ServerTest, WaitsForClientsThatTakeTheGoodbyeSlowly) {
  Config config = Plain();
  config.timeouts.stop_s = 30;
  if (!Start(config)) return;
  auto run = std::async(std::launch::async, [&] { server_->Run(); });
  EXPECT_TRUE(Awaits([&] { return server_->NotReady().empty(); }));
  ClientSocket client(server_->bound()[0], 4096);
  EXPECT_TRUE(Awaits([&] {
    for (int i = 0; i < 1000; ++i) client.SayMore();
    uint64_t blocked = 0;
    for (const ShardFigures& f : server_->Figures()) blocked += f.io.blocked_sends;
    return blocked != 0;
  }));
  server_->RequestStop();
  EXPECT_EQ(run.wait_for(std::chrono::seconds(6)), std::future_status::timeout);
  EXPECT_TRUE(client.Rest().ends_with("* BYE [UNAVAILABLE] Server shutting down\r\n"));
  run.get();  // now that all have heard it
}

TEST_F(ServerTest, GivesEachShardAllThatWasTaken) {
  Config config = Plain();
  config.stores[0].login = StoreConfig::Login::kProxyAuthzid;
  config.stores[0].master_user = "roost";
  config.stores[0].master_password = "first";
  if (!Serve(config)) return;
  const auto all = [&](const std::string& password) {
    return std::vector<std::string>(2, PrintConfig(config) + password);
  };
  EXPECT_EQ(Known(server_.get()), all("first"));
  config.greeting = "Hello.";
  config.timeouts.heartbeat_s = 77;
  config.parking.quiet_park_s = 7;
  config.limits.max_line = 5000;
  config.drain.over_s = 17;
  config.stores[0].master_user = "other";
  config.stores[0].master_password = "second";
  config.stores[0].max_sessions = 5;
  config.stores[0].addresses = {{"127.0.0.2", 1}, {"127.0.0.1", 1}};
  std::string error;
  EXPECT_EQ(server_->Reload(config, &error), Reloaded::kWhole) << error;
  EXPECT_EQ(Known(server_.get()), all("second"));
  EXPECT_EQ(server_->drain_over_s(), 17u);
  const auto addresses = std::make_shared<std::vector<std::string>>(2);
  EXPECT_TRUE(server_->Ask([addresses](uint32_t index, Shard& shard) {
    for (const StoreAddress& one : shard.dialer(0).target().addresses) {
      addresses->at(index) += one.address.ToString() + (one.gone ? "- " : " ");
    }
  }));
  EXPECT_EQ(*addresses, std::vector<std::string>(2, "127.0.0.1:1 127.0.0.2:1 "));
}

TEST_F(ServerTest, ChangesNothingWhenOneThingOfAStoreCannotBeUsed) {
  if (!Serve(Plain())) return;
  const std::vector<std::string> before = Known(server_.get());
  Config config = Plain();
  config.greeting = "Hello.";
  config.stores[0].tls = StoreConfig::Tls::kImplicit;
  config.stores[0].ca_file = "/nonexistent/ca.pem";
  std::string error;
  EXPECT_EQ(server_->Reload(config, &error), Reloaded::kRefused);
  ExpectSays(error, "store nowhere");
  ExpectSays(error, "/nonexistent/ca.pem");
  config.stores[0].tls = StoreConfig::Tls::kNone;
  const std::string host(64, 'x');  // a label has 63 at most: nobody is asked
  config.stores[0].addresses = {{host, 143}};
  EXPECT_EQ(server_->Reload(config, &error), Reloaded::kRefused);
  ExpectSays(error, "store nowhere");
  ExpectSays(error, "cannot resolve " + host);
  EXPECT_EQ(Known(server_.get()), before);
}

// By what the kernel says of each ring.
std::vector<uint64_t> TablesOfRings() {
  std::vector<uint64_t> sizes;
  for (const auto& file : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
    std::ifstream text(file.path());
    for (std::string line; std::getline(text, line);) {
      if (line.starts_with("UserFiles:")) sizes.push_back(std::stoull(line.substr(10)));
    }
  }
  return sizes;
}

TEST_F(ServerTest, HasPlaceForAsManySocketsInEachShardAsItMayHaveDescriptors) {
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = limit.rlim_max;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  Config config = Plain();
  config.descriptors = DescriptorMode::kDirect;
  if (!Start(config)) return;
  const uint64_t places = std::min<uint64_t>(limit.rlim_cur, Server::kMostSocketsOfAShard);
  EXPECT_EQ(TablesOfRings(), std::vector<uint64_t>(2, places));
}

TEST_F(ServerTest, KeepsItsRouteUntilItIsStartedWithTheStoresOfTheNewOne) {
  if (!Start(Plain())) return;
  Config config = Plain();
  config.stores.push_back(config.stores[0]);
  config.stores[1].name = "new";
  config.route.store = "new";
  config.drain.over_s = 17;
  std::string error;
  EXPECT_EQ(server_->Reload(config, &error), Reloaded::kInPart);
  EXPECT_EQ(error, "stores, route.store");
  EXPECT_EQ(server_->drain_over_s(), 17u);
  config.route.store = "nowhere";
  EXPECT_EQ(server_->Reload(config, &error), Reloaded::kInPart);
  EXPECT_EQ(error, "stores");
  config.route = {};
  config.route.kind = RouteConfig::Kind::kMap;
  config.route.map_file = "/nonexistent/map";
  EXPECT_EQ(server_->Reload(config, &error), Reloaded::kRefused);
  ExpectSays(error, "/nonexistent/map: cannot be read");
  config = Plain();
  config.route.kind = RouteConfig::Kind::kHash;
  EXPECT_EQ(server_->Reload(config, &error), Reloaded::kWhole);
}

TEST_F(ServerTest, SaysWhatIsDrainedOfAStoreAndWhetherUsersFindAnotherAddress) {
  Config config = Plain();
  config.stores[0].addresses = {{"127.0.0.1", 1}, {"127.0.0.2", 1}};
  if (!Start(config)) return;
  const auto order = [&](bool drain, const std::string& address) {
    Server::StoreDrained done;
    EXPECT_EQ(server_->DrainStore({"nowhere", address, drain, 60}, &done), "");
    return std::string(done.whole ? "whole " : "") + (done.elsewhere ? "elsewhere " : "") +
           done.addresses;
  };
  EXPECT_EQ(order(true, "127.0.0.1:1"), "elsewhere 127.0.0.1:1");
  EXPECT_EQ(order(true, "127.0.0.2:1"), "127.0.0.1:1 127.0.0.2:1");
  EXPECT_EQ(order(false, ""), "elsewhere ");
  EXPECT_EQ(order(true, ""), "whole 127.0.0.1:1 127.0.0.2:1");
  EXPECT_EQ(order(true, "127.0.0.1:1"), "whole 127.0.0.1:1 127.0.0.2:1");
  EXPECT_EQ(order(false, "127.0.0.1:1"), "elsewhere 127.0.0.2:1");
  Server::StoreDrained done;
  EXPECT_EQ(server_->DrainStore({"other", "", true, 60}, &done), "there is no store other");
}

TEST_F(ServerTest, TakesNobodyWhileItHasMoreMemoryThanItMay) {
  if (!Serve(Plain())) return;
  ClientSocket there(server_->bound()[0]);
  EXPECT_EQ(there.Line().substr(0, 5), "* OK ");
  Config config = Plain();
  config.limits.max_memory_mib = 1;  // less than any process has
  std::string error;
  EXPECT_EQ(server_->Reload(config, &error), Reloaded::kWhole);
  EXPECT_TRUE(Tended("memory"));
  EXPECT_EQ(there.Line(),
            "* BYE [UNAVAILABLE] The server is short of memory; please connect again later\r\n");
  EXPECT_TRUE(server_->Ask([](uint32_t, Shard&) {}));  // which all have heard of it before
  EXPECT_EQ(ClientSocket(server_->bound()[0]).Line(),
            "* BYE [UNAVAILABLE] Short of memory; please connect again later\r\n");
  config.limits.max_memory_mib = 1 << 20;
  EXPECT_EQ(server_->Reload(config, &error), Reloaded::kWhole);
  EXPECT_TRUE(Tended(""));
  EXPECT_TRUE(server_->Ask([](uint32_t, Shard&) {}));
  EXPECT_EQ(ClientSocket(server_->bound()[0]).Line().substr(0, 5), "* OK ");
}

// What it was: not looked at for as long as names are resolved and maps are read, which is when
// much may happen.
TEST_F(ServerTest, LooksAtItsMemoryWhileAReloadTakesItsTime) {
  if (!Serve(Plain())) return;
  Config config = Plain();
  config.limits.max_memory_mib = 1;  // less than any process has
  std::string error;
  EXPECT_EQ(server_->Reload(config, &error), Reloaded::kWhole);
  const std::string map = testing::TempDir() + "roost_slow_map_" + std::to_string(getpid());
  ASSERT_EQ(mkfifo(map.c_str(), 0600), 0);
  config.route.kind = RouteConfig::Kind::kMap;
  config.route.map_file = map;
  std::thread reload([&] { server_->Reload(config, &error); });
  int writes = -1;  // the reload waits for what is written
  EXPECT_TRUE(Awaits([&] { return (writes = open(map.c_str(), O_WRONLY | O_NONBLOCK)) >= 0; }));
  auto looks = std::async(std::launch::async, [&] { return Tended("memory"); });
  const bool looked = looks.wait_for(std::chrono::seconds(20)) == std::future_status::ready;
  close(writes);
  reload.join();
  EXPECT_TRUE(looked && looks.get());
  unlink(map.c_str());
}

}  // namespace
}  // namespace roost
