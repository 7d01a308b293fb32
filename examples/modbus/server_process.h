/* SPDX-License-Identifier: MIT */
/**
 * @file server_process.h
 * A Modbus server in a process of its own, which answers what it costs.
 */
#pragma once

#include <ptk.h>

#include <stdbool.h>
#include <sys/types.h>

/** Units 1 to this one exist in the server. */
#define SERVER_PROCESS_UNITS 247

/** What the server process says about itself. */
typedef struct server_report {
    ptk_addr_t address;      /**< Where it listens. */
    uint64_t resident_bytes; /**< Its memory; 0 if the system does not tell. */
    uint64_t switches;       /**< Times it switched to a green thread. */
} server_report_t;

typedef struct server_process {
    pid_t pid;
    int control; /**< A stream to the child: one byte asks for a report. */
    server_report_t first;
} server_process_t;

/**
 * Start the server on a free port of 127.0.0.1 and wait for its first report. Blocks the OS thread, and
 * forks: call it before the thread has a loop. False on failure: it has been said.
 */
bool server_process_start(server_process_t *process, const char *platform);

/** Ask for a report. Parks. PTK_ERR_CLOSED: the process is gone. */
ptk_err server_process_ask(server_process_t *process, server_report_t *report_out, uint32_t timeout_ms);

/** Let the server end, and wait for it. Blocks the OS thread. Did it end well? */
bool server_process_stop(server_process_t *process);

/** Resident memory of this process; 0 if the system does not tell. */
uint64_t process_resident_bytes(void);
