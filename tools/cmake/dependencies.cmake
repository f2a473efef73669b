# Everything that is not ours, each as one target. A missing piece is reported with the way to get it.

function(roost_missing what package)
  message(FATAL_ERROR "${what} was not found. On Debian 12 it is in the package ${package}; "
                      "tools/setup installs all that is needed.")
endfunction()

find_package(Threads REQUIRED)

include(boringssl)

# --- liburing: used by one source file, core/io/uring.cc ---
find_path(LIBURING_INCLUDE_DIR liburing.h)
find_library(LIBURING_LIBRARY uring)
if(NOT LIBURING_INCLUDE_DIR OR NOT LIBURING_LIBRARY)
  roost_missing(liburing liburing-dev)
endif()
add_library(roost_liburing UNKNOWN IMPORTED GLOBAL)
set_target_properties(roost_liburing PROPERTIES IMPORTED_LOCATION ${LIBURING_LIBRARY}
                      INTERFACE_INCLUDE_DIRECTORIES ${LIBURING_INCLUDE_DIR})
add_library(roost::liburing ALIAS roost_liburing)

# --- jemalloc: an empty target under a sanitizer, which brings an allocator of its own ---
add_library(roost_jemalloc INTERFACE)
add_library(roost::jemalloc ALIAS roost_jemalloc)
if(NOT ROOST_SANITIZE AND NOT ROOST_FUZZ)
  find_path(JEMALLOC_INCLUDE_DIR jemalloc/jemalloc.h)
  find_library(JEMALLOC_LIBRARY jemalloc)
  if(NOT JEMALLOC_INCLUDE_DIR OR NOT JEMALLOC_LIBRARY)
    roost_missing(jemalloc libjemalloc-dev)
  endif()
  target_link_libraries(roost_jemalloc INTERFACE ${JEMALLOC_LIBRARY})
  target_compile_definitions(roost_jemalloc INTERFACE ROOST_JEMALLOC=1)
endif()

# --- abseil: inside .cc files and for containers; its string_view is not std's ---
find_package(absl QUIET)
if(NOT absl_FOUND)
  roost_missing(abseil libabsl-dev)
endif()

# --- yaml-cpp: core/config only ---
find_package(yaml-cpp QUIET)
if(NOT yaml-cpp_FOUND)
  roost_missing(yaml-cpp libyaml-cpp-dev)
endif()

# --- prometheus-cpp: its core alone, for core/admin/metrics.cc; the package's other libraries bring OpenSSL ---
find_path(PROMETHEUS_INCLUDE_DIR prometheus/text_serializer.h)
find_library(PROMETHEUS_CORE_LIBRARY prometheus-cpp-core)
if(NOT PROMETHEUS_INCLUDE_DIR OR NOT PROMETHEUS_CORE_LIBRARY)
  roost_missing(prometheus-cpp prometheus-cpp-dev)
endif()
add_library(roost_prometheus UNKNOWN IMPORTED GLOBAL)
set_target_properties(roost_prometheus PROPERTIES IMPORTED_LOCATION ${PROMETHEUS_CORE_LIBRARY}
                      INTERFACE_INCLUDE_DIRECTORIES ${PROMETHEUS_INCLUDE_DIR})
add_library(roost::prometheus ALIAS roost_prometheus)

if(ROOST_TESTS)
  find_package(GTest QUIET)
  if(NOT GTest_FOUND)
    roost_missing(GoogleTest libgtest-dev)
  endif()
  find_package(benchmark QUIET)
  if(NOT benchmark_FOUND)
    roost_missing("Google Benchmark" libbenchmark-dev)
  endif()
endif()
