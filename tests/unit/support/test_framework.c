/* SPDX-License-Identifier: MIT */
/* The test framework and the fault table, tested by themselves: a check that cannot fail would prove nothing.
 */
#include <ptk_test.h>

#include "base/ptk_memory.h"
#include "base/ptk_thread.h"
#include "ptk_test_faults.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct self {
    const char *test;
    const char *mischief;
} self_t;

static void exec_self(void *argument) {
    const self_t *self = argument;
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    CHECK(length > 0);
    path[length] = '\0';
    setenv("PTK_TEST_MISCHIEF", self->mischief, 1);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    execl(path, path, self->test, (char *) NULL);
    SKIP("an emulated program cannot run itself");
}

/* Runs this program with the given argument; returns its exit code, -1 if it did not exit. */
static int run_self(const char *test, const char *mischief, char *output, size_t output_bytes) {
    self_t self = {test, mischief};
    int status = ptk_test_in_child(exec_self, &self, output, output_bytes);
    if (strstr(output, "cannot run itself")) {
        SKIP("an emulated program cannot run itself");
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool is_mischief(const char *name) {
    const char *asked = getenv("PTK_TEST_MISCHIEF");
    return asked && strcmp(asked, name) == 0;
}

static void check_at_end(void) {
    CHECK(!is_mischief("end"));
}

/* Does nothing, unless the environment selects a failure. */
TEST(subject) {
    int zero = 0;
    if (is_mischief("check")) {
        CHECK(zero == 1);
    } else if (is_mischief("equal")) {
        CHECK_EQ(zero - 1, UINT64_MAX);
    } else if (is_mischief("string")) {
        CHECK_STR("left", "right");
    } else if (is_mischief("ok")) {
        CHECK_OK(ptk_fail_os(PTK_ERR_OS, 5));
    } else if (is_mischief("err")) {
        CHECK_ERR(PTK_ERR_BUSY, PTK_ERR_CLOSED);
    } else if (is_mischief("skip")) {
        SKIP("not here");
    } else if (is_mischief("descriptor")) {
        CHECK(dup(STDERR_FILENO) >= 0);
    } else if (is_mischief("allocation")) {
        CHECK(ptk_allocate(1) != NULL);
    } else if (is_mischief("faults")) {
        ptk_test_faults_install();
    } else if (is_mischief("end")) {
        ptk_test_at_end(check_at_end);
    } else if (is_mischief("crash")) {
        abort();
    }
}

static void check_mischief(const char *mischief, int code, const char *says) {
    char output[2000];
    int got = run_self("subject", mischief, output, sizeof output);
    if (got != code || !strstr(output, says)) {
        ptk_test_failed(__FILE__, __LINE__, "%s: code %d, said: %s", mischief, got, output);
    }
}

TEST(framework_reports_every_kind_of_failure) {
    check_mischief("none", 0, "");
    check_mischief("check", 1, "CHECK(zero == 1)");
    check_mischief("equal", 1, "got -1, expected 18446744073709551615");
    check_mischief("string", 1, "got \"left\", expected \"right\"");
    check_mischief("ok", 1, "got PTK_ERR_OS (108), expected PTK_OK; os error 5");
    check_mischief("err", 1, "got PTK_ERR_BUSY (4), expected PTK_ERR_CLOSED");
    check_mischief("skip", 77, "skipped: not here");
    check_mischief("descriptor", 1, "descriptors before");
    check_mischief("allocation", 1, "ptk allocations before");
    check_mischief("faults", 1, "CHECK(!ptk_intercept_is_installed(&faults))");
    check_mischief("end", 1, "CHECK(!is_mischief(\"end\"))");
}

TEST(framework_lists_and_runs_all) {
    char output[4000];
    CHECK_EQ(run_self("--list", "", output, sizeof output), 0);
    CHECK(strstr(output, "subject\n") && strstr(output, "framework_reports_every_kind_of_failure\n"));
    CHECK_EQ(run_self("no_such_test", "", output, sizeof output), 1);
    if (is_mischief("crash")) {
        return;
    }
    CHECK_EQ(run_self(NULL, "crash", output, sizeof output), 1);
    CHECK(strstr(output, "FAIL subject (signal 6)") != NULL);
    CHECK(strstr(output, "1 failed\n") != NULL);
}

TEST(check_eq_compares_as_numbers) {
    int minus_one = -1;
    unsigned char small = 200;
    const char *text = "x";
    CHECK_EQ(minus_one, INT64_C(-1));
    CHECK_EQ(small, 200L);
    CHECK_EQ(text, (const void *) text);
    CHECK_EQ(true, 1);
}

TEST(faults_fail_the_nth_call) {
    ptk_os_handle_t handle;
    ptk_test_faults_install();
    ptk_test_fault(PTK_SYS_wake_open, 2, EMFILE, PTK_TEST_ONCE);
    for (uint32_t call = 1; call <= 4; call++) {
        int result = ptk_sys()->wake_open(&handle);
        CHECK_EQ(result, call == 2 ? -EMFILE : 0);
        CHECK_EQ(ptk_test_fault_calls(PTK_SYS_wake_open), call);
        CHECK_EQ(ptk_test_fault_failures(PTK_SYS_wake_open), call >= 2);
        CHECK_EQ(result == 0 ? ptk_sys()->close(handle) : 0, 0);
    }
    ptk_test_fault(PTK_SYS_wake_open, 2, ENFILE, PTK_TEST_FOR_GOOD);
    for (uint32_t call = 1; call <= 4; call++) {
        int result = ptk_sys()->wake_open(&handle);
        CHECK_EQ(result, call >= 2 ? -ENFILE : 0);
        CHECK_EQ(result == 0 ? ptk_sys()->close(handle) : 0, 0);
    }
    ptk_test_fault(PTK_SYS_heap_reallocate, 1, 0, PTK_TEST_ONCE);
    CHECK(ptk_sys()->heap_reallocate(NULL, 1) == NULL);
    ptk_test_faults_remove();
    CHECK_EQ(ptk_sys(), &ptk_sys_real);
    CHECK_EQ(ptk_intercept_table.wake_open(&handle), 0);
    CHECK_EQ(ptk_sys_real.close(handle), 0);
}

TEST(faults_are_injected_above_the_table_in_use) {
    ptk_sys_t host = ptk_sys_real;
    ptk_thread()->sys = &host;
    ptk_test_faults_install();
    CHECK(ptk_sys() != &host);
    ptk_test_faults_remove();
    CHECK_EQ(ptk_sys(), &host);
    ptk_thread()->sys = NULL;
}
