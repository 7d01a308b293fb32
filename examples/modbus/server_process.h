/* SPDX-License-Identifier: MIT */
/**
 * @file server_process.h
 * A Modbus server in a process of its own, which reports its costs.
 */
#pragma once

#include <ptk.h>

#include <stdbool.h>
#include <sys/types.h>

/** The server has units 1 to this one. */
#define SERVER_PROCESS_UNITS 247

/** A report of the server process. */
typedef struct server_report {
    ptk_addr_t address;      /**< The address at which it listens. */
    uint64_t resident_bytes; /**< Its memory; 0: unknown. */
    uint64_t switches;       /**< Switches to a green thread. */
} server_report_t;

typedef struct server_process {
    pid_t pid;
    int control; /**< A stream to the child: one byte requests a report. */
    server_report_t first;
} server_process_t;

/**
 * Starts the server on a free port of 127.0.0.1 and waits for its first report. Blocks the OS thread, and
 * forks: it must be called before the thread has a loop. False: that failed, and the reason has been printed.
 */
bool server_process_start(server_process_t *process, const char *platform);

/** Requests a report. Parks. PTK_ERR_EOF: the process has ended. */
ptk_err server_process_report(server_process_t *process, server_report_t *report_out, uint32_t timeout_ms);

/** Lets the server end, and waits for it. Blocks the OS thread. Returns whether it succeeded. */
bool server_process_stop(server_process_t *process);

/** Returns the resident memory of this process; 0: unknown. */
uint64_t process_resident_bytes(void);
