// SPDX-License-Identifier: Apache-2.0
//
// Records from command-line arguments: forms, refusals, the help text.
#include "codec/record_text.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "schema/schema_test_types.h"

#define PARSE(order, failure, ...)                                            \
    record_parse_arguments(&test_schema_test_order,                           \
                           ARRAY_COUNT(((const char *const[]){__VA_ARGS__})), \
                           (const char *const[]){__VA_ARGS__}, order, failure)

static void test_forms(void **state)
{
    (void)state;
    struct test_order order;
    struct failure failure = {0};
    memset(&order, 0xee, sizeof order);
    if (PARSE(&order, &failure, "--id", "7", "flags=urgent,gift-wrapped", "--change=-5", "--codes",
              "1,2,3,4", "digest=00ff10a0", "--currency", "EUR", "--state", "paid", "--moment",
              "2026-11-21T09:30:00Z", "day=1969-12-31", "--balance", "-12"))
        fail_msg("%s", failure.message);
    assert_true(order.id == 7);
    assert_int_equal(order.flags, 9);
    assert_int_equal(order.change, -5);
    assert_int_equal(order.codes[3], 4);
    assert_memory_equal(order.digest, "\x00\xff\x10\xa0", 4);
    assert_memory_equal(order.currency, "EUR", 3);
    assert_int_equal(order.state, TEST_STATE_PAID);
    assert_true(order.moment == 1795253400ull * NS_PER_S);
    assert_int_equal(order.day, -1);
    assert_true(order.balance == -12);
    assert_int_equal(order.delay, 0);
    assert_true(is_zero(order.reserved_2, sizeof order.reserved_2));

    assert_int_equal(
        PARSE(&order, &failure, "id=8", "flags=8", "state=20", "moment=17", "day=3", "currency="),
        STATUS_OK);
    assert_int_equal(order.flags, 8);
    assert_int_equal(order.state, 20);
    assert_int_equal(order.moment, 17);
    assert_int_equal(order.day, 3);
}

#define REFUSED(expected_message, expected_hint, ...)                           \
    do {                                                                        \
        struct test_order order;                                                \
        struct failure failure = {0};                                           \
        assert_int_equal(PARSE(&order, &failure, __VA_ARGS__), STATUS_INVALID); \
        assert_string_equal(failure.message, expected_message);                 \
        assert_string_equal(failure.hint, expected_hint);                       \
    } while (0)

static void test_refusals(void **state)
{
    (void)state;
    REFUSED("--id is required and missing", "id: Chosen by the client.", "--delay", "7");
    REFUSED("--id is given twice", "", "--id", "7", "id=8");
    REFUSED("--id has no value", "id: Chosen by the client.", "--id");
    REFUSED("--id has no value", "id: Chosen by the client.", "--id", "--delay", "7");
    REFUSED("--id has no value", "id: Chosen by the client.", "--id", "");
    REFUSED("--id has no value", "id: Chosen by the client.", "--id=");
    REFUSED("test_order has no field \"curency\"", "did you mean --currency?", "--curency", "EUR");
    REFUSED("test_order has no field \"temperature\"", "", "temperature=5");
    REFUSED("test_order has no field \"reserved-2\"", "", "--reserved-2", "0");
    REFUSED("\"7\" is neither --field value nor field=value", "", "7");
    REFUSED("\"--\" is neither --field value nor field=value", "", "--");
    REFUSED("\"=7\" is neither --field value nor field=value", "", "=7");
    REFUSED("id: \"seven\" is not a decimal number", "", "--id", "seven");
    REFUSED("delay: \"90000\" is more than 86400 seconds", "", "--delay", "90000");
    REFUSED("flags: \"urgnt\" is not a flag", "the nearest flag is urgent", "--flags", "urgnt");
    REFUSED("flags: \"\" is not a flag", "the nearest flag is urgent", "--flags", "urgent,");
    REFUSED("flags: \"urgent\" is given twice", "", "--flags", "urgent|urgent");
    REFUSED("state: \"lost\" is not one of its values", "its values are new, paid, sent", "--state",
            "lost");
    REFUSED("codes: \"1,2\" has not 4 numbers", "", "--codes", "1,2");
    REFUSED("codes: \"1,2,3,4,5\" has not 4 numbers", "", "--codes", "1,2,3,4,5");
    REFUSED("day: \"2026-02-29\" is not a date such as 2026-11-21, nor a day number", "", "--day",
            "2026-02-29");
    REFUSED("moment: \"2026-11-21 09:30\" is not a moment such as 2026-11-21T09:30:00Z, nor "
            "nanoseconds",
            "", "--moment", "2026-11-21 09:30");
    REFUSED("lines: can only be given in JSON", "", "--lines", "7");
    REFUSED("remark: can only be given in JSON", "", "--remark", "x");
    // The text itself is not repeated: it may be a name.
    REFUSED("currency: a text of 4 bytes is longer than 3 bytes", "", "--currency", "EURO");
}

static void test_help(void **state)
{
    (void)state;
    static const char expected[] =
        "  --id N                      Chosen by the client. (required)\n"
        "  --balance AMOUNT            May be negative.\n"
        "  --change N                  From -1000 to 1000. At most 1000.\n"
        "  --moment MOMENT             When. ISO 8601 or nanoseconds since 1970.\n"
        "  --day DATE                  A civil date. ISO 8601 or days since 1970.\n"
        "  --delay SECONDS             How long. At most 86400.\n"
        "  --currency TEXT             ISO 4217.\n"
        "  --flags NAME,...            Behaviour. Any of urgent, gift_wrapped.\n"
        "  --digest HEX                Bytes.\n"
        "  --codes N,...               Four codes. At most 99.\n"
        "  --state NAME                Where it is. One of new, paid, sent.\n";
    char out[4096];
    struct text text = text_init(out, sizeof out);
    record_print_help(&test_schema_test_order, &text);
    assert_true(text.size < sizeof out);
    out[text.size] = 0;
    assert_string_equal(out, expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
