// SPDX-License-Identifier: Apache-2.0
//
// Table tests of business modules: rows of aligned text that say what is commanded or asked, and
// what must come back. They stand beside the modules, in src/modules/<module>/tables/.
//
// The notation. One row a line, `#` begins a comment, what is expected stands after `->`. Members
// are a record as JSON (codec/record_json.h) with four liberties: a number may be 17, 2^64,
// max (2^128-1), max-3, 2^64+1, or the day 2026-01-05; `next` is one more than the last `next` of
// the table, 1000001 at first; an item of an array may be an array of its fields' values in the
// order of their description; an item followed by *3 stands there three times.
//
//   common                   before the first table: the rows from here to it begin every table
//   table <title>            an empty log; the principal is 5
//   room 8                   the log takes so many accounts; first row of a table
//   principal 6 [through 9]  gives the commands from here on; 9 acts in its name
//   given <command> {...}    what the rows of this command have where they say nothing
//   <command> [{...}] [id 7] [byte 93 1] [size 95] [count 2] [expires 1000] -> <result>
//                            one record; `id` is the command's (one of its own when not given),
//                            `byte` puts a value at an offset of the record, `size` and `count` are
//                            claimed instead of the true ones, `expires` is in nanoseconds behind
//                            the last frame: the next one has 1,000
//   batch [id 7] ... end     the rows between are one command of several records; `end -> <result>`
//                            when it is refused as one, and then the rows have no result
//   record 1039 -> <result>  a command of a number that may not exist, without a body
//   account {...} -> <result>    a raw account of a plain client, a raw transfer
//   transfer {...} -> <result>   (ledger.def; results of create_account, create_transfer)
//   ask <question> [{...}] -> 2 | <result>    how many views, or why not
//   view {...}               the next view of the answer: the members named are compared. After an
//                            `ask` stand all of its views or none
//   balance 7/1 [dp dpo cp cpo <number>]      all four of account 1 in book 7; of a raw one: 1
//   missing 7/1 2            there are no such accounts
//   accounts 7 -> 1 2 | none the accounts on a ledger number in history's lists, in their order
//   postings 7 [code 3] [last 2] -> 1>2=10 2>1=4 | none
//                            the postings on it, in their order: account 1 debited, 2 credited, 10
//   tick 60                  so many seconds pass, and the log says so: what is due happens
//   pass 5                   so many seconds pass, and the log says nothing of it
//   many 300 <command> {...} one command of 300 equal records, all done; it is not given again
//   epoch 2                  the frames from here on are of this epoch
//   slice [3]                so many ticks, each of which advances one job by a slice
//   restart | checkpoint     starts again from the log; from a checkpoint
//
// A result is its name in the module's .def in lower case, or done, full, malformed, unknown,
// reused, expired, principal_closed, not_delegated, each followed by its evidence, zeros left out,
// signed where it is: `exists 1`.
// When the ledger refuses: `posting_refused <posting> <create_transfer result> <evidence>`; when a
// constraint does: `constraint_broken <number> <value> <bound>`. `exists 9 then` and
// `exists_with_different_content 9 then`: since record 9 of this sort was carried out, at the time
// of which the row tells that expected `done`.
//
// Without being told, every command is given a second time, which must change no reply; every
// question is asked a second time view by view, by its cursor; every table ends with both kinds of
// start. The state digest is compared over each start, invariants after each command.
//
// A row that does not hold is printed with file and line, and counted.
#ifndef TAEL_MACHINE_COMMAND_TABLE_H
#define TAEL_MACHINE_COMMAND_TABLE_H

#include <stdio.h>

#include "machine/command_world.h"

#define COMMAND_TABLE_RESULTS_MAX 256u

struct command_table_report {
    u32 tables;
    u32 rows;
    u32 failures;
    // How often a result was expected and came: of commands and of questions, by the module's index
    // and the result's number.
    u32 results[MACHINE_MODULES_MAX][COMMAND_TABLE_RESULTS_MAX];
};

// Runs the tables of `text`; adds to the report. `file` is for messages, which go to `trace`.
void command_table_run(const char *file, const char *text, FILE *trace,
                       struct command_table_report *report);
// The same with a file of src/modules; one that cannot be read counts as a failure.
void command_table_run_file(const char *name, FILE *trace, struct command_table_report *report);

#endif
