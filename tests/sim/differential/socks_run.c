/* SPDX-License-Identifier: MIT */
/*
 * Runs one script of socket calls on one platform.
 *
 * The script runs in a green thread. After each step it checks, until the network has settled, whether tasks
 * have ended, and writes that into the step's line. When the script is over, tasks are cancelled and sockets
 * reset.
 */
#include "socks.h"
#include "scripts.h"

#include "sys/ptk_sys.h"
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define PORTS_MAX       (SOCKS_STEPS * 2)
#define BYTES_MAX       8192
#define TICK_NS         UINT64_C(20000)
#define EXPECTED_TICKS  200
#define SIMULATED_NS    UINT64_C(3000000)
#define QUIET_NS        UINT64_C(3000000)
#define SHORTLY_MS      1
#define UNUSED_PORT     1 /* nothing listens here */
#define TASK_LINE_BYTES 96

typedef struct world world_t;

typedef struct task {
    world_t *world;
    const socks_step_t *step;
    ptk_green_t *green; /* NULL: no task */
    bool has_ended;
    char text[TASK_LINE_BYTES];
} task_t;

struct world {
    const socks_script_t *script;
    socks_rest_t rest;
    const socks_record_t *expected;
    socks_record_t *record;
    ptk_sock_t *socks[SOCKS_SLOTS];
    uint16_t last_port[SOCKS_SLOTS]; /* the local one, also after the close */
    uint16_t ports[PORTS_MAX];       /* as they appeared */
    size_t port_count;
    unsigned char next_byte;
    task_t tasks[SOCKS_TASKS];
};

/* --- addresses --- */

static struct sockaddr_in loopback(uint16_t port) {
    return (struct sockaddr_in) {
        .sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_port = htons(port)};
}

/* Returns the port's number in this script, from 1 on; 0 stays 0. */
static size_t number_of_port(world_t *world, uint16_t port) {
    size_t i = 0;
    while (i < world->port_count && world->ports[i] != port) {
        i++;
    }
    if (port != 0 && i == world->port_count && i < PORTS_MAX) {
        world->ports[world->port_count++] = port;
    }
    return port != 0 ? i + 1 : 0;
}

/* Records which port the slot has, if any. */
static void look_at_port(world_t *world, unsigned slot) {
    struct sockaddr_in address = {0};
    socklen_t length = sizeof address;
    if (world->socks[slot] &&
        ptk_sock_local_addr(world->socks[slot], (struct sockaddr *) &address, &length) == PTK_OK &&
        address.sin_port != 0) {
        world->last_port[slot] = ntohs(address.sin_port);
    }
}

static void write_names(world_t *world, ptk_sock_t *sock, scripts_line_t *line) {
    struct sockaddr_in address = {0};
    socklen_t length = sizeof address;
    ptk_err err = ptk_sock_local_addr(sock, (struct sockaddr *) &address, &length);
    scripts_write(line, " local %d:%x:p%zu", err, ntohl(address.sin_addr.s_addr),
                  number_of_port(world, ntohs(address.sin_port)));
    address = (struct sockaddr_in) {0};
    length = sizeof address;
    err = ptk_sock_peer_addr(sock, (struct sockaddr *) &address, &length);
    scripts_write(line, " peer %d:%x:p%zu", err, ntohl(address.sin_addr.s_addr),
                  number_of_port(world, ntohs(address.sin_port)));
    scripts_write(line, " pending %zu", ptk_sock_pending(sock));
}

/* --- calls that may wait --- */

static void write_result(scripts_line_t *line, ptk_err err) {
    scripts_write(line, " -> %s", ptk_err_name(err));
    if (err == PTK_ERR_PARTIAL || err == PTK_ERR_NO_RESOURCES) {
        scripts_write(line, " after %zu for %s", ptk_get_count(), ptk_err_name(ptk_get_cause()));
    } else if (err != PTK_OK) {
        scripts_write(line, " os %d", ptk_get_os_err());
    }
}

static ptk_err call_connect(world_t *world, const socks_step_t *step, uint32_t timeout_ms) {
    uint16_t port = world->last_port[step->other] ? world->last_port[step->other] : UNUSED_PORT;
    struct sockaddr_in address = loopback(port);
    return ptk_sock_connect(world->socks[step->slot], (struct sockaddr *) &address, sizeof address,
                            timeout_ms);
}

static ptk_err call_accept(world_t *world, const socks_step_t *step, scripts_line_t *line,
                           uint32_t timeout_ms) {
    unsigned slot = 0;
    ptk_sock_t *accepted = ptk_sock_accept(world->socks[step->slot], NULL, NULL, timeout_ms);
    if (!accepted) {
        return ptk_get_err();
    }
    while (slot < SOCKS_SLOTS && world->socks[slot]) {
        slot++;
    }
    if (slot == SOCKS_SLOTS) {
        scripts_write(line, " no room");
        ptk_sock_close(accepted); /* a reset would race with the other end's connect */
        return PTK_OK;
    }
    world->socks[slot] = accepted;
    look_at_port(world, slot);
    scripts_write(line, " into %u", slot);
    return PTK_OK;
}

static ptk_err call_send(world_t *world, const socks_step_t *step, scripts_line_t *line,
                         uint32_t timeout_ms) {
    unsigned char bytes[BYTES_MAX];
    for (unsigned i = 0; i < step->amount; i++) {
        bytes[i] = (unsigned char) (world->next_byte + i * 7 + i / 256);
    }
    world->next_byte += 31;
    ptk_sock_t *sock = world->socks[step->slot];
    if (step->op == SOCKS_SEND) {
        return ptk_sock_send(sock, bytes, step->amount, timeout_ms);
    }
    size_t sent = 0;
    ptk_err err = ptk_sock_send_some(sock, bytes, step->amount, &sent, timeout_ms);
    scripts_write(line, " sent %zu", sent);
    return err;
}

static ptk_err call_recv(world_t *world, const socks_step_t *step, scripts_line_t *line,
                         uint32_t timeout_ms) {
    unsigned char bytes[BYTES_MAX];
    uint32_t sum = 0;
    size_t count = step->amount;
    ptk_sock_t *sock = world->socks[step->slot];
    ptk_err err = step->op == SOCKS_RECV ? ptk_sock_recv(sock, bytes, count, timeout_ms)
                                         : ptk_sock_recv_some(sock, bytes, step->amount, &count, timeout_ms);
    for (size_t i = 0; err == PTK_OK && i < count; i++) {
        sum = sum * 31 + bytes[i];
    }
    if (err == PTK_OK) {
        scripts_write(line, " %zu bytes, sum %u", count, sum);
    }
    return err;
}

static ptk_err call_wait(world_t *world, const socks_step_t *step, scripts_line_t *line,
                         uint32_t timeout_ms) {
    ptk_waitable_t *waitable = ptk_sock_waitable(world->socks[step->slot], step->amount);
    if (!waitable) {
        return ptk_get_err();
    }
    ptk_err err = ptk_waitable_wait(waitable, step->amount, timeout_ms);
    if (err == PTK_OK && ptk_green_self()) {
        scripts_write(line, " ready %u", (unsigned) ptk_waitable_ready());
    }
    return err;
}

static ptk_err call_that_waits(world_t *world, const socks_step_t *step, scripts_line_t *line,
                               uint32_t timeout_ms) {
    switch (step->op) {
    case SOCKS_CONNECT:
        return call_connect(world, step, timeout_ms);
    case SOCKS_ACCEPT:
        return call_accept(world, step, line, timeout_ms);
    case SOCKS_SEND:
    case SOCKS_SEND_SOME:
        return call_send(world, step, line, timeout_ms);
    case SOCKS_RECV:
    case SOCKS_RECV_SOME:
        return call_recv(world, step, line, timeout_ms);
    default:
        return call_wait(world, step, line, timeout_ms);
    }
}

/* --- tasks --- */

static ptk_err run_task(void *arg) {
    task_t *task = arg;
    scripts_line_t line = {task->text, sizeof task->text, 0};
    ptk_err err = call_that_waits(task->world, task->step, &line, PTK_TIMEOUT_INFINITE);
    write_result(&line, err);
    task->has_ended = true;
    return PTK_OK;
}

static void start_task(world_t *world, const socks_step_t *step, scripts_line_t *line) {
    for (unsigned i = 0; i < SOCKS_TASKS; i++) {
        task_t *task = &world->tasks[i];
        if (!task->green) {
            *task = (task_t) {.world = world, .step = step};
            task->green = ptk_green_spawn(NULL, NULL, run_task, task);
            CHECK(task->green != NULL);
            scripts_write(line, " task %u", i);
            return;
        }
    }
    scripts_write(line, " no task");
}

static void write_ended_tasks(world_t *world, scripts_line_t *line) {
    for (unsigned i = 0; i < SOCKS_TASKS; i++) {
        task_t *task = &world->tasks[i];
        if (task->green && task->has_ended) {
            scripts_write(line, "; task %u:%s", i, task->text);
        }
    }
}

static void join_ended_tasks(world_t *world) {
    for (unsigned i = 0; i < SOCKS_TASKS; i++) {
        task_t *task = &world->tasks[i];
        if (task->green && task->has_ended) {
            CHECK_OK(ptk_green_join(task->green, NULL, PTK_TIMEOUT_INFINITE));
            task->green = NULL;
        }
    }
}

/* --- calls that do not wait --- */

static ptk_err call_open(world_t *world, unsigned slot) {
    if (!world->socks[slot]) {
        world->socks[slot] = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
        CHECK(world->socks[slot] != NULL);
    }
    return PTK_OK;
}

static ptk_err call_bind(world_t *world, const socks_step_t *step) {
    struct sockaddr_in address = loopback(step->amount < 2 ? 0 : world->last_port[step->other]);
    if (step->amount % 2 != 0) {
        address.sin_addr.s_addr = htonl(INADDR_ANY);
    }
    return ptk_sock_bind(world->socks[step->slot], (struct sockaddr *) &address, sizeof address);
}

static ptk_err call_end(world_t *world, const socks_step_t *step) {
    (step->op == SOCKS_CLOSE ? ptk_sock_close : ptk_sock_reset)(world->socks[step->slot]);
    world->socks[step->slot] = NULL;
    return PTK_OK;
}

static ptk_err call_cancel(world_t *world, const socks_step_t *step) {
    const task_t *task = &world->tasks[step->other % SOCKS_TASKS];
    return task->green ? ptk_green_cancel(task->green) : PTK_OK;
}

static ptk_err call(world_t *world, const socks_step_t *step, scripts_line_t *line) {
    ptk_sock_t *sock = world->socks[step->slot];
    if (step->op == SOCKS_OPEN) {
        return call_open(world, step->slot);
    }
    if (step->op == SOCKS_CANCEL) {
        return call_cancel(world, step);
    }
    if (!sock) {
        return PTK_OK;
    }
    switch (step->op) {
    case SOCKS_BIND:
        return call_bind(world, step);
    case SOCKS_LISTEN:
        return ptk_sock_listen(sock, (int) step->amount);
    case SOCKS_SHUTDOWN:
        return ptk_sock_shutdown(sock, (ptk_sock_direction_t) step->amount);
    case SOCKS_CLOSE:
    case SOCKS_ABORT:
        return call_end(world, step);
    case SOCKS_NAMES:
        write_names(world, sock, line);
        return PTK_OK;
    default:
        break;
    }
    if (step->patience == SOCKS_AS_A_TASK) {
        start_task(world, step, line);
        return PTK_OK;
    }
    uint32_t shortly_ms = world->rest == SOCKS_REST_QUIET ? 10 * SHORTLY_MS : SHORTLY_MS;
    return call_that_waits(world, step, line, step->patience == SOCKS_AT_ONCE ? 0 : shortly_ms);
}

/* --- the script --- */

static void let_ticks_pass(uint64_t ns) {
    CHECK_OK(ptk_sleep_until(ptk_now_ns() + ns));
}

static void run_step(world_t *world, size_t index) {
    const socks_step_t *step = &world->script->steps[index];
    scripts_line_t line = {world->record->lines[index], SOCKS_LINE, 0};
    write_result(&line, call(world, step, &line));
    look_at_port(world, step->slot);
    let_ticks_pass(world->rest == SOCKS_REST_SIMULATED ? SIMULATED_NS
                                                       : (world->rest == SOCKS_REST_QUIET ? QUIET_NS : 0));
    size_t head = line.length;
    for (unsigned turns = 0;; turns++) {
        write_ended_tasks(world, &line);
        if (world->rest != SOCKS_REST_EXPECTED || turns == EXPECTED_TICKS ||
            strcmp(line.text, world->expected->lines[index]) == 0) {
            break;
        }
        let_ticks_pass(TICK_NS);
        line.length = head;
    }
    join_ended_tasks(world);
}

static ptk_err run_script(void *arg) {
    world_t *world = arg;
    for (size_t i = 0; i < world->script->count; i++) {
        run_step(world, i);
    }
    for (unsigned i = 0; i < SOCKS_TASKS; i++) {
        if (world->tasks[i].green) {
            CHECK_OK(ptk_green_cancel(world->tasks[i].green));
            CHECK_OK(ptk_green_join(world->tasks[i].green, NULL, PTK_TIMEOUT_INFINITE));
        }
    }
    for (unsigned slot = 0; slot < SOCKS_SLOTS; slot++) {
        ptk_sock_reset(world->socks[slot]);
    }
    return PTK_OK;
}

ptk_err socks_run(const socks_script_t *script, const char *platform, socks_rest_t rest,
                  const socks_record_t *expected, socks_record_t *record_out) {
    ptk_event_loop_platform_options_t options = PTK_EVENT_LOOP_PLATFORM_OPTIONS_INIT;
    world_t world = {.script = script, .rest = rest, .expected = expected, .record = record_out};
    options.platform = platform;
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create_with(&options);
    CHECK(loop != NULL);
    CHECK_OK(ptk_go(loop, run_script, &world));
    ptk_err err = ptk_scheduler_run(loop);
    CHECK_OK(ptk_event_loop_platform_destroy(loop));
    return err;
}
