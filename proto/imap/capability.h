// A list of capabilities as a store offers it (RFC 3501 7.2.1): ordered, without repeats,
// case-insensitive.
//
// One string inside, which copies share. Bounded: what does not fit into kMaxBytes is dropped.
#ifndef ROOST_PROTO_IMAP_CAPABILITY_H_
#define ROOST_PROTO_IMAP_CAPABILITY_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace roost {

class CapabilitySet;
void StripUncarried(CapabilitySet* set);

class CapabilitySet {
 public:
  static constexpr size_t kMaxBytes = 8192;

  CapabilitySet() = default;
  // From "IMAP4rev1 IDLE AUTH=PLAIN": the rest of `* CAPABILITY`, or the arguments of its response
  // code.
  static CapabilitySet Parse(std::string_view text);

  bool Has(std::string_view name) const;
  // Any capability that begins with `prefix`, e.g. "AUTH=".
  bool HasPrefix(std::string_view prefix) const;
  // Appended at the end; nothing happens if it is there, or no capability name.
  void Add(std::string_view name);
  void Remove(std::string_view name);
  void RemovePrefix(std::string_view prefix);
  // Keeps what `other` has too.
  void Intersect(const CapabilitySet& other);

  bool empty() const { return ToString().empty(); }
  size_t size() const;
  // Separated by one SP, in order, as spelled by the store.
  const std::string& ToString() const { return text_ != nullptr ? *text_ : kNothing; }

  template <typename Fn>
  void ForEach(Fn&& fn) const {
    std::string_view rest = ToString();
    while (!rest.empty()) {
      size_t end = rest.find(' ');
      fn(rest.substr(0, end));
      if (end == std::string_view::npos) break;
      rest.remove_prefix(end + 1);
    }
  }

  // As sets: order does not matter.
  friend bool operator==(const CapabilitySet& a, const CapabilitySet& b);
  friend void StripUncarried(CapabilitySet* set);

 private:
  template <typename Predicate>
  void RemoveIf(Predicate&& predicate);

  static const std::string kNothing;

  std::shared_ptr<const std::string> text_;  // null: empty
};

// Takes out what Roost does not carry from store to client:
//  - what would change the stream or the login: STARTTLS, LOGINDISABLED, COMPRESS=*,
//    UNAUTHENTICATE, PROXYAUTH, AUTH=* but PLAIN, LOGIN, XOAUTH2, OAUTHBEARER;
//  - what keeps state in the session that would only pin clients: NOTIFY, CONTEXT=*, UIDONLY;
//  - what names the store's own host: LOGIN-REFERRALS, MAILBOX-REFERRALS, URLAUTH, URLAUTH=*,
//    URL-PARTIAL.
// What Roost adds itself (STARTTLS, LOGINDISABLED, AUTH= before login) is added by the caller.
void StripUncarried(CapabilitySet* set);

}  // namespace roost

#endif  // ROOST_PROTO_IMAP_CAPABILITY_H_
