/* SPDX-License-Identifier: MIT */
#include <ptk_version.h>

#define VERSION_TEXT_OF(number) #number
#define VERSION_JOIN(major, minor, patch)                                                                    \
    VERSION_TEXT_OF(major) "." VERSION_TEXT_OF(minor) "." VERSION_TEXT_OF(patch)

const char *ptk_version(void) {
    return VERSION_JOIN(PTK_VERSION_MAJOR, PTK_VERSION_MINOR, PTK_VERSION_PATCH);
}
