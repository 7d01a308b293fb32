/* SPDX-License-Identifier: MIT */
/* Descriptors that their owner closes, duplicates and reopens without a call of ptk. */
#include "conformance.h"
#include "platform/ptk_platform.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

static ptk_err wait_readable(void *waitable) {
    return test_wait(waitable, PTK_TIMEOUT_INFINITE);
}

/* Makes `fd` refer to what `other` refers to; `other` is closed. The number stays. */
static void replace(int fd, int other) {
    CHECK_EQ(fd_duplicate_to(other, fd), fd);
    CHECK_EQ(fd_close(other), 0);
}

static ptk_err reopen_the_number(void *arg) {
    (void) arg;
    int first[2];
    int second[2];
    test_pipe(first);
    ptk_waitable_t *waitable = test_fd_waitable(first[0]);
    ptk_green_t *reader = test_spawn(wait_readable, waitable);
    test_let_poll();
    test_write(first[1], 1);
    CHECK_OK(test_join(reader));
    CHECK_EQ(fd_close(first[0]), 0);
    CHECK_EQ(fd_close(first[1]), 0);
    test_pipe(second);
    CHECK_EQ(second[0], first[0]); /* the lowest number that is free */
    CHECK_ERR(test_wait(waitable, 1), PTK_ERR_TIMEOUT);
    reader = test_spawn(wait_readable, waitable);
    test_let_poll();
    test_write(second[1], 1);
    CHECK_OK(test_join(reader));
    ptk_waitable_destroy(waitable);
    test_close_pair(second);
    return PTK_OK;
}

TEST(p60_descriptor_closed_and_reopened_under_the_same_number, TRUSTS_READINESS) {
    test_in_green(reopen_the_number);
}

/* As above, but a duplicate keeps the first description alive, so the kernel keeps its registration too. */
static ptk_err reopen_with_a_duplicate_alive(void *arg) {
    (void) arg;
    int first[2];
    int second[2];
    test_pipe(first);
    test_pipe(second);
    ptk_waitable_t *waitable = test_fd_waitable(first[0]);
    CHECK_ERR(test_wait(waitable, 1), PTK_ERR_TIMEOUT);
    int duplicate = fd_duplicate(first[0]);
    replace(first[0], second[0]);
    test_write(first[1], 1); /* always readable, by the duplicate */
    ptk_scheduler_counters_t before = test_counters();
    CHECK_ERR(test_wait(waitable, 20), PTK_ERR_TIMEOUT);
    CHECK_OK(ptk_sleep_ms(20));
    ptk_scheduler_counters_t after = test_counters();
    CHECK(after.events - before.events <= 4);
    CHECK(after.polls - before.polls <= 12);
    ptk_green_t *reader = test_spawn(wait_readable, waitable);
    test_let_poll();
    test_write(second[1], 1);
    CHECK_OK(test_join(reader));
    CHECK_EQ(test_read(first[0], 5), 1);
    ptk_waitable_destroy(waitable);
    CHECK_EQ(fd_close(duplicate), 0);
    test_close_pair(first);
    CHECK_EQ(fd_close(second[1]), 0);
    return PTK_OK;
}

TEST(p04_duplicate_keeps_the_old_description_while_the_number_is_reopened, NEEDS_TICKS | TRUSTS_READINESS) {
    test_in_green(reopen_with_a_duplicate_alive);
}

static ptk_err destroy_after_the_close(void *arg) {
    (void) arg;
    int first[2];
    test_pipe(first);
    ptk_waitable_t *waitable = test_fd_waitable(first[0]);
    CHECK_ERR(test_wait(waitable, 1), PTK_ERR_TIMEOUT);
    int duplicate = fd_duplicate(first[0]);
    CHECK_EQ(fd_close(first[0]), 0);
    ptk_waitable_destroy(waitable); /* too late: DEL finds no such descriptor */
    test_write(first[1], 1);
    ptk_scheduler_counters_t before = test_counters();
    CHECK_OK(ptk_sleep_ms(20));
    ptk_scheduler_counters_t after = test_counters();
    CHECK(after.events - before.events <= 2);
    CHECK(after.polls - before.polls <= 6);
    waitable = test_fd_waitable(duplicate); /* a duplicate is a descriptor of its own */
    CHECK_OK(test_wait(waitable, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(test_read(duplicate, 1), 1);
    CHECK_ERR(test_wait(waitable, 1), PTK_ERR_TIMEOUT);
    ptk_waitable_destroy(waitable);
    CHECK_EQ(fd_close(duplicate), 0);
    CHECK_EQ(fd_close(first[1]), 0);
    return PTK_OK;
}

TEST(p04_destroy_after_the_owner_closed_a_descriptor_with_a_duplicate, NEEDS_TICKS | TRUSTS_READINESS) {
    test_in_green(destroy_after_the_close);
}

/* Destroyed while it has a waiter and its descriptor is closed already, with a duplicate alive. */
static ptk_err close_under_a_waiter(void *arg) {
    (void) arg;
    int first[2];
    test_pipe(first);
    ptk_waitable_t *waitable = test_fd_waitable(first[0]);
    ptk_green_t *reader = test_spawn(wait_readable, waitable);
    test_let_poll();
    int duplicate = fd_duplicate(first[0]);
    CHECK_EQ(fd_close(first[0]), 0);
    ptk_waitable_destroy(waitable);
    CHECK_ERR(test_join(reader), PTK_ERR_CLOSED);
    test_write(first[1], 1);
    ptk_scheduler_counters_t before = test_counters();
    CHECK_OK(ptk_sleep_ms(20));
    CHECK(test_counters().polls - before.polls <= 6);
    CHECK_EQ(fd_close(duplicate), 0);
    CHECK_EQ(fd_close(first[1]), 0);
    return PTK_OK;
}

TEST(p04_destroy_under_a_waiter_whose_descriptor_was_closed, NEEDS_TICKS | TRUSTS_READINESS) {
    test_in_green(close_under_a_waiter);
}

/* A descriptor that is closed while a green thread waits for it: its wait still obeys cancel and timeout. */
static ptk_err close_and_cancel(void *arg) {
    (void) arg;
    int first[2];
    test_pipe(first);
    ptk_waitable_t *waitable = test_fd_waitable(first[0]);
    ptk_green_t *reader = test_spawn(wait_readable, waitable);
    test_let_poll();
    test_close_pair(first);
    ptk_scheduler_counters_t before = test_counters();
    CHECK_OK(ptk_sleep_ms(20));
    CHECK(test_counters().polls - before.polls <= 8);
    CHECK_OK(ptk_green_cancel(reader));
    ptk_err result = test_join(reader);
    CHECK(result != PTK_ERR_TIMEOUT);
    result = test_wait(waitable, 2);
    CHECK(result != PTK_ERR_CANCELED);
    ptk_waitable_destroy(waitable);
    return PTK_OK;
}

TEST(fd_closed_under_a_waiter_does_not_make_the_loop_spin, NEEDS_TICKS) {
    test_in_green(close_and_cancel);
}

/* Two descriptors become ready in one batch; the first one's waiter closes the second and reuses its number
 * at once. */
typedef struct batch {
    ptk_waitable_t *first;
    ptk_waitable_t *second;
    int first_fds[2];
    int second_fds[2];
    bool second_woken;
} batch_t;

static ptk_err reuse_in_the_batch(void *arg) {
    batch_t *batch = arg;
    int number = batch->second_fds[0];
    int other[2];
    CHECK_OK(test_wait(batch->first, PTK_TIMEOUT_INFINITE));
    ptk_waitable_destroy(batch->second);
    test_close_pair(batch->second_fds);
    test_pipe(other);
    CHECK(other[0] == number || other[1] == number);
    ptk_waitable_t *fresh = test_fd_waitable(other[0]);
    CHECK_ERR(test_wait(fresh, 0), PTK_ERR_TIMEOUT);
    CHECK_ERR(test_wait(fresh, 3), PTK_ERR_TIMEOUT); /* the stale event is not for this one */
    test_write(other[1], 1);
    CHECK_OK(test_wait(fresh, PTK_TIMEOUT_INFINITE));
    ptk_waitable_destroy(fresh);
    test_close_pair(other);
    return PTK_OK;
}

static ptk_err wait_for_second(void *arg) {
    batch_t *batch = arg;
    ptk_err err = test_wait(batch->second, PTK_TIMEOUT_INFINITE);
    CHECK(err == PTK_OK || err == PTK_ERR_CLOSED);
    batch->second_woken = true;
    return PTK_OK;
}

static ptk_err make_a_batch(void *arg) {
    (void) arg;
    batch_t batch = {.second_woken = false};
    test_pipe(batch.first_fds);
    test_pipe(batch.second_fds);
    batch.first = test_fd_waitable(batch.first_fds[0]);
    batch.second = test_fd_waitable(batch.second_fds[0]);
    ptk_green_t *first = test_spawn(reuse_in_the_batch, &batch);
    ptk_green_t *second = test_spawn(wait_for_second, &batch);
    test_let_poll();
    test_write(batch.first_fds[1], 1);
    test_write(batch.second_fds[1], 1);
    CHECK_OK(test_join(first));
    CHECK_OK(test_join(second));
    CHECK(batch.second_woken);
    ptk_waitable_destroy(batch.first);
    test_close_pair(batch.first_fds);
    return PTK_OK;
}

TEST(p03_stale_event_of_the_same_batch_after_close_and_reuse, TRUSTS_READINESS) {
    test_in_green(make_a_batch);
}

/* Attaches a source for the descriptor, and makes a wait for readability pend on it. */
static void pend_on(ptk_event_loop_platform_t *loop, ptk_event_source_t *source, ptk_event_op_t *op, int fd) {
    *source = (ptk_event_source_t) {.handle = fd, .mode = PTK_SOURCE_FOREIGN};
    *op = (ptk_event_op_t) {.kind = PTK_OP_READY, .source = source, .events = PTK_READY_READ};
    CHECK_EQ(loop->ops->attach(loop, source), 0);
    CHECK_EQ(loop->ops->submit(loop, op), PTK_OP_PENDING);
}

/* The first registration was freed while a duplicate kept its description alive, so that its events still
 * come. The next source uses the same place in the platform's table, and its operation is not finished by
 * them. A waiter would only look once more; here the platform itself is seen. */
TEST(p03_event_of_an_earlier_registration_finishes_no_operation, COUNTS_CALLS) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_event_source_t sources[2];
    ptk_event_op_t ops[2];
    ptk_list_t finished;
    int earlier[2];
    int later[2];
    test_pipe(earlier);
    test_pipe(later);
    pend_on(loop, &sources[0], &ops[0], earlier[0]);
    int duplicate = fd_duplicate(earlier[0]);
    CHECK_EQ(fd_close(earlier[0]), 0);
    CHECK(loop->ops->cancel(loop, &ops[0]));
    loop->ops->detach(loop, &sources[0]);
    pend_on(loop, &sources[1], &ops[1], later[0]);
    test_write(earlier[1], 1);
    ptk_list_init(&finished);
    CHECK_EQ(loop->ops->poll(loop, 0, 0, &finished), 0);
    CHECK(ptk_list_is_empty(&finished) && ops[1].state == PTK_OP_PENDING);
    test_write(later[1], 1);
    CHECK_EQ(loop->ops->poll(loop, 0, 0, &finished), 0);
    CHECK(ptk_list_first(&finished) == &ops[1].link && ops[1].state == PTK_OP_RETRY);
    CHECK(loop->ops->cancel(loop, &ops[1]));
    loop->ops->detach(loop, &sources[1]);
    CHECK_EQ(fd_close(duplicate), 0);
    CHECK_EQ(fd_close(earlier[1]), 0);
    test_close_pair(later);
    test_loop_end(loop);
}

/* Repeated many times, so that every order of numbers in the poller's table occurs. */
static ptk_err churn(void *arg) {
    (void) arg;
    ptk_test_random_t random = {5};
    for (int i = 0; i < 300; i++) {
        int fds[2];
        test_pipe(fds);
        ptk_waitable_t *waitable = test_fd_waitable(fds[0]);
        ptk_green_t *reader = test_spawn(wait_readable, waitable);
        if (ptk_test_random_below(&random, 2) == 0) {
            test_yield();
        }
        test_write(fds[1], 1);
        if (ptk_test_random_below(&random, 2) == 0) {
            CHECK_OK(test_join(reader));
        } else {
            ptk_waitable_destroy(waitable);
            ptk_err result = test_join(reader);
            CHECK(result == PTK_OK || result == PTK_ERR_CLOSED);
        }
        ptk_waitable_destroy(waitable);
        test_close_pair(fds);
    }
    return PTK_OK;
}

TEST(p03_numbers_reused_hundreds_of_times) {
    ptk_event_loop_platform_t *loop = test_loop();
    for (int i = 0; i < 3; i++) {
        test_go(churn, NULL);
    }
    test_run();
    test_loop_end(loop);
}

/* A child process that inherited the descriptor keeps its description alive after the parent has closed it.
 */
static ptk_err share_with_a_child(void *arg) {
    (void) arg;
    int fds[2];
    int hold[2];
    test_pipe(fds);
    test_pipe(hold);
    ptk_waitable_t *waitable = test_fd_waitable(fds[0]);
    CHECK_ERR(test_wait(waitable, 1), PTK_ERR_TIMEOUT);
    CHECK_EQ(fcntl(hold[0], F_SETFL, 0), 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        fd_close(hold[1]);
        _exit(fd_read(hold[0], (char[1]) {0}, 1) == 0 ? 0 : 1); /* until the parent lets it go on */
    }
    ptk_waitable_destroy(waitable);
    CHECK_EQ(fd_close(fds[0]), 0);
    test_write(fds[1], 1);
    ptk_scheduler_counters_t before = test_counters();
    CHECK_OK(ptk_sleep_ms(20));
    CHECK(test_counters().polls - before.polls <= 6);
    CHECK_EQ(fd_close(fds[1]), 0);
    test_close_pair(hold);
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    return PTK_OK;
}

TEST(p04_description_kept_alive_by_a_child_process, REAL_PROCESS) {
    test_in_green(share_with_a_child);
}
