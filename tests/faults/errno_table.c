/* SPDX-License-Identifier: MIT */
/*
 * Reads errno_table.txt. Names of members come from ptk_test_intercept.h, numbers of errors from the system,
 * so nothing in this file depends on the contents of the table.
 */
#include "faults.h"

#include "ptk_test.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const member_names[PTK_SYS_FALLIBLE_MEMBERS] = {
#define NAME(entry, kind, type, count, parameters) [PTK_SYS_##entry] = #entry,
    PTK_SYS_FALLIBLE(NAME)
#undef NAME
};

static fault_table_t table;
static bool read_already;

const char *fault_member_name(ptk_sys_member_t member) {
    return member_names[member];
}

bool fault_member_is_here(ptk_sys_member_t member) {
    const char *platform = getenv("PTK_PLATFORM");
    switch (member) {
    case PTK_SYS_epoll_create:
    case PTK_SYS_epoll_ctl:
    case PTK_SYS_epoll_wait:
    case PTK_SYS_timer_open:
    case PTK_SYS_timer_set:
        return !platform || strcmp(platform, "epoll") == 0;
    default:
        return true;
    }
}

static ptk_sys_member_t find_member(const char *name) {
    for (int member = 0; member < PTK_SYS_FALLIBLE_MEMBERS; member++) {
        if (strcmp(member_names[member], name) == 0) {
            return (ptk_sys_member_t) member;
        }
    }
    ptk_test_failed(__FILE__, __LINE__, "errno_table.txt: no member is called %s", name);
}

static int find_errno(const char *name) {
    for (int number = 1; number < 256; number++) {
        const char *known = strerrorname_np(number);
        if (known && strcmp(known, name) == 0) {
            return number;
        }
    }
    /* Some C libraries return the other name of this number, ENOTSUP. */
    if (strcmp(name, "EOPNOTSUPP") == 0) {
        return EOPNOTSUPP;
    }
    ptk_test_failed(__FILE__, __LINE__, "errno_table.txt: no error is called %s", name);
}

static fault_pair_t *find_pair(ptk_sys_member_t member, int os_err) {
    for (size_t i = 0; i < table.count; i++) {
        if (table.pairs[i].member == member && table.pairs[i].os_err == os_err) {
            return &table.pairs[i];
        }
    }
    return NULL;
}

static fault_class_t find_class(const char *name) {
    static const char *const names[] = {"handled", "retried", "asserts", "unreachable"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], name) == 0) {
            return (fault_class_t) i;
        }
    }
    ptk_test_failed(__FILE__, __LINE__, "errno_table.txt: no class is called %s", name);
}

static ptk_err find_err(const char *name) {
    for (ptk_err err = 1; err < 256; err++) {
        if (strcmp(ptk_err_name(err), name) == 0) {
            return err;
        }
    }
    ptk_test_failed(__FILE__, __LINE__, "errno_table.txt: no outcome is called %s", name);
}

static void read_outcomes(fault_pair_t *pair, char *outcomes) {
    char *rest = NULL;
    if (strcmp(outcomes, "-") == 0) {
        CHECK(pair->class == FAULT_ASSERTS || pair->class == FAULT_UNREACHABLE);
        return;
    }
    for (char *name = strtok_r(outcomes, "|", &rest); name; name = strtok_r(NULL, "|", &rest)) {
        if (strcmp(name, "ok") == 0) {
            pair->may_be_ok = true;
        } else {
            CHECK(pair->class == FAULT_HANDLED && pair->outcome_count < FAULT_OUTCOMES);
            pair->outcomes[pair->outcome_count++] = find_err(name);
        }
    }
    CHECK(pair->class != FAULT_RETRIED || pair->may_be_ok);
}

/* Reads a line "member errno class outcome reason". */
static void read_pair(char *line) {
    char member[32];
    char error[24];
    char class[16];
    char outcomes[80];
    int reason = 0;
    if (sscanf(line, "%31s %23s %15s %79s %n", member, error, class, outcomes, &reason) != 4 ||
        !line[reason]) {
        ptk_test_failed(__FILE__, __LINE__, "errno_table.txt: no pair with a reason: %s", line);
    }
    fault_pair_t pair = {
        .member = find_member(member), .os_err = find_errno(error), .class = find_class(class)};
    if (find_pair(pair.member, pair.os_err)) {
        ptk_test_failed(__FILE__, __LINE__, "errno_table.txt: %s %s comes twice", member, error);
    }
    snprintf(pair.error_name, sizeof pair.error_name, "%s", error);
    read_outcomes(&pair, outcomes);
    CHECK(table.count < sizeof table.pairs / sizeof table.pairs[0]);
    table.pairs[table.count++] = pair;
}

/* Checks a line "@ member page errno...": every error that the page lists must be classified. */
static void check_page(char *line) {
    char *rest = NULL;
    (void) strtok_r(line, " ", &rest);
    const char *member = strtok_r(NULL, " ", &rest);
    const char *page = strtok_r(NULL, " ", &rest);
    CHECK(member && page);
    for (const char *name = strtok_r(NULL, " ", &rest); name; name = strtok_r(NULL, " ", &rest)) {
        fault_pair_t *pair = find_pair(find_member(member), find_errno(name));
        if (!pair) {
            ptk_test_failed(__FILE__, __LINE__, "%s lists %s for %s: not classified", page, name, member);
        }
        pair->listed = true;
    }
}

static void read_lines(bool pages) {
    char line[512];
    FILE *file = fopen(PTK_TEST_ERRNO_TABLE, "re");
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '@' && pages) {
            check_page(line);
        } else if (line[0] != '@' && line[0] != '#' && line[0] != '\0' && !pages) {
            read_pair(line);
        }
    }
    CHECK_EQ(fclose(file), 0);
}

const fault_table_t *fault_table(void) {
    if (!read_already) {
        read_already = true;
        read_lines(false);
        read_lines(true);
        for (size_t i = 0; i < table.count; i++) {
            if (!table.pairs[i].listed) {
                ptk_test_failed(__FILE__, __LINE__, "no page lists %s for %s", table.pairs[i].error_name,
                                fault_member_name(table.pairs[i].member));
            }
        }
    }
    return &table;
}
