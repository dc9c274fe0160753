// SPDX-License-Identifier: Apache-2.0
//
// SHA-256 against FIPS 180-4's examples and, where it is installed, OpenSSL; Merkle trees against
// RFC 9162's recursive definition written down naively, and against Certificate Transparency's
// published roots.
#include "base/base.h"

#include "base/sha256.h"
#include "base/test_levels.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#if defined(TEST_HAS_LIBCRYPTO)
#include <openssl/sha.h>
#endif

static void assert_digest(const struct digest *digest, const char *hex)
{
    char text[65];
    for (size_t i = 0; i < 32; i++) (void)snprintf(text + 2 * i, 3, "%02x", digest->bytes[i]);
    assert_string_equal(text, hex);
}

static void assert_same(const struct digest *a, const struct digest *b)
{
    assert_memory_equal(a->bytes, b->bytes, sizeof a->bytes);
}

// What the other tests trust: OpenSSL, or else the function that `examples` checks.
static void trusted(const void *data, size_t size, struct digest *out)
{
#if defined(TEST_HAS_LIBCRYPTO)
    assert_non_null(SHA256(data, size, out->bytes));
#else
    sha256(data, size, out);
#endif
}

enum { DATA_SIZE = 1 << 20 };
static u8 data[DATA_SIZE];

static int setup(void **state)
{
    (void)state;
    u64 random = 1;
    for (size_t i = 0; i < DATA_SIZE; i++) data[i] = (u8)test_random(&random);
    return 0;
}

static void examples(void **state)
{
    (void)state;
    struct digest digest;
    sha256(NULL, 0, &digest);
    assert_digest(&digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256("abc", 3, &digest);
    assert_digest(&digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, &digest);
    assert_digest(&digest, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");

    struct sha256_state running;
    sha256_begin(&running);
    u8 letters[1000];
    memset(letters, 'a', sizeof letters);
    for (unsigned i = 0; i < 1000; i++) sha256_update(&running, letters, sizeof letters);
    sha256_end(&running, &digest);
    assert_digest(&digest, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void every_small_size(void **state)
{
    (void)state;
    for (size_t size = 0; size <= 520; size++) {
        struct digest expected, whole, pieces;
        trusted(data + size % 5, size, &expected);
        sha256(data + size % 5, size, &whole);
        assert_same(&expected, &whole);

        struct sha256_state running;
        sha256_begin(&running);
        u64 random = size;
        for (size_t at = 0; at < size;) {
            const size_t wanted = test_random(&random) % 130;
            const size_t piece = MIN(size - at, wanted);
            sha256_update(&running, data + size % 5 + at, piece);
            at += piece;
        }
        sha256_end(&running, &pieces);
        assert_same(&expected, &pieces);
    }
}

static void chunks_of_every_shape(void **state)
{
    (void)state;
    static const size_t chunk_sizes[] = {1, 31, 55, 56, 63, 64, 65, 119, 120, 128, 1000, 4096};
    static struct digest found[80];
    for (size_t c = 0; c < ARRAY_COUNT(chunk_sizes); c++) {
        const size_t chunk_size = chunk_sizes[c];
        for (size_t count = 0; count <= 40; count++) {
            for (size_t rest = 0; rest <= 1; rest++) {
                const size_t size = count * chunk_size + rest * (chunk_size / 2);
                const size_t digest_count = (size + chunk_size - 1) / chunk_size;
                memset(found, 0xee, sizeof found);
                sha256_chunks(data + 1, size, chunk_size, found);
                for (size_t i = 0; i < digest_count; i++) {
                    struct digest expected;
                    const size_t at = i * chunk_size;
                    trusted(data + 1 + at, MIN(chunk_size, size - at), &expected);
                    assert_same(&expected, &found[i]);
                }
                assert_int_equal(found[digest_count].bytes[0], 0xee); // Nothing is written past.
            }
        }
    }
    // The last test of one size at the scale of a batch's body.
    static struct digest body[256];
    sha256_chunks(data, DATA_SIZE, 4096, body);
    for (size_t i = 0; i < ARRAY_COUNT(body); i++) {
        struct digest expected;
        trusted(data + i * 4096, 4096, &expected);
        assert_same(&expected, &body[i]);
    }
}

// RFC 9162, section 2.1.1, word by word.

static void naive_leaf(const u8 *row, size_t size, struct digest *out)
{
    u8 message[1 + MERKLE_ROW_SIZE_MAX] = {0x00};
    if (size != 0) memcpy(message + 1, row, size);
    trusted(message, 1 + size, out);
}

static void naive_node(const struct digest *left, const struct digest *right, struct digest *out)
{
    u8 message[65] = {0x01};
    memcpy(message + 1, left->bytes, 32);
    memcpy(message + 33, right->bytes, 32);
    trusted(message, sizeof message, out);
}

static void naive_root(const struct digest *leaves, size_t count, struct digest *out)
{
    if (count == 1) {
        *out = leaves[0];
        return;
    }
    size_t split = 1;
    while (split * 2 < count) split *= 2;
    struct digest left, right;
    naive_root(leaves, split, &left);
    naive_root(leaves + split, count - split, &right);
    naive_node(&left, &right, out);
}

enum { LEAF_COUNT_MAX = 300, STRIDE = 64 };

static void leaves_of_every_shape(void **state)
{
    (void)state;
    static struct digest found[LEAF_COUNT_MAX + 1];
    for (size_t row_size = 0; row_size <= MERKLE_ROW_SIZE_MAX; row_size++) {
        for (size_t count = 0; count <= 37; count++) {
            const size_t stride = row_size + count; // Down to rows without a gap.
            memset(found, 0xee, sizeof found);
            merkle_leaves(data, row_size, stride, count, found);
            for (size_t i = 0; i < count; i++) {
                struct digest expected;
                naive_leaf(data + i * stride, row_size, &expected);
                assert_same(&expected, &found[i]);
            }
            assert_int_equal(found[count].bytes[0], 0xee);
        }
    }
}

static void leaves_read_rows_only(void **state)
{
    (void)state;
    // The rows end where the allocation ends: the address sanitizer sees a read past them.
    const size_t count = 21, row_size = 54;
    u8 *rows = malloc((count - 1) * STRIDE + row_size);
    assert_non_null(rows);
    memcpy(rows, data, (count - 1) * STRIDE + row_size);
    struct digest found[21], expected;
    merkle_leaves(rows, row_size, STRIDE, count, found);
    naive_leaf(data + 20 * (size_t)STRIDE, row_size, &expected);
    assert_same(&expected, &found[20]);
    free(rows);
}

static void nodes_of_every_count(void **state)
{
    (void)state;
    static struct digest children[80], apart[41];
    for (size_t count = 0; count <= 40; count++) {
        memcpy(children, data, sizeof children);
        memset(apart, 0xee, sizeof apart);
        merkle_nodes(children, count, apart);
        for (size_t i = 0; i < count; i++) {
            struct digest expected;
            naive_node(&children[2 * i], &children[2 * i + 1], &expected);
            assert_same(&expected, &apart[i]);
        }
        assert_int_equal(apart[count].bytes[0], 0xee);
        merkle_nodes(children, count, children);
        assert_memory_equal(children, apart, count * sizeof *children);
    }
}

static void roots_of_every_count(void **state)
{
    (void)state;
    static struct digest leaves[LEAF_COUNT_MAX], scratch[LEAF_COUNT_MAX];
    static struct merkle_range range;
    memset(&range, 0, sizeof range);
    merkle_leaves(data, 54, STRIDE, LEAF_COUNT_MAX, leaves);
    struct digest found, expected;
    merkle_range_root(&range, &found);
    assert_digest(&found, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (size_t count = 1; count <= LEAF_COUNT_MAX; count++) {
        naive_root(leaves, count, &expected);
        memcpy(scratch, leaves, sizeof scratch);
        merkle_root(scratch, count, &found);
        assert_same(&expected, &found);
        merkle_range_append(&range, &leaves[count - 1], NULL);
        merkle_range_root(&range, &found);
        assert_same(&expected, &found);
        assert_true(range.count == count);
    }
    // The root may be left in the digests.
    memcpy(scratch, leaves, sizeof scratch);
    merkle_root(scratch, LEAF_COUNT_MAX, &scratch[7]);
    assert_same(&expected, &scratch[7]);
}

static void batch_of_8189(void **state)
{
    (void)state;
    enum { COUNT = 8189 };
    static struct digest leaves[COUNT], scratch[COUNT];
    merkle_leaves(data, 54, STRIDE, COUNT, leaves);
    memcpy(scratch, leaves, sizeof scratch);
    struct digest found, expected;
    merkle_root(scratch, COUNT, &found);
    naive_root(leaves, COUNT, &expected);
    assert_same(&expected, &found);
}

// Roots published with Certificate Transparency's reference implementation (the tree of RFC 6962
// is that of RFC 9162) for the first n of eight inputs.
static void published_roots(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } inputs[8] = {
        {"", 0},
        {"\x00", 1},
        {"\x10", 1},
        {"\x20\x21", 2},
        {"\x30\x31", 2},
        {"\x40\x41\x42\x43", 4},
        {"\x50\x51\x52\x53\x54\x55\x56\x57", 8},
        {"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f", 16},
    };
    static const char *const roots[8] = {
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    };
    struct digest leaves[8], scratch[8], root;
    for (size_t i = 0; i < 8; i++) {
        merkle_leaves(inputs[i].bytes, inputs[i].size, 0, 1, &leaves[i]);
        memcpy(scratch, leaves, sizeof scratch);
        merkle_root(scratch, i + 1, &root);
        assert_digest(&root, roots[i]);
    }
}

int main(int count, char **arguments)
{
    (void)count;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples),
        cmocka_unit_test(every_small_size),
        cmocka_unit_test(chunks_of_every_shape),
        cmocka_unit_test(leaves_of_every_shape),
        cmocka_unit_test(leaves_read_rows_only),
        cmocka_unit_test(nodes_of_every_count),
        cmocka_unit_test(roots_of_every_count),
        cmocka_unit_test(batch_of_8189),
        cmocka_unit_test(published_roots),
    };
    return test_levels_next(cmocka_run_group_tests(tests, setup, NULL), arguments);
}
