// SPDX-License-Identifier: Apache-2.0
//
// What the system refuses: calls of the disk and wishes for memory, on each way on which there are
// any, of a start and of the work behind it (checkpoint, merge, removal), of verifying, copying,
// restoring and asking. Whoever is refused says so and gives up, leaks nothing, and leaves a folder
// from which the next start has everything.
//
// The program is linked so that mmap, which all large memory comes from, is the one below
// (src/machine/meson.build).
#include "base/checksum.h"
#include "base/random.h"
#include "machine/backup.h"
#include "machine/changes.h"
#include "machine/command_world.h"
#include "machine/node_ask.h"
#include "machine/verify.h"
#include "modules/tree/tree.h"
#include "os/disk_failing.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include <cmocka.h>

#define ACCOUNTS 12u
#define SEGMENTS 9u // One more than a merge takes.

// --- memory that is refused ----------------------------------------------------------------------

static struct {
    struct call_paths *paths; // Not NULL: the first wish that is to be is refused. NULL then.
    bool was_refused;
    u64 held; // Bytes of address space.
} memory;

// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the linker's names.
void *__real_mmap64(void *address, size_t size, int protection, int flags, int file, off_t offset);
void *__wrap_mmap64(void *address, size_t size, int protection, int flags, int file, off_t offset);

void *__wrap_mmap64(void *address, size_t size, int protection, int flags, int file, off_t offset)
{
    if (memory.paths != NULL && call_paths_refuse(memory.paths)) {
        memory.paths = NULL;
        memory.was_refused = true;
        errno = ENOMEM;
        return MAP_FAILED;
    }
    memory.held += align_up(size, PAGE_SIZE);
    return __real_mmap64(address, size, protection, flags, file, offset);
}

int __real_munmap(void *address, size_t size);
int __wrap_munmap(void *address, size_t size);

int __wrap_munmap(void *address, size_t size)
{
    memory.held -= align_up(size, PAGE_SIZE);
    return __real_munmap(address, size);
}
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)

enum refused { REFUSED_NOTHING, REFUSED_CALL, REFUSED_WISH }; // Of the disk, for memory.

// --- a folder ------------------------------------------------------------------------------------

struct test {
    struct command_world world;
    struct disk_memory
        folder;              // As it was when its server died: checkpoint, segments, a torn frame.
    struct disk_memory disk; // A copy of it that something is done with.
    struct disk_failing failing;
    struct node node;
    struct digest state; // Behind the last whole frame.
    u64 frames;
    struct random random;
    u64 next_id;
    enum refused refused;    // One of these,
    struct call_paths paths; // by the ways on which they are made.
    u64 told;                // Refusals that made the work fail.
    u64 changes;             // Of the disk, before the work.
    u128 answers;            // What questions are answered, as a checksum.
    struct node_ask ask;
    struct verify_report whole; // What verifying the folder says of it.
    struct failure failure;
};

static void must(const struct test *test, enum status status)
{
    command_world_must(status, &test->failure);
}

static void transfers_make(struct test *test, u32 count)
{
    struct transfer transfers[32] = {0};
    struct create_result results[32];
    assert_true(count <= 32);
    for (u32 i = 0; i < count; i++) {
        const u128 debit = 1 + random_below(&test->random, ACCOUNTS);
        const bool is_pending = random_chance(&test->random, 20);
        transfers[i] = (struct transfer){
            .id = ++test->next_id,
            .debit_account_id = debit,
            .credit_account_id = debit % ACCOUNTS + 1,
            .amount = 1 + random_below(&test->random, 1000),
            .ledger = 1,
            .code = 1,
            .user_data_64 = 1 + i % 3,
            .flags = is_pending ? TRANSFER_PENDING : 0,
            .timeout = is_pending ? 1 + (u32)random_below(&test->random, 3) : 0,
        };
    }
    command_world_create(&test->world, COMPAT_CREATE_TRANSFERS, transfers, count, results);
}

static void rotate(struct test *test)
{
    test->world.frame_flags = FRAME_ROTATE;
    command_world_tick(&test->world, 2);
    test->world.frame_flags = 0;
}

// A file of two pages that nothing names.
static void stray_make(struct test *test, const char *name)
{
    struct disk *disk = &test->folder.disk;
    disk_handle handle = 0;
    must(test, disk_open(disk, name, DISK_CREATE, &handle, &test->failure));
    must(test, disk_write_one(disk, handle, PAGE_SIZE, name, strlen(name), &test->failure));
    disk_close(disk, handle);
}

static void accounts_make(struct test *test)
{
    struct account accounts[ACCOUNTS] = {0};
    struct create_result results[ACCOUNTS];
    for (u32 i = 0; i < ACCOUNTS; i++) {
        accounts[i] = (struct account){.id = i + 1, .ledger = 1, .code = 1};
    }
    command_world_create(&test->world, COMPAT_CREATE_ACCOUNTS, accounts, ACCOUNTS, results);
}

static int setup(void **state)
{
    struct test *test = calloc(1, sizeof *test);
    const struct genesis genesis = command_world_genesis();
    assert_non_null(test);
    random_init(&test->random, 5);
    command_world_init(&test->world, &genesis);
    disk_memory_init(&test->folder, 2);
    accounts_make(test);
    for (u32 i = 0; i < SEGMENTS; i++) {
        // More frames than a page of the tree of outcomes has leaves.
        for (u32 j = 0; j < 10; j++) transfers_make(test, 8);
        assert_true(command_world_restart_from_checkpoint(&test->world));
    }
    // Behind the checkpoint: a segment that a start seals anew, and a frame that ends another one.
    transfers_make(test, 32);
    rotate(test);
    transfers_make(test, 32);
    rotate(test);
    machine_state_digest(&test->world.node.machine, &test->state);
    const struct wal_tail tail = test->world.node.wal.tail;
    test->frames = tail.sequence;
    transfers_make(test, 2);
    command_world_close(&test->world);
    disk_memory_copy(&test->folder, &test->world.disk);
    disk_memory_rot(&test->folder, "log-00000000", tail.place + PAGE_SIZE, 0);
    stray_make(test, "index-0000000000000000-0000000008.tmp");
    stray_make(test, "spare-00000007");
    memset(&test->whole, 0, sizeof test->whole);
    must(test, verify_folder(&test->folder.disk, NULL, &test->whole, &test->failure));
    assert_true(test->whole.frames == test->frames && test->whole.torn);
    *state = test;
    return 0;
}

static int teardown(void **state)
{
    struct test *test = *state;
    disk_memory_free(&test->folder);
    command_world_free(&test->world);
    free(test);
    return 0;
}

// --- going through the calls ---------------------------------------------------------------------

// The folder at hand is the one that died, whole, whatever was done to it: its log, what is made
// from it, its state.
static void folder_check(struct test *test)
{
    struct recovery_report report;
    struct verify_report verified;
    struct digest state;
    must(test, node_open(&test->node, &test->disk.disk, NULL, 0, NULL, &report, &test->failure));
    assert_true(test->node.wal.tail.sequence == test->frames);
    machine_check(&test->node.machine);
    machine_state_digest(&test->node.machine, &state);
    assert_memory_equal(&state, &test->state, sizeof state);
    node_free(&test->node);
    must(test, verify_folder(&test->disk.disk, NULL, &verified, &test->failure));
    assert_true(verified.frames == test->frames);
}

// What was done to a disk that changes something, in all.
static u64 changes_of(const struct disk_memory *disk)
{
    return disk->counts[DISK_COUNT_CREATE] + disk->counts[DISK_COUNT_WRITE] +
           disk->counts[DISK_COUNT_WRITE_DIRECT] + disk->counts[DISK_COUNT_ALLOCATE] +
           disk->counts[DISK_COUNT_RENAME] + disk->counts[DISK_COUNT_REMOVE];
}

// From here on one may be refused.
static void arm(struct test *test)
{
    test->changes = changes_of(&test->disk);
    call_paths_begin(&test->paths);
    test->failing.paths = test->refused == REFUSED_CALL ? &test->paths : NULL;
    memory.paths = test->refused == REFUSED_WISH ? &test->paths : NULL;
}

struct work {
    // Does it on this disk; calls `arm` first, or behind what another work tries.
    enum status (*work)(struct test *test, struct disk *disk);
    bool changes; // Something in the folder; else nothing may be.
};

// The work on a copy of the folder, of which something is refused. Whether something was.
static bool refuse(struct test *test, const struct work *work, enum refused refused, u64 run)
{
    const u64 held = memory.held;
    disk_memory_init(&test->disk, run);
    disk_memory_copy(&test->disk, &test->folder);
    disk_failing_init(&test->failing, &test->disk.disk);
    test->refused = refused;
    memory.was_refused = false;
    const enum status status = work->work(test, &test->failing.disk);
    const bool was_refused = memory.was_refused || test->failing.fail_at != 0;
    memory.paths = NULL;
    assert_true(memory.held == held);
    if (status != STATUS_OK) {
        assert_int_equal(status, refused == REFUSED_CALL ? STATUS_IO : STATUS_FULL);
        assert_non_null(strstr(test->failure.message, refused == REFUSED_CALL
                                                          ? "a simulated "
                                                          : "Cannot allocate memory"));
    }
    test->told += status != STATUS_OK;
    assert_true(was_refused || status == STATUS_OK);
    if (!work->changes) {
        assert_true(changes_of(&test->disk) == test->changes);
    } else if (refused == REFUSED_CALL || run % 32 == 0) {
        folder_check(test);
    }
    disk_memory_free(&test->disk);
    return was_refused;
}

// How often some work is refused.
struct refusals {
    u64 calls_min;  // On so many ways at least the disk is called; of these calls
    u64 again_max;  // so many are not told, since they are made again.
    u64 wishes_min; // On so many ways at least memory is wished for; of these wishes
    u64 kept_max;   // so many are not told: a segment that is not sealed stays in memory.
};

static u64 refuse_on_each_way(struct test *test, const struct work *work, enum refused refused)
{
    u64 runs = 0;
    test->told = 0;
    call_paths_init(&test->paths, work->changes ? 64 : 1);
    while (refuse(test, work, refused, runs)) runs++;
    return runs;
}

static void refuse_each(struct test *test, const struct work *work, struct refusals refusals)
{
    const u64 calls = refuse_on_each_way(test, work, REFUSED_CALL);
    assert_true(calls >= refusals.calls_min && calls - test->told <= refusals.again_max);
    const u64 wishes = refuse_on_each_way(test, work, REFUSED_WISH);
    assert_true(wishes >= refusals.wishes_min && wishes - test->told <= refusals.kept_max);
}

// --- what is done --------------------------------------------------------------------------------

static enum status start_do(struct test *test, struct disk *disk)
{
    struct recovery_report report;
    struct digest state;
    arm(test);
    const enum status status = node_open(&test->node, disk, NULL, 0, NULL, &report, &test->failure);
    if (status != STATUS_OK) return status;
    assert_true(report.torn);
    machine_state_digest(&test->node.machine, &state);
    assert_memory_equal(&state, &test->state, sizeof state);
    node_free(&test->node);
    return status;
}

static void test_a_start(void **state)
{
    const struct work work = {start_do, true};
    refuse_each(*state, &work, (struct refusals){70, 4, 60, 20});
}

// What a server does behind the frame that rotated: a checkpoint, merges, files that go.
static enum status behind_do(struct test *test, struct disk *disk)
{
    struct node *node = &test->node;
    struct history *history = &node->machine.history;
    struct recovery_report report;
    must(test, node_open(node, disk, NULL, 0, NULL, &report, &test->failure));
    arm(test);
    checkpoint_begin(&node->checkpoint, &node->machine, &node->wal.tail);
    enum status status = checkpoint_write(&node->checkpoint, &node->machine,
                                          &node->indexer.outcomes, NULL, &test->failure);
    checkpoint_end(&node->checkpoint);
    bool is_more = true;
    while (status == STATUS_OK && is_more)
        status = history_merge(history, &is_more, &test->failure);
    is_more = true;
    while (status == STATUS_OK && is_more) {
        status = history_remove_spares(history, 0, &is_more, &test->failure);
    }
    node_free(node);
    return status;
}

static void test_the_work_behind(void **state)
{
    const struct work work = {behind_do, true};
    refuse_each(*state, &work, (struct refusals){14, 4, 2, 0});
}

static enum status verify_do(struct test *test, struct disk *disk)
{
    struct verify_report report;
    arm(test);
    const enum status status = verify_folder(disk, NULL, &report, &test->failure);
    if (status == STATUS_OK) assert_memory_equal(&report, &test->whole, sizeof report);
    return status;
}

static void test_verifying(void **state)
{
    const struct work work = {verify_do, false};
    refuse_each(*state, &work, (struct refusals){20, 4, 20, 0});
}

static enum status replay_do(struct test *test, struct disk *disk)
{
    struct verify_report report;
    struct disk_memory scratch;
    disk_memory_init(&scratch, 3);
    must(test, verify_folder(disk, NULL, &report, &test->failure));
    arm(test);
    const enum status status = verify_replay(disk, &scratch.disk, NULL, &report, &test->failure);
    disk_memory_free(&scratch);
    if (status == STATUS_OK) {
        assert_memory_equal(&report.replayed_state, &test->state, sizeof test->state);
    }
    return status;
}

static void test_replaying(void **state)
{
    const struct work work = {replay_do, false};
    refuse_each(*state, &work, (struct refusals){18, 4, 25, 12});
}

static enum status copy_do(struct test *test, struct disk *disk)
{
    struct backup_report report;
    struct disk_memory vault;
    disk_memory_init(&vault, 3);
    arm(test);
    const enum status status = backup_make(disk, &vault.disk, 1, NULL, &report, &test->failure);
    if (status == STATUS_OK) assert_true(report.end.sequence == test->frames);
    disk_memory_free(&vault);
    return status;
}

static void test_a_backup(void **state)
{
    const struct work work = {copy_do, false};
    refuse_each(*state, &work, (struct refusals){27, 4, 2, 0});
}

static enum status restore_do(struct test *test, struct disk *disk)
{
    const struct restore_point point = {.sequence_max = U64_MAX, .timestamp_max = U64_MAX};
    struct backup_report report;
    struct disk_memory target;
    struct frame_header last;
    disk_memory_init(&target, 3);
    arm(test);
    enum status status = restore_plan(disk, &point, &last, &test->failure);
    if (status == STATUS_OK) {
        assert_true(last.sequence == test->frames - 1);
        status = restore_make(disk, &target.disk, &last, NULL, &report, &test->failure);
    }
    if (status == STATUS_OK) assert_true(report.end.sequence == test->frames);
    disk_memory_free(&target);
    return status;
}

static void test_restoring(void **state)
{
    const struct work work = {restore_do, false};
    refuse_each(*state, &work, (struct refusals){45, 4, 3, 0});
}

// --- questions -----------------------------------------------------------------------------------

#define ANSWERS_MAX 64u

// What is answered goes into one checksum.
struct answers {
    struct checksum_state sum;
    enum status status;
};

static void take(struct answers *answers, enum status status, const void *bytes, u64 size)
{
    if (answers->status == STATUS_OK) answers->status = status;
    if (status == STATUS_OK) checksum_update(&answers->sum, bytes, size);
}

static void proofs_ask(struct test *test, struct answers *answers)
{
    static const u64 ids[] = {1, 17, 300, 721};
    for (u32 i = 0; i < 2 + ARRAY_COUNT(ids) && answers->status == STATUS_OK; i++) {
        const struct tree_head head = {0};
        const struct tree_consistency sizes = {.from = 3, .to = 80};
        const struct tree_inclusion inclusion = {.transfer_id = i > 1 ? ids[i - 2] : 0, .size = 80};
        const void *bodies[] = {&head, &sizes, &inclusion};
        const struct schema_record *questions[] = {
            &tree_schema_tree_head, &tree_schema_tree_consistency, &tree_schema_tree_inclusion};
        struct module_answer answer = {0};
        u32 result = MODULE_DONE;
        const enum status status =
            node_ask_try(&test->ask, questions[MIN(i, 2u)], bodies[MIN(i, 2u)], NODE_ASK_SPACE,
                         &answer, &result, &test->failure);
        take(answers, status, test->ask.views, answer.size);
        take(answers, status, &result, sizeof result);
    }
}

static void raw_ask(struct test *test, struct history_query *query, struct history_view *view,
                    struct answers *answers)
{
    struct failure *failure = &test->failure;
    const struct account_filter account = {
        .account_id = 3,
        .limit = ANSWERS_MAX,
        .flags = ACCOUNT_FILTER_DEBITS | ACCOUNT_FILTER_CREDITS,
    };
    const struct query_filter some = {.user_data_64 = 2, .code = 1, .limit = ANSWERS_MAX};
    const struct change_events_filter events = {.limit = ANSWERS_MAX};
    const u128 ids[] = {5, 500, 1000000};
    struct transfer transfers[ANSWERS_MAX] = {0};
    struct account_balance balances[ANSWERS_MAX] = {0};
    struct change_event changes[ANSWERS_MAX] = {0};
    struct account_state state = {0};
    const struct history_moment moment = history_moment_of(view->row_end / 2);
    u32 rows[ANSWERS_MAX] = {0};
    u64 row_end = 0;
    u32 count = 0;
    enum status status = history_lookup_transfers(view, ids, 3, transfers, &count, failure);
    take(answers, status, transfers, count * sizeof *transfers);
    if (status == STATUS_OK) {
        status = history_account_transfers(query, view, &account, 2, ANSWERS_MAX, transfers, &count,
                                           NULL, failure);
        take(answers, status, transfers, count * sizeof *transfers);
    }
    if (status == STATUS_OK) {
        status = history_account_balances(query, view, &account, 2, ANSWERS_MAX, balances, &count,
                                          NULL, failure);
        take(answers, status, balances, count * sizeof *balances);
    }
    if (status == STATUS_OK) {
        status = history_query_transfers(query, view, &some, ANSWERS_MAX, transfers, &count, NULL,
                                         failure);
        take(answers, status, transfers, count * sizeof *transfers);
    }
    if (status == STATUS_OK) {
        const struct query_filter all = {.limit = ANSWERS_MAX};
        status =
            history_query_accounts(query, view, &all, ANSWERS_MAX, rows, &count, NULL, failure);
        take(answers, status, rows, count * sizeof *rows);
    }
    if (status == STATUS_OK) {
        status = history_change_events(query, view, &events, ANSWERS_MAX, changes, &count, failure);
        take(answers, status, changes, count * sizeof *changes);
    }
    if (status == STATUS_OK) {
        status = history_state_at(query, view, 4, &moment, &state, failure);
        take(answers, status, &state, sizeof state);
    }
    if (status == STATUS_OK) {
        status = past_row_by_position(&test->node, view, 40, &row_end, failure);
        take(answers, status, &row_end, sizeof row_end);
    }
    if (status == STATUS_OK) {
        status = history_row_by_time(view, test->world.timestamp / 2, &row_end, failure);
        take(answers, status, &row_end, sizeof row_end);
    }
    answers->status = status;
}

static void changes_ask(struct test *test, struct history_view *view, struct answers *answers)
{
    static _Alignas(16) u8 bytes[2 * MIB];
    struct changes_reader *reader = changes_reader_new(&test->node.wal);
    const u64 from[] = {0, view->row_end / 2};
    for (u32 i = 0; i < 2 && answers->status == STATUS_OK; i++) {
        struct changes_page page = {.out = bytes, .room = sizeof bytes};
        const enum status status = changes_read(reader, view, from[i], 0, &page, &test->failure);
        take(answers, status, bytes, page.size);
    }
    changes_reader_free(reader);
}

static enum status questions_do(struct test *test, struct disk *disk)
{
    struct node *node = &test->node;
    struct recovery_report report;
    struct answers answers = {0};
    struct history_query *query = NULL;
    must(test, node_open(node, disk, NULL, 0, NULL, &report, &test->failure));
    arm(test);
    checksum_begin(&answers.sum);
    proofs_ask(test, &answers);
    if (answers.status == STATUS_OK) answers.status = history_query_new(&query, &test->failure);
    if (answers.status == STATUS_OK) {
        struct history_view view = history_view_open(
            &node->machine.history,
            (const struct account *)(const void *)node->machine.ledger.accounts.memory,
            node->machine.history.next_row);
        raw_ask(test, query, &view, &answers);
        if (answers.status == STATUS_OK) changes_ask(test, &view, &answers);
        history_view_close(&view);
        history_query_free(query);
    }
    const u128 sum = checksum_end(&answers.sum);
    if (answers.status == STATUS_OK && test->answers == 0) test->answers = sum;
    if (answers.status == STATUS_OK) assert_true(test->answers == sum);
    node_free(node);
    return answers.status;
}

// Whatever cannot be read is told, and no answer is made of it.
static void test_questions(void **state)
{
    struct test *test = *state;
    const struct work work = {questions_do, false};
    test->answers = 0;
    node_ask_init(&test->ask, &test->node);
    (void)refuse(test, &work, REFUSED_NOTHING, 0);
    assert_true(test->answers != 0);
    refuse_each(test, &work, (struct refusals){45, 4, 2, 0});
    node_ask_free(&test->ask);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    // Huge pages are zeroed whole, and here they are touched at their beginning.
    (void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    const struct CMUnitTest tests[] = {
        TEST(test_a_start),  TEST(test_the_work_behind), TEST(test_verifying), TEST(test_replaying),
        TEST(test_a_backup), TEST(test_restoring),       TEST(test_questions),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
