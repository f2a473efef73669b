#include "core/shard/listing.h"

#include <chrono>
#include <iterator>
#include <utility>

#include "core/base/json.h"
#include "core/shard/shard.h"

namespace roost {
namespace {

const char* NameOf(ClientPhase phase) {
  switch (phase) {
    case ClientPhase::kEntering:
      return "entering";
    case ClientPhase::kAttached:
      return "attached";
    case ClientPhase::kParked:
      break;
  }
  return "parked";
}

const char* NameOf(Feed::Driver driver) {
  switch (driver) {
    case Feed::Driver::kNone:
      return "none";
    case Feed::Driver::kIdle:
      return "idle";
    case Feed::Driver::kNotify:
      return "notify";
    case Feed::Driver::kPolling:
      break;
  }
  return "polling";
}

}  // namespace

Listing::Taken Listing::Take(std::vector<std::string>* rows, uint64_t wait_ns) {
  rows->clear();
  std::unique_lock lock(mutex_);
  const bool told = changed_.wait_for(lock, std::chrono::nanoseconds(wait_ns), [this] {
    return !rows_.empty() || state_ != State::kUnderWay;
  });
  rows->swap(rows_);
  bytes_ = 0;
  if (!rows->empty()) return Taken::kSome;
  return told && state_ == State::kOver ? Taken::kOver : Taken::kFailed;
}

void Listing::Cancel() {
  std::lock_guard lock(mutex_);
  if (state_ == State::kUnderWay) state_ = State::kCancelled;
}

ShardJob::Progress Listing::Step(Shard& shard) {
  {
    std::lock_guard lock(mutex_);
    if (state_ == State::kCancelled) {
      walk_.reset();
      return Progress::kDone;
    }
    if (bytes_ >= kMostWaiting) return Progress::kWaits;
  }
  std::vector<std::string> rows;
  const bool over = what_ == What::kClients ? VisitClients(shard, &rows) : VisitFeeds(shard, &rows);
  std::lock_guard lock(mutex_);
  for (const std::string& row : rows) bytes_ += row.size();
  std::move(rows.begin(), rows.end(), std::back_inserter(rows_));
  if (over && state_ == State::kUnderWay) state_ = State::kOver;
  changed_.notify_all();
  return over ? Progress::kDone : Progress::kMore;
}

void Listing::Drop() {
  walk_.reset();
  std::lock_guard lock(mutex_);
  state_ = State::kFailed;
  changed_.notify_all();
}

// True: that was all.
bool Listing::VisitClients(Shard& shard, std::vector<std::string>* rows) {
  Clients& clients = shard.client_table();
  return !clients.VisitSome(&next_cell_, kVisitsPerStep, [&](uint32_t index) {
    const ClientCell& cell = clients.cell(index);
    const bool wanted = user_.empty() || clients.LoginOf(cell) == user_;
    if (wanted) rows->push_back(Row(shard, cell));
  });
}

bool Listing::VisitFeeds(Shard& shard, std::vector<std::string>* rows) {
  if (!walk_) walk_.emplace(shard.feeds().all());
  for (uint32_t i = 0; i < kVisitsPerStep; ++i) {
    const Feed* feed = walk_->Next();
    if (feed == nullptr) {
      walk_.reset();
      return true;
    }
    if (user_.empty() || feed->user().login() == user_) rows->push_back(Row(shard, *feed));
  }
  return false;
}

std::string Listing::Row(Shard& shard, const ClientCell& cell) const {
  const uint64_t now_s = NsToSeconds(shard.now_ns());
  std::string row;
  JsonObject o(&row);
  o.Text("user", shard.client_table().LoginOf(cell));
  o.Text("address", cell.peer.HostString());
  o.Number("port", cell.peer.port);
  o.Text("session", cell.connection_id.Text());
  o.Text("state", NameOf(cell.phase));
  o.Bool("idling", cell.idling);
  o.Bool("waking", cell.waking);
  o.Bool("asleep", cell.awake() == nullptr);
  o.Number("silent_s", now_s - std::min<uint64_t>(now_s, cell.heard_s));
  o.Number("owed", cell.feed() == nullptr ? 0 : cell.feed()->head() - cell.cursor);
  o.Text("store", cell.user() == nullptr ? "" : cell.user()->store().name);
  o.Number("shard", shard_);
  o.Text("mailbox", cell.feed() == nullptr ? "" : cell.feed()->mailbox());
  o.End();
  return row;
}

std::string Listing::Row(Shard& shard, const Feed& feed) const {
  const Feed::Bytes bytes = feed.memory();
  std::string row;
  JsonObject o(&row);
  o.Text("user", feed.user().login());
  o.Text("driver", NameOf(feed.driver()));
  o.Bool("recovering", shard.feeds().recovering(feed));
  o.Number("clients", feed.subscriber_count);
  o.Number("messages", feed.view().size());
  o.Number("log_events", feed.log().size());
  o.Number("bytes", bytes.feed + bytes.session + bytes.views + bytes.log);
  o.Text("store", feed.user().store().name);
  o.Number("shard", shard_);
  o.Text("mailbox", feed.mailbox());
  o.End();
  return row;
}

}  // namespace roost
