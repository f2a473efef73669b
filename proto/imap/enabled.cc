#include "proto/imap/enabled.h"

#include <iterator>

#include "proto/imap/tokens.h"

namespace roost {
namespace {

struct Name {
  EnabledSet::Extension extension;
  std::string_view name;
};
// In the order in which Names() writes them.
constexpr Name kNames[] = {
    {EnabledSet::kCondstore, "CONDSTORE"},
    {EnabledSet::kQresync, "QRESYNC"},
    {EnabledSet::kImap4Rev2, "IMAP4REV2"},
    {EnabledSet::kUtf8Accept, "UTF8=ACCEPT"},
};
static_assert(std::size(kNames) == 4, "each extension but the unknown has a name");

EnabledSet::Extension FindExtension(std::string_view name) {
  for (const Name& known : kNames) {
    if (EqualsIgnoreCase(name, known.name)) return known.extension;
  }
  return EnabledSet::kUnknown;
}

}  // namespace

EnabledSet EnabledSet::Parse(std::string_view names) {
  EnabledSet set;
  names = WithoutLineEnd(names);
  while (!names.empty()) {
    size_t end = names.find(' ');
    std::string_view name = names.substr(0, end);
    if (!name.empty()) set.Add(FindExtension(name));
    if (end == names.npos) break;
    names.remove_prefix(end + 1);
  }
  return set;
}

std::string EnabledSet::Names() const {
  std::string names;
  for (const Name& known : kNames) {
    if (!Has(known.extension)) continue;
    if (known.extension == kCondstore && qresync()) continue;
    if (!names.empty()) names += ' ';
    names += known.name;
  }
  return names;
}

}  // namespace roost
