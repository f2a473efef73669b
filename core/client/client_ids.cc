#include "core/client/client_ids.h"

#include <algorithm>
#include <utility>

#include "proto/check.h"

namespace roost {

uint32_t ClientIds::Keep(IdFields fields) {
  if (fields.empty()) return 0;
  auto [it, fresh] = by_fields_.try_emplace(std::move(fields), 0);
  if (fresh) {
    if (free_.empty()) {
      free_.push_back(static_cast<uint32_t>(records_.size()));
      records_.emplace_back();
    }
    it->second = free_.back();
    free_.pop_back();
    records_[it->second] = {&it->first, 0};
  }
  ++records_[it->second].references;
  return it->second;
}

void ClientIds::Drop(uint32_t id) {
  if (id == 0) return;
  ROOST_CHECK(id < records_.size() && records_[id].references != 0);
  if (--records_[id].references != 0) return;
  by_fields_.erase(by_fields_.find(*records_[id].fields));
  records_[id].fields = nullptr;
  free_.push_back(id);
}

const IdFields& ClientIds::Get(uint32_t id) const {
  static const IdFields kNone;
  if (id == 0) return kNone;
  ROOST_CHECK(id < records_.size() && records_[id].fields != nullptr);
  return *records_[id].fields;
}

std::string_view NameIn(const IdFields& fields) {
  static constexpr std::string_view kName = "name";
  for (const auto& [field, value] : fields) {
    const bool same =
        std::equal(field.begin(), field.end(), kName.begin(), kName.end(),
                   [](char a, char b) { return a == b || (a >= 'A' && a <= 'Z' && a + 32 == b); });
    if (same) return value;
  }
  return {};
}

}  // namespace roost
