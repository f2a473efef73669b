// Reads any bytes as a response, with all typed parsers; a list read in steps must be the list read
// at once.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "proto/check.h"
#include "proto/imap/capability.h"
#include "proto/imap/enabled.h"
#include "proto/imap/response.h"

namespace roost {
namespace {

struct List {
  UidSet set;
  bool ok = false;
  uint64_t listed = 0;
};

List ReadList(std::string_view line, size_t step) {
  List list;
  SearchListParser parser(&list.set);
  for (size_t i = 0; i < line.size(); i += step) parser.Feed(line.substr(i, step));
  list.ok = parser.Finish();
  list.listed = parser.listed();
  return list;
}

void CheckLists(std::string_view line, size_t step) {
  List whole = ReadList(line, line.size() + 1), parts = ReadList(line, step);
  ROOST_CHECK(whole.ok == parts.ok && whole.set == parts.set && whole.listed == parts.listed);
  whole.set.CheckInvariants();
  Response response = ParseResponse(line);
  if (!whole.ok || response.kind != ResponseKind::kEsearch) return;
  // Two readers of the same line agree, where it has but one set.
  EsearchInfo info = ParseEsearch(response.rest);
  if (!info.whole || info.all.empty()) return;
  UidSet set;
  if (ParseUidSet(info.all, &set) == SetParse::kOk && whole.listed == set.size()) {
    ROOST_CHECK(UidSet::Difference(set, whole.set).empty());
  }
}

}  // namespace
}  // namespace roost

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace roost;  // NOLINT: a fuzz target's only function
  if (size == 0) return 0;
  size_t step = 1 + data[0] % 16;
  std::string_view line(reinterpret_cast<const char*>(data + 1), size - 1);
  Response response = ParseResponse(line);
  bool numbered = response.kind == ResponseKind::kExpunge || response.kind == ResponseKind::kFetch;
  ROOST_CHECK(!numbered || (response.has_number && response.number > 0));
  ROOST_CHECK(response.code_name.size() + response.code_args.size() <= response.code.size());
  for (std::string_view text : {response.rest, line}) {
    FetchInfo fetch = ParseFetch(text);
    ROOST_CHECK(!fetch.uid || *fetch.uid != 0);
    ParseEsearch(text);
    StatusInfo status;
    ParseStatus(text, &status);
    UidSet set;
    ParseUidSet(text, &set);
    set.CheckInvariants();
    CapabilitySet capabilities = CapabilitySet::Parse(text);
    ROOST_CHECK(CapabilitySet::Parse(capabilities.ToString()) == capabilities);
    StripUncarried(&capabilities);
    EnabledSet enabled = EnabledSet::Parse(text);
    ROOST_CHECK(enabled.Contains(EnabledSet::Parse(enabled.Names())));
  }
  CheckLists(line, step);
  return 0;
}
