// SPDX-License-Identifier: Apache-2.0
//
// Deciding and committing.
//
// The postings of a plan become one chain of linked transfers, so the ledger's own rules, order of
// checks and taking back serve plans as they serve clients. Everything else of a plan is checked
// for room before, so that nothing can fail behind the postings.
#include "machine/commit.h"

#include "codec/record_binary.h"

#define REPLY_SIZE sizeof(struct command_reply)

static u32 module_index(const struct module *module)
{
    u32 index = 0;
    while (modules[index] != module) index++;
    return index;
}

struct module_context commit_context(const struct machine *machine, const struct module *module)
{
    return (struct module_context){
        .ledger = &machine->ledger,
        .tables = machine->module_tables[module_index(module)],
        .timestamp = machine->timestamp,
        .position = machine->position,
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

static void content_of(const struct frame_command *command, const u8 *body, u8 out[16])
{
    struct sha256_state state;
    struct digest digest;
    const u64 head[2] = {command->record, command->principal};
    sha256_begin(&state);
    sha256_update(&state, head, sizeof head);
    sha256_update(&state, body, command->body_size);
    sha256_end(&state, &digest);
    memcpy(out, digest.bytes, 16);
}

// --- plans --------------------------------------------------------------------------------------

static bool plan_fits(const struct machine *machine, const struct module *module,
                      const struct plan *plan)
{
    const struct table *tables = machine->module_tables[module_index(module)];
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
    return machine->effects.count + plan->effect_count <= machine->effects.capacity;
}

// The postings as a chain of transfers, in the machine's scratch.
static void chain_make(const struct machine *machine, const struct plan *plan, u128 command_id)
{
    for (u32 i = 0; i < plan->posting_count; i++) {
        const struct plan_posting *posting = &plan->postings[i];
        const struct account *debit = ledger_account(&machine->ledger, posting->debit_row);
        bool last = i + 1 == plan->posting_count;
        machine->postings[i] = (struct transfer){
            .id = plan_posting_id(&machine->ledger, command_id, machine->position, i),
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

// Posts the plan. `*refused` names the first posting that the ledger refuses, or is the count.
static enum status postings_apply(struct machine *machine, const struct plan *plan, u128 command_id,
                                  u64 place, struct applied_frame *frame,
                                  struct applied_command *applied, u32 *refused,
                                  struct failure *failure)
{
    *refused = plan->posting_count;
    if (plan->posting_count == 0) return STATUS_OK;
    chain_make(machine, plan, command_id);
    applied->timestamp += plan->posting_count;
    const struct ledger_batch batch = {
        .events = machine->postings,
        .count = plan->posting_count,
        .timestamp = applied->timestamp,
        .place = place,
        .results = machine->results,
        .resolved = &frame->resolved,
        .planned = true,
    };
    enum status status = ledger_create_transfers(&machine->ledger, &batch, failure);
    for (u32 i = 0; i < plan->posting_count && status == STATUS_OK; i++) {
        u32 result = machine->results[i].status;
        if (result == (u32)CREATE_TRANSFER_CREATED) continue;
        if (result == (u32)CREATE_TRANSFER_LINKED_EVENT_FAILED) continue;
        *refused = i;
        break;
    }
    return status;
}

static void writes_apply(struct machine *machine, const struct module *module,
                         const struct plan *plan)
{
    struct table *tables = machine->module_tables[module_index(module)];
    for (u32 i = 0; i < plan->write_count; i++) {
        const struct plan_write *write = &plan->writes[i];
        struct table *table = &tables[write->table];
        if (write->row == table->count) table->count++;
        table_touch(table, write->row);
        memcpy(table_record(table, write->row), write->record, write->size);
    }
}

static void effects_apply(struct machine *machine, const struct module *module,
                          const struct plan *plan, u64 timestamp)
{
    for (u32 i = 0; i < plan->effect_count; i++) {
        u64 row = machine->effects.count++;
        table_touch(&machine->effects, row);
        struct effect *effect = table_record(&machine->effects, row);
        *effect = (struct effect){
            .number = row + 1,
            .position = machine->position,
            .timestamp = timestamp,
            .module = module->number,
            .kind = plan->effects[i].kind,
            .status = EFFECT_PENDING,
        };
        memcpy(effect->body, plan->effects[i].body, sizeof effect->body);
    }
}

// Commits a plan whole (P1), or says in the note why not.
static enum status plan_commit(struct machine *machine, const struct module *module,
                               const struct plan *plan, struct command_note *note, u64 place,
                               struct applied_frame *frame, struct applied_command *applied,
                               struct failure *failure)
{
    if (!plan_fits(machine, module, plan)) {
        note->result = MODULE_FULL;
        return STATUS_OK;
    }
    u32 refused = 0;
    enum status status =
        postings_apply(machine, plan, note->command_id, place, frame, applied, &refused, failure);
    if (status != STATUS_OK) return status;
    if (refused < plan->posting_count) {
        note->result = MODULE_POSTING_REFUSED;
        note->posting = refused;
        note->posting_result = machine->results[refused].status;
        note->evidence[0] = plan->postings[refused].amount;
        return STATUS_OK;
    }
    writes_apply(machine, module, plan);
    effects_apply(machine, module, plan, applied->timestamp);
    return STATUS_OK;
}

// --- commands -----------------------------------------------------------------------------------

static bool is_enabled(const struct machine *machine, const struct module *module)
{
    return (machine->genesis.flags & GENESIS_SAMPLE) != 0 || module != &sample_module;
}

static void reply_write(struct applied_command *applied, const struct command_note *note)
{
    if (applied->reply == NULL) return;
    const struct command_reply reply = {
        .result = note->result,
        .posting = note->posting,
        .posting_result = note->posting_result,
        .position = note->position,
        .timestamp = note->timestamp,
        .evidence = {note->evidence[0], note->evidence[1]},
    };
    memcpy(applied->reply, &reply, REPLY_SIZE);
    applied->reply_size = REPLY_SIZE;
}

static void command_outcome(struct machine *machine, const struct command_note *note, u64 place)
{
    struct outcome *outcome = history_append(&machine->history);
    *outcome = (struct outcome){
        .id = note->command_id,
        .timestamp = note->timestamp,
        .debit_row = U32_MAX,
        .credit_row = U32_MAX,
        .code = (u16)note->record,
        .kind = OUTCOME_COMMAND,
        .result = note->result == MODULE_DONE ? OUTCOME_CREATED : (u8)note->result,
    };
    outcome_set_place(outcome, place);
}

// Decides a new command and fills the note.
static enum status command_decide(struct machine *machine, const struct frame_command *command,
                                  const u8 *body, u64 place, struct applied_frame *frame,
                                  struct applied_command *applied, struct command_note *note,
                                  struct failure *failure)
{
    const struct module *module = module_of_record(command->record);
    const struct schema_record *record =
        module == NULL ? NULL : schema_find_record_number(module->schema, command->record);
    if (record == NULL || record->kind != RECORD_COMMAND || !is_enabled(machine, module)) {
        note->result = MODULE_UNKNOWN;
        return STATUS_OK;
    }
    struct failure malformed;
    if (record_binary_check(record, body, command->body_size, &malformed) != STATUS_OK) {
        note->result = MODULE_MALFORMED;
        return STATUS_OK;
    }
    struct module_context context = commit_context(machine, module);
    context.timestamp = applied->timestamp;
    context.principal = command->principal;
    context.command_id = command->command_id;
    struct plan *plan = machine->plan;
    *plan = (struct plan){0};
    note->result = module->decide(&context, record, body, plan);
    if (note->result != MODULE_DONE) {
        memcpy(note->evidence, plan->evidence, sizeof note->evidence);
        return STATUS_OK;
    }
    return plan_commit(machine, module, plan, note, place, frame, applied, failure);
}

enum status commit_command(struct machine *machine, const struct frame_command *command,
                           const u8 *body, u64 place, struct applied_frame *frame,
                           struct applied_command *applied, struct failure *failure)
{
    struct command_note note = {
        .command_id = command->command_id,
        .position = applied->position,
        .timestamp = applied->timestamp,
        .principal = command->principal,
        .record = command->record,
    };
    content_of(command, body, note.content);
    const struct command_note *before = note_find(machine, command->command_id);
    if (before != NULL) { // P2
        if (memcmp(before->content, note.content, sizeof note.content) == 0) {
            reply_write(applied, before);
        } else {
            note.result = MODULE_REUSED;
            reply_write(applied, &note);
        }
        return STATUS_OK;
    }
    enum status status =
        command_decide(machine, command, body, place, frame, applied, &note, failure);
    if (status != STATUS_OK) return status;
    note.timestamp = applied->timestamp;
    command_outcome(machine, &note, place);
    reply_write(applied, &note);
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
        *plan = (struct plan){0};
        if (!modules[i]->pulse(&context, plan)) continue;
        struct command_note note = {.command_id = modules[i]->number,
                                    .position = applied->position};
        enum status status =
            plan_commit(machine, modules[i], plan, &note, place, frame, applied, failure);
        if (status != STATUS_OK) return status;
        // What is due is a fact: a module plans it so that it cannot be refused.
        assert(note.result == MODULE_DONE);
    }
    return STATUS_OK;
}
