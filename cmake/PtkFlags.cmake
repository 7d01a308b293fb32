# SPDX-License-Identifier: MIT
# ptk_common: what everything in this tree is compiled with. ptk_core_flags: what only the library is compiled with.
include(CheckCCompilerFlag)
include(CheckSymbolExists)
find_package(Threads REQUIRED)

add_library(ptk_common INTERFACE)
target_compile_definitions(ptk_common INTERFACE _GNU_SOURCE)
target_include_directories(ptk_common INTERFACE "${ptk_tree}/src")
target_compile_options(ptk_common INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wvla -Wstrict-prototypes -fno-omit-frame-pointer)
# Reports name files as the repository does, wherever it lies.
target_compile_options(ptk_common INTERFACE "-fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=" "-fmacro-prefix-map=${ptk_tree}/=")
target_link_libraries(ptk_common INTERFACE Threads::Threads)
if(PTK_WERROR)
    target_compile_options(ptk_common INTERFACE -Werror)
endif()
if(CMAKE_BUILD_TYPE MATCHES "^(Debug|Sanitize|Coverage)$")
    target_compile_definitions(ptk_common INTERFACE PTK_CHECKED=1) # assertions that are too dear for release
endif()
if(PTK_SANITIZE)
    target_compile_options(ptk_common INTERFACE "-fsanitize=${PTK_SANITIZE}")
    target_link_options(ptk_common INTERFACE "-fsanitize=${PTK_SANITIZE}")
endif()

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
    set(PTK_CPU x86_64)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64|ARM64)$")
    set(PTK_CPU aarch64)
else()
    set(PTK_CPU other)
endif()

# Adds a flag to the core where the compiler knows it.
function(ptk_core_flag flag)
    string(MAKE_C_IDENTIFIER "PTK_HAVE${flag}" known)
    check_c_compiler_flag("${flag}" ${known})
    if(${known})
        target_compile_options(ptk_core_flags INTERFACE "${flag}")
    endif()
endfunction()

add_library(ptk_core_flags INTERFACE)
ptk_core_flag(-fno-semantic-interposition)
ptk_core_flag(-fstack-clash-protection)
if(PTK_CPU STREQUAL "x86_64")
    ptk_core_flag(-fcf-protection=none)
endif()
# A green thread's stack is small; sanitizers and coverage make frames that say nothing about the shipped ones.
if(NOT PTK_SANITIZE AND NOT CMAKE_BUILD_TYPE STREQUAL "Coverage")
    ptk_core_flag(-Wframe-larger-than=4096)
endif()

set(ptk_tls_default "")
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    check_symbol_exists(__GLIBC__ features.h PTK_HAVE_GLIBC)
    if(PTK_HAVE_GLIBC)
        set(ptk_tls_default initial-exec)
    endif()
endif()
set(PTK_TLS_MODEL "${ptk_tls_default}" CACHE STRING "Value for -ftls-model=, empty for the compiler's default")
if(PTK_TLS_MODEL)
    target_compile_options(ptk_core_flags INTERFACE "-ftls-model=${PTK_TLS_MODEL}")
endif()
