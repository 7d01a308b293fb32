/* SPDX-License-Identifier: MIT */
/*
 * Modbus under every fault: the server and the client of examples/modbus/, unchanged.
 *
 * Three hosts have three connections each. Timeouts are as short as a round trip, so many responses come
 * late, behind the next request. What a response must be is known exactly:
 *
 * - Every value that is written in a world is another one, and every connection gets registers that no other
 *   had before. So no value but its own can be right, and what an abandoned connection still has in flight
 *   does no harm.
 * - A server that crashes loses its registers, but also its connections. So as long as a connection exists,
 *   its registers hold what was written over it.
 * - A write that timed out has been carried out before any later request of its connection, or it was never
 *   sent. So until the next read two values, or more, may be there.
 */
#include "scenarios.h"

#include "modbus/modbus_client.h"
#include "modbus/modbus_server.h"

#include <string.h>

#define HOSTS         3
#define CONNECTIONS   3 /* of each host */
#define REQUESTS      30
#define PATIENCE      6 /* timeouts until a connection is given up */
#define REGISTERS     4
#define POSSIBLE      (REQUESTS * PATIENCE + 2)
#define UNITS         3
#define MISSING_UNIT  99
#define SERVER        "10.0.0.1:502"
#define LAST_REGISTER 65535

/* The memory of the scenario, which survives crashes. */
static struct {
    uint16_t values;    /* written so far */
    uint16_t registers; /* allocated so far */
} world;

/* --- the server --- */

static ptk_err listen_and_run(void *arg) {
    modbus_server_t *server = arg;
    server->listener = scenario_listen(SERVER);
    return server->listener ? modbus_server_run(server) : ptk_get_err();
}

static ptk_err serve(void *arg) {
    (void) arg;
    modbus_server_t server = {.store = modbus_store_create(), .idle_ms = 60000, .request_ms = 5000};
    ptk_err err = server.store ? PTK_OK : PTK_ERR_NO_RESOURCES;
    for (uint8_t unit = 1; !err && unit <= UNITS; unit++) {
        err = modbus_store_add_unit(server.store, unit) ? PTK_OK : PTK_ERR_NO_RESOURCES;
    }
    if (!err) {
        err = scenario_run(listen_and_run, &server);
    }
    modbus_store_destroy(server.store);
    return err;
}

/* --- a client's model of its registers --- */

typedef struct possible {
    uint16_t values[POSSIBLE];
    size_t count;
} possible_t;

typedef struct connection {
    modbus_client_t client;
    uint8_t unit;
    uint16_t first; /* of its registers */
    possible_t registers[REGISTERS];
} connection_t;

static void make_known(possible_t *possible, uint16_t value) {
    possible->values[0] = value;
    possible->count = 1;
}

static void make_possible(possible_t *possible, uint16_t value) {
    possible->values[possible->count++] = value;
}

static bool is_possible(const possible_t *possible, uint16_t value) {
    for (size_t i = 0; i < possible->count; i++) {
        if (possible->values[i] == value) {
            return true;
        }
    }
    return false;
}

static void have_read(possible_t *possible, uint16_t value) {
    PTK_SIM_CHECK(is_possible(possible, value));
    make_known(possible, value);
}

/* After a write: it has happened, it may have, or the connection is gone. */
static void have_written(possible_t *possible, modbus_result_t result, uint16_t value) {
    PTK_SIM_CHECK(result.exception == MODBUS_OK);
    if (result.err == PTK_OK) {
        make_known(possible, value);
    } else if (result.err == PTK_ERR_TIMEOUT) {
        make_possible(possible, value);
    }
}

/* --- requests --- */

static modbus_result_t write_one(connection_t *connection) {
    uint16_t index = (uint16_t) ptk_sim_choose(REGISTERS);
    uint16_t value = ++world.values;
    uint16_t address = (uint16_t) (connection->first + index);
    modbus_result_t result = modbus_write_register(&connection->client, connection->unit, address, value);
    have_written(&connection->registers[index], result, value);
    return result;
}

static modbus_result_t write_all(connection_t *connection) {
    uint16_t values[REGISTERS];
    for (size_t i = 0; i < REGISTERS; i++) {
        values[i] = ++world.values;
    }
    modbus_range_t range = {connection->first, REGISTERS};
    modbus_result_t result = modbus_write_registers(&connection->client, connection->unit, range, values);
    for (size_t i = 0; i < REGISTERS; i++) {
        have_written(&connection->registers[i], result, values[i]);
    }
    return result;
}

static modbus_result_t read_all(connection_t *connection) {
    uint16_t values[REGISTERS];
    modbus_range_t range = {connection->first, REGISTERS};
    modbus_result_t result =
        modbus_read_holding_registers(&connection->client, connection->unit, range, values);
    PTK_SIM_CHECK(result.exception == MODBUS_OK);
    for (size_t i = 0; i < REGISTERS && modbus_is_ok(result); i++) {
        have_read(&connection->registers[i], values[i]);
    }
    return result;
}

/* Writes and reads in one request: what was written is what is read. */
static modbus_result_t write_and_read(connection_t *connection) {
    uint16_t index = (uint16_t) ptk_sim_choose(REGISTERS);
    uint16_t value = ++world.values;
    uint16_t values[REGISTERS];
    modbus_range_t range = {connection->first, REGISTERS};
    modbus_range_t one = {(uint16_t) (connection->first + index), 1};
    modbus_result_t result =
        modbus_read_write_registers(&connection->client, connection->unit, range, values, one, &value);
    have_written(&connection->registers[index], result, value);
    for (size_t i = 0; i < REGISTERS && modbus_is_ok(result); i++) {
        have_read(&connection->registers[i], values[i]);
    }
    return result;
}

/* Inputs encode where they are: unit and address. */
static modbus_result_t read_inputs(connection_t *connection) {
    uint8_t unit = (uint8_t) (1 + ptk_sim_choose(UNITS));
    modbus_range_t range = {(uint16_t) ptk_sim_choose(90), (uint16_t) (1 + ptk_sim_choose(10))};
    uint16_t values[10];
    modbus_result_t result = modbus_read_input_registers(&connection->client, unit, range, values);
    PTK_SIM_CHECK(result.exception == MODBUS_OK);
    for (uint16_t i = 0; i < range.count && modbus_is_ok(result); i++) {
        PTK_SIM_CHECK(values[i] == 100 * unit + range.address + i);
    }
    return result;
}

static modbus_result_t read_switches(connection_t *connection) {
    modbus_range_t range = {(uint16_t) ptk_sim_choose(80), (uint16_t) (1 + ptk_sim_choose(20))};
    bool values[20];
    modbus_result_t result =
        modbus_read_discrete_inputs(&connection->client, connection->unit, range, values);
    PTK_SIM_CHECK(result.exception == MODBUS_OK);
    for (uint16_t i = 0; i < range.count && modbus_is_ok(result); i++) {
        PTK_SIM_CHECK(values[i] == ((range.address + i) % 2 == 1));
    }
    return result;
}

/* Two requests that must be refused; the expected refusal is a success. */
static modbus_result_t read_behind_the_end(connection_t *connection) {
    uint16_t values[2];
    modbus_range_t range = {LAST_REGISTER, 2};
    modbus_result_t result =
        modbus_read_holding_registers(&connection->client, connection->unit, range, values);
    PTK_SIM_CHECK(result.err != PTK_OK || result.exception == MODBUS_ILLEGAL_DATA_ADDRESS);
    return result;
}

static modbus_result_t write_to_missing_unit(connection_t *connection) {
    modbus_result_t result =
        modbus_write_register(&connection->client, MISSING_UNIT, connection->first, ++world.values);
    PTK_SIM_CHECK(result.err != PTK_OK || result.exception == MODBUS_GATEWAY_TARGET_NO_RESPONSE);
    return result;
}

static modbus_result_t request(connection_t *connection) {
    static const uint32_t timeouts_ms[] = {1, 1, 2, 3, 10, 500};
    static modbus_result_t (*const kinds[])(connection_t *) = {
        write_one,     write_all,           read_all,
        read_all,      write_and_read,      read_inputs,
        read_switches, read_behind_the_end, write_to_missing_unit};
    connection->client.timeout_ms = timeouts_ms[ptk_sim_choose(sizeof timeouts_ms / sizeof timeouts_ms[0])];
    return kinds[ptk_sim_choose(sizeof kinds / sizeof kinds[0])](connection);
}

/* --- clients --- */

/* Sends requests until enough are done, or the connection is broken or abandoned. */
static void run_requests(connection_t *connection, unsigned *done) {
    unsigned timeouts = 0;
    while (connection->client.sock && *done < REQUESTS && timeouts < PATIENCE) {
        modbus_result_t result = request(connection);
        PTK_SIM_CHECK(result.err == PTK_OK || scenario_is_network(result.err));
        if (result.err == PTK_ERR_CANCELED) {
            return;
        }
        timeouts = result.err == PTK_OK ? 0 : timeouts + 1;
        *done += result.err == PTK_OK;
    }
}

/* Allocates registers that no connection had before; they are 0. */
static void give_registers(connection_t *connection) {
    connection->unit = (uint8_t) (1 + ptk_sim_choose(UNITS));
    connection->first = world.registers;
    world.registers = (uint16_t) (world.registers + REGISTERS);
    for (size_t i = 0; i < REGISTERS; i++) {
        make_known(&connection->registers[i], 0);
    }
}

static ptk_err keep_asking(void *arg) {
    unsigned done = 0;
    ptk_err err = PTK_OK;
    ptk_addr_t server;
    connection_t connection;
    (void) arg;
    bool known = ptk_addr_parse(SERVER, &server) == PTK_OK;
    PTK_SIM_CHECK(known);
    while (!err && done < REQUESTS) {
        give_registers(&connection);
        err = modbus_client_connect(&connection.client, &server, 1000);
        PTK_SIM_CHECK(err == PTK_OK || scenario_is_network(err));
        run_requests(&connection, &done);
        modbus_client_close(&connection.client);
        err = ptk_sleep_ms(20);
    }
    return err;
}

static ptk_err start_connections(void *arg) {
    ptk_err err = PTK_OK;
    (void) arg;
    for (size_t i = 0; i < CONNECTIONS && !err; i++) {
        err = ptk_go(NULL, keep_asking, NULL);
    }
    return err;
}

static ptk_err run_client(void *arg) {
    return scenario_run(start_connections, arg);
}

void scenario_modbus(ptk_sim_t *sim) {
    static const char *const names[HOSTS] = {"anna", "bert", "cleo"};
    memset(&world, 0, sizeof world);
    scenario_host(sim, "server", PTK_SIM_HOST_DAEMON | PTK_SIM_HOST_MAY_CRASH, serve, NULL);
    for (size_t i = 0; i < HOSTS; i++) {
        scenario_host(sim, names[i], PTK_SIM_HOST_MAY_CRASH, run_client, NULL);
    }
    ptk_sim_run_for(sim, 10000);
    ptk_sim_settle(sim, 3600000);
}
