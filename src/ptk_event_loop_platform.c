/* SPDX-License-Identifier: MIT */
/*
 * Creating and destroying the loop of a thread (layer 2).
 *
 * A thread has at most one live loop, and the thread block points at it: that pointer is the whole of
 * ownership. `object->loop == ptk_thread()->loop` is the owner check of every public call. A fork leaves the
 * child with a cleared pointer and a mark, so the child's use of the parent's objects is refused without
 * looking into them.
 *
 * The loop knows nothing of green threads: the scheduler hangs itself on as the attachment, and its `detach`
 * is asked first when the loop is destroyed.
 */
#include "platform/ptk_platform.h"

#include "base/ptk_loop_tag.h"
#include "base/ptk_memory.h"
#include "base/ptk_report.h"
#include "context/ptk_overflow.h"
#include <errno.h>
#include <string.h>

static const ptk_platform_ops_t *const platforms[] = {&ptk_platform_epoll, &ptk_platform_poll};

#define PLATFORM_COUNT             (sizeof(platforms) / sizeof(platforms[0]))
#define DESTROY_TIMEOUT_DEFAULT_MS 5000

ptk_err ptk_options_copy(void *copy_out, size_t known_bytes, const void *options) {
    uint32_t given_bytes;
    memcpy(&given_bytes, options, sizeof given_bytes);
    if (given_bytes < sizeof given_bytes) {
        return PTK_ERR_INVALID_PARAM;
    }
    for (size_t i = known_bytes; i < given_bytes; i++) {
        if (((const unsigned char *) options)[i] != 0) {
            return PTK_ERR_INVALID_PARAM;
        }
    }
    memset(copy_out, 0, known_bytes);
    memcpy(copy_out, options, given_bytes < known_bytes ? given_bytes : known_bytes);
    return PTK_OK;
}

ptk_err ptk_loop_refusal(void) {
    return ptk_thread()->forked ? PTK_ERR_FORKED : PTK_ERR_WRONG_THREAD;
}

ptk_err ptk_loop_resolve(ptk_event_loop_platform_t *loop, ptk_event_loop_platform_t **loop_out) {
    const ptk_thread_block_t *block = ptk_thread();
    if (!loop && !block->loop) {
        return block->forked ? PTK_ERR_FORKED : PTK_ERR_NO_LOOP;
    }
    if (loop && loop != block->loop) {
        return ptk_loop_refusal();
    }
    *loop_out = block->loop;
    return PTK_OK;
}

/* The child of a fork has the thread that forked and no other; its loop shares kernel objects with the
 * parent's. */
static void poison_after_fork(void) {
    ptk_thread_block_t *block = ptk_thread();
    block->forked = block->forked || block->loop != NULL;
    block->loop = NULL;
    block->loop_tag = PTK_LOOP_TAG_NONE;
    block->scheduler = NULL;
    block->errors = NULL;
    block->locate = NULL;
}

static void register_fork_handler(void) {
    static atomic_bool registered;
    if (!atomic_exchange(&registered, true) && ptk_sys_real.at_fork_child(poison_after_fork) != 0) {
        atomic_store(&registered, false);
        ptk_log(PTK_LOG_WARNING, "cannot register for forks; do not use a loop in a forked child");
    }
}

static const ptk_platform_ops_t *find_platform(const char *name) {
    for (size_t i = 0; i < PLATFORM_COUNT; i++) {
        if (strcmp(platforms[i]->name, name) == 0) {
            return platforms[i];
        }
    }
    return NULL;
}

static void free_loop(ptk_event_loop_platform_t *loop) {
    ptk_inbox_close(loop->inbox);
    ptk_inbox_unref(loop->inbox);
    ptk_free(loop);
}

/* A loop on one platform; NULL with the reason set. */
static ptk_event_loop_platform_t *open_loop(const ptk_platform_ops_t *ops) {
    ptk_event_loop_platform_t *loop = ptk_allocate_zeroed(ops->loop_bytes);
    int os_err = ENOMEM;
    if (!loop) {
        goto no_loop;
    }
    loop->ops = ops;
    loop->inbox = ptk_inbox_create(&os_err);
    if (!loop->inbox) {
        goto no_inbox;
    }
    os_err = -ops->open(loop);
    if (os_err == 0) {
        return loop;
    }
    free_loop(loop);
    goto no_loop;
no_inbox:
    ptk_free(loop);
no_loop:
    ptk_fail_os(os_err == ENOSYS ? PTK_ERR_NOT_SUPPORTED : PTK_ERR_NO_RESOURCES, os_err);
    return NULL;
}

static ptk_event_loop_platform_t *open_best_loop(void) {
    for (size_t i = 0; i < PLATFORM_COUNT; i++) {
        ptk_event_loop_platform_t *loop = open_loop(platforms[i]);
        if (loop || ptk_get_err() != PTK_ERR_NOT_SUPPORTED) {
            return loop;
        }
    }
    return NULL;
}

static ptk_event_loop_platform_t *open_chosen_loop(const char *option) {
    if (ptk_thread()->platform) {
        return open_loop(ptk_thread()->platform);
    }
    const char *name = option ? option : ptk_sys()->environment("PTK_PLATFORM");
    if (!name || name[0] == '\0') {
        return open_best_loop();
    }
    const ptk_platform_ops_t *ops = find_platform(name);
    if (!ops) {
        ptk_fail(PTK_ERR_INVALID_PARAM);
        return NULL;
    }
    return open_loop(ops);
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
    ptk_event_loop_platform_t *loop = open_chosen_loop(copy.platform);
    if (!loop) {
        return NULL;
    }
    loop->tag = ptk_loop_tag_take(&loop->first_generation);
    if (loop->tag == PTK_LOOP_TAG_NONE) {
        loop->ops->shut(loop);
        free_loop(loop);
        ptk_fail(PTK_ERR_NO_RESOURCES);
        return NULL;
    }
    loop->last_generation = loop->first_generation;
    register_fork_handler();
    loop->options = copy;
    loop->options.platform = loop->ops->name;
    if (loop->options.destroy_timeout_ms == 0) {
        loop->options.destroy_timeout_ms = DESTROY_TIMEOUT_DEFAULT_MS;
    }
    loop->overflow_cookie = ptk_overflow_enter();
    ptk_thread()->loop = loop;
    ptk_thread()->loop_tag = loop->tag;
    return loop;
}

ptk_event_loop_platform_t *ptk_event_loop_platform_create(void) {
    return ptk_event_loop_platform_create_with(NULL);
}

ptk_err ptk_event_loop_platform_destroy(ptk_event_loop_platform_t *loop) {
    if (!loop) {
        return PTK_OK;
    }
    if (!ptk_loop_is_mine(loop)) {
        return ptk_fail(ptk_loop_refusal());
    }
    if (loop->attachment.detach) {
        ptk_err err = loop->attachment.detach(loop);
        if (err != PTK_OK) {
            return ptk_fail(err);
        }
    }
    loop->ops->shut(loop);
    ptk_overflow_leave(loop->overflow_cookie);
    ptk_thread()->loop = NULL;
    ptk_thread()->loop_tag = PTK_LOOP_TAG_NONE;
    ptk_loop_tag_free(loop->tag, loop->last_generation);
    free_loop(loop);
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

/* The platform's own descriptor, with the attachment told that somebody outside watches it now. */
static ptk_err expose(ptk_event_loop_platform_t *loop, ptk_os_handle_t *handle_out) {
    if (!loop->ops->expose) {
        return ptk_fail(PTK_ERR_NOT_SUPPORTED);
    }
    int os_err = -loop->ops->expose(loop, handle_out);
    if (os_err != 0) {
        return ptk_fail_errno(os_err);
    }
    loop->is_exposed = true;
    if (loop->attachment.exposed) {
        loop->attachment.exposed(loop);
    }
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
    return expose(mine, &handle) == PTK_OK ? handle : PTK_OS_HANDLE_NONE;
}
