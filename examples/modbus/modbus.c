/* SPDX-License-Identifier: MIT */
/*
 * All requests have one form, and a table holds which parts of it a function has:
 *
 *     function [read address, read count] [write address [write count, byte count] [data]]
 *
 * A function that writes one value has no counts, and data of a fixed size. A function that writes several
 * has counts, and the byte count must agree with the write count and with the rest of the PDU. A response
 * either repeats the start of the request (a function that only writes) or is a byte count and that many
 * bytes of values.
 */
#include "modbus/modbus.h"

#include <string.h>

#define EXCEPTION_BIT   0x80u
#define EXCEPTION_BYTES 2
#define COIL_ON         0xFF00
#define COIL_OFF        0x0000

/* The parts and limits of a function: V1.1b3, section 6. */
typedef struct rule {
    uint8_t function;
    bool bits;           /* of bits, else of registers */
    uint16_t read_most;  /* 0: it does not read */
    uint16_t write_most; /* 0: it does not write */
    uint8_t fixed_bytes; /* of the data of a function that writes one value */
} rule_t;

static const rule_t rules[] = {
    {MODBUS_READ_COILS, true, MODBUS_READ_BITS_MAX, 0, 0},
    {MODBUS_READ_DISCRETE_INPUTS, true, MODBUS_READ_BITS_MAX, 0, 0},
    {MODBUS_READ_HOLDING_REGISTERS, false, MODBUS_READ_REGISTERS_MAX, 0, 0},
    {MODBUS_READ_INPUT_REGISTERS, false, MODBUS_READ_REGISTERS_MAX, 0, 0},
    {MODBUS_WRITE_COIL, true, 0, 1, 2},
    {MODBUS_WRITE_REGISTER, false, 0, 1, 2},
    {MODBUS_WRITE_COILS, true, 0, MODBUS_WRITE_BITS_MAX, 0},
    {MODBUS_WRITE_REGISTERS, false, 0, MODBUS_WRITE_REGISTERS_MAX, 0},
    {MODBUS_MASK_WRITE_REGISTER, false, 0, 1, 4},
    {MODBUS_READ_WRITE_REGISTERS, false, MODBUS_READ_REGISTERS_MAX, MODBUS_READ_WRITE_REGISTERS_MAX, 0},
};

static const rule_t *find_rule(uint8_t function) {
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (rules[i].function == function) {
            return &rules[i];
        }
    }
    return NULL;
}

static bool has_write_count(const rule_t *rule) {
    return rule->write_most > 0 && rule->fixed_bytes == 0;
}

/* Returns the length of everything before the data. */
static size_t head_bytes(const rule_t *rule) {
    size_t read = rule->read_most > 0 ? 4 : 0;
    size_t write = rule->write_most > 0 ? 2 : 0;
    size_t counts = has_write_count(rule) ? 3 : 0;
    return 1 + read + write + counts;
}

static size_t values_bytes(const rule_t *rule, uint16_t count) {
    return rule->bits ? modbus_bits_bytes(count) : (size_t) 2 * count;
}

static size_t data_bytes(const rule_t *rule, const modbus_request_t *request) {
    return rule->fixed_bytes > 0 ? rule->fixed_bytes : values_bytes(rule, request->write.count);
}

static bool count_is_good(uint16_t count, uint16_t most) {
    return most == 0 ? count == 0 : count >= 1 && count <= most;
}

modbus_exception_t modbus_request_check(const modbus_request_t *request) {
    const rule_t *rule = find_rule(request->function);
    if (!rule) {
        return MODBUS_ILLEGAL_FUNCTION;
    }
    if (!count_is_good(request->read.count, rule->read_most) ||
        !count_is_good(request->write.count, rule->write_most)) {
        return MODBUS_ILLEGAL_DATA_VALUE;
    }
    if (rule->function == MODBUS_WRITE_COIL) {
        uint16_t value = modbus_get_u16(request->data);
        return value == COIL_ON || value == COIL_OFF ? MODBUS_OK : MODBUS_ILLEGAL_DATA_VALUE;
    }
    return MODBUS_OK;
}

size_t modbus_request_encode(const modbus_request_t *request, uint8_t *pdu) {
    const rule_t *rule = find_rule(request->function);
    uint8_t *at = pdu;
    *at++ = request->function;
    if (rule->read_most > 0) {
        modbus_put_u16(at, request->read.address);
        modbus_put_u16(at + 2, request->read.count);
        at += 4;
    }
    if (rule->write_most > 0) {
        modbus_put_u16(at, request->write.address);
        at += 2;
    }
    size_t data = data_bytes(rule, request);
    if (has_write_count(rule)) {
        modbus_put_u16(at, request->write.count);
        at[2] = (uint8_t) data;
        at += 3;
    }
    if (data > 0) {
        memcpy(at, request->data, data);
    }
    return head_bytes(rule) + data;
}

/* Decodes the parts before the data; the caller has checked that the PDU has them. */
static modbus_request_t decode_head(const rule_t *rule, const uint8_t *pdu) {
    modbus_request_t request = {.function = rule->function, .data = pdu + head_bytes(rule)};
    const uint8_t *at = pdu + 1;
    if (rule->read_most > 0) {
        request.read = (modbus_range_t) {modbus_get_u16(at), modbus_get_u16(at + 2)};
        at += 4;
    }
    if (rule->write_most > 0) {
        uint16_t count = has_write_count(rule) ? modbus_get_u16(at + 2) : 1;
        request.write = (modbus_range_t) {modbus_get_u16(at), count};
    }
    return request;
}

modbus_exception_t modbus_request_decode(const uint8_t *pdu, size_t pdu_bytes,
                                         modbus_request_t *request_out) {
    *request_out = (modbus_request_t) {.function = pdu[0]};
    const rule_t *rule = find_rule(pdu[0]);
    if (!rule) {
        return MODBUS_ILLEGAL_FUNCTION;
    }
    size_t head = head_bytes(rule);
    if (pdu_bytes < head) {
        return MODBUS_ILLEGAL_DATA_VALUE;
    }
    modbus_request_t request = decode_head(rule, pdu);
    size_t data = data_bytes(rule, &request);
    if (pdu_bytes != head + data || (has_write_count(rule) && pdu[head - 1] != data)) {
        return MODBUS_ILLEGAL_DATA_VALUE;
    }
    modbus_exception_t exception = modbus_request_check(&request);
    if (!exception) {
        *request_out = request;
    }
    return exception;
}

size_t modbus_response_data_bytes(const modbus_request_t *request) {
    return values_bytes(find_rule(request->function), request->read.count);
}

/* Returns how many bytes of the request are repeated by the response to a function that only writes. */
static size_t echo_bytes(const modbus_request_t *request) {
    return request->function == MODBUS_MASK_WRITE_REGISTER ? 7 : 5;
}

size_t modbus_response_encode(const modbus_request_t *request, const uint8_t *request_pdu, uint8_t *pdu) {
    size_t data = modbus_response_data_bytes(request);
    if (data == 0) {
        memcpy(pdu, request_pdu, echo_bytes(request));
        return echo_bytes(request);
    }
    pdu[0] = request->function;
    pdu[1] = (uint8_t) data;
    return MODBUS_RESPONSE_DATA + data;
}

size_t modbus_exception_encode(uint8_t function, modbus_exception_t exception, uint8_t *pdu) {
    pdu[0] = (uint8_t) (function | EXCEPTION_BIT);
    pdu[1] = (uint8_t) exception;
    return EXCEPTION_BYTES;
}

bool modbus_response_check(const modbus_request_t *request, const uint8_t *request_pdu, const uint8_t *pdu,
                           size_t pdu_bytes, modbus_exception_t *exception_out) {
    *exception_out = MODBUS_OK;
    if (pdu_bytes == EXCEPTION_BYTES && pdu[0] == (request->function | EXCEPTION_BIT)) {
        *exception_out = (modbus_exception_t) pdu[1];
        return pdu[1] != MODBUS_OK;
    }
    size_t data = modbus_response_data_bytes(request);
    if (data == 0) {
        return pdu_bytes == echo_bytes(request) && memcmp(pdu, request_pdu, pdu_bytes) == 0;
    }
    return pdu_bytes == MODBUS_RESPONSE_DATA + data && pdu[0] == request->function && pdu[1] == data;
}

void modbus_header_encode(const modbus_header_t *header, uint8_t *bytes) {
    modbus_put_u16(bytes, header->transaction);
    modbus_put_u16(bytes + 2, 0);
    modbus_put_u16(bytes + 4, (uint16_t) (header->pdu_bytes + 1)); /* the unit id is counted, too */
    bytes[6] = header->unit;
}

bool modbus_header_decode(const uint8_t *bytes, modbus_header_t *header_out) {
    uint16_t protocol = modbus_get_u16(bytes + 2);
    uint16_t length = modbus_get_u16(bytes + 4);
    if (protocol != 0 || length < 2 || length > MODBUS_PDU_MAX + 1) {
        return false;
    }
    *header_out = (modbus_header_t) {modbus_get_u16(bytes), (uint16_t) (length - 1), bytes[6]};
    return true;
}

const char *modbus_exception_text(modbus_exception_t exception) {
    switch (exception) {
    case MODBUS_OK:
        return "success";
    case MODBUS_ILLEGAL_FUNCTION:
        return "illegal function";
    case MODBUS_ILLEGAL_DATA_ADDRESS:
        return "illegal data address";
    case MODBUS_ILLEGAL_DATA_VALUE:
        return "illegal data value";
    case MODBUS_SERVER_DEVICE_FAILURE:
        return "server device failure";
    case MODBUS_ACKNOWLEDGE:
        return "acknowledge";
    case MODBUS_SERVER_DEVICE_BUSY:
        return "server device busy";
    case MODBUS_MEMORY_PARITY_ERROR:
        return "memory parity error";
    case MODBUS_GATEWAY_PATH_UNAVAILABLE:
        return "gateway path unavailable";
    case MODBUS_GATEWAY_TARGET_NO_RESPONSE:
        return "gateway target device failed to respond";
    }
    return "unknown exception";
}
