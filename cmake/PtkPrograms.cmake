# SPDX-License-Identifier: MIT
# examples/NAME.c is one program each, examples/modbus/ and examples/support/ the code they share, bench/*.c one
# program.

# A program of this tree: linked against libptk.a, placed under FOLDER of the build directory.
function(ptk_add_program target folder)
    add_executable(${target} ${ARGN})
    target_link_libraries(${target} PRIVATE ptk_static ptk_common)
    set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/${folder}")
    if(PTK_STATIC_EXECUTABLES)
        target_link_options(${target} PRIVATE -static)
    endif()
endfunction()

file(GLOB modbus_sources CONFIGURE_DEPENDS
    "${PROJECT_SOURCE_DIR}/examples/modbus/*.c" "${PROJECT_SOURCE_DIR}/examples/support/*.c")
if(modbus_sources)
    add_library(modbus_example STATIC ${modbus_sources})
    target_link_libraries(modbus_example PUBLIC ptk_static PRIVATE ptk_common)
    target_include_directories(modbus_example PUBLIC "${PROJECT_SOURCE_DIR}/examples")
else()
    add_library(modbus_example INTERFACE)
endif()

file(GLOB example_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/examples/*.c")
foreach(source IN LISTS example_sources)
    get_filename_component(name "${source}" NAME_WE)
    ptk_add_program(example_${name} examples "${source}")
    set_target_properties(example_${name} PROPERTIES OUTPUT_NAME ${name})
    target_link_libraries(example_${name} PRIVATE modbus_example)
endforeach()

file(GLOB bench_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/*.c")
if(bench_sources)
    ptk_add_program(ptk_bench bench ${bench_sources})
    target_link_libraries(ptk_bench PRIVATE ptk_sim)
endif()
