# SPDX-License-Identifier: MIT
# A copy of src/ and sim/ in the build directory with all planted bugs (tools/plant_bugs.py), which is compiled in their
# place. Sets ptk_tree.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
set(ptk_tree "${PROJECT_BINARY_DIR}/tree")
file(GLOB_RECURSE planted_inputs CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/*.[ch]" "${PROJECT_SOURCE_DIR}/sim/*.[ch]")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${planted_inputs}
    "${PROJECT_SOURCE_DIR}/tests/sim/planted_bugs.txt" "${PROJECT_SOURCE_DIR}/tools/plant_bugs.py")
execute_process(COMMAND "${Python3_EXECUTABLE}" -B "${PROJECT_SOURCE_DIR}/tools/plant_bugs.py" --out "${ptk_tree}"
    RESULT_VARIABLE planted_status ERROR_VARIABLE planted_errors)
if(NOT planted_status EQUAL 0)
    message(FATAL_ERROR "The planted bugs do not fit the sources any more:\n${planted_errors}")
endif()
