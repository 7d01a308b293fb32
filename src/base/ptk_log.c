/* SPDX-License-Identifier: MIT */
/*
 * The log sink and the report sink.
 *
 * Each line is formatted on the caller's stack and written by one call, so that lines of several threads do
 * not mix. The sinks are plain variables: they are set before loops exist. Standard error is reached through
 * the real system table, whatever the thread block holds.
 */
#include "base/ptk_log_impl.h"

#include "sys/ptk_sys.h"

#define LOG_LINE_BYTES 512

static ptk_log_sink_t log_sink;
static void *log_sink_context;
static ptk_report_sink_t log_report_sink;
static void *log_report_sink_context;

void ptk_log_set_sink(ptk_log_sink_t sink, void *context) {
    log_sink = sink;
    log_sink_context = context;
}

void ptk_log_set_report_sink(ptk_report_sink_t sink, void *context) {
    log_report_sink = sink;
    log_report_sink_context = context;
}

/* `text` has room for the longest prefix, a full line and the newline. */
static void log_write_line(const char *prefix, const char *line) {
    char text[LOG_LINE_BYTES + 8];
    size_t length = ptk_sys_format(text, sizeof text, "%s%s\n", prefix, line);
    ptk_sys_real.write_error(text, length < sizeof text ? length : sizeof text - 1);
}

void ptk_log(ptk_log_level_t level, const char *format, ...) {
    char line[LOG_LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    ptk_sys_format_list(line, sizeof line, format, arguments);
    va_end(arguments);
    if (log_sink) {
        log_sink(log_sink_context, level, line);
    } else {
        log_write_line("ptk: ", line);
    }
}

void ptk_report(const char *format, ...) {
    char line[LOG_LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    ptk_sys_format_list(line, sizeof line, format, arguments);
    va_end(arguments);
    if (log_report_sink) {
        log_report_sink(log_report_sink_context, line);
    } else {
        log_write_line("", line);
    }
}

void ptk_log_denied(void) {
    int os_err = 0;
    for (const char *call = ptk_sys_take_denied(&os_err); call; call = ptk_sys_take_denied(&os_err)) {
        ptk_log(PTK_LOG_WARNING, "the system denies %s (errno %d)", call, os_err);
    }
}
