# How tests run under a sanitizer: ROOST_TEST_PREFIX, ROOST_TEST_LAUNCHER, ROOST_TEST_ENVIRONMENT.

set(ROOST_TEST_PREFIX "")
set(ROOST_TEST_LAUNCHER "")
set(ROOST_TEST_ENVIRONMENT
    "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1"
    "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1"
    "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1")

if(ROOST_SANITIZE MATCHES "address")
  set(ROOST_TEST_PREFIX "asan/")
elseif(ROOST_SANITIZE MATCHES "thread")
  set(ROOST_TEST_PREFIX "tsan/")
elseif(ROOST_SANITIZE)
  set(ROOST_TEST_PREFIX "ubsan/")
endif()

# Sanitizers of this age expect mappings where kernels that randomize more bits may not put them.
if(ROOST_SANITIZE AND EXISTS /proc/sys/vm/mmap_rnd_bits)
  file(READ /proc/sys/vm/mmap_rnd_bits random_bits)
  execute_process(COMMAND setarch -R true RESULT_VARIABLE no_setarch OUTPUT_QUIET ERROR_QUIET)
  if(random_bits GREATER 28 AND no_setarch EQUAL 0)
    set(ROOST_TEST_LAUNCHER setarch -R)
  endif()
endif()
