/* SPDX-License-Identifier: MIT */
/*
 * libptk.so opened at run time, as plugins and language bindings do: its thread-local block must find room in
 * a process that has long started, on threads that were there before it too.
 */
#include "ptk_test.h"

#include "context/ptk_sanitizer.h"
#include <dlfcn.h>
#include <ptk.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Valgrind 3.19 keeps the size of an alternate stack that was disabled, and delivers signals on it. */
#define SIGNAL_STACK_STAYS "Valgrind uses an alternate signal stack also after SS_DISABLE"

typedef struct library {
    void *handle;
    ptk_event_loop_platform_t *(*create)(void);
    ptk_err (*go_at)(ptk_event_loop_platform_t *loop, ptk_green_fn fn, void *arg, const char *name,
                     const char *file, int line);
    ptk_err (*yield)(void);
    ptk_err (*run)(ptk_event_loop_platform_t *loop);
    ptk_err (*destroy)(ptk_event_loop_platform_t *loop);
    ptk_waitable_t *(*waitable)(ptk_event_loop_platform_t *loop, ptk_waitable_type_t type,
                                void *platform_handle);
    ptk_err (*wait)(ptk_waitable_t *waitable, uint32_t events, uint32_t timeout_ms);
} library_t;

/* A function of the library's; the two kinds of pointer have one size wherever there is dlsym. */
static void *find(const library_t *library, const char *name) {
    void *address = dlsym(library->handle, name);
    CHECK(address != NULL);
    return address;
}

static void open_library(library_t *library) {
    char path[4096];
    const char *folder = getenv("PTK_BUILD_DIR");
    CHECK((size_t) snprintf(path, sizeof path, "%s/libptk.so", folder) < sizeof path);
    library->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library->handle) {
        SKIP(dlerror()); /* a static executable, or a library of another sanitizer's */
    }
    *(void **) &library->create = find(library, "ptk_event_loop_platform_create");
    *(void **) &library->go_at = find(library, "ptk_go_at");
    *(void **) &library->yield = find(library, "ptk_yield");
    *(void **) &library->run = find(library, "ptk_scheduler_run");
    *(void **) &library->destroy = find(library, "ptk_event_loop_platform_destroy");
    *(void **) &library->waitable = find(library, "ptk_waitable_create");
    *(void **) &library->wait = find(library, "ptk_waitable_wait");
}

typedef struct visit {
    const library_t *library;
    int steps;
} visit_t;

static ptk_err take_steps(void *arg) {
    visit_t *visit = arg;
    for (int i = 0; i < 10; i++) {
        visit->steps++;
        CHECK_OK(visit->library->yield());
    }
    return PTK_OK;
}

static void run_a_loop(const library_t *library) {
    visit_t visit = {library, 0};
    ptk_event_loop_platform_t *loop = library->create();
    CHECK(loop != NULL);
    CHECK_OK(library->go_at(loop, take_steps, &visit, "first", __FILE__, __LINE__));
    CHECK_OK(library->go_at(loop, take_steps, &visit, "second", __FILE__, __LINE__));
    CHECK_OK(library->run(loop));
    CHECK_EQ(visit.steps, 20);
    CHECK_OK(library->destroy(loop));
}

/* --- two copies: the library that this program is linked with, and the one that is opened --- */

/* Raises the signal; both copies count it, as long as they have a waitable. The two loops are on one thread,
 * each in its copy's thread-local block. */
static void check_both_count(const library_t *other, ptk_waitable_t *mine, ptk_waitable_t *theirs) {
    CHECK_EQ(raise(SIGUSR1), 0);
    if (mine) {
        CHECK_OK(ptk_waitable_wait(mine, PTK_EVENT_READ, 0));
    }
    if (theirs) {
        CHECK_EQ((int) other->wait(theirs, PTK_EVENT_READ, 0), (int) PTK_OK);
    }
}

typedef struct copies {
    library_t other;
    bool mine_leaves_first;
} copies_t;

static void share_the_signal(void *arg) {
    copies_t *copies = arg;
    library_t *other = &copies->other;
    ptk_event_loop_platform_t *my_loop = ptk_event_loop_platform_create();
    ptk_event_loop_platform_t *their_loop = other->create();
    CHECK(my_loop != NULL && their_loop != NULL);
    ptk_waitable_t *mine = ptk_waitable_create(NULL, PTK_WAITABLE_SIGNAL, PTK_HANDLE_SIGNAL(SIGUSR1));
    ptk_waitable_t *theirs = other->waitable(NULL, PTK_WAITABLE_SIGNAL, PTK_HANDLE_SIGNAL(SIGUSR1));
    CHECK(mine != NULL && theirs != NULL);
    check_both_count(other, mine, theirs);
    if (copies->mine_leaves_first) {
        CHECK_OK(ptk_event_loop_platform_destroy(my_loop));
        check_both_count(other, NULL, theirs);
        CHECK_OK(other->destroy(their_loop));
    } else {
        CHECK_OK(other->destroy(their_loop));
        check_both_count(other, mine, NULL);
        CHECK_OK(ptk_event_loop_platform_destroy(my_loop));
    }
    raise(SIGUSR1); /* the default disposition ends the process */
}

TEST(p77_two_copies_of_the_library_share_a_signal) {
    copies_t copies;
    char output[1024];
    if (!getenv("PTK_BUILD_DIR")) {
        SKIP("PTK_BUILD_DIR does not say where the library is");
    }
    if (ptk_sanitizer_watches_stacks() && !PTK_TEST_ASAN && !PTK_TEST_TSAN) {
        SKIP(SIGNAL_STACK_STAYS);
    }
    open_library(&copies.other);
    for (int i = 0; i < 2; i++) {
        copies.mine_leaves_first = i == 0;
        int status = ptk_test_in_child(share_the_signal, &copies, output, sizeof output);
        CHECK_STR(output, "");
        CHECK(WIFSIGNALED(status));
        CHECK_EQ(WTERMSIG(status), SIGUSR1);
    }
    CHECK_EQ(dlclose(copies.other.handle), 0);
}

/* A thread that is older than the library. */
typedef struct elder {
    library_t library;
    sem_t opened;
} elder_t;

static void *wait_and_run(void *arg) {
    elder_t *elder = arg;
    CHECK_EQ(sem_wait(&elder->opened), 0);
    run_a_loop(&elder->library);
    return NULL;
}

TEST(p36_shared_library_opened_at_run_time) {
    elder_t elder;
    pthread_t thread;
    if (!getenv("PTK_BUILD_DIR")) {
        SKIP("PTK_BUILD_DIR does not say where the library is");
    }
    CHECK_EQ(sem_init(&elder.opened, 0, 0), 0);
    CHECK_EQ(pthread_create(&thread, NULL, wait_and_run, &elder), 0);
    open_library(&elder.library);
    run_a_loop(&elder.library);
    CHECK_EQ(sem_post(&elder.opened), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(dlclose(elder.library.handle), 0);
}

#define REPORTED 42

static void report_crash(int signal_number) {
    (void) signal_number;
    _exit(REPORTED);
}

/* A plugin that is unloaded, in a program with a crash reporter. A fault afterwards reaches the handler of
   ptk's that is still installed, and through it the reporter. */
static void crash_after_unloading(void *unused) {
    library_t library;
    (void) unused;
    CHECK(signal(SIGSEGV, report_crash) != SIG_ERR);
    open_library(&library);
    run_a_loop(&library);
    void *code = *(void **) &library.run;
    Dl_info info;
    CHECK_EQ(dlclose(library.handle), 0);
    CHECK(dladdr(code, &info) != 0);
    volatile uintptr_t nowhere = 8;
    *(volatile char *) nowhere = 0;
}

TEST(p81_library_stays_mapped_after_dlclose, REAL_PROCESS | REAL_SIGNALS) {
    char output[2000];
    if (!getenv("PTK_BUILD_DIR")) {
        SKIP("PTK_BUILD_DIR does not say where the library is");
    }
    if (PTK_TEST_ASAN || PTK_TEST_TSAN) {
        SKIP("the sanitizer's own handler ends the process");
    }
    if (ptk_sanitizer_watches_stacks()) {
        SKIP(SIGNAL_STACK_STAYS);
    }
    int status = ptk_test_in_child(crash_after_unloading, NULL, output, sizeof output);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        SKIP("the library cannot be opened");
    }
    CHECK_STR(output, "");
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == REPORTED);
}
