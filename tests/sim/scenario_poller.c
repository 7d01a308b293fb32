/* SPDX-License-Identifier: MIT */
/*
 * One host polls a hundred Modbus devices, each from a green thread of its own, with the code of
 * examples/modbus/.
 *
 * The seed makes some devices dead (a host that refuses, or no host at all), some slow (their link takes
 * nearly the timeout) and some restless (their server ends and begins again), and any may crash. Values tell
 * whose they are, so none may come from another device. Once the faults have stopped, each poll has its bound
 * of time, whatever the other devices do: a healthy device's is a round trip, a dead one's its own timeouts.
 */
#include "scenarios.h"

#include "modbus/deadline.h"
#include "modbus/modbus_client.h"
#include "modbus/modbus_server.h"

#include <stdio.h>
#include <string.h>

#define DEVICES     100
#define PERIOD_MS   1000
#define TIMEOUT_MS  200
#define LATE_MS     2    /* the clock's grain, and a turn */
#define HEALTHY_MS  20   /* connect and ask, without faults */
#define GRACE_MS    2000 /* after the faults: old connections find out that they are dead */
#define SETTLED     2    /* good polls that each living device must have had after that */
#define VALUES      4
#define PORT        502
#define FIRST_NODE  2 /* of the devices: 10.0.0.2 */
#define SLOW_NS     (UINT64_C(45) * PTK_NS_PER_MS)
#define SLOW_STEPS  30 /* of a millisecond, each way: some answers come in time, some do not */
#define CHAOS_MS    2500
#define RESTLESS_MS 700

typedef enum kind { HEALTHY, REFUSES, ABSENT, SLOW, RESTLESS } kind_t;

typedef struct device {
    char name[16];
    kind_t kind;
    uint8_t unit; /* its own among all devices, so that its inputs are too */
    unsigned polls;
    unsigned good;
    unsigned settled; /* polls, good ones if it lives, after the faults */
} device_t;

/* What outlives hosts. */
static struct {
    device_t devices[DEVICES];
    uint64_t calm_ns; /* from then on bounds hold; 0: not yet */
} world;

/* --- a device --- */

static ptk_addr_t address_of(const device_t *device) {
    char text[32];
    ptk_addr_t addr;
    unsigned node = FIRST_NODE + (unsigned) (device - world.devices);
    (void) snprintf(text, sizeof text, "10.0.0.%u:%u", node, (unsigned) PORT);
    bool known = ptk_addr_parse(text, &addr) == PTK_OK;
    PTK_SIM_CHECK(known);
    return addr;
}

/* One life of the server: until the host ends, or until it is restless. */
static ptk_err live(void *arg) {
    modbus_server_t *server = arg;
    server->listener = scenario_listen("0.0.0.0:502");
    return server->listener ? modbus_server_run(server) : ptk_get_err();
}

static ptk_err live_for_a_while(void *arg) {
    ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
    options.lifetime_ms = 1 + ptk_sim_choose(RESTLESS_MS);
    ptk_green_t *server = ptk_green_spawn(NULL, &options, live, arg);
    ptk_err err = server ? ptk_green_join(server, NULL, PTK_TIMEOUT_INFINITE) : ptk_get_err();
    return err ? err : ptk_scheduler_stop(NULL); /* the connections end, too */
}

static ptk_err rest(void *arg) {
    (void) arg;
    return ptk_sleep_ms(1 + ptk_sim_choose(RESTLESS_MS));
}

static ptk_err run_lives(const device_t *device, modbus_server_t *server) {
    ptk_err err = PTK_OK;
    while (!err && device->kind == RESTLESS) {
        bool ended = false;
        err = scenario_run(live_for_a_while, server);
        (void) ended;
        err = err ? err : scenario_run(rest, NULL);
    }
    return err ? err : scenario_run(live, server);
}

static ptk_err sleep_for_ever(void *arg) {
    (void) arg;
    return ptk_sleep_ms(PTK_TIMEOUT_INFINITE);
}

static ptk_err run_device(void *arg) {
    const device_t *device = arg;
    if (device->kind == REFUSES) {
        return scenario_run(sleep_for_ever, NULL);
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
