/* SPDX-License-Identifier: MIT */
/**
 * @file modbus_client.h
 * A Modbus/TCP client: each call sends one request and returns with its answer.
 *
 * A client belongs to one green thread at a time. Every request has the client's timeout, from its first byte
 * out to its last byte in. A request that timed out may be answered later: that answer is thrown away and
 * never taken for another request's, so the client can go on. Anything else that goes wrong closes the
 * connection, and later requests get PTK_ERR_CLOSED.
 */
#pragma once

#include "modbus/modbus.h"

#include <ptk.h>

/** How a request ended. The values that were asked for are there only if modbus_is_ok(). */
typedef struct modbus_result {
    /** PTK_OK: the device answered. PTK_ERR_NETWORK: what came was no answer to this request. */
    ptk_err err;
    modbus_exception_t exception; /**< MODBUS_OK: the device did as it was told. */
} modbus_result_t;

static inline bool modbus_is_ok(modbus_result_t result) {
    return result.err == PTK_OK && result.exception == MODBUS_OK;
}

/** A result in words. The string is static. */
const char *modbus_result_text(modbus_result_t result);

/** The caller's memory; its fields are the client's, but for `timeout_ms`. */
typedef struct modbus_client {
    ptk_sock_t *sock;     /**< NULL when closed. */
    uint32_t timeout_ms;  /**< For each request; may be changed between them. */
    uint32_t ids_sent;    /**< Transaction ids in use so far, at most all 65,536. */
    uint32_t ids_left;    /**< How many more ids until one that was never answered comes round again. */
    uint16_t transaction; /**< The id of the latest request. */
    bool has_header; /**< The next thing in the stream is the body of the frame whose header is in `reply`. */
    uint8_t request[MODBUS_FRAME_MAX];
    uint8_t reply[MODBUS_FRAME_MAX];
} modbus_client_t;

/** Connect within `timeout_ms`, which each request gets, too. Parks. Close it, whatever the answer. */
ptk_err modbus_client_connect(modbus_client_t *client, const ptk_addr_t *server, uint32_t timeout_ms);

/** Close the connection, if it is open. */
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

/** Write, then read, in one step. */
modbus_result_t modbus_read_write_registers(modbus_client_t *client, uint8_t unit, modbus_range_t read,
                                            uint16_t *values_out, modbus_range_t write,
                                            const uint16_t *values);
