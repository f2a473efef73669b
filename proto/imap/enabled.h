// The exact set of extensions that are ENABLEd on a session or by a client (RFC 5161): its class.
//
// Classes are a set, not a ladder: two are the same only when equal. One byte; lives in the
// client's cell. An extension that is not known sets one common bit, so two unknown ones look
// alike: whoever has it is pinned. Not known, as no feed could serve them, are also METADATA and
// METADATA-SERVER (unsolicited METADATA: RFC 5464, 4.4.2) and UIDONLY (no message numbers at all:
// RFC 9586).
#ifndef ROOST_PROTO_IMAP_ENABLED_H_
#define ROOST_PROTO_IMAP_ENABLED_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace roost {

class EnabledSet {
 public:
  enum Extension : uint8_t {
    kCondstore = 1 << 0,
    kQresync = 1 << 1,  // implies kCondstore (RFC 7162 3.2.3)
    kImap4Rev2 = 1 << 2,
    kUtf8Accept = 1 << 3,
    kUnknown = 1 << 7,
  };

  constexpr EnabledSet() = default;
  // Bits as from bits(); kQresync brings kCondstore with it.
  static constexpr EnabledSet FromBits(uint8_t bits) {
    EnabledSet set;
    set.Add(static_cast<Extension>(bits));
    return set;
  }
  // From "CONDSTORE X-FOO": the rest of `* ENABLED`, or ENABLE's arguments. Any case, any number of
  // SP.
  static EnabledSet Parse(std::string_view names);

  constexpr bool Has(Extension extension) const { return (bits_ & extension) != 0; }
  constexpr void Add(Extension extension) {
    bits_ |= extension;
    if (bits_ & kQresync) bits_ |= kCondstore;
  }
  constexpr void AddAll(EnabledSet other) { bits_ |= other.bits_; }
  constexpr bool Contains(EnabledSet other) const { return (other.bits_ & ~bits_) == 0; }

  constexpr bool condstore() const { return Has(kCondstore); }
  constexpr bool qresync() const { return Has(kQresync); }
  constexpr bool rev2() const { return Has(kImap4Rev2); }
  constexpr bool utf8() const { return Has(kUtf8Accept); }
  constexpr bool unknown() const { return Has(kUnknown); }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr uint8_t bits() const { return bits_; }

  // "QRESYNC IMAP4REV2": what to ENABLE on another session to get the same set. CONDSTORE is left
  // out where QRESYNC brings it; the unknown has no name and is left out. Empty: nothing to enable.
  std::string Names() const;

  friend constexpr bool operator==(EnabledSet, EnabledSet) = default;

 private:
  uint8_t bits_ = 0;
};

static_assert(sizeof(EnabledSet) == 1);

}  // namespace roost

#endif  // ROOST_PROTO_IMAP_ENABLED_H_
