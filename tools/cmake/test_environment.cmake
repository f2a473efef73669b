# How this build's tests run:
#   ROOST_TEST_PREFIX       before their names, so that several builds fit into one summary
#   ROOST_TEST_LAUNCHER     before their commands
#   ROOST_TEST_ENVIRONMENT  in their environment
#   ROOST_TEST_SLOWNESS     how many times as long as a release build's they may take; scripts find it in their
#                           environment and give their programs so many times as long for each thing they wait for

set(ROOST_TEST_PREFIX "")
set(ROOST_TEST_LAUNCHER "")
set(ROOST_TEST_SLOWNESS 1)
set(ROOST_TEST_ENVIRONMENT
    "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1"
    "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1"
    "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1")

if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  set(ROOST_TEST_PREFIX "clang/")
endif()
if(ROOST_SANITIZE)
  set(ROOST_TEST_SLOWNESS 4)
  set(ROOST_TEST_LAUNCHER ${CMAKE_CURRENT_LIST_DIR}/sanitized_test)  # reports of any program fail the test
  if(ROOST_SANITIZE MATCHES "address")
    string(APPEND ROOST_TEST_PREFIX "asan/")
  elseif(ROOST_SANITIZE MATCHES "thread")
    string(APPEND ROOST_TEST_PREFIX "tsan/")
  else()
    string(APPEND ROOST_TEST_PREFIX "ubsan/")
  endif()
endif()

# Sanitizers of this age expect mappings where kernels that randomize more bits may not put them.
if(ROOST_SANITIZE AND EXISTS /proc/sys/vm/mmap_rnd_bits)
  file(READ /proc/sys/vm/mmap_rnd_bits random_bits)
  execute_process(COMMAND setarch -R true RESULT_VARIABLE no_setarch OUTPUT_QUIET ERROR_QUIET)
  if(random_bits GREATER 28 AND no_setarch EQUAL 0)
    list(APPEND ROOST_TEST_LAUNCHER setarch -R)
  endif()
endif()

list(APPEND ROOST_TEST_ENVIRONMENT "ROOST_TEST_SLOWNESS=${ROOST_TEST_SLOWNESS}")
