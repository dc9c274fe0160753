// SPDX-License-Identifier: Apache-2.0
//
// What must hold whatever was asked, told from the ledger's records and rows alone: no code of the
// modules and no model has a part in it.
#include "desk_internal.h"

#include "modules/accrual/accrual.h"
#include "modules/effect/effect.h"
#include "modules/sample/sample.h"

#include <stdlib.h>

// --- a machine -----------------------------------------------------------------------------------

// What is summed of a ledger number, or of an account.
struct sums {
    u128 debits;
    u128 credits;
    u128 debits_held;
    u128 credits_held;
};

// Sums may pass 2^128 as those of no single account do: both sides do it in the same way.
static void l1_check(struct world *world, const struct ledger *ledger)
{
    world->desk->checks[CHECK_L1]++;
    for (u32 row = 0; row < ledger->accounts.count; row++) {
        const u32 number = ledger_account(ledger, row)->ledger;
        struct sums sums = {0};
        bool is_first = true;
        for (u32 other = 0; other < ledger->accounts.count && is_first; other++) {
            const struct account *account = ledger_account(ledger, other);
            if (account->ledger != number) continue;
            is_first = other >= row; // Else the number was looked at.
            sums.debits += account->debits_posted;
            sums.credits += account->credits_posted;
            sums.debits_held += account->debits_pending;
            sums.credits_held += account->credits_pending;
        }
        if (!is_first) continue;
        if (sums.debits != sums.credits || sums.debits_held != sums.credits_held) {
            desk_fail(world, CHECK_L1, "debits and credits differ on ledger number %u", number);
        }
    }
}

static void l2_check(struct world *world, const struct ledger *ledger)
{
    const struct hold *holds = (const void *)ledger->holds.memory;
    const u64 count = ledger->accounts.count;
    struct sums *sums = calloc(count + 1, sizeof *sums);
    if (sums == NULL) abort();
    world->desk->checks[CHECK_L2]++;
    for (u64 i = 0; i < ledger->holds.count; i++) {
        if (!holds[i].open) continue;
        assert(holds[i].debit_row < count && holds[i].credit_row < count);
        sums[holds[i].debit_row].debits_held += holds[i].amount;
        sums[holds[i].credit_row].credits_held += holds[i].amount;
    }
    for (u32 row = 0; row < count; row++) {
        const struct account *account = ledger_account(ledger, row);
        const u128 debits = account->debits_posted + account->debits_pending;
        const u128 credits = account->credits_posted + account->credits_pending;
        const bool is_beyond = ((account->flags & ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS) != 0 &&
                                debits > account->credits_posted) ||
                               ((account->flags & ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS) != 0 &&
                                credits > account->debits_posted);
        if (is_beyond) desk_fail(world, CHECK_L2, "account row %u is beyond its limit", row);
        if (account->debits_pending != sums[row].debits_held ||
            account->credits_pending != sums[row].credits_held) {
            desk_fail(world, CHECK_L2, "account row %u holds another sum than its holds", row);
        }
    }
    free(sums);
}

// What the loans of a group have: principal, and interest in millionths.
static struct sums loans_sum(const struct module_context *context, u64 group_row)
{
    struct sums sums = {0};
    for (u64 row = 0; row < module_record_count(context, ACCRUAL_TABLE_LOANS); row++) {
        const struct accrual_loan loan =
            accrual_taken(context, module_record(context, ACCRUAL_TABLE_LOANS, row));
        if (loan.group_row != group_row) continue;
        sums.debits += loan.principal;
        sums.credits += loan.accrued;
    }
    return sums;
}

static void l10_check(struct world *world, const struct machine *machine)
{
    const struct module_context context = commit_context(machine, &accrual_module);
    for (u64 row = 0; row < module_record_count(&context, ACCRUAL_TABLE_GROUPS); row++) {
        const struct accrual_group_state *group =
            module_record(&context, ACCRUAL_TABLE_GROUPS, row);
        const struct sums sums = loans_sum(&context, row);
        const struct account *principal = ledger_account(&machine->ledger, group->principal_row);
        const struct account *funding = ledger_account(&machine->ledger, group->funding_row);
        const struct account *interest = ledger_account(&machine->ledger, group->receivable_row);
        world->desk->checks[CHECK_L10]++;
        if (principal->debits_posted - principal->credits_posted == sums.debits &&
            funding->credits_posted - funding->debits_posted == sums.debits &&
            interest->debits_posted - interest->credits_posted == sums.credits / ACCRUAL_SCALE) {
            continue;
        }
        desk_fail(world, CHECK_L10, "the loans of group %u do not sum to its accounts",
                  (u32)group->group_id);
    }
}

void desk_check_machine(struct world *world, const struct machine *machine)
{
    l1_check(world, &machine->ledger);
    l2_check(world, &machine->ledger);
    l10_check(world, machine);
}

// --- rows ----------------------------------------------------------------------------------------

// Adds an id. False when it was there.
static bool id_add(struct desk_ids *ids, u128 id)
{
    u32 at = (u32)(id ^ id >> 64) & (ids->room - 1);
    assert(id != 0);
    for (; ids->ids[at] != 0; at = (at + 1) & (ids->room - 1)) {
        if (ids->ids[at] == id) return false;
    }
    ids->ids[at] = id;
    if (++ids->count < ids->room / 2) return true;
    struct desk_ids larger = {.room = 2 * ids->room};
    larger.ids = calloc(larger.room, sizeof(u128));
    if (larger.ids == NULL) abort();
    for (u32 i = 0; i < ids->room; i++) {
        if (ids->ids[i] != 0) (void)id_add(&larger, ids->ids[i]);
    }
    free(ids->ids);
    *ids = larger;
    return true;
}

// The class of the accounts that a command posts to; of a tick those of loans, whose jobs it
// advances, or of books when it brings rows of an import along. What an effect's end posts is the
// sample module's, whose accounts are raw.
static u32 class_of(const struct frame_command *command)
{
    const struct module *module = module_of_record(command->record);
    if (command->record == COMMAND_TICK) {
        return command->body_size > 0 ? BOOK_ACCOUNT_CLASS : ACCRUAL_ACCOUNT_CLASS;
    }
    if (module == NULL || module == &effect_module) return sample_module.account_class;
    return module->account_class;
}

static const struct desk_owner *owner_of(const struct desk *desk, const struct account *account)
{
    for (u32 i = 0; i < desk->owner_count; i++) {
        const struct desk_owner *owner = &desk->owners[i];
        if (owner->book == account->ledger && owner->account_id == account->id) return owner;
    }
    return NULL;
}

// Of a posting of an entry or a hold: its account is the principal's that asked. What a limit
// forbids a fact goes to suspense, which is nobody's.
static bool is_own(const struct desk *desk, const struct account *account,
                   const struct frame_command *command)
{
    const bool is_carried = command->record == COMMAND_TICK && command->body_size > 0;
    const bool is_entry = command->record == 0x0401 || command->record == 0x0402 || is_carried;
    const struct desk_owner *owner = owner_of(desk, account);
    if (!is_entry || account->id == BOOK_SUSPENSE_ID) return true;
    return owner != NULL && owner->owner == command->principal;
}

static void posting_check(struct world *world, const struct outcome *row,
                          const struct frame_command *command)
{
    struct desk *desk = world->desk;
    const struct ledger *ledger = &desk->node->machine.ledger;
    desk->checks[CHECK_L3]++;
    desk->checks[CHECK_L11]++;
    if (!id_add(&desk->ids, row->id)) {
        desk_fail(world, CHECK_L3, "a posting took effect twice");
    }
    const struct account *sides[2] = {ledger_account(ledger, row->debit_row),
                                      ledger_account(ledger, row->credit_row)};
    for (u32 i = 0; i < 2; i++) {
        if (account_class(sides[i]) == class_of(command) && is_own(desk, sides[i], command)) {
            continue;
        }
        desk_fail(world, CHECK_L11, "a %x of principal %llu posts to another's account %llu on %u",
                  command->record, (unsigned long long)command->principal,
                  (unsigned long long)sides[i]->id, sides[i]->ledger);
    }
}

void desk_check_rows(struct world *world, const struct world_job *job, u32 index)
{
    struct desk *desk = world->desk;
    struct history *history = &desk->node->machine.history;
    const struct applied_command *applied = job->applied->commands;
    const bool is_last = index + 1 == job->view.header->command_count;
    u64 end = history->next_row;
    if (job->decided) end = is_last ? job->applied->end_row : applied[index + 1].first_row;
    const u32 rate = world->disk.faults.read_error_rate;
    struct history_set *set = history_set_acquire(history);
    world->disk.faults.read_error_rate = 0;
    for (u64 row = desk->frame_row; row < end && !world->lying; row++) {
        struct outcome outcome;
        struct failure failure;
        if (history_row(history, set, row, &outcome, &failure) != STATUS_OK) {
            desk_fail(world, CHECK_L4, "%s", failure.message);
        }
        if (!outcome_is_transfer(&outcome) || outcome.result != OUTCOME_CREATED) continue;
        posting_check(world, &outcome, &job->view.commands[index]);
    }
    history_set_release(history, set);
    world->disk.faults.read_error_rate = rate;
    desk->frame_row = end;
}

void desk_note_owner(struct desk *desk, const struct desk_command *command,
                     const struct desk_expected *expected)
{
    if (command->record != 0x0304) return;
    for (u32 i = 0; i < expected->count; i++) {
        struct book_account_open open;
        if (expected->replies[i].result != MODULE_DONE) continue;
        memcpy(&open, command->body + i * sizeof open, sizeof open);
        assert(desk->owner_count < DESK_OWNERS_MAX);
        desk->owners[desk->owner_count++] = (struct desk_owner){
            .book = open.book,
            .account_id = open.account_id,
            .owner = open.owner == 0 ? command->principal : open.owner,
        };
    }
}

// --- refusals ------------------------------------------------------------------------------------

void desk_check_refusal(struct world *world, const struct desk_command *command, u32 index,
                        const struct command_reply *reply, const struct book_reply *expected,
                        bool is_silent)
{
    const struct module *module = module_of_record(command->record);
    const struct schema_result *result =
        schema_find_result(&module_schema_module_result, reply->result);
    if (result == NULL && module != NULL) result = module_result_of(module, reply->result);
    world->desk->checks[CHECK_L8]++;
    if (result == NULL || result->sentence == NULL || result->sentence[0] == 0) {
        desk_fail(world, CHECK_L8, "record %u of a %x: the refusal %u has no sentence", index,
                  command->record, reply->result);
    }
    if (is_silent || (reply->evidence[0] == expected->evidence[0] &&
                      reply->evidence[1] == expected->evidence[1])) {
        return;
    }
    desk_fail(world, CHECK_L8,
              "record %u of a %x: %s: tells %llu and %llu, the model %llu and %llu", index,
              command->record, result->name, (unsigned long long)reply->evidence[0],
              (unsigned long long)reply->evidence[1], (unsigned long long)expected->evidence[0],
              (unsigned long long)expected->evidence[1]);
}
