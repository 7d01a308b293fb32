/* SPDX-License-Identifier: MIT */
/* ptk.h in C++17: functions, lambdas and other objects as green threads, their names, and options. Exits with 0, or with
 * the number of the check that failed. */
#include <ptk.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

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

/* --- objects ------------------------------------------------------------------------------------------- */

static bool without_memory;
static int objects; /* that live */

void *operator new(std::size_t bytes, const std::nothrow_t &) noexcept {
    return without_memory ? nullptr : std::malloc(bytes);
}

void operator delete(void *memory) noexcept {
    std::free(memory);
}

void operator delete(void *memory, std::size_t) noexcept {
    std::free(memory);
}

void *operator new(std::size_t bytes) {
    void *memory = std::malloc(bytes);
    return memory ? memory : throw std::bad_alloc();
}

/* A capture that is counted, and cannot be copied. */
class counted {
public:
    counted() { objects++; }
    counted(counted &&) noexcept { objects++; }
    ~counted() { objects--; }
};

static ptk_err count_ten() {
    count += 10;
    return PTK_OK;
}

/* Calls with captures, commas in them, results of any kind; what is captured ends with the green thread. */
static int check_objects(ptk_event_loop_platform_t *loop) {
    std::string text(100, 'x');
    int first = 3, second = 4;
    count = 0;
    auto unique = std::make_unique<counted>();
    ptk_green_t *failing = ptk_green_spawn(loop, nullptr, [text, first]() -> ptk_err {
        std::array<int, 2> pair{1, first}; /* commas in template arguments */
        return ptk_yield() == PTK_OK && text.size() == 100 && pair[1] == 3 ? PTK_ERR_EOF : PTK_OK;
    });
    if (ptk_go(loop, [first, second, held = counted()] { count += first + second; }) != PTK_OK ||
        ptk_go(loop, [held = std::move(unique)]() mutable {
            held.reset();
            return ptk_yield();
        }) != PTK_OK ||
        ptk_go(loop, count_ten) != PTK_OK || !failing) {
        return 11;
    }
    ptk_err result = PTK_OK;
    if (objects != 2) {
        return 19;
    }
    if (std::strcmp(ptk_green_name(failing), "lambda") != 0 || ptk_scheduler_run(loop) != PTK_OK ||
        ptk_green_join(failing, &result, 0) != PTK_OK || result != PTK_ERR_EOF) {
        return 12;
    }
    return objects == 0 && count == 17 ? 0 : 13;
}

/* An object is destroyed where no green thread is started: without memory, with wrong options, on no loop. */
static int check_refused_objects(ptk_event_loop_platform_t *loop) {
    without_memory = true;
    ptk_err err = ptk_go(loop, [held = counted()] {});
    ptk_green_t *green = ptk_green_spawn(loop, nullptr, [held = counted()] {});
    without_memory = false;
    if (err != PTK_ERR_NO_RESOURCES || green || ptk_get_err() != PTK_ERR_NO_RESOURCES || objects != 0) {
        return 14;
    }
    ptk_green_options_t wrong = PTK_GREEN_OPTIONS_INIT;
    wrong.reserved = 1;
    green = ptk_green_spawn(loop, &wrong, [held = counted()] {});
    return !green && ptk_get_err() == PTK_ERR_INVALID_PARAM && objects == 0 ? 0 : 15;
}

/* The loop's end runs what has not run, so that captures are destroyed. */
static int check_objects_at_the_end(ptk_event_loop_platform_t *loop) {
    if (ptk_go(loop, [held = counted()] { count = 0; }) != PTK_OK ||
        ptk_go(loop, [held = counted()] { return ptk_sleep_ms(PTK_TIMEOUT_INFINITE); }) != PTK_OK) {
        return 16;
    }
    return ptk_event_loop_platform_destroy(loop) == PTK_OK && objects == 0 ? 0 : 17;
}

/* An exception that escapes ends the program in std::terminate. */
static int check_escape() {
    pid_t child = fork();
    if (child == 0) {
        std::set_terminate([] { _exit(42); });
        ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
        PTK_IGNORE(ptk_go(loop, [] { throw 1; }));
        PTK_IGNORE(ptk_scheduler_run(loop));
        _exit(1);
    }
    int status = 0;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 42 ? 0 : 18;
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
    failed = check_objects(loop);
    failed = failed ? failed : check_refused_objects(loop);
    failed = failed ? failed : check_objects_at_the_end(loop);
    return failed ? failed : check_escape();
}
