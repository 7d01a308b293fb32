/* SPDX-License-Identifier: MIT */
#include "bench_load.h"
#include "bench_load_client.h"
#include "bench_tools.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LISTENER_FD_LIMIT 256

void load_meter_mark(load_meter_t *meter) {
    uint32_t phase = atomic_load_explicit(&meter->page->phase, memory_order_acquire);
    uint64_t wall_ns = bench_now_ns();
    uint64_t cpu_ns = bench_cpu_ns();
    for (uint32_t next = meter->seen + 1; next <= phase; next++) {
        meter->sum_at[next] = meter->sum;
        meter->wall_ns[next] = wall_ns;
        meter->cpu_ns[next] = cpu_ns;
    }
    meter->seen = phase;
    atomic_store_explicit(&meter->page->seen, phase, memory_order_release);
}

/* Waits for the port, then runs the client. */
static _Noreturn void client_process(load_t *load) {
    uint16_t port = 0;
    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void) close(load->port_pipe[1]);
    if (read(load->port_pipe[0], &port, sizeof(port)) != (ssize_t) sizeof(port)) {
        _exit(1);
    }
    bench_pin_client();
    load_client(&load->plan, port);
}

bool load_begin(load_t *load, const bench_t *bench, load_kind_t kind, bool quick) {
    *load = (load_t) {.plan = {.kind = kind, .connections = bench->count}};
    load->plan.warm_up_ns = quick ? 30000000 : 60000000;
    load->plan.measured_ns = quick ? 80000000 : 240000000;
    int flags = MAP_SHARED | MAP_ANONYMOUS;
    load->plan.page = mmap(NULL, sizeof(load_page_t), PROT_READ | PROT_WRITE, flags, -1, 0);
    if (load->plan.page == MAP_FAILED || pipe(load->port_pipe) != 0) {
        return false;
    }
    load->meter.page = load->plan.page;
    load->client = fork();
    if (load->client == 0) {
        client_process(load);
    }
    (void) close(load->port_pipe[0]);
    return load->client > 0;
}

/* Tunes every listening socket of the process; there is one. */
static bool tune_listener(void) {
    bool tuned = false;
    for (int fd = 0; fd < LISTENER_FD_LIMIT; fd++) {
        int listens = 0;
        socklen_t length = sizeof(listens);
        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) == 0 && listens) {
            tuned = load_tune(fd);
        }
    }
    return tuned;
}

bool load_serve_at(load_t *load, uint16_t port) {
    if (!tune_listener()) {
        return false;
    }
    bool sent = write(load->port_pipe[1], &port, sizeof(port)) == (ssize_t) sizeof(port);
    (void) close(load->port_pipe[1]);
    return sent;
}

bool load_end(load_t *load) {
    int status = 1;
    bool waited = waitpid(load->client, &status, 0) == load->client;
    return waited && WIFEXITED(status) && WEXITSTATUS(status) == 0 && load_is_done(&load->meter);
}

void load_metrics(const load_t *load, double unit, double *metrics_out) {
    const load_meter_t *meter = &load->meter;
    double work = (double) (meter->sum_at[LOAD_DONE] - meter->sum_at[LOAD_MEASURE]) / unit;
    metrics_out[0] = work * 1e9 / (double) (meter->cpu_ns[LOAD_DONE] - meter->cpu_ns[LOAD_MEASURE]);
    metrics_out[1] = work * 1e9 / (double) (meter->wall_ns[LOAD_DONE] - meter->wall_ns[LOAD_MEASURE]);
}
