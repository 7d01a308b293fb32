# SPDX-License-Identifier: MIT
# The library: compiled once (ptk_objects), linked twice (libptk.a, libptk.so).
include(PtkContext)

if(PTK_AMALGAMATION)
    include(PtkAmalgamation)
else()
    file(GLOB_RECURSE ptk_sources CONFIGURE_DEPENDS "${ptk_tree}/src/*.c")
    list(FILTER ptk_sources EXCLUDE REGEX "/src/context/ptk_context_(x86_64_sysv|aarch64|ucontext)\\.c$")
    set(ptk_context_source "${ptk_tree}/src/context/ptk_context_${PTK_CONTEXT_ABI}.c")
    if(EXISTS "${ptk_context_source}")
        list(APPEND ptk_sources "${ptk_context_source}")
    else()
        message(WARNING "src/context/ptk_context_${PTK_CONTEXT_ABI}.c does not exist; ptk will not link.")
    endif()
    set(ptk_library_flags ptk_common ptk_core_flags)
    set(ptk_shared_sources $<TARGET_OBJECTS:ptk_objects>)
endif()

# Headers that a user may include; ptk_event_source.h is internal although its name does not say so.
file(GLOB ptk_public_headers CONFIGURE_DEPENDS "${ptk_tree}/src/ptk*.h" "${ptk_tree}/sim/ptk*.h")
list(FILTER ptk_public_headers EXCLUDE REGEX "(_impl|/ptk_event_source)\\.h$")

# Turns tools/exports.txt, one symbol per line, into the linker's version script.
set(ptk_exports_file "${PROJECT_SOURCE_DIR}/tools/exports.txt")
set(ptk_version_script "${PROJECT_BINARY_DIR}/ptk.map")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${ptk_exports_file}")
file(STRINGS "${ptk_exports_file}" ptk_exports REGEX "^[A-Za-z_]")
set(ptk_global "")
foreach(symbol IN LISTS ptk_exports)
    string(APPEND ptk_global "        ${symbol};\n")
endforeach()
if(ptk_global)
    string(PREPEND ptk_global "    global:\n")
endif()
file(CONFIGURE OUTPUT "${ptk_version_script}" CONTENT "PTK_0 {\n@ptk_global@    local:\n        *;\n};\n" @ONLY)

# A symbol that assembly at file scope defines is in no link-time optimiser's table, so this one stays machine code.
set_property(SOURCE "${ptk_context_source}" APPEND PROPERTY COMPILE_OPTIONS "-fno-lto")

add_library(ptk_objects OBJECT ${ptk_sources})
if(NOT PTK_AMALGAMATION)
    set_target_properties(ptk_objects PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
endif()
target_link_libraries(ptk_objects PRIVATE ${ptk_library_flags})

add_library(ptk_static STATIC $<TARGET_OBJECTS:ptk_objects>)
add_library(ptk_shared SHARED ${ptk_shared_sources})
foreach(library ptk_static ptk_shared)
    set_target_properties(${library} PROPERTIES OUTPUT_NAME ptk LINKER_LANGUAGE C)
    target_link_libraries(${library} PUBLIC Threads::Threads)
    target_include_directories(${library} INTERFACE "${ptk_tree}/src")
endforeach()
set_target_properties(ptk_shared PROPERTIES
    VERSION ${PROJECT_VERSION} SOVERSION 0 LINK_DEPENDS "${ptk_version_script}")
target_link_options(ptk_shared PRIVATE "LINKER:--version-script=${ptk_version_script}")
if(PTK_SANITIZE)
    target_link_options(ptk_shared PRIVATE "-fsanitize=${PTK_SANITIZE}")
else()
    target_link_options(ptk_shared PRIVATE LINKER:--no-undefined)
endif()
