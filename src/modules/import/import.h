// SPDX-License-Identifier: Apache-2.0
//
// The import module: records of one kind that come in large numbers, from another system's books.
// They are staged as they come, looked at by a job, and carried out when it is committed, as if
// each had been commanded alone by the principal of the import (docs/JOBS.md, Imports).
//
// The module takes the rows and says what became of them; looking at them and carrying them out is
// the machine's (machine/commit_import.c), because it is other modules that decide on them.
//
// Invariants
//   I1 One import at most is not settled: open, or with a job that is not settled.
//   I2 The rows of the last import are the first ones of the table, as many as it says.
//   I3 A good row's key is that of no other good row of its pass.
//   I4 The sums of a pass are those of its good rows' postings; they are of different accounts.
#ifndef TAEL_MODULES_IMPORT_IMPORT_H
#define TAEL_MODULES_IMPORT_IMPORT_H

#include "modules/module.h"

#include "schema/pass_struct.h"

#include "modules/import/import.def"

#include "schema/pass_end.h"

#define SCHEMA_MODULE import
#include "schema/pass_extern.h"

#include "modules/import/import.def"

#include "schema/pass_end.h"
#undef SCHEMA_MODULE

#define IMPORT_ROWS_MAX  (1u << 24)
#define IMPORT_ALIGNMENT 16u        // Of what stands before a record, and of the record.
#define IMPORT_COUNT_MAX (1u << 20) // Of imports.

enum { IMPORT_TABLE_IMPORTS, IMPORT_TABLE_ROWS, IMPORT_TABLE_SUMS };
enum { IMPORT_ORDER_KEY };     // Of the rows that are good or done.
enum { IMPORT_ORDER_ACCOUNT }; // Of the sums.

// What stands before each record among the rows of a command.
struct import_head {
    u32 line;
    u32 size;
    u64 zero;
};
static_assert(sizeof(struct import_head) == 16, "as it is in the log");

// The last import that was opened, or NULL; and the import of a job.
const struct import_record *import_last(const struct module_context *own);
// The row of the table that has this key, of this pass; MODULE_ROW_NONE when none has.
u64 import_row_of_key(const struct module_context *own, u128 key, u32 pass);
// The row of the table of sums that has an account's, of this pass; or MODULE_ROW_NONE.
u64 import_sum_of_account(const struct module_context *own, u32 account_row, u32 pass);
// Whether a job carries an import out: of it the machine knows what a slice is.
static inline bool import_has_job(const struct job_record *job)
{
    return job->kind == JOB_KIND_IMPORT_WHOLE || job->kind == JOB_KIND_IMPORT_PART;
}

#endif
