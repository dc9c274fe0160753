// SPDX-License-Identifier: Apache-2.0
//
// The naive model of loans and their jobs.
#include "modules/accrual/accrual_model.h"

static const struct accrual_model_reply done = {0};

static struct accrual_model_reply refuse(u32 result, u128 value, u128 limit)
{
    return (struct accrual_model_reply){.result = result, .evidence = {value, limit}};
}

// --- finding -------------------------------------------------------------------------------------

static struct accrual_model_loan *find_loan(struct accrual_model *model, u128 loan_id)
{
    for (u32 i = 0; i < model->loan_count; i++) {
        if (model->loans[i].loan_id == loan_id) return &model->loans[i];
    }
    return NULL;
}

static u32 find_group(const struct accrual_model *model, u128 group_id)
{
    u32 i = 0;
    while (i < model->group_count && model->groups[i].group_id != group_id) i++;
    return i;
}

struct job_record *accrual_model_find_job(struct accrual_model *model, u128 job_id)
{
    for (u32 i = 0; i < model->job_count; i++) {
        if (model->jobs[i].job_id == job_id) return &model->jobs[i];
    }
    return NULL;
}

static bool is_over(const struct job_record *job)
{
    return job->status == JOB_STATUS_COMMITTED || job->status == JOB_STATUS_CANCELLED ||
           job->status == JOB_STATUS_FAILED;
}

static void job_turn(struct accrual_model *model, const struct job_record *job)
{
    model->turns[job->number - 1] = ++model->turn;
}

static u128 millionths(const struct accrual_model_loan *loan)
{
    return loan->units / ((u64)loan->denominator * 365);
}

struct accrual_model_sums accrual_model_sum(const struct accrual_model *model, u32 group)
{
    struct accrual_model_sums sums = {0};
    for (u32 i = 0; i < model->loan_count; i++) {
        if (model->loans[i].group != group) continue;
        sums.principal += model->loans[i].principal;
        sums.interest += millionths(&model->loans[i]);
    }
    sums.interest /= 1000000;
    return sums;
}

// A loan that is written anew no longer has the result of a job that is over.
static void loan_rewrite(struct accrual_model *model, struct accrual_model_loan *loan)
{
    if (loan->staged_by != 0 && is_over(&model->jobs[loan->staged_by - 1])) loan->staged_by = 0;
}

// --- commands ------------------------------------------------------------------------------------

static struct accrual_model_reply run_group(struct accrual_model *model,
                                            const struct accrual_group *open)
{
    if (open->group_id == 0) return refuse(ACCRUAL_ID_MUST_NOT_BE_ZERO, 0, 0);
    if (find_group(model, open->group_id) < model->group_count) {
        return refuse(ACCRUAL_GROUP_EXISTS, open->group_id, 0);
    }
    for (u32 i = 0; i < model->group_count; i++) {
        if (model->groups[i].book == open->book) return refuse(ACCRUAL_BOOK_TAKEN, open->book, 0);
    }
    assert(model->group_count < ACCRUAL_MODEL_GROUPS_MAX && !open->limited);
    model->groups[model->group_count++] =
        (struct accrual_model_group){.group_id = open->group_id, .book = open->book};
    return done;
}

static struct accrual_model_reply run_open(struct accrual_model *model,
                                           const struct accrual_open *open)
{
    const u32 group = find_group(model, open->group_id);
    if (open->loan_id == 0) return refuse(ACCRUAL_ID_MUST_NOT_BE_ZERO, 0, 0);
    if (group == model->group_count) return refuse(ACCRUAL_GROUP_NOT_FOUND, open->group_id, 0);
    if (open->count == 0 || open->count > 8192)
        return refuse(ACCRUAL_COUNT_INVALID, open->count, 0);
    if (open->principal == 0) return refuse(ACCRUAL_PRINCIPAL_INVALID, 0, 0);
    if (open->rate_denominator == 0 || open->rate_numerator > open->rate_denominator) {
        return refuse(ACCRUAL_RATE_INVALID, open->rate_numerator, open->rate_denominator);
    }
    for (u32 i = 0; i < open->count; i++) {
        if (find_loan(model, open->loan_id + i) != NULL) {
            return refuse(ACCRUAL_LOAN_EXISTS, open->loan_id + i, 0);
        }
    }
    assert(model->loan_count + open->count <= ACCRUAL_MODEL_LOANS_MAX);
    for (u32 i = 0; i < open->count; i++) {
        model->loans[model->loan_count++] = (struct accrual_model_loan){
            .loan_id = open->loan_id + i,
            .principal = open->principal + i * open->principal_step,
            .numerator = open->rate_numerator,
            .denominator = open->rate_denominator,
            .group = group,
            .through = open->day,
        };
    }
    return done;
}

static struct accrual_model_reply run_repay(struct accrual_model *model,
                                            const struct accrual_repay *repay)
{
    struct accrual_model_loan *loan = find_loan(model, repay->loan_id);
    if (loan == NULL) return refuse(ACCRUAL_LOAN_NOT_FOUND, repay->loan_id, 0);
    if (repay->amount == 0 || repay->amount > loan->principal) {
        return refuse(ACCRUAL_AMOUNT_INVALID, repay->amount, loan->principal);
    }
    loan_rewrite(model, loan);
    loan->principal -= repay->amount;
    return done;
}

// The machine tells what the account would have beside what the loans have; what is held is not
// had.
static struct accrual_model_reply run_stray(const struct accrual_model *model,
                                            const struct accrual_stray *stray)
{
    const u32 group = find_group(model, stray->group_id);
    if (group == model->group_count) return refuse(ACCRUAL_GROUP_NOT_FOUND, stray->group_id, 0);
    const u128 interest = accrual_model_sum(model, group).interest;
    return refuse(MODULE_SUB_LEDGER_BROKEN, interest, interest + (stray->held ? 0 : stray->amount));
}

struct job_record *accrual_model_job(struct accrual_model *model, u64 principal, u128 job_id,
                                     u16 kind, u64 total, bool holds)
{
    assert(model->job_count < ACCRUAL_MODEL_JOBS_MAX);
    struct job_record *job = &model->jobs[model->job_count++];
    *job = (struct job_record){.job_id = job_id,
                               .total = total,
                               .principal = principal,
                               .number = model->job_count,
                               .kind = kind,
                               .status = JOB_STATUS_RUNNING,
                               .holds = holds};
    job_turn(model, job);
    return job;
}

// Why no job of a kind and an id begins now.
static struct accrual_model_reply job_judge(struct accrual_model *model, u128 job_id, u16 kind)
{
    if (job_id == 0) return refuse(ACCRUAL_ID_MUST_NOT_BE_ZERO, 0, 0);
    for (u32 i = 0; i < model->job_count; i++) {
        const struct job_record *other = &model->jobs[i];
        if (other->kind == kind && !is_over(other) && other->job_id != job_id) {
            return refuse(ACCRUAL_JOB_UNDER_WAY, other->job_id, 0);
        }
    }
    if (accrual_model_find_job(model, job_id) == NULL) return done;
    return refuse(ACCRUAL_JOB_EXISTS, job_id, 0);
}

static struct accrual_model_reply run_accrual(struct accrual_model *model, u64 principal,
                                              const struct accrual_run *run)
{
    const struct accrual_model_reply reply = job_judge(model, run->job_id, JOB_KIND_ACCRUAL);
    if (reply.result != MODULE_DONE) return reply;
    accrual_model_job(model, principal, run->job_id, JOB_KIND_ACCRUAL, model->loan_count,
                      run->holds)
        ->day = run->day;
    return done;
}

// Jobs that never wait to be committed.
static struct accrual_model_reply run_other(struct accrual_model *model, u64 principal, u128 job_id,
                                            u16 kind, u64 total)
{
    const struct accrual_model_reply reply = job_judge(model, job_id, kind);
    if (reply.result != MODULE_DONE) return reply;
    accrual_model_job(model, principal, job_id, kind, total, false);
    return done;
}

// Gives a job up, or commits it.
static struct accrual_model_reply job_settle(struct accrual_model *model, u64 principal,
                                             u128 job_id, bool is_cancel)
{
    struct job_record *job = accrual_model_find_job(model, job_id);
    if (job == NULL) return refuse(JOB_NOT_FOUND, job_id, 0);
    if (job->principal != principal) return refuse(JOB_NOT_THE_OWNER, job_id, job->principal);
    if (is_over(job)) return refuse(JOB_SETTLED, job->status, 0);
    if (job->status == JOB_STATUS_COMMITTING) return refuse(JOB_COMMITTING, job->status, 0);
    if (!is_cancel && job->status == JOB_STATUS_RUNNING) {
        return refuse(JOB_NOT_STAGED, job->cursor, job->total);
    }
    job->status = is_cancel ? JOB_STATUS_CANCELLED : JOB_STATUS_COMMITTING;
    job_turn(model, job);
    return done;
}

struct accrual_model_reply accrual_model_run(struct accrual_model *model, u64 principal, u16 record,
                                             const void *body)
{
    const struct accrual_count *count = body;
    switch (record) {
    case 0x7e01: return run_group(model, body);
    case 0x7e02: return run_open(model, body);
    case 0x7e03: return run_repay(model, body);
    case 0x7e05: return run_stray(model, body);
    case 0x7e04: return run_accrual(model, principal, body);
    case 0x7e06:
        return run_other(model, principal, load_u128(body), JOB_KIND_TIDYING, model->loan_count);
    case 0x7e07:
        return run_other(model, principal, count->job_id, JOB_KIND_COUNTING, count->entries);
    default: return job_settle(model, principal, load_u128(body), record == 0x0801);
    }
}

// --- ticks ---------------------------------------------------------------------------------------

// Looks at one member of a job.
static void member_look(struct accrual_model *model, struct job_record *job, u64 member)
{
    struct accrual_model_loan *loan = &model->loans[member];
    if (job->kind == JOB_KIND_COUNTING) {
        const bool is_there = model->has_entry(model->context, member + 1);
        job->done += is_there;
        job->refused += !is_there;
        return;
    }
    if (job->kind == JOB_KIND_TIDYING) {
        job->done +=
            loan->staged_by != 0 && model->jobs[loan->staged_by - 1].status == JOB_STATUS_COMMITTED;
        return;
    }
    loan_rewrite(model, loan);
    if (loan->through >= job->day) return;
    if (job->day - loan->through > 366) {
        job->refused++;
        return;
    }
    const u64 days = (u64)(job->day - loan->through);
    loan->units_staged = loan->units + loan->principal * loan->numerator * 1000000 * days;
    loan->through_staged = job->day;
    loan->staged_by = job->number;
    job->done++;
}

// What an accrual staged counts now.
static void accrual_commit(struct accrual_model *model, struct job_record *job)
{
    u128 before[ACCRUAL_MODEL_GROUPS_MAX] = {0};
    for (u32 i = 0; i < model->group_count; i++) before[i] = accrual_model_sum(model, i).interest;
    for (u32 i = 0; i < model->loan_count; i++) {
        struct accrual_model_loan *loan = &model->loans[i];
        if (loan->staged_by != job->number) continue;
        loan->units = loan->units_staged;
        loan->through = loan->through_staged;
    }
    for (u32 i = 0; i < model->group_count; i++) {
        job->postings += accrual_model_sum(model, i).interest != before[i];
    }
    job->status = JOB_STATUS_COMMITTED;
}

// A part of the conclusion of a tidying: a run of loans has nothing of jobs that are over.
static void tidying_commit(struct accrual_model *model, struct job_record *job)
{
    const u64 end = MIN(job->total, job->argument + 8192);
    for (; job->argument < end; job->argument++) loan_rewrite(model, &model->loans[job->argument]);
    if (job->argument == job->total) job->status = JOB_STATUS_COMMITTED;
}

void accrual_model_tick(struct accrual_model *model)
{
    struct job_record *job = NULL;
    for (u32 i = 0; i < model->job_count; i++) {
        struct job_record *other = &model->jobs[i];
        if (other->status != JOB_STATUS_RUNNING && other->status != JOB_STATUS_COMMITTING) continue;
        if (job == NULL || model->turns[i] < model->turns[job->number - 1]) job = other;
    }
    for (u32 i = 0; i < model->job_count; i++) {
        struct job_record *first = &model->jobs[i];
        if (first->kind != model->first_kind) continue;
        if (first->status == JOB_STATUS_COMMITTING) job = first;
    }
    if (job == NULL) return;
    job->slices++;
    job_turn(model, job);
    if (job->kind >> 8 != accrual_module.number) {
        model->other_slice(model->context, job);
        return;
    }
    if (job->status == JOB_STATUS_COMMITTING) {
        if (job->kind == JOB_KIND_TIDYING) tidying_commit(model, job);
        else if (job->kind == JOB_KIND_COUNTING) job->status = JOB_STATUS_COMMITTED;
        else accrual_commit(model, job);
        return;
    }
    const u64 end = MIN(job->total, job->cursor + 8192);
    for (; job->cursor < end; job->cursor++) member_look(model, job, job->cursor);
    if (job->cursor < job->total) return;
    job->status = job->holds ? JOB_STATUS_STAGED : JOB_STATUS_COMMITTING;
}

// --- random commands -----------------------------------------------------------------------------

#define FIRST_DAY 20000

static u32 random_open(const struct accrual_model *model, struct random *random, u128 *next_id,
                       u32 run_max, struct accrual_open *open)
{
    const u64 group = random_below(random, model->group_count + (random_chance(random, 3) ? 1 : 0));
    const u64 count = random_between(random, 1, run_max);
    const u64 principal = random_between(random, 1, 1u << 30);
    const u64 numerator = random_below(random, 50);
    const u64 denominator = random_between(random, 50, 1000);
    const u64 step = random_below(random, 100);
    const u64 wrong = random_below(random, 60);
    *open = (struct accrual_open){
        .loan_id = *next_id,
        .group_id = group < model->group_count ? model->groups[group].group_id : (u128)999,
        .principal = principal,
        .principal_step = step,
        .count = (u32)count,
        .rate_numerator = (u32)numerator,
        .rate_denominator = (u32)denominator,
        .day = FIRST_DAY};
    *next_id += count;
    if (wrong == 0) open->loan_id = 0;
    if (wrong == 1) open->count = 0;
    if (wrong == 2) open->count = 8193;
    if (wrong == 3) open->principal = 0;
    if (wrong == 4) open->rate_denominator = 0;
    if (wrong < 9 && wrong > 4 && model->loan_count > 0) {
        open->loan_id = model->loans[random_below(random, model->loan_count)].loan_id;
    }
    return sizeof *open;
}

static u32 random_repay(const struct accrual_model *model, struct random *random,
                        struct accrual_repay *repay)
{
    repay->loan_id = 7;
    repay->amount = 1;
    if (model->loan_count == 0 || random_chance(random, 5)) return sizeof *repay;
    const struct accrual_model_loan *loan = &model->loans[random_below(random, model->loan_count)];
    const u64 part = random_between(random, 1, 20);
    repay->loan_id = loan->loan_id;
    repay->amount = random_chance(random, 10) ? loan->principal + part - 5 : loan->principal / part;
    return sizeof *repay;
}

static u32 random_group(const struct accrual_model *model, struct random *random,
                        struct accrual_group *group)
{
    const u64 one = random_below(random, ACCRUAL_MODEL_GROUPS_MAX + 1);
    const u64 book = random_below(random, 3);
    *group = (struct accrual_group){.group_id = one,
                                    .product = 1,
                                    .entity = 9,
                                    .book = model->book_first + (u32)(one == 0 ? book : one - 1)};
    // An id that is new, with a book that an older one has.
    if (one == ACCRUAL_MODEL_GROUPS_MAX) group->book = model->book_first;
    return sizeof *group;
}

// The id of a job, one that is not over more often than not.
static u128 random_job(const struct accrual_model *model, struct random *random)
{
    if (model->job_count == 0) return 3;
    const u64 back = random_below(random, random_chance(random, 80) ? 2 : model->job_count);
    return model->jobs[model->job_count - 1 - MIN(back, (u64)model->job_count - 1)].job_id;
}

u16 accrual_random_command(const struct accrual_model *model, struct random *random, u128 *next_id,
                           u32 run_max, u8 *body, u32 *size)
{
    static const u16 records[] = {0x7e01, 0x7e02, 0x7e02, 0x7e03, 0x7e03, 0x7e03, 0x7e04, 0x7e04,
                                  0x7e04, 0x7e05, 0x7e06, 0x7e07, 0x0801, 0x0802, 0x0802, 0x0802};
    const u16 record = records[random_below(random, ARRAY_COUNT(records))];
    const u64 day = random_below(random, 400);
    const bool is_new = random_chance(random, 92);
    memset(body, 0, 128);
    *size = sizeof(u128);
    if (record == 0x7e01) {
        *size = random_group(model, random, (void *)body);
    } else if (record == 0x7e02) {
        *size = random_open(model, random, next_id, run_max, (void *)body);
    } else if (record == 0x7e03) {
        *size = random_repay(model, random, (void *)body);
    } else if (record == 0x7e05) {
        struct accrual_stray *stray = (void *)body;
        stray->group_id = model->groups[random_below(random, model->group_count)].group_id;
        stray->amount = random_between(random, 1, 1000);
        stray->held = random_chance(random, 30);
        if (random_chance(random, 5)) stray->group_id = 999;
        *size = sizeof *stray;
    } else if (record == 0x7e04) {
        struct accrual_run *run = (void *)body;
        run->job_id = is_new ? (*next_id)++ : random_job(model, random);
        run->day = FIRST_DAY + 1 + (i32)day;
        run->holds = random_chance(random, 50);
        *size = sizeof *run;
    } else if (record == 0x7e07) {
        struct accrual_count *count = (void *)body;
        count->job_id = is_new ? (*next_id)++ : random_job(model, random);
        count->entries = random_below(random, random_chance(random, 10) ? 9000 : 400);
        *size = sizeof *count;
    } else {
        const bool starts = record == 0x7e06 && is_new;
        const u128 id = starts ? (*next_id)++ : random_job(model, random);
        store_u128(body, id);
    }
    return record;
}
