/* SPDX-License-Identifier: MIT */
/*
 * The system below is the real one. The linker resolves ptk_sys_real to the interceptor's table in every
 * other object; this file has access to the real table under another name.
 */
#include "faults.h"

#include "conformance.h"
#include "ptk_test_hostile.h"
#include <fcntl.h>
#include <unistd.h>

extern const ptk_sys_t truth __asm__("__real_ptk_sys_real");
const ptk_sys_t *const below_sys = &truth;

extern ptk_sys_t process_wide __asm__("__wrap_ptk_sys_real");
ptk_sys_t process_wide;

void below_intercept(ptk_interceptor_t *interceptor) {
    process_wide = ptk_intercept_table;
    ptk_intercept_everywhere(interceptor, &truth);
}

void below_run(void (*body)(const void *argument), const void *argument) {
    body(argument);
}

bool below_is_quick(void) {
    return false;
}

bool below_is_acting(void) {
    return true;
}

/* --- time --- */

void below_clock_begin(void) {
    test_clock_begin(PTK_NS_PER_MS);
}

void below_clock_end(void) {
    test_clock_end();
}

void below_clock_advance(uint64_t ns) {
    test_clock_advance(ns);
}

/* --- descriptors --- */

void below_watch_note(ptk_os_handle_t epoll, int operation, ptk_os_handle_t handle,
                      const struct epoll_event *event) {
    ptk_test_watch_note(epoll, operation, handle, event);
}

void below_report_again(ptk_os_handle_t handle) {
    ptk_test_watch_again(handle);
}

void below_pair(ptk_os_handle_t handles[2]) {
    int fds[2];
    test_socketpair(fds);
    handles[0] = fds[0];
    handles[1] = fds[1];
}

ptk_os_handle_t below_always_ready(void) {
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

void below_write(ptk_os_handle_t handle, size_t bytes) {
    test_write((int) handle, bytes);
}

size_t below_fill(ptk_os_handle_t handle) {
    return test_fill((int) handle);
}

size_t below_read(ptk_os_handle_t handle, size_t bytes) {
    return test_read((int) handle, bytes);
}

void below_close(ptk_os_handle_t handle) {
    CHECK_EQ(close((int) handle), 0);
}

size_t below_big_bytes(void) {
    return (size_t) 3 * 1024 * 1024;
}
