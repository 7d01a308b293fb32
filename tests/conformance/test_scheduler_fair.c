/* SPDX-License-Identifier: MIT */
/* Fairness: a green thread that always has work lets the others run, and the loop poll. */
#include "conformance.h"

#include <sys/resource.h>

#define COLD_COUNT 999
/* operations that end without parking between two yields */
#define MOST_IN_A_ROW 255
/* the clock is read, and so a tick found due, at least once per 256 picks */
#define PICKS_PER_READING 256

typedef struct hot_and_cold {
    ptk_waitable_t *hot;     /* always readable */
    uint64_t hot_operations; /* so far */
    uint64_t largest_gap;    /* the most hot operations between two steps of any cold one */
    size_t cold_left;
} hot_and_cold_t;

static ptk_err be_hot(void *arg) {
    hot_and_cold_t *state = arg;
    while (state->cold_left > 0) {
        CHECK_OK(test_wait(state->hot, PTK_TIMEOUT_INFINITE));
        state->hot_operations++;
    }
    return PTK_OK;
}

static ptk_err be_cold(void *arg) {
    hot_and_cold_t *state = arg;
    uint64_t last = state->hot_operations;
    for (int i = 0; i < 20; i++) {
        test_yield();
        uint64_t gap = state->hot_operations - last;
        state->largest_gap = gap > state->largest_gap ? gap : state->largest_gap;
        last = state->hot_operations;
    }
    state->cold_left--;
    return PTK_OK;
}

/* One hot green thread beside `cold_count` that yield. */
static void run_hot_and_cold(hot_and_cold_t *state, size_t cold_count) {
    ptk_event_loop_platform_t *loop = test_loop();
    int fds[2];
    test_pipe(fds);
    test_write(fds[1], 1);
    *state = (hot_and_cold_t) {.hot = test_fd_waitable(fds[0]), .cold_left = cold_count};
    test_go(be_hot, state);
    for (size_t i = 0; i < cold_count; i++) {
        test_go(be_cold, state);
    }
    test_run();
    ptk_waitable_destroy(state->hot);
    test_close_pair(fds);
    test_loop_end(loop);
}

TEST(p47_one_hot_and_999_that_are_runnable, NEEDS_ORDER) {
    hot_and_cold_t state;
    run_hot_and_cold(&state, COLD_COUNT);
    CHECK(state.hot_operations > 0);
    CHECK(state.largest_gap <= MOST_IN_A_ROW + 1);
}

TEST(p47_one_hot_and_one_that_is_runnable, NEEDS_ORDER) {
    hot_and_cold_t state;
    run_hot_and_cold(&state, 1);
    CHECK(state.hot_operations > 0);
    CHECK(state.largest_gap <= MOST_IN_A_ROW + 1);
}

/* The same with cold ones that wait for descriptors, so that only a tick can wake them. */
typedef struct cold {
    hot_and_cold_t *state;
    ptk_waitable_t *readable;
    int fd;         /* an eventfd */
    uint64_t since; /* hot operations when it was made readable */
} cold_t;

static cold_t cold[COLD_COUNT];

static ptk_err be_cold_at_a_descriptor(void *arg) {
    cold_t *self = arg;
    CHECK_OK(test_wait(self->readable, PTK_TIMEOUT_INFINITE));
    uint64_t gap = self->state->hot_operations - self->since;
    self->state->largest_gap = gap > self->state->largest_gap ? gap : self->state->largest_gap;
    self->state->cold_left--;
    return PTK_OK;
}

/* Hot; after its first operations it makes all the cold ones ready. */
static ptk_err be_hot_and_feed(void *arg) {
    hot_and_cold_t *state = arg;
    test_let_poll();
    for (size_t i = 0; i < COLD_COUNT; i++) {
        cold[i].since = state->hot_operations;
        CHECK_EQ(fd_event_add(cold[i].fd), 0);
        CHECK_OK(test_wait(state->hot, PTK_TIMEOUT_INFINITE));
        state->hot_operations++;
    }
    return be_hot(arg);
}

static void cold_init(hot_and_cold_t *state) {
    for (size_t i = 0; i < COLD_COUNT; i++) {
        cold[i].fd = fd_event();
        CHECK(cold[i].fd >= 0);
        cold[i].state = state;
        cold[i].readable = test_fd_waitable(cold[i].fd);
        test_go(be_cold_at_a_descriptor, &cold[i]);
    }
}

static void cold_fini(void) {
    for (size_t i = 0; i < COLD_COUNT; i++) {
        ptk_waitable_destroy(cold[i].readable);
        CHECK_EQ(fd_close(cold[i].fd), 0);
    }
}

static void need_descriptors(rlim_t count) {
    struct rlimit limit;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_cur > count ? limit.rlim_cur : count;
    if (limit.rlim_cur > limit.rlim_max || setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        SKIP("too few descriptors");
    }
}

TEST(p47_one_hot_and_999_that_wait_for_descriptors, NEEDS_ORDER) {
    need_descriptors(COLD_COUNT + 100);
    ptk_event_loop_platform_t *loop = test_loop();
    int fds[2];
    test_pipe(fds);
    test_write(fds[1], 1);
    hot_and_cold_t state = {.hot = test_fd_waitable(fds[0]), .cold_left = COLD_COUNT};
    cold_init(&state);
    test_go(be_hot_and_feed, &state);
    test_run();
    CHECK(state.hot_operations >= COLD_COUNT);
    CHECK(state.largest_gap <= (uint64_t) 2 * 128 * PICKS_PER_READING);
    cold_fini();
    ptk_waitable_destroy(state.hot);
    test_close_pair(fds);
    test_loop_end(loop);
}

/* Yielding in a ring never parks in the poller, but what is ready must be polled for. */
static ptk_err yield_until_told(void *told) {
    while (!*(volatile bool *) told) {
        test_yield();
    }
    return PTK_OK;
}

typedef struct teller {
    ptk_waitable_t *readable;
    bool told;
} teller_t;

static ptk_err tell_when_readable(void *arg) {
    teller_t *teller = arg;
    CHECK_OK(test_wait(teller->readable, PTK_TIMEOUT_INFINITE));
    teller->told = true;
    return PTK_OK;
}

static ptk_err write_after_some_yields(void *fd) {
    for (int i = 0; i < 100; i++) {
        test_yield();
    }
    test_write(*(int *) fd, 1);
    return PTK_OK;
}

TEST(p47_a_ring_of_yields_does_not_keep_the_loop_from_polling) {
    ptk_event_loop_platform_t *loop = test_loop();
    int fds[2];
    test_pipe(fds);
    teller_t teller = {.readable = test_fd_waitable(fds[0])};
    test_go(tell_when_readable, &teller);
    test_go(write_after_some_yields, &fds[1]);
    test_go(yield_until_told, &teller.told);
    test_go(yield_until_told, &teller.told);
    test_run();
    ptk_waitable_destroy(teller.readable);
    test_close_pair(fds);
    test_loop_end(loop);
}

/* Two green threads that only signal each other are always runnable; timers must expire nevertheless. */
typedef struct player {
    ptk_waitable_t *mine;
    ptk_waitable_t *theirs;
    volatile bool *over;
} player_t;

static ptk_err play(void *arg) {
    player_t *player = arg;
    while (!*player->over) {
        CHECK_OK(test_wait(player->mine, PTK_TIMEOUT_INFINITE));
        CHECK_OK(ptk_waitable_signal(player->theirs));
    }
    return PTK_OK;
}

static ptk_err end_the_game(void *over) {
    CHECK_OK(ptk_sleep_ms(3));
    *(volatile bool *) over = true;
    return PTK_OK;
}

TEST(p47_a_game_of_ping_pong_does_not_keep_timers_from_firing) {
    ptk_event_loop_platform_t *loop = test_loop();
    volatile bool over = false;
    ptk_waitable_t *ping = test_user();
    ptk_waitable_t *pong = test_user();
    player_t players[] = {{ping, pong, &over}, {pong, ping, &over}};
    test_go(play, &players[0]);
    test_go(play, &players[1]);
    test_go(end_the_game, (void *) (uintptr_t) &over);
    CHECK_OK(ptk_waitable_signal(ping));
    test_run();
    ptk_waitable_destroy(ping);
    ptk_waitable_destroy(pong);
    test_loop_end(loop);
}

/* Timeout-0 calls spend the budget and never switch; the next call that may park yields before it tries. */
static ptk_err note_once(void *arg) {
    (void) arg;
    test_note('b');
    return PTK_OK;
}

static ptk_err spend_the_budget(void *arg) {
    (void) arg;
    ptk_waitable_t *user = test_user();
    for (int i = 0; i <= MOST_IN_A_ROW; i++) {
        CHECK_OK(ptk_waitable_signal(user));
        CHECK_OK(test_wait(user, 0));
    }
    test_note('a');
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_OK(test_wait(user, PTK_TIMEOUT_INFINITE));
    test_note('c');
    ptk_waitable_destroy(user);
    return PTK_OK;
}

TEST(p47_calls_with_timeout_zero_spend_the_budget_and_never_switch, NEEDS_ORDER) {
    ptk_event_loop_platform_t *loop = test_loop();
    test_go(spend_the_budget, NULL);
    test_go(note_once, NULL);
    test_run();
    CHECK_STR(test_notes(), "abc");
    test_loop_end(loop);
}

/* A green thread that always signals itself is always ready. */
static ptk_err signal_oneself(void *arg) {
    hot_and_cold_t *state = arg;
    ptk_waitable_t *user = test_user();
    while (state->cold_left > 0) {
        CHECK_OK(ptk_waitable_signal(user));
        CHECK_OK(test_wait(user, PTK_TIMEOUT_INFINITE));
        state->hot_operations++;
    }
    ptk_waitable_destroy(user);
    return PTK_OK;
}

TEST(p47_one_that_signals_itself_lets_the_others_run, NEEDS_ORDER) {
    ptk_event_loop_platform_t *loop = test_loop();
    hot_and_cold_t state = {.cold_left = 10};
    test_go(signal_oneself, &state);
    for (int i = 0; i < 10; i++) {
        test_go(be_cold, &state);
    }
    test_run();
    CHECK(state.hot_operations > 0);
    CHECK(state.largest_gap <= MOST_IN_A_ROW + 1);
    test_loop_end(loop);
}
