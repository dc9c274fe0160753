// SPDX-License-Identifier: Apache-2.0
//
// Records as tables, cards and CSV.
#include "codec/record_text.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "schema/schema_test_types.h"

static const struct schema_record *const order = &test_schema_test_order;

static struct test_order sample(u128 id)
{
    return (struct test_order){.id = id,
                               .balance = -12345,
                               .moment = 1795253400ull * NS_PER_S,
                               .day = 20778,
                               .flags = 9,
                               .state = TEST_STATE_PAID,
                               .lines_count = 2};
}

#define PRINTS(call, expected)                                  \
    do {                                                        \
        char buffer[4096];                                      \
        struct text out = text_init(buffer, sizeof buffer - 1); \
        call;                                                   \
        assert_false(text_overflowed(&out));                    \
        buffer[out.size] = 0;                                   \
        assert_string_equal(buffer, expected);                  \
    } while (0)

static void test_table(void **state)
{
    (void)state;
    struct test_order rows[2] = {sample(7), sample(1000000)};
    memcpy(rows[0].currency, "\xe4\xb8\xad", 3);
    memcpy(rows[1].currency, "EUR", 3);
    rows[1].flags = 0;
    rows[1].moment = 0;
    PRINTS(
        record_write_table(order, RECORD_TABLE_DROP_ZERO, rows, sizeof rows[0], 2, &out),
        "     id  balance  moment                day         currency  flags                state"
        "  lines\n"
        "      7   -12345  2026-11-21T09:30:00Z  2026-11-21  \xe4\xb8\xad        "
        "urgent|gift_wrapped  paid       2\n"
        "1000000   -12345                        2026-11-21  EUR                            paid"
        "       2\n");
    PRINTS(record_write_table(order, RECORD_TABLE_DROP_ZERO | RECORD_TABLE_EXACT, rows + 1,
                              sizeof rows[0], 1, &out),
           "     id  balance    day  currency  state  lines\n"
           "1000000   -12345  20778  EUR       paid       2\n");
    PRINTS(record_write_table(order, RECORD_TABLE_DROP_ZERO, rows, sizeof rows[0], 0, &out),
           "id\n");
    // A line has no blanks at its end; every column is there unless asked to drop.
    struct test_line line = {.price = 5};
    PRINTS(record_write_table(&test_schema_test_line, 0, &line, sizeof line, 1, &out),
           "price  quantity\n"
           "    5         0\n");
}

// Rows that are measured first and written with others between them.
static void test_table_in_pieces(void **state)
{
    (void)state;
    const struct test_line lines[] = {{.price = 5}, {.price = 1000, .quantity = 3}};
    struct record_table table =
        record_table_init(&test_schema_test_line, RECORD_TABLE_DROP_ZERO, 2);
    for (u32 i = 0; i < 2; i++) record_table_measure(&table, &lines[i]);
    assert_int_equal(record_table_width(&table), 17);
    PRINTS(record_table_write_header(&table, &out), "  price  quantity\n");
    PRINTS(record_table_write_row(&table, &lines[0], &out), "      5         0\n");
    PRINTS(record_table_write_row(&table, &lines[1], &out), "   1000         3\n");
}

static void test_card(void **state)
{
    (void)state;
    struct test_order one = sample(7);
    PRINTS(record_write_card(order, RECORD_TABLE_DROP_ZERO, &one, &out),
           "id            7\n"
           "balance  -12345\n"
           "moment   2026-11-21T09:30:00Z\n"
           "day      2026-11-21\n"
           "flags    urgent|gift_wrapped\n"
           "state    paid\n"
           "lines         2\n");
    struct test_order nothing = {0};
    PRINTS(record_write_card(order, 0, &nothing, &out), "id        0\n"
                                                        "balance   0\n"
                                                        "change    0\n"
                                                        "moment\n"
                                                        "day       1970-01-01\n"
                                                        "delay     0\n"
                                                        "currency\n"
                                                        "flags\n"
                                                        "digest    00000000\n"
                                                        "codes     0|0|0|0\n"
                                                        "state     new\n"
                                                        "lines     0\n"
                                                        "remark    0\n");
}

static struct test_report report_make(void)
{
    return (struct test_report){.visits = 1234567,
                                .minutes_least = 5,
                                .minutes_most = 12345,
                                .gifts = U32_MAX,
                                .shoes = 3,
                                .happy = true,
                                .receipt = {1, 2, 3, 4, 5, 6, 7, 8, 9}};
}

// What is only printed: points, none, switches, digests; details are not in tables.
static void test_report_forms(void **state)
{
    (void)state;
    const struct schema_record *record = &test_schema_test_report;
    struct test_report reports[2] = {report_make(), {.minutes_most = U64_MAX}};
    PRINTS(record_write_table(record, RECORD_TABLE_DROP_ZERO, reports, sizeof reports[0], 2, &out),
           "   visits  minutes_least  minutes_most  happy  receipt\n"
           "1,234,567            0.5        1234.5  true   0102030405060708\u2026\n"
           "        0            0.0                false  0000000000000000\u2026\n");
    PRINTS(record_write_card(record, RECORD_TABLE_DROP_ZERO, reports, &out),
           "visits   1,234,567\n"
           "minutes  least    0.5  most 1234.5\n"
           "shoes            3\n"
           "happy    true\n"
           "receipt  0102030405060708\u2026\n");
    PRINTS(record_write_line(record, RECORD_TABLE_DROP_ZERO | RECORD_TABLE_EXACT, reports, &out),
           "visits 1234567, minutes_least 0.5, minutes_most 1234.5, happy true, "
           "receipt 01020304050607080900000000000000");
    PRINTS(record_write_csv_header(record, &out),
           "visits,minutes_least,minutes_most,gifts,shoes,happy,receipt\r\n");
    PRINTS(record_write_csv_row(record, &reports[1], &out),
           "0,0.0,,0,0,false,00000000000000000000000000000000\r\n");
    PRINTS(record_write_csv_row(record, &reports[0], &out),
           "1234567,0.5,1234.5,,3,true,01020304050607080900000000000000\r\n");
}

static void test_csv_round_trip(void **state)
{
    (void)state;
    struct test_order rows[2] = {sample(U128_MAX), {.id = 1, .flags = 2, .state = 3}};
    memcpy(rows[0].currency, "\",\n", 3);
    rows[0].lines_count = 0;
    rows[1].flags = 0;
    rows[1].state = 0;
    char buffer[2048];
    struct text out = text_init(buffer, sizeof buffer);
    record_write_csv_header(order, &out);
    record_write_csv_row(order, &rows[0], &out);
    record_write_csv_row(order, &rows[1], &out);
    static const char expected[] =
        "id,balance,change,moment,day,delay,currency,flags,digest,codes,state\r\n"
        "340282366920938463463374607431768211455,-12345,0,1795253400000000000,20778,0,\"\"\",\n\","
        "urgent|gift_wrapped,00000000,0|0|0|0,paid\r\n"
        "1,0,0,0,0,0,,0,00000000,0|0|0|0,new\r\n";
    assert_int_equal(out.size, sizeof expected - 1);
    assert_memory_equal(buffer, expected, out.size);

    struct record_csv csv;
    struct failure failure = {0};
    struct test_order back;
    bool is_over = false;
    assert_int_equal(record_csv_begin(&csv, order, buffer, out.size, &failure), STATUS_OK);
    for (u32 i = 0; i < 2; i++) {
        if (record_csv_next(&csv, &back, &is_over, &failure)) fail_msg("%s", failure.message);
        assert_false(is_over);
        assert_memory_equal(&back, &rows[i], sizeof back);
    }
    assert_int_equal(record_csv_next(&csv, &back, &is_over, &failure), STATUS_OK);
    assert_true(is_over);
}

static void test_csv_forms(void **state)
{
    (void)state;
    // Any order of columns, LF, no line end at the end, an empty last cell.
    static const char text[] = "flags,id,\"currency\"\nurgent,7,\"E\"\"U\"\n0,8,";
    struct record_csv csv;
    struct failure failure = {0};
    struct test_order back;
    bool is_over = false;
    assert_int_equal(record_csv_begin(&csv, order, text, sizeof text - 1, &failure), STATUS_OK);
    assert_int_equal(record_csv_next(&csv, &back, &is_over, &failure), STATUS_OK);
    assert_true(back.id == 7 && back.flags == 1);
    assert_memory_equal(back.currency, "E\"U", 3);
    assert_int_equal(record_csv_next(&csv, &back, &is_over, &failure), STATUS_OK);
    assert_true(back.id == 8 && back.flags == 0);
    assert_int_equal(record_csv_next(&csv, &back, &is_over, &failure), STATUS_OK);
    assert_true(is_over);
}

// What a flag waives may be left out where the flag is, row by row.
static void test_csv_waived(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        u32 good;
        const char *message;
    } rows[] = {
        {"price,flags\n0,\n,gift_wrapped\n,urgent\n", 2,
         "line 4: price: the cell is required and empty"},
        {"flags\ngift_wrapped\nurgent\n", 1, "line 3: price: the column is required and missing"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct record_csv csv;
        struct failure failure = {0};
        struct test_gift gift;
        bool is_over = false;
        assert_int_equal(record_csv_begin(&csv, &test_schema_test_gift, rows[i].text,
                                          strlen(rows[i].text), &failure),
                         STATUS_OK);
        for (u32 j = 0; j < rows[i].good; j++)
            assert_int_equal(record_csv_next(&csv, &gift, &is_over, &failure), STATUS_OK);
        assert_int_equal(record_csv_next(&csv, &gift, &is_over, &failure), STATUS_INVALID);
        assert_string_equal(failure.message, rows[i].message);
        assert_string_equal(failure.hint, "price: What it may cost.");
    }
}

static void test_csv_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } rows[] = {
        {"", "line 1: the row of names is missing"},
        {"id,curency\n", "line 1, column 4: test_order has no field \"curency\""},
        {"id,reserved\n", "line 1, column 4: test_order has no field \"reserved\""},
        {"id,lines\n", "line 1, column 4: test_order has no field \"lines\""},
        {"id,day,id\n", "line 1, column 8: id: the column is given twice"},
        {"day\n", "line 1: id: the column is required in test_order and missing"},
        {"id,day\n1\n", "line 2, column 1: the row has fewer than 2 cells, as the first row has"},
        {"id,day\n1,2,3\n",
         "line 2, column 5: the row has more than 2 cells, as the first row has"},
        {"id,day\n1,2\n\n", "line 3, column 1: id: the cell is required and empty"},
        {"day,id\n\n", "line 2, column 1: the row has fewer than 2 cells, as the first row has"},
        {"id,day\n1,2\n1,x\n",
         "line 3, column 3: day: \"x\" is no date such as 2026-11-21, nor days since 1970: at "
         "character 1 a year of four digits is expected"},
        {"id,currency\n1,a\"b\n",
         "line 2, column 4: a quote stands inside a cell that is not quoted"},
        {"id,currency\n1,\"a\"b\n", "line 2, column 6: text follows the closing quote"},
        {"id,currency\n1,\"\xc3\xa4\n",
         "line 2, column 3: the quote that begins here does not end"},
        {"id\n1\r2\n", "line 2, column 3: a carriage return stands without a line feed"},
        {"id,currency\n1,\"\xc3\xa4\"\n\xc3\xa4,\n",
         "line 3, column 1: id: \"\xc3\xa4\" is not a decimal number"},
        {"id,currency\n1,\xff\n", "line 2, column 3: currency: the text is not UTF-8"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct record_csv csv;
        struct failure failure = {0};
        struct test_order back;
        bool is_over = false;
        enum status status =
            record_csv_begin(&csv, order, rows[i].text, strlen(rows[i].text), &failure);
        for (u32 row = 0; row < 4 && !status && !is_over; row++)
            status = record_csv_next(&csv, &back, &is_over, &failure);
        assert_int_equal(status, STATUS_INVALID);
        assert_string_equal(failure.message, rows[i].message);
    }
    char text[4200];
    struct csv_cell cell;
    struct failure failure = {0};
    memset(text, 'a', sizeof text);
    for (u32 i = 0; i < 2; i++) {
        struct csv_reader reader = csv_reader_init(text, sizeof text);
        assert_int_equal(csv_next(&reader, &cell, &failure), STATUS_INVALID);
        assert_string_equal(failure.message,
                            "line 1, column 1: the cell is longer than 4096 bytes");
        text[0] = '"';
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),          cmocka_unit_test(test_table_in_pieces),
        cmocka_unit_test(test_card),           cmocka_unit_test(test_report_forms),
        cmocka_unit_test(test_csv_round_trip), cmocka_unit_test(test_csv_forms),
        cmocka_unit_test(test_csv_refuses),    cmocka_unit_test(test_csv_waived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
