/* SPDX-License-Identifier: MIT */
/* What the layers of the page share (layer 5). */
#pragma once

#include "sim/world/ptk_sim_timeline_impl.h"

#define PTK_SIM_PAGE_GUTTER    96 /* for the times */
#define PTK_SIM_PAGE_HALF_STEP 12 /* for what belongs to the event before */

typedef struct ptk_sim_page {
    const ptk_sim_timeline_rows_t *rows;
    const ptk_sim_timeline_t *timeline;
    const ptk_sim_writer_t *writer;
    uint32_t column; /* between two hosts */
    uint32_t width;
    uint32_t height;
    size_t *since; /* per host and, behind those, per pair: the row where a band begins, or NONE */
    ptk_sim_timeline_state_t *states;
} ptk_sim_page_t;

/* The style sheet, and what the signs mean. */
void ptk_sim_page_style(const ptk_sim_page_t *page);
void ptk_sim_page_key(const ptk_sim_page_t *page);

/* Text, escaped; the first `most` characters of it, then an ellipsis. */
void ptk_sim_page_some(const ptk_sim_page_t *page, const char *text, size_t most);
void ptk_sim_page_all(const ptk_sim_page_t *page, const char *text);

/* Where a host's life line is. */
uint32_t ptk_sim_page_x(const ptk_sim_page_t *page, uint32_t host);

void ptk_sim_page_line(const ptk_sim_page_t *page, const char *look, uint32_t x1, uint32_t y1, uint32_t x2,
                       uint32_t y2);
void ptk_sim_page_rect(const ptk_sim_page_t *page, const char *look, uint32_t x, uint32_t y, uint32_t width,
                       uint32_t height);

/* The layer of packets, and the layer of their labels on top. */
void ptk_sim_page_packets(const ptk_sim_page_t *page);
