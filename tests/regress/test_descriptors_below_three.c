/* SPDX-License-Identifier: MIT */
/* In a program that was started without standard streams, ptk's descriptors got the numbers 0 to 2: output of
   the program then went into a connection, and a daemon that opened its streams later replaced the loop's
   poller. */
#include "regress_sock.h"

#include "ptk_test_faults.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

static bool standard_descriptors_are_free(void) {
    return fcntl(0, F_GETFD) < 0 && fcntl(1, F_GETFD) < 0 && fcntl(2, F_GETFD) < 0;
}

static void close_standard_descriptors(void) {
    CHECK_EQ(dup2(STDERR_FILENO, 50), 50);
    close(0);
    close(1);
    close(2);
}

static void standard_error_back(void) {
    CHECK_EQ(dup2(50, STDERR_FILENO), STDERR_FILENO);
}

static ptk_err connect_and_accept(void *unused) {
    ptk_addr_t addr;
    (void) unused;
    ptk_sock_t *listener = regress_listener(&addr);
    ptk_sock_t *client = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    CHECK_OK(ptk_sock_connect(client, ptk_addr_sockaddr(&addr), addr.length, PTK_TIMEOUT_INFINITE));
    ptk_sock_t *accepted = ptk_sock_accept(listener, NULL, NULL, PTK_TIMEOUT_INFINITE);
    CHECK(accepted != NULL);
    bool are_free = standard_descriptors_are_free();
    /* what a daemon does now must not reach the loop */
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    are_free = are_free && nothing == 0 && dup2(nothing, 1) == 1 && dup2(50, 2) == 2;
    CHECK(are_free);
    CHECK_OK(ptk_sleep_ms(1));
    char byte = 'x';
    CHECK_OK(ptk_sock_send(client, &byte, 1, PTK_TIMEOUT_INFINITE));
    CHECK_OK(ptk_sock_recv(accepted, &byte, 1, PTK_TIMEOUT_INFINITE));
    ptk_sock_close(accepted);
    ptk_sock_close(client);
    ptk_sock_close(listener);
    return PTK_OK;
}

static void run_without_standard_streams(void *platform) {
    close_standard_descriptors();
    ptk_event_loop_platform_t *loop = regress_loop(platform);
    CHECK(ptk_event_loop_platform_fd(loop) != PTK_OS_HANDLE_NONE || ptk_get_err() == PTK_ERR_NOT_SUPPORTED);
    ptk_err result = PTK_ERR_OS;
    ptk_green_t *green = test_spawn(connect_and_accept, NULL);
    test_run();
    CHECK_OK(ptk_green_join(green, &result, 0));
    CHECK_OK(result);
    test_loop_end(loop);
}

static void check_in_child(void (*body)(void *), const char *platform) {
    char output[1000];
    int status = ptk_test_in_child(body, (void *) (uintptr_t) platform, output, sizeof output);
    CHECK_STR(output, "");
    CHECK_EQ(status, 0);
}

TEST(p73_no_descriptor_is_numbered_below_three_epoll, REAL_PROCESS) {
    check_in_child(run_without_standard_streams, "epoll");
}

TEST(p73_no_descriptor_is_numbered_below_three_poll, REAL_PROCESS) {
    check_in_child(run_without_standard_streams, "poll");
}

/* Only 0 to 2 are free: a descriptor that cannot be moved is closed, and its opening has failed. */
static void run_without_other_numbers(void *platform) {
    ptk_event_loop_platform_t *loop = regress_loop(platform);
    CHECK_EQ(dup2(STDERR_FILENO, 50), 50);
    int last = 50;
    struct rlimit limit;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 51;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    while ((last = dup(50)) >= 0) {
    }
    close(0);
    close(1);
    close(2);
    ptk_sock_t *sock = ptk_sock_open(loop, AF_INET, SOCK_STREAM, 0);
    bool are_free = standard_descriptors_are_free();
    standard_error_back();
    CHECK(sock == NULL && are_free);
    CHECK_ERR(ptk_get_err(), PTK_ERR_NO_RESOURCES);
    CHECK_EQ(ptk_get_os_err(), EMFILE);
    test_loop_end(loop);
}

TEST(p73_without_another_number_opening_fails, REAL_PROCESS) {
    check_in_child(run_without_other_numbers, "epoll");
}
