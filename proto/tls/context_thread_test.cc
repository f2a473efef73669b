// One context serves all shards: handshakes of several threads at once, with tickets between them.
#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "proto/tls/handshake_test_util.h"

namespace roost {
namespace {

TEST(ContextThreadTest, ContextsAreSharedWithoutALock) {
  const auto server = ServerContext(Pki().ecdsa);
  const auto client = ClientContext(Pki().ca.cert_pem());
  std::atomic<int> done = 0, resumed = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      bssl::UniquePtr<SSL_SESSION> session;
      for (int round = 0; round < 20; ++round) {
        OurEnd ours;
        ours.handshake = Handshake::Server(*server);
        BoringPeerOptions options;
        options.max_version = i % 2 == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
        options.server_name = "imap.example.org";
        options.session = session.get();
        const auto peer = BoringPeer::Client(options);
        Pump(ours, *peer, Delivery::kAtOnce);
        resumed += ours.handshake->info().resumed ? 1 : 0;
        if (peer->session() != nullptr) session = bssl::UpRef(peer->session());

        const auto store = Handshake::Server(*server);
        const auto mine = Handshake::Client(*client, "imap.example.org");
        mine->Advance("");
        store->Advance(mine->TakeOutput());
        if (mine->Advance(store->TakeOutput()) == Handshake::Status::kDone) ++done;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done, 4 * 20);
  EXPECT_EQ(resumed, 4 * 19);
}

}  // namespace
}  // namespace roost
