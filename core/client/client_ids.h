// What clients said of themselves by ID (RFC 2971): kept once for all that said the same.
//
// What it is: the side record of a cell, which itself has room for an index only. Sent on with
// every session that is opened for the client, also after it slept. What it is not: trusted; only
// fields that Client::KeepId cleaned come here.
//
// Bounds: kMaxFields of kMaxValue bytes each for one record; one record a client at most.
#ifndef ROOST_CORE_CLIENT_CLIENT_IDS_H_
#define ROOST_CORE_CLIENT_CLIENT_IDS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace roost {

using IdFields = std::vector<std::pair<std::string, std::string>>;

class ClientIds {
 public:
  static constexpr size_t kMaxFields = 10;
  static constexpr size_t kMaxValue = 256;

  // A reference to an equal record; 0 for no fields.
  uint32_t Keep(IdFields fields);
  // 0 does nothing.
  void Drop(uint32_t id);
  // Empty for 0. Valid until the record's last reference is dropped.
  const IdFields& Get(uint32_t id) const;
  size_t size() const { return by_fields_.size(); }

 private:
  struct Record {
    const IdFields* fields = nullptr;  // the key in by_fields_
    uint32_t references = 0;
  };
  std::map<IdFields, uint32_t> by_fields_;
  std::vector<Record> records_{1};
  std::vector<uint32_t> free_;
};

// The value of field "name", or empty.
std::string_view NameIn(const IdFields& fields);

}  // namespace roost

#endif  // ROOST_CORE_CLIENT_CLIENT_IDS_H_
