/* SPDX-License-Identifier: MIT */
/* Exceptions of C++ in green threads that park in catch blocks and while the stack is unwound (p70). Exits with 0, or
 * with the number of the check that failed. */
#include <ptk.h>

#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>

static int wrong;
static int ended;
static int destroyed;

/* Throws and parks in the catch block, while others throw theirs; the exception must be its own afterwards. */
static void throw_and_park(const std::string &name, bool yields) {
    try {
        throw std::runtime_error(name);
    } catch (const std::runtime_error &) {
        wrong += (yields ? ptk_yield() : ptk_sleep_ms(1)) != PTK_OK;
        try {
            throw;
        } catch (const std::runtime_error &own) {
            wrong += name != own.what();
        } catch (...) {
            wrong++;
        }
    }
}

static ptk_err throw_often(void *arg) {
    const auto number = reinterpret_cast<std::intptr_t>(arg);
    for (int i = 0; i < 50; i++) {
        throw_and_park("g" + std::to_string(number), (i + number) % 3 != 0);
    }
    wrong += std::current_exception() != nullptr;
    ended++;
    return PTK_OK;
}

/* Parks while an exception passes through it. */
struct parks_in_destructor {
    ~parks_in_destructor() {
        wrong += std::uncaught_exceptions() != 1;
        wrong += ptk_yield() != PTK_OK;
        wrong += std::uncaught_exceptions() != 1;
    }
};

static ptk_err unwind_slowly(void *) {
    for (int i = 0; i < 50; i++) {
        try {
            parks_in_destructor guard;
            throw i;
        } catch (int thrown) {
            wrong += thrown != i;
        }
        wrong += ptk_yield() != PTK_OK || std::uncaught_exceptions() != 0;
    }
    ended++;
    return PTK_OK;
}

struct counts_destruction {
    ~counts_destruction() { destroyed++; }
};

static ptk_err be_canceled(void *) {
    counts_destruction guard;
    while (ptk_sleep_ms(1000) == PTK_OK) {
    }
    return PTK_OK;
}

static ptk_err cancel_one(void *) {
    ptk_green_t *green = ptk_green_spawn(nullptr, nullptr, be_canceled, nullptr);
    wrong += green == nullptr || ptk_yield() != PTK_OK;
    return ptk_green_end(green, PTK_TIMEOUT_INFINITE);
}

static int start_all(ptk_event_loop_platform_t *loop) {
    for (std::intptr_t i = 0; i < 20; i++) {
        ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
        options.flags = i % 2 ? PTK_GREEN_FP : 0;
        ptk_green_t *green = ptk_green_spawn(loop, &options, throw_often, reinterpret_cast<void *>(i));
        if (!green || ptk_green_detach(green) != PTK_OK || ptk_go(loop, unwind_slowly, nullptr) != PTK_OK) {
            return 2;
        }
    }
    return ptk_go(loop, cancel_one, nullptr) == PTK_OK ? 0 : 3;
}

/* Runs the loop in a catch block, whose exception is not the green threads'. */
static int run_in_catch(ptk_event_loop_platform_t *loop) {
    try {
        throw std::runtime_error("main");
    } catch (const std::runtime_error &) {
        if (ptk_scheduler_run(loop) != PTK_OK) {
            return 4;
        }
        try {
            throw;
        } catch (const std::runtime_error &own) {
            return own.what() == std::string("main") ? 0 : 5;
        }
    }
}

int main() {
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    int failed = loop ? start_all(loop) : 1;
    failed = failed ? failed : run_in_catch(loop);
    if (failed) {
        return failed;
    }
    if (wrong != 0 || ended != 40 || destroyed != 1) {
        return 6;
    }
    return ptk_event_loop_platform_destroy(loop) == PTK_OK ? 0 : 7;
}
