/* SPDX-License-Identifier: MIT */
#include <ptk_test.h>
#include <ptk_time.h>

#include "base/ptk_thread.h"
#include "sys/ptk_sys_linux.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const ptk_sys_t *const sys = &ptk_sys_real;

#define CANARY 4711
#define FAR    INT64_C(20000000000) /* so long that the test counts as hanging */

static bool is_readable_now(ptk_os_handle_t handle) {
    struct pollfd entry = {.fd = (int) handle, .events = POLLIN};
    return sys->poll(&entry, 1, 0) == 1;
}

/* --- the table as a whole ------------------------------------------------------------------------------- */

TEST(sys_table_has_every_entry) {
    void (*members[sizeof(ptk_sys_t) / sizeof(void (*)(void))])(void);
    memcpy(members, &ptk_sys_real, sizeof members);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        CHECK(members[i] != NULL);
    }
}

TEST(sys_in_use_is_that_of_the_thread_block) {
    ptk_sys_t table = ptk_sys_real;
    CHECK_EQ(ptk_sys(), &ptk_sys_real);
    ptk_thread()->sys = &table;
    CHECK_EQ(ptk_sys(), &table);
    ptk_thread()->sys = NULL;
    CHECK_EQ(ptk_sys(), &ptk_sys_real);
}

/* Every call that can fail returns the negated errno, and errno is unchanged. */
TEST(sys_failures_are_negative_and_leave_errno) {
    ptk_os_handle_t handle = PTK_OS_HANDLE_NONE;
    struct sockaddr_storage storage;
    struct sockaddr *addr = (struct sockaddr *) (void *) &storage;
    socklen_t length = sizeof storage;
    struct epoll_event event = {.events = EPOLLIN};
    struct sigaction action = {.sa_handler = SIG_IGN};
    void *nowhere = (void *) (uintptr_t) 1;
    char byte = 0;
    int one = 1;
    memset(&storage, 0, sizeof storage);
    errno = CANARY;
    CHECK_EQ(sys->socket(-1, SOCK_STREAM, 0, &handle), -EAFNOSUPPORT);
    CHECK_EQ(sys->bind(-1, addr, length), -EBADF);
    CHECK_EQ(sys->listen(-1, 1), -EBADF);
    CHECK_EQ(sys->accept(-1, addr, &length, &handle), -EBADF);
    CHECK_EQ(sys->connect(-1, addr, length), -EBADF);
    CHECK_EQ(sys->recv(-1, &byte, 1), -EBADF);
    CHECK_EQ(sys->send(-1, &byte, 1), -EBADF);
    CHECK_EQ(sys->shutdown(-1, SHUT_RD), -EBADF);
    CHECK_EQ(sys->close(-1), -EBADF);
    CHECK_EQ(sys->local_name(-1, addr, &length), -EBADF);
    CHECK_EQ(sys->peer_name(-1, addr, &length), -EBADF);
    CHECK_EQ(sys->get_option(-1, SOL_SOCKET, SO_ERROR, &byte, &length), -EBADF);
    CHECK_EQ(sys->set_option(-1, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one), -EBADF);
    CHECK_EQ(sys->epoll_ctl(-1, EPOLL_CTL_ADD, -1, &event), -EBADF);
    CHECK_EQ(sys->epoll_wait(-1, &event, 1, 0), -EBADF);
    CHECK_EQ(ptk_sys_linux_epoll_wait_ms(-1, &event, 1, 0), -EBADF);
    CHECK_EQ(sys->timer_set(-1, 1), -EBADF);
    CHECK_EQ(sys->wake_kick(-1), -EBADF);
    CHECK_EQ(sys->wake_drain(-1), -EBADF);
    CHECK_EQ(sys->signal_action(SIGKILL, &action, NULL), -EINVAL);
    CHECK_EQ(sys->unmap(nowhere, 1), -EINVAL);
    CHECK_EQ(sys->protect_none(nowhere, 1), -EINVAL);
    CHECK_EQ(sys->guard_install(nowhere, 1), -EINVAL);
    CHECK(sys->resident(nowhere, 1, (unsigned char *) &byte) < 0); /* EINVAL; ENOMEM under an emulator */
    CHECK_EQ(errno, CANARY);
    CHECK_EQ(handle, PTK_OS_HANDLE_NONE);
}

TEST(sys_out_of_memory_leaves_errno) {
    void *memory = NULL;
    errno = CANARY;
    CHECK(sys->map_stacks(SIZE_MAX / 2, &memory) < 0); /* ENOMEM; EINVAL under Valgrind */
    CHECK(memory == NULL);
    CHECK_EQ(errno, CANARY);
}

/* --- clock, entropy, heap ---------------------------------------------------------------------------------
 */

TEST(sys_clock_is_monotonic) {
    uint64_t last = sys->now_ns();
    for (int i = 0; i < 10000; i++) {
        uint64_t now = sys->now_ns();
        CHECK(now >= last);
        last = now;
    }
}

TEST(sys_random_bytes_fill_the_buffer) {
    unsigned char seen[300] = {0};
    unsigned char bytes[300];
    for (int round = 0; round < 20; round++) {
        CHECK_EQ(sys->random_bytes(bytes, sizeof bytes), 0);
        for (size_t i = 0; i < sizeof bytes; i++) {
            seen[i] |= bytes[i];
        }
    }
    for (size_t i = 0; i < sizeof seen; i++) {
        CHECK(seen[i] != 0);
    }
    CHECK_EQ(sys->random_bytes(NULL, 0), 0);
}

TEST(sys_environment_returns_variables_and_null) {
    CHECK_EQ(setenv("PTK_TEST_VARIABLE", "value", 1), 0);
    CHECK_STR(sys->environment("PTK_TEST_VARIABLE"), "value");
    CHECK(sys->environment("PTK_TEST_NO_VARIABLE") == NULL);
}

/* --- pages ---------------------------------------------------------------------------------------------- */

static char *map_pages(size_t count) {
    void *memory = NULL;
    CHECK_EQ(sys->map_stacks(count * sys->page_bytes(), &memory), 0);
    return memory;
}

TEST(sys_maps_pages_that_are_zero_until_touched) {
    const size_t page = sys->page_bytes();
    unsigned char vector[4];
    CHECK(page >= 4096 && (page & (page - 1)) == 0);
    char *memory = map_pages(4);
    CHECK_EQ(sys->resident(memory, 4 * page, vector), 0);
    CHECK_EQ(vector[0] & 1, 0);
    memory[2 * page] = 1;
    CHECK_EQ(sys->resident(memory, 4 * page, vector), 0);
    CHECK_EQ(vector[2] & 1, 1);
    CHECK_EQ(vector[1] & 1, 0);
    CHECK_EQ(memory[2 * page], 1);
    CHECK_EQ(memory[3 * page], 0);
    CHECK_EQ(sys->unmap(memory, 4 * page), 0);
}

TEST(sys_is_readable_distinguishes_a_guard_from_memory) {
    const size_t page = sys->page_bytes();
    char *memory = map_pages(2);
    errno = CANARY;
    CHECK(sys->is_readable(memory));
    CHECK(sys->is_readable(memory + 2 * page - 1));
    CHECK(sys->is_readable("text"));
    CHECK(!sys->is_readable(NULL));
    CHECK_EQ(sys->protect_none(memory, page), 0);
    CHECK(!sys->is_readable(memory) && !sys->is_readable(memory + page - 1));
    CHECK(sys->is_readable(memory + page));
    CHECK_EQ(errno, CANARY);
    CHECK_EQ(sys->unmap(memory, 2 * page), 0);
}

TEST(p64_guard_advice_is_proved_by_efault) {
    const size_t page = sys->page_bytes();
    char *memory = map_pages(2);
    int result = sys->guard_install(memory, page);
    bool holds = result == 0 && !sys->is_readable(memory);
    CHECK(sys->is_readable(memory + page));
    CHECK_EQ(sys->unmap(memory, 2 * page), 0);
    if (result == -EINVAL) {
        SKIP("this kernel has no guard advice");
    }
    CHECK_EQ(result, 0);
    if (!holds) {
        SKIP("guard advice is accepted here and does nothing");
    }
}

/* --- sockets -------------------------------------------------------------------------------------------- */

static struct sockaddr_in loopback(void) {
    struct sockaddr_in in4 = {.sin_family = AF_INET};
    in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return in4;
}

/* A connected pair of TCP sockets, by the table alone. */
static void connect_pair(ptk_os_handle_t pair[2]) {
    struct sockaddr_in in4 = loopback();
    struct sockaddr *addr = (struct sockaddr *) (void *) &in4;
    socklen_t length = sizeof in4;
    ptk_os_handle_t listener;
    CHECK_EQ(sys->socket(AF_INET, SOCK_STREAM, 0, &listener), 0);
    CHECK_EQ(sys->bind(listener, addr, length), 0);
    CHECK_EQ(sys->listen(listener, 1), 0);
    CHECK_EQ(sys->local_name(listener, addr, &length), 0);
    CHECK_EQ(length, sizeof in4);
    ptk_os_handle_t none;
    CHECK_EQ(sys->accept(listener, NULL, NULL, &none), -EAGAIN);
    CHECK_EQ(sys->socket(AF_INET, SOCK_STREAM, 0, &pair[0]), 0);
    int result = sys->connect(pair[0], addr, length);
    CHECK(result == 0 || result == -EINPROGRESS);
    struct pollfd entry = {.fd = (int) listener, .events = POLLIN};
    CHECK_EQ(sys->poll(&entry, 1, FAR), 1);
    CHECK_EQ(sys->accept(listener, NULL, NULL, &pair[1]), 0);
    CHECK_EQ(sys->close(listener), 0);
}

static void check_flags(ptk_os_handle_t handle, bool nonblocking) {
    CHECK(fcntl((int) handle, F_GETFD) & FD_CLOEXEC);
    if (nonblocking) {
        CHECK(fcntl((int) handle, F_GETFL) & O_NONBLOCK);
    }
}

TEST(sys_every_descriptor_is_close_on_exec) {
    ptk_os_handle_t pair[2];
    ptk_os_handle_t handles[3];
    connect_pair(pair);
    CHECK_EQ(sys->epoll_create(&handles[0]), 0);
    CHECK_EQ(sys->timer_open(&handles[1]), 0);
    CHECK_EQ(sys->wake_open(&handles[2], &handles[2]), 0);
    check_flags(pair[0], true);
    check_flags(pair[1], true);
    check_flags(handles[0], false);
    check_flags(handles[1], true);
    check_flags(handles[2], true);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(sys->close(handles[i]), 0);
    }
    CHECK_EQ(sys->close(pair[0]), 0);
    CHECK_EQ(sys->close(pair[1]), 0);
}

TEST(sys_sockets_transfer_bytes) {
    ptk_os_handle_t pair[2];
    char buffer[8] = "";
    int one = 1;
    socklen_t length = sizeof one;
    connect_pair(pair);
    CHECK_EQ(sys->recv(pair[1], buffer, sizeof buffer), -EAGAIN);
    CHECK_EQ(sys->send(pair[0], "bytes", 5), 5);
    struct pollfd entry = {.fd = (int) pair[1], .events = POLLIN};
    CHECK_EQ(sys->poll(&entry, 1, FAR), 1);
    CHECK_EQ(sys->recv(pair[1], buffer, sizeof buffer), 5);
    CHECK_STR(buffer, "bytes");
    CHECK_EQ(sys->set_option(pair[0], SOL_SOCKET, SO_KEEPALIVE, &one, length), 0);
    one = 0;
    CHECK_EQ(sys->get_option(pair[0], SOL_SOCKET, SO_KEEPALIVE, &one, &length), 0);
    CHECK_EQ(one, 1);
    struct sockaddr_in local;
    struct sockaddr_in peer;
    length = sizeof local;
    CHECK_EQ(sys->local_name(pair[0], (struct sockaddr *) (void *) &local, &length), 0);
    CHECK_EQ(sys->peer_name(pair[1], (struct sockaddr *) (void *) &peer, &length), 0);
    CHECK_EQ(local.sin_port, peer.sin_port);
    CHECK_EQ(sys->shutdown(pair[0], SHUT_WR), 0);
    CHECK_EQ(sys->poll(&entry, 1, FAR), 1);
    CHECK_EQ(sys->recv(pair[1], buffer, sizeof buffer), 0);
    CHECK_EQ(sys->close(pair[0]), 0);
    CHECK_EQ(sys->close(pair[1]), 0);
}

TEST(p16_send_to_a_closed_peer_raises_no_sigpipe) {
    ptk_os_handle_t pair[2];
    signal(SIGPIPE, SIG_DFL);
    connect_pair(pair);
    CHECK_EQ(sys->shutdown(pair[0], SHUT_WR), 0);
    errno = CANARY;
    CHECK_EQ(sys->send(pair[0], "x", 1), -EPIPE);
    CHECK_EQ(errno, CANARY);
    CHECK_EQ(sys->close(pair[0]), 0);
    CHECK_EQ(sys->close(pair[1]), 0);
}

/* --- pollers -------------------------------------------------------------------------------------------- */

typedef int (*epoll_wait_t)(ptk_os_handle_t epoll, struct epoll_event *events, int capacity,
                            int64_t timeout_ns);

static const epoll_wait_t epoll_waits[] = {ptk_sys_linux_epoll_wait, ptk_sys_linux_epoll_wait_ms};

/* Extreme limits of a wait. If something is ready, the wait must return it whatever the limit. */
static const int64_t limits[] = {
    -1,
    INT64_MIN,
    0,
    1,
    999999,
    INT64_C(2147483647) * 1000000 - 1,
    INT64_C(2147483647) * 1000000,
    INT64_C(2147483648) * 1000000,
    INT64_C(4294967295) * 1000000,
    INT64_C(4294967296) * 1000000,
    INT64_C(2147483647) * 1000000000,
    INT64_MAX,
};

TEST(p18_a_wait_for_what_is_ready_returns_it_with_any_limit) {
    ptk_os_handle_t epoll;
    ptk_os_handle_t wake;
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = UINT64_C(0x123456789abcdef0)};
    CHECK_EQ(sys->epoll_create(&epoll), 0);
    CHECK_EQ(sys->wake_open(&wake, &wake), 0);
    CHECK_EQ(sys->epoll_ctl(epoll, EPOLL_CTL_ADD, wake, &event), 0);
    CHECK_EQ(sys->wake_kick(wake), 0);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        for (int which = 0; which < 2; which++) {
            memset(&event, 0, sizeof event);
            CHECK_EQ(epoll_waits[which](epoll, &event, 1, limits[i]), 1);
            CHECK_EQ(event.data.u64, UINT64_C(0x123456789abcdef0));
        }
        struct pollfd entry = {.fd = (int) wake, .events = POLLIN};
        CHECK_EQ(sys->poll(&entry, 1, limits[i]), 1);
        CHECK_EQ(entry.revents, POLLIN);
    }
    CHECK_EQ(sys->close(wake), 0);
    CHECK_EQ(sys->close(epoll), 0);
}

static void on_alarm(int signal_number) {
    (void) signal_number;
}

/* A limit of centuries must not wrap to 0: only the alarm ends the wait. */
TEST(p18_timeout_does_not_wrap) {
    static const int64_t long_ones[] = {INT64_C(2147483648) * 1000000, INT64_C(4294967296) * 1000000,
                                        INT64_MAX};
    const struct sigaction action = {.sa_handler = on_alarm};
    ptk_os_handle_t epoll;
    struct epoll_event event;
    CHECK_EQ(sys->epoll_create(&epoll), 0);
    CHECK_EQ(sys->signal_action(SIGALRM, &action, NULL), 0);
    for (size_t i = 0; i < 3; i++) {
        for (int which = 0; which < 3; which++) {
            ualarm(2000, 50000); /* repeated: the first may come before the wait */
            int result = which == 2 ? sys->poll(NULL, 0, long_ones[i])
                                    : epoll_waits[which](epoll, &event, 1, long_ones[i]);
            ualarm(0, 0);
            CHECK_EQ(result, -EINTR);
        }
    }
    CHECK_EQ(sys->close(epoll), 0);
}

/* P20: rounded down to whole milliseconds, the wait would end before its time. */
TEST(p20_a_wait_is_never_early) {
    const uint64_t limit_ns = 1900000;
    ptk_os_handle_t epoll;
    struct epoll_event event;
    CHECK_EQ(sys->epoll_create(&epoll), 0);
    for (int which = 0; which < 3; which++) {
        uint64_t start = sys->now_ns();
        int result = which == 2 ? sys->poll(NULL, 0, (int64_t) limit_ns)
                                : epoll_waits[which](epoll, &event, 1, (int64_t) limit_ns);
        CHECK_EQ(result, 0);
        CHECK(sys->now_ns() - start >= limit_ns);
    }
    CHECK_EQ(sys->close(epoll), 0);
}

TEST(sys_timer_fires_at_once_for_the_past_and_never_for_never) {
    ptk_os_handle_t timer;
    CHECK_EQ(sys->timer_open(&timer), 0);
    CHECK(!is_readable_now(timer));
    const uint64_t past[] = {0, 1, sys->now_ns()};
    for (size_t i = 0; i < 3; i++) {
        struct pollfd entry = {.fd = (int) timer, .events = POLLIN};
        CHECK_EQ(sys->timer_set(timer, past[i]), 0);
        CHECK_EQ(sys->poll(&entry, 1, FAR), 1);
        CHECK_EQ(sys->timer_set(timer, PTK_TIME_NEVER), 0);
        CHECK(!is_readable_now(timer));
    }
    const uint64_t far[] = {PTK_TIME_NEVER - 1, UINT64_C(1) << 63, UINT64_C(2147483648) * 1000000000};
    for (size_t i = 0; i < 3; i++) {
        CHECK_EQ(sys->timer_set(timer, far[i]), 0);
        CHECK(!is_readable_now(timer));
    }
    CHECK_EQ(sys->close(timer), 0);
}

TEST(sys_timer_is_never_early) {
    ptk_os_handle_t timer;
    struct pollfd entry = {.events = POLLIN};
    CHECK_EQ(sys->timer_open(&timer), 0);
    entry.fd = (int) timer;
    for (int i = 0; i < 5; i++) {
        uint64_t deadline = sys->now_ns() + 100000;
        CHECK_EQ(sys->timer_set(timer, deadline), 0);
        CHECK_EQ(sys->poll(&entry, 1, FAR), 1);
        CHECK(sys->now_ns() >= deadline);
    }
    CHECK_EQ(sys->close(timer), 0);
}

TEST(sys_wake_is_readable_from_kick_to_drain) {
    ptk_os_handle_t wake;
    const uint64_t nearly_full = UINT64_MAX - 1;
    errno = CANARY;
    CHECK_EQ(sys->wake_open(&wake, &wake), 0);
    CHECK(!is_readable_now(wake));
    CHECK_EQ(sys->wake_drain(wake), 0);
    CHECK_EQ(sys->wake_kick(wake), 0);
    CHECK_EQ(sys->wake_kick(wake), 0);
    CHECK(is_readable_now(wake));
    CHECK_EQ(sys->wake_drain(wake), 0);
    CHECK(!is_readable_now(wake));
    CHECK_EQ(write((int) wake, &nearly_full, sizeof nearly_full), sizeof nearly_full);
    CHECK_EQ(sys->wake_kick(wake), 0); /* a full counter is readable, too */
    CHECK(is_readable_now(wake));
    CHECK_EQ(errno, CANARY);
    CHECK_EQ(sys->close(wake), 0);
}

/* --- signals and the process ---------------------------------------------------------------------------- */

static stack_t signal_stack(void) {
    stack_t stack;
    CHECK_EQ(sigaltstack(NULL, &stack), 0);
    return stack;
}

TEST(sys_signal_stack_is_installed_once) {
    const stack_t none = {.ss_flags = SS_DISABLE};
    stack_t before = signal_stack(); /* a sanitizer may have installed one */
    void *first = NULL;
    void *second = &second;
    CHECK_EQ(sigaltstack(&none, NULL), 0);
    CHECK_EQ(sys->signal_stack_install(&first), 0);
    CHECK(first != NULL);
    CHECK_EQ(signal_stack().ss_sp, first);
    CHECK_EQ(signal_stack().ss_size, 64 * 1024);
    CHECK_EQ(sys->signal_stack_install(&second), 0);
    CHECK(second == NULL);
    sys->signal_stack_remove(second);
    CHECK_EQ(signal_stack().ss_sp, first);
    sys->signal_stack_remove(first);
    CHECK(signal_stack().ss_flags & SS_DISABLE);
    CHECK_EQ(sigaltstack(&before, NULL), 0);
}

static int forks_seen;

static void see_fork(void) {
    forks_seen++;
}

static void check_fork_was_seen(void *argument) {
    (void) argument;
    CHECK_EQ(forks_seen, 1);
}

TEST(sys_at_fork_runs_in_the_child_alone) {
    char output[200];
    CHECK_EQ(sys->at_fork_child(see_fork), 0);
    CHECK_EQ(ptk_test_in_child(check_fork_was_seen, NULL, output, sizeof output), 0);
    CHECK_EQ(forks_seen, 0);
}

static void write_and_abort(void *argument) {
    (void) argument;
    errno = CANARY;
    sys->write_error("last words", 10);
    CHECK_EQ(errno, CANARY);
    sys->abort();
}

TEST(sys_write_error_and_abort) {
    char output[200];
    int status = ptk_test_in_child(write_and_abort, NULL, output, sizeof output);
    CHECK(strncmp(output, "last words", 10) == 0); /* an emulator adds a line of its own */
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

TEST(sys_symbolize_names_a_module) {
    ptk_sys_symbol_t symbol;
    void *nowhere = (void *) (uintptr_t) 1;
    CHECK(!sys->symbolize(nowhere, &symbol));
    CHECK(symbol.module == NULL && symbol.name == NULL);
    CHECK(sys->symbolize((const void *) (uintptr_t) write_and_abort, &symbol));
    CHECK(symbol.module != NULL && symbol.module[0] != '\0');
    CHECK(symbol.offset < (uintptr_t) 1 << 32);
    CHECK(symbol.module_offset < (uintptr_t) 1 << 32);
}

/* The second lookup finds the name where the first one has kept it. */
TEST(sys_symbolize_names_a_static_function) {
    for (int i = 0; i < 2; i++) {
        ptk_sys_symbol_t symbol;
        errno = CANARY;
        CHECK(sys->symbolize((const char *) (uintptr_t) write_and_abort + 3, &symbol));
        CHECK_EQ(errno, CANARY);
        CHECK(symbol.name != NULL);
        CHECK_STR(symbol.name, "write_and_abort");
        CHECK_EQ(symbol.offset, 3);
    }
}

/* More functions than names are kept: each is found again, and with its own name. */
TEST(sys_symbolize_forgets_no_name_wrongly) {
    static const char data[64] = {0};
    ptk_sys_symbol_t symbol;
    for (int i = 0; i < 200; i++) {
        CHECK(sys->symbolize(&data[i % 64], &symbol));
        CHECK(symbol.name == NULL || strcmp(symbol.name, "write_and_abort") != 0);
        CHECK(sys->symbolize((const void *) (uintptr_t) write_and_abort, &symbol));
        CHECK_STR(symbol.name, "write_and_abort");
    }
}

/* --- text ----------------------------------------------------------------------------------------------- */

TEST(sys_format_cuts_and_counts) {
    char buffer[6];
    errno = CANARY;
    CHECK_EQ(ptk_sys_format(buffer, sizeof buffer, "%d-%s", 12, "34567"), 8);
    CHECK_STR(buffer, "12-34");
    CHECK_EQ(ptk_sys_format(buffer, sizeof buffer, "%s", "12345"), 5);
    CHECK_STR(buffer, "12345");
    CHECK_EQ(ptk_sys_format(NULL, 0, "%s", "12345"), 5);
    CHECK_EQ(errno, CANARY);
}

TEST(sys_inet_text) {
    unsigned char bytes[16] = {0};
    char text[46];
    errno = CANARY;
    CHECK(ptk_sys_inet_parse(AF_INET, "1.2.3.4", bytes));
    CHECK(memcmp(bytes, "\1\2\3\4", 4) == 0);
    CHECK(ptk_sys_inet_format(AF_INET, bytes, text, sizeof text));
    CHECK_STR(text, "1.2.3.4");
    CHECK(!ptk_sys_inet_format(AF_INET, bytes, text, 7));
    CHECK(!ptk_sys_inet_parse(AF_INET, "1.2.3", bytes));
    CHECK(!ptk_sys_inet_parse(AF_UNIX, "1.2.3.4", bytes));
    CHECK_EQ(ptk_sys_interface_index("no-such-interface"), 0);
    CHECK_EQ(errno, CANARY);
}
