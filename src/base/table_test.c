// SPDX-License-Identifier: Apache-2.0
//
// Tables: records, and the frozen image beside an owner that goes on writing.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>

#include "base/random.h"
#include "base/table.h"

#define RECORD_SIZE     128u
#define CAPACITY        100000u
#define RECORDS_IN_PAGE (PAGE_SIZE / RECORD_SIZE)

static void table_begin(struct table *table)
{
    struct failure failure;
    assert_int_equal(table_init(table, RECORD_SIZE, CAPACITY, &failure), STATUS_OK);
}

static void write_record(struct table *table, u64 row, u64 value)
{
    table_touch(table, row);
    u64 *words = table_record(table, row);
    for (u32 i = 0; i < RECORD_SIZE / sizeof(u64); i++) words[i] = value + i;
}

static void add_records(struct table *table, u64 count, u64 value)
{
    for (u64 i = 0; i < count; i++) write_record(table, table->count++, value + i);
}

// The image as it must be: the records in use, then zeroes.
static u8 *image_copy(const struct table *table)
{
    u64 pages = table_page_count(table);
    u8 *image = calloc(pages + 1, PAGE_SIZE);
    assert_non_null(image);
    memcpy(image, table->memory, table->count * RECORD_SIZE);
    return image;
}

static bool is_dirty(const struct table *table, u64 page)
{
    return (table->dirty[page / 64] >> (page % 64)) & 1;
}

static void test_records_and_dirty_pages(void **state)
{
    (void)state;
    struct table table;
    table_begin(&table);
    assert_int_equal(table_page_count(&table), 0);
    add_records(&table, RECORDS_IN_PAGE + 1, 5);
    assert_int_equal(table_page_count(&table), 2);
    assert_int_equal(*(u64 *)table_record(&table, RECORDS_IN_PAGE), RECORDS_IN_PAGE + 5);
    assert_true(is_dirty(&table, 0) && is_dirty(&table, 1) && !is_dirty(&table, 2));
    table.dirty[0] = 0;
    write_record(&table, RECORDS_IN_PAGE, 1);
    assert_true(!is_dirty(&table, 0) && is_dirty(&table, 1));
    table_free(&table);
}

// One thread that does both: writes between copies, in every order.
static void test_frozen_image(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 3);
    struct table table;
    table_begin(&table);
    for (u32 round = 0; round < 60; round++) {
        add_records(&table, random_below(&random, 3 * RECORDS_IN_PAGE), round * 1000);
        u8 *image = image_copy(&table);
        table_freeze(&table);
        u64 pages = table_frozen_page_count(&table);
        for (u64 page = 0; page < pages; page++) {
            u64 writes = random_below(&random, 6);
            for (u64 i = 0; i < writes; i++) {
                if (random_chance(&random, 20)) {
                    add_records(&table, 1, 77);
                } else {
                    write_record(&table, random_below(&random, table.count), random_u64(&random));
                }
            }
            u8 copy[PAGE_SIZE];
            table_frozen_page(&table, page, copy);
            assert_memory_equal(copy, image + page * PAGE_SIZE, PAGE_SIZE);
        }
        table_thaw(&table);
        free(image);
    }
    table_free(&table);
}

// A checkpoint that is given up leaves the table as good as new.
static void test_thaw_before_the_end(void **state)
{
    (void)state;
    struct table table;
    u8 copy[PAGE_SIZE];
    table_begin(&table);
    add_records(&table, 10 * RECORDS_IN_PAGE, 1);
    for (u32 round = 0; round < 5; round++) {
        table_freeze(&table);
        write_record(&table, 2 * RECORDS_IN_PAGE, round);
        table_frozen_page(&table, 0, copy);
        table_thaw(&table);
        write_record(&table, 3 * RECORDS_IN_PAGE, round);
        u8 *image = image_copy(&table);
        table_freeze(&table);
        write_record(&table, 2 * RECORDS_IN_PAGE, 99);
        for (u64 page = 0; page < 10; page++) {
            table_frozen_page(&table, page, copy);
            assert_memory_equal(copy, image + page * PAGE_SIZE, PAGE_SIZE);
        }
        table_thaw(&table);
        free(image);
    }
    table_free(&table);
}

static void test_empty_table(void **state)
{
    (void)state;
    struct table table;
    table_begin(&table);
    table_freeze(&table);
    assert_int_equal(table_frozen_page_count(&table), 0);
    add_records(&table, 3, 1);
    table_thaw(&table);
    assert_int_equal(table.count, 3);
    table_free(&table);
}

struct copier {
    struct table *table;
    const u8 *image;
    u64 pages;
    u64 differences;
};

static void *copy_all(void *context)
{
    struct copier *copier = context;
    for (u64 page = 0; page < copier->pages; page++) {
        u8 copy[PAGE_SIZE];
        table_frozen_page(copier->table, page, copy);
        copier->differences += memcmp(copy, copier->image + page * PAGE_SIZE, PAGE_SIZE) != 0;
    }
    table_frozen_done(copier->table);
    return NULL;
}

// The owner writes all over the table while another thread copies the image.
static void test_two_threads(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 9);
    struct table table;
    table_begin(&table);
    add_records(&table, 600 * RECORDS_IN_PAGE + 5, 1);
    for (u32 round = 0; round < 30; round++) {
        u8 *image = image_copy(&table);
        table_freeze(&table);
        struct copier copier = {
            .table = &table, .image = image, .pages = table_frozen_page_count(&table)};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, copy_all, &copier), 0);
        // Against the copier's direction, so that they meet.
        for (u64 page = copier.pages; page-- > 0;) {
            u64 row = page * RECORDS_IN_PAGE + random_below(&random, RECORDS_IN_PAGE);
            row = MIN(row, table.count - 1);
            write_record(&table, row, random_u64(&random));
        }
        add_records(&table, 10, round);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(copier.differences, 0);
        assert_int_equal(table.image_count, 0);
        table_thaw(&table);
        free(image);
    }
    table_free(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_and_dirty_pages),
        cmocka_unit_test(test_frozen_image),
        cmocka_unit_test(test_thaw_before_the_end),
        cmocka_unit_test(test_empty_table),
        cmocka_unit_test(test_two_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
