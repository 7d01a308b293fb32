/* SPDX-License-Identifier: MIT */
/*
 * One line per row: the time, a column per host with its life line, and a description.
 *
 *             ms  client          server
 *          0.000  [               |               client: starts
 *          0.100  o- S -          |               client to server, 40000 to 80, arrives at 0.250
 *          0.250  |--- S -------->|               client to server, 40000 to 80, sent at 0.100
 *          0.250  |       X- SA --|               server to client, 80 to 40000, lost
 *
 * A life line is `|` while the host is up, `:` while it is paused, and `.` otherwise. What happens on a host
 * is a mark on its life line: [ start, ] end, ! fault, # the failure, * note, ( a green thread starts or
 * resumes, ) it leaves. A packet is a stub when it is sent and an arrow when it arrives, or ends in an X; one
 * that is lost on its way out has one line only.
 */
#include "sim/kernel/ptk_sim_memory.h"
#include "sim/world/ptk_sim_timeline_impl.h"
#include <string.h>

#define TEXT_COLUMN_MIN 16 /* room for a label and its arrow */
#define TEXT_COLUMN_MAX 28 /* longer names are cut */

typedef struct text_drawing {
    const ptk_sim_timeline_rows_t *rows;
    const ptk_sim_timeline_t *timeline;
    const ptk_sim_writer_t *writer;
    ptk_sim_timeline_state_t *states; /* per host */
    char *line;
    size_t width; /* of a column */
    size_t line_width;
} text_drawing_t;

/* --- a line ------------------------------------------------------------------------------------------ */

/* Returns the position of a host's life line in the line. */
static size_t text_column(const text_drawing_t *drawing, uint32_t host) {
    return host * drawing->width;
}

/* Fills the line with blanks and the life lines of all hosts. */
static void draw_life_lines(text_drawing_t *drawing) {
    static const char signs[] = {[PTK_SIM_TIMELINE_ABSENT] = '.',
                                 [PTK_SIM_TIMELINE_UP] = '|',
                                 [PTK_SIM_TIMELINE_DOWN] = '.',
                                 [PTK_SIM_TIMELINE_PAUSED] = ':'};
    memset(drawing->line, ' ', drawing->line_width);
    for (uint32_t host = 0; host < drawing->timeline->host_count; host++) {
        drawing->line[text_column(drawing, host)] = signs[drawing->states[host]];
    }
}

/* Writes a label into the line, cut at `limit`. */
static void draw_label(text_drawing_t *drawing, size_t at, size_t limit, const char *label) {
    for (size_t i = 0; label[i] && at + i < limit; i++) {
        drawing->line[at + i] = label[i];
    }
}

/* Draws dashes between two positions, behind the life lines in between. */
static void draw_dashes(text_drawing_t *drawing, size_t left, size_t right) {
    for (size_t at = left; at < right; at++) {
        if (drawing->line[at] == ' ') {
            drawing->line[at] = '-';
        }
    }
}

static size_t text_max(size_t one, size_t other) {
    return one > other ? one : other;
}

/* Draws an arrow from one column towards another; `head` is drawn where the packet ends. */
static void draw_arrow(text_drawing_t *drawing, uint32_t from, uint32_t to, const char *label, char head) {
    size_t start = text_column(drawing, from);
    size_t end = text_column(drawing, to);
    size_t length = strlen(label) + 2;
    if (start < end) {
        size_t tip = head == 'X' ? text_max(end - drawing->width / 2, start + length + 5) : end - 1;
        draw_dashes(drawing, start + 1, tip);
        drawing->line[tip] = head == 'X' ? head : '>';
        draw_label(drawing, start + 4, tip, " ");
        draw_label(drawing, start + 5, tip, label);
        draw_label(drawing, start + 3 + length, tip, " ");
    } else {
        size_t tip = head == 'X' ? end + drawing->width / 2 : end + 1;
        size_t text = start > tip + length + 3 ? start - length - 3 : tip + 1;
        tip = head == 'X' && tip >= text ? text - 2 : tip;
        draw_dashes(drawing, tip + 1, start);
        drawing->line[tip] = head == 'X' ? head : '<';
        draw_label(drawing, text, start, " ");
        draw_label(drawing, text + 1, start, label);
        draw_label(drawing, text + length - 1, start, " ");
    }
}

/* Draws the start of a packet beside its sender. */
static void draw_stub(text_drawing_t *drawing, uint32_t from, uint32_t to, const char *label) {
    size_t start = text_column(drawing, from);
    size_t length = strlen(label);
    drawing->line[start] = 'o';
    if (to == PTK_SIM_NO_HOST || to >= from) {
        draw_label(drawing, start + 1, drawing->line_width, "- ");
        draw_label(drawing, start + 3, drawing->line_width, label);
        draw_label(drawing, start + 3 + length, drawing->line_width, " -");
    } else {
        draw_label(drawing, start - 2, start, " -");
        draw_label(drawing, start - 2 - length, start, label);
        draw_label(drawing, start - 4 - length, start, "- ");
    }
}

/* --- rows -------------------------------------------------------------------------------------------- */

/* Writes a text without characters that would disturb a terminal. */
static void text_write_plain(const text_drawing_t *drawing, const char *text) {
    for (size_t i = 0; text[i]; i++) {
        bool is_control = ((unsigned char) text[i] < ' ' && text[i] != '\n') || text[i] == 127;
        drawing->writer->write(drawing->writer->context, is_control ? "?" : &text[i], 1);
    }
}

/* Writes the time and the line that was drawn. */
static void text_write_line(const text_drawing_t *drawing, uint64_t at_ns) {
    char time[32];
    ptk_sim_writer_format(drawing->writer, "%12s  ",
                          ptk_sim_timeline_at(drawing->timeline, at_ns, time, sizeof time));
    drawing->writer->write(drawing->writer->context, drawing->line, drawing->line_width);
    ptk_sim_writer_text(drawing->writer, "  ");
}

static void text_write_ports(const text_drawing_t *drawing, const ptk_sim_trace_entry_t *entry) {
    ptk_sim_writer_format(drawing->writer, ", %u to %u", (unsigned) (entry->c >> 16 & 0xFFFF),
                          (unsigned) (entry->c & 0xFFFF));
}

/* Writes the packet's two hosts and ports. */
static void text_write_route(const text_drawing_t *drawing, const ptk_sim_trace_entry_t *entry) {
    const ptk_sim_timeline_t *timeline = drawing->timeline;
    text_write_plain(drawing, ptk_sim_timeline_name(timeline, ptk_sim_timeline_from(timeline, entry)));
    ptk_sim_writer_text(drawing->writer, " to ");
    text_write_plain(drawing, ptk_sim_timeline_name(timeline, ptk_sim_timeline_to(timeline, entry)));
    text_write_ports(drawing, entry);
}

/* Writes ", sent at 1.250" for an end, and ", arrives at 1.500" for a packet that is sent. */
static void text_write_partner(const text_drawing_t *drawing, const ptk_sim_timeline_row_t *row) {
    const ptk_sim_timeline_row_t *rows = drawing->rows->rows;
    const ptk_sim_trace_entry_t *partner = rows[row->partner].entry;
    bool is_copy =
        partner->kind == PTK_SIM_TRACE_SEND && rows[rows[row->partner].partner].entry != row->entry;
    char time[32];
    if (is_copy) {
        ptk_sim_writer_text(drawing->writer, ", duplicate");
    }
    ptk_sim_writer_format(drawing->writer, ", %s at %s",
                          partner->kind == PTK_SIM_TRACE_SEND      ? "sent"
                          : partner->kind == PTK_SIM_TRACE_DELIVER ? "arrives"
                                                                   : "lost",
                          ptk_sim_timeline_at(drawing->timeline, partner->at_ns, time, sizeof time));
}

/* Writes what became of a packet. */
static void text_write_outcome(const text_drawing_t *drawing, const ptk_sim_timeline_row_t *row) {
    uint32_t kind = row->entry->kind;
    if (kind == PTK_SIM_TRACE_DROP) {
        ptk_sim_writer_text(drawing->writer, ", lost");
    } else if (kind == PTK_SIM_TRACE_REFUSED) {
        ptk_sim_writer_text(drawing->writer, ", refused");
    }
    if (row->partner != PTK_SIM_TIMELINE_NONE && !row->is_lost_now) {
        text_write_partner(drawing, row);
    } else if (kind == PTK_SIM_TRACE_SEND) {
        ptk_sim_writer_text(drawing->writer, ", never arrives");
    }
}

/* Writes the line of a packet, unless it was lost at once: that end's line stands for both. */
static void text_write_packet(text_drawing_t *drawing, const ptk_sim_timeline_row_t *row) {
    const ptk_sim_trace_entry_t *entry = row->entry;
    uint32_t from = ptk_sim_timeline_from(drawing->timeline, entry);
    uint32_t to = ptk_sim_timeline_to(drawing->timeline, entry);
    char label[32];
    ptk_sim_timeline_packet(entry, label, sizeof label);
    if (entry->kind == PTK_SIM_TRACE_SEND && row->is_lost_now) {
        return;
    }
    draw_life_lines(drawing);
    if (from != PTK_SIM_NO_HOST && to != PTK_SIM_NO_HOST && from != to && entry->kind != PTK_SIM_TRACE_SEND) {
        draw_arrow(drawing, from, to, label, entry->kind == PTK_SIM_TRACE_DROP ? 'X' : '>');
    } else if (from != PTK_SIM_NO_HOST) {
        draw_stub(drawing, from, to, label);
    }
    text_write_line(drawing, entry->at_ns);
    text_write_route(drawing, entry);
    text_write_outcome(drawing, row);
    ptk_sim_writer_text(drawing->writer, "\n");
}

/* Returns the mark of an event on the life line. */
static char text_mark(const ptk_sim_trace_entry_t *entry) {
    switch (entry->kind) {
    case PTK_SIM_TRACE_HOST:
        return entry->a ? '[' : ']';
    case PTK_SIM_TRACE_FAULT:
        return '!';
    case PTK_SIM_TRACE_FAILURE:
        return '#';
    case PTK_SIM_TRACE_NOTE:
        return '*';
    case PTK_SIM_TRACE_GREEN:
        return entry->c >> 32 == PTK_SIM_GREEN_BEGINS || entry->c >> 32 == PTK_SIM_GREEN_RESUMES ? '(' : ')';
    default:
        return '+';
    }
}

/* Writes the line of an event that is not a packet. */
static void text_write_event(text_drawing_t *drawing, const ptk_sim_trace_entry_t *entry) {
    uint32_t host = ptk_sim_timeline_host(drawing->timeline, entry);
    char description[160];
    draw_life_lines(drawing);
    if (host != PTK_SIM_NO_HOST) {
        drawing->line[text_column(drawing, host)] = text_mark(entry);
    }
    text_write_line(drawing, entry->at_ns);
    if (host != PTK_SIM_NO_HOST) {
        text_write_plain(drawing, ptk_sim_timeline_name(drawing->timeline, host));
        ptk_sim_writer_text(drawing->writer, ": ");
    }
    text_write_plain(drawing,
                     ptk_sim_timeline_describe(drawing->timeline, entry, description, sizeof description));
    ptk_sim_writer_text(drawing->writer, "\n");
}

/* Writes a row if it is shown; the state of its host follows in any case. */
static void text_write_row(text_drawing_t *drawing, const ptk_sim_timeline_row_t *row) {
    const ptk_sim_trace_entry_t *entry = row->entry;
    uint32_t host = ptk_sim_timeline_host(drawing->timeline, entry);
    if (row->is_shown && (entry->kind == PTK_SIM_TRACE_SEND || ptk_sim_timeline_is_end(entry))) {
        text_write_packet(drawing, row);
    } else if (row->is_shown) {
        text_write_event(drawing, entry);
    }
    if (host != PTK_SIM_NO_HOST) {
        drawing->states[host] = ptk_sim_timeline_state(drawing->states[host], entry);
    }
}

/* --- the text ---------------------------------------------------------------------------------------- */

/* Returns a width that fits most names; longer ones are cut. */
static size_t text_column_width(const ptk_sim_timeline_t *timeline) {
    size_t width = TEXT_COLUMN_MIN;
    for (uint32_t host = 0; host < timeline->host_count; host++) {
        width = text_max(width, strlen(ptk_sim_timeline_name(timeline, host)) + 2);
    }
    return width < TEXT_COLUMN_MAX ? width : TEXT_COLUMN_MAX;
}

/* Writes the title and the hosts' names above their columns. */
static void text_write_head(text_drawing_t *drawing) {
    const ptk_sim_timeline_t *timeline = drawing->timeline;
    if (timeline->title) {
        text_write_plain(drawing, timeline->title);
        ptk_sim_writer_text(drawing->writer, "\n\n");
    }
    if (drawing->rows->first_shown > 0) {
        ptk_sim_writer_format(drawing->writer, "(%zu earlier events are left out)\n",
                              drawing->rows->first_shown);
    }
    ptk_sim_writer_format(drawing->writer, "%12s  ", "ms");
    for (uint32_t host = 0; host < timeline->host_count; host++) {
        char name[TEXT_COLUMN_MAX];
        memset(name, ' ', sizeof name);
        const char *whole = ptk_sim_timeline_name(timeline, host);
        size_t length = strlen(whole);
        for (size_t i = 0; i < length && i + 2 < drawing->width; i++) {
            name[i] = (unsigned char) whole[i] < ' ' || whole[i] == 127 ? '?' : whole[i];
        }
        drawing->writer->write(drawing->writer->context, name, drawing->width);
    }
    ptk_sim_writer_text(drawing->writer, "\n");
}

/* One line buffer is reused for all rows. */
void ptk_sim_timeline_text(const ptk_sim_timeline_t *timeline, const ptk_sim_writer_t *writer) {
    ptk_sim_timeline_rows_t rows;
    ptk_sim_timeline_rows_init(&rows, timeline, timeline->flags & PTK_SIM_TIMELINE_ALL,
                               timeline->event_limit);
    text_drawing_t drawing = {.rows = &rows, .timeline = timeline, .writer = writer};
    drawing.width = text_column_width(timeline);
    drawing.line_width = drawing.width * timeline->host_count;
    drawing.line = ptk_sim_allocate(drawing.line_width + 1);
    drawing.states = ptk_sim_allocate((timeline->host_count + 1) * sizeof *drawing.states);
    text_write_head(&drawing);
    for (size_t i = 0; i < rows.count; i++) {
        text_write_row(&drawing, &rows.rows[i]);
    }
    if (timeline->failure) {
        ptk_sim_writer_text(writer, "\nFAILED: ");
        text_write_plain(&drawing, timeline->failure);
        ptk_sim_writer_text(writer, "\n");
    }
    ptk_sim_free(drawing.states);
    ptk_sim_free(drawing.line);
    ptk_sim_timeline_rows_fini(&rows);
}
