/* SPDX-License-Identifier: MIT */
/*
 * The elements that the page is made of. Looks are classes of one style sheet; a line or rectangle only names
 * its class.
 */
#include "sim/world/ptk_sim_timeline_page_impl.h"

/* Colours are variables, so that the dark variant replaces only those. */
static const char page_style[] =
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
    ".failure a{color:inherit}html{scroll-padding-top:96px}#failure:target circle{stroke-width:8}"
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
    ".green text{fill:var(--soft);font-size:9px}.green circle{fill:var(--soft);stroke:none}"
    "body:has(#greens:not(:checked)) .green{display:none}"
    ".end line{stroke:var(--bad);stroke-width:2}"
    ".key span{margin-right:16px;white-space:nowrap}.key b{font:600 11px ui-monospace,Menlo,monospace}";

static const char *const page_key[] = {
    "<span><b>S</b> SYN</span><span><b>F</b> FIN</span><span><b>R</b> RST</span><span><b>P</b> PSH</span>",
    "<span><b>U</b> URG</span><span><b>A</b> ACK</span><span>numbers: bytes of data</span>",
    "<span style=\"color:var(--bad)\">&#10005; lost</span>",
    "<span><span style=\"background:var(--badband)\">&nbsp;&nbsp;&nbsp;</span>down</span>",
    "<span><span style=\"background:var(--pauseband)\">&nbsp;&nbsp;&nbsp;</span>paused</span>",
    "<span><span style=\"background:var(--cutband)\">&nbsp;&nbsp;&nbsp;</span>partitioned</span>",
};

void ptk_sim_page_style(const ptk_sim_page_t *page) {
    ptk_sim_writer_text(page->writer, page_style);
}

void ptk_sim_page_key(const ptk_sim_page_t *page) {
    for (size_t i = 0; i < sizeof page_key / sizeof *page_key; i++) {
        ptk_sim_writer_text(page->writer, page_key[i]);
    }
}

/* A character of UTF-8 counts once. Control characters are replaced, since the text may come from a
   program. */
void ptk_sim_page_some(const ptk_sim_page_t *page, const char *text, size_t most) {
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

void ptk_sim_page_all(const ptk_sim_page_t *page, const char *text) {
    ptk_sim_page_some(page, text, SIZE_MAX);
}

uint32_t ptk_sim_page_x(const ptk_sim_page_t *page, uint32_t host) {
    return PTK_SIM_PAGE_GUTTER + page->column / 2 + host * page->column;
}

/* Positions are numbers, so nothing here needs escapes. */
void ptk_sim_page_line(const ptk_sim_page_t *page, const char *look, uint32_t x1, uint32_t y1, uint32_t x2,
                       uint32_t y2) {
    ptk_sim_writer_format(page->writer, "<line class=\"%s\" x1=\"%u\" y1=\"%u\" x2=\"%u\" y2=\"%u\"/>", look,
                          (unsigned) x1, (unsigned) y1, (unsigned) x2, (unsigned) y2);
}

void ptk_sim_page_rect(const ptk_sim_page_t *page, const char *look, uint32_t x, uint32_t y, uint32_t width,
                       uint32_t height) {
    ptk_sim_writer_format(page->writer,
                          "<rect class=\"%s\" x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" rx=\"3\"/>", look,
                          (unsigned) x, (unsigned) y, (unsigned) width, (unsigned) height);
}
