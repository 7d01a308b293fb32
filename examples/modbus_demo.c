/* SPDX-License-Identifier: MIT */
/*
 * modbus_demo: a Modbus server in one process, and in another one thousands of clients that use it at the
 * same time. Each client is a green thread with a connection of its own, written as plain blocking code in
 * converse(). All of them share one OS thread, and so do the green threads of the server.
 *
 * A conversation repeatedly writes registers of its own, reads them back and compares. A conversation that
 * fails in any way ends and counts as an error. One more green thread, direct(), runs four phases:
 *
 *     ramp      starts conversations; each waits after its first response for the measurement
 *     full      every conversation always has a request in progress: this measures how many requests are
 *               answered, and the latency is mostly the wait behind the other requests
 *     half      every conversation pauses between rounds, so that half as many requests are made: this
 *               measures the latency of a server that is not saturated
 *     end       lets every conversation end after its current round
 *
 * In the ramp at most RAMP_WINDOW conversations are without their first response, so the server's listen
 * backlog never overflows.
 */
#include "modbus/modbus_client.h"
#include "modbus/server_process.h"
#include "support/histogram.h"
#include "support/program.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONVERSATIONS_MOST 10000
#define RAMP_WINDOW        256
#define TIMEOUT_MS         30000
#define DESCRIPTORS_SPARE  32 /* what a process needs besides its connections */
#define ROUND_REGISTERS    10 /* written and read back in each round */
#define NS_PER_SECOND      (1000 * PTK_NS_PER_MS)

static const char help[] = "usage: modbus_demo [--seconds N] [--conversations N] [--platform NAME]\n"
                           "  --seconds N        how long to measure, at full and at half load each "
                           "(default 5)\n"
                           "  --conversations N  how many at a time (default: as many as the descriptor "
                           "limit allows, up to 10,000)\n"
                           "  --platform NAME    epoll or poll; the best one if not given\n";

#define PAUSE_STEP_NS (100 * PTK_NS_PER_MS) /* the end is noticed after each such part of a pause */

typedef struct demo demo_t;

/* A time of measurement. */
typedef struct phase {
    uint64_t begin_ns;
    uint64_t end_ns;
    uint64_t requests;
    histogram_t latency_ns;
} phase_t;

typedef struct conversation {
    demo_t *demo;
    uint32_t index;
} conversation_t;

/* Shared by all conversations. They run on one OS thread, so there is nothing to lock. */
struct demo {
    uint32_t seconds;
    uint32_t conversations;
    const char *platform;
    conversation_t *conversation_of; /* by index */
    server_process_t server;
    server_report_t server_begin;
    server_report_t server_end;
    ptk_waitable_t *settled_event; /* signalled whenever `settled` grows */
    ptk_waitable_t *starting_line; /* waits on it are aborted when the measurement begins */
    uint32_t started;
    uint32_t settled; /* had their first round, successful or not */
    uint32_t paced;   /* pause between rounds, or have ended */
    bool begun;       /* the first measurement has begun */
    bool over;
    uint64_t interval_ns; /* from one round of a conversation to the next; 0: there is no pause */
    phase_t full;         /* the first measurement */
    phase_t half;         /* the second one */
    phase_t *measured;    /* the one that is under way, or NULL */
    uint64_t begin_switches;
    uint64_t end_switches;
    uint64_t begin_resident_bytes;
    uint64_t end_resident_bytes;
    uint64_t errors;
    const char *first_error;
};

/* --- a conversation ------------------------------------------------------------------------------ */

static void note_error(demo_t *demo, const char *text) {
    demo->errors++;
    if (!demo->first_error) {
        demo->first_error = text;
    }
}

/* Counts a request that began at `begin_ns` and has ended. Returns whether it succeeded. */
static bool account(demo_t *demo, uint64_t begin_ns, modbus_result_t result) {
    if (!modbus_is_ok(result)) {
        note_error(demo, modbus_result_text(result));
        return false;
    }
    if (demo->measured) {
        histogram_add(&demo->measured->latency_ns, ptk_now_ns() - begin_ns);
        demo->measured->requests++;
    }
    return true;
}

/* Writes registers, reads them back and compares. Addresses and values are this conversation's own. The
 * latency of the write counts from `begin_ns`. */
static bool run_round(const conversation_t *self, modbus_client_t *client, uint32_t round,
                      uint64_t begin_ns) {
    demo_t *demo = self->demo;
    uint8_t unit = (uint8_t) (1 + self->index % SERVER_PROCESS_UNITS);
    uint16_t address = (uint16_t) (self->index / SERVER_PROCESS_UNITS * ROUND_REGISTERS);
    modbus_range_t range = {address, ROUND_REGISTERS};
    uint16_t written[ROUND_REGISTERS];
    uint16_t found[ROUND_REGISTERS] = {0};
    for (uint32_t i = 0; i < ROUND_REGISTERS; i++) {
        written[i] = (uint16_t) (self->index * 31 + round * 7 + i);
    }
    if (!account(demo, begin_ns, modbus_write_registers(client, unit, range, written))) {
        return false;
    }
    begin_ns = ptk_now_ns();
    if (!account(demo, begin_ns, modbus_read_holding_registers(client, unit, range, found))) {
        return false;
    }
    if (memcmp(written, found, sizeof written) != 0) {
        note_error(demo, "the registers do not hold what was written");
        return false;
    }
    return true;
}

static bool open_conversation(const conversation_t *self, modbus_client_t *client) {
    ptk_err err = modbus_client_connect(client, &self->demo->server.first.address, TIMEOUT_MS);
    if (err) {
        note_error(self->demo, ptk_err_text(err));
    }
    return !err && run_round(self, client, 0, ptk_now_ns());
}

/* Pauses until the conversation's next round is due, and writes that time. A round that is late begins at
 * once and counts from when it was due, so that a slow reply does not hide the wait of the requests behind
 * it. */
static ptk_err pause_until_due(const conversation_t *self, uint64_t *due_ns) {
    demo_t *demo = self->demo;
    ptk_err err = PTK_OK;
    if (*due_ns == 0) { /* the first ones are spread */
        *due_ns = ptk_now_ns() + demo->interval_ns / demo->conversations * self->index;
        demo->paced++;
    } else {
        *due_ns += demo->interval_ns;
    }
    for (uint64_t now_ns = ptk_now_ns(); !err && !demo->over && now_ns < *due_ns; now_ns = ptk_now_ns()) {
        err = ptk_sleep_until(*due_ns - now_ns > PAUSE_STEP_NS ? now_ns + PAUSE_STEP_NS : *due_ns);
    }
    return err;
}

/* Runs rounds until the end, at first one after the other, then with pauses. */
static void run_rounds(const conversation_t *self, modbus_client_t *client) {
    demo_t *demo = self->demo;
    uint64_t due_ns = 0;
    bool good = true;
    for (uint32_t round = 1; good && !demo->over; round++) {
        ptk_err err = demo->interval_ns ? pause_until_due(self, &due_ns) : PTK_OK;
        good = !err && (demo->over || run_round(self, client, round, due_ns ? due_ns : ptk_now_ns()));
    }
    demo->paced += due_ns == 0;
}

static ptk_err converse(void *arg) {
    const conversation_t *self = arg;
    demo_t *demo = self->demo;
    modbus_client_t client;
    bool good = open_conversation(self, &client);
    demo->settled++;
    ptk_err err = ptk_waitable_signal(demo->settled_event);
    if (!err && good && !demo->begun && !demo->over) {
        err = ptk_waitable_wait(demo->starting_line, PTK_EVENT_READ, PTK_TIMEOUT_INFINITE);
    }
    if (err && err != PTK_ERR_ABORTED) { /* the starting signal is an abort */
        note_error(demo, ptk_err_text(err));
        good = false;
    }
    if (good) {
        run_rounds(self, &client);
    } else {
        demo->paced++;
    }
    modbus_client_close(&client);
    return PTK_OK;
}

/* --- the phases ---------------------------------------------------------------------------------- */

/* Prints a line of progress: on a terminal in place of the last one. */
static void show(const char *line) {
    if (isatty(STDOUT_FILENO)) {
        printf("\r%-78s", line);
    } else {
        printf("%s\n", line);
    }
    fflush(stdout);
}

static void show_ramp(const demo_t *demo) {
    char line[80];
    snprintf(line, sizeof line, "connecting: %" PRIu32 " of %" PRIu32, demo->settled, demo->conversations);
    show(line);
}

static void show_second(const demo_t *demo, uint32_t second, uint64_t requests_before) {
    char line[80];
    snprintf(line, sizeof line,
             "%3" PRIu32 " s: %" PRIu64 " requests, %" PRIu64 " in the last second, %" PRIu64 " errors",
             second, demo->measured->requests, demo->measured->requests - requests_before, demo->errors);
    show(line);
}

/* Starts as many conversations as the window allows. */
static ptk_err start_some(demo_t *demo) {
    ptk_err err = PTK_OK;
    while (!err && demo->started < demo->conversations && demo->started - demo->settled < RAMP_WINDOW) {
        conversation_t *next = &demo->conversation_of[demo->started];
        *next = (conversation_t) {demo, demo->started++};
        err = ptk_go(NULL, converse, next);
    }
    return err;
}

static ptk_err ramp_up(demo_t *demo) {
    uint64_t next_line_ns = ptk_now_ns() + NS_PER_SECOND;
    while (demo->settled < demo->conversations) {
        ptk_err err = start_some(demo);
        if (!err) {
            err = ptk_waitable_wait(demo->settled_event, PTK_EVENT_READ, 1000);
        }
        if (err && err != PTK_ERR_TIMEOUT) {
            return err;
        }
        if (ptk_now_ns() >= next_line_ns) {
            show_ramp(demo);
            next_line_ns += NS_PER_SECOND;
        }
    }
    show_ramp(demo);
    return PTK_OK;
}

static uint64_t own_switches(void) {
    ptk_scheduler_counters_t counters;
    ptk_err err = ptk_scheduler_counters(NULL, &counters);
    return err ? 0 : counters.switches;
}

/* Measures for the given time. */
static ptk_err measure(demo_t *demo, phase_t *phase) {
    ptk_err err = PTK_OK;
    phase->begin_ns = ptk_now_ns();
    demo->measured = phase;
    for (uint32_t second = 1; !err && second <= demo->seconds; second++) {
        uint64_t requests_before = phase->requests;
        err = ptk_sleep_until(phase->begin_ns + second * NS_PER_SECOND);
        show_second(demo, second, requests_before);
    }
    demo->measured = NULL;
    phase->end_ns = ptk_now_ns();
    return err;
}

static ptk_err measure_full(demo_t *demo) {
    ptk_err err = server_process_report(&demo->server, &demo->server_begin, TIMEOUT_MS);
    demo->begin_switches = own_switches();
    demo->begun = true;
    if (!err) {
        err = ptk_waitable_abort(demo->starting_line);
    }
    if (!err) {
        err = measure(demo, &demo->full);
    }
    demo->end_switches = own_switches();
    demo->end_resident_bytes = process_resident_bytes();
    return err ? err : server_process_report(&demo->server, &demo->server_end, TIMEOUT_MS);
}

/* A round has two requests, so one round in the time in which the full load completes four requests of a
 * conversation makes half of that load. The measurement begins when the last round of the full load is over.
 */
static ptk_err measure_half(demo_t *demo) {
    uint64_t full_ns = demo->full.end_ns - demo->full.begin_ns;
    uint64_t requests = demo->full.requests > 0 ? demo->full.requests : 1;
    ptk_err err = PTK_OK;
    demo->interval_ns = (uint64_t) (4.0 * demo->conversations * (double) full_ns / (double) requests);
    while (!err && demo->paced < demo->conversations) {
        err = ptk_sleep_ms(10);
    }
    return err ? err : measure(demo, &demo->half);
}

static ptk_err direct(void *arg) {
    demo_t *demo = arg;
    demo->begin_resident_bytes = process_resident_bytes();
    ptk_err err = ramp_up(demo);
    if (!err) {
        err = measure_full(demo);
    }
    if (!err) {
        show("half of that load");
        err = measure_half(demo);
    }
    if (err) {
        note_error(demo, ptk_err_text(err));
    }
    demo->over = true;
    ptk_err aborted = ptk_waitable_abort(demo->starting_line);
    return err ? err : aborted;
}

/* --- the table ----------------------------------------------------------------------------------- */

/* Formats a number with commas between the thousands, in a buffer that stays valid for the next three calls.
 */
static const char *commas(uint64_t value) {
    static char buffers[4][32];
    static unsigned next;
    char *text = buffers[next++ % 4];
    char digits[24];
    int count = snprintf(digits, sizeof digits, "%" PRIu64, value);
    char *at = text;
    for (int i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0) {
            *at++ = ',';
        }
        *at++ = digits[i];
    }
    *at = '\0';
    return text;
}

static uint64_t per_second(const phase_t *phase, uint64_t count) {
    uint64_t ns = phase->end_ns - phase->begin_ns;
    return ns > 0 ? (uint64_t) ((double) count * (double) NS_PER_SECOND / (double) ns) : 0;
}

static uint64_t growth_per_conversation(const demo_t *demo, uint64_t before, uint64_t after) {
    return after > before ? (after - before) / demo->conversations : 0;
}

static void print_count(const char *name, uint64_t count) {
    printf("  %-36s %14s\n", name, commas(count));
}

static void print_percentile(const char *name, const phase_t *phase, double percent) {
    double ms = (double) histogram_percentile(&phase->latency_ns, percent) / (double) PTK_NS_PER_MS;
    printf("  %-36s %11.2f ms\n", name, ms);
}

static void print_table(const demo_t *demo) {
    const server_report_t *begin = &demo->server_begin;
    const server_report_t *end = &demo->server_end;
    printf("\n\n");
    print_count("conversations at once", demo->conversations);
    print_count("requests answered and verified", demo->full.requests + demo->half.requests);
    print_count("requests per second at full load", per_second(&demo->full, demo->full.requests));
    print_count("requests per second at half load", per_second(&demo->half, demo->half.requests));
    print_percentile("latency p50 at half load", &demo->half, 50);
    print_percentile("latency p99 at half load", &demo->half, 99);
    print_percentile("latency p50 at full load", &demo->full, 50);
    print_percentile("latency p99 at full load", &demo->full, 99);
    print_count("resident bytes per conversation",
                growth_per_conversation(demo, demo->server.first.resident_bytes, end->resident_bytes));
    print_count("  the same in the client process",
                growth_per_conversation(demo, demo->begin_resident_bytes, demo->end_resident_bytes));
    print_count("switches per second at full load", per_second(&demo->full, end->switches - begin->switches));
    print_count("  the same in the client process",
                per_second(&demo->full, demo->end_switches - demo->begin_switches));
    print_count("errors", demo->errors);
    if (demo->first_error) {
        printf("\nthe first error: %s\n", demo->first_error);
    }
}

/* Returns whether a program or file is where this text says it is. */
static bool is_there(const char *folder, int folder_length, const char *name) {
    char path[1024];
    int length = snprintf(path, sizeof path, "%.*s%s", folder_length, folder, name);
    return length > 0 && (size_t) length < sizeof path && access(path, R_OK) == 0;
}

/* Returns whether the shell finds a program. */
static bool is_in_path(const char *name) {
    const char *path = getenv("PATH");
    while (path && *path) {
        size_t length = strcspn(path, ":");
        char folder[1024];
        snprintf(folder, sizeof folder, "%.*s/", (int) length, path);
        if (length > 0 && is_there(folder, (int) length + 1, name)) {
            return true;
        }
        path += length + (path[length] == ':');
    }
    return false;
}

/* Names only what exists: the demonstration may have been built or copied alone. */
static void print_next_steps(const char *program) {
    const char *slash = strrchr(program, '/');
    int length = slash ? (int) (slash - program) + 1 : 0;
    printf(
        "\nServer and client each ran on one OS thread. At full load every conversation always had a request "
        "in\nprogress, so the latency is mostly the wait behind the other requests. At half load each paused "
        "between rounds.\n");
    if (is_there(program, length, "modbus_server") && is_there(program, length, "modbus_client")) {
        printf("\nTo try by hand: start the server in one terminal,\n\n"
               "  %.*smodbus_server --listen 127.0.0.1:1502\n\n"
               "and in another use ptk's client%s:\n\n"
               "  %.*smodbus_client 127.0.0.1:1502 write-registers 0 11 22 33\n"
               "  %.*smodbus_client 127.0.0.1:1502 read-holding 0 3\n",
               length, program, is_in_path("mbpoll") ? ", or another one" : "", length, program, length,
               program);
        printf("%s",
               is_in_path("mbpoll") ? "  mbpoll -m tcp -p 1502 -a 1 -t 4 -r 1 -c 3 -1 127.0.0.1\n" : "");
    }
    if (is_there("", 0, "examples/modbus/modbus_server.c")) {
        printf(
            "\nexamples/modbus/modbus_server.c is that server, and the README begins with a smaller one.\n");
    }
}

/* --- the program --------------------------------------------------------------------------------- */

static void read_arguments(demo_t *demo, int argc, char **argv) {
    static const struct option known[] = {{"seconds", required_argument, NULL, 's'},
                                          {"conversations", required_argument, NULL, 'c'},
                                          {"platform", required_argument, NULL, 'p'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int letter;
    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (letter) {
        case 's':
            demo->seconds = program_number("--seconds", optarg, 1, 3600);
            break;
        case 'c':
            demo->conversations = program_number("--conversations", optarg, 1, CONVERSATIONS_MOST);
            break;
        case 'p':
            demo->platform = optarg;
            break;
        case 'h':
            fputs(help, stdout);
            exit(EXIT_SUCCESS);
        default:
            program_bad_usage("modbus_demo: bad option");
        }
    }
    if (optind < argc) {
        program_bad_usage("modbus_demo: it takes no other arguments");
    }
}

static void fit_descriptor_limit(demo_t *demo) {
    uint32_t limit = program_raise_descriptor_limit();
    uint32_t most = limit > DESCRIPTORS_SPARE ? limit - DESCRIPTORS_SPARE : 1;
    if (demo->conversations > most) {
        printf("a process may hold %" PRIu32 " descriptors here, so there are fewer conversations\n", limit);
        demo->conversations = most;
    }
}

/* Runs the client process, from the creation of its loop to its end. False: it failed. */
static bool run_client(demo_t *demo) {
    demo->conversation_of = calloc(demo->conversations, sizeof *demo->conversation_of);
    ptk_event_loop_platform_t *loop = program_loop(demo->platform);
    demo->settled_event = ptk_waitable_create(loop, PTK_WAITABLE_USER, NULL);
    demo->starting_line = ptk_waitable_create(loop, PTK_WAITABLE_USER, NULL);
    bool good = false;
    if (demo->conversation_of && demo->settled_event && demo->starting_line) {
        good = program_run(loop, direct, demo) == EXIT_SUCCESS;
    } else {
        fputs("modbus_demo: out of memory\n", stderr);
        program_loop_end(loop);
    }
    free(demo->conversation_of);
    return good;
}

int main(int argc, char **argv) {
    static demo_t demo = {.seconds = 5, .conversations = CONVERSATIONS_MOST};
    read_arguments(&demo, argc, argv);
    program_loop_end(program_loop(demo.platform)); /* a bad name ends it here, and not in two places */
    fit_descriptor_limit(&demo);
    printf("%s Modbus conversations, %" PRIu32 " s at full load and %" PRIu32
           " s at half of it: clients here, server in another process\n",
           commas(demo.conversations), demo.seconds, demo.seconds);
    if (!server_process_start(&demo.server, demo.platform)) {
        return EXIT_FAILURE;
    }
    bool good = run_client(&demo);
    if (!server_process_stop(&demo.server)) {
        note_error(&demo, "the server process failed");
    }
    print_table(&demo);
    print_next_steps(argv[0]);
    return good && demo.errors == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
