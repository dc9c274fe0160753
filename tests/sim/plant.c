// SPDX-License-Identifier: Apache-2.0
//
// The planted bugs.
#include "plant.h"

#include "ledger/ledger_cell.h"
#include "machine/commit.h"
#include "modules/accrual/accrual.h"
#include "modules/entity/entity.h"

#include <string.h>

#define RECORD_ENTRY_POST 0x0401u
#define RECORD_ENTRY_HOLD 0x0402u
#define OWNER             5u    // Of most accounts.
#define FORGOTTEN         8u    // Commands.
#define LOANS_BOOK        1700u // Of the first group.

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

static void replies_silence(const struct applied_command *applied)
{
    for (u32 at = 0; at + sizeof(struct command_reply) <= applied->reply_size;
         at += (u32)sizeof(struct command_reply)) {
        struct command_reply reply;
        memcpy(&reply, applied->reply + at, sizeof reply);
        memset(reply.evidence, 0, sizeof reply.evidence);
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

void plant_after(enum plant_bug bug, struct machine *machine, struct frame_command *commands,
                 u32 count, const struct applied_frame *applied)
{
    for (u32 i = 0; bug != PLANT_NONE && i < count; i++) {
        struct frame_command *command = &commands[i];
        const bool is_done = applied->commands[i].result == COMMAND_DONE;
        if (bug == PLANT_OWNER && command->correlation != 0) {
            command->principal = command->correlation;
            command->correlation = 0;
        }
        if (bug == PLANT_HALF && is_done && command->record == RECORD_ENTRY_POST) {
            half_post(machine);
        }
        if (bug == PLANT_LIMIT && is_done && command->record == RECORD_ENTRY_POST) {
            limit_pass(machine);
        }
        if (bug == PLANT_CELL && is_done && command->record == RECORD_ENTRY_HOLD) {
            cells_forget(machine);
        }
        if (bug == PLANT_CONTROL && command->record == COMMAND_TICK && job_was_committed(machine)) {
            control_pass(machine);
        }
        if (bug == PLANT_SILENT && command->record >= COMMAND_MODULES + 256 &&
            applied->commands[i].reply != NULL) {
            replies_silence(&applied->commands[i]);
        }
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

void plant_recovered(enum plant_bug bug, struct node *node, struct applied_frame *scratch)
{
    struct machine *machine = &node->machine;
    struct applied_command applied = {.timestamp = machine->timestamp};
    struct failure failure;
    if (bug == PLANT_FORGOTTEN) notes_forget(machine);
    if (bug != PLANT_SLICE) return;
    const enum status status =
        commit_slice(machine, node->wal.tail.place, scratch, &applied, &failure);
    assert(status == STATUS_OK);
}
