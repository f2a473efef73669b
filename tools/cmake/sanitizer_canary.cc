// Does what the sanitizer of its build must report, and nothing else: proof that reports fail
// tests.
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace {

[[maybe_unused]] int Race() {
  int shared = 0;
  std::thread other([&] { ++shared; });
  ++shared;
  other.join();
  return shared;
}

[[maybe_unused]] int UseAfterFree() {
  // Volatile: compilers would warn of it.
  int* volatile memory = static_cast<int*>(std::malloc(sizeof(int)));
  *memory = 1;
  std::free(memory);
  return *memory;
}

[[maybe_unused]] int Leak() {
  void* volatile memory = std::malloc(1000);
  memory = nullptr;
  return memory == nullptr ? 0 : 1;
}

[[maybe_unused]] int Overflow() {
  volatile int most = INT_MAX;
  return most + 1;
}

}  // namespace

int main() {
#if defined(ROOST_CANARY_THREAD)
  std::printf("%d\n", Race());
#elif defined(ROOST_CANARY_ADDRESS)
  std::printf("%d\n", UseAfterFree());
#elif defined(ROOST_CANARY_LEAK)
  std::printf("%d\n", Leak());
#else
  std::printf("%d\n", Overflow());
#endif
}
