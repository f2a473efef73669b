#include "core/admin/control.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <latch>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "core/base/version.h"

namespace roost {
namespace {

// Strict JSON (RFC 8259) of objects, arrays, strings with no \u but of control characters, true and
// whole numbers: each value by its path, "shards.0.clients". Nothing when it is anything else.
class JsonReader {
 public:
  using Values = std::map<std::string, std::string>;
  static std::optional<Values> Read(std::string_view text) {
    JsonReader reader(text);
    if (!reader.Value("")) return std::nullopt;
    reader.Blank();
    if (!reader.rest_.empty()) return std::nullopt;
    return reader.values_;
  }

 private:
  explicit JsonReader(std::string_view text) : rest_(text) {}
  void Blank() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\n')) rest_.remove_prefix(1);
  }
  bool Eat(std::string_view what) {
    Blank();
    if (rest_.substr(0, what.size()) != what) return false;
    rest_.remove_prefix(what.size());
    return true;
  }
  bool String(std::string* out) {
    if (!Eat("\"")) return false;
    while (!rest_.empty() && rest_[0] != '"') {
      if (static_cast<unsigned char>(rest_[0]) < ' ') return false;
      if (rest_[0] == '\\') {
        rest_.remove_prefix(1);
        if (rest_.starts_with("u00") && rest_.size() > 4) {
          *out += static_cast<char>(std::stoi(std::string(rest_.substr(3, 2)), nullptr, 16));
          rest_.remove_prefix(5);
          continue;
        }
        if (rest_.empty() || (rest_[0] != '"' && rest_[0] != '\\')) return false;
      }
      *out += rest_[0];
      rest_.remove_prefix(1);
    }
    return Eat("\"");
  }
  bool Value(const std::string& path) {
    if (Eat("{")) return Members(path, "}", true);
    if (Eat("[")) return Members(path, "]", false);
    if (Eat("true")) return values_.emplace(path, "true").second;
    std::string value;
    if (!rest_.empty() && rest_[0] == '"') {
      return String(&value) && values_.emplace(path, value).second;
    }
    while (!rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9') {
      value += rest_[0];
      rest_.remove_prefix(1);
    }
    const bool good = !value.empty() && (value == "0" || value[0] != '0');
    return good && values_.emplace(path, value).second;  // no name twice
  }
  bool Members(const std::string& path, std::string_view end, bool named) {
    if (Eat(end)) return true;
    for (int i = 0;; ++i) {
      std::string name = std::to_string(i);
      if (named) {
        name.clear();
        if (!String(&name) || !Eat(":")) return false;
      }
      Blank();
      if (!Value(path.empty() ? name : path + "." + name)) return false;
      if (Eat(end)) return true;
      if (!Eat(",")) return false;
    }
  }

  std::string_view rest_;
  Values values_;
};

// Every figure that is shown, each another number from `n` on.
ShardFigures Figures(uint64_t n) {
  ShardFigures f;
  for (const FigureName& figure : FigureNames()) figure.of(f) = n++;
  return f;
}

TEST(StatusJson, SumsEveryFigureOfAllShards) {
  const auto values = JsonReader::Read(StatusJson({Figures(1000), Figures(5000)}));
  ASSERT_TRUE(values.has_value());
  EXPECT_EQ(values->at("version"), kVersion);
  size_t figures = 0;
  std::set<std::string> seen;
  for (const auto& [path, value] : *values) {
    if (path.rfind("total.", 0) != 0) continue;
    ++figures;
    const std::string name = path.substr(6);
    ASSERT_TRUE(values->count("shards.0." + name) && values->count("shards.1." + name)) << name;
    const uint64_t first = std::stoull(values->at("shards.0." + name));
    const uint64_t second = std::stoull(values->at("shards.1." + name));
    EXPECT_GE(first, 1000u) << name << " is not among the figures of this test";
    EXPECT_EQ(second, first + 4000) << name;
    EXPECT_EQ(std::stoull(value), first + second) << name;
    EXPECT_TRUE(seen.insert(value).second) << name << " shows what another figure is";
  }
  EXPECT_GT(figures, 45u);
  EXPECT_EQ(values->size(), 3 * figures + 1);
  EXPECT_EQ(values->at("total.clients"), "6000");
}

// Zeros would be taken for figures.
TEST(StatusJson, IsAnErrorWithoutShards) {
  const auto values = JsonReader::Read(StatusJson({}));
  ASSERT_TRUE(values.has_value());
  EXPECT_EQ(values->count("total.clients"), 0u);
  EXPECT_EQ(values->at("error").substr(0, 24), "the shards do not answer");
}

TEST(ControlRequest, IsOneOfAFew) {
  using Kind = ControlRequest::Kind;
  const auto kind = [](std::string_view line) { return ParseControlRequest(line).kind; };
  EXPECT_EQ(kind("status"), Kind::kStatus);
  EXPECT_EQ(kind("backends"), Kind::kBackends);
  EXPECT_EQ(kind("clients 0"), Kind::kRows);
  EXPECT_EQ(ParseControlRequest("feeds 7 ann").rows.user, "ann");
  EXPECT_EQ(kind("trace ann"), Kind::kTrace);
  EXPECT_EQ(ParseControlRequest("trace ann b").user, "ann b");
  for (const char* other :
       {"", "status ", "clients", "kick", "kick ", "trace", "trace ", "drain 0", "drain x",
        "store-drain", "store-drain main", "store-drain 0 main", "store-drain - main a:1 b",
        "store-undrain", "store-undrain  main", "store"}) {
    EXPECT_EQ(kind(other), Kind::kUnknown) << other;
  }
}

TEST(ControlRequest, MayBeAboutAStoreOrOneOfItsAddresses) {
  const auto order = [](std::string_view line) {
    const ControlRequest request = ParseControlRequest(line);
    EXPECT_EQ(request.kind, ControlRequest::Kind::kStore) << line;
    return request.store;
  };
  const Server::StoreOrder whole = order("store-drain - main");
  EXPECT_TRUE(whole.drain);
  EXPECT_EQ(whole.store, "main");
  EXPECT_EQ(whole.address, "");
  EXPECT_EQ(whole.over_s, 60u);
  const Server::StoreOrder one = order("store-drain 7 main [::1]:143");
  EXPECT_EQ(one.address, "[::1]:143");
  EXPECT_EQ(one.over_s, 7u);
  const Server::StoreOrder back = order("store-undrain main 127.0.0.1:143");
  EXPECT_FALSE(back.drain);
  EXPECT_EQ(back.address, "127.0.0.1:143");
}

// What it was: nothing of it, as if users always found another address, and nothing else stayed.
TEST(StoreJson, SaysWhetherUsersFindAnotherAddressAndWhatStaysDrained) {
  EXPECT_EQ(StoreJson({"main", "", true, 7}, {true, false, "[::1]:143"}, ""),
            "{\"store\": \"main\", \"draining\": true, \"over_s\": 7}\n");
  EXPECT_EQ(StoreJson({"main", "[::1]:143", true, 7}, {false, true, "[::1]:143"}, ""),
            "{\"store\": \"main\", \"address\": \"[::1]:143\", \"draining\": true, \"over_s\": 7, "
            "\"whole\": false, \"elsewhere\": true}\n");
  EXPECT_EQ(StoreJson({"main", "", false, 0}, {}, ""),
            "{\"store\": \"main\", \"draining\": false, \"still_drained\": \"\"}\n");
  EXPECT_EQ(StoreJson({"main", "[::1]:143", false, 0}, {false, true, "a:1 b:2"}, ""),
            "{\"store\": \"main\", \"address\": \"[::1]:143\", \"draining\": false, "
            "\"still_drained\": \"a:1 b:2\"}\n");
  EXPECT_EQ(StoreJson({"main", "", true, 7}, {}, "no"), "{\"error\": \"no\"}\n");
}

TEST(ReloadJson, CarriesAnyRefusal) {
  EXPECT_EQ(JsonReader::Read(ReloadJson("", "", "/r"))->at("reloaded"), "true");
  EXPECT_EQ(JsonReader::Read(ReloadJson("", "a, b", "/r"))->at("needs_restart"), "a, b");
  EXPECT_EQ(JsonReader::Read(ReloadJson("", "", "/r"))->at("file"), "/r");
  const auto values = JsonReader::Read(ReloadJson("a \"b\" c:\\d\nline\ttab\x7f", "", "/r"));
  ASSERT_TRUE(values.has_value());
  EXPECT_EQ(values->at("error"), "a \"b\" c:\\d\nline\ttab\x7f");
}

class ControlSocketTest : public ::testing::Test {
 protected:
  ControlSocketTest() {
    std::string name = "/tmp/roost-control-" + std::string(6, 'X');  // as mkdtemp wants it
    directory_ = mkdtemp(name.data());
    path_ = directory_ + "/socket";
  }
  ~ControlSocketTest() override {
    unlink(path_.c_str());
    rmdir(directory_.c_str());
  }

  static void Echo(const std::string& request, const Say& say) { say("you said " + request); }
  std::unique_ptr<ControlSocket> Open(ControlSocket::Answer answer = Echo) {
    return ControlSocket::Open(path_, std::move(answer), &error_);
  }
  sockaddr_un Name() const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    return address;
  }
  // All that is answered until the end of the connection.
  std::string Ask(const std::string& request) {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_un address = Name();
    EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(send(fd, request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
    std::string answer;
    char buffer[4096];
    for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) {
      answer.append(buffer, static_cast<size_t>(n));
    }
    close(fd);
    return answer;
  }

  std::string directory_;
  std::string path_;
  std::string error_;
};

TEST_F(ControlSocketTest, AnswersOneLineAndEndsTheConnection) {
  const auto control = Open();
  ASSERT_NE(control, nullptr) << error_;
  EXPECT_EQ(Ask("status\n"), "you said status");
  EXPECT_EQ(Ask("nonsense\nand more\n"), "you said nonsense");
  EXPECT_EQ(Ask("\n"), "you said ");
}

TEST_F(ControlSocketTest, AnswersWhileAnotherIsStillBeingAnswered) {
  std::latch asked(1), answered(1);
  const auto control = Open([&](const std::string& request, const Say& say) {
    if (request == "long") {
      asked.count_down();
      answered.wait();
    }
    say(request);
  });
  ASSERT_NE(control, nullptr) << error_;
  std::string of_long;
  std::thread other([&] { of_long = Ask("long\n"); });
  asked.wait();
  EXPECT_EQ(Ask("short\n"), "short");
  answered.count_down();
  other.join();
  EXPECT_EQ(of_long, "long");
}

TEST_F(ControlSocketTest, AnswersManyOneAfterAnother) {
  const auto control = Open();
  ASSERT_NE(control, nullptr) << error_;
  std::vector<std::thread> askers;
  for (int i = 0; i < 4; ++i) {
    askers.emplace_back([&] {
      for (int n = 0; n < 25; ++n) EXPECT_EQ(Ask("a\n"), "you said a");
    });
  }
  for (std::thread& asker : askers) asker.join();
}

TEST_F(ControlSocketTest, SendsAnAnswerOfAnyLength) {
  const std::string answer(3'000'000, 'x');
  const auto control = Open([&](const std::string&, const Say& say) { say(answer); });
  ASSERT_NE(control, nullptr) << error_;
  EXPECT_EQ(Ask("status\n"), answer);
}

TEST_F(ControlSocketTest, TakesALineUpToItsBoundAndClosesOnALongerOne) {
  const auto control = Open();
  ASSERT_NE(control, nullptr) << error_;
  const std::string longest(1200, 'a');
  EXPECT_EQ(Ask(longest + "\n"), "you said " + longest);
  EXPECT_EQ(Ask(longest + "a\n"), "");
  EXPECT_EQ(Ask(std::string(10'000, 'a')), "");  // without waiting for its end
  EXPECT_EQ(Ask("status\n"), "you said status");
}

TEST_F(ControlSocketTest, ReplacesTheFileOfADeadProcess) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_un address = Name();
  ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(fd, 1), 0);
  close(fd);
  struct stat found {};
  ASSERT_EQ(stat(path_.c_str(), &found), 0);
  const auto control = Open();
  ASSERT_NE(control, nullptr) << error_;
  EXPECT_EQ(Ask("status\n"), "you said status");
}

TEST_F(ControlSocketTest, LeavesTheSocketOfALiveProcessAlone) {
  const auto control = Open();
  ASSERT_NE(control, nullptr) << error_;
  EXPECT_EQ(Open([](const std::string&, const Say& say) { say("usurper"); }), nullptr);
  EXPECT_NE(error_.find("another process answers on " + path_), error_.npos) << error_;
  EXPECT_EQ(Ask("status\n"), "you said status");
}

// It removed whatever the path named, a mistyped configuration file too.
TEST_F(ControlSocketTest, LeavesAFileThatIsNoSocketAlone) {
  std::ofstream(path_) << "precious";
  EXPECT_EQ(Open(), nullptr);
  EXPECT_NE(error_.find(path_ + " exists and is no socket"), error_.npos) << error_;
  std::string content;
  std::ifstream(path_) >> content;
  EXPECT_EQ(content, "precious");
}

TEST_F(ControlSocketTest, SaysWhatIsWrongWithThePath) {
  path_ = directory_ + "/missing/socket";
  EXPECT_EQ(Open(), nullptr);
  EXPECT_NE(error_.find(path_), error_.npos) << error_;
  EXPECT_NE(error_.find("its directory must exist"), error_.npos) << error_;
  path_ = "/tmp/" + std::string(200, 'a');
  EXPECT_EQ(Open(), nullptr);
  EXPECT_NE(error_.find("too long a path"), error_.npos) << error_;
}

TEST_F(ControlSocketTest, IsOpenToItsUserOnlyAndGoneAtTheEnd) {
  auto control = Open();
  ASSERT_NE(control, nullptr) << error_;
  struct stat found {};
  ASSERT_EQ(stat(path_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
  control.reset();
  EXPECT_NE(stat(path_.c_str(), &found), 0);
}

}  // namespace
}  // namespace roost
