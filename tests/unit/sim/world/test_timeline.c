/* SPDX-License-Identifier: MIT */
#include "ptk_test.h"

#include "base/ptk_choice.h"
#include "base/ptk_thread.h"
#include "sim/kernel/ptk_sim_fault.h"
#include "sim/kernel/ptk_sim_net.h"
#include "sim/kernel/ptk_sim_site.h"
#include "sim/world/ptk_sim_timeline.h"
#include "sim/world/ptk_sim_timeline_impl.h"
#include <stdlib.h>
#include <string.h>

#define US 1000

typedef struct page {
    char *text;
    size_t bytes;
    size_t capacity;
} page_t;

static const char *const hosts[] = {"client", "server", "store"};
static const char *const labels[] = {"request", "<b>&\"\x01"};

static void append(void *context, const char *text, size_t bytes) {
    page_t *page = context;
    if (page->bytes + bytes + 1 > page->capacity) {
        page->capacity = 2 * (page->bytes + bytes + 1);
        page->text = realloc(page->text, page->capacity);
        CHECK(page->text != NULL);
    }
    memcpy(page->text + page->bytes, text, bytes);
    page->bytes += bytes;
    page->text[page->bytes] = '\0';
}

static page_t draw(void (*how)(const ptk_sim_timeline_t *timeline, const ptk_sim_writer_t *writer),
                   const ptk_sim_timeline_t *timeline) {
    page_t page = {0};
    how(timeline, &(ptk_sim_writer_t) {append, &page});
    CHECK(page.text != NULL);
    return page;
}

static ptk_sim_timeline_t timeline_of(const ptk_sim_trace_t *trace) {
    return (ptk_sim_timeline_t) {
        .trace = trace, .hosts = hosts, .host_count = 3, .labels = labels, .label_count = 2};
}

static size_t occurrences(const char *text, const char *part) {
    size_t count = 0;
    while ((text = strstr(text, part)) != NULL) {
        count++;
        text += strlen(part);
    }
    return count;
}

static void add(ptk_sim_trace_t *trace, uint64_t at_us, ptk_sim_trace_kind_t kind, uint32_t host, uint64_t a,
                uint64_t b, uint64_t c) {
    ptk_sim_trace_add(
        trace, &(ptk_sim_trace_entry_t) {
                   .at_ns = at_us * US, .kind = (uint32_t) kind, .host = host, .a = a, .b = b, .c = c});
}

static uint64_t packet_summary(uint32_t flags, uint32_t bytes) {
    return (uint64_t) flags << 32 | bytes;
}

/* Returns the c of a packet's entries: its number and its ports. */
static uint64_t packet(uint32_t number) {
    return (uint64_t) number << 32 | UINT64_C(40000) << 16 | 502;
}

static void send_one(ptk_sim_trace_t *trace, uint64_t at_us, uint32_t number, uint32_t from, uint32_t to,
                     uint64_t what) {
    add(trace, at_us, PTK_SIM_TRACE_SEND, from, to, what, packet(number));
}

static void end_one(ptk_sim_trace_t *trace, uint64_t at_us, uint32_t number, ptk_sim_trace_kind_t kind,
                    uint32_t from, uint32_t to, uint64_t what) {
    add(trace, at_us, kind, to, from, what, packet(number));
}

/* Records a run that has entries of every kind. */
static void record_run(ptk_sim_trace_t *trace) {
    uint64_t syn = packet_summary(PTK_SIM_FLAG_SYN, 0);
    uint64_t data = packet_summary(PTK_SIM_FLAG_PSH | PTK_SIM_FLAG_ACK, 512);
    ptk_sim_trace_init(trace, true);
    add(trace, 0, PTK_SIM_TRACE_START, PTK_SIM_NO_HOST, 42, 0, 0);
    add(trace, 0, PTK_SIM_TRACE_HOST, 0, 1, 0, 0);
    add(trace, 0, PTK_SIM_TRACE_HOST, 1, 1, 0, 0);
    add(trace, 10, PTK_SIM_TRACE_CHOICE, PTK_SIM_NO_HOST, 102, 2, 1);
    send_one(trace, 10, 1, 0, 1, syn);
    end_one(trace, 10, 1, PTK_SIM_TRACE_DROP, 0, 1, syn);
    send_one(trace, 200010, 2, 0, 1, syn);
    end_one(trace, 200160, 2, PTK_SIM_TRACE_DELIVER, 0, 1, syn);
    send_one(trace, 200170, 3, 1, 0, data);
    add(trace, 200200, PTK_SIM_TRACE_SUSPEND, 0, UINT64_MAX, 0, 0);
    end_one(trace, 200320, 3, PTK_SIM_TRACE_DELIVER, 1, 0, data);
    add(trace, 200321, PTK_SIM_TRACE_NOTE, 0, 7, 8, 1);
    add(trace, 200322, PTK_SIM_TRACE_FAULT, 0, PTK_SIM_FAULT_PARTITION, 2, 0);
    add(trace, 200323, PTK_SIM_TRACE_FAULT, 1, PTK_SIM_FAULT_CRASH, 0, 0);
    send_one(trace, 200330, 4, 0, 1, data);
    end_one(trace, 200430, 4, PTK_SIM_TRACE_DROP, 0, 1, data);
    add(trace, 200440, PTK_SIM_TRACE_FAULT, 0, PTK_SIM_FAULT_HEAL, 2, 0);
    add(trace, 200440, PTK_SIM_TRACE_HOST, 0, 0, (uint64_t) -16, 0);
    add(trace, 200440, PTK_SIM_TRACE_END, PTK_SIM_NO_HOST, 6, 0, 0);
}

/* clang-format off */
static const char expected[] =
    "lost & found\n"
    "\n"
    "          ms  client          server          store           \n"
    "       0.000  .               .               .                 seed 42\n"
    "       0.000  [               .               .                 client: starts\n"
    "       0.000  |               [               .                 server: starts\n"
    "       0.010  |--- S -X       |               .                 client to server, 40000 to 502, lost\n"
    "     200.010  o- S -          |               .               "
    "  client to server, 40000 to 502, arrives at 200.160\n"
    "     200.160  |--- S -------->|               .               "
    "  client to server, 40000 to 502, sent at 200.010\n"
    "     200.170  |     - PA 512 -o               .               "
    "  server to client, 40000 to 502, arrives at 200.320\n"
    "     200.320  |<--- PA 512 ---|               .               "
    "  server to client, 40000 to 502, sent at 200.170\n"
    "     200.321  *               |               .                 client: request 7 8\n"
    "     200.322  !               |               .                 client: partitioned from store\n"
    "     200.323  |               !               .                 server: crash\n"
    "     200.330  o- PA 512 -     .               .               "
    "  client to server, 40000 to 502, lost at 200.430\n"
    "     200.430  |--- PA 512 -X  .               .               "
    "  client to server, 40000 to 502, lost, sent at 200.330\n"
    "     200.440  !               .               .                 client: partition from store heals\n"
    "     200.440  ]               .               .                 client: ends: -16\n"
    "     200.440  .               .               .                 end: check\n"
    "\n"
    "FAILED: it is\n"
    "lost\n";
/* clang-format on */

TEST(the_text_has_columns_arrows_and_descriptions) {
    ptk_sim_trace_t trace;
    record_run(&trace);
    ptk_sim_timeline_t timeline = timeline_of(&trace);
    timeline.title = "lost & found";
    timeline.failure = "it is\nlost";
    page_t page = draw(ptk_sim_timeline_text, &timeline);
    CHECK_STR(page.text, expected);
    free(page.text);
    ptk_sim_trace_fini(&trace);
}

TEST(the_text_has_suspensions_and_decisions_only_with_the_flag_all) {
    ptk_sim_trace_t trace;
    record_run(&trace);
    ptk_sim_timeline_t timeline = timeline_of(&trace);
    page_t page = draw(ptk_sim_timeline_text, &timeline);
    CHECK(!strstr(page.text, "choice") && !strstr(page.text, "waits"));
    free(page.text);
    timeline.flags = PTK_SIM_TIMELINE_ALL;
    page = draw(ptk_sim_timeline_text, &timeline);
    CHECK(strstr(page.text, "choice LOSS: 1 of 2\n") != NULL);
    CHECK(strstr(page.text, "client: waits until woken\n") != NULL);
    free(page.text);
    page = draw(ptk_sim_timeline_html, &timeline);
    CHECK(!strstr(page.text, "choice") && !strstr(page.text, "waits"));
    free(page.text);
    ptk_sim_trace_fini(&trace);
}

TEST(only_the_last_events_are_shown_if_there_is_a_limit) {
    ptk_sim_trace_t trace;
    record_run(&trace);
    ptk_sim_timeline_t timeline = timeline_of(&trace);
    timeline.event_limit = 5;
    page_t page = draw(ptk_sim_timeline_text, &timeline);
    CHECK_EQ(occurrences(page.text, "\n"), 7);
    CHECK(strstr(page.text, "(12 earlier events are left out)\n") != NULL);
    /* Events before the limit still count: the server is down. */
    CHECK(strstr(page.text, "200.430  |--- PA 512 -X  .  ") != NULL);
    free(page.text);
    page = draw(ptk_sim_timeline_html, &timeline);
    CHECK(strstr(page.text, " 12 earlier events are left out.") != NULL);
    CHECK_EQ(occurrences(page.text, "class=\"x\""), 1);
    free(page.text);
    ptk_sim_trace_fini(&trace);
}

/* The text says where each packet was sent, arrived or was lost. */
TEST(each_end_of_a_packet_names_its_other_end) {
    uint64_t data = packet_summary(PTK_SIM_FLAG_ACK, 5);
    ptk_sim_trace_t trace;
    ptk_sim_trace_init(&trace, true);
    add(&trace, 0, PTK_SIM_TRACE_START, PTK_SIM_NO_HOST, 1, 0, 0);
    send_one(&trace, 1000, 1, 0, 1, data);
    send_one(&trace, 2000, 2, 0, 1, data);
    send_one(&trace, 3000, 3, 0, 1, data);
    end_one(&trace, 3000, 3, PTK_SIM_TRACE_DROP, 0, 1, data); /* lost at once */
    send_one(&trace, 3500, 4, 0, 2, data);                    /* packets between other hosts have no effect */
    send_one(&trace, 3500, 5, 1, 0, data);
    end_one(&trace, 4000, 2, PTK_SIM_TRACE_DELIVER, 0, 1, data); /* overtakes the first */
    end_one(&trace, 5000, 1, PTK_SIM_TRACE_DROP, 0, 1, data);    /* lost in flight */
    end_one(&trace, 6000, 5, PTK_SIM_TRACE_DELIVER, 1, 0, data);
    end_one(&trace, 7000, 5, PTK_SIM_TRACE_DELIVER, 1, 0, data); /* a duplicate */
    send_one(&trace, 8000, 6, 0, 1, data);
    end_one(&trace, 9000, 6, PTK_SIM_TRACE_DELIVER, 0, 1, data);
    end_one(&trace, 9500, 7, PTK_SIM_TRACE_DELIVER, 2, 1, data); /* was never sent */
    ptk_sim_timeline_t timeline = timeline_of(&trace);
    page_t page = draw(ptk_sim_timeline_text, &timeline);
    static const char *const lines[] = {
        "       1.000  o- A 5 -        .               .                 client to server, 40000 to 502, "
        "lost at "
        "5.000\n",
        "       2.000  o- A 5 -        .               .                 client to server, 40000 to 502, "
        "arrives "
        "at 4.000\n",
        "40000 to 502, lost\n",
        "client to store, 40000 to 502, never arrives\n",
        "       3.500  .        - A 5 -o               .                 server to client, 40000 to 502, "
        "arrives "
        "at 6.000\n",
        "40000 to 502, sent at 2.000\n",
        "40000 to 502, lost, sent at 1.000\n",
        "40000 to 502, sent at 3.500\n",
        "40000 to 502, duplicate, sent at 3.500\n",
        "40000 to 502, sent at 8.000\n",
        "store to server, 40000 to 502\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        CHECK_EQ(occurrences(page.text, lines[i]), 1);
    }
    free(page.text);
    page = draw(ptk_sim_timeline_html, &timeline);
    CHECK_EQ(occurrences(page.text, " copy\">"), 1);
    CHECK_EQ(occurrences(page.text, "class=\"x\""), 2);
    free(page.text);
    ptk_sim_trace_fini(&trace);
}

TEST(the_page_has_every_event_and_escapes_texts) {
    static const char *const evil[] = {"<script>alert(1)</script>", "a&b\"c", NULL};
    ptk_sim_trace_t trace;
    record_run(&trace);
    add(&trace, 200500, PTK_SIM_TRACE_NOTE, 1, 1, 2, 2);
    ptk_sim_timeline_t timeline = timeline_of(&trace);
    timeline.hosts = evil;
    timeline.title = "</title><script>";
    timeline.failure = "a < b && \"c\"\x1b[31m";
    page_t page = draw(ptk_sim_timeline_html, &timeline);
    CHECK_EQ(occurrences(page.text, "<script"), 0);
    CHECK_EQ(occurrences(page.text, "http"), 0);
    CHECK_EQ(occurrences(page.text, "<div class=\"failure\"><a href=\"#end\">Failed: "
                                    "a &lt; b &amp;&amp; &quot;c&quot;?[31m</a></div>"),
             2);
    CHECK_EQ(occurrences(page.text, "id=\"end\""), 1);
    CHECK(strstr(page.text, "&lt;b&gt;&amp;&quot;? 1 2</text>") != NULL);
    CHECK(strstr(page.text, "<title>&lt;/title&gt;&lt;script&gt;</title>") != NULL);
    CHECK(strstr(page.text, "prefers-color-scheme:dark") != NULL);
    CHECK_EQ(occurrences(page.text, "class=\"x\""), 2);
    CHECK_EQ(occurrences(page.text, "class=\"down\" x"), 1);
    CHECK_EQ(occurrences(page.text, "class=\"cut\" x"), 1);
    CHECK_EQ(occurrences(page.text, ">+200.000 ms<"), 1);
    CHECK_EQ(occurrences(page.text, "<svg"), occurrences(page.text, "</svg>"));
    CHECK_EQ(occurrences(page.text, "<g "), occurrences(page.text, "</g>"));
    CHECK_EQ(occurrences(page.text, "<text"), occurrences(page.text, "</text>"));
    free(page.text);
    page = draw(ptk_sim_timeline_text, &timeline);
    for (size_t i = 0; i < page.bytes; i++) {
        CHECK(page.text[i] == '\n' || (page.text[i] >= ' ' && page.text[i] < 127));
    }
    free(page.text);
    ptk_sim_trace_fini(&trace);
}

/* Returns the height of the only band with a class. */
static long height_of(const char *page, const char *look) {
    const char *band = strstr(page, look);
    CHECK(band != NULL);
    const char *height = strstr(band, "height=\"");
    CHECK(height != NULL);
    return strtol(height + strlen("height=\""), NULL, 10);
}

/* Each event takes 20: a band is as long as the events that it covers. */
TEST(bands_are_as_long_as_their_state) {
    ptk_sim_trace_t trace;
    ptk_sim_trace_init(&trace, true);
    add(&trace, 1, PTK_SIM_TRACE_HOST, 0, 1, 0, 0);
    add(&trace, 2, PTK_SIM_TRACE_FAULT, 0, PTK_SIM_FAULT_CRASH, 0, 0);
    add(&trace, 3, PTK_SIM_TRACE_HOST, 0, 0, 0, 0); /* it ends, and is still down */
    add(&trace, 4, PTK_SIM_TRACE_FAULT, 1, PTK_SIM_FAULT_PAUSE, 0, 0);
    add(&trace, 5, PTK_SIM_TRACE_FAULT, 2, PTK_SIM_FAULT_PARTITION, 0, 0);
    add(&trace, 6, PTK_SIM_TRACE_FAULT, 0, PTK_SIM_FAULT_RESTART, 0, 0);
    add(&trace, 7, PTK_SIM_TRACE_FAULT, 2, PTK_SIM_FAULT_HEAL, 1, 0); /* another pair */
    add(&trace, 8, PTK_SIM_TRACE_FAULT, 1, PTK_SIM_FAULT_RESUME, 0, 0);
    ptk_sim_timeline_t timeline = timeline_of(&trace);
    page_t page = draw(ptk_sim_timeline_html, &timeline);
    CHECK_EQ(height_of(page.text, "class=\"down\" x"), 4 * 20);
    CHECK_EQ(height_of(page.text, "class=\"pause\" x"), 4 * 20);
    CHECK_EQ(height_of(page.text, "class=\"cut\" x"), 4 * 20); /* to the bottom, one below the last */
    CHECK_EQ(occurrences(page.text, " height=\"0\""), 0);
    free(page.text);
    add(&trace, 9, PTK_SIM_TRACE_FAULT, 2, PTK_SIM_FAULT_HEAL, 0, 0);
    page = draw(ptk_sim_timeline_html, &timeline);
    CHECK_EQ(height_of(page.text, "class=\"cut\" x"), 4 * 20);
    free(page.text);
    add(&trace, 10, PTK_SIM_TRACE_NOTE, 0, 1, 2, 99); /* a label that does not exist */
    page = draw(ptk_sim_timeline_html, &timeline);
    CHECK_EQ(height_of(page.text, "class=\"cut\" x"), 4 * 20);
    CHECK(strstr(page.text, ">note 1 2</text>") != NULL);
    free(page.text);
    ptk_sim_trace_fini(&trace);
}

/* A world need not start at 0; times are shown since its start. */
TEST(times_begin_with_the_trace) {
    ptk_sim_trace_t trace;
    ptk_sim_trace_init(&trace, true);
    add(&trace, 1000000000, PTK_SIM_TRACE_START, PTK_SIM_NO_HOST, 1, 0, 0);
    send_one(&trace, 1000001500, 1, 0, 1, packet_summary(PTK_SIM_FLAG_SYN, 0));
    end_one(&trace, 1000002001, 1, PTK_SIM_TRACE_DELIVER, 0, 1, packet_summary(PTK_SIM_FLAG_SYN, 0));
    ptk_sim_timeline_t timeline = timeline_of(&trace);
    page_t page = draw(ptk_sim_timeline_text, &timeline);
    CHECK(strstr(page.text, "\n       1.500  o- S -") != NULL);
    CHECK(strstr(page.text, "arrives at 2.001\n") != NULL);
    free(page.text);
    page = draw(ptk_sim_timeline_html, &timeline);
    CHECK(strstr(page.text, ">1.500</text>") != NULL);
    CHECK(strstr(page.text, "sent at 1.500 ms\narrives at 2.001 ms") != NULL);
    free(page.text);
    ptk_sim_trace_fini(&trace);
}

TEST(packets_that_differ_are_not_confused) {
    uint64_t small = packet_summary(PTK_SIM_FLAG_ACK, 5);
    uint64_t large = packet_summary(PTK_SIM_FLAG_ACK, 500);
    ptk_sim_trace_t trace;
    ptk_sim_trace_init(&trace, true);
    add(&trace, 0, PTK_SIM_TRACE_START, PTK_SIM_NO_HOST, 1, 0, 0);
    send_one(&trace, 1000, 1, 0, 1, small);
    send_one(&trace, 2000, 2, 0, 1, large);
    end_one(&trace, 3000, 2, PTK_SIM_TRACE_DELIVER, 0, 1, large);
    send_one(&trace, 4000, 3, 0, 1, small);
    send_one(&trace, 4000, 4, 0, 2, large);
    end_one(&trace, 4000, 1, PTK_SIM_TRACE_DROP, 0, 1, small); /* now, and sent long ago */
    send_one(&trace, 5000, 5, 2, 1, small);
    ptk_sim_timeline_t timeline = timeline_of(&trace);
    page_t page = draw(ptk_sim_timeline_text, &timeline);
    CHECK_EQ(occurrences(page.text, "40000 to 502, sent at 2.000\n"), 1);
    CHECK_EQ(occurrences(page.text, "40000 to 502, lost, sent at 1.000\n"), 1);
    CHECK_EQ(occurrences(page.text, "40000 to 502, never arrives\n"), 3);
    free(page.text);
    page = draw(ptk_sim_timeline_html, &timeline);
    CHECK_EQ(occurrences(page.text, "<g class=\"p lost\"><title>"), 4); /* three of them on their way */
    CHECK_EQ(occurrences(page.text, "class=\"x\""), 1);
    free(page.text);
    ptk_sim_trace_fini(&trace);
}

/* The first packet arrives at once and again a millisecond later; the second, which looks the same, arrives
   in between. */
static uint32_t choose_a_late_copy(ptk_choice_oracle_t *oracle, uint32_t site, uint32_t count) {
    static uint32_t latencies;
    static uint32_t duplicates;
    (void) oracle, (void) count;
    switch (site) {
    case PTK_SIM_SITE_LATENCY:
        return latencies++ == 1;
    case PTK_SIM_SITE_DUPLICATE:
        return duplicates++ == 0;
    default:
        return site == PTK_SIM_SITE_REORDER;
    }
}

static void send_data(ptk_sim_node_t *from, const ptk_sim_addr_t *to) {
    ptk_sim_packet_t *data = ptk_sim_packet_create(from->net, 5);
    data->to = *to;
    data->flags = PTK_SIM_FLAG_ACK;
    ptk_sim_packet_send(from, data);
}

static void wait_us(ptk_sim_event_t *event) {
    (void) event;
}

TEST(copies_of_one_packet_lead_to_their_own_arrivals) {
    ptk_choice_oracle_t oracle = {choose_a_late_copy};
    ptk_sim_event_t later = {.fire = wait_us};
    ptk_sim_addr_t to = {.bytes = {1}};
    ptk_sim_net_t net;
    ptk_sim_net_init(&net);
    net.trace.keeps = true;
    net.default_link =
        (ptk_sim_link_t) {.latency_ns = 500 * US, .latency_step_ns = 1000 * US, .latency_steps = 2};
    ptk_sim_node_t *client = ptk_sim_net_add(&net);
    CHECK(ptk_sim_node_add_address(ptk_sim_net_add(&net), &to));
    ptk_thread()->oracle = &oracle;
    send_data(client, &to);
    ptk_sim_event_queue_insert(&net.events, &later, 100 * US);
    CHECK(ptk_sim_event_queue_step(&net.events));
    send_data(client, &to);
    while (ptk_sim_event_queue_step(&net.events)) {
    }
    ptk_thread()->oracle = NULL;
    ptk_sim_timeline_t timeline = timeline_of(&net.trace);
    page_t page = draw(ptk_sim_timeline_text, &timeline);
    static const char expected_lines[] = "       0.000  o- A 5 -        .               .               "
                                         "  client to server, 0 to 0, arrives at 0.500\n"
                                         "       0.100  o- A 5 -        .               .               "
                                         "  client to server, 0 to 0, arrives at 0.600\n"
                                         "       0.500  .--- A 5 ------>.               .               "
                                         "  client to server, 0 to 0, sent at 0.000\n"
                                         "       0.600  .--- A 5 ------>.               .               "
                                         "  client to server, 0 to 0, sent at 0.100\n"
                                         "       1.500  .--- A 5 ------>.               .               "
                                         "  client to server, 0 to 0, duplicate, sent at 0.000\n";
    CHECK_EQ(occurrences(page.text, expected_lines), 1);
    free(page.text);
    ptk_sim_net_fini(&net);
}

/* Draws traces of random entries, with host numbers that do not exist and times that go back. */
TEST(any_trace_can_be_drawn) {
    ptk_test_random_t random = {5};
    for (uint32_t run = 0; run < 300; run++) {
        ptk_sim_trace_t trace;
        ptk_sim_trace_init(&trace, true);
        for (uint64_t i = ptk_test_random_below(&random, 200); i > 0; i--) {
            ptk_sim_trace_entry_t entry = {
                .at_ns = ptk_test_random_below(&random, 2) ? ptk_test_random(&random) : i,
                .a = ptk_test_random_below(&random, 12) ? ptk_test_random_below(&random, 11) : UINT64_MAX,
                .b = ptk_test_random_below(&random, 2) ? ptk_test_random_below(&random, 4)
                                                       : ptk_test_random(&random),
                .c = ptk_test_random_below(&random, 3),
                .kind = (uint32_t) ptk_test_random_below(&random, 16),
                .host = ptk_test_random_below(&random, 9) ? (uint32_t) ptk_test_random_below(&random, 5)
                                                          : PTK_SIM_NO_HOST};
            ptk_sim_trace_add(&trace, &entry);
        }
        ptk_sim_timeline_t timeline = timeline_of(&trace);
        timeline.host_count = run % 4;
        timeline.flags = run % 8 < 4 ? PTK_SIM_TIMELINE_ALL : 0;
        timeline.event_limit = run % 3 ? 0 : 50;
        page_t page = draw(ptk_sim_timeline_text, &timeline);
        free(page.text);
        page = draw(ptk_sim_timeline_html, &timeline);
        CHECK_EQ(occurrences(page.text, "<g "), occurrences(page.text, "</g>"));
        free(page.text);
        ptk_sim_trace_fini(&trace);
    }
}

/* --- what an event is called --- */

TEST(each_kind_of_event_has_its_text) {
    static char name[] = "serve";
    static char waits_for[] = "recv";
    static char *const strings[] = {name, waits_for};
    static const struct {
        ptk_sim_trace_kind_t kind;
        uint64_t a, b, c;
        const char *text;
    } events[] = {
        {PTK_SIM_TRACE_START, 7, 0, 0, "seed 7"},
        {PTK_SIM_TRACE_CHOICE, 4711, 3, 2, "choice 4711: 2 of 3"},
        {PTK_SIM_TRACE_RESUME, 0, 0, 0, "runs"},
        {PTK_SIM_TRACE_SUSPEND, UINT64_MAX, 0, 0, "waits until woken"},
        {PTK_SIM_TRACE_CALL, 5, 3, (uint64_t) -11, "call 5 on 3: -11"},
        {PTK_SIM_TRACE_NOTE, 1, 2, 1, "request 1 2"},
        {PTK_SIM_TRACE_NOTE, 1, 2, 3, "note 1 2"},
        {PTK_SIM_TRACE_GREEN, 4, 1, (uint64_t) PTK_SIM_GREEN_BEGINS << 32, "serve#4 starts"},
        {PTK_SIM_TRACE_GREEN, 4, 1, (uint64_t) PTK_SIM_GREEN_WAITS << 32 | 2, "serve#4 waits for recv"},
        {PTK_SIM_TRACE_GREEN, 4, 1, (uint64_t) PTK_SIM_GREEN_RESUMES << 32, "serve#4 resumes"},
        {PTK_SIM_TRACE_GREEN, 4, 1, (uint64_t) PTK_SIM_GREEN_RESUMES << 32 | PTK_ERR_TIMEOUT,
         "serve#4 resumes: PTK_ERR_TIMEOUT"},
        {PTK_SIM_TRACE_GREEN, 4, 3, (uint64_t) PTK_SIM_GREEN_ENDS << 32, "?#4 ends"},
        {(ptk_sim_trace_kind_t) 99, 0, 0, 0, "event 99"},
    };
    ptk_sim_trace_t trace = {0};
    ptk_sim_timeline_t timeline = timeline_of(&trace);
    timeline.green_strings = strings;
    timeline.green_string_count = 2;
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        char text[100] = "nothing";
        const ptk_sim_trace_entry_t entry = {
            .kind = (uint32_t) events[i].kind, .a = events[i].a, .b = events[i].b, .c = events[i].c};
        CHECK_STR(ptk_sim_timeline_describe(&timeline, &entry, text, sizeof text), events[i].text);
    }
}

TEST(the_failure_box_of_a_page_links_to_the_place) {
    ptk_sim_trace_t trace;
    record_run(&trace);
    uint64_t hash = trace.hash[0];
    ptk_sim_trace_add_unhashed(
        &trace,
        &(ptk_sim_trace_entry_t) {.at_ns = 200440 * US, .a = 6, .kind = PTK_SIM_TRACE_FAILURE, .host = 1});
    CHECK_EQ(trace.hash[0], hash);
    add(&trace, 200450, PTK_SIM_TRACE_HOST, 2, 1, 0, 0);
    ptk_sim_timeline_t timeline = timeline_of(&trace);
    timeline.failure = "it";
    page_t page = draw(ptk_sim_timeline_html, &timeline);
    CHECK_EQ(occurrences(page.text, "<a href=\"#failure\">Failed: it</a>"), 2);
    CHECK_EQ(occurrences(page.text, "<g id=\"failure\" class=\"e bad\">"), 1);
    CHECK(strstr(strstr(page.text, "id=\"failure\""), "FAILS</text>") != NULL);
    free(page.text);
    page = draw(ptk_sim_timeline_text, &timeline);
    CHECK(strstr(page.text, "  .               #               .                 server: FAILS\n") != NULL);
    free(page.text);
    /* Beyond the limit there is no place to link to but the end. */
    timeline.event_limit = 1;
    page = draw(ptk_sim_timeline_html, &timeline);
    CHECK_EQ(occurrences(page.text, "#failure\">"), 0);
    CHECK_EQ(occurrences(page.text, "<a href=\"#end\">Failed: it</a>"), 2);
    free(page.text);
    ptk_sim_trace_fini(&trace);
}
