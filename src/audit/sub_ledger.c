// SPDX-License-Identifier: Apache-2.0
//
// What loans add up to, against their controls.
#include "audit/sub_ledger.h"

#include "codec/number.h"

#include <stdlib.h>

#define RECORDS_MAX (1u << 20) // Of controls, groups or jobs: far more than there can be.

static struct audit_place place_of(const struct audit_sub_ledgers *sub_ledgers, u32 table, u64 row,
                                   size_t size)
{
    const struct audit_checkpoint *checkpoint = sub_ledgers->checkpoint;
    const struct audit_table *found = audit_checkpoint_table(checkpoint, table);
    const u64 first = found == NULL ? 0 : found->page_first * PAGE_SIZE;
    return audit_place_file(checkpoint->name, first + row * size);
}

// Takes a whole table. One that the checkpoint does not have is empty.
static enum status table_take(const struct audit_checkpoint *checkpoint, u32 id, size_t size,
                              void **records, u64 *count, struct failure *failure)
{
    const struct audit_table *table = audit_checkpoint_table(checkpoint, id);
    *count = table == NULL ? 0 : table->record_count;
    if (*count > RECORDS_MAX) {
        const struct audit_place place =
            audit_place_file(checkpoint->name, table->page_first * PAGE_SIZE);
        (void)audit_differ(checkpoint->report, AUDIT_L10, &place,
                           "table %u has %llu records: more than there can be", id,
                           (unsigned long long)*count);
        *count = 0;
    }
    *records = calloc(MAX(*count, 1), size);
    assert(*records != NULL);
    if (*count == 0) return STATUS_OK;
    size_t done = 0; // What the file does not have is zeroes.
    return audit_file_read(checkpoint->file, table->page_first * PAGE_SIZE, *records, *count * size,
                           &done, failure);
}

// Of jobs the status alone.
static enum status jobs_take(struct audit_sub_ledgers *sub_ledgers, struct failure *failure)
{
    struct audit_job_record *records = NULL;
    void *taken = NULL;
    const enum status status =
        table_take(sub_ledgers->checkpoint, AUDIT_TABLE_JOBS, sizeof *records, &taken,
                   &sub_ledgers->job_count, failure);
    records = taken;
    sub_ledgers->jobs = calloc(MAX(sub_ledgers->job_count, 1), 1);
    assert(sub_ledgers->jobs != NULL);
    for (u64 i = 0; i < sub_ledgers->job_count; i++) sub_ledgers->jobs[i] = records[i].status;
    free(records);
    return status;
}

// The controls that a group names are there, and of its accounts.
static void group_check(struct audit_sub_ledgers *sub_ledgers, u64 row)
{
    const struct audit_group_record *group = &sub_ledgers->groups[row];
    for (u32 i = 0; i < AUDIT_SUB_COUNT; i++) {
        const u32 number = group->controls[i];
        bool is_its = false;
        if (number < sub_ledgers->control_count) {
            const struct audit_control_record *control = &sub_ledgers->controls[number];
            sub_ledgers->sums[number].is_of_group = true;
            is_its = control->module == AUDIT_MODULE_ACCRUAL && control->sub_ledger == i &&
                     control->account_row == group->account_rows[i] &&
                     control->is_credit == (i == AUDIT_SUB_FUNDING) &&
                     control->scale == (i == AUDIT_SUB_INTEREST ? 1000000u : 1u);
        }
        if (is_its) continue;
        const struct audit_place place =
            place_of(sub_ledgers, AUDIT_TABLE_GROUPS, row, sizeof *group);
        (void)audit_differ(sub_ledgers->checkpoint->report, AUDIT_L10, &place,
                           "group %llu of loans names control %u, which is not that of its "
                           "sub-ledger %u",
                           (unsigned long long)row, number, i);
    }
}

enum status audit_sub_ledgers_init(struct audit_sub_ledgers *sub_ledgers,
                                   const struct audit_checkpoint *checkpoint,
                                   struct failure *failure)
{
    *sub_ledgers = (struct audit_sub_ledgers){.checkpoint = checkpoint};
    void *records = NULL;
    enum status status = table_take(checkpoint, AUDIT_TABLE_CONTROLS, sizeof *sub_ledgers->controls,
                                    &records, &sub_ledgers->control_count, failure);
    sub_ledgers->controls = records;
    sub_ledgers->sums = calloc(MAX(sub_ledgers->control_count, 1), sizeof *sub_ledgers->sums);
    assert(sub_ledgers->sums != NULL);
    if (status != STATUS_OK) return status;
    status = table_take(checkpoint, AUDIT_TABLE_GROUPS, sizeof *sub_ledgers->groups, &records,
                        &sub_ledgers->group_count, failure);
    sub_ledgers->groups = records;
    if (status == STATUS_OK) status = jobs_take(sub_ledgers, failure);
    for (u64 i = 0; i < sub_ledgers->group_count && status == STATUS_OK; i++) {
        group_check(sub_ledgers, i);
    }
    return status;
}

void audit_sub_ledgers_free(struct audit_sub_ledgers *sub_ledgers)
{
    free(sub_ledgers->controls);
    free(sub_ledgers->sums);
    free(sub_ledgers->groups);
    free(sub_ledgers->jobs);
    *sub_ledgers = (struct audit_sub_ledgers){0};
}

static void sum_add(struct audit_sub_ledgers *sub_ledgers, u32 control, u128 settled, i128 staged)
{
    if (control >= sub_ledgers->control_count) return; // Told with its group.
    struct audit_sub_ledger_sum *sum = &sub_ledgers->sums[control];
    sum->overflows |= settled >> 127 != 0 ||
                      __builtin_add_overflow(sum->settled, (i128)settled, &sum->settled) ||
                      __builtin_add_overflow(sum->staged, staged, &sum->staged);
}

void audit_sub_ledgers_add(struct audit_sub_ledgers *sub_ledgers,
                           const struct audit_loan_record *loan, u64 offset)
{
    if (loan->group_row >= sub_ledgers->group_count || loan->staged_by > sub_ledgers->job_count) {
        const struct audit_place place = audit_place_file(sub_ledgers->checkpoint->name, offset);
        (void)audit_differ(sub_ledgers->checkpoint->report, AUDIT_L10, &place,
                           "a loan of group %u, staged by job %u, of which one is not there",
                           loan->group_row, loan->staged_by);
        return;
    }
    const struct audit_group_record *group = &sub_ledgers->groups[loan->group_row];
    const u8 job = loan->staged_by == 0 ? 0 : sub_ledgers->jobs[loan->staged_by - 1];
    const bool counts = loan->staged_by != 0 && job == AUDIT_JOB_COMMITTED;
    const bool is_open = loan->staged_by != 0 && job < AUDIT_JOB_COMMITTED;
    sum_add(sub_ledgers, group->controls[AUDIT_SUB_PRINCIPAL], loan->principal, 0);
    sum_add(sub_ledgers, group->controls[AUDIT_SUB_FUNDING], loan->principal, 0);
    sum_add(sub_ledgers, group->controls[AUDIT_SUB_INTEREST], counts ? loan->staged : loan->accrued,
            is_open ? (i128)(loan->staged - loan->accrued) : 0);
}

void audit_sub_ledgers_compare(const struct audit_sub_ledgers *sub_ledgers)
{
    struct audit_report *report = sub_ledgers->checkpoint->report;
    for (u64 i = 0; i < sub_ledgers->control_count; i++) {
        const struct audit_control_record *control = &sub_ledgers->controls[i];
        const struct audit_sub_ledger_sum *sum = &sub_ledgers->sums[i];
        const struct audit_place place =
            place_of(sub_ledgers, AUDIT_TABLE_CONTROLS, i, sizeof *control);
        if (!sum->is_of_group) {
            (void)audit_differ(report, AUDIT_L10, &place,
                               "control %llu, of module %u, is of no sub-ledger that is known",
                               (unsigned long long)i, control->module);
            continue;
        }
        if (!sum->overflows && sum->settled == control->sum && sum->staged == control->staged) {
            continue;
        }
        char texts[4][NUMBER_SIZE_MAX];
        (void)number_print_i128(sum->settled, texts[0]);
        (void)number_print_i128(sum->staged, texts[1]);
        (void)number_print_i128(control->sum, texts[2]);
        (void)number_print_i128(control->staged, texts[3]);
        (void)audit_differ(report, AUDIT_L10, &place,
                           "control %llu, of account row %u: its records sum to %s%s, and %s "
                           "staged; it has %s and %s",
                           (unsigned long long)i, control->account_row,
                           sum->overflows ? "more than there can be, modulo 2^128 " : "", texts[0],
                           texts[1], texts[2], texts[3]);
    }
}
