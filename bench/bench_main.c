/* SPDX-License-Identifier: MIT */
/*
 * ptk_bench [--json FILE] [--rounds N] [--quick] [--list] [NAME...]
 *
 * Runs the benches whose names begin with one of the NAMEs; without a NAME, all of them (with --quick: all
 * but the slow ones). The exit status is 0 even where ptk falls short of a target, 1 if a bench could not
 * run, and 2 for a wrong command line.
 */
#include "bench_json.h"
#include "bench_list.h"
#include "bench_report.h"
#include "bench_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define BENCHES_MAX    64
#define ROUNDS_DEFAULT 11
#define ROUNDS_QUICK   10

static const bench_t *const groups[] = {bench_yield,    bench_spawn,   bench_alive, bench_timeout,
                                        bench_sleepers, bench_growth,  bench_echo,  bench_stream,
                                        bench_sim,      bench_lateness};

static size_t collect_benches(const bench_t **benches) {
    size_t count = 0;
    for (size_t group = 0; group < sizeof(groups) / sizeof(groups[0]); group++) {
        for (const bench_t *bench = groups[group]; bench->name && count < BENCHES_MAX; bench++) {
            benches[count++] = bench;
        }
    }
    return count;
}

static size_t count_matches(const bench_t *const *benches, size_t count, const char *prefix) {
    size_t found = 0;
    for (size_t index = 0; index < count; index++) {
        found += strncmp(benches[index]->name, prefix, strlen(prefix)) == 0;
    }
    return found;
}

static bool is_exact(const bench_t *const *benches, size_t count, const char *name) {
    for (size_t index = 0; index < count; index++) {
        if (strcmp(benches[index]->name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Selects the bench of exactly this name, else all whose names begin with it. */
static void select_benches(const bench_t *const *benches, size_t count, const char *name, bool *selected) {
    bool exact = is_exact(benches, count, name);
    for (size_t index = 0; index < count; index++) {
        selected[index] |=
            exact ? strcmp(benches[index]->name, name) == 0 : count_matches(&benches[index], 1, name) != 0;
    }
}

static void list_benches(const bench_t *const *benches, size_t count) {
    for (size_t index = 0; index < count; index++) {
        (void) printf("%-16s %s\n", benches[index]->name, benches[index]->what);
    }
}

static int fail_with_usage(const char *wrong) {
    (void) fprintf(
        stderr, "ptk_bench: %s\nusage: ptk_bench [--json FILE] [--rounds N] [--quick] [--list] [NAME...]\n",
        wrong);
    return 2;
}

/* A thousand connections need more than two thousand descriptors, client and server together. */
static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int run_selected(const bench_t *const *benches, const bool *selected, size_t count,
                        const bench_options_t *options) {
    static bench_result_t results[BENCHES_MAX];
    size_t done = 0;
    int status = 0;
    bench_table_head(options);
    for (size_t index = 0; index < count; index++) {
        if (!selected[index]) {
            continue;
        }
        bench_run(benches[index], options, &results[done]);
        bench_table_rows(&results[done]);
        status = results[done].status == BENCH_FAILED ? 1 : status;
        done++;
    }
    if (options->json_path && !bench_json_write(options->json_path, options, results, done)) {
        perror(options->json_path);
        status = 1;
    }
    for (size_t index = 0; index < done; index++) {
        bench_result_fini(&results[index]);
    }
    return status;
}

typedef struct command_line {
    bench_options_t options;
    bool list;
    const char *wrong; /* NULL: nothing */
    char **names;
    size_t name_count;
} command_line_t;

static size_t parse_rounds(const char *text) {
    char *end = NULL;
    unsigned long rounds = text ? strtoul(text, &end, 10) : 0;
    return end && *end == '\0' && rounds <= BENCH_ROUNDS_MAX ? rounds : 0;
}

/* Reads options and names in any order; the names are moved to the front of argv. */
static command_line_t parse_command_line(char **argv) {
    command_line_t line = {.names = argv};
    for (char **argument = argv + 1; *argument && !line.wrong; argument++) {
        if (strcmp(*argument, "--quick") == 0) {
            line.options.quick = true;
        } else if (strcmp(*argument, "--list") == 0) {
            line.list = true;
        } else if (strcmp(*argument, "--json") == 0 && argument[1]) {
            line.options.json_path = *++argument;
        } else if (strcmp(*argument, "--rounds") == 0) {
            line.options.rounds = parse_rounds(argument[1]);
            line.wrong = line.options.rounds ? NULL : "--rounds takes a number from 1 to 1000";
            argument += argument[1] != NULL;
        } else if (**argument == '-') {
            line.wrong = "unknown option, or its value is missing";
        } else {
            line.names[line.name_count++] = *argument;
        }
    }
    if (line.options.rounds == 0) {
        line.options.rounds = line.options.quick ? ROUNDS_QUICK : ROUNDS_DEFAULT;
    }
    return line;
}

int main(int argc, char **argv) {
    (void) argc;
    const bench_t *benches[BENCHES_MAX];
    bool selected[BENCHES_MAX] = {false};
    size_t count = collect_benches(benches);
    command_line_t line = parse_command_line(argv);
    if (line.wrong) {
        return fail_with_usage(line.wrong);
    }
    for (size_t index = 0; index < line.name_count; index++) {
        if (!count_matches(benches, count, line.names[index])) {
            return fail_with_usage("no such benchmark; --list shows them");
        }
        select_benches(benches, count, line.names[index], selected);
    }
    for (size_t index = 0; index < count && line.name_count == 0; index++) {
        selected[index] = !(line.options.quick && benches[index]->slow);
    }
    if (line.list) {
        list_benches(benches, count);
        return 0;
    }
    raise_descriptor_limit();
    return run_selected(benches, selected, count, &line.options);
}
