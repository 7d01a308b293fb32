/* SPDX-License-Identifier: MIT */
/* Writes all rounds as JSON. */
#include "bench_json.h"
#include "bench_report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

static void put_string(FILE *file, const char *text) {
    (void) fputc('"', file);
    for (; *text; text++) {
        unsigned char character = (unsigned char) *text;
        if (character == '"' || character == '\\') {
            (void) fprintf(file, "\\%c", character);
        } else if (character < 0x20) {
            (void) fprintf(file, "\\u%04x", character);
        } else {
            (void) fputc(character, file);
        }
    }
    (void) fputc('"', file);
}

static void put_string_member(FILE *file, const char *name, const char *text) {
    (void) fprintf(file, "\"%s\": ", name);
    put_string(file, text);
}

/* Writes null for what is not finite, because JSON has no NaN. */
static void put_number(FILE *file, const char *name, double value) {
    if (isfinite(value)) {
        (void) fprintf(file, "\"%s\": %.9g", name, value);
    } else {
        (void) fprintf(file, "\"%s\": null", name);
    }
}

static void processor_model(char *text_out, size_t text_bytes) {
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "re");
    (void) snprintf(text_out, text_bytes, "unknown");
    while (file && fgets(line, (int) sizeof(line), file)) {
        char *colon = strchr(line, ':');
        if (colon && strncmp(line, "model name", 10) == 0) {
            line[strcspn(line, "\n")] = '\0';
            (void) snprintf(text_out, text_bytes, "%s", colon + 2);
            break;
        }
    }
    if (file) {
        (void) fclose(file);
    }
}

static void put_head(FILE *file, const bench_options_t *options) {
    struct utsname system;
    char model[128];
    char date[32] = "";
    time_t now = time(NULL);
    struct tm utc;
    (void) uname(&system);
    processor_model(model, sizeof(model));
    if (gmtime_r(&now, &utc)) {
        (void) strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &utc);
    }
    (void) fprintf(file, "{\n  \"format\": 1,\n  ");
    put_string_member(file, "date", date);
    (void) fprintf(file, ",\n  ");
    put_string_member(file, "processor", model);
    (void) fprintf(file, ",\n  ");
    put_string_member(file, "system", system.sysname);
    (void) fprintf(file, ",\n  ");
    put_string_member(file, "kernel", system.release);
    (void) fprintf(file, ",\n  ");
    put_string_member(file, "machine", system.machine);
    (void) fprintf(file, ",\n  ");
    put_string_member(file, "compiler", __VERSION__);
    (void) fprintf(file, ",\n  \"quick\": %s,\n  \"figures\": [", options->quick ? "true" : "false");
}

static void put_rounds(FILE *file, const bench_result_t *result, const bench_figure_t *figure) {
    (void) fprintf(file, ",\n     \"rounds\": [");
    for (size_t round = 0; round < result->rounds; round++) {
        double ptk = result->values[round][0][figure->metric];
        double baseline = figure->baseline ? result->values[round][figure->baseline][figure->metric] : NAN;
        (void) fprintf(file, "%s\n      {", round ? "," : "");
        put_number(file, "ptk", ptk);
        (void) fprintf(file, ", ");
        put_number(file, "baseline", baseline);
        (void) fprintf(file, ", ");
        put_number(file, "ratio", ptk / baseline);
        (void) fprintf(file, "}");
    }
    (void) fprintf(file, "]");
}

static void put_figure(FILE *file, const bench_result_t *result, const bench_figure_t *figure) {
    const bench_t *bench = result->bench;
    const bench_metric_t *metric = &bench->metrics[figure->metric];
    bench_summary_t summary = bench_summarise(result, figure);
    static const char *const goals[] = {"none", "ratio", "value"};
    put_string_member(file, "bench", bench->name);
    (void) fprintf(file, ", ");
    put_string_member(file, "metric", metric->name);
    (void) fprintf(file, ", ");
    put_string_member(file, "unit", metric->unit);
    (void) fprintf(file, ", \"bigger_is_better\": %s,\n     ", metric->bigger_is_better ? "true" : "false");
    put_string_member(file, "baseline_is", figure->baseline ? bench->variants[figure->baseline].name : "");
    (void) fprintf(file, ", ");
    put_number(file, "ptk", summary.ptk);
    (void) fprintf(file, ", ");
    put_number(file, "baseline", summary.baseline);
    (void) fprintf(file, ", ");
    put_number(file, "ratio", summary.ratio);
    (void) fprintf(file, ", ");
    put_number(file, "quartile", summary.quartile);
    (void) fprintf(file, ",\n     ");
    put_string_member(file, "target_for", goals[figure->goal]);
    (void) fprintf(file, ", ");
    put_number(file, "target", summary.judged ? figure->target : NAN);
    (void) fprintf(file, ", \"passed\": %s", !summary.judged ? "null" : summary.passed ? "true" : "false");
    put_rounds(file, result, figure);
}

static bool put_result(FILE *file, const bench_result_t *result, bool first) {
    if (result->rounds == 0) {
        return first;
    }
    for (size_t index = 0; index < bench_figure_count(result->bench); index++) {
        (void) fprintf(file, "%s\n    {", first ? "" : ",");
        put_figure(file, result, &result->bench->figures[index]);
        (void) fprintf(file, "}");
        first = false;
    }
    return first;
}

static void put_not_run(FILE *file, const bench_result_t *results, size_t count) {
    bool first = true;
    (void) fprintf(file, "\n  ],\n  \"not_run\": [");
    for (size_t index = 0; index < count; index++) {
        if (results[index].status != BENCH_OK) {
            (void) fprintf(file, "%s\n    {", first ? "" : ",");
            put_string_member(file, "bench", results[index].bench->name);
            (void) fprintf(file, ", ");
            put_string_member(file, "reason", results[index].reason);
            (void) fprintf(file, "}");
            first = false;
        }
    }
    (void) fprintf(file, "]\n}\n");
}

bool bench_json_write(const char *path, const bench_options_t *options, const bench_result_t *results,
                      size_t count) {
    FILE *file = fopen(path, "we");
    if (!file) {
        return false;
    }
    put_head(file, options);
    bool first = true;
    for (size_t index = 0; index < count; index++) {
        first = put_result(file, &results[index], first);
    }
    put_not_run(file, results, count);
    bool written = ferror(file) == 0;
    return fclose(file) == 0 && written;
}
