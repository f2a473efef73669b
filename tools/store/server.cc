#include "tools/store/server.h"

#include <signal.h>

#include <atomic>
#include <barrier>
#include <cstdio>
#include <ctime>
#include <thread>

#include "core/base/clock.h"
#include "tools/store/mail_date.h"

namespace roost::embedded {
namespace {

// Set by signals. A signal that comes just before the wait is noticed when the wait ends.
std::atomic<bool> g_report_wanted = false;
std::atomic<bool> g_stopping = false;
static_assert(std::atomic<bool>::is_always_lock_free);

constexpr uint64_t kLongestWaitNs = kNsPerSecond;
// What was written when it ends may leave for so long.
constexpr uint64_t kLastWordsNs = 50 * kNsPerMs;

void OnSignal(int signal) {
  if (signal == SIGUSR1) {
    g_report_wanted = true;
  } else {
    g_stopping = true;
  }
}

void CatchSignals() {
  struct sigaction action {};
  action.sa_handler = OnSignal;
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) sigaction(signal, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

sigset_t BlockSignals() {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  return before;
}

std::string_view NameOf(Protocol protocol) {
  switch (protocol) {
    case Protocol::kImap:
      return "imap";
    case Protocol::kLmtp:
      return "lmtp";
    case Protocol::kControl:
      return "control";
  }
  return "";
}

Body PreloadedMessage(const std::string& user, uint32_t number, int64_t now) {
  const std::string text = std::to_string(number);
  return std::make_shared<const std::string>(
      "Date: " + FormatHeaderDate(now) + "\r\nFrom: Roost <roost@example.org>\r\nTo: <" + user +
      "@example.org>\r\nSubject: Message " + text + "\r\nMessage-ID: <preload-" + text +
      "@example.org>\r\n\r\nThis is message " + text + ".\r\n");
}

}  // namespace

Server::~Server() {
  for (auto& of_shard : listeners_) {
    for (ListenerDescriptor& listener : of_shard) CloseListenerDescriptor(&listener);
  }
}

bool Server::Start(std::string* error) {
  CatchSignals();
  UringSet::Options options;
  options.count = command_line_.threads;
  options.limits.max_sockets = command_line_.sockets_per_thread;
  options.mode = command_line_.descriptors;
  ios_ = UringSet::Create(options, error);
  if (ios_ == nullptr) return false;
  std::vector<ListenerSpec>& specs = command_line_.server.listeners;
  for (uint32_t shard = 0; shard < command_line_.threads; ++shard) {
    listeners_.emplace_back();
    for (ListenerSpec& spec : specs) {
      ListenerDescriptor listener = OpenListener(spec.address, {}, error);
      if (listener.fd < 0) return false;
      spec.address = listener.bound;  // the other shards listen on the port the kernel chose
      listeners_.back().push_back(listener);
    }
  }
  return true;
}

std::string Server::ReadyLine() const {
  std::string line = "ready";
  for (const ListenerSpec& spec : command_line_.server.listeners) {
    line.append(" ").append(NameOf(spec.protocol)).append(" ").append(spec.address.ToString());
  }
  return line;
}

void Server::Preload(ShardGroup& group) {
  const int64_t now = std::time(nullptr);
  for (const InboxState& state : std::exchange(command_line_.inboxes, {})) {
    Registry& registry = group.front()->OwnerOf(state.user).registry();
    registry.Get(state.user)->RestoreInbox(state, now, [&](Uid uid) {
      return PreloadedMessage(state.user, uid, now);
    });
  }
  for (const auto& [user, count] : command_line_.preload) {
    Registry& registry = group.front()->OwnerOf(user).registry();
    const std::shared_ptr<Mailbox> inbox = registry.Get(user)->Find(kInbox);
    for (uint32_t i = 1; i <= count; ++i) {
      inbox->Append(PreloadedMessage(user, i, now), Flags{}, now);
    }
  }
}

void Server::Run() {
  const sigset_t before = BlockSignals();
  const auto uid_validity = static_cast<uint32_t>(std::time(nullptr));
  for (uint32_t number = 0; number < command_line_.threads; ++number) {
    shards_.push_back(std::make_unique<Shard>(ios_->at(number), number, &group_,
                                              &command_line_.server, uid_validity));
    group_.push_back(shards_.back().get());
  }
  Preload(group_);
  std::barrier all_stopped(command_line_.threads);
  std::vector<std::thread> threads;
  for (uint32_t number = 1; number < command_line_.threads; ++number) {
    threads.emplace_back([&, number] { RunShard(number, all_stopped); });
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  RunShard(0, all_stopped);
  for (std::thread& thread : threads) thread.join();
  ios_.reset();
}

void Server::RunShard(uint32_t number, std::barrier<>& all_stopped) {
  ios_->at(number).Bind();
  Shard& shard = *shards_[number];
  for (size_t i = 0; i < listeners_[number].size(); ++i) {
    shard.Listen(std::exchange(listeners_[number][i], {}), i);
  }
  while (!g_stopping) {
    shard.loop().Turn(shard.loop().now_ns() + kLongestWaitNs);
    if (number == 0 && g_report_wanted.exchange(false)) {
      PrintReport(shard);
    }
  }
  // The others may be asleep.
  for (Shard* other : group_) {
    if (number == 0 && other != &shard) shard.Post(*other, [](Shard&) {});
  }
  shard.Stop();
  const uint64_t last_words_end = shard.loop().now_ns() + kLastWordsNs;
  while (shard.loop().now_ns() < last_words_end) shard.loop().Turn(last_words_end);
  // Until here others may post to this one.
  all_stopped.arrive_and_wait();
  shards_[number].reset();
}

void Server::PrintReport(Shard& shard) {
  shard.CollectReport([](const Report& report) {
    const std::string text = report.ToText();
    std::fwrite(text.data(), 1, text.size(), stderr);
    std::fflush(stderr);
  });
}

}  // namespace roost::embedded
