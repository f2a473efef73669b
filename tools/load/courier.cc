#include "tools/load/courier.h"

#include <string>
#include <utility>

#include "core/base/clock.h"

namespace roost::load {

Courier::Courier(LoadShard& shard)
    : shard_(shard), stream_(shard.loop().streams(), *this), alarm_(shard.loop()) {}

void Courier::Open(LoadUser* user) {
  user_ = user;
  const Options& options = shard_.options();
  DeliveryHost* host = this;
  if (options.lmtp) {
    dialogue_ = std::make_unique<LmtpDialogue>(host);
  } else {
    dialogue_ = std::make_unique<AppendDialogue>(host, user->name, options.store_password);
  }
  Expect();
  ConnectOptions connect;
  connect.reset_on_close = false;
  stream_.Connect(options.store, connect);
}

void Courier::Assign(LoadUser* user) {
  user_ = user;
  Start();
}

void Courier::Start() {
  ready_ = sent_ = false;
  Expect();
  dialogue_->Deliver(user_->name, MakeMessage(user_->name, user_->delivered.size() + 1));
}

void Courier::Expect() {
  alarm_.SetIn(SecondsToNs(kPatienceSeconds), [this] {
    OnBroken("timeout");
    End();
  });
}

void Courier::OnInput(Stream&) {
  stream_.Consume(dialogue_->Receive(stream_.input()));
  if (broken_) End();
}

void Courier::OnEnd(Stream& stream, StreamEnd) {
  if (user_ != nullptr) {
    OnBroken("connection closed" + (stream.error().empty() ? "" : ": " + stream.error()));
  }
  End();
}

void Courier::OnReady() {
  ready_ = was_ready_ = true;
  alarm_.Cancel();
  if (user_ == nullptr) user_ = shard_.deliveries().NextFor();
  if (user_ != nullptr) Start();
}

void Courier::OnSent() {
  sent_ = true;
  shard_.deliveries().OnSent(user_);
}

void Courier::OnAccepted() { Answered(true); }

void Courier::OnRefused(std::string_view reason) {
  shard_.measured().NoteError("delivery refused: " + std::string(reason));
  Answered(false);
}

// APPEND was for this message alone: the end of the connection follows.
void Courier::Answered(bool accepted) {
  shard_.deliveries().OnAnswered(std::exchange(user_, nullptr), accepted, sent_);
  if (!shard_.options().lmtp) broken_ = true;
}

void Courier::OnBroken(std::string_view reason) {
  if (std::exchange(broken_, true)) return;
  shard_.measured().NoteError("delivery: " + std::string(reason));
}

void Courier::End() {
  if (std::exchange(ended_, true)) return;
  alarm_.Cancel();
  stream_.Close();
  if (user_ != nullptr) shard_.deliveries().OnAnswered(std::exchange(user_, nullptr), false, sent_);
  shard_.deliveries().OnCourierEnded(this, was_ready_);
}

void Courier::Leave() {
  if (std::exchange(ended_, true)) return;
  alarm_.Cancel();
  stream_.Close();
}

}  // namespace roost::load
