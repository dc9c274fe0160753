// SPDX-License-Identifier: Apache-2.0
//
// Decimal numbers, text in fixed buffers, UTF-8, civil dates.
#include "codec/text.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "codec/civil.h"
#include "codec/number.h"

// A small generator, so that each run tries the same values.
static u64 random_state = 88172645463325252ull;
static u64 random_u64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}
static u128 random_u128(void)
{
    // Of every length, not only of the longest.
    return ((u128)random_u64() << 64 | random_u64()) >> (random_u64() % 128);
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum number_error u128_error;
        enum number_error i128_error;
    } rows[] = {
        {"0", NUMBER_OK, NUMBER_OK},
        {"-1", NUMBER_NOT_DECIMAL, NUMBER_OK},
        {"", NUMBER_EMPTY, NUMBER_EMPTY},
        {"-", NUMBER_NOT_DECIMAL, NUMBER_NOT_DECIMAL},
        {"+1", NUMBER_NOT_DECIMAL, NUMBER_NOT_DECIMAL},
        {" 1", NUMBER_NOT_DECIMAL, NUMBER_NOT_DECIMAL},
        {"1 ", NUMBER_NOT_DECIMAL, NUMBER_NOT_DECIMAL},
        {"0x1", NUMBER_NOT_DECIMAL, NUMBER_NOT_DECIMAL},
        {"1_0", NUMBER_NOT_DECIMAL, NUMBER_NOT_DECIMAL},
        {"00", NUMBER_LEADING_ZERO, NUMBER_LEADING_ZERO},
        {"01", NUMBER_LEADING_ZERO, NUMBER_LEADING_ZERO},
        {"-0", NUMBER_NOT_DECIMAL, NUMBER_LEADING_ZERO},
        {"-01", NUMBER_NOT_DECIMAL, NUMBER_LEADING_ZERO},
        {"170141183460469231731687303715884105727", NUMBER_OK, NUMBER_OK},
        {"170141183460469231731687303715884105728", NUMBER_OK, NUMBER_TOO_LARGE},
        {"-170141183460469231731687303715884105728", NUMBER_NOT_DECIMAL, NUMBER_OK},
        {"-170141183460469231731687303715884105729", NUMBER_NOT_DECIMAL, NUMBER_TOO_LARGE},
        {"340282366920938463463374607431768211455", NUMBER_OK, NUMBER_TOO_LARGE},
        {"340282366920938463463374607431768211456", NUMBER_TOO_LARGE, NUMBER_TOO_LARGE},
        {"1000000000000000000000000000000000000000", NUMBER_TOO_LARGE, NUMBER_TOO_LARGE},
        {"9999999999999999999999999999999999999999999999x", NUMBER_NOT_DECIMAL, NUMBER_NOT_DECIMAL},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        u128 value = 4711;
        i128 signed_value = 4711;
        size_t size = strlen(rows[i].text);
        char out[NUMBER_SIZE_MAX];
        assert_int_equal(number_parse_u128(rows[i].text, size, &value), rows[i].u128_error);
        assert_int_equal(number_parse_i128(rows[i].text, size, &signed_value), rows[i].i128_error);
        if (rows[i].u128_error) {
            assert_true(value == 4711);
        } else {
            assert_int_equal(number_print_u128(value, out), size);
            assert_string_equal(out, rows[i].text);
        }
        if (rows[i].i128_error) {
            assert_true(signed_value == 4711);
        } else {
            assert_int_equal(number_print_i128(signed_value, out), size);
            assert_string_equal(out, rows[i].text);
        }
    }
    for (u32 i = 0; i < 20000; i++) {
        u128 value = random_u128(), back = 0;
        i128 signed_back = 0;
        char out[NUMBER_SIZE_MAX];
        assert_int_equal(number_parse_u128(out, number_print_u128(value, out), &back), NUMBER_OK);
        assert_true(back == value);
        assert_int_equal(number_parse_i128(out, number_print_i128((i128)value, out), &signed_back),
                         NUMBER_OK);
        assert_true(signed_back == (i128)value);
    }
    assert_string_equal(number_error_text(NUMBER_NOT_DECIMAL), "is not a decimal number");
}

static void test_text(void **state)
{
    (void)state;
    char buffer[16];
    struct failure failure = {0};
    struct text text = text_init(buffer, sizeof buffer);
    text_append_string(&text, "ab");
    text_append_repeated(&text, '-', 3);
    text_append_hex(&text, "\x0f", 1);
    text_append_i128(&text, -7);
    text_append_format(&text, "%u", 12u);
    assert_int_equal(text_finish(&text, &failure), STATUS_OK);
    assert_int_equal(text.size, 11);
    assert_memory_equal(buffer, "ab---0f-712", 11);
    text_append_string(&text, "123456");
    assert_true(text_overflowed(&text));
    assert_int_equal(text_finish(&text, &failure), STATUS_FULL);
    assert_string_equal(failure.message, "17 bytes of text do not fit into 16");
    assert_memory_equal(buffer, "ab---0f-71212345", 16);
    struct text measure = text_init(NULL, 0);
    text_append_u128(&measure, U128_MAX);
    assert_int_equal(measure.size, 39);
}

static void test_utf8(void **state)
{
    (void)state;
    // Every code point goes there and back; everything else is refused.
    for (u32 code_point = 0; code_point <= 0x10ffff; code_point++) {
        if (code_point >= 0xd800 && code_point <= 0xdfff) continue;
        char bytes[4];
        u32 back = 0, length = utf8_encode(code_point, bytes);
        assert_true(utf8_decode(bytes, length, &back) == length && back == code_point);
        assert_true(utf8_decode(bytes, length - 1, &back) == 0);
    }
    static const char *const wrong[] = {
        "\x80",         "\xbf",         "\xc0\x80",         "\xc1\xbf",         "\xe0\x9f\xbf",
        "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
        "\xff",         "\xc3(",        "\xe4\xb8("};
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++)
        assert_false(utf8_is_valid(wrong[i], strlen(wrong[i])));
    assert_true(utf8_is_valid("a\xc3\xa4", 3));

    assert_int_equal(utf8_width("abc", 3), 3);
    assert_int_equal(utf8_width("\xc3\xa4", 2), 1);
    assert_int_equal(utf8_width("a\xcc\x88", 3), 1);
    assert_int_equal(utf8_width("\xe4\xb8\xad\xe6\x96\x87", 6), 4);
    assert_int_equal(utf8_width("\xf0\x9f\x98\x80", 4), 2);
    assert_int_equal(utf8_width("\xff\xff", 2), 2);

    assert_string_equal(text_quote("a\n\xff\xc3\xa4", 5).text, "\"a??\xc3\xa4\"");
    char many[200];
    memset(many, 'x', sizeof many);
    assert_string_equal(text_quote(many, sizeof many).text,
                        "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\"");
}

static void test_utf8_count(void **state)
{
    (void)state;
    assert_int_equal(utf8_count("", 0), 0);
    assert_int_equal(utf8_count("a\xc3\xa4\xe4\xb8\xad", 6), 3);
}

static void test_civil_days(void **state)
{
    (void)state;
    // Walks over all days and compares with counting.
    struct civil_date date = {0, 1, 1};
    for (i32 day = CIVIL_DAY_MIN; day <= CIVIL_DAY_MAX; day++) {
        struct civil_date found = civil_date_from_day(day);
        assert_true(found.year == date.year && found.month == date.month && found.day == date.day);
        assert_true(civil_day_from_date(date) == day);
        if (++date.day > civil_days_in_month(date.year, date.month)) {
            date.day = 1;
            if (++date.month > 12) {
                date.month = 1;
                date.year++;
            }
        }
    }
    assert_int_equal(date.year, 10000);
    assert_int_equal(civil_weekday(0), 4);
    assert_int_equal(civil_weekday(-1), 3);
    assert_int_equal(civil_weekday(20778), 6); // 2026-11-21, a Saturday.
    assert_true(civil_is_leap_year(2000));
    assert_false(civil_is_leap_year(1900));
    static const struct civil_date wrong[] = {{2026, 2, 29}, {2026, 0, 1}, {2026, 13, 1},
                                              {2026, 1, 0},  {-1, 1, 1},   {10000, 1, 1},
                                              {2026, 4, 31}};
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) assert_false(civil_date_is_valid(wrong[i]));
}

static void test_civil_texts(void **state)
{
    (void)state;
    i32 day = 0;
    char date[CIVIL_DATE_SIZE];
    assert_true(civil_parse_date("2024-02-29", 10, &day, NULL));
    assert_int_equal(day, 19782);
    civil_print_date(day, date);
    assert_string_equal(date, "2024-02-29");
    assert_true(civil_parse_date("0000-01-01", 10, &day, NULL));
    assert_int_equal(day, CIVIL_DAY_MIN);
    static const char *const wrong[] = {"2023-02-29", "2024-2-29",  "2024/02/29", "20240229",
                                        "2024-02-2x", "2024-00-01", "",           "2024-02-29 "};
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++)
        assert_false(civil_parse_date(wrong[i], strlen(wrong[i]), &day, NULL));

    static const struct {
        const char *text;
        u64 moment;
        const char *printed;
    } moments[] = {
        {"1970-01-01", 0, "1970-01-01T00:00:00Z"},
        {"1970-01-01T00:00:00.000000001Z", 1, "1970-01-01T00:00:00.000000001Z"},
        {"2026-11-21T09:30:00.5Z", 1795253400500000000ull, "2026-11-21T09:30:00.500000000Z"},
        {"2554-07-21T23:34:33.709551615Z", UINT64_MAX, "2554-07-21T23:34:33.709551615Z"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(moments); i++) {
        u64 moment = 0;
        char out[CIVIL_MOMENT_SIZE];
        assert_true(civil_parse_moment(moments[i].text, strlen(moments[i].text), &moment, NULL));
        assert_true(moment == moments[i].moment);
        assert_int_equal(civil_print_moment(moment, out), strlen(moments[i].printed));
        assert_string_equal(out, moments[i].printed);
    }
    static const struct {
        const char *text;
        size_t offset;
        const char *rule;
    } no_moments[] = {
        {"1969-12-31", 0, "a moment from 1970 to 2554 is expected"},
        {"9999-12-31", 0, "a moment from 1970 to 2554 is expected"},
        {"2554-07-21T23:34:33.709551616Z", 0, "a moment from 1970 to 2554 is expected"},
        {"", 0, "a year of four digits is expected"},
        {"26-11-21", 2, "a year of four digits is expected"},
        {"2026/11/21", 4, "a dash is expected"},
        {"2026-13-21", 5, "a month from 01 to 12 is expected"},
        {"2026-11-31", 8, "a day that the month has is expected"},
        {"2026-11-2", 9, "a day that the month has is expected"},
        {"2026-11-21 09:30:00Z", 10, "the letter T is expected, and the time behind it"},
        {"2026-11-21t09:30:00Z", 10, "the letter T is expected, and the time behind it"},
        {"2026-11-21T24:00:00Z", 11, "hours from 00 to 23 are expected"},
        {"2026-11-21T0x:30:00Z", 12, "hours from 00 to 23 are expected"},
        {"2026-11-21T09-30-00Z", 13, "a colon and minutes are expected"},
        {"2026-11-21T09:60:00Z", 14, "minutes from 00 to 59 are expected"},
        {"2026-11-21T09:30Z", 16, "a colon and seconds are expected"},
        {"2026-11-21T09:30:60Z", 17, "seconds from 00 to 59 are expected"},
        {"2026-11-21T09:30:00", 19, "the letter Z is expected: moments are UTC"},
        {"2026-11-21T09:30:00+00:00", 19, "the letter Z is expected: moments are UTC"},
        {"2026-11-21T09:30:00.Z", 20, "a fraction of one to nine digits is expected"},
        {"2026-11-21T09:30:00.5xZ", 21, "the letter Z is expected: moments are UTC"},
        {"2026-11-21T09:30:00.0000000001Z", 29, "the letter Z is expected: moments are UTC"},
        {"2026-11-21T09:30:00ZZ", 20, "the end is expected"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(no_moments); i++) {
        u64 moment = 0;
        struct civil_error error = {0};
        assert_false(
            civil_parse_moment(no_moments[i].text, strlen(no_moments[i].text), &moment, &error));
        assert_string_equal(error.rule, no_moments[i].rule);
        assert_int_equal(error.offset, no_moments[i].offset);
    }
}

static void test_wrapped(void **state)
{
    (void)state;
    char buffer[128];
    struct text text = text_init(buffer, sizeof buffer);
    size_t column = 2;
    text_append_wrapped(&text, " one two\nthree ", 2, 9, &column);
    text_append_wrapped(&text, "\xc3\xa4\xc3\xa4\xc3\xa4 longer-than-a-line x", 2, 9, &column);
    assert_int_equal(column, 3);
    buffer[text.size] = 0;
    assert_string_equal(buffer, "one two\n  three\n  \xc3\xa4\xc3\xa4\xc3\xa4\n"
                                "  longer-than-a-line\n  x");
}

static void test_civil_months(void **state)
{
    (void)state;
    static const struct {
        const char *from;
        i32 months;
        const char *to;
    } rows[] = {
        {"2024-01-31", 1, "2024-02-29"},   {"2023-01-31", 1, "2023-02-28"},
        {"2024-02-29", 12, "2025-02-28"},  {"2024-03-31", -1, "2024-02-29"},
        {"2024-01-15", -13, "2022-12-15"}, {"2024-01-15", 0, "2024-01-15"},
        {"9999-12-31", 1, NULL},           {"0000-01-01", -1, NULL},
        {"2024-01-15", INT32_MAX, NULL},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        i32 day = 0, later = 0;
        char date[CIVIL_DATE_SIZE];
        assert_true(civil_parse_date(rows[i].from, 10, &day, NULL));
        assert_int_equal(civil_add_months(day, rows[i].months, &later), rows[i].to != NULL);
        if (!rows[i].to) continue;
        civil_print_date(later, date);
        assert_string_equal(date, rows[i].to);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),      cmocka_unit_test(test_text),
        cmocka_unit_test(test_utf8),         cmocka_unit_test(test_utf8_count),
        cmocka_unit_test(test_civil_days),   cmocka_unit_test(test_civil_texts),
        cmocka_unit_test(test_civil_months), cmocka_unit_test(test_wrapped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
