/* SPDX-License-Identifier: MIT */
/* The Modbus example's bytes and its store: limits, truncation, garbage, and what each function does. */
#include "modbus/modbus.h"
#include "modbus/modbus_store.h"
#include "ptk_test.h"

#include <stdlib.h>
#include <string.h>

#define UNIT 7

/* A function, and the most that it may read and write. */
typedef struct shape {
    uint8_t function;
    uint16_t read_most;
    uint16_t write_most;
    bool has_byte_count;
} shape_t;

static const shape_t shapes[] = {
    {MODBUS_READ_COILS, 2000, 0, false},
    {MODBUS_READ_DISCRETE_INPUTS, 2000, 0, false},
    {MODBUS_READ_HOLDING_REGISTERS, 125, 0, false},
    {MODBUS_READ_INPUT_REGISTERS, 125, 0, false},
    {MODBUS_WRITE_COIL, 0, 1, false},
    {MODBUS_WRITE_REGISTER, 0, 1, false},
    {MODBUS_WRITE_COILS, 0, 1968, true},
    {MODBUS_WRITE_REGISTERS, 0, 123, true},
    {MODBUS_MASK_WRITE_REGISTER, 0, 1, false},
    {MODBUS_READ_WRITE_REGISTERS, 125, 121, true},
};
#define SHAPES (sizeof shapes / sizeof shapes[0])

/* The bytes that a request of each shape writes: FF 00 first, which is a valid value for all. */
static const uint8_t values[256] = {0xFF, 0x00, 0xA5, 0x5A, 0x12, 0x34};

static modbus_request_t request_of(const shape_t *shape, uint16_t read_count, uint16_t write_count) {
    return (modbus_request_t) {.function = shape->function,
                               .read = {shape->read_most > 0 ? 100 : 0, read_count},
                               .write = {shape->write_most > 0 ? 200 : 0, write_count},
                               .data = values};
}

static modbus_request_t full_request(const shape_t *shape) {
    return request_of(shape, shape->read_most, shape->write_most);
}

/* Decodes from memory that is exactly as long as the PDU, so that a sanitizer sees any byte too many. */
static modbus_exception_t decode_exact(const uint8_t *pdu, size_t pdu_bytes, modbus_request_t *request_out) {
    uint8_t *exact = malloc(pdu_bytes);
    CHECK(exact);
    memcpy(exact, pdu, pdu_bytes);
    modbus_exception_t exception = modbus_request_decode(exact, pdu_bytes, request_out);
    if (!exception) { /* `data` must outlive `exact` */
        request_out->data = pdu + (request_out->data - exact);
    }
    free(exact);
    return exception;
}

static void check_same(const modbus_request_t *got, const modbus_request_t *expected) {
    CHECK_EQ(got->function, expected->function);
    CHECK_EQ(got->read.address, expected->read.address);
    CHECK_EQ(got->read.count, expected->read.count);
    CHECK_EQ(got->write.address, expected->write.address);
    CHECK_EQ(got->write.count, expected->write.count);
}

TEST(requests_survive_the_round_trip_at_their_limits) {
    for (size_t i = 0; i < SHAPES; i++) {
        const modbus_request_t requests[2] = {
            full_request(&shapes[i]),
            request_of(&shapes[i], shapes[i].read_most > 0, shapes[i].write_most > 0)};
        for (size_t k = 0; k < 2; k++) {
            uint8_t pdu[MODBUS_PDU_MAX];
            uint8_t again[MODBUS_PDU_MAX];
            modbus_request_t decoded;
            CHECK_EQ(modbus_request_check(&requests[k]), MODBUS_OK);
            size_t bytes = modbus_request_encode(&requests[k], pdu);
            CHECK(bytes <= MODBUS_PDU_MAX);
            CHECK_EQ(decode_exact(pdu, bytes, &decoded), MODBUS_OK);
            check_same(&decoded, &requests[k]);
            CHECK_EQ(modbus_request_encode(&decoded, again), bytes);
            CHECK(memcmp(pdu, again, bytes) == 0);
        }
    }
}

TEST(counts_outside_the_limits_are_refused) {
    for (size_t i = 0; i < SHAPES; i++) {
        modbus_request_t request = full_request(&shapes[i]);
        request.read.count++;
        CHECK_EQ(modbus_request_check(&request), MODBUS_ILLEGAL_DATA_VALUE);
        request = full_request(&shapes[i]);
        request.write.count++;
        CHECK_EQ(modbus_request_check(&request), MODBUS_ILLEGAL_DATA_VALUE);
        request = request_of(&shapes[i], 0, 0);
        CHECK_EQ(modbus_request_check(&request), MODBUS_ILLEGAL_DATA_VALUE);
    }
}

TEST(every_truncation_and_every_extra_byte_is_refused) {
    for (size_t i = 0; i < SHAPES; i++) {
        uint8_t pdu[MODBUS_PDU_MAX + 1] = {0};
        modbus_request_t request = full_request(&shapes[i]);
        modbus_request_t decoded;
        size_t bytes = modbus_request_encode(&request, pdu);
        for (size_t cut = 1; cut < bytes; cut++) {
            CHECK_EQ(decode_exact(pdu, cut, &decoded), MODBUS_ILLEGAL_DATA_VALUE);
            CHECK_EQ(decoded.function, shapes[i].function);
        }
        CHECK_EQ(decode_exact(pdu, bytes + 1, &decoded), MODBUS_ILLEGAL_DATA_VALUE);
    }
}

TEST(a_wrong_byte_count_is_refused) {
    for (size_t i = 0; i < SHAPES; i++) {
        uint8_t pdu[MODBUS_PDU_MAX];
        modbus_request_t request = request_of(&shapes[i], shapes[i].read_most > 0, 1);
        modbus_request_t decoded;
        if (!shapes[i].has_byte_count) {
            continue;
        }
        size_t bytes = modbus_request_encode(&request, pdu);
        size_t data = shapes[i].function == MODBUS_WRITE_COILS ? 1 : 2;
        uint8_t *byte_count = pdu + bytes - data - 1;
        CHECK_EQ(*byte_count, data);
        for (unsigned lie = 0; lie < 256; lie++) {
            *byte_count = (uint8_t) lie;
            CHECK_EQ(decode_exact(pdu, bytes, &decoded), lie == data ? MODBUS_OK : MODBUS_ILLEGAL_DATA_VALUE);
        }
    }
}

TEST(a_coil_is_on_or_off) {
    const uint8_t on[5] = {5, 0, 1, 0xFF, 0};
    const uint8_t off[5] = {5, 0, 1, 0, 0};
    const uint8_t neither[5] = {5, 0, 1, 0, 1};
    modbus_request_t decoded;
    CHECK_EQ(decode_exact(on, sizeof on, &decoded), MODBUS_OK);
    CHECK_EQ(decode_exact(off, sizeof off, &decoded), MODBUS_OK);
    CHECK_EQ(decode_exact(neither, sizeof neither, &decoded), MODBUS_ILLEGAL_DATA_VALUE);
}

TEST(unknown_functions_are_refused) {
    for (unsigned function = 0; function < 256; function++) {
        const uint8_t pdu[1] = {(uint8_t) function};
        modbus_exception_t expected = MODBUS_ILLEGAL_FUNCTION;
        modbus_request_t decoded;
        for (size_t i = 0; i < SHAPES; i++) {
            expected = shapes[i].function == function ? MODBUS_ILLEGAL_DATA_VALUE : expected;
        }
        CHECK_EQ(decode_exact(pdu, 1, &decoded), expected);
    }
}

TEST(bytes_that_decode_encode_to_the_same_bytes) {
    ptk_test_random_t random = {0};
    unsigned understood = 0;
    for (unsigned turn = 0; turn < 200000; turn++) {
        uint8_t pdu[32];
        uint8_t again[MODBUS_PDU_MAX];
        modbus_request_t decoded;
        size_t bytes = 1 + (size_t) ptk_test_random_below(&random, sizeof pdu);
        for (size_t i = 0; i < bytes; i++) {
            pdu[i] = (uint8_t) ptk_test_random_below(&random,
                                                     i == 0 ? 24 : 4); /* small values are more often valid */
        }
        if (decode_exact(pdu, bytes, &decoded) == MODBUS_OK) {
            understood++;
            CHECK_EQ(modbus_request_encode(&decoded, again), bytes);
            CHECK(memcmp(pdu, again, bytes) == 0);
        }
    }
    CHECK(understood > 100);
}

/* Returns the correct response to a request: its values, if it reads, are all 1. */
static size_t respond(const modbus_request_t *request, const uint8_t *request_pdu, uint8_t *pdu) {
    memset(pdu + MODBUS_RESPONSE_DATA, 1, modbus_response_data_bytes(request));
    return modbus_response_encode(request, request_pdu, pdu);
}

TEST(a_response_is_accepted_only_for_its_request) {
    for (size_t i = 0; i < SHAPES; i++) {
        uint8_t request_pdu[MODBUS_PDU_MAX];
        uint8_t pdu[MODBUS_PDU_MAX + 1] = {0};
        modbus_exception_t exception;
        modbus_request_t request = full_request(&shapes[i]);
        modbus_request_encode(&request, request_pdu);
        size_t bytes = respond(&request, request_pdu, pdu);
        CHECK(bytes <= MODBUS_PDU_MAX);
        CHECK(modbus_response_check(&request, request_pdu, pdu, bytes, &exception));
        CHECK_EQ(exception, MODBUS_OK);
        for (size_t length = 1; length <= bytes + 1; length++) {
            CHECK_EQ(modbus_response_check(&request, request_pdu, pdu, length, &exception), length == bytes);
        }
        size_t fixed = shapes[i].read_most > 0 ? MODBUS_RESPONSE_DATA : bytes;
        for (size_t at = 0; at < fixed; at++) {
            pdu[at] ^= 0x40;
            CHECK(!modbus_response_check(&request, request_pdu, pdu, bytes, &exception));
            pdu[at] ^= 0x40;
        }
    }
}

TEST(an_exception_is_accepted_only_for_its_function) {
    for (size_t i = 0; i < SHAPES; i++) {
        uint8_t request_pdu[MODBUS_PDU_MAX];
        uint8_t pdu[3] = {0};
        modbus_exception_t exception;
        modbus_request_t request = full_request(&shapes[i]);
        modbus_request_encode(&request, request_pdu);
        CHECK_EQ(modbus_exception_encode(shapes[i].function, MODBUS_ILLEGAL_DATA_ADDRESS, pdu), 2);
        CHECK(modbus_response_check(&request, request_pdu, pdu, 2, &exception));
        CHECK_EQ(exception, MODBUS_ILLEGAL_DATA_ADDRESS);
        CHECK(!modbus_response_check(&request, request_pdu, pdu, 1, &exception));
        CHECK(!modbus_response_check(&request, request_pdu, pdu, 3, &exception));
        pdu[1] = 0; /* an exception that does not exist */
        CHECK(!modbus_response_check(&request, request_pdu, pdu, 2, &exception));
        modbus_exception_encode((uint8_t) (shapes[i].function + 1), MODBUS_ILLEGAL_DATA_ADDRESS, pdu);
        CHECK(!modbus_response_check(&request, request_pdu, pdu, 2, &exception));
    }
}

TEST(headers_survive_the_round_trip_and_wrong_ones_are_refused) {
    const modbus_header_t header = {0xABCD, 253, 17};
    const uint8_t expected[MODBUS_HEADER_BYTES] = {0xAB, 0xCD, 0, 0, 0, 254, 17};
    uint8_t bytes[MODBUS_HEADER_BYTES];
    modbus_header_t decoded;
    modbus_header_encode(&header, bytes);
    CHECK(memcmp(bytes, expected, sizeof bytes) == 0);
    CHECK(modbus_header_decode(bytes, &decoded));
    CHECK_EQ(decoded.transaction, 0xABCD);
    CHECK_EQ(decoded.pdu_bytes, 253);
    CHECK_EQ(decoded.unit, 17);
    for (unsigned length = 0; length <= UINT16_MAX; length++) {
        modbus_put_u16(bytes + 4, (uint16_t) length);
        CHECK_EQ(modbus_header_decode(bytes, &decoded), length >= 2 && length <= 254);
    }
    modbus_put_u16(bytes + 4, 6);
    for (unsigned protocol = 1; protocol <= UINT16_MAX; protocol++) {
        modbus_put_u16(bytes + 2, (uint16_t) protocol);
        CHECK(!modbus_header_decode(bytes, &decoded));
    }
}

/* --- the store ----------------------------------------------------------------------------------- */

static modbus_store_t *store_with_unit(void) {
    modbus_store_t *store = modbus_store_create();
    CHECK(store);
    CHECK(modbus_store_add_unit(store, UNIT));
    return store;
}

static modbus_exception_t apply(modbus_store_t *store, uint8_t function, modbus_range_t read,
                                modbus_range_t write, const uint8_t *data, uint8_t *values_out) {
    modbus_request_t request = {function, read, write, data};
    CHECK_EQ(modbus_request_check(&request), MODBUS_OK);
    return modbus_store_apply(store, UNIT, &request, values_out);
}

static uint16_t holding(modbus_store_t *store, uint16_t address) {
    uint8_t bytes[2];
    modbus_range_t none = {0, 0};
    modbus_range_t one = {address, 1};
    CHECK_EQ(apply(store, MODBUS_READ_HOLDING_REGISTERS, one, none, NULL, bytes), MODBUS_OK);
    return modbus_get_u16(bytes);
}

TEST(store_coils) {
    modbus_store_t *store = store_with_unit();
    const modbus_range_t none = {0, 0};
    const uint8_t pattern[2] = {0xCD, 0x01};
    const uint8_t on[2] = {0xFF, 0};
    uint8_t found[2];
    CHECK_EQ(apply(store, MODBUS_WRITE_COILS, none, (modbus_range_t) {19, 10}, pattern, NULL), MODBUS_OK);
    CHECK_EQ(apply(store, MODBUS_READ_COILS, (modbus_range_t) {19, 10}, none, NULL, found), MODBUS_OK);
    CHECK_EQ(found[0], 0xCD);
    CHECK_EQ(found[1], 0x01);
    CHECK_EQ(apply(store, MODBUS_WRITE_COIL, none, (modbus_range_t) {20, 1}, on, NULL), MODBUS_OK);
    CHECK_EQ(apply(store, MODBUS_READ_COILS, (modbus_range_t) {18, 9}, none, NULL, found), MODBUS_OK);
    CHECK_EQ(found[0], 0x9E); /* 0, then the low seven bits of CF */
    CHECK_EQ(found[1], 0x01); /* the rest of the last byte is 0 */
    modbus_store_destroy(store);
}

TEST(store_registers) {
    modbus_store_t *store = store_with_unit();
    const modbus_range_t none = {0, 0};
    const uint8_t data[4] = {0x12, 0x34, 0xAB, 0xCD};
    const uint8_t masks[4] = {0x00, 0xF2, 0x00, 0x25};
    const uint8_t start[2] = {0x00, 0x12};
    uint8_t found[4];
    CHECK_EQ(apply(store, MODBUS_WRITE_REGISTERS, none, (modbus_range_t) {65534, 2}, data, NULL), MODBUS_OK);
    CHECK_EQ(holding(store, 65534), 0x1234);
    CHECK_EQ(holding(store, 65535), 0xABCD);
    CHECK_EQ(apply(store, MODBUS_WRITE_REGISTER, none, (modbus_range_t) {4, 1}, start, NULL), MODBUS_OK);
    CHECK_EQ(apply(store, MODBUS_MASK_WRITE_REGISTER, none, (modbus_range_t) {4, 1}, masks, NULL), MODBUS_OK);
    CHECK_EQ(holding(store, 4), 0x0017); /* the specification's own example */
    CHECK_EQ(apply(store, MODBUS_READ_WRITE_REGISTERS, (modbus_range_t) {4, 2}, (modbus_range_t) {5, 1}, data,
                   found),
             MODBUS_OK);
    CHECK_EQ(modbus_get_u16(found), 0x0017);
    CHECK_EQ(modbus_get_u16(found + 2), 0x1234); /* it writes before it reads */
    modbus_store_destroy(store);
}

TEST(store_inputs_identify_themselves) {
    modbus_store_t *store = store_with_unit();
    const modbus_range_t none = {0, 0};
    uint8_t found[4];
    CHECK_EQ(apply(store, MODBUS_READ_INPUT_REGISTERS, (modbus_range_t) {99, 2}, none, NULL, found),
             MODBUS_OK);
    CHECK_EQ(modbus_get_u16(found), 100 * UNIT + 99);
    CHECK_EQ(modbus_get_u16(found + 2), 0);
    CHECK_EQ(apply(store, MODBUS_READ_DISCRETE_INPUTS, (modbus_range_t) {0, 8}, none, NULL, found),
             MODBUS_OK);
    CHECK_EQ(found[0], 0xAA);
    modbus_store_destroy(store);
}

TEST(store_refuses_what_it_does_not_have_and_changes_nothing) {
    modbus_store_t *store = store_with_unit();
    const uint8_t data[4] = {0x11, 0x11, 0x22, 0x22};
    uint8_t found[4];
    modbus_request_t request = {MODBUS_WRITE_REGISTERS, {0, 0}, {65535, 2}, data};
    CHECK_EQ(modbus_store_apply(store, UNIT, &request, NULL), MODBUS_ILLEGAL_DATA_ADDRESS);
    CHECK_EQ(holding(store, 65535), 0);
    request = (modbus_request_t) {MODBUS_READ_WRITE_REGISTERS, {65535, 2}, {10, 1}, data};
    CHECK_EQ(modbus_store_apply(store, UNIT, &request, found), MODBUS_ILLEGAL_DATA_ADDRESS);
    CHECK_EQ(holding(store, 10), 0);
    CHECK_EQ(modbus_store_apply(store, UNIT + 1, &request, found), MODBUS_GATEWAY_TARGET_NO_RESPONSE);
    CHECK(!modbus_store_has_unit(store, UNIT + 1));
    modbus_store_destroy(store);
}
