/* SPDX-License-Identifier: MIT */
/* ptk.h in C++17: functions and lambdas as green threads, their names, and options. Exits with 0, or with the
 * number of the check that failed. */
#include <ptk.h>

#include <cstring>

static int count;

static ptk_err count_up(void *) {
    count++;
    return PTK_OK;
}

static bool has_name(ptk_green_t *green, const char *name) {
    bool same = green && std::strcmp(ptk_green_name(green), name) == 0;
    return ptk_green_detach(green) == PTK_OK && same;
}

static int check_start(ptk_event_loop_platform_t *loop) {
    if (ptk_go(loop, count_up, nullptr) != PTK_OK || (ptk_go) (nullptr, count_up, nullptr) != PTK_OK) {
        return 2;
    }
    ptk_err err = ptk_go(
        loop,
        [](void *) -> ptk_err {
            int one = 1, more = 2; /* commas in the body */
            count += one + more;
            return PTK_OK;
        },
        nullptr);
    if (err != PTK_OK) {
        return 3;
    }
    if (!has_name(ptk_green_spawn(loop, nullptr, count_up, nullptr), "count_up")) {
        return 4;
    }
    return has_name(ptk_green_spawn(loop, nullptr, [](void *) -> ptk_err { return PTK_OK; }, nullptr), "lambda")
               ? 0
               : 5;
}

static int check_options(ptk_event_loop_platform_t *loop) {
    ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
    options.name = "worker";
    if (!has_name(ptk_green_spawn(loop, &options, count_up, nullptr), "worker")) {
        return 6;
    }
    ptk_green_options_t zeroed = {};
    zeroed.name = "worker";
    return has_name(ptk_green_spawn(loop, &zeroed, count_up, nullptr), "worker") ? 0 : 7;
}

static int check_calls(ptk_event_loop_platform_t *loop) {
    ptk_scheduler_counters_t counters;
    ptk_sock_t *listener = ptk_tcp_listen(loop, "127.0.0.1:0", nullptr);
    bool good = listener && ptk_scheduler_counters(loop, &counters) == PTK_OK && counters.spawned == 7;
    ptk_sock_close(listener);
    return good ? 0 : 8;
}

int main() {
    ptk_event_loop_platform_options_t options = PTK_EVENT_LOOP_PLATFORM_OPTIONS_INIT;
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create_with(&options);
    int failed = loop ? check_start(loop) : 1;
    failed = failed ? failed : check_options(loop);
    failed = failed ? failed : check_calls(loop);
    if (failed) {
        return failed;
    }
    PTK_IGNORE(ptk_scheduler_stop(nullptr)); /* only to compile it; the bodies run all the same */
    if (ptk_scheduler_run(loop) != PTK_OK || count != 8) {
        return 9;
    }
    return ptk_event_loop_platform_destroy(loop) == PTK_OK ? 0 : 10;
}
