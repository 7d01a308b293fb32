# SPDX-License-Identifier: MIT
# The simulator: a library of its own (libptk_sim.a), for tests, linked before libptk.a, whose inside it uses.
file(GLOB_RECURSE ptk_sim_sources CONFIGURE_DEPENDS "${ptk_tree}/sim/*.c")

add_library(ptk_sim_objects OBJECT ${ptk_sim_sources})
set_target_properties(ptk_sim_objects PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
target_link_libraries(ptk_sim_objects PRIVATE ptk_common ptk_core_flags)
target_include_directories(ptk_sim_objects PRIVATE "${ptk_tree}" "${ptk_tree}/sim")

add_library(ptk_sim STATIC $<TARGET_OBJECTS:ptk_sim_objects>)
set_target_properties(ptk_sim PROPERTIES LINKER_LANGUAGE C)
target_link_libraries(ptk_sim PUBLIC ptk_static ${CMAKE_DL_LIBS})
target_include_directories(ptk_sim PUBLIC "${ptk_tree}" "${ptk_tree}/sim")

# Programs of scenarios link this one: their calls of what a simulated host must not reach are caught (ptk_sim_guard.c).
set(ptk_sim_guarded_calls clock_gettime gettimeofday time sleep usleep nanosleep clock_nanosleep getrandom getentropy rand
    random socket socketpair connect bind accept poll epoll_wait pthread_create fork system
    clock timespec_get thrd_sleep thrd_create select lrand48)
add_library(ptk_sim_guarded INTERFACE)
target_link_libraries(ptk_sim_guarded INTERFACE ptk_sim)
foreach(call IN LISTS ptk_sim_guarded_calls)
    target_link_options(ptk_sim_guarded INTERFACE "LINKER:--wrap=${call}")
endforeach()
