/* SPDX-License-Identifier: MIT */
/**
 * @file modbus.h
 * Modbus/TCP as bytes: frames, requests and responses, after the MODBUS Application Protocol V1.1b3.
 *
 * These functions do no input or output and allocate nothing. A frame is a header of seven bytes (transaction
 * id, protocol id, length, unit id) and a PDU: the function code and its parameters. Values stay in the
 * protocol's form until they are used: coils packed eight to a byte, lowest bit first; registers big-endian.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODBUS_HEADER_BYTES 7
#define MODBUS_PDU_MAX      253
#define MODBUS_FRAME_MAX    (MODBUS_HEADER_BYTES + MODBUS_PDU_MAX)

/** The most that one request may read or write. */
#define MODBUS_READ_BITS_MAX            2000
#define MODBUS_READ_REGISTERS_MAX       125
#define MODBUS_WRITE_BITS_MAX           1968
#define MODBUS_WRITE_REGISTERS_MAX      123
#define MODBUS_READ_WRITE_REGISTERS_MAX 121 /**< What function 23 may write. */

/** The function codes that are implemented. */
typedef enum modbus_function {
    MODBUS_READ_COILS = 1,
    MODBUS_READ_DISCRETE_INPUTS = 2,
    MODBUS_READ_HOLDING_REGISTERS = 3,
    MODBUS_READ_INPUT_REGISTERS = 4,
    MODBUS_WRITE_COIL = 5,
    MODBUS_WRITE_REGISTER = 6,
    MODBUS_WRITE_COILS = 15,
    MODBUS_WRITE_REGISTERS = 16,
    MODBUS_MASK_WRITE_REGISTER = 22,
    MODBUS_READ_WRITE_REGISTERS = 23,
} modbus_function_t;

/** Why a device refuses a request. The value is sent; values without a name here may be received, too. */
typedef enum modbus_exception {
    MODBUS_OK = 0, /**< No exception. */
    MODBUS_ILLEGAL_FUNCTION = 1,
    MODBUS_ILLEGAL_DATA_ADDRESS = 2,
    MODBUS_ILLEGAL_DATA_VALUE = 3,
    MODBUS_SERVER_DEVICE_FAILURE = 4,
    MODBUS_ACKNOWLEDGE = 5,
    MODBUS_SERVER_DEVICE_BUSY = 6,
    MODBUS_MEMORY_PARITY_ERROR = 8,
    MODBUS_GATEWAY_PATH_UNAVAILABLE = 0x0A,
    MODBUS_GATEWAY_TARGET_NO_RESPONSE = 0x0B,
} modbus_exception_t;

/** Returns the name of an exception in the specification, in lower case. The string is static. */
const char *modbus_exception_text(modbus_exception_t exception);

/** The header of a frame; the protocol id is always 0. */
typedef struct modbus_header {
    uint16_t transaction; /**< The client chooses it; the response repeats it. */
    uint16_t pdu_bytes;   /**< The length of the PDU: 1 to MODBUS_PDU_MAX. */
    uint8_t unit;         /**< The device behind this address. */
} modbus_header_t;

/** Writes the seven bytes of a header. */
void modbus_header_encode(const modbus_header_t *header, uint8_t *bytes);

/** Reads the seven bytes of a header. False: they begin no Modbus frame, so what follows is not one either.
 */
bool modbus_header_decode(const uint8_t *bytes, modbus_header_t *header_out);

/** `count` coils, inputs or registers from `address` on; a count of 0 is an empty range. */
typedef struct modbus_range {
    uint16_t address;
    uint16_t count;
} modbus_range_t;

/** A request of any function. */
typedef struct modbus_request {
    uint8_t function;
    modbus_range_t read;  /**< What it reads. */
    modbus_range_t write; /**< What it writes. */
    /** What it writes: packed coils (a single one: FF 00 or 00 00), registers, or the masks (and, or). */
    const uint8_t *data;
} modbus_request_t;

/** Checks that the function exists and allows these counts and values. Returns MODBUS_OK or the exception. */
modbus_exception_t modbus_request_check(const modbus_request_t *request);

/** Writes the PDU of a request that has passed modbus_request_check(). Returns its length. */
size_t modbus_request_encode(const modbus_request_t *request, uint8_t *pdu);

/**
 * Reads a request's PDU (at least one byte). Returns MODBUS_OK, or the exception for the response: then only
 * `function` is set. `data` points into the PDU.
 */
modbus_exception_t modbus_request_decode(const uint8_t *pdu, size_t pdu_bytes, modbus_request_t *request_out);

/** Returns how many bytes of values the response to a request has. */
size_t modbus_response_data_bytes(const modbus_request_t *request);

/**
 * Writes the PDU of the response to a request and returns its length. If the request reads, the values are at
 * `pdu + MODBUS_RESPONSE_DATA` already. The response to a write repeats the start of `request_pdu`.
 */
size_t modbus_response_encode(const modbus_request_t *request, const uint8_t *request_pdu, uint8_t *pdu);

/** Where the values begin in the PDU of a response to a request that reads. */
#define MODBUS_RESPONSE_DATA 2

/** Writes the PDU of an exception response and returns its length. */
size_t modbus_exception_encode(uint8_t function, modbus_exception_t exception, uint8_t *pdu);

/**
 * Returns whether a PDU is a response to that request. If so, `exception_out` is set: MODBUS_OK, or why the
 * device refused. If not (another function, another length, an echo of other data) its values must not be
 * used.
 */
bool modbus_response_check(const modbus_request_t *request, const uint8_t *request_pdu, const uint8_t *pdu,
                           size_t pdu_bytes, modbus_exception_t *exception_out);

/** Returns how many bytes `count` packed bits take. */
static inline size_t modbus_bits_bytes(size_t count) {
    return (count + 7) / 8;
}

static inline bool modbus_get_bit(const uint8_t *bits, size_t index) {
    return (bits[index / 8] >> (index % 8) & 1) != 0;
}

static inline void modbus_put_bit(uint8_t *bits, size_t index, bool value) {
    uint8_t mask = (uint8_t) (1u << (index % 8));
    bits[index / 8] = (uint8_t) (value ? bits[index / 8] | mask : bits[index / 8] & ~mask);
}

static inline uint16_t modbus_get_u16(const uint8_t *bytes) {
    return (uint16_t) (bytes[0] << 8 | bytes[1]);
}

static inline void modbus_put_u16(uint8_t *bytes, uint16_t value) {
    bytes[0] = (uint8_t) (value >> 8);
    bytes[1] = (uint8_t) value;
}
