/* SPDX-License-Identifier: MIT */
/* ptk among the handlers of others: what was there before runs too, and what came later stays. */
#include "ptk_test.h"

#include "base/ptk_signal_chain.h"
#include "base/ptk_thread.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char calls[64]; /* which handlers ran, in order */
static struct sigaction below[2];
static bool calls_below = true;

static void note(char what) {
    size_t length = strlen(calls);
    CHECK(length + 1 < sizeof calls); /* else the handlers call each other in a circle */
    calls[length] = what;
    calls[length + 1] = '\0';
}

static void deliver(int signal_number, void *context) {
    (void) context;
    CHECK_EQ(signal_number, SIGUSR1);
    note('p');
}

static void handle_plainly(int signal_number) {
    CHECK_EQ(signal_number, SIGUSR1);
    note('e');
    errno = EXDEV;
}

static void handle_informed(int signal_number, siginfo_t *info, void *context) {
    CHECK_EQ(info->si_signo, signal_number);
    CHECK_EQ(info->si_pid, getpid());
    CHECK(context != NULL);
    note('i');
}

static void call_below(int which, int signal_number, siginfo_t *info, void *context) {
    CHECK(below[which].sa_flags & SA_SIGINFO);
    if (calls_below) {
        below[which].sa_sigaction(signal_number, info, context);
    }
}

static void handle_on_top(int signal_number, siginfo_t *info, void *context) {
    note('t');
    call_below(0, signal_number, info, context);
}

static void handle_on_top_of_that(int signal_number, siginfo_t *info, void *context) {
    note('u');
    call_below(1, signal_number, info, context);
}

static void put(void (*handler)(int signal_number, siginfo_t *info, void *context), struct sigaction *old) {
    struct sigaction action = {.sa_flags = SA_SIGINFO};
    action.sa_sigaction = handler;
    CHECK_EQ(sigaction(SIGUSR1, &action, old), 0);
}

static void check_calls(const char *expected) {
    calls[0] = '\0';
    errno = 4711;
    raise(SIGUSR1);
    CHECK_EQ(errno, 4711);
    CHECK_STR(calls, expected);
}

static bool is_current(void (*handler)(int signal_number, siginfo_t *info, void *context)) {
    struct sigaction current;
    CHECK_EQ(sigaction(SIGUSR1, NULL, &current), 0);
    return (current.sa_flags & SA_SIGINFO) && current.sa_sigaction == handler;
}

TEST(p77_an_earlier_handler_runs_too) {
    struct sigaction plain = {.sa_handler = handle_plainly};
    CHECK_EQ(sigaction(SIGUSR1, &plain, NULL), 0);
    CHECK_EQ(ptk_signal_chain_install(SIGUSR1, PTK_SIGNAL_CHAIN_TABLE, deliver), 0);
    check_calls("pe");
    ptk_signal_chain_remove(SIGUSR1, PTK_SIGNAL_CHAIN_TABLE);
    CHECK_EQ(sigaction(SIGUSR1, NULL, &plain), 0);
    CHECK(plain.sa_handler == handle_plainly);
    put(handle_informed, NULL);
    CHECK_EQ(ptk_signal_chain_install(SIGUSR1, PTK_SIGNAL_CHAIN_TABLE, deliver), 0);
    check_calls("pi");
    ptk_signal_chain_remove(SIGUSR1, PTK_SIGNAL_CHAIN_TABLE);
    CHECK(is_current(handle_informed));
    check_calls("i");
}

TEST(p77_what_an_earlier_handler_blocks_stays_blocked) {
    struct sigaction plain = {.sa_handler = handle_plainly, .sa_flags = SA_NOCLDSTOP};
    struct sigaction found;
    sigemptyset(&plain.sa_mask);
    sigaddset(&plain.sa_mask, SIGALRM);
    CHECK_EQ(sigaction(SIGUSR1, &plain, NULL), 0);
    CHECK_EQ(ptk_signal_chain_install(SIGUSR1, PTK_SIGNAL_CHAIN_TABLE, deliver), 0);
    CHECK_EQ(sigaction(SIGUSR1, NULL, &found), 0);
    CHECK_EQ(sigismember(&found.sa_mask, SIGALRM), 1);
    CHECK(found.sa_flags & SA_NOCLDSTOP);
    ptk_signal_chain_remove(SIGUSR1, PTK_SIGNAL_CHAIN_TABLE);
}

TEST(p77_a_later_handler_stays_and_may_call_ptks) {
    put(handle_informed, NULL);
    CHECK_EQ(ptk_signal_chain_install(SIGUSR1, PTK_SIGNAL_CHAIN_TABLE, deliver), 0);
    put(handle_on_top, &below[0]);
    check_calls("tpi");
    ptk_signal_chain_remove(SIGUSR1, PTK_SIGNAL_CHAIN_TABLE);
    CHECK(is_current(handle_on_top));
    check_calls("ti");
}

/* Whether the later handler calls ptk's cannot be seen: with and without it each handler runs once. */
TEST(p77_ptk_comes_back_over_a_later_handler) {
    put(handle_informed, NULL);
    for (int round = 0; round < 3; round++) {
        CHECK_EQ(ptk_signal_chain_install(SIGUSR1, PTK_SIGNAL_CHAIN_TABLE, deliver), 0);
        if (round == 0) {
            put(handle_on_top, &below[0]);
            check_calls("tpi");
        } else {
            check_calls("pti");
            calls_below = false;
            check_calls("pt");
            calls_below = true;
        }
        ptk_signal_chain_remove(SIGUSR1, PTK_SIGNAL_CHAIN_TABLE);
        CHECK(is_current(handle_on_top));
        check_calls("ti");
    }
}

TEST(p77_a_second_later_handler_makes_no_circle) {
    CHECK_EQ(ptk_signal_chain_install(SIGUSR1, PTK_SIGNAL_CHAIN_TABLE, deliver), 0);
    put(handle_on_top, &below[0]);
    ptk_signal_chain_remove(SIGUSR1, PTK_SIGNAL_CHAIN_TABLE);
    CHECK_EQ(ptk_signal_chain_install(SIGUSR1, PTK_SIGNAL_CHAIN_TABLE, deliver), 0);
    put(handle_on_top_of_that, &below[1]);
    check_calls("upt");
    ptk_signal_chain_remove(SIGUSR1, PTK_SIGNAL_CHAIN_TABLE);
    check_calls("ut");
    CHECK_EQ(ptk_signal_chain_install(SIGUSR1, PTK_SIGNAL_CHAIN_TABLE, deliver), 0);
    CHECK(is_current(handle_on_top_of_that));
    check_calls("upt");
    ptk_signal_chain_remove(SIGUSR1, PTK_SIGNAL_CHAIN_TABLE);
    CHECK(is_current(handle_on_top_of_that));
}

/* A later handler leaves by putting back what it found, which may be ptk's without a subscription. */
TEST(p77_ptks_handler_that_was_put_back_works_again) {
    put(handle_informed, NULL);
    CHECK_EQ(ptk_signal_chain_install(SIGUSR1, PTK_SIGNAL_CHAIN_TABLE, deliver), 0);
    put(handle_on_top, &below[0]);
    ptk_signal_chain_remove(SIGUSR1, PTK_SIGNAL_CHAIN_TABLE);
    CHECK_EQ(sigaction(SIGUSR1, &below[0], NULL), 0);
    check_calls("i");
    CHECK_EQ(ptk_signal_chain_install(SIGUSR1, PTK_SIGNAL_CHAIN_TABLE, deliver), 0);
    check_calls("pi");
    ptk_signal_chain_remove(SIGUSR1, PTK_SIGNAL_CHAIN_TABLE);
    CHECK(is_current(handle_informed));
}

static void die_by_default(void *unused) {
    (void) unused;
    signal(SIGUSR1, SIG_DFL);
    CHECK_EQ(ptk_signal_chain_install(SIGUSR1, PTK_SIGNAL_CHAIN_TABLE, deliver), 0);
    put(handle_on_top, &below[0]);
    ptk_signal_chain_remove(SIGUSR1, PTK_SIGNAL_CHAIN_TABLE);
    check_calls("t"); /* the later handler takes the signal */
    CHECK_EQ(sigaction(SIGUSR1, &below[0], NULL), 0);
    raise(SIGUSR1);
}

TEST(p77_the_default_acts_when_all_have_left) {
    char output[1024];
    int status = ptk_test_in_child(die_by_default, NULL, output, sizeof output);
    CHECK_STR(output, "");
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGUSR1);
}
