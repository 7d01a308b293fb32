/* SPDX-License-Identifier: MIT */
/*
 * Formatted output through a writer.
 */
#include "sim/world/ptk_sim_writer.h"

#include "sys/ptk_sys.h"
#include <stdarg.h>
#include <string.h>

void ptk_sim_writer_text(const ptk_sim_writer_t *writer, const char *text) {
    writer->write(writer->context, text, strlen(text));
}

/* The buffer is on the stack: the caller may be the handler of a crash. */
void ptk_sim_writer_format(const ptk_sim_writer_t *writer, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    size_t length = ptk_sys_format_list(text, sizeof text, format, arguments);
    va_end(arguments);
    writer->write(writer->context, text, length < sizeof text ? length : sizeof text - 1);
}
