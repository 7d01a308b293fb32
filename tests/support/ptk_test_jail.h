/* SPDX-License-Identifier: MIT */
/*
 * Jails: what containers, sandboxes and small machines deny to a process. The runner enters the one that
 * PTK_TEST_JAIL names before it runs the test:
 *
 *   container  no /proc, all mounts read-only, PID 1, an unprivileged user without capabilities, no IPv6
 *   denied     EPERM for epoll, eventfd2, process_vm_readv: a loop uses poll and a pipe
 *   filtered   EACCES for epoll_pwait2 and process_vm_readv, as container managers older than the calls do
 *   small      little address space, few descriptors, no locked memory
 *
 * A jail needs no privileges: the first one is built in a user namespace. A test skips where the system
 * allows no such namespace or no seccomp filter.
 */
#pragma once

#include <stddef.h>

/* Makes the system calls with these numbers fail with `os_err` for the rest of the process's life. Skips the
   test where that is not possible. */
void ptk_test_deny_calls(const int *calls, size_t count, int os_err);

/* Enters the jail of this name. In the first jail only a child process returns: the caller waits for it, and
   ends with its exit code. */
void ptk_test_enter_jail(const char *name);
