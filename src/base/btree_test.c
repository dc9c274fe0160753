// SPDX-License-Identifier: Apache-2.0
//
// The B+tree beside a sorted array on random inserts and removes: what is in, in which order, what
// is found from where, forwards and backwards, and its invariants on the way.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/btree.h"
#include "base/random.h"

#define ROWS_MAX 40000u

// A record whose key is a number and a text; the text decides among equal numbers.
struct record {
    u64 number;
    char text[8];
};

static u64 number_head(const void *record)
{
    return ((const struct record *)record)->number;
}

static int text_compare(const void *a, const void *b)
{
    return memcmp(((const struct record *)a)->text, ((const struct record *)b)->text, 8);
}

static const struct btree_order order_whole = {.head = number_head, .compare = text_compare};
static const struct btree_order order_of_numbers = {.head = number_head};

struct world {
    struct btree tree;
    struct record *records;
    bool *is_in;
    u32 *sorted; // The rows that are in, in order.
    u32 count;
    u32 row_max;
    bool has_text; // It counts.
};

// --- the sorted array ----------------------------------------------------------------------------

// Below, above or 0: a record with its row beside another one.
static int plain_compare(const struct world *world, const struct record *a, u64 a_row,
                         const struct record *b, u64 b_row)
{
    if (a->number != b->number) return a->number < b->number ? -1 : 1;
    const int text = world->has_text ? memcmp(a->text, b->text, 8) : 0;
    if (text != 0) return text;
    return a_row == b_row ? 0 : a_row < b_row ? -1 : 1;
}

// How many rows that are in stand before a record with this row.
static u32 plain_search(const struct world *world, const struct record *record, u64 row)
{
    u32 low = 0;
    u32 high = world->count;
    while (low < high) {
        const u32 middle = (low + high) / 2;
        const u32 at = world->sorted[middle];
        if (plain_compare(world, &world->records[at], at, record, row) < 0) low = middle + 1;
        else high = middle;
    }
    return low;
}

static void plain_insert(struct world *world, u32 row)
{
    const u32 at = plain_search(world, &world->records[row], row);
    memmove(world->sorted + at + 1, world->sorted + at, (world->count - at) * sizeof(u32));
    world->sorted[at] = row;
    world->count++;
    world->is_in[row] = true;
}

static void plain_remove(struct world *world, u32 row)
{
    const u32 at = plain_search(world, &world->records[row], row);
    assert_int_equal(world->sorted[at], row);
    world->count--;
    memmove(world->sorted + at, world->sorted + at + 1, (world->count - at) * sizeof(u32));
    world->is_in[row] = false;
}

// --- comparing -----------------------------------------------------------------------------------

// What stands behind a cursor, and before it, is what stands around place `at` of the array.
static void expect_at(const struct world *world, struct btree_cursor cursor, u32 at)
{
    const u32 expected = at < world->count ? world->sorted[at] : BTREE_ROW_NONE;
    assert_int_equal(btree_row(&world->tree, cursor), expected);
    struct btree_cursor back = cursor;
    assert_int_equal(btree_previous(&world->tree, &back), at > 0);
    if (at > 0) {
        assert_int_equal(btree_row(&world->tree, back), world->sorted[at - 1]);
        btree_next(&world->tree, &back);
    }
    assert_true(btree_cursor_equal(back, cursor));
}

static void expect_found(const struct world *world, const struct record *probe)
{
    const u32 lower = plain_search(world, probe, 0);
    const u32 upper = plain_search(world, probe, U64_MAX);
    expect_at(world, btree_lower(&world->tree, probe), lower);
    expect_at(world, btree_upper(&world->tree, probe), upper);
    assert_int_equal(btree_find(&world->tree, probe),
                     lower < upper ? world->sorted[lower] : BTREE_ROW_NONE);
}

// The whole of it: forwards, by runs, backwards.
static void expect_all(const struct world *world)
{
    btree_check(&world->tree);
    assert_int_equal(world->tree.count, world->count);
    struct btree_cursor cursor = btree_first(&world->tree);
    for (u32 i = 0; i < world->count; i++) {
        assert_int_equal(btree_row(&world->tree, cursor), world->sorted[i]);
        btree_next(&world->tree, &cursor);
    }
    assert_true(btree_cursor_equal(cursor, btree_end()));
    btree_next(&world->tree, &cursor); // It stays.
    assert_true(btree_cursor_equal(cursor, btree_end()));
    for (u32 i = world->count; i-- > 0;) {
        assert_true(btree_previous(&world->tree, &cursor));
        assert_int_equal(btree_row(&world->tree, cursor), world->sorted[i]);
    }
    assert_false(btree_previous(&world->tree, &cursor));
    cursor = btree_first(&world->tree);
    for (u32 i = 0; i < world->count;) {
        u32 count = 0;
        const u32 *rows = btree_run(&world->tree, cursor, &count);
        assert_true(count > 0 && count <= world->count - i);
        assert_memory_equal(rows, world->sorted + i, count * sizeof *rows);
        i += count;
        for (u32 j = 0; j < count; j++) btree_next(&world->tree, &cursor);
    }
    u32 count = 1;
    assert_null(btree_run(&world->tree, cursor, &count));
    assert_int_equal(count, 0);
}

// --- runs ----------------------------------------------------------------------------------------

static struct world world_new(u32 row_max, bool has_text)
{
    struct world world = {.row_max = row_max, .has_text = has_text};
    struct failure failure;
    world.records = calloc(row_max, sizeof *world.records);
    world.is_in = calloc(row_max, sizeof *world.is_in);
    world.sorted = calloc(row_max, sizeof *world.sorted);
    assert_true(world.records != NULL && world.is_in != NULL && world.sorted != NULL);
    assert_int_equal(btree_init(&world.tree, has_text ? &order_whole : &order_of_numbers,
                                world.records, sizeof *world.records, row_max, &failure),
                     STATUS_OK);
    return world;
}

static void world_free(struct world *world)
{
    btree_free(&world->tree);
    btree_free(&world->tree); // Of zeroes: nothing.
    free(world->records);
    free(world->is_in);
    free(world->sorted);
}

static struct record record_random(struct random *random, u64 numbers)
{
    struct record record = {.number = random_below(random, numbers)};
    const u64 size = random_below(random, 4);
    for (u64 i = 0; i < size; i++) record.text[i] = (char)('a' + random_below(random, 3));
    return record;
}

static void put(struct world *world, u32 row)
{
    plain_insert(world, row);
    btree_insert(&world->tree, row);
}

static void take(struct world *world, u32 row)
{
    plain_remove(world, row);
    btree_remove(&world->tree, row);
}

// Random steps that fill, and others that empty, in turns; at the ends it is full and empty.
static void churn(u32 row_max, u64 numbers, bool has_text, u64 steps, u64 seed)
{
    struct world world = world_new(row_max, has_text);
    struct random random;
    random_init(&random, seed);
    for (u64 step = 0; step < steps; step++) {
        const bool fills = step * 8 / steps % 2 == 0;
        const u32 row = (u32)random_below(&random, row_max);
        if (!world.is_in[row] && random_chance(&random, fills ? 90 : 15)) {
            world.records[row] = record_random(&random, numbers);
            put(&world, row);
        } else if (world.is_in[row] && random_chance(&random, fills ? 15 : 90)) {
            take(&world, row);
        }
        const struct record probe = record_random(&random, numbers + 1);
        expect_found(&world, &probe);
        if (step % (steps / 64) == 0) expect_all(&world);
    }
    for (u32 row = 0; row < row_max; row++) {
        if (world.is_in[row]) continue;
        world.records[row] = record_random(&random, numbers);
        put(&world, row);
    }
    expect_all(&world);
    while (world.count > 0) {
        take(&world, world.sorted[random_below(&random, world.count)]);
        if (world.count % (row_max / 16) == 0) expect_all(&world);
    }
    expect_all(&world);
    assert_int_equal(world.tree.height, 1);
    world_free(&world);
}

static void test_beside_a_sorted_array(void **state)
{
    (void)state;
    churn(60, 20, true, 20000, 1);        // A leaf or two.
    churn(2000, 1000000, true, 60000, 2); // Three levels, heads mostly unequal.
    churn(2000, 3, true, 60000, 3);       // Records decide.
    churn(2000, 50, false, 60000, 4);     // Rows decide.
    churn(ROWS_MAX, 1ull << 60, false, 200000, 5);
}

// Rows that are put in as they rise fill their nodes; taken out from either end they leave whole
// trees.
static void test_ascending_rows(void **state)
{
    (void)state;
    for (u32 way = 0; way < 3; way++) {
        struct world world = world_new(ROWS_MAX, false);
        for (u32 row = 0; row < ROWS_MAX; row++) {
            world.records[row].number = row;
            put(&world, row);
        }
        expect_all(&world);
        assert_true(world.tree.node_count * 512ull < 14ull * ROWS_MAX);
        struct random random;
        random_init(&random, way);
        while (world.count > 0) {
            const u32 at = way == 0 ? 0 : way == 1 ? world.count - 1 : world.count / 2;
            take(&world, world.sorted[at]);
            if (world.count % 997 == 0) expect_all(&world);
        }
        expect_all(&world);
        world_free(&world);
    }
}

// However full it was, no node is lost, and what is half full is the worst: the memory that is
// reserved is enough for all rows after any churn.
static void test_memory_is_enough(void **state)
{
    (void)state;
    struct world world = world_new(ROWS_MAX, false);
    struct random random;
    random_init(&random, 7);
    for (u32 row = ROWS_MAX; row-- > 0;) { // Each leaf is split in the middle.
        world.records[row].number = row;
        put(&world, row);
    }
    expect_all(&world);
    const u32 most = world.tree.node_count;
    assert_true(most * 512ull <= 28ull * ROWS_MAX);
    for (u32 round = 0; round < 3; round++) {
        for (u32 row = round; row < ROWS_MAX; row += 2) take(&world, row);
        expect_all(&world);
        for (u32 row = round; row < ROWS_MAX; row += 2) put(&world, row);
        expect_all(&world);
        assert_true(world.tree.node_count < world.tree.node_max);
    }
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beside_a_sorted_array),
        cmocka_unit_test(test_ascending_rows),
        cmocka_unit_test(test_memory_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
