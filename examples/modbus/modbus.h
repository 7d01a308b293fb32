/* SPDX-License-Identifier: MIT */
/**
 * @file modbus.h
 * Modbus/TCP as bytes: frames, requests and responses, after the MODBUS Application Protocol V1.1b3.
 *
 * Nothing here does input or output, and nothing is allocated. A frame is a header of seven bytes
 * (transaction id, protocol id, length, unit id) and a PDU: the function code and what belongs to it. Values
 * stay in the protocol's own form until somebody wants them: coils packed eight to a byte, lowest bit first;
 * registers big-endian.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODBUS_HEADER_BYTES 7
#define MODBUS_PDU_MAX      253
#define MODBUS_FRAME_MAX    (MODBUS_HEADER_BYTES + MODBUS_PDU_MAX)

/** Most that one request may read or write. */
#define MODBUS_READ_BITS_MAX            2000
#define MODBUS_READ_REGISTERS_MAX       125
#define MODBUS_WRITE_BITS_MAX           1968
#define MODBUS_WRITE_REGISTERS_MAX      123
#define MODBUS_READ_WRITE_REGISTERS_MAX 121 /**< What function 23 may write. */

/** The function codes that are spoken here. */
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

/** Why a device refuses. The value goes over the wire; one that has no name here can come, too. */
typedef enum modbus_exception {
    MODBUS_OK = 0, /**< It does not refuse. */
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

/** An exception as the specification names it, in lower case. The string is static. */
const char *modbus_exception_text(modbus_exception_t exception);

/** The header of a frame; the protocol id is always 0. */
typedef struct modbus_header {
    uint16_t transaction; /**< The client's choice; the response repeats it. */
    uint16_t pdu_bytes;   /**< What follows the header: 1 to MODBUS_PDU_MAX. */
    uint8_t unit;         /**< Which device behind this address. */
} modbus_header_t;

void modbus_header_encode(const modbus_header_t *header, uint8_t *bytes);

/** False if these seven bytes begin no Modbus frame: then nothing after them can be trusted either. */
bool modbus_header_decode(const uint8_t *bytes, modbus_header_t *header_out);

/** `count` coils, inputs or registers from `address` on; a count of 0 is none. */
typedef struct modbus_range {
    uint16_t address;
    uint16_t count;
} modbus_range_t;

/** A request, whatever its function. */
typedef struct modbus_request {
    uint8_t function;
    modbus_range_t read;  /**< What it reads. */
    modbus_range_t write; /**< What it writes. */
    /** What it writes: packed coils (a single one: FF 00 or 00 00), registers, or the masks (and, or). */
    const uint8_t *data;
} modbus_request_t;

/** Does the function exist, and does it allow these counts and values? MODBUS_OK, or the exception if not. */
modbus_exception_t modbus_request_check(const modbus_request_t *request);

/** Write the PDU of a request that modbus_request_check() finds OK, and say how long it is. */
size_t modbus_request_encode(const modbus_request_t *request, uint8_t *pdu);

/**
 * Read a request's PDU (at least one byte). MODBUS_OK, or the exception to answer with: then only `function`
 * is set. `data` points into the PDU.
 */
modbus_exception_t modbus_request_decode(const uint8_t *pdu, size_t pdu_bytes, modbus_request_t *request_out);

/** How many bytes of values the response to a request carries. */
size_t modbus_response_data_bytes(const modbus_request_t *request);

/**
 * Write the PDU of the response to a request and say how long it is. The values that were read, if the
 * request reads, are at `pdu + MODBUS_RESPONSE_DATA` already; `request_pdu` is what a write repeats.
 */
size_t modbus_response_encode(const modbus_request_t *request, const uint8_t *request_pdu, uint8_t *pdu);

/** Where the values begin in the PDU of a response to a request that reads. */
#define MODBUS_RESPONSE_DATA 2

/** Write the PDU of an exception response and say how long it is. */
size_t modbus_exception_encode(uint8_t function, modbus_exception_t exception, uint8_t *pdu);

/**
 * Is this PDU an answer to that request? If so `exception_out` says whether the device refused. If not
 * (another function, another length, an echo of something else) it must not be believed.
 */
bool modbus_response_check(const modbus_request_t *request, const uint8_t *request_pdu, const uint8_t *pdu,
                           size_t pdu_bytes, modbus_exception_t *exception_out);

/** How many bytes `count` packed bits take. */
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
