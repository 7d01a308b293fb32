# SPDX-License-Identifier: MIT
# Every test is a process of its own under CTest. A test file has lines that begin with TEST(name); its executable runs
# the one that argv[1] names and leaves with 0 (passed), 77 (skipped) or anything else (failed).
set(PTK_TEST_ROOT "${PROJECT_SOURCE_DIR}/tests")
set(PTK_TEST_TIMEOUT 60)
if(PTK_SANITIZE OR PTK_TEST_WRAPPER OR CMAKE_CROSSCOMPILING)
    set(PTK_TEST_TIMEOUT 300)
endif()
set(PTK_TEST_ENVIRONMENT
    "PTK_BUILD_DIR=${PROJECT_BINARY_DIR}"
    "PTK_SOURCE_DIR=${PROJECT_SOURCE_DIR}"
    "ASAN_OPTIONS=detect_stack_use_after_return=0:detect_leaks=1"
    "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1"
    "TSAN_OPTIONS=halt_on_error=1")

find_path(PCL_INCLUDE_DIR pcl.h)
find_library(PCL_LIBRARY pcl)
mark_as_advanced(PCL_INCLUDE_DIR PCL_LIBRARY)
if(PCL_INCLUDE_DIR AND PCL_LIBRARY)
    set(PTK_HAVE_PCL ON)
else()
    set(PTK_HAVE_PCL OFF)
    message(STATUS "ptk: no libpcl, no tests with foreign coroutines")
endif()

if(NOT DEFINED Python3_EXECUTABLE AND EXISTS /usr/bin/python3)
    set(Python3_EXECUTABLE /usr/bin/python3)
endif()
find_package(Python3 QUIET COMPONENTS Interpreter)

# Gives a test its label, time limit and environment.
function(ptk_test_properties name label)
    set_tests_properties("${name}" PROPERTIES
        LABELS "${label}" TIMEOUT ${PTK_TEST_TIMEOUT} SKIP_RETURN_CODE 77
        ENVIRONMENT "${PTK_TEST_ENVIRONMENT};${ARGN}")
endfunction()

# The names in the TEST(name) lines of the files, in order; a name that occurs twice is an error.
function(ptk_test_names out)
    set(names "")
    foreach(source IN LISTS ARGN)
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${source}")
        file(STRINGS "${source}" lines REGEX "^TEST\\(")
        foreach(line IN LISTS lines)
            if(NOT line MATCHES "^TEST\\( *([A-Za-z0-9_]+)")
                message(FATAL_ERROR "${source}: cannot read the test's name in: ${line}")
            endif()
            if(CMAKE_MATCH_1 IN_LIST names)
                message(FATAL_ERROR "${source}: there are two tests named ${CMAKE_MATCH_1}")
            endif()
            list(APPEND names "${CMAKE_MATCH_1}")
        endforeach()
    endforeach()
    set(${out} "${names}" PARENT_SCOPE)
endfunction()

# ptk_add_process_tests(TARGET PREFIX LABEL NAMES ENVIRONMENT...): one CTest test per name.
function(ptk_add_process_tests target prefix label names)
    foreach(name IN LISTS names)
        add_test(NAME "${prefix}.${name}"
            COMMAND ${PTK_TEST_WRAPPER} ${CMAKE_CROSSCOMPILING_EMULATOR} $<TARGET_FILE:${target}> ${name})
        ptk_test_properties("${prefix}.${name}" "${label}" ${ARGN})
    endforeach()
endfunction()

# --- tests/support ---------------------------------------------------------------------------------------------------
file(GLOB support_sources CONFIGURE_DEPENDS "${PTK_TEST_ROOT}/support/*.c")
if(NOT PTK_HAVE_PCL)
    list(FILTER support_sources EXCLUDE REGEX "/foreign_pcl\\.c$")
endif()
if(support_sources)
    add_library(ptk_test_support STATIC ${support_sources})
    set(support_scope PUBLIC)
else()
    add_library(ptk_test_support INTERFACE)
    set(support_scope INTERFACE)
endif()
target_include_directories(ptk_test_support ${support_scope} "${PTK_TEST_ROOT}/support")
target_link_libraries(ptk_test_support ${support_scope} ptk_common ptk_sim ptk_static)
if(PTK_HAVE_PCL)
    target_compile_definitions(ptk_test_support ${support_scope} PTK_TEST_HAVE_PCL=1)
    target_include_directories(ptk_test_support ${support_scope} "${PCL_INCLUDE_DIR}")
    target_link_libraries(ptk_test_support ${support_scope} "${PCL_LIBRARY}")
endif()

function(ptk_add_test_program target)
    ptk_add_program(${target} tests ${ARGN})
    target_link_libraries(${target} PRIVATE ptk_test_support ptk_sim ${CMAKE_DL_LIBS})
endfunction()

# --- one executable per file -----------------------------------------------------------------------------------------
foreach(label unit kernel regress)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PTK_TEST_ROOT}/${label}/test_*.c")
    foreach(source IN LISTS sources)
        file(RELATIVE_PATH path "${PTK_TEST_ROOT}" "${source}")
        string(REGEX REPLACE "\\.c$" "" prefix "${path}")
        string(REGEX REPLACE "/(test_)?" "." prefix "${prefix}") # unit/base/test_list.c: unit.base.list
        string(REPLACE "." "_" target "test_${prefix}")
        ptk_test_names(names "${source}")
        ptk_add_test_program(${target} "${source}")
        if(prefix MATCHES "^unit\\.examples\\.")
            target_link_libraries(${target} PRIVATE modbus_example)
        endif()
        if(prefix STREQUAL "unit.sim.run.guard")
            target_link_libraries(${target} PRIVATE ptk_sim_guarded)
        endif()
        ptk_add_process_tests(${target} "${prefix}" ${label} "${names}")
    endforeach()
endforeach()

# --- one executable for the conformance suite, run in every configuration --------------------------------------------
file(GLOB conformance_sources CONFIGURE_DEPENDS "${PTK_TEST_ROOT}/conformance/*.c")
if(NOT PTK_HAVE_PCL) # these need a foreign coroutine library
    list(FILTER conformance_sources EXCLUDE REGEX "/test_foreign")
endif()
if(conformance_sources)
    ptk_test_names(conformance_names ${conformance_sources})
    ptk_add_test_program(conformance ${conformance_sources})
    foreach(platform epoll poll)
        ptk_add_process_tests(conformance conformance.${platform} conformance "${conformance_names}"
            PTK_PLATFORM=${platform} PTK_TEST_FOREIGN=0)
        if(PTK_HAVE_PCL)
            ptk_add_process_tests(conformance conformance.${platform}-foreign conformance "${conformance_names}"
                PTK_PLATFORM=${platform} PTK_TEST_FOREIGN=1)
        endif()
    endforeach()
endif()

# --- faults: the sockets' part of the suite above a hostile kernel, and the errno table and sweeps -------------------
# What does not make sense above a kernel that bends calls by the dice, and why:
set(hostile_excluded
    # A decision tree wants a program that does the same under the same decisions.
    "_every_order_around_" "_every_pick_around_"
    # Count system calls or turns, or answer the n-th call themselves.
    "^p13_connect_tells_every_failure_at_once_and_late$" "^p47_always_ready_"
    # Want all that is there from one recv_some, or from the one call that a passed deadline leaves.
    "^p24_partial_send_then_timeout_says_how_many$"
    "^p02_recv_sees_data_that_comes_between_any_two_steps$"
    "^p23_data_that_has_come_beats_a_deadline_that_has_passed$"
    "^p23_recv_deadline_at_the_event_and_a_nanosecond_beside_it$"
    "^p23_room_that_has_come_beats_the_deadline_of_send$"
    "^p46_recv_cancelled_when_the_data_is_there_loses_nothing$")
file(GLOB hostile_sources CONFIGURE_DEPENDS "${PTK_TEST_ROOT}/conformance/test_sock*.c"
    "${PTK_TEST_ROOT}/conformance/test_accept*.c" "${PTK_TEST_ROOT}/conformance/test_connect.c"
    "${PTK_TEST_ROOT}/conformance/test_waitable_fd*.c")
ptk_test_names(hostile_names ${hostile_sources})
foreach(excluded IN LISTS hostile_excluded)
    list(FILTER hostile_names EXCLUDE REGEX "${excluded}")
endforeach()
foreach(platform epoll poll)
    ptk_add_process_tests(conformance conformance.${platform}-hostile faults "${hostile_names}"
        PTK_PLATFORM=${platform} PTK_TEST_FOREIGN=0 PTK_TEST_HOSTILE=1)
endforeach()

# The system's table itself is wrapped here, because stacks, forks and the overflow handler use no other.
file(GLOB faults_sources CONFIGURE_DEPENDS "${PTK_TEST_ROOT}/faults/*.c")
ptk_test_names(faults_names ${faults_sources})
ptk_add_test_program(faults ${faults_sources})
target_link_options(faults PRIVATE "LINKER:--wrap=ptk_sys_real")
target_compile_definitions(faults PRIVATE PTK_TEST_ERRNO_TABLE="${PTK_TEST_ROOT}/faults/errno_table.txt")
if(NOT CMAKE_INTERPROCEDURAL_OPTIMIZATION) # which looks through the wrapper, because the real table is constant
    foreach(platform epoll poll)
        ptk_add_process_tests(faults faults.${platform} faults "${faults_names}" PTK_PLATFORM=${platform})
    endforeach()
endif()

# The same above the kernel of a simulated host, and what is about that alone.
file(GLOB faults_sim_sources CONFIGURE_DEPENDS "${PTK_TEST_ROOT}/faults/sim/*.c")
set(faults_shared_sources ${faults_sources})
list(REMOVE_ITEM faults_shared_sources "${PTK_TEST_ROOT}/faults/below.c")
ptk_test_names(faults_sim_names ${faults_sim_sources} ${faults_shared_sources})
ptk_add_test_program(faults_sim ${faults_sim_sources} ${faults_shared_sources})
target_include_directories(faults_sim PRIVATE "${PTK_TEST_ROOT}")
target_link_options(faults_sim PRIVATE "LINKER:--wrap=ptk_sys_real")
target_compile_definitions(faults_sim PRIVATE PTK_TEST_ERRNO_TABLE="${PTK_TEST_ROOT}/faults/errno_table.txt")
foreach(platform sim epoll poll)
    ptk_add_process_tests(faults_sim faults.sim.${platform} faults "${faults_sim_names}" PTK_PLATFORM=${platform})
endforeach()

# --- the suite on a simulated host, on each platform there -------------------------------------------------------------
# What is about the machine that the test runs on, and not about ptk on whatever kernel:
set(simulated_excluded
    # Other OS threads: they signal, have loops of their own, or call across.
    "^p54_every_function_on_" "^p54_calls_without_an_object_on_a_thread_without_a_loop$" "^sock_belongs_to_its_thread$"
    "^loop_per_thread_side_by_side$" "^p45_thread_that_ends_after_destroying_its_loop_leaves_nothing$" "_from_another_thread"
    "_of_other_threads$" "_of_many_threads_" "_on_another_thread_" "^p50_no_wake_is_lost_" "^p50_no_signal_is_lost_"
    "^p51_no_deadlock_while_a_(signaler_lives|signal_waitable_is_waited_for|descriptor_is_waited_for)$"
    "^p51_deadlock_once_the_last_signaler_is_released$" "^p63_signal_against_" "^signal_reaches_every_loop$"
    # Handlers, masks and dispositions of real signals.
    "_in_a_handler_" "_in_a_signal_handler$" "^signal_disposition_" "^p53_signal_masks_are_left_alone$"
    "^p11_sleep_disturbed_by_the_programs_own_handler$"
    # The process: its children, environment, standard input, files.
    "^p52_" "_by_a_child_process$" "^loop_platform_by_option_and_by_environment$" "^fd_zero_is_" "^fd_regular_file_"
    # Coroutines of another library.
    "^foreign_" "^p[0-9]+_foreign_")
# These make events up, or count and fail the calls of a poller, beneath ptk; platform sim calls none.
set(simulated_excluded_sim
    "_after_a_wake_for_nothing$" "_by_a_wake_for_nothing$" "^p12_connect_does_not_believe_an_early_writable$"
    "^p15_accept_retries_against_one_deadline$" "^p02_send_sees_room_that_comes_between_any_two_steps$"
    "^p23_deadline_holds_although_a_little_comes_again_and_again$" "^p23_every_order_around_a_connect$"
    "^p11_poller_that_is_interrupted_is_asked_again$" "^run_reports_a_poller_that_fails_")
foreach(platform sim epoll poll)
    set(names_on_${platform} "${conformance_names}")
    foreach(excluded IN LISTS simulated_excluded simulated_excluded_${platform})
        list(LENGTH names_on_${platform} before)
        list(FILTER names_on_${platform} EXCLUDE REGEX "${excluded}")
        list(LENGTH names_on_${platform} after)
        if(before EQUAL after AND PTK_HAVE_PCL)
            message(FATAL_ERROR "no test to run on simulated hosts is named like ${excluded}")
        endif()
    endforeach()
    ptk_add_process_tests(conformance conformance.simulated-${platform} conformance "${names_on_${platform}}"
        PTK_TEST_SIM=${platform} PTK_TEST_FOREIGN=0)
endforeach()

# And with every call failing in turn: not what goes down a tree of decisions, which wants a program that does the same
# under the same decisions; and not where each process takes long to begin or to run.
set(suite_sources ${conformance_sources} "${PTK_TEST_ROOT}/faults/errno_table.c" "${PTK_TEST_ROOT}/faults/wide.c"
    "${PTK_TEST_ROOT}/faults/sim/below.c" "${PTK_TEST_ROOT}/faults/suite/main.c")
list(REMOVE_ITEM suite_sources "${PTK_TEST_ROOT}/conformance/test_simulated_host.c")
ptk_add_test_program(faults_suite ${suite_sources})
target_include_directories(faults_suite PRIVATE "${PTK_TEST_ROOT}" "${PTK_TEST_ROOT}/faults")
target_link_options(faults_suite PRIVATE "LINKER:--wrap=ptk_sys_real")
target_compile_definitions(faults_suite PRIVATE PTK_TEST_ERRNO_TABLE="${PTK_TEST_ROOT}/faults/errno_table.txt")
if(NOT PTK_TEST_WRAPPER AND NOT CMAKE_CROSSCOMPILING AND NOT PTK_SANITIZE MATCHES "thread")
    foreach(platform sim epoll poll)
        list(FILTER names_on_${platform} EXCLUDE REGEX "_every_order_around_|_every_pick_around_|^exhaustive_")
        ptk_add_process_tests(faults_suite faults.suite-${platform} faults "${names_on_${platform}}"
            PTK_PLATFORM=${platform} PTK_TEST_FOREIGN=0)
        list(TRANSFORM names_on_${platform} PREPEND "faults.suite-${platform}." OUTPUT_VARIABLE suite_tests)
        set_tests_properties(${suite_tests} PROPERTIES TIMEOUT 3600) # each run has a limit of its own
    endforeach()
endif()

# --- scripts ---------------------------------------------------------------------------------------------------------
function(ptk_add_script_tests label)
    file(GLOB scripts CONFIGURE_DEPENDS "${PTK_TEST_ROOT}/${label}/test_*.py" "${PTK_TEST_ROOT}/${label}/test_*.sh")
    foreach(script IN LISTS scripts)
        get_filename_component(name "${script}" NAME_WE)
        string(REGEX REPLACE "^test_" "${label}." name "${name}")
        if(script MATCHES "\\.sh$")
            add_test(NAME ${name} COMMAND sh "${script}" WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
        elseif(Python3_Interpreter_FOUND)
            add_test(NAME ${name} COMMAND "${Python3_EXECUTABLE}" "${script}" WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
        else()
            message(STATUS "ptk: no python3, no test ${name}")
            continue()
        endif()
        ptk_test_properties(${name} ${label} PYTHONDONTWRITEBYTECODE=1)
    endforeach()
endfunction()
if(NOT CMAKE_CROSSCOMPILING)
    ptk_add_script_tests(examples)
    ptk_add_script_tests(tools)
endif()

# --- public headers compile alone, as C11 and as C++17 ---------------------------------------------------------------
function(ptk_add_header_test header language standard compiler)
    get_filename_component(name "${header}" NAME_WE)
    set(unit "${PROJECT_BINARY_DIR}/headers/${name}.${language}")
    file(CONFIGURE OUTPUT "${unit}" CONTENT "#include <${name}.h>\n#include <${name}.h>\nextern int unit_not_empty;\n")
    string(REPLACE "+" "x" label "${standard}")
    add_test(NAME headers.${label}.${name}
        COMMAND ${compiler} -std=${standard} -fsyntax-only -Wall -Wextra -Wpedantic -Werror
            "-I${PROJECT_SOURCE_DIR}/src" "-I${PROJECT_SOURCE_DIR}/sim" "${unit}")
    ptk_test_properties(headers.${label}.${name} headers)
endfunction()

# The C++ compiler that belongs to the C compiler: cc and c++, gcc-12 and g++-12, clang-19 and clang++-19.
get_filename_component(cxx_name "${CMAKE_C_COMPILER}" NAME)
string(REGEX REPLACE "gcc" "g++" cxx_name "${cxx_name}")
string(REGEX REPLACE "clang" "clang++" cxx_name "${cxx_name}")
string(REGEX REPLACE "^cc$" "c++" cxx_name "${cxx_name}")
find_program(PTK_CXX NAMES "${cxx_name}")
mark_as_advanced(PTK_CXX)
if(NOT PTK_CXX)
    message(STATUS "ptk: no ${cxx_name}, public headers are tested as C only")
endif()
foreach(header IN LISTS ptk_public_headers)
    ptk_add_header_test("${header}" c c11 "${CMAKE_C_COMPILER}")
    if(PTK_CXX)
        ptk_add_header_test("${header}" cpp c++17 "${PTK_CXX}")
    endif()
endforeach()

# A C++ program on the C library, where that needs no flags of its own to link.
if(PTK_CXX AND NOT PTK_SANITIZE AND NOT CMAKE_CROSSCOMPILING AND NOT CMAKE_INTERPROCEDURAL_OPTIMIZATION
   AND NOT CMAKE_BUILD_TYPE STREQUAL "Coverage")
    add_test(NAME headers.cxx17.front_door.build
        COMMAND ${PTK_CXX} -std=c++17 -Wall -Wextra -Wpedantic -Werror "-I${PROJECT_SOURCE_DIR}/src"
            "${PTK_TEST_ROOT}/headers/front_door.cc" $<TARGET_FILE:ptk_static> -pthread
            -o "${PROJECT_BINARY_DIR}/headers/front_door_cxx")
    add_test(NAME headers.cxx17.front_door COMMAND "${PROJECT_BINARY_DIR}/headers/front_door_cxx")
    ptk_test_properties(headers.cxx17.front_door.build headers)
    ptk_test_properties(headers.cxx17.front_door headers)
    set_tests_properties(headers.cxx17.front_door.build PROPERTIES FIXTURES_SETUP front_door_cxx)
    set_tests_properties(headers.cxx17.front_door PROPERTIES FIXTURES_REQUIRED front_door_cxx)
endif()

# --- exported symbols, and the layers --------------------------------------------------------------------------------
find_program(PTK_READELF NAMES readelf)
mark_as_advanced(PTK_READELF)
if(NOT CMAKE_CROSSCOMPILING AND PTK_READELF)
    add_test(NAME tools.exports
        COMMAND ${CMAKE_COMMAND} "-DREADELF=${PTK_READELF}" "-DNM=${CMAKE_NM}" "-DEXPORTS=${ptk_exports_file}"
            "-DARCHIVE=$<TARGET_FILE:ptk_static>" "-DSHARED=$<TARGET_FILE:ptk_shared>"
            -P "${PROJECT_SOURCE_DIR}/cmake/check_exports.cmake")
    ptk_test_properties(tools.exports tools)
endif()
if(NOT CMAKE_CROSSCOMPILING AND Python3_Interpreter_FOUND)
    add_test(NAME tools.layering
        COMMAND "${Python3_EXECUTABLE}" "${PROJECT_SOURCE_DIR}/tools/layers.py"
            --root "${PROJECT_SOURCE_DIR}" --build "${PROJECT_BINARY_DIR}")
    ptk_test_properties(tools.layering tools PYTHONDONTWRITEBYTECODE=1)
endif()

# --- scenarios under simulation: ./dev sim runs many seeds of them, the tests a few ----------------------------------
file(GLOB scenario_sources CONFIGURE_DEPENDS "${PTK_TEST_ROOT}/sim/*.c")
ptk_add_program(ptk_scenarios tests ${scenario_sources})
target_link_libraries(ptk_scenarios PRIVATE ptk_sim_guarded modbus_example)
file(STRINGS "${PTK_TEST_ROOT}/sim/main.c" scenario_lines REGEX "^    {\"")
foreach(line IN LISTS scenario_lines)
    string(REGEX MATCH "{\"([a-z_0-9-]+)\"" matched "${line}")
    set(name "${CMAKE_MATCH_1}")
    add_test(NAME sim.${name}
        COMMAND ${CMAKE_CROSSCOMPILING_EMULATOR} $<TARGET_FILE:ptk_scenarios> ${name} --seed 1 --seeds 20 --out "${PROJECT_BINARY_DIR}")
    ptk_test_properties(sim.${name} sim)
endforeach()

# --- the simulator held against the real kernel, and enumerated ------------------------------------------------------
foreach(kind differential exhaustive)
    file(GLOB ${kind}_sources CONFIGURE_DEPENDS "${PTK_TEST_ROOT}/sim/${kind}/*.c")
    if(${kind}_sources)
        ptk_test_names(${kind}_names ${${kind}_sources})
        ptk_add_test_program(test_${kind} ${${kind}_sources})
        ptk_add_process_tests(test_${kind} sim.${kind} sim "${${kind}_names}")
    endif()
endforeach()

# Memory and descriptors run out. Not for quiet, which insists on success: there a call may rightly fail.
foreach(name_seeds echo=200 modbus=60 poller=15 log=300 stream=300 waits=1000)
    string(REGEX MATCH "^([a-z]+)=([0-9]+)$" matched "${name_seeds}")
    add_test(NAME faults.sim.exhaustion.${CMAKE_MATCH_1}
        COMMAND ${CMAKE_CROSSCOMPILING_EMULATOR} $<TARGET_FILE:ptk_scenarios> ${CMAKE_MATCH_1} --exhaustion
            --seed 1 --seeds ${CMAKE_MATCH_2} --out "${PROJECT_BINARY_DIR}")
    ptk_test_properties(faults.sim.exhaustion.${CMAKE_MATCH_1} faults)
endforeach()

# The replicated log with a planted bug, which the runner must find.
ptk_add_program(ptk_planted tests "${PTK_TEST_ROOT}/sim/planted/main.c" "${PTK_TEST_ROOT}/sim/scenario_log.c"
    "${PTK_TEST_ROOT}/sim/scenarios.c")
target_link_libraries(ptk_planted PRIVATE ptk_sim)

# docs/simulation.md tells this story: what it shows must stay so.
add_test(NAME sim.planted
    COMMAND ${CMAKE_CROSSCOMPILING_EMULATOR} $<TARGET_FILE:ptk_planted> log-planted --seed 1300 --seeds 200 --jobs 1
        --out "${PROJECT_BINARY_DIR}")
ptk_test_properties(sim.planted sim)
set_tests_properties(sim.planted PROPERTIES
    PASS_REGULAR_EXPRESSION "seed 1399: tests/sim/scenario_log.c:80: .*shrunk: +from 577 decisions to 1 in 19 runs.*after 208 events")

# A run that crashes leaves a tape and timelines like any other: here of the two decisions that it takes. A sanitizer may end the
# process at the bad pointer itself; then there is no timeline.
foreach(crash abort fault)
    add_test(NAME sim.planted.${crash}
        COMMAND ${CMAKE_CROSSCOMPILING_EMULATOR} $<TARGET_FILE:ptk_planted> ${crash}-planted --seed 1 --seeds 200 --jobs 1
            --out "${PROJECT_BINARY_DIR}")
    ptk_test_properties(sim.planted.${crash} sim)
endforeach()
set_tests_properties(sim.planted.abort PROPERTIES PASS_REGULAR_EXPRESSION
    "it crashed: Aborted.*shrunk: +from [0-9]+ decisions to 2 .*timeline: .*txt.*timeline: .*html")
set_tests_properties(sim.planted.fault PROPERTIES TIMEOUT 40 PASS_REGULAR_EXPRESSION
    "it crashed: Segmentation fault.*decisions to 2 .*timeline: .*html;it ended the process with [0-9]+.*decisions to 2 ")

# Every run with one decision that is not benign: the runner must find it there too, and leave a tape of that one.
add_test(NAME sim.planted.exhaustive
    COMMAND ${CMAKE_CROSSCOMPILING_EMULATOR} $<TARGET_FILE:ptk_planted> log-planted --exhaustive 1 --seed 1 --jobs 1
        --out "${PROJECT_BINARY_DIR}")
ptk_test_properties(sim.planted.exhaustive sim)
set_tests_properties(sim.planted.exhaustive PROPERTIES
    PASS_REGULAR_EXPRESSION "window [0-9]+: tests/sim/scenario_log.c:80: .*shrunk: +from [12] decisions to 1 .*after [0-9]+ events")
add_test(NAME sim.log.exhaustive
    COMMAND ${CMAKE_CROSSCOMPILING_EMULATOR} $<TARGET_FILE:ptk_scenarios> log --exhaustive 1 --seed 1
        --out "${PROJECT_BINARY_DIR}")
ptk_test_properties(sim.log.exhaustive sim)

# The same bug, found by a fuzzer: only where the compiler has one.
if(CMAKE_C_COMPILER_ID MATCHES "Clang")
    include(CheckCSourceCompiles)
    set(CMAKE_REQUIRED_FLAGS "-fsanitize=fuzzer")
    check_c_source_compiles("int LLVMFuzzerTestOneInput(const char *data, unsigned long bytes);
        int LLVMFuzzerTestOneInput(const char *data, unsigned long bytes) { return data == 0 && bytes > 0; }"
        PTK_HAVE_FUZZER)
    unset(CMAKE_REQUIRED_FLAGS)
endif()
if(PTK_HAVE_FUZZER)
    ptk_add_program(ptk_fuzz_log tests "${PTK_TEST_ROOT}/sim/fuzz/fuzz_log.c" "${PTK_TEST_ROOT}/sim/scenario_log.c"
        "${PTK_TEST_ROOT}/sim/scenarios.c")
    target_link_libraries(ptk_fuzz_log PRIVATE ptk_sim)
    target_compile_options(ptk_fuzz_log PRIVATE -fsanitize=fuzzer-no-link)
    target_link_options(ptk_fuzz_log PRIVATE -fsanitize=fuzzer)
    set(fuzz_finding "${PROJECT_BINARY_DIR}/fuzz_log.finding")
    add_test(NAME unit.sim.fuzz.finds
        COMMAND ptk_fuzz_log -seed=1 -runs=100000 -max_len=4096 -len_control=0 -error_exitcode=1
            "-exact_artifact_path=${fuzz_finding}")
    add_test(NAME unit.sim.fuzz.replays
        COMMAND ptk_planted log-planted --input "${fuzz_finding}" --out "${PROJECT_BINARY_DIR}")
    ptk_test_properties(unit.sim.fuzz.finds unit)
    ptk_test_properties(unit.sim.fuzz.replays unit)
    set_tests_properties(unit.sim.fuzz.finds PROPERTIES FIXTURES_SETUP fuzz_finding
        PASS_REGULAR_EXPRESSION "tests/sim/scenario_log.c:[0-9]+: ")
    set_tests_properties(unit.sim.fuzz.replays PROPERTIES FIXTURES_REQUIRED fuzz_finding
        PASS_REGULAR_EXPRESSION "decided by .*: tests/sim/scenario_log.c:[0-9]+: .*shrunk: .*timeline: ")
endif()

# --- the scenarios find every planted bug, and nothing without one ---------------------------------------------------
if(PTK_PLANTED)
    file(STRINGS "${ptk_tree}/bugs.txt" bugs)
    foreach(line IN LISTS bugs)
        separate_arguments(words UNIX_COMMAND "${line}")
        list(POP_FRONT words number scenario seeds)
        add_test(NAME planted.p${number}
            COMMAND $<TARGET_FILE:ptk_scenarios> ${scenario} --seed 1 --seeds ${seeds} ${words} --steps 300000 --no-shrink
                --out "${PROJECT_BINARY_DIR}")
        ptk_test_properties(planted.p${number} planted PTK_BUG=${number})
        set_tests_properties(planted.p${number} PROPERTIES PASS_REGULAR_EXPRESSION "FAILURE in")
    endforeach()
    add_test(NAME planted.none COMMAND $<TARGET_FILE:ptk_scenarios> --all --seed 1 --seeds 100 --steps 300000
        --out "${PROJECT_BINARY_DIR}")
    ptk_test_properties(planted.none planted PTK_BUG=0)
endif()

# These hold the real kernel's loopback against expectations, so nobody else is to use up its ports meanwhile.
foreach(name sim.differential.system_calls sim.differential.socket_calls
        faults.epoll.any_call_may_fail faults.epoll.any_kind_of_call_may_fail
        faults.poll.any_call_may_fail faults.poll.any_kind_of_call_may_fail)
    if(TEST ${name})
        set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
    endif()
endforeach()
