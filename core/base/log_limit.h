// Which lines of the log are written when there are too many: so many of each event in a second.
//
// What it is: the counting. What it is not: it writes nothing, reads no clock and has no lock (see
// log.cc). Bounds: an entry for each event, and events are named in the program, not by peers.
#ifndef ROOST_CORE_BASE_LOG_LIMIT_H_
#define ROOST_CORE_BASE_LOG_LIMIT_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace roost {

class LogLimit {
 public:
  struct LeftOut {
    std::string event;
    uint64_t lines = 0;
  };

  // Whether one more line of `event` may be written in `second`, of `most`.
  bool Admit(std::string_view event, int64_t second, int most) {
    auto place = kinds_.find(event);
    if (place == kinds_.end()) place = kinds_.emplace(std::string(event), Kind{}).first;
    Kind& kind = place->second;
    if (kind.second != second) {
      kind.second = second;
      kind.lines = 0;
    }
    if (kind.lines < most) {
      ++kind.lines;
      return true;
    }
    ++kind.left_out;
    any_left_out_ = true;
    return false;
  }

  // It was admitted in `second`, and there was no room for it.
  void NotWritten(std::string_view event, int64_t second) {
    const auto place = kinds_.find(event);
    if (place == kinds_.end()) return;
    place->second.second = second;
    ++place->second.left_out;
    any_left_out_ = true;
  }

  // Whether Take may have something to say; cheap.
  bool any_left_out() const { return any_left_out_; }
  // What was left out in seconds other than this one and was not taken yet, in order of name.
  std::vector<LeftOut> Take(int64_t second) {
    std::vector<LeftOut> taken;
    if (!std::exchange(any_left_out_, false)) return taken;
    for (auto& [event, kind] : kinds_) {
      if (kind.left_out == 0) continue;
      if (kind.second == second) {
        any_left_out_ = true;
        continue;
      }
      taken.push_back({event, std::exchange(kind.left_out, 0)});
    }
    return taken;
  }

 private:
  struct Kind {
    int64_t second = 0;
    int lines = 0;          // written in it
    uint64_t left_out = 0;  // since Take
  };

  std::map<std::string, Kind, std::less<>> kinds_;
  bool any_left_out_ = false;
};

}  // namespace roost

#endif  // ROOST_CORE_BASE_LOG_LIMIT_H_
