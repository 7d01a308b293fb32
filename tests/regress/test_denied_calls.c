/* SPDX-License-Identifier: MIT */
/*
 * Sandboxes deny system calls with EPERM or EACCES where a kernel without the call returns ENOSYS. Creating a
 * loop failed with NO_RESOURCES or its first wait failed, although poll(2) and a pipe were there. Each
 * program here runs in a child process under a seccomp filter of its own.
 */
#include "ptk_test.h"
#include "ptk_test_jail.h"

#include <errno.h>
#include <netinet/in.h>
#include <ptk.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALLS_MAX 8

#ifdef SYS_epoll_wait
#define EPOLL_WAIT_CALLS SYS_epoll_wait, SYS_epoll_pwait
#else
#define EPOLL_WAIT_CALLS SYS_epoll_pwait
#endif
#ifdef SYS_pipe
#define PIPE_CALLS SYS_pipe, SYS_pipe2
#else
#define PIPE_CALLS SYS_pipe2
#endif
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

/* What is denied, with which errno value, and what the program must do then. */
typedef struct jail {
    int calls[CALLS_MAX]; /* up to the first 0 or -1: no system call that ptk makes has these numbers */
    int os_err;
    const char *platform; /* the loop's; NULL: no loop can be created */
} jail_t;

/* --- in the child --- */

static void enter_jail(const jail_t *jail) {
    size_t count = 0;
    while (count < CALLS_MAX && jail->calls[count] > 0) {
        count++;
    }
    ptk_test_deny_calls(jail->calls, count, jail->os_err);
}

static ptk_err serve(void *listener) {
    char bytes[5];
    ptk_sock_t *sock = ptk_sock_accept(listener, NULL, NULL, PTK_TIMEOUT_INFINITE);
    CHECK(sock != NULL);
    CHECK_OK(ptk_sock_recv(sock, bytes, sizeof bytes, PTK_TIMEOUT_INFINITE));
    CHECK_OK(ptk_sleep_ms(1));
    CHECK_OK(ptk_sock_send(sock, bytes, sizeof bytes, PTK_TIMEOUT_INFINITE));
    ptk_sock_close(sock);
    return PTK_OK;
}

static void *signal_from_outside(void *signaler) {
    CHECK_OK(ptk_signaler_signal(signaler));
    return NULL;
}

/* Another thread's signal shows that the loop's wake works. */
static void be_woken(void) {
    pthread_t thread;
    ptk_waitable_t *event = ptk_waitable_create(NULL, PTK_WAITABLE_USER, NULL);
    ptk_signaler_t *signaler = ptk_waitable_signaler(event);
    CHECK(signaler != NULL);
    CHECK_EQ(pthread_create(&thread, NULL, signal_from_outside, signaler), 0);
    CHECK_OK(ptk_waitable_wait(event, PTK_EVENT_READ, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(pthread_join(thread, NULL), 0);
    ptk_signaler_unref(signaler);
    ptk_waitable_destroy(event);
}

static ptk_err talk(void *listener) {
    char bytes[5] = {0};
    struct sockaddr_in addr;
    socklen_t length = sizeof addr;
    CHECK_OK(ptk_sock_local_addr(listener, (struct sockaddr *) &addr, &length));
    CHECK_OK(ptk_go(NULL, serve, listener));
    ptk_sock_t *sock = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    CHECK_OK(ptk_sock_connect(sock, (struct sockaddr *) &addr, length, PTK_TIMEOUT_INFINITE));
    CHECK_OK(ptk_sock_send(sock, "hello", 5, PTK_TIMEOUT_INFINITE));
    CHECK_OK(ptk_sock_recv(sock, bytes, sizeof bytes, PTK_TIMEOUT_INFINITE));
    CHECK(memcmp(bytes, "hello", 5) == 0);
    ptk_sock_close(sock);
    be_woken();
    return PTK_OK;
}

static void live_in_jail(void *arg) {
    const jail_t *jail = arg;
    enter_jail(jail);
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    if (!jail->platform) {
        CHECK(loop == NULL);
        CHECK_ERR(ptk_get_err(), PTK_ERR_NOT_SUPPORTED);
        CHECK_EQ(ptk_get_os_err(), jail->os_err);
        return;
    }
    CHECK(loop != NULL);
    CHECK_STR(ptk_event_loop_platform_name(loop), jail->platform);
    ptk_sock_t *listener = ptk_tcp_listen(loop, "127.0.0.1:0", NULL);
    CHECK(listener != NULL);
    CHECK_OK(ptk_go(loop, talk, listener));
    CHECK_OK(ptk_scheduler_run(loop));
    ptk_sock_close(listener);
    CHECK_OK(ptk_event_loop_platform_destroy(loop));
    loop = ptk_event_loop_platform_create(); /* the second one says nothing */
    CHECK_OK(ptk_event_loop_platform_destroy(loop));
}

/* --- the tests --- */

static int count_of(const char *text, const char *part) {
    int count = 0;
    for (const char *found = strstr(text, part); found; found = strstr(found + 1, part)) {
        count++;
    }
    return count;
}

/* Runs the program in a jail. Its standard error must be one line with `line` in it, nothing if `line` is
 * NULL. */
static void check_jail(jail_t jail, const char *line) {
    char output[4096];
    int status = ptk_test_in_child(live_in_jail, &jail, output, sizeof output);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        SKIP("no seccomp filters here");
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        ptk_test_failed(__FILE__, __LINE__, "system call %d, errno %d: status %#x: %s", jail.calls[0],
                        jail.os_err, (unsigned) status, output);
    }
    if (count_of(output, "\n") != (line ? 1 : 0) || (line && !strstr(output, line))) {
        ptk_test_failed(__FILE__, __LINE__, "system call %d, errno %d: expected \"%s\", got \"%s\"",
                        jail.calls[0], jail.os_err, line ? line : "", output);
    }
}

static const int refusals[] = {EPERM, EACCES, ENOSYS};

#define FOR_EACH_REFUSAL(os_err)                                                                             \
    for (int i_ = 0, os_err = refusals[0]; i_ < 3; os_err = refusals[++i_ < 3 ? i_ : 0])

TEST(p71_without_epoll_create_a_loop_uses_poll) {
    FOR_EACH_REFUSAL(os_err) {
        check_jail((jail_t) {{SYS_epoll_create1}, os_err, "poll"}, "ptk: the system denies epoll_create1: ");
    }
}

TEST(p71_without_epoll_ctl_a_loop_uses_poll) {
    FOR_EACH_REFUSAL(os_err) {
        check_jail((jail_t) {{SYS_epoll_ctl}, os_err, "poll"}, "ptk: the system denies epoll_ctl: ");
    }
}

/* A kernel without epoll_pwait2 is an ordinary one, so that ENOSYS is not worth a line. */
TEST(p71_without_epoll_pwait2_a_loop_waits_in_milliseconds) {
    check_jail((jail_t) {{SYS_epoll_pwait2}, EPERM, "epoll"}, "ptk: the system denies epoll_pwait2: ");
    check_jail((jail_t) {{SYS_epoll_pwait2}, EACCES, "epoll"}, "ptk: the system denies epoll_pwait2: ");
    check_jail((jail_t) {{SYS_epoll_pwait2}, ENOSYS, "epoll"}, NULL);
}

TEST(p71_without_any_epoll_wait_a_loop_uses_poll) {
    check_jail((jail_t) {{SYS_epoll_pwait2, EPOLL_WAIT_CALLS}, ENOSYS, "poll"},
               "ptk: the system denies epoll_wait: ");
}

TEST(p71_without_eventfd_a_loop_is_woken_by_a_pipe) {
    FOR_EACH_REFUSAL(os_err) {
        check_jail((jail_t) {{SYS_eventfd2}, os_err, "epoll"}, "ptk: the system denies eventfd2: ");
    }
}

TEST(p71_without_ppoll_poll_is_used) {
#ifdef SYS_poll
    FOR_EACH_REFUSAL(os_err) {
        CHECK_EQ(setenv("PTK_PLATFORM", "poll", 1), 0);
        check_jail((jail_t) {{SYS_ppoll}, os_err, "poll"}, "ptk: the system denies ppoll: ");
    }
#else
    SKIP("this system has ppoll alone");
#endif
}

TEST(p71_without_any_wake_create_names_the_calls) {
    FOR_EACH_REFUSAL(os_err) {
        char output[4096];
        jail_t jail = {{SYS_eventfd2, PIPE_CALLS}, os_err, NULL};
        int status = ptk_test_in_child(live_in_jail, &jail, output, sizeof output);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
            SKIP("no seccomp filters here");
        }
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        CHECK(strstr(output, "denies eventfd2") && strstr(output, "denies pipe2"));
    }
}

/* A pipe does what process_vm_readv does, so there is nothing to report. */
TEST(p71_without_process_vm_readv_guards_are_proved_by_a_pipe) {
    FOR_EACH_REFUSAL(os_err) {
        check_jail((jail_t) {{SYS_process_vm_readv}, os_err, "epoll"}, NULL);
#ifdef SYS_pipe
        check_jail((jail_t) {{SYS_process_vm_readv, SYS_pipe2}, os_err, "epoll"}, NULL);
#endif
    }
}

TEST(p71_without_proof_guards_are_made_by_mprotect) {
    FOR_EACH_REFUSAL(os_err) {
        check_jail((jail_t) {{SYS_process_vm_readv, PIPE_CALLS}, os_err, "epoll"},
                   "stacks are guarded by mprotect, without proof that it works\n");
    }
}
