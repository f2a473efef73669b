#include "tools/store/features.h"

#include "proto/imap/tokens.h"

namespace roost::embedded {
namespace {

struct Name {
  Feature feature;
  std::string_view name;
};

// In the order in which they are advertised.
constexpr Name kNames[] = {
    {Feature::kSaslIr, "SASL-IR"},
    {Feature::kLiteralPlus, "LITERAL+"},
    {Feature::kId, "ID"},
    {Feature::kEnable, "ENABLE"},
    {Feature::kIdle, "IDLE"},
    {Feature::kNamespace, "NAMESPACE"},
    {Feature::kUnselect, "UNSELECT"},
    {Feature::kUidPlus, "UIDPLUS"},
    {Feature::kMove, "MOVE"},
    {Feature::kEsearch, "ESEARCH"},
    {Feature::kCondstore, "CONDSTORE"},
    {Feature::kQresync, "QRESYNC"},
    {Feature::kStatusSize, "STATUS=SIZE"},
    {Feature::kNotify, "NOTIFY"},
};

}  // namespace

bool FeatureSet::Remove(std::string_view name) {
  for (const Name& known : kNames) {
    if (!EqualsIgnoreCase(known.name, name)) continue;
    bits_ &= ~static_cast<uint32_t>(known.feature);
    if (known.feature == Feature::kCondstore || known.feature == Feature::kEnable) {
      bits_ &= ~static_cast<uint32_t>(Feature::kQresync);
    }
    return true;
  }
  return false;
}

std::string FeatureSet::Capabilities(bool logged_in, bool offer_starttls) const {
  std::string text = "IMAP4rev1";
  if (!logged_in) text += " AUTH=PLAIN";
  if (offer_starttls) text += " STARTTLS";
  for (const Name& known : kNames) {
    if (!logged_in && known.feature == Feature::kNotify) continue;
    if (Has(known.feature)) text.append(" ").append(known.name);
  }
  return text;
}

}  // namespace roost::embedded
