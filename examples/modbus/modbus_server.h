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
    modbus_store_t *store; /**< What the requests read and write. */
    uint32_t idle_ms;      /**< A connection without a request for so long is closed. */
    uint32_t
        request_ms; /**< A request that has begun must be whole, and its response taken, within this time. */
} modbus_server_t;

/**
 * The body of the green thread that accepts; `server` points to a modbus_server_t that outlives the loop's
 * run. It runs until its loop is stopped (PTK_ERR_CANCELED) or the listener fails.
 */
ptk_err modbus_server_run(void *server);
