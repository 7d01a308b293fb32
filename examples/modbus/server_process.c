/* SPDX-License-Identifier: MIT */
/*
 * The child is modbus_server with one more green thread, which waits for the control stream: a descriptor
 * that does not belong to ptk, so it is a waitable. A byte requests a report. The end of the stream means
 * that the parent is done, or has ended: the child stops its loop in both cases, so it never outlives the
 * parent.
 */
#include "modbus/server_process.h"

#include "modbus/modbus_server.h"
#include "support/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define IDLE_MS    600000
#define REQUEST_MS 60000

uint64_t process_resident_bytes(void) {
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file) {
        if (fscanf(file, "%*u %llu", &pages) != 1) {
            pages = 0;
        }
        fclose(file);
    }
    return pages * (uint64_t) sysconf(_SC_PAGESIZE);
}

/* --- in the child -------------------------------------------------------------------------------- */

typedef struct child {
    modbus_server_t server;
    ptk_addr_t address;
    int control;
} child_t;

static ptk_err send_report(const child_t *child) {
    server_report_t report = {.address = child->address, .resident_bytes = process_resident_bytes()};
    ptk_scheduler_counters_t counters;
    ptk_err err = ptk_scheduler_counters(NULL, &counters);
    report.switches = err ? 0 : counters.switches;
    if (!err && send(child->control, &report, sizeof report, MSG_NOSIGNAL) != (ssize_t) sizeof report) {
        err = PTK_ERR_EOF;
    }
    return err;
}

static ptk_err report_on_request(void *arg) {
    const child_t *child = arg;
    ptk_waitable_t *control = ptk_waitable_create(NULL, PTK_WAITABLE_SOCKET, PTK_HANDLE_FD(child->control));
    ptk_err err = control ? send_report(child) : ptk_get_err();
    char byte;
    while (!err) {
        err = ptk_waitable_wait(control, PTK_EVENT_READ, PTK_TIMEOUT_INFINITE);
        if (!err) {
            err = read(child->control, &byte, 1) == 1 ? send_report(child) : PTK_ERR_EOF;
        }
    }
    ptk_waitable_destroy(control);
    ptk_err stopped = ptk_scheduler_stop(NULL);
    return err == PTK_ERR_EOF ? stopped : err;
}

static bool prepare(child_t *child) {
    child->server.store = modbus_store_create();
    bool good = child->server.store != NULL;
    for (uint32_t unit = 1; good && unit <= SERVER_PROCESS_UNITS; unit++) {
        good = modbus_store_add_unit(child->server.store, (uint8_t) unit);
    }
    ptk_err err = good ? ptk_addr_parse("127.0.0.1:0", &child->address) : PTK_ERR_NO_RESOURCES;
    return !err;
}

/* The child's main; returns its exit status. */
static int run_server(int control, const char *platform) {
    child_t child = {
        .control = control,
        .server = {.idle_ms = IDLE_MS, .request_ms = REQUEST_MS, .report_end = program_report_end}};
    int status = EXIT_FAILURE;
    ptk_event_loop_platform_t *loop = program_loop(platform);
    ptk_err err = PTK_ERR_NO_RESOURCES;
    if (prepare(&child) && (child.server.listener = program_listen(loop, &child.address)) != NULL) {
        child.address.length = sizeof child.address.storage;
        err = ptk_sock_local_addr(child.server.listener, (struct sockaddr *) &child.address.storage,
                                  &child.address.length);
        if (!err) {
            err = ptk_go(loop, report_on_request, &child);
        }
    }
    if (!err) {
        status = program_run(loop, modbus_server_run, &child.server);
    } else {
        program_loop_end(loop);
    }
    modbus_store_destroy(child.server.store);
    close(control);
    return status;
}

/* --- in the parent ------------------------------------------------------------------------------- */

static bool receive_report(const server_process_t *process, server_report_t *report_out) {
    return recv(process->control, report_out, sizeof *report_out, MSG_WAITALL) ==
           (ssize_t) sizeof *report_out;
}

bool server_process_start(server_process_t *process, const char *platform) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) {
        perror("socketpair");
        return false;
    }
    fflush(stdout);
    process->pid = fork();
    if (process->pid == 0) {
        close(pair[0]);
        exit(run_server(pair[1], platform));
    }
    close(pair[1]);
    process->control = pair[0];
    if (process->pid < 0) {
        perror("fork");
        close(process->control);
        return false;
    }
    if (!receive_report(process, &process->first)) {
        fputs("the server process did not start\n", stderr);
        server_process_stop(process);
        return false;
    }
    return true;
}

ptk_err server_process_report(server_process_t *process, server_report_t *report_out, uint32_t timeout_ms) {
    ptk_waitable_t *response =
        ptk_waitable_create(NULL, PTK_WAITABLE_SOCKET, PTK_HANDLE_FD(process->control));
    ptk_err err = response ? PTK_OK : ptk_get_err();
    if (!err && send(process->control, "?", 1, MSG_NOSIGNAL) != 1) {
        err = PTK_ERR_EOF;
    }
    if (!err) {
        err = ptk_waitable_wait(response, PTK_EVENT_READ, timeout_ms);
    }
    if (!err && !receive_report(process, report_out)) {
        err = PTK_ERR_EOF;
    }
    ptk_waitable_destroy(response);
    return err;
}

bool server_process_stop(server_process_t *process) {
    int status = 0;
    close(process->control);
    if (waitpid(process->pid, &status, 0) != process->pid) {
        return false;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}
