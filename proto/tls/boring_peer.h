// BoringSSL as the other side, in memory: what our handshakes and record layer are tested against.
//
// It keeps its SSL object for its whole life and uses BoringSSL's own record layer.
#ifndef ROOST_PROTO_TLS_BORING_PEER_H_
#define ROOST_PROTO_TLS_BORING_PEER_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <openssl/ssl.h>

namespace roost {

struct BoringPeerOptions {
  uint16_t min_version = TLS1_2_VERSION;
  uint16_t max_version = TLS1_3_VERSION;
  std::string tls12_suites;  // BoringSSL's names; empty: its defaults
  uint16_t signature = 0;    // the only one accepted; 0: its defaults
  std::string groups;        // e.g. "P-256"; empty: its defaults

  // As client. It verifies nothing.
  std::string server_name;
  std::string alpn;                // wire format, e.g. "\4imap"
  SSL_SESSION* session = nullptr;  // to resume

  // As server.
  std::string cert_pem;
  std::string key_pem;
  int tickets = 2;
};

class BoringPeer {
 public:
  static std::unique_ptr<BoringPeer> Client(const BoringPeerOptions& options);
  static std::unique_ptr<BoringPeer> Server(const BoringPeerOptions& options);

  // Takes bytes from the other side, goes on with the handshake and reads application data.
  void Feed(std::string_view wire);
  std::string Take();  // bytes for the other side

  void Write(std::string_view plaintext);
  void KeyUpdate(bool request_peers);  // goes out with the next Write
  void Shutdown();                     // sends close_notify

  bool done() const { return done_; }
  bool failed() const { return failed_; }
  bool closed() const { return closed_; }  // close_notify was received
  const std::string& error() const { return error_; }
  std::string TakeData() { return std::exchange(data_, {}); }
  SSL* ssl() const { return ssl_.get(); }
  // The newest ticket received, and how many there were.
  SSL_SESSION* session() const { return session_.get(); }
  int sessions() const { return sessions_; }

 private:
  static std::unique_ptr<BoringPeer> Make(const BoringPeerOptions& options);
  void Fail();
  void Run();

  bssl::UniquePtr<SSL_CTX> ctx_;
  bssl::UniquePtr<SSL> ssl_;
  bssl::UniquePtr<SSL_SESSION> session_;
  int sessions_ = 0;
  std::string data_, error_;
  bool done_ = false, failed_ = false, closed_ = false;
};

}  // namespace roost

#endif  // ROOST_PROTO_TLS_BORING_PEER_H_
