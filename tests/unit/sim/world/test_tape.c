/* SPDX-License-Identifier: MIT */
#include "ptk_test.h"

#include "sim/world/ptk_sim_tape.h"
#include <stdlib.h>
#include <string.h>

#define ENTRIES 3000

typedef struct page {
    char *text;
    size_t bytes;
} page_t;

static void append(void *context, const char *text, size_t bytes) {
    page_t *page = context;
    page->text = realloc(page->text, page->bytes + bytes + 1);
    CHECK(page->text != NULL);
    memcpy(page->text + page->bytes, text, bytes);
    page->bytes += bytes;
    page->text[page->bytes] = '\0';
}

static page_t write_tape(const ptk_sim_tape_t *tape) {
    page_t page = {0};
    ptk_sim_tape_write(tape, &(ptk_sim_writer_t) {append, &page});
    return page;
}

/* Fills a tape as a run does: in order for each site, and not among sites. */
static void record(ptk_sim_tape_t *tape, uint64_t seed) {
    ptk_test_random_t random = {seed};
    uint64_t occurrences[10] = {0};
    for (int i = 0; i < ENTRIES; i++) {
        uint32_t site = (uint32_t) ptk_test_random_below(&random, 10);
        uint32_t count = 2 + (uint32_t) ptk_test_random_below(&random, 50);
        occurrences[site] += 1 + ptk_test_random_below(&random, 3);
        ptk_sim_tape_append(
            tape, &(ptk_sim_tape_entry_t) {.site = site + 1,
                                           .occurrence = occurrences[site],
                                           .value = 1 + (uint32_t) ptk_test_random_below(&random, count - 1),
                                           .count = count});
    }
}

TEST(a_sorted_tape_has_what_was_appended) {
    ptk_sim_tape_t tape, sorted;
    ptk_sim_tape_init(&tape);
    ptk_sim_tape_init(&sorted);
    record(&tape, 1);
    CHECK(!tape.is_sorted);
    ptk_sim_tape_copy(&sorted, &tape);
    CHECK(ptk_sim_tape_equal(&tape, &sorted));
    ptk_sim_tape_sort(&sorted);
    CHECK(sorted.is_sorted && sorted.count == ENTRIES);
    CHECK(!ptk_sim_tape_equal(&tape, &sorted));
    for (size_t i = 0; i < ENTRIES; i++) {
        const ptk_sim_tape_entry_t *entry = &tape.entries[i];
        CHECK_EQ(ptk_sim_tape_value(&sorted, entry->site, entry->occurrence), entry->value);
        if (i > 0) {
            const ptk_sim_tape_entry_t *last = &sorted.entries[i - 1];
            CHECK(last->site < sorted.entries[i].site ||
                  (last->site == sorted.entries[i].site && last->occurrence < sorted.entries[i].occurrence));
        }
    }
    CHECK_EQ(ptk_sim_tape_value(&sorted, 0, 0), 0); /* site 1 comes next */
    CHECK_EQ(ptk_sim_tape_value(&sorted, 0, sorted.entries[0].occurrence), 0);
    CHECK_EQ(ptk_sim_tape_value(&sorted, 1, 0), 0);
    CHECK_EQ(ptk_sim_tape_value(&sorted, 1, UINT64_MAX), 0);
    CHECK_EQ(ptk_sim_tape_seek(&sorted, 11, 0), ENTRIES);
    CHECK_EQ(ptk_sim_tape_seek(&sorted, 0, 0), 0);
    ptk_sim_tape_fini(&tape);
    ptk_sim_tape_fini(&sorted);
}

TEST(appending_tracks_whether_a_tape_is_sorted) {
    ptk_sim_tape_t tape;
    ptk_sim_tape_entry_t entry = {.site = 5, .occurrence = 3, .value = 1, .count = 2};
    ptk_sim_tape_init(&tape);
    CHECK(tape.is_sorted);
    ptk_sim_tape_append(&tape, &entry);
    entry.occurrence = 4;
    ptk_sim_tape_append(&tape, &entry);
    CHECK(tape.is_sorted);
    entry.occurrence = 1;
    ptk_sim_tape_append(&tape, &entry);
    CHECK(!tape.is_sorted);
    ptk_sim_tape_sort(&tape);
    CHECK_EQ(tape.entries[0].occurrence, 1);
    CHECK_EQ(tape.entries[2].occurrence, 4);
    ptk_sim_tape_clear(&tape);
    CHECK(tape.is_sorted && tape.count == 0);
    ptk_sim_tape_fini(&tape);
}

TEST(a_tape_survives_writing_and_parsing) {
    ptk_sim_tape_t tape, back;
    ptk_sim_tape_error_t error;
    ptk_sim_tape_init(&tape);
    ptk_sim_tape_init(&back);
    record(&tape, 2);
    ptk_sim_tape_append(&tape, &(ptk_sim_tape_entry_t) {.site = UINT32_MAX,
                                                        .occurrence = UINT64_MAX,
                                                        .value = UINT32_MAX - 1,
                                                        .count = UINT32_MAX});
    page_t page = write_tape(&tape);
    CHECK(ptk_sim_tape_parse(&back, page.text, page.bytes, &error));
    CHECK(error.reason == NULL);
    ptk_sim_tape_sort(&tape);
    CHECK(ptk_sim_tape_equal(&tape, &back));
    free(page.text);
    ptk_sim_tape_fini(&tape);
    ptk_sim_tape_fini(&back);
}

TEST(the_text_of_a_tape_has_the_documented_format) {
    static const char text[] =
        "ptk-tape 1\r\n# lost twice\n\n  102 7 1 2\n102 3 1 2 \n1 18446744073709551615 3 9";
    ptk_sim_tape_t tape;
    ptk_sim_tape_error_t error;
    ptk_sim_tape_init(&tape);
    CHECK(ptk_sim_tape_parse(&tape, text, sizeof text - 1, &error));
    page_t page = write_tape(&tape);
    CHECK_STR(page.text, "ptk-tape 1\n1 18446744073709551615 3 9\n102 3 1 2\n102 7 1 2\n");
    free(page.text);
    CHECK(ptk_sim_tape_parse(&tape, "ptk-tape 1", 10, &error));
    CHECK_EQ(tape.count, 0);
    ptk_sim_tape_fini(&tape);
}

TEST(a_text_that_is_no_tape_is_refused_with_the_line) {
    static const struct {
        const char *text;
        size_t line;
    } cases[] = {
        {"", 1},
        {"\n", 1},
        {"ptk-tape 2\n", 1},
        {"ptk-tape 11\n", 1},
        {"ptk-tap", 1},
        {"1 1 1 2\n", 1},
        {"ptk-tape 1\n1 1 1\n", 2},
        {"ptk-tape 1\n1 1 1 2 3\n", 2},
        {"ptk-tape 1\n1 1 1 2\n\n1 1 x 2\n", 4},
        {"ptk-tape 1\n1 1 -1 2\n", 2},
        {"ptk-tape 1\n1 1 1.5 2\n", 2},
        {"ptk-tape 1\n1 1 0 2\n", 2},
        {"ptk-tape 1\n1 1 2 2\n", 2},
        {"ptk-tape 1\n4294967296 1 1 2\n", 2},
        {"ptk-tape 1\n1 18446744073709551616 1 2\n", 2},
        {"ptk-tape 1\n1 99999999999999999999999 1 2\n", 2},
        {"ptk-tape 1\n1 5 1 2\n1 5 1 2\n", 3},
    };
    ptk_sim_tape_t tape;
    ptk_sim_tape_init(&tape);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ptk_sim_tape_error_t error;
        CHECK(!ptk_sim_tape_parse(&tape, cases[i].text, strlen(cases[i].text), &error));
        CHECK_EQ(error.line, cases[i].line);
        CHECK(error.reason != NULL);
        CHECK_EQ(tape.count, 0);
    }
    ptk_sim_tape_fini(&tape);
}

TEST(each_parse_error_has_its_own_reason) {
    static const char *const texts[] = {"ptk-tape 1\n1 1 1\n", "ptk-tape 1\n1 1 1 4x\n",
                                        "ptk-tape 1\nx 1 1 2\n"};
    ptk_sim_tape_t tape;
    ptk_sim_tape_error_t error;
    ptk_sim_tape_init(&tape);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        CHECK(!ptk_sim_tape_parse(&tape, texts[i], strlen(texts[i]), &error));
        CHECK_STR(error.reason, "an entry is four numbers: site occurrence value count");
    }
    ptk_sim_tape_fini(&tape);
}

/* Parses any bytes at all, and every damaged version of a good text, within bounds: each text is on the
   heap, without a zero behind it. */
TEST(any_bytes_are_parsed_or_refused_within_bounds) {
    static const char good[] = "ptk-tape 1\n1 2 3 4\n102 77 1 2\n# x\n120 4 5000 65536\n";
    static const char likely[] = "0123456789 \n\t-#.\r";
    ptk_test_random_t random = {1};
    ptk_sim_tape_t tape;
    ptk_sim_tape_init(&tape);
    for (int i = 0; i < 20000; i++) {
        ptk_sim_tape_error_t error;
        size_t bytes = (size_t) ptk_test_random_below(&random, sizeof good);
        char *text = malloc(bytes ? bytes : 1);
        CHECK(text != NULL);
        memcpy(text, good, bytes);
        for (uint64_t edits = ptk_test_random_below(&random, 4); bytes > 0 && edits > 0; edits--) {
            uint64_t what = ptk_test_random_below(&random, 2 * sizeof likely);
            char fresh = what < sizeof likely ? likely[what] : (char) ptk_test_random(&random);
            text[ptk_test_random_below(&random, bytes)] = fresh;
        }
        if (!ptk_sim_tape_parse(&tape, text, bytes, &error)) {
            CHECK(error.line >= 1 && error.line <= 60);
            CHECK_EQ(tape.count, 0);
        }
        free(text);
    }
    ptk_sim_tape_fini(&tape);
}
