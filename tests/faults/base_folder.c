// SPDX-License-Identifier: Apache-2.0
//
// Folders to be damaged, and what is true of them.
#include "base_folder.h"

#include "../sim/world_internal.h"
#include "machine/changes.h"
#include "machine/command_world.h"

#include <stdio.h>
#include <stdlib.h>

#define ACCOUNTS_ASKED 48u
#define CLIENT_STEPS   350u
#define MODULE_STEPS   180u
// Of large batches: more than a file of the log holds.
#define LONG_BATCHES    70u
#define LONG_ACCOUNTS   200u
#define LONG_ROTATES_AT 12u
#define LONG_CHECKPOINT 60u

static void must(enum status status, const struct failure *failure)
{
    if (status == STATUS_OK) return;
    (void)fprintf(stderr, "base folder: %s\n", failure->message);
    abort();
}

// --- questions -----------------------------------------------------------------------------------

struct asking {
    struct node *node;
    struct history_query *query;
    struct history_view view;
    struct transfer *transfers;
    struct account_balance *balances;
    u8 *page;
    struct base_answers *out;
};

// Notes an answer, or that it was refused, which must be as damage.
static void answer_note(struct asking *asking, bool is_of_requests, enum status status,
                        const struct failure *failure, const void *bytes, u64 size)
{
    struct base_answers *out = asking->out;
    assert(out->count < BASE_ANSWERS_MAX);
    const u32 at = out->count++;
    out->items[at].is_of_requests = is_of_requests;
    out->items[at].is_refused = status != STATUS_OK;
    if (status == STATUS_OK) {
        sha256(bytes, size, &out->items[at].digest);
        return;
    }
    out->refused++;
    (void)snprintf(out->refusal, sizeof out->refusal, "%s", failure->message);
}

static void account_ask(struct asking *asking, u32 row)
{
    const struct ledger *ledger = &asking->node->machine.ledger;
    const struct account_filter filter = {.account_id = ledger_account(ledger, row)->id,
                                          .limit = LEDGER_EVENTS_MAX,
                                          .flags = ACCOUNT_FILTER_DEBITS | ACCOUNT_FILTER_CREDITS};
    struct failure failure;
    u32 count = 0;
    enum status status =
        history_account_transfers(asking->query, &asking->view, &filter, row, LEDGER_EVENTS_MAX,
                                  asking->transfers, &count, NULL, &failure);
    answer_note(asking, true, status, &failure, asking->transfers,
                count * sizeof *asking->transfers);
    // Some of them are looked up by their ids; when none could be told, nor can these.
    u128 ids[32];
    const u32 id_count = status == STATUS_OK ? MIN(count, (u32)ARRAY_COUNT(ids)) : 0;
    for (u32 i = 0; i < id_count; i++) ids[i] = asking->transfers[i * (count / id_count)].id;
    if (status == STATUS_OK) {
        status = history_lookup_transfers(&asking->view, ids, id_count, asking->transfers, &count,
                                          &failure);
    }
    answer_note(asking, true, status, &failure, asking->transfers,
                count * sizeof *asking->transfers);
    count = 0;
    status = history_account_balances(asking->query, &asking->view, &filter, row, LEDGER_EVENTS_MAX,
                                      asking->balances, &count, NULL, &failure);
    answer_note(asking, false, status, &failure, asking->balances,
                count * sizeof *asking->balances);
}

// The whole change stream, which reads every row and verifies each frame behind it. An answer is a
// page; one that is refused ends it, and the rest is refused with it.
static void changes_ask(struct asking *asking)
{
    struct changes_reader *reader = changes_reader_new(&asking->node->wal);
    struct failure failure;
    u64 row = 0;
    struct digest all = {0};
    enum status status = STATUS_OK;
    while (status == STATUS_OK && row < asking->view.row_end) {
        struct changes_page page = {.out = asking->page, .room = COMPAT_BODY_SIZE_MAX};
        status = changes_read(reader, &asking->view, row, 0, &page, &failure);
        struct digest both[2] = {all};
        if (status == STATUS_OK) sha256(asking->page, page.size, &both[1]);
        sha256(both, sizeof both, &all);
        row = page.next;
    }
    answer_note(asking, false, status, &failure, &all, sizeof all);
    changes_reader_free(reader);
}

static void sessions_ask(struct asking *asking)
{
    struct failure failure;
    for (u32 row = 0; row < MACHINE_SESSIONS_MAX; row++) {
        struct machine *machine = &asking->node->machine;
        const struct session *session = machine_session_at(machine, row);
        u32 size = 0;
        if (session->client == 0) continue;
        const enum status status =
            machine_reply_again(machine, session, asking->page, &size, &failure);
        answer_note(asking, false, status, &failure, asking->page, size);
    }
}

void base_folder_ask(struct node *node, struct base_answers *out)
{
    struct failure failure;
    struct machine *machine = &node->machine;
    struct asking asking = {.node = node, .out = out};
    memset(out, 0, sizeof *out);
    must(history_query_new(&asking.query, &failure), &failure);
    asking.transfers = calloc(LEDGER_EVENTS_MAX, sizeof *asking.transfers);
    asking.balances = calloc(LEDGER_EVENTS_MAX, sizeof *asking.balances);
    asking.page = aligned_alloc(PAGE_SIZE, align_up(COMPAT_BODY_SIZE_MAX, PAGE_SIZE));
    assert(asking.transfers != NULL && asking.balances != NULL && asking.page != NULL);
    asking.view = history_view_open(
        &machine->history, (const struct account *)(const void *)machine->ledger.accounts.memory,
        node->indexer.end_row);
    asking.view.sees_modules = true;
    changes_ask(&asking);
    const u64 accounts = machine->ledger.accounts.count;
    const u64 step = MAX(1, accounts / ACCOUNTS_ASKED);
    for (u64 row = 0; row < accounts && row / step < ACCOUNTS_ASKED; row += step) {
        account_ask(&asking, (u32)row);
    }
    history_view_close(&asking.view);
    sessions_ask(&asking);
    free(asking.transfers);
    free(asking.balances);
    free(asking.page);
    history_query_free(asking.query);
}

// --- making --------------------------------------------------------------------------------------

static void world_make(struct base_folder *base, bool is_of_modules, u64 seed)
{
    struct world *world = calloc(1, sizeof *world);
    assert(world != NULL);
    const struct world_options options = {.seed = seed, .is_of_modules = is_of_modules};
    world_init(world, &options);
    const u64 steps = is_of_modules ? MODULE_STEPS : CLIENT_STEPS;
    for (u64 i = 0; i < steps; i++) world_step(world);
    do {
        world->disk.faults = (struct disk_memory_faults){0};
        world->disk.capacity = 1ull << 60;
    } while (!world_flush(world));
    node_free(&world->node);
    world->open = false;
    disk_memory_copy(&base->disk, &world->disk);
    world_free(world);
    free(world);
}

static void long_make(struct base_folder *base, u64 seed)
{
    struct command_world *world = calloc(1, sizeof *world);
    struct transfer *transfers = calloc(LEDGER_EVENTS_MAX, sizeof *transfers);
    struct create_result *results = calloc(LEDGER_EVENTS_MAX, sizeof *results);
    struct random random;
    assert(world != NULL && transfers != NULL && results != NULL);
    random_init(&random, seed);
    const struct genesis genesis = command_world_genesis();
    command_world_init(world, &genesis);
    struct account *accounts = (void *)transfers;
    for (u32 i = 0; i < LONG_ACCOUNTS; i++) {
        accounts[i] =
            (struct account){.id = i + 1, .ledger = 1, .code = 1, .flags = ACCOUNT_HISTORY};
    }
    command_world_create(world, COMPAT_CREATE_ACCOUNTS, accounts, LONG_ACCOUNTS, results);
    u128 id = 1;
    for (u32 batch = 0; batch < LONG_BATCHES; batch++) {
        for (u32 i = 0; i < LEDGER_BATCH_EVENTS_MAX; i++) {
            const u64 debit = random_below(&random, LONG_ACCOUNTS);
            transfers[i] = (struct transfer){
                .id = id,
                .debit_account_id = 1 + debit,
                .credit_account_id = 1 + (debit + 1 + random_below(&random, 9)) % LONG_ACCOUNTS,
                .amount = 1 + random_below(&random, 1000),
                .ledger = 1,
                .code = (u16)(1 + batch)};
            id++;
        }
        command_world_create(world, COMPAT_CREATE_TRANSFERS, transfers, LEDGER_BATCH_EVENTS_MAX,
                             results);
        if (batch % LONG_ROTATES_AT != LONG_ROTATES_AT - 1) continue;
        if (batch + LONG_ROTATES_AT > LONG_CHECKPOINT) continue;
        const bool is_same = command_world_restart_from_checkpoint(world);
        assert(is_same);
    }
    struct failure failure;
    must(wal_prepare(&world->node.wal, 0, &failure), &failure); // As a server has it.
    command_world_close(world);
    disk_memory_copy(&base->disk, &world->disk);
    command_world_free(world);
    free(results);
    free(transfers);
    free(world);
}

// --- what is true of it --------------------------------------------------------------------------

struct watching {
    struct base_folder *base;
    u64 room;
};

static enum status frame_note(void *context, struct node *node, const struct wal_tail *tail,
                              struct failure *failure)
{
    struct watching *watching = context;
    struct base_folder *base = watching->base;
    (void)failure;
    if (base->frames == watching->room) {
        watching->room = MAX(256, watching->room * 2);
        base->states = realloc(base->states, watching->room * sizeof *base->states);
        assert(base->states != NULL);
    }
    machine_state_digest(&node->machine, &base->states[base->frames++]);
    struct frame_header header;
    base->last_place = base->end; // Unless it opened the next file.
    if (wal_read(&node->wal, base->last_place, &header, sizeof header, failure) != STATUS_OK ||
        !frame_header_valid(&header) || header.sequence != tail->sequence - 1) {
        base->last_place = align_up(base->end, WAL_FILE_SIZE);
    }
    base->end = tail->place;
    return STATUS_OK;
}

static void states_note(struct base_folder *base)
{
    struct disk_memory scratch;
    struct node *node = calloc(1, sizeof *node);
    struct watching watching = {.base = base};
    const struct replay_check check = {.context = &watching, .frame = frame_note};
    struct recovery_report report;
    struct failure failure;
    assert(node != NULL);
    free(base->states);
    base->states = NULL;
    base->frames = 0;
    base->end = 0;
    disk_memory_init(&scratch, 1);
    must(node_replay(node, &base->disk.disk, &scratch.disk, NULL, &check, &report, &failure),
         &failure);
    node_free(node);
    disk_memory_free(&scratch);
    free(node);
}

// Makes the last frame an unfinished one, as a crash leaves it, unless a checkpoint covers it.
static void tail_tear(struct base_folder *base, struct random *random)
{
    struct disk_memory before;
    struct verify_report report;
    struct failure failure;
    char name[DISK_NAME_SIZE_MAX];
    static const u8 zeroes[DISK_SECTOR_SIZE];
    const u64 sectors = (base->end - base->last_place) / DISK_SECTOR_SIZE;
    const u64 at = base->last_place + random_below(random, sectors) * DISK_SECTOR_SIZE;
    (void)snprintf(name, sizeof name, "log-%08llx", (unsigned long long)(at / WAL_FILE_SIZE));
    disk_memory_init(&before, 1);
    disk_memory_copy(&before, &base->disk);
    disk_memory_put(&base->disk, name, at % WAL_FILE_SIZE, zeroes, sizeof zeroes);
    const enum status status = verify_folder(&base->disk.disk, NULL, &report, &failure);
    base->is_torn = status == STATUS_OK && report.torn;
    base->torn_end = base->end;
    if (base->is_torn) {
        disk_memory_free(&before);
    } else { // It is covered, or the sector was zeroes.
        disk_memory_free(&base->disk);
        base->disk = before;
    }
}

void base_folder_make(struct base_folder *base, enum base_kind kind, u64 seed)
{
    static const char *const what[] = {"plain clients", "modules", "large batches"};
    struct random random;
    struct failure failure;
    struct recovery_report report;
    struct disk_memory copy;
    struct node *node = calloc(1, sizeof *node);
    assert(node != NULL && kind < BASE_KINDS);
    *base = (struct base_folder){.kind = kind};
    random_init(&random, seed);
    disk_memory_init(&base->disk, seed);
    if (kind == BASE_LONG) long_make(base, seed);
    else world_make(base, kind == BASE_MODULES, seed);
    states_note(base);
    base->torn_end = base->end;
    if (random_chance(&random, 40)) {
        const u64 end = base->end;
        tail_tear(base, &random);
        if (base->is_torn) states_note(base);
        base->torn_end = end;
    }
    disk_memory_init(&copy, seed);
    disk_memory_copy(&copy, &base->disk);
    must(node_open(node, &copy.disk, NULL, 0, NULL, &report, &failure), &failure);
    base_folder_ask(node, &base->answers);
    assert(base->answers.refused == 0);
    struct digest state;
    machine_state_digest(&node->machine, &state);
    assert(memcmp(&state, &base->states[base->frames - 1], sizeof state) == 0);
    node_free(node);
    disk_memory_free(&copy);
    free(node);
    (void)snprintf(base->what, sizeof base->what, "%s, %llu frames%s", what[kind],
                   (unsigned long long)base->frames, base->is_torn ? ", torn tail" : "");
}

void base_folder_free(struct base_folder *base)
{
    disk_memory_free(&base->disk);
    free(base->states);
    *base = (struct base_folder){0};
}
