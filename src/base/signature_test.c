// SPDX-License-Identifier: Apache-2.0
//
// Signatures against the vectors of RFC 8032, 7.1; keys that are none; signatures that were bent.
#include "base/signature.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static u8 nibble(char c)
{
    return (u8)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void bytes_of(const char *hex, u8 *out, size_t size)
{
    assert_int_equal(strlen(hex), 2 * size);
    for (size_t i = 0; i < size; i++) {
        out[i] = (u8)(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
    }
}

// RFC 8032, 7.1, tests 1 to 3.
static const struct {
    const char *seed;
    const char *key;
    const char *message;
    const char *signature;
} vectors[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e3970"
     "1cf9b4"
     "6bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613"
     "d0f11d"
     "8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760"
     "984dc6"
     "594a7c15e9716ed28dc027beceea1ec40a"},
};

static void test_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(vectors); i++) {
        u8 seed[SIGNATURE_SEED_SIZE], key[SIGNATURE_KEY_SIZE], made_key[SIGNATURE_KEY_SIZE];
        u8 message[8], signature[SIGNATURE_SIZE], made[SIGNATURE_SIZE];
        const size_t size = strlen(vectors[i].message) / 2;
        bytes_of(vectors[i].seed, seed, sizeof seed);
        bytes_of(vectors[i].key, key, sizeof key);
        bytes_of(vectors[i].message, message, size);
        bytes_of(vectors[i].signature, signature, sizeof signature);
        signature_key_of(seed, made_key);
        assert_memory_equal(made_key, key, sizeof key);
        assert_true(signature_key_is_valid(key));
        signature_make(seed, message, size, made);
        assert_memory_equal(made, signature, sizeof made);
        assert_true(signature_check(key, message, size, signature));
    }
}

static void test_any_changed_bit_is_seen(void **state)
{
    (void)state;
    u8 seed[SIGNATURE_SEED_SIZE] = {7}, key[SIGNATURE_KEY_SIZE], signature[SIGNATURE_SIZE];
    u8 message[40] = "who asked, and through whom";
    signature_key_of(seed, key);
    signature_make(seed, message, sizeof message, signature);
    for (u32 bit = 0; bit < 8 * sizeof message; bit++) {
        message[bit / 8] ^= (u8)(1u << bit % 8);
        assert_false(signature_check(key, message, sizeof message, signature));
        message[bit / 8] ^= (u8)(1u << bit % 8);
    }
    for (u32 bit = 0; bit < 8 * sizeof signature; bit++) {
        signature[bit / 8] ^= (u8)(1u << bit % 8);
        assert_false(signature_check(key, message, sizeof message, signature));
        signature[bit / 8] ^= (u8)(1u << bit % 8);
    }
    assert_false(signature_check(key, message, sizeof message - 1, signature));
    assert_true(signature_check(key, message, sizeof message, signature));
}

// S + L is the same number to who does not look: RFC 8032, 5.1.7, wants S below L.
static void test_a_signature_has_one_form(void **state)
{
    (void)state;
    static const u8 order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
                                 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
    u8 seed[SIGNATURE_SEED_SIZE] = {9}, key[SIGNATURE_KEY_SIZE], signature[SIGNATURE_SIZE];
    signature_key_of(seed, key);
    signature_make(seed, "a", 1, signature);
    u32 carry = 0;
    for (u32 i = 0; i < sizeof order; i++) {
        carry += signature[32 + i] + order[i];
        signature[32 + i] = (u8)carry;
        carry >>= 8;
    }
    assert_int_equal(carry, 0);
    assert_false(signature_check(key, "a", 1, signature));
}

static void test_what_is_no_key(void **state)
{
    (void)state;
    static const char *const none[] = {
        // Of low order: 4, 1, 2, and 8, twice.
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        // Not canonical: p stands for 0, p + 1 for 1; and all ones.
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        // Not on the curve: y = 2.
        "0200000000000000000000000000000000000000000000000000000000000000",
    };
    for (size_t i = 0; i < ARRAY_COUNT(none); i++) {
        u8 key[SIGNATURE_KEY_SIZE];
        bytes_of(none[i], key, sizeof key);
        if (signature_key_is_valid(key)) fail_msg("%s is taken for a key", none[i]);
    }
}

static void test_a_wiped_secret_is_gone(void **state)
{
    (void)state;
    u8 secret[40];
    memset(secret, 0xa5, sizeof secret);
    secret_wipe(secret, sizeof secret - 1);
    assert_true(is_zero(secret, sizeof secret - 1));
    assert_int_equal(secret[sizeof secret - 1], 0xa5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_any_changed_bit_is_seen),
        cmocka_unit_test(test_a_signature_has_one_form),
        cmocka_unit_test(test_what_is_no_key),
        cmocka_unit_test(test_a_wiped_secret_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
