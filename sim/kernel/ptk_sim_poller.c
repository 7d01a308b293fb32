/* SPDX-License-Identifier: MIT */
/*
 * epoll and poll of a simulated host.
 *
 * A registration belongs to an epoll, a description and the descriptor that it was made with; it ends with
 * the epoll or the description, not with the descriptor. It enters the ready list when an event of its
 * interest occurs; whether there is still something to report is found when a batch is collected, as Linux
 * does. After a report, a level-triggered one goes to the end of the ready list, an edge-triggered one leaves
 * it until another event, and a one-shot one reports nothing until it is modified.
 *
 * The oracle may cut a batch short, change its order, end a wait early or interrupt it, and report readiness
 * that does not hold.
 */
#include "sim/kernel/ptk_sim_watch.h"

#include "sim/kernel/ptk_sim_memory.h"
#include "sim/kernel/ptk_sim_site.h"
#include <errno.h>

/* Polls that find something at one time, after which the driver gets control. */
#define BUSY_POLLS_IN_A_ROW 64

/* Waits of a crashed host after which it is regarded as not ending. */
#define UNWINDING_WAITS_MAX 100000
#define UNWINDING_POLL_NS   100000

/* --- registrations --- */

/* Returns the registration of a description under a descriptor, or NULL. */
static ptk_sim_registration_t *epoll_find_registration(const ptk_sim_file_t *epoll,
                                                       const ptk_sim_file_t *file, ptk_os_handle_t handle) {
    for (ptk_list_node_t *node = ptk_list_first(&file->watchers); node;
         node = ptk_list_next(&file->watchers, node)) {
        ptk_sim_registration_t *registration = ptk_container_of(node, ptk_sim_registration_t, of_file);
        if (registration->epoll == epoll && registration->handle == handle) {
            return registration;
        }
    }
    return NULL;
}

/* Marks a new or modified registration if its description is ready already. */
static void epoll_check_ready(ptk_sim_registration_t *registration) {
    if (ptk_sim_file_ready(registration->file) & ptk_sim_registration_interest(registration)) {
        ptk_sim_registration_mark_ready(registration);
    }
}

/* EPOLL_CTL_ADD. The oracle may refuse it with -ENOSPC. */
static int epoll_add(ptk_sim_file_t *epoll, ptk_sim_file_t *file, ptk_os_handle_t handle,
                     const struct epoll_event *event) {
    if (epoll_find_registration(epoll, file, handle)) {
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
    epoll_check_ready(registration);
    return 0;
}

/* EPOLL_CTL_MOD; also arms a one-shot registration again. */
static int epoll_modify(ptk_sim_registration_t *registration, const struct epoll_event *event) {
    registration->events = event->events;
    registration->data = event->data;
    epoll_check_ready(registration);
    return 0;
}

/* The order of the checks is Linux's. EPOLL_CTL_DEL and an unknown operation both remove the registration;
   the latter returns -EINVAL. */
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
        return epoll_add(epoll, file, handle, event);
    }
    ptk_sim_registration_t *registration = epoll_find_registration(epoll, file, handle);
    if (!registration) {
        return -ENOENT;
    }
    if (operation == EPOLL_CTL_MOD) {
        return epoll_modify(registration, event);
    }
    ptk_sim_registration_free(registration);
    return operation == EPOLL_CTL_DEL ? 0 : -EINVAL;
}

/* --- a batch --- */

/* Returns the marked registration that is reported next: the oldest, unless the oracle decides otherwise. */
static ptk_sim_registration_t *epoll_pick_ready(ptk_sim_file_t *epoll, uint32_t count) {
    uint32_t index = ptk_choice(PTK_SIM_SITE_READY_ORDER, count);
    ptk_list_node_t *node = ptk_list_first(&epoll->u.epoll.ready);
    while (index-- > 0) {
        node = ptk_list_next(&epoll->u.epoll.ready, node);
    }
    return ptk_container_of(node, ptk_sim_registration_t, ready);
}

/* Level-triggered registrations stay, at the end; edge-triggered and one-shot ones leave the list. */
static void epoll_after_report(ptk_sim_registration_t *registration) {
    ptk_sim_registration_unlink_ready(registration);
    if (registration->events & EPOLLONESHOT) {
        registration->events &= PTK_SIM_PRIVATE_BITS;
    } else if (!(registration->events & EPOLLET)) {
        ptk_sim_registration_link_ready(registration);
    }
}

/* Returns the events that are reported of a registration: those that are ready, none, or ones that the
   oracle makes up. A program that treats a report as a hint, and tries, passes with all three. */
static uint32_t epoll_reported_bits(const ptk_sim_registration_t *registration) {
    uint32_t ready = ptk_sim_file_ready(registration->file) & ptk_sim_registration_interest(registration);
    if (ready == 0 && ptk_sim_registration_interest(registration) != 0 &&
        ptk_choice(PTK_SIM_SITE_SPURIOUS, 2) != 0) {
        return ptk_sim_registration_interest(registration) & (uint32_t) (EPOLLIN | EPOLLOUT);
    }
    return ready;
}

/* Fills `events` from the ready list; removes what has nothing to report. Returns how many. The oracle may
 * cut the batch short, but not to nothing: the caller would wait while something is ready. */
static int epoll_collect(ptk_sim_file_t *epoll, struct epoll_event *events, int capacity) {
    int count = 0;
    uint32_t left = epoll->u.epoll.ready_count;
    uint32_t fewer = left > 1 ? ptk_choice(PTK_SIM_SITE_BATCH, left) : 0;
    for (; left > (count > 0 ? fewer : 0) && count < capacity; left--) {
        ptk_sim_registration_t *registration = epoll_pick_ready(epoll, left);
        uint32_t ready = epoll_reported_bits(registration);
        if (ready == 0) {
            ptk_sim_registration_unlink_ready(registration);
            continue;
        }
        events[count].events = ready;
        events[count].data = registration->data;
        count++;
        epoll_after_report(registration);
    }
    return count;
}

/* --- waiting --- */

/* A wait of a crashed host takes no time: its clock jumps to the end of the wait, and a little in a poll, so
   that the deadline of a shield ends what goes on without a wait. The driver gets control each time, since
   the program may have made a loop after the crash, which must be stopped too. */
static int pass_while_unwinding(ptk_sim_kernel_t *kernel, int64_t timeout_ns) {
    if (timeout_ns >= 0) {
        kernel->clock_offset_ns += timeout_ns > 0 ? timeout_ns : UNWINDING_POLL_NS;
    }
    if (timeout_ns != 0) {
        kernel->suspend(kernel, UINT64_MAX);
    }
    ptk_assert(++kernel->unwinding_waits < UNWINDING_WAITS_MAX && "a crashed host does not end");
    return 0;
}

/* Returns when a wait ends by the host's own clock, which may change its rate meanwhile. */
static uint64_t wait_end_ns(const ptk_sim_kernel_t *kernel, int64_t timeout_ns) {
    return timeout_ns < 0 ? UINT64_MAX : ptk_sim_kernel_now_ns(kernel) + (uint64_t) timeout_ns;
}

/* Converts a time of the host's clock to the world's, at the present rate. */
static uint64_t wait_world_ns(const ptk_sim_kernel_t *kernel, uint64_t own_ns) {
    uint64_t now_ns = ptk_sim_kernel_now_ns(kernel);
    if (own_ns == UINT64_MAX) {
        return UINT64_MAX;
    }
    return kernel->net->events.now_ns +
           (own_ns > now_ns ? ptk_sim_kernel_world_ns(kernel, own_ns - now_ns) : 0);
}

/* Gives control to the driver until the kernel is woken or the time has come. */
static void kernel_suspend_until(ptk_sim_kernel_t *kernel, const ptk_sim_wait_t *wait, uint64_t until_ns) {
    kernel->wait = *wait;
    kernel->waiting = true;
    kernel->suspend(kernel, until_ns);
    kernel->waiting = false;
}

/* Decides whether a wait ends before it starts: -EINTR; 1: early, without an event; 0: no. */
static int wait_disturbance(void) {
    if (ptk_choice(PTK_SIM_SITE_EINTR, 2) != 0) {
        return -EINTR;
    }
    return ptk_choice(PTK_SIM_SITE_EARLY, 2) != 0;
}

/* Nothing is ready: waits for a change or the end of the wait. Returns 0: poll again; 1: the wait is over;
   or -EINTR. */
static int wait_once(ptk_sim_kernel_t *kernel, const ptk_sim_wait_t *wait, uint64_t until_ns) {
    if (ptk_sim_kernel_now_ns(kernel) >= until_ns) {
        return 1;
    }
    int disturbed = wait_disturbance();
    if (disturbed == 0) {
        kernel_suspend_until(kernel, wait, wait_world_ns(kernel, until_ns));
    }
    return disturbed;
}

/* A poll that found nothing takes `empty_poll_ns`, in which other hosts execute. */
static void wait_after_empty_poll(ptk_sim_kernel_t *kernel) {
    kernel_suspend_until(kernel, &(ptk_sim_wait_t) {0}, kernel->net->events.now_ns + kernel->empty_poll_ns);
}

/* A poll that finds something takes no time. A host that polls so in a row returns control to the driver
   now and then, so that a livelock is found. */
static void count_busy_poll(ptk_sim_kernel_t *kernel) {
    uint64_t now_ns = kernel->net->events.now_ns;
    kernel->busy_polls = kernel->busy_polls_ns == now_ns ? kernel->busy_polls + 1 : 1;
    kernel->busy_polls_ns = now_ns;
    if (kernel->busy_polls % BUSY_POLLS_IN_A_ROW == 0 && !kernel->crashed) {
        kernel_suspend_until(kernel, &(ptk_sim_wait_t) {0}, now_ns);
    }
}

/* States of one wait: poll; if nothing was found, suspend until a change or the end, and poll again. The
   loop also polls after the end, since something may have become ready at that very time. */
int ptk_sim_kernel_await(ptk_sim_kernel_t *kernel, const ptk_sim_wait_t *wait, int64_t timeout_ns,
                         int (*poll)(void *context), void *context) {
    uint64_t until_ns = wait_end_ns(kernel, timeout_ns);
    for (;;) {
        int found = poll(context);
        if (found != 0) {
            count_busy_poll(kernel);
            return found;
        }
        if (kernel->crashed) {
            return pass_while_unwinding(kernel, timeout_ns);
        }
        if (timeout_ns == 0) {
            wait_after_empty_poll(kernel);
            return poll(context);
        }
        int over = wait_once(kernel, wait, until_ns);
        if (over != 0) {
            return over < 0 ? over : 0;
        }
    }
}

/* The arguments of epoll_wait. */
typedef struct epoll_batch {
    ptk_sim_file_t *epoll;
    struct epoll_event *events;
    int capacity;
} epoll_batch_t;

/* The `poll` function of epoll_wait. */
static int epoll_collect_batch(void *context) {
    const epoll_batch_t *epoll_batch = context;
    return epoll_collect(epoll_batch->epoll, epoll_batch->events, epoll_batch->capacity);
}

/* The batch is collected at the time of each poll, not at the time of the event. */
int ptk_sim_epoll_wait(ptk_sim_kernel_t *kernel, ptk_os_handle_t handle, struct epoll_event *events,
                       int capacity, int64_t timeout_ns) {
    ptk_sim_file_t *epoll = ptk_sim_file_find(kernel, handle);
    if (!epoll || epoll->kind != PTK_SIM_FILE_EPOLL || capacity <= 0) {
        return epoll ? -EINVAL : -EBADF;
    }
    epoll_batch_t epoll_batch = {epoll, events, capacity};
    return ptk_sim_kernel_await(kernel, &(ptk_sim_wait_t) {.epoll = epoll}, timeout_ns, epoll_collect_batch,
                                &epoll_batch);
}

/* --- poll --- */

/* The arguments of poll. */
typedef struct poll_set {
    ptk_sim_kernel_t *kernel;
    struct pollfd *first;
    size_t count;
} poll_set_t;

/* Returns revents of one entry; `spurious`: it is reported although it is not ready. */
static uint32_t poll_entry_ready_bits(const struct pollfd *entry, const ptk_sim_file_t *file, bool spurious) {
    uint32_t asked = (uint32_t) (uint16_t) entry->events | POLLERR | POLLHUP;
    uint32_t ready = file ? ptk_sim_file_ready(file) & asked : POLLNVAL;
    return ready == 0 && spurious ? asked & (POLLIN | POLLOUT) : ready;
}

/* Fills revents of all entries and returns how many are not 0. At most one is reported although it is not
   ready: if each could be, a poll of many would always find something, and time would stand still. */
static int poll_scan_entries(void *context) {
    const poll_set_t *poll_set = context;
    int found = 0;
    uint32_t count = (uint32_t) poll_set->count;
    uint32_t spurious = count ? ptk_choice(PTK_SIM_SITE_SPURIOUS, count + 1) : 0;
    for (uint32_t i = 0; i < count; i++) {
        struct pollfd *entry = &poll_set->first[i];
        entry->revents = 0;
        if (entry->fd >= 0) {
            const ptk_sim_file_t *file = ptk_sim_file_find(poll_set->kernel, entry->fd);
            entry->revents = (short) poll_entry_ready_bits(entry, file, i + 1 == spurious);
            found += entry->revents != 0;
        }
    }
    return found;
}

/* Returns whether this is a check of one descriptor before a system call. The poll of a loop always
   contains the loop's wake. */
static bool poll_is_single_check(ptk_sim_kernel_t *kernel, const struct pollfd *poll_set, size_t count) {
    const ptk_sim_file_t *file = count == 1 ? ptk_sim_file_find(kernel, poll_set[0].fd) : NULL;
    return count == 1 && !(file && file->kind == PTK_SIM_FILE_WAKE);
}

/* A single check with timeout 0 takes no time; any other poll with timeout 0 that finds nothing does. */
int ptk_sim_poll(ptk_sim_kernel_t *kernel, struct pollfd *first, size_t count, int64_t timeout_ns) {
    poll_set_t poll_set = {kernel, first, count};
    if (timeout_ns == 0 && poll_is_single_check(kernel, first, count)) {
        return poll_scan_entries(&poll_set);
    }
    return ptk_sim_kernel_await(kernel, &(ptk_sim_wait_t) {.polls = true}, timeout_ns, poll_scan_entries,
                                &poll_set);
}
