// SPDX-License-Identifier: Apache-2.0
//
// The real ledger and its history as an executor, on a disk and a log in memory.
//
// It does what the machine does with a frame: the request goes into the log, the batch is decided
// and applied, its rows are indexed. Every so many batches the segment of history is ended, and
// segments are sealed some time later and merged, so that look-ups and queries cross live, waiting,
// sealed and merged segments. Tests only; a failure of the environment aborts.
#ifndef TAEL_LEDGER_LEDGER_REAL_EXECUTOR_H
#define TAEL_LEDGER_LEDGER_REAL_EXECUTOR_H

#include "ledger/ledger.h"
#include "ledger/ledger_executor.h"

struct ledger_real;

// How often what was met; for tests that assert that it was.
struct ledger_real_counts {
    u64 batches;
    u64 rows;
    u64 rotated;
    u64 sealed;
    u64 merged;
    u64 log_reads;
};

// An empty ledger, to be given to ledger_real_free. Never NULL. `seed` decides when segments are
// sealed and which reads wait; a segment ends after `rotate_every` batches (0 never).
struct ledger_real *ledger_real_new(u64 seed, u32 rotate_every);
void ledger_real_free(struct ledger_real *real);
struct ledger_real_counts ledger_real_counts(const struct ledger_real *real);
const struct ledger *ledger_real_ledger(const struct ledger_real *real);

// Valid as long as `real`.
struct ledger_executor ledger_real_executor(struct ledger_real *real);

#endif
