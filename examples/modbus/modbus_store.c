/* SPDX-License-Identifier: MIT */
/*
 * One block of memory per unit, zeroed by the allocator: pages that are never written cost nothing, so a
 * store with all 256 units takes only the memory of the pages in use. Every check precedes the first change.
 */
#include "modbus/modbus_store.h"

#include <stdlib.h>
#include <string.h>

#define TABLE_ENTRIES 65536u
#define UNITS         256
#define NAMED_INPUTS  100u

typedef struct unit {
    uint8_t coils[TABLE_ENTRIES / 8];
    uint8_t discrete_inputs[TABLE_ENTRIES / 8];
    uint16_t holding_registers[TABLE_ENTRIES];
    uint16_t input_registers[TABLE_ENTRIES];
} unit_t;

struct modbus_store {
    unit_t *units[UNITS]; /* NULL: the unit does not exist */
};

modbus_store_t *modbus_store_create(void) {
    return calloc(1, sizeof(modbus_store_t));
}

void modbus_store_destroy(modbus_store_t *store) {
    for (size_t i = 0; store && i < UNITS; i++) {
        free(store->units[i]);
    }
    free(store);
}

bool modbus_store_add_unit(modbus_store_t *store, uint8_t unit_id) {
    if (store->units[unit_id]) {
        return true;
    }
    unit_t *unit = calloc(1, sizeof *unit);
    if (!unit) {
        return false;
    }
    for (uint16_t i = 0; i < NAMED_INPUTS; i++) {
        unit->input_registers[i] = (uint16_t) (NAMED_INPUTS * unit_id + i);
        modbus_put_bit(unit->discrete_inputs, i, i % 2 == 1);
    }
    store->units[unit_id] = unit;
    return true;
}

bool modbus_store_has_unit(const modbus_store_t *store, uint8_t unit_id) {
    return store->units[unit_id] != NULL;
}

static bool is_in_table(modbus_range_t range) {
    return (uint32_t) range.address + range.count <= TABLE_ENTRIES;
}

static void read_bits(const uint8_t *table, modbus_range_t range, uint8_t *values_out) {
    memset(values_out, 0, modbus_bits_bytes(range.count));
    for (size_t i = 0; i < range.count; i++) {
        modbus_put_bit(values_out, i, modbus_get_bit(table, range.address + i));
    }
}

static void write_bits(uint8_t *table, modbus_range_t range, const uint8_t *values) {
    for (size_t i = 0; i < range.count; i++) {
        modbus_put_bit(table, range.address + i, modbus_get_bit(values, i));
    }
}

static void read_registers(const uint16_t *table, modbus_range_t range, uint8_t *values_out) {
    for (size_t i = 0; i < range.count; i++) {
        modbus_put_u16(values_out + 2 * i, table[range.address + i]);
    }
}

static void write_registers(uint16_t *table, modbus_range_t range, const uint8_t *values) {
    for (size_t i = 0; i < range.count; i++) {
        table[range.address + i] = modbus_get_u16(values + 2 * i);
    }
}

static void mask_register(uint16_t *value, const uint8_t *masks) {
    uint16_t and_mask = modbus_get_u16(masks);
    uint16_t or_mask = modbus_get_u16(masks + 2);
    *value = (uint16_t) ((*value & and_mask) | (or_mask & ~and_mask));
}

modbus_exception_t modbus_store_apply(modbus_store_t *store, uint8_t unit_id, const modbus_request_t *request,
                                      uint8_t *values_out) {
    unit_t *unit = store->units[unit_id];
    if (!unit) {
        return MODBUS_GATEWAY_TARGET_NO_RESPONSE;
    }
    if (!is_in_table(request->read) || !is_in_table(request->write)) {
        return MODBUS_ILLEGAL_DATA_ADDRESS;
    }
    switch (request->function) {
    case MODBUS_READ_COILS:
        read_bits(unit->coils, request->read, values_out);
        break;
    case MODBUS_READ_DISCRETE_INPUTS:
        read_bits(unit->discrete_inputs, request->read, values_out);
        break;
    case MODBUS_READ_INPUT_REGISTERS:
        read_registers(unit->input_registers, request->read, values_out);
        break;
    case MODBUS_WRITE_COIL: /* FF 00 and 00 00: the first byte is the same as a packed bit */
    case MODBUS_WRITE_COILS:
        write_bits(unit->coils, request->write, request->data);
        break;
    case MODBUS_MASK_WRITE_REGISTER:
        mask_register(&unit->holding_registers[request->write.address], request->data);
        break;
    case MODBUS_READ_HOLDING_REGISTERS:
    case MODBUS_WRITE_REGISTER:
    case MODBUS_WRITE_REGISTERS:
    case MODBUS_READ_WRITE_REGISTERS: /* one of the two ranges may be empty */
        write_registers(unit->holding_registers, request->write, request->data);
        read_registers(unit->holding_registers, request->read, values_out);
        break;
    default:
        return MODBUS_ILLEGAL_FUNCTION;
    }
    return MODBUS_OK;
}
