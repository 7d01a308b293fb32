/* SPDX-License-Identifier: MIT */
/*
 * The specification, word for word: its prototypes stand here after ptk's headers, so they must agree with
 * them, and its usage pattern runs.
 */
#include <ptk.h>

/* --- ptk_waitable.h of the specification --- */

typedef struct ptk_waitable ptk_waitable_t;
typedef struct ptk_event_loop_platform ptk_event_loop_platform_t;

/**
 * Create a waitable and register it with an event loop (thread local).
 */
ptk_waitable_t *ptk_waitable_create(ptk_event_loop_platform_t *loop, ptk_waitable_type_t type,
                                    void *platform_handle);

/**
 * Destroy the waitable (must not be registered with event loop).
 */
void ptk_waitable_destroy(ptk_waitable_t *waitable);

/**
 * Wait for readiness (blocking from coroutine context).
 * This call yields the coroutine until the waitable is ready for the specified event.
 * Returns PTK_OK on success, error code otherwise.
 */
ptk_err ptk_waitable_wait(ptk_waitable_t *waitable, uint32_t events, uint32_t timeout_ms);

/* --- ptk_sock.h of the specification --- */

typedef struct ptk_sock ptk_sock_t;

/**
 * Open a socket and associate it with a thread-local event loop.
 */
ptk_sock_t *ptk_sock_open(ptk_event_loop_platform_t *loop, int af, int type, int proto);

/**
 * Close a socket.
 */
void ptk_sock_close(ptk_sock_t *sock);

/**
 * Coroutine-friendly blocking connect.
 */
ptk_err ptk_sock_connect(ptk_sock_t *sock, const struct sockaddr *addr, socklen_t addrlen,
                         uint32_t timeout_ms);

/**
 * Coroutine-friendly blocking send.
 */
ptk_err ptk_sock_send(ptk_sock_t *sock, const void *buf, size_t len, uint32_t timeout_ms);

/**
 * Coroutine-friendly blocking recv.
 */
ptk_err ptk_sock_recv(ptk_sock_t *sock, void *buf, size_t len, uint32_t timeout_ms);

/**
 * Coroutine-friendly blocking accept.
 */
ptk_sock_t *ptk_sock_accept(ptk_sock_t *sock, struct sockaddr *addr, socklen_t *addrlen, uint32_t timeout_ms);

/* --- tests --- */

#include <ptk_test.h>

#include <pthread.h>
#include <string.h>

/* The enumerators in the specification's order; an enumeration cannot be declared twice in C. */
_Static_assert(PTK_WAITABLE_SOCKET == 0, "PTK_WAITABLE_SOCKET is the first");
_Static_assert(PTK_WAITABLE_TIMER == 1, "PTK_WAITABLE_TIMER follows");
_Static_assert(PTK_WAITABLE_SIGNAL == 2, "PTK_WAITABLE_SIGNAL follows");
_Static_assert(PTK_WAITABLE_USER == 3, "PTK_WAITABLE_USER is the last");

/* One loop's program: a server, and the client of the specification's usage pattern. */
typedef struct program {
    ptk_event_loop_platform_t *loop;
    ptk_sock_t *listener;
    ptk_addr_t addr;
    char answer[6];
    bool served;
} program_t;

static ptk_err server(void *arg) {
    program_t *program = arg;
    struct sockaddr_storage from;
    socklen_t from_length = sizeof from;
    char bytes[5];
    ptk_sock_t *sock = ptk_sock_accept(program->listener, (struct sockaddr *) &from, &from_length, 5000);
    CHECK(sock != NULL);
    CHECK_OK(ptk_sock_recv(sock, bytes, sizeof bytes, 5000));
    CHECK_OK(ptk_sock_send(sock, bytes, sizeof bytes, 5000));
    ptk_sock_close(sock);
    program->served = true;
    return PTK_OK;
}

static ptk_err client(void *arg) {
    program_t *program = arg;
    ptk_sock_t *sock = ptk_sock_open(program->loop, AF_INET, SOCK_STREAM, 0);
    CHECK(sock != NULL);
    CHECK_OK(ptk_sock_connect(sock, ptk_addr_sockaddr(&program->addr), program->addr.length, 5000));
    CHECK_OK(ptk_sock_send(sock, "hello", 5, 5000));
    CHECK_OK(ptk_sock_recv(sock, program->answer, 5, 5000));
    ptk_sock_close(sock);
    return PTK_OK;
}

static void *thread_main(void *arg) {
    program_t *program = arg;
    program->loop = ptk_event_loop_platform_create();
    CHECK(program->loop != NULL);

    program->listener = ptk_sock_open(program->loop, AF_INET, SOCK_STREAM, 0);
    CHECK_OK(ptk_addr_parse("127.0.0.1:0", &program->addr));
    CHECK_OK(ptk_sock_bind(program->listener, ptk_addr_sockaddr(&program->addr), program->addr.length));
    CHECK_OK(ptk_sock_listen(program->listener, 1));
    CHECK_OK(ptk_sock_local_addr(program->listener, (struct sockaddr *) &program->addr.storage,
                                 &program->addr.length));
    CHECK_OK(ptk_go(program->loop, server, program));
    CHECK_OK(ptk_go(program->loop, client, program));

    CHECK_OK(ptk_scheduler_run(program->loop));
    ptk_sock_close(program->listener);
    CHECK_OK(ptk_event_loop_platform_destroy(program->loop));
    return NULL;
}

static void check_program(const program_t *program) {
    CHECK(program->served);
    CHECK_STR(program->answer, "hello");
}

TEST(spec_usage_pattern_runs) {
    static program_t program;
    thread_main(&program);
    check_program(&program);
}

/* "Each OS thread runs a separate platform event loop." */
TEST(spec_each_thread_runs_its_own_loop) {
    enum { THREADS = 4 };
    static program_t programs[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, thread_main, &programs[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
        CHECK(i == 0 || programs[i].loop != NULL);
        check_program(&programs[i]);
    }
}

static ptk_err wait_for_a_timer(void *unused) {
    (void) unused;
    const ptk_timer_spec_t soon = {.first_ns = 1000, .period_ns = 0};
    ptk_waitable_t *waitable = ptk_waitable_create(NULL, PTK_WAITABLE_TIMER, (void *) (uintptr_t) &soon);
    CHECK(waitable != NULL);
    CHECK_OK(ptk_waitable_wait(waitable, PTK_EVENT_READ, 5000));
    ptk_waitable_destroy(waitable);
    return PTK_OK;
}

TEST(spec_waitables_can_be_created_waited_for_and_destroyed) {
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    CHECK(loop != NULL);
    CHECK_OK(ptk_go(loop, wait_for_a_timer, NULL));
    CHECK_OK(ptk_scheduler_run(loop));
    CHECK_OK(ptk_event_loop_platform_destroy(loop));
}
