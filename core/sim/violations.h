// What went wrong in a run: collected by the models, read by the runner.
#ifndef ROOST_CORE_SIM_VIOLATIONS_H_
#define ROOST_CORE_SIM_VIOLATIONS_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace roost {

struct Violation {
  uint64_t now_ns;
  std::string user;  // whose transcript explains it; empty: everybody's
  std::string who;
  std::string text;
};

class Violations {
 public:
  static constexpr size_t kMost = 20;

  void Add(uint64_t now_ns, std::string user, std::string who, std::string text) {
    ++count_;
    if (all_.size() < kMost) {
      all_.push_back({now_ns, std::move(user), std::move(who), std::move(text)});
    }
  }
  const std::vector<Violation>& all() const { return all_; }
  uint64_t count() const { return count_; }

 private:
  uint64_t count_ = 0;
  std::vector<Violation> all_;
};

}  // namespace roost

#endif  // ROOST_CORE_SIM_VIOLATIONS_H_
