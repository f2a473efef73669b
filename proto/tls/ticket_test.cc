#include "proto/tls/ticket.h"

#include <string>

#include <gtest/gtest.h>

#include "proto/tls/handshake_test_util.h"

namespace roost {
namespace {

TlsClientOptions Options() {
  TlsClientOptions options;
  options.ca_pem = Pki().ca.cert_pem();
  return options;
}

std::unique_ptr<TlsClientContext> Context(const TlsClientOptions& options) {
  std::string error;
  auto context = TlsClientContext::Create(options, &error);
  EXPECT_NE(context, nullptr) << error;
  return context;
}

// A whole connection with our server, which says something first, as IMAP servers do.
std::shared_ptr<const TlsTicket> Take(const TlsServerContext& server_context,
                                      const std::string& name, std::string* error) {
  TlsClientOptions options = Options();
  options.tickets = true;
  const auto context = Context(options);
  TicketTaker taker(*context, name);
  TicketTaker::Status status = taker.Advance("");
  OurEnd server;
  server.handshake = Handshake::Server(server_context);
  bool greeted = false;
  for (int turns = 0; turns < 10 && status == TicketTaker::Status::kNeedMore; ++turns) {
    server.Feed(taker.TakeOutput());
    if (server.established && !std::exchange(greeted, true)) server.Write("* OK hello\r\n");
    for (const char byte : server.TakeOutput()) status = taker.Advance({&byte, 1});
  }
  if (status == TicketTaker::Status::kDone) return taker.TakeTicket();
  *error = taker.error();
  return nullptr;
}

bool Resumes(const TlsServerContext& server_context, std::shared_ptr<const TlsTicket> ticket) {
  TlsClientOptions options = Options();
  options.ticket = std::move(ticket);
  const auto context = Context(options);
  const auto client = Handshake::Client(*context, "imap.example.org");
  const auto server = Handshake::Server(server_context);
  client->Advance("");
  for (int turns = 0; turns < 10 && client->status() == Handshake::Status::kNeedMore; ++turns) {
    server->Advance(client->TakeOutput());
    client->Advance(server->TakeOutput());
  }
  server->Advance(client->TakeOutput());
  EXPECT_EQ(client->status(), Handshake::Status::kDone) << client->error();
  EXPECT_EQ(server->status(), Handshake::Status::kDone) << server->error();
  EXPECT_EQ(client->info().resumed, server->info().resumed);
  return client->info().resumed;
}

TEST(Ticket, OneServesAnyNumberOfConnections) {
  const auto server = ServerContext(Pki().ecdsa);
  std::string error;
  const auto ticket = Take(*server, "imap.example.org", &error);
  ASSERT_NE(ticket, nullptr) << error;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Resumes(*server, ticket));
}

TEST(Ticket, OfAServerThatForgotItsKeysLeadsToAFullHandshake) {
  std::string error;
  const auto ticket = Take(*ServerContext(Pki().ecdsa), "imap.example.org", &error);
  ASSERT_NE(ticket, nullptr) << error;
  EXPECT_FALSE(Resumes(*ServerContext(Pki().ecdsa), ticket));
}

TEST(Ticket, WithoutOneNothingIsResumed) {
  EXPECT_FALSE(Resumes(*ServerContext(Pki().ecdsa), nullptr));
}

TEST(Ticket, IsNotTakenFromAServerThatIsNotTrusted) {
  std::string error;
  EXPECT_EQ(Take(*ServerContext(Pki().ecdsa), "other.example.org", &error), nullptr);
  EXPECT_NE(error, "");
}

TEST(Ticket, OfTls12IsTakenAndUsedAsWell) {
  BoringPeerOptions peer_options;
  peer_options.max_version = TLS1_2_VERSION;
  peer_options.cert_pem = Pki().ecdsa.cert_pem;
  peer_options.key_pem = Pki().ecdsa.key_pem;
  TlsClientOptions options = Options();
  options.tickets = true;
  const auto context = Context(options);
  TicketTaker taker(*context, "imap.example.org");
  TicketTaker::Status status = taker.Advance("");
  const auto peer = BoringPeer::Server(peer_options);
  for (int turns = 0; turns < 10 && status == TicketTaker::Status::kNeedMore; ++turns) {
    peer->Feed(taker.TakeOutput());
    status = taker.Advance(peer->Take());
  }
  ASSERT_EQ(status, TicketTaker::Status::kDone) << taker.error();
  EXPECT_NE(taker.TakeTicket(), nullptr);
}

}  // namespace
}  // namespace roost
