/* SPDX-License-Identifier: MIT */
/*
 * The page: one drawing (SVG) between a head and a failure. Every event has a line of its own, whatever time
 * lies between two, so that labels never meet; the times stand at the left, and long waits are marked.
 * Packets are slanted lines from where they were sent to where they arrive.
 *
 * It is drawn in layers, each a pass over the rows: bands (a host is down, stands still, is cut off) first,
 * then life lines, arrows, and labels on top. Everything is placed by whole numbers. Looks are left to the
 * style sheet, which knows light and dark.
 */
#include "sim/net/ptk_sim_fault.h"
#include "sim/net/ptk_sim_memory.h"
#include "sim/ptk_sim_timeline_impl.h"
#include "sys/ptk_sys.h"
#include <string.h>

#define USUAL_LIMIT  1000
#define GUTTER       96  /* for the times */
#define MARGIN       230 /* for the labels of the last host */
#define TOP          14
#define STEP         20 /* between two events */
#define HALF_STEP    12 /* for what belongs to the event before */
#define WAIT_STEP    26 /* for a long wait */
#define LONG_WAIT_NS UINT64_C(10000000)
#define LABEL_MOST   30 /* characters */
#define BAND         7  /* half of its width */

typedef struct page {
    const ptk_sim_timeline_rows_t *rows;
    const ptk_sim_timeline_t *timeline;
    const ptk_sim_writer_t *writer;
    uint32_t column; /* between two hosts */
    uint32_t width;
    uint32_t height;
    size_t *since; /* per host and, behind those, per pair: the row where a band begins, or NONE */
    ptk_sim_timeline_state_t *states;
} page_t;

static const char style[] =
    ":root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--soft:#6a737d;--rule:#eef0f3;--life:#aab2bd;"
    "--data:#0a58ca;--open:#107c41;--bad:#cf222e;--badband:#cf222e33;--pause:#b7791f;--pauseband:#e3a00855;"
    "--cut:#8250df;--cutband:#8250df4d;--note:#fff8c5;--noteline:#d4a72c;--badbox:#ffebe9}"
    "@media(prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;--soft:#8b949e;--rule:#1a2029;"
    "--life:#4b5563;--data:#6cb0ff;--open:#4ac26b;--bad:#ff7b72;--badband:#ff7b7240;--pause:#e3b341;"
    "--pauseband:#e3b34140;--cut:#c297ff;--cutband:#c297ff45;--note:#3a3110;--noteline:#9e7f1d;"
    "--badbox:#3d1418}}"
    "body{margin:0 auto;padding:16px 24px 48px;background:var(--bg);color:var(--fg);"
    "font:14px/1.45 system-ui,sans-serif;width:max-content;max-width:100%;box-sizing:border-box}"
    "h1{font-size:20px;margin:0 0 4px}p{margin:4px 0}.soft{color:var(--soft)}"
    ".failure{border-left:4px solid var(--bad);background:var(--badbox);color:var(--bad);padding:8px 12px;"
    "margin:10px 0;font-weight:600;white-space:pre-wrap;overflow-wrap:anywhere;max-width:100ch}"
    ".hosts{position:sticky;top:0;background:var(--bg);border-bottom:1px solid var(--life);display:block}"
    "svg{display:block;overflow:visible;font:11px ui-monospace,Menlo,Consolas,monospace}"
    "text{fill:var(--fg)}.l text,text.l{paint-order:stroke;stroke:var(--bg);stroke-width:4px;"
    "stroke-linejoin:round}"
    ".name{font:600 14px system-ui,sans-serif;text-anchor:middle}"
    ".t{fill:var(--soft);text-anchor:end}.w{fill:var(--soft);font-style:italic;text-anchor:end}"
    ".rule{stroke:var(--rule)}.wait{stroke:var(--life);stroke-dasharray:1 5}"
    ".life{stroke:var(--life);stroke-width:2}.gone{stroke:var(--life);stroke-width:1;stroke-dasharray:2 5}"
    ".down{fill:var(--badband)}.pause{fill:var(--pauseband)}.cut{fill:var(--cutband)}"
    "g.p line,g.p path{stroke:var(--data);stroke-width:1.5;fill:none}g.p:hover line{stroke-width:3.5}"
    "g.p text{fill:var(--data)}g.p .hit{stroke:transparent;stroke-width:12}"
    "g.ack line,g.ack path{stroke:var(--soft);stroke-width:1}g.ack text{fill:var(--soft)}"
    "g.open line,g.open path{stroke:var(--open)}g.open text{fill:var(--open)}"
    "g.rst line,g.rst path{stroke:var(--bad)}g.rst text{fill:var(--bad)}"
    "g.lost line{stroke-dasharray:5 3}g.p path.x{stroke:var(--bad);stroke-width:2.5}"
    "g.copy line{stroke-dasharray:2 3}"
    ".e text{fill:var(--fg)}.e circle{fill:var(--bg);stroke:var(--fg);stroke-width:2}"
    ".bad text{fill:var(--bad);font-weight:600}.bad circle{fill:var(--bad);stroke:var(--bad)}"
    ".wait text,.slow text{fill:var(--pause);font-weight:600}.slow circle{fill:var(--pause);"
    "stroke:var(--pause)}"
    ".apart text{fill:var(--cut);font-weight:600}.apart circle{fill:var(--cut);stroke:var(--cut)}"
    ".note rect{fill:var(--note);stroke:var(--noteline)}.note text{stroke:none}"
    ".note circle{fill:var(--noteline);stroke:none}"
    ".end line{stroke:var(--bad);stroke-width:2}"
    ".key span{margin-right:16px;white-space:nowrap}.key b{font:600 11px ui-monospace,Menlo,monospace}";

static const char *const key[] = {
    "<span><b>S</b> SYN</span><span><b>F</b> FIN</span><span><b>R</b> RST</span><span><b>P</b> PSH</span>",
    "<span><b>U</b> URG</span><span><b>A</b> ACK</span><span>numbers: bytes of data</span>",
    "<span style=\"color:var(--bad)\">&#10005; lost</span>",
    "<span><span style=\"background:var(--badband)\">&nbsp;&nbsp;&nbsp;</span>down</span>",
    "<span><span style=\"background:var(--pauseband)\">&nbsp;&nbsp;&nbsp;</span>paused</span>",
    "<span><span style=\"background:var(--cutband)\">&nbsp;&nbsp;&nbsp;</span>cut off</span>",
};

/* --- pieces ------------------------------------------------------------------------------------------ */

/* The first `most` characters, escaped; what is longer ends in an ellipsis. */
static void write_some(const page_t *page, const char *text, size_t most) {
    const ptk_sim_writer_t *writer = page->writer;
    size_t characters = 0;
    for (; *text; text++) {
        bool begins = ((unsigned char) *text & 0xC0) != 0x80;
        characters += begins;
        if (characters > most) {
            ptk_sim_writer_text(writer, "&#8230;");
            return;
        }
        const char *escaped = *text == '<'   ? "&lt;"
                              : *text == '>' ? "&gt;"
                              : *text == '&' ? "&amp;"
                              : *text == '"' ? "&quot;"
                                             : NULL;
        bool is_control = ((unsigned char) *text < ' ' && *text != '\n') || *text == 127;
        if (escaped) {
            ptk_sim_writer_text(writer, escaped);
        } else {
            writer->write(writer->context, is_control ? "?" : text, 1);
        }
    }
}

static void write_all(const page_t *page, const char *text) {
    write_some(page, text, SIZE_MAX);
}

static uint32_t x_of(const page_t *page, uint32_t host) {
    return GUTTER + page->column / 2 + host * page->column;
}

static void write_line(const page_t *page, const char *look, uint32_t x1, uint32_t y1, uint32_t x2,
                       uint32_t y2) {
    ptk_sim_writer_format(page->writer, "<line class=\"%s\" x1=\"%u\" y1=\"%u\" x2=\"%u\" y2=\"%u\"/>", look,
                          (unsigned) x1, (unsigned) y1, (unsigned) x2, (unsigned) y2);
}

static void write_rect(const page_t *page, const char *look, uint32_t x, uint32_t y, uint32_t width,
                       uint32_t height) {
    ptk_sim_writer_format(page->writer,
                          "<rect class=\"%s\" x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" rx=\"3\"/>", look,
                          (unsigned) x, (unsigned) y, (unsigned) width, (unsigned) height);
}

/* --- where things stand ------------------------------------------------------------------------------ */

/* Hosts that start together, and the two directions of a partition. */
static bool shares_line(const ptk_sim_trace_entry_t *entry, const ptk_sim_trace_entry_t *before) {
    bool is_same_kind = entry->kind == before->kind && entry->at_ns == before->at_ns && entry->a == before->a;
    if (entry->kind == PTK_SIM_TRACE_HOST) {
        return is_same_kind && entry->host > before->host;
    }
    return is_same_kind && entry->kind == PTK_SIM_TRACE_FAULT && entry->host == before->b &&
           entry->b == before->host && entry->host != before->host;
}

static uint32_t step_of(const ptk_sim_timeline_rows_t *rows, size_t index) {
    const ptk_sim_timeline_row_t *row = &rows->rows[index];
    if (index == rows->first_shown) {
        return STEP;
    }
    if (row->is_lost_now && ptk_sim_timeline_is_end(row->entry)) {
        return HALF_STEP;
    }
    if (shares_line(row->entry, rows->rows[index - 1].entry)) {
        return 0;
    }
    uint64_t waited_ns = row->entry->at_ns - rows->rows[index - 1].entry->at_ns;
    return waited_ns >= LONG_WAIT_NS ? STEP + WAIT_STEP : STEP;
}

static void place(page_t *page) {
    uint32_t y = TOP;
    for (size_t i = 0; i < page->rows->count; i++) {
        if (page->rows->rows[i].is_shown) {
            y += step_of(page->rows, i);
        }
        page->rows->rows[i].y = y;
    }
    page->height = y + 2 * STEP;
}

static void write_times(const page_t *page) {
    uint64_t last_ns = UINT64_MAX;
    char text[32];
    for (size_t i = page->rows->first_shown; i < page->rows->count; i++) {
        const ptk_sim_timeline_row_t *row = &page->rows->rows[i];
        uint64_t at_ns = row->entry->at_ns;
        if (at_ns == last_ns) {
            continue;
        }
        if (last_ns != UINT64_MAX && at_ns - last_ns >= LONG_WAIT_NS) {
            uint32_t y = row->y - STEP - WAIT_STEP / 2 + 4;
            write_line(page, "wait", GUTTER, y, page->width, y);
            ptk_sim_writer_format(page->writer, "<text class=\"w\" x=\"%u\" y=\"%u\">+%s ms</text>",
                                  GUTTER - 12, (unsigned) y + 4,
                                  ptk_sim_timeline_ms(at_ns - last_ns, text, sizeof text));
        }
        write_line(page, "rule", GUTTER, row->y, page->width, row->y);
        ptk_sim_writer_format(page->writer, "<text class=\"t\" x=\"%u\" y=\"%u\">%s</text>\n", GUTTER - 12,
                              (unsigned) row->y + 4, ptk_sim_timeline_ms(at_ns, text, sizeof text));
        last_ns = at_ns;
    }
}

/* --- bands and life lines ---------------------------------------------------------------------------- */

static uint32_t y_at(const page_t *page, size_t index) {
    return index == PTK_SIM_TIMELINE_NONE ? page->height - STEP : page->rows->rows[index].y;
}

/* The piece of a host's life line from one row to another. */
static void write_life(const page_t *page, uint32_t host, ptk_sim_timeline_state_t state, size_t begin,
                       size_t end) {
    uint32_t x = x_of(page, host);
    uint32_t top = begin == PTK_SIM_TIMELINE_NONE ? 0 : y_at(page, begin);
    uint32_t bottom = y_at(page, end);
    if (top == bottom) {
        return;
    }
    if (state == PTK_SIM_TIMELINE_DOWN || state == PTK_SIM_TIMELINE_PAUSED) {
        write_rect(page, state == PTK_SIM_TIMELINE_DOWN ? "down" : "pause", x - BAND, top, 2 * BAND,
                   bottom - top);
    }
    bool is_solid = state == PTK_SIM_TIMELINE_UP || state == PTK_SIM_TIMELINE_PAUSED;
    write_line(page, is_solid ? "life" : "gone", x, top, x, bottom);
}

static void write_lives(page_t *page) {
    uint32_t hosts = page->timeline->host_count;
    for (size_t i = 0; i < page->rows->count; i++) {
        const ptk_sim_trace_entry_t *entry = page->rows->rows[i].entry;
        uint32_t host = ptk_sim_timeline_host(page->timeline, entry);
        if (host == PTK_SIM_NO_HOST) {
            continue;
        }
        ptk_sim_timeline_state_t state = ptk_sim_timeline_state(page->states[host], entry);
        if (state != page->states[host]) {
            write_life(page, host, page->states[host], page->since[host], i);
            page->states[host] = state;
            page->since[host] = i;
        }
    }
    for (uint32_t host = 0; host < hosts; host++) {
        write_life(page, host, page->states[host], page->since[host], PTK_SIM_TIMELINE_NONE);
    }
    ptk_sim_writer_text(page->writer, "\n");
}

/* A strip beside the life line of who is cut off, on the side of whom it does not reach. */
static void write_cut(const page_t *page, uint32_t from, uint32_t to, size_t begin, size_t end) {
    uint32_t x = x_of(page, from) + (to > from ? 2 : 0) - (to > from ? 0 : BAND + 2);
    uint32_t top = y_at(page, begin);
    write_rect(page, "cut", x, top, BAND, y_at(page, end) - top);
}

static void write_cuts(page_t *page) {
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
            write_cut(page, host, (uint32_t) entry->b, *begin, i);
            *begin = PTK_SIM_TIMELINE_NONE;
        }
    }
    for (size_t pair = 0; pair < (size_t) hosts * hosts; pair++) {
        if (since[pair] != PTK_SIM_TIMELINE_NONE) {
            write_cut(page, (uint32_t) (pair / hosts), (uint32_t) (pair % hosts), since[pair],
                      PTK_SIM_TIMELINE_NONE);
        }
    }
}

/* --- packets ----------------------------------------------------------------------------------------- */

static const char *look_of(const ptk_sim_trace_entry_t *entry) {
    uint64_t flags = entry->b >> 32;
    if (flags & PTK_SIM_FLAG_RST) {
        return " rst";
    }
    if (flags & (PTK_SIM_FLAG_SYN | PTK_SIM_FLAG_FIN)) {
        return " open";
    }
    return (uint32_t) entry->b == 0 ? " ack" : "";
}

static void write_hint(const page_t *page, const ptk_sim_trace_entry_t *sent,
                       const ptk_sim_trace_entry_t *end) {
    const ptk_sim_timeline_t *timeline = page->timeline;
    char text[32];
    ptk_sim_writer_text(page->writer, "<title>");
    write_all(page, ptk_sim_timeline_name(timeline, ptk_sim_timeline_from(timeline, sent)));
    ptk_sim_writer_text(page->writer, " to ");
    write_all(page, ptk_sim_timeline_name(timeline, ptk_sim_timeline_to(timeline, sent)));
    ptk_sim_writer_format(page->writer, ", port %u to %u: %s", (unsigned) (sent->c >> 16 & 0xFFFF),
                          (unsigned) (sent->c & 0xFFFF), ptk_sim_timeline_packet(sent, text, sizeof text));
    ptk_sim_writer_format(page->writer, "\nsent at %s ms",
                          ptk_sim_timeline_ms(sent->at_ns, text, sizeof text));
    if (end) {
        ptk_sim_writer_format(page->writer, "\n%s at %s ms",
                              end->kind == PTK_SIM_TRACE_DELIVER ? "arrives" : "lost",
                              ptk_sim_timeline_ms(end->at_ns, text, sizeof text));
    }
    ptk_sim_writer_text(page->writer, "</title>");
}

static void write_cross(const page_t *page, uint32_t x, uint32_t y) {
    ptk_sim_writer_format(page->writer, "<path class=\"x\" d=\"M%u %ul10 10m0 -10l-10 10\"/>",
                          (unsigned) x - 5, (unsigned) y - 5);
}

static void write_head(const page_t *page, uint32_t x, uint32_t y, bool goes_right) {
    ptk_sim_writer_format(page->writer, "<path d=\"M%u %ul%d -4m%d 4l%d 4\"/>", (unsigned) x, (unsigned) y,
                          goes_right ? -8 : 8, goes_right ? 8 : -8, goes_right ? -8 : 8);
}

/* How far a packet comes, in hundredths of its way. */
static uint32_t reach_of(const ptk_sim_timeline_row_t *end) {
    if (!end) {
        return 30; /* it is still on its way when the run ends */
    }
    if (end->entry->kind == PTK_SIM_TRACE_DELIVER) {
        return 100;
    }
    return end->is_lost_now ? 60 : 90;
}

/* Between two hosts; `end` is NULL for a packet that is still on its way, `copy`: not its first end. */
static void write_arrow(const page_t *page, const ptk_sim_timeline_row_t *sent,
                        const ptk_sim_timeline_row_t *end, bool is_copy) {
    uint32_t from = ptk_sim_timeline_from(page->timeline, sent->entry);
    uint32_t to = ptk_sim_timeline_to(page->timeline, sent->entry);
    bool goes_right = to > from;
    bool arrives = end && end->entry->kind == PTK_SIM_TRACE_DELIVER;
    uint32_t start = x_of(page, from);
    uint32_t way = (goes_right ? x_of(page, to) - start : start - x_of(page, to)) * reach_of(end) / 100;
    uint32_t tip = goes_right ? start + way : start - way;
    uint32_t y = end ? end->y : sent->y + HALF_STEP;
    ptk_sim_writer_format(page->writer, "<g class=\"p%s%s%s\">", look_of(sent->entry), arrives ? "" : " lost",
                          is_copy ? " copy" : "");
    write_hint(page, sent->entry, end ? end->entry : NULL);
    write_line(page, "hit", start, sent->y, tip, y);
    write_line(page, "", start, sent->y, tip, y);
    if (arrives) {
        write_head(page, tip, y, goes_right);
    } else if (end) {
        write_cross(page, tip, y);
    }
    ptk_sim_writer_text(page->writer, "</g>\n");
}

/* To the host itself, or to nobody. */
static void write_loop(const page_t *page, const ptk_sim_timeline_row_t *sent,
                       const ptk_sim_timeline_row_t *end) {
    uint32_t x = x_of(page, ptk_sim_timeline_from(page->timeline, sent->entry));
    bool arrives = end && end->entry->kind == PTK_SIM_TRACE_DELIVER;
    uint32_t y = end ? end->y : sent->y;
    ptk_sim_writer_format(page->writer, "<g class=\"p%s\">", look_of(sent->entry));
    write_hint(page, sent->entry, end ? end->entry : NULL);
    ptk_sim_writer_format(page->writer, "<path d=\"M%u %uh10v%uh-%u\"/>", (unsigned) x, (unsigned) sent->y,
                          (unsigned) (y - sent->y), arrives ? 10 : 0);
    if (arrives) {
        write_head(page, x, y, false);
    } else {
        write_cross(page, x + 10, y);
    }
    ptk_sim_writer_text(page->writer, "</g>\n");
}

static void write_packet(const page_t *page, size_t index) {
    const ptk_sim_timeline_row_t *row = &page->rows->rows[index];
    bool is_sent = row->entry->kind == PTK_SIM_TRACE_SEND;
    bool has_partner = row->partner != PTK_SIM_TIMELINE_NONE;
    const ptk_sim_timeline_row_t *partner = has_partner ? &page->rows->rows[row->partner] : NULL;
    if (is_sent ? has_partner : !has_partner) {
        return; /* drawn with its end; or it was sent before the trace began */
    }
    const ptk_sim_timeline_row_t *sent = is_sent ? row : partner;
    const ptk_sim_timeline_row_t *end = is_sent ? NULL : row;
    uint32_t from = ptk_sim_timeline_from(page->timeline, row->entry);
    uint32_t to = ptk_sim_timeline_to(page->timeline, row->entry);
    if (from == PTK_SIM_NO_HOST) {
        return;
    }
    if (to == PTK_SIM_NO_HOST || to == from) {
        write_loop(page, sent, end);
    } else {
        write_arrow(page, sent, end, end && sent->partner != index);
    }
}

/* On top of the lines: beside the sender, on the side where the packet goes. */
static void write_packet_label(const page_t *page, const ptk_sim_timeline_row_t *row) {
    const ptk_sim_trace_entry_t *entry = row->entry;
    uint32_t from = ptk_sim_timeline_from(page->timeline, entry);
    uint32_t to = ptk_sim_timeline_to(page->timeline, entry);
    bool goes_right = to == PTK_SIM_NO_HOST || to >= from;
    uint32_t aside = to == PTK_SIM_NO_HOST || to == from ? 20 : 14;
    char text[32];
    if (from == PTK_SIM_NO_HOST) {
        return;
    }
    ptk_sim_writer_format(
        page->writer, "<g class=\"p%s l\"><text x=\"%u\" y=\"%u\" text-anchor=\"%s\">%s", look_of(entry),
        (unsigned) (goes_right ? x_of(page, from) + aside : x_of(page, from) - aside), (unsigned) row->y - 3,
        goes_right ? "start" : "end", ptk_sim_timeline_packet(entry, text, sizeof text));
    if (entry->b >> 32 & PTK_SIM_FLAG_SYN) {
        ptk_sim_writer_format(page->writer, " %u&#8594;%u", (unsigned) (entry->c >> 16 & 0xFFFF),
                              (unsigned) (entry->c & 0xFFFF));
    }
    ptk_sim_writer_text(page->writer, "</text></g>\n");
}

static void write_packets(const page_t *page) {
    for (size_t i = page->rows->first_shown; i < page->rows->count; i++) {
        const ptk_sim_trace_entry_t *entry = page->rows->rows[i].entry;
        if (entry->kind == PTK_SIM_TRACE_SEND || ptk_sim_timeline_is_end(entry)) {
            write_packet(page, i);
        }
    }
    for (size_t i = page->rows->first_shown; i < page->rows->count; i++) {
        if (page->rows->rows[i].entry->kind == PTK_SIM_TRACE_SEND) {
            write_packet_label(page, &page->rows->rows[i]);
        }
    }
}

/* --- events ------------------------------------------------------------------------------------------ */

static const char *event_look(const ptk_sim_trace_entry_t *entry) {
    if (entry->kind == PTK_SIM_TRACE_NOTE) {
        return "note";
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

static uint32_t characters_of(const char *text) {
    uint32_t count = 0;
    for (; *text; text++) {
        count += ((unsigned char) *text & 0xC0) != 0x80;
    }
    return count < LABEL_MOST ? count : LABEL_MOST + 1;
}

static void write_event(const page_t *page, const ptk_sim_timeline_row_t *row) {
    const ptk_sim_trace_entry_t *entry = row->entry;
    uint32_t host = ptk_sim_timeline_host(page->timeline, entry);
    uint32_t x = host == PTK_SIM_NO_HOST ? GUTTER : x_of(page, host);
    char words[160];
    ptk_sim_timeline_words(page->timeline, entry, words, sizeof words);
    ptk_sim_writer_format(page->writer, "<g class=\"e %s\"><title>", event_look(entry));
    write_all(page, words);
    ptk_sim_writer_text(page->writer, "</title>");
    if (entry->kind == PTK_SIM_TRACE_NOTE) {
        write_rect(page, "", x + 9, row->y - 8, characters_of(words) * 67 / 10 + 11, 16);
    }
    if (host != PTK_SIM_NO_HOST) {
        ptk_sim_writer_format(page->writer, "<circle cx=\"%u\" cy=\"%u\" r=\"4\"/>", (unsigned) x,
                              (unsigned) row->y);
    }
    ptk_sim_writer_format(page->writer, "<text class=\"l\" x=\"%u\" y=\"%u\">", (unsigned) x + 14,
                          (unsigned) row->y + 4);
    write_some(page, words, LABEL_MOST);
    ptk_sim_writer_text(page->writer, "</text></g>\n");
}

static void write_events(const page_t *page) {
    for (size_t i = page->rows->first_shown; i < page->rows->count; i++) {
        const ptk_sim_trace_entry_t *entry = page->rows->rows[i].entry;
        if (entry->kind != PTK_SIM_TRACE_SEND && !ptk_sim_timeline_is_end(entry)) {
            write_event(page, &page->rows->rows[i]);
        }
    }
}

/* --- the whole --------------------------------------------------------------------------------------- */

static void write_failure(const page_t *page) {
    if (page->timeline->failure) {
        ptk_sim_writer_text(page->writer, "<div class=\"failure\">Failed: ");
        write_all(page, page->timeline->failure);
        ptk_sim_writer_text(page->writer, "</div>\n");
    }
}

static void write_top(const page_t *page) {
    const ptk_sim_writer_t *writer = page->writer;
    const char *title = page->timeline->title ? page->timeline->title : "A simulated run";
    ptk_sim_writer_text(writer, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<title>");
    write_all(page, title);
    ptk_sim_writer_text(writer, "</title>\n<style>");
    ptk_sim_writer_text(writer, style);
    ptk_sim_writer_text(writer, "</style></head>\n<body><h1>");
    write_all(page, title);
    ptk_sim_writer_text(writer, "</h1>\n");
    write_failure(page);
    ptk_sim_writer_text(writer, "<p class=\"soft key\">");
    for (size_t i = 0; i < sizeof key / sizeof *key; i++) {
        ptk_sim_writer_text(writer, key[i]);
    }
    ptk_sim_writer_text(writer, "</p>\n<p class=\"soft\">Times in ms; one line per event, not to scale.");
    if (page->rows->first_shown > 0) {
        ptk_sim_writer_format(writer, " %zu earlier events are left out.", page->rows->first_shown);
    }
    ptk_sim_writer_text(writer, "</p>\n");
}

static void write_names(const page_t *page) {
    ptk_sim_writer_format(page->writer, "<svg class=\"hosts\" width=\"%u\" height=\"28\">",
                          (unsigned) page->width);
    for (uint32_t host = 0; host < page->timeline->host_count; host++) {
        ptk_sim_writer_format(page->writer, "<text class=\"name\" x=\"%u\" y=\"19\">",
                              (unsigned) x_of(page, host));
        write_some(page, ptk_sim_timeline_name(page->timeline, host), page->column / 9);
        ptk_sim_writer_text(page->writer, "</text>");
    }
    ptk_sim_writer_text(page->writer, "</svg>\n");
}

static void write_drawing(page_t *page) {
    ptk_sim_writer_format(page->writer, "<svg width=\"%u\" height=\"%u\">\n", (unsigned) page->width,
                          (unsigned) page->height);
    write_times(page);
    write_cuts(page);
    write_lives(page);
    write_packets(page);
    write_events(page);
    if (page->timeline->failure) {
        ptk_sim_writer_text(page->writer, "<g class=\"end\">");
        write_line(page, "", GUTTER, page->height - STEP, page->width, page->height - STEP);
        ptk_sim_writer_text(page->writer, "</g>");
    }
    ptk_sim_writer_text(page->writer, "</svg>\n");
}

static void init(page_t *page) {
    uint32_t hosts = page->timeline->host_count;
    size_t bands = hosts + (size_t) hosts * hosts;
    page->column = hosts <= 3 ? 230 : hosts <= 5 ? 190 : 150;
    page->width = GUTTER + hosts * page->column + MARGIN - page->column / 2;
    page->since = ptk_sim_allocate((bands + 1) * sizeof *page->since);
    page->states = ptk_sim_allocate((hosts + 1) * sizeof *page->states);
    for (size_t i = 0; i < bands; i++) {
        page->since[i] = PTK_SIM_TIMELINE_NONE;
    }
}

void ptk_sim_timeline_html(const ptk_sim_timeline_t *timeline, const ptk_sim_writer_t *writer) {
    ptk_sim_timeline_rows_t rows;
    page_t page = {.rows = &rows, .timeline = timeline, .writer = writer};
    ptk_sim_timeline_rows_init(&rows, timeline, false,
                               timeline->event_limit ? timeline->event_limit : USUAL_LIMIT);
    init(&page);
    place(&page);
    write_top(&page);
    write_names(&page);
    write_drawing(&page);
    write_failure(&page);
    ptk_sim_writer_text(writer, "</body></html>\n");
    ptk_sim_release(page.states);
    ptk_sim_release(page.since);
    ptk_sim_timeline_rows_fini(&rows);
}
