/* SPDX-License-Identifier: MIT */
/*
 * One host polls a hundred Modbus devices, each from a green thread of its own, with the code of
 * examples/modbus/.
 *
 * The seed makes some devices dead (a host that refuses, or no host at all), some slow (their link takes
 * nearly the timeout) and some restless (their server ends and starts again), and any may crash. Values
 * encode which device they belong to, so none may come from another one. With faults off, each poll has its
 * bound of time, whatever the other devices do: that of a healthy device is a round trip, that of a dead one
 * its own timeouts.
 */
#include "scenarios.h"

#include "modbus/modbus_client.h"
#include "modbus/modbus_server.h"

#include <stdio.h>
#include <string.h>

#define DEVICES       100
#define PERIOD_MS     1000
#define TIMEOUT_MS    200
#define PATIENCE      2 /* timeouts until a connection is abandoned */
#define VALUES        4
#define FAULTS_MS     1500
#define SETTLED       2 /* polls of each device with faults off, successful ones unless it is dead */
#define SERVER_RUNS   4 /* of a restless server, before it stays */
#define SERVER_RUN_MS 700

/* With faults off: when the bounds start to hold, since connections that have died must be detected first. */
#define GRACE_MS   ((PATIENCE + 1) * PERIOD_MS + 2 * TIMEOUT_MS)
#define BOUNDED_MS (GRACE_MS + PERIOD_MS) /* within this every device is polled */
#define LATE_MS    2                      /* the clock's granularity */
#define HEALTHY_MS 20

/* In each direction, so that about half of the responses come in time. */
#define SLOW_MS    85
#define SLOW_STEPS 30

typedef enum kind { HEALTHY, REFUSES, ABSENT, SLOW, RESTLESS } kind_t;

typedef struct device {
    char name[16];
    char address[16];
    kind_t kind;
    uint8_t unit;     /* unique among all devices, so that its inputs are too */
    unsigned settled; /* polls with faults off, successful ones unless it is dead */
} device_t;

/* The memory of the scenario, which survives crashes. */
static struct {
    device_t devices[DEVICES];
    uint64_t faults_off_ns; /* from then on bounds hold; 0: not yet */
} world;

/* --- a device --- */

static ptk_err serve_device(void *arg) {
    modbus_server_t *server = arg;
    server->listener = scenario_listen("0.0.0.0:502");
    return server->listener ? modbus_server_run(server) : ptk_get_err();
}

/* Serves for a while; then the connections end, too. */
static ptk_err serve_for_a_while(void *arg) {
    ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
    options.lifetime_ms = 1 + ptk_sim_choose(SERVER_RUN_MS);
    ptk_green_t *server = ptk_green_spawn(NULL, &options, serve_device, arg);
    ptk_err err = server ? ptk_green_join(server, NULL, PTK_TIMEOUT_INFINITE) : ptk_get_err();
    return err ? err : ptk_scheduler_stop(NULL);
}

static ptk_err rest(void *arg) {
    (void) arg;
    return ptk_sleep_ms(ptk_sim_choose(SERVER_RUN_MS));
}

static ptk_err run_lives(const device_t *device, modbus_server_t *server) {
    ptk_err err = PTK_OK;
    for (int i = 0; i < SERVER_RUNS && device->kind == RESTLESS && !err; i++) {
        err = scenario_run(serve_for_a_while, server);
        err = err ? err : scenario_run(rest, NULL);
    }
    return err ? err : scenario_run(serve_device, server);
}

/* A sleep without an end would be a deadlock. */
static ptk_err idle(void *arg) {
    ptk_err err = PTK_OK;
    (void) arg;
    while (!err) {
        err = ptk_sleep_ms(3600000);
    }
    return err;
}

static ptk_err run_device(void *arg) {
    const device_t *device = arg;
    if (device->kind == REFUSES) {
        return scenario_run(idle, NULL);
    }
    modbus_server_t server = {
        .store = modbus_store_create(), .idle_ms = PTK_TIMEOUT_INFINITE, .request_ms = 5000};
    ptk_err err = PTK_ERR_NO_RESOURCES;
    if (server.store && modbus_store_add_unit(server.store, device->unit)) {
        err = run_lives(device, &server);
    }
    modbus_store_destroy(server.store);
    return err;
}

/* --- the poller --- */

static bool is_dead(const device_t *device) {
    return device->kind == REFUSES || device->kind == ABSENT;
}

static ptk_err connect_to(modbus_client_t *client, const device_t *device) {
    ptk_addr_t addr;
    char text[32];
    (void) snprintf(text, sizeof text, "%s:502", device->address);
    bool known = ptk_addr_parse(text, &addr) == PTK_OK;
    PTK_SIM_CHECK(known);
    return modbus_client_connect(client, &addr, TIMEOUT_MS);
}

/* Reads another range each time, so that a response to an earlier request would be noticed. */
static ptk_err read_values(modbus_client_t *client, const device_t *device, unsigned cycle) {
    uint16_t values[VALUES];
    modbus_range_t range = {(uint16_t) (cycle * VALUES % 90), VALUES};
    modbus_result_t result = modbus_read_input_registers(client, device->unit, range, values);
    PTK_SIM_CHECK(result.exception == MODBUS_OK);
    for (uint16_t i = 0; i < VALUES && modbus_is_ok(result); i++) {
        PTK_SIM_CHECK(values[i] == 100 * device->unit + range.address + i);
    }
    return result.err;
}

static ptk_err poll_once(modbus_client_t *client, const device_t *device, unsigned cycle) {
    ptk_err err = client->sock ? PTK_OK : connect_to(client, device);
    if (!err) {
        err = read_values(client, device, cycle);
    }
    PTK_SIM_CHECK(err == PTK_OK || scenario_is_network(err));
    PTK_SIM_CHECK(err != PTK_OK || !is_dead(device));
    return err;
}

/* Returns the most that a poll of this device may take. */
static uint64_t bound_ms(const device_t *device) {
    switch (device->kind) {
    case HEALTHY:
    case REFUSES:
        return HEALTHY_MS;
    case ABSENT:
        return TIMEOUT_MS + LATE_MS;
    case SLOW:
    case RESTLESS:
        break;
    }
    return 2 * (TIMEOUT_MS + LATE_MS);
}

/* Checks that a poll started in time and was within its bound. */
static void check_times(const device_t *device, uint64_t planned_ns, uint64_t began_ns, ptk_err err) {
    if (world.faults_off_ns == 0 || ptk_sim_now_ns() < world.faults_off_ns + GRACE_MS * PTK_NS_PER_MS) {
        return;
    }
    uint64_t took_ns = ptk_now_ns() - began_ns;
    PTK_SIM_CHECK(began_ns - planned_ns <= LATE_MS * PTK_NS_PER_MS || began_ns < planned_ns);
    PTK_SIM_CHECK(took_ns <= bound_ms(device) * PTK_NS_PER_MS);
    PTK_SIM_CHECK(err == PTK_OK || device->kind != HEALTHY);
}

static void count_poll(device_t *device, ptk_err err) {
    bool faults_are_off = world.faults_off_ns != 0;
    device->settled += faults_are_off && (err == PTK_OK || is_dead(device));
}

/* A device may be polled often enough before the bounds hold; then it is polled until they have been
   checked. */
static bool is_done(const device_t *device) {
    return device->settled >= SETTLED && ptk_sim_now_ns() > world.faults_off_ns + BOUNDED_MS * PTK_NS_PER_MS;
}

/* Returns the next time of its cycle; past ones are left out. */
static uint64_t next_after(uint64_t planned_ns) {
    uint64_t now_ns = ptk_now_ns();
    do {
        planned_ns += PERIOD_MS * PTK_NS_PER_MS;
    } while (planned_ns <= now_ns);
    return planned_ns;
}

static ptk_err keep_polling(void *arg) {
    device_t *device = arg;
    modbus_client_t client = {.timeout_ms = TIMEOUT_MS};
    uint64_t planned_ns = ptk_now_ns();
    unsigned timeouts = 0;
    ptk_err err = PTK_OK;
    for (unsigned cycle = 0; !err && !is_done(device); cycle++) {
        uint64_t began_ns = ptk_now_ns();
        ptk_err polled = poll_once(&client, device, cycle);
        check_times(device, planned_ns, began_ns, polled);
        count_poll(device, polled);
        timeouts = polled == PTK_ERR_TIMEOUT ? timeouts + 1 : 0;
        if (timeouts >= PATIENCE) {
            modbus_client_close(&client);
        }
        planned_ns = next_after(planned_ns);
        err = ptk_sleep_until(planned_ns);
    }
    modbus_client_close(&client);
    return err;
}

static ptk_err start_polling(void *arg) {
    ptk_err err = PTK_OK;
    (void) arg;
    for (size_t i = 0; i < DEVICES && !err; i++) {
        err = ptk_go(NULL, keep_polling, &world.devices[i]);
    }
    return err;
}

static ptk_err run_poller(void *arg) {
    return scenario_run(start_polling, arg);
}

/* --- the scenario --- */

static kind_t draw_kind(void) {
    static const kind_t kinds[] = {HEALTHY, HEALTHY, HEALTHY, HEALTHY, HEALTHY,
                                   HEALTHY, REFUSES, ABSENT,  SLOW,    RESTLESS};
    return kinds[ptk_sim_choose(sizeof kinds / sizeof kinds[0])];
}

static void slow_down(ptk_sim_host_t *poller, ptk_sim_host_t *device) {
    ptk_sim_link_options_t options = {.struct_size = sizeof options,
                                      .latency_ns = SLOW_MS * PTK_NS_PER_MS,
                                      .latency_step_ns = PTK_NS_PER_MS,
                                      .latency_steps = SLOW_STEPS};
    ptk_sim_link(poller, device, &options);
    ptk_sim_link(device, poller, &options);
}

static void make_device(ptk_sim_t *sim, ptk_sim_host_t *poller, unsigned index) {
    device_t *device = &world.devices[index];
    *device = (device_t) {.kind = draw_kind(), .unit = (uint8_t) (1 + index)};
    (void) snprintf(device->name, sizeof device->name, "device %u", index + 1);
    (void) snprintf(device->address, sizeof device->address, "10.0.1.%u", index + 1);
    ptk_sim_host_options_t options = {.struct_size = sizeof options,
                                      .flags = PTK_SIM_HOST_DAEMON | PTK_SIM_HOST_MAY_CRASH,
                                      .name = device->name,
                                      .address = device->address};
    ptk_sim_host_t *host = device->kind == ABSENT ? NULL : ptk_sim_host(sim, &options, run_device, device);
    if (device->kind == SLOW) {
        slow_down(poller, host);
    }
}

void scenario_poller(ptk_sim_t *sim) {
    memset(&world, 0, sizeof world);
    ptk_sim_host_t *poller = scenario_host(sim, "poller", PTK_SIM_HOST_MAY_CRASH, run_poller, NULL);
    for (unsigned i = 0; i < DEVICES; i++) {
        make_device(sim, poller, i);
    }
    ptk_sim_run_for(sim, FAULTS_MS);
    world.faults_off_ns = ptk_sim_now_ns();
    ptk_sim_settle(sim, 600000);
}
