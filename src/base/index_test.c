// SPDX-License-Identifier: Apache-2.0
//
// The index against a naive map from tags to rows, through growth and churn; its invariants after
// every phase; and how much a single insert moves.
#include "base/base.h"

#include "base/index.h"
#include "base/test_levels.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static u64 hash_of(u64 id)
{
    return test_random(&id); // A fixed permutation that scatters.
}

static struct index_table *table_of(struct index *index, u64 entry)
{
    return entry >> 32 < index->frontier ? &index->table : &index->old;
}

// I1 to I4 over one table's live entries. Returns their number and adds their displacements.
static u64 table_check(struct index *index, struct index_table *table, u64 *displacement)
{
    const u64 slot_count = table->home_count + INDEX_SPARE_SLOTS;
    u64 live = 0, previous = 0, last_empty = U64_MAX; // The last empty slot before, if any.
    for (u64 i = index->released_size / 8 * (table == &index->old); i < slot_count; i++) {
        const u64 entry = table->slots[i];
        if (entry == 0) {
            last_empty = i;
            continue;
        }
        assert_true(entry > previous); // I1
        previous = entry;
        if (table_of(index, entry) != table) {
            assert_true(table == &index->old); // I3: only the old table has stale copies.
            continue;
        }
        const u64 home = entry >> 32 >> table->shift;
        assert_true(home <= i);                                  // I2
        assert_true(last_empty == U64_MAX || last_empty < home); // I2
        *displacement += i - home;
        live++;
    }
    assert_true(table->slots[slot_count - 1] == 0); // I4
    return live;
}

// Checks the invariants; returns the mean displacement in thousandths of a slot.
static u64 index_check(struct index *index)
{
    u64 displacement = 0;
    u64 live = table_check(index, &index->table, &displacement);
    if (index->old.slots != NULL) live += table_check(index, &index->old, &displacement);
    assert_true(live == index->count);
    return live == 0 ? 0 : displacement * 1000 / live;
}

static bool index_has(const struct index *index, u64 hash, u32 row)
{
    struct index_cursor cursor;
    for (u32 found = index_first(index, hash, &cursor); found != 0; found = index_next(&cursor)) {
        if (found - 1 == row) return true;
    }
    return false;
}

// The model: which rows are in. Row r's id is r, unless `equal_every` makes ids share a hash.
enum { ROW_COUNT = 1 << 20 };
static bool present[ROW_COUNT];

static u64 row_hash(u32 row, u32 equal_every)
{
    return hash_of(equal_every == 0 ? row : row / equal_every * equal_every);
}

static void churn(u32 row_count, u64 operation_count, u32 equal_every, u64 seed)
{
    struct index index;
    struct failure failure;
    assert_int_equal(index_init(&index, 0, &failure), STATUS_OK);
    memset(present, 0, sizeof present);
    u64 count = 0;
    for (u64 i = 0; i < operation_count; i++) {
        // Mostly inserts first, then an even mix that keeps the index near its size.
        const u64 random = test_random(&seed);
        const u32 row = (u32)(random % row_count);
        const u64 hash = row_hash(row, equal_every);
        index_prefetch(&index, hash);
        assert_true(index_has(&index, hash, row) == present[row]);
        const bool is_look_up = random >> 60 < 4;
        if (is_look_up) continue;
        if (!present[row]) {
            assert_int_equal(index_insert(&index, hash, row, &failure), STATUS_OK);
            assert_true(index.moved_last <= 100);
            count++;
        } else if (i > operation_count / 2 || random >> 60 == 4) {
            index_remove(&index, hash, row);
            count--;
        } else {
            continue;
        }
        present[row] = !present[row];
        assert_true(index.count == count);
        if ((i & 0x3ffff) == 0) (void)index_check(&index);
    }
    (void)index_check(&index);
    for (u32 row = 0; row < row_count; row++) {
        assert_true(index_has(&index, row_hash(row, equal_every), row) == present[row]);
    }
    index_free(&index);
}

static void model(void **state)
{
    (void)state;
    churn(100, 20000, 0, 1);
    churn(5000, 200000, 0, 2);
    churn(5000, 200000, 4, 3); // Four rows share each hash.
    churn(ROW_COUNT, 6000000, 0, 4);
}

// Each operation of every growth step by step, with the invariants checked after each.
static void every_step_of_growth(void **state)
{
    (void)state;
    struct index index;
    struct failure failure;
    assert_int_equal(index_init(&index, 0, &failure), STATUS_OK);
    unsigned growth_count = 0;
    for (u32 row = 0; row < 3000; row++) {
        const u64 home_count = index.table.home_count;
        assert_int_equal(index_insert(&index, hash_of(row), row, &failure), STATUS_OK);
        growth_count += index.table.home_count != home_count;
        if (row % 3 == 2) {
            index_remove(&index, hash_of(row - 1), row - 1);
            assert_false(index_has(&index, hash_of(row - 1), row - 1));
        }
        (void)index_check(&index);
        for (u32 back = 0; back < 40 && back <= row; back++) {
            const u32 other = row - back;
            assert_true(index_has(&index, hash_of(other), other) ==
                        (other % 3 != 1 || other == row));
        }
    }
    assert_int_equal(growth_count, 3); // 512 homes to 4,096.
    index_free(&index);
}

static void no_insert_moves_much(void **state)
{
    (void)state;
    struct index index;
    struct failure failure;
    assert_int_equal(index_init(&index, 1000, &failure), STATUS_OK);
    u64 migrating_count = 0;
    enum { COUNT = 3000000 };
    for (u32 row = 0; row < COUNT; row++) {
        assert_int_equal(index_insert(&index, hash_of(row), row, &failure), STATUS_OK);
        migrating_count += index.old.slots != NULL;
    }
    assert_in_range(index.moved_max, INDEX_SWEEP_HOMES, 60);
    assert_in_range(migrating_count, 1, COUNT / 5); // Migrations end long before the next.
    assert_in_range(index_check(&index), 1, 1700);
    for (u32 row = 0; row < COUNT; row++) assert_true(index_has(&index, hash_of(row), row));
    for (u32 row = COUNT; row < 2 * COUNT; row++) {
        assert_false(index_has(&index, hash_of(row), row));
    }
    index_free(&index);
}

// After long churn at the limit the table is the very one that a fresh build gives.
static void churn_leaves_no_trace(void **state)
{
    (void)state;
    enum { LIVE_COUNT = 49000, CHURN_COUNT = 2000000 }; // Of 65,536 homes.
    struct index old, fresh;
    struct failure failure;
    assert_int_equal(index_init(&old, LIVE_COUNT, &failure), STATUS_OK);
    assert_int_equal(index_init(&fresh, LIVE_COUNT, &failure), STATUS_OK);
    for (u32 row = 0; row < CHURN_COUNT; row++) {
        if (row >= LIVE_COUNT) index_remove(&old, hash_of(row - LIVE_COUNT), row - LIVE_COUNT);
        assert_int_equal(index_insert(&old, hash_of(row), row, &failure), STATUS_OK);
    }
    for (u32 row = CHURN_COUNT; row-- > CHURN_COUNT - LIVE_COUNT;) {
        assert_int_equal(index_insert(&fresh, hash_of(row), row, &failure), STATUS_OK);
    }
    assert_true(old.table.home_count == 65536 && fresh.table.home_count == 65536);
    const size_t size = (65536 + INDEX_SPARE_SLOTS) * sizeof(u64);
    assert_memory_equal(old.table.slots, fresh.table.slots, size);
    assert_in_range(index_check(&old), 1000, 1700);
    index_free(&old);
    index_free(&fresh);
}

static void edges_of_tags_and_rows(void **state)
{
    (void)state;
    struct index index;
    struct failure failure;
    assert_int_equal(index_init(&index, 0, &failure), STATUS_OK);
    const u64 hashes[] = {0, U64_MAX, (u64)1 << 32};
    for (size_t i = 0; i < ARRAY_COUNT(hashes); i++) {
        assert_int_equal(index_insert(&index, hashes[i], 0, &failure), STATUS_OK);
    }
    assert_int_equal(index_insert(&index, 0, INDEX_ROW_MAX, &failure), STATUS_OK);
    assert_int_equal(index_insert(&index, U64_MAX, INDEX_ROW_MAX, &failure), STATUS_OK);
    assert_true(index_has(&index, 0, 0) && index_has(&index, 0, INDEX_ROW_MAX));
    assert_true(index_has(&index, U64_MAX, 0) && index_has(&index, U64_MAX, INDEX_ROW_MAX));
    assert_true(index_has(&index, (u64)1 << 32, 0));
    assert_false(index_has(&index, (u64)1 << 32, 1));
    (void)index_check(&index);
    index_remove(&index, 0, 0);
    index_remove(&index, U64_MAX, INDEX_ROW_MAX);
    assert_false(index_has(&index, 0, 0));
    assert_true(index_has(&index, 0, INDEX_ROW_MAX));
    assert_true(index_has(&index, U64_MAX, 0));
    (void)index_check(&index);
    index_free(&index);
}

// Equal hashes without end: refused, and everything that was accepted is still found.
static void equal_hashes_are_refused(void **state)
{
    (void)state;
    struct index index;
    struct failure failure;
    assert_int_equal(index_init(&index, 0, &failure), STATUS_OK);
    enum { TRIED = 20000 };
    u32 accepted = 0;
    while (accepted < TRIED && index_insert(&index, U64_MAX, accepted, &failure) == STATUS_OK) {
        accepted++;
    }
    assert_in_range(accepted, 300, INDEX_SPARE_SLOTS);
    assert_int_equal(failure.status, STATUS_FULL);
    assert_true(index.count == accepted);
    for (u32 row = 0; row < accepted; row++) assert_true(index_has(&index, U64_MAX, row));
    assert_false(index_has(&index, U64_MAX, accepted));
    (void)index_check(&index);
    index_free(&index);
}

static void hints(void **state)
{
    (void)state;
    struct index index;
    struct failure failure;
    assert_int_equal(index_init(&index, 1000000, &failure), STATUS_OK);
    const u64 home_count = index.table.home_count;
    for (u32 row = 0; row < 1000000; row++) {
        assert_int_equal(index_insert(&index, hash_of(row), row, &failure), STATUS_OK);
    }
    assert_true(index.table.home_count == home_count && index.moved_max == 0);
    index_free(&index);
    assert_int_equal(index_init(&index, U64_MAX, &failure), STATUS_FULL);
    index_free(&index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model),
        cmocka_unit_test(every_step_of_growth),
        cmocka_unit_test(no_insert_moves_much),
        cmocka_unit_test(churn_leaves_no_trace),
        cmocka_unit_test(edges_of_tags_and_rows),
        cmocka_unit_test(equal_hashes_are_refused),
        cmocka_unit_test(hints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
