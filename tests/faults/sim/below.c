/* SPDX-License-Identifier: MIT */
/*
 * The system below is the kernel of a simulated host. Each run is a world of one host, whose only faults are
 * the planned ones. The host's thread block uses the interceptor's table. Calls for the whole process (stacks
 * and their guards, the overflow handler, fork) do not use the thread block: in every other object the linker
 * resolves ptk_sys_real to a table in which these entries are the interceptor's. The simulator itself counts
 * what the host leaves behind, and ends a host that does not end.
 */
#include "faults/faults.h"

#include "platform/ptk_readiness.h"
#include "sched/ptk_sched.h"
#include "ptk_test.h"
#include "sim/world/ptk_sim_impl.h"
#include <errno.h>
#include <poll.h>
#include <ptk_time.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MOST       1000000
#define STEP_LEAST_NS    10000 /* less on the average, and the host spins */
#define LIMIT_MS         UINT64_C(1000000000000)
#define PAIR_MS          100
#define DESCRIPTOR_LIMIT 4096

typedef struct job {
    void (*body)(const void *argument);
    const void *argument;
} job_t;

/* --- the two tables --- */

extern const ptk_sys_t truth __asm__("__real_ptk_sys_real");

extern ptk_sys_t process_wide __asm__("__wrap_ptk_sys_real");
ptk_sys_t process_wide;

static ptk_sys_t below;
const ptk_sys_t *const below_sys = &below;

/* Copies the members for the whole process from one table into another. */
static void take_process_wide(ptk_sys_t *into, const ptk_sys_t *from) {
    into->map_stacks = from->map_stacks;
    into->unmap = from->unmap;
    into->protect_none = from->protect_none;
    into->guard_install = from->guard_install;
    into->resident = from->resident;
    into->discard = from->discard;
    into->mapping_room = from->mapping_room;
    into->signal_stack_install = from->signal_stack_install;
    into->at_fork_child = from->at_fork_child;
    into->at_thread_exit = from->at_thread_exit;
}

void below_intercept(ptk_interceptor_t *interceptor) {
    below = ptk_sim_sys;
    take_process_wide(&below, &truth);
    process_wide = truth;
    take_process_wide(&process_wide, &ptk_intercept_table);
    ptk_intercept_everywhere(interceptor, &below);
}

/* --- a world per run --- */

static ptk_err live(void *arg) {
    const job_t *job = arg;
    job->body(job->argument);
    return PTK_OK;
}

static bool is_there(const ptk_registration_t *registration, const ptk_sim_file_t *file) {
    uint32_t ready = file ? ptk_sim_file_ready(file) : POLLNVAL;
    const uint32_t broken = POLLHUP | POLLERR | POLLNVAL;
    return (registration->waiting[0] && ready & (POLLIN | POLLRDHUP | broken)) ||
           (registration->waiting[1] && ready & (POLLOUT | broken));
}

/* Returns whether the loop polls, which is on the main context: otherwise the program waits in a call of its
 * own. */
static bool polls(const ptk_thread_block_t *block) {
    const ptk_scheduler_t *scheduler = block->scheduler;
    return block->loop && scheduler && scheduler->active && scheduler->current == &scheduler->main_context;
}

/* For a host in whose world nothing happens any more: returns whether an operation of its loop waits for a
   descriptor that is ready. */
static bool has_missed_something(ptk_sim_host_t *host) {
    ptk_event_loop_platform_t *loop = host->kernel.block.loop;
    const ptk_readiness_t *readiness =
        polls(&host->kernel.block) ? ptk_container_of(loop, ptk_readiness_t, loop) : NULL;
    for (uint32_t i = 0; readiness && i < readiness->count; i++) {
        const ptk_registration_t *registration = &readiness->registrations[i];
        const ptk_sim_file_t *file = ptk_sim_file_find(&host->kernel, registration->handle);
        if (registration->source_count > 0 && is_there(registration, file)) {
            return true;
        }
    }
    return false;
}

/* Returns why the host does not end. It may be impossible to unwind it, so the process must not run another
 * world. */
static below_end_t end_of_endless(ptk_sim_t *sim, ptk_sim_host_t *host) {
    if (sim->end != PTK_SIM_END_DEADLOCK && ptk_sim_report(sim).elapsed_ns / sim->steps < STEP_LEAST_NS) {
        return BELOW_SPINS;
    }
    return has_missed_something(host) ? BELOW_MISSED : BELOW_WAITS;
}

below_end_t below_try(void (*body)(const void *argument), const void *argument, const char **words_out) {
    static char words[256];
    job_t job = {body, argument};
    ptk_sim_t *sim = ptk_sim_create(&(ptk_sim_options_t) {.struct_size = sizeof(ptk_sim_options_t),
                                                          .flags = PTK_SIM_NO_FAULTS | PTK_SIM_BENIGN,
                                                          .platform = getenv("PTK_PLATFORM"),
                                                          .step_limit = STEPS_MOST});
    const ptk_sim_host_options_t options = {.struct_size = sizeof options,
                                            .descriptor_limit = DESCRIPTOR_LIMIT};
    CHECK(sim != NULL);
    ptk_sim_host_t *host = ptk_sim_host(sim, &options, live, &job);
    CHECK(host != NULL);
    host->kernel.block.sys = &ptk_intercept_table; /* before the host starts */
    ptk_sim_end_t end = ptk_sim_run_for(sim, LIMIT_MS);
    const char *failure = ptk_sim_report(sim).failure;
    (void) ptk_sys_format(words, sizeof words, "%s", failure ? failure : "the host does not end");
    *words_out = words;
    if (end != PTK_SIM_END_QUIESCENT && end != PTK_SIM_END_HOST) {
        return end_of_endless(sim, host);
    }
    ptk_sim_destroy(sim);
    return failure ? BELOW_REMAINS : BELOW_WELL;
}

void below_run(void (*body)(const void *argument), const void *argument) {
    const char *words = NULL;
    if (below_try(body, argument, &words) != BELOW_WELL) {
        ptk_test_failed(__FILE__, __LINE__, "%s", words);
    }
}

bool below_is_quick(void) {
    return true;
}

bool below_is_acting(void) {
    return ptk_sim_kernel_here() != NULL;
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

/* Connects over loopback, which takes virtual time. */
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

/* Returns a wake descriptor that was kicked. */
ptk_os_handle_t below_always_ready(void) {
    ptk_os_handle_t wake = 0;
    CHECK_EQ(below_sys->wake_open(&wake, &wake), 0);
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
