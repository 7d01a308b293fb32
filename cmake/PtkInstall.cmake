# SPDX-License-Identifier: MIT
include(GNUInstallDirs)
install(FILES ${ptk_public_headers} DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(TARGETS ptk_static ptk_shared)
install(TARGETS ptk_sim OPTIONAL) # `./dev build lib` does not build it
configure_file("${PROJECT_SOURCE_DIR}/cmake/ptk.pc.in" "${PROJECT_BINARY_DIR}/ptk.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/ptk.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
