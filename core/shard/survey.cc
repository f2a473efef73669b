#include "core/shard/survey.h"

#include "core/shard/shard.h"

namespace roost {

bool Survey::Step(Shard& shard) {
  switch (at_) {
    case At::kClients:
      if (StepClients(shard)) at_ = At::kFeeds;
      return false;
    case At::kFeeds:
      if (!StepFeeds(shard)) return false;
      shard.AddSums(&figures_);
      at_ = At::kDone;
      break;
    case At::kDone:
      break;
  }
  return true;
}

bool Survey::StepClients(Shard& shard) {
  Clients& clients = shard.client_table();
  return !clients.VisitSome(&next_cell_, kCellsPerStep, [&](uint32_t index) {
    const ClientCell& cell = clients.cell(index);
    switch (cell.phase) {
      case ClientPhase::kEntering:
        ++figures_.entering;
        break;
      case ClientPhase::kAttached:
        ++figures_.attached;
        break;
      case ClientPhase::kParked:
        ++figures_.parked;
        break;
    }
    if (cell.awake() == nullptr) ++figures_.asleep;
    if (cell.phase == ClientPhase::kParked && cell.idling) ++figures_.idling;
  });
}

bool Survey::StepFeeds(Shard& shard) {
  if (!feeds_) feeds_.emplace(shard.feeds().all());
  for (uint32_t i = 0; i < kFeedsPerStep; ++i) {
    const Feed* feed = feeds_->Next();
    if (feed == nullptr) {
      feeds_.reset();
      return true;
    }
    figures_.log_events += feed->log().size();
    switch (feed->driver()) {
      case Feed::Driver::kNone:
        ++figures_.feeds_without;
        break;
      case Feed::Driver::kIdle:
        ++figures_.feeds_idling;
        break;
      case Feed::Driver::kNotify:
        ++figures_.feeds_notified;
        break;
      case Feed::Driver::kPolling:
        ++figures_.feeds_polling;
        break;
    }
    const Feed::Bytes bytes = feed->memory();
    figures_.memory.feeds += bytes.feed;
    figures_.memory.sessions += bytes.session;
    figures_.memory.views += bytes.views;
    figures_.memory.logs += bytes.log;
  }
  return false;
}

}  // namespace roost
