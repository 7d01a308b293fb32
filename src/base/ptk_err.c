/* SPDX-License-Identifier: MIT */
/* The public view of the error table and of the error slot. The slot itself is ptk_thread.c's. */
#include <ptk_err.h>

#include "base/ptk_thread.h"

#define ERR_CASE_TEXT(name, value, text)                                                                     \
    case value:                                                                                              \
        return text;
#define ERR_CASE_NAME(name, value, text)                                                                     \
    case value:                                                                                              \
        return #name;

const char *ptk_err_text(ptk_err err) {
    switch (err) {
        PTK_ERR_TABLE(ERR_CASE_TEXT)
    default:
        return "unknown error";
    }
}

const char *ptk_err_name(ptk_err err) {
    switch (err) {
        PTK_ERR_TABLE(ERR_CASE_NAME)
    default:
        return "unknown error";
    }
}

/* These four read one slot, which the next failing call of the same green thread overwrites. */
ptk_err ptk_get_err(void) {
    return ptk_error_slot()->err;
}

ptk_err ptk_set_err(ptk_err err) {
    return ptk_fail(err);
}

int ptk_get_os_err(void) {
    return ptk_error_slot()->os_err;
}

size_t ptk_get_count(void) {
    return ptk_error_slot()->count;
}

ptk_err ptk_get_cause(void) {
    return ptk_error_slot()->cause;
}
