#include "core/feed/coalesce.h"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include "core/feed/render.h"
#include "proto/check.h"
#include "proto/imap/response.h"

namespace roost {
namespace {

struct Flagged {
  uint32_t uid;
  uint64_t modseq;
};

FeedEvent FlagsEvent(std::string text, std::vector<Flagged> flagged, const UidSet& view) {
  std::sort(flagged.begin(), flagged.end(),
            [](const Flagged& a, const Flagged& b) { return a.uid < b.uid; });
  FeedEvent event;
  event.kind = FeedEvent::Kind::kFlags;
  event.text = std::move(text);
  event.modseq = flagged.front().modseq;
  bool differ = false;
  for (const Flagged& f : flagged) {
    event.uids.Insert(f.uid);
    event.numbers.Insert(view.PositionOf(f.uid));
    differ = differ || f.modseq != event.modseq;
  }
  if (!differ) return event;
  event.modseqs.reserve(flagged.size());
  for (const Flagged& f : flagged) event.modseqs.push_back(f.modseq);
  return event;
}

using ByText = std::map<std::string, std::vector<Flagged>, std::less<>>;

std::vector<FeedEvent> FlagsEvents(const ByText& by_text, const UidSet& view) {
  std::vector<FeedEvent> events;
  for (const auto& [text, flagged] : by_text) {
    events.push_back(FlagsEvent(text, flagged, view));
  }
  std::sort(events.begin(), events.end(),
            [](const FeedEvent& a, const FeedEvent& b) { return a.uids.First() < b.uids.First(); });
  return events;
}

bool IsFlagsLine(const FeedEvent& line) {
  return ParseResponse(line.text).kind == ResponseKind::kFlags;
}

// What lies between two cursors, on its way to becoming its sum.
class Segment {
 public:
  void Add(FeedEvent event) {
    switch (event.kind) {
      case FeedEvent::Kind::kExpunge:
        fits_ = gone_.InsertSet(UidSet::Difference(event.uids, came_)) && fits_;
        came_.RemoveSet(event.uids);
        gone_after_ = std::min(gone_after_, event.modseq);
        return;
      case FeedEvent::Kind::kExists:
        fits_ = came_.InsertSet(event.uids) && fits_;
        return;
      case FeedEvent::Kind::kLine:
        return AddLine(std::move(event));
      case FeedEvent::Kind::kFlags:
        std::vector<Flagged>& same = flags_[std::move(event.text)];
        event.ForEachFlagged([&](uint32_t uid, uint64_t m) { same.push_back({uid, m}); });
        return;
    }
  }

  // Appends the sum, numbered from `seq`; `view` goes from the segment's beginning to its end.
  // False when a set outgrew its bound.
  bool Finish(uint64_t seq, UidSet* view, std::vector<FeedLog::Numbered>* out) {
    if (!gone_.empty()) {
      FeedEvent event;
      event.kind = FeedEvent::Kind::kExpunge;
      event.numbers = NumbersOf(gone_, *view);
      view->RemoveSet(gone_);
      event.number = view->size();
      event.modseq = gone_after_;
      event.uids = std::move(gone_);
      out->push_back({seq++, std::move(event)});
    }
    if (!came_.empty()) {
      FeedEvent event;
      event.kind = FeedEvent::Kind::kExists;
      fits_ = view->InsertSet(came_) && fits_;
      event.number = view->size();
      event.uids = std::move(came_);
      out->push_back({seq++, std::move(event)});
    }
    for (FeedEvent& line : lines_) out->push_back({seq++, std::move(line)});
    for (FeedEvent& event : FlagsEvents(flags_, *view)) {
      out->push_back({seq++, std::move(event)});
    }
    return fits_;
  }

 private:
  // Of FLAGS the last says it all; whatever else is told once.
  void AddLine(FeedEvent line) {
    const bool flags = IsFlagsLine(line);
    std::erase_if(lines_, [&](const FeedEvent& old) {
      return flags ? IsFlagsLine(old) : old.text == line.text;
    });
    lines_.push_back(std::move(line));
  }

  bool fits_ = true;
  UidSet gone_;
  uint64_t gone_after_ = UINT64_MAX;
  UidSet came_;
  std::vector<FeedEvent> lines_;
  ByText flags_;
};

// Leaves of each flags event the messages that are in `view` and not flagged later.
void KeepLastFlags(std::vector<FeedLog::Numbered>* entries, const UidSet& view) {
  UidSet told;
  for (auto it = entries->rbegin(); it != entries->rend(); ++it) {
    FeedEvent& event = it->entry;
    if (event.kind != FeedEvent::Kind::kFlags) continue;
    UidSet kept = UidSet::Difference(UidSet::Intersection(event.uids, view), told);
    if (!event.modseqs.empty()) {
      std::vector<uint64_t> modseqs;
      event.ForEachFlagged([&](uint32_t uid, uint64_t modseq) {
        if (kept.Contains(uid)) modseqs.push_back(modseq);
      });
      event.modseqs = std::move(modseqs);
    }
    told.InsertSet(kept);
    event.uids = std::move(kept);
  }
  std::erase_if(*entries, [](const FeedLog::Numbered& n) {
    return n.entry.kind == FeedEvent::Kind::kFlags && n.entry.uids.empty();
  });
}

}  // namespace

std::optional<std::vector<FeedLog::Numbered>> Coalesce(std::vector<FeedLog::Numbered> entries,
                                                       const std::vector<uint64_t>& cursors,
                                                       const UidSet& view) {
  std::vector<FeedLog::Numbered> out;
  if (cursors.empty()) return out;
  std::erase_if(entries, [&](const FeedLog::Numbered& n) { return n.seq < cursors.front(); });
  KeepLastFlags(&entries, view);
  UidSet at = view;
  for (auto it = entries.rbegin(); it != entries.rend(); ++it) {
    if (it->entry.kind == FeedEvent::Kind::kExists) at.RemoveSet(it->entry.uids);
    if (it->entry.kind == FeedEvent::Kind::kExpunge && !at.InsertSet(it->entry.uids)) return {};
  }
  auto entry = entries.begin();
  for (size_t i = 0; i < cursors.size(); ++i) {
    const uint64_t end = i + 1 < cursors.size() ? cursors[i + 1] : UINT64_MAX;
    Segment segment;
    for (; entry != entries.end() && entry->seq < end; ++entry) {
      segment.Add(std::move(entry->entry));
    }
    if (!segment.Finish(cursors[i], &at, &out)) return {};
  }
  ROOST_CHECK(at == view);
  return out;
}

std::vector<FeedEvent> GroupFlags(const std::vector<FlagChange>& changes, const UidSet& view) {
  ByText by_text;
  UidSet seen;
  for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
    if (!view.Contains(change->uid) || seen.Contains(change->uid)) continue;
    seen.Insert(change->uid);
    by_text[change->flags].push_back({change->uid, change->modseq});
  }
  return FlagsEvents(by_text, view);
}

}  // namespace roost
