/* SPDX-License-Identifier: MIT */
/* The log wrote to descriptor 2 whatever it was: into a connection of the program's, into a pipe without a
   reader, which ended the process, and into a full pipe, which stopped the loop. Each test is a child that
   makes its own standard error. */
#include "conformance.h"

#include "base/ptk_log_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BIG_BYTES 70000

/* Runs `body` in a child, where it writes its results to standard error, descriptor 50, at the end. */
static void check_in_child(void (*body)(void *), const char *expected) {
    char output[4096];
    int status = ptk_test_in_child(body, NULL, output, sizeof output);
    CHECK_STR(output, expected);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Makes `fd` standard error, keeps the earlier one for check_in_child, and creates the loop that adopts it.
 */
static void adopt_as_error(int fd) {
    CHECK_EQ(dup2(STDERR_FILENO, 50), 50);
    CHECK_EQ(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    close(fd);
    ptk_event_loop_platform_t *loop = test_loop();
    CHECK(loop != NULL);
}

/* Restores standard error for the messages of the checks. */
static void error_back(void) {
    CHECK_EQ(dup2(50, STDERR_FILENO), STDERR_FILENO);
}

static void fill(int fd) {
    char bytes[512];
    memset(bytes, 'f', sizeof bytes);
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    for (size_t portion = sizeof bytes; portion > 0;) {
        portion = write(fd, bytes, portion) > 0 ? portion : portion / 2;
    }
    fcntl(fd, F_SETFL, flags);
}

/* Returns what is in `fd` after the bytes of fill, and empties it. */
static const char *take_text(int fd) {
    static char text[BIG_BYTES * 8];
    ssize_t total = 0;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    for (ssize_t got; (got = read(fd, text + total, sizeof text - 1 - (size_t) total)) > 0;) {
        total += got;
    }
    text[total] = '\0';
    return text + strspn(text, "f");
}

/* --- a stranger's descriptor --- */

static void log_beside_a_stranger(void *unused) {
    int pair[2];
    (void) unused;
    adopt_as_error(dup(STDERR_FILENO));
    close(STDERR_FILENO);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    bool replaced = pair[0] == STDERR_FILENO || dup2(pair[0], STDERR_FILENO) == STDERR_FILENO;
    ptk_log(PTK_LOG_WARNING, "for the operator");
    ptk_report("for the operator too");
    const char *text = take_text(pair[1]);
    error_back();
    CHECK(replaced);
    CHECK_STR(text, "");
    ptk_log(PTK_LOG_WARNING, "it is back");
    ptk_report("and nothing was lost since");
}

TEST(p72_log_goes_into_no_connection, REAL_PROCESS) {
    check_in_child(log_beside_a_stranger,
                   "ptk: 2 lines before this one were lost\nptk: it is back\nand nothing was lost since\n");
}

static void log_without_standard_error(void *unused) {
    int pair[2];
    (void) unused;
    CHECK_EQ(dup2(STDERR_FILENO, 50), 50);
    close(STDERR_FILENO);
    CHECK(ptk_event_loop_platform_create() != NULL);
    CHECK_EQ(fcntl(STDERR_FILENO, F_GETFD), -1);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    bool replaced = dup2(pair[0], STDERR_FILENO) == STDERR_FILENO;
    ptk_log(PTK_LOG_WARNING, "for the operator");
    const char *text = take_text(pair[1]);
    error_back();
    CHECK(replaced);
    CHECK_STR(text, "");
}

TEST(p72_log_of_a_program_without_standard_error_is_dropped, REAL_PROCESS) {
    check_in_child(log_without_standard_error, "");
}

static void log_with_a_later_loop(void *unused) {
    (void) unused;
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    test_loop_end(loop);
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    adopt_as_error(ends[1]);
    ptk_log(PTK_LOG_WARNING, "hello");
    const char *text = take_text(ends[0]);
    error_back();
    CHECK_STR(text, "ptk: hello\n");
}

TEST(p72_log_goes_to_what_the_next_loop_finds, REAL_PROCESS) {
    check_in_child(log_with_a_later_loop, "");
}

/* --- signals --- */

static void log_without_reader(void *unused) {
    int ends[2];
    sigset_t pending;
    (void) unused;
    CHECK_EQ(pipe(ends), 0);
    adopt_as_error(ends[1]);
    close(ends[0]);
    errno = EDOM;
    ptk_log(PTK_LOG_WARNING, "nothing reads this");
    int kept_errno = errno;
    error_back();
    CHECK_EQ(kept_errno, EDOM);
    CHECK_EQ(sigpending(&pending), 0);
    CHECK_EQ(sigismember(&pending, SIGPIPE), 0);
    CHECK_EQ(sigprocmask(SIG_BLOCK, NULL, &pending), 0);
    CHECK_EQ(sigismember(&pending, SIGPIPE), 0);
}

TEST(p72_log_survives_a_reader_that_is_gone, REAL_PROCESS | REAL_SIGNALS) {
    check_in_child(log_without_reader, "");
}

static void log_with_a_pending_signal(void *unused) {
    int ends[2];
    sigset_t set;
    (void) unused;
    CHECK_EQ(pipe(ends), 0);
    adopt_as_error(ends[1]);
    close(ends[0]);
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    CHECK_EQ(sigprocmask(SIG_BLOCK, &set, NULL), 0);
    CHECK_EQ(raise(SIGPIPE), 0);
    ptk_log(PTK_LOG_WARNING, "nothing reads this");
    error_back();
    CHECK_EQ(sigpending(&set), 0);
    CHECK_EQ(sigismember(&set, SIGPIPE), 1); /* it is the program's */
}

TEST(p72_log_leaves_the_programs_own_signal_pending, REAL_PROCESS | REAL_SIGNALS) {
    check_in_child(log_with_a_pending_signal, "");
}

static void log_to_a_file_at_its_limit(void *unused) {
    const struct rlimit none = {0, 0};
    char path[] = "/tmp/ptk_log_XXXXXX";
    (void) unused;
    adopt_as_error(mkstemp(path));
    unlink(path);
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &none), 0);
    ptk_log(PTK_LOG_WARNING, "the file may not grow");
    error_back();
}

TEST(p72_log_survives_a_file_at_its_limit, REAL_PROCESS | REAL_SIGNALS) {
    check_in_child(log_to_a_file_at_its_limit, "");
}

/* --- room --- */

static void check_full(int error, int reader) {
    adopt_as_error(error);
    fill(STDERR_FILENO);
    int flags = fcntl(STDERR_FILENO, F_GETFL);
    for (int i = 0; i < 3; i++) {
        ptk_log(PTK_LOG_WARNING, "line %d", i);
    }
    int flags_after = fcntl(STDERR_FILENO, F_GETFL);
    const char *text = take_text(reader);
    bool is_empty = text[0] == '\0';
    ptk_log(PTK_LOG_WARNING, "room again");
    text = take_text(reader);
    error_back();
    CHECK_EQ(flags_after, flags);
    CHECK(is_empty);
    CHECK_STR(text, "ptk: 3 lines before this one were lost\nptk: room again\n");
}

static void log_to_a_full_pipe(void *unused) {
    int ends[2];
    (void) unused;
    CHECK_EQ(pipe(ends), 0);
    check_full(ends[1], ends[0]);
}

TEST(p72_log_does_not_wait_for_a_full_pipe, REAL_PROCESS) {
    check_in_child(log_to_a_full_pipe, "");
}

static void log_to_a_full_socket(void *unused) {
    int pair[2];
    (void) unused;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    check_full(pair[0], pair[1]);
}

TEST(p72_log_does_not_wait_for_a_full_socket, REAL_PROCESS) {
    check_in_child(log_to_a_full_socket, "");
}

/* A terminal counts as writable when it has room for one byte. */
static void log_to_a_nearly_full_terminal(void *unused) {
    (void) unused;
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    CHECK(slave >= 0);
    adopt_as_error(slave);
    for (int i = 0; i < 1000; i++) {
        ptk_report("%0500d", i);
    }
    error_back();
}

TEST(p72_log_does_not_wait_for_a_terminal_that_is_nearly_full, REAL_PROCESS) {
    check_in_child(log_to_a_nearly_full_terminal, "");
}

/* --- rate --- */

static void log_a_flood(void *unused) {
    int ends[2];
    size_t lines = 0;
    (void) unused;
    test_clock_begin(1000 * PTK_NS_PER_MS);
    CHECK_EQ(pipe(ends), 0);
    adopt_as_error(ends[1]);
    for (int i = 0; i < 150; i++) {
        ptk_log(PTK_LOG_WARNING, "flood");
    }
    for (const char *text = take_text(ends[0]); *text; text++) {
        lines += *text == '\n';
    }
    ptk_report("a report is not limited");
    for (int i = 0; i < 30; i++) {
        ptk_log(PTK_LOG_WARNING, "flood");
    }
    test_clock_advance(1000 * PTK_NS_PER_MS);
    ptk_log(PTK_LOG_WARNING, "later");
    const char *text = take_text(ends[0]);
    error_back();
    CHECK_EQ(lines, 100);
    CHECK_STR(text, "ptk: 50 lines before this one were lost\na report is not limited\n"
                    "ptk: 30 lines before this one were lost\nptk: later\n");
    test_clock_end();
}

TEST(p72_log_is_limited_in_rate_and_counts_what_it_lost, REAL_PROCESS) {
    check_in_child(log_a_flood, "");
}

/* --- what is logged --- */

static ptk_err end_with(void *arg) {
    return (ptk_err) (intptr_t) arg;
}

TEST(p72_an_ordinary_end_of_stream_is_not_logged) {
    ptk_event_loop_platform_t *loop = test_loop();
    test_capture_begin();
    CHECK_OK(ptk_go(loop, end_with, (void *) (intptr_t) PTK_ERR_EOF));
    test_run();
    CHECK_EQ(test_log_lines(), 0);
    CHECK_OK(ptk_go(loop, end_with, (void *) (intptr_t) PTK_ERR_UNEXPECTED_EOF));
    test_run();
    CHECK_EQ(test_log_lines(), 1);
    test_capture_end();
    test_loop_end(loop);
}
