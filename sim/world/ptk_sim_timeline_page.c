/* SPDX-License-Identifier: MIT */
/*
 * The page: one drawing (SVG) between a head and a failure. Every event has a line of its own, whatever time
 * lies between two, so that labels never overlap; the times are at the left, and long waits are marked.
 * Packets are slanted lines from where they were sent to where they arrive.
 *
 * It is drawn in layers, each a pass over the rows: bands (a host is down, paused, partitioned) first, then
 * life lines, arrows, and labels on top. All positions are whole numbers. The style sheet has the looks, with
 * a light and a dark variant.
 */
#include "sim/kernel/ptk_sim_fault.h"
#include "sim/kernel/ptk_sim_memory.h"
#include "sim/world/ptk_sim_timeline_page_impl.h"
#include "sys/ptk_sys.h"

#define PAGE_DEFAULT_LIMIT 1000 /* events; browsers draw this many without delay */
#define PAGE_MARGIN        230  /* for the labels of the last host */
#define PAGE_TOP           14
#define PAGE_STEP          20 /* between two events */
#define PAGE_WAIT_STEP     26 /* for a long wait */
#define PAGE_LONG_WAIT_NS  UINT64_C(10000000)
#define PAGE_LABEL_MAX     30 /* characters */
#define PAGE_BAND          7  /* half of its width */

/* --- positions --------------------------------------------------------------------------------------- */

/* Returns whether an entry is on the line of the one before: hosts that start together, and the two
   directions of a partition. */
static bool page_shares_line(const ptk_sim_trace_entry_t *entry, const ptk_sim_trace_entry_t *before) {
    bool is_same_kind = entry->kind == before->kind && entry->at_ns == before->at_ns && entry->a == before->a;
    if (entry->kind == PTK_SIM_TRACE_HOST) {
        return is_same_kind && entry->host > before->host;
    }
    return is_same_kind && entry->kind == PTK_SIM_TRACE_FAULT && entry->host == before->b &&
           entry->b == before->host && entry->host != before->host;
}

/* Returns the distance of a row from the one before. */
static uint32_t page_step(const ptk_sim_timeline_rows_t *rows, size_t index) {
    const ptk_sim_timeline_row_t *row = &rows->rows[index];
    if (index == rows->first_shown) {
        return PAGE_STEP;
    }
    if ((row->is_lost_now && ptk_sim_timeline_is_end(row->entry)) ||
        row->entry->kind == PTK_SIM_TRACE_GREEN) {
        return PTK_SIM_PAGE_HALF_STEP;
    }
    if (page_shares_line(row->entry, rows->rows[index - 1].entry)) {
        return 0;
    }
    uint64_t waited_ns = row->entry->at_ns - rows->rows[index - 1].entry->at_ns;
    return waited_ns >= PAGE_LONG_WAIT_NS ? PAGE_STEP + PAGE_WAIT_STEP : PAGE_STEP;
}

/* Computes the position of every row and the height of the page. */
static void page_place_rows(ptk_sim_page_t *page) {
    uint32_t y = PAGE_TOP;
    for (size_t i = 0; i < page->rows->count; i++) {
        if (page->rows->rows[i].is_shown) {
            y += page_step(page->rows, i);
        }
        page->rows->rows[i].y = y;
    }
    page->height = y + 2 * PAGE_STEP;
}

/* Writes the times at the left, each once, and marks long waits. */
static void page_write_times(const ptk_sim_page_t *page) {
    uint64_t last_ns = UINT64_MAX;
    char text[32];
    for (size_t i = page->rows->first_shown; i < page->rows->count; i++) {
        const ptk_sim_timeline_row_t *row = &page->rows->rows[i];
        uint64_t at_ns = row->entry->at_ns;
        if (at_ns == last_ns) {
            continue;
        }
        if (last_ns != UINT64_MAX && at_ns - last_ns >= PAGE_LONG_WAIT_NS) {
            uint32_t y = row->y - PAGE_STEP - PAGE_WAIT_STEP / 2 + 4;
            ptk_sim_page_line(page, "wait", PTK_SIM_PAGE_GUTTER, y, page->width, y);
            ptk_sim_writer_format(page->writer, "<text class=\"w\" x=\"%u\" y=\"%u\">+%s ms</text>",
                                  PTK_SIM_PAGE_GUTTER - 12, (unsigned) y + 4,
                                  ptk_sim_timeline_ms(at_ns - last_ns, text, sizeof text));
        }
        ptk_sim_page_line(page, "rule", PTK_SIM_PAGE_GUTTER, row->y, page->width, row->y);
        ptk_sim_writer_format(page->writer, "<text class=\"t\" x=\"%u\" y=\"%u\">%s</text>\n",
                              PTK_SIM_PAGE_GUTTER - 12, (unsigned) row->y + 4,
                              ptk_sim_timeline_at(page->timeline, at_ns, text, sizeof text));
        last_ns = at_ns;
    }
}

/* --- bands and life lines ---------------------------------------------------------------------------- */

/* Returns the position of a row, that of the bottom for PTK_SIM_TIMELINE_NONE. */
static uint32_t page_y(const ptk_sim_page_t *page, size_t index) {
    return index == PTK_SIM_TIMELINE_NONE ? page->height - PAGE_STEP : page->rows->rows[index].y;
}

/* Draws the piece of a host's life line from one row to another. */
static void page_write_life_line(const ptk_sim_page_t *page, uint32_t host, ptk_sim_timeline_state_t state,
                                 size_t begin, size_t end) {
    uint32_t x = ptk_sim_page_x(page, host);
    uint32_t top = begin == PTK_SIM_TIMELINE_NONE ? 0 : page_y(page, begin);
    uint32_t bottom = page_y(page, end);
    if (top == bottom) {
        return;
    }
    if (state == PTK_SIM_TIMELINE_DOWN || state == PTK_SIM_TIMELINE_PAUSED) {
        ptk_sim_page_rect(page, state == PTK_SIM_TIMELINE_DOWN ? "down" : "pause", x - PAGE_BAND, top,
                          2 * PAGE_BAND, bottom - top);
    }
    bool is_solid = state == PTK_SIM_TIMELINE_UP || state == PTK_SIM_TIMELINE_PAUSED;
    ptk_sim_page_line(page, is_solid ? "life" : "gone", x, top, x, bottom);
}

/* Draws a new piece wherever the state of a host changes. */
static void page_write_life_lines(ptk_sim_page_t *page) {
    uint32_t hosts = page->timeline->host_count;
    for (size_t i = 0; i < page->rows->count; i++) {
        const ptk_sim_trace_entry_t *entry = page->rows->rows[i].entry;
        uint32_t host = ptk_sim_timeline_host(page->timeline, entry);
        if (host == PTK_SIM_NO_HOST) {
            continue;
        }
        ptk_sim_timeline_state_t state = ptk_sim_timeline_state(page->states[host], entry);
        if (state != page->states[host]) {
            page_write_life_line(page, host, page->states[host], page->since[host], i);
            page->states[host] = state;
            page->since[host] = i;
        }
    }
    for (uint32_t host = 0; host < hosts; host++) {
        page_write_life_line(page, host, page->states[host], page->since[host], PTK_SIM_TIMELINE_NONE);
    }
    ptk_sim_writer_text(page->writer, "\n");
}

/* Draws a strip beside the life line of the partitioned host, on the side of the host that it does not
   reach. */
static void page_write_partition(const ptk_sim_page_t *page, uint32_t from, uint32_t to, size_t begin,
                                 size_t end) {
    uint32_t x = ptk_sim_page_x(page, from) + (to > from ? 2 : 0) - (to > from ? 0 : PAGE_BAND + 2);
    uint32_t top = page_y(page, begin);
    ptk_sim_page_rect(page, "cut", x, top, PAGE_BAND, page_y(page, end) - top);
}

/* Draws the partitions of all pairs of hosts. */
static void page_write_partitions(ptk_sim_page_t *page) {
    uint32_t hosts = page->timeline->host_count;
    size_t *since = page->since + hosts;
    for (size_t i = 0; i < page->rows->count; i++) {
        const ptk_sim_trace_entry_t *entry = page->rows->rows[i].entry;
        uint32_t host = ptk_sim_timeline_host(page->timeline, entry);
        if (entry->kind != PTK_SIM_TRACE_FAULT || host == PTK_SIM_NO_HOST || entry->b >= hosts) {
            continue;
        }
        size_t *begin = &since[host * (size_t) hosts + entry->b];
        if (entry->a == PTK_SIM_FAULT_PARTITION && *begin == PTK_SIM_TIMELINE_NONE) {
            *begin = i;
        } else if (entry->a == PTK_SIM_FAULT_HEAL && *begin != PTK_SIM_TIMELINE_NONE) {
            page_write_partition(page, host, (uint32_t) entry->b, *begin, i);
            *begin = PTK_SIM_TIMELINE_NONE;
        }
    }
    for (size_t pair = 0; pair < (size_t) hosts * hosts; pair++) {
        if (since[pair] != PTK_SIM_TIMELINE_NONE) {
            page_write_partition(page, (uint32_t) (pair / hosts), (uint32_t) (pair % hosts), since[pair],
                                 PTK_SIM_TIMELINE_NONE);
        }
    }
}

/* --- events ------------------------------------------------------------------------------------------ */

/* Returns the class of the style sheet for a kind of event. */
static const char *page_event_class(const ptk_sim_trace_entry_t *entry) {
    if (entry->kind == PTK_SIM_TRACE_NOTE) {
        return "note";
    }
    if (entry->kind == PTK_SIM_TRACE_GREEN) {
        return "green";
    }
    if (entry->kind == PTK_SIM_TRACE_FAILURE) {
        return "bad";
    }
    if (entry->kind != PTK_SIM_TRACE_FAULT) {
        return "";
    }
    switch (entry->a) {
    case PTK_SIM_FAULT_PAUSE:
    case PTK_SIM_FAULT_RESUME:
    case PTK_SIM_FAULT_CLOCK_STEP:
        return "slow";
    case PTK_SIM_FAULT_PARTITION:
    case PTK_SIM_FAULT_HEAL:
        return "apart";
    default:
        return "bad";
    }
}

/* Returns how many characters of a label are shown, with the ellipsis. */
static uint32_t page_label_length(const char *text) {
    uint32_t count = 0;
    for (; *text; text++) {
        count += ((unsigned char) *text & 0xC0) != 0x80;
    }
    return count < PAGE_LABEL_MAX ? count : PAGE_LABEL_MAX + 1;
}

/* Draws an event that is not a packet: a dot on the life line, and a label. */
static void page_write_event(const ptk_sim_page_t *page, const ptk_sim_timeline_row_t *row) {
    const ptk_sim_trace_entry_t *entry = row->entry;
    uint32_t host = ptk_sim_timeline_host(page->timeline, entry);
    uint32_t x = host == PTK_SIM_NO_HOST ? PTK_SIM_PAGE_GUTTER : ptk_sim_page_x(page, host);
    char text[160];
    ptk_sim_timeline_describe(page->timeline, entry, text, sizeof text);
    ptk_sim_writer_format(page->writer, "<g%s class=\"e %s\"><title>",
                          entry->kind == PTK_SIM_TRACE_FAILURE ? " id=\"failure\"" : "",
                          page_event_class(entry));
    ptk_sim_page_all(page, text);
    ptk_sim_writer_text(page->writer, "</title>");
    if (entry->kind == PTK_SIM_TRACE_NOTE) {
        ptk_sim_page_rect(page, "", x + 9, row->y - 8, page_label_length(text) * 67 / 10 + 11, 16);
    }
    if (host != PTK_SIM_NO_HOST) {
        ptk_sim_writer_format(page->writer, "<circle cx=\"%u\" cy=\"%u\" r=\"%u\"/>", (unsigned) x,
                              (unsigned) row->y, entry->kind == PTK_SIM_TRACE_GREEN ? 2u : 4u);
    }
    ptk_sim_writer_format(page->writer, "<text class=\"l\" x=\"%u\" y=\"%u\">", (unsigned) x + 14,
                          (unsigned) row->y + 4);
    ptk_sim_page_some(page, text, PAGE_LABEL_MAX);
    ptk_sim_writer_text(page->writer, "</text></g>\n");
}

/* Draws all events that are not packets. */
static void page_write_events(const ptk_sim_page_t *page) {
    for (size_t i = page->rows->first_shown; i < page->rows->count; i++) {
        const ptk_sim_trace_entry_t *entry = page->rows->rows[i].entry;
        if (entry->kind != PTK_SIM_TRACE_SEND && !ptk_sim_timeline_is_end(entry)) {
            page_write_event(page, &page->rows->rows[i]);
        }
    }
}

/* --- the page ---------------------------------------------------------------------------------------- */

/* Returns whether the place of the failure is drawn. */
static bool page_shows_failure(const ptk_sim_page_t *page) {
    for (size_t i = page->rows->first_shown; i < page->rows->count; i++) {
        if (page->rows->rows[i].entry->kind == PTK_SIM_TRACE_FAILURE) {
            return true;
        }
    }
    return false;
}

/* Writes what went wrong, at the top and at the bottom, as a link to its place; where that is not known, to
   the end of the drawing. */
static void page_write_failure(const ptk_sim_page_t *page) {
    if (page->timeline->failure) {
        ptk_sim_writer_format(page->writer, "<div class=\"failure\"><a href=\"#%s\">Failed: ",
                              page_shows_failure(page) ? "failure" : "end");
        ptk_sim_page_all(page, page->timeline->failure);
        ptk_sim_writer_text(page->writer, "</a></div>\n");
    }
}

/* Writes the head of the document and the legend. */
static void page_write_top(const ptk_sim_page_t *page) {
    const ptk_sim_writer_t *writer = page->writer;
    const char *title = page->timeline->title ? page->timeline->title : "A simulated run";
    ptk_sim_writer_text(writer, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<title>");
    ptk_sim_page_all(page, title);
    ptk_sim_writer_text(writer, "</title>\n<style>");
    ptk_sim_page_style(page);
    ptk_sim_writer_text(writer, "</style></head>\n<body><h1>");
    ptk_sim_page_all(page, title);
    ptk_sim_writer_text(writer, "</h1>\n");
    page_write_failure(page);
    ptk_sim_writer_text(writer, "<p class=\"soft key\">");
    ptk_sim_page_key(page);
    ptk_sim_writer_text(writer,
                        "<label><input type=\"checkbox\" id=\"greens\" checked>green threads</label>");
    ptk_sim_writer_text(writer, "</p>\n<p class=\"soft\">Times in ms; one line per event, not to scale.");
    if (page->rows->first_shown > 0) {
        ptk_sim_writer_format(writer, " %zu earlier events are left out.", page->rows->first_shown);
    }
    ptk_sim_writer_text(writer, "</p>\n");
}

/* Writes the hosts' names; the style sheet keeps them at the top of the window. */
static void page_write_names(const ptk_sim_page_t *page) {
    ptk_sim_writer_format(page->writer, "<svg class=\"hosts\" width=\"%u\" height=\"28\">",
                          (unsigned) page->width);
    for (uint32_t host = 0; host < page->timeline->host_count; host++) {
        ptk_sim_writer_format(page->writer, "<text class=\"name\" x=\"%u\" y=\"19\">",
                              (unsigned) ptk_sim_page_x(page, host));
        ptk_sim_page_some(page, ptk_sim_timeline_name(page->timeline, host), page->column / 9);
        ptk_sim_writer_text(page->writer, "</text>");
    }
    ptk_sim_writer_text(page->writer, "</svg>\n");
}

/* The order is the layering: what comes later is drawn on top. */
static void page_write_drawing(ptk_sim_page_t *page) {
    ptk_sim_writer_format(page->writer, "<svg width=\"%u\" height=\"%u\">\n", (unsigned) page->width,
                          (unsigned) page->height);
    page_write_times(page);
    page_write_partitions(page);
    page_write_life_lines(page);
    ptk_sim_page_packets(page);
    page_write_events(page);
    if (page->timeline->failure) {
        ptk_sim_writer_text(page->writer, "<g id=\"end\" class=\"end\">");
        ptk_sim_page_line(page, "", PTK_SIM_PAGE_GUTTER, page->height - PAGE_STEP, page->width,
                          page->height - PAGE_STEP);
        ptk_sim_writer_text(page->writer, "</g>");
    }
    ptk_sim_writer_text(page->writer, "</svg>\n");
}

/* Computes the widths and allocates the state of the bands. */
static void page_init(ptk_sim_page_t *page) {
    uint32_t hosts = page->timeline->host_count;
    size_t bands = hosts + (size_t) hosts * hosts;
    page->column = hosts <= 3 ? 230 : hosts <= 5 ? 190 : 150;
    page->width = PTK_SIM_PAGE_GUTTER + hosts * page->column + PAGE_MARGIN - page->column / 2;
    page->since = ptk_sim_allocate((bands + 1) * sizeof *page->since);
    page->states = ptk_sim_allocate((hosts + 1) * sizeof *page->states);
    for (size_t i = 0; i < bands; i++) {
        page->since[i] = PTK_SIM_TIMELINE_NONE;
    }
}

/* Positions are computed before anything is written, since the height stands at the top of the document. */
void ptk_sim_timeline_html(const ptk_sim_timeline_t *timeline, const ptk_sim_writer_t *writer) {
    ptk_sim_timeline_rows_t rows;
    ptk_sim_page_t page = {.rows = &rows, .timeline = timeline, .writer = writer};
    ptk_sim_timeline_rows_init(&rows, timeline, false,
                               timeline->event_limit ? timeline->event_limit : PAGE_DEFAULT_LIMIT);
    page_init(&page);
    page_place_rows(&page);
    page_write_top(&page);
    page_write_names(&page);
    page_write_drawing(&page);
    page_write_failure(&page);
    ptk_sim_writer_text(writer, "</body></html>\n");
    ptk_sim_free(page.states);
    ptk_sim_free(page.since);
    ptk_sim_timeline_rows_fini(&rows);
}
