// SPDX-License-Identifier: Apache-2.0
//
// Deciding on loans, and accruing their interest.
#include "modules/accrual/accrual.h"

#include "codec/civil.h"
#include "modules/entry/entry.h"

#define SCHEMA_MODULE accrual
#define SCHEMA_TABLE  "modules/accrual/accrual.def"
#include "schema/make_descriptors.h"

#define MODULE_NUMBER 0x7eu
static_assert(ACCRUAL_GROUPS_MAX <= PLAN_POSTINGS_MAX, "a posting a group");

enum { SUB_LEDGER_PRINCIPAL, SUB_LEDGER_FUNDING, SUB_LEDGER_INTEREST };

static const struct accrual_loan *loan_at(const struct module_context *context, u64 row)
{
    return module_record(context, ACCRUAL_TABLE_LOANS, row);
}

static const struct accrual_group_state *group_at(const struct module_context *context, u64 row)
{
    return module_record(context, ACCRUAL_TABLE_GROUPS, row);
}

struct accrual_loan accrual_taken(const struct module_context *context,
                                  const struct accrual_loan *loan)
{
    struct accrual_loan taken = *loan;
    if (loan->staged_by == 0 || job_is_open(context, loan->staged_by)) return taken;
    if (job_counts(context, loan->staged_by)) {
        taken.accrued = loan->staged;
        taken.remainder = loan->staged_remainder;
        taken.through = loan->staged_through;
    }
    taken.staged = 0;
    taken.staged_remainder = 0;
    taken.staged_through = 0;
    taken.staged_by = 0;
    return taken;
}

// --- groups --------------------------------------------------------------------------------------

static u32 account_add(const struct module_context *context, u32 book, u32 id, u16 flags,
                       struct plan *plan)
{
    u32 row = 0;
    struct account *account = plan_add_account(plan, context->ledger, &row);
    account->id = id;
    account->ledger = book;
    account->code = (u16)id;
    account->flags = flags;
    return row;
}

static u32 group_decide(const struct module_context *context, const struct accrual_group *open,
                        struct plan *plan)
{
    const u64 count = module_record_count(context, ACCRUAL_TABLE_GROUPS);
    plan->evidence[0] = open->group_id;
    if (open->group_id == 0) return ACCRUAL_ID_MUST_NOT_BE_ZERO;
    if (module_find(context, ACCRUAL_TABLE_GROUPS, open->group_id) != NULL) {
        return ACCRUAL_GROUP_EXISTS;
    }
    plan->evidence[0] = open->book;
    if (open->book == 0 || ledger_number_class(context->ledger, open->book) != LEDGER_NUMBER_FREE) {
        return ACCRUAL_BOOK_TAKEN;
    }
    plan->evidence[0] = count;
    plan->evidence[1] = ACCRUAL_GROUPS_MAX;
    if (count == ACCRUAL_GROUPS_MAX) return ACCRUAL_TOO_MANY_GROUPS;
    const u16 limit = open->limited ? ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS : 0;
    struct accrual_group_state group = {
        .group_id = open->group_id, .product = open->product, .entity = open->entity};
    group.principal_row = account_add(context, open->book, ACCRUAL_ACCOUNT_PRINCIPAL, 0, plan);
    group.funding_row = account_add(context, open->book, ACCRUAL_ACCOUNT_FUNDING, 0, plan);
    group.receivable_row = account_add(context, open->book, ACCRUAL_ACCOUNT_RECEIVABLE, 0, plan);
    group.income_row = account_add(context, open->book, ACCRUAL_ACCOUNT_INCOME, limit, plan);
    const struct plan_control principal = {
        .account_row = group.principal_row, .sub_ledger = SUB_LEDGER_PRINCIPAL, .scale = 1};
    const struct plan_control funding = {.account_row = group.funding_row,
                                         .sub_ledger = SUB_LEDGER_FUNDING,
                                         .scale = 1,
                                         .is_credit = true};
    const struct plan_control interest = {.account_row = group.receivable_row,
                                          .sub_ledger = SUB_LEDGER_INTEREST,
                                          .scale = ACCRUAL_SCALE};
    group.principal_control = plan_add_control(plan, context, &principal);
    group.funding_control = plan_add_control(plan, context, &funding);
    group.interest_control = plan_add_control(plan, context, &interest);
    plan_add_write(plan, ACCRUAL_TABLE_GROUPS, count, &group, sizeof group);
    return MODULE_DONE;
}

// --- loans ---------------------------------------------------------------------------------------

static void lend(struct plan *plan, u32 debit_row, u32 credit_row, u128 amount, u16 code, i32 day)
{
    struct plan_posting *posting = plan_add_posting(plan);
    posting->debit_row = debit_row;
    posting->credit_row = credit_row;
    posting->amount = amount;
    posting->code = code;
    posting->day = day;
}

// Turnover is of a day, and day 0 is none (struct plan_posting).
static bool day_is_invalid(i32 day, u128 *evidence)
{
    *evidence = (u32)day;
    return day < 1 || day > CIVIL_DAY_MAX;
}

// Checks a run of loans; says the sum of their principals.
static u32 run_check(const struct module_context *context, const struct accrual_open *open,
                     u128 evidence[2], u128 *total)
{
    evidence[0] = open->count;
    if (open->count == 0 || open->count > PLAN_BULK_MAX) return ACCRUAL_COUNT_INVALID;
    evidence[0] = open->principal;
    const u128 limit = U64_MAX;
    const u32 steps = open->count - 1;
    if (open->principal == 0 || open->principal > limit ||
        (steps > 0 && open->principal_step > (limit - open->principal) / steps)) {
        return ACCRUAL_PRINCIPAL_INVALID;
    }
    evidence[0] = open->rate_numerator;
    evidence[1] = open->rate_denominator;
    if (open->rate_denominator == 0 || open->rate_numerator > open->rate_denominator) {
        return ACCRUAL_RATE_INVALID;
    }
    evidence[1] = 0;
    if (day_is_invalid(open->day, evidence)) return ACCRUAL_DAY_OUT_OF_RANGE;
    *total = 0;
    for (u32 i = 0; i < open->count; i++) {
        evidence[0] = open->loan_id + i;
        if (open->loan_id + i < open->loan_id) return ACCRUAL_ID_MUST_NOT_BE_ZERO;
        if (module_find(context, ACCRUAL_TABLE_LOANS, open->loan_id + i) != NULL) {
            return ACCRUAL_LOAN_EXISTS;
        }
        *total += open->principal + i * open->principal_step;
    }
    return MODULE_DONE;
}

static u32 open_decide(const struct module_context *context, const struct accrual_open *open,
                       struct plan *plan)
{
    plan->evidence[0] = open->loan_id;
    if (open->loan_id == 0) return ACCRUAL_ID_MUST_NOT_BE_ZERO;
    const u64 group_row = module_find_row(context, ACCRUAL_TABLE_GROUPS, open->group_id);
    plan->evidence[0] = open->group_id;
    if (group_row == MODULE_ROW_NONE) return ACCRUAL_GROUP_NOT_FOUND;
    u128 total = 0;
    const u32 refusal = run_check(context, open, plan->evidence, &total);
    if (refusal != MODULE_DONE) return refusal;
    struct accrual_loan *loans =
        plan_add_bulk(plan, ACCRUAL_TABLE_LOANS, module_record_count(context, ACCRUAL_TABLE_LOANS),
                      open->count, sizeof *loans);
    for (u32 i = 0; i < open->count; i++) {
        loans[i] = (struct accrual_loan){
            .loan_id = open->loan_id + i,
            .principal = open->principal + i * open->principal_step,
            .rate_numerator = open->rate_numerator,
            .rate_denominator = open->rate_denominator,
            .group_row = (u32)group_row,
            .through = open->day,
        };
    }
    const struct accrual_group_state *group = group_at(context, group_row);
    lend(plan, group->principal_row, group->funding_row, total, ACCRUAL_CODE_LEND, open->day);
    return MODULE_DONE;
}

static u32 repay_decide(const struct module_context *context, const struct accrual_repay *repay,
                        struct plan *plan)
{
    const u64 row = module_find_row(context, ACCRUAL_TABLE_LOANS, repay->loan_id);
    plan->evidence[0] = repay->loan_id;
    if (row == MODULE_ROW_NONE) return ACCRUAL_LOAN_NOT_FOUND;
    struct accrual_loan loan = accrual_taken(context, loan_at(context, row));
    plan->evidence[0] = repay->amount;
    plan->evidence[1] = loan.principal;
    if (repay->amount == 0 || repay->amount > loan.principal) return ACCRUAL_AMOUNT_INVALID;
    loan.principal -= repay->amount;
    plan_add_write(plan, ACCRUAL_TABLE_LOANS, row, &loan, sizeof loan);
    const struct accrual_group_state *group = group_at(context, loan.group_row);
    lend(plan, group->funding_row, group->principal_row, repay->amount, ACCRUAL_CODE_REPAY,
         loan.through);
    return MODULE_DONE;
}

static u32 stray_decide(const struct module_context *context, const struct accrual_stray *stray,
                        struct plan *plan)
{
    const struct accrual_group_state *group =
        module_find(context, ACCRUAL_TABLE_GROUPS, stray->group_id);
    plan->evidence[0] = stray->group_id;
    if (group == NULL) return ACCRUAL_GROUP_NOT_FOUND;
    lend(plan, group->receivable_row, group->income_row, stray->amount, ACCRUAL_CODE_INTEREST, 0);
    if (stray->held) plan->postings[0].flags = TRANSFER_PENDING;
    return MODULE_DONE;
}

// --- the job -------------------------------------------------------------------------------------

static u32 job_decide(const struct module_context *context, struct job_start start,
                      struct plan *plan)
{
    const struct job_record *other = job_of_kind(context, start.kind);
    plan->evidence[0] = start.job_id;
    if (start.job_id == 0) return ACCRUAL_ID_MUST_NOT_BE_ZERO;
    // One that is not settled and has this id is this one: repeated, it exists.
    if (other != NULL && other->job_id != start.job_id) {
        plan->evidence[0] = other->job_id;
        return ACCRUAL_JOB_UNDER_WAY;
    }
    return job_begin(context, &start, plan) ? MODULE_DONE : ACCRUAL_JOB_EXISTS;
}

static u32 run_decide(const struct module_context *context, const struct accrual_run *run,
                      struct plan *plan)
{
    if (run->job_id != 0 && day_is_invalid(run->day, plan->evidence)) {
        return ACCRUAL_DAY_OUT_OF_RANGE;
    }
    return job_decide(context,
                      (struct job_start){
                          .job_id = run->job_id,
                          .total = module_record_count(context, ACCRUAL_TABLE_LOANS),
                          .day = run->day,
                          .kind = JOB_KIND_ACCRUAL,
                          .holds = run->holds,
                      },
                      plan);
}

static u32 tidy_decide(const struct module_context *context, const struct accrual_tidy *tidy,
                       struct plan *plan)
{
    return job_decide(context,
                      (struct job_start){
                          .job_id = tidy->job_id,
                          .total = module_record_count(context, ACCRUAL_TABLE_LOANS),
                          .kind = JOB_KIND_TIDYING,
                      },
                      plan);
}

static u32 count_decide(const struct module_context *context, const struct accrual_count *count,
                        struct plan *plan)
{
    return job_decide(context,
                      (struct job_start){
                          .job_id = count->job_id,
                          .total = count->entries,
                          .kind = JOB_KIND_COUNTING,
                      },
                      plan);
}

// Stages the interest of a loan through a day: days * principal * rate / 365, in millionths.
static void loan_accrue(struct accrual_loan *loan, i32 day, u32 job)
{
    const u64 parts = (u64)loan->rate_denominator * ACCRUAL_YEAR;
    const u64 factor = (u64)loan->rate_numerator * (u64)(day - loan->through);
    // At most 2^64 * 2^32 * 2^9 * 2^20, and a remainder below 2^41.
    const u128 interest = loan->principal * factor * ACCRUAL_SCALE + loan->remainder;
    const bool is_small = interest <= U64_MAX;
    const u128 whole = is_small ? (u64)interest / parts : interest / parts;
    loan->staged = loan->accrued + whole;
    loan->staged_remainder = (u64)(interest - whole * parts);
    loan->staged_through = day;
    loan->staged_by = job;
}

// Counts the loans that have something to take over.
static void tidying_slice(const struct module_context *context, u32 budget, struct job_record *job)
{
    const u64 end = MIN(job->total, job->cursor + budget);
    for (; job->cursor < end; job->cursor++) {
        job->done += job_counts(context, loan_at(context, job->cursor)->staged_by);
    }
}

// Counts the entries that there are, by their postings in history.
static void counting_slice(const struct module_context *context, u32 budget, struct job_record *job)
{
    const u64 end = MIN(job->total, job->cursor + budget);
    while (job->cursor < end) {
        struct module_postings walk = {0};
        struct outcome outcome;
        job->cursor++;
        if (module_posting_next(context, entry_module.number, job->cursor, &walk, &outcome)) {
            job->done++;
        } else {
            job->refused++;
        }
    }
}

// Takes over a run of loans, whose place in the table is the job's argument.
static bool tidying_conclude(const struct module_context *context, struct plan *plan)
{
    struct job_record *job = &plan->job;
    const u32 count = (u32)MIN(job->total - job->argument, (u64)PLAN_BULK_MAX);
    struct accrual_loan *loans =
        plan_add_bulk(plan, ACCRUAL_TABLE_LOANS, job->argument, count, sizeof *loans);
    for (u32 i = 0; i < count; i++) {
        loans[i] = accrual_taken(context, loan_at(context, job->argument + i));
    }
    job->argument += count;
    return job->argument == job->total;
}

static void accrual_slice(const struct module_context *context, u32 budget, struct plan *plan)
{
    struct job_record *job = &plan->job;
    if (job->kind == JOB_KIND_TIDYING) {
        tidying_slice(context, budget, job);
        return;
    }
    if (job->kind == JOB_KIND_COUNTING) {
        counting_slice(context, budget, job);
        return;
    }
    const u32 count = (u32)MIN(job->total - job->cursor, (u64)MIN(budget, PLAN_BULK_MAX));
    struct accrual_loan *loans =
        plan_add_bulk(plan, ACCRUAL_TABLE_LOANS, job->cursor, count, sizeof *loans);
    for (u32 i = 0; i < count; i++) {
        loans[i] = accrual_taken(context, loan_at(context, job->cursor + i));
        if (loans[i].through >= job->day) continue;
        if ((i64)job->day - loans[i].through > (i64)ACCRUAL_DAYS_MAX) {
            job->refused++;
            continue;
        }
        loan_accrue(&loans[i], job->day, job->number);
        job->done++;
    }
    job->cursor += count;
}

static bool accrual_conclude(const struct module_context *context, struct plan *plan)
{
    struct job_record *job = &plan->job;
    if (job->kind == JOB_KIND_TIDYING) return tidying_conclude(context, plan);
    if (job->kind == JOB_KIND_COUNTING) return true; // It posts nothing.
    for (u64 row = 0; row < module_record_count(context, ACCRUAL_TABLE_GROUPS); row++) {
        const struct accrual_group_state *group = group_at(context, row);
        const struct control *control = table_record(context->controls, group->interest_control);
        if (control->job != job->number) continue;
        const i128 before = control_whole(control->sum, control->scale);
        const i128 after = control_whole(control->sum + control->staged, control->scale);
        assert(after >= before);
        if (after == before) continue;
        lend(plan, group->receivable_row, group->income_row, (u128)(after - before),
             ACCRUAL_CODE_INTEREST, job->day);
        job->postings++;
    }
    return true;
}

// --- the sub-ledger ------------------------------------------------------------------------------

static struct module_share principal_share(const struct module_context *context, const void *record)
{
    const struct accrual_loan *loan = record;
    return (struct module_share){
        .control = group_at(context, loan->group_row)->principal_control,
        .settled = (i128)loan->principal,
    };
}

static struct module_share funding_share(const struct module_context *context, const void *record)
{
    const struct accrual_loan *loan = record;
    return (struct module_share){
        .control = group_at(context, loan->group_row)->funding_control,
        .settled = (i128)loan->principal,
    };
}

static struct module_share interest_share(const struct module_context *context, const void *record)
{
    const struct accrual_loan *loan = record;
    const bool is_open = job_is_open(context, loan->staged_by);
    const bool counts = job_counts(context, loan->staged_by);
    return (struct module_share){
        .control = group_at(context, loan->group_row)->interest_control,
        .settled = (i128)(counts ? loan->staged : loan->accrued),
        .staged = is_open ? (i128)(loan->staged - loan->accrued) : 0,
    };
}

static const struct module_sub_ledger sub_ledgers[] = {
    [SUB_LEDGER_PRINCIPAL] = {.table = ACCRUAL_TABLE_LOANS, .share = principal_share},
    [SUB_LEDGER_FUNDING] = {.table = ACCRUAL_TABLE_LOANS, .share = funding_share},
    [SUB_LEDGER_INTEREST] = {.table = ACCRUAL_TABLE_LOANS, .share = interest_share},
};

// --- the module ----------------------------------------------------------------------------------

static u32 accrual_decide(const struct module_context *context, const struct schema_record *record,
                          const void *body, struct plan *plan)
{
    if (record == &accrual_schema_accrual_group) return group_decide(context, body, plan);
    if (record == &accrual_schema_accrual_open) return open_decide(context, body, plan);
    if (record == &accrual_schema_accrual_repay) return repay_decide(context, body, plan);
    if (record == &accrual_schema_accrual_run) return run_decide(context, body, plan);
    if (record == &accrual_schema_accrual_tidy) return tidy_decide(context, body, plan);
    if (record == &accrual_schema_accrual_count) return count_decide(context, body, plan);
    assert(record == &accrual_schema_accrual_stray);
    return stray_decide(context, body, plan);
}

static u32 accrual_ask(const struct module_context *context, const struct schema_record *question,
                       const void *body, struct module_answer *answer)
{
    (void)body;
    assert(question == &accrual_schema_accrual_loans);
    answer->record = &accrual_schema_accrual_loan;
    answer_rows(context, ACCRUAL_TABLE_LOANS, answer);
    return MODULE_DONE;
}

static void accrual_check(const struct module_context *context)
{
    for (u64 row = 0; row < module_record_count(context, ACCRUAL_TABLE_LOANS); row++) {
        const struct accrual_loan *loan = loan_at(context, row);
        const u64 parts = (u64)loan->rate_denominator * ACCRUAL_YEAR;
        assert(loan->remainder < parts && loan->staged_remainder < parts); // A3
        assert(loan->staged_by == 0 || loan->staged >= loan->accrued);
        assert(loan->staged_by == 0 || loan->staged_through > loan->through);
        assert(loan->staged_by <= context->jobs->count);
    }
    turnovers_check(context->turnovers, context->ledger, ACCRUAL_ACCOUNT_CLASS);
}

const struct module accrual_module = {
    .name = "accrual",
    .number = MODULE_NUMBER,
    .version = 1,
    .account_class = ACCRUAL_ACCOUNT_CLASS,
    .schema = &accrual_schema,
    .table_count = 2,
    .tables = {{.record_size = sizeof(struct accrual_loan),
                .record_max = ACCRUAL_LOANS_MAX,
                .keyed = true},
               {.record_size = sizeof(struct accrual_group_state),
                .record_max = ACCRUAL_GROUPS_MAX,
                .keyed = true}},
    .decide = accrual_decide,
    .ask = accrual_ask,
    .slice = accrual_slice,
    .conclude = accrual_conclude,
    .sub_ledgers = sub_ledgers,
    .sub_ledger_count = ARRAY_COUNT(sub_ledgers),
    .is_for_tests = true,
    .check = accrual_check,
};
