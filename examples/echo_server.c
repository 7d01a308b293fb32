/* SPDX-License-Identifier: MIT */
/*
 * echo_server --listen HOST:PORT: sends back all bytes that it receives, on any number of connections at
 * once.
 *
 * One green thread accepts; each connection has a green thread of its own, which is a loop of two calls. No
 * state is kept between events, because it is on the stack. The end of the peer's stream is an ordinary error
 * of receive (PTK_ERR_EOF); by then all bytes before it have been sent back.
 *
 * A client that is silent holds a descriptor, whether it is still there or not, so each call has a limit of
 * time.
 */
#include "support/program.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static const char help[] =
    "usage: echo_server --listen HOST:PORT [options]\n"
    "  --listen HOST:PORT  where to listen; port 0 chooses a free one\n"
    "  --platform NAME     epoll or poll; the best one if not given\n"
    "  --idle-ms N         close a connection that sends nothing, or takes nothing, for N ms; 0: never\n"
    "                      (default 10000)\n"
    "SIGINT and SIGTERM end it; SIGUSR1 prints the state of every green thread.\n";

typedef struct options {
    ptk_addr_t address;
    const char *platform;
} options_t;

/* How long a connection may send or take nothing; set before the first connection. */
static uint32_t idle_ms = 10000;

static ptk_err echo(void *arg) {
    ptk_sock_t *sock = arg;
    char bytes[8192];
    size_t count = 0;
    ptk_err err = PTK_OK;
    while (!err) {
        err = ptk_sock_recv_some(sock, bytes, sizeof bytes, &count, idle_ms);
        if (!err) {
            err = ptk_sock_send(sock, bytes, count, idle_ms);
        }
    }
    ptk_sock_close(sock);
    program_report_end("connection", err);
    return PTK_OK; /* the end of a connection is no failure of the server */
}

static ptk_err accept_all(void *arg) {
    ptk_sock_t *listener = arg;
    ptk_sock_t *sock;
    while ((sock = ptk_sock_accept(listener, NULL, NULL, PTK_TIMEOUT_INFINITE)) != NULL) {
        ptk_err err = ptk_go(NULL, echo, sock);
        if (err) {
            ptk_sock_reset(sock); /* no memory for this connection; the others go on */
            program_report_end("new connection", err);
        }
    }
    ptk_err err = ptk_get_err();
    ptk_sock_close(listener);
    return err; /* PTK_ERR_CANCELED: the loop was stopped */
}

static options_t read_arguments(int argc, char **argv) {
    static const struct option known[] = {{"listen", required_argument, NULL, 'l'},
                                          {"platform", required_argument, NULL, 'p'},
                                          {"idle-ms", required_argument, NULL, 'i'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    options_t options = {0};
    int letter;
    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (letter) {
        case 'l':
            options.address = program_address("--listen", optarg);
            break;
        case 'p':
            options.platform = optarg;
            break;
        case 'i':
            idle_ms = program_timeout_ms("--idle-ms", optarg);
            break;
        case 'h':
            fputs(help, stdout);
            exit(EXIT_SUCCESS);
        default:
            program_bad_usage("echo_server: bad option");
        }
    }
    if (optind < argc || options.address.length == 0) {
        program_bad_usage("echo_server: it takes --listen HOST:PORT and no other arguments");
    }
    return options;
}

int main(int argc, char **argv) {
    options_t options = read_arguments(argc, argv);
    program_raise_descriptor_limit();
    ptk_event_loop_platform_t *loop = program_loop(options.platform);
    ptk_err err = program_stop_on_signals(loop);
    if (!err) {
        err = ptk_scheduler_dump_on_signal(loop, SIGUSR1);
    }
    ptk_sock_t *listener = err ? NULL : program_listen(loop, &options.address);
    if (!listener) {
        program_loop_end(loop);
        return EXIT_FAILURE;
    }
    return program_run(loop, accept_all, listener); /* returns when a signal stops the loop */
}
