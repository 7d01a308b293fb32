/* SPDX-License-Identifier: MIT */
/*
 * Descriptors, descriptions and the clock of a simulated host.
 *
 * A descriptor is an index into the kernel's table; the lowest free one is allocated next. Behind it is a
 * counted description: a TCP endpoint, a wake, a timer or an epoll. Every change of a description goes
 * through ptk_sim_file_changed.
 *
 * The host's clock is a linear function of the world's: world time, stretched by the drift, plus an offset.
 */
#include "sim/kernel/ptk_sim_watch.h"

#include "base/ptk_assert.h"
#include "sim/kernel/ptk_sim_memory.h"
#include "sim/kernel/ptk_sim_site.h"
#include <errno.h>

#define DEFAULT_DESCRIPTOR_LIMIT 1024
#define FIRST_DESCRIPTOR         3 /* below are those that every process has */
#define PPM                      INT64_C(1000000)
#define EMPTY_POLL_NS            1000 /* see empty_poll_ns */

/* The platform and the limits are defaults; the driver changes them before the host executes. */
void ptk_sim_kernel_init(ptk_sim_kernel_t *kernel, ptk_sim_node_t *node, const ptk_sys_t *sys,
                         ptk_choice_oracle_t *oracle) {
    *kernel = (ptk_sim_kernel_t) {
        .block = {.sys = sys, .oracle = oracle, .host = kernel},
        .node = node,
        .net = node->net,
        .descriptor_limit = DEFAULT_DESCRIPTOR_LIMIT,
        .empty_poll_ns = EMPTY_POLL_NS,
        .platform = "epoll",
    };
    node->kernel = kernel;
}

void ptk_sim_kernel_fini(ptk_sim_kernel_t *kernel) {
    for (uint32_t i = 0; i < kernel->descriptor_capacity; i++) {
        if (kernel->descriptors[i]) {
            (void) ptk_sim_file_close(kernel, (ptk_os_handle_t) i);
        }
    }
    ptk_sim_free(kernel->descriptors);
    kernel->descriptors = NULL;
    kernel->descriptor_capacity = 0;
    ptk_sim_heap_fini(&kernel->heap);
}

/* --- time --- */

/* Returns `ns` plus `ppm` millionths of it; whole and rest apart, so that nothing overflows. */
static uint64_t clock_apply_drift(uint64_t ns, int64_t ppm) {
    int64_t whole = (int64_t) (ns / (uint64_t) PPM) * ppm;
    int64_t rest = (int64_t) (ns % (uint64_t) PPM) * ppm / PPM;
    return ns + (uint64_t) (whole + rest);
}

/* The drift applies to the world's whole time, so a change of the drift also needs a new offset
   (ptk_sim_clock). */
uint64_t ptk_sim_kernel_now_ns(const ptk_sim_kernel_t *kernel) {
    uint64_t world_ns = kernel->net->events.now_ns;
    return clock_apply_drift(world_ns, kernel->clock_drift_ppm) + (uint64_t) kernel->clock_offset_ns;
}

/* The division rounds down, and a few steps upwards find the least time at which the host's clock has
   advanced far enough: a timer is never early. */
uint64_t ptk_sim_kernel_world_ns(const ptk_sim_kernel_t *kernel, uint64_t own_ns) {
    if (kernel->clock_drift_ppm == 0) {
        return own_ns;
    }
    uint64_t world_ns = own_ns / (uint64_t) (PPM + kernel->clock_drift_ppm) * (uint64_t) PPM;
    while (clock_apply_drift(world_ns, kernel->clock_drift_ppm) < own_ns) {
        world_ns += 1 + (own_ns - clock_apply_drift(world_ns, kernel->clock_drift_ppm)) / 2;
    }
    return world_ns;
}

/* --- descriptors --- */

ptk_sim_file_t *ptk_sim_file_find(ptk_sim_kernel_t *kernel, ptk_os_handle_t handle) {
    if (handle < 0 || (uintptr_t) handle >= kernel->descriptor_capacity) {
        return NULL;
    }
    return kernel->descriptors[handle];
}

/* Grows the table so that it has an entry for `number`. */
static void kernel_reserve_descriptors(ptk_sim_kernel_t *kernel, uint32_t number) {
    uint32_t capacity = kernel->descriptor_capacity ? kernel->descriptor_capacity : 16;
    while (capacity <= number) {
        capacity *= 2;
    }
    if (capacity == kernel->descriptor_capacity) {
        return;
    }
    kernel->descriptors = ptk_sim_reallocate(kernel->descriptors, capacity * sizeof(*kernel->descriptors));
    for (uint32_t i = kernel->descriptor_capacity; i < capacity; i++) {
        kernel->descriptors[i] = NULL;
    }
    kernel->descriptor_capacity = capacity;
}

/* Makes `number`, which is free, refer to the description. */
static void kernel_install_descriptor(ptk_sim_kernel_t *kernel, ptk_sim_file_t *file, uint32_t number) {
    kernel_reserve_descriptors(kernel, number);
    kernel->descriptors[number] = file;
    kernel->descriptors_open++;
    file->references++;
}

/* Makes the lowest free number refer to the description. Returns 0 or -EMFILE. */
static int kernel_allocate_descriptor(ptk_sim_kernel_t *kernel, ptk_sim_file_t *file,
                                      ptk_os_handle_t *handle_out) {
    uint32_t lowest = FIRST_DESCRIPTOR;
    while (lowest < kernel->descriptor_capacity && kernel->descriptors[lowest]) {
        lowest++;
    }
    if (lowest >= kernel->descriptor_limit) {
        return -EMFILE;
    }
    kernel_install_descriptor(kernel, file, lowest);
    *handle_out = (ptk_os_handle_t) lowest;
    return 0;
}

/* The oracle refuses before anything is allocated. */
int ptk_sim_file_open(ptk_sim_kernel_t *kernel, ptk_sim_file_kind_t kind, ptk_sim_file_t **file_out,
                      ptk_os_handle_t *handle_out) {
    uint32_t fault = ptk_choice(PTK_SIM_SITE_NO_RESOURCES, 4);
    if (fault != 0) {
        const int reasons[] = {EMFILE, ENFILE, ENOMEM};
        return -reasons[fault - 1];
    }
    ptk_sim_file_t *file = ptk_sim_allocate(sizeof *file);
    file->kernel = kernel;
    file->kind = kind;
    ptk_list_init(&file->watchers);
    int result = kernel_allocate_descriptor(kernel, file, handle_out);
    if (result != 0) {
        ptk_sim_free(file);
        return result;
    }
    *file_out = file;
    return 0;
}

int ptk_sim_file_dup(ptk_sim_kernel_t *kernel, ptk_os_handle_t handle, ptk_os_handle_t *handle_out) {
    ptk_sim_file_t *file = ptk_sim_file_find(kernel, handle);
    return file ? kernel_allocate_descriptor(kernel, file, handle_out) : -EBADF;
}

/* dup3 of a descriptor to itself is an error, unlike dup2. */
int ptk_sim_file_dup_to(ptk_sim_kernel_t *kernel, ptk_os_handle_t handle, ptk_os_handle_t to) {
    ptk_sim_file_t *file = ptk_sim_file_find(kernel, handle);
    if (!file || to < 0 || to >= (ptk_os_handle_t) kernel->descriptor_limit) {
        return -EBADF;
    }
    if (to == handle) {
        return -EINVAL;
    }
    (void) ptk_sim_file_close(kernel, to);
    kernel_install_descriptor(kernel, file, (uint32_t) to);
    return (int) to;
}

/* The last descriptor is closed: frees the description and its registrations in epolls. */
static void file_free(ptk_sim_file_t *file) {
    ptk_sim_epoll_forget_file(file);
    switch (file->kind) {
    case PTK_SIM_FILE_TCP:
        if (file->u.tcp) {
            file->u.tcp->changed = NULL;
            ptk_sim_tcp_close(file->u.tcp);
        }
        break;
    case PTK_SIM_FILE_TIMER:
        ptk_sim_event_queue_cancel(&file->kernel->net->events, &file->u.timer.event);
        break;
    case PTK_SIM_FILE_EPOLL:
        ptk_sim_epoll_close(file);
        break;
    case PTK_SIM_FILE_WAKE:
        break;
    }
    ptk_sim_free(file);
}

int ptk_sim_file_close(ptk_sim_kernel_t *kernel, ptk_os_handle_t handle) {
    ptk_sim_file_t *file = ptk_sim_file_find(kernel, handle);
    if (!file) {
        return -EBADF;
    }
    kernel->descriptors[handle] = NULL;
    kernel->descriptors_open--;
    if (--file->references == 0) {
        file_free(file);
    }
    return 0;
}

/* --- crash --- */

/* The descriptions stay, without their endpoints: the program still has their descriptors while it unwinds.
 */
void ptk_sim_kernel_crash(ptk_sim_kernel_t *kernel) {
    kernel->crashed = true;
    kernel->node->up = false;
    for (uint32_t i = 0; i < kernel->descriptor_capacity; i++) {
        ptk_sim_file_t *file = kernel->descriptors[i];
        if (file && file->kind == PTK_SIM_FILE_TCP && file->u.tcp) {
            ptk_sim_tcp_abandon(file->u.tcp);
            file->u.tcp = NULL;
        }
    }
    ptk_sim_tcp_clear(kernel->node);
}
