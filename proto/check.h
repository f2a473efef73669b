// Checks of what must be true of our own code. Not for input: what a client, a store, an operator
// or the kernel can cause is handled, never checked.
//
// ROOST_CHECK is always on, ROOST_DCHECK only in debug and sanitizer builds (without NDEBUG) and
// must not have side effects. A failed check prints file, line and condition to standard error,
// with one write, and aborts.
//
// The condition's value is all that is printed: no memory content, so that no secret reaches a log.

#ifndef ROOST_PROTO_CHECK_H_
#define ROOST_PROTO_CHECK_H_

#include <cstdio>
#include <cstdlib>

namespace roost::internal {

[[noreturn]] [[gnu::cold]] [[gnu::noinline]] inline void CheckFailed(const char* file, int line,
                                                                     const char* condition) {
  std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, condition);
  std::abort();
}

}  // namespace roost::internal

#define ROOST_CHECK(condition)                                          \
  (__builtin_expect(!(condition), 0)                                    \
       ? ::roost::internal::CheckFailed(__FILE__, __LINE__, #condition) \
       : static_cast<void>(0))

#ifdef NDEBUG
#define ROOST_DCHECK(condition) static_cast<void>(sizeof(!(condition)))
#else
#define ROOST_DCHECK(condition) ROOST_CHECK(condition)
#endif

#endif  // ROOST_PROTO_CHECK_H_
