# SPDX-License-Identifier: MIT
# examples/NAME.c is one program each, examples/*/*.c the code they share; bench/*.c is one program.

# A program of this tree: linked with LIBRARY and libptk.a, placed under FOLDER of the build directory.
function(ptk_add_program target folder library) # SOURCE...
    add_executable(${target} ${ARGN})
    target_link_libraries(${target} PRIVATE ${library} ptk_static ptk_common $<$<BOOL:${PTK_STATIC_EXECUTABLES}>:-static>)
    set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/${folder}")
endfunction()

file(GLOB shared_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/examples/*/*.c")
file(GLOB example_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/examples/*.c")
file(GLOB bench_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/*.c")
if(PTK_BUILD_EXAMPLES OR PTK_BUILD_TESTS)
    add_library(modbus_example STATIC ${shared_sources})
    target_link_libraries(modbus_example PUBLIC ptk_static PRIVATE ptk_common)
    target_include_directories(modbus_example PUBLIC "${PROJECT_SOURCE_DIR}/examples")
    foreach(source IN LISTS example_sources)
        get_filename_component(name "${source}" NAME_WE)
        ptk_add_program(example_${name} examples modbus_example "${source}")
        set_target_properties(example_${name} PROPERTIES OUTPUT_NAME ${name})
    endforeach()
endif()
if(PTK_BUILD_BENCH)
    ptk_add_program(ptk_bench bench ptk_sim ${bench_sources})
endif()
