// SPDX-License-Identifier: Apache-2.0
//
// Tokens as text, as files, as hashes.
#include "client/token_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static bool is_token(const char *text)
{
    struct digest hash;
    return token_hash(text, strlen(text), &hash);
}

static void hex_check(const struct digest *hash, const char *expected)
{
    char text[65];
    for (u32 i = 0; i < 32; i++) (void)snprintf(text + (size_t)2 * i, 3, "%02x", hash->bytes[i]);
    assert_string_equal(text, expected);
}

// The hashes are of sha256sum(1), over 32 bytes of 0 and over the bytes 0 to 31.
static void test_a_token_is_known_by_the_hash_of_its_bytes(void **state)
{
    struct digest hash;
    (void)state;
    const char *zero = "tael_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const char *rising = "tael_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    assert_true(token_hash(zero, strlen(zero), &hash));
    hex_check(&hash, "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925");
    assert_true(token_hash(rising, strlen(rising), &hash));
    hex_check(&hash, "630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd");
}

static void test_what_is_no_token_is_none(void **state)
{
    (void)state;
    assert_true(is_token("tael_-_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
    static const char *const rows[] = {
        "",
        "tael_",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "teal_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "tael_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",   // A character less,
        "tael_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", // and one more.
        "tael_+/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",  // Of the other alphabet.
        "tael_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "tael_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA ",
        "tael_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB",    // Bits behind the last byte.
        "tael_\301AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", // An A with its highest bit.
    };
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++) {
        if (is_token(rows[i])) fail_msg("a token: %s", rows[i]);
    }
}

static void test_a_new_token_is_its_owner_s_alone(void **state)
{
    char folder[] = "/tmp/tael-token.XXXXXX";
    char file[64], text[TOKEN_TEXT_SIZE + 2] = {0}, other_text[TOKEN_TEXT_SIZE + 2] = {0};
    struct digest hash, again, other;
    struct failure failure = {0};
    struct stat about;
    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(file, sizeof file, "%s/a", folder);
    assert_int_equal(token_file_new(file, &hash, &failure), STATUS_OK);
    assert_int_equal(stat(file, &about), 0);
    assert_int_equal(about.st_mode & 07777, 0600);
    assert_int_equal(about.st_size, TOKEN_TEXT_SIZE + 1);
    FILE *stream = fopen(file, "re");
    assert_non_null(stream);
    assert_int_equal(fread(text, 1, sizeof text, stream), TOKEN_TEXT_SIZE + 1);
    (void)fclose(stream);
    assert_int_equal(text[TOKEN_TEXT_SIZE], '\n');
    assert_true(token_hash(text, TOKEN_TEXT_SIZE, &again));
    assert_memory_equal(&hash, &again, sizeof hash);
    // What is there is left as it is.
    assert_int_equal(token_file_new(file, &other, &failure), STATUS_BUSY);
    assert_non_null(strstr(failure.message, file));
    stream = fopen(file, "re");
    assert_non_null(stream);
    assert_int_equal(fread(other_text, 1, sizeof other_text, stream), TOKEN_TEXT_SIZE + 1);
    (void)fclose(stream);
    assert_string_equal(text, other_text);
    (void)unlink(file);
    assert_int_equal(token_file_new(file, &other, &failure), STATUS_OK);
    assert_memory_not_equal(&hash, &other, sizeof hash);
    (void)unlink(file);
    (void)rmdir(folder);
    assert_int_equal(token_file_new(file, &other, &failure), STATUS_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_token_is_known_by_the_hash_of_its_bytes),
        cmocka_unit_test(test_what_is_no_token_is_none),
        cmocka_unit_test(test_a_new_token_is_its_owner_s_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
