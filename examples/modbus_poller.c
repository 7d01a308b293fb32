/* SPDX-License-Identifier: MIT */
/*
 * modbus_poller HOST:PORT: reads holding registers of a device again and again, prints their values, and
 * connects again whenever the connection is lost. It ends on SIGINT or SIGTERM with status 0.
 *
 * A *transaction* is everything that one poll takes: connecting if there is no connection, the request, and
 * the response. It has one deadline, and each call in it gets the time that is left (deadline.h). How a
 * transaction ends decides how the poller continues:
 *
 *     a response      its values, or the device's exception, are printed; the back-off begins anew
 *     no response     the connection is kept, and given up after SILENT_MOST such transactions in a row
 *     the network     the connection is given up: is_passing() lists these errors
 *     CANCELED        a signal has stopped the loop: the poller closes the connection and returns
 *     another error   another attempt would not mend it: the poller ends with status 1
 *
 * A connection without a response is kept because the device may only be slow: modbus_client drops a response
 * that comes late.
 *
 * Before it connects again it waits. The wait doubles with each failure up to a limit, and a random half of
 * it is left out, so that the pollers of a device that comes back do not all arrive in the same millisecond.
 */
#include "modbus/deadline.h"
#include "modbus/modbus_client.h"
#include "support/program.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SILENT_MOST      3
#define BACKOFF_FIRST_MS 100
#define BACKOFF_MOST_MS  30000

static const char help[] =
    "usage: modbus_poller HOST:PORT [options]\n"
    "  --unit N         unit id (default 1)\n"
    "  --address N      the first holding register (default 0)\n"
    "  --count N        how many registers (default 1)\n"
    "  --period-ms N    from the start of a poll to the start of the next (default 1000)\n"
    "  --timeout-ms N   for connecting, request and response together (default 1000)\n"
    "  --platform NAME  epoll or poll; the best one if not given\n";

typedef struct poller {
    ptk_addr_t server;
    const char *platform;
    uint32_t period_ms;
    uint32_t timeout_ms;
    uint8_t unit;
    modbus_range_t range;
    modbus_client_t client;
    uint32_t silent;     /* transactions in a row without a response, on this connection */
    uint32_t backoff_ms; /* the longest wait before the next attempt */
    uint64_t random;
} poller_t;

/* Returns whether an error is a condition of the network, of the peer or of this machine that may pass. */
static bool is_passing(ptk_err err) {
    switch (err) {
    case PTK_ERR_TIMEOUT:
    case PTK_ERR_EOF:
    case PTK_ERR_UNEXPECTED_EOF:
    case PTK_ERR_PARTIAL:
    case PTK_ERR_CLOSED: /* by modbus_client, when its transaction ids are used up */
    case PTK_ERR_NETWORK:
    case PTK_ERR_REFUSED:
    case PTK_ERR_RESET:
    case PTK_ERR_UNREACHABLE:
    case PTK_ERR_PEER_TIMEOUT:
    case PTK_ERR_ADDRESS_NOT_AVAILABLE:
    case PTK_ERR_NO_RESOURCES:
        return true;
    default:
        return false;
    }
}

/* Returns a number below `limit`: xorshift64, which is random enough to spread attempts. */
static uint32_t random_below(poller_t *poller, uint32_t limit) {
    poller->random ^= poller->random << 13;
    poller->random ^= poller->random >> 7;
    poller->random ^= poller->random << 17;
    return (uint32_t) (poller->random % limit);
}

/* Waits before the next attempt, and doubles the wait after that. */
static ptk_err back_off(poller_t *poller) {
    uint32_t half_ms = poller->backoff_ms / 2;
    uint32_t wait_ms = half_ms + random_below(poller, half_ms + 1);
    poller->backoff_ms = poller->backoff_ms > BACKOFF_MOST_MS / 2 ? BACKOFF_MOST_MS : 2 * poller->backoff_ms;
    fprintf(stderr, "modbus_poller: connecting again in %u ms\n", wait_ms);
    return ptk_sleep_ms(wait_ms);
}

static void print_response(const poller_t *poller, modbus_exception_t exception, const uint16_t *values) {
    if (exception) {
        fprintf(stderr, "modbus_poller: %s (exception %d)\n", modbus_exception_text(exception),
                (int) exception);
        return;
    }
    for (unsigned i = 0; i < poller->range.count; i++) {
        printf("%u: %u\n", poller->range.address + i, values[i]);
    }
    fflush(stdout);
}

/* Connects unless there is a connection. */
static ptk_err connect_device(poller_t *poller, uint64_t deadline_ns) {
    if (poller->client.sock) {
        return PTK_OK;
    }
    ptk_err err = modbus_client_connect(&poller->client, &poller->server, deadline_left_ms(deadline_ns));
    if (!err) {
        poller->silent = 0;
        puts("connected");
        fflush(stdout);
    }
    return err;
}

/* Carries out one transaction within its deadline. */
static ptk_err transact(poller_t *poller) {
    uint16_t values[MODBUS_READ_REGISTERS_MAX];
    uint64_t deadline_ns = deadline_after_ms(poller->timeout_ms);
    ptk_err err = connect_device(poller, deadline_ns);
    if (err) {
        return err;
    }
    poller->client.timeout_ms = deadline_left_ms(deadline_ns);
    modbus_result_t result =
        modbus_read_holding_registers(&poller->client, poller->unit, poller->range, values);
    if (!result.err) {
        print_response(poller, result.exception, values);
    }
    return result.err;
}

/* Decides how to continue after a transaction. An error ends the poller. */
static ptk_err recover(poller_t *poller, ptk_err err) {
    if (!err) {
        poller->silent = 0;
        poller->backoff_ms = BACKOFF_FIRST_MS;
        return PTK_OK;
    }
    if (!is_passing(err)) {
        return err;
    }
    fprintf(stderr, "modbus_poller: %s\n", ptk_err_text(err));
    if (err == PTK_ERR_TIMEOUT && poller->client.sock && ++poller->silent < SILENT_MOST) {
        return PTK_OK;
    }
    modbus_client_close(&poller->client);
    return back_off(poller);
}

static ptk_err poll_device(void *arg) {
    poller_t *poller = arg;
    ptk_err err = PTK_OK;
    while (!err) {
        uint64_t next_ns = ptk_now_ns() + poller->period_ms * PTK_NS_PER_MS;
        err = recover(poller, transact(poller));
        if (!err) {
            err = ptk_sleep_until(next_ns);
        }
    }
    modbus_client_close(&poller->client);
    program_report_end("modbus_poller", err);
    return err;
}

static void read_option(poller_t *poller, int letter) {
    switch (letter) {
    case 'u':
        poller->unit = (uint8_t) program_number("--unit", optarg, 0, 255);
        break;
    case 'a':
        poller->range.address = (uint16_t) program_number("--address", optarg, 0, UINT16_MAX);
        break;
    case 'c':
        poller->range.count = (uint16_t) program_number("--count", optarg, 1, MODBUS_READ_REGISTERS_MAX);
        break;
    case 'e':
        poller->period_ms = program_number("--period-ms", optarg, 0, UINT32_MAX);
        break;
    case 't':
        poller->timeout_ms = program_number("--timeout-ms", optarg, 1, PTK_TIMEOUT_INFINITE - 1);
        break;
    case 'p':
        poller->platform = optarg;
        break;
    case 'h':
        fputs(help, stdout);
        exit(EXIT_SUCCESS);
    default:
        program_bad_usage("modbus_poller: bad option");
    }
}

static void read_arguments(poller_t *poller, int argc, char **argv) {
    static const struct option known[] = {{"unit", required_argument, NULL, 'u'},
                                          {"address", required_argument, NULL, 'a'},
                                          {"count", required_argument, NULL, 'c'},
                                          {"period-ms", required_argument, NULL, 'e'},
                                          {"timeout-ms", required_argument, NULL, 't'},
                                          {"platform", required_argument, NULL, 'p'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int letter;
    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
        read_option(poller, letter);
    }
    if (optind + 1 != argc) {
        program_bad_usage("modbus_poller: it takes one HOST:PORT");
    }
    poller->server = program_address("modbus_poller", argv[optind]);
    if (poller->range.address + poller->range.count > UINT16_MAX + 1) {
        program_bad_usage("modbus_poller: the last register is 65535");
    }
}

int main(int argc, char **argv) {
    static poller_t poller = {
        .period_ms = 1000, .timeout_ms = 1000, .unit = 1, .range = {0, 1}, .backoff_ms = BACKOFF_FIRST_MS};
    read_arguments(&poller, argc, argv);
    poller.random = (ptk_now_ns() << 16 ^ (uint64_t) getpid()) | 1;
    ptk_event_loop_platform_t *loop = program_loop(poller.platform);
    ptk_err err = program_stop_on_signals(loop);
    if (err) {
        fprintf(stderr, "modbus_poller: %s\n", ptk_err_text(err));
        program_loop_end(loop);
        return EXIT_FAILURE;
    }
    return program_run(loop, poll_device, &poller);
}
