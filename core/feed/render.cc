#include "core/feed/render.h"

#include <algorithm>
#include <vector>

#include "proto/ascii.h"
#include "proto/imap/writer.h"

namespace roost {
namespace {

// A VANISHED line is kept below what any client must be able to read.
constexpr size_t kMaxSetBytes = 8000;

// With numbers of ten digits, a MODSEQ of twenty.
constexpr size_t kLineOfNumber = std::string_view("* 4294967295 EXPUNGE\r\n").size();
constexpr size_t kRange = std::string_view("4294967295:4294967295,").size();
constexpr size_t kFlagsLine = std::string_view("* 4294967295 FETCH (FLAGS ())\r\n").size();
constexpr size_t kUidInFlags = std::string_view("UID 4294967295 ").size();
constexpr size_t kModseqInFlags = std::string_view("MODSEQ (18446744073709551615) ").size();

}  // namespace

void RenderExpunges(const UidSet& uids, const UidSet& numbers, EnabledSet enabled, bool no_modseq,
                    std::string* out) {
  if (enabled.qresync() && !no_modseq) {
    uint32_t from = 1;
    do {
      *out += "* VANISHED ";
      from = AppendUidSetPart(out, uids, from, kMaxSetBytes);
      *out += "\r\n";
    } while (from != 0);
    return;
  }
  std::vector<UidRange> ranges;
  numbers.ForEachRange([&](uint32_t first, uint32_t last) { ranges.push_back({first, last}); });
  for (auto range = ranges.rbegin(); range != ranges.rend(); ++range) {
    for (uint32_t n = range->last; n >= range->first; --n) {
      *out += "* ";
      AppendNumber(out, n);
      *out += " EXPUNGE\r\n";
    }
  }
}

void RenderExists(uint32_t count, std::string* out) {
  *out += "* ";
  AppendNumber(out, count);
  *out += " EXISTS\r\n";
}

void RenderFlags(uint32_t number, uint32_t uid, uint64_t modseq, std::string_view flags,
                 EnabledSet enabled, bool no_modseq, std::string* out) {
  *out += "* ";
  AppendNumber(out, number);
  *out += " FETCH (";
  if (enabled.condstore() || enabled.rev2()) {
    *out += "UID ";
    AppendNumber(out, uid);
    *out += " ";
  }
  if (enabled.condstore() && !no_modseq && modseq != 0) {
    *out += "MODSEQ (";
    AppendNumber(out, modseq);
    *out += ") ";
  }
  out->append("FLAGS (").append(flags).append("))\r\n");
}

void RenderEvent(const FeedEvent& event, EnabledSet enabled, bool no_modseq, std::string* out) {
  switch (event.kind) {
    case FeedEvent::Kind::kExpunge:
      return RenderExpunges(event.uids, event.numbers, enabled, no_modseq, out);
    case FeedEvent::Kind::kExists:
      return RenderExists(event.number, out);
    case FeedEvent::Kind::kFlags: {
      UidSet::Reader numbers(event.numbers);
      UidRange run;
      event.ForEachFlagged([&](uint32_t uid, uint64_t modseq) {
        if (run.first == 0 && !numbers.Next(&run)) return;
        RenderFlags(run.first, uid, modseq, event.text, enabled, no_modseq, out);
        run.first = run.first == run.last ? 0 : run.first + 1;
      });
      return;
    }
    case FeedEvent::Kind::kLine:
      out->append(event.text);
      return;
  }
}

size_t ExpungesAtMost(const UidSet& uids, const UidSet& numbers, EnabledSet enabled,
                      bool no_modseq) {
  if (!enabled.qresync() || no_modseq) return numbers.size() * kLineOfNumber;
  size_t bytes = kLineOfNumber;
  uids.ForEachRange([&](uint32_t, uint32_t) { bytes += kRange; });
  return bytes + bytes / kMaxSetBytes * kLineOfNumber;
}

size_t RenderedAtMost(const FeedEvent& event, EnabledSet enabled, bool no_modseq) {
  switch (event.kind) {
    case FeedEvent::Kind::kExpunge:
      return ExpungesAtMost(event.uids, event.numbers, enabled, no_modseq);
    case FeedEvent::Kind::kExists:
      return kLineOfNumber;
    case FeedEvent::Kind::kFlags:
      return event.uids.size() *
             (kFlagsLine + (enabled.condstore() || enabled.rev2() ? kUidInFlags : 0) +
              (enabled.condstore() && !no_modseq ? kModseqInFlags : 0) + event.text.size());
    case FeedEvent::Kind::kLine:
      return event.text.size();
  }
  return 0;
}

UidSet NumbersOf(const UidSet& gone, const UidSet& view) {
  UidSet numbers;
  gone.ForEachRange([&](uint32_t first, uint32_t last) {
    const uint32_t below = view.CountBelow(first);
    numbers.InsertRange(below + 1, below + view.CountIn(first, last));
  });
  return numbers;
}

std::string CanonicalFlags(std::string_view flags) {
  std::string out;
  while (!flags.empty()) {
    const size_t end = flags.find(' ');
    const std::string_view flag = flags.substr(0, end);
    if (!flag.empty() && !EqualsIgnoreCase(flag, "\\Recent")) {
      if (!out.empty()) out += ' ';
      out += flag;
    }
    if (end == std::string_view::npos) break;
    flags.remove_prefix(end + 1);
  }
  return out;
}

}  // namespace roost
