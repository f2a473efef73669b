// Runs the input as a program on a UidSet and on a bitmap, which must agree; and a MailboxView on
// the same bytes, which must never contradict itself.
#include <algorithm>
#include <bitset>
#include <cstddef>
#include <cstdint>

#include "proto/check.h"
#include "proto/imap/mailbox_view.h"
#include "proto/imap/uid_set.h"

namespace roost {
namespace {

constexpr uint32_t kSpace = 4096;

class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), left_(size) {}
  bool empty() const { return left_ == 0; }
  uint32_t Byte() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }
  uint32_t Short() {
    uint32_t high = Byte();
    return high << 8 | Byte();
  }

 private:
  const uint8_t* data_;
  size_t left_;
};

void CheckSame(const UidSet& set, const std::bitset<kSpace + 1>& model) {
  set.CheckInvariants();
  ROOST_CHECK(set.size() == model.count());
  uint32_t position = 0;
  set.ForEach([&](uint32_t uid) {
    ++position;
    ROOST_CHECK(model.test(uid));
    ROOST_CHECK(position % 16 != 0 || (set.At(position) == uid && set.PositionOf(uid) == position));
  });
}

void RunSet(Input input) {
  UidSet set, other;
  std::bitset<kSpace + 1> model;
  while (!input.empty()) {
    uint32_t op = input.Byte();
    uint32_t first = 1 + input.Short() % kSpace;
    uint32_t last = std::min(kSpace, first + (op & 64 ? input.Short() % 512 : 0));
    if (op & 32) first = last = std::min(kSpace, set.Last() + 1 + op % 3);
    switch (op % 4) {
      case 0:
      case 1:
        ROOST_CHECK(set.InsertRange(first, last));
        for (uint32_t uid = first; uid <= last; ++uid) model.set(uid);
        break;
      case 2: {
        uint32_t expected = 0;
        for (uint32_t uid = first; uid <= last; ++uid) expected += model.test(uid);
        ROOST_CHECK(set.CountIn(first, last) == expected);
        ROOST_CHECK(set.RemoveRange(first, last) == expected);
        for (uint32_t uid = first; uid <= last; ++uid) model.reset(uid);
        break;
      }
      default: {
        ROOST_CHECK(set.Contains(first) == model.test(first));
        UidSet gone = UidSet::Difference(other, set), news = UidSet::Difference(set, other);
        ROOST_CHECK(UidSet::Intersection(set, other).size() + news.size() == set.size());
        other.RemoveSet(gone);
        ROOST_CHECK(other.InsertSet(news));
        ROOST_CHECK(other == set && other.Hash() == set.Hash());
        break;
      }
    }
  }
  CheckSame(set, model);
}

void RunView(Input input) {
  MailboxView view;
  while (!input.empty() && view.ok()) {
    uint32_t op = input.Byte();
    uint32_t size = view.size();
    uint32_t n = size == 0 ? 0 : 1 + input.Short() % size;
    uint32_t horizon = view.horizon();
    switch (op % 6) {
      case 0:
        view.Exists(size + input.Byte() % 8);
        break;
      case 1:
        if (view.Expunge(n).ok) ROOST_CHECK(view.size() == size - 1);
        break;
      case 2:
        if (view.FetchedUid(n, horizon + input.Byte())) ROOST_CHECK(view.UidOf(n) != 0);
        break;
      case 3: {
        uint32_t first = input.Short();
        uint32_t last = first + input.Byte();
        MailboxView::VanishedResult result = view.Vanished({{first, last}});
        ROOST_CHECK(view.size() + result.removed.size() + result.removed_from_tail == size);
        break;
      }
      case 4:
        view.CommitTail();
        break;
      default:
        view.NoteUidNext(horizon + input.Byte());
        break;
    }
    ROOST_CHECK(view.horizon() >= horizon);
    ROOST_CHECK(view.known().empty() || view.known().Last() < view.horizon());
    ROOST_CHECK(view.tail_unknown() <= view.tail_size());
    if (op % 8 != 0) continue;
    uint32_t last_uid = 0;
    for (uint32_t number = 1; number <= view.size(); ++number) {
      uint32_t uid = view.UidOf(number);
      if (uid == 0) continue;
      ROOST_CHECK(uid > last_uid && view.NumberOf(uid) == number);
      last_uid = uid;
    }
  }
}

}  // namespace
}  // namespace roost

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 4096) return 0;
  roost::RunSet({data, size});
  if (size <= 512) roost::RunView({data, size});
  return 0;
}
