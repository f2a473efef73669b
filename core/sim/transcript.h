// What was said during a run, for whoever has to find out why it failed. Costs nothing unless it is
// switched on.
#ifndef ROOST_CORE_SIM_TRANSCRIPT_H_
#define ROOST_CORE_SIM_TRANSCRIPT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace roost {

class Transcript {
 public:
  void Enable() { enabled_ = true; }
  bool enabled() const { return enabled_; }
  // `user` is whom it concerns (empty: everybody), `who` the party, as in "client 3 >".
  void Add(uint64_t now_ns, std::string_view user, std::string_view who, std::string_view text);
  // One line each, of one user and of everybody; at most the last `most`.
  std::string Of(std::string_view user, size_t most) const;
  // Of everything that was added, whether it was kept or not: equal runs have equal ones.
  uint64_t digest() const { return digest_; }

 private:
  struct Entry {
    uint64_t now_ns;
    std::string user;
    std::string line;
  };
  bool enabled_ = false;
  uint64_t digest_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace roost

#endif  // ROOST_CORE_SIM_TRANSCRIPT_H_
