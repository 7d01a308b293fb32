/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_os_net.h
 * The operating system's socket types (struct sockaddr, socklen_t, AF_INET, SOCK_STREAM, ...), from the
 * headers that have them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#include <winsock2.h>
#include <ws2tcpip.h>
#else
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/types.h>
#endif

/** A descriptor or a handle of the operating system, wide enough for either. */
typedef intptr_t ptk_os_handle_t;

/** The value of a handle that stands for none. */
#define PTK_OS_HANDLE_NONE ((ptk_os_handle_t) - 1)
