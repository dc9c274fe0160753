// SPDX-License-Identifier: Apache-2.0
//
// The planted bugs.
#include "plant.h"

#include "ledger/ledger_cell.h"
#include "machine/commit.h"
#include "modules/accrual/accrual.h"
#include "modules/entity/entity.h"
#include "modules/name/name.h"
#include "modules/principal/principal.h"

#include <string.h>

#define RECORD_ENTRY_POST    0x0401u
#define RECORD_ENTRY_HOLD    0x0402u
#define RECORD_PRINCIPAL_KEY 0x0502u
#define RECORD_NAME_SET      0x0701u
#define RECORD_EFFECT_SETTLE 0x0903u
#define OWNER                5u    // Of most accounts.
#define OWNERS_LAST          6u    // Principals behind it are those of the lane of principals.
#define FORGOTTEN            8u    // Commands.
#define SAMPLE_NUMBER        1000u // Of the accounts that effects are about.
#define LOANS_BOOK           1700u // Of the first group.

const struct plant_description plants[PLANT_BUGS] = {
    [PLANT_HALF] = {"half", "L1", "an entry debits one unit more than it credits"},
    [PLANT_LIMIT] = {"limit", "L2", "an account goes one unit beyond its limit"},
    [PLANT_FORGOTTEN] = {"forgotten", "L3", "a start forgets which commands were carried out"},
    [PLANT_UNWRITTEN] = {"unwritten", "L4", "a frame is answered that is not in the log"},
    [PLANT_STARTS] = {"starts", "L6", "a decision looks at how often the process was started"},
    [PLANT_SILENT] = {"silent", "L8", "a refusal tells no value"},
    [PLANT_CONTROL] = {"control", "L10", "the end of a job posts one unit too much"},
    [PLANT_OWNER] = {"owner", "L11", "nobody asks whose an account is"},
    [PLANT_CELL] = {"cell", "cells", "a cell forgets what is held"},
    [PLANT_SLICE] = {"slice", "jobs", "a start does a slice of a job once more"},
    [PLANT_REPLY] = {"reply", "replies", "a refusal is told as another one"},
    [PLANT_ASTRAY] = {"astray", "books", "an entry debits another account than it says"},
    [PLANT_NAME] = {"name", "names", "a new name names something else"},
    [PLANT_KEY] = {"key", "principals", "a principal's key is said to be of another command"},
    [PLANT_SENT] = {"sent", "effects", "what was sent is posted with one unit too much"},
    [PLANT_ROW] = {"row", "recovery", "history has another amount than was posted"},
    [PLANT_TREE] = {"tree", "witness", "a start takes up another tree of outcomes than there was"},
    [PLANT_BUFFERED] = {"buffered", "L4", "writes of the log are not durable when they return"},
    [PLANT_UNSYNCED] = {"unsynced", "recovery", "a sync of history's files does nothing"},
    [PLANT_EARLY] = {"early", "recovery", "a checkpoint has its name before it is durable"},
};

enum plant_bug plant_find(const char *name)
{
    for (u32 i = PLANT_NONE + 1; i < PLANT_BUGS; i++) {
        if (strcmp(plants[i].name, name) == 0) return (enum plant_bug)i;
    }
    return PLANT_NONE;
}

static struct account *account_at(struct machine *machine, u32 row)
{
    return (struct account *)machine->ledger.accounts.memory + row;
}

// --- the disk ------------------------------------------------------------------------------------

// The operations of the world's disk, and who stands before them. One world at a time.
static const struct disk_operations *true_operations;
static struct disk_operations planted_operations;
static enum plant_bug disk_bug;
static bool is_checkpoint[256]; // By handle.

static enum status planted_open(struct disk *disk, const char *name, u32 flags, disk_handle *out,
                                struct failure *failure)
{
    if (disk_bug == PLANT_BUFFERED) flags &= ~(u32)DISK_DURABLE;
    const enum status status = true_operations->open(disk, name, flags, out, failure);
    if (status != STATUS_OK) return status;
    assert((size_t)*out < ARRAY_COUNT(is_checkpoint));
    is_checkpoint[*out] = strncmp(name, "checkpoint-", 11) == 0;
    return STATUS_OK;
}

static enum status planted_sync(struct disk *disk, disk_handle handle, struct failure *failure)
{
    const bool is_skipped = disk_bug == PLANT_EARLY      ? is_checkpoint[handle]
                            : disk_bug == PLANT_UNSYNCED ? !is_checkpoint[handle]
                                                         : false;
    return is_skipped ? STATUS_OK : true_operations->sync(disk, handle, failure);
}

void plant_disk(enum plant_bug bug, struct disk *disk)
{
    if (bug != PLANT_BUFFERED && bug != PLANT_UNSYNCED && bug != PLANT_EARLY) return;
    disk_bug = bug;
    true_operations = disk->operations;
    planted_operations = *true_operations;
    planted_operations.open = planted_open;
    planted_operations.sync = planted_sync;
    disk->operations = &planted_operations;
}

// --- around a frame ------------------------------------------------------------------------------

// The principal is put where nobody looks, and back.
void plant_before(enum plant_bug bug, struct frame_command *commands, u32 count)
{
    for (u32 i = 0; bug == PLANT_OWNER && i < count; i++) {
        const bool is_entry =
            commands[i].record == RECORD_ENTRY_POST || commands[i].record == RECORD_ENTRY_HOLD;
        if (!is_entry || commands[i].principal == OWNER) continue;
        commands[i].correlation = commands[i].principal;
        commands[i].principal = OWNER;
    }
}

// One more debit on the first account of a book.
static void half_post(struct machine *machine)
{
    for (u32 row = 0; row < machine->ledger.accounts.count; row++) {
        if (account_class(account_at(machine, row)) == 0) continue;
        account_at(machine, row)->debits_posted++;
        return;
    }
}

// As much as an account may still pay, and one unit, to another of its ledger number.
static void limit_pass(struct machine *machine)
{
    for (u32 row = 0; row < machine->ledger.accounts.count; row++) {
        struct account *from = account_at(machine, row);
        struct account *to = account_at(machine, row == 0 ? 1 : row - 1);
        if ((from->flags & ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS) == 0) continue;
        if (to->ledger != from->ledger) continue;
        const u128 left = from->credits_posted - from->debits_posted - from->debits_pending;
        from->debits_posted += left + 1;
        to->credits_posted += left + 1;
        return;
    }
}

static void cells_forget(struct machine *machine)
{
    struct ledger_cell *cells = (void *)machine->ledger.cells.memory;
    for (u64 i = 0; i < machine->ledger.cells.count; i++) cells[i].debits_pending = 0;
}

// One unit from the first account of a book that has it to another one, both without limits.
static void debit_stray(struct machine *machine)
{
    struct account *from = NULL;
    for (u32 row = 0; row < machine->ledger.accounts.count; row++) {
        struct account *account = account_at(machine, row);
        const bool is_plain = account->flags == 0 && account_class(account) != 0;
        if (!is_plain || account_has_cells(account)) continue;
        if (from == NULL && account->debits_posted > 0) {
            from = account;
        } else if (from != NULL && from->ledger == account->ledger) {
            from->debits_posted--;
            account->debits_posted++;
            return;
        }
    }
}

// The newest record of a module's first table; NULL when there is none.
static void *newest_of(struct machine *machine, const struct module *module)
{
    const struct table *table = &machine->module_tables[module_index(module)].tables[0];
    return table->count == 0 ? NULL : table_record(table, table->count - 1);
}

static void name_change(struct machine *machine)
{
    struct name *name = newest_of(machine, &name_module);
    if (name != NULL) name->number++;
}

static void key_change(struct machine *machine)
{
    struct principal *principal = newest_of(machine, &principal_module);
    if (principal != NULL && principal->principal_id > OWNERS_LAST) principal->key_position++;
}

// One more unit between the first two raw accounts of one number, which are the sample module's.
static void sent_add(struct machine *machine)
{
    for (u32 row = 0; row + 1 < machine->ledger.accounts.count; row++) {
        if (account_at(machine, row)->ledger != SAMPLE_NUMBER) continue;
        account_at(machine, row)->debits_posted++;
        account_at(machine, row + 1)->credits_posted++;
        return;
    }
}

// The last posting of a frame, as rows of history have it.
static void row_change(const struct applied_frame *applied)
{
    const struct history_segment *segment = applied->segment;
    for (u64 row = applied->end_row; row-- > applied->first_row;) {
        struct outcome *outcome = &segment->live->rows[row - segment->first_row];
        if (!outcome_is_transfer(outcome) || outcome->result != OUTCOME_CREATED) continue;
        outcome->amount++;
        return;
    }
}

// One more unit of interest of the first group.
static void control_pass(struct machine *machine)
{
    const u32 first = LOANS_BOOK;
    const u32 row = ledger_class_account_row(&machine->ledger, first, ACCRUAL_ACCOUNT_RECEIVABLE);
    const u32 other = ledger_class_account_row(&machine->ledger, first, ACCRUAL_ACCOUNT_INCOME);
    if (row == U32_MAX) return;
    account_at(machine, row)->debits_posted++;
    account_at(machine, other)->credits_posted++;
}

static void replies_change(const struct applied_command *applied, bool silences)
{
    for (u32 at = 0; at + sizeof(struct command_reply) <= applied->reply_size;
         at += (u32)sizeof(struct command_reply)) {
        struct command_reply reply;
        memcpy(&reply, applied->reply + at, sizeof reply);
        if (silences) memset(reply.evidence, 0, sizeof reply.evidence);
        else if (reply.result != MODULE_DONE) reply.result++;
        memcpy(applied->reply + at, &reply, sizeof reply);
    }
}

// Whether a job has just been committed with postings.
static bool job_was_committed(const struct machine *machine)
{
    const struct module_context context = commit_context(machine, &accrual_module);
    for (u32 i = 1; i <= context.jobs->count; i++) {
        const struct job_record *job = job_of_number(&context, i);
        if (job->status == JOB_STATUS_COMMITTED && job->postings > 0 &&
            machine->timestamp - job->ended_at <= job->postings) {
            return true;
        }
    }
    return false;
}

// What a bug makes of a command that was applied.
static void command_change(enum plant_bug bug, struct machine *machine,
                           const struct frame_command *command,
                           const struct applied_command *applied)
{
    const u32 record = applied->result == COMMAND_DONE ? command->record : 0;
    const bool is_new = command->record >= COMMAND_MODULES + 256 && applied->reply != NULL;
    switch (bug) {
    case PLANT_HALF:
        if (record == RECORD_ENTRY_POST) half_post(machine);
        break;
    case PLANT_LIMIT:
        if (record == RECORD_ENTRY_POST) limit_pass(machine);
        break;
    case PLANT_ASTRAY:
        if (record == RECORD_ENTRY_POST) debit_stray(machine);
        break;
    case PLANT_CELL:
        if (record == RECORD_ENTRY_HOLD) cells_forget(machine);
        break;
    case PLANT_NAME:
        if (record == RECORD_NAME_SET) name_change(machine);
        break;
    case PLANT_KEY:
        if (record == RECORD_PRINCIPAL_KEY) key_change(machine);
        break;
    case PLANT_SENT:
        if (record == RECORD_EFFECT_SETTLE) sent_add(machine);
        break;
    case PLANT_CONTROL:
        if (record == COMMAND_TICK && job_was_committed(machine)) control_pass(machine);
        break;
    case PLANT_SILENT:
    case PLANT_REPLY:
        if (is_new) replies_change(applied, bug == PLANT_SILENT);
        break;
    default: break;
    }
}

void plant_after(enum plant_bug bug, struct machine *machine, struct frame_command *commands,
                 u32 count, const struct applied_frame *applied)
{
    if (bug == PLANT_ROW && count > 0) row_change(applied);
    for (u32 i = 0; bug != PLANT_NONE && i < count; i++) {
        if (bug == PLANT_OWNER && commands[i].correlation != 0) {
            commands[i].principal = commands[i].correlation;
            commands[i].correlation = 0;
        }
        command_change(bug, machine, &commands[i], &applied->commands[i]);
    }
}

// --- starts --------------------------------------------------------------------------------------

void plant_started(enum plant_bug bug, struct machine *machine, u64 starts)
{
    const struct module_tables *own = &machine->module_tables[module_index(&entity_module)];
    if (bug != PLANT_STARTS || starts == 0) return;
    for (u32 i = 0; i < entity_module.table_count; i++) {
        if (entity_module.tables[i].record_size != sizeof(struct entity)) continue;
        if (own->tables[i].count == 0) continue;
        struct entity *first = table_record(&own->tables[i], 0);
        first->opened_at += starts;
        return;
    }
}

static void notes_forget(struct machine *machine)
{
    const struct command_note *notes = (const void *)machine->notes.memory;
    const u64 count = machine->notes.count;
    for (u64 i = 0; i < MIN((u64)FORGOTTEN, count); i++) {
        const u64 row = count - 1 - i;
        index_remove(&machine->note_index,
                     history_hash_id(&machine->history, notes[row].command_id), (u32)row);
    }
}

// The last frame's outcomes are others.
static void tree_change(struct outcome_tree *tree)
{
    const u64 size = outcome_tree_size(tree);
    if (size % OUTCOME_PAGE_LEAVES == 0) return;
    const u64 page = size / OUTCOME_PAGE_LEAVES;
    tree->ring[page % OUTCOME_TREE_RING].leaves[(size - 1) % OUTCOME_PAGE_LEAVES].root.bytes[0]++;
}

void plant_recovered(enum plant_bug bug, struct node *node, struct applied_frame *scratch)
{
    struct machine *machine = &node->machine;
    struct applied_command applied = {.timestamp = machine->timestamp};
    struct failure failure;
    if (bug == PLANT_FORGOTTEN) notes_forget(machine);
    if (bug == PLANT_TREE) tree_change(&machine->history.tree);
    if (bug != PLANT_SLICE) return;
    const enum status status =
        commit_slice(machine, node->wal.tail.place, NULL, 0, 0, scratch, &applied, &failure);
    assert(status == STATUS_OK);
}
