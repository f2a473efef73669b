// A secret at rest in memory: sealed under a key of this process, opened only for the moment it is
// used.
//
// What it is: AES-256-GCM with a random key that is made at start and never leaves the process. It
// keeps passwords out of core dumps, swapped pages and over-reads. What it is not: protection
// against code that runs in the process.
//
// Thread rule: the key is constant after its first use; a SealedSecret is used by one thread at a
// time.
#ifndef ROOST_PROTO_TLS_SEALED_SECRET_H_
#define ROOST_PROTO_TLS_SEALED_SECRET_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace roost {

class SealedSecret {
 public:
  SealedSecret() = default;
  // Empty secrets are kept as nothing at all. The caller wipes its own copy.
  explicit SealedSecret(std::string_view secret);

  bool empty() const { return sealed_.empty(); }
  size_t memory_bytes() const { return sealed_.capacity() + 1; }  // on the heap
  // The secret; the caller wipes it.
  std::string Open() const;

 private:
  std::string sealed_;  // nonce, ciphertext, tag
};

}  // namespace roost

#endif  // ROOST_PROTO_TLS_SEALED_SECRET_H_
