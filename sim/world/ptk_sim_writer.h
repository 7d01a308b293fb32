/* SPDX-License-Identifier: MIT */
/*
 * Where text of the simulator goes (layer 5): to whoever wants it, piece by piece. The library itself opens
 * no files.
 */
#pragma once

#include <stddef.h>

typedef struct ptk_sim_writer {
    void (*write)(void *context, const char *text, size_t bytes);
    void *context;
} ptk_sim_writer_t;

void ptk_sim_writer_text(const ptk_sim_writer_t *writer, const char *text);

/* As printf, at most 511 characters; what is longer is cut. */
void ptk_sim_writer_format(const ptk_sim_writer_t *writer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
