/* SPDX-License-Identifier: MIT */
/*
 * What the layers of the page have in common (internal).
 */
#pragma once

#include "sim/world/ptk_sim_timeline_impl.h"

#define PTK_SIM_PAGE_GUTTER    96 /* width of the column of times */
#define PTK_SIM_PAGE_HALF_STEP 12 /* distance of a row that belongs to the event before */

/* The page while it is drawn. */
typedef struct ptk_sim_page {
    const ptk_sim_timeline_rows_t *rows;
    const ptk_sim_timeline_t *timeline;
    const ptk_sim_writer_t *writer;
    uint32_t column; /* distance of two hosts */
    uint32_t width;
    uint32_t height; /* of the drawing */
    /* per host and, behind those, per pair: the row where a band begins, or PTK_SIM_TIMELINE_NONE */
    size_t *since;
    ptk_sim_timeline_state_t *states; /* per host, while the life lines are drawn */
} ptk_sim_page_t;

/* Write the style sheet, and the legend. */
void ptk_sim_page_style(const ptk_sim_page_t *page);
void ptk_sim_page_key(const ptk_sim_page_t *page);

/* Write a text with escapes: its first `most` characters and an ellipsis, or all of it. */
void ptk_sim_page_some(const ptk_sim_page_t *page, const char *text, size_t most);
void ptk_sim_page_all(const ptk_sim_page_t *page, const char *text);

/* Returns the position of a host's life line. */
uint32_t ptk_sim_page_x(const ptk_sim_page_t *page, uint32_t host);

/* Draw a line or a rectangle; `look` is a class of the style sheet. */
void ptk_sim_page_line(const ptk_sim_page_t *page, const char *look, uint32_t x1, uint32_t y1, uint32_t x2,
                       uint32_t y2);
void ptk_sim_page_rect(const ptk_sim_page_t *page, const char *look, uint32_t x, uint32_t y, uint32_t width,
                       uint32_t height);

/* Draws the packets, and their labels on top. */
void ptk_sim_page_packets(const ptk_sim_page_t *page);
