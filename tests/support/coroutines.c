/* SPDX-License-Identifier: MIT */
#include "coroutines.h"

#include "base/ptk_queue.h"
#include "context/ptk_context.h"
#include <ptk_test.h>

#include <stdlib.h>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(start, end) 0u
#define VALGRIND_STACK_DEREGISTER(id)       ((void) (id))
#endif

#if PTK_TEST_TSAN || PTK_TEST_ASAN
#define CORO_STACK_BYTES (256 * 1024)
#else
#define CORO_STACK_BYTES (64 * 1024)
#endif

struct coro {
    ptk_context_t context;
    ptk_queue_node_t link; /* while runnable: in the run queue */
    bool runnable;
    bool canceled;
    bool ended;
    bool freed_at_end;
    void (*fn)(void *arg);
    void *arg;
    void *data[4];
    char *stack;
    unsigned valgrind_id;
};

/* The thread's own stack is the coroutine `root`, which is in the run queue while it waits inside coro_go. */
static _Thread_local struct {
    coro_t root;
    coro_t *running; /* NULL: root, before the first switch */
    ptk_queue_t queue;
    coro_t *dead; /* ended, to be freed on another stack; or NULL */
} library;

static coro_t *running(void) {
    if (!library.running) {
        library.running = &library.root;
    }
    return library.running;
}

static void append(coro_t *coro) {
    CHECK(!coro->runnable && !coro->ended);
    coro->runnable = true;
    ptk_queue_push(&library.queue, &coro->link);
}

/* Returns the next runnable coroutine, the root if there is none. */
static coro_t *take_next(void) {
    ptk_queue_node_t *node = ptk_queue_pop(&library.queue);
    coro_t *next = node ? ptk_container_of(node, coro_t, link) : &library.root;
    next->runnable = false;
    return next;
}

static void free_dead(void) {
    if (library.dead) {
        coro_free(library.dead);
        library.dead = NULL;
    }
}

static void switch_to(coro_t *next) {
    coro_t *self = running();
    if (next == self) {
        return;
    }
    if (self == &library.root) {
        ptk_context_adopt(&self->context);
    }
    library.running = next;
    ptk_context_switch(&self->context, &next->context);
    library.running = self;
    free_dead();
}

static void run_life(void *argument) {
    coro_t *self = argument;
    ptk_context_entered(&self->context);
    free_dead();
    self->fn(self->arg);
    self->ended = true;
    if (self->freed_at_end) {
        library.dead = self;
    }
    coro_t *next = take_next();
    library.running = next;
    ptk_context_switch_end(&self->context, &next->context);
}

coro_t *coro_go(coro_start_t start, void (*fn)(void *arg), void *arg, bool freed_at_end) {
    coro_t *coro = calloc(1, sizeof *coro);
    char *stack = malloc(CORO_STACK_BYTES);
    if (!coro || !stack) {
        free(coro);
        free(stack);
        return NULL;
    }
    *coro = (coro_t) {.fn = fn, .arg = arg, .stack = stack, .freed_at_end = freed_at_end};
    coro->valgrind_id = VALGRIND_STACK_REGISTER(stack, stack + CORO_STACK_BYTES);
    ptk_context_make(&coro->context, stack, stack + CORO_STACK_BYTES, run_life, coro);
    if (start == CORO_QUEUED) {
        append(coro);
    } else {
        append(running());
        switch_to(coro);
    }
    return coro;
}

coro_t *coro_self(void) {
    return running() == &library.root ? NULL : library.running;
}

bool coro_suspend(void) {
    coro_t *self = coro_self();
    CHECK(self != NULL);
    if (!self->canceled) {
        switch_to(take_next());
    }
    return !self->canceled;
}

void coro_ready(coro_t *coro) {
    if (!coro->runnable) {
        append(coro);
    }
}

void coro_yield(void) {
    append(running());
    switch_to(take_next());
}

void coro_cancel(coro_t *coro) {
    CHECK(coro != coro_self() && !coro->freed_at_end);
    coro->canceled = true;
    if (!coro->ended) {
        coro_ready(coro);
    }
    while (!coro->ended) {
        coro_yield();
    }
}

bool coro_has_ended(const coro_t *coro) {
    return coro->ended;
}

void coro_free(coro_t *coro) {
    CHECK(coro->ended);
    ptk_context_fini(&coro->context);
    VALGRIND_STACK_DEREGISTER(coro->valgrind_id);
    free(coro->stack);
    free(coro);
}

void *coro_data(coro_t *coro) {
    return coro->data;
}

bool coro_run(void) {
    CHECK(!coro_self());
    bool any = library.queue.first;
    while (library.queue.first) {
        switch_to(take_next());
    }
    return any;
}
