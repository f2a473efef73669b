# roost::boringssl, from one of two places:
#
#   Debian's android-libboringssl-dev: headers in /usr/include/android, shared libraries in
#   /usr/lib/<multiarch>/android, which the programs find by RPATH. This is the default.
#
#   -DBORINGSSL_ROOT=<dir>: a BoringSSL of your own, either an installation (include/, lib/) or a source tree
#   built in <dir>/build, or such a build directory itself. Static and shared libraries both do.
#
# OpenSSL's headers are never meant: the directory found must hold openssl/base.h with OPENSSL_IS_BORINGSSL.

set(BORINGSSL_ROOT "" CACHE PATH "A BoringSSL installation, source tree or build directory; empty: Debian's")

# What was found for another root must not be remembered.
if(NOT "${BORINGSSL_ROOT}" STREQUAL "${BORINGSSL_FOUND_FOR}")
  unset(BORINGSSL_INCLUDE_DIR CACHE)
  unset(BORINGSSL_SSL_LIBRARY CACHE)
  unset(BORINGSSL_CRYPTO_LIBRARY CACHE)
endif()
set(BORINGSSL_FOUND_FOR "${BORINGSSL_ROOT}" CACHE INTERNAL "The BORINGSSL_ROOT the paths below belong to")

if(BORINGSSL_ROOT)
  set(roots ${BORINGSSL_ROOT} ${BORINGSSL_ROOT}/build)
  set(search NO_DEFAULT_PATH)
  find_path(BORINGSSL_INCLUDE_DIR openssl/base.h PATHS ${BORINGSSL_ROOT}/include ${BORINGSSL_ROOT}/../include
            ${search})
  foreach(part ssl crypto)
    string(TOUPPER ${part} upper)
    find_library(BORINGSSL_${upper}_LIBRARY NAMES lib${part}.a lib${part}.so PATHS ${roots}
                 PATH_SUFFIXES lib lib64 ${part} "" ${search})
  endforeach()
else()
  set(multiarch ${CMAKE_CXX_LIBRARY_ARCHITECTURE})
  find_path(BORINGSSL_INCLUDE_DIR openssl/base.h PATHS /usr/include/android NO_DEFAULT_PATH)
  foreach(part ssl crypto)
    string(TOUPPER ${part} upper)
    find_library(BORINGSSL_${upper}_LIBRARY ${part} PATHS /usr/lib/${multiarch}/android /usr/lib/android
                 NO_DEFAULT_PATH)
  endforeach()
endif()

if(NOT BORINGSSL_INCLUDE_DIR OR NOT BORINGSSL_SSL_LIBRARY OR NOT BORINGSSL_CRYPTO_LIBRARY)
  if(BORINGSSL_ROOT)
    message(FATAL_ERROR "No BoringSSL in BORINGSSL_ROOT=${BORINGSSL_ROOT}: expected include/openssl/base.h and "
                        "libssl, libcrypto in it, in lib/ or in build/.")
  endif()
  roost_missing(BoringSSL android-libboringssl-dev)
endif()
file(STRINGS ${BORINGSSL_INCLUDE_DIR}/openssl/base.h is_boringssl REGEX "define OPENSSL_IS_BORINGSSL")
if(NOT is_boringssl)
  message(FATAL_ERROR "${BORINGSSL_INCLUDE_DIR}/openssl is not BoringSSL.")
endif()
file(STRINGS ${BORINGSSL_INCLUDE_DIR}/openssl/base.h BORINGSSL_API_VERSION
     REGEX "define BORINGSSL_API_VERSION")
string(REGEX REPLACE ".* " "" BORINGSSL_API_VERSION "${BORINGSSL_API_VERSION}")
# Told by --version: not that of headers that were there before.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${BORINGSSL_INCLUDE_DIR}/openssl/base.h)
message(STATUS "BoringSSL: ${BORINGSSL_SSL_LIBRARY}, API ${BORINGSSL_API_VERSION}")

foreach(part crypto ssl)
  string(TOUPPER ${part} upper)
  add_library(roost_boringssl_${part} UNKNOWN IMPORTED GLOBAL)
  set_target_properties(roost_boringssl_${part} PROPERTIES IMPORTED_LOCATION ${BORINGSSL_${upper}_LIBRARY}
                        INTERFACE_INCLUDE_DIRECTORIES ${BORINGSSL_INCLUDE_DIR})
endforeach()
set_target_properties(roost_boringssl_crypto PROPERTIES INTERFACE_LINK_LIBRARIES Threads::Threads)
set_target_properties(roost_boringssl_ssl PROPERTIES INTERFACE_LINK_LIBRARIES roost_boringssl_crypto)
add_library(roost::boringssl ALIAS roost_boringssl_ssl)
