#include "proto/tls/pem.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <utility>

#include <openssl/bio.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

namespace roost {
namespace {

constexpr size_t kMaxPemFileBytes = 8 << 20;
constexpr unsigned kMinRsaBits = 2048;

// Key material that was read is overwritten when done with.
struct Text {
  std::string bytes;
  ~Text() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
};

bool ReadFile(const std::string& path, std::string* out, std::string* error) {
  std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "rbe"), &std::fclose);
  if (!file) {
    *error = path + ": cannot be read: " + std::strerror(errno);
    return false;
  }
  char buffer[4096];
  while (out->size() <= kMaxPemFileBytes) {
    const size_t n = std::fread(buffer, 1, sizeof buffer, file.get());
    if (n == 0) break;
    out->append(buffer, n);
  }
  OPENSSL_cleanse(buffer, sizeof buffer);
  if (std::ferror(file.get()) != 0) {
    *error = path + ": cannot be read: " + std::strerror(errno);
    return false;
  }
  if (out->size() > kMaxPemFileBytes) {
    *error = path + ": larger than 8 MiB, this is not a certificate or key in PEM";
    return false;
  }
  return true;
}

// Text as given, or else the file's. *source is what messages call it.
bool Load(const std::string& pem, const std::string& file, const char* what, std::string* text,
          std::string* source, std::string* error) {
  if (!pem.empty()) {
    *text = pem;
    *source = std::string("the given ") + what;
    return true;
  }
  if (file.empty()) {
    *error = std::string("no ") + what + " given";
    return false;
  }
  *source = file;
  return ReadFile(file, text, error);
}

bssl::UniquePtr<BIO> ReadOnlyBio(const std::string& text) {
  return bssl::UniquePtr<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// The end of a PEM file is an error too; tells it from a broken block.
bool AtEndOfPem() {
  const uint32_t code = ERR_peek_last_error();
  const bool end = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  return end;
}

bool ParseChain(const std::string& text, const std::string& source,
                std::vector<bssl::UniquePtr<X509>>* out, std::string* error) {
  const bssl::UniquePtr<BIO> bio = ReadOnlyBio(text);
  ERR_clear_error();
  while (X509* x509 = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    out->emplace_back(x509);
  }
  if (!AtEndOfPem()) {
    *error = source + ": certificate " + std::to_string(out->size() + 1) + " in it is damaged";
    return false;
  }
  if (out->empty()) {
    *error = source + ": holds no certificate (\"-----BEGIN CERTIFICATE-----\" is missing)";
    return false;
  }
  return true;
}

int RefusePassword(char*, int, int, void*) { return -1; }

bool ParseKey(const std::string& text, const std::string& source, bssl::UniquePtr<EVP_PKEY>* out,
              std::string* error) {
  const bssl::UniquePtr<BIO> bio = ReadOnlyBio(text);
  ERR_clear_error();
  out->reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, RefusePassword, nullptr));
  if (*out) return true;
  if (text.find("ENCRYPTED") != std::string::npos) {
    *error = source +
             ": the private key is encrypted; store it without a passphrase, readable by "
             "this service only";
  } else if (AtEndOfPem()) {
    *error = source + ": holds no private key (\"-----BEGIN PRIVATE KEY-----\" is missing)";
  } else {
    *error = source +
             ": the private key is damaged, or of a kind that is not supported (use ECDSA "
             "P-256 or RSA)";
  }
  ERR_clear_error();
  return false;
}

bool CheckKeyKind(const EVP_PKEY* key, const std::string& source, bool* is_rsa,
                  std::string* error) {
  *is_rsa = EVP_PKEY_id(key) == EVP_PKEY_RSA;
  if (*is_rsa && static_cast<unsigned>(EVP_PKEY_bits(key)) < kMinRsaBits) {
    *error = source + ": the RSA key has " + std::to_string(EVP_PKEY_bits(key)) +
             " bits; clients want 2048 or more";
    return false;
  }
  if (*is_rsa) return true;
  if (EVP_PKEY_id(key) == EVP_PKEY_EC) {
    const EC_GROUP* const group = EC_KEY_get0_group(EVP_PKEY_get0_EC_KEY(key));
    const int curve = EC_GROUP_get_curve_name(group);
    if (curve == NID_X9_62_prime256v1 || curve == NID_secp384r1 || curve == NID_secp521r1) {
      return true;
    }
  }
  *error = source + ": keys of this kind are not supported; use ECDSA P-256 or RSA";
  return false;
}

bool KeyBelongsToLeaf(const ParsedCertificate& parsed, const std::string& key_source,
                      std::string* error) {
  for (size_t i = 0; i < parsed.chain.size(); ++i) {
    const bssl::UniquePtr<EVP_PKEY> public_key(X509_get_pubkey(parsed.chain[i].get()));
    if (!public_key || EVP_PKEY_cmp(public_key.get(), parsed.key.get()) != 1) continue;
    if (i == 0) return true;
    *error = parsed.chain_source + ": the certificate that belongs to the key is number " +
             std::to_string(i + 1) + " in it; it must be the first, its issuer the second";
    return false;
  }
  ERR_clear_error();
  *error = key_source + ": this key does not belong to the certificate in " + parsed.chain_source;
  return false;
}

void AppendName(const ASN1_STRING* name, std::vector<std::string>* out) {
  std::string text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name)),
                   static_cast<size_t>(ASN1_STRING_length(name)));
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (!text.empty() && text.find('\0') == std::string::npos) out->push_back(std::move(text));
}

// subjectAltName; the subject's common name only if there is none.
std::vector<std::string> NamesOf(const X509* leaf) {
  std::vector<std::string> names;
  const bssl::UniquePtr<GENERAL_NAMES> alternatives(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(leaf, NID_subject_alt_name, nullptr, nullptr)));
  ERR_clear_error();
  if (alternatives) {
    for (size_t i = 0; i < sk_GENERAL_NAME_num(alternatives.get()); ++i) {
      const GENERAL_NAME* const name = sk_GENERAL_NAME_value(alternatives.get(), i);
      if (name->type == GEN_DNS) AppendName(name->d.dNSName, &names);
    }
    return names;
  }
  X509_NAME* const subject = X509_get_subject_name(const_cast<X509*>(leaf));
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at >= 0) AppendName(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), &names);
  return names;
}

}  // namespace

bool ParseCertificate(const TlsCertificate& certificate, ParsedCertificate* out,
                      std::string* error) {
  Text key_text;
  std::string chain_text, key_source;
  if (!Load(certificate.chain_pem, certificate.chain_file, "certificate", &chain_text,
            &out->chain_source, error) ||
      !ParseChain(chain_text, out->chain_source, &out->chain, error) ||
      !Load(certificate.key_pem, certificate.key_file, "private key", &key_text.bytes, &key_source,
            error) ||
      !ParseKey(key_text.bytes, key_source, &out->key, error) ||
      !CheckKeyKind(out->key.get(), key_source, &out->is_rsa, error) ||
      !KeyBelongsToLeaf(*out, key_source, error)) {
    return false;
  }
  out->names = NamesOf(out->chain[0].get());
  return true;
}

bool AddTrusted(X509_STORE* store, const std::string& pem, const std::string& file,
                std::string* error) {
  std::string text, source;
  std::vector<bssl::UniquePtr<X509>> certificates;
  if (!Load(pem, file, "CA certificate", &text, &source, error) ||
      !ParseChain(text, source, &certificates, error)) {
    return false;
  }
  for (const auto& certificate : certificates) {
    if (X509_STORE_add_cert(store, certificate.get()) != 1) {
      const bool twice = ERR_GET_REASON(ERR_peek_last_error()) == X509_R_CERT_ALREADY_IN_HASH_TABLE;
      ERR_clear_error();
      if (twice) continue;
      *error = source + ": a certificate in it cannot be used";
      return false;
    }
  }
  return true;
}

}  // namespace roost
