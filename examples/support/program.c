/* SPDX-License-Identifier: MIT */
/*
 * One green thread waits for signals: it owns a waitable for SIGINT and one for SIGTERM, waits for either,
 * and stops the loop. Stopping cancels every green thread: each blocked call returns PTK_ERR_CANCELED, the
 * green thread closes what it owns and returns, and ptk_scheduler_run() returns to main. The waitables are
 * created before anything is printed, so a signal that comes right after the first line is not lost. They are
 * destroyed before the loop is stopped, so a second signal ends the process as usual. The green thread is a
 * daemon: a program without other green threads ends without a signal.
 */
#include "support/program.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define BAD_USAGE   2
#define WATCHDOG_MS 1000 /* PTK_WATCHDOG_MS=0 switches it off */

void program_bad_usage(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputs("; see --help\n", stderr);
    exit(BAD_USAGE);
}

uint32_t program_number(const char *what, const char *text, uint32_t least, uint32_t most) {
    int base = strncmp(text, "0x", 2) == 0 ? 16 : 10;
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, base);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno || value < least || value > most) {
        program_bad_usage("%s: '%s' is not a number from %lu to %lu", what, text, (unsigned long) least,
                          (unsigned long) most);
    }
    return (uint32_t) value;
}

uint32_t program_timeout_ms(const char *what, const char *text) {
    uint32_t ms = program_number(what, text, 0, PTK_TIMEOUT_INFINITE - 1);
    return ms > 0 ? ms : PTK_TIMEOUT_INFINITE;
}

ptk_addr_t program_address(const char *what, const char *text) {
    ptk_addr_t address;
    if (ptk_addr_parse(text, &address)) {
        program_bad_usage("%s: '%s' is not HOST:PORT with a numeric host", what, text);
    }
    return address;
}

ptk_event_loop_platform_t *program_loop(const char *platform) {
    ptk_event_loop_platform_options_t options = PTK_EVENT_LOOP_PLATFORM_OPTIONS_INIT;
    options.platform = platform;
    options.watchdog_ms = WATCHDOG_MS;
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create_with(&options);
    if (!loop && platform && ptk_get_err() == PTK_ERR_INVALID_PARAM) {
        program_bad_usage("--platform: there is no platform '%s'", platform);
    }
    if (!loop) {
        fprintf(stderr, "cannot create an event loop: %s\n", ptk_err_text(ptk_get_err()));
        exit(EXIT_FAILURE);
    }
    return loop;
}

static ptk_err print_listening(ptk_sock_t *listener) {
    ptk_addr_t local = {.length = sizeof local.storage};
    char text[PTK_ADDR_TEXT_BYTES];
    ptk_err err = ptk_sock_local_addr(listener, (struct sockaddr *) &local.storage, &local.length);
    if (!err) {
        err = ptk_addr_format(ptk_addr_sockaddr(&local), local.length, text, sizeof text);
    }
    if (!err) {
        printf("listening on %s\n", text);
        fflush(stdout);
    }
    return err;
}

/* Connections inherit keepalive, so a peer that is gone is found out also where `--idle-ms 0` sets no limit.
 */
ptk_sock_t *program_listen(ptk_event_loop_platform_t *loop, const ptk_addr_t *address) {
    ptk_sock_t *listener = ptk_sock_open(loop, address->storage.ss_family, SOCK_STREAM, 0);
    ptk_err err =
        listener ? ptk_sock_bind(listener, ptk_addr_sockaddr(address), address->length) : ptk_get_err();
    if (!err) {
        err = ptk_tcp_set_keepalive(listener, true, NULL);
    }
    if (!err) {
        err = ptk_sock_listen(listener, 0);
    }
    if (!err) {
        err = print_listening(listener);
    }
    if (err) {
        fprintf(stderr, "cannot listen: %s\n", ptk_err_text(err));
        ptk_sock_close(listener);
        return NULL;
    }
    return listener;
}

/* The two waitables of wait_for_end(). A program calls it once. */
static ptk_waitable_wait_item_t end_signals[2];

static ptk_err wait_for_end(void *arg) {
    size_t which = 0;
    ptk_err err = ptk_waitable_wait_any(end_signals, 2, &which, PTK_TIMEOUT_INFINITE);
    ptk_waitable_destroy(end_signals[0].waitable);
    ptk_waitable_destroy(end_signals[1].waitable);
    return err ? err : ptk_scheduler_stop(arg);
}

ptk_err program_stop_on_signals(ptk_event_loop_platform_t *loop) {
    const int signals[2] = {SIGINT, SIGTERM};
    for (size_t i = 0; i < 2; i++) {
        ptk_waitable_t *waitable =
            ptk_waitable_create(loop, PTK_WAITABLE_SIGNAL, PTK_HANDLE_SIGNAL(signals[i]));
        if (!waitable) {
            return ptk_get_err();
        }
        end_signals[i] = (ptk_waitable_wait_item_t) {.waitable = waitable, .events = PTK_EVENT_READ};
    }
    ptk_green_t *green =
        ptk_green_spawn(loop, &PTK_GREEN_OPTIONS(.flags = PTK_GREEN_DAEMON), wait_for_end, loop);
    return green ? ptk_green_detach(green) : ptk_get_err();
}

void program_report_end(const char *what, ptk_err err) {
    switch (err) {
    case PTK_OK:
    case PTK_ERR_EOF:
    case PTK_ERR_CANCELED:
        break;
    default:
        fprintf(stderr, "%s: %s\n", what, ptk_err_text(err));
    }
}

void program_loop_end(ptk_event_loop_platform_t *loop) {
    ptk_err err = ptk_event_loop_platform_destroy(loop);
    if (err) {
        fprintf(stderr, "cannot destroy the event loop: %s\n", ptk_err_text(err));
        exit(EXIT_FAILURE);
    }
}

int program_run(ptk_event_loop_platform_t *loop, ptk_green_fn fn, void *arg) {
    ptk_err result = PTK_OK;
    ptk_green_t *green = ptk_green_spawn(loop, &PTK_GREEN_OPTIONS(.name = "main"), fn, arg);
    ptk_err err = green ? ptk_scheduler_run(loop) : ptk_get_err();
    if (!err) {
        err = ptk_green_join(green, &result, 0);
    }
    program_loop_end(loop);
    if (err) {
        fprintf(stderr, "the event loop failed: %s\n", ptk_err_text(err));
    }
    return err || (result && result != PTK_ERR_CANCELED) ? EXIT_FAILURE : EXIT_SUCCESS;
}

uint32_t program_raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit)) {
        return 0;
    }
    rlim_t allowed = limit.rlim_max;
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = allowed;
    if (setrlimit(RLIMIT_NOFILE, &limit)) {
        allowed = before;
    }
    return allowed > UINT32_MAX ? UINT32_MAX : (uint32_t) allowed;
}
