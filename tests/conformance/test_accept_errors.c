/* SPDX-License-Identifier: MIT */
/* Accepting when accept(2) fails: every errno, and a shortage of descriptors. */
#include "test_sock.h"

#include <errno.h>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

/* --- every errno of accept(2) --- */

static int fault_errno;
static int fault_count;

static int fail_accepts(ptk_sys_member_t call, int fd) {
    (void) fd;
    if (call != PTK_SYS_accept || fault_count == 0) {
        return 0;
    }
    fault_count--;
    return -fault_errno;
}

static void accept_one(ptk_sock_t *listener, const ptk_addr_t *addr) {
    int peer = peer_connect(addr);
    ptk_sock_t *sock = ptk_sock_accept(listener, NULL, NULL, SOCK_FOREVER);
    CHECK(sock != NULL);
    ptk_sock_close(sock);
    CHECK_EQ(fd_close(peer), 0);
}

/* Errors of a connection that died in the backlog, or of the network beneath it: the same call continues. */
static const int passing_errors[] = {ECONNABORTED, EINTR,      EPROTO,     ENETDOWN,
                                     ENOPROTOOPT,  EHOSTDOWN,  ENONET,     EHOSTUNREACH,
                                     ENETUNREACH,  EOPNOTSUPP, ECONNRESET, ETIMEDOUT};

static ptk_err passing_errors_are_skipped(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    ptk_sock_t *listener = sock_listener(5, &addr);
    sock_world.before = fail_accepts;
    for (size_t i = 0; i < sizeof passing_errors / sizeof passing_errors[0]; i++) {
        fault_errno = passing_errors[i];
        for (int count = 1; count <= 3; count++) {
            fault_count = count;
            accept_one(listener, &addr);
            CHECK_EQ(fault_count, 0);
        }
    }
    ptk_sock_close(listener);
    return PTK_OK;
}

TEST(p15_accept_skips_connections_that_died_in_the_backlog) {
    sock_in_green(passing_errors_are_skipped);
}

/* The waiter is parked when the errors come, and nothing else comes: it goes on waiting, up to its
   deadline. */
static ptk_err passing_errors_of_a_parked_waiter(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    ptk_sock_t *listener = sock_listener(5, &addr);
    int listener_fd = sock_world.last_fd;
    for (size_t i = 0; i < sizeof passing_errors / sizeof passing_errors[0]; i++) {
        sock_task_t task = {.verb = SOCK_ACCEPT, .sock = listener, .timeout_ms = 50};
        uint64_t start = ptk_now_ns();
        fault_errno = passing_errors[i];
        sock_task_start(&task);
        sock_settle();
        sock_world.before = fail_accepts;
        fault_count = 2;
        sock_world.fake_fd = listener_fd;
        sock_world.fake_events = EPOLLIN;
        sock_world.fakes = 1;
        CHECK_ERR(sock_task_join(&task), PTK_ERR_TIMEOUT);
        CHECK(ptk_now_ns() - start >= 50 * PTK_NS_PER_MS);
        CHECK_EQ(fault_count, 0);
        sock_world.before = NULL;
        accept_one(listener, &addr);
    }
    ptk_sock_close(listener);
    return PTK_OK;
}

TEST(p15_accept_retries_against_one_deadline, HOOKS_POLLER) {
    sock_in_green(passing_errors_of_a_parked_waiter);
}

/* The other errors may end the call, but never the listener. */
static ptk_err other_errors(void *unused) {
    (void) unused;
    static const int errors[] = {EPERM, EACCES,          EINVAL,          EFAULT, ENOTSOCK,
                                 EIO,   ESOCKTNOSUPPORT, EPROTONOSUPPORT, ENOSR};
    ptk_addr_t addr;
    ptk_sock_t *listener = sock_listener(5, &addr);
    sock_world.before = fail_accepts;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        int peer = peer_connect(&addr);
        fault_errno = errors[i];
        fault_count = 1;
        ptk_sock_t *sock = ptk_sock_accept(listener, NULL, NULL, 100);
        CHECK_EQ(fault_count, 0);
        if (!sock) {
            CHECK(ptk_get_err() != PTK_OK);
            sock = ptk_sock_accept(listener, NULL, NULL, SOCK_FOREVER);
        }
        CHECK(sock != NULL);
        ptk_sock_close(sock);
        CHECK_EQ(fd_close(peer), 0);
        accept_one(listener, &addr);
    }
    ptk_sock_close(listener);
    return PTK_OK;
}

TEST(p15_listener_survives_every_other_error_of_accept) {
    sock_in_green(other_errors);
}

/* Errors that never end (a policy that forbids accepting) block neither the thread nor the call's timeout. */
static ptk_err count_ticks(void *arg) {
    size_t *turns = arg;
    while (ptk_yield() == PTK_OK) {
        ++*turns;
    }
    return PTK_OK;
}

static ptk_err errors_without_end(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    ptk_sock_t *listener = sock_listener(5, &addr);
    int peer = peer_connect(&addr);
    size_t turns = 0;
    ptk_green_t *other = test_spawn(count_ticks, &turns);
    sock_world.before = fail_accepts;
    sock_world.tick_ns = 100 * 1000;
    for (size_t i = 0; i < sizeof passing_errors / sizeof passing_errors[0]; i++) {
        fault_errno = passing_errors[i];
        fault_count = passing_errors[i] == EINTR ? 1000 : -1;
        size_t before = turns;
        ptk_sock_t *sock = ptk_sock_accept(listener, NULL, NULL, 50);
        CHECK((sock != NULL) == (passing_errors[i] == EINTR));
        CHECK(sock != NULL || turns > before);
        CHECK(sock != NULL || ptk_sock_accept(listener, NULL, NULL, 0) == NULL);
        ptk_sock_close(sock);
        if (sock) {
            CHECK_EQ(fd_close(peer), 0);
            peer = peer_connect(&addr);
        }
    }
    fault_count = 0;
    sock_world.tick_ns = 0;
    CHECK_OK(ptk_green_cancel(other));
    CHECK_OK(test_join(other));
    ptk_sock_close(listener);
    CHECK_EQ(fd_close(peer), 0);
    return PTK_OK;
}

TEST(p15_accept_that_fails_without_end_lets_others_run) {
    sock_in_green(errors_without_end);
}

/* --- a shortage of descriptors --- */

static uint64_t saved_limit;

/* From here on this process gets no new descriptor. */
static void use_up_descriptors(void) {
    if (RUNNING_ON_VALGRIND) {
        SKIP("Valgrind plays the limit itself, and accepts before it looks");
    }
    saved_limit = fd_limit((uint64_t) fd_next());
}

static void give_descriptors_back(void) {
    (void) fd_limit(saved_limit);
}

typedef struct shortage {
    ptk_sock_t *listener;
    ptk_addr_t addr;
    int peer;
    ptk_sock_t *spare;
} shortage_t;

/* A listener with one connection in its backlog, a socket to close, and no descriptor left. */
static shortage_t shortage_begin(void) {
    shortage_t shortage = {.spare = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0)};
    CHECK(shortage.spare != NULL);
    shortage.listener = sock_listener(5, &shortage.addr);
    int listener_fd = sock_world.last_fd;
    shortage.peer = peer_connect(&shortage.addr);
    peer_await(listener_fd, POLLIN);
    use_up_descriptors();
    return shortage;
}

static void shortage_end(shortage_t *shortage, ptk_sock_t *accepted) {
    ptk_sock_close(accepted);
    ptk_sock_close(shortage->spare);
    ptk_sock_close(shortage->listener);
    CHECK_EQ(fd_close(shortage->peer), 0);
}

static ptk_err wait_for_a_close(void *unused) {
    (void) unused;
    shortage_t shortage = shortage_begin();
    sock_task_t task = {.verb = SOCK_ACCEPT, .sock = shortage.listener, .timeout_ms = SOCK_FOREVER};
    uint64_t polls = sock_world.calls[PTK_SYS_poll];
    uint64_t accepts = sock_world.calls[PTK_SYS_accept];
    sock_task_start(&task);
    CHECK_OK(ptk_sleep_ms(10000));
    CHECK(!task.ended);
    CHECK(sock_world.calls[PTK_SYS_poll] - polls <= 60);
    CHECK(sock_world.calls[PTK_SYS_accept] - accepts <= 60);
    ptk_sock_close(shortage.spare);
    sock_settle();
    CHECK(task.ended);
    CHECK_OK(sock_task_join(&task));
    give_descriptors_back();
    shortage_end(&shortage, task.accepted);
    return PTK_OK;
}

TEST(p14_accept_without_descriptors_waits_and_goes_on_when_a_socket_closes) {
    sock_in_green(wait_for_a_close);
}

/* No socket of ptk is closed, but the limit rises again: accept finds out by trying from time to time. */
static ptk_err oscillate(void *unused) {
    (void) unused;
    for (int round = 0; round < 10; round++) {
        shortage_t shortage = shortage_begin();
        sock_task_t task = {.verb = SOCK_ACCEPT, .sock = shortage.listener, .timeout_ms = SOCK_FOREVER};
        uint64_t polls = sock_world.calls[PTK_SYS_poll];
        sock_task_start(&task);
        CHECK_OK(ptk_sleep_ms(1u << round));
        CHECK(!task.ended);
        give_descriptors_back();
        CHECK_OK(ptk_sleep_ms(1001));
        CHECK(task.ended);
        CHECK(sock_world.calls[PTK_SYS_poll] - polls <= 60);
        CHECK_OK(sock_task_join(&task));
        shortage_end(&shortage, task.accepted);
    }
    return PTK_OK;
}

TEST(p14_accept_with_an_oscillating_limit_looks_again_within_a_second) {
    sock_in_green(oscillate);
}

static ptk_err time_is_up(void *unused) {
    (void) unused;
    shortage_t shortage = shortage_begin();
    CHECK(ptk_sock_accept(shortage.listener, NULL, NULL, 0) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_NO_RESOURCES);
    uint64_t start = ptk_now_ns();
    CHECK(ptk_sock_accept(shortage.listener, NULL, NULL, 100) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_NO_RESOURCES);
    uint64_t waited_ns =
        ptk_now_ns() - start; /* by the test's clock: not until the pause after the deadline */
    CHECK(waited_ns >= 100 * PTK_NS_PER_MS && waited_ns < 110 * PTK_NS_PER_MS);
    give_descriptors_back();
    ptk_sock_t *sock = ptk_sock_accept(shortage.listener, NULL, NULL, SOCK_FOREVER);
    CHECK(sock != NULL);
    shortage_end(&shortage, sock);
    return PTK_OK;
}

TEST(p14_accept_without_descriptors_returns_no_resources_at_its_deadline) {
    sock_in_green(time_is_up);
}

/* The table of the whole system is full, or its memory: accept retries until that has passed. */
static ptk_err system_is_short(void *unused) {
    (void) unused;
    static const int errors[] = {ENFILE, ENOBUFS, ENOMEM, EMFILE};
    ptk_addr_t addr;
    ptk_sock_t *listener = sock_listener(5, &addr);
    sock_world.before = fail_accepts;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        uint64_t polls = sock_world.calls[PTK_SYS_poll];
        int peer = peer_connect(&addr);
        fault_errno = errors[i];
        fault_count = -1;
        CHECK(ptk_sock_accept(listener, NULL, NULL, 3000) == NULL);
        CHECK_ERR(ptk_get_err(), PTK_ERR_NO_RESOURCES);
        CHECK(sock_world.calls[PTK_SYS_poll] - polls <= 60);
        fault_count = 3;
        ptk_sock_t *sock = ptk_sock_accept(listener, NULL, NULL, SOCK_FOREVER);
        while (!sock && (errors[i] == ENOBUFS ||
                         errors[i] == ENOMEM)) { /* a shortage of memory may also be reported at once */
            CHECK_ERR(ptk_get_err(), PTK_ERR_NO_RESOURCES);
            sock = ptk_sock_accept(listener, NULL, NULL, SOCK_FOREVER);
        }
        CHECK(sock != NULL);
        CHECK_EQ(fault_count, 0);
        ptk_sock_close(sock);
        CHECK_EQ(fd_close(peer), 0);
    }
    ptk_sock_close(listener);
    return PTK_OK;
}

TEST(p14_accept_waits_while_the_system_is_short) {
    sock_in_green(system_is_short);
}

static ptk_err leave_the_shortage(void *unused) {
    (void) unused;
    shortage_t shortage = shortage_begin();
    sock_task_t tasks[3];
    for (int i = 0; i < 3; i++) {
        tasks[i] = (sock_task_t) {.verb = SOCK_ACCEPT, .sock = shortage.listener, .timeout_ms = SOCK_FOREVER};
        sock_task_start(&tasks[i]);
        sock_settle();
    }
    CHECK_OK(ptk_sleep_ms(100));
    CHECK_OK(ptk_green_cancel(tasks[0].green));
    CHECK_ERR(sock_task_join(&tasks[0]), PTK_ERR_CANCELED);
    ptk_sock_close(shortage.spare);
    CHECK_OK(sock_task_join(&tasks[1]));
    CHECK_OK(ptk_sleep_ms(100));
    ptk_sock_close(shortage.listener);
    CHECK_ERR(sock_task_join(&tasks[2]), PTK_ERR_CLOSED);
    give_descriptors_back();
    shortage_end(&shortage, tasks[1].accepted);
    return PTK_OK;
}

TEST(p14_accept_in_a_shortage_can_be_cancelled_and_closed) {
    sock_in_green(leave_the_shortage);
}

/* Two listeners are short of descriptors. Closing the second wakes its own waiter at once, although
   another waiter is first in the queue. */
static ptk_err close_the_second_listener(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    ptk_sock_t *second = sock_listener(5, &addr);
    shortage_t shortage = shortage_begin();
    sock_task_t tasks[2] = {
        {.verb = SOCK_ACCEPT, .sock = shortage.listener, .timeout_ms = SOCK_FOREVER},
        {.verb = SOCK_ACCEPT, .sock = second, .timeout_ms = SOCK_FOREVER},
    };
    sock_task_start(&tasks[0]);
    sock_task_start(&tasks[1]);
    CHECK_OK(ptk_sleep_ms(2000));
    CHECK(!tasks[0].ended && !tasks[1].ended);
    ptk_sock_close(second);
    sock_settle();
    CHECK(tasks[1].ended);
    CHECK_ERR(sock_task_join(&tasks[1]), PTK_ERR_CLOSED);
    CHECK_OK(sock_task_join(&tasks[0]));
    give_descriptors_back();
    shortage_end(&shortage, tasks[0].accepted);
    return PTK_OK;
}

TEST(p05_close_of_a_listener_that_is_short_of_descriptors) {
    sock_in_green(close_the_second_listener);
}

/* The waiter is parked for a connection. When it comes there is no descriptor, and the waiter is cancelled.
 */
static ptk_err cancel_into_a_shortage(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    ptk_sock_t *listener = sock_listener(5, &addr);
    int listener_fd = sock_world.last_fd;
    sock_task_t task = {.verb = SOCK_ACCEPT, .sock = listener, .timeout_ms = SOCK_FOREVER};
    sock_task_start(&task);
    sock_settle();
    int peer = peer_connect(&addr);
    peer_await(listener_fd, POLLIN);
    use_up_descriptors();
    CHECK_OK(ptk_green_cancel(task.green));
    CHECK_OK(ptk_sleep_ms(5000));
    give_descriptors_back();
    CHECK(task.ended);
    CHECK_ERR(sock_task_join(&task), PTK_ERR_CANCELED);
    ptk_sock_t *sock = ptk_sock_accept(listener, NULL, NULL, 0);
    CHECK(sock != NULL);
    ptk_sock_close(sock);
    ptk_sock_close(listener);
    CHECK_EQ(fd_close(peer), 0);
    return PTK_OK;
}

TEST(p46_accept_cancelled_as_descriptors_run_out) {
    sock_in_green(cancel_into_a_shortage);
}
