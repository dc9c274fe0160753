// SPDX-License-Identifier: Apache-2.0
//
// Deciding on jobs, and what modules that have jobs share.
#include "modules/job/job.h"

#include "modules/module.h"

#define SCHEMA_MODULE job
#define SCHEMA_TABLE  "modules/job/job.def"
#include "schema/make_descriptors.h"

// --- orders --------------------------------------------------------------------------------------

static bool is_runnable(const void *record)
{
    return job_is_runnable(record);
}

static bool is_unsettled(const void *record)
{
    return !job_is_settled(record);
}

static u64 turn_head(const void *record)
{
    return ((const struct job_record *)record)->advanced_at;
}

static u64 kind_head(const void *record)
{
    return ((const struct job_record *)record)->kind;
}

static const struct module_order order_turn = {.order = {.head = turn_head}, .has = is_runnable};
static const struct module_order order_kind = {.order = {.head = kind_head}, .has = is_unsettled};

// --- what modules share --------------------------------------------------------------------------

static const struct job_record *job_at(const struct module_context *context, u64 row)
{
    return table_record(context->jobs, row);
}

const struct job_record *job_of_number(const struct module_context *context, u32 number)
{
    assert(number > 0 && number <= context->jobs->count);
    return job_at(context, number - 1);
}

const struct job_record *job_find_id(const struct module_context *context, u128 job_id)
{
    const struct module_context own = module_context_of(context, &job_module);
    return module_find(&own, JOB_TABLE, job_id);
}

const struct job_record *job_of_kind(const struct module_context *context, u16 kind)
{
    const struct module_context own = module_context_of(context, &job_module);
    const struct job_record probe = {.kind = kind};
    const u64 row = module_find_ordered(&own, JOB_TABLE, JOB_ORDER_KIND, &probe);
    return row == MODULE_ROW_NONE ? NULL : job_at(context, row);
}

bool job_counts(const struct module_context *context, u32 number)
{
    return number != 0 && job_of_number(context, number)->status == JOB_STATUS_COMMITTED;
}

bool job_is_open(const struct module_context *context, u32 number)
{
    return number != 0 && !job_is_settled(job_of_number(context, number));
}

bool job_begin(const struct module_context *context, const struct job_start *start,
               struct plan *plan)
{
    if (start->job_id == 0 || job_find_id(context, start->job_id) != NULL) return false;
    plan->has_job = true;
    plan->job = (struct job_record){
        .job_id = start->job_id,
        .total = start->total,
        .principal = context->principal,
        .begun_at = context->timestamp,
        .advanced_at = context->timestamp,
        .argument = start->argument,
        .number = (u32)context->jobs->count + 1,
        .day = start->day,
        .kind = start->kind,
        .status = JOB_STATUS_RUNNING,
        .holds = start->holds,
    };
    return true;
}

void job_move(struct job_record *job, enum job_event event, u64 timestamp)
{
    u32 to = 0;
    const bool is_legal = schema_machine_next(&job_schema_job_life, job->status, event, &to); // J1
    assert(is_legal);
    job->status = (u8)to;
    job->advanced_at = timestamp;
    if (job_is_settled(job)) job->ended_at = timestamp;
}

// --- commands ------------------------------------------------------------------------------------

static u32 job_decide(const struct module_context *context, const struct schema_record *record,
                      const void *body, struct plan *plan)
{
    const bool is_cancel = record == &job_schema_job_cancel;
    assert(is_cancel || record == &job_schema_job_commit);
    const u128 job_id = load_u128(body);
    const struct job_record *job = job_find_id(context, job_id);
    plan->evidence[0] = job_id;
    if (job == NULL) return JOB_NOT_FOUND;
    plan->evidence[1] = job->principal;
    if (job->principal != context->principal) return JOB_NOT_THE_OWNER; // L11
    plan->evidence[0] = job->status;
    plan->evidence[1] = 0;
    if (job_is_settled(job)) return JOB_SETTLED;
    if (job->status == JOB_STATUS_COMMITTING) return JOB_COMMITTING;
    plan->evidence[0] = job->cursor;
    plan->evidence[1] = job->total;
    if (!is_cancel && job->status != JOB_STATUS_STAGED) return JOB_NOT_STAGED;
    plan->has_job = true;
    plan->job = *job;
    job_move(&plan->job, is_cancel ? JOB_EVENT_CANCEL : JOB_EVENT_COMMIT, context->timestamp);
    return MODULE_DONE;
}

// --- questions -----------------------------------------------------------------------------------

static u32 list_ask(const struct module_context *context, const struct job_list *question,
                    struct module_answer *answer)
{
    const u64 count = module_record_count(context, JOB_TABLE);
    u64 row = load_u64(answer->cursor);
    u32 looks = 0;
    answer->record = &job_schema_job_record;
    for (; row < count && looks < ANSWER_LOOKS_MAX; row++, looks++) {
        const struct job_record *job = job_at(context, row);
        if (question->status != JOBS_ALL && question->status != job->status) continue;
        if (!answer_add(answer, job)) break;
    }
    memset(answer->cursor, 0, sizeof answer->cursor);
    if (row < count) store_u64(answer->cursor, row);
    return MODULE_DONE;
}

static u32 job_ask(const struct module_context *context, const struct schema_record *question,
                   const void *body, struct module_answer *answer)
{
    if (question == &job_schema_job_list) return list_ask(context, body, answer);
    assert(question == &job_schema_job_find);
    const struct job_record *job = job_find_id(context, load_u128(body));
    answer->evidence[0] = load_u128(body);
    if (job == NULL) return JOB_NOT_FOUND;
    answer->record = &job_schema_job_record;
    (void)answer_add(answer, job);
    return MODULE_DONE;
}

static void job_check(const struct module_context *context)
{
    for (u64 row = 0; row < module_record_count(context, JOB_TABLE); row++) {
        const struct job_record *job = job_at(context, row);
        assert(job->job_id != 0 && job->number == row + 1); // J3
        assert(job->status >= JOB_STATUS_RUNNING && job->status <= JOB_STATUS_FAILED);
        assert(job->done + job->refused <= job->cursor && job->cursor <= job->total); // J2
        const bool is_whole = job->cursor == job->total;
        assert(is_whole || job->status == JOB_STATUS_RUNNING ||
               job->status == JOB_STATUS_CANCELLED || job->status == JOB_STATUS_FAILED);
        assert((job->ended_at != 0) == job_is_settled(job));
        assert(job->status == JOB_STATUS_FAILED || job->result == 0);
    }
}

const struct module job_module = {
    .name = "job",
    .number = 0x08,
    .version = 1,
    .schema = &job_schema,
    .table_count = 1,
    .tables = {{.record_size = sizeof(struct job_record),
                .record_max = JOB_RECORDS_MAX,
                .keyed = true,
                .orders = {&order_turn, &order_kind}}},
    .decide = job_decide,
    .ask = job_ask,
    .check = job_check,
};
