#include "proto/imap/capability.h"

#include <algorithm>

#include "proto/imap/tokens.h"

namespace roost {
namespace {

bool IsCapabilityName(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(),
                                      [](char c) { return c > ' ' && c < 0x7f && c != ']'; });
}

bool IsCarriedMechanism(std::string_view capability) {
  for (std::string_view carried :
       {"AUTH=PLAIN", "AUTH=LOGIN", "AUTH=XOAUTH2", "AUTH=OAUTHBEARER"}) {
    if (EqualsIgnoreCase(capability, carried)) return true;
  }
  return false;
}

bool IsUncarried(std::string_view capability) {
  for (std::string_view name :
       {"STARTTLS", "LOGINDISABLED", "UNAUTHENTICATE", "PROXYAUTH", "NOTIFY", "UIDONLY",
        "LOGIN-REFERRALS", "MAILBOX-REFERRALS", "URLAUTH", "URL-PARTIAL"}) {
    if (EqualsIgnoreCase(capability, name)) return true;
  }
  for (std::string_view prefix : {"COMPRESS=", "CONTEXT=", "URLAUTH="}) {
    if (StartsWithIgnoreCase(capability, prefix)) return true;
  }
  return StartsWithIgnoreCase(capability, "AUTH=") && !IsCarriedMechanism(capability);
}

}  // namespace

const std::string CapabilitySet::kNothing;

CapabilitySet CapabilitySet::Parse(std::string_view text) {
  CapabilitySet set;
  text = WithoutLineEnd(text);
  while (!text.empty()) {
    size_t end = text.find(' ');
    set.Add(text.substr(0, end));
    if (end == text.npos) break;
    text.remove_prefix(end + 1);
  }
  return set;
}

bool CapabilitySet::Has(std::string_view name) const {
  bool found = false;
  ForEach([&](std::string_view have) { found = found || EqualsIgnoreCase(have, name); });
  return found;
}

bool CapabilitySet::HasPrefix(std::string_view prefix) const {
  bool found = false;
  ForEach([&](std::string_view have) { found = found || StartsWithIgnoreCase(have, prefix); });
  return found;
}

void CapabilitySet::Add(std::string_view name) {
  const std::string& have = ToString();
  if (!IsCapabilityName(name) || have.size() + name.size() >= kMaxBytes || Has(name)) return;
  std::string text = have;
  if (!text.empty()) text += ' ';
  text += name;
  text_ = std::make_shared<const std::string>(std::move(text));
}

template <typename Predicate>
void CapabilitySet::RemoveIf(Predicate&& predicate) {
  std::string kept;
  ForEach([&](std::string_view have) {
    if (predicate(have)) return;
    if (!kept.empty()) kept += ' ';
    kept += have;
  });
  text_ = std::make_shared<const std::string>(std::move(kept));
}

void CapabilitySet::Remove(std::string_view name) {
  RemoveIf([&](std::string_view have) { return EqualsIgnoreCase(have, name); });
}

void CapabilitySet::RemovePrefix(std::string_view prefix) {
  RemoveIf([&](std::string_view have) { return StartsWithIgnoreCase(have, prefix); });
}

void CapabilitySet::Intersect(const CapabilitySet& other) {
  RemoveIf([&](std::string_view have) { return !other.Has(have); });
}

size_t CapabilitySet::size() const {
  return empty() ? 0
                 : 1 + static_cast<size_t>(std::count(ToString().begin(), ToString().end(), ' '));
}

bool operator==(const CapabilitySet& a, const CapabilitySet& b) {
  if (a.size() != b.size()) return false;
  bool same = true;
  a.ForEach([&](std::string_view name) { same = same && b.Has(name); });
  return same;
}

void StripUncarried(CapabilitySet* set) { set->RemoveIf(IsUncarried); }

}  // namespace roost
