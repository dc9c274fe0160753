// SPDX-License-Identifier: Apache-2.0
//
// Records as bytes: sizes, every refusal, the canonical form; and the printed reference.
#include "codec/record_binary.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "codec/record_docs.h"
#include "schema/schema_test_types.h"

static const struct schema_record *const order = &test_schema_test_order;

struct whole {
    struct test_order head;
    struct test_line lines[2];
    char remark[5];
};
enum { WHOLE_SIZE = 96 + 2 * 32 + 5 };

static struct whole sample(void)
{
    struct whole whole = {.head = {.id = 7,
                                   .flags = 9,
                                   .state = 10,
                                   .lines_count = 2,
                                   .remark_size = 5,
                                   .currency = "EU",
                                   .change = -1000},
                          .lines = {{.price = 1}, {.price = 2, .quantity = 1000}}};
    memcpy(whole.remark, "hello", 5);
    return whole;
}

static void test_sizes(void **state)
{
    (void)state;
    struct whole whole = sample();
    struct failure failure = {0};
    assert_int_equal(record_binary_size(order, &whole), WHOLE_SIZE);
    assert_int_equal(record_binary_size_max(order), 96 + 3 * 32 + 64);
    if (record_binary_check(order, &whole, WHOLE_SIZE, &failure)) fail_msg("%s", failure.message);
    // Any alignment.
    u8 shifted[WHOLE_SIZE + 1];
    memcpy(shifted + 1, &whole, WHOLE_SIZE);
    assert_int_equal(record_binary_check(order, shifted + 1, WHOLE_SIZE, &failure), STATUS_OK);
    assert_true(record_binary_equal(order, shifted + 1, &whole));
    shifted[WHOLE_SIZE] = 'x';
    assert_false(record_binary_equal(order, shifted + 1, &whole));
    whole.head.remark_size = 4;
    assert_false(record_binary_equal(order, shifted + 1, &whole));
}

#define REFUSED(change, bytes, expected)                                                       \
    do {                                                                                       \
        struct whole whole = sample();                                                         \
        struct failure failure = {0};                                                          \
        change;                                                                                \
        assert_int_equal(record_binary_check(order, &whole, bytes, &failure), STATUS_INVALID); \
        assert_string_equal(failure.message, expected);                                        \
    } while (0)

static void test_refuses(void **state)
{
    (void)state;
    REFUSED((void)0, 95, "test_order: 95 bytes are fewer than 96");
    REFUSED((void)0, WHOLE_SIZE - 1, "test_order: 164 bytes where its counts say 165");
    REFUSED((void)0, WHOLE_SIZE + 1, "test_order: 166 bytes where its counts say 165");
    REFUSED(whole.head.reserved_2[11] = 1, WHOLE_SIZE,
            "test_order: reserved_2: a reserved field is not zero");
    REFUSED(whole.head.flags = 2, WHOLE_SIZE, "test_order: flags: 2 has bits that are no flags");
    REFUSED(whole.head.state = 11, WHOLE_SIZE, "test_order: state: 11 is the number of no value");
    REFUSED(whole.head.delay = 86401, WHOLE_SIZE, "test_order: delay: 86401 is out of range");
    REFUSED(whole.head.change = 1001, WHOLE_SIZE, "test_order: change: 1001 is out of range");
    REFUSED(whole.head.change = INT64_MIN, WHOLE_SIZE,
            "test_order: change: -9223372036854775808 is out of range");
    REFUSED(whole.head.codes[3] = 100, WHOLE_SIZE, "test_order: codes: 100 is out of range");
    REFUSED(whole.head.currency[0] = 0xff, WHOLE_SIZE,
            "test_order: currency: the text is not "
            "UTF-8");
    REFUSED(whole.head.currency[0] = 0, WHOLE_SIZE,
            "test_order: currency: the text has a zero in it");
    REFUSED(whole.head.lines_count = 4, WHOLE_SIZE, "test_order: lines: 4 items are more than 3");
    REFUSED(whole.head.remark_size = 65, WHOLE_SIZE,
            "test_order: remark: 65 bytes are more than 64");
    REFUSED(whole.lines[1].reserved[0] = 1, WHOLE_SIZE,
            "test_order: lines[1]: reserved: a reserved field is not zero");
    REFUSED(whole.lines[0].quantity = 1001, WHOLE_SIZE,
            "test_order: lines[0]: quantity: 1001 is out of range");
    REFUSED(whole.remark[2] = 0, WHOLE_SIZE, "test_order: remark: the text has a zero in it");
    struct whole whole = sample();
    struct failure failure = {0};
    whole.head.delay = 86401;
    assert_int_equal(record_binary_check(order, &whole, WHOLE_SIZE, &failure), STATUS_INVALID);
    assert_string_equal(failure.hint, "at most 86400 seconds");
}

static void test_switch(void **state)
{
    (void)state;
    struct test_options options = {.quiet = true};
    struct failure failure = {0};
    const struct schema_record *record = &test_schema_test_options;
    assert_int_equal(record_binary_check(record, &options, sizeof options, &failure), STATUS_OK);
    const u8 two = 2;
    memcpy((u8 *)&options + offsetof(struct test_options, quiet), &two, 1);
    assert_int_equal(record_binary_check(record, &options, sizeof options, &failure),
                     STATUS_INVALID);
    assert_string_equal(failure.message, "test_options: quiet: neither true nor false");
}

static void test_canonical(void **state)
{
    (void)state;
    struct whole whole = sample();
    u8 out[WHOLE_SIZE + 9];
    memset(out, '#', sizeof out);
    assert_int_equal(record_binary_canonical(order, &whole, out, WHOLE_SIZE + 7), WHOLE_SIZE + 8);
    assert_int_equal(out[0], '#');
    assert_int_equal(record_binary_canonical(order, &whole, out, WHOLE_SIZE + 8), WHOLE_SIZE + 8);
    assert_memory_equal(out, "\x02\x7f\x00\x00\xa5\x00\x00\x00", 8);
    assert_memory_equal(out + 8, &whole, WHOLE_SIZE);
    assert_int_equal(out[WHOLE_SIZE + 8], '#');
}

static void test_docs(void **state)
{
    (void)state;
    char buffer[8192];
    struct text out = text_init(buffer, sizeof buffer - 1);
    record_docs_module(&test_schema, &out);
    assert_false(text_overflowed(&out));
    buffer[out.size] = 0;
    static const char *const parts[] = {
        "# Reference: test\n",
        "### test_order\n\nAn order.\n\nKind: command. Number: 0x7f02. Size: 96 bytes, ",
        ", with what follows the head at most 256.\n",
        "| 0 | `id` | u128 |  | Chosen by the client. Key. Required. |\n",
        "| 52 | `delay` | u32 | seconds | How long. At most 86400. |\n",
        "| 56 | `currency` | text[3] |  | ISO 4217. |\n",
        "| 59 | `flags` | u8 |  | Behaviour. See `test_flags`. |\n",
        "| 60 | `digest` | bytes[4] |  | Bytes. |\n",
        "| 64 | `codes` | u16[4] |  | Four codes. At most 99. |\n",
        "| 76 | `lines` | test_line[0..3] |  | What is ordered. |\n",
        "| 80 | `remark` | text[0..64] |  | A word to the shop. |\n",
        "| 4 | `payload` | bytes[0..16] |  | The bytes. |\n",
        "| 3 | 8 | `gift_wrapped` | In paper. |\n",
        " At least 1. At most 500. On a command line 100 when not given. |\n",
        "| 28 | `quiet` | bool |  | Say nothing. |\n",
        "| 10 | `paid` | Paid in full. |\n",
        "| `new` | `pay` | `paid` | Paid first. |\n",
        "| 7 | `sold_out` | 409 | yes | There is none left. |\n",
    };
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        if (!strstr(buffer, parts[i])) fail_msg("missing: %s", parts[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),  cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_switch), cmocka_unit_test(test_canonical),
        cmocka_unit_test(test_docs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
