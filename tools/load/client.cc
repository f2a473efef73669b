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

Client::Client(LoadShard& shard, LoadUser* user, uint32_t number)
    : shard_(shard),
      user_(*user),
      number_(number),
      stream_(shard.loop().streams(), *this),
      dialogue_(&shard.dialogue_settings(), user->name, this),
      alarm_(shard.loop()) {}

void Client::Open() {
  began_ns_ = step_ns_ = now();
  Result& result = shard_.measured();
  result.first_connect_ns = std::min(result.first_connect_ns, began_ns_);
  ConnectOptions options;
  options.source = SourceOf(shard_.options(), number_);
  options.reset_on_close = IsLoopback(shard_.options().server);
  Expect();
  stream_.Connect(shard_.options().server, options);
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
  stream_.StartTls(*shard_.tls(), shard_.server_name());
}

void Client::OnSecure(Stream&) {
  Result& result = shard_.measured();
  ++result.handshakes;
  result.handshake.Record(now() - step_ns_);
  result.last_secure_ns = std::max(result.last_secure_ns, now());
  step_ns_ = now();
  dialogue_.OnSecure();
  if (failed_) End();
}

void Client::OnInput(Stream&) {
  stream_.Consume(dialogue_.Receive(stream_.input()));
  if (failed_) return End();
  if (std::exchange(start_tls_, false)) Handshake();
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
  // Spread, so that they do not all come in one moment.
  const uint64_t again_ns = SecondsToNs(shard_.options().re_idle_s) * (75 + number_ % 25) / 100;
  alarm_.SetIn(again_ns, [this] {
    Expect();
    dialogue_.Refresh();
  });
  Settle();
}

void Client::Settle() {
  if (std::exchange(idled_, true)) return;
  stream_.SetQuiet(true);
  if (shard_.options().bare != Options::Bare::kNone) alarm_.Cancel();
  told_ = static_cast<uint32_t>(user_.delivered.size());
  ++user_.idle_clients;
  shard_.measured().enter.Record(now() - began_ns_);
  shard_.OnClientIdle();
}

void Client::OnExists(int64_t growth) {
  if (!idled_) return;
  if (growth <= 0) ++shard_.measured().duplicated;
  for (; growth > 0; --growth) Told();
}

void Client::Told() {
  Result& result = shard_.measured();
  if (told_ >= user_.delivered.size()) {
    ++result.unexpected;
    return;
  }
  const Delivered& message = user_.delivered[told_++];
  ++result.received;
  result.told.Record(now() - message.sent_ns);
  if (shard_.options().deliver_rate > 0) result.told_since_due.Record(now() - message.due_ns);
  result.told_after_ack.Record(message.acked_ns == 0 ? 0 : now() - message.acked_ns);
  shard_.progress.received.store(result.received, std::memory_order_relaxed);
}

void Client::OnTold(std::string_view line) {
  if (!shard_.options().show) return;
  std::printf("client %u of %s is told: %.*s\n", number_ + 1, user_.name.c_str(),
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
  stream_.Close();
  if (idled_) --user_.idle_clients;
  shard_.OnClientEnded(this, idled_);
}

void Client::Leave() {
  if (std::exchange(ended_, true)) return;
  alarm_.Cancel();
  dialogue_.LogOut();
  stream_.Close();
}

}  // namespace roost::load
