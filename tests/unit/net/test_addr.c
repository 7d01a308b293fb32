/* SPDX-License-Identifier: MIT */
#include <ptk_addr.h>
#include <ptk_test.h>

#include "base/ptk_thread.h"
#include <arpa/inet.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static void check_text(const ptk_addr_t *addr, const char *expected) {
    char text[PTK_ADDR_TEXT_BYTES];
    CHECK_OK(ptk_addr_format(ptk_addr_sockaddr(addr), addr->length, text, sizeof text));
    CHECK_STR(text, expected);
}

TEST(addr_parses_the_usual_forms_of_an_address) {
    static const char *const pairs[][2] = {
        {"127.0.0.1:80", "127.0.0.1:80"},
        {"255.255.255.255:65535", "255.255.255.255:65535"},
        {"localhost:502", "127.0.0.1:502"},
        {"*:8080", "0.0.0.0:8080"},
        {":8080", "0.0.0.0:8080"},
        {"1.2.3.4:0", "1.2.3.4:0"},
        {"1.2.3.4:00080", "1.2.3.4:80"},
        {"[::]:1", "[::]:1"},
        {"[::1]:443", "[::1]:443"},
        {"[2001:DB8:0:0:0:0:0:1]:443", "[2001:db8::1]:443"},
        {"[::ffff:1.2.3.4]:7", "[::ffff:1.2.3.4]:7"},
        {"[fe80::1%7]:22", "[fe80::1%7]:22"},
        {"[fe80::1%4294967295]:22", "[fe80::1%4294967295]:22"},
        {"[fe80::1%0]:22", "[fe80::1]:22"},
    };
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        ptk_addr_t addr;
        CHECK_OK(ptk_addr_parse(pairs[i][0], &addr));
        check_text(&addr, pairs[i][1]);
        ptk_addr_t again;
        CHECK_OK(ptk_addr_parse(pairs[i][1], &again));
        CHECK_EQ(again.length, addr.length);
        CHECK(memcmp(&again.storage, &addr.storage, sizeof addr.storage) == 0);
    }
}

/* Each text is refused with the error, and leaves the address alone. */
static void check_refused(const char *const *texts, size_t count, ptk_err err) {
    for (size_t i = 0; i < count; i++) {
        ptk_addr_t addr;
        ptk_addr_t untouched;
        memset(&addr, 0xa5, sizeof addr);
        memset(&untouched, 0xa5, sizeof untouched);
        ptk_err got = ptk_addr_parse(texts[i], &addr);
        if (got != err) {
            ptk_test_failed(__FILE__, __LINE__, "\"%s\": got %s, expected %s", texts[i], ptk_err_name(got),
                            ptk_err_name(err));
        }
        CHECK_EQ(ptk_get_err(), err);
        CHECK(memcmp(&addr, &untouched, sizeof addr) == 0);
    }
}

TEST(addr_refuses_malformed_addresses) {
    static const char *const wrong[] = {
        "",
        "80",
        "1.2.3",
        "::1",
        "[::1",
        "[",
        "]",
        "[]",
        "[1.2.3.4]",
        "1.2.3.4:65536",
        "1.2.3.4:-1",
        "1.2.3.4:+1",
        "1.2.3.4: 1",
        "1.2.3.4:1 ",
        "1.2.3.4:0x10",
        "1.2.3.4:99999999999999999999",
        "1.2.3.4:4294967376",
        "example.com:65536",
        "example.com:http",
        "1.2.3:80",
        "1.2.3.4.5:80",
        "1.2.3.256:80",
        " 1.2.3.4:80",
        "exam ple:80",
        "http://example.com:80",
        "**:80",
        "::1:80",
        "[::1]80",
        "[::1:80",
        "::1]:80",
        "[]:80",
        "[1.2.3.4]:80",
        "[::1]:65536",
        "[fe80::1%]:22",
        "[fe80::1%no-such-interface]:22",
        "[fe80::1%99999999999]:22",
        "[%1]:22",
        "[::1]]:80",
        "[[::1]]:80",
        "[localhost]:80",
        "[example.com]:80",
        "[*]:80",
        "[::1%an-interface-name-that-is-far-longer-than-any-interface-name-could-ever-be]:80",
        "1111111111111111111111111111111111111111111111111111111111111111111111111111:80",
        "[1111111111111111111111111111111111111111111111111111111111111111111111111]:80",
    };
    check_refused(wrong, COUNT_OF(wrong), PTK_ERR_INVALID_PARAM);
    ptk_addr_t addr;
    CHECK_ERR(ptk_addr_parse(NULL, &addr), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_addr_parse("1.2.3.4:80", NULL), PTK_ERR_INVALID_PARAM);
}

TEST(addr_distinguishes_a_host_name_from_an_address) {
    static const char *const names[] = {
        "example.com:80",
        "LOCALHOST:80",
        "localhost.:80",
        "a:0",
        "xn--bcher-kva.example:443",
        "my_host:1",
        "10.0.0.example:80",
        "fe80:80",
        "a-name-longer-than-any-numeric-address.with-several-labels.this-one-among-them.example:80",
    };
    check_refused(names, COUNT_OF(names), PTK_ERR_NOT_NUMERIC);
}

TEST(addr_without_a_port_returns_no_port) {
    static const char *const portless[] = {
        ":",      "1.2.3.4",     "1.2.3.4:",    "localhost",    "*", "*:", "[::1]",
        "[::1]:", "[fe80::1%7]", "example.com", "example.com:",
    };
    check_refused(portless, COUNT_OF(portless), PTK_ERR_NO_PORT);
}

TEST(addr_has_the_exact_length_and_bytes_p56) {
    ptk_addr_t addr;
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
    CHECK_OK(ptk_addr_parse("1.2.3.4:258", &addr));
    CHECK_EQ(addr.length, sizeof in4);
    memcpy(&in4, &addr.storage, sizeof in4);
    CHECK_EQ(in4.sin_family, AF_INET);
    CHECK_EQ(in4.sin_port, htons(258));
    CHECK_EQ(in4.sin_addr.s_addr, htonl(0x01020304));
    CHECK_OK(ptk_addr_parse("[::2]:258", &addr));
    CHECK_EQ(addr.length, sizeof in6);
    memcpy(&in6, &addr.storage, sizeof in6);
    CHECK_EQ(in6.sin6_family, AF_INET6);
    CHECK_EQ(in6.sin6_port, htons(258));
    CHECK_EQ(in6.sin6_addr.s6_addr[15], 2);
    CHECK_EQ(in6.sin6_flowinfo, 0);
}

TEST(p57_scope_survives_a_round_trip) {
    ptk_addr_t addr;
    struct sockaddr_in6 in6;
    CHECK_OK(ptk_addr_parse("[fe80::1:2%31]:22", &addr));
    memcpy(&in6, &addr.storage, sizeof in6);
    CHECK_EQ(in6.sin6_scope_id, 31);
    check_text(&addr, "[fe80::1:2%31]:22");
}

TEST(addr_scope_may_be_an_interface_s_name) {
    ptk_addr_t addr;
    struct sockaddr_in6 in6;
    uint32_t index = ptk_sys_interface_index("lo");
    if (index == 0) {
        SKIP("there is no interface lo");
    }
    CHECK_OK(ptk_addr_parse("[fe80::1%lo]:22", &addr));
    memcpy(&in6, &addr.storage, sizeof in6);
    CHECK_EQ(in6.sin6_scope_id, index);
}

TEST(addr_format_needs_room_and_a_known_family) {
    ptk_addr_t addr;
    char text[PTK_ADDR_TEXT_BYTES] = "before";
    CHECK_OK(ptk_addr_parse("1.2.3.4:80", &addr));
    const struct sockaddr *sockaddr = ptk_addr_sockaddr(&addr);
    CHECK_ERR(ptk_addr_format(sockaddr, addr.length, text, strlen("1.2.3.4:80")), PTK_ERR_INVALID_PARAM);
    CHECK_STR(text, "");
    CHECK_OK(ptk_addr_format(sockaddr, addr.length, text, strlen("1.2.3.4:80") + 1));
    CHECK_STR(text, "1.2.3.4:80");
    CHECK_ERR(ptk_addr_format(sockaddr, addr.length - 1, text, sizeof text), PTK_ERR_INVALID_PARAM);
    CHECK_STR(text, "");
    CHECK_ERR(ptk_addr_format(sockaddr, 0, text, sizeof text), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_addr_format(NULL, 0, text, sizeof text), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_addr_format(sockaddr, addr.length, NULL, 10), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_addr_format(sockaddr, addr.length, text, 0), PTK_ERR_INVALID_PARAM);
    addr.storage.ss_family = AF_UNIX;
    CHECK_ERR(ptk_addr_format(sockaddr, addr.length, text, sizeof text), PTK_ERR_INVALID_PARAM);
    addr.storage.ss_family = AF_INET6;
    CHECK_ERR(ptk_addr_format(sockaddr, sizeof(struct sockaddr_in6) - 1, text, sizeof text),
              PTK_ERR_INVALID_PARAM);
}

TEST(addr_longest_text_fits) {
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = 0xffff, .sin6_scope_id = UINT32_MAX};
    char text[PTK_ADDR_TEXT_BYTES];
    memset(&in6.sin6_addr, 0xff, sizeof in6.sin6_addr);
    CHECK_OK(ptk_addr_format((const struct sockaddr *) (const void *) &in6, sizeof in6, text, sizeof text));
    CHECK_STR(text, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535");
}

TEST(addr_port_is_that_of_the_address_or_0) {
    ptk_addr_t addr;
    CHECK_OK(ptk_addr_parse("1.2.3.4:258", &addr));
    CHECK_EQ(ptk_addr_port(ptk_addr_sockaddr(&addr), addr.length), 258);
    CHECK_EQ(ptk_addr_port(ptk_addr_sockaddr(&addr), 1), 0);
    CHECK_OK(ptk_addr_parse("[::1]:65535", &addr));
    CHECK_EQ(ptk_addr_port(ptk_addr_sockaddr(&addr), addr.length), 65535);
    addr.storage.ss_family = AF_UNIX;
    CHECK_EQ(ptk_addr_port(ptk_addr_sockaddr(&addr), addr.length), 0);
    CHECK_EQ(ptk_addr_port(NULL, 0), 0);
}

/* Texts made of pieces at which a grammar could fail: what is accepted must survive a round trip. */
TEST(addr_random_texts_round_trip_p56) {
    static const char *const pieces[] = {"[",     "]", ":",    "::",        "%",         "1",  "0",
                                         "255",   ".", "fe80", "localhost", "*",         "lo", "65535",
                                         "65536", "a", " ",    "-",         "127.0.0.1", "::1"};
    ptk_test_random_t random = {1};
    size_t accepted = 0;
    for (int round = 0; round < 300000; round++) {
        char text[200] = "";
        uint64_t count = ptk_test_random_below(&random, 9);
        for (uint64_t i = 0; i < count; i++) {
            strcat(text, pieces[ptk_test_random_below(&random, COUNT_OF(pieces))]);
        }
        ptk_addr_t addr;
        ptk_addr_t again;
        char written[PTK_ADDR_TEXT_BYTES];
        if (ptk_addr_parse(text, &addr) != PTK_OK) {
            continue;
        }
        accepted++;
        CHECK_OK(ptk_addr_format(ptk_addr_sockaddr(&addr), addr.length, written, sizeof written));
        CHECK_OK(ptk_addr_parse(written, &again));
        CHECK(memcmp(&addr, &again, offsetof(ptk_addr_t, storage)) == 0);
        CHECK(memcmp(&addr.storage, &again.storage, sizeof addr.storage) == 0);
    }
    CHECK(accepted > 100);
}
