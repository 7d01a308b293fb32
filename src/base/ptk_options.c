/* SPDX-License-Identifier: MIT */
#include "base/ptk_options.h"

#include <string.h>

/* The size is read with memcpy because the type of the struct is not known here. */
ptk_err ptk_options_copy(void *copy_out, size_t known_bytes, const void *options) {
    uint32_t given_bytes;
    memcpy(&given_bytes, options, sizeof given_bytes);
    if (given_bytes < sizeof given_bytes) {
        return PTK_ERR_INVALID_PARAM;
    }
    for (size_t i = known_bytes; i < given_bytes; i++) {
        if (((const unsigned char *) options)[i] != 0) {
            return PTK_ERR_INVALID_PARAM;
        }
    }
    memset(copy_out, 0, known_bytes);
    memcpy(copy_out, options, given_bytes < known_bytes ? given_bytes : known_bytes);
    return PTK_OK;
}
