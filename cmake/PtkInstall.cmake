# SPDX-License-Identifier: MIT
include(GNUInstallDirs)
install(FILES ${ptk_public_headers} DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(TARGETS ptk_static ptk_shared ptk_sim
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
configure_file("${PROJECT_SOURCE_DIR}/cmake/ptk.pc.in" "${PROJECT_BINARY_DIR}/ptk.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/ptk.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
