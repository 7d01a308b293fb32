# SPDX-License-Identifier: MIT
# Target clang_tidy: clang-tidy over src/, one stamp per file, so that only what changed is looked at again.
find_program(PTK_CLANG_TIDY NAMES clang-tidy-19)
mark_as_advanced(PTK_CLANG_TIDY)
if(NOT PTK_CLANG_TIDY)
    return()
endif()

file(GLOB_RECURSE ptk_all_headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/*.h")
set(stamps "")
foreach(source IN LISTS ptk_sources)
    file(RELATIVE_PATH path "${PROJECT_SOURCE_DIR}" "${source}")
    set(stamp "${PROJECT_BINARY_DIR}/clang_tidy/${path}.stamp")
    get_filename_component(folder "${stamp}" DIRECTORY)
    file(MAKE_DIRECTORY "${folder}")
    add_custom_command(OUTPUT "${stamp}"
        COMMAND "${PTK_CLANG_TIDY}" --quiet --warnings-as-errors=* -p "${PROJECT_BINARY_DIR}" "${source}"
        COMMAND ${CMAKE_COMMAND} -E touch "${stamp}"
        DEPENDS "${source}" ${ptk_all_headers} "${PROJECT_SOURCE_DIR}/.clang-tidy"
        COMMENT "clang-tidy ${path}" VERBATIM)
    list(APPEND stamps "${stamp}")
endforeach()
add_custom_target(clang_tidy DEPENDS ${stamps})
