// SPDX-License-Identifier: Apache-2.0
//
// Sums of sub-ledgers, kept with every plan.
#include "machine/sub_ledger.h"

#include "machine/commit.h"
#include "os/memory.h"

static struct control *control_at(const struct sub_ledgers *sub_ledgers, u64 row)
{
    return table_record(&sub_ledgers->table, row);
}

static u64 row_hash(const struct ledger *ledger, u32 account_row)
{
    return hash_u64(&ledger->history->key, account_row, 0);
}

enum status sub_ledgers_init(struct sub_ledgers *sub_ledgers, struct failure *failure)
{
    void *memory = NULL;
    enum status status =
        table_init(&sub_ledgers->table, sizeof(struct control), SUB_LEDGER_CONTROLS_MAX, failure);
    if (status == STATUS_OK) status = index_init(&sub_ledgers->index, 0, failure);
    if (status != STATUS_OK) return status;
    // One more than there can be, for what a plan that has no room asks.
    const size_t changes =
        (SUB_LEDGER_CONTROLS_MAX + PLAN_CONTROLS_MAX) * sizeof *sub_ledgers->changes;
    status = memory_reserve(changes, false, &memory, failure);
    if (status != STATUS_OK) return status;
    sub_ledgers->changes = memory;
    status = memory_reserve((SUB_LEDGER_CONTROLS_MAX + PLAN_CONTROLS_MAX) * sizeof(u32), false,
                            &memory, failure);
    sub_ledgers->touched = memory;
    return status;
}

void sub_ledgers_free(struct sub_ledgers *sub_ledgers)
{
    table_free(&sub_ledgers->table);
    index_free(&sub_ledgers->index);
    memory_release(sub_ledgers->changes,
                   (SUB_LEDGER_CONTROLS_MAX + PLAN_CONTROLS_MAX) * sizeof *sub_ledgers->changes);
    memory_release(sub_ledgers->touched,
                   (SUB_LEDGER_CONTROLS_MAX + PLAN_CONTROLS_MAX) * sizeof(u32));
}

static enum status control_index(struct sub_ledgers *sub_ledgers, const struct ledger *ledger,
                                 u64 row, struct failure *failure)
{
    const struct control *control = control_at(sub_ledgers, row);
    return index_insert(&sub_ledgers->index, row_hash(ledger, control->account_row), (u32)row,
                        failure);
}

enum status sub_ledgers_loaded(struct sub_ledgers *sub_ledgers, const struct ledger *ledger,
                               struct failure *failure)
{
    enum status status = STATUS_OK;
    for (u64 row = 0; row < sub_ledgers->table.count && status == STATUS_OK; row++) {
        status = control_index(sub_ledgers, ledger, row, failure);
    }
    return status;
}

// The control of an account, or U32_MAX.
static u32 control_of(const struct sub_ledgers *sub_ledgers, const struct ledger *ledger,
                      u32 account_row)
{
    struct index_cursor cursor;
    for (u32 row = index_first(&sub_ledgers->index, row_hash(ledger, account_row), &cursor);
         row != 0; row = index_next(&cursor)) {
        if (control_at(sub_ledgers, row - 1)->account_row == account_row) return row - 1;
    }
    return U32_MAX;
}

// --- what a plan changes -------------------------------------------------------------------------

static struct sub_ledger_change *change_of(struct sub_ledgers *sub_ledgers, u32 row)
{
    struct sub_ledger_change *change = &sub_ledgers->changes[row];
    if (change->is_touched) return change;
    *change = (struct sub_ledger_change){.is_touched = true};
    sub_ledgers->touched[sub_ledgers->touched_count++] = row;
    return change;
}

static void changes_clear(struct sub_ledgers *sub_ledgers)
{
    for (u32 i = 0; i < sub_ledgers->touched_count; i++) {
        sub_ledgers->changes[sub_ledgers->touched[i]].is_touched = false;
    }
    sub_ledgers->touched_count = 0;
}

static void share_add(struct sub_ledgers *sub_ledgers, const struct module_share *share, i32 sign)
{
    struct sub_ledger_change *change = change_of(sub_ledgers, share->control);
    change->settled += sign * share->settled;
    change->staged += sign * share->staged;
}

// What one record changes: the record as it is, NULL of a new one, and as it shall be.
static void record_change(struct sub_ledgers *sub_ledgers, const struct module_context *context,
                          const struct module_sub_ledger *ledger, const void *before,
                          const void *after)
{
    if (before != NULL) {
        const struct module_share share = ledger->share(context, before);
        share_add(sub_ledgers, &share, -1);
    }
    const struct module_share share = ledger->share(context, after);
    share_add(sub_ledgers, &share, 1);
}

static const void *record_before(const struct module_context *context, u32 table, u64 row)
{
    const struct table *records = &context->own->tables[table];
    return row < records->count ? table_record(records, row) : NULL;
}

static void records_change(struct sub_ledgers *sub_ledgers, const struct module_context *context,
                           const struct module_sub_ledger *ledger, const struct plan *plan)
{
    const struct plan_bulk *bulk = &plan->bulk;
    for (u32 i = 0; i < plan->write_count; i++) {
        const struct plan_write *write = &plan->writes[i];
        if (write->table != ledger->table) continue;
        // A record written twice by a plan would be counted from what it was before.
        for (u32 j = 0; j < i; j++) {
            assert(plan->writes[j].table != write->table || plan->writes[j].row != write->row);
        }
        assert(bulk->count == 0 || bulk->table != write->table);
        record_change(sub_ledgers, context, ledger,
                      record_before(context, write->table, write->row), write->record);
    }
    if (bulk->count == 0 || bulk->table != ledger->table) return;
    for (u32 i = 0; i < bulk->count; i++) {
        record_change(sub_ledgers, context, ledger,
                      record_before(context, bulk->table, bulk->first + i),
                      bulk->records + (size_t)i * bulk->size);
    }
}

static void postings_change(struct sub_ledgers *sub_ledgers, const struct ledger *ledger,
                            const struct plan *plan)
{
    for (u32 i = 0; i < plan->posting_count; i++) {
        const struct plan_posting *posting = &plan->postings[i];
        const u32 rows[2] = {posting->debit_row, posting->credit_row};
        for (u32 side = 0; side < 2; side++) {
            const u32 row = control_of(sub_ledgers, ledger, rows[side]);
            if (row == U32_MAX) continue;
            struct sub_ledger_change *change = change_of(sub_ledgers, row);
            i128 posted = 0;
            // An amount above 2^127 is no sum of records; a hold or its end is no plain amount.
            change->is_held |=
                posting->flags != 0 || posting->amount > U128_MAX / 2 ||
                __builtin_add_overflow(change->posted,
                                       side == 0 ? (i128)posting->amount : -(i128)posting->amount,
                                       &posted);
            change->posted = posted;
        }
    }
}

// Whether a plan settles the job that its record is of.
static bool settles(const struct plan *plan)
{
    return plan->has_job && job_is_settled(&plan->job);
}

// What was staged counts now, or is gone (S3).
static void staged_change(struct sub_ledgers *sub_ledgers, const struct plan *plan)
{
    if (!settles(plan)) return;
    for (u32 row = 0; row < sub_ledgers->table.count; row++) {
        const struct control *control = control_at(sub_ledgers, row);
        if (control->job != plan->job.number) continue;
        struct sub_ledger_change *change = change_of(sub_ledgers, row);
        // A plan that settles a job writes no record of its: they would be told by its old status.
        assert(change->settled == 0 && change->staged == 0);
        if (plan->job.status == JOB_STATUS_COMMITTED) change->settled = control->staged;
        change->staged = -control->staged;
    }
}

// The control as a plan leaves it.
static struct control control_after(const struct sub_ledgers *sub_ledgers,
                                    const struct module *module, const struct plan *plan, u32 row)
{
    const struct sub_ledger_change *change = &sub_ledgers->changes[row];
    struct control control;
    if (row < sub_ledgers->table.count) {
        control = *control_at(sub_ledgers, row);
    } else {
        const struct plan_control *made = &plan->controls[row - sub_ledgers->table.count];
        control = (struct control){
            .scale = made->scale,
            .account_row = made->account_row,
            .module = module->number,
            .sub_ledger = (u8)made->sub_ledger,
            .is_credit = made->is_credit,
        };
    }
    control.sum += change->settled;
    control.staged += change->staged;
    if (plan->has_job && change->staged != 0) control.job = plan->job.number;
    if (settles(plan) && control.job == plan->job.number) control.job = 0;
    return control;
}

// What is debited to an account less what is credited. False when it is beyond 2^127.
static bool balance_of(const struct ledger *ledger, u32 account_row, i128 *balance)
{
    *balance = 0;
    if (account_row >= ledger->accounts.count) return true; // Made by the plan.
    const struct account *account = ledger_account(ledger, account_row);
    return !__builtin_sub_overflow(account->debits_posted, account->credits_posted, balance);
}

static bool control_holds(const struct ledger *ledger, const struct control *control,
                          const struct sub_ledger_change *change, u128 evidence[2])
{
    i128 balance = 0;
    const bool is_known = balance_of(ledger, control->account_row, &balance) &&
                          !__builtin_add_overflow(balance, change->posted, &balance);
    const i128 whole = control_whole(control->sum, control->scale);
    if (control->is_credit) balance = -balance;
    if (is_known && !change->is_held && whole == balance) return true; // S2
    evidence[0] = (u128)whole;
    evidence[1] = (u128)balance;
    return false;
}

bool sub_ledgers_prepare(struct machine *machine, const struct module *module,
                         const struct plan *plan, u128 evidence[2])
{
    struct sub_ledgers *sub_ledgers = &machine->sub_ledgers;
    changes_clear(sub_ledgers);
    if (LIKELY(sub_ledgers->table.count + plan->control_count == 0)) return true;
    const struct module_context context = commit_context(machine, module);
    for (u32 i = 0; i < plan->control_count; i++) {
        assert(plan->controls[i].sub_ledger < module->sub_ledger_count);
        (void)change_of(sub_ledgers, (u32)sub_ledgers->table.count + i);
    }
    for (u32 i = 0; i < module->sub_ledger_count; i++) {
        records_change(sub_ledgers, &context, &module->sub_ledgers[i], plan);
    }
    staged_change(sub_ledgers, plan);
    postings_change(sub_ledgers, &machine->ledger, plan);
    for (u32 i = 0; i < sub_ledgers->touched_count; i++) {
        const u32 row = sub_ledgers->touched[i];
        const struct control control = control_after(sub_ledgers, module, plan, row);
        if (!control_holds(&machine->ledger, &control, &sub_ledgers->changes[row], evidence)) {
            return false;
        }
    }
    return true;
}

enum status sub_ledgers_apply(struct machine *machine, const struct module *module,
                              const struct plan *plan, struct failure *failure)
{
    struct sub_ledgers *sub_ledgers = &machine->sub_ledgers;
    const u64 count = sub_ledgers->table.count;
    enum status status = STATUS_OK;
    // All of them first: new ones are told from old ones by the count.
    struct control made[PLAN_CONTROLS_MAX];
    for (u32 i = 0; i < plan->control_count; i++) {
        made[i] = control_after(sub_ledgers, module, plan, (u32)count + i);
    }
    for (u32 i = 0; i < sub_ledgers->touched_count; i++) {
        const u32 row = sub_ledgers->touched[i];
        if (row >= count) continue;
        const struct control control = control_after(sub_ledgers, module, plan, row);
        table_touch(&sub_ledgers->table, row);
        *control_at(sub_ledgers, row) = control;
    }
    for (u32 i = 0; i < plan->control_count && status == STATUS_OK; i++) {
        sub_ledgers->table.count++;
        table_touch(&sub_ledgers->table, count + i);
        *control_at(sub_ledgers, count + i) = made[i];
        status = control_index(sub_ledgers, &machine->ledger, count + i, failure);
    }
    return status;
}

// --- checking ------------------------------------------------------------------------------------

// Adds what all records of a module's sub-ledger share.
static void shares_sum(const struct machine *machine, const struct module *module, u32 number,
                       struct sub_ledger_change *sums)
{
    const struct module_sub_ledger *sub_ledger = &module->sub_ledgers[number];
    const struct module_context context = commit_context(machine, module);
    for (u64 row = 0; row < module_record_count(&context, sub_ledger->table); row++) {
        const void *record = module_record(&context, sub_ledger->table, row);
        const struct module_share share = sub_ledger->share(&context, record);
        const struct control *control = control_at(&machine->sub_ledgers, share.control);
        assert(control->module == module->number && control->sub_ledger == number);
        sums[share.control].settled += share.settled;
        sums[share.control].staged += share.staged;
    }
}

void sub_ledgers_check(const struct machine *machine)
{
    const struct sub_ledgers *sub_ledgers = &machine->sub_ledgers;
    const u64 count = sub_ledgers->table.count;
    if (count == 0) return;
    struct sub_ledger_change *sums = NULL;
    void *memory = NULL;
    struct failure failure;
    const size_t size = count * sizeof *sums;
    const enum status status = memory_reserve(size, false, &memory, &failure);
    assert(status == STATUS_OK);
    sums = memory;
    for (u32 i = 0; i < module_count; i++) {
        for (u32 j = 0; j < modules[i]->sub_ledger_count; j++) {
            shares_sum(machine, modules[i], j, sums);
        }
    }
    for (u64 row = 0; row < count; row++) {
        const struct control *control = control_at(sub_ledgers, row);
        i128 balance = 0;
        const bool is_known = balance_of(&machine->ledger, control->account_row, &balance);
        assert(is_known && control->account_row < machine->ledger.accounts.count);
        assert(control->sum == sums[row].settled && control->staged == sums[row].staged); // S1
        assert(control_whole(control->sum, control->scale) ==
               (control->is_credit ? -balance : balance)); // S2
        assert(control_of(sub_ledgers, &machine->ledger, control->account_row) == row);
        assert(control->job != 0 || control->staged == 0); // S3
    }
    memory_release(memory, size);
}
