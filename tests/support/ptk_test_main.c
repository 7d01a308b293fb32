/* SPDX-License-Identifier: MIT */
/*
 * The runner. Each test runs in a process of its own: the one whose command line names it, or a child of the
 * process that runs all tests. Descriptors and allocations that a test leaves are found by counting them
 * before and after it.
 */
#include "ptk_test.h"

#include "base/ptk_memory.h"
#include "ptk_test_jail.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECKS_MAX      16
#define DESCRIPTORS_MAX 4096

static ptk_test_t *first_test;
static ptk_test_t **last_link = &first_test;
static void (*end_checks[CHECKS_MAX])(void);
static size_t end_check_count;

void ptk_test_register(ptk_test_t *test) {
    *last_link = test;
    last_link = &test->next;
}

static void (*run_around)(void (*body)(void));
static const char *program = "";
static const ptk_test_t *running;

void ptk_test_run_by(void (*around)(void (*body)(void))) {
    run_around = around;
}

void ptk_test_at_end(void (*check)(void)) {
    if (end_check_count == CHECKS_MAX) {
        ptk_test_failed(__FILE__, __LINE__, "more than %d checks at the end", CHECKS_MAX);
    }
    end_checks[end_check_count++] = check;
}

const char *ptk_test_program(void) {
    return program;
}

const char *ptk_test_name(void) {
    return running ? running->name : "";
}

unsigned ptk_test_flags(void) {
    return running ? running->flags : 0;
}

static int count_low_descriptors(void) {
    int count = 0;
    for (int fd = 0; fd < DESCRIPTORS_MAX; fd++) {
        count += fcntl(fd, F_GETFD) >= 0;
    }
    return count;
}

/* Returns how many descriptors are open, without the one that reads the directory. Without /proc these are
 * the ones below DESCRIPTORS_MAX. */
static int count_descriptors(bool print) {
    DIR *directory = opendir("/proc/self/fd");
    int own = directory ? dirfd(directory) : -1;
    int count = 0;
    if (own < 0) {
        return count_low_descriptors();
    }
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
        char target[256];
        if (entry->d_name[0] == '.' || atoi(entry->d_name) == own) {
            continue;
        }
        count++;
        ssize_t length = print ? readlinkat(own, entry->d_name, target, sizeof target) : -1;
        if (length > 0) {
            fprintf(stderr, "  descriptor %s: %.*s\n", entry->d_name, (int) length, target);
        }
    }
    closedir(directory);
    return count;
}

static int run_here(const ptk_test_t *test) {
    running = test;
    int descriptors = count_descriptors(false);
    size_t allocations = ptk_allocations_live();
    if (run_around) {
        run_around(test->run);
    } else {
        test->run();
    }
    for (size_t i = 0; i < end_check_count; i++) {
        end_checks[i]();
    }
    int descriptors_after = count_descriptors(false);
    if (descriptors_after != descriptors) {
        fprintf(stderr, "%s: %d descriptors before, %d after:\n", test->name, descriptors, descriptors_after);
        count_descriptors(true);
        return PTK_TEST_FAILED;
    }
    if (ptk_allocations_live() != allocations) {
        fprintf(stderr, "%s: %zu ptk allocations before, %zu after\n", test->name, allocations,
                ptk_allocations_live());
        return PTK_TEST_FAILED;
    }
    return PTK_TEST_PASSED;
}

static bool run_in_child(const ptk_test_t *test) {
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        exit(run_here(test));
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror(test->name);
        return false;
    }
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    bool good = code == PTK_TEST_PASSED || code == PTK_TEST_SKIPPED;
    printf("%-4s %s", code == PTK_TEST_PASSED ? "ok" : good ? "skip" : "FAIL", test->name);
    if (WIFSIGNALED(status)) {
        printf(" (signal %d)", WTERMSIG(status));
    }
    printf("\n");
    return good;
}

static int run_all(void) {
    int failures = 0;
    for (const ptk_test_t *test = first_test; test; test = test->next) {
        failures += !run_in_child(test);
    }
    if (failures) {
        printf("%d failed\n", failures);
    }
    return failures ? PTK_TEST_FAILED : PTK_TEST_PASSED;
}

static int list_all(void) {
    for (const ptk_test_t *test = first_test; test; test = test->next) {
        printf("%s%s%s\n", test->name, test->flags ? " " : "", test->flags ? test->flags_text : "");
    }
    return PTK_TEST_PASSED;
}

static int run_named(const char *name) {
    for (const ptk_test_t *test = first_test; test; test = test->next) {
        if (strcmp(test->name, name) == 0) {
            return run_here(test);
        }
    }
    fprintf(stderr, "there is no test named %s\n", name);
    return PTK_TEST_FAILED;
}

int main(int count, char **arguments) {
    program = arguments[0];
    const char *jail = getenv("PTK_TEST_JAIL");
    if (jail && *jail) {
        ptk_test_enter_jail(jail);
    }
    if (count < 2) {
        return run_all();
    }
    return strcmp(arguments[1], "--list") == 0 ? list_all() : run_named(arguments[1]);
}
