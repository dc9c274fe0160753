// SPDX-License-Identifier: Apache-2.0
//
// Records from command-line arguments: forms, refusals, the help text.
#include "codec/record_text.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "schema/schema_test_types.h"

static enum status parse(struct test_order *order, struct failure *failure, int argc,
                         const char *const *argv)
{
    struct record_arguments part = {.record = &test_schema_test_order, .head = order};
    const enum status status = record_parse_arguments(&part, 1, "shop order", argc, argv, failure);
    return status ? status : record_check_arguments(&part, failure);
}

#define WORDS(...)                                                           \
    ARRAY_COUNT(((const char *const[]){__VA_ARGS__})), (const char *const[]) \
    {                                                                        \
        __VA_ARGS__                                                          \
    }
#define PARSE(order, failure, ...) parse(order, failure, WORDS(__VA_ARGS__))

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
    REFUSED("--id is missing", "--id: Chosen by the client.", "--delay", "7");
    REFUSED("--id is given twice", "", "--id", "7", "id=8");
    REFUSED("--id needs a value", "--id: Chosen by the client.", "--id");
    REFUSED("--id needs a value", "--id: Chosen by the client.", "--id", "--delay", "7");
    REFUSED("--id needs a value", "--id: Chosen by the client.", "--id", "");
    REFUSED("--id needs a value", "--id: Chosen by the client.", "--id=");
    REFUSED("--curency is no flag of shop order", "did you mean --currency?", "--curency", "EUR");
    REFUSED("--curency is no flag of shop order", "did you mean --currency?", "--curency=EUR");
    REFUSED("temperature is no flag of shop order", "did you mean --id temperature?",
            "temperature=5");
    REFUSED("--reserved-2 is no flag of shop order", "", "--reserved-2", "0");
    REFUSED("7 is no flag of shop order", "did you mean --id 7?", "7");
    REFUSED("7 is no flag of shop order", "", "--id", "7", "7");
    REFUSED("-h is no flag of shop order", "", "-h");
    REFUSED("-- is no flag of shop order", "", "--");
    REFUSED("--a?b is no flag of shop order", "",
            "--a\x1b"
            "b");
    REFUSED("--id: \"seven\" is not a decimal number", "", "--id", "seven");
    REFUSED("--delay: \"90000\" is more than 86400 seconds", "", "--delay", "90000");
    REFUSED("--flags: \"urgnt\" is not a flag", "the nearest flag is urgent", "--flags", "urgnt");
    REFUSED("--flags: \"\" is not a flag", "its flags are urgent, gift_wrapped", "--flags",
            "urgent,");
    REFUSED("--flags: \"hidden\" is not a flag", "its flags are urgent, gift_wrapped", "--flags",
            "hidden");
    REFUSED("--flags: \"urgent\" is given twice", "", "--flags", "urgent|urgent");
    REFUSED("--state: \"lost\" is not one of its values", "its values are new, paid, sent",
            "--state", "lost");
    REFUSED("--codes: \"1,2\" has not 4 numbers", "", "--codes", "1,2");
    REFUSED("--codes: \"1,2,3,4,5\" has not 4 numbers", "", "--codes", "1,2,3,4,5");
    REFUSED("--day: \"2026-02-29\" is no date such as 2026-11-21, nor days since 1970: at "
            "character 9 a day that the month has is expected",
            "", "--day", "2026-02-29");
    REFUSED("--moment: \"2026-11-21 09:30\" is no moment such as 2026-11-21 or "
            "2026-11-21T09:30:00Z, nor nanoseconds since 1970: at character 11 the letter T is "
            "expected, and the time behind it",
            "", "--moment", "2026-11-21 09:30");
    REFUSED("--moment: \"12x\" is no moment such as 2026-11-21 or 2026-11-21T09:30:00Z, nor "
            "nanoseconds since 1970: at character 3 a year of four digits is expected",
            "", "--moment", "12x");
    REFUSED("--moment: \"-1\" is negative", "", "--moment", "-1");
    REFUSED("--balance: \"max\" is not a decimal number", "", "--balance", "max");
    REFUSED("--balance: \"-1.50\" is not a whole number of minor units, such as 150 for 1.50", "",
            "--balance", "-1.50");
    REFUSED("--balance: \"-\" is not a decimal number", "", "--balance", "-");
    REFUSED("--id: \"1.50\" is not a decimal number", "", "--id", "1.50");
    // Items and blobs are no flags.
    REFUSED("--lines is no flag of shop order", "", "--lines", "7");
    REFUSED("--remark is no flag of shop order", "", "--remark", "x");
    // The text itself is not repeated: it may be a name.
    REFUSED("--currency: a text of 4 bytes is longer than 3 bytes", "", "--currency", "EURO");
}

static void test_several_are_missing(void **state)
{
    (void)state;
    struct test_line line;
    struct failure failure = {0};
    struct schema_field required[2];
    memcpy(required, test_schema_test_line.fields, sizeof required);
    required[1].flags |= FIELD_REQUIRED;
    struct schema_record record = test_schema_test_line;
    record.fields = required;
    record.field_count = 2;
    struct record_arguments part = {.record = &record, .head = &line};
    assert_int_equal(record_parse_arguments(&part, 1, "shop", 0, NULL, &failure), STATUS_OK);
    assert_int_equal(record_check_arguments(&part, &failure), STATUS_INVALID);
    assert_string_equal(failure.message, "--price, --quantity are missing");
}

// The largest amount has a name.
static void test_amount_max(void **state)
{
    (void)state;
    struct test_line line;
    struct failure failure = {0};
    struct record_arguments part = {.record = &test_schema_test_line, .head = &line};
    assert_int_equal(record_parse_arguments(&part, 1, "shop", WORDS("--price", "max"), &failure),
                     STATUS_OK);
    assert_true(line.price == U128_MAX);
}

static enum status gift_parse(struct test_gift *gift, struct failure *failure, int argc,
                              const char *const *argv)
{
    struct record_arguments part = {.record = &test_schema_test_gift, .head = gift};
    const enum status status = record_parse_arguments(&part, 1, "give", argc, argv, failure);
    return status ? status : record_check_arguments(&part, failure);
}

// A flag of the record waives what is required else; 0 is given by writing it.
static void test_waived(void **state)
{
    (void)state;
    struct test_gift gift;
    struct failure failure = {0};
    assert_int_equal(gift_parse(&gift, &failure, WORDS("--flags", "urgent")), STATUS_INVALID);
    assert_string_equal(failure.message, "--price is missing");
    assert_string_equal(failure.hint, "--price: What it may cost.");
    assert_int_equal(gift_parse(&gift, &failure, WORDS("--price", "0")), STATUS_OK);
    assert_int_equal(gift_parse(&gift, &failure, WORDS("--flags", "8")), STATUS_OK);
    assert_int_equal(gift_parse(&gift, &failure, WORDS("--received", "0")), STATUS_INVALID);
    assert_string_equal(failure.message, "--received is no flag of give");
}

// A date as the end of something is the end of its day; a moment is itself.
static void test_day_end(void **state)
{
    (void)state;
    struct test_gift gift;
    struct failure failure = {0};
    const u64 day = 1795219200ull * NS_PER_S;
    assert_int_equal(gift_parse(&gift, &failure, WORDS("price=1", "until=2026-11-21")), STATUS_OK);
    assert_true(gift.until == day + 86400 * NS_PER_S - 1);
    assert_int_equal(gift_parse(&gift, &failure, WORDS("price=1", "until=2026-11-21T00:00:00Z")),
                     STATUS_OK);
    assert_true(gift.until == day);
    assert_int_equal(gift_parse(&gift, &failure, WORDS("price=1", "until=17")), STATUS_OK);
    assert_true(gift.until == 17);
    // The last day ends with the last number.
    assert_int_equal(gift_parse(&gift, &failure, WORDS("price=1", "until=2554-07-21")), STATUS_OK);
    assert_true(gift.until == U64_MAX);
}

// Options beside a record: words, switches, what stands there when nothing is given.
struct shopping {
    struct test_order order;
    struct test_options options;
    struct record_arguments parts[2];
    struct failure failure;
};

static enum status shopping_parse(struct shopping *shopping, int argc, const char *const *argv)
{
    *shopping = (struct shopping){0};
    shopping->parts[0] =
        (struct record_arguments){.record = &test_schema_test_order, .head = &shopping->order};
    shopping->parts[1] =
        (struct record_arguments){.record = &test_schema_test_options, .head = &shopping->options};
    return record_parse_arguments(shopping->parts, 2, "shop", argc, argv, &shopping->failure);
}

static void test_parts(void **state)
{
    (void)state;
    struct shopping shopping;
    assert_int_equal(shopping_parse(&shopping, WORDS("--quiet", "here", "--id", "7", "--list=a b")),
                     STATUS_OK);
    assert_true(shopping.order.id == 7);
    assert_string_equal(shopping.options.shop, "here");
    assert_string_equal(shopping.options.list, "a b");
    assert_true(shopping.options.quiet);
    assert_int_equal(shopping.options.budget, 100);
    const struct record_arguments *options = &shopping.parts[1];
    assert_true(record_is_given(options, offsetof(struct test_options, quiet)));
    assert_false(record_is_given(options, offsetof(struct test_options, budget)));
    assert_true(record_is_any_given(&shopping.parts[0]));
    assert_int_equal(record_check_arguments(options, &shopping.failure), STATUS_OK);

    // Names of files are bytes of any kind.
    assert_int_equal(shopping_parse(&shopping, WORDS("h\xe4r")), STATUS_OK);
    assert_string_equal(shopping.options.shop, "h\xe4r");

    // A word may have an equals sign; a switch may be told its value.
    assert_int_equal(shopping_parse(&shopping, WORDS("./a=b", "quiet=false", "budget=5")),
                     STATUS_OK);
    assert_string_equal(shopping.options.shop, "./a=b");
    assert_false(shopping.options.quiet);
    assert_int_equal(shopping.options.budget, 5);
    assert_false(record_is_any_given(&shopping.parts[0]));
}

static void test_parts_refuse(void **state)
{
    (void)state;
    struct shopping shopping;
#define PARTS_REFUSED(message_, ...)                                                     \
    do {                                                                                 \
        assert_int_equal(shopping_parse(&shopping, WORDS(__VA_ARGS__)), STATUS_INVALID); \
        assert_string_equal(shopping.failure.message, message_);                         \
    } while (0)
    PARTS_REFUSED("\"there\" is one word too many", "here", "there");
    PARTS_REFUSED("--budget: \"0\" is less than 1", "--budget", "0");
    PARTS_REFUSED("--budget: \"501\" is more than 500", "--budget", "501");
    PARTS_REFUSED("--quiet: \"maybe\" is neither true nor false", "--quiet=maybe");
    PARTS_REFUSED("--list needs a value", "--list=");
    PARTS_REFUSED("--budget is given twice", "--budget=7", "--budget=7");
    PARTS_REFUSED("--quiet is given twice", "--quiet", "--quiet");
    PARTS_REFUSED("SHOP needs a value", "");
    // A zero stays behind it.
    PARTS_REFUSED("SHOP: a text of 8 bytes is longer than 7 bytes", "12345678");
    PARTS_REFUSED("--minute is no flag of shop", "--minute", "7");
    assert_string_equal(shopping.failure.hint, "did you mean --minutes?");
    assert_int_equal(shopping_parse(&shopping, 0, NULL), STATUS_OK);
    assert_int_equal(record_check_arguments(&shopping.parts[1], &shopping.failure), STATUS_INVALID);
    assert_string_equal(shopping.failure.message, "SHOP is missing");
    assert_string_equal(shopping.failure.hint, "SHOP: Where to go.");
}

static void test_words_become_items(void **state)
{
    (void)state;
    struct {
        struct test_numbers head;
        struct test_number numbers[3];
    } whole;
    struct failure failure = {0};
    struct record_arguments part = {.record = &test_schema_test_numbers, .head = &whole};
    assert_int_equal(record_parse_arguments(&part, 1, "go", WORDS("1", "22", "3"), &failure),
                     STATUS_OK);
    assert_int_equal(whole.head.numbers_count, 3);
    assert_true(whole.numbers[1].number == 22);
    assert_int_equal(record_parse_arguments(&part, 1, "go", WORDS("1", "2", "3", "4"), &failure),
                     STATUS_INVALID);
    assert_string_equal(failure.message, "more than 3 numbers");
    assert_int_equal(record_parse_arguments(&part, 1, "go", WORDS("x"), &failure), STATUS_INVALID);
    assert_string_equal(failure.message, "NUMBERS: \"x\" is not a decimal number");
    assert_int_equal(record_parse_arguments(&part, 1, "go", WORDS("--x"), &failure),
                     STATUS_INVALID);
    assert_string_equal(failure.message, "--x is no flag of go");
}

struct route {
    struct test_route head;
    struct test_delivery deliveries[3];
};

static enum status route_parse(struct route *route, struct record_references *references,
                               struct failure *failure, int argc, const char *const *argv)
{
    struct record_arguments part = {
        .record = &test_schema_test_route, .head = route, .references = references};
    if (references != NULL) references->count = 0;
    const enum status status = record_parse_arguments(&part, 1, "route", argc, argv, failure);
    return status ? status : record_check_arguments(&part, failure);
}

static void expect_reference(const struct record_references *references, u32 i, const char *name,
                             const char *field, const void *head)
{
    const struct record_reference *reference = &references->items[i];
    assert_true(i < references->count);
    assert_int_equal(reference->name_size, strlen(name));
    assert_memory_equal(reference->name, name, strlen(name));
    assert_string_equal(reference->field->name, field);
    assert_ptr_equal(reference->head, head);
}

static void test_names_stand_for_numbers(void **state)
{
    (void)state;
    static struct record_references references;
    struct route route;
    struct failure failure = {0};
    if (route_parse(&route, &references, &failure,
                    WORDS("--account-id", "@g:cash", "@g:a:5:100", "7:6:1:200", "@b:0:max")))
        fail_msg("%s", failure.message);
    assert_int_equal(references.count, 3);
    expect_reference(&references, 0, "g:cash", "account_id", &route.head);
    expect_reference(&references, 1, "g:a", "account_id", &route.deliveries[0]);
    expect_reference(&references, 2, "b", "account_id", &route.deliveries[2]);
    assert_true(references.items[1].record == &test_schema_test_delivery);
    assert_true(route.head.account_id == 0 && route.head.book == 0);
    assert_int_equal(route.deliveries[0].quantity, 5);
    assert_true(route.deliveries[0].price == 100 && route.deliveries[0].account_id == 0);
    assert_true(route.deliveries[1].book == 7 && route.deliveries[1].account_id == 1);
    assert_true(route.deliveries[2].price == U128_MAX);
    if (route_parse(&route, &references, &failure, WORDS("--book", "@b", "--account-id=7")))
        fail_msg("%s", failure.message);
    assert_int_equal(references.count, 1);
    expect_reference(&references, 0, "b", "book", &route.head);
    assert_true(route.head.account_id == 7 && route.head.book == 0);
}

#define ROUTE_REFUSED(references, expected_message, ...)                                \
    do {                                                                                \
        struct route route;                                                             \
        struct failure failure = {0};                                                   \
        assert_int_equal(route_parse(&route, references, &failure, WORDS(__VA_ARGS__)), \
                         STATUS_INVALID);                                               \
        assert_string_equal(failure.message, expected_message);                         \
    } while (0)

static void test_names_are_refused(void **state)
{
    (void)state;
    static struct record_references references;
    ROUTE_REFUSED(NULL, "--account-id: a number is due here, not a name", "--account-id", "@a");
    ROUTE_REFUSED(NULL, "DELIVERIES: a number is due here, not a name", "--account-id", "1",
                  "--book=1", "@a:1:1");
    ROUTE_REFUSED(&references, "--account-id: no name follows the @", "--account-id", "@");
    ROUTE_REFUSED(&references, "--account-id: \"a\" is not a decimal number", "--account-id", "a");
    ROUTE_REFUSED(&references, "--book is told by the name of the account", "--book=7",
                  "--account-id=@a");
    ROUTE_REFUSED(&references, "--book is told by the name of the account", "--account-id=@a",
                  "--book", "@b");
    ROUTE_REFUSED(&references, "--account-id is missing", "--book", "@a");
    ROUTE_REFUSED(&references, "--book is missing", "--account-id", "1", "@a:1:1");
    ROUTE_REFUSED(&references, "DELIVERIES: price is missing: fields are parted by colons", "@a");
    ROUTE_REFUSED(&references, "DELIVERIES: quantity is missing: fields are parted by colons",
                  "@a:1");
    ROUTE_REFUSED(&references, "DELIVERIES: price is missing: fields are parted by colons",
                  "@a:1:");
    ROUTE_REFUSED(&references, "DELIVERIES: no name follows the @", "@:1:1");
    ROUTE_REFUSED(&references, "DELIVERIES: quantity: \"x\" is not a decimal number", "@a:x:1");
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

    static const char options[] =
        "  SHOP                        Where to go. (required)\n"
        "  --budget N                  Coins to spend. 1 to 500. 100 when not given.\n"
        "  --list FILE                 What to buy.\n"
        "  --minutes N                 How long. At least 5.\n"
        "  --quiet                     Say nothing.\n";
    text = text_init(out, sizeof out);
    record_print_help(&test_schema_test_options, &text);
    out[text.size] = 0;
    assert_string_equal(out, options);

    static const char gift[] =
        "  --price AMOUNT              What it may cost. (required without gift_wrapped)\n"
        "  --until MOMENT              How long it can wait. ISO 8601 (a date is the end\n"
        "                              of that day) or nanoseconds since 1970.\n"
        "  --flags NAME,...            Behaviour. Any of urgent, gift_wrapped.\n";
    text = text_init(out, sizeof out);
    record_print_help(&test_schema_test_gift, &text);
    out[text.size] = 0;
    assert_string_equal(out, gift);

    static const char route[] = "  --account-id N|@NAME        The account that pays. (required)\n"
                                "  --book N|@NAME              The book of it. (required)\n"
                                "  DELIVERIES                  What is delivered.\n";
    text = text_init(out, sizeof out);
    record_print_help(&test_schema_test_route, &text);
    out[text.size] = 0;
    assert_string_equal(out, route);

    text = text_init(out, sizeof out);
    record_print_usage(&test_schema_test_options, &text);
    record_print_usage(&test_schema_test_order, &text);
    record_print_usage(&test_schema_test_numbers, &text);
    out[text.size] = 0;
    assert_string_equal(out, " SHOP --id N NUMBERS...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_several_are_missing),
        cmocka_unit_test(test_amount_max),
        cmocka_unit_test(test_waived),
        cmocka_unit_test(test_day_end),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_parts_refuse),
        cmocka_unit_test(test_words_become_items),
        cmocka_unit_test(test_names_stand_for_numbers),
        cmocka_unit_test(test_names_are_refused),
        cmocka_unit_test(test_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
