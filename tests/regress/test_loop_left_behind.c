/* SPDX-License-Identifier: MIT */
/* A loop that its thread does not end in the ordinary way. A forked child kept the ports and connections that
   it had inherited, because destroy was refused there. A thread that ended without destroying its loop left
   open a listener that accepted nothing, and nothing was reported. */
#include "regress_sock.h"

#include "base/ptk_memory.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* Returns the number of sockets, pollers and event descriptors of this process. */
static size_t count_loop_descriptors(void) {
    size_t count = 0;
    for (int fd = 3; fd < 256; fd++) {
        char path[64], target[64] = "";
        CHECK((size_t) snprintf(path, sizeof path, "/proc/self/fd/%d", fd) < sizeof path);
        count += readlink(path, target, sizeof target - 1) > 0 &&
                 (strncmp(target, "socket:", 7) == 0 || strncmp(target, "anon_inode:", 11) == 0);
    }
    return count;
}

/* --- a forked child --- */

typedef struct family {
    ptk_event_loop_platform_t *loop;
    ptk_sock_t *accepted;
    size_t descriptors_before; /* that are not the loop's */
} family_t;

static ptk_err wait_for_a_byte(void *arg) {
    char byte;
    return ptk_sock_recv(arg, &byte, 1, PTK_TIMEOUT_INFINITE) == PTK_OK ? PTK_OK : PTK_ERR_CANCELED;
}

/* What the child does, on a green thread of the parent's or outside. */
static void be_the_child(void *arg) {
    family_t *family = arg;
    char byte;
    CHECK_ERR(ptk_sock_recv(family->accepted, &byte, 1, 0), PTK_ERR_FORKED);
    CHECK_OK(ptk_event_loop_platform_destroy(family->loop));
    CHECK_EQ(count_loop_descriptors(), family->descriptors_before);
    CHECK_ERR(ptk_event_loop_platform_destroy(family->loop), PTK_ERR_FORKED);
    CHECK_ERR(ptk_sock_recv(family->accepted, &byte, 1, 0), PTK_ERR_CLOSED);
    CHECK(ptk_event_loop_platform_current() == NULL);
    ptk_event_loop_platform_t *own = test_loop();
    CHECK(own != NULL);
    test_loop_end(own);
}

static void fork_and_check(family_t *family) {
    char output[1000];
    int status = ptk_test_in_child(be_the_child, family, output, sizeof output);
    CHECK_STR(output, "");
    CHECK_EQ(status, 0);
}

/* The parent's registrations, in the poller that both share, are as before. */
static ptk_err check_the_parent(family_t *family, int peer) {
    char byte = 'x';
    CHECK_EQ(write(peer, &byte, 1), 1);
    CHECK_OK(ptk_sleep_ms(1));
    ptk_sock_close(family->accepted);
    CHECK_EQ(recv(peer, &byte, 1, 0), 0); /* no other process has the connection */
    return PTK_OK;
}

static ptk_err make_a_family(void *arg) {
    family_t *family = arg;
    int peer;
    int pair[2];
    family->accepted = regress_pair(&peer);
    CHECK_OK(ptk_go(NULL, wait_for_a_byte, family->accepted));
    test_socketpair(pair);
    ptk_waitable_t *foreign = test_fd_waitable(pair[0]);
    ptk_waitable_t *timer = test_timer_waitable(1000000, 0);
    ptk_waitable_t *user = test_user();
    CHECK_ERR(test_wait(foreign, 1), PTK_ERR_TIMEOUT);
    family->descriptors_before += 3; /* these are not the loop's */
    fork_and_check(family);
    CHECK_EQ(write(pair[1], "x", 1), 1);
    CHECK_OK(test_wait(foreign, PTK_TIMEOUT_INFINITE));
    ptk_waitable_destroy(foreign);
    ptk_waitable_destroy(timer);
    ptk_waitable_destroy(user);
    test_close_pair(pair);
    check_the_parent(family, peer);
    CHECK_EQ(close(peer), 0);
    return PTK_OK;
}

static void fork_from_a_green_thread(const char *platform) {
    family_t family = {.descriptors_before = count_loop_descriptors()};
    family.loop = regress_loop(platform);
    ptk_err result = PTK_ERR_OS;
    ptk_green_t *green = test_spawn(make_a_family, &family);
    test_run();
    CHECK_OK(ptk_green_join(green, &result, 0));
    CHECK_OK(result);
    test_loop_end(family.loop);
}

TEST(p74_destroy_in_a_forked_child_closes_what_it_inherited_epoll, REAL_PROCESS) {
    fork_from_a_green_thread("epoll");
}

TEST(p74_destroy_in_a_forked_child_closes_what_it_inherited_poll, REAL_PROCESS) {
    fork_from_a_green_thread("poll");
}

/* Outside green threads and without any, all memory is freed too. */
static void be_the_child_of_an_idle_loop(void *arg) {
    family_t *family = arg;
    CHECK_OK(ptk_event_loop_platform_destroy(family->loop));
    CHECK_EQ(count_loop_descriptors(), family->descriptors_before);
    CHECK_EQ(ptk_allocations_live(), 0);
}

static ptk_err nothing(void *unused) {
    (void) unused;
    return PTK_OK;
}

TEST(p74_destroy_in_a_forked_child_frees_an_idle_loop, REAL_PROCESS) {
    char output[1000];
    family_t family = {.descriptors_before = count_loop_descriptors()};
    family.loop = test_loop();
    ptk_addr_t addr;
    ptk_sock_t *listener = regress_listener(&addr);
    ptk_waitable_t *timer = test_timer_waitable(1000, 1000);
    CHECK_OK(ptk_go(family.loop, nothing, NULL));
    test_run();
    int status = ptk_test_in_child(be_the_child_of_an_idle_loop, &family, output, sizeof output);
    CHECK_STR(output, "");
    CHECK_EQ(status, 0);
    ptk_waitable_destroy(timer);
    ptk_sock_close(listener);
    test_loop_end(family.loop);
}

/* A child that has a loop of its own already keeps it. */
static void be_a_child_with_a_loop(void *arg) {
    ptk_event_loop_platform_t *own = test_loop();
    CHECK_OK(ptk_event_loop_platform_destroy(arg));
    CHECK(ptk_event_loop_platform_current() == own);
    CHECK_OK(ptk_go(own, nothing, NULL));
    test_run();
    test_loop_end(own);
}

TEST(p74_a_forked_child_with_a_loop_of_its_own_destroys_the_inherited_one, REAL_PROCESS) {
    char output[1000];
    ptk_event_loop_platform_t *loop = test_loop();
    int status = ptk_test_in_child(be_a_child_with_a_loop, loop, output, sizeof output);
    CHECK_STR(output, "");
    CHECK_EQ(status, 0);
    test_loop_end(loop);
}

/* --- a thread that ends --- */

static ptk_err sleep_long(void *unused) {
    (void) unused;
    return ptk_sleep_ms(1000000);
}

static ptk_err leave_the_thread(void *unused) {
    (void) unused;
    CHECK_OK(ptk_yield());
    pthread_exit(NULL);
}

static void *leave_a_loop(void *fn) {
    ptk_addr_t addr;
    CHECK(test_loop() != NULL);
    CHECK(regress_listener(&addr) != NULL);
    if (fn) {
        CHECK_OK(ptk_go(NULL, *(ptk_green_fn *) fn, NULL));
        CHECK_OK(ptk_scheduler_poll(NULL, 0, NULL));
        CHECK_OK(ptk_scheduler_poll(NULL, 0, NULL));
    }
    return NULL;
}

static void leave_loops(void *fn) {
    size_t before = count_loop_descriptors();
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        CHECK_EQ(pthread_create(&thread, NULL, leave_a_loop, fn), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
    CHECK_EQ(count_loop_descriptors(), before);
    CHECK(fn != NULL || ptk_allocations_live() == 0);
}

static void check_loops_left(ptk_green_fn fn, const char *line) {
    char output[2000];
    char expected[1000] = "";
    int status = ptk_test_in_child(leave_loops, fn ? (void *) &fn : NULL, output, sizeof output);
    for (int i = 0; i < 3; i++) {
        strcat(expected, line);
    }
    CHECK_STR(output, expected);
    CHECK_EQ(status, 0);
}

TEST(p82_thread_that_ends_with_an_idle_loop_destroys_it, REAL_THREADS | REAL_PROCESS) {
    check_loops_left(NULL, "ptk: a thread ended without destroying its loop: its sockets are closed\n");
}

TEST(p82_thread_that_ends_with_green_threads_closes_their_sockets, REAL_THREADS | REAL_PROCESS) {
    check_loops_left(sleep_long,
                     "ptk: a thread ended without destroying its loop: its sockets are closed, its "
                     "green threads never run again\n");
}

TEST(p82_pthread_exit_in_a_green_thread_closes_the_loop, REAL_THREADS | REAL_PROCESS) {
    if (PTK_TEST_ASAN || PTK_TEST_TSAN) {
        SKIP("a sanitizer takes the jump back to the thread's own stack for an error");
    }
    check_loops_left(leave_the_thread, "ptk: a thread ended without destroying its loop: its sockets are "
                                       "closed, its green threads never run again\n");
}
