// What sealing and opening must not do: allocate. Counts every allocation, BoringSSL's included.
#include <cstdlib>
#include <new>
#include <string>

#include <gtest/gtest.h>

#include "proto/tls/raw_record.h"
#include "proto/tls/record_layer.h"
#include "proto/tls/record_layer_test_util.h"

namespace {
thread_local size_t allocations = 0;
}  // namespace

// BoringSSL calls these if the program has them.
extern "C" {
void* OPENSSL_memory_alloc(size_t size);
void OPENSSL_memory_free(void* pointer);
size_t OPENSSL_memory_get_size(void* pointer);

void* OPENSSL_memory_alloc(size_t size) {
  ++allocations;
  auto* const base = static_cast<size_t*>(std::malloc(size + 16));
  if (base == nullptr) return nullptr;
  *base = size;
  return reinterpret_cast<char*>(base) + 16;
}
void OPENSSL_memory_free(void* pointer) {
  if (pointer != nullptr) std::free(static_cast<char*>(pointer) - 16);
}
size_t OPENSSL_memory_get_size(void* pointer) {
  return pointer == nullptr ? 0 : *reinterpret_cast<size_t*>(static_cast<char*>(pointer) - 16);
}
}

[[gnu::noinline]] void* operator new(size_t size) {
  ++allocations;
  void* const pointer = std::malloc(size);
  if (pointer == nullptr) throw std::bad_alloc();
  return pointer;
}
[[gnu::noinline]] void operator delete(void* pointer) noexcept { std::free(pointer); }
[[gnu::noinline]] void operator delete(void* pointer, size_t) noexcept { std::free(pointer); }

namespace roost {
namespace {

class AllocationTest : public testing::TestWithParam<TlsSuite> {
 protected:
  AllocationTest() { out_.reserve(4096); }
  TlsPair pair_ = MakePair(GetParam());
  std::string out_;
};
INSTANTIATE_TEST_SUITE_P(EverySuite, AllocationTest, testing::ValuesIn(kAllSuites));

TEST_P(AllocationTest, TheCounterSeesBothKinds) {
  const size_t before = allocations;
  const std::string sealed = SealRaw(pair_.client, 23, "the reference sealer is wasteful");
  EXPECT_GT(allocations, before);
}

TEST_P(AllocationTest, SealingASmallRecordAllocatesNothing) {
  const size_t before = allocations;
  const bool ok = Seal(pair_.server, "* OK Still here\r\n", &out_) &&
                  Seal(pair_.server, "* 172 EXISTS\r\n", &out_) &&
                  SealCloseNotify(pair_.server, &out_);
  EXPECT_EQ(allocations, before);
  EXPECT_TRUE(ok);
}

TEST_P(AllocationTest, OpeningARecordAllocatesNothing) {
  ASSERT_TRUE(Seal(pair_.client, "DONE\r\n", &out_));
  std::string reply;
  const size_t before = allocations;
  const OpenResult result = Open(pair_.server, Bytes(out_), &reply);
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(result.status, OpenResult::kData);
}

TEST_P(AllocationTest, AnsweringAKeyUpdateAllocatesNothing) {
  if (!IsTls13(pair_.client)) return;
  ASSERT_TRUE(SealKeyUpdate(pair_.client, true, &out_));
  std::string reply;
  reply.reserve(100);
  const size_t before = allocations;
  const OpenResult result = Open(pair_.server, Bytes(out_), &reply);
  EXPECT_EQ(allocations, before);
  EXPECT_TRUE(result.reply);
}

TEST_P(AllocationTest, AReadyContextIsAllocatedOnce) {
  RecordContext context;
  ASSERT_TRUE(Seal(pair_.server, "one\r\n", &out_, &context));
  const size_t before = allocations;
  const bool ok = Seal(pair_.server, "two\r\n", &out_, &context);
  EXPECT_EQ(allocations, before);
  EXPECT_TRUE(ok);
}

}  // namespace
}  // namespace roost
