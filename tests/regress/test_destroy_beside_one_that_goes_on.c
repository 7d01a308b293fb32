/* SPDX-License-Identifier: MIT */
/*
 * A green thread that went on after its cancel never switched, so that destroy, which promises a dump and an
 * end after its time, did not look at the clock again.
 */
#include "regress_sock.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define DESTROY_MS 50

static volatile bool over; /* never */

static ptk_err go_on(void *arg) {
    (void) arg;
    while (!over) {
        (void) !ptk_sleep_ms(1000);
    }
    return PTK_OK;
}

static void destroy_beside(void *platform) {
    ptk_event_loop_platform_options_t options = PTK_EVENT_LOOP_PLATFORM_OPTIONS_INIT;
    options.destroy_timeout_ms = DESTROY_MS;
    options.platform = platform;
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create_with(&options);
    CHECK(loop != NULL);
    test_go(go_on, NULL);
    CHECK_OK(ptk_scheduler_poll(loop, 0, NULL));
    CHECK_OK(ptk_event_loop_platform_destroy(loop)); /* it aborts */
}

static void destroy_in_child(const char *platform) {
    static char output[16384];
    char name[8];
    int status = ptk_test_in_child(destroy_beside, strcpy(name, platform), output, sizeof output);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    CHECK(strstr(output, "destroy: out of time") != NULL);
    CHECK(strstr(output, "green thread \"go_on\"") != NULL);
}

TEST(p66_destroy_dumps_and_aborts_although_a_green_thread_goes_on) {
    destroy_in_child("epoll");
    destroy_in_child("poll");
}
