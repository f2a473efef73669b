// What a password leaves behind in memory that was freed: every block that a thread of the server
// frees is looked through. Clients and the store are threads of the test, which are not looked at.
#include <malloc.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "core/config/config.h"
#include "core/io/listener.h"
#include "core/io/uring_testing.h"
#include "core/route/lookup_service.h"
#include "core/shard/server.h"
#include "core/testing/client_socket.h"
#include "proto/imap/sasl.h"

namespace {

thread_local bool of_the_test = false;
std::array<std::string_view, 3> sought;  // set while no other thread runs
std::atomic<int> found{0};
std::array<char, 256> first_found{};

void LookThrough(void* pointer) {
  const std::string_view block(static_cast<char*>(pointer), malloc_usable_size(pointer));
  for (std::string_view one : sought) {
    if (one.empty() || block.find(one) == block.npos) continue;
    if (found.fetch_add(1) == 0) block.copy(first_found.data(), first_found.size());
  }
}

}  // namespace

[[gnu::noinline]] void* operator new(size_t size) {
  void* const pointer = std::calloc(1, size);  // not to find what others have left there
  if (pointer == nullptr) throw std::bad_alloc();
  return pointer;
}
[[gnu::noinline]] void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return std::calloc(1, size);
}
[[gnu::noinline]] void operator delete(void* pointer) noexcept {
  if (!of_the_test && pointer != nullptr) LookThrough(pointer);
  std::free(pointer);
}
[[gnu::noinline]] void operator delete(void* pointer, size_t) noexcept { operator delete(pointer); }
[[gnu::noinline]] void operator delete(void* pointer, const std::nothrow_t&) noexcept {
  operator delete(pointer);
}

namespace roost {
namespace {

// Takes every login, in the way that its capabilities ask for.
class Store {
 public:
  explicit Store(const std::string& capabilities)
      : greeting_("* OK [CAPABILITY IMAP4rev1 " + capabilities + "] hello\r\n") {
    Address address;
    std::string error;
    EXPECT_TRUE(Address::Parse("127.0.0.1:0", &address));
    listener_ = OpenListener(address, {}, &error);
    EXPECT_EQ(error, "");
    accepting_ = std::thread([this] {
      of_the_test = true;
      for (int fd = 0; (fd = accept4(listener_.fd, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
        sessions_.emplace_back([this, fd] { Serve(fd); });
      }
    });
  }
  // Its sessions are over.
  ~Store() {
    shutdown(listener_.fd, SHUT_RDWR);
    accepting_.join();
    for (std::thread& session : sessions_) session.join();
    CloseListenerDescriptor(&listener_);
  }
  uint16_t port() const { return listener_.bound.port; }

 private:
  void Serve(int fd) const {
    of_the_test = true;
    ClientSocket session(fd);
    session.Say(greeting_);
    for (std::string line = session.Line(); !line.empty(); line = session.Line()) {
      const std::string tag = line.substr(0, line.find(' '));
      while (line.ends_with("}\r\n") || line.ends_with(" PLAIN\r\n")) {
        if (!line.ends_with("+}\r\n")) session.Say("+ \r\n");
        line = session.Line();
      }
      session.Say(tag + " OK done\r\n");
    }
  }

  const std::string greeting_;
  ListenerDescriptor listener_;
  std::thread accepting_;
  std::vector<std::thread> sessions_;
};

constexpr std::string_view kPassword = "open-sesame-and-more";

// What a client says, and how the answer begins; empty: that it was received is all that is waited
// for.
struct Words {
  std::string said;
  std::string_view answer;
};

// By what the store offers.
class FreedMemory : public ::testing::TestWithParam<const char*> {
 protected:
  FreedMemory() {
    of_the_test = true;
    config_.shards = 2;
    ListenerConfig listener;
    Address::Parse("127.0.0.1:0", &listener.address);
    listener.tls = ListenerConfig::Tls::kNone;
    listener.allow_plaintext_login = true;
    config_.listeners = {listener};
    StoreConfig store;
    store.name = "taker";
    store.addresses = {{"127.0.0.1", store_.port()}};
    config_.stores = {store};
  }

  // A server that hears this of one client after another, and its end.
  void Serve(const std::vector<std::vector<Words>>& clients) {
    std::string why;
    std::unique_ptr<Server> server = Server::Create(config_, &why);
    if (server == nullptr) return SkipOrFail(why);
    sought = {kPassword.substr(6, 8), std::string_view(plain_).substr(8, 16),
              std::string_view(encoded_).substr(8, 16)};
    std::thread thread([&] { server->Run(); });
    for (const std::vector<Words>& client : clients) Talk(*server, client);
    server->RequestStop();
    thread.join();
    of_the_test = false;
    server.reset();
    of_the_test = true;
    sought = {};
  }
  void Talk(Server& server, const std::vector<Words>& words) {
    ClientSocket client(server.bound()[0]);
    EXPECT_TRUE(client.Line().starts_with("* OK"));
    for (const auto& [said, answer] : words) {
      client.Say(said);
      said_ += said.size();
      if (answer.empty()) {
        EXPECT_TRUE(Awaits([&] { return Received(server) >= said_; }));
      } else {
        const std::string line = client.Line();
        EXPECT_TRUE(line.starts_with(answer)) << said << line;
      }
    }
  }
  static uint64_t Received(Server& server) {
    uint64_t bytes = 0;
    for (const ShardFigures& figures : server.Figures()) {
      bytes += figures.io.received_bytes - figures.io.connected_received_bytes;
    }
    return bytes;
  }

  const std::string password_{kPassword};
  // Of whoever has a name of three letters.
  const std::string plain_ = Base64Encode(std::string("\0ann\0", 5) + password_);
  const std::string encoded_ = Base64Encode(password_);
  Store store_{GetParam()};
  Config config_;
  uint64_t said_ = 0;
};

TEST_P(FreedMemory, HoldsNoPassword) {
  std::vector<std::vector<Words>> clients;
  const std::string more(100, 'x');                // what the buffer of a password has no room for
  const std::string odd = password_ + "\xc3\xa4";  // a store is sent it as a literal
  // Their connections may have to move to another shard.
  for (const std::string user : {"ann", "bob", "cyd", "dee"}) {
    const std::string login = "a LOGIN " + user + " ";
    const std::string plain = Base64Encode('\0' + user + '\0' + password_) + "\r\n";
    clients.insert(
        clients.end(),
        {
            {{login + password_ + "\r\n", "a OK"}},
            {{login + "\"\\\"" + password_ + more + "\"\r\n", "a OK"}},
            {{login + "{22}\r\n", "+"}, {odd, ""}, {"\r\n", "a OK"}},
            {{login + "{120}\r\n", "+"}, {password_, ""}, {more + "\r\n", "a OK"}},
            {{login + password_, ""}, {more + "\r\n", "a OK"}},
            {{login + password_ + "\r\nb NOOP\r\n", "a OK"}, {"", "b OK"}, {"c NOOP\r\n", "c OK"}},
            {{"a AUTHENTICATE PLAIN " + plain, "a OK"}},
            {{"a AUTHENTICATE PLAIN\r\n", "+"}, {plain, "a OK"}},
            {{"a AUTHENTICATE PLAIN\r\n", "+"}, {"!" + plain, "a BAD"}},
            {{"a AUTHENTICATE PLAIN\r\n", "+"}, {plain.substr(0, 32) + "!!!!\r\n", "a BAD"}},
            {{"a AUTHENTICATE LOGIN\r\n", "+"},
             {Base64Encode(user) + "\r\n", "+"},
             {encoded_ + "\r\n", "a OK"}},
            {{login + "{22}\r\n", "+"}, {password_, ""}},  // and leaves
        });
  }
  Serve(clients);
  EXPECT_EQ(found.exchange(0), 0) << std::string(first_found.data(), first_found.size());
}

INSTANTIATE_TEST_SUITE_P(ByStore, FreedMemory,
                         ::testing::Values("AUTH=PLAIN SASL-IR", "AUTH=PLAIN", "LITERAL+", ""));

// The master user's, where a key may be, and what a look-up service is shown.
TEST(FreedMemoryOfFiles, HoldsNoPassword) {
  of_the_test = true;
  const std::string path =
      ::testing::TempDir() + "roost_freed_memory_test_" + std::to_string(getpid());
  std::ofstream(path) << kPassword << "\n";
  sought = {kPassword.substr(6, 8)};
  of_the_test = false;
  {
    LoadedConfig loaded;
    loaded.config.stores.resize(1);
    loaded.config.stores[0].master_password_file = path;
    loaded.config.certificates = {{path, path}};
    CheckConfigFiles(&loaded);
    EXPECT_EQ(loaded.config.stores[0].master_password, kPassword);
    LookupService service;
    service.headers = ParseLookupHeaders("X-Key: open-sesame-and-more\n", path, &loaded.errors);
    EXPECT_EQ(service.headers, "X-Key: open-sesame-and-more\r\n");
  }
  of_the_test = true;
  sought = {};
  unlink(path.c_str());
  EXPECT_EQ(found.exchange(0), 0) << std::string(first_found.data(), first_found.size());
}

// Else nothing that is not found would prove anything.
TEST(FreedBlocks, AreLookedThrough) {
  sought = {kPassword};
  of_the_test = false;
  { const std::string block(100, 'x'), other = block + std::string(kPassword); }
  of_the_test = true;
  sought = {};
  EXPECT_GT(found.exchange(0), 0);
}

}  // namespace
}  // namespace roost
