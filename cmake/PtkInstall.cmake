# SPDX-License-Identifier: MIT
include(GNUInstallDirs)
install(FILES ${ptk_public_headers} DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(TARGETS ptk_static ptk_shared)
install(TARGETS ptk_sim OPTIONAL) # `./dev build lib` does not build it
# ptk.pc derives all paths from its own place: --prefix may differ from the configured one, and the tree may be moved.
file(RELATIVE_PATH ptk_pc_up "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" "${CMAKE_INSTALL_PREFIX}")
configure_file("${PROJECT_SOURCE_DIR}/cmake/ptk.pc.in" "${PROJECT_BINARY_DIR}/ptk.pc" @ONLY)
# The linker's options of the guard are a file, so that programs that are not built by CMake can use it, too.
install(FILES "${PROJECT_SOURCE_DIR}/sim/run/ptk_sim_wrap.txt" DESTINATION "${CMAKE_INSTALL_DATADIR}/ptk")
configure_file("${PROJECT_SOURCE_DIR}/cmake/ptk_sim.pc.in" "${PROJECT_BINARY_DIR}/ptk_sim.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/ptk.pc" "${PROJECT_BINARY_DIR}/ptk_sim.pc"
    DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
