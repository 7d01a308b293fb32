/* SPDX-License-Identifier: MIT */
/*
 * Below is the kernel of a simulated host: each run is a world of one host, without faults but those that are
 * planned. The wide table hangs in the host's thread block. What concerns the whole process (stacks and their
 * guards, the overflow handler, fork) does not ask the thread block, so the linker gives every other object a
 * table where it says ptk_sys_real, which asks the wide one while a host acts. The simulator itself counts
 * what the host leaves behind, and ends what does not end.
 */
#include "faults/faults.h"

#include "ptk_test.h"
#include "sim/ptk_sim_impl.h"
#include <errno.h>
#include <poll.h>
#include <ptk_time.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MOST 300000
#define LIMIT_MS   600000
#define PAIR_MS    100

typedef struct job {
    void (*body)(const void *argument);
    const void *argument;
} job_t;

static ptk_sys_t wide;

/* --- the two tables --- */

extern const ptk_sys_t truth __asm__("__real_ptk_sys_real");

extern ptk_sys_t process_wide __asm__("__wrap_ptk_sys_real");
ptk_sys_t process_wide;

static ptk_sys_t below;
const ptk_sys_t *const below_sys = &below;

#define PROCESS_WIDE(X)                                                                                      \
    X(map_stacks, (size_t bytes, void **memory_out), (bytes, memory_out))                                    \
    X(unmap, (void *memory, size_t bytes), (memory, bytes))                                                  \
    X(protect_none, (void *memory, size_t bytes), (memory, bytes))                                           \
    X(guard_install, (void *memory, size_t bytes), (memory, bytes))                                          \
    X(resident, (void *memory, size_t bytes, unsigned char *vector), (memory, bytes, vector))                \
    X(signal_stack_install, (void **cookie_out), (cookie_out))                                               \
    X(at_fork_child, (void (*handler)(void)), (handler))

#define ASK(member, parameters, arguments)                                                                   \
    static int process_##member parameters {                                                                 \
        return (ptk_sim_kernel_here() ? &wide : &truth)->member arguments;                                   \
    }
PROCESS_WIDE(ASK)

/* Before anything looks at them. */
__attribute__((constructor(101))) static void hang_in(void) {
    below = ptk_sim_sys;
    process_wide = truth;
#define HANG(member, parameters, arguments)                                                                  \
    below.member = truth.member;                                                                             \
    process_wide.member = process_##member;
    PROCESS_WIDE(HANG)
#undef HANG
    wide_make(&wide);
}

/* --- a world per run --- */

static ptk_err live(void *arg) {
    const job_t *job = arg;
    job->body(job->argument);
    return PTK_OK;
}

void below_run(void (*body)(const void *argument), const void *argument) {
    job_t job = {body, argument};
    ptk_sim_t *sim = ptk_sim_create(&(ptk_sim_options_t) {.struct_size = sizeof(ptk_sim_options_t),
                                                          .flags = PTK_SIM_NO_FAULTS | PTK_SIM_BENIGN,
                                                          .platform = getenv("PTK_PLATFORM"),
                                                          .step_limit = STEPS_MOST});
    CHECK(sim != NULL);
    ptk_sim_host_t *host = ptk_sim_host(sim, NULL, live, &job);
    CHECK(host != NULL);
    host->kernel.block.sys = &wide; /* it has not begun */
    if (ptk_sim_run_for(sim, LIMIT_MS) != PTK_SIM_END_QUIESCENT || ptk_sim_report(sim).failure) {
        const char *failure = ptk_sim_report(sim).failure;
        ptk_test_failed(__FILE__, __LINE__, "%s", failure ? failure : "it does not come to an end");
    }
    ptk_sim_destroy(sim);
}

bool below_is_quick(void) {
    return true;
}

/* --- time --- */

void below_clock_begin(void) {
}

void below_clock_end(void) {
}

void below_clock_advance(uint64_t ns) {
    ptk_sim_kernel_here()->clock_offset_ns += (int64_t) ns;
}

/* --- descriptors --- */

void below_watch_note(ptk_os_handle_t epoll, int operation, ptk_os_handle_t handle,
                      const struct epoll_event *event) {
    (void) epoll, (void) operation, (void) handle, (void) event;
}

void below_report_again(ptk_os_handle_t handle) {
    ptk_sim_file_t *file = ptk_sim_file_find(ptk_sim_kernel_here(), handle);
    if (file) {
        ptk_sim_file_changed(file, POLLIN | POLLOUT);
    }
}

/* Over loopback; the handshake takes its time. */
void below_pair(ptk_os_handle_t handles[2]) {
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof addr;
    ptk_os_handle_t door = 0;
    CHECK_EQ(below_sys->socket(AF_INET, SOCK_STREAM, 0, &door), 0);
    CHECK_EQ(below_sys->bind(door, (struct sockaddr *) &addr, length), 0);
    CHECK_EQ(below_sys->listen(door, 1), 0);
    CHECK_EQ(below_sys->local_name(door, (struct sockaddr *) &addr, &length), 0);
    CHECK_EQ(below_sys->socket(AF_INET, SOCK_STREAM, 0, &handles[1]), 0);
    CHECK_EQ(below_sys->connect(handles[1], (struct sockaddr *) &addr, length), -EINPROGRESS);
    struct pollfd entry = {.fd = (int) door, .events = POLLIN};
    CHECK_EQ(below_sys->poll(&entry, 1, PAIR_MS * (int64_t) PTK_NS_PER_MS), 1);
    CHECK_EQ(below_sys->accept(door, NULL, NULL, &handles[0]), 0);
    below_close(door);
}

/* A wake that was kicked. */
ptk_os_handle_t below_always_ready(void) {
    ptk_os_handle_t wake = 0;
    CHECK_EQ(below_sys->wake_open(&wake), 0);
    CHECK_EQ(below_sys->wake_kick(wake), 0);
    return wake;
}

static const char zeros[65536];

void below_write(ptk_os_handle_t handle, size_t bytes) {
    CHECK(bytes <= sizeof zeros);
    CHECK_EQ(below_sys->send(handle, zeros, bytes), (intptr_t) bytes);
}

size_t below_fill(ptk_os_handle_t handle) {
    size_t total = 0;
    intptr_t put = 0;
    while ((put = below_sys->send(handle, zeros, sizeof zeros)) > 0) {
        total += (size_t) put;
    }
    CHECK_EQ(put, -EAGAIN);
    return total;
}

size_t below_read(ptk_os_handle_t handle, size_t bytes) {
    static char buffer[65536];
    CHECK(bytes <= sizeof buffer);
    intptr_t got = below_sys->recv(handle, buffer, bytes);
    CHECK(got > 0 || got == -EAGAIN);
    return got > 0 ? (size_t) got : 0;
}

void below_close(ptk_os_handle_t handle) {
    CHECK_EQ(below_sys->close(handle), 0);
}

size_t below_big_bytes(void) {
    return (size_t) 256 * 1024;
}
