// SPDX-License-Identifier: Apache-2.0
//
// Deciding and committing.
//
// The postings of a plan become one chain of linked transfers, so the ledger's own rules, order of
// checks and taking back serve plans as they serve clients. Everything else of a plan is checked
// for room before, so that nothing can fail behind the postings.
#include "machine/commit_internal.h"

#include "base/checksum.h"
#include "base/place.h"
#include "codec/record_binary.h"
#include "machine/create.h"
#include "modules/effect/effect.h"
#include "modules/principal/principal.h"

// A record is compared with an older one so many bytes at a time.
#define COMPARE_SIZE 4096u

struct module_context commit_context(const struct machine *machine, const struct module *module)
{
    return (struct module_context){
        .ledger = &machine->ledger,
        .turnovers = &machine->turnovers,
        .own = &machine->module_tables[module_index(module)],
        .all = machine->module_tables,
        .jobs = &machine->module_tables[module_index(&job_module)].tables[JOB_TABLE],
        .controls = &machine->sub_ledgers.table,
        .timestamp = machine->timestamp,
        .position = machine->position,
        .log_id = machine->log_id,
        .epoch = machine->epoch,
        .starts_armed = (machine->genesis.flags & GENESIS_ARMED) != 0,
    };
}

// --- notes --------------------------------------------------------------------------------------

static struct command_note *note_at(const struct machine *machine, u64 row)
{
    return (struct command_note *)machine->notes.memory + row;
}

static const struct command_note *note_find(const struct machine *machine, u128 command_id)
{
    struct index_cursor cursor;
    u64 hash = history_hash_id(&machine->history, command_id);
    for (u32 row = index_first(&machine->note_index, hash, &cursor); row != 0;
         row = index_next(&cursor)) {
        if (note_at(machine, row - 1)->command_id == command_id) return note_at(machine, row - 1);
    }
    return NULL;
}

// Keeps the note; the oldest one goes when there are too many.
static enum status note_keep(struct machine *machine, const struct command_note *note,
                             struct failure *failure)
{
    u64 row = machine->state.note_count++ % COMMAND_NOTES_MAX;
    if (row < machine->notes.count) {
        u64 hash = history_hash_id(&machine->history, note_at(machine, row)->command_id);
        index_remove(&machine->note_index, hash, (u32)row);
    } else {
        machine->notes.count = row + 1;
    }
    table_touch(&machine->notes, row);
    *note_at(machine, row) = *note;
    return index_insert(&machine->note_index, history_hash_id(&machine->history, note->command_id),
                        (u32)row, failure);
}

// --- plans --------------------------------------------------------------------------------------

static bool effects_fit(const struct machine *machine, const struct plan *plan)
{
    if (plan->effect_count == 0) return true;
    const struct module_context effects = commit_context(machine, &effect_module);
    return effect_has_room(&effects, plan->effect_count);
}

bool plan_fits(const struct machine *machine, const struct module *module, const struct plan *plan)
{
    const struct table *tables = machine->module_tables[module_index(module)].tables;
    u64 counts[MODULE_TABLES_MAX];
    for (u32 i = 0; i < module->table_count; i++) counts[i] = tables[i].count;
    for (u32 i = 0; i < plan->write_count; i++) {
        const struct plan_write *write = &plan->writes[i];
        assert(write->table < module->table_count);
        assert(write->size == module->tables[write->table].record_size);
        assert(write->row <= counts[write->table]);
        if (write->row < counts[write->table]) continue;
        if (counts[write->table]++ == tables[write->table].capacity) return false;
    }
    const struct plan_bulk *bulk = &plan->bulk;
    if (bulk->count > 0) {
        assert(bulk->table < module->table_count && bulk->first <= tables[bulk->table].count);
        assert(bulk->size == module->tables[bulk->table].record_size);
        assert(counts[bulk->table] == tables[bulk->table].count); // Nothing else is appended to it.
        if (bulk->first + bulk->count > tables[bulk->table].capacity) return false;
    }
    const struct table *jobs = &machine->module_tables[module_index(&job_module)].tables[JOB_TABLE];
    if (plan->has_job && plan->job.number > jobs->capacity) return false;
    u32 holds = 0;
    for (u32 i = 0; i < plan->posting_count; i++) {
        holds += (plan->postings[i].flags & TRANSFER_PENDING) != 0;
    }
    // What moves no account breaks no constraint: what time does must always fit.
    const bool may_breach =
        plan->is_fact && (plan->posting_count > 0 || plan->change.kind != LEDGER_CHANGE_NONE);
    const struct table *turnovers = &machine->turnovers.table;
    const u64 turned = (u64)plan->posting_count * TURNOVER_RECORDS_OF_POSTING;
    return ledger_has_room(&machine->ledger, plan->account_count, holds) &&
           turnovers->count + turned <= turnovers->capacity &&
           ledger_has_room_for_limits(&machine->ledger, plan->change.kind, may_breach,
                                      plan->shortfall_count) &&
           effects_fit(machine, plan) && sub_ledgers_have_room(&machine->sub_ledgers, plan);
}

static u128 posting_id(const struct machine *machine, const struct plan *plan,
                       const struct source *source, u32 i)
{
    if (plan->unique_id == 0) {
        return plan_posting_id(&machine->ledger, source->command_id, machine->position,
                               source->index * PLAN_POSTINGS_MAX + i);
    }
    return plan_unique_posting_id(&machine->ledger, source->module, plan->unique_id, i);
}

// The postings as a chain of transfers, in the machine's scratch.
static void chain_make(const struct machine *machine, const struct plan *plan,
                       const struct source *source)
{
    struct plan_chain *chain = machine->chain;
    for (u32 i = 0; i < plan->posting_count; i++) {
        const struct plan_posting *posting = &plan->postings[i];
        const struct account *debit = ledger_account(&machine->ledger, posting->debit_row);
        bool last = i + 1 == plan->posting_count;
        chain->rows[i] = (struct ledger_rows){.debit = posting->debit_row,
                                              .credit = posting->credit_row,
                                              .is_dated = posting->is_dated};
        assert(!posting->is_dated || plan->has_references);
        chain->transfers[i] = (struct transfer){
            .id = posting_id(machine, plan, source, i),
            .debit_account_id = debit->id,
            .credit_account_id = ledger_account(&machine->ledger, posting->credit_row)->id,
            .amount = posting->amount,
            .pending_id = posting->pending_id,
            .timeout = posting->timeout_s,
            .ledger = debit->ledger,
            .code = posting->code,
            .flags = (u16)(posting->flags | (last ? 0 : TRANSFER_LINKED)),
        };
    }
}

// Posts the plan. `*refused` names the first posting that the ledger refuses, or is the count;
// `refusal` tells more when all of them together are refused.
static enum status postings_apply(struct machine *machine, const struct plan *plan,
                                  const struct source *source, struct applied_frame *frame,
                                  struct applied_command *applied, u32 *refused,
                                  struct ledger_refusal *refusal, struct failure *failure)
{
    *refused = plan->posting_count;
    *refusal = (struct ledger_refusal){.posting = U32_MAX, .constraint = U32_MAX};
    chain_make(machine, plan, source);
    applied->timestamp += plan->posting_count;
    const struct ledger_batch batch = {
        .events = machine->chain->transfers,
        .count = plan->posting_count,
        .timestamp = applied->timestamp,
        .place = source->place,
        .results = machine->results,
        .resolved = &frame->resolved,
        .owner_class = source->owner_class,
        .rows = machine->chain->rows,
        .has_references = plan->has_references,
        .is_fact = plan->is_fact,
        .refusal = refusal,
    };
    enum status status = ledger_create_transfers(&machine->ledger, &batch, failure);
    for (u32 i = 0; i < plan->posting_count && status == STATUS_OK; i++) {
        u32 result = machine->results[i].status;
        if (result == (u32)CREATE_TRANSFER_CREATED) continue;
        if (result == (u32)CREATE_TRANSFER_LINKED_EVENT_FAILED) continue; // By another's fault.
        *refused = i;
        break;
    }
    return status;
}

// Whether a record stays where it is in an order when it becomes another one.
static bool keeps_place(const struct module_order *order, const void *before, const void *after)
{
    if (order->has != NULL && (!order->has(before) || !order->has(after))) return false;
    if (order->order.head(before) != order->order.head(after)) return false;
    return order->order.compare == NULL || order->order.compare(before, after) == 0;
}

enum status record_write(struct machine *machine, const struct module *module, u32 number, u64 row,
                         const void *image, struct failure *failure)
{
    struct module_tables *own = &machine->module_tables[module_index(module)];
    const struct module_table *description = &module->tables[number];
    struct btree *trees = own->orders[number];
    struct table *table = &own->tables[number];
    const bool is_new = row == table->count;
    if (is_new) table->count++;
    table_touch(table, row);
    void *record = table_record(table, row);
    assert(is_new || !description->keyed || load_u128(record) == load_u128(image));
    bool moves[MODULE_ORDERS_MAX] = {false};
    for (u32 i = 0; i < MODULE_ORDERS_MAX && description->orders[i] != NULL; i++) {
        const struct module_order *order = description->orders[i];
        moves[i] = is_new || !keeps_place(order, record, image);
        const bool was = !is_new && (order->has == NULL || order->has(record));
        if (moves[i] && was) btree_remove(&trees[i], (u32)row);
    }
    memcpy(record, image, description->record_size);
    for (u32 i = 0; i < MODULE_ORDERS_MAX && description->orders[i] != NULL; i++) {
        const struct module_order *order = description->orders[i];
        const bool is = order->has == NULL || order->has(record);
        if (moves[i] && is) btree_insert(&trees[i], (u32)row);
    }
    if (!is_new || !description->keyed) return STATUS_OK;
    return index_insert(&own->indexes[number], module_key_hash(&machine->ledger, load_u128(record)),
                        (u32)row, failure);
}

static enum status writes_apply(struct machine *machine, const struct module *module,
                                const struct plan *plan, struct failure *failure)
{
    const struct plan_bulk *bulk = &plan->bulk;
    enum status status = STATUS_OK;
    for (u32 i = 0; i < plan->write_count && status == STATUS_OK; i++) {
        const struct plan_write *write = &plan->writes[i];
        status = record_write(machine, module, write->table, write->row, write->record, failure);
    }
    for (u32 i = 0; i < bulk->count && status == STATUS_OK; i++) {
        status = record_write(machine, module, bulk->table, bulk->first + i,
                              bulk->records + (size_t)i * bulk->size, failure);
    }
    if (!plan->has_job || status != STATUS_OK) return status;
    return record_write(machine, &job_module, JOB_TABLE, plan->job.number - 1, &plan->job, failure);
}

// Counts what was posted, not what is held.
static enum status turnovers_apply(struct machine *machine, const struct plan *plan,
                                   struct failure *failure)
{
    const u16 holds_or_voids = TRANSFER_PENDING | TRANSFER_VOID_PENDING;
    enum status status = STATUS_OK;
    for (u32 i = 0; i < plan->posting_count && status == STATUS_OK; i++) {
        const struct plan_posting *posting = &plan->postings[i];
        if (posting->day == 0 || (posting->flags & holds_or_voids) != 0) continue;
        assert((posting->flags & (TRANSFER_BALANCING_DEBIT | TRANSFER_BALANCING_CREDIT)) == 0);
        status = turnover_add(&machine->turnovers, &machine->ledger, posting->debit_row,
                              posting->credit_row, posting->amount, posting->day, failure);
    }
    return status;
}

// Makes the accounts; nothing refuses one, since the module has looked.
static enum status accounts_apply(struct machine *machine, const struct plan *plan,
                                  const struct source *source, struct applied_command *applied,
                                  struct failure *failure)
{
    applied->timestamp += plan->account_count;
    const struct ledger_batch batch = {
        .events = plan->accounts,
        .count = plan->account_count,
        .timestamp = applied->timestamp,
        .place = source->place,
        .results = machine->results,
        .owner_class = source->owner_class,
    };
    enum status status = ledger_create_accounts(&machine->ledger, &batch, failure);
    for (u32 i = 0; i < plan->account_count && status == STATUS_OK; i++) {
        assert(machine->results[i].status == (u32)CREATE_ACCOUNT_CREATED);
    }
    return status;
}

// Does the plan's change of cells or constraints, and notes what could not be posted where it
// belongs.
static enum status limits_apply(struct machine *machine, const struct plan *plan, u64 timestamp,
                                struct ledger_refusal *refusal, struct failure *failure)
{
    struct ledger *ledger = &machine->ledger;
    enum status status = STATUS_OK;
    if (plan->change.kind != LEDGER_CHANGE_NONE) {
        assert(plan->posting_count == 0 || plan->change.kind == LEDGER_CHANGE_BREACH_SETTLE);
        status =
            ledger_change_apply(ledger, &plan->change, plan->is_fact, timestamp, refusal, failure);
    }
    for (u32 i = 0; i < plan->shortfall_count && status == STATUS_OK; i++) {
        const struct plan_shortfall *shortfall = &plan->shortfalls[i];
        status = ledger_shortfall(ledger, shortfall->account_row, shortfall->amount,
                                  shortfall->value, timestamp, failure);
    }
    return status;
}

// The effects become records of the effect module.
static enum status effects_apply(struct machine *machine, const struct module *module,
                                 const struct plan *plan, u64 timestamp, struct failure *failure)
{
    struct module_context effects = commit_context(machine, &effect_module);
    enum status status = STATUS_OK;
    effects.timestamp = timestamp;
    for (u32 i = 0; i < plan->effect_count && status == STATUS_OK; i++) {
        struct plan_write effect = {.table = EFFECT_TABLE_EFFECTS, .size = sizeof(struct effect)};
        struct plan_write gate = {.table = EFFECT_TABLE_GATE, .size = sizeof(struct effect_gate)};
        effect_make(&effects, EFFECT_KIND(module->number, plan->effects[i].kind),
                    plan->effects[i].body, (void *)effect.record, &effect.row, (void *)gate.record);
        status =
            record_write(machine, &effect_module, effect.table, effect.row, effect.record, failure);
        if (status != STATUS_OK) break;
        status = record_write(machine, &effect_module, gate.table, gate.row, gate.record, failure);
    }
    return status;
}

// Whether the ledger knows a transfer of this id.
static bool is_existing(u32 result)
{
    switch ((enum create_transfer_result)result) {
    case CREATE_TRANSFER_EXISTS:
    case CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_FLAGS:
    case CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_PENDING_ID:
    case CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_TIMEOUT:
    case CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID:
    case CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID:
    case CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_AMOUNT:
    case CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_USER_DATA_128:
    case CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_USER_DATA_64:
    case CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_USER_DATA_32:
    case CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_LEDGER:
    case CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_CODE: return true;
    default: return false;
    }
}

// The row that tells what became of the record whose first posting is `id`: it stands behind the
// postings. `*row` is it plus one, or 0 when no such record was carried out.
static enum status record_row(struct machine *machine, const struct history_set *set, u128 id,
                              u64 *row, struct outcome *outcome, struct failure *failure)
{
    struct history *history = &machine->history;
    enum status status = history_find_row(history, set, id, history_hash_id(history, id),
                                          history->next_row, row, failure);
    if (status != STATUS_OK || *row == 0) return status;
    do {
        assert(*row < history->next_row);
        status = history_row(history, set, (*row)++, outcome, failure);
    } while (status == STATUS_OK && outcome->kind != OUTCOME_COMMAND);
    return status;
}

// Whether the record that a row tells of, which has this id, is this very one. Nothing behind it is
// read: its frame may be the last one, and still be on its way. STATUS_CORRUPT when the log does
// not have it where it was.
static enum status record_is_same(struct machine *machine, const struct plan *plan,
                                  const struct source *source, const struct outcome *outcome,
                                  bool *same, struct failure *failure)
{
    const struct history_log *log = &machine->history.log;
    const struct schema_record *record = module_record_of(outcome->code);
    const u64 place = outcome_place(outcome);
    u8 before[COMPARE_SIZE];
    assert(record != NULL && record->size >= sizeof(u128) && record->size <= sizeof before);
    enum status status = log->read(log->context, place, before, record->size, failure);
    if (status != STATUS_OK) return status;
    if (load_u128(before) != plan->unique_id) {
        return failure_set(failure, STATUS_CORRUPT, "the request at %s is not the one of its row",
                           place_text(place).text);
    }
    *same = outcome->code == source->number && record_binary_size(record, before) == source->size;
    for (u64 at = 0; *same && at < source->size;) {
        const u32 size = (u32)MIN(sizeof before, source->size - at);
        status = log->read(log->context, place + at, before, size, failure);
        if (status != STATUS_OK) return status;
        *same = memcmp(before, source->record + at, size) == 0;
        at += size;
    }
    return STATUS_OK;
}

enum status exists_tell(struct machine *machine, const struct plan *plan,
                        const struct source *source, struct command_reply *reply,
                        struct failure *failure)
{
    struct history_set *set = history_set_acquire(&machine->history);
    struct outcome outcome = {0};
    u64 row = 0;
    enum status status =
        record_row(machine, set, posting_id(machine, plan, source, 0), &row, &outcome, failure);
    history_set_release(&machine->history, set);
    if (status != STATUS_OK || row == 0) return status;
    bool same = false;
    status = record_is_same(machine, plan, source, &outcome, &same, failure);
    reply->result = same ? MODULE_EXISTS : MODULE_EXISTS_WITH_DIFFERENT_CONTENT;
    reply->evidence[0] = plan->unique_id;
    reply->evidence[1] = outcome.timestamp;
    return status;
}

enum status plan_commit(struct machine *machine, const struct module *module,
                        const struct plan *plan, const struct source *source,
                        struct command_reply *reply, struct applied_frame *frame,
                        struct applied_command *applied, struct failure *failure)
{
    if (!plan_fits(machine, module, plan)) {
        reply->result = MODULE_FULL;
        return STATUS_OK;
    }
    if (!sub_ledgers_prepare(machine, module, plan, reply->evidence)) {
        reply->result = MODULE_SUB_LEDGER_BROKEN;
        return STATUS_OK;
    }
    u32 refused = 0;
    struct ledger_refusal refusal;
    enum status status =
        postings_apply(machine, plan, source, frame, applied, &refused, &refusal, failure);
    if (status != STATUS_OK) return status;
    if (plan->unique_id != 0 && is_existing(machine->results[0].status)) {
        status = exists_tell(machine, plan, source, reply, failure);
        assert(status != STATUS_OK || reply->result != MODULE_DONE);
        return status;
    }
    if (refused < plan->posting_count) {
        reply->result = MODULE_POSTING_REFUSED;
        reply->posting = refused;
        reply->posting_result = machine->results[refused].status;
        reply->evidence[0] = plan->postings[refused].amount;
        if (refused == refusal.posting) {
            reply->evidence[0] = refusal.value;
            reply->evidence[1] = refusal.limit;
        }
        return STATUS_OK;
    }
    if (refusal.constraint == U32_MAX) {
        status = limits_apply(machine, plan, applied->timestamp, &refusal, failure);
    }
    if (status != STATUS_OK) return status;
    if (refusal.constraint != U32_MAX) {
        reply->result = MODULE_CONSTRAINT_BROKEN;
        reply->posting = ledger_constraint(&machine->ledger, refusal.constraint)->number;
        reply->evidence[0] = refusal.value;
        reply->evidence[1] = refusal.limit;
        return STATUS_OK;
    }
    status = turnovers_apply(machine, plan, failure);
    if (status != STATUS_OK) return status;
    status = accounts_apply(machine, plan, source, applied, failure);
    if (status == STATUS_OK) status = sub_ledgers_apply(machine, module, plan, failure);
    if (status == STATUS_OK) status = writes_apply(machine, module, plan, failure);
    if (status != STATUS_OK) return status;
    return effects_apply(machine, module, plan, applied->timestamp, failure);
}

// --- commands -----------------------------------------------------------------------------------

static bool is_enabled(const struct machine *machine, const struct module *module)
{
    return (machine->genesis.flags & GENESIS_SAMPLE) != 0 || !module->is_for_tests;
}

static void reply_add(struct applied_command *applied, const struct command_reply *reply)
{
    if (applied->reply == NULL) return;
    assert(applied->reply_size + sizeof *reply <= COMPAT_BODY_SIZE_MAX);
    memcpy(applied->reply + applied->reply_size, reply, sizeof *reply);
    applied->reply_size += (u32)sizeof *reply;
}

// Leaves what became of a record: a row, and a second one for the evidence of a refusal.
static void reply_keep(struct machine *machine, const struct frame_command *command,
                       const struct source *source, const struct command_reply *reply)
{
    struct outcome *outcome = history_append(&machine->history);
    *outcome = (struct outcome){
        .id = source->command_id,
        .amount = source->index,
        .timestamp = reply->timestamp,
        .debit_row = U32_MAX,
        .credit_row = U32_MAX,
        .code = command->record,
        .kind = OUTCOME_COMMAND,
        .result = reply->result == MODULE_DONE ? OUTCOME_CREATED : (u8)reply->result,
    };
    outcome_set_place(outcome, source->place);
    if (reply->result == MODULE_DONE) return;
    struct outcome *evidence = history_append(&machine->history);
    *evidence = (struct outcome){
        .id = reply->evidence[0],
        .amount = reply->evidence[1],
        .timestamp = reply->timestamp,
        .debit_row = reply->posting,
        .credit_row = reply->posting_result,
        .kind = OUTCOME_EVIDENCE,
        .result = OUTCOME_CREATED,
    };
}

// Writes the replies of a command again, from its rows.
static enum status replies_again(struct machine *machine, const struct command_note *note,
                                 struct applied_command *applied, struct failure *failure)
{
    if (applied->reply == NULL) return STATUS_OK;
    if (note->has_results) {
        const u32 count = note->body_size / (u32)sizeof(struct transfer);
        applied->has_results = true;
        applied->reply_size = count * (u32)sizeof(struct create_result);
        return create_results_again(machine, note->first_row, count, (void *)applied->reply,
                                    failure);
    }
    struct history_set *set = history_set_acquire(&machine->history);
    enum status status = STATUS_OK;
    for (u64 row = note->first_row; row < note->end_row && status == STATUS_OK; row++) {
        struct outcome outcome;
        struct outcome evidence = {0};
        status = history_row(&machine->history, set, row, &outcome, failure);
        if (status != STATUS_OK || outcome.kind != OUTCOME_COMMAND) continue;
        bool done = outcome.result == OUTCOME_CREATED;
        if (!done) status = history_row(&machine->history, set, ++row, &evidence, failure);
        const struct command_reply reply = {
            .result = done ? MODULE_DONE : outcome.result,
            .posting = evidence.debit_row,
            .posting_result = evidence.credit_row,
            .position = note->position,
            .timestamp = outcome.timestamp,
            .evidence = {evidence.id, evidence.amount},
        };
        reply_add(applied, &reply);
    }
    history_set_release(&machine->history, set);
    return status;
}

static const struct schema_record *record_find(const struct machine *machine, u32 number,
                                               enum record_kind kind)
{
    const struct module *module = module_of_record(number);
    if (module == NULL || !is_enabled(machine, module)) return NULL;
    const struct schema_record *record = schema_find_record_number(module->schema, number);
    return record != NULL && record->kind == kind ? record : NULL;
}

const struct schema_record *commit_record(const struct machine *machine, u32 number)
{
    return record_find(machine, number, RECORD_COMMAND);
}

const struct schema_record *commit_question(const struct machine *machine, u32 number)
{
    return record_find(machine, number, RECORD_QUERY);
}

bool commit_looks(const struct schema_record *question)
{
    return module_of_record(question->number)->look != NULL;
}

u32 commit_ask(const struct machine *machine, const struct schema_record *question,
               const void *body, struct module_answer *answer)
{
    const struct module *module = module_of_record(question->number);
    const struct module_context context = commit_context(machine, module);
    answer->is_unfinished = false;
    assert(module->ask != NULL); // Who describes a question answers it.
    u32 result = module->ask(&context, question, body, answer);
    // What the description says of the views is what others read them by.
    assert(answer->count == 0 || question->views == NULL ||
           answer->record == schema_record_views(question));
    if (answer->position <= machine->position && answer->time <= machine->timestamp) return result;
    assert(result == MODULE_DONE && answer->looks); // Else nothing was asked of history.
    const bool by_position = answer->position > machine->position;
    answer->evidence[0] = by_position ? answer->position : answer->time;
    answer->evidence[1] = by_position ? machine->position : machine->timestamp;
    return MODULE_IN_THE_FUTURE;
}

enum status commit_check(const struct schema_record *record, const u8 *body, u32 size, u32 count,
                         struct failure *failure)
{
    u64 at = 0;
    for (u32 i = 0; i < count; i++) {
        u64 left = size - at;
        u64 own = left < record->size ? 0 : record_binary_size(record, body + at);
        if (own == 0 || own > left) {
            return failure_set(failure, STATUS_INVALID, "record %u: ends behind the body", i);
        }
        enum status status = record_binary_check(record, body + at, own, failure);
        if (status != STATUS_OK) return failure_wrap(failure, "record %u", i);
        at = MIN(align_up(at + own, COMMAND_RECORD_ALIGNMENT), size);
    }
    if (count > 0 && count <= COMMAND_RECORDS_MAX && at == size) return STATUS_OK;
    if (count > COMMAND_RECORDS_MAX) {
        return failure_set(failure, STATUS_INVALID, "%u records; a command has %u at most", count,
                           COMMAND_RECORDS_MAX);
    }
    return failure_set(failure, STATUS_INVALID, "%u records end at byte %llu of %u", count,
                       (unsigned long long)at, size);
}

enum status commit_command_check(const struct machine *machine, u32 number, const u8 *body,
                                 u32 size, u32 count, struct failure *failure)
{
    const struct compat_operation *raw = compat_of_record(number);
    if (raw != NULL) {
        if (count > 0 && count <= LEDGER_BATCH_EVENTS_MAX && size == count * raw->event_size) {
            return STATUS_OK;
        }
        return failure_set(failure, STATUS_INVALID,
                           "%u records in %u bytes; 1 to %u of %u bytes each are expected", count,
                           size, LEDGER_BATCH_EVENTS_MAX, raw->event_size);
    }
    const struct schema_record *record = commit_record(machine, number);
    if (record != NULL && command_rows_max(record, count, size) > HISTORY_COMMANDS_ROWS_MAX) {
        return failure_set(failure, STATUS_INVALID,
                           "%u records, each of which may post %u times: too much for one command",
                           count, record->postings_max);
    }
    if (record != NULL) return commit_check(record, body, size, count, failure);
    return failure_set(failure, STATUS_NOT_FOUND, "no module of this log knows the record");
}

// Tells the module that planned an effect of its end, and commits what it plans then, or says in
// the reply why not.
static enum status settled_tell(struct machine *machine, const struct module_context *context,
                                const struct effect *effect, u64 postings_max,
                                const struct source *source, struct command_reply *reply,
                                struct applied_frame *frame, struct applied_command *applied,
                                struct failure *failure)
{
    const struct module *planner = module_of_record(effect->kind >> 16 << 8);
    assert(planner != NULL && planner != &effect_module); // Its own records are in another plan.
    if (planner->settled == NULL) return STATUS_OK;
    const struct module_context own = module_context_of(context, planner);
    struct source told = *source;
    told.module = planner->number;
    told.owner_class = planner->account_class;
    struct plan *plan = machine->settled_plan;
    plan_clear(plan);
    planner->settled(&own, effect, plan);
    if (context->facts->status != STATUS_OK) return context->facts->status;
    plan->is_fact = true;
    assert(plan->unique_id == 0 && plan->settled == NULL && plan->posting_count <= postings_max);
    return plan_commit(machine, planner, plan, &told, reply, frame, applied, failure);
}

// Decides one record.
static enum status record_decide(struct machine *machine, const struct frame_command *command,
                                 const struct schema_record *record, const u8 *body,
                                 const struct source *source, struct command_reply *reply,
                                 struct applied_frame *frame, struct applied_command *applied,
                                 struct failure *failure)
{
    const struct module *module = module_of_record(command->record);
    struct module_context context = commit_context(machine, module);
    context.timestamp = applied->timestamp;
    context.principal = command->principal;
    context.command_id = command->command_id;
    context.place = source->place;
    struct plan *plan = machine->plan;
    struct module_facts facts = {.failure = failure};
    context.facts = &facts;
    plan_clear(plan);
    reply->result = module->decide(&context, record, body, plan);
    if (facts.status != STATUS_OK) return facts.status;
    if (reply->result != MODULE_DONE) {
        memcpy(reply->evidence, plan->evidence, sizeof reply->evidence);
        if (plan->unique_id == 0) return STATUS_OK;
        return exists_tell(machine, plan, source, reply, failure);
    }
    const u64 by_size = MAX(record_binary_size(record, body) / COMMAND_POSTING_BYTES, (u64)1);
    const u64 postings_max = MAX(by_size, (u64)record->postings_max);
    assert(plan->posting_count <= postings_max);
    plan->is_fact |= source->is_fact;
    if (plan->settled != NULL) {
        // First what may be refused; a plan of the effect module never is.
        assert(plan->posting_count == 0 && plan->account_count == 0 && plan->effect_count == 0);
        enum status status = settled_tell(machine, &context, plan->settled, postings_max, source,
                                          reply, frame, applied, failure);
        if (status != STATUS_OK || reply->result != MODULE_DONE) return status;
        status = plan_commit(machine, module, plan, source, reply, frame, applied, failure);
        assert(status != STATUS_OK || reply->result == MODULE_DONE);
        return status;
    }
    return plan_commit(machine, module, plan, source, reply, frame, applied, failure);
}

// Why a new command is not decided, or MODULE_DONE.
static u32 whole_refusal(const struct machine *machine, const struct frame_command *command,
                         const u8 *body, const struct applied_command *applied)
{
    struct failure failure;
    // The port knows who is closed; this one was on its way before it did (L11).
    struct module_context context = commit_context(machine, &principal_module);
    context.timestamp = applied->timestamp;
    if (principal_is_closed(&context, command->principal)) return MODULE_PRINCIPAL_CLOSED;
    if (command->through == COMMAND_THROUGH_DELEGATE &&
        !principal_acts_for(&context, command->session, command->principal)) {
        return MODULE_NOT_DELEGATED;
    }
    // Raw accounts are no import's business.
    if (compat_of_record(command->record) == NULL && commit_holds_up(machine)) {
        return MODULE_HELD_UP;
    }
    switch (commit_command_check(machine, command->record, body, command->body_size, command->count,
                                 &failure)) {
    case STATUS_OK: break;
    case STATUS_NOT_FOUND: return MODULE_UNKNOWN;
    default: return MODULE_MALFORMED;
    }
    const bool is_late = command->expires_at != 0 && applied->timestamp >= command->expires_at;
    return is_late ? MODULE_EXPIRED : MODULE_DONE;
}

// Decides a command of raw accounts or transfers.
static enum status raw_decide(struct machine *machine, const struct frame_command *command,
                              const struct compat_operation *raw, const u8 *body, u64 place,
                              struct applied_frame *frame, struct applied_command *applied,
                              struct failure *failure)
{
    struct compat_batches batches;
    const bool is_whole = compat_decode(raw, body, command->body_size, &batches);
    assert(is_whole && batches.event_count == command->count);
    applied->has_results = true;
    return create_apply(machine, raw, &batches, place, frame, applied, failure);
}

// Decides the records of a new command, one after the other; one that is refused whole is answered
// as if it were one record.
static enum status records_decide(struct machine *machine, const struct frame_command *command,
                                  u32 refusal, const u8 *body, u64 place,
                                  struct applied_frame *frame, struct applied_command *applied,
                                  struct failure *failure)
{
    const struct schema_record *record = commit_record(machine, command->record);
    u32 count = refusal == MODULE_DONE ? command->count : 1;
    u64 at = 0;
    for (u32 i = 0; i < count; i++) {
        const struct source source = {
            .command_id = command->command_id,
            .place = place + at,
            .index = i,
            .record = body + at,
            .size = refusal == MODULE_DONE ? (u32)record_binary_size(record, body + at) : 0,
            .number = command->record,
            .module = command->record >> 8,
            .owner_class = record == NULL ? 0 : module_of_record(command->record)->account_class,
        };
        struct command_reply reply = {.result = refusal, .position = applied->position};
        if (i > 0) applied->timestamp++;
        if (refusal == MODULE_DONE) {
            enum status status = record_decide(machine, command, record, body + at, &source, &reply,
                                               frame, applied, failure);
            if (status != STATUS_OK) return status;
            at = align_up(at + source.size, COMMAND_RECORD_ALIGNMENT);
        }
        reply.timestamp = applied->timestamp;
        reply_keep(machine, command, &source, &reply);
        reply_add(applied, &reply);
    }
    return STATUS_OK;
}

enum status commit_row(struct machine *machine, u32 record, u64 principal,
                       const struct source *source, struct command_reply *reply,
                       struct applied_frame *frame, struct applied_command *applied,
                       struct failure *failure)
{
    const struct frame_command command = {
        .record = (u16)record, .principal = principal, .command_id = source->command_id};
    enum status status = record_decide(machine, &command, module_record_of(record), source->record,
                                       source, reply, frame, applied, failure);
    reply->timestamp = applied->timestamp;
    if (status == STATUS_OK) reply_keep(machine, &command, source, reply);
    return status;
}

enum status commit_command(struct machine *machine, const struct frame_command *command,
                           const u8 *body, u64 place, struct applied_frame *frame,
                           struct applied_command *applied, struct failure *failure)
{
    struct command_note note = {
        .command_id = command->command_id,
        .content = checksum(body, command->body_size),
        .position = applied->position,
        .principal = command->principal,
        .first_row = machine->history.next_row,
        .record = command->record,
        .body_size = command->body_size,
    };
    const struct command_note *before = note_find(machine, command->command_id);
    if (before != NULL) { // P2
        if (before->content == note.content && before->body_size == note.body_size &&
            before->record == note.record && before->principal == note.principal) {
            return replies_again(machine, before, applied, failure);
        }
        const struct command_reply reply = {.result = MODULE_REUSED,
                                            .position = applied->position,
                                            .timestamp = applied->timestamp};
        reply_add(applied, &reply);
        return STATUS_OK;
    }
    const struct compat_operation *raw = compat_of_record(command->record);
    const u32 refusal = whole_refusal(machine, command, body, applied);
    note.has_results = raw != NULL && refusal == MODULE_DONE;
    enum status status =
        note.has_results
            ? raw_decide(machine, command, raw, body, place, frame, applied, failure)
            : records_decide(machine, command, refusal, body, place, frame, applied, failure);
    if (status != STATUS_OK) return status;
    note.timestamp = applied->timestamp;
    note.end_row = machine->history.next_row;
    return note_keep(machine, &note, failure);
}

enum status commit_pulse(struct machine *machine, u64 place, struct applied_frame *frame,
                         struct applied_command *applied, struct failure *failure)
{
    for (u32 i = 0; i < module_count; i++) {
        if (modules[i]->pulse == NULL || !is_enabled(machine, modules[i])) continue;
        struct module_context context = commit_context(machine, modules[i]);
        context.timestamp = applied->timestamp;
        struct plan *plan = machine->plan;
        plan_clear(plan);
        if (!modules[i]->pulse(&context, plan)) continue;
        plan->is_fact = true;
        const struct source source = {.command_id = modules[i]->number,
                                      .place = place,
                                      .module = modules[i]->number,
                                      .owner_class = modules[i]->account_class};
        struct command_reply reply = {0};
        enum status status =
            plan_commit(machine, modules[i], plan, &source, &reply, frame, applied, failure);
        if (status != STATUS_OK) return status;
        // What is due is a fact: a module plans it so that it cannot be refused.
        assert(reply.result == MODULE_DONE);
    }
    return STATUS_OK;
}

u64 commit_next_due(const struct machine *machine)
{
    const struct module_context effects = commit_context(machine, &effect_module);
    return effect_next_due(&effects);
}
