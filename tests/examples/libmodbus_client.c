/* SPDX-License-Identifier: MIT */
/* libmodbus_client PORT UNIT: goes through every function code of the server at 127.0.0.1 with libmodbus. */
#include <modbus.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static modbus_t *context;

static void expect(int condition, const char *what) {
    if (!condition) {
        printf("FAILED: %s (%s)\n", what, modbus_strerror(errno));
        exit(EXIT_FAILURE);
    }
    printf("ok: libmodbus client: %s\n", what);
}

static void check_bits(void) {
    uint8_t bits[MODBUS_MAX_READ_BITS];
    uint8_t written[MODBUS_MAX_WRITE_BITS];
    for (int i = 0; i < MODBUS_MAX_WRITE_BITS; i++) {
        written[i] = i % 3 == 0;
    }
    expect(modbus_write_bits(context, 100, MODBUS_MAX_WRITE_BITS, written) == MODBUS_MAX_WRITE_BITS,
           "15, 1968 coils");
    expect(modbus_read_bits(context, 100, MODBUS_MAX_READ_BITS, bits) == MODBUS_MAX_READ_BITS,
           "1, 2000 coils");
    expect(memcmp(bits, written, sizeof written) == 0, "the coils are those written");
    expect(modbus_write_bit(context, 101, 1) == 1 && modbus_write_bit(context, 100, 0) == 1, "5");
    expect(modbus_read_bits(context, 100, 3, bits) == 3 && !bits[0] && bits[1] && !bits[2],
           "the coil has changed");
    expect(modbus_read_input_bits(context, 0, 4, bits) == 4 && !bits[0] && bits[1] && !bits[2] && bits[3],
           "2");
}

static void check_registers(int unit) {
    uint16_t registers[MODBUS_MAX_READ_REGISTERS];
    uint16_t written[MODBUS_MAX_WRITE_REGISTERS];
    for (int i = 0; i < MODBUS_MAX_WRITE_REGISTERS; i++) {
        written[i] = (uint16_t) (i * 517);
    }
    expect(modbus_write_registers(context, 50, MODBUS_MAX_WRITE_REGISTERS, written) ==
               MODBUS_MAX_WRITE_REGISTERS,
           "16, 123 registers");
    expect(modbus_read_registers(context, 50, MODBUS_MAX_READ_REGISTERS, registers) ==
               MODBUS_MAX_READ_REGISTERS,
           "3, 125 registers");
    expect(memcmp(registers, written, sizeof written) == 0, "the registers are those written");
    expect(modbus_write_register(context, 60, 0x12) == 1, "6");
    expect(modbus_mask_write_register(context, 60, 0xF2, 0x25) == 1, "22");
    expect(modbus_read_registers(context, 60, 1, registers) == 1 && registers[0] == 0x17,
           "the masks were applied");
    expect(modbus_write_and_read_registers(context, 1000, MODBUS_MAX_WR_WRITE_REGISTERS, written, 999,
                                           MODBUS_MAX_WR_READ_REGISTERS,
                                           registers) == MODBUS_MAX_WR_READ_REGISTERS,
           "23, 121 written and 125 read");
    expect(registers[0] == 0 && memcmp(registers + 1, written, 121 * sizeof written[0]) == 0,
           "it reads what it wrote");
    expect(modbus_read_input_registers(context, 5, 1, registers) == 1 && registers[0] == 100 * unit + 5, "4");
}

static void check_exceptions(void) {
    uint16_t registers[2];
    expect(modbus_read_registers(context, 65535, 2, registers) == -1 && errno == EMBXILADD, "exception 2");
    expect(modbus_report_slave_id(context, 2, (uint8_t *) registers) == -1 && errno == EMBXILFUN,
           "exception 1");
    modbus_set_slave(context, 200);
    expect(modbus_read_registers(context, 0, 1, registers) == -1 && errno == EMBXGTAR, "exception 0B");
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fputs("usage: libmodbus_client PORT UNIT\n", stderr);
        return 2;
    }
    int unit = atoi(argv[2]);
    context = modbus_new_tcp("127.0.0.1", atoi(argv[1]));
    expect(context && modbus_set_slave(context, unit) == 0, "a context");
    modbus_set_response_timeout(context, 20, 0);
    expect(modbus_connect(context) == 0, "connect");
    check_bits();
    check_registers(unit);
    check_exceptions();
    modbus_close(context);
    modbus_free(context);
    return EXIT_SUCCESS;
}
