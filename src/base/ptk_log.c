/* SPDX-License-Identifier: MIT */
/*
 * The log sink and the report sink.
 *
 * Each line is formatted on the caller's stack and written by one call, so that lines of several threads do
 * not mix. The sinks are plain variables: they are set before loops exist. Standard error is reached through
 * the real system table, whatever the thread block holds; the clock is that of the table in use, because
 * time must not come from two clocks.
 *
 * A line is lost when standard error has no room for it or is no longer the file that it was when the loops
 * were made; a line of the log also when the second has had its LOG_LINES_PER_SECOND. Lost lines are counted,
 * and the count goes out in front of the next line, in the same write.
 */
#include "base/ptk_log_impl.h"

#include "base/ptk_thread.h"
#include <stdatomic.h>

#define LOG_LINE_BYTES       512
#define LOG_LOST_BYTES       64 /* of the line that has the count */
#define LOG_LINES_PER_SECOND 100

static ptk_log_sink_t log_sink;
static void *log_sink_context;
static ptk_report_sink_t log_report_sink;
static void *log_report_sink_context;
static atomic_uint log_lost;   /* lines, since the last one that was written */
static atomic_uint log_second; /* of the monotonic clock, to which the next count belongs */
static atomic_uint log_lines_of_second;

void ptk_log_set_sink(ptk_log_sink_t sink, void *context) {
    log_sink = sink;
    log_sink_context = context;
}

void ptk_log_set_report_sink(ptk_report_sink_t sink, void *context) {
    log_report_sink = sink;
    log_report_sink_context = context;
}

/* `text` has room for the count, the longest prefix, a full line and the newline. */
static void log_write_line(const char *prefix, const char *line) {
    char text[LOG_LOST_BYTES + LOG_LINE_BYTES + 8];
    size_t length = 0;
    unsigned lost = atomic_exchange(&log_lost, 0);
    if (lost > 0) {
        length = ptk_sys_format(text, LOG_LOST_BYTES, "ptk: %u lines before this one were lost\n", lost);
    }
    length += ptk_sys_format(text + length, sizeof text - length, "%s%s\n", prefix, line);
    if (!ptk_sys_real.write_error(text, length < sizeof text ? length : sizeof text - 1)) {
        atomic_fetch_add(&log_lost, lost + 1);
    }
}

/* Returns whether the present second has room for one more line of the log. Threads that meet at the start of
 * a second may write a few lines more. */
static bool log_is_within_rate(void) {
    unsigned second = (unsigned) (ptk_sys()->now_ns() / UINT64_C(1000000000));
    if (atomic_exchange(&log_second, second) != second) {
        atomic_store(&log_lines_of_second, 0);
    }
    return atomic_fetch_add(&log_lines_of_second, 1) < LOG_LINES_PER_SECOND;
}

void ptk_log(ptk_log_level_t level, const char *format, ...) {
    char line[LOG_LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    ptk_sys_format_list(line, sizeof line, format, arguments);
    va_end(arguments);
    if (log_sink) {
        log_sink(log_sink_context, level, line);
    } else if (log_is_within_rate()) {
        log_write_line("ptk: ", line);
    } else {
        atomic_fetch_add(&log_lost, 1);
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
