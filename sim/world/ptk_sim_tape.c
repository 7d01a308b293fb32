/* SPDX-License-Identifier: MIT */
/*
 * A tape is an array. While a run is recorded, entries come in the order of time, which is in order for each
 * site but not among sites; sorting (a stable merge sort: the C library's qsort may allocate and is not
 * stable) makes it fit for binary search and for one cursor per site. Appending notices whether the order
 * still holds.
 *
 * The text form is parsed character by character, since it may be anything: a file that was edited by hand,
 * or one that is not a tape at all.
 */
#include "sim/world/ptk_sim_tape.h"

#include "base/ptk_assert.h"
#include "sim/kernel/ptk_sim_memory.h"
#include <string.h>

#define TAPE_FIRST_CAPACITY 64
#define TAPE_FIRST_LINE     "ptk-tape 1" /* a format and its version */

/* --- entries ----------------------------------------------------------------------------------------- */

void ptk_sim_tape_init(ptk_sim_tape_t *tape) {
    *tape = (ptk_sim_tape_t) {.is_sorted = true};
}

void ptk_sim_tape_fini(ptk_sim_tape_t *tape) {
    ptk_sim_free(tape->entries);
    ptk_sim_tape_init(tape);
}

void ptk_sim_tape_clear(ptk_sim_tape_t *tape) {
    tape->count = 0;
    tape->is_sorted = true;
}

/* Compares by site, then by occurrence. */
static bool tape_entry_is_before(const ptk_sim_tape_entry_t *one, uint32_t site, uint64_t occurrence) {
    return one->site < site || (one->site == site && one->occurrence < occurrence);
}

/* Makes room for `count` entries in all. */
static void tape_reserve(ptk_sim_tape_t *tape, size_t count) {
    if (count > tape->capacity) {
        size_t doubled = tape->capacity ? tape->capacity * 2 : TAPE_FIRST_CAPACITY;
        tape->capacity = doubled > count ? doubled : count;
        tape->entries = ptk_sim_reallocate(tape->entries, tape->capacity * sizeof *tape->entries);
    }
}

/* A benign decision is not an entry, and a value of the count or above is a bug. */
void ptk_sim_tape_append(ptk_sim_tape_t *tape, const ptk_sim_tape_entry_t *entry) {
    ptk_assert(entry->value > 0 && entry->value < entry->count);
    tape_reserve(tape, tape->count + 1);
    if (tape->count > 0) {
        const ptk_sim_tape_entry_t *last = &tape->entries[tape->count - 1];
        tape->is_sorted = tape->is_sorted && tape_entry_is_before(last, entry->site, entry->occurrence);
    }
    tape->entries[tape->count++] = *entry;
}

void ptk_sim_tape_copy(ptk_sim_tape_t *tape, const ptk_sim_tape_t *from) {
    tape_reserve(tape, from->count);
    if (from->count > 0) {
        memmove(tape->entries, from->entries, from->count * sizeof *from->entries);
    }
    tape->count = from->count;
    tape->is_sorted = from->is_sorted;
}

/* Merges [begin, middle) and [middle, end), both sorted. Of equal entries the left one comes first. */
static void tape_merge(ptk_sim_tape_entry_t *into, const ptk_sim_tape_entry_t *from, size_t begin,
                       size_t middle, size_t end) {
    size_t left = begin;
    size_t right = middle;
    for (size_t i = begin; i < end; i++) {
        bool takes_right =
            left == middle ||
            (right < end && tape_entry_is_before(&from[right], from[left].site, from[left].occurrence));
        into[i] = takes_right ? from[right++] : from[left++];
    }
}

static size_t tape_min(size_t one, size_t other) {
    return one < other ? one : other;
}

/* Two arrays take turns as source and target; the tape keeps the one that is sorted last. */
void ptk_sim_tape_sort(ptk_sim_tape_t *tape) {
    if (tape->is_sorted) {
        return;
    }
    ptk_sim_tape_entry_t *from = tape->entries;
    ptk_sim_tape_entry_t *into = ptk_sim_allocate(tape->capacity * sizeof *into);
    for (size_t width = 1; width < tape->count; width *= 2) {
        for (size_t begin = 0; begin < tape->count; begin += 2 * width) {
            tape_merge(into, from, begin, tape_min(begin + width, tape->count),
                       tape_min(begin + 2 * width, tape->count));
        }
        ptk_sim_tape_entry_t *sorted = into;
        into = from;
        from = sorted;
    }
    ptk_sim_free(into);
    tape->entries = from;
    tape->is_sorted = true;
}

/* Binary search for the first entry that is not before the key. */
size_t ptk_sim_tape_seek(const ptk_sim_tape_t *tape, uint32_t site, uint64_t occurrence) {
    ptk_assert(tape->is_sorted);
    size_t low = 0;
    size_t high = tape->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (tape_entry_is_before(&tape->entries[middle], site, occurrence)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

uint32_t ptk_sim_tape_value(const ptk_sim_tape_t *tape, uint32_t site, uint64_t occurrence) {
    size_t at = ptk_sim_tape_seek(tape, site, occurrence);
    bool is_there =
        at < tape->count && tape->entries[at].site == site && tape->entries[at].occurrence == occurrence;
    return is_there ? tape->entries[at].value : 0;
}

bool ptk_sim_tape_equal(const ptk_sim_tape_t *one, const ptk_sim_tape_t *other) {
    if (one->count != other->count) {
        return false;
    }
    for (size_t i = 0; i < one->count; i++) {
        const ptk_sim_tape_entry_t *a = &one->entries[i];
        const ptk_sim_tape_entry_t *b = &other->entries[i];
        if (a->site != b->site || a->occurrence != b->occurrence || a->value != b->value ||
            a->count != b->count) {
            return false;
        }
    }
    return true;
}

/* --- text -------------------------------------------------------------------------------------------- */

void ptk_sim_tape_write(const ptk_sim_tape_t *tape, const ptk_sim_writer_t *writer) {
    ptk_sim_writer_text(writer, TAPE_FIRST_LINE "\n");
    for (size_t i = 0; i < tape->count; i++) {
        const ptk_sim_tape_entry_t *entry = &tape->entries[i];
        ptk_sim_writer_format(writer, "%u %llu %u %u\n", (unsigned) entry->site,
                              (unsigned long long) entry->occurrence, (unsigned) entry->value,
                              (unsigned) entry->count);
    }
}

/* The rest of a line, or of a text. */
typedef struct tape_span {
    const char *at;
    const char *end;
} tape_span_t;

static bool tape_is_blank(char character) {
    return character == ' ' || character == '\t' || character == '\r';
}

static void tape_skip_blanks(tape_span_t *line) {
    while (line->at < line->end && tape_is_blank(*line->at)) {
        line->at++;
    }
}

/* Returns the next line without its end in `line_out`. False: there is none. */
static bool tape_next_line(tape_span_t *text, tape_span_t *line_out) {
    if (text->at == text->end) {
        return false;
    }
    const char *newline = memchr(text->at, '\n', (size_t) (text->end - text->at));
    *line_out = (tape_span_t) {text->at, newline ? newline : text->end};
    text->at = newline ? newline + 1 : text->end;
    return true;
}

/* Returns the next number of a line. False: there is none, it is above `limit`, or something follows
   without a blank. */
static bool tape_next_number(tape_span_t *line, uint64_t limit, uint64_t *number_out) {
    tape_skip_blanks(line);
    const char *first = line->at;
    uint64_t number = 0;
    while (line->at < line->end && *line->at >= '0' && *line->at <= '9') {
        uint64_t digit = (uint64_t) (*line->at++ - '0');
        if (number > (limit - digit) / 10) {
            return false;
        }
        number = number * 10 + digit;
    }
    *number_out = number;
    return line->at > first && (line->at == line->end || tape_is_blank(*line->at));
}

/* Returns NULL, or what is wrong. */
static const char *tape_parse_entry(tape_span_t line, ptk_sim_tape_entry_t *entry_out) {
    uint64_t site;
    uint64_t occurrence;
    uint64_t value;
    uint64_t count;
    if (!tape_next_number(&line, UINT32_MAX, &site) || !tape_next_number(&line, UINT64_MAX, &occurrence) ||
        !tape_next_number(&line, UINT32_MAX, &value) || !tape_next_number(&line, UINT32_MAX, &count)) {
        return "an entry is four numbers: site occurrence value count";
    }
    tape_skip_blanks(&line);
    if (line.at != line.end) {
        return "something follows the four numbers";
    }
    if (value == 0 || value >= count) {
        return "a value is at least 1 and less than the count";
    }
    *entry_out = (ptk_sim_tape_entry_t) {occurrence, (uint32_t) site, (uint32_t) value, (uint32_t) count};
    return NULL;
}

/* Accepts blanks behind the line: the text may have gone through an editor. */
static bool tape_is_first_line(tape_span_t line) {
    while (line.end > line.at && tape_is_blank(line.end[-1])) {
        line.end--;
    }
    size_t length = strlen(TAPE_FIRST_LINE);
    return (size_t) (line.end - line.at) == length && memcmp(line.at, TAPE_FIRST_LINE, length) == 0;
}

/* Parses one line into the tape. Returns NULL, or what is wrong. */
static const char *tape_parse_line(ptk_sim_tape_t *tape, tape_span_t line, size_t number) {
    ptk_sim_tape_entry_t entry;
    if (number == 1) {
        return tape_is_first_line(line) ? NULL : "the first line is not \"" TAPE_FIRST_LINE "\"";
    }
    tape_skip_blanks(&line);
    if (line.at == line.end || *line.at == '#') {
        return NULL;
    }
    const char *reason = tape_parse_entry(line, &entry);
    if (!reason) {
        ptk_sim_tape_append(tape, &entry);
    }
    return reason;
}

/* Returns whether a sorted tape has two entries for one decision. */
static bool tape_has_duplicates(const ptk_sim_tape_t *tape) {
    for (size_t i = 1; i < tape->count; i++) {
        if (!tape_entry_is_before(&tape->entries[i - 1], tape->entries[i].site,
                                  tape->entries[i].occurrence)) {
            return true;
        }
    }
    return false;
}

/* Parses all lines. Returns NULL, or what is wrong with line `number`. */
static const char *tape_parse_text(ptk_sim_tape_t *tape, tape_span_t text, size_t *number) {
    tape_span_t line;
    while (tape_next_line(&text, &line)) {
        ++*number;
        const char *reason = tape_parse_line(tape, line, *number);
        if (reason) {
            return reason;
        }
    }
    if (*number == 0) {
        *number = 1;
        return "the text is empty";
    }
    ptk_sim_tape_sort(tape);
    return tape_has_duplicates(tape) ? "a decision occurs twice, up to this line" : NULL;
}

/* Errors that are found only after sorting name the last line. */
bool ptk_sim_tape_parse(ptk_sim_tape_t *tape, const char *text, size_t bytes,
                        ptk_sim_tape_error_t *error_out) {
    tape_span_t all = {text, text + bytes};
    ptk_sim_tape_clear(tape);
    *error_out = (ptk_sim_tape_error_t) {0};
    error_out->reason = tape_parse_text(tape, all, &error_out->line);
    if (error_out->reason) {
        ptk_sim_tape_clear(tape);
        return false;
    }
    error_out->line = 0;
    return true;
}
