/* SPDX-License-Identifier: MIT */
/*
 * Every interleaving of {wait, timeout, cancel, destroy} against readiness, for a small number of steps.
 *
 * Three green threads take two steps each. At each step the oracle chooses what the green thread does: wait
 * (for at most 10 ms), make the waitable ready, cancel its neighbour, or destroy the waitable. The same
 * oracle chooses which one runs next, when the loop polls, and the order and end of a batch of events. Time
 * is the test's own, so that a timeout happens when nothing else can. A run is one path down the tree of
 * choices; after each, nothing may be lost:
 *
 *     events sent = events taken + events left
 *     each wait had one outcome, and a reason for it
 */
#include "conformance.h"

#include "sim/world/ptk_choice_tree.h"
#include "base/ptk_thread.h"

#include <stdio.h>

#define GREENS     3
#define STEPS      2
#define TIMEOUT_MS 10

enum { ACT_WAIT, ACT_MAKE_READY, ACT_CANCEL, ACT_DESTROY, ACT_COUNT };
enum { SITE_ACT = PTK_CHOICE_TEST + 1 };

typedef enum kind { KIND_USER, KIND_DESCRIPTOR, KIND_ANY } kind_t;

typedef struct outcomes {
    uint64_t ok, timeout, canceled, closed, busy;
} outcomes_t;

typedef struct world {
    kind_t kind;
    ptk_choice_tree_t tree;
    outcomes_t seen; /* over all runs */
    /* of one run: */
    ptk_waitable_t *user;     /* USER, ANY */
    ptk_waitable_t *readable; /* DESCRIPTOR, ANY */
    int fds[2];
    ptk_green_t *greens[GREENS];
    bool canceled[GREENS];
    bool destroyed;
    uint64_t sent;
    uint64_t taken;
    uint64_t written;
    uint64_t read;
} world_t;

typedef struct actor {
    world_t *world;
    size_t number;
} actor_t;

static void expect(const world_t *world, bool condition, const char *what) {
    char path[1024];
    if (!condition) {
        ptk_choice_tree_describe(&world->tree, path, sizeof path);
        ptk_test_failed(__FILE__, __LINE__, "run %llu: %s; path: %s", (unsigned long long) world->tree.runs,
                        what, path);
    }
}

/* --- actions -------------------------------------------------------------------------------------------- */

static void read_one(world_t *world) {
    char byte;
    expect(world, fd_read(world->fds[0], &byte, 1) == 1, "readable, but there was nothing to read");
    world->read++;
}

static ptk_err wait_for_either(world_t *world) {
    size_t index = 9;
    ptk_waitable_wait_item_t items[] = {
        {.waitable = world->user, .events = PTK_EVENT_READ},
        {.waitable = world->readable, .events = PTK_EVENT_READ},
    };
    ptk_err err = ptk_waitable_wait_any(items, 2, &index, TIMEOUT_MS);
    if (err == PTK_OK) {
        expect(world, items[1 - index].ready_out == 0, "two events were taken");
        expect(world, index == 1 || items[0].count_out > 0, "woken without an event");
        world->taken += index == 0 ? items[0].count_out : 0;
        if (index == 1) {
            read_one(world);
        }
    }
    return err;
}

static ptk_err wait_for_user(world_t *world) {
    ptk_err err = test_wait(world->user, TIMEOUT_MS);
    if (err == PTK_OK) {
        expect(world, ptk_waitable_count() > 0, "woken without an event");
        world->taken += ptk_waitable_count();
    }
    return err;
}

static ptk_err wait_for_descriptor(world_t *world) {
    ptk_err err = test_wait(world->readable, TIMEOUT_MS);
    if (err == PTK_OK) {
        read_one(world);
    }
    return err;
}

static void note_outcome(outcomes_t *seen, ptk_err err) {
    seen->ok += err == PTK_OK;
    seen->timeout += err == PTK_ERR_TIMEOUT;
    seen->canceled += err == PTK_ERR_CANCELED;
    seen->closed += err == PTK_ERR_CLOSED;
    seen->busy += err == PTK_ERR_BUSY;
}

/* Waits, and checks the outcome against what happened before and meanwhile. */
static void act_wait(actor_t *actor) {
    world_t *world = actor->world;
    bool was_canceled = world->canceled[actor->number];
    bool was_destroyed = world->destroyed;
    uint64_t start = ptk_now_ns();
    ptk_err err = world->kind == KIND_USER         ? wait_for_user(world)
                  : world->kind == KIND_DESCRIPTOR ? wait_for_descriptor(world)
                                                   : wait_for_either(world);
    note_outcome(&world->seen, err);
    expect(world, !was_canceled || err == PTK_ERR_CANCELED || err == PTK_ERR_CLOSED, "a cancelled one tried");
    expect(world, !was_destroyed || err == PTK_ERR_CLOSED || err == PTK_ERR_CANCELED,
           "waited for what is gone");
    expect(world, err != PTK_ERR_CANCELED || world->canceled[actor->number], "CANCELED without a cancel");
    expect(world, err != PTK_ERR_CLOSED || world->destroyed, "CLOSED without a destroy");
    expect(world, err != PTK_ERR_BUSY || world->kind != KIND_USER, "BUSY at a USER waitable");
    expect(world, err != PTK_ERR_TIMEOUT || ptk_now_ns() - start >= TIMEOUT_MS * PTK_NS_PER_MS,
           "TIMEOUT too early");
    expect(world,
           err == PTK_OK || err == PTK_ERR_TIMEOUT || err == PTK_ERR_CANCELED || err == PTK_ERR_CLOSED ||
               err == PTK_ERR_BUSY,
           "an outcome that cannot be");
}

static void act_make_ready(world_t *world) {
    bool through_user =
        world->kind == KIND_USER || (world->kind == KIND_ANY && world->sent <= world->written);
    if (!through_user) {
        expect(world, fd_write(world->fds[1], "x", 1) == 1, "cannot write");
        world->written++;
    } else if (!world->destroyed) {
        expect(world, ptk_waitable_signal(world->user) == PTK_OK, "cannot signal");
        world->sent++;
    }
}

static void act_cancel(const actor_t *actor) {
    world_t *world = actor->world;
    size_t victim = (actor->number + 1) % GREENS;
    expect(world, ptk_green_cancel(world->greens[victim]) == PTK_OK, "cannot cancel");
    world->canceled[victim] = true;
}

/* Takes the events that were counted so far: from then on every event that is lost had a waiter. */
static void act_destroy(world_t *world) {
    if (world->destroyed) {
        return;
    }
    if (world->user && test_wait(world->user, 0) == PTK_OK) {
        world->taken += ptk_green_self() ? ptk_waitable_count() : world->sent - world->taken;
    }
    world->destroyed = true;
    ptk_waitable_destroy(world->user);
    ptk_waitable_destroy(world->readable);
}

static ptk_err act(void *arg) {
    actor_t *actor = arg;
    for (int step = 0; step < STEPS; step++) {
        switch (ptk_choice(SITE_ACT, ACT_COUNT)) {
        case ACT_WAIT:
            act_wait(actor);
            break;
        case ACT_MAKE_READY:
            act_make_ready(actor->world);
            break;
        case ACT_CANCEL:
            act_cancel(actor);
            break;
        default:
            act_destroy(actor->world);
            break;
        }
    }
    return PTK_OK;
}

/* --- one run -------------------------------------------------------------------------------------------- */

static void run_begin(world_t *world, actor_t *actors) {
    world->destroyed = false;
    world->sent = world->taken = world->written = world->read = 0;
    world->user = world->kind != KIND_DESCRIPTOR ? test_user() : NULL;
    world->readable = world->kind != KIND_USER ? test_fd_waitable(world->fds[0]) : NULL;
    for (size_t i = 0; i < GREENS; i++) {
        world->canceled[i] = false;
        actors[i] = (actor_t) {world, i};
        world->greens[i] = test_spawn(act, &actors[i]);
    }
}

static void run_end(world_t *world) {
    char rest[GREENS * STEPS];
    for (size_t i = 0; i < GREENS; i++) {
        expect(world, ptk_green_join(world->greens[i], NULL, 0) == PTK_OK, "a green thread has not ended");
    }
    act_destroy(world);
    ssize_t left = fd_read(world->fds[0], rest, sizeof rest);
    expect(world, world->read + (uint64_t) (left > 0 ? left : 0) == world->written,
           "a byte was lost or came twice");
    expect(world, world->taken == world->sent, "an event was lost or came twice");
    expect(world, test_counters().green_threads == 0, "a green thread is still alive");
}

static void explore(kind_t kind, size_t depth) {
    static world_t world;
    actor_t actors[GREENS];
    test_clock_begin(1000);
    ptk_event_loop_platform_t *loop = test_loop();
    world.kind = kind;
    test_pipe(world.fds);
    ptk_choice_tree_init(&world.tree, depth);
    do {
        run_begin(&world, actors);
        test_decide_by(&world.tree.oracle);
        ptk_err err = ptk_scheduler_run(loop);
        test_decide_by(NULL);
        expect(&world, err == PTK_OK, "run failed");
        run_end(&world);
    } while (ptk_choice_tree_next(&world.tree));
    CHECK(world.tree.runs > 300);
    CHECK(world.seen.ok > 0 && world.seen.timeout > 0 && world.seen.canceled > 0 && world.seen.closed > 0);
    CHECK(kind == KIND_USER || world.seen.busy > 0);
    test_close_pair(world.fds);
    test_loop_end(loop);
    test_clock_end();
}

/* A fiber of the thread sanitizer takes a millisecond to create. */
#define DEPTH ((size_t) (PTK_TEST_TSAN ? 7 : 10))

/* Returns how many decisions of a run have more than one choice: of the test and of the scheduler alike. */
static size_t depth(void) {
    return ptk_test_is_long() ? DEPTH + 3 : DEPTH;
}

TEST(exhaustive_user_waitable, ENUMERATES) {
    explore(KIND_USER, depth());
}

TEST(exhaustive_descriptor, ENUMERATES) {
    explore(KIND_DESCRIPTOR, depth());
}

TEST(exhaustive_wait_any, ENUMERATES) {
    explore(KIND_ANY, depth());
}
