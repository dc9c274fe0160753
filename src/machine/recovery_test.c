// SPDX-License-Identifier: Apache-2.0
//
// What a start finds in the folder beside the log: files made behind the checkpoint are set aside,
// not removed and never taken for what their name says.
#include "machine/log_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

// A file that has its name at its end.
static void file_make(struct log_fixture *fixture, const char *name, u64 size)
{
    disk_handle handle = 0;
    log_fixture_must(disk_open(&fixture->disk.disk, name, DISK_CREATE, &handle, &fixture->failure),
                     fixture);
    log_fixture_must(
        disk_write_one(&fixture->disk.disk, handle, size, name, strlen(name), &fixture->failure),
        fixture);
    disk_close(&fixture->disk.disk, handle);
}

static u64 file_size(struct log_fixture *fixture, const char *name)
{
    disk_handle handle = 0;
    u64 size = 0;
    log_fixture_must(disk_open(&fixture->disk.disk, name, 0, &handle, &fixture->failure), fixture);
    log_fixture_must(disk_size(&fixture->disk.disk, handle, &size, &fixture->failure), fixture);
    disk_close(&fixture->disk.disk, handle);
    return size;
}

struct search {
    const char *name;
    bool found;
};

static bool search_visit(void *context, const char *name)
{
    struct search *search = context;
    search->found = strcmp(name, search->name) == 0;
    return !search->found;
}

static bool exists(struct log_fixture *fixture, const char *name)
{
    struct search search = {.name = name};
    log_fixture_must(disk_list(&fixture->disk.disk, search_visit, &search, &fixture->failure),
                     fixture);
    return search.found;
}

static void test_what_no_checkpoint_names_is_set_aside(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_cut(&fixture->disk, 7); // Behind it the log rotates.
    file_make(fixture, "index-0000000000000000-0000000008", 0);
    file_make(fixture, "index-0000000000000008-0000000008.tmp", MIB); // Unfinished, of a merge.
    file_make(fixture, "spare-0000002a", 0);                          // An earlier start's.
    static const char *const others[] = {"spare-tyre", "spare-0000000g", "sparerib-00007"};
    for (u32 i = 0; i < ARRAY_COUNT(others); i++) file_make(fixture, others[i], 0); // Nobody's.
    log_fixture_start(fixture);
    assert_false(exists(fixture, "index-0000000000000000-0000000008"));
    assert_false(exists(fixture, "index-0000000000000008-0000000008.tmp"));
    assert_true(exists(fixture, "spare-0000002a"));
    assert_true(exists(fixture, "spare-0000002b"));
    assert_true(exists(fixture, "spare-0000002c"));
    const bool is_b = file_size(fixture, "spare-0000002b") > MIB;
    const char *large = is_b ? "spare-0000002b" : "spare-0000002c";
    // One is written over by the next segment, but not the large one, which would stay that large;
    // the others go when there is time.
    struct history *history = &fixture->node.machine.history;
    assert_int_equal(history->spare_count, 3);
    history_rotate(history);
    log_fixture_must(node_seal_all(&fixture->node, &fixture->failure), fixture);
    assert_int_equal(history->spare_count, 2);
    assert_true(exists(fixture, large));
    bool removed = true;
    for (u32 count = 0; removed; count++) {
        log_fixture_must(history_remove_spares(history, 0, &removed, &fixture->failure), fixture);
        assert_int_equal(removed, count < 2);
    }
    assert_false(exists(fixture, "spare-0000002a"));
    assert_false(exists(fixture, "spare-0000002b"));
    assert_false(exists(fixture, "spare-0000002c"));
    for (u32 i = 0; i < ARRAY_COUNT(others); i++) assert_true(exists(fixture, others[i]));
    node_free(&fixture->node);
}

static void test_a_segment_of_the_checkpoint_stays(void **state)
{
    struct log_fixture *fixture = *state;
    struct node *node = &fixture->node;
    log_fixture_cut(&fixture->disk, 7);
    log_fixture_start(fixture);
    struct history *history = &node->machine.history;
    char name[DISK_NAME_SIZE_MAX];
    history_rotate(history);
    log_fixture_must(node_seal_all(node, &fixture->failure), fixture);
    assert_true(history->set->segments[0]->sealed);
    memcpy(name, history->set->segments[0]->file.name, sizeof name);
    assert_true(strncmp(name, "index-", 6) == 0 && exists(fixture, name));
    log_fixture_checkpoint(fixture);
    assert_true(exists(fixture, name));
    log_fixture_start(fixture);
    assert_true(exists(fixture, name));
    assert_int_equal(node->machine.history.spare_count, 0);
    node_free(node);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, log_fixture_setup, log_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_no_checkpoint_names_is_set_aside),
        TEST(test_a_segment_of_the_checkpoint_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
