# SPDX-License-Identifier: MIT
# Chooses the one src/context/ptk_context_<abi>.c that is compiled. Sets PTK_CONTEXT_ABI.
include(CheckSymbolExists)

set(ptk_asm_abi_x86_64 x86_64_sysv)
set(ptk_asm_abi_aarch64 aarch64)

if(NOT PTK_CONTEXT MATCHES "^(auto|asm|ucontext)$")
    message(FATAL_ERROR "PTK_CONTEXT is '${PTK_CONTEXT}'; it can be auto, asm or ucontext.")
endif()

set(PTK_CONTEXT_ABI "")
if(NOT PTK_CONTEXT STREQUAL "ucontext" AND NOT WIN32)
    set(PTK_CONTEXT_ABI "${ptk_asm_abi_${PTK_CPU}}")
endif()
if(NOT PTK_CONTEXT_ABI AND NOT PTK_CONTEXT STREQUAL "asm")
    set(CMAKE_REQUIRED_DEFINITIONS -D_GNU_SOURCE)
    check_symbol_exists(swapcontext ucontext.h PTK_HAVE_SWAPCONTEXT)
    unset(CMAKE_REQUIRED_DEFINITIONS)
    if(PTK_HAVE_SWAPCONTEXT)
        set(PTK_CONTEXT_ABI ucontext)
    endif()
endif()
if(NOT PTK_CONTEXT_ABI)
    message(FATAL_ERROR
        "ptk cannot switch stacks here: PTK_CONTEXT=${PTK_CONTEXT}, CPU '${CMAKE_SYSTEM_PROCESSOR}', system "
        "'${CMAKE_SYSTEM_NAME}'. There are hand-written switches for x86_64 (System V) and aarch64; everything else "
        "needs a libc with swapcontext (glibc, FreeBSD) and PTK_CONTEXT=auto or ucontext.")
endif()
if(PTK_CONTEXT_ABI STREQUAL "ucontext")
    target_compile_definitions(ptk_common INTERFACE PTK_CONTEXT_UCONTEXT=1)
endif()
message(STATUS "ptk: stack switch ${PTK_CONTEXT_ABI}")
