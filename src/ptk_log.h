/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_log.h
 * The log sink, which receives ptk's messages while it runs, and the report sink, which receives dumps and
 * last words.
 *
 * Without sinks both go to standard error, and ptk is a guest there. It writes only to the file that
 * descriptor 2 was when the first of the living loops was created: a program that puts another file there
 * later sets a sink, or creates its loops after that. It never waits for room and raises no SIGPIPE: a line
 * that cannot be written at once is lost. Of log lines at most 100 per second are written. The next line that
 * is written is preceded by the number of lines that were lost.
 */
#pragma once

#include <ptk_api.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How severe a line of the log is. */
typedef enum ptk_log_level {
    PTK_LOG_ERROR = 0,
    PTK_LOG_WARNING = 1,
    PTK_LOG_INFO = 2,
} ptk_log_level_t;

/** Takes one line without its newline. It may be called from any thread, and must not call ptk. */
typedef void (*ptk_log_sink_t)(void *context, ptk_log_level_t level, const char *line);

/** Takes one line of a report (a dump, a deadlock report), without its newline. */
typedef void (*ptk_report_sink_t)(void *context, const char *line);

/**
 * Sets the process-wide destination of log lines.
 *
 * @param sink     the destination; NULL restores the default, "ptk: ..." on standard error
 * @param context  passed to `sink`
 *
 * Parks: no. \n
 * Thread: any one thread, before loops exist. \n
 * Ownership: `context` must outlive all use of ptk.
 */
PTK_API void ptk_log_set_sink(ptk_log_sink_t sink, void *context);

/**
 * Sets the process-wide destination of reports. The report of a stack overflow does not pass here: it is
 * written to standard error from a signal handler.
 *
 * @param sink     the destination; NULL restores the default, standard error
 * @param context  passed to `sink`
 *
 * Parks: no. \n
 * Thread: any one thread, before loops exist. \n
 * Ownership: `context` must outlive all use of ptk.
 */
PTK_API void ptk_log_set_report_sink(ptk_report_sink_t sink, void *context);

#ifdef __cplusplus
}
#endif
