/* SPDX-License-Identifier: MIT */
/*
 * modbus_client HOST:PORT COMMAND ...: sends one Modbus request and prints the values that were read, one per
 * line. With --repeat the requests follow each other on one connection; after one that timed out the next is
 * still sent. The exit status is 0 if every request succeeded, 1 if not, 2 for a mistake in the arguments.
 */
#include "modbus/modbus_client.h"
#include "support/program.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: modbus_client HOST:PORT [options] COMMAND\n"
    "  --unit N         unit id (default 1)\n"
    "  --timeout-ms N   for connecting and for each request; 0: no limit (default 1000)\n"
    "  --repeat N       send the request N times, each after the end of the last one\n"
    "  --platform NAME  epoll or poll; the best one if not given\n"
    "commands:\n"
    "  read-coils ADDR COUNT       write-coil ADDR 0|1\n"
    "  read-discrete ADDR COUNT    write-coils ADDR 0|1...\n"
    "  read-holding ADDR COUNT     write-register ADDR VALUE\n"
    "  read-input ADDR COUNT       write-registers ADDR VALUE...\n"
    "  mask-write ADDR AND OR      read-write READ_ADDR COUNT WRITE_ADDR VALUE...\n"
    "Addresses begin at 0; numbers are decimal, or hexadecimal after 0x.\n";

#define WORDS_MAX (1 + MODBUS_WRITE_BITS_MAX)

typedef struct job {
    ptk_addr_t server;
    const char *platform;
    uint32_t timeout_ms;
    uint32_t repeat;
    uint8_t unit;
    const struct command *command;
    size_t word_count;
    uint16_t words[WORDS_MAX]; /* the numbers after the command's name */
    bool failed;
} job_t;

/* A command and the numbers that it takes: all are 16 bits wide, but the second may be a count or a bit. */
typedef struct command {
    const char *name;
    modbus_result_t (*run)(modbus_client_t *client, const job_t *job);
    size_t least_words;
    size_t most_words;
    uint16_t least_second;
    uint16_t most_second;
    uint16_t most_rest; /* of the third and all that follow */
} command_t;

typedef modbus_result_t (*read_bits_fn)(modbus_client_t *client, uint8_t unit, modbus_range_t range,
                                        bool *values_out);
typedef modbus_result_t (*read_registers_fn)(modbus_client_t *client, uint8_t unit, modbus_range_t range,
                                             uint16_t *values_out);

static modbus_range_t range_of(uint16_t address, size_t count) {
    return (modbus_range_t) {address, (uint16_t) count};
}

static modbus_result_t read_bits(modbus_client_t *client, const job_t *job, read_bits_fn read) {
    bool values[MODBUS_READ_BITS_MAX];
    modbus_range_t range = range_of(job->words[0], job->words[1]);
    modbus_result_t result = read(client, job->unit, range, values);
    for (unsigned i = 0; modbus_is_ok(result) && i < range.count; i++) {
        printf("%u: %d\n", range.address + i, values[i]);
    }
    return result;
}

static void print_registers(modbus_result_t result, modbus_range_t range, const uint16_t *values) {
    for (unsigned i = 0; modbus_is_ok(result) && i < range.count; i++) {
        printf("%u: %u\n", range.address + i, values[i]);
    }
}

static modbus_result_t read_registers(modbus_client_t *client, const job_t *job, read_registers_fn read) {
    uint16_t values[MODBUS_READ_REGISTERS_MAX];
    modbus_range_t range = range_of(job->words[0], job->words[1]);
    modbus_result_t result = read(client, job->unit, range, values);
    print_registers(result, range, values);
    return result;
}

static modbus_result_t read_coils(modbus_client_t *client, const job_t *job) {
    return read_bits(client, job, modbus_read_coils);
}

static modbus_result_t read_discrete(modbus_client_t *client, const job_t *job) {
    return read_bits(client, job, modbus_read_discrete_inputs);
}

static modbus_result_t read_holding(modbus_client_t *client, const job_t *job) {
    return read_registers(client, job, modbus_read_holding_registers);
}

static modbus_result_t read_input(modbus_client_t *client, const job_t *job) {
    return read_registers(client, job, modbus_read_input_registers);
}

static modbus_result_t write_coil(modbus_client_t *client, const job_t *job) {
    return modbus_write_coil(client, job->unit, job->words[0], job->words[1] != 0);
}

static modbus_result_t write_register(modbus_client_t *client, const job_t *job) {
    return modbus_write_register(client, job->unit, job->words[0], job->words[1]);
}

static modbus_result_t write_coils(modbus_client_t *client, const job_t *job) {
    bool values[MODBUS_WRITE_BITS_MAX];
    modbus_range_t range = range_of(job->words[0], job->word_count - 1);
    for (size_t i = 0; i < range.count; i++) {
        values[i] = job->words[1 + i] != 0;
    }
    return modbus_write_coils(client, job->unit, range, values);
}

static modbus_result_t write_registers(modbus_client_t *client, const job_t *job) {
    return modbus_write_registers(client, job->unit, range_of(job->words[0], job->word_count - 1),
                                  job->words + 1);
}

static modbus_result_t mask_write(modbus_client_t *client, const job_t *job) {
    return modbus_mask_write_register(client, job->unit, job->words[0], job->words[1], job->words[2]);
}

static modbus_result_t read_write(modbus_client_t *client, const job_t *job) {
    uint16_t values[MODBUS_READ_REGISTERS_MAX];
    modbus_range_t read = range_of(job->words[0], job->words[1]);
    modbus_range_t write = range_of(job->words[2], job->word_count - 3);
    modbus_result_t result =
        modbus_read_write_registers(client, job->unit, read, values, write, job->words + 3);
    print_registers(result, read, values);
    return result;
}

static const command_t commands[] = {
    {"read-coils", read_coils, 2, 2, 1, MODBUS_READ_BITS_MAX, 0},
    {"read-discrete", read_discrete, 2, 2, 1, MODBUS_READ_BITS_MAX, 0},
    {"read-holding", read_holding, 2, 2, 1, MODBUS_READ_REGISTERS_MAX, 0},
    {"read-input", read_input, 2, 2, 1, MODBUS_READ_REGISTERS_MAX, 0},
    {"write-coil", write_coil, 2, 2, 0, 1, 0},
    {"write-register", write_register, 2, 2, 0, UINT16_MAX, 0},
    {"write-coils", write_coils, 2, 1 + MODBUS_WRITE_BITS_MAX, 0, 1, 1},
    {"write-registers", write_registers, 2, 1 + MODBUS_WRITE_REGISTERS_MAX, 0, UINT16_MAX, UINT16_MAX},
    {"mask-write", mask_write, 3, 3, 0, UINT16_MAX, UINT16_MAX},
    {"read-write", read_write, 4, 3 + MODBUS_READ_WRITE_REGISTERS_MAX, 1, MODBUS_READ_REGISTERS_MAX,
     UINT16_MAX},
};

static void complain(modbus_result_t result) {
    if (result.err) {
        fprintf(stderr, "modbus_client: %s\n", modbus_result_text(result));
    } else {
        fprintf(stderr, "modbus_client: %s (exception %d)\n", modbus_result_text(result),
                (int) result.exception);
    }
}

static ptk_err talk(void *arg) {
    job_t *job = arg;
    modbus_client_t client;
    modbus_result_t result = {modbus_client_connect(&client, &job->server, job->timeout_ms), MODBUS_OK};
    if (result.err) {
        complain(result);
        return result.err;
    }
    for (uint32_t i = 0; i < job->repeat && client.sock; i++) {
        result = job->command->run(&client, job);
        if (!modbus_is_ok(result)) {
            complain(result);
            job->failed = true;
        }
    }
    modbus_client_close(&client);
    return PTK_OK;
}

static void read_command(job_t *job, char **words, size_t count) {
    const command_t *command = NULL;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (count > 0 && strcmp(commands[i].name, words[0]) == 0) {
            command = &commands[i];
        }
    }
    if (!command) {
        program_bad_usage("modbus_client: it takes HOST:PORT and a command");
    }
    job->command = command;
    job->word_count = count - 1;
    if (job->word_count < command->least_words || job->word_count > command->most_words) {
        program_bad_usage("%s: it does not take %zu numbers", command->name, job->word_count);
    }
    for (size_t i = 0; i < job->word_count; i++) {
        uint32_t least = i == 1 ? command->least_second : 0;
        uint32_t most = i == 0 ? UINT16_MAX : (i == 1 ? command->most_second : command->most_rest);
        job->words[i] = (uint16_t) program_number(command->name, words[1 + i], least, most);
    }
}

static void read_arguments(job_t *job, int argc, char **argv) {
    static const struct option known[] = {
        {"unit", required_argument, NULL, 'u'},   {"timeout-ms", required_argument, NULL, 't'},
        {"repeat", required_argument, NULL, 'r'}, {"platform", required_argument, NULL, 'p'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
    int letter;
    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (letter) {
        case 'u':
            job->unit = (uint8_t) program_number("--unit", optarg, 0, 255);
            break;
        case 't':
            job->timeout_ms = program_timeout_ms("--timeout-ms", optarg);
            break;
        case 'r':
            job->repeat = program_number("--repeat", optarg, 1, UINT32_MAX);
            break;
        case 'p':
            job->platform = optarg;
            break;
        case 'h':
            fputs(help, stdout);
            exit(EXIT_SUCCESS);
        default:
            program_bad_usage("modbus_client: bad option");
        }
    }
    if (optind == argc) {
        program_bad_usage("modbus_client: it takes HOST:PORT and a command");
    }
    job->server = program_address("modbus_client", argv[optind]);
    read_command(job, argv + optind + 1, (size_t) (argc - optind - 1));
}

int main(int argc, char **argv) {
    job_t job = {.unit = 1, .timeout_ms = 1000, .repeat = 1};
    read_arguments(&job, argc, argv);
    int status = program_run(program_loop(job.platform), talk, &job);
    return job.failed ? EXIT_FAILURE : status;
}
