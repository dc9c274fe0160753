// SPDX-License-Identifier: Apache-2.0
//
// For tests: loans and their jobs a second time, as plain lists that are searched from end to end,
// and random commands on them.
//
// Interest is kept as an exact fraction, and every sum is made anew when it is asked. A tick does
// one slice of the job that waits longest, as docs/JOBS.md says; a job that is committed settles
// all its members at once.
//
// Does not model: time (moments of jobs are 0), groups that are limited, limits of tables.
#ifndef TAEL_MODULES_ACCRUAL_ACCRUAL_MODEL_H
#define TAEL_MODULES_ACCRUAL_ACCRUAL_MODEL_H

#include "base/random.h"
#include "modules/accrual/accrual.h"
#include "modules/job/job.h"

#define ACCRUAL_MODEL_LOANS_MAX  40000u
#define ACCRUAL_MODEL_GROUPS_MAX 8u
#define ACCRUAL_MODEL_JOBS_MAX   4096u

// A loan: its interest is units / (denominator * 365) millionths.
struct accrual_model_loan {
    u128 loan_id;
    u128 principal;
    u128 units;
    u128 units_staged;
    u32 numerator;
    u32 denominator;
    u32 group; // By its place in the list.
    i32 through;
    i32 through_staged;
    u32 staged_by; // The job whose result it still has beside its own; 0 none.
};

struct accrual_model_group {
    u128 group_id;
    u32 book;
};

struct accrual_model {
    struct accrual_model_loan loans[ACCRUAL_MODEL_LOANS_MAX];
    struct accrual_model_group groups[ACCRUAL_MODEL_GROUPS_MAX];
    struct job_record jobs[ACCRUAL_MODEL_JOBS_MAX]; // Number 1 first.
    u64 turns[ACCRUAL_MODEL_JOBS_MAX];              // When each was advanced last.
    u64 turn;
    u32 loan_count;
    u32 group_count;
    u32 job_count;
    u32 book_first; // Groups are on ledger numbers from here on.
    // Of `context`: whether an entry was posted, which one kind of job counts; a slice of a job of
    // another module, one of which may be of a kind that goes before all others when it commits.
    void *context;
    bool (*has_entry)(void *context, u128 entry_id);
    void (*other_slice)(void *context, struct job_record *job);
    u16 first_kind;
};

struct accrual_model_reply {
    u32 result;
    u128 evidence[2];
};

// What the accounts of a group have.
struct accrual_model_sums {
    u128 principal; // Also what was funded.
    u128 interest;  // In whole minor units.
};

// Begins a job of another module, whose id no job has.
struct job_record *accrual_model_job(struct accrual_model *model, u64 principal, u128 job_id,
                                     u16 kind, u64 total, bool holds);
// The job of an id, or NULL.
struct job_record *accrual_model_find_job(struct accrual_model *model, u128 job_id);

// Decides a command of the accrual module, 0x7e01 to 0x7e07, or of the job module.
struct accrual_model_reply accrual_model_run(struct accrual_model *model, u64 principal, u16 record,
                                             const void *body);
// A slice of the job whose turn it is, or a part of its conclusion.
void accrual_model_tick(struct accrual_model *model);
// Sums over the loans of a group.
struct accrual_model_sums accrual_model_sum(const struct accrual_model *model, u32 group);

// A random command: its record's number. The body is written, at most 128 bytes. `next_id` gives
// new ids; runs of loans have at most `run_max`.
u16 accrual_random_command(const struct accrual_model *model, struct random *random, u128 *next_id,
                           u32 run_max, u8 *body, u32 *size);

#endif
