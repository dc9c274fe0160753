// SPDX-License-Identifier: Apache-2.0
//
// base64url: published vectors, and every character that it does not have.
#include "codec/base64url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

// The vectors of RFC 4648, section 10, without padding; and what the alphabet of section 5 changes.
static void test_base64(void **state)
{
    static const struct {
        const char *bytes;
        const char *text;
    } rows[] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xfe", "-__-"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const size_t size = strlen(rows[i].bytes);
        char text[16];
        u8 bytes[16];
        base64url_encode(rows[i].bytes, size, text);
        assert_string_equal(text, rows[i].text);
        assert_int_equal(strlen(text), BASE64URL_SIZE(size));
        assert_true(base64url_decode(text, strlen(text), bytes, size));
        assert_memory_equal(bytes, rows[i].bytes, size);
        assert_false(base64url_decode(text, strlen(text), bytes, size + 1));
    }
    u8 out[2];
    static const char *const wrong[] = {"Zh", "Z", "Zg==", "Z!", "Z+", "Z/", "Z\xc3"};
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        assert_false(base64url_decode(wrong[i], strlen(wrong[i]), out, 1));
    }
}

// Of all bytes in place of a character, 64 are one, each another value.
static void test_characters(void **state)
{
    u64 seen = 0;
    u32 count = 0;
    (void)state;
    for (u32 c = 0; c < 256; c++) {
        const char text[4] = {(char)c, 'A', 'A', 'A'};
        u8 out[3];
        if (!base64url_decode(text, sizeof text, out, sizeof out)) continue;
        seen |= 1ull << (out[0] >> 2);
        count++;
    }
    assert_int_equal(count, 64);
    assert_true(seen == U64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
