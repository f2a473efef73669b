#include <utility>

#include "core/base/clock.h"
#include "tools/load/client.h"

namespace roost::load {
namespace {

// Between three quarters of a time and all of it, so that clients do not all act in one moment.
uint64_t Spread(uint32_t seconds, uint32_t client) {
  return SecondsToNs(seconds) * (75 + client % 25) / 100;
}

}  // namespace

// Once for each connection, when it begins to wait.
void Client::BeginHabit() {
  const Options& options = shard_.options();
  if (!TalksImap()) return;
  if (habit_ == Habit::kSlow) Read(false);
  if (habit_ == Habit::kReconnect) {
    habit_alarm_.SetIn(Spread(options.stay_s, visit_.client), [this, &options] {
      Drop(Visit::Why::kHabit, now() + SecondsToNs(options.away_s));
    });
  }
}

// Nothing is in progress: what is to be done next, if nothing comes?
void Client::Rest() {
  const Options& options = shard_.options();
  if (habit_ == Habit::kPoll) {
    alarm_.SetIn(Spread(options.poll_s, visit_.client), [this] { Poll(); });
    return;
  }
  alarm_.SetIn(Spread(options.re_idle_s, visit_.client), [this] {
    Expect();
    ++shard_.measured().re_idled;
    dialogue_.Refresh();
  });
}

void Client::Poll() {
  Expect();
  step_ns_ = now();
  dialogue_.Work("NOOP");
}

void Client::Fetch() {
  fetch_due_ = false;
  // It may have come, and been announced, with what was fetched last.
  if (dialogue_.newest_fetched() >= dialogue_.messages()) return;
  Expect();
  step_ns_ = now();
  fetch_from_ = dialogue_.uid_next();
  const std::string from = fetch_from_ == 0 ? "*" : std::to_string(fetch_from_) + ":*";
  dialogue_.Work("UID FETCH " + from + " (UID FLAGS ENVELOPE)");
}

void Client::OnAnswered(bool ok) {
  Result& result = shard_.measured();
  if (!ok) {
    ++result.refused;
  } else if (habit_ == Habit::kPoll) {
    result.poll.Record(now() - step_ns_);
  } else if (dialogue_.uid_next() == fetch_from_) {
    ++result.unexpected;
    result.NoteError("idle client: told of a message that is not there");
  } else {
    result.wake.Record(now() - step_ns_);
  }
}

void Client::Read(bool reading) {
  stream_.SetReading(reading);
  habit_alarm_.SetIn(SecondsToNs(shard_.options().slow_pause_s),
                     [this, reading] { Read(!reading); });
}

uint64_t Client::HeedlessNs() const {
  switch (habit_) {
    case Habit::kPoll:
      return SecondsToNs(shard_.options().poll_s);
    case Habit::kSlow:
      return SecondsToNs(shard_.options().slow_pause_s);
    default:
      return 0;
  }
}

// Those who do not listen all the time are measured apart.
Histogram& Client::ToldOf(Result& result) const {
  switch (habit_) {
    case Habit::kPoll:
      return result.told_by_poll;
    case Habit::kSlow:
      return result.told_slowly;
    default:
      return result.told;
  }
}

}  // namespace roost::load
