/* SPDX-License-Identifier: MIT */
/**
 * @file modbus_store.h
 * The data of a Modbus server: for each unit id, four tables of 65,536 entries.
 *
 * A store belongs to one thread. No call waits, so each request is complete before the next one begins.
 */
#pragma once

#include "modbus/modbus.h"

typedef struct modbus_store modbus_store_t;

/** Creates a store without units. NULL: out of memory. */
modbus_store_t *modbus_store_create(void);

/** Frees a store and its units; NULL is fine. */
void modbus_store_destroy(modbus_store_t *store);

/**
 * Adds a unit, unless it exists. Coils and holding registers are 0. The first 100 inputs have values that
 * depend on their addresses, so that a client reads something: input register A is 100 * unit + A, discrete
 * input A is on when A is odd. False: out of memory.
 */
bool modbus_store_add_unit(modbus_store_t *store, uint8_t unit);

/** Returns whether a unit exists. */
bool modbus_store_has_unit(const modbus_store_t *store, uint8_t unit);

/**
 * Carries a request out, or refuses it and changes nothing. `request` has passed modbus_request_check(); the
 * values that it reads are written to `values_out`, modbus_response_data_bytes() long. Function 23 writes
 * before it reads.
 */
modbus_exception_t modbus_store_apply(modbus_store_t *store, uint8_t unit, const modbus_request_t *request,
                                      uint8_t *values_out);
