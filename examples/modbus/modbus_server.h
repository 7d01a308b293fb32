/* SPDX-License-Identifier: MIT */
/**
 * @file modbus_server.h
 * A Modbus/TCP server: one green thread that accepts, and one for each connection.
 */
#pragma once

#include "modbus/modbus_store.h"

#include <ptk.h>

typedef struct modbus_server {
    ptk_sock_t *listener;  /**< Closed by modbus_server_run(). */
    modbus_store_t *store; /**< The data that requests read and write. */
    uint32_t idle_ms;      /**< A connection without a request for this time is closed. */
    /** A request that has begun must be complete, and its response taken, within this time. */
    uint32_t request_ms;
    /** Called with PTK_OK or the error when a connection has ended; NULL: not called. */
    void (*report_end)(const char *what, ptk_err err);
} modbus_server_t;

/**
 * Accepts connections: the body of a green thread. `server` points to a modbus_server_t that outlives the run
 * of the loop. Returns when the loop is stopped (PTK_ERR_CANCELED) or the listener fails.
 */
ptk_err modbus_server_run(void *server);
