// SPDX-License-Identifier: Apache-2.0
//
// Table tests of the ledger: rows of aligned text that say what is asked and what must come back.
//
// The notation. One row a line, words apart by blanks, `#` begins a comment, what is expected
// stands after `->`. Accounts are A1, transfers T1, ledgers L1, codes C1; the number after the
// letter is the id. A number is 17, 2^64, max (all ones, in the width of the field) or max-3. A
// time is a number of nanoseconds, 5s, 3ms, or @T1 (the timestamp of T1), @A1+1, @T1-2. Words and
// pairs of a row come in any order; what is not given is zero.
//
//   table <title>             an empty ledger, its clock at 0
//   clock 10s    tick 6s      the clock is set, or moves on; nothing expires by itself
//   account  A1 L1 C1 [linked dr<=cr cr<=dr history imported closed] [dp dpo cp cpo u128 u64 u32
//            reserved flags ts <number>] -> <result>
//   transfer T1 A1 A2 amount 10 L1 C1 [linked pending post [T0] void [T0] balancing_debit
//            balancing_credit closing_debit closing_credit imported] [pid T0] [timeout u128 u64 u32
//            flags ts <number>] -> <result>
//   batch ... end             the rows between are one batch; other rows are batches of one
//   expire [limit 3] -> 2     expires what is due, at most `limit` (10), from the next nanosecond
//                             on; the limit is also the number of nanoseconds that it uses up
//   balance  A1 [dp dpo cp cpo <number>] [closed]     all four, and whether it is closed
//   record   A1 ... | T1 ...  the whole record as kept, in the words of the row that created it;
//                             the timestamp is the one given with the result unless `ts` is given
//   missing  A1 T2 ...        there are none with these ids
//   transfers A1 [debits credits reversed] [from to <time>] [limit u128 u64 u32 flags reserved
//            <number>] [C1] -> T1 T2 | none           (limit is 100 unless given)
//   balances  A1 ... -> T1=dp/dpo/cp/cpo ... | none   the same selection
//   query accounts | transfers [L1] [C1] [reversed] ... -> A1 A2 | none
//   changes [from to <time>] [limit reserved <number>] -> T1:pending T2:posted ... | none
//   change   T1 <type> amount 10 ts <time> dr dp/dpo/cp/cpo cr dp/dpo/cp/cpo [dr_closed cr_closed]
//                             the change event in full; types: single pending posted voided expired
//
// Every result's timestamp is checked too: that of the original with `exists`, that of the event
// with `created`, else the event's own: batch timestamp - count + index + 1. Where that is not it,
// a row says so after the result: `-> exists at 5`.
//
// A table that does not hold is printed with file and line, and counted.
#ifndef TAEL_LEDGER_LEDGER_TABLE_H
#define TAEL_LEDGER_LEDGER_TABLE_H

#include <stdio.h>

#include "ledger/ledger_executor.h"
#include "ledger/ledger_names.h"

#define LEDGER_TABLE_RESULTS_MAX 128

struct ledger_table_report {
    u32 tables;
    u32 rows;
    u32 failures;
    // How often a result was expected and came, by position in ledger_names' rows.
    u32 account_results[LEDGER_TABLE_RESULTS_MAX];
    u32 transfer_results[LEDGER_TABLE_RESULTS_MAX];
};

// Runs the tables of `text`; adds to the report. `file` is for messages, which go to `trace`.
void ledger_table_run(const struct ledger_executor *executor, const char *file, const char *text,
                      FILE *trace, struct ledger_table_report *report);

// The same with a file of src/ledger/tables; one that cannot be read counts as a failure.
void ledger_table_run_file(const struct ledger_executor *executor, const char *name, FILE *trace,
                           struct ledger_table_report *report);

#endif
