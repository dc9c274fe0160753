// SPDX-License-Identifier: Apache-2.0
//
// The change stream against what was done, and folded into balances against the ledger's own.
#include "machine/changes.h"

#include "base/random.h"
#include "codec/golden.h"
#include "codec/record_binary.h"
#include "codec/record_docs.h"
#include "ledger/ledger_schema.h"
#include "machine/command_world.h"
#include "modules/entry/entry.h"
#include "modules/sample/sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define ROOM        MIB
#define ACCOUNTS    8u
#define STREAM_MAX  (64u * MIB)
#define BULK_FRAMES 70u // Of a MiB each: more than a file of the log holds.
#define BULK_COUNT  8189u

struct stream {
    struct command_world world;
    struct changes_reader *reader;
    u8 *bytes; // What was read, STREAM_MAX.
    u32 size;
    u32 count;
    u64 next;
};

static int setup(void **state)
{
    const struct genesis genesis = command_world_genesis();
    struct stream *stream = calloc(1, sizeof *stream);
    assert_non_null(stream);
    command_world_init(&stream->world, &genesis);
    stream->bytes = aligned_alloc(64, STREAM_MAX);
    stream->reader = changes_reader_new(&stream->world.node.wal);
    *state = stream;
    return 0;
}

static int teardown(void **state)
{
    struct stream *stream = *state;
    changes_reader_free(stream->reader);
    command_world_free(&stream->world);
    free(stream->bytes);
    free(stream);
    return 0;
}

// Reads from a row to the end, in pages of so many bytes, behind what is there already.
static void stream_read(struct stream *stream, u64 from, u32 flags, u32 room)
{
    struct machine *machine = &stream->world.node.machine;
    struct failure failure = {0};
    stream->next = from;
    while (stream->next < machine->history.next_row) {
        struct history_view view =
            history_view_open(&machine->history,
                              (const struct account *)(const void *)machine->ledger.accounts.memory,
                              machine->history.next_row);
        view.sees_modules = true;
        struct changes_page page = {.out = stream->bytes + stream->size, .room = room};
        assert_true(stream->size + room <= STREAM_MAX);
        command_world_must(
            changes_read(stream->reader, &view, stream->next, flags, &page, &failure), &failure);
        history_view_close(&view);
        assert_true(page.next > stream->next);
        stream->next = page.next;
        stream->size += page.size;
        stream->count += page.count;
    }
}

static void stream_clear(struct stream *stream)
{
    stream->size = 0;
    stream->count = 0;
}

static void stream_begin(struct stream *stream, u64 from, u32 flags, u32 room)
{
    stream_clear(stream);
    stream_read(stream, from, flags, room);
}

// The change at an offset, which goes on to the next one.
static const struct change *change_at(const struct stream *stream, u32 *at)
{
    if (*at == stream->size) return NULL;
    const struct change *change = (const void *)(stream->bytes + *at);
    struct failure failure = {0};
    const u64 size = record_binary_size(&changes_schema_change, change);
    command_world_must(record_binary_check(&changes_schema_change, change, size, &failure),
                       &failure);
    *at += (u32)align_up(size, CHANGES_ALIGNMENT);
    assert_true(*at <= stream->size);
    return change;
}

static const void *payload_of(const struct change *change)
{
    return change + 1;
}

static struct create_result create_one(struct stream *stream, bool is_account, const void *event)
{
    struct create_result result;
    command_world_create(&stream->world,
                         is_account ? COMPAT_CREATE_ACCOUNTS : COMPAT_CREATE_TRANSFERS, event, 1,
                         &result);
    return result;
}

static struct create_result transfer_create(struct stream *stream, struct transfer transfer)
{
    return create_one(stream, false, &transfer);
}

static void accounts_create(struct stream *stream)
{
    for (u32 i = 1; i <= ACCOUNTS; i++) {
        const struct account account = {.id = i, .ledger = 7, .code = 10, .user_data_32 = i};
        assert_int_equal(create_one(stream, true, &account).status, (u32)CREATE_ACCOUNT_CREATED);
    }
}

static void tick(struct stream *stream, u64 nanoseconds)
{
    const struct frame_command entry = {.record = COMMAND_TICK, .version = 1};
    stream->world.timestamp += nanoseconds;
    command_world_frame(&stream->world, &entry, "");
}

static u64 position(const struct stream *stream)
{
    return stream->world.node.machine.position;
}

// --- what is told --------------------------------------------------------------------------------

static const struct change *expect_change(const struct stream *stream, u32 *at,
                                          enum change_kind kind, u64 at_position)
{
    const struct change *change = change_at(stream, at);
    assert_non_null(change);
    assert_int_equal(change->kind, kind);
    assert_int_equal(change->position, at_position);
    return change;
}

static void test_accounts_and_transfers(void **state)
{
    struct stream *stream = *state;
    accounts_create(stream);
    const u64 first = position(stream) - ACCOUNTS + 1;
    const struct transfer plain = {.id = 100,
                                   .debit_account_id = 1,
                                   .credit_account_id = 2,
                                   .amount = 50,
                                   .ledger = 7,
                                   .code = 3,
                                   .user_data_128 = 77};
    const struct create_result made = transfer_create(stream, plain);
    assert_int_equal(made.status, (u32)CREATE_TRANSFER_CREATED);
    stream_begin(stream, 0, 0, ROOM);
    u32 at = 0;
    for (u32 i = 1; i <= ACCOUNTS; i++) {
        const struct change *change =
            expect_change(stream, &at, CHANGE_KIND_ACCOUNT, first + i - 1);
        struct account account;
        assert_int_equal(change->record, ledger_schema_account.number);
        assert_int_equal(change->payload_size, sizeof account);
        memcpy(&account, payload_of(change), sizeof account);
        assert_true(account.id == i && account.user_data_32 == i && account.reserved == 0);
        assert_int_equal(account.timestamp, change->timestamp);
        assert_true(change->cause_row == U64_MAX && change->held_row == U64_MAX);
    }
    const struct change *change =
        expect_change(stream, &at, CHANGE_KIND_TRANSFER, position(stream));
    struct transfer transfer;
    memcpy(&transfer, payload_of(change), sizeof transfer);
    assert_true(transfer.id == 100 && transfer.amount == 50 && transfer.user_data_128 == 77);
    assert_int_equal(transfer.timestamp, made.timestamp);
    assert_int_equal(change->timestamp, made.timestamp);
    assert_int_equal(change->row, ACCOUNTS);
    assert_null(change_at(stream, &at));
    assert_int_equal(stream->count, ACCOUNTS + 1);
    assert_int_equal(stream->next, ACCOUNTS + 1);
}

static void test_events_of_a_batch_are_counted(void **state)
{
    struct stream *stream = *state;
    struct create_result results[3];
    const struct account accounts[3] = {{.id = 1, .ledger = 7, .code = 1},
                                        {.id = 1, .ledger = 8, .code = 1}, // Refused.
                                        {.id = 2, .ledger = 7, .code = 1}};
    command_world_create(&stream->world, COMPAT_CREATE_ACCOUNTS, accounts, 3, results);
    for (u32 refused = 0; refused < 2; refused++) {
        stream_begin(stream, 0, refused ? CHANGES_REFUSED : 0, ROOM);
        u32 at = 0;
        for (u32 i = 0; i < 3; i++) {
            if (i == 1 && !refused) continue;
            const struct change *change =
                expect_change(stream, &at, CHANGE_KIND_ACCOUNT, position(stream));
            struct account account;
            memcpy(&account, payload_of(change), sizeof account);
            assert_true(account.id == accounts[i].id && account.ledger == accounts[i].ledger);
            assert_int_equal(change->index, i);
            assert_int_equal(change->row, i);
            assert_int_equal(change->result, i == 1 ? results[1].status : 0);
        }
        assert_null(change_at(stream, &at));
    }
}

static void test_holds_and_what_becomes_of_them(void **state)
{
    struct stream *stream = *state;
    accounts_create(stream);
    const struct transfer hold = {.debit_account_id = 1,
                                  .credit_account_id = 2,
                                  .amount = 30,
                                  .ledger = 7,
                                  .code = 3,
                                  .user_data_64 = 9,
                                  .timeout = 100,
                                  .flags = TRANSFER_PENDING};
    u64 positions[6];
    struct transfer transfer = hold;
    for (u32 i = 0; i < 3; i++) {
        transfer.id = 100 + i;
        assert_int_equal(transfer_create(stream, transfer).status, (u32)CREATE_TRANSFER_CREATED);
        positions[i] = position(stream);
    }
    transfer_create(
        stream, (struct transfer){
                    .id = 110, .pending_id = 100, .amount = 10, .flags = TRANSFER_POST_PENDING});
    positions[3] = position(stream);
    transfer_create(
        stream, (struct transfer){.id = 111, .pending_id = 101, .flags = TRANSFER_VOID_PENDING});
    positions[4] = position(stream);
    tick(stream, 101 * NS_PER_S);
    positions[5] = position(stream);
    stream_begin(stream, ACCOUNTS, 0, ROOM);
    u32 at = 0;
    u64 rows[3];
    for (u32 i = 0; i < 3; i++) {
        const struct change *change = expect_change(stream, &at, CHANGE_KIND_HOLD, positions[i]);
        rows[i] = change->row;
        assert_true(change->released == 0 && change->held_row == U64_MAX);
    }
    static const enum change_kind kinds[3] = {CHANGE_KIND_POST, CHANGE_KIND_VOID,
                                              CHANGE_KIND_EXPIRY};
    static const u128 ids[3] = {110, 111, 102};
    static const u128 amounts[3] = {10, 30, 30};
    for (u32 i = 0; i < 3; i++) {
        const struct change *change = expect_change(stream, &at, kinds[i], positions[3 + i]);
        memcpy(&transfer, payload_of(change), sizeof transfer);
        assert_true(change->released == 30 && change->held_row == rows[i]);
        assert_true(transfer.id == ids[i] && transfer.amount == amounts[i]);
        // Inherited:
        assert_true(transfer.debit_account_id == 1 && transfer.credit_account_id == 2);
        assert_true(transfer.user_data_64 == 9 && transfer.ledger == 7 && transfer.code == 3);
    }
    assert_null(change_at(stream, &at));
    // From any row on, the rest is the same.
    const u64 end = stream->next;
    for (u64 row = 0; row <= end; row++) {
        stream_begin(stream, row, 0, ROOM);
        at = 0;
        for (const struct change *change = NULL; (change = change_at(stream, &at)) != NULL;) {
            assert_true(change->row >= row);
            if (change->kind == CHANGE_KIND_EXPIRY) {
                assert_int_equal(change->position, positions[5]);
                assert_true(change->command_id == 0 && change->principal == 0);
            }
        }
    }
}

static void test_records_of_modules(void **state)
{
    struct stream *stream = *state;
    accounts_create(stream);
    const struct sample_open open = {
        .box_id = 11, .account_id = 1, .box_account_id = 2, .limit = 100};
    struct sample_put puts[3] = {{11, 40}, {11, 70}, {11, 60}}; // The second one is too much.
    stream->world.principal = 5;
    assert_int_equal(command_world_run(&stream->world, 1001, 0x7f01, &open, sizeof open, 1), 1);
    assert_int_equal(command_world_run(&stream->world, 1002, 0x7f02, puts, sizeof puts, 3), 3);
    for (u32 refused = 0; refused < 2; refused++) {
        u32 at = 0;
        stream_begin(stream, ACCOUNTS, refused ? CHANGES_REFUSED : 0, ROOM);
        const struct change *change =
            expect_change(stream, &at, CHANGE_KIND_RECORD, position(stream) - 1);
        assert_true(change->record == 0x7f01 && change->command_id == 1001);
        assert_int_equal(change->payload_size, sizeof open);
        assert_memory_equal(payload_of(change), &open, sizeof open);
        for (u32 i = 0; i < 3; i++) {
            if (i != 1) {
                const struct change *posting =
                    expect_change(stream, &at, CHANGE_KIND_TRANSFER, position(stream));
                assert_int_equal(posting->record, ledger_schema_transfer.number);
                struct transfer transfer;
                memcpy(&transfer, payload_of(posting), sizeof transfer);
                assert_true(transfer.amount == puts[i].amount);
                u32 behind = at;
                const struct change *record = change_at(stream, &behind);
                assert_int_equal(posting->cause_row, record->row);
                assert_true(posting->principal == 5 && posting->command_id == 1002);
            } else if (!refused) {
                continue;
            }
            change = expect_change(stream, &at, CHANGE_KIND_RECORD, position(stream));
            assert_int_equal(change->index, i);
            assert_int_equal(change->principal, 5);
            assert_memory_equal(payload_of(change), &puts[i], sizeof puts[i]);
            assert_true((change->result != 0) == (i == 1));
            if (i != 1) continue;
            const u8 result = change->result;
            change = expect_change(stream, &at, CHANGE_KIND_EVIDENCE, position(stream));
            struct change_evidence evidence;
            memcpy(&evidence, payload_of(change), sizeof evidence);
            assert_int_equal(change->result, result);
            const struct command_reply reply = command_world_reply(&stream->world, 1);
            assert_int_equal(reply.result, result);
            assert_true(evidence.value == reply.evidence[0] && evidence.limit == reply.evidence[1]);
        }
        assert_null(change_at(stream, &at));
    }
}

static void test_a_record_that_is_none_has_no_payload(void **state)
{
    struct stream *stream = *state;
    const u8 bytes[16] = {1};
    (void)command_world_run(&stream->world, 1001, 0x7f01, bytes, sizeof bytes, 1);
    stream_begin(stream, 0, 0, ROOM);
    assert_int_equal(stream->count, 0);
    stream_begin(stream, 0, CHANGES_REFUSED, ROOM);
    u32 at = 0;
    const struct change *change = expect_change(stream, &at, CHANGE_KIND_RECORD, position(stream));
    assert_int_equal(change->result, MODULE_MALFORMED);
    assert_int_equal(change->payload_size, 0);
    (void)expect_change(stream, &at, CHANGE_KIND_EVIDENCE, position(stream));
}

// --- pages ---------------------------------------------------------------------------------------

// Pages of any size, and one made again behind a restart, have the same bytes.
static void test_pages_of_any_size_are_the_same(void **state)
{
    struct stream *stream = *state;
    accounts_create(stream);
    for (u32 i = 0; i < 200; i++) {
        transfer_create(stream, (struct transfer){.id = 1000 + i,
                                                  .debit_account_id = 1 + i % 7,
                                                  .credit_account_id = 8,
                                                  .amount = i,
                                                  .ledger = 7,
                                                  .code = 1,
                                                  .flags = i % 3 == 0 ? TRANSFER_PENDING : 0});
    }
    stream_begin(stream, 0, 0, ROOM);
    const u32 size = stream->size;
    u8 *whole = malloc(size);
    assert_non_null(whole);
    memcpy(whole, stream->bytes, size);
    for (u32 room = 224; room < 2048; room += 16 + room / 8) {
        stream_begin(stream, 0, 0, room);
        assert_int_equal(stream->size, size);
        assert_memory_equal(stream->bytes, whole, size);
    }
    assert_true(command_world_restart(&stream->world));
    stream_begin(stream, 0, 0, ROOM);
    assert_int_equal(stream->size, size);
    assert_memory_equal(stream->bytes, whole, size);
    free(whole);
}

static void test_every_record_fits_a_page(void **state)
{
    (void)state;
    for (u32 i = 0; i < module_count; i++) {
        for (u32 j = 0; j < modules[i]->schema->record_count; j++) {
            const struct schema_record *record = modules[i]->schema->records[j];
            if (record->kind != RECORD_COMMAND) continue;
            assert_true(record_binary_size_max(record) + sizeof(struct change) <=
                        COMPAT_BODY_SIZE_MAX);
        }
    }
}

// --- large logs ----------------------------------------------------------------------------------

// The position of the next expiry from a row on.
static u64 expiry_position(struct stream *stream, u64 row)
{
    struct machine *machine = &stream->world.node.machine;
    struct history_view view = history_view_open(
        &machine->history, (const struct account *)(const void *)machine->ledger.accounts.memory,
        MIN(row + 9, machine->history.next_row));
    struct failure failure = {0};
    struct changes_page page = {.out = stream->bytes, .room = ROOM};
    command_world_must(changes_read(stream->reader, &view, row, 0, &page, &failure), &failure);
    history_view_close(&view);
    stream->size = page.size;
    u32 at = 0;
    for (const struct change *change = NULL; (change = change_at(stream, &at)) != NULL;) {
        if (change->kind == CHANGE_KIND_EXPIRY) return change->position;
    }
    return 0;
}

// Over more than one file of the log every row is told of with its own command.
static void test_files_of_the_log(void **state)
{
    struct stream *stream = *state;
    accounts_create(stream);
    struct transfer *batch = calloc(BULK_COUNT, sizeof *batch);
    struct create_result *results = calloc(BULK_COUNT, sizeof *results);
    u64 *first_rows = calloc(BULK_FRAMES, sizeof *first_rows);
    u64 *positions = calloc(BULK_FRAMES, sizeof *positions);
    u64 early = 0, early_row = 0;
    const u32 timeouts[] = {3600, 10};
    for (u32 i = 0; i < ARRAY_COUNT(timeouts); i++) {
        transfer_create(stream, (struct transfer){.id = 50 + i,
                                                  .debit_account_id = 1,
                                                  .credit_account_id = 2,
                                                  .amount = 1,
                                                  .ledger = 7,
                                                  .code = 1,
                                                  .timeout = timeouts[i],
                                                  .flags = TRANSFER_PENDING});
    }
    for (u32 frame = 0; frame < BULK_FRAMES; frame++) {
        for (u32 i = 0; i < BULK_COUNT; i++) {
            batch[i] = (struct transfer){.id = 1000 + (u128)frame * BULK_COUNT + i,
                                         .debit_account_id = 1 + i % 4,
                                         .credit_account_id = 5,
                                         .amount = 1,
                                         .ledger = 7,
                                         .code = 1};
        }
        if (frame == 5) { // In the first file: the first of the two holds.
            early_row = stream->world.node.machine.history.next_row;
            tick(stream, 11 * NS_PER_S);
            early = position(stream);
        }
        first_rows[frame] = stream->world.node.machine.history.next_row;
        command_world_create(&stream->world, COMPAT_CREATE_TRANSFERS, batch, BULK_COUNT, results);
        positions[frame] = position(stream);
    }
    tick(stream, 3601 * NS_PER_S); // In the last file.
    assert_true(stream->world.node.wal.tail.place > WAL_FILE_SIZE);
    const u64 ticked = position(stream);
    // Starts in any order, so that nothing is known of the frame.
    for (u32 i = 0; i < BULK_FRAMES; i++) {
        const u32 frame = i * 37 % BULK_FRAMES;
        struct machine *machine = &stream->world.node.machine;
        struct history_view view =
            history_view_open(&machine->history,
                              (const struct account *)(const void *)machine->ledger.accounts.memory,
                              first_rows[frame] + 10);
        struct failure failure = {0};
        struct changes_page page = {.out = stream->bytes, .room = ROOM};
        command_world_must(
            changes_read(stream->reader, &view, first_rows[frame], 0, &page, &failure), &failure);
        history_view_close(&view);
        const struct change *change = (const void *)stream->bytes;
        struct transfer transfer;
        assert_int_equal(change->position, positions[frame]);
        memcpy(&transfer, payload_of(change), sizeof transfer);
        assert_true(transfer.id == 1000 + (u128)frame * BULK_COUNT);
    }
    const u64 last = stream->world.node.machine.history.next_row - 1;
    for (u32 fresh = 0; fresh < 2; fresh++) {
        assert_int_equal(expiry_position(stream, early_row), early);
        assert_int_equal(expiry_position(stream, last - 8), ticked);
        changes_reader_free(stream->reader); // One that knows nothing finds them by time alone.
        stream->reader = changes_reader_new(&stream->world.node.wal);
    }
    free(batch);
    free(results);
    free(first_rows);
    free(positions);
}

// A frame whose header is damaged is not stepped over: what is behind it would be told as what is
// before it, and an expiry is found by time alone.
static void test_a_damaged_header_on_the_way_is_named(void **state)
{
    struct stream *stream = *state;
    accounts_create(stream);
    transfer_create(stream, (struct transfer){.id = 50,
                                              .debit_account_id = 1,
                                              .credit_account_id = 2,
                                              .amount = 1,
                                              .ledger = 7,
                                              .code = 1,
                                              .timeout = 10,
                                              .flags = TRANSFER_PENDING});
    const u64 place = stream->world.node.wal.tail.place;
    tick(stream, NS_PER_S);
    tick(stream, 20 * NS_PER_S);
    struct machine *machine = &stream->world.node.machine;
    disk_memory_rot(&stream->world.disk, "log-00000000", place + 100, 3);
    struct history_view view = history_view_open(
        &machine->history, (const struct account *)(const void *)machine->ledger.accounts.memory,
        machine->history.next_row);
    struct failure failure = {0};
    struct changes_page page = {.out = stream->bytes, .room = ROOM};
    assert_int_equal(changes_read(stream->reader, &view, 0, 0, &page, &failure), STATUS_CORRUPT);
    history_view_close(&view);
    assert_non_null(strstr(failure.message, place_text(place).text));
}

// A bit of a request, or of what is said of a command, rots behind the server's back: a stream that
// comes to it ends, whatever the bit says. What the reader verified before is told as it was read.
static void test_a_frame_that_rotted_is_not_told(void **state)
{
    struct stream *stream = *state;
    accounts_create(stream);
    const u64 place = stream->world.node.wal.tail.place;
    transfer_create(stream, (struct transfer){.id = 50,
                                              .debit_account_id = 1,
                                              .credit_account_id = 2,
                                              .amount = 1,
                                              .user_data_64 = 7,
                                              .ledger = 7,
                                              .code = 1});
    struct machine *machine = &stream->world.node.machine;
    // Of the entry its principal; of the body user data; of what neither has the padding.
    const u64 offsets[] = {sizeof(struct frame_header) + offsetof(struct frame_command, principal),
                           PAGE_SIZE + offsetof(struct transfer, user_data_64),
                           PAGE_SIZE + sizeof(struct transfer) + 200};
    for (u32 i = 0; i < 2 * ARRAY_COUNT(offsets); i++) {
        struct failure failure = {0};
        struct changes_reader *reader = changes_reader_new(&stream->world.node.wal);
        struct changes_page page = {.out = stream->bytes, .room = ROOM};
        struct history_view view =
            history_view_open(&machine->history,
                              (const struct account *)(const void *)machine->ledger.accounts.memory,
                              machine->history.next_row);
        disk_memory_rot(&stream->world.disk, "log-00000000", place + offsets[i / 2], 3);
        const enum status status = changes_read(reader, &view, 0, 0, &page, &failure);
        history_view_close(&view);
        changes_reader_free(reader);
        if (i % 2 == 1) { // It was turned back.
            assert_int_equal(status, STATUS_OK);
            assert_int_equal(page.next, machine->history.next_row);
            continue;
        }
        assert_int_equal(status, STATUS_CORRUPT);
        assert_non_null(strstr(failure.message, place_text(place).text));
        assert_non_null(strstr(failure.message, "has a damaged body"));
    }
}

// --- balances ------------------------------------------------------------------------------------

struct balances {
    u128 debits_pending, debits_posted, credits_pending, credits_posted;
};

// The whole ledger made from nothing but the stream.
static void fold(const struct stream *stream, struct balances out[ACCOUNTS + 1])
{
    u32 at = 0;
    memset(out, 0, (ACCOUNTS + 1) * sizeof *out);
    for (const struct change *change = NULL; (change = change_at(stream, &at)) != NULL;) {
        if (change->record != ledger_schema_transfer.number) continue;
        struct transfer transfer;
        memcpy(&transfer, payload_of(change), sizeof transfer);
        struct balances *debit = &out[(u32)transfer.debit_account_id];
        struct balances *credit = &out[(u32)transfer.credit_account_id];
        debit->debits_pending -= change->released;
        credit->credits_pending -= change->released;
        if (change->kind == CHANGE_KIND_HOLD) {
            debit->debits_pending += transfer.amount;
            credit->credits_pending += transfer.amount;
        } else if (change->kind == CHANGE_KIND_TRANSFER || change->kind == CHANGE_KIND_POST) {
            debit->debits_posted += transfer.amount;
            credit->credits_posted += transfer.amount;
        }
    }
}

static void test_random_ledger_folds_to_its_balances(void **state)
{
    struct stream *stream = *state;
    struct random random;
    accounts_create(stream);
    random_init(&random, 20261122);
    for (u32 i = 0; i < 2000; i++) {
        struct transfer transfer = {.id = 1000 + i,
                                    .debit_account_id = 1 + random_below(&random, ACCOUNTS),
                                    .credit_account_id = 1 + random_below(&random, ACCOUNTS),
                                    .amount = random_below(&random, 1000),
                                    .ledger = 7,
                                    .code = 1};
        const u64 choice = random_below(&random, 10);
        if (choice < 4) {
            transfer.flags = TRANSFER_PENDING;
            transfer.timeout = (u32)random_below(&random, 4);
        } else if (choice < 8) {
            transfer = (struct transfer){.id = 1000 + i,
                                         .pending_id = 1000 + random_below(&random, i + 1),
                                         .flags = choice < 6 ? TRANSFER_POST_PENDING
                                                             : TRANSFER_VOID_PENDING};
            if (choice == 4) transfer.amount = random_below(&random, 1000);
            if (choice == 5) transfer.amount = U128_MAX;
        }
        transfer_create(stream, transfer); // Refused or not.
        if (random_below(&random, 20) == 0) tick(stream, NS_PER_S);
    }
    stream_begin(stream, 0, 0, ROOM);
    struct balances balances[ACCOUNTS + 1];
    fold(stream, balances);
    const struct ledger *ledger = &stream->world.node.machine.ledger;
    bool any_held = false;
    for (u32 i = 1; i <= ACCOUNTS; i++) {
        const struct account *account = ledger_account(ledger, ledger_account_row(ledger, i));
        assert_true(account->debits_pending == balances[i].debits_pending);
        assert_true(account->debits_posted == balances[i].debits_posted);
        assert_true(account->credits_pending == balances[i].credits_pending);
        assert_true(account->credits_posted == balances[i].credits_posted);
        any_held = any_held || account->debits_pending > 0;
    }
    assert_true(any_held);
}

// --- the schema ----------------------------------------------------------------------------------

static void test_tables_and_reference(void **state)
{
    (void)state;
    static char printed[65536];
    struct text out = text_init(printed, sizeof printed);
    struct failure failure = {0};
    command_world_must(schema_check(&changes_schema, &failure), &failure);
    record_docs_module(&changes_schema, &out);
    assert_false(text_overflowed(&out));
    if (golden_compare("tests/golden/changes_reference.md", printed, out.size, &failure)) {
        fail_msg("%s", failure.message);
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_accounts_and_transfers),
        CASE(test_events_of_a_batch_are_counted),
        CASE(test_holds_and_what_becomes_of_them),
        CASE(test_records_of_modules),
        CASE(test_a_record_that_is_none_has_no_payload),
        CASE(test_pages_of_any_size_are_the_same),
        CASE(test_files_of_the_log),
        CASE(test_a_damaged_header_on_the_way_is_named),
        CASE(test_a_frame_that_rotted_is_not_told),
        CASE(test_random_ledger_folds_to_its_balances),
        cmocka_unit_test(test_every_record_fits_a_page),
        cmocka_unit_test(test_tables_and_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
