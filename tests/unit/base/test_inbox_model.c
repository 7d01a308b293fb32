/* SPDX-License-Identifier: MIT */
/*
 * A model checker for the inbox (P50). The inbox's own source is compiled into this file with a scheduling
 * point before every atomic operation; its producers and its consumer run as coroutines, and a tree of
 * decisions enumerates the interleavings: all of them where that is feasible, else all with a limited number
 * of preemptions.
 *
 * It does not cover memory orders weaker than sequential consistency; the thread sanitizer does, in
 * test_inbox.c.
 */
#include <ptk_test.h>

#include <stdatomic.h>
#include <string.h>
#include <ucontext.h>

#define ptk_inbox_create        model_inbox_create
#define ptk_inbox_ref           model_inbox_ref
#define ptk_inbox_unref         model_inbox_unref
#define ptk_inbox_close         model_inbox_close
#define ptk_inbox_push          model_inbox_push
#define ptk_inbox_kick          model_inbox_kick
#define ptk_inbox_drain         model_inbox_take
#define ptk_inbox_node_dequeued model_inbox_node_taken
#define ptk_inbox_prepare_sleep model_inbox_prepare_sleep
#define ptk_inbox_end_sleep     model_inbox_end_sleep

static void step(void);
static const memory_order in_order = memory_order_seq_cst;

#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_exchange
#undef atomic_compare_exchange_weak
#define atomic_load(object)                 (step(), *(object))
#define atomic_load_explicit(object, order) (step(), *(object))
#define atomic_store(object, value)         (step(), (void) (*(object) = (value)))
#define atomic_exchange(object, value)      (step(), atomic_exchange_explicit(object, value, in_order))
#define atomic_compare_exchange_weak(object, expected, value)                                                \
    (step(), atomic_compare_exchange_strong_explicit(object, expected, value, in_order, in_order))

#include "base/ptk_inbox.c" /* NOLINT: with the operations above */

#include "ptk_test_intercept.h"
#include "sim/world/ptk_choice_tree.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

/* --- coroutines that may be preempted at every step ----------------------------------------------------- */

#define TASKS_MAX   3
#define STACK_BYTES ((size_t) 128 * 1024)
#define STACK_APART ((size_t) 4 * 1024 * 1024) /* so that Valgrind sees a switch and not a growing stack */

typedef enum task_state { RUNNABLE, ASLEEP, ENDED } task_state_t;

typedef struct task {
    ucontext_t context;
    void (*body)(void);
    task_state_t state;
} task_t;

static char stacks[TASKS_MAX][STACK_APART];
static task_t tasks[TASKS_MAX];
static int task_count;
static int current;
static uint32_t preemptions_left;
static ucontext_t driver;
static bool woken; /* the wake descriptor: readable */

static bool can_run(int task) {
    return tasks[task].state == RUNNABLE || (tasks[task].state == ASLEEP && woken);
}

/* Returns the task that runs next: the current one for choice 0 if it is runnable; -1 if none is. */
static int pick(void) {
    int candidates[TASKS_MAX];
    uint32_t count = 0;
    bool goes_on = can_run(current);
    if (goes_on) {
        candidates[count++] = current;
    }
    for (int task = 0; task < task_count; task++) {
        if (task != current && can_run(task)) {
            candidates[count++] = task;
        }
    }
    if (count == 0) {
        return -1;
    }
    uint32_t choice = goes_on && preemptions_left == 0 ? 0 : ptk_choice(PTK_CHOICE_TEST, count);
    preemptions_left -= goes_on && choice != 0;
    return candidates[choice];
}

static void switch_away(void) {
    int from = current;
    int to = pick();
    if (to == from) {
        return;
    }
    current = to;
    swapcontext(&tasks[from].context, to < 0 ? &driver : &tasks[to].context);
}

static void step(void) {
    switch_away();
}

static void task_main(void) {
    tasks[current].body();
    tasks[current].state = ENDED;
    switch_away();
}

static void prepare(task_t *task, char *stack, void (*body)(void)) {
    task->body = body;
    task->state = RUNNABLE;
    getcontext(&task->context);
    task->context.uc_stack.ss_sp = stack;
    task->context.uc_stack.ss_size = STACK_BYTES;
    task->context.uc_link = NULL;
    makecontext(&task->context, task_main, 0);
}

static void run_tasks(void (*const *bodies)(void), int count) {
    task_count = count;
    for (int i = 0; i < count; i++) {
        prepare(&tasks[i], stacks[i], bodies[i]);
    }
    current = 0;
    swapcontext(&driver, &tasks[0].context);
}

/* --- the system below the inbox ------------------------------------------------------------------------- */

static int64_t model_wake_open(ptk_sys_call_t *call) {
    *call->wake_open.handle_out = 1;
    *call->wake_open.kick_out = 1;
    return 0;
}

static int64_t model_wake_kick(ptk_sys_call_t *call) {
    (void) call;
    step();
    woken = true;
    return 0;
}

static int64_t model_close(ptk_sys_call_t *call) {
    (void) call;
    return 0;
}

static void sleep_until_woken(void) {
    step();
    tasks[current].state = ASLEEP;
    if (!woken) {
        switch_away();
    }
    tasks[current].state = RUNNABLE;
    woken = false;
}

/* --- the programs --------------------------------------------------------------------------------------- */

typedef struct message {
    ptk_inbox_node_t node;
    atomic_uint count;
} message_t;

static ptk_inbox_t *inbox;
static message_t messages[2];
static unsigned expected;
static unsigned received;
static unsigned refused;
static atomic_uint flag;

static void produce(message_t *message) {
    step();
    atomic_fetch_add(&message->count, 1);
    refused += !ptk_inbox_push(inbox, &message->node);
}

static void send_first(void) {
    produce(&messages[0]);
}

static void send_first_twice(void) {
    produce(&messages[0]);
    produce(&messages[0]);
}

static void send_second(void) {
    produce(&messages[1]);
}

static void receive_all(void) {
    ptk_inbox_node_t *next;
    for (ptk_inbox_node_t *node = ptk_inbox_drain(inbox); node; node = next) {
        message_t *message = (message_t *) (void *) node;
        next = node->next;
        ptk_inbox_node_dequeued(node);
        received += atomic_exchange(&message->count, 0);
    }
}

static void consume(void) {
    receive_all();
    while (received < expected) {
        if (ptk_inbox_prepare_sleep(inbox)) {
            sleep_until_woken();
            ptk_inbox_end_sleep(inbox);
        }
        receive_all();
    }
}

static void raise_flag(void) {
    step();
    flag = 1;
    ptk_inbox_kick(inbox);
}

static void await_flag(void) {
    while (!atomic_load(&flag)) {
        if (ptk_inbox_prepare_sleep(inbox)) {
            sleep_until_woken();
            ptk_inbox_end_sleep(inbox);
        }
    }
    received = 1;
}

static void close_and_take(void) {
    ptk_inbox_close(inbox);
    receive_all();
}

/* --- the driver ----------------------------------------------------------------------------------------- */

static void start_run(uint32_t preemptions) {
    tasks[0].state = RUNNABLE;
    task_count = 1;
    current = 0;
    int os_err;
    inbox = ptk_inbox_create(&os_err);
    memset(messages, 0, sizeof messages);
    received = 0;
    refused = 0;
    flag = 0;
    woken = false;
    preemptions_left = preemptions;
}

static void check_ended(const ptk_choice_tree_t *tree, bool holds) {
    char path[1000];
    for (int i = 0; i < task_count; i++) {
        holds = holds && tasks[i].state == ENDED;
    }
    if (!holds) {
        ptk_choice_tree_describe(tree, path, sizeof path);
        ptk_test_failed(__FILE__, __LINE__, "run %llu: %u received, %u refused, %u expected: %s",
                        (unsigned long long) tree->runs, received, refused, expected, path);
    }
}

/* No task is left to be scheduled while the inbox is freed. */
static void end_run(ptk_choice_tree_t *tree) {
    ptk_thread()->oracle = NULL;
    tasks[0].state = RUNNABLE;
    task_count = 1;
    current = 0;
    ptk_inbox_unref(inbox);
    ptk_thread()->oracle = &tree->oracle;
}

/* RECEIVED_OR_REFUSED: the inbox is closed during the run, and a push that was not refused was received. */
typedef enum ending { ALL_RECEIVED, RECEIVED_OR_REFUSED } ending_t;

static uint64_t check_all(void (*const *bodies)(void), int count, unsigned total, uint32_t preemptions,
                          ending_t ending) {
#ifdef __SANITIZE_THREAD__
    SKIP("the thread sanitizer does not support these coroutines");
#endif
    ptk_choice_tree_t tree;
    ptk_interceptor_t model = {.hooks = {[PTK_SYS_wake_open] = model_wake_open,
                                         [PTK_SYS_wake_kick] = model_wake_kick,
                                         [PTK_SYS_close] = model_close}};
    expected = total;
    ptk_choice_tree_init(&tree, PTK_CHOICE_TREE_DEPTH_MAX);
    ptk_intercept(&model);
    ptk_thread()->oracle = &tree.oracle;
    do {
        start_run(preemptions);
        run_tasks(bodies, count);
        check_ended(&tree, received + (ending == RECEIVED_OR_REFUSED ? refused : 0) == total);
        end_run(&tree);
    } while (ptk_choice_tree_next(&tree));
    ptk_thread()->oracle = NULL;
    ptk_intercept_end();
    return tree.runs;
}

#define UNBOUNDED 1000

/* The limit of preemptions where all interleavings would be too many. A switch costs a hundred times more
   under the address sanitizer, and what it looks for is found with few. */
#ifdef __SANITIZE_ADDRESS__
#define BOUNDED 2
#else
#define BOUNDED 4
#endif

TEST(p50_model_one_message) {
    void (*const bodies[])(void) = {send_first, consume};
    CHECK(check_all(bodies, 2, 1, UNBOUNDED, ALL_RECEIVED) > 50);
}

TEST(p50_model_one_node_twice) {
    void (*const bodies[])(void) = {send_first_twice, consume};
    CHECK(check_all(bodies, 2, 2, ptk_test_is_long() ? 8 : BOUNDED, ALL_RECEIVED) > 50);
}

TEST(p50_model_two_producers_one_node) {
    void (*const bodies[])(void) = {send_first, send_first, consume};
    CHECK(check_all(bodies, 3, 2, ptk_test_is_long() ? 6 : BOUNDED, ALL_RECEIVED) > 50);
}

TEST(p50_model_two_producers_two_nodes) {
    void (*const bodies[])(void) = {send_first, send_second, consume};
    CHECK(check_all(bodies, 3, 2, ptk_test_is_long() ? 6 : BOUNDED, ALL_RECEIVED) > 50);
}

TEST(p50_model_bare_kick) {
    void (*const bodies[])(void) = {raise_flag, await_flag};
    CHECK(check_all(bodies, 2, 1, UNBOUNDED, ALL_RECEIVED) > 10);
}

TEST(p63_model_close_against_push) {
    void (*const one[])(void) = {send_first, close_and_take};
    CHECK(check_all(one, 2, 1, UNBOUNDED, RECEIVED_OR_REFUSED) > 10);
    void (*const two[])(void) = {send_first, send_second, close_and_take};
    CHECK(check_all(two, 3, 2, ptk_test_is_long() ? UNBOUNDED : BOUNDED, RECEIVED_OR_REFUSED) > 50);
}
