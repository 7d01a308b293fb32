/* SPDX-License-Identifier: MIT */
/* What destroy reports as left behind: green threads that never ran, handles, sockets. */
#include "conformance.h"
#include "test_sock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static ptk_event_loop_platform_t *loop_that_reports(void) {
    ptk_event_loop_platform_options_t options = PTK_EVENT_LOOP_PLATFORM_OPTIONS_INIT;
    options.report_leaks = 1;
    return test_loop_with(&options);
}

/* Returns how many lines of the report are about leaks. */
static size_t leak_count(void) {
    size_t count = 0;
    for (const char *at = strstr(test_captured_report(), "leak: "); at; at = strstr(at + 1, "leak: ")) {
        count++;
    }
    return count;
}

static ptk_err do_nothing(void *arg) {
    (void) arg;
    return PTK_OK;
}

static ptk_err fail_with_refused(void *arg) {
    (void) arg;
    return PTK_ERR_REFUSED;
}

static ptk_err yield_for_ever(void *arg) {
    ptk_err err;
    ++*(int *) arg;
    do {
        err = ptk_yield();
    } while (err == PTK_OK);
    return err;
}

static ptk_err sleep_for_ever(void *arg) {
    ++*(int *) arg;
    return ptk_sleep_ms(PTK_TIMEOUT_INFINITE - 1);
}

TEST(leaks_of_a_clean_loop_are_none) {
    test_capture_begin();
    ptk_event_loop_platform_t *loop = loop_that_reports();
    test_go(do_nothing, NULL);
    CHECK_OK(ptk_green_detach(test_spawn(do_nothing, NULL)));
    ptk_sock_t *sock = ptk_sock_open(loop, AF_INET, SOCK_STREAM, 0);
    CHECK(sock != NULL);
    test_run();
    ptk_sock_close(sock);
    test_loop_end(loop);
    CHECK_STR(test_captured_report(), "");
    test_capture_end();
}

TEST(leaks_are_not_reported_without_the_option) {
    test_capture_begin();
    ptk_event_loop_platform_t *loop = test_loop();
    (void) test_spawn(do_nothing, NULL);
    test_run();
    CHECK(ptk_sock_open(loop, AF_INET, SOCK_STREAM, 0) != NULL);
    test_loop_end(loop);
    CHECK_STR(test_captured_report(), "");
    test_capture_end();
}

TEST(leaks_green_threads_that_never_ran_are_named) {
    TEST_NEEDS_OWN_STACKS("destroy refuses living coroutines");
    test_capture_begin();
    ptk_event_loop_platform_t *loop = loop_that_reports();
    int begun = 0;
    test_go(yield_for_ever, &begun);
    test_go(sleep_for_ever, &begun);
    while (begun < 2) {
        CHECK_OK(ptk_scheduler_poll(loop, 0, NULL));
    }
    test_go(do_nothing, NULL);
    test_loop_end(loop);
    CHECK_EQ(leak_count(), 1);
    CHECK(test_report_has("leak: green thread \"do_nothing\", spawned at tests/conformance/test_leaks.c:"));
    CHECK(test_report_has(", has never run"));
    test_capture_end();
}

static ptk_err stop_soon(void *arg) {
    (void) arg;
    PTK_IGNORE(ptk_yield());
    return ptk_scheduler_stop(NULL);
}

TEST(leaks_handles_that_were_not_joined_are_named) {
    test_capture_begin();
    ptk_event_loop_platform_t *loop = loop_that_reports();
    (void) test_check_spawned(
        ptk_green_spawn(NULL, &PTK_GREEN_OPTIONS(.name = "worker"), fail_with_refused, NULL));
    int begun = 0;
    (void) test_spawn(sleep_for_ever, &begun);
    test_go(stop_soon, NULL);
    test_run();
    test_loop_end(loop);
    CHECK_EQ(leak_count(), 2);
    CHECK(test_report_has(
        "leak: the handle of green thread \"worker\", spawned at tests/conformance/test_leaks.c:"));
    CHECK(test_report_has("its result was PTK_ERR_REFUSED"));
    CHECK(test_report_has("green thread \"sleep_for_ever\", spawned at tests/conformance/test_leaks.c:"));
    CHECK(test_report_has("its result was PTK_ERR_CANCELED"));
    test_capture_end();
}

/* A socket that was made by ptk_tcp_listen, one by ptk_sock_open. The place names this function, or where it
 * was inlined the test's. */
TEST(leaks_sockets_that_were_left_open_are_named_with_state_and_place) {
    test_capture_begin();
    ptk_event_loop_platform_t *loop = loop_that_reports();
    CHECK(ptk_tcp_listen(loop, "127.0.0.1:0", NULL) != NULL);
    CHECK(ptk_sock_open(loop, AF_INET, SOCK_STREAM, 0) != NULL);
    test_loop_end(loop);
    CHECK_EQ(leak_count(), 2);
    CHECK(test_report_has(", listening, 127.0.0.1:"));
    CHECK(test_report_has(", open, "));
    CHECK(test_report_has("it was made at "));
    CHECK(!test_report_has("ptk_tcp_listen"));
    test_capture_end();
}

typedef struct connection {
    ptk_sock_t *listener;
    uint16_t port;
} connection_t;

static ptk_err connect_and_forget(void *arg) {
    const connection_t *connection = arg;
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%u", connection->port);
    return ptk_tcp_connect(address, 1000) ? PTK_OK : ptk_get_err();
}

static ptk_err accept_and_forget(void *arg) {
    const connection_t *connection = arg;
    return ptk_sock_accept(connection->listener, NULL, NULL, 1000) ? PTK_OK : ptk_get_err();
}

TEST(leaks_connections_have_both_addresses) {
    test_capture_begin();
    ptk_event_loop_platform_t *loop = loop_that_reports();
    struct sockaddr_storage addr;
    socklen_t length = sizeof addr;
    connection_t connection = {.listener = ptk_tcp_listen(loop, "127.0.0.1:0", NULL)};
    CHECK(connection.listener != NULL);
    CHECK_OK(ptk_sock_local_addr(connection.listener, (struct sockaddr *) &addr, &length));
    connection.port = ptk_addr_port((struct sockaddr *) &addr, length);
    test_go(connect_and_forget, &connection);
    test_go(accept_and_forget, &connection);
    test_run();
    ptk_sock_close(connection.listener);
    test_loop_end(loop);
    CHECK_EQ(leak_count(), 2);
    char both[64];
    snprintf(both, sizeof both, "connected, 127.0.0.1:%u to 127.0.0.1:", connection.port);
    CHECK(test_report_has(both));
    snprintf(both, sizeof both, " to 127.0.0.1:%u, was left open", connection.port);
    CHECK(test_report_has(both));
    test_capture_end();
}

TEST(leaks_are_reported_by_environment, REAL_PROCESS) {
    static const struct {
        const char *value;
        size_t leaks;
    } cases[] = {{"1", 1}, {"0", 0}, {"", 0}, {"yes", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_EQ(setenv("PTK_REPORT_LEAKS", cases[i].value, 1), 0);
        test_capture_begin();
        ptk_event_loop_platform_t *loop = test_loop();
        (void) test_spawn(do_nothing, NULL);
        test_run();
        test_loop_end(loop);
        CHECK_EQ(leak_count(), cases[i].leaks);
        test_capture_end();
    }
    CHECK_EQ(unsetenv("PTK_REPORT_LEAKS"), 0);
}

/* What a forked child inherits is not left behind by it. */
TEST(leaks_of_the_parent_are_not_reported_in_a_forked_child, REAL_PROCESS) {
    test_capture_begin();
    ptk_event_loop_platform_t *loop = loop_that_reports();
    ptk_sock_t *sock = ptk_sock_open(loop, AF_INET, SOCK_STREAM, 0);
    CHECK(sock != NULL);
    pid_t child = fork();
    if (child == 0) {
        ptk_err err = ptk_event_loop_platform_destroy(loop);
        _exit(err == PTK_OK && leak_count() == 0 ? 0 : 1);
    }
    int status = -1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
    ptk_sock_close(sock);
    test_loop_end(loop);
    test_capture_end();
}
