#include "core/shard/listener_tls.h"

#include <algorithm>
#include <utility>

#include "core/base/cleanse.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/config/secret_file.h"
#include "proto/tls/ticket_key_text.h"

namespace roost {
namespace {

// True also where no file is named; *keys stay as they are then.
bool ReadTicketKeys(const TlsConfig& config, TicketKeys* keys, std::string* error) {
  if (config.ticket_key_file.empty()) return true;
  std::string text;
  const bool read = ReadSecretFile(config.ticket_key_file, kMaxTicketKeyText + 1, &text);
  const bool good = read && ParseTicketKeys(text, keys, error);
  Cleanse(&text);
  if (good) return true;
  if (!read) *error = "cannot be read; roostd must be permitted to, as the user that it runs as";
  *error = config.ticket_key_file + ": " + *error;
  return false;
}

bool HasTls(const ListenerConfig& listener) { return listener.tls != ListenerConfig::Tls::kNone; }

}  // namespace

bool ListenerTls::Build(const Config& config, Context* built, std::string* error) const {
  *built = nullptr;
  if (std::none_of(config.listeners.begin(), config.listeners.end(), HasTls)) return true;
  TlsServerOptions options;
  options.tls13_only = config.tls.minimum_version == TlsConfig::Version::k13;
  options.tickets = config.tls.tickets;
  if (context_ != nullptr) options.ticket_keys = context_->ticket_keys();
  if (ReadTicketKeys(config.tls, &options.ticket_keys, error)) {
    for (const CertificateConfig& certificate : config.certificates) {
      TlsCertificate c;
      c.chain_file = certificate.chain_file;
      c.key_file = certificate.key_file;
      options.certificates.push_back(std::move(c));
    }
    *built = TlsServerContext::Create(options, error);
  }
  Cleanse(&options.ticket_keys, sizeof options.ticket_keys);
  return *built != nullptr;
}

void ListenerTls::Take(Context built, const TlsConfig& config, uint64_t now_ns) {
  const bool kept = context_ != nullptr && config.ticket_key_file.empty();
  if (!kept) tickets_since_ns_ = now_ns;
  context_ = std::move(built);
}

bool ListenerTls::Tend(const TlsConfig& config, uint64_t now_ns) {
  if (context_ == nullptr || !config.tickets || config.ticket_rotation_s == 0) return false;
  const uint64_t period = SecondsToNs(static_cast<uint64_t>(config.ticket_rotation_s));
  if (now_ns - tickets_since_ns_ < period) return false;
  tickets_since_ns_ = now_ns;
  const TicketKeys& old = context_->ticket_keys();
  const bool own = config.ticket_key_file.empty();
  TicketKeys keys = own ? Rotated(old) : old;
  std::string error;
  const bool read = ReadTicketKeys(config, &keys, &error);
  const bool same =
      keys.current == old.current && keys.next == old.next && keys.previous == old.previous;
  if (read && !same) context_ = TlsServerContext::WithTicketKeys(*context_, keys);
  Cleanse(&keys, sizeof keys);
  if (!read) Log(LogLevel::kError, "ticket_keys_refused", {{"reason", error}});
  if (!read || same) return false;
  Log(LogLevel::kInfo, own ? "ticket_keys_rotated" : "ticket_keys_read");
  return true;
}

}  // namespace roost
