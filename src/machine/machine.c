// SPDX-License-Identifier: Apache-2.0
//
// The machine: dispatch of commands, sessions, replies, the indexing of what was applied.
#include "machine/commit.h"
#include "machine/create.h"

#include "base/place.h"
#include "os/memory.h"

#define REGISTER_REPLY_SIZE 64u
#define BULK_SIZE           ((size_t)PLAN_BULK_MAX * PLAN_RECORD_SIZE_MAX)

static enum status orders_init(struct module_tables *own, const struct module_table *description,
                               u32 table, struct failure *failure)
{
    enum status status = STATUS_OK;
    for (u32 i = 0; i < MODULE_ORDERS_MAX && status == STATUS_OK; i++) {
        if (description->orders[i] == NULL) continue;
        status = btree_init(&own->orders[table][i], &description->orders[i]->order,
                            own->tables[table].memory, description->record_size,
                            description->record_max, failure);
    }
    return status;
}

static enum status modules_init(struct machine *machine, struct failure *failure)
{
    enum status status =
        table_init(&machine->notes, sizeof(struct command_note), COMMAND_NOTES_MAX, failure);
    if (status == STATUS_OK) status = index_init(&machine->note_index, 0, failure);
    if (status == STATUS_OK) {
        status = turnovers_init(&machine->turnovers, &machine->history, TURNOVERS_MAX, failure);
    }
    if (status == STATUS_OK) status = sub_ledgers_init(&machine->sub_ledgers, failure);
    assert(module_count <= MACHINE_MODULES_MAX);
    for (u32 i = 0; i < module_count; i++) {
        for (u32 j = 0; j < modules[i]->table_count && status == STATUS_OK; j++) {
            const struct module_table *table = &modules[i]->tables[j];
            status = table_init(&machine->module_tables[i].tables[j], table->record_size,
                                table->record_max, failure);
            if (status == STATUS_OK) {
                status = index_init(&machine->module_tables[i].indexes[j], 0, failure);
            }
            if (status == STATUS_OK) {
                status = orders_init(&machine->module_tables[i], table, j, failure);
            }
        }
    }
    void *memory = NULL;
    if (status == STATUS_OK) {
        status = memory_reserve(sizeof *machine->plan, false, &memory, failure);
        machine->plan = memory;
    }
    if (status == STATUS_OK) {
        status = memory_reserve(sizeof *machine->settled_plan, false, &memory, failure);
        machine->settled_plan = memory;
    }
    if (status == STATUS_OK) {
        status = memory_reserve(sizeof *machine->chain, false, &memory, failure);
        machine->chain = memory;
    }
    if (status == STATUS_OK) {
        status = memory_reserve(BULK_SIZE, false, &memory, failure);
        machine->plan->bulk.records = memory;
    }
    return status;
}

u32 machine_tables(struct machine *machine, struct machine_table tables[MACHINE_TABLES_MAX])
{
    struct table *const own[] = {
        &machine->ledger.accounts,
        &machine->ledger.holds,
        &machine->sessions,
        &machine->notes,
        NULL,
        &machine->ledger.sidecars,
        &machine->ledger.cells,
        &machine->ledger.constraints,
        &machine->ledger.breaches,
        &machine->turnovers.table,
        &machine->sub_ledgers.table,
        &machine->ledger.spans,
    }; // 4 was once another table's.
    u32 count = 0;
    for (u32 i = 0; i < ARRAY_COUNT(own); i++) {
        if (own[i] == NULL) continue;
        tables[count++] = (struct machine_table){.table = own[i], .id = i};
    }
    for (u32 i = 0; i < module_count; i++) {
        for (u32 j = 0; j < modules[i]->table_count; j++) {
            tables[count++] = (struct machine_table){
                .table = &machine->module_tables[i].tables[j],
                .id = modules[i]->number * 256u + j,
            };
        }
    }
    return count;
}

static enum status keys_index(const struct machine *machine, const struct table *table,
                              struct index *index, struct failure *failure)
{
    for (u64 row = 0; row < table->count; row++) {
        u64 hash = module_key_hash(&machine->ledger, load_u128(table_record(table, row)));
        enum status status = index_insert(index, hash, (u32)row, failure);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

// Whether a record has a place in an order.
static bool has_place(const struct module_order *order, const void *record)
{
    return order->has == NULL || order->has(record);
}

static void rows_order(const struct module_table *description, const struct table *table,
                       struct btree orders[MODULE_ORDERS_MAX])
{
    for (u32 i = 0; i < MODULE_ORDERS_MAX; i++) {
        if (description->orders[i] == NULL) continue;
        for (u64 row = 0; row < table->count; row++) {
            if (!has_place(description->orders[i], table_record(table, row))) continue;
            btree_insert(&orders[i], (u32)row);
        }
    }
}

enum status machine_loaded(struct machine *machine, struct failure *failure)
{
    const struct command_note *notes = (const void *)machine->notes.memory;
    for (u64 row = 0; row < machine->notes.count; row++) {
        u64 hash = history_hash_id(&machine->history, notes[row].command_id);
        enum status status = index_insert(&machine->note_index, hash, (u32)row, failure);
        if (status != STATUS_OK) return status;
    }
    enum status turned = turnovers_loaded(&machine->turnovers, failure);
    if (turned != STATUS_OK) return turned;
    enum status summed = sub_ledgers_loaded(&machine->sub_ledgers, &machine->ledger, failure);
    if (summed != STATUS_OK) return summed;
    for (u32 i = 0; i < module_count; i++) {
        for (u32 j = 0; j < modules[i]->table_count; j++) {
            struct module_tables *own = &machine->module_tables[i];
            rows_order(&modules[i]->tables[j], &own->tables[j], own->orders[j]);
            if (!modules[i]->tables[j].keyed) continue;
            enum status status = keys_index(machine, &machine->module_tables[i].tables[j],
                                            &machine->module_tables[i].indexes[j], failure);
            if (status != STATUS_OK) return status;
        }
    }
    return STATUS_OK;
}

enum status machine_init(struct machine *machine, struct disk *disk, const struct genesis *genesis,
                         const struct history_log *log, struct failure *failure)
{
    memset(machine, 0, sizeof *machine);
    machine->genesis = *genesis;
    struct hash_key key;
    static_assert(sizeof key.words == sizeof genesis->hash_key, "one key");
    memcpy(key.words, genesis->hash_key, sizeof key.words);
    enum status status = history_init(&machine->history, disk, &key, log, failure);
    if (status != STATUS_OK) return status;
    const struct ledger_limits limits = {.accounts_max = genesis->accounts_max,
                                         .holds_max = genesis->holds_max};
    status = ledger_init(&machine->ledger, &limits, &machine->history, failure);
    if (status != STATUS_OK) return status;
    status = table_init(&machine->sessions, sizeof(struct session), MACHINE_SESSIONS_MAX, failure);
    if (status != STATUS_OK) return status;
    machine->sessions.count = MACHINE_SESSIONS_MAX;
    status = modules_init(machine, failure);
    if (status != STATUS_OK) return status;
    void *memory = NULL;
    status = memory_reserve(LEDGER_EVENTS_MAX * sizeof *machine->results, false, &memory, failure);
    if (status != STATUS_OK) return status;
    machine->results = memory;
    status = memory_reserve(COMPAT_BODY_SIZE_MAX, false, &memory, failure);
    machine->body = memory;
    return status;
}

void machine_free(struct machine *machine)
{
    ledger_free(&machine->ledger);
    history_free(&machine->history);
    table_free(&machine->sessions);
    table_free(&machine->notes);
    index_free(&machine->note_index);
    turnovers_free(&machine->turnovers);
    sub_ledgers_free(&machine->sub_ledgers);
    if (machine->plan != NULL) memory_release(machine->plan->bulk.records, BULK_SIZE);
    for (u32 i = 0; i < module_count; i++) {
        for (u32 j = 0; j < modules[i]->table_count; j++) {
            table_free(&machine->module_tables[i].tables[j]);
            index_free(&machine->module_tables[i].indexes[j]);
            for (u32 k = 0; k < MODULE_ORDERS_MAX; k++) {
                btree_free(&machine->module_tables[i].orders[j][k]);
            }
        }
    }
    memory_release(machine->plan, sizeof *machine->plan);
    memory_release(machine->settled_plan, sizeof *machine->settled_plan);
    memory_release(machine->chain, sizeof *machine->chain);
    memory_release(machine->results, LEDGER_EVENTS_MAX * sizeof *machine->results);
    memory_release(machine->body, COMPAT_BODY_SIZE_MAX);
    memset(machine, 0, sizeof *machine);
}

// --- sessions ------------------------------------------------------------------------------------

static struct session *session_at(const struct machine *machine, u32 row)
{
    return (struct session *)machine->sessions.memory + row;
}

static u32 session_row(const struct machine *machine, u128 client)
{
    for (u32 row = 0; row < MACHINE_SESSIONS_MAX; row++) {
        if (session_at(machine, row)->client == client) return row;
    }
    return U32_MAX;
}

const struct session *machine_session(const struct machine *machine, u128 client)
{
    assert(client != 0);
    u32 row = session_row(machine, client);
    return row == U32_MAX ? NULL : session_at(machine, row);
}

const struct session *machine_session_at(const struct machine *machine, u32 row)
{
    assert(row < MACHINE_SESSIONS_MAX);
    return session_at(machine, row);
}

// A free record, or that of the session with this number, or else that of the one whose last logged
// command is oldest. Queries are not logged, so only the server knows who asked last: it names the
// session.
static u32 session_place(const struct machine *machine, u64 number)
{
    u32 oldest = 0;
    u32 named = U32_MAX;
    for (u32 row = 0; row < MACHINE_SESSIONS_MAX; row++) {
        const struct session *session = session_at(machine, row);
        if (session->client == 0) return row;
        if (session->number == number) named = row;
        if (session->position < session_at(machine, oldest)->position) oldest = row;
    }
    return named != U32_MAX ? named : oldest;
}

static void session_note(struct machine *machine, u32 row, const struct frame_command *command,
                         u64 place, const struct applied_command *applied)
{
    table_touch(&machine->sessions, row);
    struct session *session = session_at(machine, row);
    session->request_checksum = command->request_checksum;
    session->position = applied->position;
    session->timestamp = applied->timestamp;
    session->place = place;
    session->first_row = applied->first_row;
    session->request = command->request;
    session->operation = command->operation;
    session->body_size = command->body_size;
}

// The session whose command was overridden ends: its client is told so when it asks again, instead
// of repeating what killed the machine.
static void session_end(struct machine *machine, const struct frame_command *command)
{
    if (command->record != COMMAND_COMPAT) return;
    u32 row = session_row(machine, command->command_id);
    if (row == U32_MAX || session_at(machine, row)->number != command->session) return;
    table_touch(&machine->sessions, row);
    *session_at(machine, row) = (struct session){0};
}

static u32 register_reply(u8 *reply)
{
    memset(reply, 0, REGISTER_REPLY_SIZE);
    store_u32(reply, COMPAT_BODY_SIZE_MAX);
    return REGISTER_REPLY_SIZE;
}

static void apply_register(struct machine *machine, const struct frame_command *command, u64 place,
                           struct applied_command *applied)
{
    assert(command->command_id != 0);
    u32 row = session_row(machine, command->command_id);
    if (row == U32_MAX) {
        row = session_place(machine, command->session);
        table_touch(&machine->sessions, row);
        *session_at(machine, row) = (struct session){.client = command->command_id,
                                                     .number = applied->position,
                                                     .release = command->release};
    }
    session_note(machine, row, command, place, applied);
    if (applied->reply != NULL) applied->reply_size = register_reply(applied->reply);
}

// --- creates -------------------------------------------------------------------------------------

static enum status apply_compat(struct machine *machine, const struct frame_command *command,
                                const u8 *body, u64 place, struct applied_frame *frame,
                                struct applied_command *applied, struct failure *failure)
{
    u32 row = session_row(machine, command->command_id);
    if (row == U32_MAX || session_at(machine, row)->number != command->session) {
        applied->result = COMMAND_NO_SESSION;
        return STATUS_OK;
    }
    const struct compat_operation *operation = compat_operation((u8)command->operation);
    assert(operation != NULL && compat_is_create(operation));
    struct compat_batches batches;
    bool valid = compat_decode(operation, body, command->body_size, &batches);
    assert(valid); // The port checks before it logs.
    enum status status = create_apply(machine, operation, &batches, place, frame, applied, failure);
    session_note(machine, row, command, place, applied);
    return status;
}

// --- frames --------------------------------------------------------------------------------------

bool machine_is_overridden(const struct machine *machine, u64 position)
{
    for (u32 i = 0; i < machine->override_count; i++) {
        if (machine->overrides[i] == position) return true;
    }
    return false;
}

void machine_override(struct machine *machine, u64 position)
{
    if (machine_is_overridden(machine, position)) return;
    assert(machine->override_count < MACHINE_OVERRIDES_MAX);
    machine->overrides[machine->override_count++] = position;
}

static enum status apply_command(struct machine *machine, const struct frame_view *frame, u32 index,
                                 struct applied_frame *out, struct failure *failure)
{
    const struct frame_command *command = &frame->commands[index];
    const u8 *body = frame->bodies[index];
    const u64 frame_place = frame->header->place;
    // What has no body is placed at the frame's beginning.
    const u64 place = frame_place + (command->body_size > 0 ? command->body_offset : 0);
    struct applied_command *applied = &out->commands[index];
    u8 *reply = applied->reply;
    machine->position++;
    if (machine->applying != NULL) *machine->applying = machine->position;
    machine->ledger.position = machine->position;
    *applied = (struct applied_command){
        .position = machine->position,
        .timestamp = index == 0 ? frame->header->timestamp : machine->timestamp + 1,
        .first_row = machine->history.next_row,
        .reply = reply,
    };
    enum status status = STATUS_OK;
    if (machine_is_overridden(machine, machine->position)) {
        applied->result = COMMAND_OVERRIDDEN;
        session_end(machine, command);
    } else {
        switch ((enum command_record)command->record) {
        case COMMAND_GENESIS: break;
        case COMMAND_TICK:
            // A tick is the first command of its frame: what it does is placed at the frame's
            // beginning, but for the records that an import has in its body.
            assert(index == 0);
            applied->timestamp += ledger_expire(&machine->ledger, applied->timestamp, frame_place,
                                                LEDGER_BATCH_EVENTS_MAX);
            status = commit_pulse(machine, frame_place, out, applied, failure);
            if (status == STATUS_OK) {
                status = commit_slice(machine, frame_place, body, command->body_size, place, out,
                                      applied, failure);
            }
            break;
        case COMMAND_REGISTER: apply_register(machine, command, place, applied); break;
        case COMMAND_COMPAT:
            status = apply_compat(machine, command, body, place, out, applied, failure);
            break;
        case COMMAND_OVERRIDE:
            // Only a stopped log gets one, so it was read ahead (override_scan); what it names lies
            // behind.
            if (command->body_size != sizeof(u64) ||
                !machine_is_overridden(machine, load_u64(body))) {
                status = failure_set(failure, STATUS_CORRUPT,
                                     "the override was not read ahead of the replay");
            }
            break;
        default:
            if (command->record >= COMMAND_MODULES) {
                status = commit_command(machine, command, body, place, out, applied, failure);
                break;
            }
            status = failure_set(failure, STATUS_UNSUPPORTED,
                                 "command %llu is of record %u, which this binary does not know",
                                 (unsigned long long)machine->position, command->record);
        }
    }
    machine->timestamp = applied->timestamp;
    return status;
}

enum status machine_apply(struct machine *machine, const struct frame_view *frame,
                          struct applied_frame *applied, struct failure *failure)
{
    const struct frame_header *header = frame->header;
    assert(header->sequence == 0 || header->sequence == machine->sequence + 1);
    assert(header->timestamp > machine->timestamp);
    assert(header->position == machine->position + 1);
    machine->sequence = header->sequence;
    machine->timestamp = header->timestamp;
    machine->log_id = header->log_id;
    machine->epoch = header->epoch;
    applied->segment = machine->history.active;
    applied->first_row = machine->history.next_row;
    applied->resolved.count = 0;
    applied->rotated = false;
    for (u32 i = 0; i < header->command_count; i++) {
        enum status status = apply_command(machine, frame, i, applied, failure);
        if (status != STATUS_OK) {
            return failure_wrap(failure, "frame %llu, command %llu",
                                (unsigned long long)header->sequence,
                                (unsigned long long)machine->position);
        }
    }
    applied->end_row = machine->history.next_row;
    // A segment without rows goes on: files are named by their rows, so no two may begin at one.
    applied->rotated = (header->flags & FRAME_ROTATE) && !history_active_empty(&machine->history);
    if (applied->rotated) history_rotate(&machine->history);
    return STATUS_OK;
}

// --- replies again -------------------------------------------------------------------------------

enum status machine_reply_again(struct machine *machine, const struct session *session, u8 *reply,
                                u32 *size, struct failure *failure)
{
    if (session->operation == COMPAT_OPERATION_REGISTER) {
        *size = register_reply(reply);
        return STATUS_OK;
    }
    const struct compat_operation *operation = compat_operation((u8)session->operation);
    assert(operation != NULL && compat_is_create(operation));
    const struct history_log *log = &machine->history.log;
    enum status status =
        log->read(log->context, session->place, machine->body, session->body_size, failure);
    if (status != STATUS_OK) return status;
    struct compat_batches batches;
    if (!compat_decode(operation, machine->body, session->body_size, &batches)) {
        return failure_set(failure, STATUS_CORRUPT, "the request at %s is damaged",
                           place_text(session->place).text);
    }
    status = create_results_again(machine, session->first_row, batches.event_count,
                                  machine->results, failure);
    if (status != STATUS_OK) return status;
    *size = create_reply(operation, &batches, machine->results, reply);
    return STATUS_OK;
}

u32 machine_records_needed(const struct machine *machine, const struct compat_operation *operation,
                           const u8 *body, u32 size)
{
    struct compat_batches batches;
    u32 needed = 0;
    bool valid = compat_decode(operation, body, size, &batches);
    assert(valid); // The port checks before it asks.
    for (u32 i = 0; i < batches.event_count; i++) {
        const u8 *event = batches.events + (size_t)i * operation->event_size;
        if (operation->kind == COMPAT_KIND_CREATE_ACCOUNTS) {
            needed += ledger_account_row(&machine->ledger, load_u128(event)) == U32_MAX;
        } else {
            struct transfer transfer;
            memcpy(&transfer, event, sizeof transfer);
            // What posts or voids holds nothing, whatever else it says.
            bool holds = (transfer.flags & TRANSFER_PENDING) != 0;
            bool resolves = (transfer.flags & (TRANSFER_POST_PENDING | TRANSFER_VOID_PENDING)) != 0;
            needed += holds && !resolves;
        }
    }
    return needed;
}

u32 machine_lookup_accounts(const struct machine *machine, const struct compat_operation *operation,
                            const struct compat_batches *batches, u8 *reply)
{
    u16 counts[COMPAT_BATCHES_MAX];
    u32 size = 0;
    u32 event = 0;
    assert(batches->batch_count <= ARRAY_COUNT(counts));
    for (u32 i = 0; i < batches->batch_count; i++) {
        u32 count = compat_batch_count(batches, i);
        u32 found = 0;
        for (u32 j = 0; j < count; j++) {
            u128 id = load_u128(batches->events + (size_t)(event + j) * sizeof(u128));
            u32 row = ledger_account_row(&machine->ledger, id);
            if (row == U32_MAX) continue;
            struct account account;
            ledger_account_view(&machine->ledger, row, &account);
            memcpy(reply + size + found++ * sizeof account, &account, sizeof account);
        }
        counts[i] = (u16)found;
        size += found * (u32)sizeof(struct account);
        event += count;
    }
    if (!operation->multi_batch) return size;
    return compat_trailer_write(reply, size, operation->result_size, counts, batches->batch_count);
}

// --- indexing ------------------------------------------------------------------------------------

enum status machine_indexer_init(struct machine_indexer *indexer, struct failure *failure)
{
    memset(indexer, 0, sizeof *indexer);
    void *leaves = NULL;
    enum status status =
        memory_reserve(HISTORY_FRAME_ROWS_MAX * sizeof *indexer->leaves, true, &leaves, failure);
    indexer->leaves = leaves;
    return status;
}

void machine_indexer_free(struct machine_indexer *indexer)
{
    memory_release(indexer->leaves, HISTORY_FRAME_ROWS_MAX * sizeof *indexer->leaves);
    indexer->leaves = NULL;
}

// Whether a row is of an account that a client sent, and not of one that a plan made.
static bool is_sent_account(const struct machine *machine, const struct outcome *outcome)
{
    return outcome->kind == OUTCOME_ACCOUNT &&
           (outcome->result != OUTCOME_CREATED ||
            account_class(ledger_account(&machine->ledger, outcome->debit_row)) == 0);
}

// Indexes the rows [from, to) of one command whose events begin at `events`, which are at `place`
// in the log.
static void index_command(struct machine *machine, struct history_segment *segment, u64 from,
                          u64 to, const u8 *events, u64 place,
                          const struct ledger_resolved *resolved, u32 *next_resolved)
{
    const u16 resolving = TRANSFER_POST_PENDING | TRANSFER_VOID_PENDING;
    const u8 *body = events;
    struct transfer posting = {0}; // What a module's posting refers to, as a transfer says it.
    for (u64 row = from; row < to; row++) {
        u32 at = (u32)(row - segment->first_row);
        const struct outcome *outcome = &segment->live->rows[at];
        const void *record = NULL;
        u32 number = 0;
        if (LIKELY(outcome->kind == OUTCOME_TRANSFER) || is_sent_account(machine, outcome)) {
            record = events;
            events += sizeof(struct transfer);
        } else if (outcome->kind == OUTCOME_ACCOUNT) {
            record = ledger_account(&machine->ledger, outcome->debit_row);
        } else if (outcome->kind == OUTCOME_POSTING && outcome->result == OUTCOME_CREATED) {
            struct posting_references references = {0};
            if (outcome->flags & OUTCOME_REFERENCES) {
                memcpy(&references, body + (outcome_place(outcome) - place), sizeof references);
            }
            posting_refer(&posting, &references);
            record = &posting;
        }
        if (outcome_is_transfer(outcome)) {
            if (outcome->result != OUTCOME_CREATED) {
                if (!ledger_result_is_transient(outcome->result)) record = NULL;
            } else {
                if (outcome->flags & resolving) {
                    const struct transfer *item = &resolved->items[(*next_resolved)++];
                    // A module's refers to what its record does, not to what the hold did.
                    posting.pending_id = item->pending_id;
                    if (outcome->kind != OUTCOME_POSTING) record = item;
                }
                number = ledger_account(&machine->ledger, outcome->debit_row)->ledger;
            }
        }
        history_index_row(&machine->history, segment, at, record, number);
    }
}

void machine_index(struct machine *machine, struct machine_indexer *indexer,
                   const struct frame_view *frame, const struct applied_frame *applied)
{
    u32 count = frame->header->command_count;
    u32 next_resolved = 0;
    for (u32 i = 0; i < count; i++) {
        u64 end = i + 1 < count ? applied->commands[i + 1].first_row : applied->end_row;
        index_command(machine, applied->segment, applied->commands[i].first_row, end,
                      frame->bodies[i], frame->header->place + frame->commands[i].body_offset,
                      &applied->resolved, &next_resolved);
    }
    assert(next_resolved == applied->resolved.count);
    u64 rows = applied->end_row - applied->first_row;
    assert(rows <= HISTORY_FRAME_ROWS_MAX);
    if (rows > 0) {
        const struct outcome *first =
            &applied->segment->live->rows[applied->first_row - applied->segment->first_row];
        merkle_leaves(first, OUTCOME_LEAF_SIZE, sizeof *first, rows, indexer->leaves);
        struct digest root;
        merkle_root(indexer->leaves, rows, &root);
        const struct outcome_leaf leaf = {
            .root = root,
            .end_row = applied->end_row,
            .place = frame->header->place,
        };
        (void)outcome_edge_append(&indexer->outcomes, &leaf);
        outcome_tree_grow(&machine->history.tree, &indexer->outcomes);
    }
    indexer->sequence = frame->header->sequence;
    indexer->end_row = applied->end_row;
    merkle_range_root(&indexer->outcomes.range, machine_indexer_root(indexer, indexer->sequence));
}

// Every record that has a place in an order is in it, where it belongs, and nothing else is (M4).
static void orders_check(const struct module_tables *own, const struct module_table *description,
                         u32 table)
{
    for (u32 i = 0; i < MODULE_ORDERS_MAX; i++) {
        const struct module_order *order = description->orders[i];
        const struct btree *tree = &own->orders[table][i];
        u64 count = 0;
        if (order == NULL) continue;
        btree_check(tree);
        for (u64 row = 0; row < own->tables[table].count; row++) {
            count += has_place(order, table_record(&own->tables[table], row));
        }
        assert(tree->count == count);
        for (struct btree_cursor at = btree_first(tree); btree_row(tree, at) != BTREE_ROW_NONE;
             btree_next(tree, &at)) {
            const u32 row = btree_row(tree, at);
            assert(row < own->tables[table].count);
            assert(has_place(order, table_record(&own->tables[table], row)));
        }
    }
}

u64 machine_next_due(const struct machine *machine)
{
    return MIN(ledger_next_expiry(&machine->ledger), commit_next_due(machine));
}

u64 machine_next_tick(const struct machine *machine)
{
    const struct module_tables *jobs = &machine->module_tables[module_index(&job_module)];
    return jobs->orders[JOB_TABLE][JOB_ORDER_TURN].count > 0 ? 0 : machine_next_due(machine);
}

void machine_check(const struct machine *machine)
{
    ledger_check(&machine->ledger);
    sub_ledgers_check(machine);
    for (u32 i = 0; i < module_count; i++) {
        for (u32 j = 0; j < modules[i]->table_count; j++) {
            orders_check(&machine->module_tables[i], &modules[i]->tables[j], j);
        }
        const struct module_context context = commit_context(machine, modules[i]);
        if (modules[i]->check != NULL) modules[i]->check(&context);
    }
}
