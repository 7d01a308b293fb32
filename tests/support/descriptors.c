/* SPDX-License-Identifier: MIT */
/* Each function makes a call of the system, or the same call of the simulated kernel, whose result it
   converts into the form of the system. */
#include "descriptors.h"

#include "base/ptk_choice.h"
#include "base/ptk_signal_table.h"
#include "base/ptk_thread.h"
#include "ptk_test.h"
#include "sim/kernel/ptk_sim_kernel.h"
#include "sim/kernel/ptk_sim_site.h"
#include <errno.h>
#include <linux/filter.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <ptk_time.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

bool test_is_simulated(void) {
    return ptk_sim_kernel_here() != NULL;
}

/* --- on a simulated host --- */

/*
 * A test's own calls are its instrument: the kernel does not cut or interrupt them, whatever decides about
 * the calls of ptk. Packets that are sent meanwhile are cut as ever.
 */
static struct {
    ptk_choice_oracle_t oracle;
    ptk_choice_oracle_t *below;
} undisturbed;

static uint32_t choose_undisturbed(ptk_choice_oracle_t *oracle, uint32_t site, uint32_t count) {
    (void) oracle;
    return site == PTK_SIM_SITE_SEGMENT ? undisturbed.below->choose(undisturbed.below, site, count) : 0;
}

static void undisturbed_begin(void) {
    ptk_thread_block_t *block = ptk_thread();
    undisturbed.oracle.choose = choose_undisturbed;
    undisturbed.below = block->oracle;
    block->oracle = undisturbed.below ? &undisturbed.oracle : NULL;
}

static void undisturbed_end(void) {
    ptk_thread()->oracle = undisturbed.below;
}

/* Fires all events that are due by now: packets of the host to itself take no time. */
static void let_arrive(void) {
    ptk_sim_event_queue_t *events = &ptk_sim_kernel_here()->net->events;
    while (ptk_sim_event_queue_next_ns(events) <= events->now_ns) {
        (void) ptk_sim_event_queue_step(events);
    }
}

static intptr_t system_result(intptr_t result) {
    if (result < 0) {
        errno = (int) -result;
        return -1;
    }
    return result;
}

/* Makes a call of the simulated kernel, before and after which everything that was sent arrives. */
#define CALL_SIMULATED(simulated)                                                                            \
    undisturbed_begin();                                                                                     \
    let_arrive();                                                                                            \
    intptr_t result_of_call = (intptr_t) (simulated);                                                        \
    let_arrive();                                                                                            \
    undisturbed_end();                                                                                       \
    intptr_t result_for_system = system_result(result_of_call)

/* Returns from the function with the result of `simulated`, a call of the simulated kernel, on a simulated
   host, and with that of `real`, a call of the system, elsewhere. */
#define EITHER(type, simulated, real)                                                                        \
    do {                                                                                                     \
        if (!test_is_simulated()) {                                                                          \
            return real;                                                                                     \
        }                                                                                                    \
        CALL_SIMULATED(simulated);                                                                           \
        return (type) result_for_system;                                                                     \
    } while (0)

/* Like EITHER, for a call of the simulated kernel that stores a descriptor in `handle`, which is returned. */
#define EITHER_OPENS(simulated, real)                                                                        \
    do {                                                                                                     \
        ptk_os_handle_t handle = -1;                                                                         \
        if (!test_is_simulated()) {                                                                          \
            return real;                                                                                     \
        }                                                                                                    \
        CALL_SIMULATED(simulated);                                                                           \
        return result_for_system < 0 ? -1 : (int) handle;                                                    \
    } while (0)

/* --- sockets --- */

int fd_socket(int family) {
    EITHER_OPENS(ptk_sim_sys.socket(family, SOCK_STREAM, 0, &handle),
                 socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

int fd_bind(int fd, const struct sockaddr *addr, socklen_t addrlen) {
    EITHER(int, ptk_sim_sys.bind(fd, addr, addrlen), bind(fd, addr, addrlen));
}

int fd_listen(int fd, int backlog) {
    EITHER(int, ptk_sim_sys.listen(fd, backlog), listen(fd, backlog));
}

int fd_connect(int fd, const struct sockaddr *addr, socklen_t addrlen) {
    EITHER(int, ptk_sim_sys.connect(fd, addr, addrlen), connect(fd, addr, addrlen));
}

int fd_accept(int fd) {
    EITHER_OPENS(ptk_sim_sys.accept(fd, NULL, NULL, &handle),
                 accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

int fd_local_name(int fd, struct sockaddr *addr, socklen_t *addrlen) {
    EITHER(int, ptk_sim_sys.local_name(fd, addr, addrlen), getsockname(fd, addr, addrlen));
}

int fd_peer_name(int fd, struct sockaddr *addr, socklen_t *addrlen) {
    EITHER(int, ptk_sim_sys.peer_name(fd, addr, addrlen), getpeername(fd, addr, addrlen));
}

int fd_get_option(int fd, int level, int name, void *value, socklen_t *length) {
    EITHER(int, ptk_sim_sys.get_option(fd, level, name, value, length),
           getsockopt(fd, level, name, value, length));
}

int fd_set_option(int fd, int level, int name, const void *value, socklen_t length) {
    EITHER(int, ptk_sim_sys.set_option(fd, level, name, value, length),
           setsockopt(fd, level, name, value, length));
}

int fd_shutdown(int fd, int how) {
    EITHER(int, ptk_sim_sys.shutdown(fd, how), shutdown(fd, how));
}

int fd_fall_silent(int fd) {
    struct sock_filter drop = {.code = BPF_RET | BPF_K, .k = 0};
    const struct sock_fprog program = {.len = 1, .filter = &drop};
    int result = fd_set_option(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
    if (result != 0 && errno == EPERM && !test_is_simulated()) {
        SKIP("the system attaches filters for privileged users alone");
    }
    return result;
}

ssize_t fd_recv(int fd, void *buffer, size_t bytes) {
    EITHER(ssize_t, ptk_sim_sys.recv(fd, buffer, bytes), recv(fd, buffer, bytes, MSG_DONTWAIT));
}

ssize_t fd_send(int fd, const void *buffer, size_t bytes) {
    EITHER(ssize_t, ptk_sim_sys.send(fd, buffer, bytes),
           send(fd, buffer, bytes, MSG_DONTWAIT | MSG_NOSIGNAL));
}

/* Returns the TCP endpoint of a descriptor, which must have one. */
static ptk_sim_tcp_t *endpoint(int fd) {
    ptk_sim_file_t *file = ptk_sim_file_find(ptk_sim_kernel_here(), fd);
    CHECK(file && file->kind == PTK_SIM_FILE_TCP && file->u.tcp);
    return file->u.tcp;
}

int fd_send_urgent(int fd, char byte) {
    EITHER(int, ptk_sim_tcp_send(endpoint(fd), &byte, 1, true),
           (int) send(fd, &byte, 1, MSG_OOB | MSG_NOSIGNAL));
}

/* --- descriptors of any kind --- */

ssize_t fd_read(int fd, void *buffer, size_t bytes) {
    EITHER(ssize_t, ptk_sim_sys.recv(fd, buffer, bytes), read(fd, buffer, bytes));
}

ssize_t fd_write(int fd, const void *buffer, size_t bytes) {
    EITHER(ssize_t, ptk_sim_sys.send(fd, buffer, bytes), write(fd, buffer, bytes));
}

int fd_poll(struct pollfd *entries, size_t count, int timeout_ms) {
    EITHER(int, ptk_sim_sys.poll(entries, count, timeout_ms < 0 ? -1 : timeout_ms * (int64_t) PTK_NS_PER_MS),
           poll(entries, count, timeout_ms));
}

int fd_duplicate(int fd) {
    EITHER_OPENS(ptk_sim_file_dup(ptk_sim_kernel_here(), fd, &handle), fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

int fd_duplicate_to(int fd, int number) {
    EITHER(int, ptk_sim_file_dup_to(ptk_sim_kernel_here(), fd, number), dup3(fd, number, O_CLOEXEC));
}

int fd_close(int fd) {
    EITHER(int, ptk_sim_sys.close(fd), close(fd));
}

/* --- pairs --- */

/* Connects two sockets over a listener, which it closes. Nothing else on a simulated host can connect in
   between, so the accepted socket is the peer. */
static int connect_pair(int listener, int fds[2]) {
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof addr;
    CHECK(fd_bind(listener, (struct sockaddr *) &addr, length) == 0);
    CHECK(fd_listen(listener, 1) == 0);
    CHECK(fd_local_name(listener, (struct sockaddr *) &addr, &length) == 0);
    fds[1] = fd_socket(AF_INET);
    CHECK(fds[1] >= 0);
    CHECK(fd_connect(fds[1], (struct sockaddr *) &addr, length) == -1 && errno == EINPROGRESS);
    fds[0] = fd_accept(listener);
    CHECK(fds[0] >= 0);
    return fd_close(listener);
}

int fd_socketpair(int fds[2]) {
    if (!test_is_simulated()) {
        return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds);
    }
    return connect_pair(fd_socket(AF_INET), fds);
}

int fd_pipe(int fds[2]) {
    return test_is_simulated() ? fd_socketpair(fds) : pipe2(fds, O_NONBLOCK | O_CLOEXEC);
}

/* --- events --- */

static int open_eventfd(void) {
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0 && errno == EPERM) {
        SKIP("the system denies eventfds");
    }
    return fd;
}

int fd_event(void) {
    EITHER_OPENS(ptk_sim_sys.wake_open(&handle, &handle), open_eventfd());
}

int fd_event_add(int fd) {
    EITHER(int, ptk_sim_sys.wake_kick(fd), eventfd_write(fd, 1));
}

static int take_wake(int fd, uint64_t *count_out) {
    const ptk_sim_file_t *file = ptk_sim_file_find(ptk_sim_kernel_here(), fd);
    if (file && file->kind == PTK_SIM_FILE_WAKE && !file->u.kicked) {
        return -EAGAIN;
    }
    *count_out = 1;
    return ptk_sim_sys.wake_drain(fd);
}

int fd_event_take(int fd, uint64_t *count_out) {
    EITHER(int, take_wake(fd, count_out), eventfd_read(fd, count_out));
}

/* --- numbers --- */

int fd_next(void) {
    int fd = test_is_simulated() ? fd_event() : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    CHECK(fd >= 0 && fd_close(fd) == 0);
    return fd;
}

uint64_t fd_limit(uint64_t limit) {
    if (test_is_simulated()) {
        uint64_t before = ptk_sim_kernel_here()->descriptor_limit;
        ptk_sim_kernel_here()->descriptor_limit = (uint32_t) limit;
        return before;
    }
    struct rlimit numbers;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &numbers), 0);
    uint64_t before = numbers.rlim_cur;
    numbers.rlim_cur = limit;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &numbers), 0);
    return before;
}

/* --- bytes under way --- */

static int count_of(int fd, unsigned long request) {
    int count = 0;
    CHECK_EQ(ioctl(fd, request, &count), 0);
    return count;
}

int fd_unread(int fd) {
    EITHER(int, (int) ptk_sim_tcp_unread(endpoint(fd)), count_of(fd, FIONREAD));
}

int fd_unacknowledged(int fd) {
    EITHER(int, (int) ptk_sim_tcp_unacknowledged(endpoint(fd)), count_of(fd, TIOCOUTQ));
}

void fd_acknowledge(int fd) {
    int at_once = 1;
    CHECK_EQ(setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &at_once, sizeof at_once), 0);
}

/* --- signals --- */

static int let_signal_arrive(int signal_number) {
    ptk_signal_arrives(signal_number, ptk_sim_kernel_here());
    return 0;
}

int test_raise(int signal_number) {
    return test_is_simulated() ? let_signal_arrive(signal_number) : raise(signal_number);
}

int test_kill(int signal_number) {
    return test_is_simulated() ? let_signal_arrive(signal_number) : kill(getpid(), signal_number);
}
