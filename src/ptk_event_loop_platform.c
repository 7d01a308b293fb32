/* SPDX-License-Identifier: MIT */
/*
 * Creating and destroying the loop of a thread (layer 2).
 *
 * A thread has at most one live loop. The thread block points at it and holds its tag, which is part of every
 * token of the loop's sockets, waitables and handles: the lookup of a token is the owner check of the calls
 * on them. A call on a loop compares the loop with that pointer. In the child of a fork pointer and tag are
 * cleared and a mark is set, so that the child's use of the parent's objects is refused without reading them.
 *
 * A loop holds no green threads itself: the scheduler registers as the attachment, and its `detach` is called
 * first when the loop is destroyed.
 */
#include "platform/ptk_event_loop_platform_impl.h"

#include "base/ptk_log_impl.h"
#include "base/ptk_loop_tag.h"
#include "base/ptk_memory.h"
#include "base/ptk_options.h"
#include "context/ptk_overflow.h"
#include "platform/ptk_event_loop_platform_epoll.h"
#include "platform/ptk_event_loop_platform_poll.h"
#include <errno.h>
#include <string.h>

/* All platforms, best first. */
static const ptk_platform_ops_t *const loop_platforms[] = {&ptk_platform_epoll, &ptk_platform_poll};

#define LOOP_PLATFORM_COUNT             (sizeof(loop_platforms) / sizeof(loop_platforms[0]))
#define LOOP_DESTROY_TIMEOUT_DEFAULT_MS 5000

/* Returns the reason why a loop is not the calling thread's. */
static ptk_err loop_refusal(void) {
    return ptk_thread()->forked ? PTK_ERR_FORKED : PTK_ERR_WRONG_THREAD;
}

/* The pointer that the caller passed is compared and never dereferenced: it may be stale, or belong to
 * another thread. */
ptk_err ptk_loop_resolve(ptk_event_loop_platform_t *loop, ptk_event_loop_platform_t **loop_out) {
    const ptk_thread_block_t *block = ptk_thread();
    if (!loop && !block->loop) {
        return block->forked ? PTK_ERR_FORKED : PTK_ERR_NO_LOOP;
    }
    if (loop && loop != block->loop) {
        return loop_refusal();
    }
    *loop_out = block->loop;
    return PTK_OK;
}

/* Loops of this process. */
static atomic_uint loops_living;

/* Runs in the child of a fork, on the only thread that it has. A loop in its block is the parent's: it shares
 * the poller and the sockets with the parent, so the child must not use it. A child often redirects standard
 * error before its next step, so what the parent's was no longer counts. */
static void loop_poison_after_fork(void) {
    atomic_store(&loops_living, 0);
    ptk_sys_real.error_forget();
    ptk_thread_block_t *block = ptk_thread();
    block->forked = block->forked || block->loop != NULL;
    block->inherited = block->loop ? block->loop : block->inherited;
    block->loop = NULL;
    block->loop_tag = PTK_LOOP_TAG_NONE;
    block->scheduler = NULL;
    block->locate = NULL;
}

/* Registers the fork handler once per process. A failure is tried again with the next loop. */
static void loop_watch_forks(void) {
    static atomic_bool registered;
    if (!atomic_exchange(&registered, true) && ptk_sys_real.at_fork_child(loop_poison_after_fork) != 0) {
        atomic_store(&registered, false);
        ptk_log(PTK_LOG_WARNING, "cannot register a fork handler; do not use a loop in a forked child");
    }
}

/* Returns the platform of that name, NULL if there is none. */
static const ptk_platform_ops_t *loop_find_platform(const char *name) {
    for (size_t i = 0; i < LOOP_PLATFORM_COUNT; i++) {
        if (strcmp(loop_platforms[i]->name, name) == 0) {
            return loop_platforms[i];
        }
    }
    return NULL;
}

/* Producers that still hold a reference find the inbox closed. */
static void loop_free(ptk_event_loop_platform_t *loop) {
    ptk_inbox_close(loop->inbox);
    ptk_inbox_unref(loop->inbox);
    ptk_free(loop);
}

/* Returns an open loop on one platform, NULL with the reason recorded. */
static ptk_event_loop_platform_t *loop_open(const ptk_platform_ops_t *ops) {
    ptk_event_loop_platform_t *loop = ptk_allocate_zeroed(ops->loop_bytes);
    int os_err = ENOMEM;
    if (!loop) {
        goto no_loop;
    }
    ptk_assert(ops->loop_bytes >= sizeof *loop);
    loop->ops = ops;
    loop->inbox = ptk_inbox_create(&os_err);
    if (!loop->inbox) {
        goto no_inbox;
    }
    os_err = -ops->open(loop);
    if (os_err == 0) {
        return loop;
    }
    loop_free(loop);
    goto no_loop;
no_inbox:
    ptk_free(loop);
no_loop:
    ptk_fail_os(ptk_sys_is_denied(-os_err) ? PTK_ERR_NOT_SUPPORTED : PTK_ERR_NO_RESOURCES, os_err);
    return NULL;
}

/* Returns a loop on the first platform that works here. A lack of resources is not passed over: the next
 * platform would only hide it. */
static ptk_event_loop_platform_t *loop_open_best(void) {
    for (size_t i = 0; i < LOOP_PLATFORM_COUNT; i++) {
        ptk_event_loop_platform_t *loop = loop_open(loop_platforms[i]);
        if (loop || ptk_get_err() != PTK_ERR_NOT_SUPPORTED) {
            return loop;
        }
    }
    return NULL;
}

/* Returns a loop on the platform that the thread block, the option or $PTK_PLATFORM names, in this order;
 * else on the best one. */
static ptk_event_loop_platform_t *loop_open_chosen(const char *option) {
    if (ptk_thread()->platform) {
        return loop_open(ptk_thread()->platform);
    }
    const char *name = option ? option : ptk_sys()->environment("PTK_PLATFORM");
    if (!name || name[0] == '\0') {
        return loop_open_best();
    }
    const ptk_platform_ops_t *ops = loop_find_platform(name);
    if (!ops) {
        ptk_fail(PTK_ERR_INVALID_PARAM);
        return NULL;
    }
    return loop_open(ops);
}

static void loop_thread_ends(void *argument);

/* A failure leaves the loop usable, so it is only logged. */
static void loop_watch_thread(ptk_event_loop_platform_t *loop) {
    int result = ptk_sys()->at_thread_exit(loop_thread_ends, loop);
    if (result != 0) {
        ptk_log(PTK_LOG_WARNING,
                "the end of this thread will not be noticed (errno %d): destroy its loop before", -result);
    }
}

/* Returns whether the environment wants reports of what is left behind. */
static bool loop_environment_reports_leaks(void) {
    const char *value = ptk_sys()->environment("PTK_REPORT_LEAKS");
    return value && value[0] != '\0' && strcmp(value, "0") != 0;
}

/* Returns the watchdog's time: that of $PTK_WATCHDOG_MS if it is a number, so that a running program's
 * operator decides, else the option's. */
static uint32_t loop_watchdog_ms(uint32_t option_ms) {
    const char *text = ptk_sys()->environment("PTK_WATCHDOG_MS");
    uint64_t ms = 0;
    if (!text || text[0] == '\0') {
        return option_ms;
    }
    for (const char *digit = text; *digit; digit++) {
        if (*digit < '0' || *digit > '9' || ms > UINT32_MAX) {
            ptk_log(PTK_LOG_WARNING, "PTK_WATCHDOG_MS is no number of milliseconds: \"%s\"", text);
            return option_ms;
        }
        ms = ms * 10 + (uint64_t) (*digit - '0');
    }
    return ms < UINT32_MAX ? (uint32_t) ms : UINT32_MAX;
}

/* Callers use the macro of the same name, which fills in struct_size. */
#undef ptk_event_loop_platform_create_with
ptk_event_loop_platform_t *
ptk_event_loop_platform_create_with(const ptk_event_loop_platform_options_t *options) {
    ptk_event_loop_platform_options_t copy = PTK_EVENT_LOOP_PLATFORM_OPTIONS_INIT;
    if (options && ptk_options_copy(&copy, sizeof copy, options) != PTK_OK) {
        ptk_fail(PTK_ERR_INVALID_PARAM);
        return NULL;
    }
    if (ptk_thread()->loop) {
        ptk_fail(PTK_ERR_BUSY);
        return NULL;
    }
    ptk_event_loop_platform_t *loop = loop_open_chosen(copy.platform);
    ptk_log_denied();
    if (!loop) {
        return NULL;
    }
    loop->tag = ptk_loop_tag_alloc(&loop->first_generation);
    if (loop->tag == PTK_LOOP_TAG_NONE) {
        loop->ops->close(loop);
        loop_free(loop);
        ptk_fail(PTK_ERR_NO_RESOURCES);
        return NULL;
    }
    loop->last_generation = loop->first_generation;
    loop_watch_forks();
    loop->options = copy;
    loop->options.platform = loop->ops->name;
    loop->options.report_leaks = copy.report_leaks != 0 || loop_environment_reports_leaks();
    loop->options.watchdog_ms = loop_watchdog_ms(copy.watchdog_ms);
    if (loop->options.destroy_timeout_ms == 0) {
        loop->options.destroy_timeout_ms = LOOP_DESTROY_TIMEOUT_DEFAULT_MS;
    }
    ptk_assert(!ptk_thread()->loop && !loop->attachment.data);
    ptk_overflow_thread_init(&loop->overflow);
    ptk_thread()->loop = loop;
    ptk_thread()->loop_tag = loop->tag;
    if (atomic_fetch_add(&loops_living, 1) == 0) {
        ptk_sys()->error_adopt();
    }
    loop_watch_thread(loop);
    return loop;
}

ptk_event_loop_platform_t *ptk_event_loop_platform_create(void) {
    return ptk_event_loop_platform_create_with(NULL);
}

/* Closes the platform and ends the ownership. The block's pointer is cleared before the memory is freed, so
 * that no owner check can match it any more. */
static void loop_end(ptk_event_loop_platform_t *loop) {
    ptk_assert(ptk_thread()->loop == loop);
    loop->ops->close(loop);
    (void) ptk_sys()->at_thread_exit(loop_thread_ends, NULL);
    ptk_overflow_thread_fini(&loop->overflow);
    ptk_thread()->loop = NULL;
    ptk_thread()->loop_tag = PTK_LOOP_TAG_NONE;
    atomic_fetch_sub(&loops_living, 1);
    ptk_loop_tag_free(loop->tag, loop->last_generation);
}

/* Ends a loop whose green threads never run again. Returns false if there are any: the memory then stays. */
static bool loop_abandon(ptk_event_loop_platform_t *loop) {
    bool is_free = !loop->attachment.data || loop->attachment.abandon(loop);
    loop_end(loop);
    ptk_inbox_close(loop->inbox);
    ptk_inbox_unref(loop->inbox);
    if (is_free) {
        ptk_free(loop);
    }
    return is_free;
}

/* Runs at the end of a thread that has not destroyed its loop. After pthread_exit in a green thread, the
 * stack in use is the thread's own again. */
static void loop_thread_ends(void *argument) {
    ptk_event_loop_platform_t *loop = argument;
    if (ptk_thread()->loop == loop) {
        bool is_free = loop_abandon(loop);
        ptk_log(PTK_LOG_ERROR, "a thread ended without destroying its loop: its sockets are closed%s",
                is_free ? "" : ", its green threads never run again");
    }
}

/* Destroys the parent's loop in a forked child, which may have a loop of its own. The inherited one is in the
 * block meanwhile, because its objects are found through it; the inbox counts as kicked, because its wake is
 * the parent's too. */
static void loop_destroy_inherited(ptk_event_loop_platform_t *loop) {
    ptk_thread_block_t *block = ptk_thread();
    const ptk_thread_block_t own = *block;
    block->inherited = NULL;
    block->loop = loop;
    block->loop_tag = loop->tag;
    block->scheduler = loop->attachment.data;
    block->locate = NULL;
    loop->ops->disown(loop);
    ptk_inbox_end_sleep(loop->inbox);
    if (own.loop) {
        loop->overflow = (ptk_overflow_thread_t) {0}; /* its signal stack serves the child's loop now */
    }
    atomic_fetch_add(&loops_living, 1);
    (void) loop_abandon(loop);
    block->loop = own.loop;
    block->loop_tag = own.loop_tag;
    block->scheduler = own.scheduler;
    block->locate = own.locate;
    (void) ptk_sys()->at_thread_exit(loop_thread_ends, own.loop);
}

/* The scheduler is detached first: it drains its green threads, which still need the platform. */
ptk_err ptk_event_loop_platform_destroy(ptk_event_loop_platform_t *loop) {
    if (!loop) {
        return PTK_OK;
    }
    if (loop == ptk_thread()->inherited) {
        loop_destroy_inherited(loop);
        return PTK_OK;
    }
    if (!ptk_loop_is_mine(loop)) {
        return ptk_fail(loop_refusal());
    }
    if (loop->attachment.detach) {
        ptk_err err = loop->attachment.detach(loop);
        if (err != PTK_OK) {
            return ptk_fail(err);
        }
    }
    loop_end(loop);
    loop_free(loop);
    return PTK_OK;
}

ptk_event_loop_platform_t *ptk_event_loop_platform_current(void) {
    return ptk_thread()->loop;
}

const char *ptk_event_loop_platform_name(const ptk_event_loop_platform_t *loop) {
    ptk_event_loop_platform_t *mine = NULL;
    /* resolve compares the pointer and does not write through it */
    ptk_err err = ptk_loop_resolve((ptk_event_loop_platform_t *) (uintptr_t) loop, &mine);
    if (err != PTK_OK) {
        ptk_fail(err);
        return NULL;
    }
    return mine->ops->name;
}

/* Notifies the attachment that another loop waits for this one. */
static void loop_set_exposed(ptk_event_loop_platform_t *loop) {
    loop->is_exposed = true;
    if (loop->attachment.exposed) {
        loop->attachment.exposed(loop);
    }
}

/* Writes the platform's own descriptor, which is lent out now, to *handle_out. */
static ptk_err loop_expose(ptk_event_loop_platform_t *loop, ptk_os_handle_t *handle_out) {
    if (!loop->ops->expose) {
        return ptk_fail(PTK_ERR_NOT_SUPPORTED);
    }
    int os_err = -loop->ops->expose(loop, handle_out);
    if (os_err != 0) {
        return ptk_fail_errno(os_err);
    }
    ptk_assert(*handle_out != PTK_OS_HANDLE_NONE);
    loop_set_exposed(loop);
    return PTK_OK;
}

ptk_os_handle_t ptk_event_loop_platform_fd(ptk_event_loop_platform_t *loop) {
    ptk_event_loop_platform_t *mine = NULL;
    ptk_os_handle_t handle = PTK_OS_HANDLE_NONE;
    ptk_err err = ptk_loop_resolve(loop, &mine);
    if (err != PTK_OK) {
        ptk_fail(err);
        return PTK_OS_HANDLE_NONE;
    }
    return loop_expose(mine, &handle) == PTK_OK ? handle : PTK_OS_HANDLE_NONE;
}

/* The set of a platform that has a descriptor of its own is that descriptor. */
static ptk_err loop_expose_as_set(ptk_event_loop_platform_t *loop, ptk_poll_entry_t *entries, size_t capacity,
                                  size_t *count_out) {
    ptk_os_handle_t handle = PTK_OS_HANDLE_NONE;
    ptk_err err = loop_expose(loop, &handle);
    if (err != PTK_OK) {
        return err;
    }
    *count_out = 1;
    if (capacity > 0) {
        entries[0] = (ptk_poll_entry_t) {handle, PTK_READY_READ};
    }
    return PTK_OK;
}

ptk_err ptk_event_loop_platform_poll_set(ptk_event_loop_platform_t *loop, ptk_poll_entry_t *entries,
                                         size_t capacity, size_t *count_out) {
    ptk_event_loop_platform_t *mine = NULL;
    if (!count_out || (!entries && capacity > 0)) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    *count_out = 0;
    ptk_err err = ptk_loop_resolve(loop, &mine);
    if (err != PTK_OK) {
        return ptk_fail(err);
    }
    if (mine->ops->expose) {
        err = loop_expose_as_set(mine, entries, capacity, count_out);
    } else {
        *count_out = mine->ops->poll_set(mine, entries, capacity);
        loop_set_exposed(mine);
    }
    if (err == PTK_OK && *count_out > capacity) {
        return ptk_fail(PTK_ERR_NO_RESOURCES);
    }
    return err;
}
