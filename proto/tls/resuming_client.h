// A TLS client that keeps its last ticket and comes back with it: for benchmarks and load in
// memory.
//
// BoringSSL's own client behind a face without BoringSSL. Verifies nothing; not for service.
#ifndef ROOST_PROTO_TLS_RESUMING_CLIENT_H_
#define ROOST_PROTO_TLS_RESUMING_CLIENT_H_

#include <memory>
#include <string>
#include <string_view>

namespace roost {

class ResumingClient {
 public:
  enum class Version { kTls12, kTls13 };

  ResumingClient(Version version, bool resume);
  ~ResumingClient();

  // A new connection, with the ticket of the one before if there was one. Returns the ClientHello.
  std::string Start();
  // Bytes from the server; returns what to answer.
  std::string Feed(std::string_view wire);

  bool done() const;
  bool resumed() const;  // after done

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace roost

#endif  // ROOST_PROTO_TLS_RESUMING_CLIENT_H_
