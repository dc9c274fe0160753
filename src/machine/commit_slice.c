// SPDX-License-Identifier: Apache-2.0
//
// Advancing jobs: one slice of one job in a tick (docs/JOBS.md).
//
// A slice is a plan as any other, with the job's record in it, so a slice and how far the job is
// are one. What a slice may not do is refused and fails the job, which is a plan of its own.
#include "machine/commit_internal.h"

#include "modules/import/import.h"
#include "modules/principal/principal.h"

// Of the postings of a tick, those of its slice have other ids than those of modules' pulses.
#define SLICE_INDEX 1u

static const struct module *module_of_job(const struct job_record *job)
{
    const struct module *module = module_of_record(job->kind);
    assert(module != NULL); // What began it is on disk.
    return module;
}

const struct job_record *commit_job_next(const struct machine *machine)
{
    const struct module_tables *jobs = &machine->module_tables[module_index(&job_module)];
    const struct btree *turns = &jobs->orders[JOB_TABLE][JOB_ORDER_TURN];
    if (LIKELY(turns->count == 0)) return NULL;
    const struct module_context context = commit_context(machine, &job_module);
    const struct job_record *whole = job_of_kind(&context, JOB_KIND_IMPORT_WHOLE);
    if (whole != NULL && whole->status == JOB_STATUS_COMMITTING) return whole;
    return table_record(&jobs->tables[JOB_TABLE], btree_row(turns, btree_first(turns)));
}

// Plans a slice, or a part of the conclusion, of the job in the plan.
static void slice_plan(const struct module *module, const struct module_context *context,
                       struct plan *plan)
{
    struct job_record *job = &plan->job;
    job->slices++;
    job->advanced_at = context->timestamp;
    if (job->status == JOB_STATUS_COMMITTING) {
        const bool is_last = module->conclude == NULL || module->conclude(context, plan);
        if (is_last) job_move(job, JOB_EVENT_CONCLUDE, context->timestamp);
        return;
    }
    const u64 cursor = job->cursor;
    if (cursor < job->total) module->slice(context, JOB_SLICE_MEMBERS, plan);
    assert(plan->posting_count == 0); // Money moves when it concludes.
    assert(job->cursor <= job->total && job->cursor - cursor <= JOB_SLICE_MEMBERS);
    assert(job->cursor > cursor || cursor == job->total); // It comes to an end.
    if (job->cursor < job->total) return;
    job_move(job, job->holds ? JOB_EVENT_HOLD : JOB_EVENT_PASS, context->timestamp);
}

// Advances a job of a module by a plan. What refuses it is in the reply.
static enum status slice_commit(struct machine *machine, const struct module *module,
                                const struct source *source, const struct job_record *before,
                                struct command_reply *reply, struct applied_frame *frame,
                                struct applied_command *applied, struct failure *failure)
{
    struct module_context context = commit_context(machine, module);
    struct module_facts facts = {.failure = failure};
    context.timestamp = applied->timestamp;
    context.principal = before->principal;
    context.facts = &facts;
    struct plan *plan = machine->plan;
    plan_clear(plan);
    plan->has_job = true;
    plan->job = *before;
    slice_plan(module, &context, plan);
    if (facts.status != STATUS_OK) return facts.status;
    return plan_commit(machine, module, plan, source, reply, frame, applied, failure);
}

static enum status job_fail(struct machine *machine, const struct module *module,
                            const struct source *source, const struct job_record *before,
                            const struct command_reply *reply, struct applied_frame *frame,
                            struct applied_command *applied, struct failure *failure)
{
    struct plan *plan = machine->plan;
    plan_clear(plan);
    plan->has_job = true;
    plan->job = *before;
    plan->job.result = reply->result;
    plan->job.posting_result = reply->posting_result;
    plan->job.value = reply->evidence[0];
    plan->job.limit = reply->evidence[1];
    job_move(&plan->job, JOB_EVENT_FAIL, applied->timestamp);
    struct command_reply failed = {0};
    enum status status =
        plan_commit(machine, module, plan, source, &failed, frame, applied, failure);
    assert(status != STATUS_OK || failed.result == MODULE_DONE); // It writes one record.
    return status;
}

enum status commit_slice(struct machine *machine, u64 place, const u8 *body, u32 size,
                         u64 body_place, struct applied_frame *frame,
                         struct applied_command *applied, struct failure *failure)
{
    const struct job_record *next = commit_job_next(machine);
    if (LIKELY(next == NULL)) return STATUS_OK;
    const struct job_record before = *next;
    const struct module *module = module_of_job(&before);
    const struct module_context principals = commit_context(machine, &principal_module);
    const struct tick tick = {.body = body, .size = size, .place = body_place};
    const struct source source = {.command_id = before.job_id,
                                  .place = place,
                                  .index = SLICE_INDEX,
                                  .module = module->number,
                                  .owner_class = module->account_class};
    struct command_reply reply = {0};
    enum status status = STATUS_OK;
    if (principal_is_closed(&principals, before.principal)) { // L11: nothing in its name any more.
        reply.result = MODULE_PRINCIPAL_CLOSED;
        reply.evidence[0] = before.principal;
    } else if (import_has_job(&before)) {
        return commit_import_slice(machine, &before, &tick, frame, applied, failure);
    } else {
        status = slice_commit(machine, module, &source, &before, &reply, frame, applied, failure);
    }
    if (status != STATUS_OK || reply.result == MODULE_DONE) return status;
    return job_fail(machine, module, &source, &before, &reply, frame, applied, failure);
}
