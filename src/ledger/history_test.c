// SPDX-License-Identifier: Apache-2.0
//
// Sealing and merging when the n-th operation of the disk fails, for every n: what failed has
// changed nothing, and done again it is complete. What no merge crosses and what ends one, what
// readers hold of memory, pages of other files.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "ledger/history.h"
#include "ledger/history_file.h"
#include "ledger/history_query.h"
#include "os/disk_memory.h"

struct fixture {
    struct disk_memory disk;
    struct history history;
    struct failure failure;
    u64 ids;                        // Transfers so far; ids are 1 to this.
    u32 reads;                      // Of the log.
    const struct transfer *request; // What the log has everywhere; NULL: the requests.
    // Sealed before the log is read for the n-th time, from 1; then the segment is NULL.
    struct history_segment *seal_at_read;
    u32 seal_at;
    u32 lives_after; // Taken after that read.
};

// The odd id whose code is that of an even one; what else it divides here is even.
#define ODD_ONE 99997u

static struct transfer request_of(u64 id)
{
    return (struct transfer){.id = id,
                             .user_data_128 = id % 4,
                             .user_data_64 = id,
                             .user_data_32 = 7,
                             .amount = id,
                             .code = id % 2 == 0 || id % ODD_ONE == 0 ? 2 : 1};
}

static u32 lives_taken(const struct history *history)
{
    u32 taken = 0;
    for (u32 i = 0; i < HISTORY_LIVE_SEGMENTS_MAX; i++) taken += history->lives[i].taken;
    return taken;
}

// The log has the request of id n in its n-th unit.
static enum status log_read(void *context, u64 place, void *out, size_t size,
                            struct failure *failure)
{
    struct fixture *fixture = context;
    struct transfer request = request_of(place / OUTCOME_PLACE_UNIT);
    assert_int_equal(size, sizeof request);
    if (fixture->request != NULL) request = *fixture->request;
    memcpy(out, &request, sizeof request);
    if (++fixture->reads == fixture->seal_at) {
        struct history_segment *segment = fixture->seal_at_read;
        fixture->seal_at_read = NULL;
        return history_seal(&fixture->history, segment, failure);
    }
    if (fixture->reads == fixture->seal_at + 1) {
        fixture->lives_after = lives_taken(&fixture->history);
    }
    return STATUS_OK;
}

static void log_hint(void *context, u64 place, size_t size)
{
    (void)context;
    (void)place;
    (void)size;
}

static void history_begin(struct fixture *fixture)
{
    struct random random;
    struct hash_key key;
    random_init(&random, 1);
    for (u32 i = 0; i < ARRAY_COUNT(key.words); i++) key.words[i] = random_u64(&random);
    const struct history_log log = {
        .context = fixture, .read = log_read, .advise = log_hint, .prefetch = log_hint};
    struct failure *failure = &fixture->failure;
    assert_int_equal(history_init(&fixture->history, &fixture->disk.disk, &key, &log, failure),
                     STATUS_OK);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    disk_memory_init(&fixture->disk, 1);
    history_begin(fixture);
    assert_int_equal(history_start(&fixture->history, 0, &fixture->failure), STATUS_OK);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    history_free(&fixture->history);
    disk_memory_free(&fixture->disk);
    free(fixture);
    return 0;
}

static u64 timestamp_of(u64 id)
{
    return 1000 + 3 * id;
}

// Appends and indexes transfers as the machine does.
static void add_transfers(struct fixture *fixture, u32 count)
{
    struct history *history = &fixture->history;
    for (u32 i = 0; i < count; i++) {
        u64 id = ++fixture->ids;
        const struct transfer transfer = request_of(id);
        u64 hash = history_hash_id(history, id);
        struct history_segment *segment = history->active;
        u32 slot = 0;
        assert_int_equal(history_live_find(segment->live, hash, id, &slot), 0);
        struct outcome *row = history_append(history);
        *row = (struct outcome){.id = id,
                                .amount = id,
                                .timestamp = timestamp_of(id),
                                .debit_row = (u32)(id % 50),
                                .credit_row = 50,
                                .code = transfer.code,
                                .kind = OUTCOME_TRANSFER,
                                .result = OUTCOME_CREATED};
        outcome_set_place(row, id * OUTCOME_PLACE_UNIT);
        history_note_transfer(history, row->timestamp);
        if (id > segment->id_max) segment->id_max = id;
        history_live_put(segment->live, hash, slot, segment->live->row_count - 1);
        history_index_row(history, segment, segment->live->row_count - 1, &transfer, 1);
    }
}

static void check_found(struct fixture *fixture, u64 step)
{
    struct history *history = &fixture->history;
    struct history_set *set = history_set_acquire(history);
    for (u64 id = 1; id <= fixture->ids + 3; id += step) {
        u64 row = 0;
        assert_int_equal(history_find_row(history, set, id, history_hash_id(history, id),
                                          history->next_row, &row, &fixture->failure),
                         STATUS_OK);
        assert_int_equal(row != 0, id <= fixture->ids);
        bool found = false;
        assert_int_equal(
            history_has_timestamp(history, set, timestamp_of(id), &found, &fixture->failure),
            STATUS_OK);
        assert_int_equal(found, id <= fixture->ids);
        assert_int_equal(
            history_has_timestamp(history, set, timestamp_of(id) + 1, &found, &fixture->failure),
            STATUS_OK);
        assert_false(found);
        if (row == 0) continue;
        struct outcome outcome;
        assert_int_equal(history_row(history, set, row - 1, &outcome, &fixture->failure),
                         STATUS_OK);
        assert_true(outcome.id == id);
    }
    history_set_release(history, set);
}

// Seals a segment though each operation fails once. Returns how many there are.
static u32 seal_with_errors(struct fixture *fixture, struct history_segment *segment)
{
    for (u32 n = 1;; n++) {
        fixture->disk.faults.error_at = disk_memory_operations(&fixture->disk) + n;
        enum status status = history_seal(&fixture->history, segment, &fixture->failure);
        fixture->disk.faults.error_at = 0;
        if (status == STATUS_OK) return n;
        assert_int_equal(status, STATUS_IO);
        check_found(fixture, 997);
    }
}

static void test_seal_fails_anywhere(void **state)
{
    struct fixture *fixture = *state;
    add_transfers(fixture, 150000); // More pages than are buffered, in every list.
    struct history_segment *segment = fixture->history.active;
    history_rotate(&fixture->history);
    add_transfers(fixture, 100);
    u32 operations = seal_with_errors(fixture, segment);
    assert_true(operations > 10);
    check_found(fixture, 1);
}

static void seal_some(struct fixture *fixture, u32 count, u32 transfers)
{
    for (u32 i = 0; i < count; i++) {
        add_transfers(fixture, transfers + 13 * i);
        struct history_segment *segment = fixture->history.active;
        history_rotate(&fixture->history);
        assert_int_equal(history_seal(&fixture->history, segment, &fixture->failure), STATUS_OK);
    }
}

static void test_merge_fails_anywhere(void **state)
{
    struct fixture *fixture = *state;
    seal_some(fixture, HISTORY_MERGE_FANIN, 20000);
    add_transfers(fixture, 100);
    u32 failed = 0;
    for (u32 n = 1;; n++) {
        bool merged = false;
        fixture->disk.faults.error_at = disk_memory_operations(&fixture->disk) + n;
        enum status status = history_merge(&fixture->history, &merged, &fixture->failure);
        fixture->disk.faults.error_at = 0;
        assert_int_equal(merged, status == STATUS_OK);
        if (status == STATUS_OK) break;
        assert_int_equal(status, STATUS_IO);
        failed++;
        check_found(fixture, 997);
    }
    assert_true(failed > 10);
    check_found(fixture, 1);
    assert_int_equal(history_retired(&fixture->history), HISTORY_MERGE_FANIN);
    history_discard(&fixture->history, HISTORY_MERGE_FANIN);
    check_found(fixture, 7);
}

// No merge crosses a boundary, however good it would be.
static void test_boundary(void **state)
{
    struct fixture *fixture = *state;
    bool merged = false;
    seal_some(fixture, 4, 100);
    u64 row = fixture->history.next_row;
    history_set_boundary(&fixture->history, row);
    seal_some(fixture, 4, 100);
    assert_int_equal(history_merge(&fixture->history, &merged, &fixture->failure), STATUS_OK);
    assert_false(merged);
    history_set_boundary(&fixture->history, 0);
    assert_int_equal(history_merge(&fixture->history, &merged, &fixture->failure), STATUS_OK);
    assert_true(merged);
    check_found(fixture, 1);
}

// A stop ends a merge at once, and leaves history as it is.
static void test_a_merge_is_ended(void **state)
{
    struct fixture *fixture = *state;
    bool merged = false;
    seal_some(fixture, HISTORY_MERGE_FANIN, 1000);
    history_end_merges(&fixture->history);
    assert_int_equal(history_merge(&fixture->history, &merged, &fixture->failure),
                     STATUS_CANCELLED);
    assert_false(merged);
    assert_int_equal(fixture->history.set->count, HISTORY_MERGE_FANIN + 1);
    check_found(fixture, 1);
}

// A whole page of one segment's index in the place of the same page of another's: lost writes into
// a recycled file leave such.
static void test_page_of_another_file(void **state)
{
    struct fixture *fixture = *state;
    struct history *history = &fixture->history;
    struct disk *disk = &fixture->disk.disk;
    seal_some(fixture, 2, 1000);
    struct history_set *set = history_set_acquire(history);
    const struct history_sealed *from = &set->segments[0]->file;
    const struct history_sealed *to = &set->segments[1]->file;
    assert_int_equal(from->page_first[SECTION_ID], to->page_first[SECTION_ID]);
    u64 offset = from->page_first[SECTION_ID] * PAGE_SIZE;
    u64 size = (from->page_first[SECTION_RESOLUTION] - from->page_first[SECTION_ID]) * PAGE_SIZE;
    u8 *pages = malloc(size);
    assert_non_null(pages);
    assert_int_equal(disk_read(disk, from->file, offset, pages, size, &fixture->failure),
                     STATUS_OK);
    assert_int_equal(disk_write_one(disk, to->file, offset, pages, size, &fixture->failure),
                     STATUS_OK);
    free(pages);
    u64 id = 1500; // Of the second segment.
    u64 row = 0;
    assert_int_equal(history_find_row(history, set, id, history_hash_id(history, id),
                                      history->next_row, &row, &fixture->failure),
                     STATUS_CORRUPT);
    assert_non_null(strstr(fixture->failure.message, to->name));
    history_set_release(history, set);
}

// What works for long on some segments leaves the memory of live ones to what comes in.
static void test_narrow_set(void **state)
{
    struct fixture *fixture = *state;
    struct history *history = &fixture->history;
    seal_some(fixture, 3, 100);
    add_transfers(fixture, 10);
    struct history_set *whole = history_set_acquire(history);
    struct history_set *part = history_set_narrow(history, history_set_acquire(history), 1, 2);
    assert_int_equal(part->count, 2);
    assert_ptr_equal(part->segments[0], whole->segments[1]);
    seal_some(fixture, 1, 100);
    assert_int_equal(lives_taken(history), 2); // The whole set still shows the live segment.
    history_set_release(history, whole);
    assert_int_equal(lives_taken(history), 1);
    history_set_release(history, part);
    check_found(fixture, 1);
}

// Asks for all transfers, while what the question holds is sealed.
static void check_question(struct fixture *fixture, bool reversed)
{
    struct history *history = &fixture->history;
    struct history_query *query = NULL;
    assert_int_equal(history_query_new(&query, &fixture->failure), STATUS_OK);
    const u32 limit = 4000;
    struct transfer *found = calloc(limit, sizeof *found);
    struct account *accounts = calloc(51, sizeof *accounts);
    assert_true(found != NULL && accounts != NULL);
    struct history_view view = history_view_open(history, accounts, history->next_row);
    const struct query_filter filter = {
        .user_data_32 = 7, .limit = limit, .flags = reversed ? QUERY_FILTER_REVERSED : 0};
    u32 count = 0;
    assert_int_equal(history_query_transfers(query, &view, &filter, limit, found, &count, NULL,
                                             &fixture->failure),
                     STATUS_OK);
    history_view_close(&view);
    assert_int_equal(count, fixture->ids);
    for (u32 i = 0; i < count; i++) {
        u64 id = reversed ? fixture->ids - i : i + 1;
        if (found[i].id != id || found[i].timestamp != timestamp_of(id)) {
            fail_msg("answer %u is transfer %llu", i, (unsigned long long)found[i].id);
        }
    }
    free(accounts);
    free(found);
    history_query_free(query);
}

// A question goes on where it stands when a segment that it holds is sealed, and lets the memory of
// the live one go at once.
static void test_question_lets_go(void **state)
{
    struct fixture *fixture = *state;
    struct history *history = &fixture->history;
    for (u32 turn = 0; turn < 2; turn++) {
        struct history_segment *segments[2];
        for (u32 i = 0; i < 2; i++) {
            add_transfers(fixture, 700);
            segments[i] = history->active;
            history_rotate(history);
        }
        add_transfers(fixture, 100);
        assert_int_equal(lives_taken(history), 3);
        fixture->reads = 0;
        fixture->seal_at = 650; // In the midst of a chunk, and of a segment.
        fixture->seal_at_read = segments[0];
        check_question(fixture, turn == 1);
        assert_null(fixture->seal_at_read);
        assert_int_equal(fixture->lives_after, 2);
        assert_int_equal(history_seal(history, segments[1], &fixture->failure), STATUS_OK);
    }
    check_found(fixture, 1);
}

// Ids that are 1 modulo 4 are odd: the lists of both conditions are long and agree nowhere but on
// one transfer.
static void test_long_question_takes_turns(void **state)
{
    struct fixture *fixture = *state;
    struct history *history = &fixture->history;
    struct history_query *query = NULL;
    assert_int_equal(history_query_new(&query, &fixture->failure), STATUS_OK);
    struct account *accounts = calloc(51, sizeof *accounts);
    assert_non_null(accounts);
    seal_some(fixture, 1, 100000);
    add_transfers(fixture, 100000);
    const struct query_filter filters[] = {
        {.user_data_128 = 1, .code = 2, .limit = 10},
        {.user_data_128 = 1, .code = 2, .limit = 10, .flags = QUERY_FILTER_REVERSED},
        {.user_data_128 = 1, .code = 2, .limit = 1},
    };
    for (u32 i = 0; i < ARRAY_COUNT(filters); i++) {
        struct history_turn turn = {0};
        struct transfer found[10];
        u32 count = 0;
        u32 turns = 0;
        do {
            struct history_view view = history_view_open(history, accounts, history->next_row);
            assert_int_equal(history_query_transfers(query, &view, &filters[i], 10, found, &count,
                                                     &turn, &fixture->failure),
                             STATUS_OK);
            history_view_close(&view);
            turns++;
            if (i == 0 && turns == 1) { // Between two turns history may change.
                assert_int_equal(count, 0);
                struct history_segment *segment = history->active;
                history_rotate(history);
                assert_int_equal(history_seal(history, segment, &fixture->failure), STATUS_OK);
            }
        } while (turn.more);
        assert_int_equal(count, 1);
        assert_true(found[0].id == ODD_ONE);
        // Two leaps for every four ids, of the whole of history or up to the one.
        assert_int_equal(turns, i < 2 ? 7 : 4);
    }
    free(accounts);
    history_query_free(query);
}

#define AT(field) offsetof(struct transfer, field)

// A request that was read again and says another thing than its row is damage. User data, and when
// a hold expires, are in no row.
static void test_a_request_that_is_not_its_row_s_is_damage(void **state)
{
    struct fixture *fixture = *state;
    const u16 post = TRANSFER_POST_PENDING;
    const u16 imported = TRANSFER_IMPORTED;
    const u16 balancing = TRANSFER_BALANCING_DEBIT;
    const struct {
        u16 flags;     // Of the row.
        size_t offset; // Of the byte of the request that is another one,
        u8 change;     // and how; 0: none is.
        bool is_its;
    } cases[] = {
        {0, 0, 0, true},
        {0, AT(user_data_128), 1, true},
        {0, AT(user_data_64), 1, true},
        {0, AT(user_data_32), 1, true},
        {TRANSFER_PENDING, AT(timeout), 1, true},
        {balancing, AT(amount), 1, true},
        {post, AT(amount), 1, true},
        {imported, 0, 0, true},
        {post, 0, 0, true},
        {0, AT(id) + 15, 1, false},
        {0, AT(debit_account_id) + 15, 1, false},
        {0, AT(credit_account_id), 1, false},
        {0, AT(amount), 1, false},
        {0, AT(ledger), 1, false},
        {0, AT(code), 1, false},
        {0, AT(flags), TRANSFER_PENDING, false},
        {0, AT(timeout), 1, false},
        {0, AT(timestamp), 1, false},
        {0, AT(pending_id), 1, false},
        {balancing, AT(ledger), 1, false},
        {imported, AT(timestamp), 1, false},
        {post, AT(debit_account_id), 1, false},
        {post, AT(credit_account_id), 1, false},
        {post, AT(ledger), 1, false},
        {post, AT(code), 1, false},
        {post, AT(pending_id), 4, false}, // It names none.
        {post, AT(timeout), 1, false},
    };
    const struct account accounts[3] = {{.id = 1000}, {.id = 1001, .ledger = 7}, {.id = 1002}};
    struct history_view view = history_view_open(&fixture->history, accounts, 0);
    for (u32 i = 0; i < ARRAY_COUNT(cases); i++) {
        const u16 flags = cases[i].flags;
        // Both ways in which a post or void can name accounts, ledger and code are right.
        const bool is_short = flags == post && cases[i].change == 0;
        struct transfer request = {.id = 5,
                                   .debit_account_id = is_short ? 0 : 1001,
                                   .credit_account_id = is_short ? 0 : 1002,
                                   .amount = 9,
                                   .pending_id = flags == post ? 4 : 0,
                                   .user_data_128 = 2,
                                   .user_data_64 = 2,
                                   .user_data_32 = 2,
                                   .ledger = is_short ? 0 : 7,
                                   .code = is_short ? 0 : 3,
                                   .flags = flags,
                                   .timestamp = flags == imported ? 50 : 0};
        ((u8 *)&request)[cases[i].offset] ^= cases[i].change;
        const struct outcome row = {.id = 5,
                                    .amount = 9,
                                    .timestamp = 50,
                                    .debit_row = 1,
                                    .credit_row = 2,
                                    .flags = flags,
                                    .code = 3,
                                    .kind = OUTCOME_TRANSFER,
                                    .result = OUTCOME_CREATED,
                                    .pending_distance = flags == post ? 1 : 0};
        struct transfer told;
        fixture->request = &request;
        const enum status status = history_transfer(&view, 1, &row, &told, &fixture->failure);
        if (status != (cases[i].is_its ? STATUS_OK : STATUS_CORRUPT)) fail_msg("case %u", i);
        if (cases[i].is_its) continue;
        assert_non_null(strstr(fixture->failure.message, "which holds another transfer"));
    }
    history_view_close(&view);
}

// The pending transfer that a post names is the one that its row goes back to.
static void test_a_post_of_another_pending_transfer_is_damage(void **state)
{
    struct fixture *fixture = *state;
    add_transfers(fixture, 2);
    struct account *accounts = calloc(51, sizeof *accounts);
    assert_non_null(accounts);
    struct history_view view =
        history_view_open(&fixture->history, accounts, fixture->history.next_row);
    const struct outcome row = {.id = 5,
                                .flags = TRANSFER_POST_PENDING,
                                .kind = OUTCOME_TRANSFER,
                                .result = OUTCOME_CREATED,
                                .pending_distance = 1}; // To the second one.
    const struct transfer request = {.id = 5, .flags = TRANSFER_POST_PENDING, .pending_id = 1};
    struct transfer told;
    fixture->request = &request;
    assert_int_equal(history_transfer(&view, 2, &row, &told, &fixture->failure), STATUS_CORRUPT);
    assert_non_null(strstr(fixture->failure.message, "row 2 ends another pending transfer"));
    history_view_close(&view);
    free(accounts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_seal_fails_anywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_merge_fails_anywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_boundary, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_merge_is_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(test_page_of_another_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_narrow_set, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_request_that_is_not_its_row_s_is_damage, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_post_of_another_pending_transfer_is_damage, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_question_lets_go, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_question_takes_turns, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
