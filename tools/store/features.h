// What the embedded store offers and what was switched off, so that a test can have a poorer store
// than this one.
//
// A set of bits and its text. No state.
#ifndef ROOST_TOOLS_STORE_FEATURES_H_
#define ROOST_TOOLS_STORE_FEATURES_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace roost::embedded {

enum class Feature : uint32_t {
  kNone = 0,  // always there
  kSaslIr = 1 << 0,
  kLiteralPlus = 1 << 1,
  kId = 1 << 2,
  kEnable = 1 << 3,
  kIdle = 1 << 4,
  kNamespace = 1 << 5,
  kUnselect = 1 << 6,
  kUidPlus = 1 << 7,
  kMove = 1 << 8,
  kEsearch = 1 << 9,
  kCondstore = 1 << 10,
  kQresync = 1 << 11,
  kStatusSize = 1 << 12,
  kNotify = 1 << 13,  // advertised after login
};

class FeatureSet {
 public:
  // All of them.
  FeatureSet() = default;

  bool Has(Feature feature) const {
    return (bits_ & static_cast<uint32_t>(feature)) == static_cast<uint32_t>(feature);
  }
  // By capability name, any case. QRESYNC goes with CONDSTORE and with ENABLE. False: no such name.
  bool Remove(std::string_view name);

  // "IMAP4rev1 …": with AUTH=PLAIN and STARTTLS as told.
  std::string Capabilities(bool logged_in, bool offer_starttls) const;

 private:
  uint32_t bits_ = UINT32_MAX;
};

}  // namespace roost::embedded

#endif  // ROOST_TOOLS_STORE_FEATURES_H_
