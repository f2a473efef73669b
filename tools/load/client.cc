#include "tools/load/client.h"

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>

#include "core/base/clock.h"

namespace roost::load {
namespace {

const char* Describe(StreamEnd end) {
  switch (end) {
    case StreamEnd::kClosed:
      return "closed by the server";
    case StreamEnd::kTruncated:
      return "closed by the server without close_notify";
    case StreamEnd::kBroken:
      return "connection failed";
    case StreamEnd::kTlsFailed:
      return "TLS failed";
  }
  return "";
}

}  // namespace

Client::Client(LoadShard& shard, LoadUser* user, const Visit& visit)
    : shard_(shard),
      user_(*user),
      visit_(visit),
      habit_(HabitOf(shard.options(), visit.client)),
      stream_(shard.loop().streams(), *this),
      dialogue_(&shard.dialogue_settings(), user->name, this, habit_ != Habit::kPoll),
      alarm_(shard.loop()),
      habit_alarm_(shard.loop()) {}

void Client::Open() {
  began_ns_ = step_ns_ = now();
  if (visit_.why == Visit::Why::kFirst) {
    uint64_t& first = shard_.measured().first_connect_ns;
    first = std::min(first, began_ns_);
  }
  ConnectOptions options;
  options.source = SourceOf(shard_.options(), visit_.client);
  options.reset_on_close = IsLoopback(shard_.options().server);
  Expect();
  stream_.Connect(shard_.options().server, options);
}

bool Client::TalksImap() const {
  return shard_.options().bare == Options::Bare::kNone && !shard_.options().handshake_only;
}

// The next step must come in time.
void Client::Expect() {
  alarm_.SetIn(SecondsToNs(shard_.options().enter_timeout_s), [this] {
    OnFailed("timeout");
    End();
  });
}

void Client::OnConnected(Stream&) {
  shard_.measured().connect.Record(now() - step_ns_);
  step_ns_ = now();
  if (shard_.options().bare != Options::Bare::kNone) return Settle();
  if (shard_.options().tls == Options::Tls::kImplicit) Handshake();
}

void Client::Handshake() {
  step_ns_ = now();
  stream_.StartTls(shard_.tls(visit_.client), shard_.server_name());
}

void Client::OnSecure(Stream&) {
  Result& result = shard_.measured();
  ++result.handshakes;
  const bool resumed = stream_.handshake_info()->resumed;
  (resumed ? result.resumption : result.handshake).Record(now() - step_ns_);
  if (visit_.why == Visit::Why::kFirst) {
    ++result.first_handshakes;
    result.last_secure_ns = std::max(result.last_secure_ns, now());
  }
  step_ns_ = now();
  if (shard_.options().handshake_only) return Settle();
  dialogue_.OnSecure();
  if (failed_) End();
}

void Client::OnInput(Stream&) {
  if (shard_.options().handshake_only) return stream_.Consume(stream_.input().size());
  stream_.Consume(dialogue_.Receive(stream_.input()));
  if (failed_) return End();
  if (std::exchange(start_tls_, false)) Handshake();
  if (fetch_due_ && dialogue_.phase() == Dialogue::Phase::kIdling) Fetch();
}

void Client::OnEnd(Stream& stream, StreamEnd end) {
  std::string reason = Describe(end);
  if (!stream.error().empty()) reason += ": " + stream.error();
  OnFailed(reason);
  End();
}

void Client::OnLoggedIn() {
  shard_.measured().login.Record(now() - step_ns_);
  step_ns_ = now();
}

void Client::OnIdle() {
  Rest();
  Settle();
}

void Client::Settle() {
  if (std::exchange(idled_, true)) return;
  stream_.SetQuiet(true);
  if (!TalksImap()) alarm_.Cancel();
  told_ = shard_.deliveries().OnListening(&user_, dialogue_.messages());
  shard_.measured().enter.Record(now() - began_ns_);
  shard_.OnClientIdle(visit_);
  BeginHabit();
}

void Client::OnExists(int64_t growth) {
  if (growth <= 0) ++shard_.measured().duplicated;
  if (!idled_) return;
  if (habit_ == Habit::kFetch && growth > 0) fetch_due_ = true;
  for (; growth > 0; --growth) Told();
}

// Nobody deletes anything here.
void Client::OnExpunge() {
  ++shard_.measured().unexpected;
  shard_.measured().NoteError("client: told that a message is gone");
}

void Client::Told() {
  const Delivered* message = shard_.deliveries().OnTold(&user_, told_);
  if (message == nullptr) return;
  ++told_;
  Result& result = shard_.measured();
  Histogram& told = ToldOf(result);
  told.Record(now() - message->sent_ns);
  if (&told != &result.told) return;
  if (shard_.options().deliver_rate > 0) result.told_since_due.Record(now() - message->due_ns);
  result.told_after_ack.Record(message->acked_ns == 0 ? 0 : now() - message->acked_ns);
}

void Client::OnTold(std::string_view line) {
  if (!shard_.options().show) return;
  std::printf("client %u of %s is told: %.*s\n", visit_.client + 1, user_.name.c_str(),
              static_cast<int>(line.size()), line.data());
  std::fflush(stdout);
}

void Client::OnFailed(std::string_view reason) {
  if (std::exchange(failed_, true)) return;
  shard_.measured().NoteError((idled_ ? "idle client: " : "client: ") + std::string(reason));
}

void Client::End() {
  if (std::exchange(ended_, true)) return;
  alarm_.Cancel();
  habit_alarm_.Cancel();
  stream_.Close();
  if (idled_ && shard_.options().return_lost) {
    shard_.deliveries().OnLeft(&user_, told_, HeedlessNs());
  } else if (idled_) {
    --user_.idle_clients;  // what it was to be told is lost
  }
  shard_.OnClientEnded(this);
}

void Client::Drop(Visit::Why why, uint64_t back_ns) {
  if (std::exchange(ended_, true)) return;
  alarm_.Cancel();
  habit_alarm_.Cancel();
  stream_.Abort();
  shard_.deliveries().OnLeft(&user_, told_, HeedlessNs());
  shard_.OnClientAway(this, why, back_ns);
}

void Client::Leave() {
  if (std::exchange(ended_, true)) return;
  alarm_.Cancel();
  habit_alarm_.Cancel();
  dialogue_.LogOut();
  stream_.Close();
}

}  // namespace roost::load
