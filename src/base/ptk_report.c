/* SPDX-License-Identifier: MIT */
/* The two sinks. Each line is formatted on the caller's stack and leaves in one write, so that lines of
   several threads do not mix. */
#include "base/ptk_report.h"

#include "sys/ptk_sys.h"

#define LINE_BYTES 512

static ptk_log_sink_t log_sink;
static void *log_context;
static ptk_report_sink_t report_sink;
static void *report_context;

void ptk_log_set_sink(ptk_log_sink_t sink, void *context) {
    log_sink = sink;
    log_context = context;
}

void ptk_log_set_report_sink(ptk_report_sink_t sink, void *context) {
    report_sink = sink;
    report_context = context;
}

static void write_line(const char *prefix, const char *line) {
    char text[LINE_BYTES + 8];
    size_t length = ptk_sys_format(text, sizeof text, "%s%s\n", prefix, line);
    ptk_sys_real.write_error(text, length < sizeof text ? length : sizeof text - 1);
}

void ptk_log(ptk_log_level_t level, const char *format, ...) {
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    ptk_sys_format_list(line, sizeof line, format, arguments);
    va_end(arguments);
    if (log_sink) {
        log_sink(log_context, level, line);
    } else {
        write_line("ptk: ", line);
    }
}

void ptk_report(const char *format, ...) {
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    ptk_sys_format_list(line, sizeof line, format, arguments);
    va_end(arguments);
    if (report_sink) {
        report_sink(report_context, line);
    } else {
        write_line("", line);
    }
}
