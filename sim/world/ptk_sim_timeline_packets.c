/* SPDX-License-Identifier: MIT */
/*
 * Packets on the page: a slanted line from where a packet was sent to where it arrives, or a dashed one that
 * ends in a cross; dotted for a duplicate; a short stub for what is still in flight when the run ends. A
 * packet is drawn with its end, since only then both ends are known; its label is at its start.
 */
#include "sim/world/ptk_sim_timeline_page_impl.h"

/* Returns the classes of the style sheet for a kind of packet. */
static const char *page_packet_class(const ptk_sim_trace_entry_t *entry) {
    uint64_t flags = entry->b >> 32;
    if (flags & PTK_SIM_FLAG_RST) {
        return " rst";
    }
    if (flags & (PTK_SIM_FLAG_SYN | PTK_SIM_FLAG_FIN)) {
        return " open";
    }
    return (uint32_t) entry->b == 0 ? " ack" : "";
}

/* Writes the text that appears when the pointer is on a packet. */
static void page_write_hint(const ptk_sim_page_t *page, const ptk_sim_trace_entry_t *sent,
                            const ptk_sim_trace_entry_t *end) {
    const ptk_sim_timeline_t *timeline = page->timeline;
    char text[32];
    ptk_sim_writer_text(page->writer, "<title>");
    ptk_sim_page_all(page, ptk_sim_timeline_name(timeline, ptk_sim_timeline_from(timeline, sent)));
    ptk_sim_writer_text(page->writer, " to ");
    ptk_sim_page_all(page, ptk_sim_timeline_name(timeline, ptk_sim_timeline_to(timeline, sent)));
    ptk_sim_writer_format(page->writer, ", port %u to %u: %s", (unsigned) (sent->c >> 16 & 0xFFFF),
                          (unsigned) (sent->c & 0xFFFF), ptk_sim_timeline_packet(sent, text, sizeof text));
    ptk_sim_writer_format(page->writer, "\nsent at %s ms",
                          ptk_sim_timeline_at(timeline, sent->at_ns, text, sizeof text));
    if (end) {
        ptk_sim_writer_format(page->writer, "\n%s at %s ms",
                              end->kind == PTK_SIM_TRACE_DELIVER ? "arrives" : "lost",
                              ptk_sim_timeline_at(timeline, end->at_ns, text, sizeof text));
    }
    ptk_sim_writer_text(page->writer, "</title>");
}

/* Marks the place where a packet was lost. */
static void page_write_cross(const ptk_sim_page_t *page, uint32_t x, uint32_t y) {
    ptk_sim_writer_format(page->writer, "<path class=\"x\" d=\"M%u %ul10 10m0 -10l-10 10\"/>",
                          (unsigned) x - 5, (unsigned) y - 5);
}

/* Marks the end of a packet that arrived. */
static void page_write_arrow_head(const ptk_sim_page_t *page, uint32_t x, uint32_t y, bool goes_right) {
    ptk_sim_writer_format(page->writer, "<path d=\"M%u %ul%d -4m%d 4l%d 4\"/>", (unsigned) x, (unsigned) y,
                          goes_right ? -8 : 8, goes_right ? 8 : -8, goes_right ? -8 : 8);
}

/* Returns how much of the distance the line of a packet covers, in hundredths. */
static uint32_t page_packet_reach(const ptk_sim_timeline_row_t *end) {
    if (!end) {
        return 30; /* in flight when the run ends */
    }
    if (end->entry->kind == PTK_SIM_TRACE_DELIVER) {
        return 100;
    }
    return end->is_lost_now ? 60 : 90;
}

/* Draws a packet between two hosts. `end` is NULL if it is still in flight; `is_copy`: this is not its
   first end. */
static void page_write_arrow(const ptk_sim_page_t *page, const ptk_sim_timeline_row_t *sent,
                             const ptk_sim_timeline_row_t *end, bool is_copy) {
    uint32_t from = ptk_sim_timeline_from(page->timeline, sent->entry);
    uint32_t to = ptk_sim_timeline_to(page->timeline, sent->entry);
    bool goes_right = to > from;
    bool arrives = end && end->entry->kind == PTK_SIM_TRACE_DELIVER;
    uint32_t start = ptk_sim_page_x(page, from);
    uint32_t way = (goes_right ? ptk_sim_page_x(page, to) - start : start - ptk_sim_page_x(page, to)) *
                   page_packet_reach(end) / 100;
    uint32_t tip = goes_right ? start + way : start - way;
    uint32_t y = end ? end->y : sent->y + PTK_SIM_PAGE_HALF_STEP;
    ptk_sim_writer_format(page->writer, "<g class=\"p%s%s%s\">", page_packet_class(sent->entry),
                          arrives ? "" : " lost", is_copy ? " copy" : "");
    page_write_hint(page, sent->entry, end ? end->entry : NULL);
    ptk_sim_page_line(page, "hit", start, sent->y, tip, y);
    ptk_sim_page_line(page, "", start, sent->y, tip, y);
    if (arrives) {
        page_write_arrow_head(page, tip, y, goes_right);
    } else if (end) {
        page_write_cross(page, tip, y);
    }
    ptk_sim_writer_text(page->writer, "</g>\n");
}

/* Draws a packet from a host to itself, or to an address that no host has. */
static void page_write_loop(const ptk_sim_page_t *page, const ptk_sim_timeline_row_t *sent,
                            const ptk_sim_timeline_row_t *end) {
    uint32_t x = ptk_sim_page_x(page, ptk_sim_timeline_from(page->timeline, sent->entry));
    bool arrives = end && end->entry->kind == PTK_SIM_TRACE_DELIVER;
    uint32_t y = end ? end->y : sent->y;
    ptk_sim_writer_format(page->writer, "<g class=\"p%s\">", page_packet_class(sent->entry));
    page_write_hint(page, sent->entry, end ? end->entry : NULL);
    ptk_sim_writer_format(page->writer, "<path d=\"M%u %uh10v%uh-%u\"/>", (unsigned) x, (unsigned) sent->y,
                          (unsigned) (y - sent->y), arrives ? 10 : 0);
    if (arrives) {
        page_write_arrow_head(page, x, y, false);
    } else {
        page_write_cross(page, x + 10, y);
    }
    ptk_sim_writer_text(page->writer, "</g>\n");
}

/* Draws the packet that a row belongs to, unless another row draws it. */
static void page_write_packet(const ptk_sim_page_t *page, size_t index) {
    const ptk_sim_timeline_row_t *row = &page->rows->rows[index];
    bool is_sent = row->entry->kind == PTK_SIM_TRACE_SEND;
    bool has_partner = row->partner != PTK_SIM_TIMELINE_NONE;
    const ptk_sim_timeline_row_t *partner = has_partner ? &page->rows->rows[row->partner] : NULL;
    if (is_sent ? has_partner : !has_partner) {
        return; /* drawn with its end, or sent before the trace began */
    }
    const ptk_sim_timeline_row_t *sent = is_sent ? row : partner;
    const ptk_sim_timeline_row_t *end = is_sent ? NULL : row;
    uint32_t from = ptk_sim_timeline_from(page->timeline, row->entry);
    uint32_t to = ptk_sim_timeline_to(page->timeline, row->entry);
    if (from == PTK_SIM_NO_HOST) {
        return;
    }
    if (to == PTK_SIM_NO_HOST || to == from) {
        page_write_loop(page, sent, end);
    } else {
        page_write_arrow(page, sent, end, end && sent->partner != index);
    }
}

/* Writes a packet's label beside its sender, on the side of the receiver. */
static void page_write_packet_label(const ptk_sim_page_t *page, const ptk_sim_timeline_row_t *row) {
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
        page->writer, "<g class=\"p%s l\"><text x=\"%u\" y=\"%u\" text-anchor=\"%s\">%s",
        page_packet_class(entry),
        (unsigned) (goes_right ? ptk_sim_page_x(page, from) + aside : ptk_sim_page_x(page, from) - aside),
        (unsigned) row->y - 3, goes_right ? "start" : "end",
        ptk_sim_timeline_packet(entry, text, sizeof text));
    if (entry->b >> 32 & PTK_SIM_FLAG_SYN) {
        ptk_sim_writer_format(page->writer, " %u&#8594;%u", (unsigned) (entry->c >> 16 & 0xFFFF),
                              (unsigned) (entry->c & 0xFFFF));
    }
    ptk_sim_writer_text(page->writer, "</text></g>\n");
}

/* The labels are drawn last, on top of all lines. */
void ptk_sim_page_packets(const ptk_sim_page_t *page) {
    for (size_t i = page->rows->first_shown; i < page->rows->count; i++) {
        const ptk_sim_trace_entry_t *entry = page->rows->rows[i].entry;
        if (entry->kind == PTK_SIM_TRACE_SEND || ptk_sim_timeline_is_end(entry)) {
            page_write_packet(page, i);
        }
    }
    for (size_t i = page->rows->first_shown; i < page->rows->count; i++) {
        if (page->rows->rows[i].entry->kind == PTK_SIM_TRACE_SEND) {
            page_write_packet_label(page, &page->rows->rows[i]);
        }
    }
}
