/* SPDX-License-Identifier: MIT */
/*
 * modbus_server --listen HOST:PORT: a Modbus/TCP server with any set of units, for any number of clients at
 * once. The protocol is in modbus/; this file has the arguments and the loop.
 */
#include "modbus/modbus_server.h"
#include "support/program.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: modbus_server --listen HOST:PORT [options]\n"
    "  --listen HOST:PORT  where to listen; port 0 chooses a free one\n"
    "  --platform NAME     epoll or poll; the best one if not given\n"
    "  --units LIST        unit ids that exist, such as 1-10,20 (default 1-247,255)\n"
    "  --idle-ms N         close a connection without a request for N ms; 0: never (default 60000)\n"
    "  --request-ms N      close a connection whose request is not complete after N ms; 0: never\n"
    "                      (default 5000)\n"
    "SIGINT and SIGTERM end it; SIGUSR1 prints the state of every green thread.\n";

typedef struct options {
    ptk_addr_t address;
    const char *platform;
    const char *units;
    uint32_t idle_ms;
    uint32_t request_ms;
} options_t;

/* Adds the units of one item of the list: a number, or two with a dash between them. False: out of memory. */
static bool add_units(modbus_store_t *store, char *item) {
    char *dash = strchr(item, '-');
    if (dash) {
        *dash = '\0';
    }
    uint32_t first = program_number("--units", item, 0, 255);
    uint32_t last = dash ? program_number("--units", dash + 1, first, 255) : first;
    bool good = true;
    for (uint32_t unit = first; good && unit <= last; unit++) {
        good = modbus_store_add_unit(store, (uint8_t) unit);
    }
    return good;
}

/* Returns a store with all units of the list; NULL: out of memory. */
static modbus_store_t *create_store(const char *units) {
    char *list = strdup(units);
    modbus_store_t *store = modbus_store_create();
    bool good = list && store;
    char *rest = list;
    while (good && rest) {
        char *item = rest;
        rest = strchr(item, ',');
        if (rest) {
            *rest++ = '\0';
        }
        good = add_units(store, item);
    }
    free(list);
    if (!good) {
        fputs("modbus_server: out of memory\n", stderr);
        modbus_store_destroy(store);
        return NULL;
    }
    return store;
}

static options_t read_arguments(int argc, char **argv) {
    static const struct option known[] = {{"listen", required_argument, NULL, 'l'},
                                          {"platform", required_argument, NULL, 'p'},
                                          {"units", required_argument, NULL, 'u'},
                                          {"idle-ms", required_argument, NULL, 'i'},
                                          {"request-ms", required_argument, NULL, 'r'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    options_t options = {.units = "1-247,255", .idle_ms = 60000, .request_ms = 5000};
    int letter;
    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (letter) {
        case 'l':
            options.address = program_address("--listen", optarg);
            break;
        case 'p':
            options.platform = optarg;
            break;
        case 'u':
            options.units = optarg;
            break;
        case 'i':
            options.idle_ms = program_timeout_ms("--idle-ms", optarg);
            break;
        case 'r':
            options.request_ms = program_timeout_ms("--request-ms", optarg);
            break;
        case 'h':
            fputs(help, stdout);
            exit(EXIT_SUCCESS);
        default:
            program_bad_usage("modbus_server: bad option");
        }
    }
    if (optind < argc || options.address.length == 0) {
        program_bad_usage("modbus_server: it takes --listen HOST:PORT and no other arguments");
    }
    return options;
}

int main(int argc, char **argv) {
    options_t options = read_arguments(argc, argv);
    modbus_server_t server = {
        .idle_ms = options.idle_ms, .request_ms = options.request_ms, .report_end = program_report_end};
    server.store = create_store(options.units);
    if (!server.store) {
        return EXIT_FAILURE;
    }
    program_raise_descriptor_limit();
    ptk_event_loop_platform_t *loop = program_loop(options.platform);
    ptk_err err = program_stop_on_signals(loop);
    if (!err) {
        err = ptk_scheduler_dump_on_signal(loop, SIGUSR1);
    }
    server.listener = err ? NULL : program_listen(loop, &options.address);
    int status = EXIT_FAILURE;
    if (server.listener) {
        status = program_run(loop, modbus_server_run, &server); /* returns when a signal stops the loop */
    } else {
        program_loop_end(loop);
    }
    modbus_store_destroy(server.store);
    return status;
}
