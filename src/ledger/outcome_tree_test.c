// SPDX-License-Identifier: Apache-2.0
//
// The tree of outcomes against RFC 9162's own words: the recursive definitions of a root, of an
// inclusion proof and of a consistency proof, written once more over an array. Pages from memory
// and from files, starts at any size, a disk whose n-th operation fails, damage, a reader beside
// who appends and who writes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/merkle_definition.h"
#include "base/random.h"
#include "ledger/outcome_tree.h"
#include "os/disk_memory.h"

#include <pthread.h>

#define LEAVES_MAX 5000u

struct fixture {
    struct disk_memory disk;
    struct outcome_tree tree;
    struct outcome_edge edge;
    struct outcome_leaf leaves[LEAVES_MAX];
    struct digest roots[LEAVES_MAX]; // Theirs.
    struct failure failure;
};

static struct fixture *fixture_new(void)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    disk_memory_init(&fixture->disk, 1);
    const enum status status =
        outcome_tree_init(&fixture->tree, &fixture->disk.disk, &fixture->failure);
    assert_int_equal(status, STATUS_OK);
    return fixture;
}

static void fixture_free(struct fixture *fixture)
{
    outcome_tree_free(&fixture->tree);
    disk_memory_free(&fixture->disk);
    free(fixture);
}

// Frames of one to three rows, each root unlike all others.
static struct outcome_leaf leaf_make(u64 index, u64 first_row)
{
    struct outcome_leaf leaf = {.end_row = first_row + 1 + index % 3, .place = index * PAGE_SIZE};
    sha256(&index, sizeof index, &leaf.root);
    return leaf;
}

static u64 leaf_first_row(const struct fixture *fixture, u64 index)
{
    return index == 0 ? 0 : fixture->leaves[index - 1].end_row;
}

static void append(struct fixture *fixture)
{
    const u64 index = fixture->edge.range.count;
    assert_true(index < LEAVES_MAX);
    fixture->leaves[index] = leaf_make(index, leaf_first_row(fixture, index));
    fixture->roots[index] = fixture->leaves[index].root;
    const bool is_full = outcome_edge_append(&fixture->edge, &fixture->leaves[index]);
    assert_int_equal(is_full, (index + 1) % OUTCOME_PAGE_LEAVES == 0);
    if (is_full) {
        assert_true(outcome_page_holds(&fixture->edge.open, index / OUTCOME_PAGE_LEAVES));
    }
    outcome_tree_grow(&fixture->tree, &fixture->edge);
}

static void write_up_to(struct fixture *fixture, u64 row_end)
{
    const enum status status = outcome_tree_write(&fixture->tree, row_end, &fixture->failure);
    assert_int_equal(status, STATUS_OK);
}

// -------------------------------------------------------------------------------------------------

static void root_same(struct fixture *fixture, u64 size)
{
    struct digest found;
    assert_int_equal(outcome_tree_root(&fixture->tree, size, &found, &fixture->failure), STATUS_OK);
    const struct digest expected = merkle_definition_root(fixture->roots, size);
    assert_memory_equal(&found, &expected, sizeof found);
}

static void path_same(struct fixture *fixture, u64 index, u64 size)
{
    struct digest found[OUTCOME_PATH_MAX], expected[OUTCOME_PATH_MAX];
    u32 count = 0;
    assert_int_equal(
        outcome_tree_path(&fixture->tree, index, size, found, &count, &fixture->failure),
        STATUS_OK);
    assert_int_equal(count, merkle_definition_inclusion(fixture->roots, index, size, expected));
    assert_memory_equal(found, expected, count * sizeof *found);
}

static void growth_same(struct fixture *fixture, u64 from, u64 to)
{
    struct digest found[OUTCOME_GROWTH_MAX], expected[OUTCOME_GROWTH_MAX];
    u32 count = 0;
    assert_int_equal(
        outcome_tree_growth(&fixture->tree, from, to, found, &count, &fixture->failure), STATUS_OK);
    assert_int_equal(count, merkle_definition_consistency(fixture->roots, from, to, expected));
    assert_memory_equal(found, expected, count * sizeof *found);
}

static void every_small_tree(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    struct digest empty, found;
    sha256(NULL, 0, &empty);
    assert_int_equal(outcome_tree_root(&fixture->tree, 0, &found, &fixture->failure), STATUS_OK);
    assert_memory_equal(&found, &empty, sizeof empty);
    for (u64 size = 1; size <= 200; size++) {
        append(fixture);
        root_same(fixture, size);
        for (u64 i = 0; i < size; i++) path_same(fixture, i, size);
        for (u64 from = 1; from <= size; from++) growth_same(fixture, from, size);
    }
    u32 count = 1;
    struct digest path[OUTCOME_GROWTH_MAX];
    assert_int_equal(outcome_tree_growth(&fixture->tree, 0, 200, path, &count, &fixture->failure),
                     STATUS_OK);
    assert_int_equal(count, 0);
    fixture_free(fixture);
}

// Which pages are in files is a matter of chance; so is where a start begins.
static void random_trees(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    struct random random;
    random_init(&random, 7);
    for (u64 size = 1; size <= LEAVES_MAX; size++) {
        append(fixture);
        if (random_chance(&random, 1)) {
            const u64 rows = fixture->leaves[size - 1].end_row;
            write_up_to(fixture, random_below(&random, rows + 1));
        }
        if (random_chance(&random, 1)) {
            // What a checkpoint keeps, which is less than the edge.
            struct outcome_edge kept = {.range = fixture->edge.range,
                                        .page_row = fixture->edge.page_row};
            kept.open.first_row = kept.page_row;
            memcpy(kept.open.leaves, fixture->edge.open.leaves,
                   size % OUTCOME_PAGE_LEAVES * sizeof *kept.open.leaves);
            write_up_to(fixture, U64_MAX);
            outcome_tree_free(&fixture->tree);
            assert_int_equal(
                outcome_tree_init(&fixture->tree, &fixture->disk.disk, &fixture->failure),
                STATUS_OK);
            fixture->edge = kept;
            outcome_tree_start(&fixture->tree, &fixture->edge);
        }
        if (!random_chance(&random, 5)) continue;
        const u64 to = random_between(&random, 1, size);
        const u64 index = random_below(&random, to);
        root_same(fixture, to);
        path_same(fixture, index, to);
        growth_same(fixture, random_between(&random, 1, to), to);
        struct outcome_leaf leaf;
        u64 first_row = 0, found = 0;
        assert_int_equal(
            outcome_tree_leaf(&fixture->tree, index, &leaf, &first_row, &fixture->failure),
            STATUS_OK);
        assert_memory_equal(&leaf, &fixture->leaves[index], sizeof leaf);
        assert_int_equal(first_row, leaf_first_row(fixture, index));
        for (u64 row = first_row; row <= leaf.end_row; row++) {
            assert_int_equal(outcome_tree_size_at(&fixture->tree, row, &found, &fixture->failure),
                             STATUS_OK);
            assert_int_equal(found, row == leaf.end_row ? index + 1 : index);
        }
    }
    fixture_free(fixture);
}

// Only what ends below the row is written: pages behind it may tell of frames that are not durable.
static void pages_end_with_their_segment(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    for (u32 i = 0; i < 3 * OUTCOME_PAGE_LEAVES; i++) append(fixture);
    const u64 second_end = fixture->leaves[2 * OUTCOME_PAGE_LEAVES - 1].end_row;
    write_up_to(fixture, second_end - 1);
    assert_int_equal(fixture->tree.written, 1);
    write_up_to(fixture, second_end);
    assert_int_equal(fixture->tree.written, 2);
    fixture_free(fixture);
}

static void failing_disk(void **state)
{
    (void)state;
    u32 failed = 0;
    for (u64 n = 1;; n++) {
        struct fixture *fixture = fixture_new();
        for (u32 i = 0; i < 200; i++) append(fixture);
        fixture->disk.faults.error_at = disk_memory_operations(&fixture->disk) + n;
        const enum status status = outcome_tree_write(&fixture->tree, U64_MAX, &fixture->failure);
        if (status == STATUS_OK) {
            fixture_free(fixture);
            break;
        }
        failed++;
        path_same(fixture, 3, 200);
        write_up_to(fixture, U64_MAX);
        assert_int_equal(fixture->tree.written, 200 / OUTCOME_PAGE_LEAVES);
        for (u64 i = 0; i < 200; i++) path_same(fixture, i, 200);
        fixture_free(fixture);
    }
    assert_int_equal(failed, 3); // The name, the pages, the sync.
}

// The page of another place, and one with any bit changed, is told by file and offset.
static void damage_is_named(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    struct random random;
    random_init(&random, 3);
    for (u32 i = 0; i < 200; i++) append(fixture);
    write_up_to(fixture, U64_MAX);
    disk_handle file = -1;
    assert_int_equal(disk_open(&fixture->disk.disk, "tree-00000000", 0, &file, &fixture->failure),
                     STATUS_OK);
    struct outcome_page pages[3];
    assert_int_equal(
        disk_read(&fixture->disk.disk, file, 0, pages, sizeof pages, &fixture->failure), STATUS_OK);
    for (u32 i = 0; i < 64; i++) {
        struct outcome_page wrong = pages[i == 0 ? 0 : 1];
        if (i > 0) ((u8 *)&wrong)[random_below(&random, PAGE_SIZE)] ^= (u8)(1u << i % 8);
        assert_int_equal(disk_write_one(&fixture->disk.disk, file, PAGE_SIZE, &wrong, sizeof wrong,
                                        &fixture->failure),
                         STATUS_OK);
        struct digest path[OUTCOME_PATH_MAX];
        u32 count = 0;
        assert_int_equal(
            outcome_tree_path(&fixture->tree, 70, 200, path, &count, &fixture->failure),
            STATUS_CORRUPT);
        assert_non_null(strstr(fixture->failure.message, "tree-00000000, offset 4096 is damaged"));
    }
    disk_close(&fixture->disk.disk, file);
    fixture_free(fixture);
}

// Where files and the ring in memory end.
static void ends_of_files(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    const u64 first = OUTCOME_TREE_RING - 2;
    struct outcome_edge edge = {.range = {.count = first * OUTCOME_PAGE_LEAVES}, .page_row = 9};
    outcome_tree_start(&fixture->tree, &edge);
    u64 row = 9;
    for (u64 i = 0; i < 4 * OUTCOME_PAGE_LEAVES; i++) {
        const struct outcome_leaf leaf = leaf_make(edge.range.count, row);
        row = leaf.end_row;
        (void)outcome_edge_append(&edge, &leaf);
        outcome_tree_grow(&fixture->tree, &edge);
    }
    write_up_to(fixture, U64_MAX);
    assert_int_equal(fixture->tree.written, first + 4);
    row = 9;
    for (u64 i = 0; i < 4 * OUTCOME_PAGE_LEAVES; i++) {
        const u64 index = first * OUTCOME_PAGE_LEAVES + i;
        const struct outcome_leaf expected = leaf_make(index, row);
        struct outcome_leaf leaf;
        u64 first_row = 0;
        assert_int_equal(
            outcome_tree_leaf(&fixture->tree, index, &leaf, &first_row, &fixture->failure),
            STATUS_OK);
        assert_memory_equal(&leaf, &expected, sizeof leaf);
        assert_int_equal(first_row, row);
        row = leaf.end_row;
    }
    fixture_free(fixture);
}

// Appends and writes, and says when it is done.
static void *writer(void *context)
{
    struct fixture *fixture = context;
    for (u32 i = 0; i < LEAVES_MAX; i++) {
        append(fixture);
        if (i % 97 == 0) write_up_to(fixture, U64_MAX);
    }
    return NULL;
}

static void reader_beside_the_writer(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    struct random random;
    random_init(&random, 11);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, writer, fixture), 0);
    for (u64 size = 0; size < LEAVES_MAX; size = outcome_tree_size(&fixture->tree)) {
        if (size == 0) continue;
        path_same(fixture, random_below(&random, size), size);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    root_same(fixture, LEAVES_MAX);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_small_tree),
        cmocka_unit_test(random_trees),
        cmocka_unit_test(pages_end_with_their_segment),
        cmocka_unit_test(failing_disk),
        cmocka_unit_test(damage_is_named),
        cmocka_unit_test(ends_of_files),
        cmocka_unit_test(reader_beside_the_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
