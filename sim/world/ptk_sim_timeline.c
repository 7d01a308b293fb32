/* SPDX-License-Identifier: MIT */
/*
 * Rows are the entries of a trace that are drawn, with each end of a packet (delivered, dropped, refused)
 * joined to where it was sent. A packet has a number, which its ends have too, so arrows cross where packets
 * overtook each other and nowhere else. The first end of a packet is its own, any other one that of a
 * duplicate. A drop at the time of the sending is a loss on the way out.
 *
 * Sent packets are found in a hash table, which is at most half full. An end that does not repeat what was
 * sent, number and all, belongs to nothing: a trace may be anything.
 */
#include "sim/world/ptk_sim_timeline_impl.h"

#include <ptk_sim.h>

#include "base/ptk_assert.h"
#include "sim/kernel/ptk_sim_fault.h"
#include "sim/kernel/ptk_sim_memory.h"
#include "sim/world/ptk_sim_oracle.h"
#include "sys/ptk_sys.h"

/* Sent packets: a hash table of rows by packet. */
typedef struct sent_table {
    const ptk_sim_timeline_rows_t *rows;
    size_t *places; /* PTK_SIM_TIMELINE_NONE: the slot is free */
    size_t mask;
} sent_table_t;

/* --- entries ----------------------------------------------------------------------------------------- */

/* Returns the host's number, or PTK_SIM_NO_HOST if the timeline has no such host. */
static uint32_t timeline_known_host(const ptk_sim_timeline_t *timeline, uint64_t host) {
    return host < timeline->host_count ? (uint32_t) host : PTK_SIM_NO_HOST;
}

bool ptk_sim_timeline_is_end(const ptk_sim_trace_entry_t *entry) {
    return entry->kind == PTK_SIM_TRACE_DELIVER || entry->kind == PTK_SIM_TRACE_DROP ||
           entry->kind == PTK_SIM_TRACE_REFUSED;
}

uint32_t ptk_sim_timeline_from(const ptk_sim_timeline_t *timeline, const ptk_sim_trace_entry_t *entry) {
    return timeline_known_host(timeline, entry->kind == PTK_SIM_TRACE_SEND ? entry->host : entry->a);
}

uint32_t ptk_sim_timeline_to(const ptk_sim_timeline_t *timeline, const ptk_sim_trace_entry_t *entry) {
    return timeline_known_host(timeline, entry->kind == PTK_SIM_TRACE_SEND ? entry->a : entry->host);
}

uint32_t ptk_sim_timeline_host(const ptk_sim_timeline_t *timeline, const ptk_sim_trace_entry_t *entry) {
    return timeline_known_host(timeline, entry->host);
}

const char *ptk_sim_timeline_name(const ptk_sim_timeline_t *timeline, uint64_t host) {
    return host < timeline->host_count && timeline->hosts[host] ? timeline->hosts[host] : "no host";
}

/* A host that is down is unwound and so ends; it stays DOWN until it restarts. */
ptk_sim_timeline_state_t ptk_sim_timeline_state(ptk_sim_timeline_state_t before,
                                                const ptk_sim_trace_entry_t *entry) {
    if (entry->kind == PTK_SIM_TRACE_HOST) {
        bool keeps_down = before == PTK_SIM_TIMELINE_DOWN && !entry->a;
        return entry->a ? PTK_SIM_TIMELINE_UP : keeps_down ? before : PTK_SIM_TIMELINE_ABSENT;
    }
    if (entry->kind != PTK_SIM_TRACE_FAULT) {
        return before;
    }
    switch (entry->a) {
    case PTK_SIM_FAULT_CRASH:
        return PTK_SIM_TIMELINE_DOWN;
    case PTK_SIM_FAULT_PAUSE:
        return PTK_SIM_TIMELINE_PAUSED;
    case PTK_SIM_FAULT_RESTART:
        return PTK_SIM_TIMELINE_UP;
    case PTK_SIM_FAULT_RESUME:
        return before == PTK_SIM_TIMELINE_PAUSED ? PTK_SIM_TIMELINE_UP : before;
    default:
        return before;
    }
}

/* --- joining ----------------------------------------------------------------------------------------- */

/* Returns whether two entries are about the same packet. */
static bool timeline_is_same_packet(const ptk_sim_timeline_t *timeline, const ptk_sim_trace_entry_t *one,
                                    const ptk_sim_trace_entry_t *other) {
    return one->b == other->b && one->c == other->c &&
           ptk_sim_timeline_from(timeline, one) == ptk_sim_timeline_from(timeline, other) &&
           ptk_sim_timeline_to(timeline, one) == ptk_sim_timeline_to(timeline, other);
}

/* Returns the slot that holds the packet of an entry, or the free one where it is to be inserted. */
static size_t *sent_table_find(const sent_table_t *table, const ptk_sim_trace_entry_t *entry) {
    const ptk_sim_timeline_rows_t *rows = table->rows;
    size_t at = (size_t) ((entry->c >> 32) * UINT64_C(0x9E3779B97F4A7C15) >> 32) & table->mask;
    while (table->places[at] != PTK_SIM_TIMELINE_NONE &&
           !timeline_is_same_packet(rows->timeline, rows->rows[table->places[at]].entry, entry)) {
        at = (at + 1) & table->mask;
    }
    return &table->places[at];
}

/* Joins an end to its packet. Only the first end becomes the packet's own. */
static void timeline_join(ptk_sim_timeline_row_t *rows, size_t sent, size_t end) {
    bool is_first = rows[sent].partner == PTK_SIM_TIMELINE_NONE;
    rows[end].partner = sent;
    if (is_first) {
        rows[sent].partner = end;
        rows[sent].is_lost_now = rows[end].is_lost_now = rows[end].entry->kind != PTK_SIM_TRACE_DELIVER &&
                                                         rows[end].entry->at_ns == rows[sent].entry->at_ns;
    }
}

/* Makes an empty table, at least twice as large as there are rows. */
static void sent_table_init(sent_table_t *table, const ptk_sim_timeline_rows_t *rows) {
    size_t places = 16;
    while (places < 2 * rows->count) {
        places *= 2;
    }
    *table = (sent_table_t) {.rows = rows, .mask = places - 1};
    table->places = ptk_sim_allocate(places * sizeof *table->places);
    for (size_t i = 0; i < places; i++) {
        table->places[i] = PTK_SIM_TIMELINE_NONE;
    }
}

/* Joins all ends to their packets. */
static void timeline_join_packets(ptk_sim_timeline_rows_t *rows) {
    sent_table_t table;
    sent_table_init(&table, rows);
    for (size_t i = 0; i < rows->count; i++) {
        const ptk_sim_trace_entry_t *entry = rows->rows[i].entry;
        if (entry->kind == PTK_SIM_TRACE_SEND) {
            *sent_table_find(&table, entry) = i;
        } else if (ptk_sim_timeline_is_end(entry) &&
                   *sent_table_find(&table, entry) != PTK_SIM_TIMELINE_NONE) {
            timeline_join(rows->rows, *sent_table_find(&table, entry), i);
        }
    }
    ptk_sim_free(table.places);
}

/* --- rows -------------------------------------------------------------------------------------------- */

/* Returns whether an entry is drawn only with PTK_SIM_TIMELINE_ALL. */
static bool timeline_is_detail(const ptk_sim_trace_entry_t *entry) {
    return entry->kind == PTK_SIM_TRACE_CHOICE || entry->kind == PTK_SIM_TRACE_RESUME ||
           entry->kind == PTK_SIM_TRACE_SUSPEND || entry->kind == PTK_SIM_TRACE_CALL;
}

/* Rows before the limit are kept without being shown: the state of a host depends on them. */
void ptk_sim_timeline_rows_init(ptk_sim_timeline_rows_t *rows, const ptk_sim_timeline_t *timeline,
                                bool shows_all, size_t event_limit) {
    const ptk_sim_trace_t *trace = timeline->trace;
    ptk_assert(trace->keeps);
    *rows = (ptk_sim_timeline_rows_t) {.timeline = timeline};
    rows->rows = ptk_sim_allocate(((size_t) trace->count + 1) * sizeof *rows->rows);
    for (size_t i = 0; i < trace->count; i++) {
        const ptk_sim_trace_entry_t *entry = &trace->entries[i];
        if (shows_all || !timeline_is_detail(entry)) {
            rows->rows[rows->count++] =
                (ptk_sim_timeline_row_t) {.entry = entry, .partner = PTK_SIM_TIMELINE_NONE};
        }
    }
    rows->first_shown = rows->count > event_limit && event_limit ? rows->count - event_limit : 0;
    for (size_t i = rows->first_shown; i < rows->count; i++) {
        rows->rows[i].is_shown = true;
    }
    timeline_join_packets(rows);
}

void ptk_sim_timeline_rows_fini(ptk_sim_timeline_rows_t *rows) {
    ptk_sim_free(rows->rows);
    *rows = (ptk_sim_timeline_rows_t) {0};
}

/* --- descriptions ------------------------------------------------------------------------------------ */

/* Milliseconds with three decimals, without floating point. */
const char *ptk_sim_timeline_ms(uint64_t ns, char *text_out, size_t bytes) {
    ptk_sys_format(text_out, bytes, "%llu.%03u", (unsigned long long) (ns / 1000000),
                   (unsigned) (ns / 1000 % 1000));
    return text_out;
}

const char *ptk_sim_timeline_at(const ptk_sim_timeline_t *timeline, uint64_t at_ns, char *text_out,
                                size_t bytes) {
    uint64_t first_ns = timeline->trace->count > 0 ? timeline->trace->entries[0].at_ns : 0;
    return ptk_sim_timeline_ms(at_ns - first_ns, text_out, bytes);
}

/* Flags as letters in a fixed order, then the payload's length if there is any. */
const char *ptk_sim_timeline_packet(const ptk_sim_trace_entry_t *entry, char *text_out, size_t bytes) {
    static const struct {
        uint32_t flag;
        char letter;
    } letters[] = {{PTK_SIM_FLAG_SYN, 'S'}, {PTK_SIM_FLAG_FIN, 'F'}, {PTK_SIM_FLAG_RST, 'R'},
                   {PTK_SIM_FLAG_PSH, 'P'}, {PTK_SIM_FLAG_URG, 'U'}, {PTK_SIM_FLAG_ACK, 'A'}};
    char flags[sizeof letters / sizeof *letters + 1];
    size_t count = 0;
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++) {
        if (entry->b >> 32 & letters[i].flag) {
            flags[count++] = letters[i].letter;
        }
    }
    flags[count] = '\0';
    uint32_t length = (uint32_t) entry->b;
    if (length > 0) {
        ptk_sys_format(text_out, bytes, "%s%s%u", flags, count ? " " : "", (unsigned) length);
    } else {
        ptk_sys_format(text_out, bytes, "%s", count ? flags : "empty");
    }
    return text_out;
}

/* Describes a FAULT entry. */
static void describe_fault(const ptk_sim_timeline_t *timeline, const ptk_sim_trace_entry_t *entry,
                           char *text_out, size_t bytes) {
    static const char *const names[] = {
        [PTK_SIM_FAULT_CRASH] = "crash",           [PTK_SIM_FAULT_RESTART] = "restart",
        [PTK_SIM_FAULT_PAUSE] = "pause",           [PTK_SIM_FAULT_RESUME] = "resume",
        [PTK_SIM_FAULT_CLOCK_STEP] = "clock step", [PTK_SIM_FAULT_NO_MEMORY] = "no memory",
    };
    const char *name = ptk_sim_timeline_name(timeline, entry->b);
    if (entry->a == PTK_SIM_FAULT_PARTITION) {
        ptk_sys_format(text_out, bytes, "partitioned from %s", name);
    } else if (entry->a == PTK_SIM_FAULT_HEAL) {
        ptk_sys_format(text_out, bytes, "partition from %s heals", name);
    } else if (entry->a == PTK_SIM_FAULT_SIGNAL) {
        ptk_sys_format(text_out, bytes, "signal %llu", (unsigned long long) entry->b);
    } else if (entry->a < sizeof names / sizeof *names && names[entry->a]) {
        ptk_sys_format(text_out, bytes, "%s", names[entry->a]);
    } else {
        ptk_sys_format(text_out, bytes, "fault %llu", (unsigned long long) entry->a);
    }
}

/* Describes a NOTE entry by its label and numbers. */
static void describe_note(const ptk_sim_timeline_t *timeline, const ptk_sim_trace_entry_t *entry,
                          char *text_out, size_t bytes) {
    bool has_label = entry->c > 0 && entry->c <= timeline->label_count && timeline->labels[entry->c - 1];
    ptk_sys_format(text_out, bytes, "%s %llu %llu", has_label ? timeline->labels[entry->c - 1] : "note",
                   (unsigned long long) entry->a, (unsigned long long) entry->b);
}

/* Returns a string by its number from 1 on, "?" if there is none. */
static const char *green_string(const ptk_sim_timeline_t *timeline, uint64_t number) {
    return number > 0 && number <= timeline->green_string_count ? timeline->green_strings[number - 1] : "?";
}

/* Describes a GREEN entry, such as "serve#3 waits for recv". */
static void describe_green(const ptk_sim_timeline_t *timeline, const ptk_sim_trace_entry_t *entry,
                           char *text_out, size_t bytes) {
    static const char *const does[] = {[PTK_SIM_GREEN_BEGINS] = " starts",
                                       [PTK_SIM_GREEN_RESUMES] = " resumes",
                                       [PTK_SIM_GREEN_WAITS] = " waits for ",
                                       [PTK_SIM_GREEN_YIELDS] = " yields",
                                       [PTK_SIM_GREEN_ENDS] = " ends"};
    uint64_t what = entry->c >> 32;
    uint32_t detail = (uint32_t) entry->c;
    const char *detail_text = "";
    if (what == PTK_SIM_GREEN_WAITS) {
        detail_text = green_string(timeline, detail);
    } else if (what == PTK_SIM_GREEN_RESUMES && detail != 0) {
        detail_text = ptk_err_name((ptk_err) detail);
    }
    ptk_sys_format(text_out, bytes, "%s#%llu%s%s%s", green_string(timeline, entry->b),
                   (unsigned long long) entry->a, what < sizeof does / sizeof *does ? does[what] : "",
                   what == PTK_SIM_GREEN_RESUMES && *detail_text ? ": " : "", detail_text);
}

/* Describes a CHOICE entry, by the name of its site if it has one. */
static void describe_choice(const ptk_sim_trace_entry_t *entry, char *text_out, size_t bytes) {
    const char *name = ptk_sim_site_name((uint32_t) entry->a);
    if (name) {
        ptk_sys_format(text_out, bytes, "choice %s: %llu of %llu", name, (unsigned long long) entry->c,
                       (unsigned long long) entry->b);
    } else {
        ptk_sys_format(text_out, bytes, "choice %llu: %llu of %llu", (unsigned long long) entry->a,
                       (unsigned long long) entry->c, (unsigned long long) entry->b);
    }
}

/* Describes a HOST entry. */
static void describe_host(const ptk_sim_trace_entry_t *entry, char *text_out, size_t bytes) {
    if (entry->a) {
        ptk_sys_format(text_out, bytes, "starts");
    } else {
        ptk_sys_format(text_out, bytes, "ends: %lld", (long long) entry->b);
    }
}

/* Returns the name of a ptk_sim_end_t. */
static const char *name_of_end(uint64_t end) {
    static const char *const names[] = {
        [PTK_SIM_END_NONE] = "none",
        [PTK_SIM_END_QUIESCENT] = "quiescent",
        [PTK_SIM_END_PREDICATE] = "predicate",
        [PTK_SIM_END_TIME_LIMIT] = "time limit",
        [PTK_SIM_END_LIVELOCK] = "livelock",
        [PTK_SIM_END_DEADLOCK] = "deadlock",
        [PTK_SIM_END_CHECK] = "check",
        [PTK_SIM_END_HOST] = "host",
        [PTK_SIM_END_STEP_LIMIT] = "step limit",
    };
    return end < sizeof names / sizeof names[0] ? names[end] : "unknown";
}

/* An unknown kind is described by its number: a trace may be from a newer version. */
const char *ptk_sim_timeline_describe(const ptk_sim_timeline_t *timeline, const ptk_sim_trace_entry_t *entry,
                                      char *text_out, size_t bytes) {
    unsigned long long a = entry->a;
    switch (entry->kind) {
    case PTK_SIM_TRACE_START:
        ptk_sys_format(text_out, bytes, "seed %llu", a);
        break;
    case PTK_SIM_TRACE_CHOICE:
        describe_choice(entry, text_out, bytes);
        break;
    case PTK_SIM_TRACE_RESUME:
        ptk_sys_format(text_out, bytes, "runs");
        break;
    case PTK_SIM_TRACE_SUSPEND: {
        char until[32];
        ptk_sim_timeline_at(timeline, a, until, sizeof until);
        ptk_sys_format(text_out, bytes, "waits until %s", a == UINT64_MAX ? "woken" : until);
        break;
    }
    case PTK_SIM_TRACE_CALL:
        ptk_sys_format(text_out, bytes, "call %llu on %lld: %lld", a, (long long) entry->b,
                       (long long) entry->c);
        break;
    case PTK_SIM_TRACE_FAULT:
        describe_fault(timeline, entry, text_out, bytes);
        break;
    case PTK_SIM_TRACE_NOTE:
        describe_note(timeline, entry, text_out, bytes);
        break;
    case PTK_SIM_TRACE_END:
        ptk_sys_format(text_out, bytes, "end: %s", name_of_end(entry->a));
        break;
    case PTK_SIM_TRACE_HOST:
        describe_host(entry, text_out, bytes);
        break;
    case PTK_SIM_TRACE_GREEN:
        describe_green(timeline, entry, text_out, bytes);
        break;
    case PTK_SIM_TRACE_FAILURE:
        ptk_sys_format(text_out, bytes, "FAILS");
        break;
    default:
        ptk_sys_format(text_out, bytes, "event %u", (unsigned) entry->kind);
        break;
    }
    return text_out;
}
