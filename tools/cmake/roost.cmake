# What every folder's CMakeLists.txt is written with:
#
#   roost_library(proto_imap SRCS framer.cc ... DEPS proto_base)
#   roost_test(proto_imap_test SRCS framer_test.cc ... DEPS proto_imap [LABELS sim] [TIMEOUT seconds])
#   roost_fuzz(proto_imap_framer_fuzz SRCS framer_fuzz.cc DEPS proto_imap CORPUS corpus/framer)
#   roost_benchmark(proto_imap_benchmark SRCS framer_benchmark.cc DEPS proto_imap)
#   roost_program(roostd SRCS main.cc DEPS core_shard ... [SYSTEM_MALLOC])
#   roost_script_test(integration_park COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/park_test.py
#                     [LABELS integration] [TIMEOUT seconds] [LOCK name] [PROCESSORS n])
#
# A library without SRCS is headers only. Third-party code is reached by these targets and no others:
# roost::boringssl, roost::liburing, roost::jemalloc, absl::*, yaml-cpp, Threads::Threads.

include_guard(GLOBAL)
include(CheckCXXCompilerFlag)

set(ROOST_SANITIZE "" CACHE STRING "Sanitizers: address, undefined, thread, or address,undefined")
option(ROOST_FUZZ "Build fuzz targets with libFuzzer (clang only)" OFF)
option(ROOST_TESTS "Build tests, fuzz replays and benchmarks" ON)
if(ROOST_SANITIZE OR ROOST_FUZZ)
  option(ROOST_ALL_TESTS "Register integration tests, lint and benchmarks too, not only unit and sim" OFF)
else()
  option(ROOST_ALL_TESTS "Register integration tests, lint and benchmarks too, not only unit and sim" ON)
endif()

# Warnings are errors where we know which warnings to expect; a newer compiler must not break an operator's build.
set(known_compiler OFF)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  set(known_compiler ON)
elseif(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 15)
  set(known_compiler ON)
endif()
option(ROOST_WERROR "Treat warnings as errors" ${known_compiler})

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Release or Debug" FORCE)
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(ROOST_TEST_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)

# Line tables only: stack traces stay readable, links stay quick. -O1 keeps sanitized runs bearable.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-Og -g")
if(ROOST_SANITIZE)
  set(CMAKE_CXX_FLAGS_RELEASE "-O1 -g1")  # without NDEBUG: ROOST_DCHECK is on
endif()

set(ROOST_FLAGS -Wall -Wextra -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough
    -fno-omit-frame-pointer -fstack-protector-strong)
set(ROOST_LINK_FLAGS -Wl,--as-needed -Wl,-z,relro -Wl,-z,now)
if(ROOST_WERROR)
  list(APPEND ROOST_FLAGS -Werror)
endif()
if(ROOST_SANITIZE)
  list(APPEND ROOST_FLAGS -fsanitize=${ROOST_SANITIZE} -fno-sanitize-recover=all)
  list(APPEND ROOST_LINK_FLAGS -fsanitize=${ROOST_SANITIZE})
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
  list(APPEND ROOST_FLAGS -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
if(ROOST_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "ROOST_FUZZ needs clang, whose libFuzzer it uses; try: tools/build --fuzz")
  endif()
  list(APPEND ROOST_FLAGS -fsanitize=fuzzer-no-link)
endif()

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

include(dependencies)

if(ROOST_TESTS)
  enable_testing()
  include(test_environment)
  add_custom_target(unit_tests)  # the programs of all unit and sim tests
endif()

# What all of ours shares: the standard library's bounds checks stay on in release, parsers meet strangers.
function(roost_common target)
  target_compile_options(${target} PRIVATE ${ROOST_FLAGS})
  target_link_options(${target} PRIVATE ${ROOST_LINK_FLAGS})
  target_compile_definitions(${target} PRIVATE _GLIBCXX_ASSERTIONS)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
endfunction()

function(roost_arguments options single multi)
  cmake_parse_arguments(arg "${options}" "${single}" "${multi}" ${ARGN})
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "${CMAKE_CURRENT_SOURCE_DIR}: unknown arguments: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  foreach(name ${options} ${single} ${multi})
    set(arg_${name} "${arg_${name}}" PARENT_SCOPE)
  endforeach()
endfunction()

function(roost_library name)
  roost_arguments("" "" "SRCS;DEPS" ${ARGN})
  if(arg_SRCS)
    add_library(${name} STATIC ${arg_SRCS})
    roost_common(${name})
    target_link_libraries(${name} PUBLIC ${arg_DEPS})
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE ${arg_DEPS})
  endif()
endfunction()

function(roost_executable name)
  roost_arguments("" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${arg_SRCS})
  roost_common(${name})
  target_link_libraries(${name} PRIVATE ${arg_DEPS})
endfunction()

# SYSTEM_MALLOC: short-lived programs gain nothing from jemalloc.
function(roost_program name)
  roost_arguments("SYSTEM_MALLOC" "" "SRCS;DEPS" ${ARGN})
  if(NOT arg_SYSTEM_MALLOC)
    list(APPEND arg_DEPS roost::jemalloc)
  endif()
  roost_executable(${name} SRCS ${arg_SRCS} DEPS ${arg_DEPS})
  set_property(GLOBAL APPEND PROPERTY ROOST_PROGRAMS ${name})
  install(TARGETS ${name} RUNTIME DESTINATION bin)
endfunction()

# Registers a test with its labels (default: unit), a bound on its time and the environment of its build.
# The bound is meant for a release build: sanitized ones get a multiple.
function(roost_add_test name)
  roost_arguments("" "LABELS;TIMEOUT;LOCK;PROCESSORS;TARGET" "COMMAND" ${ARGN})
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  if(NOT ROOST_ALL_TESTS AND NOT arg_LABELS MATCHES "^(unit|sim)$")
    return()
  endif()
  math(EXPR arg_TIMEOUT "${arg_TIMEOUT} * ${ROOST_TEST_SLOWNESS}")
  add_test(NAME ${ROOST_TEST_PREFIX}${name} COMMAND ${ROOST_TEST_LAUNCHER} ${arg_COMMAND}
           WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${ROOST_TEST_PREFIX}${name} PROPERTIES
      LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT} ENVIRONMENT "${ROOST_TEST_ENVIRONMENT}")
  if(arg_LOCK)
    set_tests_properties(${ROOST_TEST_PREFIX}${name} PROPERTIES RESOURCE_LOCK ${arg_LOCK})
  endif()
  if(arg_PROCESSORS)
    set_tests_properties(${ROOST_TEST_PREFIX}${name} PROPERTIES PROCESSORS ${arg_PROCESSORS})
  endif()
  if(arg_TARGET AND arg_LABELS MATCHES "^(unit|sim)$")
    add_dependencies(unit_tests ${arg_TARGET})
  endif()
endfunction()

function(roost_test_program name)
  roost_executable(${name} ${ARGN})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${ROOST_TEST_OUTPUT_DIRECTORY})
endfunction()

# One GoogleTest program, one entry in ctest.
function(roost_test name)
  roost_arguments("" "LABELS;TIMEOUT;LOCK" "SRCS;DEPS;ARGS" ${ARGN})
  if(NOT ROOST_TESTS)
    return()
  endif()
  roost_test_program(${name} SRCS ${arg_SRCS} DEPS ${arg_DEPS} GTest::gtest GTest::gtest_main)
  roost_add_test(${name} COMMAND $<TARGET_FILE:${name}> ${arg_ARGS} TARGET ${name}
                 LABELS "${arg_LABELS}" TIMEOUT "${arg_TIMEOUT}" LOCK "${arg_LOCK}")
endfunction()

# A fuzz target with ROOST_FUZZ; otherwise a program that replays the corpus, run as a test.
# CORPUS is a directory of seed files, relative to the folder.
function(roost_fuzz name)
  roost_arguments("" "CORPUS" "SRCS;DEPS" ${ARGN})
  if(NOT ROOST_TESTS)
    return()
  endif()
  if(ROOST_FUZZ)
    roost_test_program(${name} SRCS ${arg_SRCS} DEPS ${arg_DEPS})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    roost_test_program(${name} SRCS ${arg_SRCS} ${PROJECT_SOURCE_DIR}/tools/cmake/fuzz_replay.cc
                       DEPS ${arg_DEPS})
  endif()
  set(corpus "")
  if(arg_CORPUS)
    set(corpus ${CMAKE_CURRENT_SOURCE_DIR}/${arg_CORPUS})
    set_property(GLOBAL APPEND PROPERTY ROOST_FUZZ_CORPORA "${name}=${corpus}")
  endif()
  if(ROOST_FUZZ)
    set(arguments -runs=2000 -max_total_time=20 -timeout=10 ${corpus})
    # libFuzzer writes what it finds into its first directory: that must not be the source tree.
    set(found ${CMAKE_BINARY_DIR}/corpus/${name})
    file(MAKE_DIRECTORY ${found})
    list(PREPEND arguments -artifact_prefix=${found}- ${found})
  else()
    set(arguments ${corpus})
  endif()
  roost_add_test(${name} COMMAND $<TARGET_FILE:${name}> ${arguments} TARGET ${name})
endfunction()

# A Google Benchmark program; as a test it only proves that every benchmark runs.
function(roost_benchmark name)
  roost_arguments("" "" "SRCS;DEPS" ${ARGN})
  if(NOT ROOST_TESTS)
    return()
  endif()
  roost_executable(${name} SRCS ${arg_SRCS} DEPS ${arg_DEPS} benchmark::benchmark benchmark::benchmark_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)
  roost_add_test(${name} COMMAND $<TARGET_FILE:${name}> --benchmark_min_time=0.001 LABELS bench)
endfunction()

# A test that is a script. It finds the programs of its build by ROOST_BIN in its environment.
# Tests with the same LOCK, and those that need all PROCESSORS, do not run beside each other.
function(roost_script_test name)
  roost_arguments("" "LABELS;TIMEOUT;LOCK;PROCESSORS" "COMMAND" ${ARGN})
  if(NOT ROOST_TESTS)
    return()
  endif()
  if(NOT arg_LABELS)
    set(arg_LABELS integration)
  endif()
  list(APPEND ROOST_TEST_ENVIRONMENT "ROOST_BIN=${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
  roost_add_test(${name} COMMAND ${arg_COMMAND} LABELS "${arg_LABELS}" TIMEOUT "${arg_TIMEOUT}"
                 LOCK "${arg_LOCK}" PROCESSORS "${arg_PROCESSORS}")
endfunction()
