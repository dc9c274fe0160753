// SPDX-License-Identifier: Apache-2.0
//
// The job module: long work that is done in slices, each within one tick (docs/JOBS.md).
//
// A job has members, the rows of a table below a count that is taken when it begins. A slice looks
// at the next of them and stages what comes of it in their records, where it does not count yet;
// the job's conclusion makes all of it count at once, with postings. A module takes part by its
// `slice` and `conclude` (struct module); records of jobs are written by the machine alone.
//
// Invariants
//   J1 Status moves by job_life alone; a job that is settled stays as it is.
//   J2 done + refused <= cursor <= total; only a running job has cursor < total or was given up.
//   J3 The record of a job is row number - 1.
#ifndef TAEL_MODULES_JOB_JOB_H
#define TAEL_MODULES_JOB_JOB_H

#include "base/table.h"
#include "schema/schema.h"

#include "schema/pass_struct.h"

#include "modules/job/job.def"

#include "schema/pass_end.h"

#define SCHEMA_MODULE job
#include "schema/pass_extern.h"

#include "modules/job/job.def"

#include "schema/pass_end.h"
#undef SCHEMA_MODULE

#define JOB_TABLE       0u // Of the module.
#define JOB_ORDER_TURN  0u // Jobs that a tick advances, the one that waits longest first.
#define JOB_ORDER_KIND  1u // Jobs that are not settled, by their kind.
#define JOB_RECORDS_MAX (1u << 20)

struct module_context;
struct plan;

// What a module says of a job that it begins.
struct job_start {
    u128 job_id;
    u64 total;    // Members.
    u64 argument; // The kind's own.
    i32 day;
    u16 kind; // Its high byte is the module's number.
    bool holds;
};

// Whether it was committed or cancelled, or has failed: it stays as it is.
static inline bool job_is_settled(const struct job_record *job)
{
    return job->status >= JOB_STATUS_COMMITTED;
}
// Whether a tick advances it.
static inline bool job_is_runnable(const struct job_record *job)
{
    return job->status == JOB_STATUS_RUNNING || job->status == JOB_STATUS_COMMITTING;
}

// The job of an id, or NULL.
const struct job_record *job_find_id(const struct module_context *context, u128 job_id);
// The job of a number, which must be there (asserted).
const struct job_record *job_of_number(const struct module_context *context, u32 number);
// The first job of a kind that is not settled, or NULL.
const struct job_record *job_of_kind(const struct module_context *context, u16 kind);
// Whether what a record staged for this job counts. Number 0 is none: it does not.
bool job_counts(const struct module_context *context, u32 number);
// Whether it may come to count: the job is not settled.
bool job_is_open(const struct module_context *context, u32 number);
// Adds the beginning of a job to a plan. False, and nothing is added, when the id is taken or 0.
MUST_USE bool job_begin(const struct module_context *context, const struct job_start *start,
                        struct plan *plan);
// Moves a job's status by an event that job_life has (asserted).
void job_move(struct job_record *job, enum job_event event, u64 timestamp);

#endif
