// The addresses of stores, found by name at start-up and followed from then on, and what is known
// of them.
//
// getaddrinfo blocks, so names are looked up again by a thread that nobody waits for; what it found
// is taken by the next Tend. A name that cannot be resolved any more keeps the addresses that it
// had. Sessions are not moved: they end when the store ends them, and the next goes where the name
// leads by then. Likewise an address that checks (store_checks.h) have found not to answer: nobody
// new goes there while another one of the store answers.
//
// Thread rule: one thread; the look-ups' own thread shares nothing but what it found.
#ifndef ROOST_CORE_STORE_STORE_RESOLVER_H_
#define ROOST_CORE_STORE_STORE_RESOLVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/config/config.h"

namespace roost {

struct StoreAddress {
  Address address;
  std::string name;      // by which it was found: what the store's certificate is checked against
  bool gone = false;     // the name leads here no more
  bool down = false;     // checks have found nobody who serves there
  bool drained = false;  // the operator wants nobody there
  uint16_t generation = 0;  // of its place: grows when the place becomes another address's
  bool IsAt(const StoreAddress& other) const {
    return address == other.address && name == other.name;
  }
  friend bool operator==(const StoreAddress&, const StoreAddress&) = default;
};

// `known` becomes what was `found`, of which there is one at least. Whichever stays keeps its
// place, so that its users stay with it, and what is known of it; whichever comes back has its own
// again, if that is free. The place of one that is drained is kept for it. False: nothing changed.
bool Follow(std::vector<StoreAddress>* known, const std::vector<StoreAddress>& found);

// Nobody new is to go to `one` while `other` is there: one that is down comes after all that are
// not, and of two that are alike in that the one that is drained.
constexpr bool ComesAfter(const StoreAddress& one, const StoreAddress& other) {
  return one.down != other.down ? one.down : one.drained && !other.drained;
}
// Where new users go: the first at or behind place number `index` of those that come before all
// others (ComesAfter). A drained one that answers is better than none that does. Precondition: one
// is not gone.
size_t ServingFrom(const std::vector<StoreAddress>& addresses, size_t index);
// Those of them that match, with blanks between them.
template <typename Matches>
std::string Listed(const std::vector<StoreAddress>& addresses, Matches&& matches) {
  std::string text;
  for (const StoreAddress& one : addresses) {
    if (!matches(one)) continue;
    text.append(text.empty() ? "" : " ").append(one.address.ToString());
  }
  return text;
}
// Where those go who are to go to place number `index` (modulo), whatever is known of it: there
// unless it is gone.
size_t UsableFrom(const std::vector<StoreAddress>& addresses, size_t index);

// What a check of an address has found.
struct StoreVerdict {
  size_t store = 0;      // StoreIndex
  StoreAddress address;  // with `down` as it is now
  std::string reason;    // why it is down
};

class StoreResolver {
 public:
  using Addresses = std::vector<std::vector<StoreAddress>>;  // by StoreIndex
  using Resolve = std::function<bool(const HostPort&, std::vector<Address>*, std::string*)>;

  // `resolve` may be called by another thread, and longer than this lives.
  StoreResolver(const std::vector<StoreConfig>& stores, Resolve resolve);

  // Looks all of them up. False: `error` says which store has an address that cannot be resolved.
  bool Start(uint64_t now_ns, std::string* error);
  // The same stores, other addresses or periods; only what is written otherwise is looked up.
  // False, with nothing changed: as for Start.
  bool Change(const std::vector<StoreConfig>& stores, uint64_t now_ns, std::string* error);
  // To be called now and then: begins a look-up when it is time. True: the addresses are others
  // now.
  bool Tend(uint64_t now_ns);
  // True: new users are to go elsewhere now, or may come back.
  bool Note(const StoreVerdict& verdict);
  // The operator wants nobody at this address of the store, or, without one, at none of them, also
  // not at those where its names lead later; or wants them back. Each order changes what it names
  // and nothing else: an address stays drained while no name leads to it, and so does the store
  // when one of its addresses is drained besides. Of a store that is drained one address may be
  // wanted back: then the others that it has now are drained, each by itself. False: it has no such
  // address, nor is such a one drained. One to which no name leads by now may be drained while its
  // place is not another's.
  bool Drain(size_t store, const Address* address, bool drained);
  // Something of the store is drained.
  bool drained(size_t store) const;
  // All of it is, wherever its names lead.
  bool whole_drained(size_t store) const { return drained_[store].whole; }
  // One has begun, and was not taken by a Tend yet.
  bool looking_up() const;
  // Whatever changes, each keeps its place; places are never fewer.
  const Addresses& addresses() const { return addresses_; }

 private:
  struct LookUp;  // of one store
  struct Drained {
    bool Lists(const Address& address) const;
    void Add(const Address& address);
    bool whole = false;
    std::vector<Address> addresses;  // by themselves, known now or not
  };
  struct Store {
    std::string name;
    std::vector<HostPort> host_ports;
    uint64_t period_ns = 0;  // 0: there is no name, or none that is to be followed
    uint64_t next_ns = UINT64_MAX;
    bool failed = false;  // last time, and it was said
    std::shared_ptr<LookUp> look_up;
  };
  static Store Make(const StoreConfig& config);
  bool Find(const Store& store, std::vector<StoreAddress>* found, std::string* error) const;
  static void Run(LookUp* look_up, const std::vector<HostPort>& host_ports,
                  const std::vector<StoreAddress>& known, const Resolve& resolve);

  const Resolve resolve_;
  void MarkDrained(size_t store);
  std::vector<Store> stores_;
  std::vector<Drained> drained_;  // by StoreIndex
  Addresses addresses_;
};

}  // namespace roost

#endif  // ROOST_CORE_STORE_STORE_RESOLVER_H_
