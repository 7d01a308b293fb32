# SPDX-License-Identifier: MIT
# ptk.c and ptk.h (tools/amalgamate.py) in the build directory, compiled as a user compiles them: without the flags, macros
# and include directories of this build. Sets ptk_sources, ptk_library_flags and ptk_shared_sources for PtkCore.
if(NOT Python3_Interpreter_FOUND)
    find_package(Python3 REQUIRED COMPONENTS Interpreter)
endif()
file(GLOB_RECURSE amalgamation_inputs CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/*.[ch]")
set(ptk_sources "${PROJECT_BINARY_DIR}/ptk.c")
add_custom_command(OUTPUT ${ptk_sources} "${PROJECT_BINARY_DIR}/ptk.h"
    COMMAND "${Python3_EXECUTABLE}" -B "${PROJECT_SOURCE_DIR}/tools/amalgamate.py" --out "${PROJECT_BINARY_DIR}"
    DEPENDS ${amalgamation_inputs} "${PROJECT_SOURCE_DIR}/LICENSE"
        "${PROJECT_SOURCE_DIR}/tools/amalgamate.py" "${PROJECT_SOURCE_DIR}/tools/layers.py" "${PROJECT_SOURCE_DIR}/tools/c_source.py"
    VERBATIM)
add_library(ptk_amalgamation_flags INTERFACE)
target_compile_options(ptk_amalgamation_flags INTERFACE -Wall -Wextra -Werror)
set(ptk_library_flags ptk_amalgamation_flags)
set(ptk_shared_sources ${ptk_sources}) # compiled once more, with -fPIC

# Each compiler that is here compiles the two files alone; a C++ compiler reads the header.
set(alone_flags -O2 -Wall -Wextra -Werror -c ptk.c -o alone.o)
set(alone_commands COMMAND "${CMAKE_C_COMPILER}" -DPTK_CONTEXT_UCONTEXT=1 ${alone_flags})
foreach(compiler gcc clang-19 musl-gcc aarch64-linux-gnu-gcc)
    find_program(PTK_ALONE_${compiler} ${compiler})
    if(PTK_ALONE_${compiler})
        list(APPEND alone_commands COMMAND "${PTK_ALONE_${compiler}}" ${alone_flags})
    else()
        message(STATUS "ptk: no ${compiler}, so ptk.c is not compiled with it")
    endif()
endforeach()
find_program(PTK_ALONE_CXX g++)
if(PTK_ALONE_CXX)
    file(WRITE "${PROJECT_BINARY_DIR}/alone.cpp" "#include \"ptk.h\"\n")
    list(APPEND alone_commands
        COMMAND "${PTK_ALONE_CXX}" -std=c++17 -Wall -Wextra -Wpedantic -Werror -fsyntax-only alone.cpp)
endif()
# A program in one command, as a user who vendors the two files builds it.
list(APPEND alone_commands COMMAND "${CMAKE_C_COMPILER}" -O2 -I. "-I${PROJECT_SOURCE_DIR}/examples"
    "${PROJECT_SOURCE_DIR}/examples/echo_server.c" "${PROJECT_SOURCE_DIR}/examples/support/program.c" ptk.c -o echo_server)
add_custom_target(ptk_alone ${alone_commands}
    DEPENDS ${ptk_sources} "${PROJECT_BINARY_DIR}/ptk.h" WORKING_DIRECTORY "${PROJECT_BINARY_DIR}" VERBATIM)
