/* SPDX-License-Identifier: MIT */
#include <ptk_version.h>

#define TEXT_OF(number)           #number
#define JOIN(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

const char *ptk_version(void) {
    return JOIN(PTK_VERSION_MAJOR, PTK_VERSION_MINOR, PTK_VERSION_PATCH);
}
