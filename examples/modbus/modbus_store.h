/* SPDX-License-Identifier: MIT */
/**
 * @file modbus_store.h
 * The data of a Modbus server: for each unit id, four tables of 65,536 entries.
 *
 * A store belongs to one thread. No call waits, so each request is carried out whole before the next one.
 */
#pragma once

#include "modbus/modbus.h"

typedef struct modbus_store modbus_store_t;

/** A store without units; NULL: out of memory. */
modbus_store_t *modbus_store_create(void);

/** Free a store and its units; NULL is fine. */
void modbus_store_destroy(modbus_store_t *store);

/**
 * Add a unit, unless it is there. Coils and holding registers are 0. Of its inputs the first 100 say who they
 * are, so that a client has something to look at: input register A is 100 * unit + A, discrete input A is on
 * when A is odd. False: out of memory.
 */
bool modbus_store_add_unit(modbus_store_t *store, uint8_t unit);

bool modbus_store_has_unit(const modbus_store_t *store, uint8_t unit);

/**
 * Carry a request out, or refuse it and change nothing. `request` has passed modbus_request_check(); what it
 * reads is written to `values_out`, modbus_response_data_bytes() long. Function 23 writes before it reads.
 */
modbus_exception_t modbus_store_apply(modbus_store_t *store, uint8_t unit, const modbus_request_t *request,
                                      uint8_t *values_out);
