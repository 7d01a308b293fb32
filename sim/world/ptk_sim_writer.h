/* SPDX-License-Identifier: MIT */
/*
 * The destination of the simulator's text, piece by piece. The library itself opens no files.
 */
#pragma once

#include <stddef.h>

/* A destination. `write` receives pieces of text without a terminating zero. */
typedef struct ptk_sim_writer {
    void (*write)(void *context, const char *text, size_t bytes);
    void *context;
} ptk_sim_writer_t;

/* Writes a string. */
void ptk_sim_writer_text(const ptk_sim_writer_t *writer, const char *text);

/* Writes as printf does, at most 511 characters; what is longer is cut. */
void ptk_sim_writer_format(const ptk_sim_writer_t *writer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
