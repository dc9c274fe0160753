// SPDX-License-Identifier: Apache-2.0
//
// Records to JSON and back: round trips, every form a value may have, every refusal with its words.
#include "codec/record_json.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "codec/record_binary.h"
#include "schema/schema_test_types.h"

// A whole order: head, items, blob.
struct whole_order {
    struct test_order head;
    struct test_line lines[3];
    char remark[64];
};

static enum status parse(const char *text, struct whole_order *order, size_t *size,
                         struct failure *failure)
{
    memset(order, 0xee, sizeof *order);
    return record_json_parse(&test_schema_test_order, text, strlen(text), 1, order, sizeof *order,
                             size, failure);
}

static const char full_json[] =
    "{\"id\":\"340282366920938463463374607431768211455\",\"balance\":\"-5\",\"change\":\"-1000\","
    "\"moment\":\"18446744073709551615\",\"day\":-1,\"delay\":86400,\"currency\":\"EUR\","
    "\"flags\":[\"urgent\",\"gift_wrapped\"],\"digest\":\"00ff10a0\",\"codes\":[1,2,3,99],"
    "\"state\":\"paid\",\"lines\":[{\"price\":\"7\",\"quantity\":2},{\"price\":\"8\",\"quantity\":"
    "0}],\"remark\":\"gr\xc3\xbc\xc3\x9f\"}";

static void test_round_trip(void **state)
{
    (void)state;
    struct whole_order order;
    size_t size = 0;
    struct failure failure = {0};
    if (parse(full_json, &order, &size, &failure)) fail_msg("%s", failure.message);
    assert_int_equal(size, 96 + 2 * 32 + 6);
    assert_true(order.head.id == U128_MAX);
    assert_true(order.head.balance == -5);
    assert_true(order.head.change == -1000);
    assert_true(order.head.moment == UINT64_MAX);
    assert_int_equal(order.head.day, -1);
    assert_int_equal(order.head.delay, 86400);
    assert_memory_equal(order.head.currency, "EUR", 3);
    assert_int_equal(order.head.flags, 9);
    assert_memory_equal(order.head.digest, "\x00\xff\x10\xa0", 4);
    assert_int_equal(order.head.codes[3], 99);
    assert_int_equal(order.head.state, TEST_STATE_PAID);
    assert_int_equal(order.head.lines_count, 2);
    assert_int_equal(order.head.remark_size, 6);
    assert_true(order.lines[1].price == 8);
    assert_memory_equal(&order.lines[2], "gr\xc3\xbc\xc3\x9f", 6);
    assert_true(is_zero(order.head.reserved_2, sizeof order.head.reserved_2));

    char out[1024];
    struct json_writer writer = json_writer_init(out, sizeof out);
    record_json_write(&test_schema_test_order, RECORD_JSON_ALL, &order, &writer);
    assert_int_equal(json_writer_finish(&writer, &failure), STATUS_OK);
    assert_int_equal(writer.text.size, sizeof full_json - 1);
    assert_memory_equal(out, full_json, sizeof full_json - 1);
}

static void test_other_forms(void **state)
{
    (void)state;
    struct whole_order order;
    size_t size = 0;
    struct failure failure = {0};
    // The blob before the items, integers where strings are written and the other way round,
    // escapes in keys and values.
    static const char text[] =
        "{\"remark\":\"a\\u0062c\",\"i\\u0064\":7,\"balance\":-"
        "170141183460469231731687303715884105728"
        ",\"delay\":\"60\",\"flags\":9,\"state\":20,\"codes\":[\"1\",2,3,4],\"change\":\"\\u0031\","
        "\"lines\":[{\"price\":\"1\"}],\"currency\":\"X\"}";
    if (parse(text, &order, &size, &failure)) fail_msg("%s", failure.message);
    assert_true(order.head.id == 7);
    assert_true(order.head.balance == (i128)((u128)1 << 127));
    assert_int_equal(order.head.delay, 60);
    assert_int_equal(order.head.flags, 9);
    assert_int_equal(order.head.state, TEST_STATE_SENT);
    assert_int_equal(order.head.change, 1);
    assert_memory_equal(order.head.currency, "X\0\0", 3);
    assert_int_equal(size, 96 + 32 + 3);
    assert_memory_equal(&order.lines[1], "abc", 3);

    char out[256];
    struct json_writer writer = json_writer_init(out, sizeof out);
    struct test_order small = {.flags = 2, .state = 5, .currency = "E"};
    record_json_write(&test_schema_test_order, RECORD_JSON_OMIT_ZERO, &small, &writer);
    assert_int_equal(json_writer_finish(&writer, &failure), STATUS_OK);
    out[writer.text.size] = 0;
    // Flags and values without a name stay numbers.
    assert_string_equal(out, "{\"id\":\"0\",\"currency\":\"E\",\"flags\":2,\"state\":5}");
}

static void test_bytes_of_any_kind(void **state)
{
    (void)state;
    struct {
        struct test_packet head;
        u8 payload[16];
    } packet;
    size_t size = 0;
    struct failure failure = {0};
    const struct schema_record *record = &test_schema_test_packet;
    static const char text[] = "{\"number\":1,\"payload\":\"00ff\"}";
    assert_int_equal(record_json_parse(record, text, sizeof text - 1, 1, &packet, sizeof packet,
                                       &size, &failure),
                     STATUS_OK);
    assert_int_equal(size, 10);
    assert_memory_equal(packet.payload, "\x00\xff", 2);
    char out[64];
    struct json_writer writer = json_writer_init(out, sizeof out);
    record_json_write(record, RECORD_JSON_ALL, &packet, &writer);
    assert_memory_equal(out, text, sizeof text - 1);

    static const struct {
        const char *text;
        const char *message;
    } rows[] = {
        {"{\"payload\":\"0\"}", "line 1, column 12 (byte 11): payload: \"0\" has an odd number of "
                                "hexadecimal digits"},
        {"{\"payload\":\"0g\"}", "line 1, column 12 (byte 11): payload: \"0g\" is not made of "
                                 "hexadecimal digits"},
        {"{\"payload\":\"0102030405060708090a0b0c0d0e0f1011\"}",
         "line 1, column 12 (byte 11): payload: more than 16 bytes"},
        {"{\"payload\":1}", "line 1, column 12 (byte 11): payload: a string is expected, not a "
                            "number"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        assert_int_equal(record_json_parse(record, rows[i].text, strlen(rows[i].text), 1, &packet,
                                           sizeof packet, &size, &failure),
                         STATUS_INVALID);
        assert_string_equal(failure.message, rows[i].message);
    }
    assert_int_equal(
        record_json_parse(record, text, sizeof text - 1, 1, &packet, 9, &size, &failure),
        STATUS_FULL);
    assert_string_equal(failure.message, "line 1, column 23 (byte 22): payload: more than 1 bytes");
}

// What is only printed: small numbers as numbers, points, groups, none; and switches.
static void test_report(void **state)
{
    (void)state;
    char out[512];
    struct test_report report = {
        .visits = 1234567, .minutes_least = 5, .minutes_most = U64_MAX, .gifts = 2, .happy = true};
    struct json_writer writer = json_writer_init(out, sizeof out - 1);
    record_json_write(&test_schema_test_report, RECORD_JSON_ALL, &report, &writer);
    out[writer.text.size] = 0;
    assert_string_equal(out, "{\"visits\":1234567,\"minutes\":{\"least\":0.5,\"most\":null},"
                             "\"gifts\":2,\"shoes\":0,\"happy\":true,"
                             "\"receipt\":\"00000000000000000000000000000000\"}");
    // Members of two records in one object; a group ends with its fields.
    writer = json_writer_init(out, sizeof out - 1);
    json_write_object_begin(&writer);
    record_json_write_members(&test_schema_test_report, RECORD_JSON_OMIT_ZERO, &report, &writer);
    json_write_key(&writer, "more");
    json_write_null(&writer);
    json_write_object_end(&writer);
    out[writer.text.size] = 0;
    assert_string_equal(out, "{\"visits\":1234567,\"minutes\":{\"least\":0.5,\"most\":null},"
                             "\"gifts\":2,\"happy\":true,\"more\":null}");

    struct test_options options;
    struct failure failure;
    size_t size = 0;
    const struct schema_record *record = &test_schema_test_options;
    static const char text[] = "{\"shop\":\"here\",\"budget\":1,\"quiet\":true}";
    assert_int_equal(record_json_parse(record, text, sizeof text - 1, 1, &options, sizeof options,
                                       &size, &failure),
                     STATUS_OK);
    assert_true(options.quiet);
    static const char *const wrong[][2] = {
        {"{\"quiet\":1}",
         "line 1, column 10 (byte 9): quiet: true or false is expected, not a number"},
        {"{\"budget\":0}", "line 1, column 11 (byte 10): budget: \"0\" is less than 1"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        assert_int_equal(record_json_parse(record, wrong[i][0], strlen(wrong[i][0]), 1, &options,
                                           sizeof options, &size, &failure),
                         STATUS_INVALID);
        assert_string_equal(failure.message, wrong[i][1]);
    }
}

// Rows: what stands in the object, the message, the hint.
static void test_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
        const char *hint;
    } rows[] = {
        {"7", "line 1, column 1 (byte 0): test_order: an object is expected, not a number", ""},
        {"{\"id\":1} x", "line 1, column 10 (byte 9): expected the end of the text, not \"x\"", ""},
        {"{\"id\":1,\"blance\":1}", "line 1, column 9 (byte 8): test_order has no field \"blance\"",
         "did you mean balance?"},
        {"{\"ID\":1}", "line 1, column 2 (byte 1): test_order has no field \"ID\"",
         "did you mean id?"},
        {"{\"reserved\":0}", "line 1, column 2 (byte 1): test_order has no field \"reserved\"", ""},
        {"{\"lines_count\":0}",
         "line 1, column 2 (byte 1): test_order has no field "
         "\"lines_count\"",
         ""},
        {"{\"id\":1,\n\"id\":2}", "line 2, column 1 (byte 9): id: the key is given twice", ""},
        {"{\"id\":1,\"i\\u0064\":2}", "line 1, column 9 (byte 8): id: the key is given twice", ""},
        {"{\"delay\":1}",
         "line 1, column 11 (byte 10): id: the field is required in test_order and missing",
         "id: Chosen by the client."},
        {"{\"id\":null}",
         "line 1, column 7 (byte 6): id: a number, or a string of digits, is expected, not null",
         ""},
        {"{\"id\":true}",
         "line 1, column 7 (byte 6): id: a number, or a string of digits, is expected, not true",
         ""},
        {"{\"id\":\"12x\"}", "line 1, column 7 (byte 6): id: \"12x\" is not a decimal number", ""},
        {"{\"id\":\"\"}",
         "line 1, column 7 (byte 6): id: \"\" is empty; a decimal number is expected", ""},
        {"{\"id\":\"007\"}", "line 1, column 7 (byte 6): id: \"007\" has a leading zero", ""},
        {"{\"id\":1.0}",
         "line 1, column 7 (byte 6): id: \"1.0\" is not written as an integer; only "
         "digits are accepted",
         ""},
        {"{\"id\":1e3}",
         "line 1, column 7 (byte 6): id: \"1e3\" is not written as an integer; only "
         "digits are accepted",
         ""},
        {"{\"id\":-1}", "line 1, column 7 (byte 6): id: \"-1\" is negative", ""},
        {"{\"id\":340282366920938463463374607431768211456}",
         "line 1, column 7 (byte 6): id: \"340282366920938463463374607431768211456\" is more than "
         "340282366920938463463374607431768211455",
         ""},
        {"{\"delay\":86401}",
         "line 1, column 10 (byte 9): delay: \"86401\" is more than 86400 seconds", ""},
        {"{\"day\":2147483648}",
         "line 1, column 8 (byte 7): day: \"2147483648\" is not between -2147483648 and 2147483647 "
         "days",
         ""},
        {"{\"change\":-1001}",
         "line 1, column 11 (byte 10): change: \"-1001\" is not between -1000 and 1000", ""},
        {"{\"balance\":\"170141183460469231731687303715884105728\"}",
         "line 1, column 12 (byte 11): balance: \"170141183460469231731687303715884105728\" is not "
         "between -170141183460469231731687303715884105728 and "
         "170141183460469231731687303715884105727 minor units",
         ""},
        {"{\"balance\":\"-\"}",
         "line 1, column 12 (byte 11): balance: \"-\" is not a decimal number", ""},
        {"{\"flags\":[\"urgnt\"]}", "line 1, column 11 (byte 10): flags: \"urgnt\" is not a flag",
         "the nearest flag is urgent"},
        {"{\"flags\":[\"urgent\",\"urgent\"]}",
         "line 1, column 20 (byte 19): flags: \"urgent\" is given twice", ""},
        {"{\"flags\":2}", "line 1, column 10 (byte 9): flags: \"2\" has bits that are no flags",
         ""},
        {"{\"flags\":\"urgent\"}",
         "line 1, column 10 (byte 9): flags: an array of names is expected, not a string", ""},
        {"{\"flags\":[1]}",
         "line 1, column 11 (byte 10): flags: a string is expected, not a number", ""},
        {"{\"flags\":[\"urgent\"",
         "line 1, column 19 (byte 18): expected ',' or ']', not the end of "
         "the text",
         ""},
        {"{\"state\":\"lost\"}",
         "line 1, column 10 (byte 9): state: \"lost\" is not one of its values",
         "its values are new, paid, sent"},
        {"{\"state\":1}", "line 1, column 10 (byte 9): state: \"1\" is the number of no value", ""},
        {"{\"currency\":\"EURO\"}",
         "line 1, column 13 (byte 12): currency: a text of 4 bytes is longer than 3 bytes", ""},
        {"{\"currency\":\"\\u0000\"}",
         "line 1, column 13 (byte 12): currency: the text has a zero in it", ""},
        {"{\"currency\":1}",
         "line 1, column 13 (byte 12): currency: a string is expected, not a number", ""},
        {"{\"digest\":\"00\"}", "line 1, column 11 (byte 10): digest: 1 bytes where 4 are expected",
         ""},
        {"{\"digest\":\"0011223344\"}",
         "line 1, column 11 (byte 10): digest: 5 bytes are more than 4", ""},
        {"{\"codes\":[1,2,3]}", "line 1, column 16 (byte 15): codes: the array has not 4 numbers",
         ""},
        {"{\"codes\":[1,2,3,4,5]}",
         "line 1, column 19 (byte 18): codes: the array has not 4 numbers", ""},
        {"{\"codes\":[1,2,3,100]}", "line 1, column 17 (byte 16): codes: \"100\" is more than 99",
         ""},
        {"{\"codes\":1}",
         "line 1, column 10 (byte 9): codes: an array of numbers is expected, not a number", ""},
        {"{\"lines\":{}}",
         "line 1, column 10 (byte 9): lines: an array of objects is expected, not an object", ""},
        {"{\"lines\":[7]}",
         "line 1, column 11 (byte 10): lines: an object is expected, not a number", ""},
        {"{\"lines\":[{\"price\":1},{}]}",
         "lines[1]: line 1, column 24 (byte 23): price: the field is required in test_line and "
         "missing",
         "price: Price of one."},
        {"{\"lines\":[{\"price\":1,\"quantity\":1001}]}",
         "lines[0]: line 1, column 33 (byte 32): quantity: \"1001\" is more than 1000", ""},
        {"{\"lines\":[{\"price\":1},{\"price\":1},{\"price\":1},{\"price\":1}]}",
         "line 1, column 47 (byte 46): lines: more than 3 items", ""},
        {"{\"id\":1,\"remark\":"
         "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
         "line 1, column 18 (byte 17): remark: more than 64 bytes", ""},
        {"{\"id\":1,\"remark\":\"\\u0000\"}",
         "line 1, column 18 (byte 17): remark: the text has a zero in it", ""},
        {"{\"remark\":7}",
         "line 1, column 11 (byte 10): remark: a string is expected, not a number", ""},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct whole_order order;
        size_t size = 0;
        struct failure failure = {0};
        assert_int_equal(parse(rows[i].text, &order, &size, &failure), STATUS_INVALID);
        assert_string_equal(failure.message, rows[i].message);
        assert_string_equal(failure.hint, rows[i].hint);
    }
}

static void test_waived_and_max(void **state)
{
    (void)state;
    struct test_gift gift;
    struct failure failure = {0};
    size_t size = 0;
#define GIFT(text_)                                                                           \
    record_json_parse(&test_schema_test_gift, text_, sizeof text_ - 1, 1, &gift, sizeof gift, \
                      &size, &failure)
    assert_int_equal(GIFT("{\"price\":\"max\"}"), STATUS_OK);
    assert_true(gift.price == U128_MAX);
    assert_int_equal(GIFT("{\"flags\":[\"gift_wrapped\"]}"), STATUS_OK);
    assert_int_equal(GIFT("{\"flags\":[\"urgent\"]}"), STATUS_INVALID);
    assert_string_equal(failure.message,
                        "line 1, column 20 (byte 19): price: the field is required "
                        "in test_gift and missing");
    assert_int_equal(GIFT("{\"price\":\"1.50\"}"), STATUS_INVALID);
    assert_string_equal(failure.message,
                        "line 1, column 10 (byte 9): price: \"1.50\" is not a whole number of "
                        "minor units, such as 150 for 1.50");
}

// What programs are told beside the words.
static void test_errors_are_told(void **state)
{
    static const struct {
        const char *text;
        enum json_rule rule;
        u32 line, column;
        size_t offset;
        const char *path;
        bool has_field;
    } rows[] = {
        {"{\"id\":1,", JSON_RULE_SYNTAX, 1, 9, 8, "", false},
        {"{\"id\":1,\n \"amont\":2}", JSON_RULE_UNKNOWN_FIELD, 2, 2, 10, "amont", false},
        {"{\"id\":1,\"id\":2}", JSON_RULE_DUPLICATE_KEY, 1, 9, 8, "id", true},
        {"{\"delay\":1}", JSON_RULE_MISSING_FIELD, 1, 11, 10, "id", true},
        {"{\"id\":true}", JSON_RULE_WRONG_TYPE, 1, 7, 6, "id", true},
        {"{\"id\":1,\"delay\":86401}", JSON_RULE_VALUE, 1, 17, 16, "delay", true},
        {"{\"id\":1.5}", JSON_RULE_VALUE, 1, 7, 6, "id", true},
        {"{\"id\":1,\"lines\":[{\"price\":1},{\"price\":[]}]}", JSON_RULE_WRONG_TYPE, 1, 39, 38,
         "lines[1].price", true},
        {"{\"id\":1,\"lines\":[{},{},{},{}]}", JSON_RULE_MISSING_FIELD, 1, 19, 18, "lines[0].price",
         true},
        {"{\"id\":1,\"flags\":[\"x\"]}", JSON_RULE_VALUE, 1, 18, 17, "flags", true},
        {"[1]", JSON_RULE_WRONG_TYPE, 1, 1, 0, "", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct whole_order order;
        struct json_error error = {0};
        struct failure failure;
        size_t size = 0;
        struct json_reader reader = json_reader_init(rows[i].text, strlen(rows[i].text), 1);
        reader.error = &error;
        const enum status status = record_json_decode(&test_schema_test_order, &reader, &order,
                                                      sizeof order, &size, &failure);
        if (status != STATUS_INVALID || error.rule != rows[i].rule || error.line != rows[i].line ||
            error.column != rows[i].column || error.offset != rows[i].offset ||
            strcmp(error.path, rows[i].path) != 0 || (error.field != NULL) != rows[i].has_field) {
            fail_msg("row %zu: %d %d %u %u %zu \"%s\": %s", i, (int)status, (int)error.rule,
                     error.line, error.column, error.offset, error.path, failure.message);
        }
    }
}

static void test_long_key_is_refused(void **state)
{
    (void)state;
    char text[256] = "{\"";
    struct whole_order order;
    size_t size = 0;
    struct failure failure = {0};
    memset(text + 2, 'a', 200);
    memcpy(text + 202, "\":1}", 5);
    assert_int_equal(parse(text, &order, &size, &failure), STATUS_INVALID);
    assert_string_equal(failure.message, "line 1, column 2 (byte 1): test_order has no field "
                                         "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\"");
}

static void test_no_room_for_items(void **state)
{
    (void)state;
    struct whole_order order;
    size_t size = 0;
    struct failure failure = {0};
    static const char text[] = "{\"id\":1,\"lines\":[{\"price\":1}]}";
    assert_int_equal(record_json_parse(&test_schema_test_order, text, sizeof text - 1, 1, &order,
                                       sizeof order.head, &size, &failure),
                     STATUS_FULL);
    assert_string_equal(failure.message, "line 1, column 18 (byte 17): lines: no room for item 0");
}

static void test_batch(void **state)
{
    (void)state;
    struct test_line lines[2];
    u32 count = 0;
    struct failure failure = {0};
    const struct schema_record *record = &test_schema_test_line;
#define BATCH(text) record_json_parse_batch(record, text, strlen(text), lines, 2, &count, &failure)
    assert_int_equal(BATCH("[]"), STATUS_OK);
    assert_int_equal(count, 0);
    assert_int_equal(BATCH("{\"price\":1}"), STATUS_OK);
    assert_int_equal(count, 1);
    assert_int_equal(BATCH("[{\"price\":1},{\"price\":\"2\"}]"), STATUS_OK);
    assert_int_equal(count, 2);
    assert_true(lines[1].price == 2);
    assert_int_equal(BATCH("[{\"price\":1},{\"price\":\"2\"},{\"price\":3}]"), STATUS_INVALID);
    assert_string_equal(failure.message,
                        "line 1, column 28 (byte 27): test_line: more than 2 in one batch");
    assert_int_equal(BATCH("[{\"price\":1},{\"price\":-2}]"), STATUS_INVALID);
    assert_string_equal(failure.message,
                        "event 1: line 1, column 23 (byte 22): price: \"-2\" is negative");
    assert_int_equal(BATCH("[1]"), STATUS_INVALID);
    assert_int_equal(BATCH("[] 1"), STATUS_INVALID);
    assert_int_equal(BATCH("[{\"price\":1}"), STATUS_INVALID);
    assert_int_equal(BATCH("null"), STATUS_INVALID);
    assert_int_equal(BATCH(""), STATUS_INVALID);
}

// Changes a byte or two of a good text, many times over. Whatever is accepted must pass the binary
// check, and come back the same when it is written and read again.
static void test_mutations(void **state)
{
    (void)state;
    static const char alphabet[] = "{}[]\",:\\u0123456789-.eE +truefalsnl\n\x01\x80\xc3\xff";
    const struct schema_record *record = &test_schema_test_order;
    u64 random = 88172645463325252ull;
    u32 accepted = 0;
    for (u32 round = 0; round < 40000; round++) {
        char text[sizeof full_json], again[1024];
        struct whole_order order, back;
        size_t size = 0, back_size = 0;
        struct failure failure = {0};
        memcpy(text, full_json, sizeof text);
        for (u32 i = 0; i < 1 + round % 2; i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            text[random % (sizeof text - 1)] = alphabet[random / 1024 % (sizeof alphabet - 1)];
        }
        // A copy of exact size, so that a sanitizer sees a read behind the end.
        char *copy = test_malloc(sizeof text - 1);
        memcpy(copy, text, sizeof text - 1);
        enum status status = record_json_parse(record, copy, sizeof text - 1, 1, &order,
                                               sizeof order, &size, &failure);
        test_free(copy);
        if (status) {
            assert_int_equal(status, STATUS_INVALID);
            assert_true(failure.message[0] != 0);
            continue;
        }
        accepted++;
        if (record_binary_check(record, &order, size, &failure)) fail_msg("%s", failure.message);
        struct json_writer writer = json_writer_init(again, sizeof again);
        record_json_write(record, RECORD_JSON_ALL, &order, &writer);
        assert_int_equal(json_writer_finish(&writer, &failure), STATUS_OK);
        if (record_json_parse(record, again, writer.text.size, 1, &back, sizeof back, &back_size,
                              &failure))
            fail_msg("%s", failure.message);
        assert_int_equal(size, back_size);
        assert_true(record_binary_equal(record, &order, &back));
    }
    assert_true(accepted > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),        cmocka_unit_test(test_other_forms),
        cmocka_unit_test(test_bytes_of_any_kind), cmocka_unit_test(test_report),
        cmocka_unit_test(test_refuses),           cmocka_unit_test(test_waived_and_max),
        cmocka_unit_test(test_errors_are_told),   cmocka_unit_test(test_long_key_is_refused),
        cmocka_unit_test(test_no_room_for_items), cmocka_unit_test(test_batch),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
