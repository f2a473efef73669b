#include "proto/tls/peer_name.h"

#include <arpa/inet.h>

#include <openssl/x509.h>

namespace roost {
namespace {

bool IsIpAddress(const std::string& name) {
  uint8_t address[16];
  return inet_pton(AF_INET, name.c_str(), address) == 1 ||
         inet_pton(AF_INET6, name.c_str(), address) == 1;
}

}  // namespace

bool SetPeerName(SSL* ssl, bool verify, std::string* name, std::string* sni) {
  X509_VERIFY_PARAM* const param = SSL_get0_param(ssl);
  if (IsIpAddress(*name)) {
    return !verify || X509_VERIFY_PARAM_set1_ip_asc(param, name->c_str()) == 1;
  }
  if (!name->empty() && name->back() == '.') name->pop_back();
  if (name->empty()) return !verify;
  *sni = *name;
  return SSL_set_tlsext_host_name(ssl, name->c_str()) == 1 &&
         (!verify || X509_VERIFY_PARAM_set1_host(param, name->data(), name->size()) == 1);
}

}  // namespace roost
