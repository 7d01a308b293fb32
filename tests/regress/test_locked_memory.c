/* SPDX-License-Identifier: MIT */
/*
 * P80: a program that locks its memory. Every new mapping is resident at once then, counts against
 * RLIMIT_MEMLOCK, and is refused with EAGAIN beyond it; the first green thread mapped 64 MiB.
 */
#include "context/ptk_sanitizer.h"
#include "ptk_test.h"

#include <ptk.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB         ((rlim_t) 1024 * 1024)
#define EXIT_DENIED 3

static long resident_kib(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*d %ld", &pages) != 1) {
        _exit(EXIT_DENIED);
    }
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static ptk_err sleep_shortly(void *arg) {
    (void) arg;
    return ptk_sleep_ms(1);
}

static ptk_err sleep_for_long(void *arg) {
    (void) arg;
    PTK_IGNORE(ptk_sleep_ms(PTK_TIMEOUT_INFINITE)); /* the stop ends it */
    return PTK_OK;
}

static void run_one(void *arg) {
    (void) arg;
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) {
        _exit(EXIT_DENIED);
    }
    long before = resident_kib();
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    CHECK(loop != NULL);
    CHECK_OK(ptk_go(loop, sleep_shortly, NULL));
    CHECK_OK(ptk_scheduler_run(loop));
    CHECK(resident_kib() - before < 4 * 1024);
    CHECK_OK(ptk_event_loop_platform_destroy(loop));
}

/* The limit holds for a user without privileges only. */
static void fill_a_small_limit(void *arg) {
    (void) arg;
    if (getuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) {
        _exit(EXIT_DENIED);
    }
    rlim_t limit_bytes = (rlim_t) resident_kib() * 1024 + 32 * MIB;
    struct rlimit limit;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || mlockall(MCL_FUTURE) != 0) {
        _exit(EXIT_DENIED);
    }
    limit_bytes = limit_bytes < limit.rlim_max ? limit_bytes : limit.rlim_max;
    CHECK(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit) {limit_bytes, limit_bytes}) == 0);
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    CHECK(loop != NULL);
    rlim_t spawned = 0;
    while (spawned < 100000 && ptk_go(loop, sleep_for_long, NULL) == PTK_OK) {
        spawned++;
    }
    CHECK_EQ(ptk_get_err(), PTK_ERR_NO_RESOURCES);
    CHECK(spawned * 64 * 1024 >= limit_bytes / 4); /* the limit, and not the size of an arena, ends it */
    CHECK_OK(ptk_scheduler_stop(loop));
    CHECK_OK(ptk_scheduler_run(loop));
    CHECK_OK(ptk_event_loop_platform_destroy(loop));
}

static void check_in_child(void (*body)(void *arg)) {
    char output[512];
    if (ptk_sanitizer_watches_stacks()) {
        SKIP("sanitizers and Valgrind map far more than can be locked");
    }
    int status = ptk_test_in_child(body, NULL, output, sizeof output);
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_DENIED) {
        SKIP("memory cannot be locked here, or /proc or another user is missing");
    }
    CHECK_STR(output, "");
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(p80_one_green_thread_costs_little_in_locked_memory, REAL_PROCESS) {
    check_in_child(run_one);
}

TEST(p80_locked_memory_ends_at_its_limit, REAL_PROCESS) {
    check_in_child(fill_a_small_limit);
}
