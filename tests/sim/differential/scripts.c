/* SPDX-License-Identifier: MIT */
#include "scripts.h"

#include "sys/ptk_sys.h"
#include <string.h>

void scripts_write(scripts_line_t *line, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    line->length +=
        ptk_sys_format_list(line->text + line->length, line->bytes - line->length, format, arguments);
    va_end(arguments);
    CHECK(line->length < line->bytes);
}

unsigned scripts_sum(const unsigned *weights, unsigned count) {
    unsigned sum = 0;
    for (unsigned i = 0; i < count; i++) {
        sum += weights[i];
    }
    return sum;
}

unsigned scripts_pick(const unsigned *weights, unsigned drawn) {
    unsigned picked = 0;
    while (drawn >= weights[picked]) {
        drawn -= weights[picked++];
    }
    return picked;
}

void scripts_minimise(const scripts_trial_t *of) {
    void *shorter = malloc(of->bytes);
    CHECK(shorter != NULL);
    for (size_t i = of->count(of->trial); i-- > 0;) {
        if (i < of->count(of->trial)) {
            memcpy(shorter, of->trial, of->bytes);
            of->drop(shorter, i);
            if (of->differs(shorter)) {
                memcpy(of->trial, shorter, of->bytes);
            }
        }
    }
    free(shorter);
}
