#include "proto/tls/ticket.h"

#include <utility>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "proto/check.h"
#include "proto/tls/handshake_error.h"
#include "proto/tls/peer_name.h"
#include "proto/tls/tls_context_internal.h"

namespace roost {

TlsTicket::TlsTicket(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsTicket::~TlsTicket() = default;

struct TicketTaker::Impl {
  bssl::UniquePtr<SSL> ssl;
  BIO* from_peer = nullptr;  // owned by ssl, like the next
  BIO* to_peer = nullptr;
  std::string server_name;
  bssl::UniquePtr<SSL_SESSION> session;
  Status status = Status::kNeedMore;
  std::string error;

  bool SetUp(SSL_CTX* ctx, bool verify);
  void Fail(std::string why) {
    status = Status::kFailed;
    error = std::move(why);
  }
  void Step();
};

bool TicketTaker::Impl::SetUp(SSL_CTX* ctx, bool verify) {
  ssl.reset(SSL_new(ctx));
  bssl::UniquePtr<BIO> in(BIO_new(BIO_s_mem()));
  bssl::UniquePtr<BIO> out(BIO_new(BIO_s_mem()));
  if (!ssl || !in || !out) return false;
  from_peer = in.release();
  to_peer = out.release();
  SSL_set_bio(ssl.get(), from_peer, to_peer);
  std::string sni;
  if (!SetPeerName(ssl.get(), verify, &server_name, &sni)) return false;
  SSL_set_app_data(ssl.get(), &session);
  SSL_set_connect_state(ssl.get());
  return true;
}

TicketTaker::TicketTaker(const TlsClientContext& context, std::string_view server_name)
    : impl_(std::make_unique<Impl>()) {
  ROOST_CHECK(context.impl().tickets);
  impl_->server_name = server_name;
  if (!impl_->SetUp(context.impl().ctx.get(), context.impl().verify)) {
    impl_->Fail("\"" + impl_->server_name + "\" is no name to ask for, or there is no memory");
  }
}

TicketTaker::~TicketTaker() = default;

void TicketTaker::Impl::Step() {
  ERR_clear_error();
  int result = SSL_do_handshake(ssl.get());
  if (result == 1 && !session) {
    // Whatever else the server says is not for us.
    char nobodys[1024];
    while ((result = SSL_read(ssl.get(), nobodys, sizeof nobodys)) > 0 && !session) {
    }
  }
  if (session) {
    status = Status::kDone;
  } else if (SSL_get_error(ssl.get(), result) == SSL_ERROR_ZERO_RETURN) {
    Fail("the server gave no ticket");
  } else if (SSL_get_error(ssl.get(), result) != SSL_ERROR_WANT_READ) {
    Fail(DescribeFailure(ssl.get(), "server", server_name).text);
  }
}

TicketTaker::Status TicketTaker::Advance(std::string_view in) {
  Impl& impl = *impl_;
  if (impl.status != Status::kNeedMore) return impl.status;
  const int size = static_cast<int>(in.size());
  if (size > 0 && BIO_write(impl.from_peer, in.data(), size) != size) {
    impl.Fail("out of memory");
    return impl.status;
  }
  impl.Step();
  return impl.status;
}

std::string TicketTaker::TakeOutput() {
  const uint8_t* bytes = nullptr;
  size_t size = 0;
  if (impl_->to_peer == nullptr || BIO_mem_contents(impl_->to_peer, &bytes, &size) != 1) return {};
  std::string output(reinterpret_cast<const char*>(bytes), size);
  BIO_reset(impl_->to_peer);
  return output;
}

std::shared_ptr<const TlsTicket> TicketTaker::TakeTicket() {
  ROOST_CHECK(impl_->status == Status::kDone && impl_->session);
  auto ticket = std::make_unique<TlsTicket::Impl>();
  ticket->session = std::move(impl_->session);
  return std::make_shared<const TlsTicket>(std::move(ticket));
}

const std::string& TicketTaker::error() const { return impl_->error; }

}  // namespace roost
