/* SPDX-License-Identifier: MIT */
/* The interceptor passes every call on unchanged, calls hooks from the newest down, and leaves when removed.
 */
#include "ptk_test_intercept.h"

#include "base/ptk_thread.h"
#include "ptk_test.h"
#include <errno.h>
#include <pthread.h>
#include <string.h>

static char order[16];

static int64_t note(ptk_sys_call_t *call, char what) {
    order[strlen(order)] = what;
    return ptk_sys_call_below(call);
}

static int64_t note_a(ptk_sys_call_t *call) {
    return note(call, 'a');
}

static int64_t note_b(ptk_sys_call_t *call) {
    return note(call, 'b');
}

static int64_t note_twice(ptk_sys_call_t *call) {
    (void) note(call, 't');
    return note(call, 'T');
}

TEST(intercept_table_has_every_entry) {
    void (*members[sizeof(ptk_sys_t) / sizeof(void (*)(void))])(void);
    CHECK_EQ(sizeof members / sizeof members[0], PTK_SYS_MEMBERS);
    memcpy(members, &ptk_intercept_table, sizeof members);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        CHECK(members[i] != NULL);
    }
}

TEST(intercept_passes_calls_with_every_kind_of_result) {
    static const ptk_interceptor_t none;
    ptk_interceptor_t interceptor = none;
    ptk_os_handle_t handle = PTK_OS_HANDLE_NONE;
    ptk_intercept(&interceptor);
    CHECK_EQ(ptk_sys()->page_bytes(), ptk_sys_real.page_bytes());
    CHECK_EQ(ptk_sys()->environment("PATH"), ptk_sys_real.environment("PATH"));
    CHECK_EQ(ptk_sys()->close(-1), -EBADF);
    CHECK_EQ(ptk_sys()->wake_open(&handle), 0);
    CHECK_EQ(ptk_sys()->close(handle), 0);
    void *memory = ptk_sys()->heap_reallocate(NULL, 16);
    CHECK(memory != NULL);
    ptk_sys()->heap_free(memory);
    ptk_intercept_end();
    CHECK_EQ(ptk_sys(), &ptk_sys_real);
}

TEST(intercept_calls_the_newest_first_and_repeats_what_is_below) {
    ptk_interceptor_t a = {.hooks = {[PTK_SYS_now_ns] = note_a}};
    ptk_interceptor_t twice = {.hooks = {[PTK_SYS_now_ns] = note_twice}};
    ptk_interceptor_t b = {.hooks = {[PTK_SYS_now_ns] = note_b}};
    ptk_intercept(&a);
    ptk_intercept(&twice);
    ptk_intercept(&b);
    CHECK(ptk_sys()->now_ns() > 0);
    CHECK_STR(order, "btaTa");
    ptk_intercept_remove(&twice);
    CHECK(ptk_sys()->now_ns() > 0);
    CHECK_STR(order, "btaTaba");
    ptk_intercept_remove(&b);
    CHECK(ptk_intercept_is_installed(&a) && !ptk_intercept_is_installed(&b));
    ptk_intercept_remove(&a);
    CHECK_EQ(ptk_sys(), &ptk_sys_real);
}

static int64_t change_errors(ptk_sys_call_t *call) {
    call->set_option.name = -1;
    return ptk_sys_call_below(call) == -ENOPROTOOPT ? 4711 : 0;
}

TEST(intercept_changes_arguments_and_results) {
    ptk_interceptor_t interceptor = {.hooks = {[PTK_SYS_set_option] = change_errors}};
    ptk_os_handle_t handle = PTK_OS_HANDLE_NONE;
    int on = 1;
    CHECK_EQ(ptk_sys_real.socket(AF_INET, SOCK_STREAM, 0, &handle), 0);
    ptk_intercept(&interceptor);
    CHECK_EQ(ptk_sys()->set_option(handle, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 4711);
    ptk_intercept_end();
    CHECK_EQ(ptk_sys_real.close(handle), 0);
}

static void *read_clock(void *argument) {
    CHECK_EQ(ptk_sys(), &ptk_sys_real);
    CHECK(ptk_intercept_table.now_ns() > 0);
    return argument;
}

TEST(intercept_is_per_thread) {
    ptk_interceptor_t a = {.hooks = {[PTK_SYS_now_ns] = note_a}};
    pthread_t thread;
    ptk_intercept(&a);
    CHECK_EQ(pthread_create(&thread, NULL, read_clock, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_STR(order, "");
    ptk_intercept_end();
}
