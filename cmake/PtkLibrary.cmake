# SPDX-License-Identifier: MIT
# The libraries. Each is compiled once, as a set of objects, and linked from them: libptk.a and libptk.so, and the
# simulator, libptk_sim.a, which uses the inside of libptk.a.
include(CheckSymbolExists)
find_package(Threads REQUIRED)
string(REGEX REPLACE "^(AMD|amd)64$" "x86_64" cpu "${CMAKE_SYSTEM_PROCESSOR}")
string(REGEX REPLACE "^(ARM|arm)64$" "aarch64" cpu "${cpu}")

if(PTK_SANITIZE)
    set(sanitize "-fsanitize=${PTK_SANITIZE}")
else() # a green thread's stack is small, but sanitizers and coverage make frames that are not the shipped ones
    set(frame_limit $<$<NOT:$<CONFIG:Coverage>>:-Wframe-larger-than=4096>)
    set(no_undefined LINKER:--no-undefined)
endif()

# What everything in this tree is compiled with. Reports name files as the repository does, wherever it lies.
add_library(ptk_common INTERFACE)
target_compile_definitions(ptk_common INTERFACE _GNU_SOURCE
    $<$<CONFIG:Debug,Sanitize,Coverage>:PTK_CHECKED=1>) # assertions that are too slow for release
target_include_directories(ptk_common INTERFACE "${PTK_TREE}/src")
target_compile_options(ptk_common INTERFACE -std=c11
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wvla -Wstrict-prototypes -fno-omit-frame-pointer
    "-fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=" "-fmacro-prefix-map=${PTK_TREE}/=" $<$<BOOL:${PTK_WERROR}>:-Werror> ${sanitize})
target_link_libraries(ptk_common INTERFACE Threads::Threads ${sanitize})

# What only the libraries are compiled with.
check_symbol_exists(__GLIBC__ features.h PTK_HAVE_GLIBC)
if(PTK_HAVE_GLIBC)
    set(tls_model initial-exec)
endif()
set(PTK_TLS_MODEL "${tls_model}" CACHE STRING "Value for -ftls-model=, empty for the compiler's own")
add_library(ptk_core_flags INTERFACE)
target_compile_options(ptk_core_flags INTERFACE -fno-semantic-interposition -fstack-clash-protection
    $<$<STREQUAL:${cpu},x86_64>:-fcf-protection=none> $<$<BOOL:${PTK_TLS_MODEL}>:-ftls-model=${PTK_TLS_MODEL}> ${frame_limit})

# The one src/context/ptk_context_<abi>.c that is compiled.
file(GLOB_RECURSE ptk_sources CONFIGURE_DEPENDS "${PTK_TREE}/src/*.c")
file(GLOB_RECURSE ptk_sim_sources CONFIGURE_DEPENDS "${PTK_TREE}/sim/*.c")
list(FILTER ptk_sources EXCLUDE REGEX "/ptk_context_(x86_64_sysv|aarch64|ucontext)\\.c$")
if(PTK_CONTEXT MATCHES "^(auto|asm)$" AND cpu MATCHES "^(x86_64|aarch64)$" AND NOT WIN32)
    string(REPLACE "x86_64" "x86_64_sysv" abi "${cpu}")
else()
    check_symbol_exists(swapcontext ucontext.h PTK_HAVE_SWAPCONTEXT)
    if(NOT PTK_CONTEXT MATCHES "^(auto|ucontext)$" OR NOT PTK_HAVE_SWAPCONTEXT)
        message(FATAL_ERROR "ptk cannot switch stacks here: PTK_CONTEXT is '${PTK_CONTEXT}', CPU '${cpu}', system "
            "'${CMAKE_SYSTEM_NAME}'. asm has x86_64 (System V) and aarch64; ucontext needs a libc with swapcontext.")
    endif()
    set(abi ucontext)
    target_compile_definitions(ptk_common INTERFACE PTK_CONTEXT_UCONTEXT=1)
endif()
message(STATUS "ptk: stack switch ${abi}")
list(APPEND ptk_sources "${PTK_TREE}/src/context/ptk_context_${abi}.c")
# A symbol that assembly at file scope defines is in no link-time optimiser's table, so this one stays machine code.
set_property(SOURCE "${PTK_TREE}/src/context/ptk_context_${abi}.c" APPEND PROPERTY COMPILE_OPTIONS "-fno-lto")

foreach(library ptk ptk_sim)
    add_library(${library}_objects OBJECT ${${library}_sources})
    set_target_properties(${library}_objects PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
    target_link_libraries(${library}_objects PRIVATE ptk_common ptk_core_flags)
endforeach()
add_library(ptk_static STATIC ${PTK_OBJECTS})
add_library(ptk_shared SHARED $<TARGET_OBJECTS:ptk_objects>)
add_library(ptk_sim STATIC $<TARGET_OBJECTS:ptk_sim_objects>)
set_target_properties(ptk_static ptk_shared PROPERTIES OUTPUT_NAME ptk)
set_target_properties(ptk_static ptk_shared ptk_sim PROPERTIES LINKER_LANGUAGE C)
target_include_directories(ptk_static INTERFACE "${PTK_TREE}/src")
target_include_directories(ptk_shared INTERFACE "${PTK_TREE}/src")
target_include_directories(ptk_sim_objects PRIVATE "${PTK_TREE}" "${PTK_TREE}/sim")
target_include_directories(ptk_sim INTERFACE "${PTK_TREE}" "${PTK_TREE}/sim")
target_link_libraries(ptk_static PUBLIC Threads::Threads)
target_link_libraries(ptk_shared PUBLIC Threads::Threads)
target_link_libraries(ptk_sim PUBLIC ptk_static ${CMAKE_DL_LIBS})
add_library(ptk_sim_guarded INTERFACE) # for programs of scenarios: catches calls that a simulated host must not make
target_link_libraries(ptk_sim_guarded INTERFACE ptk_sim "-Wl,@${PROJECT_SOURCE_DIR}/sim/run/ptk_sim_wrap.txt")
add_library(ptk::ptk ALIAS ptk_static)
add_library(ptk::shared ALIAS ptk_shared)
add_library(ptk::sim ALIAS ptk_sim)
add_library(ptk::sim_guarded ALIAS ptk_sim_guarded)

# tools/exports.txt, one symbol per line, becomes the linker's version script.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS tools/exports.txt)
file(STRINGS tools/exports.txt symbols REGEX "^[A-Za-z_]")
list(JOIN symbols ";\n" symbols)
file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/ptk.map" CONTENT "PTK_0 {\nglobal:\n@symbols@;\nlocal:\n*;\n};\n" @ONLY)
set_target_properties(ptk_shared PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 0 LINK_DEPENDS "${PROJECT_BINARY_DIR}/ptk.map")
# nodelete: handlers of signals, of forks and of ending threads stay installed, so dlclose must not unmap their code.
target_link_options(ptk_shared PRIVATE "LINKER:--version-script=${PROJECT_BINARY_DIR}/ptk.map" LINKER:-z,nodelete ${sanitize} ${no_undefined})

# Headers that a user may include; ptk_event_source.h is internal although its name does not say so.
file(GLOB ptk_public_headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/ptk*.h" "${PROJECT_SOURCE_DIR}/sim/ptk*.h")
list(FILTER ptk_public_headers EXCLUDE REGEX "/ptk_event_source\\.h$")

# Compiles src/ beside clang-tidy, so that only what changed is looked at again.
find_program(PTK_CLANG_TIDY NAMES clang-tidy-19)
if(PTK_CLANG_TIDY AND PROJECT_IS_TOP_LEVEL)
    add_library(clang_tidy OBJECT EXCLUDE_FROM_ALL ${ptk_sources})
    target_link_libraries(clang_tidy PRIVATE ptk_common ptk_core_flags)
    set_target_properties(clang_tidy PROPERTIES C_CLANG_TIDY "${PTK_CLANG_TIDY};--quiet;--warnings-as-errors=*")
    set_property(SOURCE ${ptk_sources} APPEND PROPERTY OBJECT_DEPENDS "${PROJECT_SOURCE_DIR}/.clang-tidy")
endif()
