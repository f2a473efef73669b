#include "proto/tls/resuming_client.h"

#include "proto/tls/boring_peer.h"

namespace roost {

struct ResumingClient::Impl {
  BoringPeerOptions options;
  bool resume = false;
  bssl::UniquePtr<SSL_SESSION> session;
  std::unique_ptr<BoringPeer> peer;
};

ResumingClient::ResumingClient(Version version, bool resume) : impl_(std::make_unique<Impl>()) {
  impl_->options.max_version = version == Version::kTls12 ? TLS1_2_VERSION : TLS1_3_VERSION;
  impl_->options.server_name = "localhost";
  impl_->resume = resume;
}

ResumingClient::~ResumingClient() = default;

std::string ResumingClient::Start() {
  if (impl_->resume && impl_->peer != nullptr && impl_->peer->session() != nullptr) {
    impl_->session = bssl::UpRef(impl_->peer->session());
  }
  impl_->options.session = impl_->session.get();
  impl_->peer = BoringPeer::Client(impl_->options);
  return impl_->peer->Take();
}

std::string ResumingClient::Feed(std::string_view wire) {
  impl_->peer->Feed(wire);
  return impl_->peer->Take();
}

bool ResumingClient::done() const { return impl_->peer->done(); }
bool ResumingClient::resumed() const { return SSL_session_reused(impl_->peer->ssl()) == 1; }

}  // namespace roost
