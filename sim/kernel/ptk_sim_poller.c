/* SPDX-License-Identifier: MIT */
/*
 * epoll and poll of a simulated host.
 *
 * A registration belongs to an epoll, a description and the descriptor that it was made with; it ends with
 * any of epoll and description, not with the descriptor. It is in the ready list when something happened that
 * it asked for; whether there is still something to report is found out when a batch is collected, as Linux
 * does. A level-triggered one that reported goes to the end of the ready list, an edge-triggered one leaves
 * it until something happens again, a one-shot one falls silent until it is modified.
 *
 * The oracle may cut a batch short, change its order, end a wait early or interrupt it, and report something
 * that is not so.
 */
#include "sim/kernel/ptk_sim_watch.h"

#include "sim/kernel/ptk_sim_memory.h"
#include "sim/kernel/ptk_sim_site.h"
#include <errno.h>

/* Looks of a poller at one moment until the driver is asked. */
#define LOOKS_AT_A_STRETCH 64

/* Waits of a crashed host after which it is clear that it does not end. */
#define GHOST_WAITS_MAX 100000

/* --- registrations --- */

static ptk_sim_registration_t *find(const ptk_sim_file_t *epoll, const ptk_sim_file_t *file,
                                    ptk_os_handle_t handle) {
    for (ptk_list_node_t *node = ptk_list_first(&file->watchers); node;
         node = ptk_list_next(&file->watchers, node)) {
        ptk_sim_registration_t *registration = ptk_container_of(node, ptk_sim_registration_t, of_file);
        if (registration->epoll == epoll && registration->handle == handle) {
            return registration;
        }
    }
    return NULL;
}

static void look_at_once(ptk_sim_registration_t *registration) {
    if (ptk_sim_file_ready(registration->file) & ptk_sim_wanted(registration)) {
        ptk_sim_note_ready(registration);
    }
}

static int add(ptk_sim_file_t *epoll, ptk_sim_file_t *file, ptk_os_handle_t handle,
               const struct epoll_event *event) {
    if (find(epoll, file, handle)) {
        return -EEXIST;
    }
    if (ptk_choice(PTK_SIM_SITE_NO_RESOURCES, 2) != 0) {
        return -ENOSPC;
    }
    ptk_sim_registration_t *registration = ptk_sim_allocate(sizeof *registration);
    registration->file = file;
    registration->epoll = epoll;
    registration->handle = handle;
    registration->events = event->events;
    registration->data = event->data;
    ptk_list_append(&file->watchers, &registration->of_file);
    ptk_list_append(&epoll->u.epoll.interests, &registration->of_epoll);
    look_at_once(registration);
    return 0;
}

static int modify(ptk_sim_registration_t *registration, const struct epoll_event *event) {
    registration->events = event->events;
    registration->data = event->data;
    look_at_once(registration);
    return 0;
}

int ptk_sim_epoll_ctl(ptk_sim_kernel_t *kernel, ptk_os_handle_t epoll_handle, int operation,
                      ptk_os_handle_t handle, struct epoll_event *event) {
    ptk_sim_file_t *epoll = ptk_sim_file_find(kernel, epoll_handle);
    ptk_sim_file_t *file = ptk_sim_file_find(kernel, handle);
    if (!epoll || !file) {
        return -EBADF;
    }
    if (epoll->kind != PTK_SIM_FILE_EPOLL || epoll == file) {
        return -EINVAL;
    }
    if (operation == EPOLL_CTL_ADD) {
        return add(epoll, file, handle, event);
    }
    ptk_sim_registration_t *registration = find(epoll, file, handle);
    if (!registration) {
        return -ENOENT;
    }
    if (operation == EPOLL_CTL_MOD) {
        return modify(registration, event);
    }
    ptk_sim_end_registration(registration);
    return operation == EPOLL_CTL_DEL ? 0 : -EINVAL;
}

/* --- a batch --- */

/* The one that is reported next. */
static ptk_sim_registration_t *pick(ptk_sim_file_t *epoll, uint32_t count) {
    uint32_t index = ptk_choice(PTK_SIM_SITE_READY_ORDER, count);
    ptk_list_node_t *node = ptk_list_first(&epoll->u.epoll.ready);
    while (index-- > 0) {
        node = ptk_list_next(&epoll->u.epoll.ready, node);
    }
    return ptk_container_of(node, ptk_sim_registration_t, ready);
}

/* Level stays, at the end; edge and one-shot leave. */
static void after_report(ptk_sim_registration_t *registration) {
    ptk_sim_leave_ready(registration);
    if (registration->events & EPOLLONESHOT) {
        registration->events &= PTK_SIM_PRIVATE_BITS;
    } else if (!(registration->events & EPOLLET)) {
        ptk_sim_enter_ready(registration);
    }
}

static uint32_t reported(const ptk_sim_registration_t *registration) {
    uint32_t ready = ptk_sim_file_ready(registration->file) & ptk_sim_wanted(registration);
    if (ready == 0 && ptk_sim_wanted(registration) != 0 && ptk_choice(PTK_SIM_SITE_SPURIOUS, 2) != 0) {
        return ptk_sim_wanted(registration) & (uint32_t) (EPOLLIN | EPOLLOUT);
    }
    return ready;
}

static int collect(ptk_sim_file_t *epoll, struct epoll_event *events, int capacity) {
    int count = 0;
    uint32_t left = epoll->u.epoll.ready_count;
    uint32_t fewer = left > 1 ? ptk_choice(PTK_SIM_SITE_BATCH, left) : 0;
    for (; left > fewer && count < capacity; left--) {
        ptk_sim_registration_t *registration = pick(epoll, left);
        uint32_t ready = reported(registration);
        if (ready == 0) {
            ptk_sim_leave_ready(registration);
            continue;
        }
        events[count].events = ready;
        events[count].data = registration->data;
        count++;
        after_report(registration);
    }
    return count;
}

/* --- waiting --- */

/* A crashed host does not wait: its clock jumps to the end of each wait. Whoever ends it has a look each
 * time: it may have made a loop that it did not have when it crashed, and that has to be stopped, too. */
static int pass_while_unwinding(ptk_sim_kernel_t *kernel, int64_t timeout_ns) {
    if (timeout_ns > 0) {
        kernel->clock_offset_ns += timeout_ns;
    }
    if (timeout_ns != 0) {
        kernel->suspend(kernel, UINT64_MAX);
    }
    ptk_assert(++kernel->unwinding_waits < GHOST_WAITS_MAX && "a host that was ended goes on and on");
    return 0;
}

/* When a wait ends by the host's own clock, which may go wrong meanwhile. */
static uint64_t end_of_wait(const ptk_sim_kernel_t *kernel, int64_t timeout_ns) {
    return timeout_ns < 0 ? UINT64_MAX : ptk_sim_kernel_now_ns(kernel) + (uint64_t) timeout_ns;
}

/* The moment of the world that this is, as its clock goes now. */
static uint64_t world_moment(const ptk_sim_kernel_t *kernel, uint64_t own_ns) {
    uint64_t now_ns = ptk_sim_kernel_now_ns(kernel);
    if (own_ns == UINT64_MAX) {
        return UINT64_MAX;
    }
    return kernel->net->events.now_ns +
           (own_ns > now_ns ? ptk_sim_kernel_world_ns(kernel, own_ns - now_ns) : 0);
}

static void wait_until(ptk_sim_kernel_t *kernel, const ptk_sim_wait_t *wait, uint64_t until_ns) {
    kernel->wait = *wait;
    kernel->waiting = true;
    kernel->suspend(kernel, until_ns);
    kernel->waiting = false;
}

/* Shall this wait end before it begins? -EINTR, 1: yes, with nothing; 0: no. */
static int disturbance(void) {
    if (ptk_choice(PTK_SIM_SITE_EINTR, 2) != 0) {
        return -EINTR;
    }
    return ptk_choice(PTK_SIM_SITE_EARLY, 2) != 0;
}

/* Nothing is ready: wait for something, or for the end of the wait. 0: look again; 1: it is over; or -EINTR.
 */
static int wait_more(ptk_sim_kernel_t *kernel, const ptk_sim_wait_t *wait, uint64_t until_ns) {
    if (ptk_sim_kernel_now_ns(kernel) >= until_ns) {
        return 1;
    }
    int disturbed = disturbance();
    if (disturbed == 0) {
        wait_until(kernel, wait, world_moment(kernel, until_ns));
    }
    return disturbed;
}

/* A look that found nothing takes a moment, in which the others go on. */
static void let_time_pass(ptk_sim_kernel_t *kernel) {
    wait_until(kernel, &(ptk_sim_wait_t) {0}, kernel->net->events.now_ns + kernel->look_ns);
}

/* A look that finds something takes no time. One that does so again and again comes back to the driver now
 * and then, or nobody would ever notice a host that goes round and round. */
static void count_look(ptk_sim_kernel_t *kernel) {
    uint64_t now_ns = kernel->net->events.now_ns;
    kernel->looks = kernel->looked_ns == now_ns ? kernel->looks + 1 : 1;
    kernel->looked_ns = now_ns;
    if (kernel->looks % LOOKS_AT_A_STRETCH == 0 && !kernel->crashed) {
        wait_until(kernel, &(ptk_sim_wait_t) {0}, now_ns);
    }
}

int ptk_sim_kernel_await(ptk_sim_kernel_t *kernel, const ptk_sim_wait_t *wait, int64_t timeout_ns,
                         int (*look)(void *context), void *context) {
    uint64_t until_ns = end_of_wait(kernel, timeout_ns);
    for (;;) {
        int found = look(context);
        if (found != 0) {
            count_look(kernel);
            return found;
        }
        if (kernel->crashed) {
            return pass_while_unwinding(kernel, timeout_ns);
        }
        if (timeout_ns == 0) {
            let_time_pass(kernel);
            return look(context);
        }
        int over = wait_more(kernel, wait, until_ns);
        if (over != 0) {
            return over < 0 ? over : 0;
        }
    }
}

typedef struct batch {
    ptk_sim_file_t *epoll;
    struct epoll_event *events;
    int capacity;
} batch_t;

static int collect_batch(void *context) {
    const batch_t *batch = context;
    return collect(batch->epoll, batch->events, batch->capacity);
}

int ptk_sim_epoll_wait(ptk_sim_kernel_t *kernel, ptk_os_handle_t handle, struct epoll_event *events,
                       int capacity, int64_t timeout_ns) {
    ptk_sim_file_t *epoll = ptk_sim_file_find(kernel, handle);
    if (!epoll || epoll->kind != PTK_SIM_FILE_EPOLL || capacity <= 0) {
        return epoll ? -EINVAL : -EBADF;
    }
    batch_t batch = {epoll, events, capacity};
    return ptk_sim_kernel_await(kernel, &(ptk_sim_wait_t) {.epoll = epoll}, timeout_ns, collect_batch,
                                &batch);
}

/* --- poll --- */

typedef struct entries {
    ptk_sim_kernel_t *kernel;
    struct pollfd *first;
    size_t count;
} entries_t;

static uint32_t ready_of(const struct pollfd *entry, const ptk_sim_file_t *file, bool spurious) {
    uint32_t asked = (uint32_t) (uint16_t) entry->events | POLLERR | POLLHUP;
    uint32_t ready = file ? ptk_sim_file_ready(file) & asked : POLLNVAL;
    return ready == 0 && spurious ? asked & (POLLIN | POLLOUT) : ready;
}

/* One at most is reported although it is not ready: if each could be, a poll of many would never find
 * nothing, and time would stand still. */
static int look_at_entries(void *context) {
    const entries_t *entries = context;
    int found = 0;
    uint32_t count = (uint32_t) entries->count;
    uint32_t spurious = count ? ptk_choice(PTK_SIM_SITE_SPURIOUS, count + 1) : 0;
    for (uint32_t i = 0; i < count; i++) {
        struct pollfd *entry = &entries->first[i];
        entry->revents = 0;
        if (entry->fd >= 0) {
            const ptk_sim_file_t *file = ptk_sim_file_find(entries->kernel, entry->fd);
            entry->revents = (short) ready_of(entry, file, i + 1 == spurious);
            found += entry->revents != 0;
        }
    }
    return found;
}

/* A look at one descriptor before a system call, as opposed to a poller that goes round and round: that one
 * has a wake. */
static bool is_glance(ptk_sim_kernel_t *kernel, const struct pollfd *entries, size_t count) {
    const ptk_sim_file_t *file = count == 1 ? ptk_sim_file_find(kernel, entries[0].fd) : NULL;
    return count == 1 && !(file && file->kind == PTK_SIM_FILE_WAKE);
}

int ptk_sim_poll(ptk_sim_kernel_t *kernel, struct pollfd *first, size_t count, int64_t timeout_ns) {
    entries_t entries = {kernel, first, count};
    if (timeout_ns == 0 && is_glance(kernel, first, count)) {
        return look_at_entries(&entries);
    }
    return ptk_sim_kernel_await(kernel, &(ptk_sim_wait_t) {.polls = true}, timeout_ns, look_at_entries,
                                &entries);
}
