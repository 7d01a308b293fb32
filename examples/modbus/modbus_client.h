/* SPDX-License-Identifier: MIT */
/**
 * @file modbus_client.h
 * A Modbus/TCP client: each call sends one request and returns when the response has come.
 *
 * A client belongs to one green thread at a time. Every request has the client's timeout, from its first byte
 * sent to the last byte of its response. The response to a request that timed out may come later: it is
 * dropped and never taken for that of another request, so the client stays usable. Every other error closes
 * the connection, and later requests return PTK_ERR_CLOSED until modbus_client_connect() is called again with
 * the same client. modbus_poller.c shows a client that does so.
 */
#pragma once

#include "modbus/modbus.h"

#include <ptk.h>

/** How a request ended. The requested values are valid only if modbus_is_ok(). */
typedef struct modbus_result {
    /** PTK_OK: the device responded. PTK_ERR_NETWORK: a frame that is no response to this request. */
    ptk_err err;
    modbus_exception_t exception; /**< MODBUS_OK: the device carried the request out. */
} modbus_result_t;

static inline bool modbus_is_ok(modbus_result_t result) {
    return result.err == PTK_OK && result.exception == MODBUS_OK;
}

/** Returns a result as text. The string is static. */
const char *modbus_result_text(modbus_result_t result);

/** The memory is the caller's; only `timeout_ms` may be changed from outside. */
typedef struct modbus_client {
    ptk_sock_t *sock;     /**< NULL when closed. */
    uint32_t timeout_ms;  /**< For each request; may be changed between them. */
    uint32_t ids_sent;    /**< Transaction ids in use so far, at most all 65,536. */
    uint32_t ids_left;    /**< How many more ids until one without a response would be used again. */
    uint16_t transaction; /**< The id of the latest request. */
    bool has_header;      /**< The stream continues with the body of the frame whose header is in `reply`. */
    uint8_t request[MODBUS_FRAME_MAX];
    uint8_t reply[MODBUS_FRAME_MAX];
} modbus_client_t;

/** Connects within `timeout_ms`, which becomes the timeout of each request, too. Parks. It may be called
 * again for a client that is closed. The client must be closed also after a failure. */
ptk_err modbus_client_connect(modbus_client_t *client, const ptk_addr_t *server, uint32_t timeout_ms);

/** Closes the connection, if it is open. */
void modbus_client_close(modbus_client_t *client);

/*
 * The requests. Each parks. Counts over the protocol's limits are PTK_ERR_INVALID_PARAM, and nothing is sent.
 */
modbus_result_t modbus_read_coils(modbus_client_t *client, uint8_t unit, modbus_range_t range,
                                  bool *values_out);
modbus_result_t modbus_read_discrete_inputs(modbus_client_t *client, uint8_t unit, modbus_range_t range,
                                            bool *values_out);
modbus_result_t modbus_read_holding_registers(modbus_client_t *client, uint8_t unit, modbus_range_t range,
                                              uint16_t *values_out);
modbus_result_t modbus_read_input_registers(modbus_client_t *client, uint8_t unit, modbus_range_t range,
                                            uint16_t *values_out);
modbus_result_t modbus_write_coil(modbus_client_t *client, uint8_t unit, uint16_t address, bool value);
modbus_result_t modbus_write_register(modbus_client_t *client, uint8_t unit, uint16_t address,
                                      uint16_t value);
modbus_result_t modbus_write_coils(modbus_client_t *client, uint8_t unit, modbus_range_t range,
                                   const bool *values);
modbus_result_t modbus_write_registers(modbus_client_t *client, uint8_t unit, modbus_range_t range,
                                       const uint16_t *values);

/** The register becomes (register AND and_mask) OR (or_mask AND NOT and_mask), in one step. */
modbus_result_t modbus_mask_write_register(modbus_client_t *client, uint8_t unit, uint16_t address,
                                           uint16_t and_mask, uint16_t or_mask);

/** Writes, then reads, in one step. */
modbus_result_t modbus_read_write_registers(modbus_client_t *client, uint8_t unit, modbus_range_t read,
                                            uint16_t *values_out, modbus_range_t write,
                                            const uint16_t *values);
